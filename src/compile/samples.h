// SPDX-License-Identifier: Apache-2.0
// Inputs to try a model with when the user gives none.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/format/manifest.h"
#include "ir/graph.h"

namespace mj {

using NamedTensors = std::map<std::string, Tensor, std::less<>>;

// A value as arrays by name, which is how files hold it: a tensor under its port's name; a sequence as "name.0",
// "name.1", ...; nothing for an optional that is absent. So that an optional sequence can be there and empty, an array
// `name` without elements says so; a sequence may be told in this way as well, or by no arrays at all.
std::vector<std::pair<std::string, Tensor>> to_arrays(const Port& port, const Tensor& value);
// The port that an array of this name belongs to, or null.
const Port* port_of(std::span<const Port> ports, std::string_view array);
// The values of all ports, taken out of `arrays`. `source` is named in errors: a missing array, a wrong element type.
Result<std::vector<Tensor>> take_values(std::span<const Port> ports, NamedTensors& arrays, std::string_view source);

// For each input of the graph that indexes tensors (token ids into an embedding): the smallest size, at these sizes of
// the inputs, that it indexes; 1 where they do not tell. 0 for the others.
std::vector<int64_t> index_limits(const Graph& graph, const Bindings& sizes = {});

// Sizes of all symbols: `batch` for those that are the first dimension of an input, `length` for the others.
Bindings sizes_at(std::span<const Port> inputs, int64_t batch, int64_t length);

// Sizes for a network that may not run at any: it may insist on a height it does not name, on a multiple of its
// strides, on one request at a time. To be tried in this order; a first dimension has each of `batches`, and may be a
// length, too.
struct TrialSizes {
  Bindings symbols;
  int64_t length;  // of what has no name
};
std::vector<TrialSizes> trial_sizes(std::span<const Port> inputs, std::initializer_list<int64_t> batches);

// Three tensors for a sequence, something for an optional, one dimension where the rank is unknown. Normal noise for
// floats (its size where they have no sign); integers below the port's index limit, else 0 or 1; false and true; digits
// as strings. The same for one seed. Symbols that `sizes` lacks count as `default_size`.
Result<std::vector<Tensor>> random_inputs(std::span<const Port> ports, const Bindings& sizes, int64_t default_size,
                                          uint64_t seed);

}  // namespace mj
