// What check_corefile() finds, which is what a start finds.
#include "app/instance/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/corefile/limits.h"
#include "app/corefile/parser.h"
#include "tests/unit/app/folder.h"
#include "tests/unit/growth.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Strings = std::vector<std::string>;

// Of a whole Corefile, those that are warnings marked.
Strings problems_of(const std::string& text, CheckPlace place = CheckPlace::Here) {
  Problems problems;
  ParseOptions options;
  options.elsewhere = place == CheckPlace::Elsewhere;
  const Corefile corefile = parse_corefile(text, "f", options, problems);
  if (corefile.whole) check_corefile(corefile, 53, place, problems);
  Strings texts;
  for (const Problem& problem : problems.sorted()) {
    texts.push_back(to_string(problem) + (problem.is_error() ? "" : " (warning)"));
  }
  return texts;
}

// Of one block with these lines, which begin at line 2.
Strings in_block(const std::string& lines) { return problems_of(".:0 {\n" + lines + "\n}\n"); }

TEST(CheckCorefile, EveryBlockDirectiveAndOptionIsJudged) {
  EXPECT_THAT(problems_of(R"(a.test:0 {
    kubernets
    cache many {
        success many
        servfail soon
        nothing
    }
    forward . 1.2.3.4.5 a..b {
        policy best
        max_fails -1
    }
    on
}
tls://b.test:0 {
    whoam
    bind 127.0.0.1 nowhere0 nowhere1
    log . {
        class nope
    }
    log .
    workers none
    whoami
    whoami
}
)"),
              ElementsAre("f:2:5: 'kubernets' is not a directive; did you mean 'kubernetes'?",
                          "f:4:17: cache: success: 'many' is not a valid number; write one from 0 "
                          "to 4194304",
                          StartsWith("f:5:18: cache: servfail: 'soon' is not a duration; "),
                          StartsWith("f:6:9: cache: 'nothing' is not an option here; choose "
                                     "from: "),
                          StartsWith("f:8:15: forward: "), StartsWith("f:8:25: forward: "),
                          "f:9:16: forward: policy: 'best' is not a valid value here; choose "
                          "from: random, "
                          "round_robin, sequential, latency",
                          "f:10:19: forward: max_fails: '-1' is not a valid number; write one "
                          "from 0 to 1000",
                          "f:12:5: 'on' is a directive of CoreDNS that is not supported yet",
                          "f:14:1: tls:// needs a certificate and its key; write `tls CERT KEY` in "
                          "the server block",
                          "f:15:5: 'whoam' is not a directive; did you mean 'whoami'?",
                          StartsWith("f:16:20: bind: 'nowhere0' is neither an address nor "),
                          StartsWith("f:16:29: bind: 'nowhere1' is neither an address nor "),
                          StartsWith("f:18:15: log: class: 'nope' is not a valid value here; "),
                          "f:21:13: workers: 'none' is not a valid number; write one from 1 to 256",
                          "f:23:5: whoami: is given twice, first at f:22:5; remove one of them"));
}

