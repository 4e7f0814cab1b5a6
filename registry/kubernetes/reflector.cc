#include "registry/kubernetes/reflector.h"

#include <algorithm>
#include <utility>

#include "registry/kubernetes/protobuf.h"

namespace clusterdns::registry::kubernetes {
namespace {

// How many times longer a list may stand still when lists before it were given up for that: an
// API server without a moment's rest would have to begin again for ever. Not more, so that a dead
// connection is still noticed in half a minute.
constexpr unsigned kMaxPatience = 6;
// Before the first octet: a cold API server sorts 100,000 objects first.
constexpr std::chrono::milliseconds kAnswerLimit{10'000};
// A streamed list that has not ended by then is not going to; pages make progress in any case.
constexpr std::chrono::milliseconds kLongList{60'000};
constexpr unsigned kPageSize = 500;  // client-go's
// A watch that ends earlier did not serve; one alone is an API server that shuts down.
constexpr std::chrono::milliseconds kUselessWatch{500};
constexpr unsigned kUselessBeforeList = 3;
constexpr std::size_t kMaxErrorBody = 8 * 1024;
// A kind that we may not see, or that the cluster does not have, is asked for again this late.
constexpr std::chrono::milliseconds kOffAgain{300'000};
constexpr std::chrono::seconds kMaxRetryAfter{5};

std::string quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') ||
                       u == '-' || u == '_' || u == '.' || u == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[u >> 4]);
      out.push_back(kHex[u & 15]);
    }
  }
  return out;
}

std::string seconds_text(std::chrono::milliseconds time) {
  // A second at least, rounded up: the parameter has no fractions.
  return std::to_string(std::max<std::int64_t>(1, (time.count() + 999) / 1000));
}

}  // namespace

Reflector::Reflector(boost::asio::io_context& io, Credentials& credentials,
                     ReflectorOptions options, ObjectSink& sink, KubernetesStatus& status,
                     std::shared_ptr<spdlog::logger> logger)
    : io_(io),
      credentials_(credentials),
      options_(std::move(options)),
      sink_(sink),
      totals_(status),
      status_(status.kinds[name()]),
      logger_(std::move(logger)),
      random_(std::random_device{}()),
      backoff_(static_cast<std::uint32_t>(random_())),
      connection_(io, credentials),
      timer_(io),
      stream_lists_(options_.may_stream_lists),
      list_lease_(options_.lease) {}

Reflector::~Reflector() { stop(); }

void Reflector::start() {
  stop();
  alive_ = std::make_shared<bool>(true);
  attempt();
}

void Reflector::stop() {
  alive_.reset();
  timer_.cancel();
  connection_.close();
  reader_.reset();
  status_.watching = false;
  // What was listed half is asked for again.
  if (listing_) want_list();
}

void Reflector::poke() {
  if (alive_ == nullptr || !waiting_refused_) return;
  again(std::chrono::milliseconds(0));
}

std::chrono::milliseconds Reflector::jittered(std::chrono::milliseconds about) {
  std::uniform_int_distribution<std::int64_t> spread(about.count() * 9 / 10, about.count());
  return std::chrono::milliseconds(spread(random_));
}

void Reflector::again(std::chrono::milliseconds delay) {
  timer_.expires_after(delay);
  timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](
                        const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    attempt();
  });
}

void Reflector::attempt() {
  waiting_refused_ = false;
  credentials_.prepare([this, alive = std::weak_ptr<bool>(alive_)](const std::string& error) {
    if (alive.expired()) return;
    if (!error.empty()) return fail(Trouble::Other, 0, error);
    send();
  });
}

std::string Reflector::target() const {
  std::string query;
  const auto add = [&query](std::string_view key, const std::string& value) {
    query += query.empty() ? '?' : '&';
    query += key;
    query += '=';
    query += quote(value);
  };
  if (!options_.label_selector.empty()) add("labelSelector", options_.label_selector);
  if (!options_.field_selector.empty()) add("fieldSelector", options_.field_selector);
  switch (mode_) {
    case Mode::StreamedList:
      add("watch", "1");
      add("allowWatchBookmarks", "true");
      add("sendInitialEvents", "true");
      add("resourceVersionMatch", "NotOlderThan");
      add("timeoutSeconds", seconds_text(lease_));
      break;
    case Mode::Watch:
      add("watch", "1");
      add("allowWatchBookmarks", "true");
      add("resourceVersion", resource_version_);
      add("timeoutSeconds", seconds_text(lease_));
      break;
    case Mode::PagedList:
      add("limit", std::to_string(kPageSize));
      if (!next_page_.empty()) add("continue", next_page_);
      break;
  }
  return options_.path + query;
}

