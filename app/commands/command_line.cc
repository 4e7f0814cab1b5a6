#include "app/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "app/admin/plan.h"
#include "app/commands/coredns_flags.h"
#include "app/corefile/error.h"
#include "app/corefile/print.h"
#include "app/corefile/suggest.h"
#include "app/corefile/zone_key.h"
#include "app/directives/directive.h"
#include "dns/forward/upstream_address.h"
#include "dns/search/search_stage.h"
#include "dns/wire/message_reader.h"
#include "registry/gateways/addresses.h"
#include "registry/manifests/allocator.h"

namespace clusterdns::app {
namespace {

constexpr int kUsageError = 2;
constexpr int kCoreDnsError = 1;  // what CoreDNS ends with on surplus words

constexpr std::size_t kHelpColumn = 30;
constexpr std::size_t kCommandColumn = 14;

// RES_MAXNDOTS of resolv.conf.
constexpr int kMaxNdots = 15;
// CoreDNS's range for the ttl of its kubernetes plugin.
constexpr int kMaxTtl = 3600;
// More threads than any machine has cores; a larger number is a slip.
constexpr int kMaxWorkers = 256;
constexpr std::chrono::nanoseconds kMinTimeout = std::chrono::milliseconds(1);
constexpr std::chrono::nanoseconds kMaxTimeout = std::chrono::hours(1);
// How long a console lets clients wait.
constexpr std::chrono::nanoseconds kMaxWait = std::chrono::minutes(10);

// Of each kind, as in a cluster: one for IPv4 and one for IPv6.
constexpr std::size_t kMaxCidrs = 2;

// The console of this machine.
constexpr std::string_view kConsoleUrl = "http://localhost:5380";

constexpr std::array<std::string_view, 3> kPodModes = {"disabled", "insecure", "verified"};
// IFNAMSIZ of the kernel, less the zero at the end.
constexpr std::size_t kMaxInterfaceName = 15;

// What stands above and below the list of commands.
constexpr std::string_view kHelpHead = R"(clusterdns: a DNS server for Kubernetes clusters

Usage: clusterdns COMMAND [OPTIONS]
       clusterdns -conf Corefile [-dns.port PORT] [-log-format FORMAT] [-pidfile FILE]
                  [-plugins] [-quiet] [-strict] [-version]
       clusterdns -localip ADDRESS,… [OPTIONS]

Commands:
)";
constexpr std::string_view kHelpTail = R"(
The second form is CoreDNS's command line: without -conf it reads ./Corefile. The third is that of
NodeLocal DNSCache's node-cache. `clusterdns -conf x -help` has the options of both.

Examples:
  clusterdns serve --manifests deploy/examples
  clusterdns query my-service --server 127.0.0.1:1053 --namespace default
  clusterdns -conf /etc/coredns/Corefile
)";

constexpr std::string_view kCoreDnsHelpHead = R"(Usage: clusterdns [OPTIONS]

CoreDNS's own command line; options take one dash or two.

)";
constexpr std::string_view kNodeCacheHelpHead = R"(
node-cache's, of NodeLocal DNSCache; any of these makes the Corefile of a template, and sets the
node up:

)";
constexpr std::string_view kCoreDnsHelpTail = R"(
Examples:
  clusterdns -conf /etc/coredns/Corefile
  clusterdns -conf Corefile -dns.port 1053
  clusterdns -conf stdin < Corefile
  clusterdns -localip 169.254.20.10,10.96.0.10 -conf /etc/Corefile -upstreamsvc kube-dns-upstream

For the commands see `clusterdns help`.
)";
// Columns of the two lists.
constexpr std::size_t kFlagColumn = 16;
constexpr std::size_t kNodeFlagColumn = 34;

std::string flag_lines(std::span<const CoreDnsFlag> flags, std::size_t column) {
  std::string text;
  for (const CoreDnsFlag& flag : flags) {
    std::string head = "-" + std::string(flag.name);
    if (!flag.type.empty()) head += " " + std::string(flag.type);
    text +=
        "  " + head + std::string(column - head.size(), ' ') + std::string(flag.description) + "\n";
  }
  return text;
}

std::string coredns_help() {
  return std::string(kCoreDnsHelpHead) + flag_lines(kCoreDnsFlags, kFlagColumn) +
         std::string(kNodeCacheHelpHead) + flag_lines(kNodeCacheFlags, kNodeFlagColumn) +
         std::string(kCoreDnsHelpTail);
}

struct UsageError {
  std::string message;
};

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
                     " is not a namespace; write lower-case letters, digits and dashes"};
  }
  return text;
}

void check_writable(const std::string& option, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text.empty()) throw UsageError{option + ": the value is empty; write one"};
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

// What `forward` takes: an address, or a file.
void check_upstream(const std::string& option, const std::string& text) {
  std::string error;
  if (!is_upstream_file(text) && !dns::parse_upstream(text, &error)) {
    throw UsageError{option + ": " + error};
  }
}

// As many as the directive takes that they end up in.
void check_count(const std::string& option, std::size_t count, std::size_t most) {
  if (count <= most) return;
  throw UsageError{option + ": given " + std::to_string(count) + " times; at most " +
                   std::to_string(most) + " are possible"};
}

std::string listed(const std::vector<registry::Cidr>& cidrs) {
  std::string text;
  for (const registry::Cidr& cidr : cidrs) text += (text.empty() ? "" : " ") + cidr.to_string();
  return text;
}

// ---- one command with CLI11 ----

using Texts = std::vector<std::string>;

class Command {
 public:
  Command(const std::string& name, const std::string& description, const std::string& examples)
      : name_(name), examples_(examples), app_(description, "clusterdns " + name) {
    app_.set_help_flag("-h,--help", "Print this help and exit");
    app_.footer("Examples:\n" + examples);
    app_.get_formatter()->column_width(kHelpColumn);
    // Surplus words are reported below, with the nearest option.
    app_.allow_extras();
  }

  void text(const std::string& names, std::string& value, const std::string& type,
            const std::string& description) {
    app_.add_option(names, value, description)->type_name(type);
  }
  // The value may be left out, and is empty then.
  void optional_text(const std::string& names, std::string& value, const std::string& type,
                     const std::string& description) {
    app_.add_option(names, value, description)->type_name(type)->expected(0, 1);
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
      if (!rest.starts_with('-')) {
        throw UsageError{in_quotes(rest) + " is not expected here; remove it"};
      }
      throw UsageError{"unknown option " + in_quotes(rest) + nearest_option(rest)};
    }
  }

  [[nodiscard]] std::string help() const { return app_.help(); }

  [[nodiscard]] CommandPage page() const {
    CommandPage page{name_, app_.get_description(), examples_, {}};
    for (const CLI::Option* option : app_.get_options()) {
      OptionPage row;
      for (const std::string& name : option->get_snames()) row.names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) row.names.push_back("--" + name);
      row.word = row.names.empty();
      if (row.word) row.names = {option->get_name(true)};
      if (!row.word && option->get_items_expected_max() > 0) row.type = option->get_type_name();
      row.optional = option->get_items_expected_min() == 0;
      row.description = option->get_description();
      page.options.push_back(std::move(row));
    }
    return page;
  }

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

  std::string name_, examples_;
  CLI::App app_;
};

// The options that say what the cluster is; `serve` and `services` share them.
struct ClusterTexts {
  Texts manifests, paths, zones, service_cidrs, pod_cidrs, ingress;
  bool no_gateways = false;

  enum class Paths : std::uint8_t { AsWords, ByOptionOnly };

