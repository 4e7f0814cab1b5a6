#include "dns/wire/tsig.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

struct Algorithm {
  TsigAlgorithm number;
  std::string_view text;
  std::size_t size;  // of its MAC
  const EVP_MD* (*digest)();
};
constexpr Algorithm kAlgorithms[] = {
    {TsigAlgorithm::Sha1, "hmac-sha1", 20, &EVP_sha1},
    {TsigAlgorithm::Sha224, "hmac-sha224", 28, &EVP_sha224},
    {TsigAlgorithm::Sha256, "hmac-sha256", 32, &EVP_sha256},
    {TsigAlgorithm::Sha384, "hmac-sha384", 48, &EVP_sha384},
    {TsigAlgorithm::Sha512, "hmac-sha512", 64, &EVP_sha512},
};

const Algorithm& properties(TsigAlgorithm algorithm) noexcept {
  return kAlgorithms[static_cast<std::size_t>(algorithm)];
}

// Its name in wire form: one label.
Name name_of(TsigAlgorithm algorithm) noexcept {
  return *Name::from_text(properties(algorithm).text);
}

void put_u16(std::vector<std::uint8_t>& to, unsigned value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}

void put_u48(std::vector<std::uint8_t>& to, std::uint64_t value) {
  for (int shift = 40; shift >= 0; shift -= 8) {
    to.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

void put(std::vector<std::uint8_t>& to, Octets octets) {
  to.insert(to.end(), octets.begin(), octets.end());
}

std::uint64_t load_u48(const std::uint8_t* at) noexcept {
  return (std::uint64_t{load_u16(at)} << 32) | load_u32(at + 2);
}

// What is signed of a message before, with its size in front (section 4.3.1).
void put_sized(std::vector<std::uint8_t>& to, Octets mac) {
  put_u16(to, static_cast<unsigned>(mac.size()));
  put(to, mac);
}

// A message as it was before its TSIG record was added (section 4.3.2).
void put_message(std::vector<std::uint8_t>& to, Octets message, const TsigRecord& record) {
  const std::size_t begin = to.size();
  put(to, message.first(record.at));
  std::uint8_t* const header = to.data() + begin;
  store_u16(header, record.original_id);
  store_u16(header + 10, static_cast<std::uint16_t>(load_u16(header + 10) - 1));
}

// The variables of section 4.3.3.
void put_variables(std::vector<std::uint8_t>& to, const Name& key, const Name& algorithm,
                   std::uint64_t time, std::uint16_t fudge, std::uint16_t error, Octets other) {
  put(to, key.view());
  put_u16(to, static_cast<unsigned>(RRClass::Any));
  put_u16(to, 0);  // TTL
  put_u16(to, 0);
  put(to, algorithm.view());
  put_u48(to, time);
  put_u16(to, fudge);
  put_u16(to, error);
  put_sized(to, other);
}

// Of the messages behind the first one (section 5.3.1).
void put_timers(std::vector<std::uint8_t>& to, std::uint64_t time, std::uint16_t fudge) {
  put_u48(to, time);
  put_u16(to, fudge);
}

[[nodiscard]] bool in_time(std::uint64_t time, std::uint16_t fudge, std::uint64_t now) noexcept {
  return (time > now ? time - now : now - time) <= fudge;
}

std::string error_text(std::uint16_t error) {
  switch (error) {
    case 16: return "BADSIG";
    case 17: return "BADKEY";
    case 18: return "BADTIME";
    case 22: return "BADTRUNC";
    default: return "error " + std::to_string(error);
  }
}

// Octets written to `mac`, which has room for kMaxTsigMac; 0: it cannot be made.
std::size_t hmac(const TsigKey& key, Octets octets, std::uint8_t* mac) noexcept {
  const Algorithm& algorithm = properties(key.algorithm);
  unsigned size = 0;
  const auto* const made =
      HMAC(algorithm.digest(), key.secret.data(), static_cast<int>(key.secret.size()),
           octets.data(), octets.size(), mac, &size);
  return made != nullptr && size == algorithm.size ? size : 0;
}

}  // namespace

std::optional<TsigAlgorithm> tsig_algorithm(std::string_view text) noexcept {
  if (text.ends_with('.')) text.remove_suffix(1);
  for (const Algorithm& each : kAlgorithms) {
    const bool same =
        std::equal(text.begin(), text.end(), each.text.begin(), each.text.end(),
                   [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
    if (same) return each.number;
  }
  return std::nullopt;
}

bool TsigKeys::add(TsigKey key) {
  if (const auto before = find(key.name.view()); before != nullptr) return *before == key;
  keys_.push_back(std::make_shared<const TsigKey>(std::move(key)));
  return true;
}

std::shared_ptr<const TsigKey> TsigKeys::find(NameView name) const noexcept {
  for (const auto& key : keys_) {
    const NameView mine = key->name.view();
    if (std::equal(mine.begin(), mine.end(), name.begin(), name.end())) return key;
  }
  return nullptr;
}

TsigPresence find_tsig(Octets message, TsigRecord& record) noexcept {
  if (message.size() < kHeaderSize) return TsigPresence::Malformed;
  std::size_t at = kHeaderSize;
  for (unsigned left = load_u16(message.data() + 4); left != 0; --left) {
    at = skip_name(message, at);
    if (at == 0 || message.size() - at < 4) return TsigPresence::Malformed;
    at += 4;
  }
  RecordWalker walker(message, at);
  RecordPlace place;
  bool found = false;
  while (walker.next(place)) {
    if (place.type != RRType::TSIG) continue;
    if (place.section != 2 || place.after != 0) return TsigPresence::Malformed;
    found = true;
  }
  if (!walker.complete()) return TsigPresence::Malformed;
  if (!found) return TsigPresence::Absent;
  // `place` is still the last one.
  if (place.rrclass != RRClass::Any || load_u32(message.data() + place.ttl()) != 0) {
    return TsigPresence::Malformed;
  }
  std::size_t end = 0;
  const auto key = Name::from_message(message, place.owner, &end);
  if (!key) return TsigPresence::Malformed;
  const auto algorithm = Name::from_message(message, place.rdata, &end);
  // Time, fudge and MAC size; original ID, error and the size of other data.
  if (!algorithm || end > place.end || place.end - end < 16) return TsigPresence::Malformed;
  const std::uint8_t* const p = message.data();
  record.at = place.owner;
  record.key = *key;
  record.key.make_lower();
  record.algorithm = *algorithm;
  record.algorithm.make_lower();
  record.time = load_u48(p + end);
  record.fudge = load_u16(p + end + 6);
  const std::size_t mac_size = load_u16(p + end + 8);
  end += 10;
  if (place.end - end < mac_size + 6) return TsigPresence::Malformed;
  record.mac = message.subspan(end, mac_size);
  end += mac_size;
  record.original_id = load_u16(p + end);
  record.error = load_u16(p + end + 2);
  const std::size_t other_size = load_u16(p + end + 4);
  end += 6;
  if (place.end - end != other_size) return TsigPresence::Malformed;
  record.other = message.subspan(end, other_size);
  return TsigPresence::Present;
}

bool can_sign(const TsigKey& key) noexcept {
  std::array<std::uint8_t, kMaxTsigMac> mac;
  return hmac(key, {}, mac.data()) != 0;
}

TsigSession::Mac TsigSession::make_mac(Octets octets) const noexcept {
  Mac mac;
  mac.size = hmac(*key_, octets, mac.octets.data());
  return mac;
}

TsigVerdict TsigSession::take_request(Octets message, const TsigRecord& record,
                                      const TsigKeys& keys, std::uint64_t now) {
  const auto key = keys.find(record.key.view());
  if (key == nullptr || !(name_of(key->algorithm) == record.algorithm)) {
    unknown_ = std::make_unique<Unknown>(Unknown{record.key, record.algorithm});
    return verdict_ = TsigVerdict::BadKey;
  }
  // Section 5.2.2.1.
  const std::size_t whole = properties(key->algorithm).size;
  if (record.mac.size() > whole || record.mac.size() < std::max<std::size_t>(10, whole / 2)) {
    return TsigVerdict::FormErr;
  }
  key_ = key;
  std::vector<std::uint8_t> octets;
  octets.reserve(message.size() + kMaxTsigRecord);
  put_message(octets, message, record);
  put_variables(octets, record.key, record.algorithm, record.time, record.fudge, record.error,
                record.other);
  const Mac mac = make_mac(octets);
  if (mac.size < record.mac.size() ||
      CRYPTO_memcmp(mac.octets.data(), record.mac.data(), record.mac.size()) != 0) {
    key_ = nullptr;
    unknown_ = std::make_unique<Unknown>(Unknown{record.key, record.algorithm});
    return verdict_ = TsigVerdict::BadSig;
  }
  request_time_ = record.time;
  request_fudge_ = record.fudge;
  std::copy(record.mac.begin(), record.mac.end(), prior_.octets.begin());
  prior_.size = record.mac.size();
  if (!in_time(record.time, record.fudge, now)) return verdict_ = TsigVerdict::BadTime;
  if (record.mac.size() < whole) return verdict_ = TsigVerdict::BadTrunc;
  return verdict_ = TsigVerdict::Good;
}

std::size_t TsigSession::record_size() const noexcept {
  // Owner; type, class, TTL, RDLENGTH; algorithm; the fields of fixed size.
  constexpr std::size_t kFixed = kRecordFixedSize + 16;
  if (key_ == nullptr) {
    return unknown_ == nullptr ? 0 : kFixed + unknown_->key.size() + unknown_->algorithm.size();
  }
  const Algorithm& algorithm = properties(key_->algorithm);
  return kFixed + key_->name.size() + algorithm.text.size() + 2 + algorithm.size +
         (verdict_ == TsigVerdict::BadTime ? 6 : 0);
}

std::size_t TsigSession::put_record(std::uint8_t* message, std::size_t size, std::uint64_t time,
                                    std::uint16_t fudge, const Mac& mac, Octets other) const {
  const Name& key = key_ != nullptr ? key_->name : unknown_->key;
  const Name algorithm = key_ != nullptr ? name_of(key_->algorithm) : unknown_->algorithm;
  std::vector<std::uint8_t> octets;
  octets.reserve(kMaxTsigRecord);
  put(octets, key.view());
  put_u16(octets, static_cast<unsigned>(RRType::TSIG));
  put_u16(octets, static_cast<unsigned>(RRClass::Any));
  put_u16(octets, 0);  // TTL
  put_u16(octets, 0);
  put_u16(octets, static_cast<unsigned>(algorithm.size() + 16 + mac.size + other.size()));
  put(octets, algorithm.view());
  put_u48(octets, time);
  put_u16(octets, fudge);
  put_sized(octets, Octets(mac.octets).first(mac.size));
  put_u16(octets, load_u16(message));  // original ID
  put_u16(octets, static_cast<unsigned>(verdict_));
  put_sized(octets, other);
  std::copy(octets.begin(), octets.end(), message + size);
  store_u16(message + 10, static_cast<std::uint16_t>(load_u16(message + 10) + 1));
  return size + octets.size();
}

std::size_t TsigSession::sign_reply(std::uint8_t* message, std::size_t size, std::uint64_t now) {
  assert(active());
  // An error of key or signature is told without one (section 5.3.2).
  if (key_ == nullptr) return put_record(message, size, now, kTsigFudge, Mac{}, {});
  std::uint64_t time = now;
  std::uint16_t fudge = kTsigFudge;
  std::vector<std::uint8_t> other;
  if (verdict_ == TsigVerdict::BadTime) {
    // The client's time, so that it knows its own; ours beside it (section 5.2.3).
    time = request_time_;
    fudge = request_fudge_;
    put_u48(other, now);
  }
  std::vector<std::uint8_t> octets;
  octets.reserve(size + kMaxTsigRecord + kMaxTsigMac);
  put_sized(octets, Octets(prior_.octets).first(prior_.size));
  put(octets, {message, size});
  if (begun_) {
    put_timers(octets, time, fudge);
  } else {
    put_variables(octets, key_->name, name_of(key_->algorithm), time, fudge,
                  static_cast<std::uint16_t>(verdict_), other);
  }
  prior_ = make_mac(octets);
  begun_ = true;
  return put_record(message, size, time, fudge, prior_, other);
}

std::size_t TsigSession::sign_request(std::uint8_t* message, std::size_t size, std::uint64_t now) {
  std::vector<std::uint8_t> octets(message, message + size);
  put_variables(octets, key_->name, name_of(key_->algorithm), now, kTsigFudge, 0, {});
  prior_ = make_mac(octets);
  begun_ = false;
  unsigned_count_ = 0;
  unsigned_octets_.clear();
  return put_record(message, size, now, kTsigFudge, prior_, {});
}

std::string TsigSession::take_reply(Octets message, std::uint64_t now, std::size_t* size) {
  *size = message.size();
  TsigRecord record;
  switch (find_tsig(message, record)) {
    case TsigPresence::Malformed: return "its signature cannot be read";
    case TsigPresence::Absent:
      if (!begun_) return "its reply is not signed";
      if (++unsigned_count_ > kMaxUnsigned) return "too many of its messages are not signed";
      put(unsigned_octets_, message);
      return {};
    case TsigPresence::Present: break;
  }
  *size = record.at;
  // What it does not know it cannot sign.
  if (record.error != 0 && record.mac.empty()) {
    return "it does not take the key \"" + key_->name.to_text() + "\": " + error_text(record.error);
  }
  if (!(record.key == key_->name) || !(record.algorithm == name_of(key_->algorithm))) {
    return "its reply is signed with another key";
  }
  std::vector<std::uint8_t> octets;
  octets.reserve(unsigned_octets_.size() + message.size() + kMaxTsigRecord + kMaxTsigMac);
  put_sized(octets, Octets(prior_.octets).first(prior_.size));
  put(octets, unsigned_octets_);
  put_message(octets, message, record);
  if (begun_) {
    put_timers(octets, record.time, record.fudge);
  } else {
    put_variables(octets, record.key, record.algorithm, record.time, record.fudge, record.error,
                  record.other);
  }
  const Mac mac = make_mac(octets);
  if (mac.size == 0 || record.mac.size() != mac.size ||
      CRYPTO_memcmp(mac.octets.data(), record.mac.data(), mac.size) != 0) {
    return "the signature of its reply is wrong";
  }
  if (record.error != 0) return "it answers with " + error_text(record.error);
  if (!in_time(record.time, record.fudge, now)) return "its clock differs too much from ours";
  prior_ = mac;
  begun_ = true;
  unsigned_count_ = 0;
  unsigned_octets_.clear();
  return {};
}

}  // namespace clusterdns::dns
