#include "dns/forward/failure_text.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "dns/forward/upstream_address.h"

namespace clusterdns::dns {
namespace {

using Step = TransportFailure::Step;

Endpoint endpoint(const char* text, std::uint16_t port) {
  return make_endpoint(boost::asio::ip::make_address(text), port);
}

// As Go's net.OpError writes them (net/net.go, syscall/zerrors_linux_amd64.go).
TEST(FailureText, GosWords) {
  const Endpoint here = endpoint("127.0.0.1", 40000);
  const Endpoint there = endpoint("127.0.0.1", 53);
  EXPECT_EQ(timeout_text(Transport::Udp, {Step::Read, 0, here}, there),
            "read udp 127.0.0.1:40000->127.0.0.1:53: i/o timeout");
  EXPECT_EQ(timeout_text(Transport::Tcp, {Step::Connect, 0, {}}, there),
            "dial tcp 127.0.0.1:53: i/o timeout");
  EXPECT_EQ(failure_text(Transport::Udp, {Step::Read, ECONNREFUSED, here}, there),
            "read udp 127.0.0.1:40000->127.0.0.1:53: read: connection refused");
  EXPECT_EQ(failure_text(Transport::Tcp, {Step::Connect, ECONNREFUSED, {}}, there),
            "dial tcp 127.0.0.1:53: connect: connection refused");
  EXPECT_EQ(failure_text(Transport::Udp, {Step::Read, EHOSTUNREACH, here}, there),
            "read udp 127.0.0.1:40000->127.0.0.1:53: read: no route to host");
  EXPECT_EQ(failure_text(Transport::Udp, {Step::Connect, ENETUNREACH, {}}, there),
            "dial udp 127.0.0.1:53: connect: network is unreachable");
  EXPECT_EQ(failure_text(Transport::Udp, {Step::Write, EPERM, here}, there),
            "write udp 127.0.0.1:40000->127.0.0.1:53: write: operation not permitted");
  EXPECT_EQ(failure_text(Transport::Tcp, {Step::Read, ECONNRESET, here}, there),
            "read tcp 127.0.0.1:40000->127.0.0.1:53: read: connection reset by peer");
  EXPECT_EQ(failure_text(Transport::Tcp, {Step::Read, 0, here}, there),
            "read tcp 127.0.0.1:40000->127.0.0.1:53: EOF");
  EXPECT_EQ(failure_text(Transport::Udp, {Step::Socket, EMFILE, {}}, there),
            "dial udp 127.0.0.1:53: socket: too many open files");
  EXPECT_EQ(failure_text(Transport::Udp, {Step::Bind, EADDRNOTAVAIL, {}}, there),
            "dial udp 127.0.0.1:53: bind: cannot assign requested address");
  EXPECT_EQ(failure_text(Transport::Tcp, {Step::Connect, EPROTO, {}, "no"}, there),
            "dial tcp 127.0.0.1:53: tls: no");
}

TEST(FailureText, Ipv6) {
  EXPECT_EQ(
      timeout_text(Transport::Udp, {Step::Read, 0, endpoint("::1", 40000)}, endpoint("::1", 53)),
      "read udp [::1]:40000->[::1]:53: i/o timeout");
}

}  // namespace
}  // namespace clusterdns::dns
