// SPDX-License-Identifier: Apache-2.0
#include "tools/output.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/cpu_quota.h"
#include "base/file.h"
#include "base/isa.h"
#include "base/machine.h"
#include "kernels/onednn/run_module.h"

namespace mj {

void say(const Common& common, const std::string& line) {
  if (!common.quiet) fmt::print(common.json == "-" ? stderr : stdout, "{}\n", line);
}

Result<void> check_destination(const std::string& path) { return path.empty() ? Result<void>() : check_writable(path); }

Result<void> write_json(const Common& common, const nlohmann::ordered_json& json) {
  if (common.json.empty()) return {};
  const std::string text = json.dump(2) + "\n";
  if (common.json != "-") return write_file_atomically(common.json, text);
  fmt::print("{}", text);
  return {};
}

nlohmann::ordered_json environment(int threads) {
  return {{"millijoule", MJ_VERSION}, {"cpu", cpu_model()}, {"isa", name(detect_isa())}, {"threads", threads}};
}

nlohmann::ordered_json onednn_json() {
  const onednn::Use use = onednn::use();
  if (use.primitives == 0) return nullptr;
  return {{"version", onednn::library_version()}, {"primitives", use.primitives}, {"seconds", use.seconds}};
}

void say_onednn(const Common& common) {
  const onednn::Use use = onednn::use();
  if (use.primitives == 0) return;
  say(common, fmt::format("oneDNN {}: {} primitives made in {:.1f} ms", onednn::library_version(), use.primitives,
                          use.seconds * 1e3));
}

int threads_of(const Common& common) { return common.threads > 0 ? common.threads : default_threads(); }

std::vector<std::string> nodes_of(const std::vector<std::string>& fallback) {
  std::vector<std::string> nodes;
  for (const std::string& text : fallback) nodes.push_back(text.substr(text.find(':') + 1));
  return nodes;
}

Result<ReadOptions> read_options(const std::string& trusted_key) {
  ReadOptions options;
  if (trusted_key.empty()) return options;
  MJ_ASSIGN(options.trusted_keys.emplace_back(), read_public_key_pem(trusted_key));
  return options;
}

}  // namespace mj
