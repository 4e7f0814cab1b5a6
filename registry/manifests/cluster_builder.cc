#include "registry/manifests/cluster_builder.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "registry/members.h"
#include "registry/near_word.h"
#include "registry/shown_text.h"

namespace clusterdns::registry {
namespace {

// Names and values that are compared with one that nobody has.
constexpr std::size_t kMaxCompared = 100;
// Headless Services without pods of one namespace that are told one by one.
constexpr std::size_t kMaxWithoutPods = 20;

template <typename Value>
bool contains_sorted(const std::vector<Value>& values, const Value& value) {
  return std::binary_search(values.begin(), values.end(), value);
}

template <typename Value>
void sort_and_trim(std::vector<Value>& values) {
  std::sort(values.begin(), values.end());
  values.shrink_to_fit();
}

template <typename Object>
bool name_less(const std::shared_ptr<const Object>& object, const std::string& name) {
  return object->key.name < name;
}

// Is an object of that name among these?
template <typename Object>
bool contains_name(const std::vector<std::shared_ptr<const Object>>& objects,
                   const std::string& name) {
  const auto at = std::lower_bound(objects.begin(), objects.end(), name, name_less<Object>);
  return at != objects.end() && (*at)->key.name == name;
}

template <typename Object>
void sort_by_name_and_trim(std::vector<std::shared_ptr<const Object>>& objects) {
  std::sort(objects.begin(), objects.end(),
            [](const auto& a, const auto& b) { return a->key.name < b->key.name; });
  objects.shrink_to_fit();
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
  const ManifestObject* object;

  Problem problem(Problem::Severity severity, std::string text) const {
    return {severity, file->path, object->mark.line, object->mark.column, std::move(text)};
  }

  std::string place() const {
    return file->path + ':' + std::to_string(object->mark.line) + ':' +
           std::to_string(object->mark.column);
  }
};

// The objects of one namespace that count: of duplicates the first.
struct ClusterBuilder::NamespaceInput {
  const NamespaceManifest* manifest = nullptr;
  std::vector<std::pair<std::shared_ptr<const ServiceManifest>, ObjectRef>> services;
  std::vector<const EndpointsManifest*> endpoints;
  std::vector<std::shared_ptr<const EndpointSliceManifest>> slices;
  std::vector<ObjectRef> owned;  // endpoints and slices
  std::vector<const PodManifest*> pods;
  std::vector<const WorkloadManifest*> workloads;
  std::vector<const KindManifest*> others;
};

// One run of apply().
class ClusterBuilder::Pass {
 public:
  Pass(ClusterBuilder& builder, const std::vector<LoadedFile>& files,
       std::unordered_set<std::string>& touched, std::vector<Problem>& problems)
      : options_(builder.options_),
        store_(builder.store_),
        published_(builder.published_),
        files_(files),
        touched_(touched),
        problems_(problems),
        service_pools_(options_.service_cidrs, PoolKind::Services),
        pod_pools_(options_.pod_cidrs, PoolKind::Pods) {}

