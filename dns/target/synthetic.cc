#include "dns/target/synthetic.h"

#include <algorithm>
#include <cstring>

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

constexpr std::uint32_t kNetwork = 0xC6120000;  // 198.18.0.0/15, RFC 2544
constexpr std::uint64_t kNetworkMask = 0x1FFFF;
constexpr std::array<std::uint8_t, 8> kNetwork6 = {0x20, 0x01, 0x0D, 0xB8};  // RFC 3849
constexpr std::array<std::uint8_t, 6> kSrv = {0, 0, 0, 100, 0x1F, 0x90};     // 0 100 8080
constexpr std::size_t kMaxString = 255;                                      // RFC 1035 3.3
constexpr std::size_t kRecordHead = 12;  // behind a pointer, RFC 1035 4.1.3

constexpr ExtendedErrorNote kNotForThisClient{true, ExtendedError::Prohibited,
                                              "only clients of the private network are served"};

void append(std::vector<std::uint8_t>& to, std::string_view label, const Name& zone) {
  to.push_back(static_cast<std::uint8_t>(label.size()));
  to.insert(to.end(), label.begin(), label.end());
  to.insert(to.end(), zone.data(), zone.data() + zone.size());
}

void append_u32(std::vector<std::uint8_t>& to, std::uint32_t value) {
  std::uint8_t octets[4];
  store_u32(octets, value);
  to.insert(to.end(), octets, octets + 4);
}

// Presentation format with the final dot, as name_to_text() has it. Returns the octets.
std::size_t write_text(NameView name, std::uint8_t* to) noexcept {
  std::uint8_t* p = to;
  if (name.size() == 1) *p++ = '.';
  for (std::size_t at = 0; name[at] != 0; at += std::size_t{1} + name[at]) {
    for (std::size_t i = 1; i <= name[at]; ++i) {
      const std::uint8_t c = name[at + i];
      if (c <= ' ' || c > '~') {
        *p++ = '\\';
        *p++ = static_cast<std::uint8_t>('0' + c / 100);
        *p++ = static_cast<std::uint8_t>('0' + c / 10 % 10);
        *p++ = static_cast<std::uint8_t>('0' + c % 10);
        continue;
      }
      if (std::strchr(".\\\"();@$", c) != nullptr) *p++ = '\\';
      *p++ = c;
    }
    *p++ = '.';
  }
  return static_cast<std::size_t>(p - to);
}

RRsetRef record(RRType type, const std::uint8_t* data, std::size_t size, std::uint32_t ttl,
                std::uint8_t owner) noexcept {
  RRsetRef record;
  record.write = &write_rdata;
  record.type = type;
  record.data = data;
  record.count = static_cast<std::uint32_t>(size);
  record.ttl = ttl;
  record.owner = owner;
  return record;
}

// Whether a label can be an instruction of `synthetic` at all: all of them end in a digit, and most
// words do not begin as they do.
bool may_be_instruction(const std::uint8_t* label, std::size_t size) noexcept {
  if (size < 2 || label[size - 1] < '0' || label[size - 1] > '9') return false;
  return label[0] == 'a' || label[0] == 's' || label[0] == 't' || label[0] == 'c';
}

std::string_view text_of(const std::uint8_t* label) noexcept {
  return {reinterpret_cast<const char*>(label + 1), label[0]};
}

// Whether none of the labels in front of `end` can be one.
bool are_words(const Query& query, std::size_t end) noexcept {
  for (unsigned i = 0; query.label_offset[i] < end; ++i) {
    const std::uint8_t* const label = query.lower.data() + query.label_offset[i];
    if (may_be_instruction(label + 1, label[0])) return false;
  }
  return true;
}

// The labels of `query` left of a zone of `zone_size` octets, as instructions; without the words.
void read_labels(const Query& query, std::size_t zone_size, Instructions& to) noexcept {
  const std::size_t end = query.qname_size - zone_size;
  for (unsigned i = 0; query.label_offset[i] < end; ++i) {
    const std::uint8_t* const label = query.lower.data() + query.label_offset[i];
    if (!may_be_instruction(label + 1, label[0])) continue;
    (void)read_label(text_of(label), static_cast<std::uint8_t>(i), Vocabulary::Synthetic, to);
  }
}

