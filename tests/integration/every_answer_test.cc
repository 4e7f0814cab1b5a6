// What holds for every answer, whoever gives it: memory, hosts, the cache, an upstream, a search
// list, an alias from one to the other. Each rule is tried on every way.
#include <algorithm>
#include <map>
#include <set>

#include "integration/fixture.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

using Exchange = ScriptedUpstream::Exchange;

Octets record(std::string_view owner, std::string_view type, std::uint32_t ttl,
              std::span<const std::uint8_t> rdata) {
  WireWriter writer;
  writer.record(owner, type, ttl, rdata);
  return std::move(writer.out);
}

// The rest of the world. Signed, as it says (AD), with TTLs of its own, and four addresses a name.
std::optional<Octets> world(const Exchange& exchange) {
  const Question& question = exchange.query.questions[0];
  const std::string name = lower(question.name);
  const std::string type = type_to_text(question.type);
  Reply reply{.flags = kFlagRA | kFlagAD};
  const auto add = [&](const Octets& octets, unsigned& count) {
    reply.records.insert(reply.records.end(), octets.begin(), octets.end());
    ++count;
  };
  const auto soa = [&](std::string_view zone) {
    WireWriter rdata;
    rdata.name("ns." + std::string(zone)).name("host." + std::string(zone));
    for (const std::uint32_t value : {1U, 2U, 3U, 4U, 900U}) rdata.u32(value);
    add(record(zone, "SOA", 900, rdata.out), reply.authority);
  };
  if (name == "shop.example.com.") {
    add(record(question.name, "CNAME", 900, name_octets("headless.default.svc.cluster.local.")),
        reply.answers);
  } else if (name == "fail.example.com.") {
    reply.rcode = 2;
  } else if (name.starts_with("gone.") || name.starts_with("short.")) {
    reply.rcode = 3;
    soa(".");
  } else if (type == "A" && (name.ends_with(".example.com.") || name.ends_with("corp.example."))) {
    std::string owner = question.name;
    if (name.starts_with("alias.")) {
      add(record(owner, "CNAME", 900, name_octets("www.example.com.")), reply.answers);
      owner = "www.example.com.";
    }
    for (int i = 1; i <= 4; ++i) {
      add(a_record(owner, "192.0.2." + std::to_string(i), 900), reply.answers);
    }
  } else if (type == "MX") {
    for (const char* host : {"mx1.example.com.", "mx2.example.com.", "mx3.example.com."}) {
      WireWriter rdata;
      rdata.u16(10).name(host);
      add(record(question.name, "MX", 900, rdata.out), reply.answers);
    }
  } else {
    soa("com.");
  }
  return reply_to(exchange.query, reply);
}

// A question, and where its answer comes from.
struct Way {
  const char* what;
  std::string name;
  std::string type = "A";
  std::string rcode = "NOERROR";
  bool outside = false;  // wholly an upstream's
};

const std::vector<Way>& ways() {
  static const std::vector<Way> all{
      {"memory", "Web.default.svc.cluster.local."},
      {"memory, several", "Headless.default.svc.cluster.local."},
      {"memory, NODATA", "Web.default.svc.cluster.local.", "AAAA"},
      {"memory, NXDOMAIN", "None.default.svc.cluster.local.", "A", "NXDOMAIN"},
      {"memory, SRV", "Headless.default.svc.cluster.local.", "SRV"},
      {"memory, TXT", "Dns-Version.cluster.local.", "TXT"},
      {"memory, transfer", "Cluster.local.", "AXFR", "REFUSED"},
      {"hosts", "Printer.corp.test."},
      {"hosts, NODATA", "Printer.corp.test.", "AAAA"},
      {"hosts, reverse", "1.9.9.10.In-Addr.arpa.", "PTR"},
      {"hosts, unknown", "Other.corp.test.", "A", "SERVFAIL"},
      {"alias inside", "Inner.default.svc.cluster.local."},
      {"alias into nothing", "Dangling.default.svc.cluster.local.", "A", "NXDOMAIN"},
      {"alias to hosts", "Hosted.default.svc.cluster.local."},
      {"alias outside", "Outer.default.svc.cluster.local."},
      {"alias outside, NXDOMAIN", "Lost.default.svc.cluster.local.", "A", "NXDOMAIN"},
      {"forwarded", "Www.example.com.", "A", "NOERROR", true},
      {"forwarded, NODATA", "Www.example.com.", "TXT", "NOERROR", true},
      {"forwarded, NXDOMAIN", "Gone.example.com.", "A", "NXDOMAIN", true},
      {"forwarded, alias", "Alias.example.com.", "A", "NOERROR", true},
      {"forwarded, MX", "Mail.example.com.", "MX", "NOERROR", true},
      {"forwarded, failed", "Fail.example.com.", "A", "SERVFAIL", true},
      {"forwarded, not for us", "Www.example.com.", "AXFR", "REFUSED"},
      {"forwarded, then inside", "Shop.example.com."},
      {"searched", "Headless"},
      {"searched, NODATA", "Web", "AAAA"},
      {"searched, alias outside", "Outer"},
      {"searched upstream", "Intranet"},
      {"searched in vain", "Short", "A", "NXDOMAIN", true},
      {"nobody's", "Www.nobody.test.", "A", "REFUSED"},
  };
  return all;
}

