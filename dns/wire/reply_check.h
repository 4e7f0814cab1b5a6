// Decides once whether what an upstream sent is a reply that can be used, and makes it one that
// everybody behind may read without looking twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

enum class ReplyKind : std::uint8_t {
  // A well-formed response to the question.
  Answer,
  // An error, and no question in it that could be the wrong one: servers that cannot read a query
  // send back its header (RFC 1035 4.1.1; RFC 6891 section 7 knows such).
  Error,
  // No response, or one to another question: to be waited past (RFC 5452 section 9.1).
  NotOurs,
  // A response to the question that nothing can be done with.
  Malformed,
};

struct ReplyCheck {
  ReplyKind kind = ReplyKind::NotOurs;
  std::uint16_t rcode = 0;  // with the upper bits from OPT (RFC 6891 6.1.3)
  bool has_opt = false;
  bool truncated = false;  // TC
  // INFO-CODE of the first Extended DNS Error (RFC 8914).
  std::optional<std::uint16_t> extended_error;
  // For normalise_reply(): octets to keep, records behind them that go, and whether that is not
  // enough, because something has to go from the middle or was compressed that must not be.
  std::size_t size = 0;
  std::uint16_t records_behind = 0;
  bool rewrite = false;
};

// Whether `message` answers the question for `name` (letter case aside) and `type` in class IN.
//
// An answer has QR set, opcode QUERY, that one question, as many records as its header says, to the
// last octet, all of class IN and of data types; every owner can be read, and RDATA is laid out as
// its type says, as far as the type is known. There may be an OPT record of the root in the
// additional section (RFC 6891 6.1.1), and a TSIG record at the end of it (RFC 8945 5.1). A
// response with TC set may end anywhere.
//
// Linear in the size of the message; neither allocates nor throws.
[[nodiscard]] ReplyCheck check_reply(std::span<const std::uint8_t> message, NameView name,
                                     RRType type) noexcept;

// Makes of a reply of kind Answer or Error a message with id 0, `name` as the question (in its
// letter case, which owners that refer to it follow), RD and CD of `flags`, and without OPT and
// TSIG, which are between neighbours: an rcode above 15 becomes SERVFAIL, since only OPT could hold
// the rest of it. Done in place where that can be, in `room` otherwise. Empty when it cannot be
// done: the reply is malformed then. May throw std::bad_alloc.
[[nodiscard]] std::span<std::uint8_t> normalise_reply(std::span<std::uint8_t> message,
                                                      const ReplyCheck& check, NameView name,
                                                      RRType type, std::uint16_t flags,
                                                      std::vector<std::uint8_t>& room);

}  // namespace clusterdns::dns
