// forward FROM TO… { OPTION… }
//
// TO is an address with an optional port, alone or after tls://, a host name, or a file in the form
// of resolv.conf.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/directive.h"
#include "app/directives/dnstap.h"
#include "app/directives/last_good.h"
#include "app/directives/stage_metrics.h"
#include "app/directives/tls_files.h"
#include "app/directives/upstream_follow.h"
#include "app/directives/upstream_lookups.h"
#include "dns/forward/forward_stage.h"
#include "dns/forward/upstream_address.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

// CoreDNS's.
constexpr std::chrono::milliseconds kHealthCheckEvery{500};
// A health check costs the upstream a query from each worker.
constexpr std::chrono::milliseconds kLeastHealthCheckEvery{10};
constexpr std::chrono::hours kLongest{24};
// More than that is no limit any more.
constexpr std::int64_t kMaxConcurrent = 1'000'000;
constexpr std::int64_t kMaxFails = 1'000;
constexpr std::int64_t kMaxAttempts = 1'000;
// With `policy latency`.
constexpr int kUsualHedge = 95;

std::chrono::milliseconds milliseconds_of(const Token& token, std::chrono::milliseconds least) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      parse_duration(token, BareDuration::Refused, least, kLongest));
}

// Bits of the rcodes that are named.
std::uint16_t rcodes_of(const Directive& p, bool success) {
  unsigned bits = 0;
  for (const Token& token : p.args) {
    unsigned rcode = 0;
    while (rcode < 16 && dns::rcode_to_text(static_cast<std::uint16_t>(rcode)) != token.text) {
      ++rcode;
    }
    if (rcode == 16 || (rcode == 0 && !success)) {
      fail(token,
           "is not an rcode that counts here; write, for example, SERVFAIL, NXDOMAIN or "
           "REFUSED");
    }
    bits |= 1u << rcode;
  }
  return static_cast<std::uint16_t>(bits);
}

constexpr std::string_view kLoopAdvice =
    "it is no longer asked; name another upstream in `forward` (on a Kubernetes node: make sure "
    "that the kubelet's resolvConf names neither this server nor a local stub that asks it)";

// Tells the upstreams whose queries would come back to the server block that they are of: which
// take them to a listener of ours, where the longest zone is that block's. One that serves them at
// another address, or as another zone, is an upstream as good as any. Loops by way of several
// blocks are found by probes, as all others.
class OwnBlock {
 public:
  OwnBlock(const BlockSetup& setup, const dns::ZoneSet& from) : setup_(setup), from_(from) {
    for (const auto& listen : setup.environment.listens) {
      listens_.push_back(dns::make_endpoint(listen.address, listen.port));
      with_tls_.push_back(listens_.back());
      // Port 0 is nobody's: who speaks plain DNS to a listener with TLS, or the other way round, or
      // either to one for HTTPS, does not come back.
      (listen.tls ? listens_ : with_tls_).back().port = 0;
      if (listen.https) with_tls_.back().port = 0;
    }
  }

  [[nodiscard]] bool is_asked_by(const dns::UpstreamServer& upstream) const {
    const auto listener = dns::find_listener(
        upstream, upstream.tls != nullptr ? with_tls_ : listens_, setup_.environment.interfaces);
    if (!listener) return false;
    const ListenerZones& zones = setup_.environment.zones_at[*listener];
    const auto comes_back = [&](dns::NameView zone) {
      return zones.block_of(zone) == &setup_.block;
    };
    // What is forwarded: of a zone of the block and one of `forward`, the one that is in the other.
    for (const ZoneKey& key : setup_.block.keys) {
      const dns::Name zone = zone_name(key.zone, key.at);
      for (std::size_t i = 0; i < from_.size(); ++i) {
        if (dns::has_suffix_ignoring_case(zone.view(), from_[i])) {
          if (comes_back(zone.view())) return true;
        } else if (dns::has_suffix_ignoring_case(from_[i], zone.view()) && comes_back(from_[i])) {
          return true;
        }
      }
    }
    return false;
  }

