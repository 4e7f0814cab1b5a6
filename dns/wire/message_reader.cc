#include "dns/wire/message_reader.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <unordered_map>

#include "dns/wire/rdata_layout.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

// ---------------------------------------------------------------------------------------------
// What RDATA is made of. One table serves reading (which names to write out), writing (which names
// to compress) and presentation.

enum class Field : char {
  Name = 'n',       // may be compressed, by us too (RFC 1035 types: RFC 3597 section 4)
  PlainName = 'd',  // never compressed by us, written out when a peer did it
  U8 = '1',
  U16 = '2',
  U32 = '4',
  V4 = 'a',
  V6 = '6',
  Type = 'T',    // an RR type, by name
  Time = 't',    // seconds since 1970 as YYYYMMDDHHmmSS (RFC 4034 3.2)
  String = 's',  // one <character-string>, quoted
  Tag = 'g',     // one <character-string>, not quoted (RFC 8659 4.1.1)
  U48 = '8',     // seconds since 1970 as a number (RFC 8945 4.2)
  Sized = 'z',   // two octets of length and as many octets, shown as length and base64
  // What follows takes the rest of the RDATA.
  Strings = 'S',  // one or more <character-string>
  Quoted = 'v',   // as one quoted string
  Hex = 'h',
  Base64 = 'b',
  TypeBitmap = 'y',  // RFC 4034 4.1.2
  SvcParams = 'p',   // RFC 9460 2.2
};

struct TypeInfo {
  std::uint16_t number;
  std::string_view name;
  std::string_view layout;  // of Field; empty: opaque
};

// By number (looked up by bisection). Types without a layout are shown as RFC 3597 has it.
// clang-format off
constexpr std::array kTypes = std::to_array<TypeInfo>({
    {1, "A", "a"},           {2, "NS", "n"},
    {3, "MD", "n"},          {4, "MF", "n"},
    {5, "CNAME", "n"},       {6, "SOA", "nn44444"},
    {7, "MB", "n"},          {8, "MG", "n"},
    {9, "MR", "n"},          {10, "NULL", ""},
    {11, "WKS", ""},         {12, "PTR", "n"},
    {13, "HINFO", "ss"},     {14, "MINFO", "nn"},
    {15, "MX", "2n"},        {16, "TXT", "S"},
    {17, "RP", "dd"},        {18, "AFSDB", "2d"},
    {19, "X25", "s"},        {20, "ISDN", "S"},
    {21, "RT", "2d"},        {24, "SIG", "T114tt2db"},
    {25, "KEY", "211b"},     {26, "PX", "2dd"},
    {28, "AAAA", "6"},       {29, "LOC", ""},
    {30, "NXT", ""},         {33, "SRV", "222d"},
    {35, "NAPTR", "22sssd"}, {36, "KX", "2d"},
    {37, "CERT", "221b"},    {39, "DNAME", "d"},
    {41, "OPT", ""},         {42, "APL", ""},
    {43, "DS", "211h"},      {44, "SSHFP", "11h"},
    {45, "IPSECKEY", ""},    {46, "RRSIG", "T114tt2db"},
    {47, "NSEC", "dy"},      {48, "DNSKEY", "211b"},
    {49, "DHCID", "b"},      {50, "NSEC3", ""},
    {51, "NSEC3PARAM", ""},  {52, "TLSA", "111h"},
    {53, "SMIMEA", "111h"},  {55, "HIP", ""},
    {59, "CDS", "211h"},     {60, "CDNSKEY", "211b"},
    {61, "OPENPGPKEY", "b"}, {62, "CSYNC", "42y"},
    {63, "ZONEMD", "411h"},  {64, "SVCB", "2dp"},
    {65, "HTTPS", "2dp"},    {99, "SPF", "S"},
    {108, "EUI48", ""},      {109, "EUI64", ""},
    {249, "TKEY", "dtt22zz"}, {250, "TSIG", "d82z22z"},
    {251, "IXFR", ""},       {252, "AXFR", ""},
    {253, "MAILB", ""},      {254, "MAILA", ""},
    {255, "ANY", ""},        {256, "URI", "22v"},
    {257, "CAA", "1gv"},
});
// clang-format on
static_assert(std::ranges::is_sorted(kTypes, {}, &TypeInfo::number));

struct NumberName {
  std::uint16_t number;
  std::string_view name;
};

