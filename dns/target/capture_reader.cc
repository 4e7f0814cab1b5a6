#include "dns/target/capture_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "dns/wire/types.h"

namespace clusterdns::dns {
namespace {

using Octets = std::string_view;

// Thrown where a file ends too soon, or says what it may not; what() is for people.
struct Broken {
  const char* what;
};

// Octets from the front on.
class Input {
 public:
  explicit Input(Octets octets, bool swapped = false) : left_(octets), swapped_(swapped) {}

  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }
  [[nodiscard]] Octets left() const noexcept { return left_; }
  Octets take(std::size_t size) {
    if (size > left_.size()) throw Broken{"it ends too soon"};
    const Octets taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  // In the order of this file.
  std::uint32_t u32() {
    return swapped_ ? __builtin_bswap32(raw<std::uint32_t>()) : raw<std::uint32_t>();
  }
  std::uint16_t u16() {
    return swapped_ ? __builtin_bswap16(raw<std::uint16_t>()) : raw<std::uint16_t>();
  }
  // In network order.
  std::uint32_t net32() { return __builtin_bswap32(raw<std::uint32_t>()); }
  std::uint16_t net16() { return __builtin_bswap16(raw<std::uint16_t>()); }
  std::uint8_t u8() { return static_cast<std::uint8_t>(take(1)[0]); }

 private:
  template <class Number>
  Number raw() {
    Number number;
    std::memcpy(&number, take(sizeof number).data(), sizeof number);
    return number;
  }

  Octets left_;
  bool swapped_;
};

static_assert(std::endian::native == std::endian::little);

// Packets in, messages out.
class Packets {
 public:
  void add(std::int64_t time_ns, std::uint32_t link, Octets packet) {
    try {
      Input input(packet);
      switch (link) {
        case 1: {  // Ethernet, with VLAN tags
          input.take(12);
          std::uint16_t type = input.net16();
          while (type == 0x8100 || type == 0x88A8) {
            input.take(2);
            type = input.net16();
          }
          if (type == 0x0800 || type == 0x86DD) ip(time_ns, input);
          return;
        }
        case 113: {  // Linux cooked
          input.take(14);
          const std::uint16_t type = input.net16();
          if (type == 0x0800 || type == 0x86DD) ip(time_ns, input);
          return;
        }
        case 276: {  // Linux cooked, the second version
          const std::uint16_t type = input.net16();
          input.take(18);
          if (type == 0x0800 || type == 0x86DD) ip(time_ns, input);
          return;
        }
        case 12:
        case 14:
        case 101:
        case 228:
        case 229: return ip(time_ns, input);
        default: return;
      }
    } catch (const Broken&) {
      // A packet that was cut.
    }
  }
  [[nodiscard]] std::vector<CapturedMessage> messages() && { return std::move(messages_); }

  void message(std::int64_t time_ns, const Endpoint& from, const Endpoint& to, Transport transport,
               Octets octets) {
    if (octets.size() < kHeaderSize) return;
    CapturedMessage message{time_ns, from, to, transport, {octets.begin(), octets.end()}};
    message.answer = (message.octets[2] & 0x80) != 0;
    messages_.push_back(std::move(message));
  }

 private:
  struct Stream {
    std::string octets;
    std::uint32_t next = 0;
    bool known = false;
  };
  static constexpr std::size_t kMaxStreams = 100'000;

  void ip(std::int64_t time_ns, Input input) {
    Endpoint from, to;
    const std::uint8_t first = input.u8();
    std::uint8_t protocol = 0;
    if (first >> 4 == 4) {
      input.take(1);
      const std::size_t length = input.net16();
      input.take(2);
      const std::uint16_t fragment = input.net16();
      input.take(1);
      protocol = input.u8();
      input.take(2);
      copy(input.take(4), from);
      copy(input.take(4), to);
      const std::size_t head = std::size_t{first & 0xFU} * 4;
      if (head < 20 || length < head || (fragment & 0x3FFF) != 0) return;
      input.take(head - 20);
      input = Input(input.take(std::min(length - head, input.left().size())));
    } else if (first >> 4 == 6) {
      input.take(3);
      const std::size_t length = input.net16();
      protocol = input.u8();
      input.take(1);
      copy(input.take(16), from);
      copy(input.take(16), to);
      from.v6 = to.v6 = true;
      input = Input(input.take(std::min(length, input.left().size())));
    } else {
      return;
    }
    if (protocol == 17) udp(time_ns, from, to, input);
    if (protocol == 6) tcp(time_ns, from, to, input);
  }

  static void copy(Octets octets, Endpoint& to) noexcept {
    std::memcpy(to.address.data(), octets.data(), octets.size());
  }

