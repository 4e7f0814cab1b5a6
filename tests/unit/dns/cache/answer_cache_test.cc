#include "dns/cache/answer_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "dns/query/encoder.h"
#include "dns/wire/plain_size.h"
#include "tests/unit/dns/forward/conversation.h"

namespace clusterdns::dns::testing {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class AnswerCacheTest : public ::testing::Test {
 protected:
  // A question with its octets.
  struct Question {
    explicit Question(const Ask& ask) : octets(request_of(ask)) {
      const std::size_t size = octets.size();
      octets.resize(size + kPadding);
      EXPECT_EQ(parse_query({octets.data(), size}, query), Gate::Pass);
      octets.resize(size);
    }
    Octets octets;
    Query query;
  };

  AnswerCacheTest() { options_.zones.add(Name()); }

  AnswerCache& cache() {
    if (!cache_) cache_ = std::make_unique<AnswerCache>(options_, reclaim_);
    return *cache_;
  }

  static const AnswerCache::Entry* store_in(AnswerCache& cache, const Query& query,
                                            std::span<const std::uint8_t> reply, std::int64_t now,
                                            unsigned worker) {
    ReplyRecords records(query.name());
    (void)records.read(reply, {query.qtype, query.dnssec_ok, {}}, {});
    const std::uint16_t flags = load_u16(reply.data() + 2);
    return cache.store(CacheQuestion(query), {flags, static_cast<std::uint16_t>(flags & 0xF), {}},
                       records, now, worker);
  }
  bool store(const Ask& ask, const std::function<void(Message&)>& change) {
    const Question question(ask);
    Message reply = reply_to(question.octets);
    reply.has_opt = false;
    change(reply);
    if (!cache().takes(CacheQuestion(question.query))) return false;
    return store_in(cache(), question.query, write_message(reply, kMaxMessageSize), now_, 0) !=
           nullptr;
  }
  bool store_a(const std::string& owner, std::uint32_t ttl = 60) {
    return store({.qname = owner}, [&](Message& reply) {
      reply.answer.push_back(a_record(owner, "192.0.2.1", ttl));
    });
  }

  static std::vector<std::string> lines_of(const std::vector<Record>& section) {
    std::vector<std::string> lines;
    for (const Record& record : section) {
      lines.push_back(record.owner.to_text() + " " + rdata_to_text(record.type, record.rdata));
    }
    return lines;
  }

  // What is answered from the cache, within `limit` octets.
  std::optional<Message> find(const Ask& ask, std::size_t limit = kMaxMessageSize) {
    const Question question(ask);
    if (!cache().takes(CacheQuestion(question.query))) return std::nullopt;
    const auto* const entry = cache().find(CacheQuestion(question.query), now_, 0);
    if (entry == nullptr) return std::nullopt;
    Answer answer;
    answer.reset(question.query.lower.data(), question.query.qname_size);
    cache().fill(*entry, question.query, now_, rotate_, answer);
    Octets out(kMaxMessageSize);
    out.resize(encode_answer(question.query, answer, kDefaultUdpSize, out.data(), limit));
    auto message = read_message(out);
    EXPECT_TRUE(message.has_value());
    return *message;
  }

