// A client that asks as the resolvers in pods do: A and AAAA of a name at once from one socket, the
// next name when both answers are there (or after a second without).
//
//   beyond_stub_pairs ADDRESS PORT QUERIES SECONDS SOCKETS
//
// QUERIES is a file of dnsperf's, of which the names are taken. Prints in dnsperf's words.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr std::uint64_t kPatience = 1'000'000'000;  // ns
constexpr unsigned kEvents = 64;

using Message = std::vector<std::uint8_t>;

std::uint64_t now() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<std::uint64_t>(at.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(at.tv_nsec);
}

// A query for A with RD. The type ends three octets before the end.
Message query(const std::string& name) {
  Message m = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  for (std::size_t at = 0; at < name.size();) {
    std::size_t end = name.find('.', at);
    if (end == std::string::npos) end = name.size();
    m.push_back(static_cast<std::uint8_t>(end - at));
    m.insert(m.end(), name.begin() + static_cast<std::ptrdiff_t>(at),
             name.begin() + static_cast<std::ptrdiff_t>(end));
    at = end + 1;
  }
  m.insert(m.end(), {0, 0, 1, 0, 1});
  return m;
}

struct Stub {
  int fd = -1;
  std::uint64_t asked = 0;
  std::uint16_t id = 0;
  unsigned missing = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: %s ADDRESS PORT QUERIES SECONDS SOCKETS\n", argv[0]);
    return 2;
  }
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  if (::inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
    std::fprintf(stderr, "%s is no IPv4 address\n", argv[1]);
    return 2;
  }
  std::vector<Message> queries;
  std::ifstream file(argv[3]);
  for (std::string name, type; file >> name >> type;) queries.push_back(query(name));
  std::vector<Stub> stubs(static_cast<std::size_t>(std::atoi(argv[5])));
  if (queries.empty() || stubs.empty()) {
    std::fprintf(stderr, "nothing to ask, or nobody who asks\n");
    return 2;
  }

  std::size_t next = 0;
  std::uint64_t completed = 0, lost = 0, waited = 0;
  const auto ask = [&](Stub& stub) {
    const Message& a = queries[next++ % queries.size()];
    // Both messages are the question with another type and another id.
    std::array<std::array<std::uint8_t, 512>, 2> octets;
    std::array<iovec, 2> vectors;
    std::array<mmsghdr, 2> messages{};
    for (unsigned i = 0; i < 2; ++i) {
      std::memcpy(octets[i].data(), a.data(), a.size());
      ++stub.id;
      octets[i][0] = static_cast<std::uint8_t>(stub.id >> 8);
      octets[i][1] = static_cast<std::uint8_t>(stub.id);
      if (i == 1) octets[i][a.size() - 3] = 28;  // AAAA
      vectors[i] = {octets[i].data(), a.size()};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    stub.asked = now();
    stub.missing = 2;
    (void)::sendmmsg(stub.fd, messages.data(), 2, 0);
  };

  const int poll = ::epoll_create1(0);
  for (std::size_t i = 0; i < stubs.size(); ++i) {
    stubs[i].fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (::connect(stubs[i].fd, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      std::perror("connect");
      return 1;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, stubs[i].fd, &event);
  }
  const std::uint64_t begin = now();
  const std::uint64_t end = begin + static_cast<std::uint64_t>(std::atof(argv[4]) * 1e9);
  for (Stub& stub : stubs) ask(stub);
  std::uint64_t at = begin;
  for (std::uint64_t checked = begin; at < end; at = now()) {
    std::array<epoll_event, kEvents> events;
    const int n = ::epoll_wait(poll, events.data(), kEvents, 100);
    for (int i = 0; i < n; ++i) {
      Stub& stub = stubs[events[static_cast<std::size_t>(i)].data.u64];
      std::array<std::uint8_t, 1500> answer;
      while (stub.missing != 0) {
        const ssize_t size = ::recv(stub.fd, answer.data(), answer.size(), 0);
        if (size < 0) break;
        const unsigned id = (unsigned{answer[0]} << 8) | answer[1];
        // Late, for a name that was given up.
        if (size < 12 || (id != stub.id && id != ((stub.id - 1u) & 0xFFFF))) continue;
        --stub.missing;
        ++completed;
        waited += now() - stub.asked;
      }
      if (stub.missing == 0) ask(stub);
    }
    if (at < checked + kPatience / 4) continue;
    checked = at;
    for (Stub& stub : stubs) {
      if (at < stub.asked + kPatience) continue;
      lost += stub.missing;
      ask(stub);
    }
  }
  const double seconds = static_cast<double>(at - begin) / 1e9;
  std::printf(
      "Queries completed: %llu\nQueries lost: %llu\nQueries per second: %.6f\n"
      "Average Latency (s): %.9f\n",
      static_cast<unsigned long long>(completed), static_cast<unsigned long long>(lost),
      static_cast<double>(completed) / seconds,
      completed == 0 ? 0.0 : static_cast<double>(waited) / 1e9 / static_cast<double>(completed));
  return 0;
}
