// `autopath`: goes down a pod's search list in one answer (CoreDNS's autopath plugin).
//
// A pod's resolver asks `www.example.com.default.svc.cluster.local` first, and four more names
// until it comes to `www.example.com`. Here the first question is answered with what the last one
// would find. The pod's namespace stands in the name it asks for, so that no pod has to be known.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/query/worker_counters.h"
#include "dns/wire/name.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

class AutopathStage final : public Stage {
 public:
  // Suffixes that are tried for one question; resolvers have fewer.
  static constexpr std::size_t kMaxSuffixes = 16;

  struct Options {
    ZoneSet zones;  // only names at and below these
    // `@kubernetes`: names below <namespace>.svc.<zone> of these.
    ZoneSet cluster_zones;
    // Tried after <namespace>.svc.<zone>, svc.<zone> and <zone>, or, without cluster zones, all
    // there is: names below the first of them. The name as it is comes last.
    std::vector<Name> suffixes;
    // For whom: pods, which have such addresses.
    AddressRanges clients = AddressRanges::loopback_and_private();
    // Only A and AAAA, and only names with kLeastLabels before <namespace>.svc.<zone>, where the
    // namespace is one of local data. An answer begins with a CNAME to the name that decided,
    // also when that does not exist. REQUIRES: cluster zones.
    bool by_namespace = false;
    // With by_namespace: a name that exists nowhere is NOERROR without data. The CNAME ends the
    // search of clients that go on after NXDOMAIN (glibc).
    bool negative_nodata = false;
  };
  // What has fewer is a service of the pod's namespace.
  static constexpr unsigned kLeastLabels = 2;
  // Suffixes beyond kMaxSuffixes are not used.
  AutopathStage(Options options, unsigned workers);

  [[nodiscard]] std::string_view name() const noexcept override { return "autopath"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

  // Questions that were answered so.
  [[nodiscard]] std::uint64_t successes() const noexcept { return counters_.total(0); }

 private:
  struct Walk;
  // Where in a name that a pod asks for its list begins.
  struct Place {
    std::size_t list_at = 0;  // the first suffix
    // With cluster zones:
    std::size_t svc_at = 0;
    std::size_t zone_at = 0;
    unsigned base_labels = 0;  // before the list
  };
  // nullopt: the name is none of a pod.
  [[nodiscard]] std::optional<Place> place_of(NameView name) const noexcept;
  // Whether by_namespace holds for this question.
  [[nodiscard]] bool is_sure(const Exchange& exchange, const Place& place) const noexcept;
  // nullptr: `name` has no place.
  [[nodiscard]] std::unique_ptr<Walk> walk_for(NameView name) const;
  [[nodiscard]] Verdict try_next(Exchange& exchange, std::unique_ptr<Walk> walk) noexcept;
  // The answer of another name becomes that of the asked one, of by_namespace.
  void take_over(Exchange& outer, Exchange& inner, const Walk& walk) noexcept;

  const Options options_;
  WorkerCounters counters_;
};

}  // namespace clusterdns::dns
