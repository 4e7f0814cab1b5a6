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

std::shared_ptr<dns::Route> build_route(const ServerBlock& block, Environment& environment) {
  auto route = std::make_shared<dns::Route>();
  BlockSetup setup{block, environment, *route};
  for (const DirectiveSpec& spec : directives()) {
    if (spec.set_up == nullptr) continue;
    for (const Directive& directive : block.directives) {
      if (directive.name.text == spec.name) spec.set_up(directive, setup);
    }
  }
  return route;
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
  for (std::size_t i = 0; i < corefile.blocks.size(); ++i) {
    const ServerBlock& block = corefile.blocks[i];
    const std::shared_ptr<dns::Route> route = build_route(block, environment);
    for (const ZoneKey& key : block.keys) {
      // Each key has a route of its own that shares the stages: logs and metrics tell them apart.
      auto mine = std::make_shared<dns::Route>();
      mine->stages = route->stages;
      mine->observers = route->observers;
      mine->udp_size = route->udp_size;
      mine->rotate = route->rotate;
      mine->zone_text = key.zone;
      mine->server_text = "dns://:" + std::to_string(port_of(key, dns_port));
      for (auto& listener : configuration.listeners) {
        const bool serves = std::find(listens[i].begin(), listens[i].end(), listener.address) !=
                            listens[i].end();
        if (serves && listener.address.port == port_of(key, dns_port)) {
          listener.routes.add(zone_name(key.zone, key.at), mine);
        }
      }
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
    : io_(io), logger_(std::move(logger)), options_(std::move(options)), collect_timer_(io) {}

Instance::~Instance() { stop(); }

void Instance::apply(const Corefile& corefile) {
  const unsigned workers = app::worker_count(corefile);
  if (server_ == nullptr) {
    server_ = std::make_unique<dns::Server>(dns::ServerOptions{workers, options_.tcp});
  } else if (workers != 0 && workers != server_->worker_count()) {
    logger_->warn("plugin/workers: the number of workers changes at the next start; now {}",
                  server_->worker_count());
  }
  auto environment = std::make_unique<Environment>(
      Environment{server_->reclaim(), server_->worker_count(), logger_, {}, {}, options_.registry, false});
  const auto served =
      server_->apply(build_configuration(corefile, *environment, options_.dns_port));
  listening_.clear();
  for (const auto& listener : served->listeners) listening_.push_back(listener.address);
  key_lines_.clear();
  for (const ServerBlock& block : corefile.blocks) {
    for (const ZoneKey& key : block.keys) {
      std::uint16_t port = port_of(key, options_.dns_port);
      if (port == 0 && !listening_.empty()) port = listening_.front().port;
      key_lines_.push_back(key.zone + ":" + std::to_string(port));
    }
  }
  // The workers have left the old configuration: its sources and tables may go.
  environment_.swap(environment);
  if (environment) {
    for (auto& [key, data] : environment->clusters) data.source->stop();
  }
  environment.reset();
  for (auto& [key, data] : environment_->clusters) data.source->watch(io_, logger_);
  collect_later();
}

void Instance::collect_later() {
  collect_timer_.expires_after(kCollectEvery);
  collect_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || server_ == nullptr) return;
    server_->reclaim().collect();
    collect_later();
  });
}

void Instance::stop() {
  collect_timer_.cancel();
  if (server_ == nullptr) return;
  server_->stop();
  if (environment_) {
    for (auto& [key, data] : environment_->clusters) data.source->stop();
  }
  environment_.reset();
  server_.reset();
}

}  // namespace clusterdns::app