 private:
  const BlockSetup& setup_;
  const dns::ZoneSet& from_;
  std::vector<dns::Endpoint> listens_;
  std::vector<dns::Endpoint> with_tls_;
};

struct Reading {
  dns::ForwardStage::Options options = {};
  const ServerBlock& block;
  std::optional<Directive> tls = {};
  std::optional<Token> server_name = {};
  std::optional<dns::HedgeTiming> hedge = {};
  std::string resolvers = {};  // as look_up_with_cares() takes them
};

// Reads what stands for upstreams.
class Upstreams {
 public:
  Upstreams(BlockSetup& setup, Reading& reading)
      : setup_(setup),
        environment_(setup.environment),
        reading_(reading),
        forward_(reading.options.forward),
        own_(setup, reading.options.zones) {}

  void add(const Token& token) {
    std::string error;
    if (is_upstream_file(token.text)) return add_file(token);
    const auto upstream = dns::parse_upstream(token.text, &error);
    if (!upstream) fail(token.at, error);
    dns::UpstreamServer server(upstream->endpoint);
    if (upstream->tls) {
      any_tls_ = true;
      if (!upstream->server_name.empty() && reading_.server_name) {
        fail(token, "names its certificate, and so does `tls_servername`; write one of both");
      }
      server.server_name =
          reading_.server_name ? reading_.server_name->text : upstream->server_name;
      server.tls = tls(token);
    }
    if (upstream->host.empty()) return add_server(token, std::move(server));
    // Nothing is asked while only checking.
    if (environment_.check_only || environment_.elsewhere) return;
    if (server.server_name.empty()) server.server_name = upstream->host;
    if (server.server_name.back() == '.') server.server_name.pop_back();
    for (const auto& address : look_up(token, upstream->host)) {
      static_cast<dns::Endpoint&>(server) = dns::make_endpoint(address, upstream->endpoint.port);
      add_server(token, server);
    }
  }

  // What is said of TLS, and means nothing.
  void warn_of_idle_tls(const Directive& directive) {
    if (any_tls_ || (!reading_.tls && !reading_.server_name)) return;
    const Position& at = reading_.tls ? reading_.tls->name.at : reading_.server_name->at;
    // What has another scheme in front is refused where it stands.
    std::string first = directive.args.size() > 1 ? directive.args[1].text : "ADDRESS";
    if (const auto scheme = first.find("://"); scheme != std::string::npos) {
      first.erase(0, scheme + 3);
    }
    environment_.problems.warn(
        at,
        "is without effect, since no upstream is asked over TLS; write tls:// "
        "before its address, as in tls://" +
            first);
  }

  // nullptr: no upstream is asked over TLS.
  [[nodiscard]] const std::shared_ptr<TlsFiles>& tls_files() const { return files_; }
  [[nodiscard]] const std::shared_ptr<dns::TlsContexts>& tls_contexts() const { return contexts_; }

 private:
  void add_server(const Token& token, dns::UpstreamServer server) {
    if (own_.is_asked_by(server)) return refuse_self(token, server);
    if (forward_.source && forward_.source->is_v6() != server.v6) {
      environment_.problems.warn(
          token.at, server.to_string() + " cannot be asked from the `source_address` " +
                        forward_.source->to_string() + ", which is of the other family; left out");
      return;
    }
    const auto same = [&](const dns::UpstreamServer& other) { return server.same_as(other); };
    if (std::any_of(forward_.upstreams.begin(), forward_.upstreams.end(), same)) return;
    forward_.upstreams.push_back(std::move(server));
  }

