// SPDX-License-Identifier: Apache-2.0
#include "import/rows.h"

#include <map>
#include <string>
#include <vector>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

using Table = std::map<std::string, std::vector<Row>, std::less<>>;

const Table& table() {
  static const Table rows = [] {
    Table all;
#define MJ_ONNX(name, since, function) all[name].push_back({since, function, nullptr});
#include "import/ops/irregular.inc"
#undef MJ_ONNX
    for (const OpInfo* op : all_ops()) {
      for (const OnnxName& spelled : op->onnx) all[std::string(spelled.name)].push_back({spelled.since, nullptr, op});
    }
    return all;
  }();
  return rows;
}

}  // namespace

const Row* find_row(std::string_view domain, std::string_view op_type, int64_t opset) {
  const bool usual = domain.empty() || domain == "ai.onnx";
  const auto rows = usual ? table().find(op_type) : table().find(fmt::format("{}.{}", domain, op_type));
  if (rows == table().end()) return nullptr;
  const Row* best = nullptr;
  for (const Row& row : rows->second) {
    // Irregular rows come first and win a tie.
    if (row.since <= opset && (best == nullptr || row.since > best->since)) best = &row;
  }
  return best;
}

std::span<const OnnxName> irregular_names() {
  static constexpr OnnxName kNames[] = {
#define MJ_ONNX(name, since, function) {name, since},
#include "import/ops/irregular.inc"
#undef MJ_ONNX
  };
  return kNames;
}

void import_regular(NodeImport& node, const OpInfo& op) { node.finish(node.op(op.name), node.inputs()); }

}  // namespace mj::onnx