// The row of the address that is made of `number`.
void put_row(std::uint8_t* row, RRType type, std::uint64_t number, std::uint32_t ttl) noexcept {
  std::array<std::uint8_t, 16> address;
  if (type == RRType::A) {
    store_u32(address.data(), kNetwork | static_cast<std::uint32_t>(number & kNetworkMask));
    return put_address_row(row, {address.data(), 4}, ttl);
  }
  std::copy(kNetwork6.begin(), kNetwork6.end(), address.begin());
  store_u32(address.data() + 8, static_cast<std::uint32_t>(number >> 32));
  store_u32(address.data() + 12, static_cast<std::uint32_t>(number));
  put_address_row(row, address, ttl);
}

// The first label of `name` (lower-case) left of the zone that is no instruction; if all are, the
// leftmost.
std::string_view label_to_hash(NameView name, std::size_t zone_size,
                               Vocabulary vocabulary) noexcept {
  const std::size_t end = name.size() - std::min(zone_size, name.size());
  for (std::size_t at = 0; at < end; at += std::size_t{1} + name[at]) {
    const std::string_view label = text_of(name.data() + at);
    if (vocabulary == Vocabulary::Synthetic &&
        !may_be_instruction(name.data() + at + 1, name[at])) {
      return label;
    }
    Instructions instructions;
    instructions.count = 0;
    if (!read_label(label, 0, vocabulary, instructions)) return label;
  }
  return text_of(name.data());
}

}  // namespace

SyntheticZone::SyntheticZone(const Name& zone) : name(zone) {
  append(soa, "ns", zone);
  append(soa, "hostmaster", zone);
  for (const std::uint32_t number : {1U, 7200U, 1800U, 86400U, 60U}) append_u32(soa, number);
  append(ns, "ns", zone);
}

void SyntheticShape::take(const Instruction& instruction) noexcept {
  const auto bit = static_cast<std::uint8_t>(1U << static_cast<unsigned>(instruction.action));
  if ((taken_ & bit) != 0) return;
  taken_ |= bit;
  switch (instruction.action) {
    case Action::Addresses: addresses = instruction.first; break;
    case Action::Size: size = instruction.first; break;
    case Action::Ttl: ttl = instruction.first; break;
    case Action::Chain:
      chain = instruction.first;
      chain_word = instruction;
      break;
    default: break;
  }
}

// One answer.
class SyntheticAnswers::Maker {
 public:
  Maker(Scratch& scratch, Exchange& exchange, const SyntheticZone& zone,
        const SyntheticShape& shape) noexcept
      : scratch_(scratch),
        exchange_(exchange),
        answer_(exchange.answer),
        zone_(zone),
        shape_(shape),
        final_(exchange.query.name_as_asked()) {}

  void make(Vocabulary vocabulary) noexcept {
    const Query& query = exchange_.query;
    if (shape_.chain != 0) {
      add_chain();
      if (query.qtype == RRType::CNAME) {
        answer_.answer_count = 1;  // the one that was asked for; nobody follows it
        return;
      }
    }
    switch (query.qtype) {
      case RRType::A:
      case RRType::AAAA: return add_addresses(hash(vocabulary));
      case RRType::TXT: return add_text();
      case RRType::SRV: return add_service();
      default: add_soa(); return;
    }
  }

  void add_soa() noexcept {
    const std::uint8_t* soa = zone_.soa.data();
    const std::size_t size = zone_.soa.size();
    if (shape_.ttl != kSyntheticTtl) {
      std::copy_n(soa, size, scratch_.soa.begin());
      store_u32(scratch_.soa.data() + size - 4, shape_.ttl);
      soa = scratch_.soa.data();
    }
    const std::uint8_t owner =
        answer_.add_question_suffix(static_cast<std::uint8_t>(zone_.name.size()));
    answer_.add_authority(record(RRType::SOA, soa, size, shape_.ttl, owner));
  }

