// RFC 2782: A DNS RR for specifying the location of services (DNS SRV).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "conformance/target.h"

namespace clusterdns::test {
namespace {

struct Srv {
  unsigned priority = 0;
  unsigned weight = 0;
  unsigned port = 0;
  std::string target;
};

Srv parse(const std::string& data) {
  Srv srv;
  std::istringstream(data) >> srv.priority >> srv.weight >> srv.port >> srv.target;
  return srv;
}

const std::vector<std::string> kNames{svc("web"),
                                      svc("dual"),
                                      svc("peers"),
                                      svc("anon"),
                                      svc("mid"),
                                      svc("many-ports"),
                                      "_http._tcp.web.conf.svc.cluster.local.",
                                      "_db._tcp.peers.conf.svc.cluster.local.",
                                      "peer-0.peers.conf.svc.cluster.local."};

// "The target MUST NOT be compressed."
TEST(Rfc2782_Target, IsNotCompressed) {
  for (const std::string& name : kNames) {
    const Message response = ask(name, "SRV");
    ASSERT_FALSE(response.answer.empty()) << response.text();
    for (const Record& record : response.answer) {
      EXPECT_FALSE(record.rdata_compressed) << record.text();
      EXPECT_EQ(record.rdata.size(), 6 + name_octets(parse(record.data).target).size());
    }
  }
}

// "The name MUST NOT be an alias", and it must have addresses.
TEST(Rfc2782_Target, IsNoAlias) {
  for (const std::string& name : kNames) {
    for (const std::string& data : data_of(ask(name, "SRV").answer, "SRV")) {
      const Message response = ask(parse(data).target);
      EXPECT_TRUE(data_of(response.answer, "CNAME").empty()) << response.text();
      EXPECT_FALSE(response.answer.empty()) << response.text();
    }
  }
}

TEST(Rfc2782_Priority, IsZero) {
  for (const std::string& name : kNames) {
    for (const std::string& data : data_of(ask(name, "SRV").answer, "SRV")) {
      EXPECT_EQ(parse(data).priority, 0U) << data;
    }
  }
}

// floor(100 / number of answers), at least 1.
TEST(Rfc2782_Weight, SharesAHundred) {
  for (const std::string& name : kNames) {
    const auto answers = data_of(ask(name, "SRV").answer, "SRV");
    for (const std::string& data : answers) {
      EXPECT_EQ(parse(data).weight, 100 / answers.size()) << name << ' ' << data;
    }
  }
  const auto many = data_of(ask_tcp(svc("big"), "SRV").answer, "SRV");
  ASSERT_EQ(many.size(), 120U);
  for (const std::string& data : many) {
    EXPECT_EQ(parse(data).weight, 1U) << data;
  }
}

// Addresses of the targets in the additional section, and nothing else.
TEST(Rfc2782_Usage, AdditionalHasTheTargetsAddresses) {
  for (const std::string& name : kNames) {
    const Message response = ask_tcp(name, "SRV");
    std::set<std::string> targets;
    for (const std::string& data : data_of(response.answer, "SRV")) {
      targets.insert(parse(data).target);
    }
    std::set<std::string> owners;
    for (const Record& record : response.additional) {
      owners.insert(record.owner);
      EXPECT_TRUE(record.type == type_from_text("A") || record.type == type_from_text("AAAA"));
    }
    EXPECT_EQ(owners, targets) << response.text();
  }
}

}  // namespace
}  // namespace clusterdns::test
