// The options of CoreDNS's own command line, and of node-cache's, which is the same with more of
// them.
#pragma once

#include <array>
#include <string_view>

namespace clusterdns::app {

struct CoreDnsFlag {
  std::string_view name, type;  // without a type: a switch
  std::string_view description;
};

// In the order of the help.
inline constexpr auto kCoreDnsFlags = std::to_array<CoreDnsFlag>({
    {"conf", "FILE", "Corefile to load, `stdin` reads standard input (default ./Corefile)"},
    {"dns.port", "PORT", "Port of server blocks that name none (default 53)"},
    {"p", "PORT", "The same"},
    {"log-format", "F", "text, or json: one JSON object a line (default text)"},
    {"pidfile", "FILE", "Write the process id there"},
    {"plugins", "", "List the directives and exit"},
    {"quiet", "", "Print nothing at start, neither version nor listeners"},
    {"strict", "", "Refuse directives that would be taken without effect"},
    {"version", "", "Print the version and exit"},
});

// Any of these makes it node-cache. Switches that are on take `=false`.
inline constexpr auto kNodeCacheFlags = std::to_array<CoreDnsFlag>({
    {"localip", "ADDRESSES", "Addresses of this node's cache, with commas between; necessary"},
    {"basecorefile", "FILE", "Template of the Corefile (default /etc/coredns/Corefile.base)"},
    {"corefile", "FILE", "What it becomes, unless -conf says it (default /etc/Corefile)"},
    {"kubednscm", "DIR", "The mounted ConfigMap kube-dns (default /etc/kube-dns, if there)"},
    {"upstreamsvc", "SERVICE", "Service of the cluster's DNS (default kube-dns)"},
    {"setupinterface", "", "Make the interface with the addresses (default true)"},
    {"interfacename", "NAME", "Its name (default nodelocaldns)"},
    {"setupiptables", "", "Keep queries out of connection tracking (default true)"},
    {"skipteardown", "", "Leave interface and rules at the end (default false)"},
    {"syncinterval", "SECONDS", "How often to look after both (default 60)"},
    {"health-port", "PORT", "Port of `health`, which is not tracked either (default 8080)"},
    {"metrics-listen-address", "ADDRESS", "Where metrics are, too (default 0.0.0.0:9353)"},
    {"reloadwithsignal", "", "Follow the files without `reload`, too (default false)"},
});

}  // namespace clusterdns::app