 private:
  [[nodiscard]] std::uint64_t hash(Vocabulary vocabulary) const noexcept {
    if (shape_.chain == 0) {
      return fnv1a(label_to_hash(exchange_.query.name(), zone_.name.size(), vocabulary));
    }
    Name lower(final_);
    lower.make_lower();
    return fnv1a(label_to_hash(lower.view(), zone_.name.size(), vocabulary));
  }

  // What is left of the name without its chain, behind kChainRoom octets of `rest`.
  std::size_t write_rest(std::uint8_t* to) const noexcept {
    const Query& query = exchange_.query;
    const std::uint8_t* const asked = query.name_as_asked().data();
    if (shape_.from_outside) {
      std::copy_n(asked, query.qname_size, to);
      return query.qname_size;
    }
    const Instruction& word = shape_.chain_word;
    const std::size_t at = query.label_offset[word.label];
    const std::size_t label = asked[at];
    std::size_t size = at;
    std::copy_n(asked, at, to);
    if (word.size < label) {
      // Its dash goes with it.
      const bool last = std::size_t{word.begin} + word.size == label;
      const std::size_t from = word.begin - (last ? 1U : 0U);
      const std::size_t gap = word.size + 1U;
      to[size++] = static_cast<std::uint8_t>(label - gap);
      std::copy_n(asked + at + 1, from, to + size);
      std::copy_n(asked + at + 1 + from + gap, label - from - gap, to + size + from);
      size += label - gap;
    }
    const std::size_t behind = at + 1 + label;
    std::copy_n(asked + behind, query.qname_size - behind, to + size);
    return size + query.qname_size - behind;
  }

  void add_chain() noexcept {
    std::array<std::uint8_t, kMaxNameSize> rest;
    const std::size_t rest_size = write_rest(rest.data());
    const bool nothing_left = shape_.from_outside || rest_size == zone_.name.size();
    std::uint8_t owner = 0;
    for (std::uint32_t i = shape_.chain; i-- > 0;) {
      std::uint8_t* const to = scratch_.names[i].data();
      std::size_t size = 0;
      const auto put_label = [&](std::string_view label) {
        to[size++] = static_cast<std::uint8_t>(label.size());
        std::copy(label.begin(), label.end(), to + size);
        size += label.size();
      };
      if (i != 0) {
        char label[8] = "chain";
        std::size_t digits = 5;
        if (i >= 10) label[digits++] = static_cast<char>('0' + i / 10);
        label[digits++] = static_cast<char>('0' + i % 10);
        put_label({label, digits});
      } else if (nothing_left) {
        put_label("end");
      }
      if (size + rest_size > kMaxNameSize) {
        answer_.overfull = true;  // only a name that is taken for a zone can be so long
        return;
      }
      std::copy_n(rest.data(), rest_size, to + size);
      size += rest_size;
      RRsetRef cname;
      cname.write = &write_cname;
      cname.type = RRType::CNAME;
      cname.ttl = shape_.ttl;
      cname.owner = owner;
      owner = answer_.add_name(to, static_cast<std::uint8_t>(size));
      cname.first = owner;
      answer_.add_answer(cname);
      final_ = {to, size};
    }
    owner_ = owner;
  }

  void add_addresses(std::uint64_t hash) noexcept {
    const RRType type = exchange_.query.qtype;
    const std::size_t row = type == RRType::A ? kARowSize : kAaaaRowSize;
    for (std::uint32_t i = 0; i < shape_.addresses; ++i) {
      put_row(scratch_.data.data() + i * row, type, hash + i, shape_.ttl);
    }
    RRsetRef& rows = answer_.next_answer();
    rows = {};
    rows.write = &write_rows;
    rows.data = scratch_.data.data();
    rows.count = shape_.addresses;
    rows.ttl = shape_.ttl;
    rows.type = exchange_.query.qtype;
    rows.owner = owner_;
  }

