// The synthetic cluster of bench/synthetic_cluster.py as registry objects, and questions about it
// as packets. Deterministic; for benchmarks and tests of scale.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/concurrent/reclaim.h"
#include "dns/server/configuration.h"
#include "dns/server/responder.h"
#include "registry/store.h"
#include "zones/cluster_stage.h"
#include "zones/table_feed.h"

namespace clusterdns::bench {

struct ClusterShape {
  std::uint32_t services = 1000;           // one in ten is headless
  std::uint32_t endpoints = 10;            // of each headless service
  std::uint32_t cluster_ip_endpoints = 0;  // of each other service
};

[[nodiscard]] bool is_headless(std::uint32_t service) noexcept;
[[nodiscard]] std::string service_name(std::uint32_t service);
[[nodiscard]] std::string namespace_name(std::uint32_t service);
// With the final dot.
[[nodiscard]] std::string service_fqdn(std::uint32_t service);
[[nodiscard]] registry::IpAddress service_address(std::uint32_t service);
// `revision` (0 to 7) moves all pods, so that an answer tells which state it is of.
[[nodiscard]] registry::IpAddress pod_address(std::uint32_t pod, unsigned revision = 0);

[[nodiscard]] registry::Service make_service(std::uint32_t service);
[[nodiscard]] registry::EndpointSlice make_slice(const ClusterShape& shape, std::uint32_t service,
                                                 unsigned revision = 0);
// All of it, committed.
void fill(registry::Store& store, const ClusterShape& shape);

// A question in wire form with the parser's padding behind it.
class Packet {
 public:
  Packet(std::string_view qname, dns::RRType type, bool edns = false);
  [[nodiscard]] std::span<const std::uint8_t> view() const noexcept {
    return {octets_.data(), size_};
  }

 private:
  std::vector<std::uint8_t> octets_;
  std::size_t size_;
};

// Store, table, stage and route, as a server has them, without its sockets.
class Model {
 public:
  explicit Model(const ClusterShape& shape, unsigned workers = 1);

  ClusterShape shape;
  dns::ReclaimDomain reclaim;
  registry::Store store;
  std::shared_ptr<zones::RecordTable> table;
  std::unique_ptr<zones::TableFeed> feed;
  std::shared_ptr<zones::ClusterStage> stage;
  dns::ListenerRoutes routes;
};

// One worker's scratch: asks the model and keeps the last response.
class Asker {
 public:
  Asker(Model& model, unsigned worker);
  // Octets of the response in response(); 0: none. REQUIRES: inside the reclaim domain.
  std::size_t ask(std::span<const std::uint8_t> request) noexcept {
    return dns::respond(*context_, model_.routes, request, response_.data(), response_.size());
  }
  // As the server does after each batch: queries of the batch get its duration.
  void end_batch() noexcept { dns::RouteCounters::end_batch(worker_.open_durations, 1000); }
  [[nodiscard]] const std::uint8_t* response() const noexcept { return response_.data(); }
  [[nodiscard]] dns::Exchange& context() noexcept { return *context_; }

 private:
  Model& model_;
  dns::WorkerContext worker_;
  std::unique_ptr<dns::Exchange> context_;
  std::vector<std::uint8_t> response_;
};

// The cases that are counted and timed.
enum class Case : std::uint8_t {
  Hit,
  Headless,
  NXDomain,
  NoData,
  SrvClusterIP,
  SrvHeadless,
  Ptr,
  kCount
};
[[nodiscard]] const char* to_string(Case what) noexcept;
// At most `count` questions of that case, over all services there are.
[[nodiscard]] std::vector<Packet> questions(const ClusterShape& shape, Case what,
                                            std::size_t count);
// Throws std::runtime_error unless every question gets the answer that its case calls for: rcode,
// number of answers, an SOA where one belongs, additional data with SRV.
void check_answers(Model& model, Case what, const std::vector<Packet>& packets);

}  // namespace clusterdns::bench