class EveryAnswer : public Integration {
 protected:
  void start(const std::string& more) {
    std::string yaml =
        service_yaml("web", "10.96.1.1") + "---\n" +
        headless_yaml("headless", {"10.244.0.1", "10.244.0.2", "10.244.0.3", "10.244.0.4"});
    for (const auto& [name, target] : {std::pair{"inner", "headless.default.svc.cluster.local"},
                                       {"dangling", "none.default.svc.cluster.local"},
                                       {"hosted", "printer.corp.test"},
                                       {"outer", "www.example.com"},
                                       {"lost", "gone.example.com"}}) {
      yaml += std::string("---\napiVersion: v1\nkind: Service\nmetadata: {name: ") + name +
              "}\nspec: {type: ExternalName, externalName: " + target + "}\n";
    }
    manifests_.write("a.yaml", yaml);
    serve_corefile(".:0 {\n  bind 127.0.0.1\n" + more +
                   "  hosts /nonexistent corp.test 10.in-addr.arpa {\n"
                   "    10.9.9.1 printer.corp.test\n    10.9.9.2 printer.corp.test\n"
                   "    10.9.9.3 printer.corp.test\n    10.9.9.4 printer.corp.test\n  }\n"
                   "  kubernetes cluster.local {\n    manifests %M\n    ttl 3600\n  }\n"
                   "  search default.svc.cluster.local corp.example {\n    ndots 1\n  }\n"
                   "  forward . " +
                   upstream_.endpoint().text() + " {\n    except nobody.test\n  }\n}\n");
  }
  // Over both transports.
  std::vector<Message> ask_both(const Way& way, Query query) {
    query.name = way.name;
    query.type = way.type;
    return {ask_udp(endpoint(), query), ask_tcp(endpoint(), query)};
  }
  // `check` for each way, over UDP and TCP, without a cache and with one, which has some answers by
  // the second time.
  void on_every_way(const std::function<Query(const Way&)>& make,
                    const std::function<void(const Way&, const Message&)>& check) {
    for (const char* more : {"", "  cache 30\n"}) {
      start(more);
      for (const Way& way : ways()) {
        for (int i = 0; i < 2; ++i) {
          for (const Message& response : ask_both(way, make(way))) {
            SCOPED_TRACE(std::string(way.what) + more + (i == 0 ? "" : ", again") + "\n" +
                         response.text());
            check(way, response);
          }
        }
      }
      stop();
    }
  }

  ScriptedUpstream upstream_{world};
};

TEST_F(EveryAnswer, HasTheRcodeAndTheQuestion) {
  // That the question comes back octet for octet is checked by every client here.
  on_every_way([](const Way&) { return Query{}; },
               [](const Way& way, const Message& response) {
                 expect_rcode(response, way.rcode);
                 // Owners follow the letter case of the question.
                 if (!response.answer.empty()) {
                   const std::string dot = way.name.ends_with('.') ? "" : ".";
                   EXPECT_EQ(response.answer[0].owner, way.name + dot);
                 }
                 EXPECT_FALSE(response.has(kFlagTC));
               });
}

// RFC 6891 6.1.1, RFC 3225 section 3.
TEST_F(EveryAnswer, HasAnOptRecordWithTheDoBitWhenTheQueryHas) {
  on_every_way(
      [](const Way&) { return Query{}; },
      [](const Way&, const Message& response) { EXPECT_FALSE(response.edns.has_value()); });
  for (const bool dnssec_ok : {false, true}) {
    on_every_way(
        [&](const Way&) { return Query{.name = {}, .edns = Edns{.dnssec_ok = dnssec_ok}}; },
        [&](const Way&, const Message& response) {
          ASSERT_TRUE(response.edns.has_value());
          EXPECT_EQ(response.edns->dnssec_ok, dnssec_ok);
          EXPECT_EQ(response.edns->payload_size, 1232);
          EXPECT_EQ(response.edns->version, 0);
        });
  }
}

// RD and CD are copied (RFC 1035 4.1.1, RFC 4035 3.2.2), RA is what this server offers this client.
TEST_F(EveryAnswer, HasTheFlagsOfTheQuery) {
  for (const std::uint16_t flags : {kFlagRD, static_cast<std::uint16_t>(kFlagRD | kFlagCD)}) {
    on_every_way([&](const Way&) { return Query{.name = {}, .flags = flags}; },
                 [&](const Way&, const Message& response) {
                   EXPECT_TRUE(response.has(kFlagRD));
                   EXPECT_EQ(response.has(kFlagCD), (flags & kFlagCD) != 0);
                   EXPECT_TRUE(response.has(kFlagRA));
                   EXPECT_FALSE(response.has(kFlagZ));
                   // RFC 6840 5.8: AD is for who asks for it.
                   EXPECT_FALSE(response.has(kFlagAD));
                 });
  }
}

