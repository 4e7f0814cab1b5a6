#include "app/admin/readiness.h"

#include <algorithm>
#include <set>

namespace clusterdns::app {

void Readiness::replace(std::vector<Source> sources, bool continuously) {
  const std::lock_guard lock(mutex_);
  sources_ = std::move(sources);
  continuously_ = continuously;
}

Readiness::Answer Readiness::ask() {
  if (draining_.load(std::memory_order_acquire)) return {503, "Shutting down"};
  std::set<std::string> waiting;  // sorted, each once, as CoreDNS has them
  // Not a plugin of CoreDNS's, which opens /ready before its sockets answer.
  if (!serving_.load(std::memory_order_acquire)) waiting.insert("listeners");
  {
    const std::lock_guard lock(mutex_);
    for (Source& source : sources_) {
      if (source.ready == nullptr) continue;
      if (!source.ready()) {
        waiting.insert(source.plugin);
      } else if (!continuously_) {
        source.ready = nullptr;
      }
    }
  }
  if (waiting.empty()) return {200, "OK"};
  std::string names;
  for (const std::string& name : waiting) names += (names.empty() ? "" : ",") + name;
  logger_->info("plugin/ready: Plugins not ready: \"{}\"", names);
  return {503, names};
}

bool Readiness::is_ready() {
  if (draining_.load(std::memory_order_acquire)) return false;
  const std::lock_guard lock(mutex_);
  return std::all_of(sources_.begin(), sources_.end(), [](const Source& source) {
    return source.ready == nullptr || source.ready();
  });
}

}  // namespace clusterdns::app
