// SPDX-License-Identifier: Apache-2.0
#include "tools/op_support.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "engine/build/lower.h"
#include "ir/graph.h"
#include "kernels/select.h"

namespace mj {
namespace {

struct ProbeText {
  std::string_view inputs, node;
};

constexpr ProbeText kProbes[] = {
#define MJ_PROBE(inputs, node) {inputs, node},
#include "tools/op_probes.inc"
#undef MJ_PROBE
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// With `to` for each `from` that is a word of its own.
std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const bool begins = at == 0 || !is_word(text[at - 1]);
    const bool ends = at + from.size() >= text.size() || !is_word(text[at + from.size()]);
    if (begins && ends && text.substr(at).starts_with(from)) {
      out += to;
      at += from.size();
    } else {
      out += text[at++];
    }
  }
  return out;
}

// The problem that a probe is for this operator and element type; nothing where it is none.
std::optional<Problem> problem_of_probe(const ProbeText& probe, const OpInfo& op, DType dtype) {
  std::string node = replaced(probe.node, "OP", op.name);
  if (node == probe.node && !node.starts_with(fmt::format("{}(", op.name)) &&
      node.find(fmt::format(" {}(", op.name)) == std::string::npos) {
    return std::nullopt;
  }
  const std::string given = fmt::format("graph ({}) {{ %out", probe.inputs);
  const std::string text = replaced(fmt::format("{} = {}; return %out }}", given, node), "T", name(dtype));
  const bool varies = text != fmt::format("{} = {}; return %out }}", given, node);
  if (!varies && dtype != DType::i64) return std::nullopt;  // what it has are sizes
  Result<Graph> graph = parse_graph(text);
  for (std::string_view outputs : {"%out, %second =", "%out, %second, %third ="}) {
    if (!graph.ok()) graph = parse_graph(std::string(text).replace(text.find("%out ="), 6, outputs));
  }
  if (!graph.ok() || graph->order().size() != 1) return std::nullopt;
  const Node& parsed = graph->node(graph->order()[0]);
  Problem problem = mj::problem_of(*graph, parsed);
  for (size_t i = 0; i < parsed.inputs.size(); ++i) {
    if (parsed.inputs[i] != kAbsent) problem.inputs[i].constant = graph->value(parsed.inputs[i]).name.starts_with("w");
  }
  return problem;
}

constexpr std::optional<DType> kProducts[] = {std::nullopt, DType::f16, DType::bf16};

void ask(Problem problem, const Target& target, DType dtype, std::vector<RowSupport>& rows) {
  for (const std::optional<DType>& products : kProducts) {
    problem.products = products;
    for (const SelectRow* row : rows_for(problem, target)) {
      if (row->family == "any" || (row->generate != nullptr) != target.gpu.has_value()) continue;
      if (row->refuses(problem, target)) continue;
      auto at = std::find_if(rows.begin(), rows.end(), [&](const RowSupport& r) { return r.row == row->name; });
      if (at == rows.end()) at = rows.insert(rows.end(), {row->name, {}});
      if (std::find(at->dtypes.begin(), at->dtypes.end(), dtype) == at->dtypes.end()) at->dtypes.push_back(dtype);
    }
  }
}

void sort_as_registered(std::vector<RowSupport>& rows) {
  const auto place = [](const RowSupport& r) {
    const auto all = all_select_rows();
    return std::find_if(all.begin(), all.end(), [&](const SelectRow* row) { return row->name == r.row; }) - all.begin();
  };
  std::sort(rows.begin(), rows.end(), [&](const RowSupport& a, const RowSupport& b) { return place(a) < place(b); });
}

}  // namespace

std::vector<OpSupport> op_support() {
  Target cpu;
  cpu.isa = Isa::avx512;
  cpu.avx512_bf16 = cpu.amx_bf16 = true;
  cpu.onednn = "3.0";
  Target cuda = cpu;
  cuda.gpu.emplace();
  std::vector<OpSupport> all;
  for (const OpInfo* op : all_ops()) {
    OpSupport& support = all.emplace_back();
    support.op = op;
    for (int number = 1; number < kDTypeCount; ++number) {
      const auto dtype = static_cast<DType>(number);
      bool taken = false;
      for (const ProbeText& probe : kProbes) {
        const std::optional<Problem> problem = problem_of_probe(probe, *op, dtype);
        if (!problem) continue;
        taken = true;
        ask(*problem, cpu, dtype, support.cpu);
        ask(*problem, cuda, dtype, support.cuda);
      }
      if (taken) support.reference.push_back(dtype);
    }
    sort_as_registered(support.cpu);
    sort_as_registered(support.cuda);
  }
  return all;
}

std::string dtypes_text(const std::vector<DType>& dtypes) {
  struct Kind {
    std::string_view word;
    std::vector<DType> members;
  };
  static const std::vector<Kind> kKinds = [] {
    std::vector<Kind> kinds{{"floats", {}}, {"integers", {}}, {"small floats", {}}, {"small integers", {}}};
    for (int number = 1; number < kDTypeCount; ++number) {
      const auto dtype = static_cast<DType>(number);
      if (dtype == DType::string || dtype == DType::boolean) continue;
      const bool small = bits(dtype) < 8 || (!is_integer(dtype) && bits(dtype) == 8);
      kinds[(small ? 2 : 0) + (is_integer(dtype) ? 1 : 0)].members.push_back(dtype);
    }
    return kinds;
  }();
  std::string text;
  std::vector<DType> left = dtypes;
  for (const Kind& kind : kKinds) {
    const auto there = [&](DType d) { return std::find(left.begin(), left.end(), d) != left.end(); };
    if (!std::all_of(kind.members.begin(), kind.members.end(), there)) continue;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", kind.word);
    std::erase_if(
        left, [&](DType d) { return std::find(kind.members.begin(), kind.members.end(), d) != kind.members.end(); });
  }
  for (DType dtype : left) text += fmt::format("{}{}", text.empty() ? "" : ", ", name(dtype));
  return text;
}

}  // namespace mj
