// The API's objects in protobuf: what all kinds have alike. Field numbers, here and where the kinds
// are: the generated.proto files of k8s.io/api (core/v1, discovery/v1) and k8s.io/apimachinery
// (meta/v1). Protobuf never gives a number a new meaning.
#include "registry/kubernetes/protobuf.h"

#include <limits>

#include "registry/kubernetes/api_object.h"

namespace clusterdns::registry::kubernetes {
namespace {

using Octets = std::span<const std::uint8_t>;

// meta/v1 Time: seconds 1.
Created read_time(Octets data) {
  std::uint64_t seconds = 0;
  ProtoReader r(data);
  while (r.next()) {
    if (r.field() == 1) seconds = r.value();
  }
  const bool fits = seconds <= std::numeric_limits<Created>::max();
  return r.ok() && fits ? static_cast<Created>(seconds) : Created{};
}

bool read_metadata(Octets data, PartialObject& to) {
  ProtoReader r(data);
  while (r.next()) {
    switch (r.field()) {
      case 1: to.object.key.name = r.text(); break;
      case 3: to.object.key.ns = r.text(); break;
      case 6: to.object.resource_version = r.text(); break;
      case 8: to.created = read_time(r.bytes()); break;
      case 9: to.object.terminating = true; break;
      case 11:
      case 12: {
        std::string_view key, value;
        if (!read_map_entry(r.bytes(), key, value)) return false;
        if (r.field() == 11) {
          to.kind.form->label(key, value, to);
        } else {
          parts::add_annotation(key, value, to);
        }
        break;
      }
      default: break;
    }
  }
  return r.ok();
}

}  // namespace

bool read_protobuf(std::span<const std::uint8_t> data, PartialObject& to) {
  const ObjectForm& form = *to.kind.form;
  form.begin(to.object);
  ProtoReader r(data);
  while (r.next()) {
    if (!(r.field() == 1 ? read_metadata(r.bytes(), to) : form.protobuf(r, to))) return false;
  }
  if (!r.ok()) return false;
  parts::finish(to);
  return true;
}

}  // namespace clusterdns::registry::kubernetes
