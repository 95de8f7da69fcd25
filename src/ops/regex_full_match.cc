// SPDX-License-Identifier: Apache-2.0
// regex_full_match{pattern}(x): of each string, whether the pattern matches all of it
#include "ops/regex.h"
#include "ops/register.h"

namespace mj {

struct RegexFullMatch {
  std::string pattern;

  static constexpr std::string_view kName = "regex_full_match";
  static constexpr OnnxName kOnnx = {.name = "RegexFullMatch", .since = 20};
  static constexpr auto kFields = std::tuple{field(1, "pattern", &RegexFullMatch::pattern)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult RegexFullMatch::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  if (context.dtype(0) != DType::string) return context.fail("input 0 must be strings");
  const Result<Regex> regex = Regex::parse(pattern);
  if (!regex.ok()) return context.fail(regex.error().message);
  return one(DType::boolean, context.shape(0));
}

Result<void> RegexFullMatch::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(const Regex regex, Regex::parse(pattern));
  const std::vector<std::string>& texts = in[0].string_data();
  for (size_t i = 0; i < texts.size(); ++i) out[0].mutable_data<bool>()[i] = regex.matches(texts[i]);
  return {};
}

MJ_REGISTER_OP(RegexFullMatch)

}  // namespace mj
