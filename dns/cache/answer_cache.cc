#include "dns/cache/answer_cache.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "dns/base/hash.h"
#include "dns/base/random.h"

namespace clusterdns::dns {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// The most that is kept without an SOA to go by, seconds (RFC 2308 section 5: it SHOULD NOT be);
// CoreDNS's.
constexpr std::uint32_t kTtlWithoutSoa = 5;
constexpr std::uint16_t kStaleNXDomain = 19;  // RFC 8914 4.20

void count(std::atomic<std::uint64_t>& counter) noexcept {
  // One writer: no read-modify-write needed.
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// Slots that are looked at to make room for one answer.
constexpr std::size_t kMostSteps = 512;
constexpr std::uint64_t kPointerBits = (std::uint64_t{1} << 48) - 1;

}  // namespace

// One answer. Behind the object stand the question name (lower-case, padded), the records as they
// follow the question in a message, and the offset of each record's TTL in that message.
class AnswerCache::Entry {
 public:
  std::int64_t stored_ns = 0;
  std::uint64_t hash = 0;
  WireSections sections;     // of what stands behind
  std::uint32_t life = 0;    // seconds
  std::uint32_t octets = 0;  // of the whole allocation
  std::uint16_t flags = 0;   // second word of the header
  std::uint16_t rcode = 0;
  std::uint16_t qtype = 0;
  std::uint16_t extended_error = 0;
  bool has_extended_error = false;
  bool silence = false;  // a failure: nobody gave an answer
  AnswerKind what = AnswerKind::Data;
  std::uint8_t qname_size = 0;
  std::uint8_t key = 0;
  CacheKind kind = CacheKind::Success;
  // Asked for since the hand came by; written once by readers.
  std::atomic<bool> used{false};
  // Where the next answer starts. Workers that meet here may use a place twice, which is as fair.
  std::atomic<std::uint32_t> turn{0};
  // For prefetch: how often it was given without a long gap, and when last. Workers that meet may
  // count once.
  std::atomic<std::uint32_t> hits{0};
  std::atomic<std::int64_t> last_hit_ns{0};
  // Not before then is the question asked again while this entry is here.
  std::atomic<std::int64_t> next_refresh_ns{0};

  [[nodiscard]] std::uint8_t* name() noexcept { return reinterpret_cast<std::uint8_t*>(this + 1); }
  [[nodiscard]] const std::uint8_t* name() const noexcept {
    return reinterpret_cast<const std::uint8_t*>(this + 1);
  }
  [[nodiscard]] std::int64_t age(std::int64_t now_ns) const noexcept {
    // Negative when another worker stored it after this one's batch began.
    return std::max<std::int64_t>(now_ns - stored_ns, 0) / kSecond;
  }
  // Seconds left; 0: over.
  [[nodiscard]] std::uint32_t left(std::int64_t now_ns) const noexcept {
    const std::int64_t seconds = age(now_ns);
    return seconds >= life ? 0 : life - static_cast<std::uint32_t>(seconds);
  }
  [[nodiscard]] bool has_data() const noexcept {
    return what == AnswerKind::Data || what == AnswerKind::LeadsOn;
  }
  // True for one of those who see this at the same time.
  [[nodiscard]] bool claim_refresh(std::int64_t now_ns) noexcept {
    std::int64_t next = next_refresh_ns.load(std::memory_order_relaxed);
    return now_ns >= next && next_refresh_ns.compare_exchange_strong(next, now_ns + kRefreshLasts,
                                                                     std::memory_order_relaxed);
  }
  [[nodiscard]] bool is_for(const CacheQuestion& question) const noexcept {
    return qname_size == question.name.size() &&
           qtype == static_cast<std::uint16_t>(question.type) && key == question.key &&
           equal_padded(name(), question.name.data(), qname_size);
  }

