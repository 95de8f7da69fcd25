// SPDX-License-Identifier: Apache-2.0
#include "ops/plugin.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ops/plugin_attributes.h"
#include "ops/register.h"

namespace mj {
namespace {

static_assert(sizeof(bool) == 1);

// The C structs of a node's attributes; what they point to lies in `values`, which must stay.
struct NodeAttributes {
  std::vector<std::pair<std::string, FieldValue>> values;
  std::vector<std::vector<mj_text>> texts;
  std::vector<mj_array> arrays;
  std::vector<mj_attribute> structs;
};

mj_text text_struct(const std::string& text) { return {text.data(), text.size()}; }

mj_array array_struct(const Tensor& tensor) {
  if (!tensor.present()) return {};
  return {static_cast<int32_t>(tensor.dtype()), static_cast<int32_t>(tensor.rank()), tensor.dims().data(),
          const_cast<void*>(tensor.raw())};
}

mj_attribute attribute_struct(const std::pair<std::string, FieldValue>& named, NodeAttributes& all) {
  const auto& [name, value] = named;
  mj_attribute out{name.c_str(), 0, 1, nullptr, nullptr, nullptr, nullptr};
  if (const auto* f = std::get_if<float>(&value)) {
    out.type = MJ_ATTRIBUTE_FLOAT, out.floats = f;
  } else if (const auto* i = std::get_if<int64_t>(&value)) {
    out.type = MJ_ATTRIBUTE_INT, out.ints = i;
  } else if (const auto* s = std::get_if<std::string>(&value)) {
    out.type = MJ_ATTRIBUTE_STRING, out.texts = all.texts.emplace_back(1, text_struct(*s)).data();
  } else if (const auto* fs = std::get_if<std::vector<float>>(&value)) {
    out.type = MJ_ATTRIBUTE_FLOATS, out.floats = fs->data(), out.count = fs->size();
  } else if (const auto* is = std::get_if<std::vector<int64_t>>(&value)) {
    out.type = MJ_ATTRIBUTE_INTS, out.ints = is->data(), out.count = is->size();
  } else if (const auto* ss = std::get_if<std::vector<std::string>>(&value)) {
    std::vector<mj_text>& list = all.texts.emplace_back();
    for (const std::string& item : *ss) list.push_back(text_struct(item));
    out.type = MJ_ATTRIBUTE_STRINGS, out.texts = list.data(), out.count = list.size();
  } else {
    const size_t at = all.arrays.size();
    all.arrays.push_back(array_struct(std::get<Tensor>(value)));
    out.type = MJ_ATTRIBUTE_TENSOR, out.array = &all.arrays[at];
  }
  return out;
}

Result<NodeAttributes> node_attributes(const std::vector<std::string>& texts) {
  NodeAttributes all;
  for (const std::string& text : texts) {
    MJ_ASSIGN(all.values.emplace_back(), parse_attribute(text));
  }
  all.arrays.reserve(texts.size());  // neither moves any more
  all.texts.reserve(texts.size());
  for (const auto& named : all.values) all.structs.push_back(attribute_struct(named, all));
  return all;
}

std::string operator_name(std::string_view domain, std::string_view op) {
  return domain.empty() ? std::string(op) : fmt::format("{}.{}", domain, op);
}

Result<DType> dtype_from(int32_t number, std::string_view what) {
  const bool known = number > 0 && number < kDTypeCount && static_cast<DType>(number) != DType::string;
  if (known) return static_cast<DType>(number);
  return model_error("its shape rule gives {} the element type {}, which is none for plugins", what, number);
}

}  // namespace

// --- sizes

PluginSizes::PluginSizes(const std::function<Dim()>* late) : calls_{this, &combine, &PluginSizes::late}, late_(late) {}

mj_size PluginSizes::handle(const Dim& dim) {
  if (dim.constant() && *dim.constant() >= 0) return *dim.constant();
  dims_.push_back(dim);
  return -std::ssize(dims_);
}

Dim PluginSizes::dim(mj_size size) const {
  if (size >= 0) return size;
  return size >= -std::ssize(dims_) ? dims_[static_cast<size_t>(-(size + 1))] : Dim::invalid();
}

mj_size PluginSizes::combine(void* host, int32_t operation, mj_size a, mj_size b) {
  auto& self = *static_cast<PluginSizes*>(host);
  const Dim x = self.dim(a), y = self.dim(b);
  const bool divides = operation == MJ_SIZE_DIV || operation == MJ_SIZE_MOD;
  Dim result = Dim::invalid();
  if (x.valid() && y.valid() && !(divides && y == Dim(0))) {
    switch (operation) {
      case MJ_SIZE_ADD:
        result = x + y;
        break;
      case MJ_SIZE_SUB:
        result = x - y;
        break;
      case MJ_SIZE_MUL:
        result = x * y;
        break;
      case MJ_SIZE_DIV:
        result = floor_div(x, y);
        break;
      case MJ_SIZE_MOD:
        result = mod(x, y);
        break;
      case MJ_SIZE_MIN:
        result = min(x, y);
        break;
      case MJ_SIZE_MAX:
        result = max(x, y);
        break;
      default:
        break;
    }
  }
  return self.handle(result);
}

mj_size PluginSizes::late(void* host) {
  auto& self = *static_cast<PluginSizes*>(host);
  return self.handle(self.late_ && *self.late_ ? (*self.late_)() : Dim::invalid());
}

// --- calls

std::string PluginMessage::str() const {
  std::string out(text, strnlen(text, sizeof(text)));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return out.empty() ? "it gave no reason" : out;
}

Result<void> call_plugin(const PluginMessage& message, const std::function<int()>& f) {
  try {
    if (f() == 0) return {};
  } catch (...) {  // what else is there to do with it?
    return model_error("an exception left it");
  }
  return model_error("{}", message.str());
}

// --- instances

Result<std::shared_ptr<const PluginInstance>> PluginInstance::make(const PluginOp& op) {
  if (const std::string why = op.missing(); !why.empty()) return error(ErrorCode::environment, "{}", why);
  auto instance = std::shared_ptr<PluginInstance>(new PluginInstance);
  const Plugin* plugin = find_plugin(op.plugin);
  instance->operator_ = {plugin, find_operator(*plugin, op.domain, op.op, op.opset)};
  MJ_ASSIGN(const NodeAttributes attributes, node_attributes(op.attributes));
  if (!instance->table().create) return std::shared_ptr<const PluginInstance>(std::move(instance));
  const mj_node node{sizeof(mj_node),           op.op.c_str(),   op.opset, attributes.structs.size(),
                     attributes.structs.data(), op.dtypes.size()};
  PluginMessage message;
  mj_create_call call{sizeof(mj_create_call), message.text, sizeof(message.text), &node, nullptr};
  const Result<void> done = call_plugin(message, [&] { return instance->table().create(&call); });
  if (!done.ok()) return done.error().in(op.label());
  instance->state_ = call.instance;
  instance->created_ = true;
  return std::shared_ptr<const PluginInstance>(std::move(instance));
}

PluginInstance::~PluginInstance() {
  if (created_ && table().destroy) table().destroy(state_);
}

Result<std::shared_ptr<const PluginInstance>> LazyPluginInstance::get(const PluginOp& op) {
  const std::lock_guard lock(mutex_);
  if (!instance_) {
    MJ_ASSIGN(instance_, PluginInstance::make(op));
  }
  return instance_;
}

Result<std::vector<Type>> PluginInstance::infer(std::span<const ValueInfo> inputs, int outputs,
                                                const std::function<Dim()>& late) const {
  PluginSizes sizes(&late);
  std::vector<std::vector<mj_size>> dims;
  std::vector<mj_shaped> shaped;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Type& type = inputs[i].type;
    mj_shaped& input = shaped.emplace_back(mj_shaped{});
    std::vector<mj_size>& list = dims.emplace_back();
    if (!inputs[i].present()) continue;
    if (!type.shape) return error(ErrorCode::unsupported, "the rank of input {} must be known to a plugin", i);
    if (type.rank() > MJ_MAX_RANK) return model_error("input {} has rank {}, at most {}", i, type.rank(), MJ_MAX_RANK);
    for (const Dim& dim : *type.shape) list.push_back(sizes.handle(dim));
    input = {static_cast<int32_t>(type.dtype), static_cast<int32_t>(list.size()), list.data(),
             inputs[i].constant.raw()};
  }
  std::vector<mj_shape_result> results(static_cast<size_t>(outputs));
  PluginMessage message;
  mj_infer_call call{sizeof(mj_infer_call), message.text,  sizeof(message.text), sizes.calls(),
                     shaped.size(),         shaped.data(), results.size(),       results.data()};
  MJ_TRY(call_plugin(message, [&] { return table().infer(state_, &call); }));
  std::vector<Type> types;
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string what = fmt::format("output {}", i);
    MJ_ASSIGN(const DType dtype, dtype_from(results[i].dtype, what));
    if (results[i].rank < 0 || results[i].rank > MJ_MAX_RANK) {
      return model_error("its shape rule gives {} rank {}, at most {}", what, results[i].rank, MJ_MAX_RANK);
    }
    Shape shape;
    for (int32_t d = 0; d < results[i].rank; ++d) {
      shape.push_back(sizes.dim(results[i].dims[d]));
      if (shape.back().valid()) continue;
      return model_error("its shape rule gives {} a dimension {} that is no size", what, d);
    }
    types.push_back(Type::tensor(dtype, std::move(shape)));
  }
  return types;
}

