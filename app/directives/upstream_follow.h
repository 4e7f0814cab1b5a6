// What `forward` was told of by a file or a name, and what they say now.
#pragma once

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/directives/directive.h"
#include "app/directives/upstream_lookups.h"

namespace clusterdns::registry {
class FileWatcher;
}

namespace clusterdns::app {

// How often names are looked up again; while one of them has no address, sooner.
inline constexpr std::chrono::seconds kLookUpEvery{30};
inline constexpr std::chrono::seconds kLookUpMissing{5};

// Files in the form of resolv.conf and names of upstreams, of all `forward`s of a configuration.
// When one says something else that is of use, the configuration is wanted anew; what is empty,
// broken or gone is no change. Control thread.
class UpstreamFollow final : public Companion {
 public:
  explicit UpstreamFollow(std::shared_ptr<spdlog::logger> logger);
  ~UpstreamFollow() override;

  // That of the configuration that is being built.
  [[nodiscard]] static UpstreamFollow& of(Environment& environment);

  // A file that has just been read.
  void file(const std::filesystem::path& path);
  // The addresses that `question` has led to; none: it could not be answered.
  void name(const UpstreamLookups::Question& question, std::vector<boost::asio::ip::address> used);

  // The addresses that `question` had when it was looked up last, since the configuration has been
  // served; none: it was not, or had none. They need not be looked up again.
  [[nodiscard]] std::vector<boost::asio::ip::address> latest(
      const UpstreamLookups::Question& question) const;

  // What is done then. `what` changed: a path or a name. It may destroy this object later, not at
  // once.
  void on_change(std::function<void(const std::string& what)> changed) {
    changed_ = std::move(changed);
  }

  void start(boost::asio::io_context& io) override;
  void stop() noexcept override;

 private:
  struct File {
    std::filesystem::path path;
    std::vector<std::string> servers;  // in their order
  };
  struct Host {
    UpstreamLookups::Question question;
    std::vector<boost::asio::ip::address> used;    // in order
    std::vector<boost::asio::ip::address> latest;  // as they came
  };

  void look_at_files();
  void look_up_later();
  void look_up();
  void compare();

  const std::shared_ptr<spdlog::logger> logger_;
  std::function<void(const std::string&)> changed_;
  std::vector<File> files_;
  std::vector<Host> hosts_;
  std::unique_ptr<registry::FileWatcher> watcher_;
  std::unique_ptr<boost::asio::steady_timer> timer_;
  std::unique_ptr<UpstreamLookups> lookups_;  // under way
};

}  // namespace clusterdns::app
