#include "dns/policy/tsig_stage.h"

#include <boost/asio/post.hpp>

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::extended_error;
using unit::Lines;
using unit::name;
using unit::Octets;
using unit::Request;
using unit::ScriptedStage;
using unit::values;
using Result = TsigStage::Result;

std::uint64_t the_time = 1'700'000'000;

// A route of `tsig` and a stage that the test says.
class TsigStageTest : public ::testing::Test {
 protected:
  TsigStageTest() {
    ring_->add({name("key.test"), TsigAlgorithm::Sha256, Octets(32, 7)});
    key_ = ring_->find(name("key.test").view());
    the_time = 1'700'000'000;
  }

  void build(ScriptedStage::Script script, bool require_all = false,
             std::vector<RRType> required = {}, const char* zone = ".") {
    TsigStage::Options options;
    options.zones.add(name(zone));
    options.keys = ring_;
    options.require_all = require_all;
    options.required = std::move(required);
    options.now = []() noexcept { return the_time; };
    stage_ = std::make_shared<TsigStage>(std::move(options));
    route_->stages = {stage_, std::make_shared<ScriptedStage>(std::move(script))};
    routes_.add(Name{}, route_);
  }
  // An address for whoever asks.
  static Verdict answer(Exchange& exchange) {
    exchange.answer.add_record(Section::Answer, 0, RRType::A, 5, Octets{192, 0, 2, 1});
    return Verdict::Answered;
  }

  // Octets of a signed request.
  Octets sign(const Octets& message) {
    session_ = TsigSession(key_);
    Octets octets = message;
    octets.resize(message.size() + kMaxTsigRecord);
    octets.resize(session_.sign_request(octets.data(), message.size(), the_time));
    return octets;
  }
  // What comes back, without its TSIG record once that is found to be right.
  std::optional<Message> checked(Octets octets) {
    if (octets.empty()) return std::nullopt;
    last_size_ = octets.size();
    std::size_t size = 0;
    wrong_ = session_.take_reply(octets, the_time, &size);
    if (size != octets.size()) --octets[11];
    octets.resize(size);
    return unit::decode(octets);
  }
  std::optional<Message> ask(const Request& request, std::size_t limit = kMaxMessageSize) {
    return checked(client_.send(routes_, sign(request.wire()), limit));
  }
  std::optional<Message> ask_plainly(const Request& request) {
    return client_.ask(routes_, request);
  }

  std::shared_ptr<TsigKeys> ring_ = std::make_shared<TsigKeys>();
  std::shared_ptr<const TsigKey> key_;
  std::shared_ptr<TsigStage> stage_;
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  ListenerRoutes routes_;
  Client client_;
  TsigSession session_;
  std::string wrong_ = "nothing was said";
  std::size_t last_size_ = 0;
};

TEST_F(TsigStageTest, AnswersAtOnceAreSigned) {
  build(&answer);
  const auto reply = ask({.qname = "a.test", .edns = true});
  EXPECT_EQ(wrong_, "");
  ASSERT_TRUE(reply);
  EXPECT_EQ(values(reply->answer), Lines{"192.0.2.1"});
  EXPECT_TRUE(reply->has_opt);
  EXPECT_EQ(stage_->total(Result::Good), 1U);
  // Who asks without gets none.
  const auto plain = ask_plainly({.qname = "a.test"});
  EXPECT_EQ(plain->answer.size(), 1U);
  EXPECT_EQ(plain->additional.size(), 0U);
}

TEST_F(TsigStageTest, AnswersThatComeLaterAreSigned) {
  std::vector<std::unique_ptr<Exchange>> waiting;
  build([&](Exchange& exchange) {
    waiting.push_back(exchange.defer());
    return Verdict::Deferred;
  });
  const Octets first = sign(Request{.qname = "a.test", .id = 1}.wire());
  TsigSession first_session = std::move(session_);
  EXPECT_TRUE(client_.send(routes_, first).empty());
  EXPECT_TRUE(client_.send(routes_, sign(Request{.qname = "b.test", .id = 2}.wire())).empty());
  // One without, in the same batch, has the listener's own channel.
  EXPECT_TRUE(client_.send(routes_, Request{.qname = "c.test", .id = 3}.wire()).empty());
  ASSERT_EQ(waiting.size(), 3U);
  for (auto& each : waiting) {
    answer(*each);
    finish(std::move(each));
  }
  ASSERT_EQ(client_.later.size(), 3U);
  EXPECT_EQ(checked(client_.later[1])->answer.size(), 1U);
  EXPECT_EQ(wrong_, "");
  session_ = std::move(first_session);
  EXPECT_EQ(checked(client_.later[0])->answer.size(), 1U);
  EXPECT_EQ(wrong_, "");
  EXPECT_EQ(unit::decode(client_.later[2]).additional.size(), 0U);
}

