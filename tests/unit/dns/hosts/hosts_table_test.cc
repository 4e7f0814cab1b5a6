#include "dns/hosts/hosts_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "dns/query/encoder.h"
#include "tests/unit/dns/query/request.h"
#include "tests/unit/growth.h"

namespace clusterdns::dns {
namespace {

using unit::name;

HostsOptions everywhere() {
  HostsOptions options;
  options.zones.add(Name());
  return options;
}

std::unique_ptr<HostsTable> table_of(const std::string& text) {
  auto table = std::make_unique<HostsTable>(everywhere());
  HostsReader(text, "hosts", *table).read();
  table->finish();
  return table;
}

std::multiset<std::string> addresses_of(const HostsTable& table, const std::string& text) {
  std::multiset<std::string> all;
  const Name asked = name(text);
  const auto host = table.find(asked.view());
  if (!host) return all;
  for (const bool v4 : {true, false}) {
    const std::uint8_t* row = v4 ? host->v4 : host->v6;
    for (std::uint32_t i = 0; i < (v4 ? host->v4_count : host->v6_count); ++i) {
      if (v4) {
        boost::asio::ip::address_v4::bytes_type octets;
        std::copy_n(row + 12, octets.size(), octets.begin());
        all.insert(boost::asio::ip::address_v4(octets).to_string());
        row += kARowSize;
      } else {
        boost::asio::ip::address_v6::bytes_type octets;
        std::copy_n(row + 12, octets.size(), octets.begin());
        all.insert(boost::asio::ip::address_v6(octets).to_string());
        row += kAaaaRowSize;
      }
    }
  }
  return all;
}

std::multiset<std::string> names_of(const HostsTable& table, const std::string& reverse) {
  std::multiset<std::string> all;
  const Name asked = name(reverse);
  const auto host = table.find(asked.view());
  if (!host) return all;
  for (std::uint32_t i = 0; i < host->name_count; ++i) {
    const std::uint8_t* const at = host->wire + host->names[i];
    all.insert(name_to_text({at, at[-1]}));
  }
  return all;
}

// Names with one address and with many, addresses with one name and with many, all in any order and
// more than once: each name has each of its addresses once, and the other way round.
TEST(HostsTable, HoldsWhatWasSaid) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::map<std::string, std::set<std::string>> forward;
    std::map<std::string, std::set<std::string>> backward;
    std::string text;
    for (unsigned i = 0; i < 1 + random() % 200; ++i) {
      const std::string last = std::to_string(1 + random() % (1 + random() % 40));
      const std::string address = random() % 4 == 0 ? "2001:db8::" + last : "192.0.2." + last;
      const std::string host = "h" + std::to_string(random() % (1 + random() % 60)) + ".example.";
      text += address + " " + host + "\n";
      forward[host].insert(address);
      backward[address].insert(host);
    }
    const auto table = table_of(text);
    for (const auto& [host, addresses] : forward) {
      ASSERT_EQ(addresses_of(*table, host),
                std::multiset<std::string>(addresses.begin(), addresses.end()))
          << host << "\n"
          << text;
      ASSERT_EQ(table->find(name(host).view())->turn != nullptr, addresses.size() > 1);
    }
    for (const auto& [address, hosts] : backward) {
      if (address.find(':') != std::string::npos) continue;
      const std::string last = address.substr(address.rfind('.') + 1);
      ASSERT_EQ(names_of(*table, last + ".2.0.192.in-addr.arpa"),
                std::multiset<std::string>(hosts.begin(), hosts.end()))
          << address << "\n"
          << text;
    }
    ASSERT_FALSE(table->find(name("missing.example").view()));
  }
}

TEST(HostsTable, NothingIsFoundBeforeItIsFinished) {
  HostsTable table(everywhere());
  EXPECT_TRUE(table.add(boost::asio::ip::make_address("192.0.2.1"), name("a")));
  EXPECT_FALSE(table.find(name("a").view()));
  table.finish();
  EXPECT_TRUE(table.find(name("a").view()));
}

