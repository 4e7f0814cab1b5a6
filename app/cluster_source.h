// A registry and what keeps it current, shared by all `kubernetes` directives that ask for the same.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <spdlog/logger.h>

#include "registry/manifests/manifest_source.h"
#include "registry/store.h"

namespace clusterdns::app {

// Lives on the control thread.
class ClusterSource {
 public:
  // A store that manifests fill. Nothing is read yet.
  explicit ClusterSource(registry::ManifestOptions options);
  // A store that somebody else fills and owns, who must keep it for as long as this.
  explicit ClusterSource(registry::Store& store) : store_(&store) {}

  // Reads what there is. Throws std::runtime_error with every error found; warnings are logged.
  void load(spdlog::logger& logger);
  // Follows changes from now on; errors are logged and what was good stays.
  void watch(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger);
  void stop();

  // True once the store has held everything there was to read; it stays true. Until then names of
  // the cluster are not known and `ready` says so.
  [[nodiscard]] bool synced() const noexcept { return true; }

  [[nodiscard]] registry::Store& store() noexcept { return *store_; }
  // nullptr when the store is somebody else's.
  [[nodiscard]] registry::ManifestSource* manifests() noexcept { return manifests_.get(); }

 private:
  std::unique_ptr<registry::Store> own_store_;
  registry::Store* store_;
  std::unique_ptr<registry::ManifestSource> manifests_;
};

}  // namespace clusterdns::app
