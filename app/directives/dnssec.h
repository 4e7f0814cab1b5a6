// `dnssec`, for the table.
#pragma once

#include <span>

#include "app/corefile/options.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

// Signatures that `cache_capacity` may ask for.
inline constexpr std::int64_t kMaxSignatures = 1'000'000;

[[nodiscard]] std::span<const Option> dnssec_options();
void set_up_dnssec(const Directive&, BlockSetup&);

}  // namespace clusterdns::app
