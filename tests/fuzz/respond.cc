// The whole way of a query over a small cluster. The first octet chooses the transport, the
// client's address, the room for the response and what the rest is.
#include <algorithm>
#include <memory>

#include "dns/search/search_stage.h"
#include "dns/server/responder.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/plain_size.h"
#include "registry/store.h"
#include "tests/fuzz/messages.h"
#include "tests/unit/zones/objects.h"
#include "zones/cluster_stage.h"
#include "zones/table_feed.h"

namespace clusterdns::fuzz {

// Octets of a request, or (kAsText) a question from which a request is made: mutated packets are
// mostly malformed, mutated names are names.
constexpr std::uint8_t kTcp = 1, kIPv6 = 2, kLoopback = 4, kMuchRoom = 8, kEdns = 16, kAsText = 128;

std::vector<Octets> generated_seeds() {
  std::vector<Octets> seeds;
  std::uint8_t how = 0;
  for (const Octets& packet : queries()) {
    seeds.push_back(packet);
    seeds.back().insert(seeds.back().begin(), static_cast<std::uint8_t>(how++ & ~kAsText));
    // The type, then the name.
    const std::size_t type = packet.size() - (packet[11] != 0 ? 23 : 0) - 4;
    Octets text{static_cast<std::uint8_t>(how | kAsText), packet[type], packet[type + 1]};
    const std::string name = dns::name_to_text({packet.data() + 12, type - 12});
    text.insert(text.end(), name.begin(), name.end());
    seeds.push_back(std::move(text));
  }
  return seeds;
}

namespace {

class World {
 public:
  World() {
    using namespace unit;  // NOLINT
    store_.upsert(registry::Namespace{"default", {}});
    store_.upsert(cluster_ip("default", "web", ips({"10.96.0.7", "fd00::1"}), {port("http", 80)}));
    store_.upsert(headless("default", "python-www"));
    std::vector<registry::Endpoint> endpoints;
    for (int i = 0; i < 40; ++i) endpoints.push_back(at("10.244.0." + std::to_string(i)));
    store_.upsert(slice("default", "a", "python-www", {endpoint_port("http", 80)}, endpoints));
    store_.upsert(
        slice("default", "b", "python-www", {endpoint_port("web", 81)},
              {at("10.244.0.1", "host"), at("fd00::2", "host"), at("10.244.0.2", "other")}));
    store_.upsert(external("default", "alias", "web.default.svc.cluster.local"));
    store_.upsert(external("default", "loop", "loop.default.svc.cluster.local"));
    store_.upsert(external("default", "outside", "www.example.com"));
    store_.commit();
    auto table = std::make_shared<zones::RecordTable>(reclaim_, zones::TableOptions{});
    feed_ = std::make_unique<zones::TableFeed>(store_, table, zones::FeedOptions{});
    table->set_ready(true);
    zones::ClusterOptions options;
    for (const char* zone : {"cluster.local", "in-addr.arpa", "ip6.arpa"}) {
      options.zones.push_back(dns::Name::from_text(zone).value());
    }
    options.pods = zones::PodMode::Insecure;
    options.server_addresses = ips({"10.96.0.10", "fd00::a"});
    dns::SearchStage::Options search;
    search.suffixes = dns::SearchStage::pod_search_list("default", options.zones[0]);
    auto route = std::make_shared<dns::Route>();
    route->stages.push_back(std::make_shared<zones::ClusterStage>(options, table));
    route->stages.push_back(std::make_shared<dns::SearchStage>(std::move(search)));
    for (const auto& stage : route->stages) stage->attach(worker_);
    routes_.add(dns::Name{}, std::move(route));
    exchange_->worker = &worker_;
  }

