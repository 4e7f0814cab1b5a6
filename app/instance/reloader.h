// Serves a Corefile and what becomes of it: reads it again on a signal, and when `reload` says so
// on every change.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "app/instance/instance.h"
#include "registry/files/file_watcher.h"

namespace clusterdns::app {

// Control thread.
class Reloader {
 public:
  // A file that is written in place is empty first, and then a part of itself, which may well be a
  // Corefile. So long must one stay as it is before it is served, or complained about, unless a
  // signal asks for it.
  static constexpr std::chrono::milliseconds kSettle{250};

  // `read` throws ConfigError. `from_file`: a Corefile's files can be followed; not so one from
  // standard input or from options. `always`: they are, even when the Corefile has no `reload`.
  // `instance` outlives this, and this whatever `io` still runs.
  Reloader(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
           std::function<Corefile()> read, bool from_file, Instance& instance, bool always = false);
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // The first configuration; throws what is wrong with it.
  void start();
  // Reads again, changed or not. What is wrong is logged and counted, and what was served goes on.
  void reload();
  // What was wrong with the configuration when it was read last; empty: nothing.
  [[nodiscard]] const std::string& error() const noexcept { return last_error_; }
  // No reload any more.
  void stop();
  // Called when a configuration is served, the first too.
  void on_served(std::function<void()> call) { served_ = std::move(call); }

 private:
  // What the collector of /metrics sees.
  struct Figures {
    std::atomic<std::uint64_t> failed{0};
    std::mutex mutex;
    std::string sha512;  // of the configuration that is served, hexadecimal
  };

  void warn(const Corefile& corefile);
  void serve(const Corefile& corefile);
  // Reads, and serves if it is another configuration than the one that is served and has stayed
  // the same for kSettle.
  void look();
  // What has been read, or what is wrong with it: is it as it was kSettle ago? If not, looks again
  // then.
  bool settled(const std::string& seen);
  void failed(const std::string& what);
  // Follows the files that `corefile` came from, as its `reload` says.
  void follow(const Corefile& corefile);
  void wait();
  // Whether and how files are followed.
  [[nodiscard]] std::optional<ReloadPlan> plan() const;

  boost::asio::io_context& io_;
  std::shared_ptr<spdlog::logger> logger_;
  std::function<Corefile()> read_;
  const bool from_file_;
  const bool always_;
  Instance& instance_;
  std::function<void()> served_;
  std::shared_ptr<Figures> figures_ = std::make_shared<Figures>();
  std::string served_digest_;
  std::string last_error_;  // said already; empty: the last look found nothing wrong
  std::unique_ptr<registry::FileWatcher> watcher_;
  std::string seen_;  // by the last look: a digest, or an error
  std::chrono::steady_clock::time_point seen_since_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer settle_timer_;
  std::minstd_rand random_{std::random_device{}()};
  bool stopped_ = false;
};

// SHA-512 of what a Corefile says after imports and environment, hexadecimal.
[[nodiscard]] std::string configuration_digest(const Corefile& corefile);

}  // namespace clusterdns::app
