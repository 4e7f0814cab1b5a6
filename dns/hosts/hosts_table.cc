#include "dns/hosts/hosts_table.h"

#include <algorithm>
#include <utility>

#include "dns/base/byte_order_mark.h"
#include "dns/base/hash.h"
#include "dns/base/random.h"
#include "dns/base/words.h"
#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

constexpr std::uint8_t kWildcard[] = {1, '*'};
// Of a word that a warning quotes, octets.
constexpr std::size_t kMaxQuoted = 100;

std::string quoted(std::string_view word) {
  return "'" + std::string(word.substr(0, kMaxQuoted)) + (word.size() > kMaxQuoted ? "…'" : "'");
}

// 16 octets, of which IPv4 uses the first four, and the family.
struct Address {
  std::array<std::uint8_t, 16> octets{};
  bool v4 = false;
  friend bool operator==(const Address&, const Address&) = default;

  [[nodiscard]] std::size_t size() const noexcept { return v4 ? 4 : 16; }
  [[nodiscard]] std::span<const std::uint8_t> span() const noexcept {
    return {octets.data(), size()};
  }
  [[nodiscard]] std::size_t row_size() const noexcept { return v4 ? kARowSize : kAaaaRowSize; }
};

Address octets_of(const boost::asio::ip::address& address) {
  Address result;
  result.v4 = address.is_v4();
  if (result.v4) {
    const auto octets = address.to_v4().to_bytes();
    std::copy(octets.begin(), octets.end(), result.octets.begin());
  } else {
    result.octets = address.to_v6().to_bytes();
  }
  return result;
}

std::string reverse_text(const Address& address) {
  std::string text;
  if (address.v4) {
    for (int i = 3; i >= 0; --i) {
      text += std::to_string(address.octets[static_cast<std::size_t>(i)]) + ".";
    }
    return text + "in-addr.arpa.";
  }
  constexpr char kHex[] = "0123456789abcdef";
  for (auto it = address.octets.rbegin(); it != address.octets.rend(); ++it) {
    for (const unsigned nibble : {*it & 0xFu, unsigned{*it} >> 4}) {
      text += kHex[nibble];
      text += '.';
    }
  }
  return text + "ip6.arpa.";
}

bool is_wildcard(NameView name) noexcept {
  return name.size() > sizeof kWildcard &&
         std::equal(std::begin(kWildcard), std::end(kWildcard), name.data());
}

// Indexes of `count` items in the order of their keys, which are below `keys`; those of key k stand
// from first[k] to first[k + 1]. Items of one key stay in their order.
struct Grouped {
  template <class KeyOf>
  Grouped(std::size_t count, std::size_t keys, KeyOf&& key_of) : first(keys + 1), items(count) {
    for (std::size_t i = 0; i < count; ++i) ++first[key_of(i) + 1];
    for (std::size_t k = 0; k < keys; ++k) first[k + 1] += first[k];
    std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
    for (std::size_t i = 0; i < count; ++i)
      items[next[key_of(i)]++] = static_cast<std::uint32_t>(i);
  }
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> items;
};

}  // namespace

struct HostsTable::Draft {
  // One name's one address, as it was said, perhaps more than once.
  struct Pair {
    std::uint32_t entry;
    std::uint32_t address;
  };
  std::vector<Pair> pairs;
  std::vector<Address> addresses;
  HashIndex index;           // of addresses
  std::size_t own_rows = 0;  // that names of several addresses will have, at most

  // Of these, and of what finish() makes of them beside the entries there are.
  [[nodiscard]] std::size_t octets(std::size_t entries) const noexcept {
    constexpr std::size_t kReverseEntry = sizeof(Entry) + 74 + 2 * sizeof(std::uint64_t);
    return pairs.size() * (sizeof(Pair) + 2 * sizeof(std::uint32_t)) +
           entries * 3 * sizeof(std::uint32_t) +
           addresses.size() * (sizeof(Address) + kAaaaRowSize + kReverseEntry) + index.octets() +
           own_rows * kAaaaRowSize;
  }
};

HostsTable::HostsTable(HostsOptions options, std::size_t most_octets)
    : options_(std::move(options)),
      most_octets_(most_octets),
      seed_(random_seed()),
      draft_(std::make_unique<Draft>()) {}

HostsTable::~HostsTable() = default;

std::size_t HostsTable::octets() const noexcept {
  return names_.size() + entries_of_names_.size() * sizeof(Entry) + index_.octets() + rows_.size() +
         reverse_.size() * sizeof(std::uint32_t) +
         (draft_ != nullptr ? draft_->octets(entries_of_names_.size()) : 0);
}

std::uint32_t HostsTable::find_entry(const std::uint8_t* wire, std::size_t size) const noexcept {
  return index_.find(hash_padded(wire, size, seed_), [&](std::uint32_t i) {
    const std::uint8_t* const at = names_.data() + entries_of_names_[i].name;
    return at[-1] == size && std::memcmp(at, wire, size) == 0;
  });
}

