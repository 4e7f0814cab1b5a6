#include "dns/resolve/resolution.h"

#include "dns/concurrent/reclaim.h"
#include "dns/hosts/hosts_stage.h"
#include "dns/resolve/cache_stage.h"
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

// Stands where a stage with aliases would.
class AliasStage final : public Stage {
 public:
  AliasStage(const std::string& from, const std::string& to)
      : from_(testing::name(from)), to_(testing::name(to)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "alias"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    if (!equal_ignoring_case(exchange.query.name(), from_.view())) return Verdict::Next;
    exchange.answer.authoritative = true;
    LocalData::Outcome alias;
    alias.found = LocalData::Found::Alias;
    alias.alias = to_.view();
    alias.ttl = 7;
    std::uint8_t last = 0;
    const Query& query = exchange.query;
    const LocalResult result = resolve_local(*exchange.route, *exchange.worker, query.name(),
                                             query.qtype, exchange.answer, &last, &alias);
    return result == LocalResult::Outside ? finish_outside(exchange, last) : Verdict::Answered;
  }

 private:
  Name from_;
  Name to_;
};

class ResolutionTest : public ConversationTest {
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

TEST_F(ResolutionTest, OutsideTarget) {
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
  EXPECT_EQ(request.opt_udp_size, kDefaultUdpSize);
  EXPECT_NE(request.opt_ttl & 0x8000, 0u);
}

TEST_F(ResolutionTest, InsideTarget) {
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_a("web.default.svc.cluster.local", {"10.96.0.7"});
  zone->add_empty("empty.cluster.local");
  alias("a.alias", "web.default.svc.cluster.local");
  alias("b.alias", "empty.cluster.local");
  alias("c.alias", "gone.cluster.local");
  add_stage(zone);
  Message answer = converse({.qname = "a.alias"});
  EXPECT_EQ(lines(answer.answer),
            (std::vector<std::string>{"a.alias. CNAME web.default.svc.cluster.local.",
                                      "web.default.svc.cluster.local. A 10.96.0.7"}));
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

TEST_F(ResolutionTest, OutsideAndBackIn) {
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

TEST_F(ResolutionTest, NegativeAnswersKeepTheirSoa) {
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

TEST_F(ResolutionTest, WithoutAnUpstreamTheChainIsTheAnswer) {
  alias("x.alias", "www.example.com");
  const Message answer = converse({.qname = "x.alias"});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(lines(answer.answer), std::vector<std::string>{"x.alias. CNAME www.example.com."});
  EXPECT_EQ(answer.flags & (kFlagTC | kFlagRA), 0);
}

TEST_F(ResolutionTest, AClientThatMayNotForwardGetsTheChain) {
  FakeUpstream upstream(io_);
  upstream.script = knows({a_record("www.example.com", "192.0.2.1")});
  alias("x.alias", "www.example.com");
  forward_to({upstream.endpoint()});
  EXPECT_EQ(converse({.qname = "x.alias", .client = "8.8.8.8"}).answer.size(), 1u);
  EXPECT_TRUE(upstream.requests.empty());
}

TEST_F(ResolutionTest, DeadUpstream) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request&) { return std::nullopt; };
  alias("x.alias", "www.example.com");
  forward_to({upstream.endpoint()});
  const Message answer = converse({.qname = "x.alias", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  EXPECT_EQ(answer.answer.size(), 1u);
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NoReachableAuthority));
}

TEST_F(ResolutionTest, IncompleteIsMarked) {
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

TEST_F(ResolutionTest, LoopsEnd) {
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

TEST_F(ResolutionTest, LoopsThroughTheOutsideEnd) {
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

TEST_F(ResolutionTest, LongChainsEnd) {
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

TEST_F(ResolutionTest, CnameQuestionsStopAtTheAliasAskedFor) {
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_alias("a.cluster.local", "b.cluster.local");
  zone->add_alias("b.cluster.local", "www.example.com");
  alias("x.alias", "a.cluster.local");
  add_stage(zone);
  for (const char* qname : {"x.alias", "a.cluster.local", "b.cluster.local"}) {
    const Message answer = converse({.qname = qname, .type = RRType::CNAME});
    EXPECT_EQ(answer.answer.size(), 1u);
    EXPECT_EQ(answer.rcode, 0);
  }
}

// Sees whether look-ups happen under the guard of the tables.
class GuardedZone final : public Stage, public LocalData {
 public:
  explicit GuardedZone(ReclaimDomain& reclaim) : reclaim_(reclaim) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "guarded"; }
  [[nodiscard]] Verdict handle(Exchange&) noexcept override { return Verdict::Next; }
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

TEST_F(ResolutionTest, LaterLookUpsAreGuarded) {
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

// A name resolves alike, asked for or led to, by an alias of ours or of the outside.
class AlikeTest : public ResolutionTest {
 protected:
  AlikeTest() { worker_.reclaim = &reclaim_; }
  ~AlikeTest() override {
    detach();
    route_.reset();
  }
  // The world: `outside.example` is an alias of `to`; other names have the address of their
  // upstream.
  FakeUpstream::Script world(const std::string& to, const std::string& address) {
    return [=](const FakeUpstream::Request& request) -> std::optional<Octets> {
      Message reply = reply_to(request.octets);
      const std::string asked = reply.qname.to_text();
      if (asked == "outside.example.") {
        reply.answer = {name_record(asked, RRType::CNAME, to, 300)};
      } else if (reply.qtype == RRType::A) {
        reply.answer = {a_record(asked, address, 300)};
      } else {
        reply.authority = {soa_record(".")};
      }
      return write_message(reply, kMaxMessageSize);
    };
  }
  void add_cache() {
    CacheOptions options;
    options.zones.add(Name());
    route_->cache = std::make_shared<AnswerCache>(std::move(options), reclaim_);
    add_stage(std::make_shared<CacheStage>(route_->cache));
  }
  // Rdata at the end of the answer to `qname`; the rcode without any.
  std::string end_of(const std::string& qname, RRType type = RRType::A) {
    const Message message = converse({.qname = qname, .type = type});
    if (message.rcode != 0) return rcode_to_text(message.rcode);
    if (message.answer.empty() || message.answer.back().type != type) {
      return message.authority.empty() ? "nothing" : "NODATA";
    }
    return rdata_to_text(type, message.answer.back().rdata);
  }
  void expect_alike(const std::string& target, const std::string& end) {
    EXPECT_EQ(end_of(target), end);
    for (int i = 0; i < 2; ++i) {  // the second time perhaps from the cache
      EXPECT_EQ(end_of("inside.cluster.local"), end) << i;
      EXPECT_EQ(end_of("outside.example"), end) << i;
    }
  }

  ReclaimDomain reclaim_{1};
};

TEST_F(AlikeTest, NamesOfAZone) {
  for (const bool cached : {false, true}) {
    for (const bool falls_through : {false, true}) {
      for (const auto& [target, end] : {std::pair{"web.cluster.local", "10.0.0.1"},
                                        {"empty.cluster.local", "NODATA"},
                                        {"gone.cluster.local", "NXDOMAIN"}}) {
        SCOPED_TRACE(std::string(target) + (cached ? ", cached" : "") +
                     (falls_through ? ", falls through" : ""));
        route_ = std::make_shared<Route>();
        FakeUpstream upstream(io_);
        upstream.script = world(target, "192.0.2.9");
        auto zone = std::make_shared<FakeZone>("cluster.local");
        zone->add_a("web.cluster.local", {"10.0.0.1"});
        zone->add_empty("empty.cluster.local");
        zone->add_alias("inside.cluster.local", target);
        if (falls_through) zone->fall_through();
        add_stage(zone);
        if (cached) add_cache();
        forward_to({upstream.endpoint()});
        const bool gone = std::string(target) == "gone.cluster.local";
        expect_alike(target, gone && falls_through ? "192.0.2.9" : end);
        for (const auto& stage : route_->stages) stage->detach(worker_);
      }
    }
  }
  detached_ = true;
}

// Two zones, one behind the other.
TEST_F(AlikeTest, NamesThatFallThroughToAnotherZone) {
  FakeUpstream upstream(io_);
  upstream.script = world("web.cluster.local", "192.0.2.9");
  auto first = std::make_shared<FakeZone>("cluster.local");
  first->add_alias("inside.cluster.local", "web.cluster.local");
  first->fall_through();
  auto second = std::make_shared<FakeZone>("cluster.local");
  second->add_a("web.cluster.local", {"10.0.0.2"});
  add_stage(first);
  add_stage(second);
  forward_to({upstream.endpoint()});
  expect_alike("web.cluster.local", "10.0.0.2");
}

TEST_F(AlikeTest, HostsWithAndWithoutFallthrough) {
  for (const bool falls_through : {true, false}) {
    SCOPED_TRACE(falls_through);
    route_ = std::make_shared<Route>();
    FakeUpstream upstream(io_);
    upstream.script = world("other.corp", "192.0.2.9");
    HostsStage::Options options;
    options.hosts.zones = {name("corp")};
    if (falls_through) options.fall_through = {name(".")};
    auto hosts = std::make_shared<HostsStage>(options, reclaim_);
    auto table = std::make_unique<HostsTable>(options.hosts);
    table->add(boost::asio::ip::make_address("10.1.1.1"), name("printer.corp"));
    table->finish();
    hosts->publish(std::move(table), 0);
    auto zone = std::make_shared<FakeZone>("cluster.local");
    zone->add_alias("inside.cluster.local", "other.corp");
    zone->add_alias("known.cluster.local", "printer.corp");
    add_stage(hosts);
    add_stage(zone);
    forward_to({upstream.endpoint()});
    EXPECT_EQ(end_of("known.cluster.local"), "10.1.1.1");
    expect_alike("other.corp", falls_through ? "192.0.2.9" : "SERVFAIL");
    for (const auto& stage : route_->stages) stage->detach(worker_);
  }
  detached_ = true;
}

// An upstream that is there for a zone is asked about its names, whoever says that one is an alias.
TEST_F(AlikeTest, ZonesOfOtherUpstreams) {
  for (const bool cached : {false, true}) {
    SCOPED_TRACE(cached);
    route_ = std::make_shared<Route>();
    FakeUpstream corp(io_), outer(io_);
    corp.script = world("x", "10.2.2.2");
    outer.script = [&](const FakeUpstream::Request& request) -> std::optional<Octets> {
      Message reply = reply_to(request.octets);
      reply.answer = {name_record("outside.example", RRType::CNAME, "www.corp.test"),
                      a_record("www.corp.test", "192.0.2.66")};
      return write_message(reply, kMaxMessageSize);
    };
    auto zone = std::make_shared<FakeZone>("cluster.local");
    zone->add_alias("inside.cluster.local", "www.corp.test");
    add_stage(zone);
    if (cached) add_cache();
    forward_to({corp.endpoint()}, quick_timings(), "corp.test");
    forward_to({outer.endpoint()});
    expect_alike("www.corp.test", "10.2.2.2");
    for (const auto& stage : route_->stages) stage->detach(worker_);
  }
  detached_ = true;
}

// Who may not ask an upstream about a name is not led there by another's word.
TEST_F(AlikeTest, ClientsThatMayNotAsk) {
  FakeUpstream corp(io_), outer(io_);
  corp.script = world("x", "10.2.2.2");
  outer.script = world("www.corp.test", "192.0.2.66");
  ForwardStage::Options options;
  options.zones = {name("corp.test")};
  options.forward.upstreams = {corp.endpoint()};
  options.clients = AddressRanges::loopback();
  add_stage(std::make_shared<ForwardStage>(std::move(options)));
  forward_to({outer.endpoint()});
  EXPECT_EQ(converse({.qname = "www.corp.test", .client = "10.0.0.9"}).rcode,
            static_cast<std::uint16_t>(Rcode::Refused));
  const Message message = converse({.qname = "outside.example", .client = "10.0.0.9"});
  EXPECT_EQ(lines(message.answer),
            std::vector<std::string>{"outside.example. CNAME www.corp.test."});
  EXPECT_TRUE(corp.requests.empty());
  EXPECT_EQ(end_of("outside.example"), "10.2.2.2");
}

// `next`: the answer of the later upstream is followed as the first one's would be.
TEST_F(AlikeTest, AliasesOfTheNextUpstream) {
  FakeUpstream first(io_), second(io_);
  first.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    return write_message(reply, kMaxMessageSize);
  };
  second.script = world("web.cluster.local", "192.0.2.9");
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_a("web.cluster.local", {"10.0.0.1"});
  zone->add_alias("inside.cluster.local", "www.example");
  add_stage(zone);
  ForwardStage::Options options;
  options.zones = {Name()};
  options.forward.upstreams = {first.endpoint()};
  options.forward.timings = quick_timings();
  options.next = 1u << static_cast<unsigned>(Rcode::NXDomain);
  add_stage(std::make_shared<ForwardStage>(std::move(options)));
  forward_to({second.endpoint()});
  EXPECT_EQ(end_of("www.example"), "192.0.2.9");
  EXPECT_EQ(end_of("inside.cluster.local"), "192.0.2.9") << "led to, it goes on as well";
  EXPECT_EQ(end_of("outside.example"), "10.0.0.1");
  EXPECT_EQ(first.requests.size(), second.requests.size());
}

// The alias is kept, and what it leads to is looked up each time.
TEST_F(AlikeTest, AKeptAliasLeadsToWhatIsThereNow) {
  FakeUpstream upstream(io_);
  upstream.script = world("web.cluster.local", "192.0.2.9");
  auto zone = std::make_shared<FakeZone>("cluster.local");
  zone->add_a("web.cluster.local", {"10.0.0.1"});
  add_stage(zone);
  add_cache();
  forward_to({upstream.endpoint()});
  EXPECT_EQ(end_of("outside.example"), "10.0.0.1");
  zone->add_a("web.cluster.local", {"10.0.0.7"});
  EXPECT_EQ(end_of("outside.example"), "10.0.0.7");
  zone->add_empty("web.cluster.local");
  EXPECT_EQ(end_of("outside.example"), "NODATA");
  EXPECT_EQ(upstream.requests.size(), 1u);
}

TEST_F(ResolutionTest, TypesThatAreNoDataAreNotAskedOutside) {
  FakeUpstream upstream(io_);
  upstream.script = knows({a_record("www.example.com", "192.0.2.1")});
  alias("x.alias", "www.example.com");
  forward_to({upstream.endpoint()});
  for (std::uint16_t type = 249; type <= 254; ++type) {
    const Message answer = converse({.qname = "x.alias", .type = RRType{type}, .edns = true});
    EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::Refused)) << type;
    EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::NotSupported));
  }
  EXPECT_TRUE(upstream.requests.empty());
}

// What is relayed of a reply is what answers the question.
TEST_F(ResolutionTest, RecordsOfOthersAreNotRelayed) {
  FakeUpstream upstream(io_);
  upstream.script = knows(
      {a_record("victim.example", "192.0.2.66"), a_record("www.example", "192.0.2.1", 0x7FFFFFFF)},
      Rcode::NoError, {name_record("example", RRType::NS, "victim.example")});
  forward_to({upstream.endpoint()});
  Message answer = converse({.qname = "www.example"});
  EXPECT_EQ(lines(answer.answer), std::vector<std::string>{"www.example. A 192.0.2.1"});
  EXPECT_EQ(answer.answer[0].ttl, ReplyRecords::kMaxTtl);
  EXPECT_TRUE(answer.authority.empty());
  // No other upstream has better: what is left is nothing.
  answer = converse({.qname = "other.example", .edns = true});
  EXPECT_EQ(answer.rcode, static_cast<std::uint16_t>(Rcode::NoError));
  EXPECT_TRUE(answer.answer.empty());
  EXPECT_EQ(extended_error(answer), static_cast<int>(ExtendedError::InvalidData));
}

// RFC 6891 6.1.3: an rcode above 15 is about the OPT record of the hop to the upstream.
TEST_F(ResolutionTest, RcodesOfUpstreams) {
  FakeUpstream upstream(io_);
  std::uint16_t rcode = 0;
  upstream.script = [&](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.has_opt = true;
    reply.rcode = rcode;
    reply.answer = {a_record(reply.qname.to_text(), "192.0.2.1")};
    return write_message(reply, kMaxMessageSize);
  };
  forward_to({upstream.endpoint()});
  for (const unsigned code : {2u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 11u, 15u, 22u, 23u, 3841u}) {
    SCOPED_TRACE(code);
    rcode = static_cast<std::uint16_t>(code);
    Message answer = converse({.qname = "www.example", .edns = true});
    EXPECT_EQ(answer.rcode, code > 15 ? 2 : rcode);
    EXPECT_TRUE(answer.answer.empty());
    answer = converse({.qname = "www.example"});
    EXPECT_EQ(answer.rcode, code > 15 ? 2 : rcode);
    EXPECT_FALSE(answer.has_opt);
  }
}

// RFC 8914: why an upstream failed is told to who can read it.
TEST_F(ResolutionTest, ExtendedErrorsOfUpstreams) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    reply.rcode = static_cast<std::uint16_t>(Rcode::ServFail);
    reply.has_opt = true;
    reply.opt_options = {0, 15, 0, 6, 0, 6, 'a', 'b', 'c', 'd'};  // DNSSEC Bogus
    return write_message(reply, kMaxMessageSize);
  };
  alias("x.alias", "www.example");
  forward_to({upstream.endpoint()});
  for (const char* qname : {"www.example", "x.alias"}) {
    EXPECT_EQ(extended_error(converse({.qname = qname, .edns = true})), 6);
    EXPECT_FALSE(converse({.qname = qname}).has_opt);
  }
}

