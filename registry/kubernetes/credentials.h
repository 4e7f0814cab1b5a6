// Who we are to the API server, kept current: files are read again when they change.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/logger.h>

#include "registry/kubernetes/config.h"
#include "registry/kubernetes/exec_plugin.h"

namespace clusterdns::registry::kubernetes {

// All on the io_context's thread.
class Credentials {
 public:
  Credentials(boost::asio::io_context& io, ApiConfig config,
              std::shared_ptr<spdlog::logger> logger);

  // Calls `ready` when what follows may be asked, at once unless a credential plugin has to run
  // first; with an error text when there is nothing usable yet.
  void prepare(std::function<void(const std::string& error)> ready);

  [[nodiscard]] const std::vector<ApiServer>& servers() const noexcept { return config_.servers; }
  // For one that is reached over TLS. Old connections keep the one they began with.
  [[nodiscard]] const std::shared_ptr<boost::asio::ssl::context>& tls() const noexcept {
    return tls_;
  }
  // Changes with every new `tls()`.
  [[nodiscard]] std::uint64_t tls_generation() const noexcept { return tls_generation_; }
  // The Authorization header's value for that server; empty: none. Nobody is told without TLS.
  [[nodiscard]] std::string_view authorization(const ApiServer& server) const noexcept {
    return server.tls ? std::string_view(authorization_) : std::string_view();
  }
  // The name that the server's certificate must be for.
  [[nodiscard]] const std::string& server_name(const ApiServer& server) const noexcept {
    return config_.tls_server_name.empty() ? server.host : config_.tls_server_name;
  }
  [[nodiscard]] bool verifies() const noexcept { return !config_.insecure_skip_tls_verify; }

  // The server did not accept us: everything is read again, a plugin asked again, at the next
  // prepare(); a plugin that did not help not before a while.
  void rejected();

 private:
  // Tells whether a file is another one than before.
  struct Stamp {
    std::int64_t mtime = -1;
    std::int64_t size = -1;
    ino_t inode = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  static Stamp stamp_of(const std::filesystem::path& file);
  static std::vector<Stamp> stamps_of(const std::vector<std::filesystem::path>& files);
  [[nodiscard]] std::vector<Stamp> stamps(bool of_tls) const;

  void reload_kubeconfig();
  void reload_token();
  void reload_tls();
  void start_plugin();
  void plugin_ended(const std::string& error, ExecCredential credential);
  [[nodiscard]] bool plugin_is_due() const;
  [[nodiscard]] bool has_plugin_credential() const;
  // Reads what has changed, and tells `ready`.
  void settle(const std::function<void(const std::string& error)>& ready);

  ApiConfig config_;
  std::shared_ptr<spdlog::logger> logger_;
  bool stale_ = true;  // read everything at the next prepare()
  std::vector<Stamp> kubeconfig_stamps_, token_stamps_, tls_stamps_;
  std::string authorization_;
  std::string token_error_, tls_error_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  std::uint64_t tls_generation_ = 0;

  ExecPluginRun plugin_;
  ExecCredential plugin_credential_;
  bool plugin_asked_ = false;  // and not rejected since
  std::string plugin_error_;   // of the last run
  bool plugin_helped_ = true;  // the last run gave what is not known to be of no use
  std::chrono::milliseconds plugin_pause_{0};  // after the last run
  std::chrono::steady_clock::time_point plugin_again_{};
  std::vector<std::function<void(const std::string&)>> waiting_;  // for the run to end
  std::string logged_;  // the last problem told, so that it is told once
};

}  // namespace clusterdns::registry::kubernetes
