#include "dns/shape/shape_stages.h"

#include "dns/concurrent/reclaim.h"
#include "dns/query/edns_options.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::Octets;
using unit::Request;
using unit::ScriptedStage;
using unit::values;

class ShapeTest : public ::testing::Test {
 protected:
  void stage(std::shared_ptr<Stage> stage) { route_->stages.push_back(std::move(stage)); }
  void answer(std::function<void(Exchange&)> script) {
    stage(std::make_shared<ScriptedStage>([script = std::move(script)](Exchange& exchange) {
      script(exchange);
      return Verdict::Answered;
    }));
  }
  static void add(Exchange& exchange, RRType type, const Octets& rdata,
                  Section section = Section::Answer, std::uint32_t ttl = 30) {
    exchange.answer.add_record(section, 0, type, ttl, rdata);
  }
  std::optional<Message> ask(const Request& request) {
    ListenerRoutes routes;
    routes.add(Name{}, route_);
    return client_.ask(routes, request);
  }
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  Client client_;
};

TEST_F(ShapeTest, HeaderSetsAndClears) {
  using Flag = HeaderStage::Flag;
  stage(std::make_shared<HeaderStage>(
      std::vector<HeaderStage::Rule>{{Flag::RD, false}},
      std::vector<HeaderStage::Rule>{{Flag::RA, true}, {Flag::AA, false}}));
  std::uint16_t seen = 0xFFFF;
  answer([&](Exchange& exchange) {
    seen = exchange.query.flags;
    exchange.answer.authoritative = true;
  });
  const auto message = ask({.qname = "x.test"});
  EXPECT_EQ(seen & kFlagRD, 0);
  EXPECT_EQ(message->flags & (kFlagRA | kFlagAA | kFlagRD), kFlagRA);
}

TEST_F(ShapeTest, MinimalKeepsWhatMatters) {
  stage(std::make_shared<MinimalStage>());
  Octets ns;
  unit::put_name(ns, "ns.test");
  answer([&](Exchange& exchange) {
    if (exchange.query.qtype == RRType::A) add(exchange, RRType::A, {192, 0, 2, 1});
    if (exchange.query.qtype == RRType::TXT) exchange.answer.rcode = Rcode::NXDomain;
    add(exchange, RRType::NS, ns, Section::Authority);
    add(exchange, RRType::A, {192, 0, 2, 2}, Section::Additional);
  });
  const auto sizes = [&](RRType type) {
    const auto message = ask({.qname = "x.test", .qtype = type});
    return std::to_string(message->authority.size()) + std::to_string(message->additional.size());
  };
  EXPECT_EQ(sizes(RRType::A), "00");
  EXPECT_EQ(sizes(RRType::TXT), "11");   // a denial
  EXPECT_EQ(sizes(RRType::AAAA), "11");  // a delegation
}

// RFC 2308 section 2.2: NODATA behind an alias is a denial as well.
TEST_F(ShapeTest, MinimalKeepsTheSoaBehindAnAlias) {
  stage(std::make_shared<MinimalStage>());
  Octets target;
  unit::put_name(target, "y.test");
  answer([&](Exchange& exchange) {
    add(exchange, RRType::CNAME, target);
    if (exchange.query.qtype == RRType::A) add(exchange, RRType::A, {192, 0, 2, 1});
    add(exchange, RRType::NS, target, Section::Authority);
  });
  const auto authority = [&](RRType type) {
    return ask({.qname = "x.test", .qtype = type})->authority.size();
  };
  EXPECT_EQ(authority(RRType::A), 0u);
  EXPECT_EQ(authority(RRType::AAAA), 1u);
  EXPECT_EQ(authority(RRType::CNAME), 0u);
  EXPECT_EQ(authority(RRType::ANY), 0u);
}

TEST_F(ShapeTest, NsidForWhoAsks) {
  stage(std::make_shared<NsidStage>("one"));
  answer([](Exchange& exchange) { add(exchange, RRType::A, {192, 0, 2, 1}); });
  EXPECT_EQ(ask({.qname = "x.test", .edns = true, .options = {0, 3, 0, 0}})->opt_options,
            (Octets{0, 3, 0, 3, 'o', 'n', 'e'}));
  EXPECT_EQ(ask({.qname = "x.test", .edns = true})->opt_options, Octets{});
}

