// SPDX-License-Identifier: Apache-2.0
// Runs every shape rule again, so that what earlier passes learned of one value reaches those computed from it.
#include "passes/passes.h"

namespace mj {
namespace {

bool same(const ValueInfo& a, const ValueInfo& b) { return a.type == b.type && a.contents == b.contents; }

}  // namespace

Pass infer_shapes() {
  return {"infer_shapes", [](Graph& graph, const PassContext&) -> Result<bool> {
            std::vector<ValueInfo> before;
            for (ValueId id = 0; id < graph.value_count(); ++id) before.push_back(graph.value(id).info);
            MJ_TRY(graph.infer_all());
            for (ValueId id = 0; id < graph.value_count(); ++id) {
              if (!same(before[static_cast<size_t>(id)], graph.value(id).info)) return true;
            }
            return false;
          }};
}

}  // namespace mj
