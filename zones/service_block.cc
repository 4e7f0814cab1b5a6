#include "zones/service_block.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <tuple>

#include "zones/hash.h"
#include "zones/pod_name.h"

namespace clusterdns::zones {
namespace {

using registry::EndpointPort;
using registry::IpAddress;
using registry::Protocol;

// Up to here a scan costs less than an index would, in time and in octets.
constexpr std::size_t kScanUpTo = 16;
// What parallel workers write must not share a line with what they only read.
constexpr std::size_t kCacheLine = 64;
constexpr std::uint32_t kIndexSeed = 0;  // labels of one service: no table-wide collisions to fear

constexpr std::uint8_t lower(char c) noexcept {
  return static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

// Appends a label: its length, then `text` lower-cased. Too long a text is cut to what a label
// holds; sources validate names, so that this is a last line of defence.
void put_label(std::vector<std::uint8_t>& to, std::string_view text) {
  const std::size_t size = std::min<std::size_t>(text.size(), dns::kMaxLabelSize);
  to.push_back(static_cast<std::uint8_t>(size));
  for (std::size_t i = 0; i < size; ++i) to.push_back(lower(text[i]));
}

// 10.244.0.10 -> "10-244-0-10" with its length before it; returns the octets written, at most 16.
// The hot part of building a table, so no text library.
std::size_t write_dashed(std::uint8_t* to, const std::uint8_t* address) noexcept {
  std::uint8_t* p = to + 1;
  for (int i = 0; i < 4; ++i) {
    const unsigned v = address[i];
    if (i != 0) *p++ = '-';
    if (v >= 100) *p++ = static_cast<std::uint8_t>('0' + v / 100);
    if (v >= 10) *p++ = static_cast<std::uint8_t>('0' + v / 10 % 10);
    *p++ = static_cast<std::uint8_t>('0' + v % 10);
  }
  to[0] = static_cast<std::uint8_t>(p - to - 1);
  return static_cast<std::size_t>(p - to);
}

void put_dashed_v4(std::vector<std::uint8_t>& to, const IpAddress& ip) {
  const std::size_t start = to.size();
  to.resize(start + std::tuple_size_v<ServiceBlock::LabelScratch>);
  to.resize(start + write_dashed(to.data() + start, ip.octets.data()));
}

// Is an endpoint named by its address?
bool is_unnamed(const registry::Endpoint& endpoint, bool pod_names) noexcept {
  return endpoint.detail == nullptr || (endpoint.detail->hostname.empty() &&
                                        !(pod_names && !endpoint.detail->target_name.empty()));
}

// Numbers in the order of addresses.
std::uint32_t load_address(const std::uint8_t* octets) noexcept { return dns::load_u32(octets); }

void put_endpoint_label(std::vector<std::uint8_t>& to, const registry::Endpoint& endpoint,
                        bool pod_names) {
  if (endpoint.detail != nullptr) {
    if (!endpoint.detail->hostname.empty()) return put_label(to, endpoint.detail->hostname);
    if (pod_names && !endpoint.detail->target_name.empty() &&
        endpoint.detail->target_name.size() <= dns::kMaxLabelSize) {
      return put_label(to, endpoint.detail->target_name);
    }
  }
  if (endpoint.address.is_v4()) return put_dashed_v4(to, endpoint.address);
  // fd00::1 -> "fd00--1"; a label does not end in a dash, so fd00:: -> "fd00--0" (as CoreDNS).
  std::string text = endpoint.address.to_string();
  std::replace(text.begin(), text.end(), ':', '-');
  if (text.ends_with('-')) text += '0';
  put_label(to, text);
}

// Octets of an endpoint's label as it is stored; with its cluster's, or the zero octet in place of that.
std::size_t stored_size(const std::uint8_t* label, bool clusters) noexcept {
  const std::size_t size = std::size_t{1} + label[0];
  return clusters ? size + 1 + label[size] : size;
}

std::uint64_t hash_label(const std::uint8_t* label, std::size_t size) noexcept {
  // Labels may stand at the end of memory: copied, so that the hash can read past them.
  std::uint8_t padded[2 * (dns::kMaxLabelSize + 1) + 8];
  std::memcpy(padded, label, size);
  return hash_padded(padded, size, kIndexSeed);
}

std::uint64_t hash_address(const std::uint8_t* octets, std::size_t size) noexcept {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (size == 4) {
    std::memcpy(&low, octets, 4);
  } else {
    std::memcpy(&low, octets, 8);
    std::memcpy(&high, octets + 8, 8);
  }
  return mix(low ^ 0x9E3779B97F4A7C15, high ^ 0xD6E8FEB86659FD93);
}

void put_row(std::uint8_t* p, const IpAddress& address, std::uint32_t ttl) noexcept {
  dns::store_u16(p, 0xC000 | dns::kHeaderSize);
  dns::store_u16(p + 2, static_cast<std::uint16_t>(address.is_v4() ? dns::RRType::A
                                                                   : dns::RRType::AAAA));
  dns::store_u16(p + 4, static_cast<std::uint16_t>(dns::RRClass::IN));
  dns::store_u32(p + 6, ttl);
  dns::store_u16(p + 10, static_cast<std::uint16_t>(address.size()));
  std::memcpy(p + 12, address.octets.data(), address.size());
}

struct NamedPortDraft {
  std::string name;
  Protocol protocol;
};

struct EndpointDraft {
  std::uint32_t label = 0;  // offset in the labels
  std::uint16_t port_set = 0;
  std::uint32_t v4 = 0, v6 = 0;  // numbers of addresses
  bool own_rows_v4 = false, own_rows_v6 = false;  // some address stands in the main rows already
};

struct AddressDraft {
  IpAddress address;
  std::uint32_t endpoint;
  bool first;  // not seen before under another name
};

std::size_t index_size(std::size_t entries) noexcept {
  return entries <= kScanUpTo ? 0 : std::bit_ceil(entries * 2);
}

}  // namespace

// Gathers, lays out, writes. Scratch vectors are kept from build to build: the control thread
// rebuilds a block for each change.
class BlockBuilder {
 public:
  ServiceBlock::Pointer build(const registry::Service& service,
                              std::span<const registry::EndpointSlice* const> slices,
                              const BlockOptions& options, std::uint64_t hash,
                              std::span<const std::uint8_t> key) {
    clear();
    key_.assign(key.begin(), key.end());
    clusters_ = options.clusters;
    const bool external = service.type == registry::ServiceType::ExternalName;
    dns::Name target;
    if (external) {
      const auto parsed = dns::Name::from_text(service.external_name);
      if (!parsed || parsed->is_root()) return nullptr;
      target = *parsed;
      target.make_lower();
    } else {
      gather_ports(service, slices);
      if (!gather_plain(service, slices, options)) gather_endpoints(service, slices, options);
      if (service.headless && addresses_.empty()) return nullptr;
    }
    return lay_out(service, external ? &target : nullptr, options, hash);
  }

