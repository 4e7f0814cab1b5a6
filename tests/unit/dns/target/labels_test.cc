#include "dns/target/labels.h"

#include <gtest/gtest.h>

namespace clusterdns::dns {
namespace {

// The instructions of a label, as they are written; nullopt: it is a word.
std::optional<std::string> read(std::string_view label, Vocabulary vocabulary = Vocabulary::Fault) {
  Instructions instructions;
  instructions.count = 0;
  if (!read_label(label, 0, vocabulary, instructions)) {
    EXPECT_EQ(instructions.count, 0);
    return std::nullopt;
  }
  std::string text;
  for (const Instruction& each : instructions.list()) text += each.text() + " ";
  return text;
}

TEST(Labels, EveryWordIsRead) {
  for (const char* const word :
       {"d0",          "d60000",      "d1-2",      "dn100-20", "de5",          "dp7",
        "drop",        "servfail",    "refused",   "formerr",  "notimp",       "nxdomain",
        "nodata",      "nosoa",       "noaa",      "noedns",   "noopt",        "badvers",
        "tc",          "tc1",         "tc4000",    "tcall",    "badid",        "badq",
        "badcase",     "badport",     "spoof",     "dup1",     "dup100",       "hold",
        "trail1",      "trail1000",   "cut0",      "cut65535", "counts",       "ptrloop",
        "rdlen",       "qr0",         "loop",      "chain1",   "chain64",      "a1",
        "a2000",       "size300",     "size65535", "ttl0",     "whoami",       "tcpclose",
        "tcpcut0",     "tcpcut65535", "tcpstall",  "tcpslow1", "tcpslow10000", "tcplen1",
        "tcplen60000", "p0",          "p100",      "f1",       "e1",           "aaaa",
        "udp",         "tcp",         "edns"}) {
    EXPECT_EQ(read(word), std::string(word) + " ");
  }
}

TEST(Labels, NumbersOutOfRangeAreWords) {
  for (const char* const word :
       {"d60001",  "d01",         "d-1",         "d+1",       "d2-1",
        "dn5",     "dn5-",        "de",          "tc0",       "tc4001",
        "dup0",    "dup101",      "trail0",      "trail1001", "cut65536",
        "chain0",  "chain65",     "a0",          "a2001",     "a",
        "size299", "size65536",   "tcpcut65536", "tcpslow0",  "tcpslow10001",
        "tcplen0", "tcplen60001", "p101",        "p",         "f0",
        "e0",      "qr1",         "x1",          "www",       "",
        "-",       "drop-",       "-drop",       "drop--tc",  "d99999999999999999999"}) {
    EXPECT_EQ(read(word), std::nullopt) << word;
  }
}

TEST(Labels, SeveralInOne) {
  EXPECT_EQ(read("p50-servfail"), "p50 servfail ");
  EXPECT_EQ(read("d100-200-servfail"), "d100-200 servfail ");
  EXPECT_EQ(read("p50-d100-a4"), "p50 d100 a4 ");
  EXPECT_EQ(read("drop-www"), std::nullopt);
  EXPECT_EQ(read("d100-200-300"), std::nullopt);
}

TEST(Labels, SyntheticKnowsFewer) {
  EXPECT_EQ(read("a4-ttl3", Vocabulary::Synthetic), "a4 ttl3 ");
  EXPECT_EQ(read("drop", Vocabulary::Synthetic), std::nullopt);
}

}  // namespace
}  // namespace clusterdns::dns
