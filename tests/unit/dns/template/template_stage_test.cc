#include "dns/template/template_stage.h"

#include <set>

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::extended_error;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::Octets;
using unit::ScriptedStage;

GoTemplate text(std::string_view from) {
  std::string error;
  auto parsed = GoTemplate::parse(from, TemplateStage::fields(), &error);
  EXPECT_TRUE(parsed) << error;
  return *std::move(parsed);
}
Expression regex(std::string_view from) {
  std::string error;
  return Expression::compile(from, &error).value();
}

class TemplateTest : public ::testing::Test {
 protected:
  static TemplateStage::Options for_zone(std::string_view zone) {
    TemplateStage::Options options;
    options.zones.add(name(zone));
    options.zone_texts.push_back(std::string(zone));
    return options;
  }
  TemplateStage& add(TemplateStage::Options options) {
    auto stage = std::make_shared<TemplateStage>(std::move(options), 1);
    route_->stages.push_back(stage);
    return *stage;
  }
  std::optional<Message> ask(const unit::Request& request) {
    ListenerRoutes routes;
    routes.add(Name{}, route_);
    return client_.ask(routes, request);
  }
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  Client client_;
};

TEST_F(TemplateTest, GroupsBecomeAddresses) {
  auto options = for_zone("example.");
  options.rrclass = RRClass::IN;
  options.type = RRType::A;
  options.patterns.push_back(
      regex(R"((^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$)"));
  options.records.push_back(
      {Section::Answer,
       text("{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}")});
  options.falls_through = true;
  options.fall_through.add(name("through.example"));
  TemplateStage& stage = add(std::move(options));
  const auto answer = ask({.qname = "X.ip-10-0-0-7.Example"});
  EXPECT_EQ(lines(answer->answer), Lines{"X.ip-10-0-0-7.Example. 60 A 10.0.0.7"});
  EXPECT_NE(answer->flags & kFlagAA, 0);
  EXPECT_EQ(ask({.qname = "other.example"})->rcode, 2);
  EXPECT_EQ(ask({.qname = "x.through.example"})->rcode, 5);
  EXPECT_EQ(ask({.qname = "ip-10-0-0-7.example", .qtype = RRType::AAAA})->rcode, 5);
  EXPECT_EQ(ask({.qname = "ip-10-0-0-7.test"})->rcode, 5);
  // The expression matches, and there is no such address.
  EXPECT_EQ(ask({.qname = "ip-10-0-0-700.example"})->rcode, 2);
  ASSERT_EQ(stage.matches().size(), 1u);
  EXPECT_EQ(stage.matches()[0].count, 2u);
  EXPECT_EQ(stage.matches()[0].type, "A");
  EXPECT_EQ(stage.failures(0, TemplateStage::Failure::Record), 1u);
}

TEST_F(TemplateTest, AddressesTurn) {
  auto options = for_zone("example.");
  options.records.push_back({Section::Answer, text("{{ .Name }} 60 CNAME end.other.")});
  for (const char* const address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
    options.records.push_back({Section::Answer, text(std::string("end.other. 60 A ") + address)});
  }
  add(std::move(options));
  route_->rotate = true;
  std::set<std::string> first;
  for (int i = 0; i < 12; ++i) {
    const auto answers = lines(ask({.qname = "x.example"})->answer);
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[0], "x.example. 60 CNAME end.other.");
    first.insert(answers[1]);
  }
  EXPECT_EQ(first.size(), 3u);
  route_->rotate = false;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(lines(ask({.qname = "x.example"})->answer)[1], "end.other. 60 A 192.0.2.1");
  }
}

TEST_F(TemplateTest, TheMessage) {
  auto options = for_zone("example.");
  options.patterns.push_back(regex("^x"));
  options.records.push_back(
      {Section::Answer,
       text("{{ .Name }} 60 TXT \"{{ .Message.Authoritative }} {{ .Message.Truncated }} "
            "{{ .Message.Zero }} {{ .Message.Rcode }} {{ .Message.RecursionDesired }} "
            "{{ .Message.RecursionAvailable }} {{ .Regex }} {{ (index .Message.Question 0).Qtype "
            "}}\"")});
  add(std::move(options));
  EXPECT_EQ(lines(ask({.qname = "x.example"})->answer),
            Lines{"x.example. 60 TXT \"false false false 0 true false ^x 1\""});
}

