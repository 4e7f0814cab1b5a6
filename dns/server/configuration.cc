#include "dns/server/configuration.h"

#include <algorithm>

namespace clusterdns::dns {

void ListenerRoutes::add(Name zone, std::shared_ptr<const Route> route) {
  for (const auto& stage : route->stages) {
    Upstream* const upstream = stage->upstream();
    if (upstream != nullptr &&
        std::find(upstreams_.begin(), upstreams_.end(), upstream) == upstreams_.end()) {
      upstreams_.push_back(upstream);
    }
  }
  entries_.push_back({zone, std::move(route)});
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.zone.label_count() > b.zone.label_count();
  });
}

const std::shared_ptr<const Route>* ListenerRoutes::find(const Query& query) const noexcept {
  for (const Entry& entry : entries_) {
    const std::size_t size = entry.zone.size();
    if (size == 1) return &entry.route;
    if (size > query.qname_size) continue;
    const std::size_t at = query.qname_size - size;
    if (!equal_padded(query.lower.data() + at, entry.zone.data(), size)) continue;
    // The octets agree; the place must also be a label boundary.
    for (unsigned label = 0; label <= query.label_count; ++label) {
      if (query.label_offset[label] == at) return &entry.route;
      if (query.label_offset[label] > at) break;
    }
  }
  return nullptr;
}

bool ListenerRoutes::recursion_available(const Endpoint& client) const noexcept {
  for (const Upstream* upstream : upstreams_) {
    if (upstream->allows(client)) return true;
  }
  return false;
}

}  // namespace clusterdns::dns
