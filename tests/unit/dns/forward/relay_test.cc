#include "dns/forward/relay.h"

#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

// A parsed request and the octets it points into.
struct Asked {
  explicit Asked(const Ask& ask) : octets(request_of(ask)) {
    const std::size_t size = octets.size();
    octets.resize(size + 16);
    EXPECT_EQ(parse_query({octets.data(), size}, query), Gate::Pass);
  }
  Octets octets;
  Query query;
};

Message reply_for(const Asked& asked) {
  return reply_to(Octets(asked.octets.begin(),
                         asked.octets.begin() + static_cast<std::ptrdiff_t>(asked.query.size)));
}

TEST(RelayTest, OptInTheMiddleIsTakenOut) {
  const Asked asked({.qname = "example.com"});
  Message reply = reply_for(asked);
  reply.additional = {a_record("ns.example.com", "192.0.2.1")};
  reply.has_opt = true;
  Octets octets = write_message(reply, kMaxMessageSize);
  // The writer puts OPT last: swap it with the record before it, whose owner is a pointer back.
  const Octets opt(octets.end() - 11, octets.end());
  ReplyShape shape;
  ASSERT_TRUE(walk_reply(octets, shape));
  ASSERT_TRUE(shape.opt_is_last);
  octets.resize(octets.size() - 11);
  const std::size_t record = asked.query.question_end;
  octets.insert(octets.begin() + static_cast<std::ptrdiff_t>(record), opt.begin(), opt.end());
  ASSERT_TRUE(walk_reply(octets, shape));
  ASSERT_FALSE(shape.opt_is_last);
  Octets out;
  ASSERT_TRUE(build_response(asked.query, octets, kMaxUdpWithoutEdns, kDefaultUdpSize, out));
  const Message message = read_message(out).value();
  EXPECT_FALSE(message.has_opt);
  EXPECT_EQ(message.additional.size(), 1u);
}

TEST(RelayTest, ExtendedRcodeWithoutEdnsIsServfail) {
  const Asked asked({.qname = "example.com"});
  Message reply = reply_for(asked);
  reply.has_opt = true;
  reply.rcode = 23;  // BADCOOKIE, RFC 7873
  Octets out;
  ASSERT_TRUE(build_response(asked.query, write_message(reply, kMaxMessageSize), kMaxUdpWithoutEdns,
                             kDefaultUdpSize, out));
  EXPECT_EQ(read_message(out)->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
}

TEST(RelayTest, EveryLimitHolds) {
  const Asked plain({.qname = "big.example.com"});
  const Asked edns({.qname = "big.example.com", .edns = true});
  Message reply = reply_for(plain);
  for (int i = 0; i < 20; ++i) {
    reply.answer.push_back(
        name_record("big.example.com", RRType::CNAME, "t" + std::to_string(i) + ".example.net"));
    reply.answer.push_back(a_record("t" + std::to_string(i) + ".example.net", "192.0.2.1"));
    reply.additional.push_back(a_record("x" + std::to_string(i) + ".example", "192.0.2.2"));
  }
  for (const bool with_opt : {false, true}) {
    reply.has_opt = with_opt;
    const Octets octets = write_message(reply, kMaxMessageSize);
    for (const Asked* asked : {&plain, &edns}) {
      for (std::size_t limit = 512; limit < octets.size() + 20; limit += 7) {
        Octets out;
        ASSERT_TRUE(build_response(asked->query, octets, limit, kDefaultUdpSize, out));
        ASSERT_LE(out.size(), limit);
        const auto message = read_message(out);
        ASSERT_TRUE(message) << limit;
        EXPECT_EQ(message->has_opt, asked->query.has_edns);
        EXPECT_EQ(message->answer.size() < 40, (message->flags & kFlagTC) != 0) << limit;
      }
    }
  }
}

TEST(RelayTest, AnswersThatDoNotFitAtAll) {
  const Asked asked({.qname = "example.com", .edns = true, .dnssec_ok = true});
  Message reply = reply_for(asked);
  reply.answer.push_back({name("example.com"), RRType::TXT, RRClass::IN, 1, Octets(3000, 1)});
  reply.answer.back().rdata[0] = 255;
  Octets out;
  ASSERT_TRUE(build_response(asked.query, write_message(reply, kMaxMessageSize), 512,
                             kDefaultUdpSize, out));
  const auto message = read_message(out);
  ASSERT_TRUE(message);
  EXPECT_NE(message->flags & kFlagTC, 0);
  EXPECT_TRUE(message->answer.empty());
  EXPECT_TRUE(message->has_opt);
  EXPECT_EQ(message->qname.to_text(), "example.com.");
}

TEST(RelayTest, RefusesEveryCutOfAReply) {
  const Asked asked({.qname = "example.com", .edns = true});
  Message reply = reply_for(asked);
  reply.answer = {a_record("example.com", "192.0.2.1")};
  reply.authority = {soa_record("com")};
  const Octets octets = write_message(reply, kMaxMessageSize);
  Octets out;
  EXPECT_TRUE(build_response(asked.query, octets, 1232, kDefaultUdpSize, out));
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_FALSE(build_response(asked.query, {octets.data(), size}, 1232, kDefaultUdpSize, out))
        << size;
  }
  Octets longer = octets;
  longer.push_back(0);
  EXPECT_FALSE(build_response(asked.query, longer, 1232, kDefaultUdpSize, out));
}

TEST(RelayTest, SeesWhereAnAnswerStops) {
  const Asked asked({.qname = "example.com"});
  Message reply = reply_for(asked);
  const auto ends_in_alias = [&] {
    ReplyShape shape;
    EXPECT_TRUE(walk_reply(write_message(reply, kMaxMessageSize), shape));
    return shape.ends_in_alias;
  };
  EXPECT_FALSE(ends_in_alias());
  reply.answer = {name_record("example.com", RRType::CNAME, "example.net")};
  EXPECT_TRUE(ends_in_alias());
  reply.answer.push_back(a_record("example.net", "192.0.2.1"));
  EXPECT_FALSE(ends_in_alias());
  reply.qtype = RRType::CNAME;
  EXPECT_FALSE(ends_in_alias());
}

// Garbage from an upstream must not crash, and must stay within the limit.
TEST(RelayTest, MutatedReplies) {
  const Asked asked({.qname = "example.com", .edns = true});
  Message reply = reply_for(asked);
  reply.answer = {name_record("example.com", RRType::CNAME, "a.example.net"),
                  a_record("a.example.net", "192.0.2.1")};
  reply.authority = {soa_record("example.net")};
  reply.has_opt = true;
  const Octets octets = write_message(reply, kMaxMessageSize);
  std::uint32_t state = 12345;  // a small generator: the same mutations on every run
  const auto random = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  Octets out;
  unsigned accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    Octets mutated = octets;
    for (unsigned n = random() % 4 + 1; n > 0; --n) {
      mutated[random() % mutated.size()] = static_cast<std::uint8_t>(random());
    }
    if (build_response(asked.query, mutated, 512, kDefaultUdpSize, out)) {
      ++accepted;
      ASSERT_LE(out.size(), 512u);
    }
  }
  EXPECT_GT(accepted, 1000u);
  EXPECT_LT(accepted, 99'000u);
}

}  // namespace
}  // namespace clusterdns::dns::testing
