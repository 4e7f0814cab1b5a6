#include "dns/http/doh_request.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <limits>
#include <string>

#include "dns/wire/query_parser.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

constexpr std::uint32_t kLongest = 3600;
constexpr std::uint32_t kShort = 5;

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads percent-encoded text octet by octet (RFC 3986 2.1).
class Decoder {
 public:
  explicit Decoder(std::string_view text) noexcept : text_(text) {}
  [[nodiscard]] bool done() const noexcept { return text_.empty(); }
  // -1: what stands there is no encoding.
  [[nodiscard]] int next() noexcept {
    if (text_[0] != '%') {
      const char c = text_[0];
      text_.remove_prefix(1);
      return static_cast<unsigned char>(c);
    }
    if (text_.size() < 3) return -1;
    const int high = hex_digit(text_[1]), low = hex_digit(text_[2]);
    if (high < 0 || low < 0) return -1;
    text_.remove_prefix(3);
    return 16 * high + low;
  }

 private:
  std::string_view text_;
};

bool says(std::string_view encoded, std::string_view wanted) noexcept {
  Decoder decoder(encoded);
  for (const char c : wanted) {
    if (decoder.done() || decoder.next() != static_cast<unsigned char>(c)) return false;
  }
  return decoder.done();
}

int base64url_digit(int c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

// RFC 4648 section 5, without padding. False when it is not that.
bool decode_base64url(std::string_view encoded, std::vector<std::uint8_t>& to) {
  to.reserve(encoded.size() * 3 / 4 + kPadding);
  Decoder decoder(encoded);
  std::uint32_t bits = 0;
  unsigned count = 0;
  while (!decoder.done()) {
    const int c = decoder.next();
    const int digit = base64url_digit(c);
    if (digit < 0) return false;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    to.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  return count != 6;  // a digit alone says no octet
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
    return lower(x) == lower(y);
  });
}

}  // namespace

void DohRequest::set_method(std::string_view method) noexcept {
  method_ = method == "GET"    ? Method::Get
            : method == "POST" ? Method::Post
            : method == "HEAD" ? Method::Head
                               : Method::Other;
}

void DohRequest::set_target(std::string_view target) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t path = target.find_first_of("/?", scheme.size());
    target = path == std::string_view::npos ? std::string_view() : target.substr(path);
    break;
  }
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  path_ = says(target.substr(0, mark), kDohPath);
  if (path_ && mark != std::string_view::npos) take_query(target.substr(mark + 1));
}

void DohRequest::take_query(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const std::size_t equals = pair.find('=');
    if (!says(pair.substr(0, equals), "dns")) continue;
    if (parameters_ < 2 && ++parameters_ > 1) continue;
    std::vector<std::uint8_t> message;
    decoded_ =
        equals != std::string_view::npos && decode_base64url(pair.substr(equals + 1), message);
    // A POST may have a query, too, which means nothing.
    if (decoded_ && method_ != Method::Post) message_ = std::move(message);
  }
}

void DohRequest::set_content_type(std::string_view type) noexcept {
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  type_ = equal_ignoring_case(type, kDohType);
}

void DohRequest::set_content_length(std::uint64_t octets) noexcept {
  if (octets > kMaxMessageSize) refuse(413);
}

void DohRequest::add_body(std::span<const std::uint8_t> octets) {
  if (status() != 0 || method_ != Method::Post) return;
  if (size_ == 0) message_.clear();  // of the target
  if (octets.size() > kMaxMessageSize - size_) {
    refuse(413);
    message_ = {};
    size_ = 0;
    return;
  }
  if (size_ == 0) message_.reserve(octets.size() + kPadding);  // all of it, as a rule
  message_.insert(message_.end(), octets.begin(), octets.end());
  size_ += octets.size();
}

unsigned DohRequest::status() const noexcept {
  // What is malformed as HTTP, or too large as a head, is nothing else.
  if (refused_ != 0 && refused_ != 413) return refused_;
  if (!path_) return 404;
  if (method_ == Method::Get) return 0;
  if (method_ == Method::Post) return type_ ? refused_ : 415;
  return 405;
}

unsigned DohRequest::complete() {
  if (const unsigned refused = status(); refused != 0) return refused;
  if (method_ == Method::Get) {
    if (parameters_ != 1 || !decoded_) return 400;
    size_ = message_.size();
  } else if (size_ == 0) {
    return 400;
  }
  message_.resize(size_ + kPadding);
  Query query;
  const Gate gate = parse_query(message(), query);
  // What has no DNS answer, or none but "malformed", as in CoreDNS.
  return gate == Gate::Drop || gate == Gate::FormErr ? 400 : 0;
}

std::uint32_t fresh_seconds(std::span<const std::uint8_t> answer) noexcept {
  if (answer.size() < kHeaderSize) return 0;
  const auto rcode = static_cast<Rcode>(answer[3] & 15U);
  if (rcode != Rcode::NoError && rcode != Rcode::NXDomain) return kShort;
  std::size_t at = kHeaderSize;
  for (unsigned left = load_u16(answer.data() + 4); left != 0; --left) {
    at = skip_name(answer, at);
    if (at == 0 || answer.size() - at < 4) return 0;
    at += 4;
  }
  RecordWalker walker(answer, at);
  RecordPlace record;
  std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
  bool answered = false;
  while (walker.next(record)) {
    // Its TTL is none (RFC 6891 6.1.3); nor is that of TSIG.
    if (record.type == RRType::OPT || record.type == RRType::TSIG) continue;
    answered = answered || record.section == 0;
    least = std::min(least, load_u32(answer.data() + record.ttl()));
    const bool negative = !answered || rcode == Rcode::NXDomain;
    if (record.section == 1 && record.type == RRType::SOA && negative &&
        record.end - record.rdata >= 4) {
      least = std::min(least, load_u32(answer.data() + record.end - 4));
    }
  }
  return least == std::numeric_limits<std::uint32_t>::max() ? kShort : std::min(least, kLongest);
}

std::string_view status_reason(unsigned status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 431: return "Request Header Fields Too Large";
    default: return "Internal Server Error";
  }
}

std::string_view status_text(unsigned status) noexcept {
  switch (status) {
    case 400: return "this is no DNS query: send one as ?dns=BASE64URL, or as the body of a POST\n";
    case 404: return "DNS queries are for /dns-query\n";
    case 405: return "DNS queries are sent by GET or POST\n";
    case 413: return "a DNS message has at most 65535 octets\n";
    case 414: return "the URI is too long: send the query by POST\n";
    case 415: return "the body must be application/dns-message\n";
    case 431: return "the header fields are too large\n";
    default: return "no response\n";
  }
}

std::string_view http_date() noexcept {
  thread_local std::time_t at = -1;
  thread_local std::array<char, 32> text{};
  thread_local std::size_t size = 0;
  const std::time_t now = std::time(nullptr);
  if (now == at) return {text.data(), size};
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  const int written = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                    kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                                    kMonths[static_cast<std::size_t>(utc.tm_mon)],
                                    utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  size = written < 0 ? 0 : std::min(static_cast<std::size_t>(written), text.size() - 1);
  at = now;
  return {text.data(), size};
}

}  // namespace clusterdns::dns