  CacheOptions options_;
  ReclaimDomain reclaim_{1};
  std::unique_ptr<AnswerCache> cache_;
  std::int64_t now_ = 1000 * kSecond;
  bool rotate_ = false;
};

TEST_F(AnswerCacheTest, WhatIsTooLargeIsNotKept) {
  // In texts of 200 octets, with their owner and all else 213.
  const auto kept = [&](std::size_t octets) {
    const std::string owner = "n" + std::to_string(octets) + ".example";
    return store({.qname = owner, .type = RRType::TXT}, [&](Message& reply) {
      for (std::size_t i = 0; i < octets / 213; ++i) {
        Record record = a_record(owner, "192.0.2.1", 60);
        record.type = RRType::TXT;
        record.rdata.assign(201, static_cast<std::uint8_t>(i));
        record.rdata[0] = 200;
        reply.answer.push_back(record);
      }
    });
  };
  EXPECT_TRUE(kept(AnswerCache::kMaxCachedMessage - 400));
  EXPECT_FALSE(kept(AnswerCache::kMaxCachedMessage + 400));
}

TEST_F(AnswerCacheTest, KeepsAnAnswerForItsTtlAndCountsDown) {
  ASSERT_TRUE(store_a("example.com", 60));
  auto answer = find({.qname = "example.com"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answer.at(0).ttl, 60u);
  now_ += 59 * kSecond;
  answer = find({.qname = "example.com"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answer.at(0).ttl, 1u);
  now_ += kSecond;
  EXPECT_FALSE(find({.qname = "example.com"}));
  const auto totals = cache().totals();
  EXPECT_EQ(totals.requests, 3u);
  EXPECT_EQ(totals.hits[0], 2u);
  EXPECT_EQ(totals.misses, 1u);
}

TEST_F(AnswerCacheTest, LetterCaseDoesNotMatterAndIsGivenBack) {
  ASSERT_TRUE(store_a("example.com"));
  const auto answer = find({.qname = "eXample.COM"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answer.at(0).owner.to_text(), "eXample.COM.");
}

TEST_F(AnswerCacheTest, TypesAndDnssecFlagsAreApart) {
  ASSERT_TRUE(store_a("example.com"));
  EXPECT_FALSE(find({.qname = "example.com", .type = RRType::AAAA}));
  EXPECT_FALSE(find({.qname = "example.com", .edns = true, .dnssec_ok = true}));
  EXPECT_FALSE(find({.qname = "example.com", .flags = kFlagRD | kFlagCD}));
  EXPECT_FALSE(find({.qname = "example.com", .flags = kFlagRD | kFlagAD}));
  EXPECT_TRUE(find({.qname = "example.com", .edns = true}));
  EXPECT_FALSE(find({.qname = "xample.com"}));
}

TEST_F(AnswerCacheTest, AuthenticDataIsForThoseWhoAskForIt) {
  const Ask ask{.qname = "example.com", .flags = kFlagRD | kFlagAD};
  ASSERT_TRUE(store(ask, [](Message& reply) {
    reply.flags |= kFlagAD;
    reply.answer.push_back(a_record("example.com", "192.0.2.1"));
  }));
  EXPECT_EQ(find(ask)->flags & kFlagAD, kFlagAD);
  ASSERT_TRUE(store({.qname = "example.net"}, [](Message& reply) {
    reply.flags |= kFlagAD;
    reply.answer.push_back(a_record("example.net", "192.0.2.1"));
  }));
  EXPECT_EQ(find({.qname = "example.net"})->flags & kFlagAD, 0);
}

TEST_F(AnswerCacheTest, WhatIsNotTakenAtAll) {
  const auto taken = [&](const Ask& ask) {
    const Question question(ask);
    return cache().takes(CacheQuestion(question.query));
  };
  EXPECT_TRUE(taken({.qname = "example.com"}));
  EXPECT_FALSE(taken({.qname = "example.com", .flags = 0}));  // what the upstream itself holds
  EXPECT_FALSE(taken({.qname = "example.com", .type = RRType::ANY}));
  EXPECT_FALSE(taken({.qname = "example.com", .type = RRType::AXFR}));
  // Options are between the client and us; none of them decides what the answer is.
  const Octets subnet{0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2};
  EXPECT_TRUE(taken({.qname = "example.com", .edns = true, .options = subnet}));
}

TEST_F(AnswerCacheTest, OnlyTheZonesNamed) {
  options_.zones = {name("example.com")};
  EXPECT_TRUE(store_a("example.com"));
  EXPECT_TRUE(store_a("www.example.com"));
  EXPECT_FALSE(store_a("example.net"));
  EXPECT_FALSE(store_a("notexample.com"));
}

TEST_F(AnswerCacheTest, TtlsAreBoundBothWays) {
  options_.success.max_ttl = 30;
  ASSERT_TRUE(store_a("long.example", 3600));
  ASSERT_TRUE(store_a("short.example", 1));
  EXPECT_EQ(find({.qname = "long.example"})->answer.at(0).ttl, 30u);
  EXPECT_EQ(find({.qname = "short.example"})->answer.at(0).ttl, 5u);
}

// Who says 0 does not want it to be kept, and no minimum changes that.
TEST_F(AnswerCacheTest, ATtlOfNoughtIsNotKept) {
  for (const std::uint32_t least : {0u, 5u, 120u}) {
    cache_.reset();
    options_.success.min_ttl = options_.denial.min_ttl = least;
    EXPECT_FALSE(store_a("example.com", 0));
    EXPECT_TRUE(store_a("example.com", 1));
    // RFC 2181 section 8: the top bit makes it nought.
    EXPECT_FALSE(store_a("example.net", 0x80000001));
    for (const bool ttl_is_nought : {true, false}) {
      EXPECT_FALSE(store({.qname = "nowhere.example"}, [&](Message& reply) {
        reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
        Record soa = soa_record("example");
        soa.ttl = ttl_is_nought ? 0 : 60;
        store_u32(soa.rdata.data() + soa.rdata.size() - 4, ttl_is_nought ? 60 : 0);
        reply.authority.push_back(soa);
      }));
    }
  }
}

TEST_F(AnswerCacheTest, NothingIsKeptForMoreThanAWeek) {
  options_.success.max_ttl = options_.denial.max_ttl = 0x7FFFFFFF;
  ASSERT_TRUE(store_a("example.com", 0x7FFFFFFF));
  EXPECT_EQ(find({.qname = "example.com"})->answer.at(0).ttl, 7u * 24 * 3600);
}

// CoreDNS reports the size of responses before compression.
TEST_F(AnswerCacheTest, TheSizeWithoutCompressionIsKnown) {
  ASSERT_TRUE(store({.qname = "www.example"}, [](Message& reply) {
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example", 300));
    reply.answer.push_back(a_record("host.example", "192.0.2.1", 20));
  }));
  const Question question({.qname = "www.example"});
  const auto* const entry = cache().find(CacheQuestion(question.query), now_, 0);
  ASSERT_NE(entry, nullptr);
  Answer answer;
  answer.reset(question.query.lower.data(), question.query.qname_size);
  cache().fill(*entry, question.query, now_, false, answer);
  Octets out(kMaxMessageSize);
  out.resize(encode_answer(question.query, answer, kDefaultUdpSize, out.data(), kMaxMessageSize));
  EXPECT_EQ(answer.plain_size, plain_size(out));
  EXPECT_GT(answer.plain_size, out.size());
}

TEST_F(AnswerCacheTest, TheShortestTtlIsThatOfAll) {
  ASSERT_TRUE(store({.qname = "www.example"}, [](Message& reply) {
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example", 300));
    reply.answer.push_back(a_record("host.example", "192.0.2.1", 20));
  }));
  const auto answer = find({.qname = "www.example"});
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->answer.size(), 2u);
  for (const Record& record : answer->answer) EXPECT_EQ(record.ttl, 20u);
}

// RFC 2308 section 5: the smaller of the SOA's TTL and its MINIMUM.
TEST_F(AnswerCacheTest, NegativeAnswers) {
  for (const auto& [rcode, owner] : {std::pair{Rcode::NXDomain, "nowhere.example"},
                                     std::pair{Rcode::NoError, "nothing.example"}}) {
    ASSERT_TRUE(store({.qname = owner}, [rcode = rcode](Message& reply) {
      reply.rcode = static_cast<std::uint16_t>(rcode);
      Record soa = soa_record("example");
      soa.ttl = 600;
      store_u32(soa.rdata.data() + soa.rdata.size() - 4, 40);
      reply.authority.push_back(soa);
    }));
    const auto answer = find({.qname = owner});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->rcode, static_cast<std::uint16_t>(rcode));
    ASSERT_EQ(answer->authority.size(), 1u);
    EXPECT_EQ(answer->authority[0].ttl, 40u);
  }
  EXPECT_EQ(cache().entries(CacheKind::Denial), 2u);
  EXPECT_EQ(cache().entries(CacheKind::Success), 0u);
}

TEST_F(AnswerCacheTest, AliasThatLeadsToNothing) {
  ASSERT_TRUE(store({.qname = "www.example"}, [](Message& reply) {
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example"));
    reply.authority.push_back(soa_record("example"));
  }));
  EXPECT_EQ(cache().entries(CacheKind::Denial), 1u);
}

// The alias is kept, what it leads to is not known from it.
TEST_F(AnswerCacheTest, AliasesThatLeadOnAreMarked) {
  ASSERT_TRUE(store({.qname = "www.example"}, [](Message& reply) {
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example", 300));
  }));
  ASSERT_TRUE(store_a("other.example"));
  for (const auto& [qname, leads_on] : {std::pair{"www.example", true}, {"other.example", false}}) {
    const Question question({.qname = qname});
    const auto* const entry = cache().find(CacheQuestion(question.query), now_, 0);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(AnswerCache::leads_on(*entry), leads_on);
  }
}

// RFC 2308 section 5: "SHOULD NOT be cached". A few seconds spare the upstream, and no minimum
// makes more of them.
TEST_F(AnswerCacheTest, NegativeAnswersWithoutAnSoaAreKeptShortly) {
  options_.success.min_ttl = options_.denial.min_ttl = 120;
  const auto alias = [](Message& reply) {
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example", 300));
  };
  const std::vector<std::pair<const char*, std::function<void(Message&)>>> cases{
      {"NXDOMAIN",
       [](Message& reply) { reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain); }},
      {"NODATA", [](Message&) {}},
      {"alias into nothing, NXDOMAIN",
       [&](Message& reply) {
         alias(reply);
         reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
       }},
      {"SOA of another zone",
       [](Message& reply) { reply.authority.push_back(soa_record("example.net")); }},
      {"SOA of the alias's zone alone",
       [](Message& reply) {
         reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
         reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example.net", 300));
         reply.authority.push_back(soa_record("example"));
       }},
      {"referral", [](Message& reply) {
         reply.authority.push_back(name_record("example", RRType::NS, "ns.example", 300));
       }}};
  for (const auto& [what, change] : cases) {
    SCOPED_TRACE(what);
    ASSERT_TRUE(store({.qname = "www.example"}, change));
    now_ += 4 * kSecond;
    EXPECT_TRUE(find({.qname = "www.example"}));
    now_ += kSecond;
    EXPECT_FALSE(find({.qname = "www.example"}));
  }
  // As long as it says, when that is less.
  ASSERT_TRUE(store({.qname = "www.example"}, [](Message& reply) {
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example", 2));
  }));
  EXPECT_EQ(find({.qname = "www.example"})->answer.at(0).ttl, 2u);
}

TEST_F(AnswerCacheTest, FailuresAreKeptAsLongAsConfigured) {
  options_.servfail_ttl = 3;
  const auto fails = [](Message& reply) {
    reply.rcode = static_cast<std::uint16_t>(Rcode::ServFail);
  };
  ASSERT_TRUE(store({.qname = "bad.example"}, fails));
  now_ += 2 * kSecond;
  EXPECT_EQ(find({.qname = "bad.example"})->rcode, static_cast<std::uint16_t>(Rcode::ServFail));
  now_ += kSecond;
  EXPECT_FALSE(find({.qname = "bad.example"}));
  cache_.reset();
  options_.servfail_ttl = 0;
  EXPECT_FALSE(store({.qname = "bad.example"}, fails));
}

TEST_F(AnswerCacheTest, RepliesThatAreNotKept) {
  const auto a = [](Message& reply) {
    reply.answer.push_back(a_record("example.com", "192.0.2.1"));
  };
  EXPECT_FALSE(store({.qname = "example.com"}, [&](Message& reply) {
    a(reply);
    reply.flags |= kFlagTC;
  }));
  EXPECT_FALSE(store({.qname = "example.com"}, [](Message& reply) {
    reply.rcode = static_cast<std::uint16_t>(Rcode::Refused);
  }));
  // Octets behind the last record, or records that are not there.
  const Question question({.qname = "example.com"});
  Message reply = reply_to(question.octets);
  a(reply);
  Octets octets = write_message(reply, kMaxMessageSize);
  octets.push_back(0);
  EXPECT_EQ(store_in(cache(), question.query, octets, now_, 0), nullptr);
  octets.pop_back();
  for (std::size_t size = 4; size < octets.size(); ++size) {
    EXPECT_EQ(store_in(cache(), question.query, {octets.data(), size}, now_, 0), nullptr) << size;
  }
  EXPECT_NE(store_in(cache(), question.query, octets, now_, 0), nullptr);
}

// What others are called does not belong to the answer, and is not in the cache either.
TEST_F(AnswerCacheTest, RecordsOfOthersAreNotKept) {
  const auto victim = a_record("victim.example", "192.0.2.66");
  ASSERT_TRUE(store({.qname = "example.com"}, [&](Message& reply) {
    reply.answer.push_back(victim);
    reply.answer.push_back(a_record("example.com", "192.0.2.1"));
    reply.authority.push_back(name_record("example.com", RRType::NS, "victim.example"));
    reply.additional.push_back(victim);
  }));
  const auto answer = find({.qname = "example.com"});
  EXPECT_EQ(lines_of(answer->answer), std::vector<std::string>{"example.com. 192.0.2.1"});
  EXPECT_TRUE(answer->authority.empty());
  EXPECT_TRUE(answer->additional.empty());
  EXPECT_FALSE(
      store({.qname = "example.com"}, [&](Message& reply) { reply.answer.push_back(victim); }));
}

// The next record comes first each time, and everything else stands where it stood.
TEST_F(AnswerCacheTest, AddressesTakeTurns) {
  rotate_ = true;
  ASSERT_TRUE(store({.qname = "www.example"}, [](Message& reply) {
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example", 300));
    for (int i = 1; i <= 3; ++i) {
      reply.answer.push_back(a_record("host.example", "192.0.2." + std::to_string(i), 300));
    }
  }));
  for (int turn = 0; turn < 7; ++turn) {
    const auto answer = find({.qname = "www.example"});
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->answer.size(), 4u);
    EXPECT_EQ(answer->answer[0].type, RRType::CNAME);
    for (int i = 0; i < 3; ++i) {
      const Record& record = answer->answer[static_cast<std::size_t>(i) + 1];
      EXPECT_EQ(record.owner.to_text(), "host.example.");
      EXPECT_EQ(record.rdata[3], (turn + i) % 3 + 1) << turn;
      EXPECT_EQ(record.ttl, 300u);
    }
  }
  rotate_ = false;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(find({.qname = "www.example"})->answer[1].rdata[3], 1);
}

