#include "app/admin/http_server.h"

#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <exception>
#include <future>
#include <list>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "dns/base/descriptor.h"
#include "dns/concurrent/blocked_signals.h"
#include "dns/net/endpoint.h"
#include "dns/net/fair_list.h"

namespace clusterdns::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

// For reading a request, writing a reply, and between two; CoreDNS's.
constexpr std::chrono::seconds kTimeout{5};
// How long, and for how many octets, a client is listened to that was refused in the middle of a
// request: closed at once, the kernel would throw the refusal away with what was not read.
constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kLingerOctets = 256 * 1024;
// How long accepting rests when descriptors run out.
constexpr std::chrono::milliseconds kAcceptRest{100};
constexpr int kBacklog = 128;
// Octets of the kernel's buffers of a connection; it doubles them for its own needs.
constexpr int kReceiveBuffer = 16 * 1024;
constexpr int kSendBuffer = 64 * 1024;

constexpr std::string_view kText = "text/plain; charset=utf-8";

// RFC 9110 5.6.7: the time as HTTP has it.
std::string http_date(std::time_t now) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                     kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// Why a request whose head cannot be read is refused.
struct Refusal {
  unsigned status;
  std::string why;
};
Refusal refusal_for(const boost::system::error_code& error, std::size_t body) {
  // RFC 6585 5; the buffer is as long as a head may be, too.
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return {431, "the head of the request is longer than " + std::to_string(kHttpHead) + " octets"};
  }
  if (error == http::error::body_limit) {
    return {413, "the body of the request is longer than " + std::to_string(body) + " octets"};
  }
  if (error == http::error::bad_version) {
    return {505, "only HTTP/1.0 and HTTP/1.1 are supported"};
  }
  return {400, "not a valid HTTP request: " + error.message()};
}

// The path and what is behind it, of a target in origin form or absolute form (RFC 9112 3.2).
std::pair<std::string_view, std::string_view> split_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t path = target.find_first_of("/?", scheme.size());
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  const std::size_t query = std::min(target.find('?'), target.size());
  return {target.substr(0, query), target.substr(std::min(query + 1, target.size()))};
}

// How other threads reach the server's, for as long as there is one.
class Mailbox {
 public:
  explicit Mailbox(asio::io_context& io) : io_(&io) {}
  template <class Call>
  void post(Call call) {
    const std::lock_guard lock(mutex_);
    if (io_ != nullptr) asio::post(*io_, std::move(call));
  }
  void close() {
    const std::lock_guard lock(mutex_);
    io_ = nullptr;
  }

 private:
  std::mutex mutex_;
  asio::io_context* io_;  // guarded by mutex_
};

}  // namespace

void check_certificate(const HttpCertificate& certificate) {
  asio::ssl::context context(asio::ssl::context::tls_server);
  dns::use_identity(context, certificate);
}

class HttpServer::Prepared {
 public:
  struct Opened {
    std::string address;
    dns::Descriptor socket;
    std::uint16_t port;
  };
  std::vector<Opened> opened;
};

class HttpServer::Impl {
 public:
  Impl() : work_(io_.get_executor()), thread_(dns::thread_without_signals([this] { run(); })) {}
  ~Impl() {
    try {
      asio::post(io_, [this] {
        listeners_.clear();
        while (!connections_.empty()) close_one();
        mailbox_->close();
        work_.reset();
        io_.stop();
      });
    } catch (...) {
      io_.stop();
    }
    thread_.join();
    mailbox_->close();
  }

