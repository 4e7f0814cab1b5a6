// The ConfigMap `kube-dns`, mounted as a folder: where else to ask.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::app {

struct KubeDnsConfig {
  std::map<std::string, std::vector<std::string>> stub_domains;  // each: whom to ask
  std::vector<std::string> upstreams;                            // instead of the node's

  friend bool operator==(const KubeDnsConfig&, const KubeDnsConfig&) = default;
};

// As many as kube-dns takes.
inline constexpr std::size_t kMaxKubeDnsUpstreams = 3;
// A ConfigMap holds 1 MiB; each of these is a server block.
inline constexpr std::size_t kMaxStubDomains = 1000;

// The values of the keys `stubDomains` and `upstreamNameservers`, both JSON; empty: not there.
// What they hold can stand in a Corefile. Throws std::runtime_error with what is wrong and what to
// do.
[[nodiscard]] KubeDnsConfig parse_kube_dns_config(std::string_view stub_domains,
                                                  std::string_view upstreams);
// The same from files of these names. What is not there is empty.
[[nodiscard]] KubeDnsConfig read_kube_dns_config(const std::filesystem::path& folder);

}  // namespace clusterdns::app
