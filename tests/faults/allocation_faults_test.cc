// No memory: the n-th allocation of an operation fails, for every n. With its reserve the server
// goes on and answers; without, it does so, or ends with one clear message. It never stands still,
// and what it had for what was lost is given back.
//
// Each n has a process of its own, forked before there is a second thread.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <spdlog/logger.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "app/instance/last_words.h"
#include "app/instance/memory_reserve.h"
#include "app/instance/reloader.h"
#include "app/log/logging.h"
#include "registry/kubernetes/kubernetes_source.h"
#include "tests/unit/app/folder.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"
#include "zones/record_table.h"
#include "zones/table_feed.h"

namespace {

// Which allocations fail: those from number `first` on, `count` of them, counted over all threads
// but those that are spared; unless there are octets that somebody has given back when he was asked
// to.
std::atomic<bool> armed{false};
std::atomic<long> made{0};
std::atomic<long> given_back{0};
long first_to_fail = 0;
long count_to_fail = 0;
// The test's own side: clients, upstreams, the API server.
thread_local bool spared = false;
// How many allocations are being made: one that found this armed may still take from the reserve
// afterwards.
std::atomic<int> under_way{0};

struct UnderWay {
  UnderWay() noexcept { ++under_way; }
  ~UnderWay() { --under_way; }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;
};

bool fails_now(std::size_t size) noexcept {
  if (!armed.load() || spared) return false;
  const long number = made.fetch_add(1, std::memory_order_relaxed);
  if (number < first_to_fail || number >= first_to_fail + count_to_fail) return false;
  return given_back.fetch_sub(static_cast<long>(size), std::memory_order_relaxed) <
         static_cast<long>(size);
}

void* take(std::size_t size, std::size_t alignment) noexcept {
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size == 0 ? 1 : size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

// As the runtime's own.
void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  const UnderWay begun;
  while (fails_now(size)) {
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
    given_back.store(static_cast<long>(clusterdns::app::kReservePart), std::memory_order_relaxed);
  }
  return take(size, alignment);
}

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  try {
    return allocate_or_throw(size, alignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size, 1); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete[](void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::align_val_t) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::size_t, std::align_val_t) noexcept {
  std::free(pointer);
}
void operator delete(void* pointer, const std::nothrow_t&) noexcept { std::free(pointer); }
void operator delete[](void* pointer, const std::nothrow_t&) noexcept { std::free(pointer); }

namespace clusterdns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

int patience() {
  const char* const factor = std::getenv("CLUSTERDNS_TEST_PATIENCE");
  return factor == nullptr ? 1 : std::max(1, std::atoi(factor));
}

// --- a process for each n ---

// What a trial reports when it did not come out right; the process ends with its text.
struct Wrong {
  std::string text;
};
[[noreturn]] void wrong(std::string text) { throw Wrong{std::move(text)}; }

class Trial {
 public:
  virtual ~Trial() = default;
  // Memory is short.
  virtual void act() = 0;
  // There is enough again: it still works.
  virtual void verify() = 0;
};
using MakeTrial = std::function<std::unique_ptr<Trial>()>;

constexpr int kLived = 0;
constexpr int kWrong = 99;
constexpr int kEnded = app::kOutOfMemory;

struct Outcome {
  int code = 0;
  long allocations = 0;
  std::string text;  // standard error
};

void send_count(int to) {
  const long count = made.load();
  (void)!::write(to, &count, sizeof count);
}

enum class Reserve : std::uint8_t { Kept, UsedUp };

void use_up_reserve() {
  try {
    for (;;) std::get_new_handler()();
  } catch (const std::bad_alloc&) {
  }
}

[[noreturn]] void run_child(const MakeTrial& make, Reserve reserve, int report) {
  app::end_with_last_words();
  app::keep_memory_reserve();
  int code = kLived;
  try {
    // It is not taken down: the process ends as it is.
    Trial* const trial = make().release();
    if (reserve == Reserve::UsedUp) use_up_reserve();
    armed.store(true);
    try {
      trial->act();
    } catch (const std::bad_alloc&) {
      // As main() does: the process ends.
      code = kEnded;
      app::say_out_of_memory(app::LogFormat::Text);
    }
    armed.store(false);
    while (under_way.load() > 0) std::this_thread::yield();
    send_count(report);
    if (code == kLived) trial->verify();
  } catch (const Wrong& e) {
    code = kWrong;
    const std::string line = e.text + "\n";
    (void)!::write(STDERR_FILENO, line.data(), line.size());
  }
  ::_exit(code);
}

Outcome run(const MakeTrial& make, Reserve reserve, long first, long count) {
  int report[2], errors[2];
  EXPECT_EQ(::pipe2(report, O_CLOEXEC), 0);
  EXPECT_EQ(::pipe2(errors, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    first_to_fail = first;
    count_to_fail = count;
    ::dup2(errors[1], STDERR_FILENO);
    run_child(make, reserve, report[1]);
  }
  ::close(report[1]);
  ::close(errors[1]);
  Outcome outcome;
  const auto end = Clock::now() + seconds(25) * patience();
  std::array<char, 4096> text;
  bool hangs = false;
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    pollfd poll{errors[0], POLLIN, 0};
    if (left.count() <= 0 || ::poll(&poll, 1, static_cast<int>(left.count())) == 0) {
      hangs = true;
      ::kill(child, SIGABRT);
      break;
    }
    const ssize_t size = ::read(errors[0], text.data(), text.size());
    if (size <= 0) break;
    outcome.text.append(text.data(), static_cast<std::size_t>(size));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  (void)!::read(report[0], &outcome.allocations, sizeof outcome.allocations);
  ::close(report[0]);
  ::close(errors[0]);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (hangs) outcome.text += "it stood still\n";
  return outcome;
}

// `needs_reserve`: without it the process may end.
void for_every_allocation(const MakeTrial& make, bool needs_reserve = true) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr long kMost = 12;  // of each kind
#else
  constexpr long kMost = 80;
#endif
  constexpr long kMostFailures = 20;
  // For a debugger: CLUSTERDNS_FAULT=FIRST,COUNT[,], in this process; the second comma: without a
  // reserve.
  if (const char* const one = std::getenv("CLUSTERDNS_FAULT")) {
    first_to_fail = std::atol(one);
    const char* const count = std::strchr(one, ',') + 1;
    count_to_fail = std::atol(count);
    run_child(make, std::strchr(count, ',') == nullptr ? Reserve::Kept : Reserve::UsedUp,
              STDERR_FILENO);
  }
  const Outcome good = run(make, Reserve::Kept, 0, 0);
  ASSERT_EQ(good.code, kLived) << good.text;
  ASSERT_GT(good.allocations, 0);
  // Of an operation that takes thousands some are left out, others for each kind.
  const long stride = good.allocations / kMost + 1;
  long lived = 0, ended = 0, failures = 0;
  for (const Reserve reserve : {Reserve::Kept, Reserve::UsedUp}) {
    // One that fails alone is a large one; none succeeds where there is nothing left.
    for (const long count : {1L, 100L}) {
      for (long n = count % stride; n <= good.allocations; n += stride) {
        const Outcome outcome = run(make, reserve, n, count);
        if (outcome.code == kLived) {
          ++lived;
          continue;
        }
        ++ended;
        if (needs_reserve && reserve == Reserve::UsedUp && outcome.code == kEnded &&
            outcome.text.starts_with("clusterdns: out of memory; ") &&
            outcome.text.find('\n') + 1 == outcome.text.size()) {
          continue;
        }
        ADD_FAILURE() << "from allocation " << n << " on " << count << " fail"
                      << (reserve == Reserve::UsedUp ? ", without a reserve" : "") << ": exit code "
                      << outcome.code << ", " << outcome.text;
        if (++failures == kMostFailures) return;
      }
    }
  }
  std::printf("%ld allocations; lived %ld times, ended %ld times\n", good.allocations, lived,
              ended);
}

// --- the test's own side ---

using Octets = std::vector<std::uint8_t>;

Octets query(std::uint16_t id, const std::string& name) {
  Octets message = {static_cast<std::uint8_t>(id >> 8),
                    static_cast<std::uint8_t>(id),
                    1,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0};
  std::size_t begin = 0;
  while (begin < name.size()) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    message.push_back(static_cast<std::uint8_t>(end - begin));
    message.insert(message.end(), name.begin() + static_cast<std::ptrdiff_t>(begin),
                   name.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end + 1;
  }
  message.insert(message.end(), {0, 0, 1, 0, 1});
  return message;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connected(int type, std::uint16_t port) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const sockaddr_in to = loopback(port);
  const timeval limit{10L * patience(), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) wrong("connect fails");
  return fd;
}

// The rcode of an answer and the last octet of its last address; -1 when there is none.
struct Answer {
  int rcode = -1;
  int address = -1;
};
Answer read_answer(int fd, bool tcp) {
  std::array<std::uint8_t, 4096> reply;
  const ssize_t size = ::recv(fd, reply.data(), reply.size(), 0);
  const std::size_t skip = tcp ? 2 : 0;
  if (size < static_cast<ssize_t>(12 + skip)) return {};
  Answer answer;
  answer.rcode = reply[skip + 3] & 15;
  // Without OPT the address is what a message ends with.
  if (reply[skip + 7] != 0) answer.address = reply[static_cast<std::size_t>(size) - 1];
  return answer;
}

Octets framed(Octets message) {
  message.insert(message.begin(), {0, static_cast<std::uint8_t>(message.size())});
  return message;
}

Answer ask(std::uint16_t port, const std::string& name, bool tcp) {
  static std::uint16_t id = 0;
  const int fd = connected(tcp ? SOCK_STREAM : SOCK_DGRAM, port);
  const Octets message = tcp ? framed(query(++id, name)) : query(++id, name);
  (void)::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
  const Answer answer = read_answer(fd, tcp);
  ::close(fd);
  return answer;
}

// Answers every question with 192.0.2.7; names that begin with "t" over TCP only.
class Upstream {
 public:
  Upstream() {
    udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // A port that is free for both.
    for (;;) {
      sockaddr_in at = loopback(0);
      socklen_t size = sizeof at;
      if (::bind(tcp_, reinterpret_cast<sockaddr*>(&at), size) != 0) wrong("bind fails");
      ::getsockname(tcp_, reinterpret_cast<sockaddr*>(&at), &size);
      if (::bind(udp_, reinterpret_cast<sockaddr*>(&at), size) == 0) {
        port = ntohs(at.sin_port);
        break;
      }
      ::close(tcp_);
      tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    ::listen(tcp_, 100);
    std::thread([this] { serve_udp(); }).detach();
    std::thread([this] { serve_tcp(); }).detach();
  }

  std::uint16_t port = 0;

 private:
  static std::size_t answer(std::uint8_t* message, std::size_t size, bool tcp) {
    std::size_t end = 12;
    while (end < size && message[end] != 0) end += 1U + message[end];
    end += 5;
    const bool truncated = !tcp && message[13] == 't';
    message[2] = truncated ? 0x83 : 0x81;
    message[3] = 0x80;
    std::memset(message + 6, 0, 6);
    if (truncated) return end;
    message[7] = 1;
    static constexpr std::uint8_t kRecord[] = {0xc0, 12, 0, 1, 0,   1, 0, 0,
                                               0,    60, 0, 4, 192, 0, 2, 7};
    std::memcpy(message + end, kRecord, sizeof kRecord);
    return end + sizeof kRecord;
  }
  void serve_udp() const {
    spared = true;
    for (;;) {
      std::array<std::uint8_t, 1024> message;
      sockaddr_in from{};
      socklen_t from_size = sizeof from;
      const ssize_t size =
          ::recvfrom(udp_, message.data(), 512, 0, reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size < 17) continue;
      const std::size_t end = answer(message.data(), static_cast<std::size_t>(size), false);
      (void)::sendto(udp_, message.data(), end, 0, reinterpret_cast<sockaddr*>(&from), from_size);
    }
  }
  void serve_tcp() const {
    spared = true;
    for (;;) {
      const int fd = ::accept(tcp_, nullptr, nullptr);
      if (fd < 0) return;
      std::thread([fd] {
        spared = true;
        std::array<std::uint8_t, 1024> message;
        for (;;) {
          if (::recv(fd, message.data(), 2, MSG_WAITALL) != 2) break;
          const std::size_t size = message[0] * 256U + message[1];
          if (size > 512 ||
              ::recv(fd, message.data() + 2, size, MSG_WAITALL) != static_cast<ssize_t>(size)) {
            break;
          }
          const std::size_t end = answer(message.data() + 2, size, true);
          message[0] = static_cast<std::uint8_t>(end >> 8);
          message[1] = static_cast<std::uint8_t>(end);
          (void)::send(fd, message.data(), end + 2, MSG_NOSIGNAL);
        }
        ::close(fd);
      }).detach();
    }
  }

  int udp_ = -1, tcp_ = -1;
};

// A whole server, with manifests, a cache and an upstream.
class ServerTrial : public Trial {
 public:
  ServerTrial() {
    const bool before = std::exchange(spared, true);
    folder_.write("m/a.yaml",
                  "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
                  "spec: {clusterIP: 10.96.0.7, ports: [{port: 80}]}\n");
    text_ = corefile("bind 127.0.0.1\nttl 5");
    reloader_.start();
    spared = before;
  }
  ~ServerTrial() override = default;

