// rewrite [continue|stop] FIELD …
//   name  [exact|prefix|suffix|substring|regex] FROM TO [answer auto|name FROM TO|value FROM TO]…
//   type  FROM TO
//   class FROM TO
//   ttl   [exact|prefix|suffix|substring|regex] NAME SECONDS|MIN-MAX
//   rcode [exact|prefix|suffix|substring|regex] NAME FROM TO
//   cname [exact|prefix|suffix|substring|regex] FROM TO
//   edns0 local|nsid|subnet set|append|replace|unset … [revert]
// What stands behind `rewrite` may as well stand in a block, on lines as one likes.
#include <algorithm>
#include <charconv>
#include <optional>

#include "app/corefile/arguments.h"
#include "app/directives/acl.h"
#include "app/directives/directive.h"
#include "dns/query/edns_options.h"
#include "dns/rewrite/rewrite_stage.h"

namespace clusterdns::app {
namespace {

using dns::NameMatch;
using dns::NameRule;
using dns::RewriteEdns;

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return text;
}

// A name as CoreDNS compares it: in lower case, with a dot at its end.
std::string qualified(const Token& token) {
  std::string text = lower(token.text);
  if (!text.ends_with('.')) text += '.';
  return text;
}

std::optional<NameMatch> match_word(const std::string& text) {
  const std::string word = lower(text);
  if (word == "exact") return NameMatch::Exact;
  if (word == "prefix") return NameMatch::Prefix;
  if (word == "suffix") return NameMatch::Suffix;
  if (word == "substring") return NameMatch::Substring;
  if (word == "regex") return NameMatch::Regex;
  return std::nullopt;
}

// The words of one rule, one after the other.
class Words {
 public:
  Words(const Directive& directive, std::int64_t memory) : memory_(memory), directive_(directive) {
    add(directive.args);
    // CoreDNS looks into the block when fewer than two words stand before it.
    if (directive.args.size() < 2) {
      add(directive.block);
    } else if (directive.has_block) {
      fail(directive.name.at,
           "the rule stands on the line already, which leaves its block without a meaning; write "
           "all of it in the block, or nothing");
    }
  }

  [[nodiscard]] std::size_t left() const noexcept { return words_.size() - next_; }
  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const { return *words_[next_ + ahead]; }
  const Token& take(std::string_view usage) {
    if (left() == 0) fail(where(), "something is missing; write `" + std::string(usage) + "`");
    return *words_[next_++];
  }
  // The place of the last word that was taken.
  [[nodiscard]] const Position& where() const {
    return next_ == 0 ? directive_.name.at : words_[next_ - 1]->at;
  }
  // Exactly so many follow.
  void expect(std::size_t count, std::string_view usage) const {
    if (left() == count) return;
    if (left() < count) fail(where(), "something is missing; write `" + std::string(usage) + "`");
    fail(peek(count), "is one word too many; write `" + std::string(usage) + "`");
  }
  [[nodiscard]] std::int64_t memory() const noexcept { return memory_; }

 private:
  void add(const std::vector<Token>& tokens) {
    for (const Token& token : tokens) words_.push_back(&token);
  }
  void add(const std::vector<Directive>& lines) {
    for (const Directive& line : lines) {
      words_.push_back(&line.name);
      add(line.args);
      add(line.block);
    }
  }

