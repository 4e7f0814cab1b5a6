#include "app/console/api.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <sstream>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "app/base/json.h"
#include "app/base/version.h"
#include "app/console/parameters.h"
#include "app/console/replies.h"
#include "app/corefile/lexer.h"
#include "app/directives/target_api.h"
#include "app/explain/explanation_text.h"
#include "app/views/asking.h"
#include "app/views/host_rows.h"
#include "app/views/problems.h"
#include "app/views/service_rows.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {

namespace gw = registry::gateways;
namespace json = boost::json;

namespace {

// How long an explanation may wait for upstreams, and how often it may find that it has to ask
// more.
constexpr std::chrono::seconds kExplainFor{20};
constexpr std::size_t kExplainQuestions = 64;

enum class Tag : bool { None, Etag };

void reply_json(const HttpRequest& request, HttpResponder& responder, json::value value,
                Tag tag = Tag::Etag) {
  HttpReply reply;
  reply.content_type = "application/json";
  // What it costs to write is not the control thread's.
  reply.finish =
      [value = std::move(value), tag, known = std::string(request.header_or_empty("if-none-match")),
       codings = std::string(request.header_or_empty("accept-encoding"))](HttpReply& to) {
        to.body = json_line(value) + '\n';
        if (tag == Tag::Etag) add_etag(to, known);
        compress(to, codings);
      };
  responder.reply(std::move(reply));
}

const char* kind_of(const ClusterSource& source) {
  if (source.api() == nullptr) return "manifests";
  return "api";
}

double now_s() {
  return std::chrono::duration<double>(std::chrono::round<std::chrono::milliseconds>(
                                           std::chrono::system_clock::now().time_since_epoch()))
      .count();
}

// To a thousandth; null: it was not measured.
json::value number_value(std::optional<float> value) {
  if (!value) return nullptr;
  return std::round(static_cast<double>(*value) * 1000) / 1000;
}

double seconds_of(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(std::chrono::round<std::chrono::milliseconds>(time)).count();
}

// How long ago each kind was heard of, that of the longest silence.
double age_of(const ClusterSource& source, std::chrono::steady_clock::time_point now) {
  double age = 0;
  if (source.status() == nullptr) return age;
  for (const auto& [name, kind] : source.status()->get().kinds) {
    if (!kind.off && kind.ever_heard()) age = std::max(age, seconds_of(now - kind.last_event));
  }
  return age;
}

std::size_t objects_of(ClusterSource& source) {
  const registry::Store& store = source.store();
  std::size_t count = store.service_count() + store.gateways().size();
  store.for_each_table([&](const registry::AnyTable& table) { count += table.size(); });
  store.for_each_slice([&](const registry::EndpointSlice&) { ++count; });
  return count;
}

// What `kind` may say of Services, hosts, and both.
constexpr std::array<std::string_view, 5> kServiceKinds = {"ClusterIP", "Headless", "NodePort",
                                                           "LoadBalancer", "ExternalName"};
const std::vector<std::string_view>& host_kinds() {
  static const std::vector<std::string_view> kKinds = [] {
    std::vector<std::string_view> kinds(gw::kSourceNames.begin(), gw::kSourceNames.end());
    for (std::size_t i = 0; i < gw::kKinds; ++i) {
      const std::string_view kind = gw::names_of(static_cast<gw::Kind>(i)).kind;
      if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
    }
    return kinds;
  }();
  return kKinds;
}
const std::vector<std::string_view>& all_kinds() {
  static const std::vector<std::string_view> kKinds = [] {
    std::vector<std::string_view> kinds(kServiceKinds.begin(), kServiceKinds.end());
    kinds.insert(kinds.end(), host_kinds().begin(), host_kinds().end());
    return kinds;
  }();
  return kKinds;
}

// Warnings of `status`.
constexpr std::size_t kWarningsShown = 100;

json::object warning_value(std::string_view code, const std::string& text,
                           const std::string& name) {
  return {{"code", json_text(code)}, {"text", json_text(text)}, {"name", json_text_or_null(name)}};
}

// What a view finds wrong, as far as `status` shows it.
json::array warnings_of(const ClusterView& view) {
  json::array warnings;
  for (const gw::Finding& finding : view.findings()) {
    if (warnings.size() == kWarningsShown) break;
    if (finding.severity == gw::Severity::Info) continue;
    std::string name = finding.host;
    if (name.empty() && finding.object.kind == "Service") {
      name = finding.object.key.name + "." + finding.object.key.ns + ".svc";
    }
    warnings.emplace_back(warning_value(finding.code, finding.text, name));
  }
  return warnings;
}

bool fits(const HostRow& row, const ListRequest& list) {
  if (list.ns && row.object.ns != *list.ns) return false;
  if (!list.is_kind(row.source) && !list.is_kind(row.kind)) return false;
  return list.finds(row.host) || list.finds(row.object.name) || list.finds(row.object.ns) ||
         list.finds(row.gateway) ||
         std::any_of(row.addresses.begin(), row.addresses.end(),
                     [&](const std::string& address) { return list.finds(address); });
}

// Octets of a value as text, more or less.
std::size_t octets_of(const json::value& value) {
  constexpr std::size_t kAround = 4;  // quotes, comma, colon
  if (const auto* const text = value.if_string()) return text->size() + kAround;
  std::size_t octets = kAround;
  if (const auto* const object = value.if_object()) {
    for (const auto& member : *object)
      octets += member.key().size() + kAround + octets_of(member.value());
  } else if (const auto* const array = value.if_array()) {
    for (const json::value& each : *array) octets += octets_of(each);
  }
  return octets;
}

// Items until there are enough of them.
class Page {
 public:
  explicit Page(const ListRequest& list) : limit_(list.limit) {}
  [[nodiscard]] bool full() const noexcept {
    return items_.size() >= limit_ || octets_ >= kConsolePageOctets;
  }
  void add(json::value item) {
    octets_ += octets_of(item);
    items_.push_back(std::move(item));
  }
  json::array take() { return std::move(items_); }

