#include "dns/shape/dnssec_stage.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <tuple>
#include <utility>

namespace clusterdns::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

constexpr ExtendedErrorNote kTooMany{true, ExtendedError::NotReady,
                                     "too many signatures at once; ask again"};
constexpr ExtendedErrorNote kCannotSign{true, ExtendedError::Other, "the answer cannot be signed"};

constexpr unsigned kNs = 2;
constexpr unsigned kSoa = 6;
constexpr unsigned kDnskey = 48;
// The types that a name may have which is said not to have one: CoreDNS's, and those besides that
// resolvers would otherwise take for missing (RFC 8198). Never CNAME, DNAME, NS or DS, which mean
// something else in a proof.
constexpr unsigned kTypes[] = {1,  12, 13, 15, 16, 28, 29, 33, 35, 37,  44,
                               46, 47, 52, 53, 55, 61, 64, 65, 99, 256, 257};
constexpr unsigned kApexTypes[] = {1,  2,  6,  12, 13, 15, 16, 28, 29, 33, 35,  37, 44,
                                   46, 47, 48, 52, 53, 55, 61, 64, 65, 99, 256, 257};
// What the parent has at a delegation.
constexpr unsigned kCutTypes[] = {kNs, 46, 47};

// The name that comes next (RFC 4471): right behind `name`, or, with `below` false, behind a name
// that may have others below it. `name` is in lower case.
void put_next_name(NameView name, bool below, std::vector<std::uint8_t>& to) {
  if (below && name.size() + 2 <= kMaxNameSize) {
    to.insert(to.end(), {1, 0});
    to.insert(to.end(), name.begin(), name.end());
    return;
  }
  while (name[0] != 0) {
    const std::size_t size = name[0];
    const NameView parent = name.subspan(size + 1);
    if (size < kMaxLabelSize && name.size() < kMaxNameSize) {
      to.push_back(static_cast<std::uint8_t>(size + 1));
      to.insert(to.end(), name.begin() + 1, name.begin() + 1 + static_cast<std::ptrdiff_t>(size));
      to.push_back(0);
      to.insert(to.end(), parent.begin(), parent.end());
      return;
    }
    // Its last octet grows; upper case is passed over.
    for (std::size_t kept = size; kept != 0; --kept) {
      const std::uint8_t last = name[kept];
      if (last == 0xFF) continue;
      to.push_back(static_cast<std::uint8_t>(kept));
      to.insert(to.end(), name.begin() + 1, name.begin() + static_cast<std::ptrdiff_t>(kept));
      to.push_back(last == '@' ? std::uint8_t{'['} : static_cast<std::uint8_t>(last + 1));
      to.insert(to.end(), parent.begin(), parent.end());
      return;
    }
    name = parent;
  }
  to.push_back(0);
}

NameView name_of(const Answer& answer, std::uint8_t owner) noexcept {
  return {answer.names[owner].wire, answer.names[owner].size};
}

Octets rdata_of(const RRsetRef& record) noexcept {
  return {static_cast<const std::uint8_t*>(record.data), record.count};
}

bool has_type(std::span<const RRsetRef> records, RRType type) noexcept {
  return std::ranges::any_of(records, [&](const RRsetRef& each) { return each.type == type; });
}

constexpr RRType kNsec3{50};

// Whether the answer to a question for NS says that its name is one of a delegation.
bool is_cut(const Exchange& exchange) noexcept {
  const Answer& answer = exchange.answer;
  if (answer.rcode != Rcode::NoError) return false;
  if (has_type(answer.answers(), RRType::NS)) return true;
  if (has_type(answer.authorities(), RRType::SOA)) return false;
  return std::ranges::any_of(answer.authorities(), [&](const RRsetRef& each) {
    return each.type == RRType::NS &&
           equal_ignoring_case(name_of(answer, each.owner), exchange.query.name());
  });
}

