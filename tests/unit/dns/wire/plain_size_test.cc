#include "dns/wire/plain_size.h"

#include <gtest/gtest.h>

#include "dns/wire/message_reader.h"
#include "tests/unit/dns/query/request.h"

namespace clusterdns::dns {
namespace {

using unit::name;
using unit::Octets;

Record record(const char* owner, RRType type, Octets rdata) {
  Record r;
  r.owner = name(owner);
  r.type = type;
  r.rrclass = RRClass::IN;
  r.ttl = 5;
  r.rdata = std::move(rdata);
  return r;
}

Octets wire(const char* text, Octets before = {}, const Octets& after = {}) {
  const Name n = name(text);
  before.insert(before.end(), n.data(), n.data() + n.size());
  before.insert(before.end(), after.begin(), after.end());
  return before;
}

TEST(PlainSize, WritesEveryCompressedNameOut) {
  Message message;
  message.has_question = true;
  message.qname = name("www.example.org");
  message.qtype = RRType::A;
  message.qclass = RRClass::IN;
  message.answer = {
      record("www.example.org", RRType::CNAME, wire("web.example.org")),
      record("web.example.org", RRType::A, {192, 0, 2, 1}),
      record("web.example.org", RRType::MX, wire("mail.example.org", {0, 10})),
      record("web.example.org", RRType::SRV, wire("a.example.org", {0, 0, 0, 1, 0, 80}))};
  message.authority = {
      record("example.org", RRType::SOA,
             wire("ns.example.org", {}, wire("root.example.org", {}, Octets(20))))};
  message.has_opt = true;
  std::size_t expected = kHeaderSize + message.qname.size() + 4 + kOptRecordSize;
  for (const auto* section : {&message.answer, &message.authority}) {
    for (const Record& r : *section) expected += r.owner.size() + 10 + r.rdata.size();
  }
  const Octets compressed = write_message(message, kMaxMessageSize);
  EXPECT_LT(compressed.size(), expected);
  EXPECT_EQ(plain_size(compressed), expected);
}

TEST(PlainSize, IsTheSizeItselfOfWhatDoesNotParse) {
  EXPECT_EQ(plain_size(Octets(5)), 5u);
  Octets lies(12);
  lies[7] = 3;  // three answers that are not there
  EXPECT_EQ(plain_size(lies), 12u);
  lies[5] = 1;  // and a question that is not there either
  EXPECT_EQ(plain_size(lies), 12u);
}

}  // namespace
}  // namespace clusterdns::dns