  void add_file(const Token& token) {
    if (environment_.elsewhere) return;
    const std::string path = expand_path(token.text).string();
    std::optional<dns::MachineUpstreams> machine;
    try {
      // What leads back to us depends on the block.
      machine = or_last_good(
          environment_, "forward " + path + " of " + setup_.server + setup_.block.keys.front().zone,
          [&] {
            std::string error;
            machine = dns::machine_upstreams(
                path, std::string(dns::kResolvedUpstreams),
                [this](const dns::Endpoint& upstream) { return own_.is_asked_by(upstream); },
                &error);
            if (!machine) fail(token.at, error);
            if (machine->upstreams.empty()) fail(token.at, machine->path + " names no upstream");
            return *machine;
          });
    } catch (const ConfigError&) {
      if (!machine) throw;  // it cannot be read
    }
    for (const std::string& warning : machine->warnings) {
      environment_.problems.warn(token.at, warning);
    }
    for (const dns::Endpoint& self : machine->ourselves) {
      environment_.problems.warn(token.at, machine->path + " names " + self.to_string() +
                                               ", which is this server itself; left out");
    }
    for (const dns::Endpoint& upstream : machine->upstreams) add_server(token, upstream);
    UpstreamFollow& follow = UpstreamFollow::of(environment_);
    follow.file(path);
    if (machine->path != path) follow.file(machine->path);
    if (machine->upstreams.empty()) {
      environment_.problems.warn(
          token.at,
          machine->path + " names no upstream; names outside the cluster end in SERVFAIL");
    }
  }

  void refuse_self(const Token& token, const dns::Endpoint& upstream) {
    // The rest of the configuration is worth having without it; who checks, wants to know.
    if (environment_.check_only || setup_.loop == LoopAction::Fatal) {
      fail(token.at, upstream.to_string() +
                         " is this server itself, so that every query would loop; name another "
                         "upstream");
    }
    environment_.logger->error(
        "plugin/loop: Loop ({} -> :{}) detected for zone \"{}\": this upstream is this server "
        "itself; {}",
        upstream.to_string(), upstream.port, setup_.block.keys.front().zone, kLoopAdvice);
  }

  // As the name stands there, before any search list is tried.
  std::vector<boost::asio::ip::address> look_up(const Token& token, const std::string& host) {
    const UpstreamLookups::Question question{host, reading_.resolvers};
    std::vector<boost::asio::ip::address> found;
    try {
      found = or_last_good(environment_, "forward " + host + " by " + reading_.resolvers, [&] {
        // A resolver that takes its time would be waited for, and perhaps in vain.
        const auto before =
            find_before<UpstreamFollow>(environment_, [](const auto&) { return true; });
        if (before != nullptr) {
          if (auto latest = before->latest(question); !latest.empty()) return latest;
        }
        const auto answer = look_up_host(environment_, question);
        if (answer.addresses.empty()) {
          fail(token, "is not a file, and no address is found for it as a name (" +
                          (answer.error ? answer.error.message() : std::string("no records")) +
                          ")");
        }
        return answer.addresses;
      });
    } catch (const ConfigError& e) {
      // It is looked up again. All else is worth having.
      environment_.problems.warn(e.at(),
                                 e.message() +
                                     "; it is looked up again, and is not asked until then; check "
                                     "it, or write an address, or a `resolver` that knows it");
    }
    UpstreamFollow::of(environment_).name(question, found);
    return found;
  }

  std::shared_ptr<dns::TlsContexts> tls(const Token& token) {
    if (contexts_ != nullptr || environment_.elsewhere) return contexts_;
    static const std::vector<Token> none;
    files_ = std::make_shared<TlsFiles>(reading_.tls ? reading_.tls->args : none, setup_.root,
                                        reading_.tls ? reading_.tls->name.at : token.at, "forward",
                                        &dns::TlsContext::for_client, environment_.logger);
    contexts_ = std::make_shared<dns::TlsContexts>(files_->load_or_last(environment_));
    return contexts_;
  }

