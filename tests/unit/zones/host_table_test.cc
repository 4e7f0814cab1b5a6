#include "zones/host_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/zones/cluster.h"

namespace clusterdns::zones {
namespace {

using unit::name;

// Hosts with names of nearly 255 octets, as a tenant may write them.
dns::Name long_host(int number) {
  const std::string label(60, 'x');
  return name("h" + std::to_string(number) + "." + label + "." + label + "." + label + ".example.");
}

TEST(HostTable, HostsTakeABoundedNumberOfOctets) {
  dns::ReclaimDomain reclaim(1);
  HostTable table(reclaim);
  HostAddresses addresses;
  addresses.a_rows.resize(14);
  const HostTable::GroupId group = table.add_group(addresses);
  const HostTable::GroupIds ids{group, HostTable::kNoGroup, HostTable::kNoGroup};
  int kept = 0;
  while (table.set(long_host(kept), ids)) ++kept;
  EXPECT_GT(kept, 100'000);
  EXPECT_LE(table.octets(), kMaxHostOctets);
  EXPECT_EQ(static_cast<int>(table.size()), kept);
  EXPECT_EQ(table.find(long_host(kept).view()), nullptr);
  EXPECT_NE(table.find(long_host(kept - 1).view()), nullptr);

  // What is there already changes in its place, and what goes makes room.
  EXPECT_TRUE(table.set(long_host(0), {HostTable::kNoGroup, group, HostTable::kNoGroup}));
  table.remove(long_host(0));
  EXPECT_TRUE(table.set(long_host(kept), ids));
  EXPECT_LE(table.octets(), kMaxHostOctets);
}

}  // namespace
}  // namespace clusterdns::zones
