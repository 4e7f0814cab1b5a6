// errors
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

// "[ERROR] plugin/errors: 2 name. TYPE: cause", as CoreDNS writes it.
class ErrorLog final : public dns::AnswerObserver {
 public:
  explicit ErrorLog(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

  void on_answer(const Event& event, dns::WorkerContext&) noexcept override {
    const unsigned rcode = event.response[3] & 0xF;
    if (rcode != static_cast<unsigned>(dns::Rcode::ServFail)) return;
    try {
      logger_->error("plugin/errors: {} {} {}: {}", rcode, dns::name_to_text(event.query.name()),
                     dns::rrtype_to_text(event.query.qtype),
                     event.cause.empty() ? "the upstream answered SERVFAIL" : event.cause);
    } catch (...) {
      // Out of memory: the answer matters more than the line.
    }
  }

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace

void set_up_errors(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 0, "errors");
  for (const Directive& property : directive.block) {
    if (property.name.text == "consolidate" || property.name.text == "stacktrace") {
      throw ConfigError(property.name.at, "errors: '" + property.name.text +
                                              "' is not built yet; remove it to log every error");
    }
    static constexpr std::string_view kKnown[] = {"consolidate"};
    fail_unknown_property(property, "errors", kKnown);
  }
  setup.route.observers.push_back(std::make_shared<ErrorLog>(setup.environment.logger));
}

}  // namespace clusterdns::app
