// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or an error that is the user's to mend. Our own broken invariants are CHECKs (check.h).
#pragma once

#include <fmt/core.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace mj {

// The numbers are the exit codes of the command line and the status codes of the C ABI.
enum class ErrorCode {
  model = 1,        // the model, an input or its accuracy is wrong
  usage = 2,        // a flag or argument is wrong
  unsupported = 3,  // an operator or feature that we do not have; the text lists all of them
  environment = 4,  // a file, library, device or permission is missing
  unstable = 5,     // a measurement did not settle
};

struct Error {
  ErrorCode code = ErrorCode::model;
  std::string message;

  // The same error with a place put before it: "engine 'x.engine': ...".
  Error in(std::string_view place) const { return {code, fmt::format("{}: {}", place, message)}; }
};

template <class... Args>
Error error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
Error model_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::model, fmt::format(format, std::forward<Args>(args)...)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    CHECK(ok(), "value() of an error: {}", error().message);
    return std::get<0>(state_);
  }
  const T& value() const& {
    CHECK(ok(), "value() of an error: {}", error().message);
    return std::get<0>(state_);
  }
  T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  void value() const { CHECK(ok(), "value() of an error: {}", error_->message); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace mj

// MJ_TRY(expr): returns the error of a Result<void>-like expression from the calling function.
#define MJ_TRY(expression)                                                        \
  do {                                                                            \
    if (auto mj_result = (expression); !mj_result.ok()) return mj_result.error(); \
  } while (false)

// MJ_ASSIGN(auto x, expr): x is the value, or the error is returned.
#define MJ_ASSIGN(declaration, expression) MJ_ASSIGN_2(declaration, expression, __LINE__)
#define MJ_ASSIGN_2(declaration, expression, line) MJ_ASSIGN_3(declaration, expression, line)
#define MJ_ASSIGN_3(declaration, expression, line)             \
  auto mj_result_##line = (expression);                        \
  if (!mj_result_##line.ok()) return mj_result_##line.error(); \
  declaration = std::move(mj_result_##line).value()
