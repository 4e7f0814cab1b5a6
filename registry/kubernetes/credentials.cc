#include "registry/kubernetes/credentials.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "registry/files/regular_file.h"

#include "dns/base/byte_order_mark.h"

namespace clusterdns::registry::kubernetes {
namespace {

// Long enough for a plugin that asks a cloud, short enough to try again.
constexpr std::chrono::seconds kPluginLimit{20};
// A credential is renewed this long before it expires.
constexpr std::chrono::seconds kRenewBefore{10};
// A plugin that fails, or whose credential is of no use, is asked again after this long, which
// doubles up to the other: it may be a cloud's API that it asks.
constexpr std::chrono::milliseconds kPluginSoonest{1000}, kPluginLatest{30'000};
constexpr std::size_t kMaxFile = 1024 * 1024;  // octets of a token or a bundle of certificates

std::string read_file(const std::filesystem::path& file) {
  auto text = read_regular_file(file, kMaxFile);
  if (!text) throw ConfigProblem("'" + file.string() + "' " + text.error());
  if (const char* const foreign = dns::foreign_encoding(*text)) {
    throw ConfigProblem("'" + file.string() + "' " + foreign);
  }
  dns::drop_byte_order_mark(*text);
  return std::move(*text);
}

std::string trimmed(std::string text) {
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

// As a header's value. What ends a line would let the rest of the token be a header of its own.
std::string authorization_of(const std::string& scheme, const std::string& secret,
                             const std::string& whose) {
  const bool good = std::all_of(secret.begin(), secret.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  if (!good) throw ConfigProblem(whose + " holds a line break or another control character");
  return scheme + " " + secret;
}

void check(const boost::system::error_code& error, const std::string& what) {
  if (error) throw ConfigProblem(what + ": " + error.message());
}

}  // namespace

Credentials::Credentials(boost::asio::io_context& io, ApiConfig config,
                         std::shared_ptr<spdlog::logger> logger)
    : config_(std::move(config)),
      logger_(std::move(logger)),
      kubeconfig_stamps_(stamps_of(config_.kubeconfigs)),
      plugin_(io, kPluginLimit) {}

Credentials::Stamp Credentials::stamp_of(const std::filesystem::path& file) {
  struct stat s {};
  if (file.empty() || ::stat(file.c_str(), &s) != 0) return {};
  return {static_cast<std::int64_t>(s.st_mtim.tv_sec) * 1'000'000'000 + s.st_mtim.tv_nsec,
          static_cast<std::int64_t>(s.st_size), s.st_ino};
}

std::vector<Credentials::Stamp> Credentials::stamps_of(
    const std::vector<std::filesystem::path>& files) {
  std::vector<Stamp> stamps;
  for (const auto& file : files) stamps.push_back(stamp_of(file));
  return stamps;
}

std::vector<Credentials::Stamp> Credentials::stamps(bool of_tls) const {
  if (!of_tls) return stamps_of({config_.token_file});
  return stamps_of({config_.ca_file, config_.client_certificate_file, config_.client_key_file});
}

void Credentials::rejected() {
  stale_ = true;
  plugin_asked_ = false;
  plugin_helped_ = false;
}

bool Credentials::has_plugin_credential() const {
  if (plugin_credential_.token.empty() && plugin_credential_.client_certificate_data.empty()) {
    return false;
  }
  return !plugin_credential_.expires ||
         *plugin_credential_.expires > std::chrono::system_clock::now();
}

bool Credentials::plugin_is_due() const {
  if (!config_.exec || !config_.any_tls()) return false;
  if (std::chrono::steady_clock::now() < plugin_again_) return false;
  if (!plugin_asked_) return true;
  return plugin_credential_.expires &&
         *plugin_credential_.expires - kRenewBefore <= std::chrono::system_clock::now();
}

void Credentials::start_plugin() {
  plugin_.start(*config_.exec, config_,
                [this](const std::string& error, ExecCredential credential) {
                  plugin_ended(error, std::move(credential));
                });
}

void Credentials::plugin_ended(const std::string& error, ExecCredential credential) {
  plugin_pause_ = plugin_helped_ ? kPluginSoonest : std::min(plugin_pause_ * 2, kPluginLatest);
  plugin_again_ = std::chrono::steady_clock::now() + plugin_pause_;
  if (error.empty()) {
    plugin_credential_ = std::move(credential);
    plugin_asked_ = true;
    stale_ = true;
  } else if (error != plugin_error_) {
    logger_->error("plugin/kubernetes: the credential plugin {}", error);
  }
  plugin_error_ = error;
  plugin_helped_ = error.empty() && has_plugin_credential();
  for (const auto& each : std::exchange(waiting_, {})) settle(each);
}

void Credentials::reload_kubeconfig() {
  if (config_.kubeconfigs.empty()) return;
  auto now = stamps_of(config_.kubeconfigs);
  if (now == kubeconfig_stamps_) return;
  kubeconfig_stamps_ = std::move(now);
  try {
    ApiConfig next = load_kubeconfig(config_.kubeconfigs, config_.context);
    if (next == config_) return;
    config_ = std::move(next);
    stale_ = true;
    // What a plugin said, or is about to say, is of the user before.
    plugin_.cancel();
    plugin_asked_ = false;
    plugin_credential_ = {};
    plugin_error_.clear();
    plugin_again_ = {};
    authorization_.clear();
    logger_->info("plugin/kubernetes: read the kubeconfig '{}' again",
                  config_.kubeconfigs.front().string());
    for (const std::string& warning : config_.warnings) {
      logger_->warn("plugin/kubernetes: {}", warning);
    }
  } catch (const ConfigProblem& e) {
    logger_->error("plugin/kubernetes: {}; still using what was read before", e.what());
  }
}

void Credentials::reload_token() {
  token_error_.clear();
  try {
    if (!config_.any_tls()) {
      authorization_.clear();
    } else if (!plugin_credential_.token.empty()) {
      authorization_ = authorization_of("Bearer", plugin_credential_.token, "the plugin's token");
    } else if (!config_.token_file.empty()) {
      const std::string file = "'" + config_.token_file.string() + "'";
      const std::string token = trimmed(read_file(config_.token_file));
      if (token.empty()) throw ConfigProblem(file + " is empty");
      authorization_ = authorization_of("Bearer", token, file);
    } else if (!config_.token.empty()) {
      authorization_ = authorization_of("Bearer", config_.token, "the token");
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
    // A key with a passphrase is of no use here; OpenSSL would ask the terminal for it, and wait.
    next->set_password_callback(
        [](std::size_t, ssl::context::password_purpose) { return std::string(); }, error);
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
                         " is not a PEM certificate");
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
      check(error, "the client certificate is not a PEM certificate");
      next->use_private_key(boost::asio::buffer(key), ssl::context::pem, error);
      check(error, "the client key is not a PEM key for that certificate");
    }
    tls_ = std::move(next);
    ++tls_generation_;
  } catch (const std::exception& e) {
    tls_error_ = e.what();
  }
}

void Credentials::prepare(std::function<void(const std::string&)> ready) {
  reload_kubeconfig();
  if (plugin_is_due() && !plugin_.running()) start_plugin();
  // One that is being renewed serves until it expires.
  if (plugin_.running() && !(plugin_asked_ && has_plugin_credential())) {
    waiting_.push_back(std::move(ready));
    return;
  }
  // Those who wait for a plugin of a user that is not asked any more.
  if (!plugin_.running()) {
    for (const auto& each : std::exchange(waiting_, {})) settle(each);
  }
  settle(ready);
}

void Credentials::settle(const std::function<void(const std::string&)>& ready) {
  const bool any_tls = config_.any_tls();
  if (config_.exec && any_tls && !plugin_error_.empty() && !has_plugin_credential()) {
    return ready("the credential plugin " + plugin_error_);
  }
  const bool all = std::exchange(stale_, false);
  if (auto now = stamps(false); all || now != token_stamps_ || !token_error_.empty()) {
    token_stamps_ = std::move(now);
    reload_token();
  }
  if (any_tls) {
    // Half of a rotated pair does not load; it is tried again each time.
    if (auto now = stamps(true);
        tls_ == nullptr || now != tls_stamps_ || !tls_error_.empty() || (all && config_.exec)) {
      tls_stamps_ = std::move(now);
      reload_tls();
    }
  }
  const std::string problem = !token_error_.empty() ? token_error_ : tls_error_;
  if (problem != logged_) {
    if (!problem.empty()) logger_->error("plugin/kubernetes: credentials: {}", problem);
    logged_ = problem;
  }
  const bool usable =
      (token_error_.empty() || !authorization_.empty()) && (!any_tls || tls_ != nullptr);
  ready(usable ? std::string() : problem);
}

}  // namespace clusterdns::registry::kubernetes
