#include "app/admin/plan.h"

#include "app/corefile/arguments.h"

namespace clusterdns::app {

HttpAddress parse_http_address(const Token& token) {
  const std::size_t colon = token.text.rfind(':');
  if (colon == std::string::npos) {
    throw ConfigError(token.at, "'" + token.text + "' has no port; write ADDRESS:PORT or :PORT");
  }
  HttpAddress at;
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
    throw ConfigError(token.at, "'" + host + "' is no address; write an IP address, localhost, or "
                                             "nothing for all of the machine");
  }
  return at;
}

}  // namespace clusterdns::app
