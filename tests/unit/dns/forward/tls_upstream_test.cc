// Upstreams that are asked over TLS: one in this process, on real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <cerrno>
#include <filesystem>
#include <list>

#include "dns/forward/failure_text.h"
#include "dns/forward/socket_transport.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::dns {
namespace {

namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;
using registry::kubernetes::testing::Identity;
using registry::kubernetes::testing::make_identity;
using ::testing::HasSubstr;
using Octets = std::vector<std::uint8_t>;
using Step = TransportFailure::Step;
using std::chrono::milliseconds;

// For 127.0.0.1 and "kubernetes", signed by itself.
Identity fresh() { return make_identity(-1, 30); }
const Identity& identity() {
  static const Identity made = fresh();
  return made;
}

// Answers every message with itself. What it does to connections, a test says.
class TlsServer {
 public:
  explicit TlsServer(boost::asio::io_context& io, const Identity& shown = identity())
      : acceptor_(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
        context_(ssl::context::tls_server) {
    context_.use_certificate_chain(boost::asio::buffer(shown.certificate));
    context_.use_private_key(boost::asio::buffer(shown.key), ssl::context::pem);
    accept();
  }

  [[nodiscard]] Endpoint endpoint() const {
    const auto at = acceptor_.local_endpoint();
    return make_endpoint(at.address(), at.port());
  }
  [[nodiscard]] ssl::context& context() { return context_; }

  bool speaks_tls = true;    // else it says nothing at all
  std::string instead = {};  // what it says instead, at once
  bool answers = true;
  unsigned accepted = 0;
  unsigned shaken = 0;  // handshakes that came to an end
  unsigned resumed = 0;
  std::vector<Octets> received;
  std::string server_name;  // as the last client had it in SNI
  void close_all() { sessions_.clear(); }
  // Sends this to the last client.
  void say(Octets octets) { sessions_.back()->send(std::move(octets)); }

 private:
  struct Session : std::enable_shared_from_this<Session> {
    Session(TlsServer& s, tcp::socket socket) : server(s), stream(std::move(socket), s.context_) {}
    void start() {
      if (!server.instead.empty()) {
        boost::asio::write(stream.next_layer(), boost::asio::buffer(server.instead));
      }
      if (!server.speaks_tls) return;
      stream.async_handshake(
          ssl::stream_base::server, [self = weak_from_this()](const auto& error) {
            const auto s = self.lock();
            if (error || !s) return;
            ++s->server.shaken;
            if (SSL_session_reused(s->stream.native_handle()) == 1) ++s->server.resumed;
            const char* const name =
                SSL_get_servername(s->stream.native_handle(), TLSEXT_NAMETYPE_host_name);
            s->server.server_name = name == nullptr ? "" : name;
            s->read();
          });
    }
    void read() {
      boost::asio::async_read(stream, boost::asio::buffer(head),
                              [self = weak_from_this()](const auto& error, std::size_t) {
                                const auto s = self.lock();
                                if (!error && s) s->read_rest();
                              });
    }
    void read_rest() {
      body.resize(load_u16(head.data()));
      boost::asio::async_read(stream, boost::asio::buffer(body),
                              [self = weak_from_this()](const auto& error, std::size_t) {
                                const auto s = self.lock();
                                if (error || !s) return;
                                s->server.received.push_back(s->body);
                                if (s->server.answers) {
                                  Octets reply(s->head.begin(), s->head.end());
                                  reply.insert(reply.end(), s->body.begin(), s->body.end());
                                  s->send(std::move(reply));
                                }
                                s->read();
                              });
    }
    void send(Octets octets) {
      out.push_back(std::move(octets));
      if (out.size() == 1) write();
    }
    void write() {
      boost::asio::async_write(stream, boost::asio::buffer(out.front()),
                               [self = weak_from_this()](const auto& error, std::size_t) {
                                 const auto s = self.lock();
                                 if (error || !s) return;
                                 s->out.pop_front();
                                 if (!s->out.empty()) s->write();
                               });
    }

    TlsServer& server;
    ssl::stream<tcp::socket> stream;
    std::array<std::uint8_t, 2> head{};
    Octets body;
    std::list<Octets> out;
  };

  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
      if (error) return;
      ++accepted;
      socket.set_option(tcp::no_delay(true));
      sessions_.push_back(std::make_shared<Session>(*this, std::move(socket)));
      sessions_.back()->start();
      accept();
    });
  }

  tcp::acceptor acceptor_;
  ssl::context context_;
  std::vector<std::shared_ptr<Session>> sessions_;
};

