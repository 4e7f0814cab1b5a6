#include "zones/file/zone_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "dns/base/byte_order_mark.h"
#include "dns/base/regular_file.h"
#include "dns/wire/message_reader.h"
#include "registry/shown_text.h"
#include "zones/file/rdata_text.h"

namespace clusterdns::zones {
namespace {

using dns::RRType;
using registry::Problem;
using registry::shown;

constexpr std::uint64_t kMaxTtl = 0x7FFFFFFF;
constexpr std::size_t kMaxWarnings = 10;
// Of a number that $GENERATE writes.
constexpr unsigned kMaxWidth = 128;

bool equal_ignoring_case(std::string_view a, std::string_view upper) noexcept {
  return std::ranges::equal(a, upper, [](char x, char y) {
    return (x >= 'a' && x <= 'z' ? static_cast<char>(x - 32) : x) == y;
  });
}

// One file while it is read.
struct Source {
  const std::filesystem::path& path;
  std::string_view text;
  std::size_t at = 0;
  std::uint32_t line = 1;
};

// The words of one entry, which may stand on several lines.
struct Entry {
  std::string text;  // the words, a blank between each
  struct Place {
    std::size_t at;
    std::size_t size;
  };
  std::vector<Place> places;
  bool blank_first = false;  // it begins with a blank: the owner is the last one
  std::uint32_t line = 0;    // of its first word

  void clear() {
    text.clear();
    places.clear();
    blank_first = false;
  }
  [[nodiscard]] std::size_t size() const noexcept { return places.size(); }
  [[nodiscard]] Word word(std::size_t i) const noexcept {
    return Word(text).substr(places[i].at, places[i].size);
  }
  void add(std::string_view word) {
    if (!places.empty()) text += ' ';
    places.push_back({text.size(), word.size()});
    text += word;
  }
};

class Reader {
 public:
  Reader(const dns::Name& origin, const ZoneReadOptions& options, ZoneReading& result)
      : options_(options),
        result_(result),
        origin_(origin),
        builder_(origin, options.most_records, options.most_octets) {
    rdata_text_.set_origin(origin_);
  }

  void read(const std::filesystem::path& file) {
    if (!read_file(file, nullptr, 0) || errors_ != 0) return;
    std::string error;
    std::vector<std::string> warnings;
    result_.table = builder_.finish(&error, &warnings);
    if (result_.table == nullptr) {
      result_.problems.push_back({Problem::Severity::Error, file.string(), 0, 0, error});
    }
    for (std::string& warning : warnings) {
      result_.problems.push_back(
          {Problem::Severity::Warning, file.string(), 0, 0, std::move(warning)});
    }
  }

 private:
  enum class Next : std::uint8_t { Entry, End, Error };

  // False: nothing further is to be read.
  bool error(const Source& source, std::uint32_t line, std::string text) {
    result_.problems.push_back({Problem::Severity::Error, source.path.string(), line,
                                line == 0 ? 0U : 1U, std::move(text)});
    return ++errors_ < kMaxZoneErrors;
  }
  void warn(const Source& source, std::uint32_t line, std::string text) {
    if (warnings_++ >= kMaxWarnings) return;
    result_.problems.push_back({Problem::Severity::Warning, source.path.string(), line,
                                line == 0 ? 0U : 1U, std::move(text)});
  }

  // `from`, when given, is the file that includes it.
  bool read_file(const std::filesystem::path& file, const Source* from, unsigned depth) {
    result_.files.push_back(file);
    const std::size_t limit = kMaxZoneFileOctets - octets_;
    auto text = options_.open ? options_.open(file, limit) : dns::read_regular_file(file, limit);
    std::string wrong;
    if (text.has_error()) {
      wrong = text.error();
    } else if (const char* const foreign = dns::foreign_encoding(*text)) {
      wrong = foreign;
    } else if (text->find('\0') != std::string::npos) {
      wrong = "has octets of zero, and so is not text";
    }
    if (!wrong.empty()) {
      if (from != nullptr) {
        return error(*from, entry_.line, "$INCLUDE " + shown(file.string()) + " " + wrong);
      }
      Source whole{file, {}};
      return error(whole, 0, wrong);
    }
    octets_ += text->size();
    Source source{file, dns::without_byte_order_mark(*text)};
    for (;;) {
      if (options_.abandoned != nullptr && options_.abandoned->load(std::memory_order_relaxed)) {
        return false;
      }
      const Next next = next_entry(source);
      if (next == Next::End) return true;
      if (next == Next::Error) {
        if (errors_ >= kMaxZoneErrors) return false;
        continue;
      }
      const Word first = entry_.word(0);
      const bool good = !entry_.blank_first && first.front() == '$' ? read_directive(source, depth)
                                                                    : read_record(source);
      if (!good) return false;
    }
  }

