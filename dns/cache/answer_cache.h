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
#include <optional>
#include <vector>

#include "dns/concurrent/reclaim.h"
#include "dns/query/answer.h"
#include "dns/query/reply_records.h"
#include "dns/wire/name.h"
#include "dns/wire/query_parser.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

// CoreDNS's default for each kind, and the least it takes.
inline constexpr std::size_t kDefaultCacheCapacity = 9984;
inline constexpr std::size_t kMinCacheCapacity = 1024;
// 2 GiB of answers at kCacheOctetsPerEntry; who writes more has mistyped.
inline constexpr std::size_t kMaxCacheCapacity = std::size_t{1} << 22;
// What the capacity stands for in octets: two to three times a usual answer, so that the number of
// entries is what counts unless answers are unusually large; then this bounds the memory.
inline constexpr std::size_t kCacheOctetsPerEntry = 512;
// What may be written as the memory of a cache, octets. The least has room for some large answers
// in each shard.
inline constexpr std::size_t kMinCacheMemory = std::size_t{1} << 20;
inline constexpr std::size_t kMaxCacheMemory = std::size_t{16} << 30;
// How long a failure is kept that lasts, seconds, unless servfail_ttl is more: that an upstream is
// back shows soon enough.
inline constexpr std::uint32_t kMostFailureLife = 30;

struct CacheOptions {
  struct Kind {
    std::size_t capacity = kDefaultCacheCapacity;  // entries
    std::uint32_t max_ttl = 3600;                  // seconds
    std::uint32_t min_ttl = 5;                     // seconds; lengthens shorter TTLs, but not 0
    ZoneSet except;                                // not kept at and below these
  };
  ZoneSet zones;  // only names at and below these are kept
  // Octets of all entries; 0: kCacheOctetsPerEntry for each of the capacities.
  std::size_t memory = 0;
  Kind success;
  Kind denial{kDefaultCacheCapacity, 1800, 5, {}};
  // How long SERVFAIL, NOTIMP and silence are kept, seconds; 0: not at all. RFC 2308 7.1: 300 at
  // most. Twice as long each time that it fails again, up to kMostFailureLife (RFC 9520 section
  // 3.2).
  std::uint32_t servfail_ttl = 5;
  bool keep_ttl = false;  // TTLs do not count down
  // Below a name in these zones that does not exist nothing does (RFC 8020); empty: nowhere.
  ZoneSet cut;
  // For a client that asks for A and AAAA of its names the other type is asked along.
  bool pair_prefetch = false;

  // What is asked for often is asked for again before it is over.
  struct Prefetch {
    std::uint32_t amount = 0;  // answers from memory that make it often; 0: never
    std::int64_t gap_ns =
        60'000'000'000;          // between two of them; after a longer one they count anew
    std::uint32_t percent = 10;  // of its life that are left then
  } prefetch;

  // What is over is still given for a while (RFC 8767), failures excepted.
  struct Stale {
    std::uint32_t up_to = 0;  // seconds; 0: never
    // The upstream is asked first, for so long at most; 0: until it is given up. Else it is asked
    // for nobody, and the client is answered at once.
    bool verify = false;
    std::int64_t patience_ns = 1'800'000'000;  // RFC 8767 section 5
    std::uint32_t ttl = 30;                    // seconds, of such answers; RFC 8767 section 4
    // An upstream that failed is asked again so much later.
    std::int64_t recheck_ns = 5'000'000'000;
    // An answer with data is worth more than a later one without.
    bool prefer_positive = false;
  } stale;
};

enum class CacheKind : std::uint8_t { Success, Denial };

// What an answer is kept under. The answers differ with the flags (RFC 4035 3.2, RFC 6840 5.7).
struct CacheQuestion {
  // REQUIRES: `name` is lower-case, with 8 readable octets behind it. `flags` are a header's.
  CacheQuestion(NameView asked, RRType asked_type, std::uint16_t flags, bool dnssec_ok) noexcept
      : name(asked),
        type(asked_type),
        recursive((flags & kFlagRD) != 0),
        key(static_cast<std::uint8_t>((dnssec_ok ? kDnssecOk : 0) |
                                      ((flags & kFlagCD) != 0 ? kCheckingDisabled : 0) |
                                      ((flags & kFlagAD) != 0 ? kAuthenticData : 0))) {}
  explicit CacheQuestion(const Query& query) noexcept
      : CacheQuestion(query.name(), query.qtype, query.flags, query.dnssec_ok) {}

