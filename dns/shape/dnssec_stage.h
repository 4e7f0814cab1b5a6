// `dnssec`: signs what is answered about names of its zones, as it is answered (RFC 4034, 4035;
// CoreDNS's dnssec plugin).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "dns/query/stage.h"
#include "dns/query/worker_counters.h"
#include "dns/shape/rrset_to_sign.h"
#include "dns/shape/signature_cache.h"
#include "dns/shape/signing_key.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

// Seconds since 1970, as RRSIG has them.
[[nodiscard]] std::uint32_t signing_time() noexcept;

// Who asks without DO is none of its business, the DNSKEY of an apex aside. For the others each
// RRset of its zones gets signatures, and what does not exist a proof that is made for that very
// name ("black lies"): one NSEC, NOERROR. That allocates, and each signature that is not kept from
// before takes its time: how much of that there may be is bounded for each answer and each worker.
class DnssecStage final : public Stage, public ResponseFilter {
 public:
  static constexpr std::uint32_t kInception = 3 * 3600;     // seconds before they are made
  static constexpr std::uint32_t kExpiration = 8 * 86'400;  // after
  static constexpr std::uint32_t kResign = 2 * 86'400;      // seconds left: made anew
  static constexpr std::uint32_t kOriginalTtl = 3600;       // of all that is signed
  static constexpr std::size_t kMaxKeys = 16;
  // Signatures that are made for one answer; more make it SERVFAIL, and are kept meanwhile.
  static constexpr std::size_t kMaxMade = 64;
  // RRsets of the additional section that are signed; others go without.
  static constexpr std::size_t kMaxAdditional = 16;
  // Of a worker's time signing takes half at most, over UDP: and this long at once, nanoseconds.
  static constexpr std::int64_t kBurst = 200'000'000;

  struct Options {
    ZoneSet zones;
    std::vector<std::shared_ptr<const SigningKey>>
        keys;                       // 1 to kMaxKeys, different in tag or algorithm
    std::size_t capacity = 10'000;  // signatures that are kept
    std::uint32_t key_ttl = kOriginalTtl;
    unsigned workers = 1;
    std::uint32_t (*now)() noexcept = &signing_time;
    std::int64_t (*monotonic)() noexcept = &monotonic_ns;
  };
  explicit DnssecStage(Options options);

  [[nodiscard]] std::string_view name() const noexcept override { return "dnssec"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;

  enum class Count : std::uint8_t { Hit, Miss, Truncated };
  // Signatures that were kept, and made; answers that became TC for want of time. Any thread.
  [[nodiscard]] std::uint64_t total(Count count) const noexcept {
    return counters_.total(static_cast<std::size_t>(count));
  }
  [[nodiscard]] const SignatureCache& cache() const noexcept { return cache_; }

 private:
  struct alignas(128) Worker {
    RRsetToSign rrset;
    std::vector<std::uint16_t> order;  // of the records of a section
    std::vector<std::span<const std::uint8_t>> rdata;
    std::vector<std::uint8_t> rrsig;
    std::size_t made = 0;         // for this answer
    std::int64_t left = kBurst;   // nanoseconds to sign
    std::int64_t counted_at = 0;  // when `left` was that
  };
  enum class Signing : std::uint8_t { Done, TooMany, NoTime, Failed };

  // What an answer says of the name that its aliases lead to.
  struct Subject;
  [[nodiscard]] Subject find_subject(const Exchange& exchange) const noexcept;

  // The zone that signs an RRset; ZoneSet::kNone: none of ours.
  [[nodiscard]] std::size_t signing_zone(NameView owner, RRType type) const noexcept;
  // `cut`: the name that does not have a DS record is one of a delegation.
  void sign_answer(Exchange& exchange, bool cut) noexcept;
  [[nodiscard]] Signing sign_all(Exchange& exchange, bool cut);
  [[nodiscard]] Signing sign_section(Exchange& exchange, Section section, bool referral);
  // Signs the RRset of Worker::rdata; the first `others` records of the section may have
  // signatures.
  [[nodiscard]] Signing sign_rrset(Exchange& exchange, Section section, std::uint8_t owner,
                                   RRType type, std::uint32_t ttl, std::size_t zone,
                                   std::size_t others);
  [[nodiscard]] Signing add_nsec(Exchange& exchange, const Subject& subject, bool cut,
                                 std::uint32_t ttl);
  [[nodiscard]] bool has_time(const Exchange& exchange, Worker& worker) const noexcept;

  const Options options_;
  bool split_ = false;  // some keys sign keys, others all else
  SignatureCache cache_;
  WorkerCounters counters_;
  std::vector<Worker> workers_;
};

}  // namespace clusterdns::dns
