#include "app/logging.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "dns/server/blocked_signals.h"

namespace clusterdns::app {
namespace {

// CoreDNS's names of levels.
class LevelFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& to) override {
    std::string_view name = "INFO";
    switch (message.level) {
      case spdlog::level::trace:
      case spdlog::level::debug: name = "DEBUG"; break;
      case spdlog::level::warn: name = "WARNING"; break;
      case spdlog::level::err: name = "ERROR"; break;
      case spdlog::level::critical: name = "FATAL"; break;
      default: break;
    }
    to.append(name.data(), name.data() + name.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelFlag>();
  }
};

}  // namespace

std::shared_ptr<spdlog::logger> make_logger() {
  std::shared_ptr<spdlog::details::thread_pool> pool;
  {
    const dns::BlockedSignals none_for_it;
    pool = std::make_shared<spdlog::details::thread_pool>(kLogQueue, 1);
  }
  auto sink = std::make_shared<spdlog::sinks::stdout_sink_st>();
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelFlag>('*').set_pattern("[%*] %v");
  sink->set_formatter(std::move(formatter));
  auto logger = std::make_shared<spdlog::async_logger>(
      "clusterdns", std::move(sink), pool, spdlog::async_overflow_policy::overrun_oldest);
  logger->flush_on(spdlog::level::info);
  // The logger knows its pool only weakly; this reference is what keeps the thread.
  auto* const raw = logger.get();
  return {raw, [logger, pool](spdlog::logger*) mutable {
            // The thread ends first, with all it holds of the logger.
            pool.reset();
            logger.reset();
          }};
}

std::shared_ptr<spdlog::logger> make_silent_logger() {
  return std::make_shared<spdlog::logger>("clusterdns",
                                          std::make_shared<spdlog::sinks::null_sink_mt>());
}

}  // namespace clusterdns::app