class Dns64Test : public ShapeTest {
 protected:
  void with(const Dns64Stage::Options& options) {
    stage_ = std::make_shared<Dns64Stage>(options, 1);
    stage(stage_);
    answer([](Exchange& exchange) {
      const auto label = exchange.query.name()[1];
      const RRType type = exchange.query.qtype;
      if (label == 'n') exchange.answer.rcode = Rcode::NXDomain;
      if (type == RRType::A && label != 'o')
        add(exchange, RRType::A, {192, 0, 2, 1}, Section::Answer, 900);
      if (type == RRType::AAAA && label == 'b') {
        add(exchange, RRType::AAAA, Octets(16, 1));
      } else if (type == RRType::AAAA && label == 's') {
        Octets soa;
        unit::put_name(soa, "ns.test");
        unit::put_name(soa, "hm.test");
        soa.resize(soa.size() + 20);
        add(exchange, RRType::SOA, soa, Section::Authority, 60);
      }
    });
    client_.from("2001:db8::1");
  }
  Lines aaaa(const char* qname) {
    return lines(ask({.qname = qname, .qtype = RRType::AAAA})->answer);
  }
  std::shared_ptr<Dns64Stage> stage_;
};

TEST_F(Dns64Test, MakesAddressesWhereThereAreNone) {
  with({});
  EXPECT_EQ(aaaa("a.test"), Lines{"a.test. 600 AAAA 64:ff9b::c000:201"});
  EXPECT_EQ(aaaa("soa.test"), Lines{"soa.test. 60 AAAA 64:ff9b::c000:201"});
  EXPECT_EQ(aaaa("both.test"), Lines{"both.test. 30 AAAA 101:101:101:101:101:101:101:101"});
  EXPECT_EQ(ask({.qname = "none.test", .qtype = RRType::AAAA})->rcode, 3);
  EXPECT_EQ(aaaa("other.test"), Lines{});
  EXPECT_EQ(stage_->translated(), 2u);
  client_.from("192.0.2.9");
  EXPECT_EQ(aaaa("a.test"), Lines{});
}

TEST_F(Dns64Test, AllAndOverIpv4) {
  with({.translate_all = true, .allow_ipv4 = true});
  client_.from("192.0.2.9");
  EXPECT_EQ(aaaa("both.test"), Lines{"both.test. 600 AAAA 64:ff9b::c000:201"});
}

// RFC 6052 2.4.
TEST(Dns64Address, EveryLengthOfPrefix) {
  const std::array<std::uint8_t, 4> v4{192, 0, 2, 33};
  const std::pair<unsigned, const char*> kCases[] = {
      {32, "2001:db8:c000:221::"},          {40, "2001:db8:1c0:2:21::"},
      {48, "2001:db8:122:c000:2:2100::"},   {56, "2001:db8:122:3c0:0:221::"},
      {64, "2001:db8:122:344:c0:2:2100::"}, {96, "2001:db8:122:344::192.0.2.33"}};
  for (const auto& [bits, text] : kCases) {
    Dns64Stage::Options options;
    const auto prefix = boost::asio::ip::make_address_v6("2001:db8:122:344::").to_bytes();
    options.prefix = {};
    std::copy_n(prefix.begin(), bits / 8, options.prefix.begin());
    options.prefix_bits = bits;
    EXPECT_EQ(boost::asio::ip::address_v6(Dns64Stage(options, 1).translate(v4.data())),
              boost::asio::ip::make_address_v6(text));
  }
}

TEST_F(ShapeTest, PreferredNetworksComeFirst) {
  std::vector<AddressRanges> networks(2);
  ASSERT_TRUE(networks[0].add("10.9.0.0/16"));
  ASSERT_TRUE(networks[1].add("192.168.1.0/24"));
  stage(std::make_shared<PreferStage>(networks, 1));
  answer([](Exchange& exchange) {
    for (const Octets& a :
         {Octets{8, 8, 8, 8}, Octets{192, 168, 1, 1}, Octets{10, 9, 1, 1}, Octets{9, 9, 9, 9}}) {
      add(exchange, RRType::A, a);
    }
  });
  EXPECT_EQ(values(ask({.qname = "x.test"})->answer),
            (Lines{"10.9.1.1", "192.168.1.1", "8.8.8.8", "9.9.9.9"}));
}

