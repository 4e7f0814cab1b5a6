// Host names as Istio, Ingress and the Gateway API write them, some with a wildcard in front.
//
// A host is text in small letters without a trailing dot: `shop.example.com`, `*.example.com`, or
// `*` alone. Pure functions; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clusterdns::registry::gateways {

// Small letters, no trailing dot; nullopt when it is no DNS name with at most one `*` as its whole
// first label.
[[nodiscard]] std::optional<std::string> parse_host(std::string_view text);
inline constexpr std::string_view kHostRule =
    "a host (a DNS name, `*.` and a DNS name, or `*` alone)";

[[nodiscard]] constexpr bool is_wildcard(std::string_view host) noexcept {
  return !host.empty() && host.front() == '*';
}
// The tls_mode of an Istio server of plain HTTP with tls.httpsRedirect: it sends all that comes to
// HTTPS, whether a VirtualService routes it or not.
inline constexpr std::string_view kRedirectMode = "REDIRECT";

// The parts of a list with commas, without white space around them; empty ones are left out.
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view list);
// The part of external-dns's annotations' keys behind their prefix; empty: it is none of these. The
// older prefix, external-dns.alpha.kubernetes.io/, wins: `older` says whether it is that.
[[nodiscard]] std::string_view annotation_name(std::string_view key, bool* older) noexcept;

// What stands behind `*.`; the host itself without a wildcard, empty for `*`.
[[nodiscard]] constexpr std::string_view base_of(std::string_view host) noexcept {
  if (!is_wildcard(host)) return host;
  return host.size() > 2 ? host.substr(2) : std::string_view();
}
// Whether `name` is below `base`; every name is below the empty one.
[[nodiscard]] bool is_below(std::string_view name, std::string_view base) noexcept;

// Whether every name that `inner` stands for is one of `outer`'s. A wildcard stands for names of
// any depth below its base, and not for the base.
[[nodiscard]] bool covers(std::string_view outer, std::string_view inner) noexcept;
// The one of the two that the other covers.
[[nodiscard]] std::optional<std::string_view> narrower(std::string_view a,
                                                       std::string_view b) noexcept;
// `*.x` for one label only, as Ingress has it.
[[nodiscard]] bool covers_one_label(std::string_view wildcard, std::string_view name) noexcept;

// The labels in reverse, each with a dot behind it: `com.example.shop.`. What is below a base
// begins with the base's.
[[nodiscard]] std::string reversed(std::string_view name);

}  // namespace clusterdns::registry::gateways
