#include "app/directives/target_api.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "tests/unit/dns/query/request.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;

class TargetApiTest : public ::testing::Test {
 protected:
  TargetApiTest() {
    (void)build_configuration(
        parse_corefile(". {\n  fault fault.test {\n    seed 42\n  }\n  evidence\n}\n", "Corefile"),
        environment_, 53);
  }
  TargetReply ask(std::string_view method, std::string_view path, const std::string& body = {}) {
    return ask(method, path, {}, body);
  }
  TargetReply ask(std::string_view method, std::string_view path,
                  const std::map<std::string, std::string>& query, const std::string& body) {
    TargetReply reply = answer_target_api(*environment_.target, method, path, query, body)
                            .value_or(TargetReply{404, {}});
    while (reply.more && reply.more(reply.body)) {
    }
    return reply;
  }
  json::object scenario() {
    const json::value all = json::parse(ask("GET", "/api/v1/scenarios").body);
    const json::array& list = all.at("scenarios").as_array();
    return list.empty() ? json::object{} : list[0].as_object();
  }

  // A query of 127.0.0.2 that ends with this rcode, and one record for 0.
  void note(const std::string& name, std::uint8_t rcode) {
    const unit::Octets octets = unit::Request{.qname = name}.wire();
    const unit::Packet packet(octets);
    dns::Query query;
    ASSERT_EQ(dns::parse_query(packet.view(), query), dns::Gate::Pass);
    const dns::Endpoint client = dns::make_endpoint(boost::asio::ip::make_address("127.0.0.2"), 9);
    const std::int64_t now = dns::monotonic_ns();
    dns::Evidence& evidence = *environment_.target->evidence;
    evidence.on_query(client, {}, dns::Transport::Udp, query, now);
    unit::Octets response = octets;
    response[2] |= 0x80;
    response[3] = rcode;
    if (rcode == 0) {
      response[7] = 1;
      unit::put_record(response, name, dns::RRType::A, 1, 60, unit::Octets(4));
    }
    evidence.on_end(client, {}, dns::Transport::Udp, query, now, response, nullptr);
  }

  dns::ReclaimDomain reclaim_{1};
  Environment environment_{reclaim_, 1, make_silent_logger(), {}, {}, nullptr, true};
};

TEST_F(TargetApiTest, AScenarioFromBeginningToEnd) {
  const std::string text =
      "rules:\n  - {rule: r, name: \"*.x\", do: servfail}\ntimeline:\n  - {at 0s: outage 5s}\n"
      "expect:\n  - client answers within 6s in 99 %\n";
  EXPECT_EQ(ask("PUT", "/api/v1/scenarios/one", text).status, 201u);
  EXPECT_EQ(ask("PUT", "/api/v1/scenarios/one", text).status, 200u);
  EXPECT_EQ(scenario().at("state"), "loaded");
  EXPECT_TRUE(scenario().at("verdict").is_null());
  EXPECT_EQ(scenario().at("seed"), 42);
  EXPECT_EQ(ask("POST", "/api/v1/scenarios/one/start").status, 200u);
  EXPECT_EQ(scenario().at("state"), "running");
  EXPECT_EQ(ask("POST", "/api/v1/scenarios/one/stop").status, 200u);
  EXPECT_EQ(scenario().at("state"), "stopped");
  const json::object verdict = scenario().at("verdict").as_object();
  EXPECT_EQ(verdict.at("pass"), false);  // nobody asked
  const json::object expectation = verdict.at("expectations").as_array().at(0).as_object();
  EXPECT_EQ(expectation.at("expect"), "client answers within 6s in 99 %");
  EXPECT_EQ(expectation.at("of"), 0);
  EXPECT_EQ(ask("POST", "/api/v1/scenarios/one/reset").status, 200u);
  EXPECT_EQ(scenario().at("state"), "loaded");
  EXPECT_EQ(ask("DELETE", "/api/v1/scenarios/one").status, 200u);
  EXPECT_TRUE(scenario().empty());
  EXPECT_EQ(ask("POST", "/api/v1/scenarios/one/start").status, 404u);
}

TEST_F(TargetApiTest, WhatIsWrongIsToldWithItsPlace) {
  const auto error = [&](const std::string& text) {
    const TargetReply reply = ask("PUT", "/api/v1/scenarios/bad", text);
    EXPECT_EQ(reply.status, 400u);
    return reply.body;
  };
  EXPECT_TRUE(error("rules:\n  - {rule: r, do: d99999}\n").starts_with("bad:2:19: "));
  EXPECT_TRUE(error("rules:\n  - {rule: r}\n").starts_with("bad:2:12: "));
  EXPECT_TRUE(error("rules:\n  - {rule: r, colour: red, do: drop}\n").starts_with("bad:2:15: "));
  EXPECT_TRUE(error("timeline:\n  - {at 1s: explode 5s}\n").starts_with("bad:2:13: "));
  EXPECT_TRUE(error("timeline:\n  - {at 1s: flap 1s for 5s}\n").starts_with("bad:2:"));
  EXPECT_TRUE(error("expect:\n  - all is well\n").starts_with("bad:2:5: "));
  EXPECT_TRUE(error("colour: red\n").starts_with("bad:1:1: "));
  const std::string alias = error("rules:\n  - {rule: r, name: *.x, do: drop}\n");
  EXPECT_NE(alias.find("in quotes"), std::string::npos) << alias;
  EXPECT_EQ(ask("PUT", "/api/v1/scenarios/a%20b", "").status, 400u);
  EXPECT_EQ(ask("PUT", "/api/v1/scenarios/.", "rules: []\n").status, 400u);
  EXPECT_EQ(ask("PUT", "/api/v1/scenarios/..", "rules: []\n").status, 400u);
  EXPECT_NE(ask("PUT", "/api/v1/scenarios/a..b", "rules: []\n").body, "");
  EXPECT_EQ(ask("PATCH", "/api/v1/scenarios/a").status, 405u);
}

