// Members of objects in JSON, whatever stands there: what is of another type counts as not there.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

#include "registry/ip_address.h"

namespace clusterdns::registry::kubernetes {

namespace json = boost::json;

inline const json::object* object_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

inline const json::array* array_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  return value == nullptr ? nullptr : value->if_array();
}

inline std::string_view text_of(const json::value& value) {
  const json::string* const text = value.if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

inline std::string_view text_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  return value == nullptr ? std::string_view() : text_of(*value);
}

// 0 when there is none. A number that is no integer, or too large for one, becomes -1: no field
// that is read has such.
inline std::int64_t number_at(const json::object& parent, std::string_view key) {
  const json::value* const value = parent.if_contains(key);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  return error ? -1 : number;
}

inline bool flag_at(const json::object& parent, std::string_view key, bool fallback) {
  const json::value* const value = parent.if_contains(key);
  return value != nullptr && value->is_bool() ? value->get_bool() : fallback;
}

template <class Visit>
inline void each_text(const json::object& parent, std::string_view key, Visit&& visit) {
  if (const json::array* const list = array_at(parent, key)) {
    for (const json::value& item : *list) visit(text_of(item));
  }
}

template <class Visit>
inline void each_object(const json::object& parent, std::string_view key, Visit&& visit) {
  if (const json::array* const list = array_at(parent, key)) {
    for (const json::value& item : *list) {
      if (const json::object* const object = item.if_object()) visit(*object);
    }
  }
}

inline void add_address(std::string_view text, std::vector<IpAddress>& to) {
  if (const auto ip = IpAddress::parse_legacy(text)) to.push_back(*ip);
}

}  // namespace clusterdns::registry::kubernetes
