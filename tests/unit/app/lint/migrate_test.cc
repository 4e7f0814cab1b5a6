#include "app/lint/migrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/corefile/error.h"
#include "app/corefile/parser.h"
#include "app/instance/instance.h"

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What comes of it loads, and is not changed again.
std::string migrated(const std::string& text, bool loads = true) {
  const MigratedCorefile first = migrate_corefile(text, "Corefile");
  const MigratedCorefile second = migrate_corefile(first.text, "Corefile");
  EXPECT_EQ(second.text, first.text);
  EXPECT_THAT(second.changes, IsEmpty());
  Problems problems;
  const Corefile corefile = parse_corefile(first.text, "Corefile", {}, problems);
  if (corefile.whole) check_corefile(corefile, 53, CheckPlace::Elsewhere, problems);
  EXPECT_EQ(!problems.has_errors(), loads) << first.text;
  for (const Problem& problem : problems.sorted()) {
    EXPECT_EQ(problem.text.find("no longer has any effect"), std::string::npos) << first.text;
    EXPECT_EQ(problem.text.find("is treated as"), std::string::npos) << first.text;
  }
  return first.text;
}

TEST(Migrate, KubeadmsOf1Point11) {
  EXPECT_EQ(migrated(".:53 {\n"
                     "    errors\n"
                     "    health\n"
                     "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n"
                     "       pods insecure\n"
                     "       upstream\n"
                     "       fallthrough in-addr.arpa ip6.arpa\n"
                     "    }\n"
                     "    prometheus :9153\n"
                     "    proxy . /etc/resolv.conf\n"
                     "    cache 30\n"
                     "    reload\n"
                     "}\n"),
            ".:53 {\n"
            "    errors\n"
            "    health\n"
            "    # migrate: `ready` serves :8181/ready, which pods are probed at since Kubernetes "
            "1.16\n"
            "    ready\n"
            "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n"
            "       pods insecure\n"
            "       # migrate: `upstream` is taken out: aliases are followed without it, by the "
            "server itself\n"
            "       # upstream\n"
            "       fallthrough in-addr.arpa ip6.arpa\n"
            "    }\n"
            "    prometheus :9153\n"
            "    # migrate: `proxy` is `forward` since CoreDNS 1.5\n"
            "    forward . /etc/resolv.conf\n"
            "    cache 30\n"
            "    # migrate: `loop` looks for upstreams that lead back here\n"
            "    loop\n"
            "    reload\n"
            "}\n");
}

// What is not changed stays octet for octet.
TEST(Migrate, LayoutCommentsSnippetsImportsAndTheEnvironmentStay) {
  const std::string text =
      "# ours\n(common) {\n\terrors   # all of them\n\tlog . \"{remote} {name}\"\n}\n\n"
      "{$ZONE}:53,\n  corp.example {  # two\n\timport common\n\tforward . {$UP}   10.0.0.2 {\n\t\t"
      "max_fails 3\n\t}\n\ttemplate IN A corp.example {\n\t\tmatch \"^a b\"\n\t\tanswer "
      "\"{{ .Name }} 60 IN A 10.0.0.1\"\n\t}\n}\nimport none/*.server\n";
  const MigratedCorefile same = migrate_corefile(text, "Corefile");
  EXPECT_EQ(same.text, text);
  EXPECT_THAT(same.changes, IsEmpty());
  // Beside a change, too; in a snippet; and without a line feed at the end, or with CR.
  std::string old = text;
  old.replace(old.find("forward"), 7, "proxy");
  const std::string got = migrate_corefile(old, "Corefile").text;
  EXPECT_THAT(got, HasSubstr("\t# migrate: `proxy` is `forward` since CoreDNS 1.5\n\tforward . "
                             "{$UP}   10.0.0.2 {\n\t\tmax_fails 3\n\t}\n"));
  EXPECT_THAT(got, HasSubstr("# ours\n(common) {\n\terrors   # all of them\n\tlog . \"{remote} "
                             "{name}\"\n}\n\n{$ZONE}:53,\n  corp.example {  # two\n"));
  EXPECT_EQ(migrated("(up) {\n  proxy . 10.0.0.1\n}\n. {\n  loop\n  import up\n}\n"),
            "(up) {\n  # migrate: `proxy` is `forward` since CoreDNS 1.5\n  forward . 10.0.0.1\n}\n"
            ". {\n  loop\n  import up\n}\n");
  EXPECT_EQ(migrated(".\nloop\nproxy . 10.0.0.1"),
            ".\nloop\n# migrate: `proxy` is `forward` since CoreDNS 1.5\nforward . 10.0.0.1");
}

