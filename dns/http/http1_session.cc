#include "dns/http/http1_session.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "dns/http/doh_request.h"
#include "dns/http/http2_session.h"

namespace clusterdns::dns {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

// Hands on what a request says; keeps no text.
class Parser final : public http::basic_parser<true> {
 public:
  Parser() {
    header_limit(static_cast<std::uint32_t>(kDohHead));
    body_limit(kMaxMessageSize);
    eager(true);
  }
  DohRequest request;
  [[nodiscard]] bool wants_continue() const noexcept { return expects_; }

 private:
  void on_request_impl(http::verb, boost::beast::string_view method,
                       boost::beast::string_view target, int version, error_code&) override {
    request.set_method({method.data(), method.size()});
    request.set_target({target.data(), target.size()});
    needs_host_ = version >= 11;
  }
  void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}
  void on_field_impl(http::field name, boost::beast::string_view, boost::beast::string_view value,
                     error_code& error) override {
    if (is_header_done()) return;  // a trailer, which changes nothing
    if (name == http::field::content_type) request.set_content_type({value.data(), value.size()});
    if (name == http::field::expect) {
      expects_ = boost::beast::iequals(value, "100-continue");
    }
    if (name == http::field::host) ++hosts_;
    // RFC 9112 6.1, 6.3: what is coded otherwise has no length that we know. Beast takes it for a
    // request without a body, and what the body says for the next one.
    if (name == http::field::transfer_encoding &&
        (!needs_host_ || !boost::beast::iequals(value, "chunked"))) {
      error = http::error::bad_transfer_encoding;
    }
  }
  void on_header_impl(error_code&) override {
    // RFC 9112 3.2.
    if (hosts_ > 1 || (needs_host_ && hosts_ == 0)) request.refuse(400);
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t add(boost::beast::string_view body) {
    request.add_body({reinterpret_cast<const std::uint8_t*>(body.data()), body.size()});
    return body.size();
  }
  std::size_t on_body_impl(boost::beast::string_view body, error_code&) override {
    return add(body);
  }
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view body,
                                 error_code&) override {
    return add(body);
  }
  void on_finish_impl(error_code&) override {}

  bool needs_host_ = false;
  bool expects_ = false;
  unsigned hosts_ = 0;
};

class Http1Session final : public HttpSession {
 public:
  explicit Http1Session(const Settings& settings) : count_(settings) {}

