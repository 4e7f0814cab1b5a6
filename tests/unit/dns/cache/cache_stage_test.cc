#include "dns/cache/cache_stage.h"

#include "dns/forward/chain.h"
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

class CacheStageTest : public ConversationTest {
 protected:
  CacheStageTest() { worker_.reclaim = &reclaim_; }
  ~CacheStageTest() override {
    detach();
    route_.reset();
  }

  void cache_and_forward(CacheOptions options = {}) {
    options.zones.emplace_back();
    route_->cache = std::make_shared<AnswerCache>(std::move(options), reclaim_);
    add_stage(std::make_shared<CacheStage>(route_->cache));
    upstream_.script = [this](const FakeUpstream::Request& request) -> std::optional<Octets> {
      Message reply = reply_to(request.octets);
      reply.answer.push_back(a_record(reply.qname.to_text(), "192.0.2.1", ttl_));
      return write_message(reply, kMaxMessageSize);
    };
    forward_to({upstream_.endpoint()});
  }

  ReclaimDomain reclaim_{1};
  FakeUpstream upstream_{io_};
  std::uint32_t ttl_ = 300;
};

TEST_F(CacheStageTest, TheSecondQuestionIsAnsweredFromMemory) {
  CacheOptions options;
  options.success.max_ttl = 30;
  cache_and_forward(options);
  const Message first = converse({.qname = "example.com"});
  EXPECT_EQ(last_verdict_, Verdict::Deferred);
  const Message second = converse({.qname = "example.com", .id = 7});
  EXPECT_EQ(last_verdict_, Verdict::Answered);
  EXPECT_EQ(lines(first.answer), lines(second.answer));
  // The first answer has the TTL of those that follow.
  EXPECT_EQ(first.answer.at(0).ttl, 30u);
  EXPECT_EQ(upstream_.requests.size(), 1u);
}

TEST_F(CacheStageTest, NamesInMemoryDoNotComeHere) {
  const auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_a("web.cluster.local", {"10.0.0.1"});
  add_stage(zone);
  cache_and_forward();
  for (int i = 0; i < 3; ++i) (void)converse({.qname = "web.cluster.local"});
  EXPECT_EQ(route_->cache->totals().requests, 0u);
  EXPECT_EQ(route_->cache->entries(CacheKind::Success), 0u);
}

TEST_F(CacheStageTest, WhoMayNotAskGetsNothingFromMemoryEither) {
  cache_and_forward();
  EXPECT_EQ(converse({.qname = "example.com"}).rcode, 0);
  EXPECT_EQ(converse({.qname = "example.com", .client = "203.0.113.9"}).rcode,
            static_cast<std::uint16_t>(Rcode::Refused));
}

TEST_F(CacheStageTest, TargetsOfAliasesAreKept) {
  const auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_alias("web.cluster.local", "www.example");
  cache_and_forward();
  route_->stages.insert(route_->stages.begin(), zone);
  for (int i = 0; i < 2; ++i) {
    auto replies = std::make_shared<std::vector<Octets>>();
    // As the cluster stage does when it meets an alias that leads outside.
    Octets request = request_of({.qname = "web.cluster.local"});
    auto query = std::make_unique<DeferredQuery>();
    const std::size_t size = request.size();
    request.resize(size + kPadding);
    query->packet = request;
    ASSERT_EQ(parse_query({query->packet.data(), size}, query->query), Gate::Pass);
    query->client = client_of({});
    query->limit = kMaxMessageSize;
    query->route = route_;
    query->worker = &worker_;
    query->channel = std::make_unique<Channel>(replies);
    follow_chain(std::move(query), {{name("web.cluster.local"), name("www.example"), 5}},
                 name("www.example"));
    ASSERT_TRUE(run_until([&] { return !replies->empty(); }));
    EXPECT_EQ(lines(read_message(replies->front())->answer),
              (std::vector<std::string>{"web.cluster.local. CNAME www.example.",
                                        "www.example. A 192.0.2.1"}));
  }
  EXPECT_EQ(upstream_.requests.size(), 1u);
}

TEST_F(CacheStageTest, RepliesThatAreNotKeptAreRelayedAsTheyAre) {
  cache_and_forward();
  upstream_.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.rcode = static_cast<std::uint16_t>(Rcode::YXDomain);
    return write_message(reply, kMaxMessageSize);
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(converse({.qname = "example.com"}).rcode, static_cast<std::uint16_t>(Rcode::YXDomain));
  }
  EXPECT_EQ(upstream_.requests.size(), 2u);
}

}  // namespace
}  // namespace clusterdns::dns::testing