  const std::int64_t memory_;
  const Directive& directive_;
  std::vector<const Token*> words_;
  std::size_t next_ = 0;
};

// Changes what `from` matches to `to`.
NameRule expression_rule(const Token& from, const Token& to, const std::string& becomes,
                         std::int64_t memory) {
  auto expression = parse_expression(from, memory);
  const std::size_t groups = expression.group_count();
  const dns::GroupTemplate places(becomes, groups);
  if (places.groups_used() > groups) {
    fail(to, "has places for more groups than the expression " + in_quotes(from.text) +
                 " has; it has " + std::to_string(groups));
  }
  return {std::move(expression), becomes};
}

// What names look like: `[exact|prefix|suffix|substring|regex] NAME`. `rest` is how many words
// follow these.
NameRule read_names(Words& words, std::size_t rest, std::string_view usage) {
  NameMatch match = NameMatch::Exact;
  if (words.left() == rest + 2) {
    const Token& word = words.take(usage);
    const auto known = match_word(word.text);
    if (!known) fail(word, "is not one of exact, prefix, suffix, substring, regex");
    match = *known;
  }
  words.expect(rest + 1, usage);
  const Token& name = words.take(usage);
  if (match == NameMatch::Regex) return {parse_expression(name, words.memory()), ""};
  return {match, qualified(name), ""};
}

constexpr std::string_view kNameUsage =
    "name [exact|prefix|suffix|substring|regex] FROM TO [metadata] "
    "[answer auto|name FROM TO|value FROM TO]";

void read_answers(Words& words, dns::RewriteName& rule, bool& automatic) {
  constexpr std::string_view kUsage = "answer auto|name FROM TO|value FROM TO";
  if (words.peek().text != "answer") {
    fail(words.peek(), "is not expected here; write `" + std::string(kNameUsage) + "`");
  }
  const Token* by_name = nullptr;
  while (words.left() != 0) {
    if (words.peek().text == "answer") (void)words.take(kUsage);
    const Token& kind = words.take(kUsage);
    if (kind.text == "auto") {
      automatic = true;
      continue;
    }
    if (kind.text != "name" && kind.text != "value") {
      fail(kind, "is not one of auto, name, value");
    }
    // CoreDNS's documentation writes `answer name auto` for `answer auto`.
    if (kind.text == "name" && words.left() != 0 && words.peek().text == "auto") {
      (void)words.take(kUsage);
      automatic = true;
      continue;
    }
    const Token& from = words.take(kUsage);
    const Token& to = words.take(kUsage);
    const auto part =
        kind.text == "name" ? dns::AnswerRule::Part::Owner : dns::AnswerRule::Part::Value;
    if (kind.text == "name") by_name = &kind;
    rule.answers.push_back({part, expression_rule(from, to, qualified(to), words.memory())});
  }
  if (automatic && by_name != nullptr) {
    fail(*by_name, "and `answer auto` cannot stand together; remove one of them");
  }
}

// Whether "{plugin/label}" stands in `text`.
bool has_label(std::string_view text) {
  for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) return false;
    const std::string_view label = text.substr(at + 1, end - at - 1);
    const std::size_t slash = label.find('/');
    if (slash != 0 && slash != std::string_view::npos && slash + 1 < label.size()) return true;
  }
  return false;
}

void warn_of_label(const Token& token, Problems& problems) {
  problems.warn(token.at,
                in_quotes(token.text) + " is metadata, which no rule here reads; it never applies");
}

// nullopt: the rule is good, and never applies.
std::optional<dns::RewriteName> read_name(Words& words, Problems& problems) {
  if (words.left() < 2) words.expect(2, kNameUsage);
  NameMatch match = NameMatch::Exact;
  if (words.left() > 2) {
    const Token& word = words.take(kNameUsage);
    const auto known = match_word(word.text);
    if (!known) {
      fail(word,
           "is not one of exact, prefix, suffix, substring, regex, which must be said when "
           "options follow");
    }
    match = *known;
  }
  const Token& from = words.take(kNameUsage);
  const Token& to = words.take(kNameUsage);
  dns::RewriteName rule{match == NameMatch::Regex
                            ? expression_rule(from, to, qualified(to), words.memory())
                            : NameRule(match, qualified(from), qualified(to)),
                        match == NameMatch::Exact,
                        {}};
  bool never = false;
  if (words.left() != 0 && words.peek().text == "metadata") {
    const Token& metadata = words.take(kNameUsage);
    if (match != NameMatch::Regex) fail(metadata, "goes with `regex` only; leave it out");
    never = has_label(to.text);
    if (never) warn_of_label(to, problems);
  }
  bool automatic = false;
  if (words.left() != 0) read_answers(words, rule, automatic);
  if (never) return std::nullopt;
  if (automatic && match == NameMatch::Suffix) {
    // The rule itself the other way round says more than the two names do.
    const auto back = [&](dns::AnswerRule::Part part) {
      return dns::AnswerRule{part, rule.rule.reversed()};
    };
    rule.answers.insert(rule.answers.begin(),
                        {back(dns::AnswerRule::Part::Owner), back(dns::AnswerRule::Part::Value)});
  } else if (automatic) {
    rule.revert = true;
  }
  return rule;
}

dns::RewriteTtl read_ttl(Words& words) {
  constexpr std::string_view kUsage =
      "ttl [exact|prefix|suffix|substring|regex] NAME SECONDS|MIN-MAX";
  dns::RewriteTtl rule{read_names(words, 1, kUsage)};
  const Token& range = words.take(kUsage);
  const std::string_view text = range.text;
  const auto number = [&](std::string_view digits) {
    std::uint32_t value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) {
      fail(range, "is not a TTL; write seconds such as 30, or a range such as 30-300, 30- or -300");
    }
    return value;
  };
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    rule.min = rule.max = number(text);
    return rule;
  }
  if (text == "-") (void)number({});
  rule.min = dash == 0 ? 0 : number(text.substr(0, dash));
  rule.max = dash + 1 == text.size() ? 0x7FFFFFFF : number(text.substr(dash + 1));
  if (rule.min > rule.max) fail(range, "begins above its end; write the smaller number first");
  return rule;
}