  [[nodiscard]] std::shared_ptr<Prepared> prepare(
      const std::map<std::string, HttpAddress>& addresses, const dns::SocketInodes& ours,
      std::vector<std::string>* left_out) const {
    dns::SocketInodes known = sockets();
    known.insert(ours.begin(), ours.end());
    auto prepared = std::make_shared<Prepared>();
    for (const auto& [key, at] : addresses) {
      if (port(key) != 0) continue;
      const dns::ListenPlace place{at.address, at.port, at.every_family};
      try {
        const bool alone = at.port == 0 || dns::check_free(dns::ListenKind::Tcp, place, known);
        dns::Descriptor fd = dns::bind_listen_socket(dns::ListenKind::Tcp, place);
        // Who asks early waits; but not while the port still is somebody else's of us.
        if (alone) ::listen(fd.get(), kBacklog);
        known.insert(dns::socket_inode(fd.get()));
        const std::uint16_t number = dns::bound_port(fd.get());
        prepared->opened.push_back({key, std::move(fd), number});
      } catch (const std::system_error& e) {
        // Without its own ending, which is the error's.
        std::string what = e.what();
        const std::string ending = ": " + e.code().message();
        if (what.ends_with(ending)) what.resize(what.size() - ending.size());
        what = "cannot listen on TCP " + at.text + " for HTTP: " + what;
        if (!at.may_be_taken || left_out == nullptr) throw std::system_error(e.code(), what);
        left_out->push_back(what + ": " + e.code().message());
      }
    }
    return prepared;
  }

  void commit(std::shared_ptr<Prepared> prepared, HttpRoutes routes) {
    on_thread([&] {
      std::erase_if(listeners_, [&](const auto& entry) { return !routes.contains(entry.first); });
      for (auto& opened : prepared->opened) {
        const std::uint64_t inode = dns::socket_inode(opened.socket.get());
        listeners_[opened.address] =
            std::make_shared<Listener>(*this, std::move(opened.socket), inode, opened.port);
        listeners_[opened.address]->start();
      }
      for (auto& [address, site] : routes) {
        const auto it = listeners_.find(address);
        if (it != listeners_.end()) it->second->serve(std::move(site));
      }
      const std::lock_guard lock(mutex_);
      served_.clear();
      for (const auto& [address, listener] : listeners_) {
        served_[address] = {listener->port(), listener->inode()};
      }
    });
  }

  [[nodiscard]] std::uint16_t port(const std::string& address) const {
    const std::lock_guard lock(mutex_);
    const auto it = served_.find(address);
    return it == served_.end() ? std::uint16_t{0} : it->second.port;
  }
  [[nodiscard]] dns::SocketInodes sockets() const {
    const std::lock_guard lock(mutex_);
    dns::SocketInodes all;
    for (const auto& [address, served] : served_) all.insert(served.inode);
    return all;
  }

 private:
  class Connection;
  using Connections = dns::FairList<std::shared_ptr<Connection>>;

  class Listener : public std::enable_shared_from_this<Listener> {
   public:
    Listener(Impl& all, dns::Descriptor socket, std::uint64_t inode, std::uint16_t port)
        : all_(all), acceptor_(all.io_), rest_(all.io_), inode_(inode), port_(port) {
      sockaddr_storage at{};
      socklen_t size = sizeof at;
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size);
      acceptor_.assign(at.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.get());
      const int fd = socket.release();
      // Accepted sockets inherit these.
      ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
    }
    void start() {
      ::listen(acceptor_.native_handle(), kBacklog);
      accept();
    }
    void rearm() {
      if (!waiting_) accept();
    }
    [[nodiscard]] std::uint64_t inode() const noexcept { return inode_; }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    // Throws std::runtime_error when it has a certificate that cannot be used; nothing has changed
    // then.
    void serve(HttpSite next) {
      if (!next.tls) {
        tls_.reset();
      } else if (tls_ == nullptr || site_.tls != next.tls) {
        auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
        dns::use_identity(*context, next.tls->identity);
        dns::ask_clients(*context, *next.tls);
        tls_ = std::move(context);
      }
      site_ = std::move(next);
    }
    [[nodiscard]] const HttpSite& site() const noexcept { return site_; }
    [[nodiscard]] const std::shared_ptr<asio::ssl::context>& tls() const noexcept { return tls_; }

