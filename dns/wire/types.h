// Numbers of the DNS protocol, by their IANA names, and the limits of the wire format.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dns/base/octets.h"

namespace clusterdns::dns {

// RR types that are handled by name; any other number is carried through (RFC 3597).
enum class RRType : std::uint16_t {
  A = 1,        // RFC 1035 3.4.1
  NS = 2,       // RFC 1035 3.3.11
  CNAME = 5,    // RFC 1035 3.3.1
  SOA = 6,      // RFC 1035 3.3.13
  PTR = 12,     // RFC 1035 3.3.12
  HINFO = 13,   // RFC 1035 3.3.2
  MX = 15,      // RFC 1035 3.3.9
  TXT = 16,     // RFC 1035 3.3.14
  AAAA = 28,    // RFC 3596 2.1
  SRV = 33,     // RFC 2782
  NAPTR = 35,   // RFC 3403
  DNAME = 39,   // RFC 6672
  OPT = 41,     // RFC 6891
  DS = 43,      // RFC 4034
  RRSIG = 46,   // RFC 4034
  NSEC = 47,    // RFC 4034
  DNSKEY = 48,  // RFC 4034
  SVCB = 64,    // RFC 9460
  HTTPS = 65,   // RFC 9460
  TSIG = 250,   // RFC 8945
  IXFR = 251,   // RFC 1995
  AXFR = 252,   // RFC 5936
  ANY = 255,    // RFC 8482
  CAA = 257,    // RFC 8659
};

// Types that ask for something other than an RRset: TSIG, IXFR, AXFR, MAILB, MAILA (RFC 6895 3.1,
// QTYPEs and meta-types, ANY aside), and OPT. Many are answered with more than one message.
[[nodiscard]] constexpr bool is_meta_type(RRType type) noexcept {
  const auto number = static_cast<std::uint16_t>(type);
  return (number >= 249 && number <= 254) || type == RRType::OPT;
}

enum class RRClass : std::uint16_t { IN = 1, CH = 3, HS = 4, None = 254, Any = 255 };

// RFC 1035 4.1.1, RFC 2136, RFC 6891 6.1.3 (values above 15 need an OPT record).
enum class Rcode : std::uint16_t {
  NoError = 0,
  FormErr = 1,
  ServFail = 2,
  NXDomain = 3,
  NotImp = 4,
  Refused = 5,
  YXDomain = 6,
  YXRRSet = 7,
  NXRRSet = 8,
  NotAuth = 9,
  NotZone = 10,
  BadVers = 16,
};

enum class Opcode : std::uint8_t { Query = 0, IQuery = 1, Status = 2, Notify = 4, Update = 5 };

// Extended DNS Errors, RFC 8914 section 4.
enum class ExtendedError : std::uint16_t {
  Other = 0,
  StaleAnswer = 3,
  NotReady = 14,
  Blocked = 15,
  Prohibited = 18,
  NotAuthoritative = 20,
  NotSupported = 21,
  NoReachableAuthority = 22,
  NetworkError = 23,
  InvalidData = 24,
};

inline constexpr std::size_t kHeaderSize = 12;            // RFC 1035 4.1.1
inline constexpr std::size_t kMaxNameSize = 255;          // RFC 1035 2.3.4, with the root label
inline constexpr std::size_t kMaxLabelSize = 63;          // RFC 1035 2.3.4
inline constexpr std::size_t kMaxLabels = 127;            // 255 octets hold no more, root left out
inline constexpr std::size_t kMaxUdpWithoutEdns = 512;    // RFC 1035 4.2.1
inline constexpr std::size_t kMaxMessageSize = 65535;     // RFC 1035 4.2.2: TCP's length field
inline constexpr std::size_t kMaxPointerTarget = 0x3FFF;  // RFC 1035 4.1.4: 14 bits
inline constexpr std::size_t kOptRecordSize = 11;         // RFC 6891 6.1.2 without options
// What fragments on no path in practice; DNS Flag Day 2020.
inline constexpr std::uint16_t kDefaultUdpSize = 1232;

// Bits of the second 16-bit word of the header (RFC 1035 4.1.1, RFC 4035 3.2).
inline constexpr std::uint16_t kFlagQR = 0x8000;
inline constexpr std::uint16_t kFlagAA = 0x0400;
inline constexpr std::uint16_t kFlagTC = 0x0200;
inline constexpr std::uint16_t kFlagRD = 0x0100;
inline constexpr std::uint16_t kFlagRA = 0x0080;
inline constexpr std::uint16_t kFlagAD = 0x0020;
inline constexpr std::uint16_t kFlagCD = 0x0010;

}  // namespace clusterdns::dns