  [[nodiscard]] std::size_t take(std::span<const std::uint8_t> octets, std::int64_t) override {
    std::size_t taken = 0;
    while (taken < octets.size() && takes()) {
      if (!parser_) {
        // RFC 9112 2.2: empty lines in front of a request.
        if (octets[taken] == '\r' || octets[taken] == '\n') {
          if (++empty_ > kEmptyLines) {
            refuse(400, true);
            break;
          }
          ++taken;
          continue;
        }
        parser_.emplace();
        empty_ = 0;
        octets_ = 0;
      }
      const auto left = octets.subspan(taken);
      // Beast is not to see the last chunk again before more of it has come.
      if (parser_->is_header_done() && parser_->chunked() && left.size() < kLastChunk) break;
      error_code error;
      const std::size_t used =
          parser_->put(boost::asio::const_buffer(left.data(), left.size()), error);
      taken += used;
      octets_ += used;
      if (error == http::error::need_more) error = {};
      // The parser bounds what it sees at once.
      if (!error && octets_ > kDohHead && !parser_->is_header_done()) {
        error = http::error::header_limit;
      }
      if (!error && octets_ > kDohHead + kMostBody) error = http::error::body_limit;
      if (error) {
        refuse(status_of(error), true);
        break;
      }
      if (parser_->is_done()) {
        if (const unsigned status = parser_->request.complete(); status != 0) {
          refuse(status, !parser_->keep_alive());
        } else {
          busy_ = ready_ = true;
        }
        continue;
      }
      if (parser_->is_header_done() && !looked_at_head_) {
        looked_at_head_ = true;
        // A small body is read all the same: the connection can stay, and who still sends would not
        // read an answer.
        const unsigned status = parser_->request.status();
        if (status == 413 || (status != 0 && parser_->wants_continue())) {
          refuse(status, true);
          break;
        }
        if (parser_->wants_continue()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
        continue;
      }
      // A body that grows beyond what a message has.
      if (parser_->is_header_done() && parser_->request.status() == 413) {
        refuse(413, true);
        break;
      }
      if (used == 0) {
        // Extensions of a chunk, or trailers, whose end Beast would await for ever.
        if (left.size() > kDohHead) refuse(431, true);
        break;
      }
    }
    return taken;
  }
  [[nodiscard]] bool takes() const noexcept override {
    return !busy_ && !closing_ && pending() < kMostPending;
  }

  [[nodiscard]] bool has_next() const noexcept override { return ready_; }
  [[nodiscard]] std::optional<Asked> next() override {
    if (!std::exchange(ready_, false)) return std::nullopt;
    return Asked{number_, parser_->request.message()};
  }

  void answer(std::uint32_t stream, std::span<const std::uint8_t> message) override {
    if (!busy_ || stream != number_) return;
    const bool last = closing_ || !parser_->keep_alive();
    begin(200, kDohType, message.size(), last);
    out_ += "Cache-Control: max-age=" + std::to_string(fresh_seconds(message)) + "\r\n\r\n";
    out_.append(reinterpret_cast<const char*>(message.data()), message.size());
    end(last);
  }
  void give_none(std::uint32_t stream) override {
    if (!busy_ || stream != number_) return;
    refuse(500, !parser_->keep_alive());
  }

  [[nodiscard]] std::size_t produce(std::uint8_t* to, std::size_t room) override {
    const std::size_t count = std::min(room, pending());
    if (count == 0) return 0;
    std::memcpy(to, out_.data() + sent_, count);
    sent_ += count;
    if (sent_ == out_.size()) {
      out_ = {};
      sent_ = 0;
    }
    return count;
  }

  void finish() noexcept override { closing_ = true; }
  [[nodiscard]] bool ended() const noexcept override {
    return closing_ && !busy_ && pending() == 0;
  }
  [[nodiscard]] std::size_t pending() const noexcept override { return out_.size() - sent_; }
  [[nodiscard]] std::size_t held() const noexcept override {
    return sizeof *this + out_.capacity() + (parser_ ? parser_->request.held() : 0);
  }
  [[nodiscard]] bool unfinished() const noexcept override { return parser_ && !busy_; }
  // The connection has no other request, and ends with it.
  [[nodiscard]] bool sweep(std::int64_t) override { return false; }

 private:
  // Empty lines between two requests.
  static constexpr unsigned kEmptyLines = 8;
  // Octets of answers to requests that were sent one behind the other.
  static constexpr std::size_t kMostPending = 64 * 1024;

  // What any body in chunks ends with: "0\r\n\r\n".
  static constexpr std::size_t kLastChunk = 5;
  // Octets of a body with how it is cut into chunks, and trailers.
  static constexpr std::size_t kMostBody = 4 * kMaxMessageSize;

  static unsigned status_of(const error_code& error) noexcept {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
    if (error == http::error::body_limit) return 413;
    return 400;
  }

  void begin(unsigned status, std::string_view type, std::size_t length, bool last) {
    count_(status);
    out_ += "HTTP/1.1 " + std::to_string(status) + " ";
    out_ += status_reason(status);
    out_ += "\r\nDate: ";
    out_ += http_date();
    out_ += "\r\nContent-Type: ";
    out_ += type;
    out_ += "\r\nContent-Length: " + std::to_string(length) + "\r\n";
    if (last) out_ += "Connection: close\r\n";
  }
  void refuse(unsigned status, bool last) {
    last = last || closing_;
    const std::string_view text = status_text(status);
    begin(status, "text/plain; charset=utf-8", text.size(), last);
    out_ += "X-Content-Type-Options: nosniff\r\n";
    if (status == 405) {
      out_ += "Allow: ";
      out_ += kDohAllow;
      out_ += "\r\n";
    }
    out_ += "\r\n";
    if (!parser_ || !parser_->request.is_head()) out_ += text;
    end(last);
  }
  void end(bool last) noexcept {
    closing_ = closing_ || last;
    busy_ = ready_ = looked_at_head_ = false;
    parser_.reset();
    ++number_;
  }

  const CountResponses count_;
  std::optional<Parser> parser_;  // of the request that has begun
  std::uint32_t number_ = 1;      // its
  std::size_t octets_ = 0;        // of it so far
  bool looked_at_head_ = false;
  bool busy_ = false;   // it is complete, and awaits its answer
  bool ready_ = false;  // likewise, and nobody has asked for it yet
  bool closing_ = false;
  unsigned empty_ = 0;
  std::string out_;
  std::size_t sent_ = 0;
};

}  // namespace

std::unique_ptr<HttpSession> make_http1_session(const HttpSession::Settings& settings) {
  return std::make_unique<Http1Session>(settings);
}

std::unique_ptr<HttpSession> make_http_session(bool http2, const HttpSession::Settings& settings) {
  return http2 ? make_http2_session(settings) : make_http1_session(settings);
}

}  // namespace clusterdns::dns
