// `rewrite` in the real program: what a Corefile says of it, and what comes of that.
#include <gmock/gmock.h>

#include "integration/fixture.h"

#include "support/dns_client.h"

namespace clusterdns::test {
namespace {

class Rewrite : public Integration {
 protected:
  void with(std::string_view lines) {
    hosts_ = directory_.write("hosts",
                              "192.0.2.1 blue.test ftp.service.us-west-1.consul web.internal\n"
                              "2001:db8::1 blue.test\n");
    serve_corefile(".:0 {\n  bind 127.0.0.1\n" + std::string(lines) + "  hosts " + hosts_.string() +
                   " {\n    ttl 60\n    fallthrough nothing.test\n  }\n}\n");
  }

  std::filesystem::path hosts_;
};

TEST_F(Rewrite, NamesThereAndBack) {
  with(
      "  rewrite name red.test blue.test\n"
      "  rewrite continue name suffix .example .internal answer auto\n"
      "  rewrite stop {\n"
      "    name regex (.*)-(us-west-1)\\.rocks {1}.service.{2}.consul\n"
      "    answer name (.*)\\.service\\.(us-west-1)\\.consul {1}-{2}.rocks\n"
      "  }\n");
  EXPECT_EQ(addresses("red.test"), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(addresses("RED.test", "AAAA"), std::vector<std::string>{"2001:db8::1"});
  EXPECT_EQ(addresses("web.example"), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(addresses("ftp-us-west-1.rocks"), std::vector<std::string>{"192.0.2.1"});
  const Message answer = ask("red.test");
  ASSERT_EQ(answer.answer.size(), 1u);
  EXPECT_EQ(answer.answer[0].owner, "red.test.");
  stop();
}

TEST_F(Rewrite, TypesTtlsAndRcodes) {
  with(
      "  rewrite continue ttl suffix .test 5-10\n"
      "  rewrite continue rcode regex .*\\.gone\\.test\\. NXDOMAIN NOERROR\n"
      "  rewrite type TXT A\n"
      "  template ANY ANY gone.test other.test {\n    rcode NXDOMAIN\n  }\n");
  EXPECT_EQ(ask("blue.test").answer.at(0).ttl, 10u);
  EXPECT_EQ(ask("web.internal").answer.at(0).ttl, 60u);
  EXPECT_EQ(ask("blue.test", "TXT").answer.size(), 1u);
  EXPECT_EQ(ask("x.gone.test").rcode, 0);
  EXPECT_EQ(ask("x.other.test").rcode, 3);
  stop();
}

// Each message names the place and what to do.
TEST_F(Rewrite, WhatIsWrongIsSaid) {
  const std::pair<const char*, const char*> kCases[] = {
      {"rewrite", ":2:3: rewrite: something is missing; write `rewrite [continue|stop]"},
      {"rewrite nam a b", ":2:11: rewrite: 'nam' is not one of name, type, class"},
      {"rewrite name a", ":2:11: rewrite: something is missing; write `name ["},
      {"rewrite name sufix a b", ":2:16: rewrite: 'sufix' is not one of exact, prefix"},
      {"rewrite name regex (a b", ":2:22: rewrite: '(a' is not a regular expression: missing"},
      {"rewrite name regex (a) {1}{2}", ":2:26: rewrite: '{1}{2}' has places for more groups"},
      {"rewrite name exact a b answer name x",
       ":2:38: rewrite: something is missing; write `answer"},
      {"rewrite name suffix a b answer auto name x y", "and `answer auto` cannot stand together"},
      {"rewrite answer auto", "'answer' cannot stand alone; write it behind a `name` rule"},
      {"rewrite type A", "something is missing; write `type FROM TO`"},
      {"rewrite type A NOPE", "'NOPE' is not a type of records"},
      {"rewrite class IN XX", "'XX' is not a class; write IN, CH or HS"},
      {"rewrite ttl a 10-5", "'10-5' begins above its end"},
      {"rewrite ttl a -", "'-' is not a TTL"},
      {"rewrite rcode a NXDOMAIN 99", "'99' is"},
      {"rewrite edns0 local set 70000 x", "'70000' is not the code of an EDNS option"},
      {"rewrite edns0 local set 1 0xabc", "'0xabc' is not made of pairs"},
      {"rewrite edns0 local set 1 {client}", "'{client}' is not one of {qname}"},
      {"rewrite edns0 subnet set 33 1", "'33' is"},
      {"rewrite edns0 nsid drop", "'drop' is not one of set, append"},
      {"rewrite name a b {\n  answer auto\n  }", "the rule stands on the line already"},
  };
  for (const auto& [line, message] : kCases) {
    const auto path = directory_.write("Bad", ".:0 {\n  " + std::string(line) + "\n  whoami\n}\n");
    const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
    EXPECT_EQ(result.exit_code, 1) << line;
    EXPECT_THAT(result.standard_error, ::testing::HasSubstr(message)) << line;
  }
}

}  // namespace
}  // namespace clusterdns::test