std::uint32_t HostsTable::entry_of(NameView name) {
  if (const std::uint32_t i = find_entry(name.data(), name.size()); i != kNone) return i;
  const auto i = static_cast<std::uint32_t>(entries_of_names_.size());
  names_.push_back(static_cast<std::uint8_t>(name.size()));
  Entry& entry = entries_of_names_.emplace_back();
  entry.name = static_cast<std::uint32_t>(names_.size());
  names_.insert(names_.end(), name.begin(), name.end());
  index_.add(hash_padded(name.data(), name.size(), seed_));
  return i;
}

std::uint32_t HostsTable::address_of(const boost::asio::ip::address& given) {
  const Address address = octets_of(given);
  std::array<std::uint8_t, 16 + kPadding> padded{};
  std::copy(address.octets.begin(), address.octets.end(), padded.begin());
  const std::uint64_t hash = hash_padded(padded.data(), address.size(), seed_);
  const std::uint32_t known =
      draft_->index.find(hash, [&](std::uint32_t i) { return draft_->addresses[i] == address; });
  if (known != kNone) return known;
  const auto i = static_cast<std::uint32_t>(draft_->addresses.size());
  draft_->addresses.push_back(address);
  draft_->index.add(hash);
  return i;
}

bool HostsTable::add(const boost::asio::ip::address& address, Name name) {
  if (octets() > most_octets_) return false;
  if (!options_.zones.contains(name.view())) return true;
  name.make_lower();
  const std::size_t before = entries_of_names_.size();
  draft_->pairs.push_back({entry_of(name.view()), address_of(address)});
  if (entries_of_names_.size() == before) draft_->own_rows += 2;
  ++entries_;
  if (is_wildcard(name.view())) {
    wildcards_ = true;
  } else if (options_.reverse) {
    ++entries_;
  }
  return true;
}

void HostsTable::finish() {
  place_rows();
  if (options_.reverse) place_reverse_names();
  draft_.reset();
}

void HostsTable::place_rows() {
  const auto& pairs = draft_->pairs;
  const auto& addresses = draft_->addresses;
  const Grouped by_name(pairs.size(), entries_of_names_.size(),
                        [&](std::size_t i) { return pairs[i].entry; });
  // The row of each address that names without another share; and the entry that had it last, since
  // an RRset has no record twice (RFC 2181 section 5).
  std::vector<std::uint32_t> shared(addresses.size(), kNone);
  std::vector<std::uint32_t> had_by(addresses.size(), kNone);
  std::vector<std::uint32_t> mine;
  std::uint32_t turns = 0;
  const auto put_row = [&](const Address& address) {
    const std::size_t at = rows_.size();
    rows_.resize(at + address.row_size());
    put_address_row(rows_.data() + at, address.span(), options_.ttl);
    return static_cast<std::uint32_t>(at);
  };
  for (std::uint32_t e = 0; e < entries_of_names_.size(); ++e) {
    Entry& entry = entries_of_names_[e];
    mine.clear();
    for (std::uint32_t k = by_name.first[e]; k < by_name.first[e + 1]; ++k) {
      const std::uint32_t address = pairs[by_name.items[k]].address;
      if (std::exchange(had_by[address], e) == e) continue;
      mine.push_back(address);
      ++(addresses[address].v4 ? entry.v4_count : entry.v6_count);
    }
    if (mine.size() == 1) {
      std::uint32_t& row = shared[mine[0]];
      if (row == kNone) row = put_row(addresses[mine[0]]);
      (addresses[mine[0]].v4 ? entry.v4 : entry.v6) = row;
      continue;
    }
    for (const bool v4 : {true, false}) {
      (v4 ? entry.v4 : entry.v6) = static_cast<std::uint32_t>(rows_.size());
      for (const std::uint32_t address : mine) {
        if (addresses[address].v4 == v4) put_row(addresses[address]);
      }
    }
    if (mine.size() > 1) entry.turn = turns++;
  }
  turns_ = std::make_unique<std::atomic<std::uint32_t>[]>(turns);
}

void HostsTable::place_reverse_names() {
  const auto& pairs = draft_->pairs;
  const auto& addresses = draft_->addresses;
  const Grouped by_address(pairs.size(), addresses.size(),
                           [&](std::size_t i) { return pairs[i].address; });
  std::vector<std::uint32_t> had_by(entries_of_names_.size(), kNone);
  for (std::uint32_t a = 0; a < addresses.size(); ++a) {
    const auto first = static_cast<std::uint32_t>(reverse_.size());
    for (std::uint32_t k = by_address.first[a]; k < by_address.first[a + 1]; ++k) {
      const std::uint32_t e = pairs[by_address.items[k]].entry;
      const std::uint32_t name = entries_of_names_[e].name;
      if (std::exchange(had_by[e], a) == a) continue;
      if (!is_wildcard({names_.data() + name, names_[name - 1]})) reverse_.push_back(name);
    }
    const auto count = static_cast<std::uint32_t>(reverse_.size()) - first;
    if (count == 0) continue;
    const auto reverse = Name::from_text(reverse_text(addresses[a]));
    if (!reverse) continue;
    Entry& entry = entries_of_names_[entry_of(reverse->view())];
    entry.reverse = first;
    entry.reverse_count = count;
  }
}

