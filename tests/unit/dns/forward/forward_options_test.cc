// What the options of `forward` do.
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

using std::chrono::milliseconds;

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

std::uint16_t bit(Rcode rcode) {
  return static_cast<std::uint16_t>(1u << static_cast<unsigned>(rcode));
}

class ForwardOptionsTest : public ConversationTest {
 protected:
  ForwardOptionsTest() {
    options_.forward.policy = ForwardPolicy::Sequential;
    options_.forward.timings = quick_timings();
  }
  std::shared_ptr<ForwardStage> forward(const std::vector<const FakeUpstream*>& upstreams) {
    ForwardStage::Options options = options_;
    for (const FakeUpstream* const upstream : upstreams) {
      options.forward.upstreams.push_back(upstream->endpoint());
    }
    auto stage = std::make_shared<ForwardStage>(std::move(options));
    add_stage(stage);
    return stage;
  }

  ForwardStage::Options options_;
};

TEST_F(ForwardOptionsTest, MaxConcurrent) {
  FakeUpstream upstream(io_);
  upstream.script = kSilent;
  options_.max_concurrent = 3;
  const auto stage = forward({&upstream});
  std::vector<Replies> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(start({.qname = "example.com"}));
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(waiting[i]->size(), i < 3 ? 0u : 1u);
  EXPECT_EQ(read_message(waiting[4]->front())->rcode, static_cast<std::uint16_t>(Rcode::Refused));
  EXPECT_EQ(stage->totals().rejected, 2u);
  // Those that ended make room.
  ASSERT_TRUE(run_until([&] { return waiting[0]->size() + waiting[2]->size() == 2; }));
  upstream.script = always("192.0.2.1");
  EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
}

TEST_F(ForwardOptionsTest, MaxFailsOfNoughtNeverGivesUp) {
  FakeUpstream silent(io_);
  FakeUpstream live(io_);
  silent.script = kSilent;
  live.script = always("192.0.2.2");
  options_.forward.max_fails = 0;
  forward({&silent, &live});
  for (int i = 0; i < 5; ++i) (void)converse({.qname = "example.com"});
  EXPECT_EQ(silent.requests.size(), 5u);
}

TEST_F(ForwardOptionsTest, HealthChecksAskWhatIsConfigured) {
  FakeUpstream silent(io_);
  FakeUpstream live(io_);
  silent.script = kSilent;
  live.script = always("192.0.2.2");
  options_.forward.timings.probe_every = milliseconds(10);
  options_.forward.health_name = name("health.example");
  options_.forward.health_recursion = false;
  const auto stage = forward({&silent, &live});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto is_check = [](const FakeUpstream::Request& request) {
    const auto message = read_message(request.octets);
    return message && message->qtype == RRType::NS;
  };
  while (std::none_of(silent.requests.begin(), silent.requests.end(), is_check)) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    (void)converse({.qname = "example.com"});
    (void)run_until([] { return false; }, milliseconds(1));
  }
  const auto check = std::find_if(silent.requests.begin(), silent.requests.end(), is_check);
  const auto message = read_message(check->octets);
  EXPECT_EQ(message->qname.to_text(), "health.example.");
  EXPECT_EQ(message->flags & kFlagRD, 0);
  // Without an answer it has failed, when its time is over.
  ASSERT_TRUE(run_until([&] { return stage->upstream_totals().at(0).failed_checks != 0; }));
}

TEST_F(ForwardOptionsTest, FailFast) {
  FakeUpstream upstream(io_);
  upstream.script = kSilent;
  options_.forward.fail_fast = true;
  options_.forward.timings.probe_every = milliseconds(10);
  const auto stage = forward({&upstream});
  // Silent requests, and silent checks, until it is known to be dead.
  Replies replies;
  bool refused = false;
  const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!refused && std::chrono::steady_clock::now() < enough) {
    (void)converse({.qname = "example.com"});
    replies = start({.qname = "example.com", .edns = true});
    refused = replies->size() == 1;
    if (!refused) (void)run_until([&] { return !replies->empty(); });
  }
  ASSERT_TRUE(refused);
  std::string text;
  EXPECT_EQ(extended_error(*read_message(replies->front()), &text),
            static_cast<int>(ExtendedError::NoReachableAuthority));
  EXPECT_EQ(text, "all upstreams are down");
  EXPECT_GE(stage->totals().all_dead, 1u);
  // The health check that went out meanwhile finds it back.
  upstream.script = always("192.0.2.1");
  bool back = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!back && std::chrono::steady_clock::now() < deadline) {
    back = converse({.qname = "example.com"}).answer.size() == 1;
    (void)run_until([] { return false; }, milliseconds(5));
  }
  EXPECT_TRUE(back);
}

