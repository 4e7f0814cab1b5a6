#include "app/console/gate.h"

#include <gtest/gtest.h>

#include <string>

namespace clusterdns::app {
namespace {

HttpRequest request(const std::string& host,
                    std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpRequest result;
  result.method = "POST";
  result.path = "/api/v1/reload";
  result.peer = boost::asio::ip::make_address("192.0.2.1");
  result.headers = std::move(headers);
  result.headers.emplace_back("host", host);
  return result;
}

unsigned status(const std::optional<HttpReply>& reply) { return reply ? reply->status : 200; }

std::string header(const HttpReply& reply, const std::string& name) {
  for (const auto& [known, value] : reply.headers) {
    if (known == name) return value;
  }
  return "";
}

TEST(GateTest, HostsThatLeadHere) {
  const Gate gate({"", {"console.example.com"}, false, false});
  for (const char* good : {"localhost", "LOCALHOST:5380", "localhost.", "localhost:",
                           "127.0.0.1:65535", "127.0.0.1", "10.1.2.3:80", "[::1]:5380",
                           "[2001:db8::1]", "console.example.com", "Console.Example.COM.:1"}) {
    EXPECT_EQ(status(gate.check_host(request(good))), 200U) << good;
  }
  for (const char* foreign : {"attacker.example", "localhost.attacker.example", "xlocalhost",
                              "127.0.0.1.nip.io", "example.com", "a.console.example.com"}) {
    EXPECT_EQ(status(gate.check_host(request(foreign))), 421U) << foreign;
  }
  for (const char* bad : {"", ":80", "a b", "localhost:x", "localhost:123456", "localhost:65536",
                          "[::1]:99999", "[::1", "[::1]x", "[127.0.0.1]", "a@localhost",
                          "localhost/", "[fe80::1%25eth0]", "local,host"}) {
    EXPECT_EQ(status(gate.check_host(request(bad))), 400U) << bad;
  }
  HttpRequest two = request("localhost");
  two.headers.emplace_back("host", "localhost");
  EXPECT_EQ(status(gate.check_host(two)), 400U);
  HttpRequest none = request("localhost");
  none.headers.clear();
  EXPECT_EQ(status(gate.check_host(none)), 400U);
}

TEST(GateTest, Origins) {
  const Gate gate({"", {}, true, false});
  const auto from = [&](const std::string& origin, const std::string& host = "localhost:5380") {
    return status(gate.check_origin(request(host, {{"origin", origin}})));
  };
  EXPECT_EQ(status(gate.check_origin(request("localhost:5380"))), 200U);
  EXPECT_EQ(from("http://localhost:5380"), 200U);
  EXPECT_EQ(from("http://localhost", "localhost:80"), 200U);
  EXPECT_EQ(from("http://[::1]:5380", "[::1]:5380"), 200U);
  EXPECT_EQ(from("null"), 403U);
  EXPECT_EQ(from(""), 403U);
  EXPECT_EQ(from("https://localhost:5380"), 403U);
  EXPECT_EQ(from("http://localhost:5381"), 403U);
  EXPECT_EQ(from("http://127.0.0.1:5380"), 403U);
  EXPECT_EQ(from("http://attacker.example"), 403U);
  EXPECT_EQ(status(gate.check_origin(request("localhost", {{"sec-fetch-site", "cross-site"}}))),
            403U);
  EXPECT_EQ(status(gate.check_origin(request("localhost", {{"sec-fetch-site", "same-origin"}}))),
            200U);
  HttpRequest two = request("localhost", {{"origin", "http://localhost"}, {"origin", "http://a"}});
  EXPECT_EQ(status(gate.check_origin(two)), 403U);
  const Gate tls({"", {}, true, true});
  EXPECT_EQ(status(tls.check_origin(request("a", {{"origin", "https://a"}}))), 200U);
  EXPECT_EQ(status(tls.check_origin(request("a", {{"origin", "http://a"}}))), 403U);
}

TEST(GateTest, Edits) {
  EXPECT_EQ(status(Gate({"", {}, false, false}).check_edit()), 403U);
  EXPECT_EQ(status(Gate({"", {}, true, false}).check_edit()), 200U);
}

class TokenGate : public ::testing::Test {
 protected:
  Gate::Clock::time_point now_{std::chrono::hours(1)};
  Gate gate_{{"s3cret", {}, false, false}, nullptr, [this] { return now_; }};

