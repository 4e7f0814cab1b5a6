#include "app/instance/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include <boost/asio/post.hpp>

#include "app/log/log_queue.h"
#include "dns/concurrent/blocked_signals.h"
#include "dns/query/stage.h"

namespace clusterdns::app {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
// After the second signal that ends.
constexpr std::chrono::seconds kImpatience{1};

constexpr int kRead[] = {SIGTERM, SIGINT, SIGQUIT, SIGXCPU, SIGUSR1, SIGUSR2};
// Of the program itself, and of a shell's job control.
constexpr int kUsual[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT, SIGTRAP,
                          SIGSYS,  SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};

bool is_ignored(int number) noexcept {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

dns::Descriptor checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return dns::Descriptor(fd);
}

}  // namespace

Signals::Signals(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
                 std::function<void(int)> handle)
    : io_(io),
      logger_(std::move(logger)),
      handle_(std::move(handle)),
      stop_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      deadline_ns_(kNever) {
  // Ignored, children would be gone before their exit codes are asked for.
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t read;
  ::sigemptyset(&read);
  for (const int number : kRead) ::sigaddset(&read, number);
  if (!is_ignored(SIGHUP)) ::sigaddset(&read, SIGHUP);
  sigset_t blocked;
  ::sigfillset(&blocked);
  for (const int number : kUsual) ::sigdelset(&blocked, number);
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
  signals_ = checked(::signalfd(-1, &read, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
  thread_ = dns::thread_without_signals([this] { run(); });
}

Signals::~Signals() {
  stopped_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

bool Signals::ends(int number) noexcept {
  return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGXCPU;
}

const char* Signals::name(int number) noexcept {
  switch (number) {
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    case SIGXCPU: return "SIGXCPU";
    case SIGHUP: return "SIGHUP";
    case SIGUSR1: return "SIGUSR1";
    case SIGUSR2: return "SIGUSR2";
    default: return "a signal";
  }
}

void Signals::must_end_within(std::chrono::nanoseconds time, int code) noexcept {
  code_.store(code, std::memory_order_relaxed);
  taken_up_.store(true, std::memory_order_relaxed);
  deadline_ns_.store(dns::monotonic_ns() + time.count(), std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
}

void Signals::end_now(int code, const char* why) noexcept {
  logger_->flush();
  if (why != nullptr) write_last_words(STDERR_FILENO, why);
  ::_exit(code);
}

void Signals::take(int number) {
  if (ends(number)) {
    if (!started_.load(std::memory_order_acquire)) {
      logger_->info("{}: ended before serving", name(number));
      end_now(0, nullptr);
    }
    const std::int64_t now = dns::monotonic_ns();
    const auto patience =
        deadline_ns_.load(std::memory_order_acquire) == kNever ? kTakeUp : kImpatience;
    const std::int64_t deadline = now + std::chrono::nanoseconds(patience).count();
    deadline_ns_.store(std::min(deadline_ns_.load(std::memory_order_acquire), deadline),
                       std::memory_order_release);
  }
  const std::lock_guard lock(mutex_);
  if (detached_) return;
  boost::asio::post(io_, [this, number] { handle_(number); });
}

void Signals::run() noexcept {
  ::pthread_setname_np(::pthread_self(), "signals");
  for (;;) {
    int patience = -1;
    const std::int64_t deadline = deadline_ns_.load(std::memory_order_acquire);
    if (deadline != kNever) {
      const std::int64_t left = deadline - dns::monotonic_ns();
      if (left <= 0) {
        end_now(
            code_.load(std::memory_order_relaxed),
            taken_up_.load(std::memory_order_relaxed)
                ? nullptr
                : "clusterdns: told to end, but still busy with a configuration or manifests, or "
                  "waiting for something that does not come (a disk, a network file system); "
                  "ending at once\n");
      }
      patience = static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, 60'000));
    }
    pollfd polls[2] = {{signals_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    (void)::poll(polls, 2, patience);
    if (stopped_.load(std::memory_order_acquire)) return;
    std::uint64_t news = 0;
    (void)!::read(stop_.get(), &news, sizeof news);
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      try {
        take(static_cast<int>(info.ssi_signo));
      } catch (...) {
        // No memory to post it in. The deadline of one that ends is set; others come again.
      }
    }
  }
}

}  // namespace clusterdns::app
