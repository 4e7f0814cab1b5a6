// What is counted of HTTP responses: CoreDNS's `coredns_dns_https_responses_total`.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "dns/query/route_counters.h"

namespace clusterdns::dns {

// Statuses that are sent.
inline constexpr std::array<unsigned, 9> kHttpStatuses = {200, 400, 404, 405, 413,
                                                          414, 415, 431, 500};

// Of one listener. Each worker owns a cell and is the only one that writes it; any thread reads.
class HttpCounters {
 public:
  struct alignas(128) Cell {
    std::array<Counter, kHttpStatuses.size()> responses;  // by place in kHttpStatuses
    // Any thread's that owns the cell. REQUIRES: `status` is one of kHttpStatuses.
    void count(unsigned status) noexcept {
      for (std::size_t i = 0; i < kHttpStatuses.size(); ++i) {
        if (kHttpStatuses[i] == status) return responses[i].add(1);
      }
    }
  };
  explicit HttpCounters(unsigned workers) : cells_(workers) {}
  [[nodiscard]] Cell& cell(unsigned worker) noexcept { return cells_[worker]; }
  [[nodiscard]] const std::vector<Cell>& cells() const noexcept { return cells_; }

 private:
  std::vector<Cell> cells_;
};

}  // namespace clusterdns::dns
