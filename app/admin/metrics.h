// Everything that /metrics shows. One for each server; it outlives configurations, so that counters
// never go back at a reload.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "app/admin/exposition.h"
#include "dns/query/route_counters.h"

namespace clusterdns::app {

// Any thread.
class Metrics {
 public:
  // Writes samples; called by whoever scrapes, with the lock of this object held.
  using Collector = std::function<void(Exposition&)>;

  // What is counted of one server block: the same object for the same labels and stages, also after
  // a reload.
  [[nodiscard]] std::shared_ptr<dns::RouteCounters> route(const std::string& server,
                                                          const std::string& zone,
                                                          const std::string& view,
                                                          std::vector<std::string> stages,
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
  std::map<Key, std::shared_ptr<dns::RouteCounters>> routes_;
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
