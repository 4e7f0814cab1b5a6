// DNS over TLS (RFC 7858), by a real server on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/socket.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <thread>

#include "dns/server/server.h"
#include "tests/unit/dns/server/client.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::dns {
namespace {

namespace ssl = boost::asio::ssl;
using boost::asio::ip::make_address;
using boost::asio::ip::tcp;
using registry::kubernetes::testing::Identity;
using registry::kubernetes::testing::make_identity;
using unit::Octets;

Identity fresh() { return make_identity(-1, 30); }
const Identity& identity() {
  static const Identity made = fresh();
  return made;
}

class Refuser final : public Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "refuser"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    exchange.answer.rcode = Rcode::Refused;
    return Verdict::Answered;
  }
};

TlsSettings showing(const Identity& shown) { return {{shown.certificate, shown.key}}; }

class TlsTest : public ::testing::Test {
 protected:
  // Handshakes that are meant well have no more, and a machine may be slow.
  static constexpr unsigned kStall = 5;

  void serve(TlsSettings settings = showing(identity()), TcpLimits limits = {}) {
    if (!server_) server_.emplace(ServerOptions{.workers = 1, .tcp = limits});
    contexts_ = std::make_shared<TlsContexts>(TlsContext::for_server(std::move(settings)));
    apply();
  }
  void apply() {
    auto route = std::make_shared<Route>();
    route->stages.push_back(std::make_shared<Refuser>());
    Configuration configuration;
    for (const bool tls : {true, false}) {
      Configuration::Listener listener{{make_address("127.0.0.1"), 0, tls}, {}};
      listener.routes.add(Name{}, route);
      if (tls) listener.tls = contexts_;
      configuration.listeners.push_back(std::move(listener));
    }
    const auto served = server_->apply(std::move(configuration));
    port_ = served->listeners[0].address.port;
    plain_port_ = served->listeners[1].address.port;
  }

  // A client that believes the certificate of `believed`.
  struct Client {
    explicit Client(const TlsTest& test, const Identity& believed = identity(),
                    const Identity* shown = nullptr, SSL_SESSION* session = nullptr)
        : context(context_of(believed, shown)), stream(io, context) {
      const timeval patience{20, 0};
      stream.next_layer().connect(tcp::endpoint(make_address("127.0.0.1"), test.port_));
      ::setsockopt(stream.next_layer().native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience,
                   sizeof patience);
      if (session != nullptr) SSL_set_session(stream.native_handle(), session);
    }
    static ssl::context context_of(const Identity& believed, const Identity* shown) {
      ssl::context made(ssl::context::tls_client);
      made.add_certificate_authority(boost::asio::buffer(believed.certificate));
      made.set_verify_mode(ssl::verify_peer);
      if (shown != nullptr) {
        made.use_certificate_chain(boost::asio::buffer(shown->certificate));
        made.use_private_key(boost::asio::buffer(shown->key), ssl::context::pem);
      }
      return made;
    }
    bool shake() {
      boost::system::error_code error;
      stream.handshake(ssl::stream_base::client, error);
      return !error;
    }
    void send(unsigned count = 1) {
      Octets all;
      for (unsigned i = 0; i < count; ++i) {
        const Octets octets = unit::Request{.qname = "a.test"}.wire();
        all.insert(all.end(), {0, static_cast<std::uint8_t>(octets.size())});
        all.insert(all.end(), octets.begin(), octets.end());
      }
      boost::system::error_code error;
      boost::asio::write(stream, boost::asio::buffer(all), error);
    }
    // The rcode of the next answer; -1: the connection has ended.
    int read() {
      std::array<std::uint8_t, 2> head;
      boost::system::error_code error;
      boost::asio::read(stream, boost::asio::buffer(head), error);
      if (error) return -1;
      Octets body(load_u16(head.data()));
      boost::asio::read(stream, boost::asio::buffer(body), error);
      return error || body.size() < 4 ? -1 : body[3] & 15;
    }
    int ask() {
      if (SSL_is_init_finished(stream.native_handle()) == 0 && !shake()) return -1;
      send();
      return read();
    }

    boost::asio::io_context io;
    ssl::context context;
    ssl::stream<tcp::socket> stream;
  };
  std::uint64_t ended(TcpEnd end) const {
    return server_->tcp_figures()[0]->ended[static_cast<std::size_t>(end)].get();
  }
  std::uint64_t connections() const { return server_->tcp_figures()[0]->connections.load(); }
  std::uint64_t held() const { return server_->tcp_figures()[0]->held_octets.load(); }
  static bool until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::optional<Server> server_;
  std::shared_ptr<TlsContexts> contexts_;
  std::uint16_t port_ = 0, plain_port_ = 0;
};

