// SPDX-License-Identifier: Apache-2.0
// string_normalizer{case_change_action, is_case_sensitive, stopwords}(x [C] or [1,C]): the strings that are no
// stopword, in upper or lower case where asked for; one empty string where none is left. Letters with a case: those of
// Latin, Greek and Cyrillic up to U+052F.
#include <fmt/format.h>

#include <algorithm>

#include "ops/register.h"

namespace mj {

struct StringNormalizer {
  std::string case_change_action = "NONE";
  bool is_case_sensitive = false;
  std::vector<std::string> stopwords;

  static constexpr std::string_view kName = "string_normalizer";
  static constexpr auto kFields = std::tuple{field(1, "case_change_action", &StringNormalizer::case_change_action),
                                             field(2, "is_case_sensitive", &StringNormalizer::is_case_sensitive),
                                             field(3, "stopwords", &StringNormalizer::stopwords)};
  static constexpr bool kStrings = true;

  std::vector<std::string> kept(const std::vector<std::string>& all) const;
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

uint32_t cased(uint32_t c, bool upper) {
  const auto shifted = [&](uint32_t first, uint32_t last, uint32_t by) {  // lower ones, and by how much they lie above
    if (upper && c >= first && c <= last) return c - by;
    if (!upper && c + by >= first && c + by <= last) return c + by;
    return c;
  };
  if (c < 0x80) return shifted('a', 'z', 0x20);
  if (c == 0xd7 || c == 0xf7 || c == 0xdf || c == 0x3c2) return c;
  if (c < 0x100) return c == 0xff ? (upper ? 0x178 : c) : shifted(0xe0, 0xfe, 0x20);
  const bool pairs = (c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
                     (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f);
  if (pairs && c != 0x130 && c != 0x131) return upper ? c & ~1u : c | 1u;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e) || (c >= 0x4c1 && c <= 0x4ce)) {
    return upper ? (c - 1) | 1u : c + (c & 1u);
  }
  if (c >= 0x391 && c <= 0x3c9) return shifted(0x3b1, 0x3c9, 0x20);
  if (c >= 0x410 && c <= 0x44f) return shifted(0x430, 0x44f, 0x20);
  if (c >= 0x400 && c <= 0x45f) return shifted(0x450, 0x45f, 0x50);
  return c;
}

// Bytes that are no two-byte sequence of UTF-8 stay as they are.
std::string with_case(std::string text, bool upper) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x80) {
      text[i] = static_cast<char>(cased(byte, upper));
    } else if (byte >= 0xc2 && byte < 0xe0 && i + 1 < text.size() && (static_cast<uint8_t>(text[i + 1]) >> 6) == 2) {
      const uint32_t to = cased(static_cast<uint32_t>((byte & 31) << 6 | (text[i + 1] & 63)), upper);
      text[i] = static_cast<char>(0xc0 | to >> 6);
      text[++i] = static_cast<char>(0x80 | (to & 63));
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> StringNormalizer::kept(const std::vector<std::string>& all) const {
  const auto compared = [&](const std::string& text) { return is_case_sensitive ? text : with_case(text, false); };
  std::vector<std::string> words, left;
  for (const std::string& word : stopwords) words.push_back(compared(word));
  for (const std::string& text : all) {
    if (std::find(words.begin(), words.end(), compared(text)) != words.end()) continue;
    left.push_back(case_change_action == "NONE" ? text : with_case(text, case_change_action == "UPPER"));
  }
  if (left.empty()) left.emplace_back();
  return left;
}

InferResult StringNormalizer::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, 1));
  if (context.dtype(0) != DType::string) return context.fail("input 0 must be strings");
  Shape out = context.shape(0);
  if (out.size() > 2 || (out.size() == 2 && equal(out[0], 1) == Tri::no)) {
    return context.fail(fmt::format("input 0 must be a row of strings, got {}", to_string(context[0].type)));
  }
  if (case_change_action != "NONE" && case_change_action != "LOWER" && case_change_action != "UPPER") {
    return context.fail(fmt::format("case_change_action must be NONE, LOWER or UPPER, got '{}'", case_change_action));
  }
  if (out.size() == 2) out[0] = 1;
  out.back() = context.concrete() ? Dim(std::ssize(kept(context[0].constant.string_data()))) : context.fresh("kept");
  return one(DType::string, std::move(out));
}

Result<void> StringNormalizer::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  out[0].mutable_string_data() = kept(in[0].string_data());
  return {};
}

MJ_REGISTER_OP(StringNormalizer)

}  // namespace mj
