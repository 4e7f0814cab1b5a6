// forward FROM TO… {
//   except ZONE…                        names that are not forwarded
//   policy random|round_robin|sequential  which upstream is asked first
//   force_tcp                           asks over TCP
//   prefer_udp                          asks over UDP even when the client came over TCP; as always
//   max_concurrent N                    queries under way at once; more are REFUSED
//   max_fails N                         silent requests in a row that make an upstream dead; 2, 0 never
//   health_check DURATION [no_rec] [domain FQDN]  how a dead upstream is asked whether it is back
//   expire DURATION                     idle TCP connections are closed; 10s
//   max_age DURATION                    TCP connections are made anew
//   read_timeout DURATION               silence after which the next upstream is asked too
//   max_connect_attempts N              requests to upstreams for one query
//   failfast_all_unhealthy_upstreams    SERVFAIL at once while all are dead
//   failover RCODE…                     such replies make us ask the next upstream
//   next RCODE…, next_on_nodata         such replies make us ask the next `forward`
//   clients CIDR…                       whose names are forwarded; loopback, link-local, private
// }
//
// TO is an address with an optional port, or a file in the form of resolv.conf.
#include <algorithm>
#include <filesystem>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "app/directives/stage_metrics.h"
#include "dns/forward/forward_stage.h"
#include "dns/forward/upstream_address.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {
    "except",         "policy",   "force_tcp",      "prefer_udp",           "max_concurrent",
    "max_fails",      "expire",   "health_check",   "max_idle_conns",       "max_age",
    "read_timeout",   "failover", "next_on_nodata", "max_connect_attempts", "next",
    "failfast_all_unhealthy_upstreams", "clients"};
constexpr std::string_view kLater[] = {"tls", "tls_servername", "doh_method", "source_address",
                                       "resolver"};
// CoreDNS's.
constexpr std::chrono::milliseconds kHealthCheckEvery{500};
// A health check costs the upstream a query from each worker.
constexpr std::chrono::milliseconds kLeastHealthCheckEvery{10};
constexpr std::chrono::hours kLongest{24};
// More than that is no limit any more.
constexpr std::int64_t kMaxConcurrent = 1'000'000;
constexpr std::int64_t kMaxFails = 1'000;
constexpr std::int64_t kMaxAttempts = 1'000;

std::chrono::milliseconds milliseconds_of(const Token& token, std::chrono::milliseconds least) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      parse_duration(token, BareDuration::Refused, least, kLongest));
}

// Bits of the rcodes that are named.
std::uint16_t rcodes_of(const Directive& p, bool success) {
  require_arguments(p, 1, kAnyNumber, p.name.text + " RCODE…");
  unsigned bits = 0;
  for (const Token& token : p.args) {
    unsigned rcode = 0;
    while (rcode < 16 && dns::rcode_to_text(static_cast<std::uint16_t>(rcode)) != token.text) {
      ++rcode;
    }
    if (rcode == 16 || (rcode == 0 && !success)) {
      throw ConfigError(token.at, p.name.text + ": '" + token.text +
                                      "' is no rcode for this; write for example SERVFAIL, "
                                      "NXDOMAIN or REFUSED");
    }
    bits |= 1u << rcode;
  }
  return static_cast<std::uint16_t>(bits);
}

constexpr std::string_view kLoopAdvice =
    "it is not asked any more; name another upstream in `forward` (a Kubernetes node: see that the "
    "kubelet's resolvConf does not name this server or a local stub that asks it)";

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
  boost::system::error_code no_address;
  (void)boost::asio::ip::make_address(token.text, no_address);
  std::error_code no_file;
  const bool in_this_folder = no_address && token.text.find(':') == std::string::npos &&
                              std::filesystem::is_regular_file(token.text, no_file);
  if ((in_this_folder || token.text.find('/') != std::string::npos) && !token.text.starts_with("dns://") &&
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
    // The rest of the configuration is worth having without it; who checks, wants to know.
    if (environment.check_only || setup.loop == LoopAction::Fatal) {
      throw ConfigError(token.at, "forward: " + upstream->to_string() +
                                      " is this server itself, so that every query would loop; name "
                                      "another upstream");
    }
    environment.logger->error(
        "plugin/loop: Loop ({} -> :{}) detected for zone \"{}\": this upstream is this server "
        "itself; {}",
        upstream->to_string(), upstream->port, setup.block.keys.front().zone, kLoopAdvice);
    return;
  }
  upstreams.push_back(*upstream);
}

