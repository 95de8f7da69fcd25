// SPDX-License-Identifier: Apache-2.0
// The engine that a verb runs.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/engine.h"
#include "tools/verbs.h"

namespace mj {

// With `gpu` asked for, anything else is an error that says what is missing.
Result<std::shared_ptr<Engine>> load_engine(const std::string& path, const LoadArgs& args, const Common& common);

// Where the time of loading went.
nlohmann::ordered_json load_json(const LoadTimes& times);
std::string load_line(const LoadTimes& times);

}  // namespace mj