  BlockSetup& setup_;
  Environment& environment_;
  Reading& reading_;
  dns::ForwardOptions& forward_;
  const OwnBlock own_;
  bool any_tls_ = false;  // one that is asked over TLS is named
  std::shared_ptr<TlsFiles> files_;
  std::shared_ptr<dns::TlsContexts> contexts_;
};

void read_health_check(const Directive& p, dns::ForwardOptions& forward) {
  forward.timings.probe_every = milliseconds_of(p.args[0], kLeastHealthCheckEvery);
  for (std::size_t i = 1; i < p.args.size(); ++i) {
    const Token& word = p.args[i];
    if (word.text == "no_rec") {
      forward.health_recursion = false;
    } else if (word.text == "domain" && i + 1 < p.args.size()) {
      forward.health_name = zone_name(p.args[i + 1].text, p.args[i + 1].at);
      ++i;
    } else {
      fail(word, "is not expected here; write `health_check DURATION [no_rec] [domain FQDN]`");
    }
  }
}

void read_policy(const Directive& line, Reading& reading) {
  static constexpr std::string_view kPolicies[] = {"random", "round_robin", "sequential",
                                                   "latency"};
  const std::string_view policy = parse_choice(line.args[0], kPolicies);
  reading.options.forward.policy = policy == "random"        ? dns::ForwardPolicy::Random
                                   : policy == "round_robin" ? dns::ForwardPolicy::RoundRobin
                                   : policy == "sequential"  ? dns::ForwardPolicy::Sequential
                                                             : dns::ForwardPolicy::Latency;
}

