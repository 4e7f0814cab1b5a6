#include "registry/kubernetes/credentials.h"

#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <algorithm>
#include <fstream>
#include <sstream>

namespace clusterdns::registry::kubernetes {
namespace {

// Long enough for a plugin that asks a cloud, short enough to try again.
constexpr std::chrono::seconds kPluginLimit{20};
// A credential is renewed this long before it expires.
constexpr std::chrono::seconds kRenewBefore{10};
constexpr std::streamsize kMaxFile = 1024 * 1024;  // a token or a bundle of certificates

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw ConfigProblem("'" + file.string() + "' cannot be read");
  std::string text(static_cast<std::size_t>(kMaxFile), '\0');
  in.read(text.data(), kMaxFile);
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

std::string trimmed(std::string text) {
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

void check(const boost::system::error_code& error, const std::string& what) {
  if (error) throw ConfigProblem(what + ": " + error.message());
}

}  // namespace

Credentials::Credentials(boost::asio::io_context& io, ApiConfig config,
                         std::shared_ptr<spdlog::logger> logger)
    : io_(io), config_(std::move(config)), logger_(std::move(logger)), plugin_(io, kPluginLimit) {
  if (!config_.kubeconfig.empty()) kubeconfig_stamp_ = stamp_of(config_.kubeconfig);
}

Credentials::Stamp Credentials::stamp_of(const std::filesystem::path& file) {
  struct stat s {};
  if (file.empty() || ::stat(file.c_str(), &s) != 0) return {};
  return {static_cast<std::int64_t>(s.st_mtim.tv_sec) * 1'000'000'000 + s.st_mtim.tv_nsec,
          static_cast<std::int64_t>(s.st_size), s.st_ino};
}

std::vector<Credentials::Stamp> Credentials::stamps(bool of_tls) const {
  if (!of_tls) return {stamp_of(config_.token_file)};
  return {stamp_of(config_.ca_file), stamp_of(config_.client_certificate_file),
          stamp_of(config_.client_key_file)};
}

void Credentials::rejected() {
  stale_ = true;
  plugin_asked_ = false;
}

bool Credentials::plugin_is_due() const {
  if (!config_.exec) return false;
  if (!plugin_asked_) return true;
  return plugin_credential_.expires &&
         *plugin_credential_.expires - kRenewBefore <= std::chrono::system_clock::now();
}

void Credentials::reload_kubeconfig() {
  if (config_.kubeconfig.empty()) return;
  const Stamp now = stamp_of(config_.kubeconfig);
  if (now == kubeconfig_stamp_) return;
  kubeconfig_stamp_ = now;
  try {
    ApiConfig next = load_kubeconfig(config_.kubeconfig, config_.context);
    if (next == config_) return;
    config_ = std::move(next);
    stale_ = true;
    plugin_asked_ = false;
    logger_->info("plugin/kubernetes: read the kubeconfig '{}' again", config_.kubeconfig.string());
  } catch (const ConfigProblem& e) {
    logger_->error("plugin/kubernetes: {}; what was read before stays", e.what());
  }
}

void Credentials::reload_token() {
  token_error_.clear();
  try {
    if (!plugin_credential_.token.empty()) {
      authorization_ = "Bearer " + plugin_credential_.token;
    } else if (!config_.token_file.empty()) {
      const std::string token = trimmed(read_file(config_.token_file));
      if (token.empty()) throw ConfigProblem("'" + config_.token_file.string() + "' is empty");
      authorization_ = "Bearer " + token;
    } else if (!config_.token.empty()) {
      authorization_ = "Bearer " + config_.token;
    } else if (!config_.username.empty()) {
      authorization_ = "Basic " + encode_base64(config_.username + ":" + config_.password);
    } else {
      authorization_.clear();
    }
  } catch (const ConfigProblem& e) {
    // The token before may still be good.
    token_error_ = e.what();
  }
}

void Credentials::reload_tls() {
  tls_error_.clear();
  namespace ssl = boost::asio::ssl;
  try {
    auto next = std::make_shared<ssl::context>(ssl::context::tls_client);
    boost::system::error_code error;
    next->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                      ssl::context::no_tlsv1_1);
    std::string ca = config_.ca_data;
    if (ca.empty() && !config_.ca_file.empty()) ca = read_file(config_.ca_file);
    if (config_.insecure_skip_tls_verify) {
      next->set_verify_mode(ssl::verify_none);
    } else {
      next->set_verify_mode(ssl::verify_peer);
      if (ca.empty()) {
        next->set_default_verify_paths(error);
        check(error, "the machine's certificate authorities cannot be read");
      } else {
        next->add_certificate_authority(boost::asio::buffer(ca), error);
        check(error, "the certificate authority" +
                         (config_.ca_data.empty() ? " '" + config_.ca_file.string() + "'" : "") +
                         " is no PEM certificate");
      }
    }
    std::string certificate = plugin_credential_.client_certificate_data;
    std::string key = plugin_credential_.client_key_data;
    if (certificate.empty()) {
      certificate = config_.client_certificate_data;
      if (certificate.empty() && !config_.client_certificate_file.empty()) {
        certificate = read_file(config_.client_certificate_file);
      }
      key = config_.client_key_data;
      if (key.empty() && !config_.client_key_file.empty()) key = read_file(config_.client_key_file);
    }
    if (!certificate.empty()) {
      next->use_certificate_chain(boost::asio::buffer(certificate), error);
      check(error, "the client certificate is no PEM certificate");
      next->use_private_key(boost::asio::buffer(key), ssl::context::pem, error);
      check(error, "the client key is no PEM key of that certificate");
    }
    tls_ = std::move(next);
    ++tls_generation_;
  } catch (const std::exception& e) {
    tls_error_ = e.what();
  }
}

void Credentials::prepare(std::function<void(const std::string&)> ready) {
  reload_kubeconfig();
  if (plugin_is_due()) {
    waiting_.push_back(std::move(ready));
    if (plugin_.running()) return;
    plugin_.start(*config_.exec, config_, [this](const std::string& error, ExecCredential credential) {
      if (error.empty()) {
        plugin_credential_ = std::move(credential);
        plugin_asked_ = true;
        stale_ = true;
      } else {
        logger_->error("plugin/kubernetes: the credential plugin {}", error);
      }
      auto waiting = std::move(waiting_);
      waiting_.clear();
      for (const auto& each : waiting) {
        if (error.empty()) {
          prepare(each);
        } else {
          each("the credential plugin " + error);
        }
      }
    });
    return;
  }
  const bool all = std::exchange(stale_, false);
  if (auto now = stamps(false); all || now != token_stamps_ || !token_error_.empty()) {
    token_stamps_ = std::move(now);
    reload_token();
  }
  const bool any_tls = std::any_of(config_.servers.begin(), config_.servers.end(),
                                   [](const ApiServer& server) { return server.tls; });
  if (any_tls) {
    // Half of a rotated pair does not load; it is tried again each time.
    if (auto now = stamps(true); tls_ == nullptr || now != tls_stamps_ || !tls_error_.empty() ||
                                 (all && config_.exec)) {
      tls_stamps_ = std::move(now);
      reload_tls();
    }
  }
  const std::string problem = !token_error_.empty() ? token_error_ : tls_error_;
  if (problem != logged_) {
    if (!problem.empty()) logger_->error("plugin/kubernetes: credentials: {}", problem);
    logged_ = problem;
  }
  const bool usable = (token_error_.empty() || !authorization_.empty()) &&
                      (!any_tls || tls_ != nullptr);
  ready(usable ? std::string() : problem);
}

}  // namespace clusterdns::registry::kubernetes
