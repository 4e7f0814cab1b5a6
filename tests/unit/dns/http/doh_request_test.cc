#include "dns/http/doh_request.h"

#include <gtest/gtest.h>

#include "tests/unit/dns/query/request.h"

namespace clusterdns::dns {
namespace {

using unit::Octets;
using unit::put_record;
using unit::put_u16;

struct Section {
  RRType type;
  std::uint32_t ttl;
};
Octets message(unsigned rcode, const std::vector<Section>& answer,
               const std::vector<Section>& authority = {}, std::uint32_t minimum = 0) {
  Octets out;
  for (const std::size_t word : {std::size_t{0}, std::size_t{0x8180} | rcode, std::size_t{0},
                                 answer.size(), authority.size(), std::size_t{1}}) {
    put_u16(out, static_cast<unsigned>(word));
  }
  for (const auto* const section : {&answer, &authority}) {
    for (const Section& each : *section) {
      Octets rdata(4);
      if (each.type == RRType::SOA) {
        rdata.assign(22, 0);
        for (unsigned i = 0; i < 4; ++i) {
          rdata[18 + i] = static_cast<std::uint8_t>(minimum >> (24 - 8 * i));
        }
      }
      put_record(out, "a.test", each.type, 1, each.ttl, rdata);
    }
  }
  put_record(out, ".", RRType::OPT, 1232, 0, {});
  return out;
}

// RFC 8484 5.1.
TEST(FreshSeconds, IsTheSmallestTtl) {
  EXPECT_EQ(fresh_seconds(message(0, {{RRType::A, 300}, {RRType::A, 30}})), 30u);
  EXPECT_EQ(fresh_seconds(message(0, {{RRType::A, 300}}, {{RRType::NS, 20}})), 20u);
  EXPECT_EQ(fresh_seconds(message(0, {{RRType::A, 0}})), 0u);
  EXPECT_EQ(fresh_seconds(message(0, {{RRType::A, 1'000'000}})), 3600u);
}
TEST(FreshSeconds, OfNegativeAnswersIsTheMinimum) {
  EXPECT_EQ(fresh_seconds(message(0, {}, {{RRType::SOA, 300}}, 60)), 60u);
  EXPECT_EQ(fresh_seconds(message(0, {}, {{RRType::SOA, 30}}, 60)), 30u);
  EXPECT_EQ(fresh_seconds(message(3, {{RRType::CNAME, 200}}, {{RRType::SOA, 300}}, 60)), 60u);
  // A positive answer that has an SOA beside it.
  EXPECT_EQ(fresh_seconds(message(0, {{RRType::A, 300}}, {{RRType::SOA, 300}}, 60)), 300u);
}
TEST(FreshSeconds, OfNothingIsShort) {
  EXPECT_EQ(fresh_seconds(message(0, {})), 5u);
  EXPECT_EQ(fresh_seconds(message(2, {})), 5u);
  EXPECT_EQ(fresh_seconds(message(5, {{RRType::A, 300}})), 5u);
  EXPECT_EQ(fresh_seconds({}), 0u);
}

TEST(HttpDate, HasTheFormOfRfc9110) {
  const std::string date(http_date());
  ASSERT_EQ(date.size(), std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size());
  EXPECT_EQ(date.substr(3, 2), ", ");
  EXPECT_EQ(date.substr(25), " GMT");
}

}  // namespace
}  // namespace clusterdns::dns
