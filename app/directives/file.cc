// file FILE [ZONES…] { OPTION… }
#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/directive.h"
#include "app/directives/zone_directives.h"
#include "app/directives/zone_files.h"
#include "app/directives/zone_options.h"

namespace clusterdns::app {
namespace {

// What the lines of the block are read into.
struct Reading {
  zones::ZoneStage::Options stage;
  ZoneFiles::Options files;
  const ServerBlock& block;
};

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      reading.files.interval = read_interval(line);
    }>("reload", "DURATION",
       "changes show at once; what the kernel does not tell of is looked at that often, and with "
       "`0` "
       "the file is read once",
       "1m"),
    option<[](const Directive&, Reading&) {}>(
        "reload_by_mtime", "",
        "taken, and needless: a file that changed is read, whatever its serial"),
    option<[](const Directive& line, Reading& reading) {
      reading.stage.fall_through = read_fall_through(line, reading.block);
    }>("fallthrough", "[ZONE…]", "names that do not exist go on to the next stage", "NXDOMAIN"),
    option<[](const Directive&, Reading&) {}>("upstream", "[ADDRESS…]",
                                              "taken, and passed over, as in CoreDNS"),
};

}  // namespace

std::span<const Option> file_options() { return kOptions; }

void set_up_file(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{{"file", {}, {}, setup.rotate}, {}, setup.block};
  std::vector<ZoneFiles::Wanted> wanted;
  environment.problems.attempt([&] {
    require_arguments(directive, 1, kAnyNumber, "FILE [ZONE…]");
    refuse_option_names(directive.args, kOptions);
    std::filesystem::path path = expand_path(directive.args.front().text);
    if (path.is_relative()) path = setup.root / path;
    const std::vector<Token> zones(directive.args.begin() + 1, directive.args.end());
    for (const std::string& zone : parse_zones(zones, setup.block)) {
      wanted.push_back({path, zone_name(zone, directive.name.at)});
    }
  });
  read_options(directive, kOptions, environment.problems, reading);
  if (wanted.empty()) return;
  reading.files.directive = "file";
  reading.files.list = [wanted](const auto&, bool*) { return wanted; };
  ZoneSource source{
      std::make_shared<zones::ZoneStage>(std::move(reading.stage), environment.reclaim)};
  const auto files =
      std::make_shared<ZoneFiles>(std::move(reading.files), source, environment.logger);
  add_zone_files(files, source, directive, setup);
}

}  // namespace clusterdns::app
