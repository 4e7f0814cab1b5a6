// cache [TTL] [ZONES…] { OPTION… }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/stage_metrics.h"
#include "dns/query/ttl_bounds.h"
#include "dns/resolve/cache_stage.h"

namespace clusterdns::app {
namespace {

constexpr std::int64_t kMaxTtl = 0x7FFFFFFF;     // RFC 2181 section 8
constexpr std::chrono::minutes kMaxServfail{5};  // RFC 2308 section 7.1
constexpr std::chrono::minutes kMaxRecheck{5};   // RFC 8767 section 5
constexpr std::chrono::hours kMaxTime{24 * 365};

std::uint32_t ttl_of(const Token& token, std::int64_t least) {
  return static_cast<std::uint32_t>(parse_integer(token, least, kMaxTtl));
}

// What can only be meant as the TTL, right or wrong: `cache -5`, `cache 30s`.
bool is_meant_as_ttl(std::string_view text) {
  const bool sign = text.starts_with('-') || text.starts_with('+');
  if (sign) text.remove_prefix(1);
  return !text.empty() && text.front() >= '0' && text.front() <= '9' &&
         text.find_first_of("./:") == std::string_view::npos;
}

// The stages of one block that forward, in their order.
std::vector<std::shared_ptr<dns::ForwardStage>> forwards_of(const BlockId& block,
                                                            const Environment& environment) {
  std::vector<std::shared_ptr<dns::ForwardStage>> stages;
  for (const ForwardOfBlock& each : environment.forwards) {
    if (each.block == block) stages.push_back(each.stage);
  }
  return stages;
}

// The cache of that block before the reload, when it keeps the same, and answers of the same
// upstreams; else nullptr.
const CacheOfBlock* find_kept(const CacheOfBlock& wanted, const Environment& environment) {
  if (environment.previous == nullptr) return nullptr;
  for (const CacheOfBlock& each : environment.previous->caches) {
    if (each.block == wanted.block && says_the_same(each.directive, wanted.directive) &&
        forwards_of(wanted.block, environment) ==
            forwards_of(wanted.block, *environment.previous)) {
      return &each;
    }
  }
  return nullptr;
}

// What the lines of the block are read into.
struct Reading {
  dns::CacheOptions options;
  const ServerBlock& block;
  bool rechecks = false;  // FAILURE_RECHECK was given
};

template <auto Member>
void read_kind(const Directive& line, Reading& reading) {
  dns::CacheOptions::Kind& kind = reading.options.*Member;
  kind.capacity = static_cast<std::size_t>(
      parse_integer(line.args[0], 0, std::int64_t{dns::kMaxCacheCapacity}));
  if (line.args.size() > 1) kind.max_ttl = ttl_of(line.args[1], 1);
  if (line.args.size() > 2) kind.min_ttl = ttl_of(line.args[2], 0);
}

void read_servfail(const Directive& line, Reading& reading) {
  const auto time = parse_duration(line.args[0], BareDuration::Refused,
                                   std::chrono::nanoseconds::zero(), kMaxServfail);
  reading.options.servfail_ttl =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

void read_disable(const Directive& line, Reading& reading) {
  static constexpr std::string_view kKinds[] = {"success", "denial"};
  auto& except = parse_choice(line.args[0], kKinds) == "success" ? reading.options.success.except
                                                                 : reading.options.denial.except;
  except = {};  // the last line counts, as in CoreDNS
  if (line.args.size() == 1) {
    except.add(dns::Name());  // the root
    return;
  }
  const std::vector<Token> listed(line.args.begin() + 1, line.args.end());
  for (const std::string& zone : parse_zones(listed, reading.block)) {
    except.add(zone_name(zone, line.args[1].at));
  }
}

void read_prefetch(const Directive& line, Reading& reading) {
  auto& prefetch = reading.options.prefetch;
  prefetch = {};  // the last line counts
  prefetch.amount = static_cast<std::uint32_t>(parse_integer(line.args[0], 0, kMaxTtl));
  if (line.args.size() > 1) {
    prefetch.gap_ns = parse_duration(line.args[1], BareDuration::Refused, {}, kMaxTime).count();
  }
  if (line.args.size() > 2) {
    Token percent = line.args[2];
    if (!percent.text.ends_with('%')) {
      fail(percent, "has no percent sign; write it like 10%");
    }
    percent.text.pop_back();
    prefetch.percent = static_cast<std::uint32_t>(parse_integer(percent, 10, 90));
  }
}

// Whole seconds.
std::uint32_t seconds_of(const Token& token, std::chrono::nanoseconds most) {
  const auto time = parse_duration(token, BareDuration::Refused, {}, most);
  if (time % std::chrono::seconds(1) != std::chrono::nanoseconds::zero()) {
    fail(token, "is not a whole number of seconds");
  }
  return static_cast<std::uint32_t>(time / std::chrono::seconds(1));
}

void read_serve_stale(const Directive& line, Reading& reading) {
  auto& stale = reading.options.stale;
  const bool prefer_positive = stale.prefer_positive;
  stale = {};  // the last line counts
  stale.prefer_positive = prefer_positive;
  stale.up_to = 3600;
  reading.rechecks = false;
  auto word = line.args.begin();
  const auto next = [&] { return word == line.args.end() ? nullptr : &*word++; };
  if (const Token* const time = next()) {
    // A fraction of a second is none.
    stale.up_to = static_cast<std::uint32_t>(
        parse_duration(*time, BareDuration::Refused, {}, kMaxTime) / std::chrono::seconds(1));
  }
  if (const Token* const given = next()) {
    Token mode = *given;
    std::transform(mode.text.begin(), mode.text.end(), mode.text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    static constexpr std::string_view kModes[] = {"immediate", "verify"};
    stale.verify = parse_choice(mode, kModes) == "verify";
  }
  if (stale.verify) {
    if (const Token* const patience = next()) {
      stale.patience_ns = parse_duration(*patience, BareDuration::Refused, {}, kMaxTime).count();
    }
  }
  if (const Token* const ttl = next()) stale.ttl = seconds_of(*ttl, std::chrono::seconds(kMaxTtl));
  if (const Token* const recheck = next()) {
    stale.recheck_ns = parse_duration(*recheck, BareDuration::Refused, {}, kMaxRecheck).count();
    reading.rechecks = true;
  }
  if (const Token* const extra = next()) {
    fail(*extra, "is one word too many; VERIFY_TIMEOUT goes with 'verify' only");
  }
}

void read_stale_policy(const Directive& line, Reading& reading) {
  static constexpr std::string_view kPolicies[] = {"prefer_positive"};
  (void)parse_choice(line.args[0], kPolicies);
  reading.options.stale.prefer_positive = true;
}

// "8MiB": a number and a unit of 1024, 1024 x 1024 …
void read_memory(const Directive& line, Reading& reading) {
  const Token& token = line.args[0];
  struct Unit {
    std::string_view name;
    unsigned shift;
  };
  static constexpr Unit kUnits[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
  const auto unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                 [&](const Unit& each) { return token.text.ends_with(each.name); });
  if (unit == std::end(kUnits)) {
    fail(token, "has no unit; write a number and KiB, MiB or GiB, like 64MiB");
  }
  Token number = token;
  number.text.resize(number.text.size() - unit->name.size());
  // As a number of that unit: the least is never rounded down.
  const auto in_unit = [unit](std::size_t octets) {
    return static_cast<std::int64_t>(octets >> unit->shift);
  };
  const std::int64_t least = std::max<std::int64_t>(in_unit(dns::kMinCacheMemory), 1);
  reading.options.memory =
      static_cast<std::size_t>(parse_integer(number, least, in_unit(dns::kMaxCacheMemory)))
      << unit->shift;
}

// A capacity that nobody wrote holds nothing back of the memory.
void fit_capacity(dns::CacheOptions::Kind& kind, std::size_t memory) {
  kind.capacity =
      std::clamp(memory / dns::kCacheOctetsPerEntry, kind.capacity, dns::kMaxCacheCapacity);
}

void read_cut(const Directive& line, Reading& reading) {
  reading.options.cut = {};  // the last line counts
  for (const std::string& zone : parse_zones(line.args, reading.block)) {
    reading.options.cut.add(zone_name(zone, line.name.at));
  }
}

constexpr Option kOptions[] = {
    option<&read_kind<&dns::CacheOptions::success>>(
        "success", "CAPACITY [TTL] [MINTTL]",
        "entries (1024 at least), longest time, shortest time in seconds", "9984, 3600, 5"),
    option<&read_kind<&dns::CacheOptions::denial>>(
        "denial", "CAPACITY [TTL] [MINTTL]", "the same for what does not exist", "9984, 1800, 5"),
    option<&read_servfail>(
        "servfail", "DURATION",
        "how long failures of upstreams are kept, silence of all of them too, 5m at most, `0s` for "
        "not at all; each failure that follows is kept twice as long, up to 30s",
        "5s"),
    option<&read_disable>("disable", "success|denial [ZONE…]", "not kept there"),
    option<[](const Directive&, Reading& reading) { reading.options.keep_ttl = true; }>(
        "keepttl", "", "TTLs do not count down"),
    option<&read_prefetch>(
        "prefetch", "AMOUNT [DURATION] [PERCENTAGE%]",
        "names asked for so often, without a longer gap, are asked again when so much of their "
        "time is left; 10 to 90",
        "`0`; 1m, 10%"),
    option<&read_serve_stale>(
        "serve_stale",
        "[DURATION] [immediate|verify] [VERIFY_TIMEOUT] [RESPONSE_TTL] [FAILURE_RECHECK]",
        "answers are given for so long after their time, at once or after the upstream was asked "
        "for VERIFY_TIMEOUT at most; their TTL; when an upstream that failed is asked again",
        "not at all; 1h, immediate, 1.8s, 30s, as `servfail`"),
    option<&read_stale_policy>("serve_stale_policy", "prefer_positive",
                               "answers with data stay for that time although a later one has none",
                               "", Option::Kind::Line, true),
    option<&read_memory>("memory", "SIZE",
                         "octets of all entries, as a number and KiB, MiB or GiB, 1MiB to 16GiB; "
                         "a CAPACITY that is written holds, too",
                         "512 for each entry of CAPACITY"),
    option<[](const Directive&, Reading& reading) { reading.options.pair_prefetch = true; }>(
        "pair_prefetch", "",
        "for a client that asked for A and AAAA of 8 of its last 10 names the other type is asked "
        "for as well"),
    option<&read_cut>("nxdomain_cut", "[ZONE…]",
                      "below a name that does not exist nothing does, and nobody is asked "
                      "(RFC 8020); without ZONE in those of the block",
                      "not at all"),
};

}  // namespace

std::span<const Option> cache_options() { return kOptions; }

void set_up_cache(const Directive& directive, BlockSetup& setup) {
  Reading reading{{}, setup.block};
  dns::CacheOptions& options = reading.options;
  std::vector<Token> zones = directive.args;
  setup.environment.problems.attempt([&] {
    if (!zones.empty() && is_meant_as_ttl(zones.front().text)) {
      const Token ttl = zones.front();
      zones.erase(zones.begin());
      options.success.max_ttl = options.denial.max_ttl = ttl_of(ttl, 1);
    }
    refuse_option_names(zones, kOptions);
    for (const std::string& zone : parse_zones(zones, setup.block)) {
      options.zones.add(zone_name(zone, directive.name.at));
    }
  });
  const OptionPlaces places =
      read_options(directive, kOptions, setup.environment.problems, reading);
  if (const auto policy = places.find("serve_stale_policy");
      policy != places.end() && !places.contains("serve_stale")) {
    setup.environment.problems.error(policy->second,
                                     "needs 'serve_stale' in the same block; add it");
  }
  if (options.memory != 0) {
    if (!places.contains("success")) fit_capacity(options.success, options.memory);
    if (!places.contains("denial")) fit_capacity(options.denial, options.memory);
  }
  if (!reading.rechecks) {
    options.stale.recheck_ns = std::int64_t{options.servfail_ttl} * 1'000'000'000;
  }
  std::string labels;
  for (std::size_t i = 0; i < options.zones.size(); ++i) {
    labels += (labels.empty() ? "" : ",") + dns::name_to_text(options.zones[i]);
  }
  setup.route.ttl_bounds = std::make_shared<dns::TtlBounds>(
      dns::TtlBounds{options.zones, options.success.max_ttl, options.denial.max_ttl});
  CacheOfBlock made{setup.id(), directive, {}, {}};
  made.cache = std::make_shared<dns::AnswerCache>(std::move(options), setup.environment.reclaim);
  made.stage = std::make_shared<dns::CacheStage>(made.cache);
  setup.route.stages.push_back(made.stage);
  // Whether the one before the reload goes on is known when its upstreams are.
  setup.finish.push_back([&setup, made = std::move(made), labels = std::move(labels)] {
    Environment& environment = setup.environment;
    CacheOfBlock cache = made;
    if (const CacheOfBlock* const before = find_kept(cache, environment)) {
      const auto place =
          std::find(setup.route.stages.begin(), setup.route.stages.end(), cache.stage);
      *place = before->stage;
      cache = *before;
    }
    setup.route.cache = cache.cache;
    environment.collectors.push_back(cache_metrics(cache.cache, setup.server, labels));
    environment.caches.push_back(std::move(cache));
  });
}

}  // namespace clusterdns::app
