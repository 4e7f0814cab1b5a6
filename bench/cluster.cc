#include "bench/cluster.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "dns/wire/name.h"

namespace clusterdns::bench {
namespace {

constexpr std::uint32_t kPerNamespace = 100;
constexpr std::uint32_t kHeadlessEvery = 10;
constexpr std::uint16_t kPort = 80;
constexpr std::uint16_t kTargetPort = 8080;
constexpr std::uint32_t kServiceNet = 0x0A600000;  // 10.96.0.0/12
constexpr std::uint32_t kPodNet = 0x0A800000;      // 10.128.0.0/9
constexpr std::uint32_t kFirstServiceAddress = 256;
constexpr std::uint32_t kTtl = 5;
// Of the table's hashes: another one each time moves what a name that does not exist costs in a
// small table by 4 %.
constexpr std::uint64_t kSeed = 0x5DEECE66D1234567;

registry::IpAddress v4(std::uint32_t address) {
  registry::IpAddress ip;
  for (unsigned i = 0; i < 4; ++i)
    ip.octets[i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  return ip;
}

dns::Name name(std::string_view text) { return dns::Name::from_text(text).value(); }

// Odd, so that stepping by it visits every service before one comes again.
constexpr std::uint32_t kStride = 7919;

}  // namespace

bool is_headless(std::uint32_t service) noexcept {
  return service % kHeadlessEvery == kHeadlessEvery - 1;
}
std::string service_name(std::uint32_t service) { return fmt::format("svc-{:06}", service); }
std::string namespace_name(std::uint32_t service) {
  return fmt::format("ns-{:04}", service / kPerNamespace);
}
std::string service_fqdn(std::uint32_t service) {
  return service_name(service) + "." + namespace_name(service) + ".svc.cluster.local.";
}
registry::IpAddress service_address(std::uint32_t service) {
  return v4(kServiceNet + kFirstServiceAddress + service);
}
registry::IpAddress pod_address(std::uint32_t pod, unsigned revision) {
  return v4(kPodNet + pod + (revision << 20 & 0x700000));
}

registry::Service make_service(std::uint32_t service) {
  registry::Service s;
  s.key = {namespace_name(service), service_name(service)};
  s.headless = is_headless(service);
  if (!s.headless) s.cluster_ips.push_back(service_address(service));
  registry::ServicePort port;
  port.name = "http";
  port.port = kPort;
  port.target_port = kTargetPort;
  s.ports.push_back(port);
  return s;
}

registry::EndpointSlice make_slice(const ClusterShape& shape, std::uint32_t service,
                                   unsigned revision) {
  registry::EndpointSlice slice;
  slice.key = {namespace_name(service), service_name(service) + "-a"};
  slice.service = service_name(service);
  slice.ports.push_back({"http", registry::Protocol::Tcp, kTargetPort});
  const std::uint32_t headless_before = service / kHeadlessEvery;
  const std::uint32_t first =
      headless_before * shape.endpoints + (service - headless_before) * shape.cluster_ip_endpoints;
  const std::uint32_t count = is_headless(service) ? shape.endpoints : shape.cluster_ip_endpoints;
  for (std::uint32_t i = 0; i < count; ++i) {
    registry::Endpoint endpoint;
    endpoint.address = pod_address(first + i, revision);
    slice.endpoints.push_back(std::move(endpoint));
  }
  return slice;
}

void fill(registry::Store& store, const ClusterShape& shape) {
  for (std::uint32_t i = 0; i < shape.services; ++i) {
    if (i % kPerNamespace == 0) store.upsert(registry::Namespace{namespace_name(i), {}});
    store.upsert(make_service(i));
    registry::EndpointSlice slice = make_slice(shape, i);
    if (!slice.endpoints.empty()) store.upsert(std::move(slice));
  }
  store.commit();
}

Packet::Packet(std::string_view qname, dns::RRType type, bool edns) {
  const dns::Name wire = name(qname);
  const auto u16 = [this](unsigned v) {
    octets_.push_back(static_cast<std::uint8_t>(v >> 8));
    octets_.push_back(static_cast<std::uint8_t>(v));
  };
  for (const unsigned word : {0x2A17U, 0x0100U, 1U, 0U, 0U, edns ? 1U : 0U}) u16(word);
  octets_.insert(octets_.end(), wire.data(), wire.data() + wire.size());
  u16(static_cast<unsigned>(type));
  u16(1);
  if (edns) {
    octets_.push_back(0);
    u16(static_cast<unsigned>(dns::RRType::OPT));
    u16(dns::kDefaultUdpSize);
    for (const unsigned word : {0U, 0U, 0U}) u16(word);
  }
  size_ = octets_.size();
  octets_.resize(size_ + 16);
}

Model::Model(const ClusterShape& s, unsigned workers) : shape(s), reclaim(workers) {
  fill(store, shape);
  zones::TableOptions table_options;
  table_options.block.ttl = kTtl;
  table = std::make_shared<zones::RecordTable>(reclaim, table_options, kSeed);
  feed = std::make_unique<zones::TableFeed>(store, table, zones::FeedOptions{});
  table->set_ready(true);
  zones::ClusterOptions options;
  options.zones = {name("cluster.local"), name("in-addr.arpa"), name("ip6.arpa")};
  options.ttl = kTtl;
  options.workers = workers;
  options.server_addresses = {v4(0x7F000001)};
  stage = std::make_shared<zones::ClusterStage>(options, table);
  auto route = std::make_shared<dns::Route>();
  route->stages.push_back(stage);
  // As with `prometheus`.
  route->counters =
      std::make_shared<dns::RouteCounters>(workers, std::vector<std::string>{"kubernetes"});
  routes.add(dns::Name{}, std::move(route));
}

Asker::Asker(Model& model, unsigned worker)
    : model_(model), context_(std::make_unique<dns::Exchange>()), response_(4096) {
  worker_.index = worker;
  worker_.worker_count = model.reclaim.readers();
  worker_.reclaim = &model.reclaim;
  context_->worker = &worker_;
  context_->client.address = {127, 0, 0, 1};
  context_->client.port = 40000;
  context_->local.address = {127, 0, 0, 1};
  context_->local.port = 53;
}

const char* to_string(Case what) noexcept {
  switch (what) {
    case Case::Hit: return "hit";
    case Case::Headless: return "headless";
    case Case::NXDomain: return "nxdomain";
    case Case::NoData: return "nodata";
    case Case::SrvClusterIP: return "srv";
    case Case::SrvHeadless: return "srv-headless";
    case Case::Ptr: return "ptr";
    case Case::kCount: break;
  }
  return "";
}

std::vector<Packet> questions(const ClusterShape& shape, Case what, std::size_t count) {
  std::vector<Packet> packets;
  std::uint64_t at = 0;
  while (packets.size() < std::min<std::size_t>(count, shape.services)) {
    at += kStride;
    const auto any = static_cast<std::uint32_t>(at % shape.services);
    const std::uint32_t tens = any - any % kHeadlessEvery;
    const std::uint32_t plain = is_headless(any) ? tens : any;
    const std::uint32_t headless = std::min(tens + kHeadlessEvery, shape.services) - 1;
    switch (what) {
      case Case::Hit: packets.emplace_back(service_fqdn(plain), dns::RRType::A); break;
      case Case::Headless: packets.emplace_back(service_fqdn(headless), dns::RRType::A); break;
      case Case::NXDomain:
        packets.emplace_back("www.example.com." + namespace_name(any) + ".svc.cluster.local.",
                             dns::RRType::A);
        break;
      case Case::NoData: packets.emplace_back(service_fqdn(plain), dns::RRType::AAAA); break;
      case Case::SrvClusterIP:
        packets.emplace_back("_http._tcp." + service_fqdn(plain), dns::RRType::SRV);
        break;
      case Case::SrvHeadless:
        packets.emplace_back("_http._tcp." + service_fqdn(headless), dns::RRType::SRV, true);
        break;
      case Case::Ptr: {
        const auto ip = service_address(plain);
        packets.emplace_back(fmt::format("{}.{}.{}.{}.in-addr.arpa.", ip.octets[3], ip.octets[2],
                                         ip.octets[1], ip.octets[0]),
                             dns::RRType::PTR);
        break;
      }
      case Case::kCount: return packets;
    }
  }
  return packets;
}

void check_answers(Model& model, Case what, const std::vector<Packet>& packets) {
  struct Expected {
    unsigned rcode, answers, authority, additional;
  };
  const unsigned n = model.shape.endpoints;
  Expected expected{};
  switch (what) {
    case Case::Hit: expected = {0, 1, 0, 0}; break;
    case Case::Headless: expected = {0, n, 0, 0}; break;
    case Case::NXDomain: expected = {3, 0, 1, 0}; break;
    case Case::NoData: expected = {0, 0, 1, 0}; break;
    case Case::SrvClusterIP: expected = {0, 1, 0, 1}; break;
    case Case::SrvHeadless: expected = {0, n, 0, n + 1}; break;  // and the OPT record
    case Case::Ptr: expected = {0, 1, 0, 0}; break;
    case Case::kCount: break;
  }
  Asker asker(model, 0);
  model.reclaim.enter(0);
  for (const Packet& packet : packets) {
    const std::size_t size = asker.ask(packet.view());
    const std::uint8_t* const r = asker.response();
    const auto count = [r](unsigned at) { return unsigned{r[at]} << 8 | r[at + 1]; };
    const bool right = size > dns::kHeaderSize && (r[2] & 0x82) == 0x80 &&
                       (r[3] & 15U) == expected.rcode && count(6) == expected.answers &&
                       count(8) == expected.authority && count(10) == expected.additional;
    if (!right) {
      throw std::runtime_error(fmt::format(
          "{}: wrong answer: {} octets, flags {:02x}{:02x}, sections {} {} {}, expected rcode {} "
          "and {} {} {}",
          to_string(what), size, r[2], r[3], count(6), count(8), count(10), expected.rcode,
          expected.answers, expected.authority, expected.additional));
    }
  }
  model.reclaim.leave(0);
}

}  // namespace clusterdns::bench
