#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "app/corefile/error.h"
#include "app/corefile/print.h"
#include "app/corefile/suggest.h"
#include "app/corefile/zone_key.h"

namespace clusterdns::app {
namespace {

constexpr int kUsageError = 2;
constexpr int kCoreDnsError = 1;  // what CoreDNS ends with on surplus words

constexpr std::size_t kHelpColumn = 30;

// RES_MAXNDOTS of resolv.conf.
constexpr int kMaxNdots = 15;
// CoreDNS's range for the ttl of its kubernetes plugin.
constexpr int kMaxTtl = 3600;
// More threads than any machine has cores; a larger number is a slip.
constexpr int kMaxWorkers = 256;
constexpr std::chrono::nanoseconds kMinTimeout = std::chrono::milliseconds(1);
constexpr std::chrono::nanoseconds kMaxTimeout = std::chrono::hours(1);

constexpr std::array<std::string_view, 3> kPodModes = {"disabled", "insecure", "verified"};
constexpr std::array<std::string_view, 7> kCommands = {
    "serve", "check", "services", "query", "node-address", "version", "help"};
// IFNAMSIZ of the kernel, less the zero at the end.
constexpr std::size_t kMaxInterfaceName = 15;

constexpr std::string_view kHelp = R"(clusterdns: a DNS server for Kubernetes clusters

Usage: clusterdns COMMAND [OPTIONS]
       clusterdns -conf Corefile [-dns.port PORT] [-log-format FORMAT] [-pidfile FILE]
                  [-plugins] [-quiet] [-version]

Commands:
  serve         Serve a cluster from its manifests
  check         Say what is wrong with Corefiles and manifests
  services      List the services and the names they have
  query         Ask a DNS server, and show every name that is tried
  node-address  Give this machine the address of a node-local server
  version       Print the version
  help          Print this, or the help of a command

The second form is CoreDNS's command line: without -conf it reads ./Corefile.

Examples:
  clusterdns serve --manifests deploy/examples
  clusterdns query my-service --server 127.0.0.1:5353 --namespace default
  clusterdns -conf /etc/coredns/Corefile
)";

constexpr std::string_view kCoreDnsHelp = R"(Usage: clusterdns [OPTIONS]

CoreDNS's own command line; options take one dash or two.

  -conf FILE      Corefile to load, `stdin` reads standard input (default ./Corefile)
  -dns.port PORT  Port of server blocks that name none (default 53)
  -p PORT         The same
  -log-format F   text, or json: one JSON object a line (default text)
  -pidfile FILE   Write the process id there
  -plugins        List the directives and end
  -quiet          Print nothing at start
  -version        Print the version and end

Examples:
  clusterdns -conf /etc/coredns/Corefile
  clusterdns -conf Corefile -dns.port 1053
  clusterdns -conf stdin < Corefile

For the commands see `clusterdns help`.
)";

struct UsageError {
  std::string message;
};

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

// A value of an option as the words of the Corefile's helpers; errors then start with the option.
Token value_of(const std::string& option, std::string text) {
  return {std::move(text), {option, 0, 0}, false};
}

int integer_of(const std::string& option, const std::string& text, int min, int max) {
  return static_cast<int>(parse_integer(value_of(option, text), min, max));
}

std::vector<std::string> zones_of(const std::string& option,
                                  const std::vector<std::string>& texts) {
  std::vector<std::string> zones;
  for (const std::string& text : texts) {
    for (std::string& zone : parse_zone(text, {option, 0, 0})) {
      if (zone == ".") throw UsageError{option + ": a cluster's zone cannot be the root"};
      if (std::find(zones.begin(), zones.end(), zone) == zones.end()) {
        zones.push_back(std::move(zone));
      }
    }
  }
  return zones;
}

// Names only: a CIDR or the root in a search list is a slip.
std::vector<std::string> domains_of(const std::string& option,
                                    const std::vector<std::string>& texts) {
  std::vector<std::string> domains;
  for (const std::string& text : texts) {
    const std::vector<std::string> zones = parse_zone(text, {option, 0, 0});
    if (zones.size() != 1 || text.find('/') != std::string::npos || zones[0] == ".") {
      throw UsageError{option + ": " + in_quotes(text) +
                       " is not a search domain; write a name like svc.cluster.local"};
    }
    domains.push_back(zones[0]);
  }
  return domains;
}

