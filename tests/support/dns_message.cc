#include "support/dns_message.h"

#include <arpa/inet.h>

#include <array>
#include <cctype>
#include <charconv>
#include <random>
#include <utility>

namespace clusterdns::test {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::uint16_t kTypeOpt = 41;

constexpr std::array<std::pair<std::string_view, std::uint16_t>, 30> kTypes{{
    {"A", 1},      {"NS", 2},      {"CNAME", 5},  {"SOA", 6},     {"NULL", 10},  {"WKS", 11},
    {"PTR", 12},   {"HINFO", 13},  {"MX", 15},    {"TXT", 16},    {"AAAA", 28},  {"LOC", 29},
    {"SRV", 33},   {"NAPTR", 35},  {"DNAME", 39}, {"OPT", 41},    {"DS", 43},    {"RRSIG", 46},
    {"NSEC", 47},  {"DNSKEY", 48}, {"TLSA", 52},  {"SVCB", 64},   {"HTTPS", 65}, {"SPF", 99},
    {"TSIG", 250}, {"IXFR", 251},  {"AXFR", 252}, {"MAILB", 253}, {"ANY", 255},  {"CAA", 257},
}};

constexpr std::array<std::pair<std::string_view, std::uint16_t>, 5> kClasses{
    {{"IN", 1}, {"CH", 3}, {"HS", 4}, {"NONE", 254}, {"ANY", 255}}};

constexpr std::array<std::pair<std::string_view, int>, 12> kRcodes{{
    {"NOERROR", 0},
    {"FORMERR", 1},
    {"SERVFAIL", 2},
    {"NXDOMAIN", 3},
    {"NOTIMP", 4},
    {"REFUSED", 5},
    {"YXDOMAIN", 6},
    {"YXRRSET", 7},
    {"NXRRSET", 8},
    {"NOTAUTH", 9},
    {"NOTZONE", 10},
    {"BADVERS", 16},
}};

std::uint16_t number_from_text(std::string_view text, std::string_view prefix) {
  if (text.size() > prefix.size() && text.substr(0, prefix.size()) == prefix) {
    const std::string_view digits = text.substr(prefix.size());
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc() && end == digits.data() + digits.size()) {
      return value;
    }
  }
  throw TestError("unknown mnemonic: " + std::string(text));
}

// RFC 1035, 5.1, with the escapes that keep a label's dots and octets apart.
void append_label(std::string& out, std::span<const std::uint8_t> label) {
  for (const std::uint8_t octet : label) {
    if (octet == '.' || octet == '\\' || octet == '"' || octet == ';' || octet == '(' ||
        octet == ')' || octet == '@' || octet == '$') {
      out += '\\';
      out += static_cast<char>(octet);
    } else if (octet > 0x20 && octet < 0x7F) {
      out += static_cast<char>(octet);
    } else {
      out += '\\';
      out += static_cast<char>('0' + octet / 100);
      out += static_cast<char>('0' + octet / 10 % 10);
      out += static_cast<char>('0' + octet % 10);
    }
  }
  out += '.';
}

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> wire) : wire_(wire) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw DecodeError("octet " + std::to_string(at_) + " of " + std::to_string(wire_.size()) +
                      ": " + what);
  }

  std::size_t at() const { return at_; }
  std::span<const std::uint8_t> wire() const { return wire_; }

  std::uint8_t u8() {
    need(1);
    return wire_[at_++];
  }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  std::span<const std::uint8_t> take(std::size_t count) {
    need(count);
    const auto result = wire_.subspan(at_, count);
    at_ += count;
    return result;
  }

  // Reads a name at the cursor. `compressed` is set when a pointer was followed.
  std::string name(bool& compressed) {
    std::string text;
    std::size_t length = 1;  // the root
    std::size_t cursor = at_;
    std::size_t segment = at_;  // a pointer must point before the segment that holds it
    bool jumped = false;
    compressed = false;
    for (;;) {
      if (cursor >= wire_.size()) {
        fail("name runs off the end");
      }
      const std::uint8_t first = wire_[cursor];
      if ((first & 0xC0) == 0xC0) {
        if (cursor + 1 >= wire_.size()) {
          fail("half a compression pointer");
        }
        const std::size_t target = static_cast<std::size_t>(first & 0x3F) << 8 | wire_[cursor + 1];
        if (target >= segment) {
          fail("compression pointer does not point backwards");
        }
        if (target < kHeaderSize) {
          fail("compression pointer into the header");
        }
        if (!jumped) {
          at_ = cursor + 2;
          jumped = true;
        }
        compressed = true;
        segment = target;
        cursor = target;
        continue;
      }
      if ((first & 0xC0) != 0) {
        fail("reserved label type");
      }
      ++cursor;
      if (first == 0) {
        break;
      }
      if (cursor + first > wire_.size()) {
        fail("label runs off the end");
      }
      length += first + 1U;
      if (length > kMaxName) {
        fail("name longer than 255 octets");
      }
      append_label(text, wire_.subspan(cursor, first));
      cursor += first;
    }
    if (!jumped) {
      at_ = cursor;
    }
    return text.empty() ? "." : text;
  }

 private:
  void need(std::size_t count) const {
    if (wire_.size() - at_ < count) {
      fail("message ends early");
    }
  }

  std::span<const std::uint8_t> wire_;
  std::size_t at_ = 0;
};

