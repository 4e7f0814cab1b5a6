#include "registry/kubernetes/reflector.h"

#include <algorithm>
#include <new>
#include <utility>

#include "registry/kubernetes/protobuf.h"
#include "registry/shown_text.h"

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
// A watch that lasted is asked for again at once; while watches go on ending within kOften, they
// begin no closer than this.
constexpr std::chrono::milliseconds kWatchSpacing{1200}, kOften{5000};
// The body of an error has to come within this.
constexpr std::chrono::milliseconds kErrorBodyLimit{2000};
// One page of a list, and one list: a million objects.
constexpr std::chrono::milliseconds kPageLimit{600'000};
constexpr std::size_t kMaxPages = 2000;
// Other trouble than the last that was told is told this late, if it is still there.
constexpr std::chrono::milliseconds kTellAgain{5000};
constexpr std::chrono::seconds kMaxRetryAfter{5};
// About objects of one kind, each told once.
constexpr std::size_t kMaxComplaints = 50;

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

std::string text_of(const ApiStatus& status) {
  if (!status.message.empty()) return shown(status.message, kMaxErrorText);
  std::string text = "an error without a message (code " + std::to_string(status.code);
  if (!status.reason.empty()) text += ", reason " + shown(status.reason);
  return text + ")";
}

std::string seconds_text(std::chrono::milliseconds time) {
  // A second at least, rounded up: the parameter has no fractions.
  return std::to_string(std::max<std::int64_t>(1, (time.count() + 999) / 1000));
}

}  // namespace

Reflector::Reflector(boost::asio::io_context& io, Credentials& credentials, Turns& turns,
                     ReflectorOptions options, ObjectSink& sink, KubernetesStatus& status,
                     std::shared_ptr<spdlog::logger> logger)
    : io_(io),
      credentials_(credentials),
      turns_(turns),
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

void Reflector::poke(bool well) {
  if (alive_ == nullptr || waiting_ == Waiting::No) return;
  if (!well && waiting_ == Waiting::ForGoodAnswer) return;
  // Else two that are refused by turns would wake each other for ever.
  if (std::exchange(well ? poked_well_ : poked_, true)) return;
  again(std::chrono::milliseconds(0));
}

template <class Step>
void Reflector::guard(Step step) {
  try {
    step();
  } catch (const std::bad_alloc&) {
    throw;  // what was left half done nobody knows
  } catch (const std::exception& e) {
    problem_ = e.what();
    connection_.end_within(std::chrono::milliseconds(0));
  }
}

std::chrono::milliseconds Reflector::jittered(std::chrono::milliseconds about) {
  std::uniform_int_distribution<std::int64_t> spread(about.count() * 9 / 10, about.count());
  return std::chrono::milliseconds(spread(random_));
}

void Reflector::again(std::chrono::milliseconds delay) {
  timer_.expires_after(delay);
  timer_.async_wait(
      [this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& error) {
        if (error || alive.expired()) return;
        attempt();
      });
}

void Reflector::again_after_watch(Clock::duration lasted) {
  const auto now = Clock::now();
  const bool habit = now - std::exchange(broke_at_, now) < kOften;
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(kWatchSpacing - lasted);
  again(habit ? std::max(rest, std::chrono::milliseconds(0)) : std::chrono::milliseconds(0));
}

void Reflector::attempt() {
  waiting_ = Waiting::No;
  code_ = 0;
  retry_after_.reset();
  try {
    credentials_.prepare([this, alive = std::weak_ptr<bool>(alive_)](const std::string& error) {
      if (alive.expired()) return;
      if (!error.empty()) return fail(Trouble::Other, 0, error);
      send();
    });
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    fail(Trouble::Other, 0, e.what());
  }
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
  if (!options_.kind.field_selector.empty()) add("fieldSelector", options_.kind.field_selector);
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
  return options_.kind.paths[path_] + query;
}

