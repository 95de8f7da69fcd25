// SPDX-License-Identifier: Apache-2.0
#include "tools/trtexec.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace mj {
namespace {

// "--flag=value" in two.
std::pair<std::string, std::string> split_flag(const std::string& word) {
  const size_t at = word.find('=');
  return at == std::string::npos ? std::pair(word, std::string()) : std::pair(word.substr(0, at), word.substr(at + 1));
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kRenamed = {{
    {"--avgRuns", "--iterations"},
    {"--exportProfile", "--export"},
    {"--verbose", "-v"},
    {"--exportLayerInfo", "--json"},
}};

// trtexec spells milliseconds, we spell seconds.
std::string seconds(const std::string& milliseconds) {
  return std::to_string(std::strtod(milliseconds.c_str(), nullptr) / 1000);
}

}  // namespace

std::vector<std::string> translate_trtexec(std::vector<std::string> words) {
  if (words.empty() || !words[0].starts_with("--")) return words;
  const bool builds = std::any_of(words.begin(), words.end(), [](const auto& w) { return w.starts_with("--onnx"); });
  const bool loads =
      std::any_of(words.begin(), words.end(), [](const auto& w) { return w.starts_with("--loadEngine"); });
  if (!builds && !loads) return words;

  std::vector<std::string> out = {builds ? "compile" : "bench"};
  bool saves = false;
  for (const std::string& word : words) {
    auto [flag, value] = split_flag(word);
    saves = saves || flag == "--saveEngine";
    if (flag == "--warmUp") {
      out.push_back("--warmup=" + seconds(value));
      continue;
    }
    if (builds && flag == "--shapes") flag = "--optShapes";  // one shape is all three
    if (flag == "--fp16" || flag == "--int8" || flag == "--bf16" || flag == "--fp8") {
      out.push_back("--precision=" + flag.substr(2));
      continue;
    }
    for (const auto& [theirs, ours] : kRenamed) {
      if (flag == theirs) flag = ours;
    }
    out.push_back(value.empty() ? flag : flag + "=" + value);
  }
  // trtexec without --saveEngine builds and throws the plan away; ours goes where a later bench finds it.
  if (builds && !saves) out.emplace_back("--saveEngine=model.engine");
  return out;
}

}  // namespace mj
