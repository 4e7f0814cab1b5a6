#include "dns/forward/socket_transport.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <boost/asio.hpp>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "dns/forward/upstream_address.h"

namespace clusterdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;
using Step = TransportFailure::Step;
using boost::asio::ip::tcp;
using boost::asio::ip::udp;
using std::chrono::milliseconds;

// A request and what became of it. Destroyed, it is forgotten.
class Attempt final : public UpstreamAttempt {
 public:
  explicit Attempt(UpstreamTransport& transport) : transport_(transport) {}
  ~Attempt() override { transport_.forget(*this); }
  void on_message(std::span<std::uint8_t> message, bool cut) noexcept override {
    messages.emplace_back(message.begin(), message.end());
    was_cut = cut;
    if (then) then();
  }
  void on_failure(const TransportFailure& f) noexcept override {
    failure = f;
    failed = true;
    if (then) then();
  }

  std::vector<Octets> messages;
  bool was_cut = false;
  bool failed = false;
  TransportFailure failure;
  std::function<void()> then;

 private:
  UpstreamTransport& transport_;
};

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

class SocketTransportTest : public ::testing::Test {
 protected:
  SocketTransportTest() {
    const auto loopback = boost::asio::ip::address_v4::loopback();
    for (int tries = 0; tries < 100; ++tries) {
      udp_ = udp::socket(io_, udp::endpoint(loopback, 0));
      acceptor_ = tcp::acceptor(io_);
      acceptor_.open(tcp::v4());
      boost::system::error_code ec;
      acceptor_.bind(tcp::endpoint(loopback, udp_.local_endpoint().port()), ec);
      if (!ec) break;
    }
    acceptor_.listen();
    options_.upstreams = {make_endpoint(loopback, udp_.local_endpoint().port())};
  }

  SocketTransport& transport() {
    if (!transport_) {
      transport_ = std::make_shared<SocketTransport>(io_, random_, options_, owner_);
    }
    return *transport_;
  }
  std::unique_ptr<Attempt> send(Transport over, bool* opened = nullptr) {
    auto attempt = std::make_unique<Attempt>(transport());
    Octets request(30, 1);
    const auto sent = transport().send(0, over, request, *attempt);
    if (opened != nullptr) *opened = sent.opened;
    if (!sent.ok) {
      attempt->failed = true;
      attempt->failure = sent.failure;
    }
    return attempt;
  }
  struct Datagram {
    Octets octets;
    udp::endpoint peer;
    [[nodiscard]] std::uint16_t id() const { return load_u16(octets.data()); }
  };
  Datagram receive() {
    Datagram datagram;
    datagram.octets.resize(512);
    datagram.octets.resize(udp_.receive_from(boost::asio::buffer(datagram.octets), datagram.peer));
    return datagram;
  }
  // A message of `size` octets with this id.
  static Octets message(std::uint16_t id, std::size_t size = 20, std::uint8_t fill = 2) {
    Octets octets(size, fill);
    store_u16(octets.data(), id);
    return octets;
  }
  void reply(const Datagram& to, const Octets& octets) {
    udp_.send_to(boost::asio::buffer(octets), to.peer);
  }
  // The server's end of the next connection.
  tcp::socket accept() {
    tcp::socket socket(io_);
    bool accepted = false;
    acceptor_.async_accept(socket, [&](const boost::system::error_code& ec) { accepted = !ec; });
    EXPECT_TRUE(run_until([&] { return accepted; }));
    return socket;
  }
  Octets read(tcp::socket& socket) {
    std::array<std::uint8_t, 2> size;
    boost::asio::read(socket, boost::asio::buffer(size));
    Octets octets(load_u16(size.data()));
    boost::asio::read(socket, boost::asio::buffer(octets));
    return octets;
  }
  static Octets framed(const Octets& octets) {
    Octets out(2);
    store_u16(out.data(), static_cast<std::uint16_t>(octets.size()));
    out.insert(out.end(), octets.begin(), octets.end());
    return out;
  }
  bool run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io_.restart();
    while (!done()) {
      if (io_.run_one_until(deadline) == 0) return done();
    }
    return true;
  }
  // Until nothing more is to be read.
  void settle() {
    io_.restart();
    while (io_.poll() != 0) {
    }
  }

  boost::asio::io_context io_{1};
  udp::socket udp_{io_};
  tcp::acceptor acceptor_{io_};
  RandomNumbers random_;
  TransportOptions options_;
  std::shared_ptr<int> owner_ = std::make_shared<int>(0);
  std::shared_ptr<SocketTransport> transport_;
};

