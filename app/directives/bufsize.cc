// bufsize [SIZE]
#include <algorithm>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

void set_up_bufsize(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 1, "bufsize [SIZE]");
  require_no_block(directive);
  if (directive.args.empty()) return;
  // What is larger than ours would be sent in fragments, which get lost.
  setup.route.udp_size = static_cast<std::uint16_t>(
      std::min<std::int64_t>(parse_integer(directive.args[0], 512, 4096), dns::kDefaultUdpSize));
}

}  // namespace clusterdns::app
