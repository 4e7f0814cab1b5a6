// The records of one zone, ready to be sent: filled once, then immutable and free to read from any
// thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dns/query/answer.h"
#include "dns/wire/hash_index.h"
#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::zones {

// Records of one zone, and octets of the table made of them. A million records of common types take
// some 90 MB.
inline constexpr std::size_t kMaxZoneRecords = 8'000'000;
inline constexpr std::size_t kMaxZoneOctets = std::size_t{1} << 30;

// Names stand in lower case and once: a name above others is a suffix of one of theirs. Addresses
// are rows for dns::write_rows(), other RDATA is wire form with names in full.
class ZoneTable {
 public:
  static constexpr std::uint32_t kNone = dns::HashIndex::kNone;

  // The records of one type at one name.
  struct RRset {
    std::uint32_t data = 0;  // in data_: rows of addresses; of other types size and RDATA of each
    std::uint32_t count = 0;
    std::uint32_t ttl = 0;       // seconds
    std::uint32_t turn = kNone;  // where the next answer starts; kNone: always at the first
    dns::RRType type{};
  };
  // What is at one name, if only that there are names below it.
  struct Node {
    std::uint32_t name = 0;          // in names_
    std::uint32_t rrsets = 0;        // the first, in rrsets_; they are sorted by type
    std::uint32_t stop = kNone;      // the delegation at or above it, or DNAME above it
    std::uint32_t wildcard = kNone;  // the node `*` below it
    std::uint16_t rrset_count = 0;
    std::uint8_t name_size = 0;
  };

  class Builder;

  ~ZoneTable();
  ZoneTable(const ZoneTable&) = delete;
  ZoneTable& operator=(const ZoneTable&) = delete;

  // Where a look-up ends (RFC 1034 4.3.2 step 3, RFC 4592 3.3.1, RFC 6672 3.2).
  struct Place {
    enum class Kind : std::uint8_t {
      Exact,     // the name itself
      Wildcard,  // the name `*` that stands for it
      Cut,       // a delegation at or above it
      Dname,     // a DNAME above it
      Nothing,   // the name does not exist
    };
    Kind kind = Kind::Nothing;
    const Node* node = nullptr;      // what `kind` names
    const Node* encloser = nullptr;  // the closest that exists; of Wildcard and Nothing
  };
  // `name` is in lower case with kPadding readable octets behind it, at or below the origin; its
  // labels begin at offset[0] … offset[labels].
  [[nodiscard]] Place find(dns::NameView name, const std::uint8_t* offset,
                           unsigned labels) const noexcept;
  // Exactly that name, delegated or not. `name` as above.
  [[nodiscard]] const Node* find_node(dns::NameView name) const noexcept;
  // nullptr: none of that type.
  [[nodiscard]] const RRset* find(const Node& node, dns::RRType type) const noexcept;
  [[nodiscard]] std::span<const RRset> rrsets(const Node& node) const noexcept {
    return {rrsets_.data() + node.rrsets, node.rrset_count};
  }

  [[nodiscard]] dns::NameView name(const Node& node) const noexcept {
    return {names_.data() + node.name, node.name_size};
  }
  [[nodiscard]] dns::NameView origin() const noexcept { return name(nodes_.front()); }
  [[nodiscard]] const Node& apex() const noexcept { return nodes_.front(); }
  [[nodiscard]] std::span<const Node> nodes() const noexcept { return nodes_; }
  [[nodiscard]] const RRset& soa() const noexcept { return *soa_; }
  [[nodiscard]] std::uint32_t serial() const noexcept { return serial_; }
  // TTL of the SOA in a negative answer: the least of its own and its minimum (RFC 2308 section 5).
  [[nodiscard]] std::uint32_t negative_ttl() const noexcept { return negative_ttl_; }
  // The five numbers of the SOA (RFC 1035 3.3.13).
  struct Times {
    std::uint32_t serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0;
  };
  [[nodiscard]] Times times() const noexcept;