// RFC 1035 4.1.1, RFC 2136 2.2, RFC 8490 5.4, RFC 6891 9, RFC 8945 3, RFC 2930 2.6, RFC 7873 8.
constexpr std::array kRcodes = std::to_array<NumberName>({
    {0, "NOERROR"},  {1, "FORMERR"},    {2, "SERVFAIL"}, {3, "NXDOMAIN"},  {4, "NOTIMP"},
    {5, "REFUSED"},  {6, "YXDOMAIN"},   {7, "YXRRSET"},  {8, "NXRRSET"},   {9, "NOTAUTH"},
    {10, "NOTZONE"}, {11, "DSOTYPENI"}, {16, "BADVERS"}, {17, "BADKEY"},   {18, "BADTIME"},
    {19, "BADMODE"}, {20, "BADNAME"},   {21, "BADALG"},  {22, "BADTRUNC"}, {23, "BADCOOKIE"},
});

constexpr std::array kClasses = std::to_array<NumberName>({
    {1, "IN"},
    {3, "CH"},
    {4, "HS"},
    {254, "NONE"},
    {255, "ANY"},
});

// SvcParamKeys of RFC 9460 14.3.2, RFC 9461 and RFC 9540; the index is the number.
constexpr std::array kSvcKeys =
    std::to_array<std::string_view>({"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint",
                                     "ech", "ipv6hint", "dohpath", "ohttp"});

constexpr std::size_t kMinRecordSize = 1 + kRecordFixedSize;  // owned by the root, no RDATA
constexpr std::size_t kQuestionFixedSize = 4;                 // QTYPE, QCLASS (RFC 1035 4.1.2)
constexpr std::uint32_t kTtlSign = 0x80000000;
constexpr std::uint16_t kRcodeMask = 0x000F;

const TypeInfo* find_type(std::uint16_t number) noexcept {
  const auto* at = std::ranges::lower_bound(kTypes, number, {}, &TypeInfo::number);
  return at != kTypes.end() && at->number == number ? at : nullptr;
}

std::string_view layout_of(RRType type) noexcept {
  const TypeInfo* info = find_type(static_cast<std::uint16_t>(type));
  return info == nullptr ? std::string_view{} : info->layout;
}

bool has_names(std::string_view layout) noexcept {
  return layout.find_first_of("nd") != std::string_view::npos;
}

// Octets of a field of fixed size, 0 for the others.
std::size_t fixed_size(Field field) noexcept {
  switch (field) {
    case Field::U8: return 1;
    case Field::U16:
    case Field::Type: return 2;
    case Field::U32:
    case Field::V4:
    case Field::Time: return 4;
    case Field::U48: return 6;
    case Field::V6: return 16;
    default: return 0;
  }
}

// Octets that the field at the begin of `rest` takes, with its length; 0 when it is not whole.
// REQUIRES: String, Tag or Sized.
std::size_t counted_size(Field field, Octets rest) noexcept {
  const std::size_t head = field == Field::Sized ? 2 : 1;
  if (rest.size() < head) return 0;
  const std::size_t size = head + (head == 2 ? std::size_t{load_u16(rest.data())} : rest[0]);
  return rest.size() < size ? 0 : size;
}

bool is_counted(Field field) noexcept {
  return field == Field::String || field == Field::Tag || field == Field::Sized;
}

// Calls `plain(octets)` for each field of `message[at, end)` that is not a name, and
// `on_name(name, octets as they stand)` for each that is. The error says why the RDATA is not of
// this layout.
template <class Plain, class OnName>
boost::system::error_code walk_rdata(std::string_view layout, Octets message, std::size_t at,
                                     std::size_t end, const Plain& plain, const OnName& on_name) {
  const Octets within = message.first(end);
  for (const char code : layout) {
    const Field field{code};
    if (field == Field::Name || field == Field::PlainName) {
      std::size_t after = 0;
      const Result<Name> name = Name::from_message(within, at, &after);
      if (name.has_error()) return name.error();
      on_name(*name, within.subspan(at, after - at));
      at = after;
      continue;
    }
    std::size_t size = fixed_size(field);
    if (size == 0) {
      size = end - at;
      if (is_counted(field)) {
        size = counted_size(field, within.subspan(at));
        if (size == 0) return make_error_code(WireError::Truncated);
      }
    }
    if (end - at < size) return make_error_code(WireError::Truncated);
    plain(message.subspan(at, size));
    at += size;
  }
  if (at != end) return make_error_code(WireError::TrailingData);
  return {};
}

