#include "dns/query/stage.h"

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::endpoint;
using unit::name;

TEST(Endpoint, Text) {
  EXPECT_EQ(endpoint("192.0.2.1", 53).to_string(), "192.0.2.1:53");
  EXPECT_EQ(endpoint("2001:db8::1", 5353).to_string(), "[2001:db8::1]:5353");
  EXPECT_EQ(endpoint("192.0.2.1").to_address().to_string(), "192.0.2.1");
  Endpoint link_local = endpoint("fe80::1", 53);
  link_local.scope_id = 1;
  EXPECT_EQ(link_local.to_address().to_v6().scope_id(), 1u);
}

class FakeUpstream final : public Stage, public Upstream {
 public:
  FakeUpstream(const std::string& zone, const std::string& client)
      : zone_(unit::name(zone)), client_(endpoint(client)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
  [[nodiscard]] Verdict handle(QueryContext&) noexcept override { return Verdict::Next; }
  [[nodiscard]] Upstream* upstream() noexcept override { return this; }
  [[nodiscard]] bool covers(NameView of) const noexcept override {
    return has_suffix_ignoring_case(of, zone_.view());
  }
  [[nodiscard]] bool allows(const Endpoint& of) const noexcept override {
    return of.address == client_.address;
  }
  void ask(WorkerContext&, std::span<const std::uint8_t>, Callback) override {}

 private:
  Name zone_;
  Endpoint client_;
};

TEST(FindUpstream, FirstThatCoversAndAllows) {
  const auto org = std::make_shared<FakeUpstream>("org", "192.0.2.1");
  const auto all = std::make_shared<FakeUpstream>(".", "192.0.2.1");
  const auto other = std::make_shared<FakeUpstream>(".", "192.0.2.2");
  Route route;
  route.stages = {
      std::make_shared<unit::ScriptedStage>([](QueryContext&) { return Verdict::Next; }), org, all,
      other};
  const auto find = [&](const char* qname, const char* client) {
    return find_upstream(route, name(qname).view(), endpoint(client));
  };
  EXPECT_EQ(find("a.org", "192.0.2.1"), org.get());
  EXPECT_EQ(find("a.com", "192.0.2.1"), all.get());
  EXPECT_EQ(find("a.org", "192.0.2.2"), other.get());
  EXPECT_EQ(find("a.org", "192.0.2.3"), nullptr);
}

// A deferred query keeps its route and a copy of its packet; without finish() it says nothing.
TEST(DeferredQuery, OwnsWhatItNeeds) {
  auto route = std::make_shared<Route>();
  std::unique_ptr<DeferredQuery> deferred;
  route->stages.push_back(std::make_shared<unit::ScriptedStage>([&](QueryContext& ctx) {
    ctx.answer.recursion_available = true;
    deferred = ctx.defer();
    return Verdict::Deferred;
  }));
  const std::weak_ptr<Route> watch = route;
  Client client;
  client.use(Transport::Tcp);
  {
    ListenerRoutes routes;
    routes.add(Name{}, std::move(route));
    EXPECT_FALSE(client.ask(routes, {.qname = "Example.COM", .edns = true, .dnssec_ok = true}));
  }
  ASSERT_NE(deferred, nullptr);
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(deferred->limit, kMaxMessageSize);
  EXPECT_TRUE(deferred->recursion_available);
  EXPECT_EQ(deferred->worker, &client.worker);
  EXPECT_EQ(name_to_text(deferred->query.name()), "example.com.");
  EXPECT_EQ(name_to_text(deferred->query.name_as_asked()), "Example.COM.");
  EXPECT_TRUE(deferred->query.dnssec_ok);
  // The copy can be parsed again: padding came along.
  Query again;
  EXPECT_EQ(parse_query({deferred->packet.data(), deferred->query.size}, again), Gate::Pass);
  EXPECT_GE(deferred->packet.size(), deferred->query.size + kPadding);

  const std::vector<std::uint8_t> message{1, 2, 3};
  deferred->finish_raw(message);
  EXPECT_EQ(client.later, std::vector<unit::Octets>{message});
  deferred.reset();
  // The script holds `deferred` by reference only, so nothing keeps the route.
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace clusterdns::dns
