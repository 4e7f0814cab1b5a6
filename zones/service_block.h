// Everything that DNS says at and below one service's name, in wire form, in one piece of memory.
//
// A block is immutable once published, but for its rotation counters, and knows no zone: what
// stands in it are rows that point to the question, and labels to which the zone is added when an
// answer is written. So the same block serves every zone.
//
//   header | key | ports | endpoints | A rows | AAAA rows | labels | indexes | counters
//
// Ports are kept by set: endpoints with the same ports share one, and stand side by side with their
// addresses. So the answers of a named port are runs of what is there for all ports, and a block
// takes octets in proportion to the ports and the endpoints, never to one times the other. What it
// takes at most, and what is left out beyond, see kMaxServiceOctets.
//
// Most endpoints of a cluster are plain: of a ClusterIP service, IPv4, without a hostname, all with
// the same ports. Hardly anybody asks for their names, so these are not stored: `endpoints` is then
// the sorted addresses, 4 octets each, and a name is read back into an address.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dns/query/encoder.h"
#include "registry/model.h"

namespace clusterdns::zones {

// What one service may take in memory, however many and large the slices that stand behind it: its
// block this much, the parts that it is published in besides (RecordTable::publish_zones) together
// this much again, and its reverse names once more. Every pod of the largest clusters that
// Kubernetes supports (150,000), in two families behind one service, takes two thirds of it.
inline constexpr std::size_t kMaxServiceOctets = std::size_t{64} * 1024 * 1024;

// What the limit leaves out of one service's names.
struct LeftOut {
  std::uint32_t endpoints = 0;  // or addresses of endpoints
  std::uint32_t ports = 0;      // of endpoints: names and numbers
  std::uint32_t parts = 0;
  std::uint32_t reverse = 0;  // addresses without a reverse name
  [[nodiscard]] bool any() const noexcept { return (endpoints | ports | parts | reverse) != 0; }
};

struct BlockOptions {
  std::uint32_t ttl = 5;            // seconds, of every record
  bool endpoint_pod_names = false;  // endpoints without a hostname are named as their pod
  // Names of endpoints are two labels, their own and that of their cluster: services imported from
  // other clusters. One without a cluster has the first only.
  bool clusters = false;
  std::size_t most_octets = kMaxServiceOctets;  // of a block; of all parts of a service
  friend bool operator==(const BlockOptions&, const BlockOptions&) = default;
};

enum class BlockKind : std::uint8_t { ClusterIP, Headless, ExternalName };

class ServiceBlock {
 public:
  static constexpr std::uint16_t kNoPort = 0xFFFF;
  static constexpr std::uint32_t kNotFound = 0xFFFFFFFF;

  struct Deleter {
    void operator()(ServiceBlock* block) const noexcept { destroy(block); }
  };
  using Pointer = std::unique_ptr<ServiceBlock, Deleter>;

  // Builds the block of `service` from all its slices; unready endpoints are left out. nullptr
  // when nothing would be answered (a headless service without a ready endpoint).
  // Order of addresses: slices in the order given, endpoints as they stand in them.
  // `key` is what it will be found by; none: the labels of service and namespace.
  // Endpoints with the same ports are moved together; those without a port number come last.
  [[nodiscard]] static Pointer build(const registry::Service& service,
                                     std::span<const registry::EndpointSlice* const> slices,
                                     const BlockOptions& options, std::uint64_t hash,
                                     std::span<const std::uint8_t> key = {});
  static void destroy(void* block) noexcept;

  // What it is found by: the wire labels of service and namespace, lower-case, without a root
  // label; more of them before these when it is a part of a service.
  [[nodiscard]] std::span<const std::uint8_t> key() const noexcept {
    return {at<std::uint8_t>(key_offset_), key_size_};
  }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  // The service's number in its table; set before publication.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  void set_id(std::uint32_t id) noexcept { id_ = id; }
  [[nodiscard]] BlockKind kind() const noexcept { return kind_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }  // octets of this block

