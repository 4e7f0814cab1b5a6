#include "registry/kubernetes/config.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace clusterdns::registry::kubernetes {
namespace {

constexpr std::string_view kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Spaces and control characters would end the line of a request early.
bool has_space(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; });
}

std::uint16_t parse_port(std::string_view text, const std::string& url) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535) {
    throw ConfigProblem("'" + url + "': '" + std::string(text) +
                        "' is not a valid port (1 to 65535)");
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace

std::string ApiServer::host_port() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

ApiPlace place_of(const ApiConfig& config) {
  return {config.servers,         config.kubeconfigs,
          config.context,         config.client_certificate_file,
          config.client_key_file, config.ca_file};
}

bool ApiConfig::any_tls() const noexcept {
  return std::any_of(servers.begin(), servers.end(), [](const ApiServer& s) { return s.tls; });
}

ApiServer parse_api_server(std::string_view url, bool tls_unless_said) {
  ApiServer server;
  std::string_view rest = url;
  server.tls = tls_unless_said;
  if (rest.starts_with("https://")) {
    server.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    server.tls = false;
    rest.remove_prefix(7);
  } else if (const std::size_t mark = rest.find("://"); mark != std::string_view::npos) {
    throw ConfigProblem("'" + std::string(rest.substr(0, mark)) +
                        "://' is not the scheme of an API server; write https://HOST:PORT or "
                        "http://HOST:PORT");
  }
  server.port = server.tls ? 443 : 80;
  std::string_view scheme = url.substr(0, url.size() - rest.size());
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view path = rest.substr(end);
  rest = rest.substr(0, end);
  // Before anything is said of the address: it may hold a secret.
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    throw ConfigProblem("'" + std::string(scheme) + std::string(rest.substr(at + 1)) +
                        "': a user or password in front of the host is not accepted; name them as "
                        "`username` and `password` of a kubeconfig's user");
  }
  const std::string shown = std::string(scheme) + std::string(rest);
  if (path.find_first_of("?#") != std::string_view::npos || has_space(path)) {
    throw ConfigProblem("'" + shown + "': only a path may follow the host");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  server.base_path = path;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) {
      throw ConfigProblem("'" + shown + "': the ']' after the IPv6 address is missing");
    }
    server.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty() && rest[0] != ':') {
      throw ConfigProblem("'" + shown + "': ':PORT' or nothing must follow ']'");
    }
    if (!rest.empty()) server.port = parse_port(rest.substr(1), shown);
  } else {
    const std::size_t colon = rest.find(':');
    server.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) server.port = parse_port(rest.substr(colon + 1), shown);
  }
  if (server.host.empty() || has_space(server.host)) {
    throw ConfigProblem("'" + shown + "' names no host; write https://HOST:PORT");
  }
  return server;
}

ApiConfig in_cluster_config(const char* (*lookup)(const char*)) {
  const char* const host = lookup("KUBERNETES_SERVICE_HOST");
  const char* const port = lookup("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || *host == '\0' || port == nullptr || *port == '\0') {
    throw ConfigProblem(
        "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and "
        "KUBERNETES_SERVICE_PORT must be defined; outside a cluster add `kubeconfig FILE`, "
        "`endpoint URL` or `manifests PATH…`");
  }
  const bool v6 = std::string_view(host).find(':') != std::string_view::npos;
  ApiConfig config;
  config.servers.push_back(
      parse_api_server("https://" + (v6 ? "[" + std::string(host) + "]" : host) + ":" + port));
  const std::filesystem::path folder(kServiceAccount);
  config.token_file = folder / "token";
  config.ca_file = folder / "ca.crt";
  return config;
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::array<std::int8_t, 256> value{};
  value.fill(-1);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    value[static_cast<unsigned char>(kBase64[i])] = static_cast<std::int8_t>(i);
  }
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  unsigned padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const std::int8_t v = value[static_cast<unsigned char>(c)];
    if (v < 0 || padding > 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(v);
    if (++count % 4 == 0) {
      out.push_back(static_cast<char>(bits >> 16));
      out.push_back(static_cast<char>(bits >> 8));
      out.push_back(static_cast<char>(bits));
    }
  }
  const unsigned rest = count % 4;
  if (rest == 1 || (padding > 0 && (rest + padding) % 4 != 0)) return std::nullopt;
  if (rest == 2) out.push_back(static_cast<char>(bits >> 4));
  if (rest == 3) {
    out.push_back(static_cast<char>(bits >> 10));
    out.push_back(static_cast<char>(bits >> 2));
  }
  return out;
}

std::string encode_base64(std::string_view octets) {
  std::string out;
  for (std::size_t i = 0; i < octets.size(); i += 3) {
    const std::size_t left = octets.size() - i;
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = (bits << 8) | (k < left ? static_cast<unsigned char>(octets[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out.push_back(k <= left ? kBase64[(bits >> (18 - 6 * k)) & 63] : '=');
    }
  }
  return out;
}

}  // namespace clusterdns::registry::kubernetes
