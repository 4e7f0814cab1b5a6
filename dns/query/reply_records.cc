#include "dns/query/reply_records.h"

#include <algorithm>

#include "dns/wire/compressed_names.h"

namespace clusterdns::dns {
namespace {

constexpr RRType kNsec3{50};  // RFC 5155

bool is_address_or_mx(RRType type) noexcept {
  return type == RRType::A || type == RRType::AAAA || type == RRType::MX;
}

}  // namespace

ReplyRecords::ReplyRecords(NameView question) noexcept
    : last_(question), begin_(static_cast<std::uint16_t>(kHeaderSize + question.size() + 4)) {
  known_.push_back({last_, kHeaderSize, static_cast<std::uint8_t>(question.size()), true});
  end_.fill(begin_);
}

void ReplyRecords::add_link(const ChainLink& link) {
  put_last_name();
  put_u16(static_cast<std::uint16_t>(RRType::CNAME));
  put_u16(static_cast<std::uint16_t>(RRClass::IN));
  ttls_.push_back(static_cast<std::uint16_t>(here()));
  put_u16(static_cast<std::uint16_t>(link.ttl >> 16));
  put_u16(static_cast<std::uint16_t>(link.ttl));
  const std::size_t length_at = octets_.size();
  put_u16(0);
  owner_ = put_name(link.target, true);
  store_u16(octets_.data() + length_at, static_cast<std::uint16_t>(octets_.size() - length_at - 2));
  ttl_ = std::min(ttl_, link.ttl);
  last_ = link.target;
  ++records_[0];
  end_section(0);
}

AnswerKind ReplyRecords::read(std::span<const std::uint8_t> reply, const Request& request,
                              const Elsewhere& elsewhere) {
  reply_ = reply;
  kind_ = AnswerKind::Unusable;
  if (reply.size() < kHeaderSize || reply.size() > kMaxMessageSize) return kind_;
  std::size_t at = skip_name(reply, kHeaderSize);
  if (at == 0 || reply.size() - at < 4) return kind_;
  at += 4;
  const std::uint16_t flags = load_u16(reply.data() + 2);
  truncated_ = (flags & kFlagTC) != 0;
  const auto rcode = Rcode{static_cast<std::uint16_t>(flags & 0xF)};
  if (rcode != Rcode::NoError && rcode != Rcode::NXDomain) return kind_ = AnswerKind::Failure;

  RecordWalker walker(reply, at);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.rrclass != RRClass::IN) continue;
    places_.push_back({static_cast<std::uint16_t>(record.owner),
                       static_cast<std::uint16_t>(record.fields),
                       static_cast<std::uint16_t>(record.end),
                       static_cast<std::uint8_t>(record.section), false, record.type});
  }
  if (!walker.complete()) return kind_;

  const bool aliased = records_[0] != 0;
  const bool has_answers = !places_.empty() && places_.front().section == 0;
  const bool data = take_answer(request, elsewhere);
  if (bad_) return kind_ = AnswerKind::Unusable;
  end_section(0);
  if (kind_ == AnswerKind::LeadsOn) return kind_;
  // Records that an alias would have to lead to and does not: this answers another question.
  const bool strays = has_answers && !data && links_.empty() && rcode == Rcode::NoError;
  kind_ = rcode == Rcode::NXDomain ? AnswerKind::NXDomain
          : data                   ? AnswerKind::Data
                                   : AnswerKind::NoData;
  take_authority(request, data, !aliased && links_.empty());
  end_section(1);
  if (!data && !has_soa_ && !truncated_ && rcode == Rcode::NoError) {
    if (strays) kind_ = AnswerKind::Unusable;
    // Nothing is said about where the aliases lead: the upstream stopped half-way.
    if (!links_.empty()) kind_ = AnswerKind::LeadsOn;
  }
  if (data && request.zone.size() > 1) take_additional(request);
  end_section(2);
  if (bad_) kind_ = AnswerKind::Unusable;
  return kind_;
}

