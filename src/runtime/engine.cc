// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include "base/checked.h"
#include "base/clock.h"
#include "base/knobs.h"
#include "base/log.h"
#include "engine/format/plugin_steps.h"
#include "runtime/compare_outputs.h"

namespace mj {
namespace {

constexpr std::string_view kGpuTarget = "cuda-sm";

std::string describe(const Profile& profile) {
  std::string text;
  for (const SymbolRange& r : profile.symbols) {
    text += fmt::format("{}{}={}..{}", text.empty() ? "" : ", ", r.symbol, r.min, r.max);
  }
  return text;
}

bool inside(const Profile& profile, const Bindings& symbols) {
  for (const SymbolRange& range : profile.symbols) {
    const auto at = symbols.find(range.symbol);
    if (at != symbols.end() && (at->second < range.min || at->second > range.max)) return false;
  }
  return true;
}

// Code for sm_XY runs on devices of the same X and no less Y.
bool serves_gpu(std::string_view target, int sm) {
  if (!target.starts_with(kGpuTarget)) return false;
  const std::optional<int64_t> built = parse_int64(target.substr(kGpuTarget.size()));
  return built && *built / 10 == sm / 10 && *built <= sm;
}

// Opens the GPU of the machine on a thread of its own, where a file turns out to be for one: that takes longer than
// verifying the file.
class OpeningDevice {
 public:
  using Device = std::shared_ptr<const CudaDevice>;

  void start(std::span<const Section> sections) {
    const bool wanted = std::any_of(sections.begin(), sections.end(),
                                    [](const Section& section) { return section.kind == SectionKind::cubin; });
    if (!wanted || thread_.joinable()) return;
    try {
      thread_ = std::jthread([this] { open(); });
    } catch (const std::system_error&) {
      // No more threads to be had: device() does it.
    }
  }
  const Result<Device>& device() {
    if (thread_.joinable()) thread_.join();
    if (!device_) open();
    return *device_;
  }
  double seconds() const { return seconds_; }

 private:
  void open() {
    const auto start = Clock::now();
    device_ = CudaDevice::first();
    seconds_ = seconds_since(start);
  }

