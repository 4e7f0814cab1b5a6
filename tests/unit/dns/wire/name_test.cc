#include "dns/wire/name.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace clusterdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets wire(const Name& name) { return {name.data(), name.data() + name.size()}; }
Name parsed(std::string_view text) { return Name::from_text(text).value(); }
boost::system::error_code error_of(std::string_view text) {
  const auto name = Name::from_text(text);
  return name ? boost::system::error_code{} : name.error();
}

TEST(NameFromText, Root) {
  for (const char* text : {"", "."}) {
    EXPECT_EQ(wire(parsed(text)), Octets{0}) << text;
    EXPECT_TRUE(parsed(text).is_root());
  }
  EXPECT_EQ(Name{}, parsed("."));
}

TEST(NameFromText, LabelsWithOrWithoutTheFinalDot) {
  const Octets expected{3, 'w', 'W', 'w', 1, 'x', 0};
  EXPECT_EQ(wire(parsed("wWw.x")), expected);
  EXPECT_EQ(wire(parsed("wWw.x.")), expected);
  EXPECT_FALSE(parsed("x").is_root());
}

TEST(NameFromText, Escapes) {
  EXPECT_EQ(wire(parsed(R"(a\.b.c)")), (Octets{3, 'a', '.', 'b', 1, 'c', 0}));
  EXPECT_EQ(wire(parsed(R"(\065\000\255)")), (Octets{3, 'A', 0, 255, 0}));
  EXPECT_EQ(wire(parsed(R"(\\\.\"\@)")), (Octets{4, '\\', '.', '"', '@', 0}));
  // A digit ends after three.
  EXPECT_EQ(wire(parsed(R"(\0651)")), (Octets{2, 'A', '1', 0}));
  // An escaped dot is not an empty label, and none at the end ends the name.
  EXPECT_EQ(wire(parsed(R"(\.)")), (Octets{1, '.', 0}));
  EXPECT_EQ(wire(parsed(R"(\..)")), (Octets{1, '.', 0}));
}

TEST(NameFromText, Errors) {
  EXPECT_EQ(error_of(".a"), WireError::EmptyLabel);
  EXPECT_EQ(error_of(".."), WireError::EmptyLabel);
  EXPECT_EQ(error_of("a..b"), WireError::EmptyLabel);
  EXPECT_EQ(error_of("a.."), WireError::EmptyLabel);
  for (const char* text : {"\\", "a\\", "\\2", "\\25", "\\25x", "\\2x5", "\\256", "\\999"}) {
    EXPECT_EQ(error_of(text), WireError::BadEscape) << text;
  }
}

TEST(NameFromText, LabelLimit) {
  const std::string longest(63, 'a');
  EXPECT_EQ(parsed(longest).size(), 65u);
  EXPECT_EQ(error_of(longest + "a"), WireError::LabelTooLong);
  EXPECT_EQ(error_of("x." + longest + "a.y"), WireError::LabelTooLong);
  // Counted in octets, not in characters of the text.
  std::string escaped;
  for (int i = 0; i < 63; ++i) escaped += "\\001";
  EXPECT_EQ(parsed(escaped).size(), 65u);
  EXPECT_EQ(error_of(escaped + "\\001"), WireError::LabelTooLong);
}

TEST(NameFromText, NameLimit) {
  const std::string label(63, 'a');
  const std::string three = label + "." + label + "." + label + ".";
  for (const char* dot : {"", "."}) {
    EXPECT_EQ(parsed(three + std::string(61, 'b') + dot).size(), kMaxNameSize);
    EXPECT_EQ(error_of(three + std::string(62, 'b') + dot), WireError::NameTooLong);
  }
  // 127 labels of one octet.
  std::string many;
  for (int i = 0; i < 127; ++i) many += "a.";
  EXPECT_EQ(parsed(many).size(), kMaxNameSize);
  EXPECT_EQ(parsed(many).label_count(), kMaxLabels);
  EXPECT_EQ(parsed(many.substr(0, many.size() - 1)).size(), kMaxNameSize);
  EXPECT_EQ(error_of(many + "a"), WireError::NameTooLong);
  EXPECT_EQ(error_of(many + "a."), WireError::NameTooLong);
}

