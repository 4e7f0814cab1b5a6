#include "zones/record_table.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "tests/unit/dns/query/request.h"
#include "tests/unit/growth.h"
#include "tests/unit/zones/objects.h"

namespace clusterdns::zones {
namespace {

using registry::EndpointSlice;
using registry::Service;
using unit::at;
using unit::cluster_ip;
using unit::external;
using unit::headless;
using unit::ip;
using unit::ips;
using unit::Lines;
using unit::slice;

// A label with the padding that look-ups ask for.
std::vector<std::uint8_t> label(const std::string& text) {
  std::vector<std::uint8_t> octets{static_cast<std::uint8_t>(text.size())};
  octets.insert(octets.end(), text.begin(), text.end());
  octets.insert(octets.end(), dns::kPadding, 0x55);
  return octets;
}

class RecordTableTest : public ::testing::Test {
 protected:
  void publish(const Service& service, const std::vector<EndpointSlice>& slices = {}) {
    std::vector<const EndpointSlice*> pointers;
    for (const EndpointSlice& s : slices) pointers.push_back(&s);
    table_.publish(service, pointers);
  }
  const ServiceBlock* find(const std::string& ns, const std::string& name) {
    auto key = label(name);
    key.resize(key.size() - dns::kPadding);
    const auto ns_label = label(ns);
    const std::size_t size = key.size() + 1 + ns.size();
    key.insert(key.end(), ns_label.begin(), ns_label.end());
    return table_.find({key.data(), size});
  }
  bool has_namespace(const std::string& ns) { return table_.has_namespace(label(ns).data()); }
  bool has_pod(const std::string& ns, const std::string& address) {
    return table_.has_pod(label(ns).data(), ip(address));
  }
  // Services that have an address, by name, each once.
  Lines at_address(const std::string& text) {
    Lines out;
    table_.for_each_at(ip(text), [&](const ServiceBlock& block) {
      const auto all = block.addresses();
      // Visits may be false alarms, never misses.
      if (std::find(all.begin(), all.end(), ip(text)) != all.end()) {
        const auto key = block.key();
        out.emplace_back(key.begin() + 1, key.begin() + 1 + key[0]);
      }
      return true;
    });
    return unit::sorted(out);
  }

