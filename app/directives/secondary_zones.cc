#include "app/directives/secondary_zones.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "registry/background.h"

namespace clusterdns::app {
namespace {

// CoreDNS's, without a zone: doubled from the one to the other.
constexpr std::chrono::milliseconds kFirstWait{250};
constexpr std::chrono::seconds kLongestWait{10};
// How often a zone is tried like this when its primary has said that there is something new: what
// is refused because of too many transfers, say, goes through a moment later.
constexpr unsigned kHurry = 8;
// Before a zone is asked about at its time, so that not all are at once.
constexpr std::chrono::milliseconds kRefreshJitter{5000};
constexpr std::chrono::milliseconds kRetryJitter{2000};
// What a SOA says is taken to be no less.
constexpr std::chrono::seconds kLeastTime{1};

std::chrono::milliseconds up_to(std::chrono::milliseconds most) {
  return std::chrono::milliseconds(std::random_device()() % static_cast<unsigned>(most.count()));
}

std::chrono::seconds seconds_of(std::uint32_t time) {
  return std::max(kLeastTime, std::chrono::seconds(time));
}

}  // namespace

NotifyMarks::NotifyMarks(std::size_t zones)
    : marks_(std::make_unique<std::atomic<bool>[]>(zones)),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

NotifyMarks::~NotifyMarks() {
  if (event_ >= 0) ::close(event_);
}

void NotifyMarks::set(std::size_t zone) noexcept {
  if (marks_[zone].exchange(true, std::memory_order_acq_rel) || event_ < 0) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

bool NotifyMarks::take(std::size_t zone) noexcept {
  return marks_[zone].exchange(false, std::memory_order_acq_rel);
}

NotifyStage::NotifyStage(dns::ZoneSet zones, std::vector<dns::Endpoint> primaries,
                         std::shared_ptr<NotifyMarks> marks)
    : zones_(std::move(zones)), primaries_(std::move(primaries)), marks_(std::move(marks)) {}

dns::NotifyTarget::Told NotifyStage::notified(dns::NameView zone,
                                              const dns::Endpoint& from) noexcept {
  const std::size_t at = zones_.find(zone);
  if (at == dns::ZoneSet::kNone || zones_[at].size() != zone.size()) return Told::NotMine;
  const bool primary =
      std::any_of(primaries_.begin(), primaries_.end(), [&](const dns::Endpoint& each) {
        return each.v6 == from.v6 && each.address == from.address;
      });
  if (!primary) return Told::Refused;
  marks_->set(at);
  return Told::Taken;
}

SecondaryZones::SecondaryZones(const dns::ZoneSet& zones, std::vector<dns::Endpoint> primaries,
                               std::shared_ptr<const dns::TsigKey> key, ZoneSource source,
                               std::shared_ptr<spdlog::logger> logger)
    : primaries_(std::move(primaries)),
      key_(std::move(key)),
      source_(std::move(source)),
      logger_(std::move(logger)),
      marks_(std::make_shared<NotifyMarks>(zones.size())) {
  for (std::size_t i = 0; i < zones.size(); ++i) {
    zones_.push_back({});
    zones_.back().name = dns::Name(zones[i]);
    zones_.back().wait = kFirstWait;
  }
}

SecondaryZones::~SecondaryZones() { stop(); }

void SecondaryZones::take_over(const std::vector<std::shared_ptr<SecondaryZones>>& before) {
  const auto same = [](const dns::Endpoint& a, const dns::Endpoint& b) {
    return a.v6 == b.v6 && a.address == b.address && a.port == b.port;
  };
  for (const auto& other : before) {
    if (!std::equal(primaries_.begin(), primaries_.end(), other->primaries_.begin(),
                    other->primaries_.end(), same)) {
      continue;
    }
    for (Kept& zone : zones_) {
      for (const Kept& kept : other->zones_) {
        if (zone.table != nullptr || kept.table == nullptr || kept.name.view().size() == 0 ||
            !dns::equal_ignoring_case(kept.name.view(), zone.name.view())) {
          continue;
        }
        zone.table = kept.table;
        zone.expired = kept.expired;
        // With another key it is asked at once what it says now.
        const bool same_key = (key_ == nullptr) == (other->key_ == nullptr) &&
                              (key_ == nullptr || *key_ == *other->key_);
        zone.due = same_key ? kept.due : Clock::now();
        zone.expires = kept.expires;
        zone.failures = kept.failures;
      }
    }
  }
  publish();
}

void SecondaryZones::start(boost::asio::io_context& io) {
  io_ = &io;
  abandoned_ = std::make_shared<std::atomic<bool>>(false);
  timer_ = std::make_unique<boost::asio::steady_timer>(io);
  if (marks_->event() >= 0) {
    event_ = std::make_unique<boost::asio::posix::stream_descriptor>(io, ::dup(marks_->event()));
    listen();
  }
  look();
}

void SecondaryZones::stop() noexcept {
  if (abandoned_ != nullptr) *abandoned_ = true;
  abandoned_.reset();
  timer_.reset();
  event_.reset();
  for (Kept& zone : zones_) {
    if (zone.under_way != nullptr) zone.under_way->abandon();
    zone.under_way.reset();
  }
  under_way_ = 0;
  io_ = nullptr;
}

void SecondaryZones::listen() {
  event_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const boost::system::error_code& error) {
                       if (error) return;
                       std::uint64_t count = 0;
                       // Before the marks are looked at: what is set from now on is read again.
                       [[maybe_unused]] const ssize_t read =
                           ::read(event_->native_handle(), &count, sizeof count);
                       for (std::size_t i = 0; i < zones_.size(); ++i) {
                         if (!marks_->take(i)) continue;
                         zones_[i].due = Clock::now();
                         zones_[i].hurry = kHurry;
                         if (zones_[i].table != nullptr) zones_[i].wait = kFirstWait;
                         zones_[i].again = zones_[i].under_way != nullptr;
                       }
                       look();
                       listen();
                     });
}

