#include "app/lint/recipes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> recipes(const std::string& text) {
  Problems problems;
  const Corefile corefile = parse_corefile(text, "Corefile", {}, problems);
  EXPECT_FALSE(problems.has_errors()) << text;
  find_recipes(corefile, 53, problems);
  std::vector<std::string> found;
  for (const Problem& problem : problems.sorted()) found.push_back(to_string(problem));
  return found;
}

TEST(Recipes, NXDomainForOneTypeOfAName) {
  EXPECT_THAT(
      recipes(". {\n  template IN AAAA . {\n    rcode NXDOMAIN\n  }\n  forward . 10.0.0.1\n}\n"),
      ElementsAre(HasSubstr("Corefile:3:11: template: rcode: NXDOMAIN says that the name "
                            "does not exist at all")));
  // NODATA; a name that does not exist for any type; both kinds of addresses.
  for (const char* good :
       {". {\n  template IN AAAA . {\n    rcode NOERROR\n  }\n  forward . 10.0.0.1\n}\n",
        ". {\n  template ANY ANY invalid {\n    rcode NXDOMAIN\n  }\n  forward . 10.0.0.1\n}\n",
        ". {\n  template IN A ads.example {\n    rcode NXDOMAIN\n  }\n  template IN AAAA "
        "ads.example {\n    rcode NXDOMAIN\n  }\n  forward . 10.0.0.1\n}\n"}) {
    EXPECT_THAT(recipes(good), IsEmpty()) << good;
  }
  // Another zone's does not help.
  EXPECT_EQ(recipes(". {\n  template IN A a.example {\n    rcode NXDOMAIN\n  }\n  template IN AAAA "
                    "b.example {\n    rcode NXDOMAIN\n  }\n  forward . 10.0.0.1\n}\n")
                .size(),
            2u);
}

TEST(Recipes, DenialsOfTheClusterThatAreKeptLong) {
  EXPECT_THAT(
      recipes(
          "cluster.local {\n  cache {\n    denial 9984 3600 300\n  }\n  forward . 10.0.0.1\n}\n"),
      ElementsAre(
          HasSubstr("Corefile:3:22: cache: denial: a Service that is asked for before it is "
                    "there stays unknown for 300 s")));
  for (const char* good :
       {"cluster.local {\n  cache {\n    success 9984 30\n    denial 9984 5\n  }\n  forward . "
        "10.0.0.1\n}\n",
        // A limit to what the SOA record says.
        "cluster.local {\n  cache 3600\n  forward . 10.0.0.1\n}\n",
        // Not of the cluster; and never before `kubernetes`.
        "corp.example {\n  cache {\n    denial 9984 3600 300\n  }\n  forward . 10.0.0.1\n}\n",
        "cluster.local {\n  kubernetes\n  cache {\n    denial 9984 3600 300\n  }\n  forward . "
        "10.0.0.1\n}\n"}) {
    EXPECT_THAT(recipes(good), IsEmpty()) << good;
  }
}

TEST(Recipes, FallthroughThatLeadsNowhere) {
  EXPECT_THAT(recipes(". {\n  hosts {\n    10.0.0.1 a.example\n    fallthrough\n  }\n}\n"),
              ElementsAre(HasSubstr("Corefile:4:5: hosts: fallthrough: leads nowhere: nothing "
                                    "behind `hosts` answers names like 'www.example.com.'")));
  EXPECT_THAT(
      recipes("cluster.local in-addr.arpa {\n  kubernetes cluster.local in-addr.arpa {\n    "
              "fallthrough in-addr.arpa\n  }\n}\n"),
      ElementsAre(HasSubstr("names like '1.0.0.10.in-addr.arpa.'")));
  // Only the last one.
  EXPECT_THAT(recipes(". {\n  hosts {\n    fallthrough\n  }\n  file db example.org {\n    "
                      "fallthrough\n  }\n}\n"),
              ElementsAre(HasSubstr("Corefile:3:5: hosts"), HasSubstr("Corefile:6:5: file")));
  for (const char* good :
       {". {\n  hosts {\n    fallthrough\n  }\n  forward . 10.0.0.1\n}\n",
        ". {\n  hosts {\n    fallthrough\n  }\n  whoami\n}\n",
        ". {\n  kubernetes cluster.local in-addr.arpa {\n    fallthrough in-addr.arpa\n  }\n  "
        "forward . 10.0.0.1\n}\n",
        ". {\n  hosts {\n    10.0.0.1 a.example\n  }\n}\n",
        // What is left goes to somebody by zone.
        "example.org {\n  hosts {\n    fallthrough\n  }\n  file db example.org\n}\n"}) {
    EXPECT_THAT(recipes(good), IsEmpty()) << good;
  }
}

