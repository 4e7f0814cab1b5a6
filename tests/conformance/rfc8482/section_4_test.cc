// RFC 8482, section 4: minimal answers to QTYPE ANY; as CoreDNS 1.15: NODATA for names that exist.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Rfc8482_4, ExistingNames) {
  expect_nodata(ask(svc("web"), "ANY"));
  expect_nodata(ask(svc("big"), "ANY"));
  expect_nodata(ask("cluster.local.", "ANY"));
  expect_nodata(ask("svc.cluster.local.", "ANY"));
}

TEST(Rfc8482_4, UnknownNames) { expect_nxdomain(ask(svc("nothing"), "ANY")); }

TEST(Rfc8482_4, SmallOverUdp) {
  EXPECT_LE(ask_udp(svc("big"), "ANY").wire.size(), 512U);
  EXPECT_FALSE(ask_udp(svc("big"), "ANY").has(kFlagTC));
}

}  // namespace
}  // namespace clusterdns::test
