#include "dns/target/capture.h"

#include <bit>
#include <cstring>

namespace clusterdns::dns {
namespace {

constexpr std::size_t kLongest = 12'000;  // octets of a message that are kept
constexpr std::uint16_t kRawIp = 101;     // LINKTYPE_RAW
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kTcp = 6;

template <class Number>
void put_host(std::string& to, Number number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}
void put_net16(std::string& to, std::uint32_t number) {
  to += static_cast<char>(number >> 8);
  to += static_cast<char>(number);
}
void put_net32(std::string& to, std::uint32_t number) {
  put_net16(to, number >> 16);
  put_net16(to, number & 0xFFFF);
}
void pad(std::string& to) {
  while (to.size() % 4 != 0) to += '\0';
}

void put_option(std::string& to, std::uint16_t code, std::string_view value) {
  put_host<std::uint16_t>(to, code);
  put_host<std::uint16_t>(to, static_cast<std::uint16_t>(value.size()));
  to += value;
  pad(to);
}

// Type, length, body, length.
std::string framed(std::uint32_t type, const std::string& body) {
  std::string block;
  const auto size = static_cast<std::uint32_t>(body.size() + 12);
  put_host(block, type);
  put_host(block, size);
  block += body;
  put_host(block, size);
  return block;
}

std::uint32_t sum_of(std::string_view octets) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const std::uint32_t octet = static_cast<std::uint8_t>(octets[i]);
    sum += i % 2 == 0 ? octet << 8 : octet;
  }
  return sum;
}
std::uint16_t checksum(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}
void store(std::string& to, std::size_t at, std::uint16_t number) {
  to[at] = static_cast<char>(number >> 8);
  to[at + 1] = static_cast<char>(number);
}

std::string address_of(const Endpoint& endpoint) {
  return {reinterpret_cast<const char*>(endpoint.address.data()), endpoint.v6 ? 16U : 4U};
}

}  // namespace

std::string CaptureWriter::header() {
  std::string section;
  put_host<std::uint32_t>(section, 0x1A2B3C4D);
  put_host<std::uint16_t>(section, 1);
  put_host<std::uint16_t>(section, 0);
  put_host<std::int64_t>(section, -1);
  std::string interface;
  put_host<std::uint16_t>(interface, kRawIp);
  put_host<std::uint16_t>(interface, 0);
  put_host<std::uint32_t>(interface, 0);
  put_option(interface, 9, "\x09");  // if_tsresol: nanoseconds
  put_option(interface, 0, {});
  return framed(0x0A0D0D0A, section) + framed(1, interface);
}

std::string CaptureWriter::block(const Message& message) {
  const Endpoint& from = message.answer ? message.local : message.client;
  const Endpoint& to = message.answer ? message.client : message.local;
  const bool udp = message.transport == Transport::Udp;
  const bool v6 = message.client.v6;
  // What the transport carries: all of it, whatever is kept.
  std::string payload;
  if (!udp) put_net16(payload, static_cast<std::uint32_t>(message.octets.size()));
  payload.append(reinterpret_cast<const char*>(message.octets.data()),
                 std::min(message.octets.size(), kLongest));
  const std::size_t whole = message.octets.size() + (udp ? 0 : 2);
  const std::size_t head = udp ? 8 : 20;

  std::string segment;
  put_net16(segment, from.port);
  put_net16(segment, to.port);
  if (udp) {
    put_net16(segment, static_cast<std::uint32_t>(head + whole));
    put_net16(segment, 0);
  } else {
    if (connections_.size() >= kMaxCaptureConnections) connections_.clear();
    std::string key = address_of(message.client) + address_of(message.local);
    put_host(key, message.client.port);
    put_host(key, message.local.port);
    Numbers& numbers = connections_[key];
    put_net32(segment, message.answer ? numbers.server : numbers.client);
    put_net32(segment, message.answer ? numbers.client : numbers.server);
    put_net16(segment, 0x5018);  // 20 octets; PSH, ACK
    put_net16(segment, 0xFFFF);
    put_net32(segment, 0);  // checksum and urgent pointer
    (message.answer ? numbers.server : numbers.client) += static_cast<std::uint32_t>(whole);
  }
  segment += payload;

  const std::uint8_t protocol = udp ? kUdp : kTcp;
  std::string packet;
  if (v6) {
    put_net32(packet, 0x60000000);
    put_net16(packet, static_cast<std::uint32_t>(head + whole));
    packet += static_cast<char>(protocol);
    packet += static_cast<char>(64);
  } else {
    put_net16(packet, 0x4500);
    put_net16(packet, static_cast<std::uint32_t>(20 + head + whole) & 0xFFFF);
    put_net32(packet, 0x4000);  // not to be fragmented
    packet += static_cast<char>(64);
    packet += static_cast<char>(protocol);
    put_net16(packet, 0);
  }
  packet += address_of(from) + address_of(to);
  if (!v6) store(packet, 10, checksum(sum_of(packet)));
  if (payload.size() == whole) {
    const std::uint32_t pseudo = sum_of(address_of(from) + address_of(to)) + protocol +
                                 static_cast<std::uint32_t>(segment.size());
    std::uint16_t sum = checksum(pseudo + sum_of(segment));
    if (udp && sum == 0) sum = 0xFFFF;
    store(segment, udp ? 6 : 16, sum);
  }
  const std::size_t length = packet.size() + head + whole;
  packet += segment;

  std::string body;
  put_host<std::uint32_t>(body, 0);
  const auto time = static_cast<std::uint64_t>(message.unix_ns);
  put_host<std::uint32_t>(body, static_cast<std::uint32_t>(time >> 32));
  put_host<std::uint32_t>(body, static_cast<std::uint32_t>(time));
  put_host<std::uint32_t>(body, static_cast<std::uint32_t>(packet.size()));
  put_host<std::uint32_t>(body, static_cast<std::uint32_t>(length));
  body += packet;
  pad(body);
  if (!message.comment.empty()) put_option(body, 1, message.comment);
  std::string flags;
  put_host<std::uint32_t>(flags, message.answer ? 2 : 1);  // outbound, inbound
  put_option(body, 2, flags);
  put_option(body, 0, {});
  return framed(6, body);
}

}  // namespace clusterdns::dns
