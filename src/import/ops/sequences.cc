// SPDX-License-Identifier: Apache-2.0
#include "import/importer.h"
#include "import/ops/irregular.h"

namespace mj::onnx {

void import_sequence_empty(NodeImport& node) {
  node.inputs_between(0, 0);
  node.finish(mj::op("sequence_empty", {{0, "dtype", node.dtype("dtype", DType::f32)}}), {});
}

// `type` says what is not there; with an input it says what that is anyway.
void import_optional(NodeImport& node) {
  node.inputs_between(0, 1);
  if (node.has(0)) {
    node.ignore("type");
    return node.finish(mj::op("optional"), {node.in(0)});
  }
  const TypeProto* type = node.type_proto("type");
  if (node.failed()) return;
  const bool is_sequence = type->kind == TypeProto::Kind::sequence;
  if (!is_sequence && type->kind != TypeProto::Kind::tensor) {
    return node.unsupported("an optional holds a tensor or a sequence of tensors here");
  }
  const DType dtype = node.take(dtype_of(type->elem_type), DType::f32);
  node.finish(mj::op("optional", {{0, "dtype", dtype}, {0, "sequence", is_sequence}}), {});
}

}  // namespace mj::onnx