dns::RewriteRcode read_rcode(Words& words) {
  constexpr std::string_view kUsage = "rcode [exact|prefix|suffix|substring|regex] NAME FROM TO";
  dns::RewriteRcode rule{read_names(words, 2, kUsage)};
  rule.from = parse_rcode(words.take(kUsage));
  rule.to = parse_rcode(words.take(kUsage));
  return rule;
}

dns::RewriteCname read_cname(Words& words) {
  constexpr std::string_view kUsage = "cname [exact|prefix|suffix|substring|regex] FROM TO";
  NameMatch match = NameMatch::Exact;
  if (words.left() == 3) {
    const Token& word = words.take(kUsage);
    const auto known = match_word(word.text);
    if (!known) fail(word, "is not one of exact, prefix, suffix, substring, regex");
    match = *known;
  }
  words.expect(2, kUsage);
  const Token& from = words.take(kUsage);
  const Token& to = words.take(kUsage);
  if (match == NameMatch::Regex) {
    return {expression_rule(from, to, lower(to.text), words.memory())};
  }
  if (match == NameMatch::Exact) return {NameRule(match, qualified(from), qualified(to))};
  if (from.text.empty()) fail(from, "matches everything; write a part of a name");
  return {NameRule(match, lower(from.text), lower(to.text))};
}

std::uint16_t read_option_code(const Token& token) {
  std::string_view digits = token.text;
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    digits.remove_prefix(2);
    base = 16;
  }
  std::uint16_t code = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, base);
  if (digits.empty() || read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) {
    fail(token, "is not the code of an EDNS option; write a number such as 0xffee, 0xffff at most");
  }
  return code;
}

std::vector<std::uint8_t> read_option_data(const Token& token) {
  constexpr std::size_t kMostData = dns::kMaxUpstreamOptions / 2;
  const std::string& text = token.text;
  std::vector<std::uint8_t> octets(text.begin(), text.end());
  if (text.starts_with("0x")) {
    octets.clear();
    for (std::size_t at = 2; at < text.size(); at += 2) {
      std::uint8_t octet = 0;
      const std::size_t end = std::min(at + 2, text.size());
      const auto read = std::from_chars(text.data() + at, text.data() + end, octet, 16);
      if (end != at + 2 || read.ec != std::errc{} || read.ptr != text.data() + end) {
        fail(token, "is not made of pairs of hexadecimal digits behind its 0x");
      }
      octets.push_back(octet);
    }
  }
  if (octets.size() > kMostData) {
    fail(token, "has more than " + std::to_string(kMostData) + " octets");
  }
  return octets;
}

void read_variable(const Token& token, RewriteEdns& rule, Problems& problems) {
  using Data = RewriteEdns::Data;
  static constexpr std::pair<std::string_view, Data> kVariables[] = {
      {"{qname}", Data::QName},           {"{qtype}", Data::QType},
      {"{client_ip}", Data::ClientIp},    {"{client_port}", Data::ClientPort},
      {"{protocol}", Data::Protocol},     {"{server_ip}", Data::ServerIp},
      {"{server_port}", Data::ServerPort}};
  for (const auto& [word, data] : kVariables) {
    if (token.text != word) continue;
    rule.data = data;
    return;
  }
  // A label of metadata, "{plugin/label}".
  if (token.text.find('/') == std::string::npos) {
    fail(token,
         "is not one of {qname}, {qtype}, {client_ip}, {client_port}, {protocol}, "
         "{server_ip}, {server_port}");
  }
  rule.data = Data::Nothing;
  warn_of_label(token, problems);
}

