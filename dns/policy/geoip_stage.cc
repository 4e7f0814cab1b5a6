#include "dns/policy/geoip_stage.h"

#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>

#include "dns/query/edns_options.h"

namespace clusterdns::dns {
namespace {

constexpr std::string_view kPrefix = "geoip/";

// Where the value of a label stands in an entry.
struct Place {
  std::string_view label;
  std::array<const char*, 4> path;  // as MMDB_aget_value takes it: nullptr is the end
};
constexpr Place kPlaces[] = {
    {"city/name", {"city", "names", "en", nullptr}},
    {"country/code", {"country", "iso_code", nullptr}},
    {"country/name", {"country", "names", "en", nullptr}},
    {"country/is_in_european_union", {"country", "is_in_european_union", nullptr}},
    {"continent/code", {"continent", "code", nullptr}},
    {"continent/name", {"continent", "names", "en", nullptr}},
    {"latitude", {"location", "latitude", nullptr}},
    {"longitude", {"location", "longitude", nullptr}},
    {"timezone", {"location", "time_zone", nullptr}},
    {"postalcode", {"postal", "code", nullptr}},
    {"asn/number", {"autonomous_system_number", nullptr}},
    {"asn/org", {"autonomous_system_organization", nullptr}},
};
constexpr std::string_view kSubdivisions = "subdivisions/code";
constexpr std::string_view kInUnion = "country/is_in_european_union";
// Countries of several parts; more are left out.
constexpr int kMostSubdivisions = 8;

// The shortest decimal text, as Go's FormatFloat(x, 'f', -1, 64).
std::string text_of(double number) {
  std::array<char, 400> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::fixed);
  return {buffer.data(), end.ptr};
}

std::string text_of(const MMDB_entry_data_s& data) {
  switch (data.type) {
    case MMDB_DATA_TYPE_UTF8_STRING: return {data.utf8_string, data.data_size};
    case MMDB_DATA_TYPE_DOUBLE: return text_of(data.double_value);
    case MMDB_DATA_TYPE_FLOAT: return text_of(double{data.float_value});
    case MMDB_DATA_TYPE_BOOLEAN: return data.boolean ? "true" : "false";
    case MMDB_DATA_TYPE_UINT16: return std::to_string(data.uint16);
    case MMDB_DATA_TYPE_UINT32: return std::to_string(data.uint32);
    case MMDB_DATA_TYPE_INT32: return std::to_string(data.int32);
    case MMDB_DATA_TYPE_UINT64: return std::to_string(data.uint64);
    default: return {};
  }
}

std::string at_path(MMDB_entry_s& entry, const char* const* path) {
  MMDB_entry_data_s data{};
  if (MMDB_aget_value(&entry, &data, path) != MMDB_SUCCESS || !data.has_data) return {};
  return text_of(data);
}

bool has_options(const Query& query) noexcept {
  return query.has_edns && std::size_t{query.opt_end} > query.opt_offset + kOptRecordSize;
}

// The address of EDNS Client Subnet (RFC 7871 section 6). nullopt: there is none, or its prefix is
// empty. REQUIRES: the octets of the options are there.
std::optional<Endpoint> subnet_of(const Query& query) noexcept {
  if (!has_options(query)) return std::nullopt;
  std::span<const std::uint8_t> left(query.packet + query.opt_offset + kOptRecordSize,
                                     query.packet + query.opt_end);
  while (left.size() >= 4) {
    const std::size_t size = load_u16(left.data() + 2);
    if (left.size() - 4 < size) return std::nullopt;
    const auto option = left.subspan(4, size);
    if (load_u16(left.data()) != kOptionClientSubnet) {
      left = left.subspan(4 + size);
      continue;
    }
    if (option.size() < 4) return std::nullopt;
    Endpoint subnet{};
    const unsigned family = load_u16(option.data());
    if (family != 1 && family != 2) return std::nullopt;
    subnet.v6 = family == 2;
    const auto octets = option.subspan(4);
    if (octets.empty() || octets.size() > (subnet.v6 ? 16U : 4U)) return std::nullopt;
    std::copy(octets.begin(), octets.end(), subnet.address.begin());
    return subnet;
  }
  return std::nullopt;
}

bool is_same(const Endpoint& a, const Endpoint& b) noexcept {
  return a.v6 == b.v6 && a.port == b.port && a.address == b.address;
}

}  // namespace

struct GeoDatabase::File {
  MMDB_s mmdb{};
};

GeoDatabase::GeoDatabase(std::unique_ptr<File> file) : file_(std::move(file)) {}
GeoDatabase::~GeoDatabase() { MMDB_close(&file_->mmdb); }

