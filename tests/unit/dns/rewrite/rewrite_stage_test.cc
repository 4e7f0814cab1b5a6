#include "dns/rewrite/rewrite_stage.h"

#include "dns/query/edns_options.h"
#include "dns/query/encoder.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::extended_error;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::Octets;
using unit::Request;
using unit::ScriptedStage;

NameRule regex(std::string_view from, std::string_view to) {
  std::string error;
  return {Expression::compile(from, &error).value(), to};
}

Octets rdata_name(std::string_view text, Octets before = {}) {
  unit::put_name(before, text);
  return before;
}

class RewriteTest : public ::testing::Test {
 protected:
  RewriteTest() {
    route_->stages.push_back(stage_);
    route_->stages.push_back(std::make_shared<ScriptedStage>([this](Exchange& exchange) {
      asked_.push_back(name_to_text(exchange.query.name_as_asked()) + " " +
                       std::to_string(static_cast<int>(exchange.query.qclass)) + " " +
                       std::to_string(static_cast<int>(exchange.query.qtype)));
      options_ = exchange.upstream_options;
      if (!answer_) return Verdict::Drop;
      if (defer_) {
        later_ = exchange.defer();
        return Verdict::Deferred;
      }
      answer_(exchange);
      return Verdict::Answered;
    }));
    answer_ = [](Exchange& exchange) {
      add(exchange, exchange.query.name(), RRType::A, {192, 0, 2, 1});
    };
  }

  void rule(decltype(RewriteRule::what) what, bool stop = true) {
    stage_->add({stop, std::move(what)});
  }
  void rename(NameRule r, bool revert = false, std::vector<AnswerRule> answers = {},
              bool stop = true) {
    rule(RewriteName{std::move(r), revert, std::move(answers)}, stop);
  }

  static void add(Exchange& exchange, NameView owner, RRType type, const Octets& rdata,
                  Section section = Section::Answer, std::uint32_t ttl = 30) {
    const auto index = exchange.answer.find_or_add_name(owner);
    ASSERT_TRUE(index);
    exchange.answer.add_record(section, *index, type, ttl, rdata);
  }

  std::optional<Message> ask(const Request& request) {
    ListenerRoutes routes;
    routes.add(Name{}, route_);
    asked_.clear();
    auto message = client_.ask(routes, request);
    if (later_ != nullptr) {
      answer_(*later_);
      finish(std::move(later_));
      message = unit::decode(client_.later.back());
    }
    return message;
  }

  std::shared_ptr<RewriteStage> stage_ = std::make_shared<RewriteStage>();
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  std::function<void(Exchange&)> answer_;
  bool defer_ = false;
  std::unique_ptr<Exchange> later_;
  Lines asked_;
  EdnsOptions options_;
  Client client_;
};

TEST_F(RewriteTest, ExactNamesAreGivenBackInTheClientsLetters) {
  rename({NameMatch::Exact, "red.test.", "blue.test."}, true);
  for (const bool later : {false, true}) {
    defer_ = later;
    const auto answer = ask({.qname = "Red.tEst"});
    ASSERT_TRUE(answer);
    EXPECT_EQ(asked_, (Lines{"blue.test. 1 1"}));
    EXPECT_EQ(answer->qname.to_text(), "Red.tEst.");
    EXPECT_EQ(lines(answer->answer), (Lines{"Red.tEst. 30 A 192.0.2.1"}));
  }
  const auto other = ask({.qname = "green.test"});
  EXPECT_EQ(asked_, (Lines{"green.test. 1 1"}));
  EXPECT_EQ(lines(other->answer), (Lines{"green.test. 30 A 192.0.2.1"}));
}

TEST_F(RewriteTest, WithoutAnAnswerRuleNamesOfTheAnswerStay) {
  rename({NameMatch::Suffix, ".a.test.", ".b.test."});
  const auto answer = ask({.qname = "x.a.test"});
  EXPECT_EQ(answer->qname.to_text(), "x.a.test.");
  EXPECT_EQ(lines(answer->answer), (Lines{"x.b.test. 30 A 192.0.2.1"}));
}

