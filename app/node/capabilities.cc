#include "app/node/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace clusterdns::app {

void use_permitted_capabilities() noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return;
  bool more = false;
  for (__user_cap_data_struct& each : data) {
    more = more || each.effective != each.permitted;
    each.effective = each.permitted;
  }
  if (more) ::syscall(SYS_capset, &header, data.data());
}

}  // namespace clusterdns::app
