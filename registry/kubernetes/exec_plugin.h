// Runs a credential plugin of a kubeconfig (client.authentication.k8s.io).
#pragma once

#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/background.h"
#include "registry/kubernetes/config.h"

namespace clusterdns::registry::kubernetes {

// Octets that a plugin may print, and octets that it may write to its standard error.
inline constexpr std::size_t kMaxPluginOutput = std::size_t{1024} * 1024;

struct ExecCredential {
  std::string token;
  std::string client_certificate_data, client_key_data;  // PEM
  std::optional<std::chrono::system_clock::time_point> expires;
};

// The soft limit of open files (RLIMIT_NOFILE) that plugins start with: for a process that has
// raised its own, which programs that use select(2) do not survive. Without a call they have this
// process's. Before the first run; not thread-safe.
void set_plugin_open_files(rlim_t soft_limit) noexcept;

// What a plugin printed. Throws ConfigProblem when it is not a credential.
[[nodiscard]] ExecCredential parse_exec_credential(const std::string& output,
                                                   const std::string& command);

// The environment of a plugin, as NAME=VALUE: `base` (as environ(7)) with the plugin's own
// variables and KUBERNETES_EXEC_INFO in the place of those that have their names. Each name is
// there once; of several with one name the last counts.
[[nodiscard]] std::vector<std::string> plugin_environment(const char* const* base,
                                                          const ExecPlugin& plugin,
                                                          const std::string& exec_info);

// One run at a time, as a child process in a group of its own, minded by a thread; never blocks.
// All on the io_context's thread.
class ExecPluginRun {
 public:
  using Done = std::function<void(const std::string& error, ExecCredential credential)>;

  // `limit`: a plugin that takes longer is killed, with what it started, and the run has failed.
  ExecPluginRun(boost::asio::io_context& io, std::chrono::milliseconds limit);
  ~ExecPluginRun();
  ExecPluginRun(const ExecPluginRun&) = delete;
  ExecPluginRun& operator=(const ExecPluginRun&) = delete;

  // `cluster` is told to the plugin when it wants to know. `done` comes once, later; not at all
  // after cancel(), which also ends the child, as does the end of this.
  void start(const ExecPlugin& plugin, const ApiConfig& cluster, Done done);
  void cancel();
  [[nodiscard]] bool running() const noexcept { return result_ != nullptr; }

 private:
  class Child;
  struct Result {
    std::string problem;
    ExecCredential credential;
  };
  static Result run(const ExecPlugin& plugin, std::vector<std::string> environment,
                    std::chrono::milliseconds limit, Child& child);

  boost::asio::io_context& io_;
  std::chrono::milliseconds limit_;
  std::shared_ptr<Child> child_;
  std::shared_ptr<Delivery<Result>> result_;
};

// RFC 3339, any fraction of a second; nullopt when it is not. What the clock cannot hold becomes
// its first or last time.
[[nodiscard]] std::optional<std::chrono::system_clock::time_point> parse_rfc3339(
    std::string_view text);

}  // namespace clusterdns::registry::kubernetes