  // RRsets by number, for who has no room for a pointer.
  [[nodiscard]] const RRset& rrset_at(std::uint32_t number) const noexcept {
    return rrsets_[number];
  }
  [[nodiscard]] std::uint32_t number_of(const RRset& rrset) const noexcept {
    return static_cast<std::uint32_t>(&rrset - rrsets_.data());
  }
  // Rows of an RRset of addresses.
  [[nodiscard]] const std::uint8_t* rows(const RRset& rrset) const noexcept {
    return data_.data() + rrset.data;
  }
  // Calls `with(rdata)` for each record, in their order.
  template <class With>
  void for_each(const RRset& rrset, const With& with) const {
    const std::uint8_t* at = data_.data() + rrset.data;
    if (const std::size_t row = row_size(rrset.type); row != 0) {
      for (std::uint32_t i = 0; i < rrset.count; ++i, at += row) {
        with(std::span<const std::uint8_t>(at + kRowHead, row - kRowHead));
      }
      return;
    }
    for (std::uint32_t i = 0; i < rrset.count; ++i) {
      const std::size_t size = dns::load_u16(at);
      with(std::span<const std::uint8_t>(at + 2, size));
      at += 2 + size;
    }
  }
  // Where a walk through an RRset has come to.
  struct Walked {
    std::uint32_t records = 0;
    std::size_t octets = 0;
  };
  // The same behind those that are walked, for as long as `with` returns true, which it does for
  // those that then are.
  template <class With>
  void for_each_from(const RRset& rrset, Walked& walked, const With& with) const {
    const std::size_t row = row_size(rrset.type);
    while (walked.records < rrset.count) {
      const std::uint8_t* const at = data_.data() + rrset.data + walked.octets;
      const std::size_t size = row != 0 ? row - kRowHead : dns::load_u16(at);
      if (!with(std::span<const std::uint8_t>(at + (row != 0 ? kRowHead : 2), size))) return;
      walked.octets += row != 0 ? row : 2 + size;
      ++walked.records;
    }
  }
  // The first record's.
  [[nodiscard]] std::span<const std::uint8_t> first(const RRset& rrset) const noexcept;

  // Which record comes first in the next answer.
  [[nodiscard]] std::uint32_t next_turn(const RRset& rrset) const noexcept {
    if (rrset.turn == kNone) return 0;
    std::atomic<std::uint32_t>& turn = turns_[rrset.turn];
    // Workers that meet here may use a place twice, which is as fair.
    std::uint32_t now = turn.load(std::memory_order_relaxed);
    if (now >= rrset.count) now = 0;
    turn.store(now + 1, std::memory_order_relaxed);
    return now;
  }

  // Whether the zone has NSEC records, which prove what does not exist (RFC 4034 section 4).
  [[nodiscard]] bool has_nsec() const noexcept { return !nsec_order_.empty(); }
  // The node whose NSEC stands for what follows it up to and without the next one: the last in
  // canonical order (RFC 4034 6.1) that is `name` or before it. nullptr: there is none.
  [[nodiscard]] const Node* find_nsec(dns::NameView name) const noexcept;

  [[nodiscard]] std::size_t records() const noexcept { return records_; }
  // Octets that it takes, more or less.
  [[nodiscard]] std::size_t octets() const noexcept;

  static constexpr std::size_t kRowHead = 12;  // of a row, before the address
  [[nodiscard]] static std::size_t row_size(dns::RRType type) noexcept;

 private:
  ZoneTable();

  unsigned origin_labels_ = 0;
  std::uint64_t seed_;
  std::vector<std::uint8_t> names_;
  std::vector<Node> nodes_;  // the origin first, every name behind those above it
  dns::HashIndex index_;     // of nodes, by name
  std::vector<RRset> rrsets_;
  std::vector<std::uint8_t> data_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> turns_;
  std::size_t turn_count_ = 0;
  std::vector<std::uint32_t> nsec_order_;  // nodes, in canonical order
  const RRset* soa_ = nullptr;
  std::uint32_t serial_ = 0;
  std::uint32_t negative_ttl_ = 0;
  std::size_t records_ = 0;
};

// Fills a table. Costs time in proportion to the records. One thread's.
class ZoneTable::Builder {
 public:
  // `origin` in any letter case.
  explicit Builder(const dns::Name& origin, std::size_t most_records = kMaxZoneRecords,
                   std::size_t most_octets = kMaxZoneOctets);
  ~Builder();

  enum class Added : std::uint8_t {
    Yes,
    Outside,    // the owner is not in the zone
    SecondSoa,  // another SOA than the one that is there, or one that is not at the origin
    Full,       // the zone is larger than it may be
  };
  // `rdata` in wire form, names in full, as check_rdata() finds it good.
  [[nodiscard]] Added add(const dns::Name& owner, dns::RRType type, std::uint32_t ttl,
                          std::span<const std::uint8_t> rdata);
  // Whether there is an SOA already.
  [[nodiscard]] bool has_soa() const noexcept;

  // What is odd about the zone, each a sentence; at most kMaxWarnings.
  static constexpr std::size_t kMaxWarnings = 10;
  // The table, or nullptr and why there is none in `*error`. Nothing may be added afterwards.
  [[nodiscard]] std::unique_ptr<const ZoneTable> finish(std::string* error,
                                                        std::vector<std::string>* warnings);

 private:
  struct Draft;

  [[nodiscard]] std::uint32_t node_of(const dns::Name& lower);
  bool place_records(std::vector<std::string>* warnings);
  void place_stops();

  std::unique_ptr<ZoneTable> table_;
  std::unique_ptr<Draft> draft_;
  const std::size_t most_records_;
  const std::size_t most_octets_;
};

// RFC 4034 6.1: by labels from the right. Both in lower case.
[[nodiscard]] int compare_canonically(dns::NameView a, dns::NameView b) noexcept;

}  // namespace clusterdns::zones
