// Where the server listens, and where its answers come from.
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
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

// A reload compares with its own sockets, and one that fails leaves them as they were.
TEST_F(Listeners, ReloadsBetweenOneAddressAndAll) {
  const std::uint16_t port = unused_endpoint("0.0.0.0").port;
  const auto block = [&](const std::string& bind) {
    return ".:" + std::to_string(port) + " {\n" + (bind.empty() ? "" : "  bind " + bind + "\n") +
           "  kubernetes cluster.local {\n    manifests %M\n  }\n}\n";
  };
  const auto reload = [&](const std::string& text, std::size_t times) {
    directory_.replace("Corefile", with_paths(text));
    server_->signal(SIGUSR1);
    EXPECT_TRUE(server_->wait_for_output("Reloading complete", times)) << server_->output();
  };
  const auto served = [&](const char* address) {
    try {
      return ask_tcp(Endpoint{address, port}, Query{.name = "web.default.svc.cluster.local."})
                 .answer.size() == 1;
    } catch (const TestError&) {
      return false;
    }
  };
  serve_corefile(block("127.0.0.1"));
  expect_served_at({"127.0.0.1", port});
  reload(block(""), 1);
  expect_served_at({"127.0.0.1", port});
  expect_served_at({"127.0.0.2", port});
  expect_served_at({"::1", port});
  reload(block("127.0.0.1 ::1"), 2);
  expect_served_at({"127.0.0.1", port});
  EXPECT_FALSE(served("127.0.0.2"));
  // One address of another program: all that was bound before it goes again.
  const FileDescriptor taken = bound_socket(Endpoint{"127.0.0.9", 0}, SOCK_STREAM);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  const std::uint16_t other = local_endpoint(taken.get()).port;
  directory_.replace("Corefile", with_paths(block("0.0.0.0") + "x.test:" + std::to_string(other) +
                                            " {\n  bind 127.0.0.9\n  whoami\n}\n"));
  server_->signal(SIGUSR1);
  ASSERT_TRUE(server_->wait_for_output("reload failed")) << server_->output();
  EXPECT_TRUE(server_->wait_for_output("(pid " + std::to_string(::getpid()) +
                                       ") has 127.0.0.9:" + std::to_string(other)))
      << server_->output();
  expect_served_at({"127.0.0.1", port});
  EXPECT_FALSE(served("127.0.0.2"));
  reload(block("127.0.0.1") + "b.test:" + std::to_string(port) + " {\n  whoami\n}\n", 3);
  expect_served_at({"127.0.0.1", port});
  expect_rcode(ask_udp({"127.0.0.2", port}, Query{.name = "b.test."}), "NOERROR");
  expect_rcode(ask_udp({"127.0.0.2", port}, Query{.name = "web.default.svc.cluster.local."}),
               "REFUSED");
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

// The kernel cuts what is longer than our buffer: what is left may look like a whole message.
TEST_F(Listeners, ADatagramThatWasCutIsFormErr) {
  serve();
  const std::size_t room = 4096;
  const std::size_t bare = encode(Query{.name = "web.default.svc.cluster.local."}).size();
  // An OPT record of 11 octets with an option of 4 more.
  const Edns filled{.options = {{65001, Octets(room - bare - 15)}}};
  Octets query = encode(Query{.name = "web.default.svc.cluster.local.", .edns = filled});
  ASSERT_EQ(query.size(), room);
  UdpClient client(endpoint());
  expect_rcode(client.exchange(query), "NOERROR");
  query.resize(room + 300, 'x');
  expect_rcode(client.exchange(query), "FORMERR");
  // Not an answer to an answer, cut or not.
  query[2] |= 0x80;
  client.send(query);
  query[2] &= 0x7F;
  query.resize(room);
  expect_rcode(client.exchange(query), "NOERROR");
}

// Anybody can send such a datagram; nobody can be answered there.
TEST_F(Listeners, QuestionsFromPortZeroCostNothing) {
  serve({"--workers", "1"});
  const FileDescriptor raw(::socket(AF_INET, SOCK_RAW, IPPROTO_UDP));
  if (!raw.valid()) GTEST_SKIP() << "needs CAP_NET_RAW";
  const Octets query = encode(Query{.name = "web.default.svc.cluster.local."});
  WireWriter datagram;
  datagram.u16(0)
      .u16(endpoint().port)
      .u16(8 + static_cast<unsigned>(query.size()))
      .u16(0)
      .raw(query);
  sockaddr_storage to{};
  const socklen_t size = endpoint().fill(to);
  for (int i = 0; i < 100; ++i) {
    ASSERT_GT(::sendto(raw.get(), datagram.out.data(), datagram.out.size(), 0,
                       reinterpret_cast<sockaddr*>(&to), size),
              0);
  }
  expect_served_at(endpoint());
}

// Of a broadcast address nobody answers; the interface's own does.
TEST_F(Listeners, ABroadcastIsAnsweredFromTheInterfacesAddress) {
  serve({"--listen", "0.0.0.0:0"});
  const FileDescriptor client = bound_socket(Endpoint{"127.0.0.1", 0}, SOCK_DGRAM);
  const int on = 1;
  ASSERT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on), 0);
  sockaddr_storage to{};
  const socklen_t size = Endpoint{"127.255.255.255", endpoint().port}.fill(to);
  const Octets query = encode(Query{.name = "web.default.svc.cluster.local."});
  ASSERT_GT(
      ::sendto(client.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&to), size),
      0);
  ASSERT_TRUE(wait_for(client.get(), POLLIN, Deadline::after(kAnswerTimeout)));
  std::array<std::uint8_t, 512> answer{};
  sockaddr_storage from{};
  socklen_t from_size = sizeof from;
  ASSERT_GT(::recvfrom(client.get(), answer.data(), answer.size(), 0,
                       reinterpret_cast<sockaddr*>(&from), &from_size),
            0);
  EXPECT_EQ(Endpoint::from_sockaddr(from).text(), "127.0.0.1:" + std::to_string(endpoint().port));
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
