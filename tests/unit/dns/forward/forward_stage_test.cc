#include "dns/forward/forward_stage.h"

#include <filesystem>
#include <thread>

#include "dns/forward/socket_transport.h"
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

using std::chrono::milliseconds;

// Answers every A question with one address.
FakeUpstream::Script always(const std::string& address) {
  return [address](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.answer.push_back(a_record(reply.qname.to_text(), address));
    return write_message(reply, kMaxMessageSize);
  };
}
FakeUpstream::Script with_rcode(Rcode rcode) {
  return [rcode](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.rcode = static_cast<std::uint16_t>(rcode);
    return write_message(reply, kMaxMessageSize);
  };
}
const FakeUpstream::Script kSilent = [](const FakeUpstream::Request&) { return std::nullopt; };

// A port of loopback where nobody is.
Endpoint closed_port(boost::asio::io_context& io) {
  const FakeUpstream upstream(io);
  return upstream.endpoint();
}

class ForwardTest : public ConversationTest {};

TEST_F(ForwardTest, RelaysTheAnswer) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "example.com"});
  EXPECT_EQ(last_verdict_, Verdict::Deferred);
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(lines(answer.answer), std::vector<std::string>{"example.com. A 192.0.2.1"});
  EXPECT_FALSE(answer.has_opt);
  ASSERT_EQ(upstream.requests.size(), 1u);
  EXPECT_EQ(upstream.requests[0].transport, Transport::Udp);
}

TEST_F(ForwardTest, AWorkerThatWasHeldUpReadsBeforeItGivesUp) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  forward_to({upstream.endpoint()});
  const Replies replies = start({.qname = "example.com"});
  // The thread stands still for longer than a query may last: a host that was suspended, say.
  std::this_thread::sleep_for(quick_timings().give_up + milliseconds(50));
  ASSERT_TRUE(run_until([&] { return !replies->empty(); }));
  const auto answer = read_message(replies->front());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->rcode, 0);
  EXPECT_EQ(lines(answer->answer), std::vector<std::string>{"example.com. A 192.0.2.1"});
}

TEST_F(ForwardTest, RequestsAreOurOwn) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  forward_to({upstream.endpoint()});
  // A cookie (RFC 7873) and an option that nobody knows: between the client and us.
  const Ask ask{.qname = "ExAmple.com",
                .edns = true,
                .udp_size = 1400,
                .dnssec_ok = true,
                .options = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0xFD, 0xE9, 0, 1, 1},
                .flags = kFlagRD | kFlagCD | kFlagAD};
  for (int i = 0; i < 4; ++i) (void)converse(ask);
  ASSERT_EQ(upstream.requests.size(), 4u);
  std::set<std::uint16_t> ids;
  for (const auto& request : upstream.requests) {
    const Message message = read_message(request.octets).value();
    // One letter case for all, so that equal questions are one.
    EXPECT_EQ(message.qname.to_text(), "example.com.");
    EXPECT_EQ(message.flags, kFlagRD | kFlagCD | kFlagAD);
    EXPECT_TRUE(message.has_opt);
    EXPECT_EQ(message.opt_udp_size, kDefaultUdpSize);
    EXPECT_EQ(message.opt_ttl, 0x8000u);
    EXPECT_TRUE(message.opt_options.empty());
    ids.insert(message.id);
  }
  EXPECT_GT(ids.size(), 1u);
}

TEST_F(ForwardTest, OptionsOfTheUpstreamStayHere) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    // NSID (RFC 5001), and an Extended DNS Error with a text (RFC 8914).
    reply.opt_options = {0, 3, 0, 2, 'n', 's', 0, 15, 0, 5, 0, 22, 'w', 'h', 'y'};
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "example.com", .edns = true});
  EXPECT_EQ(answer.opt_options, (Octets{0, 15, 0, 2, 0, 22}));
}