  // Even, with the padding that equal_padded() wants.
  static constexpr std::size_t name_room(std::size_t size) noexcept {
    return (size + 8 + 7) / 8 * 8;
  }
};

AnswerCache::AnswerCache(CacheOptions options, ReclaimDomain& reclaim)
    : options_([&] {
        for (CacheOptions::Kind* kind : {&options.success, &options.denial}) {
          kind->capacity = std::clamp(kind->capacity, kMinCacheCapacity, kMaxCacheCapacity);
        }
        if (options.memory != 0) {
          options.memory = std::clamp(options.memory, kMinCacheMemory, kMaxCacheMemory);
        }
        return std::move(options);
      }()),
      reclaim_(reclaim),
      seed_(random_seed()),
      counters_(reclaim.readers()) {
  // Two thirds full at most on average: buckets overflow rarely before the capacity is reached.
  std::size_t entries = options_.success.capacity + options_.denial.capacity;
  octets_per_shard_ =
      (options_.memory != 0 ? options_.memory : entries * kCacheOctetsPerEntry) / kShards;
  // More than the memory holds need no place.
  if (options_.memory != 0) entries = std::min(entries, options_.memory / sizeof(Entry));
  buckets_per_shard_ = 1;
  while (buckets_per_shard_ * kShards * kWays * 2 < entries * 3) buckets_per_shard_ *= 2;
  buckets_ = std::vector<Bucket>(buckets_per_shard_ * kShards);
}

AnswerCache::~AnswerCache() {
  for (Shard& shard : shards_) {
    for (const Garbage& garbage : shard.garbage) ::operator delete(garbage.entry);
  }
  for (Bucket& bucket : buckets_) {
    for (const auto& slot : bucket.slots) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      if (word != 0) ::operator delete(reinterpret_cast<void*>(word & kPointerBits));
    }
  }
}

bool AnswerCache::takes(const CacheQuestion& question) const noexcept {
  if (!question.recursive) return false;
  // ANY is what the upstream happens to have (RFC 8482).
  if (is_meta_type(question.type) || question.type == RRType::ANY) return false;
  return options_.zones.contains(question.name);
}

std::uint64_t AnswerCache::hash_of(const CacheQuestion& question) const noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio
  const std::uint8_t* data = question.name.data();
  std::size_t size = question.name.size();
  std::uint64_t h = seed_ ^ (static_cast<std::uint64_t>(question.type) << 16) ^
                    (std::uint64_t{question.key} << 8) ^ size;
  for (; size >= 8; size -= 8, data += 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    h = mix(h ^ word, kOdd);
  }
  if (size != 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, data, size);
    h = mix(h ^ word, kOdd);
  }
  return mix(h, 0xD6E8FEB86659FD93);
}

AnswerCache::Entry* AnswerCache::look_up(const CacheQuestion& question,
                                         std::uint64_t hash) const noexcept {
  const std::uint64_t tag = hash >> 48;
  const Bucket& bucket = buckets_[hash & (buckets_.size() - 1)];
  for (const auto& slot : bucket.slots) {
    const std::uint64_t word = slot.load(std::memory_order_acquire);
    if (word == 0 || word >> 48 != tag) continue;
    auto* const entry = reinterpret_cast<Entry*>(word & kPointerBits);
    if (entry->is_for(question)) return entry;
  }
  return nullptr;
}

const AnswerCache::Entry* AnswerCache::find(const CacheQuestion& question, std::int64_t now_ns,
                                            unsigned worker) noexcept {
  CacheCounters& counters = counters_[worker];
  count(counters.requests);
  Entry* const entry = look_up(question, hash_of(question));
  if (entry == nullptr || (entry->left(now_ns) == 0 && !is_stale(*entry, now_ns))) {
    count(counters.misses);
    return nullptr;
  }
  if (!entry->used.load(std::memory_order_relaxed)) {
    entry->used.store(true, std::memory_order_relaxed);
  }
  count(counters.hits[static_cast<std::size_t>(entry->kind)]);
  return entry;
}

