#include "app/console/view_keeper.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <exception>
#include <utility>

#include <boost/asio/post.hpp>

#include "dns/concurrent/blocked_signals.h"

namespace clusterdns::app {

BackgroundThread::~BackgroundThread() { stop(); }

void BackgroundThread::post(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  if (!thread_.joinable()) thread_ = dns::thread_without_signals([this] { run(); });
  calls_.push_back(std::move(call));
  something_.notify_one();
}

void BackgroundThread::stop() {
  std::deque<std::function<void()>> dropped;
  std::thread running;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    dropped.swap(calls_);
    running.swap(thread_);
    something_.notify_one();
  }
  if (running.joinable()) running.join();
}

void BackgroundThread::run() {
  ::pthread_setname_np(::pthread_self(), "view");
  // Of this thread alone, on Linux. Refused: it is as good as others.
  constexpr int kBehindOthers = 5;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kBehindOthers);
  for (;;) {
    std::function<void()> call;
    {
      std::unique_lock lock(mutex_);
      something_.wait(lock, [&] { return stopped_ || !calls_.empty(); });
      if (stopped_) return;
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    try {
      call();
    } catch (...) {
      // No memory: whoever waits for it is told when the call goes.
    }
  }
}

ViewKeeper::ViewKeeper(boost::asio::io_context& io, std::function<ViewParts()> take)
    : io_(io), take_(std::move(take)), pause_(io), kept_(io) {}

ViewKeeper::~ViewKeeper() = default;

void ViewKeeper::with_view(Use use) {
  if (stopped_) return;
  waiting_.push_back({version_, std::move(use)});
  go_on();
}

void ViewKeeper::go_on() {
  if (making_ || stopped_) return;
  std::vector<Waiting> left;
  for (Waiting& each : waiting_) {
    if (each.version > has_) {
      left.push_back(std::move(each));
      continue;
    }
    thread_.post([use = std::move(each.use), view = view_, why = why_] { use(view, why); });
  }
  waiting_ = std::move(left);
  keep();
  if (waiting_.empty()) return;
  if (std::chrono::steady_clock::now() >= next_) return make();
  pause_.expires_at(next_);
  pause_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->go_on();
  });
}

void ViewKeeper::make() {
  const std::uint64_t version = version_;
  auto parts = std::make_shared<ViewParts>(take_());
  // What the one before shares with nobody is not kept beside the new one. It goes on the other
  // thread, for that takes time, too.
  thread_.post([weak = weak_from_this(), &io = io_, &thread = thread_,
                before = std::exchange(view_, {}), parts = std::move(parts), version]() mutable {
    const auto began = thread_time();
    before.reset();
    View view;
    std::string why;
    try {
      view =
          std::make_shared<const ClusterView>(std::move(*parts), [&] { return thread.stopped(); });
    } catch (const std::exception& e) {
      why = e.what();
    }
    parts.reset();
    if (thread.stopped()) return;
    const auto took = thread_time() - began;
    boost::asio::post(
        io, [weak, view = std::move(view), why = std::move(why), version, took]() mutable {
          const auto self = weak.lock();
          if (self != nullptr) self->made(std::move(view), std::move(why), version, took);
        });
  });
  making_ = true;
}

void ViewKeeper::made(View view, std::string why, std::uint64_t version,
                      std::chrono::nanoseconds took) {
  if (stopped_) return;
  making_ = false;
  view_ = std::move(view);
  why_ = std::move(why);
  has_ = version;
  next_ = std::chrono::steady_clock::now() + took;
  go_on();
}

void ViewKeeper::keep() {
  if (view_ == nullptr) return;
  kept_.expires_after(kViewKept);
  kept_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->making_) return;
    self->has_ = 0;
    self->thread_.post([view = std::exchange(self->view_, {})]() mutable {
      view.reset();
      ::malloc_trim(0);
    });
  });
}

void ViewKeeper::stop() {
  if (std::exchange(stopped_, true)) return;
  thread_.stop();
  waiting_.clear();
  view_.reset();
  pause_.cancel();
  kept_.cancel();
}

}  // namespace clusterdns::app
