// DNS over HTTPS (RFC 8484), by a real server on loopback. Suites are named after sections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <mutex>
#include <thread>

#include "dns/server/server.h"
#include "tests/unit/dns/http/http2_peer.h"
#include "tests/unit/dns/server/client.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::dns {
namespace {

namespace ssl = boost::asio::ssl;
using boost::asio::ip::make_address;
using boost::asio::ip::tcp;
using registry::kubernetes::testing::Identity;
using registry::kubernetes::testing::make_identity;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using unit::Octets;
using unit::http2::operator+;

const Identity& identity() {
  static const Identity made = make_identity(-1, 30);
  return made;
}

// Keeps queries for "slow.*" until it is told, says nothing to "drop.*", and refuses the rest.
class KeepingStage final : public Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "keeping"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    const std::string name = name_to_text(exchange.query.name());
    if (name.starts_with("drop.")) return Verdict::Drop;
    transport = exchange.transport;
    one_message = exchange.one_message;
    if (name.starts_with("slow.")) {
      const std::lock_guard lock(mutex_);
      kept_.push_back(exchange.defer());
      return Verdict::Deferred;
    }
    if (name.starts_with("free.")) let_go(true);
    if (name.starts_with("once.")) {  // deferred, and at once done
      finish(exchange.defer());
      return Verdict::Deferred;
    }
    if (name.starts_with("large.")) {
      exchange.answer.rcode = Rcode::NoError;
      for (int i = 0; i < 200; ++i) {
        Octets rdata(201, 'x');
        rdata[0] = 200;
        (void)exchange.answer.add_record(Section::Answer, 0, RRType::TXT, 77, rdata);
      }
      return Verdict::Answered;
    }
    exchange.answer.rcode = Rcode::Refused;
    return Verdict::Answered;
  }
  void detach(WorkerContext&) noexcept override { let_go(false); }
  [[nodiscard]] std::size_t kept() {
    const std::lock_guard lock(mutex_);
    return kept_.size();
  }
  // On the worker's thread. In the order opposite to that in which they came.
  void let_go(bool answer) {
    std::vector<std::unique_ptr<Exchange>> all;
    {
      const std::lock_guard lock(mutex_);
      all.swap(kept_);
    }
    while (!all.empty()) {
      if (answer) finish(std::move(all.back()));
      all.pop_back();
    }
  }
  std::atomic<Transport> transport{Transport::Udp};
  std::atomic<bool> one_message{false};

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Exchange>> kept_;
};

Octets query(const std::string& name, std::uint16_t id = 0, RRType type = RRType::A) {
  return unit::Request{.qname = name, .qtype = type, .id = id}.wire();
}
std::string text(std::span<const std::uint8_t> octets) { return {octets.begin(), octets.end()}; }

class Https : public ::testing::Test {
 protected:
  // Nobody is ended because the machine is slow.
  static TcpLimits patient() {
    TcpLimits limits;
    limits.idle_seconds = limits.stall_seconds = limits.drain_seconds = 120;
    return limits;
  }
  void serve(TcpLimits limits = patient(), HttpsLimits https = {}) {
    limits_ = limits;
    if (!server_) server_.emplace(ServerOptions{.workers = 1, .tcp = limits});
    stage_ = std::make_shared<KeepingStage>();
    auto route = std::make_shared<Route>();
    route->stages.push_back(stage_);
    Configuration configuration;
    Configuration::Listener listener{{make_address("127.0.0.1"), 0, true, true}, {}};
    listener.routes.add(Name{}, route);
    listener.tls = std::make_shared<TlsContexts>(
        TlsContext::for_server({{identity().certificate, identity().key}}));
    listener.https = https;
    listener.http_counters = counters_;
    configuration.listeners.push_back(std::move(listener));
    port_ = server_->apply(std::move(configuration))->listeners[0].address.port;
  }

