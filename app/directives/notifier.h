// Tells other servers that zones have changed (NOTIFY, RFC 1996).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <spdlog/logger.h>
#include <boost/asio/ip/address.hpp>

#include "app/directives/directive.h"
#include "dns/net/endpoint.h"
#include "dns/wire/tsig.h"
#include "dns/wire/zone_set.h"
#include "zones/file/zone_stage.h"

namespace clusterdns::app {

// Messages under way at the same time, and those that wait for their turn.
inline constexpr std::size_t kMaxNotifiesUnderWay = 64;
inline constexpr std::size_t kMaxNotifies = 100'000;

class Notifier final : public Companion {
 public:
  struct Rule {
    dns::ZoneSet zones;
    std::vector<dns::Endpoint> to;
    std::optional<boost::asio::ip::address> source;
    std::shared_ptr<const dns::TsigKey>
        key;  // that messages are signed with; nullptr: they are not
  };

  // `of` tells those of several server blocks apart.
  Notifier(std::shared_ptr<spdlog::logger> logger, const void* of);
  [[nodiscard]] bool serves(const void* of) const noexcept { return of_ == of; }
  ~Notifier() override;

  // Before the start.
  void add_rule(Rule rule) { rules_.push_back(std::move(rule)); }
  void add_source(std::shared_ptr<const zones::ZoneStage> stage) {
    sources_.push_back(std::move(stage));
  }

  // Tells those that the rule with the longest zone names. Control thread; nothing before start().
  void notify(const std::vector<dns::Name>& zones);

  // Tells of all zones that there are, as CoreDNS does.
  void start(boost::asio::io_context& io) override;
  void stop() noexcept override;

 private:
  class Attempt;
  struct Wanted {
    dns::Name zone;
    dns::Endpoint to;
    std::optional<boost::asio::ip::address> source;
    std::shared_ptr<const dns::TsigKey> key;
  };

  void begin_more();
  void end(const std::shared_ptr<Attempt>& attempt, const std::string& error);

  const std::shared_ptr<spdlog::logger> logger_;
  const void* const of_;
  std::vector<Rule> rules_;
  std::vector<std::shared_ptr<const zones::ZoneStage>> sources_;
  boost::asio::io_context* io_ = nullptr;
  std::deque<Wanted> waiting_;
  std::set<std::shared_ptr<Attempt>> under_way_;
  std::shared_ptr<int> alive_;  // between start() and stop()
};

// The octets of a NOTIFY about `zone`.
[[nodiscard]] std::vector<std::uint8_t> notify_message(std::uint16_t id, const dns::Name& zone);

}  // namespace clusterdns::app
