#include "dns/rewrite/rewrite_stage.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "dns/query/edns_options.h"
#include "dns/query/lead_on.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kNoName{true, ExtendedError::Other,
                                    "a rewrite rule makes this name one that cannot be",
                                    "invalid name after rewrite"};

// Where the name in RDATA begins that a value rule changes; nullopt: there is none.
std::optional<std::size_t> value_at(RRType type, std::span<const std::uint8_t> rdata) noexcept {
  switch (type) {
    case RRType::NS:
    case RRType::CNAME:
    case RRType::PTR:
    case RRType::DNAME:
    case RRType::SOA: return 0;
    case RRType::MX: return 2;
    case RRType::SRV: return 6;
    case RRType::NAPTR: {
      // Order, preference, then three strings (RFC 3403 4.1).
      std::size_t at = 4;
      for (int i = 0; i < 3; ++i) {
        if (at >= rdata.size()) return std::nullopt;
        at += std::size_t{1} + rdata[at];
      }
      return at;
    }
    default: return std::nullopt;
  }
}

// The name that begins at `at`; nullopt: RDATA is not what its type says.
std::optional<NameView> name_in(std::span<const std::uint8_t> rdata, std::size_t at) noexcept {
  std::size_t end = at;
  while (end < rdata.size() && rdata[end] != 0) end += std::size_t{1} + rdata[end];
  if (end >= rdata.size() || end - at >= kMaxNameSize) return std::nullopt;
  return rdata.subspan(at, end + 1 - at);
}

std::span<const std::uint8_t> rdata_of(const RRsetRef& record) noexcept {
  return {static_cast<const std::uint8_t*>(record.data), record.count};
}

template <class Do>
void for_each_record(Answer& answer, const Do& act) noexcept {
  for (const std::span<RRsetRef> section :
       {answer.answers(), answer.authorities(), answer.additionals()}) {
    for (RRsetRef& record : section) act(record);
  }
}

// Gives names of an answer another one, as `change(text, to)` says. Names that cannot be stay.
template <class Change>
void change_owners(Answer& answer, const Change& change) noexcept {
  const std::uint16_t known = answer.name_count;
  std::array<std::uint8_t, Answer::kMaxNames> becomes;
  for (std::uint16_t i = 0; i < known; ++i) becomes[i] = static_cast<std::uint8_t>(i);
  NameText to;
  for (std::uint16_t i = 0; i < known; ++i) {
    NameText text({answer.names[i].wire, answer.names[i].size});
    text.make_lower();
    if (change(text.view(), to) != NameChange::Changed) continue;
    const auto name = Name::from_text(to.view());
    if (!name) continue;
    if (const auto index = answer.find_or_add_name(name->view())) becomes[i] = *index;
  }
  for_each_record(answer, [&](RRsetRef& record) { record.owner = becomes[record.owner]; });
}

template <class Change>
void change_values(Answer& answer, const Change& change) noexcept {
  NameText to;
  for_each_record(answer, [&](RRsetRef& record) {
    const auto rdata = rdata_of(record);
    const auto at = value_at(record.type, rdata);
    const auto old = at ? name_in(rdata, *at) : std::nullopt;
    if (!old) return;
    NameText text(*old);
    text.make_lower();
    if (change(text.view(), to) != NameChange::Changed) return;
    const auto name = Name::from_text(to.view());
    if (!name) return;
    // What stands before the name, the name, what stands behind it.
    std::array<std::uint8_t, 4 + 3 * 256 + 2 * kMaxNameSize + 20> fresh;
    const std::size_t behind = *at + old->size();
    if (*at + name->size() + (rdata.size() - behind) > fresh.size()) return;
    auto end = std::copy_n(rdata.begin(), *at, fresh.begin());
    end = std::copy_n(name->data(), name->size(), end);
    end = std::copy(rdata.begin() + static_cast<std::ptrdiff_t>(behind), rdata.end(), end);
    const auto size = static_cast<std::size_t>(end - fresh.begin());
    const std::uint8_t* const kept = answer.keep({fresh.data(), size});
    if (kept == nullptr) return;
    record.data = kept;
    record.count = static_cast<std::uint32_t>(size);
  });
}

// Makes `from`, and names below it, `to` and names below that.
struct Remap {
  std::string_view from;
  std::string_view to;
  NameChange operator()(std::string_view name, NameText& result) const noexcept {
    if (!name.ends_with(from)) return NameChange::None;
    const std::size_t rest = name.size() - from.size();
    if (rest != 0 && name[rest - 1] != '.') return NameChange::None;
    result.clear();
    return result.append(name.substr(0, rest)) && result.append(to) ? NameChange::Changed
                                                                    : NameChange::TooLong;
  }
};

}  // namespace