 private:
  void clear() {
    labels_.clear();
    endpoints_.clear();
    addresses_.clear();
    port_sets_.clear();
    slice_sets_.clear();
    named_.clear();
    label_index_.clear();
    address_index_.clear();
    plain_addresses_.clear();
    plain_ = false;
    plain_port_set_ = 0;
    merged_ = false;
  }

  std::uint16_t name_of(const std::string& name, Protocol protocol, bool add) {
    if (name.empty()) return ServiceBlock::kNoPort;
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (named_[i].protocol == protocol && named_[i].name == name) {
        return static_cast<std::uint16_t>(i);
      }
    }
    if (!add || named_.size() >= ServiceBlock::kNoPort) return ServiceBlock::kNoPort;
    named_.push_back({name, protocol});
    return static_cast<std::uint16_t>(named_.size() - 1);
  }

  std::uint16_t intern(std::vector<ServiceBlock::Port> set) {
    const auto same = [&](const std::vector<ServiceBlock::Port>& other) {
      return std::equal(set.begin(), set.end(), other.begin(), other.end(),
                        [](const auto& a, const auto& b) {
                          return a.number == b.number && a.name == b.name;
                        });
    };
    const auto it = std::find_if(port_sets_.begin(), port_sets_.end(), same);
    if (it != port_sets_.end()) return static_cast<std::uint16_t>(it - port_sets_.begin());
    port_sets_.push_back(std::move(set));
    return static_cast<std::uint16_t>(port_sets_.size() - 1);
  }

  void gather_ports(const registry::Service& service,
                    std::span<const registry::EndpointSlice* const> slices) {
    // Set 0 of a ClusterIP service are its own ports; only these have names there.
    if (!service.headless) {
      std::vector<ServiceBlock::Port> own;
      for (const auto& port : service.ports) {
        own.push_back({port.port, name_of(port.name, port.protocol, true)});
      }
      port_sets_.push_back(std::move(own));
    }
    for (const auto* slice : slices) {
      std::vector<ServiceBlock::Port> set;
      for (const EndpointPort& port : slice->ports) {
        set.push_back({port.port, name_of(port.name, port.protocol, service.headless)});
      }
      slice_sets_.push_back(intern(std::move(set)));
    }
  }

