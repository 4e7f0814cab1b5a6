// What the workers know together of one `forward`: which upstreams are silent, which know no EDNS,
// how many queries are under way. Atomics only; what a query reads of it is seldom written.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "dns/forward/transport.h"

namespace clusterdns::dns {

// One upstream's. Silence about questions makes it doubted: it is passed over while it is checked,
// for the names may be to blame. Dead is what has not answered a check either. A word of it, about
// anything, ends both. Any thread.
class alignas(128) UpstreamHealth {
 public:
  using Time = UpstreamClock::time_point;

  // It said something.
  void heard(Time now) noexcept {
    if (silent_.load(std::memory_order_relaxed) != 0) silent_.store(0, std::memory_order_relaxed);
    if (passed_over()) state_.store(State::Well, std::memory_order_relaxed);
    // Replies come by the hundred thousand: the workers do not fight over this line for each.
    if (now - last_word() >= kWordEvery) store(last_word_, now);
  }
  // When it last did; up to kWordEvery too old.
  [[nodiscard]] Time last_word() const noexcept { return load(last_word_); }
  // One more request that it was silent to; their number since its last word.
  unsigned silent_once_more() noexcept {
    return silent_.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  // Doubted or dead: asked last.
  [[nodiscard]] bool passed_over() const noexcept {
    return state_.load(std::memory_order_relaxed) != State::Well;
  }
  [[nodiscard]] bool dead() const noexcept {
    return state_.load(std::memory_order_relaxed) == State::Dead;
  }
  // Dead by a check that failed at `then` or later.
  [[nodiscard]] bool dead_since(Time then) const noexcept {
    return dead() && load(failed_at_) >= then;
  }
  // Its first check is due at once. Where it was passed over already, the next stays where it was.
  void doubt(Time now) noexcept {
    if (passed_over()) return;
    store(check_at_, now);
    State well = State::Well;
    state_.compare_exchange_strong(well, State::Doubted, std::memory_order_relaxed);
  }
  void check_failed(Time now) noexcept {
    store(failed_at_, now);
    state_.store(State::Dead, std::memory_order_relaxed);
  }
  // Of one that is passed over.
  [[nodiscard]] Time check_at() const noexcept { return load(check_at_); }
  // True for one worker of those that ask, once the time has come; the next one is at `then`.
  [[nodiscard]] bool take_check(Time now, Time then) noexcept {
    std::int64_t at = check_at_.load(std::memory_order_relaxed);
    return at <= now.time_since_epoch().count() &&
           check_at_.compare_exchange_strong(at, then.time_since_epoch().count(),
                                             std::memory_order_relaxed);
  }

  // It sent an OPT record: it knows EDNS, whatever it says about one name.
  void heard_opt(Time now) noexcept {
    if (now - load(opt_at_) >= kWordEvery) store(opt_at_, now);
  }
  // Whether it did since `then`, up to kWordEvery more.
  [[nodiscard]] bool has_sent_opt_since(Time then) const noexcept {
    return load(opt_at_) != Time{} && load(opt_at_) > then;
  }
  // It answers queries without OPT only (RFC 6891 6.2.2).
  [[nodiscard]] bool is_plain(Time now) const noexcept { return load(plain_until_) > now; }
  void mark_plain(Time until) noexcept { store(plain_until_, until); }

  // It gave the capitals of a name back as they were: it does so, whatever else seems to come from
  // it.
  void gave_case_back(Time now) noexcept {
    if (now - load(case_kept_at_) >= kWordEvery) store(case_kept_at_, now);
    if (load(case_lost_until_) != Time{}) store(case_lost_until_, Time{});
  }
  // Whether it did since `then`, up to kWordEvery more.
  [[nodiscard]] bool has_given_case_back_since(Time then) const noexcept {
    return load(case_kept_at_) != Time{} && load(case_kept_at_) > then;
  }
  // It makes another case of it.
  [[nodiscard]] bool loses_case(Time now) const noexcept { return load(case_lost_until_) > now; }
  void mark_case_lost(Time until) noexcept { store(case_lost_until_, until); }

  static constexpr std::chrono::milliseconds kWordEvery{10};

 private:
  enum class State : std::uint8_t { Well, Doubted, Dead };
  using Nanoseconds = std::atomic<std::int64_t>;
  static Time load(const Nanoseconds& from) noexcept {
    return Time(Time::duration(from.load(std::memory_order_relaxed)));
  }
  static void store(Nanoseconds& to, Time time) noexcept {
    to.store(time.time_since_epoch().count(), std::memory_order_relaxed);
  }

  Nanoseconds last_word_{0};
  Nanoseconds check_at_{0};
  Nanoseconds failed_at_{0};
  Nanoseconds plain_until_{0};
  Nanoseconds opt_at_{0};
  Nanoseconds case_kept_at_{0};
  Nanoseconds case_lost_until_{0};
  std::atomic<unsigned> silent_{0};
  std::atomic<State> state_{State::Well};
};

// Places for queries under way, of all workers together. When there is none left, the client that
// holds most loses one to whoever holds less, also when they are at different workers.
class QueryPlaces {
 public:
  // 0: no limit.
  QueryPlaces(std::uint32_t limit, unsigned workers) : limit_(limit), workers_(workers) {}

