// SPDX-License-Identifier: Apache-2.0
// Ed25519 signatures, and the PEM files that hold the keys (`openssl genpkey -algorithm ed25519`).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

struct evp_pkey_st;

namespace mj {

using PublicKey = std::array<uint8_t, 32>;
using Signature = std::array<uint8_t, 64>;

// A private key. Copies share it.
class SigningKey {
 public:
  static SigningKey generate();
  // Not encrypted: nobody is asked for a passphrase.
  static Result<SigningKey> read_pem(const std::string& path);

  PublicKey public_key() const;
  Signature sign(std::span<const std::byte> message) const;  // the message is usually a digest

 private:
  explicit SigningKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

Result<PublicKey> read_public_key_pem(const std::string& path);

bool verify_signature(const PublicKey& key, std::span<const std::byte> message, const Signature& signature);

}  // namespace mj
