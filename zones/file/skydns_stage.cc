#include "zones/file/skydns_stage.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "dns/query/encoder.h"
#include "zones/file/zone_stage.h"
#include "zones/zone_answers.h"

namespace clusterdns::zones {
namespace {

using dns::Name;
using dns::NameView;
using dns::RRType;
using dns::Section;
using dns::Verdict;
using Kind = SkyDnsRecord::Kind;
using Outcome = SkyDnsTable::Outcome;

constexpr dns::ExtendedErrorNote kNothingRead{true, dns::ExtendedError::NotReady,
                                              "etcd has not been read yet"};
constexpr dns::ExtendedErrorNote kTooManyKeys{true, dns::ExtendedError::Other,
                                              "too many keys of etcd are below this name"};
constexpr dns::ExtendedErrorNote kNoMemory{true, dns::ExtendedError::Other,
                                           "there is no memory for the answer"};
constexpr dns::ExtendedErrorNote kServerIsAName{true, dns::ExtendedError::InvalidData,
                                                "a record of ns.dns of the zone has no address"};

// CoreDNS's.
constexpr std::uint32_t kDefaultTtl = 300;
constexpr std::uint32_t kSoaTtl = 30;
constexpr std::int64_t kDefaultWeight = 100;
// So that those of all keys add up.
constexpr std::int64_t kMostWeight = std::int64_t{1} << 31;

Name in_lower_case(NameView name) {
  Name lower(name);
  lower.make_lower();
  return lower;
}

std::optional<Name> below(std::string_view labels, NameView zone) {
  const auto name = Name::from_text(labels);
  if (!name) return std::nullopt;
  const auto whole = name->append(zone);
  if (!whole) return std::nullopt;
  return *whole;
}

std::vector<std::uint8_t> with_number(std::initializer_list<std::uint16_t> numbers, NameView name) {
  std::vector<std::uint8_t> rdata;
  for (const std::uint16_t number : numbers) {
    rdata.push_back(static_cast<std::uint8_t>(number >> 8));
    rdata.push_back(static_cast<std::uint8_t>(number));
  }
  rdata.insert(rdata.end(), name.begin(), name.end());
  return rdata;
}

// Names outside of the zone that aliases lead to, asked for one after the other.
struct AskOutside {
  std::shared_ptr<const std::vector<Name>> names;
  RRType type;
  std::size_t at = 0;

  Verdict start(dns::Exchange& outer) const noexcept {
    return outer.run_from(0, (*names)[at].view(), type, *this);
  }
  Verdict operator()(dns::Exchange& outer, dns::Exchange& inner,
                     dns::Outcome outcome) const noexcept {
    const dns::Rcode before = outer.answer.rcode;
    const Verdict verdict = take_alias_answer(outer, inner, outcome);
    // Of several aliases none speaks for the name.
    if (names->size() > 1) outer.answer.rcode = before;
    if (verdict != Verdict::Answered || at + 1 == names->size()) return verdict;
    return AskOutside{names, type, at + 1}.start(outer);
  }
};

}  // namespace

// One question, as CoreDNS finds its records (plugin/backend_lookup.go).
class SkyDnsStage::Lookup {
 public:
  Lookup(const SkyDnsTable& table, const Options& options, NameView zone, dns::Exchange& exchange)
      : table_(table),
        options_(options),
        zone_(zone),
        answer_(exchange.answer),
        type_(exchange.query.qtype),
        now_ns_(dns::monotonic_ns()) {}

  [[nodiscard]] bool too_many() const noexcept { return too_many_; }
  [[nodiscard]] bool nothing() const noexcept { return nothing_; }
  [[nodiscard]] bool bad_server() const noexcept { return bad_server_; }
  [[nodiscard]] std::vector<Name>& outside() noexcept { return outside_; }

