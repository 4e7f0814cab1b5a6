#include "app/console/changes.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "app/base/json.h"

namespace clusterdns::app {

namespace gw = registry::gateways;

namespace {

std::string joined(const std::vector<registry::IpAddress>& addresses) {
  std::string text;
  for (const auto& address : addresses) text += (text.empty() ? "" : " ") + address.to_string();
  return text;
}

}  // namespace

ChangeFeed::ChangeFeed(registry::Store& store, Tell tell) : store_(store), tell_(std::move(tell)) {
  store_.for_each_service([&](const registry::Service& service) {
    services_.emplace(service.key, fields_of(service));
  });
  store_.for_each_slice([&](const registry::EndpointSlice& slice) {
    const registry::ObjectKey service{slice.key.ns, slice.service};
    if (!endpoints_.contains(service)) endpoints_.emplace(service, endpoints_of(service));
  });
  for (const auto& [key, object] : store_.gateways().all()) gateways_.emplace(key, object->content);
  store_.add_observer(this);
}

ChangeFeed::~ChangeFeed() { store_.remove_observer(this); }

ChangeFeed::Fields ChangeFeed::fields_of(const registry::Service& service) {
  Fields fields;
  fields["type"] = service.headless ? "Headless" : to_string(service.type);
  if (!service.cluster_ips.empty()) fields["clusterIP"] = joined(service.cluster_ips);
  if (!service.external_name.empty()) fields["externalName"] = service.external_name;
  if (!service.external_ips.empty()) fields["externalIPs"] = joined(service.external_ips);
  if (!service.load_balancer_ips.empty())
    fields["loadBalancer"] = joined(service.load_balancer_ips);
  std::string ports;
  for (const auto& port : service.ports) {
    ports +=
        fmt::format("{}{}{}/{}", ports.empty() ? "" : " ", port.name.empty() ? "" : port.name + ":",
                    port.port, to_string(port.protocol));
  }
  if (!ports.empty()) fields["ports"] = std::move(ports);
  return fields;
}

ChangeFeed::Endpoints ChangeFeed::endpoints_of(const registry::ObjectKey& service) const {
  Endpoints all;
  for (const auto* slice : store_.slices(service)) {
    for (const auto& endpoint : slice->endpoints)
      all.emplace_back(endpoint.address, endpoint.ready);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void ChangeFeed::on_commit(const Changes& changes) {
  for (const registry::ObjectKey& key : changes.services) look_at(key);
  const auto look = [&](const auto& list) {
    for (const auto& each : list) {
      const auto key = registry::key_view(each.either());
      tell(std::string(each.either().kRow.name), {std::string(key.ns), std::string(key.name)},
           each.before == nullptr  ? "added"
           : each.after == nullptr ? "removed"
                                   : "changed",
           {});
    }
  };
  look(changes.of<registry::Namespace>());
  look(changes.of<registry::Pod>());
  if (changes.gateways) look_at_gateways();
}

void ChangeFeed::look_at(const registry::ObjectKey& key) {
  const registry::Service* const service = store_.service(key);
  const auto before = services_.find(key);
  if (service != nullptr) {
    Fields now = fields_of(*service);
    if (before == services_.end()) {
      std::vector<std::string> what;
      for (const auto& [name, value] : now) what.push_back(name + ": " + value);
      tell("Service", key, "added", std::move(what));
      services_.emplace(key, std::move(now));
    } else if (now != before->second) {
      std::vector<std::string> what;
      const auto value_of = [](const Fields& fields, const std::string& name) {
        const auto at = fields.find(name);
        return at == fields.end() ? std::string("none") : at->second;
      };
      Fields both = now;
      both.insert(before->second.begin(), before->second.end());
      for (const auto& [name, ignored] : both) {
        const std::string old = value_of(before->second, name);
        const std::string fresh = value_of(now, name);
        if (old != fresh) what.push_back(name + ": " + old + " -> " + fresh);
      }
      tell("Service", key, "changed", std::move(what));
      before->second = std::move(now);
    }
  } else if (before != services_.end()) {
    tell("Service", key, "removed", {});
    services_.erase(before);
  }
  Endpoints now = endpoints_of(key);
  const auto known = endpoints_.find(key);
  static const Endpoints kNone;
  const Endpoints& old = known == endpoints_.end() ? kNone : known->second;
  if (now == old) return;
  std::vector<std::string> what;
  const auto state = [](bool ready) { return std::string(ready ? "ready" : "not ready"); };
  const auto find = [](const Endpoints& all,
                       const registry::IpAddress& address) -> std::optional<bool> {
    const auto at = std::lower_bound(all.begin(), all.end(), std::pair(address, false));
    if (at == all.end() || at->first != address) return std::nullopt;
    return at->second;
  };
  for (const auto& [address, ready] : now) {
    const auto was = find(old, address);
    if (!was) {
      what.push_back(address.to_string() + ": added, " + state(ready));
    } else if (*was != ready) {
      what.push_back(address.to_string() + ": " + state(*was) + " -> " + state(ready));
    }
  }
  for (const auto& [address, ready] : old) {
    if (!find(now, address)) what.push_back(address.to_string() + ": removed");
  }
  tell("Endpoints", key,
       old.empty()   ? "added"
       : now.empty() ? "removed"
                     : "changed",
       std::move(what));
  if (now.empty()) {
    endpoints_.erase(key);
  } else {
    endpoints_[key] = std::move(now);
  }
}

void ChangeFeed::look_at_gateways() {
  std::map<gw::ObjectSet::Key, std::uint64_t> now;
  for (const auto& [key, object] : store_.gateways().all()) {
    now.emplace(key, object->content);
    const auto before = gateways_.find(key);
    if (before != gateways_.end() && before->second == object->content) continue;
    tell(std::string(gw::names_of(key.first).kind), key.second,
         before == gateways_.end() ? "added" : "changed", {});
  }
  for (const auto& [key, content] : gateways_) {
    if (!now.contains(key)) {
      tell(std::string(gw::names_of(key.first).kind), key.second, "removed", {});
    }
  }
  gateways_ = std::move(now);
}

void ChangeFeed::tell(const std::string& kind, const registry::ObjectKey& key, const char* change,
                      std::vector<std::string> what) {
  if (what.size() > kConsoleChangeWords) {
    const std::size_t more = what.size() - kConsoleChangeWords;
    what.resize(kConsoleChangeWords);
    what.push_back("and " + std::to_string(more) + " more");
  }
  tell_({{"kind", json_text(kind)},
         {"namespace", json_text(key.ns)},
         {"name", json_text(key.name)},
         {"change", change},
         {"what", json_texts(what)}});
}

}  // namespace clusterdns::app
