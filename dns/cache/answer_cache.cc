#include "dns/cache/answer_cache.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "dns/query/encoder.h"
#include "dns/wire/plain_size.h"

namespace clusterdns::dns {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// RFC 7871 section 6.
constexpr std::uint16_t kClientSubnetOption = 8;
// What is kept without a TTL to go by, seconds; CoreDNS's.
constexpr std::uint32_t kTtlWithoutRecords = 5;

// What tells entries of one name and type apart: the answers differ with it (RFC 4035 3.2,
// RFC 6840 5.7).
constexpr std::uint8_t kDnssecOk = 1;
constexpr std::uint8_t kCheckingDisabled = 2;
constexpr std::uint8_t kAuthenticData = 4;

std::uint8_t key_flags(const Query& query) noexcept {
  return static_cast<std::uint8_t>((query.dnssec_ok ? kDnssecOk : 0) |
                                   ((query.flags & kFlagCD) != 0 ? kCheckingDisabled : 0) |
                                   ((query.flags & kFlagAD) != 0 ? kAuthenticData : 0));
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  while (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
  }
  return seed;
}

bool at_or_below_any(NameView name, const std::vector<Name>& zones) noexcept {
  return std::any_of(zones.begin(), zones.end(), [name](const Name& zone) {
    return has_suffix_ignoring_case(name, zone.view());
  });
}

bool has_client_subnet(const Query& query) noexcept {
  if (!query.has_edns) return false;
  std::size_t at = query.opt_offset + kOptRecordSize;
  while (at + 4 <= query.opt_end) {
    if (load_u16(query.packet + at) == kClientSubnetOption) return true;
    at += std::size_t{4} + load_u16(query.packet + at + 2);
  }
  return false;
}

// Offset after the name at `at`; 0 when it does not end within the message.
std::size_t skip_name(std::span<const std::uint8_t> message, std::size_t at) noexcept {
  while (at < message.size()) {
    const std::uint8_t length = message[at];
    if (length == 0) return at + 1;
    if ((length & 0xC0) == 0xC0) return at + 2 <= message.size() ? at + 2 : 0;
    if (length > kMaxLabelSize) return 0;
    at += std::size_t{1} + length;
  }
  return 0;
}

void count(std::atomic<std::uint64_t>& counter) noexcept {
  // One writer: no read-modify-write needed.
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

constexpr std::uint64_t kPointerBits = (std::uint64_t{1} << 48) - 1;

}  // namespace

// One answer. Behind the object stand the question name (lower-case, padded), the records as they
// follow the question in a message, and the offset of each record's TTL in that message.
class AnswerCache::Entry {
 public:
  std::int64_t stored_ns = 0;
  std::uint64_t hash = 0;
  std::uint32_t life = 0;    // seconds
  std::uint32_t octets = 0;  // of the whole allocation
  std::uint32_t saved = 0;   // octets that compression saved in the upstream's message
  std::uint16_t flags = 0;   // second word of the header
  std::uint16_t qtype = 0;
  std::uint16_t begin = 0;                 // where the records start in a message
  std::array<std::uint16_t, 3> end{};      // where each section ends
  std::array<std::uint16_t, 3> records{};  // of each section
  std::uint8_t qname_size = 0;
  std::uint8_t key = 0;
  CacheKind kind = CacheKind::Success;
  // Asked for since the hand came by. The one thing that readers write, once.
  std::atomic<bool> used{false};

  [[nodiscard]] std::uint8_t* name() noexcept {
    return reinterpret_cast<std::uint8_t*>(this + 1);
  }
  [[nodiscard]] const std::uint8_t* name() const noexcept {
    return reinterpret_cast<const std::uint8_t*>(this + 1);
  }
  // The octet that has offset `at` in a message.
  [[nodiscard]] const std::uint8_t* octet(std::size_t at) const noexcept {
    return name() + name_room(qname_size) + (at - begin);
  }
  [[nodiscard]] const std::uint16_t* ttl_offsets() const noexcept {
    const std::size_t size = std::size_t{end[2]} - begin;
    return reinterpret_cast<const std::uint16_t*>(name() + name_room(qname_size) + size + size % 2);
  }
  [[nodiscard]] std::size_t record_count() const noexcept {
    return std::size_t{records[0]} + records[1] + records[2];
  }
  // Seconds left; 0: over.
  [[nodiscard]] std::uint32_t left(std::int64_t now_ns) const noexcept {
    // Negative when another worker stored it after this one's batch began.
    const std::int64_t age = std::max<std::int64_t>(now_ns - stored_ns, 0) / kSecond;
    return age >= life ? 0 : life - static_cast<std::uint32_t>(age);
  }
  [[nodiscard]] bool is_for(const Query& query, std::uint8_t flags_of_key) const noexcept {
    return qname_size == query.qname_size && qtype == static_cast<std::uint16_t>(query.qtype) &&
           key == flags_of_key && equal_padded(name(), query.lower.data(), qname_size);
  }

