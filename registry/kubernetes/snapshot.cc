#include "registry/kubernetes/snapshot.h"

#include <zlib.h>

#include <utility>
#include <vector>

#include "registry/kubernetes/keeper.h"
#include "registry/members.h"

namespace clusterdns::registry::kubernetes {
namespace {

constexpr std::string_view kMagic = "clusterdns snapshot\n";
constexpr std::size_t kChecksumSize = 4;

std::uint32_t checksum(std::string_view data) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

// Counts stand before their objects, so they are counted first.
void write_services_and_slices(ObjectWriter& w, const Store& store) {
  std::size_t slices = 0;
  store.for_each_slice([&](const EndpointSlice&) { ++slices; });
  w.number(store.service_count());
  store.for_each_service([&](const Service& service) { encode(w, service); });
  w.number(slices);
  store.for_each_slice([&](const EndpointSlice& slice) { encode(w, slice); });
}

struct ServicesAndSlices {
  std::vector<Service> services;
  std::vector<EndpointSlice> slices;
};

template <class T>
std::vector<T> read_all(ObjectReader& r) {
  std::vector<T> all;
  for (std::uint64_t left = r.number(); left > 0 && r.good(); --left) {
    T& object = all.emplace_back();
    decode(r, object);
    trim(object);
    r.keep(kept_octets(object));
  }
  return all;
}

ServicesAndSlices read_services_and_slices(ObjectReader& r) {
  ServicesAndSlices both;
  both.services = read_all<Service>(r);
  both.slices = read_all<EndpointSlice>(r);
  return both;
}

void put(ServicesAndSlices both, Store& store) {
  for (Service& service : both.services) store.upsert(std::move(service));
  for (EndpointSlice& slice : both.slices) store.upsert(std::move(slice));
}

// Objects of kinds that have a table: for each kind its name, and what there is of it.
void write_tables(ObjectWriter& w, const Store& store) {
  std::size_t tables = 0;
  store.for_each_table([&](const AnyTable&) { ++tables; });
  w.number(tables);
  store.for_each_table([&](const AnyTable& table) {
    w.text(table.kind().full_name());
    w.number(table.size());
    table.for_each_any([&](const void* object) { table.kind().encode(w, object); });
  });
}

using Objects = std::vector<std::pair<const Kind*, AnyObject>>;

Objects read_tables(ObjectReader& r, std::span<const Kind* const> kinds) {
  Objects objects;
  for (std::uint64_t tables = r.number(); tables > 0 && r.good(); --tables) {
    const std::string_view name = r.view();
    const Kind* found = nullptr;
    for (const Kind* const known : {&Namespace::kRow, &Pod::kRow}) {
      if (name == known->full_name()) found = known;
    }
    for (const Kind* const known : kinds) {
      if (name == known->full_name()) found = known;
    }
    if (found == nullptr) r.fail();
    for (std::uint64_t left = r.number(); left > 0 && r.good(); --left) {
      objects.emplace_back(found, found->decode(r));
    }
  }
  return objects;
}

}  // namespace

std::string encode_snapshot(const Store& store, const Store* imports, std::string_view identity,
                            std::chrono::system_clock::time_point now) {
  ObjectWriter w;
  w.out.reserve(std::size_t{64} * 1024 + store.service_count() * 96 + store.endpoint_count() * 6);
  w.out += kMagic;
  w.number(kSnapshotVersion);
  w.number(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()));
  w.text(identity);
  write_tables(w, store);
  write_services_and_slices(w, store);
  w.number(imports != nullptr ? 1 : 0);
  if (imports != nullptr) write_services_and_slices(w, *imports);
  const std::uint32_t sum = checksum(w.out);
  for (unsigned i = 0; i < kChecksumSize; ++i) w.out.push_back(static_cast<char>(sum >> (8 * i)));
  return std::move(w.out);
}

boost::system::result<SnapshotInfo, std::string> decode_snapshot(std::string_view data,
                                                                 std::string_view identity,
                                                                 std::span<const Kind* const> kinds,
                                                                 Store& store, Store* imports) {
  using Failed = boost::system::result<SnapshotInfo, std::string>;
  const auto fail = [](const char* what) { return Failed(boost::system::in_place_error, what); };
  if (!data.starts_with(kMagic)) return fail("it is not a snapshot");
  if (data.size() < kMagic.size() + kChecksumSize) return fail("it is truncated");
  ObjectReader r(data.substr(kMagic.size(), data.size() - kMagic.size() - kChecksumSize),
                 kMaxKeptOctets);
  if (r.number() != kSnapshotVersion) return fail("another version of clusterdns wrote it");
  const std::string_view content = data.substr(0, data.size() - kChecksumSize);
  std::uint32_t sum = 0;
  for (unsigned i = 0; i < kChecksumSize; ++i) {
    sum |= std::uint32_t{static_cast<unsigned char>(data[content.size() + i])} << (8 * i);
  }
  if (sum != checksum(content)) return fail("its checksum is wrong");
  SnapshotInfo info;
  info.taken = std::chrono::system_clock::time_point(
      std::chrono::seconds(static_cast<std::int64_t>(r.number())));
  if (r.view() != identity) return fail("it belongs to another cluster or to other options");

  Objects objects = read_tables(r, kinds);
  ServicesAndSlices own = read_services_and_slices(r);
  ServicesAndSlices imported;
  if (r.number() != 0) imported = read_services_and_slices(r);
  if (!r.at_end()) return fail("its content is malformed");
  info.services = own.services.size();
  info.slices = own.slices.size();
  info.imports = imported.services.size();
  if (imports != nullptr) put(std::move(imported), *imports);
  for (auto& [kind, object] : objects) {
    // An import shows in a namespace that exists here.
    if (imports != nullptr && kind == &Namespace::kRow) imports->table(*kind).upsert_any(object);
    store.table(*kind).upsert_any(std::move(object));
  }
  put(std::move(own), store);
  return info;
}

}  // namespace clusterdns::registry::kubernetes
