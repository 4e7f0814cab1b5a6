#include "zones/file/zone_reader.h"

#include <gmock/gmock.h>

#include "tests/unit/zones/file/zone_text.h"

namespace clusterdns::zones {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using unit::kSoa;
using unit::Lines;
using unit::messages;
using unit::read_zone;
using unit::records;

// What records stand in "$TTL 60" and the SOA, then `text`.
Lines after_soa(const std::string& text) { return records(read_zone("$TTL 60\n" + kSoa + text)); }
// What is wrong with it; lines count from that of `text`.
Lines wrong(const std::string& text) { return messages(read_zone("$TTL 60\n" + kSoa + text)); }

TEST(ZoneReaderTest, RelativeNamesOwnersTtlAndClassInAnyOrder) {
  EXPECT_THAT(after_soa("a A 192.0.2.1\n"
                        "a. A 192.0.2.1\n"
                        "b.example. 5 IN A 192.0.2.2\n"
                        "c IN 6 A 192.0.2.3\n"
                        "d 7 A 192.0.2.4\n"
                        "e in A 192.0.2.5\n"
                        "  AAAA 2001:db8::5\n"
                        "\tTXT e2\n"
                        "f CLASS1 1h30m TYPE1 192.0.2.6\n"
                        "@ NS a\n"),
              ElementsAre("example. 60 NS a.example.", "a.example. 60 A 192.0.2.1",
                          "b.example. 5 A 192.0.2.2", "c.example. 6 A 192.0.2.3",
                          "d.example. 7 A 192.0.2.4", "e.example. 60 A 192.0.2.5",
                          "e.example. 60 TXT \"e2\"", "e.example. 60 AAAA 2001:db8::5",
                          "f.example. 5400 A 192.0.2.6"));
}

TEST(ZoneReaderTest, ParenthesesCommentsAndQuotes) {
  EXPECT_THAT(after_soa("; a comment\n"
                        "   ; another, behind blanks\n"
                        "\n"
                        "a TXT ( \"one;two\" ; not \"this\n"
                        "   three\n"
                        ") ; end\n"
                        "b TXT \"(\" \\; \\( \"q\\\"q\" \\065\\\\ \"\"\n"
                        "(c) (A) (192.0.2.1)\n"
                        "d TXT x;comment\n"
                        "e TXT \"a\"\"b\"\r\n"
                        "f (\n TXT\n\n x )"),
              ElementsAre("a.example. 60 TXT \"one;two\" \"three\"",
                          "b.example. 60 TXT \"(\" \";\" \"(\" \"q\\\"q\" \"A\\\\\" \"\"",
                          "c.example. 60 A 192.0.2.1", "d.example. 60 TXT \"x\"",
                          "e.example. 60 TXT \"a\" \"b\"", "f.example. 60 TXT \"x\""));
}

TEST(ZoneReaderTest, EscapedNames) {
  EXPECT_THAT(after_soa("a\\.b A 192.0.2.1\n"
                        "c\\046d A 192.0.2.2\n"
                        "e\\032f\\  NS g\\.\n"
                        "\\@ CNAME @\n"
                        "\\$x A 192.0.2.3\n"),
              ElementsAre("a\\.b.example. 60 A 192.0.2.1", "c\\.d.example. 60 A 192.0.2.2",
                          "e\\032f\\032.example. 60 NS g\\..example.",
                          "\\@.example. 60 CNAME example.", "\\$x.example. 60 A 192.0.2.3"));
}

TEST(ZoneReaderTest, MissingTtl) {
  // The last one that was given (RFC 1035 5.1), $TTL (RFC 2308 section 4), of an SOA its minimum.
  EXPECT_THAT(records(read_zone("@ SOA a b 1 2 3 4 77\na A 192.0.2.1\nb 5 A 192.0.2.2\n"
                                "c A 192.0.2.3\n$TTL 9\nd A 192.0.2.4\n$TTL 1d\ne A 192.0.2.5\n")),
              ElementsAre("a.example. 77 A 192.0.2.1", "b.example. 5 A 192.0.2.2",
                          "c.example. 5 A 192.0.2.3", "d.example. 9 A 192.0.2.4",
                          "e.example. 86400 A 192.0.2.5"));
  EXPECT_THAT(messages(read_zone("a A 192.0.2.1\n" + kSoa)),
              ElementsAre("zone:1:1: there is no TTL; write one, or '$TTL 3600' before it"));
}

TEST(ZoneReaderTest, Ttls) {
  std::uint32_t ttl = 1;
  EXPECT_TRUE(parse_zone_ttl("0", &ttl));
  EXPECT_EQ(ttl, 0u);
  EXPECT_TRUE(parse_zone_ttl("1w2D3h4M5s", &ttl));
  EXPECT_EQ(ttl, 788645u);
  EXPECT_TRUE(parse_zone_ttl("1h30", &ttl));
  EXPECT_EQ(ttl, 3630u);
  EXPECT_TRUE(parse_zone_ttl("2147483647", &ttl));
  for (const char* bad :
       {"", "-1", "2147483648", "h", "1x", "99999999999999999999", "4000w", "1 "}) {
    EXPECT_FALSE(parse_zone_ttl(bad, &ttl)) << bad;
  }
}

TEST(ZoneReaderTest, Origin) {
  EXPECT_THAT(
      after_soa("$ORIGIN sub\na A 192.0.2.1\n$ORIGIN deep\nb A 192.0.2.2\n"
                "@ MX 10 @\n$ORIGIN example.\nc A 192.0.2.3\n$ORIGIN .\nd.example A "
                "192.0.2.4\n"),
      ElementsAre("a.sub.example. 60 A 192.0.2.1", "deep.sub.example. 60 MX 10 deep.sub.example.",
                  "b.deep.sub.example. 60 A 192.0.2.2", "c.example. 60 A 192.0.2.3",
                  "d.example. 60 A 192.0.2.4"));
}

TEST(ZoneReaderTest, Include) {
  const unit::ZoneFileTexts files = {
      {"zone",
       "$TTL 60\n" + kSoa + "a A 192.0.2.1\n$INCLUDE more/x sub\n  TXT still-a\nz A 192.0.2.9\n"},
      {"more/x", "b A 192.0.2.2\n$TTL 5\n$ORIGIN deep\nc A 192.0.2.3\n$INCLUDE \"y\"\n"},
      {"more/y", "d A 192.0.2.4"}};
  const ZoneReading reading = read_zone(files);
  EXPECT_THAT(records(reading),
              ElementsAre("a.example. 60 A 192.0.2.1", "a.example. 60 TXT \"still-a\"",
                          "b.sub.example. 60 A 192.0.2.2", "c.deep.sub.example. 5 A 192.0.2.3",
                          "d.deep.sub.example. 5 A 192.0.2.4", "z.example. 60 A 192.0.2.9"));
  EXPECT_THAT(reading.files, ElementsAre("zone", "more/x", "more/y"));
}

TEST(ZoneReaderTest, IncludeIsBounded) {
  EXPECT_THAT(wrong("$INCLUDE nowhere\n"),
              ElementsAre("zone:3:1: $INCLUDE 'nowhere' is not there"));
  EXPECT_THAT(
      messages(read_zone(unit::ZoneFileTexts{{"zone", "$INCLUDE zone\n"}})),
      ElementsAre("zone:1:1: $INCLUDE goes 8 files deep already; does a file include itself?"));
  std::string many = "$TTL 60\n" + kSoa;
  for (unsigned i = 0; i <= kMaxZoneIncludes; ++i) many += "$INCLUDE e\n";
  EXPECT_THAT(messages(read_zone(unit::ZoneFileTexts{{"zone", many}, {"e", ""}})),
              ElementsAre("zone:1003:1: more than 1000 $INCLUDE in this zone"));
}

TEST(ZoneReaderTest, ErrorsInIncludedFilesHaveTheirPlace) {
  const unit::ZoneFileTexts files = {{"zone", "$TTL 60\n" + kSoa + "$INCLUDE x\nb A nonsense\n"},
                                     {"x", "a A 192.0.2.1\n\na FOO bar\n"}};
  EXPECT_THAT(messages(read_zone(files)),
              ElementsAre("x:3:1: 'FOO' is not a type of records",
                          "zone:4:1: A 'nonsense': its data cannot be read"));
}

TEST(ZoneReaderTest, Generate) {
  EXPECT_THAT(
      after_soa("$GENERATE 1-3 host$ A 192.0.2.$\n"
                "$GENERATE 0-4/2 h${8,3,x} 5 IN CNAME ${-0,2}.t\\$$\n"
                "$GENERATE 10-10 ${0,5,n}.r PTR x$$\n"),
      ElementsAre("host1.example. 60 A 192.0.2.1", "host2.example. 60 A 192.0.2.2",
                  "host3.example. 60 A 192.0.2.3", "h008.example. 5 CNAME 00.t\\$0.example.",
                  "h00a.example. 5 CNAME 02.t\\$2.example.",
                  "h00c.example. 5 CNAME 04.t\\$4.example.",
                  "a.0.0.r.example. 60 PTR x\\$.example."));
  // Told before a single record of it takes memory.
  EXPECT_THAT(wrong("$GENERATE 0-2147483647 h$ A 192.0.2.1\n"),
              ElementsAre(HasSubstr("makes more than the 8000000 records")));
  EXPECT_THAT(wrong("$GENERATE 1-3 h$ A 192.0.2.${-2}\n"),
              ElementsAre(HasSubstr("so that no number is negative")));
  EXPECT_THAT(wrong("$GENERATE 1-999 h$ A 192.0.2.$x\n"),
              ElementsAre("zone:3:1: A '192.0.2.1x': its data cannot be read"));
  for (const char* bad : {"$GENERATE 3-1 a A 192.0.2.1\n", "$GENERATE 1 a A 192.0.2.1\n",
                          "$GENERATE 1-2/0 a A 192.0.2.1\n", "$GENERATE 1-x a A 192.0.2.1\n",
                          "$GENERATE 1-2 a A\n"}) {
    EXPECT_THAT(wrong(bad), ElementsAre(HasSubstr("write it as '$GENERATE START-STOP"))) << bad;
  }
}

TEST(ZoneReaderTest, ManyTypes) {
  EXPECT_THAT(
      after_soa("a SRV 1 2 3 h\na NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:x@y!\" .\n"
                "a CAA 0 issue \"ca.example\"\na SVCB 1 . alpn=\"h2,h3\" port=8443\n"
                "a DS 1 13 2 aabb ccdd\na HINFO PC Linux\na RP m t\na DNAME d\n"
                "a TLSA 3 1 1 aabb\na TYPE65400 \\# 3 ab cd ef\na A \\# 4 c0000201\n"
                "a TYPE15 10 m\na DNSKEY 257 3 13 AAAA BBBB\na NSEC b A NS TYPE1234\n"
                "a LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m\na SSHFP 1 1 aabb\n"),
      ::testing::UnorderedElementsAre(
          "a.example. 60 SRV 1 2 3 h.example.",
          "a.example. 60 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:x@y!\" .",
          "a.example. 60 CAA 0 issue \"ca.example\"",
          "a.example. 60 SVCB 1 . alpn=\"h2,h3\" port=8443", "a.example. 60 DS 1 13 2 AABBCCDD",
          "a.example. 60 HINFO \"PC\" \"Linux\"", "a.example. 60 RP m.example. t.example.",
          "a.example. 60 DNAME d.example.", "a.example. 60 TLSA 3 1 1 AABB",
          "a.example. 60 TYPE65400 \\# 3 ABCDEF", "a.example. 60 A 192.0.2.1",
          "a.example. 60 MX 10 m.example.", "a.example. 60 DNSKEY 257 3 13 AAAABBBB",
          "a.example. 60 NSEC b.example. A NS TYPE1234",
          "a.example. 60 LOC \\# 16 000016138B3CF018810CBCE0009895B8",
          "a.example. 60 SSHFP 1 1 AABB"));
}

TEST(ZoneReaderTest, WrongData) {
  const std::pair<const char*, const char*> kCases[] = {
      {"a A 192.0.2", "A '192.0.2': its data cannot be read"},
      {"a A 192.0.2.1 192.0.2.2", "there is too much at its end"},
      {"a A", "A '': something is missing at its end"},
      {"a MX 70000 b", "MX '70000 b': '70000' is not a number from 0 to 65535"},
      {"a MX -1 b", "'-1' is not a number from 0 to 65535"},
      {"a SRV 0 5 99999 x", "'99999' is not a number from 0 to 65535"},
      {"a MX \\# 2 0000", "this is not what a record of this type holds"},
      {"a A \\# 3 010203", "this is not what a record of this type holds"},
      {"a A \\# 3 01020304", "4 octets are written, and 3 said"},
      {"a TXT \\# 1 0", "the last octet has one hexadecimal digit only"},
      {"a TXT \\# x", "'\\#' is followed by the number of octets"},
      {"a TXT \"x", "a quoted string does not end in its line"},
      {"a TXT ( x", "'(' has no ')'"},
      {"a TXT x )", "')' without '('"},
      {"a WKS 1.2.3.4 tcp 25", "write it as '\\# LENGTH HEX'"},
      {"a CERT PKIX 1 5 AAAA", "write it as '\\# LENGTH HEX'"},
      {"a ANY x", "'ANY' records do not stand in zones"},
      {"a NSEC3PARAM 1 0 0 -", "zones with NSEC3 are not served"},
      {"a CH TXT x", "'CH': only class IN is served"},
      {"a 99999999999 A 192.0.2.1", "'99999999999' is not a TTL from 0 to 2147483647"},
      {"a..b A 192.0.2.1", "'a..b' is not a name"},
      {"a 5 IN", "the type of the record is missing"},
      {"$FOO x", "'$FOO' is none of $ORIGIN, $TTL, $INCLUDE and $GENERATE"},
      {"$ORIGIN", "write it as '$ORIGIN NAME'"},
      {"$TTL x", "write it as '$TTL SECONDS'"},
      {"@ SOA a b 1 2 3 4 5", "a zone has one SOA record"},
  };
  for (const auto& [text, what] : kCases) {
    EXPECT_THAT(wrong(std::string(text) + "\n"), ElementsAre(HasSubstr(what))) << text;
    EXPECT_THAT(wrong(std::string(text) + "\n"), ElementsAre(HasSubstr("zone:3:1: "))) << text;
  }
}

TEST(ZoneReaderTest, ALineWithoutAnOwnerNeedsOneBefore) {
  EXPECT_THAT(messages(read_zone(" A 192.0.2.1\n")),
              ElementsAre(HasSubstr("zone:1:1: the line begins with a blank")));
}

TEST(ZoneReaderTest, ErrorsAreManyButNotEndless) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "a A x\n";
  EXPECT_THAT(wrong(text), SizeIs(kMaxZoneErrors));
}

