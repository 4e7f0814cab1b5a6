// log [NAME…] [FORMAT] [{ class all|success|denial|error… }]
//
// FORMAT is text with {…} in it; {common} and {combined} stand for CoreDNS's two usual ones.
// Several in one block are one list of rules: the first whose name covers the query decides
// (CoreDNS, plugin/log/log.go), also when its classes do not have the answer.
#include <algorithm>
#include <memory>

#include "app/base/json.h"
#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/geoip.h"
#include "app/directives/query_format.h"
#include "dns/server/worker.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/record_walker.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::app {
namespace {

enum ClassBit : unsigned { kSuccess = 1, kDenial = 2, kError = 4, kAll = 7 };

// CoreDNS's sorting of responses: names or types that do not exist are denials.
unsigned class_of(const dns::AnswerObserver::Event& event) noexcept {
  const std::span<const std::uint8_t> response = event.response;
  if (response.empty()) return kError;
  const unsigned rcode = response[3] & 0xF;
  const unsigned answers = dns::load_u16(response.data() + 6);
  if (event.query.qtype == dns::RRType::AXFR || event.query.qtype == dns::RRType::IXFR)
    return kError;
  if (rcode == static_cast<unsigned>(dns::Rcode::NXDomain)) return answers == 0 ? kDenial : kError;
  if (rcode != 0) return kError;
  // NOERROR with nothing in it is a denial when an SOA says so.
  return answers == 0 && dns::has_authority_soa(response, event.query.question_end) ? kDenial
                                                                                    : kSuccess;
}

class QueryLog final : public dns::AnswerObserver {
 public:
  struct Rule {
    QueryFormat format;
    unsigned classes = kAll;
    std::size_t order = 0;  // of several the lowest decides
  };

  QueryLog(std::shared_ptr<spdlog::logger> logger, LogFormat format)
      : logger_(std::move(logger)), format_(format) {}

  // For names in `zone`, unless a rule before has them. Before the first answer.
  void add(const dns::Name& zone, std::shared_ptr<const Rule> rule) {
    if (zones_.add(zone) == rules_.size()) rules_.push_back(std::move(rule));
  }
  [[nodiscard]] std::size_t next_order() noexcept { return order_++; }

  void on_answer(const Event& event, dns::WorkerContext& worker) noexcept override {
    tell(event, worker);
  }
  void on_unanswered(const Event& event, Fate fate, dns::WorkerContext& worker) noexcept override {
    if (fate == Fate::Dropped) tell(event, worker);
  }

 private:
  void tell(const Event& event, const dns::WorkerContext& worker) noexcept {
    try {
      const Rule* const rule = rule_for(event.query.name());
      if (rule != nullptr && (rule->classes & class_of(event)) != 0) write(*rule, event, worker);
    } catch (...) {
      // Out of memory: the answer matters more than the line.
    }
  }
  // Of all zones that the name is in, the one that stands first.
  [[nodiscard]] const Rule* rule_for(dns::NameView name) const noexcept {
    const Rule* rule = nullptr;
    for (;;) {
      const std::size_t zone = zones_.find(name);
      if (zone == dns::ZoneSet::kNone) return rule;
      if (rule == nullptr || rules_[zone]->order < rule->order) rule = rules_[zone].get();
      name = zones_[zone];
      if (name[0] == 0) return rule;
      name = name.subspan(std::size_t{1} + name[0]);
    }
  }

  void write(const Rule& rule, const Event& event, const dns::WorkerContext& worker) {
    const std::string line = rule.format.text(event, worker.index);
    if (format_ == LogFormat::Json) {
      log_with_members(*logger_, spdlog::level::info, line, members(event));
    } else {
      logger_->info(line);
    }
  }

  // What CoreDNS adds to a query's line (plugin/log/json.go), in its order.
  static std::string members(const Event& event) {
    const auto value = [&](std::string_view token) { return QueryFormat::value(token, event); };
    return fmt::format(
        R"("plugin":"log","client_ip":{},"client_port":{},"qname":{},"qtype":{},"qclass":{},)"
        R"("protocol":"{}","id":{},"opcode":{},"request_size":{},"dnssec_ok":{},"bufsize":{},)"
        R"("rcode":{},"response_size":{},"duration_seconds":{})",
        json_string(event.client.to_address().to_string()), event.client.port,
        json_string(value("name")), json_string(value("type")), json_string(value("class")),
        value("proto"), event.query.id, value(">opcode"), value("size"), value(">do"),
        value(">bufsize"), json_string(value("rcode")), event.plain_size,
        QueryFormat::seconds(dns::monotonic_ns() - event.received_ns));
  }

  std::shared_ptr<spdlog::logger> logger_;
  LogFormat format_;
  dns::ZoneSet zones_;
  std::vector<std::shared_ptr<const Rule>> rules_;  // by zone
  std::size_t order_ = 0;
};

void read_classes(const Directive& line, unsigned& classes) {
  for (const Token& token : line.args) {
    static constexpr std::string_view kClasses[] = {"all", "success", "denial", "error"};
    const std::string_view word = parse_choice(token, kClasses);
    classes |= word == "all"       ? kAll
               : word == "success" ? kSuccess
               : word == "denial"  ? kDenial
                                   : kError;
  }
}

constexpr Option kOptions[] = {
    option<&read_classes>("class", "all|success|denial|error…",
                          "only such answers: `denial` is NXDOMAIN and NODATA, `error` all others",
                          "all"),
};

}  // namespace

std::span<const Option> log_options() { return kOptions; }

void set_up_log(const Directive& directive, BlockSetup& setup) {
  std::vector<Token> names = directive.args;
  std::string_view format = kCommonFormat;
  if (!names.empty() && names.back().text.find('{') != std::string::npos) {
    format = directive.args.back().text;
    names.pop_back();
  }
  unsigned classes = 0;
  read_options(directive, kOptions, setup.environment.problems, classes);
  refuse_option_names(names, kOptions);
  std::shared_ptr<QueryLog> log;
  for (const auto& observer : setup.route.observers) {
    if (auto before = std::dynamic_pointer_cast<QueryLog>(observer)) log = std::move(before);
  }
  if (log == nullptr) {
    log = std::make_shared<QueryLog>(setup.environment.logger, setup.environment.log_format);
    setup.route.observers.push_back(log);
  }
  const auto rule = std::make_shared<const QueryLog::Rule>(
      QueryLog::Rule{QueryFormat(format, metadata_of(setup)),
                     classes == 0 ? unsigned{kAll} : classes, log->next_order()});
  const auto add = [&](const dns::Name& zone) { log->add(zone, rule); };
  for (const Token& token : names) {
    for (const std::string& zone : parse_zones({&token, 1}, setup.block)) {
      add(zone_name(zone, token.at));
    }
  }
  if (names.empty()) add(dns::Name());
}

}  // namespace clusterdns::app
