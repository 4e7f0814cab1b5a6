#include "dns/query/answer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kTooLarge{true, ExtendedError::Other,
                                      "there was no room to make the answer"};

}  // namespace

// What does not fit inside.
struct Answer::Kept {
  // Octets of the first block of an arena, which stays for the next answer.
  static constexpr std::size_t kFirstBlock = 4096;
  static constexpr std::size_t kMaxOptions = 16;

  struct Block {
    std::unique_ptr<std::uint8_t[]> octets;
    std::size_t size = 0;
  };
  // Where `size` octets stand together; nullptr: no memory.
  std::uint8_t* take(std::size_t size) noexcept {
    if (blocks.empty() || blocks.back().size - used < size) {
      const std::size_t more = blocks.empty() ? kFirstBlock : 2 * blocks.back().size;
      const std::size_t octets = std::max(size, more);
      try {
        blocks.push_back({std::make_unique_for_overwrite<std::uint8_t[]>(octets), octets});
      } catch (const std::bad_alloc&) {
        return nullptr;
      }
      used = 0;
    }
    std::uint8_t* const at = blocks.back().octets.get() + used;
    used += size;
    return at;
  }

  std::vector<Block> blocks;
  std::size_t used = 0;  // of the last block
  std::unique_ptr<AnswerName[]> names;
  std::array<std::unique_ptr<RRsetRef[]>, 3> lists;
  std::array<EdnsOption, kMaxOptions> options;
  std::size_t option_count = 0;
};

Answer::Answer() noexcept { point_inside(); }
Answer::~Answer() = default;

void Answer::point_inside() noexcept {
  names = inline_names_.data();
  answer = inline_answer_.data();
  authority = inline_authority_.data();
  additional = inline_additional_.data();
  name_room_ = kInlineNames;
  answer_room_ = kInlineAnswers;
  authority_room_ = additional_room_ = kInlineOther;
}

Answer::Answer(Answer&& other) noexcept {
  point_inside();
  *this = std::move(other);
}

Answer& Answer::operator=(Answer&& other) noexcept {
  if (this == &other) return *this;
  rcode = other.rcode;
  authoritative = other.authoritative;
  recursion_available = other.recursion_available;
  truncated = other.truncated;
  authentic_data = other.authentic_data;
  relayed = other.relayed;
  overfull = other.overfull;
  plain = other.plain;
  error = other.error;
  age = other.age;
  plain_size = other.plain_size;
  point_inside();
  kept_ = std::move(other.kept_);
  const auto take = [](auto*& to, auto& inside, auto* from, auto& inside_from, std::uint16_t count,
                       std::uint16_t& room, std::uint16_t room_from) {
    if (from == inside_from.data()) {
      std::copy_n(from, count, inside.data());
    } else {
      to = from;
      room = room_from;
    }
  };
  take(names, inline_names_, other.names, other.inline_names_, other.name_count, name_room_,
       other.name_room_);
  take(answer, inline_answer_, other.answer, other.inline_answer_, other.answer_count, answer_room_,
       other.answer_room_);
  take(authority, inline_authority_, other.authority, other.inline_authority_,
       other.authority_count, authority_room_, other.authority_room_);
  take(additional, inline_additional_, other.additional, other.inline_additional_,
       other.additional_count, additional_room_, other.additional_room_);
  name_count = std::exchange(other.name_count, std::uint16_t{0});
  answer_count = std::exchange(other.answer_count, std::uint16_t{0});
  authority_count = std::exchange(other.authority_count, std::uint16_t{0});
  additional_count = std::exchange(other.additional_count, std::uint16_t{0});
  other.point_inside();
  return *this;
}

Answer::Kept* Answer::kept() noexcept {
  if (kept_ == nullptr) kept_.reset(new (std::nothrow) Kept);
  return kept_.get();
}

void Answer::forget_kept() noexcept {
  point_inside();
  Kept& k = *kept_;
  k.names.reset();
  for (auto& list : k.lists) list.reset();
  k.option_count = 0;
  // A small block is worth keeping: who takes one answer apart does so with the next.
  if (k.blocks.size() > 1) k.blocks.resize(1);
  if (!k.blocks.empty() && k.blocks.front().size > Kept::kFirstBlock) k.blocks.clear();
  k.used = 0;
}

