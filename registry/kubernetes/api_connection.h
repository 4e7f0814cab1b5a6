// One connection to an API server, kept between requests; one request at a time.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "registry/kubernetes/credentials.h"

namespace clusterdns::registry::kubernetes {

// Octets of a response's head.
inline constexpr std::uint32_t kMaxResponseHead = 32 * 1024;

// Why a request ended.
enum class Ending : std::uint8_t {
  Complete,     // the response came whole
  Refused,      // nobody listens there
  Unreachable,  // no connection in time, or the name does not resolve
  Insecure,     // TLS did not come about
  Broken,       // the connection ended in the middle
  Silent,       // nothing came for too long
  Rejected,     // what came made no sense to the receiver
};

// HTTP/1.1 GET over TCP or TLS. All on the io_context's thread; no call blocks.
class ApiConnection {
 public:
  struct Head {
    unsigned status = 0;
    std::string content_type;
    bool gzip = false;
    std::optional<std::chrono::seconds> retry_after;
    std::chrono::steady_clock::duration took{};  // from the request on
  };
  struct Request {
    ApiServer server;
    std::string target;  // with the query, without the server's base path
    std::string accept;
    bool gzip = false;  // may be compressed
    // Silence after which the request is given up, from the request on.
    std::chrono::milliseconds idle_limit{};
    // The whole request has to end within this; zero: no limit.
    std::chrono::milliseconds total_limit{};
  };
  struct Receiver {
    std::function<void(const Head&)> on_head;
    // Octets of the body as they come, decompressed. False: makes no sense, give up.
    std::function<bool(std::span<const std::uint8_t>)> on_data;
    // What was there to read has been handed over.
    std::function<void()> on_pause;
    // Last call. `what` says it in words unless Complete.
    std::function<void(Ending ending, const std::string& what)> on_end;
  };

  ApiConnection(boost::asio::io_context& io, const Credentials& credentials);
  // Ends a running request without a word.
  ~ApiConnection();
  ApiConnection(const ApiConnection&) = delete;
  ApiConnection& operator=(const ApiConnection&) = delete;

  // REQUIRES: no request is running, and the credentials are prepared. No callback comes from
  // inside this call. Receivers may start the next request or destroy this from on_end().
  void start(Request request, Receiver receiver);
  // From now on silence may last this long.
  void set_idle_limit(std::chrono::milliseconds limit);
  // Whatever comes, the request ends within this from now on.
  void end_within(std::chrono::milliseconds limit);
  // Ends the request, if one is running, and the connection; no callback comes any more.
  void close();
  [[nodiscard]] bool busy() const noexcept;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace clusterdns::registry::kubernetes
