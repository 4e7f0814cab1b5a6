// RFC 1035, section 4.1.2: Question section format, with the limits of section 2.3.4.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// A query whose question is these octets.
Octets with_question(std::string_view octets) {
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 0).raw(octets);
  return query.out;
}

TEST(Rfc1035_4_1_2, QuestionThatEndsEarly) {
  const Octets whole = encode(Query{.name = svc("web")});
  for (std::size_t size = kHeaderSize; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_dropped_or_formerr(std::span(whole).first(size));
  }
}

TEST(Rfc1035_4_1_2, QuestionsAreNotCompressed) {
  using namespace std::string_view_literals;
  expect_dropped_or_formerr(with_question("\xC0\x0C\x00\x01\x00\x01"sv));       // to itself
  expect_dropped_or_formerr(with_question("\xC0\x00\x00\x01\x00\x01"sv));       // to the header
  expect_dropped_or_formerr(with_question("\x01x\xC0\x0C\x00\x01\x00\x01"sv));  // a loop
  expect_dropped_or_formerr(with_question("\x01x\xC0\x20\x00\x01\x00\x01"sv));  // forward
  expect_dropped_or_formerr(with_question("\x01x\xFF\xFF\x00\x01\x00\x01"sv));  // far away
  expect_dropped_or_formerr(with_question("\x01x\xC0"sv));                      // half a pointer
}

TEST(Rfc1035_4_1_2, ReservedLabelTypes) {
  using namespace std::string_view_literals;
  expect_dropped_or_formerr(with_question("\x40x\x00\x00\x01\x00\x01"sv));
  expect_dropped_or_formerr(with_question("\x41\x08\x00\x00\x01\x00\x01"sv));  // RFC 2673
  expect_dropped_or_formerr(with_question("\x80x\x00\x00\x01\x00\x01"sv));
}

TEST(Rfc1035_2_3_4, LabelsOfUpTo63Octets) {
  expect_nxdomain(ask(std::string(63, 'x') + ".conf.svc.cluster.local."));
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 0);
  query.question(std::string(64, 'x') + ".conf.svc.cluster.local.", "A");
  expect_dropped_or_formerr(query.out);
}

// A name of exactly `octets` octets below cluster.local.
std::string name_of(std::size_t octets) {
  std::string name = "cluster.local.";
  std::size_t size = name_octets(name).size();
  while (size < octets) {
    const std::size_t label = std::min<std::size_t>(63, octets - size - 1);
    // A remainder of one octet cannot be a label; shorten the one before.
    const std::size_t use = octets - size - label - 1 == 1 ? label - 1 : label;
    name.insert(0, std::string(use, 'x') + ".");
    size += use + 1;
  }
  return name;
}

TEST(Rfc1035_2_3_4, NamesOfUpTo255Octets) {
  for (const std::size_t octets : {253U, 254U, 255U}) {
    ASSERT_EQ(name_octets(name_of(octets)).size(), octets);
    expect_nxdomain(ask(name_of(octets)));
  }
  for (const std::size_t octets : {256U, 257U, 300U}) {
    ASSERT_EQ(name_octets(name_of(octets)).size(), octets);
    WireWriter query;
    query.header(random_id(), kFlagRD, 1, 0, 0, 0).question(name_of(octets), "A");
    expect_dropped_or_formerr(query.out);
  }
}

TEST(Rfc1035_2_3_4, AsManyLabelsAsFit) {
  std::string name = "cluster.local.";
  while (name_octets(name).size() + 2 <= 255) {
    name.insert(0, "x.");
  }
  expect_nxdomain(ask(name));
  WireWriter query;
  query.header(random_id(), kFlagRD, 1, 0, 0, 0).question("x." + name, "A");
  expect_dropped_or_formerr(query.out);
}

// Section 3.1: labels are octets; nothing in them ends a name or splits it.
TEST(Rfc1035_3_1, LabelsHoldAnyOctets) {
  expect_nxdomain(ask("web\\.conf.svc.cluster.local."));
  expect_nxdomain(ask("web.conf\\.svc.cluster.local."));
  expect_nxdomain(ask("we\\000b.conf.svc.cluster.local."));
  expect_nxdomain(ask("web\\000.conf.svc.cluster.local."));
  expect_nxdomain(ask("\\255\\254.conf.svc.cluster.local."));
  expect_refused(ask("cluster\\.local."));
}

TEST(Rfc1035_4_1_2, OctetsBehindTheQuestionAreNotReflected) {
  Octets query = encode(Query{.name = svc("web")});
  const Octets garbage(200, 0xAA);
  query.insert(query.end(), garbage.begin(), garbage.end());
  const std::optional<Octets> answer = answer_to(query);
  if (answer.has_value()) {
    const Message response = decode(*answer);
    EXPECT_TRUE(response.rcode == 0 || response.rcode == 1) << response.text();
    EXPECT_LE(answer->size(), query.size());
  }
}

TEST(Rfc1035_4_1_2, OtherClassesAreRefused) {
  for (const char* klass : {"CH", "HS", "NONE", "ANY", "CLASS2", "CLASS65280"}) {
    SCOPED_TRACE(klass);
    expect_refused(ask_udp(target(), Query{.name = svc("web"), .klass = klass}));
    expect_refused(ask_udp(target(), Query{.name = svc("nothing"), .klass = klass}));
  }
}

TEST(Rfc1035_4_1_2, ServerIdentityIsOffByDefault) {
  for (const char* name : {"version.bind.", "id.server.", "hostname.bind.", "version.server."}) {
    SCOPED_TRACE(name);
    expect_refused(ask_udp(target(), Query{.name = name, .type = "TXT", .klass = "CH"}));
  }
}

TEST(Rfc1035_3_2_3, TransfersAreRefused) {
  for (const char* type : {"AXFR", "IXFR"}) {
    SCOPED_TRACE(type);
    expect_refused(ask_udp("cluster.local.", type));
    expect_refused(ask_tcp("cluster.local.", type));
    expect_refused(ask_tcp(svc("web"), type));
  }
}

// RFC 3597: types unknown to the server are types like any other.
TEST(Rfc3597_2, UnknownTypesOfExistingNamesAreNodata) {
  for (const char* type : {"MX", "TXT", "HTTPS", "SVCB", "CAA", "DS", "DNSKEY", "NAPTR", "NULL",
                           "HINFO", "LOC", "TYPE999", "TYPE65280", "TYPE65534"}) {
    SCOPED_TRACE(type);
    expect_nodata(ask(svc("web"), type));
    expect_nodata(ask(svc("peers"), type));
    expect_nodata(ask("peer-0.peers.conf.svc.cluster.local.", type));
    expect_nxdomain(ask(svc("nothing"), type));
    expect_nodata(ask("1.10.96.10.in-addr.arpa.", type), "in-addr.arpa.");
  }
}

}  // namespace
}  // namespace clusterdns::test
