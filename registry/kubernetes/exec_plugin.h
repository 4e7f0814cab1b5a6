// Runs a credential plugin of a kubeconfig (client.authentication.k8s.io).
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "registry/kubernetes/config.h"

namespace clusterdns::registry::kubernetes {

struct ExecCredential {
  std::string token;
  std::string client_certificate_data, client_key_data;  // PEM
  std::optional<std::chrono::system_clock::time_point> expires;
};

// What a plugin printed. Throws ConfigProblem when it is no credential.
[[nodiscard]] ExecCredential parse_exec_credential(const std::string& output,
                                                   const std::string& command);

// One run at a time, as a child process; never blocks. All on the io_context's thread.
class ExecPluginRun {
 public:
  using Done = std::function<void(const std::string& error, ExecCredential credential)>;

  // `limit`: a plugin that takes longer is killed and the run has failed.
  ExecPluginRun(boost::asio::io_context& io, std::chrono::milliseconds limit);
  ~ExecPluginRun();
  ExecPluginRun(const ExecPluginRun&) = delete;
  ExecPluginRun& operator=(const ExecPluginRun&) = delete;

  // `cluster` is told to the plugin when it wants to know. `done` comes once, later; not at all
  // when this dies first, which also ends the child.
  void start(const ExecPlugin& plugin, const ApiConfig& cluster, Done done);
  [[nodiscard]] bool running() const noexcept { return run_ != nullptr; }

 private:
  struct Run;
  boost::asio::io_context& io_;
  std::chrono::milliseconds limit_;
  std::shared_ptr<Run> run_;
};

// RFC 3339, any fraction of a second; nullopt when it is not.
[[nodiscard]] std::optional<std::chrono::system_clock::time_point> parse_rfc3339(
    std::string_view text);

}  // namespace clusterdns::registry::kubernetes
