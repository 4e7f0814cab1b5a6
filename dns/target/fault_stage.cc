#include "dns/target/fault_stage.h"

#include <algorithm>
#include <cstring>

#include "dns/query/encoder.h"
#include "dns/target/damage.h"

namespace clusterdns::dns {
namespace {

// Notes of the filter: rules, or the labels of the zone with this number less one.
constexpr std::uint64_t kByRules = 0;

constexpr ExtendedErrorNote kNotForThisClient{true, ExtendedError::Prohibited,
                                              "only clients of the private network are served"};

std::optional<Rcode> rcode_of(Action action) noexcept {
  switch (action) {
    case Action::ServFail: return Rcode::ServFail;
    case Action::Refused: return Rcode::Refused;
    case Action::FormErr:
    case Action::NoEdns: return Rcode::FormErr;
    case Action::NotImp: return Rcode::NotImp;
    case Action::NxDomain: return Rcode::NXDomain;
    case Action::BadVers: return Rcode::BadVers;
    default: return std::nullopt;
  }
}

void start_rcode(Exchange& exchange, Rcode rcode) noexcept {
  exchange.start_answer();
  exchange.answer.rcode = rcode;
}

// A/AAAA of the client, or where it is and what it sent as text. False: NODATA.
bool say_who(Exchange& exchange, std::uint32_t ttl) {
  auto address = exchange.client.to_address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  }
  Answer& answer = exchange.answer;
  if (exchange.query.qtype == RRType::A && address.is_v4()) {
    return answer.add_record(Section::Answer, 0, RRType::A, ttl, address.to_v4().to_bytes());
  }
  if (exchange.query.qtype == RRType::AAAA && address.is_v6()) {
    return answer.add_record(Section::Answer, 0, RRType::AAAA, ttl, address.to_v6().to_bytes());
  }
  if (exchange.query.qtype != RRType::TXT) return false;
  const std::string text = address.to_string() + " " + std::to_string(exchange.client.port) +
                           (exchange.transport == Transport::Udp ? " udp " : " tcp ") +
                           std::to_string(exchange.query.id);
  std::vector<std::uint8_t> rdata{static_cast<std::uint8_t>(text.size())};
  rdata.insert(rdata.end(), text.begin(), text.end());
  return answer.add_record(Section::Answer, 0, RRType::TXT, ttl, rdata);
}

void add_self_alias(Exchange& exchange, std::uint32_t ttl) noexcept {
  RRsetRef cname;
  cname.write = &write_cname;
  cname.type = RRType::CNAME;
  cname.ttl = ttl;
  exchange.answer.add_answer(cname);
}

// TC, with the first `records` of the answer section. References to several records stand for the
// first of them.
void truncate(Answer& answer, std::uint32_t records) noexcept {
  answer.truncated = true;
  answer.authority_count = answer.additional_count = 0;
  std::uint16_t kept = 0;
  for (RRsetRef& rrset : answer.answers()) {
    if (records == 0) break;
    ++kept;
    if (rrset.write == &write_rows) {
      rrset.count = std::min(rrset.count, records);
      records -= rrset.count;
    } else {
      --records;
    }
  }
  answer.answer_count = kept;
}

void keep_authority(Answer& answer, bool soa) noexcept {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < answer.authority_count; ++i) {
    if ((answer.authority[i].type == RRType::SOA) == soa) {
      answer.authority[kept++] = answer.authority[i];
    }
  }
  answer.authority_count = kept;
}

// REQUIRES: the answer is taken apart.
void set_ttls(Answer& answer, std::uint32_t ttl) noexcept {
  for (const std::span<RRsetRef> section :
       {answer.answers(), answer.authorities(), answer.additionals()}) {
    for (RRsetRef& record : section) {
      record.ttl = ttl;
      if (record.type != RRType::SOA || record.count < 20) continue;
      // Its minimum, the last of its numbers.
      std::array<std::uint8_t, 2 * kMaxNameSize + 20> copy;
      const std::size_t size = std::min<std::size_t>(record.count, copy.size());
      std::memcpy(copy.data(), record.data, size);
      store_u32(copy.data() + size - 4, ttl);
      if (const auto* const kept = answer.keep({copy.data(), size})) record.data = kept;
    }
  }
}

