#include "app/base/json.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace clusterdns::app {
namespace {

TEST(Json, StringsAreUtf8) {
  EXPECT_EQ(json_string("a\\b\t\x01\x7f\""), R"("a\\b\t\u0001\u007f\"")");
  EXPECT_EQ(json_string("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "\"\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
  // Overlong, half, a surrogate, beyond U+10FFFF, a lone continuation: each octet is one.
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(json_string("\xC0\xAF|\xE2\x82|\xED\xA0\x80|\xF4\x90\x80\x80|\x80"),
            "\"" + bad + bad + "|" + bad + bad + "|" + bad + bad + bad + "|" + bad + bad + bad +
                bad + "|" + bad + "\"");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(Json, PagesForReaders) {
  const boost::json::value value = {{"name", "a"},
                                    {"types", {"A", "AAAA"}},
                                    {"none", nullptr},
                                    {"empty", boost::json::array{}},
                                    {"items", {{{"x", 1}, {"y", {{"z", true}}}}, {{"x", 2}}}}};
  EXPECT_EQ(json_page(value), R"({
  "name": "a",
  "types": ["A", "AAAA"],
  "none": null,
  "empty": [],
  "items": [
    {"x": 1, "y": {"z": true}},
    {"x": 2}
  ]
}
)");
  EXPECT_EQ(boost::json::parse(json_page(value)), value);
  EXPECT_EQ(json_page(boost::json::array{1, "b"}), "[\n  1,\n  \"b\"\n]\n");
  EXPECT_EQ(json_page(boost::json::array{}), "[]\n");
  EXPECT_EQ(json_page(boost::json::object{}), "{}\n");
}

TEST(Json, NothingIsNull) {
  EXPECT_TRUE(json_text_or_null("").is_null());
  EXPECT_EQ(json_line(json_text_or_null("x")), "\"x\"");
  EXPECT_EQ(json_line(json_texts({"a", "b"})), R"(["a","b"])");
}

}  // namespace
}  // namespace clusterdns::app
