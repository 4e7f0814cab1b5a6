#include "dns/template/record_text.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <boost/asio/ip/address.hpp>

#include "dns/wire/message_reader.h"

namespace clusterdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;

// A word as it is written, without the quotes around it.
struct Word {
  std::string text;
  bool quoted = false;
};

// RFC 1035 section 5.1: `@` is the origin, which is the root here.
Result<Name> read_name(const Word& word) {
  return Name::from_text(word.text == "@" && !word.quoted ? "." : word.text);
}

// nullopt: quotes or parentheses do not fit.
std::optional<std::vector<Word>> split(std::string_view text) {
  std::vector<Word> words;
  int depth = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++i;
    } else if (c == '\n') {
      // A line is a record, unless parentheses hold several together.
      if (depth == 0 && !words.empty()) {
        if (text.find_first_not_of(" \t\r\n", i) != std::string_view::npos) return std::nullopt;
        break;
      }
      ++i;
    } else if (c == '(' || c == ')') {
      depth += c == '(' ? 1 : -1;
      if (depth < 0) return std::nullopt;
      ++i;
    } else if (c == ';') {
      i = std::min(text.find('\n', i), text.size());
    } else {
      Word word;
      word.quoted = c == '"';
      if (word.quoted) ++i;
      for (;; ++i) {
        if (i >= text.size()) {
          if (word.quoted) return std::nullopt;
          break;
        }
        const char each = text[i];
        if (word.quoted ? each == '"'
                        : std::string_view(" \t\r\n();\"").find(each) != std::string_view::npos) {
          break;
        }
        word.text += each;
        if (each == '\\' && i + 1 < text.size()) word.text += text[++i];
      }
      if (word.quoted) ++i;
      words.push_back(std::move(word));
    }
  }
  if (depth != 0) return std::nullopt;
  return words;
}

template <class Number>
bool read_number(const std::string& text, Number& number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return !text.empty() && read.ec == std::errc{} && read.ptr == text.data() + text.size();
}

// Seconds, or numbers with units: 1h30m.
bool read_ttl(const std::string& text, std::uint32_t& ttl) {
  std::uint64_t sum = 0;
  std::uint64_t number = 0;
  bool digits = false;
  bool units = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
      digits = true;
      if (number > 0xFFFFFFFF) return false;
      continue;
    }
    const std::string_view kUnits = "smhdw";
    constexpr std::uint64_t kSeconds[] = {1, 60, 3600, 86400, 604800};
    const std::size_t unit = kUnits.find(static_cast<char>(c | 0x20));
    if (!digits || unit == std::string_view::npos) return false;
    sum += number * kSeconds[unit];
    number = 0;
    digits = false;
    units = true;
  }
  if (!digits && !units) return false;
  sum += number;
  if (sum > 0xFFFFFFFF) return false;
  ttl = static_cast<std::uint32_t>(sum);
  return true;
}

bool equal_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

bool is_class(const std::string& text) {
  for (const std::string_view each : {"IN", "CH", "HS", "CS", "ANY", "NONE"}) {
    if (equal_text(text, each)) return true;
  }
  return false;
}

// RDATA, word by word.
class Rdata {
 public:
  Rdata(std::span<const Word> words, Octets& out) : words_(words), out_(out) {}

  [[nodiscard]] bool done() const { return good_ && next_ == words_.size(); }
  [[nodiscard]] bool more() const { return good_ && next_ < words_.size(); }

  Rdata& name() {
    const Word* const word = take();
    if (word == nullptr) return *this;
    const auto name = word->text.empty() ? Result<Name>(Name()) : read_name(*word);
    if (word->text.empty() || !name) return fail();
    out_.insert(out_.end(), name->data(), name->data() + name->size());
    return *this;
  }
  Rdata& u8() { return number<std::uint8_t>(1); }
  Rdata& u16() { return number<std::uint16_t>(2); }
  Rdata& u32() { return number<std::uint32_t>(4); }
  // A number, or a time with units.
  Rdata& time() {
    const Word* const word = take();
    std::uint32_t value = 0;
    if (word == nullptr) return *this;
    if (!read_ttl(word->text, value)) return fail();
    put(value, 4);
    return *this;
  }
  Rdata& address(bool v6) {
    const Word* const word = take();
    if (word == nullptr) return *this;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(word->text, error);
    if (error || address.is_v6() != v6) return fail();
    if (v6) {
      const auto octets = address.to_v6().to_bytes();
      out_.insert(out_.end(), octets.begin(), octets.end());
    } else {
      const auto octets = address.to_v4().to_bytes();
      out_.insert(out_.end(), octets.begin(), octets.end());
    }
    return *this;
  }
  // A <character-string>: longer ones become several where `several` says so.
  Rdata& string(bool several = false) {
    const Word* const word = take();
    if (word == nullptr) return *this;
    Octets text;
    if (!plain(word->text, text) || (!several && text.size() > kMostString)) return fail();
    std::size_t at = 0;
    do {
      const std::size_t size = std::min(text.size() - at, kMostString);
      out_.push_back(static_cast<std::uint8_t>(size));
      out_.insert(out_.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                  text.begin() + static_cast<std::ptrdiff_t>(at + size));
      at += size;
    } while (at < text.size());
    return *this;
  }
  // Text without a length in front.
  Rdata& rest() {
    const Word* const word = take();
    if (word == nullptr) return *this;
    if (!plain(word->text, out_)) return fail();
    return *this;
  }
  // RFC 3597 5: \# LENGTH HEX…
  Rdata& generic() {
    (void)take();
    std::uint16_t size = 0;
    const Word* const length = take();
    if (length == nullptr || !read_number(length->text, size)) return fail();
    std::string digits;
    while (more()) digits += take()->text;
    if (digits.size() != std::size_t{size} * 2) return fail();
    for (std::size_t i = 0; i < digits.size(); i += 2) {
      std::uint8_t octet = 0;
      const auto read = std::from_chars(&digits[i], &digits[i] + 2, octet, 16);
      if (read.ptr != &digits[i] + 2) return fail();
      out_.push_back(octet);
    }
    return *this;
  }

