#include "app/commands/node_address.h"

#include <exception>

#include "app/node/interface.h"

namespace clusterdns::app {

int run_node_address(const NodeAddressOptions& options, std::ostream& out, std::ostream& err) {
  try {
    NodeInterface interface(options.interface, "--interface");
    (void)interface.ensure();
    for (const registry::IpAddress& address : options.addresses) {
      const bool added = interface.add(address);
      out << options.interface << ": " << address.to_string()
          << (added ? " added\n" : " is already there\n");
    }
    return 0;
  } catch (const std::exception& e) {
    err << "clusterdns node-address: " << reason_of(e) << "\n";
  }
  return 1;
}

}  // namespace clusterdns::app
