#include "dns/forward/upstream_address.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace clusterdns::dns {
namespace {

using boost::asio::ip::make_address;

std::string parsed(const std::string& text) {
  std::string error;
  const auto upstream = parse_upstream(text, &error);
  if (!upstream) return error;
  return (upstream->tls ? "tls://" : "") +
         (upstream->host.empty() ? upstream->endpoint.to_string()
                                 : upstream->host + ":" + std::to_string(upstream->endpoint.port)) +
         (upstream->server_name.empty() ? "" : " " + upstream->server_name);
}

TEST(UpstreamAddressTest, Forms) {
  EXPECT_EQ(parsed("192.0.2.1"), "192.0.2.1:53");
  EXPECT_EQ(parsed("192.0.2.1:5353"), "192.0.2.1:5353");
  EXPECT_EQ(parsed("dns://192.0.2.1:54"), "192.0.2.1:54");
  EXPECT_EQ(parsed("2001:db8::1"), "[2001:db8::1]:53");
  EXPECT_EQ(parsed("[2001:db8::1]"), "[2001:db8::1]:53");
  EXPECT_EQ(parsed("[2001:db8::1]:5353"), "[2001:db8::1]:5353");
  EXPECT_EQ(parsed("::ffff:192.0.2.1"), "192.0.2.1:53");
  std::string error;
  EXPECT_NE(parse_upstream("fe80::1%lo", &error)->endpoint.scope_id, 0u);
}

TEST(UpstreamAddressTest, OverTls) {
  EXPECT_EQ(parsed("tls://9.9.9.9"), "tls://9.9.9.9:853");
  EXPECT_EQ(parsed("tls://9.9.9.9:8853"), "tls://9.9.9.9:8853");
  EXPECT_EQ(parsed("tls://2620:fe::fe"), "tls://[2620:fe::fe]:853");
  EXPECT_EQ(parsed("tls://[2620:fe::fe]:8853"), "tls://[2620:fe::fe]:8853");
  // As CoreDNS's documentation has them.
  EXPECT_EQ(parsed("tls://9.9.9.9%dns.quad9.net"), "tls://9.9.9.9:853 dns.quad9.net");
  EXPECT_EQ(parsed("tls://9.9.9.9%dns.quad9.net."), "tls://9.9.9.9:853 dns.quad9.net");
  EXPECT_EQ(parsed("tls://9.9.9.9%dns.quad9.net:10853"), "tls://9.9.9.9:10853 dns.quad9.net");
  EXPECT_EQ(parsed("tls://[2620:fe::fe%dns.quad9.net]:853"),
            "tls://[2620:fe::fe]:853 dns.quad9.net");
  EXPECT_EQ(parsed("tls://[2620:fe::fe%dns.quad9.net]"), "tls://[2620:fe::fe]:853 dns.quad9.net");
  EXPECT_EQ(parsed("tls://2620:fe::fe%dns.quad9.net"), "tls://[2620:fe::fe]:853 dns.quad9.net");
  EXPECT_EQ(
      parsed("tls://9.9.9.9%"),
      "'tls://9.9.9.9%': '' is not a host name; write tls://ADDRESS%NAME with the name of its "
      "certificate");
}

TEST(UpstreamAddressTest, ByName) {
  EXPECT_EQ(parsed("dns.example"), "dns.example:53");
  EXPECT_EQ(parsed("my-dns.svc.cluster.local:5353"), "my-dns.svc.cluster.local:5353");
  EXPECT_EQ(parsed("tls://dns.example."), "tls://dns.example.:853");
  EXPECT_EQ(parsed("tls://dns.example%other.example:8853"), "tls://dns.example:8853 other.example");
  // Addresses with a slip in them.
  for (const char* slip :
       {"10.0.0.300", "10.0.0", "1.2.3.4.5", "a..b", ".", "x y", "10.0.0.1/24", ""}) {
    EXPECT_EQ(parsed(slip),
              "'" + std::string(slip) + "' is neither an IP address nor a file nor a host name");
  }
}

TEST(UpstreamAddressTest, ErrorsSayWhatToDo) {
  EXPECT_EQ(parsed("quic://9.9.9.9"),
            "'quic://9.9.9.9': 'quic://' is not supported yet; write the address alone, or "
            "tls://ADDRESS");
  EXPECT_EQ(parsed("192.0.2.1:0"),
            "'192.0.2.1:0': '0' is not a valid port; write a number from 1 to 65535");
  EXPECT_EQ(parsed("192.0.2.1:65536"),
            "'192.0.2.1:65536': '65536' is not a valid port; write a number from 1 to 65535");
  EXPECT_EQ(parsed("192.0.2.1:"),
            "'192.0.2.1:': '' is not a valid port; write a number from 1 to 65535");
  EXPECT_EQ(parsed("[2001:db8::1"),
            "'[2001:db8::1': write an IPv6 address with a port as [2001:db8::1]:53");
  EXPECT_EQ(parsed("[2001:db8::1]53"),
            "'[2001:db8::1]53': write an IPv6 address with a port as [2001:db8::1]:53");
}

Endpoint at(const char* address, std::uint16_t port) {
  return make_endpoint(make_address(address), port);
}

bool is_self(const Endpoint& upstream, const std::vector<Endpoint>& listens,
             const std::vector<InterfaceAddress>& interfaces) {
  return find_listener(upstream, listens, interfaces).has_value();
}

TEST(IsSelfTest, SameAddressAndPort) {
  EXPECT_TRUE(is_self(at("192.0.2.1", 53), {at("192.0.2.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.1", 54), {at("192.0.2.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.2", 53), {at("192.0.2.1", 53)}, {}));
  EXPECT_TRUE(is_self(at("::ffff:192.0.2.1", 53), {at("192.0.2.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.1", 53), {at("192.0.2.1", 0)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.1", 53), {}, {{"eth0", make_address("192.0.2.1")}}));
}

TEST(IsSelfTest, WildcardListensTakeEveryAddressOfTheMachine) {
  const std::vector<InterfaceAddress> own = {{"eth0", make_address("192.0.2.1")},
                                             {"eth0", make_address("2001:db8::1")}};
  for (const char* mine : {"192.0.2.1", "127.0.0.1", "127.0.0.53", "0.0.0.0"}) {
    EXPECT_TRUE(is_self(at(mine, 53), {at("0.0.0.0", 53)}, own)) << mine;
    EXPECT_TRUE(is_self(at(mine, 53), {at("::", 53)}, own)) << mine;
    EXPECT_FALSE(is_self(at(mine, 5353), {at("0.0.0.0", 53)}, own)) << mine;
  }
  for (const char* mine : {"2001:db8::1", "::1", "::"}) {
    EXPECT_TRUE(is_self(at(mine, 53), {at("::", 53)}, own)) << mine;
    EXPECT_FALSE(is_self(at(mine, 53), {at("0.0.0.0", 53)}, own)) << mine;
  }
  for (const char* other : {"192.0.2.2", "2001:db8::2"}) {
    EXPECT_FALSE(is_self(at(other, 53), {at("0.0.0.0", 53), at("::", 53)}, own)) << other;
  }
}

TEST(IsSelfTest, TheWildcardAsUpstreamIsLoopback) {
  EXPECT_TRUE(is_self(at("0.0.0.0", 53), {at("127.0.0.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("0.0.0.0", 53), {at("192.0.2.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("127.0.0.53", 53), {at("127.0.0.1", 53)}, {}));
}

// As the kernel hands out queries.
TEST(IsSelfTest, TheClosestListenerTakesIt) {
  const std::vector<Endpoint> listens = {at("::", 53), at("0.0.0.0", 53), at("127.0.0.2", 53),
                                         at("127.0.0.1", 54), at("::1", 53)};
  EXPECT_EQ(find_listener(at("127.0.0.2", 53), listens, {}), 2u);
  EXPECT_EQ(find_listener(at("127.0.0.1", 53), listens, {}), 1u);
  EXPECT_EQ(find_listener(at("127.0.0.1", 54), listens, {}), 3u);
  EXPECT_EQ(find_listener(at("0.0.0.0", 54), listens, {}), 3u);
  EXPECT_EQ(find_listener(at("::1", 53), listens, {}), 4u);
  EXPECT_EQ(find_listener(at("::", 53), listens, {}), 4u);
  EXPECT_EQ(find_listener(at("127.0.0.2", 54), listens, {}), std::nullopt);
  EXPECT_EQ(find_listener(at("127.0.0.1", 53), {at("::", 53)}, {}), 0u);
}

TEST(IsSelfTest, InterfacesOfThisMachine) {
  const auto interfaces = interface_addresses();
  ASSERT_FALSE(interfaces.empty());
  for (const auto& [name, address] : interfaces) {
    EXPECT_TRUE(is_self(make_endpoint(address, 53), {at("::", 53)}, interfaces)) << address;
  }
}

class MachineUpstreamsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "upstreams-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& file_name, const std::string& text) {
    std::ofstream(folder_ + "/" + file_name) << text;
    return folder_ + "/" + file_name;
  }
  static std::vector<std::string> texts(const std::vector<Endpoint>& endpoints) {
    std::vector<std::string> out;
    for (const Endpoint& e : endpoints) out.push_back(e.to_string());
    return out;
  }
  static std::function<bool(const Endpoint&)> ours(const std::vector<Endpoint>& listens) {
    return [listens](const Endpoint& upstream) {
      return is_self(upstream, listens, interface_addresses());
    };
  }
  std::string folder_;
  std::string error_;
};

using Texts = std::vector<std::string>;

TEST_F(MachineUpstreamsTest, LeavesOurselvesOut) {
  const auto path = file("a", "nameserver 127.0.0.1\nnameserver 192.0.2.1\n");
  const auto machine = machine_upstreams(path, "", ours({at("127.0.0.1", 53)}), &error_);
  ASSERT_TRUE(machine) << error_;
  EXPECT_EQ(texts(machine->upstreams), Texts{"192.0.2.1:53"});
  EXPECT_EQ(texts(machine->ourselves), Texts{"127.0.0.1:53"});
  EXPECT_EQ(machine->warnings, Texts{});
}

TEST_F(MachineUpstreamsTest, FallsBackWhenAllAreOurselves) {
  const auto path = file("a", "nameserver 127.0.0.53\n");
  const auto other = file("b", "nameserver 192.0.2.9\n");
  auto machine = machine_upstreams(path, other, ours({at("0.0.0.0", 53)}), &error_);
  ASSERT_TRUE(machine);
  EXPECT_EQ(texts(machine->upstreams), Texts{"192.0.2.9:53"});
  EXPECT_EQ(machine->path, other);
  // On another port the stub is not us.
  machine = machine_upstreams(path, other, ours({at("0.0.0.0", 5353)}), &error_);
  EXPECT_EQ(texts(machine->upstreams), Texts{"127.0.0.53:53"});
  EXPECT_EQ(machine->path, path);
}

TEST_F(MachineUpstreamsTest, UnreadableFile) {
  EXPECT_FALSE(machine_upstreams(folder_ + "/none", "", ours({}), &error_));
  EXPECT_NE(error_.find("cannot be read"), std::string::npos);
}

}  // namespace
}  // namespace clusterdns::dns
