// SPDX-License-Identifier: Apache-2.0
// Code for GPUs that solves one problem, timed in turn on the GPU at hand and, if asked, weighed by its energy counter.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/cuda/memory.h"
#include "device/cuda/module.h"
#include "device/cuda/stream.h"
#include "energy/gpu_energy.h"
#include "kernels/select.h"

namespace mj {

struct GpuContestOptions {
  double replay_seconds = 0.0015;  // of a graph of launches, about
  double seconds = 0.05;           // of replays after the first few, all contestants together
  // Constants come from memory, not from the L2: as in a network whose constants do not fit it.
  bool cold_constants = false;
  // Runs that are under way at once, on a stream each: 1 asks for the time of a run that has the GPU to itself, more
  // for the GPU's time that each takes.
  int at_once = 1;
};

class GpuContest {
 public:
  // Inputs are noise, or the constants where they are known; there are several sets of them, to be taken in turn, so
  // that large ones come from memory. Sizes are `bindings`'. All arguments must outlive the contest.
  static Result<std::unique_ptr<GpuContest>> make(std::shared_ptr<const CudaDevice> device, const Problem& problem,
                                                  std::span<const Tensor> constants, const Bindings& bindings,
                                                  const GpuContestOptions& options = {});
  ~GpuContest();
  GpuContest(const GpuContest&) = delete;
  GpuContest& operator=(const GpuContest&) = delete;

  // `name` is for messages. Equal entries are timed once.
  Result<void> add(std::string name, DeviceCode code, const Packed& packed);

  // Typical seconds of one run, in the order of `add`: the median over replays of a graph of many runs. The contestants
  // take turns; one that is far behind drops out.
  Result<std::vector<double>> run();

  // What each run of a contestant costs, after run(): gross, all that the board took in windows of steady load.
  Result<GpuEnergy> weigh(size_t contestant, NvmlMeter& meter, const GpuEnergyOptions& options);

 private:
  // Copies of the same tensors in one block of memory each; an address for each tensor of a copy, null for absent ones.
  struct Copies {
    std::vector<CudaBuffer> blocks;
    std::vector<std::vector<void*>> at;
    int64_t bytes = 0;  // of one

    const std::vector<void*>& of(int turn) const { return at[static_cast<size_t>(turn) % at.size()]; }
  };
  struct Contestant {
    std::string name;
    DeviceCode code;
    std::vector<int> consumed;
    std::vector<Tensor> packed;
    size_t packed_at = 0;  // of packed_
    CudaModule module;
    std::vector<CudaFunction> functions;
    std::vector<CudaGraph> graphs;  // one for each stream
    int runs = 0;                   // of a graph
    std::vector<double> rounds;
  };

  GpuContest(std::shared_ptr<const CudaDevice> device, const Problem& problem, std::span<const Tensor> constants,
             const Bindings& bindings, const GpuContestOptions& options)
      : device_(std::move(device)), problem_(problem), constants_(constants), bindings_(bindings), options_(options) {}
  Result<void> prepare();
  Result<Copies> allocate(std::span<const int64_t> bytes, int copies) const;
  Result<Copies> upload(std::span<const Tensor> tensors) const;
  Result<void> fill(void* to, DType dtype, int64_t bytes, uint32_t seed) const;
  int constant_copies(int64_t bytes) const;

  // One of the runs that are under way at once.
  struct Lane {
    CudaStream stream;
    CudaEvent ended;
    CudaBuffer workspace;
  };
  const CudaStream& stream() const { return lanes_[0].stream; }
  Result<void> launch(const Contestant& contestant, const Lane& lane, int turn) const;
  Result<void> prepare(Contestant& contestant, double& best_probe);
  Result<double> probe(const Contestant& contestant) const;
  Result<double> time(const Contestant& contestant) const;
  Result<void> synchronize() const;
  Result<void> play();

  const std::shared_ptr<const CudaDevice> device_;
  const Problem& problem_;
  const std::span<const Tensor> constants_;
  const Bindings& bindings_;
  const GpuContestOptions options_;

  std::vector<Lane> lanes_;
  CudaEvent from_;
  Copies inputs_, outputs_, constant_inputs_;
  std::vector<Copies> packed_;  // of contestants; those that pack alike share
  std::vector<Contestant> contestants_;
  std::vector<size_t> entries_;  // the contestant of each add()
};

}  // namespace mj
