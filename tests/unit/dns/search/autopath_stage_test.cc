#include "dns/search/autopath_stage.h"

#include <boost/asio/post.hpp>

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::Lines;
using unit::lines;
using unit::name;
using unit::ScriptedStage;

class AutopathTest : public ::testing::Test {
 protected:
  void with(AutopathStage::Options options) {
    options.zones.add(Name());
    stage_ = std::make_shared<AutopathStage>(std::move(options), 1);
    route_->stages.push_back(stage_);
    route_->stages.push_back(std::make_shared<ScriptedStage>([this](Exchange& exchange) {
      const std::string asked = name_to_text(exchange.query.name());
      asked_.push_back(asked);
      if (asked == exists_) {
        const std::uint8_t address[] = {192, 0, 2, 1};
        exchange.answer.add_record(Section::Answer, 0, RRType::A, 5, address);
      } else {
        exchange.answer.rcode = asked == broken_ ? Rcode::ServFail : Rcode::NXDomain;
      }
      if (!defer_) return Verdict::Answered;
      // Told after the batch.
      auto own = exchange.defer_with_answer();
      auto& io = *own->worker->io;
      boost::asio::post(io, [own = std::move(own)]() mutable { finish(std::move(own)); });
      return Verdict::Deferred;
    }));
  }
  std::optional<Message> ask(std::string_view qname) {
    asked_.clear();
    ListenerRoutes routes;
    routes.add(Name{}, route_);
    return client_.ask(routes, {.qname = std::string(qname)});
  }
  std::shared_ptr<AutopathStage> stage_;
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  std::string exists_ = "www.example.com.";
  std::string broken_;
  bool defer_ = false;
  Lines asked_;
  Client client_;
};

TEST_F(AutopathTest, ThePodsListIsInTheName) {
  AutopathStage::Options options;
  options.cluster_zones.add(name("cluster.local"));
  options.suffixes.push_back(name("node.test"));
  with(std::move(options));
  for (const bool later : {false, true}) {
    defer_ = later;
    const auto answer = ask("WWW.example.com.shop.svc.cluster.local");
    EXPECT_EQ(asked_, (Lines{"www.example.com.shop.svc.cluster.local.",
                             "www.example.com.svc.cluster.local.", "www.example.com.cluster.local.",
                             "www.example.com.node.test.", "www.example.com."}));
    ASSERT_TRUE(answer);
    EXPECT_EQ(lines(answer->answer),
              (Lines{"WWW.example.com.shop.svc.cluster.local. 5 CNAME www.example.com.",
                     "www.example.com. 5 A 192.0.2.1"}));
  }
  EXPECT_EQ(stage_->successes(), 2u);
}

TEST_F(AutopathTest, WhatIsThereIsAnsweredAsEver) {
  AutopathStage::Options options;
  options.cluster_zones.add(name("cluster.local"));
  with(std::move(options));
  exists_ = "db.shop.svc.cluster.local.";
  EXPECT_EQ(lines(ask("db.shop.svc.cluster.local")->answer),
            Lines{"db.shop.svc.cluster.local. 5 A 192.0.2.1"});
  EXPECT_EQ(asked_.size(), 1u);
  for (const char* other :
       {"shop.svc.cluster.local", "svc.cluster.local", "a.pod.cluster.local", "a.test"}) {
    EXPECT_EQ(ask(other)->rcode, 3) << other;
    EXPECT_EQ(asked_.size(), 1u) << other;
  }
  client_.from("8.8.8.8");
  EXPECT_EQ(ask("www.example.com.shop.svc.cluster.local")->rcode, 3);
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(AutopathTest, NothingIsTheFirstAnswer) {
  AutopathStage::Options options;
  options.suffixes = {name("a.test"), name("b.test")};
  with(std::move(options));
  const auto answer = ask("x.a.test");
  EXPECT_EQ(answer->rcode, 3);
  EXPECT_EQ(asked_, (Lines{"x.a.test.", "x.b.test.", "x."}));
  EXPECT_EQ(answer->qname.to_text(), "x.a.test.");
  EXPECT_EQ(stage_->successes(), 0u);
}

// Whether the name is there is not known; the next one would be another's. CoreDNS does the same.
TEST_F(AutopathTest, AFailureEndsTheWalk) {
  AutopathStage::Options options;
  options.suffixes = {name("a.test"), name("b.test")};
  with(std::move(options));
  for (const bool later : {false, true}) {
    defer_ = later;
    broken_ = "x.a.test.";
    EXPECT_EQ(ask("x.a.test")->rcode, 2);
    EXPECT_EQ(asked_, Lines{"x.a.test."});
    broken_ = "x.b.test.";
    const auto answer = ask("x.a.test");
    EXPECT_EQ(answer->rcode, 2);
    EXPECT_EQ(asked_, (Lines{"x.a.test.", "x.b.test."}));
    EXPECT_TRUE(answer->answer.empty());
  }
  EXPECT_EQ(stage_->successes(), 0u);
}

}  // namespace
}  // namespace clusterdns::dns
