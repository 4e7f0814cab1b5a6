#include "dns/query/ttl_bounds.h"

#include "dns/query/encoder.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::unit {
namespace {

using dns::Answer;
using dns::RRType;
using dns::TtlBounds;

// Of an A record, or of an SOA with root names and zeros.
constexpr std::uint8_t kRdata[22] = {};
constexpr std::uint8_t kTarget[] = {1, 't', 0};
constexpr std::uint8_t kZone[] = {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0};

dns::RRsetRef rrset(RRType type, std::uint32_t ttl, std::uint8_t owner = 0) {
  dns::RRsetRef ref;
  ref.write = &dns::write_rdata;
  ref.data = kRdata;
  ref.count = type == RRType::SOA ? 22 : 4;
  ref.type = type;
  ref.ttl = ttl;
  ref.owner = owner;
  return ref;
}

// What a stage answers, as it leaves a block with these bounds.
class TtlBoundsTest : public ::testing::Test {
 protected:
  dns::Message ask(const std::string& qname, std::function<void(Answer&)> fill) {
    auto route = std::make_shared<dns::Route>();
    route->stages.push_back(std::make_shared<ScriptedStage>([&](dns::Exchange& exchange) {
      fill(exchange.answer);
      return dns::Verdict::Answered;
    }));
    route->ttl_bounds = std::make_shared<TtlBounds>(bounds_);
    dns::ListenerRoutes routes;
    routes.add(dns::Name{}, std::move(route));
    Client client;
    return client.ask(routes, {.qname = qname, .edns = true, .dnssec_ok = true}).value();
  }
  static std::vector<std::uint32_t> ttls(const std::vector<dns::Record>& section) {
    std::vector<std::uint32_t> out;
    for (const dns::Record& record : section) out.push_back(record.ttl);
    return out;
  }
  using Ttls = std::vector<std::uint32_t>;
  TtlBounds bounds_{{name(".")}, 30, 20};
};

TEST_F(TtlBoundsTest, OfEverySection) {
  const auto message = ask("www.example", [](Answer& answer) {
    answer.next_answer() = rrset(RRType::A, 3600);
    answer.next_answer() = rrset(RRType::A, 7);
    answer.next_additional() = rrset(RRType::A, 31);
  });
  EXPECT_EQ(ttls(message.answer), (Ttls{30, 7}));
  EXPECT_EQ(ttls(message.additional), Ttls{30});
  EXPECT_EQ(message.opt_ttl, 0x8000u) << "that is no TTL";
}

TEST_F(TtlBoundsTest, ShortTtlsStay) {
  const auto message = ask("www.example", [](Answer& answer) {
    answer.next_answer() = rrset(RRType::A, 0);
    answer.next_answer() = rrset(RRType::A, 20);
  });
  EXPECT_EQ(ttls(message.answer), (Ttls{0, 20}));
}

TEST_F(TtlBoundsTest, NegativeAnswersHaveTheirOwn) {
  for (const bool name_error : {true, false}) {
    const auto message = ask("www.example", [&](Answer& answer) {
      if (name_error) answer.rcode = dns::Rcode::NXDomain;
      answer.next_answer() = rrset(RRType::A, 25);
      answer.next_authority() = rrset(RRType::SOA, 25);
    });
    EXPECT_EQ(ttls(message.answer), Ttls{20});
    EXPECT_EQ(ttls(message.authority), Ttls{20});
  }
  // An alias into nothing is an alias all the same.
  bounds_.positive = 10;
  const auto message = ask("www.example", [](Answer& answer) {
    answer.rcode = dns::Rcode::NXDomain;
    answer.next_answer() = rrset(RRType::A, 25);
    answer.next_authority() = rrset(RRType::SOA, 25);
  });
  EXPECT_EQ(ttls(message.answer), Ttls{10});
  EXPECT_EQ(ttls(message.authority), Ttls{20});
}

// Names in RDATA and owners that are pointers do not lead the walk astray.
TEST_F(TtlBoundsTest, ThroughCompressedNames) {
  const auto message = ask("www.example", [](Answer& answer) {
    dns::RRsetRef alias = rrset(RRType::CNAME, 3600);
    alias.write = &dns::write_cname;
    alias.first = answer.add_name(kTarget, sizeof kTarget);
    answer.next_answer() = alias;
    answer.next_answer() = rrset(RRType::A, 3600, answer.add_name(kZone, sizeof kZone));
    answer.next_answer() = rrset(RRType::A, 3600);
  });
  EXPECT_EQ(ttls(message.answer), (Ttls{30, 30, 30}));
}

TEST_F(TtlBoundsTest, OnlyInTheZones) {
  bounds_.zones = {name("example")};
  const auto fill = [](Answer& answer) { answer.next_answer() = rrset(RRType::A, 3600); };
  EXPECT_EQ(ttls(ask("WWW.Example", fill).answer), Ttls{30});
  EXPECT_EQ(ttls(ask("example", fill).answer), Ttls{30});
  EXPECT_EQ(ttls(ask("www.example.net", fill).answer), Ttls{3600});
  EXPECT_EQ(ttls(ask("notexample", fill).answer), Ttls{3600});
}

}  // namespace
}  // namespace clusterdns::unit
