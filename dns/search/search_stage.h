// `search`: tries short names along a search list on behalf of stubs that do not.
//
// A pod's resolver asks `python-www.default.svc.cluster.local` by itself; a laptop's asks
// `python-www`. For such clients a name outside our zones, with few dots, is tried with each suffix
// of a list, as resolv.conf(5) has it, and then goes its way as it is. The answer is honest: a
// CNAME from the asked name to the one that was found, then its RRset.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

// Stands behind the stages with local data: what reaches it is outside their zones. Names found in
// local data are answered without allocation; suffixes outside them are asked upstream.
class SearchStage final : public dns::Stage {
 public:
  // More suffixes than anyone lists; each is a look-up for every name that is not found.
  static constexpr std::size_t kMaxSuffixes = 32;
  // As in the resolv.conf of a pod: service.namespace.svc.cluster.local has four dots, and what has
  // five is written out.
  static constexpr unsigned kDefaultNdots = 5;

  // `namespace`.svc.<zone>, svc.<zone>, <zone>: the list of a pod in that namespace (kubelet).
  // Suffixes that would be longer than a name may be are left out. All lower-case.
  [[nodiscard]] static std::vector<dns::Name> pod_search_list(std::string_view pod_namespace,
                                                              const dns::Name& zone);

  struct Options {
    std::vector<dns::Name> suffixes;  // lower-case, in the order they are tried
    unsigned ndots = kDefaultNdots;   // names with fewer dots are tried
    dns::AddressRanges clients = dns::AddressRanges::loopback();
  };

  // Suffixes beyond kMaxSuffixes are not used.
  explicit SearchStage(Options options);
  ~SearchStage() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "search"; }
  // Answers, defers (to an upstream), or, when no candidate exists, Verdict::Next: that is no
  // verdict about the name as it is. A candidate that exists without the asked type makes the
  // answer NODATA.
  [[nodiscard]] dns::Verdict handle(dns::Exchange& exchange) noexcept override;
  void attach(dns::WorkerContext& worker) override;

  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  class Walk;

  // The candidate under look-up: an Answer refers to it until it is encoded.
  struct alignas(128) Scratch {
    dns::Name candidate;
  };

  [[nodiscard]] bool applies(const dns::Exchange& exchange) const noexcept;

  const Options options_;
  std::mutex mutex_;              // for attach
  std::vector<Scratch> scratch_;  // by worker
};

}  // namespace clusterdns::dns
