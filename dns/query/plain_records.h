// The records of a message, one by one, as an Answer has them.
#pragma once

#include <cstdint>
#include <span>

#include "dns/query/answer.h"

namespace clusterdns::dns {

// Adds the records of `message`, OPT and TSIG excepted, to `answer`, each by value (see
// Answer::add_record), so that they can be looked at and changed: RRsetRef::data and count are the
// RDATA with all names in full, owner and ttl what they say. Owners that are equal but for letter
// case are one. Additional records that find no room are left out; otherwise the answer is overfull
// then. `at` is the end of the question section.
// REQUIRES: a message of encode_answer(), or one that check_reply() has seen.
void add_plain_records(std::span<const std::uint8_t> message, std::size_t at,
                       Answer& answer) noexcept;

}  // namespace clusterdns::dns