bool shapes(const Effects& effects) noexcept {
  return effects.has(Action::Addresses) || effects.has(Action::Size) ||
         effects.has(Action::Chain) || effects.decides(Action::WhoAmI) ||
         effects.decides(Action::Loop);
}

// The name of the question without its first label.
Name parent_of(const Query& query) noexcept {
  return Name(NameView{query.lower.data(), query.qname_size}.subspan(
      query.qname_size == 1 ? 0 : std::size_t{1} + query.lower[0]));
}

std::string text_of(const std::vector<Instruction>& instructions) {
  std::string text;
  for (const Instruction& each : instructions) text += (text.empty() ? "" : " ") + each.text();
  return text;
}

}  // namespace

// Ends the note of an answer, and lets the one go that waits for it.
class FaultStage::Observer final : public AnswerObserver {
 public:
  Observer(std::shared_ptr<FaultNotes> notes, std::shared_ptr<HeldAnswers> held,
           std::shared_ptr<Watch> watch)
      : notes_(std::move(notes)), held_(std::move(held)), watch_(std::move(watch)) {}
  void on_answer(const Event& event, WorkerContext& worker) noexcept override {
    if (watch_->any_lookups.load(std::memory_order_acquire)) {
      measure(event, notes_->now(worker.index));
    }
    notes_->clear(worker.index);
    if (held_->any()) held_->release(event.client);
  }
  void on_unanswered(const Event& event, Fate fate, WorkerContext& worker) noexcept override {
    notes_->clear(worker.index);
    if (fate == Fate::Gate && !event.response.empty() && held_->any()) {
      held_->release(event.client);
    }
  }
  [[nodiscard]] bool sees_gates() const noexcept override { return true; }

 private:
  void measure(const Event& event, const FaultNote* note) noexcept {
    const std::uint16_t flags = load_u16(event.response.data() + 2);
    const auto rcode = static_cast<Rcode>(flags & 0xF);
    if ((note != nullptr && note->spoilt) || (flags & kFlagTC) != 0 ||
        (rcode != Rcode::NoError && rcode != Rcode::NXDomain)) {
      return;
    }
    try {
      const auto rules = watch_->rules();
      for (const RuleGroup& group : *rules) {
        if (group.lookups != nullptr) {
          group.lookups->on_good(event.client, event.query, monotonic_ns());
        }
      }
    } catch (...) {
      // No memory: it counts as not good.
    }
  }

  std::shared_ptr<FaultNotes> notes_;
  std::shared_ptr<HeldAnswers> held_;
  std::shared_ptr<Watch> watch_;
};

FaultStage::FaultStage(Options options, unsigned workers)
    : clients_(std::move(options.clients)),
      answers_(workers),
      seed_(options.seed),
      notes_(std::make_shared<FaultNotes>(workers)),
      observer_(std::make_shared<Observer>(notes_, held_, watch_)),
      departures_(workers) {
  for (const Name& zone : options.zones) {
    if (zones_.add(zone) == each_.size()) each_.push_back(std::make_unique<SyntheticZone>(zone));
  }
  for (unsigned i = 0; i < workers; ++i) scratch_.push_back(std::make_unique<Scratch>());
}

FaultStage::~FaultStage() = default;

void FaultStage::leave_to_others(const Name& zone) {
  if (zones_.add(zone) == each_.size()) each_.emplace_back();
}

void FaultStage::attach(WorkerContext& worker) {
  departures_[worker.index] = std::make_shared<Departures>(worker, notes_, figures_, held_);
}

void FaultStage::detach(WorkerContext& worker) noexcept {
  if (departures_[worker.index] != nullptr) departures_[worker.index]->close();
}

