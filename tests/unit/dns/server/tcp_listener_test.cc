// Accepting: by the closest listener, whatever is short.
#include "dns/server/tcp_listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <future>
#include <vector>

#include "dns/net/listen_socket.h"
#include "dns/server/server.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using boost::asio::ip::make_address;

// Refuses everything.
class Refuser final : public Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "refuser"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    exchange.answer.rcode = Rcode::Refused;
    return Verdict::Answered;
  }
};

class TcpListenerTest : public ::testing::Test {
 protected:
  // Listens on `addresses`, on one port; one worker.
  void listen(const std::vector<std::string>& addresses) {
    auto route = std::make_shared<Route>();
    route->stages.push_back(std::make_shared<Refuser>());
    Configuration configuration;
    port_ = port_ == 0 ? find_free_port(make_address("0.0.0.0")) : port_;
    for (const std::string& address : addresses) {
      configuration.listeners.push_back({{make_address(address), port_}, {}});
      configuration.listeners.back().routes.add(Name{}, route);
    }
    (void)server_.apply(std::move(configuration));
  }
  // A connection, or none.
  [[nodiscard]] Descriptor connect(const char* address = "127.0.0.1") const {
    Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    ::inet_pton(AF_INET, address, &to.sin_addr);
    const timeval patience{20, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return {};
    return fd;
  }
  // The octets of an answer; 0 when the connection was closed.
  static ssize_t ask(const Descriptor& fd) {
    unit::Octets octets = unit::Request{.qname = "a.test"}.wire();
    octets.insert(octets.begin(), {0, static_cast<std::uint8_t>(octets.size())});
    (void)!::send(fd.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    std::array<std::uint8_t, 512> reply;
    return ::recv(fd.get(), reply.data(), reply.size(), 0);
  }

  Server server_{{.workers = 1, .tcp = {}}};
  std::uint16_t port_ = 0;
};

// More than are accepted in a turn.
TEST_F(TcpListenerTest, ManyThatComeAtOnceAreAllAccepted) {
  listen({"127.0.0.1"});
  std::vector<Descriptor> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(connect());
  for (const Descriptor& client : clients) {
    ASSERT_TRUE(client);
    EXPECT_GT(ask(client), 12);
  }
}

TEST_F(TcpListenerTest, ThoseThatAreGoneAgainDoNoHarm) {
  listen({"127.0.0.1"});
  for (int i = 0; i < 200; ++i) {
    const Descriptor client = connect();
    const linger reset{1, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  EXPECT_GT(ask(connect()), 12);
}

// Without a descriptor a connection is closed at once, and accepting goes on when there are some
// again.
TEST_F(TcpListenerTest, WithoutDescriptorsThePeerLearnsAtOnce) {
  listen({"127.0.0.1"});
  ASSERT_GT(ask(connect()), 12);
  const Descriptor early = connect();
  ASSERT_GT(ask(early), 12);
  const Descriptor late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{static_cast<rlim_t>(late.get() + 1), before.rlim_max};
  // Whatever is free below is taken, so that nothing is left for accept(2).
  std::vector<Descriptor> taken;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (;;) {
    Descriptor one(::dup(late.get()));
    if (!one) break;
    taken.push_back(std::move(one));
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{20, 0};
  ::setsockopt(late.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ASSERT_EQ(::connect(late.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  // It takes the place of the one that has been here longest, or is closed; it does not wait.
  const ssize_t got = ask(late);
  EXPECT_TRUE(got >= 0 || errno == ECONNRESET) << errno;
  taken.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(ask(connect()), 12);
}

TEST_F(TcpListenerTest, CloseToItsOwnAddressThenToAll) {
  ReclaimDomain reclaim(1);
  Worker worker(0, 1, reclaim, TcpLimits{});
  const auto closeness = [&](const char* bound, const Endpoint& local) {
    const Configuration::Listener listener{{make_address(bound), 53}, {}};
    Descriptor socket(::socket(listener.address.address.is_v6() ? AF_INET6 : AF_INET,
                               SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return TcpListener(worker, listener, std::move(socket)).closeness(local);
  };
  const Endpoint one = make_endpoint(make_address("127.0.0.1"), 53);
  EXPECT_EQ(closeness("127.0.0.1", one), 2U);
  EXPECT_EQ(closeness("0.0.0.0", one), 1U);
  EXPECT_EQ(closeness("127.0.0.2", one), 0U);
  EXPECT_EQ(closeness("::", one), 0U);
  EXPECT_EQ(closeness("0.0.0.0", make_endpoint(make_address("127.0.0.1"), 54)), 0U);
  EXPECT_EQ(closeness("::1", make_endpoint(make_address("::1"), 53)), 2U);
}

}  // namespace
}  // namespace clusterdns::dns