// A rule that applied and has something to say about the answer.
struct RewriteStage::Applied {
  const RewriteRule* rule = nullptr;
  std::string before{};  // of a name rule that is to be reverted
  std::string after{};
};

struct RewriteStage::Plan {
  const RewriteStage* stage = nullptr;
  AppliedRules rules;
  bool same_name = true;
  RRType type{};         // that was asked for
  EdnsOptionList shown;  // options that the answer has
};

// A question while the rules are at work on it.
class RewriteStage::Rewriting {
 public:
  Rewriting(const RewriteStage& stage, Exchange& exchange) noexcept
      : stage_(stage),
        exchange_(exchange),
        name_(exchange.query.name()),
        type_(exchange.query.qtype),
        class_(exchange.query.qclass) {
    plan_.stage = &stage;
  }

  Verdict run() noexcept {
    bool done = false;
    for (std::size_t first = 0;;) {
      RuleIndex::Walk walk(stage_.index_, name_.view(), first);
      bool again = false;  // another name: others may match it
      for (std::size_t i; !again && (i = walk.next()) != RuleIndex::kNone;) {
        const RewriteRule& rule = stage_.rules_[i];
        changed_name_ = false;
        if (!std::visit([&](const auto& what) { return apply(rule, what); }, rule.what)) continue;
        done = true;
        if (invalid_) {
          exchange_.fail(Rcode::ServFail, kNoName);
          return Verdict::Answered;
        }
        if (rule.stop) return ask();
        again = changed_name_;
        first = i + 1;
      }
      if (!again) break;
    }
    return done ? ask() : Verdict::Next;
  }

 private:
  bool apply(const RewriteRule& rule, const RewriteName& what) noexcept {
    NameText to;
    const NameChange change = what.rule.change(name_.view(), to);
    if (change == NameChange::None) return false;
    const auto wire = Name::from_text(to.view());
    // Text that has no dots at all is no question's, see CoreDNS's Fqdn.
    invalid_ = change == NameChange::TooLong || !wire || to.view().empty();
    if (invalid_) return true;
    to.make_lower();
    if (what.revert || !what.answers.empty()) {
      Applied& applied = plan_.rules.emplace_back();
      applied.rule = &rule;
      if (what.revert) {
        applied.before = name_.view();
        applied.after = NameText(wire->view()).view();
      }
    }
    // In the form that names have, whatever the rule wrote.
    name_.assign(wire->view());
    name_.make_lower();
    changed_name_ = true;
    return true;
  }
  bool apply(const RewriteRule&, const RewriteType& what) noexcept {
    if (type_ != what.from) return false;
    type_ = what.to;
    return true;
  }
  bool apply(const RewriteRule&, const RewriteClass& what) noexcept {
    if (class_ != what.from) return false;
    class_ = what.to;
    return true;
  }
  bool apply(const RewriteRule& rule, const RewriteTtl& what) noexcept {
    return note_if(what.names.matches(name_.view()), rule);
  }
  bool apply(const RewriteRule& rule, const RewriteRcode& what) noexcept {
    return note_if(what.names.matches(name_.view()), rule);
  }
  bool apply(const RewriteRule& rule, const RewriteCname&) noexcept { return note_if(true, rule); }

  bool note_if(bool matches, const RewriteRule& rule) noexcept {
    if (matches) plan_.rules.push_back({&rule, {}, {}});
    return matches;
  }

  bool apply(const RewriteRule&, const RewriteEdns& what) noexcept {
    using Action = RewriteEdns::Action;
    read_options();
    const auto asked = find_option(sent_, what.code);
    of_client_ = of_client_ || asked_anything_;
    if (what.action == Action::Unset) {
      remove_option(sent_, what.code);
      remove_option(plan_.shown, what.code);
      return true;
    }
    if (asked && what.action == Action::Append) {
      // It is there already, and goes further because a rule speaks of it.
      touched(what.code);
      return false;
    }
    if (!asked && what.action == Action::Replace) return false;
    std::array<std::uint8_t, kRoomForData> room;
    const auto data = data_of(what, room);
    if (!data) return false;
    set_option(sent_, what.code, *data);
    touched(what.code);
    if (!what.revert) set_option(plan_.shown, what.code, *data);
    return true;
  }

