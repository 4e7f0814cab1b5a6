#include "dns/net/resolv_conf.h"

#include <algorithm>
#include <charconv>

#include "dns/base/byte_order_mark.h"
#include "dns/base/regular_file.h"
#include "dns/base/words.h"

namespace clusterdns::dns {
namespace {

// glibc's RES_MAXNDOTS, RES_MAXRETRANS and RES_MAXRETRY (resolv.h): larger values are cut down.
constexpr unsigned kMaxNdots = 15;
constexpr unsigned kMaxTimeout = 30;
constexpr unsigned kMaxAttempts = 5;

// "name:value"; false when `option` is another one or the value is not a number.
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
  text = dns::without_byte_order_mark(text);
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
        warn("'" + std::string(word) + "' is not an IP address; the line is ignored");
      } else if (conf.nameservers.size() == kMaxNameservers) {
        warn("more than " + std::to_string(kMaxNameservers) + " nameservers; '" +
             std::string(word) + "' is ignored");
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
  // A FIFO would hold up whoever reads it, and a folder opens as well.
  const auto text = read_regular_file(path, kMaxResolvConfSize);
  if (!text) {
    *error = path + ": " + text.error();
    return std::nullopt;
  }
  if (const char* const foreign = dns::foreign_encoding(*text)) {
    *error = path + ": " + foreign;
    return std::nullopt;
  }
  return parse_resolv_conf(*text, path);
}

}  // namespace clusterdns::dns