std::span<RRsetRef> records_of(Answer& answer, Section section) noexcept {
  switch (section) {
    case Section::Answer: return answer.answers();
    case Section::Authority: return answer.authorities();
    case Section::Additional: break;
  }
  return answer.additionals();
}

}  // namespace

std::uint32_t signing_time() noexcept { return static_cast<std::uint32_t>(std::time(nullptr)); }

struct DnssecStage::Subject {
  enum class Kind : std::uint8_t {
    Data,      // what was asked for, or nothing that could be proved
    Negative,  // the name, or its type, does not exist
    Referral,  // it is in a zone of others
  };
  Kind kind = Kind::Data;
  Name name;  // in lower case; of Referral the delegation's
  std::size_t zone = ZoneSet::kNone;
  bool proved = false;  // somebody has done it already
};

DnssecStage::DnssecStage(Options options)
    : options_(std::move(options)),
      cache_(options_.capacity,
             [&] {
               std::size_t most = 8;
               for (const auto& key : options_.keys) most = std::max(most, key->signature_size());
               return (most + 7) / 8 * 8;
             }()),
      counters_(options_.workers, 3),
      workers_(options_.workers) {
  const auto any = [&](bool (SigningKey::*is)() const noexcept) {
    return std::ranges::any_of(options_.keys, [&](const auto& key) { return (*key.*is)(); });
  };
  split_ = any(&SigningKey::is_ksk) && any(&SigningKey::is_zsk);
}

std::size_t DnssecStage::signing_zone(NameView owner, RRType type) const noexcept {
  std::size_t zone = options_.zones.find(owner);
  if (type == RRType::DS && zone != ZoneSet::kNone && owner.size() > 1 &&
      options_.zones[zone].size() == owner.size()) {
    // The parent's (RFC 4035 section 2.4).
    zone = options_.zones.find(owner.subspan(std::size_t{1} + owner[0]));
  }
  return zone;
}

Verdict DnssecStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  const bool asks_keys = query.qtype == RRType::DNSKEY;
  if ((!query.dnssec_ok && !asks_keys) || is_meta_type(query.qtype)) return Verdict::Next;
  const std::size_t zone =
      options_.zones.find(query.name(), query.label_offset.data(), query.label_count);
  if (zone == ZoneSet::kNone) return Verdict::Next;
  if (asks_keys && options_.zones[zone].size() == query.qname_size) {
    Answer& answer = exchange.answer;
    answer.authoritative = true;
    for (const auto& key : options_.keys) {
      answer.add_record(Section::Answer, 0, RRType::DNSKEY, options_.key_ttl, key->rdata());
    }
    if (query.dnssec_ok) sign_answer(exchange, false);
    return Verdict::Answered;
  }
  // Eight filters are more than a server block has directives for.
  if (query.dnssec_ok) (void)exchange.add_filter(*this, exchange.stage);
  return Verdict::Next;
}

