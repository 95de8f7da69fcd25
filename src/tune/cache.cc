// SPDX-License-Identifier: Apache-2.0
#include "tune/cache.h"

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace mj {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxBytes = size_t{256} << 20;

Json to_json(const std::string& key, const Choice& choice) {
  Json candidates = Json::array();
  for (const Candidate& c : choice.candidates) {
    Json row = {{"row", c.row}, {"config", c.config}};
    if (c.seconds) row["seconds"] = *c.seconds;
    if (c.estimated_seconds) row["estimated_seconds"] = *c.estimated_seconds;
    if (c.modelled_joules) row["modelled_joules"] = c.modelled_joules->value;
    if (c.joules) row["joules"] = c.joules->value;
    candidates.push_back(std::move(row));
  }
  Json refused = Json::array();
  for (const Refused& r : choice.refused) refused.push_back({{"row", r.row}, {"reason", r.reason}});
  return {{"key", key},
          {"row", choice.row},
          {"version", choice.version},
          {"config", choice.config},
          {"candidates", candidates},
          {"refused", refused}};
}

std::optional<std::pair<std::string, Choice>> from_line(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return std::nullopt;
  try {
    Choice choice;
    choice.row = json.at("row");
    choice.version = json.at("version");
    choice.config = json.at("config");
    for (const Json& c : json.at("candidates")) {
      Candidate candidate;
      candidate.row = c.at("row");
      candidate.config = c.at("config");
      if (c.contains("seconds")) candidate.seconds = c.at("seconds").get<double>();
      if (c.contains("estimated_seconds")) candidate.estimated_seconds = c.at("estimated_seconds").get<double>();
      if (c.contains("modelled_joules")) candidate.modelled_joules = Joules{c.at("modelled_joules").get<double>()};
      if (c.contains("joules")) candidate.joules = Joules{c.at("joules").get<double>()};
      choice.candidates.push_back(std::move(candidate));
    }
    for (const Json& r : json.at("refused")) choice.refused.push_back({r.at("row"), r.at("reason")});
    return std::pair(json.at("key").get<std::string>(), std::move(choice));
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Result<TacticCache> TacticCache::read(const std::string& path) {
  TacticCache cache;
  if (!file_exists(path)) return cache;
  MJ_ASSIGN(const std::vector<std::byte> bytes, read_file(path, kMaxBytes));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (auto entry = from_line(text.substr(at, end - at))) cache.entries_.insert_or_assign(entry->first, entry->second);
    at = end + 1;
  }
  // Writing would replace somebody's file of another kind.
  if (cache.entries_.empty() && text.find_first_not_of(" \n") != std::string::npos) {
    return error(ErrorCode::usage, "'{}' is not a tactic cache; name another file, or delete it", path);
  }
  return cache;
}

Result<void> TacticCache::write(const std::string& path) const {
  std::string text;
  for (const auto& [key, choice] : entries_) text += to_json(key, choice).dump() + "\n";
  return write_file_atomically(path, text);
}

std::optional<Choice> TacticCache::find(const std::string& key) const {
  const auto at = entries_.find(key);
  return at == entries_.end() ? std::nullopt : std::optional(at->second);
}

void TacticCache::put(const std::string& key, const Choice& choice) { entries_.insert_or_assign(key, choice); }

}  // namespace mj
