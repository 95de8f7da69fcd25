// SPDX-License-Identifier: Apache-2.0
// MatMulNBits of domain com.microsoft: y = a W' + bias, W [N,K] of 2, 4 or 8 bits, each block of a row with a scale and
// a zero point of its own. The bits of a row come packed, the lowest ones of a byte first, and each row of blocks
// begins with a byte of its own.
#include <algorithm>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

struct Packing {
  int64_t bits, rows, columns;  // of W

  DType dtype() const { return bits == 2 ? DType::u2 : bits == 4 ? DType::u4 : DType::u8; }
};

// The first `columns` numbers of each row of bytes.
Tensor unpacked_rows(const Packing& packing, const Tensor& bytes) {
  Tensor numbers = Tensor::zeros(packing.dtype(), {packing.rows, packing.columns});
  const auto* from = static_cast<const uint8_t*>(bytes.raw());
  auto* to = static_cast<uint8_t*>(numbers.mutable_raw());
  const int64_t row = bytes.size() / packing.rows, each = 8 / packing.bits;
  for (int64_t r = 0; r < packing.rows; ++r) {
    for (int64_t c = 0; c < packing.columns; ++c) {
      const int shift = static_cast<int>(c % each * packing.bits);
      to[r * packing.columns + c] =
          static_cast<uint8_t>((from[r * row + c / each] >> shift) & ((1 << packing.bits) - 1));
    }
  }
  return numbers;
}

int64_t positive(NodeImport& node, std::string_view name, int64_t otherwise) {
  const int64_t value = node.integer(name, otherwise);
  if (value < 1 || value >= (int64_t{1} << 30)) node.fail("{} must be given and positive, got {}", name, value);
  return value;
}

// The input, a constant of `count` elements.
Tensor constant_of(NodeImport& node, size_t input, std::string_view what, int64_t count) {
  if (node.failed()) return {};
  const Tensor tensor = node.constant(input);
  if (!tensor.present()) {
    node.unsupported("its {} must be constant", what);
  } else if (tensor.size() != count) {
    node.fail("its {} must have {} elements, got {}", what, count, to_string(node.type(node.in(input))));
  }
  return tensor;
}

}  // namespace

void import_matmul_nbits(NodeImport& node) {
  node.inputs_between(3, 6);
  node.outputs_at_most(1);
  const int64_t n = positive(node, "N", 0), k = positive(node, "K", 0), block = positive(node, "block_size", 0);
  const int64_t bits = node.integer("bits", 4);
  node.ignore("accuracy_level");  // how much less exactly than this it may be computed
  if (node.integer("weight_prepacked", 0) != 0) {
    return node.unsupported("its weights are packed for one kind of GPU; export them with weight_prepacked=0");
  }
  if (node.has(4)) return node.unsupported("g_idx is given; export the model without reordered columns");
  if (node.failed()) return;
  if (bits != 2 && bits != 4 && bits != 8) return node.unsupported("bits must be 2, 4 or 8, got {}", bits);
  if (block < 16 || (block & (block - 1)) != 0) {
    return node.fail("block_size must be a power of 2 and at least 16, got {}", block);
  }
  const int64_t blocks = (k + block - 1) / block, zero_bytes = (blocks * bits + 7) / 8;
  const Packing weights{bits, n, k};
  if (node.dtype(node.in(1)) != DType::u8) return node.fail("its weights must be u8");
  const Tensor bytes = constant_of(node, 1, "weights", n * blocks * (block / 8 * bits));
  if (node.failed()) return;
  const ValueId a = node.in(0), numbers = node.constant(unpacked_rows(weights, bytes));
  const int64_t shape[] = {n, blocks};
  const ValueId scales = node.emit(op("reshape"), {node.in(2), node.integers_constant(shape)});
  const Op dequantize = op("dequantize_linear", {{0, "axis", int64_t{1}}, {0, "block_size", block}});
  ValueId real = kAbsent;
  if (node.has(3) && node.dtype(node.in(3)) != DType::u8) {
    // Zero points of real numbers: (w - z) s = w s - z s, the latter of each block for all of its columns.
    const ValueId zero = node.emit(op("reshape"), {node.in(3), node.integers_constant(shape)});
    const int64_t column[] = {n, blocks, 1}, wide[] = {n, blocks, block}, flat[] = {n, blocks * block};
    const int64_t first[] = {0}, end[] = {k}, axis[] = {1};
    const auto spread = [&](ValueId each) {
      each = node.emit(op("reshape"), {each, node.integers_constant(column)});
      each = node.emit(op("reshape"),
                       {node.emit(op("expand"), {each, node.integers_constant(wide)}), node.integers_constant(flat)});
      return node.emit(op("slice"), {each, node.integers_constant(first), node.integers_constant(end),
                                     node.integers_constant(axis)});
    };
    const ValueId whole = node.emit(op("cast", {{0, "to", node.dtype(scales)}}), {numbers});
    real = node.emit(op("mul"), {node.emit(op("sub"), {whole, spread(zero)}), spread(scales)});
  } else if (node.has(3)) {
    const Tensor zeros = constant_of(node, 3, "zero_points", n * zero_bytes);
    if (node.failed()) return;
    real = node.emit(dequantize, {numbers, scales, node.constant(unpacked_rows({bits, n, blocks}, zeros))});
  } else {
    Tensor zeros = Tensor::zeros(weights.dtype(), {n, blocks});
    auto* middle = static_cast<uint8_t*>(zeros.mutable_raw());
    std::fill(middle, middle + zeros.size(), static_cast<uint8_t>(1 << (bits - 1)));
    real = node.emit(dequantize, {numbers, scales, node.constant(std::move(zeros))});
  }
  const ValueId turned = node.emit(op("transpose", {{0, "perm", std::vector<int64_t>{1, 0}}}), {real});
  const ValueId y = node.emit(op("matmul"), {a, turned});
  node.output(0, node.has(5) ? node.emit(op("add"), {y, node.in(5)}) : y);
}

}  // namespace mj::onnx
