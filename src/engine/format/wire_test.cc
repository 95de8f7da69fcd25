// SPDX-License-Identifier: Apache-2.0
#include "engine/format/wire.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "engine/format/records_wire.h"
#include "engine/format/wire_fields.h"

namespace mj::wire {
namespace {

// message -> number -> "repeated string dims"
using Schema = std::map<std::string, std::map<uint32_t, std::string>>;

// Walks fields() of every message reachable from one and writes down what engine.proto should say.
class Describer {
 public:
  explicit Describer(Schema& schema) : schema_(schema) {}
  void message(std::string_view name) { message_ = name; }
  template <class T>
  void operator()(uint32_t number, std::string_view name, const T&) {
    const bool fresh = schema_[message_].try_emplace(number, type<T>() + " " + std::string(name)).second;
    EXPECT_TRUE(fresh) << message_ << " gives number " << number << " twice";
  }

  template <class T>
  std::string type() {
    if constexpr (is_optional<T>) {
      return "optional " + type<typename T::value_type>();
    } else if constexpr (is_vector<T>) {
      return "repeated " + type<typename T::value_type>();
    } else if constexpr (HasVia<T>) {
      return type<typename Via<T>::Wire>();
    } else if constexpr (Text<T> || std::same_as<T, Digest>) {
      return "string";
    } else if constexpr (std::same_as<T, double> || std::same_as<T, Joules>) {
      return "double";
    } else if constexpr (std::same_as<T, float>) {
      return "float";
    } else if constexpr (std::same_as<T, bool>) {
      return "bool";
    } else if constexpr (std::is_enum_v<T>) {
      return "uint32";
    } else if constexpr (std::same_as<T, uint64_t>) {
      return "uint64";
    } else if constexpr (std::is_integral_v<T>) {
      return "sint64";
    } else {
      return describe<T>(schema_);
    }
  }

  template <class T>
  static std::string describe(Schema& schema) {
    Namer namer;
    T value{};
    fields(namer, value);
    if (!schema.contains(namer.name)) {
      schema[namer.name];
      Describer inner(schema);
      fields(inner, value);
    }
    return namer.name;
  }

 private:
  struct Namer {
    std::string name;
    void message(std::string_view text) { name = text; }
    template <class T>
    void operator()(uint32_t, std::string_view, const T&) {}
  };

  Schema& schema_;
  std::string message_;
};

Schema read_proto() {
  std::ifstream file(MJ_SOURCE_DIR "/src/engine/format/engine.proto");
  EXPECT_TRUE(file.good());
  const std::regex message(R"(^message (\w+) \{)");
  const std::regex field(R"(^  ((?:repeated |optional )?)(\w+) (\w+) = (\d+)(?: \[packed = false\])?;.*)");
  Schema schema;
  std::string line, current;
  while (std::getline(file, line)) {
    std::smatch m;
    if (std::regex_search(line, m, message)) current = m[1];
    if (!std::regex_match(line, m, field)) continue;
    const std::string type = m[2] == "bytes" ? "string" : m[2].str();
    schema[current][static_cast<uint32_t>(std::stoul(m[4]))] = m[1].str() + type + " " + m[3].str();
  }
  return schema;
}

TEST(Wire, EngineProtoSaysWhatTheCodeDoes) {
  Schema code;
  Describer::describe<ManifestRecord>(code);
  Describer::describe<MeasurementsRecord>(code);
  const Schema proto = read_proto();
  for (const auto& [message, numbers] : code) {
    ASSERT_TRUE(proto.contains(message)) << message;
    EXPECT_EQ(proto.at(message), numbers) << message;
  }
  EXPECT_EQ(proto.size(), code.size());
}

template <class T>
std::string refusal(const std::string& bytes, int64_t memory = 1 << 20) {
  Budget budget{.bytes = memory};
  T x;
  try {
    decode(protozero::data_view(bytes), x, budget);
  } catch (const Malformed& malformed) {
    return malformed.reason;
  } catch (const protozero::exception& exception) {
    return exception.what();
  }
  return "accepted";
}

TEST(Wire, UnknownFieldsAreSkipped) {
  std::string bytes = encode(ConstantRef{1, 64, 128});
  protozero::pbf_writer more(bytes);
  more.add_uint64(1000, 1);
  more.add_fixed32(1001, 2);
  more.add_fixed64(1002, 3);
  more.add_string(1003, "four");
  EXPECT_EQ(refusal<ConstantRef>(bytes), "accepted");
}

TEST(Wire, WrongWireTypesAndRangesAreRefused) {
  const auto field = [](auto&& write) {
    std::string bytes;
    protozero::pbf_writer writer(bytes);
    write(writer);
    return bytes;
  };
  EXPECT_EQ(refusal<ConstantRef>(field([](auto& w) { w.add_string(1, "one"); })),
            "ConstantRef.section has the wrong wire type");
  EXPECT_EQ(refusal<ConstantRef>(field([](auto& w) { w.add_sint64(1, int64_t{1} << 40); })),
            "ConstantRef.section is out of range");
  EXPECT_EQ(refusal<TypeWire>(field([](auto& w) { w.add_uint32(2, 99); })), "Type.dtype has no such number");
  EXPECT_EQ(refusal<Provenance>(field([](auto& w) { w.add_string(1, "short"); })),
            "Provenance.model_digest is not a digest of 32 bytes");
  // Repeated numbers are taken packed or one by one.
  EXPECT_EQ(refusal<PlanRecord>(field([](auto& w) { w.add_sint64(4, 1); })), "accepted");
}

TEST(Wire, MemoryAndDepthAreBounded) {
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += std::string("\x12\x00", 2);  // empty tensors of a plan
  EXPECT_NE(refusal<PlanRecord>(many).find("more memory"), std::string::npos);

  std::string nested;
  for (int i = 0; i < 200; ++i) {
    std::string step, plan;
    protozero::pbf_writer(step).add_message(6, nested);
    protozero::pbf_writer(plan).add_message(3, step);
    nested = plan;
  }
  EXPECT_EQ(refusal<PlanRecord>(nested), "it is nested too deep");
}

TEST(Wire, TruncationsAreRefused) {
  ManifestRecord manifest;
  manifest.provenance.producer = "millijoule";
  const std::vector<std::byte> bytes = serialize(manifest);
  ASSERT_TRUE(parse_manifest(bytes).ok());
  for (size_t size = 1; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_manifest(std::span(bytes).first(size)).ok()) << size;
  }
}

}  // namespace
}  // namespace mj::wire
