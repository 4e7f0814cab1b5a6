#include "registry/manifests/allocator.h"

#include <algorithm>
#include <string>

namespace clusterdns::registry {
namespace {

// Offsets a pool gives out: 4,194,304, so that the bits of the widest range take 512 KiB. More
// than the largest cluster has objects.
constexpr unsigned kMaxOffsetBits = 22;

std::uint32_t size_of(const Cidr& range) {
  const auto host_bits = static_cast<unsigned>(range.base.size() * 8) - range.prefix_length;
  return std::uint32_t{1} << std::min(host_bits, kMaxOffsetBits);
}

}  // namespace

std::vector<Cidr> default_service_cidrs() {
  return {*Cidr::parse("10.96.0.0/16"), *Cidr::parse("fd00:10:96::/112")};
}

std::vector<Cidr> default_pod_cidrs() {
  return {*Cidr::parse("10.244.0.0/16"), *Cidr::parse("fd00:10:244::/56")};
}

std::vector<IpAddress> default_node_ips() {
  return {*IpAddress::parse("172.18.0.2"), *IpAddress::parse("fc00:f853:ccd:e793::2")};
}

AddressPool::AddressPool(const Cidr& range, PoolKind kind)
    : range_(range), kind_(kind), size_(size_of(range)), taken_(size_, false) {
  if (kind_ == PoolKind::Services) {
    // kube-apiserver's formula for the band it keeps for explicit addresses.
    dynamic_start_ =
        size_ <= 16 ? 0 : std::clamp(size_ / 16, std::uint32_t{16}, std::uint32_t{256});
  }
}

bool AddressPool::take(const IpAddress& address) {
  const auto offset = offset_of(address);
  if (!offset || taken_[*offset]) return false;
  taken_[*offset] = true;
  return true;
}

bool AddressPool::contains(const IpAddress& address) const {
  return offset_of(address).has_value();
}

bool AddressPool::is_taken(const IpAddress& address) const {
  const auto offset = offset_of(address);
  return offset && taken_[*offset];
}

std::optional<IpAddress> AddressPool::allocate(std::string_view key) {
  if (full_) return std::nullopt;
  const std::uint64_t hash = stable_hash(key);
  if (auto address = probe(dynamic_start_, size_, hash)) return address;
  if (auto address = probe(0, dynamic_start_, hash)) return address;
  full_ = true;
  return std::nullopt;
}

std::optional<IpAddress> AddressPool::probe(std::uint32_t first, std::uint32_t end,
                                            std::uint64_t hash) {
  const std::uint32_t count = end - first;
  if (count == 0) return std::nullopt;
  auto offset = static_cast<std::uint32_t>(hash % count);
  for (std::uint32_t tries = 0; tries < count; ++tries) {
    const std::uint32_t candidate = first + offset;
    if (!taken_[candidate] && usable(candidate)) {
      taken_[candidate] = true;
      return at(candidate);
    }
    if (++offset == count) offset = 0;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> AddressPool::offset_of(const IpAddress& address) const {
  if (!range_.contains(address)) return std::nullopt;
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < address.size(); ++i) {
    const auto difference = static_cast<std::uint64_t>(address.octets[i] ^ range_.base.octets[i]);
    offset = std::min<std::uint64_t>(offset << 8 | difference, std::uint64_t{1} << 40);
  }
  if (offset >= size_) return std::nullopt;
  return static_cast<std::uint32_t>(offset);
}

IpAddress AddressPool::at(std::uint32_t offset) const {
  IpAddress address = range_.base;
  for (std::size_t i = address.size(); offset != 0; offset >>= 8) {
    --i;
    address.octets[i] = static_cast<std::uint8_t>(address.octets[i] | (offset & 0xff));
  }
  return address;
}

bool AddressPool::usable(std::uint32_t offset) const {
  if (size_ <= 2) return true;
  if (offset == 0) return false;
  const bool v4 = range_.base.is_v4();
  if (v4 && offset == size_ - 1) return false;
  if (kind_ == PoolKind::Services || size_ <= 4) return true;
  if (!v4) return offset != 1;
  const std::uint8_t last = at(offset).octets[3];
  return last != 0 && last != 1 && last != 255;
}

AddressPools::AddressPools(const std::vector<Cidr>& ranges, PoolKind kind) {
  pools_.reserve(ranges.size());
  for (const Cidr& range : ranges) {
    pools_.emplace_back(range, kind);
    const IpFamily family = range.base.family;
    if (std::find(families_.begin(), families_.end(), family) == families_.end()) {
      families_.push_back(family);
    }
  }
}

bool AddressPools::take(const IpAddress& address) {
  return std::any_of(pools_.begin(), pools_.end(),
                     [&](AddressPool& pool) { return pool.take(address); });
}

bool AddressPools::contains(const IpAddress& address) const {
  return std::any_of(pools_.begin(), pools_.end(),
                     [&](const AddressPool& pool) { return pool.contains(address); });
}

bool AddressPools::is_taken(const IpAddress& address) const {
  return std::any_of(pools_.begin(), pools_.end(),
                     [&](const AddressPool& pool) { return pool.is_taken(address); });
}

std::optional<IpAddress> AddressPools::allocate(const ObjectKey& key, IpFamily family) {
  const std::string text = key.ns + '/' + key.name;
  for (AddressPool& pool : pools_) {
    if (pool.family() != family) continue;
    if (const auto address = pool.allocate(text)) return address;
  }
  return std::nullopt;
}

std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x100000001b3ULL;
  }
  // FNV's low bits mix poorly for keys that differ in the last character only (MurmurHash3's end).
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  return hash;
}

}  // namespace clusterdns::registry
