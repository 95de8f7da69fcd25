// SPDX-License-Identifier: Apache-2.0
// The plugins of this process: shared libraries with operators of the user's (millijoule/plugin.h). They are loaded
// where the user names them, never by what a file says, and stay loaded. All functions may be called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "millijoule/plugin.h"

namespace mj {

struct Plugin {
  std::string name;
  int64_t version = 1;
  std::string file;
  Digest digest{};  // SHA-256 of the file
  const mj_plugin* table = nullptr;
};

// The name by which users load the module over ONNX Runtime, in place of a file; also that plugin's own name.
inline constexpr std::string_view kOrtPlugin = "ort";

// A file, or kOrtPlugin. A file that is loaded already is fine; another one of the same name is an error, as is a
// table that breaks the interface's rules.
Result<const Plugin*> load_plugin(const std::string& path);
// A table that is part of the program, under the same rules.
Result<const Plugin*> register_plugin(const mj_plugin* table, const std::string& file = "", const Digest& digest = {});

std::vector<const Plugin*> loaded_plugins();       // in the order of loading
const Plugin* find_plugin(std::string_view name);  // null: not loaded

struct PluginOperator {
  const Plugin* plugin = nullptr;
  const mj_operator* table = nullptr;

  explicit operator bool() const { return table != nullptr; }
};
// That with the highest `since` up to `opset`. Of several plugins, the one loaded first.
PluginOperator find_plugin_operator(std::string_view domain, std::string_view op, int64_t opset);
const mj_operator* find_operator(const Plugin& plugin, std::string_view domain, std::string_view op, int64_t opset);

}  // namespace mj
