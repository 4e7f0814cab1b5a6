// The server that a conversation is held with: what its Corefile stands for, as the program builds
// it, on a clock and a network that do what they are told. No socket is opened, and no thread runs.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/admin/metrics.h"
#include "app/directives/directive.h"
#include "dns/concurrent/reclaim.h"
#include "dns/server/configuration.h"
#include "tests/conversations/script.h"
#include "tests/unit/dns/forward/scripted_network.h"

namespace clusterdns::conversation {

using Octets = std::vector<std::uint8_t>;

// One at a time: there is one clock.
class Server {
 public:
  // Throws app::ConfigError when the Corefile is not good. `environment` is what stands behind
  // `{$NAME}` in it.
  Server(const Script& script, std::map<std::string, std::string> environment);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Sends a query; the answer comes now or later, one at most.
  using Answers = std::shared_ptr<std::vector<Octets>>;
  [[nodiscard]] Answers ask(Octets request, const dns::Endpoint& client, dns::Transport transport);

  [[nodiscard]] dns::ScriptedNetwork& network() noexcept { return *network_; }
  [[nodiscard]] std::string metrics() const { return metrics_->text(); }

 private:
  boost::asio::io_context io_{1};
  dns::ReclaimDomain reclaim_{1};
  std::shared_ptr<dns::ScriptedNetwork> network_ = std::make_shared<dns::ScriptedNetwork>();
  std::shared_ptr<app::Metrics> metrics_ = std::make_shared<app::Metrics>();
  dns::WorkerContext worker_;
  app::Environment environment_;
  dns::Configuration configuration_;
  std::vector<std::shared_ptr<dns::Stage>> stages_;
  dns::Exchange scratch_;
};

}  // namespace clusterdns::conversation
