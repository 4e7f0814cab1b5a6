#include "dns/net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <climits>
#include <new>
#include <utility>

namespace clusterdns::dns {
namespace {

bool is_address(const std::string& name) {
  boost::system::error_code error;
  (void)boost::asio::ip::make_address(name, error);
  return !error;
}

// Go's words for what is wrong with a certificate.
const char* certificate_problem(long verified) noexcept {
  switch (verified) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:  // of an authority by the same name
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "failed to verify certificate: x509: certificate signed by unknown authority";
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "failed to verify certificate: x509: certificate has expired or is not yet valid";
    default: return ::X509_verify_cert_error_string(verified);
  }
}

}  // namespace

// --- TlsPeer ---

TlsPeer::TlsPeer(std::shared_ptr<const TlsContexts> contexts, std::string name)
    : contexts_(std::move(contexts)),
      name_(std::move(name)),
      is_address_(is_address(name_)),
      other_name_("failed to verify certificate: x509: certificate is valid for other names, not " +
                  name_) {}

TlsPeer::~TlsPeer() = default;

void TlsPeer::Free::operator()(SSL_SESSION* session) const noexcept { ::SSL_SESSION_free(session); }

// --- TlsStream ---

// Not OpenSSL's own for sockets: write(2) to a closed one sends a signal.
const BIO_METHOD* TlsStream::socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = ::BIO_meth_new(BIO_TYPE_SOURCE_SINK | ::BIO_get_new_index(), "socket");
    if (made == nullptr) throw std::bad_alloc();
    ::BIO_meth_set_create(made, [](BIO* bio) {
      ::BIO_set_init(bio, 1);
      return 1;
    });
    ::BIO_meth_set_write(made, [](BIO* bio, const char* data, int size) {
      auto& self = *static_cast<TlsStream*>(::BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      const ssize_t sent =
          ::send(self.socket_, data, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) return static_cast<int>(sent);
      self.error_ = errno;
      if (errno == EAGAIN || errno == EINTR) BIO_set_retry_write(bio);
      return -1;
    });
    ::BIO_meth_set_read(made, [](BIO* bio, char* data, int size) {
      auto& self = *static_cast<TlsStream*>(::BIO_get_data(bio));
      ::BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY | BIO_FLAGS_IN_EOF);
      if (self.drained_) {
        BIO_set_retry_read(bio);
        return -1;
      }
      if (self.messages_ > kMessagesBetween) {
        self.error_ = EPROTO;
        self.problem_ = "too many messages after the handshake";
        return -1;
      }
      if (self.established_) size = std::min(size, kOctetsAtOnce);
      const ssize_t got = ::recv(self.socket_, data, static_cast<std::size_t>(size), MSG_DONTWAIT);
      if (got > 0) {
        // Less than there was room for: the next call would learn that there is nothing.
        self.drained_ = got < size;
        if (self.peer_ == nullptr && !self.established_ &&
            !self.hellos_.admit(
                {reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(got)},
                self.ssl_.get())) {
          self.error_ = EPROTO;
          self.problem_ = "ClientHello is too large";
          return -1;
        }
        return static_cast<int>(got);
      }
      if (got == 0) {
        ::BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return 0;
      }
      self.error_ = errno;
      if (errno == EAGAIN || errno == EINTR) {
        self.drained_ = true;
        BIO_set_retry_read(bio);
      }
      return -1;
    });
    ::BIO_meth_set_ctrl(made, [](BIO* bio, int command, long, void*) -> long {
      if (command == BIO_CTRL_FLUSH) return 1;
      if (command == BIO_CTRL_EOF) return ::BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
      return 0;
    });
    return made;
  }();
  return method;
}

void TlsStream::Free::operator()(SSL* ssl) const noexcept { ::SSL_free(ssl); }

void TlsStream::keep_sessions(SSL_CTX* context) noexcept {
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  ::SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
    auto& self = *static_cast<TlsStream*>(SSL_get_app_data(ssl));
    self.peer_->context_ = self.context_;
    self.peer_->session_.reset(session);
    return 1;
  });
}

