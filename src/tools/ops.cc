// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "import/rows.h"
#include "ops/op.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {
namespace {

std::string onnx_names(const OpInfo& info) {
  std::string text;
  for (const OnnxName& name : info.onnx)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name.name, name.since);
  return text;
}

std::string fields(const OpInfo& info) {
  std::string text;
  for (const FieldInfo& field : info.fields) text += fmt::format("{}{}", text.empty() ? "" : ", ", field.name);
  return text;
}

}  // namespace

Result<int> run_ops(const OpsArgs& args) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  if (args.markdown) say(args.common, "| operator | fields | ONNX (since opset) |\n|---|---|---|");
  for (const OpInfo* info : all_ops()) {
    say(args.common, args.markdown ? fmt::format("| {} | {} | {} |", info->name, fields(*info), onnx_names(*info))
                                   : fmt::format("{:<22} {:<28} {}", info->name, onnx_names(*info), fields(*info)));
    rows.push_back(
        {{"name", info->name}, {"onnx", onnx_names(*info)}, {"fields", fields(*info)}, {"pointwise", info->pointwise}});
  }
  nlohmann::ordered_json imported = nlohmann::ordered_json::array();
  for (const OnnxName& name : onnx::irregular_names()) {
    const std::string text = fmt::format("{} ({})", name.name, name.since);
    say(args.common, args.markdown ? fmt::format("| made of these | | {} |", text)
                                   : fmt::format("{:<22} {}", "made of these", text));
    imported.push_back(text);
  }
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.ops/1"}, {"ops", rows}, {"made_of_ops", imported}}));
  return 0;
}

}  // namespace mj
