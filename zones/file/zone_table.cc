#include "zones/file/zone_table.h"

#include <algorithm>
#include <cstring>

#include "dns/base/hash.h"
#include "dns/base/random.h"
#include "dns/query/encoder.h"

namespace clusterdns::zones {
namespace {

using dns::NameView;
using dns::RRType;
using Octets = std::span<const std::uint8_t>;

constexpr std::uint8_t kAsterisk[] = {1, '*'};

// Where the labels of a name begin, without the root's. Returns their number.
unsigned label_offsets(NameView name, std::uint8_t* offset) noexcept {
  unsigned labels = 0;
  for (std::size_t at = 0; name[at] != 0; at += std::size_t{1} + name[at]) {
    offset[labels++] = static_cast<std::uint8_t>(at);
  }
  return labels;
}

bool is_below_or_at(NameView name, NameView zone) noexcept {
  return dns::has_suffix_ignoring_case(name, zone);
}

}  // namespace

int compare_canonically(NameView a, NameView b) noexcept {
  std::array<std::uint8_t, dns::kMaxLabels + 1> of_a;
  std::array<std::uint8_t, dns::kMaxLabels + 1> of_b;
  unsigned left_a = label_offsets(a, of_a.data());
  unsigned left_b = label_offsets(b, of_b.data());
  while (left_a != 0 && left_b != 0) {
    const std::uint8_t* const x = a.data() + of_a[--left_a];
    const std::uint8_t* const y = b.data() + of_b[--left_b];
    const int order = std::memcmp(x + 1, y + 1, std::min(*x, *y));
    if (order != 0) return order;
    if (*x != *y) return *x < *y ? -1 : 1;
  }
  return left_a == left_b ? 0 : left_a < left_b ? -1 : 1;
}

ZoneTable::ZoneTable() : seed_(dns::random_seed()) {}
ZoneTable::~ZoneTable() = default;

std::size_t ZoneTable::row_size(RRType type) noexcept {
  return type == RRType::A ? dns::kARowSize : type == RRType::AAAA ? dns::kAaaaRowSize : 0;
}

const ZoneTable::Node* ZoneTable::find_node(NameView name) const noexcept {
  const std::uint32_t i =
      index_.find(dns::hash_padded(name.data(), name.size(), seed_), [&](std::uint32_t at) {
        const Node& node = nodes_[at];
        return node.name_size == name.size() &&
               dns::equal_padded(names_.data() + node.name, name.data(), name.size());
      });
  return i == kNone ? nullptr : &nodes_[i];
}

const ZoneTable::RRset* ZoneTable::find(const Node& node, RRType type) const noexcept {
  const RRset* at = rrsets_.data() + node.rrsets;
  std::size_t count = node.rrset_count;
  // Few at nearly every name.
  while (count > 8) {
    const std::size_t half = count / 2;
    if (at[half].type <= type) {
      at += half;
      count -= half;
    } else {
      count = half;
    }
  }
  for (const RRset* const end = at + count; at != end; ++at) {
    if (at->type == type) return at;
  }
  return nullptr;
}

ZoneTable::Place ZoneTable::find(NameView name, const std::uint8_t* offset,
                                 unsigned labels) const noexcept {
  const auto stopped_by = [this](std::uint32_t at) {
    const Node& node = nodes_[at];
    const bool cut = node.stop == at;
    return Place{cut ? Place::Kind::Cut : Place::Kind::Dname, &node, nullptr};
  };
  if (const Node* const node = find_node(name)) {
    if (node->stop != kNone) [[unlikely]]
      return stopped_by(node->stop);
    return {Place::Kind::Exact, node, nullptr};
  }
  for (unsigned i = 1; i <= labels - origin_labels_; ++i) {
    const Node* const node = find_node(name.subspan(offset[i]));
    if (node == nullptr) continue;
    if (node->stop != kNone) return stopped_by(node->stop);
    if (find(*node, RRType::DNAME) != nullptr) return {Place::Kind::Dname, node, nullptr};
    if (node->wildcard != kNone) {
      return {Place::Kind::Wildcard, &nodes_[node->wildcard], node};
    }
    return {Place::Kind::Nothing, nullptr, node};
  }
  return {};  // not reached: the origin exists
}

Octets ZoneTable::first(const RRset& rrset) const noexcept {
  const std::uint8_t* const at = data_.data() + rrset.data;
  if (const std::size_t row = row_size(rrset.type); row != 0) {
    return {at + kRowHead, row - kRowHead};
  }
  return {at + 2, dns::load_u16(at)};
}

ZoneTable::Times ZoneTable::times() const noexcept {
  const Octets soa = first(*soa_);
  const std::uint8_t* const p = soa.data() + soa.size() - 20;
  return {dns::load_u32(p), dns::load_u32(p + 4), dns::load_u32(p + 8), dns::load_u32(p + 12),
          dns::load_u32(p + 16)};
}

const ZoneTable::Node* ZoneTable::find_nsec(NameView name) const noexcept {
  const auto after = std::upper_bound(
      nsec_order_.begin(), nsec_order_.end(), name, [this](NameView wanted, std::uint32_t at) {
        return compare_canonically(wanted, this->name(nodes_[at])) < 0;
      });
  return after == nsec_order_.begin() ? nullptr : &nodes_[*(after - 1)];
}

std::size_t ZoneTable::octets() const noexcept {
  return sizeof *this + names_.capacity() + nodes_.capacity() * sizeof(Node) + index_.octets() +
         rrsets_.capacity() * sizeof(RRset) + data_.capacity() +
         turn_count_ * sizeof(std::uint32_t) + nsec_order_.capacity() * sizeof(std::uint32_t);
}

// ---------------------------------------------------------------------------------------------

struct ZoneTable::Builder::Draft {
  // One record, in the order in which they came.
  struct Record {
    std::uint32_t node;
    std::uint32_t ttl;
    std::uint32_t data;  // size and RDATA
    RRType type;
  };
  std::vector<Record> records;
  std::vector<std::uint8_t> rdata;
  std::vector<std::uint32_t> parents;  // of each node
  dns::Name last_owner;                // in lower case
  std::uint32_t last_node = 0;
  bool has_soa = false;

