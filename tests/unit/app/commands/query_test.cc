#include "app/commands/query.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "registry/ip_address.h"
#include "tests/unit/dns/client/scripted_server.h"

namespace clusterdns::app {
namespace {

using dns::Message;
using dns::Rcode;
using dns::RRType;
using dns::testing::Bytes;
using dns::testing::make_record;
using dns::testing::octets;
using dns::testing::RefusingPort;
using dns::testing::reply_to;
using dns::testing::ScriptedServer;
using dns::testing::wire;
using namespace std::chrono_literals;

const char* const kNoResolvConf = "/nonexistent/resolv.conf";

dns::Name name(const std::string& text) { return dns::Name::from_text(text).value(); }

Bytes soa() {
  Bytes rdata = wire("ns.dns.cluster.local");
  const Bytes rname = wire("hostmaster.cluster.local");
  rdata.insert(rdata.end(), rname.begin(), rname.end());
  for (std::uint8_t v = 1; v <= 5; ++v) rdata.insert(rdata.end(), {0, 0, 0, v});
  return rdata;
}

// A small cluster: a headless service, an alias, a name without data, a reverse name.
std::vector<Bytes> cluster(const Message& query, bool) {
  const std::string asked = query.qname.to_text();
  Message m = reply_to(query);
  m.flags |= dns::kFlagAA;
  const auto web = name("web.default.svc.cluster.local.");
  const auto add_addresses = [&] {
    if (query.qtype != RRType::A) {
      m.authority.push_back(make_record(name("cluster.local"), RRType::SOA, soa()));
      return;
    }
    m.answer.push_back(make_record(web, RRType::A, {10, 244, 0, 10}));
    m.answer.push_back(make_record(web, RRType::A, {10, 244, 1, 12}));
  };
  if (asked == "web.default.svc.cluster.local.") {
    add_addresses();
  } else if (asked == "alias.default.svc.cluster.local.") {
    m.answer.push_back(
        make_record(query.qname, RRType::CNAME, wire("web.default.svc.cluster.local")));
    add_addresses();
  } else if (asked == "10.0.96.10.in-addr.arpa." && query.qtype == RRType::PTR) {
    m.answer.push_back(
        make_record(query.qname, RRType::PTR, wire("kube-dns.kube-system.svc.cluster.local")));
  } else if (asked == "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa." &&
             query.qtype == RRType::PTR) {
    m.answer.push_back(make_record(query.qname, RRType::PTR, wire("six.cluster.local")));
  } else if (asked == "refused.example.") {
    m.rcode = static_cast<std::uint16_t>(Rcode::Refused);
    // RFC 8914: option 15, code 22, a text with an escape sequence in it.
    m.opt_options = {0, 15, 0, 7, 0, 22, 'd', 'e', 'a', 'd', 0x1B};
  } else if (asked != "svc.cluster.local.") {
    m.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    m.authority.push_back(make_record(name("cluster.local"), RRType::SOA, soa()));
  } else {
    m.authority.push_back(make_record(name("cluster.local"), RRType::SOA, soa()));
  }
  return {octets(m)};
}

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

Outcome ask(const QueryOptions& options, const std::string& resolv_conf = kNoResolvConf) {
  std::ostringstream out;
  std::ostringstream err;
  Outcome outcome;
  outcome.code = run_query(options, resolv_conf, out, err);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

QueryOptions question(const ScriptedServer& server, std::string text,
                      std::optional<std::string> type = {}) {
  QueryOptions options;
  options.name = std::move(text);
  options.type = std::move(type);
  options.server = HostPort{registry::IpAddress{{127, 0, 0, 1}}, server.port()};
  options.search_domains = {"default.svc.cluster.local.", "svc.cluster.local.", "cluster.local."};
  options.timeout = 10s;
  return options;
}

// Ports and times are not the same twice.
std::string masked(const std::string& text, const ScriptedServer& server) {
  std::string result = std::regex_replace(
      text, std::regex("127\\.0\\.0\\.1:" + std::to_string(server.port())), "SERVER");
  result = std::regex_replace(result, std::regex("[0-9]+\\.[0-9]{3} ms"), "TIME");
  return std::regex_replace(result, std::regex("\"microseconds\": [0-9]+"), "\"microseconds\": N");
}

TEST(Query, TextShowsEachNameTriedAndTheAnswer) {
  const ScriptedServer server(cluster);
  QueryOptions options = question(server, "web.default", "A");
  const Outcome outcome = ask(options);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(masked(outcome.out, server),
            ";; web.default. A                            SERVER udp  NXDOMAIN            TIME\n"
            ";; web.default.default.svc.cluster.local. A  SERVER udp  NXDOMAIN            TIME\n"
            ";; web.default.svc.cluster.local. A          SERVER udp  NOERROR, 2 answers  TIME\n"
            "web.default.svc.cluster.local. 5 IN A 10.244.0.10\n"
            "web.default.svc.cluster.local. 5 IN A 10.244.1.12\n");
}

TEST(Query, WithoutATypeBothAddressesAreAskedForAndAliasesShownOnce) {
  const ScriptedServer server(cluster);
  const Outcome outcome = ask(question(server, "alias"));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(masked(outcome.out, server),
            ";; alias.default.svc.cluster.local. A     SERVER udp  NOERROR, 3 answers  TIME\n"
            ";; alias.default.svc.cluster.local. AAAA  SERVER udp  NOERROR, 1 answer   TIME\n"
            "alias.default.svc.cluster.local. 5 IN CNAME web.default.svc.cluster.local.\n"
            "web.default.svc.cluster.local.   5 IN A     10.244.0.10\n"
            "web.default.svc.cluster.local.   5 IN A     10.244.1.12\n");
}

// A server with `autopath`: the first name is an alias to the last.
std::vector<Bytes> autopath(const Message& query, bool) {
  Message m = reply_to(query);
  const auto outside = name("api.github.com.");
  if (query.qname.to_text() == "api.github.com.default.svc.cluster.local.") {
    m.answer.push_back(make_record(query.qname, RRType::CNAME, wire("api.github.com")));
    if (query.qtype == RRType::A) {
      m.answer.push_back(make_record(outside, RRType::A, {192, 0, 2, 10}));
    }
  } else {
    m.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
  }
  return {octets(m)};
}

TEST(Query, WhatAutopathSavedIsShown) {
  const ScriptedServer server(autopath);
  QueryOptions options = question(server, "api.github.com");
  options.ndots = 5;
  const Outcome outcome = ask(options);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find(
                ";; the server went on along the search list itself, which saved 6 queries:\n"
                ";;   api.github.com.svc.cluster.local.\n"
                ";;   api.github.com.cluster.local.\n"
                ";;   api.github.com.\n"
                "api.github.com.default.svc.cluster.local. 5 IN CNAME api.github.com.\n"),
            std::string::npos)
      << outcome.out;
  options.format = OutputFormat::Json;
  EXPECT_NE(ask(options).out.find("\"queries_saved\": 6"), std::string::npos);
}

TEST(Query, ShortPrintsTheDataOnly) {
  const ScriptedServer server(cluster);
  QueryOptions options = question(server, "web");
  options.brief = true;
  EXPECT_EQ(ask(options).out, "10.244.0.10\n10.244.1.12\n");
  options.name = "nothing";
  const Outcome nothing = ask(options);
  EXPECT_EQ(nothing.out, "");
  EXPECT_EQ(nothing.code, 1);
}

TEST(Query, AddressesAreAskedForTheirNames) {
  const ScriptedServer server(cluster);
  QueryOptions options = question(server, "10.96.0.10");
  options.brief = true;
  EXPECT_EQ(ask(options).out, "kube-dns.kube-system.svc.cluster.local.\n");
  options.type = "PTR";
  EXPECT_EQ(ask(options).out, "kube-dns.kube-system.svc.cluster.local.\n");
  options.name = "2001:db8::1";
  EXPECT_EQ(ask(options).out, "six.cluster.local.\n");
  // Never with a search domain behind.
  for (const auto& seen : server.seen()) EXPECT_EQ(seen.query.qtype, RRType::PTR);
  EXPECT_EQ(server.seen().size(), 3U);
  // Another type is of the name that looks like an address.
  options.name = "10.96.0.10";
  options.type = "TXT";
  EXPECT_EQ(ask(options).code, 1);
  EXPECT_EQ(server.seen().at(3).query.qname.to_text(), "10.96.0.10.");
}

TEST(Query, NotFound) {
  const ScriptedServer server(cluster);
  const Outcome outcome = ask(question(server, "nothing", "A"));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err,
            "clusterdns query: nothing does not exist (NXDOMAIN), nor do the names of the search "
            "list\n");
  EXPECT_NE(outcome.out.find(";; authority\ncluster.local. 5 IN SOA ns.dns.cluster.local. "
                             "hostmaster.cluster.local. 1 2 3 4 5\n"),
            std::string::npos)
      << outcome.out;
  EXPECT_EQ(ask(question(server, "nothing.")).err,
            "clusterdns query: nothing. does not exist (NXDOMAIN)\n");
}

TEST(Query, NoDataIsASuccessAsInHost) {
  const ScriptedServer server(cluster);
  const Outcome outcome = ask(question(server, "svc.cluster.local."));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err,
            "clusterdns query: svc.cluster.local. exists, but has no A or AAAA records\n");
}

