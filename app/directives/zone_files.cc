#include "app/directives/zone_files.h"

#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>

#include "dns/base/regular_file.h"
#include "registry/background.h"
#include "registry/files/file_watcher.h"

namespace clusterdns::app {
namespace {

// Records of a zone whose reading takes memory that is worth giving back.
constexpr std::size_t kLarge = 10'000;

constexpr const char* kStillThere = "; still serving the zones that were there";

// "zone" in messages as CoreDNS has it.
std::string zone_text(const dns::Name& origin) { return origin.to_text(); }

}  // namespace

ZoneFiles::ZoneFiles(Options options, ZoneSource source, std::shared_ptr<spdlog::logger> logger)
    : options_(std::move(options)), source_(std::move(source)), logger_(std::move(logger)) {}

ZoneFiles::~ZoneFiles() { stop(); }

ZoneFiles::Stamp ZoneFiles::stamp_of(const std::filesystem::path& path) noexcept {
  struct stat state {};
  if (::stat(path.c_str(), &state) != 0) return {};
  const auto ns = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {ns(state.st_mtim), ns(state.st_ctim), static_cast<std::uint64_t>(state.st_size),
          state.st_ino};
}

ZoneFiles::Read ZoneFiles::read(const Wanted& wanted, const std::atomic<bool>* abandoned) {
  Read read;
  read.wanted = wanted;
  zones::ZoneReadOptions options;
  options.abandoned = abandoned;
  // The state before reading: what changes meanwhile is read again.
  options.open = [&read](const std::filesystem::path& file, std::size_t limit) {
    read.files.emplace(file, stamp_of(file));
    return dns::read_regular_file(file, limit);
  };
  read.reading = zones::read_zone_file(wanted.path, wanted.origin, options);
  return read;
}

bool ZoneFiles::is_current(const Kept& kept) noexcept {
  return !kept.files.empty() &&
         std::all_of(kept.files.begin(), kept.files.end(),
                     [](const auto& file) { return stamp_of(file.first) == file.second; });
}

const ZoneFiles::Kept* ZoneFiles::find(const Wanted& wanted) const {
  const auto at = std::find_if(kept_.begin(), kept_.end(),
                               [&](const Kept& kept) { return kept.wanted == wanted; });
  return at == kept_.end() ? nullptr : &*at;
}

std::vector<ZoneFiles::Kept> ZoneFiles::unlisted(const std::vector<Wanted>& list) const {
  std::vector<Kept> rest;
  for (const Kept& kept : kept_) {
    if (kept.table == nullptr) continue;
    const bool listed = std::any_of(list.begin(), list.end(), [&](const Wanted& each) {
      return each.origin == kept.wanted.origin;
    });
    if (!listed) rest.push_back(kept);
  }
  return rest;
}

void ZoneFiles::load(const std::vector<std::shared_ptr<ZoneFiles>>& before, Problems& problems,
                     const Position& at) {
  std::string odd;
  bool whole = true;
  std::vector<Kept> all;
  const std::vector<Wanted> list =
      options_.list([&](const std::string& text) { odd = text; }, &whole);
  if (!whole) {
    for (const auto& files : before) {
      if (files->options_.places == options_.places) all = files->unlisted(list);
      if (!all.empty()) break;
    }
  }
  last_warning_ = odd;
  if (!odd.empty()) problems.warn(at, odd + (all.empty() ? "" : kStillThere));
  for (const Wanted& wanted : list) {
    const Kept* old = nullptr;
    for (const auto& files : before) {
      if (old == nullptr) old = files->find(wanted);
    }
    if (old != nullptr && old->table != nullptr && is_current(*old)) {
      all.push_back(*old);
      continue;
    }
    Read fresh = read(wanted, nullptr);
    Kept kept{wanted, std::move(fresh.files), std::move(fresh.reading.table), 0, {}};
    const bool missing = kept.table == nullptr && stamp_of(wanted.path).inode == 0;
    const bool last_good = kept.table == nullptr && old != nullptr && old->table != nullptr;
    if (last_good) kept.table = old->table;
    const bool may_start = !options_.fixed || last_good ||
                           (missing && options_.interval != std::chrono::nanoseconds::zero());
    for (Problem& problem : fresh.reading.problems) {
      if (problem.is_error() && kept.last_error.empty())
        kept.last_error = registry::to_string(problem);
      if (problem.is_error() && may_start) {
        problem.severity = Problem::Severity::Warning;
        problem.text += last_good        ? "; still serving what it held"
                        : options_.fixed ? "; the zone is SERVFAIL until it can be read"
                                         : "; the zone is not served until it can be read";
      }
      problem.text = with_subject(at, problem.text);
      problems.add(std::move(problem));
    }
    if (kept.table == nullptr) ++kept.failures;
    all.push_back(std::move(kept));
  }
  const bool large = std::any_of(all.begin(), all.end(), [](const Kept& kept) {
    return kept.table != nullptr && kept.table->records() > kLarge;
  });
  {
    const std::lock_guard lock(mutex_);
    kept_ = std::move(all);
  }
  publish();
  if (large) ::malloc_trim(0);
}

void ZoneFiles::warn(const std::string& text) {
  logger_->error("plugin/{}: {}", options_.directive, text);
}

void ZoneFiles::publish() {
  auto list = std::make_unique<zones::ZoneList>();
  for (const Kept& kept : kept_) {
    if (kept.table == nullptr && !options_.fixed) continue;
    if (list->names.add(kept.wanted.origin) == list->tables.size()) {
      list->tables.push_back(kept.table);
    }
  }
  source_.stage->publish(std::move(list));
}

void ZoneFiles::reload() {
  // One that is under way is published first: a file that changes all the time would never be.
  again_ = under_way_ != nullptr;
  if (again_) return;
  std::string odd;
  bool whole = true;
  std::vector<Wanted> wanted = options_.list([&](const std::string& text) { odd = text; }, &whole);
  const std::vector<Kept> unlisted = whole ? std::vector<Kept>() : this->unlisted(wanted);
  if (odd != last_warning_ && !odd.empty()) warn(odd + (unlisted.empty() ? "" : kStillThere));
  last_warning_ = odd;
  std::vector<Wanted> changed;
  for (const Wanted& each : wanted) {
    const Kept* const kept = find(each);
    if (kept == nullptr || !is_current(*kept)) changed.push_back(each);
  }
  // Nothing says that they are gone.
  for (const Kept& kept : unlisted) wanted.push_back(kept.wanted);
  const bool fewer = std::any_of(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return std::find(wanted.begin(), wanted.end(), kept.wanted) == wanted.end();
  });
  if (changed.empty() && !fewer) return;
  // Reading takes seconds where zones are large, and other work of this thread must not wait.
  abandoned_ = std::make_shared<std::atomic<bool>>(false);
  under_way_ = std::make_shared<registry::Delivery<Reads>>(
      *io_, [this, wanted](Reads reads) { finish(std::move(reads), wanted); });
  const bool started = registry::run_detached(
      [changed = std::move(changed), to = under_way_, abandoned = abandoned_] {
        Reads reads;
        for (const Wanted& each : changed) {
          if (*abandoned) break;
          reads.push_back(read(each, abandoned.get()));
        }
        to->put(std::move(reads));
      });
  if (started) return;
  under_way_->abandon();
  under_way_.reset();
  warn("zone files are not read now: the system has no thread left");
}