  // Names are the longest.
  static constexpr std::size_t kRoomForData = NameText::kRoom;

  std::optional<std::span<const std::uint8_t>> data_of(
      const RewriteEdns& what, std::array<std::uint8_t, kRoomForData>& room) noexcept {
    using Data = RewriteEdns::Data;
    const auto octets = [&](const void* from, std::size_t size) {
      std::memcpy(room.data(), from, size);
      return std::span<const std::uint8_t>(room.data(), size);
    };
    const auto number = [&](std::uint16_t n) {
      store_u16(room.data(), n);
      return std::span<const std::uint8_t>(room.data(), 2);
    };
    const auto address = [&](const Endpoint& e) { return octets(e.address.data(), e.v6 ? 16 : 4); };
    switch (what.data) {
      case Data::Octets: return what.octets;
      case Data::QName: return octets(name_.view().data(), name_.view().size());
      case Data::QType: return number(static_cast<std::uint16_t>(type_));
      default: break;
    }
    of_client_ = true;
    switch (what.data) {
      case Data::ClientIp: return address(exchange_.client);
      case Data::ServerIp: return address(exchange_.local);
      case Data::ClientPort: return number(exchange_.client.port);
      case Data::ServerPort: return number(exchange_.local.port);
      case Data::Protocol: return octets(exchange_.transport == Transport::Udp ? "udp" : "tcp", 3);
      case Data::Subnet: {
        // RFC 7871 6: family, both prefix lengths, as many octets as the prefix has.
        const Endpoint& client = exchange_.client;
        const unsigned bits = client.v6 ? what.prefix_v6 : what.prefix_v4;
        store_u16(room.data(), client.v6 ? 2 : 1);
        room[2] = static_cast<std::uint8_t>(bits);
        room[3] = 0;
        const std::size_t size = (bits + 7) / 8;
        std::memcpy(room.data() + 4, client.address.data(), size);
        if (bits % 8 != 0) room[3 + size] &= static_cast<std::uint8_t>(0xFF << (8 - bits % 8));
        return std::span<const std::uint8_t>(room.data(), 4 + size);
      }
      default: return std::nullopt;
    }
  }

  // Which options go to upstreams.
  void touched(std::uint16_t code) noexcept {
    if (std::find(codes_.begin(), codes_.end(), code) == codes_.end()) codes_.push_back(code);
  }
  void read_options() noexcept {
    if (read_) return;
    read_ = true;
    // Of one that waited nothing but its question is left.
    if (!exchange_.owns()) {
      sent_ = options_of(exchange_.query);
      asked_anything_ = !sent_.empty();
    }
  }

  Verdict ask() noexcept {
    const Name name = Name::from_text(name_.view()).value();
    plan_.same_name = equal_ignoring_case(name.view(), exchange_.query.name());
    plan_.type = type_;
    OtherQuestion question{plan_.same_name ? exchange_.query.name_as_asked() : name.view(), type_,
                           class_, exchange_.upstream_options};
    if (!codes_.empty()) {
      auto options = std::make_shared<UpstreamOptions>();
      options->of_client = of_client_;
      for (const std::uint16_t code : codes_) {
        const auto data = find_option(sent_, code);
        if (data) append_option(options->octets, code, *data, kMaxUpstreamOptions);
      }
      question.upstream_options = std::move(options);
    }
    const unsigned behind = exchange_.stage;
    return exchange_.run_from(
        behind, question,
        [plan = std::move(plan_)](Exchange& outer, Exchange& inner, Outcome outcome) mutable {
          if (outcome == Outcome::Dropped) return Verdict::Drop;
          const bool relayed = inner.answer.relayed;
          // Flags that stages behind have set are the answer's.
          const bool recursion_available = inner.answer.recursion_available;
          const auto recursion_desired = static_cast<std::uint16_t>(inner.query.flags & kFlagRD);
          outer.take_answer(inner, plan.same_name ? Exchange::Owner::Asked : Exchange::Owner::Kept);
          outer.answer.recursion_available = recursion_available;
          outer.query.flags =
              static_cast<std::uint16_t>((outer.query.flags & ~kFlagRD) | recursion_desired);
          if (!relayed) show_options(outer.answer, plan.shown);
          const std::size_t count = plan.rules.size();
          return change_answer(outer, std::move(plan), count);
        });
  }