std::vector<registry::Cidr> cidrs_of(const std::string& option,
                                     const std::vector<std::string>& texts) {
  std::vector<registry::Cidr> cidrs;
  for (const std::string& text : texts) cidrs.push_back(parse_cidr(value_of(option, text)));
  return cidrs;
}

// A label of a name (RFC 1123), which is what namespaces are.
std::string namespace_of(const std::string& option, const std::string& text) {
  constexpr std::size_t kMaxLabel = 63;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (text.empty() || text.size() > kMaxLabel || text.front() == '-' || text.back() == '-' ||
      !std::all_of(text.begin(), text.end(), fits)) {
    throw UsageError{option + ": " + in_quotes(text) +
                     " is not a namespace; write small letters, digits and dashes"};
  }
  return text;
}

void check_writable(const std::string& option, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text.empty()) throw UsageError{option + ": an empty value; write one"};
    if (!can_be_written(text)) {
      throw UsageError{option + ": " + in_quotes(text) +
                       " cannot be written in a Corefile; use a path without '{$', '{%' and "
                       "backslashes"};
    }
  }
}

// The list a pod in `namespace_name` has in its resolv.conf.
std::vector<std::string> pod_search_domains(const std::string& namespace_name,
                                            const std::string& zone) {
  return {namespace_name + ".svc." + zone, "svc." + zone, zone};
}

ListenAddress listen_address(const std::string& option, const std::string& text) {
  constexpr std::string_view kLocalhost = "localhost";
  if (text.starts_with(':') && text.rfind(':') == 0) {
    return {std::nullopt, parse_port(value_of(option, text.substr(1)))};
  }
  std::string numeric = text;
  if (text == kLocalhost || text.starts_with("localhost:")) {
    numeric = "127.0.0.1" + text.substr(kLocalhost.size());
  }
  const HostPort parsed = parse_host_port(value_of(option, numeric), kServePort);
  return {parsed.address, parsed.port};
}

// What `forward` takes: an address, or a file with a path that cannot be one.
void check_upstream(const std::string& option, const std::string& text) {
  if (text.find('/') != std::string::npos && text.find("://") == std::string::npos) return;
  const HostPort upstream = parse_host_port(value_of(option, text), kDnsPort);
  if (upstream.port == 0) {
    throw UsageError{option + ": " + in_quotes(text) + " has port 0; write the upstream's port"};
  }
}

// ---- one command with CLI11 ----

using Texts = std::vector<std::string>;

class Command {
 public:
  Command(const std::string& name, const std::string& description, const std::string& examples)
      : app_(description, "clusterdns " + name) {
    app_.set_help_flag("-h,--help", "Print this help and end");
    app_.footer("Examples:\n" + examples);
    app_.get_formatter()->column_width(kHelpColumn);
    // Surplus words are reported below, with the nearest option.
    app_.allow_extras();
  }

  void text(const std::string& names, std::string& value, const std::string& type,
            const std::string& description) {
    app_.add_option(names, value, description)->type_name(type);
  }
  // May be given several times, one value each.
  void texts(const std::string& names, Texts& values, const std::string& type,
             const std::string& description) {
    app_.add_option(names, values, description)->type_name(type)->allow_extra_args(false);
  }
  void word(const std::string& name, std::string& value, const std::string& description) {
    app_.add_option(name, value, description)->type_name("");
  }
  void words(const std::string& name, Texts& values, const std::string& description) {
    app_.add_option(name, values, description)->type_name("");
  }
  void flag(const std::string& names, bool& value, const std::string& description) {
    app_.add_flag(names, value, description);
  }
  [[nodiscard]] bool given(const std::string& name) const { return app_.count(name) > 0; }
  void exclude(const std::string& one, const std::string& other) const {
    if (given(one) && given(other)) throw UsageError{one + " and " + other + ": give only one"};
  }

