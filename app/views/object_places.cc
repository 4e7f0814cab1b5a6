#include "app/views/object_places.h"

#include <algorithm>

namespace clusterdns::app {

namespace gw = registry::gateways;

namespace {

gw::ObjectName name_of(const registry::ManifestBody& body) {
  if (const auto* const of_gateways = std::get_if<gw::ObjectPointer>(&body)) {
    return gw::name_of(**of_gateways);
  }
  return {registry::kind_of(body), registry::key_of(body)};
}

}  // namespace

ObjectPlaces::ObjectPlaces(const registry::ManifestSource& source) {
  const std::string* last = nullptr;
  source.for_each_object([&](const std::string& file, const registry::ManifestObject& object) {
    if (&file != last) files_.push_back(file);
    last = &file;
    objects_.push_back({object.body, static_cast<std::uint32_t>(files_.size() - 1),
                        static_cast<std::uint32_t>(object.mark.line),
                        static_cast<std::uint32_t>(object.mark.column)});
  });
}

gw::Place ObjectPlaces::find(const gw::ObjectName& object) const {
  // When the first one is asked for.
  std::call_once(sorted_, [&] {
    by_hash_.reserve(objects_.size());
    for (std::size_t i = 0; i < objects_.size(); ++i) {
      const registry::ObjectKey& its = registry::key_of(objects_[i].body);
      by_hash_.emplace_back(registry::hash_of(its.ns, its.name), static_cast<std::uint32_t>(i));
    }
    std::sort(by_hash_.begin(), by_hash_.end());
  });
  const std::size_t hash = registry::hash_of(object.key.ns, object.key.name);
  for (auto at =
           std::lower_bound(by_hash_.begin(), by_hash_.end(), std::pair{hash, std::uint32_t{0}});
       at != by_hash_.end() && at->first == hash; ++at) {
    const One& one = objects_[at->second];
    if (name_of(one.body) == object) return {files_[one.file], one.line, one.column};
  }
  return {};
}

}  // namespace clusterdns::app
