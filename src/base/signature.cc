// SPDX-License-Identifier: Apache-2.0
#include "base/signature.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/file.h"

namespace mj {
namespace {

constexpr int64_t kMaxPemBytes = 16 * 1024;

const unsigned char* raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }
std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> new_context() { return {EVP_MD_CTX_new(), EVP_MD_CTX_free}; }

// A passphrase callback that has none, instead of the default that asks on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

template <class Read>
Result<std::shared_ptr<EVP_PKEY>> read_key(const std::string& path, std::string_view what, Read read) {
  MJ_ASSIGN(const std::vector<std::byte> text, read_file(path, kMaxPemBytes));
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                      BIO_free);
  CHECK(bio, "out of memory");
  std::shared_ptr<EVP_PKEY> key = own(read(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return error(ErrorCode::environment, "key file '{}' is not an unencrypted Ed25519 {} key in PEM form", path, what);
  }
  return key;
}

PublicKey public_part(EVP_PKEY* key) {
  PublicKey bytes{};
  size_t size = bytes.size();
  CHECK(EVP_PKEY_get_raw_public_key(key, bytes.data(), &size) == 1 && size == bytes.size(), "not an Ed25519 key");
  return bytes;
}

}  // namespace

SigningKey SigningKey::generate() {
  std::shared_ptr<EVP_PKEY> key = own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  CHECK(key, "OpenSSL cannot make an Ed25519 key");
  return SigningKey(std::move(key));
}

Result<SigningKey> SigningKey::read_pem(const std::string& path) {
  MJ_ASSIGN(std::shared_ptr<EVP_PKEY> key, read_key(path, "private", PEM_read_bio_PrivateKey));
  return SigningKey(std::move(key));
}

Result<PublicKey> read_public_key_pem(const std::string& path) {
  MJ_ASSIGN(const std::shared_ptr<EVP_PKEY> key, read_key(path, "public", PEM_read_bio_PUBKEY));
  return public_part(key.get());
}

PublicKey SigningKey::public_key() const { return public_part(key_.get()); }

Signature SigningKey::sign(std::span<const std::byte> message) const {
  Signature signature{};
  size_t size = signature.size();
  const auto context = new_context();
  CHECK(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
            EVP_DigestSign(context.get(), signature.data(), &size, raw(message), message.size()) == 1 &&
            size == signature.size(),
        "Ed25519 signing failed");
  return signature;
}

bool verify_signature(const PublicKey& key, std::span<const std::byte> message, const Signature& signature) {
  const std::shared_ptr<EVP_PKEY> public_key =
      own(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const auto context = new_context();
  return public_key && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), raw(message), message.size()) == 1;
}

}  // namespace mj
