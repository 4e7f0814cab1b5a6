#include "dns/query/exchange.h"

#include "dns/concurrent/reclaim.h"
#include "dns/query/encoder.h"
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

constexpr std::uint8_t kText[] = {4, 't', 'e', 'x', 't'};

// A TXT record of the question, by reference to static memory.
Verdict answer_text(Exchange& exchange) {
  RRsetRef ref;
  ref.write = &write_rdata;
  ref.data = kText;
  ref.count = sizeof kText;
  ref.type = RRType::TXT;
  ref.ttl = 30;
  exchange.answer.add_answer(ref);
  return Verdict::Answered;
}

// Notes that it was there, and sets what the test says.
class ScriptedFilter final : public ResponseFilter {
 public:
  using Script = std::function<Verdict(Exchange&, std::uint64_t)>;
  explicit ScriptedFilter(Script script) : script_(std::move(script)) {}
  Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override {
    return script_(exchange, note);
  }

 private:
  Script script_;
};

class ExchangeTest : public ::testing::Test {
 protected:
  ExchangeTest() {
    route_ = std::make_shared<Route>();
    client_.worker.reclaim = &reclaim_;
  }

  void stage(ScriptedStage::Script script) {
    route_->stages.push_back(std::make_shared<ScriptedStage>(std::move(script)));
  }
  // What the client is told, in the batch or when `later` has been called after it.
  std::optional<Message> ask(const Request& request, const std::function<void()>& later = {}) {
    ListenerRoutes routes;
    routes.add(Name{}, route_);
    const unit::Packet packet(request.wire());
    Octets out(kMaxMessageSize);
    reclaim_.enter(0);
    out.resize(respond(client_.context(), routes, packet.view(), out.data(), out.size()));
    reclaim_.leave(0);
    if (later) later();
    if (out.empty()) {
      if (client_.later.empty()) return std::nullopt;
      out = client_.later.front();
      client_.later.erase(client_.later.begin());
    }
    EXPECT_TRUE(client_.later.empty()) << "answered twice";
    return unit::decode(out);
  }

  ReclaimDomain reclaim_{1};
  Client client_;
  std::shared_ptr<Route> route_;
};

TEST_F(ExchangeTest, ADeferredOneOwnsWhatItNeeds) {
  std::unique_ptr<Exchange> deferred;
  stage([&](Exchange& exchange) {
    EXPECT_FALSE(exchange.owns());
    deferred = exchange.defer();
    return Verdict::Deferred;
  });
  const std::weak_ptr<Route> watch = route_;
  client_.use(Transport::Tcp);
  EXPECT_FALSE(ask({.qname = "Example.COM", .edns = true, .dnssec_ok = true}));
  route_ = nullptr;
  ASSERT_NE(deferred, nullptr);
  EXPECT_TRUE(deferred->owns());
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(deferred->limit, kMaxMessageSize);
  EXPECT_EQ(deferred->worker, &client_.worker);
  EXPECT_EQ(name_to_text(deferred->query.name()), "example.com.");
  EXPECT_EQ(name_to_text(deferred->query.name_as_asked()), "Example.COM.");
  EXPECT_TRUE(deferred->query.dnssec_ok);
  // The question, and the OPT record stayed behind.
  EXPECT_LT(deferred->query.question_end, deferred->query.size);
  // The scratch has gone on to something else meanwhile.
  client_.context().query.lower.fill(0xFF);

  (void)answer_text(*deferred);
  finish(std::move(deferred));
  ASSERT_EQ(client_.later.size(), 1u);
  const Message message = unit::decode(client_.later[0]);
  EXPECT_EQ(message.qname.to_text(), "Example.COM.");
  EXPECT_EQ(values(message.answer), Lines{"\"text\""});
  EXPECT_TRUE(watch.expired()) << "the exchange is gone";
}

TEST_F(ExchangeTest, EndedWithoutAnAnswerItSaysNothing) {
  stage([&](Exchange& exchange) {
    (void)exchange.defer();
    return Verdict::Deferred;
  });
  EXPECT_FALSE(ask({.qname = "a"}));
}

TEST_F(ExchangeTest, GoesOnBehindTheStageThatDeferredIt) {
  std::unique_ptr<Exchange> first, second;
  stage([&](Exchange& exchange) {
    exchange.answer.authoritative = true;  // a trace that must not stay
    first = exchange.defer();
    return Verdict::Deferred;
  });
  stage([&](Exchange& exchange) {
    // Deferred once more: it is the same one.
    const Exchange* const before = &exchange;
    second = exchange.defer();
    EXPECT_EQ(second.get(), before);
    return Verdict::Deferred;
  });
  stage(answer_text);
  const auto answer = ask({.qname = "a", .qtype = RRType::TXT}, [&] {
    go_on(std::move(first));
    ASSERT_NE(second, nullptr);
    EXPECT_EQ(second->stage, 2u);
    go_on(std::move(second));
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->flags & kFlagAA, 0);
  EXPECT_EQ(values(answer->answer), Lines{"\"text\""});
}

TEST_F(ExchangeTest, GoesOnToNobody) {
  std::unique_ptr<Exchange> waiting;
  stage([&](Exchange& exchange) {
    waiting = exchange.defer();
    return Verdict::Deferred;
  });
  const auto answer = ask({.qname = "a", .edns = true}, [&] { go_on(std::move(waiting)); });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::Refused));
  EXPECT_EQ(extended_error(*answer), static_cast<int>(ExtendedError::NotAuthoritative));
}