void FaultStage::set_seed(std::uint64_t seed) {
  seed_.store(seed, std::memory_order_relaxed);
  counts_.clear();
}

void FaultStage::set_rules(ActiveRules rules) {
  const bool any = std::any_of(rules.begin(), rules.end(),
                               [](const RuleGroup& group) { return !group.rules->empty(); });
  const bool measured = std::any_of(
      rules.begin(), rules.end(), [](const RuleGroup& group) { return group.lookups != nullptr; });
  watch_->set(std::make_shared<const ActiveRules>(std::move(rules)));
  watch_->any_rules.store(any, std::memory_order_release);
  watch_->any_lookups.store(measured, std::memory_order_release);
}

Verdict FaultStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  // Rules are for what leaves: the client's question, not what is asked on its behalf.
  const bool leaves = exchange.depth == 0;
  if (leaves && watch_->any_lookups.load(std::memory_order_acquire)) note_lookup(exchange);
  const std::size_t found =
      zones_.empty() ? ZoneSet::kNone
                     : zones_.find(query.name(), query.label_offset.data(), query.label_count);
  if (found != ZoneSet::kNone && each_[found] != nullptr) {
    if (!clients_.contains(exchange.client)) {
      exchange.fail(Rcode::Refused, kNotForThisClient);
      return Verdict::Answered;
    }
    // The answer is made behind the filters of others, too.
    return exchange.add_filter(*this, found + 1) ? Verdict::Answered : Verdict::Drop;
  }
  if (leaves && watch_->any_rules.load(std::memory_order_acquire) &&
      clients_.contains(exchange.client)) {
    (void)exchange.add_filter(*this, kByRules);
  }
  return Verdict::Next;
}

void FaultStage::note_lookup(const Exchange& exchange) noexcept {
  try {
    const auto rules = watch_->rules();
    for (const RuleGroup& group : *rules) {
      if (group.lookups != nullptr) group.lookups->on_query(exchange);
    }
  } catch (...) {
    // No memory: it is not measured.
  }
}

Verdict FaultStage::filter(Exchange& exchange, std::uint64_t note) noexcept {
  try {
    return note == kByRules ? by_rules(exchange) : by_labels(exchange, *each_[note - 1]);
  } catch (...) {
    return Verdict::Drop;  // no memory
  }
}

Verdict FaultStage::by_labels(Exchange& exchange, const SyntheticZone& zone) {
  const Query& query = exchange.query;
  Scratch& scratch = *scratch_[exchange.worker->index];
  Effects& effects = scratch.effects;
  Instructions& instructions = scratch.instructions;
  effects.clear();
  instructions.count = 0;
  const std::size_t end = query.qname_size - zone.name.size();
  for (unsigned i = 0; query.label_offset[i] < end; ++i) {
    const std::uint8_t* const label = query.lower.data() + query.label_offset[i];
    (void)read_label({reinterpret_cast<const char*>(label + 1), label[0]},
                     static_cast<std::uint8_t>(i), Vocabulary::Fault, instructions);
  }
  if (instructions.count != 0) {
    const Draws draws(seed(), {}, exchange);
    if (needs_counts(instructions.list())) {
      counts_.with(0, {}, exchange, [&](FaultCounts::Counts& counts) {
        evaluate(instructions.list(), exchange, draws, counts.met++, &counts, effects);
      });
    } else {
      evaluate(instructions.list(), exchange, draws, 0, nullptr, effects);
    }
    count_actions(effects, 0, label_actions_);
  }
  SyntheticAnswers::set_limit(exchange);
  const bool edns = exchange.query.has_edns;
  if (effects.has(Action::NoOpt) || effects.decides(Action::NoEdns)) {
    exchange.query.has_edns = false;
  }
  answer_by_labels(exchange, zone, effects);
  return leave(exchange, effects, {}, edns);
}