TEST_F(TargetApiTest, Seed) {
  EXPECT_EQ(ask("GET", "/api/v1/seed").body, R"({"seed":42})");
  EXPECT_EQ(ask("PUT", "/api/v1/seed", R"({"seed": 7})").body, R"({"seed":7})");
  EXPECT_EQ(ask("PUT", "/api/v1/seed", R"({"seed": -7})").status, 400u);
  EXPECT_EQ(ask("PUT", "/api/v1/seed", R"(7)").status, 400u);
  EXPECT_EQ(ask("PUT", "/api/v1/seed", "{").status, 400u);
}

TEST_F(TargetApiTest, Evidence) {
  const json::value report = json::parse(ask("GET", "/api/v1/evidence").body);
  EXPECT_EQ(report.at("seed"), 42);
  EXPECT_EQ(report.at("limits").at("names"), 100000);
  EXPECT_TRUE(report.at("clients").as_array().empty());
  note("Web.default.svc.cluster.local", 3);
  note("web.svc.cluster.local", 0);
  const json::value some = json::parse(ask("GET", "/api/v1/evidence").body);
  const json::object client = some.at("clients").as_array().at(0).as_object();
  for (const char* const key :
       {"client", "queries", "udp", "tcp", "ports", "outcomes", "faults", "retries", "repeats",
        "tcp_fallback", "edns", "mixed_case", "pairs", "search", "names"}) {
    EXPECT_TRUE(client.contains(key)) << key;
  }
  EXPECT_EQ(client.at("client"), "127.0.0.2");
  EXPECT_EQ(client.at("mixed_case"), 1);
  EXPECT_EQ(client.at("edns").at("none"), 2);
  EXPECT_EQ(client.at("pairs").at("a_only"), 2);
  EXPECT_EQ(client.at("outcomes").at("NXDOMAIN"), 1);
  EXPECT_EQ(client.at("search").as_array().at(0).at("base"), "web.");
  const json::object name = client.at("names").as_array().at(0).as_object();
  for (const char* const key :
       {"name", "type", "queries", "udp", "tcp", "first", "last", "outcomes", "faults",
        "last_outcome", "retries", "repeats", "tcp_fallback"}) {
    EXPECT_TRUE(name.contains(key)) << key;
  }
  EXPECT_EQ(name.at("name"), "web.default.svc.cluster.local.");
  EXPECT_TRUE(name.at("retries").at("intervals_ms").as_array().empty());
  const auto filtered = [&](const std::string& key, const std::string& value) {
    const TargetReply reply = ask("GET", "/api/v1/evidence", {{key, value}}, {});
    return json::parse(reply.body).at("clients").as_array().size();
  };
  EXPECT_EQ(filtered("client", "127.0.0.2"), 1u);
  EXPECT_EQ(filtered("client", "127.0.0.3"), 0u);
  EXPECT_EQ(filtered("name", "WEB.svc.cluster.local"), 1u);
  EXPECT_EQ(filtered("type", "AAAA"), 0u);
  EXPECT_EQ(filtered("client", "::ffff:127.0.0.2"), 1u);
  for (const auto& [key, bad] : std::map<std::string, std::string>{
           {"client", "127.0.0"}, {"name", "a..b"}, {"type", "NONE"}}) {
    const TargetReply reply = ask("GET", "/api/v1/evidence", {{key, bad}}, {});
    EXPECT_EQ(reply.status, 400u) << key;
    EXPECT_TRUE(reply.body.starts_with(key + ": ")) << reply.body;
  }
  // A tag for what is the same.
  const std::string tag = ask("GET", "/api/v1/evidence").etag;
  EXPECT_EQ(ask("GET", "/api/v1/evidence").etag, tag);
  EXPECT_NE(ask("GET", "/api/v1/evidence", {{"type", "A"}}, {}).etag, tag);
  note("web.svc.cluster.local", 0);
  EXPECT_NE(ask("GET", "/api/v1/evidence").etag, tag);
  EXPECT_EQ(ask("DELETE", "/api/v1/evidence").status, 204u);
  EXPECT_EQ(ask("GET", "/api/v1/else").status, 404u);
}

}  // namespace
}  // namespace clusterdns::app
