#include "dns/query/stage.h"

#include "dns/query/upstream.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

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
  [[nodiscard]] Verdict handle(Exchange&) noexcept override { return Verdict::Next; }
  [[nodiscard]] Upstream* upstream() noexcept override { return this; }
  [[nodiscard]] bool covers(NameView of) const noexcept override {
    return has_suffix_ignoring_case(of, zone_.view());
  }
  [[nodiscard]] bool allows(const Endpoint& of) const noexcept override {
    return of.address == client_.address;
  }
  void ask(WorkerContext&, const UpstreamClient&, const UpstreamQuestion&,
           std::unique_ptr<UpstreamWaiter>) override {}

 private:
  Name zone_;
  Endpoint client_;
};

// As a query has it: the first that covers the name decides about the client.
TEST(FindUpstream, FirstThatCovers) {
  const auto org = std::make_shared<FakeUpstream>("org", "192.0.2.1");
  const auto all = std::make_shared<FakeUpstream>(".", "192.0.2.1");
  const auto other = std::make_shared<FakeUpstream>(".", "192.0.2.2");
  Route route;
  route.stages = {std::make_shared<unit::ScriptedStage>([](Exchange&) { return Verdict::Next; }),
                  org, all, other};
  const auto find = [&](const char* qname, const char* client) {
    return find_upstream(route, name(qname).view(), endpoint(client));
  };
  EXPECT_EQ(find("a.org", "192.0.2.1"), org.get());
  EXPECT_EQ(find("a.com", "192.0.2.1"), all.get());
  EXPECT_EQ(find("a.org", "192.0.2.2"), nullptr);
  EXPECT_EQ(find_next_upstream(route, *org, name("a.org").view(), endpoint("192.0.2.2")),
            other.get());
  EXPECT_EQ(find_next_upstream(route, *org, name("a.org").view(), endpoint("192.0.2.1")),
            all.get());
  EXPECT_EQ(find("a.org", "192.0.2.3"), nullptr);
}

}  // namespace
}  // namespace clusterdns::dns
