#include "app/base/json.h"

#include <boost/json/serialize.hpp>

namespace clusterdns::app {

namespace json = boost::json;

namespace {

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

// Items on lines of their own, `indent` deep.
void append_items(std::string& to, const json::array& items, const std::string& indent);
// Everything else: on one line, with spaces for the eye.
void append_value(std::string& to, const json::value& value) {
  const char* separator = "";
  if (const json::object* const object = value.if_object()) {
    to += '{';
    for (const auto& [name, member] : *object) {
      to.append(separator).append(json_string(name)).append(": ");
      append_value(to, member);
      separator = ", ";
    }
    to += '}';
  } else if (const json::array* const array = value.if_array()) {
    to += '[';
    for (const json::value& item : *array) {
      to += separator;
      append_value(to, item);
      separator = ", ";
    }
    to += ']';
  } else {
    to += json_line(value);
  }
}

void append_items(std::string& to, const json::array& items, const std::string& indent) {
  to += '[';
  const char* separator = "";
  for (const json::value& item : items) {
    to.append(separator).append("\n  ").append(indent);
    append_value(to, item);
    separator = ",";
  }
  if (!items.empty()) to.append("\n").append(indent);
  to += ']';
}

}  // namespace

json::string json_text(std::string_view text) {
  json::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::size_t good = 0;
    std::size_t size = 0;
    while (good < text.size() && (size = utf8_size(text.substr(good))) != 0) good += size;
    result.append(text.substr(0, good));
    if (good == text.size()) break;
    result.append("\xEF\xBF\xBD");
    text.remove_prefix(good + 1);
  }
  return result;
}

json::value json_text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json_text(text);
}

json::array json_texts(const std::vector<std::string>& texts) {
  json::array array;
  array.reserve(texts.size());
  for (const std::string& text : texts) array.emplace_back(json_text(text));
  return array;
}

std::string text_member(const json::object& object, std::string_view name) {
  const json::value& member = object.at(name);
  return member.is_null() ? std::string() : std::string(member.as_string());
}

std::vector<std::string> texts_member(const json::object& object, std::string_view name) {
  std::vector<std::string> texts;
  for (const json::value& item : object.at(name).as_array()) texts.emplace_back(item.as_string());
  return texts;
}

std::string json_string(std::string_view text) { return json_line(json_text(text)); }

std::string json_line(const json::value& value) {
  std::string line = json::serialize(value);
  // It may stay as it is (RFC 8259 7), but does not print.
  for (std::size_t at = 0; (at = line.find('\x7F', at)) != std::string::npos;) {
    line.replace(at, 1, "\\u007f");
  }
  return line;
}

std::string json_page(const json::value& value) {
  std::string page;
  if (const json::array* const array = value.if_array()) {
    append_items(page, *array, "");
  } else if (const json::object* const object = value.if_object()) {
    page += '{';
    const char* separator = "";
    for (const auto& [name, member] : *object) {
      page.append(separator).append("\n  ").append(json_string(name)).append(": ");
      // A list of words stays on its line.
      const json::array* const items = member.if_array();
      if (items != nullptr && !items->empty() && items->front().is_object()) {
        append_items(page, *items, "  ");
      } else {
        append_value(page, member);
      }
      separator = ",";
    }
    page += object->empty() ? "}" : "\n}";
  } else {
    append_value(page, value);
  }
  return page + '\n';
}

}  // namespace clusterdns::app