 private:
  const std::size_t limit_;
  std::size_t octets_ = 0;
  json::array items_;
};

json::value hosts_page(const ClusterView& view, const ListRequest& list) {
  const HostList& hosts = view.hosts();
  const std::size_t begin = list.cursor.empty() ? 0 : hosts.behind(list.cursor);
  Page page(list);
  std::string last;
  std::size_t total = 0;
  bool more = false;
  // Without words to look for, a page costs what is on it.
  if (list.everything()) {
    total = hosts.size();
  } else {
    for (std::size_t i = 0; i < begin; ++i) total += fits(hosts.head(i), list) ? 1 : 0;
  }
  for (std::size_t i = begin; i < hosts.size(); ++i) {
    if (!list.everything()) {
      if (!fits(hosts.head(i), list)) continue;
      ++total;
    }
    if (page.full()) {
      more = true;
      if (list.everything()) break;
      continue;
    }
    HostRow row = hosts.row(i);
    if (row.state == "ok" && view.is_wrong(row.host)) row.state = "problem";
    last = HostList::key_of(row);
    page.add(host_value(row));
  }
  return json::object{{"items", page.take()},
                      {"total", total},
                      {"next", more ? json::value(json_text(last)) : nullptr}};
}

// A problem's place among those of its object, or of the files.
std::string problem_key(const ClusterView& view, std::size_t index) {
  const auto& findings = view.findings();
  if (index >= findings.size()) return "file " + std::to_string(index - findings.size());
  const gw::ObjectName& object = findings[index].object;
  std::size_t first = index;
  while (first > 0 && findings[first - 1].object == object) --first;
  // Two groups have a Gateway.
  return object.kind + "." + object.group + " " + object.key.ns + "/" + object.key.name + " " +
         std::to_string(index - first);
}

// The first problem behind that one. Throws ParameterError.
std::size_t behind_problem(const ClusterView& view, const std::string& cursor) {
  const auto& findings = view.findings();
  if (cursor.empty()) return 0;
  const std::size_t space = cursor.rfind(' ');
  std::size_t number = 0;
  const char* const end = cursor.data() + cursor.size();
  if (space == std::string::npos ||
      std::from_chars(cursor.data() + space + 1, end, number).ptr != end) {
    throw ParameterError("cursor", "does not belong to this list");
  }
  const std::string what = cursor.substr(0, space);
  if (what == "file") {
    return findings.size() + std::min(number, view.problem_count() - findings.size()) + 1;
  }
  const std::size_t dot = what.find('.');
  const std::size_t group = what.find(' ');
  const std::size_t slash = what.find('/');
  if (group == std::string::npos || slash == std::string::npos || slash < group || dot > group) {
    throw ParameterError("cursor", "does not belong to this list");
  }
  const gw::ObjectName object{what.substr(0, dot),
                              {what.substr(group + 1, slash - group - 1), what.substr(slash + 1)},
                              what.substr(dot + 1, group - dot - 1)};
  const auto [from, to] = std::equal_range(
      findings.begin(), findings.end(), gw::Finding{"", gw::Severity::Info, object, "", "", ""},
      [](const gw::Finding& a, const gw::Finding& b) { return a.object < b.object; });
  const auto of_object = static_cast<std::size_t>(to - from);
  return static_cast<std::size_t>(from - findings.begin()) + std::min(number + 1, of_object);
}

json::value problems_page(const ClusterView& view, const ListRequest& list) {
  const std::size_t count = view.problem_count();
  Page page(list);
  std::size_t at = behind_problem(view, list.cursor);
  for (; at < count && !page.full(); ++at) page.add(view.problem(at));
  return json::object{
      {"problems", page.take()},
      {"errors", view.errors()},
      {"warnings", view.warnings()},
      {"next", at < count ? json::value(json_text(problem_key(view, at - 1))) : nullptr},
      {"truncated", view.truncated()}};
}

}  // namespace

// Notices that a store changes.
class ConsoleApi::StoreWatch final : public registry::StoreObserver {
 public:
  StoreWatch(ConsoleApi& api, std::shared_ptr<ClusterSource> source)
      : api_(api), source_(std::move(source)) {
    source_->store().add_observer(this);
  }
  ~StoreWatch() override { source_->store().remove_observer(this); }
  void on_commit(const Changes&) override {
    api_.views_->changed();
    api_.warnings_old_ = true;
    api_.objects_.reset();
    api_.stores_changed();
  }
  [[nodiscard]] const ClusterSource* source() const noexcept { return source_.get(); }

 private:
  ConsoleApi& api_;
  const std::shared_ptr<ClusterSource> source_;
};

// One explanation. The questions it takes are asked of the workers, and what it has learnt so far
// is explained anew until nothing is missing: nobody waits, and `explain` stays a plain function.
class ConsoleApi::ExplainJob final : public std::enable_shared_from_this<ExplainJob> {
 public:
  ExplainJob(std::shared_ptr<ConsoleApi> api, const HttpRequest& request, Responder responder,
             ExplainRequest wanted)
      : api_(std::move(api)),
        request_(request),
        responder_(std::move(responder)),
        wanted_(std::move(wanted)),
        client_(dns::make_endpoint(boost::asio::ip::make_address(wanted_.client), 40000)),
        timer_(api_->io_) {
    ++api_->explains_;
  }
  ~ExplainJob() { --api_->explains_; }

  void start() {
    api_->views_->with_view(
        [self = shared_from_this()](const ViewKeeper::View& view, const std::string& why) {
          if (view == nullptr) return self->responder_->reply(problem_reply(503, why));
          self->view_ = view;
          self->api_->queue_->post([self] { self->expire(); });
          self->run();
        });
  }

 private:
  struct Question {
    std::string name;  // with its final dot
    dns::RRType type;
    bool outside;
    friend auto operator<=>(const Question&, const Question&) = default;
  };
  // What is not known yet; thrown through `explain`.
  struct Missing {};

  // On the background thread: has what is known, and notes what is not.
  class Notebook final : public Asker {
   public:
    explicit Notebook(ExplainJob& job) : job_(job) {}
    ExplainedAnswer ask(const dns::Name& name, dns::RRType type) override {
      return *known(name, type, false);
    }
    std::optional<ExplainedAnswer> ask_outside(const dns::Name& name, dns::RRType type) override {
      const auto& answer = known(name, type, true);
      if (!answer || (answer->stage != "forward" && answer->stage != "cache")) return std::nullopt;
      return answer;
    }
    std::vector<dns::Name> search_list(const dns::Name& name) override {
      const auto at = job_.lists_.find(name.to_text());
      if (at != job_.lists_.end()) return at->second;
      job_.wanted_list_ = name;
      throw Missing{};
    }

   private:
    const std::optional<ExplainedAnswer>& known(const dns::Name& name, dns::RRType type,
                                                bool outside) {
      const Question question{name.to_text(), type, outside};
      const auto at = job_.answers_.find(question);
      if (at != job_.answers_.end()) return at->second;
      job_.wanted_answer_ = {question, name};
      throw Missing{};
    }

    ExplainJob& job_;
  };

  // Background thread.
  void run() {
    if (done_) return;
    if (responder_->closed()) {
      done_ = true;
      return;
    }
    try {
      Notebook notebook(*this);
      json::value value = explanation_value(explain(view_->clusters(), notebook, wanted_));
      if (!done_.exchange(true)) reply_json(request_, *responder_, std::move(value));
    } catch (const Missing&) {
      api_->queue_->post([self = shared_from_this()] { self->learn(); });
    } catch (const std::exception& e) {
      if (!done_.exchange(true)) responder_->reply(problem_reply(500, e.what()));
    }
  }

