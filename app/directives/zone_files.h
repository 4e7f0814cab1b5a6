// The zone files behind `file` and `auto`: read, and followed while the server runs.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/logger.h>
#include <boost/asio/steady_timer.hpp>

#include "app/directives/directive.h"
#include "zones/file/zone_reader.h"
#include "zones/file/zone_stage.h"

namespace clusterdns::registry {
class FileWatcher;
template <class Result>
class Delivery;
}  // namespace clusterdns::registry

namespace clusterdns::app {

// Zones of one directive, and who wants to know when they change.
struct ZoneSource {
  std::shared_ptr<zones::ZoneStage> stage;
  // Set by whoever wants to know: called on the control thread with zones that were read again.
  std::shared_ptr<std::function<void(const std::vector<dns::Name>&)>> changed =
      std::make_shared<std::function<void(const std::vector<dns::Name>&)>>();
};

class ZoneFiles final : public Companion {
 public:
  // A file, and the zone that is in it.
  struct Wanted {
    std::filesystem::path path;
    dns::Name origin;  // in lower case
    friend bool operator==(const Wanted&, const Wanted&) = default;
  };
  struct Options {
    std::string directive;  // "file"
    // What there is to read, now. May warn of what is odd. `*whole` becomes false when there may be
    // more that could not be looked at: what was served of that stays.
    std::function<std::vector<Wanted>(const std::function<void(const std::string&)>& warn,
                                      bool* whole)>
        list;
    // Where to look for changes, besides the files themselves.
    std::vector<std::filesystem::path> places;
    // Between looks at what the kernel does not tell (other machines' disks); 0: nothing is
    // followed.
    std::chrono::nanoseconds interval = std::chrono::minutes(1);
    // A zone whose file cannot be read stops a start; one whose file is not there is SERVFAIL.
    // Otherwise such zones are none of the directive's.
    bool fixed = true;
  };

  ZoneFiles(Options options, ZoneSource source, std::shared_ptr<spdlog::logger> logger);
  ~ZoneFiles() override;

  // Reads all files and publishes what they say, before this returns. `before` are those of the
  // configuration before: a file that has not changed since is not read again, and where one is
  // broken now its last good zone stays.
  void load(const std::vector<std::shared_ptr<ZoneFiles>>& before, Problems& problems,
            const Position& at);

  void start(boost::asio::io_context& io) override;
  void stop() noexcept override;

  [[nodiscard]] const ZoneSource& source() const noexcept { return source_; }

  // For metrics; any thread.
  void collect(Exposition& out) const;

 private:
  // What tells one state of a file from another.
  struct Stamp {
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    std::uint64_t size = 0;
    std::uint64_t inode = 0;  // 0: there is no file
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  using Stamps = std::map<std::filesystem::path, Stamp>;
  struct Kept {
    Wanted wanted;
    Stamps files;  // that were read for it, or should have been
    std::shared_ptr<const zones::ZoneTable> table;
    std::uint64_t failures = 0;
    std::string last_error;
  };
  // A zone that was read again.
  struct Read {
    Wanted wanted;
    Stamps files;
    zones::ZoneReading reading;
  };
  using Reads = std::vector<Read>;

  static Stamp stamp_of(const std::filesystem::path& path) noexcept;
  static Read read(const Wanted& wanted, const std::atomic<bool>* abandoned);
  [[nodiscard]] static bool is_current(const Kept& kept) noexcept;
  [[nodiscard]] const Kept* find(const Wanted& wanted) const;
  // Those that are served of no zone in `list`.
  [[nodiscard]] std::vector<Kept> unlisted(const std::vector<Wanted>& list) const;

  void warn(const std::string& text);
  void reload();
  void finish(Reads reads, const std::vector<Wanted>& wanted);
  void publish();
  void watch();
  void look_later();

  const Options options_;
  const ZoneSource source_;
  const std::shared_ptr<spdlog::logger> logger_;
  mutable std::mutex mutex_;  // of kept_, which is written by the control thread alone
  std::vector<Kept> kept_;
  std::string last_warning_;
  boost::asio::io_context* io_ = nullptr;
  std::unique_ptr<boost::asio::steady_timer> timer_;
  std::unique_ptr<registry::FileWatcher> watcher_;
  std::vector<std::filesystem::path> watched_;
  std::shared_ptr<registry::Delivery<Reads>> under_way_;
  std::shared_ptr<std::atomic<bool>> abandoned_;
  bool again_ = false;  // something changed meanwhile
};

// Adds the stage to the block: of several of one directive the longest zone answers.
void add_zone_stage(const ZoneSource& source, BlockSetup& setup);
// Reads them, and adds stage, companion and figures to the block.
void add_zone_files(const std::shared_ptr<ZoneFiles>& files, const ZoneSource& source,
                    const Directive& directive, BlockSetup& setup);

}  // namespace clusterdns::app
