// Answers from keys of etcd as SkyDNS has them, from memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "dns/query/stage.h"
#include "dns/wire/zone_set.h"
#include "zones/file/skydns_table.h"

namespace clusterdns::zones {

class SkyDnsStage final : public dns::Stage {
 public:
  struct Options {
    dns::ZoneSet zones;
    // What does not exist goes on to the next stage when it is at or below one of these.
    dns::ZoneSet fall_through;
    bool rotate = true;
    // Bounds of TTLs that leases make, in seconds.
    std::uint32_t least_lease_ttl = 30, most_lease_ttl = 86'400;
  };

  SkyDnsStage(Options options, std::shared_ptr<const SkyDnsStore> store)
      : options_(std::move(options)), store_(std::move(store)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "etcd"; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange& exchange) noexcept override;

 private:
  class Lookup;

  [[nodiscard]] dns::Verdict answer(const SkyDnsTable& table, dns::NameView zone,
                                    dns::Exchange& exchange);

  const Options options_;
  const std::shared_ptr<const SkyDnsStore> store_;
  std::atomic<std::uint32_t> turn_{0};  // which address comes first in the next answer
};

}  // namespace clusterdns::zones