  // Control thread.
  void expire() {
    timer_.expires_after(kExplainFor);
    timer_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
      const auto job = self.lock();
      if (error || job == nullptr || job->done_.exchange(true)) return;
      job->responder_->reply(problem_reply(504, "the servers outside do not answer in time"));
    });
  }

  // Control thread: finds out what was missing.
  void learn() {
    if (done_ || api_->host_ == nullptr) return;
    if (asked_ > kExplainQuestions) {
      if (!done_.exchange(true)) {
        responder_->reply(problem_reply(500, "too many questions for one explanation"));
      }
      return;
    }
    if (const auto name = std::exchange(wanted_list_, std::nullopt)) {
      const dns::ListenerRoutes* const here = wanted_.ns ? nullptr : routes(*name);
      lists_[name->to_text()] = here == nullptr
                                    ? std::vector<dns::Name>{}
                                    : search_names(*route_for(*here, *name), *name, client_);
    }
    if (const auto wanted = std::exchange(wanted_answer_, std::nullopt)) {
      const auto& [question, name] = *wanted;
      const dns::ListenerRoutes* const here = routes(name);
      if (question.outside && (here == nullptr || !asks_outside(*route_for(*here, name), name))) {
        answers_[question] = std::nullopt;
      } else {
        ask(question, name);
      }
      // What the search list will want to know, at the same time.
      if (!question.outside && asked_ == 1 && here != nullptr) {
        for (const dns::Name& other : search_names(*route_for(*here, name), name, client_)) {
          ask({other.to_text(), question.type, false}, other);
        }
      }
    }
    again();
  }

  // The routes of the first listener that has one for `name`.
  const dns::ListenerRoutes* routes(const dns::Name& name) const {
    for (const auto& listener : api_->host_->served_configuration().listeners) {
      if (route_for(listener.routes, name) != nullptr) return &listener.routes;
    }
    return nullptr;
  }

  void ask(const Question& question, const dns::Name& name) {
    ++asked_;
    const dns::ListenerRoutes* const here = routes(name);
    if (here == nullptr) {
      answers_[question].emplace().rcode = "REFUSED";
      return;
    }
    std::vector<std::string_view> left_out;
    if (question.outside) left_out = {"gateways", "search"};
    // A pod's resolver searches by itself.
    if (wanted_.ns) left_out = {"search"};
    if (question.outside && wanted_.ns) left_out = {"gateways", "search"};
    const auto watcher = std::make_shared<AnswerWatch>();
    AskedQuestion message = question_message(name, question.type);
    ++waiting_;
    api_->host_->ask(
        std::make_shared<const dns::ListenerRoutes>(routes_without(*here, left_out, watcher)),
        std::move(message.octets), message.size, client_,
        // On a worker's thread.
        [self = shared_from_this(), queue = api_->queue_, question,
         watcher](std::vector<std::uint8_t> reply) mutable {
          queue->post([self = std::move(self), question, watcher, reply = std::move(reply)] {
            ExplainedAnswer& answer = self->answers_[question].emplace(read_reply(reply));
            watcher->note(answer);
            --self->waiting_;
            self->again();
          });
        });
  }
  void again() {
    if (waiting_ == 0) api_->views_->again([self = shared_from_this()] { self->run(); });
  }

  const std::shared_ptr<ConsoleApi> api_;
  const HttpRequest request_;
  const Responder responder_;
  const ExplainRequest wanted_;
  const dns::Endpoint client_;
  boost::asio::steady_timer timer_;
  ViewKeeper::View view_;
  // nullopt: nobody outside is asked.
  std::map<Question, std::optional<ExplainedAnswer>> answers_;
  std::map<std::string, std::vector<dns::Name>> lists_;  // what is searched, by name
  // What was missing last.
  std::optional<std::pair<Question, dns::Name>> wanted_answer_;
  std::optional<dns::Name> wanted_list_;
  std::size_t asked_ = 0;
  std::size_t waiting_ = 0;  // for replies
  std::atomic<bool> done_{false};
};

// A page of names with their records. They are asked of a worker, a few at a time, so that queries
// do not wait for a whole page.
class ConsoleApi::NamesJob final : public std::enable_shared_from_this<NamesJob> {
 public:
  NamesJob(std::shared_ptr<ConsoleApi> api, const HttpRequest& request, Responder responder,
           const ListRequest& list)
      : api_(std::move(api)), request_(request), responder_(std::move(responder)), list_(list) {
    ++api_->explains_;
  }
  ~NamesJob() { --api_->explains_; }

  // `more`: there are others behind these.
  void start(std::vector<std::string> names, std::size_t total, bool more) {
    names_ = std::move(names);
    records_.resize(names_.size());
    total_ = total;
    more_ = more;
    run();
  }

  void run() {
    if (api_->host_ == nullptr || responder_->closed()) return;
    constexpr std::size_t kAtOnce = 32;
    for (std::size_t i = 0; i < kAtOnce && asked_ < names_.size(); ++i) ask(asked_++);
    if (waiting_ == 0) finish();
  }

 private:
  void ask(std::size_t which) {
    const auto name = dns::Name::from_text(names_[which]);
    if (!name) return;
    for (const auto& listener : api_->host_->served_configuration().listeners) {
      if (route_for(listener.routes, *name) == nullptr) continue;
      // Nobody outside is asked for what the cluster has.
      const auto routes = std::make_shared<const dns::ListenerRoutes>(
          routes_without(listener.routes, {"search", "cache", "forward"}, nullptr));
      const bool service = names_[which].starts_with('_');
      for (const dns::RRType type :
           {service ? dns::RRType::SRV : dns::RRType::A, dns::RRType::AAAA}) {
        AskedQuestion message = question_message(*name, type);
        ++waiting_;
        api_->host_->ask(routes, std::move(message.octets), message.size,
                         dns::make_endpoint(boost::asio::ip::address_v4::loopback(), 40000),
                         [self = shared_from_this(), queue = api_->queue_,
                          which](std::vector<std::uint8_t> reply) mutable {
                           queue->post([self = std::move(self), which, reply = std::move(reply)] {
                             self->heard(which, read_reply(reply));
                           });
                         });
        if (service) break;
      }
      return;
    }
  }
  void heard(std::size_t which, const ExplainedAnswer& answer) {
    for (const ExplainedRecord& record : answer.records) {
      json::object value{
          {"type", json_text(record.type)}, {"ttl", record.ttl}, {"data", json_text(record.data)}};
      json::array& known = records_[which];
      // An alias comes with both questions.
      if (std::find(known.begin(), known.end(), json::value(value)) == known.end()) {
        known.emplace_back(std::move(value));
      }
    }
    if (--waiting_ == 0) run();
  }
  void finish() {
    Page page(list_);
    std::size_t i = 0;
    for (; i < names_.size() && !page.full(); ++i) {
      page.add(json::object{{"name", json_text(names_[i])}, {"records", std::move(records_[i])}});
    }
    const bool more = i != 0 && (more_ || i < names_.size());
    reply_json(request_, *responder_,
               json::object{{"items", page.take()},
                            {"total", total_},
                            {"next", more ? json::value(json_text(names_[i - 1])) : nullptr}});
  }

  const std::shared_ptr<ConsoleApi> api_;
  const HttpRequest request_;
  const Responder responder_;
  const ListRequest list_;
  std::vector<std::string> names_;
  std::vector<json::array> records_;
  std::size_t total_ = 0;
  bool more_ = false;
  std::size_t asked_ = 0;
  std::size_t waiting_ = 0;
};