std::shared_ptr<const GeoDatabase> GeoDatabase::open(const std::string& path, std::string* error) {
  // A pipe would be waited for.
  struct stat status_of_path {};
  if (::stat(path.c_str(), &status_of_path) != 0) {
    *error = std::strerror(errno);
    return nullptr;
  }
  if (!S_ISREG(status_of_path.st_mode)) {
    *error = "it is not a regular file";
    return nullptr;
  }
  auto file = std::make_unique<File>();
  const int status = MMDB_open(path.c_str(), MMDB_MODE_MMAP, &file->mmdb);
  if (status != MMDB_SUCCESS) {
    const bool of_system = status == MMDB_IO_ERROR || status == MMDB_FILE_OPEN_ERROR;
    *error = of_system ? std::strerror(errno) : MMDB_strerror(status);
    return nullptr;
  }
  std::shared_ptr<const GeoDatabase> database(new GeoDatabase(std::move(file)));
  const std::string type = database->type();
  for (const char* known : {"City", "Enterprise", "Country", "Location", "ASN", "ISP"}) {
    if (type.find(known) != std::string::npos) return database;
  }
  *error = "a database of the type \"" + type +
           "\" holds neither places nor networks; use a City, Country or ASN database";
  return nullptr;
}

std::string GeoDatabase::type() const { return file_->mmdb.metadata.database_type; }

std::string GeoDatabase::value(std::string_view label, const Endpoint& client) const {
  sockaddr_storage storage{};
  if (client.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    std::memcpy(&address.sin6_addr, client.address.data(), 16);
    std::memcpy(&storage, &address, sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, client.address.data(), 4);
    std::memcpy(&storage, &address, sizeof address);
  }
  int status = MMDB_SUCCESS;
  // A database of IPv4 alone says that it has no IPv6.
  MMDB_lookup_result_s found =
      MMDB_lookup_sockaddr(&file_->mmdb, reinterpret_cast<const sockaddr*>(&storage), &status);
  if (status != MMDB_SUCCESS || !found.found_entry) return {};
  if (label == kSubdivisions) {
    std::string text;
    for (int i = 0; i < kMostSubdivisions; ++i) {
      const std::string index = std::to_string(i);
      const char* const path[] = {"subdivisions", index.c_str(), "iso_code", nullptr};
      const std::string code = at_path(found.entry, path);
      if (code.empty()) break;
      text += (text.empty() ? "" : ",") + code;
    }
    return text;
  }
  for (const Place& place : kPlaces) {
    if (place.label != label) continue;
    std::string text = at_path(found.entry, place.path.data());
    // What is false is left out of databases.
    if (label == kInUnion && text.empty()) {
      const char* const country[] = {"country", "iso_code", nullptr};
      if (!at_path(found.entry, country).empty()) text = "false";
    }
    return text;
  }
  return {};
}

bool is_geoip_label(std::string_view label) noexcept {
  if (!label.starts_with(kPrefix)) return false;
  label.remove_prefix(kPrefix.size());
  return label == kSubdivisions ||
         std::any_of(std::begin(kPlaces), std::end(kPlaces),
                     [label](const Place& place) { return place.label == label; });
}

GeoipStage::GeoipStage(std::shared_ptr<const GeoDatabase> database, bool by_subnet,
                       unsigned workers)
    : database_(std::move(database)), by_subnet_(by_subnet) {
  if (by_subnet_) seen_.assign(workers, std::vector<Seen>(kGeoipSubnets));
}

Verdict GeoipStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  if (!by_subnet_ || exchange.depth != 0 || exchange.owns() || !has_options(query)) {
    return Verdict::Next;
  }
  seen_[exchange.worker->index][slot(query, exchange.client)] = {
      exchange.received_ns, exchange.client, query.id, subnet_of(query)};
  return Verdict::Next;
}

std::string GeoipStage::value(std::string_view label, const MetadataQuery& of) const {
  if (!is_geoip_label(label) || database_ == nullptr) return {};
  label.remove_prefix(kPrefix.size());
  if (!by_subnet_ || !of.query.has_edns) return database_->value(label, of.client);
  std::optional<Endpoint> subnet;
  if (of.whole) {
    subnet = subnet_of(of.query);
  } else if (of.query.opt_offset == 0 || has_options(of.query)) {
    if (of.worker >= seen_.size()) return {};
    const Seen& seen = seen_[of.worker][slot(of.query, of.client)];
    if (seen.received_ns != of.received_ns || seen.id != of.query.id ||
        !is_same(seen.client, of.client)) {
      return {};
    }
    subnet = seen.subnet;
  }
  return database_->value(label, subnet ? *subnet : of.client);
}

}  // namespace clusterdns::dns