  // A, AAAA and TXT. `turn`: which one comes first.
  void addresses(NameView name, std::uint32_t turn) {
    Found found = is_apex(name) && type_ != RRType::TXT ? apex() : services(name, false);
    if (found.size() > 1 && turn != 0) {
      std::rotate(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(turn % found.size()),
                  found.end());
    }
    add_all(found, name, 0, Section::Answer);
  }
  // Only whether there is something.
  void anything(NameView name) { (void)(is_apex(name) ? apex() : services(name, false)); }
  void alias(NameView name) {
    const Found found = services(name, true);
    if (found.empty() || is_address(*found[0])) return;
    add(Section::Answer, 0, RRType::CNAME, *found[0], found[0]->name.view());
  }
  void pointers(NameView name) {
    std::set<std::string> said;
    for (const SkyDnsRecord* const each : services(name, true)) {
      if (is_address(*each) || !said.insert(each->name.to_text()).second) continue;
      add(Section::Answer, 0, RRType::PTR, *each, each->name.view());
    }
  }
  void servers() {
    const auto name = below("ns.dns", zone_);
    if (!name) return;
    std::set<std::string> said;
    const Found found = services(name->view(), false);
    bad_server_ = std::any_of(found.begin(), found.end(),
                              [](const SkyDnsRecord* each) { return each->kind == Kind::Name; });
    if (bad_server_) return;
    for (const SkyDnsRecord* const each : found) {
      if (!is_address(*each)) continue;
      add_address(*each);
      if (!said.insert(each->stripped.to_text()).second) continue;
      add(Section::Answer, 0, RRType::NS, *each, each->stripped.view());
    }
  }
  void mail(NameView name) {
    std::set<std::pair<std::string, std::uint16_t>> said;
    for (const SkyDnsRecord* const each : services(name, false)) {
      if (!each->mail || each->kind == Kind::Text) continue;
      if (!is_address(*each) || said.insert({each->stripped.to_text(), each->priority}).second) {
        add(Section::Answer, 0, RRType::MX, *each,
            with_number({each->priority}, each->stripped.view()));
      }
      add_target(*each);
    }
  }
  void servers_of_service(NameView name) {
    const Found found = services(name, false);
    std::map<std::uint16_t, std::int64_t> weights;
    for (const SkyDnsRecord* const each : found) weights[each->priority] += weight_of(*each);
    std::set<std::pair<std::string, std::uint16_t>> said;
    for (const SkyDnsRecord* const each : found) {
      if (!each->has_port || each->kind == Kind::Text) continue;
      const double share = 100.0 * static_cast<double>(weight_of(*each)) /
                           static_cast<double>(weights[each->priority]);
      const auto weight = static_cast<std::uint16_t>(std::clamp(std::floor(share), 1.0, 65535.0));
      if (!is_address(*each) || said.insert({each->stripped.to_text(), each->port}).second) {
        add(Section::Answer, 0, RRType::SRV, *each,
            with_number({each->priority, weight, each->port}, each->stripped.view()));
      }
      add_target(*each);
    }
  }

 private:
  using Found = SkyDnsTable::Found;

  static bool is_address(const SkyDnsRecord& record) noexcept {
    return record.kind == Kind::A || record.kind == Kind::AAAA;
  }
  static std::int64_t weight_of(const SkyDnsRecord& record) noexcept {
    return record.weight == 0 ? kDefaultWeight
                              : std::clamp(record.weight, -kMostWeight, kMostWeight);
  }
  static std::span<const std::uint8_t> rdata_of(const SkyDnsRecord& record) noexcept {
    return {record.address.data(), record.kind == Kind::A ? 4U : 16U};
  }

  [[nodiscard]] bool is_apex(NameView name) const noexcept {
    return dns::equal_ignoring_case(name, zone_);
  }
  [[nodiscard]] bool in_zone(NameView name) const noexcept {
    return dns::has_suffix_ignoring_case(name, zone_);
  }
  Found services(NameView name, bool exact) {
    Found found;
    const Outcome outcome = table_.find(name, exact, type_, found, budget_);
    nothing_ = outcome == Outcome::Nothing;
    too_many_ = too_many_ || outcome == Outcome::TooMany;
    if (outcome == Outcome::TooMany) found.clear();
    return found;
  }
  // Records of the zone's own name stand apart; older ones are all there are in it.
  Found apex() {
    if (const auto name = below("apex.dns", zone_)) {
      Found found = services(name->view(), false);
      if (!nothing_) return found;
    }
    return services(zone_, false);
  }

