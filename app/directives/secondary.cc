// secondary [ZONES…] { transfer from ADDRESS…  fallthrough [ZONES…] }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/secondary_zones.h"
#include "app/directives/tsig.h"
#include "app/directives/zone_directives.h"
#include "app/directives/zone_options.h"

namespace clusterdns::app {
namespace {

// What the lines of the block are read into.
struct Reading {
  zones::ZoneStage::Options stage;
  std::vector<dns::Endpoint> primaries;
  std::shared_ptr<const dns::TsigKey> key;
  BlockSetup& setup;
};

void read_transfer(const Directive& line, Reading& reading) {
  static constexpr std::string_view kFrom[] = {"from"};
  (void)parse_choice(line.args[0], kFrom);
  for (std::size_t i = 1; i < line.args.size(); ++i) {
    const HostPort from = parse_host_port(line.args[i], dns::kDnsPort);
    reading.primaries.push_back(
        dns::make_endpoint(boost::asio::ip::make_address(from.address.to_string()), from.port));
  }
}

constexpr Option kOptions[] = {
    option<&read_transfer>("transfer", "from ADDRESS…",
                           "the primaries; where one fails the next is asked"),
    option<[](const Directive& line, Reading& reading) {
      reading.stage.fall_through = read_fall_through(line, reading.setup.block);
    }>("fallthrough", "[ZONE…]", "names that do not exist go on to the next stage", "NXDOMAIN"),
    option<[](const Directive& line, Reading& reading) {
      reading.key = signing_key(line.args[0], reading.setup);
    }>("key", "NAME", "the key of `tsig` that signs requests to the primaries and their answers",
       "not signed"),
    later_option("catalog"),
};

}  // namespace

std::span<const Option> secondary_options() { return kOptions; }

void set_up_secondary(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{{"secondary", {}, {}, setup.rotate}, {}, nullptr, setup};
  dns::ZoneSet zones;
  environment.problems.attempt([&] {
    refuse_option_names(directive.args, kOptions);
    for (const std::string& zone : parse_zones(directive.args, setup.block)) {
      zones.add(zone_name(zone, directive.name.at));
    }
  });
  const std::size_t errors = environment.problems.errors();
  read_options(directive, kOptions, environment.problems, reading);
  if (reading.primaries.empty() && environment.problems.errors() == errors) {
    fail(directive.name.at, "has no primary; write `transfer from ADDRESS…` into its block");
  }
  ZoneSource source{
      std::make_shared<zones::ZoneStage>(std::move(reading.stage), environment.reclaim)};
  const auto secondary = std::make_shared<SecondaryZones>(zones, reading.primaries, reading.key,
                                                          source, environment.logger);
  std::vector<std::shared_ptr<SecondaryZones>> before;
  if (environment.previous != nullptr) {
    for (const auto& companion : environment.previous->companions) {
      auto kept = std::dynamic_pointer_cast<SecondaryZones>(companion);
      if (kept != nullptr) before.push_back(std::move(kept));
    }
  }
  secondary->take_over(before);
  environment.companions.push_back(secondary);
  environment.collectors.push_back(
      Metrics::Collector([secondary](Exposition& out) { secondary->collect(out); }, secondary));
  add_zone_stage(source, setup);
  setup.route.stages.push_back(std::make_shared<NotifyStage>(
      std::move(zones), std::move(reading.primaries), secondary->marks()));
}

}  // namespace clusterdns::app
