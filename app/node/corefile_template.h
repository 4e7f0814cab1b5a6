// The Corefile of NodeLocal DNSCache is a template, which its program fills in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/node/kube_dns_config.h"
#include "registry/ip_address.h"

namespace clusterdns::app {

struct TemplateValues {
  std::vector<registry::IpAddress> local;          // __PILLAR__LOCAL__DNS__
  std::optional<registry::IpAddress> cluster_dns;  // __PILLAR__CLUSTER__DNS__
  std::string service;                             // whose address that is
  std::uint16_t port = 53;                         // of the server blocks of stub domains
  KubeDnsConfig kube_dns;                          // __PILLAR__UPSTREAM__SERVERS__
};

// `text` with its words replaced, and a server block behind it for each stub domain. What stands
// on a line stays on it. Without upstreams of the ConfigMap they are those of /etc/resolv.conf;
// with some, a block of `forward` that says nothing but `force_tcp` goes, as node-cache does.
// Throws ConfigError in `file` at a word that has no value.
[[nodiscard]] std::string fill_template(std::string_view text, const std::string& file,
                                        const TemplateValues& values);

// The variable that has a service's address in every container of its namespace:
// "kube-dns-upstream" is KUBE_DNS_UPSTREAM_SERVICE_HOST.
[[nodiscard]] std::string service_variable(std::string_view service);

}  // namespace clusterdns::app
