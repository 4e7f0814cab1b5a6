#include "support/query_load.h"

#include <poll.h>

#include <algorithm>
#include <array>

#include "support/dns_message.h"

namespace clusterdns::test {

QueryLoad::QueryLoad(const Endpoint& server, const std::string& name, unsigned sockets,
                     std::chrono::microseconds pause)
    : name_(name), open_(sockets, std::vector<bool>(65536)), pause_(pause) {
  sockaddr_storage storage{};
  const socklen_t length = server.fill(storage);
  for (unsigned i = 0; i < sockets; ++i) {
    sockets_.push_back(bound_socket(Endpoint{server.address, 0}, SOCK_DGRAM));
    make_room(sockets_.back().get());
    if (::connect(sockets_.back().get(), reinterpret_cast<const sockaddr*>(&storage), length) !=
        0) {
      throw TestError("connect");
    }
  }
  thread_ = std::thread([this] { run(); });
}

QueryLoad::~QueryLoad() {
  if (thread_.joinable()) finish(false);
}

void QueryLoad::drain(std::size_t socket) {
  std::array<std::uint8_t, 2048> buffer;
  for (;;) {
    const ssize_t n = ::recv(sockets_[socket].get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0) return;  // nothing there, or a refused one, which stays open and so is lost
    if (n < 12) continue;
    const std::size_t id = (std::size_t{buffer[0]} << 8) | buffer[1];
    if (!open_[socket][id]) continue;
    open_[socket][id] = false;
    if ((buffer[3] & 0xF) != 0) ++result_.failed;
    ++answered_;
  }
}

void QueryLoad::run() {
  auto next = std::chrono::steady_clock::now();
  Octets query = encode(Query{.name = name_, .id = 1});
  std::uint16_t id = 0;
  while (!stop_) {
    for (std::size_t s = 0; s < sockets_.size() && !stop_; ++s) {
      query[0] = static_cast<std::uint8_t>(id >> 8);
      query[1] = static_cast<std::uint8_t>(id);
      if (::send(sockets_[s].get(), query.data(), query.size(), MSG_NOSIGNAL) >= 0) {
        open_[s][id] = true;
        ++result_.sent;
      } else {
        ++result_.sent;
        ++result_.lost;  // the port was closed
      }
      drain(s);
      next += pause_;
      auto now = std::chrono::steady_clock::now();
      if (now >= next) next = now;  // behind: do not catch up in a burst
      // Waiting for answers is what this thread does between two questions; one that comes early
      // does not make the next question come early.
      while (now < next && !stop_) {
        pollfd poll{sockets_[s].get(), POLLIN, 0};
        const timespec wait{
            0, std::chrono::duration_cast<std::chrono::nanoseconds>(next - now).count()};
        ::ppoll(&poll, 1, &wait, nullptr);
        drain(s);
        now = std::chrono::steady_clock::now();
      }
    }
    ++id;
  }
}

QueryLoad::Result QueryLoad::finish(bool wait) {
  stop_ = true;
  thread_.join();
  const Deadline deadline = Deadline::after(kAnswerTimeout);
  for (std::size_t s = 0; s < sockets_.size(); ++s) {
    const auto waits = [&] {
      return std::find(open_[s].begin(), open_[s].end(), true) != open_[s].end();
    };
    drain(s);
    while (wait && waits() && wait_for(sockets_[s].get(), POLLIN, deadline)) drain(s);
    result_.lost += static_cast<std::uint64_t>(std::count(open_[s].begin(), open_[s].end(), true));
  }
  return result_;
}

}  // namespace clusterdns::test