TEST(ZoneReaderTest, ZonesThatAreNone) {
  EXPECT_THAT(messages(read_zone("")),
              ElementsAre(HasSubstr("zone: there is no SOA record for example.")));
  EXPECT_THAT(messages(read_zone(unit::ZoneFileTexts{})), ElementsAre("zone: is not there"));
  EXPECT_THAT(messages(read_zone("\xFF\xFE"
                                 "a")),
              ElementsAre(HasSubstr("is not UTF-8")));
  EXPECT_THAT(messages(read_zone(std::string("a\0b", 3))), ElementsAre(HasSubstr("is not text")));
}

TEST(ZoneReaderTest, OddZones) {
  const auto warnings = [](const std::string& text) {
    const ZoneReading reading = read_zone("$TTL 60\n" + kSoa + text);
    EXPECT_NE(reading.table, nullptr);
    return messages(reading);
  };
  EXPECT_THAT(warnings("other.test. A 192.0.2.1\n"),
              ElementsAre("zone:3:1: other.test. is not in this zone; it is left out"));
  EXPECT_THAT(warnings("a CNAME b\na CNAME c\n"),
              ElementsAre("zone: a.example. has several CNAMEs; only the first is served"));
  EXPECT_THAT(warnings("a CNAME b\na A 192.0.2.1\n"),
              ElementsAre("zone: a.example. has a CNAME and other records, which are not served"));
  EXPECT_THAT(warnings("@ CNAME b\n"), ElementsAre(HasSubstr("is the zone's own name")));
  // Equal records are one; the least TTL is that of all (RFC 2181 section 5).
  EXPECT_THAT(after_soa("a 9 A 192.0.2.1\na 5 A 192.0.2.2\na A 192.0.2.1\n" + kSoa),
              ElementsAre("a.example. 5 A 192.0.2.1", "a.example. 5 A 192.0.2.2"));
}

