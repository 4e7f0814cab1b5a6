#include "app/directives/fault_control.h"

#include <algorithm>
#include <limits>
#include <map>

#include <boost/asio/post.hpp>

namespace clusterdns::app {

FaultControl::FaultControl(std::shared_ptr<dns::FaultStage> stage, Rules rules,
                           std::shared_ptr<spdlog::logger> logger)
    : stage_(std::move(stage)), rules_(std::move(rules)), logger_(std::move(logger)) {
  since_ns_ = dns::monotonic_ns();
  publish();
}

void FaultControl::start(boost::asio::io_context& io) {
  const std::lock_guard lock(mutex_);
  if (io_ != nullptr) return;
  io_ = &io;
  timer_ = std::make_unique<boost::asio::steady_timer>(io);
  const std::int64_t now = since_ns_ = dns::monotonic_ns();
  for (Run& run : runs_) {
    if (!run.file.empty()) begin(run, now);
  }
  publish();
  wait();
}

void FaultControl::stop() noexcept {
  const std::lock_guard lock(mutex_);
  timer_.reset();
  io_ = nullptr;
}

void FaultControl::add_file(std::string name, std::string file, Scenario scenario) {
  const std::lock_guard lock(mutex_);
  runs_.push_back({std::move(name), std::move(file), std::move(scenario)});
}

FaultControl::Run* FaultControl::find(const std::string& name) {
  const auto found =
      std::find_if(runs_.begin(), runs_.end(), [&](const Run& run) { return run.name == name; });
  return found == runs_.end() ? nullptr : &*found;
}

void FaultControl::begin(Run& run, std::int64_t now) {
  run.state = State::Running;
  run.number = ++last_number_;
  run.since_ns = now;
  run.verdict.reset();
  run.lookups.reset();
  if (!run.scenario.expect.empty()) {
    std::vector<std::int64_t> within;
    for (const Expectation& each : run.scenario.expect) within.push_back(each.within.count());
    run.lookups = std::make_shared<dns::Lookups>(std::move(within));
  }
  told_.push_back(fmt::format("scenario {} begins", run.name));
}

void FaultControl::finish(Run& run, State state, std::int64_t now) {
  if (run.state != State::Running) return;
  run.state = state;
  run.until_ns = now;
  std::string words;
  if (run.lookups != nullptr) {
    const dns::Lookups::Result result = run.lookups->result();
    std::vector<Measured> all;
    bool pass = true;
    for (std::size_t i = 0; i < run.scenario.expect.size(); ++i) {
      Measured measured{run.scenario.expect[i]};
      measured.of = result.all;
      if (result.all != 0) {
        measured.percent =
            100 * static_cast<double>(result.good[i]) / static_cast<double>(result.all);
        measured.pass = measured.percent >= measured.expectation.percent;
      }
      pass = pass && measured.pass;
      words += fmt::format("; {}: {} ({:.2f} % of {})", measured.expectation.text,
                           measured.pass ? "pass" : "fail", measured.percent, measured.of);
      all.push_back(std::move(measured));
    }
    run.verdict = std::move(all);
    run.lookups.reset();
  }
  told_.push_back(fmt::format("scenario {} ends{}", run.name, words));
}

void FaultControl::finish_due(std::int64_t now) {
  bool any = false;
  for (Run& run : runs_) {
    if (run.state != State::Running || !run.scenario.length) continue;
    const std::int64_t until = run.since_ns + run.scenario.length->count();
    if (until > now) continue;
    finish(run, State::Done, until);
    any = true;
  }
  if (any) publish();
}

void FaultControl::publish() {
  dns::ActiveRules active;
  if (!rules_->empty()) active.push_back({{}, 0, {}, since_ns_, rules_, nullptr});
  for (const Run& run : runs_) {
    if (run.state != State::Running) continue;
    active.push_back(
        {run.name, run.number, run.scenario.seed, run.since_ns, run.scenario.rules, run.lookups});
  }
  stage_->set_rules(std::move(active));
  // Whoever reads it finds it so.
  for (const std::string& line : told_) logger_->warn("plugin/fault: {}", line);
  told_.clear();
}

void FaultControl::wait() {
  if (timer_ == nullptr) return;
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  for (const Run& run : runs_) {
    if (run.state != State::Running || !run.scenario.length) continue;
    next = std::min(next, run.since_ns + run.scenario.length->count());
  }
  if (next == std::numeric_limits<std::int64_t>::max()) {
    timer_->cancel();
    return;
  }
  timer_->expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(next)));
  timer_->async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    const std::lock_guard lock(self->mutex_);
    self->finish_due(dns::monotonic_ns());
    self->wait();
  });
}