TEST_F(RewriteTest, NamesBelowTheNewOneAndValuesAreReverted) {
  rename({NameMatch::Exact, "red.test.", "blue.test."}, true);
  answer_ = [](Exchange& exchange) {
    add(exchange, exchange.query.name(), RRType::MX, rdata_name("mail.Blue.test", {0, 10}));
    add(exchange, exchange.query.name(), RRType::MX, rdata_name("mailblue.test", {0, 20}));
    add(exchange, exchange.query.name(), RRType::TXT, {4, 'b', 'l', 'u', 'e'});
    add(exchange, name("mail.blue.test").view(), RRType::A, {192, 0, 2, 9}, Section::Additional);
  };
  const auto answer = ask({.qname = "red.test", .qtype = RRType::MX});
  EXPECT_EQ(lines(answer->answer),
            (Lines{"red.test. 30 MX 10 mail.red.test.", "red.test. 30 MX 20 mailblue.test.",
                   "red.test. 30 TXT \"blue\""}));
  EXPECT_EQ(lines(answer->additional), (Lines{"mail.red.test. 30 A 192.0.2.9"}));
}

TEST_F(RewriteTest, AnswerRulesByExpression) {
  rename(regex(R"((.*)-(us-west-1)\.rocks\.)", "{1}.service.{2}.consul."), false,
         {{AnswerRule::Part::Owner,
           regex(R"((.*)\.service\.(us-west-1)\.consul\.)", "{1}-{2}.rocks.")},
          {AnswerRule::Part::Value, regex(R"((.*)\.consul\.)", "{1}.rocks.")}});
  answer_ = [](Exchange& exchange) {
    add(exchange, exchange.query.name(), RRType::SRV, rdata_name("n1.consul", {0, 1, 0, 2, 0, 53}));
    add(exchange, exchange.query.name(), RRType::NAPTR,
        rdata_name("n2.consul", {0, 1, 0, 2, 1, 'u', 3, 's', 'i', 'p', 0}));
    add(
        exchange, name("consul").view(), RRType::SOA,
        [] {
          Octets soa = rdata_name("n3.consul");
          unit::put_name(soa, "n4.consul");
          soa.resize(soa.size() + 20, 1);
          return soa;
        }(),
        Section::Authority);
  };
  const auto answer = ask({.qname = "FTP-us-west-1.rocks", .qtype = RRType::SRV});
  EXPECT_EQ(asked_, (Lines{"ftp.service.us-west-1.consul. 1 33"}));
  EXPECT_EQ(lines(answer->answer),
            (Lines{"FTP-us-west-1.rocks. 30 SRV 1 2 53 n1.rocks.",
                   "FTP-us-west-1.rocks. 30 NAPTR 1 2 \"u\" \"sip\" \"\" n2.rocks."}));
  // The first name of an SOA alone.
  EXPECT_EQ(
      lines(answer->authority),
      (Lines{"consul. 30 SOA n3.rocks. n4.consul. 16843009 16843009 16843009 16843009 16843009"}));
}

TEST_F(RewriteTest, ContinueGoesOnAndTheAnswerComesBackInReverse) {
  rename({NameMatch::Exact, "a.test.", "b.test."}, true, {}, false);
  rename({NameMatch::Exact, "b.test.", "c.test."}, true, {}, true);
  rename({NameMatch::Exact, "c.test.", "d.test."}, true);
  const auto answer = ask({.qname = "a.test"});
  EXPECT_EQ(asked_, (Lines{"c.test. 1 1"}));
  EXPECT_EQ(lines(answer->answer), (Lines{"a.test. 30 A 192.0.2.1"}));
}

TEST_F(RewriteTest, TypesAndClasses) {
  rule(RewriteType{RRType::MX, RRType::A}, false);
  rule(RewriteClass{RRClass::CH, RRClass::IN});
  auto answer = ask({.qname = "x.test", .qtype = RRType::MX});
  EXPECT_EQ(asked_, (Lines{"x.test. 1 1"}));
  EXPECT_EQ(answer->qtype, RRType::MX);
  EXPECT_EQ(lines(answer->answer), (Lines{"x.test. 30 A 192.0.2.1"}));
  answer = ask({.qname = "x.test", .qclass = RRClass::CH});
  EXPECT_EQ(asked_, (Lines{"x.test. 1 1"}));
  EXPECT_EQ(answer->qclass, RRClass::CH);
  EXPECT_TRUE(ask({.qname = "x.test", .qtype = RRType::AXFR}));
  EXPECT_EQ(asked_, (Lines{"x.test. 1 252"}));
}

