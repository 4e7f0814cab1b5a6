// Answers from zones that are read as a whole: `file`, `auto` and `secondary`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dns/concurrent/reclaim.h"
#include "dns/query/stage.h"
#include "dns/wire/zone_set.h"
#include "zones/file/zone_table.h"

namespace clusterdns::zones {

// Zones and what is in them. Immutable once published.
struct ZoneList {
  dns::ZoneSet names;
  // Of each name, in the same order; nullptr: not read yet, or expired, and SERVFAIL until it is.
  std::vector<std::shared_ptr<const ZoneTable>> tables;

  // REQUIRES: the name is not there.
  void add(const dns::Name& name, std::shared_ptr<const ZoneTable> table) {
    names.add(name);
    tables.push_back(std::move(table));
  }
};

// What another question came to goes behind the aliases of `outer` that led to it, see
// Exchange::run_from().
[[nodiscard]] dns::Verdict take_alias_answer(dns::Exchange& outer, dns::Exchange& inner,
                                             dns::Outcome outcome) noexcept;

class ZoneStage final : public dns::Stage, public dns::LocalData {
 public:
  struct Options {
    std::string name;  // the directive's: "file"
    // Only names in these; empty: all names in the zones (`auto`).
    dns::ZoneSet within;
    // What does not exist goes on to the next stage when it is at or below one of these.
    dns::ZoneSet fall_through;
    bool rotate = true;
  };

  // Answers nothing until publish(). `reclaim` frees lists that were replaced.
  ZoneStage(Options options, dns::ReclaimDomain& reclaim);
  ~ZoneStage() override;

  // Before the first query: a stage of the same route, which answers where it has the longer zone.
  void add_sibling(const ZoneStage& stage) { siblings_.push_back(&stage); }
  // Control thread: from now on this is what is answered from.
  void publish(std::unique_ptr<const ZoneList> zones);
  // Control thread: what is.
  [[nodiscard]] const ZoneList& zones() const noexcept {
    return *zones_.load(std::memory_order_relaxed);
  }
  // The same for a worker in a batch, or under a TableGuard.
  [[nodiscard]] const ZoneList& current() const noexcept {
    return *zones_.load(std::memory_order_acquire);
  }

  // Stage
  [[nodiscard]] std::string_view name() const noexcept override { return options_.name; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange& exchange) noexcept override;
  [[nodiscard]] dns::LocalData* local_data() noexcept override { return this; }

  // LocalData
  Outcome look_up(dns::NameView name, dns::RRType type, std::uint8_t owner, dns::Answer& answer,
                  const dns::WorkerContext& worker) noexcept override;
  void add_soa(dns::NameView name, std::uint8_t owner, dns::Answer& answer) noexcept override;

 private:
  // A name that is looked up, and where what is found goes.
  struct Asked {
    dns::NameView name;
    const std::uint8_t* offset;  // labels + 1 entries
    unsigned labels;
    dns::RRType type;
    std::uint8_t owner;  // index of the name in the answer
    bool dnssec;
  };
  enum class Step : std::uint8_t { Data, NoData, NXDomain, Referral, Alias, TooLong };
  // What one name comes to. Data is in the answer; of an alias the DNAME is that it follows from.
  struct Found {
    Step step = Step::Data;
    ZoneTable::Place place{};
    dns::NameView target{};  // Alias: in lower case, as long-lived as table or answer
    // Alias: the CNAME; nullptr: it is made of a DNAME.
    const ZoneTable::RRset* cname = nullptr;
    std::uint32_t ttl = 0;  // Alias
  };

  // The zone that `asked` is a question for; nullptr: none.
  [[nodiscard]] const std::shared_ptr<const ZoneTable>* find_zone(
      const ZoneList& zones, const Asked& asked) const noexcept;
  [[nodiscard]] Found step(const ZoneTable& zone, const Asked& asked,
                           dns::Answer& answer) const noexcept;
  [[nodiscard]] Found synthesize(const ZoneTable& zone, const ZoneTable::Place& place,
                                 const Asked& asked, dns::Answer& answer) const noexcept;
  void add_referral(const ZoneTable& zone, const Found& found, const Asked& asked,
                    dns::Answer& answer) const noexcept;
  void add_negative(const ZoneTable& zone, const Found& found, const Asked& asked,
                    dns::Answer& answer) const noexcept;
  [[nodiscard]] dns::Verdict answer_from(const ZoneList& zones, dns::Exchange& exchange) noexcept;
  // Whether a question about `name` goes on to the next stage: there is nothing there, and not even
  // an alias that led there.
  [[nodiscard]] bool falls_through(const Found& found, dns::NameView name) const noexcept;

  const Options options_;
  dns::ReclaimDomain& reclaim_;
  std::vector<const ZoneStage*> siblings_;
  std::atomic<const ZoneList*> zones_;
};

}  // namespace clusterdns::zones