void ZoneFiles::finish(Reads reads, const std::vector<Wanted>& wanted) {
  under_way_.reset();
  std::vector<dns::Name> changed;
  std::vector<std::string> served;  // told when it is so
  bool large = false;
  {
    std::vector<Kept> all;
    for (const Wanted& each : wanted) {
      const Kept* const old = find(each);
      Kept kept = old != nullptr ? *old : Kept{each, {}, nullptr, 0, {}};
      const auto fresh = std::find_if(reads.begin(), reads.end(),
                                      [&](const Read& read) { return read.wanted == each; });
      if (fresh == reads.end()) {
        if (old != nullptr) all.push_back(std::move(kept));
        continue;
      }
      kept.files = std::move(fresh->files);
      std::string error;
      for (const Problem& problem : fresh->reading.problems) {
        if (problem.is_error() && error.empty()) {
          error = registry::to_string(problem);
        } else if (!problem.is_error()) {
          logger_->warn("plugin/{}: {}", options_.directive, registry::to_string(problem));
        }
      }
      if (fresh->reading.table == nullptr) {
        ++kept.failures;
        if (error != kept.last_error) {
          warn(error + (kept.table != nullptr ? "; still serving what it held" : ""));
        }
        kept.last_error = error;
      } else {
        kept.last_error.clear();
        kept.table = std::move(fresh->reading.table);
        large = large || kept.table->records() > kLarge;
        changed.push_back(each.origin);
        served.push_back(
            fmt::format("Successfully reloaded zone \"{}\" in \"{}\" with {} SOA serial",
                        zone_text(each.origin), each.path.string(), kept.table->serial()));
      }
      all.push_back(std::move(kept));
    }
    for (const Kept& kept : kept_) {
      if (std::find(wanted.begin(), wanted.end(), kept.wanted) == wanted.end()) {
        served.push_back(fmt::format("Deleting zone \"{}\"", zone_text(kept.wanted.origin)));
      }
    }
    const std::lock_guard lock(mutex_);
    kept_ = std::move(all);
  }
  reads.clear();
  publish();
  for (const std::string& line : served) {
    logger_->info("plugin/{}: {}", options_.directive, line);
  }
  // What reading took and freed goes back to the system.
  if (large) ::malloc_trim(0);
  if (!changed.empty() && *source_.changed) (*source_.changed)(changed);
  watch();
  if (again_) reload();
}