  // A connection whose ALPN names these protocols, as wire format has them.
  struct Client {
    explicit Client(const Https& test, std::string_view alpn = "\x02h2")
        : context(ssl::context::tls_client), stream(io, context) {
      stream.next_layer().connect(tcp::endpoint(make_address("127.0.0.1"), test.port_));
      if (!alpn.empty()) {
        SSL_set_alpn_protos(stream.native_handle(),
                            reinterpret_cast<const unsigned char*>(alpn.data()),
                            static_cast<unsigned>(alpn.size()));
      }
      stream.async_handshake(ssl::stream_base::client,
                             [this](const auto& error) { shook_hands = !error; });
      finish();
    }
    [[nodiscard]] std::string chosen() const {
      const unsigned char* name = nullptr;
      unsigned size = 0;
      SSL_get0_alpn_selected(const_cast<Client*>(this)->stream.native_handle(), &name, &size);
      return {reinterpret_cast<const char*>(name), size};
    }
    void send(const Octets& octets) {
      boost::asio::async_write(stream, boost::asio::buffer(octets),
                               [](const auto& /*error*/, std::size_t /*size*/) {});
      finish();
    }
    // False: the connection has ended.
    bool read() {
      Octets room(16 * 1024);
      boost::system::error_code error;
      std::size_t size = 0;
      stream.async_read_some(boost::asio::buffer(room),
                             [&](const boost::system::error_code& outcome, std::size_t count) {
                               error = outcome;
                               size = count;
                             });
      finish();
      raw.append(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size));
      if (chosen() == "h2") reader.take({room.data(), size});
      return !error;
    }
    bool read_until(const std::function<bool()>& done) {
      while (!done()) {
        if (!read()) return done();
      }
      return true;
    }
    unit::Http2Reader::Response& response(std::uint32_t id) {
      read_until([&] { return reader.responses[id].ended || reader.responses[id].reset != 0; });
      return reader.responses[id];
    }
    // Of HTTP/1.1: the head and body of the next response.
    std::string next() {
      const auto whole = [&] {
        const std::size_t head = raw.find("\r\n\r\n");
        const std::size_t length = raw.find("Content-Length: ");
        if (head == std::string::npos || length == std::string::npos) return std::string::npos;
        const std::size_t size = head + 4 + std::stoul(raw.substr(length + 16));
        return raw.size() >= size ? size : std::string::npos;
      };
      read_until([&] { return whole() != std::string::npos; });
      const std::size_t size = whole();
      std::string one = raw.substr(0, size);
      raw.erase(0, one.size());
      return one;
    }
    void send(const std::string& octets) { send(Octets(octets.begin(), octets.end())); }
    // The server notices at once, whatever it waits for.
    void reset() {
      stream.next_layer().set_option(boost::asio::socket_base::linger(true, 0));
      stream.next_layer().close();
    }
    // What was begun comes to its end, and a server that says nothing to one.
    void finish() {
      io.restart();
      io.run_for(std::chrono::seconds(40));
      if (io.stopped()) return;
      ADD_FAILURE() << "the server keeps a client waiting";
      boost::system::error_code ignored;
      stream.next_layer().close(ignored);
      io.run();
    }

    boost::asio::io_context io;
    ssl::context context;
    ssl::stream<tcp::socket> stream;
    bool shook_hands = false;
    std::string raw;
    unit::Http2Reader reader;
  };
  static std::string get1(const Octets& message, const std::string& more = "") {
    return "GET /dns-query?dns=" + unit::base64url(message) +
           " HTTP/1.1\r\nHost: dns.test\r\nAccept: application/dns-message\r\n" + more + "\r\n";
  }
  std::uint64_t ended(TcpEnd end) const {
    return server_->tcp_figures()[0]->ended[static_cast<std::size_t>(end)].get();
  }
  std::uint64_t connections() const { return server_->tcp_figures()[0]->connections.load(); }
  std::uint64_t held() const { return server_->tcp_figures()[0]->held_octets.load(); }
  static bool until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  void TearDown() override {
    if (server_) server_->stop();
  }

  const std::shared_ptr<HttpCounters> counters_ = std::make_shared<HttpCounters>(1);
  std::shared_ptr<KeepingStage> stage_;
  std::optional<Server> server_;
  TcpLimits limits_;
  std::uint16_t port_ = 0;
};

