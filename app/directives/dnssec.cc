// dnssec [ZONES…] { key file KEY…  cache_capacity N }
#include "app/directives/dnssec.h"

#include <algorithm>
#include <utility>

#include "app/directives/zone_keys.h"
#include "dns/shape/dnssec_stage.h"

namespace clusterdns::app {
namespace {

// What the lines of the block are read into.
struct Reading {
  BlockSetup& setup;
  dns::DnssecStage::Options stage;
};

bool signs_some_zone(const dns::Name& owner, const dns::ZoneSet& zones) {
  for (std::size_t i = 0; i < zones.size(); ++i) {
    if (dns::Name(zones[i]).is_at_or_below(owner.view())) return true;
  }
  return false;
}

void read_key(const Directive& line, Reading& reading) {
  static constexpr std::string_view kKinds[] = {"file", "aws_secretsmanager"};
  if (parse_choice(line.args[0], kKinds) == "aws_secretsmanager") {
    fail(line.args[0],
         "is not supported; let the External Secrets Operator, or the AWS CLI, write the secret's "
         "`key` and `private` to files, and name them with `key file`");
  }
  if (reading.setup.environment.elsewhere) return;
  for (auto word = line.args.begin() + 1; word != line.args.end(); ++word) {
    const SigningKeyFile file = read_zone_key(*word, reading.setup);
    auto& keys = reading.stage.keys;
    if (!signs_some_zone(file.owner, reading.stage.zones)) {
      fail(*word, "is a key of " + in_quotes(file.owner.to_text()) +
                      ", which no zone of this directive is in");
    }
    if (std::ranges::any_of(keys, [&](const auto& other) {
          return other->tag() == file.key->tag() && other->algorithm() == file.key->algorithm();
        })) {
      fail(*word, "has the tag " + std::to_string(file.key->tag()) +
                      " of another key; name each key once");
    }
    if (keys.size() == dns::DnssecStage::kMaxKeys) {
      fail(*word, "is one key too many; " + std::to_string(dns::DnssecStage::kMaxKeys) +
                      " are enough for a rollover");
    }
    keys.push_back(file.key);
    if (file.ttl != 0) reading.stage.key_ttl = std::min(reading.stage.key_ttl, file.ttl);
  }
}

constexpr Option kOptions[] = {
    option<&read_key>("key", "file|aws_secretsmanager KEY…",
                      "keys to sign with, as `dnssec-keygen` names their files; not from AWS"),
    option<[](const Directive& line, Reading& reading) {
      reading.stage.capacity =
          static_cast<std::size_t>(parse_integer(line.args[0], 1, kMaxSignatures));
    }>("cache_capacity", "N", "signatures that are kept", "10000"),
};

Metrics::Collector dnssec_metrics(std::shared_ptr<const dns::DnssecStage> stage,
                                  std::string server) {
  return [stage = std::move(stage), server = std::move(server)](Exposition& out) {
    using Count = dns::DnssecStage::Count;
    out.gauge("coredns_dnssec_cache_entries", "The number of elements in the dnssec cache.",
              {{"server", server}, {"type", "signature"}},
              static_cast<double>(stage->cache().entries()));
    out.counter("coredns_dnssec_cache_hits_total", "The count of cache hits.", {{"server", server}},
                static_cast<double>(stage->total(Count::Hit)));
    out.counter("coredns_dnssec_cache_misses_total", "The count of cache misses.",
                {{"server", server}}, static_cast<double>(stage->total(Count::Miss)));
    out.counter("clusterdns_dnssec_truncated_total",
                "Answers over UDP that became TC because signing took half of a worker's time.",
                {{"server", server}}, static_cast<double>(stage->total(Count::Truncated)));
  };
}

}  // namespace

std::span<const Option> dnssec_options() { return kOptions; }

void set_up_dnssec(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{setup, {}};
  const bool good = environment.problems.attempt([&] {
    refuse_option_names(directive.args, kOptions);
    for (const std::string& zone : parse_zones(directive.args, setup.block)) {
      reading.stage.zones.add(zone_name(zone, directive.name.at));
    }
  });
  const OptionPlaces places = read_options(directive, kOptions, environment.problems, reading);
  if (!good || environment.problems.has_errors()) return;
  if (!places.contains("key")) {
    fail(directive.name.at,
         "there is no key to sign with; make one (`dnssec-keygen -a ECDSAP256SHA256 ZONE`) and "
         "name it: `key file K…`");
  }
  if (reading.stage.keys.empty()) return;  // of another machine
  reading.stage.workers = environment.workers;
  const auto stage = std::make_shared<dns::DnssecStage>(std::move(reading.stage));
  setup.route.stages.push_back(stage);
  environment.collectors.push_back(dnssec_metrics(stage, setup.server));
}

}  // namespace clusterdns::app