TEST(Query, FailuresComeWithTheExtendedErrorMadeHarmless) {
  const ScriptedServer server(cluster);
  const Outcome outcome = ask(question(server, "refused.example.", "A"));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "clusterdns query: refused.example.: the server says REFUSED\n");
  EXPECT_NE(outcome.out.find(";; extended error 22 (No Reachable Authority): dead?\n"),
            std::string::npos)
      << outcome.out;
}

TEST(Query, NoServer) {
  const RefusingPort closed;
  QueryOptions options;
  options.name = "web.";
  options.server = HostPort{registry::IpAddress{{127, 0, 0, 1}}, closed.port()};
  const Outcome outcome = ask(options);
  EXPECT_EQ(outcome.code, 1);
  const std::string where = "127.0.0.1:" + std::to_string(closed.port());
  EXPECT_EQ(outcome.err, "clusterdns query: no server answered for web. (" + where +
                             ": Connection refused); is it running, and is --server right?\n");
  options.format = OutputFormat::Json;
  const Outcome json = ask(options);
  EXPECT_EQ(json.code, 1);
  EXPECT_EQ(json.err, "");
  EXPECT_NE(json.out.find("\"status\": \"no-server\",\n  \"rcode\": null,\n  \"found\": null"),
            std::string::npos)
      << json.out;
  EXPECT_NE(json.out.find("\"result\": \"unreachable\", \"rcode\": null"), std::string::npos);
}

