#include "app/admin/http_server.h"
#include "dns/server/blocked_signals.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <list>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace clusterdns::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

// Connections of one address. Kubelet and a few Prometheus servers hold a handful; when more come,
// the one that was silent longest makes room, so that nobody can lock the probes out.
constexpr std::size_t kMaxConnections = 64;
// For reading a request, writing a reply, and between two; CoreDNS's.
constexpr std::chrono::seconds kTimeout{5};
// Octets of a request's head; what Prometheus and kubelet send is below 1 KiB.
constexpr std::uint32_t kMaxHead = 8 * 1024;
// How long accepting rests when descriptors run out.
constexpr std::chrono::milliseconds kAcceptRest{100};
constexpr int kBacklog = 128;

class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Fd bind_socket(const HttpAddress& at) {
  sockaddr_storage to{};
  socklen_t size = 0;
  const auto fill_v6 = [&](const asio::ip::address_v6& address) {
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(at.port);
    const auto octets = address.to_bytes();
    std::memcpy(&v6->sin6_addr, octets.data(), octets.size());
    v6->sin6_scope_id = static_cast<std::uint32_t>(address.scope_id());
    size = sizeof *v6;
  };
  const auto fill_v4 = [&](const asio::ip::address_v4& address) {
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&to);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(at.port);
    v4->sin_addr.s_addr = htonl(address.to_uint());
    size = sizeof *v4;
  };
  const auto open = [&](int family) {
    return Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  };
  const bool wants_v6 = at.every_family || at.address.is_v6();
  Fd fd = open(wants_v6 ? AF_INET6 : AF_INET);
  // A machine without IPv6.
  if (fd.get() < 0 && at.every_family && errno == EAFNOSUPPORT) {
    return bind_socket({asio::ip::address_v4::any(), false, at.port});
  }
  if (fd.get() < 0) throw std::system_error(errno, std::generic_category(), "cannot open a socket");
  const int one = 1;
  const int only = at.every_family ? 0 : 1;
  // Shared with ourselves: a reload may go from ":8080" to "127.0.0.1:8080".
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (wants_v6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  if (at.every_family) {
    fill_v6(asio::ip::address_v6::any());
  } else if (wants_v6) {
    fill_v6(at.address.to_v6());
  } else {
    fill_v4(at.address.to_v4());
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot listen");
  }
  return fd;
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  return at.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6*>(&at)->sin6_port)
                                  : ntohs(reinterpret_cast<sockaddr_in*>(&at)->sin_port);
}

}  // namespace

class HttpServer::Prepared {
 public:
  struct Opened {
    std::string address;
    Fd socket;
    std::uint16_t port;
  };
  std::vector<Opened> opened;
};

class HttpServer::Impl {
 public:
  Impl() : work_(io_.get_executor()), thread_(dns::thread_without_signals([this] { run(); })) {}
  ~Impl() {
    asio::post(io_, [this] {
      listeners_.clear();
      work_.reset();
      io_.stop();
    });
    thread_.join();
  }

  [[nodiscard]] std::shared_ptr<Prepared> prepare(
      const std::map<std::string, HttpAddress>& addresses) const {
    auto prepared = std::make_shared<Prepared>();
    for (const auto& [text, at] : addresses) {
      if (port(text) != 0) continue;
      try {
        Fd fd = bind_socket(at);
        const std::uint16_t number = bound_port(fd.get());
        prepared->opened.push_back({text, std::move(fd), number});
      } catch (const std::system_error& e) {
        throw std::system_error(e.code(), "cannot listen on TCP " + text + " for HTTP");
      }
    }
    return prepared;
  }