// AA as the upstream set it, AD for who asks for it, RA as we offer it.
TEST_F(ForwardTest, FlagsOfTheAnswer) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.flags = kFlagQR | kFlagRD | kFlagAD | kFlagAA;
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    reply.authority.push_back(soa_record("com"));
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  Message answer = converse({.qname = "nowhere.com"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(answer.flags & (kFlagAA | kFlagAD | kFlagRA), kFlagAA | kFlagRA);
  EXPECT_EQ(answer.authority.size(), 1u);
  answer = converse({.qname = "nowhere.com", .flags = kFlagRD | kFlagAD});
  EXPECT_EQ(answer.flags & (kFlagAA | kFlagAD | kFlagRA), kFlagAA | kFlagAD | kFlagRA);
}

TEST_F(ForwardTest, GivesTheClientItsLetterCaseBack) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.qname = name("example.com");  // an upstream that forgot it
    reply.answer.push_back(a_record("example.com", "192.0.2.1"));
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "eXaMple.CoM"});
  EXPECT_EQ(answer.qname.to_text(), "eXaMple.CoM.");
  EXPECT_EQ(answer.answer.at(0).owner.to_text(), "eXaMple.CoM.");
}

TEST_F(ForwardTest, StripsOptFromClientsWithoutEdns) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.answer.push_back(a_record("example.com", "192.0.2.1"));
    reply.additional.push_back(a_record("ns.example.com", "192.0.2.2"));
    reply.has_opt = true;
    reply.opt_udp_size = 4096;
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "example.com"});
  EXPECT_FALSE(answer.has_opt);
  EXPECT_EQ(answer.answer.size(), 1u);
}

TEST_F(ForwardTest, EdnsClientsAlwaysGetOptWithOurSize) {
  FakeUpstream upstream(io_);
  bool with_opt = true;
  upstream.script = [&](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.has_opt = with_opt;
    reply.opt_udp_size = 4096;
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  for (const bool has : {true, false}) {
    with_opt = has;
    const Message answer = converse({.qname = "example.com", .edns = true});
    EXPECT_TRUE(answer.has_opt);
    EXPECT_EQ(answer.opt_udp_size, kDefaultUdpSize);
  }
}

TEST_F(ForwardTest, UdpRepliesOver512OctetsNeedNoTcp) {
  FakeUpstream upstream(io_);
  upstream.close_tcp();
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    for (int i = 0; i < 60; ++i) {
      reply.answer.push_back(a_record("big.example", "192.0.2." + std::to_string(i)));
    }
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "big.example", .edns = true, .udp_size = 1232});
  EXPECT_EQ(answer.answer.size(), 60u);
  EXPECT_EQ(answer.flags & kFlagTC, 0);
  EXPECT_EQ(upstream.requests.size(), 1u);
}

// A reply with TC over UDP, 200 records over TCP.
FakeUpstream::Script truncating() {
  return [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    if (request.transport == Transport::Udp) {
      reply.flags |= kFlagTC;
      reply.answer.push_back(a_record("big.example", "192.0.2.1"));
    } else {
      for (int i = 0; i < 200; ++i) {
        reply.answer.push_back(a_record("big.example", "198.51.100." + std::to_string(i)));
      }
    }
    return write_message(reply, kMaxMessageSize);
  };
}

TEST_F(ForwardTest, AsksOverTcpAfterTruncation) {
  FakeUpstream upstream(io_);
  upstream.script = truncating();
  forward_to({upstream.endpoint()});
  Message answer = converse({.qname = "big.example", .transport = Transport::Tcp});
  EXPECT_EQ(answer.answer.size(), 200u);
  EXPECT_EQ(answer.flags & kFlagTC, 0);
  ASSERT_EQ(upstream.requests.size(), 2u);
  EXPECT_EQ(upstream.requests[1].transport, Transport::Tcp);

  // A UDP client gets what fits, and is told that there is more.
  answer = converse({.qname = "big.example"});
  EXPECT_LE(raw_.size(), kMaxUdpWithoutEdns);
  EXPECT_NE(answer.flags & kFlagTC, 0);
  EXPECT_EQ(answer.qname.to_text(), "big.example.");
  // The connection is kept.
  ASSERT_EQ(upstream.requests.size(), 4u);
  EXPECT_EQ(upstream.requests[1].port, upstream.requests[3].port);
}