  void udp(std::int64_t time_ns, Endpoint from, Endpoint to, Input input) {
    from.port = input.net16();
    to.port = input.net16();
    const std::size_t length = input.net16();
    input.take(2);
    if (length < 8 || length - 8 > input.left().size()) return;
    message(time_ns, from, to, Transport::Udp, input.take(length - 8));
  }

  void tcp(std::int64_t time_ns, Endpoint from, Endpoint to, Input input) {
    from.port = input.net16();
    to.port = input.net16();
    const std::uint32_t number = input.net32();
    input.take(4);
    const std::uint16_t flags = input.net16();
    input.take(6);
    const std::size_t head = std::size_t{flags} >> 12 << 2;
    if (head < 20) return;
    input.take(head - 20);
    if (streams_.size() >= kMaxStreams) streams_.clear();
    Stream& stream = streams_[from.to_string() + ">" + to.to_string()];
    if ((flags & 2) != 0) {
      stream = {{}, number + 1, true};
      return;
    }
    Octets data = input.left();
    if (data.empty()) return;
    if (!stream.known) stream = {{}, number, true};
    // What was sent again, and what is missing: then it begins anew.
    const auto behind = static_cast<std::int32_t>(stream.next - number);
    if (behind < 0) {
      stream = {{}, number, true};
    } else {
      data.remove_prefix(std::min<std::size_t>(static_cast<std::size_t>(behind), data.size()));
    }
    stream.octets += data;
    stream.next += static_cast<std::uint32_t>(data.size());
    std::size_t at = 0;
    while (stream.octets.size() - at >= 2) {
      const std::size_t size = std::size_t{static_cast<std::uint8_t>(stream.octets[at])} << 8 |
                               static_cast<std::uint8_t>(stream.octets[at + 1]);
      if (stream.octets.size() - at - 2 < size) break;
      message(time_ns, from, to, Transport::Tcp, Octets(stream.octets).substr(at + 2, size));
      at += 2 + size;
    }
    stream.octets.erase(0, at);
  }

  std::vector<CapturedMessage> messages_;
  std::map<std::string, Stream> streams_;
};

// --- pcap ---

void read_pcap(Octets file, Packets& packets) {
  Input magic(file);
  const std::uint32_t number = magic.u32();
  const bool swapped = number == 0xD4C3B2A1 || number == 0x4D3CB2A1;
  const bool nanoseconds = number == 0xA1B23C4D || number == 0x4D3CB2A1;
  Input input(file.substr(4), swapped);
  input.take(16);
  const std::uint32_t link = input.u32() & 0xFFFF;
  while (!input.empty()) {
    const std::int64_t seconds = input.u32();
    const std::int64_t fraction = input.u32();
    const std::uint32_t captured = input.u32();
    input.take(4);
    packets.add(seconds * 1'000'000'000 + fraction * (nanoseconds ? 1 : 1000), link,
                input.take(captured));
  }
}

// --- pcapng ---

struct Interface {
  std::uint32_t link = 0;
  double unit_ns = 1000;
};

Interface read_interface(Input body) {
  Interface interface;
  interface.link = body.u16();
  body.take(6);
  while (body.left().size() >= 4) {
    const std::uint16_t code = body.u16();
    const std::uint16_t size = body.u16();
    const Octets value = body.take(size);
    body.take(std::min<std::size_t>((4 - size % 4) % 4, body.left().size()));
    if (code == 0) break;
    if (code != 9 || value.empty()) continue;  // if_tsresol
    const auto power = static_cast<std::uint8_t>(value[0]);
    double unit = 1e9;
    for (unsigned i = 0; i < (power & 0x7FU); ++i) unit /= (power & 0x80) != 0 ? 2 : 10;
    interface.unit_ns = unit;
  }
  return interface;
}

void read_pcapng(Octets file, Packets& packets) {
  std::vector<Interface> interfaces;
  bool swapped = false;
  while (!file.empty()) {
    Input head(file, swapped);
    const std::uint32_t type = head.u32();
    if (type == 0x0A0D0D0A) {
      Input order(file);
      order.take(8);
      const std::uint32_t magic = order.u32();
      if (magic != 0x1A2B3C4D && magic != 0x4D3C2B1A) throw Broken{"a section has no byte order"};
      swapped = magic == 0x4D3C2B1A;
      interfaces.clear();
    }
    Input sized(file.substr(4), swapped);
    const std::uint32_t size = sized.u32();
    if (size < 12 || size % 4 != 0 || size > file.size()) throw Broken{"a block ends too soon"};
    Input body(file.substr(8, size - 12), swapped);
    file.remove_prefix(size);
    if (type == 1) interfaces.push_back(read_interface(body));
    if (type == 6) {
      const std::uint32_t index = body.u32();
      if (index >= interfaces.size()) throw Broken{"a packet is of no interface"};
      const std::uint64_t high = body.u32();
      const std::uint64_t time = high << 32 | body.u32();
      const std::uint32_t captured = body.u32();
      body.take(4);
      const Interface& interface = interfaces[index];
      packets.add(static_cast<std::int64_t>(static_cast<long double>(time) * interface.unit_ns),
                  interface.link, body.take(captured));
    }
    if (type == 3 && !interfaces.empty()) {
      const std::uint32_t length = body.u32();
      packets.add(0, interfaces[0].link,
                  body.take(std::min<std::size_t>(length, body.left().size())));
    }
  }
}

// --- dnstap ---

std::uint64_t varint(Input& input) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t octet = input.u8();
    value |= std::uint64_t{octet & 0x7FU} << shift;
    if ((octet & 0x80) == 0) return value;
  }
  throw Broken{"a number is too long"};
}

