// JSON (RFC 8259), by Boost.JSON: for all who write it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

namespace clusterdns::app {

// Text as a value. Octets that are not UTF-8 (RFC 3629) become U+FFFD, each: names, and what
// objects and upstreams say, may hold any.
[[nodiscard]] boost::json::string json_text(std::string_view text);
// The same, null when it is empty.
[[nodiscard]] boost::json::value json_text_or_null(std::string_view text);
[[nodiscard]] boost::json::array json_texts(const std::vector<std::string>& texts);
// `text` in quotes, all in it that does not print escaped.
[[nodiscard]] std::string json_string(std::string_view text);

// The text of a member, empty for null; and the texts of an array. Throw std::exception when it is
// something else.
[[nodiscard]] std::string text_member(const boost::json::object& object, std::string_view name);
[[nodiscard]] std::vector<std::string> texts_member(const boost::json::object& object,
                                                    std::string_view name);

// On one line, without a line feed at its end.
[[nodiscard]] std::string json_line(const boost::json::value& value);
// For people who read it, too: members of the outermost object on lines of their own, and items of
// the arrays in it; of an outermost array, its items. With a line feed at its end.
[[nodiscard]] std::string json_page(const boost::json::value& value);

}  // namespace clusterdns::app
