// No allocation per query on the path of a name of ours: every allocation of this thread between
// request octets and response octets is counted.
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>

#include "dns/search/search_stage.h"
#include "dns/server/responder.h"
#include "dns/target/synthetic.h"
#include "tests/unit/zones/cluster.h"
#include "zones/gateway_stage.h"
#include "zones/host_feed.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CLUSTERDNS_MALLOC_IS_TAKEN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define CLUSTERDNS_MALLOC_IS_TAKEN 1
#endif
#endif

namespace {
thread_local bool counting = false;
thread_local unsigned long allocations = 0;

[[maybe_unused]] void note() noexcept {
  if (counting) ++allocations;
}
}  // namespace

#ifndef CLUSTERDNS_MALLOC_IS_TAKEN
// glibc's own names for what is replaced here. operator new ends in malloc, so this sees it too.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
  note();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  note();
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  note();
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  note();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  note();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  note();
  *result = __libc_memalign(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}
}
#endif

namespace clusterdns::unit {
namespace {

using dns::Rcode;
using dns::RRType;

// Allocations of this thread while `work` runs.
template <class Work>
unsigned long count_allocations(Work&& work) {
  allocations = 0;
  counting = true;
  work();
  counting = false;
  return allocations;
}

class Allocation : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef CLUSTERDNS_MALLOC_IS_TAKEN
    GTEST_SKIP() << "this build's sanitizer replaces malloc, which is what this test counts";
#endif
    c_.options.pods = zones::PodMode::Insecure;
    c_.add(cluster_ip("default", "my-service", ips({"10.96.0.7"}), {port("http", 80)}));
    c_.add(slice("default", "my-service", "my-service", {endpoint_port("http", 8080)},
                 {at("10.244.0.20"), at("10.244.0.21", "named")}));
    std::vector<registry::Endpoint> many;
    for (int i = 0; i < 100; ++i) many.push_back(at("10.244.1." + std::to_string(i)));
    c_.add(headless("default", "python-www"));
    c_.add(slice("default", "python-www", "python-www", {endpoint_port("http", 80)}, many));
    c_.add(external("default", "in", "my-service.default.svc.cluster.local"));
    dns::SearchStage::Options search;
    search.suffixes = dns::SearchStage::pod_search_list("default", name("cluster.local"));
    auto stage = std::make_shared<dns::SearchStage>(std::move(search));
    stage->attach(c_.client.worker);
    auto gateway = std::make_shared<registry::gateways::IstioGateway>();
    gateway->key = {"default", "gateway"};
    gateway->targets.addresses = ips({"192.0.2.1", "192.0.2.2"});
    gateway->servers.push_back({80, "http", "HTTP", "", {{"", "*.hosts.test"}, {"", "host.test"}}});
    c_.store.gateways().put(gateway);
    hosts_ = std::make_shared<zones::HostTable>(c_.reclaim);
    feed_ = std::make_unique<zones::HostFeed>(c_.store, hosts_, zones::HostFeedOptions{});
    zones::GatewayOptions options;
    options.zones = {name("hosts.test")};
    options.cluster_zones = {name("cluster.local")};
    const auto shared = std::make_shared<const zones::GatewayOptions>(std::move(options));
    using Stage = zones::GatewayStage;
    dns::SyntheticStage::Options synthetic;
    synthetic.zones = {name("bench.test")};
    c_.start({std::make_shared<dns::SyntheticStage>(std::move(synthetic), 1),
              std::make_shared<Stage>(Stage::Part::Exact, shared, hosts_), stage,
              std::make_shared<Stage>(Stage::Part::Rest, shared, hosts_)});
  }

  // What a worker does for each datagram of a batch; the answer is checked once, outside.
  void expect_none(const Request& request, Rcode rcode, std::size_t answers,
                   dns::Transport transport = dns::Transport::Udp) {
    const std::string what = request.qname + " " + dns::rrtype_to_text(request.qtype);
    expect_none(what, Packet(request), rcode, answers, transport);
  }
  void expect_none(const std::string& what, const Packet& packet, Rcode rcode, std::size_t answers,
                   dns::Transport transport = dns::Transport::Udp) {
    SCOPED_TRACE(what);
    c_.client.use(transport);
    std::vector<std::uint8_t> out(dns::kMaxMessageSize);
    std::size_t size = 0;
    const auto serve = [&] {
      c_.reclaim.enter(0);
      size = dns::respond(c_.client.context(), c_.routes, packet.view(), out.data(), out.size());
      c_.reclaim.leave(0);
    };
    for (int warm_up = 0; warm_up < 3; ++warm_up) serve();
    EXPECT_EQ(count_allocations([&] {
                for (int i = 0; i < 1000; ++i) serve();
              }),
              0u);
    const dns::Message message = decode({out.data(), size});
    EXPECT_EQ(message.rcode, static_cast<std::uint16_t>(rcode));
    EXPECT_EQ(message.answer.size(), answers);
  }

  Cluster c_;
  std::shared_ptr<zones::HostTable> hosts_;
  std::unique_ptr<zones::HostFeed> feed_;
};

TEST_F(Allocation, TheCounterCounts) {
  EXPECT_EQ(count_allocations([] {}), 0u);
  EXPECT_GE(count_allocations([] { delete new Cluster; }), 1u);
  EXPECT_EQ(count_allocations([] {
              void* volatile p = std::malloc(10);
              std::free(p);
            }),
            1u);
  EXPECT_EQ(count_allocations([] {
              void* volatile p = std::aligned_alloc(64, 64);
              std::free(p);
            }),
            1u);
  EXPECT_EQ(count_allocations([] {
              std::vector<int> v(100);
              volatile int* const first = v.data();  // or the compiler leaves it out
              *first = 1;
            }),
            1u);
}

