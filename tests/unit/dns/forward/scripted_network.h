// A network and a clock that do what a test says: nothing is sent, no time passes by itself.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/forward/attempt_table.h"
#include "dns/forward/transport.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::dns {

class ScriptedNetwork;

class ScriptedTransport final : public UpstreamTransport,
                                public std::enable_shared_from_this<ScriptedTransport> {
 public:
  ScriptedTransport(ScriptedNetwork& network, TransportOptions options, std::weak_ptr<void> owner)
      : network_(network),
        options_(std::move(options)),
        owner_(std::move(owner)),
        ids_(options_.upstreams.size()) {}

  [[nodiscard]] Sent send(std::size_t upstream, Transport transport,
                          std::span<std::uint8_t> request,
                          UpstreamAttempt& attempt) noexcept override;
  void forget(UpstreamAttempt& attempt) noexcept override {
    attempt.socket_ = nullptr;
    const auto at = under_way_.find(&attempt);
    if (at == under_way_.end()) return;
    ids_[at->second].erase(attempt);
    under_way_.erase(at);
  }
  [[nodiscard]] TransportFailure place(const UpstreamAttempt&) const noexcept override {
    return {TransportFailure::Step::Read, 0, local()};
  }
  void distrust(const UpstreamAttempt&, UpstreamClock::time_point) noexcept override {}
  UpstreamClock::time_point tidy(UpstreamClock::time_point) noexcept override {
    return UpstreamClock::time_point::max();
  }

  // The id tells it from a later one at the same place in memory.
  [[nodiscard]] bool knows(const UpstreamAttempt* attempt, std::uint16_t id) const {
    return under_way_.contains(attempt) && attempt->id_ == id;
  }
  [[nodiscard]] std::size_t under_way() const { return under_way_.size(); }
  [[nodiscard]] const Endpoint& endpoint(std::size_t upstream) const {
    return options_.upstreams[upstream];
  }
  [[nodiscard]] static Endpoint local() {
    Endpoint local;
    local.address = {192, 0, 2, 1};
    local.port = 40000;
    return local;
  }

 private:
  friend class ScriptedNetwork;
  ScriptedNetwork& network_;
  const TransportOptions options_;
  const std::weak_ptr<void> owner_;
  std::vector<AttemptTable> ids_;  // by upstream, as sockets have them
  std::unordered_map<const UpstreamAttempt*, std::size_t> under_way_;  // and to which upstream
};

// One thread's. A request stays in `requests` for good; it can be answered as often as one likes.
class ScriptedNetwork final : public UpstreamNetwork {
 public:
  using Time = UpstreamClock::time_point;

  struct Request {
    std::size_t upstream = 0;
    Transport transport = Transport::Udp;
    std::vector<std::uint8_t> octets;
    Time at{};
    std::weak_ptr<ScriptedTransport> from;
    UpstreamAttempt* attempt = nullptr;

    [[nodiscard]] Message message() const { return read_message(octets).value(); }
  };

  [[nodiscard]] Time now() noexcept override { return now_; }
  [[nodiscard]] std::uint32_t random() noexcept override {
    return static_cast<std::uint32_t>(generator_());
  }
  void post(std::function<void()> call) override { posted_.push_back(std::move(call)); }
  [[nodiscard]] std::unique_ptr<UpstreamTimer> make_timer() override {
    return std::make_unique<Timer>(*this);
  }
  [[nodiscard]] std::shared_ptr<UpstreamTransport> make_transport(
      TransportOptions options, std::weak_ptr<void> owner) override {
    return std::make_shared<ScriptedTransport>(*this, std::move(options), std::move(owner));
  }

  // What was left for later. True when there was anything.
  bool run_posted() {
    const bool any = !posted_.empty();
    while (!posted_.empty()) {
      const auto call = std::move(posted_.front());
      posted_.pop_front();
      call();
    }
    return any;
  }
  // Lets time pass, with all that happens meanwhile.
  void pass(std::chrono::milliseconds time) {
    const Time end = now_ + time;
    run_posted();
    for (;;) {
      Timer* first = nullptr;
      for (Timer* timer : timers_) {
        if (timer->handler && timer->when <= end && (!first || timer->when < first->when)) {
          first = timer;
        }
      }
      if (first == nullptr) break;
      now_ = std::max(now_, first->when);
      const auto handler = std::exchange(first->handler, nullptr);
      ++wake_ups;
      handler();
      run_posted();
    }
    now_ = end;
  }
  // As pass(), but the thread stood still: nothing ran meanwhile.
  void stand_still(std::chrono::milliseconds time) { now_ += time; }

