// Makes an upstream's reply our response: id, letter case, OPT and size become this client's, the
// rest stays as it came.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dns/query/stage.h"

namespace clusterdns::dns {

// What a walk over a reply's records shows, without reading any of them. RFC 1035 4.1.
struct ReplyShape {
  std::size_t question_end = 0;  // offset
  std::size_t opt_offset = 0;    // where the OPT record starts and ends; 0: none
  std::size_t opt_end = 0;
  std::uint8_t extended_rcode = 0;  // of the OPT record
  bool opt_is_last = false;
  // The answer section has CNAMEs and no record of the asked type: the upstream stopped half-way.
  bool ends_in_alias = false;
};
// False when the message is not one question and then as many records as its header says, to the
// last octet.
[[nodiscard]] bool walk_reply(std::span<const std::uint8_t> reply, ReplyShape& shape) noexcept;

// Builds the response to `query` in `out` (its contents are replaced; its memory is reused):
// `reply` with the client's id and question octets, AA, TC, RD, RA, AD, CD and rcode as the
// upstream set them, without OPT when the client sent none, with one otherwise, and cut to `limit`
// octets with TC. `udp_size` is announced in the OPT record. False when `reply` is
// malformed or no reply to this question; `out` is undefined then.
[[nodiscard]] bool build_response(const Query& query, std::span<const std::uint8_t> reply,
                                  std::size_t limit, std::uint16_t udp_size,
                                  std::vector<std::uint8_t>& out);

// Answers `query` with an upstream's reply, or with SERVFAIL and the reason when there is none.
void relay(DeferredQuery& query, const Upstream::Reply& reply) noexcept;

// SERVFAIL with an Extended DNS Error (RFC 8914). `note.text` must live until this returns.
void answer_failure(DeferredQuery& query, const ExtendedErrorNote& note) noexcept;

}  // namespace clusterdns::dns