// Whether the octets a name was read from hold it without compression.
bool is_written_out(const Name& name, Octets in_place) noexcept {
  return std::ranges::equal(name.view(), in_place);
}

// ---------------------------------------------------------------------------------------------
// Reading.

class Reader {
 public:
  explicit Reader(Octets message) noexcept : message_(message) {}

  Result<Message> read() {
    if (message_.size() < kHeaderSize) return make_error_code(WireError::Truncated);
    Message m;
    m.id = load_u16(message_.data());
    m.flags = load_u16(message_.data() + 2);
    const std::uint16_t questions = load_u16(message_.data() + 4);
    at_ = kHeaderSize;
    if (questions > 1) return make_error_code(WireError::BadCount);
    if (questions == 1) {
      const Result<Name> qname = name();
      if (qname.has_error()) return qname.error();
      if (left() < kQuestionFixedSize) return make_error_code(WireError::Truncated);
      m.has_question = true;
      m.qname = *qname;
      m.qtype = RRType{load_u16(here())};
      m.qclass = RRClass{load_u16(here() + 2)};
      at_ += kQuestionFixedSize;
    }
    if (const auto error = section(load_u16(message_.data() + 6), m.answer, nullptr)) return error;
    if (const auto error = section(load_u16(message_.data() + 8), m.authority, nullptr)) {
      return error;
    }
    if (const auto error = section(load_u16(message_.data() + 10), m.additional, &m)) return error;
    if (left() != 0) return make_error_code(WireError::TrailingData);
    m.rcode = static_cast<std::uint16_t>(m.flags & kRcodeMask);
    // RFC 6891 6.1.3: the upper eight of twelve bits.
    if (m.has_opt) m.rcode = static_cast<std::uint16_t>(m.rcode | (m.opt_ttl >> 24) << 4);
    return m;
  }

 private:
  [[nodiscard]] std::size_t left() const noexcept { return message_.size() - at_; }
  [[nodiscard]] const std::uint8_t* here() const noexcept { return message_.data() + at_; }

  Result<Name> name() noexcept {
    std::size_t end = at_;
    Result<Name> result = Name::from_message(message_, at_, &end);
    if (result.has_value()) at_ = end;
    return result;
  }

  // `opt` receives an OPT record; without it one is out of place (RFC 6891 6.1.1).
  boost::system::error_code section(std::uint16_t count, std::vector<Record>& records,
                                    Message* opt) {
    // The count is the peer's word: no more room is taken than the octets at hand can fill.
    records.reserve(std::min<std::size_t>(count, left() / kMinRecordSize));
    for (std::uint16_t i = 0; i < count; ++i) {
      if (left() == 0) return make_error_code(WireError::BadCount);
      const Result<Name> owner = name();
      if (owner.has_error()) return owner.error();
      if (left() < kRecordFixedSize) return make_error_code(WireError::Truncated);
      const RRType type{load_u16(here())};
      const std::uint16_t rrclass = load_u16(here() + 2);
      const std::uint32_t ttl = load_u32(here() + 4);
      const std::size_t size = load_u16(here() + 8);
      at_ += kRecordFixedSize;
      if (left() < size) return make_error_code(WireError::Truncated);
      const std::size_t end = at_ + size;
      if (type == RRType::OPT) {
        if (opt == nullptr || opt->has_opt || !owner->is_root()) {
          return make_error_code(WireError::BadCount);
        }
        opt->has_opt = true;
        opt->opt_udp_size = rrclass;
        opt->opt_ttl = ttl;
        opt->opt_options.assign(here(), here() + size);
        at_ = end;
        continue;
      }
      Record record;
      record.owner = *owner;
      record.type = type;
      record.rrclass = RRClass{rrclass};
      record.ttl = (ttl & kTtlSign) != 0 ? 0 : ttl;  // RFC 2181 section 8
      if (const auto error = rdata(type, end, record.rdata)) return error;
      at_ = end;
      records.push_back(std::move(record));
    }
    return {};
  }