const AnswerCache::Entry* AnswerCache::find_cut(const CacheQuestion& question, NameView zone,
                                                std::int64_t now_ns, unsigned worker) noexcept {
  if (!cuts(question)) return nullptr;
  // NXDOMAIN is of the name, whatever type was asked for; it is kept under that. The usual ones.
  const RRType types[] = {question.type, RRType::A, RRType::AAAA};
  CacheQuestion above = question;
  std::size_t at = 0;
  while (question.name[at] != 0) {
    at += std::size_t{1} + question.name[at];
    above.name = question.name.subspan(at);
    if (above.name.size() < zone.size() || !options_.cut.contains(above.name)) return nullptr;
    for (std::size_t i = 0; i < std::size(types); ++i) {
      if (i != 0 && types[i] == question.type) continue;
      above.type = types[i];
      Entry* const entry = look_up(above, hash_of(above));
      if (entry == nullptr || entry->what != AnswerKind::NXDomain) continue;
      // Behind an alias it is another name that does not exist. Without an SOA nobody says so who
      // knows (RFC 2308 section 2.1).
      if (entry->sections.records[0] != 0 || entry->sections.records[1] == 0) continue;
      if (entry->left(now_ns) == 0) continue;
      if (!entry->used.load(std::memory_order_relaxed)) {
        entry->used.store(true, std::memory_order_relaxed);
      }
      count(counters_[worker].cut);
      return entry;
    }
  }
  return nullptr;
}

bool AnswerCache::is_stale(const Entry& entry, std::int64_t now_ns) const noexcept {
  if (options_.stale.up_to == 0 || entry.what == AnswerKind::Failure) return false;
  const std::int64_t over = entry.age(now_ns) - entry.life;
  return over >= 0 && over < options_.stale.up_to;
}

bool AnswerCache::outweighs(const Entry& kept, const Entry& entry,
                            std::int64_t now_ns) const noexcept {
  if (kept.left(now_ns) == 0 && !is_stale(kept, now_ns)) return false;
  if (entry.what == AnswerKind::Failure) return kept.what != AnswerKind::Failure;
  return options_.stale.prefer_positive && kept.has_data() && !entry.has_data();
}

bool AnswerCache::satisfies(const ReplyRecords& records) const noexcept {
  switch (records.kind()) {
    case AnswerKind::Data:
    case AnswerKind::LeadsOn: return true;
    case AnswerKind::NoData:
    case AnswerKind::NXDomain:
    case AnswerKind::Referral: return !options_.stale.prefer_positive;
    case AnswerKind::Failure:
    case AnswerKind::Unusable: break;
  }
  return false;
}

AnswerCache::Care AnswerCache::care_for(const Entry& kept, std::int64_t now_ns,
                                        unsigned worker) noexcept {
  // Like `used` and `turn`: what readers write.
  auto& entry = const_cast<Entry&>(kept);
  const std::uint32_t left = entry.left(now_ns);
  if (left == 0) [[unlikely]] {
    if (options_.stale.verify) {
      if (now_ns >= entry.next_refresh_ns.load(std::memory_order_relaxed)) return Care::Verify;
      count_stale(worker);
      return Care::None;
    }
    count_stale(worker);
  } else {
    const CacheOptions::Prefetch& prefetch = options_.prefetch;
    if (prefetch.amount == 0) return Care::None;
    const bool gap = now_ns - entry.last_hit_ns.load(std::memory_order_relaxed) > prefetch.gap_ns;
    const std::uint32_t before = entry.hits.load(std::memory_order_relaxed);
    const std::uint32_t hits = gap ? 1 : before + (before != 0xFFFFFFFF ? 1 : 0);
    entry.hits.store(hits, std::memory_order_relaxed);
    entry.last_hit_ns.store(now_ns, std::memory_order_relaxed);
    if (hits < prefetch.amount ||
        std::uint64_t{left} * 100 >= std::uint64_t{entry.life} * prefetch.percent + 100) {
      return Care::None;
    }
  }
  if (!entry.claim_refresh(now_ns)) return Care::None;
  count(counters_[worker].refreshes);
  return Care::Refresh;
}

void AnswerCache::end_refresh(const CacheQuestion& question, std::int64_t now_ns,
                              Refreshed how) noexcept {
  Entry* const entry = look_up(question, hash_of(question));
  if (entry == nullptr) return;
  std::int64_t next = 0;
  // What was refused here says nothing about upstreams: others may ask soon.
  if (how == Refreshed::NotAsked) next = now_ns + kRefreshPause;
  if (how == Refreshed::Failed) next = now_ns + options_.stale.recheck_ns;
  entry->next_refresh_ns.store(next, std::memory_order_relaxed);
}

