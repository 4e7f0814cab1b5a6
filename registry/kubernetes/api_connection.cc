#include "registry/kubernetes/api_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <vector>

#include "registry/kubernetes/host_lookup.h"
#include "registry/kubernetes/version.h"

namespace clusterdns::registry::kubernetes {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using boost::system::error_code;

// A connection inside a cluster takes a millisecond; a black hole takes for ever.
constexpr std::chrono::milliseconds kConnectLimit{2000};
// The first server of a resolv.conf may be dead: the second is asked after five seconds.
constexpr std::chrono::milliseconds kLookupLimit{6000};
constexpr std::chrono::milliseconds kHandshakeLimit{3000};
// Two TLS records: a read takes one, and a chunk's header may straddle.
constexpr std::size_t kBufferSize = 32 * 1024;
static_assert(kBufferSize >= kMaxResponseHead);
// Of a compressed body this much is taken at a time, which is up to a thousand times as much when
// it is unpacked: others have their turn between.
constexpr std::size_t kCompressedTurn = 1024;
// The kernel's own ways to notice a dead peer, for connections on which we do not speak.
constexpr int kKeepAliveIdle = 5;      // seconds
constexpr int kKeepAliveInterval = 2;  // seconds
constexpr int kKeepAliveCount = 3;
constexpr unsigned kUserTimeout = 10'000;  // milliseconds that sent data may stay unacknowledged
constexpr std::chrono::seconds kMaxRetryAfter{30};

// Unpacks gzip as it comes.
class Inflater {
 public:
  Inflater() {
    // 15 bits of window; 16 more: a gzip header.
    good_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  template <class Sink>
  bool feed(std::span<const std::uint8_t> in, Sink&& sink) {
    if (!good_) return false;
    if (ended_) return in.empty();
    // zlib does not write to its input; its interface is older than const.
    stream_.next_in = const_cast<Bytef*>(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    while (stream_.avail_in > 0) {
      stream_.next_out = out_.data();
      stream_.avail_out = static_cast<uInt>(out_.size());
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return false;
      const std::size_t size = out_.size() - stream_.avail_out;
      if (size > 0 && !sink(std::span<const std::uint8_t>(out_.data(), size))) return false;
      ended_ = result == Z_STREAM_END;
      if (ended_) return stream_.avail_in == 0;
      if (result == Z_BUF_ERROR && size == 0) break;
    }
    return true;
  }
  // False: the end, with its checksum, has not come.
  [[nodiscard]] bool ended() const noexcept { return ended_; }

 private:
  z_stream stream_{};
  bool good_ = false;
  bool ended_ = false;
  std::array<std::uint8_t, kBufferSize> out_{};
};

// Beast's parser with the body handed on as it comes.
class ResponseParser final : public http::basic_parser<false> {
 public:
  using DataHandler = std::function<bool(std::span<const std::uint8_t>)>;

  ResponseParser(std::function<void()> on_head, DataHandler on_data)
      : on_head_(std::move(on_head)), on_data_(std::move(on_data)) {
    eager(true);
    body_limit(boost::none);
    header_limit(kMaxResponseHead);
  }
  ApiConnection::Head head;

 private:
  void on_request_impl(http::verb, boost::beast::string_view, boost::beast::string_view, int,
                       error_code&) override {}
  void on_response_impl(int code, boost::beast::string_view, int, error_code&) override {
    head.status = static_cast<unsigned>(code);
  }
  void on_field_impl(http::field name, boost::beast::string_view, boost::beast::string_view value,
                     error_code&) override {
    if (name == http::field::content_type) {
      head.content_type.assign(value.data(), value.size());
    } else if (name == http::field::content_encoding) {
      head.gzip = boost::beast::iequals(value, "gzip");
    } else if (name == http::field::retry_after) {
      unsigned seconds = 0;
      const auto error = std::from_chars(value.data(), value.data() + value.size(), seconds).ec;
      if (error == std::errc{}) {
        head.retry_after = std::min(std::chrono::seconds(seconds), kMaxRetryAfter);
      } else if (error == std::errc::result_out_of_range) {
        head.retry_after = kMaxRetryAfter;
      }
    }
  }
  void on_header_impl(error_code&) override { on_head_(); }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(boost::beast::string_view body, error_code& error) override {
    return hand_on(body, error);
  }
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view body,
                                 error_code& error) override {
    return hand_on(body, error);
  }
  void on_finish_impl(error_code&) override {}

  std::size_t hand_on(boost::beast::string_view body, error_code& error) {
    const auto* const data = reinterpret_cast<const std::uint8_t*>(body.data());
    if (!on_data_({data, body.size()})) error = asio::error::operation_aborted;
    return body.size();
  }

  std::function<void()> on_head_;
  DataHandler on_data_;
};

std::string tls_problem(const error_code& error, SSL* ssl) {
  const long verified = ::SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    return std::string("the server's certificate is not accepted: ") +
           ::X509_verify_cert_error_string(verified);
  }
  return "TLS: " + error.message();
}

}  // namespace

