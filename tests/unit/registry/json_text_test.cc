#include "registry/json_text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace clusterdns::registry {
namespace {

TEST(JsonText, LoneSurrogatesBecomeReplacementCharacters) {
  for (const auto& [text, wanted] : {
           std::pair<std::string, std::string>{R"("\ud83d")", R"("\uFFFD")"},
           {R"("\uDE80x")", R"("\uFFFDx")"},
           {R"("\ud83d\ud83d\ude80")", R"("\uFFFD\ud83d\ude80")"},
           {R"("\ud83d\u0041")", R"("\uFFFD\u0041")"},
           {R"("\\\ud83d")", R"("\\\uFFFD")"},
           {R"("\ud83d\\ude80")", R"("\uFFFD\\ude80")"},
       }) {
    std::string mended = text;
    EXPECT_TRUE(has_lone_surrogates(text)) << text;
    replace_lone_surrogates(mended);
    EXPECT_EQ(mended, wanted);
    EXPECT_FALSE(has_lone_surrogates(mended)) << mended;
  }
}

TEST(JsonText, EverythingElseStays) {
  for (const std::string text :
       {R"("\ud83d\ude80")", R"("\uD83D\uDE80\uD83D\uDE80")", R"("\\ud83d")", R"("\\\\ud800")",
        R"({"a":"\n\"","b":"\u0041"})", R"("\ud8)", R"("\u)", R"(\)", R"()", R"("\uzzzz")"}) {
    std::string mended = text;
    EXPECT_FALSE(has_lone_surrogates(text)) << text;
    replace_lone_surrogates(mended);
    EXPECT_EQ(mended, text);
  }
}

TEST(JsonText, PairsOfSurrogatesAsYamlHasThem) {
  std::string text = R"({"name":"c\ud83d\ude80 \\ud83d\udbff\udfff","b":"\ud800"})";
  write_surrogates_as_yaml(text);
  EXPECT_EQ(text, R"({"name":"c\U0001f680 \\ud83d\U0010ffff","b":"\uFFFD"})");
  std::string plain = R"({"a":"\u0041"})";
  write_surrogates_as_yaml(plain);
  EXPECT_EQ(plain, R"({"a":"\u0041"})");
}

}  // namespace
}  // namespace clusterdns::registry
