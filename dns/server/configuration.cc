#include "dns/server/configuration.h"

#include <algorithm>
#include <map>

#include "dns/query/upstream.h"

namespace clusterdns::dns {

void ListenerRoutes::add(const Name& zone, std::shared_ptr<const Route> route) {
  // The zones of a block share its stages, and stand one after the other.
  if (routes_.empty() || routes_.back()->stages != route->stages) {
    for (const auto& stage : route->stages) {
      const Upstream* const upstream = stage->upstream();
      if (upstream == nullptr) continue;
      forwards_ = true;
      if (const AddressRanges* const clients = upstream->clients()) {
        clients_.add(*clients);
      } else if (std::find(upstreams_.begin(), upstreams_.end(), upstream) == upstreams_.end()) {
        upstreams_.push_back(upstream);
      }
    }
  }
  for (const auto& observer : route->observers) {
    if (observer->sees_gates() &&
        std::find(observers_.begin(), observers_.end(), observer) == observers_.end()) {
      observers_.push_back(observer);
    }
  }
  routes_.push_back(route);
  if (zones_.add(zone) != by_zone_.size()) return;  // an earlier one has it
  by_zone_.push_back(route);
  if (by_zone_.size() > ZoneSet::kFew) {
    few_ = {};
    return;
  }
  const auto at = std::find_if(few_.begin(), few_.end(), [&](const Entry& entry) {
    return entry.zone.label_count() < zone.label_count();
  });
  few_.insert(at, {zone, std::move(route)});
}

ListenerRoutes ListenerRoutes::with_routes(
    const std::function<std::shared_ptr<const Route>(const Route&)>& replace) const {
  ListenerRoutes copy = *this;
  copy.observers_.clear();
  std::map<const Route*, std::shared_ptr<const Route>> made;
  for (auto& route : copy.routes_) {
    route = made[route.get()] = replace(*route);
    for (const auto& observer : route->observers) {
      if (observer->sees_gates() && std::find(copy.observers_.begin(), copy.observers_.end(),
                                              observer) == copy.observers_.end()) {
        copy.observers_.push_back(observer);
      }
    }
  }
  for (auto& route : copy.by_zone_) route = made.at(route.get());
  for (Entry& entry : copy.few_) entry.route = made.at(entry.route.get());
  return copy;
}

const std::shared_ptr<const Route>* ListenerRoutes::find(const Query& query) const noexcept {
  for (const Entry& entry : few_) {
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
  return find_among_many(query);
}

const std::shared_ptr<const Route>* ListenerRoutes::find_among_many(
    const Query& query) const noexcept {
  if (by_zone_.size() <= ZoneSet::kFew) return nullptr;
  const std::size_t i = zones_.find(query.name(), query.label_offset.data(), query.label_count);
  return i == ZoneSet::kNone ? nullptr : &by_zone_[i];
}

bool ListenerRoutes::may_forward(const Endpoint& client) const noexcept {
  if (clients_.contains(client)) return true;
  return std::any_of(upstreams_.begin(), upstreams_.end(),
                     [&](const Upstream* upstream) { return upstream->allows(client); });
}

}  // namespace clusterdns::dns