  void add_text() noexcept {
    std::uint8_t* const data = scratch_.data.data();
    std::size_t size = 0;
    if (shape_.size != 0) {
      const std::size_t rest = size_without_text();
      size = shape_.size > rest ? shape_.size - rest : 1;
      std::memset(data, 'x', size);
      for (std::size_t at = 0; at < size; at += kMaxString + 1) {
        data[at] = static_cast<std::uint8_t>(std::min(size - at - 1, kMaxString));
      }
    } else {
      std::array<std::uint8_t, 4 * kMaxNameSize> text;
      const std::size_t length = write_text(final_, text.data());
      for (std::size_t at = 0; at < length; at += kMaxString) {
        const std::size_t part = std::min(length - at, kMaxString);
        data[size++] = static_cast<std::uint8_t>(part);
        std::copy_n(text.data() + at, part, data + size);
        size += part;
      }
    }
    answer_.add_answer(record(RRType::TXT, data, size, shape_.ttl, owner_));
  }

  // Octets of the message with a TXT record that has no RDATA.
  [[nodiscard]] std::size_t size_without_text() noexcept {
    const Query& query = exchange_.query;
    const std::size_t opt = query.has_edns ? kOptRecordSize : 0;
    if (shape_.chain == 0) return query.question_end + kRecordHead + opt;
    // What a chain takes depends on what its names share: it is written to see.
    const std::size_t size =
        encode_answer(query, answer_, kDefaultUdpSize, scratch_.data.data(), scratch_.data.size());
    for (unsigned i = 1; i < answer_.name_count; ++i) answer_.names[i].offset = 0;
    return size + kRecordHead;
  }

  void add_service() noexcept {
    std::uint8_t* const data = scratch_.data.data();
    std::copy(kSrv.begin(), kSrv.end(), data);
    std::copy(final_.begin(), final_.end(), data + kSrv.size());
    answer_.add_answer(record(RRType::SRV, data, kSrv.size() + final_.size(), shape_.ttl, owner_));
  }

  Scratch& scratch_;
  Exchange& exchange_;
  Answer& answer_;
  const SyntheticZone& zone_;
  const SyntheticShape& shape_;
  NameView final_;          // where the chain ends; the question's name without one
  std::uint8_t owner_ = 0;  // its index
};

SyntheticAnswers::SyntheticAnswers(unsigned workers) {
  for (unsigned i = 0; i < workers; ++i) {
    // Not zeroed: pages are touched only when an answer needs them.
    scratch_.push_back(std::make_unique_for_overwrite<Scratch>());
  }
}

void SyntheticAnswers::set_limit(Exchange& exchange) noexcept {
  if (exchange.transport != Transport::Udp || !exchange.query.has_edns) return;
  exchange.limit =
      std::clamp<std::size_t>(exchange.query.udp_size, kMaxUdpWithoutEdns, kSyntheticUdpSize);
}

void SyntheticAnswers::answer_zone(Exchange& exchange, const SyntheticZone& zone) noexcept {
  Answer& answer = exchange.answer;
  answer.authoritative = true;
  switch (exchange.query.qtype) {
    case RRType::SOA:
      answer.add_answer(record(RRType::SOA, zone.soa.data(), zone.soa.size(), kSyntheticTtl, 0));
      return;
    case RRType::NS:
      answer.add_answer(record(RRType::NS, zone.ns.data(), zone.ns.size(), kSyntheticTtl, 0));
      return;
    default: return add_soa(exchange, zone, kSyntheticTtl);
  }
}

void SyntheticAnswers::answer_address(Exchange& exchange, std::uint64_t hash) noexcept {
  Answer& answer = exchange.answer;
  answer.authoritative = true;
  std::uint8_t* const row = scratch_[exchange.worker->index]->data.data();
  put_row(row, exchange.query.qtype, hash, kSyntheticTtl);
  RRsetRef& rows = answer.next_answer();
  rows.write = &write_rows;
  rows.data = row;
  rows.more = nullptr;
  rows.first = rows.rotation = 0;
  rows.count = 1;
  rows.ttl = kSyntheticTtl;
  rows.type = exchange.query.qtype;
  rows.owner = 0;
}