WireSections ReplyRecords::sections() const noexcept {
  WireSections sections;
  sections.octets = octets_.data();
  sections.ttls = ttls_.data();
  sections.begin = begin_;
  sections.end = end_;
  sections.records = records_;
  sections.turn_first = turn_first_;
  sections.turn_count = turn_count_;
  sections.saved = saved_;
  return sections;
}

bool ReplyRecords::is_name(std::size_t at, const Name& name) const noexcept {
  const std::uint8_t* label = name.data();
  std::size_t lowest = reply_.size();
  for (;;) {
    if (at >= reply_.size()) return false;
    const std::size_t length = reply_[at];
    if ((length & 0xC0) == 0xC0) {
      if (at + 1 >= reply_.size()) return false;
      at = load_u16(reply_.data() + at) & kMaxPointerTarget;
      // Backwards only, so that it ends.
      if (at >= lowest) return false;
      lowest = at;
      continue;
    }
    if (length != *label) return false;
    if (length == 0) return true;
    if (reply_.size() - at <= length ||
        !equal_ignoring_case(reply_.subspan(at + 1, length), {label + 1, length})) {
      return false;
    }
    label += length + 1;
    at += length + 1;
  }
}

bool ReplyRecords::holds(std::size_t zone_at, const Name& name) const noexcept {
  std::size_t end = 0;
  const auto zone = Name::from_message(reply_, zone_at, &end);
  return zone.has_value() && has_suffix_ignoring_case(name.view(), zone->view());
}

RRType ReplyRecords::covered_by(const Place& signature) const noexcept {
  const std::size_t rdata = signature.fields + kRecordFixedSize;
  return signature.end - rdata < 2 ? RRType{} : RRType{load_u16(reply_.data() + rdata)};
}

bool ReplyRecords::take_answer(const Request& request, const Elsewhere& elsewhere) {
  const bool nothing_there = (load_u16(reply_.data() + 2) & 0xF) != 0;  // NXDOMAIN
  for (;;) {
    Place* alias = nullptr;
    Place* above = nullptr;  // a DNAME that the alias is made of
    bool data = false;
    for (Place& place : places_) {
      if (place.section != 0) break;
      if (place.taken) continue;
      if (is_name(place.owner, last_)) {
        data = data || place.type == request.type || request.type == RRType::ANY;
        if (place.type == RRType::CNAME && alias == nullptr) alias = &place;
      } else if (place.type == RRType::DNAME && holds(place.owner, last_)) {
        above = &place;
      }
    }
    if (data && !nothing_there) {
      take_data(request);
      return true;
    }
    if (alias == nullptr || links_.size() == kMaxLinks) {
      // Who knows no CNAME for a DNAME gets it alone (RFC 6672 3.4.1).
      if (above != nullptr && alias == nullptr) take(*above, false);
      return above != nullptr && alias == nullptr;
    }
    std::size_t end = 0;
    const std::size_t rdata = alias->fields + kRecordFixedSize;
    const auto target = Name::from_message(reply_, rdata, &end);
    if (!target || end != alias->end) {
      bad_ = true;
      return false;
    }
    if (above != nullptr) {
      take(*above, false);
      if (request.dnssec_ok) take_signatures(*above, RRType::DNAME, false);
    }
    const std::uint32_t ttl = ttl_of(*alias);
    const std::uint16_t target_at = take(*alias, true);
    if (request.dnssec_ok) take_signatures(*alias, RRType::CNAME, true);
    links_.push_back({*target, ttl});
    last_ = *target;
    owner_ = target_at;
    Name lower = last_;
    lower.make_lower();
    if (elsewhere && elsewhere(lower.view())) {
      kind_ = AnswerKind::LeadsOn;
      return false;
    }
  }
}