class Attempt final : public UpstreamAttempt {
 public:
  explicit Attempt(UpstreamTransport& transport) : transport_(transport) {}
  ~Attempt() override { transport_.forget(*this); }
  void on_message(std::span<std::uint8_t> message, bool) noexcept override {
    messages.emplace_back(message.begin(), message.end());
  }
  void on_failure(const TransportFailure& f) noexcept override {
    failure = f;
    failed = true;
  }
  [[nodiscard]] bool done() const { return failed || !messages.empty(); }

  std::vector<Octets> messages;
  bool failed = false;
  TransportFailure failure;

 private:
  UpstreamTransport& transport_;
};

class TlsUpstreamTest : public ::testing::Test {
 protected:
  static TlsSettings trusting(const Identity& authority) { return {{}, authority.certificate}; }
  void connect_to(const Endpoint& endpoint, TlsSettings settings, std::string name = "") {
    UpstreamServer upstream(endpoint);
    contexts_ = std::make_shared<TlsContexts>(TlsContext::for_client(std::move(settings)));
    upstream.tls = contexts_;
    upstream.server_name = std::move(name);
    options_.upstreams.push_back(std::move(upstream));
  }
  SocketTransport& transport() {
    if (!transport_) {
      transport_ = std::make_shared<SocketTransport>(io_, random_, options_, owner_);
    }
    return *transport_;
  }
  std::unique_ptr<Attempt> send(std::size_t upstream = 0, std::size_t size = 30) {
    auto attempt = std::make_unique<Attempt>(transport());
    Octets request(size, 1);
    const auto sent = transport().send(upstream, Transport::Tcp, request, *attempt);
    opened_ = sent.opened;
    if (!sent.ok) attempt->on_failure(sent.failure);
    return attempt;
  }
  bool run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io_.restart();
    while (!done()) {
      if (io_.run_one_until(deadline) == 0) return done();
    }
    return true;
  }
  bool answered(const Attempt& attempt) {
    return run_until([&] { return attempt.done(); }) && !attempt.failed;
  }
  std::string why(const Attempt& attempt) {
    EXPECT_TRUE(run_until([&] { return attempt.failed; }));
    return failure_text(Transport::Tcp, attempt.failure, options_.upstreams[0]);
  }
  // Lets the rest after a failure pass.
  void rest() {
    boost::asio::steady_timer timer(io_, SocketTransport::kTlsRest + milliseconds(5));
    bool over = false;
    timer.async_wait([&](const boost::system::error_code&) { over = true; });
    ASSERT_TRUE(run_until([&] { return over; }));
  }

  boost::asio::io_context io_{1};
  RandomNumbers random_;
  TransportOptions options_;
  std::shared_ptr<TlsContexts> contexts_;
  std::shared_ptr<int> owner_ = std::make_shared<int>(0);
  std::shared_ptr<SocketTransport> transport_;
  bool opened_ = false;
};

TEST_F(TlsUpstreamTest, OneConnectionCarriesManyRequests) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()));
  std::vector<std::unique_ptr<Attempt>> attempts;
  for (int i = 0; i < 200; ++i) {
    attempts.push_back(send());
    EXPECT_EQ(opened_, i == 0);
  }
  for (const auto& attempt : attempts) ASSERT_TRUE(answered(*attempt));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(answered(*send()));
  EXPECT_EQ(server.shaken, 1u);
  EXPECT_EQ(server.received.size(), 400u);
  EXPECT_EQ(server.server_name, "");  // RFC 6066 section 3: no address
}

TEST_F(TlsUpstreamTest, NeverInPlainText) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()));
  auto attempt = std::make_unique<Attempt>(transport());
  Octets request(30, 1);
  ASSERT_TRUE(transport().send(0, Transport::Udp, request, *attempt).ok);
  ASSERT_TRUE(answered(*attempt));
  EXPECT_EQ(server.received.size(), 1u);
}

TEST_F(TlsUpstreamTest, TheCertificateIsForTheNameThatIsSaid) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()), "kubernetes");
  ASSERT_TRUE(answered(*send()));
  EXPECT_EQ(server.server_name, "kubernetes");
}

TEST_F(TlsUpstreamTest, ACertificateForAnotherNameIsRefused) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()), "dns.example");
  const auto attempt = send();
  EXPECT_EQ(why(*attempt),
            "dial tcp " + server.endpoint().to_string() +
                ": tls: failed to verify certificate: x509: certificate is valid for other names, "
                "not dns.example");
  EXPECT_TRUE(server.received.empty());
}

