// hosts [FILE [ZONES…]] { ADDRESS NAME… and OPTION… }
#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/directive.h"
#include "app/directives/hosts_file.h"
#include "app/directives/last_good.h"
#include "app/directives/stage_metrics.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kUsualFile = "/etc/hosts";
constexpr std::int64_t kMaxTtl = 65535;  // CoreDNS's

struct Reading {
  dns::HostsStage::Options options = {};
  const ServerBlock& block;
  bool follow = true;
};

void read_fallthrough(const Directive& line, Reading& reading) {
  auto& zones = reading.options.fall_through;
  zones = {};  // the last line counts, as in CoreDNS
  if (line.args.empty()) return (void)zones.add(dns::Name());  // the root
  for (const std::string& zone : parse_zones(line.args, reading.block)) {
    zones.add(zone_name(zone, line.name.at));
  }
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      reading.options.hosts.ttl =
          static_cast<std::uint32_t>(parse_integer(line.args[0], 1, kMaxTtl));
    }>("ttl", "SECONDS", "of every answer, 1 to 65535", "3600"),
    option<[](const Directive&, Reading& reading) { reading.options.hosts.reverse = false; }>(
        "no_reverse", "", "no names of addresses"),
    option<[](const Directive& line, Reading& reading) {
      reading.follow = parse_duration(line.args[0]).count() != 0;
    }>("reload", "DURATION", "`0` reads the file once; otherwise changes show at once", "at once"),
    option<&read_fallthrough>("fallthrough", "[ZONE…]",
                              "names that are not here go on to the next stage",
                              "SERVFAIL, as in CoreDNS"),
    option<[](const Directive&, Reading& reading) {
      reading.options.fall_through_unsupported = true;
    }>("fallthrough_unsupported", "",
       "questions for other types than A and AAAA go on, too; needs `fallthrough`", "NODATA"),
};

// Lines as of a hosts file, which are taken out of the directive.
HostsFile::Inline take_lines(Directive& directive, Problems& problems) {
  HostsFile::Inline lines;
  std::erase_if(directive.block, [&](const Directive& line) {
    boost::asio::ip::address address;
    if (!dns::parse_hosts_address(line.name.text, &address)) {
      if (line.name.text.find_first_of("0123456789:") != 0) return false;
      problems.error(line.name.at, "is not an IP address; write it like 10.96.0.10 or fd00::10");
      return true;
    }
    problems.attempt([&] {
      require_arguments(line, 1, kAnyNumber, "ADDRESS NAME…");
      for (const Token& token : line.args) {
        const dns::Name host = zone_name(token.text, token.at);
        if (host.is_root()) fail(token, "is not a host name; write one such as db.example");
        lines.emplace_back(address, host);
      }
      require_no_block(line);
    });
    return true;
  });
  return lines;
}

}  // namespace

std::span<const Option> hosts_options() { return kOptions; }

void set_up_hosts(const Directive& directive, BlockSetup& setup) {
  Reading reading{.block = setup.block};
  dns::HostsStage::Options& options = reading.options;
  options.rotate = setup.rotate;
  std::filesystem::path path(kUsualFile);
  std::vector<Token> zones = directive.args;
  setup.environment.problems.attempt([&] {
    refuse_option_names(zones, kOptions);
    if (!zones.empty()) {
      path = expand_path(zones.front().text);
      if (path.is_relative()) path = setup.root / path;
      zones.erase(zones.begin());
    }
    for (const std::string& zone : parse_zones(zones, setup.block)) {
      options.hosts.zones.add(zone_name(zone, directive.name.at));
    }
  });
  Directive options_only = directive;
  HostsFile::Inline lines = take_lines(options_only, setup.environment.problems);
  read_options(options_only, kOptions, setup.environment.problems, reading);
  if (options.fall_through_unsupported && options.fall_through.empty()) {
    fail(directive.name.at, "'fallthrough_unsupported' needs 'fallthrough'; add it");
  }
  Environment& environment = setup.environment;
  const auto stage = std::make_shared<dns::HostsStage>(std::move(options), environment.reclaim);
  environment.collectors.push_back(hosts_metrics(stage, path.string()));
  const auto file = std::make_shared<HostsFile>(std::move(path), std::move(lines), stage,
                                                environment.logger, reading.follow);
  if (!environment.elsewhere) {
    const auto before = find_before<HostsFile>(
        environment, [&](const HostsFile& other) { return file->same_names(other); });
    file->load(environment.problems, directive.name.at, before.get());
  }
  environment.companions.push_back(file);
  setup.route.stages.push_back(stage);
}

}  // namespace clusterdns::app
