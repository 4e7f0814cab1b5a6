#include "dns/forward/resolv_conf.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

namespace clusterdns::dns {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

// glibc's RES_MAXNDOTS, RES_MAXRETRANS and RES_MAXRETRY (resolv.h): larger values are cut down.
constexpr unsigned kMaxNdots = 15;
constexpr unsigned kMaxTimeout = 30;
constexpr unsigned kMaxAttempts = 5;

std::string_view next_word(std::string_view& line) {
  const std::size_t start = line.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) {
    line = {};
    return {};
  }
  const std::size_t end = std::min(line.find_first_of(kBlanks, start), line.size());
  const std::string_view word = line.substr(start, end - start);
  line.remove_prefix(end);
  return word;
}

// "name:value"; false when `option` is another one or the value is no number.
bool number_option(std::string_view option, std::string_view name, unsigned most, unsigned least,
                   unsigned* value) {
  if (option.substr(0, name.size()) != name) return false;
  option.remove_prefix(name.size());
  unsigned number = 0;
  const auto [end, error] = std::from_chars(option.data(), option.data() + option.size(), number);
  if (error == std::errc::invalid_argument || end != option.data() + option.size()) return false;
  *value = error == std::errc::result_out_of_range ? most : std::clamp(number, least, most);
  return true;
}

bool read_option(std::string_view option, ResolvConf& conf) {
  if (number_option(option, "ndots:", kMaxNdots, 0, &conf.ndots)) return true;
  if (number_option(option, "timeout:", kMaxTimeout, 1, &conf.timeout_seconds)) return true;
  if (number_option(option, "attempts:", kMaxAttempts, 1, &conf.attempts)) return true;
  if (option == "rotate") return conf.rotate = true;
  if (option == "use-vc") return conf.use_vc = true;
  if (option == "edns0") return conf.edns0 = true;
  if (option == "trust-ad") return conf.trust_ad = true;
  // Known to glibc or the BSDs and without a meaning for a forwarder.
  for (const std::string_view known :
       {"debug", "single-request", "single-request-reopen", "no-tld-query", "no-reload", "no-aaaa",
        "inet6", "ip6-bytestring", "ip6-dotint", "no-ip6-dotint", "insecure1", "insecure2",
        "no-check-names"}) {
    if (option == known) return true;
  }
  return false;
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text, std::string_view path) {
  ResolvConf conf;
  unsigned number = 0;
  const auto warn = [&](std::string what) {
    conf.warnings.push_back(std::string(path) + ":" + std::to_string(number) + ": " +
                            std::move(what));
  };
  while (!text.empty()) {
    const std::size_t newline = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(std::min(newline + 1, text.size()));
    ++number;
    // A comment starts in the first column only (glibc), but nobody means one as a keyword.
    std::string_view rest = line;
    const std::string_view keyword = next_word(rest);
    if (keyword.empty() || keyword[0] == '#' || keyword[0] == ';') continue;
    if (keyword == "nameserver") {
      const std::string_view word = next_word(rest);
      boost::system::error_code ec;
      const auto address = boost::asio::ip::make_address(std::string(word), ec);
      if (ec) {
        warn("'" + std::string(word) + "' is no IP address, the line is not used");
      } else if (conf.nameservers.size() == kMaxNameservers) {
        warn("more than " + std::to_string(kMaxNameservers) + " nameservers, '" +
             std::string(word) + "' is not used");
      } else {
        conf.nameservers.push_back(address);
      }
    } else if (keyword == "search") {
      conf.search.clear();
      for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
        conf.search.emplace_back(word);
      }
    } else if (keyword == "domain") {
      conf.search.clear();
      if (const std::string_view word = next_word(rest); !word.empty()) {
        conf.search.emplace_back(word);
      }
    } else if (keyword == "options") {
      for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
        if (!read_option(word, conf)) warn("unknown option '" + std::string(word) + "'");
      }
    } else if (keyword != "sortlist" && keyword != "family" && keyword != "lookup") {
      warn("unknown keyword '" + std::string(keyword) + "'");
    }
  }
  return conf;
}

std::optional<ResolvConf> load_resolv_conf(const std::string& path, std::string* error) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(kMaxResolvConfSize + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  // A folder opens, and fails only when it is read.
  if (!file.is_open() || file.bad() || (text.empty() && !file.eof())) {
    *error = path + ": cannot be read: " + std::strerror(errno);
    return std::nullopt;
  }
  if (text.size() > kMaxResolvConfSize) {
    *error =
        path + ": over " + std::to_string(kMaxResolvConfSize) + " octets, this is no resolv.conf";
    return std::nullopt;
  }
  return parse_resolv_conf(text, path);
}

}  // namespace clusterdns::dns
