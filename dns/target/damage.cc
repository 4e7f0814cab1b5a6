#include "dns/target/damage.h"

#include <algorithm>

namespace clusterdns::dns {
namespace {

constexpr std::uint8_t kWrongAddress[] = {192, 0, 2, 66};
constexpr std::uint8_t kWrongAddress6[] = {0x20, 0x01, 0x0D, 0xB8, 0, 0, 0,    0,
                                           0,    0,    0,    0,    0, 0, 0x0B, 0xAD};

void change_id(std::vector<std::uint8_t>& message) noexcept {
  message[0] ^= 0xFF;
  message[1] ^= 0xFF;
}

bool is_letter(std::uint8_t c) noexcept { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

void change_case(std::span<std::uint8_t> name) noexcept {
  // Length octets are no letters.
  for (std::uint8_t& c : name) {
    if (is_letter(c)) c ^= 0x20;
  }
}

// Of the first label, or the type of a question about the root.
void change_question(std::vector<std::uint8_t>& message, std::size_t question_end) noexcept {
  std::uint8_t* const name = message.data() + kHeaderSize;
  if (name[0] == 0) {
    message[question_end - 3] ^= 1;
    return;
  }
  name[1] = (name[1] | 0x20) == 'x' ? 'y' : 'x';
}

// Octets of the name at `at`, a pointer at its end included.
std::size_t name_size(std::span<const std::uint8_t> message, std::size_t at) noexcept {
  std::size_t size = 0;
  while (at + size < message.size()) {
    const std::uint8_t length = message[at + size];
    if (length == 0) return size + 1;
    if (length > kMaxLabelSize) return size + 2;
    size += std::size_t{1} + length;
  }
  return 0;
}

}  // namespace

void damage(const Effects& effects, std::size_t question_end, std::vector<std::uint8_t>& message) {
  if (effects.has(Action::BadCase)) {
    change_case({message.data() + kHeaderSize, question_end - 4 - kHeaderSize});
  }
  if (effects.has(Action::BadQuestion)) change_question(message, question_end);
  if (effects.has(Action::BadId)) change_id(message);
  const std::uint16_t answers = load_u16(message.data() + 6);
  // That of the answer section, or else of the authority section, which stands in the same place.
  const bool has_record = answers != 0 || load_u16(message.data() + 8) != 0;
  if (effects.has(Action::Counts)) {
    store_u16(message.data() + 6, static_cast<std::uint16_t>(answers + 1));
  }
  if (has_record) {
    std::size_t owner = name_size(message, question_end);
    if (effects.has(Action::PtrLoop)) {
      const auto at = message.begin() + static_cast<std::ptrdiff_t>(question_end);
      if (owner < 2) message.insert(at, 0);
      if (owner > 2) message.erase(at, at + static_cast<std::ptrdiff_t>(owner - 2));
      owner = 2;
      store_u16(message.data() + question_end, static_cast<std::uint16_t>(0xC000 | question_end));
    }
    // No message has so much behind it.
    if (effects.has(Action::RdLength)) store_u16(message.data() + question_end + owner + 8, 0xFFFF);
  }
  if (effects.has(Action::NoQr)) message[2] &= 0x7F;
  if (effects.cut >= 0 && static_cast<std::size_t>(effects.cut) < message.size()) {
    message.resize(static_cast<std::size_t>(effects.cut));
  }
  message.resize(std::min(message.size() + effects.trail, kMaxMessageSize));
}

std::vector<std::uint8_t> spoofed(const Query& query, std::span<const std::uint8_t> message) {
  std::vector<std::uint8_t> wrong(message.begin(), message.end());
  change_id(wrong);
  const bool v4 = query.qtype == RRType::A;
  if (!v4 && query.qtype != RRType::AAAA) return wrong;
  wrong.resize(query.question_end);
  store_u16(wrong.data() + 2, static_cast<std::uint16_t>(load_u16(wrong.data() + 2) & 0xFDF0));
  store_u16(wrong.data() + 6, 1);
  store_u32(wrong.data() + 8, 0);
  const std::size_t at = wrong.size();
  wrong.resize(at + 12);
  std::uint8_t* const record = wrong.data() + at;
  store_u16(record, 0xC000 | kHeaderSize);
  store_u16(record + 2, static_cast<std::uint16_t>(query.qtype));
  store_u16(record + 4, static_cast<std::uint16_t>(RRClass::IN));
  store_u32(record + 6, kSyntheticTtl);
  store_u16(record + 10, v4 ? sizeof kWrongAddress : sizeof kWrongAddress6);
  if (v4) {
    wrong.insert(wrong.end(), std::begin(kWrongAddress), std::end(kWrongAddress));
  } else {
    wrong.insert(wrong.end(), std::begin(kWrongAddress6), std::end(kWrongAddress6));
  }
  return wrong;
}

}  // namespace clusterdns::dns