 private:
  static constexpr std::size_t kMostString = 255;

  Rdata& fail() {
    good_ = false;
    return *this;
  }
  const Word* take() {
    if (!more()) {
      good_ = false;
      return nullptr;
    }
    return &words_[next_++];
  }
  void put(std::uint32_t value, unsigned octets) {
    for (unsigned i = octets; i-- > 0;) out_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  }
  template <class Number>
  Rdata& number(unsigned octets) {
    const Word* const word = take();
    Number value = 0;
    if (word == nullptr) return *this;
    if (!read_number(word->text, value)) return fail();
    put(value, octets);
    return *this;
  }
  // Escapes are what they stand for.
  static bool plain(const std::string& text, Octets& to) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        to.push_back(static_cast<std::uint8_t>(text[i]));
        continue;
      }
      if (++i == text.size()) return false;
      if (text[i] < '0' || text[i] > '9') {
        to.push_back(static_cast<std::uint8_t>(text[i]));
        continue;
      }
      unsigned value = 0;
      const std::string digits = text.substr(i, 3);
      if (digits.size() != 3 || !read_number(digits, value) || value > 255) return false;
      to.push_back(static_cast<std::uint8_t>(value));
      i += 2;
    }
    return true;
  }

  std::span<const Word> words_;
  Octets& out_;
  std::size_t next_ = 0;
  bool good_ = true;
};

bool read_rdata(RRType type, std::span<const Word> words, Octets& out) {
  Rdata rdata(words, out);
  if (!words.empty() && words[0].text == "\\#" && !words[0].quoted) return rdata.generic().done();
  switch (type) {
    case RRType::A: return rdata.address(false).done();
    case RRType::AAAA: return rdata.address(true).done();
    case RRType::NS:
    case RRType::CNAME:
    case RRType::DNAME:
    case RRType::PTR: return rdata.name().done();
    case RRType::MX: return rdata.u16().name().done();
    case RRType::SRV: return rdata.u16().u16().u16().name().done();
    case RRType::SOA: return rdata.name().name().u32().time().time().time().time().done();
    case RRType::TXT: do { rdata.string(true);
      } while (rdata.more());
      return rdata.done();
    case RRType::HINFO: return rdata.string().string().done();
    case RRType::CAA: return rdata.u8().string().rest().done();
    case RRType::NAPTR: return rdata.u16().u16().string().string().string().name().done();
    default: return false;
  }
}

}  // namespace

std::optional<TextRecord> read_record_text(std::string_view text) {
  const auto words = split(text);
  if (!words || words->size() < 3) return std::nullopt;
  TextRecord record;
  const auto owner = read_name((*words)[0]);
  if (!owner || (*words)[0].text.empty()) return std::nullopt;
  record.owner = *owner;
  std::size_t at = 1;
  bool ttl = false;
  bool in_class = false;
  for (; at < words->size(); ++at) {
    const std::string& word = (*words)[at].text;
    if (!ttl && read_ttl(word, record.ttl)) {
      ttl = true;
    } else if (!in_class && is_class(word)) {
      in_class = true;
    } else {
      break;
    }
  }
  if (at == words->size() || !rrtype_from_text((*words)[at].text, &record.type) ||
      is_meta_type(record.type)) {
    return std::nullopt;
  }
  const std::span<const Word> rest(words->data() + at + 1, words->size() - at - 1);
  if (!read_rdata(record.type, rest, record.rdata) || record.rdata.size() > 0xFFFF) {
    return std::nullopt;
  }
  if (check_rdata(record.type, record.rdata, 0, record.rdata.size()) == RdataCheck::Bad) {
    return std::nullopt;
  }
  return record;
}

}  // namespace clusterdns::dns
