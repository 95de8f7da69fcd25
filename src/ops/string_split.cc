// SPDX-License-Identifier: Apache-2.0
// string_split{delimiter, maxsplit}(x): the parts of each string along a new last axis, filled up with empty ones; how
// many there are. An empty delimiter stands for any white space, at both ends none. After maxsplit cuts the rest stays
// whole; 0 is no limit.
#include <fmt/format.h>

#include <algorithm>

#include "ops/register.h"

namespace mj {

struct StringSplit {
  std::string delimiter;
  int64_t maxsplit = 0;

  static constexpr std::string_view kName = "string_split";
  static constexpr auto kFields =
      std::tuple{field(1, "delimiter", &StringSplit::delimiter), field(2, "maxsplit", &StringSplit::maxsplit)};
  static constexpr bool kStrings = true;

  std::vector<std::string> parts(std::string_view text) const;
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

std::vector<std::string> StringSplit::parts(std::string_view text) const {
  constexpr std::string_view kSpace = " \t\n\r\v\f";
  const bool by_space = delimiter.empty();
  const auto without_space = [&] { text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size())); };
  std::vector<std::string> all;
  if (by_space) without_space();
  while (!by_space || !text.empty()) {
    const bool last = maxsplit > 0 && std::ssize(all) == maxsplit;
    const size_t at = last ? std::string_view::npos : by_space ? text.find_first_of(kSpace) : text.find(delimiter);
    std::string_view part = text.substr(0, at);
    if (by_space && at == std::string_view::npos) part = part.substr(0, part.find_last_not_of(kSpace) + 1);
    all.emplace_back(part);
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + (by_space ? 1 : delimiter.size()));
    if (by_space) without_space();
  }
  return all;
}

InferResult StringSplit::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  if (context.dtype(0) != DType::string) return context.fail("input 0 must be strings");
  if (maxsplit < 0) return context.fail(fmt::format("maxsplit is {}", maxsplit));
  const Shape& x = context.shape(0);
  Shape out = x;
  if (context.concrete()) {
    int64_t most = 0;
    for (const std::string& text : context[0].constant.string_data()) most = std::max(most, std::ssize(parts(text)));
    out.emplace_back(most);
  } else {
    out.push_back(context.fresh("parts"));
  }
  return std::vector<ValueInfo>{ValueInfo::of(Type::tensor(DType::string, std::move(out))),
                                ValueInfo::of(Type::tensor(DType::i64, x))};
}

Result<void> StringSplit::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<std::string>& texts = in[0].string_data();
  const auto most = static_cast<size_t>(out[0].dims().back());
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::string> all = parts(texts[i]);
    if (out.size() > 1 && out[1].present()) out[1].mutable_data<int64_t>()[i] = std::ssize(all);
    std::move(all.begin(), all.end(), out[0].mutable_string_data().begin() + static_cast<int64_t>(i * most));
  }
  return {};
}

MJ_REGISTER_OP(StringSplit)

}  // namespace mj