  void add_to(Command& command, Paths words = Paths::AsWords) {
    command.texts("-m,--manifests", manifests, "PATH",
                  "Manifest file, folder (read with all folders below it), or - for standard "
                  "input; repeatable");
    if (words == Paths::AsWords) command.words("PATH", paths, "The same as --manifests");
    command.texts("--zone", zones, "ZONE", "Zone of the cluster [cluster.local]; repeatable");
    command.texts("--service-cidr", service_cidrs, "CIDR",
                  "Where services without an address get one [" +
                      listed(registry::default_service_cidrs()) + "]; at most twice");
    command.texts("--pod-cidr", pod_cidrs, "CIDR",
                  "Where pods without an address get one [" +
                      listed(registry::default_pod_cidrs()) + "]; at most twice");
    add_ingress_to(command);
    command.flag("--no-gateways", no_gateways, "Do not answer the hosts of gateways and ingresses");
  }
  void add_ingress_to(Command& command) {
    command.texts("--ingress", ingress, "ADDR",
                  "Address of gateways whose objects name none; repeatable");
  }
  [[nodiscard]] std::vector<registry::IpAddress> ingress_addresses() const {
    check_count("--ingress", ingress.size(), registry::gateways::kMaxHostAddresses);
    std::vector<registry::IpAddress> addresses;
    for (const std::string& text : ingress) {
      addresses.push_back(parse_ip(value_of("--ingress", text)));
    }
    return addresses;
  }

  void store(ServeOptions& options) const {
    options.manifests = manifests;
    options.manifests.insert(options.manifests.end(), paths.begin(), paths.end());
    check_writable("--manifests", options.manifests);
    if (!zones.empty()) options.zones = zones_of("--zone", zones);
    check_count("--service-cidr", service_cidrs.size(), kMaxCidrs);
    check_count("--pod-cidr", pod_cidrs.size(), kMaxCidrs);
    options.service_cidrs = cidrs_of("--service-cidr", service_cidrs);
    options.pod_cidrs = cidrs_of("--pod-cidr", pod_cidrs);
    options.ingress = ingress_addresses();
    options.gateways = !no_gateways;
  }
};

// The options that say what is answered, and by whom; `serve` and `explain` share them.
struct StageTexts {
  Texts forward, search;
  std::string ndots, ttl, pods;
  bool no_forward = false, no_search = false;

  void add_to(Command& command, const std::string& forward_default) {
    command.texts(
        "--forward", forward, "ADDR",
        "Upstream for all other names, or a resolv.conf [" + forward_default + "]; repeatable");
    command.flag("--no-forward", no_forward, "Answer for the cluster only");
    command.texts("--search", search, "DOMAIN",
                  "Complete short names with it, in this order [default.svc.ZONE svc.ZONE ZONE]; "
                  "repeatable");
    command.flag("--no-search", no_search, "Do not complete short names");
    command.text("--ndots", ndots, "N", "Names with fewer dots are completed [5]");
    command.text("--ttl", ttl, "SECONDS", "TTL of the cluster's names [5]");
    command.text("--pods", pods, "MODE",
                 "Names of pods: disabled, insecure or verified [verified]");
  }

  void store(const Command& command, ServeOptions& options) const {
    command.exclude("--ingress", "--no-gateways");
    command.exclude("--forward", "--no-forward");
    command.exclude("--search", "--no-search");
    command.exclude("--ndots", "--no-search");
    check_count("--forward", forward.size(), dns::kMaxUpstreams);
    for (const std::string& text : forward) check_upstream("--forward", text);
    check_writable("--forward", forward);
    if (no_forward || !forward.empty()) options.forward = forward;
    options.search = !no_search;
    check_count("--search", search.size(), dns::SearchStage::kMaxSuffixes);
    options.search_domains = domains_of("--search", search);
    if (command.given("--ndots")) options.ndots = integer_of("--ndots", ndots, 0, kMaxNdots);
    if (command.given("--ttl")) options.ttl = integer_of("--ttl", ttl, 0, kMaxTtl);
    if (command.given("--pods")) options.pods = parse_choice(value_of("--pods", pods), kPodModes);
  }
};

// Which API server is asked; `serve` and `services` share it.
struct KubeconfigTexts {
  std::string kubeconfig;
  Texts contexts;

  void add_to(Command& command) {
    command.optional_text("--kubeconfig", kubeconfig, "[FILE]",
                          "The cluster of a kubeconfig, beside manifests if there are any "
                          "[$KUBECONFIG, ~/.kube/config]");
    command.texts("--context", contexts, "NAME",
                  "Context of the kubeconfig [its current one]; repeatable: the names of each are "
                  "below CONTEXT.kube.test");
  }

  void store(const Command& command, ServeOptions& options) const {
    if (command.given("--kubeconfig")) options.kubeconfig = kubeconfig;
    options.contexts = contexts;
    if (command.given("--context")) {
      if (!command.given("--kubeconfig")) throw UsageError{"--context needs --kubeconfig; add it"};
      check_writable("--context", contexts);
      check_zones();
    }
    if (!kubeconfig.empty()) check_writable("--kubeconfig", {kubeconfig});
  }

 private:
  // Of several contexts each needs a zone of its own.
  void check_zones() const {
    if (contexts.size() < 2) return;
    std::map<std::string, std::string> taken;
    for (const std::string& context : contexts) {
      const std::string zone = context_zone(context);
      if (zone.empty()) {
        throw UsageError{"--context: " + in_quotes(context) +
                         " makes no label of a zone; rename it with `kubectl config "
                         "rename-context`"};
      }
      const auto [at, fresh] = taken.emplace(zone, context);
      if (fresh) continue;
      throw UsageError{"--context: " + in_quotes(at->second) + " and " + in_quotes(context) +
                       " have the same zone, " + zone +
                       "; rename one of them with `kubectl config rename-context`"};
    }
  }
};

// `http://HOST[:PORT]` or `https://…`, with nothing or a slash behind it.
ServerUrl server_url(const std::string& option, const std::string& text) {
  const auto refuse = [&](const std::string& why) {
    throw UsageError{option + ": " + in_quotes(text) + why +
                     "; write http://HOST:PORT or https://HOST:PORT"};
  };
  constexpr std::string_view kPlain = "http://", kTls = "https://";
  ServerUrl url;
  url.tls = text.starts_with(kTls);
  if (!url.tls && !text.starts_with(kPlain)) refuse(" is not an address");
  if (url.tls) url.port = 443;
  url.authority = text.substr(url.tls ? kTls.size() : kPlain.size());
  if (url.authority.ends_with('/')) url.authority.pop_back();
  if (url.authority.empty() || url.authority.find_first_of("/?#@ \t\r\n") != std::string::npos) {
    refuse(" is not an address");
  }
  std::size_t end = 0;
  if (url.authority.front() == '[') {
    end = url.authority.find(']');
    if (end == std::string::npos) refuse(" has no ']' behind its address");
    url.host = url.authority.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(url.authority.find(':'), url.authority.size());
    url.host = url.authority.substr(0, end);
  }
  if (url.host.empty()) refuse(" is not an address");
  if (end == url.authority.size()) return url;
  if (url.authority[end] != ':') refuse(" is not an address");
  url.port = parse_port(value_of(option, url.authority.substr(end + 1)));
  return url;
}

// What it takes to be let in by a console, and to know that it is the right one.
struct AccessTexts {
  std::string token_file, ca_file;

  void add_to(Command& command) {
    command.text("--token-file", token_file, "FILE", "The console's token is in this file");
    command.text("--ca", ca_file, "FILE",
                 "PEM certificates that vouch for the console, by https [the machine's]");
  }
  void store(const std::string& option, ServerUrl& url) const {
    if (!ca_file.empty() && !url.tls) {
      throw UsageError{"--ca is for https; write " + option + " https://" + url.authority};
    }
    url.token_file = token_file;
    url.ca_file = ca_file;
  }
};

