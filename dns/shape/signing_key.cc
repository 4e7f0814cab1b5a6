#include "dns/shape/signing_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <optional>

namespace clusterdns::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using Number = std::unique_ptr<BIGNUM, Freed<&BN_clear_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<&OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<&OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<&EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<&EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<&ECDSA_SIG_free>>;

struct Algorithm {
  DnssecAlgorithm number;
  std::string_view text;
  const EVP_MD* (*digest)();  // nullptr: its own
  std::size_t half;           // octets of a coordinate; 0: not ECDSA
  const char* group;
};
constexpr Algorithm kAlgorithms[] = {
    {DnssecAlgorithm::RsaSha256, "RSASHA256", &EVP_sha256, 0, nullptr},
    {DnssecAlgorithm::RsaSha512, "RSASHA512", &EVP_sha512, 0, nullptr},
    {DnssecAlgorithm::EcdsaP256Sha256, "ECDSAP256SHA256", &EVP_sha256, 32, "P-256"},
    {DnssecAlgorithm::EcdsaP384Sha384, "ECDSAP384SHA384", &EVP_sha384, 48, "P-384"},
    {DnssecAlgorithm::Ed25519, "ED25519", nullptr, 0, nullptr},
};

const Algorithm* find_algorithm(unsigned number) noexcept {
  const auto* const at = std::find_if(
      std::begin(kAlgorithms), std::end(kAlgorithms),
      [&](const Algorithm& each) { return static_cast<unsigned>(each.number) == number; });
  return at == std::end(kAlgorithms) ? nullptr : at;
}

bool is_rsa(const Algorithm& algorithm) noexcept {
  return algorithm.number == DnssecAlgorithm::RsaSha256 ||
         algorithm.number == DnssecAlgorithm::RsaSha512;
}

Octets without_zeros(Octets number) noexcept {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return number;
}

// Numbers of a key, for OpenSSL.
class KeyBuilder {
 public:
  KeyBuilder() : builder_(OSSL_PARAM_BLD_new()) {}
  void add(const char* name, Octets number) {
    numbers_.emplace_back(
        BN_bin2bn(number.data(), static_cast<int>(number.size()), BN_secure_new()));
    good_ = good_ && OSSL_PARAM_BLD_push_BN(builder_.get(), name, numbers_.back().get()) == 1;
  }
  void add_text(const char* name, const char* text) {
    good_ = good_ && OSSL_PARAM_BLD_push_utf8_string(builder_.get(), name, text, 0) == 1;
  }
  void add_octets(const char* name, Octets octets) {
    good_ = good_ && OSSL_PARAM_BLD_push_octet_string(builder_.get(), name, octets.data(),
                                                      octets.size()) == 1;
  }
  // nullptr: they make no key.
  [[nodiscard]] EVP_PKEY* build(const char* type, int selection) {
    const Parameters parameters(good_ ? OSSL_PARAM_BLD_to_param(builder_.get()) : nullptr);
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) != 1) {
      return nullptr;
    }
    return key;
  }

 private:
  Builder builder_;
  std::vector<Number> numbers_;
  bool good_ = true;
};

// Exponent and modulus as RFC 3110 section 2 has them.
struct RsaPublic {
  Octets exponent, modulus;
};
std::optional<RsaPublic> split_rsa(Octets key) noexcept {
  if (key.empty()) return std::nullopt;
  std::size_t size = key[0];
  key = key.subspan(1);
  if (size == 0) {
    if (key.size() < 2) return std::nullopt;
    size = std::size_t{key[0]} << 8 | key[1];
    key = key.subspan(2);
  }
  if (size == 0 || key.size() <= size) return std::nullopt;
  return RsaPublic{key.first(size), without_zeros(key.subspan(size))};
}