  void commit(std::shared_ptr<Prepared> prepared, HttpRoutes routes) {
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(ports_, [&](const auto& entry) { return !routes.contains(entry.first); });
      for (const auto& opened : prepared->opened) ports_[opened.address] = opened.port;
    }
    std::promise<void> done;
    asio::post(io_, [this, &prepared, &routes, &done] {
      std::erase_if(listeners_,
                    [&](const auto& entry) { return !routes.contains(entry.first); });
      for (auto& opened : prepared->opened) {
        listeners_[opened.address] = std::make_shared<Listener>(io_, opened.socket.release());
        listeners_[opened.address]->start();
      }
      for (auto& [address, paths] : routes) {
        const auto it = listeners_.find(address);
        if (it != listeners_.end()) it->second->paths = std::move(paths);
      }
      done.set_value();
    });
    done.get_future().wait();
  }

  [[nodiscard]] std::uint16_t port(const std::string& address) const {
    const std::lock_guard lock(mutex_);
    const auto it = ports_.find(address);
    return it == ports_.end() ? std::uint16_t{0} : it->second;
  }

 private:
  class Connection;
  using Connections = std::list<std::shared_ptr<Connection>>;

  class Listener : public std::enable_shared_from_this<Listener> {
   public:
    Listener(asio::io_context& io, int socket) : acceptor_(io), rest_(io) {
      sockaddr_storage at{};
      socklen_t size = sizeof at;
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size);
      acceptor_.assign(at.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket);
    }
    ~Listener() {
      for (const auto& connection : connections_) connection->close();
    }
    void start() { accept(); }

    std::map<std::string, HttpHandler, std::less<>> paths;

   private:
    friend class Connection;
    void accept() {
      acceptor_.async_accept([weak = weak_from_this()](const boost::system::error_code& error,
                                                       tcp::socket socket) {
        const auto self = weak.lock();
        if (self == nullptr || error == asio::error::operation_aborted) return;
        if (error) return self->rest();
        self->add(std::move(socket));
        self->accept();
      });
    }
    // Out of descriptors, most likely: the peer waits in the queue meanwhile.
    void rest() {
      rest_.expires_after(kAcceptRest);
      rest_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self != nullptr && !error) self->accept();
      });
    }
    void add(tcp::socket socket) {
      if (connections_.size() >= kMaxConnections) connections_.front()->close();
      const auto at = connections_.insert(
          connections_.end(), std::make_shared<Connection>(weak_from_this(), std::move(socket)));
      (*at)->start(at);
    }

    tcp::acceptor acceptor_;
    asio::steady_timer rest_;
    Connections connections_;  // least recently active first
  };

  class Connection : public std::enable_shared_from_this<Connection> {
   public:
    Connection(std::weak_ptr<Listener> listener, tcp::socket socket)
        : listener_(std::move(listener)), stream_(std::move(socket)), buffer_(kMaxHead) {}

    void start(Connections::iterator self) {
      self_ = self;
      read();
    }
    void close() {
      if (closed_) return;
      closed_ = true;
      stream_.close();
      if (const auto listener = listener_.lock()) listener->connections_.erase(self_);
    }

   private:
    void read() {
      parser_.emplace();
      parser_->header_limit(kMaxHead);
      parser_->body_limit(0);
      stream_.expires_after(kTimeout);
      http::async_read(stream_, buffer_, *parser_,
                       [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                         if (self->closed_) return;
                         if (error) return self->close();
                         self->answer();
                       });
    }

    void answer() {
      const auto listener = listener_.lock();
      if (listener == nullptr) return close();
      listener->connections_.splice(listener->connections_.end(), listener->connections_, self_);
      const auto& request = parser_->get();
      std::string_view path(request.target().data(), request.target().size());
      path = path.substr(0, path.find('?'));
      HttpReply reply;
      const auto it = listener->paths.find(path);
      if (request.method() != http::verb::get && request.method() != http::verb::head) {
        reply = {405, "Method Not Allowed\n", "text/plain; charset=utf-8"};
      } else if (it == listener->paths.end()) {
        reply = {404, "404 page not found\n", "text/plain; charset=utf-8"};
      } else {
        try {
          reply = it->second();
        } catch (const std::exception& e) {
          reply = {500, std::string(e.what()) + "\n", "text/plain; charset=utf-8"};
        }
      }
      response_ = {};
      response_.version(request.version());
      response_.result(reply.status);
      response_.set(http::field::content_type, reply.content_type);
      response_.content_length(reply.body.size());
      response_.keep_alive(request.keep_alive());
      // RFC 9110 9.3.2: the length of what a GET would bring, and no body.
      if (request.method() != http::verb::head) response_.body() = std::move(reply.body);
      stream_.expires_after(kTimeout);
      http::async_write(stream_, response_,
                        [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                          if (self->closed_) return;
                          if (error || !self->response_.keep_alive()) return self->close();
                          self->read();
                        });
    }

    std::weak_ptr<Listener> listener_;
    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::empty_body>> parser_;
    http::response<http::string_body> response_;
    Connections::iterator self_;
    bool closed_ = false;
  };

  void run() {
    ::pthread_setname_np(::pthread_self(), "http");
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception&) {
        // Out of memory in one handler: that connection is lost, the rest goes on.
      }
    }
  }

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::map<std::string, std::shared_ptr<Listener>> listeners_;  // the thread's own
  mutable std::mutex mutex_;
  std::map<std::string, std::uint16_t> ports_;  // guarded by mutex_
  std::thread thread_;
};

HttpServer::HttpServer() : impl_(std::make_unique<Impl>()) {}
HttpServer::~HttpServer() = default;

std::shared_ptr<HttpServer::Prepared> HttpServer::prepare(
    const std::map<std::string, HttpAddress>& addresses) {
  return impl_->prepare(addresses);
}
void HttpServer::commit(std::shared_ptr<Prepared> prepared, HttpRoutes routes) {
  impl_->commit(std::move(prepared), std::move(routes));
}
std::uint16_t HttpServer::port(const std::string& address) const { return impl_->port(address); }

}  // namespace clusterdns::app
