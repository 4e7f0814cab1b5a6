// HTTP/2 of DNS over HTTPS, and peers that mean ill.
#include <gmock/gmock.h>

#include <functional>
#include <random>

#include "dns/http/http_session.h"
#include "tests/unit/dns/http/http2_peer.h"

namespace clusterdns::dns {
namespace {

using namespace clusterdns::unit;  // NOLINT: frames are written as a language of their own

Octets query(std::uint16_t id = 0) { return Request{.qname = "a.test", .id = id}.wire(); }
// An answer without records, `size` octets long.
Octets answer_of(std::size_t size = 12) {
  Octets out(size);
  out[2] = 0x80;
  return out;
}

class Http2SessionTest : public ::testing::Test {
 protected:
  explicit Http2SessionTest(HttpSession::Settings settings = {})
      : session_(make_http_session(true, settings)) {}

  void feed(const Octets& octets) {
    Octets copy = octets;
    while (!copy.empty()) {
      const std::size_t taken = session_->take(copy, now_);
      ASSERT_GT(taken, 0u);
      copy.erase(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(taken));
    }
  }
  void pull() {
    Octets room(128 * 1024);
    while (const std::size_t size = session_->produce(room.data(), room.size())) {
      reader_.take({room.data(), size});
    }
  }
  // Answers all that is asked, at once.
  unsigned answer_all(const Octets& with = answer_of()) {
    unsigned count = 0;
    while (const auto asked = session_->next()) {
      session_->answer(asked->stream, with);
      ++count;
    }
    return count;
  }
  void talk(const Octets& octets) {
    feed(octets);
    answer_all();
    pull();
  }
  std::string status(std::uint32_t stream) { return reader_.responses[stream].fields[":status"]; }
  // Sends `make(i)` for i from 0 on, until the session ends; the number.
  unsigned until_calm(const std::function<Octets(unsigned)>& make, unsigned most = 100'000) {
    talk(preface());
    for (unsigned i = 0; i < most; ++i) {
      talk(make(i));
      EXPECT_LE(session_->held(), 1024u * 1024) << i;
      if (reader_.gone) {
        EXPECT_EQ(reader_.gone_code, kEnhanceYourCalm);
        EXPECT_TRUE(session_->ended());
        return i;
      }
      if (session_->ended()) return i;
    }
    return most;
  }

