#include "dns/search/search_stage.h"

#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::zones {
namespace {

using namespace dns;           // NOLINT: the words of the protocol
using namespace dns::testing;  // NOLINT
using Lines = std::vector<std::string>;

class SearchTest : public ConversationTest {
 protected:
  // cluster.local and a search stage with the default list behind it.
  std::shared_ptr<FakeZone> serve(SearchStage::Options options = defaults()) {
    auto zone = std::make_shared<FakeZone>("cluster.local");
    zone->add_a("python-www.default.svc.cluster.local", {"10.244.0.10", "10.244.0.11"});
    zone->add_a("shop.other.svc.cluster.local", {"10.96.0.9"});
    zone->add_empty("other.svc.cluster.local");
    zone->add_empty("svc.cluster.local");
    zone->add_alias("ext.default.svc.cluster.local", "www.example.com");
    zone->add_alias("inner.default.svc.cluster.local", "shop.other.svc.cluster.local");
    add_stage(zone);
    add_stage(std::make_shared<SearchStage>(std::move(options)));
    return zone;
  }
  static SearchStage::Options defaults() {
    SearchStage::Options options;
    options.suffixes = SearchStage::pod_search_list("default", name("cluster.local"));
    return options;
  }
  // Knows `example.` names, and that nothing else exists.
  static FakeUpstream::Script world() {
    return [](const FakeUpstream::Request& request) -> std::optional<Octets> {
      Message reply = reply_to(request.octets);
      const std::string asked = reply.qname.to_text();
      if (asked.find("example.com.") != std::string::npos && reply.qtype == RRType::A) {
        reply.answer.push_back(a_record(asked, "192.0.2.1", 77));
      } else if (asked.find("example.com.") == std::string::npos) {
        reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
      }
      return write_message(reply, kMaxMessageSize);
    };
  }
};

TEST_F(SearchTest, PodSearchList) {
  Lines list;
  for (const Name& suffix : SearchStage::pod_search_list("Team-A", name("Cluster.Local"))) {
    list.push_back(suffix.to_text());
  }
  EXPECT_EQ(list, (Lines{"team-a.svc.cluster.local.", "svc.cluster.local.", "cluster.local."}));
}

TEST_F(SearchTest, FindsShortNames) {
  serve();
  Message answer = converse({.qname = "Python-WWW"});
  EXPECT_EQ(last_verdict_, Verdict::Answered);
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(answer.qname.to_text(), "Python-WWW.");
  EXPECT_EQ(lines(answer.answer), (Lines{"Python-WWW. CNAME python-www.default.svc.cluster.local.",
                                         "python-www.default.svc.cluster.local. A 10.244.0.10",
                                         "python-www.default.svc.cluster.local. A 10.244.0.11"}));
  EXPECT_EQ(answer.answer[0].ttl, FakeZone::kTtl);
  EXPECT_NE(answer.flags & kFlagAA, 0);
  // By the second and third suffix.
  EXPECT_EQ(lines(converse({.qname = "shop.other"}).answer),
            (Lines{"shop.other. CNAME shop.other.svc.cluster.local.",
                   "shop.other.svc.cluster.local. A 10.96.0.9"}));
  EXPECT_EQ(lines(converse({.qname = "shop.other.svc"}).answer),
            (Lines{"shop.other.svc. CNAME shop.other.svc.cluster.local.",
                   "shop.other.svc.cluster.local. A 10.96.0.9"}));
}

TEST_F(SearchTest, NoDataWhenTheNameExists) {
  FakeUpstream upstream(io_);
  upstream.script = world();
  serve();
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "python-www", .type = RRType::AAAA});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(lines(answer.answer),
            (Lines{"python-www. CNAME python-www.default.svc.cluster.local."}));
  EXPECT_EQ(answer.answer[0].ttl, FakeZone::kTtl);
  ASSERT_EQ(answer.authority.size(), 1u);
  EXPECT_EQ(answer.authority[0].owner.to_text(), "cluster.local.");
  // Nobody waits for an upstream to learn that a service has no AAAA.
  EXPECT_TRUE(upstream.requests.empty());
}

