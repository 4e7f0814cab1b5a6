// loop [fatal]
//
// Upstreams that lead back to this server are found at any time; with `loop` they are also looked
// for at the start. `fatal` ends the program then.
#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

void set_up_loop(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 1, "loop [fatal]");
  require_no_block(directive);
  setup.loop = LoopAction::Probe;
  if (directive.args.empty()) return;
  static constexpr std::string_view kWords[] = {"fatal"};
  (void)parse_choice(directive.args[0], kWords);
  setup.loop = LoopAction::Fatal;
}

}  // namespace clusterdns::app
