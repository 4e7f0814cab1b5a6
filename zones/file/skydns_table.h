// Keys of etcd as SkyDNS has them: /skydns/local/skydns/a is a record of a.skydns.local. Filled
// once, then immutable and free to read from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dns/concurrent/reclaim.h"
#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::zones {

// Keys that are looked at for one question: an answer has room for fewer records.
inline constexpr std::size_t kMaxSkyDnsScan = 4096;
// Octets of a value: RDATA of a TXT record has no more.
inline constexpr std::size_t kMaxSkyDnsValue = 64 * 1024 - 512;

// When a lease ends, in nanoseconds of the monotonic clock; 0: it is not known. Shared by the
// records of one lease, and written while they are read.
using LeaseEnd = std::atomic<std::int64_t>;

// One key with its value, ready to be answered.
struct SkyDnsRecord {
  enum class Kind : std::uint8_t { A, AAAA, Name, Text };  // what `host` makes of it

  std::string key;
  Kind kind = Kind::Text;
  std::array<std::uint8_t, 16> address{};  // of A the first four
  dns::Name name;      // `host` as a name; of an address, the name that the key stands for
  dns::Name stripped;  // the same without its first `targetstrip` labels
  std::string text, group;
  bool has_host = false;
  bool mail = false;
  bool has_port = true;  // false: -1
  std::uint16_t port = 0;
  std::uint16_t priority = 10;            // CoreDNS's default
  std::int64_t weight = 0;                // 0: 100 (CoreDNS)
  std::uint32_t ttl = 0;                  // 0: not given
  std::shared_ptr<const LeaseEnd> lease;  // nullptr: none
};

// nullptr: the value is none of a record; `problem` says why. `prefix` is what the keys begin with,
// as SkyDnsTable has it.
[[nodiscard]] std::shared_ptr<const SkyDnsRecord> read_skydns_record(
    std::string_view key, std::string_view value, std::string_view prefix,
    std::shared_ptr<const LeaseEnd> lease, std::string* problem);

class SkyDnsTable {
 public:
  using Record = std::shared_ptr<const SkyDnsRecord>;
  using Found = std::vector<const SkyDnsRecord*>;
  enum class Outcome : std::uint8_t {
    Keys,     // there are keys; not all may be records of the type
    Nothing,  // no key is at the name or below it
    TooMany,  // more than the budget
  };

  // `prefix`: "/skydns", without a slash at its end; "" for none. `records` are sorted by their
  // keys. `serial`: of the SOA.
  SkyDnsTable(std::string prefix, std::vector<Record> records, std::uint32_t serial)
      : prefix_(std::move(prefix)), records_(std::move(records)), serial_(serial) {}

  // Adds the records at and below `name`, or of the key itself (`exact`), that a question for
  // `type` is answered by, in the order of their keys and as their groups allow. `*` and `any` in
  // the name stand for any label.
  // `budget`: keys that may still be looked at for that question, kMaxSkyDnsScan at first; each 64
  // octets of a key are as one.
  [[nodiscard]] Outcome find(dns::NameView name, bool exact, dns::RRType type, Found& found,
                             std::size_t& budget) const;
  [[nodiscard]] std::uint32_t serial() const noexcept { return serial_; }

 private:
  const std::string prefix_;
  const std::vector<Record> records_;
  const std::uint32_t serial_;
};

// The table that is answered from.
class SkyDnsStore {
 public:
  // `reclaim` frees tables that were replaced.
  explicit SkyDnsStore(dns::ReclaimDomain& reclaim) noexcept : reclaim_(reclaim) {}
  ~SkyDnsStore() { delete table_.load(std::memory_order_relaxed); }
  SkyDnsStore(const SkyDnsStore&) = delete;
  SkyDnsStore& operator=(const SkyDnsStore&) = delete;

  // Control thread.
  void publish(std::unique_ptr<const SkyDnsTable> table) {
    const SkyDnsTable* const old = table_.exchange(table.release(), std::memory_order_acq_rel);
    if (old == nullptr) return;
    reclaim_.retire(const_cast<SkyDnsTable*>(old),
                    [](void* p) { delete static_cast<SkyDnsTable*>(p); });
  }
  // Of a worker in a batch; nullptr: nothing has been read yet.
  [[nodiscard]] const SkyDnsTable* current() const noexcept {
    return table_.load(std::memory_order_acquire);
  }

 private:
  dns::ReclaimDomain& reclaim_;
  std::atomic<const SkyDnsTable*> table_{nullptr};
};

}  // namespace clusterdns::zones
