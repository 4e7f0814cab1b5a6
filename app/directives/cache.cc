// cache [TTL] [ZONES…] {
//   success CAPACITY [TTL] [MINTTL]   entries, the longest and the shortest time they are kept
//   denial CAPACITY [TTL] [MINTTL]    the same for names and types that do not exist
//   servfail DURATION                 how long failures are kept; 5s, 0 for not at all, at most 5m
//   disable success|denial [ZONES…]   not kept at and below these
//   keepttl                           TTLs do not count down
// }
#include <algorithm>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"
#include "app/directives/stage_metrics.h"
#include "dns/cache/cache_stage.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kProperties[] = {"success", "denial", "servfail", "disable", "keepttl"};
constexpr std::string_view kLater[] = {"prefetch", "serve_stale", "serve_stale_policy"};
constexpr std::int64_t kMaxTtl = 0x7FFFFFFF;          // RFC 2181 section 8
constexpr std::chrono::minutes kMaxServfail{5};      // RFC 2308 section 7.1

std::uint32_t ttl_of(const Token& token, std::int64_t least) {
  return static_cast<std::uint32_t>(parse_integer(token, least, kMaxTtl));
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void set_up_cache(const Directive& directive, BlockSetup& setup) {
  dns::CacheOptions options;
  std::vector<Token> zones = directive.args;
  if (!zones.empty() && is_number(zones.front().text)) {
    options.success.max_ttl = options.denial.max_ttl = ttl_of(zones.front(), 1);
    zones.erase(zones.begin());
  }
  for (const std::string& zone : parse_zones(zones, setup.block)) {
    options.zones.push_back(zone_name(zone, directive.name.at));
  }
  for (const Directive& p : directive.block) {
    const std::string& name = p.name.text;
    if (name == "success" || name == "denial") {
      require_arguments(p, 1, 3, name + " CAPACITY [TTL] [MINTTL]");
      auto& kind = name == "success" ? options.success : options.denial;
      kind.capacity = static_cast<std::size_t>(
          parse_integer(p.args[0], 0, std::int64_t{dns::kMaxCacheCapacity}));
      if (p.args.size() > 1) kind.max_ttl = ttl_of(p.args[1], 1);
      if (p.args.size() > 2) kind.min_ttl = ttl_of(p.args[2], 0);
    } else if (name == "servfail") {
      options.servfail_ttl = static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::seconds>(
              parse_duration(only_argument(p, "servfail DURATION"), BareDuration::Refused,
                             std::chrono::nanoseconds::zero(), kMaxServfail))
              .count());
    } else if (name == "disable") {
      require_arguments(p, 1, kAnyNumber, "disable success|denial [ZONES…]");
      static constexpr std::string_view kKinds[] = {"success", "denial"};
      auto& except = parse_choice(p.args[0], kKinds) == "success" ? options.success.except
                                                                 : options.denial.except;
      if (p.args.size() == 1) {
        except.emplace_back();  // the root
      } else {
        const std::vector<Token> listed(p.args.begin() + 1, p.args.end());
        for (const std::string& zone : parse_zones(listed, setup.block)) {
          except.push_back(zone_name(zone, p.args[1].at));
        }
      }
    } else if (name == "keepttl") {
      require_bare(p);
      options.keep_ttl = true;
    } else if (std::find(std::begin(kLater), std::end(kLater), name) != std::end(kLater)) {
      throw ConfigError(p.name.at, "cache: '" + name +
                                       "' is an option of CoreDNS that is not built yet; remove it "
                                       "to go on without");
    } else {
      fail_unknown_property(p, "cache", kProperties);
    }
    require_no_block(p);
  }
  std::string labels;
  for (const dns::Name& zone : options.zones) labels += (labels.empty() ? "" : ",") + zone.to_text();
  auto cache = std::make_shared<dns::AnswerCache>(std::move(options), setup.environment.reclaim);
  setup.environment.collectors.push_back(cache_metrics(cache, setup.server, std::move(labels)));
  setup.route.cache = cache;
  setup.route.stages.push_back(std::make_shared<dns::CacheStage>(std::move(cache)));
}

}  // namespace clusterdns::app
