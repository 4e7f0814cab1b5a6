#include "zones/service_block.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "tests/unit/dns/query/request.h"
#include "tests/unit/growth.h"
#include "tests/unit/zones/objects.h"
#include "zones/rrset_writers.h"

namespace clusterdns::zones {
namespace {

using registry::EndpointSlice;
using registry::IpAddress;
using registry::Protocol;
using registry::Service;
using unit::at;
using unit::cluster_ip;
using unit::endpoint_port;
using unit::external;
using unit::headless;
using unit::ip;
using unit::ips;
using unit::Lines;
using unit::port;
using unit::slice;
using unit::unready;

constexpr std::uint32_t kNotFound = ServiceBlock::kNotFound;

ServiceBlock::Pointer build(const Service& service, const std::vector<EndpointSlice>& slices = {},
                            const BlockOptions& options = {}) {
  std::vector<const EndpointSlice*> pointers;
  for (const EndpointSlice& s : slices) pointers.push_back(&s);
  return ServiceBlock::build(service, pointers, options, 0x1234);
}

std::string text_of(std::span<const std::uint8_t> label) {
  EXPECT_EQ(label.size(), 1u + label[0]);
  return {label.begin() + 1, label.end()};
}

IpAddress address_in(const ServiceBlock& block, bool v4, std::uint32_t row) {
  const std::uint8_t* const p =
      v4 ? block.a_rows() + row * dns::kARowSize : block.aaaa_rows() + row * dns::kAaaaRowSize;
  EXPECT_EQ(dns::load_u16(p), 0xC00C);
  EXPECT_EQ(dns::load_u16(p + 2), v4 ? 1 : 28);
  EXPECT_EQ(dns::load_u16(p + 4), 1);
  EXPECT_EQ(dns::load_u16(p + 10), v4 ? 4 : 16);
  IpAddress result;
  result.family = v4 ? registry::IpFamily::V4 : registry::IpFamily::V6;
  std::memcpy(result.octets.data(), p + 12, result.size());
  return result;
}

std::string label_of(const ServiceBlock& block, std::uint32_t i) {
  ServiceBlock::LabelScratch scratch;
  return text_of(block.endpoint_label(i, scratch));
}

Lines addresses_of(const ServiceBlock& block, std::uint32_t endpoint) {
  const ServiceBlock::Endpoint e = block.endpoint(endpoint);
  Lines out;
  if (block.plain()) {
    registry::IpAddress address;
    std::memcpy(address.octets.data(), block.plain_address(endpoint), 4);
    out.push_back(address.to_string());
    return out;
  }
  for (std::uint32_t i = 0; i < e.a_count; ++i) {
    out.push_back(address_in(block, true, e.a_first + i).to_string());
  }
  for (std::uint32_t i = 0; i < e.aaaa_count; ++i) {
    out.push_back(address_in(block, false, e.aaaa_first + i).to_string());
  }
  return out;
}

// Addresses of the service's own name.
Lines own(const ServiceBlock& block) {
  Lines out;
  for (std::uint32_t i = 0; i < block.a_count(); ++i) {
    out.push_back(address_in(block, true, i).to_string());
  }
  for (std::uint32_t i = 0; i < block.aaaa_count(); ++i) {
    out.push_back(address_in(block, false, i).to_string());
  }
  return out;
}

// "label address,address [number/name ...]" of each endpoint name.
Lines names(const ServiceBlock& block) {
  Lines out;
  for (std::uint32_t i = 0; i < block.endpoint_count(); ++i) {
    const ServiceBlock::Endpoint e = block.endpoint(i);
    std::string text = label_of(block, i) + " ";
    for (const std::string& address : addresses_of(block, i)) text += address + ",";
    text.back() = ' ';
    text += "[";
    const auto add = [&text](std::uint16_t number, const std::string& port_name) {
      text += (text.back() == '[' ? "" : " ") + std::to_string(number) + "/" + port_name;
    };
    std::set<std::uint16_t> named;
    for (const auto& p : block.named_ports()) {
      for (const auto& use : block.uses(p)) {
        if (block.kind() != BlockKind::Headless || use.set != e.port_set) continue;
        add(use.number, text_of(block.label(p.label)));
        named.insert(use.number);
      }
    }
    for (const std::uint16_t number : block.numbers(block.port_set(e.port_set))) {
      if (!named.contains(number)) add(number, "-");
    }
    out.push_back(text + "]");
  }
  return out;
}

// Whatever was built holds together: every endpoint is found by its label, every address leads to
// all endpoints that have it and to no other, and what is not there is not found.
void check_consistent(const ServiceBlock& block) {
  std::set<std::string> labels;
  std::map<std::string, std::set<std::uint32_t>> by_address;
  for (std::uint32_t i = 0; i < block.endpoint_count(); ++i) {
    const ServiceBlock::Endpoint e = block.endpoint(i);
    ServiceBlock::LabelScratch scratch;
    const auto label = block.endpoint_label(i, scratch);
    ASSERT_EQ(block.find_endpoint(label.data()), i) << text_of(label);
    ASSERT_TRUE(labels.insert(text_of(label)).second) << text_of(label) << " stands there twice";
    if (!block.plain()) {
      ASSERT_LE(e.a_first + e.a_count, block.a_row_count());
      ASSERT_LE(e.aaaa_first + e.aaaa_count, block.aaaa_row_count());
    }
    std::set<std::string> here;
    for (const std::string& text : addresses_of(block, i)) here.insert(text);
    ASSERT_EQ(here.size(), std::size_t{e.a_count} + e.aaaa_count)
        << "an address twice under " << text_of(label);
    for (const std::string& text : here) by_address[text].insert(i);
  }
  for (const auto& [text, holders] : by_address) {
    std::set<std::uint32_t> found;
    for (std::uint32_t i = block.find_address(ip(text), 0); i != kNotFound;
         i = block.find_address(ip(text), i + 1)) {
      ASSERT_TRUE(found.insert(i).second);
    }
    ASSERT_EQ(found, holders) << text;
  }
  EXPECT_EQ(block.find_address(ip("203.0.113.77"), 0), kNotFound);
  EXPECT_EQ(block.find_address(ip("3fff::77"), 0), kNotFound);
  const std::uint8_t missing[] = "\7missing";
  EXPECT_EQ(block.find_endpoint(missing), kNotFound);
  // The service's own name holds each address once.
  const Lines mine = own(block);
  EXPECT_EQ(std::set<std::string>(mine.begin(), mine.end()).size(), mine.size());
  if (block.kind() == BlockKind::Headless) {
    std::set<std::string> everything;
    for (const auto& [text, holders] : by_address) everything.insert(text);
    EXPECT_EQ(std::set<std::string>(mine.begin(), mine.end()), everything);
  }
  std::set<std::string> distinct(mine.begin(), mine.end());
  for (const auto& [text, holders] : by_address) distinct.insert(text);
  std::set<std::string> listed;
  for (const IpAddress& address : block.addresses()) {
    EXPECT_TRUE(listed.insert(address.to_string()).second) << "twice in addresses()";
  }
  EXPECT_EQ(listed, distinct);
}

TEST(ServiceBlock, ClusterIp) {
  const auto block = build(
      cluster_ip("default", "My-Service", ips({"10.96.0.7"}), {port("http", 80), port("", 81)}));
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->kind(), BlockKind::ClusterIP);
  EXPECT_EQ(block->hash(), 0x1234u);
  EXPECT_EQ(std::string(block->key().begin(), block->key().end()), "\12my-service\7default");
  EXPECT_EQ(own(*block), (Lines{"10.96.0.7"}));
  EXPECT_EQ(dns::load_u32(block->a_rows() + 6), 5u) << "the default TTL";
  EXPECT_EQ(block->endpoint_count(), 0u);
  EXPECT_TRUE(block->is_cluster_ip(ip("10.96.0.7")));
  EXPECT_FALSE(block->is_cluster_ip(ip("10.96.0.8")));
  EXPECT_FALSE(block->is_cluster_ip(ip("::")));
  EXPECT_EQ(block->srv_count(), 2u);
  ASSERT_EQ(block->named_ports().size(), 1u);
  EXPECT_EQ(text_of(block->label(block->named_ports()[0].label)), "_http");
  EXPECT_EQ(block->named_ports()[0].srv_count, 1u);
  EXPECT_EQ(block->named_ports()[0].a_count, 1u);
  EXPECT_EQ(block->named_ports()[0].aaaa_count, 0u);
  check_consistent(*block);
}

TEST(ServiceBlock, TtlOfEveryRow) {
  const auto block =
      build(headless("n", "s"), {slice("n", "a", "s", {}, {at("10.0.0.1"), at("fd00::1")})},
            {.ttl = 86400});
  EXPECT_EQ(dns::load_u32(block->a_rows() + 6), 86400u);
  EXPECT_EQ(dns::load_u32(block->aaaa_rows() + 6), 86400u);
}

TEST(ServiceBlock, DualStack) {
  const auto block = build(cluster_ip("n", "s", ips({"fd00:10:96::7", "10.96.0.7"})),
                           {slice("n", "4", "s", {}, {at("10.244.0.1", "h"), at("10.244.0.2")}),
                            slice("n", "6", "s", {}, {at("fd00:10:244::1", "h")})});
  EXPECT_EQ(own(*block), (Lines{"10.96.0.7", "fd00:10:96::7"}));
  EXPECT_TRUE(block->is_cluster_ip(ip("fd00:10:96::7")));
  EXPECT_EQ(names(*block), (Lines{"h 10.244.0.1,fd00:10:244::1 []", "10-244-0-2 10.244.0.2 []"}));
  check_consistent(*block);
}

TEST(ServiceBlock, ClusterIpWithEndpoints) {
  const auto block =
      build(cluster_ip("n", "s", ips({"10.96.0.7"}), {port("http", 80)}),
            {slice("n", "a", "s", {endpoint_port("http", 8080), endpoint_port("other", 9)},
                   {at("10.244.0.1"), unready(at("10.244.0.2")), at("10.244.0.3", "db-0")})});
  // Names are those of the service's ports, and the service's only; the numbers are the slice's.
  EXPECT_EQ(names(*block),
            (Lines{"10-244-0-1 10.244.0.1 [8080/- 9/-]", "db-0 10.244.0.3 [8080/- 9/-]"}));
  EXPECT_EQ(own(*block), (Lines{"10.96.0.7"}));
  EXPECT_EQ(block->a_row_count(), 3u);
  EXPECT_FALSE(block->is_cluster_ip(ip("10.244.0.1")));
  EXPECT_EQ(block->srv_count(), 1u);
  check_consistent(*block);
}

TEST(ServiceBlock, AClusterIpThatIsAnEndpointToo) {
  std::vector<registry::Endpoint> many;
  for (int i = 1; i <= 40; ++i) many.push_back(at("10.0.0." + std::to_string(i)));
  for (const std::size_t count : {3U, 40U}) {
    const auto block =
        build(cluster_ip("n", "s", ips({"10.0.0.2"})),
              {slice("n", "a", "s", {},
                     {many.begin(), many.begin() + static_cast<std::ptrdiff_t>(count)})});
    EXPECT_TRUE(block->is_cluster_ip(ip("10.0.0.2")));
    EXPECT_EQ(block->find_address(ip("10.0.0.2"), 0), 1u) << count;
    check_consistent(*block);
  }
}

// Endpoints of a ClusterIP service that are named by their IPv4 addresses are kept as these alone.
TEST(ServiceBlock, PlainEndpoints) {
  std::vector<registry::Endpoint> endpoints;
  for (int count = 0; count <= 70; ++count) {
    const std::vector<EndpointSlice> slices{
        slice("n", "a", "s", {endpoint_port("http", 8080), endpoint_port("x", 9)}, endpoints),
        slice("n", "b", "s", {endpoint_port("http", 8080), endpoint_port("x", 9)}, endpoints)};
    const auto block = build(cluster_ip("n", "s", ips({"10.96.0.7"}), {port("http", 80)}), slices);
    ASSERT_TRUE(block->plain());
    ASSERT_EQ(block->endpoint_count(), static_cast<std::uint32_t>(count)) << "each once";
    EXPECT_EQ(block->a_row_count(), 1u);
    EXPECT_EQ(block->addresses().size(), static_cast<std::size_t>(count) + 1);
    EXPECT_EQ(block->is_cluster_ip(ip("10.96.0.7")), true);
    check_consistent(*block);
    if (::testing::Test::HasFailure()) FAIL() << count;
    // In no order of their own.
    endpoints.push_back(at("10.244." + std::to_string(count * 7 % 71) + ".5"));
  }
}

TEST(ServiceBlock, PlainEndpointsAreFoundByTheirOneName) {
  const auto block = build(cluster_ip("n", "s", ips({"10.96.0.7"})),
                           {slice("n", "a", "s", {}, {at("10.0.0.1"), at("10.0.0.12")})});
  ASSERT_TRUE(block->plain());
  const auto find = [&](std::string text) {
    text.insert(text.begin(), static_cast<char>(text.size()));
    return block->find_endpoint(reinterpret_cast<const std::uint8_t*>(text.c_str()));
  };
  EXPECT_EQ(find("10-0-0-1"), 0u);
  EXPECT_EQ(find("10-0-0-12"), 1u);
  for (const char* other : {"10-0-0-2", "10-0-0-01", "010-0-0-1", "10-0-0", "10-0-0-1-", "a", "-",
                            "--ffff-a00-1", "10-0-0-256", "10.0.0.1"}) {
    EXPECT_EQ(find(other), kNotFound) << other;
  }
}

TEST(ServiceBlock, WhatIsNotPlain) {
  const auto is_plain = [](const std::vector<EndpointSlice>& slices, BlockOptions options = {}) {
    return build(cluster_ip("n", "s", ips({"10.96.0.7"}), {port("http", 80)}), slices, options)
        ->plain();
  };
  const auto one = slice("n", "a", "s", {endpoint_port("http", 80)}, {at("10.0.0.1")});
  EXPECT_TRUE(is_plain({one}));
  EXPECT_TRUE(is_plain({one, slice("n", "b", "s", {}, {unready(at("fd00::1"))})}));
  EXPECT_TRUE(is_plain({slice("n", "a", "s", {}, {at("10.0.0.1", "", "pod")})}));
  EXPECT_FALSE(is_plain({slice("n", "a", "s", {}, {at("10.0.0.1", "", "pod")})},
                        {.endpoint_pod_names = true}));
  EXPECT_FALSE(is_plain({slice("n", "a", "s", {}, {at("10.0.0.1", "host")})}));
  EXPECT_FALSE(is_plain({slice("n", "a", "s", {}, {at("fd00::1")})}));
  EXPECT_FALSE(
      is_plain({one, slice("n", "b", "s", {endpoint_port("http", 81)}, {at("10.0.0.2")})}));
}

TEST(ServiceBlock, HeadlessInTheOrderGiven) {
  const auto block = build(
      headless("n", "s"),
      {slice("n", "b", "s", {}, {at("10.244.0.9"), at("10.244.0.1"), unready(at("10.244.0.2"))}),
       slice("n", "a", "s", {}, {at("10.244.0.5")})});
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->kind(), BlockKind::Headless);
  EXPECT_EQ(own(*block), (Lines{"10.244.0.9", "10.244.0.1", "10.244.0.5"}));
  EXPECT_EQ(block->endpoints().size(), 3u);
  check_consistent(*block);
}