  [[nodiscard]] std::uint32_t ttl_of(const SkyDnsRecord& record) const noexcept {
    std::uint32_t ttl = record.ttl;
    if (record.lease != nullptr) {
      const std::int64_t end = record.lease->load(std::memory_order_relaxed);
      const std::int64_t left = end == 0 ? 0 : (end - now_ns_) / 1'000'000'000;
      // One that has not been asked about yet may be about to end.
      const auto lease = static_cast<std::uint32_t>(std::min<std::int64_t>(
          std::max<std::int64_t>(left, options_.least_lease_ttl), options_.most_lease_ttl));
      ttl = ttl == 0 ? lease : std::min(ttl, lease);
    }
    return ttl == 0 ? kDefaultTtl : ttl;
  }
  void add(Section section, std::uint8_t owner, RRType type, const SkyDnsRecord& record,
           std::span<const std::uint8_t> rdata) noexcept {
    (void)answer_.add_record(section, owner, type, ttl_of(record), rdata);
  }
  std::uint8_t owner_of(NameView name) {
    const auto owner = answer_.find_or_add_name(name);
    if (!owner) answer_.overfull = true;
    return owner.value_or(std::uint8_t{0});
  }
  // In the additional section, for the name that the key stands for.
  void add_address(const SkyDnsRecord& record) {
    if (!additional_.insert({record.stripped.to_text(), record.address}).second) return;
    add(Section::Additional, owner_of(record.stripped.view()),
        record.kind == Kind::A ? RRType::A : RRType::AAAA, record, rdata_of(record));
  }
  // The addresses of the name that an MX or SRV record has, if they are of this zone.
  void add_target(const SkyDnsRecord& record) {
    if (is_address(record)) return add_address(record);
    if (too_many_ || answer_.overfull) return;
    const Name name = in_lower_case(record.stripped.view());
    if (!in_zone(name.view()) || !targets_.insert(name.to_text()).second) return;
    for (const RRType type : {RRType::A, RRType::AAAA}) {
      Found found;
      const Outcome outcome = table_.find(name.view(), false, type, found, budget_);
      too_many_ = too_many_ || outcome == Outcome::TooMany;
      if (outcome != Outcome::Keys) return;
      for (const SkyDnsRecord* const each : found) {
        if (each->kind != (type == RRType::A ? Kind::A : Kind::AAAA)) continue;
        add(Section::Additional, owner_of(name.view()), type, *each, rdata_of(*each));
      }
    }
  }

  // What `found` says of `name`, whose index is `owner`.
  void add_all(const Found& found, NameView name, std::uint8_t owner, Section section) {
    std::set<std::string> said;
    for (const SkyDnsRecord* const each : found) {
      switch (each->kind) {
        case Kind::A:
        case Kind::AAAA: {
          const RRType type = each->kind == Kind::A ? RRType::A : RRType::AAAA;
          const auto rdata = rdata_of(*each);
          if (type == type_ && said.insert(std::string(rdata.begin(), rdata.end())).second) {
            add(section, owner, type, *each, rdata);
          }
          break;
        }
        case Kind::Text:
          if (type_ == RRType::TXT && said.insert(each->text).second) add_text(*each, owner);
          break;
        case Kind::Name: follow(*each, name, owner); break;
      }
    }
  }
  void add_text(const SkyDnsRecord& record, std::uint8_t owner) {
    std::vector<std::uint8_t> rdata;
    std::string_view left = record.text;
    do {
      const std::string_view piece = left.substr(0, 255);
      rdata.push_back(static_cast<std::uint8_t>(piece.size()));
      rdata.insert(rdata.end(), piece.begin(), piece.end());
      left.remove_prefix(piece.size());
    } while (!left.empty());
    add(Section::Answer, owner, RRType::TXT, record, rdata);
  }
  void follow(const SkyDnsRecord& record, NameView name, std::uint8_t owner) {
    const Name target = in_lower_case(record.name.view());
    // An alias of itself, also of a name above it: all keys below a name are its own.
    if (dns::has_suffix_ignoring_case(target.view(), name)) return;
    if (chain_.size() > dns::Answer::kMaxChain) return;
    const auto link = std::pair(std::string(name.begin(), name.end()), target.to_text());
    if (std::find(chain_.begin(), chain_.end(), link) != chain_.end()) return;
    const std::uint16_t before = answer_.answer_count;
    const std::size_t outside_before = outside_.size();
    add(Section::Answer, owner, RRType::CNAME, record, record.name.view());
    if (!in_zone(target.view())) {
      outside_.push_back(target);
      return;
    }
    if (++steps_ > dns::Exchange::kMaxOthers) return;
    const std::uint16_t with_alias = answer_.answer_count;
    const bool nothing = std::exchange(nothing_, false);
    chain_.push_back(link);
    const Found found =
        is_apex(target.view()) && type_ != RRType::TXT ? apex() : services(target.view(), false);
    if (!found.empty()) {
      add_all(found, target.view(), owner_of(target.view()), Section::Answer);
    }
    chain_.pop_back();
    nothing_ = nothing;
    // It leads to nothing: CoreDNS leaves it out.
    if (answer_.answer_count == with_alias && outside_.size() == outside_before) {
      answer_.answer_count = before;
    }
  }

