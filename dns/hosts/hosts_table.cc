#include "dns/hosts/hosts_table.h"

#include <algorithm>

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";
constexpr std::uint8_t kWildcard[] = {1, '*'};

std::string_view next_word(std::string_view& line) {
  const std::size_t start = line.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) return {};
  const std::size_t end = std::min(line.find_first_of(kBlanks, start), line.size());
  const std::string_view word = line.substr(start, end - start);
  line.remove_prefix(end);
  return word;
}

std::string_view key_of(NameView name) noexcept {
  return {reinterpret_cast<const char*>(name.data()), name.size()};
}

std::string reverse_text(const boost::asio::ip::address& address) {
  std::string text;
  if (address.is_v4()) {
    const auto octets = address.to_v4().to_bytes();
    for (auto it = octets.rbegin(); it != octets.rend(); ++it) text += std::to_string(*it) + ".";
    return text + "in-addr.arpa.";
  }
  constexpr char kHex[] = "0123456789abcdef";
  const auto octets = address.to_v6().to_bytes();
  for (auto it = octets.rbegin(); it != octets.rend(); ++it) {
    for (const unsigned nibble : {*it & 0xFu, unsigned{*it} >> 4}) {
      text += kHex[nibble];
      text += '.';
    }
  }
  return text + "ip6.arpa.";
}

// Appends a row for write_rows() unless it is there already: an RRset has no record twice
// (RFC 2181 section 5).
template <class Octets>
void add_row(std::vector<std::uint8_t>& rows, RRType type, std::uint32_t ttl,
             const Octets& rdata) {
  std::vector<std::uint8_t> row(12 + rdata.size());
  store_u16(row.data(), 0xC000 | kHeaderSize);
  store_u16(row.data() + 2, static_cast<std::uint16_t>(type));
  store_u16(row.data() + 4, static_cast<std::uint16_t>(RRClass::IN));
  store_u32(row.data() + 6, ttl);
  store_u16(row.data() + 10, static_cast<std::uint16_t>(rdata.size()));
  std::copy(rdata.begin(), rdata.end(), row.begin() + 12);
  for (std::size_t at = 0; at < rows.size(); at += row.size()) {
    if (std::equal(row.begin(), row.end(), rows.begin() + static_cast<std::ptrdiff_t>(at))) return;
  }
  rows.insert(rows.end(), row.begin(), row.end());
}

void add_name(HostsTable::Host& host, const Name& name) {
  for (std::size_t at = 0; at < host.names.size();) {
    const NameView rest(host.names.data() + at, host.names.size() - at);
    std::size_t size = 1;
    for (std::size_t label = 0; rest[label] != 0; label += std::size_t{1} + rest[label]) {
      size += std::size_t{1} + rest[label];
    }
    if (key_of(rest.first(size)) == key_of(name.view())) return;
    at += size;
  }
  host.names.insert(host.names.end(), name.data(), name.data() + name.size());
  ++host.name_count;
}

}  // namespace

bool parse_hosts_address(std::string_view text, boost::asio::ip::address* address) {
  // "fe80::1%lo0", as macOS writes it.
  boost::system::error_code error;
  *address = boost::asio::ip::make_address(std::string(text.substr(0, text.find('%'))), error);
  if (error) return false;
  if (address->is_v6() && address->to_v6().is_v4_mapped()) {
    *address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address->to_v6());
  }
  return true;
}

HostsTable::Host& HostsTable::host(NameView name) { return hosts_[std::string(key_of(name))]; }

void HostsTable::add(const boost::asio::ip::address& address, Name name) {
  name.make_lower();
  const bool mine = std::any_of(options_.zones.begin(), options_.zones.end(),
                                [&](const Name& zone) { return name.is_at_or_below(zone.view()); });
  if (!mine) return;
  Host& forward = host(name.view());
  if (address.is_v4()) {
    add_row(forward.v4, RRType::A, options_.ttl, address.to_v4().to_bytes());
  } else {
    add_row(forward.v6, RRType::AAAA, options_.ttl, address.to_v6().to_bytes());
  }
  ++entries_;
  if (name.size() > sizeof kWildcard &&
      std::equal(std::begin(kWildcard), std::end(kWildcard), name.data())) {
    wildcards_ = true;
    return;
  }
  if (!options_.reverse) return;
  const auto reverse = Name::from_text(reverse_text(address));
  if (!reverse) return;
  add_name(host(reverse->view()), name);
  ++entries_;
}

void HostsTable::add_text(std::string_view text, std::string_view path,
                          std::vector<std::string>& warnings) {
  std::size_t number = 0;
  std::size_t told = 0;
  const auto warn = [&](const std::string& what) {
    if (++told > kMaxWarnings) return;
    warnings.push_back(std::string(path) + ":" + std::to_string(number) + ": " + what +
                       (told == kMaxWarnings ? "; there may be more" : ""));
  };
  while (!text.empty()) {
    const std::size_t newline = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(std::min(newline + 1, text.size()));
    ++number;
    line = line.substr(0, std::min(line.find('#'), line.size()));
    const std::string_view first = next_word(line);
    if (first.empty()) continue;
    boost::asio::ip::address address;
    if (!parse_hosts_address(first, &address)) {
      warn("'" + std::string(first) + "' is no IP address, the line is not used");
      continue;
    }
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
      const auto name = Name::from_text(word);
      if (name && !name->is_root()) {
        add(address, *name);
      } else {
        warn("'" + std::string(word) + "' is no name, it is not used");
      }
    }
  }
}

const HostsTable::Host* HostsTable::find(NameView name) const noexcept {
  if (const auto it = hosts_.find(key_of(name)); it != hosts_.end()) return &it->second;
  if (!wildcards_ || name.size() < 3) return nullptr;
  std::array<std::uint8_t, kMaxNameSize> wild;
  const NameView parent = name.subspan(std::size_t{1} + name[0]);
  if (parent.size() < 2 || parent.size() + sizeof kWildcard > wild.size()) return nullptr;
  std::copy(std::begin(kWildcard), std::end(kWildcard), wild.begin());
  std::copy(parent.begin(), parent.end(), wild.begin() + sizeof kWildcard);
  const auto it = hosts_.find(key_of({wild.data(), parent.size() + sizeof kWildcard}));
  return it == hosts_.end() ? nullptr : &it->second;
}

}  // namespace clusterdns::dns
