// What `kubernetes` and `k8s_external` share: tables of names, made of what a source knows.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "app/directives/directive.h"
#include "dns/wire/types.h"

namespace clusterdns::app {

// Octets of a zone's name that leave room for `hostmaster` before it.
inline constexpr std::size_t kMaxZoneSize = dns::kMaxNameSize - sizeof "\012hostmaster" + 1;

// Where clients reach this server: the addresses that it is bound to, or those of the interfaces;
// the loopback ones only when there are no others.
[[nodiscard]] std::vector<registry::IpAddress> server_addresses(const BlockSetup& setup);

// The table of those options: the one there is, the one of `before` (the same source's before the
// reload; nullptr: none), or a new one.
[[nodiscard]] std::shared_ptr<zones::RecordTable> find_or_make_table(ClusterData& data,
                                                                     const ClusterData* before,
                                                                     ClusterData::Table wanted,
                                                                     Environment& environment);

}  // namespace clusterdns::app
