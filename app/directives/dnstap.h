// What other directives know of `dnstap`.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "app/directives/directive.h"

namespace clusterdns::dns {
class UpstreamTap;
}

namespace clusterdns::app {

[[nodiscard]] std::span<const Option> dnstap_options();
void set_up_dnstap(const Directive&, BlockSetup&);
// Those of the block, for who asks upstreams.
[[nodiscard]] std::vector<std::shared_ptr<dns::UpstreamTap>> taps_of(const BlockSetup& setup);

}  // namespace clusterdns::app
