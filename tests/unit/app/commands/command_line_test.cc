#include "app/commands/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "app/commands/coredns_flags.h"
#include "app/corefile/parser.h"
#include "app/corefile/print.h"
#include "app/instance/instance.h"
#include "dns/forward/upstream_address.h"
#include "dns/search/search_stage.h"
#include "registry/manifests/manifest_source.h"
#include "zones/cluster_stage.h"

namespace clusterdns::app {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Strings = std::vector<std::string>;
using Result = std::variant<CommandLine, CommandLineExit>;

Result parse(const Strings& args) {
  std::vector<const char*> argv = {"clusterdns"};
  for (const std::string& arg : args) argv.push_back(arg.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

// The options of a command line that must be right.
template <typename Options>
Options options(const Strings& args) {
  const Result result = parse(args);
  if (const auto* exit = std::get_if<CommandLineExit>(&result)) {
    ADD_FAILURE() << exit->text;
    return {};
  }
  const auto* found = std::get_if<Options>(&std::get<CommandLine>(result));
  if (found == nullptr) {
    ADD_FAILURE() << "another command";
    return {};
  }
  return *found;
}

CommandLineExit exit_of(const Strings& args) {
  const Result result = parse(args);
  if (const auto* exit = std::get_if<CommandLineExit>(&result)) return *exit;
  return {-1, "no exit"};
}

// The first line of what a wrong command line prints, after checking its exit code.
std::string error_of(const Strings& args, int code = 2) {
  const CommandLineExit exit = exit_of(args);
  EXPECT_EQ(exit.code, code) << exit.text;
  EXPECT_TRUE(exit.text.ends_with('\n'));
  return exit.text.substr(0, exit.text.find('\n'));
}

std::string serve(Strings args) {
  args.insert(args.begin(), "serve");
  const std::string text = corefile_for_serve(options<ServeOptions>(args));
  const Corefile corefile = parse_corefile(text, "serve");
  EXPECT_TRUE(corefile.warnings.empty());
  // What it prints is in the canonical form already.
  EXPECT_EQ(print_corefile(corefile), text);
  return text;
}

// ---- serve --------------------------------------------------------------------------------------

TEST(CommandLine, ServeWithDefaults) {
  EXPECT_EQ(serve({"--manifests", "deploy/examples"}),
            R"(.:1053 {
    bind 127.0.0.1
    errors
    console
    gateways
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        manifests deploy/examples
        pods verified
        fallthrough in-addr.arpa ip6.arpa
    }
    search default.svc.cluster.local svc.cluster.local cluster.local
    forward . /etc/resolv.conf
    loadbalance
}
)");
}

TEST(CommandLine, ServeWithoutAConsole) {
  EXPECT_EQ(serve({"--manifests", "m", "--no-console"}).find("console"), std::string::npos);
  // One is enough for all blocks.
  const std::string two =
      serve({"--manifests", "m", "--listen", "127.0.0.1:1", "--listen", "[::1]:2"});
  EXPECT_EQ(two.find("console"), two.rfind("console"));
}

TEST(CommandLine, ARunningServer) {
  const auto explained = options<ExplainOptions>(
      {"explain", "a", "--server", "http://[::1]:5380/", "--token-file", "t"});
  ASSERT_TRUE(explained.server);
  EXPECT_EQ(*explained.server, (ServerUrl{"::1", 5380, "[::1]:5380", "t"}));
  EXPECT_EQ(options<ServicesOptions>({"services", "--server", "http://a"}).server->port, 80);
  EXPECT_EQ(options<HostsOptions>({"hosts", "--server", "http://a:1"}).server->host, "a");
  EXPECT_TRUE(options<CheckOptions>({"check", "--server", "http://a:1"}).server);
  EXPECT_EQ(*options<HostsOptions>({"hosts", "--server", "https://a/", "--ca", "f"}).server,
            (ServerUrl{"a", 443, "a", "", true, "f"}));
  EXPECT_EQ(options<WatchOptions>({"watch"}).server.authority, "localhost:5380");
  const auto flush =
      options<CacheCommandOptions>({"cache", "flush", "a.b", "--server", "http://a:1"});
  EXPECT_TRUE(flush.flush);
  EXPECT_EQ(flush.name, "a.b");
  EXPECT_EQ(flush.server.host, "a");
  EXPECT_FALSE(options<CacheCommandOptions>({"cache", "dump"}).flush);
  const auto wait =
      options<WaitOptions>({"wait", "a", "AAAA", "--address", "::1", "--timeout", "2m"});
  EXPECT_EQ(wait.timeout, std::chrono::minutes(2));
  EXPECT_EQ(wait.type, "AAAA");
  EXPECT_EQ(wait.address->to_string(), "::1");
  const auto report =
      options<ReportOptions>({"report", "--client", "::1", "--name", "a.b", "--type", "AAAA"});
  EXPECT_EQ(report.server.authority, "localhost:5380");
  EXPECT_EQ(report.client->to_string(), "::1");
  EXPECT_EQ(report.name, "a.b");
  EXPECT_EQ(report.type, "AAAA");
  EXPECT_EQ(report.format, OutputFormat::Table);
  EXPECT_EQ(options<ReportOptions>({"report", "-o", "json"}).format, OutputFormat::Json);
  for (const Strings& bad :
       std::vector<Strings>{{"explain", "a", "--server", "localhost:5380"},
                            {"explain", "a", "--server", "http://"},
                            {"explain", "a", "--server", "http://a/b"},
                            {"explain", "a", "--server", "http://a:x"},
                            {"explain", "a", "--server", "http://[::1"},
                            {"explain", "a", "--server", "https://"},
                            {"services", "--server", "http://a", "--ca", "f"},
                            {"services", "--ca", "f", "-m", "x"},
                            {"explain", "a", "--server", "http://a", "-m", "x"},
                            {"check", "x", "--server", "http://a"},
                            {"services", "--token-file", "t", "-m", "x"},
                            {"wait"},
                            {"wait", "a", "--timeout", "11m"},
                            {"wait", "a", "NOTYPE"},
                            {"report", "--client", "x"},
                            {"report", "--name", "a..b"},
                            {"report", "--type", "NOTYPE"},
                            {"report", "-o", "yaml"},
                            {"watch", "x"}}) {
    (void)error_of(bad);
  }
}

TEST(CommandLine, ServeWithEverything) {
  EXPECT_EQ(serve({"--manifests",
                   "a b.yaml",
                   "--manifests=k8s",
                   "--listen",
                   "10.0.0.1:53",
                   "--listen",
                   "[fd00::10]:53",
                   "--zone",
                   "Corp.Local",
                   "--forward",
                   "1.1.1.1",
                   "--forward",
                   "9.9.9.9:1053",
                   "--search",
                   "svc.corp.local",
                   "--search",
                   "corp.example.",
                   "--ndots",
                   "3",
                   "--ttl",
                   "30",
                   "--pods",
                   "insecure",
                   "--service-cidr",
                   "10.1.0.0/16",
                   "--service-cidr",
                   "fd00:1::/112",
                   "--pod-cidr",
                   "10.2.0.0/16",
                   "--workers",
                   "4",
                   "--console",
                   "127.0.0.1:0",
                   "--console-token",
                   "/etc/token",
                   "--log"}),
            R"(.:53 {
    bind 10.0.0.1 fd00::10
    errors
    log
    console 127.0.0.1:0 {
        token /etc/token
    }
    workers 4
    gateways
    kubernetes corp.local in-addr.arpa ip6.arpa {
        manifests "a b.yaml" k8s
        service_cidr 10.1.0.0/16 fd00:1::/112
        pod_cidr 10.2.0.0/16
        pods insecure
        ttl 30
        fallthrough in-addr.arpa ip6.arpa
    }
    search svc.corp.local corp.example {
        ndots 3
    }
    forward . 1.1.1.1 9.9.9.9:1053
    loadbalance
}
)");
}