TEST(NameToText, EscapesWhatIsNotPlain) {
  EXPECT_EQ(Name{}.to_text(), ".");
  EXPECT_EQ(parsed("A-b_c.x").to_text(), "A-b_c.x.");
  EXPECT_EQ(parsed(R"(a\.b.\\\")").to_text(), R"(a\.b.\\\".)");
  EXPECT_EQ(parsed(R"(\000\032\127\128\255)").to_text(), R"(\000\032\127\128\255.)");
  EXPECT_EQ(parsed(R"(\(\)\;\@\$)").to_text(), R"(\(\)\;\@\$.)");
}

// Whatever a name holds, its text is read back as the same octets.
TEST(NameToText, RoundTrip) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    Octets octets;
    const auto labels = random() % 5;
    for (unsigned i = 0; i < labels; ++i) {
      const auto size = 1 + random() % (random() % 8 == 0 ? 63 : 6);
      if (octets.size() + 1 + size + 1 > kMaxNameSize) break;
      octets.push_back(static_cast<std::uint8_t>(size));
      for (unsigned k = 0; k < size; ++k) octets.push_back(static_cast<std::uint8_t>(random()));
    }
    octets.push_back(0);
    const std::string text = Name(octets).to_text();
    const auto again = Name::from_text(text);
    ASSERT_TRUE(again.has_value()) << text;
    EXPECT_EQ(wire(*again), octets) << text;
  }
}

class NameFromMessage : public ::testing::Test {
 protected:
  // "example.com" at 0, "www" + pointer to it at 13, a pointer to that at 19.
  Octets message_{7,   'e', 'x', 'a', 'm', 'p', 'l',  'e', 3,    'c', 'o',
                  'm', 0,   3,   'w', 'w', 'w', 0xC0, 0,   0xC0, 13};
  std::size_t end_ = 0;

  boost::system::error_code error_at(std::size_t offset) {
    std::size_t end = 0;
    const auto name = Name::from_message(message_, offset, &end);
    return name ? boost::system::error_code{} : name.error();
  }
};

TEST_F(NameFromMessage, InPlaceAndBehindPointers) {
  EXPECT_EQ(Name::from_message(message_, 0, &end_)->to_text(), "example.com.");
  EXPECT_EQ(end_, 13u);
  EXPECT_EQ(Name::from_message(message_, 8, &end_)->to_text(), "com.");
  EXPECT_EQ(end_, 13u);
  EXPECT_EQ(Name::from_message(message_, 12, &end_)->to_text(), ".");
  EXPECT_EQ(end_, 13u);
  EXPECT_EQ(Name::from_message(message_, 13, &end_)->to_text(), "www.example.com.");
  EXPECT_EQ(end_, 19u);
  EXPECT_EQ(Name::from_message(message_, 19, &end_)->to_text(), "www.example.com.");
  EXPECT_EQ(end_, 21u);
}

TEST_F(NameFromMessage, PointersMustGoBackwards) {
  message_ = {0xC0, 0};  // to itself
  EXPECT_EQ(error_at(0), WireError::BadPointer);
  message_ = {0xC0, 2, 0};  // forwards
  EXPECT_EQ(error_at(0), WireError::BadPointer);
  message_ = {1, 'a', 0xC0, 0};  // back to the name it is in: a loop
  EXPECT_EQ(error_at(0), WireError::BadPointer);
  EXPECT_EQ(error_at(2), WireError::BadPointer);
  message_ = {0xC0, 2, 0xC0, 0};  // to each other
  EXPECT_EQ(error_at(0), WireError::BadPointer);
  EXPECT_EQ(error_at(2), WireError::BadPointer);
}

