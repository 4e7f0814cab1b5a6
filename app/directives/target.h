// What `synthetic`, `fault` and `evidence` have in common: the directives of a server that clients
// are tested against.
#pragma once

#include <memory>
#include <vector>

#include "app/directives/directive.h"
#include "app/directives/fault_control.h"
#include "dns/target/evidence.h"

namespace clusterdns::app {

class EvidenceFile;

// Of all server blocks.
struct TargetParts {
  std::vector<std::shared_ptr<FaultControl>> faults;
  // Of `evidence`; nullptr: there is none.
  std::shared_ptr<dns::Evidence> evidence;
  std::shared_ptr<dns::EvidenceStage> stage;
  std::shared_ptr<dns::EvidenceGate> gate;
  // That it writes; nullptr: none.
  std::shared_ptr<EvidenceFile> log, capture;
  Directive directive;
};

// The zones of `synthetic` or `fault`, each of which may stand in one of them only. What is wrong
// goes to the environment's problems.
[[nodiscard]] std::vector<dns::Name> read_target_zones(const Directive& directive,
                                                       BlockSetup& setup);

}  // namespace clusterdns::app
