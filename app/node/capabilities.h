#pragma once

namespace clusterdns::app {

// Makes use of every capability that this thread and those it starts may have. A program file can
// have capabilities that not every container gives it (NET_ADMIN, which node-cache needs): were
// they marked as effective, the kernel would refuse to start it without one of them.
void use_permitted_capabilities() noexcept;

}  // namespace clusterdns::app
