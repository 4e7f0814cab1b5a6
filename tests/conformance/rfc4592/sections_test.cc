// RFC 4592: The Role of Wildcards in the Domain Name System. The Kubernetes specification dropped
// wildcard queries: `*` and `any` in a question are labels like any other, and there is no
// wildcard in the zone.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

TEST(Rfc4592_2_1_1, AsteriskIsALabel) {
  for (const char* name :
       {"*.conf.svc.cluster.local.", "web.*.svc.cluster.local.", "*.*.svc.cluster.local.",
        "*.web.conf.svc.cluster.local.", "*.peers.conf.svc.cluster.local.",
        "*._tcp.web.conf.svc.cluster.local.", "_*._tcp.web.conf.svc.cluster.local.",
        "_http._*.web.conf.svc.cluster.local.", "*.*.web.conf.svc.cluster.local.",
        "*.svc.cluster.local.", "*.cluster.local.", "*.conf.pod.cluster.local.",
        "10-1-2-3.*.pod.cluster.local."}) {
    SCOPED_TRACE(name);
    expect_nxdomain(ask(name, "A"));
    expect_nxdomain(ask(name, "SRV"));
  }
}

TEST(Rfc4592_2_1_1, AnyIsALabel) {
  for (const char* name :
       {"any.conf.svc.cluster.local.", "web.any.svc.cluster.local.",
        "any.web.conf.svc.cluster.local.", "any.any.web.conf.svc.cluster.local."}) {
    SCOPED_TRACE(name);
    expect_nxdomain(ask(name, "A"));
  }
}

TEST(Rfc4592_2_2_1, NothingIsSynthesised) {
  expect_nxdomain(ask("x.conf.svc.cluster.local."));
  expect_nxdomain(ask("x.web.conf.svc.cluster.local."));
}

}  // namespace
}  // namespace clusterdns::test