// Somebody who waits until a name resolves. Asked again when the cluster changes and every second.
class ConsoleApi::Waiter final : public std::enable_shared_from_this<Waiter> {
 public:
  Waiter(ConsoleApi& api, const HttpRequest& request, Responder responder, dns::Name name,
         dns::RRType type, std::optional<registry::IpAddress> address,
         std::chrono::nanoseconds patience)
      : api_(api),
        request_(request),
        responder_(std::move(responder)),
        name_(std::move(name)),
        type_(type),
        address_(address ? address->to_string() : ""),
        client_(dns::make_endpoint(boost::asio::ip::address_v4::loopback(), 40000)),
        timer_(api.io_) {
    timer_.expires_after(patience);
  }

  void start() {
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || self == nullptr) return;
      self->finish(problem_reply(504, self->name_.to_text() + " does not resolve as asked for: " +
                                          (self->last_.empty() ? "no answer yet" : self->last_)));
    });
    look();
  }
  [[nodiscard]] bool closed() const { return responder_->closed(); }

  // Asks, unless it has asked and not been told yet.
  void look() {
    if (asking_ || api_.host_ == nullptr) return;
    asking_ = true;
    AskedQuestion message = question_message(name_, type_);
    for (const auto& listener : api_.host_->served_configuration().listeners) {
      if (route_for(listener.routes, name_) == nullptr) continue;
      api_.host_->ask(
          std::make_shared<const dns::ListenerRoutes>(routes_without(listener.routes, {}, nullptr)),
          std::move(message.octets), message.size, client_,
          [weak = weak_from_this(), queue = api_.queue_](std::vector<std::uint8_t> reply) {
            queue->post([weak, reply = std::move(reply)] {
              if (const auto self = weak.lock()) self->heard(read_reply(reply));
            });
          });
      return;
    }
    asking_ = false;
    last_ = "no server block has a zone for it";
  }

 private:
  void heard(const ExplainedAnswer& answer) {
    asking_ = false;
    last_ = answer.rcode == "NOERROR" ? "no such record" : answer.rcode;
    if (answer.rcode != "NOERROR" || answer.records.empty()) return;
    json::array records;
    bool found = address_.empty();
    for (const ExplainedRecord& record : answer.records) {
      found = found || record.data == address_;
      records.emplace_back(json::object{{"name", json_text(record.name)},
                                        {"type", json_text(record.type)},
                                        {"ttl", record.ttl},
                                        {"data", json_text(record.data)}});
    }
    if (!found) {
      last_ = "it leads elsewhere";
      return;
    }
    reply_json(request_, *responder_,
               json::object{{"name", json_text(name_.to_text())}, {"records", std::move(records)}},
               Tag::None);
    end();
  }
  void finish(HttpReply reply) {
    responder_->reply(std::move(reply));
    end();
  }
  void end() {
    timer_.cancel();
    api_.waiters_.erase(shared_from_this());
  }

  ConsoleApi& api_;
  const HttpRequest request_;
  const Responder responder_;
  const dns::Name name_;
  const dns::RRType type_;
  const std::string address_;
  const dns::Endpoint client_;
  boost::asio::steady_timer timer_;
  std::string last_;  // why not
  bool asking_ = false;
};

ConsoleApi::ConsoleApi(boost::asio::io_context& io, ConsoleHost& host)
    : io_(io),
      host_(&host),
      queue_(std::make_shared<ControlQueue>(io)),
      views_(std::make_shared<ViewKeeper>(
          io, [this] { return view_parts(host_->served_environment()); })),
      note_(io),
      tick_(io),
      settle_(io) {}

ConsoleApi::~ConsoleApi() { stop(); }

void ConsoleApi::start(Action action, HttpRequest request, Responder responder) {
  queue_->post([weak = weak_from_this(), action, request = std::move(request),
                responder = std::move(responder)] {
    const auto self = weak.lock();
    if (self == nullptr || self->host_ == nullptr) {
      return responder->reply(problem_reply(503, "the server is ending"));
    }
    if (responder->closed()) return;
    try {
      ((*self).*action)(request, responder);
    } catch (const ParameterError& e) {
      responder->reply(problem_reply(400, e.what()));
    } catch (const std::exception& e) {
      responder->reply(problem_reply(500, e.what()));
    }
  });
}

void ConsoleApi::served() {
  // Their stores, and whom queries are shown to, are those of the configuration before.
  const bool followed = !feeds_.empty();
  feeds_.clear();
  watch_stores();
  if (followed) watch_changes();
  if (tap_ != nullptr) host_->watch_queries(tap_);
  stores_changed();
  history_.keep(host_->history());
  note_figures();
}

void ConsoleApi::note_figures() {
  const auto now = std::chrono::steady_clock::now();
  const auto& clusters = host_->served_environment().clusters;
  History::Gauges gauges;
  if (!objects_) {
    objects_ = 0;
    for (const ClusterData& data : clusters) *objects_ += objects_of(*data.source);
  }
  gauges.objects = static_cast<float>(*objects_);
  for (const ClusterData& data : clusters) {
    const auto age = static_cast<float>(age_of(*data.source, now));
    gauges.watch_age_s = std::max(gauges.watch_age_s.value_or(age), age);
  }
  history_.note(now, now_s(), host_->query_figures(), gauges);
  note_.expires_after(History::kEvery);
  note_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr && self->host_ != nullptr) self->note_figures();
  });
}

void ConsoleApi::stop() {
  host_ = nullptr;
  queue_->close();
  views_->stop();
  feeds_.clear();
  watches_.clear();
  tap_.reset();
  waiters_.clear();
  changes_.close();
  queries_.close();
  note_.cancel();
  tick_.cancel();
  settle_.cancel();
}

void ConsoleApi::watch_stores() {
  views_->changed();
  warnings_.reset();
  warnings_old_ = true;
  objects_.reset();
  watches_.clear();
  for (const ClusterData& data : host_->served_environment().clusters) {
    watches_.push_back(std::make_unique<StoreWatch>(*this, data.source));
  }
}

void ConsoleApi::answer_by_view(const HttpRequest& request, const Responder& responder,
                                std::function<json::value(const ClusterView&)> call) {
  views_->with_view([request, responder, call = std::move(call)](const ViewKeeper::View& view,
                                                                 const std::string& why) {
    if (view == nullptr) return responder->reply(problem_reply(503, why));
    if (responder->closed()) return;
    try {
      reply_json(request, *responder, call(*view));
    } catch (const ParameterError& e) {
      responder->reply(problem_reply(400, e.what()));
    } catch (const std::exception& e) {
      responder->reply(problem_reply(500, e.what()));
    }
  });
}

const std::vector<ConsoleApi::Path>& ConsoleApi::paths() {
  static const std::vector<Path> kPaths = {
      {"GET", "status", &ConsoleApi::status},
      {"GET", "history", &ConsoleApi::history},
      {"GET", "services", &ConsoleApi::services},
      {"GET", "hosts", &ConsoleApi::hosts},
      {"GET", "names", &ConsoleApi::names},
      {"GET", "explain", &ConsoleApi::explain_name},
      {"GET", "problems", &ConsoleApi::problems},
      {"GET", "upstreams", &ConsoleApi::upstreams},
      {"GET", "config", &ConsoleApi::config},
      {"GET", "changes", &ConsoleApi::changes},
      {"GET", "queries", &ConsoleApi::queries},
      {"GET", "wait", &ConsoleApi::wait},
      {"POST", "reload", &ConsoleApi::reload, true},
      {"GET", "cache", &ConsoleApi::cache},
      {"POST", "cache/flush", &ConsoleApi::flush_cache, true},
      {"GET", "evidence", &ConsoleApi::target},
      {"DELETE", "evidence", &ConsoleApi::target},
      {"GET", "scenarios", &ConsoleApi::target},
      {"PUT", "scenarios/*", &ConsoleApi::target},
      {"POST", "scenarios/*", &ConsoleApi::target},
      {"DELETE", "scenarios/*", &ConsoleApi::target},
      {"GET", "seed", &ConsoleApi::target},
      {"PUT", "seed", &ConsoleApi::target},
  };
  return kPaths;
}