std::string address_text(int family, std::span<const std::uint8_t> octets) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, octets.data(), text, sizeof text);
  return text;
}

std::string hex(std::span<const std::uint8_t> octets) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : octets) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 0xF];
  }
  return text;
}

std::string txt_data(Reader& reader, std::size_t end) {
  std::string text;
  while (reader.at() < end) {
    const std::uint8_t length = reader.u8();
    if (reader.at() + length > end) {
      reader.fail("TXT string longer than its record");
    }
    if (!text.empty()) {
      text += ' ';
    }
    text += '"';
    for (const std::uint8_t octet : reader.take(length)) {
      if (octet == '"' || octet == '\\') {
        text += '\\';
      }
      text += static_cast<char>(octet);
    }
    text += '"';
  }
  return text;
}

Edns opt_data(Reader& reader, std::uint16_t klass, std::uint32_t ttl, std::size_t end) {
  Edns edns;
  edns.payload_size = klass;
  edns.version = static_cast<std::uint8_t>(ttl >> 16);
  edns.dnssec_ok = (ttl & 0x8000) != 0;
  edns.z = static_cast<std::uint16_t>(ttl & 0x7FFF);
  while (reader.at() < end) {
    EdnsOption option;
    option.code = reader.u16();
    const std::uint16_t length = reader.u16();
    if (reader.at() + length > end) {
      reader.fail("EDNS option longer than its OPT record");
    }
    const auto data = reader.take(length);
    option.data.assign(data.begin(), data.end());
    edns.options.push_back(std::move(option));
  }
  return edns;
}

Record read_record(Reader& reader, std::optional<Edns>* edns, int& extended_rcode) {
  Record record;
  record.offset = reader.at();
  record.owner = reader.name(record.owner_compressed);
  record.type = reader.u16();
  record.klass = reader.u16();
  record.ttl = reader.u32();
  const std::uint16_t length = reader.u16();
  const std::size_t start = reader.at();
  const std::size_t end = start + length;
  if (end > reader.wire().size()) {
    reader.fail("RDATA runs off the end");
  }
  const auto raw = reader.wire().subspan(start, length);
  record.rdata.assign(raw.begin(), raw.end());

  const auto read_name = [&] {
    bool compressed = false;
    std::string text = reader.name(compressed);
    record.rdata_compressed = record.rdata_compressed || compressed;
    return text;
  };
  switch (record.type) {
    case 1:
      if (length != 4) {
        reader.fail("A record that is not 4 octets");
      }
      record.data = address_text(AF_INET, reader.take(4));
      break;
    case 28:
      if (length != 16) {
        reader.fail("AAAA record that is not 16 octets");
      }
      record.data = address_text(AF_INET6, reader.take(16));
      break;
    case 2:
    case 5:
    case 12:
    case 39: record.data = read_name(); break;
    case 6: {
      record.data = read_name();
      record.data += ' ' + read_name();
      for (int i = 0; i < 5; ++i) {
        record.data += ' ' + std::to_string(reader.u32());
      }
      break;
    }
    case 15:
      record.data = std::to_string(reader.u16());
      record.data += ' ' + read_name();
      break;
    case 16: record.data = txt_data(reader, end); break;
    case 33: {
      for (int i = 0; i < 3; ++i) {
        record.data += std::to_string(reader.u16()) + ' ';
      }
      record.data += read_name();
      break;
    }
    case kTypeOpt: {
      if (edns == nullptr) {
        reader.fail("OPT outside the additional section");
      }
      if (edns->has_value()) {
        reader.fail("two OPT records");
      }
      if (record.owner != ".") {
        reader.fail("OPT whose owner is not the root");
      }
      *edns = opt_data(reader, record.klass, record.ttl, end);
      extended_rcode = static_cast<int>(record.ttl >> 24);
      break;
    }
    default:
      record.data =
          "\\# " + std::to_string(length) + (length != 0 ? " " : "") + hex(reader.take(length));
      break;
  }
  if (reader.at() != end) {
    reader.fail("RDATA length of " + type_to_text(record.type) + " does not match its contents");
  }
  record.size = end - record.offset;
  return record;
}

}  // namespace

