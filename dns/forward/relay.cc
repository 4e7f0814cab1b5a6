#include "dns/forward/relay.h"

#include <algorithm>
#include <cstring>

#include "dns/query/encoder.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::dns {
namespace {

// Offset after the name at `at`; 0 when it does not end within the message.
std::size_t skip_name(std::span<const std::uint8_t> message, std::size_t at) noexcept {
  while (at < message.size()) {
    const std::uint8_t length = message[at];
    if (length == 0) return at + 1;
    if ((length & 0xC0) == 0xC0) return at + 2 <= message.size() ? at + 2 : 0;
    if (length > kMaxLabelSize) return 0;
    at += std::size_t{1} + length;
  }
  return 0;
}

// Just header, question and OPT, with TC: what is left when nothing else can be made to fit.
std::size_t write_truncated(const Query& query, std::uint16_t flags, std::uint16_t udp_size,
                            std::vector<std::uint8_t>& out) {
  out.resize(query.question_end + (query.has_edns ? kOptRecordSize : 0));
  std::memcpy(out.data(), query.packet, query.question_end);
  store_u16(out.data(), query.id);
  store_u16(out.data() + 2, flags | kFlagTC);
  store_u16(out.data() + 4, 1);
  store_u16(out.data() + 6, 0);
  store_u16(out.data() + 8, 0);
  store_u16(out.data() + 10, query.has_edns ? 1 : 0);
  if (query.has_edns) {
    std::uint8_t* const opt = out.data() + query.question_end;
    std::memset(opt, 0, kOptRecordSize);
    store_u16(opt + 1, static_cast<std::uint16_t>(RRType::OPT));
    store_u16(opt + 3, udp_size);
    store_u16(opt + 7, query.dnssec_ok ? 0x8000 : 0);
  }
  return out.size();
}

// Reads and writes the whole message: for OPT records in the way, and for what must be cut.
void rewrite(const Query& query, std::span<const std::uint8_t> reply, std::size_t limit,
             std::uint16_t udp_size, std::vector<std::uint8_t>& out) {
  const std::uint16_t flags = load_u16(reply.data() + 2);
  auto message = read_message(reply);
  if (!message) {
    write_truncated(query, flags, udp_size, out);
    return;
  }
  message->id = query.id;
  message->qname = Name(query.name_as_asked());
  if (query.has_edns && !message->has_opt) {
    message->has_opt = true;
    message->opt_ttl = 0;
    message->opt_options.clear();
  } else if (!query.has_edns) {
    message->has_opt = false;
  }
  message->opt_udp_size = udp_size;
  out = write_message(*message, limit);
  if (out.size() > limit) write_truncated(query, flags, udp_size, out);
}

}  // namespace

bool walk_reply(std::span<const std::uint8_t> reply, ReplyShape& shape) noexcept {
  shape = {};
  if (reply.size() < kHeaderSize || load_u16(reply.data() + 4) != 1) return false;
  std::size_t at = skip_name(reply, kHeaderSize);
  if (at == 0 || reply.size() - at < 4) return false;
  const RRType asked{load_u16(reply.data() + at)};
  at += 4;
  shape.question_end = at;
  const std::uint32_t answers = load_u16(reply.data() + 6);
  const std::uint32_t before_additional = answers + load_u16(reply.data() + 8);
  const std::uint32_t records = before_additional + load_u16(reply.data() + 10);
  bool aliases = false;
  bool data = false;
  for (std::uint32_t i = 0; i < records; ++i) {
    const std::size_t start = at;
    at = skip_name(reply, at);
    if (at == 0 || reply.size() - at < 10) return false;
    const RRType type{load_u16(reply.data() + at)};
    const std::uint8_t* const ttl = reply.data() + at + 4;
    at += std::size_t{10} + load_u16(reply.data() + at + 8);
    if (at > reply.size()) return false;
    if (i < answers) {
      if (type == asked || type == RRType::DNAME) data = true;
      if (type == RRType::CNAME) aliases = true;
    } else if (type == RRType::OPT && i >= before_additional) {
      // RFC 6891 6.1.1, 6.1.2: one at most, owned by the root.
      if (shape.opt_end != 0 || reply[start] != 0) return false;
      shape.opt_offset = start;
      shape.opt_end = at;
      shape.extended_rcode = ttl[0];
      shape.opt_is_last = i + 1 == records;
    }
  }
  shape.ends_in_alias = aliases && !data && asked != RRType::ANY;
  return at == reply.size();
}

bool build_response(const Query& query, std::span<const std::uint8_t> reply, std::size_t limit,
                    std::uint16_t udp_size, std::vector<std::uint8_t>& out) {
  ReplyShape shape;
  if (!walk_reply(reply, shape) || shape.question_end != query.question_end) return false;
  const bool drops_opt = shape.opt_end != 0 && !query.has_edns;
  const bool adds_opt = shape.opt_end == 0 && query.has_edns;
  const std::size_t size = drops_opt  ? reply.size() - (shape.opt_end - shape.opt_offset)
                           : adds_opt ? reply.size() + kOptRecordSize
                                      : reply.size();
  if (size > limit || (drops_opt && !shape.opt_is_last)) {
    rewrite(query, reply, limit, udp_size, out);
  } else {
    out.assign(reply.begin(), reply.end());
    std::uint8_t* const count = out.data() + 10;
    if (drops_opt) {
      store_u16(count, static_cast<std::uint16_t>(load_u16(count) - 1));
      out.resize(size);
    } else if (adds_opt) {
      store_u16(count, static_cast<std::uint16_t>(load_u16(count) + 1));
      out.resize(size, 0);
      std::uint8_t* const opt = out.data() + size - kOptRecordSize;
      store_u16(opt + 1, static_cast<std::uint16_t>(RRType::OPT));
      store_u16(opt + 3, udp_size);
    } else if (shape.opt_end != 0) {
      // The size is between neighbours (RFC 6891 6.2.3); the owner is the root, one octet.
      store_u16(out.data() + shape.opt_offset + 3, udp_size);
    }
  }
  store_u16(out.data(), query.id);
  std::memcpy(out.data() + kHeaderSize, query.packet + kHeaderSize,
              query.question_end - kHeaderSize);
  // An rcode over 15 cannot be told without OPT (RFC 6891 6.1.3).
  if (drops_opt && shape.extended_rcode != 0) {
    out[3] = static_cast<std::uint8_t>((out[3] & 0xF0) | static_cast<unsigned>(Rcode::ServFail));
  }
  return true;
}

void answer_failure(DeferredQuery& query, const ExtendedErrorNote& note) noexcept {
  Answer answer;
  answer.reset(query.query.lower.data(), query.query.qname_size);
  answer.recursion_available = query.recursion_available;
  answer.rcode = Rcode::ServFail;
  answer.error = note;
  query.finish(answer);
}

void relay(DeferredQuery& query, const Upstream::Reply& reply) noexcept {
  if (!reply.ok) return answer_failure(query, reply.error);
  std::vector<std::uint8_t> response;
  if (!build_response(query.query, reply.message, query.limit, query.route->udp_size, response)) {
    return answer_failure(query,
                          {true, ExtendedError::InvalidData, "the upstream's answer is malformed"});
  }
  query.finish_raw(response);
}

}  // namespace clusterdns::dns
