// A small cluster and a client of it: store, feed, table, stage, responder, without a socket.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "registry/store.h"
#include "tests/unit/dns/server/client.h"
#include "tests/unit/zones/objects.h"
#include "zones/cluster_stage.h"
#include "zones/table_feed.h"

namespace clusterdns::unit {

class Cluster {
 public:
  explicit Cluster(unsigned workers = 1) : reclaim(workers) {
    options.zones = {name("cluster.local"), name("in-addr.arpa"), name("ip6.arpa")};
    options.server_addresses = ips({"10.96.0.10", "fd00:10:96::a"});
    options.workers = workers;
  }

  // Builds table, feed and stage from what the store holds by now, and the route "." with the
  // stages before, the cluster stage, and those after.
  void start(std::vector<std::shared_ptr<dns::Stage>> after = {}) {
    store.commit();
    table_options.block.ttl = options.ttl;
    table = std::make_shared<zones::RecordTable>(reclaim, table_options);
    feed = std::make_unique<zones::TableFeed>(store, table, feed_options, warn);
    table->set_serial(4242);
    table->set_ready(true);
    stage = std::make_shared<zones::ClusterStage>(options, table);
    auto route = std::make_shared<dns::Route>();
    route->stages.push_back(stage);
    for (auto& s : after) route->stages.push_back(std::move(s));
    routes.add(dns::Name{}, std::move(route));
  }
  // Namespaces of all objects exist, as sources have it.
  template <class Object>
  void add(Object object) {
    add_namespace(object.key.ns);
    store.upsert(std::move(object));
  }
  void add_namespace(const std::string& ns) {
    if (store.find_namespace(ns) == nullptr) store.upsert(registry::Namespace{ns, {}});
  }

  dns::Message ask(const Request& request) {
    const auto message = client.ask(routes, request);
    if (!message) {
      ADD_FAILURE() << "no answer to " << request.qname;
      return {};
    }
    return *message;
  }
  dns::Message ask(const std::string& qname, dns::RRType type = dns::RRType::A) {
    return ask(Request{.qname = qname, .qtype = type});
  }

  dns::ReclaimDomain reclaim;
  registry::Store store;
  zones::ClusterOptions options;
  zones::TableOptions table_options;
  zones::FeedOptions feed_options;
  std::function<void(const std::string&)> warn;
  std::shared_ptr<zones::RecordTable> table;
  std::unique_ptr<zones::TableFeed> feed;
  std::shared_ptr<zones::ClusterStage> stage;
  dns::ListenerRoutes routes;
  Client client;
};

}  // namespace clusterdns::unit
