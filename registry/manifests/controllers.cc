#include "registry/manifests/controllers.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "registry/manifests/allocator.h"
#include "registry/selector.h"
#include "registry/validation.h"

namespace clusterdns::registry {
namespace {

// Kubernetes' alphabet for generated names: no vowels and look-alikes, so no words by accident.
constexpr std::string_view kNameAlphabet = "bcdfghjklmnpqrstvwxz2456789";
constexpr std::size_t kTemplateHashLength = 10;
constexpr std::size_t kSuffixLength = 5;
// Kubernetes cuts what comes before the suffix, so that a pod's name is a label.
constexpr std::size_t kMaxPodNameBase = kMaxLabelLength - kSuffixLength;

constexpr std::uint64_t kSuffixCount = 27ULL * 27 * 27 * 27 * 27;
// No multiple of 3, so multiplying by it modulo kSuffixCount maps indexes to distinct suffixes.
constexpr std::uint64_t kSuffixStride = 7'368'787;

std::string encode_name(std::uint64_t value, std::size_t length) {
  std::string text(length, ' ');
  for (char& c : text) {
    c = kNameAlphabet[value % kNameAlphabet.size()];
    value /= kNameAlphabet.size();
  }
  return text;
}

std::uint64_t workload_hash(const WorkloadManifest& workload) {
  return stable_hash(std::string(to_string(workload.kind)) + ' ' + workload.key.ns + '/' +
                     workload.key.name);
}

// `web-5d4f8c7b96` for a Deployment `web`; the hash is of its name and not of its template, so that
// an edit does not rename every pod.
std::string template_hash(const WorkloadManifest& workload) {
  return encode_name(workload_hash(workload), kTemplateHashLength);
}

// The pods one workload would make, by index.
class PodNames {
 public:
  explicit PodNames(const WorkloadManifest& workload) : workload_(workload) {
    base_ = workload.key.name + '-';
    if (workload.kind == WorkloadKind::StatefulSet) return;
    if (workload.kind == WorkloadKind::Deployment) base_ += template_hash(workload) + '-';
    if (base_.size() > kMaxPodNameBase) base_.resize(kMaxPodNameBase);
    first_suffix_ = stable_hash(base_) % kSuffixCount;
  }

  const std::string& base() const { return base_; }
  std::string at(std::uint32_t index) const {
    if (workload_.kind == WorkloadKind::StatefulSet) {
      return base_ + std::to_string(std::uint64_t{workload_.first_ordinal} + index);
    }
    const std::uint64_t suffix = (first_suffix_ + index * kSuffixStride) % kSuffixCount;
    return base_ + encode_name(suffix, kSuffixLength);
  }

