// Stages whose answers need no data: `any`, `chaos`, `local`, `erratic` (CoreDNS's plugins).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dns/query/stage.h"
#include "dns/query/worker_counters.h"

namespace clusterdns::dns {

// Questions for ANY: one HINFO record (RFC 8482 4.2).
class AnyStage final : public Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "any"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
};

// What a server says of itself, to TXT questions of class CH.
class ChaosStage final : public Stage {
 public:
  struct Options {
    std::string version;               // version.bind, version.server
    std::string host_name;             // hostname.bind, id.server
    std::vector<std::string> authors;  // authors.bind
  };
  // Texts are cut at 255 octets.
  explicit ChaosStage(const Options& options);

  [[nodiscard]] std::string_view name() const noexcept override { return "chaos"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] bool serves(RRClass rrclass) const noexcept override {
    return rrclass == RRClass::CH;
  }

 private:
  using Text = std::vector<std::uint8_t>;  // RDATA of TXT
  Text version_;
  Text host_name_;
  std::vector<Text> authors_;
};

// Names that never leave this machine: localhost and the ends of 127.in-addr.arpa.
class LocalStage final : public Stage {
 public:
  // `prefix`: names that begin with "localhost." are answered, too, which search lists make.
  LocalStage(bool prefix, unsigned workers) : prefix_(prefix), counters_(workers, 1) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "local"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

  // Questions for names below localhost, or that begin with it.
  [[nodiscard]] std::uint64_t intercepted() const noexcept { return counters_.total(0); }

 private:
  const bool prefix_;
  WorkerCounters counters_;
};

// Answers that are late, cut or missing, for testing clients.
class ErraticStage final : public Stage {
 public:
  // One in so many; 0: none.
  struct Options {
    std::uint64_t drop = 2;
    std::uint64_t delay = 0;
    std::uint64_t truncate = 0;
    std::chrono::nanoseconds duration{};
    bool large = false;  // thirty records of type A instead of one
  };
  explicit ErraticStage(const Options& options) : options_(options) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "erratic"; }
  [[nodiscard]] bool decides_by_rules() const noexcept override { return true; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

 private:
  const Options options_;
  std::atomic<std::uint64_t> queries_{0};
};

}  // namespace clusterdns::dns
