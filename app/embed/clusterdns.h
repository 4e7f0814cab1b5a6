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
// except for those of Registry, which may. Errors are exceptions, and nothing has changed then:
// std::invalid_argument for an object, name or type that is wrong, std::runtime_error for options and
// Corefiles that are, and for what the system refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clusterdns {

// Members have initialisers, so that designated ones of a program may leave some out without a warning.

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

struct ServerOptions {
  std::vector<std::string> listen = {"127.0.0.1:0"};  // ADDRESS:PORT; port 0: any free one
  std::vector<std::string> zones = {"cluster.local", "in-addr.arpa", "ip6.arpa"};
  std::vector<std::string> forward{};  // upstreams ADDRESS[:PORT], or a resolv.conf; none: no names outside
  bool search = true;                  // short names, for clients on this machine
  unsigned ttl = 5;                    // seconds, at most 3600
  unsigned workers = 1;                // threads that answer
  // In place of all of the above but `listen`: a whole Corefile. A `kubernetes` block without
  // `manifests` answers from the registry.
  std::string corefile{};
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

  // Sends a query to this server as any client would, and returns the RDATA of the answer section in
  // presentation format; empty when there is none. `*rcode` becomes "NOERROR", "NXDOMAIN", ...
  [[nodiscard]] std::vector<std::string> ask(std::string_view name, std::string_view type = "A",
                                             std::string* rcode = nullptr) const;
  // Stops listening; idempotent.
  void stop();

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace clusterdns
