// SPDX-License-Identifier: Apache-2.0
#include "tune/contest.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "tune/noise.h"

namespace mj {
namespace {

constexpr double kTurnSeconds = 0.0005;
constexpr int kMinRounds = 3, kMaxRounds = 200;
// One that takes this many times the best's time after that many rounds is out.
constexpr double kFarBehind = 2;

TensorRef reference(const Tensor& t) { return TensorRef{const_cast<void*>(t.raw()), t.dims(), t.dtype()}; }

// The quarter of the rounds that nothing held up ends here.
double lower_quartile(std::vector<double> values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 4);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

Result<Contest> Contest::make(const Problem& problem, std::span<const Tensor> constants, const Bindings& bindings,
                              ThreadPool& pool) {
  Contest contest(problem, constants, bindings, pool);
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const Operand& operand = problem.inputs[i];
    if (operand.dtype == DType::none) {
      contest.inputs_.emplace_back();
    } else if (i < constants.size() && constants[i].present()) {
      contest.inputs_.push_back(constants[i]);
    } else {
      MJ_ASSIGN(const std::vector<int64_t> dims, evaluate(operand.shape, bindings));
      contest.inputs_.push_back(noise(operand.dtype, dims, static_cast<uint32_t>(i)));
    }
  }
  for (const Operand& operand : problem.outputs) {
    MJ_ASSIGN(const std::vector<int64_t> dims, evaluate(operand.shape, bindings));
    contest.outputs_.push_back(Tensor::zeros(operand.dtype, dims));
    contest.output_refs_.push_back(reference(contest.outputs_.back()));
  }
  return contest;
}

Result<void> Contest::add(const SelectRow& row, const std::string& config, const Target& target) {
  MJ_ASSIGN(Packed packed, row.pack(*problem_, target, config, constants_));
  const RunRow* run = find_run_row(row.name);
  CHECK(run, "row '{}' has no run half", row.name);
  Contestant c;
  c.constants = std::move(packed.tensors);
  MJ_ASSIGN(c.kernel, run->make({*problem_, config, c.constants, target.isa}));
  for (const Tensor& input : inputs_) c.inputs.push_back(reference(input));
  for (const int i : packed.consumed) c.inputs[static_cast<size_t>(i)] = TensorRef{};
  c.workspace = Tensor::zeros(DType::u8, {c.kernel->workspace_bytes(c.inputs, output_refs_, pool_->threads())});
  contestants_.push_back(std::move(c));
  return {};
}

Result<double> Contest::time_once(Contestant& c) {
  const RunArgs args{c.inputs, output_refs_, *bindings_, std::as_writable_bytes(c.workspace.mutable_data<uint8_t>()),
                     *pool_};
  const auto start = Clock::now();
  MJ_TRY(c.kernel->run(args));
  return seconds_since(start);
}

Result<void> Contest::take_turn(Contestant& c) {
  double best = std::numeric_limits<double>::infinity();
  const auto start = Clock::now();
  do {
    MJ_ASSIGN(const double seconds, time_once(c));
    best = std::min(best, seconds);
  } while (seconds_since(start) < kTurnSeconds);
  c.rounds.push_back(best);
  return {};
}

Result<std::vector<double>> Contest::run(double seconds_each) {
  for (Contestant& c : contestants_) MJ_TRY(time_once(c));  // warms caches and pages
  std::vector<Contestant*> playing;
  for (Contestant& c : contestants_) playing.push_back(&c);
  const double seconds = seconds_each * static_cast<double>(playing.size());
  const auto start = Clock::now();
  for (int round = 0; round < kMaxRounds && (round < kMinRounds || seconds_since(start) < seconds); ++round) {
    double best = std::numeric_limits<double>::infinity();
    for (Contestant* c : playing) {
      MJ_TRY(take_turn(*c));
      best = std::min(best, lower_quartile(c->rounds));
    }
    if (round + 1 < kMinRounds) continue;
    std::erase_if(playing, [&](const Contestant* c) { return lower_quartile(c->rounds) > kFarBehind * best; });
    if (playing.size() == 1 || seconds_since(start) > 20 * seconds) break;
  }
  std::vector<double> times;
  for (const Contestant& c : contestants_) times.push_back(lower_quartile(c.rounds));
  return times;
}

}  // namespace mj