class ApiConnection::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, const Credentials& credentials)
      : io_(io), credentials_(credentials), lookup_(io), watchdog_(io) {}

  [[nodiscard]] bool busy() const noexcept { return running_; }

  void start(Request request, Receiver receiver) {
    request_ = std::move(request);
    receiver_ = std::move(receiver);
    running_ = true;
    ++turn_;
    const bool reuse = open_ && link_->server == request_.server &&
                       (!request_.server.tls || link_->generation == credentials_.tls_generation());
    started_ = Clock::now();
    end_ = request_.total_limit.count() == 0 ? Clock::time_point::max()
                                             : started_ + request_.total_limit;
    if (reuse) {
      send();
    } else {
      connect();
    }
  }

  void set_idle_limit(std::chrono::milliseconds limit) {
    request_.idle_limit = limit;
    if (running_) expect(Clock::now() + limit);
  }

  void end_within(std::chrono::milliseconds limit) {
    end_ = std::min(end_, Clock::now() + limit);
    if (running_) expect(deadline_);
  }

  void close() {
    running_ = false;
    open_ = false;
    ++turn_;
    receiver_ = {};
    watchdog_.cancel();
    armed_ = false;
    lookup_.cancel();
    drop();
  }

 private:
  using Protected = asio::ssl::stream<tcp::socket&>;

  // A connection attempt and what becomes of it. Operations hold it, so that late ones meet their
  // own socket and never that of the next attempt.
  struct Link {
    explicit Link(asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    std::shared_ptr<asio::ssl::context> context;
    std::unique_ptr<Protected> tls;
    std::uint64_t generation = 0;  // of the credentials' TLS context
    ApiServer server;
    std::string out;
    std::vector<std::uint8_t> in = std::vector<std::uint8_t>(kBufferSize);
  };

  // A handler that does nothing when the request it belongs to is over.
  template <class Handler>
  auto guarded(Handler handler) {
    return [self = shared_from_this(), this, turn = turn_, link = link_,
            handler = std::move(handler)](auto&&... results) {
      if (turn == turn_) handler(std::forward<decltype(results)>(results)...);
    };
  }

  // --- time ---

  // The request fails at `when`, or at its end if that is sooner, unless this is called again.
  void expect(Clock::time_point when) {
    deadline_ = std::min(when, end_);
    if (!armed_ || deadline_ < armed_for_) arm();
  }
  void arm() {
    armed_ = true;
    armed_for_ = deadline_;
    watchdog_.expires_at(deadline_);
    watchdog_.async_wait([self = shared_from_this(), this](const error_code& error) {
      if (error || !armed_) return;
      armed_ = false;
      if (!running_) return;
      if (Clock::now() < deadline_) return arm();
      end(phase_ == Phase::Connecting ? Ending::Unreachable : Ending::Silent,
          phase_ == Phase::Connecting ? "no connection in time" : "silent for too long");
    });
  }

  // --- the way of a request ---

  void connect() {
    drop();
    phase_ = Phase::Connecting;
    link_ = std::make_shared<Link>(io_);
    link_->server = request_.server;
    error_code error;
    const auto address = asio::ip::make_address(request_.server.host, error);
    if (!error) {
      endpoints_ = {tcp::endpoint(address, request_.server.port)};
      return connect_to_endpoints();
    }
    expect(Clock::now() + kLookupLimit);
    // Cancelled with the request.
    lookup_.start(
        request_.server.host, guarded([this](const HostAddresses& found) {
          if (found.error) {
            return end(Ending::Unreachable,
                       "'" + request_.server.host + "' does not resolve: " + found.error.message());
          }
          endpoints_.clear();
          for (const auto& one : found.addresses) {
            endpoints_.emplace_back(one, request_.server.port);
          }
          connect_to_endpoints();
        }));
  }

  void connect_to_endpoints() {
    expect(Clock::now() + kConnectLimit);
    asio::async_connect(
        link_->socket, endpoints_, guarded([this](const error_code& error, const tcp::endpoint&) {
          if (error) {
            return end(
                error == asio::error::connection_refused ? Ending::Refused : Ending::Unreachable,
                error.message());
          }
          connected();
        }));
  }

  void connected() {
    Link& link = *link_;
    error_code ignored;
    link.socket.set_option(tcp::no_delay(true), ignored);
    link.socket.set_option(asio::socket_base::keep_alive(true), ignored);
    set_option(TCP_KEEPIDLE, kKeepAliveIdle);
    set_option(TCP_KEEPINTVL, kKeepAliveInterval);
    set_option(TCP_KEEPCNT, kKeepAliveCount);
    set_option(TCP_USER_TIMEOUT, static_cast<int>(kUserTimeout));
    if (!request_.server.tls) return ready();
    link.context = credentials_.tls();
    link.generation = credentials_.tls_generation();
    link.tls = std::make_unique<Protected>(link.socket, *link.context);
    SSL* const ssl = link.tls->native_handle();
    const std::string& name = credentials_.server_name(request_.server);
    error_code is_name;
    (void)asio::ip::make_address(name, is_name);
    // Server name indication is for names only (RFC 6066, 3).
    if (is_name) {
      ::SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(name.c_str()));
    }
    if (credentials_.verifies()) {
      link.tls->set_verify_callback(asio::ssl::host_name_verification(name), ignored);
    }
    expect(Clock::now() + kHandshakeLimit);
    link.tls->async_handshake(Protected::client, guarded([this, ssl](const error_code& error) {
                                if (error) return end(Ending::Insecure, tls_problem(error, ssl));
                                ready();
                              }));
  }

  void ready() {
    open_ = true;
    begin_ = filled_ = 0;
    send();
  }

  void send() {
    phase_ = Phase::Waiting;
    sent_ = Clock::now();
    expect(sent_ + request_.idle_limit);
    std::string& text = link_->out;
    text = "GET " + request_.server.base_path + request_.target +
           " HTTP/1.1\r\nHost: " + request_.server.host_port() +
           "\r\nUser-Agent: " + std::string(kUserAgent) + "\r\nAccept: " + request_.accept + "\r\n";
    if (request_.gzip) text += "Accept-Encoding: gzip\r\n";
    if (const auto who = credentials_.authorization(request_.server); !who.empty()) {
      text += "Authorization: ";
      text += who;
      text += "\r\n";
    }
    text += "\r\n";
    inflater_.reset();
    parser_ = std::make_shared<ResponseParser>(
        [this] {
          parser_->head.took = Clock::now() - sent_;
          phase_ = Phase::Body;
          if (parser_->head.gzip) inflater_ = std::make_unique<Inflater>();
          if (receiver_.on_head) receiver_.on_head(parser_->head);
        },
        [this](std::span<const std::uint8_t> data) { return hand_on(data); });
    const auto written = guarded([this](const error_code& error, std::size_t) {
      if (error) return end(Ending::Broken, error.message());
      read();
    });
    if (link_->tls) {
      asio::async_write(*link_->tls, asio::buffer(link_->out), written);
    } else {
      asio::async_write(link_->socket, asio::buffer(link_->out), written);
    }
  }

  bool hand_on(std::span<const std::uint8_t> data) {
    const std::uint64_t turn = turn_;
    bool good = true;
    const auto pass = [&](std::span<const std::uint8_t> part) {
      good = receiver_.on_data && receiver_.on_data(part) && turn == turn_;
      return good;
    };
    if (!inflater_) return pass(data);
    return inflater_->feed(data, pass) && good;
  }

  void read() {
    std::vector<std::uint8_t>& buffer = link_->in;
    if (begin_ > 0) {
      std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(begin_),
                buffer.begin() + static_cast<std::ptrdiff_t>(filled_), buffer.begin());
      filled_ -= begin_;
      begin_ = 0;
    }
    if (filled_ == buffer.size()) return end(Ending::Broken, "a header is too long");
    const auto space = asio::buffer(buffer.data() + filled_, buffer.size() - filled_);
    const auto done = guarded([this](const error_code& error, std::size_t size) {
      filled_ += size;
      received(error);
    });
    if (link_->tls) {
      link_->tls->async_read_some(space, done);
    } else {
      link_->socket.async_read_some(space, done);
    }
  }

  void received(const error_code& read_error) {
    const std::uint64_t turn = turn_;
    expect(Clock::now() + request_.idle_limit);
    // The parser is ours until this returns, whatever the receiver does meanwhile.
    const std::shared_ptr<ResponseParser> parser = parser_;
    error_code error;
    while (begin_ < filled_ && !parser->is_done()) {
      const std::size_t there = filled_ - begin_;
      std::size_t some = inflater_ ? std::min(there, kCompressedTurn) : there;
      std::size_t used = parser->put(asio::buffer(link_->in.data() + begin_, some), error);
      if (turn != turn_) return;
      if (used == 0 && error == http::error::need_more && some < there) {
        // The head of a chunk is longer than that.
        error = {};
        some = there;
        used = parser->put(asio::buffer(link_->in.data() + begin_, some), error);
        if (turn != turn_) return;
      }
      begin_ += used;
      if (error == http::error::need_more) {
        error = {};
        if (used == 0) break;
      }
      if (error) break;
      if (some < there) {
        return asio::post(io_, guarded([this, read_error] { received(read_error); }));
      }
    }
    if (!error && read_error && !parser->is_done()) {
      // Without a length the end of the connection is the end of the body.
      if (parser->got_some()) {
        parser->put_eof(error);
      } else {
        error = http::error::end_of_stream;
      }
      if (turn != turn_) return;
    }
    if (error == asio::error::operation_aborted) {
      return end(Ending::Rejected, "the response is malformed");
    }
    if (error) {
      return end(Ending::Broken,
                 error == http::error::partial_message || error == http::error::end_of_stream
                     ? "the connection ended early"
                     : error.message());
    }
    if (receiver_.on_pause) receiver_.on_pause();
    if (turn != turn_) return;
    if (parser->is_done()) {
      if (inflater_ && !inflater_->ended()) {
        return end(Ending::Broken, "the compressed body ended early");
      }
      if (read_error || !parser->keep_alive() || begin_ != filled_) drop();
      return end(Ending::Complete, {});
    }
    if (read_error) return end(Ending::Broken, read_error.message());
    read();
  }

  void end(Ending ending, const std::string& what) {
    running_ = false;
    ++turn_;
    lookup_.cancel();
    if (ending != Ending::Complete) drop();
    const Receiver receiver = std::move(receiver_);
    receiver_ = {};
    const auto keep = shared_from_this();
    if (receiver.on_end) receiver.on_end(ending, what);
  }

  void drop() {
    open_ = false;
    begin_ = filled_ = 0;
    if (!link_) return;
    error_code ignored;
    link_->socket.close(ignored);
    link_.reset();
  }

  void set_option(int name, int value) {
    // Best effort: a kernel without it still has our own watchdog.
    (void)::setsockopt(link_->socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
  }

  enum class Phase : std::uint8_t { Connecting, Waiting, Body };

  asio::io_context& io_;
  const Credentials& credentials_;
  std::shared_ptr<Link> link_;
  HostLookup lookup_;
  std::vector<tcp::endpoint> endpoints_;
  bool open_ = false;

  Request request_;
  Receiver receiver_;
  bool running_ = false;
  std::uint64_t turn_ = 0;  // handlers of another turn are late
  Phase phase_ = Phase::Connecting;
  std::shared_ptr<ResponseParser> parser_;
  std::unique_ptr<Inflater> inflater_;
  std::size_t begin_ = 0, filled_ = 0;

  asio::steady_timer watchdog_;
  bool armed_ = false;
  Clock::time_point armed_for_{}, deadline_{}, started_{}, sent_{}, end_{};
};

ApiConnection::ApiConnection(boost::asio::io_context& io, const Credentials& credentials)
    : impl_(std::make_shared<Impl>(io, credentials)) {}
ApiConnection::~ApiConnection() { impl_->close(); }
void ApiConnection::start(Request request, Receiver receiver) {
  impl_->start(std::move(request), std::move(receiver));
}
void ApiConnection::set_idle_limit(std::chrono::milliseconds limit) {
  impl_->set_idle_limit(limit);
}
void ApiConnection::end_within(std::chrono::milliseconds limit) { impl_->end_within(limit); }
void ApiConnection::close() { impl_->close(); }
bool ApiConnection::busy() const noexcept { return impl_->busy(); }

}  // namespace clusterdns::registry::kubernetes
