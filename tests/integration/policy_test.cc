// `acl`, `template`, `view`, `dns64`, `autopath` and the smaller directives in the real program.
#include <gmock/gmock.h>

#include "integration/fixture.h"
#include "support/dns_client.h"
#include "support/http_client.h"

namespace clusterdns::test {
namespace {

using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

class Policy : public Integration {
 protected:
  void with(std::string_view lines) {
    const auto hosts =
        directory_.write("hosts", "192.0.2.1 a.test db.secret.test www.example.com\n");
    serve_corefile(".:0 {\n  bind 127.0.0.1\n" + std::string(lines) + "  hosts " + hosts.string() +
                   " {\n    fallthrough\n  }\n}\n");
  }
  std::string bad(const std::string& text) {
    const auto path = directory_.write("Bad", text);
    const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
    EXPECT_EQ(result.exit_code, 1) << text;
    return result.standard_error;
  }
};

// What `rewrite` makes of a name is judged, and what it was made of, too.
TEST_F(Policy, AclBeforeAndBehindRewrite) {
  with(
      "  rewrite name out.test db.secret.test\n"
      "  rewrite name in.secret.test a.test\n"
      "  acl secret.test {\n    block net 127.0.0.0/8\n  }\n"
      "  acl {\n    filter type TXT\n  }\n");
  EXPECT_EQ(ask("a.test").rcode, 0);
  EXPECT_EQ(ask("db.secret.test").rcode, 5);
  EXPECT_EQ(ask("out.test").rcode, 5);
  EXPECT_EQ(ask("in.secret.test").rcode, 5);
  const Message filtered = ask("a.test", "TXT");
  EXPECT_EQ(filtered.rcode, 0);
  EXPECT_TRUE(filtered.answer.empty());
  stop();
}

// Addresses that come along tell as much as those that are asked for.
TEST_F(Policy, AclHoldsForAdditionalRecords) {
  const auto zone = directory_.write("db.ex",
                                     "$TTL 60\n@ SOA ns h 1 2h 1h 2w 5m\n@ NS ns.else.\n"
                                     "m MX 1 x.secret\nm MX 2 open\ns SRV 0 0 1 x.secret\n"
                                     "sub NS ns.secret\nns.secret A 192.0.2.3\n"
                                     "x.secret A 192.0.2.1\nopen A 192.0.2.2\n");
  manifests_.write("a.yaml", headless_yaml("db", {"10.2.3.4"}, "hidden"));
  const auto additional = [&](std::string_view name, std::string_view type) {
    Texts owners;
    for (const Record& record : ask(name, type).additional) {
      if (record.type != type_from_text("OPT")) owners.push_back(record.owner);
    }
    return owners;
  };
  const auto served = [&](std::string_view acl) {
    serve_corefile(".:0 {\n  bind 127.0.0.1\n" + std::string(acl) + "  file " + zone.string() +
                   " ex\n  kubernetes cluster.local {\n    manifests %M\n  }\n}\n");
  };
  served("  acl secret.ex {\n    block\n  }\n");
  EXPECT_EQ(additional("m.ex", "MX"), Texts{"open.ex."});
  EXPECT_EQ(additional("s.ex", "SRV"), Texts{});
  EXPECT_EQ(additional("a.sub.ex", "A"), Texts{});
  EXPECT_EQ(ask("x.secret.ex").rcode, 5);
  stop();
  // By type alone.
  served("  acl {\n    filter type A AAAA\n  }\n");
  EXPECT_EQ(additional("m.ex", "MX"), Texts{});
  EXPECT_EQ(ask("m.ex", "MX").answer.size(), 2U);
  EXPECT_EQ(additional("db.hidden.svc.cluster.local", "SRV"), Texts{});
  EXPECT_EQ(ask("db.hidden.svc.cluster.local", "SRV").answer.size(), 1U);
  stop();
}

TEST_F(Policy, AclIsCounted) {
  with("  prometheus 127.0.0.1:0\n  acl secret.test {\n    block\n  }\n");
  (void)ask("a.test");
  (void)ask("db.secret.test");
  const std::string mark = "Serving /metrics on ";
  ASSERT_TRUE(server_->wait_for_output(mark));
  const std::string output = server_->output();
  const std::size_t at = output.rfind(mark) + mark.size();
  const auto metrics =
      http_get(Endpoint::from_text(output.substr(at, output.find('\n', at) - at)), "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("coredns_acl_allowed_requests_total{"));
  EXPECT_THAT(metrics, HasSubstr("coredns_acl_blocked_requests_total{"));
  EXPECT_THAT(metrics, HasSubstr("zone=\"secret.test.\"} 1"));
}

TEST_F(Policy, Templates) {
  with(
      "  template IN A example {\n"
      "    match \"^ip0a(?P<b>[a-f0-9]{2})(?P<c>[a-f0-9]{2})(?P<d>[a-f0-9]{2})[.]example[.]$\"\n"
      "    answer \"{{ .Name }} 60 IN A 10.{{ parseInt .Group.b 16 8 }}.{{ parseInt .Group.c 16 8 "
      "}}."
      "{{ parseInt .Group.d 16 8 }}\"\n"
      "    fallthrough\n  }\n"
      "  template ANY ANY invalid {\n    rcode NXDOMAIN\n  }\n"
      "  template IN ANY alias.test {\n    answer \"alias.test 60 IN CNAME a.test\"\n  }\n");
  EXPECT_EQ(addresses("ip0a7b7b7b.example"), Texts{"10.123.123.123"});
  EXPECT_EQ(ask("x.invalid").rcode, 3);
  EXPECT_EQ(ask("alias.test").answer.size(), 2u);
  stop();
}

TEST_F(Policy, ViewsShareAZone) {
  const auto one = directory_.write("one", "192.0.2.1 v.test\n");
  const auto two = directory_.write("two", "192.0.2.2 v.test\n");
  const auto three = directory_.write("three", "192.0.2.3 w.test v.test\n");
  // Port 0 is another one for each block that says it, unless they share a bind: one block, then.
  serve_corefile(
      "test:0 {\n  bind 127.0.0.1\n  view mail {\n    expr type() == 'AAAA'\n  }\n  hosts " +
      one.string() +
      "\n}\ntest:0 {\n  bind 127.0.0.1\n  view w {\n    expr name() == 'v.test.'\n  }\n"
      "  hosts " +
      two.string() + "\n}\n.:0 {\n  bind 127.0.0.1\n  hosts " + three.string() + "\n}\n");
  EXPECT_EQ(addresses("v.test"), Texts{"192.0.2.2"});
  EXPECT_TRUE(ask("v.test", "AAAA").answer.empty());
  // No view of the zone is for it: the zone around it is.
  EXPECT_EQ(addresses("w.test"), Texts{"192.0.2.3"});
  stop();
}

TEST_F(Policy, TheSmallOnes) {
  with(
      "  any\n  chaos version author\n  nsid one\n  bufsize 512\n  minimal\n  local\n  debug\n  "
      "cancel 5s\n"
      "  metadata\n  root /tmp\n  timeouts {\n    idle 5m\n  }\n  header {\n    response set ra\n  "
      "}\n"
      "  dns64 {\n    allow_ipv4\n  }\n  loadbalance off {\n    prefer 10.0.0.0/8\n  }\n");
  EXPECT_EQ(ask("a.test", "ANY").answer.at(0).type, 13);
  EXPECT_EQ(addresses("x.localhost"), Texts{"127.0.0.1"});
  EXPECT_EQ(addresses("a.test", "AAAA"), Texts{"64:ff9b::c000:201"});
  stop();
}

TEST_F(Policy, ErraticIsErratic) {
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  erratic {\n    drop 0\n    delay 1 1ms\n  }\n}\n");
  EXPECT_EQ(addresses("x.test"), Texts{"192.0.2.53"});
  stop();
}

TEST_F(Policy, TakenWithAWarningOrRefusedWithAdvice) {
  const auto path = directory_.write("Corefile",
                                     ".:0 {\n  bind 127.0.0.1\n  pprof\n  multisocket 2\n  trace\n "
                                     " shed {\n    x\n  }\n  whoami\n}\n");
  {
    server_.emplace(ProcessOptions{.arguments = {"-conf", path.string()}});
    ASSERT_TRUE(server_->wait_for_output("'shed' has no effect here")) << server_->output();
    EXPECT_EQ(server_->stop(), 0);
  }
  const RunResult strict = run(ProcessOptions{.arguments = {"-strict", "-conf", path.string()}});
  EXPECT_EQ(strict.exit_code, 1);
  EXPECT_THAT(strict.standard_error, HasSubstr("Corefile:3:3: 'pprof' has no effect here: "));
  EXPECT_THAT(
      bad(".:0 {\n  route53\n}\n"),
      HasSubstr(
          "Bad:2:3: 'route53' is a directive of CoreDNS that is not supported; write `forward`"));
  EXPECT_THAT(bad(".:0 {\n  fanout . 1.1.1.1\n}\n"),
              HasSubstr("is a plugin that is no part of CoreDNS, and not supported; `forward`"));
  EXPECT_THAT(bad("quic://.:0 {\n  whoami\n}\n"),
              HasSubstr("'quic://' is not supported; let a proxy"));
  const std::string counted = bad(".:0 {\n  on\n  quic\n}\na.test:0 {\n  on\n}\n");
  EXPECT_THAT(counted, HasSubstr("2 directives are not supported: on (2 places), quic"));
}

TEST_F(Policy, WhatIsWrongIsSaid) {
  const std::pair<const char*, const char*> kCases[] = {
      {"acl {\n  allw\n  }", "did you mean 'allow'?"},
      {"acl {\n  block net\n  }", "acl: block: 'net' names no network"},
      {"acl {\n  block type NOPE\n  }", "acl: block: 'NOPE' is not a type of records"},
      {"acl {\n  block net 1.2.3.4/99\n  }", "acl: block: "},
      {"template IN", "write `template CLASS TYPE"},
      {"template IN A {\n  answer \"{{ .Nam }}\"\n  }",
       "template: answer: '{{ .Nam }}' is not a template: there is no field .Nam"},
      {"template IN A {\n  match \"(\"\n  }", "is not a regular expression: missing )"},
      {"template IN A {\n  expr client_ip( == 1\n  }", "template: expr: "},
      {"template IN A {\n  var len 1\n  }",
       "template: var: 'len' cannot be the name of a variable"},
      {"view {\n  expr true\n  }", "write `view NAME`"},
      {"view v {\n  expr nam() == ''\n  }",
       "view: expr: 'nam() == ''' is not an expression: unknown function nam"},
      {"dns64 10.0.0.0/8", "dns64: '10.0.0.0/8' is not a prefix of IPv6"},
      {"dns64 64:ff9b::/97", "has a length that no address of IPv4 can follow"},
      {"bufsize 100", "bufsize: '100' is"},
      {"header {\n  }", "header: says nothing"},
      {"header {\n  query set xx\n  }", "header: query set: 'xx' is not a valid value"},
      {"loadbalance weighted", "write `loadbalance weighted FILE`"},
      {"autopath @redis", "autopath: '@redis' is not known"},
      {"autopath @kubernetes", "needs `kubernetes` in the same server block"},
      {"erratic {\n  delay 1 1h\n  }", "erratic: delay: '1h' is"},
      {"local {\n  localhost_prefix maybe\n  }",
       "local: localhost_prefix: 'maybe' is not a valid value"},
  };
  for (const auto& [lines, message] : kCases) {
    EXPECT_THAT(bad(".:0 {\n  " + std::string(lines) + "\n  whoami\n}\n"), HasSubstr(message))
        << lines;
  }
}

}  // namespace
}  // namespace clusterdns::test
