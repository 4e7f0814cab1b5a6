// core/v1 Services, and ServiceImports of multicluster.x-k8s.io, which are read as Services.
#include "registry/gateway_host.h"
#include "registry/kubernetes/api_object.h"
#include "registry/kubernetes/json_fields.h"
#include "registry/kubernetes/protobuf.h"
#include "registry/selector.h"
#include "registry/validation.h"

namespace clusterdns::registry::kubernetes {
namespace {

using Octets = std::span<const std::uint8_t>;

// What is read of a Service before it can be put together.
struct RawService {
  std::string_view cluster_ip, type, external_name;
  bool publish_not_ready = false;
};

void add_port(const parts::RawPort& raw, PartialObject& to) {
  auto& service = to.body<Service>();
  if (!is_port_number(raw.port)) {
    return parts::note(to.object, "spec.ports[].port", std::to_string(raw.port), kPortNumberRule);
  }
  ServicePort& port = service.ports.emplace_back();
  port.name = parts::checked(to.object, "spec.ports[].name", raw.name, is_dns_label, kDnsLabelRule);
  port.protocol = parts::protocol_of(raw.protocol);
  port.port = static_cast<std::uint16_t>(raw.port);
  if (!to.options.gateways) return;
  if (is_port_number(raw.target_port))
    port.target_port = static_cast<std::uint16_t>(raw.target_port);
  if (is_port_name(raw.target_port_name)) port.target_port_name = raw.target_port_name;
  if (is_port_number(raw.node_port)) port.node_port = static_cast<std::uint16_t>(raw.node_port);
  if (raw.app_protocol.empty() || raw.app_protocol.size() > kMaxAppProtocol) return;
  to.service.app_protocols.push_back({port.port, port.protocol, std::string(raw.app_protocol)});
}

void put_together(const RawService& raw, PartialObject& to) {
  auto& service = to.body<Service>();
  service.type = raw.type == "ExternalName"   ? ServiceType::ExternalName
                 : raw.type == "NodePort"     ? ServiceType::NodePort
                 : raw.type == "LoadBalancer" ? ServiceType::LoadBalancer
                                              : ServiceType::ClusterIP;
  service.headless = raw.cluster_ip == "None";
  service.publish_not_ready_addresses = raw.publish_not_ready;
  if (service.type == ServiceType::ExternalName) {
    std::string_view name = raw.external_name;
    if (name.ends_with('.')) name.remove_suffix(1);
    service.external_name =
        parts::checked(to.object, "spec.externalName", name, fits_dns, kFitsDnsRule);
    service.cluster_ips.clear();
    service.headless = false;
  } else if (service.cluster_ips.empty() && !service.headless) {
    // API servers before dual stack have only the one.
    parts::add_address(raw.cluster_ip, service.cluster_ips);
  }
}

void add_selector(std::string_view key, std::string_view value, PartialObject& to) {
  if (to.options.gateways) to.body<Service>().selector.emplace_back(key, value);
}

void add_balancer(std::string_view ip, std::string_view hostname, PartialObject& to) {
  parts::add_address(ip, to.body<Service>().load_balancer_ips);
  if (hostname.empty()) return;
  auto name = gateways::parse_host(hostname);
  if (name && !gateways::is_wildcard(*name)) to.service.balancer_names.push_back(std::move(*name));
}

void add_external_ip(std::string_view ip, PartialObject& to) {
  parts::add_address(ip, to.body<Service>().external_ips);
}

// --- protobuf ------------------------------------------------------------------------------------

// An IntOrString: its type 1, the number 2, the text 3.
bool read_target_port(Octets data, parts::RawPort& port) {
  ProtoReader r(data);
  std::int64_t type = 0;
  while (r.next()) {
    if (r.field() == 1) type = static_cast<std::int64_t>(r.value());
    if (r.field() == 2) port.target_port = static_cast<std::int64_t>(r.value());
    if (r.field() == 3) port.target_port_name = r.text();
  }
  if (type == 0) port.target_port_name = {};
  if (type == 1) port.target_port = 0;
  return r.ok();
}

bool read_port(Octets data, PartialObject& to) {
  parts::RawPort port;
  ProtoReader r(data);
  while (r.next()) {
    parts::read_port_field(r, port);
    if (r.field() == 4 && !read_target_port(r.bytes(), port)) return false;
    if (r.field() == 5) port.node_port = static_cast<std::int64_t>(r.value());
    if (r.field() == 6) port.app_protocol = r.text();
  }
  if (r.ok()) add_port(port, to);
  return r.ok();
}

bool read_spec(Octets data, PartialObject& to) {
  RawService raw;
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        if (!read_port(r.bytes(), to)) return false;
        break;
      case 2: {
        std::string_view key, value;
        if (!read_map_entry(r.bytes(), key, value)) return false;
        add_selector(key, value, to);
        break;
      }
      case 3: raw.cluster_ip = r.text(); break;
      case 4: raw.type = r.text(); break;
      case 5: add_external_ip(r.text(), to); break;
      case 10: raw.external_name = r.text(); break;
      case 13: raw.publish_not_ready = r.value() != 0; break;
      case 18: parts::add_address(r.text(), to.body<Service>().cluster_ips); break;
      default: break;
    }
  }
  put_together(raw, to);
  return r.ok();
}