  [[nodiscard]] bool limited() const noexcept { return limit_ != 0; }
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }
  [[nodiscard]] std::uint32_t taken() const noexcept {
    return taken_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool full() const noexcept { return limited() && taken() >= limit_; }
  void take() noexcept {
    if (limited()) taken_.fetch_add(1, std::memory_order_relaxed);
  }
  void give_back() noexcept {
    if (limited()) taken_.fetch_sub(1, std::memory_order_relaxed);
  }

  // What a worker's clients hold: the most that one of them does.
  void publish_most(unsigned worker, std::uint32_t most) noexcept {
    std::atomic<std::uint32_t>& to = workers_[worker].most;
    if (to.load(std::memory_order_relaxed) != most) to.store(most, std::memory_order_relaxed);
  }
  // Has another worker whose client holds more than `more_than` take one away from it soon, at its
  // next question or tick. False when there is none, or too many are owed already: so many more
  // than the limit may be under way for that long.
  [[nodiscard]] bool claim(unsigned worker, std::uint32_t more_than) noexcept {
    Worker* best = nullptr;
    std::uint32_t most = more_than;
    for (unsigned i = 0; i < workers_.size(); ++i) {
      Worker& other = workers_[i];
      const std::uint32_t owed = other.owed.load(std::memory_order_relaxed);
      const std::uint32_t holds = other.most.load(std::memory_order_relaxed);
      if (i == worker || owed >= kMostOwed || holds <= owed || holds - owed <= most) continue;
      most = holds - owed;
      best = &other;
    }
    if (best == nullptr) return false;
    best->owed.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  // How many this worker has to take away from its client that holds most.
  [[nodiscard]] std::uint32_t owed(unsigned worker) noexcept {
    std::atomic<std::uint32_t>& from = workers_[worker].owed;
    if (from.load(std::memory_order_relaxed) == 0) return 0;
    return from.exchange(0, std::memory_order_relaxed);
  }

  static constexpr std::uint32_t kMostOwed = 64;

 private:
  struct alignas(128) Worker {
    std::atomic<std::uint32_t> most{0};
    std::atomic<std::uint32_t> owed{0};
  };
  const std::uint32_t limit_;
  alignas(128) std::atomic<std::uint32_t> taken_{0};
  std::vector<Worker> workers_;
};

struct SharedForwarding {
  SharedForwarding(std::size_t upstreams, unsigned workers, std::uint32_t max_concurrent)
      : health(upstreams),
        places(max_concurrent, workers),
        limit_text("concurrent queries exceeded maximum " + std::to_string(max_concurrent)) {}
  std::vector<UpstreamHealth> health;
  QueryPlaces places;
  const std::string limit_text;  // CoreDNS's words
};

}  // namespace clusterdns::dns