  static constexpr std::uint8_t kDnssecOk = 1;
  static constexpr std::uint8_t kCheckingDisabled = 2;
  static constexpr std::uint8_t kAuthenticData = 4;

  NameView name;
  RRType type;
  bool recursive;
  std::uint8_t key;
};

// What one worker counted. Written by it alone, readable from any thread.
struct alignas(128) CacheCounters {
  std::atomic<std::uint64_t> requests{0};            // look-ups
  std::array<std::atomic<std::uint64_t>, 2> hits{};  // by CacheKind
  std::atomic<std::uint64_t> misses{0};
  std::atomic<std::uint64_t> refreshes{0};     // questions asked again for nobody
  std::atomic<std::uint64_t> served_stale{0};  // answers that were over
  std::atomic<std::uint64_t> pairs{0};         // questions asked along
  std::atomic<std::uint64_t> cut{0};           // misses that are below a name that does not exist
  std::array<std::atomic<std::uint64_t>, 2> evictions{};  // still good, pushed out for want of room
};

class AnswerCache {
 public:
  class Entry;
  // Octets of the records of an answer that is kept: a larger one would push out dozens of others.
  static constexpr std::size_t kMaxCachedMessage = 8192;

  // `reclaim` tells when nobody reads an entry any more; it must outlive the cache.
  AnswerCache(CacheOptions options, ReclaimDomain& reclaim);
  // REQUIRES: nobody is between ReclaimDomain::enter() and leave() with an entry of this cache.
  ~AnswerCache();
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;

  // Whether answers to `question` are kept at all: a recursive one for data, within the zones.
  [[nodiscard]] bool takes(const CacheQuestion& question) const noexcept;

  // A live answer to `question`, or a stale one that may be given, or nullptr. Wait-free; allocates
  // nothing. `now_ns` is the monotonic clock. The entry stays until the worker leaves its batch.
  // REQUIRES: takes(question); the worker is inside the ReclaimDomain.
  [[nodiscard]] const Entry* find(const CacheQuestion& question, std::int64_t now_ns,
                                  unsigned worker) noexcept;

  // Whether find_cut() may find something.
  [[nodiscard]] bool cuts(const CacheQuestion& question) const noexcept {
    return !options_.cut.empty() && options_.cut.contains(question.name);
  }
  // What is kept of a name above that of `question`, with CacheOptions::cut: NXDOMAIN, so that this
  // name does not exist either (RFC 8020 section 2). nullptr: nothing of the kind. To be given as
  // message_of() has it. `zone`: which the upstream of that name is there for; what is above it
  // others have said, who may not know of the zone. REQUIRES: find() has just found nothing; as
  // find().
  [[nodiscard]] const Entry* find_cut(const CacheQuestion& question, NameView zone,
                                      std::int64_t now_ns, unsigned worker) noexcept;

  // What is to be done about an entry before it is given.
  enum class Care : std::uint8_t {
    None,
    Refresh,  // its question is to be asked again, by this worker; end_refresh() tells how it went
    Verify,   // likewise, and first: it is given only when that fails
  };
  // Counts a client that the entry is for, and with Verify nothing yet, see count_stale().
  [[nodiscard]] Care care_for(const Entry& entry, std::int64_t now_ns, unsigned worker) noexcept;
  // How asking again went.
  enum class Refreshed : std::uint8_t {
    Answered,
    Failed,    // the entry is left alone for a while
    NotAsked,  // too much waited here: for a moment
  };
  void end_refresh(const CacheQuestion& question, std::int64_t now_ns, Refreshed how) noexcept;
  // A live answer, not a failure, that was stored after `since_ns`; nullptr: none. Counts nothing.
  // REQUIRES: as find().
  [[nodiscard]] const Entry* find_since(const CacheQuestion& question, std::int64_t since_ns,
                                        std::int64_t now_ns) const noexcept;
  // A question was asked along, see CacheOptions::pair_prefetch.
  void count_pair(unsigned worker) noexcept;
  // One that was to be verified is given as it is.
  void count_stale(unsigned worker) noexcept;
  // Whether a reply ends the waiting for a better answer than a stale one: no failure (RFC 8767
  // section 4), and with prefer_positive one with data.
  [[nodiscard]] bool satisfies(const ReplyRecords& records) const noexcept;

