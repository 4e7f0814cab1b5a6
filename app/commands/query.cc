#include "app/commands/query.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/system/system_error.hpp>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "app/base/json.h"
#include "dns/client/stub_resolver.h"
#include "dns/net/resolv_conf.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {

namespace json = boost::json;

namespace {

using dns::Message;
using dns::Record;
using dns::RRType;
using dns::StubLookup;
using dns::StubStatus;
using dns::StubTry;
using dns::TryResult;

constexpr std::string_view kResolvConf = "/etc/resolv.conf";
constexpr std::uint16_t kExtendedErrorOption = 15;  // RFC 8914 section 2

// RFC 8914 section 5.2; the index is the code.
constexpr std::array kExtendedErrors = std::to_array<std::string_view>({
    "Other Error",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
});

// ---- the question -------------------------------------------------------------------------------

struct Question {
  dns::Name name;
  bool absolute = false;  // not searched for
  std::vector<RRType> types;
};

boost::asio::ip::address to_asio(const registry::IpAddress& address) {
  if (address.is_v4()) {
    boost::asio::ip::address_v4::bytes_type octets{};
    std::copy_n(address.octets.begin(), octets.size(), octets.begin());
    return boost::asio::ip::address_v4(octets);
  }
  return boost::asio::ip::address_v6(address.octets);
}

// RFC 1035 3.5, RFC 3596 2.5.
std::string reverse_name(const registry::IpAddress& address) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name;
  for (std::size_t i = address.size(); i-- > 0;) {
    const std::uint8_t octet = address.octets[i];
    if (address.is_v4()) {
      name += std::to_string(octet) + '.';
    } else {
      for (const int nibble : {octet & 15, octet >> 4}) {
        name += kDigits[static_cast<std::size_t>(nibble)];
        name += '.';
      }
    }
  }
  return name + (address.is_v4() ? "in-addr.arpa." : "ip6.arpa.");
}

std::optional<Question> read_question(const QueryOptions& options, std::ostream& err) {
  Question question;
  if (!options.type) {
    question.types = {RRType::A, RRType::AAAA};
  } else {
    RRType type{};
    if (!dns::rrtype_from_text(*options.type, &type)) {
      err << "clusterdns query: unknown type '" << *options.type
          << "'; write one like A, AAAA, SRV, PTR, TXT, or TYPE and its number\n";
      return std::nullopt;
    }
    if (type == RRType::AXFR || type == RRType::IXFR) {
      err << "clusterdns query: " << *options.type
          << " is a zone transfer, which is more than one answer; use dig for it\n";
      return std::nullopt;
    }
    question.types = {type};
  }
  std::string text = options.name;
  // An address with another type than PTR is taken at its word, as dig does.
  if (const auto address = registry::IpAddress::parse(text);
      address && (!options.type || question.types[0] == RRType::PTR)) {
    text = reverse_name(*address);
    question.types = {RRType::PTR};
  }
  const auto name = dns::Name::from_text(text);
  if (name.has_error()) {
    err << "clusterdns query: '" << text << "' is not a valid name: " << name.error().message()
        << '\n';
    return std::nullopt;
  }
  question.name = *name;
  question.absolute = !options.search || dns::is_absolute(text);
  return question;
}

std::optional<dns::StubOptions> read_options(const QueryOptions& options,
                                             const std::string& resolv_conf, std::ostream& err) {
  std::vector<std::string> warnings;
  std::string error;
  std::optional<dns::ResolvConf> conf = dns::load_resolv_conf(resolv_conf, &error);
  if (!conf) {
    // Without the file, glibc asks this machine and searches nothing; so do we, but say it when it
    // is what the result comes from.
    if (!options.server) {
      warnings.push_back(error + "; asking 127.0.0.1 instead, name another server with --server");
    }
    conf.emplace();
  }
  dns::StubOptions stub = dns::stub_options(*conf, options.port, &warnings);
  if (options.server) {
    stub.servers = {{to_asio(options.server->address), options.server->port}};
    stub.tcp = false;  // resolv.conf's `use-vc` is about its own servers
  }
  stub.tcp = stub.tcp || options.tcp;
  stub.timeout = options.timeout;
  if (options.ndots) stub.ndots = static_cast<unsigned>(*options.ndots);
  if (options.search_domains) {
    stub.search.clear();
    for (const std::string& text : *options.search_domains) {
      const auto domain = dns::Name::from_text(text);
      if (domain.has_error()) {
        err << "clusterdns query: --search: '" << text
            << "' is not a valid name: " << domain.error().message() << '\n';
        return std::nullopt;
      }
      stub.search.push_back(*domain);
    }
  }
  for (const std::string& warning : warnings) err << "clusterdns query: " << warning << '\n';
  return stub;
}

