#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "registry/ip_address.h"

namespace clusterdns::app {

// node-cache's options and defaults.
struct NodeCacheOptions {
  std::vector<registry::IpAddress> local;                    // at least one
  std::string base_corefile = "/etc/coredns/Corefile.base";  // the template
  std::string corefile = "/etc/Corefile";                    // what it becomes
  std::string kube_dns_folder;                               // empty: kKubeDnsFolder, if there
  std::string service = "kube-dns";                          // of the cluster's DNS
  std::string interface = "nodelocaldns";
  std::string metrics_address = "0.0.0.0:9353";
  std::uint16_t health_port = 8080;
  bool set_up_interface = true;
  bool set_up_rules = true;
  bool keep = false;    // at the end, what was set up
  bool follow = false;  // the files, though the Corefile has no `reload`
  std::chrono::nanoseconds interval{std::chrono::seconds(60)};

  static constexpr const char* kKubeDnsFolder = "/etc/kube-dns";
};

}  // namespace clusterdns::app