TEST(Recipes, ZonesThatALongerOneTakesAway) {
  EXPECT_THAT(
      recipes(".:53 {\n  kubernetes cluster.local\n  forward . 10.0.0.1\n}\ncluster.local:53 {\n  "
              "forward . 10.0.0.2\n}\n"),
      ElementsAre(HasSubstr("Corefile:2:3: kubernetes: no query for 'cluster.local.' comes here: "
                            "the server block 'cluster.local.:53' at Corefile:5:1 has the longer "
                            "zone")));
  // The same by the default port.
  EXPECT_EQ(recipes(". {\n  forward corp.example 10.0.0.1\n  forward . 10.0.0.2\n}\n"
                    "corp.example:53 {\n  forward . 10.0.0.3\n}\n")
                .size(),
            1u);
  for (const char* good :
       {// Other sockets, other ports, other transports.
        ".:53 {\n  kubernetes cluster.local\n}\ncluster.local:1053 {\n  forward . 10.0.0.2\n}\n",
        ".:53 {\n  bind 127.0.0.1\n  kubernetes cluster.local\n}\ncluster.local:53 {\n  bind "
        "127.0.0.2\n  forward . 10.0.0.2\n}\n",
        "tls://.:53 {\n  kubernetes cluster.local\n}\ncluster.local:53 {\n  forward . "
        "10.0.0.2\n}\n",
        // Only some clients' queries go there.
        ".:53 {\n  kubernetes cluster.local\n}\ncluster.local:53 {\n  view a {\n    expr true\n  "
        "}\n  forward . 10.0.0.2\n}\n",
        // A part of the zone.
        ".:53 {\n  kubernetes cluster.local\n}\nfoo.svc.cluster.local:53 {\n  forward . "
        "10.0.0.2\n}\n"}) {
    EXPECT_THAT(recipes(good), IsEmpty()) << good;
  }
}

TEST(Recipes, ZonesThatABlockIsNotFor) {
  EXPECT_THAT(recipes("corp.example {\n  kubernetes cluster.local\n  forward . 10.0.0.1\n}\n"),
              ElementsAre(HasSubstr("Corefile:2:3: kubernetes: no query for 'cluster.local.' comes "
                                    "here: this block is for 'corp.example.'")));
  for (const char* good :
       {"corp.example cluster.local {\n  kubernetes cluster.local\n  forward . 10.0.0.1\n}\n",
        "sub.corp.example {\n  file db corp.example\n}\n",
        // Written beside the cluster's zone everywhere.
        "cluster.local {\n  kubernetes cluster.local in-addr.arpa ip6.arpa\n}\n"}) {
    EXPECT_THAT(recipes(good), IsEmpty()) << good;
  }
}

TEST(Recipes, AForwardBehindOneForAShorterZone) {
  EXPECT_THAT(
      recipes(". {\n  forward . 10.0.0.1\n  forward corp.test 10.0.0.2\n}\n"),
      ElementsAre(AllOf(HasSubstr("Corefile:3:3: forward: is never asked for 'corp.test.': the "
                                  "`forward` at Corefile:2:3 stands before it"),
                        HasSubstr("put the one for the longer zone first"))));
  for (const char* good :
       {". {\n  forward corp.test 10.0.0.2\n  forward . 10.0.0.1\n}\n",
        ". {\n  forward . 10.0.0.1 {\n    except corp.test\n  }\n  forward corp.test 10.0.0.2\n}\n",
        ". {\n  forward . 10.0.0.1 {\n    next NXDOMAIN\n  }\n  forward corp.test 10.0.0.2\n}\n",
        ". {\n  forward a.test 10.0.0.1\n  forward b.test 10.0.0.2\n}\n"}) {
    EXPECT_THAT(recipes(good), IsEmpty()) << good;
  }
}

TEST(Recipes, ForwardingForEverybody) {
  EXPECT_THAT(recipes(". {\n  forward . 10.0.0.1 {\n    clients 0.0.0.0/0\n  }\n}\n"),
              ElementsAre(HasSubstr("Corefile:3:13: forward: clients: forwards for everybody")));
  for (const char* good :
       {". {\n  forward . 10.0.0.1\n}\n",
        ". {\n  forward . 10.0.0.1 {\n    clients 10.0.0.0/8\n  }\n}\n",
        ". {\n  bind 127.0.0.1\n  forward . 10.0.0.1 {\n    clients 0.0.0.0/0\n  }\n}\n",
        ". {\n  acl {\n    block net 192.0.2.0/24\n  }\n  forward . 10.0.0.1 {\n    clients "
        "0.0.0.0/0\n  }\n}\n"}) {
    EXPECT_THAT(recipes(good), IsEmpty()) << good;
  }
}

}  // namespace
}  // namespace clusterdns::app
