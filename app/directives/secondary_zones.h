// The zones behind `secondary`: fetched from their primaries, and kept as fresh as their SOA says.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/directives/zone_fetch.h"
#include "app/directives/zone_files.h"
#include "dns/query/notify.h"

namespace clusterdns::app {

// Transfers under way at once, of one directive; others wait for their turn.
inline constexpr std::size_t kMaxTransfersIn = 10;

// What workers leave behind of NOTIFYs: a mark for each zone.
class NotifyMarks {
 public:
  explicit NotifyMarks(std::size_t zones);
  ~NotifyMarks();
  NotifyMarks(const NotifyMarks&) = delete;
  NotifyMarks& operator=(const NotifyMarks&) = delete;

  // Any thread.
  void set(std::size_t zone) noexcept;
  // Whether it was set; it is not any more.
  [[nodiscard]] bool take(std::size_t zone) noexcept;
  // An eventfd that can be read when one is set; -1: there is none.
  [[nodiscard]] int event() const noexcept { return event_; }

 private:
  std::unique_ptr<std::atomic<bool>[]> marks_;
  int event_;
};

// Takes NOTIFYs (RFC 1996) about the zones from their primaries. No query is answered here.
class NotifyStage final : public dns::Stage, public dns::NotifyTarget {
 public:
  NotifyStage(dns::ZoneSet zones, std::vector<dns::Endpoint> primaries,
              std::shared_ptr<NotifyMarks> marks);

  [[nodiscard]] std::string_view name() const noexcept override { return "secondary"; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange&) noexcept override { return dns::Verdict::Next; }
  [[nodiscard]] Told notified(dns::NameView zone, const dns::Endpoint& from) noexcept override;

 private:
  const dns::ZoneSet zones_;
  const std::vector<dns::Endpoint> primaries_;
  const std::shared_ptr<NotifyMarks> marks_;
};

class SecondaryZones final : public Companion {
 public:
  // With `key` the primaries are asked with signatures, and answer with them.
  SecondaryZones(const dns::ZoneSet& zones, std::vector<dns::Endpoint> primaries,
                 std::shared_ptr<const dns::TsigKey> key, ZoneSource source,
                 std::shared_ptr<spdlog::logger> logger);
  ~SecondaryZones() override;

  // What those of the configuration before have of the same zones and primaries goes on. Publishes
  // what there is then.
  void take_over(const std::vector<std::shared_ptr<SecondaryZones>>& before);

  void start(boost::asio::io_context& io) override;
  void stop() noexcept override;

  [[nodiscard]] const ZoneSource& source() const noexcept { return source_; }
  [[nodiscard]] const std::shared_ptr<NotifyMarks>& marks() const noexcept { return marks_; }
  // For metrics; any thread.
  void collect(Exposition& out) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    dns::Name name;
    std::shared_ptr<const zones::ZoneTable> table;  // also when it has expired
    bool expired = false;
    Clock::time_point due{};      // to be asked about again
    Clock::time_point expires{};  // with a table
    Clock::duration wait{};       // between tries without a table, or behind a NOTIFY
    unsigned hurry = 0;           // tries behind a NOTIFY that do not wait for the SOA's retry
    std::uint64_t failures = 0;
    std::shared_ptr<registry::Delivery<ZoneFetch>> under_way{};
    bool again = false;  // a NOTIFY came meanwhile
  };

  void listen();
  void look();
  void begin(std::size_t zone);
  void end(std::size_t zone, ZoneFetch fetch);
  void publish();

  const std::vector<dns::Endpoint> primaries_;
  const std::shared_ptr<const dns::TsigKey> key_;
  const ZoneSource source_;
  const std::shared_ptr<spdlog::logger> logger_;
  const std::shared_ptr<NotifyMarks> marks_;
  mutable std::mutex mutex_;  // of zones_, which is written by the control thread alone
  std::vector<Kept> zones_;
  std::size_t under_way_ = 0;
  boost::asio::io_context* io_ = nullptr;
  std::unique_ptr<boost::asio::steady_timer> timer_;
  std::unique_ptr<boost::asio::posix::stream_descriptor> event_;
  std::shared_ptr<std::atomic<bool>> abandoned_;
};

}  // namespace clusterdns::app