void Reflector::send() {
  const Clock::time_point now = Clock::now();
  if (!list_wanted_ && now - listed_at_ > options_.relist) want_list();
  if (list_wanted_) {
    mode_ = stream_lists_ ? Mode::StreamedList : Mode::PagedList;
    lease_ = mode_ == Mode::StreamedList ? std::max(list_lease_, options_.lease)
                                         : std::chrono::milliseconds(0);
  } else {
    mode_ = Mode::Watch;
    lease_ = jittered(options_.lease);
  }
  // Parameters are in whole seconds; what we wait for must not be less than what we ask.
  if (lease_.count() > 0) lease_ = std::chrono::milliseconds((lease_.count() + 999) / 1000 * 1000);

  request_began_ = now;
  code_ = 0;
  objects_in_response_ = 0;
  error_body_.clear();
  retry_after_.reset();
  has_event_error_ = false;
  reader_.reset();
  ApiConnection::Request request;
  const auto& servers = credentials_.servers();
  request.server = servers[server_ % servers.size()];
  request.target = target();
  request.accept = options_.kind == Kind::ServiceImports
                       ? "application/json"
                       : "application/vnd.kubernetes.protobuf,application/json;q=0.9";
  request.gzip = mode_ == Mode::PagedList;
  request.idle_limit = std::min(kAnswerLimit, lease_.count() > 0 ? lease_ + options_.grace : kAnswerLimit);
  if (lease_.count() > 0) request.total_limit = lease_ + options_.grace;
  ApiConnection::Receiver receiver;
  receiver.on_head = [this](const ApiConnection::Head& head) { on_head(head); };
  receiver.on_data = [this](std::span<const std::uint8_t> data) { return on_data(data); };
  receiver.on_pause = [this] {
    // While a list is coming nothing of it is shown: the parts of a service may stand far apart.
    if (!listing_) sink_.pause();
  };
  receiver.on_end = [this](Ending ending, const std::string& what) { on_end(ending, what); };
  connection_.start(std::move(request), std::move(receiver));
}

void Reflector::on_head(const ApiConnection::Head& head) {
  code_ = head.status;
  retry_after_ = head.retry_after;
  const auto& servers = credentials_.servers();
  const std::string host = servers[server_ % servers.size()].host_port();
  ++totals_.requests[{std::to_string(code_), "GET", host}];
  auto [histogram, fresh] = totals_.request_seconds.try_emplace({"GET", host});
  if (fresh) histogram->second = make_request_histogram();
  histogram->second.observe(std::chrono::duration<double>(head.took).count());
  if (code_ != 200) return;

  encoding_ = head.content_type.starts_with("application/vnd.kubernetes.protobuf")
                  ? Encoding::Protobuf
                  : Encoding::Json;
  BodySink& sink = *this;
  if (mode_ == Mode::PagedList) {
    reader_ = make_list_reader(encoding_, sink);
    connection_.set_idle_limit(options_.list_idle * patience_);
  } else {
    reader_ = make_watch_reader(encoding_, sink);
    // The lease bounds a watch; a list has to move.
    connection_.set_idle_limit(mode_ == Mode::StreamedList
                                   ? std::min(options_.list_idle * patience_, lease_ + options_.grace)
                                   : lease_ + options_.grace);
  }
  if (list_wanted_ && !listing_) begin_list();
  if (mode_ == Mode::Watch) {
    ++status_.watches;
    status_.watching = true;
    status_.last_event = Clock::now();
    recovered();
  }
  sink_.reached(options_.kind);
}

bool Reflector::on_data(std::span<const std::uint8_t> data) {
  if (reader_) return reader_->feed(data);
  const std::size_t room = kMaxErrorBody - std::min(kMaxErrorBody, error_body_.size());
  error_body_.append(reinterpret_cast<const char*>(data.data()), std::min(room, data.size()));
  return true;
}

bool Reflector::take(std::span<const std::uint8_t> data, std::string& version) {
  ApiObject object;
  if (!read_object(encoding_, options_.kind, data, options_.read, object)) return false;
  ++objects_in_response_;
  version = std::move(object.resource_version);
  if (!object.problem.empty()) {
    ++status_.unreadable;
    if (!std::exchange(unreadable_told_, true)) {
      logger_->warn("plugin/kubernetes: {}: an object is left out: {}", name(), object.problem);
    }
    return true;
  }
  if (listing_ && comparing_) named_.insert(object.key);
  const ObjectSink::Change change = sink_.upsert(options_.kind, std::move(object));
  if (listing_) {
    list_added_ += change == ObjectSink::Change::Added ? 1 : 0;
    list_changed_ += change == ObjectSink::Change::Changed ||
                             change == ObjectSink::Change::Removed ? 1 : 0;
  }
  return true;
}

