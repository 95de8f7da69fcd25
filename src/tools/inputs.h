// SPDX-License-Identifier: Apache-2.0
// Inputs of an engine as the command line gives them.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "engine/format/manifest.h"
#include "tools/npz.h"

namespace mj {

// "x=1x3x224x224,ids=1x128", or trtexec's "x:1x3x224x224": dims by input name. A scalar is "sr=".
Result<std::map<std::string, std::vector<int64_t>>> parse_shapes(const std::string& text);

// "N=1:8:32,S=128": min:opt:max by symbol; one number promises exactly that size.
Result<std::vector<SymbolRange>> parse_profile(const std::string& text);

// The arrays in the order of the ports and of their types; one without a name is the only port's. Missing names are
// errors that list what there is, superfluous ones if they are refused. `source` is for messages.
enum class Surplus { refused, allowed };
Result<std::vector<Tensor>> take_inputs(const Npz& arrays, std::span<const Port> ports, const std::string& source,
                                        Surplus surplus);
// Those of the file `path`; superfluous names are refused.
Result<std::vector<Tensor>> read_inputs(const std::string& path, std::span<const Port> ports);

// What the flags of a verb say of its inputs: a file, or random ones. Sizes given beside a file must be the file's.
// Sizes of random ones come from `shapes`; then `batch` for the first axis of every input, if it is free and batch > 0
// (an error where none is and none has that size); then the first profile's opt; then 1.
struct InputSource {
  std::string path, shapes;
  int64_t batch = 0;
};
Result<std::vector<Tensor>> inputs_of(const Manifest& manifest, const InputSource& source, uint64_t seed);

// Hands them to `use`. Where nobody says some of the sizes, and `use` fails at 1, it gets inputs of others until it
// succeeds (those that verification tries, too): many a network takes no image of one pixel.
Result<void> with_inputs(const Manifest& manifest, const InputSource& source, uint64_t seed,
                         FunctionRef<Result<void>(const std::vector<Tensor>&)> use);

}  // namespace mj