// As a zone transfer sends them.
TEST_F(TsigStageTest, EachMessageOfAReplyIsSigned) {
  std::unique_ptr<Exchange> own;
  build([&](Exchange& exchange) {
    own = exchange.defer();
    return Verdict::Deferred;
  });
  EXPECT_TRUE(client_.send(routes_, sign(Request{.qname = "a.test"}.wire())).empty());
  for (int i = 0; i < 3; ++i) {
    own->start_answer();
    answer(*own);
    own->send_part();
  }
  own->start_answer();
  answer(*own);
  finish(std::move(own));
  ASSERT_EQ(client_.later.size(), 4U);
  for (const Octets& each : client_.later) {
    EXPECT_EQ(checked(each)->answer.size(), 1U);
    EXPECT_EQ(wrong_, "");
    EXPECT_TRUE(session_.complete());
  }
}

// What other questions come to, and filters that ask some.
class Asks final : public Stage, public ResponseFilter {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "asks"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    if (exchange.depth == 0) {
      EXPECT_TRUE(exchange.add_filter(*this));
    }
    return Verdict::Next;
  }
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t) noexcept override {
    // From the first stage on: that is `tsig`.
    return exchange.run_from(0, name("inner.test").view(), RRType::A,
                             [](Exchange& outer, Exchange& inner, Outcome) noexcept {
                               outer.take_answer(inner, Exchange::Owner::Asked);
                               return Verdict::Answered;
                             });
  }

 private:
  static Name name(std::string_view text) { return unit::name(text); }
};

TEST_F(TsigStageTest, WhatAFilterAsksIsNotJudgedAndItsAnswerIsSigned) {
  std::vector<std::unique_ptr<Exchange>> waiting;
  build(
      [&](Exchange& exchange) {
        if (exchange.depth == 0) return Verdict::Answered;
        waiting.push_back(exchange.defer());
        return Verdict::Deferred;
      },
      true);
  route_->stages.insert(route_->stages.begin() + 1, std::make_shared<Asks>());
  EXPECT_TRUE(client_.send(routes_, sign(Request{.qname = "a.test"}.wire())).empty());
  ASSERT_EQ(waiting.size(), 1U);
  answer(*waiting.front());
  finish(std::move(waiting.front()));
  ASSERT_EQ(client_.later.size(), 1U);
  EXPECT_EQ(checked(client_.later.front())->answer.size(), 1U);
  EXPECT_EQ(wrong_, "");
}

TEST_F(TsigStageTest, FiltersOfStagesBeforeActBeforeTheSignature) {
  build([](Exchange&) { return Verdict::Answered; });
  route_->stages.insert(route_->stages.begin(), std::make_shared<Asks>());
  route_->stages.back() = std::make_shared<ScriptedStage>(&answer);
  const auto reply = ask({.qname = "a.test"});
  EXPECT_EQ(wrong_, "");
  EXPECT_EQ(reply->answer.size(), 1U);
}

TEST_F(TsigStageTest, SilenceStaysSilent) {
  build([](Exchange&) { return Verdict::Drop; });
  EXPECT_FALSE(ask({.qname = "a.test"}));
  // And the next one is as if nothing had been.
  EXPECT_EQ(client_.context().listener, &client_);
}

TEST_F(TsigStageTest, NobodysNameIsRefusedAndSigned) {
  build([](Exchange&) { return Verdict::Next; });
  EXPECT_EQ(ask({.qname = "a.test"})->rcode, 5);
  EXPECT_EQ(wrong_, "");
}

TEST_F(TsigStageTest, WhatIsRequired) {
  build(&answer, false, {RRType::AXFR, RRType::TXT});
  EXPECT_EQ(ask_plainly({.qname = "a.test"})->rcode, 0);
  const auto refused = ask_plainly({.qname = "a.test", .qtype = RRType::TXT, .edns = true});
  EXPECT_EQ(refused->rcode, 5);
  EXPECT_EQ(refused->answer.size(), 0U);
  EXPECT_EQ(extended_error(*refused), 18);
  EXPECT_EQ(ask({.qname = "a.test", .qtype = RRType::TXT})->rcode, 0);
  EXPECT_EQ(wrong_, "");
  EXPECT_EQ(stage_->total(Result::Unsigned), 1U);
}

TEST_F(TsigStageTest, OtherZonesAreLeftAlone) {
  build(&answer, true, {}, "signed.test");
  EXPECT_EQ(ask_plainly({.qname = "a.signed.test"})->rcode, 5);
  EXPECT_EQ(ask_plainly({.qname = "a.test"})->rcode, 0);
  EXPECT_EQ(ask({.qname = "a.test"})->rcode, 0);
  EXPECT_EQ(wrong_, "its reply is not signed");
}