  // The end of the thread: nothing that was to come comes.
  void stop() {
    for (Timer* timer : timers_) timer->handler = nullptr;
    posted_.clear();
  }

  // Delivers `octets` in answer to `request`, if anybody still awaits one. `cut`: see
  // UpstreamAttempt.
  bool deliver(const Request& request, std::vector<std::uint8_t> octets, bool cut = false) {
    const auto transport = request.from.lock();
    if (!transport || !transport->knows(request.attempt, load_u16(request.octets.data()))) {
      return false;
    }
    const auto keep = transport->owner_.lock();
    store_u16(octets.data(), load_u16(request.octets.data()));
    request.attempt->on_message(octets, cut);
    run_posted();
    return true;
  }
  // Delivers `octets` where `request` was sent from: to whichever request has the id in them, if
  // any.
  bool receive(const Request& request, std::vector<std::uint8_t> octets, bool cut = false) {
    const auto transport = request.from.lock();
    if (!transport || octets.size() < kHeaderSize) return false;
    UpstreamAttempt* const attempt =
        transport->ids_[request.upstream].find(load_u16(octets.data()));
    if (attempt == nullptr) return false;
    const auto keep = transport->owner_.lock();
    attempt->on_message(octets, cut);
    run_posted();
    return true;
  }
  bool fail(const Request& request, const TransportFailure& failure) {
    const auto transport = request.from.lock();
    if (!transport || !transport->knows(request.attempt, load_u16(request.octets.data()))) {
      return false;
    }
    const auto keep = transport->owner_.lock();
    transport->forget(*request.attempt);
    request.attempt->on_failure(failure);
    run_posted();
    return true;
  }
  // Of all requests so far.
  [[nodiscard]] std::size_t count(std::size_t upstream, Transport transport) const {
    return static_cast<std::size_t>(std::count_if(
        requests.begin(), requests.end(),
        [&](const Request& r) { return r.upstream == upstream && r.transport == transport; }));
  }

  std::deque<Request> requests;  // references to them stay good
  // Says why a request cannot be sent; nullopt: it can.
  std::function<std::optional<TransportFailure>(std::size_t, Transport)> refuse;
  bool opens = true;  // each request opens a socket
  unsigned wake_ups = 0;

 private:
  friend class ScriptedTransport;
  struct Timer final : UpstreamTimer {
    explicit Timer(ScriptedNetwork& n) : network(n) { network.timers_.push_back(this); }
    ~Timer() override { std::erase(network.timers_, this); }
    void arm(Time at, std::function<void()> call) override {
      when = at;
      handler = std::move(call);
    }
    ScriptedNetwork& network;
    Time when{};
    std::function<void()> handler;
  };

  Time now_ = Time(std::chrono::hours(1));
  std::mt19937 generator_{1};  // the same on every run
  std::deque<std::function<void()>> posted_;
  std::vector<Timer*> timers_;
};

inline UpstreamTransport::Sent ScriptedTransport::send(std::size_t upstream, Transport transport,
                                                       std::span<std::uint8_t> request,
                                                       UpstreamAttempt& attempt) noexcept {
  if (network_.refuse) {
    if (const auto failure = network_.refuse(upstream, transport)) return {false, false, *failure};
  }
  ids_[upstream].insert(attempt, [&] { return network_.random(); });
  store_u16(request.data(), attempt.id_);
  attempt.socket_ = this;
  under_way_.emplace(&attempt, upstream);
  network_.requests.push_back({upstream,
                               transport,
                               {request.begin(), request.end()},
                               network_.now_,
                               weak_from_this(),
                               &attempt});
  return {true, network_.opens, {}};
}

}  // namespace clusterdns::dns
