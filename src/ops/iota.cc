// SPDX-License-Identifier: Apache-2.0
// iota{start, step, count}() = start, start + step, ... as i64: a range that needs no input; see dim_texts.h
#include "ops/dim_texts.h"
#include "ops/register.h"

namespace mj {

struct Iota {
  DimTexts start{"0"}, step{"1"}, count{"0"};  // one element each

  static constexpr std::string_view kName = "iota";
  static constexpr auto kFields =
      std::tuple{field(1, "start", &Iota::start), field(2, "step", &Iota::step), field(3, "count", &Iota::count)};

  Iota bind(const Bindings& symbols) const {
    return {bind_dims(start, symbols), bind_dims(step, symbols), bind_dims(count, symbols)};
  }
  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(0, 0));
    MJ_ASSIGN(const Shape from, parse_dims(context, start));
    MJ_ASSIGN(const Shape by, parse_dims(context, step));
    MJ_ASSIGN(Shape n, parse_dims(context, count));
    if (from.size() != 1 || by.size() != 1 || n.size() != 1) return context.fail("start, step and count are one each");
    return one(DType::i64, std::move(n));
  }
  Result<void> reference(std::span<const Tensor>, std::span<Tensor> out) const {
    MJ_ASSIGN(const Tensor from, dims_tensor(kName, start));
    MJ_ASSIGN(const Tensor by, dims_tensor(kName, step));
    uint64_t value = static_cast<uint64_t>(from.data<int64_t>()[0]);  // wraps
    for (int64_t& x : out[0].mutable_data<int64_t>()) {
      x = static_cast<int64_t>(value);
      value += static_cast<uint64_t>(by.data<int64_t>()[0]);
    }
    return {};
  }
};
MJ_REGISTER_OP(Iota)

}  // namespace mj
