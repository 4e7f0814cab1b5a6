#include "registry/kubernetes/api_object.h"

#include <algorithm>

#include "registry/gateway_host.h"
#include "registry/kubernetes/protobuf.h"
#include "registry/manifests/field_reader.h"
#include "registry/manifests/json_documents.h"
#include "registry/selector.h"
#include "registry/shown_text.h"
#include "registry/validation.h"

namespace clusterdns::registry::kubernetes {

ApiKind make_api_kind(const Kind& row) {
  ApiKind kind;
  kind.name = row.full_name();
  kind.object = row.name;
  kind.optional = true;
  kind.row = &row;
  for (const std::string_view version : row.versions) {
    if (version.empty()) continue;
    std::string path = row.group.empty() ? "/api/" : "/apis/" + std::string(row.group) + '/';
    kind.paths.push_back(path.append(version).append(1, '/').append(row.plural));
  }
  return kind;
}

bool read_object(Encoding encoding, const ApiKind& kind, std::span<const std::uint8_t> data,
                 const ReadOptions& options, ApiObject& object) {
  bool read = false;
  if (kind.form != nullptr) {
    PartialObject partial{options, kind, object};
    read = encoding == Encoding::Json ? read_json(data, partial)
                                      : kind.has_protobuf() && read_protobuf(data, partial);
  } else {
    read = encoding == Encoding::Json && read_tree(data, kind, object);
  }
  if (!read && object.problem.empty()) {
    object.problem =
        encoding == Encoding::Protobuf ? "it is not a protobuf message" : "it is not a JSON object";
  }
  return read;
}

namespace {

// Keeps the tree of the object that is read, for as long as it takes to read it.
class TreeReader final : public DocumentVisitor {
 public:
  TreeReader(const ApiKind& kind, ApiObject& object) : kind_(kind), object_(object) {}
  bool read = false;

  void on_object(const YamlNode& node, const YamlNode* list) override {
    // The elements of a field `items` come by themselves; the object follows.
    if (list != nullptr || !node.is_map()) return;
    read = true;
    Findings findings;
    const Field root(&node, node.mark, "", findings);
    const Field metadata = root["metadata"];
    object_.key = {metadata["namespace"].text_or(""), metadata["name"].text_or("")};
    object_.resource_version = metadata["resourceVersion"].text_or("");
    object_.terminating = metadata["deletionTimestamp"].is_set();
    object_.initial_events_end = metadata["annotations"][kInitialEventsEnd].text_or("") == "true";
    if (object_.key.name.empty()) return;  // a bookmark
    findings = {};
    AnyObject body = kind_.row->read(root);
    if (findings.errors.empty()) {
      object_.body = std::move(body);
      if (!findings.warnings.empty()) object_.note = findings.warnings.front().what;
    } else {
      object_.problem = findings.errors.front().what;
    }
  }

 private:
  const ApiKind& kind_;
  ApiObject& object_;
};

}  // namespace

bool read_tree(std::span<const std::uint8_t> data, const ApiKind& kind, ApiObject& object) {
  TreeReader reader(kind, object);
  const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  const auto error = registry::read_json(text, 0, 1, reader, kMaxApiTreeOctets);
  if (!error) return reader.read;
  object.body = std::monostate{};
  object.problem = error->what;
  return false;
}

namespace parts {

void add_annotation(std::string_view key, std::string_view value, PartialObject& to) {
  if (key == kTriggerTimeAnnotation) to.object.change_trigger_time = value;
  if (key == kInitialEventsEnd) to.object.initial_events_end = value == "true";
  if (!to.options.gateways) return;
  bool older = false;
  const std::string_view name = gateways::annotation_name(key, &older);
  if (name == "hostname" && !to.older_hostnames) {
    to.hostnames = value;
    to.older_hostnames = older;
  } else if (name == "target" && !to.older_targets) {
    to.targets = value;
    to.older_targets = older;
  }
}

void note(ApiObject& object, std::string_view field, std::string_view value,
          std::string_view rule) {
  if (!object.note.empty()) return;
  object.note = std::string(field) + ": " + shown(value) + " is not " + std::string(rule) +
                "; it is treated as not set";
}

std::string_view checked(ApiObject& object, std::string_view field, std::string_view text,
                         bool (*rule)(std::string_view) noexcept, std::string_view sentence) {
  if (text.empty() || rule(text)) return text;
  note(object, field, text, sentence);
  return {};
}

Protocol protocol_of(std::string_view text) noexcept {
  return text == "UDP" ? Protocol::Udp : text == "SCTP" ? Protocol::Sctp : Protocol::Tcp;
}

void read_port_field(ProtoReader& field, RawPort& port) {
  if (field.field() == 1) port.name = field.text();
  if (field.field() == 2) port.protocol = field.text();
  if (field.field() == 3) port.port = static_cast<std::int64_t>(field.value());
}

void add_address(std::string_view text, std::vector<IpAddress>& to) {
  if (const auto ip = IpAddress::parse_legacy(text)) to.push_back(*ip);
}

void finish(PartialObject& to) {
  ApiObject& object = to.object;
  const ObjectKey& key = object.key;
  const ObjectForm& form = *to.kind.form;
  if (key.name.empty()) {
    // A bookmark has a resourceVersion and nothing else; whether it should have more is for the
    // caller to know.
    object.body = std::monostate{};
    return;
  }
  if (form.label_name ? !is_dns_label(key.name) : !is_dns_subdomain(key.name)) {
    object.problem = "the name " + shown(key.name) + " is not " +
                     std::string(form.label_name ? kDnsLabelRule : kDnsSubdomainRule);
  } else if (form.namespaced && !is_dns_label(key.ns)) {
    object.problem = "the namespace " + shown(key.ns) + " is not " + std::string(kDnsLabelRule);
  }
  normalize(to.labels);
  form.finish(to);
}

}  // namespace parts
}  // namespace clusterdns::registry::kubernetes
