// What other directives know of `geoip`.
#pragma once

#include <memory>
#include <span>

#include "app/directives/directive.h"
#include "dns/query/metadata.h"

namespace clusterdns::app {

[[nodiscard]] std::span<const Option> geoip_options();
void set_up_geoip(const Directive&, BlockSetup&);
// What the block knows of its queries; nullptr: nothing.
[[nodiscard]] std::shared_ptr<const dns::MetadataSource> metadata_of(const BlockSetup& setup);

}  // namespace clusterdns::app
