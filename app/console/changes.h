// What changes in a cluster, told object by object.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "registry/gateways/checks.h"
#include "registry/ip_address.h"
#include "registry/store.h"

namespace clusterdns::app {

// Words of one change; what is beyond is counted.
inline constexpr std::size_t kConsoleChangeWords = 64;

// Remembers what a store held, and says after each commit what is different. It costs memory in
// proportion to the store: it is there while somebody listens. Control thread.
class ChangeFeed final : public registry::StoreObserver {
 public:
  // {"kind", "namespace", "name", "change", "what"}
  using Tell = std::function<void(boost::json::object)>;

  // `store` outlives this.
  ChangeFeed(registry::Store& store, Tell tell);
  ~ChangeFeed() override;
  void on_commit(const Changes& changes) override;

 private:
  using Fields = std::map<std::string, std::string>;
  using Endpoints = std::vector<std::pair<registry::IpAddress, bool>>;  // sorted; whether ready

  static Fields fields_of(const registry::Service& service);
  [[nodiscard]] Endpoints endpoints_of(const registry::ObjectKey& service) const;
  void look_at(const registry::ObjectKey& service);
  void look_at_gateways();
  void tell(const std::string& kind, const registry::ObjectKey& key, const char* change,
            std::vector<std::string> what);

  registry::Store& store_;
  const Tell tell_;
  std::map<registry::ObjectKey, Fields> services_;
  std::map<registry::ObjectKey, Endpoints> endpoints_;
  std::map<registry::gateways::ObjectSet::Key, std::uint64_t> gateways_;
};

}  // namespace clusterdns::app
