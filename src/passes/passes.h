// SPDX-License-Identifier: Apache-2.0
// Every pass, by its file's name. The order stands in pipeline.cc.
#pragma once

#include "passes/pass.h"

namespace mj {

Pass common_subexpressions();
Pass fold_constants();
Pass infer_shapes();

}  // namespace mj
