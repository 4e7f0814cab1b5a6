#include "dns/query/plain_records.h"

#include <algorithm>
#include <array>

#include "dns/wire/compressed_names.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

// RFC 1035 3.3: none of the types with compressed names has more octets besides than SOA.
constexpr std::size_t kMostBesidesNames = 20;

// RDATA with its names in full.
struct PlainRdata {
  std::array<std::uint8_t, 2 * kMaxNameSize + kMostBesidesNames> room;
  std::span<const std::uint8_t> octets;

  PlainRdata(std::span<const std::uint8_t> message, const RecordPlace& record) noexcept
      : octets(message.subspan(record.rdata, record.end - record.rdata)) {
    const CompressedNames names = compressed_names_of(record.type);
    if (names.count == 0 || octets.size() < names.before) return;
    std::size_t at = record.rdata + names.before;
    std::uint8_t* to = std::copy_n(octets.begin(), names.before, room.begin());
    for (unsigned i = 0; i < names.count; ++i) {
      const auto name = Name::from_message(message.first(record.end), at, &at);
      if (!name) return;
      to = std::copy_n(name->data(), name->size(), to);
    }
    if (record.end - at > kMostBesidesNames) return;
    to = std::copy(message.begin() + static_cast<std::ptrdiff_t>(at),
                   message.begin() + static_cast<std::ptrdiff_t>(record.end), to);
    octets = {room.data(), static_cast<std::size_t>(to - room.data())};
  }
};

}  // namespace

void add_plain_records(std::span<const std::uint8_t> message, std::size_t at,
                       Answer& answer) noexcept {
  RecordWalker walker(message, at);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.type == RRType::OPT || record.type == RRType::TSIG) continue;
    const auto section = Section{static_cast<std::uint8_t>(record.section)};
    std::size_t end = 0;
    const auto owner = Name::from_message(message, record.owner, &end);
    const auto index =
        owner ? answer.find_or_add_name(owner->view()) : std::optional<std::uint8_t>{};
    if (!index) {
      if (section == Section::Additional) continue;
      answer.overfull = true;
      return;
    }
    const PlainRdata rdata(message, record);
    answer.add_record(section, *index, record.type, load_u32(message.data() + record.ttl()),
                      rdata.octets);
  }
}

}  // namespace clusterdns::dns
