// SPDX-License-Identifier: Apache-2.0
// lstm_f32: ONNX LSTM with its usual activations, one direction after the other.
#include <algorithm>

#include "kernels/cpu/lstm.h"
#include "kernels/kernel.h"
#include "ops/recurrent.h"

namespace mj {
namespace {

enum Input : size_t { kX, kW, kR, kB, kLengths, kH0, kC0, kP };

class LstmF32 final : public Kernel {
 public:
  LstmF32(const Lstm& op, bool has_peephole, std::span<const Tensor> packed)
      : op_(op), has_peephole_(has_peephole), packed_(packed[0]) {
    const std::vector<int64_t> form = packed[1].to_i64();
    isa_ = static_cast<Isa>(form[0]);
    inputs_ = form[1];
    hidden_ = form[2];
  }

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef>, int) const override {
    return cpu::lstm_workspace(isa_, layer(inputs));
  }

  Result<void> run(const RunArgs& args) const override {
    cpu::LstmLayer l = layer(args.inputs);
    const int64_t directions = op_.directions();
    const auto input = [&](size_t i) {
      return i < args.inputs.size() && args.inputs[i].present() ? args.inputs[i].as<const float>() : nullptr;
    };
    const auto output = [&](size_t i) {
      return i < args.outputs.size() && args.outputs[i].present() ? args.outputs[i].as<float>() : nullptr;
    };
    if (args.inputs.size() > kLengths && args.inputs[kLengths].present()) {
      l.lengths = args.inputs[kLengths].as<const int32_t>();
      for (int64_t n = 0; n < l.batch; ++n)
        if (l.lengths[n] < 0 || l.lengths[n] > l.steps)
          return model_error("lstm: sequence length {} is not in [0, {}]", l.lengths[n], l.steps);
    }
    l.x = input(kX);
    const int64_t packed_floats = cpu::lstm_packed(isa_, inputs_, hidden_).total();
    // Layout 0: states [D,N,H], y [S,D,N,H]. Layout 1: states [N,D,H], y [N,S,D,H].
    const int64_t state_step = op_.layout == 0 ? l.batch * hidden_ : hidden_;
    l.state_row = op_.layout == 0 ? hidden_ : directions * hidden_;
    l.y_step = op_.layout == 0 ? directions * l.batch * hidden_ : directions * hidden_;
    l.y_row = op_.layout == 0 ? hidden_ : l.steps * directions * hidden_;
    for (int64_t d = 0; d < directions; ++d) {
      const auto moved = [&](auto* pointer) { return pointer ? pointer + d * state_step : nullptr; };
      l.backward = op_.direction == "reverse" || d == 1;
      l.packed = static_cast<const float*>(packed_.raw()) + d * packed_floats;
      l.h0 = moved(input(kH0));
      l.c0 = moved(input(kC0));
      l.y = moved(output(0));
      l.h_last = moved(output(1));
      l.c_last = moved(output(2));
      cpu::lstm(args.pool, isa_, l, args.workspace.data());
    }
    return {};
  }

 private:
  // Sizes and strides; the pointers come with the run.
  cpu::LstmLayer layer(std::span<const TensorRef> inputs) const {
    const std::span<const int64_t> x = inputs[kX].dims;
    cpu::LstmLayer l;
    l.steps = x[op_.layout == 0 ? 0 : 1];
    l.batch = x[op_.layout == 0 ? 1 : 0];
    l.inputs = inputs_;
    l.hidden = hidden_;
    l.has_peephole = has_peephole_;
    l.x_step = op_.layout == 0 ? l.batch * inputs_ : inputs_;
    l.x_row = op_.layout == 0 ? inputs_ : l.steps * inputs_;
    return l;
  }

  Lstm op_;
  bool has_peephole_;
  Tensor packed_;
  Isa isa_ = Isa::portable;
  int64_t inputs_ = 0, hidden_ = 0;
};

// packed[0]: cpu::pack_lstm of each direction; packed[1]: the Isa it is packed for, inputs, hidden units.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (args.packed.size() != 2) return model_error("lstm_f32 needs its packed weights");
  const bool has_peephole = args.problem.inputs.size() > kP && args.problem.inputs[kP].dtype != DType::none;
  return std::unique_ptr<Kernel>(std::make_unique<LstmF32>(args.problem.op.as<Lstm>(), has_peephole, args.packed));
}

}  // namespace

extern const RunRow run_lstm_f32;
const RunRow run_lstm_f32 = {"lstm_f32", 1, Isa::portable, make};

}  // namespace mj
