#include "app/directives/cluster_source.h"

#include <algorithm>
#include <utility>

namespace clusterdns::app {

using registry::Problem;

namespace {

// How often the log says that the API server is waited for, as CoreDNS does.
constexpr std::chrono::milliseconds kTellEvery{500};
// Scrapes come every 15 seconds or so.
constexpr std::chrono::milliseconds kShowEvery{1000};

using registry::kubernetes::KubernetesSource;
using registry::kubernetes::SourceOptions;

// Whether both ask an API server of the same cluster, however each gets there: they have one in
// common, and whom to believe, since several clusters of one machine have had its ports in turn.
// Namespaces that were read without labels would be taken for ones that are not selected.
bool same_cluster(const KubernetesSource& now, const KubernetesSource& then) {
  if (now.options().api.ca_data != then.options().api.ca_data ||
      now.options().api.ca_file != then.options().api.ca_file) {
    return false;
  }
  const auto& a = now.options().api.servers;
  const auto& b = then.options().api.servers;
  const bool labels = then.options().read.namespace_labels && then.synced();
  if (!now.options().namespace_labels.empty() && !labels) return false;
  return std::any_of(a.begin(), a.end(), [&](const auto& server) {
    return std::find(b.begin(), b.end(), server) != b.end();
  });
}

// Puts what `from` has into `to`, as far as a source with these options watches it; the objects are
// shared.
void fill(const SourceOptions& options, const registry::Store& from, registry::Store& to) {
  const registry::StoreObjects objects = from.objects();
  for (const auto& service : objects.services) to.upsert(service);
  if (options.endpoints) {
    for (const auto& slice : objects.slices) to.upsert(slice);
  }
  for (const auto& each : objects.others) {
    const bool watched =
        each.kind == &registry::Namespace::kRow ||
        (each.kind == &registry::Pod::kRow && options.pods) ||
        std::find(options.kinds.begin(), options.kinds.end(), each.kind) != options.kinds.end();
    if (!watched) continue;
    for (const auto& object : each.objects) to.table(*each.kind).upsert_any(object);
  }
  if (options.read.gateways) {
    for (const auto& object : objects.gateways) (void)to.gateways().put(object);
  }
  to.commit();
}

}  // namespace

ClusterSource::ClusterSource(registry::ManifestOptions options)
    : own_store_(std::make_unique<registry::Store>()),
      store_(own_store_.get()),
      manifests_(std::make_unique<registry::ManifestSource>(std::move(options), *store_)) {}

ClusterSource::ClusterSource(registry::kubernetes::SourceOptions api,
                             std::optional<registry::ManifestOptions> manifests,
                             std::chrono::milliseconds startup_timeout,
                             std::shared_ptr<spdlog::logger> logger)
    : own_store_(std::make_unique<registry::Store>()),
      store_(own_store_.get()),
      startup_timeout_(startup_timeout),
      logger_(std::move(logger)),
      synced_(false),
      known_(false) {
  registry::Store* api_store = store_;
  if (manifests) {
    api_store_ = std::make_unique<registry::Store>();
    manifest_store_ = std::make_unique<registry::Store>();
    merged_ = std::make_unique<registry::MergedStore>(*manifest_store_, *api_store_, *store_);
    manifests_ =
        std::make_unique<registry::ManifestSource>(std::move(*manifests), *manifest_store_);
    api_store = api_store_.get();
  }
  registry::Store* const imports = api.multicluster ? &imports_ : nullptr;
  api_ = std::make_unique<registry::kubernetes::KubernetesSource>(std::move(api), *api_store,
                                                                  imports, logger_);
  status_ = std::make_shared<StatusBoard>();
  shown_status_ = status_;
}

void ClusterSource::inherit(const ClusterSource& before) {
  if (manifests_ && before.manifests_) manifests_->inherit(*before.manifests_);
  registry::Store& mine = api_store_ ? *api_store_ : *store_;
  const bool empty = mine.service_count() == 0 && mine.table<registry::Namespace>().size() == 0;
  if (!api_ || !before.api_ || !before.known_ || !empty || !same_cluster(*api_, *before.api_)) {
    return;
  }
  const auto& now = api_->options();
  const auto& then = before.api_->options();
  // The same of services; those of the API alone it selects itself.
  const bool labels = then.read.labels && before.api_->synced();
  if (manifests_ && !now.labels.empty() && !labels) return;
  fill(now, before.api_store_ ? *before.api_store_ : *before.store_, mine);
  if (now.multicluster && then.multicluster) fill(now, before.imports_, imports_);
  const bool gateways = !now.read.gateways || (then.read.gateways && now.kinds == then.kinds);
  const bool imports = !now.multicluster || then.multicluster;
  if (before.synced() && gateways && imports) synced_.store(true, std::memory_order_release);
}

void ClusterSource::load() {
  if (api_) {
    const registry::Store& told = api_store_ ? *api_store_ : *store_;
    const registry::AnyTable* const namespaces = told.find_table(registry::Namespace::kRow);
    const bool inherited =
        told.service_count() != 0 || (namespaces != nullptr && namespaces->size() != 0);
    if (inherited || api_->load_snapshot()) set_known();
  }
  if (manifests_) {
    findings_ = std::make_shared<const std::vector<registry::Problem>>(manifests_->load());
  }
}

void ClusterSource::watch(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger) {
  if (std::exchange(watching_, true)) return;
  if (api_) {
    began_ = std::chrono::steady_clock::now();
    waiting_timer_ = std::make_unique<boost::asio::steady_timer>(io);
    api_->start(io, [this] {
      synced_.store(true, std::memory_order_release);
      waiting_timer_->cancel();
      set_known();
      for (const auto& synced : std::exchange(waiting_for_sync_, {})) synced();
    });
    tell_of_waiting();
    status_timer_ = std::make_unique<boost::asio::steady_timer>(io);
    show_status();
  }
  if (!manifests_) return;
  manifests_->watch(io, [logger = std::move(logger)](const std::vector<Problem>& problems) {
    for (const Problem& d : problems) {
      if (d.is_error()) {
        logger->error("plugin/kubernetes: {}", to_string(d));
      } else {
        logger->warn("plugin/kubernetes: {}", to_string(d));
      }
    }
    if (problems.empty()) logger->info("plugin/kubernetes: manifests reloaded");
  });
}

void ClusterSource::show_status() {
  status_->put(api_->status());
  status_timer_->expires_after(kShowEvery);
  status_timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) show_status();
  });
}

