// minimal
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "dns/shape/shape_stages.h"

namespace clusterdns::app {

void set_up_minimal(const Directive& directive, BlockSetup& setup) {
  require_bare(directive);
  setup.route.stages.push_back(std::make_shared<dns::MinimalStage>());
}

}  // namespace clusterdns::app
