// SPDX-License-Identifier: Apache-2.0
#include "tools/trtexec.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/checked.h"

namespace mj {
namespace {

struct Flag {
  std::string name, value;
  std::string text() const { return value.empty() ? name : name + "=" + value; }
};

Flag split_flag(const std::string& word) {
  const size_t at = word.find('=');
  return at == std::string::npos ? Flag{word, ""} : Flag{word.substr(0, at), word.substr(at + 1)};
}

struct Row {
  std::string_view theirs, ours;
};

constexpr Row kRenamed[] = {
    {"--verbose", "-v"},
    {"--noDataTransfers", "--no-data-transfers"},
    {"--fp16", "--precision=fp16"},
    {"--bf16", "--precision=bf16"},
    {"--int8", "--precision=int8"},
    {"--fp8", "--precision=fp8"},
    {"--int4", "--precision=int4"},
    {"--best", "--precision=auto"},
};

// They ask for what happens anyway, or for what a CPU has not.
constexpr std::string_view kNothingToDo[] = {
    "--skipInference",
    "--buildOnly",
    "--sparsity=disable",
    "--sleepTime",
    "--idleTime",
    "--avgRuns",
    "--percentile",
    "--noTF32",
    "--stronglyTyped",
    "--useCudaGraph",
    "--noCudaGraph",
    "--useSpinWait",
    "--noSpinWait",
    "--includeDataTransfers",
    "--device",
    "--memPoolSize",
    "--builderOptimizationLevel",
    "--profilingVerbosity",
    "--noBuilderCache",
    "--noCompilationCache",
    "--versionCompatible",
    "--vc",
    "--separateProfileRun",
    "--monitorMemory",
    "--calib",
    "--workspace",
    "--explicitBatch",
    "--tacticSources",
    "--avgTiming",
    "--maxTactics",
    "--minTiming",
    "--preview",
    "--runtimePlatform",
    "--excludeLeanRuntime",
    "--leanDLLPath",
    "--maxAuxStreams",
    "--tilingOptimizationLevel",
    "--l2LimitForTiling",
    "--decomposableAttentions",
    "--distributiveIndependence",
    "--cpuOnly",
    "--timeDeserialize",
    "--exposeDMA",
    "--useManagedMemory",
    "--persistentCacheRatio",
    "--allocationStrategy",
    "--tempfileControls",
    "--nvtxMode",
};

// Of a line that builds: trtexec times the engine as well, we leave that to a verb of its own where there is an engine.
constexpr std::string_view kOfBench[] = {"--noDataTransfers", "--iterations", "--duration", "--warmUp",
                                         "--exportTimes"};

// Those that a line of ours does instead.
constexpr Row kReplaced[] = {
    {"--dumpProfile", "millijoule profile ENGINE"},
    {"--exportProfile", "millijoule profile ENGINE --export FILE"},
    {"--dumpLayerInfo", "millijoule inspect ENGINE --steps"},
    {"--exportLayerInfo", "millijoule inspect ENGINE --json FILE"},
    {"--dumpOptimizationProfile", "millijoule inspect ENGINE"},
    {"--getPlanVersionOnly", "millijoule inspect ENGINE"},
    {"--dumpOutput", "millijoule run ENGINE --random-inputs"},
    {"--exportOutput", "millijoule run ENGINE --inputs FILE.npz --outputs FILE.npz"},
    {"--dumpRawBindingsToFile", "millijoule run ENGINE --inputs FILE.npz --outputs FILE.npz"},
    {"--loadRefOutputs", "millijoule compare MODEL ENGINE --inputs FILE.npz"},
    {"--refPair", "millijoule compare MODEL ENGINE --inputs FILE.npz"},
    {"--markDebug", "millijoule compare MODEL ENGINE --steps"},
    {"--markUnfusedTensorsAsDebugTensors", "millijoule compare MODEL ENGINE --steps"},
    {"--saveDebugTensors", "millijoule compare MODEL ENGINE --steps"},
    {"--maxBatch", "--maxShapes=NAME:8x3x224x224"},
    {"--tempdir", "--cache-dir DIR"},
    {"--tuningCacheFile", "--timingCacheFile=FILE"},
    {"--uff", "--onnx=FILE"},
    {"--model", "--onnx=FILE"},
    {"--deploy", "--onnx=FILE"},
};

// Those that nothing here answers to: what there is instead. Leaving them out would make another engine than asked for.
constexpr Row kLacking[] = {
    {"--accuracyAlgorithm", "outputs are compared by relative L2; --tolerance says how much is allowed"},
    {"--accuracyThreshold", "outputs are compared by relative L2; --tolerance says how much is allowed"},
    {"--atol", "outputs are compared by relative L2; --tolerance says how much is allowed"},
    {"--rtol", "outputs are compared by relative L2; --tolerance says how much is allowed"},
    {"--streams", "runs follow one another; start `millijoule bench ENGINE` several times"},
    {"--infStreams", "runs follow one another; start `millijoule bench ENGINE` several times"},
    {"--hardwareCompatibilityLevel", "--target cpu-avx2 or cpu-portable makes an engine for more machines"},
    {"--sparsity", "weights are multiplied as they are"},
    {"--useDLACore", "there are no DLA cores; --target names the CPUs there are"},
    {"--allowGPUFallback", "there are no DLA cores; --target names the CPUs there are"},
    {"--buildDLAStandalone", "there are no DLA cores; --target names the CPUs there are"},
    {"--layerDeviceTypes", "all layers run on the CPU; --target names the CPUs there are"},
    {"--inputIOFormats", "inputs have the model's types and their rows in order; cast in the model"},
    {"--outputIOFormats", "outputs have the model's types and their rows in order; cast in the model"},
    {"--precisionConstraints", "--precision is for all layers; those that need it go back to f32, as --tolerance asks"},
    {"--layerPrecisions", "--precision is for all layers; those that need it go back to f32, as --tolerance asks"},
    {"--layerOutputTypes", "--precision is for all layers; those that need it go back to f32, as --tolerance asks"},
    {"--calibProfile", "integers come from the model's QuantizeLinear and DequantizeLinear"},
    {"--minShapesCalib", "integers come from the model's QuantizeLinear and DequantizeLinear"},
    {"--optShapesCalib", "integers come from the model's QuantizeLinear and DequantizeLinear"},
    {"--maxShapesCalib", "integers come from the model's QuantizeLinear and DequantizeLinear"},
    {"--refit", "weights are part of the engine; compile the model with the new ones"},
    {"--refitFromOnnx", "weights are part of the engine; compile the model with the new ones"},
    {"--timeRefit", "weights are part of the engine; compile the model with the new ones"},
    {"--dumpRefit", "weights are part of the engine; compile the model with the new ones"},
    {"--stripWeights", "weights are part of the engine"},
    {"--stripAllWeights", "weights are part of the engine"},
    {"--weightless", "weights are part of the engine"},
    {"--allowWeightStreaming", "weights are mapped from the engine's file, and read when they are used"},
    {"--weightStreamingBudget", "weights are mapped from the engine's file, and read when they are used"},
    {"--restricted", "every engine is checked whole before it is run; --trusted-key FILE insists on a signature"},
    {"--safe", "there is no runtime certified for safety"},
    {"--consistency", "there is no runtime certified for safety"},
    {"--errorOnTimingCacheMiss", "what --timingCacheFile lacks is measured"},
    {"--useProfile", "an engine has one profile; --shapes gives sizes inside it"},
    {"--plugins", "TensorRT's do not fit; a library with a table as in millijoule/plugin.h does: --plugin FILE"},
    {"--setPluginsToSerialize",
     "TensorRT's do not fit; a library with a table as in millijoule/plugin.h does: --plugin FILE"},
    {"--dynamicPlugins", "TensorRT's do not fit; a library with a table as in millijoule/plugin.h does: --plugin FILE"},
    {"--staticPlugins", "TensorRT's do not fit; a library with a table as in millijoule/plugin.h does: --plugin FILE"},
    {"--remoteAutoTuningConfig", "tactics are measured on the machine that compiles"},
    {"--tuneBuildRoutes", "tactics are chosen by time in each compile; --timingCacheFile=FILE keeps them"},
    {"--tuneBuildRouteFile", "tactics are chosen by time in each compile; --timingCacheFile=FILE keeps them"},
    {"--setBuildRoute", "tactics are chosen by time in each compile; --timingCacheFile=FILE keeps them"},
    {"--helpBuildRoute", "tactics are chosen by time in each compile; --timingCacheFile=FILE keeps them"},
    {"--tuningSearch", "tactics are chosen by time in each compile; --tune-seconds=S bounds it"},
    {"--saveAllEngines", "tactics are chosen by time in each compile; --tune-seconds=S bounds it"},
    {"--dryRun", "tactics are chosen by time in each compile; --tune-seconds=S bounds it"},
    {"--continue", "tactics are chosen by time in each compile; --tune-seconds=S bounds it"},
    {"--tuningTimeOut", "tactics are chosen by time in each compile; --tune-seconds=S bounds it"},
};

template <class Rows>
const Row* find_row(const Rows& rows, const std::string& name) {
  const auto at = std::find_if(std::begin(rows), std::end(rows), [&](const Row& row) { return row.theirs == name; });
  return at == std::end(rows) ? nullptr : &*at;
}

template <class Names>
bool contains(const Names& names, const std::string& name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// trtexec spells milliseconds, we spell seconds. What is no number stays, so that it is complained of.
std::string seconds(const std::string& milliseconds) {
  const std::optional<double> number = parse_double(milliseconds);
  return number ? std::to_string(*number / 1000) : milliseconds;
}

bool mentions(const std::vector<std::string>& words, const std::string& flag) {
  return std::any_of(words.begin(), words.end(), [&](const auto& w) { return split_flag(w).name == flag; });
}

}  // namespace

Result<TrtexecLine> translate_trtexec(std::vector<std::string> words) {
  const bool builds = mentions(words, "--onnx"), loads = mentions(words, "--loadEngine");
  TrtexecLine out;
  if (words.empty() || !words[0].starts_with("--") || (!builds && !loads)) {
    out.words = std::move(words);
    return out;
  }
  out.words = {builds ? "compile" : "bench"};
  out.keeps = !builds || mentions(words, "--saveEngine") || mentions(words, "--output") || mentions(words, "-o");
  const bool times = !mentions(words, "--skipInference") && !mentions(words, "--buildOnly");
  if (!out.keeps && times) out.then = {"bench"};
  if (!out.keeps) out.notices.emplace_back("without --saveEngine=FILE the engine is not kept");
  for (size_t i = 0; i < words.size(); ++i) {
    Flag flag = split_flag(words[i]);
    if (contains(kNothingToDo, flag.name) || contains(kNothingToDo, words[i])) {
      out.notices.push_back(flag.name + " has nothing to do here");
      continue;
    }
    if (const Row* row = find_row(kReplaced, flag.name)) {
      return error(ErrorCode::usage, "{}: use `{}`", flag.name, row->ours);
    }
    if (const Row* row = find_row(kLacking, flag.name)) {
      return error(ErrorCode::usage, "{}: {}", flag.name, row->ours);
    }
    // Here it takes a number, there it lets streams run side by side.
    const bool last = i + 1 == words.size() || words[i + 1].starts_with("-");
    if (words[i] == "--threads" && last) {
      out.notices.emplace_back("--threads without a number has nothing to do here");
      continue;
    }
    if (flag.name == "--loadInputs" && flag.value.find(':') != std::string::npos) {
      return error(ErrorCode::usage, "--loadInputs: '{}' is NAME:FILE; give one .npz with all inputs by name",
                   flag.value);
    }
    if (builds && out.then.empty() && contains(kOfBench, flag.name)) {
      out.notices.push_back(
          fmt::format("{} is for `millijoule bench ENGINE`, which this line does not run", flag.name));
      continue;
    }
    std::vector<std::string>& line = builds && contains(kOfBench, flag.name) ? out.then : out.words;
    if (flag.name == "--warmUp") flag = {"--warmup", seconds(flag.value)};
    if (flag.name == "--exportTimes") {
      line.emplace_back("--samples");
      flag.name = "--json";
    }
    if (builds && flag.name == "--shapes") flag.name = "--optShapes";  // one shape is all three
    const Row* renamed = find_row(kRenamed, flag.name);
    line.push_back(renamed ? std::string(renamed->ours) : flag.text());
  }
  return out;
}

}  // namespace mj
