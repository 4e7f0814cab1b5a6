// Shows the queries of all workers to whoever watches them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "dns/query/stage.h"

namespace clusterdns::app {

// Queries a second that are shown; of more, a sample.
inline constexpr std::uint32_t kConsoleQueries = 2000;

// Of one query, as little as a worker can leave behind.
struct SeenQuery {
  double time = 0;  // seconds since 1970
  dns::Endpoint client;
  dns::Transport transport{};
  std::array<std::uint8_t, 255> name{};  // wire form
  std::uint8_t name_size = 0;
  dns::RRType type{};
  std::uint8_t rcode = 0;
  std::int64_t took_ns = 0;
};

// on_answer() on the workers, take() anywhere. Workers never wait: what they cannot leave at once
// is counted as skipped.
class QueryTap final : public dns::AnswerObserver {
 public:
  // `wake` is called on a worker when something has come and nothing had: take() then.
  explicit QueryTap(std::function<void()> wake);

  void on_answer(const Event& event, dns::WorkerContext& worker) noexcept override;
  // What has come since the last call, and how many more there were.
  [[nodiscard]] std::vector<SeenQuery> take(std::uint64_t& skipped);

 private:
  static constexpr std::size_t kWaiting = 1024;
  [[nodiscard]] bool has_turn(std::int64_t now_ns) noexcept;

  const std::function<void()> wake_;
  std::atomic<std::int64_t> second_{0};
  std::atomic<std::uint32_t> in_second_{0};
  std::atomic<std::uint64_t> skipped_{0};
  std::mutex mutex_;
  std::vector<SeenQuery> waiting_;  // guarded by mutex_; room is made beforehand
};

}  // namespace clusterdns::app
