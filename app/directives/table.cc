#include <algorithm>
#include <array>

#include "app/corefile/error.h"
#include "app/directives/autopath.h"
#include "app/directives/directive.h"
#include "app/directives/dnssec.h"
#include "app/directives/dnstap.h"
#include "app/directives/geoip.h"
#include "app/directives/tsig.h"
#include "app/directives/zone_directives.h"

namespace clusterdns::app {
namespace {

constexpr DirectiveSpec later(std::string_view name) {
  return {name, "", "a directive of CoreDNS that is not supported yet", nullptr, false, false};
}

// Changes no answer: taken, so that a Corefile goes on working.
constexpr DirectiveSpec taken(std::string_view name, std::string_view instead) {
  return {name, name, "taken, and without effect", nullptr, true, true, nullptr, instead, true};
}
// Will not be there.
constexpr DirectiveSpec refused(std::string_view name, std::string_view what_to_do) {
  return {name,    "",        "a directive of CoreDNS that is not supported", nullptr, false, false,
          nullptr, what_to_do};
}

// Plugins that people build into CoreDNS (coredns.io/explugins), and what serves their purpose
// here.
struct External {
  std::string_view name;
  std::string_view instead;
};
constexpr External kExternals[] = {
    {"ads", "block lists are served by `hosts`"},
    {"alias", "aliases are made by `template` or `rewrite cname`"},
    {"alternate", "`forward` with `next` asks another upstream by response code"},
    {"amazondns", "write `forward` to the VPC's resolver"},
    {"blocklist", "block lists are served by `hosts`"},
    {"dnsredir", "write one server block with `forward` for each list of domains"},
    {"fanout", "`forward` asks several upstreams, and the next one when one is silent"},
    {"finalize", "aliases are followed without it"},
    {"git", "keep the files current from outside; `reload` follows them"},
    {"k8s_crd", "write the forwards in the Corefile"},
    {"k8s_gateway", "`gateways` answers the hosts of Ingresses and of the Gateway API"},
    {"kubernetai", "several `kubernetes` may stand in a server block"},
    {"kubenodes", "write `hosts` or `file`"},
    {"meshname", "write `template`"},
    {"mysql", "serve the records from `file` or `hosts`"},
    {"pdsql", "serve the records from `file` or `hosts`"},
    {"records", "write the records in `hosts`, `template` or `file`"},
    {"recursor", "write `forward` to a recursive resolver"},
    {"redis", "serve the records from `file` or `hosts`"},
    {"rrl",
     "large answers to spoofed clients are kept small by `bufsize` and TC; say `acl` for whom "
     "you serve"},
    {"unbound", "write `forward` to a recursive resolver"},
    {"wgsd", "write `template` or `file`"},
};

// CoreDNS 1.15's plugin.cfg order, with ours where they belong.
constexpr std::array kDirectives = {
    DirectiveSpec{"root", "root PATH", "the folder that relative paths are in", &set_up_root},
    DirectiveSpec{"metadata", "metadata [ZONE…]", "accepted, and without effect", &set_up_metadata},
    DirectiveSpec{"geoip", "geoip DBFILE { edns-subnet }",
                  "where clients are, as metadata for other directives", &set_up_geoip, true, false,
                  &geoip_options},
    DirectiveSpec{"cancel", "cancel [TIMEOUT]", "accepted, and without effect", &set_up_cancel},
    taken("proxyproto",
          "clients are known by the address that packets come from; PROXY headers are not "
          "read"),
    DirectiveSpec{"tls", "tls CERT KEY [CA] { client_auth … }",
                  "the certificate of tls:// and https:// zones", &set_up_tls, true, false,
                  &tls_options},
    later("quic"),
    later("grpc_server"),
    DirectiveSpec{"https", "https { max_connections N  max_streams N }",
                  "bounds of clients of https:// zones", &set_up_https, true, false,
                  &https_options},
    later("https3"),
    DirectiveSpec{"timeouts", "timeouts { read|write|idle DURATION }",
                  "accepted, and without effect", &set_up_timeouts, true, false, &timeouts_options},
    taken("multisocket", "every worker has a socket of its own already; see `workers`"),
    DirectiveSpec{"workers", "workers N", "threads that answer; one per core by default", nullptr},
    DirectiveSpec{"reload", "reload [INTERVAL] [JITTER]", "follows changes of the Corefile",
                  &set_up_reload},
    DirectiveSpec{"nsid", "nsid [DATA…]", "tells who asks which server this is", &set_up_nsid},
    DirectiveSpec{"bufsize", "bufsize [SIZE]", "the largest answer over UDP", &set_up_bufsize},
    DirectiveSpec{"bind", "bind ADDRESS|INTERFACE…", "listens only there", nullptr, true, true},
    DirectiveSpec{"debug", "debug", "accepted, and without effect", &set_up_debug},
    taken("trace", "no spans are sent; `log` and /metrics show what queries cost"),
    DirectiveSpec{"ready", "ready [ADDRESS:PORT] { monitor until-ready|continuously }",
                  "serves /ready", &set_up_ready, true, false, &ready_options},
    DirectiveSpec{"health", "health [ADDRESS:PORT] { lameduck DURATION  grace DURATION }",
                  "serves /health, and says how to end", &set_up_health, true, false,
                  &health_options},
    taken("pprof", "there is no Go runtime to look into; /metrics has what the program uses"),
    taken("shed", "what waits is bounded always; see docs/limits.md"),
    DirectiveSpec{"prometheus", "prometheus [ADDRESS:PORT]", "serves /metrics", &set_up_prometheus,
                  true, false, &prometheus_options},
    DirectiveSpec{"console", "console [ADDRESS:PORT] { token FILE  host NAME…  tls CERT KEY }",
                  "serves the console and its API", &set_up_console, true, true, &console_options},
    DirectiveSpec{"errors", "errors { consolidate DURATION REGEXP [LEVEL] [show_first] }",
                  "logs why queries ended in SERVFAIL", &set_up_errors, true, false,
                  &errors_options},
    DirectiveSpec{"log", "log [NAME…] [FORMAT] [{ class CLASS… }]", "logs queries", &set_up_log,
                  true, true, &log_options},
    DirectiveSpec{"dnstap", "dnstap SOCKET|tcp://HOST:PORT|tls://HOST:PORT [full]",
                  "sends queries and answers to a collector of dnstap", &set_up_dnstap, true, true,
                  &dnstap_options},
    DirectiveSpec{"evidence", "evidence { names N  clients N  capture FILE  log FILE }",
                  "records what each client does", &set_up_evidence, true, false,
                  &evidence_options},
    // Before all that adds filters, so that its own is the last one.
    DirectiveSpec{"fault", "fault ZONE… { seed N  rule NAME { … }  scenario FILE }",
                  "answers wrong on purpose, for tests of clients", &set_up_fault, true, false,
                  &fault_options},
    // Before all that answers: CoreDNS has it behind `chaos`, which it does not sign.
    DirectiveSpec{"tsig",
                  "tsig [ZONE…] { secret NAME KEY [ALGORITHM]  secrets FILE  require TYPE… }",
                  "checks the signatures of queries, and signs the answers", &set_up_tsig, true,
                  false, &tsig_options},
    DirectiveSpec{"local", "local { localhost_prefix on|off }", "answers localhost", &set_up_local,
                  true, false, &local_options},
    DirectiveSpec{"dns64", "dns64 [PREFIX] { … }",
                  "makes AAAA records of A records for clients behind NAT64", &set_up_dns64, true,
                  false, &dns64_options},
    refused("siit", "write `template` for the names that only IPv4 clients ask for"),
    DirectiveSpec{"any", "any", "answers queries for ANY with one HINFO record", &set_up_any},
    DirectiveSpec{"chaos", "chaos [VERSION] [AUTHOR…]", "says what server this is, in class CH",
                  &set_up_chaos},
    DirectiveSpec{"loadbalance", "loadbalance [round_robin|off|weighted FILE] { prefer CIDR… }",
                  "order of several answers; round robin also without it", &set_up_loadbalance,
                  true, false, &loadbalance_options},
    DirectiveSpec{"rewrite", "rewrite [continue|stop] FIELD …", "asks another question",
                  &set_up_rewrite, true, true},
    DirectiveSpec{"autopath", "autopath [ZONE…] @kubernetes|namespace|RESOLV-CONF",
                  "goes down a pod's search list in one answer", &set_up_autopath, true, false,
                  &autopath_options},
    DirectiveSpec{"acl", "acl [ZONE…] { allow|block|filter|drop [type TYPE…] [net CIDR…] }",
                  "who may ask for what", &set_up_acl, true, true, &acl_options},
    DirectiveSpec{"header", "header { query|response set|clear FLAG… }", "sets and clears flags",
                  &set_up_header, true, true, &header_options},
    DirectiveSpec{"dnssec", "dnssec [ZONES…] { key file KEY…  cache_capacity N }",
                  "signs answers as they are given (DNSSEC)", &set_up_dnssec, true, false,
                  &dnssec_options},
    DirectiveSpec{"minimal", "minimal", "leaves out what was not asked for", &set_up_minimal},
    DirectiveSpec{"template", "template CLASS TYPE [ZONE…] { match …  answer … }",
                  "answers made of the question", &set_up_template, true, true, &template_options},
    DirectiveSpec{"transfer", "transfer [ZONES…] { to ADDRESS…  source ADDRESS }",
                  "gives whole zones to other servers", &set_up_transfer, true, true,
                  &transfer_options},
    refused("dynupdate", "change the files of `file` or `auto`, which are followed"),
    DirectiveSpec{"synthetic", "synthetic ZONE… { clients CIDR… }",
                  "answers any name below a zone, for benchmarks", &set_up_synthetic, true, false,
                  &synthetic_options},
    DirectiveSpec{"hosts", "hosts [FILE [ZONES…]] { ADDRESS NAME…  fallthrough }",
                  "names from a hosts file and from the Corefile", &set_up_hosts, true, true,
                  &hosts_options},
    refused("route53", "write `forward` to the VPC's resolver for these zones"),
    refused("azure", "write `forward` to 168.63.129.16, Azure's resolver, for these zones"),
    refused("clouddns",
            "write `forward` to 169.254.169.254, Google Cloud's resolver, for these zones"),
    DirectiveSpec{"k8s_external", "k8s_external [ZONE…] { apex LABEL  ttl SECONDS  headless }",
                  "names of services as they are reached from outside", &set_up_k8s_external, true,
                  false, &k8s_external_options},
    DirectiveSpec{"gateways", "gateways [ZONE…] { ingress ADDRESS…  any ZONE… }",
                  "answers the hosts of gateways and ingresses", &set_up_gateways, true, false,
                  &gateways_options},
    DirectiveSpec{"kubernetes", "kubernetes [ZONE…] { manifests PATH… }",
                  "answers cluster names and reverse names", &set_up_kubernetes, true, true,
                  &kubernetes_options},
    DirectiveSpec{"file", "file FILE [ZONES…] { reload DURATION  fallthrough [ZONES…] }",
                  "answers from zone files", &set_up_file, true, true, &file_options},
    DirectiveSpec{
        "auto", "auto [ZONES…] { directory DIR [REGEXP ORIGIN_TEMPLATE]  reload DURATION }",
        "answers from the zone files of a folder", &set_up_auto, true, true, &auto_options},
    DirectiveSpec{
        "secondary", "secondary [ZONES…] { transfer from ADDRESS…  fallthrough [ZONES…] }",
        "answers from zones of other servers", &set_up_secondary, true, true, &secondary_options},
    DirectiveSpec{"etcd", "etcd [ZONES…] { path PATH  endpoint URL…  fallthrough [ZONES…] }",
                  "answers from keys of etcd, as SkyDNS has them", &set_up_etcd, true, true,
                  &etcd_options},
    DirectiveSpec{"search", "search [SUFFIX…] { ndots N  clients CIDR… }",
                  "tries short names along a search list", &set_up_search, true, false,
                  &search_options},
    // Here, and not before `hosts` and `kubernetes` as in CoreDNS: what is answered from memory
    // needs no cache, and must never be stale.
    DirectiveSpec{"cache", "cache [TTL] [ZONES…] { success CAPACITY [TTL] [MINTTL] … }",
                  "keeps answers of upstreams", &set_up_cache, true, false, &cache_options},
    DirectiveSpec{"loop", "loop [fatal]", "looks for upstreams that lead back here at the start",
                  &set_up_loop},
    DirectiveSpec{"forward", "forward FROM TO… { except ZONE… }", "asks other servers",
                  &set_up_forward, true, true, &forward_options},
    DirectiveSpec{"proxy", "proxy FROM TO…", "the old name of forward", &set_up_proxy, true, true,
                  &proxy_options},
    refused("grpc", "write `forward` with the same upstream over UDP, TCP or tls://"),
    DirectiveSpec{"erratic", "erratic { drop|truncate|delay … }",
                  "answers late, cut or not at all, for testing clients", &set_up_erratic, true,
                  false, &erratic_options},
    DirectiveSpec{"whoami", "whoami", "answers with the client's address", &set_up_whoami},
    later("on"),
    DirectiveSpec{"sign", "sign DBFILE [ZONES…] { key file|directory KEY|DIR…  directory DIR }",
                  "signs zone files, for `file` and `auto` to serve", &set_up_sign, true, true,
                  &sign_options},
    DirectiveSpec{"view", "view NAME { expr EXPRESSION }", "whose queries the server block is for",
                  &set_up_view, true, false, &view_options},
    refused("nomad", "write `forward` to Consul's or Nomad's own DNS port for these zones"),
};

}  // namespace

std::span<const DirectiveSpec> directives() { return kDirectives; }

const DirectiveSpec* find_directive(std::string_view name) {
  const auto it = std::find_if(kDirectives.begin(), kDirectives.end(),
                               [name](const DirectiveSpec& spec) { return spec.name == name; });
  return it == kDirectives.end() ? nullptr : &*it;
}

dns::AddressRanges address_ranges(std::span<const Token> words) {
  dns::AddressRanges ranges;
  for (const Token& word : words) {
    if (!ranges.add(parse_cidr(word).to_string())) {
      fail(word, "is not a range of addresses; write it like 10.0.0.0/8");
    }
  }
  return ranges;
}

std::string_view instead_of_external(std::string_view name) {
  const auto* const at = std::find_if(std::begin(kExternals), std::end(kExternals),
                                      [name](const External& each) { return each.name == name; });
  return at == std::end(kExternals) ? std::string_view{} : at->instead;
}

dns::Name zone_name(const std::string& text, const Position& at) {
  const auto name = dns::Name::from_text(text);
  if (!name) fail(at, in_quotes(text) + " is not a domain name: " + name.error().message());
  dns::Name lower = *name;
  lower.make_lower();
  return lower;
}

}  // namespace clusterdns::app
