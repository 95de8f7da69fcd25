// SPDX-License-Identifier: Apache-2.0
// The text form of bodies and types, beside that of graphs (graph.h).
//
//   graph "name" (%x: f32[N,3,224,224], %"odd/name:0": i64[2] = [N, 3]) {
//     %w = constant f32[2] {1, 2}
//     %y, %z = split(%x) {axis=1} : f32[N,1], f32[N,2] from "Split_3"
//     %r = conv(%x, %w, _) epilogue(%y) (%0: f32, %1: f32) { %2 = add(%0, %1); return %2 } : f32[N,8,7,7]
//     %p = pointwise(%y) (%0: f32) { %1 = relu(%0); return %1 } : f32[N,1]
//     %o = if(%c, %x) then (%x.1: f32[N]) { return %x.1 } else (%x.2: f32[N]) { return %x.2 } : f32[N]
//     return %y, %z
//   }
// `= [...]` after a type are symbolic contents, `from` names ONNX nodes, `_` is an absent input. Spaces, line ends and
// `;` separate; `#` starts a comment. Types may be left out where the operator's shape rule gives them.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.h"

namespace mj {

Result<Body> parse_body(std::string_view text);
Result<Type> parse_type(std::string_view text);

// The same text for graphs that compute the same thing the same way: values are numbered from the outputs backwards, so
// neither names (but the inputs', unless `name_inputs` is false), origins, nor the order of independent nodes show.
std::string canonical_text(const Graph& graph, bool name_inputs = true);

}  // namespace mj
