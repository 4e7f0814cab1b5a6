#include "app/admin/plan.h"

#include "app/corefile/arguments.h"

namespace clusterdns::app {

HttpAddress parse_http_address(const Token& token) {
  const std::size_t colon = token.text.rfind(':');
  if (colon == std::string::npos) {
    fail(token, "has no port; write ADDRESS:PORT or :PORT");
  }
  HttpAddress at;
  at.text = token.text;
  at.port = parse_port({token.text.substr(colon + 1), token.at, token.quoted});
  std::string host = token.text.substr(0, colon);
  if (host.empty()) {
    at.every_family = true;
    return at;
  }
  if (host == "localhost") {
    at.address = boost::asio::ip::address_v4::loopback();
    return at;
  }
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  boost::system::error_code error;
  at.address = boost::asio::ip::make_address(host, error);
  if (error) {
    fail(token.at, in_quotes(host) +
                       " is not an address; write an IP address, localhost, or nothing for every "
                       "address");
  }
  // An IPv4 address in IPv6 form (RFC 4291 2.5.5.2) is the IPv4 address.
  if (at.address.is_v6() && at.address.to_v6().is_v4_mapped()) {
    at.address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, at.address.to_v6());
  }
  return at;
}

void AdminPlan::serve(const Token& token, std::set<std::string>& on) {
  const HttpAddress at = parse_http_address(token);
  const std::string key = at.key();
  addresses.emplace(key, at);
  places.emplace(key, token.at);
  on.insert(key);
}

void AdminPlan::check(Problems& problems) const {
  for (const auto& [key, exporter] : exporters) {
    const std::string at = in_quotes(addresses.at(key).text);
    const auto other = consoles.find(key);
    if (other != consoles.end()) {
      const auto& shown = other->second.tls;
      const bool same = shown.has_value() == exporter.tls.has_value() &&
                        (!shown || dns::TlsSettings{*shown} == *exporter.tls);
      // A console's certificate has always been that of its address.
      if (same || (shown && !exporter.tls)) continue;
      problems.error(exporter.at, "the console of " + at + " has another `tls` at " +
                                      to_string(other->second.at) +
                                      "; give one of them another address");
    } else if (exporter.tls && (health.contains(key) || ready.contains(key))) {
      problems.error(exporter.at, at + " is asked for /health or /ready, too, which have no TLS; "
                                       "give one of them another address");
    }
  }
}

}  // namespace clusterdns::app
