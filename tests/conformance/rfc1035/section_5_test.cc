// RFC 1035 section 5: master files; RFC 3597 section 5: types that nobody knows.
#include "conformance/zones.h"

namespace clusterdns::test {
namespace {

TEST(Rfc1035_5_1, ParenthesesCommentsAndOwners) {
  expect_answer(ask("paren.example.test.", "TXT"),
                {"paren.example.test. 60 IN TXT \"one;two\" \"three\"",
                 "paren.example.test. 60 IN TXT \"the same owner\""});
}

TEST(Rfc1035_5_1, Escapes) {
  expect_answer(ask("esc\\.aped.example.test.", "A"),
                {"esc\\.aped.example.test. 60 IN A 192.0.2.40"});
}

TEST(Rfc1035_5_1, TtlAndClass) {
  expect_answer(ask("ttl.example.test.", "A"), {"ttl.example.test. 5400 IN A 192.0.2.41"});
  expect_answer(ask("class.example.test.", "A"), {"class.example.test. 5 IN A 192.0.2.42"});
}

TEST(Rfc3597_5, UnknownTypes) {
  const Message response = ask("generic.example.test.", "TYPE65400");
  expect_rcode(response, "NOERROR");
  EXPECT_EQ(response.answer.size(), 1U) << response.text();
}

}  // namespace
}  // namespace clusterdns::test
