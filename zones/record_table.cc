#include "zones/record_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <stdexcept>

namespace clusterdns::zones {
namespace {

using registry::IpAddress;

// Wire labels in a buffer with the padding hash_padded wants.
struct PaddedKey {
  std::array<std::uint8_t, dns::kMaxNameSize + 8> octets{};
  std::size_t size = 0;

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

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

RecordTable::RecordTable(dns::ReclaimDomain& reclaim, const TableOptions& options)
    : reclaim_(reclaim),
      options_(options),
      seed_(random_seed()),
      services_(reclaim, this,
                [](const void*, std::uint64_t word) { return block_in(word)->hash(); }),
      reverse_(reclaim, this,
               [](const void*, std::uint64_t word) { return word >> 32; }),
      namespaces_(reclaim, this, [](const void*, std::uint64_t word) { return word; }),
      prefixes_(reclaim, this, [](const void*, std::uint64_t word) { return word; }),
      pods_(reclaim, this, [](const void*, std::uint64_t word) { return word; }),
      chunks_(std::make_unique<std::atomic<Chunk*>[]>(kMaxChunks)) {}

RecordTable::~RecordTable() {
  services_.for_each([](std::uint64_t word) {
    ServiceBlock::destroy(const_cast<ServiceBlock*>(block_in(word)));
  });
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
  const std::uint64_t word =
      not_reserved(hash_padded(label, std::size_t{1} + label[0], seed_));
  return namespaces_.find(word, [word](std::uint64_t other) { return other == word; }) !=
         SlotTable::kEmpty;
}

std::uint64_t RecordTable::hash_address(const IpAddress& address) const noexcept {
  std::uint64_t low;
  std::uint64_t high;
  std::memcpy(&low, address.octets.data(), 8);
  std::memcpy(&high, address.octets.data() + 8, 8);
  std::uint64_t hash = mix(low ^ seed_, high ^ (address.is_v4() ? 0x9E3779B97F4A7C15 : 0xD6E8FEB86659FD93));
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
  return not_reserved(mix(hash_address(prefix), 0x9E3779B97F4A7C15 * (units + 1)));
}

bool RecordTable::has_reverse_below(const IpAddress& address, unsigned units) const noexcept {
  const std::uint64_t word = hash_prefix(address, units);
  return prefixes_.find(word, [word](std::uint64_t other) { return other == word; }) !=
         SlotTable::kEmpty;
}

std::uint64_t RecordTable::hash_pod(const std::uint8_t* ns_label,
                                    const IpAddress& address) const noexcept {
  return not_reserved(mix(hash_padded(ns_label, std::size_t{1} + ns_label[0], seed_),
                          hash_address(address)));
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

void RecordTable::publish(const registry::Service& service,
                          std::span<const registry::EndpointSlice* const> slices,
                          std::string_view below) {
  PaddedKey key;
  key.add_labels(below);
  key.add(service.key.name);
  key.add(service.key.ns);
  const std::uint64_t hash = hash_padded(key.octets.data(), key.size, seed_);
  swap_in(key.octets.data(), key.size, hash,
          ServiceBlock::build(service, slices, options_.block, hash, {key.octets.data(), key.size}),
          below.empty());
}

void RecordTable::remove(const registry::ObjectKey& service, std::string_view below) {
  PaddedKey key;
  key.add_labels(below);
  key.add(service.name);
  key.add(service.ns);
  swap_in(key.octets.data(), key.size, hash_padded(key.octets.data(), key.size, seed_), nullptr,
          below.empty());
}

std::vector<IpAddress> RecordTable::reverse_addresses(const ServiceBlock* block) const {
  if (block == nullptr) return {};
  if (options_.reverse) return block->addresses();
  std::vector<IpAddress> own;
  for (const IpAddress& address : options_.own_addresses) {
    if (block->find_address(address, 0) != ServiceBlock::kNotFound) own.push_back(address);
  }
  std::sort(own.begin(), own.end());
  return own;
}

void RecordTable::swap_in(const std::uint8_t* key, std::size_t key_size, std::uint64_t hash,
                          ServiceBlock::Pointer next, bool reverse) {
  const auto* const old = const_cast<ServiceBlock*>(find({key, key_size}));
  if (old == nullptr && next == nullptr) return;
  const std::uint32_t id = old != nullptr ? old->id() : new_id();
  std::vector<IpAddress> before;
  std::vector<IpAddress> after;
  if (reverse) {
    before = reverse_addresses(old);
    after = reverse_addresses(next.get());
  }
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

void RecordTable::add_reverse(const IpAddress& address, std::uint32_t id) {
  const std::uint64_t hash = hash_address(address);
  const std::uint64_t word = (hash & 0xFFFFFFFF00000000) | id;
  reverse_.insert(reverse_home(hash), word);
  count_prefixes(address, +1);
}

void RecordTable::remove_reverse(const IpAddress& address, std::uint32_t id) {
  const std::uint64_t hash = hash_address(address);
  const std::uint64_t word = (hash & 0xFFFFFFFF00000000) | id;
  reverse_.erase(reverse_home(hash), word);
  count_prefixes(address, -1);
}

void RecordTable::count_prefixes(const IpAddress& address, int by) {
  const unsigned full = address.is_v4() ? 4 : 32;
  for (unsigned units = full - 1; units >= 1; --units) {
    const std::uint64_t word = hash_prefix(address, units);
    if (by > 0) {
      // An existing prefix brings its own prefixes along: count only where a new one begins.
      if (++prefix_counts_[word] > 1) return;
      prefixes_.insert(word, word);
    } else {
      const auto it = prefix_counts_.find(word);
      if (it == prefix_counts_.end() || --it->second > 0) return;
      prefix_counts_.erase(it);
      prefixes_.erase(word, word);
    }
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
