// Keeps one kind of objects equal to what the API server has: lists, then watches, for ever.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_set>

#include <spdlog/logger.h>

#include "registry/kubernetes/api_connection.h"
#include "registry/kubernetes/api_object.h"
#include "registry/kubernetes/backoff.h"
#include "registry/kubernetes/body_reader.h"
#include "registry/kubernetes/credentials.h"
#include "registry/kubernetes/status.h"

namespace clusterdns::registry::kubernetes {

// Where objects go.
class ObjectSink {
 public:
  ObjectSink() = default;
  ObjectSink(const ObjectSink&) = delete;
  ObjectSink& operator=(const ObjectSink&) = delete;
  virtual ~ObjectSink() = default;

  enum class Change : std::uint8_t { None, Added, Changed, Removed };
  virtual Change upsert(Kind kind, ApiObject object) = 0;
  virtual Change erase(Kind kind, const ObjectKey& key) = 0;
  // A list begins; true when there is something already, so that the list's end has to remove
  // what it did not name.
  virtual bool begin_list(Kind kind) = 0;
  // Removes what `named` does not hold; says how many.
  virtual std::size_t prune(Kind kind,
                            const std::unordered_set<ObjectKey, ObjectKeyHash>& named) = 0;
  // The list is complete. Comes before pause().
  virtual void end_list(Kind kind) = 0;
  // What came so far makes a step that may be shown.
  virtual void pause() = 0;
  // The API server answers. Others may want to try again at once.
  virtual void reached(Kind kind) = 0;
};

struct ReflectorOptions {
  Kind kind = Kind::Services;
  std::string path;            // "/api/v1/services"
  std::string label_selector;  // empty: all
  std::string field_selector;
  bool optional = false;  // the API server may refuse or not know the kind
  ReadOptions read;
  // A watch is asked for this long and then renewed; see ARCHITECTURE.md.
  std::chrono::milliseconds lease{10'000};
  std::chrono::milliseconds grace{2'000};  // a watch this long over its lease is dead
  std::chrono::milliseconds relist{1'800'000};  // after this long everything is compared again
  // A list that stands still this long is given up. It moves all the time while it comes.
  std::chrono::milliseconds list_idle{5'000};
  bool may_stream_lists = true;
};

// All on the io_context's thread.
class Reflector final : private BodySink {
 public:
  // References outlive this.
  Reflector(boost::asio::io_context& io, Credentials& credentials, ReflectorOptions options,
            ObjectSink& sink, KubernetesStatus& status, std::shared_ptr<spdlog::logger> logger);
  ~Reflector() override;

  void start();
  void stop();
  // Try now if waiting for an API server that did not listen.
  void poke();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Mode : std::uint8_t { StreamedList, PagedList, Watch };

  void attempt();
  void send();
  [[nodiscard]] std::string target() const;
  void on_head(const ApiConnection::Head& head);
  bool on_data(std::span<const std::uint8_t> data);
  void on_end(Ending ending, const std::string& what);
  void on_refusal();
  bool on_event(std::string_view type, std::span<const std::uint8_t> object) override;
  bool on_item(std::span<const std::uint8_t> object) override;
  bool on_list_end(std::string_view resource_version, std::string_view next) override;

  bool take(std::span<const std::uint8_t> data, std::string& version);
  void begin_list();
  void end_list();
  void want_list();
  void fail(Trouble trouble, unsigned code, const std::string& what);
  void again(std::chrono::milliseconds delay);
  void recovered();
  [[nodiscard]] std::chrono::milliseconds jittered(std::chrono::milliseconds about);
  [[nodiscard]] std::string name() const { return std::string(to_string(options_.kind)); }

  boost::asio::io_context& io_;
  Credentials& credentials_;
  ReflectorOptions options_;
  ObjectSink& sink_;
  KubernetesStatus& totals_;
  KindStatus& status_;
  std::shared_ptr<spdlog::logger> logger_;
  std::minstd_rand random_;
  Backoff backoff_;
  ApiConnection connection_;
  boost::asio::steady_timer timer_;
  // Late callbacks of a stopped reflector find it empty.
  std::shared_ptr<bool> alive_;
  bool waiting_refused_ = false;
  std::size_t server_ = 0;  // index into the credentials' servers

  Mode mode_ = Mode::Watch;
  bool list_wanted_ = true;
  bool stream_lists_;
  bool listing_ = false;  // between begin_list() and end_list()
  bool comparing_ = false;
  std::chrono::milliseconds lease_{};       // of the request that runs
  std::chrono::milliseconds list_lease_{};  // of streamed lists, doubled when it is too short
  unsigned patience_ = 1;  // times list_idle that a list may stand still
  std::string resource_version_;
  std::string next_page_;
  std::unordered_set<ObjectKey, ObjectKeyHash> named_;
  std::size_t list_added_ = 0, list_changed_ = 0;
  std::size_t objects_in_response_ = 0;
  Clock::time_point request_began_{}, listed_at_{}, failing_since_{};

  unsigned code_ = 0;
  Encoding encoding_ = Encoding::Protobuf;
  std::unique_ptr<BodyReader> reader_;
  std::string error_body_;
  std::optional<std::chrono::seconds> retry_after_;
  ApiStatus event_error_;
  bool has_event_error_ = false;
  unsigned useless_watches_ = 0;  // in a row that ended early or with an error
  std::string told_;              // the trouble that was logged last
  bool unreadable_told_ = false;
};

}  // namespace clusterdns::registry::kubernetes
