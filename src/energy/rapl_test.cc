// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "energy/meter.h"

namespace mj {
namespace {

namespace fs = std::filesystem;

// A powercap tree of our own.
class FakeRapl : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("rapl_test_" + std::to_string(::getpid()));
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void domain(const std::string& folder, const std::string& name, const std::string& energy) {
    fs::create_directories(root_ / folder);
    write(folder, "name", name);
    write(folder, "energy_uj", energy);
    write(folder, "max_energy_range_uj", "1000000");
  }
  void write(const std::string& folder, const std::string& file, const std::string& text) {
    std::ofstream(root_ / folder / file) << text << "\n";
  }

  std::unique_ptr<Meter> meter_of_tree() {
    return rapl_meter(root_, [this] { return seconds_; });
  }

  fs::path root_;
  double seconds_ = 0;
};

TEST_F(FakeRapl, SumsPackagesOnly) {
  domain("intel-rapl:0", "package-0", "100");
  domain("intel-rapl:1", "package-1", "200");
  domain("intel-rapl:0:0", "core", "50");
  const std::unique_ptr<Meter> meter = meter_of_tree();
  ASSERT_TRUE(meter);
  write("intel-rapl:0", "energy_uj", "300100");
  write("intel-rapl:1", "energy_uj", "500200");
  write("intel-rapl:0:0", "energy_uj", "900000");
  EXPECT_NEAR(meter->read()->value, 0.8, 1e-9);
}

TEST_F(FakeRapl, CountsOnOverAWrap) {
  domain("intel-rapl:0", "package-0", "900000");
  const std::unique_ptr<Meter> meter = meter_of_tree();
  write("intel-rapl:0", "energy_uj", "100000");
  EXPECT_NEAR(meter->read()->value, 0.2, 1e-9);
  write("intel-rapl:0", "energy_uj", "400000");
  EXPECT_NEAR(meter->read()->value, 0.5, 1e-9);
}

TEST_F(FakeRapl, N3WrapsThatNobodyCanCountAreAbsent) {
  domain("intel-rapl:0", "package-0", "900000");
  const std::unique_ptr<Meter> meter = meter_of_tree();
  write("intel-rapl:0", "energy_uj", "100000");
  seconds_ = 0.0009;  // 1 J at 1000 W take longer: it wrapped once
  EXPECT_NEAR(meter->read()->value, 0.2, 1e-9);
  seconds_ = 0.004;
  EXPECT_FALSE(meter->read()) << "once or three times";
  write("intel-rapl:0", "energy_uj", "400000");
  EXPECT_NEAR(meter->read()->value, 0.5, 1e-9);
}

TEST_F(FakeRapl, AFailedReadIsAbsentAndTheNextOneCounts) {
  domain("intel-rapl:0", "package-0", "100000");
  const std::unique_ptr<Meter> meter = meter_of_tree();
  write("intel-rapl:0", "energy_uj", "nonsense");
  EXPECT_FALSE(meter->read());
  write("intel-rapl:0", "energy_uj", "600000");
  EXPECT_NEAR(meter->read()->value, 0.5, 1e-9);
}

TEST_F(FakeRapl, NothingReadableIsNoMeter) {
  EXPECT_FALSE(rapl_meter(root_));
  domain("intel-rapl:0", "package-0", "not permitted");
  EXPECT_FALSE(rapl_meter(root_));
  ASSERT_EQ(rapl_domains(root_).size(), 1u);
  EXPECT_FALSE(rapl_domains(root_)[0].readable);
}

}  // namespace
}  // namespace mj