TEST_F(ForwardTest, AConnectionClosedByTheUpstreamIsOpenedAgain) {
  FakeUpstream upstream(io_);
  upstream.script = truncating();
  forward_to({upstream.endpoint()});
  for (int i = 0; i < 3; ++i) {
    const Message answer = converse({.qname = "big.example", .transport = Transport::Tcp});
    EXPECT_EQ(answer.answer.size(), 200u);
    upstream.close_tcp_connections();
  }
}

// RFC 7766 section 6.2.4: what was outstanding is sent again.
TEST_F(ForwardTest, AnUpstreamThatClosesBehindAFewAnswersAnswersAll) {
  constexpr int kAtOnce = 100;
  ForwardTimings patient;
  patient.retry_after = std::chrono::seconds(50);
  patient.give_up = std::chrono::seconds(100);
  for (const unsigned most : {1u, 5u}) {
    for (const bool truncated : {true, false}) {
      FakeUpstream upstream(io_);
      upstream.script = [&](const FakeUpstream::Request& request) {
        Octets reply = *always("192.0.2.1")(request);
        if (request.transport == Transport::Udp) reply[2] |= kFlagTC >> 8;
        return reply;
      };
      upstream.most_answers = most;
      ForwardStage::Options options;
      options.zones = {name(".")};
      options.forward.upstreams = {upstream.endpoint()};
      options.forward.prefer_tcp = !truncated;
      options.forward.timings = patient;
      const auto stage = std::make_shared<ForwardStage>(std::move(options));
      add_stage(stage);
      std::vector<Replies> waiting;
      for (int i = 0; i < kAtOnce; ++i) {
        waiting.push_back(
            start({.qname = "n" + std::to_string(i) + ".example", .transport = Transport::Tcp}));
      }
      ASSERT_TRUE(run_until(
          [&] {
            return std::all_of(waiting.begin(), waiting.end(),
                               [](const auto& r) { return !r->empty(); });
          },
          std::chrono::seconds(90)));
      for (const Replies& replies : waiting) {
        EXPECT_EQ(read_message(replies->front())->rcode, 0) << most << truncated;
      }
      EXPECT_EQ(stage->totals().failed, 0u);
      EXPECT_FALSE(stage->upstream_totals().at(0).down);
      EXPECT_GE(upstream.connections, kAtOnce / most);
      route_->stages.back()->detach(worker_);
      route_->stages.pop_back();
    }
  }
}

TEST_F(ForwardTest, AClientOverTcpIsNotGivenATruncatedAnswer) {
  FakeUpstream upstream(io_);
  upstream.script = truncating();
  upstream.close_tcp();
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "big.example", .transport = Transport::Tcp});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(answer.flags & kFlagTC, 0);
}

TEST_F(ForwardTest, TruncatedAnswerStandsWhenTcpIsClosed) {
  FakeUpstream upstream(io_);
  upstream.script = truncating();
  upstream.close_tcp();
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "big.example"});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_NE(answer.flags & kFlagTC, 0);
  EXPECT_EQ(lines(answer.answer), std::vector<std::string>{"big.example. A 192.0.2.1"});
}

TEST_F(ForwardTest, OddNames) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  forward_to({upstream.endpoint()});
  const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                              std::string(63, 'c') + "." + std::string(61, 'd');
  for (const std::string& qname :
       {std::string("."), std::string("a\\.b.example"), std::string("\\000\\255.example"), longest,
        std::string("_dns._udp.example"), std::string("*.example")}) {
    const Message answer = converse({.qname = qname});
    EXPECT_EQ(answer.answer.size(), 1u) << qname;
  }
}

