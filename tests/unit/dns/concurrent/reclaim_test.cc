#include "dns/concurrent/reclaim.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>

namespace clusterdns::dns {
namespace {

// Says when it dies.
struct Noted {
  explicit Noted(int& d) : deaths(d) {}
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;
  ~Noted() { ++deaths; }
  int& deaths;
};

TEST(ReclaimDomain, FreesWhenNobodyReads) {
  int deaths = 0;
  ReclaimDomain domain(2);
  EXPECT_EQ(domain.readers(), 2u);
  domain.retire(std::make_unique<Noted>(deaths));
  EXPECT_EQ(domain.pending(), 1u);
  EXPECT_EQ(deaths, 0) << "not before collect()";
  domain.collect();
  EXPECT_EQ(deaths, 1);
  EXPECT_EQ(domain.pending(), 0u);
  domain.collect();
  EXPECT_EQ(deaths, 1);
  domain.retire(std::unique_ptr<Noted>());
  EXPECT_EQ(domain.pending(), 0u);
}

TEST(ReclaimDomain, WaitsForEveryReaderInside) {
  int deaths = 0;
  ReclaimDomain domain(3);
  domain.enter(0);
  domain.enter(2);
  domain.retire(std::make_unique<Noted>(deaths));
  domain.collect();
  EXPECT_EQ(deaths, 0);
  domain.leave(0);
  domain.collect();
  EXPECT_EQ(deaths, 0);
  domain.leave(2);
  domain.collect();
  EXPECT_EQ(deaths, 1);
}

TEST(ReclaimDomain, ALaterReaderHoldsNothingOfBefore) {
  int deaths = 0;
  ReclaimDomain domain(2);
  domain.enter(0);
  domain.retire(std::make_unique<Noted>(deaths));
  domain.collect();  // begins an epoch
  domain.enter(1);   // cannot have seen what was retired before
  domain.leave(0);
  domain.collect();
  EXPECT_EQ(deaths, 1);
  // What is retired while it reads waits for it.
  domain.retire(std::make_unique<Noted>(deaths));
  domain.collect();
  domain.collect();
  EXPECT_EQ(deaths, 1);
  domain.leave(1);
  domain.collect();
  EXPECT_EQ(deaths, 2);
}

TEST(ReclaimDomain, AReaderThatComesBackLetsGo) {
  int deaths = 0;
  ReclaimDomain domain(1);
  for (int round = 1; round <= 100; ++round) {
    domain.enter(0);
    domain.retire(std::make_unique<Noted>(deaths));
    domain.collect();
    EXPECT_EQ(deaths, round - 1);
    domain.leave(0);
    domain.enter(0);
    domain.collect();
    EXPECT_EQ(deaths, round);
    domain.leave(0);
  }
}

TEST(ReclaimDomain, Inside) {
  ReclaimDomain domain(2);
  EXPECT_FALSE(domain.inside(0));
  domain.enter(0);
  EXPECT_TRUE(domain.inside(0));
  EXPECT_FALSE(domain.inside(1));
  domain.leave(0);
  EXPECT_FALSE(domain.inside(0));
}

TEST(ReclaimDomain, InOrder) {
  std::vector<int> order;
  struct Entry {
    std::vector<int>* order;
    int number;
    ~Entry() { order->push_back(number); }
  };
  ReclaimDomain domain(1);
  for (int i = 0; i < 3; ++i) domain.retire(std::unique_ptr<Entry>(new Entry{&order, i}));
  domain.collect();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(ReclaimDomain, TheDestructorFreesWhatWaits) {
  int deaths = 0;
  {
    ReclaimDomain domain(1);
    domain.enter(0);
    domain.retire(std::make_unique<Noted>(deaths));
    domain.collect();
    domain.leave(0);
  }
  EXPECT_EQ(deaths, 1);
}

// One writer replaces a published object as fast as it can; readers follow the pointer and look
// whether it is whole. A freed one would be marked, and sanitizers would say more.
TEST(ReclaimDomain, ReadersNeverSeeAFreedObject) {
  constexpr int kReplacements = 20000;
  constexpr unsigned kReaders = 3;
  struct Object {
    std::array<std::uint64_t, 8> words{};
    explicit Object(std::uint64_t value) { words.fill(value); }
    ~Object() { words.fill(0xDEAD); }
  };
  ReclaimDomain domain(kReaders);
  std::atomic<Object*> published{new Object(1)};
  std::atomic<bool> done{false};
  std::atomic<unsigned> bad{0};
  std::atomic<unsigned> started{0};
  std::vector<std::thread> readers;
  for (unsigned index = 0; index < kReaders; ++index) {
    readers.emplace_back([&, index] {
      started.fetch_add(1);
      std::uint64_t last = 0;
      while (!done.load(std::memory_order_acquire)) {
        domain.enter(index);
        for (int batch = 0; batch < 4; ++batch) {
          const Object* const object = published.load(std::memory_order_acquire);
          const std::uint64_t first = object->words.front();
          if (first == 0xDEAD || first < last) bad.fetch_add(1);
          last = first;
          for (const std::uint64_t word : object->words) {
            if (word != first) bad.fetch_add(1);
          }
        }
        domain.leave(index);
      }
    });
  }
  while (started.load() != kReaders) std::this_thread::yield();
  std::size_t most = 0;
  for (int i = 0; i < kReplacements; ++i) {
    // 0xDEAD is a mark, not a value.
    auto* const next = new Object(0x10000 + static_cast<std::uint64_t>(i));
    domain.retire(std::unique_ptr<Object>(published.exchange(next, std::memory_order_acq_rel)));
    domain.collect();
    most = std::max(most, domain.pending());
  }
  done.store(true, std::memory_order_release);
  for (std::thread& reader : readers) reader.join();
  domain.collect();
  EXPECT_EQ(domain.pending(), 0u);
  EXPECT_EQ(bad.load(), 0u);
  delete published.load();
}

}  // namespace
}  // namespace clusterdns::dns