TEST_F(AnswerCacheTest, ExtendedErrorsAreKept) {
  const Question question({.qname = "bogus.example", .edns = true});
  Message reply = reply_to(question.octets);
  reply.has_opt = false;
  reply.rcode = static_cast<std::uint16_t>(Rcode::ServFail);
  const Octets octets = write_message(reply, kMaxMessageSize);
  ReplyRecords records(question.query.name());
  (void)records.read(octets, {question.query.qtype, false, {}}, {});
  ASSERT_NE(cache().store(CacheQuestion(question.query), {kFlagQR, 2, 6}, records, now_, 0),
            nullptr);
  const auto answer = find({.qname = "bogus.example", .edns = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rcode, 2);
  // And that it is kept (RFC 8914 section 4.14).
  EXPECT_EQ(answer->opt_options, (Octets{0, 15, 0, 2, 0, 6, 0, 15, 0, 2, 0, 13}));
}

TEST_F(AnswerCacheTest, SilenceIsKeptAndPutsNothingOut) {
  const Question question({.qname = "silent.example", .edns = true});
  cache().store_silence(CacheQuestion(question.query), 22, now_, 0);
  const auto silent = find({.qname = "silent.example", .edns = true});
  ASSERT_TRUE(silent);
  EXPECT_EQ(silent->rcode, 2);
  EXPECT_EQ(silent->opt_options, (Octets{0, 15, 0, 2, 0, 22, 0, 15, 0, 2, 0, 13}));
  EXPECT_EQ(cache().entries(CacheKind::Denial), 1u);
  // Whoever else waited tells the same.
  now_ += 4 * kSecond;
  cache().store_silence(CacheQuestion(question.query), 22, now_, 0);
  now_ += kSecond;
  EXPECT_FALSE(find({.qname = "silent.example"}));

  ASSERT_TRUE(store_a("example.com"));
  const Question there({.qname = "example.com"});
  cache().store_silence(CacheQuestion(there.query), 22, now_, 0);
  EXPECT_EQ(find({.qname = "example.com"})->rcode, 0);
}

TEST_F(AnswerCacheTest, SilenceIsNotKeptWhereFailuresAreNot) {
  options_.servfail_ttl = 0;
  const Question question({.qname = "silent.example"});
  cache().store_silence(CacheQuestion(question.query), {}, now_, 0);
  EXPECT_FALSE(find({.qname = "silent.example"}));
}

TEST_F(AnswerCacheTest, EachClientGetsAnOptOfItsOwn) {
  ASSERT_TRUE(store_a("example.com"));
  const auto plain = find({.qname = "example.com"});
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->has_opt);
  const auto edns = find({.qname = "example.com", .edns = true});
  ASSERT_TRUE(edns);
  EXPECT_TRUE(edns->has_opt);
  EXPECT_EQ(edns->opt_udp_size, kDefaultUdpSize);
}