  // One endpoint name: a label below the service, with its addresses as rows.
  struct Endpoint {
    std::uint32_t label : 31;    // offset of its length octet in the block
    std::uint32_t hostname : 1;  // 1: named by a hostname, not by its address or its pod
    std::uint32_t a_first;       // rows
    std::uint32_t aaaa_first;
    std::uint16_t a_count;
    std::uint16_t aaaa_count;
    std::uint16_t port_set;
    std::uint16_t counters;  // index of its two rotation counters; 0: one address of each type
  };
  // Ports of the service (set 0 of a ClusterIP service) or of endpoints.
  struct PortSet {
    std::uint32_t first;           // of its numbers: each once, without 0
    std::uint32_t endpoint_first;  // of a headless service: the endpoints that have these ports
    std::uint32_t endpoint_count;
    std::uint16_t count;  // of numbers: SRV answers at the bare name, for one target
  };
  // A (port, protocol) that has a `_port._proto` name.
  struct NamedPort {
    std::uint32_t label;      // offset of `_port`'s length octet
    std::uint32_t first;      // of its uses
    std::uint32_t srv_count;  // SRV answers at this name
    std::uint32_t a_count;    // address answers at this name
    std::uint32_t aaaa_count;
    std::uint16_t uses;
    registry::Protocol protocol;
  };
  // Where a named port occurs: once for each set and number. Those of one set stand together.
  struct PortUse {
    std::uint16_t set;
    std::uint16_t number;  // 0: the set's slices give none, so there is no SRV
  };
  // Addresses of the uses before one, of the same named port.
  struct Before {
    std::uint32_t a, aaaa;
  };
  struct Run {
    std::uint32_t first, count;
  };

  [[nodiscard]] std::uint32_t endpoint_count() const noexcept { return endpoint_count_; }
  // See above; an endpoint then has no stored label (0) and no row.
  [[nodiscard]] bool plain() const noexcept { return plain_; }
  [[nodiscard]] bool clusters() const noexcept { return clusters_; }
  // REQUIRES: i < endpoint_count().
  [[nodiscard]] Endpoint endpoint(std::uint32_t i) const noexcept {
    if (plain_) return {0, 0, 0, 0, 1, 0, plain_port_set_, 0};
    return at<Endpoint>(endpoints_offset_)[i];
  }
  // All endpoints, when they are not plain; else none.
  [[nodiscard]] std::span<const Endpoint> endpoints() const noexcept {
    return {at<Endpoint>(endpoints_offset_), plain_ ? 0 : endpoint_count_};
  }
  // REQUIRES: plain(). Four octets in network byte order.
  [[nodiscard]] const std::uint8_t* plain_address(std::uint32_t i) const noexcept {
    return at<std::uint8_t>(endpoints_offset_) + std::size_t{4} * i;
  }
  // The label of an endpoint, plain or not, with its length octet; `scratch` may become its place.
  using LabelScratch = std::array<std::uint8_t, 16>;  // "255-255-255-255" and its length
  [[nodiscard]] std::span<const std::uint8_t> endpoint_label(std::uint32_t i,
                                                             LabelScratch& scratch) const noexcept;
  [[nodiscard]] std::span<const NamedPort> named_ports() const noexcept {
    return {at<NamedPort>(named_ports_offset_), named_port_count_};
  }
  [[nodiscard]] const PortSet& port_set(std::uint16_t i) const noexcept {
    return at<PortSet>(port_sets_offset_)[i];
  }
  [[nodiscard]] std::span<const std::uint16_t> numbers(const PortSet& set) const noexcept {
    return {at<std::uint16_t>(numbers_offset_) + set.first, set.count};
  }
  [[nodiscard]] std::span<const PortUse> uses(const NamedPort& port) const noexcept {
    return {at<PortUse>(uses_offset_) + port.first, port.uses};
  }
  // For each use; none of a port that has but one.
  [[nodiscard]] std::span<const Before> before(const NamedPort& port) const noexcept {
    return {at<Before>(before_offset_) + port.first, port.uses > 1 ? port.uses : std::size_t{0}};
  }
  // Rows of the addresses that a set's endpoints have, among those of the service's own name.
  // REQUIRES: a headless service.
  [[nodiscard]] Run rows_of(std::uint16_t set, bool v4) const noexcept;
  // Of a headless service: endpoints that have a port number. They come before the others.
  [[nodiscard]] std::uint32_t srv_endpoint_count() const noexcept { return srv_endpoint_count_; }
  // The name of an endpoint below the service: one label, or two where it is in a cluster.
  [[nodiscard]] std::span<const std::uint8_t> endpoint_name(const Endpoint& e) const noexcept {
    const auto* p = at<std::uint8_t>(e.label);
    std::size_t octets = std::size_t{1} + p[0];
    if (clusters_ && p[octets] != 0) [[unlikely]]
      octets += std::size_t{1} + p[octets];
    return {p, octets};
  }
  // The label at `offset` with its length octet.
  [[nodiscard]] std::span<const std::uint8_t> label(std::uint32_t offset) const noexcept {
    const auto* p = at<std::uint8_t>(offset);
    return {p, std::size_t{1} + p[0]};
  }
  [[nodiscard]] const std::uint8_t* a_rows() const noexcept { return at<std::uint8_t>(a_offset_); }
  [[nodiscard]] const std::uint8_t* aaaa_rows() const noexcept {
    return at<std::uint8_t>(aaaa_offset_);
  }
  // Rows of the service's own name; rows of endpoints that are not among them follow.
  [[nodiscard]] std::uint32_t a_count() const noexcept { return a_count_; }
  [[nodiscard]] std::uint32_t aaaa_count() const noexcept { return aaaa_count_; }
  [[nodiscard]] std::uint32_t a_row_count() const noexcept { return a_row_count_; }
  [[nodiscard]] std::uint32_t aaaa_row_count() const noexcept { return aaaa_row_count_; }
  // SRV answers at the service's own name.
  [[nodiscard]] std::uint32_t srv_count() const noexcept { return srv_count_; }
  // ExternalName: the target in wire form.
  [[nodiscard]] dns::NameView external_name() const noexcept {
    return {at<std::uint8_t>(external_offset_), external_size_};
  }
  // The service's own addresses belong to the service, not to endpoints.
  [[nodiscard]] bool is_cluster_ip(const registry::IpAddress& address) const noexcept;

