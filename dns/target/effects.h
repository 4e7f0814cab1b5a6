// What a query's instructions come to: those whose modifiers hold, and which of them decides.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dns/target/counts.h"
#include "dns/target/labels.h"
#include "dns/target/synthetic.h"

namespace clusterdns::dns {

struct Effects {
  // Of `drop`, rcodes, `nodata`, `tc…`, `whoami`, `loop`, `noedns`, `badvers`, `tcpclose` and
  // `tcpstall` the first that happens.
  std::optional<Instruction> decided;
  std::bitset<kActions> on;  // of all others
  std::int64_t delay_ns = 0;
  std::uint32_t copies = 1;
  std::uint32_t trail = 0;
  std::int32_t cut = -1;
  std::int32_t tcp_cut = -1;
  std::uint32_t tcp_octet_ms = 0;
  std::uint32_t tcp_longer = 0;
  SyntheticShape shape;
  std::vector<Instruction> happened;  // in their order

  [[nodiscard]] bool has(Action action) const noexcept {
    return on.test(static_cast<std::size_t>(action));
  }
  [[nodiscard]] bool decides(Action action) const noexcept {
    return decided && decided->action == action;
  }
  // Whether whoever gets it cannot take it for the answer.
  [[nodiscard]] bool spoils() const noexcept;
  // Whether the octets, their time or their way are other than those of any answer.
  [[nodiscard]] bool is_odd() const noexcept;
  void clear();
};

// Whether some of `instructions` count or draw.
[[nodiscard]] bool needs_counts(std::span<const Instruction> instructions) noexcept;

// Adds what `instructions` come to for the query of `exchange`. `counts` is needed where
// needs_counts() says so; `met`: the how-manieth such query, from 0; what is counted has places
// from kFirstPlace on.
inline constexpr std::size_t kFirstPlace = 2;
void evaluate(std::span<const Instruction> instructions, const Exchange& exchange,
              const Draws& draws, std::uint32_t met, FaultCounts::Counts* counts, Effects& effects);

}  // namespace clusterdns::dns
