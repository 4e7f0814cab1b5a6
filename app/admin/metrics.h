// Everything that /metrics shows. One for each server; it outlives configurations, so that counters
// never go back at a reload.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/admin/exposition.h"
#include "dns/http/http_counters.h"
#include "dns/query/route_counters.h"

namespace clusterdns::app {

// Any thread.
class Metrics {
 public:
  // Writes samples; called by whoever scrapes, with the lock of this object held.
  // Adds what somebody counted.
  struct Collector {
    template <class Collect>
    requires std::is_invocable_v<Collect&, Exposition&> Collector(
        Collect function, std::shared_ptr<const void> counter = {})
        : collect(std::move(function)), of(std::move(counter)) {}
    void operator()(Exposition& out) const { collect(out); }

    std::function<void(Exposition&)> collect;
    // Who counts. One that a next configuration has, too, goes on; nullptr: not known.
    std::shared_ptr<const void> of;
  };

  // What is counted of one server block: the same object for the same labels and stages, also after
  // a reload. text() has it if it is `exported`.
  [[nodiscard]] std::shared_ptr<dns::RouteCounters> route(const std::string& server,
                                                          const std::string& zone,
                                                          const std::string& view,
                                                          std::vector<std::string> stages,
                                                          unsigned workers, bool exported = true);
  // How long queries took, all blocks together.
  [[nodiscard]] dns::RouteCounters::Durations durations() const;

  // The same of HTTP responses of one listener.
  [[nodiscard]] std::shared_ptr<dns::HttpCounters> https(const std::string& server,
                                                         unsigned workers);

  struct Plugin {
    std::string server, zone, view, name;
  };
  // Of the configuration that is served from now on. What the collectors of the one before had
  // counted is kept.
  void replace(std::vector<Plugin> plugins, std::vector<Collector> collectors);
  // For as long as this object.
  void add(Collector collector);

  [[nodiscard]] std::string text() const;

 private:
  using Key = std::tuple<std::string, std::string, std::string, std::vector<std::string>>;

  mutable std::mutex mutex_;
  struct Route {
    std::shared_ptr<dns::RouteCounters> counters;
    bool exported = true;
  };
  std::map<Key, Route> routes_;
  std::map<std::string, std::shared_ptr<dns::HttpCounters>> https_;  // by server
  std::vector<Plugin> plugins_;
  std::vector<Collector> permanent_;
  std::vector<Collector> collectors_;
  Exposition retired_;  // totals of collectors that are gone
};

// What client_golang tells of a process, under the same names; Linux's /proc is the source.
void collect_process(Exposition& out);

// A histogram that any thread observes; for what happens rarely.
class SharedHistogram {
 public:
  explicit SharedHistogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  void observe(double value);
  void collect(Exposition& out, std::string_view name, std::string_view help) const;

 private:
  const std::vector<double> bounds_;
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

}  // namespace clusterdns::app
