// SPDX-License-Identifier: Apache-2.0
// Attributes of a plugin's operator as printable text, which is how a graph, an engine and a tactic cache keep them:
//
//   "alpha=f:0.5"  "axis=i:-1"  "mode=s:a%20b"  "axes=is:1,2"  "scales=fs:0.5,2"  "names=ss::a,:b"
//   "bytes=x:00ff"  "table=t:f32:[2]:0000803f00000040"
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "ops/field.h"

namespace mj {

// `value` is an integer, a float, a string, a list of these, or a tensor of numbers or bools.
std::string attribute_text(std::string_view name, const FieldValue& value);
// The text may come from a file.
Result<std::pair<std::string, FieldValue>> parse_attribute(std::string_view text);

}  // namespace mj
