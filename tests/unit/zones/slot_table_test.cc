#include "zones/slot_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

namespace clusterdns::zones {
namespace {

// Few different hashes, so that probes are long and cross each other.
std::uint64_t few(std::uint64_t word) { return word % 13; }
std::uint64_t hash_few(const void*, std::uint64_t word) { return few(word); }
std::uint64_t hash_self(const void*, std::uint64_t word) { return word; }

bool has(const SlotTable& table, std::uint64_t hash, std::uint64_t word) {
  return table.find(hash, [word](std::uint64_t other) { return other == word; }) == word;
}

std::vector<std::uint64_t> all_of(const SlotTable& table) {
  std::vector<std::uint64_t> words;
  table.for_each([&](std::uint64_t word) { words.push_back(word); });
  std::sort(words.begin(), words.end());
  return words;
}

TEST(SlotTable, InsertFindErase) {
  dns::ReclaimDomain reclaim(1);
  SlotTable table(reclaim, nullptr, &hash_self);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_FALSE(has(table, 7, 7));
  EXPECT_FALSE(table.erase(7, 7));
  table.insert(7, 7);
  EXPECT_TRUE(has(table, 7, 7));
  EXPECT_EQ(table.size(), 1u);
  EXPECT_TRUE(table.erase(7, 7));
  EXPECT_FALSE(has(table, 7, 7));
  EXPECT_FALSE(table.erase(7, 7));
  EXPECT_EQ(table.size(), 0u);
}

TEST(SlotTable, FindVisitsAllWordsOfAHash) {
  dns::ReclaimDomain reclaim(1);
  SlotTable table(reclaim, nullptr, &hash_few);
  for (const std::uint64_t word : {26, 39, 52}) table.insert(0, word);
  std::vector<std::uint64_t> seen;
  EXPECT_EQ(table.find(0,
                       [&](std::uint64_t word) {
                         seen.push_back(word);
                         return false;
                       }),
            SlotTable::kEmpty);
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{26, 39, 52}));
  // Around the hole that an erased one leaves.
  EXPECT_TRUE(table.erase(0, 39));
  EXPECT_TRUE(has(table, 0, 26));
  EXPECT_TRUE(has(table, 0, 52));
  EXPECT_FALSE(has(table, 0, 39));
}

TEST(SlotTable, ProbesWrapAround) {
  dns::ReclaimDomain reclaim(1);
  // All at the last slot of the smallest table.
  SlotTable table(reclaim, nullptr, [](const void*, std::uint64_t) { return std::uint64_t{15}; });
  for (std::uint64_t word = 100; word < 105; ++word) table.insert(15, word);
  for (std::uint64_t word = 100; word < 105; ++word) EXPECT_TRUE(has(table, 15, word)) << word;
  EXPECT_TRUE(table.erase(15, 100));
  for (std::uint64_t word = 101; word < 105; ++word) EXPECT_TRUE(has(table, 15, word)) << word;
}

TEST(SlotTable, Replace) {
  dns::ReclaimDomain reclaim(1);
  SlotTable table(reclaim, nullptr, &hash_few);
  for (const std::uint64_t word : {26, 39, 52}) table.insert(0, word);
  table.replace(0, 39, 65);
  EXPECT_FALSE(has(table, 0, 39));
  EXPECT_EQ(all_of(table), (std::vector<std::uint64_t>{26, 52, 65}));
  EXPECT_EQ(table.size(), 3u);
}

TEST(SlotTable, ReserveKeepsWhatIsThere) {
  dns::ReclaimDomain reclaim(1);
  SlotTable table(reclaim, nullptr, &hash_self);
  for (std::uint64_t word = 2; word < 12; ++word) table.insert(word, word);
  table.reserve(10000);
  for (std::uint64_t word = 2; word < 12; ++word) EXPECT_TRUE(has(table, word, word));
  const std::size_t retired = reclaim.pending();
  for (std::uint64_t word = 12; word < 10000; ++word) table.insert(word, word);
  EXPECT_EQ(reclaim.pending(), retired) << "no growing after reserve()";
  EXPECT_EQ(table.size(), 9998u);
  reclaim.collect();
}

// Inserting and erasing for ever must not fill the table with marks of erased words.
TEST(SlotTable, ChurnNeedsNoMoreRoom) {
  dns::ReclaimDomain reclaim(1);
  SlotTable table(reclaim, nullptr, &hash_self);
  std::mt19937_64 random(3);
  std::vector<std::uint64_t> words;
  for (int round = 0; round < 200000; ++round) {
    if (words.size() < 10) {
      words.push_back(random() | 2);
      table.insert(words.back(), words.back());
    } else {
      const std::size_t i = random() % words.size();
      ASSERT_TRUE(table.erase(words[i], words[i]));
      words[i] = words.back();
      words.pop_back();
    }
    if (round % 1000 == 0) reclaim.collect();
  }
  std::sort(words.begin(), words.end());
  EXPECT_EQ(all_of(table), words);
}