DnssecStage::Subject DnssecStage::find_subject(const Exchange& exchange) const noexcept {
  const Answer& answer = exchange.answer;
  const Query& query = exchange.query;
  Subject subject;
  subject.name = Name(query.name());
  bool data = false;
  for (std::size_t links = 0; links <= Answer::kMaxChain; ++links) {
    const RRsetRef* alias = nullptr;
    for (const RRsetRef& record : answer.answers()) {
      if (!equal_ignoring_case(name_of(answer, record.owner), subject.name.view())) continue;
      data = data || record.type == query.qtype || query.qtype == RRType::ANY;
      if (record.type == RRType::CNAME) alias = &record;
    }
    if (data || alias == nullptr || alias->count > kMaxNameSize) break;
    subject.name = Name(rdata_of(*alias));
    subject.name.make_lower();
  }
  const auto authorities = answer.authorities();
  // By whoever signed that; what nobody signed proves nothing.
  subject.proved = std::ranges::any_of(authorities, [](const RRsetRef& record) {
    const Octets rdata = rdata_of(record);
    return record.type == RRType::RRSIG && rdata.size() > 18 &&
           (RRType{load_u16(rdata.data())} == RRType::NSEC ||
            RRType{load_u16(rdata.data())} == kNsec3);
  });
  if (data) return subject;
  if (has_type(authorities, RRType::SOA)) {
    subject.kind = Subject::Kind::Negative;
    subject.zone = options_.zones.find(subject.name.view());
    if (query.qtype == RRType::DS) {
      // Which of two zones says so.
      for (const RRsetRef& record : authorities) {
        if (record.type != RRType::SOA) continue;
        const std::size_t of = options_.zones.find(name_of(answer, record.owner));
        if (of != ZoneSet::kNone && subject.name.is_at_or_below(options_.zones[of])) {
          subject.zone = of;
        }
      }
    }
    if (subject.zone == ZoneSet::kNone) subject.kind = Subject::Kind::Data;
    return subject;
  }
  if (answer.answer_count != 0 || answer.rcode != Rcode::NoError) return subject;
  for (const RRsetRef& record : authorities) {
    if (record.type != RRType::NS) continue;
    subject.name = Name(name_of(answer, record.owner));
    subject.name.make_lower();
    subject.zone = options_.zones.find(subject.name.view());
    if (subject.zone != ZoneSet::kNone &&
        options_.zones[subject.zone].size() != subject.name.size()) {
      subject.kind = Subject::Kind::Referral;
    }
    return subject;
  }
  return subject;
}

Verdict DnssecStage::filter(Exchange& exchange, std::uint64_t note) noexcept {
  const Answer& answer = exchange.answer;
  const bool has_meaning = answer.rcode == Rcode::NoError || answer.rcode == Rcode::NXDomain ||
                           answer.rcode == Rcode::YXDomain;
  if (!has_meaning || answer.overfull || answer.truncated) return Verdict::Answered;
  if (exchange.query.qtype == RRType::DS && answer.rcode == Rcode::NoError) {
    const Subject subject = find_subject(exchange);
    if (subject.kind == Subject::Kind::Negative && !subject.proved &&
        options_.zones[subject.zone].size() != subject.name.size()) {
      // A delegation without DS is an end of what is signed; any other name must not look like one,
      // or whoever repeats that proof makes all below it unsigned.
      return exchange.run_from(static_cast<unsigned>(note), subject.name.view(), RRType::NS,
                               [this](Exchange& outer, Exchange& inner, Outcome outcome) {
                                 if (outcome == Outcome::Dropped) return Verdict::Drop;
                                 inner.take_apart();
                                 sign_answer(outer, is_cut(inner));
                                 return Verdict::Answered;
                               });
    }
  }
  sign_answer(exchange, false);
  return Verdict::Answered;
}

void DnssecStage::sign_answer(Exchange& exchange, bool cut) noexcept {
  workers_[exchange.worker->index].made = 0;
  switch (sign_all(exchange, cut)) {
    case Signing::Done: break;
    case Signing::TooMany: exchange.fail(Rcode::ServFail, kTooMany); break;
    case Signing::Failed: exchange.fail(Rcode::ServFail, kCannotSign); break;
    case Signing::NoTime:
      exchange.start_answer();
      exchange.answer.truncated = true;
      counters_.add(exchange.worker->index, static_cast<std::size_t>(Count::Truncated));
      break;
  }
}

DnssecStage::Signing DnssecStage::sign_all(Exchange& exchange, bool cut) {
  Answer& answer = exchange.answer;
  const Subject subject = find_subject(exchange);
  const bool referral = subject.kind == Subject::Kind::Referral;
  Signing result = sign_section(exchange, Section::Answer, referral);
  if (result != Signing::Done) return result;
  const bool has_ds = has_type(answer.authorities(), RRType::DS);
  std::uint32_t ttl = kOriginalTtl;
  for (const RRsetRef& record : answer.authorities()) {
    ttl = std::min(ttl, record.ttl);
    // RFC 9077: no longer than the negative answer.
    if (record.type == RRType::SOA && record.count >= 4) {
      ttl =
          std::min(ttl, load_u32(static_cast<const std::uint8_t*>(record.data) + record.count - 4));
    }
  }
  result = sign_section(exchange, Section::Authority, referral);
  if (result != Signing::Done) return result;
  if (!subject.proved && (subject.kind == Subject::Kind::Negative || (referral && !has_ds))) {
    result = add_nsec(exchange, subject, cut || referral, ttl);
    if (result != Signing::Done) return result;
  }
  return referral ? Signing::Done : sign_section(exchange, Section::Additional, false);
}

