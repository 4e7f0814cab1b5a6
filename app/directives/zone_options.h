// Options that directives with zones have alike.
#pragma once

#include <chrono>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::app {

// What `fallthrough [ZONE…]` names: everything without a zone; the last line counts, as in CoreDNS.
[[nodiscard]] inline dns::ZoneSet read_fall_through(const Directive& line,
                                                    const ServerBlock& block) {
  dns::ZoneSet zones;
  if (line.args.empty()) {
    zones.add(dns::Name());  // the root
    return zones;
  }
  for (const std::string& zone : parse_zones(line.args, block)) {
    zones.add(zone_name(zone, line.name.at));
  }
  return zones;
}

// `reload DURATION`: 0 for never.
[[nodiscard]] inline std::chrono::nanoseconds read_interval(const Directive& line) {
  return parse_duration(line.args[0]);
}

}  // namespace clusterdns::app
