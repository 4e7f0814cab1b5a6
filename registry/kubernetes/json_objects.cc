// The API's objects, and its Status, in JSON: what all kinds have alike.
#include "registry/json_text.h"
#include "registry/kubernetes/api_object.h"
#include "registry/kubernetes/json_fields.h"
#include "registry/kubernetes/protobuf.h"

namespace clusterdns::registry::kubernetes {
namespace {

// 0 when it is none of HTTP's.
unsigned status_code(std::int64_t number) {
  return number >= 100 && number <= 599 ? static_cast<unsigned>(number) : 0;
}

// Go's decoder ends at a member of another type, and nothing of the object counts; else what cannot
// be read would be taken for what is not set. The first such member of those that hold all others;
// nullptr: there is none.
const char* undecodable(const json::object& root) {
  struct Member {
    std::string_view parent, name;
    json::kind kind;
    const char* shown;
  };
  static constexpr Member kMembers[] = {
      {"", "metadata", json::kind::object, "metadata"},
      {"", "spec", json::kind::object, "spec"},
      {"", "status", json::kind::object, "status"},
      {"", "endpoints", json::kind::array, "endpoints"},
      {"", "ports", json::kind::array, "ports"},
      {"metadata", "labels", json::kind::object, "metadata.labels"},
      {"metadata", "annotations", json::kind::object, "metadata.annotations"},
      {"spec", "ports", json::kind::array, "spec.ports"},
      {"spec", "selector", json::kind::object, "spec.selector"},
      {"spec", "clusterIP", json::kind::string, "spec.clusterIP"},
      {"spec", "clusterIPs", json::kind::array, "spec.clusterIPs"},
      {"spec", "externalName", json::kind::string, "spec.externalName"},
      {"spec", "type", json::kind::string, "spec.type"},
  };
  for (const Member& member : kMembers) {
    const json::object* const parent =
        member.parent.empty() ? &root : object_at(root, member.parent);
    const json::value* const value = parent == nullptr ? nullptr : parent->if_contains(member.name);
    if (value != nullptr && !value->is_null() && value->kind() != member.kind) return member.shown;
  }
  return nullptr;
}

}  // namespace

bool read_json(std::span<const std::uint8_t> data, PartialObject& to) {
  unsigned char scratch[16 * 1024];
  json::monotonic_resource memory(scratch, sizeof scratch);
  boost::system::error_code error;
  json::parse_options how;
  how.max_depth = kMaxJsonDepth;
  how.allow_invalid_utf8 = true;  // as Go reads it; what names are made of is looked at closer
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  std::string mended;
  if (has_lone_surrogates(text)) {
    mended = text;
    replace_lone_surrogates(mended);
    text = mended;
  }
  const json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, &memory, how);
  if (error || !value.is_object()) return false;
  const json::object& root = value.get_object();

  const ObjectForm& form = *to.kind.form;
  ApiObject& object = to.object;
  form.begin(object);
  object.kind = text_at(root, "kind");
  if (const char* const field = undecodable(root)) {
    object.problem = std::string(field) + " is of a type that it cannot have";
  }
  if (const json::object* const metadata = object_at(root, "metadata")) {
    object.key.name = text_at(*metadata, "name");
    object.key.ns = text_at(*metadata, "namespace");
    object.resource_version = text_at(*metadata, "resourceVersion");
    to.created = parse_created(text_at(*metadata, "creationTimestamp"));
    object.terminating = !text_at(*metadata, "deletionTimestamp").empty();
    if (const json::object* const map = object_at(*metadata, "labels")) {
      for (const auto& label : *map) {
        form.label({label.key().data(), label.key().size()}, text_of(label.value()), to);
      }
    }
    if (const json::object* const map = object_at(*metadata, "annotations")) {
      for (const auto& annotation : *map) {
        parts::add_annotation({annotation.key().data(), annotation.key().size()},
                              text_of(annotation.value()), to);
      }
    }
  }
  form.json(root, to);
  parts::finish(to);
  return true;
}

bool read_status(Encoding encoding, std::span<const std::uint8_t> data, ApiStatus& status) {
  if (encoding == Encoding::Protobuf) {
    ProtoReader r(data);
    status = {};
    while (r.next()) {
      if (r.field() == 3) status.message = r.text();
      if (r.field() == 4) status.reason = r.text();
      if (r.field() == 6) status.code = status_code(static_cast<std::int64_t>(r.value()));
    }
    return r.ok() && !data.empty();
  }
  boost::system::error_code error;
  const json::value value = json::parse(
      json::string_view(reinterpret_cast<const char*>(data.data()), data.size()), error);
  if (error || !value.is_object()) return false;
  const json::object& root = value.get_object();
  status.code = status_code(number_at(root, "code"));
  status.reason = text_at(root, "reason");
  status.message = text_at(root, "message");
  return true;
}

}  // namespace clusterdns::registry::kubernetes
