// SPDX-License-Identifier: Apache-2.0
#include "ops/pad.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

// The axes that `pads` speaks of.
Result<std::vector<int64_t>> pad_axes(const InferContext& context) {
  std::vector<int64_t> axes(static_cast<size_t>(context[0].type.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  if (!context.has(3)) return axes;
  const std::optional<std::vector<int64_t>> named = context[3].known_elements();
  if (!named) return context.fail("axes must be constant");
  MJ_TRY(normalize_axes(context, *named, context[0].type.rank()));
  axes.clear();
  for (int64_t axis : *named) axes.push_back(axis < 0 ? axis + context[0].type.rank() : axis);
  return axes;
}

// Where place `at` of the result comes from in a dim of length n; -1 for the padding value.
int64_t source(const std::string& mode, int64_t at, int64_t n) {
  if (at >= 0 && at < n) return at;
  if (mode == "constant") return -1;
  if (mode == "edge") return std::clamp<int64_t>(at, 0, n - 1);
  if (mode == "wrap") return (at % n + n) % n;
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);  // reflect: there and back without repeating the ends
  const int64_t place = (at % period + period) % period;
  return place < n ? place : period - place;
}

}  // namespace

InferResult Pad::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 4));
  MJ_TRY(context.ranked(0));
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    return context.fail(fmt::format("mode must be constant, reflect, edge or wrap, got '{}'", mode));
  }
  if (context.has(2)) {
    MJ_TRY(context.same_dtype(0, 2));
    if (equal(element_count(context.shape(2)), 1) == Tri::no) return context.fail("value must be one element");
  }
  if (!context.concrete() && context.has(3) && !context[3].known_elements()) {  // any dim may grow
    Shape any;
    for (int64_t d = 0; d < context[0].type.rank(); ++d) any.push_back(context.fresh("pad"));
    return one(context.dtype(0), std::move(any));
  }
  MJ_ASSIGN(const std::vector<int64_t> axes, pad_axes(context));
  const std::optional<std::vector<Dim>> pads = context[1].elements();
  Shape out = context.shape(0);
  if (pads && pads->size() != 2 * axes.size()) {
    return context.fail(fmt::format("{} pads for {} axes", pads->size(), axes.size()));
  }
  if (!pads && context.concrete()) return context.fail("pads must be integers");
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& dim = out[static_cast<size_t>(axes[i])];
    dim = pads ? dim + (*pads)[i] + (*pads)[axes.size() + i] : context.fresh("pad");
  }
  return one(context.dtype(0), std::move(out));
}

Result<void> Pad::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const Tensor& x = in[0];
  std::vector<ValueInfo> infos;
  for (const Tensor& t : in) infos.push_back(t.present() ? ValueInfo::of(t) : ValueInfo{});
  MJ_ASSIGN(const std::vector<int64_t> axes, pad_axes({.op = kName, .inputs = infos, .outputs = 1, .fresh = nullptr}));
  std::vector<int64_t> begin(static_cast<size_t>(x.rank()));
  for (size_t i = 0; i < axes.size(); ++i) begin[static_cast<size_t>(axes[i])] = in[1].to_i64()[i];
  if (out[0].size() == 0) return {};
  if (x.size() == 0 && mode != "constant")
    return model_error("pad: mode {} has nothing to repeat in {}", mode, to_string(x));
  const std::vector<int64_t>& dims = out[0].dims();
  const std::vector<int64_t> strides = row_major(x.dims());
  const Tensor value = in.size() > 2 && in[2].present() ? in[2] : Tensor::zeros(x.dtype(), {});
  std::vector<int64_t> index(dims.size());
  int64_t to = 0;
  do {
    int64_t from = 0;
    bool inside = true;
    for (size_t d = 0; d < dims.size(); ++d) {
      const int64_t at = source(mode, index[d] - begin[d], x.dims()[d]);
      inside = inside && at >= 0;
      from += at * strides[d];
    }
    copy_elements(inside ? x : value, inside ? from : 0, out[0], to++, 1);
  } while (next_index(dims, index));
  return {};
}

MJ_REGISTER_OP(Pad)

}  // namespace mj
