#include "dns/policy/geoip_stage.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "tests/unit/dns/policy/geo_database.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::endpoint;
using unit::Octets;
using unit::Request;

class GeoipTest : public ::testing::Test {
 protected:
  GeoipTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "geoip-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    unit::write_city_database(folder_ / "city.mmdb");
    unit::write_asn_database(folder_ / "asn.mmdb");
    city_ = open("city.mmdb");
  }
  ~GeoipTest() override { std::filesystem::remove_all(folder_); }
  std::shared_ptr<const GeoDatabase> open(const char* file) {
    return GeoDatabase::open((folder_ / file).string(), &error_);
  }

  std::filesystem::path folder_;
  std::shared_ptr<const GeoDatabase> city_;
  std::string error_;
};

TEST_F(GeoipTest, EveryLabel) {
  ASSERT_NE(city_, nullptr) << error_;
  const std::map<std::string, std::string> wanted = {{"city/name", "Cambridge"},
                                                     {"country/code", "GB"},
                                                     {"country/name", "United Kingdom"},
                                                     {"country/is_in_european_union", "false"},
                                                     {"continent/code", "EU"},
                                                     {"continent/name", "Europe"},
                                                     {"latitude", "52.2242"},
                                                     {"longitude", "0.1315"},
                                                     {"timezone", "Europe/London"},
                                                     {"postalcode", "CB4"},
                                                     {"subdivisions/code", "ENG,CAM"}};
  for (const auto& [label, value] : wanted) {
    EXPECT_TRUE(is_geoip_label("geoip/" + label)) << label;
    EXPECT_EQ(city_->value(label, endpoint("192.0.2.77")), value) << label;
    EXPECT_EQ(city_->value(label, endpoint("2001:db8::1")), value) << label;
    EXPECT_EQ(city_->value(label, endpoint("203.0.113.1")), "") << label;
  }
  EXPECT_EQ(city_->value("country/is_in_european_union", endpoint("198.51.100.1")), "true");
  EXPECT_EQ(city_->value("city/name", endpoint("198.51.100.1")), "");
  EXPECT_EQ(city_->value("latitude", endpoint("198.51.100.1")), "");
  EXPECT_EQ(city_->value("asn/number", endpoint("192.0.2.1")), "");
  EXPECT_FALSE(is_geoip_label("geoip/city/names/en"));
  EXPECT_FALSE(is_geoip_label("city/name"));
}

TEST_F(GeoipTest, Networks) {
  const auto asn = open("asn.mmdb");
  ASSERT_NE(asn, nullptr) << error_;
  EXPECT_EQ(asn->value("asn/number", endpoint("192.0.2.1")), "64496");
  EXPECT_EQ(asn->value("asn/org", endpoint("192.0.2.1")), "Example");
  EXPECT_EQ(asn->value("country/code", endpoint("192.0.2.1")), "");
}

TEST_F(GeoipTest, WhatIsNoDatabase) {
  EXPECT_EQ(open("none.mmdb"), nullptr);
  EXPECT_EQ(error_, "No such file or directory");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.mmdb").c_str(), 0600), 0);
  EXPECT_EQ(open("pipe.mmdb"), nullptr);
  EXPECT_EQ(error_, "it is not a regular file");
  std::ofstream(folder_ / "text.mmdb") << "no database";
  EXPECT_EQ(open("text.mmdb"), nullptr);
  EXPECT_FALSE(error_.empty());
  unit::GeoWriter writer("GeoIP2-Connection-Type");
  writer.add("192.0.2.0/24", unit::mmdb::map({}));
  writer.write(folder_ / "other.mmdb");
  EXPECT_EQ(open("other.mmdb"), nullptr);
  EXPECT_EQ(error_,
            "a database of the type \"GeoIP2-Connection-Type\" holds neither places nor networks; "
            "use a City, Country or ASN database");
}

// Family, prefix lengths, address.
const Octets kSubnetV4{0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2};
const Octets kSubnetV6{0, 8, 0, 8, 0, 2, 32, 0, 0x20, 0x01, 0x0d, 0xb8};

