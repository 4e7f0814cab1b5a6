// auto [ZONES…] { OPTION… }
#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/auto_scan.h"
#include "app/directives/directive.h"
#include "app/directives/zone_directives.h"
#include "app/directives/zone_options.h"

namespace clusterdns::app {
namespace {

// What the lines of the block are read into.
struct Reading {
  zones::ZoneStage::Options stage;
  ZoneFiles::Options files;
  AutoNames names;
  std::filesystem::path folder;
};

void read_directory(const Directive& line, Reading& reading) {
  reading.folder = expand_path(line.args[0].text);
  reading.names = {};
  if (line.args.size() == 1) return;
  if (line.args.size() == 2) {
    fail(line.args[1],
         "is an expression without a template; write 'directory DIR REGEXP "
         "ORIGIN_TEMPLATE', for example 'directory /zones db\\.(.*) {1}'");
  }
  (void)parse_expression(line.args[1]);
  std::string error;
  auto names = AutoNames::make(line.args[1].text, line.args[2].text, &error);
  if (!names) fail(line.args[1], error);
  reading.names = std::move(*names);
}

constexpr Option kOptions[] = {
    option<&read_directory>("directory", "DIR [REGEXP] [ORIGIN_TEMPLATE]",
                            "the folder, with those below it; the zone of a file is what the "
                            "template makes of its name, "
                            "`{1}` being the expression's first group",
                            "`db\\.(.*)` and `{1}`"),
    option<[](const Directive& line, Reading& reading) {
      reading.files.interval = read_interval(line);
    }>("reload", "DURATION",
       "changes show at once; what the kernel does not tell of is looked at that often, and with "
       "`0` "
       "the folder is read once",
       "1m"),
    option<[](const Directive&, Reading&) {}>("upstream", "[ADDRESS…]",
                                              "taken, and passed over, as in CoreDNS"),
};

}  // namespace

std::span<const Option> auto_options() { return kOptions; }

void set_up_auto(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{{"auto", {}, {}, setup.rotate}, {}, {}, {}};
  environment.problems.attempt([&] {
    refuse_option_names(directive.args, kOptions);
    for (const std::string& zone : parse_zones(directive.args, setup.block)) {
      reading.stage.within.add(zone_name(zone, directive.name.at));
    }
  });
  read_options(directive, kOptions, environment.problems, reading);
  if (reading.folder.empty()) {
    if (!environment.problems.has_errors()) {
      fail(directive.name.at, "'directory DIR' is missing; say where the zone files are");
    }
    return;
  }
  if (reading.folder.is_relative()) reading.folder = setup.root / reading.folder;
  reading.files.directive = "auto";
  reading.files.fixed = false;
  reading.files.places = {reading.folder};
  reading.files.list = [folder = reading.folder, names = reading.names](const auto& warn,
                                                                        bool* whole) {
    return scan_zone_folder(folder, names, warn, whole);
  };
  ZoneSource source{
      std::make_shared<zones::ZoneStage>(std::move(reading.stage), environment.reclaim)};
  const auto files =
      std::make_shared<ZoneFiles>(std::move(reading.files), source, environment.logger);
  add_zone_files(files, source, directive, setup);
}

}  // namespace clusterdns::app
