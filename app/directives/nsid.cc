// nsid [DATA…]
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "app/directives/host_name.h"
#include "dns/shape/shape_stages.h"

namespace clusterdns::app {

void set_up_nsid(const Directive& directive, BlockSetup& setup) {
  constexpr std::size_t kMost = 255;
  require_no_block(directive);
  std::string id;
  for (const Token& word : directive.args) id += (id.empty() ? "" : " ") + word.text;
  if (directive.args.empty()) id = host_name();
  if (id.size() > kMost) {
    fail(directive.args[0].at, "has more than " + std::to_string(kMost) + " octets");
  }
  setup.route.stages.push_back(std::make_shared<dns::NsidStage>(std::move(id)));
}

}  // namespace clusterdns::app