  std::optional<Result<Device>> device_;
  double seconds_ = 0;
  std::jthread thread_;  // the last member: it is waited for before the others go
};

bool wants_gpu(const Manifest& manifest) {
  return std::any_of(manifest.targets.begin(), manifest.targets.end(),
                     [](const EngineTarget& target) { return target.name.starts_with(kGpuTarget); });
}

// Is it of the port's type, as far as no symbol is concerned?
Result<void> check_kind(const Tensor& input, const Port& port) {
  const Type& type = port.type;
  const auto wrong = [&](std::string_view got) {
    return model_error("input '{}': got {}, expected {}", port.name, got, to_string(type));
  };
  if (!input.present() && type.is_optional()) return {};
  const bool want_sequence = type.required().is_sequence();
  if (input.dtype() != type.dtype) return wrong(name(input.dtype()));
  if (input.is_sequence() != want_sequence) return wrong(want_sequence ? "one tensor" : "a sequence");
  const std::vector<Tensor> items = want_sequence ? input.items() : std::vector<Tensor>{input};
  for (size_t i = 0; i < items.size() && type.shape && !type.is_tensor(); ++i) {
    const std::vector<int64_t>& dims = items[i].dims();
    bool fits = dims.size() == type.shape->size();
    for (size_t d = 0; fits && d < dims.size(); ++d) fits = (*type.shape)[d].constant().value_or(dims[d]) == dims[d];
    if (!fits) return wrong(fmt::format("[{}] at {}", fmt::join(dims, ","), i));
  }
  return {};
}

int64_t device_bytes(const Schedule& schedule) { return schedule.rest ? schedule.rest->device_arena_bytes : 0; }

Result<int64_t> loop_limit() {
  const std::string_view text = knob(Knob::loops).value_or(knob_rows()[static_cast<size_t>(Knob::loops)].fallback);
  const std::optional<int64_t> limit = parse_int64(text);
  if (limit && *limit > 0) return *limit;
  return error(ErrorCode::usage, "MJ_LOOPS: '{}' is no number of at least 1", text);
}

}  // namespace

Result<size_t> pick_target(const Manifest& manifest, Isa isa, int sm) {
  std::optional<size_t> best, gpu;
  Isa best_isa = Isa::portable;
  std::string names;
  for (size_t i = 0; i < manifest.targets.size(); ++i) {
    const std::string& name = manifest.targets[i].name;
    names += (names.empty() ? "" : ", ") + name;
    if (serves_gpu(name, sm) && (!gpu || name > manifest.targets[*gpu].name)) gpu = i;
    if (!name.starts_with("cpu-")) continue;
    const std::optional<Isa> needs = parse_isa(name.substr(4));
    if (!needs || *needs > isa || (best && *needs < best_isa)) continue;
    best = i;
    best_isa = *needs;
  }
  if (gpu) return *gpu;
  if (best) return *best;
  return error(ErrorCode::environment, "no target of this engine runs here: it serves {}, this machine is cpu-{}{}",
               names, name(isa), sm ? fmt::format(" and {}{}", kGpuTarget, sm) : "");
}

Engine::Engine(LoadedEngine file, size_t target, const EngineOptions& options, int threads)
    : file_(std::move(file)), target_(target), options_(options), pool_(threads) {}

Result<std::shared_ptr<Engine>> Engine::load(const std::string& path, const EngineOptions& given) {
  EngineOptions options = given;
  if (options.loop_limit == 0) {
    MJ_ASSIGN(options.loop_limit, loop_limit());
  }
  const auto start = Clock::now();
  LoadTimes times;
  OpeningDevice opening;
  if (options.gpu && !options.device) {
    options.read.table_seen = [&](std::span<const Section> sections) { opening.start(sections); };
  }
  MJ_ASSIGN(LoadedEngine file, read_engine(path, options.read));
  options.read.table_seen = nullptr;
  times.file = seconds_since(start);
  std::string no_gpu;
  if (options.gpu && !options.device && wants_gpu(file.manifest)) {
    const Result<OpeningDevice::Device>& device = opening.device();
    times.device_open = opening.seconds();
    times.device_wait = seconds_since(start) - times.file;
    if (device.ok()) {
      options.device = *device;
    } else {
      no_gpu = "; " + device.error().message;
    }
  }
  const int sm = options.gpu && options.device ? options.device->facts().sm : 0;
  Result<size_t> target = pick_target(file.manifest, options.isa, sm);
  if (!target.ok())
    return Error{target.error().code, target.error().message + no_gpu}.in(fmt::format("engine '{}'", path));
  const EngineTarget& chosen = file.manifest.targets[*target];
  const bool verify_here =
      !chosen.verification.verified && chosen.name.starts_with(kGpuTarget) && !file.manifest.samples.empty();
  if (!chosen.verification.verified && !verify_here && !options.allow_unverified) {
    return model_error(
        "engine '{}': target {} is unverified ({}); compile it on this kind of machine, with --samples of yours, or "
        "allow it with --allow-unverified",
        path, chosen.name, chosen.verification.reference);
  }
  // More threads than CPUs would take turns, and whatever waits for one of them waits for all before it.
  const int cpus = default_threads(), threads = options.threads > 0 ? std::min(options.threads, cpus) : cpus;
  if (options.threads > cpus) {
    log_warning("{} threads were asked for, affinity and quota allow {}: going on with {}", options.threads, cpus,
                cpus);
  }
  std::shared_ptr<Engine> engine(new Engine(std::move(file), *target, options, threads));
  // The plan lives in the engine's manifest, which does not move any more.
  std::shared_ptr<const Plan> plan(&engine->target().plan, [](const Plan*) {});
  ProgramOptions program_options;
  if (const Result<void> plugins = require_plugins(*plan); !plugins.ok()) {
    return plugins.error().in(fmt::format("engine '{}'", path));
  }
  program_options.device = options.device;
  program_options.pool = &engine->pool_;
  if (const auto& mapped = engine->file_.file) {
    program_options.release = [mapped](std::span<const std::byte> bytes) { mapped->forget(bytes); };
  }
  Result<std::shared_ptr<const Program>> program =
      Program::make(std::move(plan), options.isa, nullptr, program_options);
  if (!program.ok()) return program.error().in(fmt::format("engine '{}'", path));
  engine->program_ = std::move(program).value();
  for (const std::string& notice : engine->notices()) log_warning("engine '{}': {}", path, notice);
  if (const DeviceProgram* device = engine->program_->device()) times.program = device->load_times();
  if (verify_here && !options.allow_unverified) {
    const auto begin = Clock::now();
    Result<void> verified = engine->verify_on_samples();
    if (!verified.ok()) return verified.error().in(fmt::format("engine '{}'", path));
    times.samples = seconds_since(begin);
  }
  times.all = seconds_since(start);
  engine->load_times_ = times;
  return engine;
}

// What a target that was built without its device has in place of a verification.
Result<void> Engine::verify_on_samples() {
  const Verification& verification = target().verification;
  for (size_t s = 0; s < file_.manifest.samples.size(); ++s) {
    const Sample& sample = file_.manifest.samples[s];
    std::vector<Tensor> outputs;
    MJ_TRY(run(sample.inputs, outputs));
    const double worst = compare_outputs(outputs, sample.outputs).worst;
    if (worst <= verification.tolerance) continue;
    return model_error(
        "target {}: on sample {} of the file it differs from the reference by {:.3g} relative L2, allowed is "
        "{:.3g}",
        target().name, s, worst, verification.tolerance);
  }
  return {};
}

std::vector<std::string> Engine::notices() const {
  std::vector<std::string> notices;
  for (const Fallback& fallback : program_->fallbacks()) notices.push_back(to_string(fallback));
  for (std::string& notice : plugin_notices(file_.manifest)) notices.push_back(std::move(notice));
  return notices;
}

Result<void> Engine::check_inputs(std::span<const Tensor> inputs) const {
  if (inputs.size() != this->inputs().size()) {
    return error(ErrorCode::usage, "{} inputs given, the engine has {}", inputs.size(), this->inputs().size());
  }
  Bindings symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Port& port = this->inputs()[i];
    MJ_TRY(check_kind(inputs[i], port));
    if (port.type.shape && port.type.is_tensor())
      MJ_TRY(bind_shape(*port.type.shape, inputs[i].dims(), fmt::format("input '{}'", port.name), symbols));
  }
  const std::vector<Profile>& profiles = file_.manifest.profiles;
  for (const Profile& profile : profiles) {
    if (inside(profile, symbols)) return {};
  }
  if (profiles.empty()) return {};
  std::string text, got;
  for (const Profile& profile : profiles) text += fmt::format("\n  {}: {}", profile.name, describe(profile));
  for (const auto& [symbol, size] : symbols) got += fmt::format("{}{}={}", got.empty() ? "" : ", ", symbol, size);
  return model_error("the shapes ({}) lie outside every profile of this engine:{}", got, text);
}

