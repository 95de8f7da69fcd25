// SPDX-License-Identifier: Apache-2.0
// The command line: names, flags, help. Each verb's work is in its own file. The only place that includes CLI11.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <new>
#include <system_error>

#include "base/checked.h"
#include "base/knobs.h"
#include "base/log.h"
#include "ops/plugins.h"
#include "tools/output.h"
#include "tools/trtexec.h"
#include "tools/verbs.h"

namespace {

using namespace mj;

// CLI11's own range lets NaN through.
CLI::Validator at_least(double least) {
  return {[least](std::string& text) {
            const std::optional<double> number = parse_double(text);
            if (number && std::isfinite(*number) && *number >= least) return std::string();
            return fmt::format("{} is not a number of at least {}", text, least);
          },
          ""};
}

// CLI11's own reading lets a sign and what is too large through.
CLI::Validator whole() {
  return {[](std::string& text) {
            uint64_t number = 0;
            const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
            if (status == std::errc() && end == text.data() + text.size()) return std::string();
            return fmt::format("{} is not a whole number from 0 to {}", text, std::numeric_limits<uint64_t>::max());
          },
          ""};
}

// "$OUT" without an OUT is a slip, not a way to say that nothing is wanted.
CLI::Validator named() {
  return {[](std::string& text) { return std::string(text.empty() ? "the name of the file is empty" : ""); }, ""};
}

void add_common(CLI::App* verb, Common& common) {
  verb->add_option("--json", common.json, "Write the report as JSON to FILE; - is stdout, and nothing else goes there")
      ->check(named());
  verb->add_flag("-q,--quiet", common.quiet, "Print errors only, and that an engine is unverified");
  verb->add_flag("-v,--verbose", common.verbose, "Say more (twice: even more)");
  verb->add_option("--threads", common.threads, "Threads; default: all that affinity and quota allow")
      ->check(CLI::Range(1, 4096));
  verb->add_option("--seed", common.seed, "Seed of everything random")->capture_default_str()->check(whole());
  verb->add_option("--progress", common.progress, "auto, plain or none")
      ->check(CLI::IsMember({"auto", "plain", "none"}));
  verb->add_option("--plugin", common.plugins,
                   "A library with operators of yours (millijoule/plugin.h), or ort, which runs nodes in ONNX Runtime; "
                   "may be repeated. It is native code: name only what you trust")
      ->allow_extra_args(false)
      ->check(named());
}

void add_fallback(CLI::App* verb, std::vector<std::string>& fallback) {
  verb->add_option("--fallback", fallback,
                   "ort:NAME: leave this node, or nodes of this type, to ONNX Runtime; may be "
                   "repeated")
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        const bool known = text.starts_with("ort:") && text.size() > 4;
        return known ? std::string() : fmt::format("'{}' is not of the form ort:NAME", text);
      });
}

// One verb: its flags fill `args`, and `run` does the work when it was the verb of the command line.
template <class Args>
CLI::App* add_verb(CLI::App& app, const char* name, const char* help, std::shared_ptr<Args> args,
                   Result<int> (*run)(const Args&), std::function<Result<int>()>& chosen) {
  CLI::App* verb = app.add_subcommand(name, help);
  if constexpr (requires { args->common; }) {
    add_common(verb, args->common);
  } else {
    add_common(verb, *args);
  }
  const auto common = [args]() -> const Common& {
    if constexpr (requires { args->common; }) {
      return args->common;
    } else {
      return *args;
    }
  };
  verb->callback([=, &chosen] {
    chosen = [=]() -> Result<int> {
      set_log_verbosity(common().quiet ? -1 : common().verbose);
      if (common().json != "-") MJ_TRY(check_destination(common().json));
      for (const std::string& plugin : common().plugins) MJ_TRY(load_plugin(plugin));
      return run(*args);
    };
  });
  return verb;
}

void add_trusted_key(CLI::App* verb, std::string& path) {
  verb->add_option("--trusted-key", path, "Refuse engines that this Ed25519 public key (PEM) has not signed")
      ->check(named());
}

