#include "zones/record_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace clusterdns::zones {
namespace {

using dns::hash_padded;
using dns::mix;
using registry::IpAddress;

// Wire labels in a buffer with the padding hash_padded wants.
struct PaddedKey {
  std::array<std::uint8_t, dns::kMaxNameSize + 8> octets{};
  std::size_t size = 0;

  [[nodiscard]] std::span<const std::uint8_t> view() const noexcept {
    return {octets.data(), size};
  }
  // Labels with dots between them. What no name has room for is cut: nobody can ask for it.
  void add_labels(std::string_view text) {
    constexpr std::size_t kRest = 2 * (dns::kMaxLabelSize + 1);  // service and namespace
    text = text.substr(0, dns::kMaxNameSize - kRest - 1);
    while (!text.empty()) {
      const std::size_t dot = std::min(text.find('.'), text.size());
      add(text.substr(0, dot));
      text.remove_prefix(std::min(dot + 1, text.size()));
    }
  }
  void add(std::string_view text) {
    const std::size_t length = std::min<std::size_t>(text.size(), dns::kMaxLabelSize);
    octets[size++] = static_cast<std::uint8_t>(length);
    for (std::size_t i = 0; i < length; ++i) {
      const char c = text[i];
      octets[size++] = static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
  }
};

PaddedKey key_of(const registry::ObjectKey& service, std::string_view below) {
  PaddedKey key;
  key.add_labels(below);
  key.add(service.name);
  key.add(service.ns);
  return key;
}

// A reverse entry, or a prefix: a word in a table that is a third to two thirds full.
constexpr std::size_t kOctetsOfSlot = 3 * sizeof(std::uint64_t);

// Labels of an address's reverse name: octets or nibbles.
unsigned units_of(const IpAddress& address) noexcept { return address.is_v4() ? 4 : 32; }

// How many of them two addresses of one family begin with together.
unsigned common_units(const IpAddress& a, const IpAddress& b) noexcept {
  unsigned octet = 0;
  while (octet < a.size() && a.octets[octet] == b.octets[octet]) ++octet;
  if (a.is_v4()) return octet;
  const bool half = octet < a.size() && a.octets[octet] >> 4 == b.octets[octet] >> 4;
  return 2 * octet + (half ? 1 : 0);
}

// Is it the service's address, or an endpoint's?
bool holds(const ServiceBlock& block, const IpAddress& address) noexcept {
  return block.is_cluster_ip(address) || block.find_address(address, 0) != ServiceBlock::kNotFound;
}

}  // namespace

RecordTable::RecordTable(dns::ReclaimDomain& reclaim, const TableOptions& options,
                         std::uint64_t seed)
    : reclaim_(reclaim),
      options_(options),
      seed_(seed),
      services_(reclaim, this,
                [](const void*, std::uint64_t word) { return block_in(word)->hash(); }),
      reverse_(reclaim, this, [](const void*, std::uint64_t word) { return word >> 32; }),
      namespaces_(reclaim, this, [](const void*, std::uint64_t word) { return word; }),
      prefixes_(reclaim, this, [](const void*, std::uint64_t word) { return prefix_home(word); }),
      pods_(reclaim, this, [](const void*, std::uint64_t word) { return word; }),
      chunks_(std::make_unique<std::atomic<Chunk*>[]>(kMaxChunks)) {}

RecordTable::~RecordTable() {
  services_.for_each(
      [](std::uint64_t word) { ServiceBlock::destroy(const_cast<ServiceBlock*>(block_in(word))); });
  for (std::size_t i = 0; i < kMaxChunks; ++i) {
    delete[] reinterpret_cast<std::atomic<const ServiceBlock*>*>(
        chunks_[i].load(std::memory_order_relaxed));
  }
}

std::uint64_t RecordTable::service_word(const ServiceBlock* block) noexcept {
  const auto address = reinterpret_cast<std::uint64_t>(block);
  return (block->hash() & ~kPointerMask) | address;
}

bool RecordTable::has_namespace(const std::uint8_t* label) const noexcept {
  const std::uint64_t word = not_reserved(hash_padded(label, std::size_t{1} + label[0], seed_));
  return namespaces_.find(word, [word](std::uint64_t other) { return other == word; }) !=
         SlotTable::kEmpty;
}

std::uint64_t RecordTable::hash_address(const IpAddress& address) const noexcept {
  std::uint64_t low;
  std::uint64_t high;
  std::memcpy(&low, address.octets.data(), 8);
  std::memcpy(&high, address.octets.data() + 8, 8);
  std::uint64_t hash =
      mix(low ^ seed_, high ^ (address.is_v4() ? 0x9E3779B97F4A7C15 : 0xD6E8FEB86659FD93));
  // A word of two zero halves would read as an empty slot.
  if (hash >> 32 == 0) hash |= std::uint64_t{1} << 32;
  return hash;
}

std::uint64_t RecordTable::hash_prefix(const IpAddress& address, unsigned units) const noexcept {
  IpAddress prefix;
  prefix.family = address.family;
  if (address.is_v4()) {
    std::memcpy(prefix.octets.data(), address.octets.data(), units);
  } else {
    std::memcpy(prefix.octets.data(), address.octets.data(), (units + 1) / 2);
    if (units % 2 != 0) prefix.octets[units / 2] &= 0xF0;
  }
  const std::uint64_t hash =
      mix(hash_address(prefix), 0x9E3779B97F4A7C15 * (units + 1)) & ~kPrefixCount;
  return hash != 0 ? hash : kPrefixCount + 1;
}

bool RecordTable::has_reverse_below(const IpAddress& address, unsigned units) const noexcept {
  const std::uint64_t hash = hash_prefix(address, units);
  return prefixes_.find(prefix_home(hash), [hash](std::uint64_t word) {
    return (word & ~kPrefixCount) == hash;
  }) != SlotTable::kEmpty;
}

std::uint64_t RecordTable::hash_pod(const std::uint8_t* ns_label,
                                    const IpAddress& address) const noexcept {
  return not_reserved(
      mix(hash_padded(ns_label, std::size_t{1} + ns_label[0], seed_), hash_address(address)));
}

bool RecordTable::has_pod(const std::uint8_t* ns_label, const IpAddress& address) const noexcept {
  const std::uint64_t word = hash_pod(ns_label, address);
  return pods_.find(word, [word](std::uint64_t other) { return other == word; }) !=
         SlotTable::kEmpty;
}

void RecordTable::reserve(std::size_t services, std::size_t addresses) {
  services_.reserve(services);
  if (options_.reverse) reverse_.reserve(addresses);
}

LeftOut RecordTable::publish(const registry::Service& service,
                             std::span<const registry::EndpointSlice* const> slices,
                             std::span<const Part> parts) {
  const PaddedKey own = key_of(service.key, {});
  const std::uint64_t hash = hash_padded(own.octets.data(), own.size, seed_);
  BlockBuilder builder(service, slices, options_.block, hash);
  LeftOut left_out;
  swap_in(own.view(), hash, builder.build(hash, own.view()), true, &left_out);
  for (const Part& part : parts) {
    const PaddedKey key = key_of(service.key, part.below);
    const std::uint64_t of_part = hash_padded(key.octets.data(), key.size, seed_);
    swap_in(key.view(), of_part, builder.build_part(part.endpoints, of_part, key.view()), false,
            nullptr);
  }
  left_out.endpoints = builder.left_out().endpoints;
  left_out.ports = builder.left_out().ports;
  left_out.parts = builder.left_out().parts;
  return left_out;
}

void RecordTable::publish_empty(const registry::ObjectKey& service, std::string_view below) {
  registry::Service empty;
  empty.key = service;
  const PaddedKey key = key_of(service, below);
  const std::uint64_t hash = hash_padded(key.octets.data(), key.size, seed_);
  swap_in(key.view(), hash, ServiceBlock::build(empty, {}, options_.block, hash, key.view()), false,
          nullptr);
}

const ServiceBlock* RecordTable::find(const registry::ObjectKey& service,
                                      std::string_view below) const {
  PaddedKey key;
  key.add_labels(below);
  key.add(service.name);
  key.add(service.ns);
  return find(std::span<const std::uint8_t>(key.octets.data(), key.size));
}

void RecordTable::remove(const registry::ObjectKey& service, std::string_view below) {
  const PaddedKey key = key_of(service, below);
  swap_in(key.view(), hash_padded(key.octets.data(), key.size, seed_), nullptr, below.empty(),
          nullptr);
}

std::vector<IpAddress> RecordTable::reverse_addresses(const ServiceBlock* block,
                                                      std::size_t* left_out) const {
  if (block == nullptr) return {};
  if (!options_.reverse) {
    std::vector<IpAddress> own;
    for (const IpAddress& address : options_.own_addresses) {
      if (holds(*block, address)) own.push_back(address);
    }
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    return own;
  }
  std::vector<IpAddress> all = block->addresses();
  std::size_t octets = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    // Prefixes that it has in common with the address before it are there already.
    const unsigned prefixes = units_of(all[i]) - 1;
    const bool first = i == 0 || all[i].family != all[i - 1].family;
    octets += kOctetsOfSlot *
              (1 + prefixes - (first ? 0 : std::min(prefixes, common_units(all[i - 1], all[i]))));
    if (octets <= options_.block.most_octets) continue;
    if (left_out != nullptr) *left_out = all.size() - i;
    all.resize(i);
  }
  return all;
}

