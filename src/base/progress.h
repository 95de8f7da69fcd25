// SPDX-License-Identifier: Apache-2.0
// Progress of one long task on stderr: a bar on a terminal, a plain line every 10 seconds elsewhere.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace mj {

class Progress {
 public:
  enum class Style { none, plain, bar };
  using Write = std::function<void(std::string_view)>;
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // `style`: "auto" (a bar if stderr is a terminal), "plain" or "none" (for --quiet and --json).
  Progress(std::string task, std::string_view style);
  // For tests.
  Progress(std::string task, Style style, Write write, Now now);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` in [0, 1]; `stage` says what is going on. Cheap enough to call often; from any thread.
  void update(double done, std::string_view stage);
  // Clears the bar. Nothing is shown after it.
  void finish();

 private:
  std::mutex mutex_;
  const std::string task_;
  Style style_;
  const Write write_;
  const Now now_;
  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point shown_;
  bool bar_visible_ = false;
};

}  // namespace mj
