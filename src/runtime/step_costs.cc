// SPDX-License-Identifier: Apache-2.0
#include "runtime/step_costs.h"

#include <algorithm>
#include <cstring>

#include "base/align.h"
#include "base/clock.h"
#include "device/cuda/memory.h"
#include "runtime/device_run.h"

namespace mj {
namespace {

constexpr int kMostRuns = 1000;         // of a step in a graph
constexpr double kStartSeconds = 4e-6;  // that a launch by itself takes at least; only the number of runs depends on it
constexpr double kWeighedSeconds = 0.005;  // of work without a pause, while energy is counted
constexpr int kWarmRuns = 3;               // of the whole

double median(std::vector<double> values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

int times_in(double seconds, double of_one, int most) {
  return static_cast<int>(std::clamp(seconds / std::max(of_one, 1e-9), 1.0, static_cast<double>(most)));
}

// A graph of many runs of one step.
class Replay {
 public:
  static Result<Replay> make(const std::shared_ptr<const CudaDevice>& device, const CudaStream& stream,
                             const RunOptions::Again& again, double seconds) {
    Replay replay(stream);
    MJ_ASSIGN(replay.from_, CudaEvent::create(device));
    MJ_ASSIGN(replay.to_, CudaEvent::create(device));
    MJ_ASSIGN(const double probe, replay.time(again));
    replay.runs_ = times_in(seconds, probe - kStartSeconds, kMostRuns);
    MJ_ASSIGN(replay.graph_, stream.capture([&]() -> Result<void> {
      for (int run = 0; run < replay.runs_; ++run) MJ_TRY(again());
      return {};
    }));
    MJ_TRY(replay.seconds());  // the first replay also uploads it
    return replay;
  }

  // Of one run.
  Result<double> seconds() const {
    MJ_ASSIGN(const double all, time([&] { return graph_.launch(stream_); }));
    return all / runs_;
  }
  int runs() const { return runs_; }
  Result<void> run(int times) const {
    for (int i = 0; i < times; ++i) MJ_TRY(graph_.launch(stream_));
    return stream_.synchronize();
  }

 private:
  explicit Replay(const CudaStream& stream) : stream_(stream) {}
  Result<double> time(const std::function<Result<void>()>& work) const {
    MJ_TRY(from_.record(stream_));
    MJ_TRY(work());
    MJ_TRY(to_.record(stream_));
    return CudaEvent::seconds(from_, to_);
  }

  const CudaStream& stream_;
  CudaEvent from_, to_;
  CudaGraph graph_;
  int runs_ = 1;
};

class Measuring {
 public:
  Measuring(const std::shared_ptr<Engine>& engine, std::span<const Tensor> inputs, const StepCostOptions& options)
      : engine_(engine), given_(inputs), options_(options), device_(engine->program().device()->device()) {}

  Result<StepCosts> run() {
    costs_.steps.resize(engine_->program().plan().steps.size());
    MJ_TRY(engine_->run(given_, outputs_));
    MJ_TRY(lock_pages());
    if (engine_->program().device()->all_of_it()) MJ_TRY(measure_whole());
    MJ_TRY(replay_steps([this](size_t step, const CudaStream& stream, const RunOptions::Again& again) {
      return time_step(step, stream, again);
    }));
    if (!options_.meter) return std::move(costs_);
    double sum = 0;
    for (const std::optional<StepCost>& step : costs_.steps) sum += step ? step->seconds : 0;
    for (const std::optional<StepCost>& step : costs_.steps) {
      worth_weighing_.push_back(step && step->seconds > 0 && step->seconds >= options_.least_share * sum);
    }
    MJ_TRY(replay_steps([this](size_t step, const CudaStream& stream, const RunOptions::Again& again) {
      return worth_weighing_[step] ? weigh_step(step, stream, again) : Result<void>();
    }));
    return std::move(costs_);
  }

 private:
  // Copies from and to the host as a plain run of the whole makes them. Where steps run on the host, results stay
  // wherever they are.
  Result<void> lock_pages() {
    inputs_.assign(given_.begin(), given_.end());
    if (!engine_->program().device()->all_of_it()) return {};
    int64_t bytes = 0;
    for (const Tensor& input : given_) bytes += aligned_bytes(input.bytes());
    for (const Tensor& output : outputs_) bytes += aligned_bytes(output.bytes());
    MJ_ASSIGN(pages_, CudaPinned::allocate(device_, bytes));
    auto* at = static_cast<std::byte*>(pages_.data());
    for (Tensor& input : inputs_) {
      if (input.bytes()) std::memcpy(at, input.raw(), static_cast<size_t>(input.bytes()));
      const Tensor view = Tensor::view(input.dtype(), input.dims(), at, nullptr);
      at += aligned_bytes(input.bytes());
      input = view;
    }
    for (const Tensor& output : outputs_) {
      destinations_.push_back({at, output.bytes()});
      at += aligned_bytes(output.bytes());
    }
    outputs_.assign(outputs_.size(), Tensor());
    return {};
  }

  Result<void> replay_steps(
      const std::function<Result<void>(size_t, const CudaStream&, const RunOptions::Again&)>& replay) {
    RunOptions run;
    run.destinations = destinations_;
    run.replay = replay;
    return engine_->run(inputs_, outputs_, run);
  }

  Result<void> time_step(size_t step, const CudaStream& stream, const RunOptions::Again& again) {
    MJ_ASSIGN(const Replay replay, Replay::make(device_, stream, again, options_.replay_seconds));
    std::vector<double> seconds;
    for (int i = 0; i < std::max(1, options_.replays); ++i) {
      MJ_ASSIGN(seconds.emplace_back(), replay.seconds());
    }
    costs_.steps[step] = StepCost{median(std::move(seconds)), std::nullopt};
    return {};
  }

  Result<void> weigh_step(size_t step, const CudaStream& stream, const RunOptions::Again& again) {
    if (options_.progress) {
      const auto all = std::count(worth_weighing_.begin(), worth_weighing_.end(), true);
      options_.progress(weighed_++, static_cast<size_t>(all));
    }
    StepCost& cost = *costs_.steps[step];
    MJ_ASSIGN(const Replay replay, Replay::make(device_, stream, again, options_.replay_seconds));
    const int times = times_in(kWeighedSeconds, cost.seconds * replay.runs(), kMostRuns);
    GpuEnergyOptions energy = options_.energy;
    energy.settle_seconds = energy.idle_seconds = 0;
    energy.warm_up_seconds = options_.step_window_seconds;
    energy.window_seconds = options_.step_window_seconds;
    energy.windows = options_.step_windows;
    MJ_ASSIGN(const GpuEnergy all, measure_gpu_energy(
                                       *options_.meter, [&] { return replay.run(times); }, energy));
    cost.energy = per_part(all, static_cast<double>(times) * replay.runs());
    return {};
  }

  Result<void> measure_whole() {
    MJ_ASSIGN(DeviceRun run, DeviceRun::make(engine_));
    MJ_ASSIGN(const DeviceRun::Memory memory, run.upload(given_));
    const auto work = [&](int times) -> Result<void> {
      for (int i = 0; i < times; ++i) MJ_TRY(run.enqueue(memory.inputs, memory.outputs));
      return run.synchronize();
    };
    const auto seconds_of = [&](int times) -> Result<double> {
      const auto start = Clock::now();
      MJ_TRY(work(times));
      return seconds_since(start) / times;
    };
    for (int i = 0; i < kWarmRuns; ++i) MJ_TRY(work(1));
    MJ_ASSIGN(const double probe, seconds_of(1));
    MJ_ASSIGN(const double seconds, seconds_of(times_in(options_.whole_seconds, probe, kMostRuns)));
    costs_.whole = StepCost{seconds, std::nullopt};
    if (!options_.meter) return {};
    const int times = times_in(kWeighedSeconds, seconds, kMostRuns);
    MJ_ASSIGN(const GpuEnergy all, measure_gpu_energy(
                                       *options_.meter, [&] { return work(times); }, options_.energy));
    costs_.whole->energy = per_part(all, times);
    return {};
  }

  const std::shared_ptr<Engine>& engine_;
  const std::span<const Tensor> given_;
  const StepCostOptions& options_;
  const std::shared_ptr<const CudaDevice> device_;
  StepCosts costs_;
  CudaPinned pages_;
  std::vector<Tensor> inputs_, outputs_;
  std::vector<Destination> destinations_;
  std::vector<bool> worth_weighing_;
  size_t weighed_ = 0;
};

}  // namespace

Result<StepCosts> measure_step_costs(const std::shared_ptr<Engine>& engine, std::span<const Tensor> inputs,
                                     const StepCostOptions& options) {
  CHECK(engine->program().device(), "no step of this engine runs on a device");
  return Measuring(engine, inputs, options).run();
}

}  // namespace mj
