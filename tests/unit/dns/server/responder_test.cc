#include "dns/server/responder.h"

#include "dns/query/encoder.h"
#include "dns/query/notify.h"
#include "dns/query/upstream.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::extended_error;
using unit::Lines;
using unit::name;
using unit::Octets;
using unit::Request;
using unit::ScriptedStage;
using unit::values;

constexpr std::uint16_t kFormErr = 1;
constexpr std::uint16_t kNotImp = 4;
constexpr std::uint16_t kRefused = 5;
constexpr std::uint16_t kBadVers = 16;

// One TXT record that says which route answered.
std::shared_ptr<Stage> says(std::shared_ptr<const Octets> text) {
  return std::make_shared<ScriptedStage>([text = std::move(text)](Exchange& exchange) {
    RRsetRef ref;
    ref.write = &write_rdata;
    ref.data = text->data();
    ref.count = static_cast<std::uint32_t>(text->size());
    ref.type = RRType::TXT;
    exchange.answer.next_answer() = ref;
    return Verdict::Answered;
  });
}
std::shared_ptr<Stage> says(const std::string& text) {
  auto rdata = std::make_shared<Octets>();
  rdata->push_back(static_cast<std::uint8_t>(text.size()));
  rdata->insert(rdata->end(), text.begin(), text.end());
  return says(std::shared_ptr<const Octets>(std::move(rdata)));
}

std::shared_ptr<Route> route_of(std::vector<std::shared_ptr<Stage>> stages) {
  auto route = std::make_shared<Route>();
  route->stages = std::move(stages);
  return route;
}

class AnswersWith {
 public:
  explicit AnswersWith(unsigned rows) {
    for (unsigned i = 0; i < rows; ++i) {
      rows_->insert(rows_->end(),
                    {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0,
                     static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
    }
  }
  Verdict operator()(Exchange& exchange) const {
    RRsetRef ref;
    ref.write = &write_rows;
    ref.data = rows_->data();
    ref.count = static_cast<std::uint32_t>(rows_->size() / kARowSize);
    ref.type = RRType::A;
    exchange.answer.next_answer() = ref;
    return Verdict::Answered;
  }

 private:
  std::shared_ptr<Octets> rows_ = std::make_shared<Octets>();
};

class UpstreamStage final : public Stage, public Upstream {
 public:
  explicit UpstreamStage(std::string client) : client_(unit::endpoint(client)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "upstream"; }
  [[nodiscard]] Verdict handle(Exchange&) noexcept override { return Verdict::Next; }
  [[nodiscard]] Upstream* upstream() noexcept override { return this; }
  [[nodiscard]] bool covers(NameView) const noexcept override { return true; }
  [[nodiscard]] bool allows(const Endpoint& client) const noexcept override {
    return client.address == client_.address;
  }
  void ask(WorkerContext&, const UpstreamClient&, const UpstreamQuestion&,
           std::unique_ptr<UpstreamWaiter>) override {}

 private:
  Endpoint client_;
};

class ResponderTest : public ::testing::Test {
 protected:
  ResponderTest() { routes_.add(Name{}, route_of({says("root")})); }

  std::uint16_t rcode_of(const Octets& request) {
    const Octets response = client_.send(routes_, request);
    if (response.empty()) return kSilence;
    return unit::decode(response).rcode;
  }
  std::string who(const std::string& qname) {
    const auto answer = client_.ask(routes_, {.qname = qname, .qtype = RRType::TXT});
    if (!answer) return "silence";
    const Lines texts = values(answer->answer);
    return texts.size() == 1 ? texts[0] : rcode_to_text(answer->rcode);
  }

  static constexpr std::uint16_t kSilence = 0xFFFF;
  ListenerRoutes routes_;
  Client client_;
};

TEST_F(ResponderTest, Gates) {
  const Octets good = Request{.qname = "a.b"}.wire();
  EXPECT_EQ(rcode_of(good), 0);
  EXPECT_EQ(rcode_of({}), kSilence);
  EXPECT_EQ(rcode_of({good.begin(), good.begin() + 11}), kSilence);
  EXPECT_EQ(rcode_of(Request{.qname = "a.b", .flags = kFlagQR}.wire()), kSilence);
  EXPECT_EQ(rcode_of({good.begin(), good.begin() + 12}), kFormErr);
  EXPECT_EQ(rcode_of({good.begin(), good.end() - 1}), kFormErr);
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    EXPECT_EQ(rcode_of(Request{.flags = static_cast<std::uint16_t>(opcode << 11)}.wire()), kNotImp);
  }
  EXPECT_EQ(rcode_of(Request{.qname = "a.b", .edns = true, .version = 1}.wire()), kBadVers);
}

// No amplification of garbage: what is refused at a gate is no longer than what came, but for an
// OPT record.
TEST_F(ResponderTest, RefusalsAreShort) {
  Octets request = Request{.qname = "some.longer.name.example.com"}.wire();
  request.push_back(0);
  EXPECT_LE(client_.send(routes_, request).size(), request.size());
  const Octets header_only(request.begin(), request.begin() + 12);
  EXPECT_EQ(client_.send(routes_, header_only).size(), 12u);
  request = Request{.flags = 5 << 11}.wire();
  EXPECT_EQ(client_.send(routes_, request).size(), 12u);
}

TEST_F(ResponderTest, OtherClasses) {
  for (const RRClass other : {RRClass::CH, RRClass::HS, RRClass::None, RRClass::Any, RRClass{0}}) {
    const auto answer = client_.ask(
        routes_, {.qname = "version.bind", .qtype = RRType::TXT, .qclass = other, .edns = true});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->rcode, kRefused);
    EXPECT_EQ(answer->qclass, other);
    EXPECT_EQ(answer->flags & kFlagAA, 0);
    EXPECT_EQ(extended_error(*answer), static_cast<int>(ExtendedError::NotSupported));
    EXPECT_EQ(answer->answer.size(), 0u);
  }
}

