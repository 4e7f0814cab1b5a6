// The `fault` stage: answers that are late, wrong or missing on purpose, as labels of the name or
// rules say. For tests of clients.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/target/departures.h"
#include "dns/target/fault_rules.h"
#include "dns/target/synthetic.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

// Must be the first stage of its route that adds a filter: what it does is done last.
class FaultStage final : public Stage, public ResponseFilter {
 public:
  struct Options {
    std::vector<Name> zones;  // lower-case: whose labels are instructions
    AddressRanges clients = AddressRanges::loopback_and_private();
    std::uint64_t seed = 0;
  };
  FaultStage(Options options, unsigned workers);
  ~FaultStage() override;

  // Names in `zone` are answered by another stage, also where it lies in a zone of this. Before the
  // first query.
  void leave_to_others(const Name& zone);

  // Stage. REFUSED (EDE 18) for names of its zones and clients outside the ranges.
  [[nodiscard]] std::string_view name() const noexcept override { return "fault"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  void attach(WorkerContext& worker) override;
  void detach(WorkerContext& worker) noexcept override;

  // ResponseFilter
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;
  [[nodiscard]] bool reads_records() const noexcept override { return false; }

  // Sees answers leave. Must be the last observer of every route that has the stage.
  [[nodiscard]] std::shared_ptr<AnswerObserver> observer() const noexcept { return observer_; }
  // What was done to the answer that observers are told of now.
  [[nodiscard]] const std::shared_ptr<FaultNotes>& notes() const noexcept { return notes_; }

  // --- any thread ---
  [[nodiscard]] std::uint64_t seed() const noexcept {
    return seed_.load(std::memory_order_relaxed);
  }
  // Begins all counts anew.
  void set_seed(std::uint64_t seed);
  // From now on; of the groups, in their order.
  void set_rules(ActiveRules rules);
  [[nodiscard]] const ActionCounters& label_actions() const noexcept { return label_actions_; }
  [[nodiscard]] const DelayFigures& delays() const noexcept { return *figures_; }
  [[nodiscard]] FaultCounts& counts() noexcept { return counts_; }

 private:
  class Observer;
  // What of the rules is looked at by others than the filter.
  class Watch {
   public:
    [[nodiscard]] std::shared_ptr<const ActiveRules> rules() const {
      const std::lock_guard lock(mutex_);
      return rules_;
    }
    void set(std::shared_ptr<const ActiveRules> rules) {
      const std::lock_guard lock(mutex_);
      rules_.swap(rules);
    }
    std::atomic<bool> any_rules{false};
    std::atomic<bool> any_lookups{false};

   private:
    mutable std::mutex mutex_;
    std::shared_ptr<const ActiveRules> rules_ = std::make_shared<const ActiveRules>();
  };
  struct Scratch {
    Effects effects;
    Instructions instructions;
    std::optional<SyntheticZone> parent;  // of a name that rules make an answer for
  };

  void note_lookup(const Exchange& exchange) noexcept;
  [[nodiscard]] Verdict by_labels(Exchange& exchange, const SyntheticZone& zone);
  [[nodiscard]] Verdict by_rules(Exchange& exchange);
  // Makes the answer, or changes it, up to what only its octets show. `zone`: with labels.
  void answer_by_labels(Exchange& exchange, const SyntheticZone& zone, const Effects& effects);
  void change_answer(Exchange& exchange, Scratch& scratch);
  [[nodiscard]] Verdict leave(Exchange& exchange, const Effects& effects, std::string_view rule,
                              bool had_edns);

  const AddressRanges clients_;
  ZoneSet zones_;                                     // those of others, too
  std::vector<std::unique_ptr<SyntheticZone>> each_;  // in their order; nullptr: another stage's
  SyntheticAnswers answers_;
  std::atomic<std::uint64_t> seed_;
  std::shared_ptr<Watch> watch_ = std::make_shared<Watch>();
  FaultCounts counts_;
  ActionCounters label_actions_{};
  std::shared_ptr<DelayFigures> figures_ = std::make_shared<DelayFigures>();
  std::shared_ptr<HeldAnswers> held_ = std::make_shared<HeldAnswers>();
  std::shared_ptr<FaultNotes> notes_;
  std::shared_ptr<AnswerObserver> observer_;
  std::vector<std::unique_ptr<Scratch>> scratch_;        // by worker
  std::vector<std::shared_ptr<Departures>> departures_;  // likewise
};

}  // namespace clusterdns::dns
