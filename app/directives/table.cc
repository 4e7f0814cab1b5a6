#include <algorithm>
#include <array>

#include "app/corefile/error.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

constexpr DirectiveSpec later(std::string_view name) {
  return {name, "", "a directive of CoreDNS that is not built yet", nullptr, false, false};
}

// CoreDNS 1.15's plugin.cfg order, with ours where they belong.
constexpr std::array kDirectives = {
    later("root"), later("metadata"), later("geoip"), later("cancel"), later("proxyproto"),
    later("tls"), later("quic"), later("grpc_server"), later("https"), later("https3"),
    later("timeouts"), later("multisocket"),
    DirectiveSpec{"workers", "workers N", "threads that answer; one a core by default", nullptr},
    DirectiveSpec{"reload", "reload [INTERVAL] [JITTER]", "follows changes of the Corefile",
                  &set_up_reload},
    later("nsid"), later("bufsize"),
    DirectiveSpec{"bind", "bind ADDRESS|INTERFACE…", "listens only there", nullptr, true, true},
    later("debug"), later("trace"),
    DirectiveSpec{"ready", "ready [ADDRESS:PORT] { monitor until-ready|continuously }",
                  "serves /ready", &set_up_ready},
    DirectiveSpec{"health", "health [ADDRESS:PORT] { lameduck DURATION  grace DURATION }",
                  "serves /health, and says how to end", &set_up_health},
    later("pprof"), later("shed"),
    DirectiveSpec{"prometheus", "prometheus [ADDRESS:PORT]", "serves /metrics",
                  &set_up_prometheus},
    DirectiveSpec{"errors", "errors { consolidate DURATION REGEXP [LEVEL] [show_first] }",
                  "logs why queries ended in SERVFAIL", &set_up_errors},
    DirectiveSpec{"log", "log [NAME…] [FORMAT] [{ class CLASS… }]", "logs queries", &set_up_log, true, true},
    later("dnstap"), later("local"), later("dns64"), later("any"), later("chaos"),
    DirectiveSpec{"loadbalance", "loadbalance [round_robin|off]",
                  "order of several answers; round robin also without it", &set_up_loadbalance},
    later("tsig"), later("rewrite"), later("autopath"), later("acl"),
    later("header"), later("dnssec"), later("minimal"), later("template"), later("transfer"),
    DirectiveSpec{"hosts", "hosts [FILE [ZONES…]] { ADDRESS NAME…  fallthrough }",
                  "names from a hosts file and from the Corefile", &set_up_hosts, true, true},
    later("route53"), later("azure"), later("clouddns"), later("k8s_external"),
    DirectiveSpec{"kubernetes", "kubernetes [ZONE…] { manifests PATH… }",
                  "answers cluster names and reverse names", &set_up_kubernetes, true, true},
    later("file"), later("auto"), later("secondary"), later("etcd"),
    DirectiveSpec{"search", "search [SUFFIX…] { ndots N  clients CIDR… }",
                  "tries short names along a search list", &set_up_search},
    // Here, and not before `hosts` and `kubernetes` as in CoreDNS: what is answered from memory needs
    // no cache, and must never be stale.
    DirectiveSpec{"cache", "cache [TTL] [ZONES…] { success CAPACITY [TTL] [MINTTL] … }",
                  "keeps answers of upstreams", &set_up_cache},
    DirectiveSpec{"loop", "loop [fatal]", "looks for upstreams that lead back here at the start",
                  &set_up_loop},
    DirectiveSpec{"forward", "forward FROM TO… { except ZONE… }", "asks other servers",
                  &set_up_forward, true, true},
    DirectiveSpec{"proxy", "proxy FROM TO…", "the old name of forward", &set_up_proxy, true, true},
    later("grpc"), later("erratic"),
    DirectiveSpec{"whoami", "whoami", "answers with the client's address", &set_up_whoami},
    later("on"), later("sign"), later("view"), later("nomad"),
};

}  // namespace

std::span<const DirectiveSpec> directives() { return kDirectives; }

const DirectiveSpec* find_directive(std::string_view name) {
  const auto it = std::find_if(kDirectives.begin(), kDirectives.end(),
                               [name](const DirectiveSpec& spec) { return spec.name == name; });
  return it == kDirectives.end() ? nullptr : &*it;
}

dns::Name zone_name(const std::string& text, const Position& at) {
  const auto name = dns::Name::from_text(text);
  if (!name) throw ConfigError(at, "'" + text + "' is no domain name: " + name.error().message());
  dns::Name lower = *name;
  lower.make_lower();
  return lower;
}

}  // namespace clusterdns::app