 protected:
  // `bind` is a line of the block, `more` one of `kubernetes`.
  [[nodiscard]] std::string corefile(const std::string& lines) const {
    const std::size_t end = lines.find('\n');
    return ".:0 {\n" + lines.substr(0, end) + "\nerrors\nlog\nworkers 2\ncache 30\n" +
           "kubernetes cluster.local in-addr.arpa {\nmanifests " + (folder_ / "m") + "\n" +
           lines.substr(end + 1) + "\n}\nforward . 127.0.0.1:" + std::to_string(upstream_.port) +
           " {\nmax_concurrent 4\n}\n}\n";
  }
  [[nodiscard]] std::uint16_t port() const { return instance_.listening().front().port; }
  void answers() {
    spared = true;
    (void)app::refill_memory_reserve();  // as the instance does each second
    for (const bool tcp : {false, true}) {
      // More often than there are workers and places.
      for (int i = 0; i < 6; ++i) {
        const Answer answer = ask(port(), "web.default.svc.cluster.local", tcp);
        if (answer.address != 7)
          wrong("no answer from memory, rcode " + std::to_string(answer.rcode));
      }
    }
    for (const char* const kind : {"u", "t"}) {
      for (int i = 0; i < 12; ++i) {
        const Answer answer = ask(port(), kind + std::to_string(i) + ".verify.test", false);
        // What is truncated is asked for over TCP by the client.
        const Answer last =
            *kind == 't' ? ask(port(), kind + std::to_string(i) + ".verify.test", true) : answer;
        if (last.address != 7) {
          wrong("no answer of the upstream, rcode " + std::to_string(last.rcode));
        }
      }
    }
    // Every connection is gone, and what was held for it.
    const auto end = Clock::now() + seconds(20) * patience();
    while (instance_.figures().find("; 0 TCP connections, 0 octets") == std::string::npos) {
      if (Clock::now() > end) wrong("left over: " + instance_.figures());
      io_.restart();
      io_.run_one_for(milliseconds(10));
    }
  }