// --- run_from ---

// What an inner exchange was, and how the outer one is answered: NXDOMAIN for what it was told.
struct Told {
  int calls = 0;
  Outcome outcome{};
  std::string qname;
  RRType qtype{};
  std::size_t answers = 0;
  Rcode rcode{};
  unsigned depth = 0;
};
auto tell(Told& told) {
  return [&told](Exchange& outer, Exchange& inner, Outcome outcome) {
    ++told.calls;
    told = {told.calls,
            outcome,
            name_to_text(inner.query.name_as_asked()),
            inner.query.qtype,
            inner.answer.answer_count,
            inner.answer.rcode,
            inner.depth};
    outer.start_answer();
    outer.answer.rcode = Rcode::NXDomain;
    return Verdict::Answered;
  };
}

TEST_F(ExchangeTest, AnotherQuestionIsAnsweredAtOnce) {
  Told told;
  stage([&](Exchange& exchange) {
    return exchange.run_from(exchange.stage, name("Other.Test").view(), RRType::TXT, tell(told));
  });
  stage([&](Exchange& exchange) {
    EXPECT_TRUE(exchange.query.dnssec_ok);
    EXPECT_TRUE(exchange.query.has_edns);
    EXPECT_EQ(exchange.query.flags & kFlagRD, kFlagRD);
    EXPECT_EQ(exchange.client.port, 40000);
    EXPECT_EQ(name_to_text(exchange.query.name()), "other.test.");
    return answer_text(exchange);
  });
  const auto answer = ask({.qname = "asked.test", .edns = true, .dnssec_ok = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(answer->qname.to_text(), "asked.test.");
  EXPECT_EQ(told.calls, 1);
  EXPECT_EQ(told.outcome, Outcome::Answered);
  EXPECT_EQ(told.qname, "Other.Test.");
  EXPECT_EQ(told.qtype, RRType::TXT);
  EXPECT_EQ(told.answers, 1u);
  EXPECT_EQ(told.depth, 1u);
}

TEST_F(ExchangeTest, AnotherQuestionIsAnsweredLater) {
  Told told;
  std::unique_ptr<Exchange> waiting;
  stage([&](Exchange& exchange) {
    return exchange.run_from(exchange.stage, name("other.test").view(), RRType::TXT, tell(told));
  });
  stage([&](Exchange& exchange) {
    waiting = exchange.defer();
    return Verdict::Deferred;
  });
  const auto answer = ask({.qname = "asked.test"}, [&] {
    EXPECT_EQ(told.calls, 0);
    ASSERT_NE(waiting, nullptr);
    (void)answer_text(*waiting);
    finish(std::move(waiting));
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(answer->qname.to_text(), "asked.test.");
  EXPECT_EQ(told.calls, 1);
  EXPECT_EQ(told.outcome, Outcome::Answered);
  EXPECT_EQ(told.answers, 1u);
}

// One deferral inside another, and the end within the call that deferred.
TEST_F(ExchangeTest, QuestionsOfQuestions) {
  Told outer_told, inner_told;
  stage([&](Exchange& exchange) {
    if (exchange.depth != 0) return Verdict::Next;
    return exchange.run_from(0, name("one.test").view(), RRType::TXT, tell(outer_told));
  });
  stage([&](Exchange& exchange) {
    if (exchange.depth != 1) return Verdict::Next;
    return exchange.run_from(0, name("two.test").view(), RRType::TXT, tell(inner_told));
  });
  stage([&](Exchange& exchange) {
    finish(exchange.defer());
    return Verdict::Deferred;
  });
  const auto answer = ask({.qname = "asked.test"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(inner_told.qname, "two.test.");
  EXPECT_EQ(inner_told.depth, 2u);
  EXPECT_EQ(outer_told.qname, "one.test.");
  EXPECT_EQ(outer_told.rcode, Rcode::NXDomain);
}

TEST_F(ExchangeTest, AnotherQuestionOfADeferredOne) {
  Told told;
  std::unique_ptr<Exchange> first, second;
  stage([&](Exchange& exchange) {
    first = exchange.defer();
    return Verdict::Deferred;
  });
  stage([&](Exchange& exchange) {
    if (exchange.depth != 0) return Verdict::Next;
    return exchange.run_from(exchange.stage, name("other.test").view(), RRType::A, tell(told));
  });
  stage([&](Exchange& exchange) {
    second = exchange.defer();
    return Verdict::Deferred;
  });
  const auto answer = ask({.qname = "asked.test"}, [&] {
    go_on(std::move(first));
    ASSERT_NE(second, nullptr);
    second->answer.rcode = Rcode::ServFail;
    finish(std::move(second));
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(told.rcode, Rcode::ServFail);
}

// One name after the other, until one is there.
TEST_F(ExchangeTest, AnotherQuestionAfterAnother) {
  std::vector<std::unique_ptr<Exchange>> waiting;
  struct Walk {
    int left;
    Verdict operator()(Exchange& outer, Exchange& inner, Outcome) const {
      if (inner.answer.rcode == Rcode::NoError) return answer_text(outer);
      if (left == 0) return Verdict::Next;
      return outer.run_from(1, inner.query.name(), RRType::A, Walk{left - 1});
    }
  };
  stage([&](Exchange& exchange) {
    return exchange.run_from(1, name("other.test").view(), RRType::A, Walk{2});
  });
  stage([&](Exchange& exchange) {
    if (exchange.depth == 0) {
      exchange.answer.rcode = Rcode::NotImp;
      return Verdict::Answered;
    }
    waiting.push_back(exchange.defer());
    return Verdict::Deferred;
  });
  const auto end = [&](std::size_t i, Rcode rcode) {
    ASSERT_EQ(waiting.size(), i + 1);
    waiting[i]->answer.rcode = rcode;
    finish(std::move(waiting[i]));
  };
  auto answer = ask({.qname = "asked.test", .qtype = RRType::TXT}, [&] {
    end(0, Rcode::NXDomain);
    end(1, Rcode::NXDomain);
    end(2, Rcode::NoError);
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(values(answer->answer), Lines{"\"text\""});
  waiting.clear();
  answer = ask({.qname = "asked.test", .qtype = RRType::TXT}, [&] {
    for (std::size_t i = 0; i < 3; ++i) end(i, Rcode::NXDomain);
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NotImp)) << "the stages behind decide";
}

// The answer to another question becomes the answer to this one.
class TakeAnswerTest : public ExchangeTest {
 protected:
  // A chain: o.test is an alias of p.o.test, which has the text.
  Verdict answer_chain(Exchange& exchange) {
    Answer& answer = exchange.answer;
    const std::uint8_t target =
        answer.add_name(target_.data(), static_cast<std::uint8_t>(target_.size()));
    RRsetRef alias;
    alias.write = &write_cname;
    alias.first = target;
    alias.ttl = 7;
    alias.type = RRType::CNAME;
    answer.add_answer(alias);
    (void)answer_text(exchange);
    answer.answer[1].owner = target;
    answer.authoritative = true;
    return Verdict::Answered;
  }
  Lines ask_by(Exchange::Owner owner) {
    route_->stages.clear();
    stage([this, owner](Exchange& exchange) {
      return exchange.run_from(1, name("O.test").view(), RRType::TXT,
                               [owner](Exchange& outer, Exchange& inner, Outcome) {
                                 outer.take_answer(inner, owner);
                                 EXPECT_EQ(outer.stage, 2u) << "who answered";
                                 return Verdict::Answered;
                               });
    });
    stage([this](Exchange& exchange) {
      if (!later_) return answer_chain(exchange);
      auto deferred = exchange.defer();
      (void)answer_chain(*deferred);
      finish(std::move(deferred));
      return Verdict::Deferred;
    });
    const auto answer = ask({.qname = "Asked.example", .qtype = RRType::TXT});
    if (!answer) return {};
    EXPECT_NE(answer->flags & kFlagAA, 0);
    return unit::lines(answer->answer);
  }
  Name target_ = name("p.o.test");
  bool later_ = false;
};

// Suffixes follow the letter case of the question that was asked, by compression.
TEST_F(TakeAnswerTest, OfTheAskedName) {
  const Lines expected{"Asked.example. 7 CNAME p.O.test.", "p.O.test. 30 TXT \"text\""};
  EXPECT_EQ(ask_by(Exchange::Owner::Asked), expected);
  later_ = true;
  EXPECT_EQ(ask_by(Exchange::Owner::Asked), expected);
}

TEST_F(TakeAnswerTest, OfItsOwnName) {
  const Lines expected{"O.test. 7 CNAME p.O.test.", "p.O.test. 30 TXT \"text\""};
  EXPECT_EQ(ask_by(Exchange::Owner::Kept), expected);
  later_ = true;
  EXPECT_EQ(ask_by(Exchange::Owner::Kept), expected);
}

// Questions in another class are for stages that say so.
class ChaosStage final : public Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "chaos"; }
  [[nodiscard]] bool serves(RRClass rrclass) const noexcept override {
    return rrclass == RRClass{3};
  }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    return exchange.query.qclass == RRClass{3} ? answer_text(exchange) : Verdict::Next;
  }
};

TEST_F(ExchangeTest, AnotherClass) {
  const Request question{.qname = "version.bind", .qtype = RRType::TXT, .qclass = RRClass{3}};
  int seen = 0;
  stage([&](Exchange&) {
    ++seen;
    return Verdict::Next;
  });
  auto answer = ask(question);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::Refused));
  route_->stages.push_back(std::make_shared<ChaosStage>());
  answer = ask(question);
  ASSERT_TRUE(answer);
  EXPECT_EQ(values(answer->answer), Lines{"\"text\""});
  EXPECT_EQ(answer->answer[0].rrclass, RRClass{3});
  EXPECT_EQ(seen, 0) << "the others serve IN alone";
  answer = ask({.qname = "version.bind", .qtype = RRType::TXT, .qclass = RRClass{4}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::Refused));
  EXPECT_EQ(ask({.qname = "version.bind"})->rcode, static_cast<unsigned>(Rcode::Refused));
  EXPECT_EQ(seen, 1);
}

// A reply of several messages, as zone transfers have them.
TEST_F(ExchangeTest, SeveralMessages) {
  stage([&](Exchange& exchange) {
    auto deferred = exchange.defer();
    for (int i = 0; i < 3; ++i) {
      deferred->start_answer();
      (void)answer_text(*deferred);
      deferred->answer.answer[0].ttl = static_cast<std::uint32_t>(i);
      EXPECT_TRUE(deferred->channel().has_room());
      if (i < 2) deferred->send_part();
    }
    finish(std::move(deferred));
    return Verdict::Deferred;
  });
  client_.use(Transport::Tcp);
  ListenerRoutes routes;
  routes.add(Name{}, route_);
  std::vector<Octets> messages{client_.send(routes, Request{.qname = "zone"}.wire())};
  messages.insert(messages.end(), client_.later.begin(), client_.later.end());
  ASSERT_EQ(messages.size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Message message = unit::decode(messages[i]);
    EXPECT_EQ(message.id, Request{}.id);
    EXPECT_EQ(message.answer.at(0).ttl, i);
  }
}

TEST_F(ExchangeTest, NobodyTakesTheOtherQuestion) {
  Told told;
  stage([&](Exchange& exchange) {
    return exchange.run_from(exchange.stage, name("o").view(), RRType::A, tell(told));
  });
  ASSERT_TRUE(ask({.qname = "asked.test"}));
  EXPECT_EQ(told.outcome, Outcome::Unanswered);
  EXPECT_EQ(told.rcode, Rcode::Refused);
}

TEST_F(ExchangeTest, TheOtherQuestionIsDropped) {
  Told told;
  std::unique_ptr<Exchange> waiting;
  stage([&](Exchange& exchange) {
    return exchange.run_from(1, name("o").view(), RRType::A, tell(told));
  });
  stage([&](Exchange& exchange) {
    if (exchange.query.qtype == RRType::A && waiting == nullptr) return Verdict::Drop;
    return Verdict::Next;
  });
  ASSERT_TRUE(ask({.qname = "asked.test"}));
  EXPECT_EQ(told.calls, 1);
  EXPECT_EQ(told.outcome, Outcome::Dropped);
}

// What the other question was given up with takes the one that waits for it along.
TEST_F(ExchangeTest, TheOtherQuestionIsGivenUp) {
  Told told;
  std::unique_ptr<Exchange> waiting;
  stage([&](Exchange& exchange) {
    return exchange.run_from(1, name("o").view(), RRType::A, tell(told));
  });
  stage([&](Exchange& exchange) {
    waiting = exchange.defer();
    return Verdict::Deferred;
  });
  EXPECT_FALSE(ask({.qname = "asked.test"}, [&] { waiting = nullptr; }));
  EXPECT_EQ(told.calls, 0);
}

TEST_F(ExchangeTest, QuestionsAskForQuestionsEightDeep) {
  int asked = 0;
  int told = 0;
  stage([&](Exchange& exchange) {
    ++asked;
    return exchange.run_from(0, exchange.query.name(), exchange.query.qtype,
                             [&told](Exchange& outer, Exchange& inner, Outcome) {
                               ++told;
                               outer.fail(inner.answer.rcode, inner.answer.error);
                               return Verdict::Answered;
                             });
  });
  const auto answer = ask({.qname = "circle.test", .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(asked, 9) << "the client's question, and eight";
  EXPECT_EQ(told, 8);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::ServFail));
  EXPECT_EQ(extended_error(*answer), static_cast<int>(ExtendedError::Other));
  // The same, all of them deferred.
  asked = told = 0;
  route_->stages.insert(route_->stages.begin(),
                        std::make_shared<ScriptedStage>([](Exchange& exchange) {
                          go_on(exchange.defer());
                          return Verdict::Deferred;
                        }));
  const auto later = ask({.qname = "circle.test", .edns = true});
  ASSERT_TRUE(later);
  EXPECT_EQ(asked, 9);
  EXPECT_EQ(told, 8);
  EXPECT_EQ(later->rcode, static_cast<unsigned>(Rcode::ServFail));
}

// Two for each, eight deep, would be 510.
TEST_F(ExchangeTest, QuestionsThatMultiplyEnd) {
  int asked = 0;
  stage([&](Exchange& exchange) {
    ++asked;
    return exchange.run_from(
        0, exchange.query.name(), RRType::A, [](Exchange& outer, Exchange&, Outcome) {
          return outer.run_from(0, outer.query.name(), RRType::AAAA,
                                [](Exchange& last, Exchange& inner, Outcome) {
                                  last.fail(inner.answer.rcode, inner.answer.error);
                                  return Verdict::Answered;
                                });
        });
  });
  const auto answer = ask({.qname = "many.test", .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(asked, 1 + static_cast<int>(Exchange::kMaxOthers));
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::ServFail));
  // The same, all of them deferred; and the next client begins anew.
  asked = 0;
  route_->stages.insert(route_->stages.begin(),
                        std::make_shared<ScriptedStage>([](Exchange& exchange) {
                          go_on(exchange.defer());
                          return Verdict::Deferred;
                        }));
  ASSERT_TRUE(ask({.qname = "many.test", .edns = true}));
  EXPECT_EQ(asked, 1 + static_cast<int>(Exchange::kMaxOthers));
}

// --- filters ---

class FilterTest : public ExchangeTest {
 protected:
  std::shared_ptr<ScriptedFilter> filter(const std::string& label,
                                         Verdict verdict = Verdict::Answered) {
    filters_.push_back(std::make_shared<ScriptedFilter>(
        [this, label, verdict](Exchange& exchange, std::uint64_t note) {
          seen_.push_back(label + std::to_string(note) + " " +
                          std::to_string(exchange.answer.answer_count) + " " +
                          rcode_to_text(static_cast<std::uint16_t>(exchange.answer.rcode)));
          return verdict;
        }));
    return filters_.back();
  }
  void add(const std::shared_ptr<ScriptedFilter>& filter, std::uint64_t note = 0) {
    stage([filter, note](Exchange& exchange) {
      if (exchange.depth == 0) {
        EXPECT_TRUE(exchange.add_filter(*filter, note));
      }
      return Verdict::Next;
    });
  }
  std::vector<std::shared_ptr<ScriptedFilter>> filters_;
  std::vector<std::string> seen_;
};

TEST_F(FilterTest, TheLastOneIsFirst) {
  add(filter("a"), 1);
  add(filter("b"), 2);
  stage(answer_text);
  ASSERT_TRUE(ask({.qname = "x", .qtype = RRType::TXT}));
  EXPECT_EQ(seen_, (Lines{"b2 1 NOERROR", "a1 1 NOERROR"}));
  // The next query has none of them.
  seen_.clear();
  route_->stages.erase(route_->stages.begin(), route_->stages.begin() + 2);
  ASSERT_TRUE(ask({.qname = "x", .qtype = RRType::TXT}));
  EXPECT_TRUE(seen_.empty());
}

TEST_F(FilterTest, WhatTheySayIsSent) {
  const auto change = std::make_shared<ScriptedFilter>([](Exchange& exchange, std::uint64_t) {
    exchange.answer.authoritative = true;
    exchange.answer.answer[0].ttl = 7;
    return Verdict::Answered;
  });
  add(change);
  stage(answer_text);
  auto answer = ask({.qname = "x", .qtype = RRType::TXT});
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->flags & kFlagAA, 0);
  EXPECT_EQ(answer->answer.at(0).ttl, 7u);
  // An answer that was deferred passes, too.
  route_->stages.pop_back();
  stage([](Exchange& exchange) {
    auto deferred = exchange.defer();
    (void)answer_text(*deferred);
    finish(std::move(deferred));
    return Verdict::Deferred;
  });
  answer = ask({.qname = "x", .qtype = RRType::TXT});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answer.at(0).ttl, 7u);
}

TEST_F(FilterTest, RefusedForWantOfAStage) {
  add(filter("a"));
  auto answer = ask({.qname = "x"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(seen_, Lines{"a0 0 REFUSED"});
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::Refused));
}

TEST_F(FilterTest, OneMaySaySilence) {
  add(filter("a"));
  add(filter("b", Verdict::Drop));
  stage(answer_text);
  EXPECT_FALSE(ask({.qname = "x"}));
  EXPECT_EQ(seen_, Lines{"b0 1 NOERROR"});
}

// Rows of addresses, as tables have them: taken apart for who reads records, and left for others.
TEST_F(FilterTest, RecordsOneByOne) {
  Octets rows;
  for (std::uint8_t i = 1; i <= 20; ++i) {
    rows.insert(rows.end(), {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, i});
  }
  class Reads final : public ResponseFilter {
   public:
    explicit Reads(bool records) : records_(records) {}
    Verdict filter(Exchange& exchange, std::uint64_t) noexcept override {
      rrsets = exchange.answer.answer_count;
      plain = exchange.answer.plain;
      return Verdict::Answered;
    }
    [[nodiscard]] bool reads_records() const noexcept override { return records_; }
    std::size_t rrsets = 0;
    bool plain = false;

   private:
    bool records_;
  };
  Reads head(false), records(true);
  stage([&](Exchange& exchange) {
    EXPECT_TRUE(exchange.add_filter(records));
    EXPECT_TRUE(exchange.add_filter(head));
    RRsetRef ref;
    ref.write = &write_rows;
    ref.data = rows.data();
    ref.count = 20;
    ref.rotation = 3;
    ref.ttl = 5;
    ref.type = RRType::A;
    exchange.answer.add_answer(ref);
    exchange.answer.authoritative = true;
    exchange.answer.error = {true, ExtendedError::Other, "why"};
    return Verdict::Answered;
  });
  const auto answer = ask({.qname = "X.Test", .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(head.rrsets, 1u);
  EXPECT_FALSE(head.plain);
  EXPECT_EQ(records.rrsets, 20u);
  EXPECT_TRUE(records.plain);
  ASSERT_EQ(answer->answer.size(), 20u);
  EXPECT_EQ(values(answer->answer)[0], "10.0.0.4");
  EXPECT_EQ(values(answer->answer)[19], "10.0.0.3");
  EXPECT_EQ(answer->answer[0].owner.to_text(), "X.Test.");
  EXPECT_NE(answer->flags & kFlagAA, 0);
  std::string text;
  EXPECT_EQ(extended_error(*answer, &text), 0);
  EXPECT_EQ(text, "why");
}

// What a filter holds back it may send later, when the batch and its tables are gone.
TEST_F(FilterTest, OneMayHoldAnAnswerBack) {
  auto rdata = std::make_unique<Octets>(Octets{3, 'o', 'l', 'd'});
  std::unique_ptr<Exchange> waiting;
  add(filter("a"));
  const auto holds = std::make_shared<ScriptedFilter>([&](Exchange& exchange, std::uint64_t) {
    waiting = exchange.defer_with_answer();
    return Verdict::Deferred;
  });
  add(holds);
  stage([&](Exchange& exchange) {
    RRsetRef ref;
    ref.write = &write_rdata;
    ref.data = rdata->data();
    ref.count = static_cast<std::uint32_t>(rdata->size());
    ref.type = RRType::TXT;
    exchange.answer.add_answer(ref);
    exchange.answer.rcode = Rcode::NXDomain;
    const Octets option{1, 2, 3};
    const std::uint8_t* const kept = exchange.answer.keep(option);
    EXPECT_TRUE(exchange.answer.add_option(3, {kept, option.size()}));
    return Verdict::Answered;
  });
  const auto answer = ask({.qname = "x", .qtype = RRType::TXT, .edns = true}, [&] {
    rdata->assign(4, 0);
    rdata.reset();
    client_.context().query.lower.fill(0xFF);
    client_.context().answer.reset(client_.context().query.lower.data(), 1);
    ASSERT_NE(waiting, nullptr);
    finish(std::move(waiting));
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(values(answer->answer), Lines{"\"old\""});
  EXPECT_EQ(answer->opt_options, (Octets{0, 3, 0, 3, 1, 2, 3}));
  EXPECT_EQ(seen_, Lines{"a0 1 NXDOMAIN"});
}

TEST_F(FilterTest, OneMayWait) {
  std::unique_ptr<Exchange> waiting;
  add(filter("a"));
  const auto waits = std::make_shared<ScriptedFilter>([&](Exchange& exchange, std::uint64_t) {
    waiting = exchange.defer();
    return Verdict::Deferred;
  });
  add(waits);
  stage(answer_text);
  const auto answer = ask({.qname = "x"}, [&] {
    EXPECT_TRUE(seen_.empty());
    ASSERT_NE(waiting, nullptr);
    waiting->answer.rcode = Rcode::NXDomain;
    finish(std::move(waiting));
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(seen_, Lines{"a0 0 NXDOMAIN"});
}

// A filter that asks another question (as DNS64 does), which is answered now or later.
TEST_F(FilterTest, OneMayAsk) {
  std::unique_ptr<Exchange> waiting;
  Told told;
  add(filter("a"));
  const auto asks = std::make_shared<ScriptedFilter>([&](Exchange& exchange, std::uint64_t) {
    return exchange.run_from(0, exchange.query.name(), RRType::A, tell(told));
  });
  add(asks);
  stage([&](Exchange& exchange) {
    if (exchange.query.qtype == RRType::A && name_to_text(exchange.query.name()) == "later.") {
      waiting = exchange.defer();
      return Verdict::Deferred;
    }
    return answer_text(exchange);
  });
  auto answer = ask({.qname = "now", .qtype = RRType::AAAA});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(seen_, Lines{"a0 0 NXDOMAIN"});
  seen_.clear();
  answer = ask({.qname = "later", .qtype = RRType::AAAA}, [&] {
    ASSERT_NE(waiting, nullptr);
    finish(std::move(waiting));
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
  EXPECT_EQ(answer->qtype, RRType::AAAA);
  EXPECT_EQ(seen_, Lines{"a0 0 NXDOMAIN"});
}

// Filters of the other question see its answer only.
TEST_F(FilterTest, OfTheOtherQuestion) {
  Told told;
  const auto change = std::make_shared<ScriptedFilter>([](Exchange& exchange, std::uint64_t) {
    exchange.answer.rcode = Rcode::NotImp;
    return Verdict::Answered;
  });
  stage([&](Exchange& exchange) {
    return exchange.run_from(1, name("o").view(), RRType::A, tell(told));
  });
  stage([&](Exchange& exchange) {
    EXPECT_EQ(exchange.filter_count, 0);
    EXPECT_TRUE(exchange.add_filter(*change));
    return answer_text(exchange);
  });
  const auto answer = ask({.qname = "x"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(told.rcode, Rcode::NotImp);
  EXPECT_EQ(answer->rcode, static_cast<unsigned>(Rcode::NXDomain));
}

TEST_F(FilterTest, EightAtMost) {
  const auto one = filter("a");
  stage([&](Exchange& exchange) {
    for (unsigned i = 0; i < ExchangeFacts::kMaxFilters; ++i) {
      EXPECT_TRUE(exchange.add_filter(*one, i));
    }
    EXPECT_FALSE(exchange.add_filter(*one, 99));
    return answer_text(exchange);
  });
  ASSERT_TRUE(ask({.qname = "x"}));
  ASSERT_EQ(seen_.size(), 8u);
  EXPECT_EQ(seen_.front(), "a7 1 NOERROR");
}

// --- observers ---

class Recorder final : public AnswerObserver {
 public:
  explicit Recorder(bool gates = false) : gates_(gates) {}
  void on_answer(const Event& event, WorkerContext&) noexcept override {
    seen.push_back("answer " + rcode_to_text(event.response[3] & 0xF) + " " +
                   std::string(event.cause));
  }
  void on_unanswered(const Event& event, Fate fate, WorkerContext&) noexcept override {
    seen.push_back(
        (fate == Fate::Dropped ? "dropped " : "gate ") +
        (event.response.empty() ? std::string("nothing") : rcode_to_text(event.response[3] & 0xF)));
  }
  [[nodiscard]] bool sees_gates() const noexcept override { return gates_; }
  std::vector<std::string> seen;

 private:
  bool gates_;
};

class ObserverTest : public ExchangeTest {
 protected:
  ObserverTest() { route_->observers.push_back(recorder_); }
  Lines seen() { return std::exchange(recorder_->seen, {}); }
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>(true);
};

TEST_F(ObserverTest, SeeWhatIsDropped) {
  std::unique_ptr<Exchange> waiting;
  const auto silent =
      std::make_shared<ScriptedFilter>([](Exchange&, std::uint64_t) { return Verdict::Drop; });
  stage([&](Exchange& exchange) {
    switch (exchange.query.qtype) {
      case RRType::A: return Verdict::Drop;
      case RRType::TXT: EXPECT_TRUE(exchange.add_filter(*silent)); return answer_text(exchange);
      default: waiting = exchange.defer(); return Verdict::Deferred;
    }
  });
  EXPECT_FALSE(ask({.qname = "x"}));
  EXPECT_EQ(seen(), Lines{"dropped nothing"});
  EXPECT_FALSE(ask({.qname = "x", .qtype = RRType::TXT}));
  EXPECT_EQ(seen(), Lines{"dropped nothing"});
  EXPECT_FALSE(ask({.qname = "x", .qtype = RRType::MX}));
  EXPECT_EQ(seen(), Lines{});
  waiting = nullptr;
  EXPECT_EQ(seen(), Lines{"dropped nothing"});
  // Silence of a filter, later.
  EXPECT_FALSE(ask({.qname = "x", .qtype = RRType::MX}, [&] {
    ASSERT_TRUE(waiting->add_filter(*silent));
    finish(std::move(waiting));
  }));
  EXPECT_EQ(seen(), Lines{"dropped nothing"});
}

// As CoreDNS, which counts every query that came to a server block.
TEST_F(ObserverTest, WhatIsDroppedIsCountedOnce) {
  const auto counters = std::make_shared<RouteCounters>(1, std::vector<std::string>{"a"});
  route_->counters = counters;
  std::unique_ptr<Exchange> waiting;
  stage([&](Exchange& exchange) {
    if (exchange.query.qtype == RRType::A) return Verdict::Drop;
    waiting = exchange.defer();
    return Verdict::Deferred;
  });
  const RouteCounters::Cell& cell = counters->cell(0);
  const auto noerror = [&] { return cell.responses[0].get(); };
  EXPECT_FALSE(ask({.qname = "x"}));
  EXPECT_EQ(noerror(), 1U);
  EXPECT_FALSE(ask({.qname = "x", .qtype = RRType::MX}));
  EXPECT_EQ(noerror(), 1U) << "it waits";
  waiting = nullptr;
  EXPECT_EQ(noerror(), 2U);
  EXPECT_EQ(cell.response_size[0].sum.get() + cell.response_size[1].sum.get(), 0U);
  std::uint64_t durations = 0;
  for (const Counter& bucket : cell.duration.buckets) durations += bucket.get();
  EXPECT_EQ(durations, 2U);
}

TEST_F(ObserverTest, SeeFailuresThatComeLater) {
  std::unique_ptr<Exchange> waiting;
  stage([&](Exchange& exchange) {
    waiting = exchange.defer();
    return Verdict::Deferred;
  });
  ASSERT_TRUE(ask({.qname = "x"}, [&] {
    waiting->fail(Rcode::ServFail, {true, ExtendedError::Other, "what the client reads"});
    finish(std::move(waiting), "what the log says");
  }));
  EXPECT_EQ(seen(), Lines{"answer SERVFAIL what the log says"});
  ASSERT_TRUE(ask({.qname = "x"}, [&] {
    waiting->fail(Rcode::ServFail, {true, ExtendedError::Other, "what the client reads"});
    finish(std::move(waiting));
  }));
  EXPECT_EQ(seen(), Lines{"answer SERVFAIL what the client reads"});
}

// Questions for questions are nobody's but the server's.
TEST_F(ObserverTest, SeeOneAnswerAQuery) {
  Told told;
  stage([&](Exchange& exchange) {
    return exchange.run_from(1, name("o").view(), RRType::A, tell(told));
  });
  stage(answer_text);
  ASSERT_TRUE(ask({.qname = "x"}));
  EXPECT_EQ(seen(), Lines{"answer NXDOMAIN "});
}

TEST_F(ObserverTest, SeeWhatEndsAtAGate) {
  stage(answer_text);
  const auto uninterested = std::make_shared<Recorder>(false);
  route_->observers.push_back(uninterested);
  ListenerRoutes routes;
  routes.add(name("zone"), route_);
  routes.add(name("other.zone"), route_);  // the same block's: told once
  const Octets good = Request{.qname = "zone"}.wire();
  (void)client_.send(routes, {good.begin(), good.end() - 1});
  EXPECT_EQ(seen(), Lines{"gate FORMERR"});
  (void)client_.send(routes, Request{.flags = 0x2800}.wire());
  EXPECT_EQ(seen(), Lines{"gate NOTIMP"});
  (void)client_.send(routes, Request{.qname = "zone", .edns = true, .version = 1}.wire());
  EXPECT_EQ(seen(), Lines{"gate NOERROR"}) << "BADVERS has its upper bits in OPT";
  (void)client_.send(routes, {good.begin(), good.begin() + 5});
  EXPECT_EQ(seen(), Lines{"gate nothing"});
  (void)client_.send(routes, Request{.qname = "zone", .flags = kFlagQR}.wire());
  EXPECT_EQ(seen(), Lines{"gate nothing"});
  (void)client_.send(routes, Request{.qname = "elsewhere"}.wire());
  EXPECT_EQ(seen(), Lines{"gate REFUSED"});
  (void)client_.send(routes, Request{.qname = "zone", .qclass = RRClass{3}}.wire());
  EXPECT_EQ(seen(), Lines{"gate REFUSED"});
  (void)client_.send(routes, good);
  EXPECT_EQ(seen(), Lines{"answer NOERROR "});
  EXPECT_EQ(uninterested->seen, Lines{"answer NOERROR "});
}

// The scratch of a worker is for one batch at a time.
TEST(ReclaimDeathTest, NoBatchInsideAnother) {
  ReclaimDomain reclaim(1);
  reclaim.enter(0);
  EXPECT_DEBUG_DEATH(reclaim.enter(0), "a batch inside another");
  reclaim.leave(0);
}

}  // namespace
}  // namespace clusterdns::dns
