// For SHA512_Init and the like; see configuration_digest().
#define OPENSSL_SUPPRESS_DEPRECATED

#include "app/reloader.h"

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
                   std::function<Corefile()> read, Instance& instance)
    : io_(io),
      logger_(std::move(logger)),
      read_(std::move(read)),
      instance_(instance),
      timer_(io) {
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
  instance_.apply(corefile);
  last_error_.clear();
  served_digest_ = configuration_digest(corefile);
  {
    const std::lock_guard lock(figures_->mutex);
    figures_->sha512 = served_digest_;
  }
  follow(corefile);
  if (served_) served_();
  if (instance_.plan().reload) {
    logger_->info("plugin/reload: Running configuration SHA512 = {}", served_digest_);
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

void Reloader::look() {
  if (stopped_) return;
  try {
    const Corefile corefile = read_();
    if (configuration_digest(corefile) == served_digest_) {
      last_error_.clear();
      return;
    }
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
  logger_->error("plugin/reload: Corefile changed but reload failed: {}; the configuration before it "
                 "stays", what);
}

void Reloader::follow(const Corefile& corefile) {
  // Destroyed once this handler, which may be the watcher's own, has returned.
  if (watcher_ != nullptr) {
    watcher_->stop();
    boost::asio::post(io_, [old = std::shared_ptr<registry::FileWatcher>(std::move(watcher_))] {});
  }
  timer_.cancel();
  if (!instance_.plan().reload || stopped_) return;
  std::vector<std::filesystem::path> paths;
  for (const std::string& file : corefile.files) {
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) paths.emplace_back(file);
  }
  for (const std::string& pattern : corefile.import_patterns) {
    const auto folder = std::filesystem::path(pattern).parent_path();
    if (!folder.empty() && !has_wildcard(folder.string())) paths.push_back(folder);
  }
  if (paths.empty()) return;  // standard input, or made from options: nothing to follow
  watcher_ = std::make_unique<registry::FileWatcher>(
      io_, std::move(paths), [this] { look(); },
      [this](const std::string& warning) { logger_->warn("plugin/reload: {}", warning); });
  watcher_->start();
  wait();
  // What changed after it was read and before it was watched.
  boost::asio::post(io_, [this] { look(); });
}

void Reloader::wait() {
  const ReloadPlan plan = *instance_.plan().reload;
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
  if (watcher_ != nullptr) watcher_->stop();
}

}  // namespace clusterdns::app
