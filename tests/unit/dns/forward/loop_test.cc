#include "dns/forward/loop_probes.h"

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

class LoopTest : public ConversationTest {
 protected:
  // The way back of a query that an upstream handed to us.
  struct Back final : ReplyChannel {
    Back(FakeUpstream& u, std::uint16_t p) : upstream(u), port(p) {}
    void send(std::span<const std::uint8_t> message) noexcept override {
      upstream.send({message.begin(), message.end()}, port);
    }
    FakeUpstream& upstream;
    std::uint16_t port;
  };

  // An upstream that is this server: what it is asked comes in as a query.
  FakeUpstream::Script ourselves(FakeUpstream& upstream) {
    return [this, &upstream](const FakeUpstream::Request& request) -> std::optional<Octets> {
      struct Place {
        FakeUpstream* upstream;
        std::uint16_t port;
      } place{&upstream, request.port};
      Octets octets = request.octets;
      const std::size_t size = octets.size();
      octets.resize(size + kPadding);
      auto exchange = std::make_unique<Exchange>();
      EXPECT_EQ(parse_query({octets.data(), size}, exchange->query), Gate::Pass);
      exchange->client = make_endpoint(boost::asio::ip::address_v4::loopback(), request.port);
      exchange->limit = kMaxUdpWithoutEdns;
      exchange->worker = &worker_;
      exchange->route = route_.get();
      exchange->listener = &place;
      exchange->make_channel = [](void* at) -> std::unique_ptr<ReplyChannel> {
        const auto& from = *static_cast<Place*>(at);
        return std::make_unique<Back>(*from.upstream, from.port);
      };
      exchange->start_answer();
      if (exchange->pass_through(0) != Verdict::Answered) return std::nullopt;
      return exchange->encoded();
    };
  }

  std::shared_ptr<ForwardStage> forward(const std::vector<Endpoint>& upstreams,
                                        ForwardTimings timings = quick_timings(),
                                        bool probe = false) {
    ForwardStage::Options options;
    options.zones = {name(".")};
    options.forward.upstreams.assign(upstreams.begin(), upstreams.end());
    options.forward.policy = ForwardPolicy::Sequential;
    options.forward.timings = timings;
    options.probe_loops = probe;
    options.on_loop = [this](const Endpoint& upstream, const Endpoint& client, const Endpoint&) {
      found_.push_back(upstream.to_string());
      EXPECT_TRUE(client.to_address().is_loopback());
    };
    auto stage = std::make_shared<ForwardStage>(std::move(options));
    add_stage(stage);
    return stage;
  }

  // Requests until a loop is found, and what is under way meanwhile.
  static constexpr std::size_t kEnough = UpstreamChannel::kLoopSuspicion + 16;

  std::vector<std::string> found_;
};

TEST_F(LoopTest, OneQueryDoesNotMultiply) {
  FakeUpstream upstream(io_);
  upstream.script = ourselves(upstream);
  const auto stage = forward({upstream.endpoint()});
  const Message answer = converse({.qname = "example.com", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  // It met itself under way: itself, once more after silence, and the probe.
  EXPECT_LE(upstream.requests.size(), 4u);
  EXPECT_EQ(found_, std::vector<std::string>{upstream.endpoint().to_string()});
  EXPECT_TRUE(stage->upstream_totals().at(0).looped);
  // From now on it is not asked any more, and the client learns why.
  (void)run_until([] { return false; }, milliseconds(50));
  const std::size_t requests = upstream.requests.size();
  std::string text;
  EXPECT_EQ(extended_error(converse({.qname = "example.net", .edns = true}), &text),
            static_cast<int>(ExtendedError::NoReachableAuthority));
  EXPECT_EQ(text, "every upstream leads back to this server");
  EXPECT_EQ(upstream.requests.size(), requests);
}

TEST_F(LoopTest, OnlyThatUpstreamIsGivenUp) {
  FakeUpstream looped(io_);
  FakeUpstream good(io_);
  looped.script = ourselves(looped);
  good.script = always("192.0.2.1");
  forward({looped.endpoint(), good.endpoint()});
  EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
  EXPECT_EQ(found_.size(), 1u);
  const std::size_t requests = looped.requests.size();
  EXPECT_LE(requests, kEnough);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(converse({.qname = "example.com"}).answer.size(), 1u);
  EXPECT_EQ(looped.requests.size(), requests);
}

TEST_F(LoopTest, TheLoopIsLookedForAtTheStart) {
  FakeUpstream looped(io_);
  FakeUpstream good(io_);
  looped.script = ourselves(looped);
  good.script = always("192.0.2.1");
  const auto stage = forward({looped.endpoint(), good.endpoint()}, quick_timings(), true);
  ASSERT_TRUE(run_until([&] { return !found_.empty() && !good.requests.empty(); }));
  EXPECT_EQ(found_, std::vector<std::string>{looped.endpoint().to_string()});
  EXPECT_EQ(looped.requests.size(), 1u);
  EXPECT_FALSE(stage->upstream_totals().at(1).looped);
}

TEST_F(LoopTest, AnUpstreamThatIsNoLoopAnyMoreIsAskedAgain) {
  FakeUpstream upstream(io_);
  upstream.script = ourselves(upstream);
  ForwardTimings timings = quick_timings();
  timings.loop_probe_every = timings.looped_probe_every = milliseconds(20);
  forward({upstream.endpoint()}, timings, true);
  ASSERT_TRUE(run_until([&] { return !found_.empty(); }));
  upstream.script = always("192.0.2.1");
  bool back = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!back && std::chrono::steady_clock::now() < deadline) {
    back = converse({.qname = "example.com"}).answer.size() == 1;
    (void)run_until([] { return false; }, milliseconds(5));
  }
  EXPECT_TRUE(back);
}

TEST_F(LoopTest, ManySilentRequestsAreNoLoop) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request&) { return std::nullopt; };
  forward({upstream.endpoint()});
  std::vector<Replies> waiting;
  for (unsigned i = 0; i < 2 * UpstreamChannel::kLoopSuspicion; ++i) {
    waiting.push_back(start({.qname = "n" + std::to_string(i) + ".example"}));
  }
  ASSERT_TRUE(run_until([&] { return !waiting.back()->empty(); }));
  EXPECT_TRUE(found_.empty());
}

TEST(LoopProbes, OnlyItsOwnNames) {
  LoopProbes probes(2, 1);
  LoopProbes others(2, 1);
  bool fresh = false;
  const Name mine = probes.make(1, 0, name("example.com"));
  EXPECT_EQ(mine.label_count(), 4u);
  EXPECT_EQ(others.seen(mine.view(), &fresh), LoopProbes::kNone);
  EXPECT_EQ(probes.seen(name("0123456789abcdef.0123456789abcdef.").view(), &fresh),
            LoopProbes::kNone);
  EXPECT_EQ(probes.seen(name(".").view(), &fresh), LoopProbes::kNone);
  EXPECT_FALSE(probes.any());
  EXPECT_EQ(probes.seen(mine.view(), &fresh), 1u);
  EXPECT_TRUE(fresh);
  EXPECT_TRUE(probes.looped(1));
  EXPECT_FALSE(probes.looped(0));
  // Its answer, which comes after, does not clear the mark; that of the next does.
  probes.answered(1, 0);
  EXPECT_TRUE(probes.looped(1));
  (void)probes.make(1, 0, name("."));
  probes.answered(1, 0);
  EXPECT_FALSE(probes.any());
}

}  // namespace
}  // namespace clusterdns::dns::testing
