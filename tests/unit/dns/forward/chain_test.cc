#include "dns/forward/chain.h"

#include "dns/server/reclaim.h"
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

// Stands where a stage with aliases would: hands the question to follow_chain().
class AliasStage final : public Stage {
 public:
  AliasStage(const std::string& from, const std::string& to)
      : from_(testing::name(from)), to_(testing::name(to)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "alias"; }
  [[nodiscard]] Verdict handle(QueryContext& ctx) noexcept override {
    if (!equal_ignoring_case(ctx.query.name(), from_.view())) return Verdict::Next;
    follow_chain(ctx.defer(), {{Name(ctx.query.name_as_asked()), to_, 7}}, to_);
    return Verdict::Deferred;
  }

 private:
  Name from_;
  Name to_;
};

class ChainTest : public ConversationTest {
 protected:
  void alias(const std::string& from, const std::string& to) {
    add_stage(std::make_shared<AliasStage>(from, to));
  }
  // The upstream knows these records, and nothing else.
  static FakeUpstream::Script knows(std::vector<Record> records, Rcode rcode = Rcode::NoError,
                                    std::vector<Record> authority = {}) {
    return [=](const FakeUpstream::Request& request) -> std::optional<Octets> {
      Message reply = reply_to(request.octets);
      reply.flags |= kFlagAD;
      reply.answer = records;
      reply.authority = authority;
      reply.rcode = static_cast<std::uint16_t>(rcode);
      return write_message(reply, kMaxMessageSize);
    };
  }
};

TEST_F(ChainTest, OutsideTarget) {
  FakeUpstream upstream(io_);
  upstream.script = knows({a_record("www.example.com", "192.0.2.1", 99)});
  alias("ext.default.svc.cluster.local", "www.example.com");
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "Ext.default.svc.cluster.local",
                                   .edns = true,
                                   .udp_size = 1000,
                                   .dnssec_ok = true,
                                   .flags = kFlagCD});
  EXPECT_EQ(lines(answer.answer),
            (std::vector<std::string>{"Ext.default.svc.cluster.local. CNAME www.example.com.",
                                      "www.example.com. A 192.0.2.1"}));
  EXPECT_EQ(answer.answer[0].ttl, 7u);
  EXPECT_EQ(answer.answer[1].ttl, 99u);
  EXPECT_EQ(answer.qname.to_text(), "Ext.default.svc.cluster.local.");
  // RD as the client set it; RA because its names are forwarded; no AD, since the first name is
  // not signed.
  EXPECT_EQ(answer.flags, kFlagQR | kFlagAA | kFlagRA | kFlagCD);
  EXPECT_TRUE(answer.has_opt);
  EXPECT_EQ(answer.opt_udp_size, kDefaultUdpSize);
  EXPECT_NE(answer.opt_ttl & 0x8000, 0u);

  ASSERT_EQ(upstream.requests.size(), 1u);
  const Message request = read_message(upstream.requests[0].octets).value();
  EXPECT_EQ(request.qname.to_text(), "www.example.com.");
  EXPECT_EQ(request.flags, kFlagRD | kFlagCD);
  EXPECT_EQ(request.opt_udp_size, 1000);
  EXPECT_NE(request.opt_ttl & 0x8000, 0u);
}

