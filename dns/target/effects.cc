#include "dns/target/effects.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace clusterdns::dns {
namespace {

constexpr double kMillisecond = 1e6;      // ns
constexpr double kLongestDelay = 60'000;  // ms, of one instruction
constexpr double kParetoShape = 1.5;
// Draws of one instruction.
constexpr std::uint32_t kDrawsEach = 4;

bool decides(Action action) noexcept {
  switch (action) {
    case Action::Drop:
    case Action::ServFail:
    case Action::Refused:
    case Action::FormErr:
    case Action::NotImp:
    case Action::NxDomain:
    case Action::NoData:
    case Action::Tc:
    case Action::TcSome:
    case Action::TcAll:
    case Action::WhoAmI:
    case Action::Loop:
    case Action::NoEdns:
    case Action::BadVers:
    case Action::TcpClose:
    case Action::TcpStall: return true;
    default: return false;
  }
}

// What is done to an answer on its way to the client, not to what it says.
bool is_of_leaving(Action action) noexcept {
  return (action >= Action::Delay && action <= Action::Hold) || action == Action::NoEdns ||
         action == Action::NoOpt || (action >= Action::Tc && action <= Action::TcAll) ||
         (action >= Action::BadId && action <= Action::TcpLength);
}

// Whether it can be done to this query at all.
bool happens(Action action, const Exchange& exchange) noexcept {
  // An answer to a question of our own does not leave: it is part of another one.
  if (exchange.depth != 0 && is_of_leaving(action)) return false;
  switch (action) {
    case Action::Tc:
    case Action::TcSome:
    case Action::BadPort: return exchange.transport == Transport::Udp;
    case Action::TcpClose:
    case Action::TcpCut:
    case Action::TcpStall:
    case Action::TcpSlow:
    case Action::TcpLength: return exchange.transport == Transport::Tcp;
    case Action::NoEdns:
    case Action::NoOpt:
    case Action::BadVers: return exchange.query.has_edns;
    default: return true;
  }
}

bool draws(const Instruction& instruction) noexcept {
  switch (instruction.action) {
    case Action::Delay: return instruction.range;
    case Action::DelayNormal:
    case Action::DelayExponential:
    case Action::DelayPareto: return true;
    default: return false;
  }
}

double milliseconds(const Instruction& instruction, const Draws& draws, std::uint32_t met,
                    std::uint32_t what) noexcept {
  const double first = instruction.first;
  const double second = instruction.second;
  const auto left = [&](std::uint32_t which) {
    return 1 - draws.draw(met, what + which);
  };  // (0, 1]
  switch (instruction.action) {
    case Action::Delay:
      return instruction.range ? first + (second - first) * draws.draw(met, what) : first;
    case Action::DelayNormal: {
      // Box and Muller.
      const double normal = std::sqrt(-2 * std::log(left(0))) *
                            std::cos(2 * std::numbers::pi * draws.draw(met, what + 1));
      return std::clamp(first + second * normal, 0.0, kLongestDelay);
    }
    case Action::DelayExponential: return std::min(-std::log(left(0)) * first, kLongestDelay);
    case Action::DelayPareto:
      return std::min(first * std::pow(left(0), -1 / kParetoShape), kLongestDelay);
    default: return 0;
  }
}

// Instructions of which the first counts.
template <class Number>
void set_once(Number& to, Number unset, std::uint32_t value) noexcept {
  if (to == unset) to = static_cast<Number>(value);
}

}  // namespace

bool Effects::spoils() const noexcept {
  static constexpr Action kSpoil[] = {Action::BadId,   Action::BadQuestion, Action::BadCase,
                                      Action::BadPort, Action::Trail,       Action::Cut,
                                      Action::Counts,  Action::PtrLoop,     Action::RdLength,
                                      Action::NoQr,    Action::TcpCut,      Action::TcpLength};
  if (decides(Action::TcpClose) || decides(Action::TcpStall)) return true;
  return std::any_of(std::begin(kSpoil), std::end(kSpoil), [&](Action a) { return has(a); });
}