TEST(ServiceBlock, HeadlessWithoutReadyEndpointsIsNothing) {
  EXPECT_EQ(build(headless("n", "s")), nullptr);
  EXPECT_EQ(build(headless("n", "s", {port("http", 80)}),
                  {slice("n", "a", "s", {endpoint_port("http", 80)}, {})}),
            nullptr);
  EXPECT_EQ(build(headless("n", "s"), {slice("n", "a", "s", {}, {unready(at("10.244.0.1"))})}),
            nullptr);
}

TEST(ServiceBlock, ExternalName) {
  const auto block = build(external("n", "s", "WWW.Example.com"));
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->kind(), BlockKind::ExternalName);
  EXPECT_EQ(dns::name_to_text(block->external_name()), "www.example.com.");
  EXPECT_EQ(block->a_count() + block->aaaa_count() + block->srv_count(), 0u);
  EXPECT_FALSE(block->is_cluster_ip(ip("0.0.0.0")));
  check_consistent(*block);
  // Ports and slices of such a service mean nothing.
  Service with_ports = external("n", "s", "www.example.com.");
  with_ports.ports = {port("http", 80)};
  const auto other = build(with_ports, {slice("n", "a", "s", {}, {at("10.0.0.1")})});
  EXPECT_EQ(dns::name_to_text(other->external_name()), "www.example.com.");
  EXPECT_TRUE(other->named_ports().empty());
  EXPECT_EQ(other->endpoint_count(), 0u);
}

