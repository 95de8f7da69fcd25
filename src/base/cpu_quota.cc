// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_quota.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace mj {
namespace {

namespace fs = std::filesystem;

// v2 "cpu.max": "<quota|max> <period>".
std::optional<double> quota_v2(const fs::path& folder) {
  std::ifstream file(folder / "cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  const double microseconds = std::strtod(quota.c_str(), nullptr);
  return microseconds > 0 ? std::optional(microseconds / period) : std::nullopt;
}

// v1: two files; a quota of -1 is "no limit".
std::optional<double> quota_v1(const fs::path& folder) {
  std::ifstream quota_file(folder / "cpu.cfs_quota_us"), period_file(folder / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

template <class Read>
void tighten(std::optional<double>& tightest, const fs::path& mount, fs::path group, Read read) {
  // Each level may limit; inside a container the group's own path is often not mounted, then only the mount's root is.
  for (group = group.relative_path();; group = group.parent_path()) {
    if (auto quota = read(mount / group)) tightest = std::min(tightest.value_or(*quota), *quota);
    if (group.empty()) return;
  }
}

bool lists_cpu(const std::string& controllers) { return ("," + controllers + ",").find(",cpu,") != std::string::npos; }

int affinity_cpus() {
  // The kernel refuses masks smaller than its own, so grow until it fits.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    std::vector<cpu_set_t> mask(static_cast<size_t>(cpus) / CPU_SETSIZE);
    const size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) == 0) return CPU_COUNT_S(bytes, mask.data());
    if (errno != EINVAL) break;
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

std::optional<double> cgroup_cpu_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::optional<double> tightest;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "id:controllers:path"; v2 has no controllers
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controllers.empty()) {
      tighten(tightest, mounts, group, quota_v2);
      tighten(tightest, mounts / "unified", group, quota_v2);
    } else if (lists_cpu(controllers)) {
      tighten(tightest, mounts / controllers, group, quota_v1);
      if (controllers != "cpu") tighten(tightest, mounts / "cpu", group, quota_v1);
    }
  }
  return tightest;
}

int default_threads() {
  int threads = std::max(affinity_cpus(), 1);
  if (auto quota = cgroup_cpu_quota()) {
    threads = static_cast<int>(std::clamp(std::ceil(*quota), 1.0, static_cast<double>(threads)));
  }
  return threads;
}

}  // namespace mj
