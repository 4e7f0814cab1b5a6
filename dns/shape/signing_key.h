// Keys that sign zones (RFC 4034 section 2), by OpenSSL.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// OpenSSL's EVP_PKEY.
extern "C" {
typedef struct evp_pkey_st EVP_PKEY;
}

namespace clusterdns::dns {

// Algorithms to sign with, by their IANA numbers: those of RFC 8624 section 3.1 without SHA-1,
// ECC-GOST and Ed448.
enum class DnssecAlgorithm : std::uint8_t {
  RsaSha256 = 8,         // RFC 5702
  RsaSha512 = 10,        // RFC 5702
  EcdsaP256Sha256 = 13,  // RFC 6605
  EcdsaP384Sha384 = 14,  // RFC 6605
  Ed25519 = 15,          // RFC 8080
};

// Octets of a signature at most: RSA with 4096 bits.
inline constexpr std::size_t kMaxSignature = 512;
// Bits of the modulus of an RSA key (RFC 5702 section 2; larger ones sign too slowly to be of use).
inline constexpr std::size_t kMinRsaBits = 1024;
inline constexpr std::size_t kMaxRsaBits = 4096;

// A private key as BIND's files have it, decoded. Numbers are big-endian.
struct PrivateKey {
  std::vector<std::uint8_t> secret;  // of ECDSA the number, of Ed25519 the seed; RSA has the others
  std::vector<std::uint8_t> modulus, public_exponent, private_exponent;
  std::vector<std::uint8_t> prime1, prime2, exponent1, exponent2, coefficient;
};

// A DNSKEY record and its private half. Free to use from any thread.
class SigningKey {
 public:
  // `flags` and `public_key` as in the DNSKEY record. The error is a sentence about the key: that
  // its algorithm is not supported, that the halves do not belong together.
  [[nodiscard]] static boost::system::result<std::shared_ptr<const SigningKey>, std::string> make(
      std::uint16_t flags, unsigned algorithm, std::span<const std::uint8_t> public_key,
      const PrivateKey& private_key);
  ~SigningKey();
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;

  [[nodiscard]] std::uint16_t tag() const noexcept { return tag_; }  // RFC 4034 appendix B
  [[nodiscard]] DnssecAlgorithm algorithm() const noexcept { return algorithm_; }
  // A key of the zone with the SEP bit (RFC 4034 2.1.1): a key-signing key, or one for all.
  [[nodiscard]] bool is_ksk() const noexcept { return (flags_ & 0x0101) == 0x0101; }
  // A key of the zone without it.
  [[nodiscard]] bool is_zsk() const noexcept { return (flags_ & 0x0101) == 0x0100; }
  // RDATA of its DNSKEY record.
  [[nodiscard]] std::span<const std::uint8_t> rdata() const noexcept { return rdata_; }
  // Octets of its signatures.
  [[nodiscard]] std::size_t signature_size() const noexcept { return signature_size_; }

  // Signs `data` into `signature`, which has room for signature_size(). False when OpenSSL cannot,
  // for want of memory. Allocates; takes 20 us (ECDSA P-256, Ed25519) to several milliseconds.
  [[nodiscard]] bool sign(std::span<const std::uint8_t> data,
                          std::uint8_t* signature) const noexcept;
  // Whether `signature` is one of `data`, by the public half alone.
  [[nodiscard]] bool verify(std::span<const std::uint8_t> data,
                            std::span<const std::uint8_t> signature) const noexcept;

 private:
  SigningKey() = default;

  std::uint16_t flags_ = 0;
  std::uint16_t tag_ = 0;
  DnssecAlgorithm algorithm_{};
  std::size_t signature_size_ = 0;
  std::vector<std::uint8_t> rdata_;
  EVP_PKEY* private_ = nullptr;
  EVP_PKEY* public_ = nullptr;
};

// Those that are supported, in words: for messages.
inline constexpr std::string_view kDnssecAlgorithms =
    "RSASHA256 (8), RSASHA512 (10), ECDSAP256SHA256 (13), ECDSAP384SHA384 (14) or ED25519 (15)";

// RFC 4034 appendix B.
[[nodiscard]] std::uint16_t key_tag(std::span<const std::uint8_t> rdata) noexcept;

}  // namespace clusterdns::dns