const AnswerCache::Entry* AnswerCache::find_since(const CacheQuestion& question,
                                                  std::int64_t since_ns,
                                                  std::int64_t now_ns) const noexcept {
  const Entry* const entry = look_up(question, hash_of(question));
  if (entry == nullptr || entry->stored_ns <= since_ns || entry->left(now_ns) == 0) return nullptr;
  return entry->what == AnswerKind::Failure ? nullptr : entry;
}

const AnswerCache::Entry* AnswerCache::not_kept(const CacheQuestion& question,
                                                const ReplyRecords& records) noexcept {
  if (records.truncated() || !satisfies(records)) return nullptr;
  const std::uint64_t hash = hash_of(question);
  if (look_up(question, hash) == nullptr) return nullptr;
  const std::size_t bucket = hash & (buckets_.size() - 1);
  Shard& shard = shards_[bucket / buckets_per_shard_];
  const std::lock_guard lock(shard.mutex);
  for (auto& slot : buckets_[bucket].slots) {
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    if (word == 0) continue;
    if (reinterpret_cast<const Entry*>(word & kPointerBits)->is_for(question)) {
      take_out(shard, slot);
    }
  }
  if (shard.garbage.size() >= kGarbageBatch) free_garbage(shard);
  return nullptr;
}

void AnswerCache::count_pair(unsigned worker) noexcept { count(counters_[worker].pairs); }

void AnswerCache::count_stale(unsigned worker) noexcept { count(counters_[worker].served_stale); }

std::uint32_t AnswerCache::life_of(const CacheQuestion& question, const ReplyHead& head,
                                   const ReplyRecords& records, CacheKind* kind) const noexcept {
  *kind = CacheKind::Success;
  if (records.truncated()) return 0;
  std::uint32_t ttl = records.ttl();
  bool lasts = true;  // may be lengthened
  switch (records.kind()) {
    case AnswerKind::Data:
    case AnswerKind::LeadsOn: break;
    case AnswerKind::NXDomain:
    case AnswerKind::NoData:
      if (records.has_soa() || records.kind() == AnswerKind::NXDomain) *kind = CacheKind::Denial;
      if (records.has_soa()) break;
      [[fallthrough]];
    case AnswerKind::Referral:
      ttl = std::min(ttl, kTtlWithoutSoa);
      lasts = false;
      break;
    case AnswerKind::Failure: {
      const auto rcode = Rcode{head.rcode};
      if (rcode != Rcode::ServFail && rcode != Rcode::NotImp) return 0;
      *kind = CacheKind::Denial;
      break;
    }
    case AnswerKind::Unusable: return 0;
  }
  const auto& options = *kind == CacheKind::Success ? options_.success : options_.denial;
  if (options.except.contains(question.name)) return 0;
  if (records.kind() == AnswerKind::Failure) return options_.servfail_ttl;
  if (lasts && ttl != 0) ttl = std::max(ttl, options.min_ttl);
  return std::min(ttl, options.max_ttl);
}

const AnswerCache::Entry* AnswerCache::store(const CacheQuestion& question, const ReplyHead& head,
                                             const ReplyRecords& records, std::int64_t now_ns,
                                             unsigned worker) noexcept {
  CacheKind kind;
  std::uint32_t life = life_of(question, head, records, &kind);
  if (life == 0) return not_kept(question, records);
  if (records.kind() == AnswerKind::Failure) life = failure_life(question, now_ns);
  const WireSections sections = records.sections();
  const std::size_t count =
      std::size_t{sections.records[0]} + sections.records[1] + sections.records[2];
  if (sections.end[2] > kMaxCachedMessage || count > kMaxRecords) {
    return not_kept(question, records);
  }
  return keep(question, head, records.kind(), sections, life, kind, now_ns, worker);
}

