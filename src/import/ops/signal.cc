// SPDX-License-Identifier: Apache-2.0
// DFT; window functions, of a length that may be computed.
#include <numbers>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

// a - b cos(2 pi n / N) + c cos(4 pi n / N) for n = 0, 1, ...; N is the length, or one less where it is not periodic
void cosine_window(NodeImport& node, double a, double b, double c) {
  node.inputs_between(1, 1);
  const DType to = node.dtype("output_datatype", DType::f32);
  const bool periodic = node.flag("periodic", true);
  const DType wide = to == DType::f64 ? to : DType::f32;
  const auto one = [&](int64_t value) { return node.constant(Tensor::scalar(value)); };
  const ValueId size = node.emit(op("cast", {{0, "to", DType::i64}}), {node.in(0)});
  const ValueId last = periodic ? size : node.emit(op("sub"), {size, one(1)});
  const auto real = [&](ValueId x) { return node.emit(op("cast", {{0, "to", wide}}), {x}); };
  const ValueId place = real(node.emit(op("range"), {one(0), size, one(1)}));
  const ValueId turn = node.emit(op("div"), {place, real(last)});
  const auto term = [&](double turns, double factor) {
    const ValueId angle = node.emit(op("mul"), {turn, node.scalar(2 * std::numbers::pi * turns, wide)});
    return node.emit(op("mul"), {node.emit(op("cos"), {angle}), node.scalar(factor, wide)});
  };
  ValueId window = node.emit(op("add"), {term(1, -b), node.scalar(a, wide)});
  if (c != 0) window = node.emit(op("add"), {window, term(2, c)});
  node.finish(op("cast", {{0, "to", to}}), {window});
}

}  // namespace

void import_hann_window(NodeImport& node) { cosine_window(node, 0.5, 0.5, 0); }
void import_hamming_window(NodeImport& node) { cosine_window(node, 25.0 / 46, 21.0 / 46, 0); }
void import_blackman_window(NodeImport& node) { cosine_window(node, 0.42, 0.5, 0.08); }

// The axis is an attribute before opset 20, then an input.
void import_dft_17(NodeImport& node) {
  node.inputs_between(1, 2);
  node.finish(node.op("dft", {{0, "axis", node.integer("axis", 1)}}), node.inputs());
}

void import_dft(NodeImport& node) {
  node.inputs_between(1, 3);
  node.finish(node.op("dft"), node.inputs());
}

// The spectrum of each frame of a signal [B,L,1 or 2]: frames [B,n,length,1 or 2] that start every frame_step elements,
// n = 1 + (L - length) / frame_step, times a window.
void import_stft(NodeImport& node) {
  node.inputs_between(2, 4);
  const ValueId signal = node.in(0);
  const bool onesided = node.flag("onesided", true);
  if (node.rank(signal) != 3) return node.fail("the signal must have 3 dims, got {}", to_string(node.type(signal)));
  const auto one = [&](int64_t value) { return node.constant(Tensor::scalar(value)); };
  const auto whole = [&](ValueId x) { return node.emit(op("cast", {{0, "to", DType::i64}}), {x}); };
  const auto size = [&](ValueId x, int64_t axis) {
    return node.emit(op("gather", {{0, "axis", int64_t{0}}}), {node.emit(op("shape"), {x}), one(axis)});
  };
  // One number, which may come as a tensor of one dim.
  const auto single = [&](size_t i) {
    return node.emit(op("reshape"), {whole(node.in(i)), node.integers_constant({})});
  };
  const std::optional<std::vector<int64_t>> known = node.graph.value(node.in(1)).info.known_elements();
  if (known && known->size() == 1 && (*known)[0] < 1) return node.fail("frame_step is {}", (*known)[0]);
  const ValueId step = single(1);
  if (!node.has(2) && !node.has(3)) return node.fail("a window or a frame_length must be given");
  const ValueId length = node.has(3) ? single(3) : size(node.in(2), 0);
  const ValueId room = node.emit(op("sub"), {size(signal, 1), length});
  const ValueId frames = node.emit(op("add"), {node.emit(op("div"), {room, step}), one(1)});
  const ValueId places = node.emit(op("range"), {one(0), frames, one(1)});
  const ValueId starts = node.emit(op("mul"), {places, step});
  const ValueId column = node.emit(op("unsqueeze", {{0, "axes", std::vector<int64_t>{1}}}), {starts});
  const ValueId taken = node.emit(op("add"), {column, node.emit(op("range"), {one(0), length, one(1)})});
  ValueId cut = node.emit(op("gather", {{0, "axis", int64_t{1}}}), {signal, taken});
  if (node.has(2)) {
    cut = node.emit(op("mul"), {cut, node.emit(op("unsqueeze", {{0, "axes", std::vector<int64_t>{1}}}), {node.in(2)})});
  }
  node.finish(op("dft", {{0, "axis", int64_t{-2}}, {0, "onesided", onesided}}), {cut});
}

}  // namespace mj::onnx
