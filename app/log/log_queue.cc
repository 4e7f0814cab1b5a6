#include "app/log/log_queue.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "dns/concurrent/blocked_signals.h"

namespace clusterdns::app {
namespace {

using Clock = std::chrono::steady_clock;

// How often a writer whose reader does not read looks whether it is to end.
constexpr int kLookMs = 100;
// Octets formatted at once.
constexpr std::size_t kBatch = 64 * 1024;

// Octets that write(2) takes without waiting once poll(2) has said that there is room. Pipes have
// room for PIPE_BUF then; other writers to the same pipe may take it in between, which only the
// log's thread waits for.
std::size_t piece_of(int fd) noexcept {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? kBatch : PIPE_BUF;
}

// What became of a try to write.
enum class Wrote { All, NotYet, Failed };

// Writes from the front of `text` until nothing is left, or nobody has read for `patience`.
Wrote write_some(int fd, std::size_t piece, std::string_view& text, int patience_ms) noexcept {
  while (!text.empty()) {
    pollfd poll{fd, POLLOUT, 0};
    const int ready = ::poll(&poll, 1, patience_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return Wrote::NotYet;
    const ssize_t n = ::write(fd, text.data(), std::min(text.size(), piece));
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      // Somebody made it non-blocking, and there is less room than a piece takes.
      ::poll(nullptr, 0, std::min(patience_ms, 10));
      return Wrote::NotYet;
    } else if (n == 0 || errno != EINTR) {
      return Wrote::Failed;
    }
  }
  return Wrote::All;
}

}  // namespace

// Shared with the thread, which may have to be left behind in a system call.
class LogQueue::State {
 public:
  State(int fd, Writer write, Formatter format, Gap gap, std::size_t octets)
      : fd_(fd),
        piece_(piece_of(fd)),
        write_(std::move(write)),
        format_(std::move(format)),
        gap_(std::move(gap)),
        size_(octets),
        ring_(std::make_unique_for_overwrite<char[]>(octets)) {}

  void push(const Line& line) noexcept {
    const std::string_view text = line.text.substr(0, std::min(kLogLine, size_ / 2));
    const Head head{static_cast<std::uint32_t>(text.size()), line.kind, line.level, line.time};
    const std::lock_guard lock(mutex_);
    while (size_ - used_ < sizeof head + text.size()) drop_oldest();
    put(&head, sizeof head);
    put(text.data(), text.size());
    ++pushed_;
    if (idle_) wake_.notify_one();
  }

  void flush(Clock::time_point deadline) noexcept {
    std::unique_lock lock(mutex_);
    const std::uint64_t last = pushed_;
    written_.wait_until(lock, deadline, [&] { return done_ >= last; });
  }

  // Asks the thread to end; true when it has.
  bool end(Clock::time_point deadline) noexcept {
    std::unique_lock lock(mutex_);
    deadline_ = deadline;
    ending_.store(true, std::memory_order_relaxed);
    wake_.notify_one();
    // A little longer than the thread takes to see that its time is over.
    return written_.wait_until(lock, deadline + std::chrono::milliseconds(2 * kLookMs),
                               [&] { return ended_; });
  }

  [[nodiscard]] std::uint64_t lost() const noexcept {
    return lost_.load(std::memory_order_relaxed);
  }

