#include "zones/service_block.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <tuple>

#include "dns/base/hash.h"
#include "dns/wire/hash_index.h"
#include "zones/pod_name.h"

namespace clusterdns::zones {
namespace {

using dns::hash_padded;
using dns::mix;
using registry::EndpointPort;
using registry::IpAddress;
using registry::Protocol;

// Up to here a scan costs less than an index would, in time and in octets.
constexpr std::size_t kScanUpTo = 16;
// What parallel workers write must not share a line with what they only read.
constexpr std::size_t kCacheLine = 64;

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

// Octets of an endpoint's label as it is stored; with its cluster's, or the zero octet in place of
// that.
std::size_t stored_size(const std::uint8_t* label, bool clusters) noexcept {
  const std::size_t size = std::size_t{1} + label[0];
  return clusters ? size + 1 + label[size] : size;
}

// `seed` is secret: a service's names and addresses are a tenant's, who must not be able to make
// them collide.
std::uint64_t hash_label(const std::uint8_t* label, std::size_t size, std::uint64_t seed) noexcept {
  // Labels may stand at the end of memory: copied, so that the hash can read past them.
  std::uint8_t padded[2 * (dns::kMaxLabelSize + 1) + 8];
  std::memcpy(padded, label, size);
  return hash_padded(padded, size, seed);
}

// Of the named ports of one protocol.
std::uint64_t port_seed(std::uint64_t seed, Protocol protocol) noexcept {
  return seed ^ (static_cast<std::uint64_t>(protocol) + 1) << 56;
}

std::uint64_t hash_address(const std::uint8_t* octets, std::size_t size,
                           std::uint64_t seed) noexcept {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (size == 4) {
    std::memcpy(&low, octets, 4);
  } else {
    std::memcpy(&low, octets, 8);
    std::memcpy(&high, octets + 8, 8);
  }
  return mix(mix(low ^ seed, high ^ 0x9E3779B97F4A7C15) ^ seed, 0xD6E8FEB86659FD93);
}

std::span<const std::uint8_t> octets_of(const IpAddress& address) noexcept {
  return {address.octets.data(), address.size()};
}

std::size_t index_size(std::size_t entries) noexcept {
  return entries <= kScanUpTo ? 0 : std::bit_ceil(entries * 2);
}

// Order of rows by their addresses, all of one family; of equal ones by their place.
struct RowOrder {
  const std::uint8_t* rows;
  std::size_t row_size;

  [[nodiscard]] int compare(std::uint32_t row, const std::uint8_t* octets) const noexcept {
    return std::memcmp(rows + row * row_size + 12, octets, row_size - 12);
  }
  [[nodiscard]] bool operator()(std::uint32_t a, std::uint32_t b) const noexcept {
    const int order = compare(a, rows + b * row_size + 12);
    return order != 0 ? order < 0 : a < b;
  }
};

}  // namespace

// Gathers, lays out, writes.
class BlockBuilder::Impl {
 public:
  Impl(const registry::Service& service, std::span<const registry::EndpointSlice* const> slices,
       const BlockOptions& options, std::uint64_t seed)
      : service_(service), slices_(slices), options_(options), seed_(seed) {
    if (!external()) gather_ports();
  }

  ServiceBlock::Pointer build(std::uint64_t hash, std::span<const std::uint8_t> key) {
    begin(hash, key);
    dns::Name target;
    if (external()) {
      const auto parsed = dns::Name::from_text(service_.external_name);
      if (!parsed || parsed->is_root()) return nullptr;
      target = *parsed;
      target.make_lower();
      return lay_out(&target);
    }
    if (!gather_plain()) {
      std::size_t total = 0;
      for (const auto* slice : slices_) total += slice->endpoints.size();
      indexed_ = total > kScanUpTo;
      for (std::uint32_t s = 0; s < slices_.size(); ++s) {
        for (const registry::Endpoint& endpoint : slices_[s]->endpoints) gather(s, endpoint);
      }
    }
    if (service_.headless && addresses_.empty()) return nullptr;
    return lay_out(nullptr);
  }

  ServiceBlock::Pointer build_part(std::span<const Pick> picks, std::uint64_t hash,
                                   std::span<const std::uint8_t> key) {
    begin(hash, key);
    part_ = true;
    indexed_ = picks.size() > kScanUpTo;
    for (const Pick& pick : picks) {
      gather(pick.slice, slices_[pick.slice]->endpoints[pick.endpoint]);
    }
    if (addresses_.empty()) return nullptr;
    return lay_out(nullptr);
  }

  [[nodiscard]] const LeftOut& left_out() const noexcept { return left_out_; }

 private:
  static constexpr std::uint16_t kNoPort = ServiceBlock::kNoPort;
  static constexpr std::uint32_t kNone = ServiceBlock::kNotFound;
  // Of a port of a set: a number, a use and what stands before it.
  static constexpr std::size_t kOctetsOfPort =
      sizeof(std::uint16_t) + sizeof(ServiceBlock::PortUse) + sizeof(ServiceBlock::Before);
  // Ports looked at to join the sets of endpoints that stand in slices with different ports, in
  // all. Kubernetes' own controller never makes such slices.
  static constexpr std::size_t kMaxJoined = std::size_t{1} << 20;
  // Rotation counters of endpoints have numbers of 16 bits; beyond that many endpoints share some.
  static constexpr std::uint32_t kMaxEndpointCounters =
      (0xFFFF - ServiceBlock::kFixedCounters) / 2 - 1;

