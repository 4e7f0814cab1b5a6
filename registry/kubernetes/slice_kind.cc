// discovery.k8s.io/v1 EndpointSlices.
#include "registry/kubernetes/api_object.h"
#include "registry/kubernetes/json_fields.h"
#include "registry/kubernetes/protobuf.h"
#include "registry/shown_text.h"
#include "registry/validation.h"

namespace clusterdns::registry::kubernetes {
namespace {

struct RawEndpoint {
  std::vector<std::string_view> addresses;
  bool ready = true;
  std::string_view hostname, target_name, zone;
};

// One endpoint for each address. Those that are none are left out.
void add_endpoint(const RawEndpoint& raw, PartialObject& to) {
  auto& slice = to.body<EndpointSlice>();
  ApiObject& object = to.object;
  std::shared_ptr<const EndpointDetail> detail;
  const std::string_view hostname =
      parts::checked(object, "endpoints[].hostname", raw.hostname, is_dns_label, kDnsLabelRule);
  // Names of pods may have dots and be longer than a label; such a pod's endpoint goes by its
  // address.
  const std::string_view target = to.options.target_names && is_dns_label(raw.target_name)
                                      ? raw.target_name
                                      : std::string_view();
  const std::string_view zone =
      to.options.zones
          ? parts::checked(object, "endpoints[].zone", raw.zone, is_label_value, kLabelValueRule)
          : std::string_view();
  if (!hostname.empty() || !target.empty() || !zone.empty()) {
    const EndpointDetail* const last =
        slice.endpoints.empty() ? nullptr : slice.endpoints.back().detail.get();
    // Endpoints in a row are often of one zone and nothing else.
    if (last != nullptr && last->hostname == hostname && last->target_name == target &&
        last->zone == zone) {
      detail = slice.endpoints.back().detail;
    } else {
      detail = std::make_shared<const EndpointDetail>(
          EndpointDetail{std::string(hostname), std::string(target), std::string(zone), {}});
    }
  }
  for (const std::string_view text : raw.addresses) {
    if (const auto address = IpAddress::parse_legacy(text)) {
      slice.endpoints.push_back({*address, raw.ready, detail});
    } else if (object.note.empty()) {
      object.note =
          "endpoints[].addresses: " + shown(text) + " is not an IP address; it is left out";
    }
  }
}

void add_port(const parts::RawPort& raw, PartialObject& to) {
  EndpointPort& port = to.body<EndpointSlice>().ports.emplace_back();
  port.name = parts::checked(to.object, "ports[].name", raw.name, is_dns_label, kDnsLabelRule);
  port.protocol = parts::protocol_of(raw.protocol);
  // Not set: every port.
  if (raw.port == 0) return;
  if (is_port_number(raw.port)) {
    port.port = static_cast<std::uint16_t>(raw.port);
  } else {
    parts::note(to.object, "ports[].port", std::to_string(raw.port), kPortNumberRule);
  }
}

bool read_endpoint(std::span<const std::uint8_t> data, PartialObject& to) {
  RawEndpoint raw;
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1: raw.addresses.push_back(r.text()); break;
      case 2: {
        ProtoReader conditions(r.bytes());
        while (conditions.next()) {
          if (conditions.field() == 1) raw.ready = conditions.value() != 0;
        }
        if (!conditions.ok()) return false;
        break;
      }
      case 3: raw.hostname = r.text(); break;
      case 4: {
        if (!to.options.target_names) break;
        ProtoReader reference(r.bytes());
        while (reference.next()) {
          if (reference.field() == 3) raw.target_name = reference.text();
        }
        if (!reference.ok()) return false;
        break;
      }
      case 7: raw.zone = r.text(); break;
      default: break;
    }
  }
  if (!r.ok()) return false;
  add_endpoint(raw, to);
  return true;
}

bool read_field(ProtoReader& field, PartialObject& to) {
  if (field.field() == 2) return read_endpoint(field.bytes(), to);
  if (field.field() != 3) return true;
  parts::RawPort port;
  ProtoReader r(field.bytes());
  while (r.next()) parts::read_port_field(r, port);
  if (r.ok()) add_port(port, to);
  return r.ok();
}

void read_slice(const json::object& root, PartialObject& to) {
  RawEndpoint raw;
  each_object(root, "endpoints", [&](const json::object& from) {
    std::vector<std::string_view> addresses = std::move(raw.addresses);
    addresses.clear();
    raw = {};
    raw.addresses = std::move(addresses);
    each_text(from, "addresses", [&](std::string_view text) { raw.addresses.push_back(text); });
    if (const json::object* const conditions = object_at(from, "conditions")) {
      raw.ready = flag_at(*conditions, "ready", true);
    }
    raw.hostname = text_at(from, "hostname");
    raw.zone = text_at(from, "zone");
    if (const json::object* const target = object_at(from, "targetRef")) {
      raw.target_name = text_at(*target, "name");
    }
    add_endpoint(raw, to);
  });
  each_object(root, "ports", [&](const json::object& from) {
    add_port({text_at(from, "name"), text_at(from, "protocol"), number_at(from, "port")}, to);
  });
}

void begin(ApiObject& object) { object.body.emplace<EndpointSlice>(); }

void add_label(std::string_view key, std::string_view value, PartialObject& to) {
  if (key == kServiceNameLabel) to.service_name = value;
  if (key == kImportNameLabel) to.object.import_name = value;
  if (key == kSourceClusterLabel) to.object.import_cluster = value;
}

void finish(PartialObject& to) {
  auto& slice = to.body<EndpointSlice>();
  ApiObject& object = to.object;
  slice.key = object.key;
  slice.service = std::move(to.service_name);
  if (!slice.service.empty() && !is_dns_label(slice.service)) {
    object.problem =
        "the service " + shown(slice.service) + " is not " + std::string(kDnsLabelRule);
  }
  if (!is_dns_label(object.import_cluster)) {
    object.import_cluster = parts::checked(object, kSourceClusterLabel, object.import_cluster,
                                           is_dns_label, kDnsLabelRule);
  }
}

}  // namespace

const ApiKind& kinds::endpoint_slices() {
  static constexpr ObjectForm kForm{false, true, begin, read_field, read_slice, add_label, finish};
  static const ApiKind kKind{
      "endpointslices", "EndpointSlice", {"/apis/discovery.k8s.io/v1/endpointslices"}, false, "",
      &kForm,           nullptr};
  return kKind;
}

}  // namespace clusterdns::registry::kubernetes