  dns::ReclaimDomain reclaim_{1};
  RecordTable table_{reclaim_, {}};
};

TEST_F(RecordTableTest, Services) {
  EXPECT_EQ(find("default", "web"), nullptr);
  publish(cluster_ip("default", "web", ips({"10.96.0.1"})));
  publish(cluster_ip("other", "web", ips({"10.96.0.2"})));
  ASSERT_NE(find("default", "web"), nullptr);
  EXPECT_TRUE(find("default", "web")->is_cluster_ip(ip("10.96.0.1")));
  EXPECT_TRUE(find("other", "web")->is_cluster_ip(ip("10.96.0.2")));
  EXPECT_EQ(find("default", "we"), nullptr);
  EXPECT_EQ(find("web", "default"), nullptr);
  EXPECT_EQ(find("defaul", "web"), nullptr);
  EXPECT_EQ(table_.service_count(), 2u);
  EXPECT_GT(table_.block_octets(), 0u);

  table_.remove({"default", "web"});
  EXPECT_EQ(find("default", "web"), nullptr);
  EXPECT_NE(find("other", "web"), nullptr);
  table_.remove({"default", "web"});
  table_.remove({"other", "web"});
  EXPECT_EQ(table_.service_count(), 0u);
  EXPECT_EQ(table_.block_octets(), 0u);
}

TEST_F(RecordTableTest, AReplacedBlockIsFreedOnlyByCollect) {
  publish(cluster_ip("n", "s", ips({"10.96.0.1"})));
  const std::size_t waiting = reclaim_.pending();
  reclaim_.enter(0);
  const ServiceBlock* const before = find("n", "s");
  publish(cluster_ip("n", "s", ips({"10.96.0.2"})));
  table_.collect();
  EXPECT_GE(reclaim_.pending(), waiting + 1);
  EXPECT_TRUE(before->is_cluster_ip(ip("10.96.0.1"))) << "still readable";
  EXPECT_TRUE(find("n", "s")->is_cluster_ip(ip("10.96.0.2")));
  EXPECT_EQ(before->id(), find("n", "s")->id());
  reclaim_.leave(0);
  table_.collect();
  EXPECT_EQ(reclaim_.pending(), 0u);
}

TEST_F(RecordTableTest, NothingToAnswerIsNotThere) {
  publish(headless("n", "s"));
  EXPECT_EQ(find("n", "s"), nullptr);
  publish(headless("n", "s"), {slice("n", "a", "s", {}, {at("10.0.0.1")})});
  EXPECT_NE(find("n", "s"), nullptr);
  publish(headless("n", "s"), {slice("n", "a", "s", {}, {unit::unready(at("10.0.0.1"))})});
  EXPECT_EQ(find("n", "s"), nullptr);
  EXPECT_EQ(at_address("10.0.0.1"), Lines{});
}

TEST_F(RecordTableTest, NumbersAreUsedAgain) {
  publish(cluster_ip("n", "a", ips({"10.96.0.1"})));
  publish(cluster_ip("n", "b", ips({"10.96.0.2"})));
  const auto id_of_a = find("n", "a")->id();
  EXPECT_NE(find("n", "b")->id(), id_of_a);
  table_.remove({"n", "a"});
  publish(cluster_ip("n", "c", ips({"10.96.0.3"})));
  EXPECT_EQ(find("n", "c")->id(), id_of_a);
  EXPECT_EQ(at_address("10.96.0.1"), Lines{});
  EXPECT_EQ(at_address("10.96.0.3"), Lines{"c"});
}

TEST_F(RecordTableTest, RotationGoesOnAcrossReplacement) {
  const std::vector<EndpointSlice> slices{
      slice("n", "a", "s", {}, {at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")})};
  publish(headless("n", "s"), slices);
  EXPECT_EQ(find("n", "s")->rotate(ServiceBlock::kCounterA, 3), 0u);
  publish(headless("n", "s"), slices);
  EXPECT_EQ(find("n", "s")->rotate(ServiceBlock::kCounterA, 3), 1u);
}

TEST_F(RecordTableTest, ReverseEntries) {
  publish(cluster_ip("n", "web", ips({"10.96.0.1", "fd00::1"})),
          {slice("n", "a", "web", {}, {at("10.244.0.1"), at("10.244.0.2")})});
  publish(headless("n", "db"), {slice("n", "b", "db", {}, {at("10.244.0.2"), at("fd00::2")})});
  EXPECT_EQ(at_address("10.96.0.1"), Lines{"web"});
  EXPECT_EQ(at_address("fd00::1"), Lines{"web"});
  EXPECT_EQ(at_address("10.244.0.1"), Lines{"web"});
  EXPECT_EQ(at_address("10.244.0.2"), (Lines{"db", "web"}));
  EXPECT_EQ(at_address("fd00::2"), Lines{"db"});
  EXPECT_EQ(at_address("10.244.0.3"), Lines{});
  // An IPv6 address with the octets of an IPv4 one is another.
  EXPECT_EQ(at_address("0af4:0001::"), Lines{});

  // A change adds and takes away what differs.
  publish(headless("n", "db"), {slice("n", "b", "db", {}, {at("10.244.0.3"), at("fd00::2")})});
  EXPECT_EQ(at_address("10.244.0.2"), Lines{"web"});
  EXPECT_EQ(at_address("10.244.0.3"), Lines{"db"});
  EXPECT_EQ(at_address("fd00::2"), Lines{"db"});
  table_.remove({"n", "web"});
  EXPECT_EQ(at_address("10.244.0.2"), Lines{});
  EXPECT_EQ(at_address("10.96.0.1"), Lines{});
}

TEST_F(RecordTableTest, VisitsEndWhenToldTo) {
  for (const char* name : {"a", "b", "c"}) publish(cluster_ip("n", name, ips({"10.96.0.9"})));
  int visits = 0;
  table_.for_each_at(ip("10.96.0.9"), [&](const ServiceBlock&) { return ++visits < 2; });
  EXPECT_EQ(visits, 2);
}

// Of many services at one address as many are kept as PTR answers; others take the places of those
// that go, and the one whose own address it is comes first, whenever it came.
TEST_F(RecordTableTest, ManyServicesAtOneAddress) {
  constexpr int kMost = RecordTable::kMaxAtAddress;
  const auto with_endpoint = [&](int i) {
    const std::string name = "s" + std::to_string(i);
    publish(headless("n", name), {slice("n", name, name, {}, {at("10.0.0.1"), at("fd00::1")})});
  };
  for (int i = 0; i < 3 * kMost; ++i) with_endpoint(i);
  EXPECT_EQ(at_address("10.0.0.1").size(), kMost);
  publish(cluster_ip("n", "own", ips({"10.0.0.1"})));
  const auto has_own = [&] {
    const Lines all = at_address("10.0.0.1");
    return std::find(all.begin(), all.end(), "own") != all.end();
  };
  EXPECT_TRUE(has_own());
  EXPECT_EQ(at_address("10.0.0.1").size(), kMost);
  // Whoever goes, there are as many as there can be, and the prefixes stay to the last.
  for (int i = 0; i < 3 * kMost; ++i) {
    table_.remove({"n", "s" + std::to_string(i)});
    const int left = 3 * kMost - i;  // the service's own included
    ASSERT_EQ(at_address("10.0.0.1").size(), std::min(left, kMost)) << i;
    ASSERT_TRUE(has_own());
    ASSERT_EQ(at_address("fd00::1").size(), std::min(left - 1, kMost));
    ASSERT_TRUE(table_.has_reverse_below(ip("10.0.0.0"), 3));
    ASSERT_EQ(table_.has_reverse_below(ip("fd00::"), 4), left > 1);
  }
  table_.remove({"n", "own"});
  EXPECT_FALSE(table_.has_reverse_below(ip("10.0.0.0"), 1));
}

// At random, against a model: what PTR finds and which names have something below them.
TEST_F(RecordTableTest, RandomServicesAtFewAddresses) {
  std::mt19937 random(11);
  std::map<std::string, std::set<std::string>> model;  // address -> services
  std::map<std::string, std::set<std::string>> services;
  for (int round = 0; round < 3'000; ++round) {
    const std::string name = "s" + std::to_string(random() % 150);
    for (const std::string& address : services[name]) model[address].erase(name);
    services[name].clear();
    std::vector<registry::Endpoint> endpoints;
    for (auto n = random() % 4; n > 0; --n) {
      const std::string n1 = std::to_string(random() % 3);
      const std::string address =
          random() % 3 == 0 ? "fd00:" + n1 + "::" + n1 : "10.0." + n1 + ".1";
      endpoints.push_back(at(address));
      services[name].insert(address);
      model[address].insert(name);
    }
    publish(headless("n", name), {slice("n", name, name, {}, endpoints)});
    for (const auto& [address, holders] : model) {
      ASSERT_EQ(at_address(address).size(), std::min(holders.size(), RecordTable::kMaxAtAddress));
      ASSERT_EQ(table_.has_reverse_below(ip(address), address[0] == 'f' ? 31 : 3),
                !holders.empty());
    }
  }
}

// Every service of a cluster at one address: placing the ten thousandth costs what the first did.
TEST(RecordTable, CostOfOneAddressIsLinear) {
  const auto publish_many = [](int count) {
    dns::ReclaimDomain reclaim(1);
    RecordTable table(reclaim, {});
    const EndpointSlice one = slice("n", "a", "s", {}, {at("10.0.0.1")});
    const EndpointSlice* const pointer = &one;
    Service service = headless("n", "s");
    for (int i = 0; i < count; ++i) {
      service.key.name = "s" + std::to_string(i);
      table.publish(service, {&pointer, 1});
    }
    for (int i = 0; i < count; ++i) table.remove({"n", "s" + std::to_string(i)});
    return table.service_count();
  };
  EXPECT_LT(unit::growth([&] { return publish_many(2'000); }, [&] { return publish_many(16'000); }),
            24);
}

// Addresses that have nothing in common make many reverse names: they are counted in octets, too.
TEST(RecordTable, ReverseNamesAreBoundedInOctets) {
  dns::ReclaimDomain reclaim(1);
  TableOptions options;
  options.block.most_octets = 1'000'000;
  RecordTable table(reclaim, options);
  const auto publish = [&](const char* format) {
    std::vector<registry::Endpoint> endpoints;
    for (int i = 0; i < 3'000; ++i) {
      char text[64];
      std::snprintf(text, sizeof text, format, static_cast<unsigned>(i) * 0x9E37u & 0xFFFF, i);
      endpoints.push_back(at(text));
    }
    const EndpointSlice one = slice("n", "a", "s", {}, endpoints);
    const EndpointSlice* const pointer = &one;
    return table.publish(headless("n", "s"), {&pointer, 1});
  };
  const auto with_reverse_name = [&](const char* format) {
    int count = 0;
    for (int i = 0; i < 3'000; ++i) {
      char text[64];
      std::snprintf(text, sizeof text, format, static_cast<unsigned>(i) * 0x9E37u & 0xFFFF, i);
      bool found = false;
      table.for_each_at(ip(text), [&](const ServiceBlock&) { return !(found = true); });
      if (found) ++count;
    }
    return count;
  };
  constexpr const char* kNear = "fd00::1:%x:%x";
  constexpr const char* kFar = "%x::%x";
  EXPECT_EQ(publish(kNear).reverse, 0u);
  EXPECT_EQ(with_reverse_name(kNear), 3'000);
  const LeftOut left_out = publish(kFar);
  EXPECT_EQ(left_out.endpoints, 0u) << "names are served";
  EXPECT_GT(left_out.reverse, 500u);
  EXPECT_EQ(with_reverse_name(kFar) + static_cast<int>(left_out.reverse), 3'000);
  EXPECT_EQ(with_reverse_name(kNear), 0);
  // And the other way round, as if it had never been.
  EXPECT_EQ(publish(kNear).reverse, 0u);
  EXPECT_EQ(with_reverse_name(kNear), 3'000);
  EXPECT_EQ(with_reverse_name(kFar), 0);
  table.remove({"n", "s"});
  EXPECT_FALSE(table.has_reverse_below(ip("fd00::"), 1));
  for (unsigned first = 0; first < 16; ++first) {
    EXPECT_FALSE(table.has_reverse_below(ip(std::to_string(first) + "::"), 1));
  }
}

TEST_F(RecordTableTest, ReversePrefixes) {
  const auto below = [&](const char* address, unsigned units) {
    return table_.has_reverse_below(ip(address), units);
  };
  publish(cluster_ip("n", "a", ips({"10.96.0.1", "fd00::1"})));
  EXPECT_TRUE(below("10.0.0.0", 1));
  EXPECT_TRUE(below("10.96.0.0", 2));
  EXPECT_TRUE(below("10.96.0.0", 3));
  EXPECT_TRUE(below("10.96.7.7", 2)) << "what is not given does not count";
  EXPECT_FALSE(below("10.97.0.0", 2));
  EXPECT_FALSE(below("10.96.1.0", 3));
  EXPECT_FALSE(below("96.10.0.0", 1));
  for (unsigned nibbles = 1; nibbles < 32; ++nibbles) {
    EXPECT_TRUE(below("fd00::1", nibbles)) << nibbles;
  }
  EXPECT_FALSE(below("fe00::", 2));
  EXPECT_TRUE(below("fe00::", 1));
  EXPECT_FALSE(below("a60::", 4)) << "10.96 is no IPv6 prefix";

  publish(cluster_ip("n", "b", ips({"10.96.3.1"})));
  publish(cluster_ip("n", "c", ips({"10.96.0.1"})));  // shares a's
  table_.remove({"n", "a"});
  EXPECT_TRUE(below("10.96.0.0", 3));
  EXPECT_FALSE(below("fd00::", 1));
  table_.remove({"n", "c"});
  EXPECT_FALSE(below("10.96.0.0", 3));
  EXPECT_TRUE(below("10.96.0.0", 2));
  table_.remove({"n", "b"});
  EXPECT_FALSE(below("10.96.0.0", 2));
  EXPECT_FALSE(below("10.0.0.0", 1));
}

TEST_F(RecordTableTest, WithoutReverse) {
  TableOptions options;
  options.reverse = false;
  RecordTable table(reclaim_, options);
  const Service service = cluster_ip("n", "a", ips({"10.96.0.1"}));
  table.publish(service, {});
  int visits = 0;
  table.for_each_at(ip("10.96.0.1"), [&](const ServiceBlock&) {
    ++visits;
    return true;
  });
  EXPECT_EQ(visits, 0);
  EXPECT_FALSE(table.has_reverse_below(ip("10.0.0.0"), 1));
  table.remove(service.key);
}

TEST_F(RecordTableTest, Namespaces) {
  EXPECT_FALSE(has_namespace("default"));
  table_.add_namespace("default");
  table_.add_namespace("default");
  table_.add_namespace("kube-system");
  EXPECT_TRUE(has_namespace("default"));
  EXPECT_FALSE(has_namespace("defaul"));
  EXPECT_FALSE(has_namespace("default2"));
  table_.remove_namespace("default");
  EXPECT_FALSE(has_namespace("default")) << "adding twice is adding once";
  table_.remove_namespace("default");
  EXPECT_TRUE(has_namespace("kube-system"));
}

TEST_F(RecordTableTest, PodsAreCounted) {
  table_.add_pod("default", ip("10.244.0.1"));
  table_.add_pod("default", ip("10.244.0.1"));
  table_.add_pod("other", ip("fd00::1"));
  EXPECT_TRUE(has_pod("default", "10.244.0.1"));
  EXPECT_FALSE(has_pod("other", "10.244.0.1"));
  EXPECT_FALSE(has_pod("default", "10.244.0.2"));
  EXPECT_TRUE(has_pod("other", "fd00::1"));
  table_.remove_pod("default", ip("10.244.0.1"));
  EXPECT_TRUE(has_pod("default", "10.244.0.1")) << "another pod has it still";
  table_.remove_pod("default", ip("10.244.0.1"));
  EXPECT_FALSE(has_pod("default", "10.244.0.1"));
  table_.remove_pod("default", ip("10.244.0.1"));
  table_.add_pod("default", ip("10.244.0.1"));
  EXPECT_TRUE(has_pod("default", "10.244.0.1"));
}

TEST_F(RecordTableTest, ReadyAndSerial) {
  EXPECT_FALSE(table_.ready());
  table_.set_ready(true);
  EXPECT_TRUE(table_.ready());
  table_.set_serial(77);
  EXPECT_EQ(table_.serial(), 77u);
}

TEST_F(RecordTableTest, ManyServices) {
  // More than one chunk of numbers.
  constexpr int kCount = 5000;
  for (int i = 0; i < kCount; ++i) {
    publish(
        cluster_ip("n" + std::to_string(i % 7), "s" + std::to_string(i),
                   ips({"10." + std::to_string(i % 250) + "." + std::to_string(i / 250) + ".1"})));
  }
  EXPECT_EQ(table_.service_count(), static_cast<std::size_t>(kCount));
  for (int i = 0; i < kCount; i += 17) {
    ASSERT_NE(find("n" + std::to_string(i % 7), "s" + std::to_string(i)), nullptr);
    ASSERT_EQ(at_address("10." + std::to_string(i % 250) + "." + std::to_string(i / 250) + ".1"),
              Lines{"s" + std::to_string(i)});
  }
}

// Services with few shared addresses come, change and go; a model tells who has what.
TEST_F(RecordTableTest, RandomChanges) {
  std::mt19937 random(23);
  std::map<std::string, std::set<std::string>> model;  // service -> addresses
  const auto address = [](unsigned i) {
    return i % 5 == 4 ? "fd00::" + std::to_string(i)
                      : "10." + std::to_string(i % 3) + ".0." + std::to_string(i);
  };
  for (int round = 0; round < 3000; ++round) {
    const std::string name = "s" + std::to_string(random() % 12);
    if (random() % 4 == 0) {
      table_.remove({"n", name});
      model.erase(name);
    } else {
      std::vector<registry::Endpoint> endpoints;
      std::set<std::string> addresses;
      for (auto i = random() % 6; i > 0; --i) {
        const std::string text = address(static_cast<unsigned>(random() % 15));
        endpoints.push_back(at(text));
        addresses.insert(text);
      }
      publish(headless("n", name), {slice("n", "x", name, {}, endpoints)});
      if (addresses.empty()) {
        model.erase(name);
      } else {
        model[name] = addresses;
      }
    }
    if (round % 7 != 0) continue;
    table_.collect();
    ASSERT_EQ(reclaim_.pending(), 0u);
    ASSERT_EQ(table_.service_count(), model.size());
    std::set<std::string> prefixes;
    for (unsigned i = 0; i < 15; ++i) {
      Lines expected;
      for (const auto& [service, addresses] : model) {
        if (addresses.contains(address(i))) expected.push_back(service);
      }
      if (!expected.empty()) prefixes.insert(address(i).substr(0, 5));
      ASSERT_EQ(at_address(address(i)), unit::sorted(expected)) << "round " << round;
    }
    for (const char* prefix : {"10.0.", "10.1.", "10.2."}) {
      ASSERT_EQ(table_.has_reverse_below(ip(std::string(prefix) + "0.0"), 2),
                prefixes.contains(prefix))
          << "round " << round;
    }
    ASSERT_EQ(table_.has_reverse_below(ip("fd00::"), 31),
              [&] {
                // The last nibble is left open: fd00::4, fd00::9 and fd00::14 (which is ::0014).
                for (const auto& [service, addresses] : model) {
                  if (addresses.contains("fd00::4") || addresses.contains("fd00::9")) return true;
                }
                return false;
              }())
        << "round " << round;
  }
}

}  // namespace
}  // namespace clusterdns::zones