  // Index of the endpoint named by the label at `offset`, or none.
  std::uint32_t find_label(std::uint32_t offset) {
    const std::uint8_t* const label = labels_.data() + offset;
    const std::size_t size = stored_size(label, clusters_);
    const auto same = [&](std::uint32_t i) {
      const std::uint8_t* const other = labels_.data() + endpoints_[i].label;
      return stored_size(other, clusters_) == size && std::memcmp(other, label, size) == 0;
    };
    if (label_index_.empty()) {
      for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
        if (same(i)) return i;
      }
      return ServiceBlock::kNotFound;
    }
    const std::size_t mask = label_index_.size() - 1;
    for (std::size_t at = hash_label(label, size) & mask;; at = (at + 1) & mask) {
      if (label_index_[at] == 0) return ServiceBlock::kNotFound;
      if (same(label_index_[at] - 1)) return label_index_[at] - 1;
    }
  }

  // True when the address was seen before; remembers it.
  bool seen(const IpAddress& address) {
    if (address_index_.empty()) {
      return std::any_of(addresses_.begin(), addresses_.end(),
                         [&](const AddressDraft& a) { return a.address == address; });
    }
    const std::size_t mask = address_index_.size() - 1;
    std::size_t at = hash_address(address.octets.data(), address.size()) & mask;
    for (; address_index_[at] != 0; at = (at + 1) & mask) {
      if (addresses_[address_index_[at] - 1].address == address) return true;
    }
    address_index_[at] = static_cast<std::uint32_t>(addresses_.size() + 1);
    return false;
  }

  // False when some endpoint is not plain.
  bool gather_plain(const registry::Service& service,
                    std::span<const registry::EndpointSlice* const> slices,
                    const BlockOptions& options) {
    if (service.headless || options.clusters) return false;
    for (std::size_t s = 0; s < slices.size(); ++s) {
      for (const registry::Endpoint& endpoint : slices[s]->endpoints) {
        if (!endpoint.ready) continue;
        if (endpoint.address.is_v6() || !is_unnamed(endpoint, options.endpoint_pod_names) ||
            (!plain_addresses_.empty() && plain_port_set_ != slice_sets_[s])) {
          plain_addresses_.clear();
          return false;
        }
        plain_port_set_ = slice_sets_[s];
        plain_addresses_.push_back(load_address(endpoint.address.octets.data()));
      }
    }
    std::sort(plain_addresses_.begin(), plain_addresses_.end());
    plain_addresses_.erase(std::unique(plain_addresses_.begin(), plain_addresses_.end()),
                           plain_addresses_.end());
    plain_ = true;
    return true;
  }

  void gather_endpoints(const registry::Service& service,
                        std::span<const registry::EndpointSlice* const> slices,
                        const BlockOptions& options) {
    std::size_t total = 0;
    for (const auto* slice : slices) total += slice->endpoints.size();
    if (const std::size_t size = index_size(total); size != 0) {
      label_index_.assign(size, 0);
      address_index_.assign(size, 0);
    }
    (void)service;
    for (std::size_t s = 0; s < slices.size(); ++s) {
      for (const registry::Endpoint& endpoint : slices[s]->endpoints) {
        if (!endpoint.ready) continue;
        const auto label = static_cast<std::uint32_t>(labels_.size());
        put_endpoint_label(labels_, endpoint, options.endpoint_pod_names);
        if (clusters_) {
          put_label(labels_, endpoint.detail != nullptr ? std::string_view(endpoint.detail->cluster)
                                                        : std::string_view());
        }
        const bool again = seen(endpoint.address);
        std::uint32_t i = find_label(label);
        if (i == ServiceBlock::kNotFound) {
          i = static_cast<std::uint32_t>(endpoints_.size());
          endpoints_.push_back({});
          endpoints_[i].label = label;
          endpoints_[i].port_set = slice_sets_[s];
          if (!label_index_.empty()) {
            const std::size_t mask = label_index_.size() - 1;
            const std::uint8_t* const stored = labels_.data() + label;
            std::size_t at = hash_label(stored, stored_size(stored, clusters_)) & mask;
            while (label_index_[at] != 0) at = (at + 1) & mask;
            label_index_[at] = i + 1;
          }
        } else {
          labels_.resize(label);
          if (endpoints_[i].port_set != slice_sets_[s]) {
            endpoints_[i].port_set = unite(endpoints_[i].port_set, slice_sets_[s]);
          }
          // Once under this name is enough.
          if (again && std::any_of(addresses_.begin(), addresses_.end(), [&](const AddressDraft& a) {
                return a.endpoint == i && a.address == endpoint.address;
              })) {
            continue;
          }
          merged_ = true;
        }
        EndpointDraft& draft = endpoints_[i];
        ++(endpoint.address.is_v4() ? draft.v4 : draft.v6);
        if (again) (endpoint.address.is_v4() ? draft.own_rows_v4 : draft.own_rows_v6) = true;
        addresses_.push_back({endpoint.address, i, !again});
      }
    }
    // Addresses of one name side by side; stable, so that the order of names stays.
    if (merged_) {
      std::stable_sort(addresses_.begin(), addresses_.end(),
                       [](const AddressDraft& a, const AddressDraft& b) {
                         return a.endpoint < b.endpoint;
                       });
    }
  }

