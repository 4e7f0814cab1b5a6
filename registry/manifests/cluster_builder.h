// From manifests to the registry: duplicates, namespaces, addresses, pods, slices.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "registry/ip_address.h"
#include "registry/manifests/allocator.h"
#include "registry/manifests/controllers.h"
#include "registry/manifests/loaded_file.h"
#include "registry/manifests/objects.h"
#include "registry/store.h"

namespace clusterdns::registry {

struct ClusterOptions {
  // Each list in order of preference; the family of the first service CIDR is the primary one.
  std::vector<Cidr> service_cidrs = default_service_cidrs();
  std::vector<Cidr> pod_cidrs = default_pod_cidrs();
  std::vector<IpAddress> node_ips = default_node_ips();
  bool keep_target_names = true;  // see ReadOptions
  // Warn of headless Services whose selectors choose no pod, and of named target ports that no
  // selected pod has.
  bool note_no_pods = true;
  friend bool operator==(const ClusterOptions&, const ClusterOptions&) = default;
};

// Keeps in the Store what the manifests, taken together, describe. Touches only objects that it put
// there itself. Not thread-safe.
class ClusterBuilder {
 public:
  ClusterBuilder(ClusterOptions options, Store& store);

  // Brings the namespaces in `touched` up to date with `files` (in order of precedence); the others
  // are taken to be as they were. Does not commit. Where nothing is added to an object of the
  // files, the store shares it.
  void apply(const std::vector<LoadedFile>& files, std::unordered_set<std::string> touched,
             std::vector<Problem>& problems);

 private:
  // What this builder has put into the store for one namespace: objects by name, all sorted.
  struct Published {
    std::vector<std::shared_ptr<const Service>> services;
    std::vector<std::shared_ptr<const EndpointSlice>> slices;
    std::vector<std::string> pods;
    std::vector<std::pair<const Kind*, std::string>> others;  // of kinds that have a row
    // Addresses given out here, as opposed to those the manifests name.
    std::vector<IpAddress> cluster_ips;
    std::vector<IpAddress> pod_ips;
    // Made of workloads, and of selectors.
    std::size_t made_pods = 0;
    std::size_t made_endpoints = 0;
    // What was told when it was built last, and is not told again while it stays so.
    std::set<std::string> told;
  };
  struct ObjectRef;
  struct NamespaceInput;
  class Pass;

  ClusterOptions options_;
  Store& store_;
  std::map<std::string, Published> published_;
};

}  // namespace clusterdns::registry