TEST_F(Allocation, ClusterIp) {
  const std::string service = "my-service.default.svc.cluster.local";
  expect_none({.qname = service}, Rcode::NoError, 1);
  expect_none({.qname = "My-Service.Default.SVC.cluster.local", .edns = true, .dnssec_ok = true},
              Rcode::NoError, 1);
  expect_none({.qname = service, .qtype = RRType::AAAA}, Rcode::NoError, 0);
  expect_none({.qname = service, .qtype = RRType::SRV}, Rcode::NoError, 1);
  expect_none({.qname = "_http._tcp." + service, .qtype = RRType::SRV}, Rcode::NoError, 1);
  expect_none({.qname = "_http._tcp." + service}, Rcode::NoError, 1);
  expect_none({.qname = "_tcp." + service}, Rcode::NoError, 0);
}

TEST_F(Allocation, Headless) {
  const std::string service = "python-www.default.svc.cluster.local";
  expect_none({.qname = service}, Rcode::NoError, (512 - 54) / 16);
  expect_none({.qname = service}, Rcode::NoError, 100, dns::Transport::Tcp);
  expect_none({.qname = service, .qtype = RRType::SRV}, Rcode::NoError, 100, dns::Transport::Tcp);
  expect_none({.qname = "10-244-1-7." + service}, Rcode::NoError, 1);
  expect_none({.qname = "named.my-service.default.svc.cluster.local"}, Rcode::NoError, 1);
}

TEST_F(Allocation, Reverse) {
  expect_none({.qname = "7.0.96.10.in-addr.arpa", .qtype = RRType::PTR}, Rcode::NoError, 1);
  expect_none({.qname = "7.1.244.10.in-addr.arpa", .qtype = RRType::PTR}, Rcode::NoError, 1);
  expect_none({.qname = "9.9.9.9.in-addr.arpa", .qtype = RRType::PTR}, Rcode::NXDomain, 0);
  expect_none({.qname = "244.10.in-addr.arpa", .qtype = RRType::PTR}, Rcode::NoError, 0);
}

TEST_F(Allocation, NamesThatDoNotExist) {
  expect_none({.qname = "nothing.default.svc.cluster.local"}, Rcode::NXDomain, 0);
  expect_none({.qname = "www.example.com.default.svc.cluster.local", .edns = true}, Rcode::NXDomain,
              0);
}

TEST_F(Allocation, FixedNamesAndPods) {
  expect_none({.qname = "cluster.local", .qtype = RRType::SOA}, Rcode::NoError, 1);
  expect_none({.qname = "cluster.local", .qtype = RRType::NS}, Rcode::NoError, 1);
  expect_none({.qname = "dns-version.cluster.local", .qtype = RRType::TXT}, Rcode::NoError, 1);
  expect_none({.qname = "default.svc.cluster.local"}, Rcode::NoError, 0);
  expect_none({.qname = "10-1-2-3.default.pod.cluster.local"}, Rcode::NoError, 1);
}

TEST_F(Allocation, HostsOfGateways) {
  expect_none({.qname = "host.test"}, Rcode::NoError, 2);
  expect_none({.qname = "host.test", .qtype = RRType::HTTPS}, Rcode::NoError, 0);
  expect_none({.qname = "a.b.c.d.e.f.g.h.hosts.test", .edns = true}, Rcode::NoError, 2);
  expect_none({.qname = "hosts.test"}, Rcode::NoError, 0);
}

TEST_F(Allocation, Synthetic) {
  expect_none({.qname = "x1.bench.test"}, Rcode::NoError, 1);
  expect_none({.qname = "a20.X1.bench.test", .qtype = RRType::AAAA, .edns = true}, Rcode::NoError,
              20);
  expect_none({.qname = "ttl5.x1.bench.test", .qtype = RRType::TXT}, Rcode::NoError, 1);
  expect_none({.qname = "size400.x1.bench.test", .qtype = RRType::TXT}, Rcode::NoError, 1);
  expect_none({.qname = "x1.bench.test", .qtype = RRType::SRV}, Rcode::NoError, 1);
  expect_none({.qname = "x1.bench.test", .qtype = RRType::MX}, Rcode::NoError, 0);
  expect_none({.qname = "chain9.x1.bench.test"}, Rcode::NoError, 10);
  expect_none({.qname = "bench.test", .qtype = RRType::SOA}, Rcode::NoError, 1);
}

TEST_F(Allocation, AliasesInside) {
  expect_none({.qname = "in.default.svc.cluster.local"}, Rcode::NoError, 2);
}

TEST_F(Allocation, SearchStage) {
  expect_none({.qname = "my-service"}, Rcode::NoError, 2);
  expect_none({.qname = "Python-WWW"}, Rcode::NoError, 1 + (512 - 28 - 50) / 16);
  expect_none({.qname = "my-service", .qtype = RRType::AAAA}, Rcode::NoError, 1);
  expect_none({.qname = "nothing"}, Rcode::Refused, 0);
}

TEST_F(Allocation, WhatIsRefused) {
  expect_none({.qname = "a.b.c.d.e.f.example.com"}, Rcode::Refused, 0);
  expect_none({.qname = "version.bind", .qtype = RRType::TXT, .qclass = dns::RRClass::CH},
              Rcode::Refused, 0);
  Octets garbage = Request{.qname = "my-service"}.wire();
  garbage.push_back(0);
  expect_none("trailing octet", Packet(garbage), Rcode::FormErr, 0);
  expect_none({.qname = "a", .flags = 4 << 11}, Rcode::NotImp, 0);
  expect_none({.qname = "a", .edns = true, .version = 1}, Rcode::BadVers, 0);
}

}  // namespace
}  // namespace clusterdns::unit
