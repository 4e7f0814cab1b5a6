#include "zones/pod_name.h"

#include <array>
#include <string_view>

#include "dns/wire/types.h"

namespace clusterdns::zones {

std::optional<registry::IpAddress> parse_pod_label(const std::uint8_t* label) noexcept {
  const std::size_t size = label[0];
  std::array<char, dns::kMaxLabelSize> text;
  unsigned dashes = 0;
  bool doubled = false;
  for (std::size_t i = 0; i < size; ++i) {
    const char c = static_cast<char>(label[i + 1]);
    // Only dashes separate: a label with a dot or colon in it names no pod.
    if (c == '.' || c == ':') return std::nullopt;
    if (c == '-') {
      ++dashes;
      doubled = doubled || (i != 0 && label[i] == '-');
    }
    text[i] = c;
  }
  const char separator = dashes == 3 && !doubled ? '.' : ':';
  for (std::size_t i = 0; i < size; ++i) {
    if (text[i] == '-') text[i] = separator;
  }
  return registry::IpAddress::parse(std::string_view(text.data(), size));
}

}  // namespace clusterdns::zones
