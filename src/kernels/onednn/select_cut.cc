// SPDX-License-Identifier: Apache-2.0
#include "kernels/onednn/select_cut.h"

#include <algorithm>

#include "kernels/onednn/run_sliced.h"

namespace mj::onednn {
namespace {

// A flat slice beyond this many rows drives its own result out of L2; below the lesser, weights are read too often.
constexpr int64_t kMostFlatRows = 128, kLeastFlatRows = 12;
// Blocks of channels in the library's layouts.
constexpr int64_t kChannels = 16;

}  // namespace

std::vector<std::string> cuts(std::optional<int64_t> height, int64_t outputs, int threads, bool flat) {
  std::vector<std::string> found;
  const auto add = [&](Cut cut) {
    const std::string text = to_string(cut);
    if (std::find(found.begin(), found.end(), text) == found.end()) found.push_back(text);
  };
  if (!height || *height < 1) {
    for (int64_t rows : flat ? std::vector<int64_t>{16, 32, 64} : std::vector<int64_t>{4, 16}) add({rows, 1});
    return found;
  }
  // Each thread one slice, two, four and eight.
  for (int64_t pieces = threads; pieces <= 8 * threads; pieces *= 2) {
    int64_t rows = (*height + pieces - 1) / pieces;
    if (flat) rows = std::clamp(rows, std::min(*height, kLeastFlatRows), kMostFlatRows);
    add({rows, 1});
  }
  // Few rows leave ragged slices: then each thread takes a part of the channels.
  constexpr int64_t kFewFlatRows = 256, kFewRows = 16;
  if (threads > 1 && outputs && outputs % (threads * kChannels) == 0 && *height <= (flat ? kFewFlatRows : kFewRows)) {
    add({flat ? std::min(*height, kMostFlatRows) : *height, threads});
  }
  return found;
}

Refusal refuses_target(const Target& target) {
  if (target.onednn.empty()) return "there is no oneDNN module (millijoule doctor says why)";
  return std::nullopt;
}

}  // namespace mj::onednn