void ZoneFiles::watch() {
  std::vector<std::filesystem::path> paths = options_.places;
  for (const Kept& kept : kept_) {
    for (const auto& [file, stamp] : kept.files) {
      // What is in a folder that is watched is seen there.
      const bool below = std::any_of(options_.places.begin(), options_.places.end(),
                                     [&](const std::filesystem::path& place) {
                                       return file.string().starts_with(place.string() + "/");
                                     });
      if (!below) paths.push_back(file);
    }
  }
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  if (paths == watched_ && watcher_ != nullptr) return;
  watched_ = paths;
  watcher_ = std::make_unique<registry::FileWatcher>(
      *io_, std::move(paths), [this] { reload(); },
      [logger = logger_, directive = options_.directive](const std::string& warning) {
        logger->warn("plugin/{}: {}", directive, warning);
      });
  watcher_->start();
}

void ZoneFiles::look_later() {
  timer_->expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::max<std::chrono::nanoseconds>(options_.interval, std::chrono::seconds(1))));
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    reload();
    look_later();
  });
}

void ZoneFiles::start(boost::asio::io_context& io) {
  io_ = &io;
  if (options_.interval == std::chrono::nanoseconds::zero()) return;
  timer_ = std::make_unique<boost::asio::steady_timer>(io);
  look_later();
  watch();
  // Something may have changed since it was read.
  reload();
}

void ZoneFiles::stop() noexcept {
  watcher_.reset();
  timer_.reset();
  if (abandoned_ != nullptr) *abandoned_ = true;
  if (under_way_ != nullptr) under_way_->abandon();
  under_way_.reset();
}

void add_zone_files(const std::shared_ptr<ZoneFiles>& files, const ZoneSource& source,
                    const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  if (!environment.elsewhere) {
    std::vector<std::shared_ptr<ZoneFiles>> before;
    if (environment.previous != nullptr) {
      for (const auto& companion : environment.previous->companions) {
        auto kept = std::dynamic_pointer_cast<ZoneFiles>(companion);
        if (kept != nullptr) before.push_back(std::move(kept));
      }
    }
    files->load(before, environment.problems, directive.name.at);
  }
  environment.companions.push_back(files);
  environment.collectors.push_back(
      Metrics::Collector([files](Exposition& out) { files->collect(out); }, files));
  add_zone_stage(source, setup);
}

void add_zone_stage(const ZoneSource& source, BlockSetup& setup) {
  for (const auto& stage : setup.route.stages) {
    const auto other = std::dynamic_pointer_cast<zones::ZoneStage>(stage);
    if (other == nullptr || other->name() != source.stage->name()) continue;
    other->add_sibling(*source.stage);
    source.stage->add_sibling(*other);
  }
  setup.route.stages.push_back(source.stage);
}

void ZoneFiles::collect(Exposition& out) const {
  const std::lock_guard lock(mutex_);
  for (const Kept& kept : kept_) {
    const std::string zone = zone_text(kept.wanted.origin);
    const Exposition::Labels labels{{"directive", options_.directive}, {"zone", zone}};
    if (kept.table != nullptr) {
      out.latest("clusterdns_zone_serial", "The serial of the zone that is served.", labels,
                 static_cast<double>(kept.table->serial()));
      out.latest("clusterdns_zone_records", "Records of the zone that is served.", labels,
                 static_cast<double>(kept.table->records()));
    }
    out.counter("clusterdns_zone_failed_reads_total",
                "How often the zone could not be read, so that what was served before stayed.",
                labels, static_cast<double>(kept.failures));
  }
}

}  // namespace clusterdns::app
