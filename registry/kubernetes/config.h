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
  std::vector<std::pair<std::string, std::string>> env;  // wins over our own environment
  std::string api_version;
  std::string install_hint;
  bool provide_cluster_info = false;
  friend bool operator==(const ExecPlugin&, const ExecPlugin&) = default;
};

// PEM texts win over files, as in a kubeconfig. Whatever says who we are is for servers behind TLS:
// nobody else is told (client-go, tools/clientcmd/client_config.go).
struct ApiConfig {
  std::vector<ApiServer> servers;  // not empty; tried in turn

  std::string ca_data;  // PEM
  std::filesystem::path ca_file;
  std::string tls_server_name;  // in place of the host
  bool insecure_skip_tls_verify = false;

  std::string token;
  std::filesystem::path token_file;                      // wins over `token`
  std::string client_certificate_data, client_key_data;  // PEM
  std::filesystem::path client_certificate_file, client_key_file;
  std::string username, password;
  std::optional<ExecPlugin> exec;

  // Where this came from; empty when not from a kubeconfig. Read again when one of the files
  // changes.
  std::vector<std::filesystem::path> kubeconfigs;
  std::string context;  // empty: the current one
  // What is not wrong, but should be known: sentences that begin with the place in the file.
  std::vector<std::string> warnings;

  // Whether any of the servers is behind TLS.
  [[nodiscard]] bool any_tls() const noexcept;
  friend bool operator==(const ApiConfig&, const ApiConfig&) = default;
};

// What names the API of a cluster, and who we are there. What stands in the files of it is read
// again when they change.
struct ApiPlace {
  std::vector<ApiServer> servers;
  std::vector<std::filesystem::path> kubeconfigs;
  std::string context;
  std::filesystem::path client_certificate_file, client_key_file, ca_file;
  friend bool operator==(const ApiPlace&, const ApiPlace&) = default;
};
[[nodiscard]] ApiPlace place_of(const ApiConfig& config);

// "https://host[:port][/path]", "http://…"; without a scheme http, or https when `tls_unless_said`,
// as client-go does where a certificate authority is named. Throws ConfigProblem, whose text holds
// no user and password that stood in the address.
[[nodiscard]] ApiServer parse_api_server(std::string_view url, bool tls_unless_said = false);

// From KUBERNETES_SERVICE_HOST/PORT and the files of the service account, which are read later.
// `lookup` is getenv(3). Throws ConfigProblem.
[[nodiscard]] ApiConfig in_cluster_config(const char* (*lookup)(const char*));

// Octets of a kubeconfig; a file of more than this is something else.
inline constexpr std::size_t kMaxKubeconfigSize = std::size_t{4} * 1024 * 1024;

// The files of $KUBECONFIG and the like, in which colons separate them. A file whose name holds a
// colon is one when it is there.
[[nodiscard]] std::vector<std::filesystem::path> split_kubeconfig_list(const std::string& list);

// Several files are put together as kubectl does: the first that has a cluster, context or user of
// a name has it whole, the first that has a current context has it, and files that do not exist are
// passed over as long as one does. An empty `context` means the current one. The files that they
// name are read later. Throws ConfigProblem, with the place in the file when it is about its
// content.
[[nodiscard]] ApiConfig load_kubeconfig(const std::vector<std::filesystem::path>& files,
                                        const std::string& context);

// nullopt: not base64 (RFC 4648, section 4; white space is skipped).
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);
[[nodiscard]] std::string encode_base64(std::string_view octets);

}  // namespace clusterdns::registry::kubernetes
