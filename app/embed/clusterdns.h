// clusterdns as a library: a cluster's names in your own process.
//
//   clusterdns::Registry registry;
//   registry.set({.name = "web", .cluster_ips = {"10.96.0.20"}, .ports = {{"http", 80}}});
//   clusterdns::Server server(registry, {.listen = {"127.0.0.1:0"}});
//   server.port();                                            // the port that was bound
//   server.ask("web.default.svc.cluster.local", "A");         // {"10.96.0.20"}
//
// No globals, no signal handlers; any number of registries and servers in one process. All calls
// may come from any thread but are not to be made from several threads on one object at once,
// except for those of Registry and Server::counters(), which may. What a program hands in to be
// called (ServerOptions::log, on_query) is called on threads of the server, see there. Errors are
// exceptions, and nothing has changed then:
// std::invalid_argument for an object, name or type that is wrong, std::runtime_error for options
// and Corefiles that are, and for what the system refused.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clusterdns {

// Members have initialisers, so that designated ones of a program may leave some out without a
// warning.

// One port of a service. Names become `_name._tcp.<service>`; empty: no such name.
struct Port {
  std::string name{};
  std::uint16_t number = 0;
  std::string protocol = "TCP";  // TCP, UDP or SCTP
};

// One endpoint (pod) of a service.
struct Endpoint {
  std::string address{};   // IPv4 or IPv6
  std::string hostname{};  // its label below the service; empty: the address with dashes
  bool ready = true;       // only ready endpoints are answered
};

// A service, with all that is answered at and below its name.
struct Service {
  std::string name{};
  std::string ns = "default";
  std::vector<std::string> cluster_ips{};  // none and no external name: headless
  std::string external_name{};             // the CNAME's target; excludes all else
  std::vector<Port> ports{};
  std::vector<Endpoint> endpoints{};
};

// What exists. Thread-safe. Outlives the servers that use it.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Adds the service, or replaces the one of that name; its namespace begins to exist with it.
  // When this returns, every server answers accordingly; no answer ever mixes old and new.
  void set(const Service& service);
  // False when there was none.
  bool remove(std::string_view name, std::string_view ns = "default");
  void add_namespace(std::string_view name);

  class Impl;

 private:
  friend class Server;
  std::unique_ptr<Impl> impl_;
};

// A query and what became of it. Valid during the call.
struct Query {
  std::string_view name;    // presentation format, lower-case, with its trailing dot
  std::string_view type;    // "A", "TYPE65280"
  std::string_view client;  // ADDRESS:PORT
  bool tcp = false;
  std::string_view rcode;               // "NOERROR", "NXDOMAIN", ...
  std::chrono::nanoseconds duration{};  // from its arrival until now, as it is answered
};

// Since the server was made. Each is exact; between them, queries may be answered.
struct Counters {
  std::uint64_t queries = 0;     // answered by a server block
  std::uint64_t cache_hits = 0;  // of them, by `cache`
  std::uint64_t failures = 0;    // of them, with SERVFAIL
};

struct ServerOptions {
  std::vector<std::string> listen = {"127.0.0.1:0"};  // ADDRESS:PORT; port 0: any free one
  std::vector<std::string> zones = {"cluster.local", "in-addr.arpa", "ip6.arpa"};
  std::vector<std::string>
      forward{};         // upstreams ADDRESS[:PORT], or a resolv.conf; none: no names outside
  bool search = true;    // short names, for clients on this machine
  unsigned ttl = 5;      // seconds, at most 3600
  unsigned workers = 1;  // threads that answer
  // In place of all of the above but `listen`: a whole Corefile. A `kubernetes` block without
  // `manifests` answers from the registry.
  std::string corefile{};
  // Gets each line of the server's log, without its end: warnings, errors, and what `log` and
  // `errors` of a Corefile write. Called on one thread of the server's own, a line at a time; when
  // it is slower than the lines come, the oldest of them are lost. Not given: a server with a
  // Corefile writes to standard output, as the program does, and any other says nothing.
  std::function<void(std::string_view)> log{};
  // Called for each query that a server block answers, when the answer is made, on the thread that
  // answers: what it does makes queries wait. With several workers it is called from several
  // threads at once. It must not call the registry or the server, but for Server::counters(): their
  // calls may wait for the very thread they are made on. What it throws is dropped.
  std::function<void(const Query&)> on_query{};
};

class Server {
 public:
  // Listens and serves when this returns.
  explicit Server(Registry& registry, const ServerOptions& options = {});
  ~Server();  // stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // ADDRESS:PORT as bound, one for each listener.
  [[nodiscard]] const std::vector<std::string>& listening() const noexcept;
  // The port of the first listener.
  [[nodiscard]] std::uint16_t port() const noexcept;

  // Sends a query to this server as any client would, and returns the RDATA of the answer section
  // in presentation format; empty when there is none. `*rcode` becomes "NOERROR", "NXDOMAIN", ...
  [[nodiscard]] std::vector<std::string> ask(std::string_view name, std::string_view type = "A",
                                             std::string* rcode = nullptr) const;
  [[nodiscard]] Counters counters() const;
  // Stops listening; idempotent. No call of ServerOptions::log or on_query is under way or comes
  // when it returns.
  void stop();

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace clusterdns