  // Throws UsageError, or CLI::CallForHelp.
  void parse(Texts args) {
    for (std::string& arg : args) {
      if (arg == "--") break;
      if (is_long_with_one_dash(arg)) arg.insert(0, "-");
    }
    std::reverse(args.begin(), args.end());  // CLI11 takes the words from the back
    try {
      app_.parse(std::move(args));
    } catch (const CLI::CallForHelp&) {
      throw;
    } catch (const CLI::ParseError& e) {
      throw UsageError{e.what()};
    }
    for (const std::string& rest : app_.remaining()) {
      if (!rest.starts_with('-')) throw UsageError{in_quotes(rest) + " is too much; remove it"};
      throw UsageError{"unknown option " + in_quotes(rest) + nearest_option(rest)};
    }
  }

  [[nodiscard]] std::string help() const { return app_.help(); }

 private:
  // CoreDNS's users write `-conf`, which CLI11 takes for `-c onf`.
  [[nodiscard]] bool is_long_with_one_dash(const std::string& arg) const {
    if (arg.size() < 3 || arg[0] != '-' || arg[1] == '-') return false;
    return app_.get_option_no_throw("-" + arg.substr(0, arg.find('='))) != nullptr;
  }

  [[nodiscard]] std::string nearest_option(const std::string& word) const {
    Texts names;
    for (const CLI::Option* option : app_.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    const auto nearest = nearest_word(std::string_view(word).substr(0, word.find('=')), known);
    return nearest ? "; did you mean '" + std::string(*nearest) + "'?" : "";
  }

  CLI::App app_;
};

// The options that say what the cluster is; `serve` and `services` share them.
struct ClusterTexts {
  Texts manifests, paths, zones, service_cidrs, pod_cidrs;

  void add_to(Command& command) {
    command.texts("-m,--manifests", manifests, "PATH",
                  "Manifest file, or folder of them, with all below it; repeatable");
    command.words("PATH", paths, "The same as --manifests");
    command.texts("--zone", zones, "ZONE", "Zone of the cluster [cluster.local]; repeatable");
    command.texts("--service-cidr", service_cidrs, "CIDR",
                  "Where services without an address get one [10.96.0.0/16]; repeatable");
    command.texts("--pod-cidr", pod_cidrs, "CIDR",
                  "Where pods without an address get one [10.244.0.0/16]; repeatable");
  }

  void store(ServeOptions& options) const {
    options.manifests = manifests;
    options.manifests.insert(options.manifests.end(), paths.begin(), paths.end());
    check_writable("--manifests", options.manifests);
    if (!zones.empty()) options.zones = zones_of("--zone", zones);
    options.service_cidrs = cidrs_of("--service-cidr", service_cidrs);
    options.pod_cidrs = cidrs_of("--pod-cidr", pod_cidrs);
  }
};

constexpr auto kServeExamples =
    "  clusterdns serve --manifests deploy/examples\n"
    "  clusterdns serve -m a.yaml -m b/ --listen 127.0.0.1:5353 --listen [::1]:5353\n"
    "  clusterdns serve -m k8s/ --forward 1.1.1.1 --forward 9.9.9.9:53 --log\n"
    "  clusterdns serve -m k8s/ --no-forward --print    # the Corefile this stands for\n";

class ServeCommand : public Command {
 public:
  ServeCommand() : Command("serve", "Serve a cluster from its manifests", kServeExamples) {
    cluster_.add_to(*this);
    texts("-l,--listen", listen_, "ADDR:PORT",
          "Where to listen, UDP and TCP; `:PORT` is every address [127.0.0.1:5353]; repeatable");
    texts("--forward", forward_, "ADDR",
          "Upstream for all other names, or a resolv.conf [/etc/resolv.conf]; repeatable");
    flag("--no-forward", no_forward_, "Answer for the cluster only");
    texts("--search", search_, "DOMAIN",
          "Complete short names with it, in this order [default.svc.ZONE svc.ZONE ZONE]; "
          "repeatable");
    flag("--no-search", no_search_, "Do not complete short names");
    text("--ndots", ndots_, "N", "Names with fewer dots are completed");
    text("--ttl", ttl_, "SECONDS", "TTL of the cluster's names [5]");
    text("--pods", pods_, "MODE", "Names of pods: disabled, insecure or verified [verified]");
    text("--workers", workers_, "N", "Threads that answer [one a core]");
    flag("--log", log_, "Log every query");
    flag("--print", print_, "Print the Corefile this stands for, and end");
  }

