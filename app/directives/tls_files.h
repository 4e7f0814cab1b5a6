// Files of `tls`: a certificate with its key, and authorities; read, and followed while the server
// runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/directives/directive.h"
#include "dns/net/tls_context.h"

namespace clusterdns::registry {
class FileWatcher;
}

namespace clusterdns::app {

class TlsFiles final : public Companion {
 public:
  using Make = std::shared_ptr<const dns::TlsContext> (*)(dns::TlsSettings);

  // `words`: those of "[CERT KEY] [CA]", each a path below `root` unless it is absolute. `plugin`:
  // who speaks in the log. `base`: what the files are added to.
  TlsFiles(std::span<const Token> words, const std::filesystem::path& root, const Position& at,
           std::string plugin, Make make, std::shared_ptr<spdlog::logger> logger,
           dns::TlsSettings base = {});
  ~TlsFiles() override;

  // Reads the files. Throws ConfigError at the word, or at the directive, that is wrong.
  [[nodiscard]] std::shared_ptr<const dns::TlsContext> load() const;
  // The same. When that throws: what the same files said last in the configuration before, with a
  // warning.
  [[nodiscard]] std::shared_ptr<const dns::TlsContext> load_or_last(Environment& environment);
  // What they say from now on goes there: what load() gave, and what comes later. What is no better
  // than before is logged, and leaves it.
  void keep_current(std::shared_ptr<dns::TlsContexts> contexts) { contexts_ = std::move(contexts); }
  // How often they changed to what is of no use.
  [[nodiscard]] Metrics::Collector metrics() const;

  void start(boost::asio::io_context& io) override;
  void stop() noexcept override;

 private:
  struct File {
    std::filesystem::path path;
    Position at;
    std::string dns::TlsSettings::*authorities;
    std::string dns::TlsIdentity::*identity;
  };
  [[nodiscard]] dns::TlsSettings read() const;
  // Whether `other` reads the same files for the same.
  [[nodiscard]] bool reads_the_same(const TlsFiles& other) const;
  void reload();

  std::vector<File> files_;
  const Position at_;
  const std::string plugin_;
  const Make make_;
  const dns::TlsSettings base_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::shared_ptr<dns::TlsContexts> contexts_;
  std::string last_error_;
  const std::shared_ptr<std::atomic<std::uint64_t>> failed_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
  std::unique_ptr<registry::FileWatcher> watcher_;
};

}  // namespace clusterdns::app