unsigned rcode_of(const std::string& message) {
  return message.size() < 12 ? 99 : static_cast<unsigned>(message[3]) & 15U;
}

// 4.1: GET and POST, both.
class Rfc8484_4_1 : public Https {};
TEST_F(Rfc8484_4_1, GetAndPost) {
  serve();
  Client client(*this);
  ASSERT_EQ(client.chosen(), "h2");
  client.send(unit::preface() + unit::get(1, query("a.test")) + unit::post(3, query("b.test")));
  for (const std::uint32_t stream : {1U, 3U}) {
    auto& response = client.response(stream);
    EXPECT_EQ(response.fields[":status"], "200");
    EXPECT_EQ(response.fields["content-type"], "application/dns-message");
    EXPECT_EQ(rcode_of(text(response.body)), 5u);
  }
  EXPECT_EQ(stage_->transport, Transport::Tcp);
  EXPECT_TRUE(stage_->one_message);
  EXPECT_EQ(counters_->cells()[0].responses[0].get(), 2u);
}
TEST_F(Rfc8484_4_1, OverHttp1) {
  serve();
  for (const std::string_view alpn : {"\x08http/1.1", "", "\x04spdy\x08http/1.1"}) {
    Client client(*this, alpn);
    const std::string one = get1(query("a.test"));
    client.send(one + one + one);
    for (int i = 0; i < 3; ++i) {
      const std::string said = client.next();
      EXPECT_THAT(said, StartsWith("HTTP/1.1 200 OK\r\n"));
      EXPECT_EQ(rcode_of(said.substr(said.find("\r\n\r\n") + 4)), 5u);
    }
  }
  // RFC 7301 3.2: nothing in common.
  EXPECT_FALSE(Client(*this,
                      "\x03"
                      "dot")
                   .shook_hands);
}
// 4.1: the ID is 0 for caches' sake, and comes back as it is.
TEST_F(Rfc8484_4_1, TheIdComesBack) {
  serve();
  Client client(*this);
  client.send(unit::preface());
  for (std::uint32_t i = 0; i < 3; ++i) {
    const std::uint16_t id = i == 1 ? 0x1234 : 0;
    client.send(unit::get(2 * i + 1, query("a.test", id)));
    EXPECT_EQ(load_u16(client.response(2 * i + 1).body.data()), id);
  }
}

// 4.2.1: what DNS says is no error of HTTP; what is no DNS has no answer.
class Rfc8484_4_2_1 : public Https {};
TEST_F(Rfc8484_4_2_1, StatusIsAboutHttp) {
  serve();
  Client client(*this);
  Octets status = query("a.test");
  status[2] = 0x10;  // opcode 2
  client.send(unit::preface() + unit::post(1, status) + unit::post(3, Octets(5)) +
              unit::post(5, query("drop.test")) +
              unit::frame(unit::kHeaders, unit::kEndStream | unit::kEndHeaders, 7,
                          unit::header_block(unit::get_fields("/"))));
  EXPECT_EQ(client.response(1).fields[":status"], "200");
  EXPECT_EQ(rcode_of(text(client.response(1).body)), 4u);  // NOTIMP
  EXPECT_EQ(client.response(3).fields[":status"], "400");
  EXPECT_EQ(client.response(5).fields[":status"], "500");
  EXPECT_EQ(client.response(7).fields[":status"], "404");
}

// 5.1: how long it is fresh.
class Rfc8484_5_1 : public Https {};
TEST_F(Rfc8484_5_1, SmallestTtl) {
  serve();
  Client client(*this);
  client.send(unit::preface() + unit::get(1, query("large.test", 0, RRType::TXT)));
  EXPECT_EQ(client.response(1).fields["cache-control"], "max-age=77");
}