  // ---- words ----

  // The next entry with any words. What is wrong with it is told, and all of it passed over.
  Next next_entry(Source& source) {
    const std::string_view text = source.text;
    entry_.clear();
    unsigned open = 0;  // parentheses
    std::uint32_t opened = 0;
    std::string wrong;
    std::uint32_t wrong_line = 0;
    const auto say = [&](std::string what) {
      if (!wrong.empty()) return;
      wrong = std::move(what);
      wrong_line = source.line;
    };
    bool line_begins = true;
    while (source.at < text.size()) {
      const char c = text[source.at];
      if (c == '\n') {
        ++source.line;
        ++source.at;
        line_begins = true;
        if (open != 0) continue;
        if (entry_.size() != 0 || !wrong.empty()) break;
        entry_.blank_first = false;
        continue;
      }
      if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
        if (line_begins && open == 0 && c != '\r') entry_.blank_first = true;
        line_begins = false;
        ++source.at;
        continue;
      }
      line_begins = false;
      if (c == ';') {
        source.at = std::min(text.find('\n', source.at), text.size());
        continue;
      }
      if (c == '(') {
        if (open++ == 0) opened = source.line;
        ++source.at;
        continue;
      }
      if (c == ')') {
        if (open == 0) {
          say("')' without '('");
        } else {
          --open;
        }
        ++source.at;
        continue;
      }
      if (entry_.size() == 0) entry_.line = source.line;
      const std::size_t end = end_of_word(text, source.at);
      if (end == 0) {
        say("a quoted string does not end in its line");
        source.at = std::min(text.find('\n', source.at), text.size());
        continue;
      }
      if (entry_.text.size() + (end - source.at) > kMaxZoneRecordText) {
        say("a record of more than " + std::to_string(kMaxZoneRecordText) + " octets of text");
      } else {
        entry_.add(text.substr(source.at, end - source.at));
      }
      source.at = end;
    }
    if (open != 0) {
      say("'(' has no ')'");
      wrong_line = opened;
    }
    if (!wrong.empty()) {
      error(source, wrong_line, std::move(wrong));
      return Next::Error;
    }
    return entry_.size() != 0 ? Next::Entry : Next::End;
  }

