// Conversations with upstreams on a clock and a network that do what the test says.
#include "dns/forward/upstream_channel.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "dns/forward/upstream_address.h"
#include "dns/wire/query_writer.h"
#include "tests/unit/dns/forward/scripted_network.h"

namespace clusterdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;
using Request = ScriptedNetwork::Request;
using Step = TransportFailure::Step;
using std::chrono::milliseconds;

Endpoint address(const std::string& text, std::uint16_t port = 53) {
  return make_endpoint(boost::asio::ip::make_address(text), port);
}
Name name(const std::string& text) { return Name::from_text(text).value(); }

// What came of a question.
struct Heard {
  bool told = false;
  bool ended = false;  // the waiter is gone
  bool ok = false;
  std::uint16_t rcode = 0;
  Message message;
  std::optional<std::uint16_t> extended_error;
  std::string note;
  std::string cause;

  [[nodiscard]] std::string address() const {
    return message.answer.empty() ? "" : rdata_to_text(RRType::A, message.answer[0].rdata);
  }
};

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() {
    options_.policy = ForwardPolicy::Sequential;
    upstreams(1);
  }

  ~ChannelTest() override {
    if (network_) network_->stop();
  }

  void upstreams(int count) {
    options_.upstreams.clear();
    for (int i = 1; i <= count; ++i)
      options_.upstreams.push_back(address("192.0.2." + std::to_string(i)));
  }
  UpstreamChannel& channel(unsigned worker = 0) {
    if (shared_ == nullptr) {
      shared_ =
          std::make_shared<SharedForwarding>(options_.upstreams.size(), kWorkers, max_concurrent_);
      loops_ = std::make_shared<LoopProbes>(options_.upstreams.size(), kWorkers);
    }
    if (channels_[worker] == nullptr) {
      workers_[worker].network = network_;
      workers_[worker].index = worker;
      workers_[worker].worker_count = kWorkers;
      channels_[worker] = UpstreamChannel::create(workers_[worker], options_, shared_, loops_);
    }
    return *channels_[worker];
  }

  class Waiter final : public UpstreamWaiter {
   public:
    Waiter(std::shared_ptr<Heard> heard, bool* inside)
        : heard_(std::move(heard)), inside_(inside) {}
    ~Waiter() override { heard_->ended = true; }
    void done(const UpstreamReply& reply) noexcept override {
      EXPECT_FALSE(*inside_) << "told from inside ask()";
      EXPECT_FALSE(heard_->told) << "told twice";
      heard_->told = true;
      heard_->ok = reply.ok;
      heard_->rcode = reply.rcode;
      heard_->extended_error = reply.extended_error;
      heard_->note = reply.error.set ? reply.error.text : "";
      heard_->cause = reply.cause;
      if (!reply.ok) return;
      auto message = read_message(reply.message);
      ASSERT_TRUE(message);
      heard_->message = std::move(*message);
      EXPECT_FALSE(heard_->message.has_opt);
      EXPECT_EQ(heard_->message.id, 0);
    }

   private:
    std::shared_ptr<Heard> heard_;
    bool* inside_;
  };

  struct Ask {
    RRType type = RRType::A;
    std::string client = "10.0.0.1";
    Transport transport = Transport::Udp;
    bool dnssec_ok = false;
    bool checking_disabled = false;
    bool authentic_data = false;
    bool recursion_desired = true;
    unsigned worker = 0;
  };
  std::shared_ptr<Heard> ask(const std::string& of, const Ask& how) {
    auto heard = std::make_shared<Heard>();
    UpstreamQuestion question;
    question.name = name(of);
    question.type = how.type;
    question.dnssec_ok = how.dnssec_ok;
    question.checking_disabled = how.checking_disabled;
    question.authentic_data = how.authentic_data;
    question.recursion_desired = how.recursion_desired;
    inside_ = true;
    channel(how.worker)
        .ask({address(how.client, 50000), how.transport}, question,
             std::make_unique<Waiter>(heard, &inside_));
    inside_ = false;
    return heard;
  }
  std::shared_ptr<Heard> ask(const std::string& of) { return ask(of, Ask()); }

  const Request& last() { return network_->requests.back(); }
  std::size_t sent() const { return network_->requests.size(); }

  // A reply to `request`, to be changed; OPT as a server with EDNS has it.
  static Message reply_to(const Request& request, std::uint16_t rcode = 0) {
    Message reply = request.message();
    reply.flags = static_cast<std::uint16_t>(reply.flags | kFlagQR | kFlagRA);
    reply.rcode = rcode;
    return reply;
  }
  static Octets write(const Message& message) { return write_message(message, kMaxMessageSize); }
  static Octets answer(const Request& request, const std::string& to = "192.0.2.80") {
    Message reply = reply_to(request);
    const auto octets = boost::asio::ip::make_address_v4(to).to_bytes();
    reply.answer.push_back(
        {reply.qname, reply.qtype, RRClass::IN, 60, {octets.begin(), octets.end()}});
    return write(reply);
  }
  static Octets refuse(const Request& request, Rcode rcode, bool with_opt = true) {
    Message reply = reply_to(request, static_cast<std::uint16_t>(rcode));
    reply.has_opt = with_opt;
    return write(reply);
  }
  // The header of an error and nothing else.
  static Octets header(Rcode rcode) {
    Octets octets(kHeaderSize);
    store_u16(octets.data() + 2,
              static_cast<std::uint16_t>(kFlagQR | static_cast<unsigned>(rcode)));
    return octets;
  }
  static Octets truncated(const Request& request) {
    Octets octets = answer(request, "192.0.2.66");
    octets[2] |= kFlagTC >> 8;
    return octets;
  }
  static Octets cut_off(const Request& request) {
    Message reply = reply_to(request);
    reply.has_opt = false;
    reply.answer.push_back({reply.qname, RRType::A, RRClass::IN, 60, {1, 2, 3, 4}});
    Octets octets = write(reply);
    octets.resize(octets.size() - 3);
    return octets;
  }
  void pass(milliseconds time) { network_->pass(time); }

  static constexpr unsigned kWorkers = 2;

  std::shared_ptr<ScriptedNetwork> network_ = std::make_shared<ScriptedNetwork>();
  std::array<WorkerContext, kWorkers> workers_;
  ForwardOptions options_;
  std::uint32_t max_concurrent_ = 0;
  std::shared_ptr<SharedForwarding> shared_;
  std::shared_ptr<LoopProbes> loops_;
  std::array<std::shared_ptr<UpstreamChannel>, kWorkers> channels_;
  bool inside_ = false;
};

