#include "app/instance/instance.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

#include <boost/asio/post.hpp>

#include "app/corefile/arguments.h"
#include "app/corefile/error.h"
#include "app/corefile/limits.h"
#include "app/corefile/suggest.h"
#include "app/corefile/zone_key.h"
#include "app/directives/target_api.h"
#include "app/directives/upstream_follow.h"
#include "app/directives/upstream_lookups.h"
#include "app/directives/view.h"
#include "app/instance/memory_reserve.h"
#include "dns/policy/view_stage.h"

namespace clusterdns::app {
namespace {

// How often table memory that workers were still reading at the last change is looked at again.
constexpr std::chrono::seconds kCollectEvery{1};

bool machine_has_ipv6() noexcept {
  const int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  ::close(fd);
  return true;
}

rlim_t descriptor_limit() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

using Addresses = std::vector<boost::asio::ip::address>;

// The listening addresses of each block, for all its ports; `bound` are those of each.
std::vector<std::vector<dns::ListenAddress>> listen_addresses(const Corefile& corefile,
                                                              std::uint16_t dns_port,
                                                              const std::vector<Addresses>& bound) {
  std::vector<std::vector<dns::ListenAddress>> all;
  const bool v6 = machine_has_ipv6();
  for (std::size_t i = 0; i < corefile.blocks.size(); ++i) {
    const ServerBlock& block = corefile.blocks[i];
    std::vector<dns::ListenAddress>& mine = all.emplace_back();
    std::set<std::pair<std::uint16_t, std::string>> ports;
    const Addresses& addresses = bound[i];
    for (const ZoneKey& key : block.keys) {
      const std::uint16_t port = effective_port(key, dns_port);
      if (!ports.insert({port, key.scheme}).second) continue;
      for (const auto& address : addresses) {
        if (address.is_v6() && address.is_unspecified() && !v6) continue;
        mine.push_back({address, port, uses_tls(key.scheme), key.scheme == "https"});
      }
    }
  }
  return all;
}

// Directives that are not supported, with the number of their places.
using Missing = std::map<std::string, std::size_t>;

// "3 directives are not supported: rewrite (4 places), header"
std::string summary_of(const Missing& missing) {
  std::string text = std::to_string(missing.size()) +
                     (missing.size() == 1 ? " directive is" : " directives are") +
                     " not supported: ";
  bool first = true;
  for (const auto& [name, places] : missing) {
    text += (first ? "" : ", ") + name;
    if (places > 1) text += " (" + std::to_string(places) + " places)";
    first = false;
  }
  return text;
}

void check_names(const ServerBlock& block, Environment& environment, Missing& missing,
                 std::set<std::string>& taken) {
  Problems& problems = environment.problems;
  std::vector<std::string_view> known;
  for (const DirectiveSpec& spec : directives()) {
    if (spec.built) known.push_back(spec.name);
  }
  std::map<std::string, Position> seen;
  std::size_t forwards = 0;
  for (const Directive& directive : block.directives) {
    if (directive.name.text == "forward" && ++forwards == kMaxForwards + 1) {
      problems.error(directive.name.at,
                     "more than " + std::to_string(kMaxForwards) +
                         " in one server block, each of which a query may come past; give zones "
                         "server blocks of their own");
    }
    problems.attempt([&] {
      const std::string& name = directive.name.text;
      const DirectiveSpec* const spec = find_directive(name);
      Position at = directive.name.at;
      at.subject.clear();
      if (spec == nullptr) {
        const std::string_view instead = instead_of_external(name);
        if (instead.empty()) fail_unknown_directive(directive, known);
        ++missing[name];
        fail(at, in_quotes(name) + " is a plugin that is no part of CoreDNS, and not supported; " +
                     std::string(instead));
      }
      if (!spec->built) {
        ++missing[name];
        fail(at, in_quotes(name) + " is a directive of CoreDNS that is not supported" +
                     (spec->note.empty() ? " yet" : "; " + std::string(spec->note)));
      }
      if (spec->taken_only) {
        if (environment.strict) {
          ++missing[name];
          fail(at, in_quotes(name) + " has no effect here: " + std::string(spec->note) +
                       "; start without --strict to have it taken all the same");
        }
        if (taken.insert(name).second) {
          problems.warn(at, in_quotes(name) + " has no effect here: " + std::string(spec->note));
        }
      }
      const auto [it, fresh] = seen.emplace(name, directive.name.at);
      if (!fresh && !spec->repeatable) fail_repeated(directive, it->second);
    });
  }
}

// The stages of a server block, and who comes to them.
struct BuiltBlock {
  std::shared_ptr<dns::Route> route;
  std::shared_ptr<const dns::ViewCondition> view;  // nullptr: everybody
  std::shared_ptr<dns::TlsContexts> tls;           // of its tls:// and https:// zones
  std::optional<HttpsOfBlock> https;
  bool count = false;
};

BuiltBlock build_route(const ServerBlock& block, Environment& environment, Addresses addresses,
                       std::string server) {
  auto route = std::make_shared<dns::Route>();
  BlockSetup setup{block, environment, *route};
  setup.addresses = std::move(addresses);
  setup.server = std::move(server);
  for (const DirectiveSpec& spec : directives()) {
    if (spec.set_up == nullptr) continue;
    for (const Directive& directive : block.directives) {
      if (directive.name.text != spec.name) continue;
      environment.problems.attempt([&] { spec.set_up(directive, setup); });
    }
    if (spec.name == "search") setup.behind_search = route->stages.size();
  }
  for (const auto& finish : setup.finish) environment.problems.attempt(finish);
  join_target(setup);
  if (environment.observer != nullptr) route->observers.push_back(environment.observer);
  return {std::move(route), setup.view, setup.tls, setup.https, setup.count};
}

// As in a Corefile.
std::string_view scheme_of(const dns::ListenAddress& listen) {
  return listen.https ? "https" : listen.tls ? "tls" : "dns";
}

// "dns://:53", or "tls://127.0.0.1:853" where `bind` names an address: how logs and metrics call a
// server.
std::string server_text(const dns::ListenAddress& listen) {
  const std::string scheme = std::string(scheme_of(listen)) + "://";
  if (listen.address.is_unspecified()) return scheme + ":" + std::to_string(listen.port);
  const std::string host = listen.address.to_string();
  return scheme + (listen.address.is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(listen.port);
}

// What its tls:// and https:// zones need, told once a block.
void check_tls(const ServerBlock& block, const BuiltBlock& built, Problems& problems) {
  const auto has_tls = [](const Directive& directive) { return directive.name.text == "tls"; };
  for (const ZoneKey& key : block.keys) {
    if (!uses_tls(key.scheme) || built.tls != nullptr) continue;
    if (std::any_of(block.directives.begin(), block.directives.end(), has_tls)) return;  // told
    problems.error(key.at,
                   key.scheme +
                       ":// needs a certificate and its key; write `tls CERT KEY` in the server "
                       "block");
    return;
  }
}

// Has the listener of a tls:// or https:// zone show what the zone's block does: others that are
// there show the same.
void join_tls(const ZoneKey& key, const BuiltBlock& built, dns::Configuration::Listener& listener) {
  if (!listener.address.tls || built.tls == nullptr) return;
  if (listener.tls == nullptr) listener.tls = built.tls;
  const auto settings = [](const std::shared_ptr<dns::TlsContexts>& contexts) {
    const auto now = contexts->now();
    return now == nullptr ? dns::TlsSettings() : now->settings();
  };
  if (listener.tls == built.tls || settings(listener.tls) == settings(built.tls)) return;
  throw ConfigError(key.at,
                    "another server block has another `tls` for the same address and port; "
                    "write the same in both, or give one of them another port or `bind`");
}

// The bounds of an https:// zone's listener: blocks that say some say the same.
class HttpsBounds {
 public:
  void join(const ZoneKey& key, const BuiltBlock& built, unsigned workers,
            dns::Configuration::Listener& listener) {
    if (!listener.address.https || !built.https) return;
    if (said_ && *said_ != *built.https) {
      throw ConfigError(key.at,
                        "another server block has another `https` for the same address and port; "
                        "write the same in both, or give one of them another port or `bind`");
    }
    said_ = built.https;
    listener.https.connections = (std::size_t{said_->connections} + workers - 1) / workers;
    if (said_->streams != 0) listener.https.streams = said_->streams;
  }

 private:
  std::optional<HttpsOfBlock> said_;
};

// "plugin/forward: … (Corefile:3:5)": as plugins of CoreDNS write, and people search for.
std::string log_text(const Problem& problem) {
  const std::size_t colon = problem.text.find(": ");
  if (colon == std::string::npos || find_directive(problem.text.substr(0, colon)) == nullptr) {
    return to_string(problem);
  }
  Problem place = problem;
  place.text.clear();
  std::string at = to_string(place);
  if (at.ends_with(": ")) at.resize(at.size() - 2);
  return "plugin/" + problem.text + (at.empty() ? "" : " (" + at + ")");
}

// Who could reach one also reaches the other.
bool overlap(const dns::ListenPlace& a, const dns::ListenAddress& b) {
  if (a.port == 0 || a.port != b.port) return false;
  if (a.every_family) return true;
  if (a.address.is_v6() != b.address.is_v6()) return false;
  return a.address == b.address || a.address.is_unspecified() || b.address.is_unspecified();
}

// Whether every connection to `inner` could as well be to `outer`.
bool takes_in(const HttpAddress& outer, const HttpAddress& inner) {
  if (outer.port == 0 || outer.port != inner.port || inner.every_family) return false;
  if (outer.every_family) return true;
  return outer.address.is_unspecified() && outer.address.is_v6() == inner.address.is_v6();
}

// Directives that CoreDNS does not count among the handlers of queries.
bool is_handler(std::string_view directive) {
  static constexpr std::string_view kOthers[] = {
      "workers",     "reload", "bind",     "ready",      "health", "root", "debug",
      "multisocket", "pprof",  "timeouts", "proxyproto", "tls",    "https"};
  return std::find(std::begin(kOthers), std::end(kOthers), directive) == std::end(kOthers);
}

}  // namespace

namespace {

// The zones of one listener, as far as server blocks share them by `view`.
class ZonesWithViews {
 public:
  // Before the route is added to `routes`.
  void add(const dns::Name& zone, const std::shared_ptr<const dns::ViewCondition>& condition,
           const std::shared_ptr<const dns::Route>& route, dns::ListenerRoutes& routes) {
    const std::size_t i = names_.add(zone);
    if (i == zones_.size()) {
      zones_.push_back({});
      if (condition == nullptr) {
        zones_[i].route = route;
      } else {
        zones_[i].choice = std::make_shared<dns::ViewStage>();
        auto choosing = std::make_shared<dns::Route>();
        choosing->stages.push_back(zones_[i].choice);
        choosing->zone_text = dns::name_to_text(zone.view());
        zones_[i].choosing = choosing;
        zones_[i].route = choosing;
        // The first one of a zone is where its queries come to.
        routes.add(zone, std::move(choosing));
      }
    }
    if (zones_[i].choice != nullptr) zones_[i].choice->add(condition, route);
  }

