// Reading a kubeconfig (client-go's clientcmd format).
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "dns/base/byte_order_mark.h"
#include "registry/files/regular_file.h"
#include "registry/json_text.h"
#include "registry/kubernetes/config.h"
#include "registry/manifests/json_documents.h"
#include "registry/manifests/scalar.h"

namespace clusterdns::registry::kubernetes {
namespace {

// One file, and what is read of it.
class Document {
 public:
  Document(std::filesystem::path file, std::string content) : file_(std::move(file)) {
    if (find_json(content)) write_surrogates_as_yaml(content);
    try {
      root_ = YAML::Load(content);
    } catch (const YAML::Exception& e) {
      fail(e.mark, e.msg);
    }
    // An empty file is a kubeconfig without anything, as for kubectl.
    if (!root_.IsMap() && !root_.IsNull()) {
      fail(root_, "this is not a kubeconfig; it has to be a map with `clusters`");
    }
  }

  [[noreturn]] void fail(const YAML::Node& at, const std::string& what) const {
    fail(at.Mark(), what);
  }
  [[nodiscard]] std::string place(const YAML::Node& at) const { return place(at.Mark()); }

  [[nodiscard]] std::string current_context() const {
    return root_.IsMap() ? text(root_, "current-context") : std::string();
  }

  // The body of the entry of that name; undefined when there is none. `known` gets the other names.
  YAML::Node named(const char* list, const std::string& name, const char* body,
                   std::string& known) const {
    YAML::Node found(YAML::NodeType::Undefined);
    if (!root_.IsMap()) return found;
    const YAML::Node entries = root_[list];
    if (!entries || entries.IsNull()) return found;
    if (!entries.IsSequence()) fail(entries, "`" + std::string(list) + "` has to be a list");
    for (const YAML::Node& entry : entries) {
      if (!entry.IsMap()) fail(entry, "an entry of `" + std::string(list) + "` has to be a map");
      const std::string its_name = text(entry, "name");
      known += (known.empty() ? "" : ", ") + its_name;
      if (its_name != name) continue;
      if (found.IsDefined()) {
        fail(entry, "`" + std::string(list) + "` has '" + name + "' twice; remove one");
      }
      const YAML::Node content = entry[body];
      if (!content || !content.IsMap()) {
        fail(entry, "`" + std::string(body) + "` of '" + name + "' is missing");
      }
      found.reset(content);
    }
    return found;
  }
  [[nodiscard]] const YAML::Node& root() const { return root_; }

  [[nodiscard]] std::string text(const YAML::Node& map, const char* key) const {
    const YAML::Node value = map[key];
    if (!value || value.IsNull()) return {};
    if (!value.IsScalar()) fail(value, "`" + std::string(key) + "` has to be a string");
    return value.Scalar();
  }

  [[nodiscard]] bool flag(const YAML::Node& map, const char* key) const {
    const YAML::Node value = map[key];
    if (!value || value.IsNull()) return false;
    // As kubectl reads it: `yes` is true, and what stands in quotes is a string.
    const bool quoted = value.Tag() == "!";
    const Scalar scalar = value.IsScalar() && !quoted ? resolve_scalar(value.Scalar()) : Scalar{};
    if (scalar.type != Scalar::Type::Boolean) {
      fail(value, "`" + std::string(key) + "` has to be true or false" +
                      (quoted ? ", without quotes" : ""));
    }
    return scalar.boolean;
  }

  // Whether it says anything: null and what is empty is what Go's programs write for nothing.
  [[nodiscard]] static bool is_set(const YAML::Node& node) {
    if (!node || node.IsNull()) return false;
    return node.IsScalar() ? !node.Scalar().empty() : node.size() > 0;
  }

  // Relative to the kubeconfig's folder, as client-go has it.
  [[nodiscard]] std::filesystem::path path(const YAML::Node& map, const char* key) const {
    const std::string value = text(map, key);
    if (value.empty()) return {};
    const std::filesystem::path given(value);
    return given.is_absolute() ? given : folder() / given;
  }
  [[nodiscard]] std::filesystem::path folder() const { return file_.parent_path(); }

  [[nodiscard]] std::string pem(const YAML::Node& map, const char* key) const {
    const std::string value = text(map, key);
    if (value.empty()) return {};
    auto decoded = decode_base64(value);
    if (!decoded) fail(map[key], "`" + std::string(key) + "` is not base64");
    return std::move(*decoded);
  }

  // What becomes part of a command line or an environment ends at a zero octet there.
  [[nodiscard]] std::string plain(const YAML::Node& at, std::string value) const {
    if (value.find('\0') != std::string::npos) fail(at, "a zero octet cannot be passed on");
    return value;
  }