  app::Folder folder_;
  Upstream upstream_;
  boost::asio::io_context io_;
  std::string text_;
  app::Instance instance_{io_, app::make_logger([](std::string_view) {}), {}};
  app::Reloader reloader_{io_, app::make_logger([](std::string_view) {}),
                          [this] { return app::parse_corefile(text_, "Corefile"); }, false,
                          instance_};
};

// --- what fails ---

class ReloadTrial final : public ServerTrial {
 public:
  void act() override {
    {
      const bool before = std::exchange(spared, true);
      text_ = corefile("bind 127.0.0.1 127.0.0.2\nttl 7");
      spared = before;
    }
    reloader_.reload();
  }
  void verify() override {
    answers();
    // Another attempt succeeds.
    reloader_.reload();
    if (instance_.listening().size() != 2) wrong("the reload after it fails");
    answers();
  }
};

TEST(NoMemory, AtAReload) {
  for_every_allocation([] { return std::make_unique<ReloadTrial>(); });
}

// A worker of its own that has no memory loses what it was about, and nothing else.
class ClientTrial : public ServerTrial {
 public:
  ClientTrial() { spared = true; }
  void verify() override { answers(); }
};

class TcpTrial final : public ClientTrial {
 public:
  void act() override {
    const int fd = connected(SOCK_STREAM, port());
    const Octets message = framed(query(1, "web.default.svc.cluster.local"));
    // In parts, so that a begun one is kept.
    (void)::send(fd, message.data(), 5, MSG_NOSIGNAL);
    while (instance_.figures().find(", 0 octets held") != std::string::npos) {
      pollfd closed{fd, POLLIN, 0};
      if (::poll(&closed, 1, 1) != 0) break;
    }
    (void)::send(fd, message.data() + 5, message.size() - 5, MSG_NOSIGNAL);
    std::array<std::uint8_t, 512> reply;
    // An answer, or the end; not silence.
    if (::recv(fd, reply.data(), reply.size(), 0) < 0 && errno == EAGAIN) wrong("the client waits");
    ::close(fd);
  }
};

TEST(NoMemory, AtATcpConnection) {
  for_every_allocation([] { return std::make_unique<TcpTrial>(); }, false);
}

class ForwardTrial : public ClientTrial {
 public:
  explicit ForwardTrial(std::string name) : name_(std::move(name)) {}
  void act() override {
    for (const bool tcp : {false, true}) {
      const int fd = connected(tcp ? SOCK_STREAM : SOCK_DGRAM, port());
      const Octets message = tcp ? framed(query(2, name_)) : query(1, name_);
      (void)::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
      // Nothing is as good: the client asks again. What it is not told is told to the next one.
      pollfd answer{fd, POLLIN, 0};
      (void)::poll(&answer, 1, 100);
      ::close(fd);
    }
  }

