// The label of a pod: its address with dashes (Kubernetes DNS, `pods insecure` of CoreDNS).
#pragma once

#include <cstdint>
#include <optional>

#include "registry/ip_address.h"

namespace clusterdns::zones {

// `label`: length octet first, lower-case. "10-244-0-10" is IPv4; anything else is read as IPv6
// with colons for dashes ("fd00--1"). nullopt when it is neither.
[[nodiscard]] std::optional<registry::IpAddress> parse_pod_label(
    const std::uint8_t* label) noexcept;

}  // namespace clusterdns::zones
