// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/gather/boxes.h"
#include "ops/axis_lines.h"
#include "ops/gather.h"
#include "ops/indices.h"

namespace mj {
namespace {

class BoxCopy final : public Kernel {
 public:
  explicit BoxCopy(const Op& op) : op_(op) {}

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(std::vector<cpu::StridedCopy> copies, boxes_of(op_, args.inputs, args.outputs, args.symbols));
    for (cpu::StridedCopy& copy : copies) cpu::strided_copy(args.pool, std::move(copy));
    return {};
  }

 private:
  const Op op_;
};

// Copies what stands behind each index; all indices are checked before the first byte is written.
class GatherRows final : public Kernel {
 public:
  explicit GatherRows(const Gather& op) : op_(op) {}

  Result<void> run(const RunArgs& args) const override {
    const TensorRef& data = args.inputs[0];
    const AxisView view = AxisView::of(data.dims, op_.axis);
    std::vector<int64_t> indices = integers(args.inputs[1]);
    for (int64_t& index : indices) {
      MJ_ASSIGN(index, checked_index("gather", index, view.length));
    }
    const auto count = static_cast<int64_t>(indices.size());
    const int64_t bytes = view.inner * storage_bytes(data.dtype);
    if (bytes == 0) return {};
    const auto* from = data.as<const std::byte>();
    auto* to = args.outputs[0].as<std::byte>();
    const double seconds = cpu::guess_seconds(2.0 * static_cast<double>(view.outer * count * bytes),
                                              static_cast<double>(view.outer * count));
    cpu::parallel_ranges(args.pool, view.outer * count, 1, seconds, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t place = i / count * view.length + indices[static_cast<size_t>(i % count)];
        copy(from + place * bytes, to + i * bytes, bytes);
      }
    });
    return {};
  }

 private:
  // Single elements are common, and a call for each would cost more than the copy.
  static void copy(const std::byte* from, std::byte* to, int64_t bytes) {
    switch (bytes) {
      case 4:
        std::memcpy(to, from, 4);
        break;
      case 8:
        std::memcpy(to, from, 8);
        break;
      default:
        std::memcpy(to, from, static_cast<size_t>(bytes));
    }
  }

  const Gather op_;
};

Result<std::unique_ptr<Kernel>> make_box_copy(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<BoxCopy>(args.problem.op));
}
Result<std::unique_ptr<Kernel>> make_gather_rows(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<GatherRows>(args.problem.op.as<Gather>()));
}

}  // namespace

extern const RunRow run_box_copy;
const RunRow run_box_copy = {"box_copy", 1, Isa::portable, make_box_copy};

extern const RunRow run_gather_rows;
const RunRow run_gather_rows = {"gather_rows", 1, Isa::portable, make_gather_rows};

}  // namespace mj
