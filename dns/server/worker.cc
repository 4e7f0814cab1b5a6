#include "dns/server/worker.h"

#include <pthread.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <future>
#include <set>

#include "dns/server/blocked_signals.h"
#include "dns/server/tcp_listener.h"
#include "dns/server/udp_listener.h"

namespace clusterdns::dns {
namespace {

// Turns of TCP after which UDP is looked at, whatever the reactor has next: a turn takes some 30 us
// at most, and looking in vain costs half a microsecond.
constexpr unsigned kTcpTurns = 4;
// Batches of UDP at such a look.
constexpr unsigned kUdpBatchesBetween = 4 * kTcpTurns;

const ListenerRoutes* routes_for(const Configuration& configuration,
                                 const ListenAddress& address) noexcept {
  for (const auto& listener : configuration.listeners) {
    if (listener.address == address) return &listener.routes;
  }
  return nullptr;
}

std::set<std::shared_ptr<Stage>> stages_of(const Configuration& configuration) {
  std::set<std::shared_ptr<Stage>> stages;
  for (const auto& listener : configuration.listeners) {
    for (const auto& entry : listener.routes.entries()) {
      stages.insert(entry.route->stages.begin(), entry.route->stages.end());
    }
  }
  return stages;
}

}  // namespace

Worker::Worker(unsigned index, unsigned count, ReclaimDomain& reclaim, TcpLimits limits)
    : reclaim_(reclaim),
      limits_(limits),
      io_(1),
      work_(io_.get_executor()),
      // Not zeroed: pages are touched only when an answer needs them.
      message_room_(new std::uint8_t[kMaxMessageSize]) {
  context_.io = &io_;
  context_.index = index;
  context_.worker_count = count;
  context_.reclaim = &reclaim;
}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = thread_without_signals([this] {
    ::pthread_setname_np(::pthread_self(), ("dns-" + std::to_string(context_.index)).c_str());
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception&) {
        // Out of memory or descriptors in one handler: what it was about is lost, the rest goes on.
        activity_.panics.add(1);
      }
    }
  });
}

void Worker::apply(std::shared_ptr<const Configuration> configuration,
                   std::vector<ListenerSockets> opened,
                   std::function<void(std::shared_ptr<const Configuration>)> done) {
  boost::asio::post(io_, [this, configuration = std::move(configuration),
                          opened = std::move(opened), done = std::move(done)]() mutable {
    std::shared_ptr<const Configuration> old = configuration_;
    do_apply(std::move(configuration), std::move(opened));
    done(std::move(old));
  });
}

void Worker::do_apply(std::shared_ptr<const Configuration> configuration,
                      std::vector<ListenerSockets> opened) {
  const auto old_stages = configuration_ ? stages_of(*configuration_) : std::set<std::shared_ptr<Stage>>{};
  const auto new_stages = stages_of(*configuration);
  for (const auto& stage : new_stages) {
    if (!old_stages.contains(stage)) stage->attach(context_);
  }
  const auto old = std::exchange(configuration_, std::move(configuration));
  // Listeners that stay get the new routes, those that go are closed.
  const auto keep = [this](auto& listeners) {
    std::erase_if(listeners, [this](const auto& listener) {
      const ListenerRoutes* const routes = routes_for(*configuration_, listener->address());
      if (routes == nullptr) return true;
      listener->set_routes(*routes);
      return false;
    });
  };
  keep(udp_);
  keep(tcp_);
  for (const ListenerSockets& sockets : opened) {
    const ListenerRoutes* const routes = routes_for(*configuration_, sockets.address);
    if (routes == nullptr) {
      ::close(sockets.udp);
      ::close(sockets.tcp);
      continue;
    }
    udp_.push_back(std::make_unique<UdpListener>(*this, sockets.address, sockets.udp, *routes));
    udp_.back()->start();
    tcp_.push_back(std::make_unique<TcpListener>(*this, sockets.address, sockets.tcp, *routes));
    tcp_.back()->start();
  }
  for (const auto& stage : old_stages) {
    if (!new_stages.contains(stage)) stage->detach(context_);
  }
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_, [this] {
    udp_.clear();
    tcp_.clear();
    if (configuration_) {
      for (const auto& stage : stages_of(*configuration_)) stage->detach(context_);
    }
    configuration_.reset();
    work_.reset();
    io_.stop();
  });
  thread_.join();
}

void Worker::serve_udp_first() noexcept {
  if (++tcp_turns_ % kTcpTurns != 0) return;
  for (const auto& listener : udp_) listener->serve(kUdpBatchesBetween);
}

}  // namespace clusterdns::dns