// The log says which template, and what was wrong with what.
TEST_F(TemplateTest, WhatFailedIsLogged) {
  class Causes final : public AnswerObserver {
   public:
    void on_answer(const Event& event, WorkerContext&) noexcept override {
      causes.emplace_back(event.cause);
    }
    Lines causes;
  };
  const auto observer = std::make_shared<Causes>();
  route_->observers.push_back(observer);
  const auto with = [&](std::string_view record) {
    route_->stages.clear();
    observer->causes.clear();
    auto options = for_zone("example.");
    options.records.push_back({Section::Authority, text(record)});
    add(std::move(options));
    EXPECT_EQ(ask({.qname = "x.example"})->rcode, 2);
    return observer->causes.empty() ? std::string() : observer->causes[0];
  };
  EXPECT_EQ(
      with("{{ .Name }} A {{ index .Match 7 }}"),
      "template: authority '{{ .Name }} A {{ index .Match 7 }}': <index .Match 7> (1:18): the "
      "index 7 is beyond the end");
  EXPECT_EQ(
      with("{{ .Name }} A {{ .Type }}"),
      "template: authority '{{ .Name }} A {{ .Type }}': it makes 'x.example. A A', which is no "
      "record");
}

TEST_F(TemplateTest, RcodesAndErrors) {
  auto options = for_zone("invalid.");
  options.rcode = Rcode::NXDomain;
  options.extended_error = 21;
  options.extended_text = "by RFC 2606";
  options.records.push_back(
      {Section::Authority,
       text("invalid. 60 {{ .Class }} SOA ns.invalid. hm.invalid. (1 60 60 60 60)")});
  add(std::move(options));
  auto answer = ask({.qname = "x.invalid", .edns = true});
  EXPECT_EQ(answer->rcode, 3);
  std::string why;
  EXPECT_EQ(extended_error(*answer, &why), 21);
  EXPECT_EQ(why, "by RFC 2606");
  EXPECT_EQ(lines(answer->authority),
            Lines{"invalid. 60 SOA ns.invalid. hm.invalid. 1 60 60 60 60"});
  answer = ask({.qname = "x.invalid", .qtype = RRType::TXT, .qclass = RRClass::CH});
  EXPECT_EQ(answer->rcode, 3);
}

TEST_F(TemplateTest, VariablesAndConditions) {
  auto options = for_zone("example.");
  options.patterns.push_back(regex(R"(^(?P<ip>[0-9]{1,3}(-[0-9]{1,3}){3})[.]example[.]$)"));
  std::string error;
  const std::vector<std::string> variables{"ip"};
  options.variables.push_back({"ip", *Expr::parse("replace(group('ip'), '-', '.')",
                                                  {TemplateStage::functions(), {}}, &error)});
  options.conditions.push_back(*Expr::parse("any(['10.0.0.0/8'], incidr(ip, #)) && group(0) != ''",
                                            {TemplateStage::functions(), variables}, &error));
  options.records.push_back({Section::Answer, text("{{ .Name }} 60 IN A {{ .Var.ip }}")});
  options.falls_through = true;
  options.fall_through.add(Name());
  add(std::move(options));
  EXPECT_EQ(lines(ask({.qname = "10-0-0-1.example"})->answer),
            Lines{"10-0-0-1.example. 60 A 10.0.0.1"});
  EXPECT_EQ(ask({.qname = "8-8-8-8.example"})->rcode, 5);
  EXPECT_EQ(ask({.qname = "999-0-0-1.example"})->rcode, 2);  // no address: the condition fails
}

TEST_F(TemplateTest, AliasesAreFollowed) {
  auto options = for_zone("foogle.com.");
  options.records.push_back({Section::Answer, text("foogle.com 60 IN CNAME google.test")});
  add(std::move(options));
  route_->stages.push_back(std::make_shared<ScriptedStage>([](Exchange& exchange) {
    const std::uint8_t address[] = {192, 0, 2, 1};
    exchange.answer.add_record(Section::Answer, 0, RRType::A, 5, address);
    return Verdict::Answered;
  }));
  EXPECT_EQ(lines(ask({.qname = "foogle.com"})->answer),
            (Lines{"foogle.com. 60 CNAME google.test.", "google.test. 5 A 192.0.2.1"}));
  EXPECT_EQ(lines(ask({.qname = "foogle.com", .qtype = RRType::MX})->answer),
            Lines{"foogle.com. 60 CNAME google.test."});
}

}  // namespace
}  // namespace clusterdns::dns