TEST_F(SearchTest, DataFurtherDownTheListGoesBeforeNoData) {
  auto zone = serve();
  zone->add_empty("twice.default.svc.cluster.local");
  zone->add_a("twice.svc.cluster.local", {"10.0.0.2"});
  EXPECT_EQ(
      lines(converse({.qname = "twice"}).answer),
      (Lines{"twice. CNAME twice.svc.cluster.local.", "twice.svc.cluster.local. A 10.0.0.2"}));
}

// That no suffix makes a name of it says nothing about the name itself: who is behind decides.
TEST_F(SearchTest, NotFoundAnywhere) {
  serve();
  EXPECT_TRUE(start({.qname = "nowhere"})->empty());
  EXPECT_EQ(last_verdict_, Verdict::Next);
}

TEST_F(SearchTest, NotFoundIsForwardedAsItIs) {
  FakeUpstream upstream(io_);
  upstream.script = world();
  serve();
  forward_to({upstream.endpoint()});
  Message answer = converse({.qname = "www.example.com"});
  EXPECT_EQ(lines(answer.answer), (Lines{"www.example.com. A 192.0.2.1"}));
  answer = converse({.qname = "nowhere"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  ASSERT_EQ(upstream.requests.size(), 2u);
  EXPECT_EQ(read_message(upstream.requests[1].octets)->qname.to_text(), "nowhere.");
}

TEST_F(SearchTest, AliasesAreFollowed) {
  FakeUpstream upstream(io_);
  upstream.script = world();
  serve();
  Message answer = converse({.qname = "inner"});
  EXPECT_EQ(last_verdict_, Verdict::Answered);
  EXPECT_EQ(lines(answer.answer),
            (Lines{"inner. CNAME inner.default.svc.cluster.local.",
                   "inner.default.svc.cluster.local. CNAME shop.other.svc.cluster.local.",
                   "shop.other.svc.cluster.local. A 10.96.0.9"}));
  // Without an upstream the chain is what there is.
  answer = converse({.qname = "ext"});
  EXPECT_EQ(answer.answer.size(), 2u);
  forward_to({upstream.endpoint()});
  answer = converse({.qname = "EXT"});
  EXPECT_EQ(last_verdict_, Verdict::Deferred);
  EXPECT_EQ(lines(answer.answer), (Lines{"EXT. CNAME ext.default.svc.cluster.local.",
                                         "ext.default.svc.cluster.local. CNAME www.example.com.",
                                         "www.example.com. A 192.0.2.1"}));
}

TEST_F(SearchTest, AliasesThatLeadNowhere) {
  auto zone = serve();
  zone->add_alias("broken.default.svc.cluster.local", "gone.default.svc.cluster.local");
  zone->add_alias("loop.default.svc.cluster.local", "loop.default.svc.cluster.local");
  Message answer = converse({.qname = "broken"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(answer.answer.size(), 2u);
  EXPECT_EQ(answer.authority.size(), 1u);
  answer = converse({.qname = "loop", .edns = true});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::Other));
}

TEST_F(SearchTest, LongAliasChainsEnd) {
  auto zone = serve();
  for (int i = 0; i < 30; ++i) {
    zone->add_alias("n" + std::to_string(i) + ".default.svc.cluster.local",
                    "n" + std::to_string(i + 1) + ".default.svc.cluster.local");
  }
  const Message answer = converse({.qname = "n0", .edns = true});
  EXPECT_LE(answer.answer.size(), Answer::kMaxChain);
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::Other));
}

TEST_F(SearchTest, CnameQuestions) {
  serve();
  const Message answer = converse({.qname = "ext", .type = RRType::CNAME});
  EXPECT_EQ(lines(answer.answer), (Lines{"ext. CNAME ext.default.svc.cluster.local."}));
}