// The first network that holds an address counts, however they overlap, and IPv6 networks hold no
// IPv4 addresses.
TEST_F(ShapeTest, PreferredNetworksOverlap) {
  std::vector<AddressRanges> networks(6);
  ASSERT_TRUE(networks[0].add("10.9.8.0/24"));
  ASSERT_TRUE(networks[1].add("2001:db8:0:1::/64"));
  ASSERT_TRUE(networks[2].add("10.0.0.0/8"));
  ASSERT_TRUE(networks[3].add("10.9.8.7"));
  ASSERT_TRUE(networks[4].add("::/0"));
  ASSERT_TRUE(networks[5].add("255.255.255.255"));
  stage(std::make_shared<PreferStage>(networks, 1));
  answer([](Exchange& exchange) {
    for (const Octets& a :
         {Octets{11, 0, 0, 0}, Octets{255, 255, 255, 255}, Octets{10, 255, 255, 255},
          Octets{10, 9, 8, 7}, Octets{9, 255, 255, 255}, Octets{10, 0, 0, 0}, Octets{10, 9, 8, 255},
          Octets{10, 9, 9, 0}}) {
      add(exchange, RRType::A, a);
    }
  });
  EXPECT_EQ(values(ask({.qname = "x.test"})->answer),
            (Lines{"10.9.8.7", "10.9.8.255", "10.255.255.255", "10.0.0.0", "10.9.9.0",
                   "255.255.255.255", "11.0.0.0", "9.255.255.255"}));
}

// Thousands of addresses take one look each, and no memory.
TEST_F(ShapeTest, ManyAddressesAreOrderedByOneLookEach) {
  std::vector<AddressRanges> networks(200);
  for (unsigned i = 0; i < networks.size(); ++i) {
    ASSERT_TRUE(networks[i].add("10." + std::to_string(i) + ".0.0/16"));
  }
  RecordSorter sorter;
  std::vector<std::array<std::uint8_t, 4>> addresses(4000);
  std::vector<RRsetRef> records(addresses.size());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    addresses[i] = {10, static_cast<std::uint8_t>((i * 7) % 251), static_cast<std::uint8_t>(i >> 8),
                    static_cast<std::uint8_t>(i)};
    records[i] = {.data = addresses[i].data(), .count = 4, .type = RRType::A};
  }
  const auto second = [](const RRsetRef& record) {
    return std::uint32_t{static_cast<const std::uint8_t*>(record.data)[1]};
  };
  std::vector<RRsetRef> expected = records;
  std::stable_sort(expected.begin(), expected.end(),
                   [&](const RRsetRef& a, const RRsetRef& b) { return second(a) < second(b); });
  std::size_t looks = 0;
  sorter.sort(records, [&](const RRsetRef& record) {
    ++looks;
    return second(record);
  });
  EXPECT_EQ(looks, records.size());
  for (std::size_t i = 0; i < records.size(); ++i) ASSERT_EQ(records[i].data, expected[i].data);
}

TEST_F(ShapeTest, WeightsDrawTheFirst) {
  ReclaimDomain reclaim(1);
  client_.worker.reclaim = &reclaim;
  const auto weighted = std::make_shared<WeightedStage>(reclaim, 1, 1);
  auto weights = std::make_unique<WeightedStage::Weights>();
  const std::string owner("\1x\4test\0", 8);
  weights->names[owner] = {{std::string("\x0a\0\0\1", 4), 3}, {std::string("\x0a\0\0\2", 4), 1}};
  weighted->publish(std::move(weights));
  stage(weighted);
  answer([](Exchange& exchange) {
    for (std::uint8_t i = 1; i <= 2; ++i) add(exchange, RRType::A, {10, 0, 0, i});
  });
  int first = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto answers = values(ask({.qname = "X.test"})->answer);
    ASSERT_EQ(answers.size(), 2u);
    first += answers[0] == "10.0.0.1" ? 1 : 0;
  }
  EXPECT_NEAR(first, 750, 60);
}

}  // namespace
}  // namespace clusterdns::dns
