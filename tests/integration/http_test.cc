// The ports of health, ready and prometheus: every request gets a reply, clients that mean ill get
// what they are due, and ports move between directives.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "integration/fixture.h"
#include "support/http_client.h"

namespace clusterdns::test {
namespace {

using std::chrono::milliseconds;

// What the server says to `request` until it closes the connection or has said `replies` heads.
std::string exchange(TcpClient& client, std::string_view request, int replies = 1000) {
  client.send_raw({reinterpret_cast<const std::uint8_t*>(request.data()), request.size()});
  const Deadline deadline = Deadline::after(kAnswerTimeout);
  std::string said;
  std::array<char, 65536> buffer;
  for (;;) {
    int seen = 0;
    for (std::size_t at = said.find("\r\n\r\n"); at != std::string::npos;
         at = said.find("\r\n\r\n", at + 4)) {
      ++seen;
    }
    if (seen >= replies) return said;
    if (!wait_for(client.descriptor(), POLLIN, deadline))
      throw TestError("no end in time: " + said);
    const ssize_t size = ::recv(client.descriptor(), buffer.data(), buffer.size(), 0);
    if (size < 0) throw TestError("reset after: " + said);
    if (size == 0) return said;
    said.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

class Http : public Integration {
 protected:
  void SetUp() override {
    manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
    at_ = unused_endpoint("127.0.0.1");
  }
  void start() {
    serve_corefile(".:0 {\n  bind 127.0.0.1\n  health " + at_.text() + "\n  prometheus " +
                   at_.text() + "\n  whoami\n}\n");
  }
  std::string ask(std::string_view request, int replies = 1000) {
    TcpClient client(at_);
    return exchange(client, request, replies);
  }
  static std::string status(const std::string& reply) {
    return reply.starts_with("HTTP/1.") ? reply.substr(9, 3) : "no reply: " + reply;
  }

  Endpoint at_;
};

// RFC 9110, 15.5 and 15.6; RFC 6585, 5. Behind each refusal the connection ends, and no reset
// overtakes it, whatever the client still sends.
TEST_F(Http, WhatIsRefusedIsToldSo) {
  start();
  const std::string filler(9000, 'a');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "405"},
      {"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
       "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
       "405"},
      {"POST /metrics HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
       "405"},
      {"DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
      {"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + filler, "413"},
      {"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + filler, "405"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2710\r\n" + filler +
           filler,
       "413"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nX: " + filler + "\r\n\r\n", "431"},
      {"GET /" + filler + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
      {"GET /health HTTP/1.1\r\n\r\n", "400"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n", "400"},
      {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400"},
      {"GET /health\r\n\r\n", "400"},
      {"\x16\x03\x01\x02\x05 not TLS here \r\n\r\n", "400"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
  };
  for (const auto& [request, code] : cases) {
    const std::string reply = ask(request);
    EXPECT_EQ(status(reply), code) << request.substr(0, 200) << "\n" << reply;
    EXPECT_NE(reply.find("Connection: close"), std::string::npos) << reply;
    EXPECT_NE(reply.find("Date: "), std::string::npos) << reply;
    EXPECT_EQ(reply.find("Allow: GET, HEAD") != std::string::npos, code == "405") << reply;
  }
  EXPECT_EQ(http_get(at_, "/health").status, 200);
}

TEST_F(Http, WhatIsAnsweredThoughItIsUnusual) {
  start();
  const std::string close = "Connection: close\r\n\r\n";
  for (const std::string& request : std::vector<std::string>{
           "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" + close + "hello",
           "GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + close +
               "5\r\nhello\r\n0\r\n\r\n",
           "GET /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
           "GET http://x:8080/health?verbose HTTP/1.1\r\nHost: x\r\n" + close,
           "GET /health HTTP/1.0\r\n\r\n"}) {
    EXPECT_EQ(status(ask(request)), "200") << request;
  }
  const std::string head = ask("HEAD /health HTTP/1.1\r\nHost: x\r\n" + close);
  EXPECT_EQ(status(head), "200");
  EXPECT_NE(head.find("Content-Length: 2\r\n"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  EXPECT_EQ(status(ask("GET / HTTP/1.1\r\nHost: x\r\n" + close)), "404");
}

// One connection, several requests; a body stands between them.
TEST_F(Http, RequestsInARow) {
  start();
  const std::string get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  TcpClient client(at_);
  const std::string pipelined =
      exchange(client,
               get + "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
                   "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + get,
               4);
  std::vector<std::string> codes;
  for (std::size_t p = pipelined.find("HTTP/1.1 "); p != std::string::npos;
       p = pipelined.find("HTTP/1.1 ", p + 1)) {
    codes.push_back(pipelined.substr(p + 9, 3));
  }
  EXPECT_EQ(codes, (std::vector<std::string>{"200", "200", "404", "200"})) << pipelined;
  EXPECT_EQ(status(exchange(client, get, 1)), "200");
  // Who has closed its half still wants the reply.
  client.send_raw({reinterpret_cast<const std::uint8_t*>(get.data()), get.size()});
  client.end_of_input();
  EXPECT_EQ(status(exchange(client, "")), "200");
}

TEST_F(Http, ARequestThatTakesTooLongIsToldSo) {
  start();
  TcpClient slow(at_);
  TcpClient silent(at_);
  EXPECT_EQ(status(exchange(slow, "GET /health HTTP/1.1\r\nHo")), "408");
  EXPECT_EQ(exchange(silent, ""), "");
}

// Connections of one client do not keep others out, nor the replies that it does not read.
TEST_F(Http, OneClientTakesNothingFromOthers) {
  start();
  TcpClient early(at_, 0, "127.0.0.2");
  const std::string get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  EXPECT_EQ(status(exchange(early, get, 1)), "200");
  const std::size_t before = server_->resident();
  std::vector<TcpClient> greedy;
  std::string many;
  for (int i = 0; i < 100; ++i) many += "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  // Sanitizers make the replies slow, and who waits quietly is let go after a while.
  for (int i = 0; i < (kBuildFactor == 1 ? 400 : 150); ++i) {
    greedy.emplace_back(at_, 4096);
    try {
      greedy.back().send_raw({reinterpret_cast<const std::uint8_t*>(many.data()), many.size()});
    } catch (const TestError&) {
      greedy.pop_back();  // it had to give its place
    }
    // Or it would end for its silence, where this takes seconds.
    EXPECT_EQ(status(exchange(early, get, 1)), "200") << i;
  }
  EXPECT_EQ(status(exchange(early, get, 1)), "200");
  EXPECT_EQ(http_get(at_, "/health").status, 200);
  if (kBuildFactor == 1) {
    EXPECT_LT(server_->resident(), before + (24U << 20));
  }
}

// One socket for each address, however it is written.
TEST_F(Http, OneAddressInSeveralSpellings) {
  const std::string port = std::to_string(at_.port);
  for (const auto& [one, other] :
       std::vector<std::pair<std::string, std::string>>{{"localhost:", "127.0.0.1:"},
                                                        {"127.0.0.1:", "[::ffff:127.0.0.1]:"},
                                                        {":", "127.0.0.1:"},
                                                        {"127.0.0.1:", ":"},
                                                        {"0.0.0.0:", "127.0.0.1:"},
                                                        {":", "0.0.0.0:"}}) {
    serve_corefile(".:0 {\n  bind 127.0.0.1\n  health " + one + port + "\n  prometheus " + other +
                   port + "\n  whoami\n}\n");
    const bool both = other != ":" || one == ":";
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(http_get(at_, "/health").status, 200) << one << " " << other;
      EXPECT_EQ(http_get(at_, "/metrics").status, 200) << one << " " << other << both;
    }
    stop();
  }
}

TEST_F(Http, NotWhereDnsIsServed) {
  const std::string port = std::to_string(at_.port);
  for (const char* address : {"127.0.0.1:", ":", "0.0.0.0:"}) {
    const auto path = directory_.write("Corefile", ".:" + port + " {\n  bind 127.0.0.1\n  health " +
                                                       address + port + "\n  whoami\n}\n");
    const RunResult result = run(ProcessOptions{.arguments = {"-conf", path.string()}});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_NE(result.standard_error.find("Corefile:3:10: health: '" + std::string(address) + port +
                                         "' is already used for DNS (127.0.0.1:" + port + ")"),
              std::string::npos)
        << result.standard_error;
  }
}

// Ports go from one directive to another, from HTTP to DNS and back, in one reload.
TEST_F(Http, PortsChangePlaces) {
  const Endpoint a = unused_endpoint("127.0.0.1");
  const Endpoint b = unused_endpoint("127.0.0.1");
  const Endpoint c = unused_endpoint("127.0.0.1");
  const auto corefile = [&](const Endpoint& dns, const std::string& health,
                            const std::string& metrics) {
    return ".:" + std::to_string(dns.port) + " {\n  bind 127.0.0.1\n  health " + health +
           "\n  prometheus " + metrics + "\n  whoami\n}\n";
  };
  const auto reload = [&](const std::string& text, std::size_t times) {
    directory_.replace("Corefile", text);
    server_->signal(SIGUSR1);
    ASSERT_TRUE(server_->wait_for_output("Reloading complete", times)) << server_->output();
  };
  serve_corefile(corefile(a, b.text(), c.text()));
  EXPECT_EQ(http_get(b, "/health").status, 200);
  reload(corefile(a, c.text(), b.text()), 1);
  EXPECT_EQ(http_get(c, "/health").status, 200);
  EXPECT_EQ(http_get(b, "/metrics").status, 200);
  EXPECT_EQ(http_get(b, "/health").status, 404);
  reload(corefile(b, a.text(), c.text()), 2);
  for (int i = 0; i < 8; ++i) {
    expect_rcode(ask_tcp(b, Query{.name = "x.test."}), "NOERROR");
    expect_rcode(ask_udp(b, Query{.name = "x.test."}), "NOERROR");
    EXPECT_EQ(http_get(a, "/health").status, 200);
    EXPECT_EQ(http_get(c, "/metrics").status, 200);
  }
  // From one address to all, and back.
  reload(corefile(b, ":" + std::to_string(a.port), "[::1]:" + std::to_string(c.port)), 3);
  EXPECT_EQ(http_get(Endpoint{"127.0.0.2", a.port}, "/health").status, 200);
  EXPECT_EQ(http_get(Endpoint{"::1", c.port}, "/metrics").status, 200);
  EXPECT_THROW((void)http_get(c, "/metrics"), TestError);
  reload(corefile(b, a.text(), ":" + std::to_string(c.port)), 4);
  EXPECT_EQ(http_get(a, "/health").status, 200);
  EXPECT_THROW((void)http_get(Endpoint{"127.0.0.2", a.port}, "/health"), TestError);
}

}  // namespace
}  // namespace clusterdns::test
