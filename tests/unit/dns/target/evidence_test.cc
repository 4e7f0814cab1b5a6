#include "dns/target/evidence.h"

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Octets;
using unit::Packet;
using unit::Request;

constexpr std::int64_t kMillisecond = 1'000'000;

class EvidenceTest : public ::testing::Test {
 protected:
  struct Ask {
    std::string name = "www.test";
    RRType type = RRType::A;
    std::uint16_t port = 1000;
    std::uint16_t id = 1;
    Transport transport = Transport::Udp;
    std::string client = "127.0.0.2";
    bool edns = false;
  };
  // A query comes after so many ms, and is answered at once; `rcode` -1: it is not; TC: -2.
  void ask(const Ask& how, std::int64_t after_ms, int rcode, bool data = true,
           const FaultNote* note = nullptr) {
    now_ += after_ms * kMillisecond;
    const Octets octets =
        Request{.qname = how.name, .qtype = how.type, .id = how.id, .edns = how.edns}.wire();
    const Packet packet(octets);
    Query query;
    ASSERT_EQ(parse_query(packet.view(), query), Gate::Pass);
    const Endpoint client = unit::endpoint(how.client, how.port);
    evidence_.on_query(client, unit::endpoint("127.0.0.1", 53), how.transport, query, now_);
    if (rcode == -1) {
      if (note != nullptr)
        evidence_.on_end(client, unit::endpoint("127.0.0.1", 53), how.transport, query, now_, {},
                         note);
      return;
    }
    Octets response = octets;
    response.resize(query.question_end);
    response[2] |= 0x80;
    if (rcode == -2) response[2] |= 2;
    if (rcode > 0) response[3] = static_cast<std::uint8_t>(rcode);
    response[10] = response[11] = 0;
    if (rcode == 0 && data) {
      response[7] = 1;
      unit::put_record(response, how.name, how.type, 1, 60, Octets(4));
    }
    evidence_.on_end(client, unit::endpoint("127.0.0.1", 53), how.transport, query, now_, response,
                     note);
  }
  ClientEvidence client(const EvidenceFilter& filter = {}) {
    const EvidenceReport report = evidence_.report(filter);
    if (report.clients.empty()) return {};
    return report.clients.front();
  }

  Evidence evidence_{{.names = 5, .clients = 3}};
  std::int64_t now_ = 1'000'000'000'000;
};