void ConsoleApi::status(const HttpRequest& request, const Responder& responder) {
  // What is wrong with the objects may be of a moment ago: a large cluster takes a while to check,
  // and nobody who asks how the server is should wait for that.
  const bool known = warnings_.has_value();
  if (known) status_now(request, responder);
  if (known && !std::exchange(warnings_old_, false)) return;
  warnings_old_ = false;
  views_->with_view([weak = weak_from_this(), queue = queue_, known, request, responder](
                        const ViewKeeper::View& view, const std::string& why) {
    json::array warnings;
    if (view != nullptr) {
      warnings = warnings_of(*view);
    } else {
      warnings.emplace_back(warning_value("view", why, ""));
    }
    queue->post([weak, warnings = std::move(warnings), known, request, responder] {
      const auto self = weak.lock();
      if (self == nullptr || self->host_ == nullptr) return;
      self->warnings_ = warnings;
      if (!known) self->status_now(request, responder);
    });
  });
}

void ConsoleApi::status_now(const HttpRequest& request, const Responder& responder) {
  const auto now = std::chrono::steady_clock::now();
  const Environment& environment = host_->served_environment();
  json::array sources;
  json::array warnings;
  const auto warn = [&](std::string_view code, const std::string& text) {
    warnings.emplace_back(warning_value(code, text, ""));
  };
  for (const ClusterData& data : environment.clusters) {
    const bool synced = data.source->synced();
    sources.emplace_back(json::object{{"kind", kind_of(*data.source)},
                                      {"in_sync", synced},
                                      {"age_s", age_of(*data.source, now)},
                                      {"objects", objects_of(*data.source)}});
    if (!synced) {
      warn("stale", "a source has not told yet all that there is; answers may be out of date");
    }
  }
  for (const ForwardOfBlock& forward : environment.forwards) {
    for (const auto& upstream : forward.stage->upstream_totals()) {
      if (!upstream.looped) continue;
      warn("loop", "the upstream " + upstream.endpoint.to_string() + " leads back here");
    }
  }
  for (const json::value& warning : *warnings_) {
    if (warnings.size() == kWarningsShown) break;
    warnings.push_back(warning);
  }
  const ConsoleHost::Configured configured = host_->configured();
  if (!configured.error.empty()) warn("config", configured.error);
  std::set<std::string> zones;
  for (const ServedCluster& served : environment.served) {
    for (const dns::Name& zone : served.zones) zones.insert(zone.to_text());
  }
  json::array listeners;
  for (const auto& listener : host_->served_configuration().listeners) {
    const dns::ListenAddress& at = listener.address;
    if (at.tls) continue;
    listeners.emplace_back(json_text(dns::make_endpoint(at.address, at.port).to_string()));
  }
  reply_json(request, *responder,
             json::object{{"version", json_text(version_number())},
                          {"uptime_s", seconds_of(now - began_)},
                          {"ready", host_->is_ready()},
                          {"sources", std::move(sources)},
                          {"zones", json_texts({zones.begin(), zones.end()})},
                          {"listeners", std::move(listeners)},
                          {"queries_total", host_->query_figures().queries},
                          {"p50_ms", number_value(history_.now().p50_ms)},
                          {"p99_ms", number_value(history_.now().p99_ms)},
                          {"cache_hit_ratio", number_value(history_.now().cache_hit_ratio)},
                          {"warnings", std::move(warnings)}},
             Tag::None);
}

void ConsoleApi::history(const HttpRequest& request, const Responder& responder) {
  json::array items;
  for (const History::Point& point : history_.points()) {
    const auto& [rate, p50, p99, ratio] = point.figures;
    items.emplace_back(json::object{{"time", point.wall},
                                    {"queries_per_second", number_value(rate)},
                                    {"p50_ms", number_value(p50)},
                                    {"p99_ms", number_value(p99)},
                                    {"cache_hit_ratio", number_value(ratio)},
                                    {"watch_age_s", number_value(point.gauges.watch_age_s)},
                                    {"objects", static_cast<std::uint64_t>(point.gauges.objects)}});
  }
  reply_json(
      request, *responder,
      json::object{{"span_s", std::chrono::duration<double>(history_.span()).count()},
                   {"interval_s", std::chrono::duration<double>(history_.interval()).count()},
                   {"items", std::move(items)}});
}

// Some Services of a view, on the control thread a few at a time: changes wait for a few, not for
// all.
class ConsoleApi::Walk final : public std::enable_shared_from_this<Walk> {
 public:
  using Keys = std::span<const registry::ObjectKey>;

  Walk(std::shared_ptr<ConsoleApi> api, Responder responder)
      : api_(std::move(api)), responder_(std::move(responder)) {}

  // The keys of the next few, none at the end.
  std::function<std::vector<registry::ObjectKey>()> next;
  // What a stage says of them.
  std::function<void(std::vector<ServiceRow>)> rows;
  std::function<void()> done;

  void step() {
    api_->queue_->post([self = shared_from_this()] {
      if (self->api_->host_ == nullptr || self->responder_->closed()) return;
      try {
        const auto keys = self->next();
        if (keys.empty()) return self->done();
        self->rows(service_rows(self->api_->host_->served_environment().served, keys));
        self->step();
      } catch (const std::exception& e) {
        self->responder_->reply(problem_reply(500, e.what()));
      }
    });
  }

 private:
  const std::shared_ptr<ConsoleApi> api_;
  const Responder responder_;
};

namespace {

// Rows that are made at once.
constexpr std::size_t kWalked = 256;

bool fits(const ClusterView::ShownService& shown, const ListRequest& list) {
  const registry::Service& service = *shown.service;
  if (list.ns && service.key.ns != *list.ns) return false;
  if (!list.is_kind(app::kind_of(service))) return false;
  if (list.q.empty() || list.finds(service.key.name) || list.finds(service.key.ns) ||
      list.finds(service.key.name + "." + service.key.ns) || list.finds(service.external_name)) {
    return true;
  }
  for (const auto& address : service.cluster_ips) {
    if (list.finds(address.to_string())) return true;
  }
  for (const auto* slice : shown.store->slices(service.key)) {
    for (const auto& endpoint : slice->endpoints) {
      if (list.finds(endpoint.address.to_string())) return true;
    }
  }
  return false;
}

// The Services of one page.
struct ServicesPage {
  std::vector<registry::ObjectKey> keys;
  std::size_t total = 0;
  bool more = false;

