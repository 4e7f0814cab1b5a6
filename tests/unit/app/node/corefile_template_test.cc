#include "app/node/corefile_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/corefile/error.h"
#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TemplateValues usual() {
  TemplateValues values;
  values.local = {*registry::IpAddress::parse("169.254.20.10"),
                  *registry::IpAddress::parse("10.96.0.10")};
  values.cluster_dns = registry::IpAddress::parse("10.105.7.3");
  values.service = "kube-dns-upstream";
  return values;
}

std::string filled(std::string_view text, const TemplateValues& values = usual()) {
  return fill_template(text, "base", values);
}

std::string error_of(std::string_view text, const TemplateValues& values = usual()) {
  try {
    (void)filled(text, values);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

TEST(CorefileTemplate, WordsAreReplaced) {
  EXPECT_EQ(filled(".:53 {\n    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__\n"
                   "    forward . __PILLAR__CLUSTER__DNS__ {\n        force_tcp\n    }\n"
                   "    health __PILLAR__LOCAL__DNS__:8080\n}\n"),
            ".:53 {\n    bind 169.254.20.10 10.96.0.10 \n"
            "    forward . 10.105.7.3 {\n        force_tcp\n    }\n"
            "    health 169.254.20.10 10.96.0.10:8080\n}\n");
  EXPECT_EQ(filled("forward . __PILLAR__UPSTREAM__SERVERS__"), "forward . /etc/resolv.conf");
  EXPECT_EQ(filled("no words"), "no words");
  EXPECT_EQ(filled(""), "");
}

// A server that a ConfigMap names is asked over UDP; that is node-cache's way.
TEST(CorefileTemplate, UpstreamsOfTheConfigMapAreNotForcedToTcp) {
  TemplateValues values = usual();
  values.kube_dns.upstreams = {"192.0.2.1", "[2001:db8::1]:5353"};
  EXPECT_EQ(filled("forward . __PILLAR__UPSTREAM__SERVERS__ {\n            force_tcp\n    }\n}\n",
                   values),
            "forward . 192.0.2.1 [2001:db8::1]:5353\n\n\n}\n");
  EXPECT_EQ(
      filled("forward . __PILLAR__UPSTREAM__SERVERS__ {\n  force_tcp\n  max_fails 1\n}\n", values),
      "forward . 192.0.2.1 [2001:db8::1]:5353 {\n  force_tcp\n  max_fails 1\n}\n");
  EXPECT_EQ(filled("forward . __PILLAR__UPSTREAM__SERVERS__\n{ force_tcp }\n", values),
            "forward . 192.0.2.1 [2001:db8::1]:5353\n{ force_tcp }\n");
  // Without them it stays, as it does there.
  EXPECT_THAT(filled("forward . __PILLAR__UPSTREAM__SERVERS__ {\n force_tcp\n}\n"),
              HasSubstr("/etc/resolv.conf {\n force_tcp\n}"));
}

TEST(CorefileTemplate, StubDomainsAreServerBlocks) {
  TemplateValues values = usual();
  values.port = 1053;
  values.kube_dns.stub_domains = {{"b.example", {"192.0.2.1", "192.0.2.2:5353"}},
                                  {"a.example", {"192.0.2.3"}}};
  const std::string text = filled(".:1053 {\n    whoami\n}\n", values);
  EXPECT_EQ(text,
            ".:1053 {\n    whoami\n}\n"
            "\na.example:1053 {\n    errors\n    cache 30\n    bind 169.254.20.10 10.96.0.10\n"
            "    forward . 192.0.2.3\n}\n"
            "\nb.example:1053 {\n    errors\n    cache 30\n    bind 169.254.20.10 10.96.0.10\n"
            "    forward . 192.0.2.1 192.0.2.2:5353\n}\n");
  EXPECT_EQ(parse_corefile(text, "base").blocks.size(), 3U);
}

TEST(CorefileTemplate, WhatHasNoValueIsAnErrorAtItsPlace) {
  TemplateValues values = usual();
  values.cluster_dns.reset();
  EXPECT_EQ(error_of(".:53 {\n    forward . __PILLAR__CLUSTER__DNS__\n}\n", values),
            "base:2:15: __PILLAR__CLUSTER__DNS__ is the address of the service "
            "'kube-dns-upstream', and KUBE_DNS_UPSTREAM_SERVICE_HOST is not set; name a service of "
            "the pod's namespace that was there before the pod with -upstreamsvc, or write its "
            "address here");
  EXPECT_EQ(filled("    forward . /etc/resolv.conf\n", values), "    forward . /etc/resolv.conf\n");
  EXPECT_EQ(error_of("__PILLAR__DNS__DOMAIN__:53 {\n}\n"),
            "base:1:1: '__PILLAR__DNS__DOMAIN__' is left over from the manifest; write the "
            "cluster's domain here, cluster.local");
  // Columns are characters.
  EXPECT_THAT(error_of("# ä\n\"ä\" __PILLAR__NONE__\n"),
              HasSubstr("base:2:5: '__PILLAR__NONE__' means nothing here; known are "));
}

TEST(CorefileTemplate, CommentsMaySayWhatTheyLike) {
  TemplateValues values = usual();
  values.cluster_dns.reset();
  const std::string text =
      "# __PILLAR__CLUSTER__DNS__ and __PILLAR__NONE__\n. {\n\t# __PILLAR__DNS__DOMAIN__\n}\n";
  EXPECT_EQ(filled(text, values), text);
  EXPECT_THAT(error_of("a#b __PILLAR__NONE__"), HasSubstr("base:1:5: "));
}

TEST(CorefileTemplate, ServiceVariable) {
  EXPECT_EQ(service_variable("kube-dns-upstream"), "KUBE_DNS_UPSTREAM_SERVICE_HOST");
  EXPECT_EQ(service_variable("dns2"), "DNS2_SERVICE_HOST");
}

}  // namespace
}  // namespace clusterdns::app
