// Answers to any name below a zone, made of the name alone: for benchmarks and tests of clients,
// which know what to expect without a zone file.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/target/labels.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

// RFC 1035 3.3.13 and 3.3.11, names in full.
struct SyntheticZone {
  explicit SyntheticZone(const Name& zone);

  Name name;  // lower-case
  std::vector<std::uint8_t> soa;
  std::vector<std::uint8_t> ns;
};

inline constexpr std::uint32_t kSyntheticTtl = 60;
// Octets of a UDP answer at most, whatever the client's EDNS size says.
inline constexpr std::size_t kSyntheticUdpSize = 4096;
// Names of chains: each link is a target of its own.
inline constexpr std::size_t kMaxSyntheticChain = 64;

// What an answer is to be like.
struct SyntheticShape {
  std::uint32_t addresses = 1;
  std::uint32_t size = 0;  // octets of a message with TXT; 0: as it comes
  std::uint32_t ttl = kSyntheticTtl;
  std::uint32_t chain = 0;
  // Where `chain` stands in the name; `label` counts from the left. With `from_outside` it stands
  // nowhere: the name itself is taken for the zone then.
  Instruction chain_word{};
  bool from_outside = false;

  // Takes an instruction of is_of_synthetic(); the first of its kind counts.
  void take(const Instruction& instruction) noexcept;

 private:
  std::uint8_t taken_ = 0;
};

// The hash that addresses are made of: 64-bit FNV-1a.
[[nodiscard]] constexpr std::uint64_t fnv1a(std::string_view octets) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : octets) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  return hash;
}

// Makes them, in memory of each worker; an answer refers to it until the worker makes another.
class SyntheticAnswers {
 public:
  explicit SyntheticAnswers(unsigned workers);

  // The answer to the question about `zone` itself.
  void answer_zone(Exchange& exchange, const SyntheticZone& zone) noexcept;
  // To a question for addresses of a name whose labels are words: one.
  void answer_address(Exchange& exchange, std::uint64_t hash) noexcept;
  // To a question about a name below it. `vocabulary` says which labels are no words.
  void answer_below(Exchange& exchange, const SyntheticZone& zone, const SyntheticShape& shape,
                    Vocabulary vocabulary) noexcept;
  // The SOA that makes an answer negative.
  void add_soa(Exchange& exchange, const SyntheticZone& zone, std::uint32_t ttl) noexcept;
  // A UDP answer may be so large.
  static void set_limit(Exchange& exchange) noexcept;

 private:
  struct Scratch {
    std::array<std::uint8_t, 64 * 1024> data;  // rows of addresses, RDATA of TXT
    std::array<std::uint8_t, 512> soa;
    std::array<std::array<std::uint8_t, kMaxNameSize + kPadding>, kMaxSyntheticChain> names;
  };
  class Maker;

  std::vector<std::unique_ptr<Scratch>> scratch_;
};

class SyntheticStage final : public Stage {
 public:
  struct Options {
    std::vector<Name> zones;  // lower-case
    AddressRanges clients = AddressRanges::loopback_and_private();
  };
  SyntheticStage(Options options, unsigned workers);

  [[nodiscard]] std::string_view name() const noexcept override { return "synthetic"; }
  // REFUSED (EDE 18) for clients outside the ranges; Next for names of no zone.
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

 private:
  // Who was served last: benchmarks ask from few addresses, and looking one up costs as much as
  // making its answer.
  struct alignas(64) Last {
    Endpoint client;
    bool set = false;
  };
  [[nodiscard]] bool allows(const Exchange& exchange) noexcept;
  // The longest zone that holds the question name, as an index; ZoneSet::kNone: none does.
  [[nodiscard]] std::size_t find_zone(const Query& query) const noexcept;

  AddressRanges clients_;
  std::vector<Last> last_;  // by worker
  ZoneSet zones_;
  std::vector<SyntheticZone> each_;  // in their order
  std::vector<std::uint32_t> few_;   // the same, longest first, while they are few
  SyntheticAnswers answers_;
};

}  // namespace clusterdns::dns