  ServicesPage(const ClusterView& view, const ListRequest& list) {
    const auto& all = view.services();
    std::size_t begin = 0;
    if (const std::size_t slash = list.cursor.find('/'); slash != std::string::npos) {
      const registry::ObjectKey last{list.cursor.substr(0, slash), list.cursor.substr(slash + 1)};
      begin = static_cast<std::size_t>(
          std::upper_bound(all.begin(), all.end(), last,
                           [](const registry::ObjectKey& key, const auto& each) {
                             return key < each.service->key;
                           }) -
          all.begin());
    }
    if (list.everything()) {
      const std::size_t end = begin + std::min(list.limit, all.size() - begin);
      for (std::size_t i = begin; i < end; ++i) keys.push_back(all[i].service->key);
      total = all.size();
      more = end < all.size();
      return;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!fits(all[i], list)) continue;
      ++total;
      if (i < begin) continue;
      if (keys.size() < list.limit) {
        keys.push_back(all[i].service->key);
      } else {
        more = true;
      }
    }
  }
};

}  // namespace

void ConsoleApi::services(const HttpRequest& request, const Responder& responder) {
  views_->with_view([self = shared_from_this(), list = ListRequest(request, kServiceKinds), request,
                     responder](const ViewKeeper::View& view, const std::string& why) {
    if (view == nullptr) return responder->reply(problem_reply(503, why));
    if (responder->closed()) return;
    const auto page = std::make_shared<const ServicesPage>(*view, list);
    const auto items = std::make_shared<Page>(list);
    const auto last = std::make_shared<std::optional<registry::ObjectKey>>();
    const auto walk = std::make_shared<Walk>(self, responder);
    walk->next = [page, items, at = std::size_t{0}]() mutable {
      if (items->full()) return std::vector<registry::ObjectKey>();
      const std::size_t begin = std::exchange(at, std::min(at + kWalked, page->keys.size()));
      return std::vector(page->keys.begin() + static_cast<std::ptrdiff_t>(begin),
                         page->keys.begin() + static_cast<std::ptrdiff_t>(at));
    };
    walk->rows = [page, items, last, view](std::vector<ServiceRow> rows) {
      for (ServiceRow& row : rows) {
        registry::ObjectKey key{row.ns, row.name};
        // Several rows of one Service stay together.
        if (items->full() && key != *last) break;
        if (row.state == "ok" && view->is_wrong(key)) row.state = "problem";
        *last = std::move(key);
        items->add(service_value(row));
      }
    };
    walk->done = [page, items, last, request, responder] {
      const bool more = last->has_value() && (page->more || page->keys.back() != **last);
      reply_json(
          request, *responder,
          json::object{{"items", items->take()},
                       {"total", page->total},
                       {"next", more ? json::value(json_text((*last)->ns + "/" + (*last)->name))
                                     : nullptr}});
    };
    walk->step();
  });
}

void ConsoleApi::hosts(const HttpRequest& request, const Responder& responder) {
  answer_by_view(request, responder,
                 [list = ListRequest(request, host_kinds())](const ClusterView& view) {
                   return hosts_page(view, list);
                 });
}

namespace {

// The first names behind a cursor, and how many there are in all.
class FirstNames {
 public:
  explicit FirstNames(const ListRequest& list) : list_(list) {}
  void add(const std::string& name) {
    if (!list_.finds(name)) return;
    ++total_;
    if (!list_.cursor.empty() && name <= list_.cursor) return;
    if (first_.size() > list_.limit && name > *first_.rbegin()) return;
    // Of a host and a Service at once.
    if (!first_.insert(name).second) --total_;
    if (first_.size() > list_.limit + 1) first_.erase(std::prev(first_.end()));
  }
  [[nodiscard]] std::size_t total() const noexcept { return total_; }
  // Takes them; `more`: there are others behind them.
  std::vector<std::string> take(bool& more) {
    more = first_.size() > list_.limit;
    if (more) first_.erase(std::prev(first_.end()));
    return {first_.begin(), first_.end()};
  }

 private:
  const ListRequest list_;
  std::set<std::string> first_;
  std::size_t total_ = 0;
};

void add_hosts(const ClusterView& view, const ListRequest& list, FirstNames& names) {
  std::string last;
  for (std::size_t i = 0; i < view.hosts().size(); ++i) {
    const HostRow row = view.hosts().head(i);
    if (row.host == last || (list.ns && row.object.ns != *list.ns)) continue;
    if (!list.is_kind(row.source) && !list.is_kind(row.kind)) continue;
    last = row.host;
    names.add(row.host + ".");
  }
}

}  // namespace

void ConsoleApi::names(const HttpRequest& request, const Responder& responder) {
  ListRequest list(request, all_kinds());
  if (explains_ >= kConsoleExplains) {
    return responder->reply(problem_reply(503, "too many explanations are under way"));
  }
  auto job = std::make_shared<NamesJob>(shared_from_this(), request, responder, list);
  views_->with_view([self = shared_from_this(), job = std::move(job), list = std::move(list),
                     responder](const ViewKeeper::View& view, const std::string& why) {
    if (view == nullptr) return responder->reply(problem_reply(503, why));
    if (responder->closed()) return;
    const auto names = std::make_shared<FirstNames>(list);
    add_hosts(*view, list, *names);
    const auto walk = std::make_shared<Walk>(self, responder);
    walk->next = [view, list, at = std::size_t{0}]() mutable {
      std::vector<registry::ObjectKey> keys;
      const auto& all = view->services();
      for (; at < all.size() && keys.size() < kWalked; ++at) {
        const registry::Service& service = *all[at].service;
        if (list.ns && service.key.ns != *list.ns) continue;
        if (list.is_kind(kind_of(service))) keys.push_back(service.key);
      }
      return keys;
    };
    walk->rows = [names](const std::vector<ServiceRow>& rows) {
      for (const ServiceRow& row : rows) {
        for (const std::string& name : row.names) names->add(name);
      }
    };
    walk->done = [names, job] {
      bool more = false;
      std::vector<std::string> page = names->take(more);
      job->start(std::move(page), names->total(), more);
    };
    walk->step();
  });
}

void ConsoleApi::explain_name(const HttpRequest& request, const Responder& responder) {
  ExplainRequest wanted;
  wanted.name = request.query.get("name");
  if (wanted.name.empty()) throw ParameterError("name", "is missing; write the one to explain");
  (void)name_parameter(request, "name");
  if (const auto type = type_parameter(request, "type")) wanted.type = *type;
  wanted.ns = namespace_parameter(request, "namespace");
  if (const auto client = address_parameter(request, "client")) wanted.client = client->to_string();
  if (explains_ >= kConsoleExplains) {
    return responder->reply(problem_reply(503, "too many explanations are under way"));
  }
  std::make_shared<ExplainJob>(shared_from_this(), request, responder, std::move(wanted))->start();
}

void ConsoleApi::problems(const HttpRequest& request, const Responder& responder) {
  answer_by_view(request, responder, [list = ListRequest(request)](const ClusterView& view) {
    return problems_page(view, list);
  });
}