TEST_F(AnswerCacheTest, KeepTtl) {
  options_.keep_ttl = true;
  ASSERT_TRUE(store_a("example.com", 60));
  now_ += 59 * kSecond;
  EXPECT_EQ(find({.qname = "example.com"})->answer.at(0).ttl, 60u);
  now_ += kSecond;
  EXPECT_FALSE(find({.qname = "example.com"}));
}

TEST_F(AnswerCacheTest, Exceptions) {
  options_.success.except = {name("cluster.local")};
  options_.denial.except = {name(".")};
  EXPECT_FALSE(store_a("web.cluster.local"));
  EXPECT_TRUE(store_a("example.com"));
  EXPECT_FALSE(store({.qname = "nowhere.example"}, [](Message& reply) {
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    reply.authority.push_back(soa_record("example"));
  }));
}

TEST_F(AnswerCacheTest, WhatDoesNotFitIsCutAtARecord) {
  ASSERT_TRUE(store({.qname = "many.example"}, [](Message& reply) {
    for (int i = 0; i < 100; ++i) {
      reply.answer.push_back(a_record("many.example", "192.0.2." + std::to_string(i)));
    }
  }));
  rotate_ = true;
  std::set<int> seen;
  for (int turn = 0; turn < 100; ++turn) {
    const auto cut = find({.qname = "many.example"}, kMaxUdpWithoutEdns);
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->flags & kFlagTC, kFlagTC);
    // Header, question, then 16 octets a record, beginning with the next each time.
    ASSERT_EQ(cut->answer.size(), (512u - 12 - 18) / 16);
    for (std::size_t i = 0; i < cut->answer.size(); ++i) {
      EXPECT_EQ(cut->answer[i].rdata[3], (static_cast<std::size_t>(turn) + i) % 100);
      seen.insert(cut->answer[i].rdata[3]);
    }
  }
  EXPECT_EQ(seen.size(), 100u);
  const auto whole = find({.qname = "many.example"});
  EXPECT_EQ(whole->flags & kFlagTC, 0);
  EXPECT_EQ(whole->answer.size(), 100u);
}

