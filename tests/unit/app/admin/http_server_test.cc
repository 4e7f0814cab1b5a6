#include "app/admin/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include "dns/base/descriptor.h"

namespace clusterdns::app {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// All that comes on a connection of its own.
std::string get(std::uint16_t port, const std::string& path) {
  const dns::Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{20, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    return "<not connected>";
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  (void)!::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string reply;
  std::array<char, 4096> buffer;
  for (ssize_t n = 0; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    reply.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return reply;
}

// Whatever a page throws costs that reply, and neither the thread nor the next one.
TEST(HttpServerTest, PagesThatThrow) {
  HttpServer server;
  const HttpAddress address{boost::asio::ip::make_address("127.0.0.1"), false, 0, "127.0.0.1:0"};
  HttpRoutes routes;
  auto& paths = routes[address.key()].pages;
  paths["/good"] = [](std::string_view) { return HttpReply{200, "good"}; };
  paths["/known"] = [](std::string_view) -> HttpReply { throw std::runtime_error("no memory"); };
  paths["/unknown"] = [](std::string_view) -> HttpReply { throw 42; };
  server.commit(server.prepare({{address.key(), address}}), std::move(routes));
  const std::uint16_t port = server.port(address.key());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(get(port, "/known"), StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(get(port, "/known"), EndsWith("no memory\n"));
    EXPECT_THAT(get(port, "/unknown"), StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(get(port, "/good"), EndsWith("\r\n\r\ngood"));
  }
}

// An app that shows what it was given.
class EchoApp final : public HttpApp {
 public:
  std::optional<HttpReply> check(const HttpRequest& head) override {
    if (head.path == "/refused") return HttpReply{403, "no"};
    return std::nullopt;
  }
  void handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) override {
    if (request.path == "/throws") throw std::runtime_error("broken");
    if (request.path == "/never") return;
    if (request.path == "/large") return responder->reply({200, std::string(kHttpHeld + 1, 'x')});
    if (request.path == "/pieces") {
      HttpReply reply{200, "first"};
      reply.more = [left = 3](std::string& piece) mutable {
        piece = " and " + std::string(100'000, static_cast<char>('a' + left));
        return --left != 0;
      };
      return responder->reply(std::move(reply));
    }
    if (request.path == "/cut") {
      HttpReply reply{200, "first"};
      reply.more = [](std::string&) -> bool { throw std::runtime_error("broken"); };
      return responder->reply(std::move(reply));
    }
    if (request.path == "/later") {
      std::promise<std::shared_ptr<HttpResponder>>& to = later;
      return to.set_value(std::move(responder));
    }
    responder->reply({200, request.method + " " + request.path + " " + request.query.get("q") +
                               " " + request.body});
  }
  [[nodiscard]] HttpReply refusal(unsigned status, std::string why) const override {
    return {status, "{\"why\":\"" + why + "\"}", "application/problem+json"};
  }
  void complete(HttpReply& reply) const override { reply.headers.emplace_back("X-App", "echo"); }

  [[nodiscard]] std::size_t body_limit(const HttpRequest& head) const override {
    return head.path == "/much" ? 100'000 : kHttpBody;
  }

  std::promise<std::shared_ptr<HttpResponder>> later;
};

class HttpAppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HttpRoutes routes;
    routes[address_.key()].app = app_;
    routes[address_.key()].pages["/page"] = [](std::string_view query) {
      return HttpReply{200, query.empty() ? "page" : "page with " + std::string(query)};
    };
    server_.emplace();
    server_->commit(server_->prepare({{address_.key(), address_}}), std::move(routes));
    port_ = server_->port(address_.key());
  }
  // A connection on which `request` was sent.
  dns::Descriptor sent(const std::string& request) const {
    dns::Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{60, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    return fd;
  }
  // Reads until `end` has come, or the connection ends.
  static std::string read_until(const dns::Descriptor& fd, const std::string& end) {
    std::string reply;
    std::array<char, 4096> buffer;
    while (end.empty() || reply.find(end) == std::string::npos) {
      const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (n <= 0) break;
      reply.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return reply;
  }
  std::string ask(const std::string& request) const { return read_until(sent(request), ""); }

  const HttpAddress address_{boost::asio::ip::make_address("127.0.0.1"), false, 0, "127.0.0.1:0"};
  const std::shared_ptr<EchoApp> app_ = std::make_shared<EchoApp>();
  std::optional<HttpServer> server_;
  std::uint16_t port_ = 0;
};

TEST_F(HttpAppTest, GetsWhatWasAsked) {
  EXPECT_THAT(
      ask("GET /a%20b?q=1+2&x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("X-App: echo\r\n"), EndsWith("GET /a b 1 2 ")));
  EXPECT_THAT(ask("POST http://a/p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: "
                  "3\r\n\r\nabc"),
              EndsWith("POST /p  abc"));
  EXPECT_THAT(ask("HEAD /h HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 9\r\n"), EndsWith("\r\n\r\n")));
  // A client that waits for leave to send its body gets it.
  EXPECT_THAT(
      ask("POST /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
          "Content-Length: 1\r\n\r\nx"),
      AllOf(StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "), EndsWith("POST /p  x")));
  EXPECT_THAT(get(port_, "/page"), EndsWith("page"));
}

TEST_F(HttpAppTest, TwoRequestsOnOneConnection) {
  EXPECT_THAT(ask("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: "
                  "close\r\n\r\n"),
              AllOf(HasSubstr("GET /1 "), EndsWith("GET /2  ")));
}

TEST_F(HttpAppTest, RefusalsAreTheApps) {
  EXPECT_THAT(get(port_, "/refused"), AllOf(StartsWith("HTTP/1.1 403 "), EndsWith("\r\n\r\nno")));
  EXPECT_THAT(get(port_, "/throws"), AllOf(StartsWith("HTTP/1.1 500 "), HasSubstr("\"broken\"")));
  EXPECT_THAT(get(port_, "/never"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(get(port_, "/%"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("application/problem+json")));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask("GET / HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.0 400 "));
  EXPECT_THAT(ask("nonsense\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("problem+json")));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(kHttpHead, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  const std::string size = std::to_string(kHttpBody + 1);
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + size + "\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  // What the app refuses comes before what is wrong with the body.
  EXPECT_THAT(ask("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: " + size + "\r\n\r\n"),
              StartsWith("HTTP/1.1 403 "));
}

// What is said behind the head of a chunked reply.
std::string unchunked(const std::string& reply) {
  std::string text;
  std::size_t at = reply.find("\r\n\r\n") + 4;
  for (;;) {
    const std::size_t size = std::stoul(reply.substr(at), nullptr, 16);
    at = reply.find("\r\n", at) + 2;
    if (size == 0) return at + 2 == reply.size() ? text : "something is behind it";
    text += reply.substr(at, size);
    at += size + 2;
  }
}

TEST_F(HttpAppTest, AReplyInPieces) {
  const auto part = [](char letter) { return " and " + std::string(100'000, letter); };
  const std::string whole = "first" + part('d') + part('c') + part('b');
  const std::string reply = ask("GET /pieces HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(reply.substr(0, 300), HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(unchunked(reply) == whole);
  // An old client reads to the end of the connection.
  const std::string old = ask("GET /pieces HTTP/1.0\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(old.ends_with("\r\n\r\n" + whole));
  EXPECT_THAT(ask("HEAD /pieces HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\n")));
  // The connection goes on.
  const std::string two =
      ask("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: "
          "close\r\n\r\n");
  EXPECT_THAT(two, EndsWith("GET /2  "));
  // What fails in the middle has no end.
  EXPECT_FALSE(ask("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("0\r\n\r\n"));
}

TEST_F(HttpAppTest, OthersAreAnsweredBetweenPieces) {
  const dns::Descriptor slow = sent("GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n");
  // It reads nothing, and what it was sent does not fit into the socket's buffers.
  EXPECT_THAT(get(port_, "/page"), EndsWith("page"));
  EXPECT_THAT(get(port_, "/other"), EndsWith("GET /other  "));
  EXPECT_THAT(read_until(slow, "\r\n0\r\n\r\n"), EndsWith("\r\n0\r\n\r\n"));
}

TEST_F(HttpAppTest, AReplyThatIsTooLongCostsNobodyElse) {
  const dns::Descriptor waits = sent("GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const auto responder = app_->later.get_future().get();
  EXPECT_THAT(get(port_, "/large"),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr(std::to_string(kHttpHeld))));
  responder->reply({200, "still here"});
  EXPECT_THAT(read_until(waits, ""), EndsWith("still here"));
}

TEST_F(HttpAppTest, AnAppSaysHowLongABodyMayBe) {
  const auto post = [&](const std::string& path, std::size_t size) {
    return ask("POST " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: " +
               std::to_string(size) + "\r\n\r\n" + std::string(size, 'x'));
  };
  EXPECT_THAT(post("/much", 100'000), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(post("/much", 100'001), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("100000")));
  EXPECT_THAT(post("/little", 100'000), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("8192")));
}

TEST_F(HttpAppTest, APageGetsItsQuery) {
  EXPECT_THAT(get(port_, "/page?verbose"), EndsWith("page with verbose"));
}

TEST_F(HttpAppTest, AReplyFromAnotherThread) {
  const dns::Descriptor fd = sent("GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const auto responder = app_->later.get_future().get();
  EXPECT_FALSE(responder->closed());
  HttpReply reply{200, ""};
  reply.finish = [](HttpReply& to) { to.body = "made there"; };
  responder->reply(std::move(reply));
  responder->reply({500, "too late"});
  EXPECT_THAT(read_until(fd, ""), EndsWith("made there"));
}

TEST_F(HttpAppTest, WhatIsKeptGoesWithTheClient) {
  dns::Descriptor fd = sent("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto responder = app_->later.get_future().get();
  std::promise<void> gone;
  responder->keep(std::shared_ptr<void>(nullptr, [&](void*) { gone.set_value(); }));
  fd = {};
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  responder->reply({200, "nobody is there"});
}

TEST_F(HttpAppTest, AResponderOutlivesItsServer) {
  const dns::Descriptor fd = sent("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto responder = app_->later.get_future().get();
  const auto stream = responder->stream({200, ""}, ":\n\n");
  server_.reset();
  (void)stream->write("nobody reads it");
  responder->reply({200, "late"});
}

TEST_F(HttpAppTest, StreamsComeInChunks) {
  const dns::Descriptor fd = sent("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto responder = app_->later.get_future().get();
  const auto stream = responder->stream({200, "", "text/event-stream"}, ":\n\n");
  EXPECT_TRUE(stream->write("data: 1\n\n"));
  const std::string begun = read_until(fd, "data: 1\n\n\r\n");
  EXPECT_THAT(begun, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Transfer-Encoding: chunked"),
                           HasSubstr("\r\n\r\n9\r\ndata: 1\n\n\r\n")));
  EXPECT_TRUE(stream->write("data: 2\n\n"));
  stream->close();
  EXPECT_FALSE(stream->write("data: 3\n\n"));
  EXPECT_EQ(read_until(fd, ""), "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
}

TEST_F(HttpAppTest, StreamsOfHttp10EndWithTheConnection) {
  const dns::Descriptor fd = sent("GET /later HTTP/1.0\r\nHost: a\r\n\r\n");
  const auto stream =
      app_->later.get_future().get()->stream({200, "", "application/x-ndjson"}, "\n");
  EXPECT_TRUE(stream->write("{}\n"));
  stream->close();
  EXPECT_THAT(read_until(fd, ""), EndsWith("\r\n\r\n{}\n"));
}

// Who does not read loses what does not fit; nobody waits, and others are answered.
TEST_F(HttpAppTest, ASlowReaderBlocksNobody) {
  const dns::Descriptor fd = sent("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto stream = app_->later.get_future().get()->stream({200, ""}, "\n");
  const std::string line(1024, 'x');
  std::size_t taken = 0;
  std::size_t refused = 0;
  // The kernel's buffers take some; 64 MiB is beyond all of them.
  for (int i = 0; i < 65536 && refused < 1000; ++i) ++(stream->write(line) ? taken : refused);
  EXPECT_GE(refused, 1000U);
  EXPECT_THAT(get(port_, "/page"), EndsWith("page"));
  // What was taken comes, whole.
  stream->close();
  const std::string all = read_until(fd, "0\r\n\r\n");
  EXPECT_EQ(static_cast<std::size_t>(std::count(
                all.begin() + static_cast<std::ptrdiff_t>(all.find("\r\n\r\n")), all.end(), 'x')),
            taken * line.size());
}

TEST_F(HttpAppTest, AStreamNoticesThatItsClientIsGone) {
  dns::Descriptor fd = sent("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto responder = app_->later.get_future().get();
  std::promise<void> gone;
  responder->keep(std::shared_ptr<void>(nullptr, [&](void*) { gone.set_value(); }));
  const auto stream = responder->stream({200, ""}, "\n");
  fd = {};
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_TRUE(stream->closed());
  EXPECT_FALSE(stream->write("x"));
}

TEST(HttpServerTest, AnAddressThatMayBeTakenIsLeftOut) {
  HttpServer first;
  HttpAddress address{boost::asio::ip::make_address("127.0.0.1"), false, 0, "127.0.0.1:0"};
  HttpRoutes routes;
  routes[address.key()].pages["/"] = [](std::string_view) { return HttpReply{200, "first"}; };
  first.commit(first.prepare({{address.key(), address}}), routes);
  HttpAddress same = address;
  same.port = first.port(address.key());
  same.text = "127.0.0.1:" + std::to_string(same.port);
  HttpServer second;
  std::vector<std::string> left_out;
  EXPECT_THROW((void)second.prepare({{same.key(), same}}, {}, &left_out), std::system_error);
  same.may_be_taken = true;
  EXPECT_THROW((void)second.prepare({{same.key(), same}}), std::system_error);
  auto prepared = second.prepare({{same.key(), same}}, {}, &left_out);
  ASSERT_EQ(left_out.size(), 1U);
  EXPECT_THAT(left_out[0], HasSubstr(same.text));
  routes[same.key()] = {};
  second.commit(std::move(prepared), routes);
  EXPECT_EQ(second.port(same.key()), 0);
}

}  // namespace
}  // namespace clusterdns::app