void ConsoleApi::upstreams(const HttpRequest& request, const Responder& responder) {
  json::array items;
  for (const ForwardOfBlock& forward : host_->served_environment().forwards) {
    for (const auto& upstream : forward.stage->upstream_totals()) {
      std::uint64_t replies = 0;
      std::uint64_t took_ns = 0;
      for (const std::uint64_t count : upstream.replies) replies += count;
      for (const std::uint64_t sum : upstream.duration_sum_ns) took_ns += sum;
      constexpr double kNsPerMs = 1e6;
      items.emplace_back(json::object{
          {"address", json_text(upstream.endpoint.to_string())},
          {"state", upstream.down ? "down" : "up"},
          {"latency_ms", replies == 0
                             ? json::value(nullptr)
                             : json::value(static_cast<double>(took_ns / replies) / kNsPerMs)},
          {"requests", upstream.requests},
          {"failures", upstream.requests - std::min(upstream.requests, replies)},
          {"loop", upstream.looped}});
    }
  }
  reply_json(request, *responder, json::object{{"items", std::move(items)}});
}

void ConsoleApi::config(const HttpRequest& request, const Responder& responder) {
  const ConsoleHost::Configured configured = host_->configured();
  reply_json(request, *responder,
             json::object{{"corefile", json_text(without_secrets(configured.corefile))},
                          {"loaded", configured.loaded},
                          {"error", json_text_or_null(configured.error)}});
}

void ConsoleApi::reload(const HttpRequest& request, const Responder& responder) {
  const std::string error = host_->reload();
  reply_json(request, *responder, json::object{{"error", json_text_or_null(error)}}, Tag::None);
}

namespace {

json::object kept_value(const std::string& server, const dns::AnswerCache::Kept& kept) {
  json::array records;
  if (const auto message = dns::read_message(kept.message)) {
    for (const dns::Record& record : message->answer) {
      records.emplace_back(
          json::object{{"name", json_text(record.owner.to_text())},
                       {"type", json_text(dns::rrtype_to_text(record.type))},
                       {"ttl", record.ttl},
                       {"data", json_text(dns::rdata_to_text(record.type, record.rdata))}});
    }
  }
  return {{"server", json_text(server)},
          {"name", json_text(kept.name.to_text())},
          {"type", json_text(dns::rrtype_to_text(kept.type))},
          {"rcode", json_text(dns::rcode_to_text(kept.rcode))},
          {"ttl", kept.ttl},
          {"age", kept.age},
          {"stale", kept.stale},
          {"dnssec", kept.dnssec_ok},
          {"octets", kept.octets},
          {"records", std::move(records)}};
}

// Where a page of the caches ends: "CACHE.PLACE".
struct CachePlace {
  std::size_t cache = 0;
  std::size_t place = 0;

  explicit CachePlace(const std::string& cursor) {
    if (cursor.empty()) return;
    const char* const end = cursor.data() + cursor.size();
    const auto first = std::from_chars(cursor.data(), end, cache);
    if (first.ec == std::errc{} && first.ptr != end && *first.ptr == '.') {
      const auto second = std::from_chars(first.ptr + 1, end, place);
      if (second.ec == std::errc{} && second.ptr == end) return;
    }
    throw ParameterError("cursor", "does not belong to this list");
  }
  [[nodiscard]] std::string text() const {
    return std::to_string(cache) + "." + std::to_string(place);
  }
};

}  // namespace

void ConsoleApi::cache(const HttpRequest& request, const Responder& responder) {
  // Answers that are copied before the page is looked at: with the largest it is half as large
  // again as it should be.
  constexpr std::size_t kStep = 64;
  const ListRequest list(request);
  auto name = name_parameter(request, "name");
  if (name) name->make_lower();
  CachePlace at(list.cursor);
  const auto& caches = host_->served_environment().caches;
  const std::int64_t now = dns::monotonic_ns();
  Page page(list);
  std::size_t left = list.limit;
  while (at.cache < caches.size() && !page.full()) {
    dns::AnswerCache& cache = *caches[at.cache].cache;
    if (at.place >= cache.places()) {
      ++at.cache;
      at.place = 0;
      continue;
    }
    std::vector<dns::AnswerCache::Kept> kept;
    at.place = cache.list(at.place, std::min(left, kStep), name ? name->view() : dns::NameView{},
                          now, kept);
    left -= kept.size();
    for (const auto& each : kept) page.add(kept_value(caches[at.cache].block.server, each));
  }
  reply_json(request, *responder,
             json::object{{"items", page.take()},
                          {"next", at.cache < caches.size() ? json::value(json_text(at.text()))
                                                            : json::value(nullptr)}},
             Tag::None);
}

void ConsoleApi::flush_cache(const HttpRequest& request, const Responder& responder) {
  auto name = name_parameter(request, "name");
  if (name) name->make_lower();
  std::size_t flushed = 0;
  for (const CacheOfBlock& each : host_->served_environment().caches) {
    flushed += each.cache->flush(name ? name->view() : dns::NameView{});
  }
  reply_json(request, *responder, json::object{{"flushed", flushed}}, Tag::None);
}

void ConsoleApi::target(const HttpRequest& request, const Responder& responder) {
  std::optional<TargetReply> reply;
  if (const auto& parts = host_->served_environment().target) {
    std::map<std::string, std::string> query;
    for (const auto& [name, value] : request.query.all()) query.emplace(name, value);
    reply = answer_target_api(*parts, request.method, request.path, query, request.body);
  }
  if (!reply) {
    return responder->reply(
        problem_reply(404, "the configuration has no such part; see `evidence` and `fault`"));
  }
  if (reply->status >= 400) {
    while (reply->body.ends_with('\n')) reply->body.pop_back();
    HttpReply refused = problem_reply(reply->status, reply->body);
    if (!reply->allow.empty()) refused.headers.emplace_back("Allow", reply->allow);
    return responder->reply(std::move(refused));
  }
  HttpReply answer{reply->status, std::move(reply->body), std::move(reply->content_type)};
  answer.more = std::move(reply->more);
  if (request.method == "GET" || request.is_head()) {
    const std::string_view known = request.header_or_empty("if-none-match");
    if (reply->etag.empty()) {
      add_etag(answer, known);
    } else {
      set_etag(answer, reply->etag, known);
    }
  }
  if (!answer.more) compress(answer, request.header_or_empty("accept-encoding"));
  responder->reply(std::move(answer));
}

