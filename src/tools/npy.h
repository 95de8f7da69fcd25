// SPDX-License-Identifier: Apache-2.0
// One .npy array in memory: the magic, a Python dict as header, the elements.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tools/npz.h"

namespace mj {

// `name` is for messages. The result owns its bytes.
Result<NumpyArray> parse_npy(std::span<const std::byte> bytes, std::string_view name);
// Everything before the elements, padded so that they start at a multiple of 64 bytes.
std::string npy_header(const Tensor& tensor);
// The elements as they stand in the file, strings as UTF-32; of numbers a view of the tensor.
struct NpyElements {
  std::vector<std::byte> owned;  // of strings
  std::span<const std::byte> bytes;
};
NpyElements npy_elements(const Tensor& tensor);

}  // namespace mj
