// What we show and whom we believe in TLS: made of PEM text on the control thread, used by any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace boost::asio::ssl {
class context;
}

namespace clusterdns::dns {

// Octets of a PEM file at most: the bundle of a machine has a quarter of that.
inline constexpr std::size_t kMaxPem = 1024 * 1024;

// A certificate with its chain, and its key, both PEM.
struct TlsIdentity {
  std::string chain = {}, key = {};
  friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

// Has `context` show `identity`, and take TLS 1.2 and later only. Throws std::runtime_error: what
// is wrong, and what it must be.
void use_identity(boost::asio::ssl::context& context, const TlsIdentity& identity);

// What a server wants of its clients; Go's ClientAuthType.
enum class TlsClientAuth : std::uint8_t {
  None,
  Request,           // a certificate, of whomever; without one it goes on
  Require,           // the same, and not without
  VerifyIfGiven,     // it has to be an authority's
  RequireAndVerify,  // the same, and not without
};

struct TlsSettings {
  TlsIdentity identity = {};                        // of a client: empty for none
  std::string authorities = {};                     // PEM; empty: the machine's
  TlsClientAuth client_auth = TlsClientAuth::None;  // of a server
  friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

// Has `context`, a server's, ask its clients for what `settings` say. Throws as use_identity().
void ask_clients(boost::asio::ssl::context& context, const TlsSettings& settings);

// TLS 1.2 and later (RFC 9325 3.1.1).
class TlsContext {
 public:
  // Believes servers whose certificate an authority has signed. Throws std::runtime_error: what is
  // wrong, and what to do.
  [[nodiscard]] static std::shared_ptr<const TlsContext> for_client(TlsSettings settings);
  // Shows its identity, and lets clients resume sessions by tickets, which cost no memory here.
  // Throws as for_client().
  [[nodiscard]] static std::shared_ptr<const TlsContext> for_server(TlsSettings settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] const TlsSettings& settings() const noexcept { return settings_; }

 private:
  friend class TlsStream;
  explicit TlsContext(TlsSettings settings);

  const TlsSettings settings_;
  std::unique_ptr<boost::asio::ssl::context> context_;
};

// The context that connections begin with; another one once files have changed. Any thread.
class TlsContexts {
 public:
  explicit TlsContexts(std::shared_ptr<const TlsContext> first) : now_(std::move(first)) {}
  [[nodiscard]] std::shared_ptr<const TlsContext> now() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void replace(std::shared_ptr<const TlsContext> next) {
    const std::lock_guard lock(mutex_);
    now_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> now_;  // guarded by mutex_
};

}  // namespace clusterdns::dns
