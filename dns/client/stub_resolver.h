// A stub resolver (RFC 9499 section 6) that tells what it did: each name tried, whom it asked, what
// came back and how long it took. For `clusterdns query`; the server itself forwards through
// dns/forward.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/net/resolv_conf.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::dns {

struct StubServer {
  boost::asio::ip::address address;
  std::uint16_t port = 53;  // host byte order

  // "192.0.2.1:53" or "[2001:db8::1]:53".
  [[nodiscard]] std::string to_string() const;
};

struct StubOptions {
  std::vector<StubServer> servers;  // in order of preference
  std::vector<Name> search;
  unsigned ndots = 1;
  std::chrono::nanoseconds timeout = std::chrono::seconds(5);  // for one try at one server
  unsigned attempts = 2;                     // rounds through the servers that said nothing
  bool tcp = false;                          // TCP from the start; otherwise only after TC
  bool edns = true;                          // RFC 6891
  std::uint16_t udp_size = kDefaultUdpSize;  // announced with EDNS, octets
};

// Options as resolv.conf has them; 127.0.0.1 when it names no server, as in glibc. Search domains
// that are not names are left out and told in `*warnings`.
[[nodiscard]] StubOptions stub_options(const ResolvConf& conf, std::uint16_t port,
                                       std::vector<std::string>* warnings);

// True when the text ends in a dot that is not escaped: the name is then not searched for.
[[nodiscard]] bool is_absolute(std::string_view text) noexcept;

// The names to try, in order, by glibc's rule: with at least `ndots` dots, or absolute, the name as
// it is comes first, otherwise last. Names that would be longer than 255 octets are left out.
[[nodiscard]] std::vector<Name> stub_candidates(const Name& name, bool absolute,
                                                const StubOptions& options);

enum class TryResult : std::uint8_t {
  Answered,   // `rcode` and `answers` hold
  Truncated,  // TC over UDP; a try over TCP follows
  TimedOut,
  Unreachable,  // `error` says why
  Malformed,    // it has our id and question and is not a DNS message otherwise; `error` says why
};

// One question sent to one server.
struct StubTry {
  Name name;
  RRType type{};
  StubServer server;
  bool tcp = false;
  TryResult result = TryResult::TimedOut;
  std::uint16_t rcode = 0;
  std::size_t answers = 0;  // records in the answer section
  std::chrono::microseconds elapsed{0};
  boost::system::error_code error;
};

enum class StubStatus : std::uint8_t {
  Found,   // at least one of the types has records
  NoData,  // the name exists, with none of the types
  NXDomain,
  Failed,    // every server said SERVFAIL, REFUSED, ...: see `rcode`
  NoServer,  // no server gave an answer
};

struct StubLookup {
  StubStatus status = StubStatus::NoServer;
  std::uint16_t rcode = 0;  // of the deciding answer; without meaning for NoServer
  Name name;                // the one that decided
  // What was said of `name`, a message for each type in the order asked; NXDOMAIN and silence end
  // the list early.
  std::vector<Message> answers;
  std::vector<StubTry> tries;  // in order of time
};

// Asks for each of `types` of the first candidate that has an answer section (a CNAME without the
// records behind it also ends the search, as in glibc). A candidate for which all servers fail is
// passed over like one that does not exist, but silence of all servers ends the search.
//
// Aliases are not followed: that is the server's work. Answers are believed when id, question and
// source address (by a connected socket) are those of the query; ids are from getrandom(2), source
// ports the kernel's choice. FORMERR or NOTIMP without an OPT record: asked again without EDNS.
//
// Blocks; touches nothing shared, so that several threads may call it at once. Throws
// std::bad_alloc, and boost::system::system_error when the system has no descriptors left.
[[nodiscard]] StubLookup stub_lookup(const StubOptions& options, const Name& name, bool absolute,
                                     std::span<const RRType> types);

}  // namespace clusterdns::dns