// Whoever reads the message in the log of a pod has to know what it is about.
TEST(CheckCorefile, EveryMessageAboutAWordNamesDirectiveAndOption) {
  const std::vector<std::pair<std::string, Strings>> options = {
      {"kubernetes cluster.local",
       {"ttl", "pods", "ignore", "service_cidr", "pod_cidr", "startup_timeout", "watch_lease",
        "labels", "namespaces", "namespace_labels", "kubeconfig", "apiserver_qps",
        "apiserver_burst", "endpoint_pod_names", "noendpoints", "multicluster", "zonal",
        "fallthrough"}},
      {"forward . 192.0.2.1",
       {"policy",
        "max_fails",
        "expire",
        "health_check",
        "clients",
        "max_concurrent",
        "max_age",
        "read_timeout",
        "max_connect_attempts",
        "failover",
        "next",
        "next_on_nodata",
        "force_tcp",
        "prefer_udp",
        "max_idle_conns",
        "failfast_all_unhealthy_upstreams",
        "except",
        "tls",
        "tls_servername",
        "source_address",
        "resolver"}},
      {"cache", {"success", "denial", "servfail", "disable", "keepttl"}},
      {"hosts nowhere", {"ttl", "reload", "no_reverse", "fallthrough_unsupported", "fallthrough"}},
      {"search", {"ndots", "clients"}},
      {"log .", {"class"}},
      {"errors", {"consolidate", "stacktrace"}},
      {"health :0", {"lameduck", "grace"}},
      {"ready :0", {"monitor"}},
  };
  for (const auto& [directive, names] : options) {
    const std::string name = directive.substr(0, directive.find(' '));
    for (const std::string& option : names) {
      for (const char* value :
           {"-1", "a..b", "99999999999999999999", "5q \"(\"", "1 2 3 4 5 6", ""}) {
        const std::string lines = directive + " {\n" + option + " " + value + "\n}";
        for (const std::string& problem : in_block(lines)) {
          if (problem.find("(warning)") != std::string::npos) continue;
          EXPECT_TRUE(problem.starts_with("f:3:") || problem.starts_with("f:2:")) << problem;
          const std::string text = problem.substr(problem.find(": ") + 2);
          EXPECT_TRUE(text.starts_with(name + ": ")) << lines << "\n" << problem;
          if (problem.starts_with("f:3:")) {
            EXPECT_TRUE(text.starts_with(name + ": " + option + ": ")) << lines << "\n" << problem;
          }
        }
      }
    }
  }
  for (const char* line :
       {"health :99999", "ready x", "prometheus x", "reload soon", "reload 1s", "reload 5s 1ms",
        "loadbalance best", "loop x", "workers many", "cache -5", "errors stderr", "whoami x",
        "search .", "bind", "hosts a 5", "forward 5 192.0.2.1", "kubernetes 5", "log 5",
        "forward . 192.0.2.1 {\n doh_method GET\n}"}) {
    const std::string name = std::string(line).substr(0, std::string(line).find(' '));
    std::vector<std::string> errors = in_block(line);
    std::erase_if(errors,
                  [](const std::string& problem) { return problem.ends_with("(warning)"); });
    EXPECT_THAT(errors, ElementsAre(HasSubstr(": " + name + ": "))) << line;
  }
}

// Advice to leave out what protects would be followed.
TEST(CheckCorefile, WhatIsNotSupportedIsNotToBeLeftOut) {
  for (const char* line : {"on", "quic", "forward . 192.0.2.1 {\n doh_method GET\n}"}) {
    const Strings problems = in_block(line);
    EXPECT_THAT(problems, ElementsAre(HasSubstr("is not supported yet"))) << line;
    for (const std::string& problem : problems) {
      EXPECT_EQ(problem.find("remove"), std::string::npos) << problem;
    }
  }
}