TEST_F(ForwardOptionsTest, FailoverAsksOneAfterTheOther) {
  FakeUpstream one(io_);
  FakeUpstream two(io_);
  FakeUpstream three(io_);
  one.script = two.script = with_rcode(Rcode::NXDomain);
  three.script = always("192.0.2.3");
  options_.forward.failover = bit(Rcode::NXDomain);
  forward({&one, &two, &three});
  EXPECT_EQ(lines(converse({.qname = "example.com"}).answer),
            std::vector<std::string>{"example.com. A 192.0.2.3"});
  // When all say so, it is the answer.
  three.script = with_rcode(Rcode::NXDomain);
  EXPECT_EQ(converse({.qname = "example.com"}).rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(one.requests.size(), 2u);
}

TEST_F(ForwardOptionsTest, NextForward) {
  FakeUpstream one(io_);
  FakeUpstream two(io_);
  one.script = with_rcode(Rcode::NXDomain);
  two.script = always("192.0.2.2");
  options_.next = bit(Rcode::NXDomain);
  forward({&one});
  // Without a next one the answer is the answer.
  EXPECT_EQ(converse({.qname = "example.com"}).rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  options_.next = 0;
  forward({&two});
  EXPECT_EQ(lines(converse({.qname = "example.com"}).answer),
            std::vector<std::string>{"example.com. A 192.0.2.2"});
  one.script = with_rcode(Rcode::NoError);
  EXPECT_TRUE(converse({.qname = "example.com"}).answer.empty());
}

TEST_F(ForwardOptionsTest, NextOnNodata) {
  FakeUpstream one(io_);
  FakeUpstream two(io_);
  one.script = with_rcode(Rcode::NoError);
  two.script = always("192.0.2.2");
  options_.next_on_nodata = true;
  forward({&one});
  options_.next_on_nodata = false;
  forward({&two});
  EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
}

TEST_F(ForwardOptionsTest, MaxConnectAttempts) {
  FakeUpstream one(io_);
  FakeUpstream two(io_);
  one.script = two.script = kSilent;
  options_.forward.max_attempts = 1;
  forward({&one, &two});
  EXPECT_EQ(converse({.qname = "example.com"}).rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  // And checked.
  EXPECT_EQ(std::count_if(one.requests.begin(), one.requests.end(),
                          [](const auto& request) {
                            return read_message(request.octets)->qtype == RRType::A;
                          }),
            1);
  EXPECT_TRUE(two.requests.empty());
}

TEST_F(ForwardOptionsTest, IdleConnectionsExpire) {
  FakeUpstream upstream(io_);
  upstream.script = always("192.0.2.1");
  options_.forward.prefer_tcp = true;
  // Longer than this process stands still between two questions.
  options_.forward.timings.expire = milliseconds(1500);
  const auto stage = forward({&upstream});
  (void)converse({.qname = "example.com"});
  (void)converse({.qname = "example.com"});
  EXPECT_EQ(stage->upstream_totals().at(0).socket_reused.at(1), 1u);
  EXPECT_EQ(stage->upstream_totals().at(0).socket_opened.at(1), 1u);
  // The timer that closes it stops then: ticks end.
  (void)run_until([] { return false; }, options_.forward.timings.expire + milliseconds(100));
  const auto quiet = [&] {
    const std::uint64_t ticks = stage->totals().ticks;
    (void)run_until([] { return false; }, milliseconds(100));
    return stage->totals().ticks == ticks;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!quiet()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  (void)converse({.qname = "example.com"});
  EXPECT_EQ(stage->upstream_totals().at(0).socket_opened.at(1), 2u);
}

TEST_F(ForwardOptionsTest, EachUpstreamIsCounted) {
  FakeUpstream one(io_);
  FakeUpstream two(io_);
  one.script = with_rcode(Rcode::ServFail);
  two.script = always("192.0.2.2");
  const auto stage = forward({&one, &two});
  for (int i = 0; i < 3; ++i) (void)converse({.qname = "example.com"});
  const auto totals = stage->upstream_totals();
  ASSERT_EQ(totals.size(), 2u);
  EXPECT_EQ(totals[0].endpoint.to_string(), one.endpoint().to_string());
  EXPECT_EQ(totals[0].requests, 3u);
  EXPECT_EQ(totals[0].replies[2], 3u);
  EXPECT_EQ(totals[1].replies[0], 3u);
  std::uint64_t in_buckets = 0;
  for (const std::uint64_t count : totals[1].durations[0]) in_buckets += count;
  EXPECT_EQ(in_buckets, 3u);
  EXPECT_GT(totals[1].duration_sum_ns[0], 0u);
  EXPECT_EQ(totals[1].socket_opened[0] + totals[1].socket_reused[0], 3u);
  EXPECT_GE(totals[1].socket_opened[0], 1u);
}

}  // namespace
}  // namespace clusterdns::dns::testing