void add_loading(CLI::App* verb, LoadArgs& loading) {
  add_trusted_key(verb, loading.trusted_key);
  verb->add_option("--device", loading.device, "auto: a GPU if the engine is for one that is here; cpu; gpu")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "gpu"}));
  verb->add_flag("--allow-unverified", loading.allow_unverified,
                 "Run a target that was never compared with the reference");
}

void add_compile(CLI::App& app, std::function<Result<int>()>& chosen) {
  auto args = std::make_shared<CompileArgs>();
  CLI::App* v = add_verb(app, "compile", "Compile an ONNX model into a verified engine", args, run_compile, chosen);
  v->add_option("model,--onnx", args->model, "The ONNX model")->required();
  v->add_option("-o,--output,--saveEngine", args->output, "The engine to write")->required()->check(named());
  v->add_option("--target", args->target, "cpu (this machine), cpu-portable, cpu-avx2, cpu-avx512")
      ->capture_default_str();
  v->add_option(
       "--precision", args->precision,
       "fp32, or bf16: products of operands rounded to bf16 and added up in f32, where that is faster; on GPUs "
       "fp16 or bf16: what lies in memory between layers")
      ->capture_default_str();
  v->add_option("--objective", args->objective,
                "What tactics on a GPU are chosen by: latency; throughput, of several runs at once; energy (joules "
                "measured); or edp, joules times seconds")
      ->capture_default_str();
  v->add_option("--max-latency-ms", args->max_latency_ms,
                "With --objective energy: the fewest joules at which a run takes no longer than this")
      ->check(at_least(0));
  v->add_option("--samples", args->samples, ".npz with inputs to verify on; may be repeated")
      ->allow_extra_args(false)
      ->check(named());
  v->add_option("--profile", args->profile, "Sizes promised: N=1:8:32,S=128 (min:opt:max)");
  v->add_option("--minShapes", args->min_shapes, "The same by inputs: x=1x3x224x224,... at least");
  v->add_option("--optShapes", args->opt_shapes, "What to tune for; without it, --maxShapes");
  v->add_option("--maxShapes", args->max_shapes, "At most");
  v->add_option("--cache,--timingCacheFile", args->cache, "Tactic cache (JSON lines), read and written")
      ->check(named());
  v->add_option("--cache-dir", args->cache_dir, "Folder of the tactic cache")->check(named());
  v->add_option(
       "--tolerance", args->tolerance,
       "Relative L2 allowed against the reference; without it 0.0001, 0.01 for fp16, 0.02 for bf16 (0.03 on GPUs)")
      ->check(at_least(0));
  v->add_option("--tune-seconds", args->tune_seconds, "Budget of the tuner")->capture_default_str()->check(at_least(0));
  v->add_option("--tune-joules", args->tune_joules, "The same in joules of the GPU's board, by its energy counter")
      ->check(at_least(0));
  add_fallback(v, args->fallback);
  v->add_option("--sign", args->sign_key, "Sign with this Ed25519 private key (PEM)")->check(named());
  v->add_flag("--no-verify", args->no_verify, "Skip the comparison; the engine says so and is not run without a flag");
  v->add_flag("--estimate", args->estimate, "Choose without measuring");
}

void add_run(CLI::App& app, std::function<Result<int>()>& chosen) {
  auto args = std::make_shared<RunVerbArgs>();
  CLI::App* v = add_verb(app, "run", "Run an engine once, or step by step over a stream", args, run_run, chosen);
  v->add_option("engine,--loadEngine", args->engine, "The engine")->required();
  add_loading(v, args->loading);
  v->add_option("--inputs,--loadInputs", args->inputs, ".npz with the inputs by name (.npy for a single one)")
      ->check(named());
  v->add_option("--outputs,--exportOutput", args->outputs, ".npz to write (.npy for a single one)")->check(named());
  v->add_flag("--random-inputs", args->random_inputs, "Draw the inputs; integers below what they index");
  v->add_option("--shapes", args->shapes, "Of the inputs: x=1x3x224x224,...");
  CLI::Option* repeat = v->add_option("--repeat", args->repeat, "Run this often")->check(at_least(1));
  v->add_flag("--check-equal", args->check_equal, "With --repeat: every answer must equal the first, bit by bit")
      ->needs(repeat);
  CLI::Option* stream = v->add_option("--stream", args->stream, "Inputs with a leading axis of steps")
                            ->delimiter(',')
                            ->allow_extra_args(false)
                            ->excludes(repeat);
  v->add_option("--carry", args->carry, "OUTPUT=INPUT: fed back from step to step")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->needs(stream);
}

