#include "app/directives/stage_metrics.h"

#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

double number(std::uint64_t n) { return static_cast<double>(n); }

// The first 16 of kDurationBuckets, in seconds.
std::vector<double> duration_bounds() {
  std::vector<double> bounds;
  for (double bound = 0.00025; bounds.size() + 1 < dns::kDurationBuckets; bound *= 2) {
    bounds.push_back(bound);
  }
  return bounds;
}

std::string rcode_label(std::size_t rcode) {
  return rcode + 1 == dns::kCountedRcodes ? "OTHER"
                                          : dns::rcode_to_text(static_cast<std::uint16_t>(rcode));
}

}  // namespace

Metrics::Collector cache_metrics(std::shared_ptr<dns::AnswerCache> cache, std::string server,
                                 std::string zones) {
  const auto collect = [cache, server = std::move(server),
                        zones = std::move(zones)](Exposition& out) {
    const auto totals = cache->totals();
    const Exposition::Labels all{{"server", server}, {"view", ""}, {"zones", zones}};
    out.counter("coredns_cache_requests_total", "The count of cache requests.", all,
                number(totals.requests));
    out.counter("coredns_cache_misses_total",
                "The count of cache misses. Deprecated, derive misses from cache hits/requests "
                "counters.",
                all, number(totals.misses));
    out.counter("coredns_cache_prefetch_total",
                "The number of times the cache has prefetched a cached item.", all,
                number(totals.refreshes));
    out.counter("coredns_cache_served_stale_total",
                "The number of requests served from stale cache entries.", all,
                number(totals.served_stale));
    out.counter("clusterdns_cache_pair_prefetch_total",
                "Questions for the other of A and AAAA, asked besides a client's.", all,
                number(totals.pairs));
    out.counter("clusterdns_cache_nxdomain_cut_total",
                "Misses that were answered because a name above does not exist.", all,
                number(totals.cut));
    for (const auto kind : {dns::CacheKind::Success, dns::CacheKind::Denial}) {
      const auto index = static_cast<std::size_t>(kind);
      const Exposition::Labels labels{
          {"server", server},
          {"type", kind == dns::CacheKind::Success ? "success" : "denial"},
          {"view", ""},
          {"zones", zones}};
      out.gauge("coredns_cache_entries", "The number of elements in the cache.", labels,
                number(cache->entries(kind)));
      out.counter("coredns_cache_hits_total", "The count of cache hits.", labels,
                  number(totals.hits[index]));
      out.counter("coredns_cache_evictions_total", "The count of cache evictions.", labels,
                  number(totals.evictions[index]));
    }
  };
  return {collect, cache};
}

Metrics::Collector hosts_metrics(std::shared_ptr<dns::HostsStage> stage, std::string path) {
  return [stage = std::move(stage), path = std::move(path)](Exposition& out) {
    out.gauge("coredns_hosts_entries", "The combined number of entries in hosts and Corefile.",
              {{"hostsfile", path}}, number(stage->entries()));
    out.latest("coredns_hosts_reload_timestamp_seconds",
               "The timestamp of the last reload of hosts file.", {}, stage->modified());
  };
}

Metrics::Collector forward_metrics(std::shared_ptr<dns::ForwardStage> stage) {
  const auto collect = [stage, bounds = duration_bounds()](Exposition& out) {
    const auto totals = stage->totals();
    out.counter("coredns_forward_healthcheck_broken_total",
                "Counter of the number of complete failures of the healthchecks.", {},
                number(totals.all_dead));
    out.counter("coredns_forward_max_concurrent_rejects_total",
                "Counter of the number of queries rejected because the concurrent queries were at "
                "maximum.",
                {}, number(totals.rejected));
    out.counter("clusterdns_forward_questions_total", "Questions for upstreams.", {},
                number(totals.questions));
    out.counter("clusterdns_forward_merged_total",
                "Questions that waited for the answer to an equal one, which was under way.", {},
                number(totals.merged));
    out.counter("clusterdns_forward_failed_total", "Questions that no upstream answered.", {},
                number(totals.failed));
    out.counter("clusterdns_forward_shed_total",
                "Queries that were refused, or given up for other clients, because too many octets "
                "or requests waited for upstreams.",
                {}, number(totals.over_limit));
    out.counter("clusterdns_forward_invalid_replies_total",
                "Messages of upstreams that were malformed or no answer to the question.", {},
                number(totals.invalid));
    out.counter("clusterdns_forward_hedged_total",
                "Questions that were asked of a second upstream before the first was silent.", {},
                number(totals.hedged));
    out.counter("clusterdns_forward_timer_runs_total",
                "Times that timers of waiting questions ran; they rest while none waits.", {},
                number(totals.ticks));
    for (const auto& upstream : stage->upstream_totals()) {
      const std::string to = upstream.endpoint.to_string();
      const Exposition::Labels proxy{{"proxy_name", "forward"}, {"to", to}};
      constexpr std::string_view kChecks = "Counter of the number of failed healthchecks.";
      out.counter("coredns_proxy_healthcheck_failures_total", kChecks, proxy,
                  number(upstream.failed_checks));
      out.counter("coredns_forward_healthcheck_failures_total", kChecks, {{"to", to}},
                  number(upstream.failed_checks));
      out.counter("coredns_forward_requests_total", "Counter of requests made per upstream.",
                  {{"to", to}}, number(upstream.requests));
      for (const auto transport : {dns::Transport::Udp, dns::Transport::Tcp}) {
        const auto index = static_cast<std::size_t>(transport);
        if (upstream.socket_opened[index] + upstream.socket_reused[index] == 0) continue;
        const Exposition::Labels labels{{"proto", upstream.tls                       ? "tcp-tls"
                                                  : transport == dns::Transport::Udp ? "udp"
                                                                                     : "tcp"},
                                        {"proxy_name", "forward"},
                                        {"to", to}};
        out.counter("coredns_proxy_conn_cache_hits_total",
                    "Counter of connection cache hits per upstream and protocol.", labels,
                    number(upstream.socket_reused[index]));
        out.counter("coredns_proxy_conn_cache_misses_total",
                    "Counter of connection cache misses per upstream and protocol.", labels,
                    number(upstream.socket_opened[index]));
      }
      for (std::size_t rcode = 0; rcode < dns::kCountedRcodes; ++rcode) {
        if (upstream.replies[rcode] == 0) continue;
        const std::string name = rcode_label(rcode);
        const double sum = number(upstream.duration_sum_ns[rcode]) / 1e9;
        constexpr std::string_view kTook = "Histogram of the time each request took.";
        out.histogram("coredns_proxy_request_duration_seconds", kTook,
                      {{"proxy_name", "forward"}, {"rcode", name}, {"to", to}}, bounds,
                      upstream.durations[rcode], sum);
        out.histogram("coredns_forward_request_duration_seconds", kTook,
                      {{"rcode", name}, {"to", to}}, bounds, upstream.durations[rcode], sum);
        out.counter("coredns_forward_responses_total",
                    "Counter of responses received per upstream.", {{"rcode", name}, {"to", to}},
                    number(upstream.replies[rcode]));
      }
    }
  };
  return {collect, stage};
}

}  // namespace clusterdns::app