TEST(ServiceBlock, ExternalNameThatIsNoName) {
  for (const char* target : {"", ".", "a..b", "\\"}) {
    EXPECT_EQ(build(external("n", "s", target)), nullptr) << target;
  }
}

TEST(ServiceBlock, Labels) {
  const auto block =
      build(headless("n", "s"),
            {slice("n", "a", "s", {},
                   {at("10.244.0.10"), at("1.22.255.0"), at("2001:db8::1"), at("fd00::"), at("::1"),
                    at("10.244.0.11", "My-Host"), at("10.244.0.12", "", "pod-name"),
                    at("10.244.0.13", "host", "pod")})});
  Lines labels;
  for (const auto& e : block->endpoints()) labels.push_back(text_of(block->label(e.label)));
  EXPECT_EQ(labels, (Lines{"10-244-0-10", "1-22-255-0", "2001-db8--1", "fd00--0", "--1", "my-host",
                           "10-244-0-12", "host"}));
}

TEST(ServiceBlock, EndpointPodNames) {
  const std::string long_name(64, 'p');
  const auto block = build(headless("n", "s"),
                           {slice("n", "a", "s", {},
                                  {at("10.0.0.1", "", "Pod-1"), at("10.0.0.2", "host", "pod-2"),
                                   at("10.0.0.3", "", long_name), at("10.0.0.4")})},
                           {.endpoint_pod_names = true});
  EXPECT_EQ(names(*block), (Lines{"pod-1 10.0.0.1 []", "host 10.0.0.2 []", "10-0-0-3 10.0.0.3 []",
                                  "10-0-0-4 10.0.0.4 []"}));
}