void FaultStage::answer_by_labels(Exchange& exchange, const SyntheticZone& zone,
                                  const Effects& effects) {
  exchange.start_answer();
  Answer& answer = exchange.answer;
  const std::uint32_t ttl = effects.shape.ttl;
  bool made = false;
  if (effects.decided) {
    const Action action = effects.decided->action;
    if (const auto rcode = rcode_of(action)) {
      answer.rcode = *rcode;
      if (*rcode == Rcode::NXDomain) answers_.add_soa(exchange, zone, ttl);
      made = true;
    } else if (action == Action::NoData || action == Action::WhoAmI || action == Action::Loop) {
      answer.authoritative = made = true;
      if (action == Action::Loop) {
        add_self_alias(exchange, ttl);
      } else if (action == Action::NoData || !say_who(exchange, ttl)) {
        answers_.add_soa(exchange, zone, ttl);
      }
    }
  }
  if (!made) {
    if (exchange.query.qname_size == zone.name.size()) {
      answers_.answer_zone(exchange, zone);
    } else {
      answers_.answer_below(exchange, zone, effects.shape, Vocabulary::Fault);
    }
    if (effects.decides(Action::Tc) || effects.decides(Action::TcAll)) truncate(answer, 0);
    if (effects.decides(Action::TcSome)) truncate(answer, effects.decided->first);
  }
  if (effects.has(Action::NoAa)) answer.authoritative = false;
  if (effects.has(Action::NoSoa)) keep_authority(answer, false);
}

Verdict FaultStage::by_rules(Exchange& exchange) {
  const auto rules = watch_->rules();
  Scratch& scratch = *scratch_[exchange.worker->index];
  scratch.effects.clear();
  const FaultRule* const rule = apply_rules(*rules, seed(), exchange, counts_, scratch.effects);
  if (rule == nullptr || scratch.effects.happened.empty()) return Verdict::Answered;
  const bool edns = exchange.query.has_edns;
  if (scratch.effects.has(Action::NoOpt) || scratch.effects.decides(Action::NoEdns)) {
    exchange.query.has_edns = false;
  }
  change_answer(exchange, scratch);
  return leave(exchange, scratch.effects, rule->name, edns);
}

void FaultStage::change_answer(Exchange& exchange, Scratch& scratch) {
  const Effects& effects = scratch.effects;
  Answer& answer = exchange.answer;
  const bool makes = shapes(effects);
  // What becomes of a name outside our zones.
  const auto zone = [&]() -> const SyntheticZone& {
    return scratch.parent.emplace(parent_of(exchange.query));
  };
  if (effects.decided) {
    const Action action = effects.decided->action;
    if (action == Action::NxDomain || action == Action::NoData) {
      exchange.take_apart();
      const bool exists = action == Action::NoData;
      answer.answer_count = answer.additional_count = 0;
      answer.rcode = exists ? Rcode::NoError : Rcode::NXDomain;
      answer.truncated = false;
      answer.authoritative = answer.authoritative && exists;
      answer.error.set = false;
      keep_authority(answer, true);
      if (answer.authority_count == 0) answers_.add_soa(exchange, zone(), effects.shape.ttl);
    } else if (const auto rcode = rcode_of(action)) {
      start_rcode(exchange, *rcode);
    }
  }
  const bool decides_all =
      effects.decided && (rcode_of(effects.decided->action) || effects.decides(Action::NoData));
  if (makes && !decides_all) {
    exchange.start_answer();
    answer.authoritative = true;
    SyntheticAnswers::set_limit(exchange);
    const SyntheticZone& parent = zone();
    if (effects.decides(Action::Loop)) {
      add_self_alias(exchange, effects.shape.ttl);
    } else if (effects.decides(Action::WhoAmI)) {
      if (!say_who(exchange, effects.shape.ttl)) {
        answers_.add_soa(exchange, parent, effects.shape.ttl);
      }
    } else {
      SyntheticShape shape = effects.shape;
      shape.from_outside = true;
      answers_.answer_below(exchange, parent, shape, Vocabulary::Fault);
    }
  }
  if (effects.decides(Action::Tc) || effects.decides(Action::TcAll)) truncate(answer, 0);
  if (effects.decides(Action::TcSome)) {
    exchange.take_apart();
    truncate(answer, effects.decided->first);
  }
  if (effects.has(Action::NoAa)) answer.authoritative = false;
  if (effects.has(Action::NoSoa)) {
    exchange.take_apart();
    keep_authority(answer, false);
  }
  if (effects.has(Action::Ttl)) {
    exchange.take_apart();
    set_ttls(answer, effects.shape.ttl);
  }
}

