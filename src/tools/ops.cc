// SPDX-License-Identifier: Apache-2.0
// The operators, and what computes them: docs/ops.md is this verb's Markdown.
#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "import/rows.h"
#include "ops/op.h"
#include "tools/op_support.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kHead = R"(# Operators

`millijoule ops --markdown` writes this file; a test keeps it true.

An operator runs on any target: its reference kernel takes the element types of the third column, on the host. The rows
of the last two columns are the fast ones, with the element types of typical problems that they take; what a row
refuses of other problems, `millijoule tactics MODEL` says with the reason. Floats are f64, f32, f16 and bf16, small
ones have 8 bits or fewer; integers have 8 to 64 bits, small ones fewer.

| operator | ONNX (since opset) | reference | CPU rows | CUDA rows |
|---|---|---|---|---|)";

constexpr std::string_view kMadeOf = R"(
## Made of these

ONNX operators, by domain, that importing writes as several of the above. Those of com.microsoft are what ONNX Runtime's
optimizers and exporters emit.

| domain | operators (since opset) |
|---|---|)";

// "MaxPool" is max_pool's name, though a function imports it.
bool same_name(std::string_view onnx, std::string_view ours) {
  size_t at = 0;
  for (char c : ours) {
    if (c == '_') continue;
    if (at == onnx.size() || std::tolower(static_cast<unsigned char>(onnx[at++])) != c) return false;
  }
  return at == onnx.size();
}

std::string onnx_names(const OpInfo& info) {
  std::vector<OnnxName> names(info.onnx.begin(), info.onnx.end());
  for (const OnnxName& name : onnx::irregular_names()) {
    if (same_name(name.name, info.name)) names.push_back(name);
  }
  std::stable_sort(names.begin(), names.end(), [](const OnnxName& a, const OnnxName& b) { return a.since < b.since; });
  std::string text;
  for (const OnnxName& name : names) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name.name, name.since);
  return text;
}

std::string fields(const OpInfo& info) {
  std::string text;
  for (const FieldInfo& field : info.fields) text += fmt::format("{}{}", text.empty() ? "" : ", ", field.name);
  return text;
}

std::string rows_text(const std::vector<RowSupport>& rows, std::string_view between) {
  std::string text;
  for (const RowSupport& row : rows) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : between, row.row, dtypes_text(row.dtypes));
  }
  return text;
}

std::string reference_text(const OpSupport& support) {
  if (!support.reference.empty()) return dtypes_text(support.reference);
  return support.op->boxed ? "sequences and optionals" : "any";
}

Json rows_json(const std::vector<RowSupport>& rows) {
  Json all = Json::array();
  for (const RowSupport& row : rows) {
    Json dtypes = Json::array();
    for (DType dtype : row.dtypes) dtypes.push_back(name(dtype));
    all.push_back({{"row", row.row}, {"types", dtypes}});
  }
  return all;
}

void print_operator(const OpsArgs& args, const OpSupport& support) {
  const OpInfo& info = *support.op;
  if (args.markdown) {
    say(args.common, fmt::format("| {} | {} | {} | {} | {} |", info.name, onnx_names(info), reference_text(support),
                                 rows_text(support.cpu, "; "), rows_text(support.cuda, "; ")));
    return;
  }
  say(args.common, fmt::format("{:<22} {:<28} {}", info.name, onnx_names(info), fields(info)));
  say(args.common, fmt::format("{:<22} reference: {}", "", reference_text(support)));
  if (!support.cpu.empty()) say(args.common, fmt::format("{:<22} CPU   {}", "", rows_text(support.cpu, "; ")));
  if (!support.cuda.empty()) say(args.common, fmt::format("{:<22} CUDA  {}", "", rows_text(support.cuda, "; ")));
}

// Those that are not an operator of the same name, by domain: "Attention (1), ...".
std::map<std::string, std::string> imported_by_domain() {
  std::map<std::string, std::string> domains;
  for (const OnnxName& name : onnx::irregular_names()) {
    const auto ours = all_ops();
    if (std::any_of(ours.begin(), ours.end(), [&](const OpInfo* op) { return same_name(name.name, op->name); }))
      continue;
    const size_t dot = name.name.rfind('.');
    const bool usual = dot == std::string_view::npos;
    std::string& list = domains[usual ? "ai.onnx" : std::string(name.name.substr(0, dot))];
    list +=
        fmt::format("{}{} ({})", list.empty() ? "" : ", ", usual ? name.name : name.name.substr(dot + 1), name.since);
  }
  return domains;
}

}  // namespace

Result<int> run_ops(const OpsArgs& args) {
  Json rows = Json::array();
  if (args.markdown) say(args.common, std::string(kHead));
  for (const OpSupport& support : op_support()) {
    print_operator(args, support);
    const OpInfo& info = *support.op;
    Json reference = Json::array();
    for (DType dtype : support.reference) reference.push_back(name(dtype));
    rows.push_back({{"name", info.name},
                    {"onnx", onnx_names(info)},
                    {"fields", fields(info)},
                    {"pointwise", info.pointwise},
                    {"boxed", info.boxed},
                    {"reference", reference},
                    {"cpu", rows_json(support.cpu)},
                    {"cuda", rows_json(support.cuda)}});
  }
  Json imported = Json::array();
  for (const OnnxName& name : onnx::irregular_names())
    imported.push_back(fmt::format("{} ({})", name.name, name.since));
  if (args.markdown) say(args.common, std::string(kMadeOf));
  for (const auto& [domain, names] : imported_by_domain()) {
    say(args.common, args.markdown ? fmt::format("| {} | {} |", domain, names)
                                   : fmt::format("{:<22} {}: {}", "made of these", domain, names));
  }
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.ops/2"}, {"ops", rows}, {"made_of_ops", imported}}));
  return 0;
}

}  // namespace mj
