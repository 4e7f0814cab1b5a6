#include "app/logging.h"

#include <chrono>

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

// What follows this in the text of a record marked with kWithMembers are members of its object.
constexpr char kMembers = '\x1e';  // record separator
constexpr const char* kWithMembers = "members";

std::string_view json_level(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return "DEBUG";
    case spdlog::level::warn: return "WARN";
    case spdlog::level::err: return "ERROR";
    case spdlog::level::critical: return "FATAL";
    default: return "INFO";
  }
}

std::string json_record(std::chrono::system_clock::time_point time,
                        spdlog::level::level_enum level, std::string_view text,
                        std::string_view members) {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::seconds;
  const auto since = time.time_since_epoch();
  const auto whole = duration_cast<seconds>(since);
  const std::time_t clock = whole.count();
  std::tm utc{};
  ::gmtime_r(&clock, &utc);
  std::string record = fmt::format(
      R"({{"time":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z","level":"{}","msg":)",
      utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
      duration_cast<nanoseconds>(since - whole).count(), json_level(level));
  std::string_view plugin;
  constexpr std::string_view kPrefix = "plugin/";
  if (text.starts_with(kPrefix)) {
    const std::size_t colon = text.find(": ");
    if (colon != std::string_view::npos && text.find(' ') == colon + 1) {
      plugin = text.substr(kPrefix.size(), colon - kPrefix.size());
      text.remove_prefix(colon + 2);
    }
  }
  record += json_string(text);
  if (!plugin.empty()) record += ",\"plugin\":" + json_string(plugin);
  if (!members.empty()) record.append(",").append(members);
  return record + "}";
}

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    std::string_view text(message.payload.data(), message.payload.size());
    std::string_view members;
    if (message.source.funcname == kWithMembers) {
      const std::size_t at = text.rfind(kMembers);
      members = text.substr(at + 1);
      text = text.substr(0, at);
    }
    const std::string record = json_record(message.time, message.level, text, members) + "\n";
    to.append(record.data(), record.data() + record.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

// Octets of the UTF-8 sequence that `text` begins with (RFC 3629 4); 0: it begins with none.
std::size_t utf8_size(std::string_view text) {
  const auto octet = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
  const unsigned first = octet(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (octet(1) < low || octet(1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if ((octet(i) & 0xC0) != 0x80) return 0;
  }
  return size;
}

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(LogFormat format) {
  std::shared_ptr<spdlog::details::thread_pool> pool;
  {
    const dns::BlockedSignals none_for_it;
    pool = std::make_shared<spdlog::details::thread_pool>(kLogQueue, 1);
  }
  auto sink = std::make_shared<spdlog::sinks::stdout_sink_st>();
  if (format == LogFormat::Json) {
    sink->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<LevelFlag>('*').set_pattern("[%*] %v");
    sink->set_formatter(std::move(formatter));
  }
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

void log_with_members(spdlog::logger& logger, spdlog::level::level_enum level, std::string_view text,
                      std::string_view members) {
  std::string both;
  both.reserve(text.size() + 1 + members.size());
  both.append(text).append(1, kMembers).append(members);
  logger.log(spdlog::source_loc{"", 1, kWithMembers}, level, spdlog::string_view_t(both));
}

std::string fatal_line(LogFormat format, std::string_view message) {
  if (format == LogFormat::Text) return "clusterdns: " + std::string(message);
  return json_record(std::chrono::system_clock::now(), spdlog::level::critical, message, {});
}

std::string json_string(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    const char c = text.front();
    if (size == 0) {
      json += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      json.append(1, '\\').append(1, c);
    } else if (c == '\n') {
      json += "\\n";
    } else if (c == '\t') {
      json += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      json += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return json + "\"";
}

}  // namespace clusterdns::app
