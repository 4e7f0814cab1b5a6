#include "app/command_line.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/corefile/parser.h"
#include "app/corefile/print.h"

namespace clusterdns::app {
namespace {

using namespace std::chrono_literals;
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
            R"(.:5353 {
    bind 127.0.0.1
    errors
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
                   "9.9.9.9:5353",
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
                   "--log"}),
            R"(.:53 {
    bind 10.0.0.1 fd00::10
    errors
    log
    workers 4
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
    forward . 1.1.1.1 9.9.9.9:5353
    loadbalance
}
)");
}

TEST(CommandLine, ServeForTheClusterOnly) {
  EXPECT_EQ(serve({"k8s", "--no-forward", "--no-search"}),
            R"(.:5353 {
    bind 127.0.0.1
    errors
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
  EXPECT_EQ(heads({"127.0.0.1"}), (Strings{":5353 127.0.0.1 "}));
  EXPECT_EQ(heads({"localhost:53"}), (Strings{":53 127.0.0.1 "}));
  EXPECT_EQ(heads({"::1", "[::1]:5353"}), (Strings{":5353 ::1 "}));
  EXPECT_EQ(heads({":53"}), (Strings{":53 "}));
  EXPECT_EQ(heads({":53", "127.0.0.1:53"}), (Strings{":53 "}));
  EXPECT_EQ(heads({"0.0.0.0:0"}), (Strings{":0 0.0.0.0 "}));
  // The same addresses share a block, and so a registry; others make a further one.
  EXPECT_EQ(heads({"127.0.0.1:53", "::1", "[::1]:53", "127.0.0.1"}),
            (Strings{":53 :5353 127.0.0.1 ::1 "}));
  EXPECT_EQ(heads({"127.0.0.1:53", "127.0.0.2:54"}), (Strings{":53 127.0.0.1 ", ":54 127.0.0.2 "}));
}

TEST(CommandLine, ServeErrors) {
  const std::vector<std::pair<Strings, std::string>> cases = {
      {{}, "no manifests; name a file or a folder with --manifests PATH"},
      {{"x", "--manifest", "y"}, "unknown option '--manifest'; did you mean '--manifests'?"},
      {{"x", "--quark"}, "unknown option '--quark'"},
      {{"--manifests"}, "--manifests: 1 required PATH missing"},
      {{"-m", ""}, "--manifests: an empty value; write one"},
      {{"x{$HOME}"},
       "--manifests: 'x{$HOME}' cannot be written in a Corefile; use a path without "
       "'{$', '{%' and backslashes"},
      {{"x", "--listen", "5353"},
       "--listen: '5353' is not an IP address with or without a port; write it like 10.96.0.10, "
       "10.96.0.10:53 or [fd00::10]:53"},
      {{"x", "--listen", ":x"}, "--listen: 'x' is not a port; write a number from 0 to 65535"},
      {{"x", "--listen", "127.0.0.1:99999"},
       "--listen: '127.0.0.1:99999' has a bad port; write a number from 0 to 65535"},
      {{"x", "--zone", "a..b"},
       "--zone: 'a..b' is not a zone: a label is empty; remove the surplus dot"},
      {{"x", "--zone", "."}, "--zone: a cluster's zone cannot be the root"},
      {{"x", "--forward", "dns.example"},
       "--forward: 'dns.example' is not an IP address with or without a port; write it like "
       "10.96.0.10, 10.96.0.10:53 or [fd00::10]:53"},
      {{"x", "--forward", "1.1.1.1:0"},
       "--forward: '1.1.1.1:0' has port 0; write the upstream's port"},
      {{"x", "--forward", "1.1.1.1", "--no-forward"}, "--forward and --no-forward: give only one"},
      {{"x", "--search", "a", "--no-search"}, "--search and --no-search: give only one"},
      {{"x", "--ndots", "2", "--no-search"}, "--ndots and --no-search: give only one"},
      {{"x", "--search", "10.0.0.0/8"},
       "--search: '10.0.0.0/8' is not a search domain; write a name like svc.cluster.local"},
      {{"x", "--ndots", "16"}, "--ndots: '16' is not a number from 0 to 15; write one"},
      {{"x", "--ttl", "-1"}, "--ttl: '-1' is not a number from 0 to 3600; write one"},
      {{"x", "--workers", "0"}, "--workers: '0' is not a number from 1 to 256; write one"},
      {{"x", "--pods", "verifed"}, "--pods: 'verifed' is not known here; did you mean 'verified'?"},
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
  EXPECT_EQ(error_of({"-conf"}), "clusterdns: -conf wants a value after it");
  EXPECT_EQ(options<CoreDnsOptions>({"-conf", "x"}).log_format, LogFormat::Text);
  EXPECT_EQ(options<CoreDnsOptions>({"-log-format=text"}).log_format, LogFormat::Text);
  EXPECT_EQ(options<CoreDnsOptions>({"--log-format", "json"}).log_format, LogFormat::Json);
  EXPECT_EQ(error_of({"-log-format=xml"}), "clusterdns: -log-format: 'xml' is neither text nor json");
  EXPECT_EQ(error_of({"-quiet=maybe"}), "clusterdns: -quiet: 'maybe' is neither true nor false");
  EXPECT_EQ(error_of({"-dns.port", "x"}),
            "clusterdns: -dns.port: 'x' is not a port; write a number from 0 to 65535");
  EXPECT_EQ(error_of({"-p", "65536"}),
            "clusterdns: -p: '65536' is not a port; write a number from 0 to 65535");
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
  EXPECT_EQ(error_of({"services"}),
            "clusterdns services: no cluster; name it with --manifests PATH, or with --conf FILE");
  EXPECT_EQ(error_of({"services", "--conf", "x", "-m", "y"}),
            "clusterdns services: --conf and --manifests: give only one");
  EXPECT_EQ(error_of({"services", "--conf", "x", "y"}),
            "clusterdns services: --conf and PATH: give only one");
  EXPECT_EQ(error_of({"services", "x", "-n", "a", "-A"}),
            "clusterdns services: --namespace and --all-namespaces: give only one");
  EXPECT_EQ(error_of({"services", "x", "-n", "A"}),
            "clusterdns services: --namespace: 'A' is not a namespace; write small letters, digits "
            "and dashes");
  EXPECT_EQ(error_of({"services", "x", "-o", "yml"}),
            "clusterdns services: --output: 'yml' is not known here; did you mean 'yaml'?");
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
      {{}, "no name; write the one to ask for"},
      {{""}, "no name; write the one to ask for"},
      {{"a", "A", "b"}, "'b' is too much; remove it"},
      {{"a", "+trace"},
       "unknown option '+trace'; of dig's there are +short, +tcp, +search and +nosearch"},
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
      {{"a", "-o", "yaml"}, "--output: 'yaml' is not known here; known are: text, json"},
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
      {{"169.254.20"}, "'169.254.20' is no IP address"},
      {{"169.254.20.10/32"}, "'169.254.20.10/32' is no IP address"},
      {{"::1", "-i", ""},
       "--interface: '' is no name of an interface; write 1 to 15 letters and digits"},
      {{"::1", "-i", "sixteen-letters-"},
       "--interface: 'sixteen-letters-' is no name of an interface; write 1 to 15 letters and "
       "digits"},
  };
  for (const auto& [args, error] : cases) {
    Strings all = {"node-address"};
    all.insert(all.end(), args.begin(), args.end());
    EXPECT_EQ(error_of(all), "clusterdns node-address: " + error);
  }
}

// ---- version, help, unknown ---------------------------------------------------------------------

TEST(CommandLine, Version) {
  EXPECT_TRUE(std::holds_alternative<VersionOptions>(std::get<CommandLine>(parse({"version"}))));
  EXPECT_EQ(error_of({"version", "x"}), "clusterdns version: 'x' is too much; remove it");
}

TEST(CommandLine, HelpEverywhereHasExamples) {
  for (const char* command : {"serve", "check", "services", "query", "node-address", "version"}) {
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

TEST(CommandLine, UnknownCommands) {
  EXPECT_EQ(error_of({"sreve"}), "clusterdns: unknown command 'sreve'; did you mean 'serve'?");
  EXPECT_EQ(error_of({"Corefile"}),
            "clusterdns: unknown command 'Corefile'; a Corefile is named with -conf");
  EXPECT_EQ(error_of({"help", "sreve"}),
            "clusterdns: unknown command 'sreve'; did you mean 'serve'?");
}

}  // namespace
}  // namespace clusterdns::app
