// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace mj {
namespace {

TEST(FunctionRef, CallsWithoutOwning) {
  int calls = 0;
  auto add = [&calls](int x) { return calls += x; };
  FunctionRef<int(int)> ref = add;
  FunctionRef<int(int)> copy = ref;
  EXPECT_EQ(ref(2), 2);
  EXPECT_EQ(copy(3), 5);
}

class ThreadPoolTest : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunsEachTaskOnceAndPublishesItsWrites) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
    std::vector<int> done(static_cast<size_t>(tasks));  // plain ints: run() itself must order them
    pool.run(tasks, [&](int64_t task, int) { ++done[static_cast<size_t>(task)]; });
    EXPECT_EQ(done, std::vector<int>(static_cast<size_t>(tasks), 1)) << tasks;
  }
}

TEST_P(ThreadPoolTest, ThreadsBeginWithTheirOwnSlice) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 20; ++round) {
    std::vector<int64_t> taken(static_cast<size_t>(pool.threads()));
    std::atomic<int> begun = 0;
    pool.run(pool.threads(), [&](int64_t task, int thread) {
      taken[static_cast<size_t>(thread)] = task;
      for (++begun; begun < pool.threads();) std::this_thread::yield();  // none takes a second one
    });
    for (int thread = 0; thread < pool.threads(); ++thread) EXPECT_EQ(taken[static_cast<size_t>(thread)], thread);
  }
}

TEST_P(ThreadPoolTest, ThreadIndexIsExclusive) {
  ThreadPool pool(GetParam());
  std::vector<int64_t> scratch(static_cast<size_t>(pool.threads()));  // a data race if two tasks shared an index
  for (int round = 0; round < 200; ++round) {
    pool.run(50, [&](int64_t, int thread) { ++scratch[static_cast<size_t>(thread)]; });
  }
  int64_t sum = 0;
  for (int64_t count : scratch) sum += count;
  EXPECT_EQ(sum, 200 * 50);
}

TEST_P(ThreadPoolTest, AGateOrdersTheRoundsOfARun) {
  ThreadPool pool(GetParam());
  constexpr int64_t kWidth = 5;
  const auto rounds = [&pool] {
    std::vector<int64_t> now(kWidth, 1), next(kWidth);  // each round sums the one before: a data race if they overlap
    TaskGate gate;
    pool.run_in_order(40 * kWidth, [&](int64_t task, int) {
      const int64_t round = task / kWidth;
      gate.wait_for(round * kWidth);
      const std::vector<int64_t>& from = round % 2 ? next : now;
      int64_t sum = task % kWidth;
      for (int64_t value : from) sum = (sum + value) % 1009;
      (round % 2 ? now : next)[static_cast<size_t>(task % kWidth)] = sum;
      gate.finish();
    });
    return now;
  };
  std::vector<int64_t> inside;
  pool.run(1, [&](int64_t, int) { inside = rounds(); });
  for (int repeat = 0; repeat < 20; ++repeat) EXPECT_EQ(rounds(), inside);
}

TEST_P(ThreadPoolTest, NestedRunsInlineOnTheSameThread) {
  ThreadPool pool(GetParam());
  std::atomic<int> inner{0};
  pool.run(8, [&](int64_t, int outer_thread) {
    pool.run(5, [&](int64_t, int thread) {
      EXPECT_EQ(thread, outer_thread);
      ++inner;
    });
  });
  EXPECT_EQ(inner, 40);
}

TEST_P(ThreadPoolTest, PoolInsidePoolAndBack) {
  ThreadPool outer(GetParam()), inner(2);
  std::atomic<int> calls{0};
  outer.run(4,
            [&](int64_t, int) { inner.run(1, [&](int64_t, int) { outer.run(3, [&](int64_t, int) { ++calls; }); }); });
  EXPECT_EQ(calls, 12);
}

TEST_P(ThreadPoolTest, SeveralCallersTakeTurns) {
  ThreadPool pool(GetParam());
  int64_t total = 0;  // only ever touched by the one job that runs
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        std::atomic<int64_t> sum{0};
        pool.run(10, [&](int64_t task, int thread) {
          if (thread == 0 && task >= 0) ++total;
          sum += task;
        });
        EXPECT_EQ(sum, 45);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(total, 3 * 100 * 10);
}

TEST_P(ThreadPoolTest, WakesParkedWorkersAndUnevenTasks) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // beyond the spin: every worker is parked
    std::atomic<int> done{0};
    pool.run(4, [&](int64_t task, int) {
      // Longer than the spin, so that the caller parks while it waits for the worker.
      std::this_thread::sleep_for(std::chrono::milliseconds(task));
      ++done;
    });
    EXPECT_EQ(done, 4);
  }
}

TEST_P(ThreadPoolTest, ManyShortJobs) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> sum{0};
  for (int job = 0; job < 3000; ++job) pool.run(job % 5, [&](int64_t, int) { ++sum; });
  EXPECT_EQ(sum, 3000 / 5 * (0 + 1 + 2 + 3 + 4));
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 16));

TEST(ThreadPool, IdleWorkersUseNoCpu) {
  ThreadPool pool(2);
  pool.run(8, [](int64_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::clock_t before = std::clock();  // CPU time of the whole process
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC / 100);
}

TEST(ThreadPool, StartsAndStopsQuickly) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(3);
    if (i % 2) pool.run(3, [](int64_t, int) {});
  }
}

class FakeRoot {
 public:
  FakeRoot() : root_(std::filesystem::path(testing::TempDir()) / "mj_cgroup_test") {
    std::filesystem::remove_all(root_);
  }
  ~FakeRoot() { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  const std::filesystem::path& path() const { return root_; }

 private:
  std::filesystem::path root_;
};

TEST(CpuQuota, V2TakesTheTightestLevel) {
  FakeRoot root;
  root.write("proc/self/cgroup", "0::/a/b\n");
  EXPECT_EQ(cgroup_cpu_quota(root.path()), std::nullopt);
  root.write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root.path()), std::nullopt);
  root.write("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root.path()), 1.5);
  root.write("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root.path()), 1.5);
}

TEST(CpuQuota, V1AndAGroupThatIsNotMounted) {
  FakeRoot root;
  root.write("proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/docker/123\n3:cpuset:/y\ngarbage\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root.path()), std::nullopt);
  root.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(cgroup_cpu_quota(root.path()), 2.5);
}

TEST(CpuQuota, DefaultThreadsIsPositive) {
  EXPECT_GE(default_threads(), 1);
  EXPECT_LE(default_threads(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace mj