TEST_F(ChainTest, InsideTarget) {
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_a("web.default.svc.cluster.local", {"10.96.0.7"});
  zone->add_empty("empty.cluster.local");
  alias("a.alias", "Web.default.svc.cluster.local");
  alias("b.alias", "empty.cluster.local");
  alias("c.alias", "gone.cluster.local");
  add_stage(zone);
  Message answer = converse({.qname = "a.alias"});
  EXPECT_EQ(lines(answer.answer),
            (std::vector<std::string>{"a.alias. CNAME Web.default.svc.cluster.local.",
                                      "Web.default.svc.cluster.local. A 10.96.0.7"}));
  EXPECT_EQ(answer.flags & kFlagAA, kFlagAA);

  answer = converse({.qname = "b.alias"});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(answer.answer.size(), 1u);
  EXPECT_EQ(answer.authority.at(0).owner.to_text(), "cluster.local.");
  EXPECT_EQ(answer.authority.at(0).type, RRType::SOA);

  answer = converse({.qname = "c.alias"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(answer.answer.size(), 1u);
  EXPECT_EQ(answer.authority.size(), 1u);

  zone->not_ready();
  answer = converse({.qname = "a.alias", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NotReady));
}

TEST_F(ChainTest, OutsideAndBackIn) {
  FakeUpstream upstream(io_);
  upstream.script = knows({name_record("www.example.com", RRType::CNAME, "cdn.example.com"),
                           name_record("cdn.example.com", RRType::CNAME, "web.cluster.local")},
                          Rcode::NXDomain, {soa_record(".")});
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_alias("ext.cluster.local", "www.example.com");
  zone->add_a("web.cluster.local", {"10.96.0.7", "10.96.0.8"});
  alias("x.alias", "ext.cluster.local");
  add_stage(zone);
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "x.alias"});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(
      lines(answer.answer),
      (std::vector<std::string>{
          "x.alias. CNAME ext.cluster.local.", "ext.cluster.local. CNAME www.example.com.",
          "www.example.com. CNAME cdn.example.com.", "cdn.example.com. CNAME web.cluster.local.",
          "web.cluster.local. A 10.96.0.7", "web.cluster.local. A 10.96.0.8"}));
}

TEST_F(ChainTest, NegativeAnswersKeepTheirSoa) {
  FakeUpstream upstream(io_);
  upstream.script =
      knows({}, Rcode::NXDomain, {soa_record("com"), name_record("com", RRType::NS, "ns.invalid")});
  alias("x.alias", "www.example.com");
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "x.alias"});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(answer.answer.size(), 1u);
  ASSERT_EQ(answer.authority.size(), 1u);
  EXPECT_EQ(answer.authority[0].type, RRType::SOA);
}

TEST_F(ChainTest, WithoutAnUpstreamTheChainIsTheAnswer) {
  alias("x.alias", "www.example.com");
  const Message answer = converse({.qname = "x.alias"});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(lines(answer.answer), std::vector<std::string>{"x.alias. CNAME www.example.com."});
  EXPECT_EQ(answer.flags & (kFlagTC | kFlagRA), 0);
}

TEST_F(ChainTest, AClientThatMayNotForwardGetsTheChain) {
  FakeUpstream upstream(io_);
  upstream.script = knows({a_record("www.example.com", "192.0.2.1")});
  alias("x.alias", "www.example.com");
  forward_to({upstream.endpoint()});
  EXPECT_EQ(converse({.qname = "x.alias", .client = "8.8.8.8"}).answer.size(), 1u);
  EXPECT_TRUE(upstream.requests.empty());
}

TEST_F(ChainTest, DeadUpstream) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request&) { return std::nullopt; };
  alias("x.alias", "www.example.com");
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "x.alias", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(answer.answer.size(), 1u);
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NoReachableAuthority));
}

TEST_F(ChainTest, IncompleteIsMarked) {
  FakeUpstream upstream(io_);
  std::vector<Record> many;
  for (int i = 0; i < 60; ++i) {
    many.push_back(a_record("www.example.com", "192.0.2." + std::to_string(i)));
  }
  upstream.script = knows(many);
  alias("x.alias", "www.example.com");
  forward_to({upstream.endpoint()});
  const Message cut = converse({.qname = "x.alias"});
  EXPECT_NE(cut.flags & kFlagTC, 0);
  EXPECT_LE(raw_.size(), kMaxUdpWithoutEdns);
  EXPECT_EQ(cut.answer.at(0).type, RRType::CNAME);
  const Message whole = converse({.qname = "x.alias", .transport = Transport::Tcp});
  EXPECT_EQ(whole.flags & kFlagTC, 0);
  EXPECT_EQ(whole.answer.size(), 61u);
}

TEST_F(ChainTest, LoopsEnd) {
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_alias("a.cluster.local", "b.cluster.local");
  zone->add_alias("b.cluster.local", "A.cluster.local");
  alias("x.alias", "a.cluster.local");
  alias("self.alias", "SELF.alias");
  add_stage(zone);
  Message answer = converse({.qname = "x.alias", .edns = true});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(answer.answer.size(), 3u);
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::Other));
  answer = converse({.qname = "self.alias"});
  EXPECT_EQ(answer.answer.size(), 1u);
}

