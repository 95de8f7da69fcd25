// SPDX-License-Identifier: Apache-2.0
#include "ops/window.h"

#include <fmt/format.h>

#include <algorithm>

namespace mj {
namespace {

int64_t item(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return i < list.size() ? list[i] : otherwise;
}

Result<void> check_list(const InferContext& context, std::string_view what, const std::vector<int64_t>& list,
                        size_t want, int64_t least) {
  if (!list.empty() && list.size() != want) {
    return context.fail(fmt::format("{} needs {} numbers, got [{}]", what, want, fmt::join(list, ", ")));
  }
  constexpr int64_t kMost = int64_t{1} << 31;  // keeps every product of two within 64 bits
  for (int64_t x : list) {
    if (x < least || x > kMost) return context.fail(fmt::format("{} must be {} or more, got {}", what, least, x));
  }
  return {};
}

bool same(const WindowFields& fields) { return fields.auto_pad.starts_with("SAME"); }

int64_t padding(const WindowFields& fields, size_t i) {
  return fields.auto_pad == "VALID" ? 0 : item(fields.pads, i, 0);
}

// What the first window leaves of padded dim i.
Dim room(const WindowFields& fields, const Shape& in, const Shape& kernel, size_t i) {
  return in[i] + padding(fields, i) + padding(fields, in.size() + i) - (kernel[i] - 1) * item(fields.dilations, i, 1) -
         1;
}

}  // namespace

Result<void> check_window(const InferContext& context, const WindowFields& fields, size_t spatial) {
  if (spatial < 1 || spatial > 3) {
    return context.fail(fmt::format("takes 1 to 3 spatial dimensions, got {}", to_string(context[0].type)));
  }
  MJ_TRY(check_list(context, "strides", fields.strides, spatial, 1));
  MJ_TRY(check_list(context, "dilations", fields.dilations, spatial, 1));
  MJ_TRY(check_list(context, "pads", fields.pads, 2 * spatial, 0));
  for (std::string_view known : {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}) {
    if (fields.auto_pad == known) return {};
  }
  return context.fail(
      fmt::format("auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, got '{}'", fields.auto_pad));
}

Result<void> check_window_fits(const InferContext& context, const WindowFields& fields, const Shape& in,
                               const Shape& kernel) {
  if (same(fields)) return {};
  for (size_t i = 0; i < in.size(); ++i) {
    const std::optional<int64_t> length = in[i].constant(), taps = kernel[i].constant();
    if (!length || !taps || *length == 0) continue;
    const Dim padded = in[i] + padding(fields, i) + padding(fields, in.size() + i);
    const Dim window = (kernel[i] - 1) * item(fields.dilations, i, 1) + 1;
    if (less_equal(window, padded) != Tri::no) continue;
    return context.fail(fmt::format("spatial dim {}: a window over {} does not fit {}, padding included", i,
                                    to_string(window), to_string(padded)));
  }
  return {};
}

Shape window_output(const WindowFields& fields, const Shape& in, const Shape& kernel) {
  Shape out;
  for (size_t i = 0; i < in.size(); ++i) {
    const int64_t stride = item(fields.strides, i, 1);
    out.push_back(same(fields) ? ceil_div(in[i], stride) : max(floor_div(room(fields, in, kernel, i), stride) + 1, 0));
  }
  return out;
}

Shape pooled_output(const WindowFields& fields, const Shape& in, const Shape& kernel, bool ceil_mode) {
  Shape out = window_output(fields, in, kernel);
  for (size_t i = 0; i < in.size() && !same(fields); ++i) {
    const int64_t stride = item(fields.strides, i, 1), begin = padding(fields, i);
    const Dim left = room(fields, in, kernel, i);
    if (ceil_mode) {
      // A window that starts in the padding behind the data does not count.
      out[i] = max(min(ceil_div(left, stride) + 1, floor_div(in[i] + begin - 1, stride) + 1), 0);
      continue;
    }
    // left = in - fits; from `least` on, the first window sticks out by less than a stride. Dims without such a length
    // above 0 keep their plain formula.
    const std::optional<int64_t> fits = (in[i] - left).constant();
    if (!fits || *fits <= 1) continue;
    const int64_t least = std::max<int64_t>(*fits - stride + 1, 1);
    out[i] = max(out[i], min(in[i] - least + 1, 1));
  }
  return out;
}

Window Window::of(const WindowFields& fields, std::span<const int64_t> in, std::span<const int64_t> kernel,
                  std::span<const int64_t> out) {
  Window w{};
  const size_t spatial = in.size();
  for (size_t d = 0; d < 3; ++d) {
    w.in[d] = w.kernel[d] = w.stride[d] = w.dilation[d] = w.out[d] = 1;
    if (d + spatial < 3) continue;
    const size_t i = d + spatial - 3;
    w.in[d] = in[i];
    w.kernel[d] = kernel[i];
    w.out[d] = out[i];
    w.stride[d] = item(fields.strides, i, 1);
    w.dilation[d] = item(fields.dilations, i, 1);
    if (same(fields)) {
      const int64_t need =
          std::max<int64_t>((w.out[d] - 1) * w.stride[d] + (w.kernel[d] - 1) * w.dilation[d] + 1 - w.in[d], 0);
      w.begin[d] = fields.auto_pad == "SAME_LOWER" ? need - need / 2 : need / 2;
      w.end[d] = need - w.begin[d];
    } else if (fields.auto_pad == "NOTSET") {
      w.begin[d] = item(fields.pads, i, 0);
      w.end[d] = item(fields.pads, spatial + i, 0);
    }
  }
  return w;
}

}  // namespace mj
