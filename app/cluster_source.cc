#include "app/cluster_source.h"

#include <stdexcept>

namespace clusterdns::app {

using registry::Diagnostic;

namespace {

// How often the log says that the API server is waited for, as CoreDNS does.
constexpr std::chrono::milliseconds kTellEvery{500};
// Scrapes come every 15 seconds or so.
constexpr std::chrono::milliseconds kShowEvery{1000};

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

void ClusterSource::load(spdlog::logger& logger) {
  if (api_ && api_->load_snapshot()) set_known();
  if (!manifests_) return;
  std::string errors;
  for (const Diagnostic& d : manifests_->load()) {
    if (d.severity == Diagnostic::Severity::Error) {
      errors += (errors.empty() ? "" : "\n") + d.text;
    } else {
      logger.warn("plugin/kubernetes: {}", d.text);
    }
  }
  if (!errors.empty()) throw std::runtime_error(errors);
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
  manifests_->watch(io, [logger = std::move(logger)](const std::vector<Diagnostic>& diagnostics) {
    for (const Diagnostic& d : diagnostics) {
      if (d.severity == Diagnostic::Severity::Error) {
        logger->error("plugin/kubernetes: {}", d.text);
      } else {
        logger->warn("plugin/kubernetes: {}", d.text);
      }
    }
    if (diagnostics.empty()) logger->info("plugin/kubernetes: manifests reloaded");
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