void ReplyRecords::take_data(const Request& request) {
  const bool any = request.type == RRType::ANY;
  const bool turns = is_address_or_mx(request.type) && (owner_ != 0 || last_.is_root());
  turn_first_ = records_[0];
  const Place* first = nullptr;
  for (Place& place : places_) {
    if (place.section != 0) break;
    if (place.taken || (place.type != request.type && !any)) continue;
    if (!is_name(place.owner, last_)) continue;
    if (first == nullptr) first = &place;
    take(place, true);
  }
  if (turns) turn_count_ = static_cast<std::uint16_t>(records_[0] - turn_first_);
  if (request.dnssec_ok && !any && first != nullptr) take_signatures(*first, request.type, true);
}

void ReplyRecords::take_signatures(const Place& like, RRType covered, bool owned_by_last) {
  Name owner = last_;
  if (!owned_by_last) {
    std::size_t end = 0;
    const auto name = Name::from_message(reply_, like.owner, &end);
    if (!name) return;
    owner = *name;
  }
  for (Place& place : places_) {
    if (place.section == like.section && !place.taken && place.type == RRType::RRSIG &&
        covered_by(place) == covered && is_name(place.owner, owner)) {
      take(place, owned_by_last);
    }
  }
}

void ReplyRecords::take_authority(const Request& request, bool data, bool may_refer) {
  const bool negative = !data;
  for (Place& place : places_) {
    if (place.section != 1 || place.type != RRType::SOA || !negative) continue;
    // Of the zone that the last name is in: another zone's says nothing about it (RFC 2308 2.1).
    if (!holds(place.owner, last_) || std::size_t{place.end} - place.fields < kRecordFixedSize + 22)
      continue;
    take(place, false);
    has_soa_ = true;
    // MINIMUM is the last word of the RDATA.
    ttl_ = std::min(ttl_, load_u32(reply_.data() + place.end - 4));
    if (request.dnssec_ok) take_signatures(place, RRType::SOA, false);
    break;
  }
  // Proofs: that there is nothing, or that a wildcard had to do (RFC 4035 3.1.3).
  if (request.dnssec_ok) {
    for (Place& place : places_) {
      if (place.section != 1 || place.taken) continue;
      const RRType type = place.type == RRType::RRSIG ? covered_by(place) : place.type;
      if (type == RRType::NSEC || type == kNsec3) take(place, false);
    }
  }
  // RFC 1034 4.3.1: not an answer, but whoever asked without recursion wants to know.
  if (kind_ != AnswerKind::NoData || has_soa_ || !may_refer) return;
  for (Place& place : places_) {
    if (place.section != 1 || place.type != RRType::NS || !holds(place.owner, last_)) continue;
    take(place, false);
    kind_ = AnswerKind::Referral;
  }
}

void ReplyRecords::take_additional(const Request& request) {
  for (Place& place : places_) {
    if (place.section != 2 || (place.type == RRType::RRSIG && !request.dnssec_ok)) continue;
    std::size_t end = 0;
    const auto owner = Name::from_message(reply_, place.owner, &end);
    if (owner.has_value() && has_suffix_ignoring_case(owner->view(), request.zone)) {
      take(place, false);
    }
  }
}

std::uint32_t ReplyRecords::ttl_of(const Place& place) const noexcept {
  const std::uint32_t ttl = load_u32(reply_.data() + place.fields + 4);
  return ttl > 0x7FFFFFFF ? 0 : std::min(ttl, kMaxTtl);  // RFC 2181 section 8
}

