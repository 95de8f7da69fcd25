// SPDX-License-Identifier: Apache-2.0
// Millijoule for C++20: owners and exceptions over the C ABI (millijoule.h), nothing else. Header only.
//
//   millijoule::Engine engine("model.engine");
//   std::vector<float> x(3 * 224 * 224);
//   auto outputs = engine.run({millijoule::input<float>("x", {1, 3, 224, 224}, x)});
//   std::span<const float> y = outputs[0].data<float>();
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "millijoule/millijoule.h"

namespace millijoule {

// code() is one of MJ_MODEL, MJ_USAGE, ...
class Error : public std::runtime_error {
 public:
  Error(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

namespace detail {

inline void check(mj_status* status) {
  if (!status) return;
  const Error error(mj_status_code(status), mj_status_message(status));
  mj_status_free(status);
  throw error;
}

template <class T>
constexpr int32_t dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return MJ_F32;
  else if constexpr (std::is_same_v<T, double>)
    return MJ_F64;
  else if constexpr (std::is_same_v<T, int8_t>)
    return MJ_I8;
  else if constexpr (std::is_same_v<T, int16_t>)
    return MJ_I16;
  else if constexpr (std::is_same_v<T, int32_t>)
    return MJ_I32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return MJ_I64;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return MJ_U8;
  else if constexpr (std::is_same_v<T, uint16_t>)
    return MJ_U16;
  else if constexpr (std::is_same_v<T, uint32_t>)
    return MJ_U32;
  else if constexpr (std::is_same_v<T, uint64_t>)
    return MJ_U64;
  else if constexpr (std::is_same_v<T, bool>)
    return MJ_BOOL;
  else
    static_assert(!sizeof(T), "no element type of the C interface; fill in an mj_tensor for f16 and the like");
}

}  // namespace detail

// An input that views the caller's memory. `name` and `values` must outlive the run.
template <class T>
mj_tensor input(const char* name, std::initializer_list<int64_t> dims, std::span<const T> values) {
  if (dims.size() > MJ_MAX_RANK) throw Error(MJ_USAGE, std::string("input '") + name + "': rank is too high");
  mj_tensor tensor = MJ_TENSOR_INIT;
  tensor.name = name;
  tensor.dtype = detail::dtype_of<T>();
  tensor.rank = static_cast<int32_t>(dims.size());
  std::copy(dims.begin(), dims.end(), tensor.dims);
  tensor.data = const_cast<T*>(values.data());
  tensor.bytes = values.size_bytes();
  return tensor;
}
template <class T>
mj_tensor input(const char* name, std::initializer_list<int64_t> dims, const std::vector<T>& values) {
  return input<T>(name, dims, std::span<const T>(values));
}

// A result that the library allocated; freed with this object. It may outlive its engine.
class Output {
 public:
  explicit Output(const mj_tensor& tensor) : tensor_(tensor) {}
  Output(Output&& other) noexcept : tensor_(std::exchange(other.tensor_, MJ_TENSOR_INIT)) {}
  Output& operator=(Output&& other) noexcept {
    std::swap(tensor_, other.tensor_);
    return *this;
  }
  ~Output() { mj_tensor_release(&tensor_); }

  int32_t dtype() const { return tensor_.dtype; }
  std::span<const int64_t> dims() const { return {tensor_.dims, static_cast<size_t>(tensor_.rank)}; }
  const void* raw() const { return tensor_.data; }
  size_t bytes() const { return tensor_.bytes; }
  // T must be the output's type.
  template <class T>
  std::span<const T> data() const {
    if (detail::dtype_of<T>() != tensor_.dtype) {
      throw Error(MJ_USAGE, std::string("the output is ") + mj_dtype_name(tensor_.dtype));
    }
    return {static_cast<const T*>(tensor_.data), tensor_.bytes / sizeof(T)};
  }

