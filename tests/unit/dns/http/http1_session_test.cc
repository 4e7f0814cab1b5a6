// HTTP/1.1 of DNS over HTTPS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/http/http_session.h"
#include "tests/unit/dns/http/http2_peer.h"

namespace clusterdns::dns {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using unit::Octets;

Octets query(std::uint16_t id = 0) { return unit::Request{.qname = "a.test", .id = id}.wire(); }
std::string text(const Octets& octets) { return {octets.begin(), octets.end()}; }

class Http1SessionTest : public ::testing::Test {
 protected:
  // What comes back when all of it has been shown, and all that was asked answered with `answer`.
  std::string talk(const std::string& octets,
                   const Octets& answer = Octets{0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0}) {
    left_ += octets;
    for (;;) {
      const std::size_t taken =
          session_->take({reinterpret_cast<const std::uint8_t*>(left_.data()), left_.size()}, 1);
      left_.erase(0, taken);
      const auto asked = session_->next();
      if (!asked) break;
      asked_.emplace_back(asked->message.begin(), asked->message.end());
      session_->answer(asked->stream, answer);
    }
    return pull();
  }
  std::string pull() {
    std::string all;
    Octets room(20 * 1024);
    while (const std::size_t size = session_->produce(room.data(), room.size())) {
      all.append(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size));
    }
    return all;
  }
  std::string status(const std::string& request) {
    session_ = make_http_session(false, {});
    left_.clear();
    const std::string said = talk(request);
    return said.size() < 12 ? said : said.substr(9, 3);
  }
  static std::string get(const std::string& target, const std::string& more = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: a.test\r\n" + more + "\r\n";
  }
  static std::string get(const Octets& message) {
    return get("/dns-query?dns=" + unit::base64url(message));
  }
  static std::string post(const Octets& message, const std::string& more = "") {
    return "POST /dns-query HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/dns-message\r\n"
           "Content-Length: " +
           std::to_string(message.size()) + "\r\n" + more + "\r\n" + text(message);
  }

  std::unique_ptr<HttpSession> session_ = make_http_session(false, {});
  std::string left_;
  std::vector<Octets> asked_;
};