void TlsStream::choose_protocols(SSL_CTX* context) noexcept {
  ::SSL_CTX_set_alpn_select_cb(
      context,
      [](SSL* ssl, const unsigned char** chosen, unsigned char* size, const unsigned char* named,
         unsigned length, void*) {
        const auto& self = *static_cast<const TlsStream*>(SSL_get_app_data(ssl));
        if (self.protocols_.empty()) return SSL_TLSEXT_ERR_NOACK;
        for (const std::string_view ours : self.protocols_) {
          for (unsigned at = 0; at < length && named[at] < length - at; at += 1U + named[at]) {
            const std::string_view theirs(reinterpret_cast<const char*>(named + at + 1), named[at]);
            if (theirs != ours) continue;
            *chosen = named + at + 1;
            *size = named[at];
            return SSL_TLSEXT_ERR_OK;
          }
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL;
      },
      nullptr);
}

// OpenSSL goes through a flood of them by itself, without telling how many there were.
void TlsStream::watch_messages() noexcept {
  ::SSL_set_msg_callback(
      ssl_.get(), [](int sent, int, int type, const void*, std::size_t, SSL*, void* stream) {
        auto& self = *static_cast<TlsStream*>(stream);
        // An alert that we send refuses something, renegotiation for example.
        const bool counts = sent == 0 ? type == SSL3_RT_HANDSHAKE : type == SSL3_RT_ALERT;
        if (counts && self.established_) ++self.messages_;
      });
  SSL_set_msg_callback_arg(ssl_.get(), this);
}

bool TlsStream::Hellos::admit(std::span<const std::uint8_t> octets, const SSL* ssl) noexcept {
  constexpr std::uint8_t kChangeCipherSpec = 20, kAlert = 21, kHandshake = 22;
  constexpr std::uint8_t kApplicationData = 23;
  constexpr std::uint8_t kClientHello = 1;
  while (!octets.empty() && !over) {
    if (of_record == 0) {
      record[of_head++] = octets.front();
      octets = octets.subspan(1);
      if (of_head < record.size()) continue;
      of_head = 0;
      of_record = static_cast<std::size_t>(record[3]) << 8 | record[4];
      // TLS 1.3 has a ChangeCipherSpec for show, and a second ClientHello may come behind it.
      over = record[0] == kChangeCipherSpec ? ::SSL_version(ssl) <= TLS1_2_VERSION
                                            : record[0] < kAlert || record[0] > kApplicationData;
    } else if (record[0] != kHandshake || of_message != 0) {
      std::size_t taken = std::min(of_record, octets.size());
      if (record[0] == kHandshake) {
        taken = std::min(taken, of_message);
        of_message -= taken;
      }
      octets = octets.subspan(taken);
      of_record -= taken;
    } else {
      message[of_message_head++] = octets.front();
      octets = octets.subspan(1);
      --of_record;
      if (of_message_head < message.size()) continue;
      of_message_head = 0;
      of_message = static_cast<std::size_t>(message[1]) << 16 |
                   static_cast<std::size_t>(message[2]) << 8 | message[3];
      if (message[0] == kClientHello && of_message > kHelloMost) return false;
    }
  }
  return true;
}

bool TlsStream::holds_record() const noexcept { return ::SSL_has_pending(ssl_.get()) == 1; }

void TlsStream::begin(const TlsContext& context) {
  ssl_.reset(::SSL_new(context.context_->native_handle()));
  BIO* const bio = ssl_ == nullptr ? nullptr : ::BIO_new(socket_method());
  if (bio == nullptr) throw std::bad_alloc();
  ::BIO_set_data(bio, this);
  ::SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  watch_messages();
  // Memory for records only while there are some; what the socket does not take may move.
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
  // One record a call, so that receive() can count them; all that is there with one recv(2).
  SSL_clear_mode(ssl_.get(), SSL_MODE_AUTO_RETRY);
  SSL_set_read_ahead(ssl_.get(), 1);
  // DNS messages say how long they are: an end without a goodbye cuts nothing off unseen.
  ::SSL_set_options(ssl_.get(),
                    SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

TlsStream::TlsStream(TlsPeer& peer, int socket)
    : peer_(&peer), socket_(socket), context_(peer.contexts_->now()) {
  begin(*context_);
  SSL* const ssl = ssl_.get();
  ::SSL_set_connect_state(ssl);
  ::SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  // An address, too. RFC 6066 section 3: no address in SNI.
  if (::SSL_set1_host(ssl, peer.name_.c_str()) != 1 ||
      (!peer.is_address_ && ::SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                       const_cast<char*>(peer.name_.c_str())) != 1)) {
    throw std::bad_alloc();
  }
  if (peer.session_ == nullptr) return;
  if (peer.context_ != context_) {
    peer.session_.reset();  // of whom we do not believe any more, perhaps
    return;
  }
  (void)::SSL_set_session(ssl, peer.session_.get());
  // RFC 8446 C.4: a ticket is used once.
  if (::SSL_SESSION_get_protocol_version(peer.session_.get()) >= TLS1_3_VERSION) {
    peer.session_.reset();
  }
}

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, int socket, TlsProtocols protocols)
    : peer_(nullptr), protocols_(protocols), socket_(socket), context_(std::move(context)) {
  begin(*context_);
  ::SSL_set_accept_state(ssl_.get());
}

TlsStream::~TlsStream() { say_goodbye(); }

void TlsStream::say_goodbye() noexcept {
  if (broken_ != 0 || !established_ || std::exchange(said_goodbye_, true)) return;
  ::ERR_clear_error();
  (void)::SSL_shutdown(ssl_.get());
  ::ERR_clear_error();
}

std::string_view TlsStream::protocol() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool TlsStream::resumed() const noexcept { return ::SSL_session_reused(ssl_.get()) == 1; }

ssize_t TlsStream::receive(std::uint8_t* to, std::size_t size) noexcept {
  drained_ = wants_write_ = has_more_ = false;
  std::size_t done = 0;
  for (unsigned records = 0; broken_ == 0 && !closed_; ++records) {
    if (done == size || records == kRecordsAtOnce) {
      has_more_ = true;
      break;
    }
    ::ERR_clear_error();
    std::size_t got = 0;
    const int result = ::SSL_read_ex(ssl_.get(), to + done, size - done, &got);
    established_ = established_ || ::SSL_is_init_finished(ssl_.get()) == 1;
    if (result == 1) {
      messages_ = 0;
      done += got;
      continue;
    }
    if (outcome(result) < 0 && errno == EAGAIN) {
      // A record that held no data, while there may be more behind it.
      if (!wants_write_ && !drained_) continue;
      break;
    }
  }
  if (done != 0) {
    if (broken_ != 0 || closed_) has_more_ = true;
    return static_cast<ssize_t>(done);
  }
  if (closed_) return 0;
  errno = broken_ != 0 ? broken_ : EAGAIN;
  return -1;
}

ssize_t TlsStream::send(std::span<const std::uint8_t> octets) noexcept {
  drained_ = wants_write_ = false;
  if (broken_ != 0) {
    errno = broken_;
    return -1;
  }
  ::ERR_clear_error();
  std::size_t taken = 0;
  const int result = ::SSL_write_ex(ssl_.get(), octets.data(), octets.size(), &taken);
  established_ = established_ || ::SSL_is_init_finished(ssl_.get()) == 1;
  return result == 1 ? static_cast<ssize_t>(taken) : outcome(result);
}

ssize_t TlsStream::outcome(int result) noexcept {
  switch (::SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_WRITE: wants_write_ = true; [[fallthrough]];
    case SSL_ERROR_WANT_READ: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: closed_ = true; return 0;
    case SSL_ERROR_SYSCALL:
      if (error_ == 0 || error_ == EAGAIN || error_ == EINTR) {
        closed_ = true;
        return 0;
      }
      broken_ = error_;
      break;
    default: broken_ = EPROTO; explain();
  }
  errno = broken_;
  return -1;
}

void TlsStream::explain() noexcept {
  const long verified = ::SSL_get_verify_result(ssl_.get());
  if (peer_ != nullptr && verified != X509_V_OK) {
    const bool name =
        verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH;
    problem_ = name ? peer_->other_name_.c_str() : certificate_problem(verified);
    return;
  }
  const unsigned long error = ::ERR_peek_error();
  problem_ =
      ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER
          ? "first record does not look like a TLS handshake"
          : ::ERR_reason_error_string(error);
  if (problem_ == nullptr) problem_ = "handshake failed";
}

}  // namespace clusterdns::dns
