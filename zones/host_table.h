// The published hosts of gateways: what every worker looks them up in.
//
// Hosts share the addresses of what is in front of them (a group), so that ten thousand hosts of
// one gateway cost ten thousand names and one list of addresses, and a changed address is one
// store. Read without locks between ReclaimDomain::enter() and leave(); one control thread writes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dns/base/hash.h"
#include "dns/concurrent/reclaim.h"
#include "dns/wire/name.h"
#include "registry/ip_address.h"
#include "zones/slot_table.h"

namespace clusterdns::zones {

// Octets of all hosts and addresses of one table. A host takes some 100 and its name.
inline constexpr std::size_t kMaxHostOctets = std::size_t{64} * 1024 * 1024;

// What a group of hosts answers. Immutable once published.
struct HostAddresses {
  std::vector<std::uint8_t> a_rows, aaaa_rows;  // for dns::write_rows
  // The cluster IPs of the Services behind, for clients inside; empty: the same as for others.
  std::vector<std::uint8_t> inside_a_rows, inside_aaaa_rows;
  dns::Name alias;      // a load balancer's name; the root: none
  std::string missing;  // why there is neither

  [[nodiscard]] bool has_alias() const noexcept { return !alias.is_root(); }
  [[nodiscard]] std::size_t octets() const noexcept {
    return sizeof *this + a_rows.size() + aaaa_rows.size() + inside_a_rows.size() +
           inside_aaaa_rows.size() + missing.size();
  }
  friend bool operator==(const HostAddresses&, const HostAddresses&) = default;
};

// Rows of the addresses of one family.
[[nodiscard]] std::vector<std::uint8_t> host_rows(const std::vector<registry::IpAddress>& addresses,
                                                  registry::IpFamily family, std::uint32_t ttl);

class HostTable {
 public:
  // Of what the hosts at a name are: the name itself, all below it, or what is one label below it.
  enum Reach : std::uint8_t { kExact, kBelow, kOneBelow };
  static constexpr std::size_t kReaches = 3;
  using GroupId = std::uint32_t;
  static constexpr GroupId kNoGroup = static_cast<GroupId>(-1);
  using GroupIds = std::array<GroupId, kReaches>;

 private:
  struct Group {
    std::atomic<const HostAddresses*> now{nullptr};
  };

 public:
  // What is at one name.
  class Block {
   public:
    // nullptr: the name is not claimed so.
    [[nodiscard]] const HostAddresses* get(Reach reach) const noexcept {
      const Group* const group = groups_[reach];
      return group == nullptr ? nullptr : group->now.load(std::memory_order_acquire);
    }
    // Which of `count` records comes first in the next answer.
    [[nodiscard]] std::uint32_t turn(Reach reach, bool v6, std::uint32_t count) const noexcept {
      if (count < 2) return 0;
      std::atomic<std::uint16_t>& position = turns_[reach * 2 + (v6 ? 1 : 0)];
      std::uint32_t now = position.load(std::memory_order_relaxed);
      if (now >= count) now = 0;
      position.store(static_cast<std::uint16_t>(now + 1), std::memory_order_relaxed);
      return now;
    }

   private:
    friend class HostTable;
    std::uint64_t hash_ = 0;
    std::array<const Group*, kReaches> groups_{};
    mutable std::array<std::atomic<std::uint16_t>, kReaches * 2> turns_{};
    std::uint8_t size_ = 0;
    // `size_` octets of the name follow, and kPadding more.
    [[nodiscard]] const std::uint8_t* name() const noexcept {
      return reinterpret_cast<const std::uint8_t*>(this + 1);
    }
  };

  explicit HostTable(dns::ReclaimDomain& reclaim);
  // REQUIRES: no reader is left.
  ~HostTable();
  HostTable(const HostTable&) = delete;
  HostTable& operator=(const HostTable&) = delete;

  // --- control thread ---

  [[nodiscard]] GroupId add_group(HostAddresses addresses);
  // Does nothing when they are what is published.
  void set_group(GroupId group, HostAddresses addresses);
  // REQUIRES: no host belongs to it.
  void remove_group(GroupId group);
  // Publishes what is at `name` (lower-case): also a name that is only above others, all of whose
  // groups are none. False when there is no room.
  bool set(const dns::Name& name, const GroupIds& groups);
  void remove(const dns::Name& name);
  void set_ready(bool ready) noexcept { ready_.store(ready, std::memory_order_release); }
  void set_serial(std::uint32_t serial) noexcept {
    serial_.store(serial, std::memory_order_relaxed);
  }
  void collect() { reclaim_.collect(); }
  [[nodiscard]] std::size_t octets() const noexcept { return octets_; }
  [[nodiscard]] std::size_t size() const noexcept { return blocks_.size(); }

  // --- readers ---

  // nullptr: there is nothing. `name`: lower-case wire form with its root label.
  // REQUIRES: 8 readable octets behind it.
  [[nodiscard]] const Block* find(dns::NameView name) const noexcept {
    const std::uint64_t hash = dns::hash_padded(name.data(), name.size(), seed_);
    const std::uint64_t word = blocks_.find(hash, [&](std::uint64_t candidate) {
      if (((candidate ^ hash) & ~kPointerMask) != 0) return false;
      const Block& block = *block_in(candidate);
      return block.size_ == name.size() &&
             dns::equal_padded(block.name(), name.data(), name.size());
    });
    return word == SlotTable::kEmpty ? nullptr : block_in(word);
  }
  // Nothing is at any name.
  [[nodiscard]] bool empty() const noexcept { return count_.load(std::memory_order_relaxed) == 0; }
  [[nodiscard]] bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t serial() const noexcept {
    return serial_.load(std::memory_order_relaxed);
  }

 private:
  // As in RecordTable: the block's address in the low 48 bits, 16 bits of its hash above.
  static constexpr std::uint64_t kPointerMask = (std::uint64_t{1} << 48) - 1;
  static const Block* block_in(std::uint64_t word) noexcept {
    return reinterpret_cast<const Block*>(word & kPointerMask);
  }
  static std::uint64_t word_of(const Block* block) noexcept;
  [[nodiscard]] static Block* make_block(const dns::Name& name, std::uint64_t hash);
  static void destroy_block(void* block) noexcept;
  [[nodiscard]] static std::size_t octets_of(const Block& block) noexcept;

  dns::ReclaimDomain& reclaim_;
  const std::uint64_t seed_;
  SlotTable blocks_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<GroupId> free_;
  std::size_t octets_ = 0;
  std::atomic<std::size_t> count_{0};
  std::atomic<bool> ready_{false};
  std::atomic<std::uint32_t> serial_{0};
};

}  // namespace clusterdns::zones
