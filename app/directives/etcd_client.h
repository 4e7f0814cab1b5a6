// etcd's API over HTTP with JSON (its gRPC gateway, v3), in blocking calls.
#pragma once

#include <atomic>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "dns/net/tls_stream.h"
#include "registry/kubernetes/config.h"

namespace clusterdns::app {

// etcd that says nothing for so long is given up.
inline constexpr std::chrono::seconds kEtcdSilence{5};
// How long one answer may take as a whole.
inline constexpr std::chrono::seconds kEtcdCall{30};
// Octets of one response, and of one message of a watch.
inline constexpr std::size_t kMaxEtcdResponse = 32 * 1024 * 1024;

// What went wrong, in words.
struct EtcdFailed {
  std::string why;
  bool stale = false;  // what is known of its revisions is of no use any more
};

// One HTTP/1.1 connection. Calls block, and throw EtcdFailed. One thread's.
class EtcdConnection {
 public:
  // Connects; a name is looked up first. `peer` is nullptr without TLS. Everything ends soon after
  // `abandoned` is set.
  EtcdConnection(const registry::kubernetes::ApiServer& server, dns::TlsPeer* peer,
                 const std::atomic<bool>& abandoned);
  ~EtcdConnection();
  EtcdConnection(const EtcdConnection&) = delete;
  EtcdConnection& operator=(const EtcdConnection&) = delete;

  // Sent with each request from now on; empty: none.
  void authorize(std::string token) { token_ = std::move(token); }
  // POST with a body of JSON; the response's.
  [[nodiscard]] boost::json::value call(std::string_view path, std::string_view body);
  // The same of a response without end: a message a line. Returns when `end` has come; `idle` is
  // called before it waits, and says how long at most until the next call. The connection is of no
  // use any more then.
  void stream(std::string_view path, std::string_view body,
              std::chrono::steady_clock::time_point end,
              const std::function<void(const boost::json::value&)>& message,
              const std::function<std::chrono::milliseconds()>& idle);

 private:
  void connect();
  void send(std::string_view path, std::string_view body);
  void write(std::string_view octets);
  // 0: the other end has closed. Waits until `end` at most.
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> to,
                                 std::chrono::steady_clock::time_point end);
  // Whether something came; false: `end` has.
  [[nodiscard]] bool wait(short events, std::chrono::steady_clock::time_point end);

  const registry::kubernetes::ApiServer& server_;
  const std::atomic<bool>& abandoned_;
  std::string token_;
  int fd_ = -1;
  std::unique_ptr<dns::TlsStream> tls_;
  std::string left_;  // read behind a response
};

}  // namespace clusterdns::app
