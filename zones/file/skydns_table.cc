#include "zones/file/skydns_table.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <limits>

namespace clusterdns::zones {
namespace {

namespace json = boost::json;
using Kind = SkyDnsRecord::Kind;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return lower(c); });
  return result;
}

// Labels of a name, the first one last, as keys have them.
std::vector<std::string> segments_of(dns::NameView name) {
  std::vector<std::string> segments;
  for (std::size_t at = 0; name[at] != 0; at += std::size_t{1} + name[at]) {
    const auto* const label = reinterpret_cast<const char*>(name.data() + at + 1);
    segments.push_back(lower({label, name[at]}));
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

bool is_wild(std::string_view segment) noexcept { return segment == "*" || segment == "any"; }

// A key that a label cannot be part of: it would be another path.
bool is_no_label(std::string_view segment) noexcept {
  return segment.find('/') != std::string_view::npos || segment == "." || segment == "..";
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash != 0) parts.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

// The name that a key stands for.
std::string domain_of(std::string_view key, std::string_view prefix) {
  std::vector<std::string_view> parts = split(key.substr(std::min(prefix.size(), key.size())));
  std::string name;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    name.append(*part);
    name += '.';
  }
  return name;
}

dns::Name without_labels(const dns::Name& name, std::int64_t labels) {
  dns::NameView rest = name.view();
  for (; labels > 0; --labels) {
    // Too many: the name stays as it is.
    if (rest[0] == 0) return name;
    rest = rest.subspan(std::size_t{1} + rest[0]);
  }
  return rest.size() == 1 ? name : dns::Name(rest);
}

struct Wrong {
  std::string what;
};

std::string text_of(const json::value& value, std::string_view member) {
  if (value.is_null()) return {};
  if (!value.is_string()) throw Wrong{"`" + std::string(member) + "` is not text"};
  return std::string(value.as_string());
}

std::int64_t number_of(const json::value& value, std::string_view member) {
  if (value.is_null()) return 0;
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return std::numeric_limits<std::int64_t>::max();
  throw Wrong{"`" + std::string(member) + "` is not a whole number"};
}

// As Go reads a net.IP.
bool read_address(const std::string& host, SkyDnsRecord& record) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  if (error || host.find_first_of(std::string_view("%\0", 2)) != std::string::npos) return false;
  if (address.is_v4()) {
    const auto octets = address.to_v4().to_bytes();
    std::copy(octets.begin(), octets.end(), record.address.begin());
    record.kind = Kind::A;
    return true;
  }
  const auto octets = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) {
    std::copy(octets.begin() + 12, octets.end(), record.address.begin());
    record.kind = Kind::A;
  } else {
    record.address = octets;
    record.kind = Kind::AAAA;
  }
  return true;
}

// Services with an identical group are one answer (CoreDNS, plugin/etcd/msg/service.go): the
// shortest key that has one decides, unless others of that length disagree.
void keep_group(SkyDnsTable::Found& found, std::size_t from) {
  const auto first = found.begin() + static_cast<std::ptrdiff_t>(from);
  if (first == found.end()) return;
  const auto slashes_of = [](const SkyDnsRecord& record) {
    return std::count(record.key.begin(), record.key.end(), '/');
  };
  std::string_view group = (*first)->group;
  auto slashes = slashes_of(**first);
  for (auto each = first; each != found.end(); ++each) {
    const auto length = slashes_of(**each);
    if (length >= slashes) continue;
    if ((*each)->group.empty()) break;
    slashes = length;
    group = (*each)->group;
  }
  if (group.empty()) return;
  const auto disagrees = [&](const SkyDnsRecord* each) {
    return !each->group.empty() && each->group != group && slashes_of(*each) == slashes;
  };
  if (std::any_of(first, found.end(), disagrees)) return;
  found.erase(std::remove_if(first, found.end(),
                             [&](const SkyDnsRecord* each) {
                               return !each->group.empty() && each->group != group;
                             }),
              found.end());
}

}  // namespace

