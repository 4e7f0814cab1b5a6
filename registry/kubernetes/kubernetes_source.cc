#include "registry/kubernetes/kubernetes_source.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "registry/kubernetes/exec_plugin.h"
#include "registry/kubernetes/snapshot.h"
#include "registry/validation.h"

namespace clusterdns::registry::kubernetes {
namespace {

using Change = ObjectSink::Change;

Change to_change(Store::Change change) {
  switch (change) {
    case Store::Change::None: return Change::None;
    case Store::Change::Added: return Change::Added;
    case Store::Change::Changed: return Change::Changed;
  }
  return Change::None;
}

// The slice as one of the service that it is imported for. Its endpoints say which cluster they are
// of (KEP-1645: several clusters' endpoints stand behind one name).
EndpointSlice imported(const ApiObject& object) {
  const auto& slice = std::get<EndpointSlice>(object.body);
  EndpointSlice result{slice.key, object.import_name, slice.ports, {}};
  result.endpoints.reserve(slice.endpoints.size());
  std::shared_ptr<const EndpointDetail> last;
  for (Endpoint endpoint : slice.endpoints) {
    EndpointDetail detail = endpoint.detail != nullptr ? *endpoint.detail : EndpointDetail{};
    detail.cluster = object.import_cluster;
    if (last == nullptr || *last != detail) {
      last = std::make_shared<const EndpointDetail>(std::move(detail));
    }
    endpoint.detail = last;
    result.endpoints.push_back(endpoint);
  }
  return result;
}

}  // namespace

KubernetesSource::KubernetesSource(SourceOptions options, Store& store, Store* imports,
                                   std::shared_ptr<spdlog::logger> logger)
    : options_(std::move(options)), store_(store), imports_(imports), logger_(std::move(logger)) {
  for (const ReflectorOptions& kind : kinds()) missing_.push_back(kind.kind);
}

KubernetesSource::~KubernetesSource() { stop(); }

std::vector<ReflectorOptions> KubernetesSource::kinds() const {
  std::vector<ReflectorOptions> kinds;
  const auto add = [&](Kind kind, std::string path, const std::string& selector) {
    ReflectorOptions& one = kinds.emplace_back();
    one.kind = kind;
    one.path = std::move(path);
    one.label_selector = selector;
    one.read = options_.read;
    one.lease = options_.lease;
    one.grace = options_.grace;
    one.relist = options_.relist;
    one.list_idle = options_.list_idle;
  };
  // The largest first, so that its answer is under way while the others connect.
  if (options_.endpoints) {
    add(Kind::EndpointSlices, "/apis/discovery.k8s.io/v1/endpointslices", options_.labels);
  }
  add(Kind::Services, "/api/v1/services", options_.labels);
  add(Kind::Namespaces, "/api/v1/namespaces", options_.namespace_labels);
  if (options_.pods) {
    add(Kind::Pods, "/api/v1/pods", options_.labels);
    // Pods that have ended have no address of their own any more; CoreDNS asks the same.
    kinds.back().field_selector =
        "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown";
  }
  if (options_.multicluster) {
    add(Kind::ServiceImports, "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports",
        options_.namespace_labels);
    kinds.back().optional = true;
  }
  return kinds;
}

void KubernetesSource::start(boost::asio::io_context& io, std::function<void()> on_synced) {
  if (io_ != nullptr) return;
  io_ = &io;
  on_synced_ = std::move(on_synced);
  snapshot_timer_ = std::make_unique<boost::asio::steady_timer>(io);
  credentials_ = std::make_unique<Credentials>(io, options_.api, logger_);
  for (ReflectorOptions& kind : kinds()) {
    ObjectSink& sink = *this;
    reflectors_.push_back(std::make_unique<Reflector>(io, *credentials_, std::move(kind), sink,
                                                      status_, logger_));
  }
  for (const auto& reflector : reflectors_) reflector->start();
}

void KubernetesSource::stop() {
  if (io_ == nullptr) return;
  reflectors_.clear();
  credentials_.reset();
  snapshot_timer_.reset();
  if (synced() && snapshot_due_) write_snapshot(true);
  if (snapshot_writer_.joinable()) snapshot_writer_.join();
  io_ = nullptr;
}

Change KubernetesSource::upsert(Kind kind, ApiObject object) {
  Change change = Change::None;
  switch (kind) {
    case Kind::Services:
      change = to_change(store_.upsert(std::move(std::get<Service>(object.body))));
      break;
    case Kind::ServiceImports:
      change = to_change(imports_->upsert(std::move(std::get<Service>(object.body))));
      break;
    case Kind::EndpointSlices: {
      auto& slice = std::get<EndpointSlice>(object.body);
      if (imports_ != nullptr) {
        if (is_dns_label(object.import_name)) {
          change = to_change(imports_->upsert(imported(object)));
        } else {
          imports_->erase_slice(object.key);
        }
      }
      // A slice that names no service is nobody's.
      if (slice.service.empty()) {
        if (store_.slice_owner(object.key) == nullptr) break;
        store_.erase_slice(object.key);
        change = Change::Removed;
        break;
      }
      const ObjectKey service{slice.key.ns, slice.service};
      const Change own = to_change(store_.upsert(std::move(slice)));
      if (own == Change::None) break;
      change = own;
      if (synced() && !object.change_trigger_time.empty()) {
        if (const auto at = parse_rfc3339(object.change_trigger_time)) {
          triggers_.push_back({*at, service});
        }
      }
      break;
    }
    case Kind::Namespaces:
      // An import shows in a namespace that does.
      if (imports_ != nullptr) imports_->upsert(Namespace(std::get<Namespace>(object.body)));
      change = to_change(store_.upsert(std::move(std::get<Namespace>(object.body))));
      break;
    case Kind::Pods:
      // Its address may be somebody else's soon.
      if (object.terminating) return erase(kind, object.key);
      change = to_change(store_.upsert(std::move(std::get<Pod>(object.body))));
      break;
  }
  changed_ = changed_ || change != Change::None;
  return change;
}

Change KubernetesSource::erase(Kind kind, const ObjectKey& key) {
  bool there = false;
  switch (kind) {
    case Kind::Services:
      there = store_.service(key) != nullptr;
      store_.erase_service(key);
      break;
    case Kind::ServiceImports:
      there = imports_->service(key) != nullptr;
      imports_->erase_service(key);
      break;
    case Kind::EndpointSlices:
      there = store_.slice_owner(key) != nullptr;
      store_.erase_slice(key);
      if (imports_ != nullptr) {
        there = there || imports_->slice_owner(key) != nullptr;
        imports_->erase_slice(key);
      }
      break;
    case Kind::Namespaces:
      there = store_.find_namespace(key.name) != nullptr;
      store_.erase_namespace(key.name);
      if (imports_ != nullptr) imports_->erase_namespace(key.name);
      break;
    case Kind::Pods:
      there = store_.pod(key) != nullptr;
      store_.erase_pod(key);
      break;
  }
  changed_ = changed_ || there;
  return there ? Change::Removed : Change::None;
}

bool KubernetesSource::begin_list(Kind kind) {
  switch (kind) {
    case Kind::Services: return store_.service_count() > 0;
    case Kind::ServiceImports: return imports_->service_count() > 0;
    case Kind::Namespaces: {
      bool any = false;
      store_.for_each_namespace([&](const Namespace&) { any = true; });
      return any;
    }
    // A first list finds nothing of these unless a snapshot, or a list that broke off, was there.
    case Kind::EndpointSlices: {
      bool any = false;
      store_.for_each_slice([&](const EndpointSlice&) { any = true; });
      if (imports_ != nullptr) imports_->for_each_slice([&](const EndpointSlice&) { any = true; });
      return any;
    }
    case Kind::Pods: {
      bool any = false;
      store_.for_each_pod([&](const Pod&) { any = true; });
      return any;
    }
  }
  return true;
}

std::size_t KubernetesSource::prune(
    Kind kind, const std::unordered_set<ObjectKey, ObjectKeyHash>& named) {
  std::vector<ObjectKey> gone;
  const auto check = [&](const ObjectKey& key) {
    if (!named.contains(key)) gone.push_back(key);
  };
  switch (kind) {
    case Kind::Services:
      store_.for_each_service([&](const Service& service) { check(service.key); });
      break;
    case Kind::ServiceImports:
      imports_->for_each_service([&](const Service& service) { check(service.key); });
      break;
    case Kind::EndpointSlices:
      store_.for_each_slice([&](const EndpointSlice& slice) { check(slice.key); });
      if (imports_ != nullptr) {
        imports_->for_each_slice([&](const EndpointSlice& slice) { check(slice.key); });
      }
      break;
    case Kind::Namespaces:
      store_.for_each_namespace([&](const Namespace& ns) { check({{}, ns.name}); });
      break;
    case Kind::Pods:
      store_.for_each_pod([&](const Pod& pod) { check(pod.key); });
      break;
  }
  std::size_t count = 0;
  for (const ObjectKey& key : gone) count += erase(kind, key) == Change::Removed ? 1 : 0;
  return count;
}

void KubernetesSource::end_list(Kind kind) {
  std::erase(missing_, kind);
  check_synced();
}

void KubernetesSource::check_synced() {
  if (synced() || !missing_.empty()) return;
  status_.synced = true;
  status_.from_snapshot = false;
  changed_ = false;
  if (imports_ != nullptr) imports_->commit();
  store_.commit();
  std::size_t namespaces = 0;
  store_.for_each_namespace([&](const Namespace&) { ++namespaces; });
  logger_->info("plugin/kubernetes: in sync with the Kubernetes API: {} namespaces, {} services, {} "
                "endpoints", namespaces, store_.service_count(), store_.endpoint_count());
  if (auto told = std::exchange(on_synced_, nullptr)) told();
  // Much came and went while the lists were read. Give it back, once, when all is served.
  boost::asio::post(*io_, [] { malloc_trim(0); });
  write_snapshot_later();
}

void KubernetesSource::pause() {
  if (!synced() || !changed_) return;
  changed_ = false;
  if (imports_ != nullptr) imports_->commit();
  store_.commit();
  record_programming();
  write_snapshot_later();
}

void KubernetesSource::record_programming() {
  const auto now = std::chrono::system_clock::now();
  for (const Trigger& trigger : triggers_) {
    const Service* const service = store_.service(trigger.service);
    if (service == nullptr) continue;
    auto [it, fresh] = status_.programming_seconds.try_emplace(
        service->headless ? "headless_with_selector" : "cluster_ip");
    if (fresh) it->second = make_programming_histogram();
    it->second.observe(std::chrono::duration<double>(now - trigger.at).count());
  }
  triggers_.clear();
}

void KubernetesSource::reached(Kind) {
  for (const auto& reflector : reflectors_) reflector->poke();
}

std::string KubernetesSource::identity() const {
  std::string text;
  for (const ApiServer& server : options_.api.servers) {
    text += server.host_port() + server.base_path + "\n";
  }
  text += options_.labels + "\n" + options_.namespace_labels + "\n";
  text += options_.endpoints ? 'e' : '-';
  text += options_.pods ? 'p' : '-';
  text += options_.read.target_names ? 't' : '-';
  text += options_.read.zones ? 'z' : '-';
  text += options_.multicluster ? 'm' : '-';
  return text;
}

bool KubernetesSource::load_snapshot() {
  if (options_.snapshot.empty()) return false;
  const std::string path = options_.snapshot.string();
  const auto data = read_snapshot_file(options_.snapshot);
  if (!data) {
    logger_->info("plugin/kubernetes: no snapshot in '{}': {}", path, data.error());
    return false;
  }
  const auto info = decode_snapshot(*data, identity(), store_, imports_);
  if (!info) {
    logger_->warn("plugin/kubernetes: the snapshot '{}' is not used: {}", path, info.error());
    return false;
  }
  if (imports_ != nullptr) imports_->commit();
  store_.commit();
  status_.from_snapshot = true;
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now() - info->taken);
  logger_->info("plugin/kubernetes: serving the snapshot '{}', {} s old, until the API server has "
                "told what changed: {} services, {} slices", path, age.count(), info->services,
                info->slices);
  return true;
}

void KubernetesSource::write_snapshot_later() {
  if (options_.snapshot.empty() || !snapshot_timer_) return;
  snapshot_due_ = true;
  if (snapshot_timed_) return;
  snapshot_timed_ = true;
  snapshot_timer_->expires_after(options_.snapshot_every);
  snapshot_timer_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    snapshot_timed_ = false;
    write_snapshot(false);
  });
}

void KubernetesSource::write_snapshot(bool wait) {
  snapshot_due_ = false;
  std::string data = encode_snapshot(store_, imports_, identity(), std::chrono::system_clock::now());
  if (snapshot_writer_.joinable()) snapshot_writer_.join();
  if (wait) {
    if (const std::string problem = write_snapshot_file(options_.snapshot, data); !problem.empty()) {
      logger_->error("plugin/kubernetes: the snapshot is not written: {}", problem);
    }
    return;
  }
  // The disk may take its time; changes must not wait for it. The process's signals are for others.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  snapshot_writer_ = std::thread([file = options_.snapshot, data = std::move(data),
                                  logger = logger_] {
    if (const std::string problem = write_snapshot_file(file, data); !problem.empty()) {
      logger->error("plugin/kubernetes: the snapshot is not written: {}", problem);
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace clusterdns::registry::kubernetes