// ---- what to show -------------------------------------------------------------------------------

struct ExtendedError {
  std::uint16_t code = 0;
  std::string text;

  [[nodiscard]] std::string_view name() const {
    return code < kExtendedErrors.size() ? kExtendedErrors[code] : std::string_view{};
  }
};

// What a server wrote for people: control characters must not reach the terminal.
std::string printable(std::span<const std::uint8_t> octets) {
  std::string text;
  for (const std::uint8_t c : octets) {
    if (c == 0) continue;  // RFC 8914 section 2: some end the text with one
    text += c >= 0x20 && c < 0x7F ? static_cast<char>(c) : '?';
  }
  return text;
}

std::vector<ExtendedError> extended_errors(const StubLookup& lookup) {
  std::vector<ExtendedError> errors;
  for (const Message& message : lookup.answers) {
    std::span<const std::uint8_t> options{message.opt_options};
    while (options.size() >= 4) {
      const std::uint16_t code = dns::load_u16(options.data());
      const std::size_t size = dns::load_u16(options.data() + 2);
      if (options.size() < 4 + size) break;
      if (code == kExtendedErrorOption && size >= 2) {
        ExtendedError error{dns::load_u16(options.data() + 4),
                            printable(options.subspan(6, size - 2))};
        const bool known = std::ranges::any_of(errors, [&](const ExtendedError& e) {
          return e.code == error.code && e.text == error.text;
        });
        if (!known) errors.push_back(std::move(error));
      }
      options = options.subspan(4 + size);
    }
  }
  return errors;
}

// Names of the search list that the server tried itself (`autopath`): its answer is an alias to a
// later one.
struct LedOn {
  std::vector<dns::Name> names;  // behind the one that was asked for, to that where it ended
  std::size_t queries = 0;       // that were not sent for them
};

std::optional<LedOn> led_on(const dns::StubOptions& stub, const Question& question,
                            const StubLookup& lookup) {
  const std::vector<dns::Name> list = dns::stub_candidates(question.name, question.absolute, stub);
  const auto asked = std::ranges::find(list, lookup.name);
  if (asked == list.end()) return std::nullopt;
  for (const Message& message : lookup.answers) {
    for (const Record& r : message.answer) {
      if (r.type != RRType::CNAME || !(r.owner == lookup.name)) continue;
      const auto end = std::find(asked + 1, list.end(), dns::Name(dns::NameView(r.rdata)));
      if (end == list.end()) continue;
      LedOn found{{asked + 1, end + 1}, 0};
      found.queries = found.names.size() * question.types.size();
      return found;
    }
  }
  return std::nullopt;
}

// One section over the messages of all types: A and AAAA of an alias bring the same CNAME.
std::vector<Record> merged(const StubLookup& lookup, std::vector<Record> Message::*section) {
  std::vector<Record> records;
  for (const Message& message : lookup.answers) {
    const std::size_t before = records.size();
    for (const Record& r : message.*section) {
      const auto end = records.begin() + static_cast<std::ptrdiff_t>(before);
      const bool known = std::any_of(records.begin(), end, [&](const Record& other) {
        return other.owner == r.owner && other.type == r.type && other.rrclass == r.rrclass &&
               other.rdata == r.rdata;
      });
      if (!known) records.push_back(r);
    }
  }
  return records;
}

std::string result_text(const StubTry& t) {
  switch (t.result) {
    case TryResult::Answered: {
      std::string text = dns::rcode_to_text(t.rcode);
      if (t.rcode == static_cast<std::uint16_t>(dns::Rcode::NoError) || t.answers != 0) {
        text += t.answers == 0   ? ", no answer"
                : t.answers == 1 ? ", 1 answer"
                                 : ", " + std::to_string(t.answers) + " answers";
      }
      return text;
    }
    case TryResult::Truncated: return "truncated";
    case TryResult::TimedOut: return "no answer in time";
    case TryResult::Unreachable: return t.error.message();
    case TryResult::Malformed: return "malformed answer: " + t.error.message();
  }
  return {};
}

std::string milliseconds(std::chrono::microseconds elapsed) {
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%03lld ms", static_cast<long long>(elapsed.count() / 1000),
                static_cast<long long>(elapsed.count() % 1000));
  return text;
}

