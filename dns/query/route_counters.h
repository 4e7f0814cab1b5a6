// What is counted of every query of one server block: CoreDNS's `coredns_dns_*` series.
//
// Each worker owns a Cell, on cache lines of its own, and is the only one that writes it: plain
// loads and stores, nothing locked. Whoever scrapes adds the cells up.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dns/wire/types.h"

namespace clusterdns::dns {

// Written by one thread, read by any.
class Counter {
 public:
  void add(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class RouteCounters {
 public:
  // Types that are counted by name; CoreDNS's list. The rest is `other`, index kOtherType.
  static constexpr std::array<RRType, 19> kTypes = {
      RRType::A,     RRType::AAAA, RRType::CNAME, RRType::DNSKEY, RRType::DS,
      RRType::MX,    RRType{50},   RRType::NSEC,  RRType::NS,     RRType::PTR,
      RRType::RRSIG, RRType::SOA,  RRType::SRV,   RRType::TXT,    RRType::HTTPS,
      RRType::SVCB,  RRType::IXFR, RRType::AXFR,  RRType::ANY};
  static constexpr std::size_t kOtherType = kTypes.size();
  // Places of a row of types; a power of two, so that finding one is a shift.
  static constexpr std::size_t kTypePlaces = 32;
  // Upper bounds in octets and in seconds, as CoreDNS has them (8291 too); one more bucket takes
  // the rest.
  static constexpr std::array<std::uint32_t, 14> kSizeBounds = {
      0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000};
  static constexpr std::size_t kDurationBounds = 16;
  [[nodiscard]] static constexpr std::int64_t duration_bound_ns(std::size_t i) noexcept {
    return std::int64_t{250'000} << i;
  }
  // The first of CoreDNS's has nearly all there is: it is kept as nine, from 1/256 of it on.
  static constexpr std::size_t kFineDurations = 8;
  using Durations = std::array<std::uint64_t, kFineDurations + kDurationBounds + 1>;
  // Of a place in Durations, in nanoseconds: what is there took at most that long; the last place
  // has none.
  [[nodiscard]] static constexpr double fine_bound_ns(std::size_t i) noexcept {
    return 250'000.0 / (1U << kFineDurations) * static_cast<double>(std::uint64_t{1} << i);
  }
  // In CoreDNS's buckets.
  [[nodiscard]] static std::array<std::uint64_t, kDurationBounds + 1> coarse(
      const Durations& fine) noexcept;
  // Rcodes beyond those with names (RFC 6895 2.3) share the last place. A power of two likewise.
  static constexpr std::size_t kRcodes = 32;
  // Rcodes that a server block ends in without an answer of a stage: CoreDNS's plugins return them
  // and write nothing, so that no plugin is named and the size is 0.
  [[nodiscard]] static constexpr bool is_failure(unsigned rcode) noexcept {
    return rcode < 8 && ((0b110110U >> rcode) & 1U) != 0;  // FORMERR, SERVFAIL, NOTIMP, REFUSED
  }

  struct SizeHistogram {
    std::array<Counter, kSizeBounds.size() + 1> buckets;
    Counter sum;
    [[gnu::always_inline]] inline void observe(std::size_t size) noexcept;
  };
  struct DurationHistogram {
    std::array<Counter, std::tuple_size_v<Durations>> buckets;
    Counter sum_ns;
  };

  // 128: adjacent cache lines are fetched in pairs.
  struct alignas(128) Cell {
    std::array<std::array<Counter, kTypePlaces>, 4> requests;  // by 2 * TCP + IPv6, and type
    std::array<SizeHistogram, 2> request_size;                 // by transport
    std::array<SizeHistogram, 2> response_size;
    DurationHistogram duration;
    Counter dnssec_ok;
    std::unique_ptr<Counter[]> responses;  // by stage (0: none) * kRcodes + rcode
    // Answers of the present batch whose duration is still open, and the next cell of that kind.
    std::uint32_t open = 0;
    Cell* next_open = nullptr;
  };

  // `stages` are the names of the route's stages, in order.
  RouteCounters(unsigned workers, std::vector<std::string> stages);

  [[nodiscard]] Cell& cell(unsigned worker) noexcept { return cells_[worker]; }
  [[nodiscard]] const std::vector<Cell>& cells() const noexcept { return cells_; }
  [[nodiscard]] const std::vector<std::string>& stages() const noexcept { return stages_; }

  struct Sample {
    bool tcp;
    bool v6;
    RRType qtype;
    bool dnssec_ok;
    std::size_t request_size;   // octets
    std::size_t response_size;  // octets, uncompressed; 0: see is_failure
    unsigned rcode;
    unsigned stage;  // position in the route + 1; 0: none
  };
  // Everything but the duration.
  [[gnu::always_inline]] static inline void count(Cell& cell, const Sample& sample) noexcept;
  // The duration is that of the batch: `open` heads the list of cells that await its end.
  static void defer_duration(Cell& cell, Cell*& open) noexcept {
    if (cell.open++ == 0) {
      cell.next_open = open;
      open = &cell;
    }
  }
  static void end_batch(Cell*& open, std::int64_t duration_ns) noexcept;
  // A query that took a time of its own.
  static void observe_duration(Cell& cell, std::int64_t duration_ns, std::uint32_t n = 1) noexcept;

 private:
  static const std::array<std::uint8_t, 256> kTypeIndex;
  static const std::array<std::uint8_t, 512> kSizeIndex;  // buckets of the small sizes
  // Those of the larger ones: between 511 and 8191 the bounds are powers of two, less one.
  static std::size_t large_size_index(std::size_t size) noexcept {
    return size < 8192 ? static_cast<std::size_t>(std::bit_width(size)) - 4 : huge_size_index(size);
  }
  static std::size_t huge_size_index(std::size_t size) noexcept;

  std::vector<std::string> stages_;
  std::vector<Cell> cells_;
};

inline void RouteCounters::SizeHistogram::observe(std::size_t size) noexcept {
  buckets[size < kSizeIndex.size() ? kSizeIndex[size] : large_size_index(size)].add(1);
  sum.add(size);
}

inline void RouteCounters::count(Cell& cell, const Sample& s) noexcept {
  const auto type = static_cast<unsigned>(s.qtype);
  cell.requests[2U * s.tcp + s.v6][type < kTypeIndex.size() ? kTypeIndex[type] : kOtherType].add(1);
  cell.request_size[s.tcp].observe(s.request_size);
  cell.response_size[s.tcp].observe(s.response_size);
  cell.responses[s.stage * kRcodes + (s.rcode < kRcodes ? s.rcode : kRcodes - 1)].add(1);
  if (s.dnssec_ok) cell.dnssec_ok.add(1);
}

}  // namespace clusterdns::dns