// --- UDP ---

TEST_F(SocketTransportTest, OpensNothingBeforeItIsNeeded) {
  const std::size_t before = open_descriptors();
  (void)transport();
  EXPECT_EQ(open_descriptors(), before);
  const auto attempt = send(Transport::Udp);
  EXPECT_EQ(open_descriptors(), before + 2);  // one port, one epoll instance
}

TEST_F(SocketTransportTest, RepliesFindTheirRequests) {
  std::vector<std::unique_ptr<Attempt>> attempts;
  std::vector<Datagram> requests;
  for (int i = 0; i < 100; ++i) {
    attempts.push_back(send(Transport::Udp));
    requests.push_back(receive());
  }
  for (std::size_t i = requests.size(); i-- > 0;) {
    reply(requests[i], message(requests[i].id(), 20 + i));
  }
  ASSERT_TRUE(run_until([&] {
    return std::all_of(attempts.begin(), attempts.end(),
                       [](const auto& a) { return !a->messages.empty(); });
  }));
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    EXPECT_EQ(attempts[i]->messages.at(0).size(), 20 + i);
  }
}

TEST_F(SocketTransportTest, OnlyWithIdPortAndAddress) {
  const auto attempt = send(Transport::Udp);
  const Datagram request = receive();
  const auto other_attempt = send(Transport::Udp);
  const Datagram other = receive();
  ASSERT_NE(request.peer.port(), other.peer.port());
  // Another id; the right id to another port of ours; from another port; from another address.
  reply(request, message(static_cast<std::uint16_t>(request.id() ^ 1)));
  reply(other, message(request.id()));
  udp::socket stranger(io_, udp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  stranger.send_to(boost::asio::buffer(message(request.id())), request.peer);
  const udp::endpoint elsewhere(boost::asio::ip::make_address("127.0.0.2"),
                                udp_.local_endpoint().port());
  udp::socket there(io_, elsewhere);
  there.send_to(boost::asio::buffer(message(request.id())), request.peer);
  // Too short for a message.
  reply(request, Octets(4, 0));
  reply(request, Octets());
  settle();
  EXPECT_TRUE(attempt->messages.empty());
  EXPECT_TRUE(other_attempt->messages.empty());
  EXPECT_FALSE(attempt->failed);
  // It waits on for the right one, and for more of them as long as it is under way.
  reply(request, message(request.id()));
  reply(request, message(request.id(), 30));
  ASSERT_TRUE(run_until([&] { return attempt->messages.size() == 2; }));
}

TEST_F(SocketTransportTest, WhatIsForgottenHearsNothing) {
  auto attempt = send(Transport::Udp);
  const Datagram request = receive();
  transport().forget(*attempt);
  reply(request, message(request.id()));
  settle();
  EXPECT_TRUE(attempt->messages.empty());
  transport().forget(*attempt);
}

TEST_F(SocketTransportTest, LongDatagramsAreCut) {
  const auto attempt = send(Transport::Udp);
  const Datagram request = receive();
  reply(request, message(request.id(), 5000));
  ASSERT_TRUE(run_until([&] { return !attempt->messages.empty(); }));
  EXPECT_TRUE(attempt->was_cut);
  EXPECT_EQ(attempt->messages[0].size(), 4096u);
}

TEST_F(SocketTransportTest, AClosedPortIsTold) {
  udp_.close();
  acceptor_.close();
  const auto attempt = send(Transport::Udp);
  ASSERT_TRUE(run_until([&] { return attempt->failed; }));
  EXPECT_EQ(attempt->failure.step, Step::Read);
  EXPECT_EQ(attempt->failure.error, ECONNREFUSED);
  EXPECT_NE(attempt->failure.local.port, 0);
  const auto over_tcp = send(Transport::Tcp);
  ASSERT_TRUE(run_until([&] { return over_tcp->failed; }));
  EXPECT_EQ(over_tcp->failure.step, Step::Connect);
  EXPECT_EQ(over_tcp->failure.error, ECONNREFUSED);
  // What fails may be sent again from inside.
  const auto first = send(Transport::Tcp);
  std::unique_ptr<Attempt> second;
  first->then = [&] { second = send(Transport::Tcp); };
  ASSERT_TRUE(run_until([&] { return second && second->failed; }));
}

TEST_F(SocketTransportTest, PortZeroAndUnreachableAddressesFailAtOnce) {
  options_.upstreams[0] = make_endpoint(boost::asio::ip::make_address("255.255.255.255"), 53);
  const auto attempt = send(Transport::Udp);
  EXPECT_TRUE(attempt->failed);
  EXPECT_NE(attempt->failure.error, 0);
}

TEST_F(SocketTransportTest, RequestsComeFromTheAddressThatIsConfigured) {
  options_.source = boost::asio::ip::make_address("127.0.0.3");
  const auto attempt = send(Transport::Udp);
  EXPECT_EQ(receive().peer.address().to_string(), "127.0.0.3");
  const auto over_tcp = send(Transport::Tcp);
  EXPECT_EQ(accept().remote_endpoint().address().to_string(), "127.0.0.3");
}

TEST_F(SocketTransportTest, AnAddressThatIsNotOursIsTold) {
  options_.source = boost::asio::ip::make_address("192.0.2.1");
  for (const auto over : {Transport::Udp, Transport::Tcp}) {
    const auto attempt = send(over);
    ASSERT_TRUE(attempt->failed);
    EXPECT_EQ(attempt->failure.step, Step::Bind);
    EXPECT_EQ(attempt->failure.error, EADDRNOTAVAIL);
  }
}

TEST_F(SocketTransportTest, WithoutDescriptorsItSaysSo) {
  auto kept = send(Transport::Udp);
  (void)receive();
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  // One port is there and carries the next request, too.
  bool opened = true;
  const auto shared = send(Transport::Udp, &opened);
  const auto over_tcp = send(Transport::Tcp);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_FALSE(shared->failed);
  EXPECT_FALSE(opened);
  EXPECT_TRUE(over_tcp->failed);
  EXPECT_EQ(over_tcp->failure.step, Step::Socket);
  EXPECT_EQ(over_tcp->failure.error, EMFILE);
}

TEST_F(SocketTransportTest, PortsAreReplacedInTurnAndClosedWhenIdle) {
  options_.requests_per_port = 8;
  const std::size_t before = open_descriptors();
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 2000; ++i) {
    const auto attempt = send(Transport::Udp);
    ports.insert(receive().peer.port());
    if (i % 100 == 0) (void)transport().tidy(UpstreamClock::now());
    ASSERT_LE(open_descriptors(), before + 1 + 2 * SocketTransport::kMaxPorts);
  }
  EXPECT_GT(ports.size(), 2000u / 16u);
  const auto now = UpstreamClock::now();
  EXPECT_LE(transport().tidy(now), now + options_.port_idle);
  EXPECT_EQ(transport().tidy(now + options_.port_idle + std::chrono::seconds(1)),
            UpstreamClock::time_point::max());
  EXPECT_EQ(open_descriptors(), before + 1);
}

