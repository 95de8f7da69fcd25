// SPDX-License-Identifier: Apache-2.0
// Into what each node of a model was fused, and why not into more.
#include "compile/explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/isa.h"
#include "engine/format/inspect.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostShown = 3;  // of the nodes that share a step; JSON has all

void show(const Common& common, const Explanation& e) {
  say(common, printable(e.node));
  if (e.parts.empty()) say(common, "    no step: known when compiled, cancelled out, or needed by nobody");
  for (const PartOf& part : e.parts) {
    std::string with;
    for (size_t i = 0; i < std::min(kMostShown, part.with.size()); ++i)
      with += (i ? ", " : "  with ") + printable(part.with[i]);
    if (part.with.size() > kMostShown) with += fmt::format(" and {} more", part.with.size() - kMostShown);
    say(common, fmt::format("    {}{}", part.step, with));
  }
  for (const WhyNot& why : e.why_not) say(common, fmt::format("    no {}: {}", why.pass, why.reason));
}

Json as_json(const Explanation& e) {
  Json parts = Json::array(), why_not = Json::array();
  for (const PartOf& part : e.parts) {
    Json with = Json::array();
    for (const std::string& other : part.with) with.push_back(printable(other));
    parts.push_back({{"step", part.step}, {"with", with}});
  }
  for (const WhyNot& why : e.why_not) why_not.push_back({{"pass", why.pass}, {"reason", why.reason}});
  return {{"node", printable(e.node)}, {"parts", parts}, {"why_not", why_not}};
}

}  // namespace

Result<int> run_explain(const ExplainArgs& args) {
  MJ_ASSIGN(const Model model, import_onnx(args.model, {.limits = {}, .fallback = nodes_of(args.fallback)}));
  Target target;
  target.isa = detect_isa();
  target.threads = threads_of(args.common);
  MJ_ASSIGN(const std::vector<Explanation> all, explain(model, target));
  Json nodes = Json::array();
  for (const Explanation& e : all) {
    if (e.node.find(args.node) == std::string::npos) continue;
    show(args.common, e);
    nodes.push_back(as_json(e));
  }
  if (nodes.empty() && !args.node.empty())
    return error(ErrorCode::usage, "{}: no node has '{}' in its name", args.model, args.node);
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.explain/1"}, {"nodes", nodes}}));
  return 0;
}

}  // namespace mj
