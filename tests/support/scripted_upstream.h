// A DNS server that does what a test tells it: the other end of forwarding.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/dns_message.h"
#include "support/socket.h"

namespace clusterdns::test {

// UDP and TCP on one loopback port that the kernel chose. Every query goes to the script, on a
// thread of its own; what the script returns is sent back octet for octet, nothing is silence.
class ScriptedUpstream {
 public:
  struct Exchange {
    Message query;
    bool tcp = false;
    sockaddr_storage peer = {};  // over UDP: who asked
    socklen_t peer_size = 0;
  };
  // Called on the upstream's thread.
  using Script = std::function<std::optional<Octets>(const Exchange&)>;

  explicit ScriptedUpstream(Script script, const std::string& address = "127.0.0.1");
  ~ScriptedUpstream();
  ScriptedUpstream(const ScriptedUpstream&) = delete;
  ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  // What arrived so far.
  [[nodiscard]] std::vector<Exchange> received() const;
  // Waits until `count` queries have arrived.
  [[nodiscard]] bool wait_for_queries(std::size_t count, const Deadline& deadline) const;
  // Sends a datagram to who asked, outside the script: late or forged answers.
  void send_udp(const Exchange& to, std::span<const std::uint8_t> datagram);

 private:
  void serve();
  std::optional<Octets> answer(std::span<const std::uint8_t> wire, Exchange exchange);

  Script script_;
  Endpoint endpoint_;
  FileDescriptor udp_;
  FileDescriptor tcp_;
  FileDescriptor stop_;  // eventfd
  mutable std::mutex mutex_;
  std::vector<Exchange> received_;  // guarded by mutex_
  FileDescriptor news_;             // eventfd, counts queries
  std::thread thread_;
};

// A response to `query`: its ID, question and RD, these flags beside QR, and the records in
// `answers` (each appended with WireWriter::record by the caller).
struct Reply {
  std::uint16_t flags = kFlagRA;
  int rcode = 0;
  unsigned answers = 0;
  unsigned authority = 0;
  Octets records = {};
  std::optional<Edns> edns = std::nullopt;
};
[[nodiscard]] Octets reply_to(const Message& query, const Reply& reply);
// One A record of `owner`.
[[nodiscard]] Octets a_record(std::string_view owner, std::string_view address,
                              std::uint32_t ttl = 60);

}  // namespace clusterdns::test