TEST_F(SocketTransportTest, RepliesToAReplacedPortStillCount) {
  options_.requests_per_port = 1;
  std::vector<std::unique_ptr<Attempt>> attempts;
  std::vector<Datagram> requests;
  for (std::size_t i = 0; i < 2 * SocketTransport::kMaxPorts; ++i) {
    attempts.push_back(send(Transport::Udp));
    requests.push_back(receive());
  }
  (void)transport().tidy(UpstreamClock::now());
  for (const Datagram& request : requests) reply(request, message(request.id()));
  ASSERT_TRUE(run_until([&] {
    return std::all_of(attempts.begin(), attempts.end(),
                       [](const auto& a) { return !a->messages.empty(); });
  }));
}

// Pearson's chi-squared for equal shares.
double chi_squared(const std::vector<std::size_t>& counts) {
  double sum = 0;
  for (const std::size_t count : counts) sum += static_cast<double>(count);
  const double expected = sum / static_cast<double>(counts.size());
  double chi = 0;
  for (const std::size_t count : counts) {
    const double difference = static_cast<double>(count) - expected;
    chi += difference * difference / expected;
  }
  return chi;
}

// RFC 5452 sections 4.5, 9.2: what a forger has to guess.
TEST_F(SocketTransportTest, PortsAndIdsOfAHundredThousandQuestions) {
  // As it is: no port has more than a twentieth.
  {
    std::map<std::uint16_t, std::size_t> by_port;
    for (int i = 0; i < 100'000; ++i) {
      const auto attempt = send(Transport::Udp);
      ++by_port[receive().peer.port()];
    }
    EXPECT_GE(by_port.size(), 64u);
    for (const auto& [port, count] : by_port) EXPECT_LE(count, 5'000u) << port;
  }
  // Without ports coming and going the shares are even. The bounds are passed by chance once in a
  // million runs.
  transport_.reset();
  options_.requests_per_port = 10'000'000;
  options_.port_lifetime = std::chrono::hours(1);
  std::map<std::uint16_t, std::size_t> by_port;
  std::vector<std::size_t> by_high(256);
  std::vector<std::size_t> by_low(256);
  std::vector<std::size_t> by_step(256);
  std::uint16_t last_port = 0;
  std::uint16_t last_id = 0;
  std::size_t repeated = 0;
  for (int i = 0; i < 101'000; ++i) {
    const auto attempt = send(Transport::Udp);
    const Datagram request = receive();
    if (i >= 1'000) {  // the pool is grown
      ++by_port[request.peer.port()];
      ++by_high[request.id() >> 8];
      ++by_low[request.id() & 0xFF];
      ++by_step[static_cast<std::uint16_t>(request.id() - last_id) >> 8];
      repeated += request.peer.port() == last_port ? 1 : 0;
    }
    last_port = request.peer.port();
    last_id = request.id();
  }
  ASSERT_EQ(by_port.size(), SocketTransport::kMaxPorts);
  std::vector<std::size_t> shares;
  for (const auto& [port, count] : by_port) shares.push_back(count);
  EXPECT_LT(chi_squared(shares), 130.0);   // 63 degrees of freedom
  EXPECT_LT(chi_squared(by_high), 375.0);  // 255
  EXPECT_LT(chi_squared(by_low), 375.0);
  EXPECT_LT(chi_squared(by_step), 375.0);
  // The port before says nothing of the next: one in 64 is the same, 1,562 of 100,000.
  EXPECT_NEAR(static_cast<double>(repeated), 1562.5, 200.0);
}

// --- TCP ---

TEST_F(SocketTransportTest, OneConnectionCarriesAllInAnyOrder) {
  std::vector<std::unique_ptr<Attempt>> attempts;
  for (int i = 0; i < 50; ++i) {
    bool opened = false;
    attempts.push_back(send(Transport::Tcp, &opened));
    EXPECT_EQ(opened, i == 0);
  }
  tcp::socket peer = accept();
  settle();
  std::vector<std::uint16_t> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(load_u16(read(peer).data()));
  Octets out;
  for (std::size_t i = ids.size(); i-- > 0;) {
    const Octets frame = framed(message(ids[i], 20 + i));
    out.insert(out.end(), frame.begin(), frame.end());
  }
  // In pieces that end anywhere.
  for (std::size_t at = 0; at < out.size(); at += 37) {
    boost::asio::write(
        peer, boost::asio::buffer(out.data() + at, std::min<std::size_t>(37, out.size() - at)));
    settle();
  }
  ASSERT_TRUE(run_until([&] {
    return std::all_of(attempts.begin(), attempts.end(),
                       [](const auto& a) { return !a->messages.empty(); });
  }));
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    EXPECT_EQ(attempts[i]->messages.at(0).size(), 20 + i);
  }
}

