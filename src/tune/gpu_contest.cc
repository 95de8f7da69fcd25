// SPDX-License-Identifier: Apache-2.0
#include "tune/gpu_contest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/align.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/shape.h"
#include "kernels/cuda/run_launch.h"
#include "tune/noise.h"

namespace mj {
namespace {

// Sets of inputs and outputs: more than the L2 holds, but no more than these.
constexpr int kMostSets = 8;
constexpr int64_t kMostSetBytes = int64_t{512} << 20;
// Copies of constants that shall not stay in the L2: twice as much as it holds.
constexpr int kMostConstants = 64;
constexpr int64_t kNoiseBytes = 4 << 20;  // then it repeats
constexpr int kMostRuns = 1000;           // of a graph
constexpr int kLeastReplays = 3, kMostReplays = 9;
constexpr int kWarmReplays = 5;  // of the first contestant: compiling left the GPU idle
// One that takes this many times the best's time is out. The first run, timed alone, also holds what starting it took.
constexpr double kOutAt = 2, kProbeSlack = 20e-6;
constexpr double kStartSeconds = 4e-6;    // of that at least; no figure depends on it but the number of runs
constexpr double kWeighedSeconds = 0.02;  // of work without a pause, while energy is counted

double median(std::vector<double> values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

Result<std::vector<int64_t>> sizes_of(const std::vector<Operand>& operands, const Bindings& bindings) {
  std::vector<int64_t> bytes;
  for (const Operand& operand : operands) {
    if (operand.dtype == DType::none) {
      bytes.push_back(0);
      continue;
    }
    MJ_ASSIGN(const std::vector<int64_t> dims, evaluate(operand.shape, bindings));
    MJ_ASSIGN(bytes.emplace_back(), tensor_bytes(operand.dtype, dims));
  }
  return bytes;
}

int64_t sum_of(std::span<const int64_t> bytes) {
  int64_t sum = 0;
  for (const int64_t one : bytes) sum += aligned_bytes(one, kDeviceAlign);
  return sum;
}

bool all_identical(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), identical);
}

}  // namespace

Result<std::unique_ptr<GpuContest>> GpuContest::make(std::shared_ptr<const CudaDevice> device, const Problem& problem,
                                                     std::span<const Tensor> constants, const Bindings& bindings,
                                                     const GpuContestOptions& options) {
  std::unique_ptr<GpuContest> contest(new GpuContest(std::move(device), problem, constants, bindings, options));
  MJ_TRY(contest->prepare());
  return contest;
}

// Nothing may be at work on memory that is given back.
GpuContest::~GpuContest() { (void)synchronize(); }

Result<void> GpuContest::synchronize() const {
  for (const Lane& lane : lanes_) MJ_TRY(lane.stream.synchronize());
  return {};
}

Result<void> GpuContest::prepare() {
  for (int i = 0; i < std::max(1, options_.at_once); ++i) {
    Lane lane;
    MJ_ASSIGN(lane.stream, CudaStream::create(device_));
    MJ_ASSIGN(lane.ended, CudaEvent::create(device_));
    lanes_.push_back(std::move(lane));
  }
  MJ_ASSIGN(from_, CudaEvent::create(device_));
  MJ_ASSIGN(std::vector<int64_t> inputs, sizes_of(problem_.inputs, bindings_));
  MJ_ASSIGN(const std::vector<int64_t> outputs, sizes_of(problem_.outputs, bindings_));
  std::vector<Tensor> known(inputs.size());
  for (size_t i = 0; i < std::min(inputs.size(), constants_.size()); ++i) {
    if (!constants_[i].present()) continue;
    known[i] = constants_[i];
    inputs[i] = 0;
  }
  const int64_t bytes = std::max<int64_t>(1, sum_of(inputs) + sum_of(outputs));
  const int64_t sets = std::min(device_->facts().l2_bytes / bytes + 1, kMostSetBytes / bytes);
  const int copies = static_cast<int>(std::clamp<int64_t>(sets, 1, kMostSets));
  MJ_ASSIGN(inputs_, allocate(inputs, copies));
  MJ_ASSIGN(outputs_, allocate(outputs, copies));
  for (size_t i = 0; i < inputs.size(); ++i) {
    MJ_TRY(fill(inputs_.at[0][i], problem_.inputs[i].dtype, inputs[i], static_cast<uint32_t>(i)));
  }
  for (size_t copy = 1; copy < inputs_.blocks.size(); ++copy) {
    MJ_TRY(stream().copy_within(inputs_.blocks[copy].data(), inputs_.blocks[0].data(), inputs_.bytes));
  }
  for (const CudaBuffer& block : outputs_.blocks) MJ_TRY(stream().fill(block.data(), 0, block.bytes()));
  MJ_ASSIGN(constant_inputs_, upload(known));
  return {};
}

