// SPDX-License-Identifier: Apache-2.0
// Loop, and what is one: Scan, SequenceMap.
//
//   Loop(M, cond, v...)        = loop(M, cond, v..., captures...); the condition is true wherever the body asks for it
//   Scan(s..., x...)           = loop(n, , s..., x...), whose body takes the i-th slice of each x
//   SequenceMap(s, t...)       = loop(length(s), , [], ..., s, t...), whose body takes item i and inserts its results
#include <algorithm>

#include "import/importer.h"
#include "import/tensors.h"
#include "ops/loop.h"

namespace mj::onnx {
namespace {

// Of what is carried from run to run: its type, made wider until every run's result fits.
class Carried {
 public:
  Carried(const Graph& graph, ValueId initial) : info_(ValueInfo::of(graph.type(initial))) {
    const ValueInfo& first = graph.value(initial).info;
    if (info_.type.is_sequence() && first.contents) info_.contents.emplace();  // of no items: any will fit
  }

  const ValueInfo& info() const { return info_; }

  // Whether it had to become wider.
  Result<bool> take(const Type& out, Graph& names) {
    Type& in = info_.type;
    const Type before = in;
    if (out.dtype != in.dtype || out.required().kind != in.required().kind) {
      return model_error("it is {} before the first run and {} after one", to_string(in), to_string(out));
    }
    if (out.is_optional()) in = in.as_optional();
    if (info_.contents) {
      info_.contents.reset();
      in.shape = out.shape;
      return true;
    }
    if (!in.is_tensor()) {
      in.shape = common_shape(in.shape, out.shape);
    } else if (in.shape && (!out.shape || in.shape->size() != out.shape->size())) {
      in.shape = std::nullopt;
    } else if (in.shape) {
      for (size_t d = 0; d < in.shape->size(); ++d) {
        Dim& dim = (*in.shape)[d];
        if (dim == (*out.shape)[d] || own_.contains(dim)) continue;
        own_.insert(dim = names.fresh_symbol("carried"));
      }
    }
    return in != before;
  }

