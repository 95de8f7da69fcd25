// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/knobs.h"
#include "base/progress.h"

namespace mj {
namespace {

TEST(Log, LevelAndSink) {
  std::vector<std::string> seen;
  set_log_sink([&](LogLevel level, std::string_view text) {
    seen.push_back(std::string(name(level)) + " " + std::string(text));
  });
  set_log_verbosity(0);
  log_info("hidden");
  log_warning("{} of {}", 1, 2);
  set_log_verbosity(1);
  log_info("shown");
  log_debug("hidden");
  set_log_verbosity(9);
  log_debug("shown {}", std::string("too"));
  set_log_verbosity(-1);
  log_warning("hidden");
  log(LogLevel::error, "always");
  set_log_sink({});
  set_log_level(LogLevel::warning);
  EXPECT_EQ(seen, (std::vector<std::string>{"warning 1 of 2", "info shown", "debug shown too", "error always"}));
}

TEST(Log, StderrAndKnob) {
  testing::internal::CaptureStderr();
  log_warning("mind {}", "this");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning: mind this\n");
  setenv("MJ_DEBUG", "2", 1);
  set_log_verbosity(0);
  EXPECT_TRUE(log_enabled(LogLevel::debug));
  unsetenv("MJ_DEBUG");
  set_log_verbosity(0);
  EXPECT_FALSE(log_enabled(LogLevel::info));
}

TEST(Knobs, ReadTheEnvironment) {
  unsetenv("MJ_DUMP");
  EXPECT_EQ(knob(Knob::dump), std::nullopt);
  setenv("MJ_DUMP", "", 1);
  EXPECT_EQ(knob(Knob::dump), std::nullopt);
  setenv("MJ_DUMP", "x.json", 1);
  EXPECT_EQ(knob(Knob::dump), "x.json");
  unsetenv("MJ_DUMP");
  EXPECT_EQ(knob_rows()[static_cast<size_t>(Knob::isa)].variable, "MJ_ISA");
  for (const KnobRow& row : knob_rows()) EXPECT_FALSE(row.help.empty());
}

class ProgressTest : public testing::Test {
 protected:
  std::string out_;
  std::chrono::steady_clock::time_point now_{};
  Progress::Write write_ = [this](std::string_view text) { out_ += text; };
  Progress::Now clock_ = [this] { return now_; };
};

TEST_F(ProgressTest, BarIsClearedAtTheEnd) {
  Progress progress("tune", Progress::Style::bar, write_, clock_);
  progress.update(0.1, "too soon");
  EXPECT_EQ(out_, "");
  now_ += std::chrono::milliseconds(1500);
  progress.update(0.5, "conv");
  EXPECT_EQ(out_, "\rtune [############............]  50% 2s conv\x1b[K");
  out_.clear();
  progress.finish();
  now_ += std::chrono::seconds(1);
  progress.update(0.9, "late");
  EXPECT_EQ(out_, "\r\x1b[K");
}

TEST_F(ProgressTest, PlainLinesAreRareAndNoneIsSilent) {
  Progress plain("tune", Progress::Style::plain, write_, clock_);
  Progress none("tune", Progress::Style::none, write_, clock_);
  for (int second = 0; second < 25; ++second, now_ += std::chrono::seconds(1)) {
    plain.update(second / 25.0, "conv");
    none.update(second / 25.0, "conv");
  }
  EXPECT_EQ(out_, "tune:  40% after 10 s, conv\ntune:  80% after 20 s, conv\n");
}

}  // namespace
}  // namespace mj