  // False when an untouched namespace turned out to hold an address that a manifest now names: it
  // has been added to the touched ones, and a new pass is needed.
  bool reserve() {
    for (const LoadedFile& file : files_) {
      for (const ManifestObject& object : file.objects) reserve_explicit(object.body);
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
    for (const auto& [ns, published] : published_) {
      if (touched_.contains(ns)) continue;
      pod_budget_.left -= std::min(pod_budget_.left, published.made_pods);
      endpoints_left_ -= std::min(endpoints_left_, published.made_endpoints);
    }
    for (auto& [ns, input] : inputs_) build_namespace(ns, input);
    for (const std::string& ns : touched_) {
      if (!inputs_.contains(ns)) forget_namespace(ns);
    }
    tell();
    if (pods_without_address_ > 0) {
      problems_.push_back(
          {Problem::Severity::Error, "", 0, 0,
           std::to_string(pods_without_address_) +
               " pods have no address: the pod CIDRs are used up; configure larger ones"});
    }
  }

 private:
  void error(const ObjectRef& ref, std::string text) {
    found_[namespace_of(ref.object->body)].push_back(
        ref.problem(Problem::Severity::Error, std::move(text)));
  }
  void warn(const ObjectRef& ref, std::string text) {
    found_[namespace_of(ref.object->body)].push_back(
        ref.problem(Problem::Severity::Warning, std::move(text)));
  }

  // A namespace is built anew whenever something in it changes; what is the matter with the rest of
  // it has been told.
  void tell() {
    for (const std::string& ns : touched_) {
      const auto published = published_.find(ns);
      std::set<std::string> told;
      if (published != published_.end()) told = std::exchange(published->second.told, {});
      for (Problem& problem : found_[ns]) {
        std::string key = problem.file + '\n' + problem.text;
        const bool known = told.contains(key);
        if (published != published_.end()) published->second.told.insert(std::move(key));
        if (!known) problems_.push_back(std::move(problem));
      }
    }
  }

  // --- addresses that are spoken for ---

  void reserve_slice(const EndpointSlice& slice) {
    for (const Endpoint& endpoint : slice.endpoints) pod_pools_.take(endpoint.address);
  }

  void reserve_explicit(const ManifestBody& body) {
    if (const auto* service = body_as<ServiceManifest>(body)) {
      for (const IpAddress& address : service->object.cluster_ips) service_pools_.take(address);
    } else if (const auto* pod = body_as<PodManifest>(body)) {
      for (const IpAddress& address : pod->object.ips) pod_pools_.take(address);
    } else if (const auto* endpoints = body_as<EndpointsManifest>(body)) {
      for (const auto& subset : endpoints->subsets) reserve_slice(*subset);
    } else if (const auto* slice = body_as<EndpointSliceManifest>(body)) {
      reserve_slice(slice->object);
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
    for (const LoadedFile& file : files_) {
      for (const ManifestObject& object : file.objects) {
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
      std::sort(input.pods.begin(), input.pods.end(),
                [](const auto* a, const auto* b) { return a->object.key < b->object.key; });
      std::sort(input.workloads.begin(), input.workloads.end(), [](const auto* a, const auto* b) {
        return std::tie(a->kind, a->key) < std::tie(b->kind, b->key);
      });
    }
  }

  void add(const std::string& ns, const ObjectRef& ref) {
    NamespaceInput& input = inputs_[ns];
    const ManifestBody& body = ref.object->body;
    if (body_as<OtherObject>(body) != nullptr) return;
    const std::string name = describe(kind_of(body), key_of(body));
    const auto [first, is_new] = seen_.try_emplace(name, ref);
    if (!is_new) {
      warn(ref, name + " is already defined at " + first->second.place() +
                    "; this one is ignored, remove one of them");
      return;
    }
    if (const auto* manifest = body_as<NamespaceManifest>(body)) {
      input.manifest = manifest;
    } else if (const auto* service = std::get_if<std::shared_ptr<const ServiceManifest>>(&body)) {
      input.services.emplace_back(*service, ref);
    } else if (const auto* endpoints = body_as<EndpointsManifest>(body)) {
      input.endpoints.push_back(endpoints);
      input.owned.push_back(ref);
    } else if (const auto* slice =
                   std::get_if<std::shared_ptr<const EndpointSliceManifest>>(&body)) {
      input.slices.push_back(*slice);
      input.owned.push_back(ref);
    } else if (const auto* pod = body_as<PodManifest>(body)) {
      input.pods.push_back(pod);
    } else if (const auto* workload = body_as<WorkloadManifest>(body)) {
      input.workloads.push_back(workload);
      note_replicas(*workload, ref);
    } else if (const auto* other = body_as<KindManifest>(body)) {
      input.others.push_back(other);
    }
  }

  void note_replicas(const WorkloadManifest& workload, const ObjectRef& ref) {
    if (workload.kind == WorkloadKind::DaemonSet || workload.replicas <= kMaxWorkloadPods) return;
    warn(ref, describe(to_string(workload.kind), workload.key) + " wants " +
                  std::to_string(workload.replicas) + " replicas; it gets " +
                  std::to_string(kMaxWorkloadPods) + " pods, which is the most");
  }

  // --- one namespace ---

  void build_namespace(const std::string& ns, NamespaceInput& input) {
    Published now;
    Published before = std::move(published_[ns]);
    now.told = std::move(before.told);  // tell() wants it
    Namespace object{ns, {}};
    if (input.manifest != nullptr) {
      object.labels = input.manifest->labels;
    } else {
      object.labels = {{kNamespaceNameLabel, ns}};
    }
    store_.upsert(std::move(object));

    const std::size_t pods_before = pod_budget_.left;
    std::vector<PlannedPod> pods = plan_pods(input.pods, input.workloads, &pod_budget_);
    now.made_pods = pods_before - pod_budget_.left;
    if (std::exchange(pod_budget_.exceeded, false)) {
      found_[ns].push_back({Problem::Severity::Error, "", 0, 0,
                            "namespace " + ns + ": all workloads together want more than " +
                                std::to_string(kMaxMadePods) +
                                " pods; the others are left out, lower their replicas"});
    }
    for (PlannedPod& pod : pods) give_pod_addresses(pod, before, now);
    PodIndex index(pods);

    std::set<std::string> slice_names;
    std::set<std::string> sliced_services;
    publish_explicit_slices(input, now, slice_names, sliced_services);
    note_strays(input);
    for (const auto& [service, ref] : input.services) {
      publish_service(service, ref, index, before, now, slice_names, sliced_services);
    }
    for (const PlannedPod& pod : pods) {
      if (pod.object.ips.empty()) continue;  // nothing can find it
      // As with the API server: their addresses may be somebody else's soon.
      if (pod.terminating || pod.lost) continue;
      now.pods.push_back(pod.object.key.name);
      store_.upsert(pod.object);
    }
    if (const auto& refs = unselected_[ns]; !refs.empty()) {
      error(refs.front(), std::to_string(refs.size()) +
                              (refs.size() == 1 ? " Service" : " Services") + " of namespace " +
                              ns +
                              (refs.size() == 1 ? ", this one, has" : ", this one first, have") +
                              " no endpoints: all selectors of the namespace together choose more "
                              "than " +
                              std::to_string(kMaxSelected) + " pods; narrow them");
    }
    if (const auto& refs = overfull_[ns]; !refs.empty()) {
      error(refs.front(),
            std::to_string(refs.size()) + (refs.size() == 1 ? " Service" : " Services") +
                " of namespace " + ns +
                (refs.size() == 1 ? ", this one, has" : ", this one first, have") +
                " not all endpoints: the selectors of all manifests together make more "
                "than " +
                std::to_string(kMaxMadeEndpoints) + " of them; narrow the selectors");
    }
    for (const KindManifest* other : input.others) {
      now.others.emplace_back(other->kind, other->key.name);
      store_.table(*other->kind).upsert_any(other->object);
    }
    if (const std::size_t count = without_pods_[ns]; count > kMaxWithoutPods) {
      found_[ns].push_back({Problem::Severity::Warning, "", 0, 0,
                            "namespace " + ns + ": and " + std::to_string(count - kMaxWithoutPods) +
                                " more headless Services whose selectors choose no pod"});
    }
    sort_by_name_and_trim(now.services);
    sort_by_name_and_trim(now.slices);
    sort_and_trim(now.pods);
    sort_and_trim(now.others);
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
    const Pod* previous = contains_sorted(before.pods, pod.object.key.name)
                              ? store_.find<Pod>(pod.object.key)
                              : nullptr;
    const std::vector<IpAddress> none;
    for (const IpFamily family : pod_pools_.families()) {
      const auto address =
          give(pod.object.key, family, previous ? previous->ips : none, kept_pod_ips_, pod_pools_);
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

  void publish_slice(std::shared_ptr<const EndpointSlice> slice, Published& now) {
    now.slices.push_back(slice);
    store_.upsert(std::move(slice));
  }

  void publish_explicit_slices(const NamespaceInput& input, Published& now,
                               std::set<std::string>& names, std::set<std::string>& services) {
    for (const auto& slice : input.slices) {
      if (slice->object.service.empty()) continue;
      names.insert(slice->object.key.name);
      services.insert(slice->object.service);
      publish_slice(share<EndpointSlice>(slice), now);
    }
    std::vector<std::string> by_endpoints;
    for (const EndpointsManifest* endpoints : input.endpoints) {
      // Of the two forms of the same thing, the slices are what DNS servers read.
      if (services.contains(endpoints->key.name)) continue;
      by_endpoints.push_back(endpoints->key.name);
      for (const auto& subset : endpoints->subsets) {
        if (names.insert(subset->key.name).second) {
          publish_slice(subset, now);
          continue;
        }
        EndpointSlice renamed = *subset;
        while (!names.insert(renamed.key.name).second) renamed.key.name += "-x";
        publish_slice(std::make_shared<const EndpointSlice>(std::move(renamed)), now);
      }
    }
    services.insert(by_endpoints.begin(), by_endpoints.end());
  }

  void publish_service(const std::shared_ptr<const ServiceManifest>& manifest, const ObjectRef& ref,
                       PodIndex& index, const Published& before, Published& now,
                       std::set<std::string>& slice_names,
                       const std::set<std::string>& sliced_services) {
    std::shared_ptr<const Service> service = share<Service>(manifest);
    std::string problem;
    const std::vector<IpFamily> families =
        service_families(*manifest, service_pools_.families(), problem);
    if (!problem.empty()) {
      error(ref, describe("Service", service->key) + ": " + problem +
                     "; it gets the families that exist");
    }
    note_shared_cluster_ips(*service, ref);
    if (!service->headless && service->type != ServiceType::ExternalName) {
      std::vector<IpAddress> ips = cluster_ips_of(*service, families, ref, before, now);
      if (ips != service->cluster_ips) {
        Service with_addresses = *service;
        with_addresses.cluster_ips = std::move(ips);
        trim(with_addresses);
        service = std::make_shared<const Service>(std::move(with_addresses));
      }
    }
    if (service->type != ServiceType::ExternalName && !service->selector.empty() &&
        !sliced_services.contains(service->key.name)) {
      const auto taken = [&](const std::string& name) { return slice_names.contains(name); };
      const auto selected = index.select(service->selector);
      if (selected) {
        note_selection(*service, ref, *selected, index);
        std::size_t left_out = 0;
        std::vector<const PlannedPod*> endpoints = std::move(*selected);
        // As many as there is room for, of each family.
        const std::size_t most = endpoints_left_ / std::max<std::size_t>(families.size(), 1);
        if (endpoints.size() > most) {
          overfull_[service->key.ns].push_back(ref);
          endpoints.resize(most);
        }
        for (EndpointSlice& slice : make_slices(*service, families, endpoints, taken,
                                                {options_.keep_target_names}, &left_out)) {
          endpoints_left_ -= slice.endpoints.size();
          now.made_endpoints += slice.endpoints.size();
          slice_names.insert(slice.key.name);
          trim(slice);
          publish_slice(std::make_shared<const EndpointSlice>(std::move(slice)), now);
        }
        note_left_out(*service, ref, left_out);
      } else {
        unselected_[service->key.ns].push_back(ref);
      }
    }
    now.services.push_back(service);
    store_.upsert(std::move(service));
  }

  // Endpoints of no Service are nothing wrong: it may come, or be another source's. But a slip in
  // its name would pass in silence.
  void note_strays(const NamespaceInput& input) {
    // The comparison of all with all has to end somewhere.
    constexpr std::size_t kMaxServices = 1000, kMaxStrays = 20;
    if (input.services.size() > kMaxServices) return;
    std::set<std::string_view> names;
    for (const auto& [service, ref] : input.services) names.insert(service->object.key.name);
    const std::vector<std::string_view> known(names.begin(), names.end());
    std::size_t strays = 0;
    for (const ObjectRef& ref : input.owned) {
      const ManifestBody& body = ref.object->body;
      const auto* slice = body_as<EndpointSliceManifest>(body);
      const std::string& owner = slice != nullptr ? slice->object.service : key_of(body).name;
      if (owner.empty() || names.contains(owner)) continue;
      if (++strays > kMaxStrays) return;
      const auto near = nearest_word(owner, known);
      if (!near) continue;
      warn(ref, describe(kind_of(body), key_of(body)) + ": there is no Service " + shown(owner) +
                    "; did you mean '" + std::string(*near) + "'?");
    }
  }

  // What a selector and named target ports come to, where that is nothing.
  void note_selection(const Service& service, const ObjectRef& ref,
                      const std::vector<const PlannedPod*>& pods, const PodIndex& index) {
    if (!options_.note_no_pods) return;
    if (pods.empty()) {
      if (service.headless) note_no_pods(service, ref, index);
      return;
    }
    const bool any_name =
        std::any_of(service.ports.begin(), service.ports.end(),
                    [](const ServicePort& port) { return !port.target_port_name.empty(); });
    if (!any_name) return;
    std::set<const PodSpec*> specs;
    for (const PlannedPod* pod : pods) specs.insert(pod->spec);
    std::set<std::pair<std::string_view, Protocol>> ports;
    for (const PodSpec* spec : specs) {
      for (const ContainerPort& port : spec->named_ports) ports.emplace(port.name, port.protocol);
    }
    std::vector<std::string_view> names;
    for (const auto& port : ports) {
      if (names.size() < kMaxCompared) names.push_back(port.first);
    }
    for (const ServicePort& port : service.ports) {
      const std::string& name = port.target_port_name;
      if (name.empty() || ports.contains({name, port.protocol})) continue;
      const auto near = nearest_word(name, names);
      warn(ref, describe("Service", service.key) + ": no pod that it selects has a " +
                    to_string(port.protocol) + " port named " + shown(name) +
                    (near && *near != name ? "; did you mean '" + std::string(*near) + "'?" : ""));
    }
  }

  void note_left_out(const Service& service, const ObjectRef& ref, std::size_t endpoints) {
    if (endpoints == 0) return;
    error(ref, describe("Service", service.key) + ": " + std::to_string(endpoints) +
                   " endpoints are left out, for their pods give the names of its " +
                   std::to_string(service.ports.size()) +
                   " ports too many different numbers; use numbers in targetPort");
  }

  // Other Services have an address of their own.
  void note_no_pods(const Service& service, const ObjectRef& ref, const PodIndex& index) {
    if (++without_pods_[service.key.ns] > kMaxWithoutPods) return;
    std::string labels, meant;
    for (const auto& [key, value] : service.selector) {
      labels += (labels.empty() ? "" : ",") + key + '=' + value;
      const std::vector<std::string_view> values = index.values_of(key, kMaxCompared);
      const auto near = nearest_word(value, values);
      if (meant.empty() && near && *near != value) meant = key + '=' + std::string(*near);
    }
    warn(ref, describe("Service", service.key) + " is headless, and no pod has the labels " +
                  shown(labels) + ", so its name has no addresses" +
                  (meant.empty() ? "" : "; did you mean " + shown(meant) + "?"));
  }

  void note_shared_cluster_ips(const Service& service, const ObjectRef& ref) {
    for (const IpAddress& address : service.cluster_ips) {
      const auto [first, is_new] = explicit_cluster_ips_.try_emplace(address, ref);
      if (is_new) continue;
      warn(ref, describe("Service", service.key) + ": cluster IP " + address.to_string() +
                    " is also that of the Service at " + first->second.place() +
                    "; a cluster would refuse the second");
    }
  }

  std::vector<IpAddress> cluster_ips_of(const Service& service,
                                        const std::vector<IpFamily>& families, const ObjectRef& ref,
                                        const Published& before, Published& now) {
    const Service* previous =
        contains_name(before.services, service.key.name) ? store_.service(service.key) : nullptr;
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
        error(ref, describe("Service", service.key) + ": no free IPv" +
                       (family == IpFamily::V4 ? "4" : "6") +
                       " cluster IP; configure a (larger) service CIDR of that family, or write "
                       "clusterIP");
        continue;
      }
      result.push_back(*address);
      now.cluster_ips.push_back(*address);
    }
    return result;
  }

  void erase_missing(const std::string& ns, const Published& before, const Published& now) {
    for (const auto& service : before.services) {
      if (!contains_name(now.services, service->key.name)) store_.erase_service(service->key);
    }
    for (const auto& slice : before.slices) {
      if (!contains_name(now.slices, slice->key.name)) store_.erase_slice(slice->key);
    }
    for (const std::string& name : before.pods) {
      if (!contains_sorted(now.pods, name)) store_.erase<Pod>({ns, name});
    }
    for (const auto& other : before.others) {
      if (contains_sorted(now.others, other)) continue;
      store_.table(*other.first).erase({ns, other.second});
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
  const std::vector<LoadedFile>& files_;
  std::unordered_set<std::string>& touched_;
  std::vector<Problem>& problems_;

  AddressPools service_pools_;
  AddressPools pod_pools_;
  std::vector<IpAddress> kept_cluster_ips_;  // sorted
  std::vector<IpAddress> kept_pod_ips_;      // sorted
  std::map<std::string, NamespaceInput> inputs_;
  std::unordered_map<std::string, ObjectRef> seen_;  // "kind ns/name" -> the first
  std::map<IpAddress, ObjectRef> explicit_cluster_ips_;
  std::size_t pods_without_address_ = 0;
  std::map<std::string, std::vector<Problem>> found_;         // by namespace
  std::map<std::string, std::size_t> without_pods_;           // headless Services, by namespace
  std::map<std::string, std::vector<ObjectRef>> unselected_;  // Services beyond kMaxSelected
  std::map<std::string, std::vector<ObjectRef>> overfull_;    // Services beyond kMaxMadeEndpoints
  PodBudget pod_budget_;
  std::size_t endpoints_left_ = kMaxMadeEndpoints;
};

ClusterBuilder::ClusterBuilder(ClusterOptions options, Store& store)
    : options_(std::move(options)), store_(store) {}

void ClusterBuilder::apply(const std::vector<LoadedFile>& files,
                           std::unordered_set<std::string> touched,
                           std::vector<Problem>& problems) {
  // Each pass that does not settle adds a namespace, so this ends.
  for (;;) {
    Pass pass(*this, files, touched, problems);
    if (!pass.reserve()) continue;
    pass.build();
    return;
  }
}

}  // namespace clusterdns::registry
