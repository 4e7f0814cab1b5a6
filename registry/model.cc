#include "registry/model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <functional>
#include <limits>
#include <string_view>

#include "registry/kind.h"
#include "registry/members.h"

namespace clusterdns::registry {
namespace {

constexpr std::uint8_t kReadyFlag = 1;
constexpr std::uint8_t kV6Flag = 2;

// Of an endpoint in a snapshot. kSameDetail: that of the endpoint before.
constexpr unsigned kReady = 1, kHasDetail = 2, kSameDetail = 4;

}  // namespace

std::size_t ObjectKeyHash::operator()(const ObjectKey& key) const noexcept {
  return hash_of(key.ns, key.name);
}

std::size_t hash_of(std::string_view ns_text, std::string_view name) noexcept {
  const std::hash<std::string_view> hash;
  const std::size_t ns = hash(ns_text);
  // As boost::hash_combine: a/b and b/a must not collide.
  return hash(name) ^ (ns + 0x9e3779b97f4a7c15ULL + (ns << 6) + (ns >> 2));
}

Created parse_created(std::string_view text) noexcept {
  // An API server writes 2006-01-02T15:04:05Z, and so do those who copy from it.
  constexpr std::size_t kSize = 20;
  std::array<char, kSize + 1> copy{};
  if (text.size() != kSize || text.back() != 'Z') return 0;
  std::copy(text.begin(), text.end(), copy.begin());
  std::tm parts{};
  const char* const end = ::strptime(copy.data(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr || *end != 'Z') return 0;
  const std::int64_t seconds = ::timegm(&parts);
  return seconds > 0 && seconds <= std::numeric_limits<Created>::max()
             ? static_cast<Created>(seconds)
             : 0;
}

std::string created_text(Created created) {
  if (created == 0) return "";
  const std::time_t seconds = created;
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "";
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

const char* to_string(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::Tcp: return "TCP";
    case Protocol::Udp: return "UDP";
    case Protocol::Sctp: return "SCTP";
  }
  return "TCP";
}

const char* to_string(ServiceType type) noexcept {
  switch (type) {
    case ServiceType::ClusterIP: return "ClusterIP";
    case ServiceType::NodePort: return "NodePort";
    case ServiceType::LoadBalancer: return "LoadBalancer";
    case ServiceType::ExternalName: return "ExternalName";
  }
  return "ClusterIP";
}

EndpointList::EndpointList(std::initializer_list<Endpoint> endpoints) {
  reserve(endpoints.size());
  for (const Endpoint& endpoint : endpoints) push_back(endpoint);
}

EndpointList::EndpointList(const std::vector<Endpoint>& endpoints) {
  reserve(endpoints.size());
  for (const Endpoint& endpoint : endpoints) push_back(endpoint);
}

void EndpointList::push_back(const Endpoint& endpoint) {
  if (endpoint.detail != nullptr || !details_.empty()) {
    details_.resize(size());
    details_.push_back(endpoint.detail);
  }
  if (endpoint.address.is_v6() && !wide_) widen();
  std::uint8_t flags = 0;
  if (endpoint.ready) flags |= kReadyFlag;
  if (endpoint.address.is_v6()) flags |= kV6Flag;
  put(endpoint.address, flags);
}

void EndpointList::put(const IpAddress& address, std::uint8_t flags) {
  const std::size_t at = packed_.size();
  packed_.resize(at + stride());
  packed_[at] = flags;
  std::memcpy(packed_.data() + at + 1, address.octets.data(), stride() - 1);
}

void EndpointList::widen() {
  const std::vector<std::uint8_t> narrow = std::exchange(packed_, {});
  wide_ = true;
  packed_.reserve((narrow.size() / kNarrow + 1) * kWide);
  for (std::size_t at = 0; at < narrow.size(); at += kNarrow) {
    IpAddress address;
    std::memcpy(address.octets.data(), narrow.data() + at + 1, kNarrow - 1);
    put(address, narrow[at]);
  }
}

void EndpointList::reserve(std::size_t count) { packed_.reserve(count * stride()); }

void EndpointList::clear() noexcept {
  packed_.clear();
  details_.clear();
  wide_ = false;
}

void EndpointList::shrink_to_fit() {
  packed_.shrink_to_fit();
  details_.shrink_to_fit();
}

const Endpoint EndpointList::operator[](std::size_t i) const {
  const std::uint8_t* const from = packed_.data() + i * stride();
  Endpoint endpoint;
  endpoint.ready = (from[0] & kReadyFlag) != 0;
  if ((from[0] & kV6Flag) != 0) endpoint.address.family = IpFamily::V6;
  std::memcpy(endpoint.address.octets.data(), from + 1, stride() - 1);
  if (!details_.empty()) endpoint.detail = details_[i];
  return endpoint;
}

bool operator==(const EndpointList& a, const EndpointList& b) {
  if (a.size() != b.size()) return false;
  if (a.wide_ == b.wide_ && a.details_.empty() && b.details_.empty()) return a.packed_ == b.packed_;
  return std::equal(a.begin(), a.end(), b.begin());
}

// Endpoints in a row often share their details.
void encode_part(ObjectWriter& to, const EndpointList& list) {
  to.number(list.size());
  const EndpointDetail* last = nullptr;
  for (const Endpoint& endpoint : list) {
    const bool same = endpoint.detail != nullptr && endpoint.detail.get() == last;
    to.number((endpoint.ready ? kReady : 0U) | (endpoint.detail ? kHasDetail : 0U) |
              (same ? kSameDetail : 0U));
    to.address(endpoint.address);
    if (endpoint.detail && !same) encode(to, *endpoint.detail);
    if (endpoint.detail) last = endpoint.detail.get();
  }
}

void decode_part(ObjectReader& from, EndpointList& list) {
  std::shared_ptr<const EndpointDetail> last;
  for (std::uint64_t left = from.number(); left > 0 && from.good(); --left) {
    Endpoint endpoint;
    const std::uint64_t flags = from.number();
    endpoint.ready = (flags & kReady) != 0;
    endpoint.address = from.address();
    if ((flags & kHasDetail) != 0) {
      if ((flags & kSameDetail) == 0) {
        EndpointDetail detail;
        decode(from, detail);
        last = std::make_shared<const EndpointDetail>(std::move(detail));
        from.grow(sizeof *last);
      } else if (last == nullptr) {
        from.fail();
      }
      endpoint.detail = last;
    }
    list.push_back(endpoint);
  }
}

std::size_t octets_behind(const EndpointList& list) {
  std::size_t sum = list.packed_.size() + list.details_.size() * sizeof list.details_.front();
  const EndpointDetail* last = nullptr;
  for (const auto& detail : list.details_) {
    if (detail == nullptr || detail.get() == last) continue;  // neighbours share equal ones
    last = detail.get();
    sum += kept_octets(*last);
  }
  return sum;
}

constinit const Kind Pod::kRow = make_kind_of<Pod>({"Pod", "", "pods", {"v1"}});
constinit const Kind Namespace::kRow =
    make_kind_of<Namespace>({"Namespace", "", "namespaces", {"v1"}});

}  // namespace clusterdns::registry
