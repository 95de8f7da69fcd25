// SPDX-License-Identifier: Apache-2.0
// Messages for people: one line each to stderr, or to a sink. Safe from any thread.
#pragma once

#include <fmt/core.h>

#include <functional>
#include <string_view>
#include <utility>

namespace mj {

enum class LogLevel { error, warning, info, debug };

std::string_view name(LogLevel level);

// At first: warning, or debug when MJ_DEBUG is 1 or more.
void set_log_level(LogLevel level);
// From the command line: 0 is warning, 1 (-v) info, 2 (-vv) debug; below 0 (-q) error. MJ_DEBUG wins.
void set_log_verbosity(int verbosity);
bool log_enabled(LogLevel level);

// Gets each message that passes the level, without a newline, one at a time; it must not log itself. An empty function
// brings stderr back.
using LogSink = std::function<void(LogLevel, std::string_view message)>;
void set_log_sink(LogSink sink);

void log_message(LogLevel level, fmt::string_view format, fmt::format_args args);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_message(level, format, fmt::make_format_args(args...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warning, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, format, std::forward<Args>(args)...);
}

}  // namespace mj
