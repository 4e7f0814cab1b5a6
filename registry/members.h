// What follows from the list of an object's members: how much memory it takes, and its form in a
// snapshot. So a new field is named in one place.
//
// A type lists its members once:
//   static auto members(auto& self) { return std::tie(self.key, self.hosts); }
// They may be texts, numbers, enumerators (see kLastOf), IpAddress, EndpointList, other types that
// list theirs, and pairs, vectors, optionals and shared_ptr<const …> of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "registry/ip_address.h"
#include "registry/model.h"

namespace clusterdns::registry {

template <class T>
concept HasMembers = requires(T& object) {
  T::members(object);
};

// --- memory --------------------------------------------------------------------------------------

// Octets that `value` refers to, without its own sizeof: about, and never much less.
template <class T>
[[nodiscard]] std::size_t referred_octets(const T& value);

namespace parts {

constexpr std::size_t kAllocation = 16;  // malloc's own words, and rounding up

inline std::size_t octets_behind(const std::string& text) {
  constexpr std::size_t kInside = 15;  // short texts are stored in the string itself
  return text.size() > kInside ? text.size() + 1 + kAllocation : 0;
}
template <class T>
std::size_t octets_behind(const std::vector<T>& list) {
  std::size_t sum = list.empty() ? 0 : list.size() * sizeof(T) + kAllocation;
  if constexpr (!std::is_trivially_copyable_v<T>) {
    for (const T& each : list) sum += referred_octets(each);
  }
  return sum;
}
template <class A, class B>
std::size_t octets_behind(const std::pair<A, B>& pair) {
  return referred_octets(pair.first) + referred_octets(pair.second);
}
template <class T>
std::size_t octets_behind(const std::optional<T>& value) {
  return value ? referred_octets(*value) : 0;
}
template <class T>
std::size_t octets_behind(const std::shared_ptr<const T>& pointer) {
  // With the counts that stand before it.
  return pointer == nullptr ? 0 : 16 + kAllocation + sizeof(T) + referred_octets(*pointer);
}

}  // namespace parts

template <class T>
std::size_t referred_octets(const T& value) {
  if constexpr (HasMembers<T>) {
    return std::apply([](const auto&... each) { return (referred_octets(each) + ... + 0); },
                      T::members(value));
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                       std::is_same_v<T, IpAddress>) {
    return 0;
  } else {
    using parts::octets_behind;
    return octets_behind(value);
  }
}

// Octets that an object of a Store takes with what it refers to and its place there.
template <class T>
[[nodiscard]] std::size_t kept_octets(const T& object) {
  // A node of a hash table with its share of the buckets, and the counts of whoever shares it.
  constexpr std::size_t kPlace = 128;
  return kPlace + sizeof object + referred_octets(object);
}

// Gives back what vectors hold in reserve: objects are built by push_back, and what stays as long
// as the object must not keep the slack.
template <class T>
void trim(T& value);

namespace parts {

template <class T>
void trim_part(T&) {}
template <class T>
void trim_part(std::vector<T>& list) {
  list.shrink_to_fit();
  if constexpr (!std::is_trivially_copyable_v<T>) {
    for (T& each : list) trim(each);
  }
}
template <class T>
void trim_part(std::optional<T>& value) {
  if (value) trim(*value);
}

}  // namespace parts

template <class T>
void trim(T& value) {
  if constexpr (HasMembers<T>) {
    std::apply([](auto&... each) { (trim(each), ...); }, T::members(value));
  } else {
    using parts::trim_part;
    trim_part(value);
  }
}

// --- snapshots -----------------------------------------------------------------------------------

// Numbers are varints.
class ObjectWriter {
 public:
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out.push_back(static_cast<char>(value));
  }
  void text(std::string_view text) {
    number(text.size());
    out += text;
  }
  void address(const IpAddress& address) {
    number(address.size());
    out.append(reinterpret_cast<const char*>(address.octets.data()), address.size());
  }
  std::string out;
};

// Reading past the end, or what cannot be, makes it bad for ever. Then everything is empty, so that
// loops over counts end at once.
class ObjectReader {
 public:
  // `limit`: octets that what is read may take in memory.
  ObjectReader(std::string_view data, std::size_t limit) : rest_(data), limit_(limit) {}

