// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "compile/samples.h"
#include "runtime/engine.h"
#include "tools/inputs.h"
#include "tools/load_engine.h"
#include "tools/output.h"
#include "tools/statistics.h"
#include "tools/verbs.h"

namespace mj {
namespace {

double ms_since(Clock::time_point start) { return seconds_since(start) * 1e3; }

Result<size_t> port_index(const std::vector<Port>& ports, const std::string& name, std::string_view flag) {
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name == name) return i;
  }
  std::string names;
  for (const Port& port : ports) names += (names.empty() ? "" : ", ") + port.name;
  return error(ErrorCode::usage, "{}: no '{}'; there are: {}", flag, name, names);
}

// Element `index` along the leading axis.
Tensor slice(const Tensor& tensor, int64_t index) {
  std::vector<int64_t> dims(tensor.dims().begin() + 1, tensor.dims().end());
  const int64_t bytes = tensor.bytes() / std::max<int64_t>(1, tensor.dims()[0]);
  const auto* data = static_cast<const std::byte*>(tensor.raw()) + index * bytes;
  return Tensor::view(tensor.dtype(), std::move(dims), data, std::make_shared<Tensor>(tensor));
}

Result<Tensor> stack(const std::vector<Tensor>& parts) {
  if (!parts[0].present() || parts[0].is_sequence() || parts[0].dtype() == DType::string) {
    return error(ErrorCode::unsupported, "--stream: outputs are tensors of numbers, got {}", to_string(parts[0]));
  }
  std::vector<int64_t> dims = parts[0].dims();
  dims.insert(dims.begin(), static_cast<int64_t>(parts.size()));
  Tensor out = Tensor::zeros(parts[0].dtype(), std::move(dims));
  auto* to = static_cast<std::byte*>(out.mutable_raw());
  for (const Tensor& part : parts) {
    if (part.dims() != parts[0].dims()) return model_error("--stream: an output changes its shape from step to step");
    std::memcpy(to, part.raw(), static_cast<size_t>(part.bytes()));
    to += part.bytes();
  }
  return out;
}

struct Runs {
  std::vector<Tensor> outputs;
  std::vector<double> milliseconds;
};

Result<Runs> run_repeated(Engine& engine, const RunVerbArgs& args, const std::vector<Tensor>& inputs) {
  Runs runs;
  for (int i = 0; i < args.repeat; ++i) {
    std::vector<Tensor> outputs;
    const auto start = Clock::now();
    MJ_TRY(engine.run(inputs, outputs));
    runs.milliseconds.push_back(ms_since(start));
    for (size_t k = 0; i > 0 && args.check_equal && k < outputs.size(); ++k) {
      if (!identical(outputs[k], runs.outputs[k])) {
        return model_error("--check-equal: output '{}' of run {} differs from the first", engine.outputs()[k].name,
                           i + 1);
      }
    }
    if (i == 0) runs.outputs = std::move(outputs);
  }
  return runs;
}

// One run for each element along the leading axis of the streamed inputs; carried outputs become the next run's inputs.
Result<Runs> run_stream(Engine& engine, const RunVerbArgs& args, std::vector<Tensor> inputs,
                        const std::vector<size_t>& streamed) {
  std::vector<std::pair<size_t, size_t>> carried;  // output, input
  for (const std::string& pair : args.carry) {
    const size_t at = pair.find('=');
    if (at == std::string::npos) return error(ErrorCode::usage, "--carry: '{}' is not OUTPUT=INPUT", pair);
    MJ_ASSIGN(const size_t from, port_index(engine.outputs(), pair.substr(0, at), "--carry"));
    MJ_ASSIGN(const size_t to, port_index(engine.inputs(), pair.substr(at + 1), "--carry"));
    carried.emplace_back(from, to);
  }
  int64_t steps = -1;
  for (size_t i : streamed) {
    const Tensor& input = inputs[i];
    if (input.rank() == 0 || input.dtype() == DType::string || (steps >= 0 && input.dims()[0] != steps)) {
      return error(ErrorCode::usage, "--stream: '{}' needs a leading axis of one common length",
                   engine.inputs()[i].name);
    }
    steps = input.dims()[0];
  }
  if (steps <= 0) return error(ErrorCode::usage, "--stream: no steps");
  const std::vector<Tensor> all = inputs;
  std::vector<std::vector<Tensor>> kept(engine.outputs().size());
  Runs runs;
  for (int64_t step = 0; step < steps; ++step) {
    for (size_t i : streamed) inputs[i] = slice(all[i], step);
    std::vector<Tensor> outputs;
    const auto start = Clock::now();
    Result<void> done = engine.run(inputs, outputs);
    if (!done.ok()) return done.error().in(fmt::format("step {}", step));
    runs.milliseconds.push_back(ms_since(start));
    for (const auto& [from, to] : carried) inputs[to] = outputs[from];
    for (size_t k = 0; k < outputs.size(); ++k) kept[k].push_back(std::move(outputs[k]));
  }
  for (const std::vector<Tensor>& parts : kept) {
    MJ_ASSIGN(runs.outputs.emplace_back(), stack(parts));
  }
  return runs;
}

// Streamed inputs come with one axis more than their port has.
Result<std::vector<size_t>> streamed_inputs(const Engine& engine, const RunVerbArgs& args) {
  std::vector<size_t> streamed;
  for (const std::string& name : args.stream) {
    MJ_ASSIGN(const size_t i, port_index(engine.inputs(), name, "--stream"));
    streamed.push_back(i);
  }
  return streamed;
}

}  // namespace

Result<int> run_run(const RunVerbArgs& args) {
  if (args.inputs.empty() == !args.random_inputs) {
    return error(ErrorCode::usage, "run: give either --inputs FILE.npz or --random-inputs");
  }
  MJ_TRY(check_destination(args.outputs));
  const auto start = Clock::now();
  MJ_ASSIGN(const std::shared_ptr<Engine> engine, load_engine(args.engine, args.loading, args.common));
  const double load_ms = ms_since(start);
  MJ_ASSIGN(const std::vector<size_t> streamed, streamed_inputs(*engine, args));
  Runs runs;
  double first_answer_ms = 0;
  const auto run_on = [&](const std::vector<Tensor>& inputs) -> Result<void> {
    const auto first = Clock::now();
    MJ_ASSIGN(runs,
              streamed.empty() ? run_repeated(*engine, args, inputs) : run_stream(*engine, args, inputs, streamed));
    first_answer_ms = load_ms + (streamed.empty() && args.repeat <= 1 ? ms_since(first) : runs.milliseconds[0]);
    return {};
  };
  MJ_TRY(with_inputs(engine->file().manifest, {args.inputs, args.shapes}, args.common.seed, run_on));

  std::vector<std::pair<std::string, Tensor>> named;
  for (size_t i = 0; i < runs.outputs.size(); ++i) {
    for (auto& array : to_arrays(engine->outputs()[i], runs.outputs[i])) named.push_back(std::move(array));
    say(args.common, fmt::format("{}: {}", engine->outputs()[i].name, to_string(runs.outputs[i], 6)));
  }
  if (!args.outputs.empty()) MJ_TRY(write_numpy(args.outputs, named));
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.run/1"},
                                  {"environment", environment(engine->pool().threads())},
                                  {"results",
                                   {{"runs", runs.milliseconds.size()},
                                    {"load_ms", load_ms},
                                    {"first_answer_ms", first_answer_ms},
                                    {"notices", engine->notices()},
                                    {"latency_ms", latency_json(runs.milliseconds)}}}}));
  return 0;
}

}  // namespace mj
