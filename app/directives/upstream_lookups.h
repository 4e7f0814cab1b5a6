// The addresses of what a Corefile names by a host name: upstreams of `forward`, and where
// `health`, `ready`, `prometheus` and `console` are served.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "app/directives/directive.h"
#include "registry/kubernetes/host_lookup.h"

namespace clusterdns::app {

// Names that are looked up at a time; others wait.
inline constexpr std::size_t kMaxUpstreamLookups = 16;

// Look-ups of one configuration, on threads that nobody waits for: all begin before the first is
// waited for, so that names whose servers are silent cost one limit together. Not thread-safe.
class UpstreamLookups final : public Companion {
 public:
  // A name, and whom to ask, as look_up_with_cares() takes it; empty: the machine's servers.
  using Question = std::pair<std::string, std::string>;

  UpstreamLookups();
  // What has not begun never does.
  ~UpstreamLookups() override;

  // Those of the configuration that is being built.
  [[nodiscard]] static UpstreamLookups& of(Environment& environment);
  void start(boost::asio::io_context&) override {}
  void stop() noexcept override {}

  // Again: nothing happens.
  void begin(const Question& question);
  // What came of it, which is a time-out when `limit` has passed since the first begin(). Begins it
  // if need be.
  [[nodiscard]] registry::kubernetes::HostAddresses wait(const Question& question,
                                                         std::chrono::milliseconds limit);

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

// "192.0.2.1:53,[2001:db8::1]:53" of the words of `resolver`. Throws ConfigError.
[[nodiscard]] std::string resolver_list(const Directive& line);

// What the machine, or the servers of the question, say of a name, waiting for it together with all
// other names of the configuration: 5 s at a start, as long as a resolver would, and 2 s at a
// reload, when names are served already.
[[nodiscard]] registry::kubernetes::HostAddresses look_up_host(
    Environment& environment, const UpstreamLookups::Question& question);

// `NAME:PORT` with the name's address in its place: the first IPv4 one, else the first one; at a
// reload the one it had before if it is not found. Other words stay as they are. While only
// checking nothing is looked up, and an address of loopback stands for the name. Throws
// ConfigError.
[[nodiscard]] Token with_address(const Token& token, Environment& environment);

// Begins to look up the names that directives have.
void prepare_lookups(const Corefile& corefile, Environment& environment);

}  // namespace clusterdns::app