// CoreDNS 1.15 refuses the first ones. Of the others it makes zones, names and files, and so serves
// something else than what was meant.
TEST(CheckCorefile, AWrongValueIsNotTakenForSomethingElse) {
  for (const char* line : {"cache -5",
                           "cache 0",
                           "cache +0",
                           "cache 99999999999",
                           "cache -5 example.org",
                           "cache {\n success -1\n}",
                           "cache {\n success 1 0\n}",
                           "cache {\n success 1 1 -1\n}",
                           "cache {\n denial 1.5\n}",
                           "cache {\n prefetch\n}",
                           "cache {\n prefetch -1\n}",
                           "cache {\n prefetch 1 60\n}",
                           "cache {\n prefetch 1 1m 10\n}",
                           "cache {\n prefetch 1 1m 9%\n}",
                           "cache {\n prefetch 1 1m 91%\n}",
                           "cache {\n serve_stale -1h\n}",
                           "cache {\n serve_stale 1h later\n}",
                           "cache {\n serve_stale 1h immediate 1500ms\n}",
                           "cache {\n serve_stale 1h immediate 1s 6m\n}",
                           "cache {\n serve_stale 1h immediate 1s 1s 1s\n}",
                           "cache {\n serve_stale 1h verify 1s 1s 1s 1s\n}",
                           "cache {\n serve_stale\n serve_stale_policy prefer_negative\n}",
                           "cache {\n serve_stale_policy prefer_positive\n}",
                           "cache {\n servfail -1s\n}",
                           "cache {\n servfail 6m\n}",
                           "cache {\n servfail 5\n}",
                           "kubernetes cluster.local {\n ttl -1\n}",
                           "kubernetes cluster.local {\n ttl 5s\n}",
                           "hosts {\n ttl 0\n}",
                           "hosts {\n ttl 65536\n}",
                           "hosts {\n reload -1s\n}",
                           "forward . 192.0.2.1 {\n max_fails -1\n}",
                           "forward . 192.0.2.1 {\n expire -1s\n}",
                           "forward . 192.0.2.1 max_fails 3",
                           "forward . 192.0.2",
                           "forward . 192.0.2.1 {\n resolver dns.test\n}",
                           "forward . 192.0.2.1 {\n source_address 10.0.0.0/8\n}",
                           "forward . tls://192.0.2.1%dns%test",
                           "forward . tls://192.0.2.1%a.test {\n tls_servername b.test\n}",
                           "forward . quic://192.0.2.1",
                           "forward . 192.0.2.1:0",
                           "forward . 192.0.2.1:70000",
                           "health :70000",
                           "health 8080",
                           "prometheus 9153",
                           "reload 30",
                           "reload -30s",
                           "health {\n lameduck 5\n}",
                           "cache 30s",
                           "cache 1d",
                           "cache 5.5",
                           "cache 30 60",
                           "cache example.org 30",
                           "cache success 9984",
                           "cache disable success",
                           "cache 0x10",
                           "hosts ttl 5",
                           "hosts fallthrough",
                           "hosts /etc/hosts 30",
                           "log class error",
                           "search ndots 5",
                           "search 5",
                           "kubernetes pods verified",
                           "kubernetes 30",
                           "kubernetes cluster.local ttl 5",
                           "kubernetes 10.96.0.10",
                           "kubernetes cluster.local {\n namespaces default,kube-system\n}",
                           "kubernetes cluster.local {\n multicluster 5\n}",
                           "kubernetes cluster.local {\n fallthrough 5\n}",
                           "forward 192.0.2.1 192.0.2.2",
                           "forward 5 192.0.2.1",
                           "errors {\n consolidate 5 x\n}",
                           "errors {\n consolidate -5m x\n}",
                           "search {\n ndots -1\n}",
                           "workers 0",
                           "workers -1",
                           "workers 1.5"}) {
    EXPECT_THAT(in_block(line), ElementsAre(HasSubstr(":"))) << line;
  }
  for (const char* line :
       {"cache 5", "cache 30 example.org", "cache example.org", "cache 1.example",
        "cache 10.0.0.0/8", "cache \"disable\"", "log example.org", "kubernetes a.test",
        "search example.org", "forward 10.0.0.0/8 192.0.2.1"}) {
    EXPECT_THAT(in_block(line), IsEmpty()) << line;
  }
}

TEST(CheckCorefile, WhatAStartWarnsOf) {
  EXPECT_THAT(
      in_block("kubernetes cluster.local {\n resyncperiod 5m\n multicluster\n}"),
      ElementsAre(
          "f:3:2: kubernetes: resyncperiod: no longer has any effect; remove it (warning)",
          "f:4:2: kubernetes: multicluster: has no effect without a zone; name the zone, for "
          "example clusterset.local (warning)"));
  EXPECT_THAT(in_block("proxy . 192.0.2.1 {\n spray\n}"),
              ElementsAre("f:2:1: proxy: is treated as 'forward'; write 'forward' instead "
                          "(warning)",
                          "f:3:2: proxy: spray: no longer has any effect; remove it (warning)"));
  // TEST-NET-1: nobody has it.
  EXPECT_THAT(in_block("bind 192.0.2.1"),
              ElementsAre("f:2:6: bind: '192.0.2.1' is not an address of this machine; the server "
                          "cannot listen there (warning)"));
}