size_t PluginInstance::workspace_bytes(mj_run_call call) const {
  if (!table().workspace_bytes) return 0;
  PluginMessage message;
  call.struct_size = sizeof(call);
  call.error = message.text;
  call.error_bytes = sizeof(message.text);
  return table().workspace_bytes(state_, &call);
}

Result<void> PluginInstance::run(mj_run_call call) const {
  PluginMessage message;
  call.struct_size = sizeof(call);
  call.error = message.text;
  call.error_bytes = sizeof(message.text);
  return call_plugin(message, [&] { return table().run(state_, &call); });
}

// --- the operator

std::string PluginOp::label() const {
  constexpr std::string_view kType = "type=s:";
  if (plugin == kOrtPlugin && !attributes.empty() && attributes[0].starts_with(kType)) {
    return fmt::format("{}:{}", plugin, attributes[0].substr(kType.size()));
  }
  return fmt::format("{}:{}", plugin, operator_name(domain, op));
}

std::string PluginOp::missing() const {
  const Plugin* found = find_plugin(plugin);
  if (!found) return fmt::format("plugin '{}' version {} is not loaded", plugin, version);
  if (found->version != version) {
    return fmt::format("plugin '{}' is loaded in version {}, version {} is wanted", plugin, found->version, version);
  }
  if (!find_operator(*found, domain, op, opset)) {
    return fmt::format("plugin '{}' has no operator '{}' for opset {}", plugin, operator_name(domain, op), opset);
  }
  return "";
}