std::uint16_t type_from_text(std::string_view text) {
  for (const auto& [name, value] : kTypes) {
    if (name == text) {
      return value;
    }
  }
  return number_from_text(text, "TYPE");
}

std::string type_to_text(std::uint16_t type) {
  for (const auto& [name, value] : kTypes) {
    if (value == type) {
      return std::string(name);
    }
  }
  return "TYPE" + std::to_string(type);
}

std::uint16_t class_from_text(std::string_view text) {
  for (const auto& [name, value] : kClasses) {
    if (name == text) {
      return value;
    }
  }
  return number_from_text(text, "CLASS");
}

std::string class_to_text(std::uint16_t klass) {
  for (const auto& [name, value] : kClasses) {
    if (value == klass) {
      return std::string(name);
    }
  }
  return "CLASS" + std::to_string(klass);
}

std::string rcode_to_text(int rcode) {
  for (const auto& [name, value] : kRcodes) {
    if (value == rcode) {
      return std::string(name);
    }
  }
  return "RCODE" + std::to_string(rcode);
}

WireWriter& WireWriter::u8(unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value));
  return *this;
}

WireWriter& WireWriter::u16(unsigned value) { return u8(value >> 8 & 0xFF).u8(value & 0xFF); }

WireWriter& WireWriter::u32(std::uint32_t value) { return u16(value >> 16).u16(value & 0xFFFF); }

WireWriter& WireWriter::raw(std::span<const std::uint8_t> octets) {
  out.insert(out.end(), octets.begin(), octets.end());
  return *this;
}

WireWriter& WireWriter::raw(std::string_view octets) {
  for (const char octet : octets) {
    u8(static_cast<unsigned char>(octet));
  }
  return *this;
}

WireWriter& WireWriter::name(std::string_view text) {
  std::string label;
  const auto flush = [&] {
    u8(static_cast<unsigned>(label.size()));
    raw(label);
    label.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      if (!label.empty()) {
        flush();
      }
    } else if (text[i] == '\\' && i + 3 < text.size() &&
               std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0) {
      label += static_cast<char>((text[i + 1] - '0') * 100 + (text[i + 2] - '0') * 10 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else if (text[i] == '\\' && i + 1 < text.size()) {
      label += text[++i];
    } else {
      label += text[i];
    }
  }
  if (!label.empty()) {
    flush();
  }
  return u8(0);
}

WireWriter& WireWriter::header(std::uint16_t id, std::uint16_t flags, unsigned qd, unsigned an,
                               unsigned ns, unsigned ar) {
  return u16(id).u16(flags).u16(qd).u16(an).u16(ns).u16(ar);
}

WireWriter& WireWriter::question(std::string_view text, std::string_view type,
                                 std::string_view klass) {
  return name(text).u16(type_from_text(type)).u16(class_from_text(klass));
}

WireWriter& WireWriter::opt(const Edns& edns) {
  u8(0).u16(kTypeOpt).u16(edns.payload_size);
  u8(0).u8(edns.version).u16((edns.dnssec_ok ? 0x8000U : 0U) | edns.z);
  std::size_t length = 0;
  for (const EdnsOption& option : edns.options) {
    length += 4 + option.data.size();
  }
  u16(static_cast<unsigned>(length));
  for (const EdnsOption& option : edns.options) {
    u16(option.code).u16(static_cast<unsigned>(option.data.size())).raw(option.data);
  }
  return *this;
}

WireWriter& WireWriter::record(std::string_view owner, std::string_view type, std::uint32_t ttl,
                               std::span<const std::uint8_t> rdata, std::string_view klass) {
  name(owner).u16(type_from_text(type)).u16(class_from_text(klass)).u32(ttl);
  return u16(static_cast<unsigned>(rdata.size())).raw(rdata);
}

std::uint16_t random_id() {
  thread_local std::mt19937 generator{std::random_device{}()};
  return static_cast<std::uint16_t>(std::uniform_int_distribution<int>(1, 0xFFFF)(generator));
}

Octets encode(const Query& query) {
  WireWriter writer;
  writer.header(query.id != 0 ? query.id : random_id(), query.flags, 1, 0, 0,
                query.edns.has_value() ? 1 : 0);
  writer.question(query.name, query.type, query.klass);
  if (query.edns.has_value()) {
    writer.opt(*query.edns);
  }
  return std::move(writer.out);
}

Octets name_octets(std::string_view text) {
  WireWriter writer;
  writer.name(text);
  return std::move(writer.out);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& letter : result) {
    if (letter >= 'A' && letter <= 'Z') {
      letter = static_cast<char>(letter - 'A' + 'a');
    }
  }
  return result;
}

