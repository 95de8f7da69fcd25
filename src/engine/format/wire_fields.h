// SPDX-License-Identifier: Apache-2.0
// The permanent field numbers of everything in a manifest; engine.proto says the same for readers in other languages,
// and wire_test.cc compares the two. A number that went out of use is never given again.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "engine/format/records.h"
#include "engine/format/wire.h"

namespace mj::wire {

template <>
struct EnumRange<DType> {
  static constexpr uint64_t first = 0, last = kDTypeCount - 1;
};
template <>
struct EnumRange<Type::Kind> {
  static constexpr uint64_t first = 0, last = 3;
};
template <>
struct EnumRange<PlanTensor::Kind> {
  static constexpr uint64_t first = 1, last = 4;
};
template <>
struct EnumRange<LaunchArg::Kind> {
  static constexpr uint64_t first = 1, last = 5;
};
template <>
struct EnumRange<Step::Kind> {
  static constexpr uint64_t first = 1, last = 5;
};

// Dims travel as their text.
template <>
struct Via<Dim> {
  using Wire = std::string;
  static Wire to(const Dim& dim);
  static Dim from(const Wire& text);
};

struct TypeWire {
  Type::Kind kind = Type::Kind::tensor;
  DType dtype = DType::none;
  bool ranked = false;
  std::vector<Dim> dims;
};
template <>
struct Via<Type> {
  using Wire = TypeWire;
  static Wire to(const Type& type);
  static Type from(Wire wire);
};

// A tensor among an operator's attributes: small, and stored in place.
struct TensorWire {
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  std::string data;  // row-major elements, as in memory
  std::vector<std::string> strings;
};
template <>
struct Via<Tensor> {
  using Wire = TensorWire;
  static Wire to(const Tensor& tensor);
  static Tensor from(Wire wire);
};

struct FieldWire {
  int number = 0;
  uint64_t type = 0;  // 1 + the index in FieldValue; the one member of that type counts
  int64_t i = 0;
  float f = 0;
  bool b = false;
  std::string s;
  DType dtype = DType::none;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
  std::optional<Tensor> tensor;
};
template <>
struct Via<NamedField> {
  using Wire = FieldWire;
  static Wire to(const NamedField& field);
  static NamedField from(Wire wire);
};

struct OpWire {
  std::string name;  // empty: no operator
  std::vector<NamedField> fields;
};
template <>
struct Via<Op> {
  using Wire = OpWire;
  static Wire to(const Op& op);
  static Op from(Wire wire);
};

template <class V, Of<TypeWire> T>
void fields(V& v, T& x) {
  v.message("Type");
  v(1, "kind", x.kind);
  v(2, "dtype", x.dtype);
  v(3, "ranked", x.ranked);
  v(4, "dims", x.dims);
}
template <class V, Of<TensorWire> T>
void fields(V& v, T& x) {
  v.message("Tensor");
  v(1, "dtype", x.dtype);
  v(2, "dims", x.dims);
  v(3, "data", x.data);
  v(4, "strings", x.strings);
}
template <class V, Of<FieldWire> T>
void fields(V& v, T& x) {
  v.message("Field");
  v(1, "number", x.number);
  v(2, "type", x.type);
  v(3, "i", x.i);
  v(4, "f", x.f);
  v(5, "b", x.b);
  v(6, "s", x.s);
  v(7, "dtype", x.dtype);
  v(8, "ints", x.ints);
  v(9, "floats", x.floats);
  v(10, "strings", x.strings);
  v(11, "tensor", x.tensor);
}
template <class V, Of<OpWire> T>
void fields(V& v, T& x) {
  v.message("Op");
  v(1, "name", x.name);
  v(2, "fields", x.fields);
}
template <class V, Of<BodyInstruction> T>
void fields(V& v, T& x) {
  v.message("BodyInstruction");
  v(1, "op", x.op);
  v(2, "args", x.args);
  v(3, "dtype", x.dtype);
}
template <class V, Of<Body> T>
void fields(V& v, T& x) {
  v.message("Body");
  v(1, "params", x.params);
  v(2, "instructions", x.instructions);
  v(3, "results", x.results);
}
template <class V, Of<Operand> T>
void fields(V& v, T& x) {
  v.message("Operand");
  v(1, "dtype", x.dtype);
  v(2, "shape", x.shape);
  v(3, "constant", x.constant);
  v(4, "kind", x.kind);
}
template <class V, Of<Problem> T>
void fields(V& v, T& x) {
  v.message("Problem");
  v(1, "op", x.op);
  v(2, "epilogue", x.epilogue);
  v(3, "anchor_inputs", x.anchor_inputs);
  v(4, "inputs", x.inputs);
  v(5, "outputs", x.outputs);
  v(6, "products", x.products);
}
template <class V, Of<Candidate> T>
void fields(V& v, T& x) {
  v.message("Candidate");
  v(1, "row", x.row);
  v(2, "config", x.config);
  v(3, "seconds", x.seconds);
  v(4, "estimated_seconds", x.estimated_seconds);
  v(5, "modelled_joules", x.modelled_joules);
  v(6, "joules", x.joules);
}
template <class V, Of<Refused> T>
void fields(V& v, T& x) {
  v.message("Refused");
  v(1, "row", x.row);
  v(2, "reason", x.reason);
}
template <class V, Of<Choice> T>
void fields(V& v, T& x) {
  v.message("Choice");
  v(1, "row", x.row);
  v(2, "version", x.version);
  v(3, "config", x.config);
  v(4, "candidates", x.candidates);
  v(5, "refused", x.refused);
}
template <class V, Of<ConstantRef> T>
void fields(V& v, T& x) {
  v.message("ConstantRef");
  v(1, "section", x.section);
  v(2, "offset", x.offset);
  v(3, "bytes", x.bytes);
}
template <class V, Of<StoredTensor> T>
void fields(V& v, T& x) {
  v.message("StoredTensor");
  v(1, "dtype", x.dtype);
  v(2, "dims", x.dims);
  v(3, "place", x.place);
}
template <class V, Of<TensorRecord> T>
void fields(V& v, T& x) {
  v.message("PlanTensor");
  v(1, "name", x.name);
  v(2, "kind", x.kind);
  v(3, "type", x.type);
  v(4, "alias_of", x.alias_of);
  v(5, "constant", x.constant);
  v(6, "on_device", x.on_device);
}
template <class V, Of<LaunchArg> T>
void fields(V& v, T& x) {
  v.message("LaunchArg");
  v(1, "kind", x.kind);
  v(2, "index", x.index);
  v(3, "value", x.value);
}
template <class V, Of<LaunchRecord> T>
void fields(V& v, T& x) {
  v.message("Launch");
  v(1, "function", x.function);
  v(2, "grid", x.grid);
  v(3, "block", x.block);
  v(4, "shared_bytes", x.shared_bytes);
  v(5, "args", x.args);
  v(6, "overlaps", x.overlaps);
}
template <class V, Of<DeviceCodeRecord> T>
void fields(V& v, T& x) {
  v.message("DeviceCode");
  v(1, "code", x.code);
  v(2, "launches", x.launches);
  v(3, "workspace_bytes", x.workspace_bytes);
  v(4, "in_place", x.in_place);
}
template <class V, Of<AlternativeRecord> T>
void fields(V& v, T& x) {
  v.message("Alternative");
  v(1, "row", x.row);
  v(2, "version", x.version);
  v(3, "config", x.config);
  v(4, "packed", x.packed);
}
template <class V, Of<KernelRecord> T>
void fields(V& v, T& x) {
  v.message("Kernel");
  v(1, "problem", x.problem);
  v(2, "choice", x.choice);
  v(3, "packed", x.packed);
  v(4, "alternative", x.alternative);
  v(5, "device", x.device);
}
template <class V, Of<StepRecord> T>
void fields(V& v, T& x) {
  v.message("Step");
  v(1, "kind", x.kind);
  v(2, "inputs", x.inputs);
  v(3, "outputs", x.outputs);
  v(4, "origin", x.origin);
  v(5, "kernel", x.kernel);
  v(6, "branches", x.branches);
  v(7, "left", x.left);
  v(8, "right", x.right);
  v(9, "text", x.message);
  v(10, "carried", x.carried);
}
template <class V, Of<PlanRecord> T>
void fields(V& v, T& x) {
  v.message("Plan");
  v(1, "name", x.name);
  v(2, "tensors", x.tensors);
  v(3, "steps", x.steps);
  v(4, "inputs", x.inputs);
  v(5, "outputs", x.outputs);
}
template <class V, Of<Port> T>
void fields(V& v, T& x) {
  v.message("Port");
  v(1, "name", x.name);
  v(2, "type", x.type);
  v(3, "index_limit", x.index_limit);
}
template <class V, Of<SymbolRange> T>
void fields(V& v, T& x) {
  v.message("SymbolRange");
  v(1, "symbol", x.symbol);
  v(2, "min", x.min);
  v(3, "opt", x.opt);
  v(4, "max", x.max);
}
template <class V, Of<Profile> T>
void fields(V& v, T& x) {
  v.message("Profile");
  v(1, "name", x.name);
  v(2, "symbols", x.symbols);
}
template <class V, Of<Verification> T>
void fields(V& v, T& x) {
  v.message("Verification");
  v(1, "verified", x.verified);
  v(2, "samples", x.samples);
  v(3, "machine", x.machine);
  v(4, "reference", x.reference);
  v(5, "max_error", x.max_error);
  v(6, "tolerance", x.tolerance);
}
template <class V, Of<TargetRecord> T>
void fields(V& v, T& x) {
  v.message("EngineTarget");
  v(1, "name", x.name);
  v(2, "requirements", x.requirements);
  v(3, "precision", x.precision);
  v(4, "verification", x.verification);
  v(5, "arena_bytes", x.arena_bytes);
  v(6, "plan", x.plan);
}
template <class V, Of<Provenance> T>
void fields(V& v, T& x) {
  v.message("Provenance");
  v(1, "model_digest", x.model_digest);
  v(2, "model_file", x.model_file);
  v(3, "producer", x.producer);
  v(4, "producer_version", x.producer_version);
  v(5, "options", x.options);
  v(6, "seed", x.seed);
}
template <class V, Of<AccuracyCard> T>
void fields(V& v, T& x) {
  v.message("AccuracyCard");
  v(1, "metric", x.metric);
  v(2, "samples", x.samples);
  v(3, "before", x.before);
  v(4, "after", x.after);
  v(5, "gate", x.gate);
  v(6, "passed", x.passed);
  v(7, "kept_high", x.kept_high);
  v(8, "taints", x.taints);
}
template <class V, Of<SampleRecord> T>
void fields(V& v, T& x) {
  v.message("Sample");
  v(1, "inputs", x.inputs);
  v(2, "outputs", x.outputs);
}
template <class V, Of<PluginUse> T>
void fields(V& v, T& x) {
  v.message("PluginUse");
  v(1, "name", x.name);
  v(2, "version", x.version);
  v(3, "digest", x.digest);
}
template <class V, Of<ManifestRecord> T>
void fields(V& v, T& x) {
  v.message("Manifest");
  v(1, "inputs", x.inputs);
  v(2, "outputs", x.outputs);
  v(3, "profiles", x.profiles);
  v(4, "targets", x.targets);
  v(5, "provenance", x.provenance);
  v(6, "accuracy", x.accuracy);
  v(7, "samples", x.samples);
  v(8, "plugins", x.plugins);
}
template <class V, Of<Measurement> T>
void fields(V& v, T& x) {
  v.message("Measurement");
  v(1, "target", x.target);
  v(2, "shapes", x.shapes);
  v(3, "threads", x.threads);
  v(4, "seconds", x.seconds);
  v(5, "joules", x.joules);
  v(6, "energy_source", x.energy_source);
  v(7, "modelled_joules", x.modelled_joules);
  v(8, "method", x.method);
  v(9, "machine", x.machine);
  v(10, "date", x.date);
}
template <class V, Of<StepTimes> T>
void fields(V& v, T& x) {
  v.message("StepTimes");
  v(1, "target", x.target);
  v(2, "kernel", x.kernel);
  v(3, "seconds", x.seconds);
  v(4, "joules", x.joules);
}
template <class V, Of<MeasurementsRecord> T>
void fields(V& v, T& x) {
  v.message("Measurements");
  v(1, "rows", x.rows);
  v(2, "step_times", x.step_times);
}

}  // namespace mj::wire