 private:
  const WorkloadManifest& workload_;
  std::string base_;
  std::uint64_t first_suffix_ = 0;
};

DetailPointer<PodDetail> detail_of(const WorkloadManifest& workload) {
  PodDetail detail;
  detail.ports = workload.template_spec->named_ports;
  detail.numbers = workload.template_spec->numbers;
  detail.owner = std::string(to_string(workload.kind)) + ' ' + workload.key.name;
  return share_detail(std::move(detail));
}

PlannedPod plan_listed(const PodManifest& manifest) {
  PlannedPod pod;
  pod.object = manifest.object;
  pod.spec = &manifest.spec;
  pod.hostname = manifest.spec.hostname;
  pod.subdomain = manifest.spec.subdomain;
  pod.ready = manifest.ready;
  pod.terminating = manifest.terminating;
  pod.lost = manifest.lost;
  pod.order_name = manifest.object.key.name;
  PodDetail detail;
  detail.ready = manifest.ready;
  detail.created = manifest.created;
  detail.host_ips = manifest.host_ips;
  detail.ports = manifest.spec.named_ports;
  detail.numbers = manifest.spec.numbers;
  pod.object.detail = share_detail(std::move(detail));
  return pod;
}

// `detail` is that of all pods of the workload.
PlannedPod plan_made(const WorkloadManifest& workload, const DetailPointer<PodDetail>& detail,
                     std::string name, std::uint32_t index) {
  PlannedPod pod;
  pod.object.detail = detail;
  pod.spec = workload.template_spec.get();
  pod.hostname = pod.spec->hostname;
  pod.subdomain = pod.spec->subdomain;
  pod.order_name = workload.key.name;
  pod.ordinal = index;
  pod.object.labels = workload.template_labels;
  if (workload.kind == WorkloadKind::StatefulSet) {
    // Services that choose one pod of a StatefulSet select by these.
    const std::string ordinal = std::to_string(std::uint64_t{workload.first_ordinal} + index);
    pod.object.labels.emplace_back("apps.kubernetes.io/pod-index", ordinal);
    if (is_dns_label(name)) {
      pod.object.labels.emplace_back("statefulset.kubernetes.io/pod-name", name);
      pod.hostname = name;
    }
    pod.subdomain = workload.service_name;
  } else if (workload.kind == WorkloadKind::Deployment) {
    pod.object.labels.emplace_back("pod-template-hash", template_hash(workload));
  }
  normalize(pod.object.labels);
  pod.object.key = {workload.key.ns, std::move(name)};
  return pod;
}

// Which workload each listed pod belongs to.
class Ownership {
 public:
  Ownership(const std::vector<const PodManifest*>& pods,
            const std::vector<const WorkloadManifest*>& workloads) {
    for (const WorkloadManifest* workload : workloads) {
      by_name_[{workload->kind, workload->key.name}] = workload;
    }
    for (const WorkloadManifest* workload : workloads) {
      if (workload->kind != WorkloadKind::ReplicaSet || workload->owner.kind != "Deployment") {
        continue;
      }
      if (const auto* deployment = find(WorkloadKind::Deployment, workload->owner.name)) {
        delegating_.insert(deployment);
      }
    }
    LabelIndex free;  // pods of no owner
    std::vector<const PodManifest*> free_pods;
    for (const PodManifest* pod : pods) {
      names_.insert(pod->object.key.name);
      if (pod->terminated) continue;
      if (!pod->owner.kind.empty()) {
        if (const WorkloadManifest* owner = owner_of(*pod)) own(*owner, *pod);
      } else {
        free.add(pod->object.labels);
        free_pods.push_back(pod);
      }
    }
    adopt(workloads, free, free_pods);
  }

  // Does it leave its pods to listed ReplicaSets?
  bool delegates(const WorkloadManifest& workload) const { return delegating_.contains(&workload); }
  bool is_listed(const std::string& pod_name) const { return names_.contains(pod_name); }
  bool has_owner(const std::string& pod_name) const { return has_owner_.contains(pod_name); }
  std::uint32_t owned(const WorkloadManifest& workload) const {
    const auto it = owned_.find(&workload);
    return it == owned_.end() ? 0 : it->second;
  }

 private:
  const WorkloadManifest* find(WorkloadKind kind, const std::string& name) const {
    const auto it = by_name_.find({kind, name});
    return it == by_name_.end() ? nullptr : it->second;
  }

  void own(const WorkloadManifest& owner, const PodManifest& pod) {
    // One that ends is replaced already.
    if (!pod.terminating) ++owned_[&owner];
    has_owner_.insert(pod.object.key.name);
  }

  // A pod goes to the first workload that wants it.
  void adopt(const std::vector<const WorkloadManifest*>& workloads, LabelIndex& free,
             const std::vector<const PodManifest*>& pods) {
    if (pods.empty()) return;
    std::vector<bool> taken(pods.size(), false);
    std::set<Labels> known;
    for (const WorkloadManifest* workload : workloads) {
      const bool adopts = workload->kind == WorkloadKind::ReplicaSet ||
                          workload->kind == WorkloadKind::DaemonSet ||
                          workload->kind == WorkloadKind::ReplicationController;
      // Of equal selectors the first has taken all.
      if (!adopts || workload->selector.empty() || !known.insert(workload->selector).second)
        continue;
      const auto wanted = free.select(workload->selector);
      if (!wanted) return;
      for (const std::uint32_t i : *wanted) {
        if (taken[i]) continue;
        taken[i] = true;
        own(*workload, *pods[i]);
      }
    }
  }

  const WorkloadManifest* owner_of(const PodManifest& pod) const {
    for (const WorkloadKind kind :
         {WorkloadKind::ReplicaSet, WorkloadKind::StatefulSet, WorkloadKind::DaemonSet,
          WorkloadKind::Deployment, WorkloadKind::ReplicationController}) {
      if (pod.owner.kind != to_string(kind)) continue;
      if (const WorkloadManifest* owner = find(kind, pod.owner.name)) return owner;
    }
    if (pod.owner.kind != "ReplicaSet") return nullptr;
    // A ReplicaSet that is not listed, of a Deployment that is: `web` made `web-5d4f8c7b96`.
    const auto dash = pod.owner.name.rfind('-');
    if (dash == std::string::npos) return nullptr;
    return find(WorkloadKind::Deployment, pod.owner.name.substr(0, dash));
  }