void read_health_check(const Directive& p, dns::ForwardOptions& forward) {
  require_arguments(p, 1, 4, "health_check DURATION [no_rec] [domain FQDN]");
  forward.timings.probe_every = milliseconds_of(p.args[0], kLeastHealthCheckEvery);
  for (std::size_t i = 1; i < p.args.size(); ++i) {
    const Token& word = p.args[i];
    if (word.text == "no_rec") {
      forward.health_recursion = false;
    } else if (word.text == "domain" && i + 1 < p.args.size()) {
      forward.health_name = zone_name(p.args[i + 1].text, p.args[i + 1].at);
      ++i;
    } else {
      throw ConfigError(word.at, "health_check: '" + word.text +
                                     "' is not expected here; write health_check DURATION [no_rec] "
                                     "[domain FQDN]");
    }
  }
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
  dns::ForwardTimings& timings = options.forward.timings;
  timings.probe_every = kHealthCheckEvery;
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
    } else if (name == "max_concurrent") {
      options.max_concurrent = static_cast<std::uint32_t>(
          parse_integer(only_argument(p, "max_concurrent N"), 0, kMaxConcurrent));
    } else if (name == "max_fails") {
      options.forward.max_fails =
          static_cast<unsigned>(parse_integer(only_argument(p, "max_fails N"), 0, kMaxFails));
    } else if (name == "health_check") {
      read_health_check(p, options.forward);
    } else if (name == "expire") {
      timings.expire = milliseconds_of(only_argument(p, "expire DURATION"), {});
    } else if (name == "max_age") {
      timings.max_age = milliseconds_of(only_argument(p, "max_age DURATION"), {});
    } else if (name == "max_idle_conns") {
      // A worker keeps one connection to an upstream, which carries all its questions.
      (void)parse_integer(only_argument(p, "max_idle_conns N"), 0, kMaxConcurrent);
    } else if (name == "read_timeout") {
      timings.retry_after =
          std::min(milliseconds_of(only_argument(p, "read_timeout DURATION"), timings.tick),
                   timings.give_up);
    } else if (name == "max_connect_attempts") {
      options.forward.max_attempts = static_cast<unsigned>(
          parse_integer(only_argument(p, "max_connect_attempts N"), 0, kMaxAttempts));
    } else if (name == "failfast_all_unhealthy_upstreams") {
      require_bare(p);
      options.forward.fail_fast = true;
    } else if (name == "failover") {
      options.forward.failover = rcodes_of(p, false);
    } else if (name == "next") {
      options.next = rcodes_of(p, true);
    } else if (name == "next_on_nodata") {
      require_bare(p);
      options.next_on_nodata = true;
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
  options.probe_loops = setup.loop != LoopAction::Watch;
  options.on_loop = [logger = setup.environment.logger, zone = setup.block.keys.front().zone,
                     fatal = setup.loop == LoopAction::Fatal ? setup.environment.fatal : nullptr](
                        const dns::Endpoint& upstream, const dns::Endpoint& client,
                        const dns::Endpoint& local) {
    const std::string what = "plugin/loop: Loop (" + client.to_string() + " -> :" +
                             std::to_string(local.port) + ") detected for zone \"" + zone +
                             "\": upstream " + upstream.to_string() +
                             " leads back to this server; ";
    if (fatal) {
      fatal(what + "name another upstream in `forward`");
    } else {
      logger->error("{}{}", what, kLoopAdvice);
    }
  };
  auto stage = std::make_shared<dns::ForwardStage>(std::move(options), setup.environment.workers);
  setup.environment.collectors.push_back(forward_metrics(stage));
  setup.route.stages.push_back(std::move(stage));
}

}  // namespace clusterdns::app
