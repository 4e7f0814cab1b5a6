#include "app/instance/drain.h"

#include <algorithm>

#include "app/base/go_duration.h"

namespace clusterdns::app {
namespace {

// How exactly the end of the quiet is found.
constexpr std::chrono::milliseconds kTick{50};
constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

Drain::Drain(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
             Instance& instance, std::function<void()> done)
    : logger_(std::move(logger)), instance_(instance), done_(std::move(done)), timer_(io) {}

void Drain::begin() {
  begun_ = true;
  instance_.set_draining();
  const AdminPlan& plan = instance_.plan();
  if (!plan.is_watched()) return done_();
  began_ns_ = said_ns_ = dns::monotonic_ns();
  said_queries_ = instance_.queries();
  lameduck_ns_ = plan.lameduck.count();
  grace_ns_ = plan.drain_most().count();
  if (lameduck_ns_ > 0) {
    logger_->info("plugin/health: Going into lameduck mode for {}", go_duration(plan.lameduck));
  }
  wait();
}

void Drain::wait() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void Drain::tick() {
  const std::int64_t now = dns::monotonic_ns();
  const std::int64_t passed = now - began_ns_;
  const std::int64_t quiet = now - std::max(began_ns_, instance_.last_query_ns());
  if (passed >= lameduck_ns_ && quiet >= std::chrono::nanoseconds(kDrainQuiet).count()) {
    return done_();
  }
  if (passed >= grace_ns_) {
    logger_->warn("plugin/health: queries still arrive after {}; terminating",
                  go_duration(std::chrono::nanoseconds(grace_ns_)));
    return done_();
  }
  if (now - said_ns_ >= kSecond) {
    const std::uint64_t queries = instance_.queries();
    if (queries != said_queries_) {
      logger_->info("plugin/health: {} queries arrived in the last second; at most {} more",
                    queries - said_queries_,
                    go_duration(std::chrono::seconds((grace_ns_ - passed) / kSecond)));
    }
    said_queries_ = queries;
    said_ns_ = now;
  }
  wait();
}

}  // namespace clusterdns::app
