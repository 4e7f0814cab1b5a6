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
// A port's label in SRV names is one octet longer than its name: "_http".
inline constexpr std::size_t kMaxSrvPortNameLength = kMaxLabelLength - 1;
inline constexpr std::size_t kMaxPortNameLength = 15;  // RFC 6335, 5.1

// RFC 1123 label: at most 63 of a-z, 0-9 and '-', neither first nor last '-'. Namespaces, Services
// (KEP-5311; before Kubernetes 1.36 they had to begin with a letter), their ports, hostnames.
[[nodiscard]] bool is_dns_label(std::string_view text) noexcept;
inline constexpr std::string_view kDnsLabelRule =
    "a DNS label (at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit)";

// What the API server calls an RFC 1123 subdomain (k8s.io/apimachinery, IsDNS1123Subdomain): labels
// joined by dots, at most 253 characters; only the whole has a limit, not each label. Most objects'
// names.
[[nodiscard]] bool is_dns_subdomain(std::string_view text) noexcept;
inline constexpr std::string_view kDnsSubdomainRule =
    "an object's name (at most 253 of a-z, 0-9, '-' and '.', beginning and ending with a letter or "
    "digit)";

// A subdomain that can stand in DNS. Targets of ExternalName.
[[nodiscard]] bool is_dns_name(std::string_view text) noexcept;
inline constexpr std::string_view kDnsNameRule =
    "a DNS name (labels of at most 63 of a-z, 0-9 and '-', joined by dots, at most 253 characters)";

// Labels of 1 to 63 octets, whatever these are, joined by dots, at most 253 together.
[[nodiscard]] bool fits_dns(std::string_view text) noexcept;
inline constexpr std::string_view kFitsDnsRule =
    "a DNS name (labels of at most 63 characters, joined by dots, at most 253 characters)";

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
