// SPDX-License-Identifier: Apache-2.0
// ThreadPool: runs the tasks of one job at a time on a fixed set of threads, with a hand-over of about a microsecond
// while jobs follow each other closely and no CPU use at all while they do not.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cpu_quota.h"  // default_threads()
#include "base/function_ref.h"

namespace mj {

class ThreadPool {
 public:
  // `threads` counts the caller of run(); 1 starts no thread. Throws std::system_error where one cannot be started.
  explicit ThreadPool(int threads);
  // No run() may be in progress.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls fn(task, thread) once for each task in [0, tasks) and returns when all have finished; what the tasks wrote is
  // then visible to the caller. Each thread begins with a slice of its own, the same part of the tasks in each run, so
  // that what it wrote there is in its cache when it reads it in the next run; then it helps the others. `thread` is in
  // [0, threads()) and no two calls that run at the same time share it, so it may index scratch memory. The caller
  // works as thread 0. fn must not throw (std::terminate). A run() from inside a task of the same pool runs inline on
  // that task's thread; runs from several threads follow one another.
  void run(int64_t tasks, FunctionRef<void(int64_t task, int thread)> fn) { run({tasks, fn, false}); }
  // The same, but tasks are begun in ascending order, so that they may wait for earlier ones (see TaskGate).
  void run_in_order(int64_t tasks, FunctionRef<void(int64_t task, int thread)> fn) { run({tasks, fn, true}); }

 private:
  struct Job {
    int64_t tasks;
    FunctionRef<void(int64_t, int)> fn;
    bool in_order;
    int slices(int threads) const { return in_order ? 1 : threads; }
  };
  struct alignas(64) Slice {
    std::atomic<int64_t> next{0};  // task that nobody has begun
    int64_t end = 0;
  };

  void run(const Job& job);

  void publish(const Job& job);
  void retire();
  void take_tasks(const Job& job, int thread) noexcept;
  void work(int thread);
  bool enter(uint32_t& last_epoch);
  void leave();
  void wait_for_job(uint32_t last_epoch);
  bool has_news(uint32_t state, uint32_t last_epoch) const;

  const int threads_;
  const int64_t spin_ns_;
  std::mutex callers_;
  const Job* job_ = nullptr;  // written only while no worker is inside a job

  // Words that several threads hammer have a cache line of their own.
  alignas(64) std::atomic<uint32_t> state_{0};  // epoch | waiting | open | workers inside; see thread_pool.cc
  alignas(64) std::atomic<uint32_t> parked_{0};
  std::atomic<uint32_t> drained_{0};
  std::atomic<bool> stopping_{false};
  std::vector<Slice> slices_;
  std::vector<std::thread> workers_;
};

// Lets the tasks of one run_in_order() wait for earlier ones: those have begun, so somebody is at work on them and the
// wait ends with however many threads. For waits of microseconds between tasks of about equal length.
class TaskGate {
 public:
  // By every task, once, as its last act.
  void finish() { finished_.fetch_add(1, std::memory_order_release); }
  // Returns once `tasks` have finished, a task's own number at most; what they wrote is then visible.
  void wait_for(int64_t tasks) const;

 private:
  alignas(64) std::atomic<int64_t> finished_{0};
};

}  // namespace mj
