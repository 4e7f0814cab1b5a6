// An API server that says what a test tells it to, on the test's own io_context and thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace clusterdns::registry::kubernetes::testing {

// A request and the way to answer it. What is sent after the connection is gone goes nowhere.
class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  std::string path;
  std::map<std::string, std::string> query;    // percent signs decoded
  std::map<std::string, std::string> headers;  // names in lower case

  using Headers = std::vector<std::pair<std::string, std::string>>;
  void reply(unsigned status, const std::string& body, const Headers& more = {});
  // A chunked body of unknown length.
  void begin(const std::string& content_type = "application/json");
  void chunk(const std::string& data);
  void finish();
  virtual void send(const std::string& raw) = 0;
  virtual void drop() = 0;
  [[nodiscard]] virtual bool open() const = 0;
};

// A key and a certificate for 127.0.0.1 and "kubernetes", signed by itself. PEM.
struct Identity {
  std::string key, certificate;
};
[[nodiscard]] Identity make_identity(int valid_from_days, int valid_to_days);

class ScriptedApi {
 public:
  using Handler = std::function<void(const std::shared_ptr<Exchange>&)>;

  // On a free port of 127.0.0.1; over TLS when there is an identity.
  explicit ScriptedApi(boost::asio::io_context& io, const Identity* identity = nullptr);
  ~ScriptedApi();
  ScriptedApi(const ScriptedApi&) = delete;
  ScriptedApi& operator=(const ScriptedApi&) = delete;

  Handler handler;
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connections() const { return connections_; }
  // Nobody listens any more, and every connection is reset; until listen().
  void shut();
  void listen();

 private:
  class Session;
  void accept();

  boost::asio::io_context& io_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  std::unique_ptr<boost::asio::ip::tcp::acceptor> acceptor_;
  std::uint16_t port_ = 0;
  std::size_t connections_ = 0;
  std::vector<std::weak_ptr<Session>> sessions_;
};

inline constexpr const char* kServices = "/api/v1/services";
inline constexpr const char* kSlices = "/apis/discovery.k8s.io/v1/endpointslices";
inline constexpr const char* kNamespaces = "/api/v1/namespaces";
inline constexpr const char* kPods = "/api/v1/pods";
inline constexpr const char* kImports = "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports";

// A cluster behind a ScriptedApi: lists, streamed lists and watches of what it holds, in JSON.
class FakeCluster {
 public:
  FakeCluster(boost::asio::io_context& io, ScriptedApi& api);

  // Objects by their path and "namespace/name". Without an event: as if it had been missed.
  void put(const std::string& path, const std::string& key, const std::string& body);
  void remove(const std::string& path, const std::string& key);
  // The same, and whoever watches is told.
  void update(const std::string& path, const std::string& key, const std::string& body);
  void erase(const std::string& path, const std::string& key);
  // A raw event to whoever watches.
  void tell(const std::string& path, const std::string& event);

  // Answers instead, when it says true.
  std::function<bool(const std::shared_ptr<Exchange>&)> instead;
  // What further stands where objects should, by path: in lists as items, in streamed ones as the
  // objects of events.
  std::map<std::string, std::vector<std::string>> odd;
  bool streams_lists = true;
  bool ends_watches = true;  // when their time is over
  std::size_t page = 500;
  std::map<std::string, unsigned> lists, watches;  // requests by path
  std::uint64_t version = 100;

 private:
  void serve(const std::shared_ptr<Exchange>& exchange);
  void watch(const std::shared_ptr<Exchange>& exchange);
  [[nodiscard]] std::string stamped(const std::string& key, const std::string& body,
                                    std::uint64_t at) const;

  boost::asio::io_context& io_;
  std::map<std::string, std::map<std::string, std::pair<std::string, std::uint64_t>>> objects_;
  std::map<std::string, std::vector<std::shared_ptr<Exchange>>> open_;
};

}  // namespace clusterdns::registry::kubernetes::testing
