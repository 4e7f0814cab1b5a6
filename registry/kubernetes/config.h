// How to reach API servers and who to be there: in-cluster, kubeconfig, or an endpoint with files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clusterdns::registry::kubernetes {

// What is wrong with a configuration and what to do about it, in one sentence.
class ConfigProblem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct ApiServer {
  std::string host;  // name or address, an IPv6 address without brackets
  std::uint16_t port = 443;
  bool tls = true;
  std::string base_path;  // before /api; empty or "/…" without a trailing slash

  // "host:port", brackets around IPv6: the Host header and the label of metrics.
  [[nodiscard]] std::string host_port() const;
  friend bool operator==(const ApiServer&, const ApiServer&) = default;
};

// A program that hands out credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string command;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  // beside our own environment
  std::string api_version;
  std::string install_hint;
  bool provide_cluster_info = false;
  friend bool operator==(const ExecPlugin&, const ExecPlugin&) = default;
};

// PEM texts win over files, as in a kubeconfig.
struct ApiConfig {
  std::vector<ApiServer> servers;  // not empty; tried in turn

  std::string ca_data;  // PEM
  std::filesystem::path ca_file;
  std::string tls_server_name;  // in place of the host
  bool insecure_skip_tls_verify = false;

  std::string token;
  std::filesystem::path token_file;  // wins over `token`
  std::string client_certificate_data, client_key_data;  // PEM
  std::filesystem::path client_certificate_file, client_key_file;
  std::string username, password;
  std::optional<ExecPlugin> exec;

  // Where this came from; empty when not from a kubeconfig. Read again when the file changes.
  std::filesystem::path kubeconfig;
  std::string context;  // empty: the current one

  friend bool operator==(const ApiConfig&, const ApiConfig&) = default;
};

// "https://host[:port][/path]", "http://…"; without a scheme http, as CoreDNS. Throws ConfigProblem.
[[nodiscard]] ApiServer parse_api_server(std::string_view url);

// From KUBERNETES_SERVICE_HOST/PORT and the files of the service account, which are read later.
// `lookup` is getenv(3). Throws ConfigProblem.
[[nodiscard]] ApiConfig in_cluster_config(const char* (*lookup)(const char*));

// Throws ConfigProblem, with the place in the file when it is about its content. An empty
// `context` means the file's current one. The files that it names are read later.
[[nodiscard]] ApiConfig load_kubeconfig(const std::filesystem::path& file,
                                        const std::string& context);

// nullopt: not base64 (RFC 4648, section 4; white space is skipped).
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);
[[nodiscard]] std::string encode_base64(std::string_view octets);

}  // namespace clusterdns::registry::kubernetes
