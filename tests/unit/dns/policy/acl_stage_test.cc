#include "dns/policy/acl_stage.h"

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
using Action = AclRules::Action;

AddressRanges ranges(std::initializer_list<const char*> texts) {
  AddressRanges all;
  for (const char* text : texts) EXPECT_TRUE(all.add(text));
  return all;
}

class AclTest : public ::testing::Test {
 protected:
  AclTest() {
    route_->stages.push_back(std::make_shared<AclStage>(rules_, AclStage::Place::Own));
    route_->stages.push_back(std::make_shared<ScriptedStage>([this](Exchange& exchange) {
      Answer& answer = exchange.answer;
      std::uint8_t owner = 0;
      // An alias of two steps, the second one into secret.test.
      for (const char* next : {"open.test", "db.secret.test"}) {
        Octets target;
        unit::put_name(target, next);
        answer.add_record(Section::Answer, owner, RRType::CNAME, 5, target);
        owner = *answer.find_or_add_name(name(next).view());
      }
      answer.add_record(Section::Answer, owner, RRType::A, 5,
                        std::vector<std::uint8_t>{192, 0, 2, 1});
      reached_ = true;
      return Verdict::Answered;
    }));
  }

  void rule(std::initializer_list<const char*> zones, std::vector<AclRules::Policy> policies) {
    AclRules::Rule rule;
    for (const char* zone : zones) {
      rule.zones.add(name(zone));
      rule.labels.emplace_back(zone);
    }
    rule.policies = std::move(policies);
    rules_->add(std::move(rule));
  }
  std::optional<Message> ask(std::string_view from, std::string_view qname,
                             RRType type = RRType::A) {
    client_.from(std::string(from));
    ListenerRoutes routes;
    routes.add(Name{}, route_);
    reached_ = false;
    return client_.ask(routes, {.qname = std::string(qname), .qtype = type, .edns = true});
  }

  std::shared_ptr<AclRules> rules_ = std::make_shared<AclRules>(1);
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  bool reached_ = false;
  Client client_;
};

TEST_F(AclTest, TheFirstPolicyThatFitsDecides) {
  rule({"."}, {{Action::Allow, {}, ranges({"192.168.1.0/24", "2001:db8::/32"})},
               {Action::Block, std::vector{RRType::A, RRType::MX}, ranges({"192.168.0.0/16"})},
               {Action::Filter, {}, ranges({"192.168.0.0/16"})},
               {Action::Drop, {}, ranges({"10.0.0.0/8"})}});
  EXPECT_EQ(ask("192.168.1.9", "x.test")->answer.size(), 3u);
  EXPECT_TRUE(ask("2001:db8::1", "x.test"));
  EXPECT_TRUE(reached_);
  auto answer = ask("192.168.2.9", "x.test");
  EXPECT_EQ(answer->rcode, 5);
  EXPECT_EQ(extended_error(*answer), 15);
  EXPECT_FALSE(reached_);
  answer = ask("192.168.2.9", "x.test", RRType::TXT);
  EXPECT_EQ(answer->rcode, 0);
  EXPECT_EQ(extended_error(*answer), 17);
  EXPECT_EQ(answer->answer.size(), 0u);
  EXPECT_FALSE(ask("10.1.1.1", "x.test"));
  EXPECT_EQ(ask("203.0.113.1", "x.test")->answer.size(), 3u);  // what no policy fits is allowed
  EXPECT_EQ(rules_->allowed(), 3u);
  EXPECT_EQ(rules_->total(0, 0, Action::Block), 1u);
  EXPECT_EQ(rules_->total(0, 0, Action::Filter), 1u);
  EXPECT_EQ(rules_->total(0, 0, Action::Drop), 1u);
}

TEST_F(AclTest, AllowEndsTheRulesAndNoPolicyLeadsToTheNext) {
  rule({"a.test"}, {{Action::Allow, {}, ranges({"192.0.2.0/24"})}});
  rule({"test"}, {{Action::Block, {}, {}}});
  EXPECT_EQ(ask("192.0.2.1", "x.A.test")->rcode, 0);
  EXPECT_EQ(ask("192.0.3.1", "x.a.test")->rcode, 5);
  EXPECT_EQ(ask("192.0.2.1", "x.test")->rcode, 5);
  EXPECT_EQ(ask("192.0.2.1", "x.other")->rcode, 0);
}

// An alias does not tell what may not be asked for.
TEST_F(AclTest, AliasesEndWhereTheyLeadIntoWhatIsBlocked) {
  rule({"secret.test"}, {{Action::Block, {}, ranges({"192.0.2.0/24"})}});
  EXPECT_EQ(lines(ask("192.0.2.1", "x.test")->answer),
            (Lines{"x.test. 5 CNAME open.test.", "open.test. 5 CNAME db.secret.test."}));
  EXPECT_EQ(ask("192.0.3.1", "x.test")->answer.size(), 3u);
}

// Nor do the addresses that come along.
TEST_F(AclTest, AdditionalRecordsAreJudged) {
  rule({"secret.test"}, {{Action::Block, {}, ranges({"192.0.2.0/24"})}});
  route_->stages.back() = std::make_shared<ScriptedStage>([](Exchange& exchange) {
    for (const char* each : {"a.test", "mx.secret.test", "b.test"}) {
      const auto owner = *exchange.answer.find_or_add_name(name(each).view());
      exchange.answer.add_record(Section::Additional, owner, RRType::A, 5,
                                 std::vector<std::uint8_t>{192, 0, 2, 1});
    }
    return Verdict::Answered;
  });
  const auto addresses = [&](const char* from) {
    return lines(ask(from, "x.test", RRType::MX)->additional);
  };
  EXPECT_EQ(addresses("192.0.2.1"), (Lines{"a.test. 5 A 192.0.2.1", "b.test. 5 A 192.0.2.1"}));
  EXPECT_EQ(addresses("192.0.3.1").size(), 3u);
}

// Before stages that ask for another name.
TEST_F(AclTest, TheGateJudgesTheNameThatWasAsked) {
  rule({"test"}, {{Action::Block, {}, {}}});
  route_->stages.insert(
      route_->stages.begin(), std::make_shared<ScriptedStage>([](Exchange& exchange) {
        return exchange.run_from(exchange.stage, name("a.other").view(), RRType::A,
                                 [](Exchange& outer, Exchange& inner, Outcome) {
                                   outer.take_answer(inner, Exchange::Owner::Asked);
                                   return Verdict::Answered;
                                 });
      }));
  EXPECT_EQ(ask("192.0.2.1", "x.test")->rcode, 0);
  route_->stages.insert(route_->stages.begin(),
                        std::make_shared<AclStage>(rules_, AclStage::Place::Gate));
  EXPECT_EQ(ask("192.0.2.1", "x.test")->rcode, 5);
  EXPECT_FALSE(reached_);
  EXPECT_EQ(rules_->total(0, 0, Action::Block), 1u);
}

}  // namespace
}  // namespace clusterdns::dns