  // Endpoints that share an address count it once for a port that they both have.
  void drop_shared_addresses(ServiceBlock::NamedPort* named) {
    if (std::none_of(endpoints_.begin(), endpoints_.end(),
                     [](const EndpointDraft& e) { return e.own_rows_v4 || e.own_rows_v6; })) {
      return;
    }
    std::vector<IpAddress> at_port;
    for (std::size_t k = 0; k < named_.size(); ++k) {
      at_port.clear();
      for (const AddressDraft& a : addresses_) {
        const auto& set = port_sets_[endpoints_[a.endpoint].port_set];
        if (std::any_of(set.begin(), set.end(), [k](const auto& port) { return port.name == k; })) {
          at_port.push_back(a.address);
        }
      }
      std::sort(at_port.begin(), at_port.end());
      at_port.erase(std::unique(at_port.begin(), at_port.end()), at_port.end());
      named[k].a_count = static_cast<std::uint32_t>(
          std::count_if(at_port.begin(), at_port.end(), [](const IpAddress& a) { return a.is_v4(); }));
      named[k].aaaa_count = static_cast<std::uint32_t>(at_port.size()) - named[k].a_count;
    }
  }

  std::uint16_t unite(std::uint16_t a, std::uint16_t b) {
    std::vector<ServiceBlock::Port> set = port_sets_[a];
    for (const auto& port : port_sets_[b]) {
      const bool there = std::any_of(set.begin(), set.end(), [&](const auto& p) {
        return p.number == port.number && p.name == port.name;
      });
      if (!there) set.push_back(port);
    }
    return intern(std::move(set));
  }

  // Numbers the rows of one family: main rows, then rows that only endpoint names use.
  struct Rows {
    std::uint32_t main = 0;
    std::uint32_t total = 0;
    std::vector<std::uint32_t> first;  // by endpoint
    std::vector<IpAddress> in_order;
  };