std::uint16_t ReplyRecords::take(Place& place, bool owned_by_last) {
  place.taken = true;
  const std::size_t start = octets_.size();
  const std::size_t known = known_.size();
  const std::uint32_t saved = saved_;
  std::size_t end = 0;
  if (owned_by_last) {
    put_last_name();
  } else {
    const auto owner = Name::from_message(reply_, place.owner, &end);
    bad_ = bad_ || !owner;
    if (owner) put_name(*owner, true);
  }
  const std::uint8_t* const fields = reply_.data() + place.fields;
  octets_.insert(octets_.end(), fields, fields + 4);
  ttls_.push_back(static_cast<std::uint16_t>(here()));
  const std::uint32_t ttl = ttl_of(place);
  put_u16(static_cast<std::uint16_t>(ttl >> 16));
  put_u16(static_cast<std::uint16_t>(ttl));
  const std::size_t length_at = octets_.size();
  put_u16(static_cast<std::uint16_t>(place.end - place.fields - kRecordFixedSize));
  std::size_t at = place.fields + kRecordFixedSize;
  std::uint16_t name_at = 0;
  if (const CompressedNames names = compressed_names_of(place.type); names.count != 0) {
    const auto plain = [&](std::size_t size) {
      octets_.insert(octets_.end(), reply_.data() + at, reply_.data() + at + size);
      at += size;
    };
    if (place.end - at < names.before) {
      bad_ = true;
      return 0;
    }
    plain(names.before);
    for (unsigned i = 0; i < names.count; ++i) {
      const auto name = Name::from_message(reply_.first(place.end), at, &end);
      if (!name) {
        bad_ = true;
        return 0;
      }
      // Mail servers may change places: nothing refers to them.
      name_at = put_name(*name, place.type != RRType::MX);
      at = end;
    }
    plain(place.end - at);
    store_u16(octets_.data() + length_at,
              static_cast<std::uint16_t>(octets_.size() - length_at - 2));
  } else {
    octets_.insert(octets_.end(), reply_.data() + at, reply_.data() + place.end);
  }
  if (here() > kMaxMessageSize - kRoomForOpt) {
    octets_.resize(start);
    known_.resize(known, known_.front());
    ttls_.pop_back();
    saved_ = saved;
    truncated_ = true;
    return 0;
  }
  ++records_[place.section];
  ttl_ = std::min(ttl_, ttl);
  return name_at;
}

void ReplyRecords::put_u16(std::uint16_t value) {
  octets_.push_back(static_cast<std::uint8_t>(value >> 8));
  octets_.push_back(static_cast<std::uint8_t>(value));
}

std::uint16_t ReplyRecords::put_name(const Name& name, bool remember) {
  const NameView wire = name.view();
  std::size_t best = wire.size();
  std::uint16_t pointer = 0;
  for (const Known& known : known_) {
    std::size_t known_at = 0;
    const std::size_t at = common_suffix_at(wire, known.name.view(), known.any_case, &known_at);
    // A suffix behind a pointer stands elsewhere, and is found there.
    if (at >= best || known_at >= known.literal) continue;
    const std::size_t target = known.offset + known_at;
    if (target > kMaxPointerTarget) continue;
    best = at;
    pointer = static_cast<std::uint16_t>(target);
  }
  const std::size_t start = here();
  octets_.insert(octets_.end(), wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(best));
  if (pointer != 0) {
    put_u16(static_cast<std::uint16_t>(0xC000 | pointer));
    saved_ += static_cast<std::uint32_t>(wire.size() - best - 2);
  }
  // The whole of it is there already.
  if (best == 0) return pointer;
  if (start > kMaxPointerTarget || wire.size() == 1) return 0;
  if (remember && known_.size() < kMaxKnown) {
    known_.push_back(
        {name, static_cast<std::uint16_t>(start), static_cast<std::uint8_t>(best), false});
  }
  return static_cast<std::uint16_t>(start);
}

void ReplyRecords::put_last_name() {
  if (last_.is_root()) return octets_.push_back(0);
  if (owner_ == 0) {
    owner_ = put_name(last_, true);
    return;
  }
  put_u16(static_cast<std::uint16_t>(0xC000 | owner_));
  saved_ += static_cast<std::uint32_t>(last_.size() - 2);
}

void ReplyRecords::end_section(unsigned section) noexcept {
  for (; section < 3; ++section) end_[section] = static_cast<std::uint16_t>(here());
}

}  // namespace clusterdns::dns