constexpr int kRefused = static_cast<int>(Rcode::Refused);

TEST_F(TlsTest, AnswersManyOnOneConnection) {
  serve();
  Client client(*this);
  EXPECT_EQ(client.ask(), kRefused);
  client.send(500);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.read(), kRefused) << i;
  EXPECT_EQ(connections(), 1u);
}

TEST_F(TlsTest, PlainTextIsRefusedThereAndTlsElsewhere) {
  TcpLimits limits;
  limits.stall_seconds = kStall;
  serve(showing(identity()), limits);
  EXPECT_NE(port_, plain_port_);
  boost::asio::io_context io;
  tcp::socket plain(io);
  plain.connect(tcp::endpoint(make_address("127.0.0.1"), port_));
  Octets octets = unit::Request{.qname = "a.test"}.wire();
  octets.insert(octets.begin(), {0, static_cast<std::uint8_t>(octets.size())});
  boost::asio::write(plain, boost::asio::buffer(octets));
  // An alert perhaps, and the end.
  Octets said(512);
  boost::system::error_code error;
  std::size_t size = 0;
  while (!error) size += plain.read_some(boost::asio::buffer(said), error);
  EXPECT_LE(size, 16u);
  ASSERT_TRUE(until([&] { return ended(TcpEnd::Tls) == 1; }));
  std::swap(port_, plain_port_);
  EXPECT_EQ(Client(*this).ask(), -1);
  std::swap(port_, plain_port_);
  EXPECT_EQ(Client(*this).ask(), kRefused);
}

TEST_F(TlsTest, SessionsAreResumedByTickets) {
  serve();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client first(*this);
    SSL_set_max_proto_version(first.stream.native_handle(), version);
    ASSERT_EQ(first.ask(), kRefused);
    SSL_SESSION* const session = SSL_get1_session(first.stream.native_handle());
    Client second(*this, identity(), nullptr, session);
    SSL_set_max_proto_version(second.stream.native_handle(), version);
    SSL_SESSION_free(session);
    ASSERT_EQ(second.ask(), kRefused);
    EXPECT_EQ(SSL_session_reused(second.stream.native_handle()), 1);
  }
}

TEST_F(TlsTest, NothingBelowTls12) {
  serve();
  Client client(*this);
  SSL_set_min_proto_version(client.stream.native_handle(), TLS1_VERSION);
  SSL_set_max_proto_version(client.stream.native_handle(), TLS1_1_VERSION);
  SSL_set_cipher_list(client.stream.native_handle(), "ALL:@SECLEVEL=0");
  EXPECT_FALSE(client.shake());
}

TEST_F(TlsTest, AReplacedCertificateIsForNewConnections) {
  serve();
  Client before(*this);
  ASSERT_EQ(before.ask(), kRefused);
  const Identity next = fresh();
  contexts_->replace(TlsContext::for_server(showing(next)));
  EXPECT_EQ(Client(*this, next).ask(), kRefused);
  EXPECT_FALSE(Client(*this).shake());
  EXPECT_EQ(before.ask(), kRefused);
  // The same by another configuration.
  serve(showing(identity()));
  EXPECT_EQ(Client(*this).ask(), kRefused);
  EXPECT_EQ(before.ask(), kRefused);
}

TEST_F(TlsTest, ClientsAreJudgedByTheirCertificates) {
  const Identity known = fresh(), stranger = fresh();
  struct Case {
    TlsClientAuth auth;
    bool without, by_known, by_stranger;
  };
  for (const Case& each :
       {Case{TlsClientAuth::None, true, true, true}, Case{TlsClientAuth::Request, true, true, true},
        Case{TlsClientAuth::Require, false, true, true},
        Case{TlsClientAuth::VerifyIfGiven, true, true, false},
        Case{TlsClientAuth::RequireAndVerify, false, true, false}}) {
    TlsSettings settings = showing(identity());
    settings.authorities = known.certificate;
    settings.client_auth = each.auth;
    serve(std::move(settings));
    const auto expected = [](bool good) { return good ? kRefused : -1; };
    const int auth = static_cast<int>(each.auth);
    EXPECT_EQ(Client(*this).ask(), expected(each.without)) << auth;
    EXPECT_EQ(Client(*this, identity(), &known).ask(), expected(each.by_known)) << auth;
    EXPECT_EQ(Client(*this, identity(), &stranger).ask(), expected(each.by_stranger)) << auth;
  }
}