// The running server that is asked instead; what lists and explains shares it.
struct ServerTexts {
  std::string url;
  AccessTexts access;

  void add_to(Command& command) {
    command.text("--server", url, "URL", "Ask a running server, at the address of its console");
    access.add_to(command);
  }
  // nullopt: none is. `others` are options that say what is asked otherwise.
  [[nodiscard]] std::optional<ServerUrl> get(const Command& command) const {
    if (!command.given("--server")) {
      for (const char* const option : {"--token-file", "--ca"}) {
        if (command.given(option)) {
          throw UsageError{std::string(option) + " needs --server; add it"};
        }
      }
      return std::nullopt;
    }
    return get_or_default(command);
  }
  // The console of this machine where none is named.
  [[nodiscard]] ServerUrl get_or_default(const Command& command) const {
    ServerUrl result =
        server_url("--server", command.given("--server") ? url : std::string(kConsoleUrl));
    access.store("--server", result);
    return result;
  }
};

constexpr auto kServeExamples =
    "  clusterdns serve --manifests deploy/examples\n"
    "  clusterdns serve -m a.yaml -m b/ --listen 127.0.0.1:1053 --listen [::1]:1053\n"
    "  clusterdns serve -m k8s/ --forward 1.1.1.1 --forward 9.9.9.9:53 --log\n"
    "  clusterdns serve --kubeconfig                    # the cluster that kubectl asks\n"
    "  kubectl get services,endpointslices -A -o yaml | clusterdns serve -\n"
    "  clusterdns serve -m k8s/ --no-forward --print    # the Corefile this stands for\n";

class ServeCommand : public Command {
 public:
  ServeCommand() : Command("serve", "Serve a cluster from its manifests", kServeExamples) {
    cluster_.add_to(*this);
    api_.add_to(*this);
    texts("-l,--listen", listen_, "ADDR:PORT",
          "Where to listen, UDP and TCP; `:PORT` is every address [127.0.0.1:1053]; repeatable");
    stages_.add_to(*this, "/etc/resolv.conf");
    text("--workers", workers_, "N", "Threads that answer [one per core]");
    text("--console", console_, "ADDR:PORT", "Where the console is served [localhost:5380]");
    text("--console-token", console_token_, "FILE",
         "Who uses the console must know the token in this file");
    flag("--no-console", no_console_, "Do not serve the console");
    flag("--strict", strict_, "Exit if a manifest has an error, instead of serving the others");
    flag("--log", log_, "Log every query");
    flag("--target", target_,
         "Serve bench.test and fault.test for benchmarks and tests of clients, on loopback only; "
         "needs no manifests");
    flag("--print", print_, "Print the Corefile this stands for, and exit");
  }

  [[nodiscard]] CommandLine result() const {
    ServeOptions options;
    cluster_.store(options);
    stages_.store(*this, options);
    api_.store(*this, options);
    options.target = target_;
    const bool cluster = !options.manifests.empty() || options.kubeconfig;
    if (!cluster && options.target) {
      // What there is nothing of is not answered, and nobody else is asked unless that is wanted.
      options.zones.clear();
      options.gateways = options.search = false;
      if (!given("--forward")) options.forward.clear();
    } else if (!cluster) {
      throw UsageError{
          "no manifests; name a file or a folder with --manifests PATH, or take a "
          "cluster's API with --kubeconfig"};
    }
    if (!listen_.empty()) options.listen.clear();
    for (const std::string& text : listen_) {
      options.listen.push_back(listen_address("--listen", text));
      const ListenAddress& last = options.listen.back();
      if (options.target && !(last.address && is_loopback(*last.address))) {
        throw UsageError{"--listen: " + in_quotes(text) +
                         " is not an address of loopback, the only one that --target listens on; "
                         "write 127.0.0.1:1053"};
      }
    }
    exclude("--console", "--no-console");
    exclude("--console-token", "--no-console");
    if (!no_console_) options.console = console_;
    if (given("--console")) (void)parse_http_address(value_of("--console", console_));
    if (given("--console-token")) check_writable("--console-token", {console_token_});
    options.console_token = console_token_;
    if (given("--workers")) options.workers = integer_of("--workers", workers_, 1, kMaxWorkers);
    options.strict = strict_;
    options.log = log_;
    options.print = print_;
    return options;
  }

 private:
  ClusterTexts cluster_;
  KubeconfigTexts api_;
  StageTexts stages_;
  Texts listen_;
  std::string workers_, console_, console_token_;
  bool strict_ = false, log_ = false, target_ = false, print_ = false, no_console_ = false;
};

OutputFormat text_format(const std::string& text) {
  constexpr std::array<std::string_view, 2> kFormats = {"text", "json"};
  return parse_choice(value_of("--output", text), kFormats) == "json" ? OutputFormat::Json
                                                                      : OutputFormat::Text;
}

class CheckCommand : public Command {
 public:
  CheckCommand()
      : Command("check", "Say what is wrong with Corefiles and manifests; serve nothing",
                "  clusterdns check Corefile\n"
                "  clusterdns check deploy/examples k8s/web.yaml\n"
                "  clusterdns check --print Corefile    # after imports and environment\n"
                "  clusterdns check --from coredns --probe Corefile\n"
                "  kubectl -n kube-system get configmap coredns -o yaml | clusterdns check -\n") {
    words("PATH", paths_,
          "Corefile, manifest (a ConfigMap's Corefile too), or folder of manifests; - reads "
          "manifests from standard input, stdin a Corefile");
    flag("--print", print_, "Print the Corefiles after imports and environment");
    flag("-q,--quiet", quiet_, "Say only what is wrong, not what server blocks do");
    flag("--probe", probe_, "Ask the upstreams of Corefiles, and say which are silent");
    text("--from", from_, "SERVER", "Say what changes for a Corefile that coredns serves now");
    text("--fail-on", fail_on_, "SEVERITY",
         "error: exit code 1 for errors; warning: 3 for warnings, too [error]");
    cluster_.add_ingress_to(*this);
    server_.add_to(*this);
    text("-o,--output", output_, "FORMAT", "text or json [text]");
  }

  [[nodiscard]] CommandLine result() const {
    CheckOptions options;
    options.server = server_.get(*this);
    for (const char* option :
         {"PATH", "--print", "--ingress", "--quiet", "--probe", "--from", "--fail-on"}) {
      exclude("--server", option);
    }
    if (paths_.empty() && !options.server) {
      throw UsageError{"nothing to check; name a Corefile or manifests"};
    }
    options.paths = paths_;
    options.print = print_;
    options.quiet = quiet_;
    options.probe = probe_;
    if (given("--from")) {
      constexpr std::array<std::string_view, 1> kServers = {"coredns"};
      options.from_coredns = parse_choice(value_of("--from", from_), kServers) == "coredns";
    }
    if (given("--fail-on")) {
      constexpr std::array<std::string_view, 2> kSeverities = {"error", "warning"};
      options.fail_on_warning =
          parse_choice(value_of("--fail-on", fail_on_), kSeverities) == "warning";
    }
    options.ingress = cluster_.ingress_addresses();
    if (given("--output")) options.format = text_format(output_);
    if (options.print && options.format == OutputFormat::Json) {
      throw UsageError{"--print and --output json: give only one"};
    }
    return options;
  }

 private:
  ClusterTexts cluster_;
  ServerTexts server_;
  Texts paths_;
  std::string output_, from_, fail_on_;
  bool print_ = false, quiet_ = false, probe_ = false;
};

