// `transfer`: whole zones for other servers (RFC 5936), also where they ask for changes (RFC 1995).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/net/client_key.h"
#include "dns/query/stage.h"
#include "dns/wire/zone_set.h"
#include "zones/file/zone_stage.h"

namespace clusterdns::zones {

// Transfers under way at one worker; who asks beyond is refused, and asks again later.
inline constexpr unsigned kMaxTransfers = 16;
// Those of one client among them: whoever reads slowly, or not at all, leaves room for the others.
inline constexpr unsigned kMaxTransfersPerClient = 4;
// Octets of one message of a transfer. Names are compressed within 16 KiB only.
inline constexpr std::size_t kTransferMessage = 16 * 1024;

class TransferStage final : public dns::Stage {
 public:
  // Who may have which zones.
  struct Rule {
    dns::ZoneSet zones;
    dns::AddressRanges to;
  };
  struct Sent {
    std::string zone;
    std::string client;  // its address
    std::size_t records = 0;
    std::uint32_t serial = 0;
    bool unchanged = false;  // the SOA alone: the client has the zone
  };
  struct Options {
    std::vector<Rule> rules;
    // Called on the worker's thread at the end of each.
    std::function<void(const Sent&)> sent;
    unsigned workers = 1;
  };

  explicit TransferStage(Options options);

  // Control thread, before the first query.
  void add_rule(Rule rule) { options_.rules.push_back(std::move(rule)); }

  // Likewise: whose zones these are.
  void add_source(std::shared_ptr<const ZoneStage> stage) { sources_.push_back(std::move(stage)); }

  [[nodiscard]] std::string_view name() const noexcept override { return "transfer"; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange& exchange) noexcept override;

 private:
  class Transfer;

  [[nodiscard]] dns::Verdict transfer(dns::Exchange& exchange);
  // The rule with the longest zone that the question is in; nullptr: none.
  [[nodiscard]] const Rule* find_rule(const dns::Query& query) const noexcept;

  Options options_;
  std::vector<std::shared_ptr<const ZoneStage>> sources_;
  // The clients of the transfers under way, at most kMaxTransfers, of each worker, by its own
  // thread alone.
  std::vector<std::vector<dns::ClientKey>> under_way_;
};

// The serial of the SOA that an IXFR query brings (RFC 1995 section 3). False: there is none.
[[nodiscard]] bool read_ixfr_serial(const dns::Query& query, std::uint32_t* serial) noexcept;
// Whether serial `a` is `b` or comes after it (RFC 1982 section 3.2).
[[nodiscard]] constexpr bool is_at_or_after(std::uint32_t a, std::uint32_t b) noexcept {
  return a == b || static_cast<std::int32_t>(a - b) > 0;
}

}  // namespace clusterdns::zones
