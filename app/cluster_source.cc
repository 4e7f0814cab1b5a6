#include "app/cluster_source.h"

#include <stdexcept>

namespace clusterdns::app {

using registry::Diagnostic;

ClusterSource::ClusterSource(registry::ManifestOptions options)
    : own_store_(std::make_unique<registry::Store>()),
      store_(own_store_.get()),
      manifests_(std::make_unique<registry::ManifestSource>(std::move(options), *store_)) {}

void ClusterSource::load(spdlog::logger& logger) {
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

void ClusterSource::stop() {
  if (manifests_) manifests_->stop();
}

}  // namespace clusterdns::app