  std::map<std::pair<WorkloadKind, std::string>, const WorkloadManifest*> by_name_;
  std::unordered_set<const WorkloadManifest*> delegating_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> has_owner_;
  std::unordered_map<const WorkloadManifest*, std::uint32_t> owned_;
};

// A listed pod that stands where the workload's own pod would: `at` is its place in the order.
struct Place {
  const WorkloadManifest* workload;
  std::uint32_t index;
};

// What the pods made so far leave for others.
struct Made {
  std::unordered_set<std::string> names;
  // By what the names begin with: the indexes below are used up. Long names of workloads may be cut
  // to the same.
  std::unordered_map<std::string, std::uint32_t> next;
  std::unordered_map<std::string, Place> places;
};

void make_pods(const WorkloadManifest& workload, const Ownership& ownership, PodBudget& budget,
               Made& made, std::vector<PlannedPod>& result) {
  const auto afford = [&budget] {
    if (budget.left == 0) budget.exceeded = true;
    return budget.left != 0;
  };
  // One node is all this cluster has.
  const std::uint32_t replicas =
      workload.kind == WorkloadKind::DaemonSet ? 1 : std::min(workload.replicas, kMaxWorkloadPods);
  const PodNames names(workload);
  const DetailPointer<PodDetail> detail = detail_of(workload);
  const auto make = [&](std::string name, std::uint32_t index) {
    result.push_back(plan_made(workload, detail, std::move(name), index));
    --budget.left;
  };
  if (workload.kind == WorkloadKind::StatefulSet) {
    for (std::uint32_t index = 0; index < replicas && afford(); ++index) {
      std::string name = names.at(index);
      if (ownership.is_listed(name)) {
        made.places.try_emplace(name, Place{&workload, index});
      } else if (made.names.insert(name).second) {
        make(std::move(name), index);
      }
    }
    return;
  }
  std::uint32_t present = ownership.owned(workload);
  for (std::uint32_t& index = made.next[names.base()]; present < replicas && afford(); ++index) {
    std::string name = names.at(index);
    if (ownership.is_listed(name)) {
      if (!ownership.has_owner(name)) ++present;
      continue;
    }
    // What a StatefulSet made.
    if (!made.names.insert(name).second) continue;
    make(std::move(name), index);
    ++present;
  }
}

// Groups of pods with the same resolved ports, in the order of each group's first pod.
class PortGroups {
 public:
  explicit PortGroups(const Service& service) : service_(service) {
    for (const ServicePort& port : service.ports) {
      if (port.target_port_name.empty()) continue;
      targets_.try_emplace({port.target_port_name, port.protocol},
                           static_cast<std::uint32_t>(targets_.size()));
    }
  }

  // nullopt: its ports would be too many, see kMaxSlicePorts.
  std::optional<std::size_t> group_of(const PodSpec& spec) {
    const auto [known, is_new] = by_spec_.try_emplace(&spec);
    if (is_new) known->second = find_group(spec);
    return known->second;
  }

  const std::vector<EndpointPort>& ports(std::size_t group) const { return groups_[group]; }

 private:
  // Names that the service asks for, and the numbers that a pod has for them: all that tells pods
  // apart. By target.
  using Numbers = std::vector<std::pair<std::uint32_t, std::uint16_t>>;

  std::optional<std::size_t> find_group(const PodSpec& spec) {
    Numbers numbers;
    if (!targets_.empty()) {
      for (const ContainerPort& port : spec.named_ports) {
        const auto target = targets_.find({port.name, port.protocol});
        if (target != targets_.end()) numbers.emplace_back(target->second, port.port);
      }
      // Of several containers with the name the first counts.
      const auto target_of = [](const auto& number) { return number.first; };
      std::ranges::stable_sort(numbers, {}, target_of);
      const auto rest = std::ranges::unique(numbers, {}, target_of);
      numbers.erase(rest.begin(), rest.end());
    }
    const auto [known, is_new] = by_numbers_.try_emplace(std::move(numbers));
    if (is_new &&
        (groups_.empty() || (groups_.size() + 1) * service_.ports.size() <= kMaxSlicePorts)) {
      known->second = groups_.size();
      groups_.push_back(resolve(known->first));
    }
    return known->second;
  }