// off|pN|DURATION
void read_hedge(const Directive& line, Reading& reading) {
  const Token& word = line.args[0];
  dns::HedgeTiming& hedge = reading.hedge.emplace();
  if (word.text == "off") return;
  if (!word.text.starts_with('p')) {
    hedge.after = milliseconds_of(word, std::chrono::milliseconds(1));
    return;
  }
  Token number = word;
  number.text.erase(0, 1);
  hedge.percentile = static_cast<int>(parse_integer(number, 1, 99));
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      for (const std::string& zone : parse_zones(line.args, reading.block)) {
        reading.options.excepts.add(zone_name(zone, line.name.at));
      }
    }>("except", "ZONE…", "names that are not forwarded"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.clients = address_ranges(line.args);
    }>("clients", "CIDR…", "whose names are forwarded (not in CoreDNS)",
       "who cannot be on the internet: private, shared, link-local, loopback"),
    option<&read_policy>("policy", "random|round_robin|sequential|latency",
                         "which upstream is asked first", "`random`"),
    option<&read_hedge>("hedge", "off|pN|DURATION",
                        "a question that takes longer than N in a hundred, or than this, is asked "
                        "of the next upstream, too (not in CoreDNS)",
                        "`p95` with `policy latency`, else `off`"),
    option<[](const Directive& line, Reading& reading) {
      static constexpr std::string_view kChoices[] = {"on", "off"};
      reading.options.forward.mixed_case = parse_choice(line.args[0], kChoices) == "on";
    }>("mixed_case", "on|off",
       "names in requests over UDP are in random letter case, which the reply must repeat (not in "
       "CoreDNS)",
       "`off`"),
    option<[](const Directive&, Reading& reading) { reading.options.forward.prefer_tcp = true; }>(
        "force_tcp", "", "asks over TCP"),
    idle_option("prefer_udp", "", "asks over UDP, as always"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.max_concurrent =
          static_cast<std::uint32_t>(parse_integer(line.args[0], 0, kMaxConcurrent));
    }>("max_concurrent", "N", "queries under way at once; more are REFUSED", "no limit but memory"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.forward.max_fails =
          static_cast<unsigned>(parse_integer(line.args[0], 0, kMaxFails));
    }>("max_fails", "N",
       "silent requests in a row after which an upstream is passed over and checked, `0` for never",
       "2"),
    option<[](const Directive& line, Reading& reading) {
      read_health_check(line, reading.options.forward);
    }>("health_check", "DURATION [no_rec] [domain FQDN]",
       "how often, and by what name, it is asked whether it is back, while queries come and for 10 "
       "s "
       "after",
       "0.5s"),
    option<[](const Directive& line, Reading& reading) {
      dns::ForwardTimings& timings = reading.options.forward.timings;
      timings.retry_after = std::min(milliseconds_of(line.args[0], timings.tick), timings.give_up);
    }>("read_timeout", "DURATION", "silence after which the next upstream is asked too", "1.2s"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.forward.max_attempts =
          static_cast<unsigned>(parse_integer(line.args[0], 0, kMaxAttempts));
    }>("max_connect_attempts", "N", "requests to upstreams for one query", "no limit but time"),
    option<[](const Directive&, Reading& reading) { reading.options.forward.fail_fast = true; }>(
        "failfast_all_unhealthy_upstreams", "", "SERVFAIL at once while health checks of all fail"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.forward.failover = rcodes_of(line, false);
    }>("failover", "RCODE…",
       "such replies make it ask the next upstream; SERVFAIL and REFUSED do so once anyway"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.next = rcodes_of(line, true);
    }>("next", "RCODE…", "such replies make it ask the next `forward` of the block"),
    option<[](const Directive&, Reading& reading) { reading.options.next_on_nodata = true; }>(
        "next_on_nodata", "", "so does NOERROR without an answer"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.forward.timings.expire = milliseconds_of(line.args[0], {});
    }>("expire", "DURATION", "idle TCP connections are closed", "10s"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.forward.timings.max_age = milliseconds_of(line.args[0], {});
    }>("max_age", "DURATION", "TCP connections are made anew after this", "never"),
    // A worker keeps one connection to an upstream, which carries all its questions.
    option<[](const Directive& line, Reading&) {
      (void)parse_integer(line.args[0], 0, kMaxConcurrent);
    }>("max_idle_conns", "N",
       "accepted, and without effect: each worker keeps one connection to an upstream"),
    option<[](const Directive& line, Reading& reading) { reading.tls = line; }>(
        "tls", "[CERT KEY] [CA]",
        "of upstreams after tls://: our certificate and key, and the authorities that theirs must "
        "be "
        "signed by (PEM)",
        "no certificate; the machine's authorities"),
    option<[](const Directive& line, Reading& reading) {
      std::string& name = (reading.server_name = line.args[0])->text;
      if (!dns::is_server_name(name)) fail(line.args[0], "is not a host name");
      if (name.back() == '.') name.pop_back();
    }>("tls_servername", "NAME", "the name that their certificates must be for",
       "the one behind `%` or the address"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.forward.source =
          boost::asio::ip::make_address(parse_ip(line.args[0]).to_string());
    }>("source_address", "IP", "the address that requests come from", "the kernel's choice"),
    option<[](const Directive& line, Reading& reading) {
      reading.resolvers = resolver_list(line);
    }>("resolver", "IP…", "whom upstreams given by name are looked up with", "the machine's"),
    later_option("doh_method"),
};

// The stage of this block before the reload that forwards alike; nullptr when there is none. A file
// that the directive names may say something else now.
std::shared_ptr<dns::ForwardStage> find_kept(const Directive& directive,
                                             const dns::ForwardOptions& options,
                                             const BlockSetup& setup) {
  const Environment& environment = setup.environment;
  if (environment.previous == nullptr) return nullptr;
  for (const ForwardOfBlock& each : environment.previous->forwards) {
    const std::vector<dns::UpstreamServer>& upstreams = options.upstreams;
    const auto& before = each.stage->options().forward.upstreams;
    if (each.block != setup.id() || each.loop != setup.loop ||
        each.stage->options().forward.taps != options.taps ||
        !says_the_same(each.directive, directive) ||
        !std::equal(before.begin(), before.end(), upstreams.begin(), upstreams.end(),
                    [](const auto& a, const auto& b) { return a.same_as(b); })) {
      continue;
    }
    const bool taken =
        std::any_of(environment.forwards.begin(), environment.forwards.end(),
                    [&](const ForwardOfBlock& other) { return other.stage == each.stage; });
    if (!taken) return each.stage;
  }
  return nullptr;
}

}  // namespace

