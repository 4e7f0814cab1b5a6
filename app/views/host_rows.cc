#include "app/views/host_rows.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "app/base/json.h"
#include "registry/gateway_host.h"
#include "registry/gateways/addresses.h"
#include "registry/gateways/checks.h"
#include "registry/gateways/plan.h"

namespace clusterdns::app {

namespace gw = registry::gateways;
using registry::ObjectKey;

namespace {

std::string text_of(const registry::ObjectKey& key) { return key.ns + "/" + key.name; }

void add(std::vector<std::string>& to, std::string text) {
  if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(std::move(text));
}

// Where the object that brings the host sends what comes for it.
std::vector<std::string> routed_to(const gw::Claim& claim, const gw::Provider& provider,
                                   const std::string& zone) {
  std::vector<std::string> result;
  if (claim.by == nullptr) return {"Service " + text_of(provider.service)};
  switch (claim.by->kind) {
    case gw::Kind::VirtualService: {
      const auto& service = gw::as<gw::VirtualService>(*claim.by);
      for (const gw::VirtualServiceRule& rule : service.rules) {
        for (const gw::Destination& to : rule.destinations) {
          add(result, gw::host_of(to.host, service.key.ns, zone) +
                          (to.port == 0 ? "" : ":" + std::to_string(to.port)));
        }
      }
      return result;
    }
    case gw::Kind::Ingress:
      for (const gw::IngressRule& rule : gw::as<gw::Ingress>(*claim.by).rules) {
        if (rule.host != claim.host) continue;
        for (const gw::Backend& to : rule.backends) add(result, "Service " + text_of(to.service));
      }
      return result;
    case gw::Kind::HttpRoute:
    case gw::Kind::GrpcRoute:
    case gw::Kind::TlsRoute:
      for (const auto& rule : gw::as<gw::Route>(*claim.by).rules) {
        for (const gw::Backend& to : rule) add(result, "Service " + text_of(to.service));
      }
      return result;
    default: return result;
  }
}

std::string source_of(const gw::Claim& claim) {
  const auto name = [](gw::SourceKind kind) {
    return std::string(gw::kSourceNames[static_cast<std::size_t>(kind)]);
  };
  if (claim.by == nullptr) return name(gw::SourceKind::Service);
  switch (claim.by->kind) {
    case gw::Kind::Ingress: return name(gw::SourceKind::Ingress);
    case gw::Kind::ServiceEntry: return name(gw::SourceKind::ServiceEntry);
    case gw::Kind::IstioGateway:
    case gw::Kind::VirtualService: return name(gw::SourceKind::Istio);
    default: return name(gw::SourceKind::GatewayApi);
  }
}

ObjectKey object_of(const gw::Claim& claim, const gw::Provider& provider) {
  return claim.by == nullptr ? provider.service : claim.by->key;
}

std::string kind_of(const gw::Claim& claim) {
  return claim.by == nullptr ? "Service" : std::string(gw::names_of(claim.by->kind).kind);
}

std::string key_text(const std::string& host, const std::string& gateway, const std::string& kind,
                     const ObjectKey& object) {
  return host + " " + gateway + " " + kind + " " + text_of(object);
}

}  // namespace

void HostList::add(const registry::Store& store, gw::CheckSettings settings) {
  Part part{&store, std::move(settings), {}, {}};
  part.plan = gw::make_plan(store, part.settings.plan);
  gw::AddressFinder finder(store, part.settings.ingress);
  std::vector<bool> claimed(part.plan.providers.size());
  for (const gw::Claim& claim : part.plan.claims) claimed[claim.provider] = true;
  part.resolved.resize(part.plan.providers.size());
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    if (claimed[i]) part.resolved[i] = finder.find(part.plan.providers[i]);
  }
  const auto number = static_cast<std::uint32_t>(parts_.size());
  for (std::size_t i = 0; i < part.plan.claims.size(); ++i) {
    places_.push_back({number, static_cast<std::uint32_t>(i)});
  }
  parts_.push_back(std::move(part));
}

