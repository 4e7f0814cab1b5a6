#include "dns/query/upstream.h"

namespace clusterdns::dns {

bool equal_options(const EdnsOptions& a, const EdnsOptions& b) noexcept {
  if (a == b) return true;
  return a != nullptr && b != nullptr && a->octets == b->octets;
}

UpstreamQuestion question_of(const Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  UpstreamQuestion question;
  question.name = Name(query.name_as_asked());
  question.type = query.qtype;
  question.recursion_desired = (query.flags & kFlagRD) != 0;
  question.checking_disabled = (query.flags & kFlagCD) != 0;
  question.authentic_data = (query.flags & kFlagAD) != 0;
  question.dnssec_ok = query.dnssec_ok;
  question.options = exchange.upstream_options;
  return question;
}

UpstreamQuestion question_about(const Exchange& exchange, NameView name) noexcept {
  UpstreamQuestion question = question_of(exchange);
  question.name = Name(name);
  question.recursion_desired = true;
  return question;
}

NameView Upstream::zone_of(NameView) const noexcept {
  static constexpr std::uint8_t kRoot[] = {0};
  return {kRoot, sizeof kRoot};
}

bool Upstream::passes_on(const UpstreamReply&) const noexcept { return false; }

}  // namespace clusterdns::dns
