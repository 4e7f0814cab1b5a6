// Answers that leave later than they are ready, or otherwise than answers do: of one worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns/forward/transport.h"
#include "dns/query/exchange.h"

namespace clusterdns::dns {

// Octets of all answers of the process that wait to leave, what is kept of their queries included;
// what comes beyond is dropped. An answer of a few records takes some 4 KiB.
inline constexpr std::size_t kMaxDelayedOctets = 64 * 1024 * 1024;
// A worker that had more than this waiting gives the memory back when the last of it has left.
inline constexpr std::size_t kDelayedGivenBack = 4 * 1024 * 1024;
// How long `hold` waits for another answer.
inline constexpr std::int64_t kLongestHold = 1'000'000'000;  // ns

struct Departure;

// What was done to an answer, for those who observe it.
struct FaultNote {
  std::string rule;    // the first that acted; empty: labels
  std::string faults;  // "d120 servfail"
  bool spoilt = false;
  bool dropped = false;
  // What leaves, where that is not what observers are shown; valid while they are told.
  const Departure* departure = nullptr;
};

// Which note belongs to the answer that observers of a worker are told of now.
class FaultNotes {
 public:
  explicit FaultNotes(unsigned workers) : each_(workers) {}

  // nullptr: nothing was done to it. Valid until the observers have been told.
  [[nodiscard]] const FaultNote* now(unsigned worker) const noexcept {
    const Place& place = each_[worker];
    return place.set ? &place.note : nullptr;
  }
  // One to fill in for the next answer of this worker.
  [[nodiscard]] FaultNote& set(unsigned worker) noexcept {
    each_[worker].set = true;
    return each_[worker].note;
  }
  void clear(unsigned worker) noexcept { each_[worker].set = false; }

 private:
  struct alignas(128) Place {
    FaultNote note;
    bool set = false;
  };
  std::vector<Place> each_;
};

// Written by the workers, read by any thread.
struct DelayFigures {
  std::atomic<std::size_t> waiting{0};
  std::atomic<std::size_t> octets{0};
  std::atomic<std::uint64_t> dropped{0};  // for want of room
};

struct Departure {
  std::unique_ptr<Exchange> exchange;  // deferred
  std::vector<std::uint8_t> message;   // as it leaves
  std::vector<std::uint8_t> before;    // a message that leaves before it; empty: none
  std::vector<std::uint8_t> told;      // what observers are shown, where that is not `message`
  std::uint32_t copies = 1;
  bool odd = false;  // `how` says something
  bool hold = false;
  OddSending how;
  FaultNote note;

  [[nodiscard]] std::size_t octets() const noexcept;
};

class Departures;

// Answers that are held until another one to the same client has left: one for each client,
// whatever worker has it.
class HeldAnswers {
 public:
  // Whether some client has one; cheap.
  [[nodiscard]] bool any() const noexcept { return count_.load(std::memory_order_relaxed) != 0; }
  // False when the client has one already.
  [[nodiscard]] bool add(const Endpoint& client, std::weak_ptr<Departures> where, std::uint64_t id);
  void remove(const Endpoint& client, std::uint64_t id);
  // An answer to `client` has left, or is about to within this handler: lets the one that is held
  // go. `self` is whose worker this is.
  void release(const Endpoint& client) noexcept;

 private:
  struct Held {
    std::weak_ptr<Departures> where;
    std::uint64_t id;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Held> by_client_;
  std::atomic<std::size_t> count_{0};
};

// Used by its worker's thread, but for let_go().
class Departures : public std::enable_shared_from_this<Departures> {
 public:
  Departures(WorkerContext& worker, std::shared_ptr<FaultNotes> notes,
             std::shared_ptr<DelayFigures> figures, std::shared_ptr<HeldAnswers> held);
  ~Departures();

  // Lets it leave at `due_ns` (monotonic clock), or at once when that has passed.
  void add(Departure departure, std::int64_t due_ns) noexcept;
  // Sends the held answer `id`, soon; any thread.
  void let_go(std::uint64_t id);
  // Everything leaves at once.
  void close() noexcept;

 private:
  struct Waiting {
    std::int64_t due_ns;
    std::uint64_t id;                      // in the order in which they came
    std::unique_ptr<Departure> departure;  // nullptr: held_ has it
  };
  static bool later(const Waiting& a, const Waiting& b) noexcept {
    return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.id > b.id;
  }

  [[nodiscard]] bool take_room(const Departure& departure) noexcept;
  void give_room(const Departure& departure) noexcept;
  void push(Waiting waiting);
  void arm();
  void on_time() noexcept;
  // Its time has come.
  void leave(std::unique_ptr<Departure> departure) noexcept;
  void give_back() noexcept;
  void send(Departure& departure) noexcept;
  void free(std::uint64_t id) noexcept;

  WorkerContext& worker_;
  std::shared_ptr<UpstreamNetwork> network_;
  std::unique_ptr<UpstreamTimer> timer_;
  std::shared_ptr<FaultNotes> notes_;
  std::shared_ptr<DelayFigures> figures_;
  std::shared_ptr<HeldAnswers> held_answers_;
  std::vector<Waiting> waiting_;  // a heap, the next one first
  std::unordered_map<std::uint64_t, std::unique_ptr<Departure>> held_;
  std::uint64_t last_id_ = 0;
  std::int64_t armed_ns_ = 0;          // 0: not
  std::size_t octets_ = 0, most_ = 0;  // of this worker: now, and at most since it gave back
  bool closed_ = false;
};

}  // namespace clusterdns::dns