RewriteEdns read_edns(Words& words, Problems& problems) {
  constexpr std::string_view kUsage = "edns0 local|nsid|subnet set|append|replace|unset …";
  const Token& kind = words.take(kUsage);
  const Token& action = words.take(kUsage);
  RewriteEdns rule;
  const std::string act = lower(action.text);
  if (act == "set") {
    rule.action = RewriteEdns::Action::Set;
  } else if (act == "append") {
    rule.action = RewriteEdns::Action::Append;
  } else if (act == "replace") {
    rule.action = RewriteEdns::Action::Replace;
  } else if (act == "unset") {
    rule.action = RewriteEdns::Action::Unset;
  } else {
    fail(action, "is not one of set, append, replace, unset");
  }
  const bool unset = rule.action == RewriteEdns::Action::Unset;
  std::size_t left = words.left();
  rule.revert = !unset && left != 0 && words.peek(left - 1).text == "revert";
  const auto expect = [&](std::size_t count, std::string_view usage) {
    words.expect(count + (rule.revert ? 1 : 0), usage);
  };
  const std::string what = lower(kind.text);
  if (what == "local") {
    expect(unset ? 1 : 2,
           unset ? "edns0 local unset CODE" : "edns0 local set|append|replace CODE DATA [revert]");
    rule.code = read_option_code(words.take(kUsage));
    if (unset) return rule;
    const Token& data = words.take(kUsage);
    if (data.text.size() > 1 && data.text.front() == '{' && data.text.back() == '}') {
      read_variable(data, rule, problems);
    } else {
      rule.octets = read_option_data(data);
    }
  } else if (what == "nsid") {
    expect(0, "edns0 nsid set|append|replace|unset [revert]");
    rule.code = dns::kOptionNsid;
  } else if (what == "subnet") {
    expect(unset ? 0 : 2,
           unset ? "edns0 subnet unset" : "edns0 subnet set|append|replace V4BITS V6BITS [revert]");
    rule.code = dns::kOptionClientSubnet;
    rule.data = RewriteEdns::Data::Subnet;
    if (unset) return rule;
    const auto bits = [&](std::int64_t most) {
      Token word = words.take(kUsage);
      word.at.subject += ": edns0 subnet " + act;
      return static_cast<std::uint8_t>(parse_integer(word, 0, most));
    };
    rule.prefix_v4 = bits(32);
    rule.prefix_v6 = bits(128);
  } else {
    fail(kind, "is not one of local, nsid, subnet");
  }
  return rule;
}

// nullopt: it never applies.
std::optional<dns::RewriteRule> read_rule(Words& words, Problems& problems) {
  constexpr std::string_view kUsage =
      "rewrite [continue|stop] name|type|class|ttl|rcode|cname|edns0 …";
  dns::RewriteRule rule{true, dns::RewriteType{}};
  const Token* field = &words.take(kUsage);
  if (const std::string mode = lower(field->text); mode == "continue" || mode == "stop") {
    rule.stop = mode == "stop";
    field = &words.take(kUsage);
  }
  const std::string what = lower(field->text);
  if (what == "name") {
    auto name = read_name(words, problems);
    if (!name) return std::nullopt;
    rule.what = *std::move(name);
  } else if (what == "type") {
    words.expect(2, "type FROM TO");
    const dns::RRType from = parse_rrtype(words.take(kUsage));
    rule.what = dns::RewriteType{from, parse_rrtype(words.take(kUsage))};
  } else if (what == "class") {
    words.expect(2, "class FROM TO");
    const dns::RRClass from = parse_rrclass(words.take(kUsage));
    rule.what = dns::RewriteClass{from, parse_rrclass(words.take(kUsage))};
  } else if (what == "ttl") {
    rule.what = read_ttl(words);
  } else if (what == "rcode") {
    rule.what = read_rcode(words);
  } else if (what == "cname") {
    rule.what = read_cname(words);
  } else if (what == "edns0") {
    rule.what = read_edns(words, problems);
  } else if (what == "answer") {
    fail(*field, "cannot stand alone; write it behind a `name` rule");
  } else {
    fail(*field, "is not one of name, type, class, ttl, rcode, cname, edns0");
  }
  return rule;
}

}  // namespace

void set_up_rewrite(const Directive& directive, BlockSetup& setup) {
  auto& stages = setup.route.stages;
  auto stage =
      stages.empty() ? nullptr : std::dynamic_pointer_cast<dns::RewriteStage>(stages.back());
  if (stage == nullptr) {
    put_acl_gate(setup);
    stage = std::make_shared<dns::RewriteStage>();
    stages.push_back(stage);
    const auto rules =
        std::count_if(setup.block.directives.begin(), setup.block.directives.end(),
                      [](const Directive& each) { return each.name.text == "rewrite"; });
    setup.rewrite_memory = std::clamp(dns::kRulesMemory / rules, dns::kLeastExpressionMemory,
                                      dns::kMaxExpressionMemory);
  }
  Words words(directive, setup.rewrite_memory);
  auto rule = read_rule(words, setup.environment.problems);
  if (rule) stage->add(*std::move(rule));
}

}  // namespace clusterdns::app