void Reflector::send() {
  const Clock::time_point now = Clock::now();
  const auto relist = unread_ ? std::min(options_.lease / 2, options_.relist) : options_.relist;
  if (!list_wanted_ && now - listed_at_ > relist) want_list();
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
  objects_in_response_ = 0;
  error_body_.clear();
  problem_.clear();
  has_event_error_ = false;
  reader_.reset();
  ApiConnection::Request request;
  const auto& servers = credentials_.servers();
  request.server = servers[server_ % servers.size()];
  request.target = target();
  request.accept = options_.kind.has_protobuf()
                       ? "application/vnd.kubernetes.protobuf,application/json;q=0.9"
                       : "application/json";
  request.gzip = mode_ == Mode::PagedList;
  request.idle_limit =
      std::min(kAnswerLimit, lease_.count() > 0 ? lease_ + options_.grace : kAnswerLimit);
  request.total_limit = lease_.count() > 0 ? lease_ + options_.grace : kPageLimit;
  ApiConnection::Receiver receiver;
  receiver.on_head = [this](const ApiConnection::Head& head) { guard([&] { on_head(head); }); };
  receiver.on_data = [this](std::span<const std::uint8_t> data) {
    bool good = false;
    guard([&] { good = problem_.empty() && on_data(data); });
    return good;
  };
  receiver.on_pause = [this] {
    // While a list is coming nothing of it is shown: the parts of a service may stand far apart.
    guard([this] {
      if (!listing_) sink_.pause();
    });
  };
  receiver.on_end = [this](Ending ending, const std::string& what) {
    try {
      on_end(ending, what);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      problem_ = e.what();
      want_list();
      fail(Trouble::Other, 0, problem_);
    }
  };
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
  answered_at_ = Clock::now();
  if (code_ != 200) {
    connection_.end_within(kErrorBodyLimit);
    return sink_.reached(false);
  }

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
    connection_.set_idle_limit(
        mode_ == Mode::StreamedList
            ? std::min(options_.list_idle * patience_, lease_ + options_.grace)
            : lease_ + options_.grace);
  }
  if (list_wanted_ && !listing_) begin_list();
  if (mode_ == Mode::Watch) {
    ++status_.watches;
    status_.watching = true;
    status_.last_event = Clock::now();
    recovers();
  }
  sink_.reached(true);
}

bool Reflector::on_data(std::span<const std::uint8_t> data) {
  if (reader_) return reader_->feed(data);
  const std::size_t room = kMaxErrorBody - std::min(kMaxErrorBody, error_body_.size());
  error_body_.append(reinterpret_cast<const char*>(data.data()), std::min(room, data.size()));
  return data.size() <= room;
}

bool Reflector::read(std::span<const std::uint8_t> data, ApiObject& object) {
  try {
    (void)read_object(encoding_, options_.kind, data, options_.read, object);
  } catch (const std::bad_alloc&) {
    // Nothing of ours has been touched. Its last good version stays until the next watch, before
    // which everything is listed.
    object = {};
    object.problem = "there is no memory to read it";
    unread_ = true;
  } catch (const std::exception& e) {
    object.problem = e.what();
  }
  if (is_other(object.kind, object.key)) return false;
  if (object.problem.empty()) return true;
  leave_out(object.key, object.problem);
  return false;
}

std::string Reflector::take(std::span<const std::uint8_t> data) {
  ++objects_in_response_;
  ApiObject object;
  const bool good = read(data, object);
  std::string version = std::move(object.resource_version);
  if (!good) {
    // It is there all the same: what was known of it stays.
    keep_known(object.key);
    return version;
  }
  if (object.key.name.empty()) {
    leave_out(object.key, std::string(parts::kNoName));
    return version;
  }
  if (!object.note.empty()) tell_once(object.key, object.note);
  const ObjectKey key = object.key;
  Kept change = Kept::None;
  try {
    change = sink_.upsert(std::move(object));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    leave_out(key, e.what());
  }
  if (change == Kept::NoRoom) ++status_.unreadable;
  keep_known(key);
  if (listing_) {
    list_added_ += change == Kept::Added ? 1 : 0;
    list_changed_ += change == Kept::Changed || change == Kept::Removed ? 1 : 0;
  }
  return version;
}

void Reflector::keep_known(const ObjectKey& key) {
  // Only what could be removed: so that this takes no more memory than the objects.
  if (listing_ && comparing_ && sink_.has(key)) named_.insert(key);
}

