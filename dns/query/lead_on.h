// Answers put together from two: an alias, and what is where it leads.
#pragma once

#include "dns/query/exchange.h"

namespace clusterdns::dns {

// Adds what `inner` found where the last alias of `answer` leads, with its rcode (RFC 6604 3) and,
// when there is none yet, its authority section. When that leads back to an alias of `answer`, what
// lies before is added, with NOERROR and an Extended DNS Error. `inner` is taken apart.
void lead_on(Answer& answer, Exchange& inner) noexcept;

}  // namespace clusterdns::dns
