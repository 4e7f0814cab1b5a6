// What kube-controller-manager would do with one namespace: make pods of workloads, and
// EndpointSlices of Services with a selector. Pure functions: no I/O, no clock, no randomness; the
// same manifests always give the same result.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "registry/manifests/objects.h"
#include "registry/model.h"

namespace clusterdns::registry {

// Pods that are made of one workload: nobody looks at more in a folder of manifests, and `replicas`
// is quickly written.
inline constexpr std::uint32_t kMaxWorkloadPods = 1'000;
// Pods that all workloads together are made into: some 1,400 octets each.
inline constexpr std::size_t kMaxMadePods = 50'000;
// Endpoints that are made of selectors, in all: Services times pods, of which a file may have many.
inline constexpr std::size_t kMaxMadeEndpoints = 200'000;

// What the selectors of one namespace may cost in all, those of Services and of workloads each:
// pods that they choose, and kinds of pods that they are compared with.
inline constexpr std::size_t kMaxSelected = 4'000'000;
// Ports of the slices of one Service, of each family. Pods whose named ports have other numbers
// need slices of their own.
inline constexpr std::size_t kMaxSlicePorts = 100'000;

// A pod that a cluster would run.
struct PlannedPod {
  Pod object;  // `ips` is empty until someone allocates them
  const PodSpec* spec = nullptr;
  std::string hostname;
  std::string subdomain;
  bool ready = true;
  bool terminating = false;
  bool lost = false;  // its node does not say how it is
  // Order among the pods of a Service: by name, but db-2 before db-10, and the pods of one workload
  // together.
  std::string order_name;
  std::uint32_t ordinal = 0;
};

// Of kMaxMadePods.
struct PodBudget {
  std::size_t left = kMaxMadePods;
  bool exceeded = false;  // more were wanted
};

// The pods of one namespace, ordered by (order_name, ordinal, name): those listed, and those that
// the workloads make. The result points into the manifests.
//  - A Pod counts for a workload when its ownerReference says so, when it has the name that the
//    workload's own pod would have, or when it has no owner and the selector of a ReplicaSet,
//    DaemonSet or ReplicationController matches (adoption); only the missing ones are made.
//  - A Deployment whose ReplicaSets are listed leaves the pods to these.
//  - Adoption ends where it costs more than kMaxSelected.
//  - Pods that ended (Succeeded, Failed) are not in the result.
//  - A workload makes kMaxWorkloadPods pods at most, all of them what is left of `budget` (null: a
//    fresh one).
[[nodiscard]] std::vector<PlannedPod> plan_pods(
    const std::vector<const PodManifest*>& pods,
    const std::vector<const WorkloadManifest*>& workloads, PodBudget* budget = nullptr);

// The IP families of a Service in order, by its policy, ipFamilies and explicit cluster IPs, in a
// cluster of these families (the first is the primary one). A family that the cluster lacks can be
// in the result when the manifest insists. `problem` is set when the API server would refuse it.
[[nodiscard]] std::vector<IpFamily> service_families(const ServiceManifest& service,
                                                     const std::vector<IpFamily>& cluster,
                                                     std::string& problem);

// Finds what a selector chooses: objects with the same labels are looked at once, and of all others
// as few as can be.
class LabelIndex {
 public:
  // The next object, by number from 0. `labels` must be sorted, outlive the index and stay as they
  // are.
  void add(const Labels& labels);
  // In order. An empty selector chooses none. nullopt: all calls together would cost more than
  // kMaxSelected.
  [[nodiscard]] std::optional<std::vector<std::uint32_t>> select(const Labels& selector);

 private:
  struct Class {
    const Labels* labels;
    std::vector<std::uint32_t> members;
  };
  bool afford(std::size_t more) noexcept;

  std::unordered_map<std::string, std::uint32_t> by_text_;                // all labels -> class
  std::unordered_map<std::string, std::vector<std::uint32_t>> by_label_;  // "key=value" -> classes
  std::vector<Class> classes_;
  std::uint32_t size_ = 0;
  std::size_t spent_ = 0;
};

// Finds the pods that a selector chooses.
class PodIndex {
 public:
  // `pods` must outlive the index and stay as it is.
  explicit PodIndex(const std::vector<PlannedPod>& pods);
  // In the order of `pods`. See LabelIndex::select().
  [[nodiscard]] std::optional<std::vector<const PlannedPod*>> select(const Labels& selector);
  // Values that pods have for a label, each once; `most` of them.
  [[nodiscard]] std::vector<std::string_view> values_of(std::string_view key,
                                                        std::size_t most) const;

 private:
  const std::vector<PlannedPod>& pods_;
  LabelIndex index_;
};

struct SliceOptions {
  bool keep_target_names = true;  // see ReadOptions
};

// The slices of a Service for the pods it selects: one for each family and each distinct set of
// resolved target ports. `taken` tells names of slices that are someone else's. `left_out` (may be
// null) is raised by the endpoints for which kMaxSlicePorts leaves no room.
[[nodiscard]] std::vector<EndpointSlice> make_slices(
    const Service& service, const std::vector<IpFamily>& families,
    const std::vector<const PlannedPod*>& pods,
    const std::function<bool(const std::string& name)>& taken, const SliceOptions& options = {},
    std::size_t* left_out = nullptr);

}  // namespace clusterdns::registry
