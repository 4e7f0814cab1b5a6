#include "app/directives/etcd_source.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "app/base/json.h"
#include "app/directives/etcd_client.h"
#include "registry/background.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using registry::kubernetes::ApiServer;
using registry::kubernetes::decode_base64;
using registry::kubernetes::encode_base64;

// Keys of one response.
constexpr std::string_view kPage = "500";
// Between tries, doubled from the one to the other.
constexpr std::chrono::milliseconds kFirstWait{250};
constexpr std::chrono::seconds kLongestWait{5};
// Changes that come at once are shown together.
constexpr std::chrono::milliseconds kGather{50};
constexpr std::chrono::seconds kLeasesFor{1};
constexpr std::chrono::milliseconds kLongestIdle{1000};

const json::value* member(const json::value& of, std::string_view name) {
  return of.is_object() ? of.get_object().if_contains(name) : nullptr;
}

// Whole numbers are text in JSON of protobuf; what is 0 is left out.
std::int64_t number(const json::value& of, std::string_view name) {
  const json::value* const at = member(of, name);
  if (at == nullptr) return 0;
  if (at->is_int64()) return at->get_int64();
  if (!at->is_string()) throw EtcdFailed{"`" + std::string(name) + "` is not a number"};
  const json::string& text = at->get_string();
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    throw EtcdFailed{"`" + std::string(name) + "` is not a number"};
  }
  return value;
}

std::string octets(const json::value& of, std::string_view name) {
  const json::value* const at = member(of, name);
  if (at == nullptr) return {};
  auto decoded = at->is_string() ? decode_base64(std::string_view(at->get_string())) : std::nullopt;
  if (!decoded) throw EtcdFailed{"`" + std::string(name) + "` is not in base64"};
  return std::move(*decoded);
}

std::int64_t revision_of(const json::value& response) {
  const json::value* const header = member(response, "header");
  return header == nullptr ? 0 : number(*header, "revision");
}

// Revisions are of one cluster.
std::string cluster_of(const json::value& response) {
  const json::value* const header = member(response, "header");
  const json::value* const id = header == nullptr ? nullptr : member(*header, "cluster_id");
  return id != nullptr && id->is_string() ? std::string(id->get_string()) : std::string();
}

// What is about keys from `from` on, up to `end`.
std::string range(std::string_view from, std::string_view end) {
  return R"("key":")" + encode_base64(from) + R"(","range_end":")" + encode_base64(end) + '"';
}

}  // namespace

// Shared with the thread.
struct EtcdSource::State {
  EtcdSettings settings;
  std::shared_ptr<zones::SkyDnsStore> store;
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<bool> abandoned{false};
  std::atomic<std::uint64_t> keys{0}, failures{0}, unreadable{0}, reads{0};
  std::atomic<bool> connected{false};

  std::mutex mutex;
  boost::asio::io_context* io = nullptr;
  std::unique_ptr<const zones::SkyDnsTable> waiting;

  // From the thread: the control thread logs it. Once the source is gone, so may be what the log is
  // written to.
  static void say(const std::shared_ptr<State>& self, spdlog::level::level_enum level,
                  std::string text) {
    const std::lock_guard lock(self->mutex);
    if (self->io == nullptr) return;
    boost::asio::post(*self->io, [self, level, text = std::move(text)] {
      {
        const std::lock_guard looking(self->mutex);
        if (self->io == nullptr) return;
      }
      self->logger->log(level, "plugin/etcd: {}", text);
    });
  }
  static void publish(const std::shared_ptr<State>& self,
                      std::unique_ptr<const zones::SkyDnsTable> table) {
    const std::lock_guard lock(self->mutex);
    if (self->io == nullptr) return;
    const bool posted = self->waiting != nullptr;
    self->waiting = std::move(table);
    if (posted) return;
    boost::asio::post(*self->io, [self] {
      std::unique_ptr<const zones::SkyDnsTable> now;
      {
        const std::lock_guard taking(self->mutex);
        if (self->io == nullptr) return;
        now = std::move(self->waiting);
      }
      self->store->publish(std::move(now));
    });
  }
};

// The thread's.
class EtcdSource::Reader {
 public:
  explicit Reader(std::shared_ptr<State> state)
      : state_(std::move(state)),
        settings_(state_->settings),
        first_(settings_.prefix + "/"),
        end_(settings_.prefix + "0") {  // the next octet behind a slash
    for (const ApiServer& server : settings_.servers) {
      peers_.push_back(server.tls ? std::make_unique<dns::TlsPeer>(settings_.tls, server.host)
                                  : nullptr);
    }
  }