bool Effects::is_odd() const noexcept {
  static constexpr Action kPlain[] = {Action::Addresses, Action::Size, Action::Chain, Action::NoSoa,
                                      Action::NoAa};
  if (decides(Action::NoEdns) || decides(Action::TcpClose) || decides(Action::TcpStall))
    return true;
  std::bitset<kActions> odd = on;
  for (const Action action : kPlain) odd.reset(static_cast<std::size_t>(action));
  return odd.any();
}

void Effects::clear() {
  happened.clear();
  std::vector<Instruction> kept = std::move(happened);
  *this = {};
  happened = std::move(kept);
}

bool needs_counts(std::span<const Instruction> instructions) noexcept {
  return std::any_of(instructions.begin(), instructions.end(), [](const Instruction& each) {
    return each.action == Action::Probability || each.action == Action::First ||
           each.action == Action::Every || draws(each);
  });
}

void evaluate(std::span<const Instruction> instructions, const Exchange& exchange,
              const Draws& draws, std::uint32_t met, FaultCounts::Counts* counts,
              Effects& effects) {
  std::size_t begin = 0;  // of the modifiers of the next one
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const Instruction& instruction = instructions[i];
    if (is_modifier(instruction.action)) continue;
    const std::size_t first_modifier = std::exchange(begin, i + 1);
    // Each kind counts the queries that those before it let through.
    const auto each_holds = [&](Action kind, auto holds) {
      for (std::size_t m = first_modifier; m < i; ++m) {
        if (instructions[m].action == kind && !holds(instructions[m].first, m)) return false;
      }
      return true;
    };
    const bool applies =
        each_holds(Action::OnlyAaaa,
                   [&](auto...) { return exchange.query.qtype == RRType::AAAA; }) &&
        each_holds(Action::OnlyUdp,
                   [&](auto...) { return exchange.transport == Transport::Udp; }) &&
        each_holds(Action::OnlyTcp,
                   [&](auto...) { return exchange.transport == Transport::Tcp; }) &&
        each_holds(Action::OnlyEdns, [&](auto...) { return exchange.query.has_edns; }) &&
        each_holds(Action::Probability,
                   [&](std::uint32_t percent, std::size_t m) {
                     return draws.draw(met, static_cast<std::uint32_t>(m) * kDrawsEach) * 100 <
                            percent;
                   }) &&
        each_holds(Action::Every,
                   [&](std::uint32_t every, std::size_t m) {
                     return counts->next(kFirstPlace + m) % every == 0;
                   }) &&
        each_holds(Action::First, [&](std::uint32_t first, std::size_t m) {
          return counts->next(kFirstPlace + m) <= first;
        });
    if (!applies || !happens(instruction.action, exchange)) continue;
    if (decides(instruction.action)) {
      if (effects.decided) continue;
      effects.decided = instruction;
      effects.happened.push_back(instruction);
      continue;
    }
    effects.happened.push_back(instruction);
    effects.on.set(static_cast<std::size_t>(instruction.action));
    switch (instruction.action) {
      case Action::Addresses:
      case Action::Size:
      case Action::Ttl:
      case Action::Chain: effects.shape.take(instruction); break;
      case Action::Delay:
      case Action::DelayNormal:
      case Action::DelayExponential:
      case Action::DelayPareto:
        effects.delay_ns += static_cast<std::int64_t>(
            milliseconds(instruction, draws, met, static_cast<std::uint32_t>(i) * kDrawsEach) *
            kMillisecond);
        break;
      case Action::Dup: set_once(effects.copies, 1U, instruction.first); break;
      case Action::Trail: set_once(effects.trail, 0U, instruction.first); break;
      case Action::Cut: set_once(effects.cut, -1, instruction.first); break;
      case Action::TcpCut: set_once(effects.tcp_cut, -1, instruction.first); break;
      case Action::TcpSlow: set_once(effects.tcp_octet_ms, 0U, instruction.first); break;
      case Action::TcpLength: set_once(effects.tcp_longer, 0U, instruction.first); break;
      default: break;
    }
  }
}

}  // namespace clusterdns::dns