Result<GpuContest::Copies> GpuContest::allocate(std::span<const int64_t> bytes, int copies) const {
  Copies all;
  all.bytes = sum_of(bytes);
  for (int copy = 0; copy < copies; ++copy) {
    MJ_ASSIGN(CudaBuffer block, CudaBuffer::allocate(device_, all.bytes));
    auto* at = static_cast<std::byte*>(block.data());
    std::vector<void*>& addresses = all.at.emplace_back();
    for (const int64_t one : bytes) {
      addresses.push_back(one ? at : nullptr);
      at += aligned_bytes(one, kDeviceAlign);
    }
    all.blocks.push_back(std::move(block));
  }
  return all;
}

Result<GpuContest::Copies> GpuContest::upload(std::span<const Tensor> tensors) const {
  std::vector<int64_t> bytes;
  for (const Tensor& tensor : tensors) bytes.push_back(tensor.present() ? tensor.bytes() : 0);
  MJ_ASSIGN(Copies all, allocate(bytes, constant_copies(sum_of(bytes))));
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (bytes[i]) MJ_TRY(stream().copy_in(all.at[0][i], tensors[i].raw(), bytes[i]));
  }
  for (size_t copy = 1; copy < all.blocks.size(); ++copy) {
    MJ_TRY(stream().copy_within(all.blocks[copy].data(), all.blocks[0].data(), all.bytes));
  }
  MJ_TRY(stream().synchronize());
  return all;
}

int GpuContest::constant_copies(int64_t bytes) const {
  if (!options_.cold_constants || bytes == 0) return 1;
  return static_cast<int>(std::clamp<int64_t>(2 * device_->facts().l2_bytes / bytes + 1, 1, kMostConstants));
}

// The beginning from here, the rest from what is there.
Result<void> GpuContest::fill(void* to, DType dtype, int64_t bytes, uint32_t seed) const {
  if (bytes == 0) return {};
  int64_t done = std::min(bytes, kNoiseBytes);
  const Tensor beginning = noise(dtype, {done / storage_bytes(dtype)}, seed);
  MJ_TRY(stream().copy_in(to, beginning.raw(), done));
  MJ_TRY(stream().synchronize());
  for (int64_t more = 0; done < bytes; done += more) {
    more = std::min(done, bytes - done);
    MJ_TRY(stream().copy_within(static_cast<std::byte*>(to) + done, to, more));
  }
  return {};
}

Result<void> GpuContest::add(std::string name, DeviceCode code, const Packed& packed) {
  for (size_t c = 0; c < contestants_.size(); ++c) {
    const Contestant& known = contestants_[c];
    if (!(known.code == code) || known.consumed != packed.consumed || !all_identical(known.packed, packed.tensors))
      continue;
    entries_.push_back(c);
    return {};
  }
  Contestant c;
  c.name = std::move(name);
  c.code = std::move(code);
  c.consumed = packed.consumed;
  c.packed = packed.tensors;
  c.packed_at = packed_.size();
  for (const Contestant& other : contestants_) {
    if (all_identical(other.packed, c.packed)) c.packed_at = other.packed_at;
  }
  if (c.packed_at == packed_.size()) {
    MJ_ASSIGN(packed_.emplace_back(), upload(c.packed));
  }
  MJ_ASSIGN(const int64_t workspace_bytes, c.code.workspace_bytes.evaluate(bindings_));
  for (Lane& lane : lanes_) {
    if (workspace_bytes <= lane.workspace.bytes()) continue;
    MJ_TRY(lane.stream.synchronize());
    lane.workspace = {};
    MJ_ASSIGN(lane.workspace, CudaBuffer::allocate(device_, workspace_bytes));
  }
  const auto load = [&]() -> Result<void> {
    MJ_ASSIGN(c.module, CudaModule::load(device_, std::as_bytes(c.code.code.data<uint8_t>())));
    for (const Launch& launch : c.code.launches) {
      MJ_ASSIGN(c.functions.emplace_back(), c.module.function(launch.function, launch.shared_bytes));
    }
    return {};
  };
  if (const Result<void> loaded = load(); !loaded.ok()) return loaded.error().in(c.name);
  entries_.push_back(contestants_.size());
  contestants_.push_back(std::move(c));
  return {};
}

Result<void> GpuContest::launch(const Contestant& c, const Lane& lane, int turn) const {
  std::vector<void*> inputs = inputs_.of(turn);
  const std::vector<void*>& known = constant_inputs_.of(turn);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (known[i]) inputs[i] = known[i];
  }
  for (const int i : c.consumed) inputs[static_cast<size_t>(i)] = nullptr;
  const LaunchOperands operands{inputs, outputs_.of(turn), packed_[c.packed_at].of(turn), lane.workspace.data()};
  for (size_t l = 0; l < c.code.launches.size(); ++l) {
    MJ_TRY(run_launch(lane.stream, c.functions[l], c.code.launches[l], operands, bindings_));
  }
  return {};
}

