#include "dns/tap/tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl.hpp>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "dns/net/tls_stream.h"
#include "dns/tap/tap_message.h"
#include "dns/tap/tap_ring.h"
#include "dns/target/capture_reader.h"
#include "tests/support/dnstap_collector.h"
#include "tests/unit/app/folder.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::dns {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using std::chrono::milliseconds;
using test::TapCollector;
using test::TapSeen;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Endpoint at(const std::string& address, std::uint16_t port) {
  return make_endpoint(boost::asio::ip::make_address(address), port);
}

std::string text_of(std::span<const std::uint8_t> octets) { return {octets.begin(), octets.end()}; }

std::vector<std::uint8_t> octets_of(const std::string& text) { return {text.begin(), text.end()}; }

// --- frames ---

TEST(TapMessageTest, AQueryToTheOctet) {
  const auto octets = octets_of("abc");
  std::string scratch, frame;
  put_tap_frame({TapType::ClientQuery,
                 Transport::Udp,
                 at("192.0.2.1", 300),
                 {},
                 1'000'000'005,
                 0,
                 octets,
                 "id",
                 "v",
                 "x"},
                scratch, frame);
  const std::string message =
      "\x08\x05\x10\x01\x18\x01\x22\x04\xC0\x00\x02\x01\x30\xAC\x02"
      "\x40\x01\x4D\x05\x00\x00\x00\x52\x03"
      "abc"s;
  EXPECT_EQ(frame, "\x00\x00\x00\x29\x0A\x02id\x12\x01v\x1A\x01x\x72\x1B"s + message + "\x78\x01");
}

TEST(TapMessageTest, AnAnswerHasBothTimes) {
  const auto octets = octets_of("answer");
  std::string scratch, frame;
  put_tap_frame({TapType::ForwarderResponse, Transport::Tcp, at("2001:db8::1", 1),
                 at("2001:db8::2", 53), 7'000'000'008, 9'000'000'010, octets},
                scratch, frame);
  const TapSeen seen = TapSeen::of(std::string_view(frame).substr(4));
  EXPECT_EQ(seen.kind, 1u);
  EXPECT_EQ(seen.type, 8u);
  EXPECT_EQ(seen.family, 2u);
  EXPECT_EQ(seen.protocol, 2u);
  EXPECT_EQ(seen.query_address, text_of(at("2001:db8::1", 1).address));
  EXPECT_EQ(seen.response_address, text_of(at("2001:db8::2", 1).address));
  EXPECT_EQ(seen.query_port, 1u);
  EXPECT_EQ(seen.response_port, 53u);
  EXPECT_EQ(seen.query_sec, 7u);
  EXPECT_EQ(seen.query_nsec, 8u);
  EXPECT_EQ(seen.response_sec, 9u);
  EXPECT_EQ(seen.response_nsec, 10u);
  EXPECT_EQ(seen.query, "");
  EXPECT_EQ(seen.response, "answer");
  EXPECT_EQ(seen.identity + seen.version + seen.extra, "");
}

TEST(TapMessageTest, WhatReplayReads) {
  // A header and a question, as short as they may be.
  const auto query =
      octets_of("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01"s);
  std::string scratch, file;
  put_tap_control(TapControl::Start, file);
  put_tap_frame({TapType::ClientQuery, Transport::Udp, at("192.0.2.1", 300), {}, 5, 0, query},
                scratch, file);
  put_tap_control(TapControl::Stop, file);
  std::string error;
  const auto messages = read_capture(file, &error);
  ASSERT_TRUE(messages) << error;
  ASSERT_EQ(messages->size(), 1u);
}

