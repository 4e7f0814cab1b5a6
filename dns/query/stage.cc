#include "dns/query/stage.h"

#include <algorithm>

#include "dns/query/upstream.h"

namespace clusterdns::dns {

std::uint32_t WorkerContext::next_turn(NameView name, RRType type, std::uint32_t count) noexcept {
  const std::size_t hash =
      std::hash<std::string_view>{}({reinterpret_cast<const char*>(name.data()), name.size()});
  std::uint16_t& turn = turns[(hash ^ static_cast<std::size_t>(type)) % turns.size()];
  // Multiples of the golden ratio, modulo 1: they fall everywhere as often.
  const std::uint32_t place = turn++ * 0x9E3779B1U;
  return static_cast<std::uint32_t>((std::uint64_t{place} * count) >> 32);
}

bool Route::serves(RRClass rrclass) const noexcept {
  return std::any_of(stages.begin(), stages.end(),
                     [rrclass](const auto& stage) { return stage->serves(rrclass); });
}

bool Route::decides_by_rules() const noexcept {
  return std::any_of(stages.begin(), stages.end(),
                     [](const auto& stage) { return stage->decides_by_rules(); });
}

Upstream* find_covering(const Route& route, NameView name) noexcept {
  for (const auto& stage : route.stages) {
    Upstream* const upstream = stage->upstream();
    if (upstream != nullptr && upstream->covers(name)) return upstream;
  }
  return nullptr;
}

Upstream* find_upstream(const Route& route, NameView name, const Endpoint& client) noexcept {
  Upstream* const upstream = find_covering(route, name);
  return upstream != nullptr && upstream->allows(client) ? upstream : nullptr;
}

Upstream* find_next_upstream(const Route& route, const Upstream& passed, NameView name,
                             const Endpoint& client) noexcept {
  bool behind = false;
  for (const auto& stage : route.stages) {
    Upstream* const upstream = stage->upstream();
    if (upstream == nullptr) continue;
    if (behind && upstream->can_ask() && upstream->covers(name) && upstream->allows(client)) {
      return upstream;
    }
    behind = behind || upstream == &passed;
  }
  return nullptr;
}

}  // namespace clusterdns::dns