void add_bench(CLI::App& app, std::function<Result<int>()>& chosen) {
  auto args = std::make_shared<BenchArgs>();
  CLI::App* v = add_verb(app, "bench", "Latency, throughput, memory, energy of an engine", args, run_bench, chosen);
  v->add_option("engine,--loadEngine", args->engine, "The engine")->required();
  add_loading(v, args->loading);
  v->add_option("--inputs,--loadInputs", args->inputs, ".npz with the inputs; default: random")->check(named());
  v->add_option("--batch", args->batch, "Size of the first axis of every input, where it is free")->check(at_least(1));
  v->add_option("--shapes", args->shapes, "Of the inputs: x=1x3x224x224,...");
  v->add_option("--duration", args->duration, "Seconds at least")->capture_default_str()->check(at_least(0));
  v->add_option("--iterations", args->iterations, "Runs at least")->capture_default_str()->check(at_least(1));
  v->add_option("--warmup", args->warm_up, "Seconds before counting")->capture_default_str()->check(at_least(0));
  v->add_option("--place", args->place, "Country for the carbon factor (ISO code, or world)");
  v->add_option("--energy-windows", args->energy_windows, "On a GPU: of 5 s each, after 15 s of idleness; 0: no energy")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  v->add_flag("!--no-data-transfers", args->data_transfers,
              "On a GPU: inputs and outputs lie there, runs follow each other without waiting");
  v->add_option("--max-spread", args->max_spread, "End with exit code 5 where p90 / median - 1 is above this")
      ->check(at_least(0));
  v->add_flag("--samples", args->samples, "Put every latency into the JSON");
}

void add_inspect(CLI::App& app, std::function<Result<int>()>& chosen) {
  auto args = std::make_shared<InspectArgs>();
  CLI::App* v = add_verb(app, "inspect", "What an engine holds, without running it", args, run_inspect, chosen);
  v->add_option("engine,--loadEngine", args->engine, "The engine")->required();
  add_trusted_key(v, args->trusted_key);
  v->add_option("--batch", args->batch, "Memory at this size of the first axis of every input")->check(at_least(1));
  v->add_option("--shapes", args->shapes, "Memory for inputs of these: x=1x3x224x224,...");
  v->add_flag("--steps", args->steps, "Every step with its tactic, runners-up and refusals");
}

void add_compare(CLI::App& app, std::function<Result<int>()>& chosen) {
  auto args = std::make_shared<CompareArgs>();
  CLI::App* v = add_verb(app, "compare", "Model against engine, or engine against engine", args, run_compare, chosen);
  v->add_option("left", args->left, "Model (.onnx) or engine: the reference")->required();
  v->add_option("right", args->right, "Engine to judge")->required();
  add_trusted_key(v, args->trusted_key);
  v->add_option("--inputs", args->inputs, ".npz with the inputs; default: random")->check(named());
  v->add_option("--shapes", args->shapes, "Of the inputs: x=1x3x224x224,...");
  v->add_option("--tolerance", args->tolerance, "Relative L2 allowed")->capture_default_str()->check(at_least(0));
  v->add_flag("--steps", args->steps, "Compare every tensor that both sides have, in order");
  add_fallback(v, args->fallback);
}

