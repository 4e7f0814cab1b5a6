// `clusterdns serve` and CoreDNS's command line: the server in the foreground.
#pragma once

#include <functional>
#include <string>

#include "app/corefile/ast.h"
#include "app/logging.h"

namespace clusterdns::app {

struct RunOptions {
  // Reads the configuration, at start and at each reload. Throws ConfigError.
  std::function<Corefile()> read;
  std::uint16_t dns_port = 53;
  std::string pidfile;       // empty: none
  bool announce = true;      // print listeners and version at start
  LogFormat log_format = LogFormat::Text;
};

// Serves until SIGTERM or SIGINT; SIGHUP and SIGUSR1 reload. Returns the exit code: 1 when the
// configuration is bad at start or an address cannot be bound, with one clear message on standard
// error.
[[nodiscard]] int run_server(const RunOptions& options);

}  // namespace clusterdns::app