TEST_F(ForwardTest, OtherUpstreamAfterSilence) {
  FakeUpstream dead(io_);
  FakeUpstream live(io_);
  dead.script = kSilent;
  live.script = always("192.0.2.2");
  const auto stage = forward_to({dead.endpoint(), live.endpoint()});
  const Message answer = converse({.qname = "example.com"});
  EXPECT_EQ(lines(answer.answer), std::vector<std::string>{"example.com. A 192.0.2.2"});
  // And checked.
  EXPECT_EQ(std::count_if(dead.requests.begin(), dead.requests.end(),
                          [](const auto& request) {
                            return read_message(request.octets)->qtype == RRType::A;
                          }),
            1);
  EXPECT_EQ(live.requests.size(), 1u);
}

TEST_F(ForwardTest, ADeadUpstreamCostsNoClientTimeOnceItIsKnown) {
  FakeUpstream dead(io_);
  FakeUpstream live(io_);
  dead.script = kSilent;
  live.script = always("192.0.2.2");
  ForwardTimings timings = quick_timings();
  timings.probe_every = std::chrono::hours(1);
  forward_to({dead.endpoint(), live.endpoint()}, timings);
  // One that has not answered anything yet.
  (void)converse({.qname = "example.com"});
  // And checks.
  const auto asked = [&] {
    return std::count_if(dead.requests.begin(), dead.requests.end(), [](const auto& request) {
      return read_message(request.octets)->qtype == RRType::A;
    });
  };
  const auto known = asked();
  EXPECT_EQ(known, 1);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
  }
  EXPECT_EQ(asked(), known);
}

TEST_F(ForwardTest, ADeadUpstreamThatIsBackIsAskedAgain) {
  FakeUpstream first(io_);
  FakeUpstream second(io_);
  first.script = kSilent;
  second.script = always("192.0.2.2");
  ForwardTimings timings = quick_timings();
  timings.probe_every = milliseconds(20);
  forward_to({first.endpoint(), second.endpoint()}, timings);
  for (int i = 0; i < 3; ++i) (void)converse({.qname = "example.com"});
  first.script = always("192.0.2.1");
  // Sequential policy: the first answers as soon as a probe has found it.
  bool back = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!back && std::chrono::steady_clock::now() < deadline) {
    const Message answer = converse({.qname = "example.com"});
    back = lines(answer.answer) == std::vector<std::string>{"example.com. A 192.0.2.1"};
  }
  EXPECT_TRUE(back);
}

TEST_F(ForwardTest, ALateAnswerOfTheFirstUpstreamCounts) {
  FakeUpstream slow(io_);
  FakeUpstream silent(io_);
  Octets held;
  slow.script = [&](const FakeUpstream::Request& request) -> std::optional<Octets> {
    // Says something only when the second is asked too.
    held = *always("192.0.2.1")(request);
    return std::nullopt;
  };
  silent.script = kSilent;
  forward_to({slow.endpoint(), silent.endpoint()});
  const auto replies = start({.qname = "example.com"});
  ASSERT_TRUE(run_until([&] { return !silent.requests.empty(); }));
  ASSERT_EQ(slow.requests.size(), 1u);
  EXPECT_TRUE(replies->empty());
  slow.send(held, slow.requests[0].port);
  ASSERT_TRUE(run_until([&] { return !replies->empty(); }));
  EXPECT_EQ(read_message(replies->front())->answer.size(), 1u);
  // Exactly one answer, also after every time has passed.
  (void)run_until([] { return false; }, quick_timings().give_up + milliseconds(200));
  EXPECT_EQ(replies->size(), 1u);
}

TEST_F(ForwardTest, RetriesASingleUpstream) {
  FakeUpstream upstream(io_);
  int lost = 1;
  upstream.script = [&](const FakeUpstream::Request& request) -> std::optional<Octets> {
    if (lost-- > 0) return std::nullopt;
    return always("192.0.2.1")(request);
  };
  forward_to({upstream.endpoint()});
  EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
  EXPECT_EQ(upstream.requests.size(), 2u);
}

