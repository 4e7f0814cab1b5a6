#include "dns/shape/shape_stages.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>

#include "dns/query/edns_options.h"
#include "dns/query/wire_sections.h"

namespace clusterdns::dns {
namespace {

// Whether it ends in what was asked for: nothing is, where aliases lead to a name without the type.
bool has_data(const Query& query, const Answer& answer) noexcept {
  const auto answers = answer.answers();
  if (query.qtype == RRType::ANY || query.qtype == RRType::CNAME) return !answers.empty();
  return std::any_of(answers.begin(), answers.end(),
                     [&](const RRsetRef& ref) { return ref.type == query.qtype; });
}

bool is_address(const RRsetRef& record) noexcept {
  return (record.type == RRType::A && record.count == 4) ||
         (record.type == RRType::AAAA && record.count == 16);
}
const std::uint8_t* octets_of(const RRsetRef& record) noexcept {
  return static_cast<const std::uint8_t*>(record.data);
}

}  // namespace

// --- header ---

Verdict HeaderStage::handle(Exchange& exchange) noexcept {
  for (const Rule& rule : query_) {
    // Of a question, RD alone has a meaning.
    if (rule.flag != Flag::RD) continue;
    exchange.query.flags = static_cast<std::uint16_t>(rule.set ? exchange.query.flags | kFlagRD
                                                               : exchange.query.flags & ~kFlagRD);
  }
  return response_.empty() ? Verdict::Next : FilterStage::handle(exchange);
}

Verdict HeaderStage::filter(Exchange& exchange, std::uint64_t) noexcept {
  for (const Rule& rule : response_) {
    switch (rule.flag) {
      case Flag::AA: exchange.answer.authoritative = rule.set; break;
      case Flag::RA: exchange.answer.recursion_available = rule.set; break;
      case Flag::RD:
        // The answer has the question's.
        exchange.query.flags = static_cast<std::uint16_t>(
            rule.set ? exchange.query.flags | kFlagRD : exchange.query.flags & ~kFlagRD);
        break;
    }
  }
  return Verdict::Answered;
}

// --- minimal ---

Verdict MinimalStage::filter(Exchange& exchange, std::uint64_t) noexcept {
  // Of what an upstream said, the types of the records are not told.
  if (exchange.answer.authority_count != 0 && has_wire_sections(exchange.answer)) {
    exchange.take_apart();
  }
  Answer& answer = exchange.answer;
  // Denials need their SOA, and delegations are made of NS records.
  if (answer.rcode == Rcode::NoError &&
      (answer.authority_count == 0 || has_data(exchange.query, answer))) {
    answer.authority_count = answer.additional_count = 0;
  }
  return Verdict::Answered;
}

// --- nsid ---

Verdict NsidStage::handle(Exchange& exchange) noexcept {
  if (exchange.owns() || !has_option(exchange.query, kOptionNsid)) return Verdict::Next;
  return FilterStage::handle(exchange);
}

Verdict NsidStage::filter(Exchange& exchange, std::uint64_t) noexcept {
  for (const EdnsOption& option : exchange.answer.options()) {
    if (option.code == kOptionNsid) return Verdict::Answered;
  }
  (void)exchange.answer.add_option(kOptionNsid,
                                   {reinterpret_cast<const std::uint8_t*>(id_.data()), id_.size()});
  return Verdict::Answered;
}

// --- dns64 ---

Verdict Dns64Stage::handle(Exchange& exchange) noexcept {
  if (exchange.query.qtype != RRType::AAAA) return Verdict::Next;
  if (!options_.allow_ipv4 && !exchange.client.v6) return Verdict::Next;
  return FilterStage::handle(exchange);
}

Verdict Dns64Stage::filter(Exchange& exchange, std::uint64_t) noexcept {
  Answer& answer = exchange.answer;
  // RFC 6147 5.1.2: a name that does not exist has no addresses of the other kind either.
  if (answer.rcode == Rcode::NXDomain) return Verdict::Answered;
  if (!options_.translate_all) {
    for (const RRsetRef& record : answer.answers()) {
      if (record.type == RRType::AAAA) return Verdict::Answered;
    }
  }
  std::uint32_t soa_ttl = 600;  // RFC 6147 5.1.7
  for (const RRsetRef& record : answer.authorities()) {
    if (record.type == RRType::SOA) soa_ttl = record.ttl;
  }
  return exchange.run_from(0, exchange.query.name_as_asked(), RRType::A,
                           [this, soa_ttl](Exchange& outer, Exchange& inner, Outcome outcome) {
                             if (outcome == Outcome::Dropped) return Verdict::Drop;
                             inner.take_apart();
                             const auto found = inner.answer.answers();
                             // What is no better than what there was leaves it as it was.
                             if (std::none_of(found.begin(), found.end(), is_address))
                               return Verdict::Answered;
                             outer.take_answer(inner, Exchange::Owner::Asked);
                             outer.answer.authentic_data = false;
                             synthesize(outer.answer, soa_ttl);
                             counters_.add(outer.worker->index, 0);
                             return Verdict::Answered;
                           });
}

void Dns64Stage::synthesize(Answer& answer, std::uint32_t soa_ttl) const noexcept {
  for (RRsetRef& record : answer.answers()) {
    if (record.type != RRType::A || record.count != 4) continue;
    const auto address = translate(octets_of(record));
    const std::uint8_t* const kept = answer.keep(address);
    if (kept == nullptr) return;
    record.type = RRType::AAAA;
    record.data = kept;
    record.count = 16;
    record.ttl = std::min(record.ttl, soa_ttl);
  }
}

std::array<std::uint8_t, 16> Dns64Stage::translate(const std::uint8_t* address) const noexcept {
  std::array<std::uint8_t, 16> result{};
  std::size_t at = options_.prefix_bits / 8;
  std::copy_n(options_.prefix.begin(), at, result.begin());
  for (int i = 0; i < 4; ++i) {
    if (at == 8) ++at;  // RFC 6052 2.2: bits 64 to 71 are zero
    result[at++] = address[i];
  }
  return result;
}

// --- loadbalance ---

namespace {

bool is_ordered(const Exchange& exchange) noexcept {
  return exchange.answer.rcode == Rcode::NoError && !is_meta_type(exchange.query.qtype);
}

}  // namespace

PreferStage::PreferStage(const std::vector<AddressRanges>& networks, unsigned workers)
    : networks_(static_cast<std::uint16_t>(networks.size())), sorters_(workers) {
  // Where a network begins or has ended.
  struct Edge {
    Octets at;
    bool begins;
    std::uint16_t network;
  };
  std::array<std::vector<Edge>, 2> edges;
  for (std::uint16_t i = 0; i < networks_; ++i) {
    networks[i].for_each([&](bool v6, const Octets& network, unsigned bits) {
      edges[v6].push_back({network, true, i});
      // The next address behind it; there is none behind the last one.
      Octets behind = network;
      unsigned octet = bits == 0 ? 0 : (bits - 1) / 8;
      unsigned step = bits == 0 ? 256 : 1U << (7 - (bits - 1) % 8);
      while (step != 0) {
        step += behind[octet];
        behind[octet] = static_cast<std::uint8_t>(step);
        step >>= 8;
        if (octet-- == 0) break;
      }
      if (step == 0) edges[v6].push_back({behind, false, i});
    });
  }
  for (const bool v6 : {false, true}) {
    std::vector<Stretch>& stretches = stretches_[v6];
    std::sort(edges[v6].begin(), edges[v6].end(),
              [](const Edge& a, const Edge& b) { return a.at < b.at; });
    std::multiset<std::uint16_t> inside;
    stretches.push_back({Octets{}, networks_});
    for (auto edge = edges[v6].begin(); edge != edges[v6].end();) {
      const Octets at = edge->at;
      // Nobody ends before it has begun: what is taken away was put there by an earlier address.
      for (; edge != edges[v6].end() && edge->at == at; ++edge) {
        if (edge->begins) {
          inside.insert(edge->network);
        } else {
          inside.erase(inside.find(edge->network));
        }
      }
      const std::uint16_t first = inside.empty() ? networks_ : *inside.begin();
      if (stretches.back().from == at) {
        stretches.back().network = first;
      } else if (stretches.back().network != first) {
        stretches.push_back({at, first});
      }
    }
  }
}

std::uint16_t PreferStage::network_of(const RRsetRef& address) const noexcept {
  static constexpr Octets kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr std::size_t kMappedSize = 12;
  Octets octets = kMapped;
  std::memcpy(octets.data() + (octets.size() - address.count), address.data, address.count);
  const bool v6 = std::memcmp(octets.data(), kMapped.data(), kMappedSize) != 0;
  const std::vector<Stretch>& stretches = stretches_[v6];
  const auto behind =
      std::upper_bound(stretches.begin(), stretches.end(), octets,
                       [](const Octets& at, const Stretch& each) { return at < each.from; });
  return std::prev(behind)->network;
}

Verdict PreferStage::filter(Exchange& exchange, std::uint64_t) noexcept {
  if (!is_ordered(exchange)) return Verdict::Answered;
  const auto rank = [this](const RRsetRef& record) -> std::uint32_t {
    if (record.type == RRType::CNAME) return 0;
    if (record.type == RRType::MX) return networks_ + 2U;
    if (!is_address(record)) return networks_ + 3U;
    return 1U + network_of(record);
  };
  RecordSorter& sorter = sorters_[exchange.worker->index];
  sorter.sort(exchange.answer.answers(), rank);
  sorter.sort(exchange.answer.additionals(), rank);
  return Verdict::Answered;
}

WeightedStage::WeightedStage(ReclaimDomain& reclaim, unsigned workers, std::uint64_t seed)
    : reclaim_(reclaim), weights_(new Weights), random_(workers) {
  for (std::size_t i = 0; i < random_.size(); ++i) {
    random_[i].state = (seed + i) * 0x9E3779B97F4A7C15 | 1;
  }
}

WeightedStage::~WeightedStage() { delete weights_.load(std::memory_order_relaxed); }

void WeightedStage::publish(std::unique_ptr<Weights> weights) {
  for (auto& [name, addresses] : weights->names) {
    std::stable_sort(addresses.begin(), addresses.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  const Weights* const old = weights_.exchange(weights.release(), std::memory_order_acq_rel);
  reclaim_.retire(const_cast<Weights*>(old), [](void* p) { delete static_cast<Weights*>(p); });
}

Verdict WeightedStage::filter(Exchange& exchange, std::uint64_t) noexcept {
  const RRType type = exchange.query.qtype;
  if (!is_ordered(exchange) || (type != RRType::A && type != RRType::AAAA && type != RRType::SRV)) {
    return Verdict::Answered;
  }
  Answer& answer = exchange.answer;
  for (const std::span<RRsetRef> section : {answer.answers(), answer.additionals()}) {
    const auto addresses = std::count_if(section.begin(), section.end(), is_address);
    if (addresses == 0) continue;
    Random& random = random_[exchange.worker->index];
    random.sorter.sort(section, [](const RRsetRef& record) {
      return record.type == RRType::CNAME ? 0
             : is_address(record)         ? 2
             : record.type == RRType::MX  ? 3
                                          : 1;
    });
    const auto first = std::find_if(section.begin(), section.end(), is_address);
    draw_first({first, static_cast<std::size_t>(addresses)}, answer, random);
  }
  return Verdict::Answered;
}

namespace {

std::uint32_t weight_of(std::string_view address, const WeightedStage::Weights::OfName& known) {
  const auto at = std::lower_bound(
      known.begin(), known.end(), address,
      [](const auto& each, std::string_view wanted) { return each.first < wanted; });
  return at != known.end() && at->first == address ? at->second : 1;
}

}  // namespace

void WeightedStage::draw_first(std::span<RRsetRef> addresses, const Answer& answer,
                               Random& random) const noexcept {
  const Weights& all = *weights_.load(std::memory_order_acquire);
  const std::span<std::uint32_t> weights = random.sorter.numbers(addresses.size());
  if (weights.size() != addresses.size()) return;
  const Weights::OfName* known = nullptr;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const RRsetRef& record = addresses[i];
    if (i == 0 || record.owner != addresses[i - 1].owner) {
      const AnswerName& owner = answer.names[record.owner];
      Name name(NameView{owner.wire, owner.size});
      name.make_lower();
      const auto found =
          all.names.find(std::string_view(reinterpret_cast<const char*>(name.data()), name.size()));
      known = found == all.names.end() ? nullptr : &found->second;
    }
    weights[i] = known == nullptr
                     ? 1
                     : weight_of({static_cast<const char*>(record.data), record.count}, *known);
    sum += weights[i];
  }
  std::uint64_t& x = random.state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  std::uint64_t left = (x >> 11) % sum;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (left < weights[i]) {
      std::swap(addresses.front(), addresses[i]);
      return;
    }
    left -= weights[i];
  }
}

}  // namespace clusterdns::dns
