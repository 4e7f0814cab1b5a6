// Queries and answers as blocks of a pcapng file (draft-ietf-opsawg-pcapng): raw IP, directions,
// nanoseconds. Addresses and ports are those that clients see; TCP is made of segments that a
// reader puts together.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "dns/query/exchange.h"

namespace clusterdns::dns {

// Connections of which sequence numbers are known; the rest begin anew.
inline constexpr std::size_t kMaxCaptureConnections = 10'000;

// Not thread-safe.
class CaptureWriter {
 public:
  // What a file begins with.
  [[nodiscard]] static std::string header();

  struct Message {
    std::int64_t unix_ns = 0;
    Endpoint client, local;
    Transport transport = Transport::Udp;
    bool answer = false;  // of ours; else a query
    std::span<const std::uint8_t> octets;
    std::string_view comment;  // empty: none
  };
  // The block of one message; of the longest, the beginning.
  [[nodiscard]] std::string block(const Message& message);

 private:
  struct Numbers {
    std::uint32_t client = 1, server = 1;
  };
  std::unordered_map<std::string, Numbers> connections_;
};

}  // namespace clusterdns::dns
