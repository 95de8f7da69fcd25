// SPDX-License-Identifier: Apache-2.0
// Small steps that several passes take.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "problem/anchor.h"

namespace mj {

bool is_dead(const Graph& graph, NodeId id);
// Erases the node if nobody uses it, and then what it alone kept alive. Whether `id` itself went.
bool erase_dead(Graph& graph, NodeId id);
// Adds the names that `origin` lacks.
void add_origins(const Node& node, std::vector<std::string>& origin);
// Adds to `origin` the names of what erase_dead would erase: what a node that takes their place computes.
void add_dead_origins(const Graph& graph, NodeId id, std::vector<std::string>& origin);

// Would `to` in place of the graph's output `from` lose its name? An input, or another output, has its own.
bool loses_name(const Graph& graph, ValueId from, ValueId to);
// Every use of `from` becomes `to`, or a copy of it where an output would lose its name.
void replace_value(Graph& graph, ValueId from, ValueId to);

// The reference kernel on constants: one result. A CHECK if it refuses; for maths on weights that we know to fit.
Tensor compute(const Op& op, std::span<const Tensor> inputs);
Tensor compute(std::string_view op, std::initializer_list<Tensor> inputs);

// A field by its name; a CHECK if there is none of that name and type.
const FieldValue& field_of(const std::vector<NamedField>& fields, std::string_view name);
template <class T>
T field_of(const Op& op, std::string_view name) {
  return std::get<T>(field_of(op.fields(), name));
}
bool has_field(const Op& op, std::string_view name);
// The operator with one field changed.
Op with_field(const Op& op, std::string_view name, FieldValue value);

}  // namespace mj