TEST(ZoneReaderTest, LargeZonesAreRefused) {
  ZoneReadOptions options;
  options.most_records = 2;
  const unit::ZoneFileTexts files = {
      {"zone", "$TTL 60\n" + kSoa + "a A 192.0.2.1\nb A 192.0.2.1\nc A x\n"}};
  EXPECT_THAT(messages(read_zone(files, "example.", options)),
              ElementsAre(HasSubstr("zone:4:1: the zone is larger than 2 records")));
  options.most_records = kMaxZoneRecords;
  options.most_octets = 20000;
  const unit::ZoneFileTexts generated = {
      {"zone", "$TTL 60\n" + kSoa + "$GENERATE 1-1000000 $.a.b.c.d.e TXT x\n"}};
  EXPECT_THAT(messages(read_zone(generated, "example.", options)),
              ElementsAre(HasSubstr("zone:3:1: the zone is larger than")));
  EXPECT_THAT(wrong("a TXT " + std::string(kMaxZoneRecordText, 'x') + "\n"),
              ElementsAre(HasSubstr("a record of more than 262144 octets of text")));
}

TEST(ZoneReaderTest, ReadingEndsWhenNobodyWaits) {
  const std::atomic<bool> abandoned{true};
  ZoneReadOptions options;
  options.abandoned = &abandoned;
  const ZoneReading reading = read_zone(unit::ZoneFileTexts{{"zone", kSoa}}, "example.", options);
  EXPECT_EQ(reading.table, nullptr);
}

TEST(ZoneReaderTest, TheRootAndReverseZones) {
  EXPECT_THAT(
      records(read_zone("$TTL 60\n. SOA a b 1 2 3 4 5\ncom NS a.com\na.com A 192.0.2.1\n", ".")),
      ElementsAre("com. 60 NS a.com.", "a.com. 60 A 192.0.2.1"));
  EXPECT_THAT(records(read_zone("$TTL 60\n@ SOA a. b. 1 2 3 4 5\n1 PTR host.example.\n",
                                "2.0.192.in-addr.arpa.")),
              ElementsAre("1.2.0.192.in-addr.arpa. 60 PTR host.example."));
}

}  // namespace
}  // namespace clusterdns::zones