  boost::system::error_code rdata(RRType type, std::size_t end,
                                  std::vector<std::uint8_t>& out) const {
    const std::string_view layout = layout_of(type);
    // Empty RDATA is for UPDATE (RFC 2136 2.4) only, where the class is ANY or NONE; a name
    // type's own check below refuses it otherwise. Types without names are carried as they are.
    if (!has_names(layout)) {
      out.assign(here(), message_.data() + end);
      return {};
    }
    out.reserve(end - at_ + 64);  // a compressed name grows; typical ones by less than this
    return walk_rdata(
        layout, message_, at_, end,
        [&](Octets plain) { out.insert(out.end(), plain.begin(), plain.end()); },
        [&](const Name& n, Octets) { out.insert(out.end(), n.data(), n.data() + n.size()); });
  }

  Octets message_;
  std::size_t at_ = 0;
};

// ---------------------------------------------------------------------------------------------
// Writing.

std::string_view as_key(Octets octets) noexcept {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

class Writer {
 public:
  Writer(const Message& message, std::size_t limit)
      : message_(message), limit_(std::min(limit, kMaxMessageSize)) {
    // Not always reached, but growing a vector by doubling costs more than this.
    out_.reserve(std::min<std::size_t>(limit_, kDefaultUdpSize));
  }

  std::vector<std::uint8_t> write() {
    std::uint16_t flags = static_cast<std::uint16_t>(message_.flags & ~kRcodeMask);
    std::uint16_t rcode = message_.rcode;
    // An extended code without OPT would lose its upper bits and may then read as success.
    if (rcode > kRcodeMask && !message_.has_opt) {
      rcode = static_cast<std::uint16_t>(Rcode::ServFail);
    }
    flags = static_cast<std::uint16_t>(flags | (rcode & kRcodeMask));
    out_.resize(kHeaderSize);
    std::uint16_t questions = 0;
    if (message_.has_question) {
      name(message_.qname.view(), true);
      u16(static_cast<std::uint16_t>(message_.qtype));
      u16(static_cast<std::uint16_t>(message_.qclass));
      questions = 1;
      if (out_.size() > limit_) {
        rewind(kHeaderSize);
        questions = 0;
        flags |= kFlagTC;
      }
    }
    // EDNS is promised to the peer, so its room is set aside before any record; its options are
    // given up before the record itself.
    std::size_t options = message_.has_opt ? message_.opt_options.size() : 0;
    bool opt = message_.has_opt;
    if (opt && out_.size() + kOptRecordSize + options > limit_) options = 0;
    if (opt && out_.size() + kOptRecordSize > limit_) opt = false;
    const std::size_t set_aside = opt ? kOptRecordSize + options : 0;
    limit_ -= std::min(limit_, set_aside);

    const std::uint16_t answers = section(message_.answer, true);
    std::uint16_t authorities = 0;
    std::uint16_t additionals = 0;
    if (answers < message_.answer.size()) {
      // The peer asks again over TCP; data about an answer that is not there helps nobody.
      flags |= kFlagTC;
    } else {
      authorities = section(message_.authority, false);
      if (authorities == message_.authority.size())
        additionals = section(message_.additional, false);
    }
    if (opt) {
      out_.push_back(0);
      u16(static_cast<std::uint16_t>(RRType::OPT));
      u16(message_.opt_udp_size);
      u32((message_.opt_ttl & 0x00FFFFFF) | static_cast<std::uint32_t>(rcode >> 4) << 24);
      u16(static_cast<std::uint16_t>(options));
      out_.insert(out_.end(), message_.opt_options.data(), message_.opt_options.data() + options);
      ++additionals;
    }
    store_u16(out_.data(), message_.id);
    store_u16(out_.data() + 2, flags);
    store_u16(out_.data() + 4, questions);
    store_u16(out_.data() + 6, answers);
    store_u16(out_.data() + 8, authorities);
    store_u16(out_.data() + 10, additionals);
    return std::move(out_);
  }

 private:
  void u16(std::uint16_t v) {
    out_.resize(out_.size() + 2);
    store_u16(out_.data() + out_.size() - 2, v);
  }
  void u32(std::uint32_t v) {
    out_.resize(out_.size() + 4);
    store_u32(out_.data() + out_.size() - 4, v);
  }

  // Suffixes are matched with their letter case, so that no name comes out in another's spelling.
  // REQUIRES: the octets outlive this writer (they become keys).
  void name(NameView wire, bool compress) {
    std::size_t at = 0;
    while (wire[at] != 0) {
      const Octets suffix = wire.subspan(at);
      if (compress) {
        if (const auto known = targets_.find(as_key(suffix)); known != targets_.end()) {
          u16(static_cast<std::uint16_t>(0xC000 | known->second));
          return;
        }
      }
      if (out_.size() <= kMaxPointerTarget) {
        targets_.try_emplace(as_key(suffix), static_cast<std::uint16_t>(out_.size()));
      }
      const std::size_t label = std::size_t{1} + wire[at];
      out_.insert(out_.end(), suffix.data(), suffix.data() + label);
      at += label;
    }
    out_.push_back(0);
  }

  void rewind(std::size_t size) {
    out_.resize(size);
    std::erase_if(targets_, [size](const auto& entry) { return entry.second >= size; });
  }

  void record(const Record& r) {
    name(r.owner.view(), true);
    u16(static_cast<std::uint16_t>(r.type));
    u16(static_cast<std::uint16_t>(r.rrclass));
    u32(r.ttl);
    const std::size_t length_at = out_.size();
    u16(0);
    const std::string_view layout = layout_of(r.type);
    const Octets rdata{r.rdata};
    // Of these names only 'n' is compressed; the others come as they are in one piece.
    if (layout.find('n') == std::string_view::npos || !copy_compressed(layout, rdata)) {
      rewind(length_at + 2);
      out_.insert(out_.end(), rdata.begin(), rdata.end());
    }
    store_u16(out_.data() + length_at, static_cast<std::uint16_t>(out_.size() - length_at - 2));
  }

  // False when the RDATA is not of this layout, or has names that are compressed already (against
  // what message, nobody knows).
  bool copy_compressed(std::string_view layout, Octets rdata) {
    bool good = true;
    const auto error = walk_rdata(
        layout, rdata, 0, rdata.size(),
        [&](Octets plain) { out_.insert(out_.end(), plain.begin(), plain.end()); },
        [&](const Name& n, Octets in_place) {
          // Written from the RDATA, which lives on, not from the copy.
          good = good && is_written_out(n, in_place);
          if (good) name(in_place, true);
        });
    return !error && good;
  }

  // Writes RRsets from the front while they fit, whole ones or also a part of the last; returns the
  // number of records written.
  std::uint16_t section(const std::vector<Record>& records, bool part) {
    std::vector<std::size_t> starts;
    starts.reserve(records.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
      starts.push_back(out_.size());
      // RDATA over RDLENGTH's reach cannot be sent at all, and is over any limit too.
      if (records[i].rdata.size() <= kMaxMessageSize) record(records[i]);
      if (out_.size() > limit_ || records[i].rdata.size() > kMaxMessageSize) {
        const std::size_t cut = part ? i : whole_rrsets(records, i);
        rewind(starts[cut]);
        return static_cast<std::uint16_t>(cut);
      }
    }
    return static_cast<std::uint16_t>(records.size());
  }

  // The largest n <= `fit` such that no RRset has records on both sides of n.
  static std::size_t whole_rrsets(const std::vector<Record>& records, std::size_t fit) {
    std::unordered_map<std::string, std::size_t> first_of;
    std::vector<std::size_t> first(records.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
      Name owner = records[i].owner;
      owner.make_lower();
      std::string key{as_key(owner.view())};
      const auto type = static_cast<std::uint16_t>(records[i].type);
      const auto rrclass = static_cast<std::uint16_t>(records[i].rrclass);
      for (const std::uint16_t v : {type, rrclass}) {
        key += static_cast<char>(v >> 8);
        key += static_cast<char>(v & 0xFF);
      }
      first[i] = first_of.try_emplace(std::move(key), i).first->second;
    }
    std::size_t cut = fit;
    for (std::size_t i = records.size(); i > cut; --i) cut = std::min(cut, first[i - 1]);
    return cut;
  }

  const Message& message_;
  std::size_t limit_;
  std::vector<std::uint8_t> out_;
  std::unordered_map<std::string_view, std::uint16_t> targets_;  // name in wire form to offset
};

// ---------------------------------------------------------------------------------------------
// Presentation.

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

void put_hex(std::string& text, Octets octets) {
  for (const std::uint8_t c : octets) {
    text += kHexDigits[c >> 4];
    text += kHexDigits[c & 15];
  }
}

// RFC 4648 section 4.
void put_base64(std::string& text, Octets octets) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < octets.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, octets.size() - i);
    std::uint32_t v = std::uint32_t{octets[i]} << 16;
    if (n > 1) v |= std::uint32_t{octets[i + 1]} << 8;
    if (n > 2) v |= std::uint32_t{octets[i + 2]};
    text += kDigits[v >> 18];
    text += kDigits[(v >> 12) & 63];
    text += n > 1 ? kDigits[(v >> 6) & 63] : '=';
    text += n > 2 ? kDigits[v & 63] : '=';
  }
}

