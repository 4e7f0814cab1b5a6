// What the console wants of the server that it shows.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/directives/directive.h"
#include "dns/query/route_counters.h"
#include "dns/server/configuration.h"

namespace clusterdns::app {

// Control thread.
class ConsoleHost {
 public:
  ConsoleHost() = default;
  ConsoleHost(const ConsoleHost&) = delete;
  ConsoleHost& operator=(const ConsoleHost&) = delete;
  virtual ~ConsoleHost() = default;

  // What is served.
  [[nodiscard]] virtual const Environment& served_environment() const = 0;
  [[nodiscard]] virtual const dns::Configuration& served_configuration() const = 0;
  [[nodiscard]] virtual bool is_ready() const = 0;
  // Of all queries since the start. Counts of what a reload has replaced may be gone.
  struct Figures {
    std::uint64_t queries = 0;
    dns::RouteCounters::Durations durations{};
    std::uint64_t cache_requests = 0, cache_hits = 0;
  };
  [[nodiscard]] virtual Figures query_figures() const = 0;
  // How much of the past a console is to show.
  [[nodiscard]] virtual std::chrono::nanoseconds history() const = 0;
  // See dns::Server::ask.
  virtual void ask(std::shared_ptr<const dns::ListenerRoutes> routes,
                   std::vector<std::uint8_t> request, std::size_t size, const dns::Endpoint& client,
                   std::function<void(std::vector<std::uint8_t>)> done) = 0;

  struct Configured {
    std::string corefile;  // as it stands on disk
    double loaded = 0;     // when it was served, in seconds since 1970
    std::string error;     // why a later one is not; empty: there is none
  };
  [[nodiscard]] virtual Configured configured() const = 0;
  // Reads it again; what is wrong with it, empty: nothing.
  virtual std::string reload() = 0;

  // Shows every answer to `observer` from now on; nullptr: to nobody, and queries pay nothing then.
  virtual void watch_queries(std::shared_ptr<dns::AnswerObserver> observer) = 0;
};

}  // namespace clusterdns::app
