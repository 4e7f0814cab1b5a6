// DNS over HTTPS (RFC 8484) on one connection: octets of HTTP in, DNS messages out, and back. No
// I/O, no clock of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "dns/http/http_counters.h"

namespace clusterdns::dns {

// Octets of the head of a request: its target and header fields as HTTP/1.1 writes them, and in
// HTTP/2 their sum by RFC 9113 6.5.2. A message of 11 KiB fits into the target of a GET.
inline constexpr std::size_t kDohHead = 16 * 1024;
// Octets of bodies of an HTTP/2 connection that are not complete, and of requests that wait.
inline constexpr std::size_t kDohBodies = 128 * 1024;
// Octets of an HTTP/2 connection that nghttp2 has: tables for header compression, frames that are
// not complete, streams. It ends when that needs more.
inline constexpr std::size_t kDohSession = 512 * 1024;
// Streams that are open at once, unless `https` says otherwise; and at most.
inline constexpr unsigned kDohStreams = 128;
inline constexpr unsigned kDohStreamsMost = 256;
// Octets of a block of header fields of HTTP/2 with all its CONTINUATION frames.
inline constexpr std::size_t kDohHeaderBlock = 2 * kDohHead;
// Frames that bring no request: a connection begins with credit for as many, and each request adds
// kDohFramesForRequest, up to kDohFramesMost. Without credit it ends.
inline constexpr unsigned kDohFrames = 256;
inline constexpr unsigned kDohFramesForRequest = 8;
inline constexpr unsigned kDohFramesMost = 2048;
// Streams that end before their answer, whoever reset them: likewise, each answer adds one.
inline constexpr unsigned kDohResets = 100;

// Used by one worker's thread. Calls that are not noexcept may throw std::bad_alloc: the session is
// of no use afterwards.
class HttpSession {
 public:
  struct Settings {
    unsigned streams = kDohStreams;          // at once, of HTTP/2
    std::shared_ptr<HttpCounters> counters;  // nullptr: not counted
    unsigned worker = 0;                     // who counts
  };
  // A query that a request brought. `message` holds until it is answered or refused, and kPadding
  // readable octets follow.
  struct Asked {
    std::uint32_t stream;
    std::span<const std::uint8_t> message;
  };

  HttpSession() = default;
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;
  virtual ~HttpSession() = default;

  // Takes octets from the front of `octets`, as many as it can use now. What is left is shown again
  // with what has come behind it. `now_ns`: see sweep(). What is no DNS query is answered by the
  // session itself.
  [[nodiscard]] virtual std::size_t take(std::span<const std::uint8_t> octets,
                                         std::int64_t now_ns) = 0;
  // Whether take() is of use: HTTP/1.1 has one request at a time.
  [[nodiscard]] virtual bool takes() const noexcept = 0;
  // The next query; each is to be answered or refused, in any order, now or later.
  [[nodiscard]] virtual std::optional<Asked> next() = 0;
  [[nodiscard]] virtual bool has_next() const noexcept = 0;

  // The DNS message that answers a query: 200. Nothing if its stream has been reset.
  virtual void answer(std::uint32_t stream, std::span<const std::uint8_t> message) = 0;
  // No DNS message: 500, as CoreDNS has it.
  virtual void give_none(std::uint32_t stream) = 0;

  // Puts octets that are to be sent to `to`; 0: there are none, or the peer has to read first.
  // REQUIRES: `room` is kLeastRoom or more.
  static constexpr std::size_t kLeastRoom = 17 * 1024;
  [[nodiscard]] virtual std::size_t produce(std::uint8_t* to, std::size_t room) = 0;

  // No requests are taken any more; those under way are answered.
  virtual void finish() noexcept = 0;
  // All is said: the connection is to be closed once what produce() gave has been sent.
  [[nodiscard]] virtual bool ended() const noexcept = 0;

  // Octets of answers that are not produced yet.
  [[nodiscard]] virtual std::size_t pending() const noexcept = 0;
  // Octets of memory.
  [[nodiscard]] virtual std::size_t held() const noexcept = 0;
  // A request, or a frame, has begun and is not complete.
  [[nodiscard]] virtual bool unfinished() const noexcept = 0;
  // Ends requests that have begun before `since_ns` and are not complete. True: there were some.
  [[nodiscard]] virtual bool sweep(std::int64_t since_ns) = 0;
};

// Counts the responses of one session.
class CountResponses {
 public:
  explicit CountResponses(const HttpSession::Settings& settings)
      : counters_(settings.counters), worker_(settings.worker) {}
  void operator()(unsigned status) const noexcept {
    if (counters_ != nullptr) counters_->cell(worker_).count(status);
  }

 private:
  const std::shared_ptr<HttpCounters> counters_;
  const unsigned worker_;
};

// `http2`: as ALPN said. Throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<HttpSession> make_http_session(bool http2,
                                                             const HttpSession::Settings& settings);

}  // namespace clusterdns::dns