TEST_F(TlsTest, AHandshakeThatStandsStillEnds) {
  TcpLimits limits;
  limits.stall_seconds = kStall;
  serve(showing(identity()), limits);
  boost::asio::io_context io;
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 5; ++i) {
    silent.emplace_back(io);
    silent.back().connect(tcp::endpoint(make_address("127.0.0.1"), port_));
    // The begin of a ClientHello of 512 octets.
    const std::array<std::uint8_t, 6> begun{22, 3, 1, 2, 0, 1};
    boost::asio::write(silent.back(), boost::asio::buffer(begun));
  }
  // Nobody else waits for them.
  EXPECT_EQ(Client(*this).ask(), kRefused);
  ASSERT_TRUE(until([&] { return ended(TcpEnd::Stalled) == 5; }));
  ASSERT_TRUE(until([&] { return connections() == 0; }));
  EXPECT_TRUE(until([&] { return held() == 0; }));
}

// OpenSSL gets memory for what a ClientHello says that it has, before it comes.
TEST_F(TlsTest, AClientHelloIsNotLarge) {
  serve();
  boost::asio::io_context io;
  // Whether the connection has ended once the server has seen `octets` in pieces of `piece`.
  const auto ends = [&](const Octets& octets, std::size_t piece) {
    tcp::socket socket(io);
    socket.connect(tcp::endpoint(make_address("127.0.0.1"), port_));
    boost::system::error_code error;
    socket.set_option(tcp::no_delay(true));
    for (std::size_t at = 0; at < octets.size() && !error; at += piece) {
      const std::size_t size = std::min(piece, octets.size() - at);
      boost::asio::write(socket, boost::asio::buffer(octets.data() + at, size), error);
    }
    const std::uint64_t before = ended(TcpEnd::Stalled);
    std::array<std::uint8_t, 64> answer;
    while (!error) (void)socket.read_some(boost::asio::buffer(answer), error);
    return ended(TcpEnd::Stalled) == before;
  };
  const auto hello = [](std::size_t says, std::size_t record) {
    return Octets{22,
                  3,
                  1,
                  0,
                  static_cast<std::uint8_t>(record),
                  1,
                  static_cast<std::uint8_t>(says >> 16),
                  static_cast<std::uint8_t>(says >> 8),
                  static_cast<std::uint8_t>(says)};
  };
  TcpLimits limits;
  limits.stall_seconds = kStall;
  server_.emplace(ServerOptions{.workers = 1, .tcp = limits});
  apply();
  EXPECT_FALSE(ends(hello(16 * 1024, 4), 9));
  EXPECT_TRUE(ends(hello(16 * 1024 + 1, 4), 9));
  EXPECT_TRUE(ends(hello(120 * 1024, 200), 9));
  EXPECT_TRUE(ends(hello(120 * 1024, 4), 1));
  // Its size in a record of its own.
  EXPECT_TRUE(ends({22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 3, 1, 0, 0}, 3));
  EXPECT_EQ(Client(*this).ask(), kRefused);
}