std::uint32_t AnswerCache::failure_life(const CacheQuestion& question,
                                        std::int64_t now_ns) const noexcept {
  const std::uint32_t first = options_.servfail_ttl;
  const Entry* const before = look_up(question, hash_of(question));
  if (before == nullptr || before->what != AnswerKind::Failure) return first;
  // The same failure, told by another worker or to the next who waited.
  if (before->left(now_ns) != 0) return before->life;
  const std::uint32_t most = std::max(first, kMostFailureLife);
  // Long after the last one it says nothing of how long this lasts.
  if (before->age(now_ns) > std::int64_t{before->life} + most) return first;
  return std::min(2 * before->life, most);
}

void AnswerCache::store_silence(const CacheQuestion& question, std::optional<std::uint16_t> error,
                                std::int64_t now_ns, unsigned worker) noexcept {
  if (options_.servfail_ttl == 0 || options_.denial.except.contains(question.name)) return;
  const Entry* const before = look_up(question, hash_of(question));
  if (before != nullptr && before->what == AnswerKind::Failure && before->left(now_ns) != 0) return;
  ReplyHead head{kFlagQR, static_cast<std::uint16_t>(Rcode::ServFail), error};
  head.silence = true;
  WireSections none;
  none.begin = static_cast<std::uint16_t>(kHeaderSize + question.name.size() + 4);
  none.end.fill(none.begin);
  (void)keep(question, head, AnswerKind::Failure, none, failure_life(question, now_ns),
             CacheKind::Denial, now_ns, worker);
}

AnswerCache::Entry* AnswerCache::keep(const CacheQuestion& question, const ReplyHead& head,
                                      AnswerKind what, const WireSections& sections,
                                      std::uint32_t life, CacheKind kind, std::int64_t now_ns,
                                      unsigned worker) noexcept {
  const std::size_t count =
      std::size_t{sections.records[0]} + sections.records[1] + sections.records[2];
  const std::size_t size = std::size_t{sections.end[2]} - sections.begin;
  const std::size_t qname_size = question.name.size();
  const std::size_t octets = sizeof(Entry) + Entry::name_room(qname_size) + size + size % 2 +
                             count * sizeof(std::uint16_t);
  void* const memory = ::operator new(octets, std::nothrow);
  if (memory == nullptr) return nullptr;
  auto* const entry = new (memory) Entry;
  entry->stored_ns = now_ns;
  entry->life = life;
  entry->octets = static_cast<std::uint32_t>(octets);
  entry->flags = head.flags;
  entry->rcode = head.rcode;
  entry->has_extended_error = head.extended_error.has_value();
  entry->extended_error = head.extended_error.value_or(0);
  entry->silence = head.silence;
  entry->what = what;
  entry->qtype = static_cast<std::uint16_t>(question.type);
  entry->qname_size = static_cast<std::uint8_t>(qname_size);
  entry->key = question.key;
  entry->kind = kind;
  entry->hash = hash_of(question);
  std::uint8_t* const name = entry->name();
  std::memset(name, 0, Entry::name_room(qname_size));
  std::memcpy(name, question.name.data(), qname_size);
  std::uint8_t* const octets_at = name + Entry::name_room(qname_size);
  if (size != 0) std::memcpy(octets_at, sections.octets, size);
  std::uint8_t* const ttls_at = octets_at + size + size % 2;
  if (count != 0) std::memcpy(ttls_at, sections.ttls, count * sizeof(std::uint16_t));
  entry->sections = sections;
  entry->sections.octets = octets_at;
  entry->sections.ttls = reinterpret_cast<const std::uint16_t*>(ttls_at);
  if (insert(entry, entry->hash, now_ns, worker)) return entry;
  ::operator delete(entry);
  return nullptr;
}

