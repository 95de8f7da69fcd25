// SPDX-License-Identifier: Apache-2.0
// Regular expressions of RE2's syntax, matched in time linear in the text: no text or pattern makes it explode.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mj {

class Regex {
 public:
  // Left out of RE2's syntax, by a named error: Unicode classes (\p{Greek}, \C).
  static Result<Regex> parse(std::string_view pattern);
  // Is the whole text matched? Bytes that are no UTF-8 stand for themselves.
  bool matches(std::string_view text) const;

  struct Range {
    uint32_t first, last;
  };
  enum class Code : uint8_t { among, split, jump, line_start, line_end, text_start, text_end, word, no_word, match };
  struct Instruction {
    Code code;
    std::vector<Range> ranges = {};  // of `among`
    size_t next = 0, other = 0;      // targets of jump and split
  };

 private:
  std::vector<Instruction> program_;
};

}  // namespace mj
