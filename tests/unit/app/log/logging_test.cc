#include "app/log/logging.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace clusterdns::app {
namespace {

std::string logged(LogFormat format, const std::function<void(spdlog::logger&)>& log) {
  ::testing::internal::CaptureStdout();
  log(*make_logger(format));
  return ::testing::internal::GetCapturedStdout();
}

TEST(Logging, TextIsCoreDnss) {
  EXPECT_EQ(logged(LogFormat::Text,
                   [](spdlog::logger& logger) {
                     logger.info("plugin/reload: Running configuration SHA512 = 00");
                     logger.warn("careful");
                     logger.error("wrong");
                   }),
            "[INFO] plugin/reload: Running configuration SHA512 = 00\n[WARNING] careful\n[ERROR] "
            "wrong\n");
}

TEST(Logging, NothingTurnsOrMovesALineOfText) {
  EXPECT_EQ(logged(LogFormat::Text,
                   [](spdlog::logger& logger) {
                     logger.info("file 'a\u202Eb\x1b[2J' käse");
                     logger.info("two\nlines");
                   }),
            "[INFO] file 'a\\xE2\\x80\\xAEb\\x1B[2J' käse\n[INFO] two\nlines\n");
}

TEST(Logging, JsonIsOneObjectALine) {
  const std::string text = logged(LogFormat::Json, [](spdlog::logger& logger) {
    logger.warn("plugin/hosts: two\nlines and \"quotes\"");
  });
  ASSERT_EQ(text.find('\n'), text.size() - 1);
  const auto record = boost::json::parse(text).as_object();
  std::vector<std::string> names;
  for (const auto& member : record) names.emplace_back(member.key());
  EXPECT_EQ(names, (std::vector<std::string>{"time", "level", "msg", "plugin"}));
  EXPECT_EQ(record.at("level"), "WARN");
  EXPECT_EQ(record.at("msg"), "two\nlines and \"quotes\"");
  EXPECT_EQ(record.at("plugin"), "hosts");
  // RFC 3339: 2006-01-02T15:04:05.000000000Z
  const std::string time(record.at("time").as_string());
  ASSERT_EQ(time.size(), 30U);
  EXPECT_EQ(time.back(), 'Z');
  EXPECT_EQ(time[10], 'T');
}

TEST(Logging, LevelsOfJson) {
  const std::string text = logged(LogFormat::Json, [](spdlog::logger& logger) {
    logger.info("a");
    logger.error("b");
    logger.critical("c");
  });
  for (const char* part : {R"("level":"INFO","msg":"a"})", R"("level":"ERROR","msg":"b"})",
                           R"("level":"FATAL","msg":"c"})"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(Logging, APathIsNoPlugin) {
  const std::string text = logged(
      LogFormat::Json, [](spdlog::logger& logger) { logger.info("plugin/with blanks: no"); });
  EXPECT_NE(text.find(R"("msg":"plugin/with blanks: no"})"), std::string::npos) << text;
}

TEST(Logging, MembersFollowTheText) {
  const std::string text = logged(LogFormat::Json, [](spdlog::logger& logger) {
    log_with_members(logger, spdlog::level::info, "a \x1e separator", R"("plugin":"log","id":7)");
  });
  EXPECT_NE(text.find(R"("msg":"a \u001e separator","plugin":"log","id":7})"), std::string::npos)
      << text;
}

TEST(Logging, FatalLines) {
  EXPECT_EQ(fatal_line(LogFormat::Text, "x:1:2: bad"), "clusterdns: x:1:2: bad");
  const auto record = boost::json::parse(fatal_line(LogFormat::Json, "x:1:2: bad")).as_object();
  EXPECT_EQ(record.at("level"), "FATAL");
  EXPECT_EQ(record.at("msg"), "x:1:2: bad");
}

}  // namespace
}  // namespace clusterdns::app