TEST_F(ResponderTest, LongestZoneWins) {
  // In no useful order.
  routes_.add(name("local"), route_of({says("local")}));
  routes_.add(name("a.cluster.local"), route_of({says("a")}));
  routes_.add(name("cluster.local"), route_of({says("cluster")}));
  EXPECT_EQ(who("x.example"), "\"root\"");
  EXPECT_EQ(who("."), "\"root\"");
  EXPECT_EQ(who("local"), "\"local\"");
  EXPECT_EQ(who("x.local"), "\"local\"");
  EXPECT_EQ(who("Cluster.LOCAL"), "\"cluster\"");
  EXPECT_EQ(who("b.cluster.local"), "\"cluster\"");
  EXPECT_EQ(who("a.cluster.local"), "\"a\"");
  EXPECT_EQ(who("x.y.A.cluster.local"), "\"a\"");
  // Whole labels only.
  EXPECT_EQ(who("ba.cluster.local"), "\"cluster\"");
  EXPECT_EQ(who("xlocal"), "\"root\"");
  EXPECT_EQ(who(R"(x\007cluster\005local)"), "\"root\"");
}

TEST_F(ResponderTest, NoRoute) {
  ListenerRoutes routes;
  routes.add(name("cluster.local"), route_of({says("cluster")}));
  auto answer = client_.ask(routes, {.qname = "Example.com", .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, kRefused);
  EXPECT_EQ(answer->qname.to_text(), "Example.com.");
  EXPECT_EQ(extended_error(*answer), static_cast<int>(ExtendedError::NotAuthoritative));
  answer = client_.ask(ListenerRoutes{}, {.qname = "."});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, kRefused);
}