  [[nodiscard]] CommandLine result() const {
    exclude("--forward", "--no-forward");
    exclude("--search", "--no-search");
    exclude("--ndots", "--no-search");
    ServeOptions options;
    cluster_.store(options);
    if (options.manifests.empty()) {
      throw UsageError{"no manifests; name a file or a folder with --manifests PATH"};
    }
    if (!listen_.empty()) options.listen.clear();
    for (const std::string& text : listen_) {
      options.listen.push_back(listen_address("--listen", text));
    }
    for (const std::string& text : forward_) check_upstream("--forward", text);
    check_writable("--forward", forward_);
    if (no_forward_ || !forward_.empty()) options.forward = forward_;
    options.search = !no_search_;
    options.search_domains = domains_of("--search", search_);
    if (given("--ndots")) options.ndots = integer_of("--ndots", ndots_, 0, kMaxNdots);
    if (given("--ttl")) options.ttl = integer_of("--ttl", ttl_, 0, kMaxTtl);
    if (given("--pods")) options.pods = parse_choice(value_of("--pods", pods_), kPodModes);
    if (given("--workers")) options.workers = integer_of("--workers", workers_, 1, kMaxWorkers);
    options.log = log_;
    options.print = print_;
    return options;
  }

 private:
  ClusterTexts cluster_;
  Texts listen_, forward_, search_;
  std::string ndots_, ttl_, pods_, workers_;
  bool no_forward_ = false, no_search_ = false, log_ = false, print_ = false;
};

class CheckCommand : public Command {
 public:
  CheckCommand()
      : Command("check", "Say what is wrong with Corefiles and manifests; serve nothing",
                "  clusterdns check Corefile\n"
                "  clusterdns check deploy/examples k8s/web.yaml\n"
                "  clusterdns check --print Corefile    # after imports and environment\n") {
    words("PATH", paths_, "Corefile, manifest, or folder of manifests");
    flag("--print", print_, "Print the Corefiles after imports and environment");
  }

  [[nodiscard]] CommandLine result() const {
    if (paths_.empty()) throw UsageError{"nothing to check; name a Corefile or manifests"};
    return CheckOptions{paths_, print_};
  }

 private:
  Texts paths_;
  bool print_ = false;
};

class ServicesCommand : public Command {
 public:
  ServicesCommand()
      : Command("services", "List the services and the names they have",
                "  clusterdns services --manifests deploy/examples\n"
                "  clusterdns services -n default -o json --conf Corefile\n") {
    cluster_.add_to(*this);
    text("-c,--conf", conf_, "FILE", "Take the cluster from this Corefile instead");
    text("-n,--namespace", namespace_, "NAME", "Only this namespace");
    flag("-A,--all-namespaces", all_, "All namespaces (the default)");
    text("-o,--output", output_, "FORMAT", "table, json or yaml [table]");
  }

  [[nodiscard]] CommandLine result() const {
    for (const char* option : {"--manifests", "PATH", "--zone", "--service-cidr", "--pod-cidr"}) {
      exclude("--conf", option);
    }
    exclude("--namespace", "--all-namespaces");
    ServicesOptions options;
    cluster_.store(options.cluster);
    if (given("--conf")) options.corefile = conf_;
    if (options.corefile ? options.corefile->empty() : options.cluster.manifests.empty()) {
      throw UsageError{"no cluster; name it with --manifests PATH, or with --conf FILE"};
    }
    if (given("--namespace")) options.namespace_name = namespace_of("--namespace", namespace_);
    if (given("--output")) {
      constexpr std::array<std::string_view, 3> kFormats = {"table", "json", "yaml"};
      const auto format = parse_choice(value_of("--output", output_), kFormats);
      options.format = format == "json"   ? OutputFormat::Json
                       : format == "yaml" ? OutputFormat::Yaml
                                          : OutputFormat::Table;
    }
    return options;
  }

