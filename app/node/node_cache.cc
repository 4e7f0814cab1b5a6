#include "app/node/node_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>

#include "app/corefile/error.h"
#include "app/corefile/files.h"
#include "app/corefile/limits.h"
#include "app/node/corefile_template.h"
#include "app/node/interface.h"
#include "dns/net/port_holders.h"
#include "registry/files/regular_file.h"

namespace clusterdns::app {
namespace {

constexpr mode_t kMode = 0644;

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// Somebody serves there.
bool is_taken(const registry::IpAddress& address, std::uint16_t port) {
  const dns::ListenPlace place{boost::asio::ip::make_address(address.to_string()), port};
  return !dns::port_holders(dns::ListenKind::Udp, place, /*both_families=*/true).empty();
}

}  // namespace

void SetupErrors::collect(Exposition& out) const {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    out.counter("coredns_nodecache_setup_errors_total",
                "The number of errors during periodic network setup for node-cache",
                {{"errortype", kNames[i]}},
                static_cast<double>(counts_[i].load(std::memory_order_relaxed)));
  }
}

NodeCache::NodeCache(NodeCacheOptions options, ParseOptions parse)
    : options_(std::move(options)),
      parse_(std::move(parse)),
      rules_({options_.local, parse_.dns_port, options_.health_port}) {}

NodeCache::~NodeCache() { end(); }

// ---- the Corefile ----

void NodeCache::tell(std::string& last, std::string text, spdlog::level::level_enum level) {
  if (text == last) return;
  last = std::move(text);
  if (!last.empty() && logger_ != nullptr) logger_->log(level, "node-cache: {}", last);
}

std::string NodeCache::kube_dns_folder() const {
  if (!options_.kube_dns_folder.empty()) return options_.kube_dns_folder;
  return exists(NodeCacheOptions::kKubeDnsFolder) ? NodeCacheOptions::kKubeDnsFolder : "";
}

void NodeCache::read_kube_dns() {
  const std::string folder = kube_dns_folder();
  std::string problem;
  try {
    kube_dns_ = folder.empty() ? KubeDnsConfig{} : read_kube_dns_config(folder);
  } catch (const std::exception& e) {
    problem = fmt::format("{}: {}; going on with what the ConfigMap was before", folder, e.what());
    if (problem != said_kube_dns_) errors_->count(SetupErrors::Kind::ConfigMap);
  }
  tell(said_kube_dns_, std::move(problem), spdlog::level::err);
}

Corefile NodeCache::read() {
  std::string base;
  try {
    if (!exists(options_.base_corefile) && exists(options_.corefile)) {
      tell(said_base_,
           fmt::format("{} is not there; {} is served as it is", options_.base_corefile,
                       options_.corefile),
           spdlog::level::info);
      Corefile corefile = load_corefile(options_.corefile, parse_);
      corefile.files.push_back(options_.base_corefile);  // it may come
      return corefile;
    }
    base = read_config_file(options_.base_corefile, Position{options_.base_corefile});
    said_base_.clear();
    read_kube_dns();
    TemplateValues values{options_.local, {}, options_.service, parse_.dns_port, kube_dns_};
    if (const char* const address = std::getenv(service_variable(options_.service).c_str())) {
      values.cluster_dns = registry::IpAddress::parse(address);
    }
    std::string text = fill_template(base, options_.base_corefile, values);
    if (text.size() > kMaxCorefileSize) {
      throw ConfigError(Position{options_.base_corefile},
                        fmt::format("with the stub domains it has {} octets; at most {} are "
                                    "possible",
                                    text.size(), kMaxCorefileSize));
    }
    Corefile corefile = parse_corefile(text, options_.base_corefile, parse_);
    auto& files = corefile.files;
    if (std::find(files.begin(), files.end(), options_.base_corefile) == files.end()) {
      files.insert(files.begin(), options_.base_corefile);
    }
    if (const std::string folder = kube_dns_folder(); !folder.empty()) files.push_back(folder);
    text_ = std::move(text);
    write(text_);
    return corefile;
  } catch (const std::exception& e) {
    if (e.what() != said_base_) errors_->count(SetupErrors::Kind::ConfigMap);
    said_base_ = e.what();  // whoever called tells it
    throw;
  }
}