class MigrateCommand : public Command {
 public:
  MigrateCommand()
      : Command("migrate",
                "Rewrite the Corefile of an older CoreDNS, from 1.0 on; print it, with what was "
                "changed in comments",
                "  clusterdns migrate Corefile > Corefile.new\n"
                "  kubectl -n kube-system get configmap coredns -o jsonpath='{.data.Corefile}' | "
                "clusterdns migrate -\n") {
    word("FILE", file_, "Corefile; - reads standard input");
  }

  [[nodiscard]] CommandLine result() const {
    if (file_.empty()) throw UsageError{"nothing to migrate; name a Corefile"};
    return MigrateOptions{file_};
  }

 private:
  std::string file_;
};

OutputFormat table_format(const std::string& text) {
  constexpr std::array<std::string_view, 3> kFormats = {"table", "json", "yaml"};
  const auto format = parse_choice(value_of("--output", text), kFormats);
  return format == "json"   ? OutputFormat::Json
         : format == "yaml" ? OutputFormat::Yaml
                            : OutputFormat::Table;
}

class ServicesCommand : public Command {
 public:
  ServicesCommand()
      : Command("services", "List the services and the names they have",
                "  clusterdns services --manifests deploy/examples\n"
                "  clusterdns services --kubeconfig    # of the cluster that kubectl asks\n"
                "  clusterdns services -n default -o json --conf Corefile\n") {
    cluster_.add_to(*this);
    api_.add_to(*this);
    text("-c,--conf", conf_, "FILE", "Take the cluster from this Corefile instead");
    server_.add_to(*this);
    text("-n,--namespace", namespace_, "NAME", "Only this namespace");
    flag("-A,--all-namespaces", all_, "All namespaces (the default)");
    text("-o,--output", output_, "FORMAT", "table, json or yaml [table]");
  }

  [[nodiscard]] CommandLine result() const {
    for (const char* option : {"--manifests", "PATH", "--kubeconfig", "--context", "--zone",
                               "--service-cidr", "--pod-cidr"}) {
      exclude("--conf", option);
      exclude("--server", option);
    }
    exclude("--conf", "--server");
    exclude("--namespace", "--all-namespaces");
    ServicesOptions options;
    options.server = server_.get(*this);
    cluster_.store(options.cluster);
    api_.store(*this, options.cluster);
    if (given("--conf")) options.corefile = conf_;
    if (!options.server &&
        (options.corefile ? options.corefile->empty()
                          : options.cluster.manifests.empty() && !options.cluster.kubeconfig)) {
      throw UsageError{
          "no cluster; name it with --manifests PATH, with --kubeconfig [FILE], with "
          "--conf FILE, or with --server URL"};
    }
    if (given("--namespace")) options.namespace_name = namespace_of("--namespace", namespace_);
    if (given("--output")) options.format = table_format(output_);
    return options;
  }

 private:
  ClusterTexts cluster_;
  KubeconfigTexts api_;
  ServerTexts server_;
  std::string conf_, namespace_, output_;
  bool all_ = false;
};

class HostsCommand : public Command {
 public:
  HostsCommand()
      : Command("hosts", "List the hosts of gateways and where they lead",
                "  clusterdns hosts --manifests deploy/examples\n"
                "  clusterdns hosts -m k8s/ --ingress 127.0.0.1 -o json\n") {
    cluster_.add_to(*this);
    text("-c,--conf", conf_, "FILE", "Take the cluster from this Corefile instead");
    server_.add_to(*this);
    text("-n,--namespace", namespace_, "NAME", "Only hosts of objects in this namespace");
    flag("-A,--all-namespaces", all_, "All namespaces (the default)");
    text("-o,--output", output_, "FORMAT", "table, json or yaml [table]");
  }

  [[nodiscard]] CommandLine result() const {
    for (const char* option : {"--manifests", "PATH", "--zone", "--service-cidr", "--pod-cidr",
                               "--ingress", "--no-gateways"}) {
      exclude("--conf", option);
      exclude("--server", option);
    }
    exclude("--conf", "--server");
    exclude("--namespace", "--all-namespaces");
    HostsOptions options;
    options.server = server_.get(*this);
    cluster_.store(options.cluster);
    options.cluster.forward.clear();
    if (given("--conf")) options.corefile = conf_;
    if (!options.server &&
        (options.corefile ? options.corefile->empty() : options.cluster.manifests.empty())) {
      throw UsageError{
          "no cluster; name it with --manifests PATH, with --conf FILE, or with "
          "--server URL"};
    }
    if (given("--namespace")) options.namespace_name = namespace_of("--namespace", namespace_);
    if (given("--output")) options.format = table_format(output_);
    return options;
  }

 private:
  ClusterTexts cluster_;
  ServerTexts server_;
  std::string conf_, namespace_, output_;
  bool all_ = false;
};

class WatchCommand : public Command {
 public:
  WatchCommand()
      : Command("watch", "Print what changes in the cluster of a running server",
                "  clusterdns watch\n"
                "  clusterdns watch --server https://10.0.0.1:5380 --token-file token -o json\n") {
    server_.add_to(*this);
    text("-o,--output", output_, "FORMAT", "text, or json for an object a line [text]");
  }

  [[nodiscard]] CommandLine result() const {
    WatchOptions options;
    options.server = server_.get_or_default(*this);
    if (given("--output")) options.format = text_format(output_);
    return options;
  }

 private:
  ServerTexts server_;
  std::string output_;
};

class WaitCommand : public Command {
 public:
  WaitCommand()
      : Command(
            "wait",
            "Wait until a running server resolves a name; 0 when it does, 1 when the time is up",
            "  clusterdns wait my-service\n"
            "  clusterdns wait shop.example.com A --address 127.0.0.1 --timeout 2m\n") {
    word("NAME", name_, "Name to wait for");
    word("TYPE", type_, "Type of the records [A]");
    text("--address", address_, "ADDR", "It must lead to this address");
    text("--timeout", timeout_, "DURATION", "How long to wait, 10m at most [30s]");
    server_.add_to(*this);
  }

  [[nodiscard]] CommandLine result() const {
    if (name_.empty()) throw UsageError{"no name; write the one to wait for"};
    WaitOptions options;
    options.name = name_;
    const dns::Result<dns::Name> name = dns::Name::from_text(name_);
    if (!name) {
      throw UsageError{in_quotes(name_) + " is not a domain name: " + name.error().message()};
    }
    if (!type_.empty()) {
      dns::RRType type;
      if (!dns::rrtype_from_text(type_, &type)) {
        throw UsageError{in_quotes(type_) + " is not a record type; write A, AAAA, SRV or another"};
      }
      options.type = type_;
    }
    if (given("--address")) options.address = parse_ip(value_of("--address", address_));
    if (given("--timeout")) {
      options.timeout = parse_duration(value_of("--timeout", timeout_), BareDuration::Seconds,
                                       std::chrono::nanoseconds::zero(), kMaxWait);
    }
    options.server = server_.get_or_default(*this);
    return options;
  }

 private:
  ServerTexts server_;
  std::string name_, type_, address_, timeout_;
};

class CacheCommand : public Command {
 public:
  CacheCommand()
      : Command("cache", "Print what a running server keeps of upstreams' answers, or forget it",
                "  clusterdns cache dump\n"
                "  clusterdns cache dump www.example.com -o json\n"
                "  clusterdns cache flush www.example.com\n") {
    word("ACTION", action_, "dump, or flush, for which the console needs allow_edit");
    word("NAME", name_, "Only answers about this very name, of all types");
    server_.add_to(*this);
    text("-o,--output", output_, "FORMAT", "text or json [text]");
  }

