// prometheus [ADDRESS:PORT] { tls … }
#include <algorithm>
#include <array>
#include <filesystem>

#include <yaml-cpp/yaml.h>

#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/directive.h"
#include "app/directives/last_good.h"
#include "app/directives/tls_files.h"
#include "app/directives/upstream_lookups.h"
#include "dns/base/regular_file.h"

namespace clusterdns::app {
namespace {

// CoreDNS's.
constexpr std::string_view kDefaultAddress = "localhost:9153";
// Octets of a file of `tls FILE`.
constexpr std::size_t kMaxWebConfig = 64 * 1024;

struct Reading {
  std::optional<Directive> tls = {};
};

constexpr Option kOptions[] = {
    idle_option("runtime_metrics", "", "accepted, and without effect: there is no Go runtime here"),
    option<[](const Directive& line, Reading& reading) { reading.tls = line; }>(
        "tls", "FILE|CERT [KEY] [CA]",
        "serves HTTPS: with a certificate and its key (PEM), and only for clients that CA knows, "
        "or as a web configuration file of Prometheus says",
        {}, Option::Kind::Line, true),
};

// A file in the form of Prometheus's exporters (exporter-toolkit, web configuration), of which
// `tls_server_config` is read.
class WebConfig {
 public:
  WebConfig(const Token& word, const std::filesystem::path& root)
      : path_(expand_path(word.text)), file_(word) {
    if (path_.is_relative()) path_ = root / path_;
  }

  // The words of `tls CERT KEY [CA]`, at their places in the file.
  std::vector<Token> read(dns::TlsSettings& settings) {
    const auto text = dns::read_regular_file(path_, kMaxWebConfig);
    if (!text) fail(file_, text.error());
    try {
      const YAML::Node root = YAML::Load(*text);
      if (!root.IsMap()) fail(file_, "is no web configuration: it has no `tls_server_config`");
      for (const auto& entry : root) read_root(entry.first, entry.second, settings);
    } catch (const YAML::Exception& e) {
      fail(at(e.mark), "is not YAML: " + e.msg);
    }
    if (words_[0].text.empty() || words_[1].text.empty()) {
      fail(file_, "names no certificate; write `cert_file` and `key_file` in `tls_server_config`");
    }
    const bool verifies = settings.client_auth == dns::TlsClientAuth::VerifyIfGiven ||
                          settings.client_auth == dns::TlsClientAuth::RequireAndVerify;
    if (verifies == words_[2].text.empty()) {
      fail(file_, verifies ? "verifies clients and names no `client_ca_file`"
                           : "names a `client_ca_file`, and `client_auth_type` verifies nobody");
    }
    return {words_.begin(), words_.end() - (words_[2].text.empty() ? 1 : 0)};
  }
  [[nodiscard]] std::filesystem::path folder() const { return path_.parent_path(); }

 private:
  [[nodiscard]] Position at(const YAML::Mark& mark) const {
    if (mark.is_null()) return {path_.string(), 1, 1};
    return {path_.string(), mark.line + 1, mark.column + 1};
  }
  [[noreturn]] void refuse(const YAML::Node& key) const {
    fail(at(key.Mark()), in_quotes(key.Scalar()) +
                             " is not supported; write `tls_server_config` with `cert_file`, "
                             "`key_file`, `client_auth_type` and `client_ca_file`");
  }
  void read_root(const YAML::Node& key, const YAML::Node& value, dns::TlsSettings& settings) {
    if (key.Scalar() == "http_server_config") return;  // HTTP/2 and headers
    // Without what protects nothing is served.
    if (key.Scalar() != "tls_server_config" || !value.IsMap()) refuse(key);
    for (const auto& entry : value) read_tls(entry.first, entry.second, settings);
  }
  void read_tls(const YAML::Node& key, const YAML::Node& value, dns::TlsSettings& settings) {
    static constexpr std::array<std::string_view, 3> kFiles = {"cert_file", "key_file",
                                                               "client_ca_file"};
    static constexpr std::array<std::string_view, 5> kAuth = {
        "NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert"};
    const std::string name = key.Scalar();
    if (!value.IsScalar()) refuse(key);
    const Token word{value.Scalar(), at(value.Mark())};
    const auto file = std::find(kFiles.begin(), kFiles.end(), name);
    if (file != kFiles.end()) {
      words_[static_cast<std::size_t>(file - kFiles.begin())] = word;
    } else if (name == "client_auth_type") {
      const std::string_view auth = parse_choice(word, kAuth);
      settings.client_auth = static_cast<dns::TlsClientAuth>(
          std::find(kAuth.begin(), kAuth.end(), auth) - kAuth.begin());
    } else if (name == "min_version"
                   ? word.text != "TLS12" && word.text != "TLS11" && word.text != "TLS10"
                   : name != "prefer_server_cipher_suites") {
      refuse(key);
    }
  }

  std::filesystem::path path_;
  const Token file_;
  std::array<Token, 3> words_;  // of kFiles
};

dns::TlsSettings read_tls(const Directive& line, BlockSetup& setup) {
  dns::TlsSettings settings;
  std::vector<Token> words = line.args;
  std::filesystem::path root = setup.root;
  if (words.size() == 1) {
    WebConfig file(words[0], root);
    words = file.read(settings);
    root = file.folder();
  } else if (words.size() == 3) {
    settings.client_auth = dns::TlsClientAuth::RequireAndVerify;
  }
  return TlsFiles(words, root, line.args[0].at, "prometheus", &dns::TlsContext::for_server,
                  setup.environment.logger, settings)
      .load()
      ->settings();
}

}  // namespace

std::span<const Option> prometheus_options() { return kOptions; }

void set_up_prometheus(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  AdminPlan& plan = environment.admin;
  Reading reading;
  read_options(directive, kOptions, environment.problems, reading);
  require_arguments(directive, 0, 1, "prometheus [ADDRESS:PORT]");
  const Token address = directive.args.empty()
                            ? Token{std::string(kDefaultAddress), directive.name.at}
                            : with_address(directive.args[0], environment);
  MetricsPlan exporter{{}, directive.name.at};
  if (reading.tls && environment.elsewhere) {
    exporter.tls.emplace();
  } else if (reading.tls) {
    std::string key = "prometheus tls " + setup.root.string();
    for (const Token& word : reading.tls->args) key += "\n" + word.text;
    exporter.tls = or_last_good(environment, key, [&] { return read_tls(*reading.tls, setup); });
  }
  plan.serve(address, plan.metrics);
  const std::string key = parse_http_address(address).key();
  const auto [known, fresh] = plan.exporters.emplace(key, exporter);
  if (!fresh && known->second.tls != exporter.tls) {
    throw ConfigError(directive.name.at,
                      "/metrics of " + in_quotes(address.text) + " has another `tls` at " +
                          to_string(known->second.at) + "; give both the same, or another address");
  }
  setup.count = true;
}

}  // namespace clusterdns::app