 private:
  ClusterTexts cluster_;
  std::string conf_, namespace_, output_;
  bool all_ = false;
};

class QueryCommand : public Command {
 public:
  QueryCommand()
      : Command("query", "Ask a DNS server, and show every name that is tried",
                "  clusterdns query my-service --server 127.0.0.1:5353 --namespace default\n"
                "  clusterdns query _http._tcp.web-api.default.svc.cluster.local SRV "
                "@127.0.0.1:5353\n"
                "  clusterdns query kubernetes.default A --search svc.cluster.local +short\n"
                "  clusterdns query 10.96.0.1    # the name of an address\n") {
    word("NAME", name_, "Name, or an address for its name");
    word("TYPE", type_, "Type of the records [A and AAAA]");
    text("-s,--server", server_, "ADDR[:PORT]",
         "Ask this server, also written @ADDR [those of /etc/resolv.conf]");
    text("-p,--port", port_, "PORT", "Port of the server [53]");
    texts("--search", search_, "DOMAIN",
          "Complete short names with it, in this order [resolv.conf's]; repeatable");
    flag("--no-search", no_search_, "Ask for the name as it is, also written +nosearch");
    text("--ndots", ndots_, "N", "Names with fewer dots are completed first [resolv.conf's]");
    text("-n,--namespace", namespace_, "NAME", "Search like a pod in this namespace");
    text("--zone", zone_, "ZONE", "Zone of the cluster, for --namespace [cluster.local]");
    flag("--tcp", tcp_, "Ask over TCP, also written +tcp");
    text("--timeout", timeout_, "DURATION", "How long to wait for each answer [5s]");
    flag("--short", short_, "Print only the data of the answer, also written +short");
    text("-o,--output", output_, "FORMAT", "text or json [text]");
  }

  // dig's spelling: @SERVER and +option.
  static Texts from_dig(const Texts& args) {
    const std::map<std::string_view, std::string_view> options = {{"+short", "--short"},
                                                                  {"+tcp", "--tcp"},
                                                                  {"+nosearch", "--no-search"},
                                                                  {"+vc", "--tcp"},
                                                                  {"+search", ""}};
    Texts result;
    for (const std::string& arg : args) {
      if (arg.starts_with('@')) {
        result.emplace_back("--server");
        result.push_back(arg.substr(1));
      } else if (arg.starts_with('+')) {
        const auto option = options.find(arg);
        if (option == options.end()) {
          throw UsageError{"unknown option " + in_quotes(arg) +
                           "; of dig's there are +short, +tcp, +search and +nosearch"};
        }
        if (!option->second.empty()) result.emplace_back(option->second);
      } else {
        result.push_back(arg);
      }
    }
    return result;
  }

  [[nodiscard]] CommandLine result() const {
    if (name_.empty()) throw UsageError{"no name; write the one to ask for"};
    for (const char* option : {"--search", "--namespace", "--zone", "--ndots"}) {
      exclude("--no-search", option);
    }
    exclude("--search", "--namespace");
    exclude("--search", "--zone");
    QueryOptions options;
    options.name = name_;
    if (!type_.empty()) options.type = upper(type_);
    if (given("--port")) options.port = parse_port(value_of("--port", port_));
    if (given("--server")) {
      options.server = parse_host_port(value_of("--server", server_), options.port);
      if (given("--port") && options.server->port != options.port) {
        throw UsageError{"--server and --port name different ports: give only one"};
      }
    }
    options.search = !no_search_;
    if (given("--search")) options.search_domains = domains_of("--search", search_);
    if (given("--ndots")) options.ndots = integer_of("--ndots", ndots_, 0, kMaxNdots);
    if (given("--namespace") || given("--zone")) {
      const std::string name =
          given("--namespace") ? namespace_of("--namespace", namespace_) : "default";
      const Texts zone = given("--zone") ? domains_of("--zone", {zone_}) : Texts{"cluster.local."};
      options.search_domains = pod_search_domains(name, zone[0]);
      if (!options.ndots) options.ndots = kPodNdots;
    }
    options.tcp = tcp_;
    if (given("--timeout")) {
      options.timeout = parse_duration(value_of("--timeout", timeout_), BareDuration::Seconds,
                                       kMinTimeout, kMaxTimeout);
    }
    options.brief = short_;
    if (given("--output")) {
      constexpr std::array<std::string_view, 2> kFormats = {"text", "json"};
      if (parse_choice(value_of("--output", output_), kFormats) == "json") {
        options.format = OutputFormat::Json;
      }
    }
    return options;
  }

 private:
  // What kubelet writes into a pod's resolv.conf.
  static constexpr int kPodNdots = 5;

  static std::string upper(std::string text) {
    for (char& c : text) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
  }

