// What the paths below /api/v1/ answer. See docs/api.md.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/value.hpp>

#include "app/admin/http_message.h"
#include "app/console/changes.h"
#include "app/console/control_queue.h"
#include "app/console/history.h"
#include "app/console/host.h"
#include "app/console/query_tap.h"
#include "app/console/subscribers.h"
#include "app/console/view_keeper.h"

namespace clusterdns::app {

using Responder = std::shared_ptr<HttpResponder>;

// Explanations that are under way at once; one more is told to come again.
inline constexpr std::size_t kConsoleExplains = 16;
// Streams of changes and queries together, and who waits for a name.
inline constexpr std::size_t kConsoleStreams = 64;
inline constexpr std::size_t kConsoleWaiters = 256;
// How long a client may wait.
inline constexpr std::chrono::minutes kConsoleWait{10};
// Items of one page, when nothing is said and at most.
inline constexpr std::size_t kConsolePage = 500;
inline constexpr std::size_t kConsolePageMost = 10'000;
// Octets of its items, more or less: it ends with the item that reaches them.
inline constexpr std::size_t kConsolePageOctets = 1024 * 1024;

// Lives on the control thread; start() may be called from any. Of all consoles of a server there is
// one.
class ConsoleApi : public std::enable_shared_from_this<ConsoleApi> {
 public:
  using Action = void (ConsoleApi::*)(const HttpRequest& request, const Responder& responder);

  // `host` outlives stop(), and `io` whatever still runs of it.
  ConsoleApi(boost::asio::io_context& io, ConsoleHost& host);
  ~ConsoleApi();
  ConsoleApi(const ConsoleApi&) = delete;
  ConsoleApi& operator=(const ConsoleApi&) = delete;

  // Any thread: has `action` run on the control thread.
  void start(Action action, HttpRequest request, Responder responder);
  // Another configuration is served.
  void served();
  // Nothing of the server is looked at any more. Idempotent.
  void stop();

  struct Path {
    std::string_view method;
    std::string_view path;
    Action action;
    bool edits = false;  // changes something
  };
  [[nodiscard]] static const std::vector<Path>& paths();

  void status(const HttpRequest& request, const Responder& responder);
  void history(const HttpRequest& request, const Responder& responder);
  void services(const HttpRequest& request, const Responder& responder);
  void hosts(const HttpRequest& request, const Responder& responder);
  void names(const HttpRequest& request, const Responder& responder);
  void explain_name(const HttpRequest& request, const Responder& responder);
  void problems(const HttpRequest& request, const Responder& responder);
  void upstreams(const HttpRequest& request, const Responder& responder);
  void config(const HttpRequest& request, const Responder& responder);
  void reload(const HttpRequest& request, const Responder& responder);
  void cache(const HttpRequest& request, const Responder& responder);
  void flush_cache(const HttpRequest& request, const Responder& responder);
  void changes(const HttpRequest& request, const Responder& responder);
  void queries(const HttpRequest& request, const Responder& responder);
  void wait(const HttpRequest& request, const Responder& responder);
  // Evidence, scenarios and seed, see target_api.h.
  void target(const HttpRequest& request, const Responder& responder);

 private:
  class ExplainJob;
  class StoreWatch;
  class Waiter;
  class NamesJob;
  class Walk;

  // Has `call` answer, on the background thread, with a view of the clusters as they are now; 503
  // says why there is none.
  void answer_by_view(const HttpRequest& request, const Responder& responder,
                      std::function<boost::json::value(const ClusterView&)> call);
  void status_now(const HttpRequest& request, const Responder& responder);
  void watch_stores();
  // Begins a stream of `to`; false: there are too many.
  bool subscribe(Subscribers& to, const HttpRequest& request, const Responder& responder);
  // What nobody follows any more is no longer looked for.
  void prune();
  void watch_changes();
  void watch_queries();
  void tell_queries();
  // Every second.
  void note_figures();
  // Every second, while queries are watched or somebody waits.
  void tick();
  void stores_changed();

  boost::asio::io_context& io_;
  ConsoleHost* host_;  // nullptr: stopped
  const std::shared_ptr<ControlQueue> queue_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<StoreWatch>> watches_;
  const std::shared_ptr<ViewKeeper> views_;
  // Of the last view, for `status`: {"code", "text", "name"}; and whether the clusters have changed
  // since it was asked for.
  std::optional<boost::json::array> warnings_;
  bool warnings_old_ = true;
  std::atomic<std::size_t> explains_{0};

  Subscribers changes_, queries_;
  std::shared_ptr<std::atomic<std::size_t>> streams_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<std::unique_ptr<ChangeFeed>> feeds_;  // while somebody follows changes
  std::shared_ptr<QueryTap> tap_;                   // while somebody watches queries
  std::set<std::shared_ptr<Waiter>> waiters_;
  History history_;
  boost::asio::steady_timer note_;
  std::optional<std::size_t> objects_;  // counted since the last change
  boost::asio::steady_timer tick_;
  bool ticking_ = false;
  boost::asio::steady_timer settle_;  // behind a change
  bool settling_ = false;
};

// A Corefile without what is secret in it: shown are the words, and *** for what may not be.
[[nodiscard]] std::string without_secrets(const std::string& corefile);

}  // namespace clusterdns::app
