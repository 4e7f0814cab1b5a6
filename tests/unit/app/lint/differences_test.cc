#include "app/lint/differences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "app/corefile/parser.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Differences, TheSameAndOtherwiseAndNotHere) {
  Problems problems;
  const auto report = compare_to_coredns(parse_corefile(
      ". {\n  errors {\n    stacktrace\n  }\n  ready\n  health {\n    lameduck 5s\n  "
      "}\n  cache 30\n  pprof\n  route53 example.org.:Z\n  k8s_gateway example.org\n  "
      "search\n  whoami\n}\nexample.org {\n  errors\n  cache\n  whoami\n}\n",
      "Corefile", {}, problems));
  EXPECT_THAT(report.same, ElementsAre("ready", "whoami"));
  std::vector<std::string> different, missing;
  for (const auto& entry : report.different) {
    different.push_back(entry.directive + " " + std::to_string(entry.at.line));
  }
  for (const auto& entry : report.missing) missing.push_back(entry.directive + ": " + entry.text);
  EXPECT_THAT(different, ElementsAre("errors: stacktrace 3", "health: lameduck 7", "cache 9",
                                     "pprof 10", "search 13"));
  EXPECT_THAT(missing,
              ElementsAre("route53: write `forward` to the VPC's resolver for these zones",
                          "k8s_gateway: `gateways` answers the hosts of Ingresses and of the "
                          "Gateway API"));
}

TEST(Differences, NoneWhereThereIsNone) {
  const auto report = compare_to_coredns(parse_corefile(". {\n  ready\n  whoami\n}\n", "Corefile"));
  EXPECT_THAT(report.different, IsEmpty());
  EXPECT_THAT(report.missing, IsEmpty());
}

}  // namespace
}  // namespace clusterdns::app