void Reflector::reach(std::string version) {
  if (version.empty() || version.size() > kMaxResourceVersion) return;
  status_.resource_version = resource_version_ = std::move(version);
}

void Reflector::leave_out(const ObjectKey& key, const std::string& problem) {
  ++status_.unreadable;
  tell_once(key, "left out: " + problem);
}

void Reflector::tell_once(const ObjectKey& key, const std::string& what) {
  std::string object = "an object without a name";
  if (!key.name.empty()) object = shown(key.ns.empty() ? key.name : key.ns + "/" + key.name);
  const std::string line = name() + ": " + object + ": " + what;
  if (complaints_.size() > kMaxComplaints || !complaints_.insert(line).second) return;
  if (complaints_.size() <= kMaxComplaints) {
    logger_->warn("plugin/kubernetes: {}", line);
  } else {
    logger_->warn("plugin/kubernetes: {}: more objects are wrong; no further ones are logged",
                  name());
  }
}

bool Reflector::is_other(std::string_view kind, const ObjectKey& key) {
  if (kind.empty() || kind == options_.kind.object) return false;
  leave_out(key, "it is a " + shown(kind) + ", not a " + options_.kind.object);
  return true;
}

bool Reflector::on_event(std::string_view type, std::string_view kind,
                         std::span<const std::uint8_t> data) {
  status_.last_event = Clock::now();
  if (type == "ERROR") {
    event_error_ = {};
    has_event_error_ = data.size() <= kMaxErrorBody && read_status(encoding_, data, event_error_);
    return false;
  }
  ++status_.events;
  if (is_other(kind, {})) return true;
  if (type == "ADDED" || type == "MODIFIED") {
    // The version is taken with the object, so that a watch that breaks goes on behind it.
    std::string version = take(data);
    if (!listing_) reach(std::move(version));
    return true;
  }
  ApiObject object;
  if (!read(data, object) && !object.kind.empty() && object.kind != options_.kind.object)
    return true;
  if (type == "DELETED" && !object.key.name.empty()) {
    if (listing_) named_.erase(object.key);
    (void)sink_.erase(object.key);
  }
  const std::size_t version_size = object.resource_version.size();
  if (listing_ && object.initial_events_end &&
      (version_size == 0 || version_size > kMaxResourceVersion)) {
    // Nothing tells where to go on from; a list in pages says it at its end.
    stream_lists_ = false;
    return false;
  }
  // Bookmarks, and types that this program does not know yet, carry a version.
  if (!listing_ || object.initial_events_end) reach(object.resource_version);
  if (listing_ && object.initial_events_end) {
    end_list();
    ++status_.watches;
    status_.watching = true;
    recovers();
    connection_.set_idle_limit(lease_ + options_.grace);
  }
  return true;
}

bool Reflector::on_item(std::span<const std::uint8_t> object) {
  status_.last_event = Clock::now();
  (void)take(object);
  return true;
}

bool Reflector::on_list_kind(std::string_view kind) {
  // "List" says nothing of what is in it.
  if (kind == "List" || kind == options_.kind.object + "List") return true;
  problem_ = "it answered with a " + shown(kind) + ", not with a " + options_.kind.object + "List";
  return false;
}

bool Reflector::on_list_end(std::string_view resource_version, std::string_view next) {
  if (next.size() > kMaxContinueToken) return false;
  next_page_ = next;
  if (!next.empty()) return true;
  if (resource_version.empty() || resource_version.size() > kMaxResourceVersion) return false;
  status_.resource_version = resource_version_ = resource_version;
  end_list();
  return true;
}

void Reflector::begin_list() {
  listing_ = true;
  unread_ = false;
  comparing_ = sink_.begin_list();
  named_ = {};
  list_added_ = list_changed_ = 0;
  pages_ = 0;
}