TEST_F(ResponderTest, StagesInOrder) {
  std::vector<int> seen;
  const auto next = [&seen](int number) {
    return std::make_shared<ScriptedStage>([&seen, number](Exchange&) {
      seen.push_back(number);
      return Verdict::Next;
    });
  };
  routes_.add(name("x"), route_of({next(1), next(2), says("three"), next(4)}));
  EXPECT_EQ(who("x"), "\"three\"");
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST_F(ResponderTest, NoStageAnswers) {
  const auto leaves_traces = std::make_shared<ScriptedStage>([](Exchange& exchange) {
    exchange.answer.authoritative = true;
    (void)exchange.answer.next_answer();
    return Verdict::Next;
  });
  routes_.add(name("x"), route_of({leaves_traces}));
  const auto answer = client_.ask(routes_, {.qname = "x", .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, kRefused);
  EXPECT_EQ(answer->flags & kFlagAA, 0);
  EXPECT_TRUE(answer->answer.empty());
  EXPECT_EQ(extended_error(*answer), static_cast<int>(ExtendedError::NotAuthoritative));
}

TEST_F(ResponderTest, DroppedAndDeferred) {
  routes_.add(name("drop"),
              route_of({std::make_shared<ScriptedStage>([](Exchange&) { return Verdict::Drop; })}));
  std::unique_ptr<Exchange> waiting;
  const auto route = route_of({std::make_shared<ScriptedStage>([&](Exchange& exchange) {
    waiting = exchange.defer();
    return Verdict::Deferred;
  })});
  route->udp_size = 700;
  routes_.add(name("wait"), route);
  EXPECT_FALSE(client_.ask(routes_, {.qname = "drop"}));
  EXPECT_FALSE(client_.ask(routes_, {.qname = "a.Wait", .edns = true, .udp_size = 4096}));
  ASSERT_NE(waiting, nullptr);
  // The copy stands by itself.
  EXPECT_EQ(who("drop"), "silence");
  EXPECT_EQ(waiting->limit, 700u);
  EXPECT_EQ(waiting->client.port, 40000);
  EXPECT_EQ(waiting->transport, Transport::Udp);
  EXPECT_EQ(name_to_text(waiting->query.name_as_asked()), "a.Wait.");
  waiting->answer.rcode = Rcode::NXDomain;
  finish(std::move(waiting));
  ASSERT_EQ(client_.later.size(), 1u);
  const Message message = unit::decode(client_.later[0]);
  EXPECT_EQ(message.rcode, 3);
  EXPECT_EQ(message.qname.to_text(), "a.Wait.");
  EXPECT_EQ(message.opt_udp_size, 700);
}

TEST_F(ResponderTest, RecursionAvailableIsForWhoMayUseIt) {
  EXPECT_EQ(client_.ask(routes_, {.qname = "a"})->flags & kFlagRA, 0);
  ListenerRoutes routes;
  routes.add(name("cluster.local"), route_of({says("cluster")}));
  routes.add(Name{}, route_of({std::make_shared<UpstreamStage>("192.0.2.9")}));
  client_.from("192.0.2.8");
  EXPECT_EQ(client_.ask(routes, {.qname = "a.cluster.local"})->flags & kFlagRA, 0);
  client_.from("192.0.2.9");
  // Also on names that are not forwarded themselves, and on refusals.
  EXPECT_NE(client_.ask(routes, {.qname = "a.cluster.local"})->flags & kFlagRA, 0);
  EXPECT_NE(client_.ask(routes, {.qname = "example.com"})->flags & kFlagRA, 0);
}

TEST_F(ResponderTest, UdpLimits) {
  routes_.add(name("big"), route_of({std::make_shared<ScriptedStage>(AnswersWith(3000))}));
  const auto wide = route_of({std::make_shared<ScriptedStage>(AnswersWith(3000))});
  wide->udp_size = 4096;
  routes_.add(name("wide"), wide);
  const auto size_of = [&](const Request& request, std::size_t limit = kMaxMessageSize) {
    const auto answer = client_.ask(routes_, request, limit);
    EXPECT_TRUE(answer);
    EXPECT_NE(answer->flags & kFlagTC, 0);
    return client_.raw.size();
  };
  const auto within = [](std::size_t size, std::size_t limit) {
    return size <= limit && size + kARowSize > limit;
  };
  EXPECT_TRUE(within(size_of({.qname = "big"}), 512));
  EXPECT_TRUE(within(size_of({.qname = "big", .edns = true, .udp_size = 0}), 512));
  EXPECT_TRUE(within(size_of({.qname = "big", .edns = true, .udp_size = 511}), 512));
  EXPECT_TRUE(within(size_of({.qname = "big", .edns = true, .udp_size = 900}), 900));
  EXPECT_TRUE(within(size_of({.qname = "big", .edns = true, .udp_size = 65535}), 1232));
  EXPECT_TRUE(within(size_of({.qname = "wide", .edns = true, .udp_size = 65535}), 4096));
  EXPECT_TRUE(within(size_of({.qname = "wide", .edns = true, .udp_size = 2000}), 2000));
  EXPECT_TRUE(within(size_of({.qname = "wide", .edns = true, .udp_size = 2000}, 600), 600));

  client_.use(Transport::Tcp);
  const auto answer = client_.ask(routes_, {.qname = "big"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answer.size(), 3000u);
  EXPECT_EQ(answer->flags & kFlagTC, 0);
}

TEST_F(ResponderTest, ObserversSeeWhatIsSent) {
  struct Recorder final : AnswerObserver {
    void on_answer(const Event& event, WorkerContext& worker) noexcept override {
      octets.assign(event.response.begin(), event.response.end());
      cause = event.cause;
      qname = name_to_text(event.query.name_as_asked());
      index = worker.index;
      ++calls;
    }
    Octets octets;
    std::string cause, qname;
    unsigned index = 99;
    int calls = 0;
  };
  const auto recorder = std::make_shared<Recorder>();
  const auto route = route_of({std::make_shared<ScriptedStage>([](Exchange& exchange) {
    return exchange.query.qtype == RRType::A ? Verdict::Next : Verdict::Drop;
  })});
  route->observers.push_back(recorder);
  routes_.add(name("seen"), route);
  ASSERT_TRUE(client_.ask(routes_, {.qname = "A.seen"}));
  EXPECT_EQ(recorder->calls, 1);
  EXPECT_EQ(recorder->octets, client_.raw);
  EXPECT_EQ(recorder->qname, "A.seen.");
  EXPECT_EQ(recorder->cause, "no stage answers for this name");
  EXPECT_EQ(recorder->index, 0u);
  EXPECT_FALSE(client_.ask(routes_, {.qname = "a.seen", .qtype = RRType::MX}));
  EXPECT_EQ(recorder->calls, 1) << "silence is no answer";
  ASSERT_TRUE(client_.ask(routes_, {.qname = "a"}));
  EXPECT_EQ(recorder->calls, 1) << "another server block's";
}

TEST_F(ResponderTest, CountsAnswersByStageAndTheRestApart) {
  const auto route = route_of({std::make_shared<ScriptedStage>([](Exchange& exchange) {
    if (exchange.query.qtype == RRType::MX) return Verdict::Drop;
    if (exchange.query.qtype == RRType::TXT) return Verdict::Next;
    if (exchange.query.qtype == RRType::AAAA) {
      finish(exchange.defer());
      return Verdict::Deferred;
    }
    exchange.answer.rcode = exchange.query.qtype == RRType::SRV ? Rcode::ServFail : Rcode::NXDomain;
    return Verdict::Answered;
  })});
  route->counters = std::make_shared<RouteCounters>(1, std::vector<std::string>{"scripted"});
  ListenerRoutes routes;
  routes.add(name("seen"), route);
  routes.dropped = std::make_shared<RouteCounters>(1, std::vector<std::string>{});
  auto& cell = route->counters->cell(0);
  const auto responses = [&](unsigned stage, Rcode rcode) {
    return cell.responses[stage * RouteCounters::kRcodes + static_cast<unsigned>(rcode)].get();
  };
  RouteCounters::Cell*& open = client_.worker.open_durations;
  ASSERT_TRUE(client_.ask(routes, {.qname = "a.seen", .edns = true}));
  EXPECT_EQ(responses(1, Rcode::NXDomain), 1u);
  EXPECT_EQ(cell.response_size[0].sum.get(), client_.raw.size() - kOptRecordSize);
  ASSERT_TRUE(client_.ask(routes, {.qname = "a.seen", .qtype = RRType::SRV}));
  EXPECT_EQ(responses(0, Rcode::ServFail), 1u) << "written by no stage";
  ASSERT_TRUE(client_.ask(routes, {.qname = "a.seen", .qtype = RRType::TXT}));
  EXPECT_EQ(responses(0, Rcode::Refused), 1u);
  EXPECT_EQ(cell.response_size[0].buckets[0].get(), 2u) << "failures count as empty";
  EXPECT_FALSE(client_.ask(routes, {.qname = "a.seen", .qtype = RRType::MX}));
  ASSERT_EQ(open, &cell);
  EXPECT_EQ(cell.open, 3u);
  RouteCounters::end_batch(open, 1);
  ASSERT_TRUE(client_.ask(routes, {.qname = "a.seen", .qtype = RRType::AAAA}));
  EXPECT_EQ(responses(1, Rcode::NoError), 1u);
  EXPECT_EQ(open, nullptr) << "what is deferred has a duration of its own";
  ASSERT_TRUE(client_.ask(routes, {.qname = "elsewhere"}));
  EXPECT_EQ(routes.dropped->cell(0).requests[0][0].get(), 1u);
  EXPECT_EQ(cell.requests[0][0].get(), 1u);
  RouteCounters::end_batch(open, 1);
}

// Knows one zone, and one primary.
class Told final : public Stage, public NotifyTarget {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "told"; }
  [[nodiscard]] Verdict handle(Exchange&) noexcept override { return Verdict::Next; }
  [[nodiscard]] NotifyTarget::Told notified(NameView zone, const Endpoint& from) noexcept override {
    if (!equal_ignoring_case(zone, unit::name("zone.test").view()))
      return NotifyTarget::Told::NotMine;
    if (from.address[0] != 127) return NotifyTarget::Told::Refused;
    ++count;
    return NotifyTarget::Told::Taken;
  }
  int count = 0;
};

// As `view` has it: the only stage of a route, and others behind it.
class Fork final : public Stage, public NotifyRouter {
 public:
  explicit Fork(std::shared_ptr<const Route> route) : route_(std::move(route)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "fork"; }
  [[nodiscard]] Verdict handle(Exchange&) noexcept override { return Verdict::Next; }
  [[nodiscard]] const Route* route_for(const Exchange& exchange) const noexcept override {
    return exchange.client.address[0] == 127 ? route_.get() : nullptr;
  }

 private:
  const std::shared_ptr<const Route> route_;
};

TEST(Notify, GoesWhereAQueryOfThatClientGoes) {
  const auto told = std::make_shared<Told>();
  const auto inner = route_of({says("query"), told});
  ListenerRoutes routes;
  routes.add(Name{}, route_of({std::make_shared<Fork>(route_of({std::make_shared<Fork>(inner)}))}));
  Client client;
  const Request request{.qname = "zone.test", .qtype = RRType::SOA, .flags = (4 << 11) | kFlagAA};
  EXPECT_EQ(unit::decode(client.send(routes, request.wire())).rcode, 0);
  EXPECT_EQ(told->count, 1);
  routes = {};
  routes.add(Name{}, route_of({std::make_shared<Fork>(nullptr)}));
  EXPECT_EQ(unit::decode(client.send(routes, request.wire())).rcode, 4);
}

// RFC 1996 sections 3.7 to 3.12.
TEST(Notify, IsForAStageThatKnowsTheZone) {
  const auto told = std::make_shared<Told>();
  ListenerRoutes routes;
  routes.add(Name{}, route_of({says("query"), told}));
  Client client;
  constexpr std::uint16_t kNotify = 4 << 11;
  const auto ask = [&](const Octets& octets) { return unit::decode(client.send(routes, octets)); };
  Request request{.qname = "Zone.test", .qtype = RRType::SOA, .flags = kNotify | kFlagAA};
  Message reply = ask(request.wire());
  EXPECT_EQ(reply.rcode, 0);
  EXPECT_EQ(reply.flags, kFlagQR | kNotify | kFlagAA);
  EXPECT_EQ(reply.qname.to_text(), "Zone.test.");
  EXPECT_EQ(told->count, 1);
  // With the SOA that primaries bring, and EDNS.
  request.edns = true;
  Octets octets = request.wire();
  Octets soa;
  unit::put_record(soa, "zone.test", RRType::SOA, 1, 60, Octets(22));
  octets.insert(octets.end() - kOptRecordSize, soa.begin(), soa.end());
  octets[7] = 1;
  reply = ask(octets);
  EXPECT_EQ(reply.rcode, 0);
  EXPECT_TRUE(reply.has_opt);
  EXPECT_EQ(told->count, 2);
  // Other zones, types and opcodes.
  for (const Request& other :
       {Request{.qname = "test", .qtype = RRType::SOA, .flags = kNotify},
        Request{.qname = "a.zone.test", .qtype = RRType::SOA, .flags = kNotify},
        Request{.qname = "zone.test", .qtype = RRType::A, .flags = kNotify},
        Request{.qname = "zone.test", .qtype = RRType::SOA, .flags = 5 << 11}}) {
    EXPECT_EQ(ask(other.wire()).rcode, kNotImp) << other.qname;
  }
  EXPECT_EQ(ask(Request{.qname = "zone.test", .qtype = RRType::SOA}.wire()).answer.size(), 1U);
  client.from("192.0.2.1");
  EXPECT_EQ(ask(request.wire()).rcode, kRefused);
  EXPECT_EQ(told->count, 2);
  // Cut short anywhere.
  client.from("127.0.0.1");
  const Octets all = Request{.qname = "zone.test", .qtype = RRType::SOA, .flags = kNotify}.wire();
  for (std::size_t size = 0; size < all.size(); ++size) {
    (void)client.send(routes, Octets(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size)));
  }
  EXPECT_EQ(told->count, 2);
}

}  // namespace
}  // namespace clusterdns::dns