  // Index of the endpoint with `label` (length octet first, lower-case), or kNotFound. Plain
  // endpoints are numbered in the order of their addresses. Where endpoints are in clusters, the
  // cluster's label, or a zero octet, follows.
  [[nodiscard]] std::uint32_t find_endpoint(const std::uint8_t* label) const noexcept;
  // Index of the next endpoint from `from` on that has `address`, or kNotFound.
  [[nodiscard]] std::uint32_t find_address(const registry::IpAddress& address,
                                           std::uint32_t from) const noexcept;
  // Index of the named port with `label` (`_http`) and protocol, or kNoPort.
  [[nodiscard]] std::uint16_t find_port(const std::uint8_t* label,
                                        registry::Protocol protocol) const noexcept;
  [[nodiscard]] bool has_protocol(registry::Protocol protocol) const noexcept {
    return (protocols_ >> static_cast<unsigned>(protocol) & 1u) != 0;
  }

  // Every distinct address of the service and its endpoints, in no order.
  [[nodiscard]] std::vector<registry::IpAddress> addresses() const;

  // Rotation counters of A and AAAA: those of the service, those of each endpoint with several
  // addresses, those of each named port.
  enum Counter : std::uint32_t { kCounterA, kCounterAaaa, kFixedCounters };
  [[nodiscard]] std::uint32_t port_counters(std::uint16_t named_port) const noexcept {
    return port_counters_ + 2u * named_port;
  }
  // The position to start at among `count` answers; the next caller gets the following one.
  // A relaxed load and store: two workers that meet may use one position twice, which is cheaper
  // than a shared read-modify-write and as fair.
  [[nodiscard]] std::uint32_t rotate(std::uint32_t counter, std::uint32_t count) const noexcept {
    if (count < 2) return 0;
    std::atomic<std::uint32_t>& position = counters()[counter];
    std::uint32_t now = position.load(std::memory_order_relaxed);
    if (now >= count) now = 0;
    position.store(now + 1, std::memory_order_relaxed);
    return now;
  }
  // Goes on where the block before stopped.
  void take_rotation_from(const ServiceBlock& old) noexcept;