bool Reflector::on_event(std::string_view type, std::span<const std::uint8_t> data) {
  status_.last_event = Clock::now();
  if (type == "ERROR") {
    has_event_error_ = read_status(encoding_, data, event_error_);
    return false;
  }
  ++status_.events;
  if (type == "ADDED" || type == "MODIFIED") {
    // The version is taken with the object, so that a watch that breaks goes on behind it.
    std::string version;
    if (!take(data, version)) return false;
    if (!listing_) status_.resource_version = resource_version_ = std::move(version);
    return true;
  }
  ApiObject object;
  if (!read_object(encoding_, options_.kind, data, options_.read, object)) return false;
  if (type == "DELETED") {
    if (listing_) named_.erase(object.key);
    (void)sink_.erase(options_.kind, object.key);
  }
  // Bookmarks, and types that this program does not know yet, carry a version.
  if (!listing_ || object.initial_events_end) {
    status_.resource_version = resource_version_ = object.resource_version;
  }
  if (listing_ && object.initial_events_end) {
    end_list();
    ++status_.watches;
    status_.watching = true;
    recovered();
    connection_.set_idle_limit(lease_ + options_.grace);
  }
  return true;
}

bool Reflector::on_item(std::span<const std::uint8_t> object) {
  status_.last_event = Clock::now();
  std::string version;
  return take(object, version);
}

bool Reflector::on_list_end(std::string_view resource_version, std::string_view next) {
  next_page_ = next;
  if (!next.empty()) return true;
  if (resource_version.empty()) return false;
  status_.resource_version = resource_version_ = resource_version;
  end_list();
  return true;
}

void Reflector::begin_list() {
  listing_ = true;
  comparing_ = sink_.begin_list(options_.kind);
  named_ = {};
  list_added_ = list_changed_ = 0;
}

void Reflector::end_list() {
  const std::size_t removed = comparing_ ? sink_.prune(options_.kind, named_) : 0;
  named_ = {};
  listing_ = false;
  list_wanted_ = false;
  listed_at_ = Clock::now();
  list_lease_ = options_.lease;
  patience_ = 1;
  ++status_.lists;
  if (comparing_ && status_.synced) {
    status_.repairs_added += list_added_;
    status_.repairs_changed += list_changed_;
    status_.repairs_removed += removed;
    if (list_added_ + list_changed_ + removed > 0) {
      logger_->warn("plugin/kubernetes: {}: listed again; missed before: {} added, {} changed, {} "
                    "removed", name(), list_added_, list_changed_, removed);
    }
  }
  status_.synced = true;
  status_.off = false;
  useless_watches_ = 0;
  sink_.end_list(options_.kind);
}

void Reflector::want_list() {
  list_wanted_ = true;
  listing_ = false;
  next_page_.clear();
  named_ = {};
}

void Reflector::recovered() {
  backoff_.reset();
  if (told_.empty()) return;
  told_.clear();
  logger_->info("plugin/kubernetes: {}: in touch with the API server again after {:.1f} s", name(),
                std::chrono::duration<double>(Clock::now() - failing_since_).count());
}