TEST(CommandLine, ServeForTheClusterOnly) {
  EXPECT_EQ(serve({"k8s", "--no-forward", "--no-search"}),
            R"(.:1053 {
    bind 127.0.0.1
    errors
    console
    gateways
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        manifests k8s
        pods verified
    }
    loadbalance
}
)");
}

TEST(CommandLine, ServeTakesPathsAsManifests) {
  EXPECT_EQ(options<ServeOptions>({"serve", "a", "-m", "b", "c"}).manifests,
            (Strings{"b", "a", "c"}));
}

TEST(CommandLine, ServeStrictlyAndFromStandardInput) {
  const std::string text = serve({"-", "--strict"});
  EXPECT_NE(text.find("        manifests -\n        strict\n"), std::string::npos) << text;
  EXPECT_EQ(options<ServeOptions>({"serve", "-m", "-"}).manifests, Strings{"-"});
  EXPECT_FALSE(options<ServeOptions>({"serve", "-m", "-"}).strict);
  EXPECT_EQ(options<CheckOptions>({"check", "-"}).paths, Strings{"-"});
}

TEST(CommandLine, ServeWithReverseZonesOfItsOwn) {
  const std::string text = serve({"-m", "k8s", "--zone", "a.local", "--zone", "b.local", "--zone",
                                  "10.96.0.0/15", "--zone", "A.local"});
  EXPECT_NE(text.find("    kubernetes a.local b.local 96.10.in-addr.arpa 97.10.in-addr.arpa {\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("        fallthrough 96.10.in-addr.arpa 97.10.in-addr.arpa\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("    search default.svc.a.local svc.a.local a.local\n"), std::string::npos)
      << text;
}

// The first lines of the blocks, with their `bind`.
Strings heads(const Strings& listen) {
  Strings args = {"-m", "x"};
  for (const std::string& address : listen) {
    args.emplace_back("--listen");
    args.push_back(address);
  }
  Strings result;
  const Corefile corefile = parse_corefile(serve(args), "serve");
  for (const ServerBlock& block : corefile.blocks) {
    std::string head;
    for (const ZoneKey& key : block.keys) head += ":" + std::to_string(key.port.value_or(0)) + " ";
    for (const Directive& directive : block.directives) {
      if (directive.name.text != "bind") continue;
      for (const Token& arg : directive.args) head += arg.text + " ";
    }
    result.push_back(head);
  }
  return result;
}

TEST(CommandLine, ListenAddressesAreGroupedToBlocks) {
  EXPECT_EQ(heads({"127.0.0.1"}), (Strings{":1053 127.0.0.1 "}));
  EXPECT_EQ(heads({"localhost:53"}), (Strings{":53 127.0.0.1 "}));
  EXPECT_EQ(heads({"::1", "[::1]:1053"}), (Strings{":1053 ::1 "}));
  EXPECT_EQ(heads({":53"}), (Strings{":53 "}));
  EXPECT_EQ(heads({":53", "127.0.0.1:53"}), (Strings{":53 "}));
  EXPECT_EQ(heads({"0.0.0.0:0"}), (Strings{":0 0.0.0.0 "}));
  // The same addresses share a block, and so a registry; others make a further one.
  EXPECT_EQ(heads({"127.0.0.1:53", "::1", "[::1]:53", "127.0.0.1"}),
            (Strings{":53 :1053 127.0.0.1 ::1 "}));
  EXPECT_EQ(heads({"127.0.0.1:53", "127.0.0.2:54"}), (Strings{":53 127.0.0.1 ", ":54 127.0.0.2 "}));
}

TEST(CommandLine, ServeOfAKubeconfig) {
  const auto has = [](const Strings& args, const std::string& line) {
    return serve(args).find("        " + line + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has({"--kubeconfig", "~/.kube/config"}, "kubeconfig ~/.kube/config"));
  EXPECT_TRUE(has({"--kubeconfig", "a b", "--context", "dev"}, "kubeconfig \"a b\" dev"));
  EXPECT_TRUE(has({"-m", "k8s", "--kubeconfig", "x"}, "manifests k8s"));
  // Without a file it is kubectl's, which only the caller knows.
  EXPECT_EQ(options<ServeOptions>({"serve", "--kubeconfig"}).kubeconfig, "");
  EXPECT_EQ(options<ServeOptions>({"serve", "--kubeconfig", "-m", "k8s"}).manifests,
            Strings{"k8s"});
  EXPECT_FALSE(options<ServeOptions>({"serve", "k8s"}).kubeconfig.has_value());
}

TEST(CommandLine, ServeOfSeveralContexts) {
  const std::string text =
      serve({"--kubeconfig", "x", "--context", "kind-a", "--context", "Admin@b.c", "-m", "k8s"});
  EXPECT_THAT(text, HasSubstr("    kubernetes cluster.local kind-a.kube.test in-addr.arpa "
                              "ip6.arpa {\n        manifests k8s\n        kubeconfig x kind-a\n"));
  EXPECT_THAT(text, HasSubstr("    kubernetes admin-b-c.kube.test in-addr.arpa ip6.arpa {\n"
                              "        kubeconfig x Admin@b.c\n"));
  // Addresses that are not of the first go on to the second.
  EXPECT_THAT(
      serve({"--kubeconfig", "x", "--context", "a", "--context", "b", "--no-forward"}),
      ::testing::ContainsRegex("kubeconfig x a\n[^}]*fallthrough in-addr.arpa ip6.arpa\n    }"));
  EXPECT_EQ(context_zone("arn:aws:eks:eu:1:cluster/Prod_"),
            "arn-aws-eks-eu-1-cluster-prod.kube.test");
  EXPECT_EQ(context_zone("..."), "");
  EXPECT_EQ(context_zone(std::string(64, 'a')), "");
  EXPECT_EQ(error_of({"serve", "--kubeconfig", "x", "--context", "a.b", "--context", "a_b"}),
            "clusterdns serve: --context: 'a.b' and 'a_b' have the same zone, a-b.kube.test; "
            "rename one of them with `kubectl config rename-context`");
  EXPECT_EQ(error_of({"serve", "--kubeconfig", "x", "--context", "a", "--context", "..."}),
            "clusterdns serve: --context: '...' makes no label of a zone; rename it with `kubectl "
            "config rename-context`");
}

TEST(CommandLine, ServeErrors) {
  const std::vector<std::pair<Strings, std::string>> cases = {
      {{},
       "no manifests; name a file or a folder with --manifests PATH, or take a cluster's API with "
       "--kubeconfig"},
      {{"x", "--context", "c"}, "--context needs --kubeconfig; add it"},
      {{"x", "--manifest", "y"}, "unknown option '--manifest'; did you mean '--manifests'?"},
      {{"x", "--quark"}, "unknown option '--quark'"},
      {{"--manifests"}, "--manifests: 1 required PATH missing"},
      {{"-m", ""}, "--manifests: the value is empty; write one"},
      {{"x{$HOME}"},
       "--manifests: 'x{$HOME}' cannot be written in a Corefile; use a path without "
       "'{$', '{%' and backslashes"},
      {{"x", "--listen", "5353"},
       "--listen: '5353' is not an IP address with or without a port; write it like 10.96.0.10, "
       "10.96.0.10:53 or [fd00::10]:53"},
      {{"x", "--listen", ":x"},
       "--listen: 'x' is not a valid port; write a number from 0 to 65535"},
      {{"x", "--listen", "127.0.0.1:99999"},
       "--listen: '127.0.0.1:99999' has no valid port; write a number from 0 to 65535"},
      {{"x", "--zone", "a..b"},
       "--zone: 'a..b' is not a zone: a label is empty; remove the extra dot"},
      {{"x", "--zone", "."}, "--zone: a cluster's zone cannot be the root"},
      {{"x", "--forward", "1.2.3.400"},
       "--forward: '1.2.3.400' is neither an IP address nor a file nor a host name"},
      {{"x", "--forward", "1.1.1.1:0"},
       "--forward: '1.1.1.1:0': '0' is not a valid port; write a number from 1 to 65535"},
      {{"x", "--forward", "1.1.1.1", "--no-forward"}, "--forward and --no-forward: give only one"},
      {{"x", "--search", "a", "--no-search"}, "--search and --no-search: give only one"},
      {{"x", "--ndots", "2", "--no-search"}, "--ndots and --no-search: give only one"},
      {{"x", "--search", "10.0.0.0/8"},
       "--search: '10.0.0.0/8' is not a search domain; write a name like svc.cluster.local"},
      {{"x", "--ndots", "16"}, "--ndots: '16' is not a valid number; write one from 0 to 15"},
      {{"x", "--ttl", "-1"}, "--ttl: '-1' is not a valid number; write one from 0 to 3600"},
      {{"x", "--workers", "0"}, "--workers: '0' is not a valid number; write one from 1 to 256"},
      {{"x", "--pods", "verifed"},
       "--pods: 'verifed' is not a valid value here; did you mean "
       "'verified'?"},
      {{"x", "--service-cidr", "10.96/16"},
       "--service-cidr: '10.96/16' is not a network; write it like 10.96.0.0/16 or "
       "fd00:10:96::/112"},
      {{"x", "--pod-cidr", "?"},
       "--pod-cidr: '?' is not a network; write it like 10.96.0.0/16 or "
       "fd00:10:96::/112"},
  };
  for (const auto& [args, error] : cases) {
    Strings all = {"serve"};
    all.insert(all.end(), args.begin(), args.end());
    EXPECT_EQ(error_of(all), "clusterdns serve: " + error);
  }
  EXPECT_TRUE(exit_of({"serve"}).text.ends_with("\nTry `clusterdns serve --help`.\n"));
}

// ---- CoreDNS's command line ---------------------------------------------------------------------

TEST(CommandLine, CoreDnsOptionsTakeOneDashOrTwo) {
  for (const Strings& args :
       {Strings{"-conf", "x", "-dns.port", "1053", "-pidfile", "p", "-quiet"},
        Strings{"--conf=x", "--dns.port=1053", "--pidfile=p", "--quiet=true"},
        Strings{"-p", "1", "-conf", "y", "-conf", "x", "-p=1053", "-pidfile=p", "-quiet", "--"}}) {
    const auto parsed = options<CoreDnsOptions>(args);
    EXPECT_EQ(parsed.corefile, "x");
    EXPECT_EQ(parsed.dns_port, 1053);
    EXPECT_EQ(parsed.pidfile, "p");
    EXPECT_TRUE(parsed.quiet);
    EXPECT_FALSE(parsed.show_version);
    EXPECT_FALSE(parsed.list_plugins);
  }
  EXPECT_TRUE(options<CoreDnsOptions>({"-version"}).show_version);
  EXPECT_TRUE(options<CoreDnsOptions>({"--plugins"}).list_plugins);
  EXPECT_FALSE(options<CoreDnsOptions>({"-quiet=false"}).quiet);
  EXPECT_EQ(options<CoreDnsOptions>({"-conf", "stdin"}).corefile, "stdin");
  EXPECT_EQ(options<CoreDnsOptions>({"-conf", "-odd"}).corefile, "-odd");
}

TEST(CommandLine, WithoutWordsItIsCoreDns) {
  const auto parsed = options<CoreDnsOptions>({});
  EXPECT_EQ(parsed.corefile, "");
  EXPECT_EQ(parsed.dns_port, 53);
  // Not even a program name.
  const Result result = parse_command_line(0, nullptr);
  EXPECT_TRUE(std::holds_alternative<CommandLine>(result));
}

TEST(CommandLine, CoreDnsErrors) {
  EXPECT_EQ(error_of({"-conf", "x", "serve", "-quiet"}, 1),
            "clusterdns: extra command line arguments: [serve -quiet]; a Corefile is named with "
            "-conf");
  EXPECT_EQ(error_of({"-quiet", "true"}, 1),
            "clusterdns: extra command line arguments: [true]; a Corefile is named with -conf");
  EXPECT_EQ(error_of({"-", "x"}, 1),
            "clusterdns: extra command line arguments: [- x]; a Corefile is named with -conf");
  EXPECT_EQ(error_of({"-config", "x"}),
            "clusterdns: unknown option '-config'; did you mean '-conf'?");
  EXPECT_EQ(error_of({"--manifests", "x"}), "clusterdns: unknown option '-manifests'");
  EXPECT_EQ(error_of({"-conf"}), "clusterdns: -conf needs a value");
  EXPECT_EQ(options<CoreDnsOptions>({"-conf", "x"}).log_format, LogFormat::Text);
  EXPECT_EQ(options<CoreDnsOptions>({"-log-format=text"}).log_format, LogFormat::Text);
  EXPECT_EQ(options<CoreDnsOptions>({"--log-format", "json"}).log_format, LogFormat::Json);
  EXPECT_EQ(error_of({"-log-format=xml"}),
            "clusterdns: -log-format: 'xml' is neither text nor json");
  EXPECT_EQ(error_of({"-quiet=maybe"}), "clusterdns: -quiet: 'maybe' is neither true nor false");
  EXPECT_EQ(error_of({"-dns.port", "x"}),
            "clusterdns: -dns.port: 'x' is not a valid port; write a number from 0 to 65535");
  EXPECT_EQ(error_of({"-p", "65536"}),
            "clusterdns: -p: '65536' is not a valid port; write a number from 0 to 65535");
}

// ---- node-cache's command line ------------------------------------------------------------------

TEST(CommandLine, NodeCacheAsItsDaemonSetStartsIt) {
  const auto parsed = options<CoreDnsOptions>({"-localip", "169.254.20.10,10.96.0.10", "-conf",
                                               "/etc/Corefile", "-upstreamsvc", "kube-dns-upstream",
                                               "-pidfile", "/tmp/node-cache.pid"});
  ASSERT_TRUE(parsed.node_cache);
  const NodeCacheOptions& node = *parsed.node_cache;
  EXPECT_EQ(node.local, (std::vector{*registry::IpAddress::parse("169.254.20.10"),
                                     *registry::IpAddress::parse("10.96.0.10")}));
  EXPECT_EQ(parsed.pidfile, "/tmp/node-cache.pid");
  EXPECT_EQ(node.corefile, "/etc/Corefile");
  EXPECT_EQ(node.service, "kube-dns-upstream");
  // node-cache's defaults.
  EXPECT_EQ(node.base_corefile, "/etc/coredns/Corefile.base");
  EXPECT_EQ(node.kube_dns_folder, "");
  EXPECT_EQ(node.interface, "nodelocaldns");
  EXPECT_EQ(node.metrics_address, "0.0.0.0:9353");
  EXPECT_EQ(node.health_port, 8080);
  EXPECT_TRUE(node.set_up_interface && node.set_up_rules);
  EXPECT_FALSE(node.keep || node.follow);
  EXPECT_EQ(node.interval, 60s);
}

TEST(CommandLine, NodeCacheOptions) {
  const auto parsed = options<CoreDnsOptions>(
      {"--localip=fd00::1,fd00::1", "--corefile=/c", "--setupinterface=false",
       "--setupiptables=false", "--skipteardown", "--reloadwithsignal", "--syncinterval=30",
       "--interfacename=lo", "--kubednscm=/k", "--basecorefile=/b", "--health-port=8090",
       "--metrics-listen-address=127.0.0.1:0", "--dns.port=1053"});
  ASSERT_TRUE(parsed.node_cache);
  const NodeCacheOptions& node = *parsed.node_cache;
  EXPECT_EQ(node.local.size(), 1U);
  EXPECT_EQ(node.corefile, "/c");
  EXPECT_EQ(node.base_corefile, "/b");
  EXPECT_EQ(node.kube_dns_folder, "/k");
  EXPECT_EQ(node.interface, "lo");
  EXPECT_EQ(node.metrics_address, "127.0.0.1:0");
  EXPECT_EQ(node.health_port, 8090);
  EXPECT_EQ(node.interval, 30s);
  EXPECT_FALSE(node.set_up_interface || node.set_up_rules);
  EXPECT_TRUE(node.keep && node.follow);
  EXPECT_EQ(parsed.dns_port, 1053);
  // What node-cache has to be told for a minute.
  for (const char* const interval : {"60ns", "1m", "60s", "60"}) {
    EXPECT_EQ(options<CoreDnsOptions>({"-localip", "::1", "-syncinterval", interval})
                  .node_cache->interval,
              60s)
        << interval;
  }
  // The name that it is called by is enough; without options of its own it is CoreDNS.
  const char* const argv[] = {"/node-cache", "-conf", "x"};
  EXPECT_EQ(std::get<CommandLineExit>(parse_command_line(3, argv)).code, 2);
  EXPECT_FALSE(options<CoreDnsOptions>({"-conf", "x", "-dns.port", "1"}).node_cache);
  const char* const version[] = {"node-cache", "-version"};
  EXPECT_TRUE(std::holds_alternative<CommandLine>(parse_command_line(2, version)));
}

TEST(CommandLine, NodeCacheErrors) {
  EXPECT_EQ(error_of({"-upstreamsvc", "x"}),
            "clusterdns: -localip is missing; name the addresses of this node's cache, as "
            "169.254.20.10");
  EXPECT_EQ(error_of({"-localip", "169.254.20.10,"}),
            "clusterdns: -localip: '' is not an IP address; write addresses with commas between");
  EXPECT_EQ(error_of({"-localip", "__PILLAR__LOCAL__DNS__,__PILLAR__DNS__SERVER__"}),
            "clusterdns: -localip: '__PILLAR__LOCAL__DNS__' is not an IP address; the manifest is "
            "a template, write one in its place");
  EXPECT_EQ(error_of({"-localip", "::1", "-interfacename", "much-too-long-a-name"}),
            "clusterdns: -interfacename: 'much-too-long-a-name' is not a name of an interface; "
            "write one of at most 15 letters");
  EXPECT_THAT(error_of({"-localip", "::1", "-syncinterval", "x"}),
              ::testing::HasSubstr("-syncinterval: "));
  EXPECT_THAT(error_of({"-localip", "::1", "-syncinterval", "0"}),
              ::testing::HasSubstr("-syncinterval: "));
  EXPECT_THAT(error_of({"-localip", "::1", "-health-port", "x"}),
              ::testing::HasSubstr("-health-port: "));
  EXPECT_THAT(error_of({"-localip", "::1", "-metrics-listen-address", "x"}),
              ::testing::HasSubstr("-metrics-listen-address"));
  EXPECT_EQ(error_of({"-localip", "::1", "-setupiptables=x"}),
            "clusterdns: -setupiptables: 'x' is neither true nor false");
  EXPECT_EQ(error_of({"-localips", "::1"}),
            "clusterdns: unknown option '-localips'; did you mean '-localip'?");
}

TEST(CommandLine, DefaultCorefile) {
  const std::string text = default_corefile(1053);
  EXPECT_EQ(text, ".:1053 {\n    whoami\n    log\n}\n");
  EXPECT_EQ(print_corefile(parse_corefile(text, "Corefile")), text);
}

// ---- check, services ----------------------------------------------------------------------------

TEST(CommandLine, Check) {
  const auto parsed = options<CheckOptions>({"check", "Corefile", "k8s", "--print"});
  EXPECT_EQ(parsed.paths, (Strings{"Corefile", "k8s"}));
  EXPECT_TRUE(parsed.print);
  const auto judged = options<CheckOptions>(
      {"check", "Corefile", "-q", "--probe", "--from", "coredns", "--fail-on", "warning"});
  EXPECT_TRUE(judged.quiet && judged.probe && judged.from_coredns && judged.fail_on_warning);
  EXPECT_FALSE(options<CheckOptions>({"check", "a", "--fail-on", "error"}).fail_on_warning);
  EXPECT_EQ(error_of({"check", "a", "--from", "bind"}),
            "clusterdns check: --from: 'bind' is not a valid value here; choose from: coredns");
  EXPECT_EQ(options<MigrateOptions>({"migrate", "-"}).path, "-");
  EXPECT_EQ(error_of({"migrate"}), "clusterdns migrate: nothing to migrate; name a Corefile");
  EXPECT_EQ(error_of({"check"}),
            "clusterdns check: nothing to check; name a Corefile or manifests");
}

TEST(CommandLine, Services) {
  const auto plain = options<ServicesOptions>({"services", "--manifests", "k8s"});
  EXPECT_EQ(plain.cluster.manifests, Strings{"k8s"});
  EXPECT_EQ(plain.namespace_name, std::nullopt);
  EXPECT_EQ(plain.format, OutputFormat::Table);
  EXPECT_EQ(plain.corefile, std::nullopt);
  const auto full =
      options<ServicesOptions>({"services", "k8s", "-n", "default", "-o", "json", "--zone",
                                "corp.local", "--service-cidr", "10.1.0.0/16"});
  EXPECT_EQ(full.namespace_name, "default");
  EXPECT_EQ(full.format, OutputFormat::Json);
  EXPECT_EQ(full.cluster.zones, Strings{"corp.local."});
  EXPECT_EQ(full.cluster.service_cidrs.at(0).to_string(), "10.1.0.0/16");
  EXPECT_EQ(options<ServicesOptions>({"services", "-A", "-o", "yaml", "k8s"}).format,
            OutputFormat::Yaml);
  for (const Strings& args :
       {Strings{"services", "-conf", "Corefile"}, Strings{"services", "-conf=Corefile"},
        Strings{"services", "--conf", "Corefile"}, Strings{"services", "-c", "Corefile"}}) {
    EXPECT_EQ(options<ServicesOptions>(args).corefile, "Corefile");
  }
}

TEST(CommandLine, ServicesErrors) {
  EXPECT_EQ(
      error_of({"services"}),
      "clusterdns services: no cluster; name it with --manifests PATH, with --kubeconfig [FILE], "
      "with --conf FILE, or with --server URL");
  EXPECT_EQ(error_of({"services", "--conf", "x", "--kubeconfig", "y"}),
            "clusterdns services: --conf and --kubeconfig: give only one");
  EXPECT_EQ(error_of({"services", "x", "--context", "y"}),
            "clusterdns services: --context needs --kubeconfig; add it");
  EXPECT_EQ(options<ServicesOptions>({"services", "--kubeconfig", "y"}).cluster.kubeconfig, "y");
  EXPECT_EQ(options<ServicesOptions>({"services", "--kubeconfig"}).cluster.kubeconfig, "");
  EXPECT_EQ(error_of({"services", "--conf", "x", "-m", "y"}),
            "clusterdns services: --conf and --manifests: give only one");
  EXPECT_EQ(error_of({"services", "--conf", "x", "y"}),
            "clusterdns services: --conf and PATH: give only one");
  EXPECT_EQ(error_of({"services", "x", "-n", "a", "-A"}),
            "clusterdns services: --namespace and --all-namespaces: give only one");
  EXPECT_EQ(error_of({"services", "x", "-n", "A"}),
            "clusterdns services: --namespace: 'A' is not a namespace; write lower-case letters, "
            "digits "
            "and dashes");
  EXPECT_EQ(error_of({"services", "x", "-o", "yml"}),
            "clusterdns services: --output: 'yml' is not a valid value here; did you mean 'yaml'?");
}

// ---- query --------------------------------------------------------------------------------------

TEST(CommandLine, QueryWithDefaults) {
  const auto parsed = options<QueryOptions>({"query", "python-www"});
  EXPECT_EQ(parsed.name, "python-www");
  EXPECT_EQ(parsed.type, std::nullopt);
  EXPECT_EQ(parsed.server, std::nullopt);
  EXPECT_EQ(parsed.port, 53);
  EXPECT_TRUE(parsed.search);
  EXPECT_EQ(parsed.search_domains, std::nullopt);
  EXPECT_EQ(parsed.ndots, std::nullopt);
  EXPECT_FALSE(parsed.tcp);
  EXPECT_FALSE(parsed.brief);
  EXPECT_EQ(parsed.timeout, 5s);
  EXPECT_EQ(parsed.format, OutputFormat::Text);
}

TEST(CommandLine, QueryWithEverything) {
  const auto parsed = options<QueryOptions>(
      {"query", "a.b", "srv", "--server", "127.0.0.1:5353", "--search", "X.example", "--search",
       "y.", "--ndots", "2", "--tcp", "--timeout", "250ms", "--short", "-o", "json"});
  EXPECT_EQ(parsed.type, "SRV");
  ASSERT_TRUE(parsed.server);
  EXPECT_EQ(parsed.server->to_string(), "127.0.0.1:5353");
  EXPECT_EQ(parsed.search_domains, (Strings{"x.example.", "y."}));
  EXPECT_EQ(parsed.ndots, 2);
  EXPECT_TRUE(parsed.tcp);
  EXPECT_EQ(parsed.timeout, 250ms);
  EXPECT_TRUE(parsed.brief);
  EXPECT_EQ(parsed.format, OutputFormat::Json);
  EXPECT_EQ(options<QueryOptions>({"query", "a", "--timeout", "2"}).timeout, 2s);
}

TEST(CommandLine, QueryInDigsSpelling) {
  const auto parsed = options<QueryOptions>(
      {"query", "@::1", "-p", "5353", "+short", "a.", "+tcp", "+nosearch", "AAAA"});
  EXPECT_EQ(parsed.server->to_string(), "[::1]:5353");
  EXPECT_EQ(parsed.port, 5353);
  EXPECT_EQ(parsed.name, "a.");
  EXPECT_EQ(parsed.type, "AAAA");
  EXPECT_TRUE(parsed.brief);
  EXPECT_TRUE(parsed.tcp);
  EXPECT_FALSE(parsed.search);
  EXPECT_TRUE(options<QueryOptions>({"query", "a", "+search"}).search);
}

TEST(CommandLine, QueryLikeAPod) {
  const auto parsed = options<QueryOptions>({"query", "a", "--namespace", "web"});
  EXPECT_EQ(parsed.search_domains,
            (Strings{"web.svc.cluster.local.", "svc.cluster.local.", "cluster.local."}));
  EXPECT_EQ(parsed.ndots, 5);
  const auto zone = options<QueryOptions>({"query", "a", "--zone", "corp", "--ndots", "1"});
  EXPECT_EQ(zone.search_domains, (Strings{"default.svc.corp.", "svc.corp.", "corp."}));
  EXPECT_EQ(zone.ndots, 1);
}

TEST(CommandLine, QueryErrors) {
  const std::vector<std::pair<Strings, std::string>> cases = {
      {{}, "no name given; write the one to ask for"},
      {{""}, "no name given; write the one to ask for"},
      {{"a", "A", "b"}, "'b' is not expected here; remove it"},
      {{"a", "+trace"},
       "unknown option '+trace'; of dig's options, +short, +tcp, +search and +nosearch work"},
      {{"a", "--sevrer", "x"}, "unknown option '--sevrer'; did you mean '--server'?"},
      {{"a", "@localhost"},
       "--server: 'localhost' is not an IP address with or without a port; write it like "
       "10.96.0.10, 10.96.0.10:53 or [fd00::10]:53"},
      {{"a", "@1.1.1.1:54", "-p", "53"}, "--server and --port name different ports: give only one"},
      {{"a", "--no-search", "--search", "x"}, "--no-search and --search: give only one"},
      {{"a", "--namespace", "x", "--search", "y"}, "--search and --namespace: give only one"},
      {{"a", "--timeout", "0s"},
       "--timeout: '0s' is out of range; write a duration from 1ms to 1h"},
      {{"a", "--zone", "."},
       "--zone: '.' is not a search domain; write a name like svc.cluster.local"},
      {{"a", "-o", "yaml"}, "--output: 'yaml' is not a valid value here; choose from: text, json"},
  };
  for (const auto& [args, error] : cases) {
    Strings all = {"query"};
    all.insert(all.end(), args.begin(), args.end());
    EXPECT_EQ(error_of(all), "clusterdns query: " + error);
  }
}

// ---- node-address -------------------------------------------------------------------------------

TEST(CommandLine, NodeAddress) {
  const auto usual = options<NodeAddressOptions>({"node-address", "169.254.20.10"});
  EXPECT_EQ(usual.interface, "clusterdns");
  ASSERT_EQ(usual.addresses.size(), 1U);
  EXPECT_EQ(usual.addresses[0].to_string(), "169.254.20.10");
  const auto both = options<NodeAddressOptions>(
      {"node-address", "169.254.20.10", "fd00:53::10", "--interface", "lo"});
  EXPECT_EQ(both.interface, "lo");
  ASSERT_EQ(both.addresses.size(), 2U);
  EXPECT_EQ(both.addresses[1].to_string(), "fd00:53::10");
}

TEST(CommandLine, NodeAddressErrors) {
  const std::pair<Strings, std::string> cases[] = {
      {{}, "no address; write one such as 169.254.20.10"},
      {{"169.254.20"}, "'169.254.20' is not an IP address"},
      {{"169.254.20.10/32"}, "'169.254.20.10/32' is not an IP address"},
      {{"::1", "-i", ""},
       "--interface: '' is not a valid interface name; write 1 to 15 letters and digits"},
      {{"::1", "-i", "sixteen-letters-"},
       "--interface: 'sixteen-letters-' is not a valid interface name; write 1 to 15 letters and "
       "digits"},
  };
  for (const auto& [args, error] : cases) {
    Strings all = {"node-address"};
    all.insert(all.end(), args.begin(), args.end());
    EXPECT_EQ(error_of(all), "clusterdns node-address: " + error);
  }
}

// ---- setup --------------------------------------------------------------------------------------

TEST(CommandLine, Setup) {
  const auto usual = options<SetupOptions>({"setup"});
  EXPECT_EQ(usual.server, std::nullopt);
  EXPECT_EQ(usual.console.authority, "localhost:5380");
  EXPECT_FALSE(usual.console_named);
  EXPECT_EQ(usual.backend, std::nullopt);
  EXPECT_EQ(usual.root, "/");
  EXPECT_FALSE(usual.yes);
  const auto all =
      options<SetupOptions>({"setup", "--server", "[::1]", "--console", "http://127.0.0.1:99/",
                             "--backend", "resolv.conf", "--zone", "a.test", "--zone", "10.0.0.0/8",
                             "--dry-run", "-y", "--root", "d"});
  EXPECT_EQ(all.server->to_string(), "[::1]:1053");
  EXPECT_EQ(all.console.port, 99);
  EXPECT_TRUE(all.console_named);
  EXPECT_EQ(all.backend, Backend::ResolvConf);
  EXPECT_EQ(all.zones, (Strings{"a.test.", "10.in-addr.arpa."}));
  EXPECT_TRUE(all.dry_run);
  EXPECT_TRUE(all.yes);
  EXPECT_EQ(all.root, "d");
  EXPECT_TRUE(options<UnsetupOptions>({"unsetup", "--yes"}).yes);
}

TEST(CommandLine, SetupErrors) {
  EXPECT_THAT(error_of({"setup", "--backend", "bind"}), HasSubstr("--backend"));
  EXPECT_THAT(error_of({"setup", "--server", "server.example"}), HasSubstr("--server"));
  EXPECT_THAT(error_of({"setup", "--server", "127.0.0.1:0"}), HasSubstr("port 0"));
  EXPECT_THAT(error_of({"setup", "--zone", "."}), HasSubstr("--zone"));
  EXPECT_THAT(error_of({"setup", "--console", "http://localhost", "--ca", "f"}),
              HasSubstr("write --console https://localhost"));
  EXPECT_THAT(error_of({"unsetup", "--zone", "a"}), HasSubstr("unknown option"));
}

// ---- doctor -------------------------------------------------------------------------------------

TEST(CommandLine, Doctor) {
  const auto usual = options<DoctorOptions>({"doctor"});
  EXPECT_EQ(usual.name, "");
  EXPECT_EQ(usual.format, OutputFormat::Text);
  EXPECT_EQ(usual.console.authority, "localhost:5380");
  const auto all = options<DoctorOptions>(
      {"doctor", "Shop.example.com.", "-o", "json", "--server", "127.0.0.1:53", "--root", "d"});
  EXPECT_EQ(all.name, "shop.example.com");
  EXPECT_EQ(all.format, OutputFormat::Json);
  EXPECT_EQ(all.server->port, 53);
  EXPECT_EQ(all.root, "d");
  EXPECT_THAT(error_of({"doctor", "$(reboot)"}), HasSubstr("is no name of a host"));
  EXPECT_THAT(error_of({"doctor", "-o", "yaml"}), HasSubstr("--output"));
}

// ---- version, help, unknown ---------------------------------------------------------------------

TEST(CommandLine, Version) {
  EXPECT_TRUE(std::holds_alternative<VersionOptions>(std::get<CommandLine>(parse({"version"}))));
  EXPECT_EQ(error_of({"version", "x"}), "clusterdns version: 'x' is not expected here; remove it");
}

TEST(CommandLine, HelpEverywhereHasExamples) {
  for (const char* command : {"serve", "check", "services", "query", "setup", "unsetup", "doctor",
                              "node-address", "version"}) {
    for (const Strings& args :
         {Strings{command, "--help"}, Strings{command, "-h"}, Strings{"help", command}}) {
      const CommandLineExit help = exit_of(args);
      EXPECT_EQ(help.code, 0);
      EXPECT_NE(help.text.find("clusterdns " + std::string(command)), std::string::npos)
          << help.text;
      EXPECT_NE(help.text.find("Examples:\n"), std::string::npos) << help.text;
      EXPECT_TRUE(help.text.ends_with('\n'));
    }
  }
  for (const Strings& args :
       {Strings{"--help"}, Strings{"-h"}, Strings{"help"}, Strings{"help", "help"}}) {
    const CommandLineExit help = exit_of(args);
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.text.find("Commands:\n"), std::string::npos);
    EXPECT_NE(help.text.find("Examples:\n"), std::string::npos);
  }
  const CommandLineExit coredns = exit_of({"-conf", "x", "-help"});
  EXPECT_EQ(coredns.code, 0);
  EXPECT_NE(coredns.text.find("-dns.port PORT"), std::string::npos);
}

// ---- what the help and the docs say is so -------------------------------------------------------

struct HelpLine {
  Strings names;       // "--listen", "-l"
  bool value = false;  // something follows the names
  std::string what;    // the rest of the line
  // What stands in brackets; empty: nothing does.
  [[nodiscard]] std::string default_value() const {
    const auto open = what.rfind('['), close = what.rfind(']');
    return open == std::string::npos ? "" : what.substr(open + 1, close - open - 1);
  }
};

// The options of a help text.
std::map<std::string, HelpLine> help_lines(const std::string& help) {
  std::map<std::string, HelpLine> lines;
  std::istringstream in(help);
  const std::regex option(R"(^  (-[-\w.,]+)( [A-Z\[][^ ]*( \.\.\.)?)?  +(.*)$)");
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, option)) continue;
    HelpLine found;
    std::istringstream names(match[1].str());
    for (std::string name; std::getline(names, name, ',');) found.names.push_back(name);
    // A value in brackets may be left out.
    found.value = match[2].matched && !match[2].str().starts_with(" [");
    found.what = match[4];
    for (const std::string& name : found.names) lines[name] = found;
  }
  return lines;
}

