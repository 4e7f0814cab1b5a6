#include "app/instance.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "app/corefile/arguments.h"
#include "app/corefile/error.h"
#include "app/corefile/suggest.h"

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

std::uint16_t port_of(const ZoneKey& key, std::uint16_t dns_port) {
  return key.port.value_or(dns_port);
}

// The listening addresses of each block, for all its ports.
std::vector<std::vector<dns::ListenAddress>> listen_addresses(const Corefile& corefile,
                                                              std::uint16_t dns_port) {
  std::vector<std::vector<dns::ListenAddress>> all;
  const bool v6 = machine_has_ipv6();
  for (const ServerBlock& block : corefile.blocks) {
    std::vector<dns::ListenAddress>& mine = all.emplace_back();
    const auto addresses = bound_addresses(block);
    for (const ZoneKey& key : block.keys) {
      for (const auto& address : addresses) {
        if (address.is_v6() && address.is_unspecified() && !v6) continue;
        const dns::ListenAddress listen{address, port_of(key, dns_port)};
        if (std::find(mine.begin(), mine.end(), listen) == mine.end()) mine.push_back(listen);
      }
    }
  }
  return all;
}

void check_names(const ServerBlock& block) {
  std::vector<std::string_view> known;
  for (const DirectiveSpec& spec : directives()) {
    if (spec.built) known.push_back(spec.name);
  }
  std::map<std::string, Position> seen;
  for (const Directive& directive : block.directives) {
    const std::string& name = directive.name.text;
    const DirectiveSpec* const spec = find_directive(name);
    if (spec == nullptr) fail_unknown_directive(directive, known);
    if (!spec->built) {
      throw ConfigError(directive.name.at, "'" + name +
                                               "' is a directive of CoreDNS that clusterdns has not "
                                               "built yet; remove it to go on without");
    }
    const auto [it, fresh] = seen.emplace(name, directive.name.at);
    if (!fresh && !spec->repeatable) fail_repeated(directive, it->second);
  }
}

std::shared_ptr<dns::Route> build_route(const ServerBlock& block, Environment& environment,
                                        std::string server, bool* count) {
  auto route = std::make_shared<dns::Route>();
  BlockSetup setup{block, environment, *route};
  setup.server = std::move(server);
  for (const DirectiveSpec& spec : directives()) {
    if (spec.set_up == nullptr) continue;
    for (const Directive& directive : block.directives) {
      if (directive.name.text == spec.name) spec.set_up(directive, setup);
    }
  }
  *count = setup.count;
  return route;
}

// "dns://:53", or "dns://127.0.0.1:53" where `bind` names an address: how logs and metrics call a
// server.
std::string server_text(const dns::ListenAddress& listen) {
  if (listen.address.is_unspecified()) return "dns://:" + std::to_string(listen.port);
  const std::string host = listen.address.to_string();
  return "dns://" + (listen.address.is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(listen.port);
}

// Directives that CoreDNS does not count among the handlers of queries.
bool is_handler(std::string_view directive) {
  static constexpr std::string_view kOthers[] = {"workers", "reload", "bind", "ready", "health"};
  return std::find(std::begin(kOthers), std::end(kOthers), directive) == std::end(kOthers);
}

}  // namespace

