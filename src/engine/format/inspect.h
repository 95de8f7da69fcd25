// SPDX-License-Identifier: Apache-2.0
// What an engine says of itself, without running it and without its device.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/format/engine_file.h"

namespace mj {

struct InspectOptions {
  bool steps = false;  // text: every step with its kernel, runners-up and refusals; the JSON always has them
};

// Several lines. Names come from the file: what does not print stands as '?'.
std::string inspect_text(const LoadedEngine& engine, const InspectOptions& options = {});
// Schema "millijoule.inspect/1".
nlohmann::ordered_json inspect_json(const LoadedEngine& engine);

// The text with everything that is not printable UTF-8 replaced by '?': safe for a terminal and for JSON.
std::string printable(std::string_view text);

// Facts that both forms share.
std::string section_name(const LoadedEngine& engine, const Section& section);  // "manifest", "weights cpu-avx2"
int64_t constant_bytes(const Plan& plan);  // of its constants and packed weights, branches included

}  // namespace mj
