#include "zones/host_table.h"

#include <cstring>
#include <new>
#include <utility>

#include "dns/base/random.h"
#include "dns/query/encoder.h"

namespace clusterdns::zones {

std::vector<std::uint8_t> host_rows(const std::vector<registry::IpAddress>& addresses,
                                    registry::IpFamily family, std::uint32_t ttl) {
  constexpr std::size_t kHead = 12;  // owner, type, class, TTL, RDLENGTH
  std::vector<std::uint8_t> rows;
  for (const registry::IpAddress& address : addresses) {
    if (address.family != family) continue;
    const std::size_t at = rows.size();
    rows.resize(at + kHead + address.size());
    dns::put_address_row(rows.data() + at, {address.octets.data(), address.size()}, ttl);
  }
  return rows;
}

HostTable::HostTable(dns::ReclaimDomain& reclaim)
    : reclaim_(reclaim),
      seed_(dns::random_seed()),
      blocks_(reclaim, this,
              [](const void*, std::uint64_t word) { return block_in(word)->hash_; }) {}

HostTable::~HostTable() {
  blocks_.for_each([](std::uint64_t word) { destroy_block(const_cast<Block*>(block_in(word))); });
  for (const auto& group : groups_) {
    if (group != nullptr) delete group->now.load(std::memory_order_relaxed);
  }
}

std::uint64_t HostTable::word_of(const Block* block) noexcept {
  return (block->hash_ & ~kPointerMask) | reinterpret_cast<std::uint64_t>(block);
}

HostTable::Block* HostTable::make_block(const dns::Name& name, std::uint64_t hash) {
  void* const memory = ::operator new(sizeof(Block) + name.size() + dns::kPadding);
  auto* const block = new (memory) Block();
  block->hash_ = hash;
  block->size_ = static_cast<std::uint8_t>(name.size());
  std::uint8_t* const octets = static_cast<std::uint8_t*>(memory) + sizeof(Block);
  std::memcpy(octets, name.data(), name.size());
  std::memset(octets + name.size(), 0, dns::kPadding);
  return block;
}

void HostTable::destroy_block(void* block) noexcept {
  static_cast<Block*>(block)->~Block();
  ::operator delete(block);
}

std::size_t HostTable::octets_of(const Block& block) noexcept {
  // And its slot, in a table that is a third to two thirds full.
  return sizeof block + block.size_ + dns::kPadding + 2 * sizeof(std::uint64_t);
}

HostTable::GroupId HostTable::add_group(HostAddresses addresses) {
  auto group = std::make_unique<Group>();
  octets_ += addresses.octets();
  group->now.store(new HostAddresses(std::move(addresses)), std::memory_order_release);
  if (free_.empty()) {
    groups_.push_back(std::move(group));
    return static_cast<GroupId>(groups_.size() - 1);
  }
  const GroupId id = free_.back();
  free_.pop_back();
  groups_[id] = std::move(group);
  return id;
}

void HostTable::set_group(GroupId id, HostAddresses addresses) {
  Group& group = *groups_[id];
  const HostAddresses* const old = group.now.load(std::memory_order_relaxed);
  if (*old == addresses) return;
  octets_ += addresses.octets() - old->octets();
  group.now.store(new HostAddresses(std::move(addresses)), std::memory_order_release);
  reclaim_.retire(std::unique_ptr<HostAddresses>(const_cast<HostAddresses*>(old)));
}

void HostTable::remove_group(GroupId id) {
  std::unique_ptr<Group> group = std::move(groups_[id]);
  auto* const addresses = const_cast<HostAddresses*>(group->now.load(std::memory_order_relaxed));
  octets_ -= addresses->octets();
  reclaim_.retire(std::unique_ptr<HostAddresses>(addresses));
  reclaim_.retire(std::move(group));
  free_.push_back(id);
}

bool HostTable::set(const dns::Name& name, const GroupIds& ids) {
  const Block* const old = find(name.view());
  std::array<const Group*, kReaches> groups{};
  for (std::size_t i = 0; i < kReaches; ++i) {
    if (ids[i] != kNoGroup) groups[i] = groups_[ids[i]].get();
  }
  if (old != nullptr && old->groups_ == groups) return true;
  const std::uint64_t hash = dns::hash_padded(name.data(), name.size(), seed_);
  Block* const block = make_block(name, hash);
  block->groups_ = groups;
  if (old != nullptr) {
    for (std::size_t i = 0; i < block->turns_.size(); ++i) {
      block->turns_[i].store(old->turns_[i].load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
    }
    blocks_.replace(hash, word_of(old), word_of(block));
    reclaim_.retire(const_cast<Block*>(old), &destroy_block);
    return true;
  }
  if (octets_ + octets_of(*block) > kMaxHostOctets) {
    destroy_block(block);
    return false;
  }
  octets_ += octets_of(*block);
  blocks_.insert(hash, word_of(block));
  count_.store(blocks_.size(), std::memory_order_relaxed);
  return true;
}

void HostTable::remove(const dns::Name& name) {
  const Block* const old = find(name.view());
  if (old == nullptr) return;
  octets_ -= octets_of(*old);
  blocks_.erase(old->hash_, word_of(old));
  count_.store(blocks_.size(), std::memory_order_relaxed);
  reclaim_.retire(const_cast<Block*>(old), &destroy_block);
}

}  // namespace clusterdns::zones
