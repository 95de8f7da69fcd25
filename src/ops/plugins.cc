// SPDX-License-Identifier: Apache-2.0
#include "ops/plugins.h"

#include <dlfcn.h>

#include <cstddef>
#include <deque>
#include <filesystem>
#include <mutex>

#include "base/file.h"
#include "base/library.h"

namespace mj {
namespace {

constexpr char kOrtFile[] = "libmj_ort.so";

std::mutex plugins_mutex;
// Never shrinks, so that pointers into it stay good.
std::deque<Plugin>& plugins() {
  static std::deque<Plugin> all;
  return all;
}

Error bad_plugin(const std::string& file, std::string_view why) {
  return error(ErrorCode::usage, "plugin '{}': {}", file, why);
}

std::string wrong_operator(const mj_operator* op) {
  // A later version's table is longer.
  if (!op || op->struct_size < sizeof(mj_operator)) return "an operator's struct_size is not its size";
  if (!op->domain || !op->op || op->op[0] == '\0') return "an operator has no name";
  if (!op->infer || !op->run) return fmt::format("operator '{}' has no infer() or no run()", op->op);
  if (op->tactic_count > 0 && !op->tactics) return fmt::format("operator '{}' has no tactics", op->op);
  for (size_t i = 0; i < op->tactic_count; ++i) {
    const std::string_view tactic = op->tactics[i] ? op->tactics[i] : "";
    if (tactic.empty() || tactic.size() > 64) return fmt::format("operator '{}': tactic {} has no name", op->op, i);
  }
  return "";
}

std::string wrong_table(const mj_plugin* table) {
  if (!table) return "its table is NULL";
  if (table->abi_version > MJ_PLUGIN_ABI_VERSION || table->abi_version == 0) {
    return fmt::format("it is written for version {} of millijoule/plugin.h, this program has version {}",
                       table->abi_version, MJ_PLUGIN_ABI_VERSION);
  }
  if (table->struct_size < sizeof(mj_plugin)) return "its table's struct_size is not its size";
  if (!table->name || table->name[0] == '\0') return "it has no name";
  if (table->operator_count > 0 && !table->operators) return "it has no operators";
  for (size_t i = 0; i < table->operator_count; ++i) {
    if (std::string wrong = wrong_operator(table->operators[i]); !wrong.empty()) return wrong;
  }
  return "";
}

Result<const Plugin*> add_plugin(const mj_plugin* table, const std::string& file, const Digest& digest) {
  const std::string shown = file.empty() && table && table->name ? table->name : file;
  if (const std::string wrong = wrong_table(table); !wrong.empty()) return bad_plugin(shown, wrong);
  if (table->unusable) return error(ErrorCode::environment, "plugin '{}': {}", shown, table->unusable);
  for (const Plugin& known : plugins()) {
    if (known.table == table) return &known;
    if (known.name != table->name) continue;
    return bad_plugin(shown,
                      fmt::format("a plugin of the name '{}' is loaded already, from '{}'", known.name, known.file));
  }
  return &plugins().emplace_back(Plugin{table->name, table->version, file, digest, table});
}

Result<const Plugin*> open_plugin(const std::string& file) {
  MJ_ASSIGN(const std::shared_ptr<const MappedFile> mapped, MappedFile::open(file));
  const Digest digest = sha256(mapped->bytes());
  std::error_code failed;
  // With a slash, so that the system's folders are not searched.
  const std::string path = std::filesystem::absolute(file, failed).string();
  void* handle = dlopen(failed ? file.c_str() : path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one for each thread
    return error(ErrorCode::environment, "plugin '{}' cannot be loaded: {}", file, reason ? reason : "no reason given");
  }
  const auto table = reinterpret_cast<mj_plugin_table_function>(dlsym(handle, MJ_PLUGIN_TABLE));
  if (!table) return bad_plugin(file, "it exports no " MJ_PLUGIN_TABLE "(); see millijoule/plugin.h");
  return add_plugin(table(), file, digest);
}

}  // namespace

Result<const Plugin*> load_plugin(const std::string& path) {
  const std::lock_guard lock(plugins_mutex);
  if (path != kOrtPlugin) return open_plugin(path);
  for (const Plugin& known : plugins()) {
    if (known.name == kOrtPlugin) return &known;
  }
  const std::optional<std::string> file = beside_this_code(kOrtFile);
  if (file) return open_plugin(*file);
  return error(ErrorCode::environment,
               "'{}': there is no {} beside the program or in ../lib; it comes with Millijoule's build", kOrtPlugin,
               kOrtFile);
}

Result<const Plugin*> register_plugin(const mj_plugin* table, const std::string& file, const Digest& digest) {
  const std::lock_guard lock(plugins_mutex);
  return add_plugin(table, file, digest);
}

std::vector<const Plugin*> loaded_plugins() {
  const std::lock_guard lock(plugins_mutex);
  std::vector<const Plugin*> all;
  for (const Plugin& plugin : plugins()) all.push_back(&plugin);
  return all;
}

const Plugin* find_plugin(std::string_view name) {
  for (const Plugin* plugin : loaded_plugins()) {
    if (plugin->name == name) return plugin;
  }
  return nullptr;
}

const mj_operator* find_operator(const Plugin& plugin, std::string_view domain, std::string_view op, int64_t opset) {
  const auto usual = [](std::string_view text) { return text == "ai.onnx" ? std::string_view() : text; };
  const mj_operator* best = nullptr;
  for (size_t i = 0; i < plugin.table->operator_count; ++i) {
    const mj_operator* table = plugin.table->operators[i];
    if (op != table->op || usual(domain) != usual(table->domain) || table->since > opset) continue;
    if (!best || table->since > best->since) best = table;
  }
  return best;
}

PluginOperator find_plugin_operator(std::string_view domain, std::string_view op, int64_t opset) {
  for (const Plugin* plugin : loaded_plugins()) {
    if (const mj_operator* table = find_operator(*plugin, domain, op, opset)) return {plugin, table};
  }
  return {};
}

}  // namespace mj
