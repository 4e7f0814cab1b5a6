#include "dns/cache/answer_cache.h"

#include <gtest/gtest.h>

#include <atomic>
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

  AnswerCacheTest() { options_.zones.emplace_back(); }

  AnswerCache& cache() {
    if (!cache_) cache_ = std::make_unique<AnswerCache>(options_, reclaim_);
    return *cache_;
  }

  bool store(const Ask& ask, const std::function<void(Message&)>& change) {
    const Question question(ask);
    Message reply = reply_to(question.octets);
    change(reply);
    if (!cache().takes(question.query)) return false;
    return cache().store(question.query, write_message(reply, kMaxMessageSize), now_, 0) != nullptr;
  }
  bool store_a(const std::string& owner, std::uint32_t ttl = 60) {
    return store({.qname = owner}, [&](Message& reply) {
      reply.answer.push_back(a_record(owner, "192.0.2.1", ttl));
    });
  }

  // What is answered from the cache, within `limit` octets.
  std::optional<Message> find(const Ask& ask, std::size_t limit = kMaxMessageSize) {
    const Question question(ask);
    if (!cache().takes(question.query)) return std::nullopt;
    const auto* const entry = cache().find(question.query, now_, 0);
    if (entry == nullptr) return std::nullopt;
    Answer answer;
    answer.reset(question.query.lower.data(), question.query.qname_size);
    cache().fill(*entry, question.query, now_, answer);
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
};

