// Domain names in wire form: length octet, label, ..., zero octet (RFC 1035 3.1), never compressed.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "dns/wire/error.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

// A view of a name in wire form with its root label: 1 to 255 octets. Whoever made it keeps the
// octets alive. Comparison is the caller's business: lower-case first (see `lower_name`).
using NameView = std::span<const std::uint8_t>;

// Octets that the hot path may read, or overwrite, past the end of names and requests: one vector
// register. Whoever hands out such data provides them.
inline constexpr std::size_t kPadding = 16;

// Copies `size` octets of a wire name from `from` to `to`, A-Z made a-z (RFC 4343 section 3).
// Length octets are below 'A', so that the whole name can be treated as one run of octets.
// Both buffers must have kPadding octets more than `size`.
inline void lower_name_padded(const std::uint8_t* from, std::uint8_t* to,
                              std::size_t size) noexcept {
  // Adds 0x20 to octets within A-Z, 16 at a time: those where the distance from 'A' is below 26.
  using Vector __attribute__((vector_size(16))) = std::uint8_t;
  for (std::size_t i = 0; i < size; i += 16) {
    Vector v;
    std::memcpy(&v, from + i, 16);
    const Vector distance = v - static_cast<std::uint8_t>('A');
    v += static_cast<Vector>(distance < static_cast<std::uint8_t>(26)) &
         static_cast<std::uint8_t>(0x20);
    std::memcpy(to + i, &v, 16);
  }
}

// True when the first `size` octets are equal. For short data with 8 readable octets behind both.
[[nodiscard]] inline bool equal_padded(const std::uint8_t* a, const std::uint8_t* b,
                                       std::size_t size) noexcept {
  std::uint64_t x;
  std::uint64_t y;
  while (size > 8) {
    std::memcpy(&x, a, 8);
    std::memcpy(&y, b, 8);
    if (x != y) return false;
    a += 8;
    b += 8;
    size -= 8;
  }
  if (size == 0) return true;
  std::memcpy(&x, a, 8);
  std::memcpy(&y, b, 8);
  const unsigned unused = static_cast<unsigned>(8 - size) * 8;
  if constexpr (std::endian::native == std::endian::little) return ((x ^ y) << unused) == 0;
  return ((x ^ y) >> unused) == 0;
}

// memcpy in steps of 16 octets: up to 15 more than `size` are read and written.
inline void copy_padded(std::uint8_t* to, const std::uint8_t* from, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; i += 16) std::memcpy(to + i, from + i, 16);
}

// A name that owns its octets: up to 255 on the stack, no allocation.
class Name {
 public:
  // The root.
  Name() noexcept { octets_[0] = 0; }
  // REQUIRES: `wire` is a well-formed uncompressed name.
  explicit Name(NameView wire) noexcept : size_(static_cast<std::uint8_t>(wire.size())) {
    std::memcpy(octets_.data(), wire.data(), wire.size());
  }

  // Presentation format (RFC 1035 5.1) with or without the final dot; `\.` and `\DDD` are honoured.
  // "" and "." are the root. Letter case is kept.
  [[nodiscard]] static Result<Name> from_text(std::string_view text) noexcept;

  // Reads a name at `offset` of a message, following compression pointers, which must point
  // backwards. `*end` becomes the offset after the name where it stands.
  [[nodiscard]] static Result<Name> from_message(std::span<const std::uint8_t> message,
                                                 std::size_t offset, std::size_t* end) noexcept;

  // Presentation format with the final dot; octets outside printable ASCII as `\DDD`.
  [[nodiscard]] std::string to_text() const;

  [[nodiscard]] NameView view() const noexcept { return {octets_.data(), size_}; }
  [[nodiscard]] const std::uint8_t* data() const noexcept { return octets_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_root() const noexcept { return size_ == 1; }
  // Without the root label.
  [[nodiscard]] std::size_t label_count() const noexcept;

  void make_lower() noexcept;
  // This name without its root label, followed by `suffix`. NameTooLong when over 255 octets.
  [[nodiscard]] Result<Name> append(NameView suffix) const noexcept;
  // True when this is `zone` or below it; both lower-case.
  [[nodiscard]] bool is_at_or_below(NameView zone) const noexcept;

  friend bool operator==(const Name& a, const Name& b) noexcept {
    return a.size_ == b.size_ && std::memcmp(a.octets_.data(), b.octets_.data(), a.size_) == 0;
  }

 private:
  std::array<std::uint8_t, kMaxNameSize + kPadding> octets_;
  std::uint8_t size_ = 1;
};

// Presentation format of any wire name, with the final dot.
[[nodiscard]] std::string name_to_text(NameView wire);

// True when the last octets of `name` are `suffix`, on a label boundary, ASCII case ignored.
[[nodiscard]] bool has_suffix_ignoring_case(NameView name, NameView suffix) noexcept;
[[nodiscard]] bool equal_ignoring_case(NameView a, NameView b) noexcept;
// Where what `name` and `known` (wire form) end in alike begins in `name`, whole labels only; its
// size when that is the root alone. `*known_at` becomes where that is in `known`.
[[nodiscard]] std::size_t common_suffix_at(NameView name, NameView known, bool any_case,
                                           std::size_t* known_at) noexcept;

}  // namespace clusterdns::dns