TEST_F(GeoipTest, TheClientIsWhoAsksOrWhoseSubnetItIs) {
  const auto value = [&](bool by_subnet, const Octets& options) {
    const GeoipStage stage(city_, by_subnet);
    const unit::Packet packet(Request{.qname = "a.test", .edns = true, .options = options});
    Query query;
    EXPECT_EQ(parse_query(packet.view(), query), Gate::Pass);
    return stage.value("geoip/country/code",
                       {query, endpoint("198.51.100.1"), 0, MetadataQuery::kNoWorker, true});
  };
  EXPECT_EQ(value(false, kSubnetV4), "FR");
  EXPECT_EQ(value(true, kSubnetV4), "GB");
  EXPECT_EQ(value(true, kSubnetV6), "GB");
  EXPECT_EQ(value(true, {}), "FR");
  // Behind another option.
  Octets second{0, 3, 0, 0};
  second.insert(second.end(), kSubnetV4.begin(), kSubnetV4.end());
  EXPECT_EQ(value(true, second), "GB");
  // A whole /0, an unknown family, one that is too long.
  EXPECT_EQ(value(true, {0, 8, 0, 4, 0, 1, 0, 0}), "FR");
  EXPECT_EQ(value(true, {0, 8, 0, 5, 0, 3, 8, 0, 1}), "FR");
  EXPECT_EQ(value(true, {0, 8, 0, 9, 0, 1, 40, 0, 192, 0, 2, 1, 1}), "FR");
}

// What waits for an upstream leaves its options behind, and is logged with their subnet.
TEST_F(GeoipTest, TheSubnetIsKnownWhenTheAnswerComes) {
  const auto stage = std::make_shared<GeoipStage>(city_, true);
  auto route = std::make_shared<Route>();
  std::vector<std::unique_ptr<Exchange>> waiting;
  route->stages = {stage, std::make_shared<unit::ScriptedStage>([&](Exchange& exchange) {
                     waiting.push_back(exchange.defer());
                     return Verdict::Deferred;
                   })};
  ListenerRoutes routes;
  routes.add(Name{}, route);
  unit::Client client;
  client.from("198.51.100.1");
  for (const Octets& options : {kSubnetV4, Octets{}, Octets{0, 3, 0, 0}}) {
    const auto id = static_cast<std::uint16_t>(waiting.size() + 1);
    EXPECT_TRUE(
        client
            .send(routes,
                  Request{.qname = "a.test", .id = id, .edns = true, .options = options}.wire())
            .empty());
  }
  ASSERT_EQ(waiting.size(), 3U);
  const auto value = [&](const Exchange& of, std::uint16_t id, unsigned worker = 0) {
    Query query = of.query;
    query.id = id;
    return stage->value("geoip/country/code", {query, of.client, of.received_ns, worker, false});
  };
  EXPECT_EQ(value(*waiting[0], 1), "GB");
  EXPECT_EQ(value(*waiting[1], 2), "FR");
  EXPECT_EQ(value(*waiting[2], 3), "FR");
  // Who knows that it is not known does not say somebody else's.
  EXPECT_EQ(value(*waiting[0], 9), "");
  EXPECT_EQ(value(*waiting[0], 1, MetadataQuery::kNoWorker), "");
  for (auto& each : waiting) finish(std::move(each));
}

TEST_F(GeoipTest, ARouteAsksItsStages) {
  Route route;
  unit::Client client;
  client.from("192.0.2.1");
  Exchange& exchange = client.context();
  const unit::Packet packet(Request{.qname = "a.test"});
  EXPECT_EQ(parse_query(packet.view(), exchange.query), Gate::Pass);
  EXPECT_EQ(metadata_value(exchange, "geoip/country/code"), "");
  exchange.route = &route;
  EXPECT_EQ(metadata_value(exchange, "geoip/country/code"), "");
  route.stages = {std::make_shared<unit::ScriptedStage>([](Exchange&) { return Verdict::Next; }),
                  std::make_shared<GeoipStage>(city_, false)};
  EXPECT_EQ(metadata_value(exchange, "geoip/country/code"), "GB");
  EXPECT_EQ(metadata_value(exchange, "geoip/nothing"), "");
  const GeoipStage none(nullptr, false);
  EXPECT_EQ(metadata_value(exchange, "geoip/country/code", &none), "");
}

}  // namespace
}  // namespace clusterdns::dns