  // Keeps the answer to `question` when it is one to keep: NOERROR, NXDOMAIN or (servfail_ttl) a
  // failure, complete, with a TTL above 0, and nothing better is there. Then returns it, to be
  // answered from as from find(). nullptr: not kept; then an older answer does not stay either
  // when this one satisfies(). REQUIRES: as find(); `records` begins with the
  // reply itself.
  [[nodiscard]] const Entry* store(const CacheQuestion& question, const ReplyHead& head,
                                   const ReplyRecords& records, std::int64_t now_ns,
                                   unsigned worker) noexcept;

  // Keeps that no upstream gave an answer to `question`, as if they had said SERVFAIL, unless
  // something better is there; nothing with a servfail_ttl of 0. `error`: what was said of it.
  // REQUIRES: as find().
  void store_silence(const CacheQuestion& question, std::optional<std::uint16_t> error,
                     std::int64_t now_ns, unsigned worker) noexcept;

  // Makes `entry` the answer: its records by reference, its rcode, AA, and AD for who asked for it.
  // Every TTL becomes what is left of the entry's life, as CoreDNS does. With `rotate` the next
  // record comes first each time.
  void fill(const Entry& entry, const Query& query, std::int64_t now_ns, bool rotate,
            Answer& answer) const noexcept;
  // An alias that leads to a name of somebody else's: what that is now is to be looked up.
  [[nodiscard]] static bool leads_on(const Entry& entry) noexcept;
  [[nodiscard]] static ReplyHead head(const Entry& entry, std::int64_t now_ns) noexcept;
  // Seconds since it was kept.
  [[nodiscard]] static std::uint32_t age(const Entry& entry, std::int64_t now_ns) noexcept;
  // The same as fill() as a whole message about `question`, with id 0, for aliases that go before
  // it.
  [[nodiscard]] std::vector<std::uint8_t> message(const Entry& entry, const CacheQuestion& question,
                                                  std::int64_t now_ns) const;

  // The same about the entry's own question.
  [[nodiscard]] std::vector<std::uint8_t> message_of(const Entry& entry, std::int64_t now_ns) const;

  // Forgets what is kept under `name` (lower-case), whatever the type, or all of it for no name.
  // Returns how many answers that were. Any thread; takes time in proportion to the capacity.
  std::size_t flush(NameView name = {}) noexcept;