std::vector<FaultControl::Shown> FaultControl::scenarios() {
  const std::lock_guard lock(mutex_);
  const std::int64_t now = dns::monotonic_ns();
  finish_due(now);
  std::vector<Shown> all;
  for (const Run& run : runs_) {
    Shown shown;
    shown.name = run.name;
    shown.state = run.state;
    shown.seed = run.scenario.seed.value_or(stage_->seed());
    shown.file = run.file;
    shown.verdict = run.verdict;
    if (run.state == State::Running) shown.elapsed = static_cast<double>(now - run.since_ns) / 1e9;
    if (run.state == State::Stopped || run.state == State::Done) {
      shown.elapsed = static_cast<double>(run.until_ns - run.since_ns) / 1e9;
    }
    all.push_back(std::move(shown));
  }
  return all;
}

std::optional<bool> FaultControl::put(const std::string& name, Scenario scenario) {
  const std::lock_guard lock(mutex_);
  Run* const there = find(name);
  if (there == nullptr) {
    if (runs_.size() >= kMaxScenarios) return std::nullopt;
    runs_.push_back({name, {}, std::move(scenario)});
    return true;
  }
  *there = {name, {}, std::move(scenario)};
  publish();
  return false;
}

bool FaultControl::begin(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Run* const run = find(name);
  if (run == nullptr) return false;
  const std::int64_t now = dns::monotonic_ns();
  finish_due(now);
  if (run->state == State::Running) return true;
  begin(*run, now);
  publish();
  if (io_ != nullptr) {
    boost::asio::post(*io_, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      const std::lock_guard wait_lock(self->mutex_);
      self->wait();
    });
  }
  return true;
}

bool FaultControl::end(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Run* const run = find(name);
  if (run == nullptr) return false;
  const std::int64_t now = dns::monotonic_ns();
  finish_due(now);
  finish(*run, State::Stopped, now);
  publish();
  return true;
}

bool FaultControl::reset(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Run* const run = find(name);
  if (run == nullptr) return false;
  const bool runs = run->state == State::Running;
  run->verdict.reset();
  run->state = State::Loaded;
  if (runs) begin(*run, dns::monotonic_ns());
  publish();
  return true;
}

bool FaultControl::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (std::erase_if(runs_, [&](const Run& run) { return run.name == name; }) == 0) return false;
  publish();
  return true;
}

void FaultControl::set_seed(std::uint64_t seed) {
  stage_->set_seed(seed);
  logger_->warn("plugin/fault: the seed is {} from now on", seed);
}

void FaultControl::collect(Exposition& out) const {
  constexpr std::string_view kEnabled =
      "Whether answers are wrong on purpose: some server block has `fault`.";
  constexpr std::string_view kInjected =
      "What was done to answers on purpose, by rule (none for labels) and action.";
  out.latest("clusterdns_fault_enabled", kEnabled, {}, 1);
  const auto add = [&](const std::string& rule, const dns::ActionCounters& counters) {
    for (std::size_t i = 0; i < counters.size(); ++i) {
      const std::uint64_t count = counters[i].load(std::memory_order_relaxed);
      if (count == 0) continue;
      out.counter("clusterdns_fault_injected_total", kInjected,
                  {{"action", dns::action_name(static_cast<dns::Action>(i))}, {"rule", rule}},
                  static_cast<double>(count));
    }
  };
  add({}, stage_->label_actions());
  for (const auto& rule : *rules_) add(rule->name, rule->done);
  const std::lock_guard lock(mutex_);
  for (const Run& run : runs_) {
    for (const auto& rule : *run.scenario.rules) add(rule->name, rule->done);
  }
  const dns::DelayFigures& delays = stage_->delays();
  out.gauge("clusterdns_fault_delayed", "Answers that wait to leave.", {},
            static_cast<double>(delays.waiting.load(std::memory_order_relaxed)));
  out.gauge("clusterdns_fault_delayed_bytes", "Octets that they take.", {},
            static_cast<double>(delays.octets.load(std::memory_order_relaxed)));
  out.counter("clusterdns_fault_delayed_dropped_total",
              "Answers that were to wait and were dropped for want of room.", {},
              static_cast<double>(delays.dropped.load(std::memory_order_relaxed)));
  out.gauge("clusterdns_fault_counts",
            "Clients, names and types that are counted for the modifiers of faults.", {},
            static_cast<double>(stage_->counts().size()));
  out.counter("clusterdns_fault_counts_evicted_total", "Those that made room for others.", {},
              static_cast<double>(stage_->counts().evicted()));
}

}  // namespace clusterdns::app