// 4,000 MX records, most of them a pointer to the name in the first: 64 KiB there, far more here.
TEST_F(ResolutionTest, AnAnswerThatGrowsTooLargeIsSaidToBe) {
  FakeUpstream upstream(io_);
  upstream.script = [](const FakeUpstream::Request& request) -> std::optional<Octets> {
    Message reply = reply_to(request.octets);
    if (request.transport == Transport::Udp) {
      reply.flags = static_cast<std::uint16_t>(reply.flags | kFlagTC);
      return write_message(reply, kMaxMessageSize);
    }
    reply.has_opt = false;
    const std::string label(60, 'a');
    const Name target = testing::name(label + '.' + label + '.' + label + '.' + label);
    Octets octets = write_message(reply, kMaxMessageSize);
    constexpr std::uint16_t kRecords = 3'900;
    const auto add = [&octets](std::uint16_t value) {
      octets.push_back(static_cast<std::uint8_t>(value >> 8));
      octets.push_back(static_cast<std::uint8_t>(value & 0xFF));
    };
    std::uint16_t target_at = 0;
    for (std::uint16_t i = 0; i < kRecords; ++i) {
      add(0xC00C);
      for (const std::uint16_t value : std::initializer_list<std::uint16_t>{15, 1, 0, 60})
        add(value);
      add(i == 0 ? static_cast<std::uint16_t>(2 + target.size()) : std::uint16_t{4});
      add(i);
      if (i == 0) {
        target_at = static_cast<std::uint16_t>(octets.size());
        octets.insert(octets.end(), target.data(), target.data() + target.size());
      } else {
        add(static_cast<std::uint16_t>(0xC000 | target_at));
      }
    }
    EXPECT_LE(octets.size(), kMaxMessageSize);
    store_u16(octets.data() + 6, kRecords);
    return octets;
  };
  forward_to({upstream.endpoint()});
  const Message over_tcp = converse(
      {.qname = "mail.example", .type = RRType::MX, .edns = true, .transport = Transport::Tcp});
  EXPECT_EQ(over_tcp.rcode, static_cast<unsigned>(Rcode::ServFail));
  std::string text;
  EXPECT_EQ(extended_error(over_tcp, &text), static_cast<int>(ExtendedError::Other));
  EXPECT_EQ(text, "the upstream's answer takes more than 64 KiB here");
}

