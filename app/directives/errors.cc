// errors {
//   consolidate DURATION REGEXP [warning|error|info|debug] [show_first]
//   stacktrace                                                          no effect: there is none
// }
#include <atomic>
#include <chrono>
#include <memory>
#include <regex>

#include <boost/asio/steady_timer.hpp>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "app/go_duration.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

// Go's limit for the same expression is 10,000 octets; std::regex is recursive, and what it is
// matched against is short, so less is enough and safer.
constexpr std::size_t kMaxExpression = 1000;

// Errors that one expression matches: counted, and said once a period.
struct Pattern {
  std::string text;
  std::regex expression;
  std::chrono::nanoseconds period;
  spdlog::level::level_enum level = spdlog::level::err;
  bool show_first = false;
  std::atomic<std::uint32_t> count{0};
};

// "[ERROR] plugin/errors: 2 name. TYPE: cause", as CoreDNS writes it.
class ErrorLog final : public dns::AnswerObserver {
 public:
  ErrorLog(std::shared_ptr<spdlog::logger> logger, std::vector<std::shared_ptr<Pattern>> patterns)
      : logger_(std::move(logger)), patterns_(std::move(patterns)) {}
  // What is counted and not said yet.
  ~ErrorLog() override {
    for (const auto& pattern : patterns_) say(*logger_, *pattern);
  }

  void on_answer(const Event& event, dns::WorkerContext& worker) noexcept override {
    const unsigned rcode = event.response[3] & 0xF;
    // An upstream's own SERVFAIL is an answer: there is no cause to tell.
    if (rcode != static_cast<unsigned>(dns::Rcode::ServFail) || event.cause.empty()) return;
    try {
      auto level = spdlog::level::err;
      for (const auto& pattern : patterns_) {
        if (!std::regex_search(event.cause.begin(), event.cause.end(), pattern->expression)) {
          continue;
        }
        if (consolidate(pattern, worker)) return;
        level = pattern->level;
        break;
      }
      logger_->log(level, "plugin/errors: {} {} {}: {}", rcode,
                   dns::name_to_text(event.query.name()), dns::rrtype_to_text(event.query.qtype),
                   event.cause);
    } catch (...) {
      // Out of memory: the answer matters more than the line.
    }
  }

 private:
  static void say(spdlog::logger& logger, Pattern& pattern) {
    const std::uint32_t n = pattern.count.exchange(0, std::memory_order_relaxed);
    if (n == 0 || (n == 1 && pattern.show_first)) return;
    logger.log(pattern.level, "plugin/errors: {} errors like '{}' occurred in last {}", n,
               pattern.text, go_duration(pattern.period));
  }

  // False when the error is to be said now, as the first of its period.
  bool consolidate(const std::shared_ptr<Pattern>& pattern, dns::WorkerContext& worker) {
    if (pattern->count.fetch_add(1, std::memory_order_relaxed) != 0) return true;
    if (worker.io != nullptr) {
      const auto timer =
          std::make_shared<boost::asio::steady_timer>(*worker.io, pattern->period);
      timer->async_wait([timer, pattern, logger = logger_](const boost::system::error_code& error) {
        if (!error) say(*logger, *pattern);
      });
    }
    return !pattern->show_first;
  }

  std::shared_ptr<spdlog::logger> logger_;
  std::vector<std::shared_ptr<Pattern>> patterns_;
};

std::shared_ptr<Pattern> parse_consolidate(const Directive& property) {
  constexpr std::string_view kUsage =
      "consolidate DURATION REGEXP [warning|error|info|debug] [show_first]";
  require_arguments(property, 2, 4, kUsage);
  require_no_block(property);
  auto pattern = std::make_shared<Pattern>();
  pattern->period = parse_duration(property.args[0]);
  const Token& expression = property.args[1];
  pattern->text = expression.text;
  if (pattern->text.size() > kMaxExpression) {
    throw ConfigError(expression.at, "errors: the expression has " +
                                         std::to_string(pattern->text.size()) +
                                         " octets; 1000 are the most");
  }
  try {
    // Go's flag for both cases alike, the only one that is common.
    const bool any_case = pattern->text.starts_with("(?i)");
    auto flags = std::regex::ECMAScript | std::regex::optimize;
    if (any_case) flags |= std::regex::icase;
    pattern->expression = std::regex(pattern->text.substr(any_case ? 4 : 0), flags);
  } catch (const std::regex_error& error) {
    throw ConfigError(expression.at, "errors: '" + expression.text +
                                         "' is no regular expression: " + error.what());
  }
  for (std::size_t i = 2; i < property.args.size(); ++i) {
    const Token& token = property.args[i];
    static constexpr std::string_view kWords[] = {"warning", "error", "info", "debug",
                                                  "show_first"};
    const std::string_view word = parse_choice(token, kWords);
    if (word == "show_first") {
      pattern->show_first = true;
      continue;
    }
    if (i != 2) {
      throw ConfigError(token.at, "errors: the level stands before show_first, and once; write " +
                                      std::string(kUsage));
    }
    pattern->level = word == "warning" ? spdlog::level::warn
                     : word == "info"  ? spdlog::level::info
                     : word == "debug" ? spdlog::level::debug
                                       : spdlog::level::err;
  }
  return pattern;
}

}  // namespace

void set_up_errors(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 1, "errors [stdout]");
  if (!directive.args.empty()) {
    // Older Corefiles name the only place there is.
    static constexpr std::string_view kPlaces[] = {"stdout"};
    (void)parse_choice(directive.args[0], kPlaces);
  }
  std::vector<std::shared_ptr<Pattern>> patterns;
  for (const Directive& property : directive.block) {
    if (property.name.text == "consolidate") {
      patterns.push_back(parse_consolidate(property));
    } else if (property.name.text == "stacktrace") {
      require_bare(property);
    } else {
      static constexpr std::string_view kKnown[] = {"consolidate", "stacktrace"};
      fail_unknown_property(property, "errors", kKnown);
    }
  }
  setup.route.observers.push_back(
      std::make_shared<ErrorLog>(setup.environment.logger, std::move(patterns)));
}

}  // namespace clusterdns::app