TEST_F(SocketTransportTest, MessagesOfOthersAreReadPast) {
  const auto attempt = send(Transport::Tcp);
  tcp::socket peer = accept();
  settle();
  const std::uint16_t id = load_u16(read(peer).data());
  for (const Octets& octets :
       {message(static_cast<std::uint16_t>(id ^ 1)), message(id, 65535), message(id, 20)}) {
    Octets out = framed(octets);
    // A long one does not fit the kernel's buffers: both sides take turns.
    boost::asio::async_write(peer, boost::asio::buffer(out),
                             [](const boost::system::error_code&, std::size_t) {});
    ASSERT_TRUE(run_until([&] {
      return load_u16(octets.data()) != id ||
             (!attempt->messages.empty() && attempt->messages.back().size() == octets.size());
    }));
    settle();
  }
  EXPECT_EQ(attempt->messages.size(), 2u);
}

TEST_F(SocketTransportTest, LostFramingEndsTheConnection) {
  for (const std::uint16_t length : {std::uint16_t{0}, std::uint16_t{11}}) {
    const auto attempt = send(Transport::Tcp);
    tcp::socket peer = accept();
    settle();
    Octets out(std::size_t{2} + length, 0);
    store_u16(out.data(), length);
    boost::asio::write(peer, boost::asio::buffer(out));
    ASSERT_TRUE(run_until([&] { return attempt->failed; })) << length;
    EXPECT_TRUE(attempt->messages.empty());
  }
}

