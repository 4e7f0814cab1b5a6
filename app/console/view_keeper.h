// Keeps the clusters' view for those who list and explain, and does their work, on a thread of its
// own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "app/views/cluster_view.h"

namespace clusterdns::app {

// How long a view is kept that nobody asks for.
inline constexpr std::chrono::seconds kViewKept{60};

// Calls that run one after the other on a thread of their own, behind everybody else who wants the
// processor.
class BackgroundThread {
 public:
  BackgroundThread() = default;
  ~BackgroundThread();
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  // Any thread. The thread is there from the first one on.
  void post(std::function<void()> call);
  // Drops what waits, and waits for the call that runs, which may look whether it is wanted. Not
  // from a call.
  void stop();
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable something_;
  std::deque<std::function<void()>> calls_;  // guarded by mutex_
  std::atomic<bool> stopped_{false};
  std::thread thread_;  // likewise
};

// There is one view at a time, made when somebody asks and the clusters are not as they were; all
// who ask share it. While they change all the time, making views takes half of a core at
// most. Control thread, but for again().
class ViewKeeper : public std::enable_shared_from_this<ViewKeeper> {
 public:
  using View = std::shared_ptr<const ClusterView>;
  // Called on the background thread. Without a view: why there is none.
  using Use = std::function<void(const View& view, const std::string& why)>;

  // `take` is called on the control thread, until stop().
  ViewKeeper(boost::asio::io_context& io, std::function<ViewParts()> take);
  ~ViewKeeper();

  // The clusters, or what is shown of them, are not as they were.
  void changed() noexcept { ++version_; }
  // Has `use` called with a view of the clusters as they are now, or later.
  void with_view(Use use);
  // Any thread: calls `call` on the background thread, behind what waits there.
  void again(std::function<void()> call) { thread_.post(std::move(call)); }
  // Nothing is called any more. Waits for what is being made, which ends soon.
  void stop();

 private:
  struct Waiting {
    std::uint64_t version;
    Use use;
  };
  void go_on();
  void make();
  void made(View view, std::string why, std::uint64_t version, std::chrono::nanoseconds took);
  void keep();

  boost::asio::io_context& io_;
  const std::function<ViewParts()> take_;
  std::uint64_t version_ = 1;  // of the clusters
  std::uint64_t has_ = 0;      // of which version the view is
  View view_;
  std::string why_;  // there is none
  std::vector<Waiting> waiting_;
  bool making_ = false;
  bool stopped_ = false;
  std::chrono::steady_clock::time_point next_{};  // not before
  boost::asio::steady_timer pause_, kept_;
  BackgroundThread thread_;
};

}  // namespace clusterdns::app
