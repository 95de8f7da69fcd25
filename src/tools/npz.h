// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy and .npz files. Pickled arrays are refused; entries may be stored or deflated.
//
// Types NumPy lacks travel as raw bytes, one element each: bfloat16 as V2, the small floats and the integers below a
// byte as V1. Strings are unicode arrays (U).
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"

namespace mj {

// An array as the file spells it: raw ones (V1, V2) get their type from who asks for it.
struct NumpyArray {
  Tensor tensor;     // V2 as u16, V1 as u8
  bool raw = false;  // it came as V1 or V2
};

// The array as a tensor of `want`, or as it is when `want` is none. Only raw arrays change type. `name` starts
// messages.
Result<Tensor> as_dtype(const NumpyArray& array, DType want, std::string_view name);

using Npz = std::map<std::string, NumpyArray, std::less<>>;

// By the file's contents: an .npz, or an .npy as one entry with the empty name. Sizes are checked against the file.
Result<Npz> read_numpy(const std::string& path);

// By the path's ending: the array as an .npy (an error unless there is one), or all of them as an .npz.
Result<void> write_numpy(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& arrays);

// Entries in this order, stored, with exact dtypes. Written to a temporary name and renamed.
Result<void> write_npz(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& arrays);

}  // namespace mj