TEST_F(ChainTest, LoopsThroughTheOutsideEnd) {
  FakeUpstream upstream(io_);
  upstream.script = knows({name_record("www.example.com", RRType::CNAME, "ext.cluster.local")});
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_alias("ext.cluster.local", "www.example.com");
  alias("x.alias", "ext.cluster.local");
  add_stage(zone);
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "x.alias", .edns = true});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(answer.answer.size(), 3u);
  EXPECT_EQ(upstream.requests.size(), 1u);
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::Other));
}

TEST_F(ChainTest, LongChainsEnd) {
  auto zone = std::make_shared<FakeZone>("cluster.local");
  for (int i = 0; i < 30; ++i) {
    zone->add_alias("n" + std::to_string(i) + ".cluster.local",
                    "n" + std::to_string(i + 1) + ".cluster.local");
  }
  zone->add_a("n30.cluster.local", {"10.0.0.1"});
  alias("long.alias", "n0.cluster.local");
  // The longest that is followed: one link from the alias, and the rest.
  alias("fits.alias", "n" + std::to_string(30 - (Answer::kMaxChain - 1)) + ".cluster.local");
  add_stage(zone);
  Message answer = converse({.qname = "long.alias", .edns = true});
  EXPECT_EQ(answer.answer.size(), Answer::kMaxChain);
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::Other));
  answer = converse({.qname = "fits.alias"});
  EXPECT_EQ(answer.answer.size(), Answer::kMaxChain + 1);
  EXPECT_EQ(answer.answer.back().type, RRType::A);
}

TEST_F(ChainTest, CnameQuestionsStopAtTheFirstAliasInside) {
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_alias("a.cluster.local", "b.cluster.local");
  alias("x.alias", "a.cluster.local");
  add_stage(zone);
  const Message answer = converse({.qname = "x.alias", .type = RRType::CNAME});
  EXPECT_EQ(answer.answer.size(), 2u);
  EXPECT_EQ(answer.rcode, 0);
}

// Sees whether look-ups happen under the guard of the tables.
class GuardedZone final : public Stage, public LocalData {
 public:
  explicit GuardedZone(ReclaimDomain& reclaim) : reclaim_(reclaim) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "guarded"; }
  [[nodiscard]] Verdict handle(QueryContext&) noexcept override { return Verdict::Next; }
  [[nodiscard]] LocalData* local_data() noexcept override { return this; }
  Outcome look_up(NameView owner_name, RRType, std::uint8_t, Answer&,
                  const WorkerContext& worker) noexcept override {
    unguarded += reclaim_.inside(worker.index) ? 0 : 1;
    ++look_ups;
    Outcome outcome;
    if (has_suffix_ignoring_case(owner_name, zone_.view())) outcome.found = Found::NoData;
    return outcome;
  }
  void add_soa(NameView, std::uint8_t, Answer&) noexcept override {}
  int unguarded = 0;
  int look_ups = 0;

 private:
  ReclaimDomain& reclaim_;
  Name zone_ = testing::name("cluster.local");
};

TEST_F(ChainTest, LaterLookUpsAreGuarded) {
  ReclaimDomain reclaim(1);
  worker_.reclaim = &reclaim;
  FakeUpstream upstream(io_);
  upstream.script = knows({name_record("www.example.com", RRType::CNAME, "web.cluster.local")});
  auto zone = std::make_shared<GuardedZone>(reclaim);
  alias("x.alias", "www.example.com");
  add_stage(zone);
  forward_to({upstream.endpoint()});
  reclaim.enter(0);  // as a listener does for a batch
  const auto replies = start({.qname = "x.alias"});
  EXPECT_TRUE(reclaim.inside(0));  // not left early
  reclaim.leave(0);
  ASSERT_TRUE(run_until([&] { return !replies->empty(); }));
  EXPECT_EQ(read_message(replies->front())->answer.size(), 2u);
  EXPECT_GE(zone->look_ups, 3);
  EXPECT_EQ(zone->unguarded, 0);
  EXPECT_FALSE(reclaim.inside(0));
}

}  // namespace
}  // namespace clusterdns::dns::testing
