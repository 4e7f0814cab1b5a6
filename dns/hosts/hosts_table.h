// Names and addresses in the form of hosts(5).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

struct HostsOptions {
  std::vector<Name> zones;      // lower-case; names outside are passed over
  std::uint32_t ttl = 3600;     // seconds
  bool reverse = true;          // reverse names too
};

// Filled once, then immutable and free to read from any thread.
class HostsTable {
 public:
  // All that is known about one name.
  struct Host {
    std::vector<std::uint8_t> v4;  // rows for write_rows()
    std::vector<std::uint8_t> v6;
    std::vector<std::uint8_t> names;  // of a reverse name: wire names, one after the other
    std::uint32_t name_count = 0;
    // Where the next answer starts, so that addresses take turns. Workers that meet here may use a
    // place twice, which is as fair.
    mutable std::atomic<std::uint32_t> turn{0};

    [[nodiscard]] bool has_addresses() const noexcept { return !v4.empty() || !v6.empty(); }
  };

  explicit HostsTable(HostsOptions options) : options_(std::move(options)) {}
  HostsTable(const HostsTable&) = delete;
  HostsTable& operator=(const HostsTable&) = delete;

  // `name` and, unless it begins with `*`, its reverse name. Outside the zones: nothing.
  void add(const boost::asio::ip::address& address, Name name);
  // A whole file; lines that make no sense are passed over, with at most kMaxWarnings warnings of the
  // form "path:line: what".
  void add_text(std::string_view text, std::string_view path, std::vector<std::string>& warnings);

  // `name` in lower case. `*` as the first label stands for one label. nullptr: not here.
  [[nodiscard]] const Host* find(NameView name) const noexcept;

  // Addresses of names and names of addresses, as CoreDNS counts them.
  [[nodiscard]] std::size_t entries() const noexcept { return entries_; }
  [[nodiscard]] const HostsOptions& options() const noexcept { return options_; }

  static constexpr std::size_t kMaxWarnings = 10;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Hosts = std::unordered_map<std::string, Host, Hash, std::equal_to<>>;

  Host& host(NameView name);

  HostsOptions options_;
  Hosts hosts_;  // by name in wire form
  bool wildcards_ = false;
  std::size_t entries_ = 0;
};

// An address of a hosts file: what the resolver of the C library takes. Scopes are dropped.
[[nodiscard]] bool parse_hosts_address(std::string_view text, boost::asio::ip::address* address);

}  // namespace clusterdns::dns
