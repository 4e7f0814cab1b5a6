#include "dns/wire/reply_check.h"

#include <cstring>

#include "dns/wire/message_reader.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

constexpr std::uint16_t kOpcodeBits = 0x7800;
constexpr std::uint16_t kRcodeBits = 0x000F;
constexpr std::uint16_t kExtendedErrorOption = 15;

// Offset after the one question, when it is the one for `name` and `type`; 0 otherwise. A
// question name is not compressed: it is the first name of all.
std::size_t question_end(Octets message, NameView name, RRType type) noexcept {
  const std::size_t end = kHeaderSize + name.size() + 4;
  if (message.size() < end ||
      !equal_ignoring_case(message.subspan(kHeaderSize, name.size()), name)) {
    return 0;
  }
  const std::uint8_t* const fields = message.data() + kHeaderSize + name.size();
  if (load_u16(fields) != static_cast<std::uint16_t>(type) ||
      load_u16(fields + 2) != static_cast<std::uint16_t>(RRClass::IN)) {
    return 0;
  }
  return end;
}

// Reads an OPT record; false when it is not one (RFC 6891 6.1.2).
bool take_opt(Octets message, const RecordPlace& record, ReplyCheck& check) noexcept {
  if (record.section != 2 || check.has_opt || message[record.owner] != 0) return false;
  check.has_opt = true;
  check.rcode = static_cast<std::uint16_t>(check.rcode | message[record.ttl()] << 4);
  std::size_t at = record.rdata;
  while (at < record.end) {
    if (record.end - at < 4) return false;
    const std::size_t size = load_u16(message.data() + at + 2);
    if (record.end - at - 4 < size) return false;
    if (load_u16(message.data() + at) == kExtendedErrorOption && size >= 2 &&
        !check.extended_error) {
      check.extended_error = load_u16(message.data() + at + 4);
    }
    at += 4 + size;
  }
  return true;
}

// Types that are only asked for, or belong to a message and not to a zone (RFC 6895 3.1), and 0.
bool is_data_type(RRType type) noexcept {
  const auto number = static_cast<std::uint16_t>(type);
  return number != 0 && (number < 128 || number > 255);
}

// Whether everything behind the question is as it should be.
bool check_records(Octets message, std::size_t at, ReplyCheck& check) noexcept {
  RecordWalker walker(message, at);
  RecordPlace record;
  while (walker.next(record)) {
    if (record.type == RRType::OPT) {
      if (!take_opt(message, record, check)) return false;
    } else if (record.type == RRType::TSIG) {
      // It stands last, and signs what is changed here anyway.
      if (record.section != 2 || record.after != 0) return false;
      if (check_name(message, record.owner) == 0 ||
          check_rdata(record.type, message, record.rdata, record.end) == RdataCheck::Bad) {
        return false;
      }
    } else {
      if (record.rrclass != RRClass::IN || !is_data_type(record.type) ||
          check_name(message, record.owner) == 0) {
        return false;
      }
      const RdataCheck rdata = check_rdata(record.type, message, record.rdata, record.end);
      if (rdata == RdataCheck::Bad) return false;
      // Behind what goes: pointers to it would go wrong.
      if (check.records_behind != 0 || rdata == RdataCheck::Compressed) check.rewrite = true;
      check.size = record.end;
      continue;
    }
    ++check.records_behind;
  }
  return walker.complete();
}

}  // namespace

ReplyCheck check_reply(Octets message, NameView name, RRType type) noexcept {
  ReplyCheck check;
  if (message.size() < kHeaderSize) return check;
  const std::uint16_t flags = load_u16(message.data() + 2);
  if ((flags & (kFlagQR | kOpcodeBits)) != kFlagQR) return check;
  check.rcode = flags & kRcodeBits;
  const unsigned questions = load_u16(message.data() + 4);
  if (questions == 0) {
    // "No error" or "no such name" without the name would be believed of any name.
    const auto rcode = Rcode{check.rcode};
    if (rcode == Rcode::NoError || rcode == Rcode::NXDomain) return check;
    check.size = kHeaderSize;
    if (check_records(message, kHeaderSize, check) && check.size == kHeaderSize) {
      check.kind = ReplyKind::Error;
    }
    return check;
  }
  const std::size_t end = question_end(message, name, type);
  if (end == 0) return check;
  check.kind = ReplyKind::Malformed;
  if (questions != 1) return check;
  check.size = end;
  if (check_records(message, end, check)) {
    check.kind = ReplyKind::Answer;
    check.truncated = (flags & kFlagTC) != 0;
  } else if ((flags & kFlagTC) != 0) {
    // Cut off by the upstream wherever its datagram was full: the question is left of it.
    check = {};
    check.kind = ReplyKind::Error;
    check.rcode = flags & kRcodeBits;
    check.truncated = true;
  }
  return check;
}

std::span<std::uint8_t> normalise_reply(std::span<std::uint8_t> message, const ReplyCheck& check,
                                        NameView name, RRType type, std::uint16_t flags,
                                        std::vector<std::uint8_t>& room) {
  std::uint16_t kept = load_u16(message.data() + 2) & (kFlagAA | kFlagTC | kFlagRA | kFlagAD);
  if (check.kind == ReplyKind::Error) {
    room.assign(kHeaderSize, 0);
    store_u16(room.data() + 4, 1);
    room.insert(room.end(), name.begin(), name.end());
    room.resize(room.size() + 4);
    store_u16(room.data() + room.size() - 4, static_cast<std::uint16_t>(type));
    store_u16(room.data() + room.size() - 2, static_cast<std::uint16_t>(RRClass::IN));
    message = room;
  } else if (check.rewrite) {
    auto parts = read_message(message);
    if (!parts) return {};
    parts->has_opt = false;
    parts->rcode = 0;
    std::erase_if(parts->additional, [](const Record& r) { return r.type == RRType::TSIG; });
    room = write_message(*parts, kMaxMessageSize);
    message = room;
    // Written out, it is longer than a message may be.
    if ((load_u16(message.data() + 2) & kFlagTC) != (kept & kFlagTC)) return {};
  } else {
    message = message.first(check.size);
    std::uint8_t* const additional = message.data() + 10;
    store_u16(additional, static_cast<std::uint16_t>(load_u16(additional) - check.records_behind));
  }
  const std::uint16_t rcode =
      check.rcode > kRcodeBits ? static_cast<std::uint16_t>(Rcode::ServFail) : check.rcode;
  kept = static_cast<std::uint16_t>(kept | kFlagQR | (flags & (kFlagRD | kFlagCD)) | rcode);
  store_u16(message.data(), 0);
  store_u16(message.data() + 2, kept);
  std::memcpy(message.data() + kHeaderSize, name.data(), name.size());
  return message;
}

}  // namespace clusterdns::dns
