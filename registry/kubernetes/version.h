// What we call ourselves to API servers.
#pragma once

#include <string_view>

namespace clusterdns::registry::kubernetes {

inline constexpr std::string_view kUserAgent = "clusterdns/" CLUSTERDNS_VERSION " (linux)";

}  // namespace clusterdns::registry::kubernetes
