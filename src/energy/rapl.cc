// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "energy/meter.h"

namespace mj {
namespace {

namespace fs = std::filesystem;

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

  explicit Rapl(std::vector<Domain> domains) : domains_(std::move(domains)) {}
  std::string source() const override { return "rapl"; }
  std::string scope() const override { return "CPU packages"; }

  std::optional<Joules> read() override {
    for (Domain& domain : domains_) {
      const std::optional<double> now = read_number(domain.energy);
      if (!now) return std::nullopt;
      double delta = *now - domain.last_uj;
      if (delta < 0) delta += domain.wrap_uj;
      domain.last_uj = *now;
      sum_uj_ += delta;
    }
    return Joules{sum_uj_ * 1e-6};
  }

 private:
  std::vector<Domain> domains_;
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

std::unique_ptr<Meter> rapl_meter(const std::string& root) {
  std::vector<Rapl::Domain> packages;
  for (const RaplDomain& domain : rapl_domains(root)) {
    if (!domain.name.starts_with("package") || !domain.readable) continue;
    const fs::path path = domain.path;
    const std::optional<double> now = read_number(path);
    const std::optional<double> wrap = read_number(path.parent_path() / "max_energy_range_uj");
    if (now && wrap) packages.push_back({path, *wrap, *now});
  }
  if (packages.empty()) return nullptr;
  return std::make_unique<Rapl>(std::move(packages));
}

std::unique_ptr<Meter> cpu_meter() { return rapl_meter(); }

}  // namespace mj
