// Reading a kubeconfig (client-go's clientcmd format).
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "registry/kubernetes/config.h"

namespace clusterdns::registry::kubernetes {
namespace {

// A kubeconfig of more than this is some other file.
constexpr std::uintmax_t kMaxSize = 4 * 1024 * 1024;

class Reader {
 public:
  Reader(const std::filesystem::path& file, std::string text) : file_(file) {
    try {
      root_ = YAML::Load(text);
    } catch (const YAML::Exception& e) {
      fail(e.mark, e.msg);
    }
    if (!root_.IsMap()) fail(root_, "this is no kubeconfig; it has to be a map with `clusters`");
  }

  ApiConfig read(const std::string& wanted_context) {
    ApiConfig config;
    config.kubeconfig = file_;
    config.context = wanted_context;
    std::string context = wanted_context;
    if (context.empty()) context = text(root_, "current-context");
    if (context.empty()) {
      fail(root_, "`current-context` is not set; set it, or name a context in `kubeconfig FILE CONTEXT`");
    }
    const YAML::Node chosen = named("contexts", context, "context");
    const std::string cluster_name = text(chosen, "cluster");
    if (cluster_name.empty()) fail(chosen, "the context '" + context + "' names no `cluster`");
    read_cluster(named("clusters", cluster_name, "cluster"), config);
    const std::string user_name = text(chosen, "user");
    if (!user_name.empty()) read_user(named("users", user_name, "user"), config);
    return config;
  }

 private:
  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) const {
    throw ConfigProblem(file_.string() + ":" + std::to_string(mark.line + 1) + ":" +
                        std::to_string(mark.column + 1) + ": " + what);
  }
  [[noreturn]] void fail(const YAML::Node& at, const std::string& what) const {
    fail(at.Mark(), what);
  }

  std::string text(const YAML::Node& map, const char* key) const {
    const YAML::Node value = map[key];
    if (!value || value.IsNull()) return {};
    if (!value.IsScalar()) fail(value, "`" + std::string(key) + "` has to be a text");
    return value.Scalar();
  }

  bool flag(const YAML::Node& map, const char* key) const {
    const std::string value = text(map, key);
    if (value.empty() || value == "false") return false;
    if (value != "true") fail(map[key], "`" + std::string(key) + "` has to be true or false");
    return true;
  }

  // Relative to the kubeconfig's folder, as client-go has it.
  std::filesystem::path path(const YAML::Node& map, const char* key) const {
    const std::string value = text(map, key);
    if (value.empty()) return {};
    const std::filesystem::path given(value);
    return given.is_absolute() ? given : file_.parent_path() / given;
  }

  std::string pem(const YAML::Node& map, const char* key) const {
    const std::string value = text(map, key);
    if (value.empty()) return {};
    auto decoded = decode_base64(value);
    if (!decoded) fail(map[key], "`" + std::string(key) + "` is not base64");
    return std::move(*decoded);
  }

  YAML::Node named(const char* list, const std::string& name, const char* body) const {
    const YAML::Node entries = root_[list];
    std::string known;
    if (entries && entries.IsSequence()) {
      for (const YAML::Node& entry : entries) {
        if (!entry.IsMap()) fail(entry, "an entry of `" + std::string(list) + "` has to be a map");
        if (text(entry, "name") == name) {
          const YAML::Node content = entry[body];
          if (!content || !content.IsMap()) {
            fail(entry, "`" + std::string(body) + "` of '" + name + "' is missing");
          }
          return content;
        }
        known += (known.empty() ? "" : ", ") + text(entry, "name");
      }
    }
    fail(root_, "there is no " + std::string(body) + " '" + name + "' in `" + list + "`; there are: " +
                    (known.empty() ? "none" : known));
  }

  void read_cluster(const YAML::Node& cluster, ApiConfig& config) const {
    const std::string server = text(cluster, "server");
    if (server.empty()) fail(cluster, "the cluster has no `server`");
    try {
      config.servers.push_back(parse_api_server(server));
    } catch (const ConfigProblem& e) {
      fail(cluster["server"], e.what());
    }
    if (!text(cluster, "proxy-url").empty()) {
      fail(cluster["proxy-url"],
           "`proxy-url` is not supported; the API server has to be reached directly");
    }
    config.ca_data = pem(cluster, "certificate-authority-data");
    config.ca_file = path(cluster, "certificate-authority");
    config.tls_server_name = text(cluster, "tls-server-name");
    config.insecure_skip_tls_verify = flag(cluster, "insecure-skip-tls-verify");
    if (config.insecure_skip_tls_verify && (!config.ca_data.empty() || !config.ca_file.empty())) {
      fail(cluster["insecure-skip-tls-verify"],
           "a certificate authority and `insecure-skip-tls-verify` exclude each other; keep one");
    }
  }

