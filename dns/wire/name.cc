#include "dns/wire/name.h"

namespace clusterdns::dns {
namespace {

constexpr std::uint8_t lower(std::uint8_t c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c + 32) : c;
}

}  // namespace

Result<Name> Name::from_text(std::string_view text) noexcept {
  Name name;
  if (text.empty() || text == ".") return name;
  std::size_t size = 0;         // octets written, without the label under way
  std::size_t label_start = 0;  // of its length octet
  std::size_t label_size = 0;
  const auto put = [&](std::uint8_t octet) -> WireError {
    if (label_size == kMaxLabelSize) return WireError::LabelTooLong;
    if (label_start + 1 + label_size + 1 >= kMaxNameSize) return WireError::NameTooLong;
    name.octets_[label_start + 1 + label_size] = octet;
    ++label_size;
    return WireError{};
  };
  bool open = true;  // a label is under way
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    open = true;
    if (c == '.') {
      if (label_size == 0) return make_error_code(WireError::EmptyLabel);
      name.octets_[label_start] = static_cast<std::uint8_t>(label_size);
      size = label_start + 1 + label_size;
      label_start = size;
      label_size = 0;
      open = false;
      continue;
    }
    std::uint8_t octet = static_cast<std::uint8_t>(c);
    if (c == '\\') {
      if (i + 1 >= text.size()) return make_error_code(WireError::BadEscape);
      const auto digit = [&](std::size_t at) {
        return at < text.size() && text[at] >= '0' && text[at] <= '9';
      };
      if (digit(i + 1)) {
        if (!digit(i + 2) || !digit(i + 3)) return make_error_code(WireError::BadEscape);
        const int value =
            (text[i + 1] - '0') * 100 + (text[i + 2] - '0') * 10 + (text[i + 3] - '0');
        if (value > 255) return make_error_code(WireError::BadEscape);
        octet = static_cast<std::uint8_t>(value);
        i += 3;
      } else {
        octet = static_cast<std::uint8_t>(text[i + 1]);
        i += 1;
      }
    }
    if (const WireError e = put(octet); e != WireError{}) return make_error_code(e);
  }
  if (open) {
    name.octets_[label_start] = static_cast<std::uint8_t>(label_size);
    size = label_start + 1 + label_size;
  }
  name.octets_[size] = 0;
  name.size_ = static_cast<std::uint8_t>(size + 1);
  return name;
}

Result<Name> Name::from_message(std::span<const std::uint8_t> message, std::size_t offset,
                                std::size_t* end) noexcept {
  Name name;
  std::size_t size = 0;
  std::size_t at = offset;
  std::size_t lowest = offset;  // pointers must go below the lowest place read so far
  bool jumped = false;
  // More than a name has labels lead nowhere that fewer would not; without a bound a message of
  // pointers to pointers would cost the square of its size.
  std::size_t pointers = 0;
  for (;;) {
    if (at >= message.size()) return make_error_code(WireError::Truncated);
    const std::uint8_t length = message[at];
    if ((length & 0xC0) == 0xC0) {
      if (at + 1 >= message.size()) return make_error_code(WireError::Truncated);
      const std::size_t target = static_cast<std::size_t>((length & 0x3F) << 8) | message[at + 1];
      if (target >= lowest || ++pointers > kMaxLabels)
        return make_error_code(WireError::BadPointer);
      if (!jumped) *end = at + 2;
      jumped = true;
      lowest = target;
      at = target;
      continue;
    }
    if ((length & 0xC0) != 0) return make_error_code(WireError::BadLabelType);
    if (at + 1 + length > message.size()) return make_error_code(WireError::Truncated);
    if (size + 1 + length > kMaxNameSize) return make_error_code(WireError::NameTooLong);
    std::memcpy(name.octets_.data() + size, message.data() + at, std::size_t{1} + length);
    size += std::size_t{1} + length;
    at += std::size_t{1} + length;
    if (length == 0) break;
  }
  if (!jumped) *end = at;
  name.size_ = static_cast<std::uint8_t>(size);
  return name;
}

std::string name_to_text(NameView wire) {
  if (wire.size() <= 1) return ".";
  std::string text;
  text.reserve(wire.size() + 4);
  std::size_t at = 0;
  while (at < wire.size() && wire[at] != 0) {
    const std::size_t length = wire[at++];
    for (std::size_t i = 0; i < length && at < wire.size(); ++i, ++at) {
      const std::uint8_t c = wire[at];
      if (c == '.' || c == '\\' || c == '"' || c == '(' || c == ')' || c == ';' || c == '@' ||
          c == '$') {
        text += '\\';
        text += static_cast<char>(c);
      } else if (c <= 0x20 || c >= 0x7F) {
        text += '\\';
        text += static_cast<char>('0' + c / 100);
        text += static_cast<char>('0' + c / 10 % 10);
        text += static_cast<char>('0' + c % 10);
      } else {
        text += static_cast<char>(c);
      }
    }
    text += '.';
  }
  return text;
}

std::string Name::to_text() const { return name_to_text(view()); }

std::size_t Name::label_count() const noexcept {
  std::size_t count = 0;
  for (std::size_t at = 0; octets_[at] != 0; at += std::size_t{1} + octets_[at]) ++count;
  return count;
}

void Name::make_lower() noexcept {
  for (std::size_t i = 0; i < size_; ++i) octets_[i] = lower(octets_[i]);
}

Result<Name> Name::append(NameView suffix) const noexcept {
  const std::size_t head = std::size_t{size_} - 1;
  if (head + suffix.size() > kMaxNameSize) return make_error_code(WireError::NameTooLong);
  Name name;
  std::memcpy(name.octets_.data(), octets_.data(), head);
  std::memcpy(name.octets_.data() + head, suffix.data(), suffix.size());
  name.size_ = static_cast<std::uint8_t>(head + suffix.size());
  return name;
}

bool Name::is_at_or_below(NameView zone) const noexcept {
  if (zone.size() > size_) return false;
  std::size_t at = 0;
  while (std::size_t{size_} - at > zone.size()) at += std::size_t{1} + octets_[at];
  return std::size_t{size_} - at == zone.size() &&
         std::memcmp(octets_.data() + at, zone.data(), zone.size()) == 0;
}

std::size_t common_suffix_at(NameView name, NameView known, bool any_case,
                             std::size_t* known_at) noexcept {
  std::size_t at = 0;
  std::size_t other = 0;
  // Both to the same length, then label by label until the rest is equal.
  while (name.size() - at > 1) {
    const std::size_t rest = name.size() - at;
    const std::size_t known_rest = known.size() - other;
    if (rest == known_rest) {
      const NameView mine = name.subspan(at);
      const NameView its = known.subspan(other);
      if (any_case ? equal_ignoring_case(mine, its)
                   : std::equal(mine.begin(), mine.end(), its.begin())) {
        *known_at = other;
        return at;
      }
    }
    if (rest >= known_rest) at += std::size_t{1} + name[at];
    if (known_rest >= rest) other += std::size_t{1} + known[other];
  }
  return name.size();
}

bool equal_ignoring_case(NameView a, NameView b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool has_suffix_ignoring_case(NameView name, NameView suffix) noexcept {
  if (suffix.size() > name.size()) return false;
  std::size_t at = 0;
  while (name.size() - at > suffix.size()) at += std::size_t{1} + name[at];
  return name.size() - at == suffix.size() && equal_ignoring_case(name.subspan(at), suffix);
}

}  // namespace clusterdns::dns
