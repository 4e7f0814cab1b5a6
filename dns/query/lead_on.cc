#include "dns/query/lead_on.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kChainLoops{true, ExtendedError::Other, "the CNAME chain loops"};

bool has_alias_of(const Answer& answer, const AnswerName& owner) noexcept {
  for (const RRsetRef& record : answer.answers()) {
    const AnswerName& name = answer.names[record.owner];
    if (record.type == RRType::CNAME &&
        equal_ignoring_case({name.wire, name.size}, {owner.wire, owner.size})) {
      return true;
    }
  }
  return false;
}

}  // namespace

void lead_on(Answer& answer, Exchange& inner) noexcept {
  inner.take_apart();
  Answer& found = inner.answer;
  // Back to where it came from: what was found is all there is, as of any alias that loops.
  for (std::size_t i = 0; i < found.answer_count; ++i) {
    const RRsetRef& record = found.answer[i];
    if (record.type != RRType::CNAME || !has_alias_of(answer, found.names[record.owner])) continue;
    found.answer_count = static_cast<std::uint16_t>(i);
    found.authority_count = 0;
    found.rcode = Rcode::NoError;
    answer.error = kChainLoops;
    break;
  }
  if (found.error.set && !answer.error.set) answer.keep_error(found.error);
  answer.rcode = found.rcode;
  answer.truncated = answer.truncated || found.truncated;
  answer.authentic_data = answer.authentic_data && found.authentic_data;
  const auto add = [&](Section section, std::span<const RRsetRef> records) {
    for (const RRsetRef& record : records) {
      const AnswerName& owner = found.names[record.owner];
      const auto index = answer.find_or_add_name({owner.wire, owner.size});
      if (!index) {
        answer.overfull = true;
        return;
      }
      answer.add_record(section, *index, record.type, record.ttl,
                        {static_cast<const std::uint8_t*>(record.data), record.count});
    }
  };
  const bool alone = answer.authority_count == 0;
  add(Section::Answer, found.answers());
  if (alone) add(Section::Authority, found.authorities());
}

}  // namespace clusterdns::dns