  static void show_options(Answer& answer, const EdnsOptionList& options) noexcept {
    for (const auto& [code, data] : options) {
      const std::uint8_t* const kept = answer.keep(data);
      if (kept != nullptr) answer.add_option(code, {kept, data.size()});
    }
  }

  const RewriteStage& stage_;
  Exchange& exchange_;
  NameText name_;  // lower-case
  RRType type_;
  RRClass class_;
  Plan plan_;
  EdnsOptionList sent_;  // the question's options
  std::vector<std::uint16_t> codes_;
  bool read_ = false;
  bool asked_anything_ = false;  // the client's query had options
  bool of_client_ = false;
  bool changed_name_ = false;
  bool invalid_ = false;
};

void RewriteStage::add(RewriteRule added) {
  const RewriteRule& rule = rules_.emplace_back(std::move(added));
  const NameRule* names = nullptr;
  if (const auto* name = std::get_if<RewriteName>(&rule.what)) names = &name->rule;
  if (const auto* ttl = std::get_if<RewriteTtl>(&rule.what)) names = &ttl->names;
  if (const auto* rcode = std::get_if<RewriteRcode>(&rule.what)) names = &rcode->names;
  index_.add(names);
}

bool RewriteStage::serves(RRClass rrclass) const noexcept {
  return rrclass == RRClass::IN ||
         std::any_of(rules_.begin(), rules_.end(), [rrclass](const RewriteRule& rule) {
           const auto* const what = std::get_if<RewriteClass>(&rule.what);
           return what != nullptr && what->from == rrclass;
         });
}

Verdict RewriteStage::handle(Exchange& exchange) noexcept {
  if (exchange.query.qtype == RRType::AXFR || exchange.query.qtype == RRType::IXFR) {
    return Verdict::Next;
  }
  return Rewriting(*this, exchange).run();
}

Verdict RewriteStage::change_answer(Exchange& outer, Plan plan, std::size_t count) noexcept {
  Answer& answer = outer.answer;
  while (count != 0) {
    const Applied& applied = plan.rules[--count];
    if (const auto* name = std::get_if<RewriteName>(&applied.rule->what)) {
      for (auto rule = name->answers.rbegin(); rule != name->answers.rend(); ++rule) {
        const auto change = [&](std::string_view text, NameText& to) {
          return rule->rule.change(text, to);
        };
        if (rule->part == AnswerRule::Part::Owner) {
          change_owners(answer, change);
        } else {
          change_values(answer, change);
        }
      }
      if (name->revert) {
        const Remap remap{applied.after, applied.before};
        change_values(answer, remap);
        change_owners(answer, remap);
      }
    } else if (const auto* ttl = std::get_if<RewriteTtl>(&applied.rule->what)) {
      for_each_record(answer, [&](RRsetRef& record) {
        record.ttl = std::clamp(record.ttl, ttl->min, std::max(ttl->min, ttl->max));
      });
    } else if (const auto* rcode = std::get_if<RewriteRcode>(&applied.rule->what)) {
      if (static_cast<std::uint16_t>(answer.rcode) == rcode->from) answer.rcode = Rcode{rcode->to};
    } else if (const auto* cname = std::get_if<RewriteCname>(&applied.rule->what)) {
      NameText to;
      std::size_t at = 0;
      for (; at < answer.answer_count; ++at) {
        const RRsetRef& record = answer.answer[at];
        if (record.type != RRType::CNAME) continue;
        NameText target(rdata_of(record));
        target.make_lower();
        if (cname->rule.change(target.view(), to) == NameChange::Changed) break;
      }
      const auto target = Name::from_text(to.view());
      if (at == answer.answer_count || !target || to.view().empty()) continue;
      RRsetRef& alias = answer.answer[at];
      const std::uint8_t* const kept = answer.keep(target->view());
      if (kept == nullptr) continue;
      alias.data = kept;
      alias.count = static_cast<std::uint32_t>(target->size());
      const RRType type = plan.type;
      if (type == RRType::ANY) continue;
      answer.answer_count = static_cast<std::uint16_t>(at + 1);
      // Only the alias was asked for.
      if (type == RRType::CNAME) continue;
      answer.authority_count = answer.additional_count = 0;
      return outer.run_from(
          0, target->view(), type,
          [plan = std::move(plan), count](Exchange& o, Exchange& inner, Outcome outcome) mutable {
            if (outcome == Outcome::Answered) lead_on(o.answer, inner);
            return change_answer(o, std::move(plan), count);
          });
    }
  }
  return Verdict::Answered;
}

}  // namespace clusterdns::dns