void Reflector::end_list() {
  // One that could not be read is not gone.
  const std::size_t removed = comparing_ && !unread_ ? sink_.prune(named_) : 0;
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
      logger_->warn(
          "plugin/kubernetes: {}: listed again; missed before: {} added, {} changed, {} "
          "removed",
          name(), list_added_, list_changed_, removed);
    }
  }
  status_.synced = true;
  if (std::exchange(status_.off, false)) {
    logger_->info("plugin/kubernetes: {} are used from now on", name());
  }
  useless_watches_ = 0;
  sink_.end_list();
}

void Reflector::want_list() {
  list_wanted_ = true;
  listing_ = false;
  next_page_.clear();
  named_ = {};
}

void Reflector::recovers() {
  // The timer is free while a request runs; what comes after the request takes it.
  timer_.expires_after(kUselessWatch);
  timer_.async_wait(
      [this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& error) {
        if (!error && !alive.expired() && status_.watching) recovered();
      });
}

void Reflector::recovered() {
  backoff_.reset();
  expired_ = 0;
  poked_ = poked_well_ = false;
  turns_.succeeded();
  if (told_.empty()) return;
  told_.clear();
  logger_->info("plugin/kubernetes: {}: in touch with the API server again after {:.1f} s", name(),
                std::chrono::duration<double>(answered_at_ - failing_since_).count());
}

unsigned Reflector::code_of(const ApiStatus& status) const {
  // Codes are labels of metrics: what is none makes no new ones.
  return status.code >= 100 && status.code < 600 ? status.code : 0;
}

