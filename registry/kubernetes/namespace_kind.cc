// core/v1 Namespaces.
#include <boost/json/object.hpp>

#include "registry/kubernetes/api_object.h"

namespace clusterdns::registry::kubernetes {

const ApiKind& kinds::namespaces() {
  static constexpr ObjectForm kForm{
      true,
      false,
      [](ApiObject& object) { object.body.emplace<Namespace>(); },
      [](ProtoReader&, PartialObject&) { return true; },
      [](const boost::json::object&, PartialObject&) {},
      [](std::string_view key, std::string_view value, PartialObject& to) {
        if (to.options.namespace_labels) to.labels.emplace_back(key, value);
      },
      [](PartialObject& to) {
        auto& ns = to.body<Namespace>();
        ns.name = to.object.key.name;
        ns.labels = std::move(to.labels);
      }};
  static const ApiKind kKind{"namespaces", "Namespace", {"/api/v1/namespaces"}, false, "",
                             &kForm,       nullptr};
  return kKind;
}

}  // namespace clusterdns::registry::kubernetes