EVP_PKEY* make_public(const Algorithm& algorithm, Octets key) {
  KeyBuilder builder;
  if (is_rsa(algorithm)) {
    const auto rsa = split_rsa(key);
    if (!rsa) return nullptr;
    builder.add(OSSL_PKEY_PARAM_RSA_N, rsa->modulus);
    builder.add(OSSL_PKEY_PARAM_RSA_E, rsa->exponent);
    return builder.build("RSA", EVP_PKEY_PUBLIC_KEY);
  }
  if (algorithm.half == 0) {
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size());
  }
  std::vector<std::uint8_t> point{4};  // uncompressed (SEC 1, 2.3.3)
  point.insert(point.end(), key.begin(), key.end());
  builder.add_text(OSSL_PKEY_PARAM_GROUP_NAME, algorithm.group);
  builder.add_octets(OSSL_PKEY_PARAM_PUB_KEY, point);
  return builder.build("EC", EVP_PKEY_PUBLIC_KEY);
}

EVP_PKEY* make_private(const Algorithm& algorithm, const PrivateKey& key) {
  KeyBuilder builder;
  if (is_rsa(algorithm)) {
    builder.add(OSSL_PKEY_PARAM_RSA_N, key.modulus);
    builder.add(OSSL_PKEY_PARAM_RSA_E, key.public_exponent);
    builder.add(OSSL_PKEY_PARAM_RSA_D, key.private_exponent);
    builder.add(OSSL_PKEY_PARAM_RSA_FACTOR1, key.prime1);
    builder.add(OSSL_PKEY_PARAM_RSA_FACTOR2, key.prime2);
    builder.add(OSSL_PKEY_PARAM_RSA_EXPONENT1, key.exponent1);
    builder.add(OSSL_PKEY_PARAM_RSA_EXPONENT2, key.exponent2);
    builder.add(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, key.coefficient);
    return builder.build("RSA", EVP_PKEY_KEYPAIR);
  }
  if (algorithm.half == 0) {
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, key.secret.data(),
                                        key.secret.size());
  }
  builder.add_text(OSSL_PKEY_PARAM_GROUP_NAME, algorithm.group);
  builder.add(OSSL_PKEY_PARAM_PRIV_KEY, key.secret);
  return builder.build("EC", EVP_PKEY_KEYPAIR);
}

// What is wrong with the sizes; empty: nothing.
std::string judge_sizes(const Algorithm& algorithm, Octets public_key, const PrivateKey& key) {
  if (is_rsa(algorithm)) {
    const auto rsa = split_rsa(public_key);
    if (!rsa) return "the public key is too short";
    if (rsa->modulus.size() * 8 > kMaxRsaBits || rsa->modulus.size() * 8 < kMinRsaBits) {
      return "an RSA key has 1024 to 4096 bits; make another one";
    }
    if (!std::ranges::equal(rsa->modulus, without_zeros(key.modulus))) {
      return "the private key does not belong to the public one";
    }
    return {};
  }
  const std::size_t half = algorithm.half == 0 ? 32 : algorithm.half;
  if (public_key.size() != (algorithm.half == 0 ? half : 2 * half)) {
    return "the public key has the wrong length for its algorithm";
  }
  if (algorithm.half == 0 ? key.secret.size() != half
                          : key.secret.empty() || key.secret.size() > half) {
    return "the private key has the wrong length for its algorithm";
  }
  return {};
}

}  // namespace

std::uint16_t key_tag(Octets rdata) noexcept {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < rdata.size(); ++i) {
    sum += (i & 1) != 0 ? rdata[i] : std::uint32_t{rdata[i]} << 8;
  }
  return static_cast<std::uint16_t>(sum + (sum >> 16));
}

