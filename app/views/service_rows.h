// Services as they are listed: by `clusterdns services`, and by the console's API.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "app/directives/directive.h"
#include "registry/model.h"

namespace clusterdns::app {

struct ServiceRow {
  std::string ns, name, type;
  std::vector<std::string> addresses, ports, endpoints, names;
  std::string external_name;
  std::string state;  // "ok", "no endpoints", "not ready"; "problem" where `check` finds an error
};

// "ClusterIP", "Headless" and so on: what `kind` selects.
[[nodiscard]] std::string kind_of(const registry::Service& service);
// Whether a stage answers for it at all.
[[nodiscard]] bool is_shown(const registry::Service& service, const ServedCluster& served);
// Of the Services that `wanted` says, by namespace and name. Several stages may answer the same
// one, each in its zones; it is one row then.
[[nodiscard]] std::vector<ServiceRow> service_rows(
    std::span<const ServedCluster> served,
    const std::function<bool(const registry::Service&, const ServedCluster&)>& wanted);
// The same of these keys, which are few.
[[nodiscard]] std::vector<ServiceRow> service_rows(std::span<const ServedCluster> served,
                                                   std::span<const registry::ObjectKey> keys);

[[nodiscard]] boost::json::object service_value(const ServiceRow& row);
// What service_value() was made of. Throws std::exception when it was not.
[[nodiscard]] ServiceRow service_row_from(const boost::json::value& value);

}  // namespace clusterdns::app
