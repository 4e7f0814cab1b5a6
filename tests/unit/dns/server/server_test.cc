// Configurations that are swapped in, and those that cannot be.
#include "dns/server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <stdexcept>

#include "dns/client/stub_resolver.h"
#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using boost::asio::ip::make_address;
using ::testing::HasSubstr;

// Answers each query with an rcode, and fails as the test wants.
class FaultyStage final : public Stage {
 public:
  explicit FaultyStage(Rcode rcode) : rcode_(rcode) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "faulty"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    exchange.answer.rcode = rcode_;
    return Verdict::Answered;
  }
  void attach(WorkerContext& worker) override {
    if (worker.index == fails_on) throw std::runtime_error("no memory for this worker");
    ++attached;
  }
  void detach(WorkerContext&) noexcept override { --attached; }

  unsigned fails_on = 1000;
  std::atomic<int> attached{0};

 private:
  Rcode rcode_;
};

class ServerTest : public ::testing::Test {
 protected:
  static constexpr unsigned kWorkers = 3;
  // Listens on `addresses` and answers by `stage`.
  static Configuration configuration(const std::vector<ListenAddress>& addresses,
                                     std::shared_ptr<Stage> stage) {
    auto route = std::make_shared<Route>();
    route->stages.push_back(std::move(stage));
    Configuration result;
    for (const ListenAddress& address : addresses) {
      result.listeners.push_back({address, {}});
      result.listeners.back().routes.add(Name{}, route);
    }
    return result;
  }
  // The rcode that a client of `address` gets, over both transports; -1: none, -2: they differ.
  static int ask(const std::string& address, std::uint16_t port) {
    std::optional<int> got;
    for (const bool tcp : {false, true}) {
      const Descriptor fd(::socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0));
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      to.sin_addr.s_addr = htonl(make_address(address).to_v4().to_uint());
      const timeval patience{30, 0};
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return -1;
      unit::Octets octets = unit::Request{.qname = "a.test"}.wire();
      if (tcp) octets.insert(octets.begin(), {0, static_cast<std::uint8_t>(octets.size())});
      if (::send(fd.get(), octets.data(), octets.size(), MSG_NOSIGNAL) < 0) return -1;
      std::array<std::uint8_t, 512> reply;
      const ssize_t size = ::recv(fd.get(), reply.data(), reply.size(), 0);
      if (size < 14) return -1;
      const int rcode = reply[(tcp ? 2 : 0) + 3] & 15;
      if (got && *got != rcode) return -2;
      got = rcode;
    }
    return *got;
  }

  const ListenAddress kOne{make_address("127.0.0.1"), 0};
  Server server_{{.workers = kWorkers, .tcp = {}}};
};

constexpr int kRefused = static_cast<int>(Rcode::Refused);
constexpr int kNotImp = static_cast<int>(Rcode::NotImp);

// The control thread waits for all workers: one that fails must not leave it waiting, nor a part of
// them with another configuration than the rest.
TEST_F(ServerTest, AWorkerThatCannotTakeAConfigurationKeepsAllFromIt) {
  const auto good = std::make_shared<FaultyStage>(Rcode::Refused);
  const auto served = server_.apply(configuration({kOne}, good));
  const std::uint16_t port = served->listeners[0].address.port;
  EXPECT_EQ(good->attached, static_cast<int>(kWorkers));
  const SocketInodes sockets = server_.sockets();
  for (unsigned fails_on = 0; fails_on < kWorkers; ++fails_on) {
    const auto bad = std::make_shared<FaultyStage>(Rcode::NotImp);
    bad->fails_on = fails_on;
    EXPECT_THROW((void)server_.apply(configuration({kOne, {make_address("127.0.0.2"), 0}}, bad)),
                 std::runtime_error);
    EXPECT_EQ(bad->attached, 0);
    EXPECT_EQ(server_.sockets(), sockets);
    EXPECT_EQ(ask("127.0.0.1", port), kRefused);
    EXPECT_EQ(ask("127.0.0.2", port), -1);
  }
  EXPECT_EQ(good->attached, static_cast<int>(kWorkers));
  const auto next = std::make_shared<FaultyStage>(Rcode::NotImp);
  (void)server_.apply(configuration({kOne}, next));
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(ask("127.0.0.1", port), kNotImp);
  EXPECT_EQ(good->attached, 0);
}

