// What the words after `clusterdns` ask for.
//
//   clusterdns serve --manifests PATH …      a server from a few options; sugar for a Corefile
//   clusterdns -conf Corefile …              CoreDNS's own command line
//   clusterdns check | services | query | node-address | version
//
// Nothing here opens a file, a socket or the environment: argv goes in, a plain value comes out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/corefile/arguments.h"
#include "app/logging.h"
#include "registry/ip_address.h"

namespace clusterdns::app {

inline constexpr std::uint16_t kDnsPort = 53;
// mDNS's port: free of privileges, and where people look for a DNS server under development.
inline constexpr std::uint16_t kServePort = 5353;

struct ListenAddress {
  std::optional<registry::IpAddress> address;  // nullopt: every address of the machine
  std::uint16_t port = kServePort;             // 0: the system chooses

  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// `clusterdns serve`. corefile_for_serve() turns it into what the server really reads.
struct ServeOptions {
  std::vector<std::string> manifests;  // files and folders as given, at least one
  std::vector<ListenAddress> listen = {{registry::IpAddress{{127, 0, 0, 1}}, kServePort}};
  // Normalised. Reverse zones are added by corefile_for_serve() unless some are given.
  std::vector<std::string> zones = {"cluster.local."};
  std::vector<std::string> forward = {"/etc/resolv.conf"};  // addresses or files; empty: no forward
  bool search = true;                                       // the search stage
  std::vector<std::string> search_domains;  // normalised; empty: those of a pod in `default`
  std::optional<int> ndots;                 // nullopt: the stage's default
  std::optional<int> ttl;                   // seconds; nullopt: the kubernetes stage's default
  std::string pods = "verified";            // disabled, insecure or verified
  std::vector<registry::Cidr> service_cidrs;
  std::vector<registry::Cidr> pod_cidrs;
  std::optional<int> workers;  // nullopt: one a core
  bool log = false;
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
  bool list_plugins = false;          // list the directives and end
  bool quiet = false;                 // no version and listeners at start
  bool show_version = false;          // print the version and end
};

// `clusterdns check`.
struct CheckOptions {
  std::vector<std::string> paths;  // Corefiles, manifests and folders of them, at least one
  bool print = false;              // the Corefile after imports and environment
};

enum class OutputFormat : std::uint8_t { Table, Text, Json, Yaml };

// `clusterdns services`.
struct ServicesOptions {
  std::optional<std::string> namespace_name;  // nullopt: all of them
  OutputFormat format = OutputFormat::Table;  // Table, Json or Yaml
  // Exactly one of the two is given: a Corefile, or `cluster.manifests` with the zones and CIDRs
  // beside it, to be used through corefile_for_serve(). Nothing is listened on.
  std::optional<std::string> corefile;
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

// `clusterdns node-address`.
struct NodeAddressOptions {
  std::vector<registry::IpAddress> addresses;  // at least one
  std::string interface = "clusterdns";        // 1 to 15 octets
};

// `clusterdns version`.
struct VersionOptions {};

using CommandLine = std::variant<ServeOptions, CoreDnsOptions, CheckOptions, ServicesOptions,
                                 QueryOptions, NodeAddressOptions, VersionOptions>;

// Print `text`, on standard output if `code` is 0 (help) and on standard error if not, and end with
// `code`: 2 for what was used wrongly; 1 for surplus words on CoreDNS's command line, as there.
struct CommandLineExit {
  int code = 0;
  std::string text;  // ends with a line feed
};

// argv[0] is the program, which is called "clusterdns" in all texts. Never throws on bad input.
[[nodiscard]] std::variant<CommandLine, CommandLineExit> parse_command_line(
    int argc, const char* const* argv);

// The Corefile that `serve` stands for; parse_corefile() accepts it for every parsed ServeOptions.
[[nodiscard]] std::string corefile_for_serve(const ServeOptions& options);

// What CoreDNS serves when there is no Corefile.
[[nodiscard]] std::string default_corefile(std::uint16_t dns_port);

}  // namespace clusterdns::app
