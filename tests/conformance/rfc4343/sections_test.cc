// RFC 4343: Domain Name System (DNS) Case Insensitivity Clarification.
#include <gtest/gtest.h>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

// Section 3: ASCII letters match in either case.
TEST(Rfc4343_3, NamesMatchInAnyCase) {
  for (const char* name : {"WEB.CONF.SVC.CLUSTER.LOCAL.", "wEb.cOnF.sVc.ClUsTeR.lOcAl."}) {
    EXPECT_EQ(data_of(ask(name).answer, "A"), (std::vector<std::string>{"10.96.10.1"})) << name;
  }
}

TEST(Rfc4343_3, EveryKindOfName) {
  EXPECT_EQ(ask("_HTTP._Tcp.Web.Conf.Svc.Cluster.Local.", "SRV").answer.size(), 1U);
  EXPECT_EQ(ask("Peer-0.Peers.Conf.Svc.Cluster.Local.").answer.size(), 1U);
  EXPECT_EQ(ask("FD00-10-244--2202.dual-peers.conf.svc.cluster.local.", "AAAA").answer.size(), 1U);
  EXPECT_EQ(ask("1.10.96.10.IN-ADDR.ARPA.", "PTR").answer.size(), 1U);
  EXPECT_EQ(ask("DNS-Version.Cluster.Local.", "TXT").answer.size(), 1U);
  EXPECT_EQ(ask("Cluster.LOCAL.", "SOA").answer.size(), 1U);
  EXPECT_EQ(ask("10-1-2-3.CONF.Pod.cluster.local.").answer.size(), 1U);
  EXPECT_EQ(ask("Ext-In.Conf.Svc.Cluster.Local.").answer.size(), 2U);
  expect_rcode(ask("SVC.Cluster.Local."), "NOERROR");
  expect_rcode(ask("Nothing.Conf.Svc.Cluster.Local."), "NXDOMAIN");
}

// Section 4.1: the question comes back as it was sent (check_response() compares the octets), and
// the answer's owner is that name.
TEST(Rfc4343_4_1, OwnerHasTheCaseOfTheQuestion) {
  const std::string a = "wEb.CoNf.sVc.cLuStEr.LoCaL.";
  expect_answer(ask(a), {a + " 5 IN A 10.96.10.1"});
  const std::string srv = "_HtTp._TcP.wEb.CoNf.sVc.cLuStEr.LoCaL.";
  for (const Record& record : ask(srv, "SRV").answer) {
    EXPECT_EQ(record.owner, srv);
  }
  const std::string ptr = "1.10.96.10.In-AdDr.ArPa.";
  expect_answer(ask(ptr, "PTR"), {ptr + " 5 IN PTR web.conf.svc.cluster.local."});
  const std::string alias = "eXt-In.conf.svc.CLUSTER.local.";
  EXPECT_EQ(ask(alias).answer.at(0).owner, alias);
  const std::string set = "pEeRs.conf.svc.cluster.local.";
  for (const Record& record : ask(set).answer) {
    EXPECT_EQ(record.owner, set);
  }
}

// Answers to questions in different case do not disturb each other.
TEST(Rfc4343_4_1, CaseIsNotRemembered) {
  const std::string lower_case = svc("web");
  EXPECT_EQ(ask("WEB.conf.svc.cluster.local.").answer.at(0).owner, "WEB.conf.svc.cluster.local.");
  EXPECT_EQ(ask(lower_case).answer.at(0).owner, lower_case);
}

TEST(Rfc4343_4_1, NegativeAnswers) {
  expect_nxdomain(ask("NoThInG.conf.svc.cLuStEr.lOcAl."));
  expect_nodata(ask("WEB.conf.svc.cluster.LOCAL.", "AAAA"));
  expect_refused(ask("ExAmPlE.CoM."));
}

// Section 3: only letters. 0x5F `_` and 0x7F, 0x2D `-` and 0x0D, 0x30 `0` and 0x10 differ in the
// same bit as `a` and `A`, and must not match; nor do octets above 0x7F.
TEST(Rfc4343_3, OnlyLettersFold) {
  expect_nxdomain(ask("\\127http._tcp.web.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("_http.\\127tcp.web.conf.svc.cluster.local.", "SRV"));
  expect_nxdomain(ask("dual\\013peers.conf.svc.cluster.local."));
  expect_nxdomain(ask("peer-\\016.peers.conf.svc.cluster.local."));
  expect_nxdomain(ask("\\0170-1-2-3.conf.pod.cluster.local."));
  expect_nxdomain(ask("w\\197b.conf.svc.cluster.local."));
  expect_nxdomain(ask("w\\229b.conf.svc.cluster.local."));
  expect_nxdomain(ask("\\017.10.96.10.in-addr.arpa.", "PTR"), "in-addr.arpa.");
  expect_refused(ask("in\\013addr.arpa."));
}

// Section 2.1: an escaped letter is the letter.
TEST(Rfc4343_2_1, EscapesAreOfThePresentationOnly) {
  EXPECT_EQ(ask("\\119eb.conf.svc.cluster.local.").answer.size(), 1U);
}

}  // namespace
}  // namespace clusterdns::test
