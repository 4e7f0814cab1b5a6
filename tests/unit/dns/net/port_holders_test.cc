#include "dns/net/port_holders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <system_error>

#include "dns/net/free_port.h"
#include "dns/net/listen_socket.h"

namespace clusterdns::dns {
namespace {

using boost::asio::ip::make_address;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kHead =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n";

std::vector<std::uint64_t> inodes(const std::vector<PortHolder>& holders) {
  std::vector<std::uint64_t> all;
  for (const PortHolder& each : holders) all.push_back(each.inode);
  return all;
}

// Of a little-endian machine, as every one that Linux runs clusterdns on.
const std::string kTcp = std::string(kHead) +
                         "   0: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 "
                         "00000000   991        0 11 1 x\n"
                         "   1: 0100007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 "
                         "00000000     0        0 22 1 x\n"
                         "   2: 0100007F:0035 0100007F:A001 01 00000000:00000000 00:00000000 "
                         "00000000     0        0 33 1 x\n"
                         "   3: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 "
                         "00000000     0        0 44 1 x\n"
                         "  cut line: 0100007F:0035\n";
const std::string kTcp6 = std::string(kHead) +
                          "   0: 00000000000000000000000000000000:0035 "
                          "00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 55 x\n"
                          "   1: 00000000000000000000000001000000:0035 "
                          "00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 66 x\n";

TEST(PortHoldersTest, WhoIsInTheWay) {
  const auto v4 = [](const char* address, ListenKind kind = ListenKind::Tcp) {
    return inodes(read_port_holders(kTcp, false, kind, {make_address(address), 53}, false));
  };
  using List = std::vector<std::uint64_t>;
  EXPECT_EQ(v4("127.0.0.53"), (List{11}));
  EXPECT_EQ(v4("127.0.0.1"), (List{22})) << "a connection is in nobody's way";
  EXPECT_EQ(v4("127.0.0.1", ListenKind::Udp), (List{22, 33}));
  EXPECT_EQ(v4("127.0.0.2"), (List{}));
  EXPECT_EQ(v4("0.0.0.0"), (List{11, 22}));
  EXPECT_EQ(v4("::"), (List{}));
  const auto v6 = [](const char* address, bool both) {
    return inodes(
        read_port_holders(kTcp6, true, ListenKind::Tcp, {make_address(address), 53}, both));
  };
  EXPECT_EQ(v6("::1", false), (List{55, 66}));
  EXPECT_EQ(v6("::2", false), (List{55}));
  EXPECT_EQ(v6("127.0.0.1", false), (List{}));
  EXPECT_EQ(v6("127.0.0.1", true), (List{55}));
  const ListenPlace everywhere{{}, 53, true};
  EXPECT_EQ(inodes(read_port_holders(kTcp, false, ListenKind::Tcp, everywhere, false)),
            (List{11, 22}));
  EXPECT_EQ(inodes(read_port_holders(kTcp6, true, ListenKind::Tcp, everywhere, false)),
            (List{55, 66}));
}

class ListenSocketTest : public ::testing::Test {
 protected:
  ListenSocketTest() : port_(find_free_port(kLoopback)) {}
  std::string refusal(ListenKind kind, const ListenPlace& place, const SocketInodes& ours = {}) {
    try {
      check_free(kind, place, ours);
      return "free";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code().value(), EADDRINUSE);
      return e.what();
    }
  }

  const boost::asio::ip::address kLoopback = make_address("127.0.0.1");
  std::uint16_t port_;
};

TEST_F(ListenSocketTest, StrangersAreNamedAndOursAreNone) {
  for (const ListenKind kind : {ListenKind::Udp, ListenKind::Tcp}) {
    const ListenPlace place{kLoopback, port_};
    EXPECT_EQ(refusal(kind, place), "free");
    const Descriptor held = bind_listen_socket(kind, place);
    if (kind == ListenKind::Tcp) {
      ASSERT_EQ(::listen(held.get(), 1), 0);
    }
    // This very process holds it.
    const std::string who = "(pid " + std::to_string(::getpid()) + ") has " + to_string(place);
    EXPECT_THAT(refusal(kind, place), HasSubstr(who));
    const ListenPlace all{make_address("0.0.0.0"), port_};
    EXPECT_THAT(refusal(kind, all), HasSubstr(who));
    // An address of its own leaves room beside it, if not on lo.
    EXPECT_THAT(refusal(kind, all), Not(HasSubstr("bind lo")));
    EXPECT_EQ(refusal(kind, {make_address("127.0.0.2"), port_}), "free");
    const SocketInodes ours{socket_inode(held.get())};
    EXPECT_EQ(refusal(kind, place, ours), "free");
    EXPECT_EQ(refusal(kind, all, ours), "free");
    EXPECT_NO_THROW((void)bind_listen_socket(kind, all));
  }
}

// Between looking for a port and binding it somebody else may get it.
TEST_F(ListenSocketTest, AnotherPortIsBoundWhenOneIsTakenMeanwhile) {
  std::vector<Descriptor> others, bound;
  bind_free_port(kLoopback, [&](std::uint16_t port) {
    const ListenPlace place{kLoopback, port};
    if (others.size() < 3) {
      others.emplace_back(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_port = htons(port);
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      ASSERT_EQ(::bind(others.back().get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    }
    bound.push_back(bind_listen_socket(ListenKind::Udp, place));
  });
  EXPECT_EQ(others.size(), 3U);
  EXPECT_EQ(bound.size(), 1U);
  int calls = 0;
  EXPECT_THROW(bind_free_port(kLoopback,
                              [&](std::uint16_t) {
                                ++calls;
                                throw std::system_error(EMFILE, std::generic_category());
                              }),
               std::system_error);
  EXPECT_EQ(calls, 1);
}

TEST_F(ListenSocketTest, BesideAnAddressOfItsOwn) {
  const Descriptor resolved =
      bind_listen_socket(ListenKind::Udp, {make_address("127.0.0.53"), port_});
  EXPECT_THAT(refusal(ListenKind::Udp, {make_address("0.0.0.0"), port_}),
              HasSubstr("or listen beside it with `bind lo"));
}

TEST_F(ListenSocketTest, AddressesOfOthers) {
  try {
    (void)bind_listen_socket(ListenKind::Tcp, {make_address("192.0.2.1"), port_});
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("cannot bind TCP 192.0.2.1:" + std::to_string(port_)));
    EXPECT_THAT(e.what(), HasSubstr("no interface of this machine has that address"));
  }
}

}  // namespace
}  // namespace clusterdns::dns
