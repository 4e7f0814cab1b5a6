// One UDP socket of one worker: batches in, batches out.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include <sys/socket.h>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dns/base/descriptor.h"
#include "dns/server/configuration.h"
#include "dns/server/responder.h"
#include "dns/server/segment_merger.h"
#include "dns/server/udp_replies.h"
#include "dns/server/worker.h"

namespace clusterdns::dns {

class UdpListener {
 public:
  // `socket` is bound. `routes` belongs to the worker's configuration, the present one or the next.
  UdpListener(Worker& worker, const ListenAddress& address, Descriptor socket,
              const ListenerRoutes& routes);
  ~UdpListener();

  void start() { wait(); }
  // After an exception ended a handler: waits again, if it does not.
  void rearm() {
    if (!waiting_) wait();
  }
  void follow(const Configuration::Listener& listener) noexcept { routes_ = &listener.routes; }
  [[nodiscard]] const ListenAddress& address() const noexcept { return address_; }
  enum class Left : std::uint8_t {
    Nothing,  // or little: look when the socket says so
    More,     // more may wait
    Failed,   // the socket does; looking again at once would fail again
  };
  // Answers at most `batches` batches of what waits in the socket.
  Left serve(unsigned batches) noexcept;

 private:
  // Datagrams read by one system call. 64 amortises its cost to a few nanoseconds; more only adds
  // delay and memory.
  static constexpr unsigned kBatch = 64;
  static_assert(kBatch <= SegmentMerger::kBatch);
  // Batches before other handlers of this worker get their turn.
  static constexpr unsigned kBatchesPerTurn = 16;
  // One cache line more than a page: rows a whole number of pages apart would share the few cache
  // lines of one set.
  static constexpr std::size_t kRequestRoom = kMaxUdpRequest + 64;
  static_assert(kRequestRoom >= kMaxUdpRequest + kPadding);
  static constexpr std::size_t kResponseRoom = 4096;  // the largest response UDP is configured for
  // Responses stand one behind the other, each on a cache line of its own: most are short, and a
  // batch of them touches few pages. When less than kResponseRoom is left, what is there is sent.
  static constexpr std::size_t kResponsesRoom = 32 * 1024;
  // IPv6's packet information is the larger; RFC 3542.
  static constexpr std::size_t kControlRoom = 64;
  static_assert(kControlRoom <= UdpReplies::kControlRoom);

  struct Buffers {
    std::array<mmsghdr, kBatch> in;
    std::array<mmsghdr, kBatch> out;
    std::array<iovec, kBatch> in_vec;
    std::array<iovec, kBatch> out_vec;
    std::array<sockaddr_storage, kBatch> peer;
    alignas(8) std::uint8_t control[kBatch][kControlRoom];
    std::uint8_t request[kBatch][kRequestRoom];
    alignas(64) std::uint8_t responses[kResponsesRoom];
  };

  void wait();
  // Sends the first `count` responses of the batch.
  void send(unsigned count) noexcept { merger_.send(std::span(buffers_->out).first(count), fd_); }
  void read_endpoints(unsigned i, Exchange& exchange) const noexcept;
  // How long reading rests when the socket fails.
  static constexpr std::chrono::milliseconds kRest{10};
  void rest();
  static std::unique_ptr<ReplyChannel> make_channel(void* self);

  Worker& worker_;
  ListenAddress address_;
  boost::asio::ip::udp::socket socket_;
  int fd_;
  bool wildcard_;         // bound to any address: replies name the one that was asked
  const Endpoint local_;  // the bound address; on wildcards the port alone is true
  const ListenerRoutes* routes_;
  std::unique_ptr<Buffers> buffers_;
  SegmentMerger merger_;
  boost::asio::steady_timer rest_timer_;
  std::shared_ptr<UdpReplies> replies_;
  bool waiting_ = false;
};

}  // namespace clusterdns::dns