bool is_upstream_file(const std::string& to) {
  if (to.find("://") != std::string::npos) return false;
  if (to.find('/') != std::string::npos) return true;
  boost::system::error_code no_address;
  (void)boost::asio::ip::make_address(to, no_address);
  std::error_code no_file;
  return no_address && to.find(':') == std::string::npos &&
         std::filesystem::is_regular_file(to, no_file);
}

std::span<const Option> forward_options() { return kOptions; }

void set_up_forward(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 2, dns::kMaxUpstreams + 1, "forward FROM TO…");
  Reading reading{.block = setup.block};
  dns::ForwardStage::Options& options = reading.options;
  const std::vector<Token> from{directive.args[0]};
  const auto zones = parse_zones(from, setup.block);
  // Several when it is a network whose prefix ends within a label.
  for (const std::string& zone : zones) {
    options.zones.add(zone_name(zone, directive.args[0].at));
  }
  // First: they say how upstreams are looked up.
  options.forward.timings.probe_every = kHealthCheckEvery;
  read_options(directive, kOptions, setup.environment.problems, reading);
  const bool by_latency = options.forward.policy == dns::ForwardPolicy::Latency;
  options.forward.hedge =
      reading.hedge.value_or(dns::HedgeTiming{by_latency ? kUsualHedge : 0, {}});
  refuse_option_names(std::span(directive.args).subspan(1), kOptions);
  Upstreams upstreams(setup, reading);
  for (std::size_t i = 1; i < directive.args.size(); ++i) {
    setup.environment.problems.attempt([&] { upstreams.add(directive.args[i]); });
  }
  upstreams.warn_of_idle_tls(directive);
  if (options.forward.upstreams.size() > dns::kMaxUpstreams) {
    fail(directive.name.at,
         "more than " + std::to_string(dns::kMaxUpstreams) + " upstreams; name fewer");
  }
  options.probe_loops = setup.loop != LoopAction::Watch;
  options.on_loop = [logger = setup.environment.logger, zone = setup.block.keys.front().zone,
                     fatal = setup.loop == LoopAction::Fatal ? setup.environment.fatal : nullptr](
                        const dns::Endpoint& upstream, const dns::Endpoint& client,
                        const dns::Endpoint& local) {
    const std::string what = "plugin/loop: Loop (" + client.to_string() +
                             " -> :" + std::to_string(local.port) + ") detected for zone \"" +
                             zone + "\": upstream " + upstream.to_string() +
                             " leads back to this server; ";
    if (fatal) {
      fatal(what + "name another upstream in `forward`");
    } else {
      logger->error("{}{}", what, kLoopAdvice);
    }
  };
  options.forward.taps = taps_of(setup);
  auto stage = find_kept(directive, options.forward, setup);
  if (stage == nullptr) {
    stage = std::make_shared<dns::ForwardStage>(std::move(options), setup.environment.workers);
  }
  if (const auto& files = upstreams.tls_files()) {
    const auto& servers = stage->options().forward.upstreams;
    const auto with_tls = std::find_if(servers.begin(), servers.end(),
                                       [](const auto& server) { return server.tls != nullptr; });
    if (with_tls != servers.end()) {
      files->keep_current(with_tls->tls);
      setup.environment.companions.push_back(files);
      setup.environment.collectors.push_back(files->metrics());
    }
  }
  setup.environment.forwards.push_back({setup.id(), directive, setup.loop, stage});
  setup.environment.collectors.push_back(forward_metrics(stage));
  setup.route.stages.push_back(std::move(stage));
}

}  // namespace clusterdns::app
