#include "app/views/service_rows.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include "app/base/json.h"
#include "dns/wire/message_reader.h"
#include "zones/record_table.h"
#include "zones/reverse_name.h"

namespace clusterdns::app {
namespace {

using Row = ServiceRow;

// Labels of a name in wire form, without a root label, each with a dot behind it.
std::string labels_text(std::span<const std::uint8_t> labels) {
  std::string text;
  while (!labels.empty()) {
    const std::size_t size = labels[0];
    text.append(reinterpret_cast<const char*>(labels.data()) + 1, size).append(1, '.');
    labels = labels.subspan(size + 1);
  }
  return text;
}

std::string text_of(const dns::Name& zone) { return dns::name_to_text(zone.view()); }

// What a stage answers of `service`. Names come from the very block that it answers from; nullopt
// when there is none, whether the stage does not show the service or there is nothing to say.
std::optional<Row> describe(const registry::Service& service, const ServedCluster& served) {
  const zones::ServiceBlock* const block = served.table->find(service.key);
  if (block == nullptr) return std::nullopt;
  Row row;
  row.ns = service.key.ns;
  row.name = service.key.name;
  row.type = to_string(service.type);
  row.external_name = service.external_name;
  if (service.headless) row.addresses.emplace_back("None");
  for (const auto& ip : service.cluster_ips) row.addresses.push_back(ip.to_string());
  for (const auto& port : service.ports) {
    row.ports.push_back(fmt::format("{}{}/{}", port.name.empty() ? "" : port.name + ":", port.port,
                                    to_string(port.protocol)));
  }
  std::set<std::string> topology_zones;
  std::size_t endpoints = 0;
  std::size_t ready = 0;
  if (served.endpoints) {
    for (const auto* slice : served.store->slices(service.key)) {
      for (const auto& endpoint : slice->endpoints) {
        ++endpoints;
        if (endpoint.ready) ++ready;
        row.endpoints.push_back(endpoint.address.to_string() +
                                (endpoint.ready ? "" : " (not ready)"));
        if (!served.zonal || endpoint.detail == nullptr || endpoint.detail->zone.empty()) continue;
        if (served.table->find(service.key, endpoint.detail->zone) != nullptr) {
          topology_zones.insert(endpoint.detail->zone);
        }
      }
    }
  }
  const bool has_none =
      endpoints == 0 && served.endpoints && service.type != registry::ServiceType::ExternalName;
  row.state = has_none ? "no endpoints" : endpoints != 0 && ready == 0 ? "not ready" : "ok";
  for (const dns::Name& zone : served.zones) {
    if (zones::is_reverse_zone(zone.view())) continue;
    const std::string base = row.name + "." + row.ns + ".svc." + text_of(zone);
    row.names.push_back(base);
    for (const auto& port : block->named_ports()) {
      const std::string protocol = port.protocol == registry::Protocol::Tcp   ? "_tcp"
                                   : port.protocol == registry::Protocol::Udp ? "_udp"
                                                                              : "_sctp";
      row.names.push_back(labels_text(block->label(port.label)) + protocol + "." + base);
    }
    for (std::uint32_t i = 0; i < block->endpoint_count(); ++i) {
      zones::ServiceBlock::LabelScratch scratch;
      row.names.push_back(labels_text(block->plain() ? block->endpoint_label(i, scratch)
                                                     : block->endpoint_name(block->endpoint(i))) +
                          base);
    }
    for (const std::string& topology_zone : topology_zones) {
      row.names.push_back(topology_zone + ".pin._zone." + base);
      row.names.push_back(topology_zone + ".prefer._zone." + base);
    }
  }
  return row;
}

// Several stages may answer the same service, each in its zones.
void merge(Row&& from, std::vector<Row>& rows, std::map<std::string, std::size_t>& places) {
  const auto [place, fresh] =
      places.emplace(fmt::format("{}/{} {} {}", from.ns, from.name, fmt::join(from.addresses, " "),
                                 fmt::join(from.ports, " ")),
                     rows.size());
  if (fresh) {
    rows.push_back(std::move(from));
    return;
  }
  Row& row = rows[place->second];
  const auto add = [](std::vector<std::string>&& more, std::vector<std::string>& all) {
    const std::set<std::string> known(all.begin(), all.end());
    for (std::string& one : more) {
      if (!known.contains(one)) all.push_back(std::move(one));
    }
  };
  add(std::move(from.endpoints), row.endpoints);
  add(std::move(from.names), row.names);
}

class Rows {
 public:
  void add(const registry::Service& service, const ServedCluster& served) {
    if (auto row = describe(service, served)) merge(*std::move(row), rows_, places_);
  }
  [[nodiscard]] std::vector<Row> sorted() && {
    std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      return std::tie(a.ns, a.name) < std::tie(b.ns, b.name);
    });
    return std::move(rows_);
  }

 private:
  std::vector<Row> rows_;
  std::map<std::string, std::size_t> places_;
};

}  // namespace

std::string kind_of(const registry::Service& service) {
  return service.headless ? "Headless" : to_string(service.type);
}

bool is_shown(const registry::Service& service, const ServedCluster& served) {
  return served.table->find(service.key) != nullptr;
}

std::vector<ServiceRow> service_rows(
    std::span<const ServedCluster> served,
    const std::function<bool(const registry::Service&, const ServedCluster&)>& wanted) {
  Rows rows;
  for (const ServedCluster& each : served) {
    each.store->for_each_service([&](const registry::Service& service) {
      if (wanted(service, each)) rows.add(service, each);
    });
  }
  return std::move(rows).sorted();
}

std::vector<ServiceRow> service_rows(std::span<const ServedCluster> served,
                                     std::span<const registry::ObjectKey> keys) {
  Rows rows;
  for (const ServedCluster& each : served) {
    for (const registry::ObjectKey& key : keys) {
      if (const registry::Service* const service = each.store->service(key))
        rows.add(*service, each);
    }
  }
  return std::move(rows).sorted();
}

boost::json::object service_value(const ServiceRow& row) {
  boost::json::object value{
      {"namespace", json_text(row.ns)}, {"name", json_text(row.name)},
      {"type", json_text(row.type)},    {"addresses", json_texts(row.addresses)},
      {"ports", json_texts(row.ports)}, {"endpoints", json_texts(row.endpoints)}};
  if (!row.external_name.empty()) value["externalName"] = json_text(row.external_name);
  value["names"] = json_texts(row.names);
  value["state"] = json_text(row.state);
  return value;
}

ServiceRow service_row_from(const boost::json::value& value) {
  const boost::json::object& object = value.as_object();
  ServiceRow row;
  row.ns = text_member(object, "namespace");
  row.name = text_member(object, "name");
  row.type = text_member(object, "type");
  row.addresses = texts_member(object, "addresses");
  row.ports = texts_member(object, "ports");
  row.endpoints = texts_member(object, "endpoints");
  row.names = texts_member(object, "names");
  if (object.contains("externalName")) row.external_name = text_member(object, "externalName");
  row.state = text_member(object, "state");
  return row;
}

}  // namespace clusterdns::app
