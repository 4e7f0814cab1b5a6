// RFC 8945, section 5.1: TSIG at a server that has no keys.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// Algorithm, time signed, fudge, MAC, original ID, error, other data (RFC 8945, 4.2).
Octets tsig_rdata() {
  WireWriter rdata;
  rdata.name("hmac-sha256.").u16(0).u32(1700000000).u16(300);
  rdata.u16(32).raw(Octets(32, 0x5A)).u16(0x1234).u16(0).u16(0);
  return rdata.out;
}

WireWriter question(unsigned additional) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, additional).question(svc("web"), "A");
  return query;
}

TEST(Rfc8945_5_1, AWholeTsigIsNoFormatError) {
  WireWriter query = question(1);
  query.record("key.", "TSIG", 0, tsig_rdata(), "ANY");
  EXPECT_NE(UdpClient(target()).exchange(query.out).rcode, 1);
}

TEST(Rfc8945_5_1, ACutTsigIsAFormatError) {
  const Octets whole = tsig_rdata();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    WireWriter query = question(1);
    query.record("key.", "TSIG", 0, std::span(whole).first(size), "ANY");
    expect_formerr(query.out);
  }
}

// "If multiple TSIG records are detected or a TSIG record is present in any other position, the DNS
// message is dropped and a response with RCODE 1 (FORMERR) MUST be returned."
TEST(Rfc8945_5_1, TsigIsTheLastRecordAndTheOnlyOne) {
  WireWriter two = question(2);
  two.record("key.", "TSIG", 0, tsig_rdata(), "ANY").record("key.", "TSIG", 0, tsig_rdata(), "ANY");
  expect_formerr(two.out);
  WireWriter before = question(2);
  before.record("key.", "TSIG", 0, tsig_rdata(), "ANY");
  before.record("x.example.", "A", 0, Octets{192, 0, 2, 1});
  expect_formerr(before.out);
}

}  // namespace
}  // namespace clusterdns::test
