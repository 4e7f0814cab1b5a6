// The `gateways` stages: answer the hosts of gateways from the host table.
//
// Two of them stand in a route. The first, before `kubernetes` and `search`, has the hosts that are
// written out; the second, behind `search`, those that a wildcard stands for, and says what does
// not exist in the zones that are named. Where a block has several clusters, each has these two,
// and the last one says what does not exist in any.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/wire/zone_set.h"
#include "zones/host_table.h"

namespace clusterdns::zones {

struct GatewayOptions {
  std::vector<dns::Name> zones;  // lower-case; in these what is not claimed does not exist
  dns::ZoneSet cluster_zones;    // names in these are never answered
  std::uint32_t ttl = 5;         // seconds; of an SOA at most 300
  bool fall_through = false;     // what does not exist in a zone goes to the next stage
  dns::ZoneSet fall_through_in;  // only below these; empty: everywhere
  dns::AddressRanges inside;     // these clients get cluster IPs
  bool rotate = true;
};

class GatewayStage final : public dns::Stage, public dns::LocalData {
 public:
  // Wildcards: what Rest has, without the zones that are named.
  enum class Part : std::uint8_t { Exact, Wildcards, Rest };
  using Tables = std::vector<std::shared_ptr<const HostTable>>;

  // `others`: of the block's other clusters, for Rest.
  GatewayStage(Part part, std::shared_ptr<const GatewayOptions> options,
               std::shared_ptr<const HostTable> table, Tables others = {});

  [[nodiscard]] std::string_view name() const noexcept override { return "gateways"; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange& exchange) noexcept override;
  [[nodiscard]] dns::LocalData* local_data() noexcept override { return this; }

  Outcome look_up(dns::NameView name, dns::RRType type, std::uint8_t owner, dns::Answer& answer,
                  const dns::WorkerContext& worker) noexcept override;
  void add_soa(dns::NameView name, std::uint8_t owner, dns::Answer& answer) noexcept override;

 private:
  struct Asked {
    dns::NameView name;
    const std::uint8_t* offset;  // labels + 1 entries
    unsigned labels;
    dns::RRType type;
    std::uint8_t owner;
    bool inside;
  };
  struct Host {
    const HostTable::Block* block = nullptr;
    HostTable::Reach reach = HostTable::kExact;
    const HostAddresses* addresses = nullptr;
  };
  [[nodiscard]] Outcome resolve(const Asked& asked, dns::Answer& answer) const noexcept;
  [[nodiscard]] Host find_wildcard(const Asked& asked) const noexcept;
  void answer_host(const Asked& asked, const Host& host, dns::Answer& answer,
                   Outcome& outcome) const noexcept;
  void resolve_in_zone(const Asked& asked, dns::NameView zone, dns::Answer& answer,
                       Outcome& outcome) const noexcept;
  // `owner` is the index of the name that it is of.
  void put_soa(dns::RRsetRef& soa, std::uint8_t owner) const noexcept;
  // Whether it is known which hosts there are, and whether there is one below `name`; of all
  // clusters.
  [[nodiscard]] bool all_ready() const noexcept;
  [[nodiscard]] bool is_above_a_host(dns::NameView name) const noexcept;
  // Octets of the zone that `name` is in: one that is named, or the host itself.
  [[nodiscard]] std::uint8_t zone_size(dns::NameView name) const noexcept;

  const Part part_;
  std::shared_ptr<const GatewayOptions> options_;
  std::shared_ptr<const HostTable> table_;
  const Tables others_;
  std::uint32_t soa_ttl_;
  dns::ZoneSet zones_;
};

}  // namespace clusterdns::zones
