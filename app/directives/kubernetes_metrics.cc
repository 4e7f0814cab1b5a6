#include "app/directives/kubernetes_metrics.h"

#include <chrono>
#include <cstdlib>

namespace clusterdns::app {

void collect_kubernetes(const registry::kubernetes::KubernetesStatus& status, Exposition& out) {
  for (const auto& [labels, count] : status.requests) {
    const auto& [code, method, host] = labels;
    out.counter("coredns_kubernetes_rest_client_requests_total",
                "Number of HTTP requests, partitioned by status code, method, and host.",
                {{"code", code}, {"host", host}, {"method", method}}, static_cast<double>(count));
  }
  for (const auto& [labels, h] : status.request_seconds) {
    const auto& [verb, host] = labels;
    out.histogram("coredns_kubernetes_rest_client_request_duration_seconds",
                  "Request latency in seconds. Broken down by verb and host.",
                  {{"host", host}, {"verb", verb}}, h.bounds, h.counts, h.sum);
  }
  for (const auto& [kind, h] : status.programming_seconds) {
    out.histogram("coredns_kubernetes_dns_programming_duration_seconds",
                  "Histogram of the time (in seconds) it took to program a dns instance.",
                  {{"service_kind", kind}}, h.bounds, h.counts, h.sum);
  }
  out.gauge("clusterdns_kubernetes_synced", "1 when every kind of objects has been listed.", {},
            status.synced ? 1 : 0);
  out.gauge("clusterdns_kubernetes_from_snapshot",
            "1 while a snapshot is served in place of what the API server has.", {},
            status.from_snapshot ? 1 : 0);
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [kind, s] : status.kinds) {
    const auto count = [&out, &name = kind](std::string_view metric, std::string_view help,
                                            std::uint64_t value) {
      out.counter(metric, help, {{"kind", name}}, static_cast<double>(value));
    };
    count("clusterdns_kubernetes_lists_total", "Lists that were read to the end.", s.lists);
    count("clusterdns_kubernetes_watches_total", "Watches that were opened.", s.watches);
    count("clusterdns_kubernetes_dead_watches_total",
          "Watches given up because they were silent beyond their lease.", s.watches_dead);
    count("clusterdns_kubernetes_events_total", "Events of watches, bookmarks included.", s.events);
    count("clusterdns_kubernetes_unreadable_total",
          "Objects left out because they could not be read.", s.unreadable);
    for (const auto& [change, value] :
         {std::pair<std::string_view, std::uint64_t>{"added", s.repairs_added},
          {"changed", s.repairs_changed},
          {"removed", s.repairs_removed}}) {
      out.counter("clusterdns_kubernetes_relist_repairs_total",
                  "Differences that a new list found, and repaired.",
                  {{"change", change}, {"kind", kind}}, static_cast<double>(value));
    }
    for (const auto& [code, value] : s.list_errors) {
      const std::string text = std::to_string(code);
      out.counter("clusterdns_kubernetes_list_errors_total",
                  "Lists that failed, by HTTP status; 0 without one.",
                  {{"code", text}, {"kind", kind}}, static_cast<double>(value));
    }
    for (const auto& [code, value] : s.watch_errors) {
      const std::string text = std::to_string(code);
      out.counter("clusterdns_kubernetes_watch_errors_total",
                  "Watches that failed, by HTTP status; 0 without one.",
                  {{"code", text}, {"kind", kind}}, static_cast<double>(value));
    }
    if (s.ever_heard()) {
      out.gauge("clusterdns_kubernetes_last_event_age_seconds",
                "Time since the API server last sent anything of this kind.", {{"kind", kind}},
                std::chrono::duration<double>(now - s.last_event).count());
    }
    if (!s.resource_version.empty()) {
      out.gauge("clusterdns_kubernetes_resource_version", "The version that is served.",
                {{"kind", kind}}, std::strtod(s.resource_version.c_str(), nullptr));
    }
  }
}

}  // namespace clusterdns::app