void add_profile(CLI::App& app, std::function<Result<int>()>& chosen) {
  auto args = std::make_shared<ProfileArgs>();
  CLI::App* v = add_verb(app, "profile", "Time of each step", args, run_profile, chosen);
  v->add_option("engine,--loadEngine", args->engine, "The engine")->required();
  add_loading(v, args->loading);
  v->add_option("--inputs,--loadInputs", args->inputs, ".npz with the inputs; default: random")->check(named());
  v->add_option("--batch", args->batch, "Size of the first axis of every input, where it is free")->check(at_least(1));
  v->add_option("--shapes", args->shapes, "Of the inputs: x=1x3x224x224,...");
  v->add_option("--iterations", args->iterations, "Runs, where steps run on the host")
      ->capture_default_str()
      ->check(at_least(1));
  v->add_flag("--energy", args->energy, "Joules of each step on a GPU, by its energy counter");
  v->add_option("--energy-seconds", args->energy_seconds, "Of counting, a step")
      ->capture_default_str()
      ->check(CLI::Range(0.5, 3600.0));
  v->add_option("--export", args->trace, "Write a trace for chrome://tracing or Perfetto")->check(named());
}

void add_small_verbs(CLI::App& app, std::function<Result<int>()>& chosen) {
  auto tactics = std::make_shared<TacticsArgs>();
  CLI::App* v = add_verb(app, "tactics", "The rows; of a model or engine: choices, runners-up, refusals", tactics,
                         run_tactics, chosen);
  v->add_option("path", tactics->path, "A model (.onnx) or an engine");
  add_fallback(v, tactics->fallback);

  auto explain = std::make_shared<ExplainArgs>();
  v = add_verb(app, "explain", "Into what each node of a model was fused, and why not into more", explain, run_explain,
               chosen);
  v->add_option("model", explain->model, "The model (.onnx)")->required();
  v->add_option("node", explain->node, "Only nodes with this in their name");
  add_fallback(v, explain->fallback);

  auto energy = std::make_shared<EnergyArgs>();
  v = add_verb(app, "energy", "Joules, kWh and CO2 of a year of requests", energy, run_energy, chosen);
  v->add_option("--requests-a-day", energy->requests_a_day, "Requests a day")->required()->check(at_least(0));
  CLI::Option* joules = v->add_option("--joules", energy->joules, "Joules a request; or give --ms and --watts");
  CLI::Option* ms = v->add_option("--ms", energy->milliseconds, "Milliseconds a request")->excludes(joules);
  CLI::Option* watts = v->add_option("--watts", energy->watts, "Watts while it runs")->excludes(joules);
  for (CLI::Option* option : {joules, ms, watts}) option->check(at_least(0));
  CLI::Option* place = v->add_option("--place", energy->place, "Country of the grid (ISO code, or world)");
  place->capture_default_str();
  v->add_option("--grams-per-kwh", energy->grams_per_kwh, "Your own carbon factor")
      ->check(at_least(0))
      ->excludes(place);
  v->add_option("--pue", energy->pue, "Power usage effectiveness of the building")
      ->capture_default_str()
      ->check(at_least(1));

  auto ops = std::make_shared<OpsArgs>();
  v = add_verb(app, "ops", "The operators", ops, run_ops, chosen);
  v->add_flag("--markdown", ops->markdown, "As a Markdown table");

  add_verb(app, "doctor", "What this machine offers: instruction sets, meters, libraries", std::make_shared<Common>(),
           run_doctor, chosen);
  add_verb(app, "knobs", "The debug knobs", std::make_shared<Common>(), run_knobs, chosen);
}

bool is_verb(const CLI::App& app, const std::string& word) {
  return !app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == word; }).empty();
}

std::string verbs_of(const CLI::App& app) {
  std::string text;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    text += (text.empty() ? "" : ", ") + verb->get_name();
  return text;
}

// What is wrong with the command line, in the user's words: CLI11 calls positionals by their flags.
std::string usage_text(const CLI::App& app, const CLI::ParseError& problem) {
  std::string text = problem.what();
  if (problem.get_name() == "RequiredError") {
    for (const auto& [flag, word] : {std::pair("--onnx ", "MODEL "), std::pair("--loadEngine ", "ENGINE ")}) {
      if (text.starts_with(flag)) text = word + text.substr(std::string_view(flag).size());
    }
  }
  const std::vector<const CLI::App*> verbs = app.get_subcommands([](const CLI::App* verb) { return verb->parsed(); });
  if (verbs.empty()) return text;
  const std::string name = verbs[0]->get_name();
  return fmt::format("{}: {}; `millijoule help {}` lists the flags", name, text, name);
}