TEST_F(NameFromMessage, TruncatedAtEveryOctet) {
  const Octets whole = message_;
  for (std::size_t size = 0; size < 13; ++size) {
    message_.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(error_at(0), WireError::Truncated) << size;
  }
  for (std::size_t size = 13; size < 19; ++size) {
    message_.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(error_at(13), WireError::Truncated) << size;
  }
  EXPECT_EQ(error_at(message_.size() + 100), WireError::Truncated);
}

TEST_F(NameFromMessage, LabelTypes) {
  for (const int type : {0x40, 0x41, 0x80, 0xBF}) {
    message_ = {static_cast<std::uint8_t>(type), 'a', 0, 0, 0};
    EXPECT_EQ(error_at(0), WireError::BadLabelType) << type;
  }
}

TEST_F(NameFromMessage, TooLongThroughPointers) {
  // 64-octet labels that point back: each name holds all before it.
  message_ = {0};
  std::vector<std::size_t> starts{0};
  for (int i = 0; i < 4; ++i) {
    const std::size_t target = starts.back();
    starts.push_back(message_.size());
    message_.push_back(i == 3 ? 61 : 63);
    message_.insert(message_.end(), i == 3 ? 61 : 63, 'x');
    message_.push_back(static_cast<std::uint8_t>(0xC0 | (target >> 8)));
    message_.push_back(static_cast<std::uint8_t>(target));
  }
  EXPECT_EQ(Name::from_message(message_, starts[4], &end_)->size(), kMaxNameSize);
  message_.insert(message_.end(), {1, 'y', static_cast<std::uint8_t>(0xC0 | (starts[4] >> 8)),
                                   static_cast<std::uint8_t>(starts[4])});
  EXPECT_EQ(error_at(message_.size() - 4), WireError::NameTooLong);
}

TEST(Name, LabelCount) {
  EXPECT_EQ(Name{}.label_count(), 0u);
  EXPECT_EQ(parsed("a").label_count(), 1u);
  EXPECT_EQ(parsed(R"(a\.b.c.d)").label_count(), 3u);
}

TEST(Name, Append) {
  EXPECT_EQ(parsed("a.b").append(parsed("c.d").view())->to_text(), "a.b.c.d.");
  EXPECT_EQ(Name{}.append(parsed("c").view())->to_text(), "c.");
  EXPECT_EQ(parsed("c").append(Name{}.view())->to_text(), "c.");
  const std::string label(63, 'a');
  const Name three = parsed(label + "." + label + "." + label);
  EXPECT_EQ(three.append(parsed(std::string(61, 'b')).view())->size(), kMaxNameSize);
  EXPECT_EQ(three.append(parsed(std::string(62, 'b')).view()).error(), WireError::NameTooLong);
}

TEST(Name, IsAtOrBelow) {
  const Name zone = parsed("cluster.local");
  EXPECT_TRUE(zone.is_at_or_below(zone.view()));
  EXPECT_TRUE(parsed("a.b.cluster.local").is_at_or_below(zone.view()));
  EXPECT_TRUE(parsed("a").is_at_or_below(Name{}.view()));
  EXPECT_TRUE(Name{}.is_at_or_below(Name{}.view()));
  EXPECT_FALSE(parsed("local").is_at_or_below(zone.view()));
  EXPECT_FALSE(parsed("acluster.local").is_at_or_below(zone.view()));
  EXPECT_FALSE(parsed("cluster.local.x").is_at_or_below(zone.view()));
  // The octets of the zone within a label are not a label boundary.
  EXPECT_FALSE(parsed(R"(x\007cluster\005local)").is_at_or_below(zone.view()));
}