  std::uint64_t number();
  std::string_view view();
  IpAddress address();
  template <class Enum>
  Enum enumerator() {
    const std::uint64_t value = number();
    if (value > static_cast<std::uint64_t>(kLastOf<Enum>)) fail();
    return good_ ? static_cast<Enum>(value) : Enum{};
  }

  // Counts an object, and before that what it grows by; too much makes it bad.
  void keep(std::size_t octets) {
    growing_ = 0;
    kept_ += octets;
    if (kept_ > limit_) fail();
  }
  void grow(std::size_t octets) {
    growing_ += octets;
    if (kept_ + growing_ > limit_) fail();
  }
  void fail() {
    good_ = false;
    rest_ = {};
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  std::size_t limit_;
  std::size_t kept_ = 0, growing_ = 0;
  bool good_ = true;
};

template <class T>
void encode(ObjectWriter& to, const T& value);
template <class T>
void decode(ObjectReader& from, T& value);

namespace parts {

inline void encode_part(ObjectWriter& to, const std::string& text) { to.text(text); }
inline void encode_part(ObjectWriter& to, const IpAddress& address) { to.address(address); }
template <class T>
void encode_part(ObjectWriter& to, const std::vector<T>& list) {
  to.number(list.size());
  for (const T& each : list) encode(to, each);
}
template <class A, class B>
void encode_part(ObjectWriter& to, const std::pair<A, B>& pair) {
  encode(to, pair.first);
  encode(to, pair.second);
}
template <class T>
void encode_part(ObjectWriter& to, const std::optional<T>& value) {
  to.number(value ? 1 : 0);
  if (value) encode(to, *value);
}
template <class T>
void encode_part(ObjectWriter& to, const std::shared_ptr<const T>& pointer) {
  to.number(pointer != nullptr ? 1 : 0);
  if (pointer != nullptr) encode(to, *pointer);
}

inline void decode_part(ObjectReader& from, std::string& text) { text = from.view(); }
inline void decode_part(ObjectReader& from, IpAddress& address) { address = from.address(); }
template <class T>
void decode_part(ObjectReader& from, std::vector<T>& list) {
  // It grows as it is read: its count alone takes no memory.
  for (std::uint64_t left = from.number(); left > 0 && from.good(); --left) {
    decode(from, list.emplace_back());
    from.grow(sizeof(T));
  }
}
template <class A, class B>
void decode_part(ObjectReader& from, std::pair<A, B>& pair) {
  decode(from, pair.first);
  decode(from, pair.second);
}
template <class T>
void decode_part(ObjectReader& from, std::optional<T>& value) {
  if (from.number() != 0) decode(from, value.emplace());
}
template <class T>
void decode_part(ObjectReader& from, std::shared_ptr<const T>& pointer) {
  if (from.number() == 0) return;
  auto made = std::make_shared<T>();
  decode(from, *made);
  from.grow(sizeof(T));
  pointer = std::move(made);
}

}  // namespace parts

template <class T>
void encode(ObjectWriter& to, const T& value) {
  if constexpr (HasMembers<T>) {
    std::apply([&to](const auto&... each) { (encode(to, each), ...); }, T::members(value));
  } else if constexpr (std::is_enum_v<T>) {
    to.number(static_cast<std::uint64_t>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    static_assert(std::is_integral_v<T>);
    // Negative numbers are large ones.
    to.number(static_cast<std::uint64_t>(value));
  } else {
    using parts::encode_part;
    encode_part(to, value);
  }
}

template <class T>
void decode(ObjectReader& from, T& value) {
  if constexpr (HasMembers<T>) {
    std::apply([&from](auto&... each) { (decode(from, each), ...); }, T::members(value));
  } else if constexpr (std::is_enum_v<T>) {
    value = from.enumerator<T>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    static_assert(std::is_integral_v<T>);
    value = static_cast<T>(from.number());
  } else {
    using parts::decode_part;
    decode_part(from, value);
  }
}

}  // namespace clusterdns::registry
