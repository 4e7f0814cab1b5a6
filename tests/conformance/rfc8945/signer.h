// A signer of the tests' own (RFC 8945 sections 4.2 and 4.3): shares nothing with the product.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <ctime>

#include "conformance/target.h"

namespace clusterdns::test {

// The key of the zone signed.test, see target.cc.
inline constexpr const char* kKeyName = "signer.test.";
inline const Octets kKeySecret(32, 0x41);

struct Signature {
  std::string key = kKeyName;
  std::string algorithm = "hmac-sha256.";
  Octets secret = kKeySecret;
  std::uint64_t time = static_cast<std::uint64_t>(std::time(nullptr));
  unsigned fudge = 300;
  unsigned error = 0;
  Octets other = {};
  std::size_t mac_size = 32;  // octets of it that are sent
  std::uint16_t original_id = 0;
};

inline void put_u48(WireWriter& to, std::uint64_t time) {
  to.u16(static_cast<unsigned>(time >> 32)).u32(static_cast<std::uint32_t>(time));
}

inline Octets hmac_sha256(const Octets& secret, const Octets& octets) {
  Octets mac(32);
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), octets.data(), octets.size(),
       mac.data(), &size);
  return mac;
}

// What is signed of a message: `prior` is the MAC before it, and `timers` says that it is not the
// first of a reply.
inline Octets mac_of(const Octets& message, const Signature& by, const Octets& prior = {},
                     bool timers = false) {
  WireWriter digest;
  if (!prior.empty()) digest.u16(static_cast<unsigned>(prior.size())).raw(prior);
  digest.raw(message);
  if (!timers) {
    digest.name(lower(by.key)).u16(255).u32(0).name(by.algorithm);
  }
  put_u48(digest, by.time);
  digest.u16(by.fudge);
  if (!timers) {
    digest.u16(by.error).u16(static_cast<unsigned>(by.other.size())).raw(by.other);
  }
  return hmac_sha256(by.secret, digest.out);
}

// `message` with a TSIG record behind it. `*mac` becomes the whole MAC.
inline Octets sign(const Octets& message, const Signature& by, Octets* mac) {
  *mac = mac_of(message, by);
  Octets sent = *mac;
  sent.resize(by.mac_size);
  WireWriter rdata;
  rdata.name(by.algorithm);
  put_u48(rdata, by.time);
  rdata.u16(by.fudge).u16(static_cast<unsigned>(sent.size())).raw(sent);
  rdata.raw(std::span(message).first(2)).u16(by.error).u16(0);
  WireWriter whole;
  whole.raw(message);
  whole.record(by.key, "TSIG", 0, rdata.out, "ANY");
  ++whole.out[11];
  return whole.out;
}

// The TSIG record of a message, which is the last one.
struct FoundSignature {
  Signature said;
  Octets mac;
  Octets before;  // the message without it
};
inline FoundSignature signature_of(const Message& message) {
  FoundSignature found;
  if (message.additional.empty() || message.additional.back().type != 250) {
    throw TestError("no TSIG record at the end of " + message.text());
  }
  const Record& record = message.additional.back();
  const Octets& rdata = record.rdata;
  std::size_t at = 0;
  while (rdata.at(at) != 0) {
    found.said.algorithm = at == 0 ? "" : found.said.algorithm;
    found.said.algorithm.append(reinterpret_cast<const char*>(&rdata[at + 1]), rdata[at]);
    found.said.algorithm += '.';
    at += std::size_t{1} + rdata[at];
  }
  ++at;
  const auto u16 = [&](std::size_t where) { return rdata.at(where) << 8 | rdata.at(where + 1); };
  found.said.key = record.owner;
  found.said.time = 0;
  for (std::size_t i = 0; i < 6; ++i) found.said.time = found.said.time << 8 | rdata.at(at + i);
  found.said.fudge = static_cast<unsigned>(u16(at + 6));
  const auto mac_size = static_cast<std::size_t>(u16(at + 8));
  at += 10;
  const auto part = [&](std::size_t size) {
    return Octets(rdata.begin() + static_cast<std::ptrdiff_t>(at),
                  rdata.begin() + static_cast<std::ptrdiff_t>(at + size));
  };
  found.mac = part(mac_size);
  at += mac_size;
  found.said.original_id = static_cast<std::uint16_t>(u16(at));
  found.said.error = static_cast<unsigned>(u16(at + 2));
  const auto other_size = static_cast<std::size_t>(u16(at + 4));
  at += 6;
  found.said.other = part(other_size);
  found.before.assign(message.wire.begin(),
                      message.wire.begin() + static_cast<std::ptrdiff_t>(record.offset));
  --found.before[11];
  return found;
}

}  // namespace clusterdns::test