InferResult PluginOp::infer(const InferContext& context) const {
  if (context.outputs != std::ssize(dtypes)) {
    return context.fail(fmt::format("it has {} outputs, not {}", dtypes.size(), context.outputs));
  }
  std::vector<ValueInfo> infos;
  if (!missing().empty()) {
    for (size_t i = 0; i < dtypes.size(); ++i) {
      const bool known = dtypes[i] > 0 && dtypes[i] < kDTypeCount && dtypes[i] != MJ_STRING;
      if (!known) return context.fail(fmt::format("output {} is of element type {}", i, dtypes[i]));
      infos.push_back(ValueInfo::of(Type::unranked(static_cast<DType>(dtypes[i]))));
    }
    return infos;
  }
  MJ_ASSIGN(const std::shared_ptr<const PluginInstance> made, instance());
  const std::function<Dim()> late = [&] { return context.fresh ? context.fresh("late") : Dim::invalid(); };
  Result<std::vector<Type>> types = made->infer(context.inputs, context.outputs, late);
  if (!types.ok()) return types.error().in(label());
  for (size_t i = 0; i < types->size(); ++i) {
    // 0: it is being imported.
    if (dtypes[i] != 0 && static_cast<int64_t>((*types)[i].dtype) != dtypes[i]) {
      return model_error("{}: its shape rule gives output {} as {}, before it was of element type {}", label(), i,
                         mj::to_string((*types)[i]), dtypes[i]);
    }
    infos.push_back(ValueInfo::of(std::move((*types)[i])));
  }
  return infos;
}

namespace {

// What evaluate() and the plugin share during a run.
struct Evaluation {
  const std::vector<Type>& types;
  std::vector<Tensor> outputs;
  std::vector<mj_array> arrays;
  std::string wrong;

