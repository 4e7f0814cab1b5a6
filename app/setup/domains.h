// The names that a machine asks the server for.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::app {

// As many as one machine is given; systemd-resolved takes 256 of one link.
inline constexpr std::size_t kMostDomains = 1000;
inline constexpr std::size_t kMostResolvedDomains = 250;

struct RoutedDomain {
  std::string name;    // lower-case, without the final dot
  bool alone = false;  // nothing below it, where a system can tell the two apart

  friend bool operator==(const RoutedDomain&, const RoutedDomain&) = default;
};

// `text` as a name that may stand in any configuration file: labels of letters, digits, dashes and
// underscores, which are neither quotes, line feeds nor white space there. nullopt: it is another
// name; `*why` says what is wrong with it.
[[nodiscard]] std::optional<std::string> plain_name(std::string_view text, std::string* why);

// What clusters and people name, each once, without what stands below another one.
class RoutedDomains {
 public:
  // A zone of a cluster, as its server tells it. The root and the reverse zones of all addresses
  // are left out: they are not the cluster's alone.
  void add_cluster_zone(std::string_view zone);
  // A zone that somebody names on purpose. Throws std::runtime_error when it cannot be routed.
  void add_zone(std::string_view zone);
  // A host of a gateway, `*.example.com` too. Tenants write these: one that would take a whole
  // top-level domain, or `localhost`, is left out.
  void add_host(std::string_view host);

  // By name.
  [[nodiscard]] std::vector<RoutedDomain> take();
  // Hosts and zones that are not routed, each with why; of hosts the first few, then their number.
  [[nodiscard]] std::vector<std::string> left_out() const;

 private:
  void leave_out(std::string_view name, const std::string& why);

  std::vector<RoutedDomain> domains_;
  std::vector<std::string> left_out_;
  std::size_t more_left_out_ = 0;
};

}  // namespace clusterdns::app
