#include "app/setup/domains.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

constexpr std::size_t kMostLeftOutShown = 10;
constexpr std::size_t kMaxLabel = 63;  // octets, RFC 1035 2.3.4
constexpr std::size_t kMaxName = 253;  // octets as text without the final dot

}  // namespace

std::optional<std::string> plain_name(std::string_view text, std::string* why) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxName) {
    *why = "it is no name of 1 to 253 octets";
    return std::nullopt;
  }
  std::string name;
  std::size_t label = 0;
  bool digits = true;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) break;
      label = 0;
      digits = true;
      name += c;
      continue;
    }
    const bool upper = c >= 'A' && c <= 'Z';
    const bool digit = c >= '0' && c <= '9';
    const bool fits =
        upper || digit || (c >= 'a' && c <= 'z') || c == '_' || (c == '-' && label > 0);
    if (!fits) {
      *why = "a name is made of letters, digits, dashes and underscores";
      return std::nullopt;
    }
    name += upper ? static_cast<char>(c - 'A' + 'a') : c;
    digits = digits && digit;
    if (++label > kMaxLabel) break;
  }
  if (label == 0 || label > kMaxLabel) {
    *why = "a label has 1 to 63 octets";
    return std::nullopt;
  }
  if (digits) {
    *why = "it ends as an address does";
    return std::nullopt;
  }
  return name;
}

void RoutedDomains::leave_out(std::string_view name, const std::string& why) {
  if (left_out_.size() == kMostLeftOutShown) {
    ++more_left_out_;
    return;
  }
  left_out_.push_back(registry::shown(name) + " is not routed: " + why);
}

void RoutedDomains::add_cluster_zone(std::string_view zone) {
  if (zone == "." || zone == "in-addr.arpa." || zone == "ip6.arpa.") return;
  std::string why;
  if (auto name = plain_name(zone, &why)) {
    domains_.push_back({std::move(*name)});
  } else {
    leave_out(zone, why);
  }
}

void RoutedDomains::add_zone(std::string_view zone) {
  std::string why;
  auto name = plain_name(zone, &why);
  if (!name) throw std::runtime_error(registry::shown(zone) + " cannot be routed: " + why);
  domains_.push_back({std::move(*name)});
}

void RoutedDomains::add_host(std::string_view host) {
  const bool wildcard = host.starts_with("*.");
  std::string why;
  auto name = plain_name(wildcard ? host.substr(2) : host, &why);
  if (!name) return leave_out(host, why);
  if (*name == "localhost" || name->ends_with(".localhost")) {
    return leave_out(host, "names of localhost are the machine's own");
  }
  if (name->find('.') == std::string::npos) {
    return leave_out(host, "it is a whole top-level domain; name it with --zone if that is meant");
  }
  domains_.push_back({std::move(*name), !wildcard});
}

std::vector<RoutedDomain> RoutedDomains::take() {
  // Of one name, and of the names above it, the one that takes all below it counts.
  std::map<std::string, bool, std::less<>> alone;
  for (const RoutedDomain& domain : domains_) {
    const auto [at, fresh] = alone.emplace(domain.name, domain.alone);
    at->second = at->second && domain.alone;
  }
  std::vector<RoutedDomain> result;
  for (const auto& [name, by_itself] : alone) {
    bool covered = false;
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
      const auto above = alone.find(std::string_view(name).substr(dot + 1));
      covered = covered || (above != alone.end() && !above->second);
    }
    if (!covered) result.push_back({name, by_itself});
  }
  return result;
}

std::vector<std::string> RoutedDomains::left_out() const {
  std::vector<std::string> lines = left_out_;
  if (more_left_out_ > 0) {
    lines.push_back("and " + std::to_string(more_left_out_) + " more hosts are not routed");
  }
  return lines;
}

}  // namespace clusterdns::app