bool AnswerCache::insert(Entry* entry, std::uint64_t hash, std::int64_t now_ns,
                         unsigned worker) noexcept {
  const std::size_t bucket_index = hash & (buckets_.size() - 1);
  const std::size_t shard_index = bucket_index / buckets_per_shard_;
  Shard& shard = shards_[shard_index];
  const auto kind = static_cast<std::size_t>(entry->kind);
  const auto& limits = entry->kind == CacheKind::Success ? options_.success : options_.denial;
  const std::size_t capacity = limits.capacity / kShards;

  const std::lock_guard lock(shard.mutex);
  // The old answer to the same question goes, or what is over, or else the one that was not asked
  // for; the place is looked for first, so that no more is pushed out than must be.
  std::atomic<std::uint64_t>* place = nullptr;
  int rank = -1;
  for (auto& slot : buckets_[bucket_index].slots) {
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    if (word == 0) {
      if (rank < 3) {
        place = &slot;
        rank = 3;
      }
      continue;
    }
    auto* const other = reinterpret_cast<Entry*>(word & kPointerBits);
    if (other->hash == hash && other->qname_size == entry->qname_size &&
        other->qtype == entry->qtype && other->key == entry->key &&
        std::memcmp(other->name(), entry->name(), entry->qname_size) == 0) {
      if (outweighs(*other, *entry, now_ns)) return false;
      // It is asked for as often as it was.
      entry->hits.store(other->hits.load(std::memory_order_relaxed), std::memory_order_relaxed);
      entry->last_hit_ns.store(other->last_hit_ns.load(std::memory_order_relaxed),
                               std::memory_order_relaxed);
      place = &slot;
      break;
    }
    const bool over = other->left(now_ns) == 0 && !is_stale(*other, now_ns);
    const int mine = over ? 2 : !other->used.load(std::memory_order_relaxed) ? 1 : 0;
    if (mine > rank) {
      place = &slot;
      rank = mine;
    }
  }
  if (const std::uint64_t word = place->load(std::memory_order_relaxed); word != 0) {
    auto* const other = reinterpret_cast<Entry*>(word & kPointerBits);
    if (rank < 2 && other->hash != hash) {
      count(counters_[worker].evictions[static_cast<std::size_t>(other->kind)]);
    }
    take_out(shard, *place);
  }
  // What there is no room for within so many steps is not kept: a question has its price, whatever
  // is kept of others.
  std::size_t steps = kMostSteps;
  while (shard.entries[kind].load(std::memory_order_relaxed) >= capacity) {
    if (!push_out(shard, shard_index, entry->kind, now_ns, worker, steps)) return false;
  }
  // Neither kind starves the other: the one that takes more gives way.
  while (shard.total_octets() + entry->octets > octets_per_shard_) {
    const auto of = [&](CacheKind each) {
      return shard.octets[static_cast<std::size_t>(each)].load(std::memory_order_relaxed);
    };
    const CacheKind larger =
        of(CacheKind::Success) < of(CacheKind::Denial) ? CacheKind::Denial : CacheKind::Success;
    if (of(larger) == 0) break;  // one that is larger than the bound
    if (!push_out(shard, shard_index, larger, now_ns, worker, steps)) return false;
  }
  shard.entries[kind].fetch_add(1, std::memory_order_relaxed);
  shard.octets[kind].fetch_add(entry->octets, std::memory_order_relaxed);
  place->store(hash >> 48 << 48 | reinterpret_cast<std::uintptr_t>(entry),
               std::memory_order_release);
  if (shard.garbage.size() >= kGarbageBatch) free_garbage(shard);
  return true;
}

void AnswerCache::take_out(Shard& shard, std::atomic<std::uint64_t>& slot) noexcept {
  auto* const entry = reinterpret_cast<Entry*>(slot.load(std::memory_order_relaxed) & kPointerBits);
  slot.store(0, std::memory_order_release);
  shard.entries[static_cast<std::size_t>(entry->kind)].fetch_sub(1, std::memory_order_relaxed);
  shard.octets[static_cast<std::size_t>(entry->kind)].fetch_sub(entry->octets,
                                                                std::memory_order_relaxed);
  shard.waiting_octets.fetch_add(entry->octets, std::memory_order_relaxed);
  shard.garbage.push_back({entry, reclaim_.mark()});
}