std::shared_ptr<const SkyDnsRecord> read_skydns_record(std::string_view key, std::string_view value,
                                                       std::string_view prefix,
                                                       std::shared_ptr<const LeaseEnd> lease,
                                                       std::string* problem) {
  auto record = std::make_shared<SkyDnsRecord>();
  try {
    if (value.size() > kMaxSkyDnsValue) throw Wrong{"the value is too long"};
    boost::system::error_code error;
    const json::value parsed = json::parse(value, error);
    if (error || !parsed.is_object()) throw Wrong{"the value is not a JSON object"};
    record->key = key;
    record->lease = std::move(lease);
    std::string host;
    std::int64_t strip = 0;
    for (const auto& member : parsed.get_object()) {
      // Go takes them in any letter case.
      const std::string name = lower(member.key());
      const json::value& is = member.value();
      if (name == "host") host = text_of(is, name);
      if (name == "text") record->text = text_of(is, name);
      if (name == "group") record->group = text_of(is, name);
      if (name == "weight") record->weight = number_of(is, name);
      if (name == "targetstrip") strip = number_of(is, name);
      if (name == "port") {
        const std::int64_t port = number_of(is, name);
        record->has_port = port != -1;
        record->port = static_cast<std::uint16_t>(port);
      }
      if (name == "priority") {
        if (const std::int64_t priority = number_of(is, name); priority != 0) {
          record->priority = static_cast<std::uint16_t>(priority);
        }
      }
      if (name == "ttl") {
        const std::int64_t ttl = number_of(is, name);
        if (ttl < 0 || ttl > std::numeric_limits<std::uint32_t>::max()) {
          throw Wrong{"`ttl` is out of range"};
        }
        record->ttl = static_cast<std::uint32_t>(ttl);
      }
      if (name == "mail" && !is.is_null()) {
        if (!is.is_bool()) throw Wrong{"`mail` is neither true nor false"};
        record->mail = is.get_bool();
      }
    }
    record->has_host = !host.empty();
    std::string name = host;
    if (read_address(host, *record)) {
      name = domain_of(key, prefix);
    } else {
      record->kind = record->text.empty() ? Kind::Name : Kind::Text;
    }
    const auto wire = dns::Name::from_text(name);
    if (!wire) throw Wrong{"`" + name + "` is not a domain name"};
    record->name = *wire;
    record->stripped = without_labels(*wire, strip);
  } catch (const Wrong& wrong) {
    *problem = wrong.what;
    return nullptr;
  }
  return record;
}

SkyDnsTable::Outcome SkyDnsTable::find(dns::NameView name, bool exact, dns::RRType type,
                                       Found& found, std::size_t& budget) const {
  const std::vector<std::string> segments = segments_of(name);
  if (std::any_of(segments.begin(), segments.end(), is_no_label)) return Outcome::Nothing;
  const auto wild = std::find_if(segments.begin(), segments.end(), is_wild);
  std::string path = prefix_;
  for (auto each = segments.begin(); each != wild; ++each) path += "/" + *each;
  const auto at = [this](std::string_view key) {
    return std::lower_bound(
        records_.begin(), records_.end(), key,
        [](const Record& record, std::string_view other) { return record->key < other; });
  };
  const auto matches = [&](const SkyDnsRecord& record) {
    if (wild == segments.end()) return true;
    std::string_view rest = std::string_view(record.key).substr(prefix_.size());
    for (const std::string& segment : segments) {
      if (!rest.starts_with('/')) return false;
      rest.remove_prefix(1);
      const std::string_view part = rest.substr(0, rest.find('/'));
      if (!is_wild(segment) && part != segment) return false;
      rest.remove_prefix(part.size());
    }
    return true;
  };
  const std::size_t before = found.size();
  std::size_t seen = 0;
  const auto take = [&](const SkyDnsRecord& record) {
    ++seen;
    const bool wanted = record.has_host || (type == dns::RRType::TXT && !record.text.empty());
    if (wanted && matches(record)) found.push_back(&record);
  };
  if (!exact) {
    const std::string below = path + "/";
    for (auto each = at(below); each != records_.end() && (*each)->key.starts_with(below); ++each) {
      const std::size_t cost = 1 + (*each)->key.size() / 64;
      if (budget < cost) {
        budget = 0;
        return Outcome::TooMany;
      }
      budget -= cost;
      take(**each);
    }
  }
  if (seen == 0) {
    const auto each = at(path);
    if (each != records_.end() && (*each)->key == path) take(**each);
  }
  keep_group(found, before);
  return seen == 0 ? Outcome::Nothing : Outcome::Keys;
}

}  // namespace clusterdns::zones
