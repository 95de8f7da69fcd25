// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>

#include "base/checked.h"
#include "base/knobs.h"

namespace mj {
namespace {

LogLevel lowest_by_knob() {
  return parse_int64(knob(Knob::debug).value_or("0")).value_or(0) > 0 ? LogLevel::debug : LogLevel::error;
}

std::atomic<LogLevel>& current_level() {
  static std::atomic<LogLevel> level{std::max(LogLevel::warning, lowest_by_knob())};
  return level;
}

struct Sink {
  std::mutex mutex;
  LogSink function;
};
Sink& sink() {
  static Sink* sink = new Sink;  // never destroyed: threads may log while the process ends
  return *sink;
}

}  // namespace

std::string_view name(LogLevel level) {
  constexpr std::string_view kNames[] = {"error", "warning", "info", "debug"};
  return kNames[static_cast<size_t>(level)];
}

void set_log_level(LogLevel level) { current_level() = level; }

void set_log_verbosity(int verbosity) {
  const int level = std::clamp(static_cast<int>(LogLevel::warning) + verbosity, 0, static_cast<int>(LogLevel::debug));
  set_log_level(std::max(static_cast<LogLevel>(level), lowest_by_knob()));
}

bool log_enabled(LogLevel level) { return level <= current_level().load(std::memory_order_relaxed); }

void set_log_sink(LogSink function) {
  std::lock_guard lock(sink().mutex);
  sink().function = std::move(function);
}

void log_message(LogLevel level, fmt::string_view format, fmt::format_args args) {
  const std::string message = fmt::vformat(format, args);
  std::lock_guard lock(sink().mutex);
  if (sink().function) return sink().function(level, message);
  const std::string line = fmt::format("{}: {}\n", name(level), message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace mj
