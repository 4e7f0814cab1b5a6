#include "app/commands/server_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>

#include "app/base/json.h"
#include "app/corefile/token_file.h"
#include "dns/base/descriptor.h"
#include "dns/base/regular_file.h"
#include "dns/net/tls_stream.h"

namespace clusterdns::app {
namespace {

namespace http = boost::beast::http;

// Octets of a reply; 10,000 services with their names are a tenth of it.
constexpr std::uint64_t kMostOctets = std::uint64_t{256} * 1024 * 1024;

[[noreturn]] void fail(const ServerUrl& server, const std::string& why) {
  throw ServerError((server.tls ? "https://" : "http://") + server.authority + ": " + why);
}

bool is_loopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
  }
  if (address.sa_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) ||
         (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
}

// The certificates that vouch for the server. Throws std::runtime_error.
std::shared_ptr<const dns::TlsContext> trust_of(const ServerUrl& server) {
  dns::TlsSettings settings;
  if (!server.ca_file.empty()) {
    auto text = dns::read_regular_file(server.ca_file, dns::kMaxPem);
    if (!text) throw ServerError("--ca: " + server.ca_file + " " + text.error());
    if (text->empty()) throw ServerError("--ca: " + server.ca_file + " is empty");
    settings.authorities = std::move(*text);
  }
  try {
    return dns::TlsContext::for_client(std::move(settings));
  } catch (const std::runtime_error& e) {
    if (server.ca_file.empty()) fail(server, std::string(e.what()) + " (--ca FILE)");
    throw ServerError("--ca: " + server.ca_file + ": " + e.what());
  }
}

class Connection {
 public:
  Connection(const ServerUrl& server, std::chrono::seconds patience)
      : server_(server), patience_(patience) {
    if (server.tls) {
      peer_.emplace(std::make_shared<const dns::TlsContexts>(trust_of(server)), server.host);
    }
    connect();
    if (peer_) tls_.emplace(*peer_, socket_.get());
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n =
          tls_ ? tls_->send({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()})
               : ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (tls_ && n == 0) fail(server_, "the connection has ended");
      if (n < 0) {
        go_on_after(errno, POLLOUT);
      } else {
        text.remove_prefix(static_cast<std::size_t>(n));
      }
    }
  }
  // What has come; empty at the end.
  std::string_view receive() {
    for (;;) {
      const ssize_t n =
          tls_ ? tls_->receive(reinterpret_cast<std::uint8_t*>(buffer_.data()), buffer_.size())
               : ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
      if (n >= 0) return {buffer_.data(), static_cast<std::size_t>(n)};
      go_on_after(errno, POLLIN);
    }
  }

 private:
  void connect() {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error =
        ::getaddrinfo(server_.host.c_str(), std::to_string(server_.port).c_str(), &hints, &found);
    if (error != 0)
      fail(server_, std::string("the name cannot be resolved: ") + ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
    int reason = 0;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
      if (!server_.tls && !server_.token_file.empty() && !is_loopback(*each->ai_addr)) {
        fail(server_,
             "the token is not sent unencrypted to another machine; write https://, which the "
             "console's option `tls` serves");
      }
      socket_ =
          dns::Descriptor(::socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      if (!socket_) {
        reason = errno;
        continue;
      }
      if (::connect(socket_.get(), each->ai_addr, each->ai_addrlen) == 0) return;
      reason = errno;
      if (reason == EINPROGRESS) {
        wait(POLLOUT);
        socklen_t size = sizeof reason;
        ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &reason, &size);
        if (reason == 0) return;
      }
    }
    fail(server_, std::string(std::strerror(reason)) +
                      "; is the server running, and is this the address of its console?");
  }
  // What did not go on because of `error` may be tried again when this returns.
  void go_on_after(int error, short events) {
    if (error == EINTR) return;
    if (tls_ && tls_->problem() != nullptr) {
      std::string why = std::string("TLS: ") + tls_->problem();
      if (!tls_->established() && server_.ca_file.empty()) {
        why += "; name a file with the certificate that vouches for it with --ca FILE";
      }
      fail(server_, why);
    }
    if (error != EAGAIN) fail(server_, std::strerror(error));
    if (!tls_) return wait(events);
    if (!tls_->has_more()) wait(tls_->wants_write() ? POLLOUT : POLLIN);
  }
  void wait(short events) const {
    pollfd poll{socket_.get(), events, 0};
    const auto patience = std::chrono::milliseconds(patience_).count();
    const int n = ::poll(&poll, 1, static_cast<int>(patience));
    if (n == 0) fail(server_, fmt::format("no answer within {} s", patience_.count()));
  }

  const ServerUrl& server_;
  const std::chrono::seconds patience_;
  std::optional<dns::TlsPeer> peer_;  // behind TLS
  dns::Descriptor socket_;
  std::optional<dns::TlsStream> tls_;
  std::array<char, 16384> buffer_{};
};

std::string request_for(const ServerUrl& server, const ServerQuery& query, std::string_view accept,
                        std::string_view method = "GET") {
  // By HTTP/1.0 a reply ends with its connection, and is not cut into chunks.
  std::string text = fmt::format("{} {} HTTP/1.0\r\nHost: {}\r\nAccept: {}\r\n", method,
                                 query.target(), server.authority, accept);
  if (method != "GET") text += "Content-Length: 0\r\n";
  if (!server.token_file.empty()) {
    const auto token = read_token_file(server.token_file);
    if (!token) throw ServerError(server.token_file + " " + token.error());
    text += "Authorization: Bearer " + *token + "\r\n";
  }
  return text + "\r\n";
}

