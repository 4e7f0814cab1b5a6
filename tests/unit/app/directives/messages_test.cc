// What is wrong within an option says in which part of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "app/commands/route_asker.h"
#include "app/corefile/error.h"
#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::string& directives) {
  try {
    const OfflineServer server(
        parse_corefile(".:53 {\n bind 127.0.0.1\n" + directives + " whoami\n}\n", "f"));
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

TEST(Messages, NameWhatTheyAreAbout) {
  EXPECT_THAT(error_of(" fault {\n rule x {\n first abc\n do drop\n }\n }\n"),
              HasSubstr(":5:8: fault: rule 'x': first: 'abc' is not a valid number"));
  EXPECT_THAT(error_of(" fault {\n rule x {\n every 0\n do drop\n }\n }\n"),
              HasSubstr("fault: rule 'x': every: '0'"));
  EXPECT_THAT(error_of(" fault {\n rule x {\n between 5s 4s\n do drop\n }\n }\n"),
              HasSubstr("fault: rule 'x': between: '4s' is not later"));
  EXPECT_THAT(error_of(" rewrite edns0 subnet set abc 24\n"),
              HasSubstr("rewrite: edns0 subnet set: 'abc' is not a valid number"));
  EXPECT_THAT(error_of(" header {\n response set abc\n }\n"),
              HasSubstr("header: response set: 'abc' is not a valid value"));
}

}  // namespace
}  // namespace clusterdns::app