TEST_F(TlsUpstreamTest, ACertificateOfAnotherAuthorityIsRefused) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(fresh()));
  const auto attempt = send();
  EXPECT_THAT(why(*attempt),
              HasSubstr(": tls: failed to verify certificate: x509: certificate signed "
                        "by unknown authority"));
  EXPECT_TRUE(server.received.empty());
}

TEST_F(TlsUpstreamTest, AnExpiredCertificateIsRefused) {
  const Identity old = make_identity(-20, -10);
  TlsServer server(io_, old);
  connect_to(server.endpoint(), trusting(old));
  const auto attempt = send();
  EXPECT_THAT(why(*attempt), HasSubstr("x509: certificate has expired or is not yet valid"));
}

TEST_F(TlsUpstreamTest, WeShowOurCertificate) {
  TlsServer server(io_);
  const Identity ours = fresh();
  server.context().set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  server.context().add_certificate_authority(boost::asio::buffer(ours.certificate));
  connect_to(server.endpoint(), {{ours.certificate, ours.key}, identity().certificate});
  ASSERT_TRUE(answered(*send()));
}

TEST_F(TlsUpstreamTest, WithoutACertificateThatIsAskedForItSaysSo) {
  TlsServer server(io_);
  server.context().set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  connect_to(server.endpoint(), trusting(identity()));
  const auto began = UpstreamClock::now();
  EXPECT_THAT(why(*send()), HasSubstr(": tls: "));
  // The handshake was over for us; still it is not tried again at once.
  const auto next = send();
  if (UpstreamClock::now() - began < SocketTransport::kTlsRest) {
    EXPECT_TRUE(next->failed);
    EXPECT_EQ(server.accepted, 1u);
  }
}

TEST_F(TlsUpstreamTest, SessionsAreResumed) {
  for (const auto version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsServer server(io_);
    SSL_CTX_set_max_proto_version(server.context().native_handle(), version);
    options_.upstreams.clear();
    transport_.reset();
    connect_to(server.endpoint(), trusting(identity()));
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(answered(*send())) << i;
      EXPECT_EQ(server.resumed, static_cast<unsigned>(i));
      (void)transport().tidy(UpstreamClock::now() + options_.connection_idle + milliseconds(10));
    }
    EXPECT_EQ(server.accepted, 4u);
    // Not with what another context believed.
    contexts_->replace(TlsContext::for_client(trusting(identity())));
    ASSERT_TRUE(answered(*send()));
    EXPECT_EQ(server.resumed, 3u);
  }
}

TEST_F(TlsUpstreamTest, ChangedAuthoritiesCountForTheNextConnection) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(fresh()));
  EXPECT_THAT(why(*send()), HasSubstr("unknown authority"));
  contexts_->replace(TlsContext::for_client(trusting(identity())));
  rest();
  EXPECT_TRUE(answered(*send()));
}

TEST_F(TlsUpstreamTest, PlainTextIsNotTls) {
  TlsServer server(io_);
  server.speaks_tls = false;
  server.instead = "220 mail.example ESMTP\r\n";
  connect_to(server.endpoint(), trusting(identity()));
  const auto attempt = send();
  EXPECT_THAT(why(*attempt), HasSubstr("tls: first record does not look like a TLS handshake"));
}

TEST_F(TlsUpstreamTest, AfterAFailureItRests) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(fresh()));
  const auto began = UpstreamClock::now();
  const std::string said = why(*send());
  // No handshake for each question that comes meanwhile.
  for (int i = 0; i < 100; ++i) EXPECT_EQ(why(*send()), said);
  if (UpstreamClock::now() - began < SocketTransport::kTlsRest) {
    EXPECT_EQ(server.accepted, 1u);
  }
  const unsigned before = server.accepted;
  rest();
  (void)why(*send());
  EXPECT_GT(server.accepted, before);
}

// That it closes the connection for what it was asked says nothing of TLS.
TEST_F(TlsUpstreamTest, BehindAHandshakeItDoesNotRest) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()));
  server.answers = false;
  for (std::size_t i = 1; i <= 3; ++i) {
    const auto attempt = send();
    EXPECT_TRUE(opened_) << i;
    ASSERT_TRUE(run_until([&] { return server.received.size() == i; })) << i;
    server.close_all();
    ASSERT_TRUE(run_until([&] { return attempt->failed; }));
    EXPECT_EQ(attempt->failure.step, Step::Read);
  }
  server.answers = true;
  EXPECT_TRUE(answered(*send()));
  EXPECT_EQ(server.shaken, 4u);
}

