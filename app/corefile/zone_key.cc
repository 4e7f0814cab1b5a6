#include "app/corefile/zone_key.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>

#include "app/corefile/error.h"
#include "app/corefile/suggest.h"
#include "registry/ip_address.h"

namespace clusterdns::app {
namespace {

// RFC 1035 section 2.3.4.
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 255;

constexpr std::array<std::string_view, 6> kSchemes = {"dns",  "tls",    "https",
                                                      "grpc", "https3", "quic"};
constexpr std::string_view kSchemeMark = "://";
constexpr std::uint16_t kTlsPort = 853;
constexpr std::uint16_t kHttpsPort = 443;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// A number, a duration, a percentage: "-5", "1.5", "30s", "1d", "0x10". No name ends in a label of
// digits alone (RFC 3696 section 2); somebody wanted to say something else.
bool is_like_a_number(std::string_view text) {
  static constexpr std::string_view kUnits[] = {"",  "ns",  "us", "ms", "s", "sec",
                                                "m", "min", "h",  "d",  "w", "%"};
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with("0x")) text.remove_prefix(2);
  const std::size_t digits = text.find_first_not_of("0123456789.");
  const std::string_view number = text.substr(0, digits);
  const std::string_view unit = text.substr(number.size());
  if (number.empty() || !is_digit(number.front())) return false;
  if (number.ends_with('.') && !unit.empty()) return false;             // 360.cn is a name
  if (std::count(number.begin(), number.end(), '.') > 1) return false;  // and so is 192.0.2.1.
  return std::find(std::begin(kUnits), std::end(kUnits), unit) != std::end(kUnits);
}

// The reverse name of the first `bits` bits of `address`; `bits` is a multiple of a label's bits.
std::string reverse_name(const registry::IpAddress& address, unsigned bits) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string name;
  if (address.is_v4()) {
    for (unsigned octet = bits / 8; octet-- > 0;) {
      name += std::to_string(address.octets[octet]) + ".";
    }
    return name + "in-addr.arpa.";
  }
  for (unsigned nibble = bits / 4; nibble-- > 0;) {
    const unsigned octet = address.octets[nibble / 2];
    name += kHex[nibble % 2 == 0 ? octet >> 4U : octet & 0x0FU];
    name += '.';
  }
  return name + "ip6.arpa.";
}

std::vector<std::string> reverse_zones(const registry::Cidr& cidr) {
  const unsigned label = cidr.base.is_v4() ? 8 : 4;
  const unsigned bits = (cidr.prefix_length + label - 1) / label * label;
  const unsigned count = 1U << (bits - cidr.prefix_length);
  if (bits == 0) return {reverse_name(cidr.base, 0)};
  std::vector<std::string> zones;
  zones.reserve(count);
  // The free bits all lie in one octet, the one that holds the last label.
  const unsigned octet = (bits - 1) / 8;
  const unsigned shift = 8 * (octet + 1) - bits;
  for (unsigned i = 0; i < count; ++i) {
    registry::IpAddress address = cidr.base;
    address.octets[octet] = static_cast<std::uint8_t>(address.octets[octet] | (i << shift));
    zones.push_back(reverse_name(address, bits));
  }
  return zones;
}

// Checks presentation form (RFC 1035 section 5.1) and returns it lower-case with a trailing dot.
std::string normalise_name(std::string_view text, const Position& at) {
  const auto fail = [&](const std::string& why) -> ConfigError {
    return {at, in_quotes(text) + " is not a zone: " + why};
  };
  if (text == ".") return ".";
  std::size_t label = 0;
  std::size_t name = 1;  // the root label
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (label == 0) throw fail("a label is empty; remove the extra dot");
      label = 0;
      continue;
    }
    if (c == '{' || c == '}') throw fail("put white space around '{' and '}'");
    if (static_cast<unsigned char>(c) >= 0x80) {
      throw fail("it has letters outside ASCII; write the name in its xn-- form");
    }
    if (c <= ' ' || c == 0x7F) {
      throw fail("it has white space or control characters; write each zone as one word");
    }
    if (c == '\\') {
      if (i + 3 < text.size() && all_digits(text.substr(i + 1, 3))) {
        i += 3;
      } else if (i + 1 < text.size() && !is_digit(text[i + 1])) {
        i += 1;
      } else {
        throw fail("'\\' must be followed by three digits or one other character");
      }
    }
    name += label == 0 ? 2 : 1;  // its first character brings the length octet along
    if (++label > kMaxLabel) throw fail("a label has more than 63 characters");
    if (name > kMaxName) throw fail("it is longer than 255 octets");
  }
  std::string result = lower(text);
  if (label != 0) result += '.';
  return result;
}

