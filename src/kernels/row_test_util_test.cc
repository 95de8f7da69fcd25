// SPDX-License-Identifier: Apache-2.0
#include "kernels/row_test_util.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "kernels/cpu/bf16.h"
#include "kernels/onednn/run_module.h"
#include "ops/cast.h"
#include "ops/sequences.h"

namespace mj {
namespace {

const SelectRow* select_row(const std::string& name) {
  for (const SelectRow* row : all_select_rows())
    if (row->name == name) return row;
  return nullptr;
}

std::vector<TensorRef> refs(const std::vector<Tensor>& tensors) {
  std::vector<TensorRef> out;
  for (const Tensor& t : tensors)
    out.push_back(t.present() ? TensorRef{const_cast<void*>(t.raw()), t.dims(), t.dtype()} : TensorRef{});
  return out;
}

Operand operand(const Tensor& t, bool constant) {
  return {t.dtype(), Shape(t.dims().begin(), t.dims().end()), constant};
}

}  // namespace

std::vector<Tensor> complete(RowCase& c) {
  if (c.problem.anchor_inputs == 0 && c.problem.op && c.problem.epilogue.empty())
    c.problem.anchor_inputs = static_cast<int>(c.inputs.size());
  c.problem.inputs.clear();
  for (size_t i = 0; i < c.inputs.size(); ++i)
    c.problem.inputs.push_back(operand(c.inputs[i], i < c.constant.size() && c.constant[i]));
  const RunRow* reference = find_run_row("reference");
  Result<std::unique_ptr<Kernel>> kernel = reference->make({c.problem, "", {}, Isa::portable});
  const int outputs = std::max(1, static_cast<int>(c.problem.outputs.size()));
  Result<std::vector<Tensor>> want = (*kernel)->run_unsized(refs(c.inputs), {}, outputs);
  EXPECT_TRUE(want.ok()) << (want.ok() ? "" : want.error().message);
  if (!want.ok()) return {};
  c.problem.outputs.clear();
  for (const Tensor& t : *want) c.problem.outputs.push_back(operand(t, false));
  return *want;
}

namespace {

// Configurations are those of a machine of two threads, with how many ever they run.
Target target_of(Isa isa) {
  Target target;
  target.isa = isa;
  target.threads = 2;
  target.onednn = onednn::library_version();
  target.avx512_bf16 = cpu::missing(cpu::Bf16Unit::avx512_bf16).empty();
  target.amx_bf16 = cpu::missing(cpu::Bf16Unit::amx_bf16).empty();
  return target;
}

// Fails unless the kernel gives `want` also where each output lies in the memory of an input that it allows.
void expect_same_in_place(const Kernel& kernel, const RowCase& c, const RunArgs& args,
                          const std::vector<Tensor>& want) {
  for (size_t i = 0; i < args.inputs.size(); ++i) {
    for (size_t o = 0; o < args.outputs.size(); ++o) {
      const TensorRef &in = args.inputs[i], &out = args.outputs[o];
      if (!in.present() || in.dtype != out.dtype || !std::ranges::equal(in.dims, out.dims)) continue;
      if (!kernel.in_place(i, o)) continue;
      Tensor shared = Tensor::zeros(in.dtype, c.inputs[i].dims());
      if (shared.bytes()) std::memcpy(shared.mutable_raw(), in.data, static_cast<size_t>(shared.bytes()));
      std::vector<TensorRef> inputs(args.inputs.begin(), args.inputs.end());
      std::vector<TensorRef> outputs(args.outputs.begin(), args.outputs.end());
      inputs[i].data = outputs[o].data = shared.mutable_raw();
      const Result<void> done = kernel.run({inputs, outputs, args.symbols, args.workspace, args.pool});
      ASSERT_TRUE(done.ok()) << done.error().message;
      EXPECT_TRUE(identical(shared, want[o])) << "differs in place: " << to_string(c.problem);
    }
  }
}

// Packs, makes and runs; an error is the run's. An empty config is the row's first.
Result<std::vector<Tensor>> try_row(const std::string& name, const RowCase& c, Isa isa, int threads,
                                    std::string config = "") {
  const SelectRow* select = select_row(name);
  const RunRow* run = find_run_row(name);
  if (!select || !run) return model_error("no row {}", name);
  const Target target = target_of(isa);
  if (const Refusal reason = select->refuses(c.problem, target))
    return model_error("{} refuses: {}; {}", name, *reason, to_string(c.problem));
  std::vector<Tensor> constants(c.inputs.size());
  for (size_t i = 0; i < c.inputs.size(); ++i)
    if (c.problem.inputs[i].constant) constants[i] = c.inputs[i];
  if (config.empty()) config = select->configs(c.problem, target)[0];
  MJ_ASSIGN(const Packed packed, select->pack(c.problem, target, config, constants));
  std::vector<TensorRef> input_refs = refs(c.inputs);
  for (int i : packed.consumed) input_refs[static_cast<size_t>(i)] = {};
  MJ_ASSIGN(const std::unique_ptr<Kernel> kernel, run->make({c.problem, config, packed.tensors, isa}));
  std::vector<Tensor> outputs;
  for (const Operand& o : c.problem.outputs) {
    MJ_ASSIGN(std::vector<int64_t> dims, evaluate(o.shape, {}));
    outputs.push_back(Tensor::zeros(o.dtype, std::move(dims)));
    if (outputs.back().bytes()) {  // as anything that lay there before
      std::memset(outputs.back().mutable_raw(), 0xFF, static_cast<size_t>(outputs.back().bytes()));
    }
  }
  const std::vector<TensorRef> output_refs = refs(outputs);
  ThreadPool pool(threads);
  const int64_t bytes = kernel->workspace_bytes(input_refs, output_refs, threads);
  Tensor workspace = Tensor::zeros(DType::u8, {bytes + 64});
  const std::span<uint8_t> space = workspace.mutable_data<uint8_t>();
  std::fill(space.begin(), space.end(), uint8_t{0xFF});  // NaNs, for whoever reads what it did not write
  const Bindings symbols;
  const RunArgs args{
      input_refs, output_refs, symbols, {reinterpret_cast<std::byte*>(space.data()), static_cast<size_t>(bytes)}, pool};
  MJ_TRY(kernel->run(args));
  std::vector<Tensor> first;
  for (const Tensor& output : outputs) first.push_back(copied(output));
  expect_same_in_place(*kernel, c, args, first);
  outputs = std::move(first);
  for (size_t i = static_cast<size_t>(bytes); i < space.size(); ++i) EXPECT_EQ(space[i], 0xFF) << "workspace overrun";
  return outputs;
}

}  // namespace

std::vector<std::string> configs_of(const std::string& row, const RowCase& c, Isa isa) {
  const SelectRow* select = select_row(row);
  const Target target = target_of(isa);
  if (!select || select->refuses(c.problem, target)) return {""};
  return select->configs(c.problem, target);
}

std::vector<Tensor> run_row(const std::string& name, const RowCase& c, Isa isa, int threads,
                            const std::string& config) {
  Result<std::vector<Tensor>> outputs = try_row(name, c, isa, threads, config);
  if (outputs.ok()) return *outputs;
  ADD_FAILURE() << outputs.error().message;
  return {};
}

std::string run_row_error(const std::string& row, const RowCase& c, Isa isa) {
  const Result<std::vector<Tensor>> outputs = try_row(row, c, isa, 1);
  return outputs.ok() ? "ran" : outputs.error().message;
}

void expect_close(const std::vector<Tensor>& want, const std::vector<Tensor>& got, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(want.size(), got.size()) << what;
  for (size_t t = 0; t < want.size(); ++t) {
    ASSERT_EQ(want[t].dims(), got[t].dims()) << what;
    const std::vector<double> w = want[t].to_f64(), g = got[t].to_f64();
    for (size_t i = 0; i < w.size(); ++i) {
      if (std::isnan(w[i]) && std::isnan(g[i])) continue;
      if (w[i] == g[i]) continue;
      ASSERT_LE(std::abs(w[i] - g[i]), tolerance * (1 + std::abs(w[i])))
          << what << ": output " << t << " at " << i << ", want " << w[i] << ", got " << g[i];
    }
  }
}

void expect_row_matches(const std::string& row, RowCase c, double tolerance) {
  const std::vector<Tensor> want = complete(c);
  for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    if (!can_run(isa) || isa < find_run_row(row)->needs) continue;
    const std::vector<std::string> configs = configs_of(row, c, isa);
    for (const std::string& config : configs) {
      const std::string what = fmt::format("{} {} on {}: {}", row, config, name(isa), to_string(c.problem));
      const Result<std::vector<Tensor>> one = try_row(row, c, isa, 1, config), two = try_row(row, c, isa, 2, config);
      ASSERT_TRUE(one.ok()) << one.error().message;
      ASSERT_TRUE(two.ok()) << two.error().message;
      expect_close(want, *one, tolerance, what);
      ASSERT_EQ(one->size(), two->size());
      for (size_t i = 0; i < one->size(); ++i) {
        EXPECT_TRUE(identical((*one)[i], (*two)[i])) << "differs with threads: " << what;
      }
    }
  }
}

std::string refusal_of(const std::string& row, RowCase c) {
  complete(c);
  return select_row(row)->refuses(c.problem, target_of(detect_isa())).value_or("takes it");
}

void add_epilogue(RowCase& c, const std::vector<Tensor>& terms, Op last) {
  c.problem.anchor_inputs = static_cast<int>(c.inputs.size());
  Body& body = c.problem.epilogue;
  body.params.assign(1 + terms.size(), DType::f32);
  int value = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    value = body.append(op("add"), {value, static_cast<int>(i) + 1});
    c.inputs.push_back(terms[i]);
  }
  if (last) value = body.append(std::move(last), {value});
  body.results = {value};
}

Tensor random_tensor(uint32_t seed, std::vector<int64_t> dims) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Tensor t = Tensor::zeros(DType::f32, std::move(dims));
  for (float& x : t.mutable_data<float>()) x = uniform(engine);
  return t;
}

Tensor cast_to(const Tensor& tensor, DType dtype) {
  return evaluate(Cast{.to = dtype}, std::span(&tensor, 1)).value()[0];
}

}  // namespace mj
