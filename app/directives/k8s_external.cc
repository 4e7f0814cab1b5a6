// k8s_external [ZONE…] { apex LABEL  ttl SECONDS  headless  fallthrough [ZONE…] }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/cluster_tables.h"
#include "app/directives/directive.h"
#include "zones/cluster_stage.h"
#include "zones/reverse_name.h"

namespace clusterdns::app {
namespace {

constexpr std::int64_t kMaxTtl = 3600;  // CoreDNS's

// Keeps the place of the stage until `kubernetes`, which comes later, says where objects come from.
class Place final : public dns::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "k8s_external"; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange&) noexcept override { return dns::Verdict::Next; }
};

// What the lines of the block are read into.
struct Reading {
  const ServerBlock& block;
  zones::ClusterOptions options = {};
  bool headless = false;
};

void read_apex(const Directive& line, Reading& reading) {
  const Token& apex = line.args[0];
  auto name = dns::Name::from_text(apex.text);
  if (!name || name->label_count() != 1 || apex.text.find('\\') != std::string::npos) {
    fail(apex, "is not one label of a name; write it like dns");
  }
  std::string label =
      apex.text.ends_with('.') ? apex.text.substr(0, apex.text.size() - 1) : apex.text;
  for (char& c : label) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  reading.options.external_apex = std::move(label);
}

void read_fallthrough(const Directive& line, Reading& reading) {
  reading.options.fall_through = true;
  if (line.args.empty()) return;
  for (const std::string& zone : parse_zones(line.args, reading.block)) {
    reading.options.fall_through_in.push_back(zone_name(zone, line.name.at));
  }
}

constexpr Option kOptions[] = {
    option<&read_apex>("apex", "LABEL", "the nameserver is `ns1.LABEL` below the zone", "dns"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.ttl = static_cast<std::uint32_t>(parse_integer(line.args[0], 0, kMaxTtl));
    }>("ttl", "SECONDS", "0 to 3600", "5"),
    option<[](const Directive&, Reading& reading) { reading.headless = true; }>(
        "headless", "", "headless Services without external addresses have those of their pods"),
    option<&read_fallthrough>("fallthrough", "[ZONE…]", "names that do not exist go on",
                              "NXDOMAIN"),
};

void finish(const Position& at, zones::ClusterOptions options, bool headless, BlockSetup& setup,
            std::size_t first_served, const std::shared_ptr<dns::Stage>& place) {
  Environment& environment = setup.environment;
  const auto served =
      std::find_if(environment.served.begin() + static_cast<std::ptrdiff_t>(first_served),
                   environment.served.end(), [](const ServedCluster& each) {
                     return each.table != nullptr && each.store == &each.source->store();
                   });
  if (served == environment.served.end()) {
    fail(at, "needs `kubernetes` in the same server block; write it there");
  }
  const auto of_source = [&](const ClusterData& each) { return each.source == served->source; };
  ClusterData& data =
      *std::find_if(environment.clusters.begin(), environment.clusters.end(), of_source);
  const ClusterData* before = nullptr;
  if (environment.previous != nullptr) {
    const auto& clusters = environment.previous->clusters;
    const auto found = std::find_if(clusters.begin(), clusters.end(), of_source);
    if (found != clusters.end()) before = &*found;
  }
  const auto inside =
      std::find_if(data.tables.begin(), data.tables.end(),
                   [&](const ClusterData::Table& each) { return each.table == served->table; });
  ClusterData::Table wanted{false, inside->shown, inside->options, {}, {}};
  options.server_addresses = server_addresses(setup);
  wanted.shown.ignore_empty_service = wanted.shown.pods = wanted.shown.zonal = false;
  wanted.shown.external = true;
  wanted.shown.external_headless = headless;
  wanted.options.block.ttl = options.ttl;
  wanted.options.own_addresses.clear();
  wanted.options.reverse =
      std::any_of(options.zones.begin(), options.zones.end(),
                  [](const dns::Name& zone) { return zones::is_reverse_zone(zone.view()); });
  const auto table = find_or_make_table(data, before, std::move(wanted), environment);
  auto stage = std::make_shared<zones::ClusterStage>(std::move(options), table, inside->table);
  const auto where = std::find(setup.route.stages.begin(), setup.route.stages.end(), place);
  *where = std::move(stage);
}

}  // namespace

std::span<const Option> k8s_external_options() { return kOptions; }

void set_up_k8s_external(const Directive& directive, BlockSetup& setup) {
  Reading reading{.block = setup.block};
  zones::ClusterOptions& options = reading.options;
  options.external_apex = "dns";
  options.rotate = setup.rotate;
  options.workers = setup.environment.workers;
  read_options(directive, kOptions, setup.environment.problems, reading);
  refuse_option_names(directive.args, kOptions);
  for (const std::string& zone : parse_zones(directive.args, setup.block)) {
    options.zones.push_back(zone_name(zone, directive.name.at));
    // `hostmaster.<apex>` has to fit before it.
    if (options.zones.back().size() + options.external_apex.size() + 1 > kMaxZoneSize) {
      fail(directive.name.at, "the zone " + in_quotes(zone) +
                                  " is too long for the names below it, such as hostmaster; choose "
                                  "a shorter one");
    }
  }
  if (std::all_of(options.zones.begin(), options.zones.end(),
                  [](const dns::Name& zone) { return zones::is_reverse_zone(zone.view()); })) {
    fail(directive.name.at,
         "only reverse zones are named; add the zone that services are to have names in");
  }
  const auto place = std::make_shared<Place>();
  setup.route.stages.push_back(place);
  setup.finish.push_back([at = directive.name.at, options, headless = reading.headless, &setup,
                          first_served = setup.environment.served.size(),
                          place] { finish(at, options, headless, setup, first_served, place); });
}

}  // namespace clusterdns::app
