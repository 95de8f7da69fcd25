// SPDX-License-Identifier: Apache-2.0
// Kernels that work on lines of the step's input 0: reductions, softmax, normalizations. A line is a run of elements
// that belong together. Its threads stand side by side along it where its elements are neighbours in memory; where it
// is the lines that are neighbours, a warp takes 32 of them. Either way neighbouring threads touch neighbouring
// elements.
#pragma once

#include <array>
#include <span>
#include <string>

#include "kernels/cuda/kernel_text.h"

namespace mj {

// An operand besides the line: `name` is its element at `at`, an expression of `l` and `i`.
struct LineOperand {
  enum class Lies { anywhere, as_neighbours, in_one };  // under neighbours of the line that are read at once

  std::string name;
  size_t input = 0;
  std::string at;
  Lies lies = Lies::anywhere;
};

class LineText {
 public:
  // `count` lines of `length` elements; `across`: neighbouring lines are neighbours in memory. A thread may keep up to
  // `most_held` elements in registers; where a line is longer, or nobody knows, each pass reads it again. It reads
  // `width` elements at once (see line_width()), which are neighbours in memory.
  LineText(KernelText& kernel, const Dim& count, const Dim& length, bool across, int most_held, int width = 1);

  // Declares `line`, and `lane`, the thread's place among those of the line.
  void begin();
  // To be said after begin(): where element `l` of the line lies in input 0 (an expression of `l`, `line` and what the
  // kernel declared since). Elements that are held are read here.
  void elements(std::string_view maths, const std::string& place);

  // Declares `name`, of the type of elements(): `term`, an expression of x, over all elements of the line by `combine`
  // ("Sum", "Max", ...), beginning with `neutral`. All threads of the line have it.
  void reduce(const std::string& name, const std::string& combine, const std::string& neutral, const std::string& term);
  // The results: `value`, an expression of an element x of the line and of operands, at its place.
  void store(const std::string& value, std::span<const LineOperand> operands = {});
  // Lines of text for one thread of the line.
  void once(const std::string& lines);

  Generated finish();

 private:
  // Over what a thread reads at once: declares `l` and `i`, number and place of the first, if they are asked for.
  void begin_loop(bool places);
  std::string read_text(const std::string& array);  // fills an array with what stands at `i`
  bool ragged() const;                              // may a thread have fewer elements than others?
  std::string length() const { return several_rows_ ? "length" : kernel_.size(length_); }
  std::string number_text() const;  // of the first element of read k

  KernelText& kernel_;
  const Dim count_, length_;
  const bool across_;
  const int width_;
  int lanes_ = 1;  // threads of a line
  int lines_a_block_ = 1;
  int held_ = 0;               // reads of a thread that are kept; 0: none
  bool several_rows_ = false;  // lines across, shared by the warps of a block: all threads must reach its barriers
  std::string maths_, place_;
};

// How many elements a thread reads at once of lines whose runs of neighbours in memory are of length `run`, and begin
// at multiples of it.
int line_width(DType dtype, const Dim& run);

}  // namespace mj
