// The `kubernetes` stage: answers cluster names and reverse names from the record table
// (Kubernetes DNS-Based Service Discovery 1.1.0; where that is silent, as CoreDNS does).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/query/stage.h"
#include "dns/wire/zone_set.h"
#include "zones/record_table.h"
#include "zones/rrset_writers.h"

namespace clusterdns::zones {

enum class PodMode : std::uint8_t {
  Disabled,  // pod names do not exist
  Insecure,  // any address in an existing namespace
  Verified,  // only addresses of pods that exist in that namespace
};

struct ClusterOptions {
  std::vector<dns::Name> zones;  // lower-case; cluster zones and reverse zones in any order
  std::uint32_t ttl = 5;         // seconds; the SOA has at most 300
  PodMode pods = PodMode::Disabled;
  bool fall_through = false;               // names that do not exist go to the next stage
  std::vector<dns::Name> fall_through_in;  // only below these; empty: everywhere
  bool rotate = true;
  unsigned workers = 1;
  // Where this server is reached. `ns.dns.<zone>` and the NS of a zone answer the services that
  // have one of these as an endpoint, and these themselves when there is none.
  std::vector<registry::IpAddress> server_addresses;
  // Names `<topology zone>.pin|prefer._zone.<service>…` (CoreDNS 1.15); the table must be fed so.
  bool zonal = false;
  // The zone that PTR targets are in; empty: the first of the zones that is not a reverse zone.
  std::optional<dns::Name> ptr_zone;
  // Services as they are reached from outside (CoreDNS's k8s_external):
  // `<service>.<namespace>.<zone>`, and this label above the name of the nameserver; the table must
  // be fed so. Empty: cluster names.
  std::string external_apex;
};

class ClusterStage final : public dns::Stage, public dns::LocalData {
 public:
  // REQUIRES: one of the zones is not a reverse zone, or `ptr_zone` is given.
  // `pods` knows the addresses of pods; null: `table` does.
  ClusterStage(ClusterOptions options, std::shared_ptr<const RecordTable> table,
               std::shared_ptr<const RecordTable> pods = nullptr);

  [[nodiscard]] std::string_view name() const noexcept override {
    return external_ ? "k8s_external" : "kubernetes";
  }
  [[nodiscard]] dns::Verdict handle(dns::Exchange& exchange) noexcept override;
  [[nodiscard]] dns::LocalData* local_data() noexcept override { return this; }

  Outcome look_up(dns::NameView name, dns::RRType type, std::uint8_t owner, dns::Answer& answer,
                  const dns::WorkerContext& worker) noexcept override;
  void add_soa(dns::NameView name, std::uint8_t owner, dns::Answer& answer) noexcept override;

  [[nodiscard]] const RecordTable& table() const noexcept { return *table_; }

 private:
  // More addresses of ours, or of the services before us, say nothing to a resolver.
  static constexpr std::size_t kMaxNs = 16;
  // PTR answers for one address.
  static constexpr std::size_t kMaxPtr = RecordTable::kMaxAtAddress;

  struct Zone {
    dns::Name name;
    std::size_t labels = 0;
    bool reverse = false;
  };
  // A name with what finding it needs; `offset` has labels + 1 entries.
  struct Asked {
    dns::NameView name;
    const std::uint8_t* offset;
    unsigned labels;
    dns::RRType type;
    std::uint8_t owner;
  };
  // What an answer points to beyond the table; one per worker, on lines of its own.
  struct alignas(128) Scratch {
    std::array<PtrTarget, kMaxPtr> ptr;
    std::array<std::uint8_t, dns::kAaaaRowSize> row;
    std::array<std::uint8_t, kMaxNs * dns::kARowSize> ns_a;
    std::array<std::uint8_t, kMaxNs * dns::kAaaaRowSize> ns_aaaa;
  };

