// whoami
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "dns/query/whoami_stage.h"

namespace clusterdns::app {

void set_up_whoami(const Directive& directive, BlockSetup& setup) {
  require_bare(directive);
  setup.route.stages.push_back(std::make_shared<dns::WhoamiStage>(setup.environment.workers));
}

}  // namespace clusterdns::app
