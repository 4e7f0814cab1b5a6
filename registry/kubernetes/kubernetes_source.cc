#include "registry/kubernetes/kubernetes_source.h"

#include <malloc.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <new>
#include <random>
#include <utility>

#include "registry/background.h"
#include "registry/kubernetes/exec_plugin.h"
#include "registry/kubernetes/snapshot.h"
#include "registry/manifests/gateway_reader.h"

namespace clusterdns::registry::kubernetes {

SourceIdentity identity_of(const SourceOptions& options) {
  return {place_of(options.api),    options.read,         options.endpoints, options.pods,
          options.pods_optional,    options.multicluster, options.kinds,     options.labels,
          options.namespace_labels, options.snapshot,     options.lease};
}

// One kind: what keeps its objects, and what follows them while the source runs.
class KubernetesSource::Watched final : public ObjectSink {
 public:
  Watched(KubernetesSource& source, ReflectorOptions options, std::unique_ptr<Keeper> keeper)
      : source_(source), options_(std::move(options)), keeper_(std::move(keeper)) {}

  void start(boost::asio::io_context& io) {
    reflector_ = std::make_unique<Reflector>(io, *source_.credentials_, source_.turns_, options_,
                                             *this, source_.status_, source_.logger_);
    reflector_->start();
  }
  void stop() { reflector_.reset(); }
  void poke(bool well) {
    if (reflector_) reflector_->poke(well);
  }
  // Listed once, or known not to be there.
  [[nodiscard]] bool complete() const noexcept { return complete_; }

 private:
  Kept upsert(ApiObject object) override {
    // What names no object cannot be one of the store's.
    if (std::holds_alternative<std::monostate>(object.body)) return Kept::None;
    return note(keeper_->upsert(std::move(object)));
  }
  Kept erase(const ObjectKey& key) override { return note(keeper_->erase(key)); }
  bool has(const ObjectKey& key) const override { return keeper_->has(key); }
  bool begin_list() override { return keeper_->any(); }
  std::size_t prune(const std::unordered_set<ObjectKey, ObjectKeyHash>& named) override {
    std::vector<ObjectKey> gone;
    keeper_->for_each_key([&](const ObjectKey& key) {
      if (!named.contains(key)) gone.push_back(key);
    });
    std::size_t count = 0;
    for (const ObjectKey& key : gone) count += erase(key) == Kept::Removed ? 1 : 0;
    return count;
  }
  void end_list() override {
    complete_ = true;
    source_.check_synced();
  }
  void pause() override { source_.pause(); }
  void reached(bool well) override { source_.reached(well); }

  Kept note(Kept kept) {
    source_.changed_ = source_.changed_ || (kept != Kept::None && kept != Kept::NoRoom);
    return kept;
  }

