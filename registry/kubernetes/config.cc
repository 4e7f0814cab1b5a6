#include "registry/kubernetes/config.h"

#include <array>
#include <charconv>

namespace clusterdns::registry::kubernetes {
namespace {

constexpr std::string_view kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::uint16_t parse_port(std::string_view text, std::string_view url) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535) {
    throw ConfigProblem("'" + std::string(url) + "': '" + std::string(text) +
                        "' is no port (1 to 65535)");
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace

std::string ApiServer::host_port() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

ApiServer parse_api_server(std::string_view url) {
  ApiServer server;
  std::string_view rest = url;
  server.tls = false;
  server.port = 80;
  if (rest.starts_with("https://")) {
    server.tls = true;
    server.port = 443;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.find("://") != std::string_view::npos) {
    throw ConfigProblem("'" + std::string(url) + "' is no address of an API server; write "
                        "https://HOST:PORT or http://HOST:PORT");
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    std::string_view path = rest.substr(slash);
    while (path.ends_with('/')) path.remove_suffix(1);
    server.base_path = path;
    rest = rest.substr(0, slash);
  }
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) {
      throw ConfigProblem("'" + std::string(url) + "': the ']' after the IPv6 address is missing");
    }
    server.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty() && rest[0] != ':') {
      throw ConfigProblem("'" + std::string(url) + "': ':PORT' or nothing must follow ']'");
    }
    if (!rest.empty()) server.port = parse_port(rest.substr(1), url);
  } else {
    const std::size_t colon = rest.find(':');
    server.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) server.port = parse_port(rest.substr(colon + 1), url);
  }
  if (server.host.empty() || server.host.find_first_of(" \t\r\n@?#") != std::string::npos) {
    throw ConfigProblem("'" + std::string(url) + "' names no host of an API server; write "
                        "https://HOST:PORT");
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
  config.servers.push_back(parse_api_server("https://" + (v6 ? "[" + std::string(host) + "]" : host) +
                                            ":" + port));
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