// Rows of cells, padded so that columns stand below each other; the last one is not.
class Columns {
 public:
  void add(std::vector<std::string> row) {
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
    rows_.push_back(std::move(row));
  }

  void print(std::ostream& out, std::string_view prefix, std::string_view gap) const {
    for (const auto& row : rows_) {
      out << prefix;
      for (std::size_t i = 0; i + 1 < row.size(); ++i) {
        out << row[i] << std::string(widths_[i] - row[i].size(), ' ') << gap;
      }
      out << row.back() << '\n';
    }
  }

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

void print_records(const std::vector<Record>& records, std::ostream& out) {
  Columns columns;
  for (const Record& r : records) {
    columns.add({r.owner.to_text(), std::to_string(r.ttl), dns::rrclass_to_text(r.rrclass),
                 dns::rrtype_to_text(r.type), dns::rdata_to_text(r.type, r.rdata)});
  }
  columns.print(out, "", " ");
}

void print_text(const StubLookup& lookup, const std::optional<LedOn>& led, std::ostream& out) {
  Columns columns;
  for (const StubTry& t : lookup.tries) {
    columns.add({t.name.to_text() + ' ' + dns::rrtype_to_text(t.type),
                 t.server.to_string() + (t.tcp ? " tcp" : " udp"), result_text(t),
                 milliseconds(t.elapsed)});
  }
  columns.print(out, ";; ", "  ");
  if (led) {
    out << ";; the server went on along the search list itself, which saved " << led->queries
        << (led->queries == 1 ? " query:\n" : " queries:\n");
    for (const dns::Name& name : led->names) out << ";;   " << name.to_text() << '\n';
  }
  for (const ExtendedError& e : extended_errors(lookup)) {
    out << ";; extended error " << e.code;
    if (!e.name().empty()) out << " (" << e.name() << ')';
    if (!e.text.empty()) out << ": " << e.text;
    out << '\n';
  }
  print_records(merged(lookup, &Message::answer), out);
  for (const auto& [title, section] : {std::pair{";; authority\n", &Message::authority},
                                       std::pair{";; additional\n", &Message::additional}}) {
    std::vector<Record> records = merged(lookup, section);
    if (lookup.status == StubStatus::Found) {
      // The SOA of the type that has no records beside the one that has; JSON keeps it.
      std::erase_if(records, [](const Record& r) { return r.type == RRType::SOA; });
    }
    if (records.empty()) continue;
    out << title;
    print_records(records, out);
  }
}

void print_short(const StubLookup& lookup, std::ostream& out) {
  for (const Record& r : merged(lookup, &Message::answer)) {
    out << dns::rdata_to_text(r.type, r.rdata) << '\n';
  }
}

// ---- JSON ---------------------------------------------------------------------------------------

std::string_view status_word(StubStatus status) {
  switch (status) {
    case StubStatus::Found: return "found";
    case StubStatus::NoData: return "nodata";
    case StubStatus::NXDomain: return "nxdomain";
    case StubStatus::Failed: return "failed";
    case StubStatus::NoServer: break;
  }
  return "no-server";
}

std::string_view result_word(TryResult result) {
  switch (result) {
    case TryResult::Answered: return "answered";
    case TryResult::Truncated: return "truncated";
    case TryResult::TimedOut: return "timed-out";
    case TryResult::Unreachable: return "unreachable";
    case TryResult::Malformed: break;
  }
  return "malformed";
}

json::object try_json(const StubTry& t) {
  const bool answered = t.result == TryResult::Answered || t.result == TryResult::Truncated;
  return {{"name", json_text(t.name.to_text())},
          {"type", json_text(dns::rrtype_to_text(t.type))},
          {"server", json_text(t.server.to_string())},
          {"transport", t.tcp ? "tcp" : "udp"},
          {"result", json_text(result_word(t.result))},
          {"rcode", answered ? json::value(json_text(dns::rcode_to_text(t.rcode))) : nullptr},
          {"answers", t.answers},
          {"microseconds", t.elapsed.count()},
          {"error", t.error ? json::value(json_text(t.error.message())) : nullptr}};
}

json::object record_json(const Record& r) {
  return {{"name", json_text(r.owner.to_text())},
          {"class", json_text(dns::rrclass_to_text(r.rrclass))},
          {"type", json_text(dns::rrtype_to_text(r.type))},
          {"ttl", r.ttl},
          {"data", json_text(dns::rdata_to_text(r.type, r.rdata))}};
}

json::value led_on_json(const std::optional<LedOn>& led) {
  if (!led) return nullptr;
  json::array names;
  for (const dns::Name& name : led->names) names.emplace_back(json_text(name.to_text()));
  return json::object{{"names", std::move(names)}, {"queries_saved", led->queries}};
}

json::object extended_error_json(const ExtendedError& e) {
  return {{"code", e.code}, {"name", json_text_or_null(e.name())}, {"text", json_text(e.text)}};
}

template <class Items, class ToJson>
json::array array_json(const Items& items, const ToJson& to_json) {
  json::array array;
  for (const auto& item : items) array.emplace_back(to_json(item));
  return array;
}

void print_json(const QueryOptions& options, const Question& question, const StubLookup& lookup,
                const std::optional<LedOn>& led, std::ostream& out) {
  const bool answered = lookup.status != StubStatus::NoServer;
  const bool found = lookup.status == StubStatus::Found;
  const json::object page{
      {"name", json_text(options.name)},
      {"types", array_json(question.types,
                           [](RRType type) { return json_text(dns::rrtype_to_text(type)); })},
      {"status", json_text(status_word(lookup.status))},
      {"rcode", answered ? json::value(json_text(dns::rcode_to_text(lookup.rcode))) : nullptr},
      {"found", found ? json::value(json_text(lookup.name.to_text())) : nullptr},
      {"tries", array_json(lookup.tries, try_json)},
      {"autopath", led_on_json(led)},
      {"answer", array_json(merged(lookup, &Message::answer), record_json)},
      {"authority", array_json(merged(lookup, &Message::authority), record_json)},
      {"additional", array_json(merged(lookup, &Message::additional), record_json)},
      {"extended_errors", array_json(extended_errors(lookup), extended_error_json)}};
  out << json_page(page);
}

// ---- the end ------------------------------------------------------------------------------------

void explain(const QueryOptions& options, const Question& question, const StubLookup& lookup,
             std::ostream& err) {
  err << "clusterdns query: ";
  switch (lookup.status) {
    case StubStatus::Found: break;
    case StubStatus::NoData: {
      std::string types;
      for (const RRType type : question.types) {
        types += (types.empty() ? "" : " or ") + dns::rrtype_to_text(type);
      }
      err << lookup.name.to_text() << " exists, but has no " << types << " records\n";
      break;
    }
    case StubStatus::NXDomain: {
      const auto names =
          std::ranges::count_if(lookup.tries, [&, last = dns::Name{}](const StubTry& t) mutable {
            const bool other = !(t.name == last);
            last = t.name;
            return other;
          });
      err << options.name << " does not exist (NXDOMAIN)";
      if (names > 1) err << ", nor do the names of the search list";
      err << '\n';
      break;
    }
    case StubStatus::Failed:
      err << lookup.name.to_text() << ": the server says " << dns::rcode_to_text(lookup.rcode)
          << '\n';
      break;
    case StubStatus::NoServer: {
      err << "no server answered for " << lookup.name.to_text();
      if (!lookup.tries.empty()) {
        const StubTry& t = lookup.tries.back();
        err << " (" << t.server.to_string() << ": " << result_text(t) << ')';
      }
      err << "; is it running, and is --server right?\n";
      break;
    }
  }
}

}  // namespace

