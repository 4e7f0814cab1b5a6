#include "registry/kubernetes/host_lookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace clusterdns::registry::kubernetes {
namespace {

// A resolver that answers when it is told to; shared by all tests of the process.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int calls = 0, inside = 0;
};
Gate& gate() {
  static auto* const one = new Gate;
  return *one;
}
HostAddresses slow(const std::string&) {
  std::unique_lock lock(gate().mutex);
  ++gate().calls;
  ++gate().inside;
  gate().changed.notify_all();
  gate().changed.wait(lock, [] { return gate().open; });
  --gate().inside;
  gate().changed.notify_all();
  return {{}, {boost::asio::ip::make_address("192.0.2.1")}};
}

class HostLookupTest : public ::testing::Test {
 protected:
  HostLookupTest() { set(false); }
  ~HostLookupTest() override {
    set(true);
    std::unique_lock lock(gate().mutex);
    gate().changed.wait(lock, [] { return gate().inside == 0; });
  }
  static void set(bool open) {
    const std::lock_guard lock(gate().mutex);
    gate().open = open;
    if (!open) gate().calls = 0;
    gate().changed.notify_all();
  }
  static void wait_for_calls(int count) {
    std::unique_lock lock(gate().mutex);
    gate().changed.wait(lock, [&] { return gate().calls >= count; });
  }
  boost::asio::io_context io_{1};
};

TEST_F(HostLookupTest, TheMachinesResolver) {
  HostLookup lookup(io_);
  HostAddresses found;
  lookup.start("127.0.0.1", [&](const HostAddresses& result) { found = result; });
  io_.run();
  ASSERT_EQ(found.addresses.size(), 1U);
  EXPECT_EQ(found.addresses[0].to_string(), "127.0.0.1");
}

// A server on loopback that says one address of every name, or nothing.
class NameServer {
 public:
  explicit NameServer(bool answers)
      : socket_(io_, {boost::asio::ip::address_v4::loopback(), 0}), thread_([this, answers] {
          std::vector<std::uint8_t> message(512);
          boost::asio::ip::udp::endpoint peer;
          for (;;) {
            message.resize(512);
            boost::system::error_code error;
            message.resize(socket_.receive_from(boost::asio::buffer(message), peer, 0, error));
            if (message.size() < 17) return;  // the end
            if (!answers) continue;
            // The question ends with its type and class; what follows it is OPT.
            std::size_t end = 12;
            while (message[end] != 0) end += 1 + message[end];
            end += 5;
            const bool is_a = message[end - 3] == 1;
            message.resize(end);
            message[2] |= 0x80;
            message[7] = is_a ? 1 : 0;
            message[11] = 0;
            if (is_a) {
              message.insert(message.end(),
                             {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7});
            }
            socket_.send_to(boost::asio::buffer(message), peer);
          }
        }) {}
  ~NameServer() {
    boost::asio::ip::udp::socket last(io_, boost::asio::ip::udp::v4());
    last.send_to(boost::asio::buffer("x", 1), socket_.local_endpoint());
    thread_.join();
  }
  [[nodiscard]] std::string text() const {
    return "127.0.0.1:" + std::to_string(socket_.local_endpoint().port());
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::udp::socket socket_;
  std::thread thread_;
};

TEST(CaresLookup, AsksServers) {
  const NameServer server(true);
  const HostAddresses found =
      look_up_with_cares("api.example.test.", server.text().c_str(), std::chrono::seconds(10));
  ASSERT_EQ(found.addresses.size(), 1U) << found.error.message();
  EXPECT_EQ(found.addresses[0].to_string(), "192.0.2.7");
}

TEST(CaresLookup, AServerThatIsSilentIsWaitedForSoLong) {
  const NameServer server(false);
  // The best of several, so that a busy machine does not decide.
  auto best = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 5 && best >= std::chrono::milliseconds(1900); ++i) {
    const auto began = std::chrono::steady_clock::now();
    const HostAddresses found = look_up_with_cares("api.example.test.", server.text().c_str(),
                                                   std::chrono::milliseconds(300));
    best = std::min(best, std::chrono::steady_clock::now() - began);
    EXPECT_TRUE(found.addresses.empty());
    EXPECT_EQ(found.error, boost::asio::error::host_not_found_try_again);
  }
  EXPECT_GE(best, std::chrono::milliseconds(290));
  EXPECT_LT(best, std::chrono::milliseconds(1900)) << "less than one of its own timeouts";
}

TEST(CaresLookup, AddressesAreThemselves) {
  for (const char* const text : {"192.0.2.1", "2001:db8::1"}) {
    const HostAddresses found = look_up_with_cares(text, nullptr, std::chrono::seconds(1));
    ASSERT_EQ(found.addresses.size(), 1U) << text;
    EXPECT_EQ(found.addresses[0].to_string(), text);
  }
}

TEST_F(HostLookupTest, EqualNamesAreLookedUpOnce) {
  HostLookup one(io_, slow), other(io_, slow);
  int answers = 0;
  const auto count = [&](const HostAddresses& found) {
    EXPECT_EQ(found.addresses.size(), 1U);
    ++answers;
  };
  one.start("same.test", count);
  other.start("same.test", count);
  wait_for_calls(1);
  set(true);
  io_.run();
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(gate().calls, 1);
}

// One that never ends keeps neither its owner nor the io_context.
TEST_F(HostLookupTest, ACancelledLookUpIsNotWaitedFor) {
  {
    HostLookup lookup(io_, slow);
    lookup.start("never.test", [](const HostAddresses&) { FAIL(); });
    wait_for_calls(1);
    EXPECT_EQ(io_.poll(), 0U);
    EXPECT_FALSE(io_.stopped());
  }
  io_.restart();
  io_.run();
}

TEST_F(HostLookupTest, TooManyAtATimeFailAtOnce) {
  std::vector<std::unique_ptr<HostLookup>> lookups;
  int failed = 0, found = 0;
  for (std::size_t i = 0; i < kMaxLookups + 3; ++i) {
    lookups.push_back(std::make_unique<HostLookup>(io_, slow));
    lookups.back()->start("many" + std::to_string(i) + ".test",
                          [&](const HostAddresses& result) { ++(result.error ? failed : found); });
  }
  while (failed < 3) io_.run_one();
  set(true);
  io_.run();
  EXPECT_EQ(failed, 3);
  EXPECT_EQ(found, static_cast<int>(kMaxLookups));
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
