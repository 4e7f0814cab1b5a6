// errors [stdout] { OPTION… }
#include <atomic>
#include <chrono>
#include <memory>

#include <boost/asio/steady_timer.hpp>

#include "app/base/go_duration.h"
#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "dns/query/expression.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

// Errors that one expression matches: counted, and said once a period.
struct Pattern {
  Pattern(std::string the_text, dns::Expression the_expression, std::chrono::nanoseconds the_period)
      : text(std::move(the_text)), expression(std::move(the_expression)), period(the_period) {}

  std::string text;
  dns::Expression expression;
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
        if (!pattern->expression.matches(event.cause)) continue;
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
      const auto timer = std::make_shared<boost::asio::steady_timer>(*worker.io, pattern->period);
      timer->async_wait([timer, pattern, logger = logger_](const boost::system::error_code& error) {
        if (!error) say(*logger, *pattern);
      });
    }
    return !pattern->show_first;
  }

  std::shared_ptr<spdlog::logger> logger_;
  std::vector<std::shared_ptr<Pattern>> patterns_;
};

constexpr std::string_view kConsolidate = "DURATION REGEXP [warning|error|info|debug] [show_first]";

std::shared_ptr<Pattern> parse_consolidate(const Directive& property) {
  const auto period = parse_duration(property.args[0]);
  const auto pattern =
      std::make_shared<Pattern>(property.args[1].text, parse_expression(property.args[1]), period);
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
      fail(token, "is a level; there is only one, before show_first: write `consolidate " +
                      std::string(kConsolidate) + "`");
    }
    pattern->level = word == "warning" ? spdlog::level::warn
                     : word == "info"  ? spdlog::level::info
                     : word == "debug" ? spdlog::level::debug
                                       : spdlog::level::err;
  }
  return pattern;
}

using Patterns = std::vector<std::shared_ptr<Pattern>>;

constexpr Option kOptions[] = {
    option<[](const Directive& line, Patterns& patterns) {
      patterns.push_back(parse_consolidate(line));
    }>("consolidate", kConsolidate,
       "errors that match are counted and logged together, once a DURATION"),
    idle_option("stacktrace", "", "accepted, and without effect"),
};

}  // namespace

std::span<const Option> errors_options() { return kOptions; }

void set_up_errors(const Directive& directive, BlockSetup& setup) {
  Patterns patterns;
  read_options(directive, kOptions, setup.environment.problems, patterns);
  require_arguments(directive, 0, 1, "errors [stdout]");
  if (!directive.args.empty()) {
    // Older Corefiles name the only place there is.
    static constexpr std::string_view kPlaces[] = {"stdout"};
    (void)parse_choice(directive.args[0], kPlaces);
  }
  setup.route.observers.push_back(
      std::make_shared<ErrorLog>(setup.environment.logger, std::move(patterns)));
}

}  // namespace clusterdns::app