TEST_F(AnswerCacheTest, KeepsAnAnswerForItsTtlAndCountsDown) {
  ASSERT_TRUE(store_a("example.com", 60));
  auto answer = find({.qname = "example.com"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answer.at(0).ttl, 60u);
  EXPECT_EQ(answer->flags & kFlagRA, kFlagRA);
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
  const auto taken = [&](const Ask& ask) { return cache().takes(Question(ask).query); };
  EXPECT_TRUE(taken({.qname = "example.com"}));
  EXPECT_FALSE(taken({.qname = "example.com", .flags = 0}));  // what the upstream itself holds
  EXPECT_FALSE(taken({.qname = "example.com", .type = RRType::ANY}));
  EXPECT_FALSE(taken({.qname = "example.com", .type = RRType::AXFR}));
  // A client's subnet behind a cookie: RFC 7871, RFC 7873.
  const Octets cookie{0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
  const Octets subnet{0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2};
  EXPECT_TRUE(taken({.qname = "example.com", .edns = true, .options = cookie}));
  EXPECT_FALSE(taken({.qname = "example.com", .edns = true, .options = subnet}));
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
  ASSERT_TRUE(store_a("short.example", 0));
  EXPECT_EQ(find({.qname = "long.example"})->answer.at(0).ttl, 30u);
  EXPECT_EQ(find({.qname = "short.example"})->answer.at(0).ttl, 5u);
}

TEST_F(AnswerCacheTest, ATtlOfNoughtIsNotKeptWithoutAMinimum) {
  options_.success.min_ttl = 0;
  EXPECT_FALSE(store_a("example.com", 0));
  EXPECT_TRUE(store_a("example.com", 1));
  // RFC 2181 section 8: the top bit makes it nought.
  EXPECT_FALSE(store_a("example.net", 0x80000001));
}

// CoreDNS reports the size of responses before compression.
TEST_F(AnswerCacheTest, TheSizeWithoutCompressionIsKnown) {
  ASSERT_TRUE(store({.qname = "www.example"}, [](Message& reply) {
    reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example", 300));
    reply.answer.push_back(a_record("host.example", "192.0.2.1", 20));
    reply.authority.push_back(name_record("example", RRType::NS, "ns.example"));
  }));
  const Question question({.qname = "www.example"});
  const auto* const entry = cache().find(question.query, now_, 0);
  ASSERT_NE(entry, nullptr);
  Answer answer;
  answer.reset(question.query.lower.data(), question.query.qname_size);
  cache().fill(*entry, question.query, now_, answer);
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
  // With the SOA it is a negative answer, without one the upstream stopped half-way.
  const auto alias = [](bool soa) {
    return [soa](Message& reply) {
      reply.answer.push_back(name_record("www.example", RRType::CNAME, "host.example"));
      if (soa) reply.authority.push_back(soa_record("example"));
    };
  };
  EXPECT_FALSE(store({.qname = "www.example"}, alias(false)));
  EXPECT_TRUE(store({.qname = "www.example"}, alias(true)));
  EXPECT_EQ(cache().entries(CacheKind::Denial), 1u);
}

TEST_F(AnswerCacheTest, NXDomainWithoutSoaIsKeptShortly) {
  ASSERT_TRUE(store({.qname = "nowhere.example"}, [](Message& reply) {
    reply.rcode = static_cast<std::uint16_t>(Rcode::NXDomain);
  }));
  now_ += 4 * kSecond;
  EXPECT_TRUE(find({.qname = "nowhere.example"}));
  now_ += kSecond;
  EXPECT_FALSE(find({.qname = "nowhere.example"}));
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
  EXPECT_FALSE(store({.qname = "example.com"}, [&](Message& reply) {
    a(reply);
    reply.qname = name("example.net");
  }));
  // Octets behind the last record, or records that are not there.
  const Question question({.qname = "example.com"});
  Message reply = reply_to(question.octets);
  a(reply);
  Octets octets = write_message(reply, kMaxMessageSize);
  octets.push_back(0);
  EXPECT_EQ(cache().store(question.query, octets, now_, 0), nullptr);
  octets.pop_back();
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_EQ(cache().store(question.query, {octets.data(), size}, now_, 0), nullptr) << size;
  }
  EXPECT_NE(cache().store(question.query, octets, now_, 0), nullptr);
}

TEST_F(AnswerCacheTest, OptIsNotKept) {
  const Ask with{.qname = "example.com", .edns = true};
  ASSERT_TRUE(store(with, [](Message& reply) {
    reply.answer.push_back(a_record("example.com", "192.0.2.1"));
    reply.additional.push_back(a_record("ns.example.com", "192.0.2.2"));
    reply.has_opt = true;
    reply.opt_udp_size = 4096;
    reply.opt_options = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
  }));
  const auto plain = find({.qname = "example.com"});
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->has_opt);
  EXPECT_EQ(plain->additional.size(), 1u);
  const auto edns = find(with);
  ASSERT_TRUE(edns);
  EXPECT_TRUE(edns->has_opt);
  EXPECT_EQ(edns->opt_udp_size, kDefaultUdpSize);
  EXPECT_TRUE(edns->opt_options.empty());
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
    reply.authority.push_back(name_record("example", RRType::NS, "ns.example"));
  }));
  const auto cut = find({.qname = "many.example"}, kMaxUdpWithoutEdns);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->flags & kFlagTC, kFlagTC);
  // Header, question, then 16 octets a record.
  EXPECT_EQ(cut->answer.size(), (512u - 12 - 18) / 16);
  EXPECT_TRUE(cut->authority.empty());
  const auto whole = find({.qname = "many.example"});
  EXPECT_EQ(whole->flags & kFlagTC, 0);
  EXPECT_EQ(whole->answer.size(), 100u);
  EXPECT_EQ(whole->authority.size(), 1u);
  // The answer alone fits: what else there was is not worth TCP.
  const auto alone = find({.qname = "many.example"}, 12 + 18 + 1600);
  EXPECT_EQ(alone->flags & kFlagTC, 0);
  EXPECT_EQ(alone->answer.size(), 100u);
  EXPECT_TRUE(alone->authority.empty());
}

TEST_F(AnswerCacheTest, AMessageForWhoAskedOnBehalfOfAQuery) {
  ASSERT_TRUE(store_a("example.com", 60));
  now_ += 10 * kSecond;
  const Question question({.qname = "example.com"});
  const auto* const entry = cache().find(question.query, now_, 0);
  ASSERT_NE(entry, nullptr);
  const auto message = read_message(cache().message(*entry, question.query, now_));
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
  options.zones.emplace_back();
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
        const auto* entry = cache.find(query, kSecond, index);
        if (entry == nullptr || round % 5 == 0) {
          Message reply = reply_to(request);
          for (int k = 0; k <= round % 4; ++k) {
            reply.answer.push_back(a_record(reply.qname.to_text(), "192.0.2.1"));
          }
          entry = cache.store(query, write_message(reply, kMaxMessageSize), kSecond, index);
        }
        if (entry == nullptr) {
          bad.fetch_add(1);
        } else {
          const auto message = read_message(cache.message(*entry, query, kSecond));
          if (!message || message->answer.empty() || message->answer[0].ttl != 60) bad.fetch_add(1);
        }
        reclaim.leave(index);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad.load(), 0u);
}

}  // namespace
}  // namespace clusterdns::dns::testing