TEST(CommandLineHelp, EveryOptionIsTakenByTheParser) {
  for (const char* command : {"serve", "check", "services", "query", "setup", "unsetup", "doctor",
                              "node-address", "version"}) {
    const auto lines = help_lines(exit_of({command, "--help"}).text);
    EXPECT_TRUE(lines.contains("--help")) << command;
    for (const auto& [name, line] : lines) {
      if (name == "-h" || name == "--help") continue;
      // Whatever is said of such a value, the option is known, and wants one or none.
      const std::string with = exit_of({command, name, "\x01"}).text;
      const std::string without = exit_of({command, name}).text;
      EXPECT_EQ(with.find("unknown option"), std::string::npos) << with;
      EXPECT_EQ(without.find("required") != std::string::npos, line.value) << without;
    }
  }
  const auto lines = help_lines(exit_of({"-conf", "x", "-help"}).text);
  EXPECT_EQ(lines.size(), kCoreDnsFlags.size() + kNodeCacheFlags.size());
  const std::map<std::string, std::string> values = {{"-log-format", "json"},
                                                     {"-localip", "192.0.2.1"},
                                                     {"-metrics-listen-address", "127.0.0.1:1"}};
  for (const auto& [name, line] : lines) {
    Strings args{name};
    if (line.value) args.push_back(values.contains(name) ? values.at(name) : "1");
    if (name != "-localip") args.insert(args.begin(), {"-localip", "192.0.2.1"});
    const Result result = parse(args);
    EXPECT_TRUE(std::holds_alternative<CommandLine>(result)) << name;
  }
}