TEST_F(TsigStageTest, Errors) {
  bool reached = false;
  build([&](Exchange& exchange) {
    reached = true;
    return answer(exchange);
  });
  const auto send = [&](Octets octets) {
    reached = false;
    const Octets reply = client_.send(routes_, octets);
    EXPECT_FALSE(reached);
    TsigRecord record;
    const bool found = find_tsig(reply, record) == TsigPresence::Present;
    return std::pair(unit::decode(reply).rcode, found ? record.error : 0);
  };
  using Told = std::pair<std::uint16_t, std::uint16_t>;
  const Octets good = sign(Request{.qname = "a.test"}.wire());
  Octets changed = good;
  changed[good.size() - 10] ^= 1;
  EXPECT_EQ(Told(send(changed)), Told(9, 16));
  changed = good;
  changed[Request{.qname = "a.test"}.wire().size() + 1] = 'x';
  EXPECT_EQ(Told(send(changed)), Told(9, 17));
  the_time += 301;
  EXPECT_EQ(Told(send(good)), Told(9, 18));
  EXPECT_EQ(stage_->total(Result::BadSig), 1U);
  EXPECT_EQ(stage_->total(Result::BadKey), 1U);
  EXPECT_EQ(stage_->total(Result::BadTime), 1U);
}

// RFC 8945 section 5.3: no room for the signature.
TEST_F(TsigStageTest, TruncationLeavesTheQuestion) {
  build([](Exchange& exchange) {
    for (std::uint8_t i = 0; i < 27; ++i) {
      exchange.answer.add_record(Section::Answer, 0, RRType::A, 5, Octets{192, 0, 2, i});
    }
    return Verdict::Answered;
  });
  // All fits without a signature: 12 + 12 + 27 * 16.
  EXPECT_EQ(ask_plainly({.qname = "a.test"})->answer.size(), 27U);
  auto reply = ask({.qname = "a.test"});
  EXPECT_EQ(wrong_, "");
  EXPECT_NE(reply->flags & kFlagTC, 0);
  EXPECT_EQ(reply->rcode, 0);
  EXPECT_EQ(reply->qname.to_text(), "a.test.");
  EXPECT_EQ(reply->answer.size() + reply->authority.size() + reply->additional.size(), 0U);
  EXPECT_LE(last_size_, 512U);
  // With room there is all of it.
  reply = ask({.qname = "a.test", .edns = true});
  EXPECT_EQ(reply->flags & kFlagTC, 0);
  EXPECT_EQ(reply->answer.size(), 27U);
  // OPT stays.
  reply = ask({.qname = "a.test", .edns = true, .udp_size = 512});
  EXPECT_EQ(wrong_, "");
  EXPECT_NE(reply->flags & kFlagTC, 0);
  EXPECT_TRUE(reply->has_opt);
  EXPECT_LE(last_size_, 512U);
  client_.use(Transport::Tcp);
  EXPECT_EQ(ask({.qname = "a.test"})->answer.size(), 27U);
}

// Knows one zone.
class Told final : public Stage, public NotifyTarget {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "told"; }
  [[nodiscard]] Verdict handle(Exchange&) noexcept override { return Verdict::Next; }
  [[nodiscard]] NotifyTarget::Told notified(NameView, const Endpoint&) noexcept override {
    ++count;
    return NotifyTarget::Told::Taken;
  }
  int count = 0;
};

TEST_F(TsigStageTest, Notify) {
  build(&answer, false, {RRType::SOA});
  const auto told = std::make_shared<Told>();
  route_->stages.push_back(told);
  constexpr std::uint16_t kNotify = 4 << 11;
  const Request request{.qname = "zone.test", .qtype = RRType::SOA, .flags = kNotify | kFlagAA};
  EXPECT_EQ(ask(request)->rcode, 0);
  EXPECT_EQ(wrong_, "");
  EXPECT_EQ(told->count, 1);
  EXPECT_EQ(unit::decode(client_.send(routes_, request.wire())).rcode, 5);
  Octets changed = sign(request.wire());
  changed[changed.size() - 10] ^= 1;
  const Octets reply = client_.send(routes_, changed);
  EXPECT_EQ(unit::decode(reply).rcode, 9);
  TsigRecord record;
  EXPECT_EQ(find_tsig(reply, record), TsigPresence::Present);
  EXPECT_EQ(record.error, 16);
  EXPECT_EQ(told->count, 1);
}

}  // namespace
}  // namespace clusterdns::dns