  void order_rows(bool v4, const registry::Service& service, Rows& rows) {
    rows.main = rows.total = 0;
    rows.first.assign(endpoints_.size(), 0);
    rows.in_order.clear();
    if (!service.headless) {
      for (const IpAddress& ip : service.cluster_ips) {
        if (ip.is_v4() == v4) rows.in_order.push_back(ip);
      }
      rows.main = static_cast<std::uint32_t>(rows.in_order.size());
    }
    const auto own = [v4](const EndpointDraft& e) { return v4 ? e.own_rows_v4 : e.own_rows_v6; };
    std::uint32_t last = ServiceBlock::kNotFound;
    for (const AddressDraft& a : addresses_) {
      if (a.endpoint != last) {
        last = a.endpoint;
        rows.first[a.endpoint] = static_cast<std::uint32_t>(rows.in_order.size());
      }
      if (a.address.is_v4() != v4) continue;
      if (service.headless && !a.first) continue;
      rows.in_order.push_back(a.address);
    }
    if (service.headless) rows.main = static_cast<std::uint32_t>(rows.in_order.size());
    if (service.headless) {
      // Names that share an address with another get rows of their own.
      for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
        if (!own(endpoints_[i])) continue;
        rows.first[i] = static_cast<std::uint32_t>(rows.in_order.size());
        for (const AddressDraft& a : addresses_) {
          if (a.endpoint == i && a.address.is_v4() == v4) rows.in_order.push_back(a.address);
        }
      }
    }
    rows.total = static_cast<std::uint32_t>(rows.in_order.size());
  }

  static std::uint16_t unique_numbers(const std::vector<ServiceBlock::Port>& set) {
    std::uint16_t n = 0;
    for (std::size_t i = 0; i < set.size(); ++i) {
      if (set[i].number == 0) continue;
      const bool before = std::any_of(set.begin(), set.begin() + static_cast<std::ptrdiff_t>(i),
                                      [&](const auto& p) { return p.number == set[i].number; });
      if (!before) ++n;
    }
    return n;
  }

  ServiceBlock::Pointer lay_out(const registry::Service& service, const dns::Name* target,
                                const BlockOptions& options, std::uint64_t hash) {
    order_rows(true, service, v4_);
    order_rows(false, service, v6_);
    bool irregular = false;
    std::uint32_t multi = 0;
    for (const EndpointDraft& e : endpoints_) {
      irregular = irregular || e.own_rows_v4 || e.own_rows_v6;
      if (e.v4 > 1 || e.v6 > 1 || port_sets_[e.port_set].size() > 1) ++multi;
    }
    // One set of counters for all plain ones.
    if (!plain_addresses_.empty() && port_sets_[plain_port_set_].size() > 1) multi = 1;
    const bool shared_line = v4_.main > 1 || v6_.main > 1;
    std::size_t port_total = 0;
    for (const auto& set : port_sets_) port_total += set.size();
    std::size_t label_total = labels_.size();
    for (const auto& named : named_) label_total += 2 + named.name.size();
    const std::uint32_t counters = static_cast<std::uint32_t>(
        ServiceBlock::kCounterPorts + 3 * named_.size() +
        (multi <= 0xFFFF / 3 - named_.size() - 4 ? 3 * multi : 0));
    const bool count_endpoints = counters > ServiceBlock::kCounterPorts + 3 * named_.size();

    std::size_t size = sizeof(ServiceBlock);
    const auto place = [&size](std::size_t bytes, std::size_t align) {
      size = (size + align - 1) / align * align;
      const auto offset = static_cast<std::uint32_t>(size);
      size += bytes;
      return offset;
    };
    if (key_.empty()) {
      put_label(key_, service.key.name);
      put_label(key_, service.key.ns);
    }
    const std::uint32_t key_offset = place(key_.size(), 1);
    const std::uint32_t external_offset = place(
        target != nullptr ? target->size() + dns::kPadding : 0, 1);
    const std::uint32_t port_sets_offset =
        place(port_sets_.size() * sizeof(ServiceBlock::PortSet), alignof(ServiceBlock::PortSet));
    const std::uint32_t ports_offset = place(port_total * sizeof(ServiceBlock::Port), 2);
    const std::uint32_t named_offset =
        place(named_.size() * sizeof(ServiceBlock::NamedPort), alignof(ServiceBlock::NamedPort));
    const std::uint32_t endpoints_offset =
        place(plain_ ? plain_addresses_.size() * std::size_t{4}
                     : endpoints_.size() * sizeof(ServiceBlock::Endpoint),
              4);
    const std::uint32_t a_offset = place(v4_.total * dns::kARowSize, 1);
    const std::uint32_t aaaa_offset = place(v6_.total * dns::kAaaaRowSize, 1);
    const std::uint32_t labels_offset = place(label_total, 1);
    const std::size_t label_index = index_size(endpoints_.size());
    const std::size_t a_index = irregular ? 0 : index_size(v4_.total);
    const std::size_t aaaa_index = irregular ? 0 : index_size(v6_.total);
    const std::uint32_t label_index_offset = place(label_index * 4, 4);
    const std::uint32_t a_index_offset = place(a_index * 4, 4);
    const std::uint32_t aaaa_index_offset = place(aaaa_index * 4, 4);
    const std::uint32_t counters_offset =
        place(counters * sizeof(std::atomic<std::uint32_t>), shared_line ? kCacheLine : 4);
    // The line of the counters belongs to this block alone.
    if (shared_line) size = (size + kCacheLine - 1) / kCacheLine * kCacheLine;

    void* const memory = shared_line ? std::aligned_alloc(kCacheLine, size) : std::malloc(size);
    if (memory == nullptr) throw std::bad_alloc();
    auto* const base = static_cast<std::uint8_t*>(memory);
    auto* const block = new (memory) ServiceBlock;
    ServiceBlock::Pointer result(block);
    block->hash_ = hash;
    block->size_ = static_cast<std::uint32_t>(size);
    block->kind_ = target != nullptr       ? BlockKind::ExternalName
                   : service.headless      ? BlockKind::Headless
                                           : BlockKind::ClusterIP;
    block->irregular_ = irregular;
    block->plain_ = plain_;
    block->clusters_ = clusters_;
    block->plain_port_set_ = plain_port_set_;
    block->plain_counters_ = static_cast<std::uint16_t>(
        plain_ && multi != 0 && count_endpoints ? ServiceBlock::kCounterPorts + 3 * named_.size()
                                                : 0);
    block->key_size_ = static_cast<std::uint8_t>(key_.size());
    block->key_offset_ = key_offset;
    std::memcpy(base + key_offset, key_.data(), key_.size());
    block->external_offset_ = external_offset;
    block->external_size_ = 0;
    if (target != nullptr) {
      block->external_size_ = static_cast<std::uint8_t>(target->size());
      std::memcpy(base + external_offset, target->data(), target->size());
    }
    block->a_count_ = v4_.main;
    block->aaaa_count_ = v6_.main;
    block->a_row_count_ = v4_.total;
    block->aaaa_row_count_ = v6_.total;
    block->endpoint_count_ =
        static_cast<std::uint32_t>(plain_ ? plain_addresses_.size() : endpoints_.size());
    block->named_port_count_ = static_cast<std::uint32_t>(named_.size());
    block->counter_count_ = counters;
    block->port_sets_offset_ = port_sets_offset;
    block->ports_offset_ = ports_offset;
    block->named_ports_offset_ = named_offset;
    block->endpoints_offset_ = endpoints_offset;
    block->a_offset_ = a_offset;
    block->aaaa_offset_ = aaaa_offset;
    block->label_index_offset_ = label_index_offset;
    block->label_index_mask_ = label_index == 0 ? 0 : static_cast<std::uint32_t>(label_index - 1);
    block->a_index_offset_ = a_index_offset;
    block->a_index_mask_ = a_index == 0 ? 0 : static_cast<std::uint32_t>(a_index - 1);
    block->aaaa_index_offset_ = aaaa_index_offset;
    block->aaaa_index_mask_ = aaaa_index == 0 ? 0 : static_cast<std::uint32_t>(aaaa_index - 1);
    block->counters_offset_ = counters_offset;

    // Ports.
    auto* sets = reinterpret_cast<ServiceBlock::PortSet*>(base + port_sets_offset);
    auto* ports = reinterpret_cast<ServiceBlock::Port*>(base + ports_offset);
    std::uint32_t port_at = 0;
    for (std::size_t i = 0; i < port_sets_.size(); ++i) {
      const auto& set = port_sets_[i];
      sets[i] = {port_at, static_cast<std::uint16_t>(set.size()), unique_numbers(set)};
      std::copy(set.begin(), set.end(), ports + port_at);
      port_at += static_cast<std::uint32_t>(set.size());
    }
    // Labels of endpoints, then of ports.
    if (!labels_.empty()) std::memcpy(base + labels_offset, labels_.data(), labels_.size());
    auto* named = reinterpret_cast<ServiceBlock::NamedPort*>(base + named_offset);
    std::uint32_t label_at = labels_offset + static_cast<std::uint32_t>(labels_.size());
    for (std::size_t i = 0; i < named_.size(); ++i) {
      port_label_.clear();
      put_label(port_label_, "_" + named_[i].name);
      std::memcpy(base + label_at, port_label_.data(), port_label_.size());
      named[i] = {label_at, 0, 0, 0, named_[i].protocol};
      label_at += static_cast<std::uint32_t>(port_label_.size());
    }
    // Endpoints.
    for (std::size_t i = 0; i < plain_addresses_.size(); ++i) {
      dns::store_u32(base + endpoints_offset + 4 * i, plain_addresses_[i]);
    }
    auto* out = reinterpret_cast<ServiceBlock::Endpoint*>(base + endpoints_offset);
    std::uint32_t srv_total = 0;
    std::uint32_t next_counter =
        static_cast<std::uint32_t>(ServiceBlock::kCounterPorts + 3 * named_.size());
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      const EndpointDraft& e = endpoints_[i];
      std::uint32_t counter = 0;
      if (count_endpoints && (e.v4 > 1 || e.v6 > 1 || port_sets_[e.port_set].size() > 1)) {
        counter = next_counter;
        next_counter += 3;
      }
      out[i] = {labels_offset + e.label,
                v4_.first[i],
                v6_.first[i],
                static_cast<std::uint16_t>(e.v4),
                static_cast<std::uint16_t>(e.v6),
                e.port_set,
                static_cast<std::uint16_t>(counter)};
      if (service.headless) {
        srv_total += sets[e.port_set].unique;
        for (std::size_t k = 0; k < named_.size(); ++k) {
          std::uint32_t here = 0;
          bool any = false;
          for (const auto& port : port_sets_[e.port_set]) {
            if (port.name != k) continue;
            any = true;
            if (port.number != 0) ++here;
          }
          named[k].srv_count += here;
          if (any) {
            named[k].a_count += e.v4;
            named[k].aaaa_count += e.v6;
          }
        }
      }
    }
    if (service.headless) drop_shared_addresses(named);
    if (target == nullptr && !service.headless) {
      srv_total = sets[0].unique;
      for (std::size_t k = 0; k < named_.size(); ++k) {
        for (const auto& port : port_sets_[0]) {
          if (port.name == k && port.number != 0) ++named[k].srv_count;
        }
        named[k].a_count = v4_.main;
        named[k].aaaa_count = v6_.main;
      }
    }
    block->srv_count_ = srv_total;
    // Rows.
    for (std::uint32_t i = 0; i < v4_.total; ++i) {
      put_row(base + a_offset + i * dns::kARowSize, v4_.in_order[i], options.ttl);
    }
    for (std::uint32_t i = 0; i < v6_.total; ++i) {
      put_row(base + aaaa_offset + i * dns::kAaaaRowSize, v6_.in_order[i], options.ttl);
    }
    // Indexes.
    fill_index(reinterpret_cast<std::uint32_t*>(base + label_index_offset), label_index,
               endpoints_.size(),
               [&](std::size_t i) {
                 const std::uint8_t* const label = base + out[i].label;
                 return hash_label(label, stored_size(label, clusters_));
               });
    fill_index(reinterpret_cast<std::uint32_t*>(base + a_index_offset), a_index, v4_.total,
               [&](std::size_t i) { return hash_address(v4_.in_order[i].octets.data(), 4); });
    fill_index(reinterpret_cast<std::uint32_t*>(base + aaaa_index_offset), aaaa_index, v6_.total,
               [&](std::size_t i) { return hash_address(v6_.in_order[i].octets.data(), 16); });
    for (std::uint32_t i = 0; i < counters; ++i) {
      new (base + counters_offset + i * sizeof(std::atomic<std::uint32_t>))
          std::atomic<std::uint32_t>(0);
    }
    return result;
  }

  template <class Hash>
  static void fill_index(std::uint32_t* index, std::size_t size, std::size_t entries, Hash&& hash) {
    if (size == 0) return;
    std::memset(index, 0, size * sizeof *index);
    for (std::size_t i = 0; i < entries; ++i) {
      std::size_t at = hash(i) & (size - 1);
      while (index[at] != 0) at = (at + 1) & (size - 1);
      index[at] = static_cast<std::uint32_t>(i + 1);
    }
  }

  std::vector<std::uint8_t> labels_, key_, port_label_;
  std::vector<EndpointDraft> endpoints_;
  std::vector<AddressDraft> addresses_;
  std::vector<std::vector<ServiceBlock::Port>> port_sets_;
  std::vector<std::uint16_t> slice_sets_;
  std::vector<NamedPortDraft> named_;
  std::vector<std::uint32_t> label_index_, address_index_;
  std::vector<std::uint32_t> plain_addresses_;
  bool plain_ = false;
  bool clusters_ = false;
  std::uint16_t plain_port_set_ = 0;
  Rows v4_, v6_;
  bool merged_ = false;
};

