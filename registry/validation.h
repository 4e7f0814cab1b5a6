// The syntax rules the Kubernetes API server applies to names, labels and ports.
//
// Pure functions of text; thread-safe. Each `is_…` has a sentence beside it that completes
// "'x' is not …", for error messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clusterdns::registry {

inline constexpr std::size_t kMaxLabelLength = 63;       // RFC 1035, 2.3.4
inline constexpr std::size_t kMaxSubdomainLength = 253;  // RFC 1035 name of 255 octets, as text
inline constexpr std::size_t kMaxPortNameLength = 15;    // RFC 6335, 5.1

// RFC 1123 label: at most 63 of a-z, 0-9 and '-', neither first nor last '-'.
// Namespaces, Service ports, hostnames.
[[nodiscard]] bool is_dns_label(std::string_view text) noexcept;
inline constexpr std::string_view kDnsLabelRule =
    "a DNS label (at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit)";

// RFC 1123 subdomain: labels joined by dots, at most 253 characters. Most objects' names.
[[nodiscard]] bool is_dns_subdomain(std::string_view text) noexcept;
inline constexpr std::string_view kDnsSubdomainRule =
    "a DNS name (labels of a-z, 0-9 and '-' joined by dots, at most 253 characters)";

// RFC 1035 label: as an RFC 1123 label, but beginning with a letter. Service names.
[[nodiscard]] bool is_service_name(std::string_view text) noexcept;
inline constexpr std::string_view kServiceNameRule =
    "a Service name (at most 63 of a-z, 0-9 and '-', beginning with a letter, not ending in '-')";

// RFC 6335 service name: at most 15 of a-z, 0-9 and '-', at least one letter, no "--", no '-' first
// or last. Names of container ports, and `targetPort` by name.
[[nodiscard]] bool is_port_name(std::string_view text) noexcept;
inline constexpr std::string_view kPortNameRule =
    "a port name (at most 15 of a-z, 0-9 and single '-', with at least one letter)";

// An optional DNS subdomain prefix and '/', then at most 63 of letters, digits, '-', '_', '.',
// beginning and ending with a letter or digit.
[[nodiscard]] bool is_label_key(std::string_view text) noexcept;
inline constexpr std::string_view kLabelKeyRule =
    "a label key (an optional DNS name and '/', then at most 63 letters, digits, '-', '_', '.')";

// Empty, or as the second part of a label key.
[[nodiscard]] bool is_label_value(std::string_view text) noexcept;
inline constexpr std::string_view kLabelValueRule =
    "a label value (at most 63 letters, digits, '-', '_', '.', beginning and ending with a letter "
    "or digit)";

[[nodiscard]] constexpr bool is_port_number(std::int64_t number) noexcept {
  return number >= 1 && number <= 65535;
}
inline constexpr std::string_view kPortNumberRule = "a port (1 to 65535)";

}  // namespace clusterdns::registry
