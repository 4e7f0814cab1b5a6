// Answers of upstreams, kept for as long as their TTL and the configuration allow.
//
// One cache for all workers of a server block: memory and questions to upstreams do not grow with
// the number of cores. A worker reads it without a lock and without writing to anything shared but
// one flag per entry; whoever brings a new answer takes the lock of one of kShards shards. Entries
// are immutable wire form: a hit is a hash, a compare, and a copy with the TTLs written over.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "dns/query/answer.h"
#include "dns/server/reclaim.h"
#include "dns/wire/name.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

// CoreDNS's default for each kind, and the least it takes.
inline constexpr std::size_t kDefaultCacheCapacity = 9984;
inline constexpr std::size_t kMinCacheCapacity = 1024;
// 2 GiB of answers at kCacheOctetsPerEntry; who writes more has mistyped.
inline constexpr std::size_t kMaxCacheCapacity = std::size_t{1} << 22;
// What the capacity stands for in octets: two to three times a usual answer, so that the number of
// entries is what counts unless answers are unusually large; then this bounds the memory.
inline constexpr std::size_t kCacheOctetsPerEntry = 512;

struct CacheOptions {
  struct Kind {
    std::size_t capacity = kDefaultCacheCapacity;  // entries
    std::uint32_t max_ttl = 3600;                  // seconds
    std::uint32_t min_ttl = 5;                     // seconds; lengthens shorter TTLs
    std::vector<Name> except;                      // lower-case; not kept at and below these
  };
  std::vector<Name> zones;  // lower-case; only names at and below these are kept
  Kind success;
  Kind denial{kDefaultCacheCapacity, 1800, 5, {}};
  // How long SERVFAIL and NOTIMP are kept, seconds; 0: not at all. RFC 2308 7.1: 300 at most.
  std::uint32_t servfail_ttl = 5;
  bool keep_ttl = false;  // TTLs do not count down
};

enum class CacheKind : std::uint8_t { Success, Denial };

// What one worker counted. Written by it alone, readable from any thread.
struct alignas(128) CacheCounters {
  std::atomic<std::uint64_t> requests{0};  // look-ups
  std::array<std::atomic<std::uint64_t>, 2> hits{};  // by CacheKind
  std::atomic<std::uint64_t> misses{0};
  std::array<std::atomic<std::uint64_t>, 2> evictions{};  // still good, pushed out for want of room
};

class AnswerCache {
 public:
  class Entry;

  // `reclaim` tells when nobody reads an entry any more; it must outlive the cache.
  AnswerCache(CacheOptions options, ReclaimDomain& reclaim);
  // REQUIRES: nobody is between ReclaimDomain::enter() and leave() with an entry of this cache.
  ~AnswerCache();
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;

  // Whether answers to `query` are kept at all: a recursive question of class IN for data, within
  // the zones, and without a client's subnet (RFC 7871: its answer is for some only).
  [[nodiscard]] bool takes(const Query& query) const noexcept;

  // A live answer to `query`, or nullptr. Wait-free; allocates nothing. `now_ns` is the monotonic
  // clock. The entry stays until the worker leaves its batch.
  // REQUIRES: takes(query); the worker is inside the ReclaimDomain.
  [[nodiscard]] const Entry* find(const Query& query, std::int64_t now_ns,
                                  unsigned worker) noexcept;

  // Keeps `reply`, an upstream's whole message in answer to `query`, when it is one to keep:
  // complete, well-formed, NOERROR, NXDOMAIN or (servfail_ttl) a failure, with a TTL above 0. Then
  // returns it, to be answered from as from find(). nullptr: not kept.
  // REQUIRES: as find().
  [[nodiscard]] const Entry* store(const Query& query, std::span<const std::uint8_t> reply,
                                   std::int64_t now_ns, unsigned worker) noexcept;

  // Makes `entry` the answer: its records by reference, its rcode, AA, AD and RA. Every TTL becomes
  // what is left of the entry's life, as CoreDNS does.
  void fill(const Entry& entry, const Query& query, std::int64_t now_ns,
            Answer& answer) const noexcept;
  // The same as a whole message with id 0, for who asked on behalf of a query.
  [[nodiscard]] std::vector<std::uint8_t> message(const Entry& entry, const Query& query,
                                                  std::int64_t now_ns) const;

  [[nodiscard]] const CacheOptions& options() const noexcept { return options_; }
  // Of each kind, at this moment. Any thread.
  [[nodiscard]] std::size_t entries(CacheKind kind) const noexcept;
  // Octets that entries take, those that wait to be freed included. Any thread.
  [[nodiscard]] std::size_t octets() const noexcept;
  // Sums over the workers. Any thread.
  struct Totals {
    std::uint64_t requests = 0;
    std::array<std::uint64_t, 2> hits{};
    std::uint64_t misses = 0;
    std::array<std::uint64_t, 2> evictions{};
  };
  [[nodiscard]] Totals totals() const noexcept;

 private:
  // Slots of one bucket: a cache line.
  static constexpr std::size_t kWays = 8;
  // Shards with a lock each. Misses wait for an upstream anyway; 16 keep 64 workers from meeting.
  static constexpr std::size_t kShards = 16;
  // An answer over this size is not kept: it would push out dozens of others.
  static constexpr std::size_t kMaxMessage = 8192;
  // Records of an answer that is kept; 8 KiB of addresses are 512 with short names.
  static constexpr std::size_t kMaxRecords = 512;
  // Entries taken out of a shard before the workers are looked at, to see what may be freed.
  static constexpr std::size_t kGarbageBatch = 32;

  struct alignas(64) Bucket {
    // 16 bits of the hash above 48 of the pointer; 0: empty.
    std::array<std::atomic<std::uint64_t>, kWays> slots{};
  };
  struct Garbage {
    Entry* entry;
    std::uint64_t mark;
  };
  struct alignas(128) Shard {
    std::mutex mutex;  // guards all below, and the writing of slots
    std::size_t hand = 0;  // the next slot to look at for one to push out
    std::deque<Garbage> garbage;
    // Read from any thread.
    std::array<std::atomic<std::size_t>, 2> entries{};
    std::atomic<std::size_t> octets{0};
    std::atomic<std::size_t> waiting_octets{0};
  };
  struct Plan;

  [[nodiscard]] bool in_zones(NameView name) const noexcept;
  [[nodiscard]] std::uint64_t hash_of(const Query& query, std::uint8_t flags) const noexcept;
  // False: not to be kept.
  [[nodiscard]] bool examine(const Query& query, std::span<const std::uint8_t> reply,
                             Plan& plan) const noexcept;
  void insert(Entry* entry, std::uint64_t hash, std::int64_t now_ns, unsigned worker) noexcept;
  void take_out(Shard& shard, std::atomic<std::uint64_t>& slot) noexcept;
  // Pushes one entry of `kind` out of the shard; false when there is none.
  bool push_out(Shard& shard, std::size_t shard_index, CacheKind kind, std::int64_t now_ns,
                unsigned worker) noexcept;
  void free_garbage(Shard& shard) noexcept;

  const CacheOptions options_;
  ReclaimDomain& reclaim_;
  const std::uint64_t seed_;
  std::size_t buckets_per_shard_;  // a power of two
  std::vector<Bucket> buckets_;
  std::array<Shard, kShards> shards_;
  std::vector<CacheCounters> counters_;  // by worker
};

}  // namespace clusterdns::dns
