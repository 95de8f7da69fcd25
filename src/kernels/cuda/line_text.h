// SPDX-License-Identifier: Apache-2.0
// Kernels that work on lines: reductions, softmax, normalizations. A line is a run of elements that belong together.
// Its threads stand side by side along it where its elements are neighbours in memory; where it is the lines that are
// neighbours, a warp takes 32 of them. Either way neighbouring threads touch neighbouring elements.
#pragma once

#include <array>
#include <functional>
#include <string>

#include "kernels/cuda/kernel_text.h"

namespace mj {

class LineText {
 public:
  // `count` lines of `length` elements; `across`: neighbouring lines are neighbours in memory. A thread may keep up to
  // `most_held` elements in registers; where a line is longer, or nobody knows, each pass reads it again.
  LineText(KernelText& kernel, const Dim& count, const Dim& length, bool across, int most_held);

  // Declares `line`, and `lane`, the thread's place among those of the line.
  void begin();
  // To be said after begin(): where element `l` of the line lies, and what it is (expressions of `l`, `line` and what
  // the kernel declared since; `value` may also use `i`, the place). Elements that are held are read here.
  void elements(std::string_view maths, const std::string& place, const std::string& value);

  // Lines of text for each element x of the line, which stands at `i` and is number `l`.
  void each(const std::string& lines);
  // Declares `name`, of the type of elements(): `term`, an expression of x, over all elements of the line by `combine`
  // ("Sum", "Max", ...), beginning with `neutral`. All threads of the line have it.
  void reduce(const std::string& name, const std::string& combine, const std::string& neutral, const std::string& term);
  // Lines of text for one thread of the line.
  void once(const std::string& lines);

  Generated finish();

 private:
  void loop(const std::string& lines, bool places);
  bool ragged() const;  // may a thread have fewer elements than others?
  std::string length() const { return several_rows_ ? "length" : kernel_.size(length_); }

  KernelText& kernel_;
  const Dim count_, length_;
  const bool across_;
  int lanes_ = 1;  // threads of a line
  int lines_a_block_ = 1;
  int held_ = 0;               // elements of a thread; 0: none
  bool several_rows_ = false;  // lines across, shared by the warps of a block: all threads must reach its barriers
  std::string maths_, place_, value_;
};

}  // namespace mj
