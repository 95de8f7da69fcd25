// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/attention/cuda_form.h"
#include "kernels/cuda/anchor.h"

namespace mj {
namespace {

AttentionHeads dense(bool outer, int64_t heads, const Dim& rows, int64_t depth) {
  if (outer) return {0, rows * (heads * depth), rows * depth, depth};
  return {0, rows * (heads * depth), depth, heads * depth};
}

// Absent where the head size is not known.
std::optional<AttentionCudaForm> form_of(const Problem& problem) {
  const Attention& op = problem.op.as<Attention>();
  const Shape& q = problem.inputs[0].shape;
  const bool packed = op.layout == "qkv", outer = op.layout == "bhsd";
  const Shape& k = problem.inputs[packed ? 0 : 1].shape;
  const Shape& v = problem.inputs[packed ? 0 : 2].shape;
  const std::optional<int64_t> width = q.back().constant(), v_width = v.back().constant();
  if (!width || !v_width) return std::nullopt;
  AttentionCudaForm f;
  f.heads = op.heads;
  f.key_heads = op.key_heads();
  f.images = q[0];
  f.queries = q[outer ? 2 : 1];
  f.keys = k[outer ? 2 : 1];
  f.depth = outer ? *width : *width / (packed ? f.heads + 2 * f.key_heads : f.heads);
  f.v_depth = packed ? f.depth : outer ? *v_width : *v_width / f.key_heads;
  f.scale = op.scale != 0 ? op.scale : static_cast<float>(1 / std::sqrt(static_cast<double>(f.depth)));
  const size_t mask = op.mask_input();
  if (mask < static_cast<size_t>(problem.anchor_inputs) && problem.inputs[mask].dtype != DType::none)
    f.mask_input = mask;
  f.y = dense(outer, f.heads, f.queries, f.v_depth);
  if (packed) {
    f.q = {0, f.queries * *width, f.depth, *width};
    f.k = f.v = f.q;
    f.k.first = f.heads * f.depth;
    f.v.first = (f.heads + f.key_heads) * f.depth;
    return f;
  }
  f.q = dense(outer, f.heads, f.queries, f.depth);
  f.k = dense(outer, f.key_heads, f.keys, f.depth);
  f.v = dense(outer, f.key_heads, f.keys, f.v_depth);
  f.k_input = 1;
  f.v_input = 2;
  return f;
}

}  // namespace

Refusal attention_cuda_refusal(const Problem& problem) {
  if (!problem.op.get_if<Attention>()) return "not attention";
  Problem without_mask = problem;  // which may be of another type
  const size_t mask = problem.op.as<Attention>().mask_input();
  if (mask < static_cast<size_t>(problem.anchor_inputs)) {
    const DType dtype = problem.inputs[mask].dtype;
    if (dtype != DType::none && (c_maths(dtype) != "float" || c_storage(dtype).empty()))
      return fmt::format("its mask is {}", name(dtype));
    without_mask.inputs[mask].dtype = DType::none;
  }
  if (Refusal reason = float_anchor_refusal(without_mask)) return reason;
  const std::optional<AttentionCudaForm> form = form_of(problem);
  if (!form) return "the size of its heads is not known";
  if (form->depth < 1 || form->v_depth < 1) return "its heads are empty";
  return std::nullopt;
}

AttentionCudaForm attention_cuda_form(const Problem& problem) { return *form_of(problem); }

std::string head_text(KernelText& kernel, const AttentionHeads& heads, std::string_view head) {
  const std::string first = heads.first.constant() == 0 ? "" : kernel.size(heads.first) + " + ";
  return fmt::format("{}image * {} + {} * {}", first, kernel.size(heads.batch), head, kernel.size(heads.head));
}

std::string mask_text(KernelText& kernel, const AttentionCudaForm& form) {
  const size_t input = *form.mask_input;
  const Shape& mask = kernel.problem().inputs[input].shape;
  const Shape whole = {form.images, form.heads, form.queries, form.keys};
  const char* const names[] = {"image", "head", "query", "key"};
  std::string sum;
  Dim step = 1;
  for (size_t back = 1; back <= mask.size(); ++back) {
    const Dim& dim = mask[mask.size() - back];
    const size_t d = 4 - back;
    if (dim.constant() != 1) {
      std::string place = names[d];
      if (equal(dim, whole[d]) != Tri::yes) place = fmt::format("({} == 1 ? 0 : {})", kernel.size(dim), place);
      if (step.constant() != 1) place += " * " + kernel.size(step);
      sum = sum.empty() ? place : place + " + " + sum;
    }
    step *= dim;
  }
  return c_load(kernel.problem().inputs[input].dtype,
                fmt::format("{}[{}]", kernel.input(input), sum.empty() ? "0" : sum));
}

}  // namespace mj
