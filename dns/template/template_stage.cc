#include "dns/template/template_stage.h"

#include <algorithm>

#include "dns/query/lead_on.h"
#include "dns/template/record_text.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/name_text.h"

namespace clusterdns::dns {
namespace {

using Field = TemplateField::Kind;
constexpr TemplateField kFields[] = {
    {"Zone"},
    {"Name"},
    {"Class"},
    {"Type"},
    {"Match"},
    {"Group", Field::Map},
    {"Regex"},
    {"Message", Field::Struct,
     "Id Response Opcode Authoritative Truncated RecursionDesired RecursionAvailable Zero "
     "AuthenticatedData CheckingDisabled Rcode Question"},
    {"Question", Field::Struct, "Name Qtype Qclass"},
    {"Remote"},
    {"Var", Field::Map},
    {"Meta"}};

constexpr ExtendedErrorNote kNoMatch{
    true, ExtendedError::Other, "no template is for this name, and no fallthrough is configured"};
constexpr ExtendedErrorNote kBadTemplate{true, ExtendedError::Other,
                                         "a template cannot be filled for this name"};
constexpr ExtendedErrorNote kBadRecord{true, ExtendedError::Other,
                                       "what a template makes of this name is no record"};

// Types with counters of their own; others are counted together.
constexpr std::array kCountedTypes = {RRType::A,    RRType::AAAA,  RRType::NS,  RRType::CNAME,
                                      RRType::SOA,  RRType::PTR,   RRType::MX,  RRType::TXT,
                                      RRType::SRV,  RRType::NAPTR, RRType::DS,  RRType::DNSKEY,
                                      RRType::SVCB, RRType::HTTPS, RRType::CAA, RRType::ANY};
constexpr std::size_t kTypes = kCountedTypes.size() + 1;
constexpr std::array kCountedClasses = {RRClass::IN, RRClass::CH, RRClass::HS};
constexpr std::size_t kClasses = kCountedClasses.size() + 1;

template <class List, class Value>
std::size_t slot_of(const List& list, Value value) {
  return static_cast<std::size_t>(std::find(list.begin(), list.end(), value) - list.begin());
}

constexpr std::uint16_t kReserved = 0x0040;  // RFC 1035 4.1.1: Z
constexpr std::size_t kMaxMatchedGroups = kMaxGroups + 1;

}  // namespace

// A query that the template is for.
struct TemplateStage::Match {
  const Options& options;
  const Exchange& exchange;
  std::size_t zone = 0;
  NameText name;
  const Expression* pattern = nullptr;
  std::array<std::string_view, kMaxMatchedGroups> groups;
  std::size_t group_count = 1;
  std::vector<ExprValue> variables;
};

namespace {

std::string text_of(std::string_view view) { return std::string(view); }

constexpr std::string_view kSections[] = {"answer", "authority", "additional"};
// Octets of a template and of what it makes, in the log.
constexpr std::size_t kMostShown = 200;

// `cause` is for the log.
void fail(Exchange& exchange, ExtendedErrorNote note, std::string_view cause) {
  exchange.fail(Rcode::ServFail, note);
  std::string text = "template: " + std::string(cause);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  const auto* const kept =
      exchange.answer.keep({reinterpret_cast<const std::uint8_t*>(text.c_str()), text.size() + 1});
  if (kept != nullptr) exchange.answer.error.cause = reinterpret_cast<const char*>(kept);
}

}  // namespace

std::span<const TemplateField> TemplateStage::fields() noexcept { return kFields; }

std::span<const ExprNames::Function> TemplateStage::functions() noexcept {
  static const auto kFunctions = [] {
    const auto base = QueryScope::functions();
    std::vector<ExprNames::Function> all(base.begin(), base.end());
    all.push_back({"group", 1, 1});
    return all;
  }();
  return kFunctions;
}

TemplateStage::TemplateStage(Options options, unsigned workers)
    : options_(std::move(options)),
      matches_(workers, options_.zones.size() * kClasses * kTypes),
      failures_(workers, 2 * std::max<std::size_t>(options_.records.size(), 1)) {
  if (options_.extended_error) {
    note_ = {true, static_cast<ExtendedError>(*options_.extended_error),
             options_.extended_text.c_str()};
  }
}

namespace {

template <class Match>
ExprValue group_named(const Match& match, const std::string& name) {
  if (match.pattern != nullptr) {
    for (const auto& [each, index] : match.pattern->group_names()) {
      if (each == name && index < match.group_count) return text_of(match.groups[index]);
    }
  }
  std::size_t number = 0;
  for (const char c : name) {
    if (c < '0' || c > '9' || number > kMaxMatchedGroups) return std::string();
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  if (name.empty() || number >= match.group_count) return std::string();
  return text_of(match.groups[number]);
}

template <class Match>
class Scope final : public QueryScope {
 public:
  explicit Scope(const Match& match) : QueryScope(match.exchange), match_(match) {}
  [[nodiscard]] std::optional<ExprValue> call(std::size_t function,
                                              std::span<const ExprValue> arguments) const override {
    if (function < QueryScope::functions().size()) return QueryScope::call(function, arguments);
    const ExprValue& which = arguments[0];
    if (which.as_int() != nullptr) {
      return *which.as_int() < 0 ? ExprValue(std::string())
                                 : group_named(match_, std::to_string(*which.as_int()));
    }
    if (which.as_string() == nullptr) return ExprValue(std::string());
    return group_named(match_, *which.as_string());
  }
  [[nodiscard]] ExprValue variable(std::size_t index) const override {
    return match_.variables[index];
  }

 private:
  const Match& match_;
};

template <class Match>
class Data final : public TemplateData {
 public:
  explicit Data(const Match& match) : match_(match) {}

  [[nodiscard]] std::string metadata(std::string_view label) const override {
    return metadata_value(match_.exchange, label);
  }
  [[nodiscard]] ExprValue field(std::string_view field) const override {
    const Query& query = match_.exchange.query;
    if (field == "Zone") return match_.options.zone_texts[match_.zone];
    if (field == "Name") return text_of(match_.name.view());
    if (field == "Class") {
      return rrclass_to_text(query.qclass == RRClass::Any ? match_.options.rrclass : query.qclass);
    }
    if (field == "Type") {
      return rrtype_to_text(query.qtype == RRType::ANY ? match_.options.type : query.qtype);
    }
    if (field == "Remote") return match_.exchange.client.to_address().to_string();
    if (field == "Regex") {
      // Without `match` CoreDNS has one that every name matches.
      return match_.pattern != nullptr ? match_.pattern->text() : std::string(".*");
    }
    if (field == "Match") {
      ExprValue::Array all;
      for (std::size_t i = 0; i < match_.group_count; ++i)
        all.emplace_back(text_of(match_.groups[i]));
      return ExprValue(std::move(all));
    }
    if (field == "Group") {
      ExprValue::Map all;
      for (std::size_t i = 0; i < match_.group_count; ++i) {
        all.emplace(std::to_string(i), text_of(match_.groups[i]));
      }
      if (match_.pattern != nullptr) {
        for (const auto& [name, index] : match_.pattern->group_names()) {
          if (index < match_.group_count) all[name] = ExprValue(text_of(match_.groups[index]));
        }
      }
      return ExprValue(std::move(all));
    }
    if (field == "Var") {
      ExprValue::Map all;
      for (std::size_t i = 0; i < match_.variables.size(); ++i) {
        all.emplace(match_.options.variables[i].name, match_.variables[i]);
      }
      return ExprValue(std::move(all));
    }
    if (field == "Question") return question();
    if (field == "Message") {
      ExprValue::Map message;
      message.emplace("Id", std::int64_t{query.id});
      message.emplace("Opcode", std::int64_t{query.flags >> 11 & 0xF});
      message.emplace("Authoritative", (query.flags & kFlagAA) != 0);
      message.emplace("Truncated", (query.flags & kFlagTC) != 0);
      message.emplace("RecursionAvailable", (query.flags & kFlagRA) != 0);
      message.emplace("Zero", (query.flags & kReserved) != 0);
      message.emplace("Rcode", std::int64_t{query.flags & 0xF});
      message.emplace("RecursionDesired", (query.flags & kFlagRD) != 0);
      message.emplace("CheckingDisabled", (query.flags & kFlagCD) != 0);
      message.emplace("AuthenticatedData", (query.flags & kFlagAD) != 0);
      message.emplace("Response", false);
      message.emplace("Question", ExprValue(ExprValue::Array{question()}));
      return ExprValue(std::move(message));
    }
    return {};
  }

 private:
  [[nodiscard]] ExprValue question() const {
    const Query& query = match_.exchange.query;
    ExprValue::Map question;
    question.emplace("Name", text_of(NameText(query.name_as_asked()).view()));
    question.emplace("Qtype", std::int64_t{static_cast<std::uint16_t>(query.qtype)});
    question.emplace("Qclass", std::int64_t{static_cast<std::uint16_t>(query.qclass)});
    return ExprValue(std::move(question));
  }

  const Match& match_;
};

}  // namespace

Verdict TemplateStage::no_match(Exchange& exchange) const noexcept {
  if (options_.falls_through && options_.fall_through.contains(exchange.query.name())) {
    return Verdict::Next;
  }
  exchange.fail(Rcode::ServFail, kNoMatch);
  return Verdict::Answered;
}

Verdict TemplateStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  if (options_.rrclass != RRClass::Any && query.qclass != RRClass::Any &&
      query.qclass != options_.rrclass) {
    return Verdict::Next;
  }
  if (options_.type != RRType::ANY && query.qtype != RRType::ANY && query.qtype != options_.type) {
    return Verdict::Next;
  }
  const std::size_t zone =
      options_.zones.find(query.name(), query.label_offset.data(), query.label_count);
  if (zone == ZoneSet::kNone) return Verdict::Next;
  Match match{options_, exchange, zone, NameText(query.name()), nullptr, {}, 1, {}};
  match.groups[0] = match.name.view();
  if (!options_.patterns.empty()) {
    for (const Expression& pattern : options_.patterns) {
      const std::size_t count = std::min(pattern.group_count() + 1, kMaxMatchedGroups);
      if (!pattern.find(match.name.view(), {match.groups.data(), count})) continue;
      match.pattern = &pattern;
      match.group_count = count;
      break;
    }
    if (match.pattern == nullptr) return no_match(exchange);
  }
  if (!options_.variables.empty() || !options_.conditions.empty()) {
    const Scope scope(match);
    const auto failed = [&](std::string_view what) {
      fail(exchange, kBadTemplate,
           std::string(what) + ": types do not fit, or it takes too many steps");
      return Verdict::Answered;
    };
    for (const Variable& variable : options_.variables) {
      auto value = variable.value.evaluate(scope);
      if (!value) return failed("var " + variable.name);
      match.variables.push_back(*std::move(value));
    }
    for (const Expr& condition : options_.conditions) {
      const auto value = condition.evaluate(scope);
      if (!value) return failed("expr");
      if (value->as_bool() == nullptr || !*value->as_bool()) return no_match(exchange);
    }
  }
  count_match(exchange, zone);
  return answer(exchange, match);
}

namespace {

// The addresses that it ends with begin one further on with each answer.
void turn(Exchange& exchange) noexcept {
  const RRType type = exchange.query.qtype;
  if (type != RRType::A && type != RRType::AAAA) return;
  const auto all = exchange.answer.answers();
  const auto behind = std::find_if(all.rbegin(), all.rend(),
                                   [type](const RRsetRef& each) { return each.type != type; });
  const std::span<RRsetRef> addresses(behind.base(), all.end());
  if (addresses.size() < 2) return;
  const auto count = static_cast<std::uint32_t>(addresses.size());
  const std::uint32_t first = exchange.worker->next_turn(exchange.query.name(), type, count);
  std::rotate(addresses.begin(), addresses.begin() + first, addresses.end());
}

}  // namespace

Verdict TemplateStage::answer(Exchange& exchange, const Match& match) const {
  Answer& answer = exchange.answer;
  if (options_.rcode == Rcode::ServFail) {
    exchange.fail(Rcode::ServFail, note_);
    return Verdict::Answered;
  }
  answer.authoritative = true;
  answer.rcode = options_.rcode;
  answer.error = note_;
  const Data data(match);
  std::optional<Name> leads_to;
  for (std::size_t i = 0; i < options_.records.size(); ++i) {
    const Record& record = options_.records[i];
    std::string why;
    const auto text = record.text.fill(data, &why);
    const auto made = text ? read_record_text(*text) : std::nullopt;
    if (!made) {
      failures_.add(exchange.worker->index, 2 * i + (text ? 1 : 0));
      if (text) why = "it makes '" + text->substr(0, kMostShown) + "', which is no record";
      fail(exchange, text ? kBadRecord : kBadTemplate,
           std::string(kSections[static_cast<std::size_t>(record.section)]) + " '" +
               record.text.text().substr(0, kMostShown) + "': " + why);
      return Verdict::Answered;
    }
    const auto owner = answer.find_or_add_name(made->owner.view());
    if (!owner) {
      answer.overfull = true;
      break;
    }
    answer.add_record(record.section, *owner, made->type, made->ttl, made->rdata);
    const RRType type = exchange.query.qtype;
    if (record.section == Section::Answer && made->type == RRType::CNAME && !leads_to &&
        (type == RRType::A || type == RRType::AAAA)) {
      leads_to = Name(made->rdata);
    }
  }
  if (exchange.route->rotate) turn(exchange);
  if (!leads_to || exchange.query.qclass != RRClass::IN) return Verdict::Answered;
  return exchange.run_from(0, leads_to->view(), exchange.query.qtype,
                           [](Exchange& outer, Exchange& inner, Outcome outcome) {
                             if (outcome == Outcome::Answered) lead_on(outer.answer, inner);
                             return Verdict::Answered;
                           });
}

void TemplateStage::count_match(const Exchange& exchange, std::size_t zone) noexcept {
  const Query& query = exchange.query;
  const RRClass rrclass = query.qclass == RRClass::Any ? options_.rrclass : query.qclass;
  const RRType type = query.qtype == RRType::ANY ? options_.type : query.qtype;
  matches_.add(exchange.worker->index,
               (zone * kClasses + slot_of(kCountedClasses, rrclass)) * kTypes +
                   slot_of(kCountedTypes, type));
}

std::vector<TemplateStage::Matches> TemplateStage::matches() const {
  std::vector<Matches> all;
  for (std::size_t zone = 0; zone < options_.zones.size(); ++zone) {
    for (std::size_t c = 0; c < kClasses; ++c) {
      for (std::size_t t = 0; t < kTypes; ++t) {
        const std::uint64_t count = matches_.total((zone * kClasses + c) * kTypes + t);
        if (count == 0) continue;
        all.push_back(
            {zone, c < kCountedClasses.size() ? rrclass_to_text(kCountedClasses[c]) : "other",
             t < kCountedTypes.size() ? rrtype_to_text(kCountedTypes[t]) : "other", count});
      }
    }
  }
  return all;
}

std::uint64_t TemplateStage::failures(std::size_t record, Failure failure) const noexcept {
  return failures_.total(2 * record + (failure == Failure::Record ? 1 : 0));
}

}  // namespace clusterdns::dns
