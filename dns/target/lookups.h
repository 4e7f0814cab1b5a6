// What became of clients' look-ups while a scenario ran: what its expectations are measured by.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/query/exchange.h"

namespace clusterdns::dns {

// A query so long after another that was not answered well has nothing to do with it.
inline constexpr std::int64_t kRetryWithin = 10'000'000'000;  // ns
inline constexpr std::size_t kMaxLookups = 100'000;

// A look-up begins with a query of client, name and type, has the retries of it, over TCP too, and
// is good once a good answer has left. Any thread.
class Lookups {
 public:
  // `within`: times in ns, of each expectation.
  explicit Lookups(std::vector<std::int64_t> within);

  void on_query(const Exchange& exchange);
  // A good answer to `query` left at `now_ns` (monotonic clock).
  void on_good(const Endpoint& client, const Query& query, std::int64_t now_ns);

  struct Result {
    std::uint64_t all = 0;
    std::vector<std::uint64_t> good;  // by expectation
  };
  [[nodiscard]] Result result() const;

 private:
  struct Lookup {
    std::string key;
    std::int64_t began_ns = 0;
    std::int64_t last_ns = 0;  // query
    bool good = false;
  };

  const std::vector<std::int64_t> within_;
  mutable std::mutex mutex_;
  std::list<Lookup> list_;  // the newest first
  std::unordered_map<std::string_view, std::list<Lookup>::iterator> by_key_;
  Result result_;
};

}  // namespace clusterdns::dns
