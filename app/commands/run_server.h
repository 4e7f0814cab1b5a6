// `clusterdns serve` and CoreDNS's command line: the server in the foreground.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/corefile/ast.h"
#include "app/log/logging.h"
#include "app/node/node_cache.h"

namespace clusterdns::app {

struct RunOptions {
  // Reads the configuration, at start and at each reload. Throws ConfigError.
  std::function<Corefile()> read;
  bool from_file = false;             // that is what it does
  std::function<std::string()> text;  // the Corefile as it stands there, for the console
  std::uint16_t dns_port = 53;
  std::string pidfile;   // empty: none
  bool announce = true;  // print listeners and version at start
  bool strict = false;   // see Environment::strict
  LogFormat log_format = LogFormat::Text;
  // It reads the configuration, then, and the node is set up for it; nullptr: neither.
  std::shared_ptr<NodeCache> node_cache = {};
};

// Serves until SIGTERM or SIGINT, which drain, or SIGQUIT, which does not; SIGHUP (unless it was
// ignored at the start) and SIGUSR1 reload, SIGUSR2 writes figures to the log, others do nothing:
// see Signals. Returns the exit code: 1 when the configuration is bad at start or an address cannot
// be bound, with one clear message on standard error.
[[nodiscard]] int run_server(const RunOptions& options);

}  // namespace clusterdns::app
