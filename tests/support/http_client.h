// GET over HTTP/1.1, for /health, /ready and /metrics.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "support/socket.h"

namespace clusterdns::test {

struct HttpResult {
  int status = 0;
  std::string head;
  std::string body;
};

// One request on a connection of its own. Throws TestError when there is no whole answer in time.
[[nodiscard]] HttpResult http_get(const Endpoint& server, std::string_view path,
                                  std::string_view method = "GET");

// The samples of a scrape: "name{labels}" to value. Throws TestError on a line that is none.
[[nodiscard]] std::map<std::string, double> parse_metrics(std::string_view text);

}  // namespace clusterdns::test