void put_escaped(std::string& text, std::uint8_t c) {
  if (c == '"' || c == '\\') {
    text += '\\';
    text += static_cast<char>(c);
  } else if (c < 0x20 || c >= 0x7F) {
    text += '\\';
    text += static_cast<char>('0' + c / 100);
    text += static_cast<char>('0' + c / 10 % 10);
    text += static_cast<char>('0' + c % 10);
  } else {
    text += static_cast<char>(c);
  }
}

void put_quoted(std::string& text, Octets octets) {
  text += '"';
  for (const std::uint8_t c : octets) put_escaped(text, c);
  text += '"';
}

void put_v4(std::string& text, Octets octets) {
  char buffer[INET_ADDRSTRLEN];
  text += inet_ntop(AF_INET, octets.data(), buffer, sizeof buffer);
}

void put_v6(std::string& text, Octets octets) {
  char buffer[INET6_ADDRSTRLEN];
  text += inet_ntop(AF_INET6, octets.data(), buffer, sizeof buffer);
}

void put_time(std::string& text, std::uint32_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char buffer[16];
  if (gmtime_r(&time, &parts) == nullptr ||
      std::strftime(buffer, sizeof buffer, "%Y%m%d%H%M%S", &parts) == 0) {
    text += std::to_string(seconds);
    return;
  }
  text += buffer;
}

