// any
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "dns/fixed/fixed_stages.h"

namespace clusterdns::app {

void set_up_any(const Directive& directive, BlockSetup& setup) {
  require_bare(directive);
  setup.route.stages.push_back(std::make_shared<dns::AnyStage>());
}

}  // namespace clusterdns::app