// The hand goes round as a clock's: what was asked for since it last came by gets another round.
bool AnswerCache::push_out(Shard& shard, std::size_t shard_index, CacheKind kind,
                           std::int64_t now_ns, unsigned worker, std::size_t& steps) noexcept {
  const std::size_t slots = buckets_per_shard_ * kWays;
  const std::size_t first = shard_index * buckets_per_shard_;
  for (; steps > 0; --steps) {
    const std::size_t at = shard.hand++ & (slots - 1);
    auto& slot = buckets_[first + at / kWays].slots[at % kWays];
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    if (word == 0) continue;
    auto* const entry = reinterpret_cast<Entry*>(word & kPointerBits);
    // What may be given although it is over is as good as the rest.
    const bool over = entry->left(now_ns) == 0 && !is_stale(*entry, now_ns);
    if (!over) {
      if (entry->kind != kind || entry->used.exchange(false, std::memory_order_relaxed)) continue;
      count(counters_[worker].evictions[static_cast<std::size_t>(kind)]);
    }
    take_out(shard, slot);
    return true;
  }
  return false;
}

std::size_t AnswerCache::flush(NameView name) noexcept {
  std::size_t flushed = 0;
  for (std::size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    for (std::size_t b = 0; b < buckets_per_shard_; ++b) {
      for (auto& slot : buckets_[i * buckets_per_shard_ + b].slots) {
        const std::uint64_t word = slot.load(std::memory_order_relaxed);
        if (word == 0) continue;
        const auto* const entry = reinterpret_cast<const Entry*>(word & kPointerBits);
        const NameView kept{entry->name(), entry->qname_size};
        if (!name.empty() && !std::equal(kept.begin(), kept.end(), name.begin(), name.end()))
          continue;
        take_out(shard, slot);
        ++flushed;
      }
    }
    free_garbage(shard);
  }
  return flushed;
}

std::size_t AnswerCache::list(std::size_t from, std::size_t limit, NameView name,
                              std::int64_t now_ns, std::vector<Kept>& kept) {
  // Places for each time that the lock is held.
  constexpr std::size_t kAtOnce = 64;
  const std::size_t shard_places = buckets_per_shard_ * kWays;
  while (from < places() && kept.size() < limit) {
    Shard& shard = shards_[from / shard_places];
    const std::size_t end = std::min(from + kAtOnce, (from / shard_places + 1) * shard_places);
    // What stands in a slot is not freed while it is held.
    const std::lock_guard lock(shard.mutex);
    for (; from < end && kept.size() < limit; ++from) {
      const std::uint64_t word =
          buckets_[from / kWays].slots[from % kWays].load(std::memory_order_relaxed);
      if (word == 0) continue;
      const auto& entry = *reinterpret_cast<const Entry*>(word & kPointerBits);
      const NameView its_name{entry.name(), entry.qname_size};
      if (!name.empty() &&
          !std::equal(its_name.begin(), its_name.end(), name.begin(), name.end())) {
        continue;
      }
      const bool over = entry.left(now_ns) == 0;
      if (over && !is_stale(entry, now_ns)) continue;
      kept.push_back({Name(its_name), RRType{entry.qtype}, entry.rcode,
                      (entry.key & CacheQuestion::kDnssecOk) != 0, ttl_left(entry, now_ns),
                      age(entry, now_ns), over, entry.octets, message_of(entry, now_ns)});
    }
  }
  return from;
}

void AnswerCache::free_garbage(Shard& shard) noexcept {
  const std::uint64_t oldest = reclaim_.oldest_reader();
  while (!shard.garbage.empty() && shard.garbage.front().mark < oldest) {
    Entry* const entry = shard.garbage.front().entry;
    shard.waiting_octets.fetch_sub(entry->octets, std::memory_order_relaxed);
    ::operator delete(entry);
    shard.garbage.pop_front();
  }
}

std::uint32_t AnswerCache::ttl_left(const Entry& entry, std::int64_t now_ns) const noexcept {
  const std::uint32_t left = entry.left(now_ns);
  if (left == 0) return options_.stale.ttl;
  return options_.keep_ttl ? entry.life : left;
}

void AnswerCache::fill(const Entry& entry, const Query& query, std::int64_t now_ns, bool rotate,
                       Answer& answer) const noexcept {
  set_reply_head(head(entry, now_ns), query, answer);
  std::uint32_t turn = 0;
  if (rotate && entry.sections.turn_count > 1) {
    auto& next = const_cast<Entry&>(entry).turn;
    turn = next.load(std::memory_order_relaxed);
    next.store(turn + 1, std::memory_order_relaxed);
  }
  answer.age = age(entry, now_ns);
  add_wire_sections(entry.sections, ttl_left(entry, now_ns), turn, answer);
}