std::string words(const std::vector<registry::Cidr>& cidrs, const char* between) {
  std::string text;
  for (const registry::Cidr& cidr : cidrs) text += (text.empty() ? "" : between) + cidr.to_string();
  return text;
}

// What `serve` does when an option is not given, as help and docs/laptop.md write it.
std::map<std::string, std::string> serve_defaults(const char* between) {
  const auto defaults = options<ServeOptions>({"serve", "m"});
  const registry::ManifestOptions manifests;
  std::map<std::string, std::string> texts;
  texts["--listen"] =
      defaults.listen.at(0).address->to_string() + ":" + std::to_string(defaults.listen.at(0).port);
  texts["--zone"] = defaults.zones.at(0).substr(0, defaults.zones.at(0).size() - 1);
  texts["--service-cidr"] = words(manifests.cluster.service_cidrs, between);
  texts["--pod-cidr"] = words(manifests.cluster.pod_cidrs, between);
  texts["--forward"] = defaults.forward.at(0);
  texts["--ndots"] = std::to_string(dns::SearchStage::Options().ndots);
  texts["--ttl"] = std::to_string(zones::ClusterOptions().ttl);
  texts["--pods"] = defaults.pods;
  return texts;
}

TEST(CommandLineHelp, DefaultsAreThoseOfTheParser) {
  const auto lines = help_lines(exit_of({"serve", "--help"}).text);
  for (const auto& [name, value] : serve_defaults(" ")) {
    ASSERT_TRUE(lines.contains(name)) << name;
    EXPECT_EQ(lines.at(name).default_value(), value) << name;
  }
  EXPECT_EQ(lines.at("--search").default_value(), "default.svc.ZONE svc.ZONE ZONE");
  EXPECT_NE(serve({"m"}).find("search default.svc.cluster.local svc.cluster.local cluster.local\n"),
            std::string::npos);
  const auto query = help_lines(exit_of({"query", "--help"}).text);
  EXPECT_EQ(query.at("--port").default_value(),
            std::to_string(options<QueryOptions>({"query", "a"}).port));
  EXPECT_EQ(options<QueryOptions>({"query", "a"}).timeout, 5s);
  EXPECT_EQ(query.at("--timeout").default_value(), "5s");
  EXPECT_EQ(help_lines(exit_of({"node-address", "--help"}).text).at("--interface").default_value(),
            options<NodeAddressOptions>({"node-address", "::1"}).interface);
  const std::string coredns = exit_of({"-conf", "x", "-help"}).text;
  EXPECT_NE(coredns.find("(default " + std::to_string(CoreDnsOptions().dns_port) + ")"),
            std::string::npos);
}