TEST(ServiceBlock, TheSameEndpointInSeveralSlices) {
  const auto block =
      build(headless("n", "s"),
            {slice("n", "a", "s", {endpoint_port("http", 80)}, {at("10.0.0.1"), at("10.0.0.2")}),
             slice("n", "b", "s", {endpoint_port("grpc", 90)}, {at("10.0.0.2"), at("10.0.0.3")}),
             slice("n", "c", "s", {endpoint_port("http", 80)}, {at("10.0.0.1")})});
  EXPECT_EQ(own(*block), (Lines{"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
  EXPECT_EQ(names(*block),
            (Lines{"10-0-0-1 10.0.0.1 [80/_http]", "10-0-0-2 10.0.0.2 [80/_http 90/_grpc]",
                   "10-0-0-3 10.0.0.3 [90/_grpc]"}));
  EXPECT_EQ(block->srv_count(), 4u);
  EXPECT_EQ(block->named_ports()[0].srv_count, 2u);
  EXPECT_EQ(block->named_ports()[0].a_count, 2u);
  EXPECT_EQ(block->named_ports()[1].srv_count, 2u);
  check_consistent(*block);
}

TEST(ServiceBlock, OneHostnameWithSeveralAddresses) {
  const auto block = build(headless("n", "s"),
                           {slice("n", "a", "s", {},
                                  {at("10.0.0.1", "x"), at("10.0.0.2", "y"), at("10.0.0.3", "x"),
                                   at("fd00::3", "x"), at("10.0.0.1", "x")})});
  EXPECT_EQ(names(*block), (Lines{"x 10.0.0.1,10.0.0.3,fd00::3 []", "y 10.0.0.2 []"}));
  EXPECT_EQ(unit::sorted(own(*block)), (Lines{"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::3"}));
  EXPECT_NE(block->endpoints()[0].counters, 0) << "several addresses, so they rotate";
  EXPECT_EQ(block->endpoints()[1].counters, 0);
  check_consistent(*block);
}

TEST(ServiceBlock, OneAddressUnderSeveralNames) {
  const std::vector<EndpointSlice> slices{
      slice("n", "a", "s", {},
            {at("10.0.0.1", "x"), at("10.0.0.2", "x"), at("10.0.0.1", "y"), at("10.0.0.1"),
             at("fd00::1", "x"), at("fd00::1", "y")})};
  for (const bool is_headless : {true, false}) {
    const auto block =
        build(is_headless ? headless("n", "s") : cluster_ip("n", "s", ips({"10.96.0.1"})), slices);
    EXPECT_EQ(names(*block), (Lines{"x 10.0.0.1,10.0.0.2,fd00::1 []", "y 10.0.0.1,fd00::1 []",
                                    "10-0-0-1 10.0.0.1 []"}));
    if (is_headless) {
      EXPECT_EQ(own(*block), (Lines{"10.0.0.1", "10.0.0.2", "fd00::1"}));
    }
    check_consistent(*block);
  }
}

TEST(ServiceBlock, Ports) {
  const auto block =
      build(cluster_ip("n", "dns", ips({"10.96.0.10"}),
                       {port("dns", 53, Protocol::Udp), port("dns-tcp", 53), port("metrics", 9153),
                        port("dns", 5353, Protocol::Sctp), port("", 9)}));
  const auto find = [&](const char* label, Protocol protocol) {
    return block->find_port(reinterpret_cast<const std::uint8_t*>(label), protocol);
  };
  EXPECT_EQ(find("\4_dns", Protocol::Udp), 0);
  EXPECT_EQ(find("\4_dns", Protocol::Sctp), 3);
  EXPECT_EQ(find("\4_dns", Protocol::Tcp), ServiceBlock::kNoPort);
  EXPECT_EQ(find("\10_dns-tcp", Protocol::Tcp), 1);
  EXPECT_EQ(find("\3dns", Protocol::Udp), ServiceBlock::kNoPort);
  EXPECT_EQ(find("\3_dn", Protocol::Udp), ServiceBlock::kNoPort);
  EXPECT_EQ(find("\5_dnsx", Protocol::Udp), ServiceBlock::kNoPort);
  EXPECT_EQ(find("\1_", Protocol::Tcp), ServiceBlock::kNoPort);
  EXPECT_TRUE(block->has_protocol(Protocol::Udp));
  EXPECT_TRUE(block->has_protocol(Protocol::Sctp));
  // Port 53 once: an RRset holds no record twice.
  EXPECT_EQ(block->srv_count(), 4u);
}

TEST(ServiceBlock, OnlyNamedPortsMakeAProtocol) {
  const auto block = build(cluster_ip("n", "s", ips({"10.96.0.1"}), {port("", 80)}));
  EXPECT_FALSE(block->has_protocol(Protocol::Tcp));
  EXPECT_EQ(block->srv_count(), 1u);
}

TEST(ServiceBlock, SlicesWithoutPortNumbers) {
  const auto block = build(
      headless("n", "s"),
      {slice("n", "a", "s", {endpoint_port("http", 0), endpoint_port("x", 7)}, {at("10.0.0.1")})});
  EXPECT_EQ(names(*block), (Lines{"10-0-0-1 10.0.0.1 [0/_http 7/_x]"}));
  EXPECT_EQ(block->srv_count(), 1u);
  EXPECT_EQ(block->named_ports()[0].srv_count, 0u);
  EXPECT_EQ(block->named_ports()[0].a_count, 1u);
}

TEST(ServiceBlock, OneSetForSlicesWithTheSamePorts) {
  std::vector<EndpointSlice> slices;
  for (int i = 0; i < 20; ++i) {
    slices.push_back(slice("n", "s" + std::to_string(i), "s", {endpoint_port("http", 80)},
                           {at("10.0.0." + std::to_string(i))}));
  }
  const auto block = build(headless("n", "s"), slices);
  for (const auto& e : block->endpoints()) EXPECT_EQ(e.port_set, 0);
  EXPECT_EQ(block->named_ports().size(), 1u);
  EXPECT_EQ(block->named_ports()[0].a_count, 20u);
  check_consistent(*block);
}

// Beyond sixteen there are indexes; around the border both ways must agree.
TEST(ServiceBlock, EverySizeAroundTheIndexes) {
  for (int count = 1; count <= 70; ++count) {
    std::vector<registry::Endpoint> endpoints;
    for (int i = 0; i < count; ++i) {
      const std::string n = std::to_string(i);
      endpoints.push_back(i % 3 == 0   ? at("10.1.0." + n, "host-" + n)
                          : i % 3 == 1 ? at("fd00::" + n)
                                       : at("10.2.0." + n));
    }
    const auto block = build(headless("n", "s"), {slice("n", "a", "s", {}, endpoints)});
    ASSERT_EQ(block->endpoints().size(), static_cast<std::size_t>(count));
    check_consistent(*block);
    if (::testing::Test::HasFailure()) FAIL() << count;
  }
}

TEST(ServiceBlock, ManyEndpoints) {
  std::vector<EndpointSlice> slices;
  for (int s = 0; s < 50; ++s) {
    std::vector<registry::Endpoint> endpoints;
    for (int i = 0; i < 100; ++i) {
      endpoints.push_back(at("10.244." + std::to_string(s) + "." + std::to_string(i)));
    }
    slices.push_back(
        slice("n", "s" + std::to_string(s), "s", {endpoint_port("http", 80)}, endpoints));
  }
  const auto block = build(headless("n", "s"), slices);
  EXPECT_EQ(block->a_count(), 5000u);
  EXPECT_EQ(block->srv_count(), 5000u);
  check_consistent(*block);
}

// Random clusters: shared and repeated addresses and hostnames in both families, unready ones, all
// port sets.
TEST(ServiceBlock, RandomSlices) {
  std::mt19937 random(17);
  for (int round = 0; round < 300; ++round) {
    std::vector<EndpointSlice> slices;
    const auto variety = 2 + random() % 40;
    for (unsigned s = 0; s < 1 + random() % 4; ++s) {
      std::vector<registry::EndpointPort> ports;
      for (auto p = random() % 3; p > 0; --p) {
        ports.push_back(endpoint_port(random() % 3 == 0 ? "" : "p" + std::to_string(random() % 3),
                                      static_cast<std::uint16_t>(random() % 3 * 1000)));
      }
      std::vector<registry::Endpoint> endpoints;
      for (auto e = random() % 30; e > 0; --e) {
        const std::string n = std::to_string(random() % variety);
        const std::string address = random() % 4 == 0 ? "fd00::" + n : "10.0.0." + n;
        auto endpoint =
            at(address, random() % 3 == 0 ? "h" + std::to_string(random() % variety) : "");
        endpoint.ready = random() % 5 != 0;
        endpoints.push_back(std::move(endpoint));
      }
      slices.push_back(slice("n", "s" + std::to_string(s), "s", std::move(ports), endpoints));
    }
    const bool is_headless = random() % 2 == 0;
    const auto block = build(is_headless ? headless("n", "s")
                                         : cluster_ip("n", "s", ips({"10.0.0.1", "fd00::1"}),
                                                      {port("p0", 80), port("p1", 81)}),
                             slices);
    // The model: which addresses are ready under which label.
    std::set<std::string> ready;
    std::map<std::string, std::set<std::string>> by_label;
    std::map<std::string, std::set<std::uint16_t>> numbers_of;
    std::map<std::string, std::set<std::pair<std::string, std::uint16_t>>> srv_at;  // by port
    std::map<std::string, std::set<std::string>> addresses_at;
    for (const auto& s : slices) {
      for (const auto& e : s.endpoints) {
        if (!e.ready) continue;
        std::string label = e.address.to_string();
        std::replace(label.begin(), label.end(), e.address.is_v4() ? '.' : ':', '-');
        if (label.ends_with('-')) label += '0';
        if (e.detail) label = e.detail->hostname;
        ready.insert(e.address.to_string());
        by_label[label].insert(e.address.to_string());
        numbers_of[label];
        for (const auto& p : s.ports) {
          if (p.port != 0) numbers_of[label].insert(p.port);
          if (p.name.empty()) continue;
          if (p.port != 0) srv_at["_" + p.name].insert({label, p.port});
        }
      }
    }
    // An address is at every port of every name that has it.
    for (const auto& s : slices) {
      for (const auto& e : s.endpoints) {
        if (!e.ready) continue;
        std::string label = e.address.to_string();
        std::replace(label.begin(), label.end(), e.address.is_v4() ? '.' : ':', '-');
        if (label.ends_with('-')) label += '0';
        if (e.detail) label = e.detail->hostname;
        for (const auto& p : s.ports) {
          if (p.name.empty()) continue;
          addresses_at["_" + p.name].insert(by_label[label].begin(), by_label[label].end());
        }
      }
    }
    if (is_headless && ready.empty()) {
      ASSERT_EQ(block, nullptr);
      continue;
    }
    ASSERT_NE(block, nullptr);
    check_consistent(*block);
    std::map<std::string, std::set<std::string>> built;
    std::uint32_t srv = 0;
    for (std::uint32_t i = 0; i < block->endpoint_count(); ++i) {
      const ServiceBlock::Endpoint e = block->endpoint(i);
      for (const std::string& text : addresses_of(*block, i)) {
        built[label_of(*block, i)].insert(text);
      }
      const auto numbers = block->numbers(block->port_set(e.port_set));
      const std::set<std::uint16_t> distinct(numbers.begin(), numbers.end());
      ASSERT_EQ(numbers.size(), distinct.size());
      ASSERT_EQ(distinct, numbers_of[label_of(*block, i)]);
      if (is_headless) {
        ASSERT_EQ(numbers.empty(), i >= block->srv_endpoint_count());
      }
      srv += static_cast<std::uint32_t>(numbers.size());
    }
    ASSERT_EQ(built, by_label) << "round " << round;
    if (is_headless) {
      ASSERT_EQ(block->srv_count(), srv);
      for (const auto& p : block->named_ports()) {
        const std::string port_name = text_of(block->label(p.label));
        std::set<std::pair<std::string, std::uint16_t>> answers;
        std::multiset<std::string> addresses;
        for (std::size_t u = 0; u < block->uses(p).size(); ++u) {
          const auto use = block->uses(p)[u];
          const auto& set = block->port_set(use.set);
          for (std::uint32_t k = 0; k < set.endpoint_count && use.number != 0; ++k) {
            ASSERT_TRUE(
                answers.insert({label_of(*block, set.endpoint_first + k), use.number}).second);
          }
          if (u != 0 && block->uses(p)[u - 1].set == use.set) continue;
          for (const bool v4 : {true, false}) {
            const ServiceBlock::Run run = block->rows_of(use.set, v4);
            for (std::uint32_t r = run.first; r < run.first + run.count; ++r) {
              ASSERT_LT(r, v4 ? block->a_count() : block->aaaa_count());
              addresses.insert(address_in(*block, v4, r).to_string());
            }
          }
        }
        ASSERT_EQ(answers, srv_at[port_name]) << "round " << round;
        ASSERT_EQ(p.srv_count, answers.size());
        const auto& expected = addresses_at[port_name];
        ASSERT_EQ(addresses, std::multiset<std::string>(expected.begin(), expected.end()))
            << "round " << round;
        ASSERT_EQ(p.a_count + p.aaaa_count, addresses.size());
      }
    }
    if (::testing::Test::HasFailure()) FAIL() << "round " << round;
  }
}

std::vector<registry::EndpointPort> many_ports(int count, const std::string& prefix = "p") {
  std::vector<registry::EndpointPort> ports;
  for (int i = 0; i < count; ++i) {
    ports.push_back(endpoint_port(prefix + std::to_string(i), static_cast<std::uint16_t>(i + 1)));
  }
  return ports;
}

std::vector<registry::Endpoint> many_endpoints(int count, const std::string& hostname = "") {
  std::vector<registry::Endpoint> endpoints;
  for (int i = 0; i < count; ++i) {
    const std::string address = "10.1." + std::to_string(i >> 8) + "." + std::to_string(i & 255);
    endpoints.push_back(at(address, hostname.empty() ? "" : hostname + std::to_string(i)));
  }
  return endpoints;
}

TEST(ServiceBlock, ManyPortsAreFound) {
  for (const int count : {16, 17, 3'000}) {
    const auto block =
        build(headless("n", "s"), {slice("n", "a", "s", many_ports(count), {at("10.0.0.1")})});
    ASSERT_EQ(block->named_ports().size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      std::string label = "_p" + std::to_string(i);
      label.insert(label.begin(), static_cast<char>(label.size()));
      const auto* const octets = reinterpret_cast<const std::uint8_t*>(label.data());
      ASSERT_EQ(block->find_port(octets, Protocol::Tcp), i);
      ASSERT_EQ(block->find_port(octets, Protocol::Udp), ServiceBlock::kNoPort);
    }
    EXPECT_EQ(block->find_port(reinterpret_cast<const std::uint8_t*>("\2_q"), Protocol::Tcp),
              ServiceBlock::kNoPort);
    EXPECT_EQ(block->srv_count(), static_cast<std::uint32_t>(count));
    check_consistent(*block);
  }
}

// Every kind of slices that tenants can make: four times the objects must not take sixteen times
// the time or the octets, and ports times endpoints no more than ports plus endpoints.
TEST(ServiceBlock, CostIsLinear) {
  using Make = std::function<std::vector<EndpointSlice>(int)>;
  const std::vector<std::pair<const char*, Make>> kinds = {
      {"ports over the same endpoints",
       [](int n) -> std::vector<EndpointSlice> {
         return {slice("n", "a", "s", many_ports(n), many_endpoints(n))};
       }},
      {"slices with different ports each",
       [](int n) {
         std::vector<EndpointSlice> slices;
         for (int i = 0; i < n / 10; ++i) {
           slices.push_back(
               slice("n", std::to_string(i), "s", many_ports(10, "p" + std::to_string(i) + "-"),
                     {at("10.2." + std::to_string(i >> 8) + "." + std::to_string(i & 255))}));
         }
         return slices;
       }},
      {"the same endpoints in slices with different ports",
       [](int n) {
         std::vector<EndpointSlice> slices;
         for (int i = 0; i < 8; ++i) {
           slices.push_back(slice("n", std::to_string(i), "s",
                                  many_ports(n / 8, "p" + std::to_string(i) + "-"),
                                  many_endpoints(n / 8)));
         }
         return slices;
       }},
      {"one name for all addresses, each twice",
       [](int n) -> std::vector<EndpointSlice> {
         std::vector<registry::Endpoint> endpoints = many_endpoints(n);
         for (auto& e : endpoints) e = at(e.address.to_string(), "one");
         return {slice("n", "a", "s", many_ports(3), endpoints),
                 slice("n", "b", "s", many_ports(3), endpoints)};
       }},
      {"one address under all names, each twice",
       [](int n) -> std::vector<EndpointSlice> {
         std::vector<registry::Endpoint> endpoints = many_endpoints(n, "h");
         for (auto& e : endpoints) e = at("10.0.0.1", e.detail->hostname);
         return {slice("n", "a", "s", many_ports(3), endpoints),
                 slice("n", "b", "s", many_ports(3), endpoints)};
       }},
      {"all addresses under two names, in both of which are other ports",
       [](int n) -> std::vector<EndpointSlice> {
         return {slice("n", "a", "s", many_ports(n / 8, "a"), many_endpoints(n, "a")),
                 slice("n", "b", "s", many_ports(n / 8, "b"), many_endpoints(n, "b"))};
       }},
      {"ports of one number and of one name",
       [](int n) -> std::vector<EndpointSlice> {
         std::vector<registry::EndpointPort> ports;
         for (int i = 0; i < n; ++i) {
           ports.push_back(endpoint_port("p" + std::to_string(i), 80));
           ports.push_back(endpoint_port("q", static_cast<std::uint16_t>(i + 1)));
         }
         return {slice("n", "a", "s", ports, many_endpoints(n))};
       }},
  };
  for (const auto& [what, make] : kinds) {
    const auto small = make(1'000);
    const auto large = make(8'000);
    for (const bool is_headless : {true, false}) {
      const Service service = is_headless
                                  ? headless("n", "s")
                                  : cluster_ip("n", "s", ips({"10.96.0.1"}), {port("p0", 1)});
      EXPECT_LT(unit::growth([&] { return build(service, small)->size(); },
                             [&] { return build(service, large)->size(); }),
                28)
          << what;
      EXPECT_LT(build(service, large)->size(), 12 * build(service, small)->size()) << what;
      EXPECT_LT(build(service, large)->size(), 8'000u * 250) << what;
    }
  }
}

// A tenant who makes objects only to fill memory gets what kMaxServiceOctets says, and no more.
TEST(ServiceBlock, IsBoundedInOctets) {
  BlockOptions options;
  options.most_octets = 400'000;
  // Endpoints.
  std::vector<EndpointSlice> slices{
      slice("n", "a", "s", many_ports(3), many_endpoints(20'000, "host"))};
  for (const bool is_headless : {true, false}) {
    const Service service =
        is_headless ? headless("n", "s") : cluster_ip("n", "s", ips({"10.96.0.1"}));
    std::vector<const EndpointSlice*> pointers{&slices[0]};
    BlockBuilder builder(service, pointers, options, 1);
    const auto block = builder.build(1, {});
    ASSERT_NE(block, nullptr);
    EXPECT_LE(block->size(), options.most_octets);
    EXPECT_GT(block->endpoint_count(), 1'000u);
    EXPECT_EQ(builder.left_out().endpoints + block->endpoint_count(), 20'000u);
    EXPECT_EQ(builder.left_out().ports, 0u);
    check_consistent(*block);
  }
  // Ports.
  slices = {slice("n", "a", "s", many_ports(20'000), many_endpoints(100))};
  {
    const Service service = headless("n", "s");
    std::vector<const EndpointSlice*> pointers{&slices[0]};
    BlockBuilder builder(service, pointers, options, 1);
    const auto block = builder.build(1, {});
    EXPECT_LE(block->size(), options.most_octets);
    EXPECT_EQ(block->endpoint_count(), 100u) << "their addresses are served all the same";
    EXPECT_GE(builder.left_out().ports, 19'000u);
    check_consistent(*block);
  }
  // Endpoints that stand in ever different ones of many slices: their ports are joined, up to a
  // bound.
  slices.clear();
  for (int s = 0; s < 40; ++s) {
    std::vector<registry::Endpoint> endpoints;
    for (int i = 0; i < 1'000; ++i) {
      if (((i * 7'919) >> s % 10 & 1) == 0 || s > 30)
        endpoints.push_back(many_endpoints(i + 1).back());
    }
    slices.push_back(slice("n", std::to_string(s), "s",
                           many_ports(400, "p" + std::to_string(s) + "-"), endpoints));
  }
  {
    const Service service = headless("n", "s");
    std::vector<const EndpointSlice*> pointers;
    for (const EndpointSlice& s : slices) pointers.push_back(&s);
    const BlockOptions usual;
    BlockBuilder builder(service, pointers, usual, 1);
    const auto block = builder.build(1, {});
    EXPECT_LE(block->size(), 40'000'000u);
    EXPECT_EQ(block->endpoint_count(), 1'000u);
    EXPECT_GT(builder.left_out().ports, 0u);
    check_consistent(*block);
  }
}

// More addresses of one name than a count of 16 bits holds.
TEST(ServiceBlock, OneNameWithVeryManyAddresses) {
  std::vector<registry::Endpoint> endpoints;
  for (int i = 0; i < 70'000; ++i) {
    endpoints.push_back(at("10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) +
                               "." + std::to_string(i & 255),
                           "one"));
  }
  const std::vector<EndpointSlice> slices{slice("n", "a", "s", many_ports(1), endpoints)};
  const Service service = headless("n", "s");
  std::vector<const EndpointSlice*> pointers{&slices[0]};
  const BlockOptions options;
  BlockBuilder builder(service, pointers, options, 1);
  const auto block = builder.build(1, {});
  EXPECT_EQ(block->a_count(), 65'535u);
  EXPECT_EQ(block->endpoint(0).a_count, 65'535u);
  EXPECT_EQ(builder.left_out().endpoints, 70'000u - 65'535u);
  EXPECT_EQ(block->find_address(ip("10.0.255.254"), 0), 0u);
  EXPECT_EQ(block->find_address(ip("10.1.0.0"), 0), kNotFound);
}

TEST(ServiceBlock, Parts) {
  const Service service = headless("n", "s");
  const std::vector<EndpointSlice> slices{
      slice("n", "a", "s", many_ports(2),
            {at("10.0.0.1", "x"), at("10.0.0.2"), unready(at("10.0.0.3"))}),
      slice("n", "b", "s", many_ports(3), {at("10.0.0.4"), at("10.0.0.1", "y")})};
  std::vector<const EndpointSlice*> pointers{&slices[0], &slices[1]};
  BlockOptions options;
  BlockBuilder builder(service, pointers, options, 1);
  EXPECT_EQ(unit::sorted(own(*builder.build(1, {}))), (Lines{"10.0.0.1", "10.0.0.2", "10.0.0.4"}));
  const std::vector<BlockBuilder::Pick> picks{{1, 0}, {0, 0}, {1, 1}, {0, 2}};
  const auto part = builder.build_part(picks, 2, {});
  ASSERT_NE(part, nullptr);
  EXPECT_EQ(unit::sorted(own(*part)), (Lines{"10.0.0.1", "10.0.0.4"}));
  EXPECT_EQ(part->srv_count(), 3u + 2 + 3);
  EXPECT_TRUE(part->named_ports().empty());
  const std::vector<BlockBuilder::Pick> none{{0, 2}};
  EXPECT_EQ(builder.build_part(none, 3, {}), nullptr);
  // All parts together take no more than the service may.
  options.most_octets = 20'000;
  BlockBuilder small(service, pointers, options, 1);
  std::size_t octets = 0;
  int made = 0;
  for (int i = 0; i < 200; ++i) {
    const auto next = small.build_part(picks, 2, {});
    if (next == nullptr) break;
    ++made;
    octets += next->size();
  }
  EXPECT_GT(made, 5);
  EXPECT_LT(made, 200);
  EXPECT_LE(octets, options.most_octets);
  EXPECT_GT(small.left_out().parts + small.left_out().endpoints, 0u);
}

TEST(ServiceBlock, RotationGoesRound) {
  const auto block =
      build(headless("n", "s"),
            {slice("n", "a", "s", {}, {at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")})});
  std::vector<std::uint32_t> turns;
  for (int i = 0; i < 7; ++i) turns.push_back(block->rotate(ServiceBlock::kCounterA, 3));
  EXPECT_EQ(turns, (std::vector<std::uint32_t>{0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(block->rotate(ServiceBlock::kCounterAaaa, 3), 0u) << "each RRset by itself";
  // One answer does not turn.
  EXPECT_EQ(block->rotate(ServiceBlock::kCounterA, 1), 0u);
  EXPECT_EQ(block->rotate(ServiceBlock::kCounterA, 0), 0u);
  EXPECT_EQ(block->rotate(ServiceBlock::kCounterA, 3), 1u);

  // The next block goes on, also when it has fewer answers.
  const auto next =
      build(headless("n", "s"), {slice("n", "a", "s", {}, {at("10.0.0.1"), at("10.0.0.2")})});
  next->take_rotation_from(*block);
  EXPECT_EQ(next->rotate(ServiceBlock::kCounterA, 2), 0u);
  EXPECT_EQ(next->rotate(ServiceBlock::kCounterA, 2), 1u);
}

TEST(ServiceBlock, LabelsThatAreTooLongAreCut) {
  const std::string long_name(100, 'x');
  const auto block = build(cluster_ip("n", "s", ips({"10.96.0.1"}), {port(long_name, 80)}),
                           {slice("n", "a", "s", {}, {at("10.0.0.1", long_name)})});
  EXPECT_EQ(text_of(block->label(block->endpoints()[0].label)), std::string(63, 'x'));
  EXPECT_EQ(text_of(block->label(block->named_ports()[0].label)), "_" + std::string(62, 'x'));
}

}  // namespace
}  // namespace clusterdns::zones