void write_a_row(std::uint8_t* row, const std::uint8_t* address, std::uint32_t ttl) noexcept {
  IpAddress ip;
  std::memcpy(ip.octets.data(), address, 4);
  put_row(row, ip, ttl);
}

ServiceBlock::Pointer ServiceBlock::build(const registry::Service& service,
                                          std::span<const registry::EndpointSlice* const> slices,
                                          const BlockOptions& options, std::uint64_t hash,
                                          std::span<const std::uint8_t> key) {
  BlockBuilder builder;
  return builder.build(service, slices, options, hash, key);
}

void ServiceBlock::destroy(void* block) noexcept { std::free(block); }

bool ServiceBlock::is_cluster_ip(const IpAddress& address) const noexcept {
  if (kind_ != BlockKind::ClusterIP) return false;
  const bool v4 = address.is_v4();
  const std::uint32_t count = v4 ? a_count_ : aaaa_count_;
  const std::uint8_t* rows = v4 ? a_rows() : aaaa_rows();
  const std::size_t row = v4 ? dns::kARowSize : dns::kAaaaRowSize;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (std::memcmp(rows + i * row + 12, address.octets.data(), address.size()) == 0) return true;
  }
  return false;
}

std::span<const std::uint8_t> ServiceBlock::endpoint_label(std::uint32_t i,
                                                           LabelScratch& scratch) const noexcept {
  if (!plain_) return endpoint_name(at<Endpoint>(endpoints_offset_)[i]);
  return {scratch.data(), write_dashed(scratch.data(), plain_address(i))};
}

