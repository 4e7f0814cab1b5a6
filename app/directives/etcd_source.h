// Keeps the keys of one etcd below one path in memory, for the stages of `etcd`.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/directives/directive.h"
#include "dns/net/tls_context.h"
#include "registry/kubernetes/config.h"
#include "zones/file/skydns_table.h"

namespace clusterdns::app {

// What is kept below one path: keys, and octets of keys and values. With more than that, what was
// read before stays.
inline constexpr std::size_t kMaxEtcdKeys = 500'000;
inline constexpr std::size_t kMaxEtcdOctets = std::size_t{128} << 20;
// Leases whose end is asked for; records of others have the least TTL.
inline constexpr std::size_t kMaxEtcdLeases = 1'000;
// A watch is made anew after so long, and what is kept compared with what etcd has.
inline constexpr std::chrono::seconds kEtcdWatch{30};

struct EtcdSettings {
  std::vector<registry::kubernetes::ApiServer> servers;  // asked in turn
  std::string prefix;                                    // "/skydns"
  std::string user, password;                            // empty: none
  std::string key;                                       // the same for equal settings
  std::shared_ptr<dns::TlsContexts> tls;                 // nullptr: no server has TLS
};

// Reads on a thread of its own, which nobody waits for. All calls on the control thread.
class EtcdSource {
 public:
  EtcdSource(EtcdSettings settings, dns::ReclaimDomain& reclaim,
             std::shared_ptr<spdlog::logger> logger);
  ~EtcdSource();
  EtcdSource(const EtcdSource&) = delete;
  EtcdSource& operator=(const EtcdSource&) = delete;

  // Again: nothing happens. Tables are published on the thread of `io`.
  void start(boost::asio::io_context& io);
  [[nodiscard]] const EtcdSettings& settings() const noexcept;
  [[nodiscard]] std::shared_ptr<const zones::SkyDnsStore> store() const noexcept;
  // For metrics; any thread.
  void collect(Exposition& out) const;

 private:
  struct State;
  class Reader;
  const std::shared_ptr<State> state_;
};

// A configuration's part in a source, which goes on when the next one has it, too.
class EtcdSession final : public Companion {
 public:
  explicit EtcdSession(std::shared_ptr<EtcdSource> source) : source_(std::move(source)) {}
  void start(boost::asio::io_context& io) override { source_->start(io); }
  void stop() noexcept override {}
  [[nodiscard]] const std::shared_ptr<EtcdSource>& source() const noexcept { return source_; }

 private:
  const std::shared_ptr<EtcdSource> source_;
};

}  // namespace clusterdns::app
