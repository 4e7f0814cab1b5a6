// core/v1 Pods.
#include "registry/kubernetes/api_object.h"
#include "registry/kubernetes/json_fields.h"
#include "registry/kubernetes/protobuf.h"
#include "registry/members.h"
#include "registry/validation.h"

namespace clusterdns::registry::kubernetes {
namespace {

using Octets = std::span<const std::uint8_t>;

void add_port(const parts::RawPort& raw, PartialObject& to) {
  if (!is_port_number(raw.port)) return;
  const auto number = static_cast<std::uint16_t>(raw.port);
  to.pod.numbers.push_back(number);
  if (!is_port_name(raw.name)) return;
  to.pod.ports.push_back({std::string(raw.name), parts::protocol_of(raw.protocol), number});
}

void add_condition(std::string_view type, std::string_view status, PartialObject& to) {
  if (type == "Ready") to.pod.ready = status == "True";
}

// --- protobuf ------------------------------------------------------------------------------------

// ContainerPort: name 1, containerPort 3, protocol 4.
bool read_port(Octets data, PartialObject& to) {
  parts::RawPort port;
  ProtoReader r(data);
  while (r.next()) {
    if (r.field() == 1) port.name = r.text();
    if (r.field() == 3) port.port = static_cast<std::int64_t>(r.value());
    if (r.field() == 4) port.protocol = r.text();
  }
  if (r.ok()) add_port(port, to);
  return r.ok();
}

// PodSpec: containers 2, whose ports are 6.
bool read_spec(Octets data, PartialObject& to) {
  ProtoReader spec(data);
  while (spec.next()) {
    if (spec.field() != 2) continue;
    ProtoReader container(spec.bytes());
    while (container.next()) {
      if (container.field() == 6 && !read_port(container.bytes(), to)) return false;
    }
    if (!container.ok()) return false;
  }
  return spec.ok();
}

// PodIP, HostIP: ip 1.
bool read_ip(Octets data, std::vector<IpAddress>& to) {
  ProtoReader r(data);
  while (r.next()) {
    if (r.field() == 1) parts::add_address(r.text(), to);
  }
  return r.ok();
}

// API servers before Kubernetes 1.28 have only the one.
void add_host_ip(std::string_view ip, PartialObject& to) {
  if (to.pod.host_ips.empty()) parts::add_address(ip, to.pod.host_ips);
}

// PodStatus: conditions 2 (type 1, status 2), hostIP 5, podIPs 12, hostIPs 16.
bool read_status(Octets data, PartialObject& to) {
  std::string_view host_ip;
  ProtoReader r(data);
  while (r.next()) {
    if (r.field() == 12 && !read_ip(r.bytes(), to.body<Pod>().ips)) return false;
    if (!to.options.gateways) continue;
    if (r.field() == 5) host_ip = r.text();
    if (r.field() == 16 && !read_ip(r.bytes(), to.pod.host_ips)) return false;
    if (r.field() == 2) {
      std::string_view type, status;
      if (!read_map_entry(r.bytes(), type, status)) return false;  // the same numbers
      add_condition(type, status, to);
    }
  }
  add_host_ip(host_ip, to);
  return r.ok();
}

bool read_field(ProtoReader& field, PartialObject& to) {
  if (field.field() == 2 && to.options.gateways) return read_spec(field.bytes(), to);
  if (field.field() == 3) return read_status(field.bytes(), to);
  return true;
}

// --- JSON ----------------------------------------------------------------------------------------

void read_pod(const json::object& root, PartialObject& to) {
  const json::object* const spec = object_at(root, "spec");
  const json::object* const status = object_at(root, "status");
  if (status != nullptr) {
    each_object(*status, "podIPs", [&](const json::object& ip) {
      parts::add_address(text_at(ip, "ip"), to.body<Pod>().ips);
    });
  }
  if (!to.options.gateways) return;
  if (status != nullptr) {
    each_object(*status, "hostIPs", [&](const json::object& ip) {
      parts::add_address(text_at(ip, "ip"), to.pod.host_ips);
    });
    add_host_ip(text_at(*status, "hostIP"), to);
    each_object(*status, "conditions", [&](const json::object& condition) {
      add_condition(text_at(condition, "type"), text_at(condition, "status"), to);
    });
  }
  if (spec == nullptr) return;
  each_object(*spec, "containers", [&](const json::object& container) {
    each_object(container, "ports", [&](const json::object& port) {
      add_port({text_at(port, "name"), text_at(port, "protocol"), number_at(port, "containerPort")},
               to);
    });
  });
}

void begin(ApiObject& object) { object.body.emplace<Pod>(); }

void add_label(std::string_view key, std::string_view value, PartialObject& to) {
  if (to.options.labels || to.options.gateways) to.labels.emplace_back(key, value);
}

void finish(PartialObject& to) {
  auto& pod = to.body<Pod>();
  pod.key = to.object.key;
  pod.labels = std::move(to.labels);
  if (!to.options.gateways) return;
  to.pod.created = to.created;
  trim(to.pod);
  pod.detail = share_detail(std::move(to.pod));
}

}  // namespace

const ApiKind& kinds::pods() {
  static constexpr ObjectForm kForm{false, true, begin, read_field, read_pod, add_label, finish};
  // Pods that have ended have no address of their own any more; CoreDNS asks the same.
  static const ApiKind kKind{"pods",
                             "Pod",
                             {"/api/v1/pods"},
                             false,
                             "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown",
                             &kForm,
                             nullptr};
  return kKind;
}

}  // namespace clusterdns::registry::kubernetes
