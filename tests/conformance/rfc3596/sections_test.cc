// RFC 3596: DNS Extensions to Support IP Version 6.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// The ip6.arpa name of an address.
std::string reverse(const char* address) {
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET6, address, octets.data()) != 1) {
    throw TestError(address);
  }
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name;
  for (std::size_t i = octets.size(); i-- > 0;) {
    name += kDigits[octets[i] & 0xF];
    name += '.';
    name += kDigits[octets[i] >> 4];
    name += '.';
  }
  return name + "ip6.arpa.";
}

// Sections 2.1 and 2.2.
TEST(Rfc3596_2_2, SixteenOctetsInNetworkOrder) {
  const Message response = ask(svc("v6only"), "AAAA");
  ASSERT_EQ(response.answer.size(), 1U) << response.text();
  EXPECT_EQ(response.answer[0].type, 28);
  EXPECT_EQ(response.answer[0].rdata,
            (Octets{0xfd, 0x00, 0, 0x10, 0, 0x96, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0x03}));
}

// Section 2.3.
TEST(Rfc3596_2_3, AaaaQueryReturnsAllOfThem) {
  EXPECT_EQ(ask(svc("v6-peers"), "AAAA").answer.size(), 2U);
}

// Section 2.5.
TEST(Rfc3596_2_5, NibblesInReverseOrder) {
  expect_answer(ask(reverse("fd00:10:96::a03"), "PTR"),
                {reverse("fd00:10:96::a03") + " 5 IN PTR v6only.conf.svc.cluster.local."});
  expect_answer(
      ask(reverse("fd00:10:244::2601"), "PTR"),
      {reverse("fd00:10:244::2601") + " 5 IN PTR six-0.v6-peers.conf.svc.cluster.local."});
}

TEST(Rfc3596_2_5, UpperCaseNibbles) {
  std::string name = reverse("fd00:10:96::a03");
  for (char& letter : name) {
    letter = letter >= 'a' && letter <= 'f' ? static_cast<char>(letter - 'a' + 'A') : letter;
  }
  const Message response = ask(name, "PTR");
  EXPECT_EQ(data_of(response.answer, "PTR"),
            (std::vector<std::string>{"v6only.conf.svc.cluster.local."}));
}

TEST(Rfc3596_2_5, UnknownAddresses) {
  expect_nxdomain(ask(reverse("fd00:10:96::a04"), "PTR"), "ip6.arpa.");
  expect_nxdomain(ask(reverse("2001:db8::1"), "PTR"), "ip6.arpa.");
}

TEST(Rfc3596_2_5, LabelsThatAreNoNibbles) {
  const std::string good = reverse("fd00:10:96::a03");
  expect_nxdomain(ask("g" + good.substr(1), "PTR"), "ip6.arpa.");
  expect_nxdomain(ask("03" + good.substr(1), "PTR"), "ip6.arpa.");
  expect_nxdomain(ask("0." + good, "PTR"), "ip6.arpa.");
}

// Section 3: types that have A in the additional section have AAAA there too.
TEST(Rfc3596_3, AdditionalSectionHasBoth) {
  const Message response = ask(svc("dual"), "SRV");
  EXPECT_EQ(data_of(response.additional, "A").size(), 1U);
  EXPECT_EQ(data_of(response.additional, "AAAA").size(), 1U);
  EXPECT_EQ(data_of(ask(svc("v6only"), "SRV").additional, "AAAA").size(), 1U);
}

}  // namespace
}  // namespace clusterdns::test
