// SPDX-License-Identifier: Apache-2.0
// iota_cuda: one thread a number.
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/op_field.h"
#include "kernels/cuda/row.h"

namespace mj {
namespace {

using Texts = std::vector<std::string>;

// Where it is known.
std::optional<int64_t> number(const Problem& problem, std::string_view field) {
  const Result<Dim> dim = Dim::parse(field_of<Texts>(problem.op, field)[0]);
  return dim.ok() ? dim->constant() : std::nullopt;
}

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.is("iota")) return "it does not count";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  if (!number(problem, "start") || !number(problem, "step")) return "its first number or step is computed";
  return std::nullopt;
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("iota", problem);
  const Dim count = element_count(problem.outputs[0].shape);
  begin_elements(kernel, count);
  // Unsigned, so that it wraps.
  kernel.line("{}[i] = (long long)({}ull + i * {}ull);", kernel.output(0),
              static_cast<uint64_t>(*number(problem, "start")), static_cast<uint64_t>(*number(problem, "step")));
  return finish_elements(std::move(kernel), count);
}

}  // namespace

extern const SelectRow select_iota_cuda;
const SelectRow select_iota_cuda = streaming_gpu_row("iota", "iota_cuda", refuses, generate);

}  // namespace mj
