// The words of labels that ask this server to do something: `a4`, `ttl30`, `d200-400`, `servfail`.
//
// Several may stand in one label, joined by `-`. A label of which one part is no word means
// nothing. The same words follow `do` in the rules of `fault`.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dns/wire/name.h"

namespace clusterdns::dns {

enum class Action : std::uint8_t {
  // What `synthetic` knows, too.
  Addresses,
  Size,
  Ttl,
  Chain,
  // When it leaves.
  Delay,
  DelayNormal,
  DelayExponential,
  DelayPareto,
  Hold,
  // What it says.
  Drop,
  ServFail,
  Refused,
  FormErr,
  NotImp,
  NxDomain,
  NoData,
  NoSoa,
  NoAa,
  NoEdns,
  NoOpt,
  BadVers,
  Tc,
  TcSome,
  TcAll,
  Loop,
  WhoAmI,
  // What its octets are.
  BadId,
  BadQuestion,
  BadCase,
  BadPort,
  Spoof,
  Dup,
  Trail,
  Cut,
  Counts,
  PtrLoop,
  RdLength,
  NoQr,
  // How TCP carries it.
  TcpClose,
  TcpCut,
  TcpStall,
  TcpSlow,
  TcpLength,
  // Of the next word to the right.
  Probability,
  First,
  Every,
  OnlyAaaa,
  OnlyUdp,
  OnlyTcp,
  OnlyEdns,
};
inline constexpr std::size_t kActions = static_cast<std::size_t>(Action::OnlyEdns) + 1;

[[nodiscard]] constexpr bool is_modifier(Action action) noexcept {
  return action >= Action::Probability;
}
[[nodiscard]] constexpr bool is_of_synthetic(Action action) noexcept {
  return action <= Action::Chain;
}

// The word without its numbers.
[[nodiscard]] std::string_view action_name(Action action) noexcept;

// Not initialised: many are on the stack of each query.
struct Instruction {
  Action action;
  bool range;            // `second` was written: d200-400
  std::uint32_t first;   // its number; 0 without one
  std::uint32_t second;  // d200-400, dn200-20
  // Where it stands: the label, and the octets in it.
  std::uint8_t label;
  std::uint8_t begin;
  std::uint8_t size;

  // As it is written.
  [[nodiscard]] std::string text() const;
};

// The shortest words have two octets, and one before each: a length or a dash.
inline constexpr std::size_t kMaxInstructions = kMaxNameSize / 3 + 1;

struct Instructions {
  std::array<Instruction, kMaxInstructions> all;
  std::uint8_t count = 0;

  [[nodiscard]] std::span<const Instruction> list() const noexcept { return {all.data(), count}; }
};

// Whose words count.
enum class Vocabulary : bool { Synthetic, Fault };

// Adds the instructions of `label` (lower-case, without its length octet) and returns true; adds
// nothing when it is a word. `index` is Instruction::label of what is added.
[[nodiscard]] bool read_label(std::string_view label, std::uint8_t index, Vocabulary vocabulary,
                              Instructions& to) noexcept;

}  // namespace clusterdns::dns