TEST_F(EvidenceTest, RetriesAreToldApart) {
  ask({}, 0, -1);
  ask({}, 5000, -1);                        // same id and port
  ask({.id = 2}, 2000, -1);                 // same port
  ask({.port = 1001, .id = 3}, 1000, 2);    // another port; SERVFAIL
  ask({.port = 1002, .id = 4}, 0, 0);       // behind SERVFAIL; good
  ask({.port = 1003, .id = 5}, 0, 0);       // behind a good answer
  ask({.port = 1004, .id = 6}, 11'000, 0);  // long after
  const ClientEvidence all = client();
  EXPECT_EQ(all.retries.same_id_port, 1u);
  EXPECT_EQ(all.retries.same_port, 1u);
  EXPECT_EQ(all.retries.new_port, 2u);
  EXPECT_EQ(all.repeats, 1u);
  EXPECT_EQ(all.ports, 5u);
  ASSERT_EQ(all.names.size(), 1u);
  EXPECT_EQ(all.names[0].intervals, (EvidenceTimes{5000, 2000, 1000, 0}));
  EXPECT_EQ(all.names[0].last_outcome, "NOERROR");
}

TEST_F(EvidenceTest, TcpBehindUdpIsNoRetry) {
  ask({}, 0, -2);
  ask({.port = 9, .id = 2, .transport = Transport::Tcp}, 10, 0);
  ask({.name = "other.test"}, 0, -1);
  ask({.name = "other.test", .id = 3, .transport = Transport::Tcp}, 5000, 0);
  const ClientEvidence all = client();
  EXPECT_EQ(all.fallback.after_tc, 1u);
  EXPECT_EQ(all.fallback.after_silence, 1u);
  EXPECT_EQ(all.retries.same_id_port + all.retries.same_port + all.retries.new_port, 0u);
  EXPECT_EQ(all.udp, 2u);
  EXPECT_EQ(all.tcp, 2u);
}

TEST_F(EvidenceTest, WhatAFaultSpoiltIsAskedAgain) {
  FaultNote note;
  note.faults = "d20 badid";
  note.spoilt = true;
  ask({}, 0, 0, true, &note);
  ask({.id = 2}, 100, 0);
  const ClientEvidence all = client();
  EXPECT_EQ(all.retries.same_port, 1u);
  EXPECT_EQ(all.repeats, 0u);
  EXPECT_EQ(all.faults.all().at("badid"), 1u);
  EXPECT_EQ(all.faults.all().at("d20"), 1u);
  note.faults = "drop";
  ask({.name = "drop.test"}, 0, -1, true, &note);
  EXPECT_EQ(client().outcomes.all().at("dropped"), 1u);
}

TEST_F(EvidenceTest, Pairs) {
  ask({}, 0, 0);
  ask({.type = RRType::AAAA, .id = 2}, 1, 0, false);
  ask({.name = "b.test", .type = RRType::AAAA}, 0, 0);
  ask({.name = "b.test", .port = 7}, 1, 0);
  ask({.name = "c.test"}, 0, 0);
  const ClientEvidence all = client();
  EXPECT_EQ(all.both, 2u);
  EXPECT_EQ(all.a_first, 1u);
  EXPECT_EQ(all.aaaa_first, 1u);
  EXPECT_EQ(all.one_socket, 1u);
  EXPECT_EQ(all.two_sockets, 1u);
  EXPECT_EQ(all.a_only, 1u);
  EXPECT_EQ(all.aaaa_only, 0u);
  EXPECT_EQ(all.gaps, (EvidenceTimes{1, 1}));
  EXPECT_EQ(all.outcomes.all().at("NODATA"), 1u);
}

TEST_F(EvidenceTest, SearchLists) {
  for (const char* const name :
       {"web.default.svc.cluster.local", "web.svc.cluster.local", "web.cluster.local"}) {
    ask({.name = name}, 1, 3);
  }
  ask({.name = "web"}, 1, 0);
  ask({.name = "other"}, 1, 0);
  const ClientEvidence all = client();
  ASSERT_EQ(all.search.size(), 1u);
  EXPECT_EQ(all.search[0].base, "web.");
  EXPECT_EQ(all.search[0].names,
            (std::vector<std::string>{"web.default.svc.cluster.local.", "web.svc.cluster.local.",
                                      "web.cluster.local.", "web."}));
}

TEST_F(EvidenceTest, WhatIsKeptIsBounded) {
  for (int i = 0; i < 10; ++i) {
    ask({.name = "n" + std::to_string(i) + ".test", .client = "127.0.1." + std::to_string(i)}, 1,
        0);
  }
  EXPECT_EQ(evidence_.report({}).clients.size(), 3u);
  EXPECT_EQ(evidence_.evicted_clients(), 7u);
  for (int i = 0; i < 10; ++i) ask({.name = "n" + std::to_string(i) + ".test"}, 1, 0);
  EXPECT_GT(evidence_.evicted_names(), 0u);
  EXPECT_LE(client({.client = "127.0.0.2"}).names.size(), 5u);
  EXPECT_EQ(client({.client = "127.0.0.2", .name = "n9.test.", .type = "A"}).names.size(), 1u);
  evidence_.clear();
  EXPECT_TRUE(evidence_.report({}).clients.empty());
  ask({.client = "9.9.9.9"}, 0, 0);
  EXPECT_TRUE(evidence_.report({}).clients.empty());
}

// Names of the largest size, of whom nobody has asked before.
TEST(EvidenceOctets, AreBounded) {
  constexpr std::size_t kMost = 200'000;
  for (const bool one_client : {true, false}) {
    Evidence evidence({.octets = kMost});
    for (int i = 0; i < 500; ++i) {
      std::string name = std::to_string(i) + ".";
      for (int k = 0; k < 3; ++k) name += std::string(60, '\x01') + ".";
      const Octets octets = Request{.qname = name}.wire();
      const Packet packet(octets);
      Query query;
      ASSERT_EQ(parse_query(packet.view(), query), Gate::Pass);
      const Endpoint client =
          unit::endpoint(one_client ? "127.0.0.2" : "127.0.1." + std::to_string(i % 250), 9);
      evidence.on_query(client, unit::endpoint("127.0.0.1", 53), Transport::Udp, query, i);
      ASSERT_LE(evidence.octets(), kMost);
    }
    EXPECT_GT(evidence.octets(), kMost / 2);
    EXPECT_GT(evidence.evicted_names(), 0u);
    EXPECT_EQ(evidence.evicted_clients() == 0, one_client);
    std::size_t names = 0;
    for (const ClientEvidence& client : evidence.report({}).clients) names += client.names.size();
    EXPECT_GT(names, 10u);
    evidence.clear();
    EXPECT_EQ(evidence.octets(), 0u);
  }
}

TEST(EvidenceParts, AreTheWhole) {
  Evidence evidence({});
  const auto ask = [&](const std::string& client, const std::string& name, RRType type) {
    const Octets octets = Request{.qname = name, .qtype = type}.wire();
    const Packet packet(octets);
    Query query;
    ASSERT_EQ(parse_query(packet.view(), query), Gate::Pass);
    evidence.on_query(unit::endpoint(client, 9), unit::endpoint("127.0.0.1", 53), Transport::Udp,
                      query, 1);
  };
  for (const char* client : {"127.0.0.4", "127.0.0.2", "127.0.0.3"}) {
    for (const char* name : {"b", "a", "c", "d", "e"}) ask(client, name, RRType::A);
    ask(client, "a", RRType::AAAA);
  }
  const auto told = [](const std::vector<ClientEvidence>& clients) {
    std::string text;
    for (const ClientEvidence& client : clients) {
      if (!client.goes_on) text += " " + client.client + ":";
      for (const NameEvidence& name : client.names) text += name.name + rrtype_to_text(name.type);
    }
    return text;
  };
  const std::uint64_t version = evidence.version();
  for (const EvidenceFilter& filter :
       {EvidenceFilter{}, EvidenceFilter{.client = "127.0.0.3"}, EvidenceFilter{.name = "a."},
        EvidenceFilter{.type = "AAAA"}, EvidenceFilter{.name = "x."},
        EvidenceFilter{.client = "127.0.0.1"}}) {
    const std::string whole = told(evidence.report(filter).clients);
    EXPECT_EQ(whole.empty(), filter.name == "x." || filter.client == "127.0.0.1");
    for (std::size_t most = 2; most < 10; ++most) {
      std::string text;
      EvidencePlace place;
      while (!place.at_end) text += told(evidence.part(filter, place, most));
      EXPECT_EQ(text, whole) << most;
    }
  }
  EXPECT_EQ(told(evidence.report({.client = "127.0.0.2"}).clients),
            " 127.0.0.2:b.Aa.Ac.Ad.Ae.Aa.AAAA");
  EXPECT_EQ(evidence.version(), version);
  // The client that is being told of goes.
  EvidencePlace place;
  EXPECT_EQ(told(evidence.part({}, place, 3)), " 127.0.0.2:b.Aa.A");
  evidence.clear();
  EXPECT_NE(evidence.version(), version);
  EXPECT_TRUE(evidence.part({}, place, 3).empty());
  EXPECT_TRUE(place.at_end);
}

}  // namespace
}  // namespace clusterdns::dns