  void run() noexcept {
    ::pthread_setname_np(::pthread_self(), "log");
    std::string raw;
    std::string out;
    std::uint64_t told = 0;
    for (;;) {
      std::uint64_t lines = 0;
      {
        std::unique_lock lock(mutex_);
        idle_ = true;
        wake_.wait(lock, [&] { return used_ != 0 || ending_.load(std::memory_order_relaxed); });
        idle_ = false;
        if (used_ == 0) break;
        try {
          raw.clear();
          while (used_ != 0 && raw.size() < kBatch) {
            take(raw);
            ++lines;
          }
        } catch (...) {  // no memory: what was not taken waits
        }
      }
      const std::uint64_t lost = lost_.load(std::memory_order_relaxed);
      try {
        out.clear();
        format(raw, out);
        if (lost != told) {
          // By itself: it is told once it has been written.
          std::string gap;
          gap_(lost - told, gap);
          if (write(gap)) told = lost;
        }
      } catch (...) {
        lost_.fetch_add(lines, std::memory_order_relaxed);
        out.clear();
      }
      if (!write(out)) {
        // What is left of the lines that were under way.
        lost_.fetch_add(lines, std::memory_order_relaxed);
      }
      const std::lock_guard lock(mutex_);
      done_ += lines;
      written_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    written_.notify_all();
  }

 private:
  struct Head {
    std::uint32_t size;
    std::uint8_t kind;
    std::uint8_t level;
    std::chrono::system_clock::time_point time;
  };

  void put(const void* octets, std::size_t count) noexcept {
    const std::size_t at = (begin_ + used_) % size_;
    const std::size_t first = std::min(count, size_ - at);
    std::memcpy(ring_.get() + at, octets, first);
    std::memcpy(ring_.get(), static_cast<const char*>(octets) + first, count - first);
    used_ += count;
  }
  void get(void* to, std::size_t offset, std::size_t count) const noexcept {
    const std::size_t at = (begin_ + offset) % size_;
    const std::size_t first = std::min(count, size_ - at);
    std::memcpy(to, ring_.get() + at, first);
    std::memcpy(static_cast<char*>(to) + first, ring_.get(), count - first);
  }
  void skip(std::size_t count) noexcept {
    begin_ = (begin_ + count) % size_;
    used_ -= count;
  }
  void drop_oldest() noexcept {
    Head head;
    get(&head, 0, sizeof head);
    skip(sizeof head + head.size);
    ++done_;
    lost_.fetch_add(1, std::memory_order_relaxed);
  }
  void take(std::string& to) {
    Head head;
    get(&head, 0, sizeof head);
    const std::size_t count = sizeof head + head.size;
    const std::size_t before = to.size();
    to.resize(before + count);
    get(to.data() + before, 0, count);
    skip(count);
  }

  void format(std::string_view raw, std::string& out) const {
    while (!raw.empty()) {
      Head head;
      std::memcpy(&head, raw.data(), sizeof head);
      format_({head.kind, head.level, head.time, raw.substr(sizeof head, head.size)}, out);
      raw.remove_prefix(sizeof head + head.size);
    }
  }

  // False when not all could be written.
  bool write(std::string_view text) noexcept {
    if (write_) return give(text);
    for (;;) {
      const bool ending = ending_.load(std::memory_order_relaxed);
      int patience = kLookMs;
      if (ending) {
        const std::lock_guard lock(mutex_);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
        if (left.count() <= 0) return false;
        patience = static_cast<int>(std::min<std::int64_t>(left.count(), kLookMs));
      }
      switch (write_some(fd_, piece_, text, patience)) {
        case Wrote::All: return true;
        case Wrote::Failed: return false;
        case Wrote::NotYet: continue;
      }
    }
  }

  // To the Writer, line by line.
  bool give(std::string_view text) noexcept {
    bool all = true;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
      try {
        all = write_(text.substr(0, end)) && all;
      } catch (...) {
        // It is the program's, and so is what it throws.
      }
      text.remove_prefix(end);
    }
    return all;
  }

  const int fd_;
  const std::size_t piece_;
  const Writer write_;
  const Formatter format_;
  const Gap gap_;
  const std::size_t size_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable written_;
  // Guarded by mutex_.
  std::unique_ptr<char[]> ring_;
  std::size_t begin_ = 0;
  std::size_t used_ = 0;
  std::uint64_t pushed_ = 0;
  std::uint64_t done_ = 0;  // written or lost
  bool idle_ = false;
  bool ended_ = false;
  Clock::time_point deadline_{};
  std::atomic<bool> ending_{false};
  std::atomic<std::uint64_t> lost_{0};
};

LogQueue::LogQueue(int fd, Formatter format, Gap gap, std::size_t octets)
    : state_(std::make_shared<State>(fd, nullptr, std::move(format), std::move(gap), octets)) {
  start();
}

LogQueue::LogQueue(Writer write, Formatter format, Gap gap, std::size_t octets)
    : state_(std::make_shared<State>(-1, std::move(write), std::move(format), std::move(gap),
                                     octets)) {
  start();
}

void LogQueue::start() {
  // Nobody joins it: it may be in a call that never returns.
  dns::thread_without_signals([state = state_] { state->run(); }).detach();
}

LogQueue::~LogQueue() { (void)state_->end(Clock::now() + kLogLastWords); }

void LogQueue::push(const Line& line) noexcept { state_->push(line); }
void LogQueue::flush() noexcept { state_->flush(Clock::now() + kLogLastWords); }
std::uint64_t LogQueue::lost() const noexcept { return state_->lost(); }

void write_last_words(int fd, std::string_view text) noexcept {
  const std::size_t piece = piece_of(fd);
  const auto deadline = Clock::now() + kLogLastWords;
  while (Clock::now() < deadline && write_some(fd, piece, text, kLookMs) == Wrote::NotYet) {
  }
}

}  // namespace clusterdns::app