// What a problem document says; else the body.
std::string detail_of(const ServerReply& reply) {
  boost::system::error_code error;
  const auto value = boost::json::parse(reply.body, error);
  if (!error && value.is_object()) {
    const auto* const detail = value.as_object().if_contains("detail");
    if (detail != nullptr && detail->is_string()) return std::string(detail->as_string());
  }
  return fmt::format("HTTP status {}", reply.status);
}

ServerReply reply_of(const ServerUrl& server, const std::string& request,
                     std::chrono::seconds patience) {
  Connection connection(server, patience);
  connection.send(request);
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(kMostOctets);
  std::string unread;
  boost::system::error_code error;
  for (;;) {
    const std::string_view come = connection.receive();
    if (come.empty()) break;
    unread += come;
    while (!unread.empty() && !parser.is_done()) {
      const std::size_t used = parser.put(boost::asio::buffer(unread), error);
      unread.erase(0, used);
      if (error || used == 0) break;
    }
    if (error == http::error::need_more) error = {};
    if (error) fail(server, "not an HTTP server: " + error.message());
    if (parser.is_done()) break;
  }
  if (!parser.is_done()) parser.put_eof(error);
  if (error || !parser.is_header_done()) fail(server, "the reply is cut off");
  return {parser.get().result_int(), std::move(parser.get().body())};
}

// The JSON of a reply with status 200.
boost::json::value value_of(const ServerUrl& server, const ServerReply& reply) {
  if (reply.status != 200) {
    std::string what = detail_of(reply);
    if (reply.status == 401) what += "; name the file that it is in with --token-file FILE";
    if (reply.status == 404) what += "; is this the address of its console?";
    fail(server, what);
  }
  boost::system::error_code error;
  auto value = boost::json::parse(reply.body, error);
  if (error) fail(server, "the reply is not JSON; is this the address of its console?");
  return value;
}

}  // namespace

void ServerQuery::add(std::string_view name, std::string_view value) {
  target_.append(1, std::exchange(separator_, '&')).append(name).append(1, '=');
  for (const char c : value) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      target_ += c;
    } else {
      target_ += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
}

void read_replies(const ServerUrl& server, const std::function<void()>& read) {
  try {
    read();
  } catch (const ServerError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    fail(server,
         "the reply is not one of this API; is this the address of its console, and is it "
         "a server of this version?");
  }
}

ServerReply get_from_server(const ServerUrl& server, const ServerQuery& query,
                            std::chrono::seconds patience) {
  return reply_of(server, request_for(server, query, "application/json"), patience);
}

boost::json::value ask_server(const ServerUrl& server, const ServerQuery& query) {
  return value_of(server, get_from_server(server, query));
}

boost::json::value tell_server(const ServerUrl& server, const ServerQuery& query) {
  return value_of(server, reply_of(server, request_for(server, query, "application/json", "POST"),
                                   kServerPatience));
}

boost::json::array list_of_server(const ServerUrl& server, const ServerQuery& query,
                                  std::string_view member, boost::json::object* last) {
  boost::json::array all;
  std::string cursor;
  for (;;) {
    ServerQuery page = query;
    page.add("limit", "10000");
    if (!cursor.empty()) page.add("cursor", cursor);
    boost::json::value reply = ask_server(server, page);
    auto& object = reply.as_object();
    for (auto& item : object.at(member).as_array()) all.push_back(std::move(item));
    // A server from before has no pages of some lists.
    const std::string next = object.contains("next") ? text_member(object, "next") : std::string();
    if (!next.empty() && next != cursor) {
      cursor = next;
      continue;
    }
    if (last != nullptr) {
      object.erase(member);
      object.erase("next");
      *last = std::move(object);
    }
    return all;
  }
}

void follow_server(const ServerUrl& server, const ServerQuery& query,
                   const std::function<bool(std::string_view)>& line) {
  Connection connection(server, kServerPatience);
  connection.send(request_for(server, query, "application/x-ndjson"));
  std::string unread;
  bool in_body = false;
  for (;;) {
    const std::string_view come = connection.receive();
    if (come.empty()) fail(server, "the connection has ended");
    unread += come;
    if (!in_body) {
      const std::size_t end = unread.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      if (!unread.starts_with("HTTP/1.") || unread.substr(8, 5) != " 200 ") {
        // It is short, and ends with the connection.
        for (std::string_view more; !(more = connection.receive()).empty();) unread += more;
        ServerReply refused;
        refused.status = static_cast<unsigned>(std::atoi(unread.c_str() + 9));
        refused.body = unread.substr(end + 4);
        fail(server, detail_of(refused));
      }
      unread.erase(0, end + 4);
      in_body = true;
    }
    for (std::size_t end; (end = unread.find('\n')) != std::string::npos;
         unread.erase(0, end + 1)) {
      if (end != 0 && !line(std::string_view(unread).substr(0, end))) return;
    }
  }
}

}  // namespace clusterdns::app
