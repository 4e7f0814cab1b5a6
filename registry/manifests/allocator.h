// Addresses for what the manifests leave without one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "registry/ip_address.h"
#include "registry/model.h"

namespace clusterdns::registry {

// What kube-apiserver and kind use when nothing else is said.
[[nodiscard]] std::vector<Cidr> default_service_cidrs();  // 10.96.0.0/16, fd00:10:96::/112
[[nodiscard]] std::vector<Cidr> default_pod_cidrs();      // 10.244.0.0/16, fd00:10:244::/56
// The address of the one node that hostNetwork pods run on: kind's first.
[[nodiscard]] std::vector<IpAddress> default_node_ips();  // 172.18.0.2, fc00:f853:ccd:e793::2

enum class PoolKind : std::uint8_t {
  // As kube-apiserver: the first part of the range (at most 256 addresses, 1/16th of small ranges)
  // is for explicit addresses and used only when the rest is full.
  Services,
  // As a cluster whose nodes have a /24 each: last octet 0 (network), 1 (bridge) and 255
  // (broadcast) belong to no pod. IPv6 leaves out only the range's first two.
  Pods,
};

// Which addresses of one range are taken. An object's address follows from its key alone, unless it
// is taken: then from the taken ones too. Not thread-safe.
class AddressPool {
 public:
  AddressPool(const Cidr& range, PoolKind kind);

  // Marks `address` as taken. False when it was already, or is outside what this pool gives out.
  bool take(const IpAddress& address);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] bool is_taken(const IpAddress& address) const;

  // A free address for `key`, which is taken from now on; nullopt when there is none left.
  [[nodiscard]] std::optional<IpAddress> allocate(std::string_view key);

  [[nodiscard]] IpFamily family() const noexcept { return range_.base.family; }
  [[nodiscard]] const Cidr& range() const noexcept { return range_; }

 private:
  [[nodiscard]] std::optional<std::uint32_t> offset_of(const IpAddress& address) const;
  [[nodiscard]] IpAddress at(std::uint32_t offset) const;
  [[nodiscard]] bool usable(std::uint32_t offset) const;
  [[nodiscard]] std::optional<IpAddress> probe(std::uint32_t first, std::uint32_t end,
                                               std::uint64_t hash);

  Cidr range_;
  PoolKind kind_;
  std::uint32_t size_;               // offsets given out are below this
  std::uint32_t dynamic_start_ = 0;  // offsets below are given out last
  bool full_ = false;                // a search has failed; nothing is ever given back
  std::vector<bool> taken_;
};

// The pools of all ranges of one kind, in the order of the ranges.
class AddressPools {
 public:
  AddressPools(const std::vector<Cidr>& ranges, PoolKind kind);

  bool take(const IpAddress& address);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] bool is_taken(const IpAddress& address) const;
  // From the first range of the family that has one left.
  [[nodiscard]] std::optional<IpAddress> allocate(const ObjectKey& key, IpFamily family);
  // Families in the order the ranges name them; the first is the primary one.
  [[nodiscard]] const std::vector<IpFamily>& families() const noexcept { return families_; }

 private:
  std::vector<AddressPool> pools_;
  std::vector<IpFamily> families_;
};

// FNV-1a with a final mix: the same on every machine and in every release, so that a cluster's
// addresses are too.
[[nodiscard]] std::uint64_t stable_hash(std::string_view text) noexcept;

}  // namespace clusterdns::registry
