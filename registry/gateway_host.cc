#include "registry/gateway_host.h"

#include "registry/validation.h"

namespace clusterdns::registry::gateways {

std::optional<std::string> parse_host(std::string_view text) {
  std::string host(text.substr(0, kMaxSubdomainLength + 3));
  if (host == "*.") return std::nullopt;
  if (host.size() > 1 && host.back() == '.') host.pop_back();
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (host == "*") return host;
  const bool wildcard = host.starts_with("*.");
  if (host.size() > kMaxSubdomainLength || !is_dns_name(wildcard ? base_of(host) : host)) {
    return std::nullopt;
  }
  return host;
}

bool is_below(std::string_view name, std::string_view base) noexcept {
  if (base.empty()) return !name.empty();
  return name.size() > base.size() + 1 && name.ends_with(base) &&
         name[name.size() - base.size() - 1] == '.';
}

bool covers(std::string_view outer, std::string_view inner) noexcept {
  if (outer == inner) return true;
  if (!is_wildcard(outer)) return false;
  // What `*.x` stands for is below each base that x is below, and below x itself.
  const std::string_view base = base_of(outer);
  return is_below(base_of(inner), base) || (is_wildcard(inner) && base_of(inner) == base);
}

std::optional<std::string_view> narrower(std::string_view a, std::string_view b) noexcept {
  if (covers(a, b)) return b;
  if (covers(b, a)) return a;
  return std::nullopt;
}

bool covers_one_label(std::string_view wildcard, std::string_view name) noexcept {
  const std::string_view base = base_of(wildcard);
  if (!is_wildcard(wildcard) || base.empty() || !is_below(name, base)) return false;
  return name.find('.') == name.size() - base.size() - 1;
}

std::string reversed(std::string_view name) {
  std::string result;
  result.reserve(name.size() + 1);
  while (!name.empty()) {
    const std::size_t dot = name.rfind('.');
    const std::size_t from = dot == std::string_view::npos ? 0 : dot + 1;
    result.append(name.substr(from)).push_back('.');
    name = name.substr(0, dot == std::string_view::npos ? 0 : dot);
  }
  return result;
}

std::vector<std::string_view> split_list(std::string_view list) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view part = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::string_view annotation_name(std::string_view key, bool* older) noexcept {
  constexpr std::string_view kOlder = "external-dns.alpha.kubernetes.io/";
  constexpr std::string_view kNewer = "external-dns.kubernetes.io/";
  *older = key.starts_with(kOlder);
  if (*older) return key.substr(kOlder.size());
  return key.starts_with(kNewer) ? key.substr(kNewer.size()) : std::string_view();
}

}  // namespace clusterdns::registry::gateways