TEST(TapMessageTest, ControlFrames) {
  using Came = TapControlReader::Came;
  std::string accept;
  put_tap_control(TapControl::Accept, accept);
  TapControlReader reader;
  for (const char c : accept.substr(0, accept.size() - 1)) {
    reader.add({&c, 1});
    EXPECT_EQ(reader.next(), Came::Part);
  }
  reader.add(accept.substr(accept.size() - 1));
  EXPECT_EQ(reader.next(), Came::Accept);
  EXPECT_EQ(reader.next(), Came::Part);
  const auto what = [](std::string_view octets) {
    TapControlReader other;
    other.add(octets);
    return other.next();
  };
  EXPECT_EQ(what("\0\0\0\0\0\0\0\4\0\0\0\1"sv), Came::Accept);  // whatever content
  EXPECT_EQ(what("\0\0\0\0\0\0\0\4\0\0\0\5"sv), Came::Finish);
  EXPECT_EQ(what("\0\0\0\0\0\0\0\4\0\0\0\2"sv), Came::Wrong);
  EXPECT_EQ(what("\0\0\0\0\0\0\0\3\0\0\0"sv), Came::Wrong);
  EXPECT_EQ(what("\0\0\0\0\0\1\0\0"sv), Came::Wrong);  // longer than any
  EXPECT_EQ(what("HTTP/1.1"), Came::Wrong);
  EXPECT_EQ(what("\0\0\0\0\0\0\0\xD\0\0\0\1\0\0\0\1\0\0\0\1x"sv), Came::Wrong);  // another content
  EXPECT_EQ(what("\0\0\0\0\0\0\0\xD\0\0\0\1\0\0\0\1\0\0\0\2x"sv), Came::Wrong);  // too long
}

// --- the ring ---

TEST(TapRingTest, KeepsWhatFitsInOrder) {
  TapRing ring(1);
  std::vector<std::uint8_t> record(1000), taken;
  std::size_t put = 0, got = 0;
  const auto fill = [&] {
    for (;;) {
      std::fill(record.begin(), record.end(), static_cast<std::uint8_t>(put));
      const TapRing::Part parts[] = {{record.data(), 1}, {}, {record.data(), record.size()}};
      if (!ring.put(parts)) return;
      ++put;
    }
  };
  EXPECT_TRUE(ring.empty());
  for (int round = 0; round < 10; ++round) {  // past the end, again and again
    fill();
    EXPECT_EQ(put - got, TapRing::kLeast / 1005);
    for (int i = 0; i < 70; ++i) {
      ASSERT_TRUE(ring.take(taken));
      ASSERT_EQ(taken, std::vector<std::uint8_t>(1001, static_cast<std::uint8_t>(got)));
      ++got;
    }
  }
  while (ring.take(taken)) ++got;
  EXPECT_EQ(got, put);
  EXPECT_TRUE(ring.empty());
}

TEST(TapRingTest, FromOneThreadToAnother) {
  TapRing ring(1);
  constexpr std::uint32_t kRecords = 10'000;
  std::thread writer([&] {
    std::vector<std::uint8_t> record;
    for (std::uint32_t i = 0; i < kRecords; ++i) {
      record.assign(4 + i % 700, static_cast<std::uint8_t>(i));
      std::memcpy(record.data(), &i, sizeof i);
      const TapRing::Part part(record.data(), record.size());
      while (!ring.put({&part, 1})) std::this_thread::yield();
    }
  });
  std::vector<std::uint8_t> record;
  for (std::uint32_t i = 0; i < kRecords;) {
    if (!ring.take(record)) {
      std::this_thread::yield();
      continue;
    }
    std::uint32_t number = 0;
    std::memcpy(&number, record.data(), sizeof number);
    if (number != i || record.size() != 4 + i % 700) {
      ADD_FAILURE() << number << " where " << i << " belongs";
      break;
    }
    ++i;
  }
  writer.join();
}

// --- the tap ---

// Also over TLS.
class TlsCollector final : public TapCollector {
 public:
  explicit TlsCollector(const registry::kubernetes::testing::Identity& identity)
      : context_(boost::asio::ssl::context::tls_server) {
    context_.use_certificate_chain(boost::asio::buffer(identity.certificate));
    context_.use_private_key(boost::asio::buffer(identity.key), boost::asio::ssl::context::pem);
    ::signal(SIGPIPE, SIG_IGN);  // of SSL_write(), when the other end has gone
  }
  ~TlsCollector() override { hang_up(); }
  void hang_up() override {
    if (ssl_ != nullptr) ::SSL_free(std::exchange(ssl_, nullptr));
    TapCollector::hang_up();
  }

 private:
  void begin() override {
    ssl_ = ::SSL_new(context_.native_handle());
    ::SSL_set_fd(ssl_, connection_);
    if (::SSL_accept(ssl_) != 1) throw std::runtime_error("no handshake");
  }
  ssize_t receive(char* to, std::size_t size) override {
    return ::SSL_read(ssl_, to, static_cast<int>(size));
  }
  void send(const std::string& octets) override {
    (void)::SSL_write(ssl_, octets.data(), static_cast<int>(octets.size()));
  }

