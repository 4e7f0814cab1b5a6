// The published table: what every worker looks names up in.
//
// Unit of publication is the service (ServiceBlock). Beside the services stand small tables: which
// service an address belongs to, which namespaces exist, which reverse names have something below
// them, and the addresses of pods. All are read without locks between ReclaimDomain::enter() and
// leave(); one control thread writes. A reader sees each service as it was before a change or as
// it is after, never between.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/base/hash.h"
#include "dns/base/random.h"
#include "dns/concurrent/reclaim.h"
#include "registry/model.h"
#include "zones/service_block.h"
#include "zones/slot_table.h"

namespace clusterdns::zones {

struct TableOptions {
  BlockOptions block;
  bool reverse = true;  // keep what PTR needs
  // Which service these belong to is kept even without `reverse`: the server's own addresses.
  std::vector<registry::IpAddress> own_addresses;
  friend bool operator==(const TableOptions&, const TableOptions&) = default;
};

class RecordTable {
 public:
  // `seed` is that of its hashes: one that is not random is for who counts instructions.
  RecordTable(dns::ReclaimDomain& reclaim, const TableOptions& options,
              std::uint64_t seed = dns::random_seed());
  // REQUIRES: no reader is left.
  ~RecordTable();
  RecordTable(const RecordTable&) = delete;
  RecordTable& operator=(const RecordTable&) = delete;

  // Services that PTR knows at one address; others wait until one of these goes, those whose own
  // address it is last.
  static constexpr std::size_t kMaxAtAddress = 64;

  // --- control thread ---

  // Some endpoints of a service, published once more under a name below it (labels with dots
  // between them). PTR does not know parts.
  struct Part {
    std::string below;
    std::vector<BlockBuilder::Pick> endpoints;
  };
  // Publishes the service with its endpoints, and its parts, in place of what was published under
  // their keys. Takes time in proportion to the service and its slices.
  LeftOut publish(const registry::Service& service,
                  std::span<const registry::EndpointSlice* const> slices,
                  std::span<const Part> parts = {});
  // A part without endpoints, which says that there is a name.
  void publish_empty(const registry::ObjectKey& service, std::string_view below);
  // The service, or a part of it.
  void remove(const registry::ObjectKey& service, std::string_view below = {});
  void add_namespace(const std::string& name);
  void remove_namespace(const std::string& name);
  // Pods may share an address with others (host network): counted.
  void add_pod(const std::string& ns, const registry::IpAddress& address);
  void remove_pod(const std::string& ns, const registry::IpAddress& address);
  // Until it is set, nothing is known about any name.
  void set_ready(bool ready) noexcept { ready_.store(ready, std::memory_order_release); }
  // The zone's SOA serial (RFC 1035 3.3.13): Unix time of the last change, as CoreDNS has it.
  void set_serial(std::uint32_t serial) noexcept {
    serial_.store(serial, std::memory_order_relaxed);
  }
  // Frees what no reader can see any more.
  void collect() { reclaim_.collect(); }
  void reserve(std::size_t services, std::size_t addresses);

  // --- readers ---

  [[nodiscard]] bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t serial() const noexcept {
    return serial_.load(std::memory_order_relaxed);
  }
  // `key`: the labels of service and namespace, and before them those of a part of the service, in
  // wire form, lower-case, no root label.
  // REQUIRES: 8 readable octets behind `key`.
  [[nodiscard]] const ServiceBlock* find(std::span<const std::uint8_t> key) const noexcept {
    const std::uint64_t hash = dns::hash_padded(key.data(), key.size(), seed_);
    const std::uint64_t word = services_.find(hash, [&](std::uint64_t candidate) {
      if (((candidate ^ hash) & ~kPointerMask) != 0) return false;
      const auto other = block_in(candidate)->key();
      return other.size() == key.size() && dns::equal_padded(other.data(), key.data(), key.size());
    });
    return word == SlotTable::kEmpty ? nullptr : block_in(word);
  }
  // What publish() made of a service, or of a part of it.
  [[nodiscard]] const ServiceBlock* find(const registry::ObjectKey& service,
                                         std::string_view below = {}) const;
  // `label`: length octet first, lower-case, 8 readable octets behind it.
  [[nodiscard]] bool has_namespace(const std::uint8_t* label) const noexcept;
  [[nodiscard]] bool has_pod(const std::uint8_t* ns_label,
                             const registry::IpAddress& address) const noexcept;
  // Calls visit(block) for each service that may have `address`, kMaxAtAddress or a few more, until
  // it returns false; it must check.
  template <class Visit>
  void for_each_at(const registry::IpAddress& address, Visit&& visit) const noexcept {
    const std::uint64_t hash = hash_address(address);
    (void)reverse_.find(reverse_home(hash), [&](std::uint64_t word) {
      if (static_cast<std::uint32_t>(word >> 32) != static_cast<std::uint32_t>(hash >> 32)) {
        return false;
      }
      const ServiceBlock* const block = block_of(static_cast<std::uint32_t>(word));
      return block != nullptr && !visit(*block);
    });
  }
  // True when some reverse name exists strictly below the first `octets` octets (IPv4) or
  // `nibbles` nibbles (IPv6) of `address`.
  [[nodiscard]] bool has_reverse_below(const registry::IpAddress& address,
                                       unsigned units) const noexcept;

