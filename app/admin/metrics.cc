#include "app/admin/metrics.h"

#include <algorithm>
#include <array>

#include "app/base/version.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

using dns::RouteCounters;

template <std::size_t N, std::size_t M>
void add(std::array<std::uint64_t, N>& to, const std::array<dns::Counter, M>& from) {
  static_assert(N <= M);
  for (std::size_t i = 0; i < N; ++i) to[i] += from[i].get();
}

template <std::size_t N>
bool any(const std::array<std::uint64_t, N>& counts) {
  return std::any_of(counts.begin(), counts.end(), [](std::uint64_t n) { return n != 0; });
}

constexpr std::string_view kSizeHelp[] = {
    "Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.",
    "Size of the returned response in bytes."};

void collect_route(Exposition& out, const RouteCounters& counters, const std::string& server,
                   const std::string& zone, const std::string& view) {
  static const std::vector<double> kSizes(RouteCounters::kSizeBounds.begin(),
                                          RouteCounters::kSizeBounds.end());
  static const std::vector<double> kDurations = [] {
    std::vector<double> bounds;
    for (std::size_t i = 0; i < RouteCounters::kDurationBounds; ++i) {
      bounds.push_back(static_cast<double>(RouteCounters::duration_bound_ns(i)) / 1e9);
    }
    return bounds;
  }();
  const auto& cells = counters.cells();
  std::uint64_t dnssec_ok = 0;
  for (unsigned net = 0; net < 4; ++net) {
    std::array<std::uint64_t, RouteCounters::kTypes.size() + 1> types{};
    for (const auto& cell : cells) add(types, cell.requests[net]);
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (types[i] == 0) continue;
      const std::string type =
          i == RouteCounters::kOtherType ? "other" : dns::rrtype_to_text(RouteCounters::kTypes[i]);
      out.counter("coredns_dns_requests_total",
                  "Counter of DNS requests made per zone, protocol and family.",
                  {{"family", net % 2 == 0 ? "1" : "2"},
                   {"proto", net < 2 ? "udp" : "tcp"},
                   {"server", server},
                   {"type", type},
                   {"view", view},
                   {"zone", zone}},
                  static_cast<double>(types[i]));
    }
  }
  const auto sizes = [&](std::string_view name, std::string_view help, auto member) {
    for (unsigned tcp = 0; tcp < 2; ++tcp) {
      std::array<std::uint64_t, RouteCounters::kSizeBounds.size() + 1> counts{};
      std::uint64_t sum = 0;
      for (const auto& cell : cells) {
        add(counts, (cell.*member)[tcp].buckets);
        sum += (cell.*member)[tcp].sum.get();
      }
      if (!any(counts)) continue;
      out.histogram(
          name, help,
          {{"proto", tcp == 0 ? "udp" : "tcp"}, {"server", server}, {"view", view}, {"zone", zone}},
          kSizes, counts, static_cast<double>(sum));
    }
  };
  sizes("coredns_dns_request_size_bytes", kSizeHelp[0], &RouteCounters::Cell::request_size);
  sizes("coredns_dns_response_size_bytes", kSizeHelp[1], &RouteCounters::Cell::response_size);

  RouteCounters::Durations fine{};
  std::uint64_t sum_ns = 0;
  for (const auto& cell : cells) {
    add(fine, cell.duration.buckets);
    sum_ns += cell.duration.sum_ns.get();
    dnssec_ok += cell.dnssec_ok.get();
  }
  const Exposition::Labels block{{"server", server}, {"view", view}, {"zone", zone}};
  if (const auto durations = RouteCounters::coarse(fine); any(durations)) {
    out.histogram("coredns_dns_request_duration_seconds",
                  "Histogram of the time (in seconds) each request took per zone.", block,
                  kDurations, durations, static_cast<double>(sum_ns) / 1e9);
  }
  if (dnssec_ok != 0) {
    out.counter("coredns_dns_do_requests_total",
                "Counter of DNS requests with DO bit set per zone.", block,
                static_cast<double>(dnssec_ok));
  }
  for (std::size_t stage = 0; stage <= counters.stages().size(); ++stage) {
    for (std::size_t rcode = 0; rcode < RouteCounters::kRcodes; ++rcode) {
      std::uint64_t n = 0;
      for (const auto& cell : cells)
        n += cell.responses[stage * RouteCounters::kRcodes + rcode].get();
      if (n == 0) continue;
      out.counter("coredns_dns_responses_total", "Counter of response status codes.",
                  {{"plugin", stage == 0 ? "" : counters.stages()[stage - 1]},
                   {"rcode", dns::rcode_to_text(static_cast<std::uint16_t>(rcode))},
                   {"server", server},
                   {"view", view},
                   {"zone", zone}},
                  static_cast<double>(n));
    }
  }
}

}  // namespace