  void ask(std::uint8_t how, std::span<const std::uint8_t> request) {
    exchange_->transport = (how & kTcp) != 0 ? dns::Transport::Tcp : dns::Transport::Udp;
    exchange_->client = {};
    exchange_->client.v6 = (how & kIPv6) != 0;
    if (!exchange_->client.v6) exchange_->client.address[0] = (how & kLoopback) != 0 ? 127 : 198;
    const std::size_t room =
        (how & kMuchRoom) != 0 ? dns::kMaxMessageSize : 512U + 16U * (how >> 4);
    Octets out(room);
    const std::size_t size = dns::respond(*exchange_, routes_, request, out.data(), room);
    if (size == 0) {
      FUZZ_REQUIRE(request.size() < dns::kHeaderSize || (request[2] & 0x80) != 0);
      return;
    }
    FUZZ_REQUIRE(size <= room);
    const auto response = dns::read_message({out.data(), size});
    FUZZ_REQUIRE(response.has_value());
    FUZZ_REQUIRE(response->id == dns::load_u16(request.data()));
    FUZZ_REQUIRE((response->flags & dns::kFlagQR) != 0);
    FUZZ_REQUIRE(((response->flags ^ dns::load_u16(request.data() + 2)) & dns::kFlagRD) == 0);
    const dns::Query& query = exchange_->query;
    FUZZ_REQUIRE(response->has_opt == query.has_edns);
    FUZZ_REQUIRE(response->has_question == (query.question_end != 0));
    if (!response->has_question) return;
    FUZZ_REQUIRE(std::equal(out.begin() + dns::kHeaderSize, out.begin() + query.question_end,
                            request.begin() + dns::kHeaderSize));
    if (exchange_->transport == dns::Transport::Udp) {
      FUZZ_REQUIRE(size <= (query.has_edns ? std::max<std::size_t>(512, query.udp_size) : 512));
      FUZZ_REQUIRE(size <= dns::kDefaultUdpSize);
    } else if (room == dns::kMaxMessageSize) {
      FUZZ_REQUIRE((response->flags & dns::kFlagTC) == 0);
    }
    // What compression saved is what writing the names out would cost.
    if ((response->flags & dns::kFlagTC) == 0 && response->opt_options.empty() &&
        response->rcode != static_cast<unsigned>(dns::Rcode::BadVers) &&
        (!response->answer.empty() || !response->authority.empty())) {
      FUZZ_REQUIRE(exchange_->answer.plain_size + (query.has_edns ? dns::kOptRecordSize : 0) ==
                   dns::plain_size({out.data(), size}));
    }
    // Owners form a chain from the question: a CNAME, or the RRset.
    dns::Name owner = response->qname;
    for (const dns::Record& record : response->answer) {
      FUZZ_REQUIRE(dns::equal_ignoring_case(record.owner.view(), owner.view()));
      if (record.type != dns::RRType::CNAME) continue;
      std::size_t end = 0;
      owner = dns::Name::from_message(record.rdata, 0, &end).value();
    }
    if (response->rcode == 3)
      FUZZ_REQUIRE(!response->authority.empty() || response->answer.empty());
  }

 private:
  dns::ReclaimDomain reclaim_{1};
  registry::Store store_;
  std::unique_ptr<zones::TableFeed> feed_;
  dns::WorkerContext worker_;
  dns::ListenerRoutes routes_;
  std::unique_ptr<dns::Exchange> exchange_ = std::make_unique<dns::Exchange>();
};

}  // namespace
}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns;  // NOLINT
  static fuzz::World world;
  if (size == 0 || size - 1 > dns::kMaxMessageSize) return 0;
  fuzz::Octets packet(data + 1, data + size);
  if ((data[0] & fuzz::kAsText) != 0) {
    if (size < 3) return 0;
    const auto name = dns::Name::from_text({reinterpret_cast<const char*>(data) + 3, size - 3});
    if (!name) return 0;
    const auto type = static_cast<dns::RRType>(dns::load_u16(data + 1));
    packet = fuzz::query(name->to_text(), type, (data[0] & fuzz::kEdns) != 0);
  }
  // What receive buffers have behind the packet, and nothing more.
  const std::size_t length = packet.size();
  packet.resize(length + dns::kPadding);
  packet.shrink_to_fit();
  world.ask(data[0], {packet.data(), length});
  return 0;
}