// What a handler throws ends that handler, not the worker.
TEST_F(ServerTest, AnExceptionInAHandlerCostsThatHandler) {
  const auto stage = std::make_shared<FaultyStage>(Rcode::Refused);
  WorkerContext* context = nullptr;
  class Catcher final : public Stage {
   public:
    explicit Catcher(WorkerContext** to) : to_(to) {}
    [[nodiscard]] std::string_view name() const noexcept override { return "catcher"; }
    [[nodiscard]] Verdict handle(Exchange&) noexcept override { return Verdict::Next; }
    void attach(WorkerContext& worker) override {
      if (worker.index == 0) *to_ = &worker;
    }

   private:
    WorkerContext** to_;
  };
  Configuration both = configuration({kOne}, stage);
  auto route = std::make_shared<Route>();
  route->stages = {std::make_shared<Catcher>(&context)};
  both.listeners[0].routes.add(unit::name("other.test"), route);
  const auto served = server_.apply(std::move(both));
  const std::uint16_t port = served->listeners[0].address.port;
  ASSERT_NE(context, nullptr);
  for (int i = 0; i < 3; ++i) {
    boost::asio::post(*context->io, [] { throw std::runtime_error("something"); });
    boost::asio::post(*context->io, [] { throw 42; });
  }
  std::promise<void> behind;
  boost::asio::post(*context->io, [&] { behind.set_value(); });
  behind.get_future().wait();
  EXPECT_EQ(server_.panics(), 6U);
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(ask("127.0.0.1", port), kRefused);
  (void)server_.apply(configuration({kOne}, stage));
}

// The closest socket is asked, whichever came first; nothing of ours is in our own way.
TEST_F(ServerTest, BetweenOneAddressAndAll) {
  const auto one = std::make_shared<FaultyStage>(Rcode::Refused);
  const auto all = std::make_shared<FaultyStage>(Rcode::NotImp);
  const std::uint16_t port = find_free_port(make_address("0.0.0.0"));
  const ListenAddress specific{make_address("127.0.0.1"), port};
  const ListenAddress wildcard{make_address("0.0.0.0"), port};
  const auto both = [&] {
    Configuration result = configuration({specific}, one);
    result.listeners.push_back(configuration({wildcard}, all).listeners[0]);
    return result;
  };
  (void)server_.apply(configuration({specific}, one));
  EXPECT_EQ(ask("127.0.0.1", port), kRefused);
  EXPECT_EQ(ask("127.0.0.2", port), -1);
  (void)server_.apply(configuration({wildcard}, all));
  EXPECT_EQ(ask("127.0.0.1", port), kNotImp);
  EXPECT_EQ(ask("127.0.0.2", port), kNotImp);
  (void)server_.apply(both());
  EXPECT_EQ(ask("127.0.0.1", port), kRefused);
  EXPECT_EQ(ask("127.0.0.2", port), kNotImp);
  (void)server_.apply(configuration({specific}, one));
  EXPECT_EQ(ask("127.0.0.2", port), -1);
  (void)server_.apply(both());
  EXPECT_EQ(ask("127.0.0.1", port), kRefused);
  EXPECT_EQ(ask("127.0.0.2", port), kNotImp);
  // Somebody else of the same user, who would share the port in silence.
  Server other({.workers = 1, .tcp = {}});
  for (const ListenAddress& address : {specific, wildcard}) {
    EXPECT_THROW((void)other.apply(configuration({address}, one)), std::system_error);
  }
  // Unless the caller says that it knows of the sockets.
  EXPECT_NO_THROW((void)other.apply(configuration({specific}, one), server_.sockets()));
}

// Connections follow the closest socket, too.
TEST_F(ServerTest, TcpConnectionsGoOnWithAnotherListener) {
  const auto one = std::make_shared<FaultyStage>(Rcode::Refused);
  const auto all = std::make_shared<FaultyStage>(Rcode::NotImp);
  const std::uint16_t port = find_free_port(make_address("0.0.0.0"));
  (void)server_.apply(configuration({{make_address("127.0.0.1"), port}}, one));
  const Descriptor fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  unit::Octets octets = unit::Request{.qname = "a.test"}.wire();
  octets.insert(octets.begin(), {0, static_cast<std::uint8_t>(octets.size())});
  const auto exchange = [&] {
    std::array<std::uint8_t, 512> reply;
    if (::send(fd.get(), octets.data(), octets.size(), MSG_NOSIGNAL) < 0) return -1;
    return ::recv(fd.get(), reply.data(), reply.size(), 0) < 14 ? -1 : reply[5] & 15;
  };
  EXPECT_EQ(exchange(), kRefused);
  (void)server_.apply(configuration({{make_address("0.0.0.0"), port}}, all));
  EXPECT_EQ(exchange(), kNotImp);
  (void)server_.apply(configuration({{make_address("127.0.0.1"), port}}, one));
  EXPECT_EQ(exchange(), kRefused);
  // None takes in its address any more: its answers are given, and then it ends.
  (void)server_.apply(configuration({{make_address("127.0.0.2"), port}}, one));
  EXPECT_EQ(exchange(), -1);
}

TEST_F(ServerTest, AStoppedServerStopsOnce) {
  (void)server_.apply(configuration({kOne}, std::make_shared<FaultyStage>(Rcode::Refused)));
  server_.stop();
  server_.stop();
}

}  // namespace
}  // namespace clusterdns::dns