  struct Port {
    std::uint16_t number;
    std::uint16_t name;
    friend bool operator==(const Port&, const Port&) = default;
  };
  struct SetDraft {
    std::uint32_t first, count;     // in `ports_`
    std::uint32_t numbers, unique;  // in `numbers_`
    std::uint64_t hash;
  };
  struct NamedDraft {
    std::uint32_t label;  // in `port_labels_`
    Protocol protocol;
  };
  struct EndpointDraft {
    std::uint32_t label = 0;  // in `labels_`
    bool hostname = false;    // see ServiceBlock::Endpoint
    std::uint16_t set = 0;
    std::uint16_t v4 = 0, v6 = 0;  // numbers of addresses
  };
  struct AddressDraft {
    IpAddress address;
    std::uint32_t endpoint;
    std::uint32_t unique;  // in `uniques_`
  };
  struct Unique {
    std::uint32_t draft;    // where it stands first, in `addresses_`
    std::uint16_t set = 0;  // the ports of all endpoints that have it
  };
  // Rows of one family: those of the service's own name, then those that only endpoints use.
  struct Rows {
    std::uint32_t main = 0;
    std::vector<IpAddress> in_order;
    std::vector<std::uint32_t> first;     // by endpoint
    std::vector<ServiceBlock::Run> runs;  // by set as it is stored; of a headless service

    [[nodiscard]] std::uint32_t total() const noexcept {
      return static_cast<std::uint32_t>(in_order.size());
    }
  };

  // Ports may take a quarter of the block, endpoints the rest.
  [[nodiscard]] std::size_t most_port_octets() const noexcept { return options_.most_octets / 4; }
  [[nodiscard]] std::size_t most_octets() const noexcept {
    return options_.most_octets - most_port_octets();
  }

  [[nodiscard]] bool external() const noexcept {
    return service_.type == registry::ServiceType::ExternalName;
  }

  void begin(std::uint64_t hash, std::span<const std::uint8_t> key) {
    hash_ = hash;
    key_.assign(key.begin(), key.end());
    if (key_.empty()) {
      put_label(key_, service_.key.name);
      put_label(key_, service_.key.ns);
    }
    octets_ = sizeof(ServiceBlock) + key_.size();
    labels_.clear();
    endpoints_.clear();
    addresses_.clear();
    uniques_.clear();
    pairs_.clear();
    label_index_.clear();
    address_index_.clear();
    pair_index_.clear();
    plain_addresses_.clear();
    plain_ = part_ = merged_ = false;
  }

  // --- ports, of all blocks ---

  std::uint16_t name_of(std::string_view name, Protocol protocol) {
    if (name.empty()) return kNoPort;
    const std::size_t at = port_labels_.size();
    port_labels_.push_back(0);
    port_labels_.push_back('_');
    for (const char c : name.substr(0, dns::kMaxLabelSize - 1)) port_labels_.push_back(lower(c));
    const std::size_t size = port_labels_.size() - at;
    port_labels_[at] = static_cast<std::uint8_t>(size - 1);
    const auto same = [&](std::uint32_t i) {
      return named_[i].protocol == protocol && port_labels_[named_[i].label] == size - 1 &&
             std::memcmp(port_labels_.data() + named_[i].label, port_labels_.data() + at, size) ==
                 0;
    };
    const std::uint64_t hash =
        hash_label(port_labels_.data() + at, size, port_seed(seed_, protocol));
    if (const std::uint32_t i = name_index_.find(hash, same); i != kNone) {
      port_labels_.resize(at);
      return static_cast<std::uint16_t>(i);
    }
    // Its label, its two counters, and its place in an index.
    const std::size_t octets = sizeof(ServiceBlock::NamedPort) + size + 2 * 4 + 4 * 4;
    if (named_.size() == kNoPort || port_octets_ + octets > most_port_octets()) {
      port_labels_.resize(at);
      ++left_out_.ports;
      return kNoPort;
    }
    port_octets_ += octets;
    named_.push_back({static_cast<std::uint32_t>(at), protocol});
    name_index_.add(hash);
    return static_cast<std::uint16_t>(named_.size() - 1);
  }