std::string NodeCache::text() const {
  if (!text_.empty() || !exists(options_.corefile)) return text_;
  try {
    return read_config_file(options_.corefile, Position{options_.corefile});
  } catch (const ConfigError&) {
    return {};
  }
}

void NodeCache::write(const std::string& text) {
  if (options_.corefile == options_.base_corefile) return;
  const auto now = registry::read_regular_file(options_.corefile, kMaxCorefileSize);
  if (now && *now == text) return;
  const std::string problem = registry::replace_file(options_.corefile, text, kMode);
  if (problem.empty()) registry::remove_leftovers(options_.corefile);
  tell(said_file_,
       problem.empty() ? "" : "the Corefile is served, and cannot be shown in " + problem,
       spdlog::level::info);
}

// ---- the node ----

void NodeCache::check_interface(bool first) {
  if (!options_.set_up_interface) return;
  std::string problem;
  bool made = false;
  bool added = false;
  try {
    NodeInterface interface(options_.interface, "-interfacename");
    made = interface.ensure();
    for (const registry::IpAddress& address : options_.local) {
      added = interface.add(address) || added;
    }
    if (made || added) logger_->info("node-cache: Added interface - {}", options_.interface);
  } catch (const std::exception& e) {
    errors_->count(first || made ? SetupErrors::Kind::InterfaceAdd
                                 : SetupErrors::Kind::InterfaceCheck);
    problem = fmt::format(
        "the interface {} cannot be set up: {}; queries that reach the node "
        "nevertheless are answered",
        options_.interface, reason_of(e));
  }
  tell(said_interface_, std::move(problem), spdlog::level::err);
}

void NodeCache::check_rules() {
  if (!options_.set_up_rules) return;
  std::string problem;
  try {
    if (rules_.ensure()) logger_->info("node-cache: Added rules that skip connection tracking");
    if (!said_legacy_ && PacketRules::legacy_filter()) {
      said_legacy_ = true;
      logger_->warn(
          "node-cache: this node's table 'filter' is one of iptables-legacy, which is left as it "
          "is; if it drops what it does not know, have it accept port {} at {}",
          parse_.dns_port, options_.local.front().to_string());
    }
  } catch (const std::exception& e) {
    errors_->count(SetupErrors::Kind::Iptables);
    problem = fmt::format(
        "rules that skip connection tracking cannot be set up: {}; queries are "
        "answered without them",
        reason_of(e));
  }
  tell(said_rules_, std::move(problem), spdlog::level::err);
}

void NodeCache::begin(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger) {
  logger_ = std::move(logger);
  timer_.emplace(io);
  begun_ = true;
  check_interface(true);
}

void NodeCache::served() {
  if (served_) return;
  served_ = true;
  check_rules();
  look_after();
}

void NodeCache::look_after() {
  timer_->expires_after(options_.interval);
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (error || !begun_) return;
    check_interface(false);
    check_rules();
    look_after();
  });
}

void NodeCache::end() {
  if (!std::exchange(begun_, false)) return;
  timer_.reset();
  if (options_.keep || (!options_.set_up_interface && !options_.set_up_rules)) return;
  // Our start failed because of whoever serves there: the node is set up for them.
  if (!served_ && !options_.local.empty() && is_taken(options_.local.front(), parse_.dns_port)) {
    return;
  }
  logger_->info("node-cache: Tearing down");
  if (options_.set_up_rules) {
    try {
      rules_.remove();
    } catch (const std::exception& e) {
      logger_->error("node-cache: rules cannot be removed: {}", reason_of(e));
    }
  }
  if (!options_.set_up_interface) return;
  try {
    NodeInterface(options_.interface, "-interfacename").remove(options_.local);
  } catch (const std::exception& e) {
    logger_->error("node-cache: the interface {} cannot be removed: {}", options_.interface,
                   reason_of(e));
  }
}

}  // namespace clusterdns::app