boost::system::result<std::shared_ptr<const SigningKey>, std::string> SigningKey::make(
    std::uint16_t flags, unsigned algorithm, Octets public_key, const PrivateKey& private_key) {
  const Algorithm* const known = find_algorithm(algorithm);
  if (known == nullptr) {
    return "algorithm " + std::to_string(algorithm) + " is not supported; use " +
           std::string(kDnssecAlgorithms);
  }
  if ((flags & 0x0100) == 0) return std::string("it is not a key of a zone (flags 256 or 257)");
  if ((flags & 0x0080) != 0) return std::string("it is revoked (RFC 5011)");
  if (std::string wrong = judge_sizes(*known, public_key, private_key); !wrong.empty()) {
    return wrong;
  }
  std::shared_ptr<SigningKey> key(new SigningKey);
  key->flags_ = flags;
  key->algorithm_ = known->number;
  key->rdata_ = {static_cast<std::uint8_t>(flags >> 8), static_cast<std::uint8_t>(flags), 3,
                 static_cast<std::uint8_t>(algorithm)};
  key->rdata_.insert(key->rdata_.end(), public_key.begin(), public_key.end());
  key->tag_ = key_tag(key->rdata_);
  key->public_ = make_public(*known, public_key);
  if (key->public_ == nullptr) {
    return std::string(
        "the public key is not valid, or OpenSSL on this machine does not support it");
  }
  key->private_ = make_private(*known, private_key);
  if (key->private_ == nullptr) {
    return std::string(
        "the private key is not valid, or OpenSSL on this machine does not support it");
  }
  key->signature_size_ = is_rsa(*known) ? split_rsa(public_key)->modulus.size()
                                        : 2 * (known->half == 0 ? 32 : known->half);
  static constexpr std::array<std::uint8_t, 4> kSample{'t', 'e', 's', 't'};
  std::array<std::uint8_t, kMaxSignature> signature{};
  if (!key->sign(kSample, signature.data())) {
    return std::string("OpenSSL on this machine does not sign with it; see openssl.cnf");
  }
  if (!key->verify(kSample, Octets(signature).first(key->signature_size_))) {
    return std::string("the private key does not belong to the public one");
  }
  return std::shared_ptr<const SigningKey>(std::move(key));
}

SigningKey::~SigningKey() {
  EVP_PKEY_free(private_);
  EVP_PKEY_free(public_);
}

bool SigningKey::sign(Octets data, std::uint8_t* signature) const noexcept {
  const Algorithm& algorithm = *find_algorithm(static_cast<unsigned>(algorithm_));
  const DigestContext context(EVP_MD_CTX_new());
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr,
                         algorithm.digest == nullptr ? nullptr : algorithm.digest(), nullptr,
                         private_) != 1) {
    return false;
  }
  std::array<std::uint8_t, kMaxSignature> made{};
  std::size_t size = made.size();
  if (EVP_DigestSign(context.get(), made.data(), &size, data.data(), data.size()) != 1) {
    return false;
  }
  if (algorithm.half == 0) {
    if (size != signature_size_) return false;
    std::copy_n(made.begin(), size, signature);
    return true;
  }
  // RFC 6605 section 4: both numbers at full length, not OpenSSL's DER.
  const std::uint8_t* der = made.data();
  const EcdsaSignature parts(d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size)));
  const int half = static_cast<int>(algorithm.half);
  return parts != nullptr && BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), signature, half) == half &&
         BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), signature + half, half) == half;
}

bool SigningKey::verify(Octets data, Octets signature) const noexcept {
  const Algorithm& algorithm = *find_algorithm(static_cast<unsigned>(algorithm_));
  if (signature.size() != signature_size_) return false;
  std::array<std::uint8_t, kMaxSignature> der{};
  if (algorithm.half != 0) {
    const int half = static_cast<int>(algorithm.half);
    const EcdsaSignature parts(ECDSA_SIG_new());
    if (parts == nullptr) return false;
    BIGNUM* const r = BN_bin2bn(signature.data(), half, nullptr);
    BIGNUM* const s = BN_bin2bn(signature.data() + half, half, nullptr);
    if (r == nullptr || s == nullptr || ECDSA_SIG_set0(parts.get(), r, s) != 1) {
      BN_free(r);
      BN_free(s);
      return false;
    }
    std::uint8_t* end = der.data();
    const int size = i2d_ECDSA_SIG(parts.get(), &end);
    if (size <= 0) return false;
    signature = Octets(der).first(static_cast<std::size_t>(size));
  }
  const DigestContext context(EVP_MD_CTX_new());
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr,
                              algorithm.digest == nullptr ? nullptr : algorithm.digest(), nullptr,
                              public_) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(),
                          data.size()) == 1;
}

}  // namespace clusterdns::dns
