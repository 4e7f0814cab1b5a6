// Signatures that were made, by what they sign.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

namespace clusterdns::dns {

// Of a fixed size: what is new takes the place of what has not been asked for lately. Workers read
// and write it without a lock or an allocation: a place that one of them writes is none to the
// others meanwhile.
class SignatureCache {
 public:
  // Octets of a place besides the signature.
  static constexpr std::size_t kOverhead = 40;

  // `capacity` signatures, at least 1, of `signature_size` octets at most, a multiple of 8.
  SignatureCache(std::size_t capacity, std::size_t signature_size);

  // A hash of what is signed, which nobody finds another text for.
  using Key = std::array<std::uint64_t, 2>;
  [[nodiscard]] static Key key_of(std::span<const std::uint8_t> octets) noexcept;

  // Seconds since 1970.
  struct Times {
    std::uint32_t inception = 0;
    std::uint32_t expiration = 0;
  };
  // False: it is not there. `signature` has room for `signature_size`.
  [[nodiscard]] bool find(const Key& key, Times& times, std::uint8_t* signature) noexcept;
  // Without effect when another worker writes there at the same time.
  void put(const Key& key, const Times& times, std::span<const std::uint8_t> signature) noexcept;

  [[nodiscard]] std::size_t entries() const noexcept {
    return entries_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return buckets_ * ways_; }
  // All that it takes.
  [[nodiscard]] std::size_t octets() const noexcept {
    return capacity() * words_ * sizeof(std::uint64_t);
  }

 private:
  using Word = std::atomic<std::uint64_t>;
  // Words of a place: a version, odd while it is written and 0 before it ever was; the key; the
  // times; whether it was asked for lately; the signature.
  enum : std::size_t { kVersion, kKey, kTimes = 3, kUsed, kSignature };
  static_assert(kSignature * sizeof(std::uint64_t) == kOverhead);

  [[nodiscard]] Word* bucket(const Key& key) noexcept;

  const std::size_t ways_;
  const std::size_t buckets_;
  const std::size_t words_;
  const std::uint64_t seed_;
  const std::unique_ptr<Word[]> places_;
  std::atomic<std::size_t> entries_{0};
};

}  // namespace clusterdns::dns