Verdict FaultStage::leave(Exchange& exchange, const Effects& effects, std::string_view rule,
                          bool had_edns) {
  const unsigned worker = exchange.worker->index;
  FaultNote note;
  if (!effects.happened.empty()) {
    note.rule = rule;
    note.faults = text_of(effects.happened);
    note.spoilt = effects.spoils();
  }
  if (effects.decides(Action::Drop)) {
    note.dropped = true;
    notes_->set(worker) = std::move(note);
    exchange.query.has_edns = had_edns;
    return Verdict::Drop;
  }
  if (!effects.is_odd() || exchange.depth != 0) {
    if (!effects.happened.empty()) notes_->set(worker) = std::move(note);
    exchange.query.has_edns = had_edns;
    return Verdict::Answered;
  }
  Departure departure;
  departure.note = std::move(note);
  {
    std::array<std::uint8_t, kMaxMessageSize> buffer;
    const std::size_t size = encode_answer(exchange.query, exchange.answer,
                                           exchange.route->udp_size, buffer.data(), exchange.limit);
    departure.message.assign(buffer.data(), buffer.data() + size);
  }
  exchange.query.has_edns = had_edns;
  const std::size_t whole = departure.message.size();
  const std::size_t question_end = exchange.query.question_end;
  if (effects.has(Action::Spoof)) departure.before = spoofed(exchange.query, departure.message);
  if (effects.spoils()) departure.told = departure.message;
  if (question_end <= whole) damage(effects, question_end, departure.message);
  departure.copies = effects.copies;
  departure.hold = effects.has(Action::Hold);
  OddSending& how = departure.how;
  how.other_port = effects.has(Action::BadPort);
  how.octet_ms = effects.tcp_octet_ms;
  how.silence = effects.decides(Action::TcpStall);
  how.close = effects.decides(Action::TcpClose) || effects.tcp_cut >= 0;
  how.nothing = how.silence || effects.decides(Action::TcpClose);
  const std::size_t sent = departure.message.size();
  if (effects.tcp_cut >= 0) {
    how.prefix = static_cast<std::int32_t>(sent);
    departure.message.resize(
        std::min<std::size_t>(sent, static_cast<std::size_t>(effects.tcp_cut)));
  }
  if (effects.tcp_longer != 0) {
    how.prefix = static_cast<std::int32_t>(
        std::min<std::size_t>(sent + effects.tcp_longer, kMaxMessageSize));
  }
  departure.odd =
      how.other_port || how.octet_ms != 0 || how.silence || how.close || how.prefix >= 0;
  const Rcode rcode = exchange.answer.rcode;
  const std::uint32_t plain_size = exchange.answer.plain_size;
  const bool relayed = exchange.answer.relayed;
  const std::int64_t due = exchange.received_ns + effects.delay_ns;
  departure.exchange = exchange.defer();  // `exchange` may end from here on
  Answer& answer = departure.exchange->answer;
  answer.rcode = rcode;
  answer.plain_size = plain_size;
  answer.relayed = relayed;
  if (effects.delay_ns == 0) {
    departures_[worker]->add(std::move(departure), 0);
  } else {
    departures_[worker]->add(std::move(departure), due);
  }
  return Verdict::Deferred;
}

}  // namespace clusterdns::dns
