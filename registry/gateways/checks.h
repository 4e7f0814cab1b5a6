// What is wrong with the objects behind hosts and Services, and what to do.
//
// Pure functions of the store, in time proportional to it. `explain` shows what concerns one name,
// `check` all of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "registry/gateways/addresses.h"
#include "registry/gateways/plan.h"
#include "registry/store.h"

namespace clusterdns::registry::gateways {

enum class Severity : std::uint8_t { Error, Warning, Info };
[[nodiscard]] const char* to_string(Severity severity) noexcept;

// An object as messages name it. Of a code about a name without an object: kind `Name`.
struct ObjectName {
  std::string kind;
  ObjectKey key;
  std::string group{};  // of objects of gateways: two groups have a Gateway
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
};
[[nodiscard]] ObjectName name_of(const Object& object);

struct Finding {
  std::string code;  // of the closed list in docs/gateways.md
  Severity severity = Severity::Error;
  ObjectName object;
  std::string text;  // what is wrong
  std::string fix;   // what to do
  std::string host;  // which host it is about; empty: the whole object
};

struct CheckSettings {
  PlanOptions plan;
  std::vector<IpAddress> ingress;
  bool gateways = true;  // false: Services only
};

// Pods by their labels, and Services by their names: what the checks and `explain` look up.
class ClusterIndex {
 public:
  explicit ClusterIndex(const Store& store);

  // Pods of a namespace that have all these labels, in order; none for no labels.
  [[nodiscard]] std::vector<const Pod*> pods(const std::string& ns, const Labels& labels) const;
  [[nodiscard]] const std::vector<const Pod*>& pods_of(const std::string& ns) const;
  // Namespaces that have a Service of that name, in order.
  [[nodiscard]] std::vector<std::string> namespaces_with(const std::string& service) const;
  // Names of the Services of a namespace.
  [[nodiscard]] std::span<const std::string_view> services_of(const std::string& ns) const;
  [[nodiscard]] std::vector<std::string_view> service_names() const;  // of all namespaces
  [[nodiscard]] std::vector<std::string_view> namespaces() const;
  // Ready endpoints of a Service, and all.
  struct Endpoints {
    std::size_t ready = 0, all = 0;
  };
  [[nodiscard]] Endpoints endpoints(const ObjectKey& service) const;
  // Whether a pod is ready, as far as anybody says.
  [[nodiscard]] static bool is_ready(const Pod& pod) { return !pod.detail || pod.detail->ready; }

 private:
  const Store& store_;
  std::unordered_map<std::string, std::vector<const Pod*>> pods_;      // by namespace
  std::unordered_map<std::string, std::vector<const Pod*>> by_label_;  // by "ns key=value"
  std::map<std::string, std::vector<std::string>> by_name_;            // Services' namespaces
  std::map<std::string, std::vector<std::string_view>> by_namespace_;  // Services' names
};

// The DestinationRules for a host, and the subset of that name among them.
class RuleIndex {
 public:
  RuleIndex(const Store& store, const std::string& zone);
  [[nodiscard]] std::vector<const DestinationRule*> rules_for(const std::string& host) const;
  [[nodiscard]] static const Subset* find(const std::vector<const DestinationRule*>& rules,
                                          const std::string& subset);

 private:
  std::map<std::string, std::vector<const DestinationRule*>> exact_, wildcard_;  // by base
};

// Whether `host` is registered with the mesh: a Service, or a ServiceEntry's host.
struct Registered {
  const Service* service = nullptr;
  const ServiceEntry* entry = nullptr;
  explicit operator bool() const noexcept { return service != nullptr || entry != nullptr; }
};
class HostRegistry {
 public:
  HostRegistry(const Store& store, std::string zone);
  [[nodiscard]] Registered find(const std::string& host) const;

 private:
  const Store& store_;
  std::string zone_;
  std::map<std::string, const ServiceEntry*> exact_, wildcard_;  // wildcards by base
};

// The pods that a subset stands for: those of the Service that have its labels.
[[nodiscard]] std::vector<const Pod*> subset_pods(const ClusterIndex& index, const Service& service,
                                                  const Subset& subset);

// What a check may take, for a cluster whose objects anybody may have written.
struct CheckBounds {
  std::size_t octets = static_cast<std::size_t>(-1);  // of all findings
  std::function<bool()> stop = {};                    // asked now and then; empty: never
  bool reached = false;                               // set where one was: the rest is not told
};
// Octets that it takes, more or less.
[[nodiscard]] std::size_t octets_of(const Finding& finding) noexcept;

// Everything that is wrong, in a stable order: by kind, namespace and name. `bounds` null: there
// are none.
[[nodiscard]] std::vector<Finding> check(const Store& store, const CheckSettings& settings,
                                         CheckBounds* bounds = nullptr);
// What is wrong with one Service, apart from who routes to it.
[[nodiscard]] std::vector<Finding> check_service(const Store& store, const ClusterIndex& index,
                                                 const Service& service, bool is_routed,
                                                 const std::string& zone);

// "; there is one in 'a' and 'b'", or "did you mean …?" for a Service that is not there; without an
// end.
[[nodiscard]] std::string where_else(const ClusterIndex& index, const ObjectKey& service);

}  // namespace clusterdns::registry::gateways