  const SkyDnsTable& table_;
  const Options& options_;
  const NameView zone_;
  dns::Answer& answer_;
  const RRType type_;
  const std::int64_t now_ns_;
  bool nothing_ = false, too_many_ = false, bad_server_ = false;
  std::size_t budget_ = kMaxSkyDnsScan;
  unsigned steps_ = 0;  // aliases that were followed within the zone
  std::vector<std::pair<std::string, std::string>> chain_;
  std::vector<Name> outside_;
  std::set<std::pair<std::string, std::array<std::uint8_t, 16>>> additional_;
  std::set<std::string> targets_;
};

Verdict SkyDnsStage::answer(const SkyDnsTable& table, NameView zone, dns::Exchange& exchange) {
  const NameView name = exchange.query.name();
  const RRType type = exchange.query.qtype;
  dns::Answer& answer = exchange.answer;
  exchange.start_answer();
  answer.authoritative = true;
  if (is_transfer(type)) return refuse_transfer(answer);
  const auto soa = [&](dns::RRsetRef& record) {
    set_soa(record, answer.add_question_suffix(static_cast<std::uint8_t>(zone.size())),
            table.serial(), kSoaTtl);
  };
  Lookup lookup(table, options_, zone, exchange);
  switch (type) {
    case RRType::A:
    case RRType::AAAA:
    case RRType::TXT: {
      const bool turns = options_.rotate && type != RRType::TXT;
      lookup.addresses(name, turns ? turn_.fetch_add(1, std::memory_order_relaxed) : 0);
      break;
    }
    case RRType::CNAME: lookup.alias(name); break;
    case RRType::PTR: lookup.pointers(name); break;
    case RRType::MX: lookup.mail(name); break;
    case RRType::SRV: lookup.servers_of_service(name); break;
    case RRType::SOA: soa(answer.next_answer()); return Verdict::Answered;
    case RRType::NS:
      if (dns::equal_ignoring_case(name, zone)) {
        lookup.servers();
        break;
      }
      [[fallthrough]];
    default: lookup.anything(name);
  }
  if (lookup.too_many() || lookup.bad_server()) {
    exchange.fail(dns::Rcode::ServFail, lookup.too_many() ? kTooManyKeys : kServerIsAName);
    return Verdict::Answered;
  }
  if (lookup.nothing()) {
    if (options_.fall_through.contains(name)) {
      exchange.start_answer();
      return Verdict::Next;
    }
    answer.rcode = dns::Rcode::NXDomain;
  }
  if (!lookup.outside().empty()) {
    return AskOutside{std::make_shared<std::vector<Name>>(std::move(lookup.outside())), type}.start(
        exchange);
  }
  if (answer.answer_count == 0) soa(answer.next_authority());
  return Verdict::Answered;
}

Verdict SkyDnsStage::handle(dns::Exchange& exchange) noexcept {
  const NameView name = exchange.query.name();
  const std::size_t at = options_.zones.find(name);
  if (at == dns::ZoneSet::kNone) return Verdict::Next;
  const SkyDnsTable* const table = store_->current();
  if (table == nullptr) {
    exchange.fail(dns::Rcode::ServFail, kNothingRead);
    return Verdict::Answered;
  }
  try {
    return answer(*table, options_.zones[at], exchange);
  } catch (const std::exception&) {
    exchange.fail(dns::Rcode::ServFail, kNoMemory);
    return Verdict::Answered;
  }
}

}  // namespace clusterdns::zones
