// https { max_connections N  max_streams N }
//
// Bounds of what clients of `https://` zones of the block have at once (RFC 8484).
#include <algorithm>
#include <limits>

#include "app/corefile/options.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();

constexpr Option kOptions[] = {
    option<[](const Directive& line, HttpsOfBlock& https) {
      https.connections = static_cast<std::uint32_t>(parse_integer(line.args[0], 0, kMost));
    }>("max_connections", "N",
       "connections to each address and port, of all workers together; 0: as many as all TCP "
       "connections may be",
       "`0`", Option::Kind::Line, true),
    option<[](const Directive& line, HttpsOfBlock& https) {
      https.streams = static_cast<std::uint32_t>(parse_integer(line.args[0], 0, kMost));
    }>("max_streams", "N",
       "requests under way on an HTTP/2 connection, at most 256; 0: the default", "`128`",
       Option::Kind::Line, true),
};

}  // namespace

std::span<const Option> https_options() { return kOptions; }

void set_up_https(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 0, "https");
  HttpsOfBlock https;
  read_options(directive, kOptions, setup.environment.problems, https);
  const bool used = std::any_of(setup.block.keys.begin(), setup.block.keys.end(),
                                [](const ZoneKey& key) { return key.scheme == "https"; });
  if (!used) {
    setup.environment.problems.warn(
        directive.name.at,
        "is without effect: no zone of the server block is served over HTTPS; write https:// "
        "before one, as in https://" +
            setup.block.keys.front().zone);
    return;
  }
  setup.https = https;
}

}  // namespace clusterdns::app