TEST_F(EveryAnswer, IsAuthenticWhereAllOfItIs) {
  on_every_way([](const Way&) { return Query{.name = {}, .flags = kFlagRD | kFlagAD}; },
               [](const Way& way, const Message& response) {
                 EXPECT_EQ(response.has(kFlagAD), way.outside) << way.what;
               });
}

// CoreDNS's cache bounds every answer that passes it, negative ones apart.
TEST_F(EveryAnswer, LivesNoLongerThanTheCacheAllows) {
  const auto most = [](const std::vector<Record>& section) {
    std::uint32_t ttl = 0;
    for (const Record& record : section) ttl = std::max(ttl, record.ttl);
    return ttl;
  };
  for (const char* cache : {"  cache 30 {\n    denial 9984 20\n  }\n",
                            "  cache 30 {\n    denial 9984 20\n    disable success\n"
                            "    disable denial\n  }\n"}) {
    start(cache);
    for (const Way& way : ways()) {
      for (int i = 0; i < 2; ++i) {
        for (const Message& response : ask_both(way, {})) {
          SCOPED_TRACE(std::string(way.what) + cache + response.text());
          const bool negative = !response.authority.empty();
          EXPECT_LE(most(response.answer), negative ? 20U : 30U);
          EXPECT_LE(most(response.authority), 20U);
          EXPECT_LE(most(response.additional), 30U);
        }
      }
    }
    stop();
  }
  // Names outside the cache's zones keep theirs.
  start("  cache 30 example.com\n");
  EXPECT_EQ(most(ask("web.default.svc.cluster.local.").answer), 3600U);
  EXPECT_EQ(most(ask("www.example.com.").answer), 30U);
}

TEST_F(EveryAnswer, TurnsItsAddressesAndMailServers) {
  for (const char* more : {"", "  loadbalance\n", "  loadbalance off\n", "  cache 30\n",
                           "  cache 30\n  loadbalance off\n"}) {
    start(more);
    const bool off = std::string_view(more).find("off") != std::string_view::npos;
    for (const Way& way : ways()) {
      SCOPED_TRACE(std::string(way.what) + more);
      std::set<std::string> first;
      std::set<std::vector<std::string>> all;
      std::size_t count = 0;
      for (int i = 0; i < 24; ++i) {
        const Message response = ask_udp(endpoint(), Query{.name = way.name, .type = way.type});
        std::vector<std::string> data;
        bool aliases_first = true;
        for (const Record& r : response.answer) {
          if (type_to_text(r.type) == way.type) {
            data.push_back(r.owner + " " + r.data);  // a cache counts the TTL down
          } else {
            aliases_first = aliases_first && data.empty();
          }
        }
        EXPECT_TRUE(aliases_first) << response.text();
        if (data.empty()) break;
        count = data.size();
        first.insert(data[0]);
        std::sort(data.begin(), data.end());
        all.insert(data);
      }
      EXPECT_LE(all.size(), 1U) << "always the same records";
      const bool turns = !off && (way.type == "A" || way.type == "MX");
      EXPECT_EQ(first.size(), count == 0 ? 0U : turns ? count : 1U);
    }
    stop();
  }
}

// A client that may not forward gets nothing from an upstream, whichever way.
TEST_F(EveryAnswer, IsFromUpstreamsForTheirClientsOnly) {
  manifests_.write("a.yaml", service_yaml("web", "10.96.1.1") +
                                 "---\napiVersion: v1\nkind: Service\nmetadata: {name: outer}\n"
                                 "spec: {type: ExternalName, externalName: www.example.com}\n");
  for (const char* search : {"",
                             "  search default.svc.cluster.local corp.example {\n"
                             "    ndots 1\n    clients 127.0.0.0/8\n  }\n"}) {
    for (const char* cache : {"", "  cache 30\n"}) {
      SCOPED_TRACE(std::string(search) + cache);
      serve_corefile(std::string(".:0 {\n  bind 127.0.0.1\n") + cache +
                     "  kubernetes cluster.local {\n    manifests %M\n  }\n" + search +
                     "  forward . " + upstream_.endpoint().text() +
                     " {\n    clients 127.0.0.1\n  }\n}\n");
      const auto asked_from = [&](const std::string& client, const std::string& name) {
        return UdpClient(endpoint(), client).exchange(Query{.name = name, .edns = Edns{}});
      };
      // Kept, where something is kept.
      EXPECT_EQ(asked_from("127.0.0.1", "www.example.com.").answer.size(), 4U);
      for (const char* name : {"www.example.com.", "other.example.com.", "intranet.", "a.b."}) {
        const Message response = asked_from("127.0.0.2", name);
        expect_rcode(response, "REFUSED");
        EXPECT_EQ(response.extended_error(), 18) << name;  // Prohibited
        EXPECT_FALSE(response.has(kFlagRA));
      }
      const Message alias = asked_from("127.0.0.2", "outer.default.svc.cluster.local.");
      expect_rcode(alias, "NOERROR");
      EXPECT_EQ(alias.answer.size(), 1U) << alias.text();
      stop();
    }
  }
}

}  // namespace
}  // namespace clusterdns::test
