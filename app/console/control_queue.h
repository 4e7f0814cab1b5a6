// The way from the HTTP thread to the control thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace clusterdns::app {

// Calls run on the control thread one after the other, each behind what else waits there: changes
// of the cluster wait for one of them at most, however many there are. Their number is bounded by
// the connections of the HTTP server.
class ControlQueue : public std::enable_shared_from_this<ControlQueue> {
 public:
  // REQUIRES: `io` outlives the last post().
  explicit ControlQueue(boost::asio::io_context& io) : io_(io) {}

  // Any thread. Dropped when it is closed.
  void post(std::function<void()> call) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      calls_.push_back(std::move(call));
      if (calls_.size() > 1) return;
    }
    wake();
  }
  // Control thread: nothing runs any more.
  void close() {
    std::deque<std::function<void()>> dropped;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(calls_);
  }

 private:
  void wake() {
    boost::asio::post(io_, [self = shared_from_this()] { self->run_one(); });
  }
  void run_one() {
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex_);
      if (calls_.empty()) return;
      call = std::move(calls_.front());
    }
    call();
    {
      const std::lock_guard lock(mutex_);
      if (calls_.empty()) return;
      calls_.pop_front();
      if (calls_.empty()) return;
    }
    wake();
  }

  boost::asio::io_context& io_;
  std::mutex mutex_;
  std::deque<std::function<void()>> calls_;  // guarded by mutex_; the first one may be running
  bool closed_ = false;                      // likewise
};

}  // namespace clusterdns::app
