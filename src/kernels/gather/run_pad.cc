// SPDX-License-Identifier: Apache-2.0
// pad_rows: each row of the result is stretches of a row of x and the padding value between.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/gather/boxes.h"
#include "ops/pad.h"

namespace mj {
namespace {

constexpr int64_t kValue = -1;  // a place that holds the padding value

// Where place `at` of the result comes from in an axis of length n.
int64_t source(const std::string& mode, int64_t at, int64_t n) {
  if (at >= 0 && at < n) return at;
  if (mode == "constant") return kValue;
  if (mode == "edge") return std::clamp<int64_t>(at, 0, n - 1);
  if (mode == "wrap") return (at % n + n) % n;
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  const int64_t place = (at % period + period) % period;
  return place < n ? place : period - place;
}

// Places [begin, begin + n) of a row come from `from` on, or hold the padding value.
struct Stretch {
  int64_t begin, n, from;
};

std::vector<Stretch> stretches_of(const std::vector<int64_t>& sources) {
  std::vector<Stretch> out;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (!out.empty()) {
      Stretch& last = out.back();
      const bool goes_on = last.from == kValue ? sources[i] == kValue : sources[i] == last.from + last.n;
      if (goes_on) {
        ++last.n;
        continue;
      }
    }
    out.push_back({static_cast<int64_t>(i), 1, sources[i]});
  }
  return out;
}

class PadRows final : public Kernel {
 public:
  explicit PadRows(const Pad& op) : op_(op) {}

  Result<void> run(const RunArgs& args) const override {
    const TensorRef &in = args.inputs[0], &out = args.outputs[0];
    MJ_ASSIGN(const std::vector<int64_t> begins, begins_of(args.inputs, out));
    if (out.size() == 0) return {};
    if (in.size() == 0 && op_.mode != "constant") {
      return model_error("pad: mode {} has nothing to repeat in [{}]", op_.mode, fmt::join(in.dims, ","));
    }
    const bool has_value = args.inputs.size() > 2 && args.inputs[2].present();
    const uint64_t zero = 0;
    const void* value = has_value ? args.inputs[2].data : &zero;
    switch (storage_bytes(in.dtype)) {
      case 1:
        return copy<uint8_t>(args, begins, value);
      case 2:
        return copy<uint16_t>(args, begins, value);
      case 4:
        return copy<uint32_t>(args, begins, value);
      default:
        return copy<uint64_t>(args, begins, value);
    }
  }

 private:
  Result<std::vector<int64_t>> begins_of(std::span<const TensorRef> inputs, const TensorRef& out) const {
    const std::span<const int64_t> dims = inputs[0].dims;
    const std::vector<int64_t> pads = integers(inputs[1]);
    std::vector<int64_t> axes, begins(dims.size(), 0), want(dims.begin(), dims.end());
    if (inputs.size() > 3 && inputs[3].present()) {
      axes = integers(inputs[3]);
    } else {
      for (int64_t d = 0; d < std::ssize(dims); ++d) axes.push_back(d);
    }
    if (pads.size() != 2 * axes.size()) return model_error("pad: {} pads for {} axes", pads.size(), axes.size());
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t axis = axes[i] < 0 ? axes[i] + std::ssize(dims) : axes[i];
      if (axis < 0 || axis >= std::ssize(dims)) return model_error("pad: axis {} of rank {}", axes[i], dims.size());
      begins[static_cast<size_t>(axis)] = pads[i];
      want[static_cast<size_t>(axis)] += pads[i] + pads[axes.size() + i];
    }
    if (!std::ranges::equal(want, out.dims)) {
      return model_error("pad: the pads give [{}], the plan has [{}]", fmt::join(want, ","), fmt::join(out.dims, ","));
    }
    return begins;
  }

  template <class T>
  Result<void> copy(const RunArgs& args, const std::vector<int64_t>& begins, const void* pad_value) const {
    const TensorRef &in = args.inputs[0], &out = args.outputs[0];
    const size_t rank = out.dims.size();
    T value;
    std::memcpy(&value, pad_value, sizeof value);
    std::vector<std::vector<int64_t>> sources(rank);
    for (size_t d = 0; d < rank; ++d) {
      for (int64_t i = 0; i < out.dims[d]; ++i) sources[d].push_back(source(op_.mode, i - begins[d], in.dims[d]));
    }
    if (rank == 0) sources.push_back({0});
    const std::vector<Stretch> row = stretches_of(sources.back());
    const std::vector<int64_t> strides = cpu::dense_strides(in.dims);
    const int64_t n = std::ssize(sources.back());
    const double seconds = cpu::guess_seconds(2.0 * sizeof(T) * static_cast<double>(out.size()), 0);
    cpu::parallel_ranges(args.pool, out.size() / n, 1, seconds, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        int64_t rest = r, offset = 0;
        bool inside = true;
        for (size_t d = rank ? rank - 1 : 0; d-- > 0; rest /= out.dims[d]) {
          const int64_t at = sources[d][static_cast<size_t>(rest % out.dims[d])];
          inside = inside && at != kValue;
          offset += at * strides[d];
        }
        T* to = out.as<T>() + r * n;
        if (!inside) {
          std::fill_n(to, n, value);
          continue;
        }
        for (const Stretch& s : row) {
          if (s.from == kValue) {
            std::fill_n(to + s.begin, s.n, value);
          } else {
            std::memcpy(to + s.begin, in.as<const T>() + offset + s.from, static_cast<size_t>(s.n) * sizeof(T));
          }
        }
      }
    });
    return {};
  }

  const Pad op_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<PadRows>(args.problem.op.as<Pad>()));
}

}  // namespace

extern const RunRow run_pad_rows;
const RunRow run_pad_rows = {"pad_rows", 1, Isa::portable, make};

}  // namespace mj
