// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "kernels/gather/boxes.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;
using Copies = std::vector<cpu::StridedCopy>;

cpu::StridedCopy whole(const TensorRef& in, const TensorRef& out) {
  cpu::StridedCopy copy;
  copy.dims.assign(out.dims.begin(), out.dims.end());
  copy.dst_strides = cpu::dense_strides(out.dims);
  copy.src = in.data;
  copy.dst = out.data;
  copy.element_bytes = storage_bytes(out.dtype);
  return copy;
}

const void* advanced(const void* data, int64_t elements, int64_t element_bytes) {
  return static_cast<const std::byte*>(data) + elements * element_bytes;
}

template <class T>
T field(const Op& op, std::string_view name) {
  for (const NamedField& f : op.fields()) {
    if (f.name == name) return std::get<T>(f.value);
  }
  CHECK(false, "{} has no field {}", op.name(), name);
}

struct Cuts {
  Dims axes, starts, ends, steps;
};

Result<Dims> numbers(const std::vector<std::string>& texts) {
  Dims out;
  for (const std::string& text : texts) {
    MJ_ASSIGN(const Dim dim, Dim::parse(text));
    if (!dim.constant()) return model_error("slice_to: the bound '{}' is not known", text);
    out.push_back(*dim.constant());
  }
  return out;
}

Result<Cuts> cuts_of(const Op& op, std::span<const TensorRef> inputs, const Bindings& symbols) {
  Cuts cuts;
  if (op.is("slice_to")) {
    const Op bound = op.info().bind(op.raw(), symbols);
    cuts.axes = field<Dims>(bound, "axes");
    cuts.steps = field<Dims>(bound, "steps");
    MJ_ASSIGN(cuts.starts, numbers(field<std::vector<std::string>>(bound, "starts")));
    MJ_ASSIGN(cuts.ends, numbers(field<std::vector<std::string>>(bound, "ends")));
  } else {
    cuts.starts = integers(inputs[1]);
    cuts.ends = integers(inputs[2]);
    if (inputs.size() > 3 && inputs[3].present()) cuts.axes = integers(inputs[3]);
    if (inputs.size() > 4 && inputs[4].present()) cuts.steps = integers(inputs[4]);
  }
  if (cuts.axes.empty()) {
    cuts.axes.resize(cuts.starts.size());
    std::iota(cuts.axes.begin(), cuts.axes.end(), 0);
  }
  if (cuts.steps.empty()) cuts.steps.assign(cuts.starts.size(), 1);
  if (cuts.starts.size() != cuts.axes.size() || cuts.ends.size() != cuts.axes.size() ||
      cuts.steps.size() != cuts.axes.size()) {
    return model_error("slice: {} starts, {} ends and {} steps for {} axes", cuts.starts.size(), cuts.ends.size(),
                       cuts.steps.size(), cuts.axes.size());
  }
  return cuts;
}

// Python's rule; of a negative bound the length is added before it is clamped.
int64_t clamp_bound(int64_t bound, int64_t length, int64_t low, int64_t high) {
  if (bound < 0) bound = bound < -length ? low : bound + length;
  return std::clamp(bound, low, high);
}

Result<Copies> slice(const Op& op, std::span<const TensorRef> inputs, const TensorRef& out, const Bindings& symbols) {
  const TensorRef& in = inputs[0];
  MJ_ASSIGN(const Cuts cuts, cuts_of(op, inputs, symbols));
  cpu::StridedCopy copy = whole(in, out);
  copy.src_strides = cpu::dense_strides(in.dims);
  Dims want(in.dims.begin(), in.dims.end());
  int64_t first = 0;
  for (size_t i = 0; i < cuts.axes.size(); ++i) {
    const int64_t rank = std::ssize(in.dims), axis = cuts.axes[i] < 0 ? cuts.axes[i] + rank : cuts.axes[i];
    if (axis < 0 || axis >= rank) return model_error("slice: axis {} of a tensor of rank {}", cuts.axes[i], rank);
    const auto d = static_cast<size_t>(axis);
    const int64_t length = in.dims[d], step = cuts.steps[i];
    if (step == 0) return model_error("slice: the step of axis {} is 0", axis);
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
    const int64_t start = clamp_bound(cuts.starts[i], length, low, high);
    const int64_t end = clamp_bound(cuts.ends[i], length, low, high);
    // Steps beyond the length pick one element, whatever their size.
    const int64_t stride = std::clamp(step, -length - 1, length + 1);
    const int64_t room = step > 0 ? end - start : start - end, size = std::abs(stride);
    want[d] = room <= 0 ? 0 : (room + size - 1) / size;
    first += start * copy.src_strides[d];
    copy.src_strides[d] *= stride;
  }
  if (!std::ranges::equal(want, out.dims)) {
    return model_error("slice: the bounds give [{}], the plan has [{}]", fmt::join(want, ","),
                       fmt::join(out.dims, ","));
  }
  if (out.size() > 0) copy.src = advanced(in.data, first, copy.element_bytes);
  return Copies{std::move(copy)};
}

