#include "dns/target/synthetic.h"

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

using unit::Client;
using unit::lines;
using unit::Lines;
using unit::Request;
using unit::values;

constexpr std::string_view kSoa =
    "bench.test. 60 SOA ns.bench.test. hostmaster.bench.test. 1 7200 1800 86400 60";

class SyntheticTest : public ::testing::Test {
 protected:
  SyntheticTest() {
    auto route = std::make_shared<Route>();
    SyntheticStage::Options options;
    options.zones = {unit::name("bench.test")};
    route->stages.push_back(std::make_shared<SyntheticStage>(std::move(options), 1));
    routes_.add(Name{}, std::move(route));
  }

  Message ask(const Request& request) {
    const auto message = client_.ask(routes_, request);
    if (!message) {
      ADD_FAILURE() << "no answer to " << request.qname;
      return {};
    }
    return *message;
  }
  Message ask(const std::string& name, RRType type = RRType::A) {
    return ask(Request{.qname = name, .qtype = type});
  }
  // By the words of the documentation, not by the code that is tested.
  static std::uint64_t hash(std::string_view word) {
    std::uint64_t h = 14695981039346656037ULL;
    for (const char c : word) {
      h ^= static_cast<unsigned char>(c);
      h *= 1099511628211ULL;
    }
    return h;
  }
  static std::string v4(std::uint64_t h) {
    h %= 1 << 17;
    return "198." + std::to_string(18 + h / 65536) + "." + std::to_string(h / 256 % 256) + "." +
           std::to_string(h % 256);
  }
  static std::string v6(std::uint64_t h) {
    boost::asio::ip::address_v6::bytes_type octets{0x20, 0x01, 0x0D, 0xB8};
    for (unsigned i = 0; i < 8; ++i) octets[15 - i] = static_cast<std::uint8_t>(h >> (8 * i));
    return boost::asio::ip::address_v6(octets).to_string();
  }

  ListenerRoutes routes_;
  Client client_;
};

TEST_F(SyntheticTest, AddressesAreTheHashOfTheName) {
  const Message a = ask("X1.bench.test");
  EXPECT_NE(a.flags & kFlagAA, 0);
  EXPECT_EQ(lines(a.answer), Lines{"X1.bench.test. 60 A " + v4(hash("x1"))});
  EXPECT_EQ(values(ask("x1.y.bench.test", RRType::AAAA).answer), Lines{v6(hash("x1"))});
  EXPECT_EQ(hash("a"), 0xAF63DC4C8601EC8CULL);  // published test vector
}

TEST_F(SyntheticTest, SeveralAddressesInOrder) {
  const std::uint64_t h = hash("www");
  EXPECT_EQ(values(ask("a3.www.bench.test").answer), (Lines{v4(h), v4(h + 1), v4(h + 2)}));
  EXPECT_EQ(values(ask("a2.www.bench.test", RRType::AAAA).answer), (Lines{v6(h), v6(h + 1)}));
  EXPECT_EQ(values(ask("a2.www.bench.test").answer), values(ask("A2.www.bench.test").answer));
  client_.use(Transport::Tcp);
  EXPECT_EQ(ask("a2000.www.bench.test").answer.size(), 2000u);
  EXPECT_EQ(values(ask("a2001.www.bench.test").answer), Lines{v4(hash("a2001"))});
  EXPECT_EQ(values(ask("a02.www.bench.test").answer), Lines{v4(hash("a02"))});
  EXPECT_EQ(values(ask("a0.bench.test").answer), Lines{v4(hash("a0"))});
  // All are instructions: the leftmost.
  EXPECT_EQ(values(ask("a1.ttl7.bench.test").answer), Lines{v4(hash("a1"))});
}

TEST_F(SyntheticTest, TheFirstOfAKindHolds) {
  EXPECT_EQ(ask("a2.a3.www.bench.test").answer.size(), 2u);
  EXPECT_EQ(ask("a3-a2.www.bench.test").answer.size(), 3u);
}

TEST_F(SyntheticTest, Text) {
  EXPECT_EQ(values(ask("Www.bench.test", RRType::TXT).answer), Lines{"\"Www.bench.test.\""});
  const std::string label(63, 'x');
  const std::string name =
      label + "." + label + "." + label + "." + label.substr(0, 40) + ".bench.test.";
  client_.use(Transport::Tcp);
  EXPECT_EQ(values(ask(name, RRType::TXT).answer), Lines{"\"" + name + "\""});
  const Message odd = ask("a\\.b\\010c.bench.test", RRType::TXT);
  ASSERT_EQ(odd.answer.size(), 1u);
  const std::string text(odd.answer[0].rdata.begin() + 1, odd.answer[0].rdata.end());
  EXPECT_EQ(text, "a\\.b\\010c.bench.test.");
}

TEST_F(SyntheticTest, Service) {
  const Message srv = ask("Www.bench.test", RRType::SRV);
  ASSERT_EQ(srv.answer.size(), 1u);
  EXPECT_EQ(values(srv.answer), Lines{"0 100 8080 Www.bench.test."});
  // Not compressed (RFC 2782): it is the last of the message, in full.
  EXPECT_EQ(client_.raw.size(), 12u + 16 + 4 + 12 + 6 + 16);
}

