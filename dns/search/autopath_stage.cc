#include "dns/search/autopath_stage.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace clusterdns::dns {

// A question on its way down the list.
struct AutopathStage::Walk {
  Name base;                // what was meant, as a name
  std::vector<Name> names;  // to be tried, the asked one first
  std::size_t next = 0;
  unsigned behind = 0;  // where they begin
  Answer first;         // what the asked name came to
  unsigned first_stage = 0;
};

AutopathStage::AutopathStage(Options options, unsigned workers)
    : options_([&] {
        if (options.suffixes.size() > kMaxSuffixes) options.suffixes.resize(kMaxSuffixes);
        return std::move(options);
      }()),
      counters_(workers, 1) {}

std::unique_ptr<AutopathStage::Walk> AutopathStage::walk_for(const Query& query) const {
  const NameView name = query.name();
  if (!options_.zones.contains(name)) return nullptr;
  std::vector<NameView> suffixes;
  if (!options_.cluster_zones.empty()) {
    const std::size_t zone = options_.cluster_zones.find(name);
    if (zone == ZoneSet::kNone) return nullptr;
    // <base>.<namespace>.svc.<zone>
    const std::size_t zone_at = name.size() - options_.cluster_zones[zone].size();
    static constexpr std::uint8_t kSvc[] = {3, 's', 'v', 'c'};
    std::size_t namespace_at = 0;
    std::size_t svc_at = 0;
    for (std::size_t at = 0; at < zone_at; at += std::size_t{1} + name[at]) {
      namespace_at = svc_at;
      svc_at = at;
    }
    if (namespace_at == 0 || zone_at - svc_at != sizeof kSvc ||
        std::memcmp(name.data() + svc_at, kSvc, sizeof kSvc) != 0) {
      return nullptr;
    }
    suffixes = {name.subspan(namespace_at), name.subspan(svc_at), name.subspan(zone_at)};
  }
  for (const Name& suffix : options_.suffixes) suffixes.push_back(suffix.view());
  if (suffixes.empty() || name.size() <= suffixes[0].size() ||
      !has_suffix_ignoring_case(name, suffixes[0])) {
    return nullptr;
  }
  auto walk = std::make_unique<Walk>();
  // Without its root label, which follows.
  std::vector<std::uint8_t> base(name.begin(),
                                 name.end() - static_cast<std::ptrdiff_t>(suffixes[0].size()));
  base.push_back(0);
  walk->base = Name(NameView(base));
  for (const NameView suffix : suffixes) {
    if (const auto whole = walk->base.append(suffix)) walk->names.push_back(*whole);
  }
  walk->names.push_back(walk->base);
  return walk;
}

Verdict AutopathStage::handle(Exchange& exchange) noexcept {
  if (!options_.clients.contains(exchange.client)) return Verdict::Next;
  auto walk = walk_for(exchange.query);
  if (walk == nullptr) return Verdict::Next;
  walk->behind = exchange.stage;
  return try_next(exchange, std::move(walk));
}

Verdict AutopathStage::try_next(Exchange& exchange, std::unique_ptr<Walk> walk) noexcept {
  const Name name =
      walk->next == 0 ? Name(exchange.query.name_as_asked()) : walk->names[walk->next];
  const unsigned behind = walk->behind;
  return exchange.run_from(
      behind, name.view(), exchange.query.qtype,
      [this, walk = std::move(walk)](Exchange& outer, Exchange& inner, Outcome outcome) mutable {
        const bool asked = walk->next == 0;
        if (asked && outcome == Outcome::Dropped) return Verdict::Drop;
        // A failure ends it, too: whether the name is there is not known, and behind it could be
        // another one of that name.
        if (outcome == Outcome::Answered && inner.answer.rcode != Rcode::NXDomain) {
          outer.take_answer(inner, asked ? Exchange::Owner::Asked : Exchange::Owner::Kept);
          if (asked) return Verdict::Answered;
          if (outer.answer.rcode == Rcode::NoError) counters_.add(outer.worker->index, 0);
          Answer& answer = outer.answer;
          if (answer.answer_count != 0 && answer.answer[0].owner != 0) {
            // From the name that was asked for to the one that was found.
            const std::uint32_t ttl = answer.answer[0].ttl;
            const AnswerName& target = answer.names[answer.answer[0].owner];
            const Name found_name(NameView{target.wire, target.size});
            answer.add_record(Section::Answer, 0, RRType::CNAME, ttl, found_name.view());
            if (!answer.overfull) {
              std::rotate(answer.answer, answer.answer + answer.answer_count - 1,
                          answer.answer + answer.answer_count);
            }
          }
          return Verdict::Answered;
        }
        if (asked) {
          outer.take_answer(inner, Exchange::Owner::Asked);
          walk->first_stage = outer.stage;
          walk->first = std::move(outer.answer);
          outer.start_answer();
        }
        if (++walk->next < walk->names.size()) return try_next(outer, std::move(walk));
        // Nowhere: as if nothing else had been tried.
        outer.answer = std::move(walk->first);
        outer.answer.names[0] = {outer.query.lower.data(), outer.query.qname_size,
                                 outer.query.qname_size, kHeaderSize};
        outer.stage = walk->first_stage;
        return Verdict::Answered;
      });
}

}  // namespace clusterdns::dns
