// No reader ever sees half a change: whole answers, from question octets to response octets, on
// threads of their own while services change as fast as the control thread can.
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "dns/server/responder.h"
#include "tests/unit/zones/cluster.h"

namespace clusterdns::zones {
namespace {

using dns::RRType;
using unit::at;
using unit::cluster_ip;
using unit::endpoint_port;
using unit::headless;
using unit::Packet;
using unit::Request;
using unit::slice;

constexpr unsigned kReaders = 2;
// Bounded by work and not by time, so that it is the same under sanitizers.
constexpr unsigned kVersions = 1500;

// Every address, port and name of version v says v.
std::string address(unsigned version, unsigned index) {
  return "10." + std::to_string(version >> 8) + "." + std::to_string(version & 0xFF) + "." +
         std::to_string(index);
}
std::string address6(unsigned version, unsigned index) {
  char text[40];
  std::snprintf(text, sizeof text, "fd00::%x:%x", version, index);
  return text;
}

class Consistency : public ::testing::Test {
 protected:
  Consistency() : reclaim_(kReaders) {
    options_.zones = {unit::name("cluster.local"), unit::name("in-addr.arpa")};
    options_.workers = kReaders;
    table_ = std::make_shared<RecordTable>(reclaim_, TableOptions{});
    table_->add_namespace("n");
    table_->set_ready(true);
    auto route = std::make_shared<dns::Route>();
    route->stages.push_back(std::make_shared<ClusterStage>(options_, table_));
    routes_.add(dns::Name{}, std::move(route));
  }

  void publish(unsigned version) {
    // Another number of endpoints in every version, around the border of the indexes.
    const unsigned count = 2 + version % 30;
    std::vector<registry::Endpoint> endpoints;
    for (unsigned i = 0; i < count; ++i) {
      endpoints.push_back(at(address(version, i), "h" + std::to_string(i)));
      endpoints.push_back(at(address6(version, i), "h" + std::to_string(i)));
    }
    const auto s =
        slice("n", "x", "s", {endpoint_port("p", static_cast<std::uint16_t>(version))}, endpoints);
    const registry::EndpointSlice* const pointers[] = {&s};
    table_->publish(headless("n", "s"), pointers);
    table_->publish(cluster_ip("n", "c", {unit::ip(address(version, 250))},
                               {unit::port("p", static_cast<std::uint16_t>(version))}),
                    {});
    // Comes and goes.
    if (version % 3 == 0) {
      table_->remove({"n", "sometimes"});
    } else {
      table_->publish(cluster_ip("n", "sometimes", {unit::ip(address(version, 251))}), {});
    }
    table_->collect();
  }

  // Asks as worker `index` does: a batch at a time.
  struct Reader {
    Reader(Consistency& owner, unsigned index) : test(owner) {
      worker.index = index;
      worker.worker_count = kReaders;
      worker.reclaim = &owner.reclaim_;
      exchange->worker = &worker;
      exchange->client = unit::endpoint("127.0.0.1");
      exchange->transport = dns::Transport::Tcp;
    }
    dns::Message ask(const Packet& request) {
      test.reclaim_.enter(worker.index);
      const std::size_t size =
          dns::respond(*exchange, test.routes_, request.view(), out.data(), out.size());
      test.reclaim_.leave(worker.index);
      auto message = dns::read_message({out.data(), size});
      if (!message) {
        test.bad_.fetch_add(1);
        return {};
      }
      return *std::move(message);
    }
    Consistency& test;
    dns::WorkerContext worker;
    std::unique_ptr<dns::Exchange> exchange = std::make_unique<dns::Exchange>();
    std::vector<std::uint8_t> out = std::vector<std::uint8_t>(dns::kMaxMessageSize);
  };

  // The version that a record's RDATA is of.
  static unsigned version_of(const dns::Record& record) {
    const auto& r = record.rdata;
    if (record.type == RRType::A) return (unsigned{r[1]} << 8) | r[2];
    if (record.type == RRType::AAAA) return (unsigned{r[12]} << 8) | r[13];
    return dns::load_u16(r.data() + 4);  // SRV: the port
  }

