// SPDX-License-Identifier: Apache-2.0
// What rows of the library share in being chosen: the ways to cut a layer, which the tuner measures, and what they take
// over from our own rows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/select.h"

namespace mj::onednn {

// Of `height` rows of `width` units of work (pixels) a request; a flat layer has one unit a row. Nothing: not known
// before it runs. `outputs` are the columns, 0 if they must not be cut.
std::vector<std::string> cuts(std::optional<int64_t> height, int64_t outputs, int threads, bool flat);

// Why no library row can run here, or nothing.
Refusal refuses_target(const Target& target);

// For a row of the library that reads what our own row `kOwn` packed. Where nothing is measured our own goes first: it
// stands before the library's, and the model is the same.
template <const SelectRow& kOwn>
std::optional<double> estimate_as(const Problem& problem, const Target& target, const Bindings& bindings) {
  return kOwn.estimate(problem, target, bindings);
}
template <const SelectRow& kOwn>
Result<Packed> pack_as(const Problem& problem, const Target& target, std::string_view,
                       std::span<const Tensor> constants) {
  return kOwn.pack(problem, target, "", constants);
}

}  // namespace mj::onednn
