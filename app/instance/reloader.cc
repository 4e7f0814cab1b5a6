// For SHA512_Init and the like; see configuration_digest().
#define OPENSSL_SUPPRESS_DEPRECATED

#include "app/instance/reloader.h"

#include <openssl/sha.h>

#include <array>
#include <filesystem>

#include <boost/asio/post.hpp>

#include "app/corefile/error.h"
#include "app/corefile/files.h"
#include "app/corefile/print.h"

namespace clusterdns::app {

std::string configuration_digest(const Corefile& corefile) {
  const std::string text = print_corefile(corefile);
  std::array<unsigned char, SHA512_DIGEST_LENGTH> digest;
  // Not SHA512() or EVP: these load OpenSSL's providers and its configuration, 1.8 MiB of memory
  // that a server without TLS never looks at again.
  SHA512_CTX context;
  ::SHA512_Init(&context);
  ::SHA512_Update(&context, text.data(), text.size());
  ::SHA512_Final(digest.data(), &context);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char octet : digest) {
    hex += kDigits[octet >> 4];
    hex += kDigits[octet & 15];
  }
  return hex;
}

Reloader::Reloader(boost::asio::io_context& io, std::shared_ptr<spdlog::logger> logger,
                   std::function<Corefile()> read, bool from_file, Instance& instance, bool always)
    : io_(io),
      logger_(std::move(logger)),
      read_(std::move(read)),
      from_file_(from_file),
      always_(always),
      instance_(instance),
      timer_(io),
      settle_timer_(io) {
  instance_.metrics().add([figures = figures_](Exposition& out) {
    out.counter("coredns_reload_failed_total", "Counter of the number of failed reload attempts.",
                {}, static_cast<double>(figures->failed.load(std::memory_order_relaxed)));
    const std::lock_guard lock(figures->mutex);
    if (figures->sha512.empty()) return;
    out.gauge("coredns_reload_version_info",
              "A metric with a constant '1' value labeled by hash, and value which type of hash "
              "generated.",
              {{"hash", "sha512"}, {"value", figures->sha512}}, 1);
  });
}

Reloader::~Reloader() { stop(); }

void Reloader::warn(const Corefile& corefile) {
  for (const Warning& warning : corefile.warnings) logger_->warn("{}", to_string(warning));
}

void Reloader::serve(const Corefile& corefile) {
  const bool followed = watcher_ != nullptr;
  instance_.apply(corefile);
  last_error_.clear();
  seen_.clear();
  served_digest_ = configuration_digest(corefile);
  {
    const std::lock_guard lock(figures_->mutex);
    figures_->sha512 = served_digest_;
  }
  follow(corefile);
  if (served_) served_();
  if (plan()) {
    logger_->info("plugin/reload: Running configuration SHA512 = {}", served_digest_);
  } else if (followed) {
    // As CoreDNS.
    logger_->warn(
        "plugin/reload: the new Corefile has no 'reload', so it is no longer followed; "
        "SIGUSR1 reads it again");
  }
}

void Reloader::start() {
  const Corefile corefile = read_();
  warn(corefile);
  serve(corefile);
}

void Reloader::reload() {
  if (stopped_) return;
  last_error_.clear();  // who asks wants to hear it again
  try {
    const Corefile corefile = read_();
    warn(corefile);
    serve(corefile);
  } catch (const std::exception& e) {
    return failed(e.what());
  }
  logger_->info("Reloading complete");
}

bool Reloader::settled(const std::string& seen) {
  const auto now = std::chrono::steady_clock::now();
  if (seen != seen_) {
    seen_ = seen;
    seen_since_ = now;
  }
  const auto at = seen_since_ + kSettle;
  if (now >= at) return true;
  settle_timer_.expires_at(at);
  settle_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
  return false;
}

void Reloader::look() {
  if (stopped_) return;
  Corefile corefile;
  std::string digest;
  try {
    corefile = read_();
    digest = configuration_digest(corefile);
  } catch (const std::exception& e) {
    if (settled(e.what())) failed(e.what());
    return;
  }
  if (digest == served_digest_) {
    last_error_.clear();
    seen_.clear();
    return;
  }
  if (!settled(digest)) return;
  try {
    // One that failed is tried again at each interval: a port may be free by then.
    if (last_error_.empty()) {
      logger_->info("Reloading");
      warn(corefile);
    }
    serve(corefile);
  } catch (const std::exception& e) {
    return failed(e.what());
  }
  logger_->info("Reloading complete");
}

void Reloader::failed(const std::string& what) {
  // A file that stays broken is read again at each interval; it is said and counted once.
  if (what == last_error_) return;
  last_error_ = what;
  figures_->failed.fetch_add(1, std::memory_order_relaxed);
  logger_->error(
      "plugin/reload: Corefile changed but reload failed: {}; still serving the one "
      "before it",
      what);
}

void Reloader::follow(const Corefile& corefile) {
  // Destroyed once this handler, which may be the watcher's own, has returned.
  if (watcher_ != nullptr) {
    watcher_->stop();
    boost::asio::post(io_, [old = std::shared_ptr<registry::FileWatcher>(std::move(watcher_))] {});
  }
  timer_.cancel();
  if (!from_file_ || !plan() || stopped_) return;
  std::vector<std::filesystem::path> paths;
  // Also one that has gone meanwhile: it may come back.
  for (const std::string& file : corefile.files) paths.emplace_back(file);
  for (const std::string& pattern : corefile.import_patterns) {
    const auto folder = std::filesystem::path(pattern).parent_path();
    if (!folder.empty() && !has_wildcard(folder.string())) paths.push_back(folder);
  }
  watcher_ = std::make_unique<registry::FileWatcher>(
      io_, std::move(paths), [this] { look(); },
      [this](const std::string& warning) { logger_->warn("plugin/reload: {}", warning); });
  watcher_->start();
  wait();
  // What changed after it was read and before it was watched.
  boost::asio::post(io_, [this] { look(); });
}

std::optional<ReloadPlan> Reloader::plan() const {
  if (!instance_.plan().reload && always_) return ReloadPlan{};
  return instance_.plan().reload;
}

void Reloader::wait() {
  const ReloadPlan plan = *this->plan();
  auto interval = plan.interval;
  if (plan.jitter.count() > 0) {
    std::uniform_int_distribution<std::int64_t> around(-plan.jitter.count() / 2,
                                                       plan.jitter.count() / 2);
    interval += std::chrono::nanoseconds(around(random_));
  }
  timer_.expires_after(interval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    wait();  // first: a reload replaces it
    look();
  });
}

void Reloader::stop() {
  stopped_ = true;
  timer_.cancel();
  settle_timer_.cancel();
  if (watcher_ != nullptr) watcher_->stop();
}

}  // namespace clusterdns::app