TEST_F(ForwardTest, AllSilent) {
  FakeUpstream one(io_);
  FakeUpstream two(io_);
  one.script = two.script = kSilent;
  forward_to({one.endpoint(), two.endpoint()});
  const auto start_time = std::chrono::steady_clock::now();
  const Message answer = converse({.qname = "example.com", .edns = true});
  const auto took = std::chrono::steady_clock::now() - start_time;
  EXPECT_GE(took, quick_timings().give_up);
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  std::string text;
  EXPECT_EQ(extended_error(answer, &text), static_cast<int>(ExtendedError::NoReachableAuthority));
  EXPECT_EQ(text, "no answer from 2 upstreams");
  std::size_t asked = 0;  // and checked
  for (const FakeUpstream* upstream : {&one, &two}) {
    for (const auto& request : upstream->requests) {
      if (read_message(request.octets)->qtype == RRType::A) ++asked;
    }
  }
  // The second one once more, when the first was overdue.
  EXPECT_EQ(asked, UpstreamChannel::kMaxTries + 1);
}

TEST_F(ForwardTest, AllUnreachableIsToldAtOnce) {
  ForwardTimings timings;  // the real ones: waiting for them would fail the test
  forward_to({closed_port(io_), closed_port(io_)}, timings);
  const auto start_time = std::chrono::steady_clock::now();
  const Message answer = converse({.qname = "example.com", .edns = true});
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, timings.retry_after);
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  std::string text;
  EXPECT_EQ(extended_error(answer, &text), static_cast<int>(ExtendedError::NetworkError));
  EXPECT_EQ(text, "2 upstreams unreachable");
}

TEST_F(ForwardTest, UnreachableUpstreamIsSkippedAtOnce) {
  FakeUpstream live(io_);
  live.script = always("192.0.2.2");
  ForwardTimings timings;
  forward_to({closed_port(io_), live.endpoint()}, timings);
  const auto start_time = std::chrono::steady_clock::now();
  EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, timings.retry_after);
}

TEST_F(ForwardTest, ServfailGetsASecondOpinion) {
  FakeUpstream broken(io_);
  FakeUpstream good(io_);
  for (const Rcode rcode : {Rcode::ServFail, Rcode::Refused}) {
    broken.script = with_rcode(rcode);
    good.script = always("192.0.2.2");
    if (route_->stages.empty()) forward_to({broken.endpoint(), good.endpoint()});
    EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
  }
  // Both agree: relayed, after asking each once.
  broken.requests.clear();
  good.requests.clear();
  good.script = with_rcode(Rcode::Refused);
  const Message answer = converse({.qname = "example.com"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::Refused));
  EXPECT_EQ(broken.requests.size(), 1u);
  EXPECT_EQ(good.requests.size(), 1u);
  // The second says nothing: the first word stands.
  good.script = kSilent;
  EXPECT_EQ(converse({.qname = "example.com"}).rcode, static_cast<std::uint16_t>(Rcode::Refused));
}

TEST_F(ForwardTest, NXDomainIsRelayedWithoutAskingTwice) {
  FakeUpstream one(io_);
  FakeUpstream two(io_);
  one.script = with_rcode(Rcode::NXDomain);
  two.script = always("192.0.2.2");
  forward_to({one.endpoint(), two.endpoint()});
  EXPECT_EQ(converse({.qname = "example.com"}).rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_TRUE(two.requests.empty());
}

TEST_F(ForwardTest, RepliesThatAreNoAnswerAreRefused) {
  FakeUpstream upstream(io_);
  forward_to({upstream.endpoint()});
  // A query sent back, as by a loop: it is not a reply, and waited past.
  upstream.script = [](const FakeUpstream::Request& request) { return request.octets; };
  Message answer = converse({.qname = "example.com", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NoReachableAuthority));
  // A record that is cut off.
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Octets reply = *always("192.0.2.1")(request);
    reply.resize(reply.size() - 1);
    return reply;
  };
  answer = converse({.qname = "example.com", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::InvalidData));
}

TEST_F(ForwardTest, RepliesToOtherQuestionsAreNotHeard) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.qname = name("forged.example");
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "example.com", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NoReachableAuthority));
}

