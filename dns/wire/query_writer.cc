#include "dns/wire/query_writer.h"

#include <algorithm>
#include <cstring>

namespace clusterdns::dns {

std::size_t write_query(const QueryToWrite& query, std::uint8_t* out) noexcept {
  std::memset(out, 0, kHeaderSize);
  store_u16(out + 2, query.flags);
  store_u16(out + 4, 1);
  std::uint8_t* at = out + kHeaderSize;
  std::memcpy(at, query.name.data(), query.name.size());
  at += query.name.size();
  store_u16(at, static_cast<std::uint16_t>(query.type));
  store_u16(at + 2, static_cast<std::uint16_t>(RRClass::IN));
  at += 4;
  if (query.edns) {
    store_u16(out + 10, 1);
    std::memset(at, 0, kOptRecordSize);
    store_u16(at + 1, static_cast<std::uint16_t>(RRType::OPT));
    store_u16(at + 3, query.udp_size);
    store_u16(at + 7, query.dnssec_ok ? 0x8000 : 0);
    store_u16(at + 9, static_cast<std::uint16_t>(query.options.size()));
    at += kOptRecordSize;
    std::copy(query.options.begin(), query.options.end(), at);
    at += query.options.size();
  }
  return static_cast<std::size_t>(at - out);
}

}  // namespace clusterdns::dns