bool ConsoleApi::subscribe(Subscribers& to, const HttpRequest& request,
                           const Responder& responder) {
  // Given back when the request is over, on the HTTP thread.
  class Slot {
   public:
    Slot(std::shared_ptr<std::atomic<std::size_t>> count, std::weak_ptr<ConsoleApi> api,
         std::shared_ptr<ControlQueue> queue)
        : count_(std::move(count)), api_(std::move(api)), queue_(std::move(queue)) {
      ++*count_;
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() {
      --*count_;
      try {
        queue_->post([api = api_] {
          if (const auto self = api.lock()) self->prune();
        });
      } catch (...) {
        // No memory: it is noticed with the next event.
      }
    }

   private:
    const std::shared_ptr<std::atomic<std::size_t>> count_;
    const std::weak_ptr<ConsoleApi> api_;
    const std::shared_ptr<ControlQueue> queue_;
  };
  if (*streams_ >= kConsoleStreams) {
    responder->reply(problem_reply(503, "there are too many streams already"));
    return false;
  }
  if (!request.is_head()) {
    responder->keep(std::make_shared<Slot>(streams_, weak_from_this(), queue_));
  }
  to.add(request, *responder);
  return !to.empty();
}

void ConsoleApi::prune() {
  changes_.prune();
  queries_.prune();
  std::erase_if(waiters_, [](const auto& waiter) { return waiter->closed(); });
  if (changes_.empty()) feeds_.clear();
  if (queries_.empty() && tap_ != nullptr) {
    if (host_ != nullptr) host_->watch_queries(nullptr);
    tap_.reset();
  }
}

void ConsoleApi::watch_changes() {
  feeds_.clear();
  for (const ClusterData& data : host_->served_environment().clusters) {
    feeds_.push_back(
        std::make_unique<ChangeFeed>(data.source->store(), [this](json::object change) {
          json::object event{{"time", now_s()}};
          for (auto& member : change) event.insert(member);
          changes_.tell(event);
        }));
  }
}

void ConsoleApi::changes(const HttpRequest& request, const Responder& responder) {
  // First, so that who sees the beginning of the stream misses nothing from then on.
  if (feeds_.empty()) watch_changes();
  if (!subscribe(changes_, request, responder)) prune();
}

void ConsoleApi::watch_queries() {
  tap_ = std::make_shared<QueryTap>([weak = weak_from_this(), queue = queue_] {
    queue->post([weak] {
      if (const auto self = weak.lock()) self->tell_queries();
    });
  });
  host_->watch_queries(tap_);
  tick();
}

void ConsoleApi::queries(const HttpRequest& request, const Responder& responder) {
  if (tap_ == nullptr) watch_queries();
  if (!subscribe(queries_, request, responder)) prune();
}

void ConsoleApi::tell_queries() {
  if (tap_ == nullptr) return;
  std::uint64_t skipped = 0;
  for (const SeenQuery& seen : tap_->take(skipped)) {
    constexpr double kNsPerMs = 1e6;
    queries_.tell({{"time", seen.time},
                   {"client", json_text(seen.client.to_address().to_string())},
                   {"port", seen.client.port},
                   {"transport", seen.transport == dns::Transport::Tcp ? "tcp" : "udp"},
                   {"name", json_text(dns::name_to_text({seen.name.data(), seen.name_size}))},
                   {"type", json_text(dns::rrtype_to_text(seen.type))},
                   {"rcode", json_text(dns::rcode_to_text(seen.rcode))},
                   {"ms", static_cast<double>(seen.took_ns) / kNsPerMs}});
  }
  if (skipped != 0) queries_.tell({{"sampled", true}, {"skipped", skipped}});
}

void ConsoleApi::wait(const HttpRequest& request, const Responder& responder) {
  const auto name = name_parameter(request, "name");
  if (!name) throw ParameterError("name", "is missing; write the one to wait for");
  const auto type = type_parameter(request, "type");
  const auto address = address_parameter(request, "address");
  const auto patience = duration_parameter(request, "timeout", kConsoleWait);
  if (waiters_.size() >= kConsoleWaiters) {
    std::erase_if(waiters_, [](const auto& waiter) { return waiter->closed(); });
  }
  if (waiters_.size() >= kConsoleWaiters) {
    return responder->reply(problem_reply(503, "too many clients wait already"));
  }
  const bool v6 = address && address->to_string().find(':') != std::string::npos;
  const auto waiter = std::make_shared<Waiter>(
      *this, request, responder, *name, type.value_or(v6 ? dns::RRType::AAAA : dns::RRType::A),
      address, patience.value_or(std::chrono::seconds(30)));
  waiters_.insert(waiter);
  waiter->start();
  tick();
}

void ConsoleApi::tick() {
  if (std::exchange(ticking_, true)) return;
  tick_.expires_after(std::chrono::seconds(1));
  tick_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->host_ == nullptr) return;
    self->ticking_ = false;
    self->tell_queries();
    self->prune();
    for (const auto& waiter : self->waiters_) waiter->look();
    if (self->tap_ != nullptr || !self->waiters_.empty()) self->tick();
  });
}

void ConsoleApi::stores_changed() {
  if (waiters_.empty() || std::exchange(settling_, true)) return;
  // The tables follow the store; and several changes come together.
  settle_.expires_after(std::chrono::milliseconds(5));
  settle_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr || self->host_ == nullptr) return;
    self->settling_ = false;
    for (const auto& waiter : self->waiters_) waiter->look();
  });
}

std::string without_secrets(const std::string& corefile) {
  // Words whose line has a secret behind them, and how many words behind them stay.
  static const std::map<std::string, std::size_t, std::less<>> kSecret = {
      {"secret", 1},     {"secrets", 1},        {"password", 0},      {"credentials", 0},
      {"key_secret", 0}, {"aws_access_key", 0}, {"client_secret", 0}, {"access_token", 0}};
  constexpr std::size_t kNone = std::string::npos;
  std::string result;
  std::size_t left = kNone;  // words that stay, once there was such a word
  std::size_t kept = kNone;  // where the last of them stands in `result`
  bool is_file = false;      // `secrets FILE`; more on that line is `secret` with a letter too many
  // `secret VALUE` has no name in front of it in some directives.
  const auto end_line = [&] {
    if (left != kNone && kept != kNone && !is_file) result.replace(kept, kNone, "***");
    left = kNone;
    kept = kNone;
  };
  for (std::size_t at = 0; at < corefile.size();) {
    const char c = corefile[at];
    const auto space_at = [&](std::size_t place) {
      return white_space_at(std::string_view(corefile).substr(place));
    };
    // What is commented out was a secret, and is one perhaps: a comment is read like the rest.
    if (const std::size_t space = c == '#' ? 1 : space_at(at); space != 0) {
      if (c == '\n') end_line();
      result.append(corefile, at, space);
      at += space;
      continue;
    }
    const std::size_t begin = at;
    std::string word;
    if (c == '"') {  // to its end, over lines too
      for (++at; at < corefile.size() && corefile[at] != '"'; ++at) {
        if (corefile[at] == '\\' && at + 1 < corefile.size()) ++at;
        word += corefile[at];
      }
      at = std::min(at + 1, corefile.size());
    } else {
      while (at < corefile.size() && space_at(at) == 0) ++at;
      word = corefile.substr(begin, at - begin);
    }
    const std::string_view raw(corefile.data() + begin, at - begin);
    if (left == kNone) {
      const auto secret = kSecret.find(word);
      if (secret != kSecret.end()) left = secret->second;
      is_file = word == "secrets";
      result += raw;
    } else if (raw == "{" || raw == "}") {
      left = kNone;
      kept = kNone;
      result += raw;
    } else if (left == 0) {
      result += "***";
      kept = kNone;
      left = kNone;
      at = std::min(corefile.find('\n', at), corefile.size());
    } else {
      --left;
      kept = result.size();
      result += raw;
    }
  }
  end_line();
  return result;
}

}  // namespace clusterdns::app