  // The set of the ports that were added to `ports_` from `first` on.
  std::uint16_t intern(std::size_t first) {
    std::uint64_t hash = seed_ ^ (ports_.size() - first);
    for (std::size_t i = first; i < ports_.size(); ++i) {
      hash =
          mix(hash ^ (std::uint32_t{ports_[i].number} << 16 | ports_[i].name), 0x9E3779B97F4A7C15);
    }
    const auto begins = ports_.begin() + static_cast<std::ptrdiff_t>(first);
    const std::uint32_t known = set_index_.find(hash, [&](std::uint32_t i) {
      const auto other = ports_.begin() + static_cast<std::ptrdiff_t>(sets_[i].first);
      return std::equal(begins, ports_.end(), other,
                        other + static_cast<std::ptrdiff_t>(sets_[i].count));
    });
    if (known != kNone) {
      ports_.resize(first);
      return static_cast<std::uint16_t>(known);
    }
    const std::size_t count = ports_.size() - first;
    const std::size_t octets =
        sizeof(ServiceBlock::PortSet) + 2 * sizeof(ServiceBlock::Run) + count * kOctetsOfPort;
    // Room for one more set is kept: the empty one.
    if (count != 0 && (sets_.size() >= 0xFFFE || port_octets_ + octets > most_port_octets())) {
      left_out_.ports += static_cast<std::uint32_t>(count);
      ports_.resize(first);
      return intern(first);
    }
    port_octets_ += octets;
    const auto numbers = static_cast<std::uint32_t>(numbers_.size());
    add_numbers(first);
    sets_.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count), numbers,
                     static_cast<std::uint32_t>(numbers_.size()) - numbers, hash});
    set_index_.add(hash);
    return static_cast<std::uint16_t>(sets_.size() - 1);
  }

  // Each number once, without 0: an RRset holds no record twice (RFC 2181 5).
  void add_numbers(std::size_t first) {
    const std::size_t before = numbers_.size();
    if (ports_.size() - first <= kScanUpTo) {
      for (std::size_t i = first; i < ports_.size(); ++i) {
        const std::uint16_t number = ports_[i].number;
        const auto known = numbers_.begin() + static_cast<std::ptrdiff_t>(before);
        if (number != 0 && std::find(known, numbers_.end(), number) == numbers_.end()) {
          numbers_.push_back(number);
        }
      }
      return;
    }
    seen_numbers_.resize(0x10000);
    for (std::size_t i = first; i < ports_.size(); ++i) {
      const std::uint16_t number = ports_[i].number;
      if (number == 0 || seen_numbers_[number]) continue;
      seen_numbers_[number] = true;
      numbers_.push_back(number);
    }
    for (std::size_t i = before; i < numbers_.size(); ++i) seen_numbers_[numbers_[i]] = false;
  }

  void gather_ports() {
    // Set 0 of a ClusterIP service are its own ports; only these have names there.
    if (!service_.headless) {
      for (const auto& port : service_.ports) {
        ports_.push_back({port.port, name_of(port.name, port.protocol)});
      }
      intern(0);
    }
    slice_sets_.reserve(slices_.size());
    for (const auto* slice : slices_) {
      const std::size_t first = ports_.size();
      for (const EndpointPort& port : slice->ports) {
        ports_.push_back(
            {port.port, service_.headless ? name_of(port.name, port.protocol) : kNoPort});
      }
      slice_sets_.push_back(intern(first));
    }
  }

  // The ports of both sets. An endpoint whose sets cannot be joined any more keeps the first.
  std::uint16_t join(std::uint16_t a, std::uint16_t b) {
    if (a == b) return a;
    const std::uint64_t hash = mix(seed_ ^ (std::uint32_t{a} << 16 | b), 0xD6E8FEB86659FD93);
    const std::uint32_t known = join_index_.find(
        hash, [&](std::uint32_t i) { return joined_[i].a == a && joined_[i].b == b; });
    if (known != kNone) return joined_[known].both;
    const std::size_t work = std::size_t{sets_[a].count} + sets_[b].count + 1;
    if (joined_work_ + work > kMaxJoined) {
      left_out_.ports += sets_[b].count;
      return a;
    }
    joined_work_ += work;
    const auto number_of = [](const Port& port) {
      return std::uint32_t{port.number} << 16 | port.name;
    };
    std::vector<std::uint32_t> of_a;
    const std::size_t first = ports_.size();
    for (std::uint32_t i = 0; i < sets_[a].count; ++i) {
      const Port port = ports_[sets_[a].first + i];
      ports_.push_back(port);
      of_a.push_back(number_of(port));
    }
    std::sort(of_a.begin(), of_a.end());
    for (std::uint32_t i = 0; i < sets_[b].count; ++i) {
      const Port port = ports_[sets_[b].first + i];
      if (!std::binary_search(of_a.begin(), of_a.end(), number_of(port))) ports_.push_back(port);
    }
    const std::uint16_t both = intern(first);
    joined_.push_back({a, b, both});
    join_index_.add(hash);
    return both;
  }

  // --- endpoints, of one block ---

  // False when some endpoint is not plain.
  bool gather_plain() {
    if (service_.headless || options_.clusters) return false;
    for (std::size_t s = 0; s < slices_.size(); ++s) {
      for (const registry::Endpoint& endpoint : slices_[s]->endpoints) {
        if (!endpoint.ready) continue;
        if (endpoint.address.is_v6() || !is_unnamed(endpoint, options_.endpoint_pod_names) ||
            (!plain_addresses_.empty() && plain_set_ != slice_sets_[s])) {
          plain_addresses_.clear();
          return false;
        }
        plain_set_ = slice_sets_[s];
        plain_addresses_.push_back(load_address(endpoint.address.octets.data()));
      }
    }
    std::sort(plain_addresses_.begin(), plain_addresses_.end());
    plain_addresses_.erase(std::unique(plain_addresses_.begin(), plain_addresses_.end()),
                           plain_addresses_.end());
    const std::size_t most = most_octets() / 4;
    if (plain_addresses_.size() > most) {
      left_out_.endpoints += static_cast<std::uint32_t>(plain_addresses_.size() - most);
      plain_addresses_.resize(most);
    }
    plain_ = true;
    return true;
  }

  // Index of the endpoint named by the label at `offset`, or none.
  std::uint32_t find_label(std::uint32_t offset) {
    const std::uint8_t* const label = labels_.data() + offset;
    const std::size_t size = stored_size(label, options_.clusters);
    const auto same = [&](std::uint32_t i) {
      const std::uint8_t* const other = labels_.data() + endpoints_[i].label;
      return stored_size(other, options_.clusters) == size && std::memcmp(other, label, size) == 0;
    };
    if (indexed_) return label_index_.find(hash_label(label, size, hash_), same);
    for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
      if (same(i)) return i;
    }
    return kNone;
  }

  std::uint32_t find_unique(const IpAddress& address, std::uint64_t hash) {
    const auto same = [&](std::uint32_t u) {
      return addresses_[uniques_[u].draft].address == address;
    };
    if (indexed_) return address_index_.find(hash, same);
    for (std::uint32_t u = 0; u < uniques_.size(); ++u) {
      if (same(u)) return u;
    }
    return kNone;
  }

  [[nodiscard]] std::uint64_t hash_of_pair(std::uint32_t unique,
                                           std::uint32_t endpoint) const noexcept {
    const std::uint64_t pair = std::uint64_t{unique} << 32 | endpoint;
    return mix(mix(pair ^ hash_, 0x9E3779B97F4A7C15) ^ hash_, 0xD6E8FEB86659FD93);
  }

  // Does the endpoint have this address already, which others may have, too?
  bool has_pair(std::uint32_t unique, std::uint32_t endpoint, std::uint64_t pair_hash) {
    if (addresses_[uniques_[unique].draft].endpoint == endpoint) return true;
    const std::uint64_t pair = std::uint64_t{unique} << 32 | endpoint;
    return pair_index_.find(pair_hash, [&](std::uint32_t i) { return pairs_[i] == pair; }) != kNone;
  }

  void gather(std::uint32_t slice, const registry::Endpoint& endpoint) {
    if (!endpoint.ready) return;
    const auto label = static_cast<std::uint32_t>(labels_.size());
    put_endpoint_label(labels_, endpoint, options_.endpoint_pod_names);
    if (options_.clusters) {
      put_label(labels_, endpoint.detail != nullptr ? std::string_view(endpoint.detail->cluster)
                                                    : std::string_view());
    }
    const IpAddress& address = endpoint.address;
    const bool v4 = address.is_v4();
    const std::uint64_t hash = hash_address(address.octets.data(), address.size(), hash_);
    std::uint32_t unique = find_unique(address, hash);
    std::uint32_t i = find_label(label);
    const std::uint64_t pair_hash = hash_of_pair(unique, i);
    const bool is_new = i == kNone;
    if (!is_new) {
      labels_.resize(label);
      endpoints_[i].set = join(endpoints_[i].set, slice_sets_[slice]);
      // Once under this name is enough.
      if (unique != kNone && has_pair(unique, i, pair_hash)) return;
    }
    // A row, or two where names share addresses, its place in an index; an endpoint, its label and
    // index, and two counters.
    const std::size_t octets =
        (v4 ? 2 * dns::kARowSize : 2 * dns::kAaaaRowSize) + 4 * 4 +
        (is_new ? sizeof(ServiceBlock::Endpoint) + labels_.size() - label + 4 * 4 + 2 * 4 : 0);
    const bool full = !is_new && (v4 ? endpoints_[i].v4 : endpoints_[i].v6) == 0xFFFF;
    if (full || octets_ + octets > most_octets() - (part_ ? parts_octets_ : 0)) {
      labels_.resize(label);
      ++left_out_.endpoints;
      return;
    }
    octets_ += octets;
    if (is_new) {
      i = static_cast<std::uint32_t>(endpoints_.size());
      const bool hostname = endpoint.detail != nullptr && !endpoint.detail->hostname.empty();
      endpoints_.push_back({label, hostname, slice_sets_[slice], 0, 0});
      if (indexed_) {
        const std::uint8_t* const stored = labels_.data() + label;
        label_index_.add(hash_label(stored, stored_size(stored, options_.clusters), hash_));
      }
    } else {
      merged_ = true;
    }
    ++(v4 ? endpoints_[i].v4 : endpoints_[i].v6);
    if (unique == kNone) {
      unique = static_cast<std::uint32_t>(uniques_.size());
      uniques_.push_back({static_cast<std::uint32_t>(addresses_.size())});
      if (indexed_) address_index_.add(hash);
    } else {
      pairs_.push_back(std::uint64_t{unique} << 32 | i);
      pair_index_.add(hash_of_pair(unique, i));
    }
    addresses_.push_back({address, i, unique});
  }

  // --- the order of everything ---

  // Some address stands under several names.
  [[nodiscard]] bool irregular() const noexcept { return uniques_.size() != addresses_.size(); }

  std::uint16_t stored(std::uint16_t set) {
    if (stored_as_[set] == kNoSet) {
      stored_as_[set] = static_cast<std::uint16_t>(stored_.size());
      stored_.push_back(set);
    }
    return stored_as_[set];
  }

  // Decides which sets are stored, and puts endpoints with the same one side by side, those with a
  // port number first.
  void order() {
    stored_as_.assign(sets_.size(), kNoSet);
    stored_.clear();
    if (external()) return;
    if (!service_.headless) stored(0);
    if (plain_) {
      if (!plain_addresses_.empty()) stored(plain_set_);
      return;
    }
    for (const bool with_numbers : {true, false}) {
      for (const EndpointDraft& e : endpoints_) {
        if ((sets_[e.set].unique != 0) == with_numbers) stored(e.set);
      }
    }
    if (service_.headless && stored_.size() > 1) {
      std::vector<std::uint32_t> by_set(endpoints_.size());
      for (std::uint32_t i = 0; i < by_set.size(); ++i) by_set[i] = i;
      const auto set_less = [&](std::uint32_t a, std::uint32_t b) {
        return stored_as_[endpoints_[a].set] < stored_as_[endpoints_[b].set];
      };
      if (!std::is_sorted(by_set.begin(), by_set.end(), set_less)) {
        std::stable_sort(by_set.begin(), by_set.end(), set_less);
        std::vector<EndpointDraft> sorted;
        std::vector<std::uint32_t> place(endpoints_.size());
        sorted.reserve(endpoints_.size());
        for (const std::uint32_t i : by_set) {
          place[i] = static_cast<std::uint32_t>(sorted.size());
          sorted.push_back(endpoints_[i]);
        }
        endpoints_ = std::move(sorted);
        for (AddressDraft& a : addresses_) a.endpoint = place[a.endpoint];
        merged_ = true;
      }
    }
    // Addresses of one name side by side; stable, so that the order of names stays.
    if (merged_) {
      std::stable_sort(
          addresses_.begin(), addresses_.end(),
          [](const AddressDraft& a, const AddressDraft& b) { return a.endpoint < b.endpoint; });
    }
    if (!irregular()) return;
    // An address is at every port of every name that has it.
    for (Unique& unique : uniques_) unique.draft = kNone;
    for (std::uint32_t d = 0; d < addresses_.size(); ++d) {
      Unique& unique = uniques_[addresses_[d].unique];
      const std::uint16_t set = endpoints_[addresses_[d].endpoint].set;
      if (unique.draft == kNone) {
        unique = {d, set};
      } else {
        unique.set = join(unique.set, set);
      }
    }
    stored_as_.resize(sets_.size(), kNoSet);
    for (const Unique& unique : uniques_) stored(unique.set);
  }

  void order_rows(bool v4, Rows& rows) {
    rows.in_order.clear();
    rows.first.assign(endpoints_.size(), 0);
    rows.runs.assign(stored_.size(), {0, 0});
    const auto put = [&](const IpAddress& ip) {
      if (ip.is_v4() == v4) rows.in_order.push_back(ip);
    };
    if (!service_.headless) {
      for (const IpAddress& ip : service_.cluster_ips) put(ip);
    } else if (irregular()) {
      // By the ports that they are at, each address once.
      std::vector<std::uint32_t> main;
      for (std::uint32_t d = 0; d < addresses_.size(); ++d) {
        if (uniques_[addresses_[d].unique].draft == d) main.push_back(d);
      }
      const auto set_of = [&](std::uint32_t d) {
        return stored_as_[uniques_[addresses_[d].unique].set];
      };
      std::stable_sort(main.begin(), main.end(),
                       [&](std::uint32_t a, std::uint32_t b) { return set_of(a) < set_of(b); });
      for (const std::uint32_t d : main) {
        ServiceBlock::Run& run = rows.runs[set_of(d)];
        if (run.count == 0) run.first = rows.total();
        put(addresses_[d].address);
        run.count = rows.total() - run.first;
      }
    }
    rows.main = rows.total();
    std::uint32_t last = kNone;
    for (const AddressDraft& a : addresses_) {
      if (a.endpoint != last) {
        last = a.endpoint;
        rows.first[a.endpoint] = rows.total();
      }
      put(a.address);
      if (!service_.headless || irregular()) continue;
      ServiceBlock::Run& run = rows.runs[stored_as_[endpoints_[a.endpoint].set]];
      if (run.count == 0) run.first = rows.first[a.endpoint];
      run.count = rows.total() - run.first;
    }
    if (service_.headless && !irregular()) rows.main = rows.total();
  }

  // Where the named ports occur, in `uses_`, and how many answers they have.
  void order_uses(const std::vector<ServiceBlock::PortSet>& sets,
                  std::vector<ServiceBlock::NamedPort>& named) {
    uses_.clear();
    before_.clear();
    named.assign(part_ ? 0 : named_.size(), {});
    if (named.empty()) return;
    // Of a ClusterIP service only its own ports have names.
    const std::size_t count = service_.headless ? stored_.size() : 1;
    std::vector<std::uint32_t> next(named.size() + 1);
    const auto for_each = [&](auto&& visit) {
      for (std::size_t s = 0; s < count; ++s) {
        const SetDraft& set = sets_[stored_[s]];
        for (std::uint32_t i = 0; i < set.count; ++i) {
          const Port& port = ports_[set.first + i];
          if (port.name != kNoPort) visit(static_cast<std::uint16_t>(s), port);
        }
      }
    };
    for_each([&](std::uint16_t, const Port& port) { ++next[port.name + 1u]; });
    for (std::size_t k = 0; k < named.size(); ++k) next[k + 1] += next[k];
    std::vector<ServiceBlock::PortUse> all(next.back());
    for_each([&](std::uint16_t s, const Port& port) { all[next[port.name]++] = {s, port.number}; });
    std::size_t at = 0;
    for (std::size_t k = 0; k < named.size(); ++k) {
      ServiceBlock::NamedPort& port = named[k];
      port.first = static_cast<std::uint32_t>(uses_.size());
      port.protocol = named_[k].protocol;
      for (const std::size_t end = next[k]; at < end;) {
        const std::size_t begin = at;
        while (at < end && all[at].set == all[begin].set) ++at;
        add_uses({all.data() + begin, at - begin}, sets, port);
      }
      if (!service_.headless) {
        port.a_count = v4_.main;
        port.aaaa_count = v6_.main;
      }
    }
  }

  // Those of one port in one set: each number once, and none only where there is no other.
  void add_uses(std::span<ServiceBlock::PortUse> uses,
                const std::vector<ServiceBlock::PortSet>& sets, ServiceBlock::NamedPort& port) {
    if (uses.size() > 1) {
      std::sort(uses.begin(), uses.end(),
                [](const auto& a, const auto& b) { return a.number < b.number; });
      if (uses.back().number != 0) {
        while (uses.front().number == 0) uses = uses.subspan(1);
      }
    }
    const std::uint16_t set = uses[0].set;
    for (std::size_t i = 0; i < uses.size(); ++i) {
      if (i != 0 && uses[i].number == uses[i - 1].number) continue;
      const std::uint32_t answers = uses[i].number == 0 ? 0
                                    : service_.headless ? sets[set].endpoint_count
                                                        : 1;
      if (port.uses == 0xFFFF || answers > 0xFFFFFFFF - port.srv_count) {
        ++left_out_.ports;
        continue;
      }
      uses_.push_back(uses[i]);
      before_.push_back({port.a_count, port.aaaa_count});
      ++port.uses;
      port.srv_count += answers;
      if (i == 0 && service_.headless) {
        port.a_count += v4_.runs[set].count;
        port.aaaa_count += v6_.runs[set].count;
      }
    }
  }

  // --- the block ---

  ServiceBlock::Pointer lay_out(const dns::Name* target) {
    order();
    order_rows(true, v4_);
    order_rows(false, v6_);
    // Port sets as they are stored.
    std::vector<ServiceBlock::PortSet> sets;
    std::uint32_t number_total = 0;
    for (const std::uint16_t set : stored_) {
      sets.push_back({number_total, 0, 0, static_cast<std::uint16_t>(sets_[set].unique)});
      number_total += sets_[set].unique;
    }
    std::uint32_t srv_endpoints = 0;
    std::uint64_t srv_total = 0;
    if (target == nullptr && !service_.headless) srv_total = sets[0].count;
    if (service_.headless) {
      for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
        ServiceBlock::PortSet& set = sets[stored_as_[endpoints_[i].set]];
        if (set.endpoint_count++ == 0) set.endpoint_first = i;
        srv_total += set.count;
        if (set.count != 0) ++srv_endpoints;
      }
    }
    std::vector<ServiceBlock::NamedPort> named;
    order_uses(sets, named);
    const bool several_uses =
        std::any_of(named.begin(), named.end(), [](const auto& port) { return port.uses > 1; });
    const bool with_runs = service_.headless && irregular();

    const auto turns = [&](const EndpointDraft& e) { return !part_ && (e.v4 > 1 || e.v6 > 1); };
    auto multi =
        static_cast<std::uint32_t>(std::count_if(endpoints_.begin(), endpoints_.end(), turns));
    multi = std::min(multi, kMaxEndpointCounters);
    const std::uint32_t port_counters = ServiceBlock::kFixedCounters + 2 * multi;
    const auto counters = static_cast<std::uint32_t>(port_counters + 2 * named.size());
    const bool shared_line = v4_.main > 1 || v6_.main > 1;

    std::size_t size = sizeof(ServiceBlock);
    const auto place = [&size](std::size_t bytes, std::size_t align) {
      size = (size + align - 1) / align * align;
      const auto offset = static_cast<std::uint32_t>(size);
      size += bytes;
      return offset;
    };
    const auto place_all = [&place](const auto& list) {
      using Item = typename std::decay_t<decltype(list)>::value_type;
      return place(list.size() * sizeof(Item), alignof(Item));
    };
    const std::uint32_t key_offset = place(key_.size(), 1);
    const std::uint32_t external_offset =
        place(target != nullptr ? target->size() + dns::kPadding : 0, 1);
    const std::uint32_t port_sets_offset = place_all(sets);
    const std::uint32_t numbers_offset = place(number_total * sizeof(std::uint16_t), 2);
    const std::uint32_t uses_offset = place_all(uses_);
    const std::uint32_t before_offset = several_uses ? place_all(before_) : 0;
    const std::uint32_t named_offset = place_all(named);
    const std::uint32_t runs_offset =
        with_runs ? place(2 * stored_.size() * sizeof(ServiceBlock::Run), 4) : 0;
    const std::uint32_t endpoints_offset =
        place(plain_ ? plain_addresses_.size() * std::size_t{4}
                     : endpoints_.size() * sizeof(ServiceBlock::Endpoint),
              4);
    const std::uint32_t a_offset = place(v4_.total() * dns::kARowSize, 1);
    const std::uint32_t aaaa_offset = place(v6_.total() * dns::kAaaaRowSize, 1);
    const std::uint32_t labels_offset = place(labels_.size(), 1);
    const std::uint32_t port_labels_offset = place(part_ ? 0 : port_labels_.size(), 1);
    // Irregular: all rows of endpoints in order of their addresses. Else a hash index of rows.
    const auto rows_index_size = [&](const Rows& rows) {
      if (part_) return std::size_t{0};
      if (!irregular()) return index_size(rows.total());
      const std::size_t of_endpoints = rows.total() - rows.main;
      return of_endpoints <= kScanUpTo ? 0 : of_endpoints;
    };
    const std::size_t label_index = part_ ? 0 : index_size(endpoints_.size());
    const std::size_t port_index = index_size(named.size());
    const std::size_t a_index = rows_index_size(v4_);
    const std::size_t aaaa_index = rows_index_size(v6_);
    const std::uint32_t label_index_offset = place(label_index * 4, 4);
    const std::uint32_t port_index_offset = place(port_index * 4, 4);
    const std::uint32_t a_index_offset = place(a_index * 4, 4);
    const std::uint32_t aaaa_index_offset = place(aaaa_index * 4, 4);
    const std::uint32_t counters_offset =
        place(counters * sizeof(std::atomic<std::uint32_t>), shared_line ? kCacheLine : 4);
    // The line of the counters belongs to this block alone.
    if (shared_line) size = (size + kCacheLine - 1) / kCacheLine * kCacheLine;
    if (part_) {
      if (parts_octets_ + size > most_octets()) {
        ++left_out_.parts;
        return nullptr;
      }
      parts_octets_ += size;
    }

    void* const memory = shared_line ? std::aligned_alloc(kCacheLine, size) : std::malloc(size);
    if (memory == nullptr) throw std::bad_alloc();
    auto* const base = static_cast<std::uint8_t*>(memory);
    auto* const block = new (memory) ServiceBlock;
    ServiceBlock::Pointer result(block);
    block->hash_ = hash_;
    block->size_ = static_cast<std::uint32_t>(size);
    block->kind_ = target != nullptr   ? BlockKind::ExternalName
                   : service_.headless ? BlockKind::Headless
                                       : BlockKind::ClusterIP;
    block->irregular_ = irregular();
    block->plain_ = plain_;
    block->clusters_ = options_.clusters;
    block->plain_port_set_ = plain_addresses_.empty() ? std::uint16_t{0} : stored_as_[plain_set_];
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
    block->a_row_count_ = v4_.total();
    block->aaaa_row_count_ = v6_.total();
    block->srv_count_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(srv_total, 0xFFFFFFFF));
    block->endpoint_count_ =
        static_cast<std::uint32_t>(plain_ ? plain_addresses_.size() : endpoints_.size());
    block->srv_endpoint_count_ = srv_endpoints;
    block->named_port_count_ = static_cast<std::uint32_t>(named.size());
    block->port_counters_ = port_counters;
    block->port_sets_offset_ = port_sets_offset;
    block->set_count_ = static_cast<std::uint32_t>(sets.size());
    block->numbers_offset_ = numbers_offset;
    block->uses_offset_ = uses_offset;
    block->before_offset_ = before_offset;
    block->runs_offset_ = runs_offset;
    block->named_ports_offset_ = named_offset;
    block->endpoints_offset_ = endpoints_offset;
    block->a_offset_ = a_offset;
    block->aaaa_offset_ = aaaa_offset;
    block->label_index_offset_ = label_index_offset;
    block->label_index_mask_ = label_index == 0 ? 0 : static_cast<std::uint32_t>(label_index - 1);
    block->port_index_offset_ = port_index_offset;
    block->port_index_mask_ = port_index == 0 ? 0 : static_cast<std::uint32_t>(port_index - 1);
    block->a_index_offset_ = a_index_offset;
    block->a_index_mask_ = a_index == 0 ? 0 : static_cast<std::uint32_t>(a_index - 1);
    block->aaaa_index_offset_ = aaaa_index_offset;
    block->aaaa_index_mask_ = aaaa_index == 0 ? 0 : static_cast<std::uint32_t>(aaaa_index - 1);
    block->counters_offset_ = counters_offset;
    block->protocols_ = 0;

    // Ports.
    put_all(base + port_sets_offset, sets);
    std::uint8_t* numbers = base + numbers_offset;
    for (const std::uint16_t set : stored_) {
      const std::size_t octets = sets_[set].unique * sizeof(std::uint16_t);
      if (octets != 0) std::memcpy(numbers, numbers_.data() + sets_[set].numbers, octets);
      numbers += octets;
    }
    put_all(base + uses_offset, uses_);
    if (several_uses) put_all(base + before_offset, before_);
    if (with_runs) {
      put_all(base + runs_offset, v4_.runs);
      put_all(base + runs_offset + stored_.size() * sizeof(ServiceBlock::Run), v6_.runs);
    }
    for (std::size_t k = 0; k < named.size(); ++k) {
      named[k].label = port_labels_offset + named_[k].label;
      block->protocols_ = static_cast<std::uint8_t>(block->protocols_ |
                                                    1u << static_cast<unsigned>(named[k].protocol));
    }
    put_all(base + named_offset, named);
    put_all(base + labels_offset, labels_);
    if (!part_) put_all(base + port_labels_offset, port_labels_);
    // Endpoints.
    for (std::size_t i = 0; i < plain_addresses_.size(); ++i) {
      dns::store_u32(base + endpoints_offset + 4 * i, plain_addresses_[i]);
    }
    auto* out = reinterpret_cast<ServiceBlock::Endpoint*>(base + endpoints_offset);
    std::uint32_t turn = 0;
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      const EndpointDraft& e = endpoints_[i];
      std::uint32_t counter = 0;
      if (turns(e)) counter = ServiceBlock::kFixedCounters + 2 * (turn++ % multi);
      out[i] = {(labels_offset + e.label) & 0x7FFFFFFF,
                e.hostname,
                v4_.first[i],
                v6_.first[i],
                e.v4,
                e.v6,
                stored_as_[e.set],
                static_cast<std::uint16_t>(counter)};
    }
    // Rows.
    for (std::uint32_t i = 0; i < v4_.total(); ++i) {
      dns::put_address_row(base + a_offset + i * dns::kARowSize, octets_of(v4_.in_order[i]),
                           options_.ttl);
    }
    for (std::uint32_t i = 0; i < v6_.total(); ++i) {
      dns::put_address_row(base + aaaa_offset + i * dns::kAaaaRowSize, octets_of(v6_.in_order[i]),
                           options_.ttl);
    }
    // Indexes.
    fill_index(base + label_index_offset, label_index, endpoints_.size(), [&](std::size_t i) {
      const std::uint8_t* const label = base + out[i].label;
      return hash_label(label, stored_size(label, options_.clusters), hash_);
    });
    fill_index(base + port_index_offset, port_index, named.size(), [&](std::size_t k) {
      const std::uint8_t* const label = base + named[k].label;
      return hash_label(label, std::size_t{1} + label[0], port_seed(hash_, named[k].protocol));
    });
    const auto index_rows = [&](std::uint32_t offset, std::size_t entries, const Rows& rows,
                                const RowOrder& less) {
      if (!irregular()) {
        fill_index(base + offset, entries, rows.total(), [&](std::size_t i) {
          return hash_address(rows.in_order[i].octets.data(), rows.in_order[i].size(), hash_);
        });
        return;
      }
      auto* const order = reinterpret_cast<std::uint32_t*>(base + offset);
      for (std::uint32_t i = 0; i < entries; ++i) order[i] = rows.main + i;
      std::sort(order, order + entries, less);
    };
    index_rows(a_index_offset, a_index, v4_, {base + a_offset, dns::kARowSize});
    index_rows(aaaa_index_offset, aaaa_index, v6_, {base + aaaa_offset, dns::kAaaaRowSize});
    for (std::uint32_t i = 0; i < counters; ++i) {
      new (base + counters_offset + i * sizeof(std::atomic<std::uint32_t>))
          std::atomic<std::uint32_t>(0);
    }
    return result;
  }

  template <class Item>
  static void put_all(std::uint8_t* to, const std::vector<Item>& list) {
    if (!list.empty()) std::memcpy(to, list.data(), list.size() * sizeof(Item));
  }

  template <class Hash>
  static void fill_index(std::uint8_t* to, std::size_t size, std::size_t entries, Hash&& hash) {
    if (size == 0) return;
    auto* const index = reinterpret_cast<std::uint32_t*>(to);
    std::memset(index, 0, size * sizeof *index);
    for (std::size_t i = 0; i < entries; ++i) {
      std::size_t at = hash(i) & (size - 1);
      while (index[at] != 0) at = (at + 1) & (size - 1);
      index[at] = static_cast<std::uint32_t>(i + 1);
    }
  }

  const registry::Service& service_;
  const std::span<const registry::EndpointSlice* const> slices_;
  const BlockOptions& options_;
  const std::uint64_t seed_;
  LeftOut left_out_;

  // Ports.
  static constexpr std::uint16_t kNoSet = 0xFFFF;
  struct Joined {
    std::uint16_t a, b, both;
  };
  std::vector<Port> ports_;
  std::vector<std::uint16_t> numbers_;
  std::vector<SetDraft> sets_;
  std::vector<std::uint16_t> slice_sets_;
  std::vector<NamedDraft> named_;
  std::vector<std::uint8_t> port_labels_;
  std::vector<Joined> joined_;
  dns::HashIndex name_index_, set_index_, join_index_;
  std::vector<bool> seen_numbers_;
  std::size_t port_octets_ = 0;
  std::size_t joined_work_ = 0;
  std::size_t parts_octets_ = 0;

  // One block.
  std::uint64_t hash_ = 0;
  std::size_t octets_ = 0;  // at most what the block will take
  std::vector<std::uint8_t> key_, labels_;
  std::vector<EndpointDraft> endpoints_;
  std::vector<AddressDraft> addresses_;
  std::vector<Unique> uniques_;
  std::vector<std::uint64_t> pairs_;  // a unique address and an endpoint, beyond the first of each
  dns::HashIndex label_index_, address_index_, pair_index_;
  std::vector<std::uint32_t> plain_addresses_;
  std::uint16_t plain_set_ = 0;
  bool indexed_ = false;
  bool plain_ = false;
  bool part_ = false;
  bool merged_ = false;                   // addresses of a name do not stand side by side
  std::vector<std::uint16_t> stored_as_;  // by set; kNoSet
  std::vector<std::uint16_t> stored_;
  std::vector<ServiceBlock::PortUse> uses_;
  std::vector<ServiceBlock::Before> before_;
  Rows v4_, v6_;
};