bool put_strings(std::string& text, Octets octets) {
  if (octets.empty()) return false;
  for (bool first = true; !octets.empty(); first = false) {
    const std::size_t size = octets[0];
    if (octets.size() < 1 + size) return false;
    if (!first) text += ' ';
    put_quoted(text, octets.subspan(1, size));
    octets = octets.subspan(1 + size);
  }
  return true;
}

// RFC 4034 4.1.2: window, length 1 to 32, bits from the left.
bool put_type_bitmap(std::string& text, Octets octets) {
  constexpr std::size_t kMaxWindow = 32;
  bool first = true;
  while (!octets.empty()) {
    if (octets.size() < 2) return false;
    const std::size_t window = octets[0];
    const std::size_t size = octets[1];
    if (size == 0 || size > kMaxWindow || octets.size() < 2 + size) return false;
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      if ((octets[2 + bit / 8] & (0x80 >> (bit % 8))) == 0) continue;
      if (!first) text += ' ';
      first = false;
      text += rrtype_to_text(RRType{static_cast<std::uint16_t>(window * 256 + bit)});
    }
    octets = octets.subspan(2 + size);
  }
  return true;
}

std::string svc_key(std::uint16_t key) {
  if (key < kSvcKeys.size()) return std::string{kSvcKeys[key]};
  return "key" + std::to_string(key);
}

// The value of one SvcParam with its '=' (RFC 9460 2.1 and section 7).
bool put_svc_value(std::string& text, std::uint16_t key, Octets value) {
  enum : std::uint16_t {
    Mandatory,
    Alpn,
    NoDefaultAlpn,
    Port,
    V4Hint,
    Ech,
    V6Hint,
    DohPath,
    Ohttp
  };
  const auto list = [&](std::size_t size, auto&& put) {
    if (value.empty() || value.size() % size != 0) return false;
    text += '=';
    for (std::size_t at = 0; at < value.size(); at += size) {
      if (at != 0) text += ',';
      put(value.subspan(at, size));
    }
    return true;
  };
  switch (key) {
    case Mandatory: return list(2, [&](Octets k) { text += svc_key(load_u16(k.data())); });
    case V4Hint: return list(4, [&](Octets a) { put_v4(text, a); });
    case V6Hint: return list(16, [&](Octets a) { put_v6(text, a); });
    case NoDefaultAlpn:
    case Ohttp: return value.empty();
    case Port:
      if (value.size() != 2) return false;
      text += '=' + std::to_string(load_u16(value.data()));
      return true;
    case Ech:
      text += '=';
      put_base64(text, value);
      return true;
    case Alpn:
      if (value.empty()) return false;
      text += "=\"";
      for (bool first = true; !value.empty(); first = false) {
        const std::size_t size = value[0];
        if (size == 0 || value.size() < 1 + size) return false;
        if (!first) text += ',';
        for (const std::uint8_t c : value.subspan(1, size)) {
          // Escaped twice: as an item of a list, then as a string (RFC 9460 appendix A.1).
          if (c == ',') {
            text += "\\\\,";
          } else if (c == '\\') {
            text += "\\\\\\\\";
          } else {
            put_escaped(text, c);
          }
        }
        value = value.subspan(1 + size);
      }
      text += '"';
      return true;
    default:
      if (!value.empty()) {
        text += '=';
        put_quoted(text, value);
      }
      return true;
  }
}