  [[nodiscard]] CommandLine result() const {
    if (action_ != "dump" && action_ != "flush") {
      throw UsageError{(action_.empty() ? "no action" : in_quotes(action_) + " is not an action") +
                       std::string("; write dump or flush")};
    }
    CacheCommandOptions options;
    options.flush = action_ == "flush";
    if (!name_.empty()) {
      const dns::Result<dns::Name> name = dns::Name::from_text(name_);
      if (!name) {
        throw UsageError{in_quotes(name_) + " is not a domain name: " + name.error().message()};
      }
      options.name = name_;
    }
    options.server = server_.get_or_default(*this);
    if (given("--output")) options.format = text_format(output_);
    return options;
  }

 private:
  ServerTexts server_;
  std::string action_, name_, output_;
};

class ExplainCommand : public Command {
 public:
  ExplainCommand()
      : Command(
            "explain", "Say why a name resolves as it does, and what is wrong behind it",
            "  clusterdns explain shop.example.com --manifests deploy/examples\n"
            "  clusterdns explain my-service -m k8s/ --namespace staging\n"
            "  clusterdns explain _http._tcp.web.default.svc.cluster.local SRV --conf Corefile\n"
            "  clusterdns explain api.example.com -m k8s/ --ingress 127.0.0.1 -o json\n") {
    word("NAME", name_, "Name to ask for, or an address to find its name");
    word("TYPE", type_, "Type of the records [A]");
    cluster_.add_to(*this, ClusterTexts::Paths::ByOptionOnly);
    stages_.add_to(*this, "none");
    text("-c,--conf", conf_, "FILE", "Explain by this Corefile instead");
    server_.add_to(*this);
    text("-n,--namespace", namespace_, "NAME", "As from a pod in this namespace");
    text("--client", client_, "ADDR", "As from this address [127.0.0.1]");
    text("-o,--output", output_, "FORMAT", "text or json [text]");
  }

  [[nodiscard]] CommandLine result() const {
    if (name_.empty()) throw UsageError{"no name; write the one to explain"};
    exclude("--conf", "--server");
    for (const char* option :
         {"--manifests", "--zone", "--service-cidr", "--pod-cidr", "--ingress", "--no-gateways",
          "--forward", "--no-forward", "--search", "--no-search", "--ndots", "--ttl", "--pods"}) {
      exclude("--conf", option);
      exclude("--server", option);
    }
    ExplainOptions options;
    options.name = name_;
    options.cluster.forward.clear();  // nobody outside is asked, unless that is asked for
    cluster_.store(options.cluster);
    stages_.store(*this, options.cluster);
    if (!type_.empty()) {
      dns::RRType type;
      if (!dns::rrtype_from_text(type_, &type)) {
        throw UsageError{in_quotes(type_) + " is not a record type; write A, AAAA, SRV or another"};
      }
      options.type = type_;
    }
    const dns::Result<dns::Name> name = dns::Name::from_text(name_);
    if (!name) {
      throw UsageError{in_quotes(name_) + " is not a domain name: " + name.error().message()};
    }
    if (given("--conf")) options.corefile = conf_;
    options.server = server_.get(*this);
    if (!options.server &&
        (options.corefile ? options.corefile->empty() : options.cluster.manifests.empty())) {
      throw UsageError{
          "no cluster; name it with --manifests PATH, with --conf FILE, or with "
          "--server URL"};
    }
    if (given("--namespace")) options.namespace_name = namespace_of("--namespace", namespace_);
    if (given("--client")) options.client = parse_ip(value_of("--client", client_));
    if (given("--output")) options.format = text_format(output_);
    return options;
  }

 private:
  ClusterTexts cluster_;
  StageTexts stages_;
  ServerTexts server_;
  std::string name_, type_, conf_, namespace_, client_, output_;
};