void Reflector::on_end(Ending ending, const std::string& what) {
  const bool was_watch = mode_ != Mode::PagedList && code_ == 200;
  const auto lasted = Clock::now() - request_began_;
  status_.watching = false;
  if (code_ == 0) {
    const auto& servers = credentials_.servers();
    ++totals_.requests[{"<error>", "GET", servers[server_ % servers.size()].host_port()}];
  }

  if (!problem_.empty()) {
    want_list();
    return fail(Trouble::Other, 0, problem_);
  }
  if (has_event_error_) {
    // In the middle of a watch: what came before counts.
    if (!listing_) sink_.pause();
    if (event_error_.code == 410 || event_error_.reason == "Expired" ||
        event_error_.reason == "Gone") {
      want_list();
      if (++expired_ > 1) return fail_expired("versions expire at once");
      ++status_.watch_errors[410];
      logger_->info("plugin/kubernetes: {}: the API server has forgotten version {}; listing again",
                    name(), shown(resource_version_));
      return again(std::chrono::milliseconds(0));
    }
    if (++useless_watches_ >= kUselessBeforeList) want_list();
    return fail(Trouble::Other, code_of(event_error_), text_of(event_error_));
  }
  // Whatever became of its body.
  if (code_ != 0 && code_ != 200) return on_refusal();
  if (ending == Ending::Complete) {
    if (!reader_ || !reader_->finish()) {
      if (listing_ && mode_ == Mode::PagedList) want_list();
      if (!problem_.empty()) return fail(Trouble::Other, 0, problem_);
      const std::string_view problem = reader_ ? reader_->problem() : std::string_view();
      return fail(
          Trouble::Other, 0,
          problem.empty() ? "the response ended in the middle of an object" : std::string(problem));
    }
    if (mode_ == Mode::PagedList) {
      if (!listing_) sink_.pause();
      if (listing_ && (objects_in_response_ == 0 || ++pages_ > kMaxPages)) {
        want_list();
        return fail(Trouble::Other, 0, "a list without an end");
      }
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
    if (lasted < lease_ / 2) return again_after_watch(lasted);
    return attempt();
  }

  if (was_watch && ending == Ending::Silent) {
    if (mode_ == Mode::StreamedList && listing_) {
      // It may be a server that ignores what it does not know; the other way works everywhere.
      stream_lists_ = false;
    } else {
      ++status_.watches_dead;
      logger_->warn("plugin/kubernetes: {}: the watch went silent for {:.1f} s; reconnecting",
                    name(), std::chrono::duration<double>(lasted).count());
    }
  }
  if (listing_ && ending == Ending::Silent) patience_ = std::min(patience_ * 2, kMaxPatience);
  if (listing_) want_list();
  if (ending == Ending::Rejected && !has_event_error_) {
    if (++useless_watches_ >= kUselessBeforeList) want_list();
    return fail(Trouble::Other, 0, "the API server sent something that is not an object");
  }
  const auto& servers = credentials_.servers();
  const std::string host = servers[server_ % servers.size()].host_port();
  // The next of several API servers, if there are any.
  server_ = (server_ + 1) % servers.size();
  if (was_watch && lasted > kUselessWatch) {
    // It worked until now: the first attempt follows at once.
    ++status_.watch_errors[0];
    return again_after_watch(lasted);
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
  if (readable && !status.message.empty()) {
    what += ": " + shown(status.message, kMaxErrorText);
  }
  const bool list = mode_ != Mode::Watch;
  if (code_ == 410) {
    want_list();
    if (++expired_ > 1) return fail_expired(what);
    ++(list ? status_.list_errors : status_.watch_errors)[code_];
    return again(std::chrono::milliseconds(0));
  }
  if (mode_ == Mode::StreamedList && (code_ == 400 || code_ == 422)) {
    // The API server offers no streamed lists.
    stream_lists_ = false;
    want_list();
    return again(std::chrono::milliseconds(0));
  }
  if (options_.kind.optional && (code_ == 403 || code_ == 404)) return turn_off(what);
  if (code_ == 401) credentials_.rejected();
  if (!list && code_ != 401 && code_ != 403 && code_ != 429 && code_ != 503 &&
      ++useless_watches_ >= kUselessBeforeList) {
    // It may be the version that it does not like.
    want_list();
  }
  if (list) want_list();
  fail(Trouble::Other, code_, what);
}

void Reflector::turn_off(const std::string& what) {
  want_list();
  // The group may have another version of it.
  if (code_ == 404 && path_ + 1 < options_.kind.paths.size()) {
    ++path_;
    return again(std::chrono::milliseconds(0));
  }
  path_ = 0;
  // Without its definition there is none of the kind, whatever was known before, from a snapshot
  // for example. A missing right says nothing of that, and a starting API server may lack it.
  const bool gone = code_ == 404 && sink_.prune({}) > 0;
  if (!std::exchange(status_.off, true)) {
    // Nothing is wrong with a cluster that has no such objects.
    if (code_ == 404) {
      logger_->info(
          "plugin/kubernetes: {} are not used: the API server does not have them ({}); they "
          "will be once they are installed",
          name(), what);
    } else {
      logger_->warn(
          "plugin/kubernetes: {} are not used: {}; they will be once we may list and watch "
          "them",
          name(), what);
    }
    sink_.end_list();
  }
  if (gone) sink_.pause();
  // It is a while until the next request.
  connection_.close();
  again(jittered(options_.off_again));
}

// Else the list and the watch behind it would follow one another as fast as they can be answered.
void Reflector::fail_expired(const std::string& what) {
  constexpr std::chrono::milliseconds kFirst{250};
  fail(Trouble::Other, 410, what, kFirst * (1 << std::min(expired_ - 2, 5U)));
}

void Reflector::fail(Trouble trouble, unsigned code, const std::string& what,
                     std::chrono::milliseconds least) {
  const bool list = mode_ != Mode::Watch;
  const Clock::time_point now = Clock::now();
  ++(list ? status_.list_errors : status_.watch_errors)[code];
  if (!backoff_.failing()) failing_since_ = now;
  std::chrono::milliseconds delay = std::max(backoff_.next(trouble, now), least);
  waiting_ = code_ == 0 ? Waiting::ForAnswer : Waiting::ForGoodAnswer;
  if (retry_after_) {
    delay = std::max<std::chrono::milliseconds>(delay, std::min(*retry_after_, kMaxRetryAfter));
    // As long as it was told to wait, whatever others are told.
    waiting_ = Waiting::No;
  }
  if (what != told_ && (told_.empty() || now - told_at_ > kTellAgain)) {
    told_ = what;
    told_at_ = now;
    logger_->error("plugin/kubernetes: Failed to {} {}: {}{}", list ? "list" : "watch", name(),
                   what, status_.synced ? "; still serving the last known state" : "");
  }
  again(turns_.take(now, delay));
}

}  // namespace clusterdns::registry::kubernetes
