#include "zones/host_feed.h"

#include <algorithm>
#include <ctime>

#include "registry/gateway_host.h"
#include "registry/selector.h"

namespace clusterdns::zones {

namespace gw = registry::gateways;
using registry::ObjectKey;
using registry::Service;
using registry::ServiceType;

namespace {

dns::Name name_of(std::string_view base) {
  const auto name = dns::Name::from_text(base);
  if (!name) return {};
  dns::Name lower = *name;
  lower.make_lower();
  return lower;
}

std::string key_of(const dns::Name& name) {
  return {reinterpret_cast<const char*>(name.data()), name.size()};
}

// The name above it. REQUIRES: not the root.
dns::Name parent_of(const dns::Name& name) {
  const std::size_t skip = std::size_t{1} + name.data()[0];
  return dns::Name(name.view().subspan(skip));
}

std::string text_of(const gw::Provider& provider) {
  const ObjectKey& key = provider.object == nullptr ? provider.service : provider.object->key;
  const int kind = provider.object == nullptr ? -1 : static_cast<int>(provider.object->kind);
  return std::to_string(kind) + ' ' + key.ns + '/' + key.name + '\n';
}

}  // namespace

HostFeed::HostFeed(registry::Store& store, std::shared_ptr<HostTable> table,
                   HostFeedOptions options)
    : store_(store), table_(std::move(table)), options_(std::move(options)) {
  store_.add_observer(this);
  rebuild();
}

HostFeed::~HostFeed() { store_.remove_observer(this); }

bool HostFeed::matters(const ObjectKey& key) {
  if (services_.contains(key)) return true;
  const Service* const service = store_.service(key);
  if (service == nullptr) return false;
  if (service->detail && !service->detail->hosts.empty()) return true;
  if (has_named_ && registry::find_label(service->labels, gw::kGatewayNameLabel) != nullptr) {
    return true;
  }
  if (selectors_.empty() || service->selector.empty()) return false;
  // It may select a pod that a Gateway selects.
  if (service->type == ServiceType::LoadBalancer || service->type == ServiceType::NodePort ||
      !service->external_ips.empty()) {
    return true;
  }
  return std::any_of(selectors_.begin(), selectors_.end(), [&](const registry::Labels& selector) {
    return registry::matches(selector, service->selector);
  });
}

bool HostFeed::matters(const registry::Pod& pod) const {
  return std::any_of(selectors_.begin(), selectors_.end(),
                     [&](const registry::Labels& selector) {
                       return registry::matches(selector, pod.labels);
                     }) ||
         std::any_of(pod_selectors_.begin(), pod_selectors_.end(), [&](const auto& selector) {
           return selector.first == pod.key.ns && registry::matches(selector.second, pod.labels);
         });
}

void HostFeed::on_commit(const Changes& changes) {
  bool claims = changes.gateways;
  bool addresses = false;
  // allowedRoutes chooses namespaces by their labels.
  claims = claims || (has_named_ && !changes.of<registry::Namespace>().empty());
  for (const ObjectKey& key : changes.services) {
    if (claims) break;
    if (!matters(key)) continue;
    addresses = true;
    const Service* const service = store_.service(key);
    const bool annotated = service != nullptr && service->detail && !service->detail->hosts.empty();
    const bool claimed =
        std::any_of(providers_.begin(), providers_.end(), [&](const gw::Provider& provider) {
          return provider.object == nullptr && provider.service == key;
        });
    claims = annotated || claimed;
  }
  if (!claims && !addresses) {
    const auto pods = changes.of<registry::Pod>();
    addresses = std::any_of(pods.begin(), pods.end(), [&](const auto& pod) {
      return (pod.before != nullptr && matters(*pod.before)) ||
             (pod.after != nullptr && matters(*pod.after));
    });
  }
  if (claims) {
    rebuild();
  } else if (addresses) {
    refresh_addresses();
  }
}

void HostFeed::resolve() {
  gw::AddressFinder finder(store_, options_.ingress);
  resolved_.clear();
  services_.clear();
  selectors_.clear();
  pod_selectors_.clear();
  has_named_ = false;
  for (const gw::Provider& provider : providers_) {
    resolved_.push_back(finder.find(provider));
    std::vector<const Service*> services;
    if (provider.object == nullptr) {
      services_.insert(provider.service);
      if (const Service* const service = store_.service(provider.service)) {
        services.push_back(service);
      }
    } else if (provider.object->kind == gw::Kind::IstioGateway) {
      const auto& gateway = gw::as<gw::IstioGateway>(*provider.object);
      if (gateway.selector.empty()) continue;
      selectors_.insert(gateway.selector);
      services = finder.services_of(gateway);
    } else if (provider.object->kind == gw::Kind::Gateway) {
      has_named_ = true;
      services = finder.services_of(gw::as<gw::Gateway>(*provider.object));
    }
    for (const Service* const service : services) {
      services_.insert(service->key);
      const bool by_pods =
          service->type == ServiceType::NodePort || service->type == ServiceType::LoadBalancer;
      if (by_pods && !service->selector.empty()) {
        pod_selectors_.emplace_back(service->key.ns, service->selector);
      }
    }
  }
  std::sort(pod_selectors_.begin(), pod_selectors_.end());
  pod_selectors_.erase(std::unique(pod_selectors_.begin(), pod_selectors_.end()),
                       pod_selectors_.end());
}

HostAddresses HostFeed::join(const std::vector<std::uint32_t>& providers) const {
  using registry::IpFamily;
  std::vector<registry::IpAddress> addresses;
  std::vector<registry::IpAddress> inside;
  HostAddresses result;
  std::string alias;
  const auto add = [](const std::vector<registry::IpAddress>& from,
                      std::vector<registry::IpAddress>& to) {
    for (const registry::IpAddress& address : from) {
      if (to.size() >= gw::kMaxHostAddresses) return;
      if (std::find(to.begin(), to.end(), address) == to.end()) to.push_back(address);
    }
  };
  for (const std::uint32_t i : providers) {
    const gw::Resolved& resolved = resolved_[i];
    add(resolved.addresses, addresses);
    // A source without a Service is the same for everybody.
    if (options_.inside)
      add(resolved.inside.empty() ? resolved.addresses : resolved.inside, inside);
    if (alias.empty()) alias = resolved.alias;
    if (result.missing.empty()) result.missing = resolved.missing;
  }
  result.a_rows = host_rows(addresses, IpFamily::V4, options_.ttl);
  result.aaaa_rows = host_rows(addresses, IpFamily::V6, options_.ttl);
  result.inside_a_rows = host_rows(inside, IpFamily::V4, options_.ttl);
  result.inside_aaaa_rows = host_rows(inside, IpFamily::V6, options_.ttl);
  if (addresses.empty() && !alias.empty()) result.alias = name_of(alias);
  if (!addresses.empty() || result.has_alias()) result.missing.clear();
  return result;
}

HostTable::GroupId HostFeed::group_of(const std::vector<std::uint32_t>& providers) {
  if (providers.empty()) return HostTable::kNoGroup;
  std::string key;
  for (const std::uint32_t i : providers) key += text_of(providers_[i]);
  const auto at = groups_.find(key);
  if (at == groups_.end()) {
    Group group{table_->add_group(join(providers)), providers, true};
    return groups_.emplace(std::move(key), std::move(group)).first->second.id;
  }
  Group& group = at->second;
  if (!std::exchange(group.used, true)) {
    group.providers = providers;
    table_->set_group(group.id, join(providers));
  }
  return group.id;
}

const dns::Name* HostFeed::zone_of(const dns::Name& name) const {
  const dns::Name* found = nullptr;
  for (const dns::Name& zone : options_.zones) {
    if (!name.is_at_or_below(zone.view())) continue;
    if (found == nullptr || zone.size() > found->size()) found = &zone;
  }
  return found;
}

void HostFeed::rebuild() {
  gw::Plan plan = gw::make_plan(store_, options_.plan);
  providers_ = std::move(plan.providers);
  held_.clear();
  for (const gw::Provider& provider : providers_) {
    if (provider.object == nullptr) continue;
    held_.push_back(store_.gateways().find_shared(provider.object->kind, provider.object->key));
  }
  resolve();
  for (auto& [key, group] : groups_) group.used = false;
  left_out_ = plan.left_out;

  // What is at each name: the providers of the host itself, and of the two wildcards at it.
  struct Wanted {
    dns::Name name;
    std::array<std::vector<std::uint32_t>, HostTable::kReaches> providers;
    std::uint32_t below = 0;
    bool claimed = false;
  };
  std::unordered_map<std::string, Wanted> wanted;
  for (const gw::Claim& claim : plan.claims) {
    const dns::Name name = name_of(gw::base_of(claim.host));
    Wanted& at = wanted[key_of(name)];
    at.name = name;
    at.claimed = true;
    const HostTable::Reach reach = !gw::is_wildcard(claim.host) ? HostTable::kExact
                                   : claim.one_label            ? HostTable::kOneBelow
                                                                : HostTable::kBelow;
    at.providers[reach].push_back(claim.provider);
  }
  if (!options_.zones.empty()) {
    std::vector<dns::Name> names;
    for (const auto& [key, at] : wanted) names.push_back(at.name);
    for (const dns::Name& name : names) {
      const dns::Name* const zone = zone_of(name);
      if (zone == nullptr) continue;
      for (dns::Name above = name; above.size() > zone->size();) {
        above = parent_of(above);
        Wanted& at = wanted[key_of(above)];
        at.name = above;
        if (at.below++ != 0) break;  // and so are those above it
      }
    }
  }
  for (auto it = published_.begin(); it != published_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    const auto* const octets = reinterpret_cast<const std::uint8_t*>(it->first.data());
    table_->remove(dns::Name(dns::NameView(octets, it->first.size())));
    it = published_.erase(it);
  }
  for (auto& [key, at] : wanted) {
    // One label below, both wildcards stand for the name: of the narrower reach all together.
    auto& one = at.providers[HostTable::kOneBelow];
    const auto& below = at.providers[HostTable::kBelow];
    if (!one.empty()) one.insert(one.end(), below.begin(), below.end());
    for (auto& providers : at.providers) {
      std::sort(providers.begin(), providers.end());
      providers.erase(std::unique(providers.begin(), providers.end()), providers.end());
    }
    HostTable::GroupIds ids{};
    for (std::size_t i = 0; i < HostTable::kReaches; ++i) ids[i] = group_of(at.providers[i]);
    if (!table_->set(at.name, ids)) {
      ++left_out_;
      continue;
    }
    published_[key] = {ids, at.below, at.claimed};
  }
  for (auto it = groups_.begin(); it != groups_.end();) {
    if (it->second.used) {
      ++it;
      continue;
    }
    table_->remove_group(it->second.id);
    it = groups_.erase(it);
  }
  if (left_out_ != 0 && left_out_ != told_ && options_.warn) {
    options_.warn(std::to_string(left_out_) + " hosts are left out: more than " +
                  std::to_string(gw::kMaxClaims) + " hosts with their gateways, or " +
                  std::to_string(kMaxHostOctets / (1024 * 1024)) + " MiB of them");
  }
  told_ = left_out_;
  note_figures();
  table_->set_serial(static_cast<std::uint32_t>(::time(nullptr)));
  table_->collect();
}

void HostFeed::refresh_addresses() {
  resolve();
  for (auto& [key, group] : groups_) table_->set_group(group.id, join(group.providers));
  note_figures();
  table_->set_serial(static_cast<std::uint32_t>(::time(nullptr)));
  table_->collect();
}

void HostFeed::note_figures() {
  std::size_t hosts = 0;
  std::size_t without = 0;
  for (const auto& [key, at] : published_) {
    if (!at.claimed) continue;
    hosts += static_cast<std::size_t>(
        std::count_if(at.groups.begin(), at.groups.end(),
                      [](HostTable::GroupId id) { return id != HostTable::kNoGroup; }));
  }
  for (const gw::Resolved& resolved : resolved_) without += resolved.missing.empty() ? 0 : 1;
  figures_->objects.store(store_.gateways().size(), std::memory_order_relaxed);
  figures_->hosts.store(hosts, std::memory_order_relaxed);
  figures_->without_address.store(without, std::memory_order_relaxed);
  figures_->left_out.store(left_out_, std::memory_order_relaxed);
  figures_->octets.store(table_->octets(), std::memory_order_relaxed);
}

}  // namespace clusterdns::zones
