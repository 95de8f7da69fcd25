// SPDX-License-Identifier: Apache-2.0
#include "tune/module_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace mj {
namespace {

bool in_word(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string with_word(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at), end = found + from.size();
    if (found == std::string_view::npos) return result.append(text.substr(at));
    const bool whole = (found == 0 || !in_word(text[found - 1])) && (end == text.size() || !in_word(text[end]));
    result.append(text.substr(at, found - at)).append(whole ? to : from);
    at = end;
  }
}

// Takes back what the text defines: guards of helpers that two parts have, say.
std::string undefined(std::string_view text) {
  constexpr std::string_view kDefine = "#define ";
  std::string lines;
  for (size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size() - 1) + 1) {
    if (!text.substr(at).starts_with(kDefine)) continue;
    const size_t begin = at + kDefine.size();
    size_t end = begin;
    while (end < text.size() && in_word(text[end])) ++end;
    lines += fmt::format("#undef {}\n", text.substr(begin, end - begin));
  }
  return lines;
}

// The parts of each text. The length of a source stands for the time it takes to compile.
std::vector<std::vector<size_t>> shared_out(std::span<const KernelSource> sources, size_t most) {
  std::vector<size_t> order(sources.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sources[a].source.size() > sources[b].source.size(); });
  std::vector<std::vector<size_t>> parts(std::min(most, sources.size()));
  std::vector<size_t> lengths(parts.size());
  for (const size_t source : order) {
    const auto least = static_cast<size_t>(std::min_element(lengths.begin(), lengths.end()) - lengths.begin());
    parts[least].push_back(source);
    lengths[least] += sources[source].source.size();
  }
  for (std::vector<size_t>& of_one : parts) std::sort(of_one.begin(), of_one.end());
  std::sort(parts.begin(), parts.end());
  return parts;
}

}  // namespace

std::vector<ModuleText> module_texts(std::span<const KernelSource> sources, size_t most) {
  std::set<std::string> taken;
  for (const KernelSource& source : sources) taken.insert(source.functions.begin(), source.functions.end());
  std::set<std::string> met;
  std::vector<std::map<std::string, std::string>> names;  // of each source
  for (const KernelSource& source : sources) {
    std::map<std::string, std::string>& own = names.emplace_back();
    for (const std::string& function : source.functions) {
      if (own.contains(function)) continue;
      std::string name = function;
      if (!met.insert(function).second) {
        for (int number = 2; !taken.insert(name = fmt::format("{}_{}", function, number)).second;) ++number;
      }
      own[function] = name;
    }
  }
  std::vector<ModuleText> texts;
  for (std::vector<size_t>& parts : shared_out(sources, most)) {
    ModuleText& text = texts.emplace_back();
    for (const size_t part : parts) {
      std::string source(sources[part].source);
      for (const auto& [from, to] : names[part]) {
        if (from != to) source = with_word(source, from, to);
      }
      text.source += fmt::format("namespace part_{} {{\n{}}}\n{}", part, source, undefined(source));
      for (const auto& [from, name] : names[part]) text.source += fmt::format("using part_{}::{};\n", part, name);
      text.names.push_back(names[part]);
    }
    text.parts = std::move(parts);
  }
  return texts;
}

}  // namespace mj
