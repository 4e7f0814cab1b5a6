// Directives that change no answer here, checked for their shape:
// cancel [TIMEOUT]   debug   metadata [ZONES…]   root PATH   timeouts { OPTION… }
#include <cstdint>
#include <limits>
#include <system_error>

#include "app/corefile/options.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

constexpr std::chrono::hours kMostTimeout{24};
constexpr std::int64_t kMostQueries = std::numeric_limits<std::int32_t>::max();

void read_timeout(const Directive& line) {
  (void)parse_duration(line.args[0], BareDuration::Seconds, std::chrono::seconds(1), kMostTimeout);
}

constexpr std::string_view kBounded =
    "checked, and without effect: connections have bounds of their own";
constexpr Option kTimeouts[] = {
    option<[](const Directive& line, char&) { read_timeout(line); }>("read", "DURATION", kBounded),
    option<[](const Directive& line, char&) { read_timeout(line); }>("write", "DURATION", kBounded),
    option<[](const Directive& line, char&) { read_timeout(line); }>("idle", "DURATION", kBounded),
    option<[](const Directive& line, char&) {
      if (line.args[0].text != "-1") (void)parse_integer(line.args[0], 1, kMostQueries);
    }>("maxtcpqueries", "N", "checked, and without effect: connections end when they are idle"),
};

}  // namespace

std::span<const Option> timeouts_options() { return kTimeouts; }

void set_up_timeouts(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 0, "timeouts");
  char nothing = 0;
  read_options(directive, kTimeouts, setup.environment.problems, nothing);
  if (directive.block.empty()) {
    fail(directive.name.at, "says nothing; write `read`, `write` or `idle` in its block");
  }
}

void set_up_cancel(const Directive& directive, BlockSetup&) {
  require_arguments(directive, 0, 1, "cancel [TIMEOUT]");
  require_no_block(directive);
  if (!directive.args.empty()) (void)parse_duration(directive.args[0]);
}

void set_up_debug(const Directive& directive, BlockSetup&) { require_bare(directive); }

void set_up_metadata(const Directive& directive, BlockSetup& setup) {
  require_no_block(directive);
  for (const std::string& zone : parse_zones(directive.args, setup.block)) {
    (void)zone_name(zone, directive.name.at);
  }
}

void set_up_root(const Directive& directive, BlockSetup& setup) {
  const Token& path = only_argument(directive, "root PATH");
  require_no_block(directive);
  setup.root = path.text;
  std::error_code error;
  if (setup.environment.elsewhere || std::filesystem::exists(setup.root, error)) return;
  setup.environment.problems.warn(path.at, in_quotes(path.text) + " does not exist");
}

}  // namespace clusterdns::app
