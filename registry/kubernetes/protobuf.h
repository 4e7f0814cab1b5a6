// Reading the protobuf wire format (protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace clusterdns::registry::kubernetes {

// Walks the fields of one message. Refers to the octets it was given.
class ProtoReader {
 public:
  explicit ProtoReader(std::span<const std::uint8_t> data) noexcept
      : at_(data.data()), end_(data.data() + data.size()) {}

  // Goes to the next field. False at the end, or when what follows is not a field: see ok().
  [[nodiscard]] bool next() noexcept {
    if (at_ == end_ || !ok_) return false;
    std::uint64_t tag = 0;
    if (!varint(tag)) return fail();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    value_ = 0;
    bytes_ = {};
    switch (tag & 7) {
      case 0: return varint(value_) || fail();
      case 1: return skip(8) || fail();
      case 2: {
        std::uint64_t size = 0;
        if (!varint(size) || size > static_cast<std::uint64_t>(end_ - at_)) return fail();
        bytes_ = {at_, static_cast<std::size_t>(size)};
        at_ += size;
        return true;
      }
      case 5: return skip(4) || fail();
      default: return fail();  // groups are not used any more
    }
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::uint32_t field() const noexcept { return field_; }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

  // Reads one varint at `data`; its size, or 0 when it is not complete, or -1 when it is none.
  static int read_varint(std::span<const std::uint8_t> data, std::uint64_t& value) noexcept {
    value = 0;
    for (std::size_t i = 0; i < 10; ++i) {
      if (i == data.size()) return 0;
      value |= static_cast<std::uint64_t>(data[i] & 0x7F) << (7 * i);
      if (data[i] < 0x80) return static_cast<int>(i) + 1;
    }
    return -1;
  }

 private:
  bool fail() noexcept {
    ok_ = false;
    return false;
  }
  bool varint(std::uint64_t& value) noexcept {
    if (at_ != end_ && *at_ < 0x80) {
      value = *at_++;
      return true;
    }
    const int size = read_varint({at_, static_cast<std::size_t>(end_ - at_)}, value);
    if (size <= 0) return false;
    at_ += size;
    return true;
  }
  bool skip(std::ptrdiff_t size) noexcept {
    if (end_ - at_ < size) return false;
    at_ += size;
    return true;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::uint32_t field_ = 0;
  std::uint64_t value_ = 0;
  std::span<const std::uint8_t> bytes_;
  bool ok_ = true;
};

// An entry of a map, or another message with texts in its fields 1 and 2.
[[nodiscard]] inline bool read_map_entry(std::span<const std::uint8_t> data,
                                         std::string_view& first,
                                         std::string_view& second) noexcept {
  ProtoReader r(data);
  while (r.next()) {
    if (r.field() == 1) first = r.text();
    if (r.field() == 2) second = r.text();
  }
  return r.ok();
}

// The kind of a runtime.TypeMeta; empty when there is none.
[[nodiscard]] inline std::string_view kind_of(std::span<const std::uint8_t> type) noexcept {
  std::string_view kind;
  ProtoReader r(type);
  while (r.next()) {
    if (r.field() == 2) kind = r.text();
  }
  return kind;
}

// "k8s" and a zero octet stand before every object in the API's protobuf encoding; behind them a
// runtime.Unknown whose field 2 is the object. The object's octets, or nullopt-like false.
[[nodiscard]] inline bool unwrap(std::span<const std::uint8_t>& data,
                                 std::string_view* kind = nullptr) noexcept {
  if (data.size() < 4 || data[0] != 'k' || data[1] != '8' || data[2] != 's' || data[3] != 0) {
    return false;
  }
  ProtoReader unknown(data.subspan(4));
  data = {};
  while (unknown.next()) {
    if (unknown.field() == 2) data = unknown.bytes();
    if (unknown.field() == 1 && kind != nullptr) *kind = kind_of(unknown.bytes());
  }
  return unknown.ok();
}

}  // namespace clusterdns::registry::kubernetes