TEST(Query, Json) {
  const ScriptedServer server(cluster);
  QueryOptions options = question(server, "web", "A");
  options.format = OutputFormat::Json;
  const Outcome outcome = ask(options);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(masked(outcome.out, server), R"({
  "name": "web",
  "types": ["A"],
  "status": "found",
  "rcode": "NOERROR",
  "found": "web.default.svc.cluster.local.",
  "tries": [
    {"name": "web.default.svc.cluster.local.", "type": "A", "server": "SERVER", "transport": "udp", "result": "answered", "rcode": "NOERROR", "answers": 2, "microseconds": N, "error": null}
  ],
  "autopath": null,
  "answer": [
    {"name": "web.default.svc.cluster.local.", "class": "IN", "type": "A", "ttl": 5, "data": "10.244.0.10"},
    {"name": "web.default.svc.cluster.local.", "class": "IN", "type": "A", "ttl": 5, "data": "10.244.1.12"}
  ],
  "authority": [],
  "additional": [],
  "extended_errors": []
}
)");
}

TEST(Query, JsonEscapesWhatIsNotText) {
  const ScriptedServer server(cluster);
  QueryOptions options = question(server, "a\\\"b\n\xC3\xA4.", "A");
  options.format = OutputFormat::Json;
  const Outcome outcome = ask(options);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.out.find("\"name\": \"a\\\\\\\"b\\n\xC3\xA4.\""), std::string::npos)
      << outcome.out;
}

TEST(Query, ResolvConfGivesServersSearchListAndNdots) {
  const ScriptedServer server(cluster);
  std::string folder = ::testing::TempDir() + "query_test_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/resolv.conf";
  std::ofstream(path) << "nameserver 127.0.0.1\nsearch svc.cluster.local\noptions ndots:2\n";
  QueryOptions options;
  options.name = "web.default";
  options.type = "A";
  options.port = server.port();
  options.timeout = 10s;
  const Outcome outcome = ask(options, path);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  ASSERT_EQ(server.seen().size(), 1U);
  EXPECT_EQ(server.seen()[0].query.qname.to_text(), "web.default.svc.cluster.local.");

  // What the command line names comes before the file.
  options.ndots = 1;
  options.tcp = true;
  EXPECT_EQ(ask(options, path).code, 0);
  ASSERT_EQ(server.seen().size(), 3U);
  EXPECT_EQ(server.seen()[1].query.qname.to_text(), "web.default.");
  EXPECT_TRUE(server.seen()[1].tcp);
  options.search = false;
  EXPECT_EQ(ask(options, path).code, 1);
  EXPECT_EQ(server.seen().size(), 4U);

  std::filesystem::remove_all(folder);
}

TEST(Query, AMissingResolvConfIsToldWhenItMatters) {
  const ScriptedServer server(cluster);
  QueryOptions options = question(server, "web");
  EXPECT_EQ(ask(options).err, "");
  options.server.reset();
  options.port = server.port();
  const Outcome outcome = ask(options);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("/nonexistent/resolv.conf"), std::string::npos);
  EXPECT_NE(outcome.err.find("asking 127.0.0.1 instead, name another server with --server"),
            std::string::npos);
}

TEST(Query, WrongUse) {
  const ScriptedServer server(cluster);
  const auto expect_usage = [&](const QueryOptions& options, const std::string& error) {
    const Outcome outcome = ask(options);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "clusterdns query: " + error + "\n");
  };
  expect_usage(question(server, "web", "BOGUS"),
               "unknown type 'BOGUS'; write one like A, AAAA, SRV, PTR, TXT, or TYPE and its "
               "number");
  expect_usage(question(server, "web", "AXFR"),
               "AXFR is a zone transfer, which is more than one answer; use dig for it");
  expect_usage(question(server, "web..default"),
               "'web..default' is not a valid name: the name has an empty label (two dots in a "
               "row)");
  QueryOptions options = question(server, "web");
  options.search_domains = {"a..b"};
  expect_usage(options,
               "--search: 'a..b' is not a valid name: the name has an empty label (two dots in a "
               "row)");
  EXPECT_TRUE(server.seen().empty());
}

}  // namespace
}  // namespace clusterdns::app
