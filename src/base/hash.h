// SPDX-License-Identifier: Apache-2.0
// SHA-256, for what must not be forged. Tables and cache keys use hash64.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace mj {

using Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  Digest finish();  // once; nothing may follow

 private:
  struct State;
  std::shared_ptr<State> state_;
};

Digest sha256(std::span<const std::byte> bytes);

std::string to_hex(std::span<const uint8_t> bytes);  // lower case

}  // namespace mj
