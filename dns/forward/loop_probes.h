// Finds upstreams that are this server itself, directly or by way of others.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "dns/wire/name.h"

namespace clusterdns::dns {

// Which upstreams are this server itself. Shared by the workers: the probe of one may come in at
// another. All atomics; any thread.
class LoopProbes {
 public:
  LoopProbes(std::size_t upstreams, unsigned workers);

  // A fresh name for a probe of `upstream` by `worker`: <random>.<random>.<zone>, as CoreDNS's.
  [[nodiscard]] Name make(std::size_t upstream, unsigned worker, const Name& zone) noexcept;
  // The upstream that a probe named `name` (lower-case) was sent to, when it is one of ours that is
  // still awaited; kNone otherwise. That upstream is looped from now on. `*fresh`: it was not
  // before.
  [[nodiscard]] std::size_t seen(NameView name, bool* fresh) noexcept;
  // The probe came back as an answer. The upstream is not looped any more unless it was seen.
  void answered(std::size_t upstream, unsigned worker) noexcept;

  [[nodiscard]] bool looped(std::size_t upstream) const noexcept {
    return (looped_.load(std::memory_order_relaxed) >> upstream & 1u) != 0;
  }
  [[nodiscard]] bool any() const noexcept { return looped_.load(std::memory_order_relaxed) != 0; }

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

 private:
  const unsigned workers_;
  const std::uint64_t tag_;                          // second label of every probe
  std::vector<std::atomic<std::uint64_t>> awaited_;  // first labels; 0: none; by upstream, worker
  std::atomic<std::uint32_t> looped_{0};             // bit per upstream
};

}  // namespace clusterdns::dns