// What stdout still holds back is written here; nobody hears of it later.
Result<int> with_stdout_flushed(Result<int> result) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return result;
  return error(ErrorCode::environment, "cannot write to stdout: {}", std::generic_category().message(errno));
}

Result<int> work(const std::function<Result<int>()>& verb) {
  try {
    return with_stdout_flushed(verb());
  } catch (const std::bad_alloc&) {
    return error(ErrorCode::environment, "out of memory; give smaller shapes, or more memory");
  } catch (const std::system_error& problem) {  // of fmt::print, or of who says itself what it could not do
    for (const auto& [stream, name] : {std::pair(stdout, "stdout"), std::pair(stderr, "stderr")}) {
      if (!std::ferror(stream)) continue;
      return error(ErrorCode::environment, "cannot write to {}: {}", name, problem.code().message());
    }
    return error(ErrorCode::environment, "{}", problem.what());
  }
}

int complain(ErrorCode code, std::string_view text) {
  std::fprintf(stderr, "millijoule: %.*s\n", static_cast<int>(text.size()), text.data());
  return static_cast<int>(code);
}

// Does what the words of one verb ask for. The exit code.
int run_line(CLI::App& app, std::vector<std::string> words, const std::function<Result<int>()>& chosen) {
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  try {
    app.parse(words);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() != 0) return complain(ErrorCode::usage, usage_text(app, problem));
    const Result<int> shown = work([&] { return Result<int>(app.exit(problem)); });
    return shown.ok() ? *shown : complain(shown.error().code, shown.error().message);
  }
  const Result<int> result = work(chosen);
  return result.ok() ? *result : complain(result.error().code, result.error().message);
}

// The engine of a line that keeps none: compiled, timed, and gone.
int build_and_time(CLI::App& app, TrtexecLine line, const std::function<Result<int>()>& chosen) {
  std::error_code failed;
  std::string folder = std::filesystem::temp_directory_path(failed) / "millijoule-XXXXXX";
  if (failed || !mkdtemp(folder.data())) {
    return complain(ErrorCode::environment, fmt::format("cannot make the folder '{}'", folder));
  }
  const std::string engine = folder + "/model.engine";
  line.words.push_back("--saveEngine=" + engine);
  int code = run_line(app, line.words, chosen);
  if (code == 0 && !line.then.empty()) {
    line.then.push_back("--loadEngine=" + engine);
    code = run_line(app, line.then, chosen);
  }
  std::filesystem::remove_all(folder, failed);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Compiles ONNX networks into verified engines and runs them with the fewest joules.", "millijoule");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("millijoule ") + MJ_VERSION);
  std::function<Result<int>()> chosen;
  add_compile(app, chosen);
  add_run(app, chosen);
  add_bench(app, chosen);
  add_inspect(app, chosen);
  add_compare(app, chosen);
  add_profile(app, chosen);
  add_small_verbs(app, chosen);

  const std::string_view debug = knob(Knob::debug).value_or("0");
  if (parse_int64(debug).value_or(-1) < 0) {
    return complain(ErrorCode::usage, fmt::format("MJ_DEBUG: '{}' is no number of at least 0", debug));
  }
  Result<TrtexecLine> line = translate_trtexec({argv + 1, argv + argc});
  if (!line.ok()) return complain(line.error().code, line.error().message);
  for (const std::string& notice : line->notices) complain(ErrorCode::usage, notice);
  std::vector<std::string>& words = line->words;
  if (words.empty()) return complain(ErrorCode::usage, fmt::format("no verb; there are: {}", verbs_of(app)));
  if (words[0] == "help") {  // help VERB is VERB --help
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (!words[0].starts_with("-") && !is_verb(app, words[0])) {
    return complain(ErrorCode::usage, fmt::format("there is no verb '{}'; there are: {}", words[0], verbs_of(app)));
  }
  return line->keeps ? run_line(app, words, chosen) : build_and_time(app, std::move(line).value(), chosen);
}
