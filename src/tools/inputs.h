// SPDX-License-Identifier: Apache-2.0
// Inputs of an engine as the command line gives them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/format/manifest.h"
#include "tools/npz.h"

namespace mj {

// "x=1x3x224x224,ids=1x128", or trtexec's "x:1x3x224x224": dims by input name. A scalar is "sr=".
Result<std::map<std::string, std::vector<int64_t>>> parse_shapes(const std::string& text);

// "N=1:8:32,S=128": min:opt:max by symbol; one number promises exactly that size.
Result<std::vector<SymbolRange>> parse_profile(const std::string& text);

// The arrays of `path` in the order of the ports. Missing and superfluous names are errors that list what there is.
Result<std::vector<Tensor>> read_inputs(const std::string& path, const std::vector<Port>& ports);

// Random inputs. Sizes come from `shapes`; then `batch` for the first axis of every input, if it is free and batch > 0;
// then the first profile's opt; then 1.
Result<std::vector<Tensor>> make_inputs(const Manifest& manifest, const std::string& shapes, int64_t batch,
                                        uint64_t seed);

}  // namespace mj