 private:
  [[nodiscard]] std::string place(const YAML::Mark& mark) const {
    return file_.string() + ":" + std::to_string(mark.line + 1) + ":" +
           std::to_string(mark.column + 1) + ": ";
  }
  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) const {
    throw ConfigProblem(place(mark) + what);
  }

  std::filesystem::path file_;
  YAML::Node root_;
};

class Reader {
 public:
  explicit Reader(std::vector<Document> documents) : documents_(std::move(documents)) {}

  ApiConfig read(const std::string& wanted_context) {
    ApiConfig config;
    config.context = wanted_context;
    std::string context = wanted_context;
    for (const Document& document : documents_) {
      if (context.empty()) context = document.current_context();
    }
    if (context.empty()) {
      const Document& first = documents_.front();
      first.fail(first.root(), "`current-context` is not set; set it, or name a context");
    }
    const Found chosen = named("contexts", context, "context");
    const std::string cluster_name = chosen.in.text(chosen.node, "cluster");
    if (cluster_name.empty()) {
      chosen.in.fail(chosen.node, "the context '" + context + "' names no `cluster`");
    }
    read_cluster(named("clusters", cluster_name, "cluster"), config);
    const std::string user_name = chosen.in.text(chosen.node, "user");
    if (user_name.empty()) return config;
    const Found user = named("users", user_name, "user");
    if (config.any_tls()) {
      read_user(user, config);
    } else if (user.node.size() > 0) {
      config.warnings.push_back(user.in.place(user.node) + "the API server of '" + cluster_name +
                                "' is not behind TLS, so it is not told who we are: the user '" +
                                user_name + "' is not used; write https:// in `server`");
    }
    return config;
  }

 private:
  struct Found {
    const Document& in;
    YAML::Node node;
  };

  Found named(const char* list, const std::string& name, const char* body) const {
    std::string known;
    for (const Document& document : documents_) {
      const YAML::Node found = document.named(list, name, body, known);
      if (found.IsDefined()) return {document, found};
    }
    const Document& first = documents_.front();
    first.fail(first.root(), "there is no " + std::string(body) + " '" + name + "' in `" + list +
                                 "`; these exist: " + (known.empty() ? "none" : known));
  }

  static void read_cluster(const Found& found, ApiConfig& config) {
    const auto& [in, cluster] = found;
    if (!in.text(cluster, "proxy-url").empty()) {
      in.fail(cluster["proxy-url"],
              "`proxy-url` is not supported; the API server has to be reached directly");
    }
    config.ca_data = in.pem(cluster, "certificate-authority-data");
    config.ca_file = in.path(cluster, "certificate-authority");
    config.tls_server_name = in.text(cluster, "tls-server-name");
    config.insecure_skip_tls_verify = in.flag(cluster, "insecure-skip-tls-verify");
    const bool authority = !config.ca_data.empty() || !config.ca_file.empty();
    if (config.insecure_skip_tls_verify && authority) {
      in.fail(cluster["insecure-skip-tls-verify"],
              "a certificate authority is named, which `insecure-skip-tls-verify` would ignore; "
              "remove `insecure-skip-tls-verify`");
    }
    const std::string server = in.text(cluster, "server");
    if (server.empty()) in.fail(cluster, "the cluster has no `server`");
    try {
      config.servers.push_back(
          parse_api_server(server, authority || config.insecure_skip_tls_verify));
    } catch (const ConfigProblem& e) {
      in.fail(cluster["server"], e.what());
    }
    if (config.insecure_skip_tls_verify && config.any_tls()) {
      config.warnings.push_back(in.place(cluster["insecure-skip-tls-verify"]) +
                                "`insecure-skip-tls-verify`: whoever answers at " +
                                config.servers.front().host_port() +
                                " is trusted as the API server and gets the credentials; name its "
                                "`certificate-authority` instead");
    }
  }