std::unique_ptr<Session> Engine::borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Session> session = std::move(idle_.back());
      idle_.pop_back();
      return session;
    }
  }
  Session::Options options;
  options.allocator = options_.allocator;
  options.layout.memory_limit = options_.memory_limit;
  return std::make_unique<Session>(program_, pool_, options);
}

void Engine::give_back(std::unique_ptr<Session> session) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(session));
}

Result<void> Engine::run(std::span<const Tensor> inputs, std::vector<Tensor>& outputs, const RunOptions& options) {
  MJ_TRY(check_inputs(inputs));
  std::unique_ptr<Session> session = borrow();
  LoopBudget loops{options_.loop_limit};
  RunOptions run = options;
  if (!run.loops) run.loops = &loops;
  Result<void> done = session->run(inputs, outputs, run);
  give_back(std::move(session));
  if (done.ok() || loops.left >= 0) return done;
  return Error{done.error().code, fmt::format("{} (MJ_LOOPS)", done.error().message)};
}

Result<Engine::Demand> Engine::warm(std::span<const std::vector<int64_t>> input_dims) {
  if (input_dims.size() != inputs().size()) {
    return error(ErrorCode::usage, "shapes of {} inputs given, the engine has {}", input_dims.size(), inputs().size());
  }
  std::unique_ptr<Session> session = borrow();
  const Result<const Schedule*> schedule = session->schedule_for(input_dims, {});
  Result<Demand> demand(schedule.ok()
                            ? Result<Demand>(Demand{(*schedule)->arena_bytes, (*schedule)->largest_live_bytes,
                                                    device_bytes(**schedule), (*schedule)->alone, (*schedule)->symbols})
                            : Result<Demand>(schedule.error()));
  give_back(std::move(session));
  return demand;
}

}  // namespace mj
