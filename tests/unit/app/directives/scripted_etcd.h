// An etcd that knows ranges, watches, users and leases, as its gateway speaks them over HTTP.
#pragma once

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "registry/kubernetes/config.h"

namespace clusterdns::app {

class ScriptedEtcd {
 public:
  ScriptedEtcd() { listen(); }
  ~ScriptedEtcd() { stop(); }
  ScriptedEtcd(const ScriptedEtcd&) = delete;
  ScriptedEtcd& operator=(const ScriptedEtcd&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  void put(const std::string& key, const std::string& value, std::int64_t lease = 0) {
    const std::lock_guard lock(mutex_);
    keys_[key] = {value, ++revision_, lease};
    events_.push_back({revision_, key, false});
  }
  void remove(const std::string& key) {
    const std::lock_guard lock(mutex_);
    keys_.erase(key);
    events_.push_back({++revision_, key, true});
  }
  // Changes that nobody is told of any more.
  void compact() {
    const std::lock_guard lock(mutex_);
    events_.clear();
    compacted_ = revision_;
  }
  void need(const std::string& user, const std::string& password) {
    const std::lock_guard lock(mutex_);
    user_ = user;
    password_ = password;
  }
  void set_ttl(std::int64_t lease, std::int64_t seconds) {
    const std::lock_guard lock(mutex_);
    ttls_[lease] = seconds;
  }
  // How often `path` was asked for.
  [[nodiscard]] std::size_t asked(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return asked_[path];
  }
  // Ends all connections and takes no more.
  void stop() {
    if (acceptor_ == nullptr) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (auto& socket : sockets_) ::shutdown(socket->native_handle(), SHUT_RDWR);
      ::shutdown(acceptor_->native_handle(), SHUT_RDWR);
    }
    accepting_.join();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    sockets_.clear();
    acceptor_.reset();
  }
  // On the same port.
  void start_again() { listen(); }

 private:
  using tcp = boost::asio::ip::tcp;
  struct Value {
    std::string value;
    std::int64_t revision = 0, lease = 0;
  };
  struct Event {
    std::int64_t revision;
    std::string key;
    bool removed;
  };