// 5.2: many at once over HTTP/2, answered in any order.
class Rfc8484_5_2 : public Https {};
TEST_F(Rfc8484_5_2, InAnyOrder) {
  serve();
  Client client(*this);
  client.send(unit::preface() + unit::get(1, query("slow.a.test")) +
              unit::get(3, query("slow.b.test")) + unit::get(5, query("a.test")));
  EXPECT_EQ(client.response(5).fields[":status"], "200");
  EXPECT_FALSE(client.reader.responses[1].ended);
  ASSERT_TRUE(until([&] { return stage_->kept() == 2; }));
  std::atomic<bool> done{false};
  // The worker's thread is where they end: the stage's next query lets them go.
  server_->ask(
      [&] {
        auto routes = std::make_shared<ListenerRoutes>();
        auto route = std::make_shared<Route>();
        route->stages.push_back(std::make_shared<unit::ScriptedStage>([&](Exchange& exchange) {
          stage_->let_go(true);
          exchange.answer.rcode = Rcode::Refused;
          return Verdict::Answered;
        }));
        routes->add(Name{}, route);
        return routes;
      }(),
      query("x.test") + Octets(kPadding), query("x.test").size(), unit::endpoint("127.0.0.1"),
      [&](const auto&) { done = true; });
  EXPECT_EQ(client.response(1).fields[":status"], "200");
  EXPECT_EQ(client.response(3).fields[":status"], "200");
  EXPECT_TRUE(until([&] { return done.load(); }));
}
// The answer of one comes while another is looked at.
TEST_F(Rfc8484_5_2, DoneMeanwhile) {
  serve();
  Client client(*this);
  client.send(unit::preface() + unit::get(1, query("slow.test", 1)));
  ASSERT_TRUE(until([&] { return stage_->kept() == 1; }));
  client.send(unit::get(3, query("free.test", 3)));
  for (const std::uint32_t stream : {1U, 3U}) {
    auto& response = client.response(stream);
    EXPECT_EQ(response.fields[":status"], "200");
    ASSERT_GE(response.body.size(), 12u);
    EXPECT_EQ(load_u16(response.body.data()), stream);
  }
}
TEST_F(Rfc8484_5_2, DoneAtOnce) {
  serve();
  Client two(*this);
  two.send(unit::preface() + unit::get(1, query("once.test")));
  EXPECT_EQ(two.response(1).fields[":status"], "200");
  Client one(*this, "");
  one.send(get1(query("once.test")) + get1(query("a.test")));
  EXPECT_THAT(one.next(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(one.next(), StartsWith("HTTP/1.1 200 "));
}
TEST_F(Rfc8484_5_2, ManyTurns) {
  serve();
  Client client(*this);
  client.send(unit::preface());
  std::uint32_t stream = 1;
  for (int round = 0; round < 30; ++round) {
    const std::uint32_t first = stream;
    Octets all;
    for (int i = 0; i < 100; ++i, stream += 2) all = all + unit::get(stream, query("a.test"));
    client.send(all + unit::frame(unit::kWindowUpdate, 0, 0, unit::u32(10'000)));
    for (std::uint32_t i = first; i < stream; i += 2) {
      ASSERT_EQ(client.response(i).fields[":status"], "200") << i;
    }
  }
}

// 6: a message has up to 65535 octets.
class Rfc8484_6 : public Https {};
TEST_F(Rfc8484_6, LargeAnswers) {
  serve();
  for (const std::string_view alpn : {"\x02h2", ""}) {
    Client client(*this, alpn);
    if (alpn.empty()) {
      for (int i = 0; i < 5; ++i) client.send(get1(query("large.test", 0, RRType::TXT)));
      for (int i = 0; i < 5; ++i) EXPECT_GT(client.next().size(), 40'000u);
      continue;
    }
    client.send(unit::preface());
    for (std::uint32_t i = 0; i < 20; ++i) {
      client.send(unit::get(2 * i + 1, query("large.test", 0, RRType::TXT)));
    }
    // Windows open as they are read.
    for (std::uint32_t i = 0; i < 20; ++i) {
      auto& response = client.response(2 * i + 1);
      EXPECT_GT(response.body.size(), 40'000u);
      client.send(unit::frame(unit::kWindowUpdate, 0, 0,
                              unit::u32(static_cast<std::uint32_t>(response.body.size()))));
    }
  }
}

// Whoever means ill, and what becomes of others meanwhile.
class HttpsBounds : public Https {};

// Of streams: none.
Octets no_window() {
  Octets settings;
  unit::put_u16(settings, 4);
  unit::http2::add_u32(settings, 0);
  return settings;
}

// Handshakes have stall_seconds as well, and a machine may be slow.
TEST_F(HttpsBounds, AWindowThatNeverOpens) {
  TcpLimits limits = patient();
  limits.stall_seconds = 5;
  serve(limits);
  Client bad(*this);
  bad.send(unit::preface(no_window()) + unit::get(1, query("large.test", 0, RRType::TXT)));
  Client good(*this);
  good.send(unit::preface() + unit::get(1, query("a.test")));
  EXPECT_EQ(good.response(1).fields[":status"], "200");
  while (bad.read()) {
  }
  EXPECT_TRUE(until([&] { return ended(TcpEnd::Stalled) >= 1; }));
}
TEST_F(HttpsBounds, AWindowThatOpensByOctets) {
  TcpLimits limits = patient();
  limits.drain_seconds = 2;
  serve(limits);
  Client bad(*this);
  Octets asked = unit::preface(no_window());
  // The first one's window opens; no machine is so fast that the others' answers go.
  for (std::uint32_t i = 0; i < 8; ++i) {
    asked = asked + unit::get(2 * i + 1, query("large.test", 0, RRType::TXT));
  }
  bad.send(asked);
  // It reads whatever comes, and asks for one octet more; requests keep its credit up. Their
  // responses have no body, which would wait for a window.
  unit::Fields head = unit::get_fields("/");
  head[0].second = "HEAD";
  std::uint32_t stream = 17;
  while (ended(TcpEnd::Stalled) == 0 && bad.read()) {
    bad.send(unit::frame(unit::kWindowUpdate, 0, 1, unit::u32(1)) +
             unit::frame(unit::kHeaders, unit::kEndStream | unit::kEndHeaders, stream,
                         unit::header_block(head)));
    stream += 2;
  }
  EXPECT_TRUE(until([&] { return ended(TcpEnd::Stalled) == 1 && connections() == 0; }));
  EXPECT_FALSE(bad.reader.gone);
}
TEST_F(HttpsBounds, ABodyThatDoesNotCome) {
  TcpLimits limits = patient();
  limits.stall_seconds = 5;
  serve(limits);
  Client two(*this);
  two.send(unit::preface() + unit::post_head(1));
  Client one(*this, "");
  one.send(
      "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
      "Content-Length: 50\r\n\r\nx");
  EXPECT_EQ(two.response(1).reset, unit::kCancel);
  while (one.read()) {
  }
  EXPECT_TRUE(until([&] { return ended(TcpEnd::Stalled) >= 1; }));
}
TEST_F(HttpsBounds, IdleConnectionsEnd) {
  TcpLimits limits = patient();
  limits.idle_seconds = 3;
  serve(limits);
  Client two(*this);
  two.send(unit::preface() + unit::get(1, query("a.test")));
  EXPECT_EQ(two.response(1).fields[":status"], "200");
  // PING keeps nobody.
  for (int i = 0; i < 100 && !two.reader.gone; ++i) {
    two.send(unit::frame(unit::kPing, 0, 0, Octets(8)));
    if (!two.read()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_TRUE(two.reader.gone);
  EXPECT_EQ(two.reader.gone_code, 0u);
  EXPECT_TRUE(until([&] { return ended(TcpEnd::Idle) == 1 && connections() == 0; }));
}
// More requests than a turn has, and then an error of the connection.
TEST_F(HttpsBounds, ABrokenConnectionEndsAtOnce) {
  serve();
  Client bad(*this);
  Octets block =
      unit::header_block({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}});
  // RFC 7541 6.2.1, 6.1: its target is indexed, and so each further one is short.
  const Octets target =
      unit::header_block({{":path", "/dns-query?dns=" + unit::base64url(query("a.test"))}});
  block.push_back(0x40);
  block.insert(block.end(), target.begin() + 1, target.end());
  const std::uint8_t flags = unit::kEndStream | unit::kEndHeaders;
  Octets all = unit::preface() + unit::frame(unit::kHeaders, flags, 1, block);
  for (std::uint32_t i = 1; i < 100; ++i) {
    all = all +
          unit::frame(unit::kHeaders, flags, 2 * i + 1, {0x82, 0x87, 0x01, 0x01, 'a', 0x80 | 62});
  }
  all = all + unit::frame(unit::kHeaders, flags, 0, {0x82});
  ASSERT_LE(all.size(), kTcpReadOnce);
  bad.send(all);
  while (bad.read()) {
  }
  EXPECT_TRUE(bad.reader.gone);
  EXPECT_EQ(bad.reader.count(unit::kRstStream), 0u);
  EXPECT_TRUE(until([&] { return connections() == 0; }));
  EXPECT_EQ(ended(TcpEnd::Idle) + ended(TcpEnd::Stalled), 0u);
}
TEST_F(HttpsBounds, RapidResetKeepsNobodyWaiting) {
  serve();
  Client bad(*this);
  bad.send(unit::preface());
  Octets all;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    all = all + unit::get(2 * i + 1, query("slow.test")) +
          unit::frame(unit::kRstStream, 0, 2 * i + 1, unit::u32(unit::kCancel));
  }
  bad.send(all);
  while (bad.read()) {
  }
  EXPECT_LE(stage_->kept(), kTcpInFlight);
  EXPECT_TRUE(until([&] { return connections() <= 1; }));
  Client good(*this);
  good.send(unit::preface() + unit::get(1, query("a.test")));
  EXPECT_EQ(good.response(1).fields[":status"], "200");
}
TEST_F(HttpsBounds, OctetsAreHeldTogetherWithThoseOfTcp) {
  TcpLimits limits = patient();
  limits.held_octets = 2 * 1024 * 1024;
  serve(limits);
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < 40; ++i) {
    all.push_back(std::make_unique<Client>(*this));
    Octets asked = unit::preface(no_window());
    for (std::uint32_t j = 0; j < 8; ++j) {
      asked = asked + unit::get(2 * j + 1, query("large.test", 0, RRType::TXT));
    }
    all.back()->send(asked);
  }
  EXPECT_TRUE(until([&] { return ended(TcpEnd::Octets) >= 5; }));
  EXPECT_LE(held(), limits.held_octets + 512 * 1024);
  for (const auto& each : all) each->reset();
  EXPECT_TRUE(until([&] { return connections() == 0 && held() == 0; }));
}
TEST_F(HttpsBounds, ConnectionsOfAListener) {
  serve(patient(), {kDohStreams, 3});
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < 6; ++i) {
    all.push_back(std::make_unique<Client>(*this));
    all.back()->send(unit::preface() + unit::get(1, query("a.test")));
    EXPECT_EQ(all.back()->response(1).fields[":status"], "200");
    EXPECT_LE(connections(), 3u);
  }
  EXPECT_EQ(ended(TcpEnd::Room), 3u);
}
TEST_F(HttpsBounds, AClientThatGoesAwayLeavesNothing) {
  serve();
  {
    Client two(*this);
    two.send(unit::preface() + unit::get(1, query("slow.test")));
    Client one(*this, "");
    one.send(get1(query("slow.test")));
    ASSERT_TRUE(until([&] { return stage_->kept() == 2; }));
    two.stream.next_layer().close();
    one.stream.next_layer().close();
  }
  // Whether they are noticed before or after their answers, they go.
  server_->stop();
  EXPECT_EQ(connections(), 0u);
}
TEST_F(HttpsBounds, HalfClosedIsAnswered) {
  serve();
  Client client(*this, "");
  client.send(get1(query("a.test")));
  client.stream.next_layer().shutdown(tcp::socket::shutdown_send);
  EXPECT_THAT(client.next(), StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace clusterdns::dns