 private:
  const std::string name_;
};

TEST(NoMemory, AtAForwardedQuery) {
  for_every_allocation([] { return std::make_unique<ForwardTrial>("u.test"); });
}

TEST(NoMemory, AtAForwardedQueryWhoseAnswerComesOverTcp) {
  for_every_allocation([] { return std::make_unique<ForwardTrial>("t.test"); });
}

// --- objects of the API ---

namespace k8s = registry::kubernetes;

class ObjectTrial final : public Trial {
 public:
  ObjectTrial() {
    spared = true;
    cluster_.put(k8s::testing::kNamespaces, "default", "{}");
    cluster_.put(k8s::testing::kServices, "default/web", service("10.96.0.7"));
    cluster_.put(k8s::testing::kServices, "default/other", service("10.96.0.8"));
    options_.api.servers.push_back({"127.0.0.1", api_.port(), false, ""});
    options_.lease = seconds(1);
    api_thread_ = std::thread([this] {
      spared = true;
      api_io_.run();
    });
    source_ = std::make_unique<k8s::KubernetesSource>(options_, store_, nullptr, logger_);
    source_->start(io_, [] {});
    if (!until([&] { return source_->synced(); })) wrong("never synced");
    spared = false;
  }

  void act() override {
    boost::asio::post(api_io_, [this] {
      cluster_.update(k8s::testing::kServices, "default/web", service("10.96.0.9"));
    });
    (void)until([&] { return shown() || armed_out(); }, seconds(2));
  }
  void verify() override {
    spared = true;
    // However the event was lost, the object is as the API has it, without another event.
    if (!until([&] { return shown(); })) wrong("the object stays as it was");
  }

