// Requests octet by octet, and responses as text: what the tests of the query path share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/wire/message_reader.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::unit {

using Octets = std::vector<std::uint8_t>;
using Lines = std::vector<std::string>;

inline dns::Name name(std::string_view text) { return dns::Name::from_text(text).value(); }

inline void put_u16(Octets& to, unsigned value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}
inline void put_name(Octets& to, std::string_view text) {
  const dns::Name wire = name(text);
  to.insert(to.end(), wire.data(), wire.data() + wire.size());
}
// Owner, type, class, TTL, RDLENGTH, RDATA.
inline void put_record(Octets& to, std::string_view owner, dns::RRType type, unsigned rrclass,
                       std::uint32_t ttl, const Octets& rdata) {
  put_name(to, owner);
  put_u16(to, static_cast<unsigned>(type));
  put_u16(to, rrclass);
  put_u16(to, ttl >> 16);
  put_u16(to, ttl & 0xFFFF);
  put_u16(to, static_cast<unsigned>(rdata.size()));
  to.insert(to.end(), rdata.begin(), rdata.end());
}

// A query. Written without the product's encoder, so that the two cannot share a mistake.
struct Request {
  std::string qname = ".";
  dns::RRType qtype = dns::RRType::A;
  dns::RRClass qclass = dns::RRClass::IN;
  std::uint16_t id = 0x2A17;
  std::uint16_t flags = dns::kFlagRD;
  bool edns = false;
  std::uint16_t udp_size = dns::kDefaultUdpSize;
  bool dnssec_ok = false;
  std::uint8_t version = 0;
  Octets options{};

  [[nodiscard]] Octets wire() const {
    Octets out;
    put_u16(out, id);
    put_u16(out, flags);
    for (const unsigned count : {1U, 0U, 0U, edns ? 1U : 0U}) put_u16(out, count);
    put_name(out, qname);
    put_u16(out, static_cast<unsigned>(qtype));
    put_u16(out, static_cast<unsigned>(qclass));
    if (edns) {
      const std::uint32_t ttl = (std::uint32_t{version} << 16) | (dnssec_ok ? 0x8000U : 0U);
      put_record(out, ".", dns::RRType::OPT, udp_size, ttl, options);
    }
    return out;
  }
};

// Octets with exactly the room behind them that parse_query asks for: AddressSanitizer sees any
// read beyond it.
class Packet {
 public:
  explicit Packet(std::span<const std::uint8_t> octets)
      : buffer_(octets.size() + dns::kPadding), size_(octets.size()) {
    std::copy(octets.begin(), octets.end(), buffer_.begin());
  }
  explicit Packet(const Request& request) : Packet(request.wire()) {}
  [[nodiscard]] std::span<const std::uint8_t> view() const { return {buffer_.data(), size_}; }

 private:
  Octets buffer_;
  std::size_t size_;
};

// The response as our strict reader sees it; a response that it refuses fails the test.
inline dns::Message decode(std::span<const std::uint8_t> response) {
  auto message = dns::read_message(response);
  if (!message) {
    ADD_FAILURE() << "unreadable response: " << message.error().message();
    return {};
  }
  return *message;
}

// "owner ttl TYPE rdata".
inline std::string line(const dns::Record& record) {
  return record.owner.to_text() + " " + std::to_string(record.ttl) + " " +
         dns::rrtype_to_text(record.type) + " " + dns::rdata_to_text(record.type, record.rdata);
}
inline Lines lines(const std::vector<dns::Record>& section) {
  Lines out;
  for (const dns::Record& record : section) out.push_back(line(record));
  return out;
}
inline Lines sorted(Lines text) {
  std::sort(text.begin(), text.end());
  return text;
}
// RDATA only.
inline Lines values(const std::vector<dns::Record>& section) {
  Lines out;
  for (const dns::Record& r : section) out.push_back(dns::rdata_to_text(r.type, r.rdata));
  return out;
}

// The info code of the Extended DNS Error (RFC 8914), -1 without one.
inline int extended_error(const dns::Message& message, std::string* text = nullptr) {
  const Octets& o = message.opt_options;
  for (std::size_t at = 0; at + 4 <= o.size();) {
    const std::size_t size = dns::load_u16(&o[at + 2]);
    if (dns::load_u16(&o[at]) == 15 && size >= 2 && at + 4 + size <= o.size()) {
      if (text != nullptr) {
        text->assign(o.begin() + static_cast<std::ptrdiff_t>(at + 6),
                     o.begin() + static_cast<std::ptrdiff_t>(at + 4 + size));
      }
      return dns::load_u16(&o[at + 4]);
    }
    at += 4 + size;
  }
  return -1;
}

}  // namespace clusterdns::unit
