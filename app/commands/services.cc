#include "app/commands/services.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include "app/corefile/arguments.h"
#include "app/corefile/error.h"
#include "app/corefile/parser.h"
#include "app/instance.h"
#include "app/logging.h"
#include "zones/service_block.h"

namespace clusterdns::app {
namespace {

// One service as it is shown.
struct Row {
  std::string ns, name, type;
  std::vector<std::string> addresses, ports, endpoints, names;
  std::string external_name;
};

std::string label_text(std::span<const std::uint8_t> label) {
  return {reinterpret_cast<const char*>(label.data()) + 1, label.size() - 1};
}

Row describe(const registry::Service& service, registry::Store& store,
             const std::vector<std::string>& zones) {
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
  const auto slices = store.slices(service.key);
  // What is served is what is shown: names come from the very block that would answer.
  const auto block = zones::ServiceBlock::build(service, slices, {}, 0);
  for (const auto* slice : slices) {
    for (const auto& endpoint : slice->endpoints) {
      row.endpoints.push_back(endpoint.address.to_string() + (endpoint.ready ? "" : " (not ready)"));
    }
  }
  for (const std::string& zone : zones) {
    const std::string base = row.name + "." + row.ns + ".svc." + zone;
    if (block == nullptr) continue;
    row.names.push_back(base);
    for (const auto& port : block->named_ports()) {
      const std::string protocol = port.protocol == registry::Protocol::Tcp   ? "_tcp"
                                   : port.protocol == registry::Protocol::Udp ? "_udp"
                                                                              : "_sctp";
      row.names.push_back(label_text(block->label(port.label)) + "." + protocol + "." + base);
    }
    for (std::uint32_t i = 0; i < block->endpoint_count(); ++i) {
      zones::ServiceBlock::LabelScratch scratch;
      row.names.push_back(label_text(block->endpoint_label(i, scratch)) + "." + base);
    }
  }
  return row;
}

std::string join(const std::vector<std::string>& words, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < words.size() && i < most; ++i) text += (i == 0 ? "" : ",") + words[i];
  if (words.size() > most) text += fmt::format(",+{}", words.size() - most);
  return text.empty() ? "-" : text;
}

void print_table(const std::vector<Row>& rows, std::ostream& out) {
  // Rows stay readable: the rest of a long list is a count; json and yaml have it all.
  constexpr std::size_t kShown = 4;
  std::vector<std::array<std::string, 7>> cells{
      {"NAMESPACE", "NAME", "TYPE", "ADDRESSES", "PORTS", "ENDPOINTS", "DNS NAMES"}};
  for (const Row& row : rows) {
    cells.push_back({row.ns, row.name, row.type,
                     row.external_name.empty() ? join(row.addresses, kShown) : row.external_name,
                     join(row.ports, kShown), join(row.endpoints, kShown), join(row.names, 1)});
  }
  std::array<std::size_t, 7> width{};
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  }
  for (const auto& line : cells) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      text += i + 1 == line.size() ? line[i] : fmt::format("{:<{}}  ", line[i], width[i]);
    }
    out << text << "\n";
  }
}

void emit(const std::vector<Row>& rows, bool json, std::ostream& out) {
  YAML::Emitter emitter;
  if (json) {
    emitter.SetSeqFormat(YAML::Flow);
    emitter.SetMapFormat(YAML::Flow);
    emitter.SetStringFormat(YAML::DoubleQuoted);
  }
  emitter << YAML::BeginSeq;
  for (const Row& row : rows) {
    emitter << YAML::BeginMap << YAML::Key << "namespace" << YAML::Value << row.ns << YAML::Key
            << "name" << YAML::Value << row.name << YAML::Key << "type" << YAML::Value << row.type
            << YAML::Key << "addresses" << YAML::Value << row.addresses << YAML::Key << "ports"
            << YAML::Value << row.ports << YAML::Key << "endpoints" << YAML::Value << row.endpoints;
    if (!row.external_name.empty()) {
      emitter << YAML::Key << "externalName" << YAML::Value << row.external_name;
    }
    emitter << YAML::Key << "names" << YAML::Value << row.names << YAML::EndMap;
  }
  emitter << YAML::EndSeq;
  out << emitter.c_str() << "\n";
}

}  // namespace

int run_services(const ServicesOptions& options, std::ostream& out, std::ostream& err) {
  try {
    const Corefile corefile =
        options.corefile ? load_corefile(*options.corefile)
                         : parse_corefile(corefile_for_serve(options.cluster), "services");
    dns::ReclaimDomain reclaim(1);
    Environment environment{reclaim, 1, make_silent_logger(), {}, {}, nullptr, true};
    (void)build_configuration(corefile, environment, kDnsPort);
    // The zones of the first `kubernetes` directive that are not reverse zones.
    std::vector<std::string> zones;
    for (const ServerBlock& block : corefile.blocks) {
      for (const Directive& directive : block.directives) {
        if (directive.name.text != "kubernetes" || !zones.empty()) continue;
        for (const std::string& zone : parse_zones(directive.args, block)) {
          if (!zone.ends_with(".arpa.")) zones.push_back(zone);
        }
      }
    }
    std::vector<Row> rows;
    for (auto& [key, data] : environment.clusters) {
      if (data.source->api() != nullptr) {
        throw std::runtime_error("services: the configuration reads the Kubernetes API, which this "
                                 "command does not ask; use kubectl, or give --manifests");
      }
      registry::Store& store = data.source->store();
      store.for_each_service([&](const registry::Service& service) {
        if (options.namespace_name && service.key.ns != *options.namespace_name) return;
        rows.push_back(describe(service, store, zones));
      });
    }
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return std::tie(a.ns, a.name) < std::tie(b.ns, b.name);
    });
    if (options.format == OutputFormat::Table) {
      print_table(rows, out);
    } else {
      emit(rows, options.format == OutputFormat::Json, out);
    }
    return 0;
  } catch (const std::exception& e) {
    err << "clusterdns: " << e.what() << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
