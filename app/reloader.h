// Serves a Corefile and what becomes of it: reads it again on a signal, and when `reload` says so on
// every change.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/logger.h>

#include "app/instance.h"
#include "registry/manifests/file_watcher.h"

namespace clusterdns::app {

// Control thread.
class Reloader {
 public:
  // `read` throws ConfigError. `instance` outlives this, and this whatever `io` still runs.
  Reloader(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
           std::function<Corefile()> read, Instance& instance);
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // The first configuration; throws what is wrong with it.
  void start();
  // Reads again, changed or not. What is wrong is logged and counted, and what was served goes on.
  void reload();
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
  // Reads, and serves if it is another configuration than the one that is served.
  void look();
  void failed(const std::string& what);
  // Follows the files that `corefile` came from, as its `reload` says.
  void follow(const Corefile& corefile);
  void wait();

  boost::asio::io_context& io_;
  std::shared_ptr<spdlog::logger> logger_;
  std::function<Corefile()> read_;
  Instance& instance_;
  std::function<void()> served_;
  std::shared_ptr<Figures> figures_ = std::make_shared<Figures>();
  std::string served_digest_;
  std::string last_error_;  // said already; empty: the last look found nothing wrong
  std::unique_ptr<registry::FileWatcher> watcher_;
  boost::asio::steady_timer timer_;
  std::minstd_rand random_{std::random_device{}()};
  bool stopped_ = false;
};

// SHA-512 of what a Corefile says after imports and environment, hexadecimal.
[[nodiscard]] std::string configuration_digest(const Corefile& corefile);

}  // namespace clusterdns::app
