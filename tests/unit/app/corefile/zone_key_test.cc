#include "app/corefile/zone_key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/corefile/error.h"

namespace clusterdns::app {
namespace {

const Position kHere{"f", 3, 7};

std::string keys(std::string_view text) {
  std::vector<Warning> warnings;
  std::string result;
  try {
    for (const ZoneKey& key : parse_zone_key(text, kHere, warnings)) {
      EXPECT_EQ(key.at, kHere);
      if (!result.empty()) result += " ";
      result += key.scheme + "://" + key.zone;
      if (key.port) result += ":" + std::to_string(*key.port);
    }
  } catch (const ConfigError& e) {
    EXPECT_EQ(e.at(), kHere);
    return e.message();
  }
  for (const Warning& warning : warnings) result += " warning: " + warning.message;
  return result;
}

TEST(ZoneKey, NamesAreLowerCasedAndFullyQualified) {
  EXPECT_EQ(keys("."), "dns://.");
  EXPECT_EQ(keys(".:53"), "dns://.:53");
  EXPECT_EQ(keys("Example.ORG"), "dns://example.org.");
  EXPECT_EQ(keys("example.org.:1053"), "dns://example.org.:1053");
  EXPECT_EQ(keys("0.0.10.in-addr.arpa"), "dns://0.0.10.in-addr.arpa.");
  EXPECT_EQ(keys("example.org:0"), "dns://example.org.:0");
  EXPECT_EQ(keys("example.org:65535"), "dns://example.org.:65535");
  EXPECT_EQ(keys(R"(a\.b\046c.)"), R"(dns://a\.b\046c.)");
  EXPECT_EQ(keys("_dns-sd._udp.example.org"), "dns://_dns-sd._udp.example.org.");
}

TEST(ZoneKey, Schemes) {
  EXPECT_EQ(keys("dns://."), "dns://.");
  EXPECT_EQ(keys("tls://example.org"), "tls://example.org.");
  EXPECT_EQ(keys("https://example.org:8443"), "https://example.org.:8443");
  EXPECT_EQ(keys("https3://."), "https3://.");
  EXPECT_EQ(keys("grpc://."), "grpc://.");
  EXPECT_EQ(keys("QUIC://."), "quic://.");
  EXPECT_EQ(keys("htps://."), "unknown scheme 'htps'; did you mean 'https'?");
  EXPECT_EQ(keys("gopher://."),
            "unknown scheme 'gopher'; choose from: dns, tls, https, grpc, https3, quic");
}

TEST(ZoneKey, DefaultPorts) {
  EXPECT_EQ(default_port("dns", 53), 53);
  EXPECT_EQ(default_port("dns", 1053), 1053);
  EXPECT_EQ(default_port("tls", 1053), 853);
  EXPECT_EQ(default_port("quic", 1053), 853);
  EXPECT_EQ(default_port("https", 1053), 443);
  EXPECT_EQ(default_port("https3", 1053), 443);
  EXPECT_EQ(default_port("grpc", 1053), 443);
  EXPECT_EQ(effective_port({"tls", ".", 8853, {}}, 53), 8853);
  EXPECT_EQ(effective_port({"dns", ".", {}, {}}, 5353), 5353);
}

// What CoreDNS 1.15 makes of the same text (plugin.SplitHostPort).
TEST(ZoneKey, NetworksBecomeReverseZones) {
  EXPECT_EQ(keys("10.0.0.0/24"), "dns://0.0.10.in-addr.arpa.");
  EXPECT_EQ(keys("10.0.0.1/24"), "dns://0.0.10.in-addr.arpa.");
  EXPECT_EQ(keys("10.0.0.0/8:1053"), "dns://10.in-addr.arpa.:1053");
  EXPECT_EQ(keys("0.0.0.0/0"), "dns://in-addr.arpa.");
  EXPECT_EQ(keys("10.0.0.0/31"), "dns://0.0.0.10.in-addr.arpa. dns://1.0.0.10.in-addr.arpa.");
  EXPECT_EQ(keys("10.1.0.0/15:99"), "dns://0.10.in-addr.arpa.:99 dns://1.10.in-addr.arpa.:99");
  EXPECT_EQ(keys("10.96.0.0/10"), [] {
    std::string all;
    for (int i = 64; i < 128; ++i) {
      all += (i > 64 ? " dns://" : "dns://") + std::to_string(i) + ".10.in-addr.arpa.";
    }
    return all;
  }());
  EXPECT_EQ(keys("192.0.2.7/32"), "dns://7.2.0.192.in-addr.arpa.");
  EXPECT_EQ(keys("2001:db8::/32"), "dns://8.b.d.0.1.0.0.2.ip6.arpa.");
  EXPECT_EQ(keys("2001:db8::/32:53"), "dns://8.b.d.0.1.0.0.2.ip6.arpa.:53");
  EXPECT_EQ(keys("2001:db8::/35"),
            "dns://0.8.b.d.0.1.0.0.2.ip6.arpa. dns://1.8.b.d.0.1.0.0.2.ip6.arpa.");
  EXPECT_EQ(keys("fd00::/127"),
            "dns://0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. "
            "dns://1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.");
  EXPECT_EQ(keys("::/0"), "dns://ip6.arpa.");
  // RFC 2317 section 4: a name with a slash.
  EXPECT_EQ(keys("0/25.2.0.192.in-addr.arpa"), "dns://0/25.2.0.192.in-addr.arpa.");
}

TEST(ZoneKey, Errors) {
  EXPECT_EQ(keys(":53"), "':53' has no zone; for the root zone write '.:53'");
  EXPECT_EQ(keys("dns://"), "'dns://' has no zone; for the root zone write '.'");
  EXPECT_EQ(keys(".:"), "'.:' has no port after ':'; write one, as in '.:53'");
  EXPECT_EQ(keys(".:dns"), "'dns' in '.:dns' is not a valid port; write a number from 0 to 65535");
  EXPECT_EQ(keys(".:65536"),
            "'65536' in '.:65536' is not a valid port; write a number from 0 to 65535");
  EXPECT_EQ(keys(".:-1"), "'-1' in '.:-1' is not a valid port; write a number from 0 to 65535");
  EXPECT_EQ(keys("10.0.0.0/33"),
            "'10.0.0.0/33' is not a network; write it like 10.0.0.0/16 or fd00:10::/64");
  EXPECT_EQ(keys("10.0/16"),
            "'10.0/16' is not a network; write it like 10.0.0.0/16 or fd00:10::/64");
  EXPECT_EQ(keys("fd00::1"),
            "'fd00::1' is not a zone; for the reverse zone of the address write fd00::1/128");
  EXPECT_EQ(keys("a..b"), "'a..b' is not a zone: a label is empty; remove the extra dot");
  EXPECT_EQ(keys(".a"), "'.a' is not a zone: a label is empty; remove the extra dot");
  EXPECT_EQ(keys("a b"),
            "'a b' is not a zone: it has white space or control characters; write each zone as "
            "one word");
  EXPECT_EQ(keys("b\xC3\xBC"
                 "cher.example"),
            "'b\xC3\xBC"
            "cher.example' is not a zone: it has letters outside ASCII; write the name "
            "in its xn-- form");
  EXPECT_EQ(keys("a\\"),
            "'a\\' is not a zone: '\\' must be followed by three digits or one "
            "other character");
  EXPECT_EQ(keys("a\\12"),
            "'a\\12' is not a zone: '\\' must be followed by three digits or one "
            "other character");
}

TEST(ZoneKey, LengthLimits) {
  const std::string label(63, 'a');
  EXPECT_EQ(keys(label), "dns://" + label + ".");
  EXPECT_EQ(keys(label + "b"),
            "'" + label + "b' is not a zone: a label has more than 63 characters");
  const std::string three = label + "." + label + "." + label + ".";  // 193 octets with the root
  EXPECT_EQ(keys(three + std::string(61, 'b')), "dns://" + three + std::string(61, 'b') + ".");
  EXPECT_EQ(keys(three + std::string(62, 'b')),
            "'" + three + std::string(62, 'b') + "' is not a zone: it is longer than 255 octets");
}

TEST(ZoneKey, AnAddressAsAZoneIsSuspicious) {
  EXPECT_EQ(keys("127.0.0.1:53"),
            "dns://127.0.0.1.:53 warning: '127.0.0.1' is read as a name; to listen on an address "
            "write `bind 127.0.0.1` in the block, for its reverse zone write 127.0.0.1/32");
}

TEST(ZoneKey, ZonesOfDirectives) {
  EXPECT_EQ(parse_zone("Cluster.Local", kHere), std::vector<std::string>{"cluster.local."});
  EXPECT_EQ(parse_zone("10.0.0.0/15", kHere),
            (std::vector<std::string>{"0.10.in-addr.arpa.", "1.10.in-addr.arpa."}));
  EXPECT_THROW(static_cast<void>(parse_zone("", kHere)), ConfigError);
  EXPECT_THROW(static_cast<void>(parse_zone("a:53", kHere)), ConfigError);
}

std::string zone_error(std::string_view text) {
  try {
    static_cast<void>(parse_zone(text, kHere));
  } catch (const ConfigError& e) {
    return e.message();
  }
  return "no error";
}

// `cache -5`, `forward 192.0.2.1 192.0.2.2`, `cache example.org 30`: taken for names they would
// match nothing, and nobody would say so.
TEST(ZoneKey, NumbersAndAddressesAreNoZones) {
  for (const char* text :
       {"0", "5", "-5", "+5", "5.5", "30s", "1d", "100ms", "50%", "0x10", "30.", "-1h"}) {
    EXPECT_EQ(zone_error(text),
              "'" + std::string(text) + "' is not a zone, where one is expected; write a name")
        << text;
  }
  EXPECT_EQ(zone_error("192.0.2.1"),
            "'192.0.2.1' is an address where a zone is expected; write '.' for the root zone, or "
            "192.0.2.1/32 for the reverse zone of the address");
  for (const char* text : {"360.cn", "1.example", "4x", "10.in-addr.arpa", "s", "m", "-x", "1e3",
                           "0.0.10.in-addr.arpa.", "5s.test", "192.0.2.1."}) {
    EXPECT_EQ(zone_error(text), "no error") << text;
  }
  EXPECT_EQ(keys("1053"), "'1053' is not a zone; for a port write '.:1053'");
  EXPECT_EQ(keys("30s"), "'30s' is not a zone; for a port write '.:53'");
  EXPECT_EQ(keys("10.0.0.0/8"), "dns://10.in-addr.arpa.");
}

TEST(ZoneKey, ReverseZones) {
  EXPECT_TRUE(is_reverse_zone("in-addr.arpa."));
  EXPECT_TRUE(is_reverse_zone("10.in-addr.arpa."));
  EXPECT_TRUE(is_reverse_zone("ip6.arpa."));
  EXPECT_TRUE(is_reverse_zone("d.f.ip6.arpa."));
  EXPECT_FALSE(is_reverse_zone("arpa."));
  EXPECT_FALSE(is_reverse_zone("xip6.arpa."));
  EXPECT_FALSE(is_reverse_zone("cluster.local."));
}

}  // namespace
}  // namespace clusterdns::app
