// SPDX-License-Identifier: Apache-2.0
// quantized_mean, quantized_add, quantize_bytes, dequantize_bytes: rows that stream their bytes once.
#include <algorithm>
#include <vector>

#include "kernels/cpu/bytes.h"
#include "kernels/cpu/parallel.h"
#include "kernels/kernel.h"
#include "kernels/quantized/form.h"
#include "ops/quantized.h"

namespace mj {
namespace {

class MeanOfBytes final : public Kernel {
 public:
  MeanOfBytes(const Problem& problem, Isa isa)
      : op_(problem.op.as<QuantizedMean>()), is_signed_(problem.inputs[0].dtype == DType::i8), isa_(isa) {}

  Result<void> run(const RunArgs& args) const override {
    const MeanForm form = mean_form(op_, args.inputs[0].dims);
    const int64_t length = form.length, inner = form.inner;
    const cpu::ByteKernels& kernels = cpu::byte_kernels(isa_);
    const float scale = args.inputs[1].as<const float>()[0] / static_cast<float>(length);
    const auto* x = args.inputs[0].as<const char>();
    char* y = args.outputs[0].as<char>();
    // Columns of one outer index; a column is a sum of `length` bytes, `inner` apart.
    constexpr int64_t kColumns = 256;
    const int64_t blocks = (inner + kColumns - 1) / kColumns;
    args.pool.run(form.outer * blocks, [&](int64_t task, int) {
      const int64_t o = task / blocks, first = task % blocks * kColumns, n = std::min(kColumns, inner - first);
      int32_t sums[kColumns] = {};
      kernels.add_rows(x + o * length * inner + first, is_signed_, length, inner, static_cast<int32_t>(op_.x_zero), n,
                       sums);
      // An i8 and a u8 of the same number have the same bits.
      for (int64_t j = 0; j < n; ++j)
        y[o * inner + first + j] = static_cast<char>(op_.rounded(static_cast<float>(sums[j]) * scale));
    });
    return {};
  }

 private:
  QuantizedMean op_;
  bool is_signed_;
  Isa isa_;
};

class AddBytes final : public Kernel {
 public:
  AddBytes(const Problem& problem, Isa isa) : kernels_(cpu::byte_kernels(isa)) {
    const QuantizedAdd& op = problem.op.as<QuantizedAdd>();
    add_.a_signed = problem.inputs[0].dtype == DType::i8, add_.b_signed = problem.inputs[1].dtype == DType::i8;
    add_.y_signed = op.to == DType::i8;
    add_.a_zero = static_cast<int32_t>(op.x_zero), add_.b_zero = static_cast<int32_t>(op.b_zero);
    add_.zero = static_cast<int32_t>(op.y_zero);
    add_.a_scale = op.x_scale, add_.b_scale = op.b_scale, add_.scale = op.y_scale;
    add_.low = static_cast<float>(op.low - op.y_zero), add_.high = static_cast<float>(op.high - op.y_zero);
  }

  Result<void> run(const RunArgs& args) const override {
    const int64_t size = args.outputs[0].size();
    const auto n = static_cast<double>(size);
    cpu::parallel_ranges(args.pool, size, 64, cpu::guess_seconds(3 * n, 10 * n), [&](int64_t begin, int64_t end) {
      cpu::ByteAddArgs add = add_;
      add.a = args.inputs[0].as<const char>() + begin;
      add.b = args.inputs[1].as<const char>() + begin;
      add.y = args.outputs[0].as<char>() + begin;
      kernels_.add(add, end - begin);
    });
    return {};
  }

 private:
  const cpu::ByteKernels& kernels_;
  cpu::ByteAddArgs add_{};
};

// One number of an input that may be absent or of any integer or f32 type.
int32_t zero_of(std::span<const TensorRef> inputs) {
  if (inputs.size() < 3 || !inputs[2].present()) return 0;
  return inputs[2].dtype == DType::i8 ? *inputs[2].as<const int8_t>() : *inputs[2].as<const uint8_t>();
}

class QuantizeBytes final : public Kernel {
 public:
  QuantizeBytes(const Problem& problem, Isa isa)
      : kernels_(cpu::byte_kernels(isa)), is_signed_(problem.outputs[0].dtype == DType::i8) {}

  Result<void> run(const RunArgs& args) const override {
    const float scale = *args.inputs[1].as<const float>();
    const int32_t zero = zero_of(args.inputs);
    const auto low = static_cast<float>((is_signed_ ? -128 : 0) - zero);
    const int64_t size = args.outputs[0].size();
    const auto n = static_cast<double>(size);
    cpu::parallel_ranges(args.pool, size, 64, cpu::guess_seconds(5 * n, 8 * n), [&](int64_t begin, int64_t end) {
      kernels_.quantize(args.inputs[0].as<const float>() + begin, end - begin, scale, low, low + 255, zero, is_signed_,
                        args.outputs[0].as<char>() + begin);
    });
    return {};
  }

 private:
  const cpu::ByteKernels& kernels_;
  bool is_signed_;
};

class DequantizeBytes final : public Kernel {
 public:
  DequantizeBytes(const Problem& problem, Isa isa)
      : kernels_(cpu::byte_kernels(isa)), is_signed_(problem.inputs[0].dtype == DType::i8) {}

  Result<void> run(const RunArgs& args) const override {
    const float scale = *args.inputs[1].as<const float>();
    const int32_t zero = zero_of(args.inputs);
    const int64_t size = args.outputs[0].size();
    const auto n = static_cast<double>(size);
    cpu::parallel_ranges(args.pool, size, 64, cpu::guess_seconds(5 * n, 4 * n), [&](int64_t begin, int64_t end) {
      kernels_.dequantize(args.inputs[0].as<const char>() + begin, is_signed_, end - begin, zero, scale,
                          args.outputs[0].as<float>() + begin);
    });
    return {};
  }

 private:
  const cpu::ByteKernels& kernels_;
  bool is_signed_;
};

template <class K>
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<K>(args.problem, args.isa));
}

}  // namespace

extern const RunRow run_quantized_mean, run_quantized_add, run_quantize_bytes, run_dequantize_bytes;
const RunRow run_quantized_mean = {"quantized_mean", 1, Isa::portable, make<MeanOfBytes>};
const RunRow run_quantized_add = {"quantized_add", 1, Isa::portable, make<AddBytes>};
const RunRow run_quantize_bytes = {"quantize_bytes", 1, Isa::portable, make<QuantizeBytes>};
const RunRow run_dequantize_bytes = {"dequantize_bytes", 1, Isa::portable, make<DequantizeBytes>};

}  // namespace mj
