// What RDATA is made of, for who reads it from text.
#pragma once

#include <string_view>

#include "dns/wire/types.h"

namespace clusterdns::dns {

// A letter for each field: 'n' and 'd' names, '1', '2' and '4' numbers of as many octets, 'T' a
// type, others as in message_reader.cc. Empty: not known.
[[nodiscard]] std::string_view rdata_layout(RRType type) noexcept;

}  // namespace clusterdns::dns
