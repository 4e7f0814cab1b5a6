#include "app/directives/tls_files.h"

#include <algorithm>
#include <stdexcept>

#include "app/corefile/error.h"
#include "app/corefile/paths.h"
#include "app/directives/last_good.h"
#include "dns/base/regular_file.h"
#include "registry/files/file_watcher.h"

namespace clusterdns::app {

TlsFiles::TlsFiles(std::span<const Token> words, const std::filesystem::path& root,
                   const Position& at, std::string plugin, Make make,
                   std::shared_ptr<spdlog::logger> logger, dns::TlsSettings base)
    : at_(at),
      plugin_(std::move(plugin)),
      make_(make),
      base_(std::move(base)),
      logger_(std::move(logger)) {
  const auto add = [&](const Token& word, std::string dns::TlsSettings::*authorities,
                       std::string dns::TlsIdentity::*identity) {
    std::filesystem::path path = expand_path(word.text);
    if (path.is_relative()) path = root / path;
    files_.push_back({std::move(path), word.at, authorities, identity});
  };
  if (words.size() >= 2) {
    add(words[0], nullptr, &dns::TlsIdentity::chain);
    add(words[1], nullptr, &dns::TlsIdentity::key);
  }
  if (words.size() % 2 == 1) add(words.back(), &dns::TlsSettings::authorities, nullptr);
}

TlsFiles::~TlsFiles() { stop(); }

dns::TlsSettings TlsFiles::read() const {
  dns::TlsSettings settings = base_;
  for (const File& file : files_) {
    auto text = dns::read_regular_file(file.path, dns::kMaxPem);
    if (!text) throw ConfigError(file.at, in_quotes(file.path.string()) + " " + text.error());
    if (text->empty()) throw ConfigError(file.at, in_quotes(file.path.string()) + " is empty");
    (file.authorities != nullptr ? settings.*file.authorities : settings.identity.*file.identity) =
        std::move(*text);
  }
  return settings;
}

std::shared_ptr<const dns::TlsContext> TlsFiles::load() const {
  dns::TlsSettings settings = read();
  try {
    return make_(std::move(settings));
  } catch (const std::runtime_error& e) {
    throw ConfigError(at_, e.what());
  }
}

bool TlsFiles::reads_the_same(const TlsFiles& other) const {
  return plugin_ == other.plugin_ && base_ == other.base_ &&
         std::equal(files_.begin(), files_.end(), other.files_.begin(), other.files_.end(),
                    [](const File& a, const File& b) { return a.path == b.path; });
}

std::shared_ptr<const dns::TlsContext> TlsFiles::load_or_last(Environment& environment) {
  const auto before = find_before<TlsFiles>(environment, [this](const TlsFiles& other) {
    return other.contexts_ != nullptr && reads_the_same(other);
  });
  if (before == nullptr) return load();
  try {
    return load();
  } catch (const ConfigError& e) {
    last_error_ = e.what();  // it is not told again when files are followed
    environment.problems.warn(e.at(), e.message() + "; still using what was read before");
    return before->contexts_->now();
  }
}

Metrics::Collector TlsFiles::metrics() const {
  const auto collect = [failed = failed_, plugin = plugin_](Exposition& out) {
    out.counter("clusterdns_tls_reload_failed_total",
                "Changes of certificates, keys and authorities that are of no use.",
                {{"plugin", plugin}}, static_cast<double>(failed->load(std::memory_order_relaxed)));
  };
  return {collect, failed_};
}

void TlsFiles::reload() {
  try {
    dns::TlsSettings settings = read();
    if (settings == contexts_->now()->settings()) {
      last_error_.clear();
      return;
    }
    contexts_->replace(make_(std::move(settings)));
    last_error_.clear();
    logger_->info("plugin/{}: certificates and keys of {} have been read again", plugin_,
                  in_quotes(files_.front().path.string()));
  } catch (const std::exception& e) {
    // Half of a pair that is being replaced is told of, too, if it stays so.
    if (last_error_ == e.what()) return;
    last_error_ = e.what();
    failed_->fetch_add(1, std::memory_order_relaxed);
    logger_->error("plugin/{}: {}; still using what was read before", plugin_, e.what());
  }
}

void TlsFiles::start(boost::asio::io_context& io) {
  if (files_.empty() || contexts_ == nullptr) return;
  std::vector<std::filesystem::path> paths;
  for (const File& file : files_) paths.push_back(file.path);
  watcher_ = std::make_unique<registry::FileWatcher>(
      io, std::move(paths), [this] { reload(); },
      [logger = logger_, plugin = plugin_](const std::string& warning) {
        logger->warn("plugin/{}: {}", plugin, warning);
      });
  watcher_->start();
  reload();  // it may have changed since it was read
}

void TlsFiles::stop() noexcept { watcher_.reset(); }

}  // namespace clusterdns::app