  [[nodiscard]] const Zone* find_zone(const Asked& asked) const noexcept;
  Outcome resolve(const Asked& asked, dns::Answer& answer,
                  const dns::WorkerContext& worker) noexcept;
  Found resolve_apex(const Asked& asked, dns::Answer& answer,
                     const dns::WorkerContext& worker) noexcept;
  // Sets `outcome.alias` when it returns Found::Alias.
  Found resolve_service(const Asked& asked, unsigned relative, dns::Answer& answer,
                        Outcome& outcome) noexcept;
  // Is there a part of a service (RecordTable::publish) whose name begins at label `from`?
  [[nodiscard]] bool has_part(const Asked& asked, unsigned from, unsigned relative) const noexcept;
  // An endpoint of `block` by its index, which may be kNotFound.
  Found endpoint(const Asked& asked, const ServiceBlock& block, std::uint32_t i,
                 unsigned service_label, dns::Answer& answer) const noexcept;
  // A name of more than five labels below the zone.
  Found resolve_zonal(const Asked& asked, unsigned relative, dns::Answer& answer) noexcept;
  Found resolve_pod(const Asked& asked, unsigned relative, dns::Answer& answer,
                    const dns::WorkerContext& worker) noexcept;
  Found resolve_reverse(const Asked& asked, dns::Answer& answer,
                        const dns::WorkerContext& worker) noexcept;
  // A name of at least one label below a zone of services as they are reached from outside.
  Found resolve_external(const Asked& asked, unsigned relative, dns::Answer& answer,
                         const dns::WorkerContext& worker, Outcome& outcome) noexcept;
  Found schema_version(const Asked& asked, dns::Answer& answer) const noexcept;
  Found server_address(const Asked& asked, dns::Answer& answer,
                       const dns::WorkerContext& worker) noexcept;
  struct NsRows {
    const std::uint8_t* a;
    const std::uint8_t* aaaa;
    std::uint32_t a_count, aaaa_count;
  };
  // Addresses of this server as the cluster reaches it.
  NsRows ns_rows(const dns::WorkerContext& worker) noexcept;
  Found rows(const Asked& asked, const std::uint8_t* rows, std::uint32_t first, std::uint32_t count,
             std::uint32_t rotation, dns::Answer& answer) const noexcept;
  Found srv(const Asked& asked, const ServiceBlock& block, std::uint32_t endpoint,
            std::uint16_t named_port, unsigned service_label, dns::Answer& answer) const noexcept;
  [[nodiscard]] std::uint32_t rotation(const ServiceBlock& block, std::uint32_t counter,
                                       std::uint32_t count) const noexcept {
    return options_.rotate ? block.rotate(counter, count) : 0;
  }
  // `zone_name` is the index of the zone's name in the answer.
  void add_soa(std::uint8_t zone_name, dns::Answer& answer) const noexcept;
  // REQUIRES: options_.fall_through.
  [[nodiscard]] bool falls_through(dns::NameView name) const noexcept;

  // Makes `soa` that of the zone whose name has the index `zone_name`.
  void put_soa(dns::RRsetRef& soa, std::uint8_t zone_name) const noexcept;

  ClusterOptions options_;
  std::shared_ptr<const RecordTable> table_;
  std::shared_ptr<const RecordTable> pods_;
  std::uint32_t soa_ttl_;    // and its minimum; seconds
  std::vector<Zone> zones_;  // most labels first; empty when they are many
  std::vector<Zone> many_;   // then these, in the order of `zone_set_`
  dns::ZoneSet zone_set_;
  dns::ZoneSet fall_through_in_;
  dns::Name behind_services_;  // in PTR targets: `svc.<zone>`
  const bool external_;
  ApexNames apex_;  // of external_
  std::vector<std::uint8_t> apex_label_;
  std::vector<std::uint8_t> ns_a_rows_, ns_aaaa_rows_;
  std::uint32_t ns_a_count_ = 0, ns_aaaa_count_ = 0;
  std::vector<Scratch> scratch_;
};

}  // namespace clusterdns::zones
