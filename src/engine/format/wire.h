// SPDX-License-Identifier: Apache-2.0
// Wire: plain structs to and from protobuf's wire format. A struct is described once, by
//   template <class V, Of<Thing> T> void fields(V& v, T& x) { v.message("Thing"); v(1, "name", x.name); ... }
// and that one list drives writer, reader and the check of engine.proto. Numbers are permanent; unknown ones are
// skipped; a known one with the wrong wire type, range or length is an error. For plan_wire.cc and its tests only.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/hash.h"
#include "base/units.h"

namespace mj::wire {

template <class T, class Want>
concept Of = std::same_as<std::remove_const_t<T>, Want>;

// Thrown by the reader and caught where parsing begins.
struct Malformed {
  std::string reason;
};

// Structs that travel as another one specialise this: using Wire; static Wire to(const T&); static T from(Wire).
template <class T>
struct Via;
template <class T>
concept HasVia = requires {
  typename Via<T>::Wire;
};

// Enumerations say which numbers exist.
template <class T>
struct EnumRange;

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> && !std::same_as<T, bool>;

template <class T>
concept Text = std::same_as<T, std::string>;
template <class T>
concept Scalar = std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, Joules> || std::same_as<T, Digest>;

template <class T>
std::string encode(const T& x);

class Writer {
 public:
  void message(std::string_view) {}

  template <class T>
  void operator()(uint32_t number, std::string_view name, const T& x) {
    if constexpr (is_optional<T>) {
      if (x) (*this)(number, name, *x);
    } else if constexpr (is_vector<T>) {
      repeated(number, name, x);
    } else if constexpr (HasVia<T>) {
      (*this)(number, name, Via<T>::to(x));
    } else if constexpr (Text<T>) {
      out_.add_string(number, x);
    } else if constexpr (std::same_as<T, Digest>) {
      out_.add_bytes(number, reinterpret_cast<const char*>(x.data()), x.size());
    } else if constexpr (std::same_as<T, Joules>) {
      out_.add_double(number, x.value);
    } else if constexpr (std::is_enum_v<T>) {
      out_.add_uint32(number, static_cast<uint32_t>(x));
    } else if constexpr (std::same_as<T, bool>) {
      out_.add_bool(number, x);
    } else if constexpr (std::same_as<T, double>) {
      out_.add_double(number, x);
    } else if constexpr (std::same_as<T, float>) {
      out_.add_float(number, x);
    } else if constexpr (std::same_as<T, uint64_t>) {
      out_.add_uint64(number, x);
    } else if constexpr (std::is_integral_v<T>) {
      out_.add_sint64(number, static_cast<int64_t>(x));
    } else {
      out_.add_message(number, encode(x));
    }
  }

  std::string take() { return std::move(bytes_); }

 private:
  template <class T>
  void repeated(uint32_t number, std::string_view name, const std::vector<T>& list) {
    if constexpr (std::same_as<T, float>) {
      out_.add_packed_float(number, list.begin(), list.end());
    } else if constexpr (std::same_as<T, double>) {
      out_.add_packed_double(number, list.begin(), list.end());
    } else if constexpr (is_number<T>) {
      out_.add_packed_sint64(number, list.begin(), list.end());
    } else {
      for (const T& x : list) (*this)(number, name, x);
    }
  }

  std::string bytes_;
  protozero::pbf_writer out_{bytes_};
};

template <class T>
std::string encode(const T& x) {
  Writer writer;
  fields(writer, x);
  return writer.take();
}

// What one parse may spend, so that a small file cannot ask for much: memory is charged before it is taken.
struct Budget {
  int64_t bytes = 0;
  int depth = 100;
  void charge(size_t n) {
    bytes -= static_cast<int64_t>(n);
    if (bytes < 0) throw Malformed{"it unpacks to more memory than its size allows"};
  }
};

template <class T>
void decode(protozero::data_view bytes, T& x, Budget& budget);

class Reader {
 public:
  Reader(protozero::pbf_reader& in, Budget& budget) : in_(in), budget_(budget) {}

  void message(std::string_view name) { message_ = name; }
  bool taken() const { return taken_; }