  // One answer as it is kept, for people.
  struct Kept {
    Name name;
    RRType type{};
    std::uint16_t rcode = 0;
    bool dnssec_ok = false;             // with DNSSEC records
    std::uint32_t ttl = 0;              // seconds left; of a stale one, what it is given with
    std::uint32_t age = 0;              // seconds
    bool stale = false;                 // over, and still given
    std::uint32_t octets = 0;           // of the entry
    std::vector<std::uint8_t> message;  // as message_of()
  };
  // Adds what is kept under `name` (lower-case; without one: under any) to `kept`, from place
  // `from` on, until it has `limit`. Returns the place to go on from; places(): that was all. What
  // comes and goes meanwhile may be missed. Any thread; a worker that stores an answer may wait for
  // some dozens of them to be copied.
  [[nodiscard]] std::size_t list(std::size_t from, std::size_t limit, NameView name,
                                 std::int64_t now_ns, std::vector<Kept>& kept);
  [[nodiscard]] std::size_t places() const noexcept { return buckets_.size() * kWays; }

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
    std::uint64_t refreshes = 0;
    std::uint64_t served_stale = 0;
    std::uint64_t pairs = 0;
    std::uint64_t cut = 0;
    std::array<std::uint64_t, 2> evictions{};
  };
  [[nodiscard]] Totals totals() const noexcept;

 private:
  // Slots of one bucket: a cache line.
  static constexpr std::size_t kWays = 8;
  // Shards with a lock each. Misses wait for an upstream anyway; 16 keep 64 workers from meeting.
  static constexpr std::size_t kShards = 16;
  // Records of an answer that is kept; 8 KiB of addresses are 512 with short names.
  static constexpr std::size_t kMaxRecords = 512;
  // Entries taken out of a shard before the workers are looked at, to see what may be freed.
  static constexpr std::size_t kGarbageBatch = 32;
  // A question that is asked again and never heard of any more may be asked once more after that:
  // longer than any upstream is waited for.
  static constexpr std::int64_t kRefreshLasts = 10'000'000'000;
  // Behind a question that was refused here.
  static constexpr std::int64_t kRefreshPause = 100'000'000;

  struct alignas(64) Bucket {
    // 16 bits of the hash above 48 of the pointer; 0: empty.
    std::array<std::atomic<std::uint64_t>, kWays> slots{};
  };
  struct Garbage {
    Entry* entry;
    std::uint64_t mark;
  };
  struct alignas(128) Shard {
    std::mutex mutex;      // guards all below, and the writing of slots
    std::size_t hand = 0;  // the next slot to look at for one to push out
    std::deque<Garbage> garbage;
    // Read from any thread.
    std::array<std::atomic<std::size_t>, 2> entries{};
    std::array<std::atomic<std::size_t>, 2> octets{};  // by CacheKind
    std::atomic<std::size_t> waiting_octets{0};

    [[nodiscard]] std::size_t total_octets() const noexcept {
      return octets[0].load(std::memory_order_relaxed) + octets[1].load(std::memory_order_relaxed);
    }
  };
  [[nodiscard]] std::uint64_t hash_of(const CacheQuestion& question) const noexcept;
  // Seconds to keep an answer for; 0: not at all. Sets `*kind`.
  [[nodiscard]] std::uint32_t life_of(const CacheQuestion& question, const ReplyHead& head,
                                      const ReplyRecords& records, CacheKind* kind) const noexcept;
  // Seconds to keep a failure for, by what is kept of the last one.
  [[nodiscard]] std::uint32_t failure_life(const CacheQuestion& question,
                                           std::int64_t now_ns) const noexcept;
  // An answer that is kept for so long; nullptr: it is not, see insert().
  [[nodiscard]] Entry* keep(const CacheQuestion& question, const ReplyHead& head, AnswerKind what,
                            const WireSections& sections, std::uint32_t life, CacheKind kind,
                            std::int64_t now_ns, unsigned worker) noexcept;
  [[nodiscard]] std::uint32_t ttl_left(const Entry& entry, std::int64_t now_ns) const noexcept;
  // Over, and may still be given.
  [[nodiscard]] bool is_stale(const Entry& entry, std::int64_t now_ns) const noexcept;
  // Of whatever age; nullptr: none.
  // For store(), whose reply is not kept: takes out what it makes old. nullptr.
  const Entry* not_kept(const CacheQuestion& question, const ReplyRecords& records) noexcept;
  [[nodiscard]] Entry* look_up(const CacheQuestion& question, std::uint64_t hash) const noexcept;
  // Whether `kept` stays though `entry` came later.
  [[nodiscard]] bool outweighs(const Entry& kept, const Entry& entry,
                               std::int64_t now_ns) const noexcept;
  // False when something better is there: the entry is still the caller's.
  [[nodiscard]] bool insert(Entry* entry, std::uint64_t hash, std::int64_t now_ns,
                            unsigned worker) noexcept;
  void take_out(Shard& shard, std::atomic<std::uint64_t>& slot) noexcept;
  // Pushes one entry of `kind`, or of any that is over, out of the shard. Looks at one slot for
  // each of `steps`; false when they are used up.
  bool push_out(Shard& shard, std::size_t shard_index, CacheKind kind, std::int64_t now_ns,
                unsigned worker, std::size_t& steps) noexcept;
  void free_garbage(Shard& shard) noexcept;
  [[nodiscard]] std::vector<std::uint8_t> message_about(NameView asked, RRType asked_type,
                                                        const Entry& entry,
                                                        std::int64_t now_ns) const;

  const CacheOptions options_;
  ReclaimDomain& reclaim_;
  const std::uint64_t seed_;
  std::size_t octets_per_shard_;   // at most
  std::size_t buckets_per_shard_;  // a power of two
  std::vector<Bucket> buckets_;
  std::array<Shard, kShards> shards_;
  std::vector<CacheCounters> counters_;  // by worker
};

}  // namespace clusterdns::dns
