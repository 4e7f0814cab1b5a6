// Kubernetes DNS specification 1.1.0, section 2.2: Record for Schema Version.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(KubernetesDns_2_2, SchemaVersionIsATxtRecord) {
  const Message response = ask("dns-version.cluster.local.", "TXT");
  expect_rcode(response, "NOERROR");
  EXPECT_TRUE(response.has(kFlagAA));
  ASSERT_EQ(response.answer.size(), 1U) << response.text();
  EXPECT_EQ(response.answer[0].owner, "dns-version.cluster.local.");
  EXPECT_EQ(response.answer[0].data, "\"1.1.0\"");
  EXPECT_GT(response.answer[0].ttl, 0U);
}

TEST(KubernetesDns_2_2, SchemaVersionHasNoOtherType) {
  expect_nodata(ask("dns-version.cluster.local.", "A"));
  expect_nodata(ask("dns-version.cluster.local.", "AAAA"));
  expect_nodata(ask("dns-version.cluster.local.", "SRV"));
}

TEST(KubernetesDns_2_2, NothingIsBelowTheSchemaVersion) {
  expect_nxdomain(ask("x.dns-version.cluster.local.", "TXT"));
}

TEST(KubernetesDns_2_2, TxtOfOtherNames) {
  expect_nodata(ask(svc("web"), "TXT"));
  expect_nxdomain(ask(svc("nothing"), "TXT"));
  expect_nxdomain(ask("version.cluster.local.", "TXT"));
}

}  // namespace
}  // namespace clusterdns::test
