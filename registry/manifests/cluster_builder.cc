#include "registry/manifests/cluster_builder.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace clusterdns::registry {
namespace {

template <typename Manifest>
Manifest* body_as(ManifestObject& object) {
  return std::get_if<Manifest>(&object.body);
}

// The namespace an object makes exist, or is; empty when there is none.
const std::string& namespace_of(const ManifestBody& body) {
  const ObjectKey& key = key_of(body);
  return std::holds_alternative<NamespaceManifest>(body) ? key.name : key.ns;
}

template <typename Value>
bool contains_sorted(const std::vector<Value>& values, const Value& value) {
  return std::binary_search(values.begin(), values.end(), value);
}

template <typename Value>
void sort_and_trim(std::vector<Value>& values) {
  std::sort(values.begin(), values.end());
  values.shrink_to_fit();
}

const EndpointSlice* stored_slice(const Store& store, const EndpointSlice& wanted) {
  for (const EndpointSlice* slice : store.slices({wanted.key.ns, wanted.service})) {
    if (slice->key.name == wanted.key.name) return slice;
  }
  return nullptr;
}

// Of the addresses given out before, those that nothing else has claimed since; they are taken now.
void keep_free(const std::vector<IpAddress>& given_out, AddressPools& pools,
               std::vector<IpAddress>& kept) {
  for (const IpAddress& address : given_out) {
    if (pools.take(address)) kept.push_back(address);
  }
}

}  // namespace

struct ClusterBuilder::ObjectRef {
  const LoadedFile* file;
  ManifestObject* object;

  std::string place() const {
    return file->path + ':' + std::to_string(object->mark.line) + ':' +
           std::to_string(object->mark.column);
  }
};

// The objects of one namespace that count: of duplicates the first.
struct ClusterBuilder::NamespaceInput {
  NamespaceManifest* manifest = nullptr;
  std::vector<std::pair<ServiceManifest*, ObjectRef>> services;
  std::vector<EndpointsManifest*> endpoints;
  std::vector<EndpointSliceManifest*> slices;
  std::vector<const PodManifest*> pods;
  std::vector<const WorkloadManifest*> workloads;
};

// One run of apply().
class ClusterBuilder::Pass {
 public:
  Pass(ClusterBuilder& builder, std::vector<LoadedFile>& files,
       std::unordered_set<std::string>& touched, std::vector<Diagnostic>& diagnostics)
      : options_(builder.options_),
        store_(builder.store_),
        published_(builder.published_),
        files_(files),
        touched_(touched),
        diagnostics_(diagnostics),
        service_pools_(options_.service_cidrs, PoolKind::Services),
        pod_pools_(options_.pod_cidrs, PoolKind::Pods) {}

  // False when an untouched namespace turned out to hold an address that a manifest now names: it
  // has been added to the touched ones, and a new pass is needed.
  bool reserve() {
    for (LoadedFile& file : files_) {
      for (ManifestObject& object : file.objects) reserve_explicit(object);
    }
    bool settled = true;
    for (const auto& [ns, published] : published_) {
      if (touched_.contains(ns)) continue;
      if (!reserve_given_out(published)) {
        touched_.insert(ns);
        settled = false;
      }
    }
    return settled;
  }

  void build() {
    gather();
    for (const std::string& ns : touched_) {
      const auto published = published_.find(ns);
      if (published == published_.end()) continue;
      keep_free(published->second.cluster_ips, service_pools_, kept_cluster_ips_);
      keep_free(published->second.pod_ips, pod_pools_, kept_pod_ips_);
    }
    std::sort(kept_cluster_ips_.begin(), kept_cluster_ips_.end());
    std::sort(kept_pod_ips_.begin(), kept_pod_ips_.end());
    for (auto& [ns, input] : inputs_) build_namespace(ns, input);
    for (const std::string& ns : touched_) {
      if (!inputs_.contains(ns)) forget_namespace(ns);
    }
    if (pods_without_address_ > 0) {
      error(std::to_string(pods_without_address_) +
            " pods have no address: no address of the pod CIDRs is left; configure larger ones");
    }
  }

 private:
  void error(std::string text) {
    diagnostics_.push_back({Diagnostic::Severity::Error, std::move(text)});
  }
  void warn(std::string text) {
    diagnostics_.push_back({Diagnostic::Severity::Warning, std::move(text)});
  }

