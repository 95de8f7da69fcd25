// SPDX-License-Identifier: Apache-2.0
#include "engine/format/inspect.h"

#include <nlohmann/json.hpp>

#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {

Result<int> run_inspect(const InspectArgs& args) {
  MJ_ASSIGN(const LoadedEngine engine, read_engine(args.engine));
  std::string text = inspect_text(engine, {.steps = args.steps});
  text.pop_back();  // say() ends the line
  say(args.common, text);
  MJ_TRY(write_json(args.common, inspect_json(engine)));
  return 0;
}

}  // namespace mj
