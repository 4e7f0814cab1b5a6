#include "app/embed/clusterdns.h"

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "app/corefile/arguments.h"
#include "app/corefile/parser.h"
#include "app/corefile/print.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "dns/client/stub_resolver.h"
#include "dns/concurrent/blocked_signals.h"
#include "dns/wire/message_reader.h"
#include "registry/store.h"
#include "registry/validation.h"

namespace clusterdns {
namespace {

[[noreturn]] void reject(const std::string& what, std::string_view value, std::string_view rule) {
  throw std::invalid_argument(what + " '" + std::string(value) + "' is not " + std::string(rule));
}

registry::IpAddress address_of(const std::string& what, const std::string& text) {
  const auto address = registry::IpAddress::parse(text);
  if (!address) reject(what, text, "an IPv4 or IPv6 address");
  return *address;
}

registry::Protocol protocol_of(const std::string& text) {
  if (text == "TCP") return registry::Protocol::Tcp;
  if (text == "UDP") return registry::Protocol::Udp;
  if (text == "SCTP") return registry::Protocol::Sctp;
  reject("the protocol", text, "TCP, UDP or SCTP");
}

struct Converted {
  registry::Service service;
  registry::EndpointSlice slice;
};

Converted convert(const Service& from) {
  if (!registry::is_dns_label(from.name)) {
    reject("the service name", from.name, registry::kDnsLabelRule);
  }
  if (!registry::is_dns_label(from.ns)) reject("the namespace", from.ns, registry::kDnsLabelRule);
  Converted to;
  registry::Service& service = to.service;
  service.key = {from.ns, from.name};
  to.slice.key = {from.ns, from.name};
  to.slice.service = from.name;
  if (!from.external_name.empty()) {
    const auto target = dns::Name::from_text(from.external_name);
    if (!target || target->is_root())
      reject("the external name", from.external_name, "a domain name");
    if (!from.cluster_ips.empty() || !from.endpoints.empty()) {
      throw std::invalid_argument("the service '" + from.name +
                                  "' has an external name: it takes no addresses");
    }
    service.type = registry::ServiceType::ExternalName;
    service.external_name = from.external_name;
  } else {
    for (const std::string& ip : from.cluster_ips) {
      service.cluster_ips.push_back(address_of("the cluster IP", ip));
    }
    service.headless = service.cluster_ips.empty();
  }
  for (const Port& port : from.ports) {
    if (!port.name.empty() && !registry::is_dns_label(port.name)) {
      reject("the port name", port.name, registry::kDnsLabelRule);
    }
    if (port.number == 0) reject("the port", "0", registry::kPortNumberRule);
    const registry::Protocol protocol = protocol_of(port.protocol);
    registry::ServicePort service_port;
    service_port.name = port.name;
    service_port.protocol = protocol;
    service_port.port = port.number;
    service.ports.push_back(std::move(service_port));
    to.slice.ports.push_back({port.name, protocol, port.number});
  }
  for (const Endpoint& endpoint : from.endpoints) {
    registry::Endpoint e;
    e.address = address_of("the endpoint address", endpoint.address);
    e.ready = endpoint.ready;
    if (!endpoint.hostname.empty()) {
      if (!registry::is_dns_label(endpoint.hostname)) {
        reject("the hostname", endpoint.hostname, registry::kDnsLabelRule);
      }
      e.detail = std::make_shared<registry::EndpointDetail>(
          registry::EndpointDetail{endpoint.hostname, "", ""});
    }
    to.slice.endpoints.push_back(std::move(e));
  }
  return to;
}

}  // namespace

// The control thread of a registry and of all servers on it: the store, the tables and their
// publication belong to it alone.
class Registry::Impl {
 public:
  Impl() : work_(io_.get_executor()), thread_(dns::thread_without_signals([this] { io_.run(); })) {}
  ~Impl() {
    work_.reset();
    io_.stop();
    thread_.join();
  }

  // Runs `call` there and waits; passes on what it returns or throws.
  template <class Call>
  auto run(Call call) -> decltype(call()) {
    std::packaged_task<decltype(call())()> task(std::move(call));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }

