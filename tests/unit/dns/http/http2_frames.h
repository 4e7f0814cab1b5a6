// Frames of HTTP/2 octet by octet, as a client sends them. Written without the library that the
// server uses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clusterdns::unit::http2 {

using Octets = std::vector<std::uint8_t>;

enum FrameType : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
inline constexpr std::uint8_t kEndStream = 1;
inline constexpr std::uint8_t kEndHeaders = 4;
inline constexpr std::uint32_t kCancel = 8;
inline constexpr std::uint32_t kEnhanceYourCalm = 11;

inline void add_u16(Octets& to, std::size_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}
inline void add_u32(Octets& to, std::uint32_t value) {
  add_u16(to, value >> 16);
  add_u16(to, value & 0xFFFF);
}
inline Octets u32(std::uint32_t value) {
  Octets out;
  add_u32(out, value);
  return out;
}

inline Octets frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                    const Octets& payload = {}) {
  Octets out;
  out.push_back(static_cast<std::uint8_t>(payload.size() >> 16));
  add_u16(out, payload.size() & 0xFFFF);
  out.push_back(type);
  out.push_back(flags);
  add_u32(out, stream);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

inline Octets operator+(Octets a, const Octets& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Octets preface(const Octets& settings = {}) {
  constexpr std::string_view kMagic = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  return Octets(kMagic.begin(), kMagic.end()) + frame(kSettings, 0, 0, settings);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

// RFC 7541 6.2.2: literals that are not indexed.
inline Octets header_block(const Fields& fields) {
  Octets out;
  const auto put = [&](const std::string& text) {
    if (text.size() < 127) {
      out.push_back(static_cast<std::uint8_t>(text.size()));
    } else {
      out.push_back(127);
      std::size_t left = text.size() - 127;
      for (; left >= 128; left /= 128) {
        out.push_back(static_cast<std::uint8_t>(128 + left % 128));
      }
      out.push_back(static_cast<std::uint8_t>(left));
    }
    out.insert(out.end(), text.begin(), text.end());
  };
  for (const auto& [name, value] : fields) {
    out.push_back(0);
    put(name);
    put(value);
  }
  return out;
}

inline std::string base64url(const Octets& octets) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t octet : octets) {
    bits = (bits << 8) | octet;
    for (count += 8; count >= 6;) out += kDigits[(bits >> (count -= 6)) & 63];
  }
  if (count != 0) out += kDigits[(bits << (6 - count)) & 63];
  return out;
}

inline Fields get_fields(const std::string& target) {
  return {{":method", "GET"}, {":scheme", "https"}, {":authority", "dns.test"}, {":path", target}};
}
inline Octets get(std::uint32_t stream, const Octets& message) {
  return frame(kHeaders, kEndStream | kEndHeaders, stream,
               header_block(get_fields("/dns-query?dns=" + base64url(message))));
}
inline Octets post_head(std::uint32_t stream, const Fields& more = {},
                        const std::string& type = "application/dns-message") {
  Fields fields = {{":method", "POST"},
                   {":scheme", "https"},
                   {":authority", "dns.test"},
                   {":path", "/dns-query"},
                   {"content-type", type}};
  fields.insert(fields.end(), more.begin(), more.end());
  return frame(kHeaders, kEndHeaders, stream, header_block(fields));
}
inline Octets post(std::uint32_t stream, const Octets& message) {
  return post_head(stream) + frame(kData, kEndStream, stream, message);
}

}  // namespace clusterdns::unit::http2