TEST_F(SearchTest, WhereItDoesNotApply) {
  auto zone = serve();
  zone->add_a("1.2.3.4.in-addr.arpa.cluster.local", {"10.0.0.1"});
  zone->add_a("a.b.c.d.e.f.cluster.local", {"10.0.0.1"});
  const unsigned before = zone->look_ups;
  const auto passes = [&](const Ask& ask) {
    (void)start(ask);
    return last_verdict_ == Verdict::Next;
  };
  EXPECT_TRUE(passes({.qname = "."}));
  EXPECT_TRUE(passes({.qname = "a.b.c.d.e.f"}));  // five dots
  EXPECT_TRUE(passes({.qname = "4.in-addr.arpa", .type = RRType::PTR}));
  EXPECT_TRUE(passes({.qname = "1.IP6.arpa", .type = RRType::PTR}));
  for (const RRType type : {RRType::NS, RRType::SOA, RRType::DS, RRType::AXFR}) {
    EXPECT_TRUE(passes({.qname = "python-www", .type = type}));
  }
  for (const char* client : {"10.0.0.1", "192.168.1.1", "fe80::1"}) {
    EXPECT_TRUE(passes({.qname = "python-www", .client = client})) << client;
  }
  EXPECT_EQ(zone->look_ups, before);
  EXPECT_FALSE(passes({.qname = "python-www", .client = "::1"}));
  const unsigned tried = zone->look_ups;
  (void)start({.qname = "a.b.c.d.e"});  // four dots
  EXPECT_GT(zone->look_ups, tried);
}

TEST_F(SearchTest, NdotsOfItsOwn) {
  SearchStage::Options options = defaults();
  options.ndots = 1;
  serve(std::move(options));
  EXPECT_EQ(converse({.qname = "python-www"}).answer.size(), 3u);
  (void)start({.qname = "shop.other"});
  EXPECT_EQ(last_verdict_, Verdict::Next);
}

TEST_F(SearchTest, LongNamesSkipTheSuffixesTheyDoNotFit) {
  serve();
  const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                              std::string(63, 'c') + "." + std::string(61, 'd');
  (void)start({.qname = longest});
  EXPECT_EQ(last_verdict_, Verdict::Next);
}

TEST_F(SearchTest, NotReadyIsServfail) {
  serve()->not_ready();
  const Message answer = converse({.qname = "python-www", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NotReady));
}

class MixedSearchTest : public SearchTest {
 protected:
  // The list: a suffix of the outside, then ours.
  static SearchStage::Options mixed() {
    SearchStage::Options options;
    options.suffixes = {name("example.com"), name("default.svc.cluster.local")};
    return options;
  }
};

TEST_F(MixedSearchTest, SuffixesOutsideOurZonesAreAskedUpstreamInOrder) {
  FakeUpstream upstream(io_);
  upstream.script = world();
  serve(mixed());
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "python-www"});
  EXPECT_EQ(lines(answer.answer), (Lines{"python-www. CNAME python-www.example.com.",
                                         "python-www.example.com. A 192.0.2.1"}));
  EXPECT_EQ(answer.answer[0].ttl, 77u);
  EXPECT_EQ(answer.flags & kFlagAA, 0);
}

TEST_F(MixedSearchTest, GoesOnAfterNXDomainAndNoData) {
  FakeUpstream upstream(io_);
  bool exists = false;
  upstream.script = [&](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    if (!exists) reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    return write_message(reply, kMaxMessageSize);
  };
  serve(mixed());
  forward_to({upstream.endpoint()});
  for (const bool value : {false, true}) {
    exists = value;
    const Message answer = converse({.qname = "python-www"});
    EXPECT_EQ(answer.answer.size(), 3u);
    EXPECT_EQ(answer.rcode, 0);
  }
  // AAAA: NODATA of ours.
  exists = false;
  Message answer = converse({.qname = "python-www", .type = RRType::AAAA});
  EXPECT_EQ(answer.answer.size(), 1u);
  EXPECT_EQ(answer.authority.size(), 1u);
  // Nowhere: asked as it is.
  exists = false;
  upstream.requests.clear();
  answer = converse({.qname = "nowhere"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  ASSERT_EQ(upstream.requests.size(), 2u);
  EXPECT_EQ(read_message(upstream.requests[0].octets)->qname.to_text(), "nowhere.example.com.");
  EXPECT_EQ(read_message(upstream.requests[1].octets)->qname.to_text(), "nowhere.");
}

TEST_F(MixedSearchTest, ADeadUpstreamIsWaitedForOnce) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request&) { return std::nullopt; };
  serve(mixed());
  forward_to({upstream.endpoint()});
  EXPECT_EQ(converse({.qname = "python-www"}).answer.size(), 3u);
  const auto begin = std::chrono::steady_clock::now();
  const Message answer = converse({.qname = "nowhere", .edns = true});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2 * quick_timings().give_up);
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NoReachableAuthority));
}

