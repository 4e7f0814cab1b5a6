#include "dns/resolve/cache_stage.h"

#include "dns/resolve/resolution.h"
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
    options.zones.add(Name());
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
  add_stage(zone);
  cache_and_forward();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(lines(converse({.qname = "Web.cluster.local"}).answer),
              (std::vector<std::string>{"Web.cluster.local. CNAME www.example.",
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
    EXPECT_EQ(converse({.qname = "example.com"}).rcode,
              static_cast<std::uint16_t>(Rcode::YXDomain));
  }
  EXPECT_EQ(upstream_.requests.size(), 2u);
}

// Records of upstreams, just now and from the cache, as filters see them.
class Shorten final : public Stage, public ResponseFilter {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "shorten"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    EXPECT_TRUE(exchange.add_filter(*this));
    return Verdict::Next;
  }
  Verdict filter(Exchange& exchange, std::uint64_t) noexcept override {
    Answer& answer = exchange.answer;
    records = answer.answer_count;
    relayed = answer.relayed;
    for (RRsetRef& record : answer.answers()) {
      record.ttl = 3;
      if (record.type != RRType::A) continue;
      static constexpr std::uint8_t kOther[] = {203, 0, 113, 1};
      record.data = kOther;
    }
    static constexpr std::uint8_t kNote[] = {4, 'n', 'o', 't', 'e'};
    EXPECT_TRUE(answer.add_record(Section::Additional, 0, RRType::TXT, 0, kNote));
    return Verdict::Answered;
  }
  std::size_t records = 0;
  bool relayed = false;
};

TEST_F(CacheStageTest, FiltersSeeRecordsOfUpstreams) {
  const auto shorten = std::make_shared<Shorten>();
  add_stage(shorten);
  cache_and_forward();
  upstream_.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    const std::string asked = reply.qname.to_text();
    reply.answer = {name_record(asked, RRType::CNAME, "cdn.example.net", 300),
                    a_record("cdn.example.net", "192.0.2.1", 60),
                    a_record("cdn.example.net", "192.0.2.2", 60)};
    return write_message(reply, kMaxMessageSize);
  };
  for (const Verdict how : {Verdict::Deferred, Verdict::Answered}) {
    shorten->records = 0;
    shorten->relayed = false;
    const Message answer = converse({.qname = "Example.com"});
    EXPECT_EQ(last_verdict_, how);
    EXPECT_EQ(shorten->records, 3u);
    EXPECT_TRUE(shorten->relayed);
    EXPECT_EQ(lines(answer.answer), (std::vector<std::string>{"Example.com. CNAME cdn.example.net.",
                                                              "cdn.example.net. A 203.0.113.1",
                                                              "cdn.example.net. A 203.0.113.1"}));
    for (const Record& record : answer.answer) EXPECT_EQ(record.ttl, 3u);
    EXPECT_EQ(lines(answer.additional), std::vector<std::string>{"Example.com. TXT \"note\""});
  }
  EXPECT_EQ(upstream_.requests.size(), 1u);
  // Failures and refusals pass, too.
  shorten->records = 0;
  const Message refused = converse({.qname = "example.com", .client = "203.0.113.9"});
  EXPECT_EQ(refused.rcode, static_cast<std::uint16_t>(Rcode::Refused));
  EXPECT_EQ(refused.additional.size(), 1u);
}

}  // namespace
}  // namespace clusterdns::dns::testing
