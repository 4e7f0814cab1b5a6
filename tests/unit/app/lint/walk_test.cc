#include "app/lint/walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;

// A line for each name: "name (zones): directive does, …".
std::vector<std::string> walks(const std::string& text) {
  const Corefile corefile = parse_corefile(text, "Corefile");
  std::vector<std::string> lines;
  for (const BlockWalk& block : walk_blocks(corefile, 53)) {
    lines.push_back(block.keys + (block.only.empty() ? "" : " if " + block.only));
    for (const Walk& walk : block.walks) {
      std::string line = walk.name + " (" + walk.zone;
      for (const std::string& zone : walk.also) line += " " + zone;
      line += "):";
      for (const WalkStep& step : walk.steps) line += " [" + step.directive + " " + step.does + "]";
      lines.push_back(line + (walk.answered ? "" : " REFUSED"));
    }
  }
  return lines;
}

TEST(Walk, KubeadmsCorefile) {
  EXPECT_THAT(
      walks(".:53 {\n  errors\n  health\n  ready\n  kubernetes cluster.local in-addr.arpa ip6.arpa "
            "{\n    pods insecure\n    fallthrough in-addr.arpa ip6.arpa\n  }\n  prometheus :9153\n"
            "  forward . 10.0.0.2\n  cache 30\n  loop\n  reload\n  loadbalance\n}\n"),
      ElementsAre(
          ".:53",
          "web.default.svc.cluster.local. (cluster.local.): [kubernetes answers for the cluster; "
          "what is not there is NXDOMAIN]",
          "1.0.0.10.in-addr.arpa. (in-addr.arpa. ip6.arpa.): [kubernetes answers for the cluster; "
          "what is not there goes on] [cache keeps what comes from behind it, for 30 s at most] "
          "[forward asks 10.0.0.2]",
          "www.example.com. (.): [cache keeps what comes from behind it, for 30 s at most] "
          "[forward asks 10.0.0.2]"));
}

// As queries meet the directives, whatever their order in the file; several of one kind as written.
TEST(Walk, InTheOrderOfTheStages) {
  EXPECT_THAT(
      walks(
          ". {\n  whoami\n  forward corp.example 10.0.0.1 {\n    except not.corp.example\n  }\n"
          "  forward . 10.0.0.2 {\n    next NXDOMAIN\n  }\n  hosts /etc/hosts corp.example {\n    "
          "10.0.0.1 a.corp.example\n    fallthrough\n  }\n  rewrite name a.example b.example\n}\n"),
      ElementsAre(
          ".",
          "www.corp.example. (corp.example.): [rewrite may ask another question (name a.example "
          "b.example)] [hosts answers from /etc/hosts and 1 line here; what is not there goes on] "
          "[forward asks 10.0.0.1]",
          "www.example.com. (.): [rewrite may ask another question (name a.example b.example)] "
          "[forward asks 10.0.0.2; NXDOMAIN goes on] [whoami answers with the client's address]"));
}

TEST(Walk, WhatNothingAnswers) {
  EXPECT_THAT(walks("example.org:1053 {\n  errors\n}\n"),
              ElementsAre("example.org.:1053", "www.example.org. (example.org.): REFUSED"));
}

TEST(Walk, NamesOfAnotherBlockAreToldThere) {
  EXPECT_THAT(walks(". {\n  hosts /etc/hosts corp.example\n  forward . 10.0.0.2\n}\n"
                    "corp.example {\n  view inside {\n    expr incidr(client_ip(), '10.0.0.0/8')\n"
                    "  }\n  whoami\n}\ncorp.example {\n  erratic\n}\n"),
              ElementsAre(".", "www.example.com. (.): [forward asks 10.0.0.2]",
                          "corp.example. if incidr(client_ip(), '10.0.0.0/8')",
                          "www.corp.example. (corp.example.): [whoami answers with the client's "
                          "address]",
                          "corp.example.",
                          "www.corp.example. (corp.example.): [erratic answers, late or not at all "
                          "at times]"));
}

TEST(Walk, Templates) {
  EXPECT_THAT(
      walks(". {\n  template ANY ANY invalid {\n    rcode NXDOMAIN\n  }\n  template IN AAAA . {\n  "
            "  rcode NOERROR\n  }\n  template IN A example {\n    match ^ip\n    answer "
            "\"{{ .Name }} 60 IN A 10.0.0.1\"\n    fallthrough\n  }\n  forward . 10.0.0.2\n}\n"),
      ElementsAre(
          ".", "www.invalid. (invalid.): [template answers every query with NXDOMAIN]",
          "www.example. (example.): [template answers queries for AAAA with NOERROR] [template "
          "answers queries for A if its expression matches; what does not match goes on] [forward "
          "asks 10.0.0.2]",
          "www.example.com. (.): [template answers queries for AAAA with NOERROR] [forward asks "
          "10.0.0.2]"));
}

TEST(Walk, ZonesBeyondTheMostAreCounted) {
  std::string text = ". {\n";
  for (std::size_t i = 0; i < kMaxWalks + 5; ++i) {
    text += "  forward z" + std::to_string(i) + ".example 10.0.0." + std::to_string(i) + "\n";
  }
  const auto blocks = walk_blocks(parse_corefile(text + "}\n", "Corefile"), 53);
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].walks.size(), kMaxWalks);
  EXPECT_EQ(blocks[0].left_out, 6u);  // the root's, too
}

// What is too long to be told is not walked at all.
TEST(Walk, BlocksAndDirectivesBeyondTheMost) {
  std::string text = ". {\n";
  for (std::size_t i = 0; i <= kMaxDirectivesTold; ++i) {
    text += "  forward z" + std::to_string(i) + ".example 10.0.0.1\n";
  }
  const auto long_one = walk_blocks(parse_corefile(text + "}\n", "Corefile"), 53);
  ASSERT_EQ(long_one.size(), 1u);
  EXPECT_THAT(long_one[0].walks, ::testing::IsEmpty());
  EXPECT_GE(long_one[0].left_out, kMaxZonesTold);
  std::string many;
  for (std::size_t i = 0; i <= kMaxBlocksTold; ++i) {
    many += "z" + std::to_string(i) + ".example {\n  whoami\n}\n";
  }
  EXPECT_EQ(walk_blocks(parse_corefile(many, "Corefile"), 53).size(), kMaxBlocksTold);
}

}  // namespace
}  // namespace clusterdns::app
