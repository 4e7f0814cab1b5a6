// sign DBFILE [ZONES…] { key file KEY… | key directory DIR…  directory DIR }
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/directive.h"
#include "app/directives/zone_directives.h"
#include "app/directives/zone_keys.h"
#include "app/directives/zone_signer.h"
#include "dns/base/descriptor.h"
#include "registry/background.h"
#include "registry/files/file_watcher.h"
#include "zones/file/zone_reader.h"

namespace clusterdns::app {
namespace {

namespace fs = std::filesystem;

// Between two looks at the dates, as in CoreDNS.
constexpr std::chrono::hours kLookAgain{5};
constexpr std::uint32_t kInception = 3 * 3600;  // before; and up to kInceptionJitter earlier
constexpr std::uint32_t kInceptionJitter = 18 * 3600;
constexpr std::uint32_t kExpiration = 32 * 86'400;  // after; and up to kExpirationJitter later
constexpr std::uint32_t kExpirationJitter = 5 * 86'400;
// Of a signed file, to find the signatures of its SOA in.
constexpr std::size_t kHead = std::size_t{64} * 1024;

using Keys = std::vector<std::shared_ptr<const dns::SigningKey>>;

struct SignedZone {
  dns::Name origin;  // in lower case
  fs::path source;
  fs::path result;
  Keys keys;
  // Of the source when it was signed last; nullopt: not by this process.
  std::optional<fs::file_time_type> signed_from = {};

