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
#include "registry/kubernetes/keeper.h"
#include "registry/kubernetes/status.h"
#include "registry/kubernetes/turns.h"

namespace clusterdns::registry::kubernetes {

// Where the objects of one kind go.
class ObjectSink {
 public:
  ObjectSink() = default;
  ObjectSink(const ObjectSink&) = delete;
  ObjectSink& operator=(const ObjectSink&) = delete;
  virtual ~ObjectSink() = default;

  virtual Kept upsert(ApiObject object) = 0;
  virtual Kept erase(const ObjectKey& key) = 0;
  [[nodiscard]] virtual bool has(const ObjectKey& key) const = 0;
  // A list begins; true when there is something already, so that the list's end has to remove
  // what it did not name.
  virtual bool begin_list() = 0;
  // Removes what `named` does not hold; says how many.
  virtual std::size_t prune(const std::unordered_set<ObjectKey, ObjectKeyHash>& named) = 0;
  // The list is complete, or there is none to wait for. Comes before pause().
  virtual void end_list() = 0;
  // What came so far makes a step that may be shown.
  virtual void pause() = 0;
  // The API server answers, and `well` if it does what it was asked for. Others may want to try
  // again at once.
  virtual void reached(bool well) = 0;
};

// Octets of a resource version that is taken, and of the token of a list's next page: both are sent
// back. An API server's have 20, and some hundreds.
inline constexpr std::size_t kMaxResourceVersion = 256;
inline constexpr std::size_t kMaxContinueToken = std::size_t{16} * 1024;
// Octets of the body of an error that are read; of those kMaxErrorText of the message are shown.
inline constexpr std::size_t kMaxErrorBody = std::size_t{8} * 1024;
inline constexpr std::size_t kMaxErrorText = 256;

struct ReflectorOptions {
  ApiKind kind;
  std::string label_selector;  // empty: all
  ReadOptions read;
  // A watch is asked for this long and then renewed; see ARCHITECTURE.md.
  std::chrono::milliseconds lease{10'000};
  std::chrono::milliseconds grace{2'000};       // a watch this long over its lease is dead
  std::chrono::milliseconds relist{1'800'000};  // after this long everything is compared again
  // A list that stands still this long is given up. It moves all the time while it comes.
  std::chrono::milliseconds list_idle{5'000};
  bool may_stream_lists = true;
  // A kind that we may not see, or that the cluster does not have, is asked for again this late.
  std::chrono::milliseconds off_again{45'000};
};

// All on the io_context's thread.
class Reflector final : private BodySink {
 public:
  // References outlive this.
  Reflector(boost::asio::io_context& io, Credentials& credentials, Turns& turns,
            ReflectorOptions options, ObjectSink& sink, KubernetesStatus& status,
            std::shared_ptr<spdlog::logger> logger);
  ~Reflector() override;

  void start();
  void stop();
  // Somebody else was answered: try now if waiting for an API server that gave no answer, or, when
  // that was a good one, for whatever it was. Once for each kind of answer, until this works again.
  void poke(bool well);

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
  // The API server refuses an optional kind, or does not know it.
  void turn_off(const std::string& what);
  bool on_event(std::string_view type, std::string_view kind,
                std::span<const std::uint8_t> object) override;
  bool on_list_kind(std::string_view kind) override;
  bool on_item(std::span<const std::uint8_t> object) override;
  bool on_list_end(std::string_view resource_version, std::string_view next) override;

  // Reads an object. Whatever is in it costs that object and nothing else: false, and told.
  bool read(std::span<const std::uint8_t> data, ApiObject& object);
  // Reads one that is there and hands it over; its version, empty when it has none.
  std::string take(std::span<const std::uint8_t> data);
  // At the end of the list that object, if there is one, stays.
  void keep_known(const ObjectKey& key);
  // Goes on behind `version`, which a server that is none may have left out.
  void reach(std::string version);
  void leave_out(const ObjectKey& key, const std::string& problem);
  void tell_once(const ObjectKey& key, const std::string& what);
  void begin_list();
  void end_list();
  void want_list();
  void fail(Trouble trouble, unsigned code, const std::string& what,
            std::chrono::milliseconds least = {});
  void again(std::chrono::milliseconds delay);
  // After a watch that lasted: at once, unless that has become a habit.
  void again_after_watch(Clock::duration lasted);
  // What runs now works once it has lasted a moment.
  void recovers();
  void recovered();
  // Whatever a response does to us, it costs the response and nothing else: an exception ends it,
  // and is told as what was wrong with it.
  template <class Step>
  void guard(Step step);
  // Whether an object says that it is of another kind: it is left out then.
  bool is_other(std::string_view kind, const ObjectKey& key);
  // The API server has forgotten the version again, at once behind a list.
  void fail_expired(const std::string& what);
  [[nodiscard]] unsigned code_of(const ApiStatus& status) const;
  [[nodiscard]] std::chrono::milliseconds jittered(std::chrono::milliseconds about);
  [[nodiscard]] const std::string& name() const { return options_.kind.name; }

  boost::asio::io_context& io_;
  Credentials& credentials_;
  Turns& turns_;
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
  enum class Waiting : std::uint8_t { No, ForAnswer, ForGoodAnswer };
  Waiting waiting_ = Waiting::No;
  bool poked_ = false, poked_well_ = false;
  std::size_t server_ = 0;  // index into the credentials' servers
  std::size_t path_ = 0;    // index into the kind's paths

  Mode mode_ = Mode::StreamedList;  // of the request that runs, or ran last
  bool list_wanted_ = true;
  bool stream_lists_;
  bool listing_ = false;  // between begin_list() and end_list()
  bool comparing_ = false;
  bool unread_ = false;  // there was no memory for an object since the last list began
  std::chrono::milliseconds lease_{};       // of the request that runs
  std::chrono::milliseconds list_lease_{};  // of streamed lists, doubled when it is too short
  unsigned patience_ = 1;                   // times list_idle that a list may stand still
  std::string resource_version_;
  std::string next_page_;
  std::unordered_set<ObjectKey, ObjectKeyHash> named_;
  std::size_t list_added_ = 0, list_changed_ = 0;
  std::size_t objects_in_response_ = 0;
  std::size_t pages_ = 0;
  Clock::time_point request_began_{}, listed_at_{}, failing_since_{}, answered_at_{}, broke_at_{};

  unsigned code_ = 0;
  Encoding encoding_ = Encoding::Protobuf;
  std::unique_ptr<BodyReader> reader_;
  std::string error_body_;
  std::optional<std::chrono::seconds> retry_after_;
  ApiStatus event_error_;
  bool has_event_error_ = false;
  unsigned useless_watches_ = 0;  // in a row that ended early or with an error
  unsigned expired_ = 0;          // versions that were forgotten since a watch lasted
  std::string problem_;           // what an exception said of this response
  std::string told_;              // the trouble that was logged last
  Clock::time_point told_at_{};
  std::unordered_set<std::string> complaints_;  // about objects, told already
};

}  // namespace clusterdns::registry::kubernetes