  // Runs `look` on every reader until the writer is through; `look` says what is wrong.
  template <class Look>
  void run(Look look) {
    publish(1);
    std::atomic<bool> done{false};
    std::atomic<unsigned> started{0};
    std::atomic<unsigned> looks{0};
    std::vector<std::thread> threads;
    for (unsigned index = 0; index < kReaders; ++index) {
      threads.emplace_back([&, index] {
        Reader reader(*this, index);
        started.fetch_add(1);
        unsigned last = 0;
        do {
          if (!look(reader, last)) bad_.fetch_add(1);
          looks.fetch_add(1, std::memory_order_relaxed);
        } while (!done.load(std::memory_order_acquire));
      });
    }
    while (started.load() != kReaders) std::this_thread::yield();
    for (unsigned version = 2; version < kVersions; ++version) publish(version);
    done.store(true, std::memory_order_release);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(bad_.load(), 0u);
    EXPECT_GT(looks.load(), 0u);
    table_->collect();
    EXPECT_EQ(reclaim_.pending(), 0u);
  }

  // All records of one answer are of one version, none twice, none missing, and no older than
  // what this reader saw before.
  static bool whole(const dns::Message& message, std::size_t count_of_version(unsigned),
                    unsigned& last) {
    if (message.rcode != 0 || message.answer.empty()) return false;
    const unsigned version = version_of(message.answer.front());
    if (version < last) return false;
    last = version;
    std::set<std::vector<std::uint8_t>> distinct;
    for (const auto& record : message.answer) {
      if (version_of(record) != version) return false;
      distinct.insert(record.rdata);
    }
    for (const auto& record : message.additional) {
      if (version_of(record) != version) return false;
    }
    return distinct.size() == message.answer.size() && distinct.size() == count_of_version(version);
  }
  static std::size_t endpoints_of(unsigned version) { return 2 + version % 30; }
  static std::size_t one(unsigned) { return 1; }

  dns::ReclaimDomain reclaim_;
  ClusterOptions options_;
  std::shared_ptr<RecordTable> table_;
  dns::ListenerRoutes routes_;
  std::atomic<unsigned> bad_{0};
};

TEST_F(Consistency, AddressesOfAHeadlessService) {
  const Packet a(Request{.qname = "s.n.svc.cluster.local", .qtype = RRType::A});
  const Packet aaaa(Request{.qname = "s.n.svc.cluster.local", .qtype = RRType::AAAA});
  run([&](Reader& reader, unsigned& last) {
    return whole(reader.ask(a), &endpoints_of, last) &&
           whole(reader.ask(aaaa), &endpoints_of, last);
  });
}

TEST_F(Consistency, SrvAndItsGlue) {
  const Packet srv(Request{.qname = "_p._tcp.s.n.svc.cluster.local", .qtype = RRType::SRV});
  const Packet one_srv(Request{.qname = "_p._tcp.c.n.svc.cluster.local", .qtype = RRType::SRV});
  run([&](Reader& reader, unsigned& last) {
    const dns::Message message = reader.ask(srv);
    unsigned own = 0;
    return whole(message, &endpoints_of, last) &&
           message.additional.size() == 2 * message.answer.size() &&
           whole(reader.ask(one_srv), &one, own);
  });
}

TEST_F(Consistency, OneNameThatIsAlwaysThere) {
  const Packet first(Request{.qname = "h1.s.n.svc.cluster.local"});
  const Packet c(Request{.qname = "c.n.svc.cluster.local"});
  run([&](Reader& reader, unsigned& last) {
    unsigned own = 0;
    return whole(reader.ask(first), &one, last) && whole(reader.ask(c), &one, own);
  });
}

// A service that comes and goes is there or not, and so is its PTR, which leads nowhere else.
TEST_F(Consistency, ComingAndGoing) {
  const Packet sometimes(Request{.qname = "sometimes.n.svc.cluster.local"});
  run([&](Reader& reader, unsigned&) {
    const dns::Message message = reader.ask(sometimes);
    if (message.rcode == 3) return message.answer.empty() && message.authority.size() == 1;
    if (message.answer.size() != 1) return false;
    const auto& r = message.answer[0].rdata;
    const Packet back(Request{.qname = std::to_string(r[3]) + "." + std::to_string(r[2]) + "." +
                                       std::to_string(r[1]) + ".10.in-addr.arpa",
                              .qtype = RRType::PTR});
    const dns::Message ptr = reader.ask(back);
    for (const auto& record : ptr.answer) {
      if (dns::rdata_to_text(record.type, record.rdata) != "sometimes.n.svc.cluster.local.") {
        return false;
      }
    }
    return ptr.answer.size() <= 1;
  });
}

}  // namespace
}  // namespace clusterdns::zones
