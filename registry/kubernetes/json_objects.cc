// The API's objects, and its Status, in JSON.
#include <boost/json.hpp>

#include "registry/kubernetes/api_object.h"
#include "registry/kubernetes/protobuf.h"

namespace clusterdns::registry::kubernetes {
namespace {

namespace json = boost::json;

const json::object* object_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

const json::array* array_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  return value == nullptr ? nullptr : value->if_array();
}

std::string_view text_of(const json::value& value) {
  const json::string* const text = value.if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

std::string_view text_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  return value == nullptr ? std::string_view() : text_of(*value);
}

std::uint64_t number_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return 0;
  return static_cast<std::uint64_t>(value->get_int64());
}

bool flag_at(const json::object& parent, std::string_view key, bool fallback) {
  const json::value* const value = parent.if_contains(key);
  return value != nullptr && value->is_bool() ? value->get_bool() : fallback;
}

template <class Visit>
void each_text(const json::object& parent, std::string_view key, Visit&& visit) {
  if (const json::array* const list = array_at(parent, key)) {
    for (const json::value& item : *list) visit(text_of(item));
  }
}

template <class Visit>
void each_object(const json::object& parent, std::string_view key, Visit&& visit) {
  if (const json::array* const list = array_at(parent, key)) {
    for (const json::value& item : *list) {
      if (const json::object* const object = item.if_object()) visit(*object);
    }
  }
}

void add_address(std::string_view text, std::vector<IpAddress>& to) {
  if (const auto ip = IpAddress::parse(text)) to.push_back(*ip);
}

void read_service_ports(const json::object& spec, Service& service) {
  each_object(spec, "ports", [&](const json::object& from) {
    ServicePort port;
    port.name = text_at(from, "name");
    port.protocol = parts::protocol_of(text_at(from, "protocol"));
    port.port = static_cast<std::uint16_t>(number_at(from, "port"));
    service.ports.push_back(std::move(port));
  });
}

void read_service(const json::object& root, Service& service) {
  if (const json::object* const spec = object_at(root, "spec")) {
    parts::RawService raw;
    read_service_ports(*spec, service);
    raw.cluster_ip = text_at(*spec, "clusterIP");
    raw.type = text_at(*spec, "type");
    raw.external_name = text_at(*spec, "externalName");
    raw.publish_not_ready = flag_at(*spec, "publishNotReadyAddresses", false);
    each_text(*spec, "externalIPs",
              [&](std::string_view ip) { add_address(ip, service.external_ips); });
    each_text(*spec, "clusterIPs",
              [&](std::string_view ip) { add_address(ip, service.cluster_ips); });
    parts::finish_service(raw, service);
  }
  const json::object* const status = object_at(root, "status");
  const json::object* const balancer =
      status == nullptr ? nullptr : object_at(*status, "loadBalancer");
  if (balancer != nullptr) {
    each_object(*balancer, "ingress", [&](const json::object& ingress) {
      add_address(text_at(ingress, "ip"), service.load_balancer_ips);
    });
  }
}

void read_import(const json::object& root, Service& service) {
  const json::object* const spec = object_at(root, "spec");
  if (spec == nullptr) return;
  read_service_ports(*spec, service);
  service.headless = text_at(*spec, "type") == "Headless";
  each_text(*spec, "ips", [&](std::string_view ip) { add_address(ip, service.cluster_ips); });
}

void read_slice(const json::object& root, const ReadOptions& options, EndpointSlice& slice) {
  std::vector<std::string_view> addresses;
  each_object(root, "endpoints", [&](const json::object& from) {
    addresses.clear();
    each_text(from, "addresses", [&](std::string_view text) { addresses.push_back(text); });
    parts::RawEndpoint raw;
    if (const json::object* const conditions = object_at(from, "conditions")) {
      raw.ready = flag_at(*conditions, "ready", true);
    }
    raw.hostname = text_at(from, "hostname");
    raw.zone = text_at(from, "zone");
    if (const json::object* const target = object_at(from, "targetRef")) {
      raw.target_name = text_at(*target, "name");
    }
    parts::add_endpoint(raw, addresses, options, slice);
  });
  each_object(root, "ports", [&](const json::object& from) {
    slice.ports.push_back({std::string(text_at(from, "name")),
                           parts::protocol_of(text_at(from, "protocol")),
                           static_cast<std::uint16_t>(number_at(from, "port"))});
  });
}

}  // namespace

bool read_json(Kind kind, std::span<const std::uint8_t> data, const ReadOptions& options,
               ApiObject& object) {
  unsigned char scratch[16 * 1024];
  json::monotonic_resource memory(scratch, sizeof scratch);
  boost::system::error_code error;
  const json::value value = json::parse(
      json::string_view(reinterpret_cast<const char*>(data.data()), data.size()), error, &memory);
  if (error || !value.is_object()) return false;
  const json::object& root = value.get_object();

  Labels labels;
  std::string service_name;
  if (const json::object* const metadata = object_at(root, "metadata")) {
    object.key.name = text_at(*metadata, "name");
    object.key.ns = text_at(*metadata, "namespace");
    object.resource_version = text_at(*metadata, "resourceVersion");
    object.terminating = !text_at(*metadata, "deletionTimestamp").empty();
    if (const json::object* const map = object_at(*metadata, "labels")) {
      for (const auto& label : *map) {
        parts::add_label(kind, options, {label.key().data(), label.key().size()},
                         text_of(label.value()), object, labels, service_name);
      }
    }
    if (const json::object* const map = object_at(*metadata, "annotations")) {
      for (const auto& annotation : *map) {
        parts::add_annotation({annotation.key().data(), annotation.key().size()},
                              text_of(annotation.value()), object);
      }
    }
  }
  switch (kind) {
    case Kind::Services: read_service(root, object.body.emplace<Service>()); break;
    case Kind::ServiceImports: read_import(root, object.body.emplace<Service>()); break;
    case Kind::EndpointSlices:
      read_slice(root, options, object.body.emplace<EndpointSlice>());
      break;
    case Kind::Namespaces: object.body.emplace<Namespace>(); break;
    case Kind::Pods: {
      auto& pod = object.body.emplace<Pod>();
      if (const json::object* const status = object_at(root, "status")) {
        each_object(*status, "podIPs",
                    [&](const json::object& ip) { add_address(text_at(ip, "ip"), pod.ips); });
      }
      break;
    }
  }
  parts::finish(kind, object, std::move(labels), std::move(service_name));
  return true;
}

bool read_status(Encoding encoding, std::span<const std::uint8_t> data, ApiStatus& status) {
  if (encoding == Encoding::Protobuf) {
    ProtoReader r(data);
    while (r.next()) {
      if (r.field() == 3) status.message = r.text();
      if (r.field() == 4) status.reason = r.text();
      if (r.field() == 6) status.code = static_cast<unsigned>(r.value());
    }
    return r.ok();
  }
  boost::system::error_code error;
  const json::value value = json::parse(
      json::string_view(reinterpret_cast<const char*>(data.data()), data.size()), error);
  if (error || !value.is_object()) return false;
  const json::object& root = value.get_object();
  status.code = static_cast<unsigned>(number_at(root, "code"));
  status.reason = text_at(root, "reason");
  status.message = text_at(root, "message");
  return true;
}

}  // namespace clusterdns::registry::kubernetes
