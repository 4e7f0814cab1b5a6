#include "dns/wire/query_writer.h"

#include <gtest/gtest.h>

#include <array>

#include "dns/wire/message_reader.h"

namespace clusterdns::dns {
namespace {

TEST(WriteQuery, FieldsAndOpt) {
  const Name name = Name::from_text("WwW.example").value();
  std::array<std::uint8_t, kMaxWrittenQuery> out;
  out.fill(0xAB);
  for (const bool edns : {false, true}) {
    const std::size_t size =
        write_query({name.view(), RRType::AAAA, kFlagRD | kFlagCD, edns, true, 1400}, out.data());
    const Message message = read_message({out.data(), size}).value();
    EXPECT_EQ(message.id, 0);
    EXPECT_EQ(message.flags, kFlagRD | kFlagCD);
    EXPECT_EQ(message.qname.to_text(), "WwW.example.");
    EXPECT_EQ(message.qtype, RRType::AAAA);
    EXPECT_EQ(message.qclass, RRClass::IN);
    EXPECT_EQ(message.has_opt, edns);
    if (!edns) continue;
    EXPECT_EQ(message.opt_udp_size, 1400);
    EXPECT_EQ(message.opt_ttl, 0x8000u);
    EXPECT_TRUE(message.opt_options.empty());
  }
}

TEST(WriteQuery, TheLongestNameFits) {
  const Name name = Name::from_text(std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                                    std::string(63, 'c') + "." + std::string(61, 'd'))
                        .value();
  ASSERT_EQ(name.size(), kMaxNameSize);
  std::array<std::uint8_t, kMaxWrittenQuery> out;
  EXPECT_EQ(write_query({name.view(), RRType::A, kFlagRD, true, false}, out.data()), out.size());
}

}  // namespace
}  // namespace clusterdns::dns