std::string Record::text() const {
  return owner + ' ' + std::to_string(ttl) + ' ' + class_to_text(klass) + ' ' + type_to_text(type) +
         ' ' + data;
}

std::string Message::text() const {
  std::string result = ";; id " + std::to_string(id) + " opcode " + std::to_string(opcode()) +
                       " rcode " + rcode_to_text(rcode) + " flags";
  static constexpr std::array<std::pair<std::uint16_t, std::string_view>, 8> kNames{
      {{kFlagQR, "qr"},
       {kFlagAA, "aa"},
       {kFlagTC, "tc"},
       {kFlagRD, "rd"},
       {kFlagRA, "ra"},
       {kFlagZ, "z"},
       {kFlagAD, "ad"},
       {kFlagCD, "cd"}}};
  for (const auto& [flag, name] : kNames) {
    if (has(flag)) {
      result += ' ';
      result += name;
    }
  }
  result += ", " + std::to_string(wire.size()) + " octets\n";
  if (edns.has_value()) {
    result += ";; EDNS version " + std::to_string(edns->version) + " size " +
              std::to_string(edns->payload_size) + (edns->dnssec_ok ? " do" : "");
    for (const EdnsOption& option : edns->options) {
      if (option.code == kOptionEde && option.data.size() >= 2) {
        result += "; EDE " + std::to_string(option.data[0] << 8 | option.data[1]) + " (" +
                  std::string(option.data.begin() + 2, option.data.end()) + ")";
      } else {
        result += "; option " + std::to_string(option.code) + " " + hex(option.data);
      }
    }
    result += '\n';
  }
  for (const Question& question : questions) {
    result += ";" + question.name + ' ' + class_to_text(question.klass) + ' ' +
              type_to_text(question.type) + '\n';
  }
  const auto section = [&](std::string_view title, const std::vector<Record>& records) {
    if (!records.empty()) {
      result += ";; " + std::string(title) + '\n';
      for (const Record& record : records) {
        result += record.text() + '\n';
      }
    }
  };
  section("answer", answer);
  section("authority", authority);
  section("additional", additional);
  return result;
}

std::optional<std::uint16_t> Message::extended_error() const {
  if (edns.has_value()) {
    for (const EdnsOption& option : edns->options) {
      if (option.code == kOptionEde && option.data.size() >= 2) {
        return static_cast<std::uint16_t>(option.data[0] << 8 | option.data[1]);
      }
    }
  }
  return std::nullopt;
}

Message decode(std::span<const std::uint8_t> wire) {
  Reader reader(wire);
  Message message;
  message.wire.assign(wire.begin(), wire.end());
  message.id = reader.u16();
  message.flags = reader.u16();
  message.rcode = message.flags & 0xF;
  const unsigned qd = reader.u16();
  const unsigned an = reader.u16();
  const unsigned ns = reader.u16();
  const unsigned ar = reader.u16();
  for (unsigned i = 0; i < qd; ++i) {
    Question question;
    bool compressed = false;
    question.name = reader.name(compressed);
    if (compressed) {
      reader.fail("compressed question name");
    }
    question.type = reader.u16();
    question.klass = reader.u16();
    message.questions.push_back(std::move(question));
  }
  message.question_end = reader.at();
  int extended = 0;
  for (unsigned i = 0; i < an; ++i) {
    message.answer.push_back(read_record(reader, nullptr, extended));
  }
  for (unsigned i = 0; i < ns; ++i) {
    message.authority.push_back(read_record(reader, nullptr, extended));
  }
  for (unsigned i = 0; i < ar; ++i) {
    Record record = read_record(reader, &message.edns, extended);
    if (record.type != kTypeOpt) {
      message.additional.push_back(std::move(record));
    }
  }
  message.rcode |= extended << 4;
  if (reader.at() != wire.size()) {
    reader.fail(std::to_string(wire.size() - reader.at()) + " octets left over");
  }
  return message;
}

}  // namespace clusterdns::test
