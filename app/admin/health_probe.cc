#include "app/admin/health_probe.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <system_error>

#include "app/base/go_duration.h"
#include "dns/concurrent/blocked_signals.h"

namespace clusterdns::app {
namespace {

constexpr int kEveryMs = 1000;
constexpr int kTimeoutMs = 3000;  // CoreDNS's
constexpr std::string_view kRequest =
    "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

// What ends the thread. Without one it could not be ended.
dns::Descriptor event() {
  dns::Descriptor fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

}  // namespace

void HealthFigures::collect(Exposition& out) const {
  durations.collect(out, "coredns_health_request_duration_seconds",
                    "Histogram of the time (in seconds) each request took.");
  out.counter("coredns_health_request_failures_total",
              "The number of times the health check failed.", {},
              static_cast<double>(failures.load(std::memory_order_relaxed)));
}

HealthProbe::HealthProbe(const HttpAddress& at, std::shared_ptr<HealthFigures> figures,
                         std::shared_ptr<spdlog::logger> logger)
    : address_(at.every_family || at.address.is_unspecified()
                   ? (at.every_family || at.address.is_v4()
                          ? boost::asio::ip::address(boost::asio::ip::address_v4::loopback())
                          : boost::asio::ip::address(boost::asio::ip::address_v6::loopback()))
                   : at.address),
      port_(at.port),
      figures_(std::move(figures)),
      logger_(std::move(logger)),
      stop_(event()),
      thread_(dns::thread_without_signals([this] { run(); })) {}

HealthProbe::~HealthProbe() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void HealthProbe::run() {
  ::pthread_setname_np(::pthread_self(), "health");
  pollfd stop{stop_.get(), POLLIN, 0};
  while (::poll(&stop, 1, kEveryMs) <= 0) {
    try {
      probe();
    } catch (const std::exception&) {
      // No memory for a line of the log. The next probe comes in a second.
      figures_->failures.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

void HealthProbe::probe() {
  const auto start = std::chrono::steady_clock::now();
  const std::string error = ask();
  pollfd stop{stop_.get(), POLLIN, 0};
  if (::poll(&stop, 1, 0) > 0) return;
  const auto took = std::chrono::steady_clock::now() - start;
  figures_->durations.observe(std::chrono::duration<double>(took).count());
  const std::string host =
      address_.is_v6() ? "[" + address_.to_string() + "]" : address_.to_string();
  const std::string url = "http://" + host + ":" + std::to_string(port_) + "/health";
  if (!error.empty()) {
    figures_->failures.fetch_add(1, std::memory_order_relaxed);
    logger_->warn("plugin/health: Local health request to \"{}\" failed: {}", url, error);
  } else if (took > std::chrono::seconds(1)) {
    logger_->warn("plugin/health: Local health request to \"{}\" took more than 1s: {}", url,
                  go_duration(took));
  }
}

std::string HealthProbe::ask() {
  sockaddr_storage to{};
  socklen_t size = 0;
  if (address_.is_v6()) {
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port_);
    const auto octets = address_.to_v6().to_bytes();
    std::memcpy(&v6->sin6_addr, octets.data(), octets.size());
    size = sizeof *v6;
  } else {
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&to);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port_);
    v4->sin_addr.s_addr = htonl(address_.to_v4().to_uint());
    size = sizeof *v4;
  }
  const int fd = ::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::strerror(errno);
  const auto wait = [&](short events) {
    pollfd polls[2] = {{stop_.get(), POLLIN, 0}, {fd, events, 0}};
    return ::poll(polls, 2, kTimeoutMs) > 0 && polls[0].revents == 0;
  };
  const auto exchange = [&]() -> std::string {
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), size) != 0 && errno != EINPROGRESS) {
      return std::strerror(errno);
    }
    if (!wait(POLLOUT)) return "timeout";
    if (::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return std::strerror(errno);
    if (!wait(POLLIN)) return "timeout";
    std::array<char, 512> reply;
    const ssize_t n = ::recv(fd, reply.data(), reply.size(), 0);
    if (n < 0) return std::strerror(errno);
    const std::string_view text(reply.data(), static_cast<std::size_t>(n));
    return text.starts_with("HTTP/1.1 200") ? "" : "the status is not 200";
  };
  std::string error = exchange();
  ::close(fd);
  return error;
}

}  // namespace clusterdns::app