  // Where the word that begins at `at` ends; 0: in quotes that do not.
  static std::size_t end_of_word(std::string_view text, std::size_t at) noexcept {
    const bool string = text[at] == '"';
    bool inside = false;
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '\\') {
        if (at + 1 < text.size() && text[at + 1] != '\n') ++at;
        continue;
      }
      if (c == '"') {
        if (inside && string) return at + 1;
        inside = !inside;
        continue;
      }
      if (c == '\n') return inside ? 0 : at;
      if (inside) continue;
      if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v' || c == ';' || c == '(' ||
          c == ')') {
        return at;
      }
    }
    return inside ? 0 : at;
  }

  // ---- names ----

  // `word` as a name, relative to the origin without a dot at its end. Empty, or what is wrong.
  std::string read_name(Word word, dns::Name* name) const {
    if (word == "@") {
      *name = origin_;
      return {};
    }
    // A dot that is escaped ends no name: an odd number of backslashes stands before it.
    bool absolute = word.ends_with('.');
    if (absolute) {
      std::size_t slashes = 0;
      while (slashes + 1 < word.size() && word[word.size() - 2 - slashes] == '\\') ++slashes;
      absolute = slashes % 2 == 0;
    }
    const auto read = dns::Name::from_text(word);
    if (!read) return shown(word) + " is not a name: " + read.error().message();
    if (absolute) {
      *name = *read;
      return {};
    }
    const auto whole = read->append(origin_.view());
    if (!whole) {
      return shown(word) + " is not a name below " + origin_.to_text() + ": " +
             whole.error().message();
    }
    *name = *whole;
    return {};
  }

  void set_origin(const dns::Name& origin) {
    origin_ = origin;
    rdata_text_.set_origin(origin);
  }

  // ---- directives ----

  bool read_directive(const Source& source, unsigned depth) {
    const Word name = entry_.word(0);
    if (equal_ignoring_case(name, "$ORIGIN")) return read_origin(source);
    if (equal_ignoring_case(name, "$TTL")) return read_default_ttl(source);
    if (equal_ignoring_case(name, "$INCLUDE")) return read_include(source, depth);
    if (equal_ignoring_case(name, "$GENERATE")) return read_generate(source);
    return error(source, entry_.line,
                 shown(name) + " is none of $ORIGIN, $TTL, $INCLUDE and $GENERATE");
  }

  bool read_origin(const Source& source) {
    if (entry_.size() != 2) return error(source, entry_.line, "write it as '$ORIGIN NAME'");
    dns::Name name;
    const std::string wrong = read_name(entry_.word(1), &name);
    if (!wrong.empty()) return error(source, entry_.line, "$ORIGIN " + wrong);
    set_origin(name);
    return true;
  }

  bool read_default_ttl(const Source& source) {
    std::uint32_t ttl = 0;
    if (entry_.size() != 2 || !parse_zone_ttl(entry_.word(1), &ttl)) {
      return error(source, entry_.line, "write it as '$TTL SECONDS', or '$TTL 1h30m'");
    }
    default_ttl_ = ttl;
    return true;
  }

  bool read_include(const Source& source, unsigned depth) {
    if (entry_.size() < 2 || entry_.size() > 3) {
      return error(source, entry_.line, "write it as '$INCLUDE FILE [ORIGIN]'");
    }
    if (depth == kMaxZoneIncludeDepth) {
      return error(source, entry_.line,
                   "$INCLUDE goes " + std::to_string(kMaxZoneIncludeDepth) +
                       " files deep already; does a file include itself?");
    }
    if (++includes_ > kMaxZoneIncludes) {
      return error(source, entry_.line,
                   "more than " + std::to_string(kMaxZoneIncludes) + " $INCLUDE in this zone");
    }
    const dns::Name origin = origin_;
    dns::Name inner = origin_;
    if (entry_.size() == 3) {
      const std::string wrong = read_name(entry_.word(2), &inner);
      if (!wrong.empty()) return error(source, entry_.line, "$INCLUDE: " + wrong);
    }
    std::string path(entry_.word(1));
    if (path.size() >= 2 && path.front() == '"' && path.back() == '"') {
      path = path.substr(1, path.size() - 2);
    }
    // Origin, owner and TTL of the file outside are the same behind it (RFC 1035 5.1).
    const auto owner = owner_;
    const auto default_ttl = default_ttl_;
    set_origin(inner);
    const bool go_on = read_file(source.path.parent_path() / path, &source, depth + 1);
    set_origin(origin);
    owner_ = owner;
    default_ttl_ = default_ttl;
    return go_on;
  }

  // What one `$` of $GENERATE stands for: `${offset,width,base}`.
  struct Format {
    std::int64_t offset = 0;
    unsigned width = 0;
    char base = 'd';
  };

  static bool parse_format(std::string_view text, Format* format) noexcept {
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    auto read = std::from_chars(at, end, format->offset);
    if (read.ec != std::errc()) return false;
    at = read.ptr;
    if (at == end) return true;
    if (*at++ != ',') return false;
    read = std::from_chars(at, end, format->width);
    if (read.ec != std::errc() || format->width > kMaxWidth) return false;
    at = read.ptr;
    if (at == end) return true;
    if (*at++ != ',' || end - at != 1) return false;
    format->base = *at;
    return std::string_view("doxXnN").find(*at) != std::string_view::npos;
  }

  static bool put_number(std::int64_t value, const Format& format, std::string& to) {
    if (value < 0) return false;
    char digits[32];
    const bool nibbles = format.base == 'n' || format.base == 'N';
    const int base = format.base == 'd' ? 10 : format.base == 'o' ? 8 : 16;
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    std::string number(digits, end);
    if (format.base == 'X' || format.base == 'N') {
      for (char& c : number) c = c >= 'a' ? static_cast<char>(c - 32) : c;
    }
    if (!nibbles) {
      if (number.size() < format.width) to.append(format.width - number.size(), '0');
      to += number;
      return true;
    }
    // Hexadecimal digits from the last on, with dots between them, as in ip6.arpa; the width counts
    // the dots.
    std::string turned;
    for (auto digit = number.rbegin(); digit != number.rend() || turned.size() < format.width;) {
      if (!turned.empty()) turned += '.';
      turned += digit != number.rend() ? *digit++ : '0';
    }
    to += turned;
    return true;
  }

  // `word` with each `$` replaced. False: it makes no sense.
  static bool expand(Word word, std::int64_t value, std::string& to) {
    to.clear();
    for (std::size_t i = 0; i < word.size(); ++i) {
      const char c = word[i];
      if (c == '\\' && i + 1 < word.size()) {
        if (word[i + 1] != '$') to += c;
        to += word[++i];
      } else if (c != '$') {
        to += c;
      } else if (i + 1 < word.size() && word[i + 1] == '$') {
        to += '$';
        ++i;
      } else {
        Format format;
        if (i + 1 < word.size() && word[i + 1] == '{') {
          const std::size_t end = word.find('}', i);
          if (end == Word::npos || !parse_format(word.substr(i + 2, end - i - 2), &format)) {
            return false;
          }
          i = end;
        }
        if (!put_number(value + format.offset, format, to)) return false;
      }
    }
    return true;
  }

  // BIND's: $GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA
  bool read_generate(const Source& source) {
    const Entry form = entry_;
    const auto usage = [&] {
      return error(source, form.line,
                   "write it as '$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA'");
    };
    if (form.size() < 5) return usage();
    const Word range = form.word(1);
    std::uint32_t start = 0, stop = 0, step = 1;
    const char* const end = range.data() + range.size();
    auto read = std::from_chars(range.data(), end, start);
    if (read.ec != std::errc() || read.ptr == end || *read.ptr != '-') return usage();
    read = std::from_chars(read.ptr + 1, end, stop);
    if (read.ec != std::errc()) return usage();
    if (read.ptr != end) {
      if (*read.ptr != '/') return usage();
      read = std::from_chars(read.ptr + 1, end, step);
      if (read.ec != std::errc() || read.ptr != end || step == 0) return usage();
    }
    if (start > stop || stop > kMaxTtl) return usage();
    // Before a single one of them takes memory.
    if ((stop - start) / step >= options_.most_records) {
      return error(source, form.line,
                   "$GENERATE makes more than the " + std::to_string(options_.most_records) +
                       " records that a zone may have; write a shorter range");
    }
    std::string word;
    for (std::uint64_t value = start; value <= stop; value += step) {
      if (options_.abandoned != nullptr && options_.abandoned->load(std::memory_order_relaxed)) {
        return false;
      }
      entry_.clear();
      entry_.line = form.line;
      for (std::size_t i = 2; i < form.size(); ++i) {
        if (!expand(form.word(i), static_cast<std::int64_t>(value), word)) {
          return error(source, form.line,
                       shown(form.word(i)) +
                           ": write '$', or '${OFFSET,WIDTH,BASE}' with a base of d, o, x, X, n "
                           "or N, so that no number is negative");
        }
        if (word.empty()) return usage();
        entry_.add(word);
        if (entry_.text.size() > kMaxZoneRecordText) return usage();
      }
      const std::size_t errors = errors_;
      if (!read_record(source)) return false;
      // The others would be wrong in the same way.
      if (errors_ != errors) return true;
    }
    return true;
  }

  // ---- records ----

  bool read_record(const Source& source) {
    std::size_t i = 0;
    if (!entry_.blank_first) {
      dns::Name owner;
      std::string wrong = read_name(entry_.word(i++), &owner);
      if (!wrong.empty()) return error(source, entry_.line, std::move(wrong));
      owner_ = owner;
    } else if (!owner_) {
      return error(source, entry_.line,
                   "the line begins with a blank, and there is no record before it whose name it "
                   "could have");
    }
    // TTL and class in either order, or not at all.
    std::optional<std::uint32_t> ttl;
    bool has_class = false;
    for (; i < entry_.size(); ++i) {
      const Word word = entry_.word(i);
      if (!ttl && word.front() >= '0' && word.front() <= '9') {
        std::uint32_t number = 0;
        if (!parse_zone_ttl(word, &number)) {
          return error(source, entry_.line,
                       shown(word) + " is not a TTL from 0 to " + std::to_string(kMaxTtl));
        }
        ttl = number;
      } else if (!has_class && is_class(word)) {
        has_class = true;
        if (!equal_ignoring_case(word, "IN") && !equal_ignoring_case(word, "CLASS1")) {
          return error(source, entry_.line, shown(word) + ": only class IN is served");
        }
      } else {
        break;
      }
    }
    if (i == entry_.size()) return error(source, entry_.line, "the type of the record is missing");
    RRType type{};
    const Word type_word = entry_.word(i);
    if (!zone_type_from_text(type_word, &type)) {
      return error(source, entry_.line, shown(type_word) + " is not a type of records");
    }
    if (!may_stand_in_zone(type)) {
      return error(source, entry_.line, shown(type_word) + " records do not stand in zones");
    }
    if (type == RRType{50} || type == RRType{51}) {  // NSEC3, NSEC3PARAM
      return error(
          source, entry_.line,
          "zones with NSEC3 are not served; sign the zone with NSEC (ldns-signzone without "
          "-n, dnssec-signzone without -3)");
    }
    ++i;
    words_.clear();
    for (std::size_t k = i; k < entry_.size(); ++k) words_.push_back(entry_.word(k));
    std::string wrong = rdata_text_.read(type, words_, &rdata_);
    if (!wrong.empty()) {
      const std::string_view data =
          words_.empty() ? Word() : Word(entry_.text).substr(entry_.places[i].at);
      return error(source, entry_.line,
                   dns::rrtype_to_text(type) + " " + shown(data) + ": " + wrong);
    }
    if (!ttl) {
      // RFC 2308 section 4, RFC 1035 5.1; an SOA without any has its minimum, as in BIND.
      ttl = default_ttl_ ? default_ttl_ : last_ttl_;
      if (!ttl && type == RRType::SOA) ttl = dns::load_u32(rdata_.data() + rdata_.size() - 4);
      if (!ttl) {
        return error(source, entry_.line, "there is no TTL; write one, or '$TTL 3600' before it");
      }
    }
    last_ttl_ = ttl;
    return add(source, type, *ttl);
  }

  bool add(const Source& source, RRType type, std::uint32_t ttl) {
    switch (builder_.add(*owner_, type, ttl, rdata_)) {
      case ZoneTable::Builder::Added::Yes: return true;
      case ZoneTable::Builder::Added::Outside:
        warn(source, entry_.line, owner_->to_text() + " is not in this zone; it is left out");
        return true;
      case ZoneTable::Builder::Added::SecondSoa:
        return error(source, entry_.line,
                     "a zone has one SOA record, at its name; remove this one");
      case ZoneTable::Builder::Added::Full: break;
    }
    error(source, entry_.line,
          "the zone is larger than " + std::to_string(options_.most_records) + " records or " +
              std::to_string(options_.most_octets >> 20) + " MiB; split it up");
    return false;
  }

  static bool is_class(Word word) noexcept {
    if (equal_ignoring_case(word, "IN") || equal_ignoring_case(word, "CH") ||
        equal_ignoring_case(word, "HS") || equal_ignoring_case(word, "CS")) {
      return true;
    }
    return word.size() > 5 && equal_ignoring_case(word.substr(0, 5), "CLASS") &&
           word.find_first_not_of("0123456789", 5) == Word::npos;
  }

  const ZoneReadOptions& options_;
  ZoneReading& result_;
  dns::Name origin_;
  ZoneTable::Builder builder_;
  RdataText rdata_text_;
  Entry entry_;
  std::vector<Word> words_;
  std::vector<std::uint8_t> rdata_;
  std::optional<dns::Name> owner_;
  std::optional<std::uint32_t> default_ttl_;  // $TTL
  std::optional<std::uint32_t> last_ttl_;
  std::size_t octets_ = 0;
  unsigned includes_ = 0;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

}  // namespace

bool parse_zone_ttl(std::string_view text, std::uint32_t* ttl) noexcept {
  std::uint64_t sum = 0;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  if (at == end) return false;
  while (at != end) {
    std::uint64_t number = 0;
    const auto read = std::from_chars(at, end, number);
    if (read.ec != std::errc() || number > kMaxTtl) return false;
    at = read.ptr;
    if (at == end) {
      sum += number;
      break;
    }
    switch (*at++) {
      case 's':
      case 'S': break;
      case 'm':
      case 'M': number *= 60; break;
      case 'h':
      case 'H': number *= 3600; break;
      case 'd':
      case 'D': number *= 86400; break;
      case 'w':
      case 'W': number *= 604800; break;
      default: return false;
    }
    sum += number;
  }
  if (sum > kMaxTtl) return false;
  *ttl = static_cast<std::uint32_t>(sum);
  return true;
}

ZoneReading read_zone_file(const std::filesystem::path& file, const dns::Name& origin,
                           const ZoneReadOptions& options) {
  ZoneReading result;
  Reader(origin, options, result).read(file);
  return result;
}

}  // namespace clusterdns::zones