TEST_F(SocketTransportTest, AClosedConnectionIsMadeAnew) {
  const auto attempt = send(Transport::Tcp);
  accept().close();
  ASSERT_TRUE(run_until([&] { return attempt->failed; }));
  EXPECT_TRUE(attempt->failure.error == 0 || attempt->failure.error == ECONNRESET);
  bool opened = false;
  const auto next = send(Transport::Tcp, &opened);
  EXPECT_TRUE(opened);
}

// It is put on no connection more than the server answers on one, and not on too many at a time.
TEST_F(SocketTransportTest, AServerThatClosesBehindOneAnswerIsAskedOnManyConnections) {
  // Whose answer that is, the order of connections does not say.
  std::size_t answers = 0;
  const auto forget_when_answered = [&](Attempt& attempt) {
    attempt.then = [&] {
      ++answers;
      transport().forget(attempt);
    };
  };
  const auto answered = [&](tcp::socket& peer) {
    const std::size_t before = answers;
    boost::asio::write(peer, boost::asio::buffer(framed(message(load_u16(read(peer).data())))));
    return run_until([&] { return answers != before; });
  };
  {
    const auto first = send(Transport::Tcp);
    const auto second = send(Transport::Tcp);
    tcp::socket peer = accept();
    settle();
    forget_when_answered(*first);
    ASSERT_TRUE(answered(peer));
    peer.close();
    ASSERT_TRUE(run_until([&] { return second->failed; }));
    EXPECT_TRUE(second->failure.after_answers);
  }
  constexpr std::size_t kMore = 3;
  std::vector<std::unique_ptr<Attempt>> attempts;
  std::size_t opened_in_all = 0;
  for (std::size_t i = 0; i < SocketTransport::kMostBeside + kMore; ++i) {
    bool opened = false;
    attempts.push_back(send(Transport::Tcp, &opened));
    forget_when_answered(*attempts.back());
    EXPECT_FALSE(attempts.back()->failed);
    opened_in_all += opened ? 1 : 0;
  }
  EXPECT_EQ(opened_in_all, SocketTransport::kMostBeside);
  // One of those that wait is given up.
  attempts.erase(attempts.end() - 2);
  std::deque<tcp::socket> peers;
  for (std::size_t i = 0; i < SocketTransport::kMostBeside; ++i) peers.push_back(accept());
  settle();
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    if (i >= SocketTransport::kMostBeside) {
      peers.push_back(accept());
      settle();
    }
    ASSERT_TRUE(answered(peers[i])) << i;
  }
}

// One of many is what the server closes the connection for, and who asked it asks it again.
TEST_F(SocketTransportTest, WhatAConnectionIsClosedForEndsNothingElse) {
  constexpr std::size_t kMore = 3;
  constexpr std::size_t kAll = SocketTransport::kMostBeside + kMore;
  std::vector<std::unique_ptr<Attempt>> first, again;
  std::size_t opened_again = 0, answers = 0, failures = 0;
  for (std::size_t i = 0; i < kAll; ++i) {
    bool opened = false;
    first.push_back(send(Transport::Tcp, &opened));
    EXPECT_EQ(opened, i == 0);
    first.back()->then = [&] {
      bool fresh = false;
      again.push_back(send(Transport::Tcp, &fresh));
      EXPECT_FALSE(again.back()->failed);
      opened_again += fresh ? 1 : 0;
      again.back()->then = [&, attempt = again.back().get()] {
        ++(attempt->failed ? failures : answers);
        transport().forget(*attempt);
      };
    };
  }
  tcp::socket all = accept();
  settle();
  all.close();
  ASSERT_TRUE(run_until([&] { return again.size() == kAll; }));
  EXPECT_EQ(opened_again, SocketTransport::kMostBeside);
  // Others are asked together, as before.
  for (const bool first_of_them : {true, false}) {
    bool opened = false;
    const auto other = send(Transport::Tcp, &opened);
    EXPECT_EQ(opened, first_of_them);
  }
  // Ours in the order in which they were opened, the others' in between.
  for (std::size_t i = 0, closed = 0; answers + failures < kAll; ++i) {
    tcp::socket peer = accept();
    settle();
    if (i == SocketTransport::kMostBeside) continue;
    const std::size_t before = answers + failures;
    const Octets request = read(peer);
    EXPECT_EQ(peer.available(), 0u) << i;
    if (closed++ == 0) {
      peer.close();
    } else {
      boost::asio::write(peer, boost::asio::buffer(framed(message(load_u16(request.data())))));
    }
    ASSERT_TRUE(run_until([&] { return answers + failures != before; })) << i;
    settle();
  }
  EXPECT_EQ(failures, 1u);
}