TEST(Migrate, EveryOptionOfProxy) {
  EXPECT_EQ(
      migrated(
          ". {\n  loop\n  proxy . 10.0.0.1 10.0.0.2 {\n    policy first\n    fail_timeout 5s\n "
          "   max_fails 2\n    health_check /health:8080\n    except a.example\n    spray\n    "
          "protocol dns force_tcp\n    upstream\n  }\n}\n"),
      ". {\n  loop\n  # migrate: `proxy` is `forward` since CoreDNS 1.5\n"
      "  forward . 10.0.0.1 10.0.0.2 {\n"
      "    # migrate: `first` is `sequential`\n    policy sequential\n"
      "    # migrate: `fail_timeout` is taken out: `forward` finds out itself which upstreams "
      "answer\n    # fail_timeout 5s\n"
      "    max_fails 2\n"
      "    # migrate: `health_check` is taken out: `forward` finds out itself which upstreams "
      "answer\n    # health_check /health:8080\n"
      "    except a.example\n"
      "    # migrate: `spray` is taken out: `forward` finds out itself which upstreams answer\n"
      "    # spray\n"
      "    # migrate: `protocol dns force_tcp` is `force_tcp`\n    force_tcp\n"
      "    # migrate: `upstream` is taken out: aliases are followed without it, by the server "
      "itself\n    # upstream\n"
      "  }\n}\n");
  EXPECT_THAT(
      migrated(". {\n  loop\n  proxy . 10.0.0.1 {\n    policy least_conn\n    protocol "
               "https_google\n  }\n}\n"),
      HasSubstr("    # policy least_conn\n    # migrate: `protocol` is taken out: `forward` "
                "speaks DNS, or DNS over TLS to upstreams written tls://ADDRESS\n    # "
                "protocol https_google\n"));
}

TEST(Migrate, EveryOptionOfKubernetes) {
  EXPECT_EQ(
      migrated("cluster.local {\n  ready\n  kubernetes cluster.local {\n    resyncperiod 5m\n"
               "    endpoint http://10.0.0.1:8080 http://10.0.0.2:8080\n    transfer to *\n   "
               " upstream 10.0.0.9\n  }\n}\n"),
      "cluster.local {\n  ready\n  kubernetes cluster.local {\n"
      "    # migrate: `resyncperiod` is taken out: changes are watched; nothing is read again "
      "after a period\n    # resyncperiod 5m\n"
      "    # migrate: one API server is asked, the first; put a balancer before several\n"
      "    endpoint http://10.0.0.1:8080\n"
      "    # migrate: `transfer` is taken out: the cluster's zones are not transferred\n"
      "    # transfer to *\n"
      "    # migrate: `upstream` is taken out: aliases are followed without it, by the server "
      "itself\n    # upstream 10.0.0.9\n  }\n}\n");
}

TEST(Migrate, ZoneFilesAndTransfers) {
  EXPECT_EQ(
      migrated("example.org {\n  file db.example.org example.org {\n    transfer to *\n    "
               "transfer to 10.0.0.1 10.0.0.2\n    no_reload\n    upstream\n  }\n}\n"),
      "example.org {\n  file db.example.org example.org {\n"
      "    # migrate: `transfer` is taken out: `transfer` is a directive since CoreDNS 1.8; "
      "it is below\n    # transfer to *\n"
      "    # migrate: `transfer` is taken out: `transfer` is a directive since CoreDNS 1.8; "
      "it is below\n    # transfer to 10.0.0.1 10.0.0.2\n"
      "    # migrate: `no_reload` is `reload 0`\n    reload 0\n"
      "    # migrate: `upstream` is taken out: aliases are followed without it, by the server "
      "itself\n    # upstream\n"
      "  }\n  transfer example.org {\n    to *\n    to 10.0.0.1 10.0.0.2\n  }\n}\n");
}

