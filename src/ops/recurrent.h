// SPDX-License-Identifier: Apache-2.0
// rnn, gru, lstm with ONNX's inputs (X, W, R, B?, sequence_lens?, initial_h?; lstm also initial_c?, P?) and outputs
// (Y, Y_h; lstm also Y_c). layout 0: X [S,N,I], Y [S,D,N,H], Y_h [D,N,H]; layout 1: X [N,S,I], Y [N,S,D,H], Y_h
// [N,D,H]. D is 2 when bidirectional. Beyond a sequence's length Y is 0 and the state stays.
#pragma once

#include "ops/op.h"

namespace mj {

struct RecurrentFields {
  std::vector<float> activation_alpha, activation_beta;
  std::vector<std::string> activations;  // for each direction; empty: the operator's usual ones
  float clip = 0.0f;                     // 0: none
  std::string direction = "forward";     // reverse, bidirectional
  int64_t hidden_size = 0;
  int64_t layout = 0;

  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
};

#define MJ_RECURRENT_FIELDS                                                                                       \
  field(1, "activation_alpha", &RecurrentFields::activation_alpha),                                               \
      field(2, "activation_beta", &RecurrentFields::activation_beta),                                             \
      field(3, "activations", &RecurrentFields::activations), field(4, "clip", &RecurrentFields::clip),           \
      field(5, "direction", &RecurrentFields::direction), field(6, "hidden_size", &RecurrentFields::hidden_size), \
      field(7, "layout", &RecurrentFields::layout)

// h' = f(x W' + h R' + b)
struct Rnn : RecurrentFields {
  static constexpr std::string_view kName = "rnn";
  static constexpr auto kFields = std::tuple{MJ_RECURRENT_FIELDS};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// Gates z, r, h: h' = (1 - z) * g(x Wh' + (r * h) Rh' + b) + z * h; linear_before_reset: r * (h Rh' + Rbh) instead.
struct Gru : RecurrentFields {
  bool linear_before_reset = false;

  static constexpr std::string_view kName = "gru";
  static constexpr auto kFields =
      std::tuple{MJ_RECURRENT_FIELDS, field(8, "linear_before_reset", &Gru::linear_before_reset)};

  bool usual_activations() const;  // sigmoid, tanh in each direction, however they are spelled
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// Gates i, o, f, c: c' = f * c + i * g(...), h' = o * h(c'); P holds peepholes i, o, f; input_forget: f = 1 - i.
struct Lstm : RecurrentFields {
  bool input_forget = false;

  static constexpr std::string_view kName = "lstm";
  static constexpr auto kFields = std::tuple{MJ_RECURRENT_FIELDS, field(8, "input_forget", &Lstm::input_forget)};

  bool usual_activations() const;  // sigmoid, tanh, tanh in each direction, however they are spelled
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

#undef MJ_RECURRENT_FIELDS

}  // namespace mj
