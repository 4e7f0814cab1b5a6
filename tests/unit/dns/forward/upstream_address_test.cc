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
  const auto endpoint = parse_upstream(text, &error);
  return endpoint ? endpoint->to_string() : error;
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
  EXPECT_NE(parse_upstream("fe80::1%lo", &error)->scope_id, 0u);
}

TEST(UpstreamAddressTest, ErrorsSayWhatToDo) {
  EXPECT_EQ(
      parsed("tls://9.9.9.9"),
      "'tls://9.9.9.9': only plain DNS upstreams can be used, write dns://ADDRESS or ADDRESS");
  EXPECT_EQ(parsed("dns.example"),
            "'dns.example': 'dns.example' is no IP address; upstreams are given by address, since "
            "names need an upstream");
  EXPECT_EQ(parsed("192.0.2.1:0"), "'192.0.2.1:0': '0' is no port, use 1 to 65535");
  EXPECT_EQ(parsed("192.0.2.1:65536"), "'192.0.2.1:65536': '65536' is no port, use 1 to 65535");
  EXPECT_EQ(parsed("192.0.2.1:"), "'192.0.2.1:': '' is no port, use 1 to 65535");
  EXPECT_EQ(parsed("[2001:db8::1"),
            "'[2001:db8::1': write an IPv6 address with a port as [2001:db8::1]:53");
  EXPECT_EQ(parsed("[2001:db8::1]53"),
            "'[2001:db8::1]53': write an IPv6 address with a port as [2001:db8::1]:53");
}

Endpoint at(const char* address, std::uint16_t port) {
  return make_endpoint(make_address(address), port);
}

TEST(IsSelfTest, SameAddressAndPort) {
  EXPECT_TRUE(is_self(at("192.0.2.1", 53), {at("192.0.2.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.1", 54), {at("192.0.2.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.2", 53), {at("192.0.2.1", 53)}, {}));
  EXPECT_TRUE(is_self(at("::ffff:192.0.2.1", 53), {at("192.0.2.1", 53)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.1", 53), {at("192.0.2.1", 0)}, {}));
  EXPECT_FALSE(is_self(at("192.0.2.1", 53), {}, {make_address("192.0.2.1")}));
}

TEST(IsSelfTest, WildcardListensTakeEveryAddressOfTheMachine) {
  const std::vector<boost::asio::ip::address> own = {make_address("192.0.2.1"),
                                                     make_address("2001:db8::1")};
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

TEST(IsSelfTest, InterfacesOfThisMachine) {
  const auto addresses = interface_addresses();
  EXPECT_NE(std::find(addresses.begin(), addresses.end(), make_address("127.0.0.1")),
            addresses.end());
  for (const auto& address : addresses) {
    EXPECT_TRUE(is_self(make_endpoint(address, 53), {at("::", 53)})) << address;
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
  std::string folder_;
  std::string error_;
};

using Texts = std::vector<std::string>;

TEST_F(MachineUpstreamsTest, LeavesOurselvesOut) {
  const auto path = file("a", "nameserver 127.0.0.1\nnameserver 192.0.2.1\n");
  const auto machine = machine_upstreams(path, "", {at("127.0.0.1", 53)}, &error_);
  ASSERT_TRUE(machine) << error_;
  EXPECT_EQ(texts(machine->upstreams), Texts{"192.0.2.1:53"});
  EXPECT_EQ(texts(machine->ourselves), Texts{"127.0.0.1:53"});
  EXPECT_EQ(machine->warnings, Texts{});
}

TEST_F(MachineUpstreamsTest, FallsBackWhenAllAreOurselves) {
  const auto path = file("a", "nameserver 127.0.0.53\n");
  const auto other = file("b", "nameserver 192.0.2.9\n");
  auto machine = machine_upstreams(path, other, {at("0.0.0.0", 53)}, &error_);
  ASSERT_TRUE(machine);
  EXPECT_EQ(texts(machine->upstreams), Texts{"192.0.2.9:53"});
  EXPECT_EQ(machine->path, other);
  // On another port the stub is not us.
  machine = machine_upstreams(path, other, {at("0.0.0.0", 5353)}, &error_);
  EXPECT_EQ(texts(machine->upstreams), Texts{"127.0.0.53:53"});
  EXPECT_EQ(machine->path, path);
}

TEST_F(MachineUpstreamsTest, UnreadableFile) {
  EXPECT_FALSE(machine_upstreams(folder_ + "/none", "", {}, &error_));
  EXPECT_NE(error_.find("cannot be read"), std::string::npos);
}

}  // namespace
}  // namespace clusterdns::dns
