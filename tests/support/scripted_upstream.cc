#include "support/scripted_upstream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "support/dns_client.h"

namespace clusterdns::test {
namespace {

constexpr int kBacklog = 128;
constexpr int kBindAttempts = 20;

struct Connection {
  FileDescriptor fd;
  Octets pending;
};

// Writes all of it; the test's own clients read, so blocking is fine.
void write_all(int fd, std::span<const std::uint8_t> octets) {
  while (!octets.empty()) {
    const ssize_t count = ::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      return;
    }
    octets = octets.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace

ScriptedUpstream::ScriptedUpstream(Script script, const std::string& address)
    : script_(std::move(script)) {
  // The kernel picks a UDP port; the same TCP port may be taken, then another try.
  for (int attempt = 0;; ++attempt) {
    udp_ = bound_socket(Endpoint{address, 0}, SOCK_DGRAM);
    endpoint_ = local_endpoint(udp_.get());
    try {
      tcp_ = bound_socket(endpoint_, SOCK_STREAM);
      break;
    } catch (const TestError&) {
      if (attempt == kBindAttempts) {
        throw;
      }
    }
  }
  make_room(udp_.get());
  if (::listen(tcp_.get(), kBacklog) != 0) {
    throw TestError(std::string("listen: ") + std::strerror(errno));
  }
  stop_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC));
  news_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { serve(); });
}

ScriptedUpstream::~ScriptedUpstream() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

std::vector<ScriptedUpstream::Exchange> ScriptedUpstream::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

bool ScriptedUpstream::wait_for_queries(std::size_t count, const Deadline& deadline) const {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (received_.size() >= count) {
        return true;
      }
    }
    if (!wait_for(news_.get(), POLLIN, deadline)) {
      return false;
    }
    std::uint64_t drained = 0;
    (void)!::read(news_.get(), &drained, sizeof drained);
  }
}

void ScriptedUpstream::send_udp(const Exchange& to, std::span<const std::uint8_t> datagram) {
  ::sendto(udp_.get(), datagram.data(), datagram.size(), 0,
           reinterpret_cast<const sockaddr*>(&to.peer), to.peer_size);
}

std::optional<Octets> ScriptedUpstream::answer(std::span<const std::uint8_t> wire,
                                               Exchange exchange) {
  try {
    exchange.query = decode(wire);
  } catch (const DecodeError&) {
    return std::nullopt;
  }
  {
    const std::lock_guard lock(mutex_);
    received_.push_back(exchange);
  }
  const std::uint64_t one = 1;
  (void)!::write(news_.get(), &one, sizeof one);
  try {
    return script_(exchange);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "the upstream's script: " << error.what() << '\n' << exchange.query.text();
    return std::nullopt;
  }
}

void ScriptedUpstream::serve() {
  std::vector<Connection> connections;
  Octets buffer(65535);
  for (;;) {
    std::vector<pollfd> entries{
        {stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    for (const Connection& connection : connections) {
      entries.push_back({connection.fd.get(), POLLIN, 0});
    }
    if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) {
      return;
    }
    if (entries[0].revents != 0) {
      return;
    }
    if (entries[1].revents != 0) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t count = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0,
                                       reinterpret_cast<sockaddr*>(&from), &size);
      if (count > 0) {
        Exchange exchange;
        exchange.peer = from;
        exchange.peer_size = size;
        const auto response =
            answer(std::span(buffer).first(static_cast<std::size_t>(count)), exchange);
        if (response.has_value()) {
          ::sendto(udp_.get(), response->data(), response->size(), 0,
                   reinterpret_cast<const sockaddr*>(&from), size);
        }
      }
    }
    for (std::size_t i = 0; i < connections.size(); ++i) {
      if (entries[i + 3].revents == 0) {
        continue;
      }
      Connection& connection = connections[i];
      const ssize_t count = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) {
        connection.fd.reset();
        continue;
      }
      Octets& pending = connection.pending;
      pending.insert(pending.end(), buffer.begin(), buffer.begin() + count);
      while (pending.size() >= 2) {
        const std::size_t length = static_cast<std::size_t>(pending[0]) << 8 | pending[1];
        if (pending.size() < 2 + length) {
          break;
        }
        const auto response = answer(std::span(pending).subspan(2, length), {{}, true});
        if (response.has_value()) {
          write_all(connection.fd.get(), framed(*response));
        }
        pending.erase(pending.begin(), pending.begin() + 2 + static_cast<std::ptrdiff_t>(length));
      }
    }
    std::erase_if(connections, [](const Connection& c) { return !c.fd.valid(); });
    if (entries[2].revents != 0) {
      FileDescriptor fd(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd.valid()) {
        connections.push_back({std::move(fd), {}});
      }
    }
  }
}

Octets reply_to(const Message& query, const Reply& reply) {
  WireWriter writer;
  const int flags = kFlagQR | (query.flags & kFlagRD) | reply.flags | reply.rcode;
  writer.header(query.id, static_cast<std::uint16_t>(flags), 1, reply.answers, reply.authority,
                reply.edns.has_value() ? 1 : 0);
  writer.raw(std::span(query.wire).subspan(kHeaderSize, query.question_end - kHeaderSize));
  writer.raw(reply.records);
  if (reply.edns.has_value()) {
    writer.opt(*reply.edns);
  }
  return std::move(writer.out);
}

Octets a_record(std::string_view owner, std::string_view address, std::uint32_t ttl) {
  std::array<std::uint8_t, 4> octets{};
  if (inet_pton(AF_INET, std::string(address).c_str(), octets.data()) != 1) {
    throw TestError("not an IPv4 address: " + std::string(address));
  }
  WireWriter writer;
  writer.record(owner, "A", ttl, octets);
  return std::move(writer.out);
}

}  // namespace clusterdns::test
