#include "dns/wire/record_walker.h"

#include <gtest/gtest.h>

#include <vector>

#include "dns/wire/message_reader.h"

namespace clusterdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;

// A header with these counts, no question, and `records` behind it.
Octets message_of(std::array<std::uint16_t, 3> counts, const Octets& records) {
  Octets message(kHeaderSize);
  for (std::size_t i = 0; i < 3; ++i) store_u16(message.data() + 6 + 2 * i, counts[i]);
  message.insert(message.end(), records.begin(), records.end());
  return message;
}
// Owned by the root.
Octets record_of(std::uint8_t type, const Octets& rdata) {
  Octets record{0, 0, type, 0, 1, 0, 0, 0, 9, 0, static_cast<std::uint8_t>(rdata.size())};
  record.insert(record.end(), rdata.begin(), rdata.end());
  return record;
}

TEST(RecordWalker, TellsWhereEachRecordStands) {
  Octets records = record_of(1, {192, 0, 2, 1});
  const Octets second = record_of(16, {1, 'x'});
  const Octets third = record_of(41, {});
  records.insert(records.end(), second.begin(), second.end());
  records.insert(records.end(), third.begin(), third.end());
  const Octets message = message_of({2, 0, 1}, records);
  RecordWalker walker(message, kHeaderSize);
  RecordPlace record;
  ASSERT_TRUE(walker.next(record));
  EXPECT_EQ(record.owner, 12u);
  EXPECT_EQ(record.fields, 13u);
  EXPECT_EQ(record.ttl(), 17u);
  EXPECT_EQ(record.rdata, 23u);
  EXPECT_EQ(record.end, 27u);
  EXPECT_EQ(record.section, 0u);
  EXPECT_EQ(record.after, 1u);
  EXPECT_EQ(record.type, RRType::A);
  ASSERT_TRUE(walker.next(record));
  EXPECT_EQ(record.type, RRType::TXT);
  EXPECT_EQ(record.after, 0u);
  ASSERT_TRUE(walker.next(record));
  EXPECT_EQ(record.section, 2u);
  EXPECT_EQ(record.type, RRType::OPT);
  EXPECT_FALSE(walker.next(record));
  EXPECT_TRUE(walker.complete());
}

TEST(RecordWalker, CountsAndLengthsThatLie) {
  const Octets records = record_of(1, {192, 0, 2, 1});
  const auto complete = [](const Octets& message) {
    RecordWalker walker(message, kHeaderSize);
    RecordPlace record;
    while (walker.next(record)) {
    }
    return walker.complete();
  };
  EXPECT_TRUE(complete(message_of({1, 0, 0}, records)));
  EXPECT_TRUE(complete(message_of({0, 0, 1}, records)));
  EXPECT_FALSE(complete(message_of({0, 0, 0}, records)));
  EXPECT_FALSE(complete(message_of({2, 0, 0}, records)));
  EXPECT_FALSE(complete(message_of({1, 65535, 65535}, records)));
  Octets cut = message_of({1, 0, 0}, records);
  while (cut.size() > kHeaderSize) {
    cut.pop_back();
    EXPECT_FALSE(complete(cut)) << cut.size();
  }
}

TEST(CheckName, WhatCanBeRead) {
  bool compressed = true;
  const Octets plain{3, 'w', 'w', 'w', 0, 7};
  EXPECT_EQ(check_name(plain, 0, &compressed), 5u);
  EXPECT_FALSE(compressed);
  // A pointer's second octet may be 0, as the root's.
  const Octets pointer{0, 1, 'a', 0xC0, 0};
  EXPECT_EQ(check_name(pointer, 1, &compressed), 5u);
  EXPECT_TRUE(compressed);
  EXPECT_EQ(skip_name(pointer, 1), 5u);
}

TEST(CheckName, WhatCannot) {
  for (const Octets& octets : {
           Octets{},
           Octets{0xC0},             // half a pointer
           Octets{0xC0, 0},          // to itself
           Octets{0xC0, 2, 0},       // forwards
           Octets{0xFF, 0xFF},       // outside
           Octets{1, 'a', 0xC0, 0},  // in a circle
           Octets{1},                // ends within a label
           Octets{1, 'a'},           // ends before the root
           Octets{0x40, 0},          // label types that are not in use
           Octets{0x80, 0},
       }) {
    EXPECT_EQ(check_name(octets, 0), 0u);
  }
}

TEST(CheckName, LengthOfTheWholeName) {
  // Four labels of 63 octets are one too many; with 61 in the last the name has 255.
  for (const std::uint8_t last : {std::uint8_t{61}, std::uint8_t{62}}) {
    Octets octets;
    for (const std::uint8_t size : {std::uint8_t{63}, std::uint8_t{63}, std::uint8_t{63}, last}) {
      octets.push_back(size);
      octets.insert(octets.end(), size, 'x');
    }
    octets.push_back(0);
    EXPECT_EQ(check_name(octets, 0) != 0, last == 61);
    // The same in two pieces.
    const std::size_t tail = octets.size();
    octets.insert(octets.end(), {1, 'y', 0xC0, 0});
    EXPECT_EQ(check_name(octets, tail), 0u);
  }
}

TEST(CheckName, PointersToPointersEnd) {
  Octets octets{0};
  while (octets.size() < 16'000) {
    const auto target = static_cast<std::uint16_t>(octets.size() < 3 ? 0 : octets.size() - 2);
    octets.resize(octets.size() + 2);
    store_u16(octets.data() + octets.size() - 2, static_cast<std::uint16_t>(0xC000 | target));
  }
  EXPECT_NE(check_name(octets, 1 + 2 * 100), 0u);
  EXPECT_EQ(check_name(octets, octets.size() - 2), 0u);
  // Whoever reads names agrees.
  std::size_t end = 0;
  EXPECT_TRUE(Name::from_message(octets, 1 + 2 * 100, &end));
  EXPECT_FALSE(Name::from_message(octets, octets.size() - 2, &end));
}

}  // namespace
}  // namespace clusterdns::dns