// Names other than the cluster's are answered all the while; the lines are CoreDNS's, for those
// who look for them.
void ClusterSource::tell_of_waiting() {
  waiting_timer_->expires_after(kTellEvery);
  waiting_timer_->async_wait([this](const boost::system::error_code& error) {
    if (error || synced()) return;
    if (std::chrono::steady_clock::now() - began_ >= startup_timeout_) {
      logger_->warn("plugin/kubernetes: starting server with unsynced Kubernetes API");
      return;
    }
    logger_->info("plugin/kubernetes: waiting for Kubernetes API before starting server");
    tell_of_waiting();
  });
}

void ClusterSource::when_known(std::function<void()> known) {
  if (known_) {
    known();
  } else {
    waiting_.push_back(std::move(known));
  }
}

void ClusterSource::when_synced(std::function<void()> synced_now) {
  if (synced()) {
    synced_now();
  } else {
    waiting_for_sync_.push_back(std::move(synced_now));
  }
}

void ClusterSource::set_known() {
  known_ = true;
  const auto waiting = std::move(waiting_);
  waiting_.clear();
  for (const auto& known : waiting) known();
}

void ClusterSource::stop() {
  watching_ = false;
  waiting_timer_.reset();
  status_timer_.reset();
  if (api_) api_->stop();
  if (manifests_) manifests_->stop();
}

}  // namespace clusterdns::app
