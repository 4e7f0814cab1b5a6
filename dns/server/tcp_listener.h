// TCP for one listener of one worker (RFC 7766): accepts, frames, pipelines, and cuts off peers
// that do not read or write.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dns/server/configuration.h"
#include "dns/server/worker.h"

namespace clusterdns::dns {

class TcpConnection;

class TcpListener {
 public:
  // Takes over the native, listening socket.
  TcpListener(Worker& worker, const ListenAddress& address, int socket,
              const ListenerRoutes& routes);
  ~TcpListener();

  void start();
  void set_routes(const ListenerRoutes& routes) noexcept { routes_ = &routes; }
  [[nodiscard]] const ListenAddress& address() const noexcept { return address_; }

 private:
  friend class TcpConnection;
  using Connections = std::list<std::shared_ptr<TcpConnection>>;

  // Connections accepted before UDP and the others get their turn.
  static constexpr unsigned kAcceptsPerTurn = 32;
  // How long accepting rests when descriptors run out and the reserve did not help.
  static constexpr std::chrono::milliseconds kAcceptRest{100};
  static constexpr std::chrono::milliseconds kSweepEvery{500};

  void wait_accept();
  void on_acceptable();
  // Out of descriptors: gives up a reserved one to accept and close the connection that waits, so
  // that the peer learns at once and the event loop does not spin on it.
  bool shed_one();
  void add(int socket, const sockaddr_storage& peer);
  void remove(Connections::iterator at) noexcept;
  void touch(Connections::iterator at) noexcept { connections_.splice(connections_.end(), connections_, at); }
  void sweep();

  Worker& worker_;
  ListenAddress address_;
  const Endpoint local_;  // the bound address; on wildcards the port alone is true
  boost::asio::ip::tcp::acceptor acceptor_;
  int reserve_ = -1;  // an open descriptor to give up, see shed_one
  boost::asio::steady_timer accept_timer_;
  boost::asio::steady_timer sweep_timer_;
  bool sweeping_ = false;
  const ListenerRoutes* routes_;
  Connections connections_;  // least recently active first
};

}  // namespace clusterdns::dns
