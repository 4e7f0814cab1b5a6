#include "dns/target/effects.h"

#include <cmath>

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

class EffectsTest : public ::testing::Test {
 protected:
  void ask(const std::string& name, RRType type = RRType::A,
           const std::string& client = "127.0.0.1") {
    octets_ = unit::Request{.qname = name, .qtype = type}.wire();
    octets_.resize(octets_.size() + kPadding);
    ASSERT_EQ(parse_query({octets_.data(), octets_.size() - kPadding}, exchange_->query),
              Gate::Pass);
    exchange_->client = unit::endpoint(client);
  }
  // What the words of one label come to.
  const Effects& evaluate_label(std::string_view label, std::uint64_t seed = 1) {
    Instructions instructions;
    instructions.count = 0;
    EXPECT_TRUE(read_label(label, 0, Vocabulary::Fault, instructions));
    const Draws draws(seed, {}, *exchange_);
    effects_.clear();
    counts_.with(0, {}, *exchange_, [&](FaultCounts::Counts& counts) {
      evaluate(instructions.list(), *exchange_, draws, counts.met++, &counts, effects_);
    });
    return effects_;
  }
  std::string thousand(std::string_view label, std::uint64_t seed = 1) {
    std::string all;
    for (int i = 0; i < 1000; ++i) all += evaluate_label(label, seed).decided ? '1' : '0';
    return all;
  }

  unit::Octets octets_;
  std::unique_ptr<Exchange> exchange_ = std::make_unique<Exchange>();
  FaultCounts counts_{100};
  Effects effects_;
};

TEST_F(EffectsTest, ChanceIsTheSameForTheSameSeed) {
  ask("a.test");
  const std::string first = thousand("p30-drop");
  const auto share = std::count(first.begin(), first.end(), '1');
  EXPECT_GT(share, 240);
  EXPECT_LT(share, 360);
  counts_.clear();
  EXPECT_EQ(thousand("p30-drop"), first);
  counts_.clear();
  ask("A.TEST");
  EXPECT_EQ(thousand("p30-drop"), first);  // in any letter case
  counts_.clear();
  EXPECT_NE(thousand("p30-drop", 2), first);
  ask("a.test", RRType::AAAA);
  EXPECT_NE(thousand("p30-drop"), first);
  ask("a.test", RRType::A, "127.0.0.2");
  EXPECT_NE(thousand("p30-drop"), first);
  ask("b.test");
  EXPECT_NE(thousand("p30-drop"), first);
}

TEST_F(EffectsTest, Delays) {
  ask("a.test");
  const auto mean = [&](std::string_view label, double* least, double* most) {
    double sum = 0;
    *least = 1e9;
    *most = 0;
    for (int i = 0; i < 2000; ++i) {
      const double ms = static_cast<double>(evaluate_label(label).delay_ns) / 1e6;
      sum += ms;
      *least = std::min(*least, ms);
      *most = std::max(*most, ms);
    }
    return sum / 2000;
  };
  double least = 0, most = 0;
  EXPECT_NEAR(mean("d100-200", &least, &most), 150, 5);
  EXPECT_GE(least, 100);
  EXPECT_LE(most, 200);
  EXPECT_NEAR(mean("dn500-50", &least, &most), 500, 10);
  EXPECT_GT(most, 580);
  EXPECT_NEAR(mean("de100", &least, &most), 100, 12);
  // Three times the minimum is the mean of a Pareto distribution of shape 1.5.
  EXPECT_NEAR(mean("dp100", &least, &most), 300, 120);
  EXPECT_GE(least, 100);
  EXPECT_EQ(evaluate_label("d100-d20-d3").delay_ns, 123'000'000);
}

TEST_F(EffectsTest, TheFirstThatHappensDecides) {
  ask("a.test");
  exchange_->transport = Transport::Tcp;
  EXPECT_TRUE(evaluate_label("tc-servfail-drop").decides(Action::ServFail));  // `tc` is of UDP
  EXPECT_TRUE(evaluate_label("noedns-badvers-nodata").decides(Action::NoData));
  exchange_->transport = Transport::Udp;
  EXPECT_TRUE(evaluate_label("tcpclose-tc-servfail").decides(Action::Tc));
  EXPECT_FALSE(evaluate_label("tcpcut5-badid").has(Action::TcpCut));
  EXPECT_TRUE(effects_.has(Action::BadId));
  EXPECT_TRUE(effects_.spoils());
  EXPECT_EQ(evaluate_label("dup3-dup4").copies, 3u);
}

TEST_F(EffectsTest, CountsAreBounded) {
  for (int i = 0; i < 1000; ++i) {
    ask("n" + std::to_string(i) + ".test");
    EXPECT_TRUE(evaluate_label("f1-drop").decided);
  }
  EXPECT_EQ(counts_.size(), 100u);
  EXPECT_EQ(counts_.evicted(), 900u);
  EXPECT_FALSE(evaluate_label("f1-drop").decided);  // the newest is known
  ask("n0.test");
  EXPECT_TRUE(evaluate_label("f1-drop").decided);  // the oldest is not
}

}  // namespace
}  // namespace clusterdns::dns