  // --- addresses that are spoken for ---

  void reserve_slice(const EndpointSlice& slice) {
    for (const Endpoint& endpoint : slice.endpoints) pod_pools_.take(endpoint.address);
  }

  void reserve_explicit(ManifestObject& object) {
    if (const auto* service = body_as<ServiceManifest>(object)) {
      for (const IpAddress& address : service->object.cluster_ips) service_pools_.take(address);
    } else if (const auto* pod = body_as<PodManifest>(object)) {
      for (const IpAddress& address : pod->object.ips) pod_pools_.take(address);
    } else if (const auto* endpoints = body_as<EndpointsManifest>(object)) {
      for (const EndpointSlice& subset : endpoints->subsets) reserve_slice(subset);
    } else if (const auto* slice = body_as<EndpointSliceManifest>(object)) {
      if (!slice->in_store) {
        reserve_slice(slice->object);
      } else if (const EndpointSlice* stored = stored_slice(store_, slice->object)) {
        reserve_slice(*stored);
      }
    }
  }

  bool reserve_given_out(const Published& published) {
    bool free = true;
    for (const IpAddress& address : published.cluster_ips) free &= service_pools_.take(address);
    for (const IpAddress& address : published.pod_ips) free &= pod_pools_.take(address);
    return free;
  }

  // --- who counts ---

  void gather() {
    for (LoadedFile& file : files_) {
      for (ManifestObject& object : file.objects) {
        const std::string& ns = namespace_of(object.body);
        if (!ns.empty() && touched_.contains(ns)) add(ns, {&file, &object});
      }
    }
    seen_ = {};
    for (auto& [ns, input] : inputs_) {
      // The order of files must not show in names and addresses.
      const auto by_key = [](const auto* a, const auto* b) { return a->key < b->key; };
      std::sort(input.services.begin(), input.services.end(), [](const auto& a, const auto& b) {
        return a.first->object.key < b.first->object.key;
      });
      std::sort(input.endpoints.begin(), input.endpoints.end(), by_key);
      std::sort(input.pods.begin(), input.pods.end(), [](const auto* a, const auto* b) {
        return a->object.key < b->object.key;
      });
      std::sort(input.workloads.begin(), input.workloads.end(), [](const auto* a, const auto* b) {
        return std::tie(a->kind, a->key) < std::tie(b->kind, b->key);
      });
    }
  }

  void add(const std::string& ns, const ObjectRef& ref) {
    NamespaceInput& input = inputs_[ns];
    ManifestObject& object = *ref.object;
    if (std::holds_alternative<OtherObject>(object.body)) return;
    const std::string name = describe(kind_of(object.body), key_of(object.body));
    const auto [first, is_new] = seen_.try_emplace(name, ref);
    if (!is_new) {
      error(ref.place() + ": " + name + " is already defined at " + first->second.place() +
            "; this one is ignored, remove one of them");
      take_back(object);
      return;
    }
    if (auto* manifest = body_as<NamespaceManifest>(object)) {
      input.manifest = manifest;
    } else if (auto* service = body_as<ServiceManifest>(object)) {
      input.services.emplace_back(service, ref);
    } else if (auto* endpoints = body_as<EndpointsManifest>(object)) {
      input.endpoints.push_back(endpoints);
    } else if (auto* slice = body_as<EndpointSliceManifest>(object)) {
      input.slices.push_back(slice);
    } else if (const auto* pod = body_as<PodManifest>(object)) {
      input.pods.push_back(pod);
    } else if (const auto* workload = body_as<WorkloadManifest>(object)) {
      input.workloads.push_back(workload);
    }
  }

  // A slice that counted until now, but no longer does, needs its content again for the day when it
  // does once more.
  void take_back(ManifestObject& object) {
    auto* slice = body_as<EndpointSliceManifest>(object);
    if (slice == nullptr || !slice->in_store) return;
    if (const EndpointSlice* stored = stored_slice(store_, slice->object)) slice->object = *stored;
    slice->in_store = false;
  }

  // --- one namespace ---