  // All are there. Queries that no view is for are counted by `dropped`.
  void finish(const std::shared_ptr<dns::RouteCounters>& dropped) {
    for (std::size_t i = 0; i < zones_.size(); ++i) {
      if (zones_[i].choice == nullptr) continue;
      zones_[i].choosing->counters = dropped;
      const dns::NameView name = names_[i];
      if (name.size() == 1) continue;
      const std::size_t around = names_.find(name.subspan(std::size_t{1} + name[0]));
      if (around != dns::ZoneSet::kNone) zones_[i].choice->set_otherwise(zones_[around].route);
    }
  }

 private:
  struct Zone {
    std::shared_ptr<const dns::Route> route;
    std::shared_ptr<dns::Route> choosing;
    std::shared_ptr<dns::ViewStage> choice;  // nullptr: the first block takes all
  };
  dns::ZoneSet names_;
  std::vector<Zone> zones_;  // in the order of `names_`
};

}  // namespace

dns::Configuration build_configuration(const Corefile& corefile, Environment& environment,
                                       std::uint16_t dns_port) {
  Problems& problems = environment.problems;
  if (corefile.blocks.empty()) {
    // Nobody means that: a file that is being written, a full disk, a ConfigMap gone wrong.
    problems.error({corefile.files.empty() ? "Corefile" : corefile.files.front(), 0, 0},
                   "there is no server block in it; write one, or restore the file");
  }
  Missing missing;
  std::set<std::string> taken;
  for (const ServerBlock& block : corefile.blocks) {
    check_names(block, environment, missing, taken);
    for (const Directive& directive : block.directives) {
      environment.wants_gateways = environment.wants_gateways || directive.name.text == "gateways";
    }
    for (const ZoneKey& key : block.keys) {
      if (key.scheme == "dns" || uses_tls(key.scheme)) continue;
      problems.error(key.at, "'" + key.scheme +
                                 "://' is not supported; let a proxy in front of this server take "
                                 "it, and write the zone without it");
    }
  }
  std::size_t missed = 0;
  for (const auto& [name, count] : missing) missed += count;
  if (missed > 1) problems.error({corefile.files.front(), 0, 0}, summary_of(missing));
  std::vector<Addresses> bound;
  constexpr std::string_view kNowhere =
      "the server block listens nowhere: no address of this machine is left; name one in 'bind'";
  for (const ServerBlock& block : corefile.blocks) {
    const std::size_t errors = problems.errors();
    bound.push_back(bound_addresses(block, environment));
    if (bound.back().empty() && problems.errors() == errors && !environment.elsewhere) {
      problems.error(block.at, kNowhere);
    }
  }
  const auto listens = listen_addresses(corefile, dns_port, bound);
  for (std::size_t i = 0; i < listens.size(); ++i) {
    // A wildcard of IPv6 on a machine without.
    if (listens[i].empty() && !bound[i].empty() && !environment.elsewhere) {
      problems.error(corefile.blocks[i].at, kNowhere);
    }
  }
  environment.listens.clear();
  std::map<std::tuple<boost::asio::ip::address, std::uint16_t, std::string_view>, std::size_t>
      places;
  const auto place_of = [&](const boost::asio::ip::address& address, const ZoneKey& key) {
    return places.find({address, effective_port(key, dns_port), key.scheme});
  };
  for (const auto& block : listens) {
    for (const auto& listen : block) {
      if (places
              .try_emplace({listen.address, listen.port, scheme_of(listen)},
                           environment.listens.size())
              .second) {
        environment.listens.push_back(listen);
      }
    }
  }
  environment.zones_at.assign(environment.listens.size(), {});
  for (std::size_t i = 0; i < corefile.blocks.size(); ++i) {
    const ServerBlock& block = corefile.blocks[i];
    for (const ZoneKey& key : block.keys) {
      for (const auto& address : bound[i]) {
        const auto place = place_of(address, key);
        if (place == places.end()) continue;  // IPv6, and there is none
        problems.attempt([&] {
          const std::uint16_t port = effective_port(key, dns_port);
          for (const std::string_view other : {"dns", "tls", "https"}) {
            if (port == 0 || other == key.scheme || !places.contains({address, port, other})) {
              continue;
            }
            throw ConfigError(
                key.at, "port " + std::to_string(port) + " on " + address.to_string() +
                            (uses_tls(other) == uses_tls(key.scheme)
                                 ? " is served both as tls:// and as https://; give one of them "
                                 : " is served both with TLS and without; give one of them ") +
                            "another port or `bind`");
          }
          const ServerBlock* const claimed =
              environment.zones_at[place->second].claim(zone_name(key.zone, key.at), block);
          // What words alone do not show: `bind lo` and `bind 127.0.0.1`, for example. The parser
          // has told the rest.
          if (claimed == &block || problems.has_error_at(key.at)) return;
          // They share the zone.
          if (!view_name(*claimed).empty() || !view_name(block).empty()) return;
          throw ConfigError(key.at,
                            key.zone + ":" + std::to_string(port) + " on " + address.to_string() +
                                " is already served by another block; merge the two, or give "
                                "one of them another port or `bind`");
        });
      }
    }
  }
  prepare_lookups(corefile, environment);
  prepare_target(corefile, environment);
  dns::Configuration configuration;
  for (const auto& listen : environment.listens) configuration.listeners.push_back({listen, {}});
  bool any_counts = false, any_exports = false;
  // It shows how long queries take.
  const bool has_console =
      std::any_of(corefile.blocks.begin(), corefile.blocks.end(), [](const ServerBlock& block) {
        return std::any_of(block.directives.begin(), block.directives.end(),
                           [](const Directive& each) { return each.name.text == "console"; });
      });
  std::vector<ZonesWithViews> views(configuration.listeners.size());
  std::vector<HttpsBounds> https(configuration.listeners.size());
  for (std::size_t i = 0; i < corefile.blocks.size(); ++i) {
    const ServerBlock& block = corefile.blocks[i];
    const BuiltBlock built = build_route(block, environment, bound[i],
                                         listens[i].empty() ? "" : server_text(listens[i].front()));
    check_tls(block, built, problems);
    const std::shared_ptr<dns::Route>& route = built.route;
    const std::string view = view_name(block);
    const bool counts = (built.count || has_console) && environment.metrics != nullptr;
    any_counts = any_counts || counts;
    any_exports = any_exports || built.count;
    std::vector<std::string> stages;
    for (const auto& stage : route->stages) stages.emplace_back(stage->name());
    for (const ZoneKey& key : block.keys) {
      // Each key has a route of its own on each server, which shares the stages: logs and metrics
      // tell them apart.
      std::map<std::string, std::shared_ptr<dns::Route>> by_server;
      for (const auto& address : bound[i]) {
        const auto place = place_of(address, key);
        if (place == places.end()) continue;  // IPv6, and there is none
        auto& listener = configuration.listeners[place->second];
        const std::string server = server_text(listener.address);
        auto& mine = by_server[server];
        if (mine == nullptr) {
          mine = std::make_shared<dns::Route>(*route);
          mine->zone_text = key.zone;
          mine->server_text = server;
          if (counts) {
            mine->counters = environment.metrics->route(server, key.zone, view, stages,
                                                        environment.workers, built.count);
          }
          if (counts && built.count) {
            std::set<std::string> names;
            for (const Directive& directive : block.directives) {
              if (is_handler(directive.name.text)) names.insert(directive.name.text);
            }
            for (const std::string& name : names) {
              environment.plugins.push_back({server, key.zone, view, name});
            }
          }
        }
        problems.attempt([&] {
          const dns::Name zone = zone_name(key.zone, key.at);
          join_tls(key, built, listener);
          https[place->second].join(key, built, environment.workers, listener);
          views[place->second].add(zone, built.view, mine, listener.routes);
          listener.routes.add(zone, mine);
        });
      }
    }
  }
  environment.admin.check(problems);
  for (const auto& [key, at] : environment.admin.addresses) {
    for (const auto& listen : environment.listens) {
      if (!overlap(at.place(), listen)) continue;
      problems.error(environment.admin.places.at(key),
                     in_quotes(at.text) + " is already used for DNS (" +
                         dns::to_string({listen.address, listen.port}) + "); choose another port");
    }
  }
  if (environment.metrics != nullptr) {
    for (auto& listener : configuration.listeners) {
      if (!listener.address.https) continue;
      listener.http_counters =
          environment.metrics->https(server_text(listener.address), environment.workers);
    }
  }
  if (any_counts) {
    for (auto& listener : configuration.listeners) {
      listener.routes.dropped = environment.metrics->route(
          server_text(listener.address), "dropped", "", {}, environment.workers, any_exports);
    }
  }
  for (std::size_t i = 0; i < views.size(); ++i) {
    views[i].finish(configuration.listeners[i].routes.dropped);
  }
  problems.throw_errors();
  return configuration;
}

void check_corefile(const Corefile& corefile, std::uint16_t dns_port, CheckPlace place,
                    Problems& problems) {
  dns::ReclaimDomain reclaim(1);
  Environment environment{reclaim, 1, make_silent_logger(), {}, {}, nullptr, true};
  environment.elsewhere = place == CheckPlace::Elsewhere;
  environment.problems = std::move(problems);
  (void)worker_count(corefile, environment.problems);
  try {
    (void)build_configuration(corefile, environment, dns_port);
  } catch (const ConfigError&) {
    // They are among the problems.
  }
  problems = std::move(environment.problems);
}

Instance::Instance(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
                   InstanceOptions options)
    : io_(io),
      logger_(std::move(logger)),
      options_(std::move(options)),
      readiness_(std::make_shared<Readiness>(logger_)),
      collect_timer_(io) {}

Instance::~Instance() { stop(); }

void Instance::apply(const Corefile& corefile) {
  Problems problems;
  const unsigned workers = app::worker_count(corefile, problems);
  if (server_ == nullptr) {
    server_ = std::make_unique<dns::Server>(dns::ServerOptions{workers, options_.tcp});
    said_tcp_connections_ = server_->tcp_share();
    add_collectors();
  } else if (workers != 0 && workers != server_->worker_count()) {
    logger_->warn(
        "plugin/workers: the number of workers changes at the next start; until then it is {}",
        server_->worker_count());
  }
  auto environment = std::make_unique<Environment>(Environment{
      server_->reclaim(), server_->worker_count(), logger_, {}, {}, options_.registry, false});
  environment->strict = options_.strict;
  environment->previous = environment_.get();
  environment->metrics = metrics_;
  environment->fatal = options_.fatal;
  environment->log_format = options_.log_format;
  environment->observer = options_.observer;
  environment->problems = std::move(problems);
  auto configuration = build_configuration(corefile, *environment, options_.dns_port);
  for (const Problem& problem : environment->problems.sorted()) {
    logger_->warn("{}", log_text(problem));
  }
  // Of the address that nobody but our options asks for; another program may have it.
  std::string metrics_key;
  if (!options_.metrics_address.empty()) {
    AdminPlan& plan = environment->admin;
    const Token address{options_.metrics_address, {"-metrics-listen-address"}};
    const std::string key = parse_http_address(address).key();
    if (!plan.addresses.contains(key)) metrics_key = key;
    plan.serve(address, plan.metrics);
  }
  // Whatever can fail comes first: what is bound here is closed again when it does.
  std::shared_ptr<HttpServer::Prepared> prepared;
  if (http_ == nullptr && !environment->admin.addresses.empty()) {
    http_ = std::make_unique<HttpServer>();
  }
  // What is ours is in nobody's way: a port may go from one directive to another.
  if (http_ != nullptr) {
    auto addresses = environment->admin.addresses;
    for (auto& [key, at] : addresses) {
      at.may_be_taken = key == metrics_key || environment->admin.may_be_taken(key);
    }
    std::vector<std::string> left_out;
    prepared = http_->prepare(addresses, server_->sockets(), &left_out);
    for (const std::string& text : left_out) {
      if (text.find(" " + options_.metrics_address + " ") != std::string::npos) {
        logger_->error("{}; going on without it. Name another address with -metrics-listen-address",
                       text);
        continue;
      }
      logger_->warn(
          "plugin/console: {}; going on without a console. Name another address in "
          "'console ADDRESS:PORT'",
          text);
    }
  }
  auto served =
      server_->apply(std::move(configuration),
                     http_ != nullptr ? http_->sockets(prepared.get()) : dns::SocketInodes{});
  // Served from here on: what was served before may go. What fails now is told, and all else is
  // done nevertheless.
  environment_.swap(environment);
  environment_->previous = nullptr;
  served_ = std::move(served);
  watched_by_.reset();
  loaded_ = std::chrono::system_clock::now();
  const auto attempt = [this](const char* what, const auto& step) {
    try {
      step();
    } catch (const std::exception& e) {
      logger_->error("{}: {}; the rest of the configuration is served", what, e.what());
    }
  };
  if (server_->tcp_connections() != said_tcp_connections_) {
    said_tcp_connections_ = server_->tcp_connections();
    logger_->warn(
        "the limit of open files ({}) leaves {} TCP connections of clients to each of {} "
        "workers, instead of {}; raise it (LimitNOFILE, ulimit -n) for more",
        descriptor_limit(), said_tcp_connections_, server_->worker_count(), server_->tcp_share());
  }
  attempt("the list of addresses", [&] { list_listeners(*served_); });
  attempt("metrics", [&] {
    metrics_->replace(std::move(environment_->plugins), std::move(environment_->collectors));
  });
  attempt("plugin/ready", [&] {
    std::vector<Readiness::Source> sources;
    for (const ClusterData& data : environment_->clusters) {
      sources.push_back({"kubernetes", [source = data.source] { return source->synced(); }});
    }
    readiness_->replace(std::move(sources), environment_->admin.ready_continuously);
  });
  if (environment) {
    for (const auto& companion : environment->companions) companion->stop();
    for (const ClusterData& data : environment->clusters) {
      const auto& now = environment_->clusters;
      const bool kept = std::any_of(now.begin(), now.end(), [&](const ClusterData& each) {
        return each.source == data.source;
      });
      if (!kept) attempt("plugin/kubernetes", [&] { data.source->stop(); });
    }
  }
  environment.reset();
  applied_ = corefile;
  for (const auto& companion : environment_->companions) {
    if (auto* const follow = dynamic_cast<UpstreamFollow*>(companion.get())) {
      // Not at once: that ends the companion.
      follow->on_change([this, weak = std::weak_ptr(companion)](const std::string& what) {
        boost::asio::post(io_, [this, weak, what] {
          if (!weak.expired()) apply_again(what);
        });
      });
    }
    attempt("a file of the Corefile cannot be watched", [&] { companion->start(io_); });
  }
  for (const ClusterData& data : environment_->clusters) {
    attempt("plugin/kubernetes", [&] { data.source->watch(io_, logger_); });
  }
  attempt("the console", [&] {
    if (console_api_ == nullptr && !environment_->admin.console.empty()) {
      console_api_ = std::make_shared<ConsoleApi>(io_, static_cast<ConsoleHost&>(*this));
    }
    if (console_api_ != nullptr) console_api_->served();
  });
  if (http_ != nullptr) attempt("HTTP", [&] { serve_http(std::move(prepared)); });
  attempt("plugin/ready", [&] { check_ourselves(); });
  attempt("metrics", [&] { collect_later(); });
}

void Instance::apply_again(const std::string& what) {
  try {
    const Corefile corefile = *applied_;
    apply(corefile);
    logger_->info("plugin/forward: {} has changed; its upstreams are asked from now on", what);
  } catch (const std::exception& e) {
    logger_->error(
        "plugin/forward: {} has changed, and cannot be used: {}; still serving what was "
        "there before",
        what, e.what());
  }
}

void Instance::list_listeners(const dns::Configuration& served) {
  listening_.clear();
  for (const auto& listener : served.listeners) listening_.push_back(listener.address);
  key_lines_.clear();
  std::set<std::string> lines;
  for (const auto& listener : served.listeners) {
    std::set<std::string> zones;
    for (const auto& route : listener.routes.routes()) zones.insert(route->zone_text);
    for (const std::string& zone : zones) {
      std::string line = zone + ":" + std::to_string(listener.address.port);
      if (listener.address.tls) line = std::string(scheme_of(listener.address)) + "://" + line;
      if (!listener.address.address.is_unspecified()) {
        line += " on " + listener.address.address.to_string();
      }
      // A wildcard is two listeners, one for each family.
      if (lines.insert(line).second) key_lines_.push_back(std::move(line));
    }
  }
}

void Instance::check_ourselves() {
  if (environment_->admin.ready.empty() || readiness_->serving()) return;
  // One that asks listeners of a configuration before would never end.
  if (self_check_ != nullptr && checked_ == listening_) return;
  self_check_.reset();
  checked_ = listening_;
  self_check_ = std::make_unique<SelfCheck>(
      listening_, [server = server_.get()] { return server->queries(); },
      [readiness = readiness_] { readiness->set_serving(); });
}

void Instance::serve_http(std::shared_ptr<HttpServer::Prepared> prepared) {
  const AdminPlan& plan = environment_->admin;
  HttpRoutes routes;
  const std::string fault =
      environment_->target == nullptr ? std::string() : target_health_line(*environment_->target);
  for (const std::string& address : plan.health) {
    routes[address].pages["/health"] = [fault](std::string_view query) {
      const auto parameters = HttpParameters::parse(query);
      const bool verbose = parameters && parameters->find("verbose") != nullptr;
      return HttpReply{200, verbose && !fault.empty() ? "OK\n" + fault + "\n" : "OK"};
    };
  }
  for (const std::string& address : plan.ready) {
    routes[address].pages["/ready"] = [readiness = readiness_](std::string_view) {
      auto [status, body] = readiness->ask();
      return HttpReply{status, std::move(body)};
    };
  }
  for (const std::string& address : plan.metrics) {
    routes[address].pages["/metrics"] = [metrics = metrics_](std::string_view) {
      return HttpReply{200, metrics->text(), "text/plain; version=0.0.4; charset=utf-8"};
    };
    // The address of node-cache's own has no directive.
    const auto exporter = plan.exporters.find(address);
    if (exporter != plan.exporters.end()) routes[address].tls = exporter->second.tls;
  }
  std::map<std::string, std::shared_ptr<Console>> consoles;
  for (const auto& [address, console] : plan.consoles) {
    const auto before = consoles_.find(address);
    consoles[address] = std::make_shared<Console>(
        console, console_api_, before == consoles_.end() ? nullptr : before->second.get());
    routes[address].app = consoles[address];
    if (console.tls) routes[address].tls = dns::TlsSettings{*console.tls};
  }
  consoles_ = std::move(consoles);
  // The closest socket is asked: it has the paths of those that take in its address, too.
  for (auto& [inner, site] : routes) {
    for (const auto& [outer, more] : routes) {
      if (takes_in(plan.addresses.at(outer), plan.addresses.at(inner))) {
        // What asks for certificates is not to be had without one elsewhere.
        if (!more.tls || site.tls == more.tls) {
          site.pages.insert(more.pages.begin(), more.pages.end());
        }
        if (site.app == nullptr && !site.tls && !more.tls) site.app = more.app;
      }
    }
  }
  http_lines_.clear();
  http_->commit(std::move(prepared), routes);
  for (const auto& [address, site] : routes) {
    for (const auto& [path, handler] : site.pages) {
      const HttpAddress& at = plan.addresses.at(address);
      if (at.port != 0) continue;
      http_lines_.push_back(path + " on " + at.text.substr(0, at.text.rfind(':')) + ":" +
                            std::to_string(http_->port(address)));
    }
  }
  for (const auto& [address, console] : plan.consoles) {
    const std::uint16_t port = http_->port(address);
    if (port == 0) continue;
    const HttpAddress& at = plan.addresses.at(address);
    std::string host = at.text.substr(0, at.text.rfind(':'));
    if (host.empty() || at.address.is_unspecified()) host = "localhost";
    http_lines_.push_back(std::string("the console on ") + (console.tls ? "https" : "http") +
                          "://" + host + ":" + std::to_string(port) + "/");
  }
  std::erase_if(probes_, [&](const auto& probe) { return !plan.health.contains(probe.first); });
  for (const std::string& address : plan.health) {
    if (probes_.contains(address)) continue;
    HttpAddress at = plan.addresses.at(address);
    at.port = http_->port(address);
    probes_.emplace(address, std::make_unique<HealthProbe>(at, health_, logger_));
  }
}

bool Instance::is_ready() const {
  // Without `ready` nobody asks whether listeners answer.
  return readiness_->is_ready() && (plan().ready.empty() || readiness_->serving());
}

void Instance::ask(std::shared_ptr<const dns::ListenerRoutes> routes,
                   std::vector<std::uint8_t> request, std::size_t size, const dns::Endpoint& client,
                   std::function<void(std::vector<std::uint8_t>)> done) {
  server_->ask(std::move(routes), std::move(request), size, client, std::move(done));
}

ConsoleHost::Configured Instance::configured() const {
  Configured result;
  result.loaded = std::chrono::duration<double>(
                      std::chrono::round<std::chrono::milliseconds>(loaded_.time_since_epoch()))
                      .count();
  if (origin_.corefile) result.corefile = origin_.corefile();
  if (origin_.error) result.error = origin_.error();
  return result;
}

std::string Instance::reload() {
  return origin_.reload ? origin_.reload() : "this server's configuration cannot be read again";
}

void Instance::watch_queries(std::shared_ptr<dns::AnswerObserver> observer) {
  if (served_ == nullptr || observer == watched_by_) return;
  // The same configuration, with routes that have the observer: without one, queries do not even
  // pay for a look whether there is one.
  dns::Configuration configuration;
  for (const auto& listener : served_->listeners) {
    configuration.listeners.push_back({listener.address,
                                       listener.routes.with_routes([&](const dns::Route& route) {
                                         auto watched = std::make_shared<dns::Route>(route);
                                         std::erase(watched->observers, watched_by_);
                                         if (observer != nullptr)
                                           watched->observers.push_back(observer);
                                         return watched;
                                       }),
                                       listener.tls, listener.https, listener.http_counters});
  }
  served_ = server_->apply(std::move(configuration),
                           http_ != nullptr ? http_->sockets(nullptr) : dns::SocketInodes{});
  watched_by_ = std::move(observer);
}

void Instance::add_collectors() {
  metrics_->add([health = health_](Exposition& out) { health->collect(out); });
  metrics_->add([pending = reclaim_pending_](Exposition& out) {
    out.gauge("clusterdns_reclaim_pending",
              "Old pieces of tables that wait until no worker can be reading them.", {},
              static_cast<double>(pending->load(std::memory_order_relaxed)));
  });
  metrics_->add([logger = logger_](Exposition& out) {
    out.counter("clusterdns_log_lines_lost_total",
                "Lines of the log that nobody read in time, so that they were never written.", {},
                static_cast<double>(lost_log_lines(*logger)));
  });
  metrics_->add([server = server_.get()](Exposition& out) {
    out.counter("coredns_panics_total", "A metrics that counts the number of panics.", {},
                static_cast<double>(server->panics()));
    const auto queries = server->queries();
    for (std::size_t i = 0; i < queries.size(); ++i) {
      out.counter("clusterdns_worker_queries_total",
                  "Messages that each worker received, whatever became of them.",
                  {{"worker", std::to_string(i)}}, static_cast<double>(queries[i]));
    }
    std::uint64_t connections = 0;
    std::uint64_t octets = 0;
    std::array<std::uint64_t, dns::kTcpEndNames.size()> ended{};
    for (const dns::TcpFigures* const figures : server->tcp_figures()) {
      connections += figures->connections.load(std::memory_order_relaxed);
      octets += figures->held_octets.load(std::memory_order_relaxed);
      for (std::size_t i = 0; i < ended.size(); ++i) ended[i] += figures->ended[i].get();
    }
    out.gauge("clusterdns_tcp_connections", "Open TCP connections of clients.", {},
              static_cast<double>(connections));
    out.gauge("clusterdns_tcp_held_bytes",
              "Octets held for TCP clients: unfinished questions, and answers not read yet.", {},
              static_cast<double>(octets));
    for (std::size_t i = 0; i < ended.size(); ++i) {
      out.counter(
          "clusterdns_tcp_connections_ended_total",
          "TCP connections that the server closed: idle; stalled while shaking hands, sending a "
          "question or reading answers; to make room, or to free octets, for others; because "
          "nothing came of TLS.",
          {{"reason", std::string(dns::kTcpEndNames[i])}}, static_cast<double>(ended[i]));
    }
  });
}

void Instance::set_draining() {
  readiness_->set_draining();
  self_check_.reset();  // its questions would look like somebody's
}

ConsoleHost::Figures Instance::query_figures() const {
  Figures figures{.queries = queries(), .durations = metrics_->durations()};
  for (const CacheOfBlock& each : environment_->caches) {
    const auto totals = each.cache->totals();
    figures.cache_requests += totals.requests;
    for (const std::uint64_t hits : totals.hits) figures.cache_hits += hits;
  }
  return figures;
}

std::chrono::nanoseconds Instance::history() const {
  std::chrono::nanoseconds longest{0};
  for (const auto& [address, plan] : environment_->admin.consoles) {
    longest = std::max(longest, plan.history);
  }
  return longest;
}

std::uint64_t Instance::queries() const {
  std::uint64_t n = 0;
  for (const std::uint64_t of_worker : server_->queries()) n += of_worker;
  return n;
}

std::string Instance::figures() const {
  std::uint64_t connections = 0;
  std::uint64_t octets = 0;
  for (const dns::TcpFigures* const figures : server_->tcp_figures()) {
    connections += figures->connections.load(std::memory_order_relaxed);
    octets += figures->held_octets.load(std::memory_order_relaxed);
  }
  return fmt::format(
      "{} queries since the start; {} TCP connections, {} octets held for them; {} "
      "failed handlers; {} lost lines of the log",
      queries(), connections, octets, server_->panics(), lost_log_lines(*logger_));
}

void Instance::collect_later() {
  collect_timer_.expires_after(kCollectEvery);
  collect_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || server_ == nullptr) return;
    server_->reclaim().collect();
    reclaim_pending_->store(server_->reclaim().pending(), std::memory_order_relaxed);
    const MemoryNews news = refill_memory_reserve();
    if (news.ran_out) {
      logger_->error(
          "memory has run out; no query is forwarded while there is none. Give it more (the "
          "limit of the container, ulimit -v), or less to hold");
    }
    if (news.enough) logger_->info("there is memory again");
    collect_later();
  });
}

void Instance::stop() {
  collect_timer_.cancel();
  // Before what they look at.
  self_check_.reset();
  probes_.clear();
  if (console_api_ != nullptr) console_api_->stop();
  http_.reset();
  consoles_.clear();
  // What stages count goes before what they stand on.
  metrics_->replace({}, {});
  if (server_ == nullptr) return;
  server_->stop();
  if (environment_) {
    for (const auto& companion : environment_->companions) companion->stop();
    for (const ClusterData& data : environment_->clusters) data.source->stop();
  }
  environment_.reset();
  served_.reset();
  server_.reset();
}

}  // namespace clusterdns::app
