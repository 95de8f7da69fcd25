// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"

#include <fmt/format.h>

#include <set>

#include "device/cuda/nvrtc.h"
#include "kernels/cuda/testing/emulated_gpu.h"
#include "kernels/cuda/testing/run_generated.h"

namespace mj {
namespace {

const SelectRow& gpu_row(const std::string& name) {
  for (const SelectRow* row : all_select_rows()) {
    if (row->name == name && row->generate) return *row;
  }
  CHECK(false, "there is no row '{}' for GPUs", name);
}

// The GPU of this machine, or one that is emulated.
struct TestGpu {
  std::unique_ptr<EmulatedGpu> emulated;  // outlives the device
  std::shared_ptr<CudaDevice> device;

  Result<std::vector<std::byte>> compile(const std::string& source) const {
    const int sm = device->facts().sm;
    return emulated ? EmulatedGpu::compile(source, sm, "test") : compile_cuda(source, {sm, false}, "test");
  }
};

const TestGpu& test_gpu() {
  static const TestGpu gpu = [] {
    TestGpu made;
    const Result<const CudaDriver*> driver = cuda_driver();
    if (!driver.ok()) made.emulated = std::make_unique<EmulatedGpu>();
    made.device = made.emulated ? made.emulated->device() : CudaDevice::open(0, **driver).value();
    return made;
  }();
  return gpu;
}

Target gpu_target(int sm) {
  Result<Target> target = parse_target(fmt::format("sm_{}", sm), {});
  return *target;
}

// Lengths of what is not constant become symbols, the same length the same symbol.
Problem with_symbols(const Problem& problem) {
  Problem symbolic = problem;
  std::set<int64_t> known;
  const auto replace = [&](Operand& operand, bool may_add) {
    for (Dim& dim : operand.shape) {
      const int64_t length = *dim.constant();
      if (length < 2 || (!may_add && !known.contains(length))) continue;
      known.insert(length);
      dim = Dim::symbol(fmt::format("D{}", length));
    }
  };
  for (Operand& input : symbolic.inputs) {
    if (!input.constant) replace(input, true);
  }
  for (Operand& output : symbolic.outputs) replace(output, false);
  return symbolic;
}

// The first text of each row, for every architecture that NVRTC 13 knows, where there is one.
void expect_compiles_everywhere(const SelectRow& row, const Problem& problem) {
  static std::set<std::string_view> seen;
  if (nvrtc_version().empty() || !seen.insert(row.name).second) return;
  for (int sm : {75, 80, 86, 89, 90, 100, 120}) {
    const Target target = gpu_target(sm);
    if (row.refuses(problem, target)) continue;
    const Generated generated = row.generate(problem, target, row.configs(problem, target)[0]);
    const auto code =
        compile_cuda(std::string(kernel_prelude()) + generated.source, {sm, false}, std::string(row.name));
    EXPECT_TRUE(code.ok()) << row.name << " for sm_" << sm << ": " << (code.ok() ? "" : code.error().message);
  }
}

void expect_config(const SelectRow& row, const Problem& problem, const std::vector<Tensor>& given,
                   const std::string& config, const std::vector<Tensor>& want, double tolerance,
                   const std::string& what) {
  const Target target = gpu_target(test_gpu().device->facts().sm);
  std::vector<Tensor> constants, inputs = given;
  for (size_t i = 0; i < given.size(); ++i) constants.push_back(problem.inputs[i].constant ? given[i] : Tensor());
  const Result<Packed> packed = row.pack(problem, target, config, constants);
  ASSERT_TRUE(packed.ok()) << what << ": " << packed.error().message;
  for (int consumed : packed->consumed) inputs[static_cast<size_t>(consumed)] = Tensor();
  const Generated generated = row.generate(problem, target, config);
  const Result<std::vector<Tensor>> got = run_on_test_gpu(problem, generated, inputs, packed->tensors);
  ASSERT_TRUE(got.ok()) << what << ": " << got.error().message;
  expect_close(want, *got, tolerance, fmt::format("{} {}\n{}", what, config, generated.source));
}

void expect_matches(const SelectRow& row, const Problem& problem, const RowCase& c, const std::vector<Tensor>& want,
                    double tolerance, const std::string& what) {
  const Target target = gpu_target(test_gpu().device->facts().sm);
  if (const Refusal refusal = row.refuses(problem, target)) {
    ADD_FAILURE() << what << " is refused: " << *refusal;
    return;
  }
  expect_compiles_everywhere(row, problem);
  for (const std::string& config : row.configs(problem, target)) {
    expect_config(row, problem, c.inputs, config, want, tolerance, what);
  }
}

}  // namespace

bool can_run_on_test_gpu() { return cuda_driver().ok() || can_emulate(); }

Result<std::vector<Tensor>> run_on_test_gpu(const Problem& problem, const Generated& generated,
                                            const std::vector<Tensor>& inputs, const std::vector<Tensor>& packed) {
  const TestGpu& gpu = test_gpu();
  MJ_ASSIGN(const std::vector<std::byte> code, gpu.compile(std::string(kernel_prelude()) + generated.source));
  MJ_ASSIGN(std::vector<Tensor> outputs, run_generated(gpu.device, code, problem, generated, inputs, packed));
  if (gpu.emulated && !gpu.emulated->fault().empty()) return model_error("{}", gpu.emulated->fault());
  return outputs;
}

void expect_gpu_row_matches(const std::string& name, RowCase c, double tolerance) {
  if (!can_run_on_test_gpu()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  const std::vector<Tensor> want = complete(c);
  if (want.empty()) return;
  const SelectRow& row = gpu_row(name);
  expect_matches(row, c.problem, c, want, tolerance, name);
  const Problem symbolic = with_symbols(c.problem);
  if (symbolic == c.problem || row.refuses(symbolic, gpu_target(90))) return;
  expect_matches(row, symbolic, c, want, tolerance, name + " with symbols");
}

void expect_config_matches(const std::string& name, const RowCase& c, const std::string& config,
                           const std::vector<Tensor>& want, double tolerance) {
  const SelectRow& row = gpu_row(name);
  const Target target = gpu_target(test_gpu().device->facts().sm);
  ASSERT_EQ(row.refuses(c.problem, target), std::nullopt);
  const std::vector<std::string> configs = config.empty() ? row.configs(c.problem, target) : std::vector{config};
  for (const std::string& one : configs) expect_config(row, c.problem, c.inputs, one, want, tolerance, name);
}

std::string gpu_refusal_of(const std::string& name, RowCase c, int sm) {
  complete(c);
  return gpu_row(name).refuses(c.problem, gpu_target(sm)).value_or("takes it");
}

}  // namespace mj