dns::Configuration build_configuration(const Corefile& corefile, Environment& environment,
                                       std::uint16_t dns_port) {
  for (const ServerBlock& block : corefile.blocks) {
    check_names(block);
    for (const ZoneKey& key : block.keys) {
      if (key.scheme != "dns") {
        throw ConfigError(key.at, "'" + key.scheme + "://' is not built yet; use dns://, which is "
                                                     "the default");
      }
    }
  }
  const auto listens = listen_addresses(corefile, dns_port);
  environment.listens.clear();
  for (const auto& block : listens) {
    for (const auto& listen : block) {
      if (std::find(environment.listens.begin(), environment.listens.end(), listen) ==
          environment.listens.end()) {
        environment.listens.push_back(listen);
      }
    }
  }
  dns::Configuration configuration;
  for (const auto& listen : environment.listens) configuration.listeners.push_back({listen, {}});
  bool any_counts = false;
  for (std::size_t i = 0; i < corefile.blocks.size(); ++i) {
    const ServerBlock& block = corefile.blocks[i];
    bool counts = false;
    const std::shared_ptr<dns::Route> route = build_route(
        block, environment, listens[i].empty() ? "" : server_text(listens[i].front()), &counts);
    counts = counts && environment.metrics != nullptr;
    any_counts = any_counts || counts;
    std::vector<std::string> stages;
    for (const auto& stage : route->stages) stages.emplace_back(stage->name());
    for (const ZoneKey& key : block.keys) {
      // Each key has a route of its own on each server, which shares the stages: logs and metrics
      // tell them apart.
      std::map<std::string, std::shared_ptr<dns::Route>> by_server;
      for (auto& listener : configuration.listeners) {
        const bool serves = std::find(listens[i].begin(), listens[i].end(), listener.address) !=
                            listens[i].end();
        if (!serves || listener.address.port != port_of(key, dns_port)) continue;
        const std::string server = server_text(listener.address);
        auto& mine = by_server[server];
        if (mine == nullptr) {
          mine = std::make_shared<dns::Route>();
          mine->stages = route->stages;
          mine->observers = route->observers;
          mine->cache = route->cache;
          mine->udp_size = route->udp_size;
          mine->rotate = route->rotate;
          mine->zone_text = key.zone;
          mine->server_text = server;
          if (counts) {
            mine->counters =
                environment.metrics->route(server, key.zone, "", stages, environment.workers);
            std::set<std::string> names;
            for (const Directive& directive : block.directives) {
              if (is_handler(directive.name.text)) names.insert(directive.name.text);
            }
            for (const std::string& name : names) {
              environment.plugins.push_back({server, key.zone, "", name});
            }
          }
        }
        listener.routes.add(zone_name(key.zone, key.at), mine);
      }
    }
  }
  if (any_counts) {
    for (auto& listener : configuration.listeners) {
      listener.routes.dropped = environment.metrics->route(server_text(listener.address), "dropped",
                                                           "", {}, environment.workers);
    }
  }
  return configuration;
}

void check_corefile(const Corefile& corefile, std::shared_ptr<spdlog::logger> logger,
                    std::uint16_t dns_port) {
  dns::ReclaimDomain reclaim(1);
  Environment environment{reclaim, 1, std::move(logger), {}, {}, nullptr, true};
  (void)worker_count(corefile);
  (void)build_configuration(corefile, environment, dns_port);
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
  const unsigned workers = app::worker_count(corefile);
  if (server_ == nullptr) {
    server_ = std::make_unique<dns::Server>(dns::ServerOptions{workers, options_.tcp});
    add_collectors();
  } else if (workers != 0 && workers != server_->worker_count()) {
    logger_->warn("plugin/workers: the number of workers changes at the next start; now {}",
                  server_->worker_count());
  }
  auto environment = std::make_unique<Environment>(
      Environment{server_->reclaim(), server_->worker_count(), logger_, {}, {}, options_.registry, false});
  if (environment_) environment->previous = &environment_->clusters;
  environment->metrics = metrics_;
  environment->fatal = options_.fatal;
  environment->log_format = options_.log_format;
  auto configuration = build_configuration(corefile, *environment, options_.dns_port);
  // Whatever can fail comes first: what is bound here is closed again when it does.
  std::shared_ptr<HttpServer::Prepared> prepared;
  if (http_ == nullptr && !environment->admin.addresses.empty()) {
    http_ = std::make_unique<HttpServer>();
  }
  if (http_ != nullptr) prepared = http_->prepare(environment->admin.addresses);
  const auto served = server_->apply(std::move(configuration));
  listening_.clear();
  for (const auto& listener : served->listeners) listening_.push_back(listener.address);
  key_lines_.clear();
  for (const auto& listener : served->listeners) {
    std::set<std::string> zones;
    for (const auto& entry : listener.routes.entries()) zones.insert(entry.route->zone_text);
    for (const std::string& zone : zones) {
      std::string line = zone + ":" + std::to_string(listener.address.port);
      if (!listener.address.address.is_unspecified()) {
        line += " on " + listener.address.address.to_string();
      }
      // A wildcard is two listeners, one for each family.
      if (std::find(key_lines_.begin(), key_lines_.end(), line) == key_lines_.end()) {
        key_lines_.push_back(std::move(line));
      }
    }
  }
  // The workers have left the old configuration: its sources and tables may go.
  environment_.swap(environment);
  metrics_->replace(std::move(environment_->plugins), std::move(environment_->collectors));
  std::vector<Readiness::Source> sources;
  for (const auto& [key, data] : environment_->clusters) {
    sources.push_back({"kubernetes", [source = data.source] { return source->synced(); }});
  }
  readiness_->replace(std::move(sources), environment_->admin.ready_continuously);
  environment_->previous = nullptr;
  if (environment) {
    for (const auto& companion : environment->companions) companion->stop();
    for (auto& [key, data] : environment->clusters) {
      const auto kept = environment_->clusters.find(key);
      if (kept == environment_->clusters.end() || kept->second.source != data.source) {
        data.source->stop();
      }
    }
  }
  environment.reset();
  for (const auto& companion : environment_->companions) companion->start(io_);
  for (auto& [key, data] : environment_->clusters) data.source->watch(io_, logger_);
  if (http_ != nullptr) serve_http(std::move(prepared));
  if (self_check_ == nullptr && !environment_->admin.ready.empty()) {
    self_check_ = std::make_unique<SelfCheck>(
        listening_, [server = server_.get()] { return server->queries(); },
        [readiness = readiness_] { readiness->set_serving(); });
  }
  collect_later();
}