bool put_svc_params(std::string& text, Octets octets) {
  int previous = -1;
  while (!octets.empty()) {
    if (octets.size() < 4) return false;
    const std::uint16_t key = load_u16(octets.data());
    const std::size_t size = load_u16(octets.data() + 2);
    if (int{key} <= previous || octets.size() < 4 + size) return false;
    if (previous >= 0) text += ' ';
    previous = key;
    text += svc_key(key);
    if (!put_svc_value(text, key, octets.subspan(4, size))) return false;
    octets = octets.subspan(4 + size);
  }
  return true;
}

// RFC 3597 section 5.
std::string generic_rdata(Octets rdata) {
  std::string text = "\\# " + std::to_string(rdata.size());
  if (!rdata.empty()) text += ' ';
  put_hex(text, rdata);
  return text;
}

// False when the RDATA is not of this layout; `text` is then garbage.
bool put_rdata(std::string& text, std::string_view layout, Octets rdata) {
  std::size_t index = 0;
  bool good = true;
  const auto gap = [&] {
    if (!text.empty() && text.back() != ' ') text += ' ';
  };
  const auto error = walk_rdata(
      layout, rdata, 0, rdata.size(),
      [&](Octets plain) {
        const Field field{layout[index++]};
        gap();
        switch (field) {
          case Field::U8: text += std::to_string(plain[0]); break;
          case Field::U16: text += std::to_string(load_u16(plain.data())); break;
          case Field::U32: text += std::to_string(load_u32(plain.data())); break;
          case Field::U48:
            text += std::to_string(std::uint64_t{load_u16(plain.data())} << 32 |
                                   load_u32(plain.data() + 2));
            break;
          case Field::Sized:
            text += std::to_string(load_u16(plain.data()));
            if (plain.size() == 2) break;
            text += ' ';
            put_base64(text, plain.subspan(2));
            break;
          case Field::V4: put_v4(text, plain); break;
          case Field::V6: put_v6(text, plain); break;
          case Field::Type: text += rrtype_to_text(RRType{load_u16(plain.data())}); break;
          case Field::Time: put_time(text, load_u32(plain.data())); break;
          case Field::String: put_quoted(text, plain.subspan(1)); break;
          case Field::Tag:
            good =
                good && plain.size() > 1 && std::ranges::all_of(plain.subspan(1), [](auto c) {
                  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                });
            text.append(as_key(plain.subspan(1)));
            break;
          case Field::Strings: good = put_strings(text, plain) && good; break;
          case Field::Quoted: put_quoted(text, plain); break;
          case Field::Hex:
            good = good && !plain.empty();
            put_hex(text, plain);
            break;
          case Field::Base64:
            good = good && !plain.empty();
            put_base64(text, plain);
            break;
          case Field::TypeBitmap: good = put_type_bitmap(text, plain) && good; break;
          case Field::SvcParams: good = put_svc_params(text, plain) && good; break;
          case Field::Name:
          case Field::PlainName: break;
        }
      },
      [&](const Name& name, Octets in_place) {
        ++index;
        good = good && is_written_out(name, in_place);
        gap();
        text += name.to_text();
      });
  if (!text.empty() && text.back() == ' ') text.pop_back();  // an empty last field
  return !error && good;
}