std::vector<std::string> zones_of(std::string_view text, const Position& at) {
  if (const auto slash = text.rfind('/'); slash != std::string_view::npos) {
    if (const auto cidr = registry::Cidr::parse(text)) return reverse_zones(*cidr);
    // RFC 2317 names have a slash too, but never digits alone after the last one.
    if (all_digits(text.substr(slash + 1)) || text.find(':') != std::string_view::npos) {
      throw ConfigError(
          at, in_quotes(text) + " is not a network; write it like 10.0.0.0/16 or fd00:10::/64");
    }
  } else if (text.find(':') != std::string_view::npos) {
    const auto address = registry::IpAddress::parse(text);
    throw ConfigError(at, in_quotes(text) + " is not a zone; " +
                              (address ? "for the reverse zone of the address write " +
                                             address->to_string() + "/128"
                                       : "a zone has no ':', and a port is a number from 0 to "
                                         "65535"));
  }
  return {normalise_name(text, at)};
}

}  // namespace

std::uint16_t default_port(std::string_view scheme, std::uint16_t dns_port) {
  if (scheme == "tls" || scheme == "quic") return kTlsPort;
  if (scheme == "https" || scheme == "https3" || scheme == "grpc") return kHttpsPort;
  return dns_port;
}

std::uint16_t effective_port(const ZoneKey& key, std::uint16_t dns_port) {
  return key.port.value_or(default_port(key.scheme, dns_port));
}

std::vector<ZoneKey> parse_zone_key(std::string_view text, const Position& at,
                                    std::vector<Warning>& warnings) {
  ZoneKey key;
  key.at = at;
  std::string_view rest = text;
  if (const auto mark = rest.find(kSchemeMark); mark != std::string_view::npos) {
    key.scheme = lower(rest.substr(0, mark));
    rest.remove_prefix(mark + kSchemeMark.size());
    if (std::find(kSchemes.begin(), kSchemes.end(), key.scheme) == kSchemes.end()) {
      throw ConfigError(
          at, "unknown scheme " + in_quotes(key.scheme) + "; " + suggestion(key.scheme, kSchemes));
    }
  }
  // An address that stands here by mistake ends in something like a port: name it before that.
  const bool address = registry::IpAddress::parse(rest).has_value();
  if (address && rest.find(':') != std::string_view::npos) static_cast<void>(zones_of(rest, at));
  if (const auto colon = rest.rfind(':'); colon != std::string_view::npos) {
    const std::string_view port = rest.substr(colon + 1);
    if (port.empty()) {
      throw ConfigError(at, in_quotes(text) + " has no port after ':'; write one, as in '" +
                                std::string(text) + "53'");
    }
    if (port.find('/') == std::string_view::npos) {
      unsigned value = 0;
      const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
      if (error != std::errc() || end != port.data() + port.size() || value > 0xFFFF) {
        throw ConfigError(at, in_quotes(port) + " in " + in_quotes(text) +
                                  " is not a valid port; write a number from 0 to 65535");
      }
      key.port = static_cast<std::uint16_t>(value);
      rest = rest.substr(0, colon);
    }
  }
  if (rest.empty()) {
    throw ConfigError(at, in_quotes(text) + " has no zone; for the root zone write '." +
                              (key.port ? ":" + std::to_string(*key.port) : "") + "'");
  }
  if (const auto plain = registry::IpAddress::parse(rest); plain && plain->is_v4()) {
    warnings.push_back({at, in_quotes(rest) +
                                " is read as a name; to listen on an address write `bind " +
                                plain->to_string() + "` in the block, for its reverse zone write " +
                                plain->to_string() + "/32"});
  } else if (is_like_a_number(rest)) {
    throw ConfigError(at, in_quotes(rest) + " is not a zone; for a port write '.:" +
                              (all_digits(rest) ? std::string(rest) : "53") + "'");
  }
  std::vector<ZoneKey> keys;
  for (std::string& zone : zones_of(rest, at)) {
    keys.push_back(key);
    keys.back().zone = std::move(zone);
  }
  return keys;
}

std::vector<std::string> parse_zone(std::string_view text, const Position& at) {
  if (text.empty()) throw ConfigError(at, "a zone is empty; write '.' for the root zone");
  if (const auto address = registry::IpAddress::parse(text); address && address->is_v4()) {
    throw ConfigError(at, in_quotes(text) +
                              " is an address where a zone is expected; write '.' for "
                              "the root zone, or " +
                              address->to_string() + "/32 for the reverse zone of the address");
  }
  if (is_like_a_number(text)) {
    throw ConfigError(at, in_quotes(text) + " is not a zone, where one is expected; write a name");
  }
  return zones_of(text, at);
}

bool is_reverse_zone(std::string_view zone) {
  for (const std::string_view root : {"in-addr.arpa.", "ip6.arpa."}) {
    if (zone == root) return true;
    if (zone.size() > root.size() && zone.ends_with(root) &&
        zone[zone.size() - root.size() - 1] == '.') {
      return true;
    }
  }
  return false;
}

}  // namespace clusterdns::app
