// NodeLocal DNSCache's program, node-cache, as its DaemonSet starts it: a server with a Corefile
// that is filled in, and with the addresses and the rules that bring a node's queries to it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "app/admin/exposition.h"
#include "app/corefile/ast.h"
#include "app/corefile/parser.h"
#include "app/node/kube_dns_config.h"
#include "app/node/node_cache_options.h"
#include "app/node/packet_rules.h"

namespace clusterdns::app {

// What went wrong, by node-cache's words. Any thread.
class SetupErrors {
 public:
  enum class Kind : std::uint8_t {
    Iptables,
    IptablesLock,
    InterfaceAdd,
    InterfaceCheck,
    ConfigMap
  };

  void count(Kind kind) noexcept {
    counts_[static_cast<std::size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
  }
  void collect(Exposition& out) const;

 private:
  static constexpr std::array<std::string_view, 5> kNames = {
      "iptables", "iptables_lock", "interface_add", "interface_check", "configmap"};
  std::array<std::atomic<std::uint64_t>, kNames.size()> counts_{};
};

// Control thread.
class NodeCache {
 public:
  NodeCache(NodeCacheOptions options, ParseOptions parse);
  // Takes down what it has put up, unless it is to be kept.
  ~NodeCache();
  NodeCache(const NodeCache&) = delete;
  NodeCache& operator=(const NodeCache&) = delete;

  // The Corefile as it is now, from the template and the ConfigMap; without a template the file
  // that it would become. Throws ConfigError. A ConfigMap that is wrong is told once, and the last
  // good one goes on. What came of it is written to `corefile`, where that is possible.
  [[nodiscard]] Corefile read();
  // The same, its text; empty when there is none.
  [[nodiscard]] std::string text() const;

  [[nodiscard]] const NodeCacheOptions& options() const noexcept { return options_; }
  [[nodiscard]] const std::shared_ptr<SetupErrors>& errors() const noexcept { return errors_; }

  // Before the first read(): whom to tell what goes wrong. The addresses are put in place.
  void begin(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger);
  // It serves: the rules are put in place, and all of it is looked after from now on.
  void served();
  // The same as the destructor. May be called twice.
  void end();

 private:
  void check_interface(bool first);
  void check_rules();
  void look_after();
  [[nodiscard]] std::string kube_dns_folder() const;
  // Reads the ConfigMap, and keeps what it was when it is wrong now.
  void read_kube_dns();
  void write(const std::string& text);
  // Once for each new text; an empty one: it is well again.
  void tell(std::string& last, std::string text, spdlog::level::level_enum level);

  NodeCacheOptions options_;
  ParseOptions parse_;
  std::shared_ptr<spdlog::logger> logger_;
  std::shared_ptr<SetupErrors> errors_ = std::make_shared<SetupErrors>();
  PacketRules rules_;
  std::optional<boost::asio::steady_timer> timer_;
  KubeDnsConfig kube_dns_;
  std::string text_;
  // What was said last of each.
  std::string said_kube_dns_, said_base_, said_file_, said_interface_, said_rules_;
  bool begun_ = false;
  bool served_ = false;
  bool said_legacy_ = false;
};

}  // namespace clusterdns::app