// A negative answer without its SOA is worth asking again over TCP.
TEST_F(AnswerCacheTest, AnSoaThatDoesNotFitIsToldByTc) {
  const auto long_name = [](char c) {
    return std::string(60, c) + "." + std::string(60, c) + ".example";
  };
  const Ask ask{.qname = long_name('a')};
  ASSERT_TRUE(store(ask, [&](Message& reply) {
    for (char c = 'a'; c < 'd'; ++c) {
      reply.answer.push_back(
          name_record(long_name(c), RRType::CNAME, long_name(static_cast<char>(c + 1)), 20));
    }
    reply.authority.push_back(soa_record("example"));
  }));
  const auto whole = find(ask);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->authority.size(), 1u);
  const auto cut = find(ask, 570);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->answer.size(), 3u);
  EXPECT_TRUE(cut->authority.empty());
  EXPECT_EQ(cut->flags & kFlagTC, kFlagTC);
}

TEST_F(AnswerCacheTest, AMessageForWhoAskedOnBehalfOfAQuery) {
  ASSERT_TRUE(store_a("example.com", 60));
  now_ += 10 * kSecond;
  const Question question({.qname = "example.com"});
  const CacheQuestion kept(question.query);
  const auto* const entry = cache().find(kept, now_, 0);
  ASSERT_NE(entry, nullptr);
  const auto message = read_message(cache().message(*entry, kept, now_));
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->has_question);
  EXPECT_EQ(message->answer.at(0).ttl, 50u);
}

