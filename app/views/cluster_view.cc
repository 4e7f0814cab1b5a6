#include "app/views/cluster_view.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <utility>

#include "app/explain/explanation_text.h"
#include "app/views/asking.h"
#include "app/views/problems.h"
#include "app/views/service_rows.h"

namespace clusterdns::app {

namespace gw = registry::gateways;

namespace {

// What the view's own stores and indexes take for these objects, more or less.
std::size_t octets_for(const registry::StoreObjects& objects) {
  constexpr std::size_t kPlace = 160;  // in a table, and in indexes by name
  constexpr std::size_t kLabel = 160;  // in the index of pods
  std::size_t octets = objects.size() * kPlace;
  for (const registry::StoreObjects::OfKind& each : objects.others) {
    if (each.kind != &registry::Pod::kRow) continue;
    for (const registry::AnyObject& object : each.objects) {
      const auto& pod = *static_cast<const registry::Pod*>(object.get());
      for (const auto& [key, value] : pod.labels) {
        octets += kLabel + pod.key.ns.size() + key.size() + value.size();
      }
    }
  }
  return octets;
}

}  // namespace

std::chrono::nanoseconds thread_time() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

ViewParts view_parts(const Environment& environment) {
  ViewParts parts;
  std::vector<const registry::Store*> taken;
  const auto place_of = [&](const registry::Store& store) {
    const auto at = std::find(taken.begin(), taken.end(), &store);
    if (at != taken.end()) return static_cast<std::size_t>(at - taken.begin());
    taken.push_back(&store);
    parts.stores.push_back({store.objects(), {}});
    return taken.size() - 1;
  };
  for (ExplainedCluster& cluster : explained_clusters(environment)) {
    const std::size_t store = place_of(*cluster.store);
    cluster.store = nullptr;
    parts.clusters.push_back({store, std::move(cluster)});
  }
  for (const ServedGateways& served : environment.gateways) {
    gw::CheckSettings settings;
    settings.plan = served.options.plan;
    settings.ingress = served.options.ingress;
    parts.hosts.push_back({place_of(served.source->store()), std::move(settings)});
  }
  for (const ServedCluster& served : environment.served) {
    ViewParts::Cluster& cluster = parts.stores[place_of(*served.store)];
    const auto& services = cluster.objects.services;
    cluster.shown.resize(services.size());
    for (std::size_t i = 0; i < services.size(); ++i) {
      if (is_shown(*services[i], served)) cluster.shown[i] = true;
    }
  }
  for (const ClusterData& data : environment.clusters) {
    parts.problems.push_back(data.source->shared_findings());
  }
  return parts;
}

ClusterView::ClusterView(ViewParts parts, const std::function<bool()>& stop)
    : problems_(std::move(parts.problems)) {
  const auto go_on = [&] {
    if (stop && stop()) throw ViewStopped();
  };
  std::size_t octets = 0;
  for (const ViewParts::Cluster& each : parts.stores) octets += octets_for(each.objects);
  if (octets > kViewOctets) {
    throw ViewTooLarge(
        "the cluster is too large to be listed and explained here: that would take " +
        std::to_string(octets >> 20U) + " MiB, and " + std::to_string(kViewOctets >> 20U) +
        " are allowed");
  }
  for (ViewParts::Cluster& each : parts.stores) {
    stores_.push_back(std::make_unique<const registry::Store>(each.objects));
    for (std::size_t i = 0; i < each.shown.size(); ++i) {
      if (each.shown[i])
        services_.push_back({each.objects.services[i].get(), stores_.back().get()});
    }
    each = {};
    go_on();
  }
  std::stable_sort(services_.begin(), services_.end(),
                   [](const auto& a, const auto& b) { return a.service->key < b.service->key; });
  const auto same = [](const auto& a, const auto& b) { return a.service->key == b.service->key; };
  services_.erase(std::unique(services_.begin(), services_.end(), same), services_.end());
  for (const ViewParts::Hosts& each : parts.hosts) {
    hosts_.add(*stores_[each.store], each.settings);
    go_on();
  }
  hosts_.sort();
  go_on();
  const auto end = thread_time() + kViewChecks;
  gw::CheckBounds bounds{kViewFindingOctets,
                         [&] { return (stop && stop()) || thread_time() > end; }};
  for (ViewParts::Explained& each : parts.clusters) {
    ExplainedCluster& cluster = clusters_.emplace_back(std::move(each.cluster));
    cluster.store = stores_.at(each.store).get();
    cluster.study = std::make_shared<const ClusterStudy>(*cluster.store, cluster.settings, &bounds);
    truncated_ = truncated_ || cluster.study->truncated;
    go_on();
  }
  if (clusters_.size() > 1) merge_findings();
  for (const gw::Finding& finding : findings()) {
    if (finding.severity == gw::Severity::Warning) ++warnings_;
    if (finding.severity != gw::Severity::Error) continue;
    ++errors_;
    if (!finding.host.empty()) wrong_hosts_.insert(finding.host);
    const bool known = finding.code == "no-endpoints" || finding.code == "not-ready";
    if (finding.object.kind == "Service" && !known) wrong_services_.insert(finding.object.key);
  }
  for (const auto& problems : problems_) {
    for (const registry::Problem& problem : *problems) ++(problem.is_error() ? errors_ : warnings_);
  }
}

void ClusterView::merge_findings() {
  for (const ExplainedCluster& cluster : clusters_) {
    findings_.insert(findings_.end(), cluster.study->findings.begin(),
                     cluster.study->findings.end());
  }
  auto conflicts = host_conflicts(clusters_);
  std::move(conflicts.begin(), conflicts.end(), std::back_inserter(findings_));
  std::stable_sort(findings_.begin(), findings_.end(),
                   [](const gw::Finding& a, const gw::Finding& b) { return a.object < b.object; });
}

std::size_t ClusterView::problem_count() const noexcept {
  std::size_t count = findings().size();
  for (const auto& problems : problems_) count += problems->size();
  return count;
}

boost::json::object ClusterView::problem(std::size_t index) const {
  if (index < findings().size()) return finding_value(findings()[index]);
  index -= findings().size();
  for (const auto& problems : problems_) {
    if (index < problems->size()) return problem_value((*problems)[index]);
    index -= problems->size();
  }
  return {};
}

}  // namespace clusterdns::app