// So it was not the number of answers.
TEST_F(SocketTransportTest, WhoClosesForARequestIsNotTakenForOneThatGivesFewAnswers) {
  const auto first = send(Transport::Tcp);
  const auto second = send(Transport::Tcp);
  tcp::socket peer = accept();
  settle();
  first->then = [&] { transport().forget(*first); };
  boost::asio::write(peer, boost::asio::buffer(framed(message(load_u16(read(peer).data())))));
  ASSERT_TRUE(run_until([&] { return !first->messages.empty() || !second->messages.empty(); }));
  peer.close();
  ASSERT_TRUE(run_until([&] { return second->failed; }));
  EXPECT_TRUE(second->failure.after_answers);
  const auto third = send(Transport::Tcp);
  peer = accept();
  settle();
  peer.close();
  ASSERT_TRUE(run_until([&] { return third->failed; }));
  bool opened = false;
  const auto fourth = send(Transport::Tcp, &opened);
  EXPECT_TRUE(opened);
  const auto fifth = send(Transport::Tcp, &opened);
  EXPECT_FALSE(opened);
}

// Or who answers something else and closes would be asked for ever.
TEST_F(SocketTransportTest, AMessageThatEndsNoRequestIsNoAnswer) {
  const auto attempt = send(Transport::Tcp);
  tcp::socket peer = accept();
  settle();
  boost::asio::write(peer, boost::asio::buffer(framed(message(load_u16(read(peer).data())))));
  ASSERT_TRUE(run_until([&] { return !attempt->messages.empty(); }));
  peer.close();
  ASSERT_TRUE(run_until([&] { return attempt->failed; }));
  EXPECT_FALSE(attempt->failure.after_answers);
}

TEST_F(SocketTransportTest, WhatStaysSilentCarriesNothingNew) {
  const auto attempt = send(Transport::Tcp);
  tcp::socket peer = accept();
  settle();
  const std::uint16_t id = load_u16(read(peer).data());
  transport().distrust(*attempt, UpstreamClock::now());
  bool opened = false;
  const auto next = send(Transport::Tcp, &opened);
  EXPECT_TRUE(opened);
  // What it says in the end still counts.
  boost::asio::write(peer, boost::asio::buffer(framed(message(id))));
  ASSERT_TRUE(run_until([&] { return !attempt->messages.empty(); }));
}

TEST_F(SocketTransportTest, ConnectionsAreReplacedAndClosedWhenIdle) {
  options_.connection_age = milliseconds(1);
  const std::size_t before = open_descriptors();
  auto attempt = send(Transport::Tcp);
  settle();
  std::this_thread::sleep_for(milliseconds(2));
  bool opened = false;
  auto next = send(Transport::Tcp, &opened);
  EXPECT_TRUE(opened);
  attempt.reset();
  next.reset();
  EXPECT_EQ(transport().tidy(UpstreamClock::now() + options_.connection_idle + milliseconds(10)),
            UpstreamClock::time_point::max());
  EXPECT_EQ(open_descriptors(), before + 1);
}

TEST_F(SocketTransportTest, PlacesTellHowFarItCame) {
  const auto attempt = send(Transport::Udp);
  const Datagram request = receive();
  EXPECT_EQ(transport().place(*attempt).step, Step::Read);
  EXPECT_EQ(transport().place(*attempt).local.port, request.peer.port());
  const auto over_tcp = send(Transport::Tcp);
  EXPECT_EQ(transport().place(*over_tcp).step, Step::Connect);
}

}  // namespace
}  // namespace clusterdns::dns