  static void read_user(const Found& found, ApiConfig& config) {
    const auto& [in, user] = found;
    config.token = in.text(user, "token");
    config.token_file = in.path(user, "tokenFile");
    config.client_certificate_data = in.pem(user, "client-certificate-data");
    config.client_certificate_file = in.path(user, "client-certificate");
    config.client_key_data = in.pem(user, "client-key-data");
    config.client_key_file = in.path(user, "client-key");
    config.username = in.text(user, "username");
    config.password = in.text(user, "password");
    const bool certificate =
        !config.client_certificate_data.empty() || !config.client_certificate_file.empty();
    const bool key = !config.client_key_data.empty() || !config.client_key_file.empty();
    if (certificate != key) {
      in.fail(user, certificate ? "there is a client certificate without a `client-key`"
                                : "there is a client key without a `client-certificate`");
    }
    for (const char* const unsupported :
         {"auth-provider", "as", "as-uid", "as-groups", "as-user-extra"}) {
      if (Document::is_set(user[unsupported])) {
        in.fail(user[unsupported],
                "`" + std::string(unsupported) +
                    "` is not supported; use a token, a client certificate or `exec`");
      }
    }
    const YAML::Node exec = user["exec"];
    if (exec && !exec.IsNull()) read_exec(in, exec, config);
  }

  static void read_exec(const Document& in, const YAML::Node& exec, ApiConfig& config) {
    if (!exec.IsMap()) in.fail(exec, "`exec` has to be a map");
    ExecPlugin plugin;
    plugin.command = in.plain(exec, in.text(exec, "command"));
    if (plugin.command.empty()) in.fail(exec, "`exec` has no `command`");
    // A relative path with a folder is relative to the kubeconfig; a bare name is searched in PATH.
    if (plugin.command.find('/') != std::string::npos && plugin.command[0] != '/') {
      plugin.command = (in.folder() / plugin.command).string();
    }
    plugin.api_version = in.text(exec, "apiVersion");
    if (plugin.api_version != "client.authentication.k8s.io/v1" &&
        plugin.api_version != "client.authentication.k8s.io/v1beta1") {
      in.fail(exec,
              "`apiVersion` of `exec` has to be client.authentication.k8s.io/v1 or …/v1beta1");
    }
    if (in.text(exec, "interactiveMode") == "Always") {
      in.fail(exec["interactiveMode"], "a plugin that always asks a person cannot be used here");
    }
    plugin.install_hint = in.text(exec, "installHint");
    plugin.provide_cluster_info = in.flag(exec, "provideClusterInfo");
    if (const YAML::Node args = exec["args"]; args && !args.IsNull()) {
      if (!args.IsSequence()) in.fail(args, "`args` has to be a list");
      for (const YAML::Node& arg : args) {
        if (!arg.IsScalar()) in.fail(arg, "an argument has to be a string");
        plugin.args.push_back(in.plain(arg, arg.Scalar()));
      }
    }
    if (const YAML::Node env = exec["env"]; env && !env.IsNull()) {
      if (!env.IsSequence()) in.fail(env, "`env` has to be a list of `name` and `value`");
      for (const YAML::Node& entry : env) {
        if (!entry.IsMap()) in.fail(entry, "an entry of `env` has to have `name` and `value`");
        std::string name = in.plain(entry, in.text(entry, "name"));
        if (name.empty() || name.find('=') != std::string::npos) {
          in.fail(entry, "'" + name + "' is not a valid variable name; write `name` and `value`");
        }
        plugin.env.emplace_back(std::move(name), in.plain(entry, in.text(entry, "value")));
      }
    }
    config.exec = std::move(plugin);
  }

  std::vector<Document> documents_;
};

}  // namespace

std::vector<std::filesystem::path> split_kubeconfig_list(const std::string& list) {
  std::error_code ignored;
  if (std::filesystem::exists(list, ignored)) return {list};
  std::vector<std::filesystem::path> files;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    const std::filesystem::path file = list.substr(at, end - at);
    if (!file.empty() && std::find(files.begin(), files.end(), file) == files.end()) {
      files.push_back(file);
    }
    at = end + 1;
  }
  return files;
}

ApiConfig load_kubeconfig(const std::vector<std::filesystem::path>& files,
                          const std::string& context) {
  std::vector<Document> documents;
  std::string missing;
  for (const auto& file : files) {
    std::error_code ignored;
    if (files.size() > 1 && !std::filesystem::exists(file, ignored)) {
      missing += (missing.empty() ? "'" : ", '") + file.string() + "'";
      continue;
    }
    auto content = read_regular_file(file, kMaxKubeconfigSize);
    if (!content) {
      throw ConfigProblem("the kubeconfig '" + file.string() + "' " + content.error());
    }
    dns::drop_byte_order_mark(*content);
    documents.emplace_back(file, std::move(*content));
  }
  if (documents.empty()) {
    throw ConfigProblem(files.empty() ? "no kubeconfig is named"
                                      : "there is no kubeconfig: none of " + missing + " exists");
  }
  ApiConfig config = Reader(std::move(documents)).read(context);
  config.kubeconfigs = files;
  return config;
}

}  // namespace clusterdns::registry::kubernetes
