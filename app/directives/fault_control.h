// What runs beside a `fault` directive: its seed, and scenarios that begin and end.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/logger.h>
#include <boost/asio/steady_timer.hpp>

#include "app/directives/directive.h"
#include "app/directives/scenario.h"
#include "dns/target/fault_stage.h"

namespace clusterdns::app {

// Scenarios of one directive; each has rules and counts in memory.
inline constexpr std::size_t kMaxScenarios = 100;

// Any thread, but for start() and stop().
class FaultControl final : public Companion, public std::enable_shared_from_this<FaultControl> {
 public:
  using Rules = std::shared_ptr<const std::vector<std::unique_ptr<dns::FaultRule>>>;

  FaultControl(std::shared_ptr<dns::FaultStage> stage, Rules rules,
               std::shared_ptr<spdlog::logger> logger);

  // Companion: rules and scenarios of files begin.
  void start(boost::asio::io_context& io) override;
  void stop() noexcept override;

  enum class State : std::uint8_t { Loaded, Running, Stopped, Done };
  struct Measured {
    Expectation expectation;
    bool pass = false;
    double percent = 0;
    std::uint64_t of = 0;  // look-ups
  };
  struct Shown {
    std::string name;
    State state = State::Loaded;
    double elapsed = 0;  // seconds
    std::uint64_t seed = 0;
    std::string file;  // empty: it came over HTTP
    std::optional<std::vector<Measured>> verdict;
  };

  // A file of the Corefile's; it begins with start().
  void add_file(std::string name, std::string file, Scenario scenario);
  [[nodiscard]] std::vector<Shown> scenarios();
  // Adds it, or replaces one of that name. True: it is new. nullopt: there are too many.
  [[nodiscard]] std::optional<bool> put(const std::string& name, Scenario scenario);
  // False: there is none of that name.
  [[nodiscard]] bool begin(const std::string& name);
  [[nodiscard]] bool end(const std::string& name);
  [[nodiscard]] bool reset(const std::string& name);
  [[nodiscard]] bool remove(const std::string& name);

  [[nodiscard]] std::uint64_t seed() const noexcept { return stage_->seed(); }
  void set_seed(std::uint64_t seed);

  [[nodiscard]] const std::shared_ptr<dns::FaultStage>& stage() const noexcept { return stage_; }
  // Adds what was done.
  void collect(Exposition& out) const;

 private:
  struct Run {
    std::string name, file;
    Scenario scenario;
    State state = State::Loaded;
    std::uint64_t number = 0;  // see dns::RuleGroup
    std::int64_t since_ns = 0;
    std::int64_t until_ns = 0;  // when it ended
    std::shared_ptr<dns::Lookups> lookups = {};
    std::optional<std::vector<Measured>> verdict = {};
  };

  [[nodiscard]] Run* find(const std::string& name);
  void begin(Run& run, std::int64_t now);
  void finish(Run& run, State state, std::int64_t now);
  // Those whose time is over.
  void finish_due(std::int64_t now);
  // The workers follow what runs now.
  void publish();
  // For when the next one ends.
  void wait();

  const std::shared_ptr<dns::FaultStage> stage_;
  const Rules rules_;
  const std::shared_ptr<spdlog::logger> logger_;
  mutable std::mutex mutex_;
  std::vector<Run> runs_;
  std::vector<std::string> told_;  // for the log, once it is so
  std::uint64_t last_number_ = 0;
  std::int64_t since_ns_ = 0;
  boost::asio::io_context* io_ = nullptr;
  std::unique_ptr<boost::asio::steady_timer> timer_;
};

}  // namespace clusterdns::app
