// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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
    return emulated ? EmulatedGpu::compile(source, sm, "test") : compile_cuda(source, CudaArch::of(sm), "test");
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

constexpr size_t kEmulatedConfigs = 3;  // of a row: an emulated GPU takes a second for each

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
        compile_cuda(std::string(kernel_prelude()) + generated.source, CudaArch::of(sm), std::string(row.name));
    EXPECT_TRUE(code.ok()) << row.name << " for sm_" << sm << ": " << (code.ok() ? "" : code.error().message);
  }
}

// `got` may be of f16 or bf16 where `want` is not: half a unit in the last place of these is allowed too.
void expect_rounded(const std::vector<Tensor>& want, std::vector<Tensor> got, double tolerance,
                    const std::string& what) {
  ASSERT_EQ(want.size(), got.size()) << what;
  for (size_t i = 0; i < want.size(); ++i) {
    const DType dtype = got[i].dtype();
    const double half = dtype == want[i].dtype() ? 0
                        : dtype == DType::f16    ? 0x1p-11
                        : dtype == DType::bf16   ? 0x1p-8
                                                 : 0;
    const std::vector<double> w = want[i].to_f64(), g = got[i].to_f64();
    ASSERT_EQ(want[i].dims(), got[i].dims()) << what;
    for (size_t e = 0; e < w.size(); ++e) {
      if (w[e] == g[e] || (std::isnan(w[e]) && std::isnan(g[e]))) continue;
      ASSERT_LE(std::abs(w[e] - g[e]), tolerance * (1 + std::abs(w[e])) + half * std::abs(w[e]))
          << what << ": output " << i << " at " << e << ", want " << w[e] << ", got " << g[e];
    }
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
  expect_rounded(want, *got, tolerance, fmt::format("{} {}\n{}", what, config, generated.source));
  for (const std::array<int, 2>& pair : generated.in_place) {
    const auto in = static_cast<size_t>(pair[0]), out = static_cast<size_t>(pair[1]);
    if (!inputs[in].present() || inputs[in].dims() != (*got)[out].dims()) continue;
    const auto shared = run_on_test_gpu(problem, generated, inputs, packed->tensors, pair);
    ASSERT_TRUE(shared.ok()) << what << ": " << shared.error().message;
    for (size_t i = 0; i < got->size(); ++i) {
      EXPECT_TRUE(identical((*got)[i], (*shared)[i])) << what << " differs in place of input " << in << "\n"
                                                      << generated.source;
    }
  }
}

void expect_matches(const SelectRow& row, const Problem& problem, const RowCase& c, const std::vector<Tensor>& want,
                    double tolerance, const std::string& what) {
  const Target target = gpu_target(test_gpu().device->facts().sm);
  if (const Refusal refusal = row.refuses(problem, target)) {
    ADD_FAILURE() << what << " is refused: " << *refusal;
    return;
  }
  expect_compiles_everywhere(row, problem);
  std::vector<std::string> configs = row.configs(problem, target);
  if (test_gpu().emulated) configs.resize(std::min(configs.size(), kEmulatedConfigs));
  for (const std::string& config : configs) {
    expect_config(row, problem, c.inputs, config, want, tolerance, what);
  }
}

// The epilogue between tensors of `dtype`; its own operands stay f32 if they are `wide`.
Body narrowed(const Body& body, DType dtype, bool wide) {
  Body narrow;
  for (size_t i = 0; i < body.params.size(); ++i) {
    const bool narrows = body.params[i] == DType::f32 && (i == 0 || !wide);
    narrow.params.push_back(narrows ? dtype : body.params[i]);
  }
  const auto cast = [&](int value, DType to) { return narrow.append(op("cast", {{0, "to", to}}), {value}); };
  std::vector<int> numbers;
  for (size_t i = 0; i < body.params.size(); ++i) {
    const auto value = static_cast<int>(i);
    numbers.push_back(narrow.params[i] == body.params[i] ? value : cast(value, DType::f32));
  }
  for (BodyInstruction instruction : body.instructions) {
    for (int& arg : instruction.args) arg = numbers[static_cast<size_t>(arg)];
    narrow.instructions.push_back(std::move(instruction));
    numbers.push_back(narrow.values() - 1);
  }
  for (int result : body.results) {
    const int value = numbers[static_cast<size_t>(result)];
    narrow.results.push_back(body.dtype(result) == DType::f32 ? cast(value, dtype) : value);
  }
  return narrow;
}

void expect_narrow(const SelectRow& row, const RowCase& c, DType dtype, bool wide, double tolerance) {
  RowCase narrow = c, rounded = c;
  if (c.problem.op && c.problem.epilogue.empty()) narrow.problem.anchor_inputs = static_cast<int>(c.inputs.size());
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (c.inputs[i].dtype() != DType::f32) continue;
    if (wide && i >= static_cast<size_t>(narrow.problem.anchor_inputs)) continue;
    narrow.inputs[i] = cast_to(c.inputs[i], dtype);
    rounded.inputs[i] = cast_to(narrow.inputs[i], DType::f32);
  }
  if (!c.problem.epilogue.empty()) narrow.problem.epilogue = narrowed(c.problem.epilogue, dtype, wide);
  const std::vector<Tensor> want = complete(rounded);
  narrow.problem.inputs = rounded.problem.inputs;
  narrow.problem.outputs = rounded.problem.outputs;
  for (size_t i = 0; i < c.inputs.size(); ++i) narrow.problem.inputs[i].dtype = narrow.inputs[i].dtype();
  for (Operand& output : narrow.problem.outputs) {
    if (output.dtype == DType::f32) output.dtype = dtype;
  }
  const std::string what = fmt::format("{} of {}{}", row.name, name(dtype), wide ? " with terms of f32" : "");
  expect_matches(row, narrow.problem, narrow, want, tolerance, what);
  const Problem symbolic = with_symbols(narrow.problem);
  if (symbolic == narrow.problem || row.refuses(symbolic, gpu_target(90))) return;
  expect_matches(row, symbolic, narrow, want, tolerance, what + " with symbols");
}

}  // namespace

bool can_run_on_test_gpu() { return cuda_driver().ok() || can_emulate(); }

Result<std::vector<Tensor>> run_on_test_gpu(const Problem& problem, const Generated& generated,
                                            const std::vector<Tensor>& inputs, const std::vector<Tensor>& packed,
                                            std::optional<std::array<int, 2>> in_place) {
  const TestGpu& gpu = test_gpu();
  MJ_ASSIGN(const std::vector<std::byte> code, gpu.compile(std::string(kernel_prelude()) + generated.source));
  MJ_ASSIGN(std::vector<Tensor> outputs, run_generated(gpu.device, code, problem, generated, inputs, packed, in_place));
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

void expect_narrow_gpu_row_matches(const std::string& name, const RowCase& c, double tolerance) {
  if (!can_run_on_test_gpu()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  const SelectRow& row = gpu_row(name);
  for (DType dtype : {DType::f16, DType::bf16}) expect_narrow(row, c, dtype, false, tolerance);
  if (c.problem.op && !c.problem.epilogue.empty() && c.problem.epilogue.params.size() > 1)
    expect_narrow(row, c, DType::f16, true, tolerance);
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
