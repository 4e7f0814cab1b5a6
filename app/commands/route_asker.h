// A configuration that is asked without being served: nothing is listened on.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "app/corefile/ast.h"
#include "app/directives/directive.h"
#include "app/explain/explain.h"
#include "app/views/asking.h"
#include "dns/server/configuration.h"

namespace clusterdns::app {

// The stages of a Corefile, and what they answer from. One thread's.
class OfflineServer final : public Asker {
 public:
  // Reads manifests and files. Throws ConfigError, also when the Kubernetes API is a source: nobody
  // waits for it here.
  explicit OfflineServer(const Corefile& corefile);
  ~OfflineServer() override;

  // Whose questions the following are. An address, which was checked.
  void set_client(const std::string& address);
  // The client's resolver searches, not ours.
  void without_search() { search_ = false; }

  ExplainedAnswer ask(const dns::Name& name, dns::RRType type) override;
  std::optional<ExplainedAnswer> ask_outside(const dns::Name& name, dns::RRType type) override;
  std::vector<dns::Name> search_list(const dns::Name& name) override;

  [[nodiscard]] std::vector<ExplainedCluster> clusters() const;
  [[nodiscard]] const Environment& environment() const noexcept { return environment_; }

 private:
  struct Channel;

  ExplainedAnswer ask(const dns::ListenerRoutes& routes, const dns::Name& name, dns::RRType type);
  // The routes without these stages.
  [[nodiscard]] dns::ListenerRoutes without(const std::vector<std::string_view>& stages) const;
  [[nodiscard]] const dns::Route* route(const dns::Name& name) const;

  boost::asio::io_context io_{1};
  dns::ReclaimDomain reclaim_{1};
  std::shared_ptr<AnswerWatch> watcher_;
  dns::WorkerContext worker_;
  Environment environment_;
  dns::Configuration configuration_;
  std::vector<std::shared_ptr<dns::Stage>> attached_;
  std::unique_ptr<dns::Exchange> exchange_;
  std::optional<std::vector<std::uint8_t>> later_;  // a deferred answer
  bool search_ = true;
};

}  // namespace clusterdns::app