TEST_F(RewriteTest, TtlsAndRcodes) {
  rule(RewriteTtl{{NameMatch::Suffix, ".test.", ""}, 40, 300}, false);
  rule(RewriteRcode{{NameMatch::Exact, "gone.test.", ""}, 3, 0}, false);
  EXPECT_EQ(lines(ask({.qname = "x.test"})->answer), (Lines{"x.test. 40 A 192.0.2.1"}));
  EXPECT_EQ(lines(ask({.qname = "x.other"})->answer), (Lines{"x.other. 30 A 192.0.2.1"}));
  answer_ = [](Exchange& exchange) { exchange.answer.rcode = Rcode::NXDomain; };
  EXPECT_EQ(ask({.qname = "gone.test"})->rcode, 0);
  EXPECT_EQ(ask({.qname = "x.test"})->rcode, 3);
  // What nobody answers has no records, and a code all the same.
  rule(RewriteRcode{{NameMatch::Exact, "refused.test.", ""}, 5, 2}, false);
  answer_ = [](Exchange& exchange) { exchange.refuse_unanswered(); };
  EXPECT_EQ(ask({.qname = "refused.test"})->rcode, 2);
}

TEST_F(RewriteTest, AliasesLeadElsewhere) {
  rule(RewriteCname{regex(R"((.*).cdn.example.net.)", "{1}.other.cdn.com.")});
  answer_ = [](Exchange& exchange) {
    if (name_to_text(exchange.query.name()) == "my-app.com.other.cdn.com.") {
      return add(exchange, exchange.query.name(), RRType::A, {203, 0, 113, 2}, Section::Answer,
                 100);
    }
    add(exchange, exchange.query.name(), RRType::CNAME, rdata_name("my-app.example"));
    add(exchange, name("my-app.example").view(), RRType::CNAME,
        rdata_name("my-app.com.cdn.example.net"));
    add(exchange, name("my-app.com.cdn.example.net").view(), RRType::A, {192, 0, 2, 1});
  };
  for (const bool later : {false, true}) {
    SCOPED_TRACE(later);
    defer_ = false;
    const auto answer = ask({.qname = "my-app.com"});
    EXPECT_EQ(lines(answer->answer), (Lines{"my-app.com. 30 CNAME my-app.example.",
                                            "my-app.example. 30 CNAME my-app.com.other.cdn.com.",
                                            "my-app.com.other.cdn.com. 100 A 203.0.113.2"}));
  }
  const auto alias = ask({.qname = "my-app.com", .qtype = RRType::CNAME});
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_EQ(lines(alias->answer), (Lines{"my-app.com. 30 CNAME my-app.example.",
                                         "my-app.example. 30 CNAME my-app.com.other.cdn.com."}));
}

