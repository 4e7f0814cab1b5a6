#include "dns/client/stub_resolver.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/dns/client/scripted_server.h"

namespace clusterdns::dns {
namespace {

using testing::Bytes;
using testing::make_record;
using testing::octets;
using testing::RefusingPort;
using testing::reply_to;
using testing::ScriptedServer;
using testing::server_at;
using testing::wire;
using namespace std::chrono_literals;

// Long enough never to end by chance, for tries that must be answered.
constexpr auto kPatience = 10s;
// For tries that must time out: the whole of it is waited.
constexpr auto kImpatience = 30ms;

Name name(const std::string& text) { return Name::from_text(text).value(); }

std::vector<std::string> texts(const std::vector<Name>& names) {
  std::vector<std::string> result;
  for (const Name& n : names) result.push_back(n.to_text());
  return result;
}

using Texts = std::vector<std::string>;

StubOptions options_for(std::vector<StubServer> servers, const Texts& search = {}) {
  StubOptions options;
  options.servers = std::move(servers);
  for (const std::string& domain : search) options.search.push_back(name(domain));
  options.timeout = kPatience;
  return options;
}

StubLookup look_up(const StubOptions& options, const std::string& text,
                   std::vector<RRType> types = {RRType::A}) {
  return stub_lookup(options, name(text), is_absolute(text), types);
}

Texts tried(const StubLookup& lookup) {
  Texts result;
  for (const StubTry& t : lookup.tries) {
    result.push_back(t.name.to_text() + " " + rrtype_to_text(t.type) + (t.tcp ? " tcp" : ""));
  }
  return result;
}

// Answers A of `known` with 10.0.0.1, NODATA for its other types, NXDOMAIN for other names.
ScriptedServer::Script knows(const std::string& known) {
  return [known](const Message& query, bool) -> std::vector<Bytes> {
    if (query.qname.to_text() != known) return {octets(reply_to(query, Rcode::NXDomain))};
    Message m = reply_to(query);
    if (query.qtype == RRType::A) {
      m.answer.push_back(make_record(query.qname, RRType::A, {10, 0, 0, 1}));
    }
    return {octets(m)};
  };
}

ScriptedServer::Script says(Rcode rcode) {
  return [rcode](const Message& query, bool) -> std::vector<Bytes> {
    return {octets(reply_to(query, rcode))};
  };
}

std::vector<Bytes> silence(const Message&, bool) { return {}; }

TEST(StubCandidates, FollowGlibcsRule) {
  StubOptions options = options_for({}, {"default.svc.cluster.local", "cluster.local"});
  options.ndots = 2;
  const auto candidates = [&](const std::string& text) {
    return texts(stub_candidates(name(text), is_absolute(text), options));
  };
  EXPECT_EQ(candidates("web"),
            (Texts{"web.default.svc.cluster.local.", "web.cluster.local.", "web."}));
  EXPECT_EQ(candidates("a.web"),
            (Texts{"a.web.default.svc.cluster.local.", "a.web.cluster.local.", "a.web."}));
  EXPECT_EQ(candidates("b.a.web"),
            (Texts{"b.a.web.", "b.a.web.default.svc.cluster.local.", "b.a.web.cluster.local."}));
  EXPECT_EQ(candidates("web."), Texts{"web."});
  EXPECT_EQ(candidates("."), Texts{"."});
  // An escaped dot is part of a label, not a dot to count or to end with.
  EXPECT_EQ(candidates("a\\.b").front(), "a\\.b.default.svc.cluster.local.");
  options.ndots = 0;
  EXPECT_EQ(candidates("web").front(), "web.");
}

TEST(StubCandidates, AskNothingTwiceAndNothingTooLong) {
  const StubOptions options = options_for({}, {".", "x", "x", "y"});
  EXPECT_EQ(texts(stub_candidates(name("a"), false, options)), (Texts{"a.", "a.x.", "a.y."}));
  const std::string label(63, 'a');
  const StubOptions longer = options_for({}, {label + "." + label});
  EXPECT_EQ(stub_candidates(name(label + "." + label), false, longer).size(), 1U);
}

TEST(StubResolver, AbsoluteNames) {
  EXPECT_TRUE(is_absolute("a."));
  EXPECT_TRUE(is_absolute("."));
  EXPECT_TRUE(is_absolute("a\\\\."));
  EXPECT_FALSE(is_absolute("a\\."));
  EXPECT_FALSE(is_absolute("a"));
  EXPECT_FALSE(is_absolute(""));
}

TEST(StubResolver, OptionsOfResolvConf) {
  std::vector<std::string> warnings;
  const ResolvConf conf = parse_resolv_conf(
      "nameserver 127.0.0.1\nnameserver ::1\nsearch a.b c..d\n"
      "options ndots:5 timeout:3 attempts:4 use-vc\n",
      "resolv.conf");
  const StubOptions options = stub_options(conf, 5353, &warnings);
  ASSERT_EQ(options.servers.size(), 2U);
  EXPECT_EQ(options.servers[0].to_string(), "127.0.0.1:5353");
  EXPECT_EQ(options.servers[1].to_string(), "[::1]:5353");
  EXPECT_EQ(texts(options.search), Texts{"a.b."});
  EXPECT_EQ(warnings.size(), 1U);
  EXPECT_EQ(options.ndots, 5U);
  EXPECT_EQ(options.timeout, 3s);
  EXPECT_EQ(options.attempts, 4U);
  EXPECT_TRUE(options.tcp);
  const ResolvConf four = parse_resolv_conf(
      "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
      "r");
  EXPECT_EQ(stub_options(four, 53, &warnings).servers.size(), kMaxStubNameservers);
  EXPECT_EQ(stub_options(ResolvConf{}, 53, &warnings).servers.at(0).to_string(), "127.0.0.1:53");
}

TEST(StubResolver, SearchStopsAtTheFirstNameWithAnAnswer) {
  const ScriptedServer server(knows("web.svc.cluster.local."));
  const StubLookup lookup =
      look_up(options_for({server.address()},
                          {"default.svc.cluster.local", "svc.cluster.local", "cluster.local"}),
              "web");
  EXPECT_EQ(lookup.status, StubStatus::Found);
  EXPECT_EQ(lookup.name.to_text(), "web.svc.cluster.local.");
  EXPECT_EQ(tried(lookup), (Texts{"web.default.svc.cluster.local. A", "web.svc.cluster.local. A"}));
  EXPECT_EQ(lookup.tries[0].rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(lookup.tries[1].rcode, 0);
  EXPECT_EQ(lookup.tries[1].answers, 1U);
  EXPECT_EQ(lookup.tries[1].result, TryResult::Answered);
  EXPECT_EQ(lookup.tries[1].server.to_string(), server.address().to_string());
  ASSERT_EQ(lookup.answers.size(), 1U);
  EXPECT_EQ(lookup.answers[0].answer.at(0).rdata, (Bytes{10, 0, 0, 1}));
}

TEST(StubResolver, QueriesAreRecursiveWithEdnsAndFreshIds) {
  const ScriptedServer server(says(Rcode::NXDomain));
  StubOptions options = options_for({server.address()});
  for (int i = 0; i < 256; ++i) options.search.push_back(name("n" + std::to_string(i)));
  (void)look_up(options, "web");
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 257U);
  std::set<std::uint16_t> ids;
  for (const auto& s : seen) ids.insert(s.query.id);
  // Of 257 random ids less than one pair is expected to be equal; 16 never are.
  EXPECT_GT(ids.size(), 241U);
  EXPECT_EQ(seen[0].query.flags, kFlagRD);
  EXPECT_TRUE(seen[0].query.has_opt);
  EXPECT_EQ(seen[0].query.opt_udp_size, 1232);
  EXPECT_EQ(seen[0].query.qclass, RRClass::IN);
}

TEST(StubResolver, NoNameFoundIsNXDomainOfTheNameAsGiven) {
  const ScriptedServer server(says(Rcode::NXDomain));
  const StubLookup lookup = look_up(options_for({server.address()}, {"x", "y"}), "web");
  EXPECT_EQ(lookup.status, StubStatus::NXDomain);
  EXPECT_EQ(lookup.name.to_text(), "web.");
  EXPECT_EQ(tried(lookup), (Texts{"web.x. A", "web.y. A", "web. A"}));
}

TEST(StubResolver, NoDataOnTheWayIsRememberedOverNXDomain) {
  const ScriptedServer server(knows("web.x."));
  const StubLookup lookup =
      look_up(options_for({server.address()}, {"x", "y"}), "web", {RRType::TXT});
  EXPECT_EQ(lookup.status, StubStatus::NoData);
  EXPECT_EQ(lookup.name.to_text(), "web.x.");
  EXPECT_EQ(lookup.tries.size(), 3U);
  // With enough dots the name as given has the word.
  const StubLookup dotted = look_up(options_for({server.address()}, {"x"}), "a.web", {RRType::TXT});
  EXPECT_EQ(dotted.status, StubStatus::NXDomain);
  EXPECT_EQ(dotted.name.to_text(), "a.web.");
  EXPECT_EQ(tried(dotted), (Texts{"a.web. TXT", "a.web.x. TXT"}));
}

TEST(StubResolver, SeveralTypesOfOneName) {
  const ScriptedServer server(knows("web."));
  const StubLookup lookup =
      look_up(options_for({server.address()}), "web.", {RRType::A, RRType::AAAA});
  EXPECT_EQ(lookup.status, StubStatus::Found);
  EXPECT_EQ(lookup.answers.size(), 2U);
  EXPECT_EQ(tried(lookup), (Texts{"web. A", "web. AAAA"}));
  // NXDOMAIN is for all types: the second question is not asked.
  EXPECT_EQ(tried(look_up(options_for({server.address()}), "no.", {RRType::A, RRType::AAAA})),
            Texts{"no. A"});
}

TEST(StubResolver, AnAliasWithoutItsTargetIsNoDataAndEndsTheSearch) {
  const ScriptedServer server([](const Message& query, bool) -> std::vector<Bytes> {
    Message m = reply_to(query);
    m.answer.push_back(make_record(query.qname, RRType::CNAME, wire("elsewhere.example")));
    return {octets(m)};
  });
  const StubLookup lookup = look_up(options_for({server.address()}, {"x", "y"}), "web");
  EXPECT_EQ(lookup.status, StubStatus::NoData);
  EXPECT_EQ(tried(lookup), Texts{"web.x. A"});
}

TEST(StubResolver, TruncatedAnswersAreAskedForAgainOverTcp) {
  for (const bool cut_within_record : {false, true}) {
    const ScriptedServer server([&](const Message& query, bool tcp) -> std::vector<Bytes> {
      Message m = reply_to(query);
      for (std::uint8_t i = 0; i < 100; ++i) {
        m.answer.push_back(make_record(query.qname, RRType::A, {10, 0, 0, i}));
      }
      if (tcp) return {octets(m)};
      if (!cut_within_record) return {write_message(m, 512)};
      m.flags |= kFlagTC;
      Bytes cut = octets(m);
      cut.resize(500);
      return {cut};
    });
    const StubLookup lookup = look_up(options_for({server.address()}), "web.");
    EXPECT_EQ(lookup.status, StubStatus::Found);
    EXPECT_EQ(tried(lookup), (Texts{"web. A", "web. A tcp"}));
    EXPECT_EQ(lookup.tries.at(0).result, TryResult::Truncated);
    EXPECT_EQ(lookup.tries.at(1).answers, 100U);
    EXPECT_EQ(lookup.answers.at(0).answer.size(), 100U);
  }
}

TEST(StubResolver, ATruncatedAnswerIsBetterThanNoneWhenTcpFails) {
  const ScriptedServer server([](const Message& query, bool tcp) -> std::vector<Bytes> {
    if (tcp) return {};  // closes the connection
    Message m = reply_to(query);
    m.flags |= kFlagTC;
    m.answer.push_back(make_record(query.qname, RRType::A, {10, 0, 0, 1}));
    return {octets(m)};
  });
  const StubLookup lookup = look_up(options_for({server.address()}), "web.");
  EXPECT_EQ(lookup.status, StubStatus::Found);
  EXPECT_EQ(lookup.tries.at(1).result, TryResult::Unreachable);
  EXPECT_NE(lookup.answers.at(0).flags & kFlagTC, 0);
}

TEST(StubResolver, TcpFromTheStart) {
  const ScriptedServer server(knows("web."));
  StubOptions options = options_for({server.address()});
  options.tcp = true;
  const StubLookup lookup = look_up(options, "web.");
  EXPECT_EQ(lookup.status, StubStatus::Found);
  EXPECT_EQ(tried(lookup), Texts{"web. A tcp"});
  EXPECT_TRUE(server.seen().at(0).tcp);
}

TEST(StubResolver, ForeignMessagesArePassedOver) {
  for (const bool use_tcp : {false, true}) {
    const ScriptedServer server([](const Message& query, bool) -> std::vector<Bytes> {
      Message wrong = reply_to(query, Rcode::NXDomain);
      Message wrong_id = wrong;
      ++wrong_id.id;
      Message wrong_name = wrong;
      wrong_name.qname = name("evil.");
      Message wrong_type = wrong;
      wrong_type.qtype = RRType::TXT;
      Message wrong_class = wrong;
      wrong_class.qclass = RRClass::CH;
      Message no_response = wrong;
      no_response.flags = query.flags;
      Message other_opcode = wrong;
      other_opcode.flags = static_cast<std::uint16_t>(wrong.flags | 0x2000);
      Message no_question = reply_to(query);
      no_question.has_question = false;
      Message right = reply_to(query);
      right.answer.push_back(make_record(query.qname, RRType::A, {10, 0, 0, 1}));
      return {Bytes{},
              Bytes{0x12},
              octets(wrong_id),
              octets(wrong_name),
              octets(wrong_type),
              octets(wrong_class),
              octets(no_response),
              octets(other_opcode),
              octets(no_question),
              octets(right)};
    });
    StubOptions options = options_for({server.address()});
    options.tcp = use_tcp;
    const StubLookup lookup = look_up(options, "web.");
    EXPECT_EQ(lookup.status, StubStatus::Found);
    EXPECT_EQ(lookup.tries.size(), 1U);
  }
}

TEST(StubResolver, QuestionsMayComeBackInAnotherLetterCase) {
  const ScriptedServer server([](const Message& query, bool) -> std::vector<Bytes> {
    Message m = reply_to(query);
    m.qname = name("WEB.");
    m.answer.push_back(make_record(m.qname, RRType::A, {10, 0, 0, 1}));
    return {octets(m)};
  });
  EXPECT_EQ(look_up(options_for({server.address()}), "web.").status, StubStatus::Found);
}

TEST(StubResolver, SilentServersAreTriedLastTheNextTime) {
  const ScriptedServer silent(silence);
  const ScriptedServer server(says(Rcode::NXDomain));
  StubOptions options = options_for({silent.address(), server.address()}, {"x"});
  // The scripted server that answers must do so within this; its tries repeat if it does not.
  options.timeout = 1s;
  options.attempts = 5;
  const StubLookup lookup = look_up(options, "web");
  EXPECT_EQ(lookup.status, StubStatus::NXDomain);
  ASSERT_GE(lookup.tries.size(), 3U);
  EXPECT_EQ(lookup.tries[0].result, TryResult::TimedOut);
  EXPECT_GE(lookup.tries[0].elapsed, 1s);
  EXPECT_EQ(lookup.tries[0].server.port, silent.port());
  EXPECT_EQ(lookup.tries.back().server.port, server.port());
  EXPECT_EQ(silent.seen().size(), 1U);
}

TEST(StubResolver, SilenceOfAllServersEndsTheSearchAfterAllAttempts) {
  const ScriptedServer silent(silence);
  StubOptions options = options_for({silent.address()}, {"x", "y"});
  options.timeout = kImpatience;
  options.attempts = 3;
  const StubLookup lookup = look_up(options, "web", {RRType::A, RRType::AAAA});
  EXPECT_EQ(lookup.status, StubStatus::NoServer);
  EXPECT_EQ(lookup.name.to_text(), "web.x.");
  EXPECT_EQ(tried(lookup), (Texts{"web.x. A", "web.x. A", "web.x. A"}));
  EXPECT_TRUE(lookup.answers.empty());
}

TEST(StubResolver, TcpServersThatNeverAnswerTimeOutToo) {
  // Accepted by the kernel's backlog; nobody reads.
  const testing::Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  testing::check(testing::bind_loopback(listener.get(), 0));
  testing::check(::listen(listener.get(), 4) == 0);
  StubOptions options = options_for({server_at(testing::port_of(listener.get()))});
  options.timeout = kImpatience;
  options.attempts = 1;
  options.tcp = true;
  const StubLookup lookup = look_up(options, "web.");
  EXPECT_EQ(lookup.status, StubStatus::NoServer);
  ASSERT_EQ(lookup.tries.size(), 1U);
  EXPECT_EQ(lookup.tries[0].result, TryResult::TimedOut);
}

TEST(StubResolver, ClosedPortsAreNotWaitedForNorAskedAgain) {
  const RefusingPort closed;
  for (const bool use_tcp : {false, true}) {
    StubOptions options = options_for({server_at(closed.port())});
    options.tcp = use_tcp;
    const StubLookup lookup = look_up(options, "web.");
    EXPECT_EQ(lookup.status, StubStatus::NoServer);
    ASSERT_EQ(lookup.tries.size(), 1U);
    EXPECT_EQ(lookup.tries[0].result, TryResult::Unreachable);
    EXPECT_EQ(lookup.tries[0].error.message(), "Connection refused");
    EXPECT_LT(lookup.tries[0].elapsed, kPatience);
  }
}

TEST(StubResolver, AServersTroubleIsNotTheLastWord) {
  for (const Rcode rcode : {Rcode::ServFail, Rcode::Refused, Rcode::NotImp}) {
    const ScriptedServer troubled(says(rcode));
    const ScriptedServer server(knows("web."));
    const StubLookup lookup = look_up(options_for({troubled.address(), server.address()}), "web.");
    EXPECT_EQ(lookup.status, StubStatus::Found);
    EXPECT_EQ(lookup.tries.size(), 2U);
  }
}

TEST(StubResolver, TroubleEverywhereIsReportedOnceAServer) {
  const ScriptedServer refusing(says(Rcode::Refused));
  const ScriptedServer failing(says(Rcode::ServFail));
  const StubLookup lookup =
      look_up(options_for({refusing.address(), failing.address()}, {"x"}), "web");
  EXPECT_EQ(lookup.status, StubStatus::Failed);
  EXPECT_EQ(lookup.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(lookup.tries.size(), 4U);
}

TEST(StubResolver, ServersThatDoNotKnowEdnsAreAskedWithoutIt) {
  for (const bool header_only : {false, true}) {
    const ScriptedServer server([&](const Message& query, bool tcp) -> std::vector<Bytes> {
      if (!query.has_opt) return knows("web.")(query, tcp);
      Message m = reply_to(query, Rcode::FormErr);
      m.has_opt = false;
      m.has_question = !header_only;
      return {octets(m)};
    });
    const StubLookup lookup = look_up(options_for({server.address()}), "web.");
    EXPECT_EQ(lookup.status, StubStatus::Found);
    EXPECT_EQ(lookup.tries.size(), 2U);
    EXPECT_FALSE(server.seen().at(1).query.has_opt);
  }
}

TEST(StubResolver, MalformedAnswersAreToldApartFromSilence) {
  const ScriptedServer server([](const Message& query, bool) -> std::vector<Bytes> {
    Bytes cut = octets(reply_to(query));
    cut[7] = 1;  // promises a record in the answer section that is not there
    return {cut};
  });
  StubOptions options = options_for({server.address()});
  options.attempts = 2;
  const StubLookup lookup = look_up(options, "web.");
  EXPECT_EQ(lookup.status, StubStatus::NoServer);
  ASSERT_EQ(lookup.tries.size(), 2U);
  EXPECT_EQ(lookup.tries[0].result, TryResult::Malformed);
  EXPECT_TRUE(lookup.tries[0].error);
}

TEST(StubResolver, NoServersAtAll) {
  const StubLookup lookup = look_up(options_for({}), "web.");
  EXPECT_EQ(lookup.status, StubStatus::NoServer);
  EXPECT_TRUE(lookup.tries.empty());
}

}  // namespace
}  // namespace clusterdns::dns