class QueryCommand : public Command {
 public:
  QueryCommand()
      : Command("query", "Ask a DNS server, and show every name that is tried",
                "  clusterdns query my-service --server 127.0.0.1:1053 --namespace default\n"
                "  clusterdns query _http._tcp.web-api.default.svc.cluster.local SRV "
                "@127.0.0.1:1053\n"
                "  clusterdns query kubernetes.default A --search svc.cluster.local +short\n"
                "  clusterdns query 10.96.0.1    # the name of an address\n") {
    word("NAME", name_, "Name to ask for, or an address to find its name");
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
                           "; of dig's options, +short, +tcp, +search and +nosearch work"};
        }
        if (!option->second.empty()) result.emplace_back(option->second);
      } else {
        result.push_back(arg);
      }
    }
    return result;
  }

  [[nodiscard]] CommandLine result() const {
    if (name_.empty()) throw UsageError{"no name given; write the one to ask for"};
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
    if (given("--output")) options.format = text_format(output_);
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

class SyntheticCommand : public Command {
 public:
  SyntheticCommand()
      : Command("synthetic",
                "Print what the directive `synthetic` answers, without asking a server",
                "  clusterdns synthetic x1.bench.test A\n"
                "  clusterdns synthetic a4.ttl5.www.load.example AAAA --zone load.example\n") {
    word("NAME", name_, "Name in the zone");
    word("TYPE", type_, "Type of the records [A]");
    text("--zone", zone_, "ZONE", "Zone of the directive [bench.test]");
  }

  [[nodiscard]] CommandLine result() const {
    if (name_.empty()) throw UsageError{"no name given; write one such as x1.bench.test"};
    SyntheticOptions options;
    options.name = name_;
    if (!type_.empty()) options.type = type_;
    if (given("--zone")) options.zone = domains_of("--zone", {zone_})[0];
    return options;
  }

 private:
  std::string name_, type_, zone_;
};

class ReplayCommand : public Command {
 public:
  ReplayCommand()
      : Command("replay",
                "Ask a server what a capture has, with its timing, and compare the answers",
                "  clusterdns replay dns.pcap --server 127.0.0.1:1053\n"
                "  clusterdns replay dns.pcapng --server [::1]:53 --speed 10\n") {
    word("FILE", file_, "Capture: pcap, pcapng or dnstap");
    text("-s,--server", server_, "ADDR:PORT", "Server to ask, on loopback");
    text("--speed", speed_, "N", "How many times faster than the capture [1]");
  }

  [[nodiscard]] CommandLine result() const {
    if (file_.empty()) throw UsageError{"no file given; name a pcap, pcapng or dnstap file"};
    if (server_.empty()) throw UsageError{"no server; name it with --server 127.0.0.1:1053"};
    ReplayOptions options;
    options.file = file_;
    options.server = parse_host_port(value_of("--server", server_), kDnsPort);
    if (!is_loopback(options.server.address)) {
      throw UsageError{"--server: " + in_quotes(server_) +
                       " is not on loopback; queries of a capture are asked of no other server"};
    }
    if (given("--speed")) {
      const auto [end, error] =
          std::from_chars(speed_.data(), speed_.data() + speed_.size(), options.speed);
      if (error != std::errc() || end != speed_.data() + speed_.size() ||
          !(options.speed > 0 && options.speed <= 1e9)) {
        throw UsageError{"--speed: " + in_quotes(speed_) + " is not a number above 0"};
      }
    }
    return options;
  }

 private:
  std::string file_, server_, speed_;
};

class ReportCommand : public Command {
 public:
  ReportCommand()
      : Command("report",
                "Print what `evidence` of a running server knows of its clients: what each asked, "
                "how often again and how, what it was answered",
                "  clusterdns serve --target &\n"
                "  dig @127.0.0.1 -p 1053 f1-drop.x.fault.test && clusterdns report\n"
                "  clusterdns report --client 127.0.0.2 --type AAAA -o json\n") {
    server_.add_to(*this);
    text("--client", client_, "ADDR", "Only the client with this address");
    text("--name", name_, "NAME", "Only what was asked of this name");
    text("--type", type_, "TYPE", "Only what was asked of this type");
    text("-o,--output", output_, "FORMAT", "table or json [table]");
  }

  [[nodiscard]] CommandLine result() const {
    ReportOptions options;
    options.server = server_.get_or_default(*this);
    if (given("--client")) options.client = parse_ip(value_of("--client", client_));
    if (given("--name")) {
      const dns::Result<dns::Name> name = dns::Name::from_text(name_);
      if (!name) {
        throw UsageError{"--name: " + in_quotes(name_) +
                         " is not a domain name: " + name.error().message()};
      }
      options.name = name_;
    }
    if (given("--type")) {
      dns::RRType type;
      if (!dns::rrtype_from_text(type_, &type)) {
        throw UsageError{"--type: " + in_quotes(type_) +
                         " is not a record type; write A, AAAA, SRV or another"};
      }
      options.type = type_;
    }
    if (given("--output")) {
      constexpr std::array<std::string_view, 2> kFormats = {"table", "json"};
      options.format = parse_choice(value_of("--output", output_), kFormats) == "json"
                           ? OutputFormat::Json
                           : OutputFormat::Table;
    }
    return options;
  }

 private:
  ServerTexts server_;
  std::string client_, name_, type_, output_;
};

class SetupCommand : public Command {
 public:
  SetupCommand()
      : Command("setup",
                "Have this machine ask the server for the cluster's zones and the gateways' hosts",
                "  sudo clusterdns setup\n"
                "  clusterdns setup --dry-run\n"
                "  sudo clusterdns setup --zone cluster.local --server 127.0.0.1:1053 --yes\n"
                "  clusterdns setup --backend macos --zone cluster.local\n") {
    text("-s,--server", server_, "ADDR[:PORT]",
         "Where the server is asked [what the console says, or 127.0.0.1:1053]");
    text("--console", console_, "URL",
         "Take zones and hosts from this console [http://localhost:5380]");
    access_.add_to(*this);
    text("--backend", backend_, "BACKEND",
         "What answers names here: resolved, networkmanager, dnsmasq, resolvconf, resolv.conf, "
         "macos or windows [what is found]");
    texts("--zone", zones_, "ZONE", "Route this zone, besides the console's; repeatable");
    flag("--dry-run", dry_run_, "Say what would be done, and do nothing");
    flag("-y,--yes", yes_, "Do it without asking");
    text("--root", root_, "DIR", "Change the system below this folder; nothing is run [/]");
  }

  [[nodiscard]] CommandLine result() const {
    SetupOptions options;
    if (given("--server")) {
      options.server = parse_host_port(value_of("--server", server_), kServePort);
      if (options.server->port == 0) throw UsageError{"--server: port 0 is none; name another"};
    }
    options.console_named = given("--console");
    options.console =
        server_url("--console", options.console_named ? console_ : std::string(kConsoleUrl));
    access_.store("--console", options.console);
    if (given("--backend")) {
      options.backend = backend_of(parse_choice(value_of("--backend", backend_), kBackendNames));
    }
    options.zones = zones_of("--zone", zones_);
    options.dry_run = dry_run_;
    options.yes = yes_;
    if (given("--root")) options.root = root_;
    return options;
  }

 private:
  std::string server_, console_, backend_, root_;
  AccessTexts access_;
  Texts zones_;
  bool dry_run_ = false, yes_ = false;
};

class UnsetupCommand : public Command {
 public:
  UnsetupCommand()
      : Command("unsetup", "Undo what setup did, also when it was cut short",
                "  sudo clusterdns unsetup\n"
                "  clusterdns unsetup --root /srv/container --yes\n") {
    flag("--dry-run", dry_run_, "Say what would be done, and do nothing");
    flag("-y,--yes", yes_, "Do it without asking");
    text("--root", root_, "DIR", "Change the system below this folder; nothing is run [/]");
  }

  [[nodiscard]] CommandLine result() const {
    UnsetupOptions options;
    options.dry_run = dry_run_;
    options.yes = yes_;
    if (given("--root")) options.root = root_;
    return options;
  }

 private:
  std::string root_;
  bool dry_run_ = false, yes_ = false;
};

class DoctorCommand : public Command {
 public:
  DoctorCommand()
      : Command("doctor",
                "Say what keeps this machine from the cluster's names, and what mends it; 0 when "
                "all is well",
                "  clusterdns doctor\n"
                "  clusterdns doctor shop.example.com -o json\n") {
    word("NAME", name_, "Name to resolve [a host of a gateway, or kubernetes.default]");
    text("-s,--server", server_, "ADDR[:PORT]",
         "Where the server is asked [what setup was told, what the console says, or "
         "127.0.0.1:1053]");
    text("--console", console_, "URL",
         "Take zones and hosts from this console [http://localhost:5380]");
    access_.add_to(*this);
    text("--root", root_, "DIR", "Look at the files below this folder; nobody is asked [/]");
    text("-o,--output", output_, "FORMAT", "text or json [text]");
  }

  [[nodiscard]] CommandLine result() const {
    DoctorOptions options;
    if (!name_.empty()) {
      std::string why;
      const auto name = plain_name(name_, &why);
      if (!name) throw UsageError{in_quotes(name_) + " is no name of a host: " + why};
      options.name = *name;
    }
    if (given("--server")) {
      options.server = parse_host_port(value_of("--server", server_), kServePort);
      if (options.server->port == 0) throw UsageError{"--server: port 0 is none; name another"};
    }
    options.console_named = given("--console");
    options.console =
        server_url("--console", options.console_named ? console_ : std::string(kConsoleUrl));
    access_.store("--console", options.console);
    if (given("--root")) options.root = root_;
    if (given("--output")) options.format = text_format(output_);
    return options;
  }

 private:
  std::string name_, server_, console_, root_, output_;
  AccessTexts access_;
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
         "Created if it is missing; lo works, too [clusterdns]");
  }

  [[nodiscard]] CommandLine result() const {
    if (addresses_.empty()) throw UsageError{"no address; write one such as 169.254.20.10"};
    NodeAddressOptions options;
    for (const std::string& text : addresses_) {
      const auto address = registry::IpAddress::parse(text);
      if (!address) throw UsageError{in_quotes(text) + " is not an IP address"};
      options.addresses.push_back(*address);
    }
    if (given("--interface")) options.interface = interface_;
    if (options.interface.empty() || options.interface.size() > kMaxInterfaceName ||
        options.interface.find_first_of("/ ") != std::string::npos) {
      throw UsageError{"--interface: " + in_quotes(options.interface) +
                       " is not a valid interface name; write 1 to 15 letters and digits"};
    }
    return options;
  }

 private:
  Texts addresses_;
  std::string interface_;
};

class DirectivesCommand : public Command {
 public:
  DirectivesCommand()
      : Command("directives", "List the directives of a Corefile, or the options of one",
                "  clusterdns directives\n"
                "  clusterdns directives cache\n") {
    word("NAME", name_, "Show this one's options");
    text("-o,--output", output_, "FORMAT", "table or markdown [table]");
  }

  [[nodiscard]] CommandLine result() const {
    static constexpr std::string_view kFormats[] = {"table", "markdown"};
    DirectivesOptions options;
    options.name = name_;
    options.markdown =
        given("--output") && parse_choice(value_of("--output", output_), kFormats) == "markdown";
    return options;
  }

 private:
  std::string name_, output_;
};

class CompletionCommand : public Command {
 public:
  CompletionCommand()
      : Command("completion", "Print a script that completes this program's words in a shell",
                "  clusterdns completion bash > /etc/bash_completion.d/clusterdns\n"
                "  source <(clusterdns completion bash)\n"
                "  clusterdns completion fish > ~/.config/fish/completions/clusterdns.fish\n") {
    word("SHELL", shell_, "bash, zsh or fish");
  }

