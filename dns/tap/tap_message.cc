#include "dns/tap/tap_message.h"

#include "dns/tap/proto_writer.h"

namespace clusterdns::dns {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

void put_u32(std::uint32_t number, std::string& to) {
  for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(number >> shift);
}
std::uint32_t read_u32(std::string_view from) {
  std::uint32_t number = 0;
  for (const char c : from.substr(0, 4)) number = number << 8 | static_cast<std::uint8_t>(c);
  return number;
}

void put_address(ProtoWriter& out, std::uint32_t field, const Endpoint& endpoint) {
  out.bytes(field, std::span(endpoint.address.data(), endpoint.v6 ? 16u : 4u));
}
void put_time(ProtoWriter& out, std::uint32_t field, std::int64_t ns) {
  out.number(field, static_cast<std::uint64_t>(ns / kSecond));
  out.fixed32(field + 1, static_cast<std::uint32_t>(ns % kSecond));
}

// Message of dnstap.proto.
void put_message(const TapMessage& message, std::string& to) {
  ProtoWriter out(to);
  const bool response =
      message.type == TapType::ClientResponse || message.type == TapType::ForwarderResponse;
  const Endpoint& of_family = message.query.port != 0 ? message.query : message.response;
  out.number(1, static_cast<std::uint64_t>(message.type));
  out.number(2, of_family.v6 ? 2 : 1);
  out.number(3, message.transport == Transport::Tcp ? 2 : 1);
  if (message.query.port != 0) put_address(out, 4, message.query);
  if (message.response.port != 0) put_address(out, 5, message.response);
  if (message.query.port != 0) out.number(6, message.query.port);
  if (message.response.port != 0) out.number(7, message.response.port);
  put_time(out, 8, message.query_ns);
  if (!response && !message.octets.empty()) out.bytes(10, message.octets);
  if (response) put_time(out, 12, message.response_ns);
  if (response && !message.octets.empty()) out.bytes(14, message.octets);
}

}  // namespace

void put_tap_frame(const TapMessage& message, std::string& scratch, std::string& to) {
  scratch.clear();
  put_message(message, scratch);
  const std::size_t begin = to.size();
  put_u32(0, to);
  ProtoWriter out(to);
  if (!message.identity.empty()) out.bytes(1, message.identity);
  if (!message.version.empty()) out.bytes(2, message.version);
  if (!message.extra.empty()) out.bytes(3, message.extra);
  out.bytes(14, scratch);
  out.number(15, 1);  // MESSAGE
  std::string size;
  put_u32(static_cast<std::uint32_t>(to.size() - begin - 4), size);
  to.replace(begin, 4, size);
}

void put_tap_control(TapControl type, std::string& to) {
  const bool has_content = type != TapControl::Stop && type != TapControl::Finish;
  put_u32(0, to);
  put_u32(static_cast<std::uint32_t>(has_content ? 12 + kTapContent.size() : 4), to);
  put_u32(static_cast<std::uint32_t>(type), to);
  if (!has_content) return;
  put_u32(1, to);  // CONTENT_TYPE
  put_u32(static_cast<std::uint32_t>(kTapContent.size()), to);
  to += kTapContent;
}

TapControlReader::Came TapControlReader::next() {
  if (octets_.size() < 8) return Came::Part;
  const std::size_t size = read_u32(std::string_view(octets_).substr(4));
  if (read_u32(octets_) != 0 || size < 4 || size > kTapControlMost) return Came::Wrong;
  if (octets_.size() < 8 + size) return Came::Part;
  const std::string frame = octets_.substr(8, size);
  octets_.erase(0, 8 + size);
  std::string_view fields = std::string_view(frame).substr(4);
  bool any = false, ours = false;
  while (!fields.empty()) {
    if (fields.size() < 8) return Came::Wrong;
    const std::uint32_t field = read_u32(fields);
    const std::size_t length = read_u32(fields.substr(4));
    fields.remove_prefix(8);
    if (length > fields.size()) return Came::Wrong;
    if (field == 1) {
      any = true;
      ours = ours || fields.substr(0, length) == kTapContent;
    }
    fields.remove_prefix(length);
  }
  switch (static_cast<TapControl>(read_u32(frame))) {
    case TapControl::Accept: return any && !ours ? Came::Wrong : Came::Accept;
    case TapControl::Finish: return Came::Finish;
    default: return Came::Wrong;
  }
}

}  // namespace clusterdns::dns
