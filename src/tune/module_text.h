// SPDX-License-Identifier: Apache-2.0
// ModuleText: several kernels that were compiled apart, as one text. What a driver takes to load code goes by the
// number of its modules.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mj {

inline constexpr size_t kMostModules = 8;  // of an engine

// A text without the prelude, and the kernels in it that are launched.
struct KernelSource {
  std::string_view source;
  std::vector<std::string> functions;
};

struct ModuleText {
  std::string source;
  std::vector<size_t> parts;  // which sources, in their order
  // The name in this text of each function of each part.
  std::vector<std::map<std::string, std::string>> names;
};

// At most `most` texts that take about equally long to compile, each source in one of them and in a namespace of its
// own. A kernel keeps its name unless one before it has the same. The same for the same sources everywhere.
std::vector<ModuleText> module_texts(std::span<const KernelSource> sources, size_t most = kMostModules);

}  // namespace mj