TEST_F(ForwardTest, ZoneAndExcepts) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  ForwardStage::Options options;
  options.zones = {name("example.com"), name("16.172.in-addr.arpa")};
  options.excepts = {name("not.example.com")};
  options.forward.upstreams = {upstream.endpoint()};
  add_stage(std::make_shared<ForwardStage>(std::move(options)));
  for (const char* covered :
       {"example.com", "a.EXAMPLE.com", "knot.example.com", "9.9.16.172.in-addr.arpa"}) {
    EXPECT_EQ(converse({.qname = covered}).answer.size(), 1u) << covered;
  }
  for (const char* other : {"com", "example.org", "myexample.com", "not.example.com",
                            "a.NOT.example.com", "9.9.17.172.in-addr.arpa"}) {
    (void)start({.qname = other});
    EXPECT_EQ(last_verdict_, Verdict::Next) << other;
  }
}

TEST_F(ForwardTest, OnlyForItsClients) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  forward_to({upstream.endpoint()});
  for (const char* client : {"10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.1.1", "100.64.0.5",
                             "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1"}) {
    EXPECT_EQ(converse({.qname = "example.com", .client = client}).rcode, 0) << client;
  }
  for (const char* client :
       {"8.8.8.8", "172.32.0.1", "203.0.113.5", "2001:db8::1", "::ffff:8.8.8.8"}) {
    const Message answer = converse({.qname = "example.com", .edns = true, .client = client});
    EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::Refused)) << client;
    EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::Prohibited)) << client;
  }
}

TEST_F(ForwardTest, TransfersAreRefused) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  forward_to({upstream.endpoint()});
  for (const RRType type : {RRType::AXFR, RRType::IXFR, RRType::TSIG}) {
    const Message answer = converse({.qname = "example.com", .type = type});
    EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::Refused));
  }
  EXPECT_TRUE(upstream.requests.empty());
}

TEST_F(ForwardTest, NoUpstreamAtAll) {
  forward_to({});
  const Message answer = converse({.qname = "example.com", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NoReachableAuthority));
}

TEST_F(ForwardTest, AliasFromOutsideIntoOurZoneIsFollowed) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);  // what the world says
    reply.answer.push_back(
        name_record("www.example.com", RRType::CNAME, "Web.default.svc.cluster.local"));
    reply.authority.push_back(soa_record("."));
    return write_message(reply, kMaxMessageSize);
  };
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_a("web.default.svc.cluster.local", {"10.96.0.7"});
  add_stage(zone);
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "www.Example.com"});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(answer.flags & kFlagAA, 0);
  EXPECT_EQ(lines(answer.answer),
            (std::vector<std::string>{"www.Example.com. CNAME Web.default.svc.cluster.local.",
                                      "Web.default.svc.cluster.local. A 10.96.0.7"}));
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

TEST_F(ForwardTest, ManyQuestionsAtOnceLeaveNothingBehind) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  const auto stage = forward_to({upstream.endpoint()});
  constexpr int kRounds = 40;
  constexpr int kAtOnce = 100;
  (void)converse({.qname = "example.com"});
  std::size_t descriptors = 0;
  for (int round = 0; round < kRounds; ++round) {
    // As many ports as there may be, and no more.
    if (round == 1) descriptors = open_descriptors();
    std::vector<Replies> waiting;
    for (int i = 0; i < kAtOnce; ++i) {
      waiting.push_back(start({.qname = "n" + std::to_string(i) + ".example"}));
    }
    ASSERT_TRUE(run_until([&] {
      return std::all_of(waiting.begin(), waiting.end(), [](const auto& r) { return !r->empty(); });
    })) << round;
  }
  EXPECT_EQ(stage->totals().questions, static_cast<std::uint64_t>(kRounds * kAtOnce + 1));
  EXPECT_EQ(stage->totals().failed, 0u);
  EXPECT_LE(open_descriptors(), descriptors + SocketTransport::kMaxPorts);
  // The timer stops when nothing is under way.
  const auto quiet = [&] {
    const std::uint64_t ticks = stage->totals().ticks;
    (void)run_until([] { return false; }, milliseconds(100));
    return stage->totals().ticks == ticks;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!quiet()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
}

