// What the source of the Kubernetes API tells about itself, as plain numbers.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace clusterdns::registry::kubernetes {

// Counts of durations by upper bounds; the last bucket has none.
template <std::size_t N>
struct Histogram {
  std::array<double, N> bounds{};  // seconds, ascending
  std::array<std::uint64_t, N + 1> counts{};
  double sum = 0;

  void observe(double seconds) noexcept {
    std::size_t i = 0;
    while (i < N && seconds > bounds[i]) ++i;
    ++counts[i];
    sum += seconds;
  }
};

using RequestHistogram = Histogram<11>;
using ProgrammingHistogram = Histogram<20>;

// The bounds of the Prometheus clients' default buckets.
[[nodiscard]] RequestHistogram make_request_histogram() noexcept;
// 1 ms, doubled 19 times: CoreDNS's.
[[nodiscard]] ProgrammingHistogram make_programming_histogram() noexcept;

// One kind of objects ("services", "endpointslices", "namespaces", "pods", "serviceimports").
struct KindStatus {
  bool synced = false;             // listed once, completely
  bool watching = false;           // a watch is open now
  bool off = false;                // optional, and the API server does not give it to us
  std::string resource_version;    // that the store is at
  std::uint64_t lists = 0;         // completed
  std::uint64_t watches = 0;       // opened
  std::uint64_t watches_dead = 0;  // given up because nothing came within the lease
  std::uint64_t events = 0;
  std::uint64_t repairs_added = 0, repairs_changed = 0, repairs_removed = 0;  // found by relists
  std::uint64_t unreadable = 0;  // objects left out because they make no sense
  // Failed requests by HTTP status; 0: no answer.
  std::map<unsigned, std::uint64_t> list_errors, watch_errors;
  // When the API server last said anything about the kind, bookmarks included.
  std::chrono::steady_clock::time_point last_event{};
  [[nodiscard]] bool ever_heard() const noexcept {
    return last_event.time_since_epoch().count() != 0;
  }
};

struct KubernetesStatus {
  bool synced = false;         // every kind was listed
  bool from_snapshot = false;  // serving what a snapshot said, until `synced`
  std::map<std::string, KindStatus> kinds;
  // By code ("200", "<error>"), method ("GET") and host.
  std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> requests;
  // By verb ("GET") and host.
  std::map<std::tuple<std::string, std::string>, RequestHistogram> request_seconds;
  // By service kind ("cluster_ip", "headless_with_selector").
  std::map<std::string, ProgrammingHistogram> programming_seconds;
};

}  // namespace clusterdns::registry::kubernetes
