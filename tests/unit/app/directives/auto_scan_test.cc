#include "app/directives/auto_scan.h"

#include <gmock/gmock.h>

#include "tests/unit/app/folder.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(AutoNamesTest, AsInCoreDns) {
  const AutoNames usual;
  EXPECT_EQ(usual.origin_of("db.example.org"), "example.org");
  EXPECT_EQ(usual.origin_of("old.db.example.org"), "example.org");
  EXPECT_EQ(usual.origin_of("example.org"), std::nullopt);
  std::string error;
  EXPECT_EQ(
      AutoNames::make("^(.*)-([a-z]+)\\.zone$", "x.{2}.{1}", &error)->origin_of("a.b-cd.zone"),
      "x.cd.a.b");
  EXPECT_FALSE(AutoNames::make("db", "{1}", &error));
  EXPECT_THAT(error, HasSubstr("needs a group"));
  EXPECT_FALSE(AutoNames::make("db(", "{1}", &error));
  EXPECT_THAT(error, HasSubstr("is not a regular expression"));
  for (const char* text : {"{2}", "{x}", "{", "{-1}"}) {
    EXPECT_FALSE(AutoNames::make("db(.*)", text, &error)) << text;
    EXPECT_THAT(error, HasSubstr("the template may use {1} to {1}"));
  }
}

TEST(AutoScanTest, FilesOfAFolder) {
  const Folder folder;
  folder.write("db.b.test", "");
  folder.write("sub/db.a.test", "");
  folder.write("sub/db.b.test", "");
  folder.write("..2026/db.c.test", "");
  folder.write("README", "");
  std::string warning;
  bool whole = true;
  const auto warn = [&](const std::string& text) { warning = text; };
  const auto found = scan_zone_folder(folder / "", AutoNames(), warn, &whole);
  std::vector<std::string> zones;
  for (const auto& wanted : found) {
    zones.push_back(wanted.origin.to_text() + " " + folder.strip(wanted.path.string()));
  }
  EXPECT_THAT(zones, ElementsAre("b.test. DIR/db.b.test", "a.test. DIR/sub/db.a.test"));
  EXPECT_THAT(warning, HasSubstr("there is another file for the zone b.test."));
  EXPECT_TRUE(whole);
  EXPECT_TRUE(scan_zone_folder(folder / "nowhere", AutoNames(), warn, &whole).empty());
  EXPECT_FALSE(whole);
  EXPECT_THAT(warning, HasSubstr("Directory does not exist"));
}

}  // namespace
}  // namespace clusterdns::app