TEST_F(SyntheticTest, OtherTypesHaveNoData) {
  for (const RRType type : {RRType::MX, RRType::ANY, RRType::SOA, RRType::NS, RRType::CNAME}) {
    const Message none = ask("www.bench.test", type);
    EXPECT_EQ(none.rcode, 0);
    EXPECT_TRUE(none.answer.empty());
    EXPECT_EQ(lines(none.authority), Lines{std::string(kSoa)});
  }
}

TEST_F(SyntheticTest, TheZoneItself) {
  EXPECT_EQ(lines(ask("bench.test", RRType::SOA).answer), Lines{std::string(kSoa)});
  EXPECT_EQ(lines(ask("bench.test", RRType::NS).answer), Lines{"bench.test. 60 NS ns.bench.test."});
  EXPECT_EQ(lines(ask("bench.test").authority), Lines{std::string(kSoa)});
  EXPECT_EQ(ask("bench.example").rcode, static_cast<std::uint16_t>(Rcode::Refused));
}

TEST_F(SyntheticTest, Ttl) {
  EXPECT_EQ(ask("ttl5.www.bench.test").answer[0].ttl, 5u);
  // Our reader takes what is larger for 0 (RFC 2181 section 8).
  EXPECT_EQ(ask("ttl2147483647.www.bench.test").answer[0].ttl, 2147483647u);
  EXPECT_EQ(ask("ttl4294967295.www.bench.test").answer[0].ttl, 0u);
  EXPECT_EQ(client_.raw[client_.raw.size() - 10], 0xFF);
  EXPECT_EQ(lines(ask("ttl0.www.bench.test", RRType::MX).authority),
            Lines{"bench.test. 0 SOA ns.bench.test. hostmaster.bench.test. 1 7200 1800 86400 0"});
}

TEST_F(SyntheticTest, Size) {
  client_.use(Transport::Tcp);
  for (const std::size_t size : {300U, 555U, 556U, 557U, 1232U, 4096U, 65535U}) {
    for (const bool edns : {false, true}) {
      for (const std::string chain : {"", "chain7."}) {
        const Message text =
            ask({.qname = chain + "size" + std::to_string(size) + ".www.bench.test",
                 .qtype = RRType::TXT,
                 .edns = edns});
        EXPECT_EQ(client_.raw.size(), size);
        EXPECT_EQ(text.answer.back().type, RRType::TXT);
      }
    }
  }
}

TEST_F(SyntheticTest, UdpAnswersAreAsLargeAsTheClientSays) {
  const auto size_of = [&](unsigned size, unsigned udp_size) {
    const Message message = ask({.qname = "size" + std::to_string(size) + ".www.bench.test",
                                 .qtype = RRType::TXT,
                                 .edns = udp_size != 0,
                                 .udp_size = static_cast<std::uint16_t>(udp_size)});
    return (message.flags & kFlagTC) != 0 ? std::size_t{0} : client_.raw.size();
  };
  EXPECT_EQ(size_of(512, 0), 512u);
  EXPECT_EQ(size_of(513, 0), 0u);
  EXPECT_EQ(size_of(4096, 4096), 4096u);
  EXPECT_EQ(size_of(4000, 3999), 0u);
  EXPECT_EQ(size_of(4097, 65535), 0u);
}

TEST_F(SyntheticTest, Chains) {
  const std::uint64_t h = hash("www");
  EXPECT_EQ(
      lines(ask("chain2.www.bench.test").answer),
      (Lines{"chain2.www.bench.test. 60 CNAME chain1.www.bench.test.",
             "chain1.www.bench.test. 60 CNAME www.bench.test.", "www.bench.test. 60 A " + v4(h)}));
  EXPECT_EQ(lines(ask("chain1.bench.test").answer),
            (Lines{"chain1.bench.test. 60 CNAME end.bench.test.",
                   "end.bench.test. 60 A " + v4(hash("end"))}));
  // Wherever it stands; what is asked for behind it is the same as in one message.
  const Message middle = ask("a2-chain1-ttl9.www.bench.test");
  EXPECT_EQ(
      lines(middle.answer),
      (Lines{"a2-chain1-ttl9.www.bench.test. 9 CNAME a2-ttl9.www.bench.test.",
             "a2-ttl9.www.bench.test. 9 A " + v4(h), "a2-ttl9.www.bench.test. 9 A " + v4(h + 1)}));
  client_.use(Transport::Tcp);
  EXPECT_EQ(ask("chain64.www.bench.test").answer.size(), 65u);
  const Message none = ask("chain12.www.bench.test", RRType::MX);
  EXPECT_EQ(none.answer.size(), 12u);
  EXPECT_EQ(lines(none.authority), Lines{std::string(kSoa)});
  EXPECT_EQ(ask("chain12.www.bench.test", RRType::CNAME).answer.size(), 1u);
}

TEST_F(SyntheticTest, StrangersAreRefused) {
  client_.from("9.9.9.9");
  EXPECT_EQ(ask("www.bench.test").rcode, static_cast<std::uint16_t>(Rcode::Refused));
}

}  // namespace
}  // namespace clusterdns::dns