void RecordTable::swap_in(std::span<const std::uint8_t> key, std::uint64_t hash,
                          ServiceBlock::Pointer next, bool reverse, LeftOut* left_out) {
  const auto* const old = const_cast<ServiceBlock*>(find(key));
  if (old == nullptr && next == nullptr) return;
  const std::uint32_t id = old != nullptr ? old->id() : new_id();
  std::vector<IpAddress> before;
  std::vector<IpAddress> after;
  std::size_t without = 0;
  if (reverse) {
    before = reverse_addresses(old, nullptr);
    after = reverse_addresses(next.get(), &without);
  }
  if (left_out != nullptr) left_out->reverse = static_cast<std::uint32_t>(without);
  auto& slot = (*chunks_[id / kChunk].load(std::memory_order_relaxed))[id % kChunk];
  if (next != nullptr) {
    next->set_id(id);
    if (old != nullptr) next->take_rotation_from(*old);
    block_octets_ += next->size();
    const ServiceBlock* const block = next.release();
    if (old != nullptr) {
      services_.replace(hash, service_word(old), service_word(block));
    } else {
      services_.insert(hash, service_word(block));
    }
    slot.store(block, std::memory_order_release);
  } else {
    services_.erase(hash, service_word(old));
    slot.store(nullptr, std::memory_order_release);
    free_ids_.push_back(id);
  }
  if (without == 0) {
    reverse_end_.erase(id);
  } else if (!after.empty()) {
    reverse_end_.insert_or_assign(id, after.back());
  }
  // Reverse entries after the block: one that leads to a block without the address is no answer.
  std::size_t i = 0;
  std::size_t k = 0;
  while (i < before.size() || k < after.size()) {
    if (k == after.size() || (i < before.size() && before[i] < after[k])) {
      remove_reverse(before[i++], id);
    } else if (i == before.size() || after[k] < before[i]) {
      add_reverse(after[k++], id);
    } else {
      ++i;
      ++k;
    }
  }
  if (old != nullptr) {
    block_octets_ -= old->size();
    reclaim_.retire(const_cast<ServiceBlock*>(old), &ServiceBlock::destroy);
  }
}

