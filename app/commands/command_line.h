// What the words after `clusterdns` ask for.
//
//   clusterdns serve --manifests PATH …      a server from a few options; sugar for a Corefile
//   clusterdns -conf Corefile …              CoreDNS's own command line
//   clusterdns -localip ADDRESS,… …          node-cache's, of NodeLocal DNSCache
//   clusterdns check | services | hosts | explain | watch | wait | query | cache | synthetic
//   clusterdns replay | report | setup | unsetup | doctor | node-address | directives | completion
//   clusterdns version
//
// Nothing here opens a file, a socket or the environment: argv goes in, a plain value comes out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/commands/pages.h"
#include "app/corefile/arguments.h"
#include "app/log/logging.h"
#include "app/node/node_cache_options.h"
#include "app/setup/backends.h"
#include "registry/ip_address.h"

namespace clusterdns::app {

inline constexpr std::uint16_t kDnsPort = 53;
// Needs no privileges. Not 5353: that is mDNS's (RFC 6762), which Avahi and systemd-resolved hold
// on many machines.
inline constexpr std::uint16_t kServePort = 1053;

struct ListenAddress {
  std::optional<registry::IpAddress> address;  // nullopt: every address of the machine
  std::uint16_t port = kServePort;             // 0: the system chooses

  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// `clusterdns serve`. corefile_for_serve() turns it into what the server really reads.
struct ServeOptions {
  std::vector<std::string> manifests;  // files, folders and "-" as given; one, or a kubeconfig
  // A kubeconfig, or several with colons between; empty: that of kubectl's, which the caller puts
  // in its place. nullopt: the API server is not asked.
  std::optional<std::string> kubeconfig;
  // Of the kubeconfig; none: the current one. Of several, each is a cluster of its own in the zone
  // that context_zone() says, and the first one in `zones`, too.
  std::vector<std::string> contexts;
  bool strict = false;  // no start while a manifest has an error
  std::vector<ListenAddress> listen = {{registry::IpAddress{{127, 0, 0, 1}}, kServePort}};
  // Normalised. Reverse zones are added by corefile_for_serve() unless some are given.
  std::vector<std::string> zones = {"cluster.local."};
  bool gateways = true;                      // hosts of gateways and ingresses
  std::vector<registry::IpAddress> ingress;  // where those without an address of their own are
  std::vector<std::string> forward = {"/etc/resolv.conf"};  // addresses or files; empty: no forward
  bool search = true;                                       // the search stage
  std::vector<std::string> search_domains;  // normalised; empty: those of a pod in `default`
  std::optional<int> ndots;                 // nullopt: the stage's default
  std::optional<int> ttl;                   // seconds; nullopt: the kubernetes stage's default
  std::string pods = "verified";            // disabled, insecure or verified
  std::vector<registry::Cidr> service_cidrs;
  std::vector<registry::Cidr> pod_cidrs;
  std::optional<int> workers;  // nullopt: one a core
  // Where the console is served: an address and port, empty for the usual one; nullopt: nowhere.
  std::optional<std::string> console;
  std::string console_token;  // file of its token; empty: none
  bool log = false;
  // Answers for tests of clients: `synthetic bench.test`, `fault fault.test` and `evidence`. Needs
  // no cluster, and listens on loopback only.
  bool target = false;
  bool print = false;  // print the Corefile and end
};

// CoreDNS's command line.
struct CoreDnsOptions {
  // -conf: a path, or "stdin". Empty: `Corefile` in the working directory if it is there, or else
  // default_corefile().
  std::string corefile;
  std::uint16_t dns_port = kDnsPort;  // -dns.port, -p: for keys without a port
  std::string pidfile;                // empty: none
  LogFormat log_format = LogFormat::Text;
  bool list_plugins = false;  // list the directives and end
  bool quiet = false;         // no version and listeners at start
  bool strict = false;        // directives without effect are refused
  bool show_version = false;  // print the version and end
  // It is node-cache: its Corefile is made of a template.
  std::optional<NodeCacheOptions> node_cache;
};

enum class OutputFormat : std::uint8_t { Table, Text, Json, Yaml };

// The console of a running server.
struct ServerUrl {
  std::string host;  // an address without brackets, or a name
  std::uint16_t port = 80;
  std::string authority;        // as a Host header has it
  std::string token_file = {};  // empty: no token
  bool tls = false;             // https
  std::string ca_file = {};     // PEM, whose certificates vouch for it; empty: the machine's