 private:
  mj_tensor tensor_;
};

struct Port {
  std::string name;
  int32_t dtype = 0;
  bool ranked = true;                // false: any rank, dims is empty
  std::vector<int64_t> dims;         // -1: free
  std::vector<std::string> symbols;  // what the free ones are called; "" for the others
};

class Cancel {
 public:
  Cancel() : cancel_(mj_cancel_create()) {
    if (!cancel_) throw std::bad_alloc();
  }
  void request() { mj_cancel_request(cancel_.get()); }
  void reset() { mj_cancel_reset(cancel_.get()); }
  const mj_cancel* get() const { return cancel_.get(); }

 private:
  struct Free {
    void operator()(mj_cancel* cancel) const { mj_cancel_free(cancel); }
  };
  std::unique_ptr<mj_cancel, Free> cancel_;
};

// As mj_plugin_load(): operators of yours, for engines loaded from now on.
inline void load_plugin(const std::string& path) { detail::check(mj_plugin_load(path.c_str())); }

// May be used from many threads at once.
class Engine {
 public:
  explicit Engine(const std::string& path, const mj_load_options& options = MJ_LOAD_OPTIONS_INIT) {
    mj_engine* engine = nullptr;
    detail::check(mj_engine_load(path.c_str(), &options, &engine));
    engine_.reset(engine);
  }

  std::string target() const { return mj_engine_target(engine_.get()); }
  std::vector<Port> inputs() const { return ports(mj_engine_input_count(engine_.get()), mj_engine_input); }
  std::vector<Port> outputs() const { return ports(mj_engine_output_count(engine_.get()), mj_engine_output); }

  // All outputs in the order of outputs(). `cancel` may be null.
  std::vector<Output> run(std::span<const mj_tensor> inputs, const Cancel* cancel = nullptr) {
    std::vector<mj_tensor> results(mj_engine_output_count(engine_.get()), mj_tensor MJ_TENSOR_INIT);
    for (size_t i = 0; i < results.size(); ++i) results[i].index = static_cast<int32_t>(i);
    run_into(inputs, results, cancel);
    std::vector<Output> outputs;
    outputs.reserve(results.size());
    for (const mj_tensor& result : results) outputs.emplace_back(result);
    return outputs;
  }
  std::vector<Output> run(std::initializer_list<mj_tensor> inputs, const Cancel* cancel = nullptr) {
    return run(std::span<const mj_tensor>(inputs.begin(), inputs.size()), cancel);
  }

  // As mj_engine_run(): results go into the memory that `outputs` name.
  void run_into(std::span<const mj_tensor> inputs, std::span<mj_tensor> outputs, const Cancel* cancel = nullptr) {
    mj_run_options options = MJ_RUN_OPTIONS_INIT;
    options.cancel = cancel ? cancel->get() : nullptr;
    detail::check(mj_engine_run(engine_.get(), inputs.data(), inputs.size(), outputs.data(), outputs.size(), &options));
  }

  mj_memory warm(std::span<const mj_tensor> inputs) {
    mj_memory memory = MJ_MEMORY_INIT;
    detail::check(mj_engine_warm(engine_.get(), inputs.data(), inputs.size(), &memory));
    return memory;
  }

 private:
  struct Free {
    void operator()(mj_engine* engine) const { mj_engine_free(engine); }
  };

  std::vector<Port> ports(size_t count, mj_status* (*read)(const mj_engine*, size_t, mj_port*)) const {
    std::vector<Port> ports;
    for (size_t i = 0; i < count; ++i) {
      mj_port port = MJ_PORT_INIT;
      detail::check(read(engine_.get(), i, &port));
      ports.push_back({port.name, port.dtype, port.rank >= 0, {}, {}});
      for (int32_t d = 0; d < port.rank; ++d) {
        ports.back().dims.push_back(port.dims[d]);
        ports.back().symbols.emplace_back(port.symbols[d] ? port.symbols[d] : "");
      }
    }
    return ports;
  }

  std::unique_ptr<mj_engine, Free> engine_;
};

}  // namespace millijoule