void SyntheticAnswers::answer_below(Exchange& exchange, const SyntheticZone& zone,
                                    const SyntheticShape& shape, Vocabulary vocabulary) noexcept {
  exchange.answer.authoritative = true;
  Maker(*scratch_[exchange.worker->index], exchange, zone, shape).make(vocabulary);
}

void SyntheticAnswers::add_soa(Exchange& exchange, const SyntheticZone& zone,
                               std::uint32_t ttl) noexcept {
  SyntheticShape shape;
  shape.ttl = ttl;
  Maker(*scratch_[exchange.worker->index], exchange, zone, shape).add_soa();
}

SyntheticStage::SyntheticStage(Options options, unsigned workers)
    : clients_(std::move(options.clients)), last_(workers), answers_(workers) {
  for (const Name& zone : options.zones) {
    if (zones_.add(zone) == each_.size()) each_.emplace_back(zone);
  }
  if (each_.size() > ZoneSet::kFew) return;
  for (std::uint32_t i = 0; i < each_.size(); ++i) few_.push_back(i);
  std::stable_sort(few_.begin(), few_.end(), [this](std::uint32_t a, std::uint32_t b) {
    return each_[a].name.size() > each_[b].name.size();
  });
}

std::size_t SyntheticStage::find_zone(const Query& query) const noexcept {
  for (const std::uint32_t index : few_) {
    const Name& zone = each_[index].name;
    if (zone.size() > query.qname_size) continue;
    const std::size_t at = query.qname_size - zone.size();
    if (!equal_padded(query.lower.data() + at, zone.data(), zone.size())) continue;
    // The octets agree; the place must also be a label boundary.
    for (unsigned label = 0; query.label_offset[label] <= at; ++label) {
      if (query.label_offset[label] == at) return index;
      if (label == query.label_count) break;
    }
  }
  if (!few_.empty()) return ZoneSet::kNone;
  return zones_.find(query.name(), query.label_offset.data(), query.label_count);
}

bool SyntheticStage::allows(const Exchange& exchange) noexcept {
  Last& last = last_[exchange.worker->index];
  const Endpoint& client = exchange.client;
  std::uint64_t now[2], before[2];
  std::memcpy(now, client.address.data(), sizeof now);
  std::memcpy(before, last.client.address.data(), sizeof before);
  if (last.set && last.client.v6 == client.v6 && now[0] == before[0] && now[1] == before[1]) {
    return true;
  }
  if (!clients_.contains(client)) return false;
  last = {client, true};
  return true;
}

Verdict SyntheticStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  const std::size_t found = find_zone(query);
  if (found == ZoneSet::kNone) return Verdict::Next;
  if (!allows(exchange)) {
    exchange.fail(Rcode::Refused, kNotForThisClient);
    return Verdict::Answered;
  }
  const SyntheticZone& zone = each_[found];
  SyntheticAnswers::set_limit(exchange);
  if (query.qname_size == zone.name.size()) {
    answers_.answer_zone(exchange, zone);
    return Verdict::Answered;
  }
  const std::size_t end = query.qname_size - zone.name.size();
  if ((query.qtype == RRType::A || query.qtype == RRType::AAAA) && are_words(query, end)) {
    answers_.answer_address(exchange, fnv1a(text_of(query.lower.data())));
    return Verdict::Answered;
  }
  SyntheticShape shape;
  Instructions instructions;
  instructions.count = 0;
  read_labels(query, zone.name.size(), instructions);
  for (const Instruction& instruction : instructions.list()) shape.take(instruction);
  answers_.answer_below(exchange, zone, shape, Vocabulary::Synthetic);
  return Verdict::Answered;
}

}  // namespace clusterdns::dns
