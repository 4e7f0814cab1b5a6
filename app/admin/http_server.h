// The small HTTP/1.1 server behind /health, /ready and /metrics.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace clusterdns::app {

struct HttpReply {
  unsigned status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};
// Called on the server's own thread; must not block.
using HttpHandler = std::function<HttpReply()>;

struct HttpAddress {
  boost::asio::ip::address address;
  bool every_family = false;  // no address was given: IPv6 and IPv4
  std::uint16_t port = 0;     // 0: any free one
};

// What is served: by address as configured, then by path. GET and HEAD; other paths are 404.
using HttpRoutes = std::map<std::string, std::map<std::string, HttpHandler, std::less<>>>;

// One thread for all addresses, so that it answers while the control thread reads a large cluster.
// Bounded in connections, in what a request may measure and in how long it may take.
class HttpServer {
 public:
  HttpServer();
  ~HttpServer();  // closes everything and joins
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Sockets that are bound and not yet served; destroying them closes them.
  class Prepared;
  // Binds each address of `addresses` (by its text) that is not served yet. Throws
  // std::system_error; nothing has changed then.
  [[nodiscard]] std::shared_ptr<Prepared> prepare(
      const std::map<std::string, HttpAddress>& addresses);
  // Serves `routes` from now on, on the sockets there are and on those `prepared`; closes those that
  // no route names.
  void commit(std::shared_ptr<Prepared> prepared, HttpRoutes routes);
  // The port that is bound for an address; 0: it is not served.
  [[nodiscard]] std::uint16_t port(const std::string& address) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clusterdns::app