BlockBuilder::BlockBuilder(const registry::Service& service,
                           std::span<const registry::EndpointSlice* const> slices,
                           const BlockOptions& options, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(service, slices, options, seed)) {}

BlockBuilder::~BlockBuilder() = default;

ServiceBlock::Pointer BlockBuilder::build(std::uint64_t hash, std::span<const std::uint8_t> key) {
  return impl_->build(hash, key);
}

ServiceBlock::Pointer BlockBuilder::build_part(std::span<const Pick> endpoints, std::uint64_t hash,
                                               std::span<const std::uint8_t> key) {
  return impl_->build_part(endpoints, hash, key);
}

const LeftOut& BlockBuilder::left_out() const noexcept { return impl_->left_out(); }

ServiceBlock::Pointer ServiceBlock::build(const registry::Service& service,
                                          std::span<const registry::EndpointSlice* const> slices,
                                          const BlockOptions& options, std::uint64_t hash,
                                          std::span<const std::uint8_t> key) {
  return BlockBuilder(service, slices, options, hash).build(hash, key);
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
  for (std::size_t i = hash_label(label, size, hash_) & label_index_mask_;;
       i = (i + 1) & label_index_mask_) {
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
  const auto* const index = at<std::uint32_t>(v4 ? a_index_offset_ : aaaa_index_offset_);
  if (irregular_) [[unlikely]] {
    if (from >= endpoint_count_) return kNotFound;
    const RowOrder order{rows, row};
    const std::uint32_t first_row = v4 ? all[from].a_first : all[from].aaaa_first;
    const std::uint32_t* const end = index + mask + 1;
    const std::uint32_t* const found =
        std::lower_bound(index, end, first_row, [&](std::uint32_t r, std::uint32_t least) {
          const int difference = order.compare(r, address.octets.data());
          return difference != 0 ? difference < 0 : r < least;
        });
    if (found == end || order.compare(*found, address.octets.data()) != 0) return kNotFound;
    return endpoint_of_row(*found, v4);
  }
  // Each endpoint address stands in one row; an address of the service may equal an endpoint's, so
  // that a hit outside any endpoint's rows goes on.
  if (from != 0) return kNotFound;
  for (std::size_t i = hash_address(address.octets.data(), address.size(), hash_) & mask;;
       i = (i + 1) & mask) {
    if (index[i] == 0) return kNotFound;
    const std::uint32_t r = index[i] - 1;
    if (std::memcmp(rows + r * row + 12, address.octets.data(), address.size()) != 0) continue;
    if (const std::uint32_t e = endpoint_of_row(r, v4); e != kNotFound) return e;
  }
}

std::uint32_t ServiceBlock::endpoint_of_row(std::uint32_t row, bool v4) const noexcept {
  // Rows follow the endpoints in order: the last one that starts at or before the row.
  const auto all = endpoints();
  const auto it =
      std::upper_bound(all.begin(), all.end(), row, [v4](std::uint32_t value, const Endpoint& e) {
        return value < (v4 ? e.a_first : e.aaaa_first);
      });
  for (auto e = it; e != all.begin();) {
    --e;
    const std::uint32_t first = v4 ? e->a_first : e->aaaa_first;
    const std::uint32_t count = v4 ? e->a_count : e->aaaa_count;
    if (row >= first && row < first + count) return static_cast<std::uint32_t>(e - all.begin());
    if (count != 0) break;
  }
  return kNotFound;
}

ServiceBlock::Run ServiceBlock::rows_of(std::uint16_t set, bool v4) const noexcept {
  if (irregular_) [[unlikely]] {
    const auto* const runs = at<Run>(runs_offset_);
    // Those of the sets for IPv4, then those for IPv6; there are as many of each.
    return runs[v4 ? set : set + set_count_];
  }
  const PortSet& ports = port_set(set);
  if (ports.endpoint_count == 0) return {0, 0};
  const Endpoint& first = at<Endpoint>(endpoints_offset_)[ports.endpoint_first];
  const Endpoint& last =
      at<Endpoint>(endpoints_offset_)[ports.endpoint_first + ports.endpoint_count - 1];
  return v4 ? Run{first.a_first, last.a_first + last.a_count - first.a_first}
            : Run{first.aaaa_first, last.aaaa_first + last.aaaa_count - first.aaaa_first};
}

std::uint16_t ServiceBlock::find_port(const std::uint8_t* label_octets,
                                      Protocol protocol) const noexcept {
  const auto all = named_ports();
  const std::size_t size = std::size_t{1} + label_octets[0];
  const auto same = [&](std::size_t i) {
    const auto mine = label(all[i].label);
    return all[i].protocol == protocol && mine[0] == label_octets[0] &&
           std::memcmp(mine.data(), label_octets, size) == 0;
  };
  if (port_index_mask_ == 0) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (same(i)) return static_cast<std::uint16_t>(i);
    }
    return kNoPort;
  }
  const auto* const index = at<std::uint32_t>(port_index_offset_);
  for (std::size_t i =
           hash_label(label_octets, size, port_seed(hash_, protocol)) & port_index_mask_;
       ; i = (i + 1) & port_index_mask_) {
    if (index[i] == 0) return kNoPort;
    if (same(index[i] - 1)) return static_cast<std::uint16_t>(index[i] - 1);
  }
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
  for (std::uint32_t i = 0; i < kFixedCounters; ++i) {
    counters()[i].store(old.counters()[i].load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
  }
}

}  // namespace clusterdns::zones
