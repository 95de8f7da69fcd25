// SPDX-License-Identifier: Apache-2.0
// Copies of elements of any type, strings too: what the references of transpose, slice, concat, gather, ... are made
// of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/shape.h"
#include "base/tensor.h"

namespace mj {

// Where element `index` of a box stands in a tensor: offset + sum(index[d] * strides[d]), in elements.
struct Walk {
  int64_t offset = 0;
  std::vector<int64_t> strides;
};

std::vector<int64_t> row_major(std::span<const int64_t> dims);
int64_t product(std::span<const int64_t> dims);

// out at `to` = in at `from` for every index of the box `dims`. Both have the same element type.
void copy_box(std::span<const int64_t> dims, const Tensor& in, const Walk& from, Tensor& out, const Walk& to);
// n neighbouring elements.
void copy_elements(const Tensor& in, int64_t from, Tensor& out, int64_t to, int64_t n);
// The same bytes under out's dims.
void copy_all(const Tensor& in, Tensor& out);

// Repeated along axes of length 1, and along axes it lacks in front, until it has these dims.
Tensor broadcast_to(const Tensor& in, const std::vector<int64_t>& dims);

// Steps an odometer through the box `dims`; false after its last index.
bool next_index(std::span<const int64_t> dims, std::vector<int64_t>& index);

}  // namespace mj