  void run() {
    std::size_t at = 0;
    Clock::duration pause = kFirstWait;
    while (!state_->abandoned) {
      try {
        follow(at);
        pause = kFirstWait;
      } catch (const EtcdFailed& failed) {
        if (state_->abandoned) return;
        flush();
        if (failed.stale) revision_ = 0;
        tell(at, failed.why);
        at = (at + 1) % settings_.servers.size();
        // A watch that has run for a while says that all is well.
        if (std::exchange(watched_, false)) pause = kFirstWait;
        sleep(pause);
        pause = std::min<Clock::duration>(pause * 2, kLongestWait);
      } catch (const std::exception& e) {
        if (state_->abandoned) return;
        tell(at, e.what());
        sleep(kLongestWait);
      }
    }
  }

 private:
  struct Kept {
    zones::SkyDnsTable::Record record;  // nullptr: no record can be made of it
    std::size_t octets = 0;
    std::int64_t lease = 0;
  };
  using Keys = std::map<std::string, Kept, std::less<>>;

  // Brings what is kept up to date, and keeps it so for one watch.
  void follow(std::size_t at) {
    EtcdConnection connection(settings_.servers[at], peers_[at].get(), state_->abandoned);
    if (!settings_.user.empty()) {
      const json::value token = connection.call(
          "/v3/auth/authenticate", R"({"name":)" + json_string(settings_.user) + R"(,"password":)" +
                                       json_string(settings_.password) + "}");
      const json::value* const text = member(token, "token");
      if (text == nullptr || !text->is_string()) throw EtcdFailed{"it gave no token"};
      std::string_view word(text->get_string());
      if (word.find_first_of("\r\n") != word.npos) throw EtcdFailed{"its token has a line break"};
      connection.authorize(std::string(word));
    }
    if (revision_ == 0 || !is_same(connection)) read_all(connection);
    ask_for_leases(connection);
    if (!state_->connected.exchange(true)) {
      State::say(state_, spdlog::level::info,
                 fmt::format("following {} keys below {} at {}", keys_.size(),
                             settings_.prefix.empty() ? "/" : settings_.prefix,
                             settings_.servers[at].host_port()));
    }
    last_error_.clear();
    const std::string body = R"({"create_request":{)" + range(first_, end_) +
                             R"(,"start_revision":")" + std::to_string(revision_ + 1) +
                             R"(","progress_notify":true}})";
    connection.stream(
        "/v3/watch", body, Clock::now() + kEtcdWatch,
        [this](const json::value& message) { take(message); },
        [this]() -> std::chrono::milliseconds {
          if (!changed_) return kLongestIdle;
          if (Clock::now() - shown_ < kGather) return kGather;
          flush();
          return kLongestIdle;
        });
    flush();
  }

  // Whether what is kept is what etcd had then: events that were missed would be missing for ever.
  // It asks a member that has a quorum, so that one that was cut off is not followed.
  [[nodiscard]] bool is_same(EtcdConnection& connection) const {
    const json::value response =
        connection.call("/v3/kv/range", "{" + range(first_, end_) + R"(,"count_only":true,)" +
                                            R"("revision":")" + std::to_string(revision_) + "\"}");
    return number(response, "count") == static_cast<std::int64_t>(keys_.size()) &&
           cluster_of(response) == cluster_;
  }

  void read_all(EtcdConnection& connection) {
    Keys keys;
    std::size_t sum = 0;
    std::int64_t revision = 0;
    std::string from = first_;
    for (bool more = true; more;) {
      std::string body = "{" + range(from, end_) + R"(,"limit":")" + std::string(kPage) + '"';
      if (revision != 0) body += R"(,"revision":")" + std::to_string(revision) + '"';
      const json::value response = connection.call("/v3/kv/range", body + "}");
      if (revision == 0) {
        revision = revision_of(response);
        cluster_ = cluster_of(response);
      }
      if (revision <= 0) throw EtcdFailed{"it gave no revision"};
      const json::value* const list = member(response, "kvs");
      if (list != nullptr && list->is_array()) {
        for (const json::value& each : list->get_array()) sum += put(keys, each);
      }
      check_room(keys.size(), sum);
      const json::value* const rest = member(response, "more");
      more = rest != nullptr && rest->is_bool() && rest->get_bool();
      if (!more) continue;
      // From its last key on; without progress there would be no end.
      if (keys.empty() || keys.rbegin()->first < from) throw EtcdFailed{"its pages have no end"};
      from = keys.rbegin()->first + '\0';
    }
    keys_.swap(keys);
    octets_ = sum;
    revision_ = revision;
    ++state_->reads;
    changed_ = true;
    drop_leases();
    flush();
  }

  // A message of the watch.
  void take(const json::value& message) {
    const json::value* const result = member(message, "result");
    if (result == nullptr) return;
    watched_ = true;
    const json::value* const canceled = member(*result, "canceled");
    if (canceled != nullptr && canceled->is_bool() && canceled->get_bool()) {
      const bool compacted = number(*result, "compact_revision") != 0;
      throw EtcdFailed{
          compacted ? "changes were compacted before they came" : "it canceled the watch",
          compacted};
    }
    if (const json::value* const events = member(*result, "events");
        events != nullptr && events->is_array()) {
      for (const json::value& event : events->get_array()) take_event(event);
      return;
    }
    // Nothing has changed up to there. Not when it is confirmed: what came since the revision asked
    // for is still to come.
    if (member(*result, "created") == nullptr) {
      revision_ = std::max(revision_, revision_of(*result));
    }
  }

  void take_event(const json::value& event) {
    const json::value* const kv = member(event, "kv");
    if (kv == nullptr) return;
    changed_ = true;
    // The header's may be ahead of what comes in several messages.
    revision_ = std::max(revision_, number(*kv, "mod_revision"));
    const json::value* const type = member(event, "type");
    if (type != nullptr && type->is_string() && type->get_string() == "DELETE") {
      const auto at = keys_.find(octets(*kv, "key"));
      if (at == keys_.end()) return;
      octets_ -= at->second.octets;
      keys_.erase(at);
      return;
    }
    octets_ += put(keys_, *kv);
    check_room(keys_.size(), octets_);
  }

  // Returns how many octets more there are.
  std::size_t put(Keys& keys, const json::value& kv) {
    std::string key = octets(kv, "key");
    const std::string value = octets(kv, "value");
    if (key < first_ || key >= end_) throw EtcdFailed{"it gave a key that was not asked for"};
    Kept kept;
    // With what stands beside them in memory.
    kept.octets = key.size() + value.size() + sizeof(Kept) + sizeof(zones::SkyDnsRecord);
    kept.lease = number(kv, "lease");
    std::string problem;
    kept.record = zones::read_skydns_record(
        key, value, settings_.prefix, kept.lease == 0 ? nullptr : lease(kept.lease), &problem);
    if (kept.record == nullptr) {
      ++state_->unreadable;
      // Whoever may write keys says this.
      constexpr std::size_t kMostShown = 200;
      State::say(state_, spdlog::level::warn,
                 fmt::format("{}: {}; left out", json_string(key.substr(0, kMostShown)),
                             registry::printable(problem.substr(0, kMostShown))));
    }
    Kept& place = keys[std::move(key)];
    const std::size_t before = place.octets;
    const std::size_t more = kept.octets - before;  // modulo 2^64
    place = std::move(kept);
    return more;
  }

  static void check_room(std::size_t keys, std::size_t sum) {
    if (keys <= kMaxEtcdKeys && sum <= kMaxEtcdOctets) return;
    throw EtcdFailed{"there are more than " + std::to_string(kMaxEtcdKeys) + " keys or " +
                         std::to_string(kMaxEtcdOctets) +
                         " octets below the path; name a longer `path`",
                     true};
  }

  std::shared_ptr<const zones::LeaseEnd> lease(std::int64_t id) {
    auto& end = leases_[id];
    if (end == nullptr) end = std::make_shared<zones::LeaseEnd>(0);
    return end;
  }
  void drop_leases() {
    std::erase_if(leases_, [](const auto& each) { return each.second.use_count() == 1; });
  }
  void ask_for_leases(EtcdConnection& connection) {
    drop_leases();
    // The watch waits for this: the rest has its turn the next time.
    const auto until = Clock::now() + kLeasesFor;
    std::size_t asked = 0;
    auto next = leases_.upper_bound(last_lease_);
    for (; asked < leases_.size() && asked < kMaxEtcdLeases && Clock::now() < until; ++asked) {
      if (next == leases_.end()) next = leases_.begin();
      const auto& [id, end] = *next++;
      last_lease_ = id;
      const json::value response =
          connection.call("/v3/lease/timetolive", R"({"ID":")" + std::to_string(id) + "\"}");
      const std::int64_t left = std::clamp<std::int64_t>(number(response, "TTL"), 0, 1 << 30);
      end->store(dns::monotonic_ns() + left * 1'000'000'000, std::memory_order_relaxed);
    }
  }

  // Shows what has changed.
  void flush() {
    if (!std::exchange(changed_, false)) return;
    std::vector<zones::SkyDnsTable::Record> records;
    records.reserve(keys_.size());
    for (const auto& [key, kept] : keys_) {
      if (kept.record != nullptr) records.push_back(kept.record);
    }
    state_->keys = records.size();
    State::publish(state_, std::make_unique<zones::SkyDnsTable>(
                               settings_.prefix, std::move(records),
                               static_cast<std::uint32_t>(std::time(nullptr))));
    shown_ = Clock::now();
  }

  void tell(std::size_t at, const std::string& why) {
    ++state_->failures;
    state_->connected = false;
    if (why == last_error_) return;
    last_error_ = why;
    State::say(
        state_, spdlog::level::warn,
        fmt::format("{}: {}; {}", settings_.servers[at].host_port(), why,
                    revision_ == 0 && keys_.empty() ? "names are SERVFAIL until it can be read"
                                                    : "still serving what was read before"));
  }

  void sleep(Clock::duration pause) const {
    const auto end = Clock::now() + pause;
    while (!state_->abandoned && Clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  const std::shared_ptr<State> state_;
  const EtcdSettings& settings_;
  const std::string first_, end_;
  std::vector<std::unique_ptr<dns::TlsPeer>> peers_;  // of each server; nullptr: no TLS
  Keys keys_;
  std::size_t octets_ = 0;
  std::string cluster_;
  std::int64_t revision_ = 0;  // that `keys_` are of; 0: they are to be read anew
  std::map<std::int64_t, std::shared_ptr<zones::LeaseEnd>> leases_;
  std::int64_t last_lease_ = 0;  // that was asked about
  bool changed_ = false;         // and not shown yet
  bool watched_ = false;
  Clock::time_point shown_{};
  std::string last_error_;
};

EtcdSource::EtcdSource(EtcdSettings settings, dns::ReclaimDomain& reclaim,
                       std::shared_ptr<spdlog::logger> logger)
    : state_(std::make_shared<State>()) {
  state_->settings = std::move(settings);
  state_->store = std::make_shared<zones::SkyDnsStore>(reclaim);
  state_->logger = std::move(logger);
}

EtcdSource::~EtcdSource() {
  state_->abandoned = true;
  const std::lock_guard lock(state_->mutex);
  state_->io = nullptr;
}

void EtcdSource::start(boost::asio::io_context& io) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->io != nullptr) return;
    state_->io = &io;
  }
  if (registry::run_detached([state = state_] { Reader(state).run(); })) return;
  {
    // The next configuration tries again.
    const std::lock_guard lock(state_->mutex);
    state_->io = nullptr;
  }
  state_->logger->error(
      "plugin/etcd: the system has no thread left to read etcd on; its names are SERVFAIL; raise "
      "the limit of threads and reload");
}

const EtcdSettings& EtcdSource::settings() const noexcept { return state_->settings; }

std::shared_ptr<const zones::SkyDnsStore> EtcdSource::store() const noexcept {
  return state_->store;
}

void EtcdSource::collect(Exposition& out) const {
  const std::string path = state_->settings.prefix.empty() ? "/" : state_->settings.prefix;
  const Exposition::Labels labels{{"path", path}};
  out.latest("clusterdns_etcd_connected", "Whether etcd is followed just now.", labels,
             state_->connected ? 1 : 0);
  out.latest("clusterdns_etcd_records", "Keys of etcd that are records.", labels,
             static_cast<double>(state_->keys));
  out.counter("clusterdns_etcd_failures_total", "How often an endpoint could not be followed.",
              labels, static_cast<double>(state_->failures));
  out.counter("clusterdns_etcd_reads_total", "How often all keys were read.", labels,
              static_cast<double>(state_->reads));
  out.counter("clusterdns_etcd_unreadable_total", "Values that were no record.", labels,
              static_cast<double>(state_->unreadable));
}

}  // namespace clusterdns::app
