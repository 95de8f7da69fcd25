// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <system_error>

#include "base/check.h"

namespace mj {
namespace {

// state_: a job is taken up by entering it, which only works while it is open; so a worker that comes late never sees a
// job that its caller has already left, and the caller waits for those inside only, not for those still asleep.
constexpr uint32_t kInsideMask = 0xfff;
constexpr uint32_t kOpen = 1u << 12;
constexpr uint32_t kWaiting = 1u << 13;  // the caller is parked until the last worker has left
constexpr uint32_t kEpochOne = 1u << 14;
constexpr uint32_t kEpochMask = ~(kEpochOne - 1);
constexpr int kMaxThreads = 1024;

// Longer than the serial gaps between the steps of one inference, short against the time between requests.
constexpr int64_t kSpinNs = 100'000;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // `yield` does nothing on most cores
#endif
}

// True when `done` came true within the time.
template <class Done>
bool spin_until(int64_t spin_ns, Done done) {
  if (done()) return true;
  if (spin_ns == 0) return false;
  for (const int64_t end = now_ns() + spin_ns; now_ns() < end;) {
    for (int i = 0; i < 16; ++i) {
      pause();
      if (done()) return true;
    }
  }
  return false;
}

void futex_wait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word, int64_t waiters) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, static_cast<int>(waiters), nullptr, nullptr, 0);
}

// The jobs that this thread is inside of, innermost first.
struct Frame {
  const ThreadPool* pool;
  int thread;
  const Frame* outer;
};
thread_local const Frame* current_frame = nullptr;

struct FrameScope {
  FrameScope(const ThreadPool* pool, int thread) : frame{pool, thread, current_frame} { current_frame = &frame; }
  ~FrameScope() { current_frame = frame.outer; }
  const Frame frame;
};

size_t checked(int threads) {
  CHECK(threads >= 1 && threads <= kMaxThreads, "a pool has 1 to {} threads, not {}", kMaxThreads, threads);
  return static_cast<size_t>(threads);
}

void stop(std::atomic<bool>& stopping, std::atomic<uint32_t>& state, std::vector<std::thread>& workers) {
  stopping.store(true);
  state.fetch_add(kEpochOne);
  futex_wake(state, INT_MAX);
  for (std::thread& worker : workers) worker.join();
}

}  // namespace

ThreadPool::ThreadPool(int threads)
    // With more threads than CPUs the one that spins keeps the one with the work from running.
    : threads_(threads), spin_ns_(threads <= default_threads() ? kSpinNs : 0), slices_(checked(threads)) {
  try {
    for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
  } catch (const std::system_error& problem) {
    const size_t started = workers_.size();
    stop(stopping_, state_, workers_);
    throw std::system_error(problem.code(), fmt::format("cannot start thread {} of {}", started + 2, threads));
  }
}

ThreadPool::~ThreadPool() { stop(stopping_, state_, workers_); }

void ThreadPool::run(const Job& job) {
  if (job.tasks <= 0) return;
  const auto run_all = [&](int thread) {
    for (int64_t task = 0; task < job.tasks; ++task) job.fn(task, thread);
  };
  for (const Frame* frame = current_frame; frame; frame = frame->outer) {
    if (frame->pool == this) return run_all(frame->thread);
  }
  std::lock_guard lock(callers_);
  const FrameScope scope(this, 0);
  if (job.tasks == 1 || threads_ == 1) return run_all(0);
  publish(job);
  take_tasks(job, 0);
  retire();
}

void ThreadPool::take_tasks(const Job& job, int thread) noexcept {
  const int slices = job.slices(threads_);
  for (int i = 0; i < slices; ++i) {
    Slice& slice = slices_[static_cast<size_t>((thread + i) % slices)];
    // The load keeps those that find it empty from taking its cache line away.
    while (slice.next.load(std::memory_order_relaxed) < slice.end) {
      const int64_t task = slice.next.fetch_add(1, std::memory_order_relaxed);
      if (task < slice.end) job.fn(task, thread);
    }
  }
}

void ThreadPool::publish(const Job& job) {
  job_ = &job;
  const int slices = job.slices(threads_);
  for (int i = 0; i < slices; ++i) {
    Slice& slice = slices_[static_cast<size_t>(i)];
    slice.next.store(job.tasks * i / slices, std::memory_order_relaxed);
    slice.end = job.tasks * (i + 1) / slices;
  }
  // Nobody else writes state_ while the last job is closed and empty. The order of this store and the load of parked_
  // mirrors wait_for_job(): a worker either is counted as parked here or sees the new state there.
  state_.store((state_.load() & kEpochMask) + (kEpochOne | kOpen));
  const int64_t parked = parked_.load();
  if (parked == 0) return;
  const int64_t awake = threads_ - 1 - parked;
  if (const int64_t wanted = std::min(parked, job.tasks - 1 - awake); wanted > 0) futex_wake(state_, wanted);
}

void ThreadPool::retire() {
  if ((state_.fetch_and(~kOpen) & kInsideMask) == 0) return;
  if (spin_until(spin_ns_, [this] { return (state_.load(std::memory_order_acquire) & kInsideMask) == 0; })) return;
  drained_.store(0);
  if ((state_.fetch_or(kWaiting) & kInsideMask) != 0) {
    while (drained_.load() == 0) futex_wait(drained_, 0);
  }
  state_.fetch_and(~kWaiting);
}

void ThreadPool::work(int thread) {
  const FrameScope scope(this, thread);
  for (uint32_t last_epoch = 0; !stopping_.load(std::memory_order_relaxed);) {
    if (!enter(last_epoch)) {
      wait_for_job(last_epoch);
      continue;
    }
    take_tasks(*job_, thread);
    leave();
  }
}

bool ThreadPool::enter(uint32_t& last_epoch) {
  uint32_t state = state_.load(std::memory_order_acquire);
  while ((state & kOpen) && (state & kEpochMask) != last_epoch) {
    if (!state_.compare_exchange_weak(state, state + 1)) continue;
    last_epoch = state & kEpochMask;
    return true;
  }
  return false;
}

void ThreadPool::leave() {
  const uint32_t before = state_.fetch_sub(1);
  if ((before & kInsideMask) != 1 || !(before & kWaiting)) return;
  drained_.store(1);
  futex_wake(drained_, 1);
}

bool ThreadPool::has_news(uint32_t state, uint32_t last_epoch) const {
  return ((state & kOpen) && (state & kEpochMask) != last_epoch) || stopping_.load();
}

void ThreadPool::wait_for_job(uint32_t last_epoch) {
  if (spin_until(spin_ns_, [&] { return has_news(state_.load(std::memory_order_acquire), last_epoch); })) return;
  parked_.fetch_add(1);
  if (const uint32_t state = state_.load(); !has_news(state, last_epoch)) futex_wait(state_, state);
  parked_.fetch_sub(1);
}

void TaskGate::wait_for(int64_t tasks) const {
  constexpr int64_t kBeforeYield = 20'000;  // a thread that holds us up so long has lost its CPU, perhaps to this one
  const auto passed = [&] { return finished_.load(std::memory_order_acquire) >= tasks; };
  while (!spin_until(kBeforeYield, passed)) std::this_thread::yield();
}

}  // namespace mj