 private:
  static std::string service(const std::string& ip) {
    return R"({"spec":{"clusterIP":")" + ip + R"(","clusterIPs":[")" + ip +
           R"("],"type":"ClusterIP","ports":[{"name":"http","protocol":"TCP","port":80}]}})";
  }
  [[nodiscard]] bool shown() const {
    const registry::Service* const web = store_.service({"default", "web"});
    return web != nullptr && web->cluster_ips.size() == 1 &&
           web->cluster_ips.front().to_string() == "10.96.0.9";
  }
  // What was to fail has failed.
  [[nodiscard]] static bool armed_out() { return made.load() > first_to_fail + count_to_fail; }
  template <class Done>
  bool until(Done done, Clock::duration budget = seconds(20) * patience()) {
    const auto end = Clock::now() + budget;
    while (!done()) {
      if (Clock::now() > end) return false;
      io_.restart();
      io_.run_one_for(milliseconds(20));
    }
    return true;
  }

  boost::asio::io_context io_{1}, api_io_{1};
  k8s::testing::ScriptedApi api_{api_io_};
  k8s::testing::FakeCluster cluster_{api_io_, api_};
  std::thread api_thread_;
  std::shared_ptr<spdlog::logger> logger_ = app::make_logger([](std::string_view) {});
  k8s::SourceOptions options_;
  registry::Store store_;
  dns::ReclaimDomain reclaim_{1};
  std::unique_ptr<k8s::KubernetesSource> source_;
};

TEST(NoMemory, AtAnObjectOfTheApi) {
  for_every_allocation([] { return std::make_unique<ObjectTrial>(); });
}

}  // namespace
}  // namespace clusterdns
