#include "dns/search/autopath_stage.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dns/resolve/local_names.h"

namespace clusterdns::dns {

// A question on its way down the list.
struct AutopathStage::Walk {
  Name base;                // what was meant, as a name
  std::vector<Name> names;  // to be tried, the asked one first
  std::size_t next = 1;
  unsigned behind = 0;  // where they begin
  Answer first;         // what the asked name came to
  unsigned first_stage = 0;
  // Seconds that the asked name may be said not to be there: of its SOA.
  std::uint32_t ttl = kTtlOfNothing;
};

namespace {

bool has_data(const Answer& answer, RRType type) noexcept {
  const auto records = answer.answers();
  return std::any_of(records.begin(), records.end(),
                     [type](const RRsetRef& record) { return record.type == type; });
}

// The first record becomes a CNAME from the question to `target`.
void put_alias(Answer& answer, const Name& target, std::uint32_t ttl) noexcept {
  answer.add_record(Section::Answer, 0, RRType::CNAME, ttl, target.view());
  if (answer.overfull) return;
  std::rotate(answer.answer, answer.answer + answer.answer_count - 1,
              answer.answer + answer.answer_count);
}

}  // namespace

AutopathStage::AutopathStage(Options options, unsigned workers)
    : options_([&] {
        if (options.suffixes.size() > kMaxSuffixes) options.suffixes.resize(kMaxSuffixes);
        return std::move(options);
      }()),
      counters_(workers, 1) {}

std::optional<AutopathStage::Place> AutopathStage::place_of(NameView name) const noexcept {
  if (!options_.zones.contains(name)) return std::nullopt;
  if (options_.cluster_zones.empty()) {
    if (options_.suffixes.empty()) return std::nullopt;
    const NameView suffix = options_.suffixes[0].view();
    if (name.size() <= suffix.size() || !has_suffix_ignoring_case(name, suffix)) {
      return std::nullopt;
    }
    return Place{.list_at = name.size() - suffix.size()};
  }
  const std::size_t zone = options_.cluster_zones.find(name);
  if (zone == ZoneSet::kNone) return std::nullopt;
  // <base>.<namespace>.svc.<zone>
  Place place{.zone_at = name.size() - options_.cluster_zones[zone].size()};
  static constexpr std::uint8_t kSvc[] = {3, 's', 'v', 'c'};
  unsigned labels = 0;
  for (std::size_t at = 0; at < place.zone_at; at += std::size_t{1} + name[at]) {
    place.list_at = place.svc_at;
    place.svc_at = at;
    ++labels;
  }
  if (place.list_at == 0 || place.zone_at - place.svc_at != sizeof kSvc ||
      std::memcmp(name.data() + place.svc_at, kSvc, sizeof kSvc) != 0) {
    return std::nullopt;
  }
  place.base_labels = labels - 2;
  return place;
}

bool AutopathStage::is_sure(const Exchange& exchange, const Place& place) const noexcept {
  const Query& query = exchange.query;
  if (query.qtype != RRType::A && query.qtype != RRType::AAAA) return false;
  if (query.qclass != RRClass::IN || place.base_labels < kLeastLabels) return false;
  // The second name of a list looks like the first one of another pod:
  // api.github.com.svc.<zone>, if there were a namespace "com".
  const NameView pod_namespace = query.name().subspan(place.list_at);
  Answer nothing;
  nothing.reset(pod_namespace.data(), static_cast<std::uint8_t>(pod_namespace.size()));
  std::uint8_t owner = 0;
  return resolve_local(*exchange.route, *exchange.worker, pod_namespace, query.qtype, nothing,
                       &owner) == LocalResult::NoData;
}

std::unique_ptr<AutopathStage::Walk> AutopathStage::walk_for(NameView name) const {
  const std::optional<Place> place = place_of(name);
  if (!place) return nullptr;
  auto walk = std::make_unique<Walk>();
  // Without its root label, which follows.
  std::vector<std::uint8_t> base(name.begin(),
                                 name.begin() + static_cast<std::ptrdiff_t>(place->list_at));
  base.push_back(0);
  walk->base = Name(NameView(base));
  std::vector<NameView> suffixes;
  if (!options_.cluster_zones.empty()) {
    suffixes = {name.subspan(place->list_at), name.subspan(place->svc_at),
                name.subspan(place->zone_at)};
  }
  for (const Name& suffix : options_.suffixes) suffixes.push_back(suffix.view());
  for (const NameView suffix : suffixes) {
    if (const auto whole = walk->base.append(suffix)) walk->names.push_back(*whole);
  }
  walk->names.push_back(walk->base);
  return walk;
}

Verdict AutopathStage::handle(Exchange& exchange) noexcept {
  if (!options_.clients.contains(exchange.client)) return Verdict::Next;
  const std::optional<Place> place = place_of(exchange.query.name());
  if (!place || (options_.by_namespace && !is_sure(exchange, *place))) return Verdict::Next;
  const unsigned behind = exchange.stage;
  const Name name(exchange.query.name_as_asked());
  return exchange.run_from(behind, name.view(), exchange.query.qtype,
                           [this, behind](Exchange& outer, Exchange& inner, Outcome outcome) {
                             if (outcome == Outcome::Dropped) return Verdict::Drop;
                             outer.take_answer(inner, Exchange::Owner::Asked);
                             const bool missing = outcome == Outcome::Unanswered
                                                      ? !options_.by_namespace
                                                      : outer.answer.rcode == Rcode::NXDomain;
                             if (!missing) return Verdict::Answered;
                             auto walk = walk_for(outer.query.name());
                             if (walk == nullptr) return Verdict::Answered;
                             walk->behind = behind;
                             walk->first_stage = outer.stage;
                             if (outer.answer.authority_count != 0)
                               walk->ttl = outer.answer.authority[0].ttl;
                             walk->first = std::move(outer.answer);
                             outer.start_answer();
                             return try_next(outer, std::move(walk));
                           });
}

void AutopathStage::take_over(Exchange& outer, Exchange& inner, const Walk& walk) noexcept {
  outer.take_answer(inner, Exchange::Owner::Kept);
  Answer& answer = outer.answer;
  // Nobody signed the alias.
  answer.authentic_data = false;
  if (answer.rcode != Rcode::NoError && answer.rcode != Rcode::NXDomain) {
    // An upstream that refuses fails. Stubs take REFUSED for "ask another server" (musl waits for
    // it); a policy of this server that refuses the name means it.
    if (outer.upstream.port != 0) answer.rcode = Rcode::ServFail;
    return;
  }
  std::uint32_t ttl = walk.ttl;
  for (const RRsetRef& record : answer.answers()) ttl = std::min(ttl, record.ttl);
  if (!has_data(answer, outer.query.qtype)) {
    // It is said of the asked name, too, and holds no longer than that it is not there.
    for (RRsetRef& record : answer.authorities()) {
      record.ttl = std::min(record.ttl, walk.ttl);
      ttl = std::min(ttl, record.ttl);
    }
    if (options_.negative_nodata) answer.rcode = Rcode::NoError;
  }
  put_alias(answer, walk.names[walk.next], ttl);
}

Verdict AutopathStage::try_next(Exchange& exchange, std::unique_ptr<Walk> walk) noexcept {
  const Name name = walk->names[walk->next];
  const unsigned behind = walk->behind;
  return exchange.run_from(
      behind, name.view(), exchange.query.qtype,
      [this, walk = std::move(walk)](Exchange& outer, Exchange& inner, Outcome outcome) mutable {
        const bool answered = outcome == Outcome::Answered;
        // A failure ends it, too: whether the name is there is not known, and behind it could be
        // another one of that name.
        const bool ends = answered && inner.answer.rcode != Rcode::NXDomain;
        const bool last = walk->next + 1 == walk->names.size();
        if (options_.by_namespace && answered && (ends || last)) {
          take_over(outer, inner, *walk);
          if (ends && outer.answer.rcode == Rcode::NoError) {
            counters_.add(outer.worker->index, 0);
          }
          return Verdict::Answered;
        }
        if (ends) {
          outer.take_answer(inner, Exchange::Owner::Kept);
          if (outer.answer.rcode == Rcode::NoError) counters_.add(outer.worker->index, 0);
          Answer& answer = outer.answer;
          if (answer.answer_count != 0 && answer.answer[0].owner != 0) {
            // From the name that was asked for to the one that was found.
            const std::uint32_t ttl = answer.answer[0].ttl;
            const AnswerName& target = answer.names[answer.answer[0].owner];
            put_alias(answer, Name(NameView{target.wire, target.size}), ttl);
          }
          return Verdict::Answered;
        }
        if (!last) {
          ++walk->next;
          return try_next(outer, std::move(walk));
        }
        // Nowhere: as if nothing else had been tried.
        outer.answer = std::move(walk->first);
        outer.answer.names[0] = {outer.query.lower.data(), outer.query.qname_size,
                                 outer.query.qname_size, kHeaderSize};
        outer.stage = walk->first_stage;
        return Verdict::Answered;
      });
}

}  // namespace clusterdns::dns
