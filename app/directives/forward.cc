// forward FROM TO… {
//   except ZONE…                        names that are not forwarded
//   policy random|round_robin|sequential  which upstream is asked first
//   force_tcp                           asks over TCP
//   prefer_udp                          asks over UDP even when the client came over TCP; as always
//   clients CIDR…                       whose names are forwarded; loopback, link-local, private
// }
//
// TO is an address with an optional port, or a file in the form of resolv.conf.
#include <filesystem>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "dns/forward/forward_stage.h"
#include "dns/forward/upstream_address.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {"except", "policy", "force_tcp", "prefer_udp", "clients"};
constexpr std::string_view kLater[] = {
    "expire", "max_fails", "max_idle_conns", "max_age", "max_connect_attempts", "tls",
    "tls_servername", "health_check", "max_concurrent", "next", "next_on_nodata", "failover",
    "failfast_all_unhealthy_upstreams", "read_timeout", "doh_method"};

std::vector<dns::Endpoint> listening(const Environment& environment) {
  std::vector<dns::Endpoint> all;
  for (const auto& listen : environment.listens) {
    all.push_back(dns::make_endpoint(listen.address, listen.port));
  }
  return all;
}

void add_upstreams(const Token& token, BlockSetup& setup, std::vector<dns::Endpoint>& upstreams) {
  Environment& environment = setup.environment;
  const std::vector<dns::Endpoint> listens = listening(environment);
  std::string error;
  if (token.text.find('/') != std::string::npos && !token.text.starts_with("dns://") &&
      token.text.find("://") == std::string::npos) {
    const auto machine = dns::machine_upstreams(
        token.text, std::string(dns::kResolvedUpstreams), listens, &error);
    if (!machine) throw ConfigError(token.at, "forward: " + error);
    for (const std::string& warning : machine->warnings) {
      environment.logger->warn("plugin/forward: {}", warning);
    }
    for (const dns::Endpoint& self : machine->ourselves) {
      environment.logger->warn(
          "plugin/forward: {} names {}, which is this server itself; left out", machine->path,
          self.to_string());
    }
    upstreams.insert(upstreams.end(), machine->upstreams.begin(), machine->upstreams.end());
    if (machine->upstreams.empty()) {
      environment.logger->warn(
          "plugin/forward: {} names no upstream; names outside the cluster end in SERVFAIL",
          machine->path);
    }
    return;
  }
  const auto upstream = dns::parse_upstream(token.text, &error);
  if (!upstream) throw ConfigError(token.at, "forward: " + error);
  if (dns::is_self(*upstream, listens)) {
    throw ConfigError(token.at, "forward: " + upstream->to_string() +
                                    " is this server itself, so that every query would loop; name "
                                    "another upstream");
  }
  upstreams.push_back(*upstream);
}

}  // namespace

void set_up_forward(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 2, dns::kMaxUpstreams + 1, "forward FROM TO…");
  dns::ForwardStage::Options options;
  const std::vector<Token> from{directive.args[0]};
  const auto zones = parse_zones(from, setup.block);
  if (zones.size() != 1) {
    throw ConfigError(directive.args[0].at,
                      "forward: '" + directive.args[0].text + "' is more than one zone; name one");
  }
  options.zone = zone_name(zones[0], directive.args[0].at);
  for (std::size_t i = 1; i < directive.args.size(); ++i) {
    add_upstreams(directive.args[i], setup, options.forward.upstreams);
  }
  if (options.forward.upstreams.size() > dns::kMaxUpstreams) {
    throw ConfigError(directive.name.at, "forward: more than " + std::to_string(dns::kMaxUpstreams) +
                                             " upstreams; name fewer");
  }
  for (const Directive& p : directive.block) {
    const std::string& name = p.name.text;
    if (name == "except") {
      require_arguments(p, 1, kAnyNumber, "except ZONE…");
      for (const std::string& zone : parse_zones(p.args, setup.block)) {
        options.excepts.push_back(zone_name(zone, p.name.at));
      }
    } else if (name == "policy") {
      static constexpr std::string_view kPolicies[] = {"random", "round_robin", "sequential"};
      const std::string_view policy = parse_choice(only_argument(p, "policy NAME"), kPolicies);
      options.forward.policy = policy == "random"        ? dns::ForwardPolicy::Random
                               : policy == "round_robin" ? dns::ForwardPolicy::RoundRobin
                                                         : dns::ForwardPolicy::Sequential;
    } else if (name == "force_tcp") {
      require_bare(p);
      options.forward.prefer_tcp = true;
    } else if (name == "prefer_udp") {
      require_bare(p);
    } else if (name == "clients") {
      require_arguments(p, 1, kAnyNumber, "clients CIDR…");
      options.clients = dns::AddressRanges();
      for (const Token& token : p.args) {
        if (!options.clients.add(parse_cidr(token).to_string())) {
          throw ConfigError(token.at, "forward: '" + token.text + "' is no address range");
        }
      }
    } else if (std::find(std::begin(kLater), std::end(kLater), name) != std::end(kLater)) {
      throw ConfigError(p.name.at, "forward: '" + name +
                                       "' is an option of CoreDNS that is not built yet; remove it "
                                       "to go on without");
    } else {
      fail_unknown_property(p, "forward", kProperties);
    }
    require_no_block(p);
  }
  setup.route.stages.push_back(std::make_shared<dns::ForwardStage>(std::move(options)));
}

}  // namespace clusterdns::app