  boost::asio::io_context& io() { return io_; }
  registry::Store& store() { return store_; }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  registry::Store store_;
  std::thread thread_;
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

void Registry::set(const Service& service) {
  Converted converted = convert(service);
  impl_->run([&] {
    registry::Store& store = impl_->store();
    if (store.find_namespace(service.ns) == nullptr)
      store.upsert(registry::Namespace{service.ns, {}});
    store.upsert(std::move(converted.service));
    if (service.external_name.empty()) {
      store.upsert(std::move(converted.slice));
    } else {
      store.erase_slice({service.ns, service.name});
    }
    store.commit();
  });
}

bool Registry::remove(std::string_view name, std::string_view ns) {
  const registry::ObjectKey key{std::string(ns), std::string(name)};
  return impl_->run([&] {
    registry::Store& store = impl_->store();
    if (store.service(key) == nullptr) return false;
    store.erase_service(key);
    store.erase_slice(key);
    store.commit();
    return true;
  });
}

void Registry::add_namespace(std::string_view name) {
  if (!registry::is_dns_label(name)) reject("the namespace", name, registry::kDnsLabelRule);
  impl_->run([&] {
    if (impl_->store().find_namespace(std::string(name)) != nullptr) return;
    impl_->store().upsert(registry::Namespace{std::string(name), {}});
    impl_->store().commit();
  });
}

namespace {

app::HostPort parse_listen(const std::string& text) {
  return app::parse_host_port({text, {"", 0, 0, "listen"}, true}, 53);
}

std::string corefile_for(const ServerOptions& options) {
  // One block for each port; the blocks share the registry and so the table.
  std::map<std::uint16_t, std::string> binds;
  for (const std::string& listen : options.listen) {
    const app::HostPort at = parse_listen(listen);
    std::string& bind = binds[at.port];
    bind += " " + at.address.to_string();
  }
  std::string text;
  for (const auto& [port, bind] : binds) {
    text += ".:" + std::to_string(port) + " {\n    bind" + bind + "\n    workers " +
            std::to_string(options.workers) + "\n    kubernetes";
    for (const std::string& zone : options.zones) text += " " + app::quote_word(zone);
    text += " {\n        ttl " + std::to_string(options.ttl) + "\n";
    // Addresses that are not the cluster's are the upstreams'.
    if (!options.forward.empty()) text += "        fallthrough in-addr.arpa ip6.arpa\n";
    text += "    }\n";
    if (options.search) text += "    search\n";
    if (!options.forward.empty()) {
      text += "    forward .";
      for (const std::string& to : options.forward) text += " " + app::quote_word(to);
      text += "\n";
    }
    text += "}\n";
  }
  return text;
}

// `workers N` of a Corefile has no higher ones.
constexpr unsigned kMaxWorkers = 256;

// What Counters and Query are made of. Each worker has a cell of its own.
class QueryTap final : public dns::AnswerObserver {
 public:
  QueryTap(unsigned workers, std::function<void(const Query&)> call)
      : cells_(workers), call_(std::move(call)) {}

  void on_answer(const Event& event, dns::WorkerContext& worker) noexcept override {
    const unsigned rcode = event.response[3] & 0xF;
    Cell& cell = cells_[worker.index % cells_.size()];
    add_one(cell.queries);
    if (rcode == static_cast<unsigned>(dns::Rcode::ServFail)) add_one(cell.failures);
    if (call_) call(event, rcode);
  }

  [[nodiscard]] Counters totals() const noexcept {
    Counters sum;
    for (const Cell& cell : cells_) {
      sum.queries += cell.queries.load(std::memory_order_relaxed);
      sum.failures += cell.failures.load(std::memory_order_relaxed);
    }
    return sum;
  }

 private:
  struct alignas(128) Cell {
    std::atomic<std::uint64_t> queries{0}, failures{0};
  };

  // Written by one thread only.
  static void add_one(std::atomic<std::uint64_t>& n) noexcept {
    n.store(n.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  void call(const Event& event, unsigned rcode) noexcept {
    try {
      const std::string name = dns::name_to_text(event.query.name());
      const std::string type = dns::rrtype_to_text(event.query.qtype);
      const std::string client = event.client.to_string();
      const std::string rcode_text = dns::rcode_to_text(static_cast<std::uint16_t>(rcode));
      call_({name, type, client, event.transport == dns::Transport::Tcp, rcode_text,
             std::chrono::nanoseconds(dns::monotonic_ns() - event.received_ns)});
    } catch (...) {
      // Out of memory, or the program's own: the answer matters more.
    }
  }

  std::vector<Cell> cells_;
  const std::function<void(const Query&)> call_;
};

// Where lines of the log go until the server has been stopped.
class LogOutlet {
 public:
  explicit LogOutlet(std::function<void(std::string_view)> write) : write_(std::move(write)) {}
  void operator()(std::string_view line) {
    const std::lock_guard lock(mutex_);
    if (open_) write_(line);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }

 private:
  std::mutex mutex_;
  bool open_ = true;
  const std::function<void(std::string_view)> write_;
};

}  // namespace

class Server::Impl {
 public:
  Impl(Registry::Impl& registry, const ServerOptions& options) : registry_(registry) {
    if (options.log) outlet_ = std::make_shared<LogOutlet>(options.log);
    tap_ = std::make_shared<QueryTap>(std::max(kMaxWorkers, std::thread::hardware_concurrency()),
                                      options.on_query);
    const std::string text = options.corefile.empty() ? corefile_for(options) : options.corefile;
    registry_.run([&] {
      app::InstanceOptions instance_options;
      instance_options.registry = std::make_shared<app::ClusterSource>(registry_.store());
      const auto logger = make_logger(options);
      try {
        const app::Corefile corefile = app::parse_corefile(text, "options");
        for (const app::Warning& warning : corefile.warnings) {
          logger->warn("{}", app::to_string(warning));
        }
        instance_options.observer = tap_;
        instance_ = std::make_unique<app::Instance>(registry_.io(), logger, instance_options);
        instance_->apply(corefile);
        caches_.clear();
        for (const app::CacheOfBlock& each : instance_->environment().caches) {
          caches_.push_back(each.cache);
        }
      } catch (...) {
        instance_.reset();
        throw;
      }
      for (const auto& listen : instance_->listening()) {
        const std::string host = listen.address.to_string();
        addresses_.push_back({listen.address, listen.port});
        listening_.push_back((listen.https ? "https://"
                              : listen.tls ? "tls://"
                                           : "") +
                             (listen.address.is_v6() ? "[" + host + "]" : host) + ":" +
                             std::to_string(listen.port));
      }
    });
  }
  ~Impl() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(caches_mutex_);
      cache_hits_ += hits_of(caches_);
      caches_.clear();
    }
    if (instance_ != nullptr) registry_.run([&] { instance_.reset(); });
    if (outlet_ != nullptr) outlet_->close();
  }