void Reflector::on_end(Ending ending, const std::string& what) {
  const bool was_watch = mode_ != Mode::PagedList && code_ == 200;
  const auto lasted = Clock::now() - request_began_;
  status_.watching = false;
  if (code_ == 0) {
    const auto& servers = credentials_.servers();
    ++totals_.requests[{"<error>", "GET", servers[server_ % servers.size()].host_port()}];
  }

  if (has_event_error_) {
    // In the middle of a watch: what came before counts.
    if (!listing_) sink_.pause();
    if (event_error_.code == 410 || event_error_.reason == "Expired" ||
        event_error_.reason == "Gone") {
      ++status_.watch_errors[410];
      const bool repeated = ++useless_watches_ > 1;
      want_list();
      logger_->info("plugin/kubernetes: {}: the API server has forgotten version {}; listing again",
                    name(), resource_version_);
      return again(std::chrono::milliseconds(repeated ? 100 : 0));
    }
    if (++useless_watches_ >= kUselessBeforeList) want_list();
    return fail(Trouble::Other, event_error_.code, event_error_.message);
  }
  if (ending == Ending::Complete && code_ != 200) return on_refusal();
  if (ending == Ending::Complete) {
    if (!reader_ || !reader_->finish()) {
      if (listing_ && mode_ == Mode::PagedList) want_list();
      return fail(Trouble::Other, 0, "the response ended in the middle of an object");
    }
    if (mode_ == Mode::PagedList) {
      if (!listing_) sink_.pause();
      return attempt();  // the next page, or the watch
    }
    if (listing_) {
      // The lease was too short for the list, or the server knows no streamed lists and sent
      // what it would send to any watch.
      want_list();
      list_lease_ = std::max(list_lease_, lease_) * 2;
      if (objects_in_response_ == 0 || list_lease_ > kLongList) stream_lists_ = false;
      return again(std::chrono::milliseconds(0));
    }
    if (lasted < kUselessWatch && lease_ > kUselessWatch) {
      if (++useless_watches_ >= kUselessBeforeList) {
        want_list();
        return fail(Trouble::Other, 0, "watches end at once");
      }
      return again(std::chrono::milliseconds(50));
    }
    useless_watches_ = 0;
    return attempt();
  }

  if (was_watch && ending == Ending::Silent) {
    if (mode_ == Mode::StreamedList && listing_) {
      // It may be a server that ignores what it does not know; the other way works everywhere.
      stream_lists_ = false;
    } else {
      ++status_.watches_dead;
      logger_->warn("plugin/kubernetes: {}: the watch went silent for {:.1f} s; connecting anew",
                    name(), std::chrono::duration<double>(lasted).count());
    }
  }
  if (listing_ && ending == Ending::Silent) patience_ = std::min(patience_ * 2, kMaxPatience);
  if (listing_) want_list();
  if (ending == Ending::Rejected && !has_event_error_) {
    if (++useless_watches_ >= kUselessBeforeList) want_list();
    return fail(Trouble::Other, 0, "the API server sent what is no object");
  }
  const auto& servers = credentials_.servers();
  const std::string host = servers[server_ % servers.size()].host_port();
  // The next of several API servers, if there are any.
  server_ = (server_ + 1) % servers.size();
  if (was_watch && lasted > kUselessWatch) {
    // It worked until now: the first attempt follows at once.
    backoff_.reset();
    ++status_.watch_errors[0];
    return again(std::chrono::milliseconds(0));
  }
  fail(ending == Ending::Refused ? Trouble::Refused : Trouble::Other, 0, host + ": " + what);
}

void Reflector::on_refusal() {
  ApiStatus status;
  std::span<const std::uint8_t> body(reinterpret_cast<const std::uint8_t*>(error_body_.data()),
                                     error_body_.size());
  const bool readable = unwrap(body) ? read_status(Encoding::Protobuf, body, status)
                                     : read_status(Encoding::Json, body, status);
  std::string what = "HTTP " + std::to_string(code_);
  if (readable && !status.message.empty()) what += ": " + status.message;
  const bool list = mode_ != Mode::Watch;
  if (code_ == 410) {
    ++(list ? status_.list_errors : status_.watch_errors)[code_];
    const bool repeated = ++useless_watches_ > 1;
    want_list();
    return again(std::chrono::milliseconds(repeated ? 100 : 0));
  }
  if (mode_ == Mode::StreamedList && (code_ == 400 || code_ == 422)) {
    // The API server offers no streamed lists.
    stream_lists_ = false;
    want_list();
    return again(std::chrono::milliseconds(0));
  }
  if (options_.optional && (code_ == 403 || code_ == 404)) {
    if (!std::exchange(status_.off, true)) {
      logger_->warn("plugin/kubernetes: {} are not used: {}", name(), what);
      sink_.end_list(options_.kind);
    }
    // Without its definition there is none of the kind, whatever was known before, from a snapshot
    // for example. A missing right says nothing of that, and a starting API server may lack it.
    if (code_ == 404 && sink_.prune(options_.kind, {}) > 0) sink_.pause();
    want_list();
    return again(kOffAgain);
  }
  if (code_ == 401) credentials_.rejected();
  if (!list && code_ != 401 && code_ != 403 && code_ != 429 && code_ != 503 &&
      ++useless_watches_ >= kUselessBeforeList) {
    // It may be the version that it does not like.
    want_list();
  }
  if (list) want_list();
  fail(Trouble::Other, code_, what);
}

void Reflector::fail(Trouble trouble, unsigned code, const std::string& what) {
  const bool list = mode_ != Mode::Watch;
  ++(list ? status_.list_errors : status_.watch_errors)[code];
  if (!backoff_.failing()) failing_since_ = Clock::now();
  std::chrono::milliseconds delay = backoff_.next(trouble, Clock::now());
  if (retry_after_) {
    delay = std::max<std::chrono::milliseconds>(delay, std::min(*retry_after_, kMaxRetryAfter));
  }
  if (what != told_) {
    told_ = what;
    logger_->error("plugin/kubernetes: Failed to {} {}: {}{}", list ? "list" : "watch", name(), what,
                   status_.synced ? "; what is known is served on" : "");
  }
  waiting_refused_ = trouble == Trouble::Refused;
  again(delay);
}

}  // namespace clusterdns::registry::kubernetes