std::uint32_t AnswerCache::age(const Entry& entry, std::int64_t now_ns) noexcept {
  return static_cast<std::uint32_t>(entry.age(now_ns));
}

bool AnswerCache::leads_on(const Entry& entry) noexcept {
  return entry.what == AnswerKind::LeadsOn;
}

ReplyHead AnswerCache::head(const Entry& entry, std::int64_t now_ns) noexcept {
  ReplyHead head{entry.flags, entry.rcode, std::nullopt};
  if (entry.left(now_ns) == 0) {
    head.extended_error = Rcode{entry.rcode} == Rcode::NXDomain
                              ? kStaleNXDomain
                              : static_cast<std::uint16_t>(ExtendedError::StaleAnswer);
  } else if (entry.has_extended_error) {
    head.extended_error = entry.extended_error;
  }
  head.kept_failure = entry.what == AnswerKind::Failure;
  head.silence = entry.silence;
  return head;
}

std::vector<std::uint8_t> AnswerCache::message(const Entry& entry, const CacheQuestion& question,
                                               std::int64_t now_ns) const {
  return message_about(question.name, question.type, entry, now_ns);
}

std::vector<std::uint8_t> AnswerCache::message_of(const Entry& entry, std::int64_t now_ns) const {
  return message_about({entry.name(), entry.qname_size}, RRType{entry.qtype}, entry, now_ns);
}

std::vector<std::uint8_t> AnswerCache::message_about(NameView asked, RRType asked_type,
                                                     const Entry& entry,
                                                     std::int64_t now_ns) const {
  const WireSections& sections = entry.sections;
  std::vector<std::uint8_t> out(sections.end[2]);
  store_u16(out.data() + 2, static_cast<std::uint16_t>((entry.flags & ~0xF) | (entry.rcode & 0xF)));
  store_u16(out.data() + 4, 1);
  std::size_t count = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    store_u16(out.data() + 6 + 2 * i, sections.records[i]);
    count += sections.records[i];
  }
  std::memcpy(out.data() + kHeaderSize, asked.data(), asked.size());
  std::uint8_t* const type = out.data() + kHeaderSize + asked.size();
  store_u16(type, static_cast<std::uint16_t>(asked_type));
  store_u16(type + 2, static_cast<std::uint16_t>(RRClass::IN));
  std::memcpy(out.data() + sections.begin, sections.octets, out.size() - sections.begin);
  const std::uint32_t ttl = ttl_left(entry, now_ns);
  for (std::size_t i = 0; i < count; ++i) store_u32(out.data() + sections.ttls[i], ttl);
  return out;
}

std::size_t AnswerCache::entries(CacheKind kind) const noexcept {
  std::size_t sum = 0;
  for (const Shard& shard : shards_) {
    sum += shard.entries[static_cast<std::size_t>(kind)].load(std::memory_order_relaxed);
  }
  return sum;
}

std::size_t AnswerCache::octets() const noexcept {
  std::size_t sum = 0;
  for (const Shard& shard : shards_) {
    sum += shard.total_octets() + shard.waiting_octets.load(std::memory_order_relaxed);
  }
  return sum;
}

AnswerCache::Totals AnswerCache::totals() const noexcept {
  Totals totals;
  for (const CacheCounters& counters : counters_) {
    totals.requests += counters.requests.load(std::memory_order_relaxed);
    totals.misses += counters.misses.load(std::memory_order_relaxed);
    totals.refreshes += counters.refreshes.load(std::memory_order_relaxed);
    totals.served_stale += counters.served_stale.load(std::memory_order_relaxed);
    totals.pairs += counters.pairs.load(std::memory_order_relaxed);
    totals.cut += counters.cut.load(std::memory_order_relaxed);
    for (std::size_t kind = 0; kind < 2; ++kind) {
      totals.hits[kind] += counters.hits[kind].load(std::memory_order_relaxed);
      totals.evictions[kind] += counters.evictions[kind].load(std::memory_order_relaxed);
    }
  }
  return totals;
}

}  // namespace clusterdns::dns