  friend bool operator==(const ServerUrl&, const ServerUrl&) = default;
};

// `clusterdns check`.
struct CheckOptions {
  std::vector<std::string> paths;  // Corefiles, manifests and folders of them, at least one
  bool print = false;              // the Corefile after imports and environment
  OutputFormat format = OutputFormat::Text;  // Text or Json
  std::vector<registry::IpAddress> ingress;  // see ServeOptions
  std::optional<ServerUrl> server;           // the objects of a running server, and no paths
  bool quiet = false;                        // not what server blocks do, only what is wrong
  bool probe = false;                        // ask the upstreams
  bool from_coredns = false;                 // tell what a CoreDNS would do otherwise
  bool fail_on_warning = false;
};

// `clusterdns migrate`.
struct MigrateOptions {
  std::string path;  // "-": standard input
};

// `clusterdns services`.
struct ServicesOptions {
  std::optional<std::string> namespace_name;  // nullopt: all of them
  OutputFormat format = OutputFormat::Table;  // Table, Json or Yaml
  // Exactly one of the two is given: a Corefile, or `cluster.manifests` and `cluster.kubeconfig`
  // with the zones and CIDRs beside them, to be used through corefile_for_serve(). Nothing is
  // listened on.
  std::optional<std::string> corefile;
  std::optional<ServerUrl> server;  // or a running server
  ServeOptions cluster;
};

// `clusterdns hosts`. As ServicesOptions.
struct HostsOptions {
  std::optional<std::string> namespace_name;  // of the objects that bring hosts; empty: all
  OutputFormat format = OutputFormat::Table;  // Table, Json or Yaml
  std::optional<std::string> corefile;
  std::optional<ServerUrl> server;
  ServeOptions cluster;
};

// `clusterdns watch`.
struct WatchOptions {
  ServerUrl server;
  OutputFormat format = OutputFormat::Text;  // Text or Json
};

// `clusterdns wait`.
struct WaitOptions {
  ServerUrl server;
  std::string name;
  std::optional<std::string> type;  // nullopt: A, or what `address` is
  std::optional<registry::IpAddress> address;
  std::chrono::nanoseconds timeout = std::chrono::seconds(30);
};

// `clusterdns cache`.
struct CacheCommandOptions {
  ServerUrl server;
  bool flush = false;                        // else they are printed
  std::optional<std::string> name;           // a domain name; nullopt: all
  OutputFormat format = OutputFormat::Text;  // Text or Json
};

// `clusterdns explain`.
struct ExplainOptions {
  std::string name;                           // as typed; with a trailing dot it is not searched
  std::string type = "A";                     // a type that there is
  std::optional<std::string> namespace_name;  // as from a pod there
  std::optional<registry::IpAddress> client;  // nullopt: 127.0.0.1
  OutputFormat format = OutputFormat::Text;   // Text or Json
  // One of the three is given: a Corefile, a running server's HTTP address, or `cluster`, to be
  // used through corefile_for_serve(). Upstreams are asked where they are named only.
  std::optional<std::string> corefile;
  std::optional<ServerUrl> server;
  ServeOptions cluster;
};

// `clusterdns query`.
struct QueryOptions {
  std::string name;  // as typed; with a trailing dot it is not searched
  std::optional<std::string>
      type;  // upper case, not checked; nullopt: A and AAAA, PTR of an address
  std::optional<HostPort> server;  // nullopt: resolv.conf's
  std::uint16_t port = kDnsPort;   // for resolv.conf's servers; `server` has its own
  bool search = true;              // false: `name` is tried as it is and nothing else
  // Normalised; nullopt: resolv.conf's. `--namespace` and `--zone` become the list a pod has.
  std::optional<std::vector<std::string>> search_domains;
  std::optional<int> ndots;  // nullopt: resolv.conf's, or its default 1
  bool tcp = false;
  std::chrono::nanoseconds timeout = std::chrono::seconds(5);  // for each try
  bool brief = false;                                          // only the data, like dig +short
  OutputFormat format = OutputFormat::Text;                    // Text or Json
};

// `clusterdns synthetic`.
struct SyntheticOptions {
  std::string name;
  std::string type = "A";
  std::string zone = "bench.test.";  // normalised
};

// `clusterdns replay`.
struct ReplayOptions {
  std::string file;
  HostPort server;   // on loopback
  double speed = 1;  // how many times faster than the capture; above 0
};

// `clusterdns report`. What is not given does not narrow it.
struct ReportOptions {
  ServerUrl server;
  std::optional<registry::IpAddress> client;
  std::optional<std::string> name;            // a domain name
  std::optional<std::string> type;            // a type that there is
  OutputFormat format = OutputFormat::Table;  // Table or Json
};

// `clusterdns setup`.
struct SetupOptions {
  std::optional<HostPort> server;  // nullopt: the one of the console
  ServerUrl console;
  bool console_named = false;  // it has to answer
  std::optional<Backend> backend;
  std::vector<std::string> zones;  // normalised; besides the console's
  bool dry_run = false;
  bool yes = false;  // nobody is asked
  std::string root = "/";
};

// `clusterdns unsetup`.
struct UnsetupOptions {
  bool dry_run = false;
  bool yes = false;
  std::string root = "/";
};

// `clusterdns doctor`.
struct DoctorOptions {
  std::optional<HostPort> server;  // nullopt: the one that setup was told, or the console's
  ServerUrl console;
  bool console_named = false;                // it has to answer
  std::string name;                          // to resolve; empty: one that the server has
  OutputFormat format = OutputFormat::Text;  // Text or Json
  std::string root = "/";
};

// `clusterdns node-address`.
struct NodeAddressOptions {
  std::vector<registry::IpAddress> addresses;  // at least one
  std::string interface = "clusterdns";        // 1 to 15 octets
};

// `clusterdns directives`.
struct DirectivesOptions {
  std::string name;       // empty: all
  bool markdown = false;  // as in docs/directives/
};

// `clusterdns version`.
struct VersionOptions {};

using CommandLine =
    std::variant<ServeOptions, CoreDnsOptions, CheckOptions, MigrateOptions, ServicesOptions,
                 HostsOptions, ExplainOptions, WatchOptions, WaitOptions, CacheCommandOptions,
                 QueryOptions, SyntheticOptions, ReplayOptions, ReportOptions, SetupOptions,
                 UnsetupOptions, DoctorOptions, NodeAddressOptions, DirectivesOptions,
                 VersionOptions>;

// Print `text`, on standard output if `code` is 0 (help) and on standard error if not, and end with
// `code`: 2 for what was used wrongly; 1 for surplus words on CoreDNS's command line, as there.
struct CommandLineExit {
  int code = 0;
  std::string text;  // ends with a line feed
};

[[nodiscard]] bool is_loopback(const registry::IpAddress& address);

// argv[0] is the program, which is called "clusterdns" in all texts; one that is called by the name
// `node-cache` has its command line. Never throws on bad input.
[[nodiscard]] std::variant<CommandLine, CommandLineExit> parse_command_line(
    int argc, const char* const* argv);

// Every command, in the order of the help.
[[nodiscard]] std::vector<CommandPage> command_pages();

// The zone of one of several clusters, without its trailing dot: the context's name as a label,
// with hyphens for what cannot be in one, below kube.test. Empty: nothing of it can be.
[[nodiscard]] std::string context_zone(std::string_view context);

// The Corefile that `serve` stands for; parse_corefile() accepts it for every parsed ServeOptions.
[[nodiscard]] std::string corefile_for_serve(const ServeOptions& options);

// What CoreDNS serves when there is no Corefile.
[[nodiscard]] std::string default_corefile(std::uint16_t dns_port);

}  // namespace clusterdns::app
