// TCP for one listener of one worker: accepts connections, which live in TcpConnections.
#pragma once

#include <chrono>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dns/base/descriptor.h"
#include "dns/server/configuration.h"
#include "dns/server/worker.h"

namespace clusterdns::dns {

class TcpListener {
 public:
  // `socket` is bound. `listener` belongs to the worker's configuration, the present one or the
  // next.
  TcpListener(Worker& worker, const Configuration::Listener& listener, Descriptor socket);
  ~TcpListener();

  // Listens and accepts from now on.
  void start();
  // After an exception ended a handler: accepts again, if it does not.
  void rearm();
  void follow(const Configuration::Listener& listener) noexcept { listener_ = &listener; }
  [[nodiscard]] const ListenerRoutes& routes() const noexcept { return listener_->routes; }
  [[nodiscard]] const ListenAddress& address() const noexcept { return address_; }
  // What its connections begin with; nullptr: no TLS.
  [[nodiscard]] const TlsContexts* tls() const noexcept { return listener_->tls.get(); }
  // Inside of TLS; nullptr: DNS itself.
  [[nodiscard]] const HttpsLimits* https() const noexcept {
    return address_.https ? &listener_->https : nullptr;
  }
  // Where responses of HTTP are counted; nullptr: nowhere.
  [[nodiscard]] const std::shared_ptr<HttpCounters>& http_counters() const noexcept {
    return listener_->http_counters;
  }
  // The local address of a connection that was accepted here.
  [[nodiscard]] Endpoint local_of(int socket) const noexcept;
  // How closely this listener is bound to a connection's local address: 0 not at all, 1 by a
  // wildcard, 2 by itself.
  [[nodiscard]] unsigned closeness(const Endpoint& local) const noexcept;

 private:
  // Connections that may wait to be accepted.
  static constexpr int kBacklog = 1024;
  // Connections accepted before UDP and the others get their turn.
  static constexpr unsigned kAcceptsPerTurn = 32;
  // How long accepting rests when descriptors run out and nobody could give one, or when the socket
  // is broken.
  static constexpr std::chrono::milliseconds kAcceptRest{100};

  void wait_accept();
  void on_acceptable();
  void rest();
  // Out of descriptors: somebody who has many gives some; else gives up a reserved one to accept
  // and close the connection that waits, so that the peer learns at once and the event loop does
  // not spin on it. False: nothing helped.
  bool make_room();

  Worker& worker_;
  ListenAddress address_;
  const Endpoint local_;  // the bound address; on wildcards the port alone is true
  boost::asio::ip::tcp::acceptor acceptor_;
  Descriptor reserve_;  // to be given up, see make_room
  boost::asio::steady_timer accept_timer_;
  const Configuration::Listener* listener_;
  bool waiting_ = false;  // for a connection, or for the end of a rest
};

}  // namespace clusterdns::dns
