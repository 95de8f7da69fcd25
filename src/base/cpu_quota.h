// SPDX-License-Identifier: Apache-2.0
// How many CPUs this process may really use.
#pragma once

#include <filesystem>
#include <optional>

namespace mj {

// CPUs per wall-clock second granted by the cgroup (v1 or v2) of this process, the tightest of all levels; nullopt when
// there is no limit. `root` stands for "/" in tests.
std::optional<double> cgroup_cpu_quota(const std::filesystem::path& root = "/");

// CPUs in the affinity mask of the calling thread, cut to the cgroup's quota rounded up; at least 1.
int default_threads();

}  // namespace mj