  template <class T>
  void operator()(uint32_t number, std::string_view name, T& x) {
    if (taken_ || in_.tag() != number) return;
    taken_ = true;
    field_ = name;
    read(x);
  }

 private:
  template <class T>
  void read(T& x) {
    using protozero::pbf_wire_type;
    if constexpr (is_optional<T>) {
      read(x.emplace());
    } else if constexpr (is_vector<T>) {
      read_repeated(x);
    } else if constexpr (HasVia<T>) {
      typename Via<T>::Wire wire{};
      read(wire);
      x = Via<T>::from(std::move(wire));
    } else if constexpr (Text<T>) {
      expect(pbf_wire_type::length_delimited);
      const protozero::data_view view = in_.get_view();
      budget_.charge(view.size());
      x.assign(view.data(), view.size());
    } else if constexpr (std::same_as<T, Digest>) {
      expect(pbf_wire_type::length_delimited);
      const protozero::data_view view = in_.get_view();
      if (view.size() != x.size()) fail("is not a digest of 32 bytes");
      std::copy(view.data(), view.data() + view.size(), reinterpret_cast<char*>(x.data()));
    } else if constexpr (std::same_as<T, Joules>) {
      double joules = 0;
      read(joules);
      x = Joules{joules};
    } else if constexpr (std::is_enum_v<T>) {
      expect(pbf_wire_type::varint);
      const uint64_t value = in_.get_uint64();
      if (value < EnumRange<T>::first || value > EnumRange<T>::last) fail("has no such number");
      x = static_cast<T>(value);
    } else if constexpr (std::same_as<T, bool>) {
      expect(pbf_wire_type::varint);
      x = in_.get_bool();
    } else if constexpr (std::same_as<T, double>) {
      expect(pbf_wire_type::fixed64);
      x = in_.get_double();
    } else if constexpr (std::same_as<T, float>) {
      expect(pbf_wire_type::fixed32);
      x = in_.get_float();
    } else if constexpr (std::same_as<T, uint64_t>) {
      expect(pbf_wire_type::varint);
      x = in_.get_uint64();
    } else if constexpr (std::is_integral_v<T>) {
      expect(pbf_wire_type::varint);
      x = narrow<T>(in_.get_sint64());
    } else {
      expect(pbf_wire_type::length_delimited);
      decode(in_.get_view(), x, budget_);
    }
  }

  template <class T>
  void read_repeated(std::vector<T>& list) {
    // Twice: a vector that grows holds its old and its new memory for a moment.
    const auto push = [&](T x) {
      budget_.charge(2 * sizeof(T));
      list.push_back(std::move(x));
    };
    if constexpr (is_number<T>) {
      if (in_.wire_type() == protozero::pbf_wire_type::length_delimited) {
        if constexpr (std::same_as<T, float>) {
          for (float x : in_.get_packed_float()) push(x);
        } else if constexpr (std::same_as<T, double>) {
          for (double x : in_.get_packed_double()) push(x);
        } else {
          for (int64_t x : in_.get_packed_sint64()) push(narrow<T>(x));
        }
        return;
      }
    }
    budget_.charge(2 * sizeof(T));
    read(list.emplace_back());
  }

  template <class T>
  T narrow(int64_t value) {
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) fail("is out of range");
    return static_cast<T>(value);
  }
  void expect(protozero::pbf_wire_type type) {
    if (in_.wire_type() != type) fail("has the wrong wire type");
  }
  [[noreturn]] void fail(std::string_view what) { throw Malformed{fmt::format("{}.{} {}", message_, field_, what)}; }

  protozero::pbf_reader& in_;
  Budget& budget_;
  std::string_view message_, field_;
  bool taken_ = false;
};

template <class T>
void decode(protozero::data_view bytes, T& x, Budget& budget) {
  if (budget.depth == 0) throw Malformed{"it is nested too deep"};
  --budget.depth;
  protozero::pbf_reader in(bytes);
  while (in.next()) {
    Reader reader(in, budget);
    fields(reader, x);
    if (!reader.taken()) in.skip();
  }
  ++budget.depth;
}

}  // namespace mj::wire
