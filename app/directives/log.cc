// log [NAME…] [FORMAT] [{ class all|success|denial|error… }]
//
// FORMAT is text with {…} in it; {common} and {combined} stand for CoreDNS's two usual ones.
#include <algorithm>
#include <charconv>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "dns/server/worker.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kCommon =
    "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} "
    "{>rflags} {rsize} {duration}";
constexpr std::string_view kCombined =
    "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} "
    "{>rflags} {rsize} {duration} \"{>opcode}\"";

constexpr std::string_view kTokens[] = {
    "type", "name", "class",   "proto", "size",     "remote", "port",  "local",
    ">id",  "rcode", ">opcode", ">do",   ">bufsize", "rsize",  "duration", ">rflags"};

enum ClassBit : unsigned { kSuccess = 1, kDenial = 2, kError = 4, kAll = 7 };

// Whether the first records of the authority section, where there are no answers, hold an SOA.
bool has_soa(std::span<const std::uint8_t> response, std::size_t question_end) noexcept {
  std::size_t at = question_end;
  for (unsigned i = 0; i < dns::load_u16(response.data() + 8); ++i) {
    std::size_t end = 0;
    if (!dns::Name::from_message(response, at, &end) || response.size() - end < 10) return false;
    if (dns::load_u16(response.data() + end) == static_cast<unsigned>(dns::RRType::SOA)) return true;
    at = end + 10 + dns::load_u16(response.data() + end + 8);
    if (at > response.size()) return false;
  }
  return false;
}

// CoreDNS's sorting of responses: names or types that do not exist are denials.
unsigned class_of(const dns::AnswerObserver::Event& event) noexcept {
  const std::span<const std::uint8_t> response = event.response;
  const unsigned rcode = response[3] & 0xF;
  const unsigned answers = dns::load_u16(response.data() + 6);
  if (event.query.qtype == dns::RRType::AXFR || event.query.qtype == dns::RRType::IXFR) return kError;
  if (rcode == static_cast<unsigned>(dns::Rcode::NXDomain)) return answers == 0 ? kDenial : kError;
  if (rcode != 0) return kError;
  // NOERROR with nothing in it is a denial when an SOA says so.
  return answers == 0 && has_soa(response, event.query.question_end) ? kDenial : kSuccess;
}

class QueryLog final : public dns::AnswerObserver {
 public:
  struct Rule {
    dns::Name zone;
    std::vector<std::string> parts;  // literal, token, literal, token, ...
    unsigned classes = kAll;
  };

  QueryLog(std::shared_ptr<spdlog::logger> logger, LogFormat format, std::vector<Rule> rules)
      : logger_(std::move(logger)), format_(format), rules_(std::move(rules)) {}

  void on_answer(const Event& event, dns::WorkerContext&) noexcept override {
    try {
      for (const Rule& rule : rules_) {
        if (!rule.zone.is_root() &&
            !dns::has_suffix_ignoring_case(event.query.name(), rule.zone.view())) {
          continue;
        }
        if ((rule.classes & class_of(event)) != 0) write(rule, event);
        return;
      }
    } catch (...) {
      // Out of memory: the answer matters more than the line.
    }
  }

 private:
  void write(const Rule& rule, const Event& event) {
    std::string line;
    for (std::size_t i = 0; i < rule.parts.size(); ++i) {
      line += i % 2 == 0 ? rule.parts[i] : value(rule.parts[i], event);
    }
    if (format_ == LogFormat::Json) {
      log_with_members(*logger_, spdlog::level::info, line, members(event));
    } else {
      logger_->info(line);
    }
  }

  // What CoreDNS adds to a query's line (plugin/log/json.go), in its order.
  static std::string members(const Event& event) {
    return fmt::format(
        R"("plugin":"log","client_ip":{},"client_port":{},"qname":{},"qtype":{},"qclass":{},)"
        R"("protocol":"{}","id":{},"opcode":{},"request_size":{},"dnssec_ok":{},"bufsize":{},)"
        R"("rcode":{},"response_size":{},"duration_seconds":{})",
        json_string(event.client.to_address().to_string()), event.client.port,
        json_string(value("name", event)), json_string(value("type", event)),
        json_string(value("class", event)), value("proto", event), event.query.id,
        value(">opcode", event), value("size", event), value(">do", event), value(">bufsize", event),
        json_string(value("rcode", event)), event.plain_size,
        seconds(dns::monotonic_ns() - event.received_ns));
  }