// What an upstream is given that has not answered yet, beside another one.
constexpr milliseconds kUnknownPatience{300};

// --- what is asked ---

TEST_F(ChannelTest, ARequestIsMadeOfTheQuestion) {
  const auto heard =
      ask("WwW.Example", {.type = RRType::AAAA, .dnssec_ok = true, .checking_disabled = true});
  const Message request = last().message();
  EXPECT_EQ(request.qname.to_text(), "WwW.Example.");
  EXPECT_EQ(request.qtype, RRType::AAAA);
  EXPECT_EQ(request.flags, kFlagRD | kFlagCD);
  EXPECT_TRUE(request.has_opt);
  EXPECT_EQ(request.opt_udp_size, kDefaultUdpSize);
  EXPECT_EQ(request.opt_ttl, 0x8000u);
  EXPECT_FALSE(heard->told);
}

TEST_F(ChannelTest, TheAnswerComesWithRcodeAndExtendedError) {
  const auto heard = ask("www.example");
  Message reply = reply_to(last(), 23);  // BADCOOKIE
  reply.opt_options = {0, 10, 0, 1, 7, 0, 15, 0, 3, 0, 22, 'x'};
  network_->deliver(last(), write(reply));
  EXPECT_TRUE(heard->ok);
  EXPECT_TRUE(heard->ended);
  // It is about the OPT record of this hop, not of the client's (RFC 6891 6.1.3).
  EXPECT_EQ(heard->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(heard->extended_error, std::optional<std::uint16_t>(22));
  EXPECT_EQ(heard->message.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
}

// --- equal questions ---

TEST_F(ChannelTest, EqualQuestionsAreAskedOnceAndEachHearsInItsLetterCase) {
  std::vector<std::shared_ptr<Heard>> all;
  for (const char* of : {"bank.test", "BANK.test", "bAnK.tEsT"}) all.push_back(ask(of));
  EXPECT_EQ(sent(), 1u);
  EXPECT_EQ(channel().questions(), 1u);
  EXPECT_EQ(channel().waiting(), 3u);
  network_->deliver(last(), answer(last()));
  EXPECT_EQ(all[0]->message.qname.to_text(), "bank.test.");
  EXPECT_EQ(all[1]->message.qname.to_text(), "BANK.test.");
  EXPECT_EQ(all[2]->message.qname.to_text(), "bAnK.tEsT.");
  for (const auto& heard : all) EXPECT_EQ(heard->address(), "192.0.2.80");
  EXPECT_EQ(channel().waiting(), 0u);
  EXPECT_EQ(channel().counters().merged.load(), 2u);
}

TEST_F(ChannelTest, QuestionsThatDifferAreNotMerged) {
  (void)ask("bank.test");
  const Ask others[] = {{.type = RRType::AAAA},       {.dnssec_ok = true},
                        {.checking_disabled = true},  {.authentic_data = true},
                        {.recursion_desired = false}, {.worker = 1}};
  for (const Ask& other : others) {
    const std::size_t before = sent();
    (void)ask("bank.test", other);
    EXPECT_EQ(sent(), before + 1);
  }
  (void)ask("bank.tes");
  (void)ask("xbank.test");
  EXPECT_EQ(sent(), 3 + std::size(others));
}

TEST_F(ChannelTest, WhenTheOneFailsAllHearOfIt) {
  std::vector<std::shared_ptr<Heard>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(ask("bank.test"));
  EXPECT_EQ(sent(), 1u);
  pass(options_.timings.give_up + milliseconds(100));
  for (const auto& heard : all) {
    EXPECT_TRUE(heard->told && !heard->ok);
    EXPECT_EQ(heard->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  }
  const auto& requests = network_->requests;
  EXPECT_EQ(std::count_if(requests.begin(), requests.end(),
                          [](const Request& r) { return r.message().qtype == RRType::A; }),
            UpstreamChannel::kMaxTries);
}

TEST_F(ChannelTest, AnEndedQuestionIsAskedAnew) {
  (void)ask("bank.test");
  network_->deliver(last(), answer(last()));
  (void)ask("bank.test");
  EXPECT_EQ(sent(), 2u);
}

TEST_F(ChannelTest, WhoAsksAgainWhenToldIsNotTheQuestionThatEnds) {
  std::shared_ptr<Heard> second;
  UpstreamQuestion question;
  question.name = name("a.test");
  question.type = RRType::A;
  channel().ask({address("10.0.0.1"), Transport::Udp}, question,
                when_replied([&](const UpstreamReply&) { second = ask("a.test"); }));
  network_->deliver(last(), answer(last()));
  EXPECT_EQ(sent(), 2u);
  ASSERT_NE(second, nullptr);
  EXPECT_FALSE(second->told);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(second->ok);
}

// --- wrong replies ---

TEST_F(ChannelTest, WhatIsNoReplyIsWaitedPast) {
  const auto heard = ask("www.example");
  const Request& request = last();
  Octets not_qr = answer(request);
  not_qr[2] &= 0x7F;
  Octets update = answer(request);
  update[2] |= 5 << 3;
  Message other = reply_to(request);
  other.qname = name("other.example");
  Message other_type = reply_to(request);
  other_type.qtype = RRType::TXT;
  Message other_class = reply_to(request);
  other_class.qclass = RRClass::CH;
  Message none = reply_to(request);
  none.has_question = false;
  for (const Octets& wrong : {not_qr, update, write(other), write(other_type), write(other_class),
                              write(none), header(Rcode::NoError), header(Rcode::NXDomain)}) {
    EXPECT_TRUE(network_->deliver(request, wrong));
    EXPECT_FALSE(heard->told);
  }
  EXPECT_EQ(channel().counters().invalid.load(), 8u);
  EXPECT_EQ(sent(), 1u);
  EXPECT_TRUE(network_->deliver(request, answer(request)));
  EXPECT_EQ(heard->address(), "192.0.2.80");
  // What comes after the answer is for nobody.
  EXPECT_FALSE(network_->deliver(request, answer(request, "192.0.2.66")));
}

TEST_F(ChannelTest, AWrongReplyTellsNothingOfTheUpstreamsHealth) {
  upstreams(2);
  const auto heard = ask("www.example");
  for (unsigned i = 0; i < options_.max_fails; ++i) {
    Octets not_qr = answer(last());
    not_qr[2] &= 0x7F;
    network_->deliver(network_->requests[0], not_qr);
  }
  // The next one, and a check, long before `retry_after`: it counts as one that said nothing.
  pass(kUnknownPatience + milliseconds(100));
  ASSERT_EQ(sent(), 3u);
  EXPECT_EQ(network_->requests[1].upstream, 1u);
  network_->deliver(network_->requests[1], answer(network_->requests[1]));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, AnUnusableReplyLeadsToTcpThenToTheNextUpstream) {
  upstreams(2);
  const auto heard = ask("www.example");
  network_->deliver(last(), cut_off(last()));
  ASSERT_EQ(sent(), 2u);
  EXPECT_EQ(last().upstream, 0u);
  EXPECT_EQ(last().transport, Transport::Tcp);
  network_->deliver(last(), cut_off(last()));
  ASSERT_EQ(sent(), 3u);
  EXPECT_EQ(last().upstream, 1u);
  EXPECT_EQ(last().transport, Transport::Udp);
  EXPECT_FALSE(heard->told);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, TheRightReplyBehindAnUnusableOneCounts) {
  const auto heard = ask("www.example");
  const Request& first = last();
  network_->deliver(first, cut_off(first));
  EXPECT_EQ(last().transport, Transport::Tcp);
  network_->deliver(first, cut_off(first));
  EXPECT_EQ(sent(), 2u) << "asked over TCP once";
  network_->deliver(first, answer(first));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, NothingUsableAnywhere) {
  const auto heard = ask("www.example");
  network_->deliver(last(), cut_off(last()));
  network_->deliver(last(), cut_off(last()));
  ASSERT_TRUE(heard->told);
  EXPECT_FALSE(heard->ok);
  EXPECT_EQ(heard->note, "no upstream gave a valid answer");
}

TEST_F(ChannelTest, UnusableWithoutTcp) {
  upstreams(2);
  const auto heard = ask("www.example");
  network_->deliver(last(), cut_off(last()));
  network_->fail(last(), {Step::Connect, ECONNREFUSED, {}});
  EXPECT_EQ(last().upstream, 1u);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(heard->ok);
}

// --- truncation ---

TEST_F(ChannelTest, TruncatedMeansTcp) {
  const auto heard = ask("big.example");
  network_->deliver(last(), truncated(last()));
  EXPECT_EQ(last().transport, Transport::Tcp);
  network_->deliver(last(), answer(last()));
  EXPECT_EQ(heard->address(), "192.0.2.80");
  EXPECT_EQ(heard->message.flags & kFlagTC, 0);
}

TEST_F(ChannelTest, ADatagramThatWasCutMeansTcp) {
  const auto heard = ask("big.example");
  Octets cut = answer(last());
  cut.resize(cut.size() - 20);
  network_->deliver(last(), cut, true);
  EXPECT_EQ(last().transport, Transport::Tcp);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, WithoutTcpEachClientGetsItsForm) {
  const auto over_udp = ask("big.example");
  const auto over_tcp = ask("big.example", {.transport = Transport::Tcp});
  network_->deliver(network_->requests[0], truncated(network_->requests[0]));
  network_->fail(last(), {Step::Connect, ECONNREFUSED, {}});
  while (!over_udp->told) {
    ASSERT_EQ(last().upstream, 0u);
    network_->fail(last(), {Step::Connect, ECONNREFUSED, {}});
    network_->run_posted();
  }
  EXPECT_TRUE(over_udp->ok);
  EXPECT_NE(over_udp->message.flags & kFlagTC, 0);
  EXPECT_EQ(over_udp->address(), "192.0.2.66");
  EXPECT_FALSE(over_tcp->ok);
  EXPECT_EQ(over_tcp->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
}

TEST_F(ChannelTest, TruncatedOverTcpIsNoAnswerForClientsOverTcp) {
  const auto over_udp = ask("big.example");
  const auto over_tcp = ask("big.example", {.transport = Transport::Tcp});
  network_->deliver(last(), truncated(last()));
  network_->deliver(last(), truncated(last()));
  EXPECT_TRUE(over_udp->ok);
  EXPECT_NE(over_udp->message.flags & kFlagTC, 0);
  EXPECT_TRUE(over_tcp->told && !over_tcp->ok);
}

// --- no EDNS ---

TEST_F(ChannelTest, FormerrAndNotimpMeanNoEdns) {
  int n = 0;
  for (const Rcode rcode : {Rcode::FormErr, Rcode::NotImp}) {
    for (const bool alone : {false, true}) {
      shared_.reset();
      channels_ = {};
      const auto heard = ask("n" + std::to_string(n++) + ".example");
      EXPECT_TRUE(last().message().has_opt);
      network_->deliver(last(), alone ? header(rcode) : refuse(last(), rcode, false));
      EXPECT_FALSE(last().message().has_opt);
      EXPECT_EQ(last().transport, Transport::Udp);
      EXPECT_FALSE(heard->told);
      network_->deliver(last(), answer(last()));
      EXPECT_TRUE(heard->ok);
      // Remembered for a while, by all workers.
      (void)ask("again.example", {.worker = 1});
      EXPECT_FALSE(last().message().has_opt);
      network_->deliver(last(), answer(last()));
      // DNSSEC needs it.
      (void)ask("signed.example", {.dnssec_ok = true});
      EXPECT_TRUE(last().message().has_opt);
      network_->deliver(last(), answer(last()));
      pass(options_.timings.plain_for);
      (void)ask("later.example");
      EXPECT_TRUE(last().message().has_opt);
      network_->deliver(last(), answer(last()));
    }
  }
}

TEST_F(ChannelTest, BadversIsAskedAgainWithoutEdns) {
  const auto heard = ask("www.example");
  network_->deliver(last(), write(reply_to(last(), static_cast<std::uint16_t>(Rcode::BadVers))));
  EXPECT_FALSE(last().message().has_opt);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, AFormerrThatStaysIsTheAnswer) {
  const auto heard = ask("www.example");
  network_->deliver(last(), header(Rcode::FormErr));
  network_->deliver(last(), header(Rcode::FormErr));
  ASSERT_TRUE(heard->ok);
  EXPECT_EQ(heard->rcode, static_cast<std::uint16_t>(Rcode::FormErr));
  // It was not EDNS that it did not like.
  (void)ask("other.example");
  EXPECT_TRUE(last().message().has_opt);
}

TEST_F(ChannelTest, AFormerrWithOptIsOne) {
  const auto heard = ask("www.example");
  network_->deliver(last(), refuse(last(), Rcode::FormErr));
  EXPECT_EQ(sent(), 1u);
  EXPECT_EQ(heard->rcode, static_cast<std::uint16_t>(Rcode::FormErr));
}

TEST_F(ChannelTest, WithDnssecOkAFormerrIsOne) {
  const auto heard = ask("www.example", {.dnssec_ok = true});
  network_->deliver(last(), header(Rcode::FormErr));
  EXPECT_EQ(sent(), 1u);
  EXPECT_TRUE(heard->ok);
}

// --- errors, silence, failure ---

TEST_F(ChannelTest, ErrorsOfTheHeaderAloneAreAnswers) {
  upstreams(2);
  const auto heard = ask("www.example");
  network_->deliver(last(), header(Rcode::Refused));
  EXPECT_EQ(last().upstream, 1u) << "a second opinion";
  network_->deliver(last(), header(Rcode::ServFail));
  ASSERT_TRUE(heard->ok);
  EXPECT_EQ(heard->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(heard->message.qname.to_text(), "www.example.");
}

TEST_F(ChannelTest, TheFirstOpinionStandsWhenTheSecondIsSilent) {
  upstreams(2);
  const auto heard = ask("www.example");
  network_->deliver(last(), refuse(last(), Rcode::Refused));
  pass(options_.timings.give_up + milliseconds(100));
  ASSERT_TRUE(heard->ok);
  EXPECT_EQ(heard->rcode, static_cast<std::uint16_t>(Rcode::Refused));
}

TEST_F(ChannelTest, SilenceGoesOnToTheNextUpstream) {
  upstreams(2);
  (void)ask("well.example");
  network_->deliver(last(), answer(last()));
  const auto heard = ask("www.example");
  pass(options_.timings.retry_after - milliseconds(100));
  EXPECT_EQ(sent(), 2u);
  pass(milliseconds(200));
  ASSERT_EQ(sent(), 3u);
  EXPECT_EQ(last().upstream, 1u);
  // The first may still answer.
  network_->deliver(network_->requests[1], answer(network_->requests[1]));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, WhatHasNotAnsweredYetIsNotWaitedForBesideAnother) {
  upstreams(2);
  const auto heard = ask("www.example");
  pass(kUnknownPatience - milliseconds(50));
  EXPECT_EQ(sent(), 1u);
  pass(milliseconds(100));
  ASSERT_EQ(sent(), 3u);
  EXPECT_EQ(network_->requests[1].upstream, 1u);
  EXPECT_TRUE(shared_->health[0].passed_over());
  // Its answer is as good, and speaks for it.
  network_->deliver(network_->requests[0], answer(network_->requests[0]));
  EXPECT_TRUE(heard->ok);
  EXPECT_FALSE(shared_->health[0].passed_over());
}

TEST_F(ChannelTest, TheCauseOfSilenceIsGosTimeout) {
  const auto heard = ask("www.example");
  pass(options_.timings.give_up + milliseconds(100));
  EXPECT_EQ(heard->cause, "read udp 192.0.2.1:40000->192.0.2.1:53: i/o timeout");
  EXPECT_EQ(heard->note, "no answer from 1 upstream");
}

TEST_F(ChannelTest, UnreachableAtOnce) {
  upstreams(2);
  network_->refuse = [](std::size_t, Transport) {
    return TransportFailure{Step::Connect, ENETUNREACH, {}};
  };
  const auto heard = ask("www.example");
  EXPECT_FALSE(heard->told);
  network_->run_posted();
  ASSERT_TRUE(heard->told);
  EXPECT_EQ(heard->cause, "dial udp 192.0.2.2:53: connect: network is unreachable");
  EXPECT_EQ(heard->note, "2 upstreams unreachable");
}

TEST_F(ChannelTest, OwnWantOfDescriptorsIsNotTheUpstreamsFault) {
  upstreams(1);
  options_.fail_fast = true;
  unsigned tries = 0;
  network_->refuse = [&](std::size_t, Transport) {
    ++tries;
    return TransportFailure{Step::Socket, EMFILE, {}};
  };
  const auto heard = ask("www.example");
  network_->run_posted();
  EXPECT_EQ(heard->cause, "dial udp 192.0.2.1:53: socket: too many open files");
  EXPECT_EQ(tries, 1u);
  network_->refuse = nullptr;
  (void)ask("other.example");
  EXPECT_EQ(sent(), 1u) << "not dead";
}

TEST_F(ChannelTest, AKeptConnectionThatWasClosedIsTriedAnew) {
  options_.prefer_tcp = true;
  network_->opens = false;
  const auto heard = ask("www.example");
  network_->fail(last(), {Step::Read, 0, {}});
  ASSERT_EQ(sent(), 2u);
  EXPECT_EQ(last().transport, Transport::Tcp);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, ForceTcpHoldsOnEveryPath) {
  options_.prefer_tcp = true;
  upstreams(3);
  const auto refuse_all = [&](const Octets& reply) { network_->deliver(last(), reply); };
  // Unusable, an error, a failure, silence.
  (void)ask("a.example");
  refuse_all(cut_off(last()));
  (void)ask("b.example");
  refuse_all(refuse(last(), Rcode::ServFail));
  (void)ask("c.example");
  network_->fail(last(), {Step::Connect, ECONNREFUSED, {}});
  (void)ask("d.example");
  refuse_all(header(Rcode::FormErr));
  pass(options_.timings.give_up + milliseconds(100));
  EXPECT_GT(sent(), 8u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(network_->count(i, Transport::Udp), 0u);
}

TEST_F(ChannelTest, AnUpstreamWithTlsIsNeverAskedOverUdp) {
  upstreams(2);
  options_.upstreams[0].tls = std::make_shared<TlsContexts>(nullptr);
  const auto first = ask("a.example");
  EXPECT_EQ(last().transport, Transport::Tcp);
  // The one beside it is asked as ever, and truncation leads to TCP there only.
  network_->fail(last(), {Step::Connect, EPROTO, {}, "handshake failed"});
  EXPECT_EQ(last().upstream, 1u);
  EXPECT_EQ(last().transport, Transport::Udp);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(first->ok);
  // It is passed over, and its health is asked for over TLS.
  (void)ask("b.example");
  EXPECT_EQ(last().upstream, 1u);
  network_->deliver(last(), answer(last()));
  pass(options_.timings.tick);
  EXPECT_EQ(network_->count(0, Transport::Udp), 0u);
  EXPECT_EQ(network_->count(0, Transport::Tcp), 2u);
}

TEST_F(ChannelTest, WhyTlsFailedIsSaid) {
  options_.upstreams[0].tls = std::make_shared<TlsContexts>(nullptr);
  network_->refuse = [](std::size_t, Transport) {
    return TransportFailure{Step::Connect, EPROTO, {}, "handshake failed"};
  };
  const auto heard = ask("a.example");
  network_->run_posted();
  EXPECT_EQ(heard->cause, "dial tcp 192.0.2.1:53: tls: handshake failed");
}

TEST_F(ChannelTest, WhatOneWorkerKnowsAllKnow) {
  options_.fail_fast = true;
  const auto first = ask("a.example");
  pass(options_.timings.give_up + milliseconds(100));
  EXPECT_FALSE(first->ok);
  const auto second = ask("b.example", {.worker = 1});
  network_->run_posted();
  ASSERT_TRUE(second->told);
  EXPECT_EQ(second->note, "all upstreams are down");
  // One health check at a time, whoever sends it.
  const std::size_t before = sent();
  pass(options_.timings.probe_every);
  EXPECT_EQ(sent(), before + 1);
  EXPECT_EQ(last().message().qtype, RRType::NS);
  // It brings the upstream back for both.
  network_->deliver(last(), write(reply_to(last())));
  for (const unsigned worker : {0u, 1u}) {
    const auto heard = ask("d.example", {.worker = worker});
    network_->deliver(last(), answer(last()));
    EXPECT_TRUE(heard->ok);
  }
}

TEST_F(ChannelTest, ChecksAreBounded) {
  upstreams(15);
  options_.timings.probe_every = options_.timings.tick = milliseconds(10);
  const auto heard = ask("www.example");
  for (UpstreamHealth& health : shared_->health) health.doubt(network_->now());
  const auto transport = last().from.lock();
  for (int i = 0; i < 400; ++i) {
    pass(milliseconds(10));
    ASSERT_LE(transport->under_way(), UpstreamChannel::kMaxChecks + UpstreamChannel::kMaxTries);
  }
  for (UpstreamHealth& health : shared_->health) EXPECT_TRUE(health.dead());
  // And go on: the last one is not older than that.
  const auto at = std::find_if(network_->requests.rbegin(), network_->requests.rend(),
                               [](const Request& r) { return r.message().qtype == RRType::NS; });
  EXPECT_GT(at->at, network_->now() - options_.timings.retry_after);
}

TEST_F(ChannelTest, QuestionsDoNotPushChecksOut) {
  workers_[0].upstream_octets = std::make_shared<UpstreamOctets>();
  workers_[0].upstream_octets->most = std::size_t{1} << 30;
  upstreams(2);
  for (std::size_t i = 0; i < UpstreamChannel::kMaxLoose + 100; ++i) {
    (void)ask("a" + std::to_string(i) + ".example");
  }
  shared_->health[0].doubt(network_->now());
  pass(options_.timings.tick);
  ASSERT_EQ(last().message().qtype, RRType::NS);
  pass(options_.timings.retry_after - options_.timings.tick);
  // The other one answers all of them.
  std::vector<const Request*> elsewhere;
  for (const Request& request : network_->requests) {
    if (request.upstream == 1) elsewhere.push_back(&request);
  }
  ASSERT_GT(elsewhere.size(), UpstreamChannel::kMaxLoose);
  for (const Request* request : elsewhere) network_->deliver(*request, answer(*request));
  EXPECT_EQ(channel().questions(), 0u);
  pass(options_.timings.tick);
  EXPECT_TRUE(shared_->health[0].dead());
}

TEST_F(ChannelTest, AChannelThatIsLetGoChecksNoMore) {
  const auto heard = ask("www.example");
  network_->fail(last(), {Step::Read, ECONNREFUSED, {}});
  network_->fail(last(), {Step::Read, ECONNREFUSED, {}});
  EXPECT_TRUE(heard->told);
  pass(milliseconds(100));
  EXPECT_EQ(last().message().qtype, RRType::NS);
  const std::size_t before = sent();
  const std::weak_ptr<UpstreamChannel> channel = channels_[0];
  channels_[0].reset();
  pass(std::chrono::seconds(20));
  EXPECT_TRUE(channel.expired());
  EXPECT_EQ(sent(), before);
}

TEST_F(ChannelTest, AQuestionHoldsAChannelThatWasOnlyChecking) {
  (void)ask("www.example");
  network_->fail(last(), {Step::Read, ECONNREFUSED, {}});
  network_->fail(last(), {Step::Read, ECONNREFUSED, {}});
  pass(milliseconds(120));
  ASSERT_EQ(last().message().qtype, RRType::NS);
  const auto heard = ask("other.example");
  channels_[0].reset();
  pass(options_.timings.give_up + milliseconds(100));
  EXPECT_TRUE(heard->told);
}

TEST_F(ChannelTest, AHeldUpThreadReadsBeforeItGivesUp) {
  const auto heard = ask("www.example");
  network_->stand_still(options_.timings.give_up + milliseconds(500));
  network_->pass(milliseconds(0));
  EXPECT_FALSE(heard->told);
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(heard->ok);
}

TEST_F(ChannelTest, NothingWakesAnIdleChannel) {
  (void)ask("www.example");
  network_->deliver(last(), answer(last()));
  pass(std::chrono::seconds(20));
  const unsigned before = network_->wake_ups;
  EXPECT_LE(before, 3u);
  pass(std::chrono::hours(1));
  EXPECT_EQ(network_->wake_ups, before);
}

TEST_F(ChannelTest, NoWaiterIsLeftWhenTheWorkerEnds) {
  const auto waiting = ask("www.example");
  network_->refuse = [](std::size_t, Transport) {
    return TransportFailure{Step::Connect, ENETUNREACH, {}};
  };
  const auto posted = ask("other.example");
  network_->stop();
  channels_ = {};
  EXPECT_TRUE(waiting->ended && !waiting->told);
  EXPECT_TRUE(posted->ended && !posted->told);
}

// --- room ---

TEST_F(ChannelTest, AloneAClientMayHaveEveryPlace) {
  max_concurrent_ = 10;
  for (int i = 0; i < 10; ++i) (void)ask("n" + std::to_string(i) + ".example");
  EXPECT_EQ(sent(), 10u);
  const auto refused = ask("more.example");
  network_->run_posted();
  ASSERT_TRUE(refused->told);
  EXPECT_EQ(refused->rcode, static_cast<std::uint16_t>(Rcode::Refused));
  EXPECT_EQ(refused->note, "concurrent queries exceeded maximum 10");
}

TEST_F(ChannelTest, WhoHoldsMostLosesFirst) {
  max_concurrent_ = 10;
  std::vector<std::shared_ptr<Heard>> greedy;
  for (int i = 0; i < 10; ++i) greedy.push_back(ask("n" + std::to_string(i) + ".slow"));
  std::vector<std::shared_ptr<Heard>> modest;
  for (int i = 0; i < 4; ++i) {
    modest.push_back(ask("good" + std::to_string(i) + ".example", {.client = "10.0.0.2"}));
  }
  network_->run_posted();
  for (const auto& heard : modest) EXPECT_FALSE(heard->told);
  // What had waited longest.
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(greedy[i]->told, i < 4) << i;
  EXPECT_EQ(greedy[0]->rcode, static_cast<std::uint16_t>(Rcode::Refused));
  // Shares are even now: nobody is taken anything any more.
  (void)ask("good4.example", {.client = "10.0.0.2"});
  const auto refused = ask("good5.example", {.client = "10.0.0.2"});
  network_->run_posted();
  EXPECT_TRUE(refused->told);
  const auto third = ask("other.example", {.client = "10.0.0.3"});
  network_->run_posted();
  EXPECT_FALSE(third->told);
}

TEST_F(ChannelTest, AddressesOfOnePrefixAreOneClient) {
  max_concurrent_ = 4;
  for (int i = 0; i < 4; ++i) {
    (void)ask("n" + std::to_string(i) + ".slow", {.client = "2001:db8::" + std::to_string(i + 1)});
  }
  const auto more = ask("n4.slow", {.client = "2001:db8::99"});
  const auto other = ask("good.example", {.client = "2001:db8:0:1::1"});
  network_->run_posted();
  EXPECT_TRUE(more->told);
  EXPECT_FALSE(other->told);
}

TEST_F(ChannelTest, PlacesAreTakenFromAnotherWorkersClient) {
  max_concurrent_ = 20;
  std::vector<std::shared_ptr<Heard>> greedy;
  for (int i = 0; i < 20; ++i) greedy.push_back(ask("n" + std::to_string(i) + ".slow"));
  const auto good = ask("good.example", {.client = "10.0.0.2", .worker = 1});
  network_->run_posted();
  EXPECT_FALSE(good->told);
  pass(milliseconds(100));  // the other worker's tick
  EXPECT_EQ(std::count_if(greedy.begin(), greedy.end(), [](const auto& h) { return h->told; }), 1);
  EXPECT_EQ(shared_->places.taken(), 20u);
}

TEST_F(ChannelTest, OctetsAreBounded) {
  std::size_t asked = 0;
  std::size_t refused = 0;
  std::vector<std::shared_ptr<Heard>> all;
  while (refused < 100) {
    all.push_back(ask("n" + std::to_string(asked++) + ".slow"));
    network_->run_posted();
    refused += all.back()->told ? 1 : 0;
    ASSERT_LE(workers_[0].upstream_octets->used, workers_[0].upstream_octets->most);
    ASSERT_LT(asked, 100'000u);
  }
  EXPECT_EQ(workers_[0].upstream_octets->most, UpstreamChannel::kProcessOctets / kWorkers);
  EXPECT_GT(asked, 2000u);
  EXPECT_EQ(all.back()->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  // Somebody else still gets in.
  const auto other = ask("good.example", {.client = "10.0.0.2"});
  network_->run_posted();
  EXPECT_FALSE(other->told);
  pass(options_.timings.give_up + milliseconds(100));
  EXPECT_EQ(workers_[0].upstream_octets->used, 0u);
  EXPECT_EQ(channel().waiting(), 0u);
}

// An upstream that is silent about some names holds a request for each of them, which are bounded.
TEST_F(ChannelTest, WhoHoldsMostRequestsLosesFirst) {
  workers_[0].upstream_octets = std::make_shared<UpstreamOctets>();
  workers_[0].upstream_octets->most = std::size_t{1} << 30;
  std::vector<std::shared_ptr<Heard>> greedy;
  for (std::size_t i = 0; i < UpstreamChannel::kMaxRequests; ++i) {
    greedy.push_back(ask("n" + std::to_string(i) + ".slow"));
  }
  network_->run_posted();
  EXPECT_EQ(std::count_if(greedy.begin(), greedy.end(), [](const auto& h) { return h->told; }), 0);
  const auto more = ask("more.slow");
  network_->run_posted();
  ASSERT_TRUE(more->told);
  EXPECT_EQ(more->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(more->note, "too many queries to upstreams under way");
  EXPECT_EQ(more->cause, "");
  const auto good = ask("good.example", {.client = "10.0.0.2"});
  EXPECT_EQ(last().message().qname.to_text(), "good.example.");
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(good->ok);
  EXPECT_TRUE(greedy[0]->told);
  EXPECT_EQ(greedy[0]->note, "too many queries to upstreams under way");
  EXPECT_FALSE(greedy[1]->told);
}

TEST_F(ChannelTest, WhereRequestsAreScarceAQuestionHasOne) {
  workers_[0].upstream_octets = std::make_shared<UpstreamOctets>();
  workers_[0].upstream_octets->most = std::size_t{1} << 30;
  options_.max_fails = 0;
  constexpr std::size_t kQuestions = UpstreamChannel::kMaxRequests * 3 / 4;
  std::vector<std::shared_ptr<Heard>> greedy;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    greedy.push_back(ask("n" + std::to_string(i) + ".slow"));
  }
  const auto transport = last().from.lock();
  constexpr std::size_t kProbes = 4;  // for loops, which so much silence suggests
  EXPECT_LE(transport->under_way(), kQuestions + kProbes);
  pass(options_.timings.retry_after + milliseconds(100));
  EXPECT_GE(sent(), 2 * kQuestions);  // asked again
  EXPECT_LE(transport->under_way(), kQuestions + kProbes);
  const auto good = ask("good.example", {.client = "10.0.0.2"});
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(good->ok);
  // An answer to the later request counts.
  const auto again =
      std::find_if(network_->requests.begin() + kQuestions, network_->requests.end(),
                   [](const Request& r) { return r.message().qname == name("n5.slow"); });
  ASSERT_NE(again, network_->requests.end());
  EXPECT_TRUE(network_->deliver(*again, answer(*again)));
  EXPECT_TRUE(greedy[5]->ok);
  pass(options_.timings.give_up);
  EXPECT_EQ(transport->under_way(), UpstreamChannel::kMaxLoose);
  pass(options_.timings.give_up);
  EXPECT_EQ(transport->under_way(), 0u);
}

TEST_F(ChannelTest, AnUpstreamWithoutRoomIsNotAskedAgain) {
  workers_[0].upstream_octets = std::make_shared<UpstreamOctets>();
  workers_[0].upstream_octets->most = std::size_t{1} << 30;
  upstreams(2);
  for (std::size_t i = 0; i < UpstreamChannel::kMaxRequests; ++i) {
    (void)ask("n" + std::to_string(i) + ".slow");
  }
  // The first has no room but what is made; the second is asked once the first is silent.
  pass(options_.timings.retry_after + milliseconds(100));
  constexpr std::size_t kProbes = 4;
  EXPECT_GE(network_->count(1, Transport::Udp), UpstreamChannel::kMaxRequests);
  EXPECT_LE(network_->count(1, Transport::Udp), UpstreamChannel::kMaxRequests + kProbes);
  const auto transport = last().from.lock();
  EXPECT_LE(transport->under_way(), 2 * (UpstreamChannel::kMaxRequests + kProbes));
  const auto good = ask("good.example", {.client = "10.0.0.2"});
  network_->deliver(last(), answer(last()));
  EXPECT_TRUE(good->ok);
}

TEST_F(ChannelTest, AStampedeIsOneQuestionAndAllFit) {
  std::vector<std::shared_ptr<Heard>> all;
  for (int i = 0; i < 3000; ++i) {
    all.push_back(ask("bank.test", {.client = "10.0." + std::to_string(i / 250) + "." +
                                              std::to_string(i % 250 + 1)}));
  }
  EXPECT_EQ(sent(), 1u);
  network_->deliver(last(), answer(last()));
  for (const auto& heard : all) ASSERT_TRUE(heard->ok);
}

TEST_F(ChannelTest, KeptRepliesAreBounded) {
  upstreams(2);
  options_.failover = 1u << static_cast<unsigned>(Rcode::NXDomain);
  std::vector<std::shared_ptr<Heard>> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(ask("n" + std::to_string(i) + ".example"));
    Message reply = reply_to(last(), static_cast<std::uint16_t>(Rcode::NXDomain));
    Octets text(60'000, 1);
    for (std::size_t at = 0; at < text.size(); at += 250) text[at] = 249;
    reply.authority.push_back({reply.qname, RRType::TXT, RRClass::IN, 60, text});
    network_->deliver(last(), write(reply));
    EXPECT_EQ(last().upstream, 1u);
  }
  pass(options_.timings.give_up + milliseconds(100));
  std::size_t whole = 0;
  for (const auto& heard : all) {
    ASSERT_TRUE(heard->ok);
    EXPECT_EQ(heard->rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
    whole += heard->message.authority.size();
  }
  EXPECT_GT(whole, 10u);
  EXPECT_LE(whole * 60'000, UpstreamChannel::kKeptOctets);
}

// --- loops ---

TEST_F(ChannelTest, ALoopThatIsNoticedEndsWhatWaitsButNotInsideOthers) {
  std::vector<std::shared_ptr<Heard>> all;
  for (unsigned i = 0; i < UpstreamChannel::kLoopSuspicion + 4; ++i) {
    all.push_back(ask("n" + std::to_string(i) + ".example"));
  }
  const auto probe =
      std::find_if(network_->requests.begin(), network_->requests.end(),
                   [](const Request& request) { return request.message().qtype == RRType::HINFO; });
  ASSERT_NE(probe, network_->requests.end());
  bool fresh = false;
  Name asked = probe->message().qname;
  asked.make_lower();
  EXPECT_EQ(loops_->seen(asked.view(), &fresh), 0u);
  // The next question notices it; nobody is told in the middle of that.
  const auto next = ask("next.example");
  EXPECT_FALSE(all[0]->told);
  network_->run_posted();
  for (const auto& heard : all) EXPECT_TRUE(heard->told && !heard->ok);
  EXPECT_EQ(next->note, "every upstream leads back to this server");
}

TEST_F(ChannelTest, AQuestionThatMeetsItselfIsLookedInto) {
  (void)ask("www.example");
  (void)ask("www.example", {.client = "10.0.0.9"});
  EXPECT_EQ(sent(), 1u) << "which happens to busy names all the time";
  // From whom it was sent to.
  (void)ask("www.example", {.client = "192.0.2.1"});
  ASSERT_EQ(sent(), 2u);
  EXPECT_EQ(last().message().qtype, RRType::HINFO);
  (void)ask("www.example", {.client = "192.0.2.1"});
  EXPECT_EQ(sent(), 2u) << "one look in a while";
}

TEST_F(ChannelTest, AQuestionThatMeetsItselfByAWayRoundIsLookedInto) {
  (void)ask("www.example");
  pass(options_.timings.retry_after + milliseconds(100));
  EXPECT_EQ(sent(), 2u);
  (void)ask("www.example", {.client = "10.0.0.9"});
  ASSERT_EQ(sent(), 3u);
  EXPECT_EQ(last().message().qtype, RRType::HINFO);
}

}  // namespace
}  // namespace clusterdns::dns
