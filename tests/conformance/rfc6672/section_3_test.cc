// RFC 6672 section 3: DNAME in an authoritative server.
#include "conformance/zones.h"

namespace clusterdns::test {
namespace {

TEST(Rfc6672_3_1, ACnameIsSynthesised) {
  expect_answer_in_order(ask("a.old.example.test.", "A"),
                         {"old.example.test. 3600 IN DNAME new.example.test.",
                          "a.old.example.test. 3600 IN CNAME a.new.example.test.",
                          "a.new.example.test. 3600 IN A 192.0.2.30"});
}

TEST(Rfc6672_2_3, TheOwnerItselfIsNotRedirected) {
  expect_answer(ask("old.example.test.", "DNAME"),
                {"old.example.test. 3600 IN DNAME new.example.test."});
  expect_zone_nodata(ask("old.example.test.", "A"));
}

TEST(Rfc6672_3_2, WhatDoesNotExistBehindIt) {
  const Message response = ask("x.old.example.test.", "A");
  // `*.example.test.` stands for no name below `new`, which exists.
  expect_rcode(response, "NXDOMAIN");
  EXPECT_EQ(response.answer.size(), 2U) << response.text();
}

}  // namespace
}  // namespace clusterdns::test
