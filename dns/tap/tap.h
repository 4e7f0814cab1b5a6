// Sends what is asked and answered to a collector of dnstap.
//
// Workers put what they see into rings, which costs them a copy; a thread encodes it and sends it.
// A collector that is away, slow or does not read costs messages, which are counted, and nothing
// else.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/net/tls_context.h"
#include "dns/query/stage.h"
#include "dns/query/upstream_tap.h"
#include "dns/tap/tap_message.h"

namespace clusterdns::dns {

// Octets of what waits to be sent, of all workers, for each 10,000 messages of `dnstap`'s queue.
inline constexpr std::size_t kTapOctets = std::size_t{4} << 20;
// The same at most, whatever is configured.
inline constexpr std::size_t kTapOctetsMost = std::size_t{1} << 30;

class Tap final : public UpstreamTap {
 public:
  using Milliseconds = std::chrono::milliseconds;
  struct Timings {
    // A collector that is away is looked for again; each time it is later, up to the second.
    Milliseconds retry{100}, retry_most{10'000};
    Milliseconds connect{4'000};  // until it says that it accepts
    Milliseconds stall{10'000};   // without reading anything
    Milliseconds tell{10'000};    // how often losses are told
    Milliseconds close{1'000};    // at the end, for what is left
  };
  struct Options {
    std::string path = {};  // of a unix socket; else:
    // Where it is now; empty with a reason when that is not known. May take its time.
    std::function<std::vector<Endpoint>(std::string& why)> find = {};
    std::shared_ptr<const TlsContexts> tls = {};  // nullptr: none
    std::string server_name = {};                 // of its certificate
    std::size_t write_buffer = 0;                 // of a TCP socket, octets; 0: the machine's
    bool full = false;                            // with the octets of messages
    std::string identity = {}, version = {};
    std::string extra = {};
    // In place of `extra`, made of each query; called on the thread that sends. Of a question to an
    // upstream there is no client.
    std::function<std::string(const AnswerObserver::Event&)> make_extra = {};
    std::size_t octets = kTapOctets;
    unsigned workers = 1;
    // Called on the thread that sends.
    std::function<void(const std::string&)> warn = {}, error = {};
    Timings timings = {};
  };

  explicit Tap(Options options);
  // REQUIRES: closed, if it was started.
  ~Tap() override;

  // Again: nothing happens. Throws std::system_error.
  void start();
  // Waits, but not for long, until what was seen has been sent.
  void close() noexcept;
  // What close() waits for begins, so that several close at the same time.
  void begin_close() noexcept;

  // On the workers' threads.
  void on_query(const Exchange& exchange) noexcept;
  void on_answer(const AnswerObserver::Event& event, const WorkerContext& worker) noexcept;
  void on_upstream(const Seen& seen) noexcept override;

  // Any thread.
  [[nodiscard]] std::uint64_t sent() const noexcept;
  [[nodiscard]] std::uint64_t dropped() const noexcept;

 private:
  struct Head;
  struct Facts;
  class State;
  void see(TapType type, const AnswerObserver::Event& event, const WorkerContext& worker) noexcept;
  void put(unsigned worker, Head& head, std::span<const std::uint8_t> octets,
           const Facts* facts) noexcept;

  const std::shared_ptr<State> state_;
};

// Sees queries come.
class TapStage final : public Stage {
 public:
  explicit TapStage(std::shared_ptr<Tap> tap) : tap_(std::move(tap)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "dnstap"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] const std::shared_ptr<Tap>& tap() const noexcept { return tap_; }

 private:
  std::shared_ptr<Tap> tap_;
};

// Sees answers leave.
class TapObserver final : public AnswerObserver {
 public:
  explicit TapObserver(std::shared_ptr<Tap> tap) : tap_(std::move(tap)) {}
  void on_answer(const Event& event, WorkerContext& worker) noexcept override {
    tap_->on_answer(event, worker);
  }

 private:
  std::shared_ptr<Tap> tap_;
};

}  // namespace clusterdns::dns