TEST_F(Http1SessionTest, GetAndPostOneBehindTheOther) {
  const std::string said = talk(get(query(1)) + post(query(2)) + get(query(3)));
  ASSERT_EQ(asked_.size(), 3u);
  for (std::uint16_t i = 0; i < 3; ++i)
    EXPECT_EQ(asked_[i], query(static_cast<std::uint16_t>(i + 1)));
  EXPECT_THAT(said, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(said, HasSubstr("\r\nContent-Type: application/dns-message\r\nContent-Length: 12\r\n"
                              "Cache-Control: max-age=5\r\n\r\n"));
  EXPECT_THAT(said, Not(HasSubstr("close")));
  EXPECT_FALSE(session_->ended());
}

TEST_F(Http1SessionTest, InAnyPieces) {
  std::string said;
  for (const char c : "\r\n" + post(query()) + get(query())) said += talk(std::string(1, c));
  EXPECT_EQ(asked_.size(), 2u);
  EXPECT_FALSE(session_->unfinished());
  (void)talk("GET /dns");
  // Either the session has it, or it waits in front of it.
  EXPECT_TRUE(session_->unfinished() || !left_.empty());
}

TEST_F(Http1SessionTest, OneAtATime) {
  const std::string two = get(query(1)) + get(query(2));
  const std::size_t taken =
      session_->take({reinterpret_cast<const std::uint8_t*>(two.data()), two.size()}, 1);
  EXPECT_EQ(taken, two.size() / 2);
  EXPECT_FALSE(session_->takes());
  const auto asked = session_->next();
  ASSERT_TRUE(asked);
  EXPECT_FALSE(session_->next());
  EXPECT_EQ(pull(), "");
  session_->give_none(asked->stream);
  EXPECT_THAT(pull(), StartsWith("HTTP/1.1 500 "));
  EXPECT_TRUE(session_->takes());
}

TEST_F(Http1SessionTest, WhatIsNoQueryIsRefused) {
  const std::string q = unit::base64url(query());
  EXPECT_EQ(status(get("/")), "404");
  EXPECT_EQ(status(get("/dns-query")), "400");
  EXPECT_EQ(status(get("https://a.test/dns-query?dns=" + q)), "200");
  EXPECT_EQ(status(get("/dns-query?dns=" + q, "Host: b.test\r\n")), "400");
  EXPECT_EQ(status("GET /dns-query?dns=" + q + " HTTP/1.1\r\n\r\n"), "400");
  EXPECT_EQ(status("GET /dns-query?dns=" + q + " HTTP/1.0\r\n\r\n"), "200");
  EXPECT_TRUE(session_->ended());
  EXPECT_EQ(status("HEAD /dns-query?dns=" + q + " HTTP/1.1\r\nHost: a\r\n\r\n"), "405");
  EXPECT_THAT(talk("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), EndsWith("\r\n\r\n"));
  EXPECT_EQ(status("POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), "415");
  EXPECT_EQ(status("POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message"
                   "\r\nContent-Length: 65536\r\n\r\n"),
            "413");
  EXPECT_TRUE(session_->ended());
  EXPECT_EQ(status("POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message"
                   "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400");
  EXPECT_EQ(status("nonsense\r\n\r\n"), "400");
  EXPECT_EQ(status(get("/dns-query?dns=" + std::string(20'000, 'A'))), "431");
  EXPECT_EQ(status(get("/", "X: " + std::string(20'000, 'x') + "\r\n")), "431");
}

TEST_F(Http1SessionTest, AHeadThatComesForeverEnds) {
  (void)talk("GET / HTTP/1.1\r\n");
  std::string said;
  unsigned sent = 0;
  for (; sent < 10'000 && said.empty(); ++sent) said = talk("X: " + std::string(60, 'x') + "\r\n");
  EXPECT_THAT(said, StartsWith("HTTP/1.1 431 "));
  EXPECT_LT(sent, 600u);
  EXPECT_LE(left_.size(), 32u * 1024);
}

// RFC 9112 6.3: what is coded otherwise has no known end, and what follows is no request.
TEST_F(Http1SessionTest, OtherTransferCodingsAreRefused) {
  for (const char* const coding : {"gzip", "xchunked", "chunked, identity", "gzip, chunked"}) {
    EXPECT_EQ(status("POST /other HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " +
                     std::string(coding) + "\r\n\r\n" + get(query())),
              "400")
        << coding;
    EXPECT_TRUE(session_->ended()) << coding;
  }
  for (const char* const coding : {"gzip", "chunked"}) {
    EXPECT_EQ(status("POST /other HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: " +
                     std::string(coding) + "\r\n\r\n0\r\n\r\n" + get(query())),
              "400")
        << coding;
    EXPECT_TRUE(session_->ended()) << coding;
  }
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Http1SessionTest, ChunksInAnyPieces) {
  const std::string head =
      "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  const std::string chunks = "c;x=y\r\n" + text(query()).substr(0, 12) + "\r\nc\r\n" +
                             text(query()).substr(12, 12) + "\r\n0\r\n\r\n";
  ASSERT_EQ(query().size(), 24u);
  std::string said;
  for (const char c : head + chunks + head + chunks) said += talk(std::string(1, c));
  EXPECT_EQ(asked_, (std::vector<Octets>{query(), query()}));
  EXPECT_EQ(talk(head + "0\r\n"), "");
  EXPECT_EQ(talk("\r"), "");
  EXPECT_THAT(talk("\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Http1SessionTest, ExtensionsAndTrailersHaveAnEnd) {
  const std::string head =
      "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  for (const auto& [begin, more] : {std::pair{"1;", std::string(1000, 'x')},
                                    std::pair{"0\r\n", "X: " + std::string(1000, 'x') + "\r\n"}}) {
    session_ = make_http_session(false, {});
    left_.clear();
    EXPECT_EQ(talk(head + begin), "");
    std::string said;
    for (int i = 0; i < 100 && said.empty(); ++i) said = talk(more);
    EXPECT_THAT(said, StartsWith("HTTP/1.1 431 "));
    EXPECT_TRUE(session_->ended());
    EXPECT_LE(left_.size(), 32u * 1024);
  }
}

TEST_F(Http1SessionTest, ChunksAreJoinedAndBounded) {
  const std::string head =
      "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  std::string chunks;
  for (const std::uint8_t octet : query(7))
    chunks += "1\r\n" + std::string(1, static_cast<char>(octet)) + "\r\n";
  EXPECT_THAT(talk(head + chunks + "0\r\nX: trailer\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0], query(7));
  std::string said = talk(head);
  for (int i = 0; i < 100 && said.empty(); ++i) {
    said = talk("1000\r\n" + std::string(4096, 'x') + "\r\n");
    EXPECT_LE(session_->held(), 256u * 1024);
  }
  EXPECT_THAT(said, StartsWith("HTTP/1.1 413 "));
}

TEST_F(Http1SessionTest, SaysGoOnToWhoAsks) {
  const Octets message = query();
  const std::string whole = post(message, "Expect: 100-continue\r\n");
  const std::string head = whole.substr(0, whole.size() - message.size());
  EXPECT_EQ(talk(head), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(talk(text(message)), StartsWith("HTTP/1.1 200 "));
  session_ = make_http_session(false, {});
  EXPECT_THAT(talk("POST /other HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 5\r\n\r\n"),
              StartsWith("HTTP/1.1 404 "));
}

TEST_F(Http1SessionTest, ARefusedBodyIsReadToItsEnd) {
  EXPECT_EQ(talk("POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12"), "");
  EXPECT_THAT(talk("345" + get(query())),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("HTTP/1.1 200 OK")));
}

TEST_F(Http1SessionTest, ClosesWhenTold) {
  EXPECT_THAT(talk(post(query(), "Connection: close\r\n") + get(query())),
              HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_TRUE(session_->ended());
  session_ = make_http_session(false, {});
  session_->finish();
  EXPECT_TRUE(session_->ended());
}

}  // namespace
}  // namespace clusterdns::dns