std::uint32_t RecordTable::new_id() {
  if (!free_ids_.empty()) {
    const std::uint32_t id = free_ids_.back();
    free_ids_.pop_back();
    return id;
  }
  const std::uint32_t id = next_id_;
  if (id / kChunk >= kMaxChunks) throw std::length_error("more than 16 million services");
  if (id % kChunk == 0) {
    auto* const chunk = new std::atomic<const ServiceBlock*>[kChunk]();
    chunks_[id / kChunk].store(reinterpret_cast<Chunk*>(chunk), std::memory_order_release);
  }
  ++next_id_;
  return id;
}

bool RecordTable::has_entry(std::uint32_t id, const IpAddress& address) const {
  const ServiceBlock* const block = block_of(id);
  if (block == nullptr || !holds(*block, address)) return false;
  const auto end = reverse_end_.find(id);
  return end == reverse_end_.end() || !(end->second < address);
}

bool RecordTable::is_known(std::uint64_t hash, const IpAddress& address) const {
  return reverse_.find(reverse_home(hash), [&](std::uint64_t word) {
    return word >> 32 == hash >> 32 && has_entry(static_cast<std::uint32_t>(word), address);
  }) != SlotTable::kEmpty;
}

void RecordTable::add_reverse(const IpAddress& address, std::uint32_t id) {
  const std::uint64_t hash = hash_address(address);
  const std::uint64_t word = (hash & 0xFFFFFFFF00000000) | id;
  const std::uint64_t home = reverse_home(hash);
  if (!is_known(hash, address)) add_prefixes(address);
  std::size_t there = 0;
  std::uint64_t other = SlotTable::kEmpty;  // of a service whose own address it is not
  (void)reverse_.find(home, [&](std::uint64_t each) {
    if (each >> 32 != hash >> 32) return false;
    ++there;
    const ServiceBlock* const block = block_of(static_cast<std::uint32_t>(each));
    if (block == nullptr || !block->is_cluster_ip(address)) other = each;
    return false;
  });
  if (there < kMaxAtAddress) return reverse_.insert(home, word);
  // More at one place would make every look-up near it walk past them.
  if (other != SlotTable::kEmpty && block_of(id)->is_cluster_ip(address)) {
    reverse_.replace(home, other, word);
    waiting_[address].insert(static_cast<std::uint32_t>(other));
  } else {
    waiting_[address].insert(id);
  }
}

