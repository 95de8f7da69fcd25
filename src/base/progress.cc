// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace mj {
namespace {

using namespace std::chrono_literals;

constexpr auto kBarInterval = 100ms;  // faster is only flicker
constexpr auto kLineInterval = 10s;
constexpr int kBarWidth = 24;
constexpr size_t kStageWidth = 40;  // with the rest it stays within 80 columns for short task names

Progress::Style style_of(std::string_view text) {
  if (text == "none") return Progress::Style::none;
  return text == "auto" && isatty(STDERR_FILENO) ? Progress::Style::bar : Progress::Style::plain;
}

void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

Progress::Progress(std::string task, std::string_view style)
    : Progress(std::move(task), style_of(style), write_stderr, [] { return std::chrono::steady_clock::now(); }) {}

Progress::Progress(std::string task, Style style, Write write, Now now)
    : task_(std::move(task)),
      style_(style),
      write_(std::move(write)),
      now_(std::move(now)),
      start_(now_()),
      shown_(start_) {}

void Progress::update(double done, std::string_view stage) {
  std::lock_guard lock(mutex_);
  if (style_ == Style::none) return;
  const auto now = now_();
  if (now - shown_ < (style_ == Style::bar ? std::chrono::nanoseconds(kBarInterval) : kLineInterval)) return;
  shown_ = now;
  done = std::isfinite(done) ? std::clamp(done, 0.0, 1.0) : 0.0;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string percent = fmt::format("{:3.0f}%", 100 * done);
  if (style_ == Style::plain) return write_(fmt::format("{}: {} after {:.0f} s, {}\n", task_, percent, seconds, stage));
  const int filled = static_cast<int>(done * kBarWidth);
  // Return, text, erase to the end of the line.
  write_(fmt::format("\r{} [{}{}] {} {:.0f}s {}\x1b[K", task_, std::string(static_cast<size_t>(filled), '#'),
                     std::string(static_cast<size_t>(kBarWidth - filled), '.'), percent, seconds,
                     stage.substr(0, kStageWidth)));
  bar_visible_ = true;
}

void Progress::finish() {
  std::lock_guard lock(mutex_);
  if (bar_visible_) write_("\r\x1b[K");
  bar_visible_ = false;
  style_ = Style::none;
}

}  // namespace mj