// ServiceStatus.loadBalancer (1) . ingress (1) . ip (1), hostname (2)
bool read_status(Octets data, PartialObject& to) {
  ProtoReader status(data);
  while (status.next()) {
    if (status.field() != 1) continue;
    ProtoReader balancer(status.bytes());
    while (balancer.next()) {
      if (balancer.field() != 1) continue;
      std::string_view ip, hostname;
      ProtoReader ingress(balancer.bytes());
      while (ingress.next()) {
        if (ingress.field() == 1) ip = ingress.text();
        if (ingress.field() == 2) hostname = ingress.text();
      }
      if (!ingress.ok()) return false;
      add_balancer(ip, hostname, to);
    }
    if (!balancer.ok()) return false;
  }
  return status.ok();
}

bool read_service_field(ProtoReader& field, PartialObject& to) {
  if (field.field() == 2) return read_spec(field.bytes(), to);
  if (field.field() == 3) return read_status(field.bytes(), to);
  return true;
}

// --- JSON ----------------------------------------------------------------------------------------

void read_ports(const json::object& spec, PartialObject& to) {
  each_object(spec, "ports", [&](const json::object& from) {
    parts::RawPort port{text_at(from, "name"), text_at(from, "protocol"), number_at(from, "port")};
    port.target_port = number_at(from, "targetPort");
    port.target_port_name = text_at(from, "targetPort");
    port.node_port = number_at(from, "nodePort");
    port.app_protocol = text_at(from, "appProtocol");
    add_port(port, to);
  });
}

void read_service(const json::object& root, PartialObject& to) {
  auto& service = to.body<Service>();
  if (const json::object* const spec = object_at(root, "spec")) {
    RawService raw;
    read_ports(*spec, to);
    raw.cluster_ip = text_at(*spec, "clusterIP");
    raw.type = text_at(*spec, "type");
    raw.external_name = text_at(*spec, "externalName");
    raw.publish_not_ready = flag_at(*spec, "publishNotReadyAddresses", false);
    if (const json::object* const selector = object_at(*spec, "selector")) {
      for (const auto& label : *selector) {
        add_selector({label.key().data(), label.key().size()}, text_of(label.value()), to);
      }
    }
    each_text(*spec, "externalIPs", [&](std::string_view ip) { add_external_ip(ip, to); });
    each_text(*spec, "clusterIPs",
              [&](std::string_view ip) { parts::add_address(ip, service.cluster_ips); });
    put_together(raw, to);
  }
  const json::object* const status = object_at(root, "status");
  const json::object* const balancer =
      status == nullptr ? nullptr : object_at(*status, "loadBalancer");
  if (balancer == nullptr) return;
  each_object(*balancer, "ingress", [&](const json::object& ingress) {
    add_balancer(text_at(ingress, "ip"), text_at(ingress, "hostname"), to);
  });
}

void read_import(const json::object& root, PartialObject& to) {
  auto& service = to.body<Service>();
  const json::object* const spec = object_at(root, "spec");
  if (spec == nullptr) return;
  read_ports(*spec, to);
  service.headless = text_at(*spec, "type") == "Headless";
  each_text(*spec, "ips",
            [&](std::string_view ip) { parts::add_address(ip, service.cluster_ips); });
}

// -------------------------------------------------------------------------------------------------

void begin(ApiObject& object) { object.body.emplace<Service>(); }

void add_label(std::string_view key, std::string_view value, PartialObject& to) {
  if (to.options.labels || to.options.gateways) to.labels.emplace_back(key, value);
}

void finish(PartialObject& to) {
  auto& service = to.body<Service>();
  service.key = to.object.key;
  service.labels = std::move(to.labels);
  normalize(service.selector);
  if (to.options.gateways) service.created = to.created;
  ServiceDetail& detail = to.service;
  for (const std::string_view part : gateways::split_list(to.hostnames)) {
    if (auto host = gateways::parse_host(part)) {
      detail.hosts.push_back(std::move(*host));
    } else {
      parts::note(to.object, "an annotation …/hostname", part, gateways::kHostRule);
    }
  }
  for (const std::string_view part : gateways::split_list(to.targets)) {
    if (const auto address = IpAddress::parse(part)) {
      detail.target_ips.push_back(*address);
    } else if (auto name = gateways::parse_host(part); name && !gateways::is_wildcard(*name)) {
      detail.target_names.push_back(std::move(*name));
    } else {
      parts::note(to.object, "an annotation …/target", part, "an address or a DNS name");
    }
  }
  if (detail == ServiceDetail{}) return;
  trim(detail);
  service.detail = share_detail(std::move(detail));
}

}  // namespace

const ApiKind& kinds::services() {
  static constexpr ObjectForm kForm{true,         true,      begin, read_service_field,
                                    read_service, add_label, finish};
  static const ApiKind kKind{"services", "Service", {"/api/v1/services"}, false, "",
                             &kForm,     nullptr};
  return kKind;
}

const ApiKind& kinds::service_imports() {
  static constexpr ObjectForm kForm{true, true, begin, nullptr, read_import, add_label, finish};
  static const ApiKind kKind{"serviceimports",
                             "ServiceImport",
                             {"/apis/multicluster.x-k8s.io/v1alpha1/serviceimports"},
                             true,
                             "",
                             &kForm,
                             nullptr};
  return kKind;
}

}  // namespace clusterdns::registry::kubernetes