  void listen() {
    stopping_ = false;
    acceptor_ = std::make_unique<tcp::acceptor>(
        io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), port_));
    port_ = acceptor_->local_endpoint().port();
    accepting_ = std::thread([this] {
      for (;;) {
        auto socket = std::make_shared<tcp::socket>(io_);
        boost::system::error_code error;
        acceptor_->accept(*socket, error);
        const std::lock_guard lock(mutex_);
        if (error || stopping_) return;
        sockets_.push_back(socket);
        threads_.emplace_back([this, socket] {
          try {
            serve(*socket);
          } catch (const std::exception&) {
            // It has gone.
          }
          ::shutdown(socket->native_handle(), SHUT_RDWR);
        });
      }
    });
  }

  static std::string text(const boost::json::value& of, const char* name) {
    const auto* const at = of.get_object().if_contains(name);
    return at == nullptr ? "" : std::string(at->get_string());
  }
  static std::int64_t number(const boost::json::value& of, const char* name) {
    const std::string found = text(of, name);
    return found.empty() ? 0 : std::stoll(found);
  }
  static std::string key(const boost::json::value& of, const char* name) {
    return *registry::kubernetes::decode_base64(text(of, name));
  }
  boost::json::object kv(const std::string& name, const Value& value) const {
    boost::json::object out{{"key", registry::kubernetes::encode_base64(name)},
                            {"mod_revision", std::to_string(value.revision)},
                            {"value", registry::kubernetes::encode_base64(value.value)}};
    if (value.lease != 0) out["lease"] = std::to_string(value.lease);
    return out;
  }
  boost::json::object header() const { return {{"revision", std::to_string(revision_)}}; }

  void serve(tcp::socket& socket) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    for (;;) {
      http::request<http::string_body> request;
      http::read(socket, buffer, request);
      const std::string path(request.target());
      const auto body = boost::json::parse(request.body());
      http::response<http::string_body> response{http::status::ok, 11};
      {
        const std::lock_guard lock(mutex_);
        ++asked_[path];
        if (!user_.empty() && path != "/v3/auth/authenticate" &&
            request[http::field::authorization] != "the-token") {
          response.result(http::status::unauthorized);
          response.body() = R"({"error":"x","code":16,"message":"etcdserver: invalid auth token"})";
        } else if (path == "/v3/auth/authenticate") {
          const bool right = text(body, "name") == user_ && text(body, "password") == password_;
          response.result(right ? http::status::ok : http::status::bad_request);
          response.body() = right ? R"({"header":{},"token":"the-token"})"
                                  : R"({"error":"x","message":"authentication failed"})";
        } else if (path == "/v3/kv/range") {
          response.body() = boost::json::serialize(range(body));
        } else if (path == "/v3/lease/timetolive") {
          response.body() = R"({"TTL":")" + std::to_string(ttls_[number(body, "ID")]) + "\"}";
        } else if (path != "/v3/watch") {
          response.result(http::status::not_found);
          response.body() = R"({"message":"Not Found"})";
        }
      }
      if (path == "/v3/watch") return watch(socket, body.at("create_request"));
      response.prepare_payload();
      http::write(socket, response);
    }
  }

  boost::json::object range(const boost::json::value& body) const {
    const auto from = keys_.lower_bound(key(body, "key"));
    const auto end = keys_.lower_bound(key(body, "range_end"));
    const auto count = static_cast<std::int64_t>(std::distance(from, end));
    boost::json::object out{{"header", header()}, {"count", std::to_string(count)}};
    if (body.get_object().contains("count_only")) return out;
    boost::json::array kvs;
    const std::int64_t limit = number(body, "limit");
    auto at = from;
    for (; at != end && (limit == 0 || static_cast<std::int64_t>(kvs.size()) < limit); ++at) {
      kvs.emplace_back(kv(at->first, at->second));
    }
    if (at != end) out["more"] = true;
    out["kvs"] = std::move(kvs);
    return out;
  }

  void watch(tcp::socket& socket, const boost::json::value& request) {
    const auto send = [&](const boost::json::object& message) {
      const std::string line = boost::json::serialize(message) + "\n";
      char size[20];
      std::snprintf(size, sizeof size, "%zx\r\n", line.size());
      boost::asio::write(socket, boost::asio::buffer(size + line + "\r\n"));
    };
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    boost::asio::write(socket, boost::asio::buffer(head));
    std::int64_t next = number(request, "start_revision");
    const std::string from = key(request, "key"), end = key(request, "range_end");
    {
      std::unique_lock lock(mutex_);
      const boost::json::object created{
          {"result", boost::json::object{{"header", header()}, {"created", true}}}};
      const boost::json::object canceled{
          {"result", boost::json::object{{"header", header()},
                                         {"canceled", true},
                                         {"compact_revision", std::to_string(compacted_)}}}};
      const bool gone = next <= compacted_;
      lock.unlock();
      send(created);
      if (gone) return send(canceled);
    }
    for (;;) {
      std::vector<boost::json::object> messages;
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        for (const Event& event : events_) {
          if (event.revision < next) continue;
          next = event.revision + 1;
          if (event.key < from || event.key >= end) continue;
          boost::json::object told;
          const auto at = keys_.find(event.key);
          if (event.removed || at == keys_.end()) {
            told = {
                {"type", "DELETE"},
                {"kv", boost::json::object{{"key", registry::kubernetes::encode_base64(event.key)},
                                           {"mod_revision", std::to_string(event.revision)}}}};
          } else {
            told = {{"kv", kv(at->first, at->second)}};
          }
          messages.push_back(
              {{"result",
                boost::json::object{
                    {"header", boost::json::object{{"revision", std::to_string(event.revision)}}},
                    {"events", boost::json::array{told}}}}});
        }
      }
      for (const auto& message : messages) send(message);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::mutex mutex_;
  std::map<std::string, Value> keys_;
  std::vector<Event> events_;
  std::int64_t revision_ = 1, compacted_ = 0;
  std::string user_, password_;
  std::map<std::int64_t, std::int64_t> ttls_;
  std::map<std::string, std::size_t> asked_;
  bool stopping_ = false;

  boost::asio::io_context io_;
  std::unique_ptr<tcp::acceptor> acceptor_;
  std::uint16_t port_ = 0;
  std::thread accepting_;
  std::list<std::thread> threads_;
  std::list<std::shared_ptr<tcp::socket>> sockets_;
};

}  // namespace clusterdns::app
