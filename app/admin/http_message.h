// What a request says and what a reply is, apart from how they travel.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace clusterdns::app {

// Octets of a request's body, which means nothing to a page; an app may take more of some.
inline constexpr std::size_t kHttpBody = 8 * 1024;

struct HttpReply {
  unsigned status = 200;
  std::string body = {};
  std::string content_type = "text/plain; charset=utf-8";         // empty: none
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones
  // Called on the server's own thread before it is sent: for work that others should not wait for.
  std::function<void(HttpReply&)> finish = {};
  // What comes behind `body`, of a reply that is too long to be held whole. Called on the server's
  // own thread when all before has been sent: appends to `piece`, and says whether there is more.
  // Between two pieces others are answered.
  std::function<bool(std::string& piece)> more = {};
};

// Parameters of one request, of its query or of a form.
inline constexpr std::size_t kHttpParameters = 32;

// RFC 3986 2.1; in forms a plus is a space. nullopt: a '%' without two hexadecimal digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool form = false);

// `name=value&…` of a query or an `application/x-www-form-urlencoded` body.
class HttpParameters {
 public:
  // nullopt: a '%' that encodes nothing, or more than kHttpParameters.
  [[nodiscard]] static std::optional<HttpParameters> parse(std::string_view text);

  // The first of that name; nullptr: there is none.
  [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
  // The same, empty where there is none.
  [[nodiscard]] const std::string& get(std::string_view name) const noexcept;
  // In their order.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const noexcept {
    return all_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // decoded: "/api/v1/status"
  HttpParameters query = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in small letters
  std::string body = {};
  boost::asio::ip::address peer = {};
  bool tls = false;

  // The value of a header, `name` in small letters; nullptr: there is none.
  [[nodiscard]] const std::string* header(std::string_view name) const noexcept;
  [[nodiscard]] std::string_view header_or_empty(std::string_view name) const noexcept;
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
  // HEAD is answered as GET is (RFC 9110 9.3.2).
  [[nodiscard]] bool is_head() const noexcept { return method == "HEAD"; }
};

// Whether a list of weighted alternatives (RFC 9110 12.5: Accept, Accept-Encoding) names `wanted`,
// and not with a weight of 0.
[[nodiscard]] bool accepts(std::string_view list, std::string_view wanted) noexcept;
// Whether If-None-Match names this tag (RFC 9110 13.1.2: by the weak comparison).
[[nodiscard]] bool matches_etag(std::string_view list, std::string_view etag) noexcept;

// A reply that has no end of its own. Any thread.
class HttpStream {
 public:
  HttpStream() = default;
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;
  virtual ~HttpStream() = default;
  // Sends `text` when the client reads. False: nothing of it was taken, because too much waits
  // already (kHttpStreamQueue), or because the client is gone.
  virtual bool write(std::string_view text) = 0;
  // Ends it behind what was written.
  virtual void close() = 0;
  [[nodiscard]] virtual bool closed() const = 0;
};

// Where the reply to one request goes. Any thread, now or later; the first call counts. Destroyed
// without one it says 503.
class HttpResponder {
 public:
  HttpResponder() = default;
  HttpResponder(const HttpResponder&) = delete;
  HttpResponder& operator=(const HttpResponder&) = delete;
  virtual ~HttpResponder() = default;
  virtual void reply(HttpReply reply) = 0;
  // Begins a reply without an end; `head` has no body. `idle` is sent when nothing else was for
  // kHttpStreamBeat.
  virtual std::shared_ptr<HttpStream> stream(HttpReply head, std::string idle) = 0;
  // Keeps `what` until the request is over: replied to, or its client gone. It is released on the
  // server's thread.
  virtual void keep(std::shared_ptr<void> what) = 0;
  // The client is gone.
  [[nodiscard]] virtual bool closed() const = 0;
};

// What answers all requests of an address that no page is for. Called on the server's own thread;
// must not block.
class HttpApp {
 public:
  HttpApp() = default;
  HttpApp(const HttpApp&) = delete;
  HttpApp& operator=(const HttpApp&) = delete;
  virtual ~HttpApp() = default;
  // The head of a request has come. With a reply that is the end of it, and its body is not read.
  virtual std::optional<HttpReply> check(const HttpRequest& head) = 0;
  // Octets of the body that check() has let in.
  [[nodiscard]] virtual std::size_t body_limit(const HttpRequest& /*head*/) const {
    return kHttpBody;
  }
  // All of it has come.
  virtual void handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) = 0;
  // How it says that the server itself refuses a request, which is not to be read as HTTP or too
  // long.
  [[nodiscard]] virtual HttpReply refusal(unsigned status, std::string why) const = 0;
  // Adds what all its replies have.
  virtual void complete(HttpReply& reply) const = 0;
};

}  // namespace clusterdns::app
