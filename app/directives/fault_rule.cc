#include "app/directives/fault_rule.h"

#include <charconv>
#include <cmath>

#include "app/directives/directive.h"
#include "dns/wire/message_reader.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

constexpr std::int64_t kMostOfN = 0xFFFFFFFF;

std::uint32_t count_of(const Directive& line) {
  return static_cast<std::uint32_t>(parse_integer(line.args[0], 1, kMostOfN));
}

void read_name(const Directive& line, dns::FaultRule& rule) {
  for (const Token& token : line.args) {
    dns::NamePattern pattern;
    if (token.text.starts_with('~')) {
      pattern.kind = dns::NamePattern::Kind::Expression;
      pattern.expression = parse_expression({token.text.substr(1), token.at, token.quoted});
    } else if (token.text.starts_with("*.")) {
      pattern.kind = dns::NamePattern::Kind::Below;
      pattern.name = zone_name(token.text.substr(2), token.at);
    } else {
      if (token.text.find('*') != std::string::npos) {
        fail(token,
             "has a '*' within; write '*.' in front of a name, or ~ and a regular expression");
      }
      pattern.name = zone_name(token.text, token.at);
    }
    rule.names.push_back(std::move(pattern));
  }
}

void read_type(const Directive& line, dns::FaultRule& rule) {
  for (const Token& token : line.args) {
    dns::RRType type{};
    if (!dns::rrtype_from_text(token.text, &type)) {
      fail(token, "is not a record type; write A, AAAA, SRV or another");
    }
    rule.types.push_back(type);
  }
}

void read_transport(const Directive& line, dns::FaultRule& rule) {
  static constexpr std::string_view kTransports[] = {"udp", "tcp"};
  rule.transport =
      parse_choice(line.args[0], kTransports) == "udp" ? dns::Transport::Udp : dns::Transport::Tcp;
}

void read_between(const Directive& line, dns::FaultRule& rule) {
  const auto from = parse_duration(line.args[0]);
  const auto to = parse_duration(line.args[1]);
  if (to <= from) fail(line.args[1], "is not later than " + in_quotes(line.args[0].text));
  rule.between = {from.count(), to.count()};
}

void read_do(const Directive& line, dns::FaultRule& rule) {
  for (const Token& token : line.args) {
    dns::Instructions instructions;
    instructions.count = 0;
    std::string word = token.text;
    for (char& c : word) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (word.size() > dns::kMaxLabelSize ||
        !dns::read_label(word, 0, dns::Vocabulary::Fault, instructions)) {
      fail(token,
           "is nothing that can be done, or its number is out of range; write words such as drop, "
           "servfail or d200-400");
    }
    const auto words = instructions.list();
    rule.actions.insert(rule.actions.end(), words.begin(), words.end());
    if (rule.actions.size() > dns::kMaxInstructions)
      fail(token, "is one word too many; write fewer");
  }
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, dns::FaultRule& rule) {
      rule.clients = address_ranges(line.args);
    }>("client", "CIDR…", "only these clients", "any"),
    option<&read_name>("name", "NAME…", "a name, `*.NAME` for what is below it, `~REGEXP`", "any"),
    option<&read_type>("type", "TYPE…", "only these types", "any"),
    option<&read_transport>("transport", "udp|tcp", "only over it", "both"),
    option<[](const Directive& line, dns::FaultRule& rule) {
      static constexpr std::string_view kAnswers[] = {"yes", "no"};
      rule.edns = parse_choice(line.args[0], kAnswers) == "yes";
    }>("edns", "yes|no", "only queries with an OPT record, or without", "both"),
    option<[](const Directive& line, dns::FaultRule& rule) { rule.first = count_of(line); }>(
        "first", "N", "only the first N of each client, name and type"),
    option<[](const Directive& line, dns::FaultRule& rule) { rule.every = count_of(line); }>(
        "every", "N", "only each N-th of each client, name and type"),
    option<&read_between>("between", "T1 T2",
                          "only then, counted from when the configuration took effect"),
    option<[](const Directive& line, dns::FaultRule& rule) {
      rule.probability = parse_probability(line.args[0]);
    }>("probability", "P", "only so often, 0 to 1", "1"),
    option<[](const Directive&, dns::FaultRule& rule) { rule.go_on = true; }>(
        "continue", "", "the next rule is looked at, too"),
    option<&read_do>("do", "WORD…", "what is done; the words of labels"),
};

}  // namespace

std::unique_ptr<dns::FaultRule> read_fault_rule(const Directive& rule, Problems& problems) {
  auto made = std::make_unique<dns::FaultRule>();
  made->name = rule.args[0].text;
  const std::size_t errors = problems.errors();
  // What is wrong with a line says which rule's it is.
  constexpr std::size_t kMostShown = 40;
  Directive named = rule;
  const std::string& around = rule.name.at.subject;
  const std::string which = (around.empty() ? rule.name.text : around) + " " +
                            registry::shown(made->name, kMostShown) + ": ";
  for (Directive& line : named.block) {
    const std::string subject = which + line.name.text.substr(0, kMostShown);
    line.name.at.subject = subject;
    for (Token& word : line.args) word.at.subject = subject;
  }
  read_options(named, kOptions, problems, *made);
  if (made->actions.empty() && problems.errors() == errors) {
    fail(rule.args[0], "does nothing; add a line such as `do servfail`");
  }
  return made;
}

std::uint64_t parse_seed(const Token& token) {
  std::uint64_t seed = 0;
  const char* const end = token.text.data() + token.text.size();
  const auto [at, error] = std::from_chars(token.text.data(), end, seed);
  if (token.text.empty() || error != std::errc() || at != end) {
    fail(token, "is not a seed; write a number such as 42");
  }
  return seed;
}

double parse_probability(const Token& token) {
  double value = 0;
  const char* const end = token.text.data() + token.text.size();
  const auto [at, error] = std::from_chars(token.text.data(), end, value);
  if (token.text.empty() || error != std::errc() || at != end || !(value >= 0 && value <= 1)) {
    fail(token, "is not a probability; write a number from 0 to 1 such as 0.2");
  }
  return value;
}

}  // namespace clusterdns::app
