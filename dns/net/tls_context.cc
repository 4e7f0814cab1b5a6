#include "dns/net/tls_context.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <cstdlib>
#include <stdexcept>

#include "dns/base/regular_file.h"
#include "dns/net/tls_stream.h"

namespace clusterdns::dns {
namespace {

namespace ssl = boost::asio::ssl;

// Where distributions have their bundle, in the order in which Go looks: the program is one file
// that runs on any of them.
constexpr std::array<const char*, 6> kBundles = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem"};

// Read now, as a whole: OpenSSL would look for files of a folder while a worker waits.
void believe_the_machine(ssl::context& context) {
  const auto add = [&](const char* file) {
    const auto text = read_regular_file(file, kMaxPem);
    if (!text) return false;
    boost::system::error_code error;
    context.add_certificate_authority(boost::asio::buffer(*text), error);
    return !error;
  };
  const char* const chosen = std::getenv("SSL_CERT_FILE");
  if (chosen != nullptr && *chosen != '\0') {
    if (add(chosen)) return;
    throw std::runtime_error("$SSL_CERT_FILE ('" + std::string(chosen) +
                             "') cannot be read, or holds no certificate in PEM");
  }
  for (const char* const file : kBundles) {
    if (add(file)) return;
  }
  throw std::runtime_error("this machine has no bundle of certificate authorities (" +
                           std::string(kBundles[0]) + "); install one, or name a file of them");
}

void believe(ssl::context& context, const TlsSettings& settings) {
  if (settings.authorities.empty()) return believe_the_machine(context);
  boost::system::error_code error;
  context.add_certificate_authority(boost::asio::buffer(settings.authorities), error);
  if (error) {
    throw std::runtime_error("the certificate authorities cannot be read; they must be in PEM");
  }
}

void harden(ssl::context& context) {
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                      ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
}

}  // namespace

void use_identity(ssl::context& context, const TlsIdentity& identity) {
  harden(context);
  // OpenSSL would ask the terminal for a passphrase, and wait.
  context.set_password_callback(
      [](std::size_t, ssl::context::password_purpose) { return std::string(); });
  try {
    context.use_certificate_chain(boost::asio::buffer(identity.chain));
  } catch (const boost::system::system_error&) {
    throw std::runtime_error("the certificate cannot be read; it must be a chain in PEM");
  }
  try {
    context.use_private_key(boost::asio::buffer(identity.key), ssl::context::pem);
  } catch (const boost::system::system_error&) {
    throw std::runtime_error(
        "the key cannot be read, or is not the certificate's; it must be in "
        "PEM, without a passphrase");
  }
}

void ask_clients(ssl::context& context, const TlsSettings& settings) {
  const TlsClientAuth auth = settings.client_auth;
  if (auth == TlsClientAuth::None) return;
  SSL_CTX* const native = context.native_handle();
  // Sessions of clients that are verified are of this server alone.
  static constexpr unsigned char kId[] = "clusterdns";
  ::SSL_CTX_set_session_id_context(native, kId, sizeof kId - 1);
  ssl::verify_mode mode = ssl::verify_peer;
  if (auth == TlsClientAuth::Require || auth == TlsClientAuth::RequireAndVerify) {
    mode |= ssl::verify_fail_if_no_peer_cert;
  }
  context.set_verify_mode(mode);
  if (auth == TlsClientAuth::Request || auth == TlsClientAuth::Require) {
    ::SSL_CTX_set_cert_verify_callback(
        native, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    return;
  }
  believe(context, settings);
  if (settings.authorities.empty()) return;
  // A client that has several certificates is told which ones are of use.
  STACK_OF(X509_OBJECT)* const all = ::X509_STORE_get0_objects(::SSL_CTX_get_cert_store(native));
  for (int i = 0; i < sk_X509_OBJECT_num(all); ++i) {
    if (X509* const authority = ::X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i))) {
      ::SSL_CTX_add_client_CA(native, authority);
    }
  }
}

TlsContext::TlsContext(TlsSettings settings) : settings_(std::move(settings)) {}
TlsContext::~TlsContext() = default;

std::shared_ptr<const TlsContext> TlsContext::for_client(TlsSettings settings) {
  const std::shared_ptr<TlsContext> made(new TlsContext(std::move(settings)));
  const TlsSettings& now = made->settings_;
  made->context_ = std::make_unique<ssl::context>(ssl::context::tls_client);
  ssl::context& context = *made->context_;
  harden(context);
  TlsStream::keep_sessions(context.native_handle());
  context.set_verify_mode(ssl::verify_peer);
  believe(context, now);
  if (!now.identity.chain.empty()) use_identity(context, now.identity);
  return made;
}

std::shared_ptr<const TlsContext> TlsStream::trusting_context() {
  const std::shared_ptr<TlsContext> made(new TlsContext(TlsSettings()));
  made->context_ = std::make_unique<ssl::context>(ssl::context::tls_client);
  harden(*made->context_);
  keep_sessions(made->context_->native_handle());
  made->context_->set_verify_mode(ssl::verify_none);
  return made;
}

std::shared_ptr<const TlsContext> TlsContext::for_server(TlsSettings settings) {
  const std::shared_ptr<TlsContext> made(new TlsContext(std::move(settings)));
  made->context_ = std::make_unique<ssl::context>(ssl::context::tls_server);
  ssl::context& context = *made->context_;
  use_identity(context, made->settings_.identity);
  SSL_CTX* const native = context.native_handle();
  ::SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_num_tickets(native, 1);
  // Octets of the certificates that a client shows; 100 KiB otherwise.
  SSL_CTX_set_max_cert_list(native, 32 * 1024);
  TlsStream::choose_protocols(native);
  ask_clients(context, made->settings_);
  return made;
}

}  // namespace clusterdns::dns