// All records come first as often, also when the upstream turns them itself.
TEST_F(ResolutionTest, RelayedAddressesTakeTurns) {
  FakeUpstream upstream(io_);
  unsigned upstreams_turn = 0;
  for (const unsigned step : {0u, 1u}) {
    for (const unsigned count : {2u, 3u, 4u}) {
      // It may be asked once more when this round is over.
      upstream.script = [&upstreams_turn, step,
                         count](const FakeUpstream::Request& request) -> std::optional<Octets> {
        Message reply = reply_to(request.octets);
        for (unsigned i = 0; i < count; ++i) {
          reply.answer.push_back(a_record(
              reply.qname.to_text(), "192.0.2." + std::to_string((i + upstreams_turn) % count)));
        }
        upstreams_turn += step;
        return write_message(reply, kMaxMessageSize);
      };
      if (route_->stages.empty()) forward_to({upstream.endpoint()});
      std::map<std::string, unsigned> first;
      for (int i = 0; i < 24; ++i) ++first[lines(converse({.qname = "www.example"}).answer)[0]];
      EXPECT_EQ(first.size(), count);
      for (const auto& [address, times] : first) {
        EXPECT_GE(times, 24 / count / 2) << address << " " << step;
      }
    }
  }
  route_->rotate = false;
  for (int i = 0; i < 3; ++i) {
    upstreams_turn = 0;
    EXPECT_EQ(lines(converse({.qname = "www.example"}).answer)[0], "www.example. A 192.0.2.0");
  }
}

}  // namespace
}  // namespace clusterdns::dns::testing