  [[nodiscard]] std::string tags() const {
    std::string text;
    for (const auto& key : keys) text += (text.empty() ? "" : ",") + std::to_string(key->tag());
    return text;
  }
};

// What came of a look at a zone, on a thread of its own.
struct Outcome {
  std::size_t zone = 0;
  std::string why;    // it had to be signed; empty: it had not
  std::string error;  // it could not be
  std::vector<std::string> warnings;
  std::optional<fs::file_time_type> source_time;
  std::uint32_t serial = 0;
  double seconds = 0;
};

std::string head_of(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};
  std::ifstream in(file, std::ios::binary);
  std::string text(kHead, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

std::string why_sign(const SignedZone& zone, std::optional<fs::file_time_type> source_time,
                     std::uint32_t now) {
  std::error_code error;
  if (!fs::exists(zone.result, error)) return in_quotes(zone.result.string()) + " is not there";
  const auto result_time = fs::last_write_time(zone.result, error);
  if (!error && source_time && *source_time > result_time && source_time != zone.signed_from) {
    return in_quotes(zone.source.string()) + " has changed";
  }
  return why_sign(find_signed_soa(head_of(zone.result)), zone.keys, now);
}

// A file beside another one, which takes its place when it is whole. Not by replace_file(): a zone
// is written in pieces, and read back before; and its name there is one that `auto` would serve.
class Beside {
 public:
  explicit Beside(const fs::path& target) : target_(target) {
    path_ = (target.parent_path() / "signed-XXXXXX").string();
    out_ = dns::Descriptor(::mkostemp(path_.data(), O_CLOEXEC));
    if (!out_) path_.clear();
  }
  ~Beside() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  [[nodiscard]] bool is_open() const { return !path_.empty(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(out_.get(), text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  [[nodiscard]] bool take_place() {
    // Whoever serves the zone reads it, under whatever user.
    if (::fchmod(out_.get(), 0644) != 0 || ::fsync(out_.get()) != 0 ||
        ::rename(path_.c_str(), target_.c_str()) != 0) {
      return false;
    }
    path_.clear();
    return true;
  }

 private:
  const fs::path target_;
  std::string path_;
  dns::Descriptor out_;
};

// The first error among them; the others go to `warnings`.
std::string error_among(const std::vector<Problem>& problems, std::vector<std::string>* warnings) {
  std::string error;
  for (const Problem& problem : problems) {
    if (!problem.is_error()) {
      if (warnings != nullptr) warnings->push_back(registry::to_string(problem));
    } else if (error.empty()) {
      error = registry::to_string(problem);
    }
  }
  return error;
}

std::string sign(const SignedZone& zone, std::uint32_t now, const std::atomic<bool>& abandoned,
                 Outcome& outcome) {
  zones::ZoneReadOptions options;
  options.abandoned = &abandoned;
  const zones::ZoneReading reading = zones::read_zone_file(zone.source, zone.origin, options);
  std::string error = error_among(reading.problems, &outcome.warnings);
  if (reading.table == nullptr) return error;
  std::random_device random;
  const auto jitter = [&](std::uint32_t most) {
    return std::uniform_int_distribution<std::uint32_t>(0, most)(random);
  };
  outcome.serial = now;
  const ZoneSigning signing{zone.keys, now - kInception - jitter(kInceptionJitter),
                            now + kExpiration + jitter(kExpirationJitter), now};
  Beside file(zone.result);
  if (!file.is_open()) {
    return "no file can be made in " + in_quotes(zone.result.parent_path().string()) + ": " +
           std::generic_category().message(errno) + "; name another folder with `directory`";
  }
  error = sign_zone(
      *reading.table, signing, [&](std::string_view text) { return file.write(text); }, &abandoned);
  if (!error.empty()) return error;
  // As whoever serves it will read it: what cannot be read takes no good zone's place.
  const zones::ZoneReading back = zones::read_zone_file(file.path(), zone.origin, options);
  if (back.table == nullptr) return error_among(back.problems, nullptr);
  if (!file.take_place()) {
    return in_quotes(zone.result.string()) +
           " cannot be written: " + std::generic_category().message(errno);
  }
  return {};
}

std::vector<Outcome> look_at(const std::vector<SignedZone>& zones,
                             const std::atomic<bool>& abandoned) {
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < zones.size() && !abandoned; ++i) {
    Outcome outcome;
    outcome.zone = i;
    std::error_code error;
    const auto changed = fs::last_write_time(zones[i].source, error);
    if (!error) outcome.source_time = changed;
    const auto now = static_cast<std::uint32_t>(std::time(nullptr));
    outcome.why = why_sign(zones[i], outcome.source_time, now);
    if (!outcome.why.empty()) {
      const auto begin = std::chrono::steady_clock::now();
      outcome.error = sign(zones[i], now, abandoned, outcome);
      outcome.seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

// Signs the zones of one directive when it is time.
class ZoneSigner final : public Companion {
 public:
  ZoneSigner(std::vector<SignedZone> zones, std::shared_ptr<spdlog::logger> logger)
      : zones_(std::move(zones)), logger_(std::move(logger)) {}
  ~ZoneSigner() override { ZoneSigner::stop(); }

  [[nodiscard]] bool writes(const fs::path& file) const {
    return std::ranges::any_of(zones_, [&](const SignedZone& each) { return each.result == file; });
  }

  void start(boost::asio::io_context& io) override {
    io_ = &io;
    timer_ = std::make_unique<boost::asio::steady_timer>(io);
    std::vector<fs::path> sources;
    for (const SignedZone& zone : zones_) sources.push_back(zone.source);
    std::ranges::sort(sources);
    sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
    watcher_ = std::make_unique<registry::FileWatcher>(
        io, std::move(sources), [this] { look(); },
        [logger = logger_](const std::string& text) { logger->warn("plugin/sign: {}", text); });
    watcher_->start();
    look();
  }
  void stop() noexcept override {
    watcher_.reset();
    timer_.reset();
    if (abandoned_ != nullptr) *abandoned_ = true;
    if (under_way_ != nullptr) under_way_->abandon();
    under_way_.reset();
  }

 private:
  void look() {
    again_ = under_way_ != nullptr;
    if (again_) return;
    timer_->expires_after(kLookAgain);
    timer_->async_wait([this](const boost::system::error_code& error) {
      if (!error) look();
    });
    abandoned_ = std::make_shared<std::atomic<bool>>(false);
    under_way_ = std::make_shared<registry::Delivery<std::vector<Outcome>>>(
        *io_, [this](std::vector<Outcome> outcomes) { finish(outcomes); });
    const bool started =
        registry::run_detached([zones = zones_, to = under_way_, abandoned = abandoned_] {
          to->put(look_at(zones, *abandoned));
        });
    if (started) return;
    under_way_->abandon();
    under_way_.reset();
    logger_->error(
        "plugin/sign: zones are not signed: the system has no thread left; raise the limit of "
        "threads; it is tried again in 5 hours");
  }

  void finish(const std::vector<Outcome>& outcomes) {
    under_way_.reset();
    for (const Outcome& outcome : outcomes) {
      SignedZone& zone = zones_[outcome.zone];
      const std::string name = zone.origin.to_text();
      for (const std::string& warning : outcome.warnings) {
        logger_->warn("plugin/sign: {}", warning);
      }
      if (outcome.why.empty()) {
        if (!told_) {
          logger_->info("plugin/sign: Skipping signing zone \"{}\" in \"{}\": signatures are valid",
                        name, zone.result.string());
        }
        continue;
      }
      logger_->info("plugin/sign: Signing \"{}\" because {}", name, outcome.why);
      if (!outcome.error.empty()) {
        logger_->warn("plugin/sign: Error signing \"{}\" with key tags \"{}\" in {:.3f}s: {}", name,
                      zone.tags(), outcome.seconds, outcome.error);
        continue;
      }
      zone.signed_from = outcome.source_time;
      logger_->info(
          "plugin/sign: Successfully signed zone \"{}\" in \"{}\" with key tags \"{}\" and {} SOA "
          "serial, elapsed {:.3f}s",
          name, zone.result.string(), zone.tags(), outcome.serial, outcome.seconds);
    }
    told_ = true;
    if (again_) look();
  }

  std::vector<SignedZone> zones_;
  const std::shared_ptr<spdlog::logger> logger_;
  boost::asio::io_context* io_ = nullptr;
  std::unique_ptr<boost::asio::steady_timer> timer_;
  std::unique_ptr<registry::FileWatcher> watcher_;
  std::shared_ptr<registry::Delivery<std::vector<Outcome>>> under_way_;
  std::shared_ptr<std::atomic<bool>> abandoned_;
  bool again_ = false;
  bool told_ = false;
};

// What the lines of the block are read into.
struct Reading {
  BlockSetup& setup;
  std::vector<dns::Name> zones;
  std::vector<Keys> keys = {};  // of each zone
  fs::path directory = "/var/lib/coredns";
  bool has_key = false;
};

fs::path path_of(const Token& word, const BlockSetup& setup) {
  return setup.root / expand_path(word.text);  // an absolute one stays as it is
}

void add_key(const Token& word, const std::shared_ptr<const dns::SigningKey>& key, Keys& keys) {
  if (std::ranges::any_of(keys, [&](const auto& other) { return other->tag() == key->tag(); })) {
    fail(word, "has the tag " + std::to_string(key->tag()) + " of another key; name each key once");
  }
  if (keys.size() == kMaxZoneKeys) {
    fail(word, "is one key too many; a zone has " + std::to_string(kMaxZoneKeys) + " at most");
  }
  keys.push_back(key);
}

// "K<name>+<alg>+<id>" of a zone in a folder, those with the SEP bit.
void read_key_folder(const Token& word, std::size_t zone, Reading& reading) {
  const fs::path folder = path_of(word, reading.setup);
  const std::string begin = "K" + reading.zones[zone].to_text() + "+";
  std::error_code error;
  std::vector<std::string> files;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(begin) && at->path().extension() == ".key") {
      files.push_back(at->path().string());
    }
  }
  if (error) fail(word, "cannot be read: " + error.message());
  std::ranges::sort(files);
  bool found = false;
  for (const std::string& file : files) {
    const SigningKeyFile key = read_zone_key({file, word.at, true}, reading.setup);
    if (!key.key->is_ksk()) continue;
    add_key(word, key.key, reading.keys[zone]);
    found = true;
  }
  if (!found) {
    fail(word, "has no key of " + in_quotes(reading.zones[zone].to_text()) +
                   "; make one there: `dnssec-keygen -a ECDSAP256SHA256 -f KSK ZONE`");
  }
}

void read_key(const Directive& line, Reading& reading) {
  static constexpr std::string_view kKinds[] = {"file", "directory"};
  const bool is_folder = parse_choice(line.args[0], kKinds) == "directory";
  reading.has_key = true;
  if (reading.setup.environment.elsewhere) return;
  for (auto word = line.args.begin() + 1; word != line.args.end(); ++word) {
    if (is_folder) {
      for (std::size_t i = 0; i < reading.zones.size(); ++i) read_key_folder(*word, i, reading);
      continue;
    }
    const SigningKeyFile file = read_zone_key(*word, reading.setup);
    if (!file.key->is_ksk()) {
      fail(*word,
           "is a key without the SEP bit; one key signs all of a zone here: make it with "
           "`dnssec-keygen -f KSK`");
    }
    for (Keys& keys : reading.keys) add_key(*word, file.key, keys);
  }
}

constexpr Option kOptions[] = {
    option<&read_key>("key", "file|directory KEY|DIR…",
                      "keys to sign with, or folders with those of each zone"),
    option<[](const Directive& line, Reading& reading) {
      reading.directory = path_of(line.args[0], reading.setup);
    }>("directory", "DIR", "where signed zones are written, as `db.ZONE.signed`",
       "/var/lib/coredns"),
};

}  // namespace

std::span<const Option> sign_options() { return kOptions; }

void set_up_sign(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{setup, {}};
  require_arguments(directive, 1, kAnyNumber, "sign DBFILE [ZONE…]");
  refuse_option_names(directive.args, kOptions);
  const std::vector<Token> words(directive.args.begin() + 1, directive.args.end());
  for (const std::string& zone : parse_zones(words, setup.block)) {
    reading.zones.push_back(zone_name(zone, directive.name.at));
  }
  reading.keys.resize(reading.zones.size());
  const std::size_t before = environment.problems.errors();
  read_options(directive, kOptions, environment.problems, reading);
  if (environment.problems.errors() != before) return;
  if (!reading.has_key) {
    fail(directive.name.at,
         "there is no key to sign with; make one (`dnssec-keygen -a ECDSAP256SHA256 -f KSK ZONE`) "
         "and name it: `key file K…`");
  }
  if (environment.elsewhere) return;
  std::vector<SignedZone> zones;
  for (std::size_t i = 0; i < reading.zones.size(); ++i) {
    const dns::Name& origin = reading.zones[i];
    SignedZone zone{origin, path_of(directive.args[0], setup),
                    reading.directory / ("db." + origin.to_text() + "signed"), reading.keys[i]};
    std::error_code ignored;
    if (std::filesystem::weakly_canonical(zone.source, ignored) ==
        std::filesystem::weakly_canonical(zone.result, ignored)) {
      fail(directive.args[0], "is what signing writes; name the zone file without signatures");
    }
    for (const auto& companion : environment.companions) {
      const auto other = std::dynamic_pointer_cast<ZoneSigner>(companion);
      if (other != nullptr && other->writes(zone.result)) {
        fail(directive.name.at, "the zone " + in_quotes(origin.to_text()) +
                                    " is signed by another `sign`; remove one of them, or choose "
                                    "another `directory`");
      }
    }
    zones.push_back(std::move(zone));
  }
  environment.companions.push_back(
      std::make_shared<ZoneSigner>(std::move(zones), environment.logger));
}

}  // namespace clusterdns::app