TEST_F(TlsUpstreamTest, WhoSaysNothingHoldsUpNobody) {
  TlsServer silent(io_), other(io_);
  silent.speaks_tls = false;
  connect_to(silent.endpoint(), trusting(identity()));
  connect_to(other.endpoint(), trusting(identity()));
  const auto attempt = send(0);
  ASSERT_TRUE(answered(*send(1)));
  EXPECT_FALSE(attempt->done());
  EXPECT_EQ(transport().place(*attempt).step, Step::Connect);
  // However often that is tried again, connections do not gather.
  std::vector<std::unique_ptr<Attempt>> more;
  for (int i = 0; i < 100; ++i) {
    more.push_back(send(0));
    transport().distrust(*more.back(), UpstreamClock::now());
  }
  ASSERT_TRUE(run_until([&] { return silent.accepted == SocketTransport::kMostReplaced + 1; }));
}

TEST_F(TlsUpstreamTest, AClosedConnectionIsMadeAnew) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()));
  ASSERT_TRUE(answered(*send()));
  server.answers = false;
  const auto attempt = send();
  ASSERT_TRUE(run_until([&] { return server.received.size() == 2; }));
  server.close_all();
  ASSERT_TRUE(run_until([&] { return attempt->failed; }));
  EXPECT_EQ(attempt->failure.step, Step::Read);
  server.answers = true;
  ASSERT_TRUE(answered(*send()));
  EXPECT_EQ(server.accepted, 2u);
}

TEST_F(TlsUpstreamTest, LongAndManyMessagesComeWhole) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()));
  server.answers = false;
  const auto attempt = send();
  ASSERT_TRUE(run_until([&] { return server.received.size() == 1; }));
  const std::uint16_t id = load_u16(server.received[0].data());
  for (int i = 0; i < 300; ++i) {
    // Many short records, and some that take several.
    const std::size_t size = i % 100 == 0 ? 65535 : 20;
    Octets out(2 + size, 7);
    store_u16(out.data(), static_cast<std::uint16_t>(size));
    store_u16(out.data() + 2, id);
    server.say(std::move(out));
  }
  ASSERT_TRUE(run_until([&] { return attempt->messages.size() == 300; }));
  EXPECT_EQ(attempt->messages[200].size(), 65535u);
}

// What OpenSSL has read and has not handed over is no event of the socket.
TEST_F(TlsUpstreamTest, AQuestionInBetweenLosesNoReply) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()));
  server.answers = false;
  const auto attempt = send();
  ASSERT_TRUE(run_until([&] { return server.received.size() == 1; }));
  const std::uint16_t id = load_u16(server.received[0].data());
  // More records than one event takes.
  constexpr std::size_t kMany = 1100;
  for (std::size_t i = 0; i < kMany; ++i) {
    Octets out(2 + 20, 7);
    store_u16(out.data(), 20);
    store_u16(out.data() + 2, id);
    server.say(std::move(out));
  }
  std::vector<std::unique_ptr<Attempt>> others;
  std::size_t seen = 0;
  ASSERT_TRUE(run_until([&] {
    if (attempt->messages.size() != seen && others.size() < 100) others.push_back(send());
    seen = attempt->messages.size();
    return seen == kMany;
  }));
}

TEST_F(TlsUpstreamTest, WithoutAUseItIsClosed) {
  TlsServer server(io_);
  connect_to(server.endpoint(), trusting(identity()));
  ASSERT_TRUE(answered(*send()));
  const auto now = UpstreamClock::now();
  EXPECT_LE(transport().tidy(now), now + options_.connection_idle);
  EXPECT_EQ(transport().tidy(now + options_.connection_idle + milliseconds(10)),
            UpstreamClock::time_point::max());
  ASSERT_TRUE(answered(*send()));
  EXPECT_TRUE(opened_ || server.accepted == 2);
}

TEST_F(TlsUpstreamTest, WhatIsNoCertificateIsSaid) {
  const auto said = [](TlsSettings settings) -> std::string {
    try {
      (void)TlsContext::for_client(std::move(settings));
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "nothing";
  };
  EXPECT_EQ(said({{}, "nonsense"}),
            "the certificate authorities cannot be read; they must be in PEM");
  EXPECT_THAT(said({{"nonsense", identity().key}, identity().certificate}),
              HasSubstr("the certificate cannot be read"));
  EXPECT_THAT(said({{identity().certificate, fresh().key}, identity().certificate}),
              HasSubstr("is not the certificate's"));
  EXPECT_EQ(said({{identity().certificate, identity().key}, identity().certificate}), "nothing");
}

}  // namespace
}  // namespace clusterdns::dns