  std::unique_ptr<HttpSession> session_;
  Http2Reader reader_;
  std::int64_t now_ = 1;
};

TEST_F(Http2SessionTest, GetAndPostInAnyOrder) {
  feed(preface() + get(1, query(1)) + post(3, query(3)) + get(5, query(5)));
  std::vector<HttpSession::Asked> all;
  while (const auto asked = session_->next()) all.push_back(*asked);
  ASSERT_EQ(all.size(), 3u);
  for (const auto& asked : all) {
    EXPECT_EQ(Octets(asked.message.begin(), asked.message.end()),
              query(static_cast<std::uint16_t>(asked.stream)));
  }
  Octets reply;
  put_u16(reply, 5);
  for (const unsigned word : {0x8180U, 0U, 1U, 0U, 0U}) put_u16(reply, word);
  put_record(reply, "a.test", RRType::A, 1, 30, {192, 0, 2, 1});
  session_->answer(5, reply);
  session_->give_none(1);
  session_->answer(3, answer_of());
  EXPECT_EQ(session_->pending(), reply.size() + 12 + std::string("no response\n").size());
  pull();
  EXPECT_EQ(session_->pending(), 0u);
  auto& fields = reader_.responses[5].fields;
  EXPECT_EQ(fields[":status"], "200");
  EXPECT_EQ(fields["content-type"], "application/dns-message");
  EXPECT_EQ(fields["content-length"], std::to_string(reply.size()));
  EXPECT_EQ(fields["cache-control"], "max-age=30");
  EXPECT_TRUE(fields["date"].ends_with(" GMT"));
  EXPECT_EQ(reader_.responses[5].body, reply);
  EXPECT_TRUE(reader_.responses[5].ended);
  EXPECT_EQ(status(1), "500");
  EXPECT_EQ(status(3), "200");
  // Once is enough, and nobody waits on.
  session_->answer(3, answer_of());
  session_->answer(99, answer_of());
  EXPECT_EQ(session_->pending(), 0u);
}

TEST_F(Http2SessionTest, InAnyPieces) {
  for (const std::uint8_t octet : preface() + get(1, query()) + post(3, query())) feed({octet});
  EXPECT_EQ(answer_all(), 2u);
  pull();
  EXPECT_EQ(status(1), "200");
  EXPECT_EQ(status(3), "200");
  EXPECT_FALSE(session_->unfinished());
  const Octets begun = get(5, query());
  feed(Octets(begun.begin(), begun.begin() + 20));
  EXPECT_TRUE(session_->unfinished());
}

TEST_F(Http2SessionTest, WhatIsNoQueryIsRefused) {
  const auto counters = std::make_shared<HttpCounters>(1);
  session_ = make_http_session(true, {kDohStreams, counters, 0});
  talk(preface());
  std::uint32_t stream = 1;
  const auto refused = [&](Fields fields, const Octets& body = {}) {
    const std::uint32_t mine = std::exchange(stream, stream + 2);
    if (body.empty()) {
      talk(frame(kHeaders, kEndStream | kEndHeaders, mine, header_block(fields)));
    } else {
      talk(frame(kHeaders, kEndHeaders, mine, header_block(fields)) +
           frame(kData, kEndStream, mine, body));
    }
    EXPECT_TRUE(reader_.responses[mine].ended);
    return status(mine);
  };
  const std::string q = base64url(query());
  EXPECT_EQ(refused(get_fields("/")), "404");
  EXPECT_EQ(refused(get_fields("/dns-query/?dns=" + q)), "404");
  EXPECT_EQ(refused(get_fields("/dns-query")), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?dns=")), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?dns=" + q + "=")), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?dns=" + q + "&dns=" + q)), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?dns=A")), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?dns=%zz")), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?dns=" + base64url(Octets(200)))), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?a=b&dns=" + q + "&c")), "200");
  EXPECT_EQ(refused(get_fields("/%64ns-query?%64ns=" + q)), "200");
  const auto with = [](const std::string& method, const std::string& type) {
    return Fields{{":method", method},
                  {":scheme", "https"},
                  {":authority", "dns.test"},
                  {":path", "/dns-query"},
                  {"content-type", type}};
  };
  EXPECT_EQ(refused(with("PUT", "application/dns-message"), query()), "405");
  EXPECT_EQ(reader_.responses[stream - 2].fields["allow"], "GET, POST");
  EXPECT_EQ(refused(with("HEAD", "")), "405");
  EXPECT_EQ(reader_.responses[stream - 2].body, Octets());
  EXPECT_EQ(refused(with("POST", "text/plain"), query()), "415");
  EXPECT_EQ(refused(with("POST", "Application/DNS-Message; a=b"), query()), "200");
  EXPECT_EQ(refused(with("POST", "application/dns-message")), "400");
  auto large = with("POST", "application/dns-message");
  large.emplace_back("content-length", "65536");
  const std::uint32_t mine = std::exchange(stream, stream + 2);
  talk(frame(kHeaders, kEndHeaders, mine, header_block(large)));
  EXPECT_EQ(status(mine), "413");
  // Told at once; the rest is read, up to a bound (RFC 9113 8.1).
  EXPECT_TRUE(reader_.responses[mine].ended);
  const Octets more(16'000);
  for (int i = 0; i < 4; ++i) talk(frame(kData, 0, mine, more));
  EXPECT_EQ(reader_.count(kRstStream), 0u);
  for (int i = 0; i < 20; ++i) talk(frame(kData, 0, mine, more));
  EXPECT_EQ(reader_.count(kRstStream), 1u);
  EXPECT_FALSE(reader_.gone);
  EXPECT_EQ(refused(get_fields("/dns-query?dns=" + std::string(15'990, 'A'))), "400");
  EXPECT_EQ(refused(get_fields("/dns-query?dns=" + std::string(16'300, 'A'))), "414");
  Fields many = get_fields("/dns-query?dns=" + q);
  for (int i = 0; i < 100; ++i) many.emplace_back("x", std::string(150, 'x'));
  EXPECT_EQ(refused(many), "431");
  const auto& counted = counters->cells()[0].responses;
  EXPECT_EQ(counted[0].get(), 3u);  // 200
  EXPECT_EQ(counted[1].get(), 9u);  // 400
  EXPECT_EQ(counted[2].get(), 2u);  // 404
}

TEST_F(Http2SessionTest, AFloodOfFramesEndsIt) {
  const Octets nothing;
  const std::vector<std::function<Octets(unsigned)>> floods = {
      [](unsigned) { return frame(kPing, 0, 0, Octets(8)); },
      [](unsigned) { return frame(kSettings, 0, 0); },
      [](unsigned) { return frame(kWindowUpdate, 0, 0, u32(1)); },
      [](unsigned i) { return frame(kPriority, 0, 2 * i + 1, Octets(5)); },
      [](unsigned) { return frame(0x77, 0, 0, Octets(3)); },
      [](unsigned i) { return i == 0 ? post_head(1) : frame(kData, 0, 1); },
      [](unsigned i) { return i == 0 ? post_head(1) : frame(kData, 0, 1, {0}); },
      // Of a stream that is closed.
      [](unsigned) { return get(1, query()); },
      [](unsigned i) { return i == 0 ? get(1, query()) : frame(kData, 0, 1, Octets(100)); },
      // Of streams that are more than agreed.
      [](unsigned i) { return i <= kDohStreams ? post_head(2 * i + 1) : get(2 * i + 1, query()); },
  };
  for (const auto& flood : floods) {
    session_ = make_http_session(true, {});
    reader_.~Http2Reader();
    new (&reader_) Http2Reader();
    EXPECT_LT(until_calm(flood), 2 * kDohFrames);
  }
}

TEST_F(Http2SessionTest, BlocksOfHeaderFieldsHaveAnEnd) {
  // CVE-2024-27316: CONTINUATION without end; and many empty ones.
  for (const std::size_t size : {0U, 1000U}) {
    session_ = make_http_session(true, {});
    feed(preface());
    pull();
    const Octets block = header_block(get_fields("/dns-query"));
    feed(frame(kHeaders, kEndStream, 1, block));
    unsigned sent = 0;
    for (; sent < 100'000 && !session_->ended(); ++sent) {
      Octets more;
      if (size != 0) more = header_block({{"x", std::string(size, 'x')}});
      feed(frame(kContinuation, 0, 1, more));
      EXPECT_LE(session_->held(), 1024u * 1024);
      pull();
    }
    EXPECT_LT(sent, 300u);
    EXPECT_FALSE(session_->has_next());
  }
}

// One octet of a block can mean a field of 4 KB, and each octet of that is looked at.
Octets bomb(const Fields& first) {
  Octets block = header_block(first);
  block.push_back(0x40);  // RFC 7541 6.2.1: a literal that is indexed
  const Octets literal = header_block({{"x", std::string(3900, 'x')}});
  block.insert(block.end(), literal.begin() + 1, literal.end());
  block.resize(block.size() + 10'000, 0x80 | 62);  // 6.1: and again
  return block;
}

TEST_F(Http2SessionTest, FieldsThatGrowWhenTheyAreReadEndIt) {
  const std::vector<std::function<Octets(std::uint32_t)>> bombs = {
      [](std::uint32_t stream) {
        return frame(kHeaders, kEndStream | kEndHeaders, stream,
                     bomb(get_fields("/dns-query?dns=" + base64url(query()))));
      },
      // Trailers, of a request that has its answer already and of one that has none.
      [](std::uint32_t stream) {
        return post_head(stream, {}, "text/plain") +
               frame(kHeaders, kEndStream | kEndHeaders, stream, bomb({}));
      },
      [](std::uint32_t stream) {
        return post_head(stream) + frame(kHeaders, kEndStream | kEndHeaders, stream, bomb({}));
      },
  };
  for (const auto& each : bombs) {
    session_ = make_http_session(true, {});
    reader_.~Http2Reader();
    new (&reader_) Http2Reader();
    EXPECT_LT(until_calm([&](unsigned i) { return each(2 * i + 1); }, 300), 2 * kDohResets);
    EXPECT_NE(status(1), "431");
  }
}

TEST_F(Http2SessionTest, NothingIsAskedForAPeerThatIsGivenUp) {
  feed(preface());
  for (std::uint32_t i = 0; i < 10; ++i) feed(get(2 * i + 1, query()));
  EXPECT_TRUE(session_->has_next());
  for (unsigned i = 0; i < kDohFramesMost && session_->takes(); ++i) {
    feed(frame(kPing, 0, 0, Octets(8)));
  }
  EXPECT_FALSE(session_->has_next());
  EXPECT_FALSE(session_->next());
}

TEST_F(Http2SessionTest, RapidResetEndsIt) {
  // CVE-2023-44487. Nobody has asked for the queries, or their answers are on their way.
  for (const bool asks : {false, true}) {
    session_ = make_http_session(true, {});
    reader_.~Http2Reader();
    new (&reader_) Http2Reader();
    feed(preface());
    unsigned sent = 0;
    for (; sent < 10'000 && !session_->ended(); ++sent) {
      feed(get(2 * sent + 1, query()));
      if (asks) (void)session_->next();
      feed(frame(kRstStream, 0, 2 * sent + 1, u32(kCancel)));
      if (!session_->ended()) {
        EXPECT_FALSE(session_->has_next());
      }
      pull();
    }
    EXPECT_LT(sent, 2 * kDohResets);
    EXPECT_EQ(reader_.gone_code, kEnhanceYourCalm);
  }
}

TEST_F(Http2SessionTest, ResetsThatThePeerProvokesCount) {
  // CVE-2025-8671: an error of a stream makes us reset it.
  const unsigned sent = until_calm([](unsigned i) {
    const std::uint32_t stream = 2 * i + 1;
    return post_head(stream) + frame(kWindowUpdate, 0, stream, u32(0x7FFFFFFF));
  });
  EXPECT_LT(sent, 2 * kDohResets);
}

TEST_F(Http2SessionTest, WhoCancelsNowAndThenGoesOn) {
  feed(preface());
  for (unsigned i = 0; i < 500; ++i) {
    const std::uint32_t stream = 4 * i + 1;
    talk(get(stream, query()));
    feed(get(stream + 2, query()));
    (void)session_->next();
    talk(frame(kRstStream, 0, stream + 2, u32(kCancel)));
    ASSERT_EQ(status(stream), "200") << i;
  }
}

TEST_F(Http2SessionTest, AWindowThatIsShutHoldsBackQueriesNotFrames) {
  Octets no_window;
  put_u16(no_window, 4);  // SETTINGS_INITIAL_WINDOW_SIZE
  add_u32(no_window, 0);
  feed(preface(no_window));
  pull();
  for (std::uint32_t i = 0; i < kDohStreams; ++i) feed(get(2 * i + 1, query()));
  unsigned asked = 0;
  while (const auto one = session_->next()) {
    session_->answer(one->stream, answer_of(8000));
    ++asked;
  }
  pull();
  EXPECT_EQ(asked, 9u);  // 64 KiB and what goes beyond
  EXPECT_EQ(session_->pending(), 9 * 8000u);
  EXPECT_LE(session_->held(), 512u * 1024);
  // The peer takes them, one after the other.
  for (std::uint32_t i = 0; i < kDohStreams; ++i) {
    feed(frame(kWindowUpdate, 0, 2 * i + 1, u32(8000)) + frame(kWindowUpdate, 0, 0, u32(8000)));
    pull();
    (void)answer_all(answer_of(8000));
  }
  pull();
  for (std::uint32_t i = 0; i < kDohStreams; ++i) {
    EXPECT_EQ(reader_.responses[2 * i + 1].body.size(), 8000u) << i;
  }
}

TEST_F(Http2SessionTest, AnswersThatNobodyTakesAreGivenUp) {
  Octets no_window;
  put_u16(no_window, 4);
  add_u32(no_window, 0);
  feed(preface(no_window));
  std::vector<std::uint32_t> streams;
  for (std::uint32_t i = 0; i < kDohStreams; ++i) {
    feed(get(2 * i + 1, query()));
    while (const auto one = session_->next()) streams.push_back(one->stream);
  }
  for (const std::uint32_t stream : streams) session_->answer(stream, answer_of(60'000));
  pull();
  EXPECT_LE(session_->pending(), 256u * 1024);
  // That many is more than anybody does by mistake.
  EXPECT_GE(reader_.count(kRstStream), kDohResets);
  EXPECT_EQ(reader_.gone_code, kEnhanceYourCalm);
  EXPECT_LE(session_->held(), 512u * 1024);
}

TEST_F(Http2SessionTest, BodiesHaveABound) {
  feed(preface());
  pull();
  // Each is smaller than a message may be; the window is opened as we read.
  for (std::uint32_t i = 0; i < 20; ++i) {
    feed(post_head(2 * i + 1));
    for (int part = 0; part < 3; ++part) {
      feed(frame(kData, 0, 2 * i + 1, Octets(10'000)));
      pull();
      EXPECT_LE(session_->held(), 400u * 1024);
    }
  }
  EXPECT_GT(reader_.count(kRstStream), 10u);
  EXPECT_FALSE(reader_.gone);
  talk(get(101, query()));
  EXPECT_EQ(status(101), "200");
}

TEST_F(Http2SessionTest, SlowRequestsEnd) {
  now_ = 1000;
  feed(preface() + post_head(1));
  now_ = 2000;
  feed(post_head(3) + get(5, query()));
  EXPECT_FALSE(session_->sweep(1000));
  EXPECT_TRUE(session_->sweep(1500));
  answer_all();
  pull();
  EXPECT_EQ(reader_.responses[1].reset, kCancel);
  EXPECT_EQ(reader_.responses[3].reset, 0u);
  EXPECT_EQ(status(5), "200");
  talk(frame(kData, kEndStream, 3, query()));
  EXPECT_EQ(status(3), "200");
  // One that is refused, and goes on.
  talk(post_head(7, {}, "text/plain"));
  EXPECT_EQ(status(7), "415");
  EXPECT_FALSE(session_->sweep(1500));
  EXPECT_TRUE(session_->sweep(2500));
  pull();
  EXPECT_EQ(reader_.count(kRstStream), 2u);
}

TEST_F(Http2SessionTest, NoMoreStreamsThanAgreed) {
  session_ = make_http_session(true, {4, nullptr, 0});
  feed(preface() + frame(kSettings, 1, 0));
  for (std::uint32_t i = 0; i < 4; ++i) feed(get(2 * i + 1, query()));
  feed(get(9, query()));
  pull();
  // RFC 9113 5.1.2.
  EXPECT_TRUE(reader_.responses[9].reset != 0 || reader_.gone);
}

TEST_F(Http2SessionTest, EndsSoftly) {
  feed(preface() + get(1, query()));
  ASSERT_TRUE(session_->next());
  session_->finish();
  pull();
  EXPECT_TRUE(reader_.gone);
  EXPECT_EQ(reader_.gone_code, 0u);
  EXPECT_EQ(reader_.last_stream, 1u);
  feed(get(3, query()));
  EXPECT_FALSE(session_->has_next());
  EXPECT_FALSE(session_->ended());
  session_->answer(1, answer_of());
  pull();
  EXPECT_EQ(status(1), "200");
  EXPECT_TRUE(session_->ended());
}

TEST_F(Http2SessionTest, WhatIsNoHttp2Ends) {
  feed(Octets(100, 'x'));
  pull();
  EXPECT_TRUE(session_->ended());
  EXPECT_FALSE(session_->takes());
  EXPECT_FALSE(session_->has_next());
}

TEST_F(Http2SessionTest, AnyOctetsDoNoHarm) {
  std::mt19937 random(7);
  Octets good = preface();
  for (std::uint32_t i = 0; i < 8; ++i) {
    good = good + get(4 * i + 1, query()) + post(4 * i + 3, query()) +
           frame(kWindowUpdate, 0, 0, u32(100)) + frame(kPing, 0, 0, Octets(8));
  }
  for (int round = 0; round < 2000; ++round) {
    session_ = make_http_session(true, {});
    Octets bad = good;
    const unsigned changes = random() % 8;
    for (unsigned i = 0; i < changes; ++i) {
      bad[24 + random() % (bad.size() - 24)] = static_cast<std::uint8_t>(random());
    }
    for (std::size_t at = 0; at < bad.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 300, bad.size() - at);
      std::size_t taken = 0;
      while (taken < size) {
        taken += session_->take({bad.data() + at + taken, size - taken}, now_);
      }
      at += size;
      answer_all();
      Octets room(64 * 1024);
      while (session_->produce(room.data(), room.size()) != 0) {
      }
      ASSERT_LE(session_->held(), 1024u * 1024);
    }
  }
}

TEST_F(Http2SessionTest, AnIdleSessionIsSmall) {
  talk(preface() + frame(kSettings, 1, 0));
  for (std::uint32_t i = 0; i < 200; ++i) talk(get(2 * i + 1, query()));
  RecordProperty("held", static_cast<int>(session_->held()));
  EXPECT_LE(session_->held(), 32u * 1024);
}

}  // namespace
}  // namespace clusterdns::dns