  void build_namespace(const std::string& ns, NamespaceInput& input) {
    Published now;
    Published before = std::move(published_[ns]);
    Namespace object{ns, {}};
    if (input.manifest != nullptr) {
      object.labels = input.manifest->labels;
    } else {
      object.labels = {{kNamespaceNameLabel, ns}};
    }
    store_.upsert(std::move(object));

    std::vector<PlannedPod> pods = plan_pods(input.pods, input.workloads);
    for (PlannedPod& pod : pods) give_pod_addresses(pod, before, now);
    const PodIndex index(pods);

    std::set<std::string> slice_names;
    std::set<std::string> sliced_services;
    publish_explicit_slices(input, slice_names, sliced_services);
    for (const auto& [service, ref] : input.services) {
      publish_service(*service, ref, index, before, now, slice_names, sliced_services);
    }
    for (const PlannedPod& pod : pods) {
      if (pod.object.ips.empty()) continue;  // nothing can find it
      now.pods.push_back(pod.object.key.name);
      store_.upsert(pod.object);
    }
    now.slices.assign(slice_names.begin(), slice_names.end());
    sort_and_trim(now.services);
    sort_and_trim(now.pods);
    sort_and_trim(now.cluster_ips);
    sort_and_trim(now.pod_ips);
    erase_missing(ns, before, now);
    published_[ns] = std::move(now);
  }

  void give_pod_addresses(PlannedPod& pod, const Published& before, Published& now) {
    if (!pod.object.ips.empty()) return;
    if (pod.spec->host_network) {
      pod.object.ips = options_.node_ips;
      return;
    }
    const Pod* previous =
        contains_sorted(before.pods, pod.object.key.name) ? store_.pod(pod.object.key) : nullptr;
    const std::vector<IpAddress> none;
    for (const IpFamily family : pod_pools_.families()) {
      const auto address = give(pod.object.key, family, previous ? previous->ips : none,
                                kept_pod_ips_, pod_pools_);
      if (!address) continue;
      pod.object.ips.push_back(*address);
      now.pod_ips.push_back(*address);
    }
    if (pod.object.ips.empty()) ++pods_without_address_;
  }

  // What the object had before, when that was given out here and is still free; else a new one.
  static std::optional<IpAddress> give(const ObjectKey& key, IpFamily family,
                                       const std::vector<IpAddress>& previous,
                                       const std::vector<IpAddress>& kept, AddressPools& pools) {
    for (const IpAddress& address : previous) {
      if (address.family == family && contains_sorted(kept, address)) return address;
    }
    return pools.allocate(key, family);
  }

  void publish_explicit_slices(NamespaceInput& input, std::set<std::string>& names,
                               std::set<std::string>& services) {
    for (EndpointSliceManifest* slice : input.slices) {
      if (slice->object.service.empty()) continue;
      names.insert(slice->object.key.name);
      services.insert(slice->object.service);
      if (slice->in_store) continue;
      EndpointSlice content = std::move(slice->object);
      slice->object = {content.key, content.service, {}, {}};
      slice->in_store = true;
      store_.upsert(std::move(content));
    }
    std::vector<std::string> by_endpoints;
    for (const EndpointsManifest* endpoints : input.endpoints) {
      // Of the two forms of the same thing, the slices are what DNS servers read.
      if (services.contains(endpoints->key.name)) continue;
      by_endpoints.push_back(endpoints->key.name);
      for (EndpointSlice slice : endpoints->subsets) {
        while (!names.insert(slice.key.name).second) slice.key.name += "-x";
        store_.upsert(std::move(slice));
      }
    }
    services.insert(by_endpoints.begin(), by_endpoints.end());
  }

  void publish_service(const ServiceManifest& manifest, const ObjectRef& ref,
                       const PodIndex& index, const Published& before, Published& now,
                       std::set<std::string>& slice_names,
                       const std::set<std::string>& sliced_services) {
    Service service = manifest.object;
    std::string problem;
    const std::vector<IpFamily> families =
        service_families(manifest, service_pools_.families(), problem);
    if (!problem.empty()) {
      error(ref.place() + ": " + describe("Service", service.key) + ": " + problem +
            "; it gets the families there are");
    }
    note_shared_cluster_ips(service, ref);
    if (!service.headless && service.type != ServiceType::ExternalName) {
      give_cluster_ips(service, families, ref, before, now);
    }
    now.services.push_back(service.key.name);
    if (service.type != ServiceType::ExternalName && !service.selector.empty() &&
        !sliced_services.contains(service.key.name)) {
      const auto taken = [&](const std::string& name) { return slice_names.contains(name); };
      for (EndpointSlice& slice : make_slices(service, families, index.select(service.selector),
                                              taken, {options_.keep_target_names})) {
        slice_names.insert(slice.key.name);
        store_.upsert(std::move(slice));
      }
    }
    store_.upsert(std::move(service));
  }

