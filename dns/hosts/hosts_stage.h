// `hosts`: names from a file in the form of hosts(5), and from the configuration (CoreDNS's hosts
// plugin).
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "dns/concurrent/reclaim.h"
#include "dns/hosts/hosts_table.h"
#include "dns/query/stage.h"

namespace clusterdns::dns {

class HostsStage final : public Stage, public LocalData {
 public:
  struct Options {
    HostsOptions hosts;
    // Names that are not here go on to the next stage when they are at or below one of these;
    // otherwise SERVFAIL: there is no SOA to say that they do not exist.
    ZoneSet fall_through;
    // Questions of other types than A and AAAA about names that are here go on as well.
    bool fall_through_unsupported = false;
    bool rotate = true;
  };

  // Answers nothing until publish(). `reclaim` frees tables that were replaced.
  HostsStage(Options options, ReclaimDomain& reclaim);
  ~HostsStage() override;

  // Control thread: from now on `table`, which is finished, is what is answered from. `modified` is
  // when its file was changed last, seconds since 1970.
  void publish(std::unique_ptr<HostsTable> table, double modified);

  // Control thread: what is answered from, until the next publish().
  [[nodiscard]] const HostsTable& table() const noexcept {
    return *table_.load(std::memory_order_relaxed);
  }

  // Stage
  [[nodiscard]] std::string_view name() const noexcept override { return "hosts"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] LocalData* local_data() noexcept override { return this; }

  // LocalData
  Outcome look_up(NameView name, RRType type, std::uint8_t owner, Answer& answer,
                  const WorkerContext& worker) noexcept override;
  // There is none.
  void add_soa(NameView, std::uint8_t, Answer&) noexcept override {}

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  // For metrics; any thread.
  [[nodiscard]] std::size_t entries() const noexcept {
    return entries_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] double modified() const noexcept {
    return modified_.load(std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] bool falls_through(NameView name) const noexcept {
    return options_.fall_through.contains(name);
  }
  [[nodiscard]] bool in_zones(NameView name) const noexcept {
    return options_.hosts.zones.contains(name);
  }
  // False when there are none of that type.
  bool add_records(const HostsTable::Host& host, RRType type, std::uint8_t owner,
                   Answer& answer) const noexcept;

  const Options options_;
  ReclaimDomain& reclaim_;
  std::atomic<const HostsTable*> table_;
  std::atomic<std::size_t> entries_{0};
  std::atomic<double> modified_{0};
};

}  // namespace clusterdns::dns
