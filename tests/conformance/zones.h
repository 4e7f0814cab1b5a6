// The zone of zones/example.test, as `file` answers it. Another server that is asked need not have
// it.
#pragma once

#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {

inline constexpr std::uint32_t kZoneNegativeTtl = 300;

inline void expect_zone_nodata(const Message& response, Location where = Location::current()) {
  expect_rcode(response, "NOERROR", where);
  EXPECT_TRUE(response.answer.empty()) << response.text();
  expect_negative_soa(response, "example.test.", kZoneNegativeTtl, where);
}
inline void expect_zone_nxdomain(const Message& response, Location where = Location::current()) {
  expect_rcode(response, "NXDOMAIN", where);
  EXPECT_TRUE(response.answer.empty()) << response.text();
  expect_negative_soa(response, "example.test.", kZoneNegativeTtl, where);
}

}  // namespace clusterdns::test
