// TSIG: messages signed with a key that both ends share (RFC 8945). No clock here: whoever calls
// says what time it is, in seconds since 1970.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

// Those that CoreDNS takes. HMAC-MD5 is not to be used any more (RFC 8945 section 6).
enum class TsigAlgorithm : std::uint8_t { Sha1, Sha224, Sha256, Sha384, Sha512 };

inline constexpr std::size_t kMaxTsigMac = 64;    // octets, of HMAC-SHA512
inline constexpr std::uint16_t kTsigFudge = 300;  // seconds that clocks may differ (section 10)
// Octets of a TSIG record at most: two names, the largest MAC, a time as other data.
inline constexpr std::size_t kMaxTsigRecord = 2 * kMaxNameSize + 10 + 16 + kMaxTsigMac + 6;
// Messages of one reply that need no signature of their own at most (section 5.3.1).
inline constexpr unsigned kMaxUnsigned = 99;

// "hmac-sha256", with or without the final dot; letter case does not matter.
[[nodiscard]] std::optional<TsigAlgorithm> tsig_algorithm(std::string_view text) noexcept;

struct TsigKey {
  Name name;  // lower-case
  TsigAlgorithm algorithm = TsigAlgorithm::Sha256;
  std::vector<std::uint8_t> secret;
  friend bool operator==(const TsigKey&, const TsigKey&) = default;
};

// Whether this machine can sign with it at all: OpenSSL's configuration may rule an algorithm out.
[[nodiscard]] bool can_sign(const TsigKey& key) noexcept;

// Free to read from any thread once it is complete.
class TsigKeys {
 public:
  // False when there is another one of that name already.
  bool add(TsigKey key);
  // `name` is lower-case. nullptr: none.
  [[nodiscard]] std::shared_ptr<const TsigKey> find(NameView name) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }

 private:
  std::vector<std::shared_ptr<const TsigKey>> keys_;  // by name
};

// A TSIG record as it stands in a message; spans point into that.
struct TsigRecord {
  std::size_t at = 0;  // where it begins: what stands before it is signed
  Name key;            // lower-case, as the algorithm's
  Name algorithm;
  std::uint64_t time = 0;   // when it was signed
  std::uint16_t fudge = 0;  // seconds
  std::span<const std::uint8_t> mac;
  std::uint16_t original_id = 0;
  std::uint16_t error = 0;
  std::span<const std::uint8_t> other;
};

enum class TsigPresence : std::uint8_t {
  Absent,
  Malformed,  // cut, twice, or not the last record; or the message cannot be read
  Present,
};
// Looks for it in a whole message, of whatever kind.
[[nodiscard]] TsigPresence find_tsig(std::span<const std::uint8_t> message,
                                     TsigRecord& record) noexcept;

// What becomes of a signed request (section 5.2). Numbers above 15 are those of the error field
// (section 3).
enum class TsigVerdict : std::uint16_t {
  Good = 0,
  FormErr = 1,    // a MAC of a length that no signature has
  BadSig = 16,    // it is not what the key makes of the message
  BadKey = 17,    // there is no such key, or it has another algorithm
  BadTime = 18,   // clocks differ by more than the fudge
  BadTrunc = 22,  // right, and cut
};

// A question and the message or messages of its reply, at either end.
class TsigSession {
 public:
  // Nobody has signed anything.
  TsigSession() = default;
  // Of who asks.
  explicit TsigSession(std::shared_ptr<const TsigKey> key) : key_(std::move(key)) {}

  // Whether there is something to sign, or a TSIG record to send.
  [[nodiscard]] bool active() const noexcept { return key_ != nullptr || unknown_ != nullptr; }

  // --- who answers ---

  // Judges a request; all but FormErr make the session answer as it must: signed, or with the error
  // alone (section 5.3.2). A header's rcode of an error is NOTAUTH, which is the caller's to set.
  [[nodiscard]] TsigVerdict take_request(std::span<const std::uint8_t> message,
                                         const TsigRecord& record, const TsigKeys& keys,
                                         std::uint64_t now);
  // Adds the TSIG record to the next message of the reply, which has `size` octets; returns what it
  // has then. REQUIRES: active(), and room for record_size() more.
  std::size_t sign_reply(std::uint8_t* message, std::size_t size, std::uint64_t now);
  // Octets of that record.
  [[nodiscard]] std::size_t record_size() const noexcept;

  // --- who asks ---

  // Likewise, of the question.
  std::size_t sign_request(std::uint8_t* message, std::size_t size, std::uint64_t now);
  // Judges the next message of the reply. `*size` becomes its size without the TSIG record, which
  // its header counts all the same. Empty: it is good, or one of a few that need no signature; else
  // what is wrong with it, in words.
  [[nodiscard]] std::string take_reply(std::span<const std::uint8_t> message, std::uint64_t now,
                                       std::size_t* size);
  // Whether the last message that came was signed, as the last one of a reply must be.
  [[nodiscard]] bool complete() const noexcept { return unsigned_count_ == 0; }

 private:
  struct Unknown {
    Name key;
    Name algorithm;
  };
  struct Mac {
    std::array<std::uint8_t, kMaxTsigMac> octets{};
    std::size_t size = 0;
  };
  // Of no octets when OpenSSL fails, which is no signature of anything.
  [[nodiscard]] Mac make_mac(std::span<const std::uint8_t> octets) const noexcept;
  std::size_t put_record(std::uint8_t* message, std::size_t size, std::uint64_t time,
                         std::uint16_t fudge, const Mac& mac,
                         std::span<const std::uint8_t> other) const;

  std::shared_ptr<const TsigKey> key_;
  std::unique_ptr<Unknown> unknown_;  // what a request said whose key is none of ours
  TsigVerdict verdict_ = TsigVerdict::Good;
  std::uint64_t request_time_ = 0;
  std::uint16_t request_fudge_ = 0;
  Mac prior_;           // of the message before: the next one's signature covers it
  bool begun_ = false;  // a message of the reply has been signed
  unsigned unsigned_count_ = 0;
  std::vector<std::uint8_t> unsigned_octets_;  // of messages that the next signature covers
};

}  // namespace clusterdns::dns