 private:
  ValueInfo info_;
  std::set<Dim> own_;  // symbols that the body's input binds
};

bool is_one(const Type& type) { return !type.ranked() || equal(element_count(*type.shape), 1) != Tri::no; }

// Exporters declare what is one number as [1] at times, and then work with it as such.
ValueId as_declared(Graph& graph, ValueId scalar, const TypeProto& declared) {
  if (!declared.has_shape || declared.dims.size() != 1) return scalar;
  return graph.add1(op("unsqueeze", {{0, "axes", std::vector<int64_t>{0}}}), {scalar});
}

// Runs of a body that nothing can end earlier are so many at most: a model of more is a mistake, or meant to hang us.
constexpr int64_t kMostRuns = int64_t{1} << 40;

bool always_true(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  while (node != nullptr && node->op && node->op.name() == "identity") {
    id = node->inputs[0];
    node = graph.producer(id);
  }
  const Tensor& value = graph.value(id).info.constant;
  return value.present() && value.dtype() == DType::boolean && value.size() == 1 && value.data<bool>()[0];
}

ValueId true_constant(Graph& graph) { return graph.add_constant(Tensor::scalar(true)); }

}  // namespace

std::vector<ValueId> Importer::finish_loop(NodeImport& node, const LoopParts& parts,
                                           const std::set<size_t>& in_between) {
  if (node.failed()) return {};
  Frame& outer = *frame_;
  Graph& graph = *outer.graph;
  std::vector<Carried> carried;
  for (ValueId id : parts.initial) carried.emplace_back(graph, id);
  Node result;
  result.op = Op(Loop{static_cast<int64_t>(carried.size())});
  result.origin = {node.label()};
  const std::vector<Unsupported> unsupported = unsupported_;
  for (bool settled = false; !settled;) {
    unsupported_ = unsupported;
    Region region;
    open_region(outer, region);
    std::vector<ValueId> inputs = {region.graph.add_input("iteration", Type::tensor(DType::i64, {}))};
    for (size_t i = 0; i < carried.size(); ++i) {
      inputs.push_back(region.graph.add_input(graph.value(parts.initial[i]).name, carried[i].info().type));
      region.graph.value(inputs.back()).info = carried[i].info();
    }
    for (ValueId id : parts.captured) inputs.push_back(capture(graph, id, region));
    Result<std::vector<ValueId>> outputs = parts.body(region, inputs);
    frame_ = &outer;  // the body's nodes have moved it
    if (!outputs.ok()) {
      node.fail(outputs.error());
      return {};
    }
    if (std::count(outputs->begin(), outputs->end(), kPoisoned) > 0) {
      node.leave_out();  // depends on an unsupported node
      return {};
    }
    settled = true;
    for (size_t i = 0; i < carried.size(); ++i) {
      const Result<bool> wider = carried[i].take(region.graph.type((*outputs)[1 + i]), graph);
      if (!wider.ok()) {
        node.fail("carried value {}: {}", i, wider.error().message);
        return {};
      }
      settled = settled && !*wider;
    }
    region.graph.outputs = std::move(outputs).value();
    if (settled) result.regions.push_back(std::move(region.graph));
  }
  const Graph& body = result.regions[0];
  if (body.type(body.outputs[0]).dtype != DType::boolean || !is_one(body.type(body.outputs[0]))) {
    node.fail("its body's condition must be one bool, got {}", to_string(body.type(body.outputs[0])));
    return {};
  }
  const Tensor most = parts.most == kAbsent ? Tensor() : graph.value(parts.most).info.constant;
  const bool begins = parts.condition == kAbsent || always_true(graph, parts.condition);
  if (begins && (parts.most == kAbsent || (most.present() && most.to_i64()[0] >= kMostRuns)) &&
      always_true(body, body.outputs[0])) {
    node.fail("its condition is always true, and it runs {}",
              parts.most == kAbsent ? "without an end" : fmt::format("{} times", most.to_i64()[0]));
    return {};
  }
  result.inputs = {parts.most, parts.condition};
  result.inputs.insert(result.inputs.end(), parts.initial.begin(), parts.initial.end());
  for (ValueId id : parts.captured) {
    if (id >= 0 && !graph.value(id).is_constant()) result.inputs.push_back(id);
  }
  std::vector<ValueInfo> infos;
  for (size_t i = 0; i + 1 < body.outputs.size(); ++i) {
    const Type& item = body.type(body.outputs[1 + i]);
    if (i >= carried.size() && !item.is_tensor()) {
      node.fail("output {} is stacked, so it must be a tensor in each run, got {}", i, to_string(item));
      return {};
    }
    infos.push_back(ValueInfo::of(type_from_regions(graph, result, i)));
  }
  return node.finish_typed(std::move(result), std::move(infos), in_between);
}

void Importer::import_loop(NodeImport& node) {
  const GraphProto* body = node.subgraph("body");
  if (node.failed()) return;
  const size_t carried = node.input_count() > 2 ? node.input_count() - 2 : 0;
  if (body->inputs.size() != carried + 2 || body->outputs.size() < carried + 1) {
    return node.fail("it carries {} values, so its body needs {} inputs and at least {} outputs; it has {} and {}",
                     carried, carried + 2, carried + 1, body->inputs.size(), body->outputs.size());
  }
  if (node.output_count() + 1 > body->outputs.size()) {
    return node.fail("it has {} outputs, its body gives {}", node.output_count(), body->outputs.size() - 1);
  }
  LoopParts parts{.most = node.optional(0), .condition = node.optional(1), .initial = {}, .captured = {}, .body = {}};
  const Type &most = node.type(parts.most), &condition = node.type(parts.condition);
  if (node.has(0) && (most.dtype != DType::i64 || !most.is_tensor() || !is_one(most))) {
    return node.fail("input 'M' must be one i64, got {}", to_string(most));
  }
  if (node.has(1) && (condition.dtype != DType::boolean || !condition.is_tensor() || !is_one(condition))) {
    return node.fail("input 'cond' must be one bool, got {}", to_string(condition));
  }
  for (size_t i = 0; i < carried; ++i) parts.initial.push_back(node.in(2 + i));
  const std::vector<std::string_view> names = captures_of(*frame_, std::span(&body, 1));
  for (std::string_view name : names) parts.captured.push_back(frame_->values.at(name));
  parts.body = [&](Region& region, std::span<const ValueId> inputs) -> Result<std::vector<ValueId>> {
    const std::string& label = node.label();
    const ValueId always = true_constant(region.graph);  // wherever the body runs
    for (size_t i = 0; i < names.size(); ++i) region.frame.values[names[i]] = inputs[1 + carried + i];
    const ValueId iteration = as_declared(region.graph, inputs[0], body->inputs[0].type);
    MJ_TRY(define(region.frame, body->inputs[0].name, iteration, label));
    MJ_TRY(define(region.frame, body->inputs[1].name, as_declared(region.graph, always, body->inputs[1].type), label));
    for (size_t i = 0; i < carried; ++i) MJ_TRY(define(region.frame, body->inputs[2 + i].name, inputs[1 + i], label));
    return fill_region(region, *body, "the body");
  };
  finish_loop(node, parts);
}

void Importer::import_scan(NodeImport& node) {
  const GraphProto* body = node.subgraph("body");
  const int64_t scanned = node.integer("num_scan_inputs", 0);
  const auto per_input = [&](std::string_view name, size_t count) {
    std::vector<int64_t> values = node.integers(name).value_or(std::vector<int64_t>(count, 0));
    if (values.size() != count) node.fail("attribute '{}' must have {} values, it has {}", name, count, values.size());
    return values;
  };
  if (node.failed()) return;
  const auto inputs = static_cast<int64_t>(node.input_count());
  if (scanned < 1 || scanned > inputs) {
    return node.fail("num_scan_inputs must be in [1, {}], got {}", inputs, scanned);
  }
  const auto scans = static_cast<size_t>(scanned), carried = node.input_count() - scans;
  if (body->inputs.size() != node.input_count() || body->outputs.size() < carried ||
      node.output_count() > body->outputs.size()) {
    return node.fail("{} inputs, {} of them carried, and {} outputs do not fit its body's {} inputs and {} outputs",
                     inputs, carried, node.output_count(), body->inputs.size(), body->outputs.size());
  }
  const size_t stacked = body->outputs.size() - carried;
  std::vector<int64_t> axes = per_input("scan_input_axes", scans);
  const std::vector<int64_t> directions = per_input("scan_input_directions", scans);
  const std::vector<int64_t> out_axes = per_input("scan_output_axes", stacked);
  const std::vector<int64_t> out_directions = per_input("scan_output_directions", stacked);
  LoopParts parts;
  for (size_t i = 0; i < carried; ++i) parts.initial.push_back(node.in(i));
  for (size_t i = 0; i < scans; ++i) {
    parts.captured.push_back(node.in(carried + i));
    axes[i] = node.axis(axes[i], node.rank(parts.captured[i]), "a scan input's axis");
  }
  // First, so that constants among them count as well.
  parts.most = node.emit(mj::op("scan_length", {{0, "axes", axes}}), parts.captured);
  if (node.failed()) return;
  parts.captured.push_back(parts.most);
  const std::vector<std::string_view> names = captures_of(*frame_, std::span(&body, 1));
  for (std::string_view name : names) parts.captured.push_back(frame_->values.at(name));
  parts.body = [&](Region& region, std::span<const ValueId> inputs) -> Result<std::vector<ValueId>> {
    Graph& graph = region.graph;
    const std::span<const ValueId> captured = inputs.subspan(1 + carried);
    for (size_t i = 0; i < names.size(); ++i) region.frame.values[names[i]] = captured[scans + 1 + i];
    for (size_t i = 0; i < carried; ++i) {
      MJ_TRY(define(region.frame, body->inputs[i].name, inputs[1 + i], node.label()));
    }
    for (size_t i = 0; i < scans; ++i) {
      ValueId at = inputs[0];
      if (directions[i]) {  // length - 1 - iteration
        const ValueId last =
            graph.add1(mj::op("sub"), {captured[scans], graph.add_constant(Tensor::scalar<int64_t>(1))});
        at = graph.add1(mj::op("sub"), {last, at});
      }
      const Op slice = mj::op("gather", {{0, "axis", axes[i]}});
      MJ_ASSIGN(const std::vector<ValueId> item, graph.add(slice, {captured[i], at}, 1, {}, {node.label()}));
      MJ_TRY(define(region.frame, body->inputs[carried + i].name, item[0], node.label()));
    }
    MJ_ASSIGN(std::vector<ValueId> outputs, fill_region(region, *body, "the body"));
    outputs.insert(outputs.begin(), true_constant(graph));
    return outputs;
  };
  std::set<size_t> in_between;
  for (size_t i = 0; i < stacked; ++i) {
    if (out_axes[i] != 0 || out_directions[i] != 0) in_between.insert(carried + i);
  }
  const std::vector<ValueId> results = finish_loop(node, parts, in_between);
  for (size_t i : in_between) {
    if (node.failed()) return;
    ValueId value = results[i];
    if (out_directions[i - carried]) {
      const auto numbers = [&](int64_t x) { return node.integers_constant(std::span<const int64_t>(&x, 1)); };
      value = node.emit(mj::op("slice"), {value, numbers(-1), numbers(INT64_MIN), numbers(0), numbers(-1)});
    }
    const int64_t rank = node.rank(value), axis = node.axis(out_axes[i - carried], rank, "a scan output's axis");
    if (axis > 0) {
      std::vector<int64_t> perm;
      for (int64_t d = 1; d < rank; ++d) perm.push_back(d);
      perm.insert(perm.begin() + axis, 0);
      value = node.emit(mj::op("transpose", {{0, "perm", perm}}), {value});
    }
    node.output(i, value);
  }
}

// In opset 8 every input and output has rows of a batch in front, each scanned alone.
void Importer::import_scan_8(NodeImport& node) {
  const GraphProto* body = node.subgraph("body");
  if (node.has(0)) return node.unsupported("sequence_lens, scans of several lengths, are not supported");
  std::vector<NamedAttribute> attributes;
  for (const AttributeProto& attribute : node.proto.attributes) {
    node.ignore(attribute.name);
    const bool directions = attribute.name == "directions";
    attributes.emplace_back(directions ? std::string_view("scan_input_directions") : attribute.name, &attribute);
  }
  if (node.failed() || node.input_count() < 2) return node.fail("it needs something to scan");
  LoopParts parts;
  for (size_t i = 1; i < node.input_count(); ++i) parts.captured.push_back(node.in(i));
  const size_t given = parts.captured.size(), outputs = body->outputs.size();
  parts.most =
      node.emit(mj::op("gather", {{0, "axis", int64_t{0}}}),
                {node.emit(mj::op("shape"), {parts.captured.back()}), node.constant(Tensor::scalar<int64_t>(0))});
  if (node.failed()) return;
  const std::vector<std::string_view> names = captures_of(*frame_, std::span(&body, 1));
  for (std::string_view name : names) parts.captured.push_back(frame_->values.at(name));
  parts.body = [&](Region& region, std::span<const ValueId> inputs) -> Result<std::vector<ValueId>> {
    Graph& graph = region.graph;
    const std::span<const ValueId> captured = inputs.subspan(1);
    for (size_t i = 0; i < names.size(); ++i) region.frame.values[names[i]] = captured[given + i];
    std::vector<ValueId> rows;
    for (size_t i = 0; i < given; ++i) {
      rows.push_back(graph.add1(mj::op("gather", {{0, "axis", int64_t{0}}}), {captured[i], inputs[0]}, {node.label()}));
    }
    std::vector<std::string> output_names(outputs);
    for (std::string& name : output_names) name = free_name("scanned");
    NodeImport row(*this, graph, node.proto, 9, attributes, rows, output_names, node.label());
    frame_ = &region.frame;
    import_scan(row);
    if (row.failed()) return *row.error();
    std::vector<ValueId> results = row.results();
    results.insert(results.begin(), true_constant(graph));
    return results;
  };
  finish_loop(node, parts);
}

void Importer::import_sequence_map(NodeImport& node) {
  const GraphProto* body = node.subgraph("body");
  const ValueId first = node.in(0);
  if (node.failed()) return;
  if (!node.type(first).is_sequence())
    return node.fail("input 0 must be a sequence, got {}", to_string(node.type(first)));
  const size_t outputs = body->outputs.size();
  if (body->inputs.size() != node.input_count() || node.output_count() > outputs) {
    return node.fail("{} inputs and {} outputs do not fit its body's {} and {}", node.input_count(),
                     node.output_count(), body->inputs.size(), outputs);
  }
  LoopParts parts;
  parts.most = node.emit(mj::op("sequence_length"), {first});
  for (size_t i = 0; i < outputs; ++i) {
    const TypeProto& declared = body->outputs[i].type;
    if (declared.kind != TypeProto::Kind::tensor) return node.fail("output {} of its body must be a tensor", i);
    const DType dtype = node.take(dtype_of(declared.elem_type), DType::f32);
    parts.initial.push_back(node.emit(mj::op("sequence_empty", {{0, "dtype", dtype}}), {}));
  }
  for (size_t i = 0; i < node.input_count(); ++i) parts.captured.push_back(node.in(i));
  if (node.failed()) return;
  const std::vector<std::string_view> names = captures_of(*frame_, std::span(&body, 1));
  for (std::string_view name : names) parts.captured.push_back(frame_->values.at(name));
  parts.body = [&](Region& region, std::span<const ValueId> inputs) -> Result<std::vector<ValueId>> {
    Graph& graph = region.graph;
    const std::span<const ValueId> captured = inputs.subspan(1 + outputs);
    const size_t mapped = node.input_count();
    for (size_t i = 0; i < names.size(); ++i) region.frame.values[names[i]] = captured[mapped + i];
    for (size_t i = 0; i < mapped; ++i) {
      ValueId item = captured[i];
      if (graph.type(item).is_sequence()) item = graph.add1(mj::op("sequence_at"), {item, inputs[0]}, {node.label()});
      MJ_TRY(define(region.frame, body->inputs[i].name, item, node.label()));
    }
    MJ_ASSIGN(const std::vector<ValueId> made, fill_region(region, *body, "the body"));
    std::vector<ValueId> results = {true_constant(graph)};
    for (size_t i = 0; i < outputs; ++i) {
      if (made[i] == kPoisoned) return made;
      MJ_ASSIGN(const std::vector<ValueId> longer,
                graph.add(mj::op("sequence_insert"), {inputs[1 + i], made[i]}, 1, {}, {node.label()}));
      results.push_back(longer[0]);
    }
    return results;
  };
  finish_loop(node, parts);
}

}  // namespace mj::onnx
