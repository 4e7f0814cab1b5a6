// `forward`: everything below its zone goes to upstreams (CoreDNS's forward plugin).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dns/forward/address_ranges.h"
#include "dns/forward/upstream_channel.h"
#include "dns/query/stage.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

class ForwardStage final : public Stage, public Upstream {
 public:
  struct Options {
    Name zone;                  // lower-case; names at and below it are forwarded
    ForwardOptions forward;     // without upstreams: SERVFAIL for every name
    std::vector<Name> excepts;  // lower-case; names at and below these are not
    // Whose queries are forwarded. An open resolver is a tool for others' attacks.
    AddressRanges clients = AddressRanges::loopback_and_private();
  };

  explicit ForwardStage(Options options);
  ~ForwardStage() override;

  // Stage
  [[nodiscard]] std::string_view name() const noexcept override { return "forward"; }
  // REFUSED (EDE 18) for clients outside the ranges and for zone transfers (EDE 21). Verdict::Next
  // for names that are not covered.
  [[nodiscard]] Verdict handle(QueryContext& ctx) noexcept override;
  void attach(WorkerContext& worker) override;
  void detach(WorkerContext& worker) noexcept override;
  [[nodiscard]] Upstream* upstream() noexcept override { return this; }

  // Upstream
  [[nodiscard]] bool covers(NameView name) const noexcept override;
  [[nodiscard]] bool allows(const Endpoint& client) const noexcept override;
  void ask(WorkerContext& worker, std::span<const std::uint8_t> request,
           Callback callback) override;

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  // For metrics: sums over the workers that are attached now. Any thread.
  struct Totals {
    std::uint64_t questions = 0;
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;
    std::uint64_t over_limit = 0;
    std::uint64_t ticks = 0;  // of the workers' timers
  };
  [[nodiscard]] Totals totals() const;

 private:
  [[nodiscard]] std::shared_ptr<UpstreamChannel> channel_of(WorkerContext& worker) noexcept;

  const Options options_;
  // By worker; each worker uses its own element without the lock. Sized at the first attach.
  std::vector<std::shared_ptr<UpstreamChannel>> channels_;
  mutable std::mutex mutex_;  // guards size and elements for attach, detach and totals
};

}  // namespace clusterdns::dns
