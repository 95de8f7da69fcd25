// SPDX-License-Identifier: Apache-2.0
#include "base/shape.h"

#include <algorithm>

namespace mj {

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + shape[i].to_string();
  return text + "]";
}

Dim element_count(const Shape& shape) {
  Dim count = 1;
  for (const Dim& dim : shape) count *= dim;
  return count;
}

Result<std::vector<int64_t>> evaluate(const Shape& shape, const Bindings& bindings) {
  std::vector<int64_t> dims;
  dims.reserve(shape.size());
  for (const Dim& dim : shape) {
    MJ_ASSIGN(const int64_t value, dim.evaluate(bindings));
    if (value < 0)
      return model_error("axis {} of shape {} would have {} elements", dims.size(), to_string(shape), value);
    dims.push_back(value);
  }
  return dims;
}

Result<Shape> broadcast_shapes(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {  // from the innermost axis
    const Dim left = i < a.size() ? a[a.size() - 1 - i] : Dim(1);
    const Dim right = i < b.size() ? b[b.size() - 1 - i] : Dim(1);
    Dim& dim = out[out.size() - 1 - i];
    dim = broadcast(left, right);
    if (dim.valid()) continue;
    return model_error("shapes {} and {} do not broadcast: axis {} from the end is {} against {}; expected equal or 1",
                       to_string(a), to_string(b), i + 1, left, right);
  }
  return out;
}

}  // namespace mj