DnssecStage::Signing DnssecStage::sign_section(Exchange& exchange, Section section, bool referral) {
  Answer& answer = exchange.answer;
  Worker& worker = workers_[exchange.worker->index];
  const auto count = static_cast<std::uint16_t>(records_of(answer, section).size());
  worker.order.clear();
  for (std::uint16_t i = 0; i < count; ++i) {
    const RRType type = records_of(answer, section)[i].type;
    // What does not exist is for us alone to say (add_nsec()): an upstream's would deny others'
    // names with our signature.
    const bool denies = type == RRType::NSEC || type == kNsec3;
    if (type != RRType::RRSIG && !denies && !is_meta_type(type)) worker.order.push_back(i);
  }
  std::sort(worker.order.begin(), worker.order.end(), [&](std::uint16_t a, std::uint16_t b) {
    const auto key = [&](std::uint16_t i) {
      const RRsetRef& record = records_of(answer, section)[i];
      return std::tuple(record.owner, record.type, i);
    };
    return key(a) < key(b);
  });
  std::size_t sets = 0;
  for (std::size_t at = 0; at < worker.order.size();) {
    const RRsetRef first = records_of(answer, section)[worker.order[at]];
    std::uint32_t ttl = first.ttl;
    worker.rdata.clear();
    for (; at < worker.order.size(); ++at) {
      const RRsetRef& record = records_of(answer, section)[worker.order[at]];
      if (record.owner != first.owner || record.type != first.type) break;
      worker.rdata.push_back(rdata_of(record));
      ttl = std::min(ttl, record.ttl);
    }
    // Servers of a delegation are not the parent's to sign (RFC 4035 section 2.2).
    if (referral && first.type != RRType::DS) continue;
    const std::size_t zone = signing_zone(name_of(answer, first.owner), first.type);
    if (zone == ZoneSet::kNone) continue;
    const bool additional = section == Section::Additional;
    if (additional && ++sets > kMaxAdditional) break;
    const Signing result = sign_rrset(exchange, section, first.owner, first.type, ttl, zone, count);
    // Additional data is as good without (RFC 4035 section 3.1.1).
    if (additional && (result == Signing::TooMany || result == Signing::NoTime)) break;
    if (result != Signing::Done) return result;
  }
  return Signing::Done;
}

bool DnssecStage::has_time(const Exchange& exchange, Worker& worker) const noexcept {
  const std::int64_t now = options_.monotonic();
  worker.left = std::min(kBurst, worker.left + (now - worker.counted_at) / 2);
  worker.counted_at = now;
  // Who comes over TCP is who he says he is, and TCP has its own bounds.
  return worker.left > 0 || exchange.transport == Transport::Tcp;
}