  void* allocate(size_t output, const int64_t* dims) {
    const auto fail = [&](std::string why) {
      wrong = fmt::format("output {}: {}", output, std::move(why));
      return nullptr;
    };
    if (output >= types.size()) return fail("memory is asked for where there is no output");
    if (outputs[output].present()) return fail("memory is asked for an output that has some");
    const Shape& shape = *types[output].shape;
    if (!dims && !shape.empty()) return fail("memory is asked for without dims");
    std::vector<int64_t> sizes(dims, dims + shape.size());
    int64_t bytes = storage_bytes(types[output].dtype);
    for (size_t d = 0; d < sizes.size(); ++d) {
      const bool fits = shape[d].constant() ? *shape[d].constant() == sizes[d] : sizes[d] >= 0;
      if (!fits) {
        return fail(
            fmt::format("the shape rule gives {}, running [{}]", to_string(types[output]), fmt::join(sizes, ",")));
      }
      if (__builtin_mul_overflow(bytes, std::max<int64_t>(sizes[d], 1), &bytes)) bytes = INT64_MAX;
    }
    if (bytes > kMaxEvaluateBytes) return fail(fmt::format("[{}] is too large to hold", fmt::join(sizes, ",")));
    return place(output, std::move(sizes));
  }
  void* place(size_t output, std::vector<int64_t> dims) {
    static char nothing;  // what is empty has an address too: NULL stands for memory that is missing
    outputs[output] = Tensor::zeros(types[output].dtype, std::move(dims));
    arrays[output] = array_struct(outputs[output]);
    if (!arrays[output].data) arrays[output].data = &nothing;
    return arrays[output].data;
  }
};

void serially(void*, int64_t tasks, void (*task)(void*, int64_t), void* context) {
  for (int64_t i = 0; i < tasks; ++i) task(context, i);
}

}  // namespace

Result<std::vector<Tensor>> PluginOp::evaluate(std::span<const Tensor> in, int outputs) const {
  Result<std::shared_ptr<const PluginInstance>> made = instance();
  if (!made.ok()) return made.error();
  std::vector<ValueInfo> infos;
  std::vector<mj_array> inputs;
  for (const Tensor& input : in) {
    if (input.is_sequence() || input.dtype() == DType::string) {
      return error(ErrorCode::unsupported, "{}: plugins take tensors of numbers alone", label());
    }
    infos.push_back(input.present() ? ValueInfo::of(input) : ValueInfo{});
    inputs.push_back(array_struct(input));
  }
  int unknown = 0;
  const std::function<Dim()> late = [&] { return Dim::symbol(fmt::format("late{}", unknown++)); };
  if (outputs > std::ssize(dtypes))
    return model_error("{}: it has {} outputs, not {}", label(), dtypes.size(), outputs);
  Result<std::vector<Type>> types = (*made)->infer(infos, static_cast<int>(dtypes.size()), late);
  if (!types.ok()) return types.error().in(label());

  Evaluation evaluation{*types, std::vector<Tensor>(types->size()), std::vector<mj_array>(types->size()), ""};
  for (size_t i = 0; i < types->size(); ++i) {
    const Type& type = (*types)[i];
    evaluation.arrays[i] = {static_cast<int32_t>(type.dtype), static_cast<int32_t>(type.rank()), nullptr, nullptr};
    std::vector<int64_t> dims;
    for (const Dim& dim : *type.shape) {
      if (dim.constant()) dims.push_back(*dim.constant());
    }
    if (std::ssize(dims) < type.rank()) continue;
    if (!evaluation.allocate(i, dims.data())) return model_error("{}: {}", label(), evaluation.wrong);
  }
  mj_run_call call{};
  call.input_count = inputs.size();
  call.inputs = inputs.data();
  call.output_count = evaluation.arrays.size();
  call.outputs = evaluation.arrays.data();
  Tensor workspace = Tensor::unset(DType::u8, {static_cast<int64_t>((*made)->workspace_bytes(call))});
  call.workspace = workspace.mutable_raw();
  call.workspace_bytes = static_cast<size_t>(workspace.bytes());
  call.host = &evaluation;
  call.allocate = [](void* host, size_t output, const int64_t* dims) {
    return static_cast<Evaluation*>(host)->allocate(output, dims);
  };
  call.parallel = serially;
  const Result<void> done = (*made)->run(call);
  if (!evaluation.wrong.empty()) return model_error("{}: {}", label(), evaluation.wrong);
  if (!done.ok()) return done.error().in(label());
  for (size_t i = 0; i < types->size(); ++i) {
    if (evaluation.outputs[i].present()) continue;
    return model_error("{}: it has run and left output {} without memory", label(), i);
  }
  return std::move(evaluation.outputs);
}

MJ_REGISTER_OP(PluginOp)

}  // namespace mj