// However a text is cut, the table is the same, and so are the warnings.
TEST(HostsTable, ReadInPieces) {
  std::string text = "\xEF\xBB\xBF# list\n192.0.2.1 a b\tc # d\n\n::1 a\r\nnonsense x\n";
  text += "192.0.2.2 " + std::string(70, 'x') + " e\n192.0.2.3";
  for (int i = 0; i < 40; ++i) text += " n" + std::to_string(i);
  for (std::size_t piece = 1; piece < 40; ++piece) {
    HostsTable table(everywhere());
    HostsReader reader(text, "hosts", table);
    unsigned pieces = 1;
    while (reader.read(piece)) ++pieces;
    table.finish();
    EXPECT_GT(pieces, text.size() / (piece + 100));
    EXPECT_EQ(addresses_of(table, "a"), (std::multiset<std::string>{"192.0.2.1", "::1"}));
    EXPECT_EQ(addresses_of(table, "e"), (std::multiset<std::string>{"192.0.2.2"}));
    EXPECT_EQ(addresses_of(table, "n39"), (std::multiset<std::string>{"192.0.2.3"}));
    EXPECT_FALSE(table.find(name("d").view()));
    EXPECT_EQ(names_of(table, "3.2.0.192.in-addr.arpa").size(), 40u);
    EXPECT_EQ(reader.warnings().size(), 2u);
    EXPECT_EQ(reader.warnings()[0],
              "hosts:5: 'nonsense' is not an IP address; the line is "
              "ignored");
  }
}

TEST(HostsTable, WhatAWarningQuotesIsCut) {
  HostsTable table(everywhere());
  const std::string text = std::string(100'000, 'x') + " a\n";
  HostsReader reader(text, "hosts", table);
  reader.read();
  ASSERT_EQ(reader.warnings().size(), 1u);
  EXPECT_LT(reader.warnings()[0].size(), 200u);
}

// The names of a block list, and one name's addresses, and both: time and memory are linear.
TEST(HostsTable, CostIsLinear) {
  const auto many_names = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "0.0.0.0 ads-" + std::to_string(i) + ".example\n";
    return text;
  };
  const auto one_line = [](int count) {
    std::string text = "0.0.0.0";
    for (int i = 0; i < count; ++i) text += " ads-" + std::to_string(i) + ".example";
    return text;
  };
  const auto many_addresses = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      const std::string last = std::to_string(i >> 8) + "." + std::to_string(i & 255);
      text += "10.1." + last + " pool.example\n";
      text += "10.1." + last + " pool.example other.example\n";
    }
    return text;
  };
  for (const auto& make :
       {std::function<std::string(int)>(many_names), {one_line}, {many_addresses}}) {
    const std::string small = make(4'000);
    const std::string large = make(32'000);
    EXPECT_LT(unit::growth([&] { return table_of(small)->entries(); },
                           [&] { return table_of(large)->entries(); }),
              32)
        << large.substr(0, 60);
  }
  const auto table = table_of(many_names(32'000));
  EXPECT_EQ(names_of(*table, "0.0.0.0.in-addr.arpa").size(), 32'000u);
  EXPECT_LT(table->octets(), 32'000u * 110);
}

TEST(HostsTable, IsBoundedInOctets) {
  constexpr std::size_t kMost = 1'000'000;
  // Short names, long names, one name with many addresses, addresses with a name each.
  for (const int kind : {0, 1, 2, 3}) {
    HostsTable table(everywhere(), kMost);
    int added = 0;
    for (;; ++added) {
      const std::string n = std::to_string(added);
      const std::string address =
          kind < 2 ? "0.0.0.0"
                   : "2001:db8::" + std::to_string(added % 10'000) + ":" + n.substr(0, 4);
      const std::string host = kind == 2   ? "one"
                               : kind == 1 ? std::string(60, 'x') + "." + std::string(50, 'y') + n
                                           : n;
      if (!table.add(boost::asio::ip::make_address(address), name(host))) break;
      ASSERT_LT(added, 1'000'000);
    }
    EXPECT_GT(added, 2'000) << kind;
    EXPECT_LE(table.octets(), kMost + kMost / 4) << kind << ": an index grows by doubling";
    table.finish();
    EXPECT_LE(table.octets(), kMost) << kind << ": what it takes for good is less";
    EXPECT_TRUE(
        table.find(name(kind == 2   ? "one"
                        : kind == 1 ? std::string(60, 'x') + "." + std::string(50, 'y') + "0"
                                    : "0")
                       .view()));
  }
  // A file says once where it was cut.
  HostsTable table(everywhere(), 10'000);
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "0.0.0.0 n" + std::to_string(i) + "\n";
  HostsReader reader(text, "hosts", table);
  EXPECT_FALSE(reader.read());
  ASSERT_EQ(reader.warnings().size(), 1u);
  EXPECT_NE(reader.warnings()[0].find("are ignored"), std::string::npos) << reader.warnings()[0];
  table.finish();
  EXPECT_TRUE(table.find(name("n0").view()));
  EXPECT_FALSE(table.find(name("n9999").view()));
}

}  // namespace
}  // namespace clusterdns::dns
