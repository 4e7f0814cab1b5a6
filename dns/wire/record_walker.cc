#include "dns/wire/record_walker.h"

namespace clusterdns::dns {

std::size_t check_name(std::span<const std::uint8_t> message, std::size_t at,
                       bool* compressed) noexcept {
  std::size_t end = 0;
  std::size_t size = 0;
  std::size_t lowest = at;  // pointers must go below the lowest place read so far
  std::size_t pointers = 0;
  for (;;) {
    if (at >= message.size()) return 0;
    const std::uint8_t length = message[at];
    if ((length & 0xC0) == 0xC0) {
      if (at + 1 >= message.size()) return 0;
      const std::size_t target = static_cast<std::size_t>((length & 0x3F) << 8) | message[at + 1];
      if (target >= lowest || ++pointers > kMaxLabels) return 0;
      if (end == 0) end = at + 2;
      lowest = target;
      at = target;
      continue;
    }
    if (length > kMaxLabelSize) return 0;
    size += std::size_t{1} + length;
    at += std::size_t{1} + length;
    if (size > kMaxNameSize || at > message.size()) return 0;
    if (length != 0) continue;
    if (compressed != nullptr) *compressed = end != 0;
    return end == 0 ? at : end;
  }
}

bool has_authority_soa(std::span<const std::uint8_t> message, std::size_t at) noexcept {
  RecordWalker walker(message, at);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.section == 1 && record.type == RRType::SOA) return true;
  }
  return false;
}

}  // namespace clusterdns::dns
