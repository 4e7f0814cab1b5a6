#include "dns/wire/plain_size.h"

#include "dns/wire/compressed_names.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {
namespace {

constexpr std::size_t kRecordHead = 10;  // type, class, TTL, RDLENGTH

}  // namespace

std::size_t plain_size(std::span<const std::uint8_t> message) noexcept {
  const std::size_t as_it_is = message.size();
  if (message.size() < kHeaderSize) return as_it_is;
  std::size_t at = kHeaderSize;
  std::size_t total = kHeaderSize;
  // Adds a name's full length and moves behind it.
  const auto pass_name = [&] {
    std::size_t end = 0;
    const auto name = Name::from_message(message, at, &end);
    if (!name) return false;
    total += name->size();
    at = end;
    return true;
  };
  for (unsigned i = 0; i < load_u16(message.data() + 4); ++i) {
    if (!pass_name() || message.size() - at < 4) return as_it_is;
    at += 4;
    total += 4;
  }
  const unsigned records = unsigned{load_u16(message.data() + 6)} + load_u16(message.data() + 8) +
                           load_u16(message.data() + 10);
  for (unsigned i = 0; i < records; ++i) {
    if (!pass_name() || message.size() - at < kRecordHead) return as_it_is;
    const RRType type{load_u16(message.data() + at)};
    const std::size_t length = load_u16(message.data() + at + 8);
    at += kRecordHead;
    total += kRecordHead;
    if (message.size() - at < length) return as_it_is;
    const std::size_t end = at + length;
    const CompressedNames names = compressed_names_of(type);
    if (names.count != 0 && length > names.before) {
      at += names.before;
      total += names.before;
      for (unsigned k = 0; k < names.count; ++k) {
        if (!pass_name() || at > end) return as_it_is;
      }
    }
    total += end - at;
    at = end;
  }
  return total;
}

}  // namespace clusterdns::dns
