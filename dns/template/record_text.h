// One record from its text (RFC 1035 section 5.1): what templates make.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

struct TextRecord {
  Name owner;
  RRType type{};
  std::uint32_t ttl = 3600;         // seconds
  std::vector<std::uint8_t> rdata;  // names in full
};

// "example. 60 IN A 192.0.2.1"; TTL and class may be left out, or stand the other way round. Names
// without a final dot are complete as well. A, AAAA, NS, CNAME, DNAME, PTR, MX, SRV, SOA, TXT,
// HINFO, CAA and NAPTR are read, and others in the form of RFC 3597 (`\# 2 abcd`). nullopt: it is
// none.
[[nodiscard]] std::optional<TextRecord> read_record_text(std::string_view text);

}  // namespace clusterdns::dns