 private:
  friend class BlockBuilder;
  [[nodiscard]] std::uint32_t endpoint_of_row(std::uint32_t row, bool v4) const noexcept;
  ServiceBlock() = default;
  template <class T>
  [[nodiscard]] const T* at(std::uint32_t offset) const noexcept {
    return reinterpret_cast<const T*>(reinterpret_cast<const std::uint8_t*>(this) + offset);
  }
  [[nodiscard]] std::uint32_t find_plain(const std::uint8_t* octets) const noexcept;
  [[nodiscard]] std::atomic<std::uint32_t>* counters() const noexcept {
    return const_cast<std::atomic<std::uint32_t>*>(
        at<std::atomic<std::uint32_t>>(counters_offset_));
  }

  std::uint64_t hash_;
  std::uint32_t size_;
  std::uint32_t id_ = 0;
  BlockKind kind_;
  bool irregular_;  // some address stands under several names: every name has rows of its own
  bool plain_;
  bool clusters_;  // each endpoint's label is followed by its cluster's, or by a zero octet
  std::uint8_t key_size_;
  std::uint8_t external_size_;
  std::uint8_t protocols_;  // a bit for each with a named port
  std::uint16_t plain_port_set_;
  std::uint32_t a_count_, aaaa_count_, a_row_count_, aaaa_row_count_, srv_count_;
  std::uint32_t endpoint_count_, srv_endpoint_count_, set_count_, named_port_count_, port_counters_;
  std::uint32_t key_offset_, external_offset_, port_sets_offset_, numbers_offset_, uses_offset_;
  std::uint32_t before_offset_, runs_offset_;
  std::uint32_t named_ports_offset_, endpoints_offset_, a_offset_, aaaa_offset_;
  // Open addressing over indexes + 1: endpoints by label, named ports by label, rows by address;
  // mask 0: few enough to scan. Of an irregular block `a_index` and `aaaa_index` are the rows of
  // endpoints in the order of their addresses.
  std::uint32_t label_index_offset_, label_index_mask_;
  std::uint32_t port_index_offset_, port_index_mask_;
  std::uint32_t a_index_offset_, a_index_mask_;
  std::uint32_t aaaa_index_offset_, aaaa_index_mask_;
  std::uint32_t counters_offset_;
};

// Builds the blocks of one service, its own and those of its parts: what its slices say about ports
// is read once.
class BlockBuilder {
 public:
  // An endpoint: the `endpoint`th of the `slice`th slice.
  struct Pick {
    std::uint32_t slice;
    std::uint32_t endpoint;
  };

  // All must outlive the builder. `seed` guards its tables against names that are made to collide.
  BlockBuilder(const registry::Service& service,
               std::span<const registry::EndpointSlice* const> slices, const BlockOptions& options,
               std::uint64_t seed);
  ~BlockBuilder();
  BlockBuilder(const BlockBuilder&) = delete;
  BlockBuilder& operator=(const BlockBuilder&) = delete;

  // As ServiceBlock::build().
  [[nodiscard]] ServiceBlock::Pointer build(std::uint64_t hash, std::span<const std::uint8_t> key);
  // A block of some of the endpoints; the names of endpoints and of ports, and addresses, are not
  // looked up in it. nullptr when none is ready, or when there is no room for another part.
  [[nodiscard]] ServiceBlock::Pointer build_part(std::span<const Pick> endpoints,
                                                 std::uint64_t hash,
                                                 std::span<const std::uint8_t> key);

  // Of all blocks so far.
  [[nodiscard]] const LeftOut& left_out() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clusterdns::zones
