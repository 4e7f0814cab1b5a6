// Domain names in wire form: length octet, label, ..., zero octet (RFC 1035 3.1), never compressed.
#pragma once

#include <array>
#include <cstring>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dns/wire/error.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

// A view of a name in wire form with its root label: 1 to 255 octets. Whoever made it keeps the
// octets alive. Comparison is the caller's business: lower-case first (see `lower_name`).
using NameView = std::span<const std::uint8_t>;

// Copies `size` octets of a wire name from `from` to `to`, A-Z made a-z (RFC 4343 section 3).
// Length octets are below 'A', so that the whole name can be treated as one run of octets.
// Writes up to 7 octets past `size`: both buffers must have that room.
void lower_name_padded(const std::uint8_t* from, std::uint8_t* to, std::size_t size) noexcept;

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
  std::array<std::uint8_t, kMaxNameSize + 8> octets_;  // 8: lower_name_padded
  std::uint8_t size_ = 1;
};

// Presentation format of any wire name, with the final dot.
[[nodiscard]] std::string name_to_text(NameView wire);

// True when the last octets of `name` are `suffix`, on a label boundary, ASCII case ignored.
[[nodiscard]] bool has_suffix_ignoring_case(NameView name, NameView suffix) noexcept;
[[nodiscard]] bool equal_ignoring_case(NameView a, NameView b) noexcept;

}  // namespace clusterdns::dns
