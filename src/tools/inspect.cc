// SPDX-License-Identifier: Apache-2.0
#include "engine/format/inspect.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/engine.h"
#include "tools/inputs.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {
namespace {

struct MemoryRow {
  std::string profile, at;  // at: "opt", "max", "shapes"; both empty where every shape is fixed
  int64_t arena_bytes, largest_live_bytes, rows_alone;
};

using InputDims = std::vector<std::vector<int64_t>>;

Result<MemoryRow> memory_at(const Program& program, const InputDims& dims, int threads) {
  MJ_ASSIGN(const Schedule schedule,
            make_schedule(program, dims, {}, {.reuse_memory = true, .threads = threads, .memory_limit = 0}));
  return MemoryRow{"", "", schedule.arena_bytes, schedule.largest_live_bytes, schedule.alone};
}

// The arena for inputs of these sizes; nothing where they leave a dim open or do not suit the model.
std::optional<MemoryRow> memory_at(const Program& program, const Bindings& sizes, int threads) {
  InputDims dims;
  for (int id : program.plan().inputs) {
    const PlanTensor& input = program.plan().tensors[static_cast<size_t>(id)];
    dims.emplace_back();
    if (!input.type().is_tensor()) continue;
    if (!input.shape) return std::nullopt;
    Result<std::vector<int64_t>> known = evaluate(*input.shape, sizes);
    if (!known.ok()) return std::nullopt;
    dims.back() = std::move(known).value();
  }
  Result<MemoryRow> row = memory_at(program, dims, threads);
  return row.ok() ? std::optional(std::move(row).value()) : std::nullopt;
}

// Of the target that this machine would run; nothing where it runs none. `dims` are the user's, or empty: then at the
// sizes of the profiles.
Result<std::vector<MemoryRow>> memory_rows(const LoadedEngine& engine, const InputDims& dims, int threads) {
  std::vector<MemoryRow> rows;
  const Result<size_t> target = pick_target(engine.manifest, detect_isa());
  if (!target.ok()) return rows;
  const std::shared_ptr<const Plan> plan(&engine.manifest.targets[*target].plan, [](const Plan*) {});
  const Result<std::shared_ptr<const Program>> program = Program::make(plan, detect_isa());
  if (!program.ok()) return rows;
  if (!dims.empty()) {
    MJ_ASSIGN(MemoryRow row, memory_at(**program, dims, threads));
    row.at = "shapes";
    return std::vector{std::move(row)};
  }
  const auto add = [&](const std::string& profile, const std::string& at, const Bindings& sizes) {
    std::optional<MemoryRow> row = memory_at(**program, sizes, threads);
    if (!row) return;
    row->profile = profile;
    row->at = at;
    rows.push_back(std::move(*row));
  };
  add("", "", {});
  for (const Profile& profile : rows.empty() ? engine.manifest.profiles : std::vector<Profile>{}) {
    Bindings opt, max;
    for (const SymbolRange& range : profile.symbols) {
      opt[range.symbol] = range.opt;
      max[range.symbol] = range.max;
    }
    add(profile.name, "opt", opt);
    add(profile.name, "max", max);
  }
  return rows;
}

// Whether a run of these shapes is refused.
bool outside_profiles(const Manifest& manifest, const InputDims& dims) {
  Bindings symbols;
  for (size_t i = 0; i < dims.size(); ++i) {
    const Type& type = manifest.inputs[i].type;
    if (type.is_tensor() && type.shape && !bind_shape(*type.shape, dims[i], "", symbols).ok()) return true;
  }
  const auto inside = [&](const Profile& profile) {
    return std::all_of(profile.symbols.begin(), profile.symbols.end(), [&](const SymbolRange& range) {
      const auto at = symbols.find(range.symbol);
      return at == symbols.end() || (at->second >= range.min && at->second <= range.max);
    });
  };
  return !manifest.profiles.empty() && std::none_of(manifest.profiles.begin(), manifest.profiles.end(), inside);
}

}  // namespace

Result<int> run_inspect(const InspectArgs& args) {
  MJ_ASSIGN(const ReadOptions options, read_options(args.trusted_key));
  MJ_ASSIGN(const LoadedEngine engine, read_engine(args.engine, options));
  std::string text = inspect_text(engine, {.steps = args.steps});
  text.pop_back();  // say() ends the line
  say(args.common, text);
  const int threads = threads_of(args.common);
  nlohmann::ordered_json memory = nlohmann::ordered_json::array();
  InputDims dims;
  if (!args.shapes.empty() || args.batch > 0) {
    MJ_ASSIGN(const std::vector<Tensor> inputs, inputs_of(engine.manifest, {"", args.shapes, args.batch}, 1));
    for (const Tensor& input : inputs) dims.push_back(input.dims());
  }
  MJ_ASSIGN(const std::vector<MemoryRow> rows, memory_rows(engine, dims, threads));
  for (const MemoryRow& row : rows) {
    nlohmann::ordered_json json = {{"threads", threads},
                                   {"arena_bytes", row.arena_bytes},
                                   {"largest_live_bytes", row.largest_live_bytes},
                                   {"rows_alone", row.rows_alone}};
    std::string where;
    if (!row.at.empty()) json["at"] = row.at;
    if (!row.profile.empty()) {
      json["profile"] = printable(row.profile);
      where = fmt::format(" at {} of profile '{}'", row.at, printable(row.profile));
    }
    if (row.at == "shapes" && outside_profiles(engine.manifest, dims)) {
      json["outside_profiles"] = true;
      where = " at these shapes, which lie outside every profile: a run refuses them";
    }
    const std::string alone = row.rows_alone > 0 ? fmt::format(", {} rows by one thread each", row.rows_alone) : "";
    say(args.common, fmt::format("{:<12}{:.1f} MiB of activations{}, {} threads (largest live set {:.1f} MiB){}",
                                 "memory", static_cast<double>(row.arena_bytes) / 0x1p20, where, threads,
                                 static_cast<double>(row.largest_live_bytes) / 0x1p20, alone));
    memory.push_back(std::move(json));
  }
  nlohmann::ordered_json json = inspect_json(engine);
  json["memory"] = std::move(memory);
  MJ_TRY(write_json(args.common, json));
  return 0;
}

}  // namespace mj
