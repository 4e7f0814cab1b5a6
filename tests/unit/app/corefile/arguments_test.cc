#include "app/corefile/arguments.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>

#include "app/corefile/parser.h"

namespace clusterdns::app {
namespace {

using namespace std::chrono_literals;

Token word(const std::string& text) { return {text, {"f", 2, 9}, false}; }

Directive line(const std::string& text) {
  return parse_corefile(". {\n" + text + "\n}", "f").blocks.at(0).directives.at(0);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Arguments, Counts) {
  EXPECT_EQ(error_of([] { require_arguments(line("ttl 5"), 1, 1, "ttl SECONDS"); }), "no error");
  EXPECT_EQ(error_of([] { require_arguments(line("ttl"), 1, 1, "ttl SECONDS"); }),
            "f:2:1: ttl: needs 1 argument but has none; write `ttl SECONDS`");
  EXPECT_EQ(error_of([] { require_arguments(line("ttl 5 6"), 1, 1, "ttl SECONDS"); }),
            "f:2:7: ttl: '6' is one argument too many; write `ttl SECONDS`");
  EXPECT_EQ(
      error_of([] { require_arguments(line("forward ."), 2, kAnyNumber, "forward FROM TO…"); }),
      "f:2:1: forward: needs at least 2 arguments but has 1 argument; write `forward FROM TO…`");
  EXPECT_EQ(error_of([] { require_arguments(line("x a b c"), 0, 2, "x [A [B]]"); }),
            "f:2:7: x: 'c' is one argument too many; write `x [A [B]]`");
  EXPECT_EQ(only_argument(line("ttl 5"), "ttl SECONDS").text, "5");
}

TEST(Arguments, Blocks) {
  EXPECT_EQ(error_of([] { require_bare(line("loop")); }), "no error");
  EXPECT_EQ(error_of([] { require_bare(line("loop x")); }),
            "f:2:6: loop: 'x' is one argument too many; write `loop`");
  EXPECT_EQ(error_of([] { require_bare(line("loop {\n}")); }),
            "f:2:1: loop: takes no block; remove its '{' and '}'");
  EXPECT_EQ(error_of([] { require_bare(line("loop {\n  a\n}")); }),
            "f:3:3: loop: takes no block; remove its '{' and '}'");
}

TEST(Arguments, UnknownWords) {
  constexpr std::array<std::string_view, 3> kKnown = {"pods", "ttl", "fallthrough"};
  EXPECT_EQ(error_of([&] { fail_unknown_property(line("falltrough"), "kubernetes", kKnown); }),
            "f:2:1: kubernetes: 'falltrough' is not an option here; did you mean 'fallthrough'?");
  EXPECT_EQ(error_of([&] { fail_unknown_directive(line("zzz"), kKnown); }),
            "f:2:1: 'zzz' is not a directive; choose from: pods, ttl, fallthrough");
  EXPECT_EQ(error_of([&] {
              fail_repeated(line("ttl 5"), {"f", 1, 4});
            }),
            "f:2:1: ttl: is given twice, first at f:1:4; remove one of them");
  EXPECT_EQ(parse_choice(word("pods"), kKnown), "pods");
  EXPECT_EQ(error_of([&] { static_cast<void>(parse_choice(word("pod"), kKnown)); }),
            "f:2:9: 'pod' is not a valid value here; did you mean 'pods'?");
}

TEST(Arguments, Integers) {
  EXPECT_EQ(parse_integer(word("0"), 0, 3600), 0);
  EXPECT_EQ(parse_integer(word("3600"), 0, 3600), 3600);
  EXPECT_EQ(parse_integer(word("-1"), -1, 1), -1);
  for (const char* bad :
       {"", "3601", "-1", "5s", "+5", "0x10", "1e3", " 5", "99999999999999999999"}) {
    EXPECT_EQ(error_of([&] { static_cast<void>(parse_integer(word(bad), 0, 3600)); }),
              "f:2:9: '" + std::string(bad) + "' is not a valid number; write one from 0 to 3600");
  }
  EXPECT_EQ(parse_port(word("65535")), 65535);
  EXPECT_EQ(error_of([] { static_cast<void>(parse_port(word("65536"))); }),
            "f:2:9: '65536' is not a valid port; write a number from 0 to 65535");
}

TEST(Arguments, Durations) {
  EXPECT_EQ(parse_duration(word("5s")), 5s);
  EXPECT_EQ(parse_duration(word("1m30s")), 90s);
  EXPECT_EQ(parse_duration(word("100ms")), 100ms);
  EXPECT_EQ(parse_duration(word("1.5h")), 90min);
  EXPECT_EQ(parse_duration(word(".5s")), 500ms);
  EXPECT_EQ(parse_duration(word("1.s")), 1s);
  EXPECT_EQ(parse_duration(word("7us")), 7us);
  EXPECT_EQ(parse_duration(word("7\xC2\xB5s")), 7us);
  EXPECT_EQ(parse_duration(word("7\xCE\xBCs")), 7us);
  EXPECT_EQ(parse_duration(word("1h2m3s4ms5us6ns")), 1h + 2min + 3s + 4ms + 5us + 6ns);
  EXPECT_EQ(parse_duration(word("0")), 0s);
  EXPECT_EQ(parse_duration(word("30"), BareDuration::Seconds), 30s);
  EXPECT_EQ(parse_duration(word("2562047h")), 2562047h);
  for (const char* bad :
       {"", "s", "5", "1x", "-5s", "5 s", "1..5s", ".s", "5s5", "1d", "99999999999999999999s",
        "2562048h", "999999999999h", "99999999999999999999"}) {
    const bool number = std::string(bad).find_first_not_of("0123456789") == std::string::npos;
    if (number && *bad != '\0') {
      EXPECT_EQ(error_of([&] { static_cast<void>(parse_duration(word(bad))); }),
                "f:2:9: '" + std::string(bad) + "' has no unit; for seconds write '" + bad + "s'");
    } else {
      EXPECT_EQ(
          error_of([&] { static_cast<void>(parse_duration(word(bad))); }),
          "f:2:9: '" + std::string(bad) + "' is not a duration; write it like 5s, 1m30s or 100ms");
    }
  }
  EXPECT_EQ(
      error_of([] {
        static_cast<void>(parse_duration(word("99999999999999999999"), BareDuration::Seconds));
      }),
      "f:2:9: '99999999999999999999' is not a duration; write it like 5s, 1m30s or 100ms");
  EXPECT_EQ(error_of([] {
              static_cast<void>(parse_duration(word("2m"), BareDuration::Refused, 100ms, 90s));
            }),
            "f:2:9: '2m' is out of range; write a duration from 100ms to 90s");
  EXPECT_EQ(
      error_of([] { static_cast<void>(parse_duration(word("0"), BareDuration::Refused, 2s)); }),
      "f:2:9: '0' is too short; the minimum is 2s");
}

TEST(Arguments, Addresses) {
  EXPECT_EQ(parse_cidr(word("10.96.0.0/16")).to_string(), "10.96.0.0/16");
  EXPECT_EQ(parse_cidr(word("10.96.0.10")).to_string(), "10.96.0.10/32");
  EXPECT_EQ(parse_cidr(word("fd00::1")).to_string(), "fd00::1/128");
  EXPECT_EQ(error_of([] { static_cast<void>(parse_cidr(word("10.0.0.0/40"))); }),
            "f:2:9: '10.0.0.0/40' is not a network; write it like 10.96.0.0/16 or "
            "fd00:10:96::/112");
  EXPECT_EQ(parse_ip(word("fd00::10")).to_string(), "fd00::10");
  EXPECT_EQ(error_of([] { static_cast<void>(parse_ip(word("dns.example"))); }),
            "f:2:9: 'dns.example' is not an IP address; write it like 10.96.0.10 or fd00::10");
}

TEST(Arguments, HostPorts) {
  EXPECT_EQ(parse_host_port(word("10.0.0.1"), 53).to_string(), "10.0.0.1:53");
  EXPECT_EQ(parse_host_port(word("10.0.0.1:5353"), 53).to_string(), "10.0.0.1:5353");
  EXPECT_EQ(parse_host_port(word("dns://10.0.0.1"), 53).to_string(), "10.0.0.1:53");
  EXPECT_EQ(parse_host_port(word("::1"), 53).to_string(), "[::1]:53");
  EXPECT_EQ(parse_host_port(word("[::1]"), 53).to_string(), "[::1]:53");
  EXPECT_EQ(parse_host_port(word("[fd00::10]:5353"), 53).to_string(), "[fd00::10]:5353");
  for (const char* bad :
       {"", ":53", "localhost", "10.0.0", "10.0.0.1.2", "tls://1.1.1.1", "[]:53"}) {
    EXPECT_EQ(error_of([&] { static_cast<void>(parse_host_port(word(bad), 53)); }),
              "f:2:9: '" + std::string(bad) +
                  "' is not an IP address with or without a port; write it like 10.96.0.10, "
                  "10.96.0.10:53 or [fd00::10]:53");
  }
  EXPECT_EQ(error_of([] { static_cast<void>(parse_host_port(word("[::1"), 53)); }),
            "f:2:9: '[::1' has no ']'; write it like [fd00::10]:53");
  EXPECT_EQ(error_of([] { static_cast<void>(parse_host_port(word("[::1]53"), 53)); }),
            "f:2:9: '[::1]53' has something other than a port after ']'; write it like "
            "[fd00::10]:53");
  for (const char* bad : {"1.1.1.1:", "1.1.1.1:x", "1.1.1.1:70000", "[::1]:", "[::1]:-1"}) {
    EXPECT_EQ(
        error_of([&] { static_cast<void>(parse_host_port(word(bad), 53)); }),
        "f:2:9: '" + std::string(bad) + "' has no valid port; write a number from 0 to 65535");
  }
}

TEST(Arguments, Expressions) {
  EXPECT_TRUE(parse_expression(word("^a.*z$")).matches("abcz"));
  EXPECT_EQ(error_of([] { static_cast<void>(parse_expression(word("(ab"))); }),
            "f:2:9: '(ab' is not a regular expression: missing ): (ab");
}

TEST(Arguments, OptionsWhereZonesStand) {
  constexpr std::array<std::string_view, 2> kOptions = {"ttl", "pods"};
  EXPECT_EQ(error_of([&] { refuse_option_names(line("kubernetes a.test").args, kOptions); }),
            "no error");
  EXPECT_EQ(error_of([&] { refuse_option_names(line("kubernetes a.test ttl 5").args, kOptions); }),
            "f:2:19: kubernetes: 'ttl' is an option; options go between '{' and '}', one per line");
  // Whoever quotes it means a name.
  EXPECT_EQ(error_of([&] { refuse_option_names(line("kubernetes \"ttl\"").args, kOptions); }),
            "no error");
}

TEST(Arguments, WordsInMessagesAreShortAndInOneLine) {
  EXPECT_EQ(in_quotes("a\nb"), "'a b'");
  EXPECT_LT(in_quotes(std::string(100'000, 'x')).size(), 500U);
}

TEST(Arguments, Zones) {
  const Corefile corefile =
      parse_corefile("a.org b.org a.org:54 {\n  x\n  y C.org 10.0.0.0/15 c.org\n  z a..b\n}", "f");
  const ServerBlock& block = corefile.blocks[0];
  EXPECT_EQ(parse_zones(block.directives[0].args, block),
            (std::vector<std::string>{"a.org.", "b.org."}));
  EXPECT_EQ(parse_zones(block.directives[1].args, block),
            (std::vector<std::string>{"c.org.", "0.10.in-addr.arpa.", "1.10.in-addr.arpa."}));
  EXPECT_EQ(error_of([&] { static_cast<void>(parse_zones(block.directives[2].args, block)); }),
            "f:4:5: z: 'a..b' is not a zone: a label is empty; remove the extra dot");
}

}  // namespace
}  // namespace clusterdns::app