std::uint32_t ServiceBlock::find_plain(const std::uint8_t* octets) const noexcept {
  const std::uint32_t wanted = load_address(octets);
  std::uint32_t first = 0;
  std::uint32_t count = endpoint_count_;
  while (count > 0) {
    const std::uint32_t half = count / 2;
    if (load_address(plain_address(first + half)) < wanted) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  const bool found = first < endpoint_count_ && load_address(plain_address(first)) == wanted;
  return found ? first : kNotFound;
}

std::uint32_t ServiceBlock::find_endpoint(const std::uint8_t* label) const noexcept {
  if (plain_) {
    const auto address = parse_pod_label(label);
    if (!address || address->is_v6()) return kNotFound;
    // As it would be written, and no other way.
    LabelScratch written;
    const std::size_t octets = write_dashed(written.data(), address->octets.data());
    if (octets != std::size_t{1} + label[0] || std::memcmp(written.data(), label, octets) != 0) {
      return kNotFound;
    }
    return find_plain(address->octets.data());
  }
  const std::size_t size = stored_size(label, clusters_);
  const auto same = [&](std::uint32_t i) {
    const auto* other = at<std::uint8_t>(at<Endpoint>(endpoints_offset_)[i].label);
    return stored_size(other, clusters_) == size && std::memcmp(other, label, size) == 0;
  };
  if (label_index_mask_ == 0) {
    for (std::uint32_t i = 0; i < endpoint_count_; ++i) {
      if (same(i)) return i;
    }
    return kNotFound;
  }
  const auto* const index = at<std::uint32_t>(label_index_offset_);
  for (std::size_t i = hash_label(label, size) & label_index_mask_;; i = (i + 1) & label_index_mask_) {
    if (index[i] == 0) return kNotFound;
    if (same(index[i] - 1)) return index[i] - 1;
  }
}

std::uint32_t ServiceBlock::find_address(const IpAddress& address,
                                         std::uint32_t from) const noexcept {
  const bool v4 = address.is_v4();
  if (plain_) {
    const std::uint32_t i = v4 ? find_plain(address.octets.data()) : kNotFound;
    return i != kNotFound && i >= from ? i : kNotFound;
  }
  const std::uint8_t* const rows = v4 ? a_rows() : aaaa_rows();
  const std::size_t row = v4 ? dns::kARowSize : dns::kAaaaRowSize;
  const auto endpoint_has = [&](const Endpoint& e) {
    const std::uint32_t first = v4 ? e.a_first : e.aaaa_first;
    const std::uint32_t count = v4 ? e.a_count : e.aaaa_count;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (std::memcmp(rows + (first + i) * row + 12, address.octets.data(), address.size()) == 0) {
        return true;
      }
    }
    return false;
  };
  const auto all = endpoints();
  const std::uint32_t mask = v4 ? a_index_mask_ : aaaa_index_mask_;
  if (mask == 0) {
    for (std::uint32_t i = from; i < endpoint_count_; ++i) {
      if (endpoint_has(all[i])) return i;
    }
    return kNotFound;
  }
  // With an index each endpoint address stands in one row; an address of the service may equal an
  // endpoint's, so that a hit outside any endpoint's rows goes on.
  if (from != 0) return kNotFound;
  const auto* const index = at<std::uint32_t>(v4 ? a_index_offset_ : aaaa_index_offset_);
  for (std::size_t i = hash_address(address.octets.data(), address.size()) & mask;;
       i = (i + 1) & mask) {
    if (index[i] == 0) return kNotFound;
    const std::uint32_t r = index[i] - 1;
    if (std::memcmp(rows + r * row + 12, address.octets.data(), address.size()) != 0) continue;
    // Rows follow the endpoints in order: the last one that starts at or before the row.
    const auto it = std::upper_bound(all.begin(), all.end(), r,
                                     [v4](std::uint32_t value, const Endpoint& e) {
                                       return value < (v4 ? e.a_first : e.aaaa_first);
                                     });
    for (auto e = it; e != all.begin();) {
      --e;
      const std::uint32_t first = v4 ? e->a_first : e->aaaa_first;
      const std::uint32_t count = v4 ? e->a_count : e->aaaa_count;
      if (r >= first && r < first + count) return static_cast<std::uint32_t>(e - all.begin());
      if (count != 0) break;
    }
  }
}