  void read_user(const YAML::Node& user, ApiConfig& config) const {
    config.token = text(user, "token");
    config.token_file = path(user, "tokenFile");
    config.client_certificate_data = pem(user, "client-certificate-data");
    config.client_certificate_file = path(user, "client-certificate");
    config.client_key_data = pem(user, "client-key-data");
    config.client_key_file = path(user, "client-key");
    config.username = text(user, "username");
    config.password = text(user, "password");
    const bool certificate =
        !config.client_certificate_data.empty() || !config.client_certificate_file.empty();
    const bool key = !config.client_key_data.empty() || !config.client_key_file.empty();
    if (certificate != key) {
      fail(user, certificate ? "there is a client certificate without a `client-key`"
                             : "there is a client key without a `client-certificate`");
    }
    for (const char* const unsupported : {"auth-provider", "as", "as-uid", "as-groups"}) {
      if (user[unsupported]) {
        fail(user[unsupported], "`" + std::string(unsupported) +
                                    "` is not supported; use a token, a client certificate or `exec`");
      }
    }
    if (const YAML::Node exec = user["exec"]) read_exec(exec, config);
  }

  void read_exec(const YAML::Node& exec, ApiConfig& config) const {
    if (!exec.IsMap()) fail(exec, "`exec` has to be a map");
    ExecPlugin plugin;
    plugin.command = text(exec, "command");
    if (plugin.command.empty()) fail(exec, "`exec` has no `command`");
    // A relative path with a folder is relative to the kubeconfig; a bare name is searched in PATH.
    if (plugin.command.find('/') != std::string::npos && plugin.command[0] != '/') {
      plugin.command = (file_.parent_path() / plugin.command).string();
    }
    plugin.api_version = text(exec, "apiVersion");
    if (plugin.api_version != "client.authentication.k8s.io/v1" &&
        plugin.api_version != "client.authentication.k8s.io/v1beta1") {
      fail(exec, "`apiVersion` of `exec` has to be client.authentication.k8s.io/v1 or …/v1beta1");
    }
    if (text(exec, "interactiveMode") == "Always") {
      fail(exec["interactiveMode"], "a plugin that always asks a person cannot serve here");
    }
    plugin.install_hint = text(exec, "installHint");
    plugin.provide_cluster_info = flag(exec, "provideClusterInfo");
    if (const YAML::Node args = exec["args"]; args && !args.IsNull()) {
      if (!args.IsSequence()) fail(args, "`args` has to be a list");
      for (const YAML::Node& arg : args) {
        if (!arg.IsScalar()) fail(arg, "an argument has to be a text");
        plugin.args.push_back(arg.Scalar());
      }
    }
    if (const YAML::Node env = exec["env"]; env && !env.IsNull()) {
      if (!env.IsSequence()) fail(env, "`env` has to be a list of `name` and `value`");
      for (const YAML::Node& entry : env) {
        if (!entry.IsMap()) fail(entry, "an entry of `env` has to have `name` and `value`");
        plugin.env.emplace_back(text(entry, "name"), text(entry, "value"));
      }
    }
    config.exec = std::move(plugin);
  }

  std::filesystem::path file_;
  YAML::Node root_;
};

}  // namespace

ApiConfig load_kubeconfig(const std::filesystem::path& file, const std::string& context) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) {
    throw ConfigProblem("the kubeconfig '" + file.string() + "' cannot be read: " + error.message());
  }
  if (size > kMaxSize) {
    throw ConfigProblem("'" + file.string() + "' is larger than any kubeconfig (4 MiB)");
  }
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw ConfigProblem("the kubeconfig '" + file.string() + "' cannot be read");
  return Reader(file, std::move(text).str()).read(context);
}

}  // namespace clusterdns::registry::kubernetes
