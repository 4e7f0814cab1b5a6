// Cluster names inside your own program: fill a registry, serve it, change it, ask it.
//
//   cmake -S deploy/examples/embed -B build/embed && cmake --build build/embed && build/embed/embed
//
// needs an installed clusterdns (`cmake --install build/release --prefix …` and
// -DCMAKE_PREFIX_PATH=…).
#include <clusterdns/clusterdns.h>

#include <iostream>

namespace {

void show(const clusterdns::Server& server, const std::string& name, const std::string& type) {
  std::string rcode;
  const auto answers = server.ask(name, type, &rcode);
  std::cout << name << " " << type << ": " << rcode;
  for (const std::string& answer : answers) std::cout << " " << answer;
  std::cout << "\n";
}

}  // namespace

int main() {
  clusterdns::Registry registry;

  // A ClusterIP service, and a headless one with two pods.
  registry.set({.name = "web", .cluster_ips = {"10.96.0.20"}, .ports = {{"http", 80}}});
  registry.set({.name = "db",
                .ports = {{"sql", 5432}},
                .endpoints = {{"10.244.0.1", "db-0"}, {"10.244.0.2", "db-1"}}});

  // Port 0: any free port, on UDP and TCP. Any resolver can be pointed at it.
  // Each query is shown as it is answered, on the server's own thread.
  clusterdns::Server server(
      registry, {.listen = {"127.0.0.1:0"}, .on_query = [](const clusterdns::Query& query) {
                   std::cerr << query.client << " asked for " << query.name << " " << query.type
                             << ": " << query.rcode << ", " << query.duration.count() << " ns\n";
                 }});
  std::cout << "listening on " << server.listening().front() << "\n";

  show(server, "web.default.svc.cluster.local", "A");
  show(server, "db-1.db.default.svc.cluster.local", "A");
  show(server, "_sql._tcp.db.default.svc.cluster.local", "SRV");

  // A pod goes: every server answers accordingly as soon as set() returns.
  registry.set({.name = "db", .ports = {{"sql", 5432}}, .endpoints = {{"10.244.0.1", "db-0"}}});
  show(server, "db.default.svc.cluster.local", "A");
  show(server, "db-1.db.default.svc.cluster.local", "A");

  const clusterdns::Counters counters = server.counters();
  std::cout << counters.queries << " queries, " << counters.failures << " failures\n";
  server.stop();
}