// A rule whose own result it matches comes to an end.
TEST_F(RewriteTest, AliasesThatLeadInACircleEnd) {
  rule(RewriteCname{regex("^.*$", "loop.test.")});
  answer_ = [](Exchange& exchange) {
    add(exchange, exchange.query.name(), RRType::CNAME, rdata_name("a.test"));
  };
  const auto answer = ask({.qname = "x.test", .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, 0);
  EXPECT_EQ(lines(answer->answer),
            (Lines{"x.test. 30 CNAME loop.test.", "loop.test. 30 CNAME loop.test."}));
  EXPECT_EQ(extended_error(*answer), 0);
  EXPECT_LE(asked_.size(), Exchange::kMaxDepth + 1);
}

// Each alias is told once, however many rules it takes to come back.
TEST_F(RewriteTest, ALongerCircleIsToldOnce) {
  rule(RewriteCname{{NameMatch::Exact, "a.test.", "b.test."}}, false);
  rule(RewriteCname{{NameMatch::Exact, "c.test.", "d.test."}}, false);
  answer_ = [](Exchange& exchange) {
    const bool b = name_to_text(exchange.query.name()) == "b.test.";
    add(exchange, exchange.query.name(), RRType::CNAME, rdata_name(b ? "c.test" : "a.test"));
  };
  const auto answer = ask({.qname = "x.test"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, 0);
  EXPECT_EQ(lines(answer->answer), (Lines{"x.test. 30 CNAME b.test.", "b.test. 30 CNAME d.test.",
                                          "d.test. 30 CNAME b.test."}));
}

TEST_F(RewriteTest, NamesThatCannotBeAreFailures) {
  rename({NameMatch::Exact, "a.test.", "b..test."});
  rename({NameMatch::Substring, "b", std::string(60, 'x')});
  for (const std::string bad : {"a.test", "bb.test"}) {
    const auto answer = ask({.qname = bad, .edns = true});
    EXPECT_EQ(answer->rcode, 2) << bad;
    EXPECT_EQ(extended_error(*answer), 0);
    EXPECT_EQ(asked_, Lines{});
  }
}

TEST_F(RewriteTest, WhatIsDroppedIsDropped) {
  rename({NameMatch::Exact, "a.test.", "b.test."}, true);
  answer_ = {};
  EXPECT_FALSE(ask({.qname = "a.test"}));
}

using Action = RewriteEdns::Action;
using Data = RewriteEdns::Data;

std::string hex(const std::vector<std::uint8_t>& octets) {
  std::string text;
  for (const auto o : octets) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[o >> 4];
    text += kDigits[o & 15];
  }
  return text;
}

TEST_F(RewriteTest, OptionsGoToUpstreamsAndAreShownToWhoUsesEdns) {
  RewriteEdns set{0xffee, Action::Set, Data::Octets, {'a', 'b', 'c', 'd'}};
  rule(set, false);
  auto answer = ask({.qname = "x.test", .edns = true});
  ASSERT_NE(options_, nullptr);
  EXPECT_EQ(hex(options_->octets), "ffee000461626364");
  EXPECT_FALSE(options_->of_client);
  EXPECT_EQ(hex(answer->opt_options), "ffee000461626364");
  answer = ask({.qname = "x.test"});
  EXPECT_FALSE(answer->has_opt);
  // What an upstream has said is not added to.
  answer_ = [](Exchange& exchange) { exchange.answer.relayed = true; };
  EXPECT_EQ(hex(ask({.qname = "x.test", .edns = true})->opt_options), "");
}

TEST_F(RewriteTest, OptionsOfTheClient) {
  client_.from("192.0.2.133");
  rule(RewriteEdns{8, Action::Set, Data::Subnet, {}, 25, 56}, false);
  rule(RewriteEdns{65001, Action::Append, Data::ClientIp, {}}, false);
  rule(RewriteEdns{65002, Action::Replace, Data::Octets, {1}}, false);
  RewriteEdns hidden{65003, Action::Set, Data::QName, {}};
  hidden.revert = true;
  rule(hidden, false);
  auto answer = ask({.qname = "x.test", .edns = true});
  EXPECT_EQ(hex(options_->octets),
            "00080008"
            "00011900"
            "c0000280"
            "fde90004"
            "c0000285"
            "fdeb0007"
            "782e746573742e");
  EXPECT_TRUE(options_->of_client);
  EXPECT_EQ(hex(answer->opt_options),
            "00080008"
            "00011900"
            "c0000280"
            "fde90004"
            "c0000285");
  // A client that has them itself.
  answer = ask(
      {.qname = "x.test", .edns = true, .options = {0xfd, 0xe9, 0, 1, 7, 0xfd, 0xea, 0, 2, 8, 8}});
  EXPECT_EQ(hex(options_->octets),
            "00080008"
            "00011900"
            "c0000280"
            "fde90001"
            "07"
            "fdea0001"
            "01"
            "fdeb0007"
            "782e746573742e");
  client_.from("2001:db8:1:2ff::1");
  (void)ask({.qname = "x.test"});
  EXPECT_EQ(hex(options_->octets).substr(0, 30),
            "0008000b"
            "00023800"
            "20010db8000102");
}

TEST_F(RewriteTest, AnOptionIsTakenBack) {
  rule(RewriteEdns{65001, Action::Set, Data::Octets, {1}}, false);
  rule(RewriteEdns{65001, Action::Unset, Data::Octets, {}});
  const auto answer = ask({.qname = "x.test", .edns = true});
  EXPECT_EQ(options_->octets.size(), 0u);
  EXPECT_EQ(hex(answer->opt_options), "");
}

}  // namespace
}  // namespace clusterdns::dns
