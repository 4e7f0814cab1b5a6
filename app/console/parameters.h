// Parameters of requests, checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "app/admin/http_message.h"
#include "dns/wire/name.h"
#include "dns/wire/types.h"
#include "registry/ip_address.h"

namespace clusterdns::app {

// What is wrong with one; names it. Answered with 400.
class ParameterError : public std::runtime_error {
 public:
  ParameterError(std::string_view name, const std::string& what)
      : std::runtime_error(std::string(name) + ": " + what) {}
};

// All throw ParameterError. Without the parameter, or with an empty one: nullopt.
[[nodiscard]] std::optional<dns::Name> name_parameter(const HttpRequest& request,
                                                      std::string_view name);
[[nodiscard]] std::optional<dns::RRType> type_parameter(const HttpRequest& request,
                                                        std::string_view name);
[[nodiscard]] std::optional<std::string> namespace_parameter(const HttpRequest& request,
                                                             std::string_view name);
[[nodiscard]] std::optional<registry::IpAddress> address_parameter(const HttpRequest& request,
                                                                   std::string_view name);
// As durations of the Corefile; a bare number is seconds.
[[nodiscard]] std::optional<std::chrono::nanoseconds> duration_parameter(
    const HttpRequest& request, std::string_view name, std::chrono::nanoseconds most);

// Which part of a list: `namespace`, `q`, `kind`, `limit`, `cursor`.
struct ListRequest {
  // `kinds`: what `kind` may say, whatever the case of its letters; empty: anything.
  explicit ListRequest(const HttpRequest& request, std::span<const std::string_view> kinds = {});

  std::optional<std::string> ns;
  std::string q;     // small letters
  std::string kind;  // small letters
  std::size_t limit;
  std::string cursor;  // the key of the last item that is known; empty: none is

  // Neither `namespace`, `q` nor `kind` leaves anything out.
  [[nodiscard]] bool everything() const noexcept { return !ns && q.empty() && kind.empty(); }
  // Whether a text has `q` in it, whatever the case of its letters.
  [[nodiscard]] bool finds(std::string_view text) const;
  [[nodiscard]] bool is_kind(std::string_view text) const;
};

}  // namespace clusterdns::app
