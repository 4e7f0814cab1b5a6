// TLS on a connected socket, called as recv(2) and send(2) are: nothing waits, and the handshake
// goes on inside of these calls.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "dns/net/tls_context.h"

namespace clusterdns::dns {

// A server that is asked again and again: what its certificate must be for, and the session that
// the next connection resumes. One thread's.
class TlsPeer {
 public:
  // `name`: a host name, or the text of an IP address.
  TlsPeer(std::shared_ptr<const TlsContexts> contexts, std::string name);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

 private:
  friend class TlsStream;
  struct Free {
    void operator()(SSL_SESSION* session) const noexcept;
  };

  const std::shared_ptr<const TlsContexts> contexts_;
  const std::string name_;
  const bool is_address_;
  const std::string other_name_;  // what is said of a certificate that is for other names
  std::shared_ptr<const TlsContext> context_;  // of `session_`
  std::unique_ptr<SSL_SESSION, Free> session_;
};

// Protocols inside of TLS by their names (RFC 7301 6), the best first.
using TlsProtocols = std::span<const std::string_view>;

// One connection. The socket stays the caller's, and is closed after this. One thread's.
class TlsStream {
 public:
  // Octets of a ClientHello; OpenSSL gets memory for what one says that it has, up to 128 KiB.
  // Those of browsers with post-quantum keys have 2 KiB.
  static constexpr std::size_t kHelloMost = 16 * 1024;

  // A client's that believes whoever answers: for what says so.
  [[nodiscard]] static std::shared_ptr<const TlsContext> trusting_context();

  // A client's. Verifies the other end's certificate if its context does; resumes a session if
  // there is one.
  // `peer` outlives this. Throws std::bad_alloc.
  TlsStream(TlsPeer& peer, int socket);
  // A server's; `protocols` are what it speaks, one of which the client is told if it names some
  // (RFC 7301): no longer than this. Throws std::bad_alloc.
  TlsStream(std::shared_ptr<const TlsContext> context, int socket, TlsProtocols protocols = {});
  // Says goodbye if it may (RFC 8446 6.1).
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Octets put to `to`, as many as there are and have room. 0: the other end has closed. -1: errno
  // is EAGAIN when it has to be tried again once the socket is readable, or writable if
  // wants_write(), EPROTO when TLS failed, see problem(), else what the socket says.
  [[nodiscard]] ssize_t receive(std::uint8_t* to, std::size_t size) noexcept;
  // Octets taken from the front of `octets`, -1 as above, or 0: the other end has closed. After
  // EAGAIN the next call begins with the same octets.
  [[nodiscard]] ssize_t send(std::span<const std::uint8_t> octets) noexcept;

  // Says that nothing more is sent; once is enough.
  void say_goodbye() noexcept;

  [[nodiscard]] bool wants_write() const noexcept { return wants_write_; }
  // receive() stopped before all was read, and the socket may not tell again.
  [[nodiscard]] bool has_more() const noexcept { return has_more_; }
  // A record came in part, or some of one is not read yet: there is memory for a whole one.
  [[nodiscard]] bool holds_record() const noexcept;
  // The handshake is over.
  [[nodiscard]] bool established() const noexcept { return established_; }
  // It went on with a session of an earlier connection.
  [[nodiscard]] bool resumed() const noexcept;
  // Of a server's protocols the one that was chosen; empty: the client has named none, or it is not
  // known yet.
  [[nodiscard]] std::string_view protocol() const noexcept;
  // Why TLS failed, as Go's crypto/tls says it without its "tls: ", where that has a word for it;
  // nullptr: it has not. Valid as long as its peer.
  [[nodiscard]] const char* problem() const noexcept { return problem_; }

 private:
  friend class TlsContext;
  // Records of receive() in one call: whoever sends empty ones, or keys without end, gets no more
  // of this thread's time than others.
  static constexpr unsigned kRecordsAtOnce = 64;
  // Messages about TLS itself, between two pieces of data, once the handshake is over: a few
  // tickets, a new key. Each costs as much as hundreds of answers; beyond, the connection ends.
  static constexpr unsigned kMessagesBetween = 16;
  // Octets that OpenSSL is handed at once then: it looks at all of them before it asks for more.
  static constexpr int kOctetsAtOnce = 2048;

  static void keep_sessions(SSL_CTX* context) noexcept;
  static void choose_protocols(SSL_CTX* context) noexcept;
  void begin(const TlsContext& context);
  void watch_messages() noexcept;
  [[nodiscard]] ssize_t outcome(int result) noexcept;
  void explain() noexcept;
  static const BIO_METHOD* socket_method();

  struct Free {
    void operator()(SSL* ssl) const noexcept;
  };
  // Follows the records that a client sends in plain text (RFC 8446 5.1).
  struct Hellos {
    // Whether none of them begins a ClientHello above kHelloMost. `octets`: what comes next.
    [[nodiscard]] bool admit(std::span<const std::uint8_t> octets, const SSL* ssl) noexcept;
    std::array<std::uint8_t, 5> record{};   // type, version, size
    std::array<std::uint8_t, 4> message{};  // type, size
    std::size_t of_head = 0, of_message_head = 0;
    std::size_t of_record = 0, of_message = 0;  // still to come
    bool over = false;                          // what follows is encrypted
  };

  TlsPeer* const peer_;  // nullptr: a server's
  const TlsProtocols protocols_;
  const int socket_;
  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<SSL, Free> ssl_;
  const char* problem_ = nullptr;
  int error_ = 0;          // the socket's last
  int broken_ = 0;         // errno of the end; nothing is called any more
  unsigned messages_ = 0;  // see kMessagesBetween
  Hellos hellos_;          // a server's
  bool established_ = false;
  bool closed_ = false;  // by the other end
  bool said_goodbye_ = false;
  bool drained_ = false;  // the socket has no more for this call
  bool wants_write_ = false;
  bool has_more_ = false;
};

}  // namespace clusterdns::dns
