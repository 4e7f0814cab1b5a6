#include "app/log/logging.h"

#include <unistd.h>

#include <chrono>

#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/sink.h>

#include "app/base/json.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

// CoreDNS's names of levels.
std::string_view text_level(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return "DEBUG";
    case spdlog::level::warn: return "WARNING";
    case spdlog::level::err: return "ERROR";
    case spdlog::level::critical: return "FATAL";
    default: return "INFO";
  }
}

// What a line is, see LogQueue::Line::kind.
enum Kind : std::uint8_t {
  kUsual,
  kWithMembers,  // the text, kMembers, members of its object
  kBare,         // no level in front
};
// How a record of spdlog says its kind.
constexpr const char* kMembersMark = "members";
constexpr const char* kBareMark = "bare";

constexpr char kMembers = '\x1e';  // record separator

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

std::string json_record(std::chrono::system_clock::time_point time, spdlog::level::level_enum level,
                        std::string_view text, std::string_view members) {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::seconds;
  const auto since = time.time_since_epoch();
  const auto whole = duration_cast<seconds>(since);
  const std::time_t clock = whole.count();
  std::tm utc{};
  ::gmtime_r(&clock, &utc);
  std::string record =
      fmt::format(R"({{"time":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z","level":"{}","msg":)",
                  utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                  utc.tm_sec, duration_cast<nanoseconds>(since - whole).count(), json_level(level));
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

void format_text(const LogQueue::Line& line, std::string& to) {
  if (line.kind != kBare) {
    const auto level = static_cast<spdlog::level::level_enum>(line.level);
    to.append("[").append(text_level(level)).append("] ");
  }
  // Names of objects, files and servers are others' text. Several lines are our own.
  registry::append_printable(to, line.text, "\n\t");
  to.append("\n");
}

void format_json(const LogQueue::Line& line, std::string& to) {
  std::string_view text = line.text;
  std::string_view members;
  if (line.kind == kWithMembers) {
    const std::size_t at = text.rfind(kMembers);
    members = text.substr(at + 1);
    text = text.substr(0, at);
  }
  const auto level = static_cast<spdlog::level::level_enum>(line.level);
  to.append(json_record(line.time, level, text, members)).append("\n");
}

LogQueue::Gap gap_line(LogFormat format) {
  return [format](std::uint64_t count, std::string& to) {
    const std::string text =
        std::to_string(count) + " lines of the log were lost: it is written faster than it is read";
    const LogQueue::Line line{kUsual, spdlog::level::warn, std::chrono::system_clock::now(), text};
    format == LogFormat::Json ? format_json(line, to) : format_text(line, to);
  };
}

class QueueSink final : public spdlog::sinks::sink {
 public:
  explicit QueueSink(LogFormat format)
      : queue_(STDOUT_FILENO, format == LogFormat::Json ? format_json : format_text,
               gap_line(format)) {}
  explicit QueueSink(std::function<void(std::string_view)> write)
      : queue_(
            [write = std::move(write)](std::string_view line) {
              if (line.ends_with('\n')) line.remove_suffix(1);
              write(line);
              return true;
            },
            format_text, gap_line(LogFormat::Text)) {}

  void log(const spdlog::details::log_msg& message) override {
    LogQueue::Line line;
    const std::string_view mark = message.source.funcname == nullptr ? "" : message.source.funcname;
    line.kind = mark == kMembersMark ? kWithMembers : mark == kBareMark ? kBare : kUsual;
    line.level = static_cast<std::uint8_t>(message.level);
    line.time = message.time;
    line.text = {message.payload.data(), message.payload.size()};
    queue_.push(line);
  }
  void flush() override { queue_.flush(); }
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}
  [[nodiscard]] std::uint64_t lost() const noexcept { return queue_.lost(); }

 private:
  LogQueue queue_;
};

std::shared_ptr<spdlog::logger> make_queued(std::shared_ptr<QueueSink> sink) {
  auto logger = std::make_shared<spdlog::logger>("clusterdns", std::move(sink));
  // spdlog's own would write to standard error, and wait for it.
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(LogFormat format) {
  return make_queued(std::make_shared<QueueSink>(format));
}

std::shared_ptr<spdlog::logger> make_logger(std::function<void(std::string_view)> write) {
  return make_queued(std::make_shared<QueueSink>(std::move(write)));
}

std::uint64_t lost_log_lines(const spdlog::logger& logger) noexcept {
  std::uint64_t lost = 0;
  for (const auto& sink : logger.sinks()) {
    if (const auto* const queue = dynamic_cast<const QueueSink*>(sink.get())) lost += queue->lost();
  }
  return lost;
}

std::shared_ptr<spdlog::logger> make_silent_logger() {
  return std::make_shared<spdlog::logger>("clusterdns",
                                          std::make_shared<spdlog::sinks::null_sink_mt>());
}

void log_with_members(spdlog::logger& logger, spdlog::level::level_enum level,
                      std::string_view text, std::string_view members) {
  std::string both;
  both.reserve(text.size() + 1 + members.size());
  both.append(text).append(1, kMembers).append(members);
  logger.log(spdlog::source_loc{"", 1, kMembersMark}, level, spdlog::string_view_t(both));
}

void log_bare(spdlog::logger& logger, std::string_view text) {
  logger.log(spdlog::source_loc{"", 1, kBareMark}, spdlog::level::info,
             spdlog::string_view_t(text.data(), text.size()));
}

std::string fatal_line(LogFormat format, std::string_view message) {
  if (format == LogFormat::Text) return "clusterdns: " + std::string(message);
  return json_record(std::chrono::system_clock::now(), spdlog::level::critical, message, {});
}

}  // namespace clusterdns::app
