#include "dns/server/worker.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <string>

#include <boost/asio/post.hpp>

#include "dns/concurrent/blocked_signals.h"
#include "dns/server/tcp_listener.h"
#include "dns/server/udp_listener.h"

namespace clusterdns::dns {
namespace {

// Turns of TCP after which UDP is looked at, whatever the reactor has next: a turn takes some 30 us
// at most, and looking in vain costs half a microsecond.
constexpr unsigned kTcpTurns = 4;
// Batches of UDP at such a look.
constexpr unsigned kUdpBatchesBetween = 4 * kTcpTurns;
// Batches of a UDP socket that are answered before it is closed: more than its buffer holds.
constexpr unsigned kLastBatches = 1024;
// How long a worker waits that has no memory for waiting.
constexpr std::chrono::milliseconds kRearmRest{10};

const Configuration::Listener* listener_for(const Configuration& configuration,
                                            const ListenAddress& address) noexcept {
  for (const auto& listener : configuration.listeners) {
    if (listener.address == address) return &listener;
  }
  return nullptr;
}

using Stages = std::set<std::shared_ptr<Stage>>;

Stages stages_of(const Configuration* configuration) {
  Stages stages;
  if (configuration == nullptr) return stages;
  for (const auto& listener : configuration->listeners) {
    for (const auto& route : listener.routes.routes()) {
      stages.insert(route->stages.begin(), route->stages.end());
    }
  }
  return stages;
}

}  // namespace

Worker::Worker(unsigned index, unsigned count, ReclaimDomain& reclaim, const TcpLimits& limits)
    : context_{&io_, index, count, &reclaim},
      reclaim_(reclaim),
      io_(1),
      work_(io_.get_executor()),
      // Not zeroed: pages are touched only when an answer needs them.
      tcp_scratch_(std::make_unique_for_overwrite<TcpScratch>()),
      tcp_connections_(*this, limits, limits.held_octets / count) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = thread_without_signals([this] { run(); });
}

void Worker::run() noexcept {
  ::pthread_setname_np(::pthread_self(), ("dns-" + std::to_string(context_.index)).c_str());
  for (;;) {
    try {
      io_.run();
      return;
    } catch (...) {
      // Out of memory or descriptors in one handler: what it was about is lost, the rest goes on.
      count_panic();
      rearm();
    }
  }
}

void Worker::rearm() noexcept {
  for (;;) {
    try {
      for (const auto& listener : udp_) listener->rearm();
      for (const auto& listener : tcp_) listener->rearm();
      tcp_connections_.rearm();
      return;
    } catch (...) {
      // Nothing can be done without memory; somebody else has to give some back.
      std::this_thread::sleep_for(kRearmRest);
    }
  }
}

void Worker::prepare(std::shared_ptr<const Configuration> configuration,
                     std::vector<ListenerSockets> opened) {
  (void)abandon();
  Prepared next;
  next.configuration = std::move(configuration);
  for (ListenerSockets& sockets : opened) {
    const auto* const listener = listener_for(*next.configuration, sockets.address);
    if (listener == nullptr) continue;
    if (sockets.udp) {
      next.udp.push_back(std::make_unique<UdpListener>(*this, sockets.address,
                                                       std::move(sockets.udp), listener->routes));
    }
    next.tcp.push_back(std::make_unique<TcpListener>(*this, *listener, std::move(sockets.tcp)));
  }
  // commit() must not need memory.
  udp_.reserve(udp_.size() + next.udp.size());
  tcp_.reserve(tcp_.size() + next.tcp.size());
  next.tcp_gone.reserve(tcp_.size());
  const Stages old = stages_of(configuration_.get());
  const Stages fresh = stages_of(next.configuration.get());
  for (const auto& stage : old) {
    if (!fresh.contains(stage)) next.gone.push_back(stage);
  }
  next.attached.reserve(fresh.size());
  try {
    for (const auto& stage : fresh) {
      if (old.contains(stage)) continue;
      stage->attach(context_);
      next.attached.push_back(stage);
    }
  } catch (...) {
    for (const auto& stage : next.attached) stage->detach(context_);
    throw;
  }
  prepared_ = std::move(next);
}

std::shared_ptr<const Configuration> Worker::abandon() noexcept {
  if (!prepared_) return nullptr;
  for (const auto& stage : prepared_->attached) stage->detach(context_);
  auto configuration = std::move(prepared_->configuration);
  prepared_.reset();
  return configuration;
}

std::shared_ptr<const Configuration> Worker::commit(std::size_t tcp_connections) noexcept {
  Prepared next = std::move(*prepared_);
  prepared_.reset();
  auto old = std::exchange(configuration_, std::move(next.configuration));
  // Listeners that stay get the new routes.
  const auto stay = [this](auto& listeners) {
    return std::partition(listeners.begin(), listeners.end(), [this](const auto& listener) {
      const auto* const now = listener_for(*configuration_, listener->address());
      if (now != nullptr) listener->follow(*now);
      return now != nullptr;
    });
  };
  const auto udp_gone = stay(udp_);
  const auto tcp_gone = stay(tcp_);
  // What came to those that go is still answered, by the configuration that it was sent to.
  for (auto it = udp_gone; it != udp_.end(); ++it) (void)(*it)->serve(kLastBatches);
  udp_.erase(udp_gone, udp_.end());
  std::move(tcp_gone, tcp_.end(), std::back_inserter(next.tcp_gone));
  tcp_.erase(tcp_gone, tcp_.end());
  bool started = true;
  try {
    for (const auto& listener : next.udp) listener->start();
    for (const auto& listener : next.tcp) listener->start();
  } catch (...) {
    started = false;
  }
  std::move(next.udp.begin(), next.udp.end(), std::back_inserter(udp_));
  std::move(next.tcp.begin(), next.tcp.end(), std::back_inserter(tcp_));
  if (!started) rearm();
  // Connections follow the closest socket, as new ones do.
  tcp_connections_.reroute([this](const Endpoint& local, bool tls, bool https) {
    TcpListener* closest = nullptr;
    for (const auto& listener : tcp_) {
      if (listener->address().tls != tls || listener->address().https != https) continue;
      const unsigned closeness = listener->closeness(local);
      if (closeness > (closest == nullptr ? 0 : closest->closeness(local)))
        closest = listener.get();
    }
    return closest;
  });
  tcp_connections_.set_most(tcp_connections);
  for (const auto& stage : next.gone) stage->detach(context_);
  return old;
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  try {
    boost::asio::post(io_, [this] { close_all(); });
  } catch (...) {
    io_.stop();
  }
  thread_.join();
  close_all();
}

void Worker::close_all() noexcept {
  (void)abandon();
  tcp_connections_.close_all();
  udp_.clear();
  tcp_.clear();
  if (configuration_) {
    for (const auto& stage : stages_of(configuration_.get())) stage->detach(context_);
  }
  configuration_.reset();
  work_.reset();
  io_.stop();
}

void Worker::serve_udp_first(bool long_turn) noexcept {
  if (++tcp_turns_ % kTcpTurns != 0 && !long_turn) return;
  for (const auto& listener : udp_) (void)listener->serve(kUdpBatchesBetween);
}

}  // namespace clusterdns::dns