TEST_F(AnswerCacheTest, CapacityHolds) {
  options_.success.capacity = kMinCacheCapacity;
  options_.denial.capacity = kMinCacheCapacity;
  constexpr int kNames = 20000;
  for (int i = 0; i < kNames; ++i) {
    ASSERT_TRUE(store_a("n" + std::to_string(i) + ".example"));
    ASSERT_LE(cache().entries(CacheKind::Success), kMinCacheCapacity);
  }
  EXPECT_GT(cache().entries(CacheKind::Success), kMinCacheCapacity * 3 / 4);
  EXPECT_EQ(cache().totals().evictions[0] + cache().entries(CacheKind::Success), kNames);
  // What was pushed out is freed: nobody reads.
  EXPECT_LE(cache().octets(), 2 * kMinCacheCapacity * kCacheOctetsPerEntry);
}

TEST_F(AnswerCacheTest, OctetsAreBoundToo) {
  options_.success.capacity = options_.denial.capacity = kMinCacheCapacity;
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(store({.qname = "n" + std::to_string(i) + ".example"}, [](Message& reply) {
      for (int k = 0; k < 300; ++k) {
        reply.answer.push_back(a_record(reply.qname.to_text(), "192.0.2.1"));
      }
    }));
  }
  // Of the garbage of each shard a batch may wait.
  const std::size_t garbage = std::size_t{16} * 33 * 6000;
  EXPECT_LE(cache().octets(), 2 * kMinCacheCapacity * kCacheOctetsPerEntry + garbage);
  EXPECT_LT(cache().entries(CacheKind::Success), kMinCacheCapacity);
}

