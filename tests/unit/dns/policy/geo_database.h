// Writes databases in MaxMind's format (version 2.0), small ones: what tests of `geoip` ask.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace clusterdns::unit {

// A value of the data section, as octets.
namespace mmdb {

inline std::string control(unsigned type, std::size_t size) {
  std::string out;
  const bool extended = type > 7;
  const std::size_t shown = size < 29 ? size : 29;
  out += static_cast<char>((extended ? 0 : type << 5) | shown);
  if (extended) out += static_cast<char>(type - 7);
  if (size >= 29) out += static_cast<char>(size - 29);  // up to 284
  return out;
}
inline std::string text(const std::string& value) { return control(2, value.size()) + value; }
inline std::string number(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, 8);
  std::string out = control(3, 8);
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift);
  return out;
}
// `type` 5 is uint16, 6 uint32, 9 uint64.
inline std::string integer(std::uint64_t value, unsigned type = 6) {
  std::string octets;
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto octet = static_cast<char>(value >> shift);
    if (octet != 0 || !octets.empty()) octets += octet;
  }
  return control(type, octets.size()) + octets;
}
inline std::string boolean(bool value) { return control(14, value ? 1 : 0); }
inline std::string array(const std::vector<std::string>& values) {
  std::string out = control(11, values.size());
  for (const std::string& each : values) out += each;
  return out;
}
inline std::string map(const std::vector<std::pair<std::string, std::string>>& values) {
  std::string out = control(7, values.size());
  for (const auto& [key, value] : values) out += text(key) + value;
  return out;
}
inline std::string named(const std::string& name) {
  return map({{"names", map({{"de", text("de:" + name)}, {"en", text(name)}})}});
}

}  // namespace mmdb

class GeoWriter {
 public:
  explicit GeoWriter(std::string type) : type_(std::move(type)) { nodes_.push_back({}); }

  // `value` is a map. Of IPv4, networks stand at ::/96.
  void add(const std::string& network, const std::string& value) {
    const std::size_t slash = network.find('/');
    const auto address = boost::asio::ip::make_address(network.substr(0, slash));
    unsigned bits = static_cast<unsigned>(std::stoul(network.substr(slash + 1)));
    std::vector<std::uint8_t> octets(16);
    if (address.is_v4()) {
      const auto four = address.to_v4().to_bytes();
      std::copy(four.begin(), four.end(), octets.begin() + 12);
      bits += 96;
    } else {
      const auto all = address.to_v6().to_bytes();
      std::copy(all.begin(), all.end(), octets.begin());
    }
    std::size_t node = 0;
    for (unsigned i = 0; i + 1 < bits; ++i) {
      Side& side = nodes_[node].side[octets[i / 8] >> (7 - i % 8) & 1];
      if (side.kind != Side::Node) {
        const std::size_t next = nodes_.size();
        side = {Side::Node, next};
        nodes_.push_back({});
        node = next;
      } else {
        node = side.value;
      }
    }
    const unsigned last = bits - 1;
    nodes_[node].side[octets[last / 8] >> (7 - last % 8) & 1] = {Side::Data, data_.size()};
    data_ += value;
  }

  void write(const std::string& path) const {
    std::string out;
    for (const Node& node : nodes_) {
      for (const Side& side : node.side) {
        const std::size_t value = side.kind == Side::Node   ? side.value
                                  : side.kind == Side::Data ? nodes_.size() + 16 + side.value
                                                            : nodes_.size();
        for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift);
      }
    }
    out += std::string(16, '\0') + data_ + "\xab\xcd\xefMaxMind.com";
    using namespace mmdb;
    out += map({{"node_count", integer(nodes_.size())},
                {"record_size", integer(32, 5)},
                {"ip_version", integer(6, 5)},
                {"database_type", text(type_)},
                {"languages", array({text("en")})},
                {"binary_format_major_version", integer(2, 5)},
                {"binary_format_minor_version", integer(0, 5)},
                {"build_epoch", integer(1'700'000'000, 9)},
                {"description", map({{"en", text("for a test")}})}});
    std::ofstream(path, std::ios::binary) << out;
  }

 private:
  struct Side {
    enum Kind { None, Node, Data } kind = None;
    std::size_t value = 0;
  };
  struct Node {
    Side side[2];
  };
  const std::string type_;
  std::vector<Node> nodes_;
  std::string data_;
};

// 192.0.2.0/24 and 2001:db8::/32 are in Cambridge; 198.51.100.0/24 is in a country alone.
inline void write_city_database(const std::string& path) {
  using namespace mmdb;
  GeoWriter writer("GeoLite2-City");
  const std::string cambridge =
      map({{"city", named("Cambridge")},
           {"continent", map({{"code", text("EU")}, {"names", map({{"en", text("Europe")}})}})},
           {"country",
            map({{"iso_code", text("GB")}, {"names", map({{"en", text("United Kingdom")}})}})},
           {"location", map({{"latitude", number(52.2242)},
                             {"longitude", number(0.1315)},
                             {"time_zone", text("Europe/London")}})},
           {"postal", map({{"code", text("CB4")}})},
           {"subdivisions",
            array({map({{"iso_code", text("ENG")}}), map({{"iso_code", text("CAM")}})})}});
  writer.add("192.0.2.0/24", cambridge);
  writer.add("2001:db8::/32", cambridge);
  writer.add(
      "198.51.100.0/24",
      map({{"country", map({{"is_in_european_union", boolean(true)}, {"iso_code", text("FR")}})}}));
  writer.write(path);
}

inline void write_asn_database(const std::string& path) {
  using namespace mmdb;
  GeoWriter writer("GeoLite2-ASN");
  writer.add("192.0.2.0/24", map({{"autonomous_system_number", integer(64496)},
                                  {"autonomous_system_organization", text("Example")}}));
  writer.write(path);
}

}  // namespace clusterdns::unit