HostRow HostList::head(std::size_t index) const {
  const Place place = places_[index];
  const Part& part = parts_[place.part];
  const gw::Claim& claim = part.plan.claims[place.claim];
  const gw::Provider& provider = part.plan.providers[claim.provider];
  const gw::Resolved& resolved = part.resolved[claim.provider];
  HostRow row;
  row.host = claim.host;
  row.gateway = gw::describe(provider);
  row.kind = kind_of(claim);
  row.object = object_of(claim, provider);
  row.source = source_of(claim);
  for (const auto& address : resolved.addresses) row.addresses.push_back(address.to_string());
  if (!resolved.alias.empty()) row.addresses.push_back(resolved.alias);
  row.missing = resolved.missing;
  row.state = row.addresses.empty() ? "no address" : "ok";
  return row;
}

HostRow HostList::row(std::size_t index) const {
  const Part& part = parts_[places_[index].part];
  const gw::Claim& its = claim(places_[index]);
  HostRow row = head(index);
  row.routed_to = routed_to(its, part.plan.providers[its.provider], part.settings.plan.zone);
  return row;
}

std::string HostList::key_of(const HostRow& row) {
  return key_text(row.host, row.gateway, row.kind, row.object);
}

std::string HostList::key_at(Place place) const {
  const gw::Claim& its = claim(place);
  const gw::Provider& provider = parts_[place.part].plan.providers[its.provider];
  return key_text(its.host, gw::describe(provider), kind_of(its), object_of(its, provider));
}

void HostList::sort() {
  std::stable_sort(places_.begin(), places_.end(), [&](Place a, Place b) {
    // A key is only made where it decides: what stands behind the shorter of two hosts is a space,
    // which comes before all that may stand in a host.
    const std::string& one = claim(a).host;
    const std::string& other = claim(b).host;
    return one != other ? one < other : key_at(a) < key_at(b);
  });
}

std::size_t HostList::behind(const std::string& key) const {
  const auto at = std::upper_bound(
      places_.begin(), places_.end(), key,
      [&](const std::string& wanted, Place place) { return wanted < key_at(place); });
  return static_cast<std::size_t>(at - places_.begin());
}

std::vector<HostRow> host_rows(std::span<const ServedGateways> served) {
  HostList list;
  for (const ServedGateways& each : served) {
    gw::CheckSettings settings;
    settings.plan = each.options.plan;
    settings.ingress = each.options.ingress;
    list.add(each.source->store(), std::move(settings));
  }
  std::vector<HostRow> rows;
  rows.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) rows.push_back(list.row(i));
  if (served.size() > 1) {
    std::stable_sort(rows.begin(), rows.end(),
                     [](const HostRow& a, const HostRow& b) { return a.host < b.host; });
  }
  return rows;
}

boost::json::object host_value(const HostRow& row) {
  boost::json::object value{
      {"host", json_text(row.host)},           {"kind", json_text(row.kind)},
      {"namespace", json_text(row.object.ns)}, {"name", json_text(row.object.name)},
      {"gateway", json_text(row.gateway)},     {"addresses", json_texts(row.addresses)}};
  if (!row.missing.empty()) value["missing"] = json_text(row.missing);
  value["routed_to"] = json_texts(row.routed_to);
  value["state"] = json_text(row.state);
  return value;
}

HostRow host_row_from(const boost::json::value& value) {
  const boost::json::object& object = value.as_object();
  HostRow row;
  row.host = text_member(object, "host");
  row.kind = text_member(object, "kind");
  row.object = {text_member(object, "namespace"), text_member(object, "name")};
  row.gateway = text_member(object, "gateway");
  row.addresses = texts_member(object, "addresses");
  if (object.contains("missing")) row.missing = text_member(object, "missing");
  row.routed_to = texts_member(object, "routed_to");
  row.state = text_member(object, "state");
  return row;
}

}  // namespace clusterdns::app
