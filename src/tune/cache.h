// SPDX-License-Identifier: Apache-2.0
// Tactic cache: what was measured before, as JSON lines that can be diffed and merged. A line that is no longer
// understood is a miss, never an error.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "problem/choice.h"

namespace mj {

class TacticCache {
 public:
  TacticCache() = default;
  // A file that does not exist is an empty cache.
  static Result<TacticCache> read(const std::string& path);
  // Lines sorted by key, so that equal caches are equal files.
  Result<void> write(const std::string& path) const;

  std::optional<Choice> find(const std::string& key) const;
  void put(const std::string& key, const Choice& choice);
  size_t size() const { return entries_.size(); }

 private:
  std::map<std::string, Choice> entries_;
};

}  // namespace mj
