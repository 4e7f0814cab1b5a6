// What the console of a running server says of the names that a machine should ask it for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/commands/command_line.h"
#include "app/setup/domains.h"

namespace clusterdns::app {

struct ConsoleFacts {
  RoutedDomains domains;
  std::vector<std::string> zones;  // of the cluster, those that are names of their own
  std::string host;                // one of a gateway that has an address; empty: there is none
  std::vector<HostPort> listeners;
};

// Nothing that it says is believed to be what it should be: it may be another program. Throws
// std::exception when it does not answer, or answers something else.
[[nodiscard]] ConsoleFacts ask_console(const ServerUrl& console);

// Where the server is asked that has this console; nullopt: not from here.
[[nodiscard]] std::optional<HostPort> listener_of(const ConsoleFacts& facts,
                                                  const ServerUrl& console, bool port_53);

}  // namespace clusterdns::app
