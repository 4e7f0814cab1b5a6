// Stages that change what others answer, by filters: `header`, `minimal`, `nsid`, `dns64` and the
// orders of `loadbalance` (CoreDNS's plugins).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/concurrent/reclaim.h"
#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/query/worker_counters.h"

namespace clusterdns::dns {

// Adds itself as a filter and lets the query pass.
class FilterStage : public Stage, public ResponseFilter {
 public:
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    // Eight filters are more than a server block has directives for.
    (void)exchange.add_filter(*this);
    return Verdict::Next;
  }
};

// Sets and clears flags of the question, as later stages see it, and of the answer.
class HeaderStage final : public FilterStage {
 public:
  enum class Flag : std::uint8_t { AA, RA, RD };
  struct Rule {
    Flag flag{};
    bool set = true;
  };
  HeaderStage(std::vector<Rule> query, std::vector<Rule> response)
      : query_(std::move(query)), response_(std::move(response)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "header"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;
  [[nodiscard]] bool reads_records() const noexcept override { return false; }

 private:
  const std::vector<Rule> query_;
  const std::vector<Rule> response_;
};

// Leaves authority and additional data out of answers that say what was asked for.
class MinimalStage final : public FilterStage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "minimal"; }
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;
  [[nodiscard]] bool reads_records() const noexcept override { return false; }
};

// Tells who asks for it which server this is (RFC 5001).
class NsidStage final : public FilterStage {
 public:
  explicit NsidStage(std::string id) : id_(std::move(id)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "nsid"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;
  [[nodiscard]] bool reads_records() const noexcept override { return false; }
  [[nodiscard]] bool serves(RRClass) const noexcept override { return true; }

 private:
  const std::string id_;
};

// Makes AAAA records of A records for clients behind NAT64 (RFC 6147).
class Dns64Stage final : public FilterStage {
 public:
  struct Options {
    std::array<std::uint8_t, 16> prefix{0x00, 0x64, 0xff, 0x9b};
    unsigned prefix_bits = 96;   // 32 to 96, a multiple of 8
    bool translate_all = false;  // also where there are AAAA records
    bool allow_ipv4 = false;     // also for clients that ask over IPv4
  };
  Dns64Stage(const Options& options, unsigned workers) : options_(options), counters_(workers, 1) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "dns64"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;

  [[nodiscard]] std::uint64_t translated() const noexcept { return counters_.total(0); }
  // The IPv6 address that stands for an IPv4 address (RFC 6052 2.2).
  [[nodiscard]] std::array<std::uint8_t, 16> translate(const std::uint8_t* address) const noexcept;

 private:
  void synthesize(Answer& answer, std::uint32_t soa_ttl) const noexcept;

  const Options options_;
  WorkerCounters counters_;
};

// Gives records another order without an allocation. One worker's.
class alignas(128) RecordSorter {
 public:
  RecordSorter() : numbers_(Answer::kMaxRRsets) {}
  // Ascending by what `rank` says of each, from 0 to 65535; asked once of each. Equal ones keep
  // their order.
  template <class Rank>
  void sort(std::span<RRsetRef> records, const Rank& rank) noexcept;
  // A number for each of so many records, to be used until the next sort().
  [[nodiscard]] std::span<std::uint32_t> numbers(std::size_t count) noexcept {
    return std::span(numbers_).first(std::min(count, numbers_.size()));
  }

 private:
  std::vector<std::uint32_t> numbers_;
};

// Addresses of preferred networks come first.
class PreferStage final : public FilterStage {
 public:
  static constexpr std::size_t kMaxNetworks = 65'000;
  // The first network is preferred most; kMaxNetworks at most.
  PreferStage(const std::vector<AddressRanges>& networks, unsigned workers);
  [[nodiscard]] std::string_view name() const noexcept override { return "loadbalance"; }
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;

 private:
  using Octets = std::array<std::uint8_t, 16>;
  // From an address on, up to the next one's.
  struct Stretch {
    Octets from;
    std::uint16_t network;  // position of the first that holds it; networks_: none
  };
  [[nodiscard]] std::uint16_t network_of(const RRsetRef& address) const noexcept;

  const std::uint16_t networks_;
  // Of IPv4, in IPv6 that holds it, and of IPv6; ascending, from all zeros on.
  std::array<std::vector<Stretch>, 2> stretches_;
  std::vector<RecordSorter> sorters_;
};

// Octets of a file of weights.
inline constexpr std::size_t kMaxWeightFile = std::size_t{4} << 20;

// The address that comes first is drawn by weights; the others stay.
class WeightedStage final : public FilterStage {
 public:
  // By name in lower-case wire form: addresses, 4 or 16 octets, with their weights.
  struct Weights {
    struct Hash {
      using is_transparent = void;
      std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>()(text);
      }
    };
    using OfName = std::vector<std::pair<std::string, std::uint8_t>>;
    std::unordered_map<std::string, OfName, Hash, std::equal_to<>> names;
  };
  WeightedStage(ReclaimDomain& reclaim, unsigned workers, std::uint64_t seed);
  ~WeightedStage() override;

  // Control thread. Of an address that is there twice the first counts.
  void publish(std::unique_ptr<Weights> weights);

  [[nodiscard]] std::string_view name() const noexcept override { return "loadbalance"; }
  [[nodiscard]] Verdict filter(Exchange& exchange, std::uint64_t note) noexcept override;

 private:
  struct alignas(128) Random {
    std::uint64_t state = 0;
    RecordSorter sorter;
  };
  void draw_first(std::span<RRsetRef> addresses, const Answer& answer,
                  Random& random) const noexcept;

  ReclaimDomain& reclaim_;
  std::atomic<const Weights*> weights_;
  std::vector<Random> random_;
};

template <class Rank>
void RecordSorter::sort(std::span<RRsetRef> records, const Rank& rank) noexcept {
  constexpr unsigned kPlaceBits = 16;
  constexpr std::uint32_t kPlace = (1U << kPlaceBits) - 1;
  const std::span<std::uint32_t> keys = numbers(records.size());
  if (keys.size() != records.size()) return;
  std::uint32_t last = 0;
  bool sorted = true;
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    keys[i] = static_cast<std::uint32_t>(rank(records[i])) << kPlaceBits | i;
    sorted = sorted && keys[i] >= last;
    last = keys[i];
  }
  if (sorted) return;
  std::sort(keys.begin(), keys.end());
  // keys[i] says who comes to i; round each circle of moves.
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    std::uint32_t to = i;
    const RRsetRef first = records[i];
    while ((keys[to] & kPlace) != i) {
      const std::uint32_t from = keys[to] & kPlace;
      records[to] = records[from];
      keys[to] = to;
      to = from;
    }
    records[to] = first;
    keys[to] = to;
  }
}

}  // namespace clusterdns::dns
