// What kube-controller-manager would do with one namespace: make pods of workloads, and
// EndpointSlices of Services with a selector. Pure functions: no I/O, no clock, no randomness; the
// same manifests always give the same result.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "registry/manifests/objects.h"
#include "registry/model.h"

namespace clusterdns::registry {

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

// The pods of one namespace, ordered by (order_name, ordinal, name): those listed, and those that
// the workloads make. The result points into the manifests.
//  - A Pod counts for a workload when its ownerReference says so, when it has the name that the
//    workload's own pod would have, or when it has no owner and the selector of a ReplicaSet or
//    DaemonSet matches (adoption); a Deployment or ReplicaSet makes the missing ones only.
//  - A Deployment whose ReplicaSets are listed leaves the pods to these.
//  - Pods that ended (Succeeded, Failed) are not in the result.
[[nodiscard]] std::vector<PlannedPod> plan_pods(
    const std::vector<const PodManifest*>& pods,
    const std::vector<const WorkloadManifest*>& workloads);

// The IP families of a Service in order, by its policy, ipFamilies and explicit cluster IPs, in a
// cluster of these families (the first is the primary one). A family that the cluster lacks can be
// in the result when the manifest insists. `problem` is set when the API server would refuse it.
[[nodiscard]] std::vector<IpFamily> service_families(const ServiceManifest& service,
                                                     const std::vector<IpFamily>& cluster,
                                                     std::string& problem);

// Finds the pods that a selector chooses without looking at all of them.
class PodIndex {
 public:
  // `pods` must outlive the index and stay as it is.
  explicit PodIndex(const std::vector<PlannedPod>& pods);
  // In the order of `pods`. An empty selector chooses none.
  [[nodiscard]] std::vector<const PlannedPod*> select(const Labels& selector) const;

 private:
  const std::vector<PlannedPod>& pods_;
  std::unordered_map<std::string, std::vector<std::uint32_t>> by_label_;  // "key=value" -> pods
};

struct SliceOptions {
  bool keep_target_names = true;  // see ReadOptions
};

// The slices of a Service for the pods it selects: one for each family and each distinct set of
// resolved target ports. `taken` tells names of slices that are someone else's.
[[nodiscard]] std::vector<EndpointSlice> make_slices(
    const Service& service, const std::vector<IpFamily>& families,
    const std::vector<const PlannedPod*>& pods,
    const std::function<bool(const std::string& name)>& taken, const SliceOptions& options = {});

}  // namespace clusterdns::registry
