// SPDX-License-Identifier: Apache-2.0
#include "ops/dim_texts.h"

namespace mj {

DimTexts dim_texts(const Shape& dims) {
  DimTexts texts;
  for (const Dim& dim : dims) texts.push_back(to_string(dim));
  return texts;
}

Result<Shape> parse_dims(const InferContext& context, const DimTexts& texts) {
  Shape dims;
  for (const std::string& text : texts) {
    const Result<Dim> dim = Dim::parse(text);
    if (!dim.ok()) return dim.error().in(context.op);
    if (context.concrete() && !dim->constant()) return context.fail("'" + text + "' is not bound to a number");
    dims.push_back(*dim);
  }
  return dims;
}

DimTexts bind_dims(const DimTexts& texts, const Bindings& symbols) {
  DimTexts bound = texts;
  for (std::string& text : bound) {
    const Result<Dim> dim = Dim::parse(text);
    if (!dim.ok()) continue;
    if (const Result<int64_t> value = dim->evaluate(symbols); value.ok()) text = std::to_string(*value);
  }
  return bound;
}

Result<Tensor> dims_tensor(std::string_view op, const DimTexts& texts) {
  MJ_ASSIGN(const Shape dims, parse_dims({.op = op, .inputs = {}, .outputs = 1, .fresh = nullptr}, texts));
  std::vector<int64_t> values;
  for (const Dim& dim : dims) values.push_back(*dim.constant());
  return Tensor::of_i64(values);
}

}  // namespace mj