// Begins what is due, lets expire what has to, and comes back when there is more to do.
void SecondaryZones::look() {
  const Clock::time_point now = Clock::now();
  Clock::time_point next = Clock::time_point::max();
  std::vector<std::size_t> expired;
  for (std::size_t i = 0; i < zones_.size(); ++i) {
    Kept& zone = zones_[i];
    if (zone.table != nullptr && !zone.expired) {
      if (now >= zone.expires) {
        zone.expired = true;
        expired.push_back(i);
      } else {
        next = std::min(next, zone.expires);
      }
    }
    if (zone.under_way != nullptr) continue;
    if (now < zone.due) {
      next = std::min(next, zone.due);
    } else if (under_way_ < kMaxTransfersIn) {
      begin(i);
    }
  }
  if (!expired.empty()) publish();
  for (const std::size_t i : expired) {
    logger_->warn("plugin/secondary: zone \"{}\" has expired, and is SERVFAIL from now on",
                  zones_[i].name.to_text());
  }
  if (next == Clock::time_point::max()) return;
  timer_->expires_at(next);
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

void SecondaryZones::begin(std::size_t i) {
  Kept& zone = zones_[i];
  zone.under_way = std::make_shared<registry::Delivery<ZoneFetch>>(
      *io_, [this, i](ZoneFetch fetch) { end(i, std::move(fetch)); });
  ++under_way_;
  std::optional<std::uint32_t> have;
  if (zone.table != nullptr) have = zone.table->serial();
  const bool started =
      registry::run_detached([delivery = zone.under_way, name = zone.name, primaries = primaries_,
                              have, key = key_, abandoned = abandoned_] {
        delivery->put(fetch_zone(name, primaries, have, key, *abandoned));
      });
  if (started) return;
  ZoneFetch none;
  none.error = "there is no thread for it";
  zone.under_way->put(std::move(none));
}

void SecondaryZones::end(std::size_t i, ZoneFetch fetch) {
  const Clock::time_point now = Clock::now();
  const std::string text = zones_[i].name.to_text();
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    Kept& zone = zones_[i];
    zone.under_way.reset();
    --under_way_;
    if (fetch.what == ZoneFetch::What::Fetched) {
      zone.table = std::move(fetch.table);
      changed = true;
    } else if (fetch.what == ZoneFetch::What::Failed) {
      ++zone.failures;
    }
    if (fetch.what != ZoneFetch::What::Failed) {
      const zones::ZoneTable::Times times = zone.table->times();
      changed = changed || zone.expired;
      zone.expired = false;
      zone.wait = kFirstWait;
      zone.hurry = 0;
      zone.expires = now + seconds_of(times.expire);
      zone.due = now + seconds_of(times.refresh) + up_to(kRefreshJitter);
    } else if (zone.table == nullptr) {
      zone.due = now + zone.wait;
    } else if (zone.hurry != 0) {
      --zone.hurry;
      zone.due = now + std::min<Clock::duration>(zone.wait, seconds_of(zone.table->times().retry));
      zone.wait = std::min<Clock::duration>(zone.wait * 2, kLongestWait);
    } else {
      zone.due = now + seconds_of(zone.table->times().retry) + up_to(kRetryJitter);
    }
    if (std::exchange(zone.again, false)) {
      zone.due = now;
      zone.hurry = kHurry;
      if (zone.table != nullptr) zone.wait = kFirstWait;
    }
  }
  Kept& zone = zones_[i];
  if (changed) publish();  // what is told is so
  if (fetch.what == ZoneFetch::What::Fetched) {
    logger_->info("plugin/secondary: Transferred: {} from {}", text, fetch.from);
    for (const std::string& warning : fetch.warnings) {
      logger_->warn("plugin/secondary: zone \"{}\": {}", text, warning);
    }
  } else if (fetch.what == ZoneFetch::What::Failed && zone.table != nullptr) {
    logger_->warn("plugin/secondary: Failed refresh check of zone \"{}\": {}", text, fetch.error);
  } else if (fetch.what == ZoneFetch::What::Failed) {
    logger_->warn("plugin/secondary: All '{}' masters failed to transfer, retrying in {} ms: {}",
                  text, std::chrono::duration_cast<std::chrono::milliseconds>(zone.wait).count(),
                  fetch.error);
    zone.wait = std::min<Clock::duration>(zone.wait * 2, kLongestWait);
  }
  if (fetch.what == ZoneFetch::What::Fetched && *source_.changed) (*source_.changed)({zone.name});
  look();
}

void SecondaryZones::publish() {
  auto list = std::make_unique<zones::ZoneList>();
  for (const Kept& zone : zones_) list->add(zone.name, zone.expired ? nullptr : zone.table);
  source_.stage->publish(std::move(list));
}

void SecondaryZones::collect(Exposition& out) const {
  const std::lock_guard lock(mutex_);
  for (const Kept& zone : zones_) {
    const std::string name = zone.name.to_text();  // labels refer to it
    const Exposition::Labels labels{{"directive", "secondary"}, {"zone", name}};
    if (zone.table != nullptr) {
      out.latest("clusterdns_zone_serial", "The serial of the zone that is served.", labels,
                 static_cast<double>(zone.table->serial()));
      out.latest("clusterdns_zone_records", "Records of the zone that is served.", labels,
                 static_cast<double>(zone.table->records()));
    }
    out.counter("clusterdns_zone_failed_transfers_total",
                "How often no primary gave the zone, or its serial.", labels,
                static_cast<double>(zone.failures));
  }
}

}  // namespace clusterdns::app