// `memory`: 5,000 usual answers fit 8 MiB, and no more than that is ever taken.
TEST_F(AnswerCacheTest, MemoryBoundsOctets) {
  options_.memory = std::size_t{8} << 20;
  options_.success.capacity = options_.denial.capacity = options_.memory / kCacheOctetsPerEntry;
  const auto store_addresses = [&](const std::string& owner, int count) {
    return store({.qname = owner}, [&](Message& reply) {
      for (int k = 0; k < count; ++k) reply.answer.push_back(a_record(owner, "192.0.2.1", 3600));
    });
  };
  constexpr int kNames = 5000;
  const auto hot = [](int i) { return "hot" + std::to_string(i) + ".example"; };
  // 16 octets an address.
  for (int i = 0; i < kNames; ++i) ASSERT_TRUE(store_addresses(hot(i), 25));
  for (int i = 0; i < kNames; ++i) ASSERT_TRUE(find({.qname = hot(i)})) << i;
  // Strangers, five for each of the hot names, which are asked for all along.
  int found = 0;
  for (int i = 0; i < 5 * kNames; ++i) {
    ASSERT_TRUE(store_addresses("stranger" + std::to_string(i) + ".example", 25));
    if (i % 2 == 0 && find({.qname = hot(i / 2 % kNames)})) ++found;
  }
  int kept = 0;
  for (int i = 0; i < kNames; ++i) kept += find({.qname = hot(i)}) ? 1 : 0;
  EXPECT_GE(kept, kNames * 7 / 10);
  const std::size_t garbage = std::size_t{16} * 33 * 1000;
  EXPECT_LE(cache().octets(), options_.memory + garbage);
  EXPECT_GT(cache().octets(), options_.memory * 3 / 4);
}

// Full of one kind that nobody asks for, it has room for the other.
TEST_F(AnswerCacheTest, NeitherKindStarvesTheOther) {
  const auto positive = [&](const std::string& owner) {
    return store({.qname = owner}, [&](Message& reply) {
      for (int k = 0; k < 60; ++k) reply.answer.push_back(a_record(owner, "192.0.2.1", 3600));
    });
  };
  const auto negative = [&](const std::string& owner) {
    return store({.qname = owner}, [&](Message& reply) {
      reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
      reply.authority.push_back(soa_record("example"));
    });
  };
  for (const bool floods_with_negatives : {true, false}) {
    options_.memory = std::size_t{2} << 20;
    options_.success.capacity = options_.denial.capacity = options_.memory / kCacheOctetsPerEntry;
    cache_.reset();
    const auto flood = [&](int i) {
      const std::string owner = "stranger" + std::to_string(i) + "." + std::string(60, 'x') + "." +
                                std::string(60, 'y') + ".example";
      (void)(floods_with_negatives ? negative(owner) : positive(owner));
    };
    const auto wanted = [](int i) { return "wanted" + std::to_string(i) + ".example"; };
    for (int i = 0; i < 2000; ++i) flood(i);
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(floods_with_negatives ? positive(wanted(i)) : negative(wanted(i)));
    }
    int found = 0;
    for (int i = 0; i < 200; ++i) found += find({.qname = wanted(i)}) ? 1 : 0;
    EXPECT_GT(found, 190) << floods_with_negatives;
    // And the flood that goes on does not push it out.
    for (int i = 10000; i < 20000; ++i) flood(i);
    found = 0;
    for (int i = 0; i < 200; ++i) found += find({.qname = wanted(i)}) ? 1 : 0;
    EXPECT_GT(found, 190) << floods_with_negatives;
  }
}

// In pieces of any size, each answer once; with a name its types alone.
TEST_F(AnswerCacheTest, IsListedInPieces) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store_a("n" + std::to_string(i) + ".example", 60));
  ASSERT_TRUE(store({.qname = "n7.example", .type = RRType::AAAA}, [](Message& reply) {
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    reply.authority.push_back(soa_record("example"));
  }));
  now_ += 20 * kSecond;
  const auto list = [&](std::size_t limit, NameView under) {
    std::multiset<std::string> all;
    for (std::size_t from = 0; from < cache().places();) {
      std::vector<AnswerCache::Kept> kept;
      from = cache().list(from, limit, under, now_, kept);
      EXPECT_LE(kept.size(), limit);
      for (const auto& each : kept) {
        EXPECT_EQ(each.age, 20u);
        EXPECT_FALSE(each.stale);
        const auto message = read_message(each.message);
        EXPECT_EQ(message->qname, each.name);
        if (each.type == RRType::A) {
          EXPECT_EQ(each.ttl, 40u);
          EXPECT_EQ(message->answer.size(), 1u);
        }
        all.insert(each.name.to_text() + " " + rrtype_to_text(each.type) + " " +
                   std::to_string(each.rcode));
      }
    }
    return all;
  };
  const auto all = list(1000, {});
  EXPECT_EQ(all.size(), 101u);
  EXPECT_EQ(list(1, {}), all);
  EXPECT_EQ(list(7, {}), all);
  EXPECT_EQ(list(7, name("n7.example").view()),
            (std::multiset<std::string>{"n7.example. A 0", "n7.example. AAAA 3"}));
  now_ += 60 * kSecond;
  EXPECT_EQ(list(7, name("n7.example").view()).count("n7.example. A 0"), 0u);
}