  void note_shared_cluster_ips(const Service& service, const ObjectRef& ref) {
    for (const IpAddress& address : service.cluster_ips) {
      const auto [first, is_new] = explicit_cluster_ips_.try_emplace(address, ref);
      if (is_new) continue;
      warn(ref.place() + ": " + describe("Service", service.key) + ": cluster IP " +
           address.to_string() + " is also that of the Service at " + first->second.place() +
           "; a cluster would refuse the second");
    }
  }

  void give_cluster_ips(Service& service, const std::vector<IpFamily>& families,
                        const ObjectRef& ref, const Published& before, Published& now) {
    const Service* previous =
        contains_sorted(before.services, service.key.name) ? store_.service(service.key) : nullptr;
    const std::vector<IpAddress> none;
    std::vector<IpAddress> result;
    for (const IpFamily family : families) {
      const auto named =
          std::find_if(service.cluster_ips.begin(), service.cluster_ips.end(),
                       [&](const IpAddress& address) { return address.family == family; });
      if (named != service.cluster_ips.end()) {
        result.push_back(*named);
        continue;
      }
      const auto address = give(service.key, family, previous ? previous->cluster_ips : none,
                                kept_cluster_ips_, service_pools_);
      if (!address) {
        error(ref.place() + ": " + describe("Service", service.key) + ": no free IPv" +
              (family == IpFamily::V4 ? "4" : "6") +
              " cluster IP; configure a (larger) service CIDR of that family, or write clusterIP");
        continue;
      }
      result.push_back(*address);
      now.cluster_ips.push_back(*address);
    }
    service.cluster_ips = std::move(result);
  }

  void erase_missing(const std::string& ns, const Published& before, const Published& now) {
    for (const std::string& name : before.services) {
      if (!contains_sorted(now.services, name)) store_.erase_service({ns, name});
    }
    for (const std::string& name : before.slices) {
      if (!contains_sorted(now.slices, name)) store_.erase_slice({ns, name});
    }
    for (const std::string& name : before.pods) {
      if (!contains_sorted(now.pods, name)) store_.erase_pod({ns, name});
    }
  }

  void forget_namespace(const std::string& ns) {
    const auto published = published_.find(ns);
    if (published == published_.end()) return;
    erase_missing(ns, published->second, {});
    store_.erase_namespace(ns);
    published_.erase(published);
  }

  const ClusterOptions& options_;
  Store& store_;
  std::map<std::string, Published>& published_;
  std::vector<LoadedFile>& files_;
  std::unordered_set<std::string>& touched_;
  std::vector<Diagnostic>& diagnostics_;

  AddressPools service_pools_;
  AddressPools pod_pools_;
  std::vector<IpAddress> kept_cluster_ips_;  // sorted
  std::vector<IpAddress> kept_pod_ips_;      // sorted
  std::map<std::string, NamespaceInput> inputs_;
  std::unordered_map<std::string, ObjectRef> seen_;  // "kind ns/name" -> the first
  std::map<IpAddress, ObjectRef> explicit_cluster_ips_;
  std::size_t pods_without_address_ = 0;
};

ClusterBuilder::ClusterBuilder(ClusterOptions options, Store& store)
    : options_(std::move(options)), store_(store) {}

void ClusterBuilder::apply(std::vector<LoadedFile>& files,
                           std::unordered_set<std::string> touched,
                           std::vector<Diagnostic>& diagnostics) {
  // Each pass that does not settle adds a namespace, so this ends.
  for (;;) {
    Pass pass(*this, files, touched, diagnostics);
    if (!pass.reserve()) continue;
    pass.build();
    return;
  }
}

}  // namespace clusterdns::registry
