#include "app/corefile/arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <unordered_set>

#include "app/corefile/suggest.h"
#include "app/corefile/zone_key.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

using std::chrono::nanoseconds;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whatever the letter case.
bool equal_text(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// The number at the start of `text`, which it is cut off from.
template <typename Number>
std::optional<Number> take_number(std::string_view& text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};

// Longer names before those they start with.
constexpr std::array<Unit, 8> kDurationUnits = {{{"ns", 1},
                                                 {"us", 1'000},
                                                 {"\xC2\xB5s", 1'000},
                                                 {"\xCE\xBCs", 1'000},
                                                 {"ms", 1'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"h", 3'600'000'000'000}}};

// A sum of numbers with units; nullopt if it is not one, or does not fit.
std::optional<nanoseconds> read_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  // 128 bits hold any sum of 18-digit numbers of hours; the result is checked at the end.
  __extension__ typedef __int128 Wide;
  Wide total = 0;
  while (!text.empty()) {
    constexpr std::size_t kMaxDigits = 18;
    std::size_t whole = 0;
    while (whole < text.size() && is_digit(text[whole])) ++whole;
    std::size_t end = whole;
    if (end < text.size() && text[end] == '.') {
      ++end;
      while (end < text.size() && is_digit(text[end])) ++end;
    }
    const std::size_t fraction = end > whole ? end - whole - 1 : 0;
    if (whole + fraction == 0 || whole > kMaxDigits) return std::nullopt;
    std::int64_t number = 0;
    for (std::size_t i = 0; i < whole; ++i) number = number * 10 + (text[i] - '0');
    const std::string_view digits = text.substr(std::min(whole + 1, text.size()), fraction);
    text.remove_prefix(end);
    const auto unit = std::find_if(kDurationUnits.begin(), kDurationUnits.end(),
                                   [&](const Unit& u) { return text.starts_with(u.name); });
    if (unit == kDurationUnits.end()) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += Wide{number} * unit->nanoseconds;
    std::int64_t scale = unit->nanoseconds;
    for (const char digit : digits) {
      scale /= 10;
      total += (digit - '0') * scale;
    }
    if (total > nanoseconds::max().count()) return std::nullopt;
  }
  return nanoseconds(static_cast<std::int64_t>(total));
}

std::string print_duration(nanoseconds value) {
  const std::int64_t count = value.count();
  if (count == 0) return "0s";
  for (auto unit = kDurationUnits.rbegin(); unit != kDurationUnits.rend(); ++unit) {
    if (count % unit->nanoseconds == 0) {
      return std::to_string(count / unit->nanoseconds) + std::string(unit->name);
    }
  }
  return std::to_string(count) + "ns";
}

}  // namespace

void require_arguments(const Directive& line, std::size_t min, std::size_t max,
                       std::string_view usage) {
  const std::string form = "; write `" + std::string(usage) + "`";
  const auto count = [](std::size_t n) {
    return (n == 0 ? "no" : std::to_string(n)) + (n == 1 ? " argument" : " arguments");
  };
  if (line.args.size() < min) {
    fail(line.name.at, "needs " + std::string(min == max ? "" : "at least ") + count(min) +
                           " but has " + (line.args.empty() ? "none" : count(line.args.size())) +
                           form);
  }
  if (line.args.size() > max) {
    fail(line.args[max], "is one argument too many" + form);
  }
}

const Token& only_argument(const Directive& line, std::string_view usage) {
  require_arguments(line, 1, 1, usage);
  return line.args.front();
}

void require_no_block(const Directive& line) {
  if (!line.has_block) return;
  Position at = line.block.empty() ? line.name.at : line.block.front().name.at;
  at.subject = line.name.at.subject;
  fail(at, "takes no block; remove its '{' and '}'");
}

void require_bare(const Directive& line) {
  require_arguments(line, 0, 0, line.name.text);
  require_no_block(line);
}

void fail_unknown_property(const Directive& property, std::string_view directive,
                           std::span<const std::string_view> known) {
  // It is the directive's, and no option of its own.
  Position at = property.name.at;
  at.subject = directive;
  fail(at, in_quotes(property.name.text) + " is not an option here; " +
               (known.empty() ? "it has no options" : suggestion(property.name.text, known)));
}

void fail_unknown_directive(const Directive& directive, std::span<const std::string_view> known) {
  Position at = directive.name.at;
  at.subject.clear();
  fail(at, in_quotes(directive.name.text) + " is not a directive; " +
               suggestion(directive.name.text, known));
}

void fail_repeated(const Directive& line, const Position& first) {
  fail(line.name.at, "is given twice, first at " + to_string(first) + "; remove one of them");
}

void fail_not_supported(const Directive& line) {
  fail(line.name.at, "is an option of CoreDNS that is not supported yet");
}

void refuse_option_names(std::span<const Token> words, std::span<const std::string_view> options) {
  for (const Token& word : words) {
    if (!word.quoted && std::find(options.begin(), options.end(), word.text) != options.end()) {
      fail(word, "is an option; options go between '{' and '}', one per line");
    }
  }
}

void fail(const Position& at, std::string message) { throw ConfigError(at, std::move(message)); }

void fail(const Token& token, std::string_view why) {
  throw ConfigError(token.at, in_quotes(token.text) + " " + std::string(why));
}

std::int64_t parse_integer(const Token& token, std::int64_t min, std::int64_t max) {
  std::string_view rest = token.text;
  const auto value = take_number<std::int64_t>(rest);
  if (!value || !rest.empty() || *value < min || *value > max) {
    fail(token, "is not a valid number; write one from " + std::to_string(min) + " to " +
                    std::to_string(max));
  }
  return *value;
}

std::uint16_t parse_port(const Token& token) {
  std::string_view rest = token.text;
  const auto value = take_number<std::uint16_t>(rest);
  if (!value || !rest.empty()) fail(token, "is not a valid port; write a number from 0 to 65535");
  return *value;
}

nanoseconds parse_duration(const Token& token, BareDuration bare, nanoseconds min,
                           nanoseconds max) {
  const std::string& text = token.text;
  const bool number = !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
  std::optional<nanoseconds> value;
  if (number && text.find_first_not_of('0') == std::string::npos) {
    value = nanoseconds::zero();
  } else if (number) {
    if (bare == BareDuration::Refused) {
      fail(token, "has no unit; for seconds write " + in_quotes(text + "s"));
    }
    value = read_duration(text + "s");
  } else {
    value = read_duration(text);
  }
  if (!value) fail(token, "is not a duration; write it like 5s, 1m30s or 100ms");
  if (*value < min || *value > max) {
    fail(token, max == nanoseconds::max() ? "is too short; the minimum is " + print_duration(min)
                                          : "is out of range; write a duration from " +
                                                print_duration(min) + " to " + print_duration(max));
  }
  return *value;
}

dns::Expression parse_expression(const Token& token, std::int64_t memory) {
  std::string error;
  auto expression = dns::Expression::compile(token.text, &error, memory);
  if (!expression) fail(token, "is not a regular expression: " + error);
  return *std::move(expression);
}

dns::RRType parse_rrtype(const Token& token) {
  dns::RRType type{};
  if (!dns::rrtype_from_text(token.text, &type)) {
    fail(token, "is not a type of records; write one such as A, AAAA or TYPE65280");
  }
  return type;
}

dns::RRClass parse_rrclass(const Token& token) {
  for (const dns::RRClass each : {dns::RRClass::IN, dns::RRClass::CH, dns::RRClass::HS,
                                  dns::RRClass::None, dns::RRClass::Any}) {
    if (equal_text(token.text, dns::rrclass_to_text(each))) return each;
  }
  fail(token, "is not a class; write IN, CH or HS");
}

std::uint16_t parse_rcode(const Token& token) {
  constexpr std::uint16_t kMostRcode = 23;  // BADCOOKIE
  std::string_view text = token.text;
  if (!text.empty() && is_digit(text.front())) {
    return static_cast<std::uint16_t>(parse_integer(token, 0, kMostRcode));
  }
  if (equal_text(text, "BADSIG")) return 16;  // shares its number with BADVERS
  if (equal_text(text, "NOTIMPL")) return static_cast<std::uint16_t>(dns::Rcode::NotImp);
  for (std::uint16_t rcode = 0; rcode <= kMostRcode; ++rcode) {
    if (equal_text(text, dns::rcode_to_text(rcode))) return rcode;
  }
  fail(token, "is not a response code; write a name such as NXDOMAIN, or its number");
}

std::string_view parse_choice(const Token& token, std::span<const std::string_view> words) {
  const auto found = std::find(words.begin(), words.end(), token.text);
  if (found == words.end()) {
    fail(token, "is not a valid value here; " + suggestion(token.text, words));
  }
  return *found;
}

registry::Cidr parse_cidr(const Token& token) {
  if (const auto cidr = registry::Cidr::parse(token.text)) return *cidr;
  if (const auto address = registry::IpAddress::parse(token.text)) {
    return {*address, static_cast<std::uint8_t>(8 * address->size())};
  }
  fail(token, "is not a network; write it like 10.96.0.0/16 or fd00:10:96::/112");
}

registry::IpAddress parse_ip(const Token& token) {
  if (const auto address = registry::IpAddress::parse(token.text)) return *address;
  fail(token, "is not an IP address; write it like 10.96.0.10 or fd00::10");
}

std::vector<std::string> parse_zones(std::span<const Token> tokens, const ServerBlock& block) {
  std::vector<std::string> zones;
  std::unordered_set<std::string> known;
  const auto add = [&](std::string zone) {
    if (known.insert(zone).second) zones.push_back(std::move(zone));
  };
  if (tokens.empty()) {
    for (const ZoneKey& key : block.keys) add(key.zone);
  }
  for (const Token& token : tokens) {
    for (std::string& zone : parse_zone(token.text, token.at)) add(std::move(zone));
  }
  return zones;
}

std::string HostPort::to_string() const {
  const std::string text = address.to_string();
  return (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(port);
}

HostPort parse_host_port(const Token& token, std::uint16_t default_port) {
  constexpr std::string_view kScheme = "dns://";
  std::string_view text = token.text;
  if (text.starts_with(kScheme)) text.remove_prefix(kScheme.size());
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) fail(token, "has no ']'; write it like [fd00::10]:53");
    host = text.substr(1, close - 1);
    const std::string_view after = text.substr(close + 1);
    if (after.starts_with(':')) {
      port = after.substr(1);
    } else if (!after.empty()) {
      fail(token, "has something other than a port after ']'; write it like [fd00::10]:53");
    }
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    host = text.substr(0, text.find(':'));
    port = text.substr(host.size() + 1);
  }
  const auto address = registry::IpAddress::parse(host);
  if (!address) {
    fail(token,
         "is not an IP address with or without a port; write it like 10.96.0.10, "
         "10.96.0.10:53 or [fd00::10]:53");
  }
  HostPort result{*address, default_port};
  if (port) {
    const auto value = take_number<std::uint16_t>(*port);
    if (!value || !port->empty()) fail(token, "has no valid port; write a number from 0 to 65535");
    result.port = *value;
  }
  return result;
}

}  // namespace clusterdns::app