   private:
    void accept() {
      acceptor_.async_accept(
          [weak = weak_from_this()](const boost::system::error_code& error, tcp::socket socket) {
            const auto self = weak.lock();
            if (self == nullptr || error == asio::error::operation_aborted) return;
            self->waiting_ = false;
            if (error) return self->rest();
            self->all_.add(self, std::move(socket));
            self->accept();
          });
      waiting_ = true;
    }
    // Out of descriptors, most likely: the peer waits in the queue meanwhile.
    void rest() {
      rest_.expires_after(kAcceptRest);
      rest_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self == nullptr || error) return;
        self->waiting_ = false;
        self->accept();
      });
      waiting_ = true;
    }

    Impl& all_;
    tcp::acceptor acceptor_;
    asio::steady_timer rest_;
    const std::uint64_t inode_;
    const std::uint16_t port_;
    HttpSite site_;
    std::shared_ptr<asio::ssl::context> tls_;  // of site_.tls
    bool waiting_ = false;
  };

  // The reply to come of a request that an app has; see HttpResponder.
  class Responder final : public HttpResponder {
   public:
    Responder(std::weak_ptr<Connection> connection, std::shared_ptr<Mailbox> mailbox)
        : connection_(std::move(connection)), mailbox_(std::move(mailbox)) {}
    ~Responder() override {
      try {
        reply({503, "Service Unavailable\n"});
      } catch (...) {
        // No memory: the connection ends when its client tires.
      }
    }
    void reply(HttpReply reply) override {
      if (done_.exchange(true)) return;
      mailbox_->post([connection = connection_, reply = std::move(reply)]() mutable {
        if (const auto self = connection.lock()) self->on_reply(std::move(reply));
      });
    }
    std::shared_ptr<HttpStream> stream(HttpReply head, std::string idle) override;
    void keep(std::shared_ptr<void> what) override {
      mailbox_->post([connection = connection_, what = std::move(what)]() mutable {
        if (const auto self = connection.lock()) self->keep(std::move(what));
      });
    }
    [[nodiscard]] bool closed() const override { return connection_.expired(); }

   private:
    const std::weak_ptr<Connection> connection_;
    const std::shared_ptr<Mailbox> mailbox_;
    std::atomic<bool> done_{false};
  };

  // See HttpStream.
  class Stream final : public HttpStream, public std::enable_shared_from_this<Stream> {
   public:
    Stream(std::weak_ptr<Connection> connection, std::shared_ptr<Mailbox> mailbox)
        : connection_(std::move(connection)), mailbox_(std::move(mailbox)) {}
    bool write(std::string_view text) override {
      {
        const std::lock_guard lock(mutex_);
        if (closed_ || waiting_.size() + text.size() > kHttpStreamQueue) return false;
        waiting_ += text;
        if (std::exchange(posted_, true)) return true;
      }
      wake();
      return true;
    }
    void close() override {
      {
        const std::lock_guard lock(mutex_);
        if (std::exchange(closed_, true) || std::exchange(posted_, true)) return;
      }
      wake();
    }
    [[nodiscard]] bool closed() const override {
      const std::lock_guard lock(mutex_);
      return closed_;
    }

    // --- the server's thread ---
    // What is to be sent next; empty: nothing is, and whoever writes wakes it. `end`: nothing will
    // come any more.
    [[nodiscard]] std::string take(bool& end) {
      const std::lock_guard lock(mutex_);
      std::string text = std::exchange(waiting_, {});
      end = closed_ && text.empty();
      posted_ = !text.empty();
      return text;
    }
    // Nobody is there to read.
    void end() noexcept {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      waiting_.clear();
    }

   private:
    void wake() {
      mailbox_->post([connection = connection_] {
        if (const auto self = connection.lock()) self->pump();
      });
    }

    const std::weak_ptr<Connection> connection_;
    const std::shared_ptr<Mailbox> mailbox_;
    mutable std::mutex mutex_;
    std::string waiting_;  // guarded by mutex_, as all below
    bool posted_ = false;  // the server's thread has been told, or is sending
    bool closed_ = false;
  };

  class Connection : public std::enable_shared_from_this<Connection> {
   public:
    Connection(Impl& all, const std::shared_ptr<Listener>& listener, tcp::socket socket)
        : all_(all),
          listener_(listener),
          socket_(std::move(socket)),
          timer_(all.io_),
          tls_context_(listener->tls()),
          buffer_(kHttpHead + kHttpBody) {
      if (tls_context_ != nullptr) tls_.emplace(socket_, *tls_context_);
    }

    void start(const Connections::Place& place, const asio::ip::address& peer) {
      place_ = place;
      peer_ = peer;
      if (!tls_) return read();
      expire(kTimeout);
      tls_->async_handshake(asio::ssl::stream_base::server,
                            [self = shared_from_this()](const boost::system::error_code& error) {
                              if (self->closed_) return;
                              if (error) return self->close();
                              self->read();
                            });
    }
    void close() noexcept {
      if (closed_) return;
      closed_ = true;
      boost::system::error_code ignored;
      timer_.cancel();
      socket_.close(ignored);
      all_.held_ -= std::exchange(held_, 0);
      end_request();
      all_.connections_.erase(place_);  // may destroy this unless a handler holds it
    }

    // --- for whoever replies to what an app has, see Responder and Stream ---
    void on_reply(HttpReply reply) {
      if (closed_ || !pending_) return;
      pending_ = false;
      end_request();
      if (reply.finish) {
        reply = attempt([&] {
          std::exchange(reply.finish, nullptr)(reply);
          return std::move(reply);
        });
      }
      send(std::move(reply), keep_alive_);
    }
    void keep(std::shared_ptr<void> what) {
      if (pending_ || stream_ != nullptr) kept_.push_back(std::move(what));
    }
    void on_stream(HttpReply reply, std::shared_ptr<Stream> stream, std::string idle) {
      if (closed_ || !pending_) return stream->end();
      pending_ = false;
      stream_ = std::move(stream);
      idle_ = std::move(idle);
      const auto& head = parser_->get();
      // RFC 9112 6.1: who speaks HTTP/1.0 reads until the end of the connection.
      chunked_ = head.version() >= 11;
      auto response = std::make_shared<http::response<http::empty_body>>();
      set_head(*response, reply);
      response->chunked(chunked_);
      response->keep_alive(false);
      auto text = std::make_shared<std::string>(as_text(*response));
      sending_ = true;
      beat();
      write(text, [self = shared_from_this()] { self->pump(); });
    }
    // Sends what waits in the stream.
    void pump() {
      if (closed_ || stream_ == nullptr || sending_) return;
      bool end = false;
      std::string text = stream_->take(end);
      if (!end && text.empty()) return;
      quiet_ = false;
      if (chunked_) {
        text = end ? "0\r\n\r\n" : fmt::format("{:x}\r\n{}\r\n", text.size(), text);
      }
      sending_ = true;
      write(std::make_shared<std::string>(std::move(text)), [self = shared_from_this(), end] {
        if (!end) return self->pump();
        self->end_request();
        self->linger();
      });
    }

   private:
    // Calls `call` with what is read from and written to.
    template <class Call>
    void with_stream(Call call) {
      if (tls_) {
        call(*tls_);
      } else {
        call(socket_);
      }
    }

    // Octets of a stream; `then` is called when they are on their way.
    template <class Then>
    void write(const std::shared_ptr<std::string>& text, Then then) {
      with_stream([&](auto& to) {
        asio::async_write(to, asio::buffer(*text),
                          [self = shared_from_this(), text, then](
                              const boost::system::error_code& error, std::size_t) {
                            if (self->closed_) return;
                            self->sending_ = self->stuck_ = false;
                            if (error) return self->close();
                            then();
                          });
      });
    }
    // A stream shows that it is alive, and that its reader is.
    void beat() {
      timer_.expires_after(kHttpStreamBeat);
      timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || self == nullptr || self->closed_ || self->stream_ == nullptr) return;
        if (self->sending_ && self->stuck_) return self->close();
        self->stuck_ = self->sending_;
        // Not behind what waits already: then it is heard of anyway.
        if (!self->sending_ && self->quiet_) (void)self->stream_->write(self->idle_);
        self->quiet_ = true;
        self->beat();
      });
    }
    // The request of an app is over.
    void end_request() noexcept {
      pending_ = false;
      if (stream_ != nullptr) stream_->end();
      stream_.reset();
      more_ = nullptr;
      kept_.clear();
    }
    // Notices when the client of a request that an app has goes: nothing is read meanwhile.
    void watch() {
      if (std::exchange(watching_, true)) return;
      socket_.async_wait(tcp::socket::wait_read, [weak = weak_from_this()](
                                                     const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self == nullptr || self->closed_ || error) return;
        self->watching_ = false;
        if (!self->pending_ && self->stream_ == nullptr) return;
        char octet = 0;
        const ssize_t n = ::recv(self->socket_.native_handle(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
        // A request behind this one, or the end of TLS: it waits, and the next write tells.
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) self->close();
      });
    }

    // At `after` from now what is under way has taken too long.
    void expire(std::chrono::seconds after) {
      timed_out_ = false;
      timer_.expires_after(after);
      timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || self == nullptr || self->closed_) return;
        // A timer that expired may still be queued when it was set anew.
        if (self->timer_.expiry() > std::chrono::steady_clock::now()) return;
        self->timed_out_ = true;
        boost::system::error_code ignored;
        self->socket_.cancel(ignored);
      });
    }

    void read() {
      const auto listener = listener_.lock();
      if (listener == nullptr) return close();
      // Who says it when the head cannot be read.
      app_ = listener->site().app;
      parser_.emplace();
      parser_->header_limit(kHttpHead);
      // Of a body: on_head(), for what is refused before it counts first.
      parser_->body_limit(boost::none);
      expire(kTimeout);
      with_stream([&](auto& from) {
        http::async_read_header(
            from, buffer_, *parser_,
            [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
              if (self->closed_) return;
              if (!error) return self->on_head();
              self->on_unreadable(error);
            });
      });
    }

    void on_unreadable(const boost::system::error_code& error) {
      const bool begun = parser_->got_some() || buffer_.size() != 0;
      if (timed_out_ && begun) return refuse(408, "the request took too long");
      // Nothing was asked, or nobody is there any more.
      const boost::system::error_code at_end = http::error::end_of_stream;
      if (error == at_end || error.category() != at_end.category()) return close();
      refuse(refusal_for(error, body_limit_));
    }

    void on_head() {
      all_.connections_.touch(place_);
      const auto listener = listener_.lock();
      if (listener == nullptr) return close();
      const auto& head = parser_->get();
      const auto& text = head.target();
      const auto [path, query] = split_target({text.data(), text.size()});
      const HttpSite& site = listener->site();
      const auto page = site.pages.find(path);
      page_ = page == site.pages.end() ? HttpHandler{} : page->second;
      query_ = page_ ? query : std::string_view();
      app_ = page_ ? nullptr : site.app;
      // RFC 9112 3.2.
      if ((head.version() >= 11 || app_ != nullptr) && head.count(http::field::host) != 1) {
        return refuse(400, "the request must have exactly one Host header");
      }
      // RFC 9112 6.1: a coding that is not understood.
      if (head.count(http::field::transfer_encoding) != 0 && !parser_->chunked()) {
        return refuse(501, "'chunked' is the only transfer coding supported");
      }
      if (app_ != nullptr) {
        if (!read_request(path, query)) {
          return refuse(400,
                        "the target of the request is not valid: '%' must be followed by two "
                        "hexadecimal digits, and there may be " +
                            std::to_string(kHttpParameters) + " parameters");
        }
        // Beyond that an app decides.
        auto refused = attempt([&] { return app_->check(request_); });
        if (refused) {
          return parser_->is_done() ? send(*std::move(refused), head.keep_alive())
                                    : finish(*std::move(refused));
        }
      } else {
        if (head.method() == http::verb::unknown) {
          return refuse(501, "unknown method; use GET or HEAD");
        }
        if (head.method() != http::verb::get && head.method() != http::verb::head) {
          return refuse(405, "Method Not Allowed; use GET or HEAD");
        }
      }
      body_limit_ = app_ == nullptr ? kHttpBody : app_->body_limit(request_);
      parser_->body_limit(body_limit_);  // of chunks
      if (parser_->content_length().value_or(0) > body_limit_) {
        return refuse(refusal_for(http::error::body_limit, body_limit_));
      }
      if (body_limit_ > kHttpBody) {
        hold(parser_->content_length().value_or(body_limit_));
        if (closed_) return;
      }
      if (parser_->is_done()) return answer(head.keep_alive());
      if (!beast::iequals(head[http::field::expect], "100-continue")) return read_body();
      // Who waits to be told to go on with a body is told the end of it: a page needs none
      // (RFC 9110 10.1.1).
      if (app_ == nullptr) return answer(false);
      write(std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n"),
            [self = shared_from_this()] { self->read_body(); });
    }
    void read_body() {
      with_stream([&](auto& from) {
        http::async_read(
            from, buffer_, *parser_,
            [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
              if (self->closed_) return;
              if (error) return self->on_unreadable(error);
              self->answer(self->parser_->get().keep_alive());
            });
      });
    }
    // What the head says, for an app. False: its target is not valid.
    bool read_request(std::string_view path, std::string_view query) {
      const auto& head = parser_->get();
      auto decoded = percent_decode(path);
      auto parameters = HttpParameters::parse(query);
      if (!decoded || !parameters) return false;
      request_ = {};
      request_.method = std::string(head.method_string());
      request_.path = *std::move(decoded);
      request_.query = *std::move(parameters);
      request_.peer = peer_;
      request_.tls = tls_.has_value();
      for (const auto& field : head) {
        std::string name(field.name_string());
        for (char& c : name) {
          if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
        }
        request_.headers.emplace_back(std::move(name), std::string(field.value()));
      }
      return true;
    }
    // What `call` returns, or why it throws.
    template <class Call>
    auto attempt(Call call) -> decltype(call()) {
      try {
        return call();
      } catch (const std::exception& e) {
        return refusal(500, e.what());
      } catch (...) {
        return refusal(500, "the page cannot be made");
      }
    }

    void answer(bool keep_alive) {
      if (page_) return send(attempt([&] { return page_(query_); }), keep_alive);
      if (app_ == nullptr) {
        return send({404, "404 page not found\n", std::string(kText)}, keep_alive);
      }
      request_.body = std::move(parser_->get().body());
      keep_alive_ = keep_alive;
      pending_ = true;
      timer_.cancel();
      watch();
      const auto responder = std::make_shared<Responder>(weak_from_this(), all_.mailbox_);
      try {
        app_->handle(std::move(request_), responder);
      } catch (const std::exception& e) {
        responder->reply(refusal(500, e.what()));
      } catch (...) {
        responder->reply(refusal(500, "the page cannot be made"));
      }
    }

    [[nodiscard]] HttpReply refusal(unsigned status, std::string why) const {
      if (app_ != nullptr) return app_->refusal(status, std::move(why));
      return {status, std::move(why) + "\n", std::string(kText)};
    }
    // The last reply of a connection.
    void finish(HttpReply reply) { send(std::move(reply), false); }
    void refuse(unsigned status, std::string why) { finish(refusal(status, std::move(why))); }
    void refuse(Refusal refused) { refuse(refused.status, std::move(refused.why)); }

    template <class Response>
    void set_head(Response& response, HttpReply& reply) {
      if (app_ != nullptr) app_->complete(reply);
      response.version(parser_->get().version() == 10 ? 10 : 11);
      response.result(reply.status);
      response.set(http::field::date, http_date(std::time(nullptr)));
      if (!reply.content_type.empty()) response.set(http::field::content_type, reply.content_type);
      if (reply.status == 405 && app_ == nullptr) response.set(http::field::allow, "GET, HEAD");
      for (const auto& [name, value] : reply.headers) response.insert(name, value);
    }
    template <class Response>
    static std::string as_text(const Response& response) {
      std::ostringstream text;
      text << response.base();
      return std::move(text).str();
    }

    // Counts what this connection holds, in place of what it held before.
    void hold(std::size_t octets) {
      all_.held_ += octets - std::exchange(held_, octets);
      all_.relieve(shared_from_this());
    }

    void send(HttpReply reply, bool keep_alive) {
      const auto self = shared_from_this();
      if (reply.body.size() > kHttpHeld) {
        // Nobody else is to pay for it.
        reply = refusal(503, "the reply is longer than " + std::to_string(kHttpHeld) + " octets");
      }
      if (reply.more) return send_pieces(std::move(reply), keep_alive);
      const auto& head = parser_->get();
      keep_alive_ = keep_alive;
      response_ = {};
      set_head(response_, reply);
      response_.keep_alive(keep_alive);
      // RFC 9110 8.6, 15.4.5: nothing comes behind these.
      if (reply.status != 204 && reply.status != 304) {
        response_.content_length(reply.body.size());
        // RFC 9110 9.3.2: the length of what a GET would bring, and no body.
        if (!parser_->is_header_done() || head.method() != http::verb::head) {
          response_.body() = std::move(reply.body);
        }
      }
      hold(response_.body().size());
      if (closed_) return;
      expire(kTimeout);
      with_stream([&](auto& to) {
        http::async_write(to, response_,
                          [self](const boost::system::error_code& error, std::size_t) {
                            if (self->closed_) return;
                            self->hold(0);
                            self->response_ = {};
                            if (error) return self->close();
                            if (self->keep_alive_) return self->read();
                            self->linger();
                          });
      });
    }

    // A reply whose length is not known when it begins.
    void send_pieces(HttpReply reply, bool keep_alive) {
      const auto& head = parser_->get();
      // RFC 9112 6.1: who speaks HTTP/1.0 reads until the end of the connection.
      chunked_ = head.version() >= 11;
      keep_alive_ = keep_alive && chunked_;
      http::response<http::empty_body> response;
      set_head(response, reply);
      response.chunked(chunked_);
      response.keep_alive(keep_alive_);
      std::string text = as_text(response);
      if (head.method() == http::verb::head) {
        chunked_ = false;
        return send_piece(std::move(text), {});
      }
      more_ = std::move(reply.more);
      send_piece(std::move(text), std::move(reply.body));
    }
    // `head`: of the reply, before the first piece.
    void send_piece(std::string head, std::string piece) {
      if (more_ && piece.empty()) {
        try {
          if (!more_(piece)) more_ = nullptr;
        } catch (...) {
          return close();  // the client sees that it is not whole
        }
      }
      std::string text = std::move(head);
      if (chunked_) {
        if (!piece.empty()) text += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
        if (!more_) text += "0\r\n\r\n";
      } else {
        text += piece;
      }
      hold(text.size());
      if (closed_) return;
      expire(kTimeout);
      write(std::make_shared<std::string>(std::move(text)), [self = shared_from_this()] {
        self->hold(0);
        if (self->more_) return self->send_piece({}, {});
        if (self->keep_alive_) return self->read();
        self->linger();
      });
    }

    // The client may be in the middle of its request: a closed socket would answer that with a
    // reset, which overtakes the reply.
    void linger() {
      boost::system::error_code ignored;
      expire(kLinger);
      if (tls_) {
        // Said, but not waited for.
        tls_->async_shutdown([self = shared_from_this()](const boost::system::error_code&) {
          if (!self->closed_) self->close();
        });
        return;
      }
      socket_.shutdown(tcp::socket::shutdown_send, ignored);
      discard();
    }
    void discard() {
      socket_.async_read_some(
          asio::buffer(all_.discarded_),
          [self = shared_from_this()](const boost::system::error_code& error, std::size_t size) {
            if (self->closed_) return;
            self->lingered_ += size;
            if (error || self->lingered_ > kLingerOctets) return self->close();
            self->discard();
          });
    }

    Impl& all_;
    std::weak_ptr<Listener> listener_;
    tcp::socket socket_;
    asio::steady_timer timer_;
    std::shared_ptr<asio::ssl::context> tls_context_;     // nullptr: plain text
    std::optional<asio::ssl::stream<tcp::socket&>> tls_;  // likewise
    asio::ip::address peer_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    http::response<http::string_body> response_;
    Connections::Place place_;
    std::size_t held_ = 0;  // octets of the reply that is being written
    std::size_t lingered_ = 0;
    bool keep_alive_ = false;
    bool timed_out_ = false;
    bool closed_ = false;

    // Of the request at hand: its page or its app.
    HttpHandler page_;
    std::string query_;
    std::shared_ptr<HttpApp> app_;
    std::size_t body_limit_ = kHttpBody;
    HttpRequest request_;
    bool pending_ = false;   // the app has it
    bool watching_ = false;  // see watch()
    std::vector<std::shared_ptr<void>> kept_;
    std::shared_ptr<Stream> stream_;  // its reply has no end
    std::string idle_;
    std::function<bool(std::string&)> more_;  // its reply goes out in pieces
    bool chunked_ = false;
    bool sending_ = false;
    bool quiet_ = true;   // nothing was sent since the last beat
    bool stuck_ = false;  // what was being sent at the last beat still may be
  };

  // Runs `call` there and waits; passes on what it throws.
  template <class Call>
  void on_thread(Call call) {
    std::promise<void> done;
    asio::post(io_, [&] {
      try {
        call();
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
    done.get_future().get();
  }

  void add(const std::shared_ptr<Listener>& listener, tcp::socket socket) {
    boost::system::error_code error;
    const tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;  // gone already
    while (connections_.size() >= kHttpConnections) close_one();
    const auto connection = std::make_shared<Connection>(*this, listener, std::move(socket));
    const auto place = connections_.insert(
        dns::client_key(dns::make_endpoint(peer.address(), peer.port())), connection);
    try {
      connection->start(place, peer.address());
    } catch (...) {
      connection->close();
      throw;
    }
  }
  void close_one() noexcept {
    const std::shared_ptr<Connection> gives =
        *connections_.victim([](const std::shared_ptr<Connection>&) { return true; });
    gives->close();
  }
  // Closes connections until replies hold no more than they may; not that of `newest`.
  void relieve(const std::shared_ptr<Connection>& newest) noexcept {
    while (held_ > kHttpHeld && connections_.size() > 1) {
      const std::shared_ptr<Connection> gives = *connections_.victim(
          [&](const std::shared_ptr<Connection>& each) { return each != newest; });
      if (gives == newest) return;
      gives->close();
    }
  }

  void run() noexcept {
    ::pthread_setname_np(::pthread_self(), "http");
    for (;;) {
      try {
        io_.run();
        return;
      } catch (...) {
        // Out of memory in one handler: that connection is lost, the rest goes on.
        rearm();
      }
    }
  }
  void rearm() noexcept {
    for (;;) {
      try {
        for (const auto& [address, listener] : listeners_) listener->rearm();
        return;
      } catch (...) {
        std::this_thread::sleep_for(kAcceptRest);
      }
    }
  }

  asio::io_context io_{1};
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(io_);
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  // The thread's own.
  std::map<std::string, std::shared_ptr<Listener>> listeners_;
  Connections connections_;
  std::size_t held_ = 0;
  std::array<char, 4096> discarded_;
  // Of what listens.
  struct Served {
    std::uint16_t port;
    std::uint64_t inode;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Served> served_;  // guarded by mutex_
  std::thread thread_;
};

std::shared_ptr<HttpStream> HttpServer::Impl::Responder::stream(HttpReply head, std::string idle) {
  auto stream = std::make_shared<Stream>(connection_, mailbox_);
  if (done_.exchange(true)) {
    stream->end();
    return stream;
  }
  mailbox_->post(
      [connection = connection_, head = std::move(head), stream, idle = std::move(idle)]() mutable {
        const auto self = connection.lock();
        if (self == nullptr) return stream->end();
        self->on_stream(std::move(head), stream, std::move(idle));
      });
  return stream;
}

HttpServer::HttpServer() : impl_(std::make_unique<Impl>()) {}
HttpServer::~HttpServer() = default;

std::shared_ptr<HttpServer::Prepared> HttpServer::prepare(
    const std::map<std::string, HttpAddress>& addresses, const dns::SocketInodes& ours,
    std::vector<std::string>* left_out) {
  return impl_->prepare(addresses, ours, left_out);
}
dns::SocketInodes HttpServer::sockets(const Prepared* prepared) const {
  dns::SocketInodes all = impl_->sockets();
  if (prepared != nullptr) {
    for (const auto& opened : prepared->opened) all.insert(dns::socket_inode(opened.socket.get()));
  }
  return all;
}
void HttpServer::commit(std::shared_ptr<Prepared> prepared, HttpRoutes routes) {
  impl_->commit(std::move(prepared), std::move(routes));
}
std::uint16_t HttpServer::port(const std::string& address) const { return impl_->port(address); }

}  // namespace clusterdns::app
