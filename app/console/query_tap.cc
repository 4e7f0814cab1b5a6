#include "app/console/query_tap.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace clusterdns::app {

QueryTap::QueryTap(std::function<void()> wake) : wake_(std::move(wake)) {
  waiting_.reserve(kWaiting);
}

bool QueryTap::has_turn(std::int64_t now_ns) noexcept {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t second = now_ns / kSecond;
  std::int64_t known = second_.load(std::memory_order_relaxed);
  if (known != second &&
      second_.compare_exchange_strong(known, second, std::memory_order_relaxed)) {
    in_second_.store(0, std::memory_order_relaxed);
  }
  if (in_second_.load(std::memory_order_relaxed) >= kConsoleQueries) return false;
  return in_second_.fetch_add(1, std::memory_order_relaxed) < kConsoleQueries;
}

void QueryTap::on_answer(const Event& event, dns::WorkerContext&) noexcept {
  const std::int64_t now = dns::monotonic_ns();
  bool first = false;
  if (!has_turn(now)) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || waiting_.size() == kWaiting) {
      skipped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    first = waiting_.empty();
    SeenQuery& seen = waiting_.emplace_back();  // there is room
    seen.time =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    seen.client = event.client;
    seen.transport = event.transport;
    const dns::NameView name = event.query.name();
    seen.name_size = static_cast<std::uint8_t>(std::min(name.size(), seen.name.size()));
    std::copy_n(name.begin(), seen.name_size, seen.name.begin());
    seen.type = event.query.qtype;
    seen.rcode = event.response.size() > 3 ? event.response[3] & 0xF : 0;
    seen.took_ns = now - event.received_ns;
  }
  try {
    if (first) wake_();
  } catch (...) {
    // No memory to wake anybody. The next take() has it.
  }
}

std::vector<SeenQuery> QueryTap::take(std::uint64_t& skipped) {
  std::vector<SeenQuery> fresh;
  fresh.reserve(kWaiting);
  skipped = skipped_.exchange(0, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  std::swap(fresh, waiting_);
  return fresh;
}

}  // namespace clusterdns::app