void RecordTable::remove_reverse(const IpAddress& address, std::uint32_t id) {
  const std::uint64_t hash = hash_address(address);
  const std::uint64_t upper = hash & 0xFFFFFFFF00000000;
  const auto waiting = waiting_.find(address);
  if (!reverse_.erase(reverse_home(hash), upper | id)) {
    if (waiting != waiting_.end()) waiting->second.erase(id);
  } else if (waiting != waiting_.end()) {
    reverse_.insert(reverse_home(hash), upper | *waiting->second.begin());
    waiting->second.erase(waiting->second.begin());
  }
  if (waiting != waiting_.end() && waiting->second.empty()) waiting_.erase(waiting);
  if (!is_known(hash, address)) remove_prefixes(address);
}

void RecordTable::add_prefixes(const IpAddress& address) {
  for (unsigned units = units_of(address) - 1; units >= 1; --units) {
    const std::uint64_t hash = hash_prefix(address, units);
    const std::uint64_t word = prefixes_.find(
        prefix_home(hash), [hash](std::uint64_t other) { return (other & ~kPrefixCount) == hash; });
    if (word == SlotTable::kEmpty) {
      prefixes_.insert(prefix_home(hash), hash | 1);
      continue;
    }
    // An existing prefix brought its own prefixes along: counted is only where a new one begins.
    if ((word & kPrefixCount) != kPrefixCount) prefixes_.replace(prefix_home(hash), word, word + 1);
    return;
  }
}

void RecordTable::remove_prefixes(const IpAddress& address) {
  for (unsigned units = units_of(address) - 1; units >= 1; --units) {
    const std::uint64_t hash = hash_prefix(address, units);
    const std::uint64_t word = prefixes_.find(
        prefix_home(hash), [hash](std::uint64_t other) { return (other & ~kPrefixCount) == hash; });
    if (word == SlotTable::kEmpty) return;
    if ((word & kPrefixCount) > 1) return prefixes_.replace(prefix_home(hash), word, word - 1);
    prefixes_.erase(prefix_home(hash), word);
  }
}

void RecordTable::add_namespace(const std::string& name) {
  PaddedKey key;
  key.add(name);
  const std::uint64_t word = not_reserved(hash_padded(key.octets.data(), key.size, seed_));
  if (!has_namespace(key.octets.data())) namespaces_.insert(word, word);
}

void RecordTable::remove_namespace(const std::string& name) {
  PaddedKey key;
  key.add(name);
  const std::uint64_t word = not_reserved(hash_padded(key.octets.data(), key.size, seed_));
  namespaces_.erase(word, word);
}

void RecordTable::add_pod(const std::string& ns, const IpAddress& address) {
  PaddedKey key;
  key.add(ns);
  const std::uint64_t word = hash_pod(key.octets.data(), address);
  if (++pod_counts_[word] == 1) pods_.insert(word, word);
}

void RecordTable::remove_pod(const std::string& ns, const IpAddress& address) {
  PaddedKey key;
  key.add(ns);
  const std::uint64_t word = hash_pod(key.octets.data(), address);
  const auto it = pod_counts_.find(word);
  if (it == pod_counts_.end() || --it->second > 0) return;
  pod_counts_.erase(it);
  pods_.erase(word, word);
}

}  // namespace clusterdns::zones
