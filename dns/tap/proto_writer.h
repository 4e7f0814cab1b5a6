// Writes the protobuf wire format (protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace clusterdns::dns {

// Appends fields to `to`.
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& to) noexcept : to_(to) {}

  void number(std::uint32_t field, std::uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void fixed32(std::uint32_t field, std::uint32_t value) {
    varint(field << 3 | 5);
    for (unsigned i = 0; i < 4; ++i) to_ += static_cast<char>(value >> (8 * i));
  }
  void bytes(std::uint32_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    to_ += value;
  }
  void bytes(std::uint32_t field, std::span<const std::uint8_t> value) {
    bytes(field, {reinterpret_cast<const char*>(value.data()), value.size()});
  }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) to_ += static_cast<char>(value | 0x80);
    to_ += static_cast<char>(value);
  }

  std::string& to_;
};

}  // namespace clusterdns::dns