  Texts search_;
  std::string name_, type_, server_, port_, ndots_, namespace_, zone_, timeout_, output_;
  bool no_search_ = false, tcp_ = false, short_ = false;
};

class NodeAddressCommand : public Command {
 public:
  NodeAddressCommand()
      : Command("node-address",
                "Give this machine the address of a node-local server, on a dummy interface",
                "  clusterdns node-address 169.254.20.10\n"
                "  clusterdns node-address 169.254.20.10 fd00:53::10 --interface dns0\n") {
    words("ADDRESS", addresses_, "IPv4 or IPv6 address");
    text("-i,--interface", interface_, "NAME",
         "Made unless it is there; lo is the other choice [clusterdns]");
  }

  [[nodiscard]] CommandLine result() const {
    if (addresses_.empty()) throw UsageError{"no address; write one such as 169.254.20.10"};
    NodeAddressOptions options;
    for (const std::string& text : addresses_) {
      const auto address = registry::IpAddress::parse(text);
      if (!address) throw UsageError{in_quotes(text) + " is no IP address"};
      options.addresses.push_back(*address);
    }
    if (given("--interface")) options.interface = interface_;
    if (options.interface.empty() || options.interface.size() > kMaxInterfaceName ||
        options.interface.find_first_of("/ ") != std::string::npos) {
      throw UsageError{"--interface: " + in_quotes(options.interface) +
                       " is no name of an interface; write 1 to 15 letters and digits"};
    }
    return options;
  }

 private:
  Texts addresses_;
  std::string interface_;
};

class VersionCommand : public Command {
 public:
  VersionCommand() : Command("version", "Print the version", "  clusterdns version\n") {}

  [[nodiscard]] static CommandLine result() { return VersionOptions{}; }
};

using Result = std::variant<CommandLine, CommandLineExit>;

template <typename Options>
Result run(const std::string& name, const Texts& args) {
  Options command;
  try {
    if constexpr (std::is_same_v<Options, QueryCommand>) {
      command.parse(QueryCommand::from_dig(args));
    } else {
      command.parse(args);
    }
    return command.result();
  } catch (const CLI::CallForHelp&) {
    return CommandLineExit{0, command.help()};
  } catch (const UsageError& e) {
    return CommandLineExit{kUsageError, "clusterdns " + name + ": " + e.message +
                                            "\nTry `clusterdns " + name + " --help`.\n"};
  } catch (const ConfigError& e) {
    return CommandLineExit{kUsageError, "clusterdns " + name + ": " + e.what() +
                                            "\nTry `clusterdns " + name + " --help`.\n"};
  }
}

Result run_command(const std::string& name, const Texts& args) {
  if (name == "serve") return run<ServeCommand>(name, args);
  if (name == "check") return run<CheckCommand>(name, args);
  if (name == "services") return run<ServicesCommand>(name, args);
  if (name == "query") return run<QueryCommand>(name, args);
  if (name == "node-address") return run<NodeAddressCommand>(name, args);
  if (name == "version") return run<VersionCommand>(name, args);
  if (name == "help") {
    if (!args.empty() && args[0] != "help" && !args[0].starts_with('-')) {
      return run_command(args[0], {"--help"});
    }
    return CommandLineExit{0, std::string(kHelp)};
  }
  std::string text = "clusterdns: unknown command " + in_quotes(name);
  if (const auto nearest = nearest_word(name, kCommands)) {
    text += "; did you mean '" + std::string(*nearest) + "'?";
  } else {
    text += "; a Corefile is named with -conf";
  }
  return CommandLineExit{kUsageError, text + "\nTry `clusterdns help`.\n"};
}

// ---- CoreDNS's command line ----

// Go's package flag: one dash or two, `-name value` or `-name=value`, switches take a value only
// with `=`, and the first word that is no option ends them.
class CoreDnsCommand {
 public:
  explicit CoreDnsCommand(std::span<const std::string> args) : args_(args) {}

