// SPDX-License-Identifier: Apache-2.0
// In how many ways a library row offers to cut a layer; the tuner measures them.
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

}  // namespace mj::onednn