// Against a model, with every word checked after every step of some length.
TEST(SlotTable, RandomOperations) {
  for (const auto hash_of : {&hash_few, &hash_self}) {
    dns::ReclaimDomain reclaim(1);
    SlotTable table(reclaim, nullptr, hash_of);
    std::unordered_multiset<std::uint64_t> model;
    std::mt19937_64 random(11);
    const auto hash = [&](std::uint64_t word) { return hash_of(nullptr, word); };
    for (int round = 0; round < 6000; ++round) {
      const std::uint64_t word = 2 + random() % 150;
      switch (random() % (round / 1000 % 2 == 0 ? 3 : 5)) {
        case 0:
        case 1:
          table.insert(hash(word), word);
          model.insert(word);
          break;
        case 2:
          if (const auto it = model.find(word); it != model.end()) {
            // Replacing is for words of one hash.
            const std::uint64_t next = word + 13 * 1000;
            if (hash(next) == hash(word)) {
              table.replace(hash(word), word, next);
              model.erase(it);
              model.insert(next);
            }
          }
          break;
        default: {
          const auto it = model.find(word);
          ASSERT_EQ(table.erase(hash(word), word), it != model.end()) << word;
          if (it != model.end()) model.erase(it);
        }
      }
      ASSERT_EQ(table.size(), model.size());
      ASSERT_EQ(has(table, hash(word), word), model.contains(word));
      if (round % 97 == 0) {
        std::vector<std::uint64_t> expected(model.begin(), model.end());
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(all_of(table), expected) << "round " << round;
        for (const std::uint64_t w : expected) ASSERT_TRUE(has(table, hash(w), w));
        reclaim.collect();
      }
    }
  }
}

// Words that stay are found at any moment, whatever else comes and goes, and through every
// growing; words that never were are never seen.
TEST(SlotTable, ReadersDuringChanges) {
  constexpr unsigned kReaders = 2;
  constexpr int kChanges = 30000;
  constexpr std::uint64_t kStays = 1000;  // words from 2 up to here stay
  dns::ReclaimDomain reclaim(kReaders);
  SlotTable table(reclaim, nullptr, [](const void*, std::uint64_t word) { return word % 251; });
  const auto hash = [](std::uint64_t word) { return word % 251; };
  for (std::uint64_t word = 2; word < kStays; word += 37) table.insert(hash(word), word);
  std::atomic<bool> done{false};
  std::atomic<unsigned> missing{0};
  std::atomic<unsigned> strange{0};
  std::atomic<unsigned> started{0};
  std::vector<std::thread> readers;
  for (unsigned index = 0; index < kReaders; ++index) {
    readers.emplace_back([&, index] {
      started.fetch_add(1);
      while (!done.load(std::memory_order_acquire)) {
        for (std::uint64_t word = 2; word < kStays; word += 37) {
          reclaim.enter(index);
          const std::uint64_t found = table.find(hash(word), [&](std::uint64_t other) {
            if (other >= kStays && other % 2 != 0) strange.fetch_add(1);
            return other == word;
          });
          if (found != word) missing.fetch_add(1);
          reclaim.leave(index);
        }
      }
    });
  }
  while (started.load() != kReaders) std::this_thread::yield();
  std::mt19937_64 random(5);
  std::vector<std::uint64_t> comes_and_goes;
  for (int i = 0; i < kChanges; ++i) {
    // Waves, so that the table grows and is cleaned up time and again.
    const bool grow = (i / 1500) % 2 == 0;
    if (comes_and_goes.empty() || random() % 4 < (grow ? 3U : 1U)) {
      const std::uint64_t word = kStays + 2 * (random() % 100000);
      comes_and_goes.push_back(word);
      table.insert(hash(word), word);
    } else {
      const std::size_t at = random() % comes_and_goes.size();
      ASSERT_TRUE(table.erase(hash(comes_and_goes[at]), comes_and_goes[at]));
      comes_and_goes[at] = comes_and_goes.back();
      comes_and_goes.pop_back();
    }
    if (i % 16 == 0) reclaim.collect();
  }
  done.store(true, std::memory_order_release);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(missing.load(), 0u);
  EXPECT_EQ(strange.load(), 0u);
}

}  // namespace
}  // namespace clusterdns::zones