  static std::string value(const std::string& token, const Event& event) {
    const dns::Query& query = event.query;
    std::uint16_t flags = dns::load_u16(event.response.data() + 2);
    // CoreDNS's plugins do not write failures: what it logs is a bare response made of the query.
    if (event.stage.empty()) flags &= 0x7800 | dns::kFlagQR | dns::kFlagRD | dns::kFlagCD | 0xF;
    const auto address = [](const dns::Endpoint& e) {
      const std::string text = e.to_address().to_string();
      return e.v6 ? "[" + text + "]" : text;
    };
    if (token == "type") return dns::rrtype_to_text(query.qtype);
    if (token == "class") return dns::rrclass_to_text(query.qclass);
    if (token == "name") return dns::name_to_text(query.name());
    if (token == "proto") return event.transport == dns::Transport::Udp ? "udp" : "tcp";
    if (token == "remote") return address(event.client);
    if (token == "local") return address(event.local);
    if (token == "port") return std::to_string(event.client.port);
    if (token == "size") {
      // CoreDNS looks when it has taken the EDNS options out of the query, to answer with its OPT.
      const bool answered = query.has_edns && !event.stage.empty();
      const std::size_t options =
          answered ? query.opt_end - query.opt_offset - dns::kOptRecordSize : 0;
      return std::to_string(query.size - options);
    }
    if (token == "rcode") return dns::rcode_to_text(flags & 0xF);
    if (token == "rsize") return std::to_string(event.plain_size);
    if (token == "duration") return seconds(dns::monotonic_ns() - event.received_ns) + "s";
    if (token == ">id") return std::to_string(query.id);
    if (token == ">opcode") return std::to_string((query.flags >> 11) & 0xF);
    if (token == ">do") return query.dnssec_ok ? "true" : "false";
    if (token == ">bufsize") {
      if (event.transport == dns::Transport::Tcp) return "65535";
      return std::to_string(std::max<unsigned>(query.udp_size, dns::kMaxUdpWithoutEdns));
    }
    if (token == ">rflags") {
      static constexpr std::pair<std::uint16_t, const char*> kNames[] = {
          {dns::kFlagQR, "qr"}, {dns::kFlagAA, "aa"}, {dns::kFlagTC, "tc"}, {dns::kFlagRD, "rd"},
          {dns::kFlagRA, "ra"}, {0x0040, "z"},        {dns::kFlagAD, "ad"}, {dns::kFlagCD, "cd"}};
      std::string text;
      for (const auto& [bit, name] : kNames) {
        if ((flags & bit) != 0) text += (text.empty() ? "" : ",") + std::string(name);
      }
      return text;
    }
    return "-";  // {/…}: there is no metadata
  }

  // The shortest decimal text, as Go's FormatFloat(x, 'f', -1, 64).
  static std::string seconds(std::int64_t ns) {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<double>(ns) / 1e9,
                                   std::chars_format::fixed);
    return {buffer, end.ptr};
  }

  std::shared_ptr<spdlog::logger> logger_;
  LogFormat format_;
  std::vector<Rule> rules_;
};

std::vector<std::string> split_format(std::string_view format) {
  std::string expanded(format);
  for (const auto& [name, text] : {std::pair{std::string_view("{common}"), kCommon},
                                   std::pair{std::string_view("{combined}"), kCombined}}) {
    for (std::size_t at; (at = expanded.find(name)) != std::string::npos;) {
      expanded.replace(at, name.size(), text);
    }
  }
  std::vector<std::string> parts{""};
  for (std::size_t at = 0; at < expanded.size();) {
    const std::size_t close = expanded[at] == '{' ? expanded.find('}', at) : std::string::npos;
    // "{ {name} }": only the innermost braces are a token.
    const std::size_t inner = expanded.find('{', at + 1);
    if (close == std::string::npos || inner < close) {
      parts.back() += expanded[at++];
      continue;
    }
    const std::string token = expanded.substr(at + 1, close - at - 1);
    const bool known = token.starts_with('/') ||
                       std::find(std::begin(kTokens), std::end(kTokens), token) != std::end(kTokens);
    if (known) {
      parts.push_back(token);
      parts.emplace_back();
    } else {
      parts.back() += "{" + token + "}";
    }
    at = close + 1;
  }
  return parts;
}

}  // namespace

void set_up_log(const Directive& directive, BlockSetup& setup) {
  std::vector<Token> names = directive.args;
  std::string_view format = kCommon;
  if (!names.empty() && names.back().text.find('{') != std::string::npos) {
    format = directive.args.back().text;
    names.pop_back();
  }
  unsigned classes = 0;
  for (const Directive& property : directive.block) {
    static constexpr std::string_view kKnown[] = {"class"};
    if (property.name.text != "class") fail_unknown_property(property, "log", kKnown);
    require_arguments(property, 1, kAnyNumber, "class all|success|denial|error…");
    for (const Token& token : property.args) {
      static constexpr std::string_view kClasses[] = {"all", "success", "denial", "error"};
      const std::string_view word = parse_choice(token, kClasses);
      classes |= word == "all" ? kAll : word == "success" ? kSuccess : word == "denial" ? kDenial : kError;
    }
  }
  std::vector<QueryLog::Rule> rules;
  const auto add = [&](dns::Name zone) {
    rules.push_back({zone, split_format(format), classes == 0 ? unsigned{kAll} : classes});
  };
  for (const Token& token : names) {
    const std::vector<Token> one{token};
    for (const std::string& zone : parse_zones(one, setup.block)) add(zone_name(zone, token.at));
  }
  if (names.empty()) add(dns::Name());
  setup.route.observers.push_back(
      std::make_shared<QueryLog>(setup.environment.logger, setup.environment.log_format, std::move(rules)));
}

}  // namespace clusterdns::app
