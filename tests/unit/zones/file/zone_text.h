// Zones written out in tests.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/dns/query/request.h"
#include "zones/file/zone_reader.h"

namespace clusterdns::unit {

// Files by name; "zone" is the first.
using ZoneFileTexts = std::map<std::string, std::string>;

inline zones::ZoneReading read_zone(const ZoneFileTexts& files,
                                    const std::string& origin = "example.",
                                    zones::ZoneReadOptions options = {}) {
  using Text = boost::system::result<std::string, std::string>;
  options.open = [&files](const std::filesystem::path& file, std::size_t) {
    const auto at = files.find(file.string());
    if (at == files.end()) return Text(boost::system::in_place_error, "is not there");
    return Text(boost::system::in_place_value, at->second);
  };
  return zones::read_zone_file("zone", name(origin), options);
}
inline zones::ZoneReading read_zone(const std::string& text,
                                    const std::string& origin = "example.") {
  return read_zone(ZoneFileTexts{{"zone", text}}, origin);
}

inline Lines messages(const zones::ZoneReading& reading) {
  Lines out;
  for (const registry::Problem& problem : reading.problems) out.push_back(to_string(problem));
  return out;
}

// "owner ttl TYPE rdata" of every record, SOA aside, in the order of the table.
inline Lines records(const zones::ZoneReading& reading) {
  Lines out;
  if (reading.table == nullptr) return messages(reading);
  const zones::ZoneTable& zone = *reading.table;
  for (const auto& node : zone.nodes()) {
    for (const auto& rrset : zone.rrsets(node)) {
      if (rrset.type == dns::RRType::SOA) continue;
      zone.for_each(rrset, [&](std::span<const std::uint8_t> rdata) {
        out.push_back(dns::name_to_text(zone.name(node)) + " " + std::to_string(rrset.ttl) + " " +
                      dns::rrtype_to_text(rrset.type) + " " +
                      dns::rdata_to_text(rrset.type, rdata));
      });
    }
  }
  return out;
}

inline const std::string kSoa = "@ 3600 IN SOA ns1 host 7 7200 3600 1209600 300\n";

}  // namespace clusterdns::unit