int run_query(const QueryOptions& options, std::ostream& out, std::ostream& err) {
  return run_query(options, std::string{kResolvConf}, out, err);
}

int run_query(const QueryOptions& options, const std::string& resolv_conf, std::ostream& out,
              std::ostream& err) {
  const std::optional<Question> question = read_question(options, err);
  if (!question) return kQueryUsage;
  const std::optional<dns::StubOptions> stub = read_options(options, resolv_conf, err);
  if (!stub) return kQueryUsage;
  StubLookup lookup;
  try {
    lookup = dns::stub_lookup(*stub, question->name, question->absolute, question->types);
  } catch (const boost::system::system_error& e) {
    err << "clusterdns query: cannot open a socket: " << e.code().message() << '\n';
    return kQueryNotFound;
  }
  const std::optional<LedOn> led = led_on(*stub, *question, lookup);
  const bool json = options.format == OutputFormat::Json;
  if (json) {
    print_json(options, *question, lookup, led, out);
  } else if (options.brief) {
    print_short(lookup, out);
  } else {
    print_text(lookup, led, out);
  }
  if (lookup.status != StubStatus::Found && !json) explain(options, *question, lookup, err);
  const bool exists = lookup.status == StubStatus::Found || lookup.status == StubStatus::NoData;
  return exists ? kQueryFound : kQueryNotFound;
}

}  // namespace clusterdns::app
