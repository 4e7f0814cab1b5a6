// How often a rule, a client, a name and a type have met, and chance that depends on nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/query/exchange.h"

namespace clusterdns::dns {

// Keys that are kept; the one that was not used for longest goes first.
inline constexpr std::size_t kMaxFaultCounts = 100'000;

// Numbers that depend on what they are made of alone, the same in each run and on each machine.
class Draws {
 public:
  Draws() = default;
  // Of a rule's `name`, empty for labels, and of client, name and type of a query.
  Draws(std::uint64_t seed, std::string_view rule, const Exchange& exchange) noexcept;
  // In [0, 1); `met`: the how-manieth such query; `what`: which of its draws.
  [[nodiscard]] double draw(std::uint64_t met, std::uint32_t what) const noexcept;

 private:
  std::uint64_t base_ = 0;
};

// Shared by the workers. Any thread.
class FaultCounts {
 public:
  struct Counts {
    std::uint32_t met = 0;
    std::vector<std::uint32_t> of;  // grown by whoever counts there

    // Counts there, and returns the number so far.
    std::uint32_t next(std::size_t place);
  };

  explicit FaultCounts(std::size_t most = kMaxFaultCounts);

  // Calls `use` with the counts of a rule (of `group`, any number that tells them apart) and of
  // client, name in any case and type of a query. `use` must not call anything of this.
  template <class Use>
  void with(std::uint64_t group, std::string_view rule, const Exchange& exchange, Use use) {
    const Key key = key_of(group, rule, exchange);
    const std::lock_guard lock(mutex_);
    use(find(key));
  }
  void clear();

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t evicted() const noexcept {
    return evicted_.load(std::memory_order_relaxed);
  }

 private:
  struct Key {
    std::uint64_t high = 0, low = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept { return key.low; }
  };
  struct Entry {
    Key key;
    Counts counts;
  };

  [[nodiscard]] Key key_of(std::uint64_t group, std::string_view rule,
                           const Exchange& exchange) const noexcept;
  Counts& find(const Key& key);

  const std::size_t most_;
  // Unpredictable: names are chosen by clients.
  const std::uint64_t salt_[2];
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the newest first
  std::unordered_map<Key, std::list<Entry>::iterator, Hash> by_key_;
  std::atomic<std::uint64_t> evicted_{0};
};

}  // namespace clusterdns::dns
