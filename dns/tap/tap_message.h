// Messages of dnstap (dnstap.info, dnstap.proto) in frame streams
// (farsightsec.github.io/fstrm): protobuf behind a length, between control frames.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dns/net/endpoint.h"
#include "dns/query/exchange.h"

namespace clusterdns::dns {

// Message.Type of dnstap.proto.
enum class TapType : std::uint8_t {
  ClientQuery = 5,
  ClientResponse = 6,
  ForwarderQuery = 7,
  ForwarderResponse = 8,
};

struct TapMessage {
  TapType type = TapType::ClientQuery;
  Transport transport = Transport::Udp;
  Endpoint query, response;  // who asks, and whom; port 0: not said
  // Since 1970. The second is that of responses.
  std::int64_t query_ns = 0, response_ns = 0;
  std::span<const std::uint8_t> octets = {};  // of the message; empty: not said
  std::string_view identity = {}, version = {}, extra = {};
};

// Appends the frame of a message. `scratch` is memory that serves again.
void put_tap_frame(const TapMessage& message, std::string& scratch, std::string& to);

// The control frames of a stream that is answered to.
enum class TapControl : std::uint32_t { Accept = 1, Start = 2, Stop = 3, Ready = 4, Finish = 5 };
inline constexpr std::string_view kTapContent = "protobuf:dnstap.Dnstap";
// Octets of a control frame; fstrm's own bound.
inline constexpr std::size_t kTapControlMost = 512;

void put_tap_control(TapControl type, std::string& to);
// Reads what a collector sends, which is control frames only.
class TapControlReader {
 public:
  enum class Came : std::uint8_t {
    Part,    // of one
    Accept,  // with our content, or any
    Finish,
    Wrong,  // nothing that a collector of dnstap says here
  };
  // Takes octets; what is behind the frame stays for the next call.
  void add(std::string_view octets) { octets_ += octets; }
  [[nodiscard]] Came next();

 private:
  std::string octets_;
};

}  // namespace clusterdns::dns
