// SPDX-License-Identifier: Apache-2.0
// What happens to an imported graph, in order. Each stage is a list of passes; pipeline.cc is the page to read.
#pragma once

#include <vector>

#include "passes/driver.h"

namespace mj {

Stage integers();      // Q/DQ regions become the integer maths that they mean
Stage canonicalize();  // shapes become symbols, constants are folded: no shape arithmetic is left to run
Stage simplify();      // algebra; what cancels goes, constant scales and batch norms sink into weights
Stage recognize();     // spellings of known operators become them
Stage merge();         // parallel layers that share an input become one, gated ones two
Stage layout();        // channels last, once for a region
Stage settle();        // transposes that are left as they are become what costs least
Stage fuse();          // pointwise maths joins what makes its operands
Stage chain();         // convolutions that follow each other become one step
Stage precision();     // what lies in memory between steps becomes 16 bits, where that is asked for

std::vector<Stage> pipeline();

// The first stage alone: the graph that an oracle runs. Where rounding falls is part of what it says.
Result<void> define_quantized(Graph& graph, const PassContext& context);
// Runs the whole pipeline.
Result<void> optimize(Graph& graph, const PassContext& context);

// A pass of the pipeline by its name; null if there is none.
const Pass* find_pass(std::string_view name);

}  // namespace mj