  [[nodiscard]] Counters counters() const {
    Counters counters = tap_->totals();
    const std::lock_guard lock(caches_mutex_);
    counters.cache_hits = cache_hits_ + hits_of(caches_);
    return counters;
  }

  Registry::Impl& registry_;
  std::unique_ptr<app::Instance> instance_;
  std::vector<dns::StubServer> addresses_;
  std::vector<std::string> listening_;

 private:
  using Caches = std::vector<std::shared_ptr<const dns::AnswerCache>>;

  static std::uint64_t hits_of(const Caches& caches) {
    std::uint64_t n = 0;
    for (const auto& cache : caches) {
      for (const std::uint64_t of_kind : cache->totals().hits) n += of_kind;
    }
    return n;
  }

  [[nodiscard]] std::shared_ptr<spdlog::logger> make_logger(const ServerOptions& options) const {
    if (outlet_ != nullptr) {
      return app::make_logger([outlet = outlet_](std::string_view line) { (*outlet)(line); });
    }
    return options.corefile.empty() ? app::make_silent_logger() : app::make_logger();
  }

  std::shared_ptr<LogOutlet> outlet_;
  std::shared_ptr<QueryTap> tap_;
  mutable std::mutex caches_mutex_;
  Caches caches_;                 // none once it has stopped
  std::uint64_t cache_hits_ = 0;  // of those that are gone
};

Server::Server(Registry& registry, const ServerOptions& options)
    : impl_(std::make_unique<Impl>(*registry.impl_, options)) {}
Server::~Server() = default;

const std::vector<std::string>& Server::listening() const noexcept { return impl_->listening_; }
std::uint16_t Server::port() const noexcept {
  return impl_->addresses_.empty() ? std::uint16_t{0} : impl_->addresses_.front().port;
}
void Server::stop() { impl_->stop(); }
Counters Server::counters() const { return impl_->counters(); }

std::vector<std::string> Server::ask(std::string_view name, std::string_view type,
                                     std::string* rcode) const {
  dns::RRType rrtype;
  if (!dns::rrtype_from_text(type, &rrtype)) reject("the type", type, "an RR type, like A or SRV");
  const auto wire = dns::Name::from_text(name);
  if (!wire) reject("the name", name, "a domain name");
  if (impl_->addresses_.empty()) throw std::runtime_error("the server listens nowhere");
  dns::StubOptions options;
  options.servers = {impl_->addresses_.front()};
  // A wildcard listener is reached at the loopback address.
  if (options.servers[0].address.is_unspecified()) {
    options.servers[0].address =
        options.servers[0].address.is_v6()
            ? boost::asio::ip::address(boost::asio::ip::address_v6::loopback())
            : boost::asio::ip::address(boost::asio::ip::address_v4::loopback());
  }
  const dns::RRType types[] = {rrtype};
  const dns::StubLookup result = dns::stub_lookup(options, *wire, true, types);
  if (result.answers.empty()) throw std::runtime_error("the server did not answer");
  if (rcode != nullptr) *rcode = dns::rcode_to_text(result.answers.front().rcode);
  std::vector<std::string> data;
  for (const dns::Record& record : result.answers.front().answer) {
    data.push_back(dns::rdata_to_text(record.type, record.rdata));
  }
  return data;
}

}  // namespace clusterdns