TEST_F(MixedSearchTest, WithoutUpstreamsTheirSuffixesAreSkipped) {
  serve(mixed());
  EXPECT_EQ(converse({.qname = "python-www"}).answer.size(), 3u);
  EXPECT_EQ(last_verdict_, Verdict::Answered);
}

// A name that has no AAAA is not a name that does not exist, in whosever zone it is.
TEST_F(MixedSearchTest, NoDataOfAnUpstreamDecidesToo) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    const std::string asked = reply.qname.to_text();
    if (asked != "intranet.example.com.") {
      reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
      reply.authority = {soa_record(".")};
    } else if (reply.qtype == RRType::A) {
      reply.answer = {a_record(asked, "192.0.2.1")};
    } else {
      reply.authority = {soa_record("example.com")};
    }
    return write_message(reply, kMaxMessageSize);
  };
  serve(mixed());
  forward_to({upstream.endpoint()});
  EXPECT_EQ(converse({.qname = "intranet"}).answer.size(), 2u);
  const Message answer = converse({.qname = "intranet", .type = RRType::AAAA});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(lines(answer.answer), (Lines{"intranet. CNAME intranet.example.com."}));
  ASSERT_EQ(answer.authority.size(), 1u);
  EXPECT_EQ(answer.authority[0].owner.to_text(), "example.com.");
  EXPECT_EQ(upstream.requests.size(), 2u) << "nobody asks further for a name that exists";
  // The alias that is asked for is the one that is made.
  const Message alias = converse({.qname = "intranet", .type = RRType::CNAME});
  EXPECT_EQ(lines(alias.answer), (Lines{"intranet. CNAME intranet.example.com."}));
}

// RFC 6604: the candidate exists, where it leads does not.
TEST_F(MixedSearchTest, OutsideCandidateThatLeadsNowhere) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.answer = {name_record(reply.qname.to_text(), RRType::CNAME, "gone.example.com", 20)};
    reply.authority = {soa_record("example.com")};
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    return write_message(reply, kMaxMessageSize);
  };
  serve(mixed());
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "store"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(lines(answer.answer), (Lines{"store. CNAME store.example.com.",
                                         "store.example.com. CNAME gone.example.com."}));
  EXPECT_EQ(answer.answer[0].ttl, 20u);
}

TEST_F(MixedSearchTest, AnUpstreamThatRefusesASuffixIsPassedOver) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    const bool plain = reply.qname.to_text() == "nowhere.";
    reply.rcode = static_cast<std::uint16_t>(plain ? Rcode::NXDomain : Rcode::Refused);
    return write_message(reply, kMaxMessageSize);
  };
  serve(mixed());
  forward_to({upstream.endpoint()});
  const Message found = converse({.qname = "python-www"});
  EXPECT_EQ(found.answer.size(), 3u);
  EXPECT_NE(found.flags & kFlagAA, 0) << "of our zone, whatever was tried before";
  EXPECT_EQ(converse({.qname = "nowhere"}).rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
}

// Whoever stands behind the search decides about the name as it is, later too.
TEST_F(MixedSearchTest, WhatIsNotFoundGoesToTheStagesBehind) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    return write_message(reply, kMaxMessageSize);
  };
  serve(mixed());
  // Only the suffix is forwarded.
  forward_to({upstream.endpoint()}, quick_timings(), "example.com");
  const Message answer = converse({.qname = "nowhere", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::Refused));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NotAuthoritative));
}

TEST_F(MixedSearchTest, OutsideCandidateThatLeadsInside) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.answer.push_back(
        name_record(reply.qname.to_text(), RRType::CNAME, "shop.other.svc.cluster.local"));
    return write_message(reply, kMaxMessageSize);
  };
  serve(mixed());
  forward_to({upstream.endpoint()});
  EXPECT_EQ(lines(converse({.qname = "store"}).answer),
            (Lines{"store. CNAME store.example.com.",
                   "store.example.com. CNAME shop.other.svc.cluster.local.",
                   "shop.other.svc.cluster.local. A 10.96.0.9"}));
}

}  // namespace
}  // namespace clusterdns::zones