bool Answer::grow(RRsetRef*& list, std::uint16_t count, std::uint16_t& room) noexcept {
  if (room >= kMaxRRsets || kept() == nullptr) return false;
  const std::size_t larger = std::min<std::size_t>(kMaxRRsets, std::size_t{room} * 4);
  std::unique_ptr<RRsetRef[]> fresh(new (std::nothrow) RRsetRef[larger]);
  if (fresh == nullptr) return false;
  std::copy_n(list, count, fresh.get());
  const std::size_t which = &list == &answer ? 0 : &list == &authority ? 1 : 2;
  list = fresh.get();
  kept_->lists[which] = std::move(fresh);
  room = static_cast<std::uint16_t>(larger);
  return true;
}

bool Answer::grow_names() noexcept {
  if (name_room_ >= kMaxNames || kept() == nullptr) return false;
  std::unique_ptr<AnswerName[]> fresh(new (std::nothrow) AnswerName[kMaxNames]);
  if (fresh == nullptr) return false;
  std::copy_n(names, name_count, fresh.get());
  names = fresh.get();
  kept_->names = std::move(fresh);
  name_room_ = kMaxNames;
  return true;
}

const std::uint8_t* Answer::keep(std::span<const std::uint8_t> octets) noexcept {
  Kept* const k = kept();
  std::uint8_t* const at = k == nullptr ? nullptr : k->take(octets.size() + kPadding);
  if (at == nullptr) {
    overfull = true;
    return nullptr;
  }
  std::copy(octets.begin(), octets.end(), at);
  std::memset(at + octets.size(), 0, kPadding);
  return at;
}

void Answer::keep_error(const ExtendedErrorNote& note) noexcept {
  const auto copy_of = [&](const char* text) {
    if (*text == 0) return "";  // of any length of life
    const std::size_t size = std::strlen(text) + 1;
    const auto* const copy = keep({reinterpret_cast<const std::uint8_t*>(text), size});
    return copy == nullptr ? "" : reinterpret_cast<const char*>(copy);
  };
  error = {note.set, note.code, "", nullptr};
  if (!note.set) return;
  error.text = copy_of(note.text);
  if (note.cause != nullptr) error.cause = copy_of(note.cause);
}

bool Answer::add_record(Section section, std::uint8_t owner, RRType type, std::uint32_t ttl,
                        std::span<const std::uint8_t> rdata) noexcept {
  RRsetRef record;
  record.write = &write_rdata;
  record.data = keep(rdata);
  record.count = static_cast<std::uint32_t>(rdata.size());
  record.ttl = ttl;
  record.type = type;
  record.owner = owner;
  if (record.data == nullptr) return false;
  switch (section) {
    case Section::Answer: return add_answer(record);
    case Section::Authority: return add_authority(record);
    case Section::Additional: break;
  }
  return add_additional(record);
}

std::optional<std::uint8_t> Answer::find_or_add_name(NameView name) noexcept {
  for (std::uint16_t i = 0; i < name_count; ++i) {
    if (equal_ignoring_case({names[i].wire, names[i].size}, name)) {
      return static_cast<std::uint8_t>(i);
    }
  }
  if (name_count == name_room_ && !grow_names()) return std::nullopt;
  const std::uint8_t* const wire = keep(name);
  if (wire == nullptr) return std::nullopt;
  return add_name(wire, static_cast<std::uint8_t>(name.size()));
}

bool Answer::add_option(std::uint16_t code, std::span<const std::uint8_t> data) noexcept {
  Kept* const k = kept();
  if (k == nullptr || k->option_count == Kept::kMaxOptions || data.size() > 0xFFFF) return false;
  k->options[k->option_count++] = {code, static_cast<std::uint16_t>(data.size()), data.data()};
  return true;
}

std::span<const EdnsOption> Answer::options() const noexcept {
  if (kept_ == nullptr) return {};
  return {kept_->options.data(), kept_->option_count};
}

void Answer::give_up() noexcept {
  rcode = Rcode::ServFail;
  error = kTooLarge;
  authoritative = truncated = authentic_data = relayed = overfull = false;
  answer_count = authority_count = additional_count = 0;
}

}  // namespace clusterdns::dns
