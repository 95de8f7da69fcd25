// SPDX-License-Identifier: Apache-2.0
// Eight threads on one engine, for a second; longer by MJ_SOAK_SECONDS, and on more engines by MJ_SOAK_ENGINES (files,
// separated by colons). Under ThreadSanitizer this is what shows races between runs.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "runtime/engine.h"

namespace mj {
namespace {

constexpr int kSoakThreads = 8, kRequests = 4;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Of request `i`: another batch each, other values.
std::vector<Tensor> request(const Engine& engine, int i) {
  std::vector<Tensor> inputs;
  for (const Port& port : engine.inputs()) {
    std::vector<int64_t> dims;
    for (const Dim& dim : port.type.shape.value_or(Shape())) {
      // The first symbol is taken to be the batch; 64 is long enough for windows and short enough for sanitizers.
      const bool batch = dims.empty();
      dims.push_back(dim.constant().value_or(batch ? 1 + i : 64));
    }
    Tensor& input = inputs.emplace_back(Tensor::zeros(port.type.dtype, std::move(dims)));
    uint32_t state = 1 + static_cast<uint32_t>(i);
    const auto draw = [&] { return (state = state * 1664525 + 1013904223) >> 24; };
    if (input.dtype() == DType::f32) {
      for (float& x : input.mutable_data<float>()) x = static_cast<float>(draw()) / 128 - 1;
    } else if (input.dtype() == DType::i64) {
      const int64_t limit = port.index_limit > 0 ? port.index_limit : 2;
      for (int64_t& x : input.mutable_data<int64_t>()) x = draw() % limit;
    } else if (input.dtype() == DType::boolean) {
      for (bool& x : input.mutable_data<bool>()) x = i % 2 == 0;
    }
  }
  return inputs;
}

struct Answer {
  std::string error;
  std::vector<Tensor> outputs;
};

Answer answer(Engine& engine, const std::vector<Tensor>& inputs) {
  Answer out;
  const Result<void> done = engine.run(inputs, out.outputs);
  if (!done.ok()) out.error = done.error().message;
  return out;
}

bool same_answer(const Answer& a, const Answer& b) {
  return a.error == b.error && (!a.error.empty() || std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(),
                                                               b.outputs.end(), identical));
}

void soak(const std::string& path, double seconds) {
  SCOPED_TRACE(path);
  EngineOptions options;
  options.threads = 2;
  options.allow_unverified = true;
  const auto loaded = Engine::load(path, options);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  Engine& engine = **loaded;
  std::vector<std::vector<Tensor>> requests;
  std::vector<Answer> want;
  for (int i = 0; i < kRequests; ++i) {
    requests.push_back(request(engine, i));
    want.push_back(answer(engine, requests.back()));
  }
  EXPECT_TRUE(want[0].error.empty()) << want[0].error;
  // The first load's sessions have seen these shapes; here each thread meets them anew.
  const auto fresh = Engine::load(path, options);
  ASSERT_TRUE(fresh.ok());
  std::atomic<int64_t> runs = 0, wrong = 0;
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (int t = 0; t < kSoakThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < t + kRequests || seconds_since(start) < seconds; ++i) {
        const auto k = static_cast<size_t>(i % kRequests);
        wrong += !same_answer(answer(**fresh, requests[k]), want[k]);
        ++runs;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0) << "of " << runs << " runs";
  testing::Test::RecordProperty("runs", static_cast<int>(runs));
}

TEST(Soak, EightThreadsOnOneEngine) {
  std::vector<std::string> engines;
  for (const auto& entry : std::filesystem::directory_iterator(MJ_SOURCE_DIR "/test/engines")) {
    if (entry.path().extension() == ".engine") engines.push_back(entry.path());
  }
  std::istringstream more(variable("MJ_SOAK_ENGINES"));
  for (std::string path; std::getline(more, path, ':');) engines.push_back(path);
  ASSERT_FALSE(engines.empty());
  const std::string seconds = variable("MJ_SOAK_SECONDS");
  const double all = seconds.empty() ? 1 : std::strtod(seconds.c_str(), nullptr);
  for (const std::string& path : engines) soak(path, all / static_cast<double>(engines.size()));
}

}  // namespace
}  // namespace mj
