#include "dns/shape/signature_cache.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "dns/base/random.h"

namespace clusterdns::dns {

SignatureCache::SignatureCache(std::size_t capacity, std::size_t signature_size)
    : ways_(std::min<std::size_t>(capacity, 4)),
      buckets_(capacity / ways_),
      words_(kSignature + signature_size / sizeof(std::uint64_t)),
      seed_(random_seed() | 1),
      places_(std::make_unique<Word[]>(buckets_ * ways_ * words_)) {}

SignatureCache::Key SignatureCache::key_of(std::span<const std::uint8_t> octets) noexcept {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  Key key{};
  // Without a digest (no memory) nothing is found: no place has this key.
  if (EVP_Digest(octets.data(), octets.size(), digest.data(), nullptr, EVP_sha256(), nullptr) ==
      1) {
    std::memcpy(key.data(), digest.data(), sizeof(key));
  }
  return key;
}

SignatureCache::Word* SignatureCache::bucket(const Key& key) noexcept {
  // Multiplied by what nobody knows, so that names cannot be chosen to push each other out.
  __extension__ typedef unsigned __int128 Wide;
  const std::uint64_t mixed = (key[0] ^ (key[0] >> 32)) * seed_;
  const auto at = static_cast<std::size_t>((Wide{mixed} * buckets_) >> 64);
  return places_.get() + at * ways_ * words_;
}

bool SignatureCache::find(const Key& key, Times& times, std::uint8_t* signature) noexcept {
  if (key == Key{}) return false;
  Word* place = bucket(key);
  for (std::size_t way = 0; way < ways_; ++way, place += words_) {
    const std::uint64_t version = place[kVersion].load(std::memory_order_acquire);
    if (version == 0 || (version & 1) != 0) continue;
    if (place[kKey].load(std::memory_order_acquire) != key[0] ||
        place[kKey + 1].load(std::memory_order_acquire) != key[1]) {
      continue;
    }
    const std::uint64_t both = place[kTimes].load(std::memory_order_acquire);
    for (std::size_t i = kSignature; i < words_; ++i) {
      const std::uint64_t word = place[i].load(std::memory_order_acquire);
      std::memcpy(signature + (i - kSignature) * sizeof(word), &word, sizeof(word));
    }
    // What was read is of one version, for it is still the same.
    if (place[kVersion].load(std::memory_order_relaxed) != version) return false;
    if (place[kUsed].load(std::memory_order_relaxed) == 0) {
      place[kUsed].store(1, std::memory_order_relaxed);
    }
    times = {static_cast<std::uint32_t>(both >> 32), static_cast<std::uint32_t>(both)};
    return true;
  }
  return false;
}

void SignatureCache::put(const Key& key, const Times& times,
                         std::span<const std::uint8_t> signature) noexcept {
  if (key == Key{}) return;
  Word* const first = bucket(key);
  const auto place_of = [&](std::size_t way) { return first + way * words_; };
  std::size_t chosen = ways_;
  std::size_t unused = ways_;
  for (std::size_t way = 0; way < ways_ && chosen == ways_; ++way) {
    Word* const place = place_of(way);
    const bool same = place[kKey].load(std::memory_order_relaxed) == key[0] &&
                      place[kKey + 1].load(std::memory_order_relaxed) == key[1];
    if (same || place[kVersion].load(std::memory_order_relaxed) == 0) chosen = way;
    if (place[kUsed].load(std::memory_order_relaxed) == 0) unused = way;
  }
  if (chosen == ways_) {
    chosen = unused;
    if (chosen == ways_) {
      // All were asked for since this happened last: each begins another round, one goes.
      for (std::size_t way = 0; way < ways_; ++way) {
        place_of(way)[kUsed].store(0, std::memory_order_relaxed);
      }
      chosen = key[1] % ways_;
    }
  }
  Word* const place = place_of(chosen);
  std::uint64_t version = place[kVersion].load(std::memory_order_relaxed);
  if ((version & 1) != 0 ||
      !place[kVersion].compare_exchange_strong(version, version + 1, std::memory_order_acq_rel)) {
    return;
  }
  // Each seen no earlier than the odd version.
  place[kKey].store(key[0], std::memory_order_release);
  place[kKey + 1].store(key[1], std::memory_order_release);
  place[kTimes].store(std::uint64_t{times.inception} << 32 | times.expiration,
                      std::memory_order_release);
  place[kUsed].store(0, std::memory_order_release);
  for (std::size_t i = kSignature; i < words_; ++i) {
    const std::size_t at = (i - kSignature) * sizeof(std::uint64_t);
    std::uint64_t word = 0;
    if (at < signature.size()) {
      std::memcpy(&word, signature.data() + at, std::min(sizeof(word), signature.size() - at));
    }
    place[i].store(word, std::memory_order_release);
  }
  if (version == 0) entries_.fetch_add(1, std::memory_order_relaxed);
  place[kVersion].store(version + 2, std::memory_order_release);
}

}  // namespace clusterdns::dns
