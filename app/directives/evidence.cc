// evidence { OPTION… }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/evidence_file.h"
#include "app/directives/evidence_json.h"
#include "app/directives/target.h"

namespace clusterdns::app {
namespace {

constexpr std::int64_t kMostKept = 10'000'000;

struct Reading {
  dns::Evidence::Options options = {};
  std::optional<Token> log = {};
  std::optional<Token> capture = {};
};

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void read_clients(const Directive& line, Reading& reading) {
  if (line.args.size() == 1 && is_number(line.args[0].text)) {
    reading.options.clients = static_cast<std::size_t>(parse_integer(line.args[0], 1, kMostKept));
  } else {
    reading.options.who = address_ranges(line.args);
  }
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      reading.options.names = static_cast<std::size_t>(parse_integer(line.args[0], 1, kMostKept));
    }>("names", "N", "names that are kept, each of a client and a type", "100000"),
    option<&read_clients>("clients", "N|CIDR…", "how many clients are kept, and which",
                          "100000; loopback, private and link-local addresses"),
    option<[](const Directive& line, Reading& reading) { reading.log = line.args[0]; }>(
        "log", "FILE", "a line of JSON for each query is appended to it"),
    option<[](const Directive& line, Reading& reading) { reading.capture = line.args[0]; }>(
        "capture", "FILE", "queries and answers, as pcapng; written anew at each start"),
};

// The file that `path` names: the one of the configuration before goes on, if that is it.
std::shared_ptr<EvidenceFile> open_file(const Token& path, EvidenceFile::Kind kind,
                                        const std::shared_ptr<EvidenceFile>& before,
                                        Environment& environment) {
  auto file = std::make_shared<EvidenceFile>(path, kind, environment.logger);
  return before != nullptr && before->is_same(*file) ? before : file;
}

// Has the configuration start it and count what it loses.
void add_file(const std::shared_ptr<EvidenceFile>& file, std::string kind,
              Environment& environment) {
  if (file == nullptr) return;
  environment.companions.push_back(file);
  environment.collectors.push_back(
      {[file, kind = std::move(kind)](Exposition& out) {
         out.counter("clusterdns_evidence_lost_total",
                     "Lines of the log and blocks of the capture that could not be written, or not "
                     "in time.",
                     {{"file", kind}}, static_cast<double>(file->lost()));
       },
       file});
}

}  // namespace

std::span<const Option> evidence_options() { return kOptions; }

void prepare_target(const Corefile& corefile, Environment& environment) {
  const Directive* found = nullptr;
  for (const ServerBlock& block : corefile.blocks) {
    for (const Directive& directive : block.directives) {
      if (directive.name.text != "evidence") continue;
      if (found != nullptr && says_the_same(*found, directive)) continue;
      if (found != nullptr) {
        environment.problems.error(directive.name.at,
                                   "is about the whole server, and says something else in another "
                                   "block (" +
                                       to_string(found->name.at) + "); remove one of them");
        continue;
      }
      found = &directive;
    }
  }
  if (found == nullptr) return;
  environment.problems.attempt([&] {
    require_arguments(*found, 0, 0, "evidence { … }");
    Reading reading;
    read_options(*found, kOptions, environment.problems, reading);
    environment.target = std::make_shared<TargetParts>();
    TargetParts& target = *environment.target;
    target.directive = *found;
    const TargetParts* const before =
        environment.previous == nullptr ? nullptr : environment.previous->target.get();
    if (before != nullptr && before->evidence != nullptr &&
        says_the_same(before->directive, *found)) {
      target.evidence = before->evidence;  // what is known goes on
      target.log = before->log;
      target.capture = before->capture;
    } else {
      if (reading.log && !environment.check_only) {
        target.log = open_file(*reading.log, EvidenceFile::Kind::Log,
                               before == nullptr ? nullptr : before->log, environment);
        reading.options.log = [log = target.log](const dns::EvidenceLine& line) {
          log->write(evidence_line_json(line));
        };
      }
      if (reading.capture && !environment.check_only) {
        target.capture = open_file(*reading.capture, EvidenceFile::Kind::Capture,
                                   before == nullptr ? nullptr : before->capture, environment);
        reading.options.capture = [capture = target.capture](const std::string& block) {
          capture->write(block);
        };
      }
      target.evidence = std::make_shared<dns::Evidence>(std::move(reading.options));
    }
    add_file(target.log, "log", environment);
    add_file(target.capture, "capture", environment);
    target.gate = std::make_shared<dns::EvidenceGate>(target.evidence);
    target.stage = std::make_shared<dns::EvidenceStage>(target.evidence);
    environment.collectors.push_back(
        {[evidence = target.evidence](Exposition& out) {
           out.counter("clusterdns_evidence_evicted_total",
                       "Names and clients of which is nothing known any more, to make room.",
                       {{"kind", "names"}}, static_cast<double>(evidence->evicted_names()));
           out.counter("clusterdns_evidence_evicted_total",
                       "Names and clients of which is nothing known any more, to make room.",
                       {{"kind", "clients"}}, static_cast<double>(evidence->evicted_clients()));
         },
         target.evidence});
  });
}

void set_up_evidence(const Directive&, BlockSetup&) {}  // see prepare_target()

void join_target(BlockSetup& setup) {
  std::shared_ptr<dns::FaultStage> fault;
  for (const auto& stage : setup.route.stages) {
    if (auto found = std::dynamic_pointer_cast<dns::FaultStage>(stage)) fault = std::move(found);
  }
  const TargetParts* const target = setup.environment.target.get();
  auto& observers = setup.route.observers;
  if (target != nullptr && target->evidence != nullptr) {
    setup.route.stages.insert(setup.route.stages.begin(), target->stage);
    observers.push_back(target->gate);
    observers.push_back(std::make_shared<dns::EvidenceObserver>(
        target->evidence, fault == nullptr ? nullptr : fault->notes()));
  }
  // The last one: it ends the note.
  if (fault != nullptr) observers.push_back(fault->observer());
}

}  // namespace clusterdns::app
