#include "app/commands/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/app/folder.h"

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Result {
  int code = 0;
  std::string out;  // with the folder as DIR
  std::string err;
};

Result check(const Folder& folder, const std::vector<std::string>& names,
             OutputFormat format = OutputFormat::Text) {
  CheckOptions options;
  for (const std::string& name : names) options.paths.push_back(folder / name);
  options.format = format;
  std::ostringstream out, err;
  Result result;
  result.code = run_check(options, out, err);
  result.out = folder.strip(out.str());
  result.err = folder.strip(err.str());
  return result;
}

TEST(Check, ALineForEachProblem) {
  const Folder folder;
  folder.write(
      "Corefile",
      ".:0 {\n  kubernets\n  kubernetes a.test {\n    resyncperiod 1s\n    ttl x\n  }\n}\n");
  const Result result = check(folder, {"Corefile", "gone"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "DIR/gone: no such file or folder\n"
            "DIR/Corefile:2:3: 'kubernets' is not a directive; did you mean 'kubernetes'?\n"
            "DIR/Corefile:4:5: kubernetes: resyncperiod: no longer has any effect; remove it "
            "(warning)\n"
            "DIR/Corefile:5:9: kubernetes: ttl: 'x' is not a valid number; write one from 0 to "
            "3600\n");
  EXPECT_EQ(result.out, "");
}

// Blocks that answer one another's questions, as CoreDNS's documentation of `forward` has them.
TEST(Check, ForwardToAnotherBlockOfTheSameServer) {
  const Folder folder;
  for (const char* good :
       {".:10531 {\n  bind 127.0.0.1\n  forward . 127.0.0.1:10532\n}\n.:10532 {\n  bind 127.0.0.1\n"
        "  whoami\n}\n",
        // The closest socket takes it.
        "a.example:10531 {\n  forward . 127.0.0.2:10531\n}\n.:10531 {\n  bind 127.0.0.2\n  "
        "whoami\n}\n",
        // What is served there is another zone.
        ".:10531 {\n  bind 127.0.0.1\n  forward . 127.0.0.1:10532\n}\n"
        "corp.example:10532 {\n  bind 127.0.0.1\n  whoami\n}\n",
        ".:10531 {\n  bind 127.0.0.1\n  forward corp.example 127.0.0.1:10531\n}\n"
        "corp.example:10531 {\n  bind 127.0.0.1\n  whoami\n}\n",
        // Nobody listens there.
        ".:10531 {\n  bind 127.0.0.1\n  forward . 127.0.0.2:10531\n}\n"}) {
    folder.write("Corefile", good);
    const Result result = check(folder, {"Corefile"});
    EXPECT_THAT(result.err, Not(HasSubstr("would loop"))) << good;
    EXPECT_EQ(result.code, 0) << good;
  }
  for (const char* bad :
       {".:10531 {\n  bind 127.0.0.1\n  forward . 127.0.0.1:10531\n}\n",
        ".:10531 {\n  forward . 127.0.0.9:10531\n}\n",
        ".:10531 {\n  bind 127.0.0.1\n  forward corp.example 127.0.0.1:10531\n}\n",
        "corp.example:10531 {\n  bind 127.0.0.1\n  forward . 127.0.0.1:10531\n}\n",
        // Names of the second key go round; those of the first do not come in there.
        "a.example:10531 b.a.example:10532 {\n  bind 127.0.0.1\n  forward . "
        "127.0.0.1:10532\n}\n"}) {
    folder.write("Corefile", bad);
    const Result result = check(folder, {"Corefile"});
    EXPECT_THAT(result.err, HasSubstr("is this server itself, so that every query would loop"))
        << bad;
    EXPECT_EQ(result.code, 1) << bad;
  }
}

// Also by the server at its start, as a warning there.
TEST(Check, AHeadlessServiceWithoutPodsIsToldOnce) {
  const Folder folder;
  folder.write("a.yaml",
               "apiVersion: v1\nkind: Service\nmetadata: {name: db}\n"
               "spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}\n");
  const Result result = check(folder, {"a.yaml"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("[no-endpoints]"));
}

TEST(Check, OneClashIsOneError) {
  const Folder folder;
  folder.write("Corefile", ".:10533 {\n  whoami\n}\n.:10533 {\n  whoami\n}\n");
  const Result result = check(folder, {"Corefile"});
  EXPECT_EQ(
      result.err,
      "DIR/Corefile:4:1: dns://.:10533 is already served by another block, at DIR/Corefile:1:1; "
      "merge the two, or give one of them another port or `bind`\n");
  // Which only addresses show: once, too.
  folder.write("Corefile",
               ".:10533 {\n  bind lo\n  whoami\n}\n.:10533 {\n  bind 127.0.0.1\n  whoami\n}\n");
  EXPECT_THAT(
      check(folder, {"Corefile"}).err,
      ::testing::MatchesRegex("DIR/Corefile:5:1: [^\n]*already served by another block[^\n]*\n"));
}

// Runs `call` with standard input from a pipe that holds `text`.
template <class Call>
void with_standard_input(const std::string& text, Call call) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const int before = ::dup(STDIN_FILENO);
  ASSERT_EQ(::dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
  ::close(ends[0]);
  std::cin.clear();
  call();
  ASSERT_EQ(::dup2(before, STDIN_FILENO), STDIN_FILENO);
  ::close(before);
}

TEST(Check, StandardInputIsACorefileOrAManifest) {
  const auto checked = [](const std::string& text) {
    CheckOptions options;
    options.paths = {"-"};
    std::ostringstream summary, problems;
    with_standard_input(text, [&] { (void)run_check(options, summary, problems); });
    return summary.str() + problems.str();
  };
  EXPECT_THAT(checked("# a comment\n.:1053 {\n    whoami\n}\n"),
              ::testing::StartsWith("stdin: good (1 server block)\n"));
  EXPECT_THAT(checked(".:1053 {\n    whoamy\n}\n"),
              HasSubstr("stdin:2:5: 'whoamy' is not a directive; did you mean 'whoami'?"));
  // Read once only in one process.
  EXPECT_THAT(checked("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"),
              HasSubstr("manifests: good (1 file, 1 object, "));
}

TEST(Check, WarningsDoNotMakeItFail) {
  const Folder folder;
  folder.write("Corefile", ".:0 {\n  import no*\n  whoami\n}\n");
  const Result result = check(folder, {"Corefile"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err,
            "DIR/Corefile:2:10: no file matches 'no*'; nothing is imported (warning)\n");
  EXPECT_EQ(result.out,
            "DIR/Corefile: good (1 server block)\n\n.:0\n  www.example.com (.)\n"
            "    whoami  answers with the client's address\n");
}

// ---- what server blocks do ----------------------------------------------------------------------

struct Checked {
  int code = 0;
  std::string out, err;
};
Checked checked_with(const std::string& corefile, CheckOptions options) {
  const Folder folder;
  options.paths.push_back(folder.write("Corefile", corefile));
  std::ostringstream out, err;
  Checked result;
  result.code = run_check(options, out, err);
  result.out = folder.strip(out.str());
  result.err = folder.strip(err.str());
  return result;
}

constexpr std::string_view kCluster =
    ".:0 {\n  kubernetes cluster.local 10.96.0.0/13 {\n    fallthrough in-addr.arpa\n  }\n  "
    "forward . 192.0.2.1\n}\n";

TEST(Check, TellsWhatABlockDoesWithAnExampleOfEveryZone) {
  EXPECT_EQ(checked_with(std::string(kCluster), {}).out,
            "DIR/Corefile: good (1 server block)\n"
            "\n"
            ".:0\n"
            "  web.default.svc.cluster.local (cluster.local)\n"
            "    kubernetes  answers for the cluster; what is not there is NXDOMAIN\n"
            "  1.0.96.10.in-addr.arpa (96.10.in-addr.arpa, 97.10.in-addr.arpa, "
            "98.10.in-addr.arpa, 99.10.in-addr.arpa, 100.10.in-addr.arpa, 101.10.in-addr.arpa, "
            "102.10.in-addr.arpa and 1 more)\n"
            "    kubernetes  answers for the cluster; what is not there goes on\n"
            "    forward     asks 192.0.2.1\n"
            "  www.example.com (.)\n"
            "    forward  asks 192.0.2.1\n");
  CheckOptions quiet;
  quiet.quiet = true;
  EXPECT_EQ(checked_with(std::string(kCluster), quiet).out,
            "DIR/Corefile: good (1 server block)\n");
  // Printed is a Corefile and nothing else.
  CheckOptions print;
  print.print = true;
  EXPECT_THAT(checked_with(".:0 {\n  whoami\n}\n", print).out, Not(HasSubstr("answers with")));
}

TEST(Check, TellsWhatBlocksDoAsJson) {
  CheckOptions json;
  json.format = OutputFormat::Json;
  EXPECT_EQ(
      checked_with("example.org:0 {\n  view a {\n    expr true\n  }\n  whoami\n}\n", json).out,
      "{\"problems\":[],\"errors\":0,\"warnings\":0,\"blocks\":[{\"file\":\"DIR/Corefile\","
      "\"line\":1,\"keys\":\"example.org.:0\",\"only\":\"true\",\"names\":[{\"zone\":"
      "\"example.org.\",\"also\":[],\"name\":\"www.example.org.\",\"steps\":[{\"directive\":"
      "\"whoami\",\"line\":5,\"text\":\"answers with the client's address\"}],\"answered\":"
      "true}]}]}\n");
}

TEST(Check, HarmfulRecipesAreWarnings) {
  const Checked found =
      checked_with(".:0 {\n  hosts {\n    10.0.0.1 a.example\n    fallthrough\n  }\n}\n", {});
  EXPECT_EQ(found.code, 0);
  EXPECT_THAT(found.err, HasSubstr("DIR/Corefile:4:5: hosts: fallthrough: leads nowhere: "));
  EXPECT_THAT(found.err, HasSubstr(" (warning)\n"));
}

TEST(Check, ExitCodeBySeverity) {
  CheckOptions options;
  options.fail_on_warning = true;
  EXPECT_EQ(checked_with(".:0 {\n  whoami\n}\n", options).code, 0);
  EXPECT_EQ(checked_with(".:0 {\n  pprof\n  whoami\n}\n", options).code, 3);
  EXPECT_EQ(checked_with(".:0 {\n  pprof\n  nonsense\n}\n", options).code, 1);
  EXPECT_EQ(checked_with(".:0 {\n  pprof\n  whoami\n}\n", {}).code, 0);
}

TEST(Check, FromCoreDns) {
  CheckOptions options;
  options.from_coredns = options.quiet = true;
  const Checked good = checked_with(".:0 {\n  ready\n  cache 30\n  whoami\n}\n", options);
  EXPECT_EQ(good.code, 0);
  EXPECT_EQ(good.out,
            "DIR/Corefile: good (1 server block)\n"
            "As in CoreDNS: ready, whoami\n"
            "Otherwise than in CoreDNS:\n"
            "  cache (line 3): stands behind `hosts` and `kubernetes`, which are never stale; its "
            "metrics count only what comes to it\n");
  const Checked bad = checked_with(".:0 {\n  nomad service.nomad\n  whoami\n}\n", options);
  EXPECT_EQ(bad.code, 1);
  EXPECT_EQ(bad.out,
            "As in CoreDNS: whoami\n"
            "Not here:\n"
            "  nomad (line 2): write `forward` to Consul's or Nomad's own DNS port for these "
            "zones\n");
  options.format = OutputFormat::Json;
  EXPECT_THAT(
      checked_with(".:0 {\n  ready\n  cache 30\n}\n", options).out,
      HasSubstr("\"migration\":{\"same\":[\"ready\"],\"different\":[{\"directive\":\"cache\","
                "\"file\":\"DIR/Corefile\",\"line\":3,\"column\":3,"));
}

// A part of a server block, as providers import it, does not answer everything by itself.
TEST(Check, PartsOfServerBlocksAreNotLookedAtAsWholes) {
  const Folder folder;
  folder.write("maps.yaml",
               "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: coredns-custom}\ndata:\n  "
               "hosts.override: |\n    hosts {\n      10.0.0.1 a.example\n      fallthrough\n    "
               "}\n  Corefile: |\n    .:53 {\n        hosts {\n            fallthrough\n        "
               "}\n    }\n");
  const Result result = check(folder, {"maps.yaml"});
  EXPECT_EQ(
      result.err,
      "DIR/maps.yaml:13:13: hosts: fallthrough: leads nowhere: nothing behind `hosts` answers "
      "names like 'www.example.com.', which are REFUSED; add `forward`, or remove it "
      "(warning)\n");
  EXPECT_THAT(result.out, HasSubstr(".:53\n  www.example.com (.)\n    hosts  answers from "
                                    "/etc/hosts; what is not there goes on\n    what nothing here "
                                    "answers is REFUSED\n"));
}

TEST(Check, ManyProblemsAreCounted) {
  const Folder folder;
  std::string text = ".:0 {\n";
  for (int i = 0; i < 150; ++i) text += "  nonsense" + std::to_string(i) + "\n";
  folder.write("Corefile", text + "}\n");
  const Result result = check(folder, {"Corefile"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("DIR/Corefile:101:3: "));
  EXPECT_THAT(result.err, Not(HasSubstr("DIR/Corefile:102:3: ")));
  EXPECT_THAT(result.err, HasSubstr("\nand 50 more errors\n"));
}

TEST(Check, Json) {
  const Folder folder;
  folder.write("Corefile", ".:0 {\n  cache \"\\\"\" {\n    upstream\n  }\n}\n");
  folder.write("good", ".:0 {\n  import no*\n}\n");
  const Result result = check(folder, {"Corefile", "good"}, OutputFormat::Json);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out,
              ::testing::StartsWith("{\"problems\":[{\"severity\":\"error\",\"file\":\"DIR/"
                                    "Corefile\",\"line\":3,\"column\":5,\"text\":\"cache: "));
  EXPECT_THAT(result.out,
              HasSubstr("{\"severity\":\"warning\",\"file\":\"DIR/good\",\"line\":2,\"column\":10,"
                        "\"text\":\"no file matches 'no*'; nothing is imported\"}],\"errors\":1,"
                        "\"warnings\":1,\"blocks\":[{\"file\":\"DIR/good\","));
  EXPECT_EQ(check(folder, {"good"}, OutputFormat::Json).code, 0);
}

constexpr const char* kConfigMap = R"(apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data:
  other: |
    kubernets
  Corefile: |
    .:53 {

        cache -5
        forward . /nowhere/resolv.conf
        import /nowhere/*.override
    }
)";

TEST(Check, TheCorefileOfAConfigMap) {
  const Folder folder;
  folder.write("a.yaml", kConfigMap);
  const Result result = check(folder, {"a.yaml"});
  EXPECT_EQ(result.code, 1);
  // Of what is for another machine's files nothing is said.
  EXPECT_EQ(result.err,
            "DIR/a.yaml:10:15: cache: '-5' is not a valid number; write one from 1 to "
            "2147483647\n");
}

TEST(Check, ConfigMapsInListsAndBehindOtherDocuments) {
  const Folder folder;
  folder.write("a.yaml", R"(apiVersion: v1
kind: Namespace
metadata: {name: a}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: coredns-custom
  data:
    log.override: |
      log
      errors {
        nonsense
      }
    example.server: |
      example.test:53 {
        forward . 192.0.2.1 {
          max_fails -1
        }
      }
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: web}
  data:
    nginx.server: |
      server { listen 80; }
)");
  const Result result = check(folder, {"a.yaml"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "DIR/a.yaml:16:9: errors: 'nonsense' is not an option here; choose from: consolidate, "
            "stacktrace\n"
            "DIR/a.yaml:21:21: forward: max_fails: '-1' is not a valid number; write one from 0 "
            "to 1000\n");
}

// Where lines of the Corefile are not lines of the file, its own are told.
TEST(Check, ACorefileInQuotes) {
  const Folder folder;
  folder.write("a.json", R"({"apiVersion": "v1", "kind": "ConfigMap",
  "metadata": {"name": "coredns", "namespace": "kube-system"},
  "data": {"Corefile": ".:53 {\n    log\n    kubernets\n}\n"}})");
  const Result result = check(folder, {"a.json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "DIR/a.json:3:24: data.Corefile of kube-system/coredns:3:5: 'kubernets' is not a "
            "directive; did you mean 'kubernetes'?\n");
}

// As the API writes it: what the items are, the list says, here behind them. A value of binaryData
// is base64: ".:53 {\n    kubernets\n}\n".
TEST(Check, AConfigMapListAndBinaryData) {
  const Folder folder;
  folder.write("a.yaml", R"(apiVersion: v1
items:
- metadata: {name: coredns, namespace: kube-system}
  data:
    Corefile: |
      .:53 {
        cache -5
      }
- metadata: {name: other}
  binaryData:
    Corefile: Ljo1MyB7CiAgICBrdWJlcm5ldHMKfQo=
kind: ConfigMapList
)");
  const Result result = check(folder, {"a.yaml"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "DIR/a.yaml:7:15: cache: '-5' is not a valid number; write one from 1 to "
            "2147483647\n"
            "DIR/a.yaml:11:15: binaryData.Corefile of other:2:5: 'kubernets' is not a directive; "
            "did you mean 'kubernetes'?\n");
  folder.write("b.yaml", R"(apiVersion: v1
kind: ConfigMapList
items:
- metadata: {name: a}
  data: {Corefile: ". {\n  kubernets\n}"}
)");
  EXPECT_THAT(check(folder, {"b.yaml"}).err, HasSubstr("data.Corefile of a:2:3: 'kubernets'"));
  folder.write("c.yaml", R"(apiVersion: example.com/v1
kind: WidgetList
items:
- metadata: {name: a}
  data: {Corefile: ". {\n  kubernets\n}"}
)");
  EXPECT_EQ(check(folder, {"c.yaml"}).err, "");
}

TEST(Check, AGoodConfigMap) {
  const Folder folder;
  folder.write(
      "a.yaml",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: coredns}\ndata:\n  Corefile: |-\n"
      "    .:53 {\n        errors\n        cache 30\n        kubernetes cluster.local\n    }\n");
  const Result result = check(folder, {"a.yaml"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
}

constexpr char kNoRoute[] = R"(apiVersion: v1
kind: Namespace
metadata: {name: a}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: a, annotations: {external-dns.alpha.kubernetes.io/target: 192.0.2.1}}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: a}
spec:
  gatewayClassName: c
  addresses: [{value: 192.0.2.1}]
  listeners: [{name: web, port: 80, protocol: HTTP, hostname: b.example}]
)";

// Two kinds have the name Gateway.
TEST(Check, FindingsOfObjectsSayWhereTheyStand) {
  const Folder folder;
  folder.write("a.yaml", kNoRoute);
  const Result lines = check(folder, {"a.yaml"});
  EXPECT_THAT(lines.err, HasSubstr("DIR/a.yaml:5:1: Gateway a/gw: it accepts 'a.example'"));
  EXPECT_THAT(lines.err, HasSubstr("DIR/a.yaml:10:1: Gateway a/gw: listener 'web'"));
  const Result json = check(folder, {"a.yaml"}, OutputFormat::Json);
  EXPECT_EQ(json.code, 1);
  EXPECT_THAT(json.out, HasSubstr(R"("file":"DIR/a.yaml","line":5,"column":1)"));
  EXPECT_THAT(json.out, HasSubstr(R"("file":"DIR/a.yaml","line":10,"column":1)"));
}

// The source of manifests and the checks of objects would say the same.
TEST(Check, EachProblemIsToldOnce) {
  const Folder folder;
  folder.write("a.yaml", R"(apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: htpp}]}
---
apiVersion: v1
kind: Service
metadata: {name: none}
spec: {clusterIP: None, selector: {app: wbe}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}
)");
  const Result result = check(folder, {"a.yaml"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
  EXPECT_THAT(result.err,
              HasSubstr("a.yaml:1:1: Service default/web: port 80 leads to a port named"));
  EXPECT_THAT(result.err, HasSubstr("[target-port]"));
  EXPECT_THAT(result.err, HasSubstr("[no-endpoints]"));
}

TEST(Check, NothingOfATerminalComesThrough) {
  const Folder folder;
  folder.write("a\u202E.yaml", kNoRoute);
  const Result result = check(folder, {"a\u202E.yaml"});
  EXPECT_THAT(result.err, HasSubstr("DIR/a\\xE2\\x80\\xAE.yaml:5:1: Gateway a/gw"));
  EXPECT_THAT(result.err, Not(HasSubstr("\u202E")));
}

TEST(Check, AManifestIsKnownByItsText) {
  const Folder folder;
  folder.write("manifest", kConfigMap);
  EXPECT_THAT(check(folder, {"manifest"}).err, HasSubstr("manifest:10:15: cache: "));
}

}  // namespace
}  // namespace clusterdns::app
