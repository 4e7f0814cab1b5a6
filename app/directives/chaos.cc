// chaos [VERSION] [AUTHOR…]
#include <unistd.h>
#include <algorithm>

#include "app/base/version.h"
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "app/directives/host_name.h"
#include "dns/fixed/fixed_stages.h"

namespace clusterdns::app {

std::string host_name() {
  char buffer[256];
  if (::gethostname(buffer, sizeof buffer) != 0) return "localhost";
  buffer[sizeof buffer - 1] = 0;
  return buffer;
}

void set_up_chaos(const Directive& directive, BlockSetup& setup) {
  require_no_block(directive);
  dns::ChaosStage::Options options;
  options.version = directive.args.empty() ? "clusterdns-" + std::string(version_number())
                                           : directive.args[0].text;
  options.host_name = host_name();
  for (std::size_t i = 1; i < directive.args.size(); ++i) {
    options.authors.push_back(directive.args[i].text);
  }
  if (options.authors.empty()) options.authors.emplace_back("the authors of clusterdns");
  std::sort(options.authors.begin(), options.authors.end());
  options.authors.erase(std::unique(options.authors.begin(), options.authors.end()),
                        options.authors.end());
  setup.route.stages.push_back(std::make_shared<dns::ChaosStage>(options));
}

}  // namespace clusterdns::app
