// Hosts of gateways as they are listed: by `clusterdns hosts`, and by the console's API.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "app/directives/directive.h"
#include "registry/gateways/checks.h"
#include "registry/model.h"

namespace clusterdns::app {

struct HostRow {
  std::string host;
  std::string kind;  // of the object that brings it: "VirtualService", "Ingress", "Service"
  registry::ObjectKey object;
  std::string source;   // one of registry::gateways::kSourceNames
  std::string gateway;  // what its addresses are those of: "Gateway default/web"
  std::vector<std::string> addresses, routed_to;
  std::string missing;  // why there is no address; empty: there is one
  std::string state;    // "ok", "no address"; "problem" where `check` finds an error
};

// Hosts of any number of clusters, of which rows are made when they are asked for. It refers to the
// stores, which must stay as they are.
class HostList {
 public:
  // Hosts of which there are too many for a plan are left out.
  void add(const registry::Store& store, registry::gateways::CheckSettings settings);

  // In the order of their clusters, by host in each.
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] HostRow row(std::size_t index) const;
  // The same without `routed_to`.
  [[nodiscard]] HostRow head(std::size_t index) const;
  // Puts them in the order of host, gateway and object, of all clusters together; and finds the
  // first that comes behind a key.
  void sort();
  [[nodiscard]] std::size_t behind(const std::string& key) const;
  // One host may have several gateways and objects: they are part of its key.
  [[nodiscard]] static std::string key_of(const HostRow& row);

 private:
  struct Part {
    const registry::Store* store;
    registry::gateways::CheckSettings settings;
    registry::gateways::Plan plan;
    std::vector<registry::gateways::Resolved> resolved;  // by provider
  };
  struct Place {
    std::uint32_t part, claim;
  };
  [[nodiscard]] const registry::gateways::Claim& claim(Place place) const noexcept {
    return parts_[place.part].plan.claims[place.claim];
  }
  [[nodiscard]] std::string key_at(Place place) const;

  std::vector<Part> parts_;
  std::vector<Place> places_;
};

// By host.
[[nodiscard]] std::vector<HostRow> host_rows(std::span<const ServedGateways> served);

[[nodiscard]] boost::json::object host_value(const HostRow& row);
// What host_value() was made of. Throws std::exception when it was not.
[[nodiscard]] HostRow host_row_from(const boost::json::value& value);

}  // namespace clusterdns::app
