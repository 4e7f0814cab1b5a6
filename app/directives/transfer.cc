// transfer [ZONES…] { OPTION… }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/notifier.h"
#include "app/directives/secondary_zones.h"
#include "app/directives/tsig.h"
#include "app/directives/zone_directives.h"
#include "app/directives/zone_files.h"
#include "dns/net/address_ranges.h"
#include "zones/file/transfer_stage.h"

namespace clusterdns::app {
namespace {

// What the lines of the block are read into.
struct Reading {
  zones::TransferStage::Rule rule;
  Notifier::Rule notify;
  BlockSetup& setup;
  bool anybody = false;
};

void read_to(const Directive& line, Reading& reading) {
  for (const Token& token : line.args) {
    if (token.text == "*") {
      reading.anybody = true;
      reading.rule.to = dns::AddressRanges::all();
      continue;
    }
    const HostPort to = parse_host_port(token, dns::kDnsPort);
    const std::string address = to.address.to_string();
    if (!reading.anybody && !reading.rule.to.add(address)) fail(token, "is not an address");
    reading.notify.to.push_back(
        dns::make_endpoint(boost::asio::ip::make_address(address), to.port));
  }
}

constexpr Option kOptions[] = {
    option<&read_to>(
        "to", "ADDRESS…",
        "who may have the zones, and is told of changes; `*` is anybody, who is not told"),
    option<[](const Directive& line, Reading& reading) {
      reading.notify.source = boost::asio::ip::make_address(parse_ip(line.args[0]).to_string());
    }>("source", "ADDRESS", "from which address others are told of changes", {}, Option::Kind::Line,
       true),
    option<[](const Directive& line, Reading& reading) {
      reading.notify.key = signing_key(line.args[0], reading.setup);
    }>("key", "NAME", "the key of `tsig` that signs these notices", "not signed"),
};

}  // namespace

std::span<const Option> transfer_options() { return kOptions; }

void set_up_transfer(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{{}, {}, setup};
  environment.problems.attempt([&] {
    refuse_option_names(directive.args, kOptions);
    for (const std::string& zone : parse_zones(directive.args, setup.block)) {
      const dns::Name name = zone_name(zone, directive.name.at);
      reading.rule.zones.add(name);
      reading.notify.zones.add(name);
    }
  });
  const std::size_t errors = environment.problems.errors();
  read_options(directive, kOptions, environment.problems, reading);
  if (reading.rule.to.empty() && environment.problems.errors() == errors) {
    fail(directive.name.at,
         "'to' is missing; say who may have the zones: 'to ADDRESS…', or 'to *'");
  }
  for (const dns::Endpoint& to : reading.notify.to) {
    const auto& source = reading.notify.source;
    if (source && source->is_v6() != to.v6) {
      fail(directive.name.at,
           "'source' and '" + to.to_string() + "' are of different families; use addresses of one");
    }
  }
  // Those of a block are one stage, and the longest zone's rule counts.
  for (const auto& stage : setup.route.stages) {
    if (const auto before = std::dynamic_pointer_cast<zones::TransferStage>(stage)) {
      before->add_rule(std::move(reading.rule));
      for (const auto& companion : environment.companions) {
        const auto notifier = std::dynamic_pointer_cast<Notifier>(companion);
        if (notifier != nullptr && notifier->serves(before.get())) {
          notifier->add_rule(std::move(reading.notify));
        }
      }
      return;
    }
  }
  zones::TransferStage::Options options;
  options.rules.push_back(std::move(reading.rule));
  options.workers = environment.workers;
  options.sent = [logger = environment.logger](const zones::TransferStage::Sent& sent) {
    if (sent.unchanged) {
      logger->info(
          "plugin/transfer: Outgoing noop, incremental transfer for up to date zone \"{}\" to "
          "{} for {} SOA serial",
          sent.zone, sent.client, sent.serial);
    } else {
      logger->info(
          "plugin/transfer: Outgoing transfer of {} records of zone \"{}\" to {} for {} SOA "
          "serial",
          sent.records, sent.zone, sent.client, sent.serial);
    }
  };
  const auto stage = std::make_shared<zones::TransferStage>(std::move(options));
  const auto notifier = std::make_shared<Notifier>(environment.logger, stage.get());
  notifier->add_rule(std::move(reading.notify));
  setup.route.stages.push_back(stage);
  environment.companions.push_back(notifier);
  // The zones of this block are known when all of it is set up.
  setup.finish.push_back([&setup, stage, notifier, at = directive.name.at] {
    std::vector<ZoneSource> sources;
    const auto& stages = setup.route.stages;
    const auto add = [&](const auto& zones) {
      if (zones == nullptr) return;
      if (std::find(stages.begin(), stages.end(), zones->source().stage) != stages.end()) {
        sources.push_back(zones->source());
      }
    };
    for (const auto& companion : setup.environment.companions) {
      add(std::dynamic_pointer_cast<ZoneFiles>(companion));
      add(std::dynamic_pointer_cast<SecondaryZones>(companion));
    }
    if (sources.empty()) {
      setup.environment.problems.warn(
          at,
          "no directive of this block has zones to transfer; 'file', 'auto' and 'secondary' have");
    }
    for (const ZoneSource& source : sources) {
      stage->add_source(source.stage);
      notifier->add_source(source.stage);
      *source.changed = [weak = std::weak_ptr(notifier)](const std::vector<dns::Name>& zones) {
        if (const auto alive = weak.lock()) alive->notify(zones);
      };
    }
  });
}

}  // namespace clusterdns::app