// The smaller of memory and capacity holds.
TEST_F(AnswerCacheTest, CapacityHoldsBesideMemory) {
  options_.memory = std::size_t{64} << 20;
  options_.success.capacity = kMinCacheCapacity;
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(store_a("n" + std::to_string(i) + ".example"));
  EXPECT_LE(cache().entries(CacheKind::Success), kMinCacheCapacity);
}

TEST_F(AnswerCacheTest, WhatIsAskedForStays) {
  options_.success.capacity = kMinCacheCapacity;
  ASSERT_TRUE(store_a("wanted.example", 3600));
  int found = 0;
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE(store_a("n" + std::to_string(i) + ".example"));
    if (i % 10 == 0 && find({.qname = "wanted.example"})) ++found;
  }
  EXPECT_EQ(found, 2000);
}

TEST_F(AnswerCacheTest, ANewAnswerReplacesTheOld) {
  ASSERT_TRUE(store_a("example.com", 60));
  ASSERT_TRUE(store({.qname = "example.com"}, [](Message& reply) {
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
    reply.authority.push_back(soa_record("com"));
  }));
  EXPECT_EQ(cache().entries(CacheKind::Success), 0u);
  EXPECT_EQ(cache().entries(CacheKind::Denial), 1u);
  EXPECT_EQ(find({.qname = "example.com"})->rcode, static_cast<std::uint16_t>(Rcode::NXDomain));
  EXPECT_EQ(cache().totals().evictions[0], 0u);
}

// Workers read and replace the same few names; what they read must be whole.
TEST(AnswerCacheThreads, ReadersAndWritersMeet) {
  constexpr unsigned kThreads = 3;
  constexpr int kRounds = 4000;
  ReclaimDomain reclaim(kThreads);
  CacheOptions options;
  options.zones.add(Name());
  options.success.capacity = kMinCacheCapacity;
  AnswerCache cache(options, reclaim);
  std::vector<Octets> requests;
  for (int i = 0; i < 64; ++i) {
    requests.push_back(request_of({.qname = "n" + std::to_string(i) + ".example"}));
  }
  std::atomic<unsigned> bad{0};
  std::vector<std::thread> threads;
  for (unsigned index = 0; index < kThreads; ++index) {
    threads.emplace_back([&, index] {
      for (int round = 0; round < kRounds; ++round) {
        Octets request = requests[(static_cast<std::size_t>(round) * 7 + index) % requests.size()];
        const std::size_t size = request.size();
        request.resize(size + kPadding);
        Query query;
        if (parse_query({request.data(), size}, query) != Gate::Pass) bad.fetch_add(1);
        request.resize(size);
        reclaim.enter(index);
        const CacheQuestion question(query);
        const auto* entry = cache.find(question, kSecond, index);
        if (entry == nullptr || round % 5 == 0) {
          Message reply = reply_to(request);
          for (int k = 0; k <= round % 4; ++k) {
            reply.answer.push_back(a_record(reply.qname.to_text(), "192.0.2.1"));
          }
          const Octets octets = write_message(reply, kMaxMessageSize);
          ReplyRecords records(query.name());
          (void)records.read(octets, {query.qtype, false, {}}, {});
          entry = cache.store(question, {kFlagQR, 0, {}}, records, kSecond, index);
        }
        if (entry == nullptr) {
          bad.fetch_add(1);
        } else {
          const auto message = read_message(cache.message(*entry, question, kSecond));
          if (!message || message->answer.empty() || message->answer[0].ttl != 60) bad.fetch_add(1);
        }
        reclaim.leave(index);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad.load(), 0u);
}

// What may be given although it is over has the same chance as the rest.
TEST_F(AnswerCacheTest, StaleAnswersThatAreAskedForStay) {
  options_.success.capacity = 1024;
  options_.stale.up_to = 3600;
  ASSERT_TRUE(store_a("hot.example."));
  now_ += 100 * kSecond;
  int seen = 0;
  for (int i = 0; i < 4000; ++i) {
    seen += find({.qname = "hot.example."}).has_value() ? 1 : 0;
    store_a("n" + std::to_string(i) + ".example.", 600);
  }
  EXPECT_EQ(seen, 4000);
}

}  // namespace
}  // namespace clusterdns::dns::testing
