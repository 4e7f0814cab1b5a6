// geoip DBFILE { edns-subnet }
#include "app/directives/geoip.h"

#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "dns/policy/geoip_stage.h"

namespace clusterdns::app {
namespace {

struct Reading {
  bool by_subnet = false;
};

constexpr Option kOptions[] = {
    option<[](const Directive&, Reading& reading) { reading.by_subnet = true; }>(
        "edns-subnet", "", "the client is taken from EDNS Client Subnet, if the query has it"),
};

}  // namespace

std::span<const Option> geoip_options() { return kOptions; }

void set_up_geoip(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 1, 1, "geoip DBFILE");
  Reading reading;
  read_options(directive, kOptions, setup.environment.problems, reading);
  std::filesystem::path path = expand_path(directive.args[0].text);
  if (path.is_relative()) path = setup.root / path;
  std::shared_ptr<const dns::GeoDatabase> database;
  if (!setup.environment.elsewhere) {
    std::string error;
    database = dns::GeoDatabase::open(path.string(), &error);
    if (database == nullptr) {
      fail(directive.args[0], "cannot be used: " + error);
    }
  }
  setup.route.stages.push_back(std::make_shared<dns::GeoipStage>(
      std::move(database), reading.by_subnet, setup.environment.workers));
}

std::shared_ptr<const dns::MetadataSource> metadata_of(const BlockSetup& setup) {
  for (const auto& stage : setup.route.stages) {
    if (auto source = std::dynamic_pointer_cast<const dns::MetadataSource>(stage)) return source;
  }
  return nullptr;
}

}  // namespace clusterdns::app
