#include "app/directives/etcd_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <system_error>

#include "registry/kubernetes/host_lookup.h"

namespace clusterdns::app {
namespace {

namespace http = boost::beast::http;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

std::string words_of(int error) {
  return std::error_code(error, std::generic_category()).message();
}

json::value read_json(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object()) throw EtcdFailed{"its response is not a JSON object"};
  return value;
}

// What the gateway says of an error: {"error":…,"message":…}, or {"error":{"message":…}}.
[[noreturn]] void fail_with(const json::value& value, std::string otherwise) {
  const json::object& object = value.get_object();
  const json::value* at = object.if_contains("message");
  if (at == nullptr) at = object.if_contains("error");
  if (at != nullptr && at->is_object()) at = at->get_object().if_contains("message");
  if (at != nullptr && at->is_string()) otherwise = std::string(at->get_string());
  throw EtcdFailed{otherwise, otherwise.find("compacted") != std::string::npos ||
                                  otherwise.find("future revision") != std::string::npos};
}

// Gives the parser what has been read; `left` is what it has not taken.
void feed(http::response_parser<http::string_body>& parser, std::string& left) {
  while (!left.empty() && !parser.is_done()) {
    boost::system::error_code error;
    const std::size_t taken = parser.put(boost::asio::buffer(left), error);
    left.erase(0, taken);
    if (error == http::error::need_more) {
      if (left.size() > kMaxEtcdResponse) throw EtcdFailed{"its response is too large"};
      return;
    }
    if (error) throw EtcdFailed{"its response is not HTTP: " + error.message()};
    if (taken == 0) return;
  }
}

}  // namespace

EtcdConnection::EtcdConnection(const registry::kubernetes::ApiServer& server, dns::TlsPeer* peer,
                               const std::atomic<bool>& abandoned)
    : server_(server), abandoned_(abandoned) {
  try {
    connect();
    if (peer != nullptr) tls_ = std::make_unique<dns::TlsStream>(*peer, fd_);
  } catch (...) {
    if (fd_ >= 0) ::close(fd_);
    throw;
  }
}

EtcdConnection::~EtcdConnection() {
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
}

void EtcdConnection::connect() {
  std::vector<boost::asio::ip::address> addresses;
  boost::system::error_code error;
  const auto literal = boost::asio::ip::make_address(server_.host, error);
  if (!error) {
    addresses.push_back(literal);
  } else {
    auto found = registry::kubernetes::look_up_with_system(server_.host);
    if (found.addresses.empty()) {
      throw EtcdFailed{server_.host + " has no address: " + found.error.message()};
    }
    addresses = std::move(found.addresses);
  }
  std::string why;
  for (const auto& address : addresses) {
    const boost::asio::ip::tcp::endpoint to(address, server_.port);
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::socket(to.data()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) throw EtcdFailed{words_of(errno)};
    const int on = 1;
    (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int failed = 0;
    if (::connect(fd_, to.data(), static_cast<socklen_t>(to.size())) != 0) failed = errno;
    if (failed == EINPROGRESS) {
      socklen_t size = sizeof failed;
      failed = ETIMEDOUT;
      if (wait(POLLOUT, Clock::now() + kEtcdSilence)) {
        (void)::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failed, &size);
      }
    }
    if (failed == 0) return;
    why = words_of(failed);
  }
  throw EtcdFailed{why};
}

bool EtcdConnection::wait(short events, Clock::time_point end) {
  constexpr std::chrono::milliseconds kSlice{100};
  for (;;) {
    if (abandoned_) throw EtcdFailed{"it is not wanted any more"};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd_, events, 0};
    if (::poll(&waiting, 1, static_cast<int>(std::min(kSlice, left).count())) > 0) return true;
  }
}

void EtcdConnection::write(std::string_view octets) {
  const auto end = Clock::now() + kEtcdSilence;
  std::span<const std::uint8_t> left(reinterpret_cast<const std::uint8_t*>(octets.data()),
                                     octets.size());
  while (!left.empty()) {
    const ssize_t sent =
        tls_ != nullptr ? tls_->send(left) : ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      left = left.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (sent == 0) throw EtcdFailed{"it closed the connection"};
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      const bool said = tls_ != nullptr && tls_->problem() != nullptr;
      throw EtcdFailed{said ? std::string("TLS: ") + tls_->problem() : words_of(errno)};
    }
    const bool reads = tls_ != nullptr && !tls_->wants_write();
    if (!wait(reads ? POLLIN : POLLOUT, end)) throw EtcdFailed{words_of(ETIMEDOUT)};
  }
}