TEST(CommandLineHelp, TheDocsTableIsThatOfServe) {
  std::ifstream page(CLUSTERDNS_SOURCE_DIR "/docs/laptop.md");
  std::set<std::string> named;
  std::map<std::string, std::string> defaults;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| Option of `serve` |")) inside = true;
    if (inside && !line.starts_with("|")) break;
    if (!inside) continue;
    Strings cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '|');) cells.push_back(cell);
    if (cells.size() < 4) continue;
    const std::string head = cells.at(1), tail = cells.at(3);
    const std::regex option(R"(--[a-z][a-z-]*)");
    for (std::sregex_iterator i(head.begin(), head.end(), option), end; i != end; ++i) {
      named.insert(i->str());
      defaults[i->str()] = tail;
    }
  }
  std::set<std::string> known;
  for (const auto& [name, line] : help_lines(exit_of({"serve", "--help"}).text)) {
    if (name.starts_with("--") && name != "--help") known.insert(name);
  }
  EXPECT_EQ(named, known);
  for (const auto& [name, value] : serve_defaults("` and `")) {
    EXPECT_THAT(defaults[name], ::testing::HasSubstr(value)) << name;
  }
}

// `serve` must not take what the directives of its Corefile then refuse.
TEST(CommandLine, ServeTakesAsMuchAsTheDirectivesDo) {
  const struct {
    const char* option;
    std::size_t most;
    std::string (*value)(std::size_t);
  } cases[] = {
      {"--search", dns::SearchStage::kMaxSuffixes,
       [](std::size_t i) { return "s" + std::to_string(i) + ".example"; }},
      {"--forward", dns::kMaxUpstreams,
       [](std::size_t i) { return "192.0.2." + std::to_string(i + 1); }},
      {"--service-cidr", 2, [](std::size_t i) { return "10." + std::to_string(i) + ".0.0/16"; }},
      {"--pod-cidr", 2, [](std::size_t i) { return "10." + std::to_string(i) + ".0.0/16"; }},
      {"--zone", 100, [](std::size_t i) { return "z" + std::to_string(i) + ".example"; }},
      {"--listen", 100, [](std::size_t i) { return "127.0.0." + std::to_string(i + 1) + ":0"; }},
  };
  for (const auto& c : cases) {
    Strings args{"serve", "m"};
    for (std::size_t i = 0; i < c.most; ++i) {
      args.emplace_back(c.option);
      args.push_back(c.value(i));
    }
    Problems problems;
    const Corefile corefile =
        parse_corefile(corefile_for_serve(options<ServeOptions>(args)), "serve", {}, problems);
    check_corefile(corefile, 53, CheckPlace::Elsewhere, problems);
    EXPECT_FALSE(problems.has_errors()) << c.option;
    args.emplace_back(c.option);
    args.push_back(c.value(c.most));
    if (c.most == 100) continue;
    EXPECT_EQ(error_of(args), "clusterdns serve: " + std::string(c.option) + ": given " +
                                  std::to_string(c.most + 1) + " times; at most " +
                                  std::to_string(c.most) + " are possible");
  }
  // As `forward` takes them.
  EXPECT_NE(serve({"m", "--forward", "fe80::1%lo"}).find("forward . fe80::1%lo\n"),
            std::string::npos);
}

TEST(CommandLine, UnknownCommands) {
  EXPECT_EQ(error_of({"sreve"}), "clusterdns: unknown command 'sreve'; did you mean 'serve'?");
  EXPECT_EQ(error_of({"Corefile"}),
            "clusterdns: unknown command 'Corefile'; a Corefile is named with -conf");
  EXPECT_EQ(error_of({"help", "sreve"}),
            "clusterdns: unknown command 'sreve'; did you mean 'serve'?");
}

}  // namespace
}  // namespace clusterdns::app