bool equal_text(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

template <class Table>
std::string number_to_text(const Table& table, std::uint16_t number, const char* prefix) {
  for (const auto& entry : table) {
    if (entry.number == number) return std::string{entry.name};
  }
  return prefix + std::to_string(number);
}

// ---------------------------------------------------------------------------------------------
// Checking.

// Whether the rest of some RDATA is what a field that takes the rest may hold.
bool rest_is_good(Field field, Octets rest) noexcept {
  switch (field) {
    case Field::Strings:
      if (rest.empty()) return false;
      while (!rest.empty()) {
        const std::size_t size = std::size_t{1} + rest[0];
        if (rest.size() < size) return false;
        rest = rest.subspan(size);
      }
      return true;
    case Field::TypeBitmap:
      while (!rest.empty()) {
        if (rest.size() < 2 || rest[1] == 0 || rest[1] > 32) return false;
        const std::size_t size = std::size_t{2} + rest[1];
        if (rest.size() < size) return false;
        rest = rest.subspan(size);
      }
      return true;
    case Field::SvcParams:
      // Keys in strictly rising order (RFC 9460 2.2).
      for (int last = -1; !rest.empty();) {
        if (rest.size() < 4 || load_u16(rest.data()) <= last) return false;
        last = load_u16(rest.data());
        const std::size_t size = std::size_t{4} + load_u16(rest.data() + 2);
        if (rest.size() < size) return false;
        rest = rest.subspan(size);
      }
      return true;
    default: return true;
  }
}

}  // namespace

RdataCheck check_rdata(RRType type, std::span<const std::uint8_t> message, std::size_t at,
                       std::size_t end) noexcept {
  // What most records are.
  if (type == RRType::A) return end - at == 4 ? RdataCheck::Good : RdataCheck::Bad;
  if (type == RRType::AAAA) return end - at == 16 ? RdataCheck::Good : RdataCheck::Bad;
  const std::string_view layout = layout_of(type);
  if (layout.empty()) return RdataCheck::Good;
  const Octets within = message.first(end);
  RdataCheck result = RdataCheck::Good;
  for (const char code : layout) {
    const Field field{code};
    if (field == Field::Name || field == Field::PlainName) {
      bool compressed = false;
      const std::size_t after = check_name(within, at, &compressed);
      if (after == 0) return RdataCheck::Bad;
      if (compressed && field == Field::PlainName) result = RdataCheck::Compressed;
      at = after;
      continue;
    }
    std::size_t size = fixed_size(field);
    if (size == 0) {
      size = end - at;
      if (is_counted(field)) {
        size = counted_size(field, within.subspan(at));
        if (size == 0) return RdataCheck::Bad;
      } else if (!rest_is_good(field, within.subspan(at))) {
        return RdataCheck::Bad;
      }
    }
    if (end - at < size) return RdataCheck::Bad;
    at += size;
  }
  return at == end ? result : RdataCheck::Bad;
}

Result<Message> read_message(std::span<const std::uint8_t> message) {
  return Reader{message}.read();
}

std::vector<std::uint8_t> write_message(const Message& message, std::size_t limit) {
  return Writer{message, limit}.write();
}

std::string rdata_to_text(RRType type, std::span<const std::uint8_t> rdata) {
  const std::string_view layout = layout_of(type);
  std::string text;
  if (layout.empty() || !put_rdata(text, layout, rdata)) return generic_rdata(rdata);
  return text;
}

std::string_view rdata_layout(RRType type) noexcept { return layout_of(type); }

std::string rrtype_to_text(RRType type) {
  const auto number = static_cast<std::uint16_t>(type);
  if (const TypeInfo* info = find_type(number)) return std::string{info->name};
  return "TYPE" + std::to_string(number);
}

bool rrtype_from_text(std::string_view text, RRType* type) {
  for (const TypeInfo& info : kTypes) {
    if (!equal_text(info.name, text)) continue;
    *type = RRType{info.number};
    return true;
  }
  constexpr std::string_view kPrefix = "TYPE";  // RFC 3597 section 5
  constexpr std::size_t kMaxDigits = 5;
  if (text.size() <= kPrefix.size() || text.size() > kPrefix.size() + kMaxDigits ||
      !equal_text(text.substr(0, kPrefix.size()), kPrefix)) {
    return false;
  }
  std::uint32_t number = 0;
  for (const char c : text.substr(kPrefix.size())) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (number > 0xFFFF) return false;
  *type = RRType{static_cast<std::uint16_t>(number)};
  return true;
}

std::string rcode_to_text(std::uint16_t rcode) { return number_to_text(kRcodes, rcode, "RCODE"); }

std::string rrclass_to_text(RRClass rrclass) {
  return number_to_text(kClasses, static_cast<std::uint16_t>(rrclass), "CLASS");
}

}  // namespace clusterdns::dns
