// Where the server listens, and where its answers come from.
#include <set>

#include "integration/fixture.h"

namespace clusterdns::test {
namespace {

class Listeners : public Integration {
 protected:
  void SetUp() override { manifests_.write("a.yaml", service_yaml("web", "10.96.1.1")); }
  void expect_served_at(const Endpoint& where) {
    SCOPED_TRACE(where.text());
    const Query query{.name = "web.default.svc.cluster.local."};
    expect_answer(ask_udp(where, query), {"web.default.svc.cluster.local. 5 IN A 10.96.1.1"});
    expect_answer(ask_tcp(where, query), {"web.default.svc.cluster.local. 5 IN A 10.96.1.1"});
  }
};

TEST_F(Listeners, SeveralAddresses) {
  serve({"--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--listen", "127.0.0.9:0"});
  const auto& endpoints = server_->wait_until_listening(3);
  std::set<std::string> addresses_seen;
  for (const Endpoint& each : endpoints) {
    addresses_seen.insert(each.address);
    EXPECT_NE(each.port, 0);
    expect_served_at(each);
  }
  EXPECT_EQ(addresses_seen, (std::set<std::string>{"127.0.0.1", "::1", "127.0.0.9"}));
}

// RFC 2181, 4.1. The clients' sockets are connected: an answer from any other address than the one
// asked would not arrive.
TEST_F(Listeners, WildcardAnswersFromTheAddressAsked) {
  serve({"--listen", "0.0.0.0:0"});
  const std::uint16_t port = endpoint().port;
  for (const char* address : {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.45.67.89"}) {
    for (int i = 0; i < 4; ++i) {  // several source ports, so that every worker answers
      expect_served_at(Endpoint{address, port});
    }
  }
}

TEST_F(Listeners, WildcardIPv6AnswersFromTheAddressAsked) {
  serve({"--listen", "[::]:0"});
  expect_served_at(Endpoint{"::1", endpoint().port});
}

TEST_F(Listeners, SeveralServerBlocks) {
  const auto corefile =
      "cluster.local:0 {\n  bind 127.0.0.1\n  kubernetes {\n    manifests %M\n  }\n}\n"
      "example.org:0 {\n  bind 127.0.0.1\n  whoami\n}\n";
  serve_corefile(corefile);
  for (const Endpoint& each : server_->wait_until_listening()) {
    expect_rcode(ask_udp(each, Query{.name = "www.example.net."}), "REFUSED");
  }
}

TEST_F(Listeners, Whoami) {
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  whoami\n}\n");
  UdpClient client(endpoint());
  const Message response = client.exchange(Query{.name = "example.org."});
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(data_of(response.additional, "A"), (std::vector<std::string>{"127.0.0.1"}))
      << response.text();
  const auto port = data_of(response.additional, "SRV");
  ASSERT_EQ(port.size(), 1U);
  EXPECT_NE(port[0].find(std::to_string(local_endpoint(client.descriptor()).port)),
            std::string::npos)
      << response.text();
}

TEST_F(Listeners, EveryWorkerAnswers) {
  serve({"--workers", "4"});
  for (int i = 0; i < 64; ++i) {
    expect_served_at(endpoint());
  }
}

// Rotation by one whichever worker answers: each question from another source port.
TEST_F(Listeners, RotationAcrossWorkers) {
  manifests_.write("h.yaml", headless_yaml("h", {"10.244.1.1", "10.244.1.2", "10.244.1.3"}));
  serve({"--workers", "4"});
  const auto first = addresses("h.default.svc.cluster.local.");
  ASSERT_EQ(first.size(), 3U);
  for (std::size_t i = 1; i < 60; ++i) {
    EXPECT_TRUE(is_rotation(first, addresses("h.default.svc.cluster.local."), i)) << i;
  }
}

}  // namespace
}  // namespace clusterdns::test
