#include "app/console/parameters.h"

#include <algorithm>
#include <charconv>

#include "app/console/api.h"
#include "app/corefile/arguments.h"
#include "app/corefile/error.h"
#include "dns/wire/message_reader.h"
#include "registry/validation.h"

namespace clusterdns::app {
namespace {

std::string small(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

}  // namespace

std::optional<dns::Name> name_parameter(const HttpRequest& request, std::string_view name) {
  const std::string& text = request.query.get(name);
  if (text.empty()) return std::nullopt;
  const auto parsed = dns::Name::from_text(text);
  if (!parsed) throw ParameterError(name, "not a domain name: " + parsed.error().message());
  return *parsed;
}

std::optional<dns::RRType> type_parameter(const HttpRequest& request, std::string_view name) {
  const std::string& text = request.query.get(name);
  if (text.empty()) return std::nullopt;
  dns::RRType type;
  if (!dns::rrtype_from_text(text, &type)) {
    throw ParameterError(name, "not a record type; write A, AAAA, SRV or another");
  }
  return type;
}

std::optional<std::string> namespace_parameter(const HttpRequest& request, std::string_view name) {
  const std::string& text = request.query.get(name);
  if (text.empty()) return std::nullopt;
  if (!registry::is_dns_label(text)) {
    throw ParameterError(name, "not " + std::string(registry::kDnsLabelRule));
  }
  return text;
}

std::optional<registry::IpAddress> address_parameter(const HttpRequest& request,
                                                     std::string_view name) {
  const std::string& text = request.query.get(name);
  if (text.empty()) return std::nullopt;
  const auto address = registry::IpAddress::parse(text);
  if (!address) throw ParameterError(name, "not an IP address");
  return address;
}

std::optional<std::chrono::nanoseconds> duration_parameter(const HttpRequest& request,
                                                           std::string_view name,
                                                           std::chrono::nanoseconds most) {
  const std::string& text = request.query.get(name);
  if (text.empty()) return std::nullopt;
  try {
    return parse_duration(Token{text, {}, false}, BareDuration::Seconds,
                          std::chrono::nanoseconds::zero(), most);
  } catch (const ConfigError& e) {
    throw ParameterError(name, e.what());
  }
}

ListRequest::ListRequest(const HttpRequest& request, std::span<const std::string_view> kinds)
    : ns(namespace_parameter(request, "namespace")),
      q(small(request.query.get("q"))),
      kind(small(request.query.get("kind"))),
      limit(kConsolePage),
      cursor(request.query.get("cursor")) {
  const bool known = std::any_of(kinds.begin(), kinds.end(),
                                 [&](std::string_view each) { return small(each) == kind; });
  if (!kind.empty() && !kinds.empty() && !known) {
    std::string all;
    for (const std::string_view each : kinds) all += (all.empty() ? "" : ", ") + std::string(each);
    throw ParameterError("kind", "none of this list; write one of " + all);
  }
  const std::string& text = request.query.get("limit");
  if (text.empty()) return;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size() || text.front() == '-' ||
      (error != std::errc{} && error != std::errc::result_out_of_range)) {
    throw ParameterError("limit", "not a number");
  }
  if (error == std::errc{} && number == 0) throw ParameterError("limit", "must be 1 at least");
  limit = error == std::errc{} ? std::min(number, kConsolePageMost) : kConsolePageMost;
}

bool ListRequest::finds(std::string_view text) const {
  return q.empty() || small(text).find(q) != std::string::npos;
}

bool ListRequest::is_kind(std::string_view text) const {
  return kind.empty() || small(text) == kind;
}

}  // namespace clusterdns::app
