#include "dns/query/ttl_bounds.h"

#include <algorithm>

#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

// Whether an RRset of the answer has a TTL above `bound`.
bool has_longer(const Answer& answer, std::uint32_t bound) noexcept {
  const auto longer = [bound](const RRsetRef& rrset) { return rrset.ttl > bound; };
  const auto any = [&](std::span<const RRsetRef> section) {
    return std::any_of(section.begin(), section.end(), longer);
  };
  return any(answer.answers()) || any(answer.authorities()) || any(answer.additionals());
}

// RFC 2308 section 2: a name error, or no data, which the SOA tells.
bool is_negative(std::span<const std::uint8_t> response, std::size_t question_end) noexcept {
  if ((response[3] & 0xF) == static_cast<unsigned>(Rcode::NXDomain)) return true;
  return has_authority_soa(response, question_end);
}

}  // namespace

void TtlBounds::apply(const Query& query, const Answer& answer,
                      std::span<std::uint8_t> response) const noexcept {
  // A transfer is the zone as it is (RFC 5936 2.2).
  if (is_meta_type(query.qtype)) return;
  if (!has_longer(answer, std::min(positive, negative))) return;
  if (!zones.contains(query.name())) return;
  const std::uint32_t bound = is_negative(response, query.question_end) ? negative : positive;
  RecordWalker walker(response, query.question_end);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.type == RRType::OPT) continue;  // has flags there
    std::uint8_t* const ttl = response.data() + record.ttl();
    // Aliases before a negative answer are positive all the same.
    const std::uint32_t most = record.section == 0 ? std::min(bound, positive) : bound;
    if (load_u32(ttl) > most) store_u32(ttl, most);
  }
}

}  // namespace clusterdns::dns