  Result run() {
    try {
      while (!args_.empty() && is_option(args_.front())) {
        std::string arg = take();
        if (arg == "--") break;
        arg.erase(0, arg.starts_with("--") ? 2 : 1);
        option(arg);
      }
    } catch (const UsageError& e) {
      return CommandLineExit{kUsageError,
                             "clusterdns: " + e.message + "\n\n" + std::string(kCoreDnsHelp)};
    } catch (const ConfigError& e) {
      return CommandLineExit{kUsageError, "clusterdns: " + std::string(e.what()) + "\n"};
    }
    if (help_) return CommandLineExit{0, std::string(kCoreDnsHelp)};
    if (args_.empty()) return options_;
    std::string surplus;
    for (const std::string& arg : args_) surplus += (surplus.empty() ? "" : " ") + arg;
    return CommandLineExit{kCoreDnsError, "clusterdns: extra command line arguments: [" + surplus +
                                              "]; a Corefile is named with -conf\n"};
  }

 private:
  static bool is_option(const std::string& arg) { return arg.size() > 1 && arg[0] == '-'; }

  std::string take() {
    std::string arg = args_.front();
    args_ = args_.subspan(1);
    return arg;
  }

  void option(const std::string& arg) {
    const auto equals = arg.find('=');
    const std::string name = arg.substr(0, equals);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = arg.substr(equals + 1);
    if (bool* flag = switch_of(name)) {
      *flag = !value || boolean(name, *value);
      return;
    }
    std::string* text = text_of(name);
    if (text == nullptr) throw UsageError{"unknown option " + in_quotes("-" + name) + hint(name)};
    if (!value) {
      if (args_.empty()) throw UsageError{"-" + name + " wants a value after it"};
      value = take();
    }
    *text = *value;
    if (text == &port_) options_.dns_port = parse_port(value_of("-" + name, port_));
    if (text == &log_format_) {
      if (log_format_ != "text" && log_format_ != "json") {
        throw UsageError{"-" + name + ": " + in_quotes(log_format_) + " is neither text nor json"};
      }
      options_.log_format = log_format_ == "json" ? LogFormat::Json : LogFormat::Text;
    }
  }

  bool* switch_of(const std::string& name) {
    if (name == "plugins") return &options_.list_plugins;
    if (name == "quiet") return &options_.quiet;
    if (name == "version") return &options_.show_version;
    if (name == "help" || name == "h") return &help_;
    return nullptr;
  }

  std::string* text_of(const std::string& name) {
    if (name == "conf") return &options_.corefile;
    if (name == "dns.port" || name == "p") return &port_;
    if (name == "pidfile") return &options_.pidfile;
    if (name == "log-format") return &log_format_;
    return nullptr;
  }

  static bool boolean(const std::string& name, const std::string& value) {
    for (const char* word : {"1", "t", "T", "true", "TRUE", "True"}) {
      if (value == word) return true;
    }
    for (const char* word : {"0", "f", "F", "false", "FALSE", "False"}) {
      if (value == word) return false;
    }
    throw UsageError{"-" + name + ": " + in_quotes(value) + " is neither true nor false"};
  }

  static std::string hint(const std::string& name) {
    constexpr std::array<std::string_view, 8> kNames = {
        "conf", "dns.port", "log-format", "pidfile", "plugins", "quiet", "version", "help"};
    const auto nearest = nearest_word(name, kNames);
    return nearest ? "; did you mean '-" + std::string(*nearest) + "'?" : "";
  }