  KubernetesSource& source_;
  ReflectorOptions options_;
  std::unique_ptr<Keeper> keeper_;
  std::unique_ptr<Reflector> reflector_;
  bool complete_ = false;
};

KubernetesSource::KubernetesSource(SourceOptions options, Store& store, Store* imports,
                                   std::shared_ptr<spdlog::logger> logger)
    : options_(std::move(options)),
      store_(store),
      imports_(imports),
      logger_(std::move(logger)),
      turns_(std::random_device{}()),
      room_(options_.max_kept, [this] {
        logger_->error(
            "plugin/kubernetes: the objects of the API server would take more than {} "
            "MiB; the rest is left out",
            options_.max_kept / (1024 * 1024));
      }) {
  // The largest first, so that its answer is under way while the others connect.
  if (options_.endpoints) {
    add(kinds::endpoint_slices(),
        keep_slices(store_, imports_, room_,
                    [this](const ObjectKey& service, const std::string& trigger_time) {
                      if (!synced() || trigger_time.empty()) return;
                      if (const auto at = parse_rfc3339(trigger_time)) {
                        triggers_.push_back({*at, service});
                      }
                    }),
        options_.labels);
  }
  add(kinds::services(), keep_services(store_, room_), options_.labels);
  add(kinds::namespaces(), keep_namespaces(store_, imports_, room_), options_.namespace_labels);
  if (options_.pods) {
    ApiKind pods = kinds::pods();
    pods.optional = options_.pods_optional;
    add(pods, keep_pods(store_, room_), options_.labels);
  }
  if (options_.multicluster) {
    add(kinds::service_imports(), keep_services(*imports_, room_), options_.namespace_labels);
  }
  for (const Kind* const kind : options_.kinds) {
    const auto of_gateways = gateway_kind(*kind);
    add(make_api_kind(*kind),
        of_gateways ? keep_gateways(*of_gateways, store_, room_)
                    : keep_objects(*kind, store_, room_),
        {});
  }
}

KubernetesSource::~KubernetesSource() { stop(); }

void KubernetesSource::add(const ApiKind& kind, std::unique_ptr<Keeper> keeper,
                           const std::string& selector) {
  ReflectorOptions options;
  options.kind = kind;
  options.label_selector = selector;
  options.read = options_.read;
  options.lease = options_.lease;
  options.grace = options_.grace;
  options.relist = options_.relist;
  options.list_idle = options_.list_idle;
  options.off_again = options_.off_again;
  kinds_.push_back(std::make_unique<Watched>(*this, std::move(options), std::move(keeper)));
}

void KubernetesSource::start(boost::asio::io_context& io, std::function<void()> on_synced) {
  if (io_ != nullptr) return;
  io_ = &io;
  on_synced_ = std::move(on_synced);
  // The store may have been filled before.
  room_.set(kept_octets_of(store_) + (imports_ == nullptr ? 0 : kept_octets_of(*imports_)));
  snapshot_timer_ = std::make_unique<boost::asio::steady_timer>(io);
  if (!options_.snapshot.empty()) {
    snapshot_writer_ =
        std::make_unique<SnapshotWriter>(io, options_.snapshot, options_.disk, logger_);
  }
  credentials_ = std::make_unique<Credentials>(io, options_.api, logger_);
  for (const auto& kind : kinds_) kind->start(io);
}

void KubernetesSource::stop() {
  if (io_ == nullptr) return;
  for (const auto& kind : kinds_) kind->stop();
  credentials_.reset();
  snapshot_timer_.reset();
  if (snapshot_writer_) {
    if (synced() && snapshot_due_) write_snapshot();
    snapshot_writer_->finish(options_.snapshot_patience);
    snapshot_writer_.reset();
  }
  io_ = nullptr;
}

void KubernetesSource::check_synced() {
  if (synced()) return;
  for (const auto& kind : kinds_) {
    if (!kind->complete()) return;
  }
  status_.synced = true;
  status_.from_snapshot = false;
  changed_ = false;
  if (imports_ != nullptr) imports_->commit();
  store_.commit();
  logger_->info(
      "plugin/kubernetes: in sync with the Kubernetes API: {} namespaces, {} services, {} "
      "endpoints",
      store_.table<Namespace>().size(), store_.service_count(), store_.endpoint_count());
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

void KubernetesSource::reached(bool well) {
  for (const auto& kind : kinds_) kind->poke(well);
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
  text += options_.read.gateways ? 'g' : '-';
  for (const Kind* const kind : options_.kinds) text += "\n" + kind->full_name();
  return text;
}

bool KubernetesSource::load_snapshot() {
  if (options_.snapshot.empty()) return false;
  const std::string path = options_.snapshot.string();
  using Content = boost::system::result<std::string, std::string>;
  const auto answer = call_within(
      options_.snapshot_patience, [file = options_.snapshot]() -> std::optional<Content> {
        std::error_code ignored;
        if (!std::filesystem::exists(file, ignored) && !ignored) return std::nullopt;
        return read_regular_file(file, kMaxSnapshotSize, Writers::Trusted);
      });
  if (answer && !*answer) {
    logger_->info("plugin/kubernetes: there is no snapshot '{}' yet", path);
    return false;
  }
  if (!answer || !**answer) {
    logger_->warn("plugin/kubernetes: the snapshot '{}' is not used: it {}", path,
                  answer ? (*answer)->error() : "cannot be read: the disk does not respond");
    return false;
  }
  const auto info = decode_snapshot(***answer, identity(), options_.kinds, store_, imports_);
  if (!info) {
    logger_->warn("plugin/kubernetes: the snapshot '{}' is not used: {}", path, info.error());
    return false;
  }
  room_.set(kept_octets_of(store_) + (imports_ == nullptr ? 0 : kept_octets_of(*imports_)));
  if (imports_ != nullptr) imports_->commit();
  store_.commit();
  status_.from_snapshot = true;
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now() - info->taken);
  logger_->info(
      "plugin/kubernetes: serving the snapshot '{}', {} s old, until the API server has "
      "told what changed: {} services, {} slices",
      path, age.count(), info->services, info->slices);
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
    write_snapshot();
  });
}

void KubernetesSource::write_snapshot() {
  snapshot_due_ = false;
  try {
    snapshot_writer_->write(
        encode_snapshot(store_, imports_, identity(), std::chrono::system_clock::now()));
  } catch (const std::bad_alloc&) {
    logger_->error("plugin/kubernetes: the snapshot is not written: there is no memory for it");
  }
}

}  // namespace clusterdns::registry::kubernetes