  [[nodiscard]] CommandLineExit result() const {
    const std::string_view shell = parse_choice(value_of("SHELL", shell_), kShells);
    return {0, completion(shell, command_pages())};
  }

 private:
  std::string shell_;
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

// One command, and what the help says of it in a line.
struct CommandRow {
  std::string_view name, summary;
  Result (*run)(const std::string& name, const Texts& args);
  CommandPage (*page)();
};

template <typename Options>
constexpr CommandRow row(std::string_view name, std::string_view summary) {
  return {name, summary, run<Options>, [] { return Options().page(); }};
}

// In the order of the help.
constexpr auto kCommands = std::to_array<CommandRow>({
    row<ServeCommand>("serve", "Serve a cluster from its manifests"),
    row<CheckCommand>("check", "Say what is wrong with Corefiles and manifests, and what they do"),
    row<MigrateCommand>("migrate", "Rewrite the Corefile of an older CoreDNS"),
    row<ServicesCommand>("services", "List the services and the names they have"),
    row<HostsCommand>("hosts", "List the hosts of gateways and where they lead"),
    row<ExplainCommand>("explain",
                        "Say why a name resolves as it does, and what is wrong behind it"),
    row<WatchCommand>("watch", "Print what changes in the cluster of a running server"),
    row<WaitCommand>("wait", "Wait until a running server resolves a name"),
    row<CacheCommand>("cache", "Print what a running server keeps of answers, or forget it"),
    row<QueryCommand>("query", "Ask a DNS server, and show every name that is tried"),
    row<SyntheticCommand>("synthetic", "Print what the directive `synthetic` answers"),
    row<ReplayCommand>("replay", "Ask a server what a capture has, and compare the answers"),
    row<ReportCommand>("report", "Print what `evidence` of a running server knows of its clients"),
    row<SetupCommand>("setup", "Have this machine ask the server for the cluster's names"),
    row<UnsetupCommand>("unsetup", "Undo what setup did"),
    row<DoctorCommand>("doctor", "Say what keeps this machine from the cluster's names"),
    row<NodeAddressCommand>("node-address", "Give this machine the address of a node-local server"),
    row<DirectivesCommand>("directives",
                           "List the directives of a Corefile, or the options of one"),
    row<CompletionCommand>("completion", "Print what a shell completes"),
    row<VersionCommand>("version", "Print the version"),
});

std::string help_text() {
  std::string text(kHelpHead);
  const auto add = [&](std::string_view name, std::string_view summary) {
    text += "  " + std::string(name) + std::string(kCommandColumn - name.size(), ' ') +
            std::string(summary) + "\n";
  };
  for (const CommandRow& command : kCommands) add(command.name, command.summary);
  add("help", "Print this, or the help of a command");
  return text + std::string(kHelpTail);
}

Result run_command(const std::string& name, const Texts& args) {
  for (const CommandRow& command : kCommands) {
    if (command.name == name) return command.run(name, args);
  }
  if (name == "help") {
    // For packages, which install it.
    if (args == Texts{"--man"}) return CommandLineExit{0, man_page(command_pages())};
    if (!args.empty() && args[0] != "help" && !args[0].starts_with('-')) {
      return run_command(args[0], {"--help"});
    }
    return CommandLineExit{0, help_text()};
  }
  std::string text = "clusterdns: unknown command " + in_quotes(name);
  std::vector<std::string_view> names{"help"};
  for (const CommandRow& command : kCommands) names.push_back(command.name);
  if (const auto nearest = nearest_word(name, names)) {
    text += "; did you mean '" + std::string(*nearest) + "'?";
  } else {
    text += "; a Corefile is named with -conf";
  }
  return CommandLineExit{kUsageError, text + "\nTry `clusterdns help`.\n"};
}

// ---- CoreDNS's command line ----

// Go's package flag: one dash or two, `-name value` or `-name=value`, switches take a value only
// with `=`, and the first word that is not an option ends them.
class CoreDnsCommand {
 public:
  CoreDnsCommand(std::span<const std::string> args, bool node_cache)
      : args_(args), is_node_cache_(node_cache) {}

  Result run() {
    try {
      while (!args_.empty() && is_option(args_.front())) {
        std::string arg = take();
        if (arg == "--") break;
        arg.erase(0, arg.starts_with("--") ? 2 : 1);
        option(arg);
      }
    } catch (const UsageError& e) {
      return CommandLineExit{kUsageError, "clusterdns: " + e.message + "\n\n" + coredns_help()};
    } catch (const ConfigError& e) {
      return CommandLineExit{kUsageError, "clusterdns: " + std::string(e.what()) + "\n"};
    }
    if (help_) return CommandLineExit{0, coredns_help()};
    if (args_.empty()) return finish();
    std::string surplus;
    for (const std::string& arg : args_) surplus += (surplus.empty() ? "" : " ") + arg;
    return CommandLineExit{kCoreDnsError, "clusterdns: extra command line arguments: [" + surplus +
                                              "]; a Corefile is named with -conf\n"};
  }

 private:
  static bool is_option(const std::string& arg) { return arg.size() > 1 && arg[0] == '-'; }

  // What needs all of the options.
  Result finish() {
    if (!is_node_cache_ || options_.show_version || options_.list_plugins) return options_;
    try {
      read_local_ip();
      node_.keep = skip_teardown_;
      if (!health_port_.empty()) {
        node_.health_port = parse_port(value_of("-health-port", health_port_));
      }
      if (!interval_.empty()) node_.interval = interval();
      (void)parse_http_address(value_of("-metrics-listen-address", node_.metrics_address));
      if (node_.interface.empty() || node_.interface.size() > kMaxInterfaceName) {
        throw UsageError{"-interfacename: " + in_quotes(node_.interface) +
                         " is not a name of an interface; write one of at most " +
                         std::to_string(kMaxInterfaceName) + " letters"};
      }
    } catch (const UsageError& e) {
      return CommandLineExit{kUsageError, "clusterdns: " + e.message + "\n"};
    } catch (const ConfigError& e) {
      return CommandLineExit{kUsageError, "clusterdns: " + std::string(e.what()) + "\n"};
    }
    if (!options_.corefile.empty()) node_.corefile = options_.corefile;
    options_.node_cache = std::move(node_);
    return options_;
  }

  void read_local_ip() {
    if (local_ip_.empty()) {
      throw UsageError{
          "-localip is missing; name the addresses of this node's cache, as 169.254.20.10"};
    }
    for (std::size_t at = 0; at <= local_ip_.size();) {
      const std::size_t comma = std::min(local_ip_.find(',', at), local_ip_.size());
      const std::string text = local_ip_.substr(at, comma - at);
      at = comma + 1;
      const auto address = registry::IpAddress::parse(text);
      if (!address) {
        throw UsageError{"-localip: " + in_quotes(text) + " is not an IP address" +
                         (text.starts_with("__PILLAR__")
                              ? "; the manifest is a template, write one in its place"
                              : "; write addresses with commas between")};
      }
      if (std::find(node_.local.begin(), node_.local.end(), *address) == node_.local.end()) {
        node_.local.push_back(*address);
      }
    }
  }