  boost::asio::ssl::context context_;
  SSL* ssl_ = nullptr;
};

class TapTest : public ::testing::Test {
 protected:
  TapTest() {
    options_.timings.retry = milliseconds(1);
    options_.timings.retry_most = milliseconds(50);
    options_.timings.close = milliseconds(60'000);
    options_.timings.connect = milliseconds(60'000);
    options_.timings.stall = milliseconds(60'000);
    options_.timings.tell = milliseconds(1);
    options_.full = true;
    options_.identity = "here";
    options_.version = "1";
    // Its thread may be left behind.
    options_.error = options_.warn = [told = told_](const std::string& text) {
      const std::lock_guard lock(told->mutex);
      told->lines.push_back(text);
      told->came.notify_all();
    };
    worker_.index = 0;
  }
  ~TapTest() override { close(); }

  void at_path() { options_.path = folder_ / "tap.sock"; }
  void at_port(std::uint16_t port) {
    options_.find = [port](std::string&) { return std::vector{at("127.0.0.1", port)}; };
  }
  void start() {
    tap_ = std::make_unique<Tap>(options_);
    tap_->start();
  }
  void close() {
    if (closer_.joinable()) closer_.join();
    if (tap_ != nullptr) tap_->close();
  }
  // The collector has to answer meanwhile.
  void begin_close() {
    closer_ = std::thread([this] { tap_->close(); });
  }
  // A query of so many octets, the first of them said.
  void see(std::uint16_t id, std::size_t size = 17) {
    std::vector<std::uint8_t> packet(size + kPadding, 0);
    packet[0] = static_cast<std::uint8_t>(id >> 8);
    packet[1] = static_cast<std::uint8_t>(id);
    packet[5] = 1;
    packet[14] = 1;
    packet[16] = 1;
    Exchange exchange;
    ASSERT_EQ(parse_query({packet.data(), 17}, exchange.query), Gate::Pass);
    exchange.query.size = size;
    exchange.client = at("192.0.2.7", 4000);
    exchange.local = at("127.0.0.1", 53);
    exchange.received_ns = monotonic_ns();
    exchange.worker = &worker_;
    EXPECT_EQ(TapStage(std::shared_ptr<Tap>(std::shared_ptr<Tap>(), tap_.get())).handle(exchange),
              Verdict::Next);
  }
  static unsigned id_of(const std::optional<TapSeen>& seen) {
    return seen ? static_cast<unsigned>(static_cast<std::uint8_t>(seen->query.at(0))) << 8 |
                      static_cast<std::uint8_t>(seen->query.at(1))
                : 0;
  }
  // So many times.
  void await_told(const std::string& part, std::size_t times = 1) {
    std::unique_lock lock(told_->mutex);
    EXPECT_TRUE(told_->came.wait_for(lock, std::chrono::seconds(60), [&] {
      return std::count_if(told_->lines.begin(), told_->lines.end(), [&](const std::string& text) {
               return text.find(part) != std::string::npos;
             }) >= static_cast<std::ptrdiff_t>(times);
    })) << part;
  }

  app::Folder folder_;
  Tap::Options options_;
  WorkerContext worker_;
  std::unique_ptr<Tap> tap_;
  std::thread closer_;

  struct Told {
    std::mutex mutex;
    std::condition_variable came;
    std::vector<std::string> lines;
  };
  const std::shared_ptr<Told> told_ = std::make_shared<Told>();
};

TEST_F(TapTest, TellsACollectorAtASocketAndSaysGoodbye) {
  at_path();
  TapCollector collector;
  collector.listen_at(options_.path);
  start();
  collector.welcome();
  see(0x1234);
  const auto seen = collector.next();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->type, 5u);
  EXPECT_EQ(seen->family, 1u);
  EXPECT_EQ(seen->protocol, 1u);
  EXPECT_EQ(seen->identity, "here");
  EXPECT_EQ(seen->version, "1");
  EXPECT_EQ(seen->query_address, "\xC0\x00\x02\x07"s);
  EXPECT_EQ(seen->query_port, 4000u);
  EXPECT_EQ(seen->response_address, "");
  EXPECT_EQ(seen->query.size(), 17u);
  EXPECT_EQ(id_of(seen), 0x1234u);
  // Within an hour of now, whatever the machine does meanwhile.
  EXPECT_NEAR(static_cast<double>(seen->query_sec), static_cast<double>(::time(nullptr)), 3600.0);
  see(1);
  see(2);
  begin_close();
  EXPECT_EQ(id_of(collector.next()), 1u);
  EXPECT_EQ(id_of(collector.next()), 2u);
  EXPECT_FALSE(collector.next());  // STOP
  close();
  EXPECT_EQ(tap_->sent(), 3u);
  EXPECT_EQ(tap_->dropped(), 0u);
}

TEST_F(TapTest, AnswersUpstreamsAndExtra) {
  TapCollector collector;
  at_port(collector.listen_tcp());
  options_.full = false;
  options_.make_extra = [](const AnswerObserver::Event& event) {
    return std::to_string(event.query.id) + " " + event.upstream.to_string() + " " +
           std::to_string(event.client.port) + " " + name_to_text(event.query.name());
  };
  start();
  collector.welcome();
  see(7);
  const auto query = collector.next();
  ASSERT_TRUE(query);
  EXPECT_EQ(query->extra, "7 0.0.0.0:0 4000 .");
  EXPECT_EQ(query->query, "");

  const Name name = Name::from_text("a.test").value();
  const std::vector<std::uint8_t> message(12, 9);
  tap_->on_upstream({true, message, name.view(), RRType::A, at("127.0.0.1", 999),
                     at("192.0.2.53", 53), Transport::Tcp, monotonic_ns(), 0});
  const auto forwarded = collector.next();
  ASSERT_TRUE(forwarded);
  EXPECT_EQ(forwarded->type, 8u);
  EXPECT_EQ(forwarded->protocol, 2u);
  EXPECT_EQ(forwarded->query_port, 999u);
  EXPECT_EQ(forwarded->response_address, "\xC0\x00\x02\x35"s);
  EXPECT_EQ(forwarded->response_port, 53u);
  EXPECT_EQ(forwarded->response, "");
  EXPECT_EQ(forwarded->extra, "2313 192.0.2.53:53 0 a.test.");
  EXPECT_GE(forwarded->response_sec, forwarded->query_sec);

  // Stages see class IN only: the query of another one goes with its answer.
  Query chaos;
  chaos.qclass = RRClass::CH;
  const Endpoint client = at("::1", 1);
  TapObserver(std::shared_ptr<Tap>(std::shared_ptr<Tap>(), tap_.get()))
      .on_answer({chaos, client, client, Transport::Tcp, monotonic_ns(), message, {}, {}, 0},
                 worker_);
  EXPECT_EQ(collector.next()->type, 5u);
  const auto answer = collector.next();
  EXPECT_EQ(answer->type, 6u);
  EXPECT_EQ(answer->family, 2u);
  EXPECT_EQ(answer->query_address, std::string(15, '\0') + '\1');
  EXPECT_NE(answer->response_sec, 0u);
  begin_close();
  EXPECT_FALSE(collector.next());
}

TEST_F(TapTest, OverTls) {
  const auto identity = registry::kubernetes::testing::make_identity(-1, 30);
  TlsCollector collector(identity);
  at_port(collector.listen_tcp());
  TlsSettings settings;
  settings.authorities = identity.certificate;
  options_.tls = std::make_shared<TlsContexts>(TlsContext::for_client(settings));
  options_.server_name = "127.0.0.1";
  start();
  collector.welcome();
  see(1);
  EXPECT_EQ(id_of(collector.next()), 1u);
  begin_close();
  EXPECT_FALSE(collector.next());
}

TEST_F(TapTest, ACertificateOfNobodyIsTakenOnlyIfToldTo) {
  const auto identity = registry::kubernetes::testing::make_identity(-1, 30);
  TlsCollector collector(identity);
  at_port(collector.listen_tcp());
  options_.server_name = "127.0.0.1";
  const auto other = registry::kubernetes::testing::make_identity(-1, 30);
  TlsSettings settings;
  settings.authorities = other.certificate;
  options_.tls = std::make_shared<TlsContexts>(TlsContext::for_client(settings));
  start();
  EXPECT_THROW(collector.welcome(), std::runtime_error);
  await_told(": tls: failed to verify certificate");
  close();

  options_.tls = std::make_shared<TlsContexts>(TlsStream::trusting_context());
  start();
  for (;;) {  // those of the one before may wait still
    try {
      collector.welcome();
      break;
    } catch (const std::runtime_error& e) {
      ASSERT_STRNE(e.what(), "nothing came");
    }
  }
  see(1);
  EXPECT_EQ(id_of(collector.next()), 1u);
  begin_close();
  EXPECT_FALSE(collector.next());
}

TEST_F(TapTest, OneThatNeverReadsCostsMessages) {
  at_path();
  TapCollector collector;
  collector.listen_at(options_.path);
  options_.octets = 1;  // of the ring: the least there is
  options_.timings.close = milliseconds(50);
  start();
  collector.welcome();
  // Until the socket, the batch and the ring are full.
  std::uint64_t seen = 0;
  while (tap_->dropped() == 0 && seen < 100'000) {
    see(1, 4000);
    ++seen;
  }
  EXPECT_GT(tap_->dropped(), 0u);
  await_told("Dropped dnstap messages: ");
  close();  // which waits no longer than it may
}

TEST_F(TapTest, OneThatComesBackIsTold) {
  options_.timings.retry_most = milliseconds(60'000);
  at_path();
  start();
  await_told("No connection to dnstap endpoint: dial unix " + options_.path +
             ": No such file or directory");
  see(1);  // kept
  TapCollector collector;
  collector.listen_at(options_.path);
  collector.welcome();
  EXPECT_EQ(id_of(collector.next()), 1u);
  for (int i = 0; i < 3; ++i) {
    collector.hang_up();
    collector.welcome();
    see(2);
    EXPECT_EQ(id_of(collector.next()), 2u);
  }
  begin_close();
  EXPECT_FALSE(collector.next());
  close();
  EXPECT_EQ(std::count_if(told_->lines.begin(), told_->lines.end(),
                          [](const std::string& text) { return text.starts_with("No "); }),
            1);
}

TEST_F(TapTest, OneThatSpeaksSomethingElseIsLeft) {
  at_path();
  options_.timings.connect = milliseconds(100);
  TapCollector collector;
  collector.listen_at(options_.path);
  start();
  collector.accept();  // and says nothing
  await_told("No connection to dnstap endpoint: unix " + options_.path + ": Connection timed out");
  collector.accept();
  see(1);
  options_.timings.connect = milliseconds(60'000);
  close();
  EXPECT_EQ(tap_->sent(), 0u);
}

TEST_F(TapTest, OneThatIsNoCollectorIsNamed) {
  const std::string refused = "No connection to dnstap endpoint: unix ";
  const std::pair<std::string, const char*> all[] = {
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "the collector does not speak dnstap"},
      {"\0\0\0\0\0\0\0\xF\0\0\0\1\0\0\0\1\0\0\0\3foo"s, "the collector does not speak dnstap"},
      {"\0\0\0\0\0\0\0\4\0\0\0\5"s, "the collector has ended the stream"},  // FINISH
      {"", "the collector closed the connection"},
  };
  at_path();
  for (const auto& [said, why] : all) {
    told_->lines.clear();
    TapCollector collector;
    collector.listen_at(options_.path);
    start();
    collector.accept();
    collector.say(said);
    await_told(refused + options_.path + ": " + why);
    collector.hang_up();
    close();
  }
}

// Also when it is welcomed each time.
TEST_F(TapTest, OneThatBreaksOffIsToldOnce) {
  options_.timings.retry_most = milliseconds(60'000);
  at_path();
  TapCollector collector;
  collector.listen_at(options_.path);
  start();
  for (int i = 0; i < 4; ++i) {
    collector.welcome();
    collector.hang_up();
  }
  await_told("No connection to dnstap endpoint: unix " + options_.path + ": ");
  close();
  EXPECT_EQ(told_->lines.size(), 1u);
}

TEST_F(TapTest, OneThatWorkedForAWhileIsToldAgain) {
  options_.timings.retry_most = milliseconds(1);
  at_path();
  TapCollector collector;
  collector.listen_at(options_.path);
  start();
  for (std::size_t i = 1; i <= 2; ++i) {
    collector.welcome();
    std::this_thread::sleep_for(milliseconds(3));  // its while
    collector.hang_up();
    await_told("the collector closed the connection", i);
  }
}

TEST_F(TapTest, ItEndsWhoeverIsThere) {
  at_path();
  start();
  see(1);
  await_told("No connection");
  close();
  tap_ = std::make_unique<Tap>(options_);  // never started
  see(1);
  tap_->close();
}

}  // namespace
}  // namespace clusterdns::dns
