// SPDX-License-Identifier: Apache-2.0
#include "kernels/estimate.h"

namespace mj {
namespace {

// One core of a recent machine, and what all cores together get from memory.
constexpr double kCoreBytes = 15e9, kMemoryBytes = 40e9, kCycles = 3e9, kStepSeconds = 1e-6;

double lanes(Isa isa) { return isa == Isa::avx512 ? 16 : isa == Isa::avx2 ? 8 : 4; }

}  // namespace

std::optional<double> elements_of(const Shape& shape, const Bindings& bindings) {
  double n = 1;
  for (const Dim& dim : shape) {
    const Result<int64_t> value = dim.evaluate(bindings);
    if (!value.ok()) return std::nullopt;
    n *= static_cast<double>(*value);
  }
  return n;
}

std::optional<double> streaming_seconds(const Problem& problem, const Target& target, const Bindings& bindings,
                                        double operations) {
  double bytes = 0, elements = 0;
  for (const std::vector<Operand>* operands : {&problem.inputs, &problem.outputs}) {
    for (const Operand& operand : *operands) {
      const std::optional<double> n = elements_of(operand.shape, bindings);
      if (!n) return std::nullopt;
      bytes += *n * static_cast<double>(storage_bytes(operand.dtype));
      if (&operand == &problem.outputs[0]) elements = *n;
    }
  }
  const double threads = std::max(1, target.threads);
  const double bandwidth = std::min(kCoreBytes * threads, kMemoryBytes);
  return kStepSeconds + bytes / bandwidth + elements * operations / (lanes(target.isa) * kCycles * threads);
}

}  // namespace mj