  // --- sizes, control thread ---
  [[nodiscard]] std::size_t service_count() const noexcept { return services_.size(); }
  // Octets of all blocks.
  [[nodiscard]] std::size_t block_octets() const noexcept { return block_octets_; }

 private:
  // Service words: the block's address in the low 48 bits, 16 bits of its hash above.
  static constexpr std::uint64_t kPointerMask = (std::uint64_t{1} << 48) - 1;
  // Blocks by service number, for reverse entries; chunks never move, so readers need no more than
  // the chunk's address.
  static constexpr std::size_t kChunk = 4096;
  static constexpr std::size_t kMaxChunks = 4096;  // 16 million services
  using Chunk = std::atomic<const ServiceBlock*>[kChunk];

  static std::uint64_t service_word(const ServiceBlock* block) noexcept;
  static const ServiceBlock* block_in(std::uint64_t word) noexcept {
    return reinterpret_cast<const ServiceBlock*>(word & kPointerMask);
  }
  [[nodiscard]] const ServiceBlock* block_of(std::uint32_t id) const noexcept {
    const auto* const chunk = chunks_[id / kChunk].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : (*chunk)[id % kChunk].load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t hash_address(const registry::IpAddress& address) const noexcept;
  [[nodiscard]] std::uint64_t hash_pod(const std::uint8_t* ns_label,
                                       const registry::IpAddress& address) const noexcept;
  [[nodiscard]] std::uint64_t hash_prefix(const registry::IpAddress& address,
                                          unsigned units) const noexcept;
  // Reverse words hold the upper half of the hash; both halves' home must follow from it.
  static std::uint64_t reverse_home(std::uint64_t hash) noexcept { return hash >> 32; }
  static std::uint64_t not_reserved(std::uint64_t word) noexcept {
    return word < 2 ? word + 2 : word;
  }
  // Prefix words are 55 bits of a hash, which are the home too, and the number of prefixes one
  // longer, or of addresses, that there are below: at most 256.
  static constexpr std::uint64_t kPrefixCount = 0x1FF;
  static std::uint64_t prefix_home(std::uint64_t word) noexcept { return word >> 9; }

  void swap_in(std::span<const std::uint8_t> key, std::uint64_t hash, ServiceBlock::Pointer next,
               bool reverse, LeftOut* left_out);
  // In order, and how many are left out.
  [[nodiscard]] std::vector<registry::IpAddress> reverse_addresses(const ServiceBlock* block,
                                                                   std::size_t* left_out) const;
  // Whether a service has a reverse entry for `address`, in the table or waiting.
  [[nodiscard]] bool has_entry(std::uint32_t id, const registry::IpAddress& address) const;
  [[nodiscard]] bool is_known(std::uint64_t hash, const registry::IpAddress& address) const;
  void add_reverse(const registry::IpAddress& address, std::uint32_t id);
  void remove_reverse(const registry::IpAddress& address, std::uint32_t id);
  void add_prefixes(const registry::IpAddress& address);
  void remove_prefixes(const registry::IpAddress& address);
  std::uint32_t new_id();

  dns::ReclaimDomain& reclaim_;
  TableOptions options_;
  std::uint64_t seed_;
  std::atomic<bool> ready_{false};
  std::atomic<std::uint32_t> serial_{1};
  SlotTable services_;
  SlotTable reverse_;
  SlotTable namespaces_;  // hashes of labels
  SlotTable prefixes_;    // see kPrefixCount
  SlotTable pods_;        // hashes of namespace and address
  std::unique_ptr<std::atomic<Chunk*>[]> chunks_;
  // Services at an address beyond kMaxAtAddress.
  std::map<registry::IpAddress, std::set<std::uint32_t>> waiting_;
  // Of services that have too many addresses: the last one that has a reverse entry.
  std::unordered_map<std::uint32_t, registry::IpAddress> reverse_end_;
  std::unordered_map<std::uint64_t, std::uint32_t> pod_counts_;
  std::vector<std::uint32_t> free_ids_;
  std::uint32_t next_id_ = 0;
  std::size_t block_octets_ = 0;
};

}  // namespace clusterdns::zones