  // Even, with the padding that equal_padded() wants.
  static constexpr std::size_t name_room(std::size_t size) noexcept {
    return (size + 8 + 7) / 8 * 8;
  }
};

// What examine() finds.
struct AnswerCache::Plan {
  CacheKind kind = CacheKind::Success;
  std::uint32_t life = 0;
  std::size_t begin = 0;
  std::array<std::size_t, 3> end{};
  std::array<std::uint16_t, 3> records{};
  std::array<std::uint16_t, kMaxRecords> ttl_offsets;  // of all sections, in order
};

namespace {

// Writes one section of an entry: `data` is the entry, `first` the section, `ttl` the TTL of all
// its records. The records go where they stood in the upstream's message, so that the compression
// pointers in them stay true.
Written write_section(const RRsetRef& section, Encoder& encoder) noexcept {
  const auto& entry = *static_cast<const AnswerCache::Entry*>(section.data);
  const std::size_t index = section.first;
  const std::size_t begin = index == 0 ? entry.begin : entry.end[index - 1];
  std::size_t end = entry.end[index];
  if (encoder.size() != begin) return Written::None;  // a section before it was left out
  const std::uint16_t* offsets = entry.ttl_offsets();
  for (std::size_t i = 0; i < index; ++i) offsets += entry.records[i];
  std::size_t records = entry.records[index];
  if (end - begin > encoder.room()) {
    // Whole records from the front. A TTL, RDLENGTH and RDATA end a record.
    const std::size_t last = begin + encoder.room();
    std::size_t fits = 0;
    end = begin;
    for (; fits < records; ++fits) {
      const std::size_t ttl = offsets[fits];
      const std::size_t next = ttl + 6 + load_u16(entry.octet(ttl + 4));
      if (next > last) break;
      end = next;
    }
    records = fits;
    // Only an answer, or what makes a negative one, is worth asking again over TCP (RFC 2181 9).
    if (records == 0) return index == 1 && entry.records[0] != 0 ? Written::All : Written::None;
  }
  std::uint8_t* const at = encoder.position();
  std::memcpy(at, entry.octet(begin), end - begin);
  for (std::size_t i = 0; i < records; ++i) store_u32(at + (offsets[i] - begin), section.ttl);
  encoder.skip(end - begin);
  encoder.add_records(static_cast<std::uint32_t>(records));
  // Known of all sections together, and told with the first of them.
  if (begin == entry.begin && records == entry.records[index]) encoder.add_saved(entry.saved);
  return records == entry.records[index] ? Written::All : Written::Part;
}

}  // namespace

AnswerCache::AnswerCache(CacheOptions options, ReclaimDomain& reclaim)
    : options_([&] {
        for (CacheOptions::Kind* kind : {&options.success, &options.denial}) {
          kind->capacity = std::clamp(kind->capacity, kMinCacheCapacity, kMaxCacheCapacity);
        }
        return std::move(options);
      }()),
      reclaim_(reclaim),
      seed_(random_seed()),
      counters_(reclaim.readers()) {
  // Two thirds full at most on average: buckets overflow rarely before the capacity is reached.
  const std::size_t entries = options_.success.capacity + options_.denial.capacity;
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

bool AnswerCache::in_zones(NameView name) const noexcept {
  for (const Name& zone : options_.zones) {
    if (zone.is_root() || has_suffix_ignoring_case(name, zone.view())) return true;
  }
  return false;
}

bool AnswerCache::takes(const Query& query) const noexcept {
  if ((query.flags & kFlagRD) == 0 || query.qclass != RRClass::IN) return false;
  // QTYPEs and meta-types, RFC 6895 3.1. ANY is what the upstream happens to have (RFC 8482).
  const auto type = static_cast<std::uint16_t>(query.qtype);
  if ((type >= 249 && type <= 255) || query.qtype == RRType::OPT) return false;
  return in_zones(query.name()) && !has_client_subnet(query);
}

std::uint64_t AnswerCache::hash_of(const Query& query, std::uint8_t flags) const noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio
  const std::uint8_t* data = query.lower.data();
  std::size_t size = query.qname_size;
  std::uint64_t h = seed_ ^ (static_cast<std::uint64_t>(query.qtype) << 16) ^
                    (std::uint64_t{flags} << 8) ^ size;
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

const AnswerCache::Entry* AnswerCache::find(const Query& query, std::int64_t now_ns,
                                            unsigned worker) noexcept {
  CacheCounters& counters = counters_[worker];
  count(counters.requests);
  const std::uint8_t flags = key_flags(query);
  const std::uint64_t hash = hash_of(query, flags);
  const std::uint64_t tag = hash >> 48;
  const Bucket& bucket = buckets_[hash & (buckets_.size() - 1)];
  for (const auto& slot : bucket.slots) {
    const std::uint64_t word = slot.load(std::memory_order_acquire);
    if (word == 0 || word >> 48 != tag) continue;
    auto* const entry = reinterpret_cast<Entry*>(word & kPointerBits);
    if (!entry->is_for(query, flags)) continue;
    if (entry->left(now_ns) == 0) break;
    if (!entry->used.load(std::memory_order_relaxed)) {
      entry->used.store(true, std::memory_order_relaxed);
    }
    count(counters.hits[static_cast<std::size_t>(entry->kind)]);
    return entry;
  }
  count(counters.misses);
  return nullptr;
}

bool AnswerCache::examine(const Query& query, std::span<const std::uint8_t> reply,
                          Plan& plan) const noexcept {
  if (reply.size() < kHeaderSize || reply.size() > kMaxMessage) return false;
  const std::uint16_t flags = load_u16(reply.data() + 2);
  if ((flags & kFlagTC) != 0 || load_u16(reply.data() + 4) != 1) return false;
  std::size_t at = query.question_end;
  if (at > reply.size() ||
      !equal_ignoring_case(reply.subspan(kHeaderSize, query.qname_size), query.name())) {
    return false;
  }
  plan.begin = at;

  constexpr std::uint32_t kNoTtl = 0xFFFFFFFF;
  std::uint32_t least_ttl = kNoTtl;
  bool soa = false;
  bool referral = false;
  bool alias = false;
  bool data = false;
  std::size_t records = 0;
  std::size_t opt_end = 0;
  for (std::size_t section = 0; section < 3; ++section) {
    const unsigned declared = load_u16(reply.data() + 6 + 2 * section);
    for (unsigned i = 0; i < declared; ++i) {
      const std::size_t start = at;
      at = skip_name(reply, at);
      if (at == 0 || reply.size() - at < 10) return false;
      const RRType type{load_u16(reply.data() + at)};
      const std::size_t ttl_at = at + 4;
      const std::size_t rdata_size = load_u16(reply.data() + at + 8);
      at += 10 + rdata_size;
      if (at > reply.size()) return false;
      if (type == RRType::OPT) {
        // Each message has its own (RFC 6891 6.2.1). Pointers of what follows it would go wrong.
        if (section != 2 || i + 1 != declared || reply[start] != 0) return false;
        if (reply[ttl_at] != 0) return false;  // an rcode that a client without EDNS cannot be told
        opt_end = at;
        at = start;
        continue;
      }
      // Signs this message alone, RFC 8945.
      if (type == RRType::TSIG) return false;
      if (records == kMaxRecords) return false;
      plan.ttl_offsets[records++] = static_cast<std::uint16_t>(ttl_at);
      ++plan.records[section];
      std::uint32_t ttl = load_u32(reply.data() + ttl_at);
      if (ttl > 0x7FFFFFFF) ttl = 0;  // RFC 2181 section 8
      if (section == 0) {
        if (type == query.qtype || type == RRType::DNAME) data = true;
        if (type == RRType::CNAME) alias = true;
      } else if (section == 1 && type == RRType::SOA) {
        soa = true;
        // RFC 2308 section 5. MINIMUM is the last word of the RDATA.
        if (!data && rdata_size >= 22) ttl = std::min(ttl, load_u32(reply.data() + at - 4));
      } else if (section == 1 && type == RRType::NS) {
        referral = true;
      }
      least_ttl = std::min(least_ttl, ttl);
    }
    plan.end[section] = at;
  }
  if ((opt_end != 0 ? opt_end : at) != reply.size()) return false;

  const auto rcode = Rcode{static_cast<std::uint16_t>(flags & 0xF)};
  const NameView name = query.name();
  if (rcode == Rcode::ServFail || rcode == Rcode::NotImp) {
    plan.kind = CacheKind::Denial;
    plan.life = options_.servfail_ttl;
  } else if (rcode == Rcode::NXDomain || (rcode == Rcode::NoError && !data && soa)) {
    plan.kind = CacheKind::Denial;
    plan.life = std::clamp(least_ttl == kNoTtl || !soa ? kTtlWithoutRecords : least_ttl,
                           std::min(options_.denial.min_ttl, options_.denial.max_ttl),
                           options_.denial.max_ttl);
  } else if (rcode == Rcode::NoError) {
    // A chain that the upstream left half-way is no answer to keep.
    if (alias && !data) return false;
    plan.kind = CacheKind::Success;
    const bool nothing = least_ttl == kNoTtl || (referral && plan.records[0] == 0);
    plan.life = std::clamp(nothing ? kTtlWithoutRecords : least_ttl,
                           std::min(options_.success.min_ttl, options_.success.max_ttl),
                           options_.success.max_ttl);
  } else {
    return false;
  }
  const auto& kind = plan.kind == CacheKind::Success ? options_.success : options_.denial;
  return plan.life != 0 && !at_or_below_any(name, kind.except);
}

const AnswerCache::Entry* AnswerCache::store(const Query& query,
                                             std::span<const std::uint8_t> reply,
                                             std::int64_t now_ns, unsigned worker) noexcept {
  Plan plan;
  if (!examine(query, reply, plan)) return nullptr;
  const std::size_t size = plan.end[2] - plan.begin;
  const std::size_t records =
      std::size_t{plan.records[0]} + plan.records[1] + plan.records[2];
  const std::size_t octets = sizeof(Entry) + Entry::name_room(query.qname_size) + size + size % 2 +
                             records * sizeof(std::uint16_t);
  void* const memory = ::operator new(octets, std::nothrow);
  if (memory == nullptr) return nullptr;
  auto* const entry = new (memory) Entry;
  entry->stored_ns = now_ns;
  entry->life = plan.life;
  entry->octets = static_cast<std::uint32_t>(octets);
  entry->saved = static_cast<std::uint32_t>(plain_size(reply) - reply.size());
  entry->flags = load_u16(reply.data() + 2);
  entry->qtype = static_cast<std::uint16_t>(query.qtype);
  entry->begin = static_cast<std::uint16_t>(plan.begin);
  for (std::size_t i = 0; i < 3; ++i) {
    entry->end[i] = static_cast<std::uint16_t>(plan.end[i]);
    entry->records[i] = plan.records[i];
  }
  entry->qname_size = query.qname_size;
  entry->key = key_flags(query);
  entry->kind = plan.kind;
  entry->hash = hash_of(query, entry->key);
  std::uint8_t* const name = entry->name();
  std::memset(name, 0, Entry::name_room(query.qname_size));
  std::memcpy(name, query.lower.data(), query.qname_size);
  std::uint8_t* const octets_at = name + Entry::name_room(query.qname_size);
  std::memcpy(octets_at, reply.data() + plan.begin, size);
  std::memcpy(octets_at + size + size % 2, plan.ttl_offsets.data(),
              records * sizeof(std::uint16_t));
  insert(entry, entry->hash, now_ns, worker);
  return entry;
}

void AnswerCache::insert(Entry* entry, std::uint64_t hash, std::int64_t now_ns,
                         unsigned worker) noexcept {
  const std::size_t bucket_index = hash & (buckets_.size() - 1);
  const std::size_t shard_index = bucket_index / buckets_per_shard_;
  Shard& shard = shards_[shard_index];
  const auto kind = static_cast<std::size_t>(entry->kind);
  const auto& limits = entry->kind == CacheKind::Success ? options_.success : options_.denial;
  const std::size_t capacity = limits.capacity / kShards;
  const std::size_t most_octets =
      (options_.success.capacity + options_.denial.capacity) / kShards * kCacheOctetsPerEntry;

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
      place = &slot;
      break;
    }
    const int mine = other->left(now_ns) == 0                         ? 2
                     : !other->used.load(std::memory_order_relaxed) ? 1
                                                                      : 0;
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
  while (shard.entries[kind].load(std::memory_order_relaxed) >= capacity &&
         push_out(shard, shard_index, entry->kind, now_ns, worker)) {
  }
  while (shard.octets.load(std::memory_order_relaxed) + entry->octets > most_octets) {
    if (!push_out(shard, shard_index, entry->kind, now_ns, worker) &&
        !push_out(shard, shard_index,
                  entry->kind == CacheKind::Success ? CacheKind::Denial : CacheKind::Success,
                  now_ns, worker)) {
      break;
    }
  }
  shard.entries[kind].fetch_add(1, std::memory_order_relaxed);
  shard.octets.fetch_add(entry->octets, std::memory_order_relaxed);
  place->store(hash >> 48 << 48 | reinterpret_cast<std::uintptr_t>(entry),
               std::memory_order_release);
  if (shard.garbage.size() >= kGarbageBatch) free_garbage(shard);
}

void AnswerCache::take_out(Shard& shard, std::atomic<std::uint64_t>& slot) noexcept {
  auto* const entry =
      reinterpret_cast<Entry*>(slot.load(std::memory_order_relaxed) & kPointerBits);
  slot.store(0, std::memory_order_release);
  shard.entries[static_cast<std::size_t>(entry->kind)].fetch_sub(1, std::memory_order_relaxed);
  shard.octets.fetch_sub(entry->octets, std::memory_order_relaxed);
  shard.waiting_octets.fetch_add(entry->octets, std::memory_order_relaxed);
  shard.garbage.push_back({entry, reclaim_.mark()});
}

// The hand goes round as a clock's: what was asked for since it last came by gets another round.
bool AnswerCache::push_out(Shard& shard, std::size_t shard_index, CacheKind kind,
                           std::int64_t now_ns, unsigned worker) noexcept {
  if (shard.entries[static_cast<std::size_t>(kind)].load(std::memory_order_relaxed) == 0) {
    return false;
  }
  const std::size_t slots = buckets_per_shard_ * kWays;
  const std::size_t first = shard_index * buckets_per_shard_;
  for (std::size_t step = 0; step < 2 * slots; ++step) {
    const std::size_t at = shard.hand++ & (slots - 1);
    auto& slot = buckets_[first + at / kWays].slots[at % kWays];
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    if (word == 0) continue;
    auto* const entry = reinterpret_cast<Entry*>(word & kPointerBits);
    if (entry->kind != kind) continue;
    const bool over = entry->left(now_ns) == 0;
    if (!over && entry->used.exchange(false, std::memory_order_relaxed)) continue;
    if (!over) count(counters_[worker].evictions[static_cast<std::size_t>(kind)]);
    take_out(shard, slot);
    return true;
  }
  return false;
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

void AnswerCache::fill(const Entry& entry, const Query& query, std::int64_t now_ns,
                       Answer& answer) const noexcept {
  answer.rcode = Rcode{static_cast<std::uint16_t>(entry.flags & 0xF)};
  answer.authoritative = (entry.flags & kFlagAA) != 0;
  answer.recursion_available = (entry.flags & kFlagRA) != 0;
  // RFC 6840 5.8: only to those who can tell what it means.
  answer.authentic_data =
      (entry.flags & kFlagAD) != 0 && (query.dnssec_ok || (query.flags & kFlagAD) != 0);
  const std::uint32_t ttl = options_.keep_ttl ? entry.life : entry.left(now_ns);
  const auto section = [&](RRsetRef& to, std::uint32_t index) {
    to = {};
    to.write = &write_section;
    to.data = &entry;
    to.first = index;
    to.count = entry.records[index];
    to.ttl = ttl;
  };
  if (entry.records[0] != 0) section(answer.answer[answer.answer_count++], 0);
  if (entry.records[1] != 0) section(answer.authority[answer.authority_count++], 1);
  if (entry.records[2] != 0) section(answer.additional[answer.additional_count++], 2);
}

std::vector<std::uint8_t> AnswerCache::message(const Entry& entry, const Query& query,
                                               std::int64_t now_ns) const {
  Answer answer;
  answer.reset(query.lower.data(), query.qname_size);
  fill(entry, query, now_ns, answer);
  std::vector<std::uint8_t> out(kMaxMessage + kOptRecordSize + kPadding);
  out.resize(encode_answer(query, answer, kDefaultUdpSize, out.data(), kMaxMessage));
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
    sum += shard.octets.load(std::memory_order_relaxed) +
           shard.waiting_octets.load(std::memory_order_relaxed);
  }
  return sum;
}

AnswerCache::Totals AnswerCache::totals() const noexcept {
  Totals totals;
  for (const CacheCounters& counters : counters_) {
    totals.requests += counters.requests.load(std::memory_order_relaxed);
    totals.misses += counters.misses.load(std::memory_order_relaxed);
    for (std::size_t kind = 0; kind < 2; ++kind) {
      totals.hits[kind] += counters.hits[kind].load(std::memory_order_relaxed);
      totals.evictions[kind] += counters.evictions[kind].load(std::memory_order_relaxed);
    }
  }
  return totals;
}

}  // namespace clusterdns::dns
