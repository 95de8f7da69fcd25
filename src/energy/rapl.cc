// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "energy/meter.h"

namespace mj {
namespace {

namespace fs = std::filesystem;

constexpr double kMostWatts = 1000;  // of a package: twice what the largest draw for long

std::optional<double> read_number(const fs::path& path) {
  std::ifstream file(path);
  double value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

class Rapl final : public Meter {
 public:
  struct Domain {
    fs::path energy;
    double wrap_uj;  // the counter starts again from 0 after this
    double last_uj;
  };

  Rapl(std::vector<Domain> domains, std::function<double()> now)
      : domains_(std::move(domains)), now_(std::move(now)), last_seconds_(now_()) {}
  std::string source() const override { return "rapl"; }
  std::string scope() const override { return "CPU packages"; }

  std::optional<Joules> read() override {
    const double seconds = now_(), since = seconds - last_seconds_;
    bool known = true;
    for (Domain& domain : domains_) {
      const std::optional<double> now = read_number(domain.energy);
      if (!now) return std::nullopt;
      if (since * kMostWatts * 1e6 >= domain.wrap_uj) known = false;  // may have wrapped more than once
      double delta = *now - domain.last_uj;
      if (delta < 0) delta += domain.wrap_uj;
      domain.last_uj = *now;
      sum_uj_ += delta;
    }
    last_seconds_ = seconds;
    if (!known) return std::nullopt;
    return Joules{sum_uj_ * 1e-6};
  }

 private:
  std::vector<Domain> domains_;
  std::function<double()> now_;
  double last_seconds_;
  double sum_uj_ = 0;
};

}  // namespace

std::vector<RaplDomain> rapl_domains(const std::string& root) {
  std::vector<RaplDomain> domains;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, ignored)) {
    std::ifstream file(entry.path() / "name");
    RaplDomain domain;
    if (!(file >> domain.name)) continue;
    domain.path = entry.path() / "energy_uj";
    domain.readable = read_number(domain.path).has_value();
    domains.push_back(std::move(domain));
  }
  std::sort(domains.begin(), domains.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return domains;
}

std::unique_ptr<Meter> rapl_meter(const std::string& root, std::function<double()> now) {
  std::vector<Rapl::Domain> packages;
  for (const RaplDomain& domain : rapl_domains(root)) {
    if (!domain.name.starts_with("package") || !domain.readable) continue;
    const fs::path path = domain.path;
    const std::optional<double> now = read_number(path);
    const std::optional<double> wrap = read_number(path.parent_path() / "max_energy_range_uj");
    if (now && wrap) packages.push_back({path, *wrap, *now});
  }
  if (packages.empty()) return nullptr;
  if (!now) now = [start = Clock::now()] { return seconds_since(start); };
  return std::make_unique<Rapl>(std::move(packages), std::move(now));
}

std::unique_ptr<Meter> cpu_meter() { return rapl_meter(); }

}  // namespace mj