TEST(Name, SuffixAndEqualityIgnoreAsciiCaseOnly) {
  EXPECT_TRUE(
      has_suffix_ignoring_case(parsed("A.Cluster.LOCAL").view(), parsed("cluster.local").view()));
  EXPECT_TRUE(has_suffix_ignoring_case(parsed("x").view(), Name{}.view()));
  EXPECT_FALSE(has_suffix_ignoring_case(parsed("local").view(), parsed("cluster.local").view()));
  EXPECT_FALSE(has_suffix_ignoring_case(parsed("xlocal").view(), parsed("local").view()));
  EXPECT_TRUE(equal_ignoring_case(parsed("AZ[").view(), parsed("az[").view()));
  EXPECT_FALSE(equal_ignoring_case(parsed("[").view(), parsed("{").view()));
  EXPECT_FALSE(equal_ignoring_case(parsed("@").view(), parsed("`").view()));
  EXPECT_FALSE(equal_ignoring_case(parsed(R"(\196)").view(), parsed(R"(\228)").view()));
  EXPECT_FALSE(equal_ignoring_case(parsed("a").view(), parsed("aa").view()));
}

TEST(Name, MakeLower) {
  Name name = parsed("ABC.x-Y.Z");
  name.make_lower();
  EXPECT_EQ(name.to_text(), "abc.x-y.z.");
}

TEST(LowerNamePadded, EveryOctetInEveryPlace) {
  for (std::size_t place = 0; place < 20; ++place) {
    for (int value = 0; value < 256; ++value) {
      Octets from(20 + kPadding, 0xFF);
      Octets to(20 + kPadding, 0xEE);
      from[place] = static_cast<std::uint8_t>(value);
      lower_name_padded(from.data(), to.data(), 20);
      const int expected = value >= 'A' && value <= 'Z' ? value + 32 : value;
      for (std::size_t i = 0; i < 20; ++i) ASSERT_EQ(to[i], i == place ? expected : 0xFF) << value;
    }
  }
}

// Neither reads (AddressSanitizer sees to that) nor writes further than the padding.
TEST(LowerNamePadded, StaysWithinThePadding) {
  for (std::size_t size = 1; size <= kMaxNameSize; ++size) {
    const Octets from(size + kPadding, 'A');
    Octets to(size + kPadding + 16, 0xEE);
    lower_name_padded(from.data(), to.data(), size);
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(to[i], 'a');
    for (std::size_t i = size + kPadding; i < to.size(); ++i) ASSERT_EQ(to[i], 0xEE) << size;
  }
}

TEST(EqualPadded, SeesEveryOctetAndNoneBehind) {
  for (std::size_t size = 0; size <= 40; ++size) {
    Octets a(size + 8, 'x');
    Octets b(size + 8, 'x');
    for (std::size_t i = size; i < b.size(); ++i) b[i] = 'y';
    EXPECT_TRUE(equal_padded(a.data(), b.data(), size)) << size;
    for (std::size_t i = 0; i < size; ++i) {
      b[i] = 'y';
      EXPECT_FALSE(equal_padded(a.data(), b.data(), size)) << size << " at " << i;
      b[i] = 'x';
    }
  }
}

TEST(CopyPadded, CopiesAll) {
  for (std::size_t size = 0; size <= 70; ++size) {
    Octets from(size + kPadding);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::uint8_t>(i + 1);
    Octets to(size + kPadding + 4, 0xEE);
    copy_padded(to.data(), from.data(), size);
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(to[i], i + 1);
    for (std::size_t i = size + kPadding; i < to.size(); ++i) ASSERT_EQ(to[i], 0xEE);
  }
}

TEST(WireError, SaysWhatIsWrong) {
  for (int e = 1; e <= static_cast<int>(WireError::TrailingData); ++e) {
    EXPECT_NE(make_error_code(WireError{e}).message(), "unknown error") << e;
  }
  EXPECT_STREQ(wire_category().name(), "dns.wire");
}

}  // namespace
}  // namespace clusterdns::dns
