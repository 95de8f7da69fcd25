// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/stage_text.h"

#include <algorithm>

#include "kernels/cuda/vector_text.h"

namespace mj {
namespace {

// The permutation of chunks of 16 bytes in row `k` of a tile that has neighbouring lines as neighbours.
std::string turned(int lines, std::string_view k) {
  if (lines >= 64) return fmt::format("({} & 7)", k);
  return lines == 32 ? fmt::format("({} >> 1 & 3)", k) : fmt::format("({} >> 2 & 1)", k);
}

}  // namespace

Side operand_side(std::string_view name, const Dim& all, int lines, int threads, KernelText& kernel,
                  const MmaOperandTexts& texts) {
  const bool rows = name == "a";
  Side side{std::string(name), rows ? "row0" : "column0", rows ? "rows" : "columns", lines, threads, texts(kernel, 1)};
  side.operand = texts(kernel, std::max(1, side.loads()));
  side.whole_lines = is_multiple(all, lines);
  return side;
}

std::string place_text(const Side& s) {
  if (s.operand.along_depth) return "line_in * 64 + ((k_in >> 3 ^ line_in & 7) << 3) + (k_in & 7)";
  return fmt::format("k_in * {} + ((line_in >> 3 ^ {}) << 3) + (line_in & 7)", s.lines, turned(s.lines, "k_in"));
}

void write_load(KernelText& kernel, const Side& s) {
  const MmaOperand& x = s.operand;
  const int width = x.width, along = x.along_depth ? kStageDepth / width : s.lines / width;
  if (!x.declarations.empty()) kernel.text(x.declarations);
  const bool whole = s.lines * kStageDepth / width % s.threads == 0;  // otherwise the last threads have nothing to load
  const int loads = whole ? s.loads() : s.loads() + 1;
  if (!x.setup.empty()) {
    kernel.line("#pragma unroll");
    kernel.line("for (int i = 0; i < {}; ++i) {{", loads);
    kernel.line("  const int line = {} + thread / {} + i * {};", s.line0, along, s.threads / along);
    kernel.text(x.setup);
    kernel.line("}}");
  }
  kernel.line("const auto load_{} = [&](int slot, int k0) {{", s.name);
  kernel.line("  unsigned short* const tile = {}_tiles + slot * kStage;", s.name);
  if (x.along_depth) {
    kernel.line("  const int k_in = thread % {}{}, k = k0 + k_in;", along,
                width > 1 ? fmt::format(" * {}", width) : "");
    kernel.text(x.at_k);
  }
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", loads);
  if (!whole) kernel.line("    if (thread + i * {} >= {}) break;", s.threads, s.lines * kStageDepth / width);
  if (x.along_depth) {
    kernel.line("    const int line_in = thread / {} + i * {}, line = {} + line_in;", along, s.threads / along,
                s.line0);
  } else {
    kernel.line("    const int at = thread + i * {};", s.threads);
    kernel.line("    const int line_in = at % {} * {}, line = {} + line_in, k_in = at / {}, k = k0 + k_in;", along,
                width, s.line0, along);
  }
  kernel.text(x.lines);
  std::string valid = x.inside;
  const auto also = [&](const std::string& condition) {
    valid = valid.empty() ? condition : fmt::format("{} && ({})", condition, valid);
  };
  if (!s.whole_depth) also("k < k_end");
  if (!s.whole_lines) also("line < " + s.lines_all);
  kernel.line("    const bool valid = {};", valid.empty() ? "true" : valid);
  kernel.line("    unsigned short* const to = tile + {};", place_text(s));
  if (width == 1) {
    kernel.line("    *to = valid ? {}[{}] : 0;", x.pointer, x.index);
  } else {
    kernel.line("    copy_async<{}>(to, {} + {}, valid);  // nothing is read if not valid", width * 2, x.pointer,
                x.index);
  }
  kernel.line("  }}");
  kernel.line("}};");
}

}  // namespace mj