// Calls `use(field, number, octets)` for each field of a message in protobuf.
template <class Use>
void each_field(Octets message, Use use) {
  Input input(message);
  while (!input.empty()) {
    const std::uint64_t tag = varint(input);
    std::uint64_t number = 0;
    Octets octets;
    switch (tag & 7) {
      case 0: number = varint(input); break;
      case 1: octets = input.take(8); break;
      case 2: octets = input.take(varint(input)); break;
      case 5: number = input.u32(); break;
      default: throw Broken{"a frame is not protobuf"};
    }
    use(tag >> 3, number, octets);
  }
}

void read_dnstap_message(Octets octets, Packets& packets) {
  Endpoint client, server;
  Octets query, response;
  std::int64_t asked = 0, answered = 0;
  std::uint64_t protocol = 1;
  const auto address = [](Octets from, Endpoint& to) {
    if (from.size() != 4 && from.size() != 16) return;
    std::memcpy(to.address.data(), from.data(), from.size());
    to.v6 = from.size() == 16;
  };
  each_field(octets, [&](std::uint64_t field, std::uint64_t number, Octets value) {
    const auto signed_number = static_cast<std::int64_t>(number);
    switch (field) {
      case 3: protocol = number; break;
      case 4: address(value, client); break;
      case 5: address(value, server); break;
      case 6: client.port = static_cast<std::uint16_t>(number); break;
      case 7: server.port = static_cast<std::uint16_t>(number); break;
      case 8: asked += signed_number * 1'000'000'000; break;
      case 9: asked += signed_number; break;
      case 10: query = value; break;
      case 12: answered += signed_number * 1'000'000'000; break;
      case 13: answered += signed_number; break;
      case 14: response = value; break;
      default: break;
    }
  });
  const Transport transport = protocol == 2 ? Transport::Tcp : Transport::Udp;
  if (!query.empty()) packets.message(asked, client, server, transport, query);
  if (!response.empty()) packets.message(answered, server, client, transport, response);
}

void read_dnstap(Octets file, Packets& packets) {
  Input input(file);
  while (!input.empty()) {
    const std::uint32_t size = input.net32();
    if (size == 0) {  // control
      const Octets control = input.take(input.net32());
      if (Input(control).net32() == 3) return;  // STOP
      continue;
    }
    each_field(input.take(size), [&](std::uint64_t field, std::uint64_t, Octets value) {
      if (field == 14) read_dnstap_message(value, packets);
    });
  }
}

bool is_dnstap(Octets file) {
  // START, with its content type.
  return file.size() >= 12 && file.substr(0, 4) == Octets("\0\0\0\0", 4) &&
         file.substr(8, 4) == Octets("\0\0\0\2", 4);
}

}  // namespace

std::optional<std::vector<CapturedMessage>> read_capture(std::string_view file,
                                                         std::string* error) {
  Packets packets;
  try {
    if (file.size() < 4) throw Broken{"it is no pcap, pcapng or dnstap file"};
    switch (Input(file).u32()) {
      case 0xA1B2C3D4:
      case 0xD4C3B2A1:
      case 0xA1B23C4D:
      case 0x4D3CB2A1: read_pcap(file, packets); break;
      case 0x0A0D0D0A: read_pcapng(file, packets); break;
      default:
        if (!is_dnstap(file)) throw Broken{"it is no pcap, pcapng or dnstap file"};
        read_dnstap(file, packets);
    }
  } catch (const Broken& broken) {
    *error = broken.what;
    return std::nullopt;
  }
  return std::move(packets).messages();
}

}  // namespace clusterdns::dns