std::uint16_t ServiceBlock::find_port(const std::uint8_t* label_octets,
                                      Protocol protocol) const noexcept {
  const auto all = named_ports();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].protocol != protocol) continue;
    const auto mine = label(all[i].label);
    if (mine[0] == label_octets[0] && std::memcmp(mine.data(), label_octets, mine.size()) == 0) {
      return static_cast<std::uint16_t>(i);
    }
  }
  return kNoPort;
}

bool ServiceBlock::has_protocol(Protocol protocol) const noexcept {
  for (const NamedPort& port : named_ports()) {
    if (port.protocol == protocol) return true;
  }
  return false;
}

std::vector<IpAddress> ServiceBlock::addresses() const {
  std::vector<IpAddress> all;
  all.reserve(a_row_count_ + aaaa_row_count_ + (plain_ ? endpoint_count_ : 0));
  const auto take = [&all](const std::uint8_t* rows, std::size_t row, std::uint32_t count,
                           registry::IpFamily family) {
    for (std::uint32_t i = 0; i < count; ++i) {
      IpAddress ip;
      ip.family = family;
      std::memcpy(ip.octets.data(), rows + i * row + 12, ip.size());
      all.push_back(ip);
    }
  };
  take(a_rows(), dns::kARowSize, a_row_count_, registry::IpFamily::V4);
  take(aaaa_rows(), dns::kAaaaRowSize, aaaa_row_count_, registry::IpFamily::V6);
  for (std::uint32_t i = 0; plain_ && i < endpoint_count_; ++i) {
    IpAddress ip;
    std::memcpy(ip.octets.data(), plain_address(i), 4);
    all.push_back(ip);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void ServiceBlock::take_rotation_from(const ServiceBlock& old) noexcept {
  for (std::uint32_t i = 0; i < kCounterPorts; ++i) {
    counters()[i].store(old.counters()[i].load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
  }
}

}  // namespace clusterdns::zones
