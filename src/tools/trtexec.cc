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
    {"--fp16", "--precision=fp16"},
    {"--bf16", "--precision=bf16"},
    {"--int8", "--precision=int8"},
    {"--fp8", "--precision=fp8"},
    {"--best", "--precision=auto"},
};

// They ask for what happens anyway, or for what a CPU has not.
constexpr std::string_view kNothingToDo[] = {
    "--skipInference",        "--avgRuns",
    "--percentile",           "--noTF32",
    "--stronglyTyped",        "--useCudaGraph",
    "--noCudaGraph",          "--useSpinWait",
    "--noSpinWait",           "--noDataTransfers",
    "--includeDataTransfers", "--device",
    "--memPoolSize",          "--builderOptimizationLevel",
    "--profilingVerbosity",   "--noBuilderCache",
    "--versionCompatible",    "--separateProfileRun",
    "--monitorMemory",        "--calib",
};

// Of a line that builds: trtexec times the engine as well, we leave that to a verb of its own where there is an engine.
constexpr std::string_view kOfBench[] = {"--iterations", "--duration", "--warmUp", "--exportTimes"};

constexpr Row kReplaced[] = {
    {"--dumpProfile", "millijoule profile ENGINE"},
    {"--exportProfile", "millijoule profile ENGINE --export FILE"},
    {"--dumpLayerInfo", "millijoule inspect ENGINE --steps"},
    {"--exportLayerInfo", "millijoule inspect ENGINE --json FILE"},
    {"--dumpOutput", "millijoule run ENGINE --random-inputs"},
    {"--exportOutput", "millijoule run ENGINE --inputs FILE.npz --outputs FILE.npz"},
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
  if (!out.keeps && !mentions(words, "--skipInference")) out.then = {"bench"};
  if (!out.keeps) out.notices.emplace_back("without --saveEngine=FILE the engine is not kept");
  for (const std::string& word : words) {
    Flag flag = split_flag(word);
    if (const Row* row = find_row(kReplaced, flag.name)) {
      return error(ErrorCode::usage, "{}: use `{}`", flag.name, row->ours);
    }
    if (flag.name == "--loadInputs" && flag.value.find(':') != std::string::npos) {
      return error(ErrorCode::usage, "--loadInputs: '{}' is NAME:FILE; give one .npz with all inputs by name",
                   flag.value);
    }
    if (contains(kNothingToDo, flag.name)) {
      out.notices.push_back(flag.name + " has nothing to do here");
      continue;
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