  std::span<const std::string> args_;
  CoreDnsOptions options_;
  std::string port_;
  std::string log_format_;
  bool help_ = false;
};

// ---- the Corefile of `serve` ----

// The way people write names in a Corefile.
std::string without_dot(const std::string& name) {
  return name.size() > 1 ? name.substr(0, name.size() - 1) : name;
}

struct BlockAddresses {
  std::vector<std::uint16_t> ports;
  std::vector<std::string> bind;  // empty: every address
};

// One block for all ports that have the same addresses: its zones then share one registry.
std::vector<BlockAddresses> group(const std::vector<ListenAddress>& listen) {
  std::vector<std::uint16_t> ports;
  for (const ListenAddress& one : listen) {
    if (std::find(ports.begin(), ports.end(), one.port) == ports.end()) ports.push_back(one.port);
  }
  std::vector<BlockAddresses> blocks;
  for (const std::uint16_t port : ports) {
    std::vector<std::string> bind;
    bool everywhere = false;
    for (const ListenAddress& one : listen) {
      if (one.port != port) continue;
      everywhere = everywhere || !one.address;
      if (!one.address) continue;
      std::string text = one.address->to_string();
      if (std::find(bind.begin(), bind.end(), text) == bind.end()) bind.push_back(std::move(text));
    }
    if (everywhere) bind.clear();
    const std::set<std::string> wanted(bind.begin(), bind.end());
    const auto same = std::find_if(blocks.begin(), blocks.end(), [&](const BlockAddresses& block) {
      return std::set<std::string>(block.bind.begin(), block.bind.end()) == wanted;
    });
    if (same != blocks.end()) {
      same->ports.push_back(port);
    } else {
      blocks.push_back({{port}, std::move(bind)});
    }
  }
  return blocks;
}

// "name a b c", or nothing if there are no words.
std::string property(std::string_view name, const Texts& words) {
  std::string text;
  for (const std::string& word : words) text += " " + word;
  return text.empty() ? "" : "        " + std::string(name) + text + "\n";
}

std::string stages(const ServeOptions& options) {
  Texts zones;
  Texts reverse;
  for (const std::string& zone : options.zones) {
    (is_reverse_zone(zone) ? reverse : zones).push_back(without_dot(zone));
  }
  if (reverse.empty()) reverse = {"in-addr.arpa", "ip6.arpa"};
  std::string text = "    kubernetes";
  for (const std::string& zone : zones) text += " " + quote_word(zone);
  for (const std::string& zone : reverse) text += " " + zone;
  text += " {\n";
  Texts manifests;
  for (const std::string& path : options.manifests) manifests.push_back(quote_word(path));
  text += property("manifests", manifests);
  Texts service_cidrs;
  for (const registry::Cidr& cidr : options.service_cidrs) {
    service_cidrs.push_back(cidr.to_string());
  }
  text += property("service_cidr", service_cidrs);
  Texts pod_cidrs;
  for (const registry::Cidr& cidr : options.pod_cidrs) pod_cidrs.push_back(cidr.to_string());
  text += property("pod_cidr", pod_cidrs);
  text += property("pods", Texts{options.pods});
  if (options.ttl) text += property("ttl", Texts{std::to_string(*options.ttl)});
  if (!options.forward.empty()) text += property("fallthrough", reverse);
  text += "    }\n";

  Texts domains = options.search_domains;
  if (domains.empty() && !zones.empty()) domains = pod_search_domains("default", zones[0]);
  if (options.search && !domains.empty()) {
    text += "    search";
    for (const std::string& domain : domains) {
      text += " " + quote_word(domain.ends_with('.') ? without_dot(domain) : domain);
    }
    if (options.ndots) text += " {\n        ndots " + std::to_string(*options.ndots) + "\n    }";
    text += "\n";
  }
  if (!options.forward.empty()) {
    text += "    forward .";
    for (const std::string& upstream : options.forward) text += " " + quote_word(upstream);
    text += "\n";
  }
  return text + "    loadbalance\n";
}

}  // namespace

std::variant<CommandLine, CommandLineExit> parse_command_line(int argc, const char* const* argv) {
  const Texts args(argv + std::min(argc, 1), argv + argc);
  if (args.empty() || args[0].starts_with('-')) {
    // `--help` alone is for people who look for the commands.
    if (!args.empty() && (args[0] == "--help" || args[0] == "-h" || args[0] == "-help")) {
      return CommandLineExit{0, std::string(kHelp)};
    }
    return CoreDnsCommand(args).run();
  }
  return run_command(args[0], Texts(args.begin() + 1, args.end()));
}

std::string corefile_for_serve(const ServeOptions& options) {
  const std::string common = stages(options);
  std::string text;
  for (const BlockAddresses& block : group(options.listen)) {
    if (!text.empty()) text += "\n";
    for (const std::uint16_t port : block.ports) text += ".:" + std::to_string(port) + " ";
    text += "{\n";
    if (!block.bind.empty()) {
      text += "    bind";
      for (const std::string& address : block.bind) text += " " + address;
      text += "\n";
    }
    text += "    errors\n";
    if (options.log) text += "    log\n";
    if (options.workers) text += "    workers " + std::to_string(*options.workers) + "\n";
    text += common + "}\n";
  }
  return text;
}

std::string default_corefile(std::uint16_t dns_port) {
  return ".:" + std::to_string(dns_port) + " {\n    whoami\n    log\n}\n";
}

}  // namespace clusterdns::app