// $HOME for as long as this lives.
class Home {
 public:
  explicit Home(const std::string& path) {
    if (const char* const before = std::getenv("HOME")) before_ = before;
    ::setenv("HOME", path.c_str(), 1);
  }
  ~Home() {
    if (before_) {
      ::setenv("HOME", before_->c_str(), 1);
    } else {
      ::unsetenv("HOME");
    }
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

 private:
  std::optional<std::string> before_;
};

TEST(CheckCorefile, TildesAreHomeInEveryPath) {
  const Folder folder;
  const Home home(folder / "*home");  // which is no pattern
  folder.write("*home/hosts", "nonsense a.example\n");
  folder.write("*home/upstreams", "nameserver 192.0.2.1\nnonsense\n");
  folder.write("*home/a.conf", "whoam\n");
  folder.write("*home/more/b.conf", "cach\n");
  folder.write("*home/m.yaml", "kind: Servce\napiVersion: v1\nmetadata: {name: a}\n");
  folder.write("xhome/more/c.conf", "not imported\n");
  const auto told = [&](const std::string& lines) {
    Strings texts = in_block(lines);
    for (std::string& text : texts) text = folder.strip(text);
    return texts;
  };
  EXPECT_THAT(told("hosts ~/hosts"), ElementsAre(HasSubstr("DIR/*home/hosts")));
  EXPECT_THAT(told("forward . ~/upstreams"), ElementsAre(HasSubstr("DIR/*home/upstreams")));
  EXPECT_THAT(told("import ~/a.conf"), ElementsAre(StartsWith("DIR/*home/a.conf:1:1: 'whoam'")));
  EXPECT_THAT(told("import ~/more/*.conf"),
              ElementsAre(StartsWith("DIR/*home/more/b.conf:1:1: 'cach'")));
  EXPECT_THAT(told("kubernetes cluster.local {\n manifests ~/m.yaml\n}"),
              ElementsAre(StartsWith("DIR/*home/m.yaml:")));
  EXPECT_THAT(told("kubernetes cluster.local {\n kubeconfig ~/config\n}"),
              ElementsAre(HasSubstr("'DIR/*home/config'")));
  // Of another user, or the name of a folder.
  EXPECT_THAT(told("hosts ~nobody/hosts"), ElementsAre(HasSubstr("~nobody/hosts")));
  EXPECT_THAT(told("import ./~/a.conf"), ElementsAre(HasSubstr("no file '~/a.conf'")));
}

TEST(CheckCorefile, ASnapshotIsOfOneSource) {
  const Folder folder;
  const std::string path = folder / "state";
  const auto blocks = [](const std::string& first, const std::string& second) {
    return problems_of(".:0 {\n kubernetes a.test {\n  endpoint http://192.0.2.1\n  " + first +
                       "\n }\n}\nb.test:0 {\n kubernetes b.test {\n  " + second + "\n }\n}\n");
  };
  EXPECT_THAT(
      blocks("snapshot " + path,
             "endpoint http://192.0.2.2\n  snapshot " + (folder / "x/../state")),
      ElementsAre("f:10:3: kubernetes: snapshot: '" + (folder / "x/../state") +
                  "' is the snapshot of the `kubernetes` at f:2:2 too, which reads something "
                  "else; give each a file of its own"));
  // One source, and two files.
  EXPECT_THAT(blocks("snapshot " + path, "endpoint http://192.0.2.1\n  snapshot " + path),
              IsEmpty());
  EXPECT_THAT(blocks("snapshot " + path, "endpoint http://192.0.2.2\n  snapshot " + path + "2"),
              IsEmpty());
}

TEST(CheckCorefile, StrictIsForManifests) {
  EXPECT_THAT(in_block("kubernetes cluster.local {\n endpoint http://192.0.2.1\n strict\n}"),
              ElementsAre("f:4:2: kubernetes: strict: has no effect without 'manifests'; remove it "
                          "(warning)"));
}

// ---- cost ----

// Eight times as much: linear is 8, quadratic 64.
constexpr double kLinear = 24;

double growth_of(const std::function<std::string(int)>& corefile, int small) {
  const std::string few = corefile(small), many = corefile(8 * small);
  EXPECT_THAT(problems_of(many), IsEmpty());
  return unit::growth([&] { return problems_of(few).size(); },
                      [&] { return problems_of(many).size(); });
}

// `count` words made of their numbers.
std::string words(int count, const std::function<std::string(int)>& word) {
  std::string text;
  for (int i = 0; i < count; ++i) text += " " + word(i);
  return text;
}

std::string zone_word(int i) { return "z" + std::to_string(i) + ".test"; }

TEST(CheckCorefileCost, ZonesOfADirective) {
  EXPECT_LT(growth_of([](int n) { return ".:0 {\n cache 5" + words(n, zone_word) + "\n}\n"; }, 500),
            kLinear);
}

TEST(CheckCorefileCost, NamesOfLog) {
  EXPECT_LT(growth_of([](int n) { return ".:0 {\n log" + words(n, zone_word) + "\n}\n"; }, 500),
            kLinear);
}

TEST(CheckCorefileCost, AddressesOfBind) {
  const auto address = [](int i) {
    return "127.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
  };
  EXPECT_LT(growth_of(
                [&](int n) {
                  return ".:0 {\n bind" + words(n, address) + " {\n  except" +
                         words(n / 2, address) + "\n }\n whoami\n}\n";
                },
                250),
            kLinear);
}

TEST(CheckCorefileCost, Listeners) {
  EXPECT_LT(growth_of(
                [](int n) {
                  return words(n, [](int i) { return "a.test:" + std::to_string(1'000 + i); }) +
                         " {\n bind 127.0.0.1 127.0.0.2\n whoami\n}\n";
                },
                250),
            kLinear);
  EXPECT_LT(growth_of(
                [](int n) {
                  return words(n, [](int i) {
                    return "a.test:" + std::to_string(1'000 + i) + " {\n whoami\n}\n";
                  });
                },
                250),
            kLinear);
}

TEST(CheckCorefileCost, ForwardsOfABlock) {
  const auto block = [](int n) {
    return ".:0 {\n" + words(n, [](int i) { return "forward " + zone_word(i) + " 192.0.2.1\n"; }) +
           "}\n";
  };
  EXPECT_LT(growth_of(block, static_cast<int>(kMaxForwards) / 8), kLinear);
  EXPECT_THAT(
      problems_of(block(kMaxForwards + 2)),
      ElementsAre("f:258:2: forward: more than 256 in one server block, each of which a query may "
                  "come past; give zones server blocks of their own"));
}

TEST(CheckCorefile, WhatIsForAnotherMachineIsNotLookedForHere) {
  const std::string text =
      ".:53 {\n bind nowhere0 192.0.2.1\n hosts /nowhere\n forward . /nowhere/resolv.conf\n"
      " kubernetes cluster.local {\n  kubeconfig /nowhere\n }\n kubernetes a.test {\n  manifests "
      "/nowhere\n"
      " }\n}\n";
  EXPECT_THAT(problems_of(text, CheckPlace::Elsewhere), IsEmpty());
  EXPECT_FALSE(problems_of(text, CheckPlace::Here).empty());
}

}  // namespace
}  // namespace clusterdns::app