DnssecStage::Signing DnssecStage::sign_rrset(Exchange& exchange, Section section,
                                             std::uint8_t owner, RRType type, std::uint32_t ttl,
                                             std::size_t zone, std::size_t others) {
  const unsigned index = exchange.worker->index;
  Worker& worker = workers_[index];
  Answer& answer = exchange.answer;
  const NameView signer = options_.zones[zone];
  const std::uint32_t now = options_.now();
  // Whether that key has signed it before: for a question that this one was led to.
  const auto is_signed = [&](const SigningKey& key) {
    return std::ranges::any_of(
        records_of(answer, section).first(others), [&](const RRsetRef& record) {
          const Octets rdata = rdata_of(record);
          return record.type == RRType::RRSIG && record.owner == owner && rdata.size() > 18 &&
                 RRType{load_u16(rdata.data())} == type &&
                 load_u16(rdata.data() + 16) == key.tag() &&
                 rdata[2] == static_cast<std::uint8_t>(key.algorithm()) &&
                 rdata.size() == 18 + signer.size() + key.signature_size() &&
                 equal_ignoring_case(rdata.subspan(18, signer.size()), signer);
        });
  };
  worker.rrset.set(name_of(answer, owner), type, kOriginalTtl, signer, worker.rdata);
  for (const auto& key : options_.keys) {
    if (split_ && (type == RRType::DNSKEY ? !key->is_ksk() : !key->is_zsk())) continue;
    if (is_signed(*key)) continue;
    std::array<std::uint8_t, kMaxSignature> signature{};
    const SignatureCache::Key cached = SignatureCache::key_of(worker.rrset.octets(*key, 0, 0));
    SignatureCache::Times times;
    const bool hit = cache_.find(cached, times, signature.data()) && times.inception <= now &&
                     times.expiration > now && times.expiration - now >= kResign;
    counters_.add(index, static_cast<std::size_t>(hit ? Count::Hit : Count::Miss));
    if (!hit) {
      if (worker.made == kMaxMade) return Signing::TooMany;
      if (!has_time(exchange, worker)) return Signing::NoTime;
      ++worker.made;
      times = {now - kInception, now + kExpiration};
    }
    const Octets octets = worker.rrset.octets(*key, times.inception, times.expiration);
    const auto made = std::span(signature).first(key->signature_size());
    if (!hit) {
      if (!key->sign(octets, made.data())) return Signing::Failed;
      const std::int64_t done = options_.monotonic();
      worker.left = std::max(-kBurst, worker.left - (done - worker.counted_at));
      worker.counted_at = done;
      cache_.put(cached, times, made);
    }
    worker.rrsig.clear();
    worker.rrset.put_rrsig(made, worker.rrsig);
    answer.add_record(section, owner, RRType::RRSIG, ttl, worker.rrsig);
  }
  return Signing::Done;
}

DnssecStage::Signing DnssecStage::add_nsec(Exchange& exchange, const Subject& subject, bool cut,
                                           std::uint32_t ttl) {
  Answer& answer = exchange.answer;
  Worker& worker = workers_[exchange.worker->index];
  const auto owner = answer.find_or_add_name(subject.name.view());
  if (!owner) {
    answer.overfull = true;
    return Signing::Done;
  }
  const RRType asked = exchange.query.qtype;
  const bool apex = options_.zones[subject.zone].size() == subject.name.size();
  const std::span<const unsigned> types = apex  ? std::span<const unsigned>(kApexTypes)
                                          : cut ? std::span<const unsigned>(kCutTypes)
                                                : std::span<const unsigned>(kTypes);
  std::vector<std::uint8_t> rdata;
  put_next_name(subject.name.view(), !cut, rdata);
  // Of an apex there is always more than the type that is missing.
  const bool always =
      asked == RRType::NSEC || asked == RRType::RRSIG ||
      (apex && (asked == RRType{kNs} || asked == RRType{kSoa} || asked == RRType{kDnskey}));
  put_type_bitmap(types, cut || always ? 0 : static_cast<unsigned>(asked), rdata);
  const std::uint8_t* const kept = answer.keep(rdata);
  if (kept == nullptr) return Signing::Done;  // it is overfull
  // Whoever asks for it has it as an answer.
  const bool is_answer = asked == RRType::NSEC && subject.kind == Subject::Kind::Negative;
  if (is_answer) answer.authority_count = 0;
  const Section section = is_answer ? Section::Answer : Section::Authority;
  answer.add_record(section, *owner, RRType::NSEC, ttl, {kept, rdata.size()});
  answer.rcode = Rcode::NoError;
  worker.rdata.assign(1, {kept, rdata.size()});
  return sign_rrset(exchange, section, *owner, RRType::NSEC, ttl, subject.zone, 0);
}

}  // namespace clusterdns::dns
