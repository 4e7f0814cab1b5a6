// proxy FROM TO… { … }
//
// The directive that CoreDNS had before `forward`, up to 1.4: taken as that, with a warning.
// Options that `forward` has no counterpart for are passed over.
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

struct Reading {
  Directive forward;
  Problems& problems;
};

void take(const Directive& line, Reading& reading) { reading.forward.block.push_back(line); }

void read_policy(const Directive& line, Reading& reading) {
  Directive same = line;
  // `first` is what is called sequential now; least_conn and others spread the load.
  std::string& policy = same.args[0].text;
  static constexpr std::string_view kOthers[] = {"least_conn", "ip_hash", "header"};
  if (policy == "first") policy = "sequential";
  if (std::find(std::begin(kOthers), std::end(kOthers), policy) != std::end(kOthers)) {
    policy = "random";
  }
  take(same, reading);
}

void drop(const Directive& line, Reading& reading) {
  reading.problems.warn(line.name.at, "no longer has any effect; remove it");
}

void read_protocol(const Directive& line, Reading& reading) {
  if (line.args[0].text != "dns") fail(line.args[0], "is a protocol that is not supported yet");
  if (line.args.size() != 2 || line.args[1].text != "force_tcp") return drop(line, reading);
  Directive same = line;
  same.name.text = "force_tcp";
  same.args.clear();
  take(same, reading);
}

constexpr Option kOptions[] = {
    option<&read_policy>("policy", "NAME", "as of `forward`; `first` is `sequential`"),
    option<&drop>("fail_timeout", "[DURATION]", "without effect"),
    option<&take>("max_fails", "N", "as of `forward`"),
    option<&drop>("max_conns", "[N]", "without effect"),
    option<&drop>("health_check", "[WORD…]", "without effect", {}, Option::Kind::Block),
    option<&take>("except", "ZONE…", "as of `forward`"),
    option<&drop>("spray", "", "without effect"),
    option<&read_protocol>("protocol", "dns [force_tcp]", "`dns force_tcp` asks over TCP"),
    option<&drop>("upstream", "[WORD…]", "without effect"),
};

}  // namespace

std::span<const Option> proxy_options() { return kOptions; }

void set_up_proxy(const Directive& directive, BlockSetup& setup) {
  Problems& problems = setup.environment.problems;
  problems.warn(directive.name.at, "is treated as 'forward'; write 'forward' instead");
  Reading reading{directive, problems};
  reading.forward.block.clear();
  read_options(directive, kOptions, problems, reading);
  set_up_forward(reading.forward, setup);
}

}  // namespace clusterdns::app
