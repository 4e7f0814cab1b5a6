// Names and addresses in the form of hosts(5).
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/wire/hash_index.h"
#include "dns/wire/name.h"
#include "dns/wire/types.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

struct HostsOptions {
  ZoneSet zones;             // names outside are passed over
  std::uint32_t ttl = 3600;  // seconds
  bool reverse = true;       // reverse names too
};

// What a table may take. Block lists of a million names take some 80 MiB.
inline constexpr std::size_t kMaxHostsTableSize = std::size_t{256} * 1024 * 1024;  // octets

// Filled, finished, then immutable and free to read from any thread. Filling costs time in
// proportion to the names, however many of them share an address, or addresses a name.
//
// Each name stands once, in wire form; a block list's names share the one row of their address. A
// name takes some 70 octets and its own, an address and its reverse name 140.
class HostsTable {
 public:
  // All that is known about one name.
  struct Host {
    const std::uint8_t* v4 = nullptr;  // rows for write_rows()
    const std::uint8_t* v6 = nullptr;
    std::uint32_t v4_count = 0;
    std::uint32_t v6_count = 0;
    // Of a reverse name: where each of its names stands behind `wire`, its size an octet before.
    const std::uint32_t* names = nullptr;
    std::uint32_t name_count = 0;
    const std::uint8_t* wire = nullptr;
    // Where the next answer starts, so that addresses take turns; nullptr: there is but one.
    // Workers that meet here may use a place twice, which is as fair.
    std::atomic<std::uint32_t>* turn = nullptr;

    [[nodiscard]] bool has_addresses() const noexcept { return v4_count + v6_count != 0; }
  };

  explicit HostsTable(HostsOptions options, std::size_t most_octets = kMaxHostsTableSize);
  ~HostsTable();
  HostsTable(const HostsTable&) = delete;
  HostsTable& operator=(const HostsTable&) = delete;

  // `name` and, unless it begins with `*`, its reverse name. Outside the zones: nothing. False when
  // there is no room for it.
  // REQUIRES: not finished.
  bool add(const boost::asio::ip::address& address, Name name);
  // Nothing is found before this; nothing is added after.
  void finish();

  // Every name with each of its addresses, as add() takes them. REQUIRES: finished.
  void for_each(
      const std::function<void(const boost::asio::ip::address&, const Name&)>& visit) const;

  // `name` in lower case, with kPadding readable octets behind it. `*` as the first label stands
  // for one label.
  [[nodiscard]] std::optional<Host> find(NameView name) const noexcept;

  // Addresses of names and names of addresses, as CoreDNS counts them.
  [[nodiscard]] std::size_t entries() const noexcept { return entries_; }
  // Octets that it takes, more or less.
  [[nodiscard]] std::size_t octets() const noexcept;
  [[nodiscard]] const HostsOptions& options() const noexcept { return options_; }

 private:
  static constexpr std::uint32_t kNone = HashIndex::kNone;
  // One name, forward or reverse.
  struct Entry {
    std::uint32_t name;        // in `names_`
    std::uint32_t v4 = kNone;  // in `rows_`
    std::uint32_t v6 = kNone;
    std::uint32_t v4_count = 0;
    std::uint32_t v6_count = 0;
    std::uint32_t reverse = 0;  // in `reverse_`
    std::uint32_t reverse_count = 0;
    std::uint32_t turn = kNone;
  };
  // What is needed while the table is filled.
  struct Draft;

  [[nodiscard]] std::uint32_t find_entry(const std::uint8_t* wire, std::size_t size) const noexcept;
  // REQUIRES: kPadding readable octets behind the name.
  std::uint32_t entry_of(NameView name);
  std::uint32_t address_of(const boost::asio::ip::address& address);
  void place_rows();
  void place_reverse_names();
  [[nodiscard]] Host host(const Entry& entry) const noexcept;

  const HostsOptions options_;
  const std::size_t most_octets_;
  const std::uint64_t seed_;
  std::unique_ptr<Draft> draft_;     // nullptr: finished
  std::vector<std::uint8_t> names_;  // size and wire form of each
  std::vector<Entry> entries_of_names_;
  HashIndex index_;  // of entries, by name
  std::vector<std::uint8_t> rows_;
  std::vector<std::uint32_t> reverse_;  // places in `names_`
  std::unique_ptr<std::atomic<std::uint32_t>[]> turns_;
  bool wildcards_ = false;
  std::size_t entries_ = 0;
};

// Puts the lines of a hosts file into a table, in pieces, so that a large one need not hold up its
// thread. Lines that make no sense are passed over, with at most kMaxWarnings warnings of the form
// "path:line: what".
class HostsReader {
 public:
  static constexpr std::size_t kMaxWarnings = 10;

  // `text` is UTF-8, with or without a byte order mark; it and the table must outlive this.
  HostsReader(std::string_view text, std::string path, HostsTable& table);

  // Reads on for about `octets`. False when all has been read.
  bool read(std::size_t octets = static_cast<std::size_t>(-1));

  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  void begin_line();
  void warn(const std::string& what);

  std::string_view rest_;
  std::string_view line_;  // what is left of the line under way
  boost::asio::ip::address address_;
  std::string path_;
  HostsTable& table_;
  std::size_t number_ = 0;
  std::size_t told_ = 0;
  std::vector<std::string> warnings_;
};

// An address of a hosts file: what the resolver of the C library takes. Scopes are dropped.
[[nodiscard]] bool parse_hosts_address(std::string_view text, boost::asio::ip::address* address);

}  // namespace clusterdns::dns
