// hosts [FILE [ZONES…]] {
//   ADDRESS NAME…           lines as in the file, beside it
//   ttl SECONDS             of every answer; 3600
//   no_reverse              no reverse names
//   reload DURATION         0 to read the file once; otherwise changes are seen as they come
//   fallthrough [ZONES…]    names that are not here go to the next stage
//   fallthrough_unsupported questions for other types than A and AAAA do so too
// }
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "app/directives/stage_metrics.h"
#include "app/hosts_file.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {"ttl",         "no_reverse",
                                            "reload",      "fallthrough",
                                            "fallthrough_unsupported"};
constexpr std::string_view kUsualFile = "/etc/hosts";
constexpr std::int64_t kMaxTtl = 65535;  // CoreDNS's

}  // namespace

void set_up_hosts(const Directive& directive, BlockSetup& setup) {
  dns::HostsStage::Options options;
  options.rotate = setup.rotate;
  std::filesystem::path path(kUsualFile);
  std::vector<Token> zones = directive.args;
  if (!zones.empty()) {
    path = zones.front().text;
    zones.erase(zones.begin());
  }
  for (const std::string& zone : parse_zones(zones, setup.block)) {
    options.hosts.zones.push_back(zone_name(zone, directive.name.at));
  }
  HostsFile::Inline lines;
  bool follow = true;
  for (const Directive& p : directive.block) {
    const std::string& name = p.name.text;
    boost::asio::ip::address address;
    if (dns::parse_hosts_address(name, &address)) {
      require_arguments(p, 1, kAnyNumber, "ADDRESS NAME…");
      for (const Token& token : p.args) {
        const dns::Name host = zone_name(token.text, token.at);
        if (host.is_root()) {
          throw ConfigError(token.at, "hosts: '" + token.text + "' is no name of a host");
        }
        lines.emplace_back(address, host);
      }
    } else if (name == "ttl") {
      options.hosts.ttl =
          static_cast<std::uint32_t>(parse_integer(only_argument(p, "ttl SECONDS"), 1, kMaxTtl));
    } else if (name == "no_reverse") {
      require_bare(p);
      options.hosts.reverse = false;
    } else if (name == "reload") {
      follow = parse_duration(only_argument(p, "reload DURATION")).count() != 0;
    } else if (name == "fallthrough") {
      if (p.args.empty()) options.fall_through.emplace_back();  // the root
      if (!p.args.empty()) {
        for (const std::string& zone : parse_zones(p.args, setup.block)) {
          options.fall_through.push_back(zone_name(zone, p.name.at));
        }
      }
    } else if (name == "fallthrough_unsupported") {
      require_bare(p);
      options.fall_through_unsupported = true;
    } else {
      fail_unknown_property(p, "hosts", kProperties);
    }
    require_no_block(p);
  }
  if (options.fall_through_unsupported && options.fall_through.empty()) {
    throw ConfigError(directive.name.at,
                      "hosts: 'fallthrough_unsupported' needs 'fallthrough'; add it");
  }
  Environment& environment = setup.environment;
  const auto stage =
      std::make_shared<dns::HostsStage>(std::move(options), environment.reclaim);
  environment.collectors.push_back(hosts_metrics(stage, path.string()));
  const auto file = std::make_shared<HostsFile>(std::move(path), std::move(lines), stage,
                                                environment.logger, follow);
  if (!environment.check_only) file->load();
  environment.companions.push_back(file);
  setup.route.stages.push_back(stage);
}

}  // namespace clusterdns::app