  std::vector<EndpointPort> resolve(const Numbers& numbers) const {
    std::vector<EndpointPort> ports;
    ports.reserve(service_.ports.size());
    for (const ServicePort& port : service_.ports) {
      if (port.target_port_name.empty()) {
        ports.push_back(
            {port.name, port.protocol, port.target_port != 0 ? port.target_port : port.port});
        continue;
      }
      // A pod without a port of that name is an endpoint all the same, only not at this port.
      const std::uint32_t target = targets_.at({port.target_port_name, port.protocol});
      const auto at = std::ranges::lower_bound(numbers, target, {},
                                               [](const auto& number) { return number.first; });
      if (at == numbers.end() || at->first != target) continue;
      ports.push_back({port.name, port.protocol, at->second});
    }
    return ports;
  }

  const Service& service_;
  std::map<std::pair<std::string_view, Protocol>, std::uint32_t> targets_;
  std::unordered_map<const PodSpec*, std::optional<std::size_t>> by_spec_;
  std::map<Numbers, std::optional<std::size_t>> by_numbers_;
  std::vector<std::vector<EndpointPort>> groups_;
};

std::shared_ptr<const EndpointDetail> make_detail(const Service& service, const PlannedPod& pod,
                                                  const SliceOptions& options) {
  EndpointDetail detail;
  if (pod.subdomain == service.key.name) detail.hostname = pod.hostname;
  // A name that is not a label cannot be an endpoint's.
  if (options.keep_target_names && is_dns_label(pod.object.key.name)) {
    detail.target_name = pod.object.key.name;
  }
  if (detail == EndpointDetail{}) return nullptr;
  return std::make_shared<const EndpointDetail>(std::move(detail));
}

std::string label_text(const std::pair<std::string, std::string>& label) {
  return label.first + '=' + label.second;
}

}  // namespace

std::vector<PlannedPod> plan_pods(const std::vector<const PodManifest*>& pods,
                                  const std::vector<const WorkloadManifest*>& workloads,
                                  PodBudget* budget) {
  PodBudget all;
  if (budget == nullptr) budget = &all;
  std::vector<PlannedPod> result;
  const Ownership ownership(pods, workloads);
  Made made;
  for (const WorkloadManifest* workload : workloads) {
    if (!ownership.delegates(*workload)) make_pods(*workload, ownership, *budget, made, result);
  }
  for (const PodManifest* manifest : pods) {
    if (manifest->terminated) continue;
    PlannedPod pod = plan_listed(*manifest);
    if (const auto place = made.places.find(manifest->object.key.name);
        place != made.places.end()) {
      pod.order_name = place->second.workload->key.name;
      pod.ordinal = place->second.index;
    }
    result.push_back(std::move(pod));
  }
  std::sort(result.begin(), result.end(), [](const PlannedPod& a, const PlannedPod& b) {
    return std::tie(a.order_name, a.ordinal, a.object.key.name) <
           std::tie(b.order_name, b.ordinal, b.object.key.name);
  });
  return result;
}

std::vector<IpFamily> service_families(const ServiceManifest& service,
                                       const std::vector<IpFamily>& cluster, std::string& problem) {
  if (service.object.type == ServiceType::ExternalName) return {};
  std::vector<IpFamily> families = service.ip_families;
  const auto add = [&](IpFamily family) {
    if (std::find(families.begin(), families.end(), family) == families.end()) {
      families.push_back(family);
    }
  };
  for (const IpAddress& address : service.object.cluster_ips) add(address.family);

  const bool selectorless_headless = service.object.headless && service.object.selector.empty();
  const bool requires_both = service.ip_family_policy == IpFamilyPolicy::RequireDualStack;
  const bool wants_both = requires_both ||
                          service.ip_family_policy == IpFamilyPolicy::PreferDualStack ||
                          (selectorless_headless &&
                           service.ip_family_policy == IpFamilyPolicy::Unset && families.empty());
  if (wants_both) {
    for (const IpFamily family : cluster) add(family);
    if (requires_both && families.size() < 2) {
      problem = "ipFamilyPolicy RequireDualStack needs service CIDRs of both families";
    }
  }
  if (families.empty()) families.push_back(cluster.empty() ? IpFamily::V4 : cluster.front());
  return families;
}

void LabelIndex::add(const Labels& labels) {
  std::string text;
  for (const auto& label : labels) {
    const std::string one = label_text(label);
    text += std::to_string(one.size()) + ':' + one;
  }
  const auto [known, is_new] =
      by_text_.try_emplace(std::move(text), static_cast<std::uint32_t>(classes_.size()));
  if (is_new) {
    for (const auto& label : labels) by_label_[label_text(label)].push_back(known->second);
    classes_.push_back({&labels, {}});
  }
  classes_[known->second].members.push_back(size_++);
}

std::optional<std::vector<std::uint32_t>> LabelIndex::select(const Labels& selector) {
  std::vector<std::uint32_t> result;
  const std::vector<std::uint32_t>* fewest = nullptr;
  for (const auto& label : selector) {
    const auto it = by_label_.find(label_text(label));
    if (it == by_label_.end()) return result;
    if (fewest == nullptr || it->second.size() < fewest->size()) fewest = &it->second;
  }
  if (fewest == nullptr) return result;
  if (!afford(fewest->size())) return std::nullopt;
  for (const std::uint32_t i : *fewest) {
    const Class& one = classes_[i];
    if (!matches(selector, *one.labels)) continue;
    if (!afford(one.members.size())) return std::nullopt;
    result.insert(result.end(), one.members.begin(), one.members.end());
  }
  std::sort(result.begin(), result.end());
  return result;
}

bool LabelIndex::afford(std::size_t more) noexcept {
  if (more > kMaxSelected - spent_) return false;
  spent_ += more;
  return true;
}

PodIndex::PodIndex(const std::vector<PlannedPod>& pods) : pods_(pods) {
  for (const PlannedPod& pod : pods) index_.add(pod.object.labels);
}

std::optional<std::vector<const PlannedPod*>> PodIndex::select(const Labels& selector) {
  const auto chosen = index_.select(selector);
  if (!chosen) return std::nullopt;
  std::vector<const PlannedPod*> result;
  result.reserve(chosen->size());
  for (const std::uint32_t i : *chosen) result.push_back(&pods_[i]);
  return result;
}

std::vector<std::string_view> PodIndex::values_of(std::string_view key, std::size_t most) const {
  std::set<std::string_view> values;
  for (const PlannedPod& pod : pods_) {
    if (values.size() >= most) break;
    if (const std::string* value = find_label(pod.object.labels, key)) values.insert(*value);
  }
  return {values.begin(), values.end()};
}

std::vector<EndpointSlice> make_slices(const Service& service,
                                       const std::vector<IpFamily>& families,
                                       const std::vector<const PlannedPod*>& pods,
                                       const std::function<bool(const std::string& name)>& taken,
                                       const SliceOptions& options, std::size_t* left_out) {
  std::vector<EndpointSlice> slices;
  PortGroups groups(service);
  std::vector<std::shared_ptr<const EndpointDetail>> details;  // shared by a pod's families
  details.reserve(pods.size());
  for (const PlannedPod* pod : pods) details.push_back(make_detail(service, *pod, options));

  for (const IpFamily family : families) {
    const std::size_t first = slices.size();
    std::vector<std::size_t> slice_of_group;
    for (std::size_t i = 0; i < pods.size(); ++i) {
      const PlannedPod& pod = *pods[i];
      const auto address =
          std::find_if(pod.object.ips.begin(), pod.object.ips.end(),
                       [&](const IpAddress& each) { return each.family == family; });
      if (address == pod.object.ips.end()) continue;
      const std::optional<std::size_t> group = groups.group_of(*pod.spec);
      if (!group) {
        if (left_out != nullptr) ++*left_out;
        continue;
      }
      if (*group >= slice_of_group.size()) slice_of_group.resize(*group + 1, SIZE_MAX);
      if (slice_of_group[*group] == SIZE_MAX) {
        slice_of_group[*group] = slices.size();
        slices.push_back({{}, service.key.name, groups.ports(*group), {}});
      }
      const bool ready = service.publish_not_ready_addresses || (pod.ready && !pod.terminating);
      slices[slice_of_group[*group]].endpoints.push_back({*address, ready, details[i]});
    }
    const std::string base = service.key.name + (family == IpFamily::V4 ? "-ipv4" : "-ipv6");
    std::size_t number = 0;
    for (std::size_t i = first; i < slices.size(); ++i) {
      std::string name;
      do {
        name = number == 0 ? base : base + '-' + std::to_string(number);
        ++number;
      } while (taken(name));
      slices[i].key = {service.key.ns, std::move(name)};
    }
  }
  return slices;
}

}  // namespace clusterdns::registry
