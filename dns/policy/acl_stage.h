// `acl`: who may ask for what (CoreDNS's acl plugin).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/query/worker_counters.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

// The rules of a server block. Filled while the configuration is built, read by every worker then.
class AclRules {
 public:
  enum class Action : std::uint8_t { Allow, Block, Filter, Drop };
  static constexpr std::size_t kActions = 4;

  struct Policy {
    Action action = Action::Allow;
    std::optional<std::vector<RRType>> types;  // nullopt: all
    std::optional<AddressRanges> clients;      // nullopt: all
  };
  // Policies for names at and below `zones`: the first that fits decides.
  struct Rule {
    ZoneSet zones;
    std::vector<std::string> labels;  // of the zones, as metrics have them
    std::vector<Policy> policies;
  };

  explicit AclRules(unsigned workers) : workers_(workers) {}

  void add(Rule rule);

  // A rule of several decides when one of its policies fits.
  struct Judgement {
    Action action = Action::Allow;
    std::size_t rule = kNone;
    std::size_t zone = 0;
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  // `name` is in lower case.
  [[nodiscard]] Judgement judge(NameView name, RRType type, const Endpoint& client) const noexcept;
  // Whether every name is judged alike.
  [[nodiscard]] bool same_for_all_names() const noexcept { return same_for_all_names_; }
  // Whether every type is.
  [[nodiscard]] bool same_for_all_types() const noexcept { return same_for_all_types_; }

  void count(const Judgement& judgement, unsigned worker) noexcept;
  // How often `action` was taken in a zone of a rule; for Allow, at all.
  [[nodiscard]] std::uint64_t allowed() const noexcept;
  [[nodiscard]] std::uint64_t total(std::size_t rule, std::size_t zone,
                                    Action action) const noexcept;
  [[nodiscard]] const std::deque<Rule>& rules() const noexcept { return rules_; }

 private:
  const unsigned workers_;
  std::deque<Rule> rules_;
  std::deque<WorkerCounters> counters_;  // by rule: three for each zone
  WorkerCounters allowed_{workers_, 1};
  bool same_for_all_names_ = true;
  bool same_for_all_types_ = true;
};

// Judges the question, before anything answers it, and where aliases of the answer lead: what may
// not be asked for is not told about either.
class AclStage final : public Stage, public ResponseFilter {
 public:
  enum class Place : bool {
    Gate,  // before stages that ask another question: for the name that the client asked for
    Own,
  };
  AclStage(std::shared_ptr<AclRules> rules, Place place)
      : rules_(std::move(rules)), place_(place) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "acl"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] bool serves(RRClass) const noexcept override { return true; }
  [[nodiscard]] bool decides_by_rules() const noexcept override {
    return !rules_->same_for_all_names();
  }
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;
  [[nodiscard]] bool reads_records() const noexcept override { return false; }

 private:
  std::shared_ptr<AclRules> rules_;
  const Place place_;
};

}  // namespace clusterdns::dns
