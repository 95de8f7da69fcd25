// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU, RNN: inputs X, W, R and the optional B, sequence_lens, initial_h (LSTM: initial_c, P) keep ONNX's places.
#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

void import_recurrent(NodeImport& node, std::string_view name, size_t most_inputs, int outputs) {
  node.inputs_between(3, most_inputs);
  node.finish(node.op(name), node.inputs(), outputs);
}

}  // namespace

void import_lstm(NodeImport& node) { import_recurrent(node, "lstm", 8, 3); }
void import_gru(NodeImport& node) { import_recurrent(node, "gru", 6, 2); }
void import_rnn(NodeImport& node) { import_recurrent(node, "rnn", 6, 2); }

}  // namespace mj::onnx