// Parts along an axis, between `one` and the parts of it.
Result<Copies> parts(const Op& op, int64_t axis, const TensorRef& one, std::span<const TensorRef> several, bool joins) {
  const auto d = static_cast<size_t>(axis < 0 ? axis + std::ssize(one.dims) : axis);
  const std::vector<int64_t> strides = cpu::dense_strides(one.dims);
  Copies copies;
  int64_t place = 0;
  for (const TensorRef& part : several) {
    bool fits = part.dims.size() == one.dims.size() && place + part.dims[d] <= one.dims[d];
    for (size_t e = 0; fits && e < one.dims.size(); ++e) fits = e == d || part.dims[e] == one.dims[e];
    if (!fits) {
      return model_error("{}: a part with dims [{}] does not fit [{}] along axis {}", op.name(),
                         fmt::join(part.dims, ","), fmt::join(one.dims, ","), axis);
    }
    if (part.size() > 0) {
      cpu::StridedCopy copy = whole(joins ? part : one, joins ? one : part);
      copy.dims.assign(part.dims.begin(), part.dims.end());
      const int64_t offset = place * strides[d];
      copy.src_strides = joins ? cpu::dense_strides(part.dims) : strides;
      copy.dst_strides = joins ? strides : cpu::dense_strides(part.dims);
      if (joins) copy.dst = const_cast<void*>(advanced(one.data, offset, copy.element_bytes));
      if (!joins) copy.src = advanced(one.data, offset, copy.element_bytes);
      copies.push_back(std::move(copy));
    }
    place += part.dims[d];
  }
  if (place != one.dims[d]) {
    return model_error("{}: the parts are {} long along axis {}, the whole is {}", op.name(), place, axis, one.dims[d]);
  }
  return copies;
}

Result<Copies> expand(const Op& op, const TensorRef& in, const TensorRef& out) {
  cpu::StridedCopy copy = whole(in, out);
  const std::vector<int64_t> strides = cpu::dense_strides(in.dims);
  copy.src_strides.assign(out.dims.size(), 0);
  bool fits = in.dims.size() <= out.dims.size();
  for (size_t back = 1; fits && back <= in.dims.size(); ++back) {
    const int64_t dim = in.dims[in.dims.size() - back];
    if (dim != 1) copy.src_strides[out.dims.size() - back] = strides[in.dims.size() - back];
    fits = dim == 1 || dim == out.dims[out.dims.size() - back];
  }
  if (!fits) {
    return model_error("{}: [{}] does not broadcast to [{}]", op.name(), fmt::join(in.dims, ","),
                       fmt::join(out.dims, ","));
  }
  return Copies{std::move(copy)};
}

}  // namespace

bool is_box_copy(const Op& op) {
  for (std::string_view name : {"slice", "slice_to", "concat", "split", "expand", "expand_to"}) {
    if (op.is(name)) return true;
  }
  return false;
}

Result<Copies> boxes_of(const Op& op, std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                        const Bindings& symbols) {
  if (op.is("slice") || op.is("slice_to")) return slice(op, inputs, outputs[0], symbols);
  if (op.is("concat")) return parts(op, field<int64_t>(op, "axis"), outputs[0], inputs, true);
  if (op.is("split")) return parts(op, field<int64_t>(op, "axis"), inputs[0], outputs, false);
  return expand(op, inputs[0], outputs[0]);
}

std::vector<int64_t> integers(const TensorRef& tensor) {
  std::vector<int64_t> out(static_cast<size_t>(tensor.size()));
  if (tensor.dtype == DType::i32) {
    std::copy_n(tensor.as<const int32_t>(), out.size(), out.begin());
  } else {
    CHECK(tensor.dtype == DType::i64, "integers of type {}", name(tensor.dtype));
    std::copy_n(tensor.as<const int64_t>(), out.size(), out.begin());
  }
  return out;
}

}  // namespace mj
