#include "registry/validation.h"

#include <gtest/gtest.h>

#include <string>

namespace clusterdns::registry {
namespace {

TEST(Validation, DnsLabel) {
  for (const char* text : {"a", "1", "my-service", "10-244-0-1", "xn--abc", "a--b"}) {
    EXPECT_TRUE(is_dns_label(text)) << text;
  }
  for (const char* text : {"", "-a", "a-", "A", "a.b", "a_b", "a b", "ä", "*"}) {
    EXPECT_FALSE(is_dns_label(text)) << text;
  }
  EXPECT_TRUE(is_dns_label(std::string(63, 'a')));
  EXPECT_FALSE(is_dns_label(std::string(64, 'a')));
}

TEST(Validation, DnsSubdomain) {
  for (const char* text : {"a", "db.example.com", "1.2.3.4", "a-b.c"}) {
    EXPECT_TRUE(is_dns_subdomain(text)) << text;
  }
  for (const char* text : {"", ".", "a.", ".a", "a..b", "-a.b", "a.-b", "A.b", "a_b.c"}) {
    EXPECT_FALSE(is_dns_subdomain(text)) << text;
  }
  std::string longest = std::string(63, 'a') + '.' + std::string(63, 'b') + '.' +
                        std::string(63, 'c') + '.' + std::string(61, 'd');
  EXPECT_EQ(longest.size(), 253U);
  EXPECT_TRUE(is_dns_subdomain(longest));
  EXPECT_FALSE(is_dns_subdomain(longest + 'd'));
}

TEST(Validation, OnlyTheWholeOfAnObjectsNameHasALimit) {
  EXPECT_TRUE(is_dns_subdomain(std::string(253, 'a')));
  EXPECT_FALSE(is_dns_subdomain(std::string(254, 'a')));
  EXPECT_TRUE(is_dns_subdomain("a." + std::string(200, 'b') + ".c"));
  EXPECT_TRUE(is_label_key(std::string(100, 'a') + ".example.com/x"));
  EXPECT_FALSE(is_label_key(std::string(254, 'a') + "/x"));
}

TEST(Validation, DnsName) {
  EXPECT_TRUE(is_dns_name("db.example.com"));
  EXPECT_TRUE(is_dns_name(std::string(63, 'a') + ".b"));
  for (const std::string& text :
       {std::string(64, 'a') + ".b", std::string("a..b"), std::string("a_b.c"), std::string("A.b"),
        std::string(), std::string("*.b"), std::string("a.")}) {
    EXPECT_FALSE(is_dns_name(text)) << text;
  }
}

TEST(Validation, FitsDns) {
  EXPECT_TRUE(fits_dns("_sip._tcp.Example.com"));
  EXPECT_TRUE(fits_dns(std::string(63, 'a')));
  for (const std::string& text : {std::string(64, 'a'), std::string("a..b"), std::string(".a"),
                                  std::string("a."), std::string()}) {
    EXPECT_FALSE(fits_dns(text)) << text;
  }
}

TEST(Validation, PortName) {
  for (const char* text : {"http", "dns-tcp", "8080a", "a", "abcdefghijklmno"}) {
    EXPECT_TRUE(is_port_name(text)) << text;
  }
  for (const char* text : {"", "8080", "a--b", "-a", "a-", "HTTP", "abcdefghijklmnop", "a_b"}) {
    EXPECT_FALSE(is_port_name(text)) << text;
  }
}

TEST(Validation, LabelKey) {
  for (const char* text : {"app", "k8s-app", "A.b_c", "kubernetes.io/name", "a/b"}) {
    EXPECT_TRUE(is_label_key(text)) << text;
  }
  for (const char* text : {"", "/a", "a/", "a/b/c", "-a", "a b", "Kubernetes.io/name", "a/-b"}) {
    EXPECT_FALSE(is_label_key(text)) << text;
  }
  EXPECT_TRUE(is_label_key(std::string(63, 'a')));
  EXPECT_FALSE(is_label_key(std::string(64, 'a')));
}

TEST(Validation, LabelValue) {
  for (const char* text : {"", "v1", "1.2_3-A"}) EXPECT_TRUE(is_label_value(text)) << text;
  for (const char* text : {"-a", "a-", "a b", "a/b", "."}) {
    EXPECT_FALSE(is_label_value(text)) << text;
  }
  EXPECT_FALSE(is_label_value(std::string(64, 'a')));
}

TEST(Validation, PortNumber) {
  EXPECT_FALSE(is_port_number(0));
  EXPECT_TRUE(is_port_number(1));
  EXPECT_TRUE(is_port_number(65535));
  EXPECT_FALSE(is_port_number(65536));
  EXPECT_FALSE(is_port_number(-1));
}

}  // namespace
}  // namespace clusterdns::registry
