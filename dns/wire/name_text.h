// Names as text without an allocation: what expressions and rules of a Corefile see of a question.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "dns/wire/name.h"

namespace clusterdns::dns {

// A name in presentation format with its final dot, octets escaped as CoreDNS's library does, or
// text that is to become one. Never longer than a name can be in that form.
class NameText {
 public:
  // 254 octets of labels and lengths, each as \DDD at most.
  static constexpr std::size_t kRoom = 1024;

  NameText() noexcept = default;
  // In the letter case of `name`.
  explicit NameText(NameView name) noexcept { assign(name); }

  void assign(NameView name) noexcept;
  // False when it would be longer than a name's text can be; what was there stays.
  [[nodiscard]] bool append(std::string_view text) noexcept {
    if (text.size() > kRoom - size_) return false;
    // An empty view may have no octets at all, which memcpy() does not take.
    if (!text.empty()) std::memcpy(text_.data() + size_, text.data(), text.size());
    size_ += text.size();
    return true;
  }
  void clear() noexcept { size_ = 0; }
  void make_lower() noexcept;

  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  std::size_t size_ = 0;
  std::array<char, kRoom> text_;
};

}  // namespace clusterdns::dns