std::shared_ptr<RouteCounters> Metrics::route(const std::string& server, const std::string& zone,
                                              const std::string& view,
                                              std::vector<std::string> stages, unsigned workers,
                                              bool exported) {
  const std::lock_guard lock(mutex_);
  auto& [counters, shown] = routes_[{server, zone, view, stages}];
  shown = exported;
  if (counters == nullptr || counters->cells().size() < workers) {
    counters = std::make_shared<RouteCounters>(workers, std::move(stages));
  }
  return counters;
}

std::shared_ptr<dns::HttpCounters> Metrics::https(const std::string& server, unsigned workers) {
  const std::lock_guard lock(mutex_);
  auto& counters = https_[server];
  if (counters == nullptr || counters->cells().size() < workers) {
    counters = std::make_shared<dns::HttpCounters>(workers);
  }
  return counters;
}

void Metrics::replace(std::vector<Plugin> plugins, std::vector<Collector> collectors) {
  const std::lock_guard lock(mutex_);
  Exposition last;
  for (const Collector& collect : collectors_) {
    const bool goes_on = collect.of != nullptr &&
                         std::any_of(collectors.begin(), collectors.end(),
                                     [&](const Collector& each) { return each.of == collect.of; });
    if (!goes_on) collect(last);
  }
  retired_.add_totals(last);
  plugins_ = std::move(plugins);
  collectors_ = std::move(collectors);
}

void Metrics::add(Collector collector) {
  const std::lock_guard lock(mutex_);
  permanent_.push_back(std::move(collector));
}

RouteCounters::Durations Metrics::durations() const {
  RouteCounters::Durations sums{};
  const std::lock_guard lock(mutex_);
  for (const auto& [key, route] : routes_) {
    for (const auto& cell : route.counters->cells()) app::add(sums, cell.duration.buckets);
  }
  return sums;
}

std::string Metrics::text() const {
  Exposition out;
  const std::lock_guard lock(mutex_);
  out.gauge("coredns_build_info",
            "A metric with a constant '1' value labeled by version, revision, and goversion from "
            "which CoreDNS was built.",
            {{"goversion", ""}, {"revision", ""}, {"version", version_number()}}, 1);
  for (const Plugin& plugin : plugins_) {
    out.gauge("coredns_plugin_enabled",
              "A metric that indicates whether a plugin is enabled on per server and zone basis.",
              {{"name", plugin.name},
               {"server", plugin.server},
               {"view", plugin.view},
               {"zone", plugin.zone}},
              1);
  }
  for (const auto& [key, route] : routes_) {
    if (!route.exported) continue;
    collect_route(out, *route.counters, std::get<0>(key), std::get<1>(key), std::get<2>(key));
  }
  for (const auto& [server, counters] : https_) {
    for (std::size_t i = 0; i < dns::kHttpStatuses.size(); ++i) {
      std::uint64_t n = 0;
      for (const auto& cell : counters->cells()) n += cell.responses[i].get();
      if (n == 0) continue;
      out.counter("coredns_dns_https_responses_total",
                  "Counter of DoH responses per server and http status code.",
                  {{"server", server}, {"status", std::to_string(dns::kHttpStatuses[i])}},
                  static_cast<double>(n));
    }
  }
  // As CoreDNS has it, also without `hosts`; what a file says is added to it.
  out.gauge("coredns_hosts_reload_timestamp_seconds",
            "The timestamp of the last reload of hosts file.", {}, 0);
  out.add_totals(retired_);
  for (const Collector& collect : permanent_) collect(out);
  for (const Collector& collect : collectors_) collect(out);
  collect_process(out);
  return out.text();
}

void SharedHistogram::observe(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  const std::lock_guard lock(mutex_);
  ++counts_[static_cast<std::size_t>(at)];
  sum_ += value;
}

void SharedHistogram::collect(Exposition& out, std::string_view name, std::string_view help) const {
  const std::lock_guard lock(mutex_);
  out.histogram(name, help, {}, bounds_, counts_, sum_);
}

}  // namespace clusterdns::app
