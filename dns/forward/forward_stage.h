// `forward`: everything below its zone goes to upstreams (CoreDNS's forward plugin).
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dns/forward/upstream_channel.h"
#include "dns/net/address_ranges.h"
#include "dns/query/upstream.h"
#include "dns/wire/name.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

class ForwardStage final : public Stage, public Upstream {
 public:
  struct Options {
    ZoneSet zones;           // names at and below these are forwarded; none: all
    ForwardOptions forward;  // without upstreams: SERVFAIL for every name
    ZoneSet excepts;         // names at and below these are not
    // Whose queries are forwarded. An open resolver is a tool for others' attacks.
    AddressRanges clients = AddressRanges::loopback_and_private();
    // Questions of clients under way at once, of all workers. When there are more, the client that
    // has most of them loses one to whoever has less; who has most is REFUSED. 0: no limit but
    // UpstreamChannel's, in octets.
    std::uint32_t max_concurrent = 0;
    // Bit per rcode: such replies are not the answer when a later forward stage takes the name;
    // that is asked then. The same for NODATA.
    std::uint16_t next = 0;
    bool next_on_nodata = false;
    // Looks for loops at the start, not only when nothing answers.
    bool probe_loops = false;
    // An upstream leads back to this server: a probe came in from `client` at `local`. Called once
    // for each time it begins, on a worker's thread. May be empty.
    std::function<void(const Endpoint& upstream, const Endpoint& client, const Endpoint& local)>
        on_loop;
  };

  // `workers` is how many will attach.
  explicit ForwardStage(Options options, unsigned workers = 1);
  ~ForwardStage() override;

  // Stage
  [[nodiscard]] std::string_view name() const noexcept override { return "forward"; }
  // REFUSED (EDE 18) for clients outside the ranges and for zone transfers (EDE 21). Verdict::Next
  // for names that are not covered.
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  void attach(WorkerContext& worker) override;
  void detach(WorkerContext& worker) noexcept override;
  [[nodiscard]] Upstream* upstream() noexcept override { return this; }

  // Upstream
  [[nodiscard]] bool covers(NameView name) const noexcept override;
  [[nodiscard]] bool allows(const Endpoint& client) const noexcept override;
  [[nodiscard]] const AddressRanges* clients() const noexcept override { return &options_.clients; }
  [[nodiscard]] NameView zone_of(NameView name) const noexcept override;
  [[nodiscard]] bool can_ask() const noexcept override {
    return !options_.forward.upstreams.empty();
  }
  [[nodiscard]] bool passes_on(const UpstreamReply& reply) const noexcept override;
  void ask(WorkerContext& worker, const UpstreamClient& client, const UpstreamQuestion& question,
           std::unique_ptr<UpstreamWaiter> waiter) override;
  [[nodiscard]] std::shared_ptr<void> call_in(WorkerContext& worker, std::int64_t delay_ns,
                                              std::function<void()> late) override;

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  // For metrics: sums of ForwardCounters over the workers, those that have detached too. Any
  // thread.
  struct Totals {
    std::uint64_t questions = 0;
    std::uint64_t merged = 0;
    std::uint64_t invalid = 0;
    std::uint64_t failed = 0;
    std::uint64_t over_limit = 0;
    std::uint64_t ticks = 0;
    std::uint64_t all_dead = 0;
    std::uint64_t rejected = 0;
    std::uint64_t hedged = 0;
  };
  [[nodiscard]] Totals totals() const;
  // One upstream's, as UpstreamCounters.
  struct UpstreamTotals {
    Endpoint endpoint;
    bool tls = false;
    std::uint64_t requests = 0;
    std::array<std::uint64_t, kCountedRcodes> replies{};
    std::array<std::array<std::uint64_t, kDurationBuckets>, kCountedRcodes> durations{};
    std::array<std::uint64_t, kCountedRcodes> duration_sum_ns{};
    std::uint64_t failed_checks = 0;
    std::array<std::uint64_t, 2> socket_reused{};  // by Transport
    std::array<std::uint64_t, 2> socket_opened{};
    bool looped = false;
    bool down = false;  // it does not answer
  };
  [[nodiscard]] std::vector<UpstreamTotals> upstream_totals() const;

 private:
  // True when the query is a probe of ours that came back.
  [[nodiscard]] bool is_loop_probe(const Exchange& exchange) noexcept;
  static void add(Totals& totals, const UpstreamChannel& channel) noexcept;
  static void add(std::vector<UpstreamTotals>& all, const UpstreamChannel& channel) noexcept;
  [[nodiscard]] std::shared_ptr<UpstreamChannel> channel_of(WorkerContext& worker);

  const Options options_;
  const std::shared_ptr<LoopProbes> loops_;
  const std::shared_ptr<SharedForwarding> shared_;
  // By worker; each worker uses its own element without the lock. Sized at the first attach.
  std::vector<std::shared_ptr<UpstreamChannel>> channels_;
  mutable std::mutex mutex_;  // guards size and elements for attach, detach and totals
  Totals gone_;               // of workers that detached; guarded as channels_
  std::vector<UpstreamTotals> gone_upstreams_;
};

}  // namespace clusterdns::dns