std::size_t EtcdConnection::read(std::span<std::uint8_t> to, Clock::time_point end) {
  for (;;) {
    const ssize_t got = tls_ != nullptr ? tls_->receive(to.data(), to.size())
                                        : ::recv(fd_, to.data(), to.size(), 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      const bool said = tls_ != nullptr && tls_->problem() != nullptr;
      throw EtcdFailed{said ? std::string("TLS: ") + tls_->problem() : words_of(errno)};
    }
    if (tls_ != nullptr && tls_->has_more()) continue;
    const bool writes = tls_ != nullptr && tls_->wants_write();
    if (!wait(writes ? POLLOUT : POLLIN, end)) throw EtcdFailed{words_of(ETIMEDOUT)};
  }
}

void EtcdConnection::send(std::string_view path, std::string_view body) {
  std::string request =
      "POST " + server_.base_path + std::string(path) +
      " HTTP/1.1\r\nHost: " + server_.host_port() +
      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size());
  if (!token_.empty()) request += "\r\nAuthorization: " + token_;
  request += "\r\n\r\n";
  request += body;
  write(request);
}

json::value EtcdConnection::call(std::string_view path, std::string_view body) {
  send(path, body);
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(kMaxEtcdResponse);
  boost::system::error_code error;
  std::array<std::uint8_t, 16 * 1024> octets;
  // One that drips is as one that is silent.
  const auto end = Clock::now() + kEtcdCall;
  while (!parser.is_done()) {
    const std::size_t got = read(octets, std::min(end, Clock::now() + kEtcdSilence));
    if (Clock::now() >= end) throw EtcdFailed{words_of(ETIMEDOUT)};
    if (got == 0) {
      // It may be what ends the answer; there has to be one.
      if (parser.got_some()) parser.put_eof(error);
      if (error || !parser.is_done()) throw EtcdFailed{"it closed the connection"};
      break;
    }
    left_.append(octets.begin(), octets.begin() + got);
    feed(parser, left_);
  }
  const json::value value = read_json(parser.get().body());
  if (parser.get().result() != http::status::ok) {
    fail_with(value, "it answered " + std::to_string(parser.get().result_int()));
  }
  return value;
}

void EtcdConnection::stream(std::string_view path, std::string_view body, Clock::time_point end,
                            const std::function<void(const json::value&)>& message,
                            const std::function<std::chrono::milliseconds()>& idle) {
  send(path, body);
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(boost::none);
  std::array<std::uint8_t, 16 * 1024> octets;
  const auto first = Clock::now() + kEtcdSilence;  // a watch is confirmed
  bool any = false;
  while (Clock::now() < end) {
    std::size_t got = 0;
    const auto until = std::min(end, Clock::now() + idle());
    try {
      got = read(octets, until);
    } catch (const EtcdFailed&) {
      // Silence is what most of a watch is.
      if (abandoned_ || Clock::now() < until) throw;
      if (!any && Clock::now() >= first) throw EtcdFailed{words_of(ETIMEDOUT)};
      continue;
    }
    if (got == 0) throw EtcdFailed{"it closed the connection"};
    left_.append(octets.begin(), octets.begin() + got);
    feed(parser, left_);
    std::string& lines = parser.get().body();
    std::size_t at = 0;
    for (std::size_t stop = lines.find('\n'); stop != std::string::npos;
         stop = lines.find('\n', at)) {
      const json::value value = read_json(std::string_view(lines).substr(at, stop - at));
      at = stop + 1;
      if (value.get_object().contains("error")) fail_with(value, "it ended the watch");
      any = true;
      message(value);
    }
    lines.erase(0, at);
    if (lines.size() > kMaxEtcdResponse) throw EtcdFailed{"its message is too large"};
    if (parser.is_done()) {
      if (!lines.empty()) fail_with(read_json(lines), "it ended the watch");
      throw EtcdFailed{"it ended the watch"};
    }
  }
}

}  // namespace clusterdns::app