  // A number of seconds. node-cache multiplies what it reads, nanoseconds, by seconds: there `60ns`
  // is what stands for 60 s.
  [[nodiscard]] std::chrono::nanoseconds interval() const {
    constexpr std::chrono::nanoseconds kSlip = std::chrono::microseconds(1);
    const Token token = value_of("-syncinterval", interval_);
    const auto read = parse_duration(token, BareDuration::Seconds);
    if (read > std::chrono::nanoseconds(0) && read < kSlip) {
      return std::chrono::seconds(read.count());
    }
    return parse_duration(token, BareDuration::Seconds, std::chrono::seconds(1),
                          std::chrono::hours(24));
  }

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
    is_node_cache_ =
        is_node_cache_ || std::any_of(kNodeCacheFlags.begin(), kNodeCacheFlags.end(),
                                      [&](const CoreDnsFlag& flag) { return flag.name == name; });
    if (bool* flag = switch_of(name)) {
      *flag = !value || boolean(name, *value);
      return;
    }
    std::string* text = text_of(name);
    if (text == nullptr) throw UsageError{"unknown option " + in_quotes("-" + name) + hint(name)};
    if (!value) {
      if (args_.empty()) throw UsageError{"-" + name + " needs a value"};
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
    if (name == "strict") return &options_.strict;
    if (name == "version") return &options_.show_version;
    if (name == "help" || name == "h") return &help_;
    if (name == "setupinterface") return &node_.set_up_interface;
    if (name == "setupiptables") return &node_.set_up_rules;
    if (name == "skipteardown") return &skip_teardown_;
    if (name == "reloadwithsignal") return &node_.follow;
    return nullptr;
  }

  std::string* text_of(const std::string& name) {
    if (name == "conf") return &options_.corefile;
    if (name == "dns.port" || name == "p") return &port_;
    if (name == "pidfile") return &options_.pidfile;
    if (name == "log-format") return &log_format_;
    if (name == "localip") return &local_ip_;
    if (name == "basecorefile") return &node_.base_corefile;
    if (name == "corefile") return &node_.corefile;
    if (name == "kubednscm") return &node_.kube_dns_folder;
    if (name == "upstreamsvc") return &node_.service;
    if (name == "interfacename") return &node_.interface;
    if (name == "syncinterval") return &interval_;
    if (name == "health-port") return &health_port_;
    if (name == "metrics-listen-address") return &node_.metrics_address;
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
    std::vector<std::string_view> names{"help"};
    for (const CoreDnsFlag& flag : kCoreDnsFlags) names.push_back(flag.name);
    for (const CoreDnsFlag& flag : kNodeCacheFlags) names.push_back(flag.name);
    const auto nearest = nearest_word(name, names);
    return nearest ? "; did you mean '-" + std::string(*nearest) + "'?" : "";
  }

  std::span<const std::string> args_;
  CoreDnsOptions options_;
  std::string port_;
  std::string log_format_;
  bool help_ = false;
  bool is_node_cache_;
  NodeCacheOptions node_;
  std::string local_ip_, interval_, health_port_;
  bool skip_teardown_ = false;
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

std::string console_line(const ServeOptions& options) {
  std::string text = "    console";
  if (!options.console->empty()) text += " " + quote_word(*options.console);
  if (options.console_token.empty()) return text + "\n";
  return text + " {\n        token " + quote_word(options.console_token) + "\n    }\n";
}

// The upstreams, and what is the same for all.
std::string last_stages(const ServeOptions& options) {
  std::string text;
  if (!options.forward.empty()) {
    text += "    forward .";
    for (const std::string& upstream : options.forward) text += " " + quote_word(upstream);
    text += "\n";
  }
  return text + "    loadbalance\n";
}

// One `kubernetes`. `context`: empty for the current one.
std::string cluster_stage(const ServeOptions& options, const Texts& zones, const Texts& reverse,
                          const std::string& context, bool with_manifests, bool is_last) {
  std::string text = "    kubernetes";
  for (const std::string& zone : zones) text += " " + quote_word(zone);
  for (const std::string& zone : reverse) text += " " + zone;
  text += " {\n";
  Texts manifests;
  if (with_manifests) {
    for (const std::string& path : options.manifests) manifests.push_back(quote_word(path));
  }
  text += property("manifests", manifests);
  if (options.kubeconfig) {
    Texts words{quote_word(*options.kubeconfig)};
    if (!context.empty()) words.push_back(quote_word(context));
    text += property("kubeconfig", words);
  }
  if (options.strict) text += "        strict\n";
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
  if (!options.forward.empty() || !is_last) text += property("fallthrough", reverse);
  return text + "    }\n";
}

std::string stages(const ServeOptions& options) {
  Texts zones;
  Texts reverse;
  for (const std::string& zone : options.zones) {
    (is_reverse_zone(zone) ? reverse : zones).push_back(without_dot(zone));
  }
  if (reverse.empty()) reverse = {"in-addr.arpa", "ip6.arpa"};
  std::string text;
  if (options.target) text += "    synthetic bench.test\n    fault fault.test\n    evidence\n";
  if (options.target && options.manifests.empty() && !options.kubeconfig)
    return text + last_stages(options);
  if (options.gateways) {
    Texts ingress;
    for (const registry::IpAddress& address : options.ingress)
      ingress.push_back(address.to_string());
    text += ingress.empty() ? "    gateways\n"
                            : "    gateways {\n" + property("ingress", ingress) + "    }\n";
  }
  Texts contexts = options.contexts;
  if (contexts.empty()) contexts.emplace_back();
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    Texts of_cluster = i == 0 ? zones : Texts();
    if (contexts.size() > 1) of_cluster.push_back(context_zone(contexts[i]));
    text +=
        cluster_stage(options, of_cluster, reverse, contexts[i], i == 0, i + 1 == contexts.size());
  }

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
  return text + last_stages(options);
}

}  // namespace

bool is_loopback(const registry::IpAddress& address) {
  if (address.is_v4()) return address.octets[0] == 127;
  return address == *registry::IpAddress::parse("::1");
}

std::variant<CommandLine, CommandLineExit> parse_command_line(int argc, const char* const* argv) {
  const Texts args(argv + std::min(argc, 1), argv + argc);
  const std::string_view program = argc > 0 ? argv[0] : "";
  const bool is_node_cache = program.substr(program.rfind('/') + 1) == "node-cache";
  if (args.empty() || args[0].starts_with('-')) {
    // `--help` alone is for people who look for the commands.
    if (!args.empty() && (args[0] == "--help" || args[0] == "-h" || args[0] == "-help")) {
      return CommandLineExit{0, help_text()};
    }
    return CoreDnsCommand(args, is_node_cache).run();
  }
  return run_command(args[0], Texts(args.begin() + 1, args.end()));
}

std::vector<CommandPage> command_pages() {
  std::vector<CommandPage> pages;
  for (const CommandRow& command : kCommands) pages.push_back(command.page());
  return pages;
}

std::string corefile_for_serve(const ServeOptions& options) {
  const std::string common = stages(options);
  std::string text;
  const std::vector<BlockAddresses> blocks = group(options.listen);
  for (const BlockAddresses& block : blocks) {
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
    // One is enough for all blocks.
    if (options.console && &block == &blocks.front()) text += console_line(options);
    if (options.workers) text += "    workers " + std::to_string(*options.workers) + "\n";
    text += common + "}\n";
  }
  return text;
}

std::string context_zone(std::string_view context) {
  std::string label;
  for (const char c : context) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool is_capital = c >= 'A' && c <= 'Z';
    if (fits || is_capital) {
      label += is_capital ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!label.empty() && label.back() != '-') {
      label += '-';
    }
  }
  if (label.ends_with('-')) label.pop_back();
  return label.empty() || label.size() > dns::kMaxLabelSize ? "" : label + ".kube.test";
}

std::string default_corefile(std::uint16_t dns_port) {
  return ".:" + std::to_string(dns_port) + " {\n    whoami\n    log\n}\n";
}

}  // namespace clusterdns::app
