// Kinds of objects: what has to be known of one to read, keep and watch it stands in one row.
//
// A kind is a struct with a row (see registry/gateways for examples):
//
//   struct VirtualService {
//     static const Kind kRow;
//     ObjectKey key;
//     std::vector<std::string> hosts;
//     static auto members(auto& self) { return std::tie(self.key, self.hosts); }
//     friend bool operator==(const VirtualService&, const VirtualService&) = default;
//   };
//   VirtualService read_virtual_service(const Field& object);  // of a manifest, or of the API
//   constinit const Kind VirtualService::kRow = make_kind<read_virtual_service>(
//       {"VirtualService", "networking.istio.io", "virtualservices", {"v1", "v1beta1",
//       "v1alpha3"}});
//
// Whoever wants such objects names the rows in the options of its source (ManifestOptions::kinds,
// SourceOptions::kinds), and finds them in Store::table<VirtualService>(), and what changed in
// Changes::of<VirtualService>().
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "registry/members.h"
#include "registry/model.h"
#include "registry/table.h"

namespace clusterdns::registry {

class Field;  // registry/manifests/field_reader.h

// What is written of a kind.
struct KindNames {
  std::string_view name;    // "VirtualService"
  std::string_view group;   // "networking.istio.io"; empty: the core group
  std::string_view plural;  // "virtualservices", as in paths of the API
  // Versions of the group that have it, the one to ask for first in front; all are read alike.
  std::array<std::string_view, 4> versions{};
};

struct Kind : KindNames {
  // Reads one, with the API server's defaults. What is wrong with it is said at its fields: then
  // the result is of no use but for its key. nullptr: of a kind that every source reads in its own
  // way.
  AnyObject (*read)(const Field& object) = nullptr;
  ObjectKey (*key)(const void* object) = nullptr;
  std::size_t (*octets)(const void* object) = nullptr;  // see kept_octets()
  void (*encode)(ObjectWriter& to, const void* object) = nullptr;
  AnyObject (*decode)(ObjectReader& from) = nullptr;
  std::unique_ptr<AnyTable> (*make_table)() = nullptr;

  // "virtualservices.networking.istio.io": no two kinds have the same.
  [[nodiscard]] std::string full_name() const;
  // "VirtualService.networking.istio.io"; of the core group "Pod".
  [[nodiscard]] std::string qualified_name() const;
  [[nodiscard]] bool has_version(std::string_view version) const noexcept;
};

namespace parts {

template <class T>
AnyObject decode_object(ObjectReader& from) {
  auto object = std::make_shared<T>();
  registry::decode(from, *object);
  registry::trim(*object);
  from.keep(kept_octets(*object));
  return object;
}

template <class Read>
struct ReadResult;
template <class T>
struct ReadResult<T (*)(const Field&)> {
  using Type = T;
};

}  // namespace parts

// A kind that sources read in their own way.
template <class T>
[[nodiscard]] constexpr Kind make_kind_of(const KindNames& names) {
  Kind kind{names};
  kind.key = [](const void* object) {
    const KeyView key = key_view(*static_cast<const T*>(object));
    return ObjectKey{std::string(key.ns), std::string(key.name)};
  };
  kind.octets = [](const void* object) { return kept_octets(*static_cast<const T*>(object)); };
  kind.encode = [](ObjectWriter& to, const void* object) {
    registry::encode(to, *static_cast<const T*>(object));
  };
  kind.decode = parts::decode_object<T>;
  kind.make_table = []() -> std::unique_ptr<AnyTable> { return std::make_unique<Table<T>>(); };
  return kind;
}

// A kind that `kRead` reads, T kRead(const Field& object).
template <auto kRead>
[[nodiscard]] constexpr Kind make_kind(const KindNames& names) {
  using T = typename parts::ReadResult<decltype(kRead)>::Type;
  Kind kind = make_kind_of<T>(names);
  kind.read = [](const Field& object) -> AnyObject {
    T result = kRead(object);
    registry::trim(result);
    return std::make_shared<const T>(std::move(result));
  };
  return kind;
}

}  // namespace clusterdns::registry
