// Calls that may block, on threads of their own, with the result brought back to an io_context.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace clusterdns::registry {

// Starts `work` on a thread that nobody waits for: a call that never returns must not keep the
// program from ending. The thread takes no signals; these are for others. False: the system has no
// thread for it, or no memory.
template <class Work>
[[nodiscard]] bool run_detached(Work work) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread(std::move(work)).detach();
  } catch (const std::exception&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

// What `work` returns or throws, if that takes no longer than `limit`; nullopt otherwise, and then
// `work` goes on without anybody.
template <class Work>
[[nodiscard]] auto call_within(std::chrono::milliseconds limit, Work work)
    -> std::optional<std::invoke_result_t<Work&>> {
  using Result = std::invoke_result_t<Work&>;
  auto promise = std::make_shared<std::promise<Result>>();
  std::future<Result> result = promise->get_future();
  const bool started = run_detached([promise, work = std::move(work)]() mutable {
    try {
      promise->set_value(work());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  });
  if (!started || result.wait_for(limit) != std::future_status::ready) return std::nullopt;
  return result.get();
}

// Where a result is brought to: a handler on an io_context's thread, which may lose interest.
// Everything but put() is for the io_context's thread.
template <class Result>
class Delivery : public std::enable_shared_from_this<Delivery<Result>> {
 public:
  using Done = std::function<void(Result)>;

  // The io_context has work until the result is delivered or abandoned.
  Delivery(boost::asio::io_context& io, Done done)
      : io_(&io), work_(boost::asio::make_work_guard(io)), done_(std::move(done)) {}

  // Any thread, once.
  void put(Result result) {
    const std::lock_guard lock(mutex_);
    result_ = std::move(result);
    there_.notify_all();
    if (io_ == nullptr) return;
    boost::asio::post(*io_, [self = this->shared_from_this()] { self->deliver(); });
  }
  // The handler is not called any more; the io_context may go.
  void abandon() {
    const std::lock_guard lock(mutex_);
    io_ = nullptr;
    work_.reset();
    done_ = nullptr;
  }
  // Any thread.
  [[nodiscard]] bool abandoned() {
    const std::lock_guard lock(mutex_);
    return io_ == nullptr;
  }
  // Waits for the result and takes it, in place of the handler. nullopt: it did not come in time.
  [[nodiscard]] std::optional<Result> wait_for(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!there_.wait_for(lock, limit, [this] { return result_.has_value(); })) return std::nullopt;
    done_ = nullptr;
    return std::move(result_);
  }

 private:
  void deliver() {
    Done done;
    std::optional<Result> result;
    {
      const std::lock_guard lock(mutex_);
      work_.reset();
      done = std::exchange(done_, nullptr);
      if (done) result = std::move(result_);
    }
    if (done) done(std::move(*result));
  }

  std::mutex mutex_;
  std::condition_variable there_;
  boost::asio::io_context* io_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  Done done_;
  std::optional<Result> result_;
};

}  // namespace clusterdns::registry
