// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <unordered_map>

namespace mj {

#define MJ_OP(Struct) const OpInfo& op_info_of_##Struct();
#include "ops/ops.inc"
#undef MJ_OP

namespace {

const std::vector<const OpInfo*>& registry() {
  static const std::vector<const OpInfo*> ops = {
#define MJ_OP(Struct) &op_info_of_##Struct(),
#include "ops/ops.inc"
#undef MJ_OP
  };
  return ops;
}

}  // namespace

std::vector<NamedField> Op::fields() const {
  std::vector<NamedField> out;
  if (!info_) return out;
  std::vector<FieldValue> values = info_->get(value_.get());
  for (size_t i = 0; i < values.size(); ++i) {
    out.push_back({info_->fields[i].number, info_->fields[i].name, std::move(values[i])});
  }
  return out;
}

InferResult Op::infer(const InferContext& context) const {
  for (size_t i = 0; i < context.inputs.size(); ++i) {
    const Type& type = context[i].type;
    if (!type.is_tensor() && !info_->boxed) {
      return context.fail(fmt::format("input {} must be a tensor, got {}", i, mj::to_string(type)));
    }
    if (type.dtype == DType::string && !info_->strings) {
      return error(ErrorCode::unsupported, "{}: input {} is {}, strings are not supported here", context.op, i,
                   mj::to_string(type));
    }
  }
  InferResult result = info_->infer(value_.get(), context);
  if (!result.ok()) return result;
  for (ValueInfo& info : *result) {
    const auto possible = [](const Dim& dim) { return dim.valid() && (!dim.constant() || *dim.constant() >= 0); };
    if (info.type.shape && !std::all_of(info.type.shape->begin(), info.type.shape->end(), possible)) {
      return context.fail(fmt::format("the result would have an impossible shape, {}", mj::to_string(info.type)));
    }
    const auto valid = [](const Dim& dim) { return dim.valid(); };
    if (info.contents && !std::all_of(info.contents->begin(), info.contents->end(), valid)) info.contents.reset();
  }
  return result;
}

bool operator==(const Op& a, const Op& b) {
  if (a.info_ != b.info_) return false;
  if (a.value_ == b.value_) return true;
  const std::vector<FieldValue> x = a.info_->get(a.value_.get()), y = b.info_->get(b.value_.get());
  for (size_t i = 0; i < x.size(); ++i) {
    if (!same_field(x[i], y[i])) return false;
  }
  return true;
}

std::string to_string(const Op& op) {
  std::string out(op.name());
  if (!op) return out;
  const std::vector<NamedField> fields = op.fields();
  const Result<Op> standard = op.info().make({});
  std::vector<NamedField> defaults;
  if (standard.ok()) defaults = standard->fields();
  std::string list;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i < defaults.size() && same_field(fields[i].value, defaults[i].value)) continue;
    list += fmt::format("{}{}={}", list.empty() ? "" : ", ", fields[i].name, to_string(fields[i].value));
  }
  return list.empty() ? out : fmt::format("{} {{{}}}", out, list);
}

std::span<const OpInfo* const> all_ops() { return registry(); }

const OpInfo* find_op(std::string_view name) {
  static const std::unordered_map<std::string_view, const OpInfo*> by_name = [] {
    std::unordered_map<std::string_view, const OpInfo*> map;
    for (const OpInfo* info : registry()) {
      CHECK(map.emplace(info->name, info).second, "two operators are called {}", info->name);
    }
    return map;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

Result<Op> make_op(std::string_view name, std::span<const NamedField> fields) {
  const OpInfo* info = find_op(name);
  if (!info) return error(ErrorCode::unsupported, "{}: no such operator", name);
  return info->make(fields);
}

Op op(std::string_view name, std::initializer_list<NamedField> fields) {
  Result<Op> made = make_op(name, {fields.begin(), fields.size()});
  CHECK(made.ok(), "{}", made.error().message);
  return std::move(*made);
}

namespace {

Result<std::vector<Tensor>> evaluate_unguarded(const Op& op, std::span<const Tensor> inputs, int outputs) {
  if (op.info().evaluate) return op.info().evaluate(op.raw(), inputs, outputs);
  std::vector<ValueInfo> infos;
  for (const Tensor& input : inputs) infos.push_back(input.present() ? ValueInfo::of(input) : ValueInfo{});
  const InferContext context{.op = op.name(), .inputs = infos, .outputs = outputs, .fresh = nullptr};
  MJ_ASSIGN(const std::vector<ValueInfo> results, op.infer(context));
  std::vector<Tensor> out;
  for (const ValueInfo& info : results) {
    if (!info.present()) {
      out.emplace_back();
      continue;
    }
    if (info.type.is_sequence()) {
      out.push_back(Tensor::sequence(info.type.dtype, {}));
      continue;
    }
    std::vector<int64_t> dims;
    int64_t bytes = storage_bytes(info.type.dtype);
    for (const Dim& dim : *info.type.shape) {
      const std::optional<int64_t> known = dim.constant();
      if (!known) return model_error("{}: a dimension of the result is beyond 64 bits: {}", op.name(), to_string(dim));
      if (__builtin_mul_overflow(bytes, std::max<int64_t>(*known, 1), &bytes)) bytes = INT64_MAX;
      dims.push_back(*known);
    }
    if (bytes > kMaxEvaluateBytes) {
      return model_error("{}: the result {} is too large to hold", op.name(), to_string(info.type));
    }
    out.push_back(Tensor::zeros(info.type.dtype, std::move(dims)));
  }
  MJ_TRY(op.info().reference(op.raw(), inputs, out));
  return out;
}

}  // namespace

Result<std::vector<Tensor>> evaluate(const Op& op, std::span<const Tensor> inputs, int outputs) {
  try {
    return evaluate_unguarded(op, inputs, outputs);
  } catch (const std::bad_alloc&) {
    return error(ErrorCode::environment, "{}: out of memory; give smaller shapes, or more memory", op.name());
  }
}

}  // namespace mj
