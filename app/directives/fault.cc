// fault ZONE… { OPTION… }
#include <algorithm>
#include <filesystem>
#include <map>

#include "app/corefile/files.h"
#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/fault_control.h"
#include "app/directives/fault_rule.h"
#include "app/directives/last_good.h"
#include "app/directives/target.h"

namespace clusterdns::app {
namespace {

struct Reading {
  dns::FaultStage::Options options;
  Environment& environment;
  std::vector<std::unique_ptr<dns::FaultRule>> rules = {};
  std::map<std::string, Position> rule_names = {};
  struct File {
    std::string name, path;
    Scenario scenario;
    Position at;
  };
  std::vector<File> files = {};
};

void read_rule(const Directive& line, Reading& reading) {
  const Token& name = line.args[0];
  const auto [first, fresh] = reading.rule_names.try_emplace(name.text, name.at);
  if (!fresh) {
    fail(name,
         "is the name of another rule (" + to_string(first->second) + "); give it one of its own");
  }
  if (reading.rules.size() >= kMaxFaultRules) {
    fail(name,
         "is one rule too many; at most " + std::to_string(kMaxFaultRules) + " are looked at");
  }
  reading.rules.push_back(read_fault_rule(line, reading.environment.problems));
}

Problem first_error(const Problems& problems) {
  const auto all = problems.sorted();
  return *std::find_if(all.begin(), all.end(), [](const Problem& each) { return each.is_error(); });
}

void read_scenario_file(const Directive& line, Reading& reading) {
  const Token& word = line.args[0];
  const std::filesystem::path path = expand_path(word.text);
  const std::string name = path.stem().string();
  for (const Reading::File& other : reading.files) {
    if (other.name == name) {
      fail(word, "has the name of another scenario (" + to_string(other.at) +
                     "), which is that of its file; rename it");
    }
  }
  if (reading.files.size() >= kMaxScenarios) {
    fail(word,
         "is one scenario too many; at most " + std::to_string(kMaxScenarios) + " are possible");
  }
  if (reading.environment.elsewhere) return;
  Problems found;
  try {
    auto scenario = or_last_good(reading.environment, "fault scenario " + path.string(), [&] {
      const std::string text = read_config_file(path, word.at);
      Scenario read = read_scenario(path.string(), text, found);
      if (found.has_errors()) fail(word.at, to_string(first_error(found)));
      return read;
    });
    reading.files.push_back({name, path.string(), std::move(scenario), word.at});
  } catch (const ConfigError&) {
    // It is among them, but for a file that cannot be read.
    if (!found.has_errors()) throw;
    for (Problem& problem : found.sorted()) reading.environment.problems.add(std::move(problem));
    return;
  }
  for (Problem& problem : found.sorted()) {
    if (!problem.is_error()) reading.environment.problems.add(std::move(problem));
  }
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      reading.options.clients = address_ranges(line.args);
    }>("clients", "CIDR…", "whose queries meet faults; for names of the zones others are REFUSED",
       "loopback, private and link-local addresses"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.seed = parse_seed(line.args[0]);
    }>("seed", "N", "what chance begins with", "0", Option::Kind::Line, true),
    option<&read_rule>("rule", "NAME", "a fault for all other names of the server block", {},
                       Option::Kind::Block),
    option<&read_scenario_file>("scenario", "FILE",
                                "rules, outages and expectations in a YAML file"),
};

}  // namespace

std::span<const Option> fault_options() { return kOptions; }

void set_up_fault(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  refuse_option_names(directive.args, kOptions);
  Reading reading{{}, environment};
  reading.options.zones = read_target_zones(directive, setup);
  read_options(directive, kOptions, environment.problems, reading);
  if (directive.args.empty() && reading.rules.empty() && reading.files.empty()) {
    fail(directive.name.at,
         "names neither a zone nor rules; write `fault fault.test`, for example");
  }
  const auto stage =
      std::make_shared<dns::FaultStage>(std::move(reading.options), environment.workers);
  setup.route.stages.push_back(stage);
  // What `synthetic` answers is known when that has been set up.
  setup.finish.push_back([&setup, stage] {
    for (const auto& [zone, who] : setup.target_zones) {
      if (who.first != "fault") stage->leave_to_others(zone_name(zone, who.second));
    }
  });
  const auto control = std::make_shared<FaultControl>(
      stage,
      std::make_shared<const std::vector<std::unique_ptr<dns::FaultRule>>>(
          std::move(reading.rules)),
      environment.logger);
  for (Reading::File& file : reading.files) {
    control->add_file(std::move(file.name), std::move(file.path), std::move(file.scenario));
  }
  environment.companions.push_back(control);
  environment.collectors.push_back(
      {[control](Exposition& out) { control->collect(out); }, control});
  if (environment.target == nullptr) environment.target = std::make_shared<TargetParts>();
  environment.target->faults.push_back(control);
  if (environment.check_only) return;
  std::string zones;
  for (const Token& zone : directive.args) zones += " " + zone.text;
  environment.logger->warn("plugin/fault: this server answers wrong on purpose ({})",
                           zones.empty() ? "by rules" : "names below" + zones);
}

}  // namespace clusterdns::app
