// SPDX-License-Identifier: Apache-2.0
// Where a verb's report goes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "engine/format/engine_file.h"
#include "tools/verbs.h"

namespace mj {

// Prints to stdout, or to stderr when the JSON goes to stdout; nothing if quiet.
void say(const Common& common, const std::string& line);
// Before the work: whether a file of this name can be written at its end. Fine where there is no name.
Result<void> check_destination(const std::string& path);
// Writes the report where --json says, if it says so.
Result<void> write_json(const Common& common, const nlohmann::ordered_json& json);
// Machine, instruction set, threads, version: the head of every report.
nlohmann::ordered_json environment(int threads);
int threads_of(const Common& common);
// The oneDNN module, as far as this process has used it: null where it did not.
nlohmann::ordered_json onednn_json();
// The same as a line, if it was used.
void say_onednn(const Common& common);

// What follows "ort:" in each --fallback.
std::vector<std::string> nodes_of(const std::vector<std::string>& fallback);

// The signature policy of --trusted-key PATH; none where it is empty.
Result<ReadOptions> read_options(const std::string& trusted_key);

}  // namespace mj