TEST_F(ForwardTest, ThousandsOfTimeoutsComeFromOneTimer) {
  FakeUpstream upstream(io_);
  upstream.script = kSilent;
  const auto stage = forward_to({upstream.endpoint()});
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Replies> waiting;
  constexpr std::size_t kMany = 4000;
  for (std::size_t i = 0; i < kMany; ++i) {
    waiting.push_back(start({.qname = "n" + std::to_string(i) + ".example", .edns = true}));
  }
  // Within its octets: a query that waits is counted with what it takes.
  EXPECT_LE(worker_.upstream_octets->used, worker_.upstream_octets->most);
  EXPECT_LE(worker_.upstream_octets->used / kMany, 6144u);
  ASSERT_TRUE(run_until(
      [&] {
        return std::all_of(waiting.begin(), waiting.end(),
                           [](const auto& r) { return r->size() == 1; });
      },
      std::chrono::seconds(60)));
  for (const auto& replies : waiting) {
    EXPECT_EQ(read_message(replies->front())->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  }
  EXPECT_EQ(stage->totals().failed, kMany);
  EXPECT_EQ(worker_.upstream_octets->used, 0u);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(stage->totals().ticks, static_cast<std::uint64_t>(took / quick_timings().tick) + 1);
}

TEST_F(ForwardTest, QueriesUnderWaySurviveDetach) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  std::weak_ptr<ForwardStage> stage = forward_to({upstream.endpoint()});
  const auto replies = start({.qname = "example.com"});
  detach();
  std::weak_ptr<Route> route = route_;
  route_ = std::make_shared<Route>();
  ASSERT_TRUE(run_until([&] { return !replies->empty(); }));
  EXPECT_EQ(read_message(replies->front())->answer.size(), 1u);
  // And let go of everything when they end.
  EXPECT_TRUE(run_until([&] { return stage.expired() && route.expired(); }));
}

TEST_F(ForwardTest, DestroyingTheContextEndsWhatIsUnderWay) {
  std::weak_ptr<Route> route;
  {
    boost::asio::io_context io(1);
    FakeUpstream upstream(io);
    upstream.script = kSilent;
    WorkerContext worker;
    worker.io = &io;
    worker_ = worker;
    forward_to({upstream.endpoint()});
    const auto replies = start({.qname = "example.com"});
    io.poll();
    detach();
    route = route_;
    route_ = std::make_shared<Route>();
    EXPECT_FALSE(route.expired());
  }
  EXPECT_TRUE(route.expired());
  worker_.io = &io_;
}

TEST_F(ForwardTest, TheSourcePortChanges) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  ForwardTimings timings = quick_timings();
  timings.requests_per_port = 4;
  forward_to({upstream.endpoint()}, timings);
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
    ports.insert(upstream.requests.back().port);
  }
  EXPECT_GE(ports.size(), 5u);  // the kernel may give one out twice
}

TEST_F(ForwardTest, PoliciesSpreadTheLoad) {
  for (const ForwardPolicy policy : {ForwardPolicy::RoundRobin, ForwardPolicy::Random}) {
    FakeUpstream one(io_);
    FakeUpstream two(io_);
    one.script = always("192.0.2.1");
    two.script = always("192.0.2.2");
    ForwardOptions options;
    options.upstreams = {one.endpoint(), two.endpoint()};
    options.policy = policy;
    options.timings = quick_timings();
    ForwardStage::Options stage_options;
    stage_options.forward = options;
    auto stage = std::make_shared<ForwardStage>(std::move(stage_options));
    stage->attach(worker_);
    route_->stages = {stage};
    for (int i = 0; i < 64; ++i) (void)converse({.qname = "example.com"});
    stage->detach(worker_);
    route_->stages.clear();
    if (policy == ForwardPolicy::RoundRobin) {
      EXPECT_EQ(one.requests.size(), two.requests.size());
    } else {
      // 64 throws of a coin, all alike: one in 2^63.
      EXPECT_FALSE(one.requests.empty());
      EXPECT_FALSE(two.requests.empty());
    }
  }
}

}  // namespace
}  // namespace clusterdns::dns::testing