TEST(Migrate, Secondary) {
  EXPECT_THAT(migrated("example.org {\n  secondary {\n    transfer from 10.0.0.1\n    transfer to "
                       "10.0.0.2\n  }\n}\n"),
              HasSubstr("    transfer from 10.0.0.1\n    # migrate: `transfer` is taken out: "
                        "`transfer` is a directive since CoreDNS 1.8; it is below\n    # transfer "
                        "to 10.0.0.2\n  }\n  transfer {\n    to 10.0.0.2\n  }\n"));
}

TEST(Migrate, Auto) {
  EXPECT_THAT(migrated("example.org {\n  auto {\n    directory /zones db\\.(.*) {1} 60\n  }\n}\n"),
              HasSubstr("    directory /zones db\\.(.*) {1} \n    reload 60s\n"));
}

TEST(Migrate, DirectivesThatAreNoMore) {
  EXPECT_EQ(
      migrated(". {\n  loop\n  startup echo hello\n  errors stdout\n  federation cluster.local "
               "{\n    prod prod.example\n  }\n  forward . 10.0.0.1\n}\n"),
      ". {\n  loop\n"
      "  # migrate: `startup` is taken out: commands are run by whoever starts the server, "
      "such as an init container\n  # startup echo hello\n"
      "  # migrate: errors go to standard output; a file is not named any more\n  errors\n"
      "  # migrate: `federation` is taken out: federation of clusters is no part of CoreDNS "
      "since 1.7\n  # federation cluster.local {\n    # prod prod.example\n  # }\n"
      "  forward . 10.0.0.1\n}\n");
  EXPECT_THAT(migrated(". {\n  loop\n  reverse 10.0.0.0/8 cluster.local {\n    hostname ip-{ip}."
                       "{zone[1]}\n  }\n  forward . 10.0.0.1\n}\n"),
              HasSubstr("  # reverse 10.0.0.0/8 cluster.local {\n    # hostname ip-{ip}.{zone[1]}\n"
                        "  # }\n"));
}

// It answers for zones: without it they would be somebody else's.
TEST(Migrate, WhatIsNotSupportedStays) {
  EXPECT_THAT(migrated(". {\n  loop\n  route53 example.org.:Z1 {\n    upstream 10.0.0.1\n  }\n  "
                       "forward . 10.0.0.1\n}\n",
                       false),
              HasSubstr("  route53 example.org.:Z1 {\n    # migrate: `upstream` is taken out"));
}

TEST(Migrate, OnOneLine) {
  EXPECT_EQ(migrated(". { loop\n proxy . 10.0.0.1 { spray } }\n"),
            ". { loop\n # migrate: `proxy` is `forward` since CoreDNS 1.5\n forward . 10.0.0.1 {  "
            "} }\n");
}

TEST(Migrate, BracesThatDoNotFitAreTold) {
  for (const char* bad : {". {\n  errors\n", "}\n", ". {\n  a {\n  }\n", ". {\n  log \"a\n}\n"}) {
    EXPECT_THROW((void)migrate_corefile(bad, "Corefile"), ConfigError) << bad;
  }
  std::string deep = ". {\n";
  for (int i = 0; i < 1000; ++i) deep += "a {\n";
  EXPECT_THROW((void)migrate_corefile(deep, "Corefile"), ConfigError);
  EXPECT_EQ(migrate_corefile("", "Corefile").text, "");
  EXPECT_EQ(migrate_corefile("# nothing\n", "Corefile").text, "# nothing\n");
}

}  // namespace
}  // namespace clusterdns::app