void HostsTable::for_each(
    const std::function<void(const boost::asio::ip::address&, const Name&)>& visit) const {
  // The address is the end of its row.
  const auto each = [&](const std::uint8_t* rows, std::uint32_t count, std::size_t row_size,
                        auto octets, const auto& tell) {
    for (std::uint32_t i = 0; i < count; ++i) {
      std::copy_n(rows + (i + 1) * row_size - octets.size(), octets.size(), octets.begin());
      tell(octets);
    }
  };
  for (const Entry& entry : entries_of_names_) {
    const Host addresses = host(entry);
    const Name name(NameView{names_.data() + entry.name, names_[entry.name - 1]});
    each(addresses.v4, addresses.v4_count, kARowSize, boost::asio::ip::address_v4::bytes_type(),
         [&](const auto& octets) { visit(boost::asio::ip::address_v4(octets), name); });
    each(addresses.v6, addresses.v6_count, kAaaaRowSize, boost::asio::ip::address_v6::bytes_type(),
         [&](const auto& octets) { visit(boost::asio::ip::address_v6(octets), name); });
  }
}

HostsTable::Host HostsTable::host(const Entry& entry) const noexcept {
  Host host;
  if (entry.v4_count != 0) host.v4 = rows_.data() + entry.v4;
  if (entry.v6_count != 0) host.v6 = rows_.data() + entry.v6;
  host.v4_count = entry.v4_count;
  host.v6_count = entry.v6_count;
  host.names = reverse_.data() + entry.reverse;
  host.name_count = entry.reverse_count;
  host.wire = names_.data();
  if (entry.turn != kNone) host.turn = &turns_[entry.turn];
  return host;
}

std::optional<HostsTable::Host> HostsTable::find(NameView name) const noexcept {
  if (draft_ != nullptr) return std::nullopt;
  if (const std::uint32_t i = find_entry(name.data(), name.size()); i != kNone) {
    return host(entries_of_names_[i]);
  }
  if (!wildcards_ || name.size() < 3) return std::nullopt;
  std::array<std::uint8_t, kMaxNameSize + kPadding> wild;
  const NameView parent = name.subspan(std::size_t{1} + name[0]);
  const std::size_t size = parent.size() + sizeof kWildcard;
  if (parent.size() < 2 || size > kMaxNameSize) return std::nullopt;
  std::copy(std::begin(kWildcard), std::end(kWildcard), wild.begin());
  std::copy(parent.begin(), parent.end(), wild.begin() + sizeof kWildcard);
  std::fill_n(wild.begin() + size, kPadding, std::uint8_t{0});
  const std::uint32_t i = find_entry(wild.data(), size);
  return i == kNone ? std::nullopt : std::optional(host(entries_of_names_[i]));
}

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

HostsReader::HostsReader(std::string_view text, std::string path, HostsTable& table)
    : rest_(dns::without_byte_order_mark(text)), path_(std::move(path)), table_(table) {}

void HostsReader::warn(const std::string& what) {
  if (++told_ > kMaxWarnings) return;
  warnings_.push_back(path_ + ":" + std::to_string(number_) + ": " + what +
                      (told_ == kMaxWarnings ? "; there may be more" : ""));
}

void HostsReader::begin_line() {
  const std::size_t newline = std::min(rest_.find('\n'), rest_.size());
  line_ = rest_.substr(0, newline);
  rest_.remove_prefix(std::min(newline + 1, rest_.size()));
  ++number_;
  line_ = line_.substr(0, std::min(line_.find('#'), line_.size()));
  const std::string_view first = next_word(line_);
  if (first.empty() || parse_hosts_address(first, &address_)) return;
  warn(quoted(first) + " is not an IP address; the line is ignored");
  line_ = {};
}

bool HostsReader::read(std::size_t octets) {
  const std::size_t before = line_.size() + rest_.size();
  while (before - (line_.size() + rest_.size()) < octets) {
    if (line_.empty()) {
      if (rest_.empty()) return false;
      begin_line();
      continue;
    }
    const std::string_view word = next_word(line_);
    if (word.empty()) continue;
    const auto name = Name::from_text(word);
    if (!name || name->is_root()) {
      warn(quoted(word) + " is not a valid name; it is ignored");
    } else if (!table_.add(address_, *name)) {
      told_ = 0;  // this one is said whatever was said before
      warn("the names so far take more than " + std::to_string(kMaxHostsTableSize / (1024 * 1024)) +
           " MiB; this one and all after it are ignored: make the file smaller");
      rest_ = line_ = {};
    }
  }
  return !(line_.empty() && rest_.empty());
}

}  // namespace clusterdns::dns