void Instance::serve_http(std::shared_ptr<HttpServer::Prepared> prepared) {
  const AdminPlan& plan = environment_->admin;
  HttpRoutes routes;
  for (const std::string& address : plan.health) {
    routes[address]["/health"] = [] { return HttpReply{200, "OK"}; };
  }
  for (const std::string& address : plan.ready) {
    routes[address]["/ready"] = [readiness = readiness_] {
      auto [status, body] = readiness->ask();
      return HttpReply{status, std::move(body)};
    };
  }
  for (const std::string& address : plan.metrics) {
    routes[address]["/metrics"] = [metrics = metrics_] {
      return HttpReply{200, metrics->text(), "text/plain; version=0.0.4; charset=utf-8"};
    };
  }
  http_lines_.clear();
  http_->commit(std::move(prepared), routes);
  for (const auto& [address, paths] : routes) {
    for (const auto& [path, handler] : paths) {
      if (plan.addresses.at(address).port != 0) continue;
      http_lines_.push_back(path + " on " + address.substr(0, address.rfind(':')) + ":" +
                            std::to_string(http_->port(address)));
    }
  }
  std::erase_if(probes_, [&](const auto& probe) { return !plan.health.contains(probe.first); });
  for (const std::string& address : plan.health) {
    auto& probe = probes_[address];
    if (probe != nullptr) continue;
    HttpAddress at = plan.addresses.at(address);
    at.port = http_->port(address);
    probe = std::make_unique<HealthProbe>(at, health_, logger_);
  }
}

void Instance::add_collectors() {
  metrics_->add([health = health_](Exposition& out) { health->collect(out); });
  metrics_->add([pending = reclaim_pending_](Exposition& out) {
    out.gauge("clusterdns_reclaim_pending",
              "Old pieces of tables that wait until no worker can be reading them.", {},
              static_cast<double>(pending->load(std::memory_order_relaxed)));
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
  });
}

void Instance::set_draining() {
  readiness_->set_draining();
  self_check_.reset();  // its questions would look like somebody's
}

std::uint64_t Instance::queries() const {
  std::uint64_t n = 0;
  for (const std::uint64_t of_worker : server_->queries()) n += of_worker;
  return n;
}

void Instance::collect_later() {
  collect_timer_.expires_after(kCollectEvery);
  collect_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || server_ == nullptr) return;
    server_->reclaim().collect();
    reclaim_pending_->store(server_->reclaim().pending(), std::memory_order_relaxed);
    collect_later();
  });
}

void Instance::stop() {
  collect_timer_.cancel();
  // Before what they look at.
  self_check_.reset();
  probes_.clear();
  http_.reset();
  // What stages count goes before what they stand on.
  metrics_->replace({}, {});
  if (server_ == nullptr) return;
  server_->stop();
  if (environment_) {
    for (const auto& companion : environment_->companions) companion->stop();
    for (auto& [key, data] : environment_->clusters) data.source->stop();
  }
  environment_.reset();
  server_.reset();
}

}  // namespace clusterdns::app