  unsigned bearer(const std::string& token, const std::string& peer = "192.0.2.1") {
    HttpRequest r = request("localhost", {{"authorization", "Bearer " + token}});
    r.peer = boost::asio::ip::make_address(peer);
    return status(gate_.check_token(r));
  }
  HttpReply login(const std::string& body) {
    HttpRequest r = request("localhost");
    r.body = body;
    return gate_.log_in(r);
  }
};

TEST_F(TokenGate, Bearer) {
  EXPECT_EQ(bearer("s3cret"), 200U);
  EXPECT_EQ(bearer("s3cre"), 401U);
  EXPECT_EQ(bearer("s3cret "), 401U);
  EXPECT_EQ(bearer(""), 401U);
  EXPECT_EQ(status(gate_.check_token(request("localhost", {{"authorization", "Basic s3cret"}}))),
            401U);
  EXPECT_EQ(status(gate_.check_token(request("localhost", {{"authorization", "bearer s3cret"}}))),
            200U);
  EXPECT_EQ(status(gate_.check_token(request("localhost"))), 401U);
  EXPECT_EQ(status(Gate({"", {}, false, false}).check_token(request("localhost"))), 200U);
}

TEST_F(TokenGate, TheFormIsAtTheRoot) {
  HttpRequest root = request("localhost");
  root.path = "/";
  const auto reply = gate_.check_token(root);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 401U);
  EXPECT_NE(reply->body.find("action=\"/login\""), std::string::npos);
  EXPECT_EQ(reply->body.find("s3cret"), std::string::npos);
}

TEST_F(TokenGate, TenWrongOnesAMinute) {
  for (unsigned i = 0; i < Gate::kWrongTokens; ++i) EXPECT_EQ(bearer("x"), 401U);
  EXPECT_EQ(bearer("x"), 429U);
  // The right one has to wait as well: or guessing would go on.
  EXPECT_EQ(bearer("s3cret"), 429U);
  EXPECT_EQ(login("token=s3cret").status, 429U);
  EXPECT_EQ(bearer("s3cret", "192.0.2.2"), 200U);
  now_ += Gate::kWrongFor;
  EXPECT_EQ(bearer("s3cret"), 200U);
  // An IPv6 client has a /64.
  for (unsigned i = 0; i < Gate::kWrongTokens; ++i) {
    EXPECT_EQ(bearer("x", "2001:db8::" + std::to_string(i)), 401U);
  }
  EXPECT_EQ(bearer("x", "2001:db8::ffff"), 429U);
  EXPECT_EQ(bearer("x", "2001:db8:0:1::1"), 401U);
}

TEST_F(TokenGate, AddressesAreBounded) {
  for (std::size_t i = 0; i < Gate::kAddresses + 100; ++i) {
    const std::string peer = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    EXPECT_EQ(bearer("x", peer), 401U);
  }
}

TEST_F(TokenGate, Sessions) {
  EXPECT_EQ(login("token=wrong").status, 401U);
  EXPECT_EQ(login("").status, 401U);
  EXPECT_EQ(login("token=%").status, 400U);
  const HttpReply reply = login("token=s3cret");
  EXPECT_EQ(reply.status, 303U);
  EXPECT_EQ(header(reply, "Location"), "/");
  const std::string cookie = header(reply, "Set-Cookie");
  EXPECT_NE(cookie.find("; HttpOnly; SameSite=Strict; Path=/"), std::string::npos) << cookie;
  EXPECT_EQ(cookie.find("s3cret"), std::string::npos);
  EXPECT_NE(cookie, header(login("token=s3cret"), "Set-Cookie"));
  const std::string session = cookie.substr(0, cookie.find(';'));
  const auto with = [&](const std::string& value) {
    return status(gate_.check_token(request("localhost", {{"cookie", value}})));
  };
  EXPECT_EQ(with(session), 200U);
  EXPECT_EQ(with("other=1; " + session + "; more=2"), 200U);
  EXPECT_EQ(with("x" + session), 401U);
  EXPECT_EQ(with("console="), 401U);
  // They go on over a reload that keeps the token, and no longer.
  Gate next({"s3cret", {}, true, false}, &gate_, [this] { return now_; });
  EXPECT_EQ(status(next.check_token(request("localhost", {{"cookie", session}}))), 200U);
  Gate other({"changed", {}, true, false}, &next, [this] { return now_; });
  EXPECT_EQ(status(other.check_token(request("localhost", {{"cookie", session}}))), 401U);
  now_ += Gate::kSessionFor;
  EXPECT_EQ(status(next.check_token(request("localhost", {{"cookie", session}}))), 401U);
}

TEST_F(TokenGate, SessionsAreBounded) {
  const std::string first = header(login("token=s3cret"), "Set-Cookie");
  for (std::size_t i = 0; i < Gate::kSessions; ++i) {
    now_ += std::chrono::seconds(1);
    (void)login("token=s3cret");
  }
  EXPECT_EQ(status(gate_.check_token(
                request("localhost", {{"cookie", first.substr(0, first.find(';'))}}))),
            401U);
}

}  // namespace
}  // namespace clusterdns::app