  [[nodiscard]] Octets at(const Record& record) const noexcept {
    const std::uint8_t* const p = rdata.data() + record.data;
    return {p + 2, dns::load_u16(p)};
  }
};

ZoneTable::Builder::Builder(const dns::Name& origin, std::size_t most_records,
                            std::size_t most_octets)
    : table_(new ZoneTable),
      draft_(std::make_unique<Draft>()),
      most_records_(most_records),
      most_octets_(most_octets) {
  dns::Name lower = origin;
  lower.make_lower();
  table_->origin_labels_ = static_cast<unsigned>(lower.label_count());
  draft_->last_owner = lower;
  draft_->last_node = node_of(lower);
}

ZoneTable::Builder::~Builder() = default;

bool ZoneTable::Builder::has_soa() const noexcept { return draft_->has_soa; }

// The node of a name at or below the origin, made with those above it that are not there yet.
std::uint32_t ZoneTable::Builder::node_of(const dns::Name& lower) {
  ZoneTable& table = *table_;
  const auto find_at = [&](NameView name, std::uint64_t hash) {
    return table.index_.find(hash, [&](std::uint32_t at) {
      const Node& node = table.nodes_[at];
      return node.name_size == name.size() &&
             std::memcmp(table.names_.data() + node.name, name.data(), name.size()) == 0;
    });
  };
  std::array<std::uint8_t, dns::kMaxLabels + 1> offset;
  const unsigned labels = label_offsets(lower.view(), offset.data());
  offset[labels] = static_cast<std::uint8_t>(lower.size() - 1);
  const unsigned below = labels - table.origin_labels_;
  std::array<std::uint64_t, dns::kMaxLabels + 1> hashes;
  std::uint32_t parent = kNone;
  unsigned missing = 0;  // how many of the name's own labels lead to nodes that are not there
  for (; missing <= below; ++missing) {
    const NameView name = lower.view().subspan(offset[missing]);
    hashes[missing] = dns::hash_padded(name.data(), name.size(), table.seed_);
    parent = find_at(name, hashes[missing]);
    if (parent != kNone) break;
  }
  if (missing == 0) return parent;
  const auto at = static_cast<std::uint32_t>(table.names_.size());
  table.names_.insert(table.names_.end(), lower.data(), lower.data() + lower.size());
  while (missing-- > 0) {
    const auto fresh = static_cast<std::uint32_t>(table.nodes_.size());
    Node node;
    node.name = at + offset[missing];
    node.name_size = static_cast<std::uint8_t>(lower.size() - offset[missing]);
    table.index_.add(hashes[missing]);
    table.nodes_.push_back(node);
    draft_->parents.push_back(parent);
    if (parent != kNone &&
        std::memcmp(table.names_.data() + node.name, kAsterisk, sizeof kAsterisk) == 0) {
      table.nodes_[parent].wildcard = fresh;
    }
    parent = fresh;
  }
  return parent;
}

ZoneTable::Builder::Added ZoneTable::Builder::add(const dns::Name& owner, RRType type,
                                                  std::uint32_t ttl, Octets rdata) {
  Draft& draft = *draft_;
  dns::Name lower = owner;
  lower.make_lower();
  const NameView origin = table_->origin();
  if (!(lower == draft.last_owner)) {
    if (!is_below_or_at(lower.view(), origin)) return Added::Outside;
    if (draft.rdata.size() + table_->names_.size() + dns::kMaxNameSize * sizeof(Node) +
            table_->nodes_.size() * sizeof(Node) >
        most_octets_) {
      return Added::Full;
    }
    draft.last_node = node_of(lower);
    draft.last_owner = lower;
  }
  if (type == RRType::SOA) {
    if (draft.last_node != 0) return Added::SecondSoa;
    if (draft.has_soa) {
      const auto first = std::find_if(draft.records.begin(), draft.records.end(),
                                      [](const auto& r) { return r.type == RRType::SOA; });
      return std::ranges::equal(draft.at(*first), rdata) ? Added::Yes : Added::SecondSoa;
    }
    draft.has_soa = true;
  }
  // Twice the RDATA: as it is gathered, and as it is placed, with a head for each address.
  if (draft.records.size() == most_records_ ||
      2 * draft.rdata.size() + draft.records.size() * 2 * sizeof(Draft::Record) + rdata.size() +
              table_->octets() >
          most_octets_) {
    return Added::Full;
  }
  draft.records.push_back(
      {draft.last_node, ttl, static_cast<std::uint32_t>(draft.rdata.size()), type});
  draft.rdata.push_back(static_cast<std::uint8_t>(rdata.size() >> 8));
  draft.rdata.push_back(static_cast<std::uint8_t>(rdata.size()));
  draft.rdata.insert(draft.rdata.end(), rdata.begin(), rdata.end());
  if (type == RRType::CNAME || type == RRType::DNAME) {
    // A name that is looked up next.
    for (auto c = draft.rdata.end() - static_cast<std::ptrdiff_t>(rdata.size());
         c != draft.rdata.end(); ++c) {
      if (*c >= 'A' && *c <= 'Z') *c = static_cast<std::uint8_t>(*c + 0x20);
    }
  }
  return Added::Yes;
}

bool ZoneTable::Builder::place_records(std::vector<std::string>* warnings) {
  ZoneTable& table = *table_;
  Draft& draft = *draft_;
  const auto warn = [&](const Node& node, const char* what) {
    if (warnings->size() < kMaxWarnings) {
      warnings->push_back(dns::name_to_text(table.name(node)) + what);
    }
  };
  const auto before = [](const Draft::Record& a, const Draft::Record& b) {
    return a.node != b.node   ? a.node < b.node
           : a.type != b.type ? a.type < b.type
                              : a.data < b.data;
  };
  if (!std::is_sorted(draft.records.begin(), draft.records.end(), before)) {
    std::sort(draft.records.begin(), draft.records.end(), before);
  }
  std::vector<std::uint32_t> turned;  // RRsets whose records take turns
  table.rrsets_.reserve(draft.records.size());
  table.data_.reserve(draft.rdata.size() + draft.records.size() * 8);
  std::vector<const Draft::Record*> group;
  for (std::size_t i = 0; i < draft.records.size();) {
    const Draft::Record& head = draft.records[i];
    group.clear();
    RRset rrset;
    rrset.type = head.type;
    rrset.ttl = head.ttl;
    for (; i < draft.records.size() && draft.records[i].node == head.node &&
           draft.records[i].type == head.type;
         ++i) {
      group.push_back(&draft.records[i]);
      rrset.ttl = std::min(rrset.ttl, draft.records[i].ttl);  // RFC 2181 5.2
    }
    if (group.size() > 1) {
      // Equal ones are one (RFC 2181 section 5).
      std::sort(group.begin(), group.end(), [&](const auto* a, const auto* b) {
        const Octets x = draft.at(*a);
        const Octets y = draft.at(*b);
        const int order = std::memcmp(x.data(), y.data(), std::min(x.size(), y.size()));
        if (order != 0) return order < 0;
        return x.size() != y.size() ? x.size() < y.size() : a->data < b->data;
      });
      group.erase(std::unique(group.begin(), group.end(),
                              [&](const auto* a, const auto* b) {
                                return std::ranges::equal(draft.at(*a), draft.at(*b));
                              }),
                  group.end());
      std::sort(group.begin(), group.end(),
                [](const auto* a, const auto* b) { return a->data < b->data; });
    }
    Node& node = table.nodes_[head.node];
    const auto one_only = [&](const char* what) {
      if (group.size() == 1) return;
      group.resize(1);
      warn(node, what);
    };
    if (head.type == RRType::CNAME) one_only(" has several CNAMEs; only the first is served");
    if (head.type == RRType::DNAME) one_only(" has several DNAMEs; only the first is served");
    rrset.count = static_cast<std::uint32_t>(group.size());
    rrset.data = static_cast<std::uint32_t>(table.data_.size());
    if (node.rrset_count == 0) node.rrsets = static_cast<std::uint32_t>(table.rrsets_.size());
    if (node.rrset_count == 0xFFFF) return false;
    ++node.rrset_count;
    const std::size_t row = row_size(head.type);
    for (const Draft::Record* const record : group) {
      const Octets rdata = draft.at(*record);
      if (row != 0) {
        table.data_.resize(table.data_.size() + row);
        dns::put_address_row(table.data_.data() + table.data_.size() - row, rdata, rrset.ttl);
      } else {
        table.data_.insert(table.data_.end(), rdata.data() - 2, rdata.data() + rdata.size());
      }
    }
    if (rrset.count > 1 && (row != 0 || head.type == RRType::MX)) {
      rrset.turn = static_cast<std::uint32_t>(table.turn_count_++);
    }
    table.records_ += rrset.count;
    table.rrsets_.push_back(rrset);
  }
  // What may not stand beside a CNAME is not there (RFC 1034 3.6.2): NSEC and RRSIG may (RFC
  // 4035 2.5).
  for (Node& node : table.nodes_) {
    if (table.find(node, RRType::CNAME) == nullptr) continue;
    const bool apex = &node == &table.nodes_.front();
    const auto begin = table.rrsets_.begin() + node.rrsets;
    const auto end = std::remove_if(begin, begin + node.rrset_count, [apex](const RRset& rrset) {
      if (apex) return rrset.type == RRType::CNAME;
      return rrset.type != RRType::CNAME && rrset.type != RRType::RRSIG &&
             rrset.type != RRType::NSEC;
    });
    const auto left = static_cast<std::uint16_t>(end - begin);
    if (left == node.rrset_count) continue;
    for (auto gone = end; gone != begin + node.rrset_count; ++gone) table.records_ -= gone->count;
    node.rrset_count = left;
    warn(node, apex ? " is the zone's own name, and has a CNAME, which is not served"
                    : " has a CNAME and other records, which are not served");
  }
  if (table.turn_count_ != 0) {
    table.turns_ = std::make_unique<std::atomic<std::uint32_t>[]>(table.turn_count_);
  }
  return true;
}

// Every node stands behind those above it.
void ZoneTable::Builder::place_stops() {
  ZoneTable& table = *table_;
  for (std::uint32_t i = 1; i < table.nodes_.size(); ++i) {
    Node& node = table.nodes_[i];
    const std::uint32_t above = draft_->parents[i];
    const Node& parent = table.nodes_[above];
    if (parent.stop != kNone) {
      node.stop = parent.stop;
    } else if (table.find(parent, RRType::DNAME) != nullptr) {
      node.stop = above;
    } else if (table.find(node, RRType::NS) != nullptr) {
      node.stop = i;
    }
  }
}

std::unique_ptr<const ZoneTable> ZoneTable::Builder::finish(std::string* error,
                                                            std::vector<std::string>* warnings) {
  ZoneTable& table = *table_;
  if (!draft_->has_soa) {
    *error = "there is no SOA record for " + dns::name_to_text(table.origin()) +
             "; check the zone's name, and $ORIGIN";
    return nullptr;
  }
  if (!place_records(warnings)) {
    *error = "a name has more than 65535 types";
    return nullptr;
  }
  place_stops();
  for (std::uint32_t i = 0; i < table.nodes_.size(); ++i) {
    if (table.find(table.nodes_[i], RRType::NSEC) != nullptr) table.nsec_order_.push_back(i);
  }
  std::sort(
      table.nsec_order_.begin(), table.nsec_order_.end(), [&](std::uint32_t a, std::uint32_t b) {
        return compare_canonically(table.name(table.nodes_[a]), table.name(table.nodes_[b])) < 0;
      });
  draft_.reset();
  // equal_padded() and write_rows() read on behind the last ones.
  table.names_.resize(table.names_.size() + dns::kPadding);
  table.data_.resize(table.data_.size() + dns::kPadding);
  table.names_.shrink_to_fit();
  table.nodes_.shrink_to_fit();
  table.rrsets_.shrink_to_fit();
  table.data_.shrink_to_fit();
  table.soa_ = table.find(table.apex(), RRType::SOA);
  const Times times = table.times();
  table.serial_ = times.serial;
  table.negative_ttl_ = std::min(table.soa_->ttl, times.minimum);
  return std::move(table_);
}

}  // namespace clusterdns::zones
