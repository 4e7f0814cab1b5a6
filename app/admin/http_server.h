// The small HTTP/1.1 server behind /health, /ready and /metrics, and behind the console.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "app/admin/http_message.h"
#include "dns/net/listen_socket.h"
#include "dns/net/tls_context.h"

namespace clusterdns::app {

// A page: what GET and HEAD of one path bring; `query` is what stands behind its '?'. Called on the
// server's own thread; must not block.
using HttpHandler = std::function<HttpReply(std::string_view query)>;

// Connections of all addresses. Kubelet and a few Prometheus servers hold a handful, the console's
// streams and waiters a few hundred at most; when more come, the client that has most gives one, so
// that nobody can lock the probes out.
inline constexpr std::size_t kHttpConnections = 512;
// Octets of a request's head; what Prometheus and kubelet send is below 1 KiB.
inline constexpr std::size_t kHttpHead = 8 * 1024;
// Octets of all replies that wait for their readers, and of large bodies that come. No reply is
// longer but one that is made in pieces. One more ends connections of the client that has most.
inline constexpr std::size_t kHttpHeld = 8 * 1024 * 1024;
// Octets that wait for the reader of one stream; what comes beyond them is not taken.
inline constexpr std::size_t kHttpStreamQueue = 64 * 1024;
// How often a stream shows that it is alive. Who has read nothing from one to the next but one is
// cut off.
inline constexpr std::chrono::seconds kHttpStreamBeat{15};

struct HttpAddress {
  boost::asio::ip::address address;
  bool every_family = false;  // no address was given: IPv6 and IPv4
  std::uint16_t port = 0;     // 0: any free one
  std::string text = {};      // as configured
  // When it is somebody else's, HttpServer::prepare() leaves it out.
  bool may_be_taken = false;

  // The same for every way to write an address, but where the port is not known yet.
  [[nodiscard]] std::string key() const { return port == 0 ? text : dns::to_string(place()); }
  [[nodiscard]] dns::ListenPlace place() const { return {address, port, every_family}; }
};

// Certificate and key of an address that speaks TLS, both as text (PEM).
using HttpCertificate = dns::TlsIdentity;
// Throws std::runtime_error, with what is wrong, when they are not a certificate and its key.
void check_certificate(const HttpCertificate& certificate);

// What one address serves: pages by path, and else its app; without one the rest is 404.
struct HttpSite {
  std::map<std::string, HttpHandler, std::less<>> pages = {};
  std::shared_ptr<HttpApp> app = nullptr;
  std::optional<dns::TlsSettings> tls = {};
};
// By HttpAddress::key.
using HttpRoutes = std::map<std::string, HttpSite>;

// One thread for all addresses, so that it answers while the control thread reads a large cluster.
// Bounded in connections, in what a request may measure and in how long it may take. Every request
// gets a reply: what is refused, one that says why (RFC 9110 15.5, RFC 6585 5).
class HttpServer {
 public:
  HttpServer();
  ~HttpServer();  // closes everything and joins
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Sockets that are bound and not yet served; destroying them closes them.
  class Prepared;
  // Binds each address of `addresses` (by its key) that is not served yet. `ours`: sockets of the
  // caller that are no strangers, see dns::check_free. Throws std::system_error; nothing has
  // changed then. What may be taken, and is, is told in `left_out`, and not bound.
  [[nodiscard]] std::shared_ptr<Prepared> prepare(
      const std::map<std::string, HttpAddress>& addresses, const dns::SocketInodes& ours = {},
      std::vector<std::string>* left_out = nullptr);
  // Those that listen, and those that are prepared (may be null).
  [[nodiscard]] dns::SocketInodes sockets(const Prepared* prepared) const;
  // Serves `routes` from now on, on the sockets there are and on those `prepared`; closes those
  // that no route names.
  void commit(std::shared_ptr<Prepared> prepared, HttpRoutes routes);
  // The port that is bound for an address; 0: it is not served.
  [[nodiscard]] std::uint16_t port(const std::string& address) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clusterdns::app