// Seconds of one run by itself, with what starting it takes.
Result<double> GpuContest::probe(const Contestant& c) const {
  const Lane& lane = lanes_[0];
  MJ_TRY(from_.record(lane.stream));
  MJ_TRY(launch(c, lane, 0));
  MJ_TRY(lane.ended.record(lane.stream));
  return CudaEvent::seconds(from_, lane.ended);
}

// Seconds of one of all runs of a replay. Nothing is under way when it begins.
Result<double> GpuContest::time(const Contestant& c) const {
  MJ_TRY(from_.record(stream()));
  for (size_t i = 0; i < lanes_.size(); ++i) {
    MJ_TRY(c.graphs[i].launch(lanes_[i].stream));
    MJ_TRY(lanes_[i].ended.record(lanes_[i].stream));
  }
  double last = 0;
  for (const Lane& lane : lanes_) {
    MJ_ASSIGN(const double seconds, CudaEvent::seconds(from_, lane.ended));
    last = std::max(last, seconds);
  }
  return last / (c.runs * static_cast<double>(lanes_.size()));
}

// Runs it once untimed and once timed, and records its graph unless it is far behind.
Result<void> GpuContest::prepare(Contestant& c, double& best_probe) {
  MJ_TRY(launch(c, lanes_[0], 0));
  MJ_TRY(stream().synchronize());
  MJ_ASSIGN(const double probe, this->probe(c));
  if (probe > kOutAt * best_probe + kProbeSlack) {
    c.rounds.push_back(probe);
    return {};
  }
  best_probe = std::min(best_probe, probe);
  const auto sets = static_cast<int>(inputs_.at.size());
  const double wanted = options_.replay_seconds / std::max(probe - kStartSeconds, 1e-6);
  c.runs = static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(kMostRuns)));
  if (c.runs > sets) c.runs = static_cast<int>(aligned_bytes(c.runs, sets));
  for (size_t i = 0; i < lanes_.size(); ++i) {
    // Each begins with other inputs and outputs than its neighbours.
    MJ_ASSIGN(c.graphs.emplace_back(), lanes_[i].stream.capture([&]() -> Result<void> {
      for (int turn = 0; turn < c.runs; ++turn) MJ_TRY(launch(c, lanes_[i], turn + static_cast<int>(i)));
      return {};
    }));
  }
  if (c.runs > 1) MJ_TRY(time(c));  // the first replay also uploads it
  return {};
}

Result<void> GpuContest::play() {
  const auto placed = [](const Result<void>& result, const Contestant& c) {
    return result.ok() ? result : Result<void>(result.error().in("timing " + c.name));
  };
  std::vector<Contestant*> playing;
  double best_probe = std::numeric_limits<double>::infinity();
  for (Contestant& c : contestants_) {
    MJ_TRY(placed(prepare(c, best_probe), c));
    if (!c.graphs.empty()) playing.push_back(&c);
  }
  if (playing.empty()) return {};
  const auto replay = [&](Contestant& c, bool counts) -> Result<void> {
    MJ_ASSIGN(const double seconds, time(c));
    if (counts) c.rounds.push_back(seconds);
    return {};
  };
  for (int i = 0; i < kWarmReplays; ++i) MJ_TRY(placed(replay(*playing[0], false), *playing[0]));
  const auto start = Clock::now();
  for (int round = 0; round < kMostReplays; ++round) {
    double best = std::numeric_limits<double>::infinity();
    for (Contestant* c : playing) {
      MJ_TRY(placed(replay(*c, true), *c));
      best = std::min(best, median(c->rounds));
    }
    std::erase_if(playing, [&](const Contestant* c) { return median(c->rounds) > kOutAt * best; });
    if (round + 1 >= kLeastReplays && (playing.size() == 1 || seconds_since(start) > options_.seconds)) break;
  }
  return {};
}

Result<std::vector<double>> GpuContest::run() {
  MJ_TRY(play());
  std::vector<double> times;
  for (const size_t entry : entries_) times.push_back(median(contestants_[entry].rounds));
  return times;
}

Result<GpuEnergy> GpuContest::weigh(size_t contestant, NvmlMeter& meter, const GpuEnergyOptions& options) {
  const Contestant& c = contestants_[entries_[contestant]];
  CHECK(!c.graphs.empty(), "{} dropped out before it had a graph", c.name);
  const double seconds = median(c.rounds) * c.runs;
  const int replays = static_cast<int>(std::clamp(kWeighedSeconds / std::max(seconds, 1e-9), 1.0, 100.0));
  const auto work = [&]() -> Result<void> {
    for (int i = 0; i < replays; ++i) MJ_TRY(c.graphs[0].launch(stream()));
    return stream().synchronize();
  };
  Result<GpuEnergy> energy = measure_gpu_energy(meter, work, options);
  if (!energy.ok()) return energy.error().in("weighing " + c.name);
  return per_part(std::move(energy).value(), static_cast<double>(replays) * c.runs);
}

}  // namespace mj