// New keys without end cost the worker as much as hundreds of answers each.
TEST_F(TlsTest, AFloodOfNewKeysEndsTheConnection) {
  serve();
  Client client(*this);
  ASSERT_EQ(client.ask(), kRefused);
  const auto new_key = [&] {
    return SSL_key_update(client.stream.native_handle(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
           client.shake();
  };
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(new_key());
    ASSERT_EQ(client.ask(), kRefused) << i;
  }
  for (int i = 0; i < 1000 && new_key(); ++i) {
  }
  ASSERT_TRUE(until([&] { return ended(TcpEnd::Tls) == 1; }));
  EXPECT_TRUE(until([&] { return connections() == 0; }));
}

TEST_F(TlsTest, WhoDoesNotReadIsBounded) {
  TcpLimits limits;
  limits.stall_seconds = kStall;
  serve(showing(identity()), limits);
  Client client(*this);
  ASSERT_TRUE(client.shake());
  // Until it is cut off.
  std::uint64_t most = 0;
  boost::system::error_code error;
  Octets all;
  const Octets octets = unit::Request{.qname = "a.test"}.wire();
  for (unsigned i = 0; i < 1000; ++i) {
    all.insert(all.end(), {0, static_cast<std::uint8_t>(octets.size())});
    all.insert(all.end(), octets.begin(), octets.end());
  }
  for (int i = 0; i < 1000 && !error; ++i) {
    boost::asio::write(client.stream, boost::asio::buffer(all), error);
    most = std::max(most, held());
  }
  EXPECT_TRUE(error);
  EXPECT_LT(most, 512u * 1024);
  ASSERT_TRUE(until([&] { return ended(TcpEnd::Stalled) == 1; }));
  EXPECT_EQ(Client(*this).ask(), kRefused);
}

// What a connection is accounted for with is what OpenSSL takes at least.
TEST_F(TlsTest, ItsMemoryIsAccountedFor) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  const auto context = TlsContext::for_server(showing(identity()));
  TlsPeer peer(std::make_shared<TlsContexts>(TlsContext::for_client({{}, identity().certificate})),
               "127.0.0.1");
  struct Pair {
    Descriptor ours, theirs;
    std::unique_ptr<TlsStream> server, client;
  };
  std::array<std::uint8_t, 512> octets{};
  constexpr std::size_t kMany = 64;
  std::size_t shaking = 0, idle = 0, longest = 0, partial = 0;
  // The first round is for what is made once.
  for (int round = 0; round < 2; ++round) {
    std::vector<Pair> pairs(kMany);
    for (Pair& each : pairs) {
      int fds[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
      each.ours = Descriptor(fds[0]);
      each.theirs = Descriptor(fds[1]);
      each.client = std::make_unique<TlsStream>(peer, fds[1]);
      (void)each.client->receive(octets.data(), octets.size());
    }
    const std::size_t before = ::mallinfo2().uordblks;
    for (Pair& each : pairs) {
      each.server = std::make_unique<TlsStream>(context, each.ours.get());
      (void)each.server->receive(octets.data(), octets.size());
    }
    shaking = (::mallinfo2().uordblks - before) / kMany;
    for (Pair& each : pairs) {
      while (!each.server->established() || !each.client->established()) {
        (void)each.client->receive(octets.data(), octets.size());
        (void)each.server->receive(octets.data(), octets.size());
      }
    }
    // The begin of a record of 16 KiB.
    const std::array<std::uint8_t, 6> begun{23, 3, 3, 0x40, 0, 1};
    const std::size_t whole = ::mallinfo2().uordblks;
    for (Pair& each : pairs) {
      ASSERT_EQ(::send(each.theirs.get(), begun.data(), begun.size(), 0), 6);
      (void)each.server->receive(octets.data(), octets.size());
      ASSERT_TRUE(each.server->holds_record());
    }
    partial = (::mallinfo2().uordblks - whole) / kMany;
    for (Pair& each : pairs) each.client.reset();
    const std::size_t with = ::mallinfo2().uordblks;
    for (Pair& each : pairs) each.server.reset();
    idle = (with - ::mallinfo2().uordblks) / kMany - partial;
  }
  {
    // As much as a ClientHello may say, and most of it.
    std::vector<Pair> pairs(kMany);
    Octets hello(16 * 1024);
    const std::array<std::uint8_t, 9> head{22, 3, 1, 0x40, 0, 1, 0, 0x40, 0};
    std::copy(head.begin(), head.end(), hello.begin());
    const std::size_t before = ::mallinfo2().uordblks;
    for (Pair& each : pairs) {
      int fds[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
      each.ours = Descriptor(fds[0]);
      each.theirs = Descriptor(fds[1]);
      each.server = std::make_unique<TlsStream>(context, fds[0]);
      for (const std::size_t size : {std::size_t{9}, hello.size() - 9}) {
        const std::uint8_t* const from = hello.data() + (size == 9 ? 0 : 9);
        ASSERT_EQ(::send(fds[1], from, size, 0), static_cast<ssize_t>(size));
        EXPECT_EQ(each.server->receive(octets.data(), octets.size()), -1);
        EXPECT_EQ(each.server->problem(), nullptr);
      }
    }
    longest = (::mallinfo2().uordblks - before) / kMany;
  }
  RecordProperty("shaking", static_cast<int>(shaking));
  RecordProperty("idle", static_cast<int>(idle));
  RecordProperty("longest", static_cast<int>(longest));
  RecordProperty("partial", static_cast<int>(partial));
  EXPECT_LT(shaking, kTlsHandshake);
  EXPECT_LT(longest, kTlsHandshake);
  EXPECT_LT(partial, kTlsRecord);
  EXPECT_LT(idle, kTlsIdle);
  EXPECT_GT(idle, kTlsIdle / 4);
}

}  // namespace
}  // namespace clusterdns::dns
